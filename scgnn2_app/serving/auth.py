"""Users and their passwords, for servers that others can reach: a file of salted hashes, never the passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path

from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.io import whole_file

_COST = {"n": 2**14, "r": 8, "p": 1}  # scrypt, RFC 7914: some 50 ms and 16 MiB for one guess
SHORTEST = 8
"""Characters of a password."""


class Users:
    """The users of a server, in a JSON file of name to salted scrypt hash.

    Parameters
    ----------
    path
        The file; :meth:`add` makes it.

    Raises
    ------
    InputError
        The file is there but is not of this form.

    Examples
    --------
    >>> import tempfile
    >>> users = Users(Path(tempfile.mkdtemp()) / "users.json")
    >>> users.add("ada", "correct horse")
    >>> users.check("ada", "correct horse"), users.check("ada", "wrong"), users.check("eve", "wrong")
    (True, False, False)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._hashes = self._read() if self.path.exists() else {}

    @property
    def names(self) -> list[str]:
        """All users, sorted."""
        return sorted(self._hashes)

    def add(self, name: str, password: str) -> None:
        """Add a user or give one another password; the file can then be read by its owner only.

        Raises
        ------
        ParameterError
            The name is empty or has characters that are not printed, or the password is shorter than 8 characters.
        OutputError
            The file cannot be written.
        """
        if not name.strip() or not name.isprintable() or name == "guest":
            raise ParameterError(f"{name!r} cannot be the name of a user.", expected="printable characters")
        if len(password) < SHORTEST:
            raise ParameterError("The password is too short.", expected=f"at least {SHORTEST} characters")
        self._hashes[name] = _hashed(password, secrets.token_bytes(16))
        self._write()

    def remove(self, name: str) -> None:
        """Remove a user.

        Raises
        ------
        ParameterError
            There is no such user.
        """
        if self._hashes.pop(name, None) is None:
            raise ParameterError(f"There is no user {name!r}.", expected=", ".join(self.names) or "a user")
        self._write()

    def check(self, name: str, password: str) -> bool:
        """Whether this is the user's password; takes as long where there is no such user."""
        known = self._hashes.get(name)
        given = _hashed(password, _salt(known) if known else bytes(16))
        return hmac.compare_digest(given, known) if known else False

    def _read(self) -> dict[str, str]:
        try:
            values = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"The users in {self.path} cannot be read: {error}.") from error
        good = isinstance(values, dict) and all(
            isinstance(value, str) and value.startswith("scrypt$") and value.count("$") == 2
            for value in values.values()
        )
        if not good:
            raise InputError(
                f"{self.path} is no file of users.",
                expected="names and hashes, as scgnn2 users writes them; passwords are not taken in plain text",
                advice=f"Make one with: scgnn2 users {self.path} add NAME",
            )
        return {str(name): str(value) for name, value in values.items()}

    def _write(self) -> None:
        with whole_file(self.path) as temporary:
            os.chmod(temporary, 0o600)
            temporary.write_text(json.dumps(self._hashes, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _hashed(password: str, salt: bytes) -> str:
    key = hashlib.scrypt(password.encode(), salt=salt, dklen=32, **_COST)
    return "$".join(["scrypt", base64.b64encode(salt).decode(), base64.b64encode(key).decode()])


def _salt(known: str) -> bytes:
    return base64.b64decode(known.split("$")[1])

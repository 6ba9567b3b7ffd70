"""Users and their passwords, for servers that others can reach: a file of salted hashes, never the passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any

from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.io import whole_file

_COST = {"n": 2**14, "r": 8, "p": 1}  # scrypt, RFC 7914: some 50 ms and 16 MiB for one guess
SHORTEST = 8
"""Characters of a password."""

PAUSE_SECONDS = 1.0
"""How long an answer to a wrong password waits."""


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


LOGIN_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>scgnn2: log in</title>
<style>
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { min-height: 100vh; margin: 0; display: grid; place-items: center; background: Canvas; color: CanvasText; }
form { display: grid; gap: .75rem; width: min(20rem, 90vw); }
h1 { font-size: 1.25rem; margin: 0; }
label { display: grid; gap: .25rem; }
input, button { font: inherit; padding: .5rem .6rem; border: 1px solid GrayText; border-radius: .25rem; }
button { background: #1565c0; color: #fff; border-color: #1565c0; cursor: pointer; }
p { margin: 0; color: #c62828; }
</style>
</head>
<body>
<form method="post" action="{action}">
<h1>scgnn2</h1>
{message}
<label>User <input name="username" autocomplete="username" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Log in</button>
</form>
</body>
</html>
"""


def login_provider(users: Users) -> Any:
    """Panel's log-in by cookie, with our users and a page that fetches nothing from elsewhere."""
    from panel.auth import BasicAuthProvider, BasicLoginHandler
    from tornado.ioloop import IOLoop

    class Login(BasicLoginHandler):
        def get(self) -> None:
            self._keep_next()
            self._show("")

        async def post(self) -> None:
            name, password = self.get_argument("username", ""), self.get_argument("password", "")
            right = await IOLoop.current().run_in_executor(None, users.check, name, password)
            if not right:
                await _pause()
                self.set_status(403)
                self._show("<p role='alert'>User or password is wrong.</p>")
                return
            self.set_current_user(name)  # type: ignore[no-untyped-call]  # panel carries no types
            self.redirect(_inside(self.get_cookie("next_url", "/")))

        def _keep_next(self) -> None:
            self.set_cookie("next_url", _inside(self.get_argument("next", "/")), httponly=True, samesite="Lax")

        def _show(self, message: str) -> None:
            self.set_header("Cache-Control", "no-store")
            self.write(LOGIN_PAGE.replace("{action}", "/login").replace("{message}", message))

        def check_xsrf_cookie(self) -> None:
            """Nothing to check: a log-in changes nothing, and the host was checked before."""

    class Provider(BasicAuthProvider):
        @property
        def login_handler(self) -> Any:
            return Login

    provider: Any = Provider
    return provider(login_endpoint="/login", logout_endpoint="/logout")


async def _pause() -> None:
    import asyncio

    await asyncio.sleep(PAUSE_SECONDS)


def _inside(address: str | None) -> str:
    """A page of this server, whatever an address says.

    Examples
    --------
    >>> _inside("/?run=1"), _inside("//evil.example"), _inside("https://evil.example")
    ('/?run=1', '/', '/')
    """
    if not address or not address.startswith("/") or address.startswith("//") or "\\" in address:
        return "/"
    return address

"""Files that come through the browser: sizes and kinds enforced here, not in the browser."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from scgnn2_app.runs.workspace import Workspace
from scgnn2_app.sources.server_files import READABLE
from scgnn2_app.sources.source import Source
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.atomic import output_error
from scgnn2_engine.io.readers import text

MIB = 2**20
MAX_UPLOAD = 2048 * MIB
"""Largest file where nothing else is said, in bytes."""

BESIDE = "beside"
"""Folder, one level deeper than those of data, of what goes with data."""

LABEL_FILES = text.FORMAT.suffixes
BULK_FILES = (*LABEL_FILES, ".h5ad")
"""How names end of files that go with data."""

LARGER = "put it into a folder of the server that --root names and choose it there"
"""What to do with a file that is larger."""


class Upload:
    """A file that arrives in pieces and is written to disk piece by piece.

    Parameters
    ----------
    workspace, owner
        Where it goes: the user's own folder.
    name
        As the browser gave it; only its last part and harmless characters are kept.
    limit
        Largest size in bytes.
    kinds
        How its name may end.
    beside
        Whether it goes with other data, as labels do: then it is not offered as data.

    Raises
    ------
    InputError
        It is a file of another kind.

    Examples
    --------
    >>> import tempfile
    >>> upload = Upload(Workspace(tempfile.mkdtemp()), "counts.csv", limit=100)
    >>> upload.write(b"gene,a,b")
    >>> upload.finish().text
    'counts.csv'
    """

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        *,
        owner: str = "",
        limit: int = MAX_UPLOAD,
        kinds: Sequence[str] = READABLE,
        beside: bool = False,
    ) -> None:
        self.name = safe_name(name, kinds)
        self.limit = limit
        self.size = 0
        self._folder = folder_of(workspace, owner) / (BESIDE if beside else "") / secrets.token_hex(6)
        try:
            self._folder.mkdir(parents=True)
            self._file = open(self._folder / self.name, "xb")  # noqa: SIM115 - closed by finish() or abandon()
        except OSError as error:
            raise output_error(self._folder, error) from error

    def write(self, piece: bytes) -> None:
        """Append the next piece.

        Raises
        ------
        InputError
            The file grows beyond the limit; what was there of it is removed.
        OutputError
            It cannot be written, or the disk is full; likewise.
        """
        self.size += len(piece)
        if self.size > self.limit:
            self.abandon()
            raise too_large(self.name, self.limit)
        try:
            self._file.write(piece)
        except OSError as error:
            self.abandon()
            raise output_error(self._folder / self.name, error) from error

    def finish(self) -> Source:
        """The whole file is there.

        Raises
        ------
        InputError
            It is empty.
        OutputError
            The disk is full.
        """
        try:
            self._file.close()
        except OSError as error:
            self.abandon()
            raise output_error(self._folder / self.name, error) from error
        if self.size == 0:
            self.abandon()
            raise InputError(
                f"{self.name} is empty.", expected="a file with data", advice="Export it again, and upload that."
            )
        return Source("upload", str(self._folder / self.name), title=self.name)

    def abandon(self) -> None:
        """Remove what has arrived; more than once does no harm."""
        with suppress(OSError):
            self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def uploads(workspace: Workspace, owner: str = "") -> list[Source]:
    """A user's files, the newest first."""
    files = [file for file in folder_of(workspace, owner).glob("*/*") if file.is_file()]
    files.sort(key=lambda file: file.stat().st_mtime, reverse=True)
    return [Source("upload", str(file), title=file.name) for file in files]


def remove(workspace: Workspace, path: str | Path, owner: str = "") -> None:
    """Remove a user's file and its folder; what has gone already is no error.

    Parameters
    ----------
    workspace, owner
        As for :class:`Upload`.
    path
        Of a source that :meth:`Upload.finish` or :func:`uploads` gave.

    Raises
    ------
    InputError
        It is no file that this user has uploaded.
    OutputError
        It cannot be removed.
    """
    file = Path(path).resolve()
    own = folder_of(workspace, owner).resolve()
    if file.parent.parent not in (own, own / BESIDE) or file.parent == own / BESIDE:
        raise InputError(
            f"{file.name} is no file that you have uploaded.",
            expected="an upload of your own",
            advice="Remove files of the server where they lie.",
        )
    try:
        shutil.rmtree(file.parent)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise output_error(file, error) from error


def too_large(name: str, limit: int) -> InputError:
    """The error for a file that is larger than ``limit`` bytes."""
    return InputError(
        f"{name} is larger than this server takes.",
        expected=f"at most {limit / MIB:,.0f} MiB",
        found=f"more than {limit / MIB:,.0f} MiB",
        advice=f"Keep fewer cells or genes, or {LARGER}.",
    )


def folder_of(workspace: Workspace, owner: str = "") -> Path:
    """The folder of a user's uploads; users are told apart by a hash, since names may hold anything."""
    name = hashlib.sha256(owner.encode()).hexdigest()[:16] if owner else "everyone"
    return workspace.uploads / name


def safe_name(name: str, kinds: Sequence[str] = READABLE) -> str:
    r"""The last part of a name without anything a file system or a page could misread.

    Raises
    ------
    InputError
        It ends in none of ``kinds``.

    Examples
    --------
    >>> safe_name("..\\..\\My counts (1).csv.gz")
    'My_counts_1_.csv.gz'
    """
    last = re.split(r"[/\\]", name)[-1]
    clean = re.sub(r"[^\w.-]+", "_", last, flags=re.ASCII).lstrip(".-")
    end = max((end for end in kinds if clean.lower().endswith(end)), key=len, default="")
    if not end or not clean[: -len(end)]:
        raise InputError(
            f"{last!r} cannot be used: files of that kind cannot be read here.",
            expected="a name that ends in " + ", ".join(kinds),
            advice="Export it as csv, or data as h5ad." if ".h5ad" in kinds else "Export it as csv.",
        )
    return clean[: -len(end)][:100] + clean[-len(end) :]

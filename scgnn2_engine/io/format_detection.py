"""How a file begins, by which its format is told; what is refused for it, and why."""

from __future__ import annotations

import codecs
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.compression import members, opened
from scgnn2_engine.io.storage.hdf5_probe import check_walk
from scgnn2_engine.io.storage.zarr_storage import MARKS

BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""What Python's readers raise on a damaged or truncated file."""

_PICKLE_NAME = re.compile(
    r".*\.(pkl|pickle|p|joblib|pt|pth)(\.gz|\.bz2|\.xz)?|ind\..+\.(x|tx|allx|y|ty|ally|graph)", re.IGNORECASE
)
_PICKLE_START = re.compile(
    rb"\x80[\x02-\x05]|[]})]q[\x00-\x08]|c[\w.]+\n\w+\n(?:p\d+\n|[()q.])|\((?:lp|dp|I|S)\d*\n", re.DOTALL
)
_HDF5_START = b"\x89HDF\r\n\x1a\n"
_MUDATA_START = b"MuData"


@dataclass(frozen=True)
class Start:
    """What a format is recognised by.

    Attributes
    ----------
    path
        The file or folder.
    content
        The first bytes of a file, decompressed; empty of a folder.
    """

    path: Path
    content: bytes

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path.is_dir()

    @property
    def is_hdf5(self) -> bool:
        """Whether it is HDF5, whatever is in it; text of up to some KiB may stand before it, as in an h5mu."""
        return self.content.startswith((_HDF5_START, _MUDATA_START)) and _holds_hdf5(self.path)

    @cached_property
    def kind(self) -> str:
        """What it may be: ``zarr``, another ``folder``, ``hdf5``, ``zip``, ``mtx`` (Matrix Market), or ``other``."""
        if self.is_folder:
            return "folder" if self.names.isdisjoint(MARKS) else "zarr"
        if self.is_hdf5:
            return "hdf5"
        is_mtx = self.content.removeprefix(codecs.BOM_UTF8)[:14].lower() == b"%%matrixmarket"
        return "zip" if self.content.startswith(b"PK\x03\x04") else "mtx" if is_mtx else "other"

    @property
    def is_text(self) -> bool:
        """Whether it is text that is not called by the name of a binary format."""
        suffix = self.path.suffix.lower()
        if suffix in (".h5ad", ".h5", ".h5mu", ".loom") or (suffix == ".gz" and not _is_text(self.content)):
            return False
        return b"\x00" not in self.content and not self.content.startswith(b"%%MatrixMarket")

    @cached_property
    def groups(self) -> dict[str, frozenset[str]]:
        """The groups and arrays at the root of an HDF5 file, each with what is in it; nothing of other files.

        Raises
        ------
        InputError
            The file is damaged.
        """
        if not self.is_hdf5:
            return {}
        import h5py

        check_walk(self.path)
        try:
            with h5py.File(self.path) as file:
                return {
                    key: _inside(file, key) for key in file if isinstance(file.get(key, getlink=True), h5py.HardLink)
                }
        except Exception as error:  # of any kind, as h5py raises it of a damaged file
            raise cannot_read(self.path, error) from error

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The files in a zip, where it is read as one: it holds several, or one that is no text."""
        if not self.content.startswith(b"PK\x03\x04"):
            return ()
        try:
            return members(self.path)
        except OSError:
            return ()

    @cached_property
    def names(self) -> frozenset[str]:
        """What is in a folder; nothing of a file."""
        return frozenset(entry.name for entry in self.path.iterdir()) if self.is_folder else frozenset()


def start_of(path: Path, readable: Callable[[], str]) -> Start:
    """Look at the first bytes of a file.

    Parameters
    ----------
    path
        A file or folder.
    readable
        Says what can be read, for messages.

    Raises
    ------
    InputError
        There is nothing at the path, or the file is empty, cannot be opened, or is a pickle.
    """
    if path.is_dir():
        return Start(path, b"")
    if not path.exists():
        raise missing(path, f"a file or folder: {readable()}")
    if _PICKLE_NAME.fullmatch(path.name):
        raise _pickle_refused(path, readable())
    content = _first_bytes(path)
    if not content:
        raise InputError(
            f"{path} is empty.", expected=readable(), advice="Export or download it again, or choose another file."
        )
    if _PICKLE_START.match(content):
        raise _pickle_refused(path, readable())
    return Start(path, content)


def missing(path: Path, expected: str) -> InputError:
    """Name a path at which there is nothing, and what is beside it."""
    return InputError(f"{path} does not exist.", expected=expected, advice=f"The folder {path.parent} {_beside(path)}.")


def cannot_read(path: Path, error: BaseException) -> InputError:
    """Name a file that is damaged or cut short, or not there at all."""
    if isinstance(error, FileNotFoundError):
        return missing(path, "a file")
    return InputError(
        f"{path} cannot be read: it is damaged or truncated.",
        expected="a complete file",
        found=f"{type(error).__name__}: {error}",
        advice="Download or export it again.",
    )


def check_name_fits(path: Path, start: bytes, readable: str) -> None:
    """Refuse what is neither HDF5 nor gzip but is called so, by the format that its name promises."""
    suffix = path.suffix.lower()
    if start.startswith(_HDF5_START):  # and yet it is not HDF5: it is inside
        raise InputError(
            f"{path} is an HDF5 file that is packed.",
            expected="the file that is in it",
            found="a compressed file",
            advice=f"Unpack it first (gunzip {path.name}), and read what comes out.",
        )
    if suffix in (".h5ad", ".h5", ".h5mu", ".loom"):
        raise InputError(
            f"{path} is not an {suffix[1:]} file: its content is not HDF5.",
            expected="HDF5 content",
            found=f"{start[:8]!r}",
            advice="Export it again, or give the file the name of what it holds (.csv for text).",
        )
    if suffix == ".gz" and not _is_text(start):
        with path.open("rb") as handle:
            magic = handle.read(8)
        if not magic.startswith(b"\x1f\x8b"):
            raise InputError(
                f"{path} is not gzip, though its name says so, and it is not text either.",
                expected=readable,
                found=f"binary content ({magic!r})",
                advice="Download or export it again.",
            )


def _inside(file: Any, key: str) -> frozenset[str]:
    """The names in a group of an HDF5 file; none of an array, and of what is damaged, which may not be needed."""
    try:
        return frozenset(file[key].keys())
    except (AttributeError, KeyError, OSError, RuntimeError, ValueError):
        return frozenset()


def _holds_hdf5(path: Path) -> bool:
    """Whether HDF5 begins at one of the places where it may: 0, 512, 1024, 2048, …; a packed file does not hold it."""
    size, place = path.stat().st_size, 0
    with path.open("rb") as handle:
        while place < size:
            handle.seek(place)
            if handle.read(len(_HDF5_START)) == _HDF5_START:
                return True
            place = max(512, 2 * place)
    return False


def _is_text(start: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)  # which passes a character cut off at the end
    except UnicodeDecodeError:
        return False
    return b"\x00" not in start


def _first_bytes(path: Path, size: int = 512) -> bytes:
    try:
        with path.open("rb") as handle:
            if handle.read(4) == b"PK\x03\x04" and not _zip_of_text(path):
                handle.seek(0)
                return handle.read(size)
        with opened(path) as (content, _):
            return content.read(size)
    except PermissionError as error:
        raise InputError(
            f"{path} cannot be read: permission denied.",
            advice="Give the user who runs this program the right to read it.",
        ) from error
    except UnicodeError:  # UTF-16 by its mark, and something else by its content
        with path.open("rb") as handle:
            return handle.read(size)
    except BROKEN as error:
        raise cannot_read(path, error) from error


def _zip_of_text(path: Path) -> bool:
    """Whether a zip holds one file, and one that is no archive of arrays."""
    try:
        names = members(path)
    except OSError:
        return False
    return len(names) == 1 and not names[0].lower().endswith((".npy", ".xml"))


def _pickle_refused(path: Path, readable: str) -> InputError:
    return InputError(
        f"{path} is a pickle, and pickles are refused: loading one runs any code that is in it.",
        expected=readable,
        advice="Export the matrix as csv or h5ad where you trust the file, and read that.",
    )


def _beside(path: Path) -> str:
    if not path.parent.is_dir():
        return "does not exist either"
    names = sorted(entry.name for entry in path.parent.iterdir())
    return "holds " + (", ".join(names[:8]) + (" …" if len(names) > 8 else "") if names else "nothing")

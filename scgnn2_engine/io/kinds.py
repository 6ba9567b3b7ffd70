"""What kind of file a path is, by its content first and its name second; what is refused, and why."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import zlib
from pathlib import Path
from typing import Literal

from scgnn2_engine.errors import InputError

Kind = Literal["text", "10x folder", "10x h5", "h5ad", "rdata"]

READABLE = "csv or tsv (plain or .gz), a 10x folder or .h5, h5ad, .RData/.rda/.rds"
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What Python's readers raise on a damaged or truncated file."""

_PICKLE_NAME = re.compile(
    r".*\.(pkl|pickle|p|joblib|pt|pth)(\.gz|\.bz2|\.xz)?|ind\..+\.(x|tx|allx|y|ty|ally|graph)", re.IGNORECASE
)
_PICKLE_START = re.compile(
    rb"\x80[\x02-\x05]|[]})]q[\x00-\x08]|c[\w.]+\n\w+\n(?:p\d+\n|[()q.])|\((?:lp|dp|I|S)\d*\n", re.DOTALL
)
_R_START = (
    *(b"RD%c%c\n" % (kind, version) for kind in b"XAB" for version in b"23"),
    *(b"X\n\x00\x00\x00", b"A\n2\n", b"A\n3\n", b"B\n\x02\x00", b"B\n\x03\x00"),
)
_HDF5_START = b"\x89HDF\r\n\x1a\n"


def kind_of(path: Path) -> Kind:
    """Tell the kind of file or folder behind a path.

    Raises
    ------
    InputError
        The path does not exist, is empty, is a pickle, or is nothing that can be read; the message lists what can.
    """
    if path.is_dir():
        return "10x folder"
    if not path.exists():
        raise missing(path, f"a file or folder: {READABLE}")
    if _PICKLE_NAME.fullmatch(path.name):
        raise _pickle_refused(path)
    start = _first_bytes(path)
    if not start:
        raise InputError(
            f"{path} is empty.", expected=READABLE, advice="Export or download it again, or choose another file."
        )
    if _PICKLE_START.match(start):
        raise _pickle_refused(path)
    if start.startswith(_HDF5_START):
        return _kind_of_hdf5(path)
    if start.startswith(_R_START):
        return "rdata"
    if start.startswith(b"%%MatrixMarket"):
        raise InputError(
            f"{path} is the matrix of a 10x folder, without its names.",
            expected="the folder",
            advice=f"Read {path.parent} instead: names stand in genes.tsv or features.tsv.gz beside it.",
        )
    _check_name_fits(path, start)
    if b"\x00" in start:
        raise InputError(
            f"{path} is neither text nor any other format that can be read.",
            expected=READABLE,
            found=f"binary content ({start[:8]!r})",
            advice="Export it as csv or h5ad.",
        )
    return "text"


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


def _check_name_fits(path: Path, start: bytes) -> None:
    """Refuse what is neither HDF5 nor gzip but is called so, by the format that its name promises."""
    suffix = path.suffix.lower()
    if suffix in (".h5ad", ".h5"):
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
                expected=READABLE,
                found=f"binary content ({magic!r})",
                advice="Download or export it again.",
            )


def _is_text(start: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)  # which passes a character cut off at the end
    except UnicodeDecodeError:
        return False
    return b"\x00" not in start


def _first_bytes(path: Path, size: int = 512) -> bytes:
    try:
        with path.open("rb") as handle:
            magic = handle.read(6)
        if magic.startswith(b"\x1f\x8b"):
            with gzip.open(path) as handle:
                return handle.read(size)
        if magic.startswith(b"BZh"):
            with bz2.open(path) as handle:
                return handle.read(size)
        if magic == b"\xfd7zXZ\x00":
            with lzma.open(path) as handle:
                return handle.read(size)
        with path.open("rb") as handle:
            return handle.read(size)
    except PermissionError as error:
        raise InputError(
            f"{path} cannot be read: permission denied.",
            advice="Give the user who runs this program the right to read it.",
        ) from error
    except BROKEN as error:
        raise cannot_read(path, error) from error


def _kind_of_hdf5(path: Path) -> Kind:
    import h5py

    try:
        with h5py.File(path) as file:
            keys = set(file.keys())
            if "obs" in keys and "var" in keys:
                return "h5ad"
            groups = [file[key] for key in keys if isinstance(file[key], h5py.Group)]
            if any({"barcodes", "data", "indices", "indptr"} <= set(group.keys()) for group in groups):
                return "10x h5"
    except BROKEN as error:
        raise cannot_read(path, error) from error
    raise InputError(
        f"{path} is an HDF5 file of another kind.",
        expected="an h5ad or a 10x matrix",
        found=f"the groups {', '.join(sorted(keys)) or 'none'}",
        advice="Export the expression as h5ad or csv.",
    )


def _pickle_refused(path: Path) -> InputError:
    return InputError(
        f"{path} is a pickle, and pickles are refused: loading one runs any code that is in it.",
        expected=READABLE,
        advice="Export the matrix as csv or h5ad where you trust the file, and read that.",
    )


def _beside(path: Path) -> str:
    if not path.parent.is_dir():
        return "does not exist either"
    names = sorted(entry.name for entry in path.parent.iterdir())
    return "holds " + (", ".join(names[:8]) + (" …" if len(names) > 8 else "") if names else "nothing")

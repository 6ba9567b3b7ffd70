"""Files as bytes, whatever they are compressed with; told by their first bytes, never by their names."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
from pathlib import Path
from typing import IO, Any, cast

from scgnn2_engine.errors import InputError

_OPENERS: tuple[tuple[bytes, Any], ...] = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))
_ZSTANDARD = b"\x28\xb5\x2f\xfd"


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading, decompressed (gz, bz2, xz, and zst where the package ``zstandard`` is there).

    Raises
    ------
    InputError
        It is zst, and ``zstandard`` is missing.
    OSError
        It cannot be opened.
    """
    with path.open("rb") as handle:
        magic = handle.read(6)
    for first, opener in _OPENERS:
        if magic.startswith(first):
            return cast(IO[bytes], opener(path, "rb"))
    if magic.startswith(_ZSTANDARD):
        try:
            return cast(IO[bytes], importlib.import_module("zstandard").open(path, "rb"))
        except ImportError as error:
            raise InputError(
                f"{path} is compressed as zst, which needs the package zstandard.",
                advice="pip install zstandard, or decompress it first (zstd -d).",
            ) from error
    return path.open("rb")


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed by gzip, by its first bytes."""
    with path.open("rb") as handle:
        return handle.read(2) == b"\x1f\x8b"

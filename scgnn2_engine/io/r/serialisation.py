"""R's serialisation format, read within bounds and written, without R.

Files are decompressed and parsed as a stream by :mod:`scgnn2_engine.io.r.parser`; nothing in them is ever run.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from rdata.missing import R_INT_NA
from rdata.parser import RObject, RObjectType

from scgnn2_engine.errors import InputError, InsufficientMemoryError
from scgnn2_engine.io.format_detection import BROKEN, cannot_read
from scgnn2_engine.io.memory import GIB, available_memory
from scgnn2_engine.io.r.parser import Parser
from scgnn2_engine.io.r.source import BinarySource, Budget, TextSource

_FAILURES = (*BROKEN, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_OPENERS: tuple[tuple[bytes, Any], ...] = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))
_OLDEST_READER = 0x030500  # R 3.5


def parse(source: Path | bytes, *, max_memory: float = 0.0) -> dict[str, RObject]:
    """Parse what R's ``save``, ``saveRDS`` or ``serialize`` wrote.

    Parameters
    ----------
    source
        A file (plain, gzip, bzip2 or xz), or the bytes of ``serialize(object, NULL)``.
    max_memory
        GiB that the parsed objects may take; 0 takes what is free.

    Returns
    -------
    dict of str to RObject
        The objects by name in the file's order; one without a name (``saveRDS``, ``serialize``) is called ``""``.

    Raises
    ------
    InputError
        The data is damaged, or nested too deeply, or holds what this reader does not know.
    InsufficientMemoryError
        What it claims to hold does not fit.

    Examples
    --------
    >>> from scgnn2_engine.io.r.build import reals
    >>> parse(to_bytes(reals([1.5, 2.0])))[""].value
    array([1.5, 2. ])
    """
    what = str(source) if isinstance(source, Path) else "The R object"
    limit = max_memory * GIB if max_memory > 0 else available_memory()
    try:
        with _opened(source) as stream:
            found = _parse(stream, Budget(limit, what))
            stream.read(1)  # the checksum of a compressed file is looked at where the file ends
            return found
    except MemoryError as error:
        raise out_of_memory(what) from error
    except _FAILURES as error:
        raise _unreadable(source, error) from error


def out_of_memory(what: str) -> InsufficientMemoryError:
    """Say that there is not enough memory for what was read."""
    return InsufficientMemoryError(
        f"{what} does not fit into memory.",
        expected="enough of it for all objects of the file",
        found="none left",
        advice="Save the one object to read alone, or use a larger machine.",
    )


def _unreadable(source: Path | bytes, error: BaseException) -> InputError:
    damaged = isinstance(error, (EOFError, OSError, zlib.error, lzma.LZMAError))
    if isinstance(source, Path) and damaged:
        return cannot_read(source, error)
    what = source if isinstance(source, Path) else "The R object"
    return InputError(
        f"{what} cannot be read: it is damaged, or holds something that only R can read.",
        expected="what R's save, saveRDS or serialize writes",
        found=f"{type(error).__name__}: {error}",
        advice="In R, save the one object to read again: saveRDS(object, 'one.rds').",
    )


@contextlib.contextmanager
def _opened(source: Path | bytes) -> Iterator[IO[bytes]]:
    with contextlib.ExitStack() as stack:
        raw: IO[bytes] = stack.enter_context(source.open("rb") if isinstance(source, Path) else io.BytesIO(source))
        start = raw.read(6)
        raw.seek(0)
        opener = next((opener for magic, opener in _OPENERS if start.startswith(magic)), None)
        # the decompressors read ahead badly in steps of 4 bytes, so they are buffered
        yield stack.enter_context(io.BufferedReader(opener(raw), 1 << 20)) if opener else raw


def _parse(stream: IO[bytes], budget: Budget) -> dict[str, RObject]:
    start = stream.read(2)
    named = start == b"RD"
    if named:  # save() writes a line of its own before the stream
        rest = stream.read(3)
        if rest[1:] not in (b"2\n", b"3\n"):
            raise ValueError(f"save() of another kind: {start + rest!r}")
        start = stream.read(2)
    if start not in _SOURCES:
        raise ValueError(f"not R's format: it starts with {start!r}")
    found = Parser(_SOURCES[start](stream, budget), budget).whole()
    return dict(_entries(found)) if named else {"": found}


_SOURCES: dict[bytes, Any] = {
    b"X\n": lambda stream, budget: BinarySource(stream, ">", budget),
    b"B\n": lambda stream, budget: BinarySource(stream, "<", budget),
    b"A\n": TextSource,
}


def _entries(node: RObject) -> Iterator[tuple[str, RObject]]:
    while node.info.type is RObjectType.LIST:
        if node.tag is None or node.tag.info.type is not RObjectType.SYM:
            raise ValueError("an object without a name in a file of save()")
        yield node.tag.value.value.decode("utf-8", "replace"), node.value[0]
        node = node.value[1]


def to_bytes(obj: RObject) -> bytes:
    """Serialise an object as R's ``serialize(object, NULL)`` does; R's ``unserialize`` reads it."""
    buffer = io.BytesIO()
    _Writer(buffer).data(obj)
    return buffer.getvalue()


def write_rds(path: Path, obj: RObject) -> None:
    """Write one object as R's ``saveRDS`` does, gzip-compressed; the same object gives the same bytes."""
    with _gzip(path) as stream:
        _Writer(stream).data(obj)


def write_rdata(path: Path, objects: Mapping[str, RObject]) -> None:
    """Write named objects as R's ``save`` does, gzip-compressed; the same objects give the same bytes."""
    from scgnn2_engine.io.r.build import pairlist

    with _gzip(path) as stream:
        stream.write(b"RDX3\n")
        _Writer(stream).data(pairlist(objects))


@contextlib.contextmanager
def _gzip(path: Path) -> Iterator[IO[bytes]]:
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(path.open("wb"))
        packed = stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0))
        yield stack.enter_context(io.BufferedWriter(packed, 1 << 20))


class _Writer:
    """R's default format ("XDR", version 3) onto a stream; vectors of strings are lists of bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._write = stream.write

    def data(self, obj: RObject) -> None:
        self._write(b"X\n")
        for version in (3, 0x040202, _OLDEST_READER):
            self._int(version)
        self._string(b"UTF-8")
        self._object(obj)

    def _int(self, value: int) -> None:
        self._write(value.to_bytes(4, "big", signed=True))

    def _string(self, value: bytes) -> None:
        self._int(len(value))
        self._write(value)

    def _length(self, size: int) -> None:
        if size >= 1 << 31:
            self._int(-1)
            self._int(size >> 32)
        self._write((size & 0xFFFFFFFF).to_bytes(4, "big"))

    def _object(self, obj: Any) -> None:
        while obj.info.type is RObjectType.LIST:  # a pairlist: as deep as it is long, were it walked by calls
            self._info(obj)
            self._attributes(obj)
            if obj.info.tag:
                self._object(obj.tag)
            first, obj = obj.value
            self._object(first)
        kind, value = obj.info.type, obj.value
        self._info(obj)
        if kind is RObjectType.SYM:
            self._object(value)
        elif kind is RObjectType.CHAR:
            self._string(value)
        elif kind is RObjectType.STR:
            self._write(_packed_strings(value))
        elif kind is RObjectType.VEC:
            self._int(len(value))
            for element in value:
                self._object(element)
        elif kind in _NUMBERS:
            filled = value.filled(R_INT_NA) if np.ma.is_masked(value) else value
            stored = np.ascontiguousarray(filled, dtype=_NUMBERS[kind])
            if kind is RObjectType.INT and (stored != filled).any():
                raise ValueError("expected integers of 32 bits, found larger ones")
            self._length(len(value))
            self._write(stored.data)
        elif kind not in (RObjectType.NILVALUE, RObjectType.S4):
            raise NotImplementedError(f"an R object of type {kind.name} cannot be written")
        self._attributes(obj)

    def _info(self, obj: RObject) -> None:
        info = obj.info
        flags = info.gp << 12 | info.tag << 10 | info.attributes << 9 | info.object << 8
        self._int(flags | info.type.value)

    def _attributes(self, obj: RObject) -> None:
        if obj.info.attributes:
            self._object(obj.attributes)


_NUMBERS = {RObjectType.INT: ">i4", RObjectType.LGL: ">i4", RObjectType.REAL: ">f8", RObjectType.RAW: "u1"}
_NA_STRING = (9).to_bytes(4, "big") + (-1).to_bytes(4, "big", signed=True)
_ASCII = ((64 << 12) + 9).to_bytes(4, "big")
_UTF8 = ((8 << 12) + 9).to_bytes(4, "big")


def _packed_strings(values: list[bytes | None]) -> bytes:
    parts = [len(values).to_bytes(4, "big")]
    for value in values:
        if value is None:
            parts.append(_NA_STRING)
        else:
            parts += (_ASCII if value.isascii() else _UTF8, len(value).to_bytes(4, "big"), value)
    return b"".join(parts)

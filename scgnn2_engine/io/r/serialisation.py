"""R's serialisation format, read within bounds and written, without R.

Files are decompressed and parsed as a stream by :mod:`scgnn2_engine.io.r.parser`; nothing in them is ever run. They are
written by the package rdata, to which S4 objects are added here.
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

from rdata.parser import RData, RExtraInfo, RObject, RObjectType, RVersions
from rdata.unparser._unparser import pack_r_object_info
from rdata.unparser._xdr import UnparserXDR

from scgnn2_engine.errors import InputError, InsufficientMemoryError
from scgnn2_engine.io.memory import GIB, available_memory
from scgnn2_engine.io.r.parser import Parser
from scgnn2_engine.io.r.source import BinarySource, Budget, TextSource
from scgnn2_engine.io.start import BROKEN, cannot_read

_FAILURES = (*BROKEN, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_OPENERS: tuple[tuple[bytes, Any], ...] = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))
_OLDEST = RVersions(format=3, serialized=0x040202, minimum=0x030500)  # readable since R 3.5


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
    _Unparser(buffer).unparse_r_data(RData(_OLDEST, RExtraInfo("UTF-8"), obj))
    return buffer.getvalue()


def write_rds(path: Path, obj: RObject) -> None:
    """Write one object as R's ``saveRDS`` does, gzip-compressed; the same object gives the same bytes."""
    with _gzip(path) as stream:
        _Unparser(stream).unparse_r_data(RData(_OLDEST, RExtraInfo("UTF-8"), obj))


def write_rdata(path: Path, objects: Mapping[str, RObject]) -> None:
    """Write named objects as R's ``save`` does, gzip-compressed; the same objects give the same bytes."""
    from scgnn2_engine.io.r.build import pairlist

    with _gzip(path) as stream:
        stream.write(b"RDX3\n")
        _Unparser(stream).unparse_r_data(RData(_OLDEST, RExtraInfo("UTF-8"), pairlist(objects)))


@contextlib.contextmanager
def _gzip(path: Path) -> Iterator[IO[bytes]]:
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(path.open("wb"))
        packed = stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0))
        yield stack.enter_context(io.BufferedWriter(packed, 1 << 20))


class _Unparser(UnparserXDR):
    """rdata's writer of R's default format, with S4 objects, and vectors of strings given as lists of bytes."""

    def unparse_int(self, value: Any) -> None:
        self.file.write(int(value).to_bytes(4, "big", signed=True))

    def unparse_array(self, array: Any) -> None:
        if array.size >= 1 << 31:
            self.unparse_int(-1)
            self.unparse_int(array.size >> 32)
            self.file.write((array.size & 0xFFFFFFFF).to_bytes(4, "big"))
            self._unparse_array_values(array)
        else:
            super().unparse_array(array)

    def unparse_r_object(self, obj: Any) -> None:
        kind = obj.info.type
        if kind is RObjectType.S4:
            self.unparse_int(pack_r_object_info(obj.info))
            self.unparse_r_object(obj.attributes)
        elif kind is RObjectType.LIST:
            self._unparse_pairs(obj)
        elif kind is RObjectType.STR:
            self.unparse_int(pack_r_object_info(obj.info))
            self.file.write(_packed_strings(obj.value))
            if obj.info.attributes:
                self.unparse_r_object(obj.attributes)
        elif kind is RObjectType.RAW:
            self.unparse_int(pack_r_object_info(obj.info))
            self.unparse_int(len(obj.value))
            self.file.write(obj.value.tobytes())
        else:
            super().unparse_r_object(obj)

    def _unparse_pairs(self, obj: Any) -> None:
        while obj.info.type is RObjectType.LIST:
            self.unparse_int(pack_r_object_info(obj.info))
            for part in (obj.attributes if obj.info.attributes else None, obj.tag if obj.info.tag else None):
                if part is not None:
                    self.unparse_r_object(part)
            first, obj = obj.value
            self.unparse_r_object(first)
        self.unparse_r_object(obj)


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

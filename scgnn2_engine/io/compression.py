"""Text in the forms in which it is packed: gzip, bzip2, xz, Zstandard, a zip of one file; and UTF-16, made UTF-8."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from scgnn2_engine.errors import InputError, MissingPackageError

_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_ZIP = b"PK\x03\x04"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""How names of packed files end."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Open a file, unpacked by what it is and not by its name; a mark of UTF-8 is left out, UTF-16 comes as UTF-8.

    Parameters
    ----------
    path
        Plain, or packed by gzip, bzip2, xz, Zstandard, or a zip with one file in it.

    Yields
    ------
    content, raw
        The unpacked bytes, and the file itself, whose place says how much of it is read.

    Raises
    ------
    InputError
        A zip holds no file, several (they are named), or one behind a password.
    MissingPackageError
        It is packed by Zstandard and the package for it is missing.
    OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile
        It is damaged or truncated: :data:`scgnn2_engine.io.format_detection.BROKEN`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "tiny.csv")
    ...     _ = file.write_bytes("cell;Actb".encode("utf-16"))
    ...     with opened(file) as (content, _):
    ...         content.read()
    b'cell;Actb'
    """
    with path.open("rb") as raw, _unpacked(path, raw) as content:
        start = content.peek(512)[:512]
        if start.startswith(_UTF16) and 3 * start.count(0) >= len(start):  # text in Latin letters, or chance
            yield _AsUtf8(content), raw
            return
        if start.startswith(codecs.BOM_UTF8):
            content.read(3)
        yield content, raw


def _unpacked(path: Path, raw: IO[bytes]) -> io.BufferedReader:
    magic = raw.read(6)
    raw.seek(0)
    content: Any = raw
    if magic.startswith(b"\x1f\x8b"):
        content = gzip.GzipFile(fileobj=raw)
    elif magic.startswith(b"BZh"):
        content = bz2.BZ2File(raw)
    elif magic == b"\xfd7zXZ\x00":
        content = lzma.LZMAFile(raw)  # noqa: SIM115  closed by its reader
    elif magic.startswith(_ZSTANDARD):
        content = _Zstandard(path, raw)
    elif magic.startswith(_ZIP):
        content = _only_member(path, raw)
    return io.BufferedReader(content, 1 << 16)


class _Zstandard(io.RawIOBase):
    """One frame of Zstandard after the other; one that ends too early is an error, not an end."""

    def __init__(self, path: Path, raw: IO[bytes]) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise MissingPackageError(
                f"{path} is packed by Zstandard, for which a package is missing.",
                expected="zstandard",
                found="it is not installed",
                advice="pip install 'scgnn2[formats]', or unpack the file: zstd -d FILE.",
            ) from error
        self._package, self._raw = zstandard, raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._rest, self._packed, self._inside = b"", b"", False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            if not self._packed:
                self._packed = self._raw.read(1 << 16)
            if not self._packed:
                if self._inside:
                    raise EOFError("the last frame has no end")
                return 0
            try:
                self._rest = self._frame.decompress(self._packed)
            except self._package.ZstdError as error:
                raise OSError(str(error)) from error
            self._inside = not self._frame.eof
            self._packed = b""
            if self._frame.eof:
                self._packed = self._frame.unused_data
                self._frame = self._package.ZstdDecompressor().decompressobj()
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


class _AsUtf8(io.BufferedReader):
    """UTF-16 text as UTF-8 bytes."""

    def __init__(self, content: IO[bytes]) -> None:
        super().__init__(_Encoded(io.TextIOWrapper(content, encoding="utf-16", newline="")))


class _Encoded(io.RawIOBase):
    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        encoded = self._text.read(max(len(buffer) // 4, 1)).encode()  # a character takes at most four bytes
        buffer[: len(encoded)] = encoded
        return len(encoded)


def members(path: Path) -> tuple[str, ...]:
    """The files in a zip, without those that macOS adds; nothing of what is no zip.

    Raises
    ------
    OSError
        It begins like a zip and is damaged.
    """
    with path.open("rb") as raw:
        if raw.read(4) != _ZIP:
            return ()
        try:
            with zipfile.ZipFile(raw) as packed:
                return _files_in(packed)
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
            raise OSError(str(error)) from error


def _files_in(packed: zipfile.ZipFile) -> tuple[str, ...]:
    return tuple(
        name for name in packed.namelist() if not name.endswith(("/", ".DS_Store")) and not name.startswith("__MACOSX/")
    )


def _only_member(path: Path, raw: IO[bytes]) -> IO[bytes]:
    names = members(path)
    if len(names) != 1:
        raise InputError(
            f"{path} is a zip that holds {len(names)} files." if names else f"{path} is a zip that holds no file.",
            expected="one file in it",
            found=", ".join(names[:8]) + (" …" if len(names) > 8 else ""),
            advice="Unpack it, and read the one that holds the matrix.",
        )
    try:
        return zipfile.ZipFile(raw).open(names[0])
    except RuntimeError as error:  # a password, or a form of packing that Python does not know
        raise InputError(
            f"{names[0]} in {path} cannot be unpacked.", found=str(error), advice="Unpack the zip, and read the file."
        ) from error
    except zipfile.BadZipFile as error:
        raise OSError(str(error)) from error

"""Numbers and text out of R's three encodings of a stream, within a budget of memory."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt
from rdata.missing import R_FLOAT_NA, R_INT_NA

from scgnn2_engine.io.memory import GIB, require_memory

KEPT_TWICE = 2.0
"""What is parsed stands beside what is made of it."""

_PIECE = 1 << 24
_LONGEST_NUMBER = 64
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"t": b"\t", b"v": b"\v", b"b": b"\b", b"r": b"\r", b"f": b"\f", b"a": b"\a"}


class Budget:
    """The bytes that parsing may still take.

    Parameters
    ----------
    limit
        Bytes that may be taken for what is parsed and for what is then made of it.
    what
        What is parsed, as the subject of a sentence.
    """

    def __init__(self, limit: float, what: str) -> None:
        self._left, self._limit, self._what = limit / KEPT_TWICE, limit, what

    def take(self, size: float) -> None:
        """Refuse with InsufficientMemoryError what goes beyond the limit."""
        self._left -= size
        if self._left < 0:
            self.require(0)

    def require(self, size: float) -> None:
        """Refuse with InsufficientMemoryError what would go beyond the limit, before any of it is taken."""
        if self._left < size:
            require_memory(self._limit + (size - self._left) * KEPT_TWICE, self._what, self._limit / GIB)


class Source(Protocol):
    """What the parser asks of an encoding; each raises EOFError where the data ends too early."""

    def integer(self) -> int:
        """One integer; NA as R stores it."""

    def two(self) -> tuple[int, int]:
        """Two integers."""

    def array(self, kind: Any, length: int) -> npt.NDArray[Any]:
        """So many int32, float64, complex128 or bytes (uint8); NA as R stores it."""

    def text(self, length: int) -> bytes:
        """A string of so many bytes."""


class BinarySource:
    """R's binary encodings: XDR (big-endian, the default) and native (little-endian)."""

    def __init__(self, stream: IO[bytes], order: str, budget: Budget) -> None:
        self._stream, self._budget = stream, budget
        self._order: Any = "big" if order == ">" else "little"
        self._swap = self._order != sys.byteorder

    def _read(self, length: int) -> bytes:
        data = self._stream.read(length)
        if len(data) != length:
            raise EOFError(f"{length - len(data)} bytes are missing at its end")
        return data

    def integer(self) -> int:
        """One integer; NA as R stores it."""
        return int.from_bytes(self._read(4), self._order, signed=True)

    def two(self) -> tuple[int, int]:
        """Two integers, as each string of a vector starts with."""
        data = self._read(8)
        return (
            int.from_bytes(data[:4], self._order, signed=True),
            int.from_bytes(data[4:], self._order, signed=True),
        )

    def array(self, kind: Any, length: int) -> npt.NDArray[Any]:
        """So many values; NA as R stores it."""
        self._budget.take(length * np.dtype(kind).itemsize)
        values = np.empty(length, dtype=kind)
        if length:
            # Memory is touched only as data arrives: a length without data costs nothing.
            view = values.data.cast("B")
            done = 0
            while done < len(view):
                read: int = self._stream.readinto(view[done : done + _PIECE])  # type: ignore[attr-defined]
                if not read:
                    raise EOFError(f"{len(view) - done} bytes are missing at its end")
                done += read
            if self._swap:
                values.byteswap(inplace=True)
        return values

    def text(self, length: int) -> bytes:
        """A string of so many bytes."""
        self._budget.take(length)
        return self._read(length)


class TextSource:
    """R's text encoding, ``save(ascii = TRUE)``: a line for each value."""

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self._stream, self._budget = stream, budget

    def _line(self, longest: int = _LONGEST_NUMBER) -> bytes:
        line = self._stream.readline(longest)
        if line.endswith(b"\n"):
            return line.rstrip(b"\r\n")
        raise EOFError("lines are missing at its end") if len(line) < longest else ValueError(f"a line {line[:20]!r}…")

    def integer(self) -> int:
        """One integer; NA as R stores it."""
        line = self._line()
        return int(R_INT_NA) if line == b"NA" else int(line)

    def two(self) -> tuple[int, int]:
        """Two integers, as each string of a vector starts with."""
        return self.integer(), self.integer()

    def _real(self) -> float:
        line = self._line()
        return float(R_FLOAT_NA) if line == b"NA" else float(line)

    def array(self, kind: Any, length: int) -> npt.NDArray[Any]:
        """So many values; NA as R stores it."""
        self._budget.take(length * np.dtype(kind).itemsize)
        readers: dict[Any, Callable[[], complex]] = {
            np.int32: self.integer,
            np.float64: self._real,
            np.complex128: lambda: complex(self._real(), self._real()),
            np.uint8: lambda: int(self._line(), 16),
        }
        one = readers[kind]
        return np.fromiter((one() for _ in range(length)), dtype=kind, count=length)

    def text(self, length: int) -> bytes:
        """A string of so many bytes; what is not printable is escaped, with up to four characters for one."""
        self._budget.take(length)
        value = _ESCAPE.sub(_unescaped, self._line(4 * length + 3))
        if len(value) != length:
            raise ValueError(f"a string of {len(value)} bytes where {length} were announced")
        return value


def _unescaped(found: re.Match[bytes]) -> bytes:
    letter = found.group(1)
    return bytes([int(letter, 8) & 0xFF]) if letter[:1].isdigit() and letter < b"8" else _ESCAPED.get(letter, letter)

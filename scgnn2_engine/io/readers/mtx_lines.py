"""The lines of Matrix Market files: checked, parsed, and named where they are not what the header says."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.readers.mtx_header import BLOCK, Header, refused, shown
from scgnn2_engine.io.readers.text_numbers import count_lines

_LARGEST = float(np.finfo(np.float32).max)
_MISSING_OF_R = 1e308
_MEND_IN_R = "Write 0 where nothing was seen, in R before writeMM: m@x[!is.finite(m@x)] <- 0."
_LONG_LINE = 22  # characters: none of the three numbers of a shorter line overflows
_REALS = re.compile(
    rb"(?:\d{1,18}+[ \t]\d{1,18}+[ \t]-?(?:\d{1,40}+(?:\.\d{0,40}+)?+|\.\d{1,40}+)(?:[eE][-+]?\d{1,3}+)?+\n)++"
)

Values = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]


class Block(NamedTuple):
    """The entries of some lines: places from 0, values, and whether all of these are written as whole numbers."""

    rows: Places
    columns: Places
    values: Values
    whole: bool


def blocks(handle: IO[bytes], path: Path, line: int) -> Iterator[tuple[int, bytes]]:
    """Some megabytes of whole lines at a time, which end in a newline, and the number of the first."""
    rest = b""
    while chunk := handle.read(BLOCK):
        text = rest + chunk
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        end = text.rfind(b"\n") + 1
        if not end and len(text) >= BLOCK:
            raise refused(path, line, "the line is longer than any of Matrix Market", "lines", shown(text))
        if end:
            whole = text[:end]
            yield line, whole
            line += count_lines(whole)
        rest = text[end:]
    if rest.strip():
        yield line, rest.rstrip(b"\r") + b"\n"


def lines_of(text: bytes, line: int) -> Iterator[tuple[int, list[bytes]]]:
    """The fields of each line, with its number; without comments and empty lines."""
    for number, one in enumerate(text.split(b"\n"), start=line):
        fields = one.split()
        if fields and not fields[0].startswith(b"%"):
            yield number, fields


def count_fields(text: bytes, path: Path, line: int, header: Header) -> int:
    """Fields on each line: what the header says, or what is read though the header says otherwise."""
    begin, number, fields = 0, line - 1, list[bytes]()
    while begin < len(text) and (not fields or fields[0].startswith(b"%")):
        end = text.index(b"\n", begin)
        begin, number, fields = end + 1, number + 1, text[begin:end].split()
    if fields and fields[0].startswith(b"%"):
        return 0
    said = 2 if header.field == "pattern" else 3
    if not fields or len(fields) in (said, 3, 5):
        return len(fields)
    raise _fields_refused(path, number, header, fields, said)


def _fields_refused(path: Path, line: int, header: Header, fields: list[bytes], wanted: int) -> InputError:
    parts = {2: "row and column", 3: "row, column and value", 5: "row, column and three values, as on the lines above"}
    return refused(
        path,
        line,
        f"{len(fields)} fields, where the header (coordinate {header.field}) says {wanted}",
        parts[wanted],
        shown(b" ".join(fields)),
        "Nothing is left out in silence: write one value for each place, or one file for each value.",
    )


def parsed(text: bytes, path: Path, line: int, header: Header, n_fields: int, value: int) -> Block:
    """The entries of some lines.

    Parameters
    ----------
    text
        Whole lines.
    path, line
        Where they stand, for messages: the number of the first.
    header
        Of the file.
    n_fields
        How many fields there are on each line.
    value
        Which of three values to take where there are five fields.

    Raises
    ------
    InputError
        A line has more or fewer fields, no numbers, or a place outside the matrix.
    """
    if n_fields == 3 and (kind := _checked(text)):
        try:
            return _by_scipy(text, header, kind)
        except (ValueError, OverflowError):  # of a place or a value outside what is allowed: its line is to be named
            pass
    return _by_line(text, path, line, header, n_fields, value)


def _checked(text: bytes) -> str:
    """What the lines hold: ``integer``, ``real``, or nothing of which one can be sure that scipy reads it rightly."""
    apart = text.translate(None, b"0123456789")
    if apart == b"  \n" * (len(apart) // 3):
        characters = np.frombuffer(text, dtype=np.uint8)
        digits = characters > 32
        no_gaps = len(digits) > 0 and bool(digits[0]) and bool((digits[1:] | digits[:-1]).all())
        if no_gaps and (not _may_be_long(digits) or _lines_are_short(characters)):
            return "integer"
    return "real" if _REALS.fullmatch(text) else ""


def _may_be_long(digits: npt.NDArray[np.bool_]) -> bool:
    """Whether a number may have 15 digits or more: eight places from a multiple of eight are digits then."""
    eights = digits[: len(digits) // 8 * 8].view(np.uint64)
    return bool((eights == 0x0101010101010101).any())


def _lines_are_short(characters: npt.NDArray[np.uint8]) -> bool:
    """Whether every line is so short that none of its three numbers overflows."""
    ends = np.flatnonzero(characters == 10)
    return bool(ends[0] <= _LONG_LINE) and (len(ends) == 1 or int(np.diff(ends).max()) <= _LONG_LINE)


def _by_scipy(text: bytes, header: Header, kind: str) -> Block:
    import scipy.io

    n_rows, n_columns = header.shape
    said = f"%%MatrixMarket matrix coordinate {kind} general\n{n_rows} {n_columns} {count_lines(text)}\n"
    entries = scipy.io.mmread(io.BytesIO(said.encode() + text)).tocoo()
    if kind == "real" and len(entries.data) and float(np.abs(entries.data).max()) > _LARGEST:
        raise OverflowError
    return Block(
        entries.row.astype(np.int32, copy=False),
        entries.col.astype(np.int32, copy=False),
        entries.data.astype(np.float32),
        kind == "integer",
    )


def _by_line(text: bytes, path: Path, line: int, header: Header, n_fields: int, value: int) -> Block:
    rows, columns, values, whole = [], [], [], True
    for number, fields in lines_of(text, line):
        if len(fields) != n_fields:
            raise _fields_refused(path, number, header, fields, n_fields)
        for place, size, what in zip(fields, header.shape, ("row", "column"), strict=False):
            if not place.isdigit() or not 1 <= int(place[:19]) <= size:
                raise refused(
                    path,
                    number,
                    f"there is no {what} {shown(place)}",
                    f"a whole number from 1 to {size}",
                    shown(b" ".join(fields)),
                    "Matrix Market counts from 1: add 1 to all."
                    if place == b"0"
                    else "The sizes must fit what follows.",
                )
        rows.append(int(fields[0]) - 1)
        columns.append(int(fields[1]) - 1)
        if n_fields == 2:
            values.append(1.0)
        else:
            values.append(numbers_of(fields[2:], path, number)[value if n_fields == 5 else 0])
            whole = whole and fields[2].lstrip(b"+-").isdigit()
    return Block(np.array(rows, np.int32), np.array(columns, np.int32), np.array(values, np.float32), whole)


def numbers_of(fields: list[bytes], path: Path, line: int) -> list[float]:
    """The fields of a line as numbers, each within float32.

    Raises
    ------
    InputError
        One is no number, or too large.
    """
    try:
        if any(b"_" in field for field in fields):
            raise ValueError
        numbers = [float(field) for field in fields]
    except ValueError as error:
        raise refused(path, line, "a value is no number", "numbers", shown(b" ".join(fields))) from error
    large = next((number for number in numbers if _LARGEST < abs(number) < float("inf")), None)
    if large is not None:
        says, expected, found = "a value is too large for float32", f"at most {_LARGEST:.2g}", f"{large:g}"
        if abs(large) == _MISSING_OF_R:
            raise refused(
                path, line, says, expected, f"{found}, which R's writeMM writes for NA, NaN and Inf", _MEND_IN_R
            )
        raise refused(path, line, says, expected, found)
    return numbers

"""Tables of numbers as text: csv and tsv, plain or gzip, read strictly and in blocks of rows."""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, NoReturn

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found, from_table
from scgnn2_engine.io.format import Format
from scgnn2_engine.io.memory import require_memory
from scgnn2_engine.io.names import Names
from scgnn2_engine.io.orientation import is_gene_symbol
from scgnn2_engine.io.start import BROKEN, Start, cannot_read
from scgnn2_engine.io.table import SPARSE_FROM, Table
from scgnn2_engine.params import LoadParams
from scgnn2_engine.types import Matrix

_BLOCK_VALUES = 2_000_000
_LARGEST = float(np.finfo(np.float32).max)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_PLACE = re.compile(r"at row (\d+), column (\d+)")


def read_table(path: Path, *, max_memory: float = 0.0, negatives: bool = False) -> Table:
    """Read a text file of numbers with names in its first row and first column.

    The separator (tab, comma, semicolon or space) is taken from the header. R's form, whose header lacks the corner,
    is understood.

    Parameters
    ----------
    path
        csv or tsv, plain or gzip.
    max_memory
        GiB the matrix may take; 0 takes what is free.
    negatives
        Read values below 0 as they stand, for what compares them with the others; else they are refused.

    Raises
    ------
    InputError
        The file is empty, truncated or has one column; rows differ in length; the first column holds values instead
        of names; a cell is empty, text, negative, NaN, infinite or too large. Row and column are named.
    InsufficientMemoryError
        The matrix is expected not to fit; raised after its first rows.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            lines: Iterator[bytes] = iter(gzip.GzipFile(fileobj=raw)) if zipped else iter(raw)
            return _read_lines(path, lines, raw, max_memory, negatives)
    except BROKEN as error:
        raise cannot_read(path, error) from error
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error


def not_utf8(path: Path, error: UnicodeDecodeError) -> InputError:
    """Name a text file in another encoding."""
    return InputError(f"{path} is not UTF-8 text.", found=str(error), advice="Save it again as UTF-8 csv.")


def _read_lines(path: Path, lines: Iterator[bytes], raw: IO[bytes], max_memory: float, negatives: bool) -> Table:
    header_line = _without_break(next(lines, b"")).removeprefix(b"\xef\xbb\xbf")
    if not header_line.strip():
        raise InputError(f"{path} has no header.", expected="names in the first line", found="an empty line")
    separator = separator_of(header_line)
    header = split_line(header_line, separator)
    numbered = ((number, text) for number, line in enumerate(lines, start=2) if (text := _without_break(line)))
    first = next(numbered, None)
    if first is None:
        raise InputError(f"{path} holds a header and no rows.", expected="at least one row of numbers")
    columns = header if len(split_line(first[1], separator)) == len(header) + 1 else header[1:]
    if not columns:
        raise InputError(
            f"{path} has a single column.",
            expected="names, then one column for each cell or gene",
            found=f"the header {header_line[:60].decode()!r}",
            advice="Separate columns by commas or tabs.",
        )
    reader = _BlockReader(path, separator, np.asarray(columns, dtype=np.str_), negatives)
    blocks: list[Matrix] = []
    names: list[str] = []
    size = path.stat().st_size
    for numbers, block_lines in _batches(first, numbered, max(1, _BLOCK_VALUES // len(columns))):
        block_names, values = reader.parse(numbers, block_lines)
        names += block_names
        sparse = np.count_nonzero(values) <= (1 - SPARSE_FROM) * values.size
        blocks.append(sp.csr_matrix(values) if sparse else values)
        if len(blocks) == 1:
            expected_rows = len(names) * max(1.0, size / max(raw.tell(), 1))
            per_row = len(columns) * 4 if not sparse else 8 * (np.count_nonzero(values) / len(names)) + 8
            # the matrix beside its blocks: while CSR is stacked and transposed, or while dense blocks are copied out
            require_memory(2 * expected_rows * per_row + 12 * values.size, f"{path}, read as a matrix,", max_memory)
    if columns is not header:
        _refuse_values_as_names(path, header[0], names)
    return Table(blocks, np.asarray(names, dtype=np.str_), reader.columns)


def _refuse_values_as_names(path: Path, corner: str, names: list[str]) -> None:
    """Refuse a table without a column of names, whose first gene would be taken for the names of the cells.

    Numbers may be names, as long as each stands once and the header does not call their column by a gene.
    """
    if not corner or not all(_NUMBER.fullmatch(name) for name in names):
        return
    repeated = next((name for name, times in Counter(names).items() if times > 1), None)
    if repeated is None and not is_gene_symbol(corner):
        return
    repeats = f"numbers that repeat (such as {repeated})" if repeated is not None else "numbers alone"
    raise InputError(
        f"{path} has no names in its first column.",
        expected="a first column of names",
        found=f"{repeats} under {corner!r}",
        advice="Write the names into the file (pandas: to_csv with index=True); numbers that are names must each "
        "stand once, under a header that is not a gene.",
    )


def _batches(
    first: tuple[int, bytes], rest: Iterator[tuple[int, bytes]], size: int
) -> Iterator[tuple[list[int], list[bytes]]]:
    batch = [first, *islice(rest, size - 1)]
    while batch:
        yield [number for number, _ in batch], [line for _, line in batch]
        batch = list(islice(rest, size))


@dataclass(frozen=True)
class _BlockReader:
    """Parses blocks of lines; when one is wrong, says where."""

    path: Path
    separator: str
    columns: Names
    negatives: bool = False

    def parse(self, numbers: list[int], lines: list[bytes]) -> tuple[list[str], npt.NDArray[np.float32]]:
        separator = self.separator.encode()
        names, bodies = [], []
        for number, line in zip(numbers, lines, strict=True):
            if b'"' in line:
                fields = split_line(line, self.separator)
                self._check_length(number, len(fields))
                # a separator inside quotes would split the number: left to be refused as text
                name, body = (
                    fields[0],
                    separator.join(field.replace(self.separator, "?").encode() for field in fields[1:]),
                )
            else:
                self._check_length(number, line.count(separator) + 1)
                raw_name, _, body = line.partition(separator)
                name = raw_name.decode().strip()
            names.append(name)
            bodies.append(body)
        try:
            values = np.loadtxt(bodies, delimiter=self.separator, dtype=np.float32, comments=None, ndmin=2)
        except ValueError as error:
            place = _PLACE.search(str(error))
            if place is None:
                raise InputError(f"{self.path} cannot be read as numbers.", found=str(error)) from error
            self._refuse(numbers, names, bodies, int(place[1]), int(place[2]) - 1)
        if len(values) < len(bodies):  # loadtxt passes over lines that are empty after the name
            self._refuse(numbers, names, bodies, next(row for row, body in enumerate(bodies) if not body.strip()), 0)
        good = np.isfinite(values) if self.negatives else np.isfinite(values) & (values >= 0)
        if not good.all():
            row, column = (int(i) for i in np.argwhere(~good)[0])
            self._refuse(numbers, names, bodies, row, column)
        return names, values

    def _check_length(self, number: int, found: int) -> None:
        expected = len(self.columns) + 1
        if found != expected:
            raise InputError(
                f"Line {number} of {self.path} has another length than the first row.",
                expected=f"{expected} fields",
                found=f"{found} fields",
                advice="The file is ragged or was cut short: export it again.",
            )

    def _refuse(self, numbers: list[int], names: list[str], bodies: list[bytes], row: int, column: int) -> NoReturn:
        text = bodies[row].split(self.separator.encode())[column].decode().strip()
        try:
            value = float("text" if "_" in text else text)  # Python reads 1_000 as a number, files do not
        except ValueError:
            what, expected = ("an empty cell", "a number") if not text else ("text", "a number")
        else:
            if np.isnan(value):
                what, expected = "NaN", "a number"
            elif "inf" in text.lower():
                what, expected = "an infinite value", "a finite number"
            elif value < 0:
                what, expected = "a negative value", "counts or expression of at least 0"
            else:
                what, expected = "a value too large for float32", f"a number of at most {_LARGEST:.2g}"
        advice = {
            "a negative value": "Give raw or normalised values, not scaled ones.",
            "a value too large for float32": "No expression is as large: look for an error in what wrote the file.",
            "text": "Only the first row and the first column hold names; remove annotation columns.",
        }.get(what, "Write 0 where nothing was seen, or remove the row.")
        raise InputError(
            f"{self.path} holds {what} in row {names[row]!r} (line {numbers[row]}), "
            f"column {str(self.columns[column])!r} (field {column + 2}).",
            expected=expected,
            found=repr(text),
            advice=advice,
        )


def separator_of(header: bytes) -> str:
    r"""Tell the separator of a header line: of tab, comma and semicolon the most frequent outside quotes, else space.

    Examples
    --------
    >>> separator_of(b'ID\tcell_1\tcell_2')
    '\t'
    """
    bare = re.sub(rb'"[^"]*"', b"", header)
    counts = {separator: bare.count(separator.encode()) for separator in ("\t", ",", ";")}
    best = max(counts, key=lambda separator: counts[separator])
    return best if counts[best] else (" " if b" " in bare.strip() else ",")


def split_line(line: bytes, separator: str) -> list[str]:
    """Split one line into fields, quotes resolved, spaces around names removed."""
    text = line.decode()
    if '"' not in text:
        return [field.strip() for field in text.split(separator)]
    return [field.strip() for field in next(csv.reader([text], delimiter=separator))]


def _without_break(line: bytes) -> bytes:
    return line.rstrip(b"\r\n")


def _table(path: Path, max_memory: float) -> Table:
    return read_table(path, max_memory=max_memory)


def _read(path: Path, load: LoadParams, max_memory: float) -> Found:
    return from_table(_table(path, max_memory), str(path), load)


def _recognises(start: Start) -> bool:
    return not start.is_folder and not start.is_hdf5 and start.is_text


FORMAT = Format(
    "text",
    "csv or tsv (plain or .gz)",
    (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz"),
    _recognises,
    _read,
    table=_table,
)

"""Blocks of lines to names and values: all at once where they are plain, else line by line, refused with the place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.raw_table import SPARSE_FROM, smaller
from scgnn2_engine.io.readers.text_layout import Layout
from scgnn2_engine.io.readers.text_lines import MISSING, is_blank, split_line
from scgnn2_engine.io.readers.text_marks import has_comma, thousands_mark
from scgnn2_engine.io.readers.text_numbers import Entries, Ints, count_lines, entries

_LARGEST = float(np.finfo(np.float32).max)
_PLACE = re.compile(r"at row (\d+), column (\d+)")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_QUOTED = re.compile(rb'"[^"]*"')


class Block(NamedTuple):
    """Rows of a table: names, (n_rows, n_columns) values, and a list for each column that describes the rows."""

    names: list[str]
    values: Matrix
    texts: list[list[str]]


class CommaFoundError(Exception):
    """A number holds a comma, and what commas are in this file is not yet known."""


def plain_block(lines: bytes, layout: Layout) -> Block | None:
    """Read complete lines together; None where anything in them is out of the ordinary.

    Parameters
    ----------
    lines
        Whole lines, the last one with its break.
    layout
        Of the file they are from.
    """
    separator = layout.separator.encode()
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n")
    if separator == b" ":
        lines = re.sub(rb" *\n *", b"\n", re.sub(rb"  +", b" ", lines.lstrip(b" ")))
    decimal = layout.comma == "decimal"
    if layout.comma == "thousands" or (decimal and (separator == b"," or b"." in lines)):
        return None
    first, last = int(layout.values[0]), int(layout.values[-1]) + 1
    width = last - first + 1
    texts: list[list[str]] = []
    if first > 1 or last < layout.n_fields:
        cut = _cut(lines, separator, layout, first, last)
        if cut is None:
            return None
        lines, texts = cut
    found = entries(lines.replace(b",", b".") if decimal else lines, separator[0], count_lines(lines), width)
    if found is None:
        return None
    names = found.names if not decimal else [line.partition(separator)[0] for line in lines.split(b"\n")[:-1]]
    if b'"' in lines and any(b'"' in name and not _QUOTED.fullmatch(name) for name in names):
        return None
    called = [name.strip(b'"').decode().strip() for name in names]
    return Block(called, _matrix(found, len(names), width, layout.values - first + 1), texts)


def _cut(lines: bytes, separator: bytes, layout: Layout, first: int, last: int) -> tuple[bytes, list[list[str]]] | None:
    """The lines with their name and the fields from first to last alone, and the texts; None where they are quoted."""
    rows, texts = [], []
    for line in lines.split(b"\n")[:-1]:
        head = line.split(separator, first)
        tail = head.pop().rsplit(separator, layout.n_fields - last)
        fields = [*head, *[b""] * (last - first), *tail[1:]]
        if len(fields) != layout.n_fields or any(b'"' in field for field in fields):
            return None
        if any(fields[blank] for blank in layout.blanks) or any(first <= at < last for at in layout.texts.values()):
            return None
        rows.append(fields[layout.names] + separator + tail[0])
        texts.append([fields[at].decode().strip() for at in layout.texts.values()])
    return b"\n".join([*rows, b""]), [list(column) for column in zip(*texts, strict=True)]


def _matrix(found: Entries, n_rows: int, width: int, columns: Ints) -> Matrix:
    """The entries of some fields of the rows, CSR where at least 60 % are zeros."""
    places, values, n_columns = found.places, found.values, len(columns)
    if bool((values == 0).any()):
        places, values = places[values != 0], values[values != 0]
    if len(values) > (1 - SPARSE_FROM) * n_rows * n_columns:
        dense = np.zeros(n_rows * width, dtype=np.float32)
        dense[places] = values
        return np.ascontiguousarray(dense.reshape(n_rows, width)[:, columns])
    pointers = np.searchsorted(places, np.arange(n_rows + 1) * width)
    indices = (places - np.repeat(np.arange(n_rows) * width + 1, np.diff(pointers))).astype(np.int32)
    matrix = sp.csr_matrix((values, indices, pointers.astype(np.int32)), shape=(n_rows, width - 1))
    return matrix if n_columns == width - 1 else matrix[:, columns - 1]


@dataclass(frozen=True)
class StrictReader:
    """Reads lines one by one; when one is wrong, says where.

    Attributes
    ----------
    negatives
        Whether values below 0 are read as they stand.
    """

    path: Path
    layout: Layout
    negatives: bool = False

    def read(self, number: int, block: bytes) -> Block:
        """Read lines, of which the first is line ``number`` of the file; blank ones are passed over.

        Raises
        ------
        InputError
            A row has another length than the first; a value is missing, text, negative, NaN, infinite or too large.
        CommaFoundError
            A number holds a comma.
        """
        lines, at = [], []
        for place, raw in enumerate(block.split(b"\n"), start=number):
            line = raw.rstrip(b"\r")
            if not is_blank(line):
                lines.append(line)
                at.append(place)
        layout = self.layout
        if not lines:
            return Block([], np.empty((0, len(layout.columns)), dtype=np.float32), [[] for _ in layout.texts])
        if self._is_simple and b'"' not in block and (plain := self._at_once(lines)) is not None:
            return plain
        described: list[list[str]] = []
        bodies: list[str] = []
        for place, line in zip(at, lines, strict=True):
            if self._is_simple and b'"' not in line and line.count(layout.separator.encode()) == layout.n_fields - 1:
                name, _, body = line.decode().partition(layout.separator)
                described.append([name.strip()])
                bodies.append(body)
                continue
            fields = self._split(place, line)
            described.append([fields[field] for field in (layout.names, *layout.texts.values())])
            bodies.append(layout.separator.join(self._body(fields)))
        names, *texts = (list(column) for column in zip(*described, strict=True))
        return Block(names, smaller(self._parse(at, names, lines, bodies)), texts)

    def _at_once(self, lines: list[bytes]) -> Block | None:
        """Lines of a name and numbers alone; None where any of them has to be looked at."""
        parts = [line.partition(self.layout.separator.encode()) for line in lines]
        bodies = [body.decode() for _, _, body in parts]
        if not all(bodies):
            return None
        try:
            values = np.loadtxt(bodies, delimiter=self.layout.separator, dtype=np.float32, comments=None, ndmin=2)
        except ValueError:
            return None
        least = -_LARGEST if self.negatives else 0
        if values.shape != (len(lines), len(self.layout.values)) or not (
            values.min() >= least and values.max() < np.inf
        ):
            return None  # NaN is neither
        return Block([name.decode().strip() for name, _, _ in parts], smaller(values), [])

    @property
    def _is_simple(self) -> bool:
        """Whether all that stands behind the name are numbers."""
        layout = self.layout
        return not layout.comma and layout.separator != " " and len(layout.values) == layout.n_fields - 1

    def _split(self, place: int, line: bytes) -> list[str]:
        fields = split_line(line, self.layout.separator)
        expected = self.layout.n_fields
        if self.layout.separator == " " and len(fields) == expected - len(self.layout.blanks):
            fields += [""] * len(self.layout.blanks)
        if len(fields) != expected:
            raise InputError(
                f"Line {place} of {self.path} has another length than the first row.",
                expected=f"{expected} fields",
                found=f"{len(fields)} fields",
                advice="The file is ragged or was cut short: export it again.",
            )
        for blank in self.layout.blanks:
            if fields[blank]:
                raise InputError(
                    f"Line {place} of {self.path} has a value behind its last column.",
                    expected="nothing, as in the first rows",
                    found=repr(fields[blank]),
                    advice="Write names for all columns into the header.",
                )
        return fields

    def _body(self, fields: Sequence[str]) -> list[str]:
        """The numbers of a row, none of which holds a separator: one inside quotes would split the number."""
        chosen = [fields[field] for field in self.layout.values]
        if self.layout.comma:
            chosen = [self._without_comma(field) for field in chosen]
        return [field.replace(self.layout.separator, "?") for field in chosen]

    def _without_comma(self, field: str) -> str:
        if self.layout.comma == "thousands":
            return field.replace(",", "") if _THOUSANDS.fullmatch(field) else field
        return "?" if "." in field else field.replace(",", ".")

    def _parse(self, at: list[int], names: list[str], lines: list[bytes], bodies: list[str]) -> npt.NDArray[np.float32]:
        if not any(map(str.strip, bodies)):
            self._refuse(at, names, lines, 0, 0)
        try:
            values = np.loadtxt(bodies, delimiter=self.layout.separator, dtype=np.float32, comments=None, ndmin=2)
        except ValueError as error:
            place = _PLACE.search(str(error))
            if place is None:
                raise InputError(f"{self.path} cannot be read as numbers.", found=str(error)) from error
            self._refuse(at, names, lines, int(place[1]), int(place[2]) - 1)
        if len(values) < len(bodies):  # loadtxt passes over lines that are empty after the name
            self._refuse(at, names, lines, next(row for row, body in enumerate(bodies) if not body.strip()), 0)
        good = np.isfinite(values) if self.negatives else np.isfinite(values) & (values >= 0)
        if not good.all():
            row, column = (int(i) for i in np.argwhere(~good)[0])
            self._refuse(at, names, lines, row, column)
        return values

    def _refuse(self, at: list[int], names: list[str], lines: list[bytes], row: int, column: int) -> NoReturn:
        field = int(self.layout.values[column])
        text = split_line(lines[row], self.layout.separator)[field]
        place = (
            f" in row {names[row]!r} (line {at[row]}), column {str(self.layout.columns[column])!r} (field {field + 1})"
        )
        if not self.layout.comma and has_comma(text):
            raise CommaFoundError(place)
        what, expected, advice = _fault(text)
        raise InputError(
            f"{self.path} holds {what}{place}.",
            expected=expected,
            found=repr(text),
            advice=advice,
        )


def _fault(text: str) -> tuple[str, str, str]:
    """What is wrong with a field, what was expected, and what to do."""
    zeros = "Write 0 where nothing was seen, or remove the row."
    if not text:
        return "an empty cell", "a number", zeros
    if text.lower() in MISSING:
        return "a missing value", "a number", f"{zeros} In R: m[is.na(m)] <- 0"
    if mark := thousands_mark(text):
        return (
            f"a number that is written with {mark} between its thousands",
            "numbers with a decimal point and nothing between thousands",
            "Write it again so. pandas: read_csv(FILE, sep=..., index_col=0, thousands="
            f"{re.sub('[+-]?[0-9]+', '', text)[0]!r}), then to_csv.",
        )
    if not text.isascii() and text.strip("+-").isdecimal():
        return "a number in other digits than 0 to 9", "a number", "Write it in the digits 0 to 9."
    try:
        value = float("text" if "_" in text else text)  # Python reads 1_000 as a number, files do not
    except ValueError:
        return "text", "a number", "Only the first row and the first column hold names; remove annotation columns."
    if np.isnan(value):
        return "NaN", "a number", zeros
    if "inf" in text.lower():
        return "an infinite value", "a finite number", zeros
    if value < 0:
        return (
            "a negative value",
            "counts or expression of at least 0",
            "Give raw or normalised values, not scaled ones.",
        )
    advice = "No expression is as large: look for an error in what wrote the file."
    return "a value too large for float32", f"a number of at most {_LARGEST:.2g}", advice

"""The names beside a matrix: files of barcodes and features, as 10x, kb-python, R and people write them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.compression import opened
from scgnn2_engine.io.names import Names, listed
from scgnn2_engine.io.readers.tenx_features import EXPRESSION, KINDS, Features
from scgnn2_engine.io.start import BROKEN, cannot_read

_ACCESSION = re.compile(r"ENS[A-Z]{0,5}G\d{11}(\.\d+)?|FBgn\d{7}|WBGene\d{8}")
_SAMPLE = 2000  # names tell what the others are
_NOTHING = frozenset({"", "NA", "na", "NaN", "nan", "-", "."})

_CELL_COLUMNS = ("barcode", "barcodes", "cell_barcode", "bc_wells", "cell", "cells", "cellkey", "cell_id", "cell_name")
_ID_COLUMNS = ("gene_id", "gene_ids", "ensembl_id", "ensembl_gene_id", "ensembl", "feature_id", "featurekey", "id")
_SYMBOL_COLUMNS = (
    "gene_name", "gene_names", "gene_symbol", "symbol", "gene_short_name", "feature_name", "featurename", "name",
    "gene",
)  # fmt: skip
_KIND_COLUMNS = ("feature_type", "feature_types", "featuretype")
_HEADERS = frozenset({
    *_CELL_COLUMNS, *_ID_COLUMNS, *_SYMBOL_COLUMNS, *_KIND_COLUMNS, "", "0", "x", "x1", "v1", "v2", "index", "genes",
    "feature", "features", "cellid", "cell_ids", "cellnames", "cell_names", "names", "symbols", "sample", "rownames",
    "colnames", "unnamed:_0",
})  # fmt: skip


@dataclass(frozen=True)
class NamesFile:
    """The lines of a file of names, taken apart.

    Attributes
    ----------
    path
        Where it is.
    lines
        The fields of each line; the first may be a header.
    """

    path: Path
    lines: list[list[str]]

    def misfit(self, n: int) -> int:
        """0 where there are as many lines as names, 1 where a header stands above them, 2 where they do not fit."""
        if len(self.lines) == n + 1 and not _HEADERS.isdisjoint(map(_plain, self.lines[0])):
            return 1
        return 0 if len(self.lines) == n else 2

    def columns(self, n: int) -> Columns:
        """The columns for ``n`` names."""
        header, lines = (self.lines[0], self.lines[1:]) if self.misfit(n) == 1 else (None, self.lines)
        width = max((len(line) for line in lines), default=1)
        values = [[line[at].strip() if at < len(line) else "" for line in lines] for at in range(width if lines else 0)]
        notes = []
        if header is not None:
            header = [""] * (width - len(header)) + header  # R names the row names not at all
            notes.append(f"The first line of {self.path.name} was taken for a header: {listed(filter(None, header))}.")
        first = values[0][0] if width > 1 and n > 1 else ""
        if first in ("0", "1") and values[0] == [str(i) for i in range(int(first), n + int(first))]:
            values, header = values[1:], header[1:] if header is not None else None
            notes.append(f"The first column of {self.path.name} numbers the lines, and was left out.")
        return Columns(values, header[: len(values)] if header is not None else None, notes)


@dataclass(frozen=True)
class Columns:
    """The columns of a file of names, what a header calls them, and what was left out."""

    values: list[list[str]]
    header: list[str] | None
    notes: list[str] = field(default_factory=list)

    def place(self, names: Sequence[str]) -> int | None:
        """Which column a header calls by one of these names."""
        called = [_plain(name) for name in self.header or ()]
        return next((called.index(name) for name in names if name in called), None)

    def called(self, place: int, otherwise: str) -> str:
        """What to call a column."""
        return (self.header[place].strip() if self.header is not None else "") or f"{otherwise}_{place + 1}"


def read_names(path: Path) -> NamesFile:
    r"""Read a file of names: tab, comma or blanks between columns, quotes or none, with a byte order mark or none.

    Raises
    ------
    InputError
        It is damaged, or in an encoding that is not UTF-8 or UTF-16.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "genes.tsv")
    >>> _ = path.write_text('"ENSG01"\t"ACTB"\n"ENSG02"\t"GAPDH"\n')
    >>> read_names(path).lines
    [['ENSG01', 'ACTB'], ['ENSG02', 'GAPDH']]
    """
    try:
        with opened(path) as (handle, _):
            text = handle.read().decode()
    except BROKEN as error:
        raise cannot_read(path, error) from error
    except UnicodeError as error:
        raise InputError(
            f"{path} is not text in UTF-8.",
            expected="names in UTF-8 or UTF-16",
            found=str(error)[:100],
            advice="Save it as UTF-8, or download it again if it never held names.",
        ) from error
    if "\x00" in text:
        raise InputError(
            f"{path} is no text: it holds zero bytes.",
            expected="a name on each line",
            advice="Export it again, or save it as UTF-8.",
        )
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip().split("\n") if text.strip() else []
    lines = [line for line in lines if line.strip()]
    return NamesFile(path, _fields(lines, path))


def _fields(lines: list[str], path: Path) -> list[list[str]]:
    if any("\t" in line for line in lines):
        rows = [line.split("\t") for line in lines]
        quoted = any('"' in line or "'" in line for line in lines)
        return [[_unquoted(one) for one in row] for row in rows] if quoted else rows
    for mark in (",", ";"):
        if _as_many(lines, mark):
            return _apart(lines, mark)
    if ".csv" in path.suffixes:
        return _apart(lines, ",")
    if _as_many(lines, " "):
        rows = _apart(lines, " ")
        if len({row[0] for row in rows}) == len(rows):  # else names that hold a blank
            return [[*row[:2], " ".join(row[2:])] if len(row) > 2 else row for row in rows]
    return [[_unquoted(line)] for line in lines]


def _apart(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter == " "))
    except csv.Error:  # a field too long to be a name
        rows = []
    return rows if len(rows) == len(lines) else [[_unquoted(one) for one in line.split(delimiter)] for line in lines]


def _as_many(lines: list[str], delimiter: str) -> bool:
    """Whether every line has as many delimiters, at least one; the first may have one fewer, as R writes headers."""
    numbers = {line.count(delimiter) for line in lines[1:]}
    if len(lines) < 2 or len(numbers) != 1 or (number := numbers.pop()) == 0:
        return False
    return lines[0].count(delimiter) in (number, number - 1)


def _unquoted(text: str) -> str:
    text = text.strip(" ")
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1].replace(text[0] * 2, text[0]) if quoted else text


def cells_of(names: NamesFile, n: int) -> tuple[Names, pd.DataFrame | None, list[str]]:
    """Names of cells, what else is known of them as ``obs``, and sentences.

    The first column names them, unless a header calls another one barcode or cell.
    """
    columns = names.columns(n)
    place = columns.place(_CELL_COLUMNS) or 0
    if not columns.values:
        return np.zeros(0, dtype=np.str_), None, columns.notes
    others = {columns.called(i, "barcodes"): _typed(values) for i, values in enumerate(columns.values) if i != place}
    notes = columns.notes
    if others:
        notes.append(f"{names.path.name} has further columns, which stand in obs: {listed(others)}.")
    index = np.asarray(columns.values[place], dtype=np.str_)
    obs = pd.DataFrame(others, index=pd.Index(index.astype(object))) if others else None
    return index, obs, notes


def features_of(names: NamesFile, n: int, symbols: NamesFile | None = None) -> tuple[Features, list[str]]:
    """Identifiers, symbols and kinds of features, and sentences.

    Without a header the first column holds the identifiers, the second the symbols, the third the kinds.

    Parameters
    ----------
    names
        The file.
    n
        How many features there are.
    symbols
        A second file with the symbols, as kb-python writes.
    """
    columns = names.columns(n)
    values, notes = columns.values or [[]], columns.notes
    ids, symbol = columns.place(_ID_COLUMNS), columns.place(_SYMBOL_COLUMNS)
    kinds = columns.place(_KIND_COLUMNS)
    if ids is None and symbol is None:
        ids, symbol, kinds = (place if place < len(values) else None for place in range(3))
    ids = ids if ids is not None else symbol or 0
    if symbol == 1 and kinds is None and len(values) == 2 and set(values[1]) <= KINDS:
        symbol, kinds = None, 1
    if symbol is not None and symbol != ids and _accessions(values[symbol]) and not _accessions(values[ids]):
        ids, symbol = symbol, ids
        notes.append(f"{names.path.name} has the symbols before the identifiers.")
    own = values[symbol if symbol is not None else ids]
    if symbols is not None and symbols.misfit(n) < 2:
        own = symbols.columns(n).values[0]
    taken = {ids, symbol, kinds}
    filling = EXPRESSION if kinds is not None and not KINDS.isdisjoint(values[kinds]) else ""
    others = {columns.called(i, "features"): one for i, one in enumerate(values) if i not in taken}
    return Features(
        ids=values[ids],
        symbols=["" if one in _NOTHING else one for one in own],
        kinds=[one or filling for one in values[kinds]] if kinds is not None else [EXPRESSION] * len(values[ids]),
        columns=others,
    ), notes


def _plain(name: str) -> str:
    return re.sub(r"[ .]", "_", name.strip().lower())


def _accessions(values: list[str]) -> bool:
    some = values[:: max(1, len(values) // _SAMPLE)]
    return bool(some) and sum(_ACCESSION.fullmatch(one) is not None for one in some) > len(some) / 2


def _typed(values: list[str]) -> pd.Series:
    """Numbers where all are, text otherwise."""
    try:
        return pd.to_numeric(pd.Series(values)).to_numpy()
    except (ValueError, TypeError):
        return np.asarray(values, dtype=object)

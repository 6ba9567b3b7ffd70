"""The names beside a matrix: files of barcodes and features, as 10x, kb-python, R and people write them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.compression import opened
from scgnn2_engine.io.format_detection import BROKEN, cannot_read
from scgnn2_engine.io.names import Names, listed
from scgnn2_engine.io.readers.tenx_features import EXPRESSION, KINDS, Features

_ACCESSION = re.compile(r"ENS[A-Z]{0,5}G\d{11}(\.\d+)?|FBgn\d{7}|WBGene\d{8}")
_SAMPLE = 2000  # names tell what the others are
_BARCODE = re.compile(r"[ACGTN]{6,}([-_.].*)?")
_NO_NAME = re.compile(
    r"true|false|yes|no|chr\w+|chromosome.*|scaffold.*|mt|[xyw+*]|[+-]?[\d.,]+(e[+-]?\d+)?|.*\s.*|inf|protein_coding"
    r"|lncrna|lincrna|mirna|snrna|snorna|rrna|antisense|misc_rna|(\w+_)?pseudogene|\w{2}_gene",
    re.IGNORECASE,
)
"""What no gene is called: numbers, flags, chromosomes, sentences, biotypes."""
_NO_SYMBOL = re.compile(r"[nx][mrp]_\d+.*|(hgnc|mgi|rgd):\d+|uc\d{3}\w{3}\.\d+|ens\w*[tp]\d{11}.*", re.IGNORECASE)
_SAYS_SYMBOL = re.compile(r"[vx]?\d*|.*(gene|name|symbol|feature).*")
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
        values = [[one.strip() for one in column] for column in zip_longest(*lines, fillvalue="")]
        width = len(values)
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

    def index(self) -> int | None:
        """The first column, where it may be the index that pandas or R writes first: various names, no numbers."""
        return 0 if self.values and _like_names(self.values[0]) and _various(self.values[0]) else None

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
        quoted = not {'"', "'"}.isdisjoint("".join(lines))
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

    The first column names them, unless a header calls another one barcode or cell, or it says only the sample.
    """
    columns = names.columns(n)
    place = _cells_place(columns)
    if not columns.values:
        return np.zeros(0, dtype=np.str_), None, columns.notes
    others = {columns.called(i, "barcodes"): _typed(values) for i, values in enumerate(columns.values) if i != place}
    notes = columns.notes
    if others:
        notes.append(f"{names.path.name} has further columns, which stand in obs: {listed(others)}.")
    index = np.asarray(columns.values[place], dtype=np.str_)
    obs = pd.DataFrame(others, index=pd.Index(index.astype(object))) if others else None
    return index, obs, notes


def _cells_place(columns: Columns) -> int:
    """Which column names the cells."""
    if len(columns.values) < 2:
        return 0
    unique = [len(set(values)) == len(values) for values in columns.values]
    called = columns.place(_CELL_COLUMNS)
    if called is not None and (unique[called] or not (unique[0] and columns.index() == 0)):
        return called
    if called is not None or unique[0] or _most(_BARCODE, columns.values[0]):
        return 0
    barcodes = (i for i, values in enumerate(columns.values) if _most(_BARCODE, values))
    others = (i for i, values in enumerate(columns.values) if unique[i] and _like_names(values))
    return next(barcodes, next(others, 0))


def features_of(names: NamesFile, n: int, symbols: NamesFile | None = None) -> tuple[Features, list[str]]:
    """Identifiers, symbols and kinds of features, and sentences.

    Where no header says otherwise the first column holds the identifiers, the second the symbols, if it looks like
    symbols, the third the kinds.

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
    ids, symbol, kinds = _feature_places(columns, values)
    if symbol is None and ids == 0 and len(values) > 1 and kinds != 1:
        said = listed(dict.fromkeys(values[1]), 3)
        notes.append(
            f"The second column of {names.path.name} was not taken for symbols ({said}): the first names the genes, "
            f"and the second stands in var as {columns.called(1, 'features')}."
        )
    if symbol is not None and _most(_ACCESSION, values[symbol]) and not _most(_ACCESSION, values[ids]):
        ids, symbol = symbol, ids
    if symbol is not None and symbol < ids:
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


def _feature_places(columns: Columns, values: list[list[str]]) -> tuple[int, int | None, int | None]:
    """Which columns hold the identifiers, the symbols and the kinds of features."""
    ids, symbol = columns.place(_ID_COLUMNS), columns.place(_SYMBOL_COLUMNS)
    kinds = columns.place(_KIND_COLUMNS)
    if kinds is None:
        kinds = next(
            (i for i, one in enumerate(values) if i and sum(map(KINDS.__contains__, one)) * 2 > len(one)), None
        )
    if ids is None and symbol is None:
        if kinds is None and columns.header is None and len(values) > 2:
            kinds = 2
        return 0, 1 if kinds != 1 and _second_is_symbols(columns, values) else None, kinds
    if ids is None:
        accessions = (i for i, one in enumerate(values) if i != symbol and _most(_ACCESSION, one))
        ids = next(accessions, columns.index())
    elif symbol is None and ids != 0:
        symbol = columns.index()
    elif symbol is None and kinds != 1 and _second_is_symbols(columns, values):
        symbol = 1
    return ids if ids is not None else symbol or 0, symbol, kinds


def _second_is_symbols(columns: Columns, values: list[list[str]]) -> bool:
    if len(values) < 2 or not _like_symbols(values[1]):
        return False
    header = columns.header
    return header is None or _SAYS_SYMBOL.fullmatch(_plain(header[1])) is not None or _most(_ACCESSION, values[0])


def _plain(name: str) -> str:
    return re.sub(r"[ .]", "_", name.strip().lower())


def _some(values: list[str]) -> list[str]:
    return values[:: max(1, len(values) // _SAMPLE)]


def _most(pattern: re.Pattern[str], values: list[str]) -> bool:
    some = _some(values)
    return bool(some) and sum(pattern.fullmatch(one) is not None for one in some) > len(some) / 2


def _like_names(values: list[str]) -> bool:
    """Whether no more than half are something that nothing is called."""
    return not _most(_NO_NAME, values)


def _various(values: list[str]) -> bool:
    return len(set(values)) * 2 >= len(values)


def _like_symbols(values: list[str]) -> bool:
    """Whether a column may hold symbols; not every gene has one, and some share theirs."""
    present = [one for one in values if one not in _NOTHING]
    return _like_names(present) and _various(present) and not _most(_NO_SYMBOL, present)


def _typed(values: list[str]) -> pd.Series:
    """Numbers where all are, text otherwise."""
    try:
        return pd.to_numeric(pd.Series(values)).to_numpy()
    except (ValueError, TypeError):
        return np.asarray(values, dtype=object)

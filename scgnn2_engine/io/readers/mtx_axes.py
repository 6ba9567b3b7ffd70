"""Which files name the rows and columns of a matrix, and which of the two are the cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.evidence.orientation import Orientation, decide_orientation
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.readers.mtx_files import MatrixFiles
from scgnn2_engine.io.readers.mtx_header import Header
from scgnn2_engine.io.readers.mtx_names import NamesFile, read_names
from scgnn2_engine.params import LoadParams


class Named(NamedTuple):
    """The files that name cells and features (symbols may stand in one more), and what the rows are and why."""

    cells: NamesFile
    features: NamesFile
    symbols: NamesFile | None
    orientation: Orientation
    reason: str


def named_axes(files: MatrixFiles, header: Header, path: Path, load: LoadParams) -> Named:
    """The files that name cells and features, of several the first that fits, and what the rows are by them.

    Raises
    ------
    InputError
        Names are missing, or there are more or fewer than the matrix has rows and columns.
    """
    names = dict(files.names)
    features = names.get("features") or names.get("symbols", ())
    symbols = names.get("symbols", ()) if "features" in names else ()
    cells = names.get("cells", ())
    rows, columns = names.get("rows", ()), names.get("columns", ())
    if not (cells or features) and rows and columns:
        return _named_by_axis(read_names(rows[0]), read_names(columns[0]), header, path, load)
    cells, features = cells or columns or rows, features or rows or columns
    if not cells or not features:
        raise _names_missing(path, cells, features)
    one, other = _fitting(cells, header), _fitting(features, header)
    orientation, reason = _orientation(header, one, other, load, path)
    return Named(one, other, read_names(symbols[0]) if symbols else None, orientation, reason)


def _named_by_axis(rows: NamesFile, columns: NamesFile, header: Header, path: Path, load: LoadParams) -> Named:
    """Files that name rows and columns, and do not say which are the cells."""
    thrice = header.shape[1] // 3 if is_alevin(path) else header.shape[1]
    if rows.misfit(header.shape[0]) > 1 or min(columns.misfit(header.shape[1]), columns.misfit(thrice)) > 1:
        raise _misfit(
            path, header, f"{len(rows.lines)} ({rows.path.name}) x {len(columns.lines)} ({columns.path.name})"
        )
    if is_alevin(path):
        return Named(rows, columns, None, "cells-by-genes", "as alevin writes it")
    named = [
        [line[0] for line in one.lines[one.misfit(n) :]] for one, n in zip((rows, columns), header.shape, strict=True)
    ]
    verdict = decide_orientation(named[0], named[1], load.orientation, str(path))
    cells, features = (columns, rows) if verdict.genes_in_rows else (rows, columns)
    reason = verdict.reason.partition(", ")[2].rstrip(".")
    return Named(cells, features, None, verdict.orientation, reason)


def _names_missing(path: Path, cells: Sequence[Path], features: Sequence[Path]) -> InputError:
    lacking = [what for what, there in (("barcodes.tsv", cells), ("features.tsv or genes.tsv", features)) if not there]
    beside = sorted(one.name for one in path.parent.iterdir() if one != path)
    stem = path.name.partition(".mtx")[0].removesuffix("matrix")
    stem = stem if not stem or stem[-1] in "._-" else f"{stem}_"
    return InputError(
        f"{path} lacks {' and '.join(lacking)} (plain or packed): a Matrix Market file holds no names.",
        expected=f"{stem}barcodes.tsv and {stem}features.tsv beside it",
        found=f"{listed(beside, 8)} in {path.parent}" if beside else "no other file",
        advice="Put the names of its rows and columns beside it, one on each line, or export it as h5ad.",
    )


def _fitting(paths: Sequence[Path], header: Header) -> NamesFile:
    best = read_names(paths[0])
    for path in paths[1:]:
        if min(best.misfit(n) for n in header.shape) > 1:
            other = read_names(path)
            best = other if min(other.misfit(n) for n in header.shape) < 2 else best
    return best


def _misfit(path: Path, header: Header, expected: str) -> InputError:
    return InputError(
        f"{path} does not fit the names beside it.",
        expected=expected,
        found=f"{header.shape[0]} x {header.shape[1]}",
        advice="The three files must come from one run.",
    )


def _orientation(
    header: Header, cells: NamesFile, features: NamesFile, load: LoadParams, path: Path
) -> tuple[Orientation, str]:
    """What the rows of the matrix are, by the numbers of names, and why."""
    n_rows, n_columns = header.shape
    by_genes, by_cells = (
        (max(misfits := (features.misfit(n_genes), cells.misfit(n_cells))), sum(misfits))
        for n_genes, n_cells in ((n_rows, n_columns), (n_columns, n_rows))
    )
    if min(by_genes, by_cells)[0] > 1:
        genes = f"{len(features.lines)} genes ({features.path.name})"
        raise _misfit(path, header, f"{genes} x {len(cells.lines)} cells ({cells.path.name})")
    usual: Orientation = "cells-by-genes" if _writes_cells_in_rows(path, cells) else "genes-by-cells"
    if by_genes != by_cells:
        seen: Orientation = "genes-by-cells" if by_genes < by_cells else "cells-by-genes"
        return seen, "as 10x files are" if seen == usual == "genes-by-cells" else "by the numbers of names"
    if load.orientation == "cells-by-genes" or load.orientation == "genes-by-cells":
        asked: Orientation = "cells-by-genes" if load.orientation == "cells-by-genes" else "genes-by-cells"
        return asked, "as asked (load_orientation)"
    return usual, "as 10x files are" if usual == "genes-by-cells" else "as kb-python and Parse write it"


def _writes_cells_in_rows(path: Path, cells: NamesFile) -> bool:
    return path.name.startswith("cells_x_") or cells.path.name.startswith("cell_metadata")


def is_alevin(path: Path) -> bool:
    """Whether a matrix is called as alevin and alevin-fry call theirs."""
    return path.name.startswith("quants_mat")

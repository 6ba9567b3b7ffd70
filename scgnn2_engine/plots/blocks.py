"""Large tables of cells by genes as pictures of bounded size: means over blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.plots.style import natural_order


@dataclass(frozen=True)
class Blocks:
    """Which cells and genes make which row and column of a picture.

    Attributes
    ----------
    row_of, column_of
        (n_obs,) row of every cell and (n_vars,) column of every gene.
    row_labels
        (n_rows,) group of each row.
    n_columns
        Columns of the picture.
    """

    row_of: npt.NDArray[np.int64]
    column_of: npt.NDArray[np.int64]
    row_labels: npt.NDArray[np.str_]
    n_columns: int

    @property
    def n_rows(self) -> int:
        """Rows of the picture."""
        return len(self.row_labels)


def blocks(labels: npt.NDArray[Any], genes: Ints, *, max_rows: int = 600, max_columns: int = 1000) -> Blocks:
    """Group cells by label and genes in a given order so that the picture is not too large.

    Parameters
    ----------
    labels
        (n_obs,) groups of the cells, in natural order from the top; inside a group cells keep their order.
    genes
        (n_vars,) the order of the genes.
    max_rows, max_columns
        Of the picture; a cell and a gene have their own row and column while they fit.

    Examples
    --------
    >>> found = blocks(np.array([1, 0, 1]), np.array([1, 0]))
    >>> found.row_of.tolist(), found.column_of.tolist(), found.row_labels.tolist()
    ([1, 0, 2], [1, 0], ['0', '1', '1'])
    """
    names = np.asarray(labels).astype(str)
    groups = natural_order(names.tolist())
    cells_per_row = -(-len(names) // max(1, max_rows - len(groups)))
    row_of = np.empty(len(names), dtype=np.int64)
    row_labels: list[str] = []
    for group in groups:
        cells = np.flatnonzero(names == group)
        row_of[cells] = len(row_labels) + np.arange(len(cells)) // cells_per_row
        row_labels += [group] * (-(-len(cells) // cells_per_row))
    genes_per_column = -(-len(genes) // max_columns) if len(genes) else 1
    column_of = np.empty(len(genes), dtype=np.int64)
    column_of[genes] = np.arange(len(genes)) // genes_per_column
    return Blocks(row_of, column_of, np.array(row_labels), -(-len(genes) // genes_per_column))


def block_means(
    rows_of: Callable[[npt.NDArray[np.int64]], Floats], where: Blocks, *, at_once: int = 500
) -> npt.NDArray[np.float32]:
    """(n_rows, n_columns) means of a table over blocks, read some cells at a time.

    Parameters
    ----------
    rows_of
        Gives the dense (n, n_vars) rows of the cells at some ascending positions.
    where
        From :func:`blocks`.
    at_once
        Cells that are asked for together.

    Examples
    --------
    >>> table = np.arange(6.0).reshape(3, 2)
    >>> block_means(lambda cells: table[cells], blocks(np.zeros(3), np.array([0, 1]), max_rows=2)).tolist()
    [[2.0, 3.0]]
    """
    sums = np.zeros((where.n_rows, where.n_columns))
    order = np.argsort(where.column_of, kind="stable")
    starts = np.searchsorted(where.column_of[order], np.arange(where.n_columns))
    for first in range(0, len(where.row_of), at_once):
        cells = np.arange(first, min(first + at_once, len(where.row_of)))
        by_column = np.add.reduceat(rows_of(cells)[:, order], starts, axis=1)
        np.add.at(sums, where.row_of[cells], by_column)
    cells_in = np.bincount(where.row_of, minlength=where.n_rows)
    genes_in = np.bincount(where.column_of, minlength=where.n_columns)
    means: npt.NDArray[np.float32] = (sums / np.outer(cells_in, genes_in)).astype(np.float32)
    return means


def entry_means(rows: Ints, cols: Ints, values: Floats, where: Blocks) -> npt.NDArray[np.float32]:
    """(n_rows, n_columns) means over blocks of the values at single entries, NaN in blocks without any.

    Examples
    --------
    >>> where = blocks(np.zeros(2), np.array([0, 1]))
    >>> entry_means(np.array([0, 0]), np.array([0, 0]), np.array([1.0, 2.0]), where).tolist()
    [[1.5, nan], [nan, nan]]
    """
    flat = where.row_of[rows] * where.n_columns + where.column_of[cols]
    size = where.n_rows * where.n_columns
    counts = np.bincount(flat, minlength=size)
    sums = np.bincount(flat, weights=values, minlength=size)
    means = np.full(size, np.nan, dtype=np.float32)
    np.divide(sums, counts, out=means, where=counts > 0, casting="unsafe")
    return means.reshape(where.n_rows, where.n_columns)

"""The columns of an expression matrix, some genes at a time: no second copy of a sparse matrix is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix

VALUES_AT_ONCE = 8_000_000
"""Values of a block of genes: 64 MB as sorting needs them."""

Piece = tuple[slice, npt.NDArray[np.int64], npt.NDArray[Any], npt.NDArray[Any]]


def column_blocks(matrix: Matrix) -> Iterator[Piece]:
    """Genes a block at a time, as the three arrays of CSC.

    Parameters
    ----------
    matrix
        (n_obs, n_vars) CSR, CSC or dense.

    Yields
    ------
    genes, bounds, cells, values
        Which genes; where each begins in the next two, from 0; the cells with a stored value, ascending; the values.

    Examples
    --------
    >>> found = list(column_blocks(sp.csr_matrix([[0.0, 2.0], [1.0, 3.0]])))
    >>> [(genes, *(part.tolist() for part in parts)) for genes, *parts in found]
    [(slice(0, 2, None), [0, 1, 3], [1, 0, 1], [1.0, 2.0, 3.0])]
    """
    n_obs, n_vars = matrix.shape
    if isinstance(matrix, np.ndarray):
        at_once = max(1, VALUES_AT_ONCE // max(n_obs, 1))
        for start in range(0, n_vars, at_once):
            yield from _whole(sp.csc_matrix(np.asarray(matrix[:, start : start + at_once])), start)
        return
    if matrix.format == "csc":
        for genes in _blocks(np.diff(matrix.indptr)):
            yield from _whole(matrix[:, genes], genes.start)
        return
    rows = sp.csr_matrix(matrix)
    if not rows.has_sorted_indices:
        rows = rows.sorted_indices()
    sizes = np.bincount(rows.indices, minlength=n_vars)
    next_of_row = np.asarray(rows.indptr[:-1], dtype=np.int64).copy()
    for genes in _blocks(sizes):
        bounds = np.concatenate([[0], np.cumsum(sizes[genes])]).astype(np.int64)
        cells, values = np.empty(bounds[-1], np.int32), np.empty(bounds[-1], rows.dtype)
        _take(rows.indptr, rows.indices, rows.data, next_of_row, genes.start, genes.stop, bounds, cells, values)
        yield genes, bounds, cells, values


def _whole(columns: sp.csc_matrix, start: int) -> Iterator[Piece]:
    yield slice(start, start + columns.shape[1]), columns.indptr.astype(np.int64), columns.indices, columns.data


def _blocks(sizes: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Genes next to each other, with about :data:`VALUES_AT_ONCE` values together and at least one gene."""
    start, held = 0, 0
    for gene, size in enumerate(sizes.tolist()):
        if held and held + size > VALUES_AT_ONCE:
            yield slice(start, gene)
            start, held = gene, 0
        held += size
    if start < len(sizes):
        yield slice(start, len(sizes))


@numba.njit(nogil=True)
def _take(
    indptr: Any, indices: Any, data: Any, next_of_row: Any, first: int, last: int, bounds: Any, cells: Any, values: Any
) -> None:
    """Fill the columns first..last of CSR rows; ``next_of_row`` goes on behind what was taken."""
    place = bounds[:-1].copy()
    for row in range(len(indptr) - 1):
        at = next_of_row[row]
        while at < indptr[row + 1] and indices[at] < last:
            gene = indices[at] - first
            cells[place[gene]] = row
            values[place[gene]] = data[at]
            place[gene] += 1
            at += 1
        next_of_row[row] = at

"""Passes over a matrix that is dense or CSR, block of rows by block of rows, so that nothing large is copied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.blocks import AnyMatrix, BlockMatrix
from scgnn2_engine.data.dataset import Floats, Ints, Matrix, Scale
from scgnn2_engine.data.prepared import Prepared

BLOCK_ELEMENTS = 4_000_000  # of a dense block: 32 MB in float64


def is_sparse(expression: Matrix) -> TypeGuard[sp.csr_matrix]:
    """Whether the matrix is CSR rather than dense."""
    return bool(sp.issparse(expression))


def row_blocks(expression: Matrix) -> Iterator[tuple[slice, Floats]]:
    """Rows and their dense float64 values, as many rows at a time as make about 32 MB."""
    n_rows = max(1, BLOCK_ELEMENTS // max(1, expression.shape[1]))
    for start in range(0, expression.shape[0], n_rows):
        rows = slice(start, min(start + n_rows, expression.shape[0]))
        block = expression[rows]
        yield rows, np.asarray(block.toarray() if is_sparse(block) else block, dtype=np.float64)


def as_csr(matrix: AnyMatrix) -> sp.csr_matrix:
    """The same values as CSR; of a matrix of blocks, a block at a time.

    Examples
    --------
    >>> as_csr(np.array([[0, 2], [0, 0]], np.float32)).nnz
    1
    """
    if isinstance(matrix, BlockMatrix):
        return sp.csr_matrix(sp.vstack([sp.csr_matrix(rows) for _, rows in matrix.blocks()], format="csr"))
    return sp.csr_matrix(matrix)


def stored(expression: Matrix) -> Floats:
    """The values that are held: all of a dense matrix, the stored ones of a sparse matrix (a view)."""
    return np.asarray(expression.data if is_sparse(expression) else expression)


def first_unusable(expression: Matrix, *, allow_nan: bool = False) -> tuple[int, int, float] | None:
    """Row, column and value of the first negative or infinite value, or NaN unless allowed; None where all are fine."""
    values = stored(expression)
    lowest, highest = (np.nanmin, np.nanmax) if allow_nan and np.isnan(values).any() else (np.min, np.max)
    if not values.size or (lowest(values, initial=0) >= 0 and highest(values, initial=0) < np.inf):  # False for NaN
        return None
    fine = (values >= 0) & (values < np.inf)
    wrong = int(np.flatnonzero(~(fine | np.isnan(values)) if allow_nan else ~fine)[0])
    if not is_sparse(expression):
        row, column = divmod(wrong, expression.shape[1])
    else:
        row = int(np.searchsorted(expression.indptr, wrong, side="right")) - 1
        column = int(expression.indices[wrong])
    return row, column, float(values.flat[wrong])


def part(expression: Matrix, cells: Ints, genes: Ints) -> Matrix:
    """Some cells and genes, (n_cells, n_genes); sparse without stored zeros and with ascending columns.

    A dense matrix that is kept whole is returned as it is, everything else is a copy.
    """
    all_cells, all_genes = (len(kept) == size for kept, size in zip((cells, genes), expression.shape, strict=True))
    if not is_sparse(expression):
        dense = np.asarray(expression)
        if all_cells and all_genes:
            return dense
        return np.ascontiguousarray(dense[:, genes] if all_cells else dense[np.ix_(cells, genes)])
    chosen = sp.csr_matrix(expression if all_cells else expression[cells])
    chosen = sp.csr_matrix(chosen if all_genes else chosen[:, genes], copy=True)
    chosen.sum_duplicates()
    chosen.eliminate_zeros()
    return chosen


def row_nonzeros(expression: Matrix) -> npt.NDArray[np.int64]:
    """(n_obs,) non-zero values of every row."""
    if not is_sparse(expression):
        return np.asarray(np.count_nonzero(expression, axis=1), dtype=np.int64)
    return np.asarray(sp.csr_matrix(expression).count_nonzero(axis=1), dtype=np.int64)


def column_nonzeros(expression: Matrix) -> npt.NDArray[np.int64]:
    """(n_vars,) non-zero values of every column."""
    if not is_sparse(expression):
        return np.asarray(np.count_nonzero(expression, axis=0), dtype=np.int64)
    return np.asarray(sp.csr_matrix(expression).count_nonzero(axis=0), dtype=np.int64)


def with_zeros_at(expression: Matrix, rows: Ints, cols: Ints) -> Matrix:
    """A copy in which these entries are 0 (stored zeros, where it is sparse)."""
    if not is_sparse(expression):
        dense = np.array(expression)
        dense[rows, cols] = 0
        return dense
    sparse = sp.csr_matrix(expression, copy=True)
    sparse.data[places(sparse, rows, cols)] = 0
    return sparse


def places(expression: sp.csr_matrix, rows: Ints, cols: Ints) -> npt.NDArray[np.int64]:
    """Where stored entries lie among the values of a matrix whose columns ascend.

    Examples
    --------
    >>> places(sp.csr_matrix([[0, 5, 6], [7, 0, 0]]), np.array([1, 0]), np.array([0, 2])).tolist()
    [2, 1]
    """
    order = np.lexsort((cols, rows))
    cells, first = np.unique(rows[order], return_index=True)
    found = np.empty(len(rows), dtype=np.int64)
    for cell, mine in zip(cells, np.split(order, first[1:]), strict=True):
        start, end = expression.indptr[cell : cell + 2]
        found[mine] = start + np.searchsorted(expression.indices[start:end], cols[mine])
    return found


def visible_expression(prepared: Prepared, *, with_held_out: bool = False) -> Matrix:
    """The kept expression with the benchmark's hidden entries at 0, and the held-out ones unless they are wanted."""
    visible = prepared.expression
    for entries in (prepared.hidden, None if with_held_out else prepared.validation):
        if entries is not None and len(entries):
            visible = with_zeros_at(visible, entries.rows, entries.cols)
    return visible


def unlogged(expression: Matrix, scale: Scale) -> Matrix:
    """Expression that is not logged: e^x − 1 of logged data, anything else as it is."""
    if scale != "logged":
        return expression
    if not is_sparse(expression):
        return np.asarray(np.expm1(expression))
    return sp.csr_matrix((np.expm1(expression.data), expression.indices, expression.indptr), shape=expression.shape)


def counts_of_logged(expression: Matrix) -> Matrix:
    """Counts of their natural logarithms ln(1 + x), whole where they were.

    Where the logarithms have few digits, all counts are whole or (expected counts) none of these is moved.

    Examples
    --------
    >>> counts_of_logged(np.log1p(np.array([[0.0, 3.0, 170.0]]))).tolist()
    [[0.0, 3.0, 170.0]]
    >>> counts_of_logged(np.log1p(np.array([[0.0, 3.0, 1.5]]))).round(6).tolist()
    [[0.0, 3.0, 1.5]]
    """
    counts = unlogged(expression, "logged")
    values = stored(counts)
    whole = np.rint(values)
    off = np.abs(values - whole)
    near = off <= 1e-3 + 1e-5 * values
    if np.all((off <= 0.05 + 0.006 * values) & ((whole > 0) | (values == 0))):
        near[...] = True
    np.copyto(values, whole, where=near)
    return counts


def most_frequent(groups: Ints) -> npt.NDArray[np.int64]:
    """(n,) the most frequent of (n, k) groups in every row; of equally frequent ones the smallest.

    Examples
    --------
    >>> most_frequent(np.array([[3, 1, 1], [2, 0, 0], [5, 4, -1]])).tolist()
    [1, 0, -1]
    """
    names, codes = np.unique(groups, return_inverse=True)
    votes = np.zeros((len(groups), len(names)), np.int64)
    np.add.at(votes, (np.arange(len(groups))[:, None], codes.reshape(groups.shape)), 1)
    return np.asarray(names[votes.argmax(axis=1)], np.int64)

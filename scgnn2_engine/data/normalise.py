"""From expression to what the networks see: ln(1 + expression / size factor)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.blocks import AnyMatrix, BlockMatrix, as_blocks
from scgnn2_engine.data.dataset import Ints, Matrix, Scale
from scgnn2_engine.data.matrices import is_sparse, places, row_blocks
from scgnn2_engine.data.prepared import HiddenEntries

Factors = npt.NDArray[np.float32]

DENSE_UP_TO = 5_000_000
"""Values of a sparse matrix up to which the networks' input is held dense (20 MB), which is faster."""

_ROWS = 4096  # logged at a time


def library_sizes(expression: Matrix, without: Ints | None = None) -> npt.NDArray[np.float64]:
    """(n_obs,) sum of every row, in float64.

    Parameters
    ----------
    expression
        (n_obs, n_vars) dense or CSR, finite.
    without
        Columns that are left out.

    Examples
    --------
    >>> library_sizes(np.array([[1, 2, 3], [4, 5, 6]]), without=np.array([1])).tolist()
    [4.0, 10.0]
    """
    counted = np.ones(expression.shape[1])
    if without is not None:
        counted[without] = 0
    if is_sparse(expression):
        return np.asarray(expression @ counted)
    return np.concatenate([np.empty(0), *(block @ counted for _, block in row_blocks(expression))])


def size_factors(libraries: npt.NDArray[np.float64]) -> Factors:
    """Library size over the median library size.

    Parameters
    ----------
    libraries
        (n_obs,) sum of each cell over all genes that were read, hidden entries left out.

    Returns
    -------
    numpy.ndarray
        (n_obs,) float32; empty cells get 1 and take no part in the median.

    Examples
    --------
    >>> size_factors(np.array([10.0, 20.0, 40.0, 0.0])).tolist()
    [0.5, 1.0, 2.0, 1.0]
    """
    occupied = libraries > 0
    if not occupied.any():
        return np.ones(len(libraries), dtype=np.float32)
    return np.where(occupied, libraries / np.median(libraries[occupied]), 1.0).astype(np.float32)


def log_matrix(
    expression: Matrix, scale: Scale, factors: Factors, hidden: tuple[HiddenEntries | None, ...] = ()
) -> AnyMatrix:
    """ln(1 + expression / size factor) with the hidden entries at 0; of a large sparse matrix, by rows.

    Parameters
    ----------
    expression
        (n_obs, n_vars) dense or CSR on the given scale; logged values are taken as they are.
    factors
        (n_obs,) size factors, all 1 for logged data.
    """
    if is_sparse(expression) and expression.shape[0] * expression.shape[1] > DENSE_UP_TO:
        return _sparse_logs(expression, scale, factors, hidden)
    x = np.empty(expression.shape, dtype=np.float32)
    for rows, block in row_blocks(expression):
        if scale != "logged":
            block = np.log1p(block / factors[rows, None])
        x[rows] = block
    for entries in hidden:
        if entries is not None:
            x[entries.rows, entries.cols] = 0
    return x


def _sparse_logs(
    expression: sp.csr_matrix, scale: Scale, factors: Factors, hidden: tuple[HiddenEntries | None, ...]
) -> BlockMatrix:
    """The same of a sparse matrix, whose positions are shared."""
    values = expression.data.astype(np.float32)
    if scale != "logged":
        for start in range(0, expression.shape[0], _ROWS):
            ends = expression.indptr[start : start + _ROWS + 1]
            mine = slice(ends[0], ends[-1])
            factor = np.repeat(factors[start : start + _ROWS], np.diff(ends))
            values[mine] = np.log1p(expression.data[mine].astype(np.float64) / factor)
    for entries in hidden:
        if entries is not None:
            values[places(expression, entries.rows, entries.cols)] = 0
    logs = sp.csr_matrix((values, expression.indices, expression.indptr), shape=expression.shape)
    return as_blocks(logs)


def logged_values(
    expression: Matrix,
    scale: Scale,
    rows: npt.NDArray[np.int64],
    cols: npt.NDArray[np.int64],
    factors: Factors | None = None,
) -> npt.NDArray[np.float32]:
    """(n_entries,) ln(1 + expression / size factor) of single entries; without ``factors`` on the output's scale."""
    values = np.asarray(expression[rows, cols], dtype=np.float64).ravel()
    if scale == "logged":
        return values.astype(np.float32)
    if factors is not None:
        values = values / factors[rows]
    return np.log1p(values).astype(np.float32)

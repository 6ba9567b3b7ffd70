"""From expression to what the networks see: ln(1 + expression / size factor)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Ints, Matrix, Scale
from scgnn2_engine.data.matrices import is_sparse, row_blocks
from scgnn2_engine.data.prepared import HiddenEntries

Factors = npt.NDArray[np.float32]


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
) -> npt.NDArray[np.float32]:
    """ln(1 + expression / size factor), dense, with the hidden entries at 0.

    Parameters
    ----------
    expression
        (n_obs, n_vars) dense or CSR on the given scale; logged values are taken as they are.
    factors
        (n_obs,) size factors, all 1 for logged data.
    """
    x = np.empty(expression.shape, dtype=np.float32)
    for rows, block in row_blocks(expression):
        if scale != "logged":
            block = np.log1p(block / factors[rows, None])
        x[rows] = block
    for entries in hidden:
        if entries is not None:
            x[entries.rows, entries.cols] = 0
    return x


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

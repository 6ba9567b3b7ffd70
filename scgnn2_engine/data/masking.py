"""Entries that are hidden from training: the benchmark's, to score the imputation, and the held-out share."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.data.matrices import column_nonzeros, is_sparse, row_nonzeros, with_zeros_at
from scgnn2_engine.errors import InputError

Positions = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]

VALIDATION_STREAM = 0x5EED  # keeps the held-out draw apart from every other draw of the same seed


def benchmark_positions(expression: Matrix, share: float, seed: int) -> Positions:
    """The non-zero entries that the published program hides for ``--dropout_prob`` ``share``.

    A uniform draw without replacement among the non-zeros in row-major order (cells x genes), by NumPy's legacy
    generator, so that seed 1 and share 0.1 give the mask shipped with the Goolam data.

    Parameters
    ----------
    expression
        (n_obs, n_vars) dense, or CSR without stored zeros.
    share
        Share of the non-zero entries, in [0, 1).
    seed
        The run's seed.

    Returns
    -------
    (rows, cols)
        int64, in row-major order.

    Examples
    --------
    >>> rows, cols = benchmark_positions(np.eye(10), 0.2, seed=1)
    >>> rows.tolist(), cols.tolist()
    ([2, 9], [2, 9])
    """
    n_nonzero = int(row_nonzeros(expression).sum())
    n_hidden = int(np.floor(share * n_nonzero))
    legacy = np.random.RandomState(seed)  # the published mask is defined by it
    return _locate(expression, np.sort(legacy.permutation(n_nonzero)[:n_hidden]))


def validation_positions(expression: Matrix, share: float, seed: int, taken: Positions | None = None) -> Positions:
    """A held-out share of the non-zero entries that are still visible, never the last one of a cell or a gene.

    Parameters
    ----------
    expression
        (n_obs, n_vars) dense, or CSR without stored zeros.
    share
        Share of the visible non-zero entries; at least one entry is drawn. Fewer are hidden where a cell or gene
        would lose its last.
    seed
        The run's seed; the draw is independent of the benchmark's.
    taken
        Entries that are hidden already.

    Raises
    ------
    InputError
        No entry can be held out.
    """
    visible = expression if taken is None else with_zeros_at(expression, *taken)
    if is_sparse(visible):
        visible.eliminate_zeros()
    in_rows, in_cols = row_nonzeros(visible), column_nonzeros(visible)
    n_visible = int(in_rows.sum())
    generator = np.random.default_rng([seed, VALIDATION_STREAM])
    n_drawn = min(n_visible, max(1, math.floor(share * n_visible)))
    rows, cols = _locate(visible, np.sort(generator.choice(n_visible, n_drawn, replace=False, shuffle=False)))
    for axis, in_lines in ((0, in_rows), (1, in_cols)):
        lines = (rows, cols)[axis]
        emptied = np.flatnonzero(np.bincount(lines, minlength=len(in_lines)) == in_lines)
        _, first = np.unique(lines, return_index=True)
        spared = first[np.isin(lines[first], emptied)]
        rows, cols = np.delete(rows, spared), np.delete(cols, spared)
    if not len(rows):
        raise InputError(
            "No entry can be held out: every non-zero entry is the last one of its cell or gene.",
            expected="cells and genes with several non-zero entries",
            found=f"{n_visible} non-zero entries",
            advice="Set validation_share = 0, selection = last and the patiences to 0.",
        )
    return rows, cols


def _locate(expression: Matrix, ordinals: npt.NDArray[np.int64]) -> Positions:
    """Rows and columns of the non-zeros with these ascending numbers, counted in row-major order."""
    in_rows = row_nonzeros(expression)
    ends = np.cumsum(in_rows)
    rows = np.searchsorted(ends, ordinals, side="right").astype(np.int64)
    if is_sparse(expression):
        return rows, expression.indices[ordinals].astype(np.int64)
    cols = np.empty(len(ordinals), dtype=np.int64)
    touched, starts = np.unique(rows, return_index=True)
    for row, mine in zip(touched, np.split(np.arange(len(rows)), starts[1:]), strict=False):
        cols[mine] = np.flatnonzero(expression[row])[ordinals[mine] - (ends[row] - in_rows[row])]
    return rows, cols

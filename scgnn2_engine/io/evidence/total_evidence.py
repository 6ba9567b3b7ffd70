"""What the values of a matrix say about which way round it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix

_BUDGET = 4_000_000
_LEAST = 10


@dataclass(frozen=True)
class Totals:
    """How rows and columns differ in what they sum to.

    Attributes
    ----------
    leaning
        From -1, rows are cells, to 1, rows are genes; 0 where rows and columns differ alike.
    constant
        Whether one of the axes sums to one number throughout, as normalised cells do.
    """

    leaning: float
    constant: bool = False

    @property
    def because(self) -> str:
        """The end of a sentence on the axis that holds the cells."""
        axis, other = ("columns", "rows") if self.leaning > 0 else ("rows", "columns")
        return f"{axis} all sum to one number" if self.constant else f"sums of {other} differ more than those of {axis}"


def totals_of(blocks: Iterable[Matrix], n_rows: int, n_columns: int) -> Totals:
    """Compare the sums of the rows with those of the columns.

    Genes span orders of magnitude, from never seen to ever present; cells were sequenced to much the same depth. In a
    normalised matrix they sum to one number exactly. Rows are thinned so that about four million values are read.

    Parameters
    ----------
    blocks
        Blocks of rows, dense or sparse, together (n_rows, n_columns).

    Examples
    --------
    >>> counts = np.outer(2.0 ** np.arange(12), np.ones(10))
    >>> totals_of([counts], 12, 10)
    Totals(leaning=1.0, constant=True)
    """
    if min(n_rows, n_columns) < _LEAST:
        return Totals(0.0)
    step = max(1, n_rows * n_columns // _BUDGET)
    parts: list[Matrix] = []
    start = 0
    for block in blocks:
        parts.append(block if step == 1 else block[-start % step :: step])
        start += int(block.shape[0])
    if parts and all(map(sp.issparse, parts)):
        parts = [sp.vstack(parts, format="csr")]  # to be summed at once
    row_sums: list[npt.NDArray[np.float64]] = []
    column_sums = np.zeros(n_columns)
    for part in parts:
        row_sums.append(np.asarray(part.sum(axis=1, dtype=np.float64)).ravel())
        column_sums += np.asarray(part.sum(axis=0, dtype=np.float64)).ravel()
    rows = np.concatenate(row_sums) if row_sums else np.zeros(0)
    if rows.size < _LEAST or not rows.any() or min(rows.min(), column_sums.min()) < 0:
        return Totals(0.0)
    if not (np.isfinite(rows).all() and np.isfinite(column_sums).all()):
        return Totals(0.0)
    row_spread, column_spread = _spread(rows), _spread(column_sums)
    # rows that were thinned no longer add up, unless it is they that are constant
    if step == 1 and column_spread < 0.01 and row_spread > 0.2:
        return Totals(1.0, constant=True)
    if row_spread < 0.01 and column_spread > 0.2:
        return Totals(-1.0, constant=True)
    ratio = np.log2(max(row_spread, 0.1) / max(column_spread, 0.1))
    enough = min(1.0, max(0.0, (max(row_spread, column_spread) - 0.3) / 0.3))
    return Totals(float(np.clip(ratio / 1.5, -1, 1) * enough))


def _spread(sums: npt.NDArray[np.float64]) -> float:
    """Standard deviation of the logarithms; an empty line counts as half the smallest."""
    least = sums[sums > 0].min() / 2
    return float(np.std(np.log(np.maximum(sums, least))))

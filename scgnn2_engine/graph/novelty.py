"""Cells that are unlike all that a graph was built from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from scgnn2_engine.data.blocks import BlockMatrix
from scgnn2_engine.data.dataset import Floats

N_DIRECTIONS = 5
FEWEST = 50
"""New cells from which on directions are looked for; of fewer the distances alone say whether they are unlike."""

VARIANCE_RATIO = 3.0
"""How much wider than the old cells the new ones must spread along a direction to differ in it."""

BEYOND = 0.999
"""Share of the old cells that lie nearer than a cell that differs."""

N_SPREADS, NORMAL_MAD = 4.0, 1.4826
"""Standard deviations that a usual cell keeps within, and one over the median absolute deviation (normal)."""

CLIPPED = 5.0  # standard deviations: one count of a rare gene shall not make a direction of its own


def unlike(new: BlockMatrix, old: BlockMatrix, seed: int = 0) -> npt.NDArray[np.bool_]:
    """Cells that differ from their neighbours in a way that the old cells do not.

    Parameters
    ----------
    new
        (n, n_vars) what every new cell has more or less of every gene than its neighbours among the old cells.
    old
        (m, n_vars) the same for old cells, whose neighbours they themselves are not.
    seed
        Of the halves.

    Returns
    -------
    numpy.ndarray
        (n,) bool; none of fewer than 50 new cells.

    Notes
    -----
    The residuals of one cell are mostly noise; those of a type that is not among the old cells agree in many genes. The
    leading directions of the residuals of one half of the new cells are looked for in the other half, so that no cell
    speaks for itself. A cell is unlike where, along a direction in which the new cells spread at least three times as
    wide (in variance) as the old ones, it lies beyond 99.9 % of the old cells.

    Examples
    --------
    >>> from scgnn2_engine.data.blocks import as_blocks
    >>> rng = np.random.default_rng(0)
    >>> old, new = (rng.normal(size=(300, 20)).astype(np.float32) for _ in range(2))
    >>> new[:60, :10] += 4
    >>> found = unlike(as_blocks(new), as_blocks(old))
    >>> bool(found[:60].mean() > 0.95), bool(found[60:].mean() < 0.05)
    (True, True)
    """
    n = len(new)
    found = np.zeros(n, bool)
    if n < FEWEST:
        return found
    mean, spread = _moments(old)

    def scaled(rows: Floats) -> npt.NDArray[np.float32]:
        return np.asarray(np.clip((rows - mean) / spread, -CLIPPED, CLIPPED), np.float32)

    half = np.random.default_rng(seed).permutation(n) < n // 2
    grams = [np.zeros((new.shape[1], new.shape[1])) for _ in range(2)]
    for rows, block in new.blocks():
        values = scaled(block)
        for number, gram in enumerate(grams):
            mine = values[half[rows] == bool(number)]
            gram += mine.T @ mine
    last = new.shape[1] - 1
    directions = [
        eigh(gram, subset_by_index=(max(0, last - N_DIRECTIONS + 1), last))[1].astype(np.float32) for gram in grams
    ]
    along = np.hstack(directions)
    here = np.concatenate([scaled(block) @ along for _, block in new.blocks()])
    there = np.concatenate([scaled(block) @ along for _, block in old.blocks()])
    distance, usual = (np.abs(values - np.median(there, axis=0)) for values in (here, there))
    d = directions[0].shape[1]
    for number in range(2):
        asked = half != bool(number)
        columns = slice(number * d, (number + 1) * d)
        wider = here[asked, columns].var(axis=0) > VARIANCE_RATIO * there[:, columns].var(axis=0)
        beyond = distance[asked, columns] > usual_limit(usual[:, columns], BEYOND)
        found[asked] = (beyond & wider).any(axis=1)
    return found


def usual_limit(values: Floats, share: float) -> Floats:
    """(d,) what a share of the rows of (n, d) stay below; at least four standard deviations above the middle.

    Few rows do not show their tail, so the standard deviation is that of a normal distribution with their median
    absolute deviation.

    Examples
    --------
    >>> usual_limit(np.arange(10_001.0)[:, None], 0.5).round().tolist()
    [19826.0]
    """
    middle = np.median(values, axis=0)
    spread = NORMAL_MAD * np.median(np.abs(values - middle), axis=0)
    return np.asarray(np.maximum(np.quantile(values, share, axis=0), middle + N_SPREADS * spread))


def _moments(rows: BlockMatrix) -> tuple[Floats, Floats]:
    """(n_vars,) mean and standard deviation of every column; 0.1 more, so that silent genes stay small."""
    total, squares = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for _, block in rows.blocks():
        total += block.sum(axis=0, dtype=np.float64)
        squares += np.square(block, dtype=np.float64).sum(axis=0)
    mean = total / len(rows)
    return mean, np.sqrt(np.maximum(squares / len(rows) - mean**2, 0)) + 0.1

"""Counts behind normalised values, logged or not: whole multiples of one unit in every cell.

Dividing a cell by its library size L leaves count · u with u = total / L, whatever total was asked for, and logging
that leaves ln(1 + count · u). Whoever finds u has the counts again, also of a selection of genes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import e, log

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.io.evidence.logarithms import Sample, on_grid

Values = npt.NDArray[np.float64]

_ROWS = 2048  # at a time
_FIRST = 64  # cells that are tried before all
_LEAST_COUNTS = (1, 2, 3, 4, 5)  # what the smallest value of a cell may be, the likeliest first
_STEPS = 4  # of the fit: each knows the unit better, and so larger counts
_TELLING = 0.25  # units by which a value may be off and still tell one count from the next
_MANY_TELLING = 0.99  # share of the values
_MISFITS = 0.005  # share of the cells that may hold something else
_WHOLE = 1e-3  # nearer than that to whole numbers, logarithms are none
_CHANCE = -10.0  # log10 of the chance that values lie as near to multiples by accident
_FLOAT32 = 2.0**-22  # what normalising and logging in float32 leaves of a value, relative


@dataclass(frozen=True)
class Recovered:
    """What normalised values were made of.

    Attributes
    ----------
    counts
        (n_obs, n_vars) float32, whole, dense or CSR as the values.
    units
        (n_obs,) the normalised value of one count; NaN of empty cells.
    n_misfits
        Cells whose values are not all within rounding of a multiple: theirs are the nearest ones.
    """

    counts: Matrix
    units: Values
    n_misfits: int

    @property
    def alike(self) -> bool:
        """Whether all cells have one unit, so that the counts were multiplied by one number and not normalised."""
        return bool(np.nanmax(self.units) <= (1 + _WHOLE) * np.nanmin(self.units))

    def note(self, logarithm: str) -> str:
        """The sentence that reports it, with what the logarithm is called."""
        few = f" (in {self.n_misfits} cells the nearest ones)" * (self.n_misfits > 0)
        return (
            f"Scale counts, recovered: the values are {logarithm}(1 + x) of normalised counts, within rounding whole "
            f"multiples of one unit of their cell, {np.nanmin(self.units):.3g} to {np.nanmax(self.units):.3g}{few}; "
            "results are on ln(1 + count). --no-load_recover_counts leaves them normalised."
        )


@np.errstate(over="ignore", divide="ignore", invalid="ignore")  # of values that are nearly 0: they fit nothing
def recovered_counts(stored: Matrix, base: float | None = e) -> Recovered | None:
    """The counts of which values are log(1 + count · unit of the cell), or None where they are not.

    Parameters
    ----------
    stored
        (n_obs, n_vars) non-negative, dense or CSR without stored zeros.
    base
        Of the logarithm; None where none was taken, and values are count · unit.

    Notes
    -----
    The unit u of a cell starts as its smallest value, or a half to a fifth of it where no count of 1 was seen, and is
    refined by least squares, u = Σ w k v / Σ w k² over the values v that are so well known that their counts
    k = round(v / u) are beyond doubt, with w the inverse square of what rounding may have left. It fits where every
    value lies within that of a multiple. None is returned where more than one cell in 200 does not fit, more than one
    value in a hundred is too coarse to tell, or so good a fit would be no surprise.

    Examples
    --------
    >>> counts = np.array([[1, 2, 0, 7], [3, 0, 1, 1], [2, 5, 1, 0]])
    >>> normalised = np.log1p(counts / counts.sum(1, keepdims=True) * 1e4).astype(np.float32)
    >>> recovered_counts(normalised).counts.tolist() == counts.tolist()
    True
    >>> recovered_counts(np.sqrt(normalised)) is None
    True
    >>> recovered_counts(counts * 7.31, None).counts.tolist() == counts.tolist()
    True
    """
    some = np.unique(np.linspace(0, stored.shape[0] - 1, num=min(_FIRST, stored.shape[0])).astype(np.int64))
    sample = Sample.of(stored[some])
    if not len(sample.values):
        return None
    off = np.abs(sample.values - np.rint(sample.values))
    if base is not None and np.mean(off <= _WHOLE * np.maximum(1, sample.values)) > 0.5:
        return None  # whole numbers with noise: 2^k − 1 is a multiple of 1 whatever k
    coarse = float(np.max(sample.rounding / sample.values)), float(np.max(sample.rounding))
    grid = coarse[1] if np.all(sample.rounding == coarse[1]) else 0.0  # a number of decimals
    if on_grid(sample.values * 10):
        grid = 0.05  # of which 0.1 · count and expression with one decimal cannot be told apart
    relative = 0.0 if grid else coarse[0]
    if relative == 2.0**-20:  # nothing coarser than float32
        relative = _FLOAT32

    def blocks(rows: npt.NDArray[np.int64]) -> Iterator[_Block]:
        for start in range(0, len(rows), _ROWS):
            values = sp.csr_matrix(stored[rows[start : start + _ROWS]])
            yield _Block.of(values, base and log(base), grid, relative)

    if not _accepted(list(blocks(some))):
        return None
    found = list(blocks(np.arange(stored.shape[0])))
    if not _accepted(found):
        return None
    data = np.concatenate([block.counts for block in found])
    if isinstance(stored, np.ndarray):
        counts: Matrix = np.zeros(stored.shape, np.float32)
        counts[stored != 0] = data
    else:
        counts = sp.csr_matrix((data, stored.indices, stored.indptr), shape=stored.shape)
    units = np.concatenate([block.units for block in found])
    return Recovered(counts, units, sum(block.n_misfits for block in found))


@dataclass(frozen=True)
class _Block:
    """Some cells: their counts as far as they were found, and how well they fit."""

    counts: npt.NDArray[np.float32]
    units: Values
    n_filled: int
    n_misfits: int
    n_telling: int
    chance: float

    @classmethod
    def of(cls, stored: sp.csr_matrix, scale: float | None, grid: float, relative: float) -> _Block:
        n_each = np.diff(stored.indptr)
        filled = np.flatnonzero(n_each)
        cells = np.repeat(np.arange(len(filled)), n_each[filled])
        # equal counts of a cell were rounded alike, and so tell once
        order = np.lexsort((stored.data, cells))
        first = (np.diff(cells[order], prepend=-1) != 0) | (np.diff(stored.data[order], prepend=-1) != 0)
        place = np.empty(len(order), np.int64)
        place[order] = np.cumsum(first) - 1
        values, cells = stored.data[order[first]].astype(np.float64), cells[order[first]]
        off = values * relative + grid
        if scale is not None:
            values = np.expm1(values * scale)
            off *= (values + 1) * scale  # dv = (1 + v) · d ln(1 + v)
        off += values * _FLOAT32 / 2  # what dividing by the library size left
        fit = _Fit.of(values, off, cells, len(filled))
        counts = np.maximum(np.rint(values / fit.units[cells]), 1)
        units = np.full(len(n_each), np.nan)
        units[filled] = fit.units
        others = np.diff(cells, prepend=-1) == 0  # all but the smallest value, which was spent on the unit
        return cls(
            counts[place].astype(np.float32),
            units,
            len(filled),
            int((~fit.fits).sum()),
            int(np.count_nonzero(fit.allowed[place] < _TELLING)),
            float(np.log10(np.minimum(1, 2 * fit.allowed[others])).sum()),
        )


@dataclass(frozen=True)
class _Fit:
    """Units of cells, how far each value may lie from a multiple in units, and which cells fit."""

    units: Values
    allowed: Values
    fits: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, values: Values, off: Values, cells: npt.NDArray[np.int64], n_cells: int) -> _Fit:
        units, fits, allowed = np.ones(n_cells), np.zeros(n_cells, bool), np.ones(len(values))
        waiting = np.ones(len(values), bool)
        for least in _LEAST_COUNTS:
            if not waiting.any():
                break
            left, mine = np.unique(cells[waiting], return_inverse=True)
            tried, within, good = _fit(values[waiting], off[waiting], mine, least)
            taken = good if least > _LEAST_COUNTS[0] else np.ones(len(left), bool)  # the first stays where none fits
            units[left[taken]], fits[left[taken]] = tried[taken], good[taken]
            allowed[np.flatnonzero(waiting)[taken[mine]]] = within[taken[mine]]
            waiting = ~fits[cells]
        return cls(units, allowed, fits)


def _fit(
    values: Values, off: Values, cells: npt.NDArray[np.int64], least: int
) -> tuple[Values, Values, npt.NDArray[np.bool_]]:
    """Units if the smallest value is so many of them, how far values may be off, and whether all of a cell are not."""
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    units = np.minimum.reduceat(values, starts) / least
    unsure = np.minimum.reduceat(off / values, starts)  # relative, of the unit
    for _ in range(_STEPS):
        ratios = values / units[cells]
        counts = np.rint(ratios)
        allowed = off / units[cells] + ratios * unsure[cells]
        weights = np.where((allowed < _TELLING) & (counts > 0), off**-2.0, 0.0)
        weights = np.where(counts == least, np.maximum(weights, off**-2.0), weights)
        squares = np.bincount(cells, weights * counts**2)
        units = np.bincount(cells, weights * counts * values) / squares
        unsure = np.minimum(unsure, 2 / (units * np.sqrt(squares)))
    ratios = values / units[cells]
    counts = np.rint(ratios)
    allowed = off / units[cells] + ratios * unsure[cells]
    wrong = (np.abs(ratios - counts) > allowed) & (allowed < _TELLING) | (counts < 1)
    return units, allowed, np.bincount(cells, wrong) == 0


def _accepted(blocks: list[_Block]) -> bool:
    n_filled, n_values = sum(block.n_filled for block in blocks), sum(len(block.counts) for block in blocks)
    return (
        sum(block.n_misfits for block in blocks) <= _MISFITS * n_filled
        and sum(block.n_telling for block in blocks) >= _MANY_TELLING * n_values
        and sum(block.chance for block in blocks) <= _CHANCE
    )

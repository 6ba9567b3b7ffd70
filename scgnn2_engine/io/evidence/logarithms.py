"""Which logarithm was taken of expression: what becomes whole, or adds up alike, once it is undone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import e, log

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Matrix

Values = npt.NDArray[np.float64]

BASES = (e, 2.0, 10.0)
SAME_TOTAL = 2e-3
"""Relative spread of the cells' totals that only a normalisation produces."""

NOT_LOGGED = 1.0
"""Stands for a base where the values are taken as they are."""

_CLEARLY, _NOISE = 10.0, 1e-6  # the best fit of totals against the second, and what float32 leaves of equal ones
_CEILING = 50.0  # exponents above it would overflow, and no logarithm is as large
_TELLING_COUNT, _TELLING_VALUES = 100, 5  # four digits of log2 give counts up to 100 to 0.01
_CHANCE = -4.0  # log10 of the chance that so many different values, as rounded as they are, are whole by accident
_FEW = 1000  # are enough, most of the time
_FEWEST_CELLS = 3  # of fewer, totals must be what tools normalise to
_USUAL_TOTALS = (1e3, 1e4, 1e5, 1e6)
_MULTIPLES = (1.5, 8.5)  # of a cell's smallest value: counts of 2 to 8 where that is a count of 1
_FEWEST_MULTIPLES = 50
_SURE, _UNSURE = 0.95, 0.5  # share of values that fit the right base, and less of which must fit each other one
_EXPECTED, _ACCIDENT = 0.2, 0.02  # likewise of expected counts, which are whole where no read was shared by genes
_ROUGH, _EXACT = 0.1, 0.003  # how far values may be off to tell of all, and of a part of them
_MULTIPLE = "the values of a cell become whole multiples of the smallest"


@dataclass(frozen=True)
class Sample:
    """The non-zero values of some cells.

    Attributes
    ----------
    values
        (n,) in float64, those of a cell behind each other.
    cells
        (n,) which of the cells each belongs to, ascending.
    n_cells
        How many cells were looked at.
    """

    values: Values
    cells: npt.NDArray[np.int64]
    n_cells: int

    @classmethod
    def of(cls, expression: Matrix) -> Sample:
        """The non-zero values of a dense or CSR matrix whose rows are cells."""
        if isinstance(expression, np.ndarray):
            cells, columns = np.nonzero(expression)
            return cls(expression[cells, columns].astype(np.float64), cells, expression.shape[0])
        cells = np.repeat(np.arange(expression.shape[0]), np.diff(expression.indptr))
        there = expression.data != 0
        return cls(expression.data[there].astype(np.float64), cells[there], expression.shape[0])

    def totals(self, values: Values) -> Values:
        """(n_cells,) sums of values of each cell."""
        return np.bincount(self.cells, weights=values, minlength=self.n_cells).astype(np.float64)

    def spread(self, telling: npt.NDArray[np.bool_]) -> bool:
        """Whether at least half of the cells that hold values hold one of those that tell."""
        return 2 * len(np.unique(self.cells[telling])) >= len(np.unique(self.cells))

    @cached_property
    def rounding(self) -> Values:
        """(n,) how far each value may lie from what it was before it was stored: 16 bits, or a few digits."""
        few = self.values[:: max(1, len(self.values) // 10_000)]
        scales = 10.0 ** np.floor(np.log10(few))
        for digits in (2, 3, 4, 5):
            if on_grid(few * 10.0**digits):
                return np.full(len(self.values), 0.5 * 10.0**-digits)
            if on_grid(few / scales * 10.0**digits):  # significant digits, one more
                return self.values * (0.5 * 10.0**-digits)
        with np.errstate(over="ignore"):
            if np.array_equal(few.astype(np.float16).astype(np.float64), few):
                return self.values * 2.0**-11
        return self.values * 2.0**-20


def on_grid(values: Values) -> bool:
    """Whether values are whole numbers that were kept as float32."""
    return bool(np.all(np.abs(values - np.rint(values)) < 1e-4 + values * 2.0**-22))


def _beyond_chance(values: Values, allowed: Values) -> bool:
    """Whether so many different values are hardly whole by accident; each more makes it less likely."""
    _, first = np.unique(values, return_index=True)
    return bool(np.log10(2 * allowed[first]).sum() <= _CHANCE)


@dataclass(frozen=True)
class Undone:
    """What values are with a logarithm of 1 + x undone.

    ``values`` are base^x - 1, ``rounding`` how far each may be off.
    """

    sample: Sample
    values: Values
    rounding: Values

    @classmethod
    def of(cls, sample: Sample, base: float) -> Undone:
        """Undo the logarithm to this base."""
        exponents = np.minimum(sample.values, _CEILING) * log(base)
        values = np.expm1(np.minimum(exponents, 2 * _CEILING))
        return cls(sample, values, (values + 1) * log(base) * sample.rounding)

    @classmethod
    def nothing(cls, sample: Sample) -> Undone:
        """The values as they stand."""
        return cls(sample, sample.values, sample.rounding)

    @cached_property
    def totals(self) -> tuple[float, float]:
        """The total that every cell has, or 0 where they differ, and how far they lie apart for that total."""
        totals = self.sample.totals(self.values)
        totals = totals[totals > 0]
        if not len(totals):
            return 0.0, 0.0
        total = float(np.median(totals))
        allowed = SAME_TOTAL + float(np.median(self.rounding / (self.values + 1)))
        if len(totals) >= _FEWEST_CELLS:
            apart = float(np.std(totals) / np.mean(totals))
        else:
            total = min(_USUAL_TOTALS, key=lambda usual: abs(usual - total))
            apart = float(np.max(np.abs(totals / total - 1)))
        return (total, apart) if apart <= allowed else (0.0, apart)

    def whole(self, rounding: float) -> float:
        """Share of the telling values that are whole.

        Values that are whole before say nothing (log2 of 1 + 3 is 2), nor do those that may be off by ``rounding``.
        """
        given = self.sample.values
        telling = (given != np.rint(given)) & (self.values < _TELLING_COUNT) & (self.rounding < rounding)
        if telling.sum() < _TELLING_VALUES or not self.sample.spread(telling):
            return 0.0
        nearest = np.rint(self.values[telling])
        allowed = 1.5 * self.rounding[telling]
        if not any(_beyond_chance(given[telling][:most], allowed[:most]) for most in (_FEW, None)):
            return 0.0
        return float(np.mean((np.abs(self.values[telling] - nearest) < allowed) & (nearest > 0)))

    @cached_property
    def multiples(self) -> float:
        """Share of the values that are whole multiples of their cell's smallest: counts divided by one number.

        Holds for a selection of genes, too, whose totals differ.
        """
        starts = np.flatnonzero(np.diff(self.sample.cells, prepend=-1))
        smallest = np.minimum.reduceat(self.values, starts)
        ratios = self.values / np.repeat(smallest, np.diff(starts, append=len(self.values)))
        off = ratios * self.rounding / self.values * 2
        given = self.sample.values  # 2^k - 1 of whole numbers are multiples of the smallest without being logged
        telling = (given != np.rint(given)) & (ratios > _MULTIPLES[0]) & (ratios < _MULTIPLES[1]) & (off < 0.04)
        if telling.sum() < max(_FEWEST_MULTIPLES, 0.2 * len(ratios)):
            return 0.0
        return float(np.mean(np.abs(ratios - np.rint(ratios))[telling] < 0.03 + off[telling]))


@dataclass(frozen=True)
class Shown:
    """The base that the values show, why, and whether they are counts once it is undone."""

    base: float
    why: str
    of_counts: bool = False


def bases_of_equal_totals(sample: Sample, told: float = e) -> dict[float, float]:
    """The bases with whose logarithm undone every cell has the same total, and that total.

    The base :data:`NOT_LOGGED` stands for the values as they are. Cells that share all their values in another order
    (quantile normalisation) have equal totals whatever the base, which then tell nothing; of values so small that all
    logarithms of 1 + x are alike, or of cells that hardly differ, one base must fit ten times as well.

    Examples
    --------
    >>> expression = np.array([[2.0, 5.0, 3.0], [1.0, 1.0, 8.0], [4.0, 0.5, 5.5]])
    >>> bases_of_equal_totals(Sample.of(np.log2(1 + expression)))
    {2.0: 10.0}
    >>> sorted(bases_of_equal_totals(Sample.of(np.sort(expression[:1]).repeat(3, axis=0))))
    [1.0, 2.0, 2.718281828459045, 10.0]
    """
    undone = {NOT_LOGGED: Undone.nothing(sample)} | {
        base: Undone.of(sample, base) for base in dict.fromkeys((*BASES, told))
    }
    fits = {base: one.totals for base, one in undone.items() if one.totals[0]}
    if len(fits) > 1:
        best, second = sorted(fits, key=lambda base: fits[base][1])[:2]
        clear = fits[second][1] > _CLEARLY * max(fits[best][1], _NOISE)
        if clear and (best != NOT_LOGGED or sample.values.max() <= 1):  # means of ties leave equal totals as they stand
            return {best: fits[best][0]}
    return {base: total for base, (total, _) in fits.items()}


def shown_base(sample: Sample, told: float = e) -> Shown | None:
    """The base of the logarithm that explains the values, where the other bases do not; None where nothing tells.

    Parameters
    ----------
    sample
        Non-zero values, none above 50.
    told
        A base to be tried beside e, 2 and 10.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(3.0, (20, 30))
    >>> shown_base(Sample.of(np.log2(1 + counts)))
    Shown(base=2.0, why='all values become whole numbers', of_counts=True)
    """
    undone = {base: Undone.of(sample, base) for base in dict.fromkeys((*BASES, told))}
    equal = bases_of_equal_totals(sample, told)
    if len(equal) == 1 and NOT_LOGGED not in equal:
        ((base, total),) = equal.items()
        return Shown(base, f"every cell gets the total {total:.6g}")
    evidence = (
        ([one.whole(_ROUGH) for one in undone.values()], _SURE, _UNSURE, "all values become whole numbers", True),
        (
            [one.whole(_EXACT) for one in undone.values()],
            _EXPECTED,
            _ACCIDENT,
            "many values become whole numbers",
            True,
        ),
        ([one.multiples for one in undone.values()], _SURE, _UNSURE, _MULTIPLE, False),
    )
    for shares, enough, too_many, why, of_counts in evidence:
        if not of_counts and NOT_LOGGED in equal:
            break
        *others, best = sorted(shares)
        if best >= enough and max(others) < too_many:
            return Shown(list(undone)[shares.index(best)], why, of_counts)
    return None


def logged_twice(sample: Sample) -> str:
    """Why the values look like a logarithm of a logarithm, or an empty text.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(3.0, (20, 30))
    >>> logged_twice(Sample.of(np.log1p(np.log1p(counts))))
    'all values become whole numbers'
    """
    for base in BASES:
        once = Undone.of(sample, base)
        if once.values.max(initial=0) > _CEILING:
            continue
        found = shown_base(Sample(once.values, sample.cells, sample.n_cells))
        if found is not None:
            return found.why
    return ""

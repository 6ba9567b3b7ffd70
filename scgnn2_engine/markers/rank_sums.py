"""Wilcoxon's rank-sum test of many genes: ranks among the values that are there, and one tie of all zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats, Ints, Matrix, Scale
from scgnn2_engine.markers.columns import column_blocks


@dataclass(frozen=True)
class RankSums:
    """What the test needs of every group and gene.

    Attributes
    ----------
    sizes
        (n_groups,) cells of each.
    ranks
        (n_groups, n_vars) sums of the ranks among all compared cells; equal values share their mean rank.
    present
        (n_groups, n_vars) cells with a value other than 0.
    sums
        (n_groups, n_vars) of the values, ln(1 + x).
    ties
        (n_vars,) sum of t^3 - t over the runs of t equal values.
    """

    sizes: Floats
    ranks: Floats
    present: Floats
    sums: Floats
    ties: Floats

    def scores(self, group: int) -> Floats:
        """(n_vars,) how far the rank sum of a group is from that of chance, in standard deviations corrected for ties.

        0 where all cells have one value.
        """
        n, total = self.sizes[group], self.sizes.sum()
        spread = n * (total - n) / 12 * (total + 1 - self.ties / (total * (total - 1)))
        deviation = self.ranks[group] - n * (total + 1) / 2
        there = spread > 1e-9 * n * total  # of ties only it is 0 but for rounding
        return np.asarray(np.where(there, deviation / np.sqrt(np.where(there, spread, 1.0)), 0.0))


def rank_sums(
    expression: Matrix, groups: Ints, n_groups: int, *, factors: npt.NDArray[np.float32] | None, scale: Scale
) -> RankSums:
    """Rank every gene over the cells that are in a group.

    Parameters
    ----------
    expression
        (n_obs, n_vars) CSR, CSC or dense, on ``scale``; not changed, and not copied.
    groups
        (n_obs,) 0 to ``n_groups`` - 1, or -1 for cells that take no part.
    n_groups
        How many groups there are.
    factors
        (n_obs,) what the values of a cell are multiplied by; None: 1.
    scale
        Values that are not ``"logged"`` become ln(1 + x).

    Examples
    --------
    >>> x, groups = np.array([[3.0], [0.0], [0.0], [1.0]]), np.array([0, 0, 1, 1])
    >>> found = rank_sums(x, groups, 2, factors=None, scale="logged")
    >>> found.ranks.ravel().tolist(), found.ties.tolist()
    ([5.5, 4.5], [6.0])
    """
    n_vars = expression.shape[1]
    codes = np.asarray(groups, dtype=np.int64)
    sizes = np.bincount(codes[codes >= 0], minlength=n_groups).astype(np.float64)
    ranks, present, sums = (np.zeros((n_groups, n_vars)) for _ in range(3))
    ties = np.zeros(n_vars)
    everyone = bool((codes >= 0).all())
    for genes, bounds, cells, values in column_blocks(expression):
        logged = np.asarray(values, dtype=np.float32)
        if factors is not None:
            logged = logged * factors[cells]
        if scale != "logged":
            logged = np.log1p(logged)
        of_cell = codes[cells]
        if not everyone:
            taken = of_cell >= 0
            bounds = np.concatenate([[0], np.cumsum(taken)])[bounds]
            logged, of_cell = logged[taken], of_cell[taken]
        keys = _keys(logged, of_cell)
        for gene in range(len(bounds) - 1):
            keys[bounds[gene] : bounds[gene + 1]].sort()
        _rank(keys, bounds, sizes, ranks[:, genes], present[:, genes], sums[:, genes], ties[genes])
    return RankSums(sizes, ranks, present, sums, ties)


def _keys(values: npt.NDArray[np.float32], groups: Ints) -> npt.NDArray[np.uint64]:
    """Whole numbers that are ordered as the values are, and hold their groups behind."""
    bits = values.view(np.uint32)
    flipped = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (flipped.astype(np.uint64) << np.uint64(32)) | groups.astype(np.uint64)


@numba.njit(nogil=True)
def _rank(keys: Any, bounds: Any, sizes: Any, ranks: Any, present: Any, sums: Any, ties: Any) -> None:
    zero = np.uint64(1 << 31)
    n_groups, total = len(sizes), sizes.sum()
    word = np.empty(1, np.uint32)
    number = word.view(np.float32)
    for gene in range(len(bounds) - 1):
        at, end = bounds[gene], bounds[gene + 1]
        n_zeros = total
        for place in range(at, end):
            if keys[place] >> np.uint64(32) != zero:
                present[keys[place] & np.uint64(0xFFFFFFFF), gene] += 1
                n_zeros -= 1
        below, zeros_counted = 0.0, False
        while at < end or not zeros_counted:
            value = keys[at] >> np.uint64(32) if at < end else zero
            if not zeros_counted and value >= zero:
                zeros_counted = True
                for group in range(n_groups):
                    ranks[group, gene] += (sizes[group] - present[group, gene]) * (below + (n_zeros + 1) / 2)
                ties[gene] += n_zeros**3 - n_zeros
                below += n_zeros
                continue
            after = at
            while after < end and keys[after] >> np.uint64(32) == value:
                after += 1
            if value != zero:  # zeros that were stored are among the others
                word[0] = np.uint32(value & np.uint64(0x7FFFFFFF)) if value > zero else ~np.uint32(value)
                tied = float(after - at)
                for place in range(at, after):
                    group = keys[place] & np.uint64(0xFFFFFFFF)
                    ranks[group, gene] += below + (tied + 1) / 2
                    sums[group, gene] += number[0]
                ties[gene] += tied**3 - tied
                below += tied
            at = after

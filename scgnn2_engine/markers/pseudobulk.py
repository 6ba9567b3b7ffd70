"""Samples, not cells, as what is counted: sums of counts by sample, and a moderated t-test between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats, Matrix
from scgnn2_engine.errors import InputError

LEAST_CELLS = 10
"""Cells of a side that a sample needs to count."""

LEAST_COUNTS = 10
"""Counts of a gene over all sums, below which it is not tested (edgeR's filterByExpr has the same floor)."""


@dataclass(frozen=True)
class Between:
    """A comparison of sums: (n_vars,) differences of log2 counts per million, moderated t and p (NaN: not tested)."""

    log2_fold_changes: Floats
    scores: Floats
    p: Floats
    samples: int
    paired: bool


def between_samples(counts: Matrix, inside: npt.NDArray[np.bool_], samples: npt.NDArray[np.str_]) -> Between:
    """Compare cells with others, one sum for each sample and side.

    Where two or more samples have both sides, each is compared with itself, which takes the differences between samples
    out; otherwise the samples of one side are compared with those of the other. Variances of the genes are shrunk
    towards their common value (Smyth 2004), without which some of thousands are too small by chance when there are few
    samples.

    Parameters
    ----------
    counts
        (n_obs, n_vars) of the compared cells.
    inside
        (n_obs,) whether a cell is on the first side.
    samples
        (n_obs,) its sample.

    Raises
    ------
    InputError
        There are too few samples to compare.

    Examples
    --------
    >>> counts = np.tile([[9.0, 1.0], [1.0, 9.0]], (40, 1))
    >>> sides, samples = np.tile([True, False], 40), np.repeat(["a", "b"], 40)
    >>> found = between_samples(counts, sides, samples)
    >>> found.paired, found.log2_fold_changes.round(2).tolist()
    (True, [3.14, -3.14])
    """
    names = np.unique(samples)
    found: list[dict[str, Floats]] = [{}, {}]
    for side, where in enumerate((inside, ~inside)):
        for name in names:
            cells = np.flatnonzero(where & (samples == name))
            if len(cells) >= LEAST_CELLS:
                found[side][str(name)] = np.asarray(counts[cells].sum(axis=0), dtype=np.float64).ravel()
    both = [name for name in found[0] if name in found[1]]
    if len(both) < 2 and min(map(len, found)) < 2:
        raise InputError(
            "There are too few samples to compare.",
            expected=f"two samples with {LEAST_CELLS} cells or more on both sides, or two on each side",
            found=f"{len(found[0])} and {len(found[1])}, {len(both)} of them on both sides",
            advice="Compare the cells instead (Wilcoxon), and read its p as a ranking: cells of one sample are alike.",
        )
    paired = len(both) >= 2
    sides = [[side[name] for name in both] for side in found] if paired else [list(side.values()) for side in found]
    tested = np.sum([row for side in sides for row in side], axis=0) >= LEAST_COUNTS
    one, other = (np.stack([_per_million(row) for row in side]) for side in sides)
    if paired:
        change = one - other
        effects, variances = change.mean(axis=0), change.var(axis=0, ddof=1)
        freedom, unit = len(both) - 1, 1 / len(both)
    else:
        effects = one.mean(axis=0) - other.mean(axis=0)
        freedom, unit = len(one) + len(other) - 2, 1 / len(one) + 1 / len(other)
        variances = (one.var(axis=0) * len(one) + other.var(axis=0) * len(other)) / freedom
    scores, p = _moderated(effects, variances, freedom, unit, tested)
    return Between(effects, scores, p, len(set(found[0]) | set(found[1])) if not paired else len(both), paired)


def _per_million(counts: Floats) -> Floats:
    """log2 counts per million of one sum, as limma's voom has them."""
    return np.asarray(np.log2((counts + 0.5) / (counts.sum() + 1) * 1e6))


def _moderated(
    effects: Floats, variances: Floats, freedom: int, unit: float, tested: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Smyth's t and its p; both NaN where a gene is not tested."""
    from scipy import stats

    prior_freedom, prior = squeezed(variances[tested], freedom)
    scores, p = np.full(len(effects), np.nan), np.full(len(effects), np.nan)
    if np.isinf(prior_freedom):
        shrunk = np.full(int(tested.sum()), prior)
    else:
        shrunk = (prior_freedom * prior + freedom * variances[tested]) / (prior_freedom + freedom)
    scores[tested] = effects[tested] / np.sqrt(np.maximum(shrunk, 1e-12) * unit)
    degrees = min(freedom + prior_freedom, max(freedom * int(tested.sum()), 1))
    p[tested] = 2 * stats.t.sf(np.abs(scores[tested]), degrees)
    return scores, p


def squeezed(variances: Floats, freedom: int) -> tuple[float, float]:
    """Degrees of freedom and value of the variance that the genes have in common (Smyth 2004, section 6.2).

    Parameters
    ----------
    variances
        (n,) of the genes.
    freedom
        Degrees of freedom of each.

    Returns
    -------
    prior_freedom, prior
        ``inf`` where the variances differ no more than by chance.

    Examples
    --------
    >>> squeezed(np.full(50, 0.25), 4)[0]
    inf
    """
    from scipy.special import digamma, polygamma

    there = variances[variances > 0]
    if len(there) < 2:
        return 0.0, 0.0
    logs = np.log(there) - digamma(freedom / 2) + np.log(freedom / 2)
    beyond = float(logs.var(ddof=1) - polygamma(1, freedom / 2))
    if beyond <= 0:
        return np.inf, float(np.exp(logs.mean()))
    half = 0.5 + 1 / beyond  # Newton's steps to the inverse of the trigamma function
    for _ in range(50):
        step = polygamma(1, half) * (1 - polygamma(1, half) / beyond) / polygamma(2, half)
        half += step
        if -step / half < 1e-8:
            break
    return float(2 * half), float(np.exp(logs.mean() + digamma(half) - np.log(half)))

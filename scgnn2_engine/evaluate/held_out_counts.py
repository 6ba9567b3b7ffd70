"""Scores of expected counts by counts that were held out, which a change of scale or of shape cannot improve.

Three questions, of which no trick answers all: is the *rate* right (Poisson likelihood at the known scale), is the
*order* of all entries right (squared error after the best monotone rescaling, which a power or a factor leaves as it
is), and does each *gene* follow the cells (correlation and rank within the gene, at one library size or among cells of
like depth, so that depth alone earns nothing).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats, Matrix
from scgnn2_engine.errors import InputError
from scgnn2_engine.evaluate.thinning import dense_part

PSEUDO_RATE = 1e-6
"""Least expected count of an entry, the same for every method; else a rate of 0 where a count was held out costs ∞."""

TARGET_SUM = 10_000
"""Counts per cell at which Open Problems' squared error compares profiles."""

ISOTONIC_ENTRIES = 4_000_000
"""Of more entries than these the rescaling is fitted to some cells, evenly spaced, the same for every method."""

_BLOCK = 2**22  # entries of a dense block of rows
_GENES = 512  # columns ranked at once
_STRATUM = 25  # cells of like depth that are ranked together
_FEWEST_SEEN = 3  # cells with a held-out count, below which a gene has no correlation worth the name

Array = npt.NDArray[np.float64]


def thinning_scores(denoised: Floats, train: Matrix, test: Matrix) -> dict[str, float]:
    """Score expected counts that were estimated from the training part against the test part.

    Parameters
    ----------
    denoised
        (n_obs, n_vars) expected counts of the training part, not negative, with the cells' own library sizes (for a
        result on the scale ln(1 + x): e^x − 1). Negative values count as 0.
    train, test
        The two parts of :func:`~scgnn2_engine.evaluate.thin`, dense or sparse.

    Returns
    -------
    ``poisson_deviance``
        With λ = ``denoised`` · (sum of test / sum of train), the two sums over all entries, and not below
        :data:`PSEUDO_RATE`: the mean over all entries of 2 · (t · ln(t / λ) − t + λ) for the test count t, which is
        twice the log-likelihood that is lost against rates that are the test counts themselves. Lower is better.
    ``poisson_scaled``
        The same with 0 for the training counts as they are and 1 for the test counts (which nobody reaches). Higher
        is better.
    ``isotonic_mse``
        Mean squared distance of √t from the best function of λ that does not fall, found by isotonic regression: that
        of λ to any power, times any factor, is the same. Lower is better.
    ``gene_correlation``, ``gene_rank``
        Mean over the genes that at least three cells have in the test part: Pearson's correlation over the cells of
        λ / s and t / s, with s the total of the cell in the training part; and Spearman's of λ and t,
        ranked among cells of like depth (strata of s) so that it is the same after any monotone change of λ. Cells
        without counts are left out; a gene that is given one value has 0. Higher is better. For information: of deep
        counts (klein1000) the rank puts those as they are above a tuned kNN.
    ``poisson_op``, ``mse_op``
        For information, those of the denoising task of Open Problems in Single-Cell Analysis. Its Poisson loss hands
        prediction and truth over in exchanged places, so that it is mean(t − λ · ln(t + 1e-6)) and falls as the
        prediction goes to 0 wherever t is 0. Its squared error brings both to 10,000 counts per cell and to ln(1 + x),
        so that it follows the shape of a transformation as much as what was estimated. Neither is worth a bar.

    Raises
    ------
    InputError
        The shapes differ, ``denoised`` is not finite, or one of the parts is empty.

    Notes
    -----
    Batson, Royer & Webber 2019 (molecular cross-validation) for the Poisson loss at thinned counts. In
    expectation the true rates have the least deviance, alone; the least isotonic error and the largest correlation
    (a correlation with a noisy target is largest for the target's mean).

    Examples
    --------
    >>> train, test = np.array([[9.0, 1.0]]), np.array([[9.0, 1.0]])
    >>> scores = thinning_scores(train, train, test)
    >>> scores["poisson_deviance"], scores["isotonic_mse"]
    (0.0, 0.0)
    """
    ratio = _checked(denoised, train, test)
    n_obs, n_vars = train.shape
    mine = undenoised = swapped = squared = 0.0
    for rows in _blocks(n_obs, n_vars):
        rates, seen, held_out = (
            _finite(denoised[rows]) * ratio,
            dense_part(train, rows, np.float64) * ratio,
            dense_part(test, rows, np.float64),
        )
        mine += _deviance(rates, held_out)
        undenoised += _deviance(seen, held_out)
        swapped += float((held_out - rates * np.log(held_out + 1e-6)).sum())
        squared += float(np.square(_per_cell(rates) - _per_cell(held_out)).sum())
    correlation, rank = _within_genes(denoised, train, test)
    return {
        "poisson_deviance": mine / (n_obs * n_vars),
        "poisson_scaled": 1 - mine / undenoised if undenoised > 0 else float("nan"),
        "isotonic_mse": _isotonic_mse(denoised, test),
        "gene_correlation": correlation,
        "gene_rank": rank,
        "poisson_op": swapped / (n_obs * n_vars),
        "mse_op": squared / (n_obs * n_vars),
    }


def _checked(denoised: Floats, train: Matrix, test: Matrix) -> float:
    """How many test counts there are for each training count."""
    shape = np.shape(denoised)
    if not shape == train.shape == test.shape:
        raise InputError(
            "The parts of a thinned matrix do not fit each other.",
            expected="three matrices of one shape",
            found=f"{shape}, {train.shape}, {test.shape}",
        )
    total_train, total_test = float(train.sum()), float(test.sum())
    if total_train <= 0 or total_test <= 0:
        raise InputError(
            "A part of the thinned counts is empty, so nothing can be scored.",
            expected="counts in both parts",
            found=f"{total_train:g} in the training part and {total_test:g} in the test part",
        )
    return total_test / total_train


def _blocks(n_obs: int, n_vars: int) -> Iterator[slice]:
    size = max(1, _BLOCK // max(1, n_vars))
    return (slice(start, start + size) for start in range(0, n_obs, size))


def _finite(values: Floats) -> Array:
    rates = np.maximum(np.asarray(values, dtype=np.float64), 0)
    if not np.isfinite(rates).all():
        raise InputError("The expected counts cannot be scored.", expected="finite numbers", found="NaN or infinity")
    return rates


def _deviance(rates: Array, counts: Array) -> float:
    """Sum of 2 · (t · ln(t / λ) − t + λ), with 0 · ln 0 = 0."""
    rates = np.maximum(rates, PSEUDO_RATE)
    at = counts > 0
    # Of saturated rates λ = t exactly 0; a count of 0 costs 2λ.
    return 2 * float((counts[at] * np.log(counts[at] / rates[at]) - counts[at] + rates[at]).sum() + rates[~at].sum())


def _per_cell(counts: Array) -> Array:
    totals = counts.sum(axis=1, keepdims=True)
    return np.log1p(counts / np.where(totals > 0, totals, 1) * TARGET_SUM)


def _isotonic_mse(denoised: Floats, test: Matrix) -> float:
    from sklearn.isotonic import isotonic_regression

    n_obs, n_vars = test.shape
    step = -(-n_obs * n_vars // ISOTONIC_ENTRIES)
    rates = _rounded(denoised[::step]).ravel()
    part = test[::step]
    roots = np.sqrt(dense_part(part, slice(None), np.float64)).ravel()
    # Entries of one rate have one value: their mean, so many times.
    _, groups, sizes = np.unique(rates, return_inverse=True, return_counts=True)
    means = np.bincount(groups, roots) / sizes
    fitted = np.asarray(isotonic_regression(means, sample_weight=sizes))
    return float(np.square(fitted[groups] - roots).mean())


def _within_genes(denoised: Floats, train: Matrix, test: Matrix) -> tuple[float, float]:
    """Mean over genes of the correlation over the cells, of shares and of ranks."""
    totals = np.asarray(train.sum(axis=1), dtype=np.float64).ravel()
    cells = totals > 0
    totals = totals[cells][:, None]
    strata = np.array_split(np.argsort(totals[:, 0], kind="stable"), max(1, len(totals) // _STRATUM))
    by_column = test.tocsc() if hasattr(test, "tocsc") else test
    linear: list[Array] = []
    ranked: list[Array] = []
    for start in range(0, test.shape[1], _GENES):
        columns = slice(start, start + _GENES)
        counts = dense_part(by_column[:, columns], slice(None), np.float64)[cells]
        told = (counts > 0).sum(axis=0) >= _FEWEST_SEEN
        if not told.any():
            continue
        rates, wanted = _rounded(denoised[:, columns][cells][:, told]), counts[:, told]
        linear.append(_correlations(rates / totals, wanted / totals))
        ranked.append(_correlations(_ranks(rates, strata), _ranks(wanted, strata)))
    if not linear:
        return float("nan"), float("nan")
    return float(np.concatenate(linear).mean()), float(np.concatenate(ranked).mean())


def _rounded(values: Floats) -> npt.NDArray[np.float32]:
    """To a few millionths, so that what is equal but for rounding has one rank."""
    bits = np.ascontiguousarray(np.maximum(values, 0), dtype=np.float32).view(np.int32)
    return ((bits + 32) & ~np.int32(63)).view(np.float32)


def _ranks(values: Floats, strata: list[npt.NDArray[np.intp]]) -> Array:
    """Ranks of every column among the cells of each stratum, from their middle."""
    from scipy.stats import rankdata

    ranks = np.empty(values.shape)
    for cells in strata:
        ranks[cells] = rankdata(values[cells], axis=0) - (len(cells) + 1) / 2
    return ranks


def _correlations(one: Array, other: Array) -> Array:
    """(n_vars,) Pearson's correlation column by column, 0 where a column has one value."""
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    norms = np.linalg.norm(one, axis=0), np.linalg.norm(other, axis=0)
    flat = 1e-6 * np.sqrt(len(one)) * np.abs(one).max(axis=0, initial=0)  # rounding of equal values
    length = norms[0] * norms[1]
    products = np.einsum("ij,ij->j", one, other)
    return np.where((norms[0] > flat) & (length > 0), products / np.where(length > 0, length, 1), 0.0)

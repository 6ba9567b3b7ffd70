"""Baselines as a careful user makes them: settings are chosen on entries, or counts, held out of what is visible.

Every family yields its fits for all settings, so that neighbours, graphs and operators are found once for all of them;
the setting with the least loss at what was held out is then fitted to everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.evaluate.held_out_counts import PSEUDO_RATE
from scgnn2_engine.evaluate.imputers import (
    Floats32,
    gene_statistic,
    magic_steps,
    nearest_in_order,
    principal_components,
)
from scgnn2_engine.evaluate.thinning import thin

Fits = Iterator[tuple[Any, Floats32]]
Floats64 = npt.NDArray[np.float64]

SHARE_HELD_OUT = 0.1
K = (5, 10, 15, 30, 60, 100)
FILLED_BY: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "log": (lambda y: y, lambda y: y),
    "root": (lambda y: np.sqrt(np.expm1(y)), lambda root: np.log1p(np.square(root))),
    "mean": (np.expm1, np.log1p),
}
"""The scale on which the values of the neighbours are averaged, from ln(1 + x) and back."""

STEPS = (1, 2, 3, 4, 6, 8)
RANKS = (5, 10, 20, 40)
SHRINKAGE = (0.0, 0.02, 0.05, 0.1, 0.2)
"""Share of a neighbourhood's profile that is the profile of all cells."""


def knn_fills(y: Floats32, seed: int, only: Any = None) -> Fits:
    """Gaps filled with the mean of the k nearest cells that see the gene, by (k, scale of the mean)."""
    observed = y > 0
    means = gene_statistic(y, "mean")
    points = principal_components(np.where(observed, y, means), 20, seed=seed)
    for k, graph in nearest_in_order(points, K if only is None else (only[0],)):
        seen = graph @ observed.astype(np.float32)
        for scale in FILLED_BY if only is None else (only[1],):
            there, back = FILLED_BY[scale]
            mean = back((graph @ there(y)) / np.maximum(seen, 1))
            yield (k, scale), np.where(observed, y, np.where(seen > 0, mean, means)).astype(np.float32)


def magic_fills(y: Floats32, seed: int, only: Any = None) -> Fits:
    """MAGIC by its number of steps t."""
    for t, root in magic_steps(np.sqrt(np.expm1(y)), STEPS if only is None else (only,), seed=seed):
        yield t, np.log1p(np.square(root))


def knn_rates(counts: Floats32, seed: int, only: Any = None) -> Fits:
    """Counts pooled over a cell and its k nearest, as a profile times the cell's library, by (transform, k, share).

    The share is that of the profile of all cells (:data:`SHRINKAGE`); neighbours come from 30 principal components of
    the root or the logarithm of normalised counts.
    """
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    normalised = counts / totals * np.float32(np.median(totals))
    whole = counts.sum(axis=0, keepdims=True) / max(float(counts.sum()), 1)
    for transform in ("root", "log") if only is None else (only[0],):
        points = principal_components(
            np.sqrt(normalised) if transform == "root" else np.log1p(normalised), 30, seed=seed
        )
        for k, graph in nearest_in_order(points, K if only is None else (only[1],), include_self=True):
            pooled = np.asarray(graph @ counts)
            profile = pooled / np.maximum(pooled.sum(axis=1, keepdims=True), 1)
            for share in SHRINKAGE if only is None else (only[2],):
                yield (transform, k, share), ((1 - share) * profile + share * whole).astype(np.float32) * totals


def magic_rates(counts: Floats32, seed: int, only: Any = None) -> Fits:
    """MAGIC of the root of normalised counts, squared, by its number of steps t."""
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    middle = np.float32(np.median(totals))
    for t, root in magic_steps(np.sqrt(counts / totals * middle), STEPS if only is None else (only,), seed=seed):
        # A mean of roots, squared, is less than the mean: the cell's own library says by how much.
        squared = np.square(root)
        yield t, squared / np.maximum(squared.sum(axis=1, keepdims=True), 1e-12) * totals


def nmf_rates(counts: Floats32, seed: int, only: Any = None) -> Fits:
    """Poisson factor analysis (non-negative matrix factorisation, Kullback-Leibler loss) by its number of factors."""
    import warnings

    import scipy.sparse as sp
    from sklearn.decomposition import NMF

    for rank in RANKS if only is None else (only,):
        kept = min(rank, min(counts.shape))
        model = NMF(
            kept, init="nndsvda", solver="mu", beta_loss="kullback-leibler", max_iter=100, tol=1e-3, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that 100 steps are not the end of it
            weights = model.fit_transform(sp.csr_matrix(counts))
        yield rank, (weights @ model.components_).astype(np.float32)


FILLS: Mapping[str, Callable[..., Fits]] = {"knn_tuned": knn_fills, "magic_tuned": magic_fills}
"""Name to fits of ln(1 + library-normalised expression), 0 where nothing was seen."""

RATES: Mapping[str, Callable[..., Fits]] = {"knn_tuned": knn_rates, "magic_tuned": magic_rates, "nmf": nmf_rates}
"""Name to fits of counts: expected counts with the cells' own library sizes."""


def tuned_fill(name: str, y: Floats32, seed: int) -> tuple[Floats32, Any]:
    """The fit of :data:`FILLS` with the setting whose median error is least at a tenth of the observed entries.

    Returns
    -------
    (n_obs, n_vars) float32 and the setting.
    """
    rows, cols = np.nonzero(y)
    held_out = np.random.default_rng(seed).random(len(rows)) < SHARE_HELD_OUT
    at, without = (rows[held_out], cols[held_out]), y.copy()
    without[at] = 0

    def loss(fit: Floats32) -> float:
        return float(np.median(np.abs(fit[at] - y[at]))) if held_out.any() else 0.0

    return _best(FILLS[name], without, y, loss, seed)


def tuned_rates(name: str, counts: Floats32, seed: int) -> tuple[Floats32, Any]:
    """The fit of :data:`RATES` with the setting that is likeliest (Poisson) to a tenth of the counts, thinned.

    Returns
    -------
    (n_obs, n_vars) float32 and the setting.
    """
    train, test = thin(counts, SHARE_HELD_OUT, seed)
    ratio = float(np.sum(test)) / max(float(np.sum(train)), 1.0)

    def loss(fit: Floats32) -> float:
        rates = np.maximum(fit * ratio, PSEUDO_RATE)
        return float((rates - test * np.log(rates)).sum(dtype=np.float64))

    return _best(RATES[name], np.asarray(train, dtype=np.float32), counts, loss, seed)


def _best(
    fits: Callable[..., Fits], part: Floats32, whole: Floats32, loss: Callable[[Floats32], float], seed: int
) -> tuple[Floats32, Any]:
    losses: dict[Any, float] = {}
    for setting, fit in fits(part, seed):
        losses[setting] = loss(fit)
    chosen = min(losses, key=losses.__getitem__)
    return next(fits(whole, seed, chosen))[1], chosen

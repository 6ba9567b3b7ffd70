"""How small the error at hidden counts could become: the error of a fitted count model's own draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.evaluate.baselines import Visible
from scgnn2_engine.evaluate.imputers import FEW_COMPONENTS, gene_statistic, nearest, principal_components

NAN = float("nan")
_EXPRESSED = 1.0  # mean count from which a gene tells about the dispersion
_NEIGHBOURS = 5
_STEADY = 0.1  # quantile of the genes whose dispersion is taken for that of the measurement


def technical_dispersion(prepared: Prepared, *, seed: int = 0) -> float:
    """Dispersion φ of the measurement (variance μ + φμ²), from the steadiest tenth of the genes.

    Every count is compared with the mean of its cell's five nearest cells, brought to the cell's library size; what the
    squared differences exceed Poisson noise by gives every gene a φ. Where cells differ, that is in it too, so the
    first decile of the genes is taken: the lower edge of the mean-variance relation (Brennecke et al. 2013). Cells are
    divided by their library sizes whether the run did that or not: the noise is that of the data, not of the run.
    Hidden values are not read.

    Returns
    -------
    0 for pure Poisson noise, and low rather than high otherwise, so that the floor is one; NaN if the data is not
    counts or no gene has a mean count of 1.
    """
    if prepared.scale != "counts" or prepared.n_obs < 2:
        return NAN
    visible = Visible.of(prepared, held_out=False)
    filled = np.where(visible.y > 0, visible.y, gene_statistic(visible.y, "mean"))
    graph = nearest(principal_components(filled, FEW_COMPONENTS, seed=seed), _NEIGHBOURS, include_self=False)
    seen = np.ones(visible.y.shape, dtype=np.float32)
    for hidden in (prepared.hidden, prepared.validation):
        if hidden is not None:
            seen[hidden.rows, hidden.cols] = 0
    counts = np.expm1(visible.y)
    telling = np.flatnonzero(counts.mean(axis=0) >= _EXPRESSED)
    if not len(telling):
        return NAN
    factors = (prepared.size_factors * visible.ratio)[:, None]
    counts, seen = counts[:, telling], seen[:, telling]
    n_seen = graph @ seen
    usable = (n_seen > 0) & (seen > 0)
    n_seen = np.maximum(n_seen, 1)
    rate = (graph @ counts) / n_seen * factors  # of hidden entries the count is 0, as in y
    counts *= factors
    # The mean of k counts brings noise of its own: a k-th of theirs.
    excess = np.where(usable, np.square(counts - rate) - counts - rate * factors / n_seen, 0)
    squares = np.where(usable, np.square(rate) * (1 + 1 / n_seen), 0)
    dispersion = excess.sum(axis=0, dtype=np.float64) / np.maximum(squares.sum(axis=0, dtype=np.float64), 1e-300)
    return max(0.0, float(np.quantile(dispersion, _STEADY)))


def noise_floor(logged_rates: npt.NDArray[Any], dispersion: float, *, seed: int = 0) -> float:
    """Median error at hidden counts that is left if these were their true rates.

    Parameters
    ----------
    logged_rates
        (n,) ln(1 + expected count) of the entries, from the best imputation at hand.
    dispersion
        Of a negative binomial, see :func:`technical_dispersion`; 0 draws from Poisson.
    seed
        Of the draws.

    Returns
    -------
    Median absolute difference on ln(1 + x) between the rates and counts drawn at them, given that those are not zero
    (only non-zero entries are hidden). An estimate: a method that knew the true rates would still make about this
    error. NaN without entries, or without a dispersion.

    Examples
    --------
    >>> noise_floor(np.full(500, np.log(1e6)), 0.0) < 0.001 < noise_floor(np.full(500, np.log(1e6)), 0.1)
    True
    """
    if not len(logged_rates) or not np.isfinite(dispersion):
        return NAN
    logged = logged_rates.astype(np.float64)
    rate = np.expm1(np.maximum(logged, 0))
    draws = _non_zero_draws(np.maximum(rate, 1e-6), dispersion, np.random.default_rng(seed))
    return float(np.median(np.abs(np.log1p(draws) - logged)))


def _non_zero_draws(
    rate: npt.NDArray[np.float64], dispersion: float, generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Counts of these rates, each drawn again until it is not zero; after 50 times, when the rate is tiny, it is 1."""
    draws = np.zeros(len(rate))
    waiting = np.arange(len(rate))
    for _ in range(50):
        mean = rate[waiting]
        if dispersion > 0:
            mean = generator.gamma(1 / dispersion, mean * dispersion)
        draws[waiting] = generator.poisson(mean)
        waiting = waiting[draws[waiting] == 0]
        if not len(waiting):
            break
    draws[waiting] = 1
    return draws

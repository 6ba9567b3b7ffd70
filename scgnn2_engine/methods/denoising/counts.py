"""What a rate says about the counts: the expected count given what was seen, and what of a zero to keep."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates
from scipy.special import gammaln

from scgnn2_engine.data.dataset import Floats

LIKELY_ZERO = 0.5
"""A zero that is more likely than this, given the rate, is kept."""

DISPERSIONS: npt.NDArray[np.float64] = np.geomspace(0.1, 1000, 25)
"""What :func:`gene_dispersions` chooses from: 0.1 is a gene that is off in most cells, 1000 is like Poisson's."""

DISPERSION_CELLS = 2000
"""Cells that are enough to tell the dispersion of a gene."""

_RATES_PER_E = 16  # how densely E √X is tabulated over ln rate and ln θ; in between it is interpolated
_THETAS_PER_E = 10
_ROWS = 500  # cells that are looked up at once: the places in the table take twice the memory of the answer
_SMALLEST = 1e-6
_POISSON = 1e6  # a dispersion beyond which no count here can be told from Poisson's
_ROUNDS = 50  # of the mixture's expectation and maximisation


def gene_dispersions(rate: Floats, counts: Floats) -> npt.NDArray[np.float64]:
    """How much the counts of each gene vary about their rates, by empirical Bayes.

    A gene that is on in some of the cells of a kind and off in others, or whose rate the network tells badly, varies
    more than one that every cell needs: one dispersion for all takes a zero of the first for a miss, and one of the
    second for a fact. Where a gene has little to say, the other genes decide.

    Parameters
    ----------
    rate
        (n, g) expected counts, positive.
    counts
        (n, g) what was seen. Of more than 2000 cells that many are taken, evenly spaced.

    Returns
    -------
    (g,) float64
        Of :data:`DISPERSIONS`, the likeliest θ of the negative binomial distribution (variance rate + rate² / θ) given
        the gene's counts and, as the prior, how θ is distributed over all genes (a mixture fitted by expectation and
        maximisation).

    Examples
    --------
    >>> draw, rate = np.random.default_rng(0), np.full((2000, 2), 3.0)
    >>> counts = np.stack([draw.poisson(3.0, 2000), draw.negative_binomial(1, 0.25, 2000)], axis=1)
    >>> [round(float(theta), 1) for theta in gene_dispersions(rate, counts)]
    [1000.0, 1.0]
    """
    some = dispersion_cells(len(rate))
    rate, counts = rate[some], counts[some]
    rate = np.maximum(rate, _SMALLEST)  # a rate of 0 makes a count impossible, and its gene would speak for all
    rows, cols = np.nonzero(counts)
    seen = np.asarray(counts[rows, cols], dtype=np.float64)
    log_rate_of_seen = np.log(np.asarray(rate[rows, cols], dtype=np.float64))
    n_genes = rate.shape[1]
    likelihood = np.empty((n_genes, len(DISPERSIONS)))
    for place, theta in enumerate(DISPERSIONS):
        log_ratio = np.log1p(rate / theta)
        at_seen = gammaln(seen + theta) - gammaln(theta) + seen * (log_rate_of_seen - np.log(theta))
        at_seen -= seen * log_ratio[rows, cols]
        likelihood[:, place] = np.bincount(cols, at_seen, n_genes) - theta * log_ratio.sum(axis=0, dtype=np.float64)
    likelihood -= likelihood.max(axis=1, keepdims=True)
    weights = np.exp(likelihood)
    prior = np.full(len(DISPERSIONS), 1 / len(DISPERSIONS))
    for _ in range(_ROUNDS):
        shares = weights * prior
        prior = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
    return np.asarray(DISPERSIONS[(weights * prior).argmax(axis=1)])


def dispersion_cells(n_obs: int) -> slice | npt.NDArray[np.int64]:
    """The cells from which dispersions are told: all, or 2000 that are evenly spaced."""
    return slice(None) if n_obs <= DISPERSION_CELLS else np.linspace(0, n_obs - 1, DISPERSION_CELLS).astype(np.int64)


def posterior_rate(rate: Floats, counts: Floats, dispersion: float | Floats) -> npt.NDArray[np.float32]:
    """Expected count of an entry, given the rate of its gene in such cells and the count that was seen.

    Parameters
    ----------
    rate
        (n, g) expected counts, positive.
    counts
        (n, g) what was seen.
    dispersion
        θ of the negative binomial distribution, of all genes or of each (g,): the true rates of such cells vary like a
        gamma distribution of mean ``rate`` and shape θ. One number 0 stands for Poisson counts, whose rate the network
        knows: it is returned as it is.

    Returns
    -------
    (n, g) float32
        rate · (counts + θ) / (rate + θ), the mean of the posterior (gamma prior, Poisson counts).

    Examples
    --------
    >>> posterior_rate(np.array([[2.0]]), np.array([[8.0]]), 10.0).tolist()
    [[3.0]]
    """
    if np.ndim(dispersion) == 0 and dispersion == 0:
        return np.asarray(rate, np.float32)
    theta = np.asarray(dispersion, np.float32)
    return np.asarray(rate * ((counts + theta) / (rate + theta)), np.float32)


def root_expectation(rate: Floats, dispersion: float | Floats) -> npt.NDArray[np.float32]:
    """(E √X)² of negative binomial counts X with the given rates.

    Between 0 and the rate; far below it where a count is mostly 0. It is what smoothing on the square-root scale (as
    MAGIC is mostly used) aims at, and the better guess where errors are measured on a logarithmic scale.

    Parameters
    ----------
    rate
        (n, g) expected counts.
    dispersion
        θ, see :func:`posterior_rate`: of all counts, of each gene (g,), or of every count (n, g). Where a count c was
        seen already, what another look at the cell would count has the mean :func:`posterior_rate` and θ + c.

    Returns
    -------
    (n, g) float32
        To within a thousandth.

    Examples
    --------
    >>> [round(float(value), 2) for value in root_expectation(np.array([[0.1, 1.0, 100.0]]), 0.0)[0]]
    [0.01, 0.6, 99.75]
    """
    theta = np.asarray(dispersion)
    if theta.ndim == 0 and theta == 0:
        theta = np.asarray(_POISSON)
    most, least = float(np.max(rate, initial=1.0)), float(theta.min(initial=_POISSON))
    # Nodes stand at fixed places, so that a row's answer does not depend on the rows it is asked with.
    ends = (_node(_SMALLEST, _RATES_PER_E), _node(most, _RATES_PER_E) + 1)
    theta_ends = (_node(least, _THETAS_PER_E), _node(float(theta.max(initial=least)), _THETAS_PER_E) + 1)
    table = _log_roots(_widened(ends, _RATES_PER_E), _widened(theta_ends, _THETAS_PER_E))
    first_rate, first_theta = (_widened(*at)[0] for at in ((ends, _RATES_PER_E), (theta_ends, _THETAS_PER_E)))
    expected = np.empty(rate.shape, np.float32)
    by_rows = theta.ndim == 2
    for start in range(0, len(rate), _ROWS):
        rows = slice(start, start + _ROWS)
        across = np.log(np.maximum(rate[rows], _SMALLEST), dtype=np.float64) * _RATES_PER_E - first_rate
        down = np.log(theta[rows] if by_rows else theta, dtype=np.float64) * _THETAS_PER_E - first_theta
        down = np.broadcast_to(down, across.shape)
        log_root = map_coordinates(table, [down, across], order=1, mode="nearest")
        expected[rows] = np.exp(2 * log_root)
    return expected


def _node(value: float, per_e: int) -> int:
    return int(np.floor(np.log(value) * per_e))


def _widened(ends: tuple[int, int], per_e: int) -> tuple[int, int]:
    """The ends moved out to whole factors of e², so that few tables serve all blocks."""
    step = 2 * per_e
    return ends[0] // step * step, -(-ends[1] // step) * step


@lru_cache(maxsize=8)
def _log_roots(rates: tuple[int, int], thetas: tuple[int, int]) -> npt.NDArray[np.float64]:
    """(n_thetas, n_rates) ln E √X at the nodes."""
    rate, theta = (
        np.exp(np.arange(a, b + 1) / per_e) for (a, b), per_e in ((rates, _RATES_PER_E), (thetas, _THETAS_PER_E))
    )
    return np.asarray(np.log(_root(rate, theta[:, None])))


def _root(mean: npt.NDArray[np.float64], theta: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """E √X, from √x = ∫ (1 - exp(-tx)) t^(-3/2) dt / (2 √π) and the generating function of the counts.

    As a function of ln t the integrand is smooth and falls off on both sides, so that the trapezoidal rule is exact to
    some seven digits.
    """
    total = np.zeros(np.broadcast_shapes(mean.shape, theta.shape))
    step = 0.5
    for log_t in np.arange(-30 - np.log(max(float(mean.max()), 1.0)), 30, step):
        at_least_one = -np.expm1(-theta * np.log1p(mean / theta * -np.expm1(-np.exp(log_t))))
        total += at_least_one * np.exp(-log_t / 2)
    return np.asarray(total * step / (2 * np.sqrt(np.pi)))


def zero_is_likely(rate: Floats, dispersion: float | Floats) -> npt.NDArray[np.bool_]:
    """(n, g) where a count of such a rate is 0 more often than not.

    Examples
    --------
    >>> zero_is_likely(np.array([[0.5, 1.0]]), 0.0).tolist()
    [[True, False]]
    """
    if np.ndim(dispersion) == 0 and dispersion == 0:
        return np.asarray(np.exp(-rate) > LIKELY_ZERO)
    theta = np.asarray(dispersion, np.float32)
    return np.asarray(-theta * np.log1p(rate / theta) > np.log(LIKELY_ZERO))

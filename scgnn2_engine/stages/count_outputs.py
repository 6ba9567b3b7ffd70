"""What a rate says about the counts: the expected count given what was seen, and what of a zero to keep."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from scgnn2_engine.types import Floats

LIKELY_ZERO = 0.5
"""A zero that is more likely than this, given the rate, is kept."""

_GRID = 400  # rates at which E √X is computed; between them it is interpolated, to within 1e-3 of itself
_SMALLEST = 1e-6
_POISSON = 1e6  # a dispersion beyond which no count here can be told from Poisson's


def posterior_rate(rate: Floats, counts: Floats, dispersion: float) -> npt.NDArray[np.float32]:
    """Expected count of an entry, given the rate of its gene in such cells and the count that was seen.

    Parameters
    ----------
    rate
        (n, g) expected counts, positive.
    counts
        (n, g) what was seen.
    dispersion
        θ of the negative binomial distribution: the true rates of such cells vary like a gamma distribution of mean
        ``rate`` and shape θ. 0 stands for Poisson counts, whose rate the network knows: it is returned as it is.

    Returns
    -------
    (n, g) float32
        rate · (counts + θ) / (rate + θ), the mean of the posterior (gamma prior, Poisson counts).

    Examples
    --------
    >>> posterior_rate(np.array([[2.0]]), np.array([[8.0]]), 10.0).tolist()
    [[3.0]]
    """
    if dispersion == 0:
        return np.asarray(rate, np.float32)
    return np.asarray(rate * ((counts + dispersion) / (rate + dispersion)), np.float32)


def root_expectation(rate: Floats, dispersion: float) -> npt.NDArray[np.float32]:
    """(E √X)² of negative binomial counts X with the given rates.

    Between 0 and the rate; far below it where a count is mostly 0. It is what smoothing on the square-root scale (as
    MAGIC is mostly used) aims at, and the better guess where errors are measured on a logarithmic scale.

    Parameters
    ----------
    rate
        (n, g) expected counts.
    dispersion
        θ, see :func:`posterior_rate`.

    Returns
    -------
    (n, g) float32

    Examples
    --------
    >>> [round(float(value), 2) for value in root_expectation(np.array([0.1, 1.0, 100.0]), 0.0)]
    [0.01, 0.6, 99.76]
    """
    theta = dispersion or _POISSON
    grid = np.exp(np.linspace(np.log(_SMALLEST), np.log(max(float(np.max(rate, initial=1.0)), 1.0) * 1.01), _GRID))
    roots = np.array([_root(mean, theta) for mean in grid])
    places = np.log(np.maximum(rate, _SMALLEST))
    expected: npt.NDArray[np.float32] = np.square(np.interp(places, np.log(grid), roots)).astype(np.float32)
    return expected


def _root(mean: float, theta: float) -> float:
    """E √X: the sum of its terms, or where those would be many its expansion about the mean."""
    variance = mean + mean * mean / theta
    last = mean + 12 * np.sqrt(variance) + 30
    if last > 20_000:
        return float(np.sqrt(mean) * (1 - variance / (8 * mean * mean)))
    k = np.arange(int(last) + 1)
    ways = gammaln(k + theta) - gammaln(theta) - gammaln(k + 1)
    log_p = ways - theta * np.log1p(mean / theta) + k * (np.log(mean) - np.log(mean + theta))
    return float(np.sqrt(k) @ np.exp(log_p))


def zero_is_likely(rate: Floats, dispersion: float) -> npt.NDArray[np.bool_]:
    """(n, g) where a count of such a rate is 0 more often than not.

    Examples
    --------
    >>> zero_is_likely(np.array([[0.5, 1.0]]), 0.0).tolist()
    [[True, False]]
    """
    if dispersion == 0:
        return np.asarray(np.exp(-rate) > LIKELY_ZERO)
    return np.asarray(-dispersion * np.log1p(rate / dispersion) > np.log(LIKELY_ZERO))

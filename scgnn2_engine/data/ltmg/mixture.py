"""Many left-censored Gaussian mixtures at once, one per gene, by expectation maximisation.

All genes of a batch are rows of one padded matrix. The width a gene is padded to depends on that gene alone
(:func:`padded_width`) and every sum runs along one row, so a gene's result does not depend on its batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Array = npt.NDArray[np.float64]

MAX_ITERATIONS = 100  # part of the definition: most fits have not converged by then
TOLERANCE = 1e-10
ROOT_TWO_PI = 2.5066282746310002
DENSITY_EDGE = 38.57  # beyond these R's dnorm and pnorm are exactly 0
TAIL_EDGE = -37.5193


@dataclass(frozen=True)
class Batch:
    """Genes padded to one width.

    Attributes
    ----------
    x
        (n_genes, width) ln(expression) of the kept cells, then padding.
    n_kept, n_censored
        (n_genes,) cells above and below the cut.
    cut
        (n_genes,) the cut, on the scale of ``x``.
    """

    x: Array
    n_kept: npt.NDArray[np.int64]
    n_censored: npt.NDArray[np.int64]
    cut: Array

    def blocker(self) -> Array:
        """(n_genes, width): 0 at values, infinity at padding, to be added to denominators."""
        return np.where(np.arange(self.x.shape[1]) < self.n_kept[:, None], 0.0, np.inf)

    def take(self, rows: npt.NDArray[np.intp]) -> Batch:
        """Some of its genes."""
        return Batch(self.x[rows], self.n_kept[rows], self.n_censored[rows], self.cut[rows])


@dataclass(frozen=True)
class Mixtures:
    """One fitted mixture per gene; a component with NaN mean is not there.

    Attributes
    ----------
    shares, means, deviations
        (n_components, n_genes) p, mu and sigma.
    bic
        (n_genes,) the Bayesian information criterion, infinite where the fit is rejected.
    """

    shares: Array
    means: Array
    deviations: Array
    bic: Array

    @property
    def n_components(self) -> npt.NDArray[np.int64]:
        """(n_genes,) components that are there."""
        return np.asarray(np.count_nonzero(~np.isnan(self.means), axis=0), dtype=np.int64)

    def take(self, rows: npt.NDArray[np.intp]) -> Mixtures:
        """The mixtures of some of the genes."""
        return Mixtures(self.shares[:, rows], self.means[:, rows], self.deviations[:, rows], self.bic[rows])


def padded_width(n: int) -> int:
    """Width that a gene with ``n`` kept cells is padded to: at most 1/16 more, and at least a multiple of 8.

    Examples
    --------
    >>> padded_width(3), padded_width(124), padded_width(7001)
    (8, 128, 7168)
    """
    step = max(8, 1 << max(0, n.bit_length() - 5))
    return -(-n // step) * step


def fit(batch: Batch, n_components: int) -> Mixtures:
    """Fit mixtures of ``n_components`` Gaussians to every gene of a batch.

    Genes without more values than components are rejected, and fits that break down, gene by gene.
    """
    with np.errstate(all="ignore"):  # 0/0 and inf * 0 are the method's way of rejecting a fit
        shares, means, deviations = _start(batch, n_components)
        shares, means, deviations = _iterate(batch, shares, means, deviations)
        fitted = Mixtures(shares, means, deviations, np.empty(len(batch.x)))
        return Mixtures(shares, means, deviations, _bic(batch, fitted))


def component_ranks(batch: Batch, fitted: Mixtures) -> npt.NDArray[np.uint8]:
    """(n_genes, width) rank of every value's most probable component by ascending mean, the first on ties."""
    order = np.argsort(fitted.means, axis=0, kind="stable")  # NaN last
    sorted_fit = [np.take_along_axis(part, order, axis=0) for part in (fitted.shares, fitted.means, fitted.deviations)]
    best = np.full(batch.x.shape, -np.inf)
    found = np.zeros(batch.x.shape, dtype=np.uint8)
    with np.errstate(all="ignore"):
        for rank, (p, mu, sigma) in enumerate(zip(*sorted_fit, strict=True)):
            density = _weighted_density(batch.x, p, mu, sigma)
            better = density > best  # False for NaN: an absent component wins nothing
            np.copyto(best, density, where=better)
            found[better] = rank
    return found


def _start(batch: Batch, n_components: int) -> tuple[Array, Array, Array]:
    rows = np.arange(len(batch.x))
    ordered = np.where(np.isinf(batch.blocker()), np.inf, batch.x)
    ordered.sort(axis=1)
    steps = np.arange(1, n_components + 1)[:, None]
    means = ordered[rows, steps * batch.n_kept // (n_components + 1) - 1]
    means[0] = ordered[:, 0] - 1.0
    means[-1] = ordered[rows, batch.n_kept - 1] + 1.0
    inside = np.isfinite(ordered)
    centre = np.where(inside, ordered, 0.0).sum(axis=1) / batch.n_kept
    spread = np.where(inside, ordered - centre[:, None], 0.0)
    deviation = np.sqrt(np.einsum("gw,gw->g", spread, spread) / (batch.n_kept - 1))
    return (
        np.full(means.shape, 1.0 / n_components),
        np.ascontiguousarray(means),
        np.tile(deviation, (n_components, 1)),
    )


def _iterate(batch: Batch, shares: Array, means: Array, deviations: Array) -> tuple[Array, Array, Array]:
    results = (shares.copy(), means.copy(), deviations.copy())
    current = (shares, means, deviations)
    running = np.arange(len(batch.x))
    x, blocker = batch.x, batch.blocker()
    work = np.empty((len(shares) + 2, *x.shape))
    for _ in range(MAX_ITERATIONS):
        updated = _step(x, blocker, batch.n_kept[running], batch.n_censored[running], batch.cut[running], current, work)
        change = np.stack([np.abs(new - old).mean(axis=0) for new, old in zip(updated, current, strict=True)])
        finished = (change <= TOLERANCE).all(axis=0) | np.isnan(updated[2]).any(axis=0)
        for result, new in zip(results, updated, strict=True):
            result[:, running] = new
        if finished.all():
            break
        current = updated
        if finished.any():
            going = ~finished
            running, x, blocker = running[going], x[going], blocker[going]
            current = tuple(np.ascontiguousarray(part[:, going]) for part in updated)  # type: ignore[assignment]
            work = work.reshape(-1)[: (len(shares) + 2) * x.size].reshape(len(shares) + 2, *x.shape)
    return results


def _step(
    x: Array,
    blocker: Array,
    n_kept: npt.NDArray[np.int64],
    n_censored: npt.NDArray[np.int64],
    cut: Array,
    current: tuple[Array, Array, Array],
    work: Array,
) -> tuple[Array, Array, Array]:
    """One update of all components, every right-hand value old; ``work`` is (n_components + 2, n_genes, width)."""
    shares, means, deviations = current
    densities, total, scratch = work[:-2], work[-2], work[-1]
    np.copyto(total, blocker)
    for j, density in enumerate(densities):
        _weighted_density(x, shares[j], means[j], deviations[j], out=density)
        total += density
    np.divide(1.0, total, out=total)  # 0 at padding

    censored, hazard, t = _censored_part(shares, means, deviations, n_censored, cut)
    mass, centre, square = (np.empty(shares.shape) for _ in range(3))
    for j, density in enumerate(densities):
        density *= total  # responsibilities
        density.sum(axis=1, out=mass[j])
        np.einsum("gw,gw->g", density, x, out=centre[j])
        np.subtract(x, means[j][:, None], out=scratch)
        scratch *= scratch
        np.einsum("gw,gw->g", density, scratch, out=square[j])
    mass += censored
    new_means = (centre + (means - deviations * hazard) * censored) / mass
    new_variances = (square + deviations**2 * (1.0 - t * hazard) * censored) / mass
    return mass / (n_kept + n_censored), new_means, np.sqrt(new_variances)


def _weighted_density(x: Array, share: Array, mean: Array, deviation: Array, out: Array | None = None) -> Array:
    """The weighted density p N(x; mu, sigma), (n_genes, width). Linear: it underflows to 0 far away."""
    density = np.subtract(x, mean[:, None], out=out)
    density *= density
    density *= (-0.5 / deviation**2)[:, None]
    np.exp(density, out=density)
    density *= (share / (deviation * ROOT_TWO_PI))[:, None]
    for gene in np.flatnonzero(deviation == 0):  # a component that fell on one value
        density[gene] = np.where(x[gene] == mean[gene], np.inf, 0.0)
    return density


def _censored_part(
    shares: Array, means: Array, deviations: Array, n_censored: npt.NDArray[np.int64], cut: Array
) -> tuple[Array, Array, Array]:
    """Censored cells per component g, phi(t)/Phi(t) and t, each (n_components, n_genes)."""
    t = (cut - means) / deviations
    density = np.where(np.abs(t) > DENSITY_EDGE, 0.0, np.exp(-0.5 * t * t) / ROOT_TWO_PI)
    below = np.where(t < TAIL_EDGE, 0.0, ndtr(t))
    hazard = np.where((density == 0) & (below == 0), 0.0, density / below)
    weighted = shares * below
    return n_censored * weighted / weighted.sum(axis=0), hazard, t


def _bic(batch: Batch, fitted: Mixtures) -> Array:
    total = np.zeros(batch.x.shape)
    for p, mu, sigma in zip(fitted.shares, fitted.means, fitted.deviations, strict=True):
        present = ~np.isnan(mu)
        density = _weighted_density(batch.x, p, mu, sigma)
        density[~present] = 0.0
        total += density
    total[np.isinf(batch.blocker())] = 1.0  # ln 1 = 0: padding adds nothing
    likelihood = np.log(total).sum(axis=1)
    n_cells = batch.n_kept + batch.n_censored
    bic = (3 * fitted.n_components - 1) * np.log(n_cells) - 2.0 * likelihood
    accepted = np.isfinite(bic) & (fitted.n_components > 0) & (batch.n_kept > len(fitted.means))
    return np.where(accepted, bic, np.inf)

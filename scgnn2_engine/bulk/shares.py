"""Shares of the clusters in bulk samples: a robust fit on the log scale that knows how well every profile is measured.

Both sides are put into parts per million (ppm) of the genes they share: each cell over its own total, then the mean
over a cluster, P (g, k); each bulk sample over its total, b (g,). Per gene g and cluster k, with shares w:

    ln(b_g + c) = α + ln(Σ_k w_k P_gk + c) + e_g,   w ≥ 0,   Σ_k w_k = 1,   Var e_g = τ² + s_g²
    s_g² = Σ_k w_k² V_gk / (Σ_k w_k P_gk + c)²

V_gk is the sampling variance of P_gk, from the spread of the cluster's cells; τ is what remains: the factor, different
for every gene, by which two platforms see the same RNA differently. It solves median(1.4826 |e| / √(τ² + s²)) = 1. The
loss is Huber's, the solver Gauss-Newton with an exact non-negative least squares problem (k unknowns) in every step.
P is itself measured, and regression on noisy columns draws every mixture to the middle; what the noise adds to the
normal equations is therefore taken out again (errors in variables), unless bulk and cells share the noise, as in
pseudo-bulk made of the same cells: then the residuals are smaller than s, and nothing is taken out.

Sources: errors-in-variables regression, Fuller, Measurement Error Models (1987); bounded loss, Huber, Ann. Math.
Statist. 35 (1964); non-negative least squares, Lawson & Hanson, Solving Least Squares Problems (1974); weighting genes
by their variance over cells, MuSiC, Wang et al., Nat. Commun. 10 (2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from scgnn2_engine.bulk.cluster_profiles import F64, PPM, ClusterProfiles
from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.errors import InputError

HUBER_BOUND = 3.0
"""Residuals beyond this many standard deviations count linearly: genes one platform does not see at all."""

SMALLEST_SIGNAL = 3.0
"""Standard errors that a gene's mean over the clusters must reach: below, its logarithm is noise."""

STEP = 0.5
"""Share of every Gauss-Newton step but the first: full steps can swing between two solutions."""

SHORTER_AFTER, MOST_STEPS = 50, 200
"""Steps from which they get shorter (like 1 / number), which ends the rare swing; most fits end before."""

TOLERANCE = 1e-7
"""Change of the shares at which the fit ends; it takes 20 to 40 steps."""

LEAST_TAU2, MOST_TAU2 = 1e-6, 25.0
"""Bounds of τ²: with 0 a noiseless fit would divide by 0; τ = 5 is a factor of 150, no relation at all."""

CORRECTED_FROM, CORRECTED_FULLY = 0.5, 0.9
"""(residual / sampling error)² from which the noise of the profiles is taken out, in part and then fully: independent
bulk has 1 or more, pseudo-bulk of the same cells well below a half."""

MOST_CORRECTION = 0.8
"""Largest share of the normal equations, in any direction, that may be called noise: what is left stays positive."""

RIDGE, RANK = 1e-9, 1e-12
"""Pull towards the present iterate, relative to the normal equations: clusters with equal profiles keep equal shares,
and no solution moves. Directions flatter than the second carry no correction: it would only tear such clusters apart.
"""

LEAST_SHARE = 1e-6
"""Smaller shares are 0: no data could tell them from it."""

UNLIKE_FACTOR = 1.25
"""A sample whose residual is larger than the best sample's by this factor holds something no cluster shows. The level
itself depends on the two platforms, so samples are only compared with each other."""

GOOD_RESIDUAL_SD = 0.2
"""Below a factor of e^0.2 per gene every fit is good, and which is the best of them says nothing."""


@dataclass(frozen=True)
class Shares:
    """What the clusters contribute to one bulk sample.

    Attributes
    ----------
    weights
        (k,) shares of the RNA, ≥ 0, adding up to 1.
    residual_sd
        τ, standard deviation of the natural log of what the fit leaves unexplained beyond sampling error.
    explained
        0 to 1: how much of the even mixture's loss the fit removes.
    n_genes, n_steps
        Genes the fit rests on, and steps it took.
    """

    weights: F64
    residual_sd: float
    explained: float
    n_genes: int
    n_steps: int


@dataclass(frozen=True)
class SampleShares:
    """What the clusters contribute to every bulk sample.

    Attributes
    ----------
    clusters
        (k,) the clusters, ascending; columns of the two next.
    weights
        (n_samples, k) shares of the RNA, rows adding up to 1.
    cell_shares
        (n_samples, k) shares of the cells: RNA shares over the clusters' mean library size, rows adding up to 1.
    residual_sd, explained, n_genes
        (n_samples,) see :class:`Shares`.
    """

    clusters: npt.NDArray[np.generic]
    weights: F64
    cell_shares: F64
    residual_sd: F64
    explained: F64
    n_genes: npt.NDArray[np.int64]

    @classmethod
    def of(cls, fits: Sequence[Shares], profiles: ClusterProfiles) -> SampleShares:
        """Collect the fits of single samples, at least one."""
        rna = np.stack([fit.weights for fit in fits])
        sizes = profiles.library_sizes
        cells = np.divide(rna, sizes, out=np.zeros_like(rna), where=sizes > 0)
        return cls(
            profiles.clusters,
            rna,
            cells / cells.sum(axis=1, keepdims=True),
            np.array([fit.residual_sd for fit in fits]),
            np.array([fit.explained for fit in fits]),
            np.array([fit.n_genes for fit in fits], dtype=np.int64),
        )

    @property
    def unlike(self) -> npt.NDArray[np.bool_]:
        """(n_samples,) true where a sample fits clearly worse than the best one, so holds what no cluster shows.

        Never true of a single sample: there is nothing to compare it with.
        """
        best = max(float(self.residual_sd.min()), GOOD_RESIDUAL_SD)
        return self.residual_sd > UNLIKE_FACTOR * best


def bulk_shares(bulk: Floats, profiles: ClusterProfiles) -> SampleShares:
    """Shares of the clusters in every bulk sample.

    Parameters
    ----------
    bulk
        (n_samples, g) non-negative and not logged, on any scale (counts, TPM), genes as in ``profiles``.
    profiles
        The clusters' profiles, of :func:`cluster_profiles`.

    Returns
    -------
    SampleShares

    Raises
    ------
    InputError
        As :func:`shares`, or there is no sample.

    Examples
    --------
    >>> import numpy as np
    >>> from scgnn2_engine.bulk.cluster_profiles import cluster_profiles
    >>> cells = np.array([[6.0, 2.0, 0.0], [6.0, 2.0, 0.0], [0.0, 4.0, 12.0], [0.0, 4.0, 12.0]])
    >>> found = bulk_shares(np.array([[75.0, 25.0, 0.0], [3.0, 2.0, 3.0]]), cluster_profiles(cells, np.arange(4) // 2))
    >>> found.weights.round(3), found.cell_shares.round(3), found.unlike
    (array([[1. , 0. ], [0.5, 0.5]]), array([[1. , 0. ], [0.667, 0.333]]), array([False, False]))
    """
    samples = np.asarray(bulk)
    if samples.ndim != 2 or len(samples) == 0:
        raise InputError(
            "The bulk data has no samples to find shares in.",
            expected="shape (n_samples, n_genes), at least one sample",
            found=f"shape {samples.shape}",
        )
    return SampleShares.of([shares(sample, profiles) for sample in samples], profiles)


def shares(bulk: Floats, profiles: ClusterProfiles) -> Shares:
    """Shares of the clusters in one bulk sample; the model stands at the top of this module.

    Genes whose mean over the clusters is under three standard errors are left out; where fewer genes than clusters
    would remain, all genes that any cell shows are used. A cluster whose cells show none of the genes gets share 0.
    Deterministic: the fit starts from the even mixture.

    Parameters
    ----------
    bulk
        (g,) non-negative and not logged, genes as in ``profiles``.
    profiles
        The clusters' profiles.

    Returns
    -------
    Shares

    Raises
    ------
    InputError
        The sample does not fit the profiles, holds values that are no expression, is 0 everywhere, or the cells show
        fewer genes than there are clusters.

    Examples
    --------
    >>> import numpy as np
    >>> from scgnn2_engine.bulk.cluster_profiles import cluster_profiles
    >>> cells = np.array([[60.0, 20.0, 0.0, 20.0], [0.0, 30.0, 60.0, 10.0]])
    >>> fit = shares(np.array([18.0, 27.0, 42.0, 13.0]), cluster_profiles(cells, np.array([0, 1])))
    >>> fit.weights.round(4), fit.n_genes
    (array([0.3, 0.7]), 4)
    """
    sample = _checked(np.asarray(bulk, dtype=np.float64), profiles)
    live = profiles.depths > 0
    used = _used_genes(profiles, live)
    target = np.log(sample[used] / sample.sum() * PPM + profiles.offset)
    profile = profiles.means[np.ix_(used, live)] + profiles.offset
    variance = profiles.variances[np.ix_(used, live)]
    scaled, n_steps = _fit(target, profile, variance)

    residual, sampling = _residuals(target, profile, variance, scaled)
    tau2, total, _ = _spread(residual, sampling)
    loss, even = (_huber_loss(rest, total) for rest in (residual, target - np.log(profile.mean(axis=1))))
    weights = np.zeros(len(live))
    weights[live] = scaled / scaled.sum()
    weights[weights < LEAST_SHARE] = 0
    return Shares(
        weights / weights.sum(),
        float(np.sqrt(tau2)),
        float(np.clip(1 - loss / even, 0, 1)) if even > 0 else 0.0,
        len(used),
        n_steps,
    )


def _checked(sample: F64, profiles: ClusterProfiles) -> F64:
    if sample.shape != (len(profiles.means),):
        raise InputError(
            "The bulk sample does not fit the cluster profiles.",
            expected=f"shape {(len(profiles.means),)}, one value per gene of the profiles",
            found=f"shape {sample.shape}",
        )
    bad = np.flatnonzero(~(np.isfinite(sample) & (sample >= 0)))
    if len(bad) or not sample.any():
        raise InputError(
            "The bulk sample holds values that are no expression."
            if len(bad)
            else "The bulk sample is 0 on every gene it shares with the cells.",
            expected="finite values >= 0, not logged and not scaled, some above 0",
            found=f"{sample[bad[0]]:g} at gene {bad[0]}" if len(bad) else f"{len(sample)} zeros",
            advice="Give the sample's counts, TPM or FPKM as they are, or leave the sample out.",
        )
    return sample


def _used_genes(profiles: ClusterProfiles, live: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    n_clusters = int(live.sum())
    level = profiles.means[:, live].mean(axis=1)
    error = np.sqrt(profiles.variances[:, live].sum(axis=1)) / n_clusters
    seen = np.flatnonzero(level > 0)
    sure = seen[level[seen] >= SMALLEST_SIGNAL * error[seen]]
    if len(seen) < n_clusters:
        raise InputError(
            "The cells show too few of the bulk's genes to tell the clusters apart.",
            expected=f"at least {n_clusters} genes, one per cluster",
            found=str(len(seen)),
            advice="Give bulk data that shares more genes with the single cells, or use fewer clusters.",
        )
    return sure if len(sure) >= n_clusters else seen


def _fit(target: F64, profile: F64, variance: F64) -> tuple[F64, int]:
    """The weights, e^α included, and the number of steps."""
    k = profile.shape[1]
    w = np.full(k, np.exp(np.median(target - np.log(profile.mean(axis=1)))) / k)
    for n_steps in range(1, MOST_STEPS + 1):
        goal = _gauss_newton(target, profile, variance, w)
        step = 1.0 if n_steps == 1 else STEP * min(1.0, SHORTER_AFTER / n_steps)
        after = (1 - step) * w + step * goal
        after = np.maximum(after, 1e-12 * after.max())
        moved = float(np.abs(after - w).max())
        w = after
        if moved < TOLERANCE * w.sum():
            break
    return w, n_steps


def _gauss_newton(target: F64, profile: F64, variance: F64, w: F64) -> F64:
    """Where the linearised, weighted and corrected problem has its minimum over w ≥ 0."""
    residual, sampling = _residuals(target, profile, variance, w)
    _, total, z2 = _spread(residual, sampling)
    q = _huber_weights(residual, total)
    fitted = (profile @ w)[:, None]
    slope = profile / fitted
    normal = slope.T @ (slope * q[:, None])
    identity = np.eye(len(w)) * np.trace(normal) / len(w)
    root = np.linalg.cholesky(normal + RANK * identity)
    strength = np.clip((z2 - CORRECTED_FROM) / (CORRECTED_FULLY - CORRECTED_FROM), 0.0, 1.0)
    noise = strength * (q @ (variance / fitted**2))
    # The largest share of noise in any direction; bounded, the difference is positive definite by construction.
    largest = float(np.linalg.norm(solve_triangular(root, np.diag(np.sqrt(noise)), lower=True), 2)) ** 2
    noise *= min(1.0, MOST_CORRECTION / max(largest, 1e-12))
    corrected = np.linalg.cholesky(normal + RIDGE * identity - np.diag(noise))
    wanted = solve_triangular(corrected, slope.T @ (q * (residual + 1)) + RIDGE * identity @ w, lower=True)
    goal: F64 = nnls(corrected.T, wanted, maxiter=30 * len(w))[0]
    if goal.any():
        return goal
    # Far too high a level, where the linearisation asks for nothing at all: only the level is lowered.
    return np.asarray(w * np.exp(max(float(q @ residual / q.sum()), -1.0)))


def _residuals(target: F64, profile: F64, variance: F64, w: F64) -> tuple[F64, F64]:
    """(g,) residuals on the log scale and their sampling variance s²."""
    fitted = profile @ w
    return target - np.log(fitted), (variance @ w**2) / fitted**2


def _spread(residual: F64, sampling: F64) -> tuple[float, F64, float]:
    """τ², (g,) variance of the residuals, and (robust scale of residual / sampling error)²."""
    scale2 = ((residual - np.median(residual)) * 1.4826) ** 2
    z2 = float(np.median(scale2 / sampling))
    # median(|r| / √(τ² + s²)) = 1 says that half of the genes have r² - s² > τ².
    tau2 = float(np.clip(np.median(scale2 - sampling), LEAST_TAU2, MOST_TAU2))
    return tau2, tau2 + np.clip(z2, LEAST_TAU2, 1.0) * sampling, z2


def _huber_weights(residual: F64, variance: F64) -> F64:
    bound = HUBER_BOUND * np.sqrt(variance)
    return np.asarray(np.minimum(1.0, bound / np.maximum(np.abs(residual), 1e-12)) / variance)


def _huber_loss(residual: F64, variance: F64) -> float:
    """Huber's loss at the best level α."""
    centre = float(np.median(residual))
    for _ in range(50):
        q = _huber_weights(residual - centre, variance)
        centre = float(q @ residual / q.sum())
    u = np.abs(residual - centre) / np.sqrt(variance)
    return float(np.where(u < HUBER_BOUND, u**2, 2 * HUBER_BOUND * u - HUBER_BOUND**2).sum())

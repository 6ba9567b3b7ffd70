"""What bulk samples of known shares say about the cluster profiles, and how much of it to believe.

For gene g let θ_k = ln(P_k + c) be the clusters' profiles, with sampling variances D_k = V_k / (P_k + c)², at most 1,
as the cells know them (:mod:`~scgnn2_engine.bulk.shares` has P, V and c in ppm); z_s = ln(b_s + c) the samples:

    z_s = α_s + ln Σ_k w_sk exp(θ_k) + e_s,   Cov(e) = R (n_samples, n_samples), the same for every gene
    H_sk = w_sk exp(θ_k) / Σ_j w_sj exp(θ_j)
    shift = D Hᵀ (H D Hᵀ + R)⁻¹ (z − α − ln Σ_k w_k exp(θ_k))

This is Kalman's update (J. Basic Eng. 82, 1960): a cluster whose cells measure the gene well stays, a noisy one
follows the bulk. R is estimated from the residuals of all genes; platforms differ for every gene alike in all samples,
which shows as correlation in R, so ten samples do not count ten times, and samples that fit badly count less.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scgnn2_engine.bulk.cluster_profiles import F64, PPM, ClusterProfiles
from scgnn2_engine.data.blocks import row_blocks
from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.errors import InputError

WINSORISED = 3.0
"""Residuals are cut at this many robust standard deviations: a gene that one platform misses says nothing."""

LEAST_VARIANCE = 0.01
"""Floor of R's eigenvalues: no two platforms agree better than 10 % per gene, whatever the residuals suggest."""

MOST_STRENGTH = 2.0
"""Largest factor on the shift: that the sampling errors were taken too small by half is possible, not by more."""

LEAST_SHIFT = 1e-9
"""Smaller shifts change nothing, and are left out of what the strength rests on."""

MOST_UNCERTAINTY = 1.0
"""Largest D: a mean known worse than to a factor e is beyond the linearisation, and would shift without bound."""

ENTRIES_AT_ONCE = 2_000_000
"""Bounds the (genes, n_samples, n_samples) temporaries, to 16 MB each."""


class Strength(NamedTuple):
    """How much of the shift to apply.

    Attributes
    ----------
    value
        λ from 0 (bulk does not help) to 2.
    gain
        Mean reduction of the absolute error at the held-out entries by the best λ, before the gate.
    standard_error
        Of that mean.
    """

    value: float
    gain: float
    standard_error: float


def bulk_shift(
    profiles: ClusterProfiles, bulk: Floats, shares: Floats, weights: Floats | None = None, genes: Ints | None = None
) -> F64:
    """Shift of the clusters' log profiles that bulk samples of known shares ask for.

    Parameters
    ----------
    profiles
        Profiles of the k clusters on g genes.
    bulk
        (n_samples, g) non-negative, not logged, on any scale.
    shares
        (n_samples, k) RNA shares of the clusters in every sample.
    weights
        (n_samples,) weights of the samples, relative to each other: the residual variance of a sample of twice the
        weight is halved, and one of weight 0 is left out. None: all alike.
    genes
        Positions of the genes wanted, (m,); levels α and R are then estimated on these alone. None: all.

    Returns
    -------
    (m, k) shift of ln(P + c), natural logarithm; 0 where the bulk agrees with the cells.

    Raises
    ------
    InputError
        The shapes do not agree, weights are negative or all 0, or a sample is 0 everywhere.

    Examples
    --------
    Both clusters look alike, but a hundred cells know the first and two the second. The bulk, half of each, shows the
    first gene 8 times as strong beside the others as the cells do.

    >>> import numpy as np
    >>> from scgnn2_engine.bulk.cluster_profiles import cluster_profiles
    >>> cells = np.tile([1.0, 4.0, 6.0, 9.0], (102, 1))
    >>> profiles = cluster_profiles(cells, np.repeat([0, 1], [100, 2]))
    >>> bulk_shift(profiles, np.array([[8.0, 4.0, 6.0, 9.0]]), np.array([[0.5, 0.5]]))[0].round(2)
    array([0.  , 0.42])
    """
    samples, mixture = np.asarray(bulk, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    weight = _checked_weights(profiles, samples, mixture, weights)
    samples, mixture, weight = samples[weight > 0], mixture[weight > 0], weight[weight > 0]
    c, wanted = profiles.offset, np.arange(len(profiles.means)) if genes is None else np.asarray(genes)
    measured = np.log(samples.T[wanted] / samples.sum(axis=1) * PPM + c)
    level, spread = profiles.means[wanted] + c, profiles.variances[wanted]

    residual = measured - np.log(level @ mixture.T)
    # Genes that neither side shows agree by having nothing to say; most genes may be such.
    telling = np.asarray((profiles.means[wanted] > 0).any(axis=1) | (samples.T[wanted] > 0).any(axis=1))
    if not telling.any():
        return np.zeros(level.shape)
    residual -= np.median(residual[telling], axis=0)
    scale = np.maximum(1.4826 * np.median(np.abs(residual[telling]), axis=0), np.sqrt(LEAST_VARIANCE))
    residual = np.clip(residual, -WINSORISED * scale, WINSORISED * scale)

    known = np.zeros((len(samples), len(samples)))
    for rows, _, covariance in _blocks(level, spread, mixture):
        known += covariance[telling[rows]].sum(axis=0)
    excess = (residual[telling].T @ residual[telling] - known) / np.count_nonzero(telling)
    values, vectors = np.linalg.eigh(excess)
    noise = (vectors * np.maximum(values, LEAST_VARIANCE)) @ vectors.T / np.sqrt(np.outer(weight, weight))
    shift = np.zeros(level.shape)
    for rows, cross, covariance in _blocks(level, spread, mixture):
        gain = np.linalg.solve(covariance + noise, residual[rows, :, None])[:, :, 0]
        shift[rows] = np.einsum("gsk,gs->gk", cross, gain)
    return shift


def _blocks(level: F64, spread: F64, shares: F64) -> Iterator[tuple[slice, F64, F64]]:
    """Blocks of genes with H D (genes, n_samples, k) and H D Hᵀ (genes, n_samples, n_samples)."""
    n_samples, k = shares.shape
    n_genes = max(1, ENTRIES_AT_ONCE // (n_samples * max(n_samples, k)))
    for start in range(0, len(level), n_genes):
        rows = slice(start, start + n_genes)
        slope = shares[None] * level[rows, None, :] / (level[rows] @ shares.T)[:, :, None]
        cross = slope * np.minimum(spread[rows] / level[rows] ** 2, MOST_UNCERTAINTY)[:, None, :]
        yield rows, cross, cross @ slope.transpose(0, 2, 1)


def _checked_weights(profiles: ClusterProfiles, samples: F64, shares: F64, weights: Floats | None) -> F64:
    """(n_samples,) weights of mean 1 over the samples that count."""
    n_genes, k = profiles.means.shape
    n_samples = len(samples)
    if samples.shape != (n_samples, n_genes) or shares.shape != (n_samples, k) or n_samples == 0:
        raise InputError(
            "The bulk samples and their shares do not fit the cluster profiles.",
            expected=f"bulk of shape (n_samples, {n_genes}) and shares of shape (n_samples, {k}), one sample or more",
            found=f"shapes {samples.shape} and {shares.shape}",
        )
    weight = np.ones(n_samples) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != (n_samples,) or not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise InputError(
            "The weights of the bulk samples cannot be used.",
            expected=f"{n_samples} finite weights >= 0, one of them above 0",
            found=str(weight.tolist()),
        )
    empty = np.flatnonzero(~(samples.sum(axis=1) > 0) & (weight > 0))
    if len(empty):
        raise InputError(
            f"Bulk sample {empty[0]} is 0 on every gene it shares with the cells.",
            expected="expression above 0",
            found=f"{n_genes} zeros",
            advice="Leave the sample out.",
        )
    return np.asarray(weight / weight[weight > 0].mean())


def strength(residual: Floats, shift: Floats) -> Strength:
    """How much of the shift helps at entries that were held out.

    λ in [0, 2] has the least Σ |residual − λ shift|, a weighted median; it is 0 unless the mean gain against λ = 0
    exceeds one standard error. Entries that the shift leaves alone do not count. A gain alone does not prove that the
    bulk knows anything: bulk with permuted genes has a small one too, as it pulls badly measured genes to the mean.

    Parameters
    ----------
    residual
        (n,) what the imputation lacks at the held-out entries: true minus imputed value, on the ln(1 + x) scale.
    shift
        (n,) what the bulk would add there.

    Returns
    -------
    Strength
        All 0 with fewer than two entries to judge by.

    Raises
    ------
    InputError
        The two differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> strength(np.array([0.5, 1.0, -0.5, 0.25]), np.array([0.5, 1.0, -0.5, 0.5])).value
    1.0
    >>> strength(np.array([0.5, -0.5]), np.array([0.5, 0.5])).value
    0.0
    """
    lacking, added = np.asarray(residual, dtype=np.float64).ravel(), np.asarray(shift, dtype=np.float64).ravel()
    if len(lacking) != len(added):
        raise InputError(
            "Held-out errors and shifts do not belong together.",
            expected="one shift per held-out entry",
            found=f"{len(lacking)} errors, {len(added)} shifts",
        )
    live = np.abs(added) > LEAST_SHIFT
    lacking, added = lacking[live], added[live]
    if len(added) < 2:
        return Strength(0.0, 0.0, 0.0)
    best = float(np.clip(_weighted_median(lacking / added, np.abs(added)), 0.0, MOST_STRENGTH))
    gains = np.abs(lacking) - np.abs(lacking - best * added)
    gain, error = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))
    return Strength(best if gain > error else 0.0, gain, error)


def _weighted_median(values: F64, weights: F64) -> float:
    """The smallest value with at least half of the weight at or below it."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])


def apply_shift(
    observed: Floats, single_cell: Floats, shift: Floats, numbers: Ints, strength: float, genes: Ints
) -> npt.NDArray[np.float32]:
    """Move the imputed entries of every cell by its cluster's shift.

    Where an entry was not observed (0) and its gene has a shift, the result is max(0, y + λ shift); everything else
    stays as imputed. With λ = 0 that is everything, negative values included.

    Parameters
    ----------
    observed
        (n_obs, n_vars) observed expression, ln(1 + x) scale.
    single_cell
        (n_obs, n_vars) the single-cell imputation y.
    shift
        (g, k) of :func:`bulk_shift`.
    numbers
        (n_obs,) column of ``shift`` that every cell belongs to, from 0.
    strength
        λ.
    genes
        (g,) positions of the shifted genes among the n_vars.

    Returns
    -------
    (n_obs, n_vars) float32.

    Raises
    ------
    InputError
        Shapes do not agree, or a number is no column of ``shift``.

    Examples
    --------
    >>> import numpy as np
    >>> imputed, shift = np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([[0.5, -4.0]])
    >>> apply_shift(np.array([[0.0, 0.0], [0.0, 3.0]]), imputed, shift, np.array([0, 1]), 1.0, np.array([1]))
    array([[1. , 2.5],
           [1. , 2. ]], dtype=float32)
    """
    moves, cells, columns = np.asarray(shift), np.asarray(numbers), np.asarray(genes)
    _check_shapes(observed, single_cell, moves, cells, columns)
    fused = np.array(single_cell, dtype=np.float32)
    if strength == 0:
        return fused
    per_cluster = np.ascontiguousarray((strength * moves).T, dtype=np.float32)
    for rows in row_blocks(len(fused)):
        imputed = fused[rows, columns]
        moved = np.maximum(imputed + per_cluster[cells[rows]], np.float32(0))
        fused[rows, columns] = np.where(observed[rows, columns] == 0, moved, imputed)
    return fused


def _check_shapes(
    observed: Floats, single_cell: Floats, shift: npt.NDArray[np.generic], numbers: Ints, genes: Ints
) -> None:
    shape = observed.shape
    for name, found, expected in (
        ("single-cell imputation", single_cell.shape, shape),
        ("shift", shift.shape, (len(genes), *shift.shape[1:2])),
        ("clusters' numbers", numbers.shape, shape[:1]),
    ):
        if found != expected:
            raise InputError(
                f"The {name} and the expression do not fit.", expected=f"shape {expected}", found=f"shape {found}"
            )
    for name, positions, size in (("gene", genes, shape[1]), ("cluster", numbers, shift.shape[1])):
        if len(positions) and not (positions.min() >= 0 and positions.max() < size):
            raise InputError(
                f"A {name} number is out of range.",
                expected=f"0 to {size - 1}",
                found=f"{positions.min()} to {positions.max()}",
            )

"""What users would use instead of the method: imputers on library-normalised expression, arrays in and arrays out.

``y`` is (n_obs, n_vars) float32, ln(1 + library-normalised expression), 0 where nothing was observed.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.errors import InputError, MissingPackageError

Floats32 = npt.NDArray[np.float32]

N_NEIGHBOURS = 15
N_COMPONENTS = 50
FEW_COMPONENTS = 20
SOFT_RANK = 30
FEWEST_CELLS_OF_MAGIC = 7
SOFT_SHARE = 0.5
"""Soft threshold, as a share of the first singular value that is left out."""


def gene_statistic(y: Floats32, statistic: str) -> Floats32:
    """(n_vars,) mean or median of the observed entries of every gene; 0 for genes without any.

    Examples
    --------
    >>> gene_statistic(np.array([[1, 0], [3, 0], [8, 0]], dtype=np.float32), "median").tolist()
    [3.0, 0.0]
    """
    observed = y > 0
    if statistic == "mean":
        counts = observed.sum(axis=0)
        return np.asarray(y.sum(axis=0, dtype=np.float64) / np.maximum(counts, 1), dtype=np.float32)
    return np.array(
        [np.median(gene[seen]) if seen.any() else 0.0 for gene, seen in zip(y.T, observed.T, strict=True)],
        dtype=np.float32,
    )


def principal_components(y: Floats32, n_components: int = N_COMPONENTS, *, seed: int = 0) -> Floats32:
    """(n_obs, d) scores on the first principal components, fewer where the matrix has fewer."""
    from sklearn.decomposition import PCA

    largest = min(y.shape) - 1
    if largest < 1:
        return np.array(y, dtype=np.float32)
    pca = PCA(min(n_components, largest), svd_solver="randomized", random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the explained share of constant data is 0 / 0
        return np.asarray(pca.fit_transform(y), dtype=np.float32)


def nearest(points: Floats32, n_neighbours: int, *, include_self: bool) -> sp.csr_matrix:
    """(n_obs, n_obs) sparse 0/1 matrix of every cell's nearest cells by Euclidean distance."""
    from sklearn.neighbors import NearestNeighbors

    n_obs = len(points)
    k = min(n_neighbours, n_obs - 1)
    if k < 1:
        return sp.identity(n_obs, dtype=np.float32, format="csr") * float(include_self)
    graph = NearestNeighbors(n_neighbors=k).fit(points).kneighbors_graph().astype(np.float32)
    return (graph + sp.identity(n_obs, dtype=np.float32, format="csr")).tocsr() if include_self else graph.tocsr()


def nearest_in_order(
    points: Floats32, sizes: Sequence[int], *, include_self: bool = False
) -> Iterator[tuple[int, sp.csr_matrix]]:
    """The matrices of :func:`nearest` for some numbers of neighbours, which are looked for once.

    Numbers above that of the other cells are left out, the least always given.
    """
    from sklearn.neighbors import NearestNeighbors

    n_obs = len(points)
    allowed = sorted({min(k, max(1, n_obs - 1)) for k in sizes})
    order = np.empty((n_obs, 0), dtype=np.int64)
    if n_obs > 1:
        order = NearestNeighbors(n_neighbors=allowed[-1]).fit(points).kneighbors(return_distance=False)
    own = np.arange(n_obs)[:, None]
    for k in allowed:
        cols = np.hstack([own, order[:, :k]]) if include_self else order[:, :k]
        starts = np.arange(n_obs + 1) * cols.shape[1]
        data = np.ones(cols.size, dtype=np.float32)
        yield k, sp.csr_matrix((data, cols.ravel(), starts), shape=(n_obs, n_obs))


def knn_fill(y: Floats32, *, n_neighbours: int = N_NEIGHBOURS, seed: int = 0) -> Floats32:
    """Fill every unobserved entry with the mean of the nearest cells' observed values of the gene.

    The neighbours are found on the first 20 principal components of ``y`` with its gaps filled by gene means; where
    none of them has the gene, the gene's mean is taken.
    """
    observed = y > 0
    means = gene_statistic(y, "mean")
    points = principal_components(np.where(observed, y, means), FEW_COMPONENTS, seed=seed)
    graph = nearest(points, n_neighbours, include_self=False)
    seen = graph @ observed.astype(np.float32)
    filled = np.where(seen > 0, (graph @ y) / np.maximum(seen, 1), means)
    return np.where(observed, y, filled).astype(np.float32)


def soft_svd_fill(
    y: Floats32, *, rank: int = SOFT_RANK, share: float = SOFT_SHARE, n_iterations: int = 60, seed: int = 0
) -> Floats32:
    """Fill the unobserved entries by a soft-thresholded SVD that is fitted to the observed ones.

    The gaps are filled with the current fit, the completed matrix is projected on its first ``rank`` singular vectors
    with all singular values lowered by ``share`` of the next one, and so on (soft-impute, Mazumder, Hastie &
    Tibshirani 2010). Genes are centred on their observed mean. The singular vectors are followed by one step of block
    power iteration from those of the step before.
    """
    observed = y > 0
    means = gene_statistic(y, "mean")
    kept = min(rank, min(y.shape) - 1)
    if kept < 1:
        return np.where(observed, y, means).astype(np.float32)
    width = min(kept + 10, min(y.shape))
    target = np.where(observed, y - means, np.float32(0))
    filled = target.copy()
    right = np.linalg.qr(np.random.default_rng(seed).standard_normal((y.shape[1], width)))[0].astype(np.float32)
    previous = np.inf
    for _ in range(n_iterations):
        left = np.linalg.qr(filled @ right)[0]
        inner, values, right_t = np.linalg.svd(left.T @ filled, full_matrices=False)
        right = right_t.T
        lowered = np.maximum(values[:kept] - share * values[min(kept, width - 1)], 0)
        fit = ((left @ inner[:, :kept]) * lowered) @ right_t[:kept]
        np.copyto(filled, fit, where=~observed)
        now = float(np.linalg.norm(lowered))
        if abs(now - previous) < 1e-4 * now:
            break
        previous = now
    return np.where(observed, y, np.maximum(fit + means, 0)).astype(np.float32)


def alra(y: Floats32, *, seed: int = 0) -> Floats32:
    """Low-rank approximation with adaptive thresholding (ALRA: Linderman et al., Nature Communications 2022).

    The rank is where the gaps between successive singular values last stand out by six standard deviations from those
    of the last fifth; what is as small as the gene's most negative values (quantile .001) is a zero; what is left is
    brought to the mean and standard deviation of the gene's non-zero values, and observed values are not set to zero.
    """
    from sklearn.utils.extmath import randomized_svd

    largest = min(100, min(y.shape) // 2)  # the last fifth must be noise, not the end of the spectrum
    if largest < 5:
        return np.array(y, dtype=np.float32)
    left, values, right = randomized_svd(y, largest, n_iter=6, random_state=seed)
    gaps = -np.diff(values)
    noise = gaps[int(0.8 * largest) - 1 :]
    standing_out = np.flatnonzero(gaps > noise.mean() + 6 * noise.std(ddof=1))
    rank = int(standing_out[-1]) + 1 if len(standing_out) else 1
    low = (left[:, :rank] * values[:rank]) @ right[:rank]
    return thresholded(low, y)


def thresholded(low: Floats32, y: Floats32) -> Floats32:
    """ALRA's zeros and scale for a low-rank approximation ``low`` of ``y``, both (n_obs, n_vars).

    Genes of one value (in the data or in what is left, of one cell or all alike) have no spread to go by. R's is then
    NA or 0: the original leaves the first, and those whose approximation is constant, as they are.
    """
    low = np.where(low > np.abs(np.quantile(low, 0.001, axis=0)), low, 0)
    mean, sd, _ = _nonzero_moments(y)
    low_mean, low_sd, n_low = _nonzero_moments(low)
    is_scaled = (np.count_nonzero(y, axis=0) > 1) & (n_low > 1) & (low_sd > 0)
    brought = (low - low_mean) * (sd / np.where(is_scaled, low_sd, 1)) + mean
    scaled = np.where(low > 0, np.where(is_scaled, np.maximum(brought, 0), low), 0)
    return np.where((y > 0) & (scaled == 0), y, scaled).astype(np.float32)


def _nonzero_moments(
    values: npt.NDArray[Any],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Mean, standard deviation and number of the non-zero entries of every column; 0 where there are too few."""
    count = np.count_nonzero(values, axis=0)
    mean = values.sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
    centred = np.where(values != 0, values - mean, 0)  # not by squares: of equal values the spread is 0, exactly
    sd = np.sqrt(np.square(centred).sum(axis=0) / np.maximum(count - 1, 1))
    return mean, np.where(sd > 1e-6 * np.abs(mean), sd, 0), count


def magic(root: Floats32, *, seed: int = 0) -> Floats32:
    """MAGIC (van Dijk et al., Cell 2018) in its usual form, t = 3 and 5 neighbours, as :func:`magic_steps` has it."""
    return next(magic_steps(root, (3,), seed=seed))[1]


def magic_steps(root: Floats32, steps: Sequence[int], *, seed: int = 0) -> Iterator[tuple[int, Floats32]]:
    """MAGIC for some numbers of steps t, its graph found once.

    Its kernel reaches from 5 to 15 neighbours; of 15 cells or fewer it is made of what there is.

    Parameters
    ----------
    root
        (n_obs, n_vars) square root of library-normalised expression.
    steps
        Values of t.
    seed
        Of the decomposition.

    Raises
    ------
    MissingPackageError
        The optional package magic-impute is not installed.
    InputError
        There are too few cells for its graph.
    """
    program = magic_package()
    if len(root) < FEWEST_CELLS_OF_MAGIC:
        raise InputError(
            "MAGIC cannot be run on so few cells.",
            expected=f"at least {FEWEST_CELLS_OF_MAGIC} cells",
            found=f"{len(root)} cells",
        )
    tasklogger = logging.getLogger()
    level = tasklogger.level
    reach = min(15, len(root) - 2)  # graphtools looks for one more, and a cell is among its own
    operator = None
    for t in steps:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                if operator is None:
                    operator = program.MAGIC(
                        knn=min(5, reach), knn_max=reach, t=t, random_state=seed, n_jobs=1, verbose=0
                    ).fit(root)
                imputed = operator.set_params(t=t).transform(root)
            finally:
                tasklogger.setLevel(level)
        yield t, np.asarray(imputed, dtype=np.float32)


def magic_package() -> Any:
    """The module of magic-impute.

    Raises
    ------
    MissingPackageError
        It is not installed; the message says how to install it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import graphtools.graphs
            import magic
    except ImportError as error:
        raise MissingPackageError(
            "The baseline magic needs the package magic-impute.",
            expected="an installed magic-impute",
            found=str(error),
            advice="Run: pip install --no-deps --requirement benchmarks/magic.txt",
        ) from error
    graphtools.graphs.NUMBA_AVAILABLE = False  # its loops would be compiled in every process, 8 s for 0.1 s in NumPy
    return magic

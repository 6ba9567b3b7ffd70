"""Baselines: what the method is compared with in every run.

Three kinds, by what they answer. :func:`impute_baseline` fills in what a run hid (a zero means "not seen");
:func:`denoise_baseline` estimates expected counts (a zero is a count of 0), for count thinning;
:func:`cluster_baseline` groups cells. All divide cells by their library sizes themselves, and see
the visible entries only.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Floats, Matrix
from scgnn2_engine.data.normalise import size_factors
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import MissingPackageError, ParameterError
from scgnn2_engine.evaluate.held_out_counts import TARGET_SUM
from scgnn2_engine.evaluate.imputers import (
    FEW_COMPONENTS,
    N_COMPONENTS,
    N_NEIGHBOURS,
    Floats32,
    alra,
    gene_statistic,
    knn_fill,
    magic,
    magic_package,
    nearest,
    principal_components,
    soft_svd_fill,
)
from scgnn2_engine.evaluate.thinning import dense_part
from scgnn2_engine.evaluate.tuned import FILLS, RATES, tuned_fill, tuned_rates

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Visible:
    """The visible entries of a run, divided by library sizes whether the run did that or not.

    Attributes
    ----------
    y
        (n_obs, n_vars) float32, ln(1 + expression / library factor), 0 where nothing was seen.
    ratio
        (n_obs,) library factor over the size factor that ``Prepared.x`` was divided by already.
    """

    y: Floats32
    ratio: Floats32

    @classmethod
    def of(cls, prepared: Prepared, *, held_out: bool) -> Visible:
        """With ``held_out`` the run's held-out share is seen as well: it is the run's own choice to go without it."""
        x = np.asarray(prepared.x)
        if held_out and prepared.validation is not None:
            x = x.copy()
            x[prepared.validation.rows, prepared.validation.cols] = prepared.validation.values
        normalised_already = prepared.scale == "logged" or bool((prepared.size_factors != 1).any())
        if normalised_already:
            return cls(x, np.ones(prepared.n_obs, dtype=np.float32))
        expression = np.expm1(x)
        factors = size_factors(expression.sum(axis=1, dtype=np.float64))
        return cls(np.log1p(expression / factors[:, None]), factors)

    def normalised(self, imputed: Floats, prepared: Prepared) -> Floats32:
        """From the output's scale, ln(1 + expression) with the cells' own library sizes, to that of ``y``."""
        factors = prepared.size_factors * self.ratio
        if (factors == 1).all():
            return np.asarray(imputed, dtype=np.float32)
        expression = np.expm1(np.asarray(imputed, dtype=np.float32))
        return np.asarray(np.log1p(expression / factors[:, None]), dtype=np.float32)

    def back(self, y: Floats32) -> Floats32:
        """From the scale of ``y`` to that of ``Prepared.x``."""
        if (self.ratio == 1).all():
            return y
        return np.log1p(np.expm1(y) * self.ratio[:, None]).astype(np.float32)


def _statistic(y: Floats32, statistic: str) -> Floats32:
    return np.where(y > 0, y, gene_statistic(y, statistic))


def _magic(y: Floats32, seed: int) -> Floats32:
    return np.log1p(np.square(magic(np.sqrt(np.expm1(y)), seed=seed)))


def _alra(normalised: Floats32, seed: int) -> Floats32:
    """ALRA of library-normalised expression, on the scale it was made for: ln(1 + 10,000 per cell)."""
    totals = normalised.sum(axis=1, dtype=np.float64)
    scale = np.float32(TARGET_SUM / np.median(totals[totals > 0])) if (totals > 0).any() else np.float32(1)
    return np.asarray(np.expm1(alra(np.log1p(normalised * scale), seed=seed)) / scale, dtype=np.float32)


IMPUTATION: Mapping[str, Callable[[Floats32, int], Floats32]] = {
    "zeros": lambda y, seed: np.array(y),
    "gene_mean": lambda y, seed: _statistic(y, "mean"),
    "gene_median": lambda y, seed: _statistic(y, "median"),
    "knn": lambda y, seed: knn_fill(y, seed=seed),
    "soft_svd": lambda y, seed: soft_svd_fill(y, seed=seed),
    "alra": lambda y, seed: np.log1p(_alra(np.expm1(y), seed)),
    "magic": _magic,
}
"""Name to function (y, seed) on ln(1 + library-normalised expression), 0 where nothing was seen."""


def _knn_smooth(normalised: Floats32, seed: int) -> Floats32:
    """The mean of every cell and its nearest cells, zeros included."""
    graph = nearest(principal_components(np.log1p(normalised), seed=seed), N_NEIGHBOURS, include_self=True)
    return np.asarray((graph @ normalised) / np.asarray(graph.sum(axis=1)), dtype=np.float32)


DENOISING: Mapping[str, Callable[[Floats32, int], Floats32]] = {
    "no_denoising": lambda normalised, seed: normalised,
    "gene_mean": lambda normalised, seed: np.tile(normalised.mean(axis=0), (len(normalised), 1)),
    "knn": _knn_smooth,
    "alra": _alra,
    "magic": lambda normalised, seed: np.square(magic(np.sqrt(normalised), seed=seed)),
}
"""Name to function (normalised counts, seed), for count thinning: zeros are data here."""

CLUSTERING = ("pca_kmeans", "pca_leiden_0.5", "pca_leiden_0.8", "pca_leiden_1.0")
"""Names of the cluster baselines that stand beside every run."""

SCANPY = tuple(
    f"scanpy{scaled}_leiden_{resolution}" for scaled in ("", "_scaled") for resolution in (0.3, 0.5, 0.8, 1.0)
)
"""Names of those that a benchmark adds: Leiden by scanpy's tutorial, genes as they are or scaled."""

FILLING, COUNTING, GROUPING = (*IMPUTATION, *FILLS), (*DENOISING, *RATES), (*CLUSTERING, *SCANPY)
"""Every baseline of the three kinds: those beside every run, and those that take a benchmark's time."""

FEW_CELLS = 500
MOST_VARIABLE = 2_000


def impute_baseline(name: str, prepared: Prepared, *, seed: int = 0) -> Floats32:
    """Impute with a baseline.

    Parameters
    ----------
    name
        One of :data:`FILLING`. ``zeros`` fills nothing in; ``gene_mean``, ``gene_median``, ``knn`` and ``soft_svd``
        fill the zeros and keep what was observed; ``alra`` and ``magic`` also change what was observed. ``…_tuned``
        choose their settings at entries that they hold out (:mod:`scgnn2_engine.evaluate.tuned`).
    prepared
        What a run trained on. The values that the benchmark hid are never read. The held-out ones are seen if there
        is a benchmark mask, because holding entries out is the run's own choice and someone who takes a baseline
        instead has them; without a mask they are what is scored, and not seen.
    seed
        Of the randomised singular value decompositions.

    Returns
    -------
    (n_obs, n_vars) float32, on the scale of ``Prepared.x``.

    Raises
    ------
    ParameterError
        There is no such baseline.
    MissingPackageError
        ``magic`` without the package magic-impute.

    Examples
    --------
    >>> import scgnn2_engine as sc2
    >>> from scgnn2_engine.data.preparation import prepare
    >>> data = sc2.simulate(n_obs=60, n_vars=40, n_types=2, seed=0)
    >>> prepared = prepare(data, sc2.RunParams(run_LTMG=False))
    >>> impute_baseline("gene_mean", prepared).shape == prepared.x.shape
    True
    """
    if name not in FILLING:
        raise _unknown("imputation", name, FILLING)
    # Where the benchmark hid entries those are scored, else the held-out ones.
    visible = Visible.of(prepared, held_out=prepared.hidden is not None)
    return visible.back(tuned_fill(name, visible.y, seed)[0] if name in FILLS else IMPUTATION[name](visible.y, seed))


def denoise_baseline(name: str, counts: Matrix, *, seed: int = 0) -> Floats32:
    """Expected counts of every cell and gene by a baseline, for :func:`~scgnn2_engine.evaluate.thinning_scores`.

    Parameters
    ----------
    name
        One of :data:`COUNTING`: the counts as they are, the gene's mean times the cell's library, means over the cell
        and its 15 nearest, ALRA, MAGIC; kNN, MAGIC and Poisson factors (``nmf``) with chosen settings.
    counts
        (n_obs, n_vars) counts of the training part, dense or CSR; made dense, since the answer is.
    seed
        Of the randomised singular value decompositions.

    Returns
    -------
    (n_obs, n_vars) float32, not negative, with the cells' own library sizes.

    Raises
    ------
    ParameterError
        There is no such baseline.
    MissingPackageError
        ``magic`` without the package magic-impute.

    Examples
    --------
    >>> denoise_baseline("gene_mean", np.array([[1, 1], [2, 2]])).tolist()
    [[1.0, 1.0], [2.0, 2.0]]
    """
    if name not in COUNTING:
        raise _unknown("denoising", name, COUNTING)
    dense = dense_part(counts, slice(None), np.float32)
    if name in RATES:
        return tuned_rates(name, dense, seed)[0]
    factors = size_factors(dense.sum(axis=1, dtype=np.float64))[:, None]
    return np.asarray(
        np.maximum(DENOISING[name](np.asarray(dense / factors, dtype=np.float32), seed), 0) * factors,
        dtype=np.float32,
    )


def cluster_baseline(name: str, prepared: Prepared, *, seed: int = 0, n_clusters: int | None = None) -> Labels:
    """Cluster the cells with a baseline.

    Parameters
    ----------
    name
        One of :data:`GROUPING`: k-means or Leiden (Traag et al. 2019, modularity of the given resolution) on the
        first 50 principal components of ln(1 + library-normalised expression); Leiden takes 20 below 500 cells, where
        more are noise. Its graph joins cells by the share of their 15 nearest cells that they have in common (shared
        nearest neighbours, Jaccard, as in Seurat). ``scanpy_…`` are Leiden as scanpy's tutorial has it,
        ``scaled`` with every gene at mean 0 and variance 1.
    prepared
        What a run trained on.
    seed
        Of the decomposition, of k-means' starts and of the order in which Leiden visits cells.
    n_clusters
        Of k-means; the caller decides whether that is the true number.

    Returns
    -------
    (n_obs,) int32, numbered from 0 by falling size.

    Raises
    ------
    ParameterError
        There is no such baseline, or k-means has no number of clusters.
    """
    if name not in GROUPING:
        raise _unknown("cluster", name, GROUPING)
    if name in SCANPY:
        return _scanpy_leiden(Visible.of(prepared, held_out=True).y, name, seed)
    by_graph = name != "pca_kmeans"
    n_components = FEW_COMPONENTS if by_graph and prepared.n_obs < FEW_CELLS else N_COMPONENTS
    points = principal_components(Visible.of(prepared, held_out=True).y, n_components, seed=seed)
    if by_graph:
        return leiden(points, float(name.rsplit("_", 1)[1]), seed)
    if n_clusters is None or not 1 <= n_clusters <= prepared.n_obs:
        raise ParameterError(
            "k-means needs a number of clusters.",
            expected=f"n_clusters from 1 to {prepared.n_obs}",
            found=str(n_clusters),
        )
    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer different cells than clusters: then there are fewer clusters
        return _by_size(KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(points))


def _scanpy_leiden(y: Floats32, name: str, seed: int) -> Labels:
    """Variable genes, principal components, neighbours and Leiden by scanpy, with the settings of its tutorial."""
    import anndata
    import scanpy

    adata = anndata.AnnData(y.copy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if adata.n_vars > MOST_VARIABLE:
            scanpy.pp.highly_variable_genes(adata, n_top_genes=MOST_VARIABLE)
            adata = adata[:, adata.var["highly_variable"]].copy()
        if "scaled" in name:
            scanpy.pp.scale(adata, max_value=10)
        scanpy.pp.pca(adata, n_comps=min(N_COMPONENTS, min(adata.shape) - 1), random_state=seed)
        scanpy.pp.neighbors(adata, n_neighbors=N_NEIGHBOURS, random_state=seed)
        resolution = float(name.rsplit("_", 1)[1])
        scanpy.tl.leiden(
            adata, resolution, flavor="igraph", n_iterations=2, directed=False, random_state=seed, key_added="found"
        )
    return _by_size(adata.obs["found"].astype(int).to_numpy())


def leiden(points: Floats32, resolution: float, seed: int) -> Labels:
    """Leiden on the shared nearest neighbours of some points, as :func:`cluster_baseline` describes it."""
    import igraph

    own = nearest(points, N_NEIGHBOURS, include_self=True)
    shared = sp.triu(own @ own.T, k=1).tocoo()
    jaccard = shared.data / (2 * (min(N_NEIGHBOURS, len(points) - 1) + 1) - shared.data)
    graph = igraph.Graph(n=len(points), edges=np.column_stack([shared.row, shared.col]))
    # igraph draws from Python's global generator unless it is given one; it is given its own for this call.
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = graph.community_leiden("modularity", weights=jaccard, resolution=resolution, n_iterations=-1)
    finally:
        igraph.set_random_number_generator(random)
    return _by_size(np.asarray(found.membership))


def _by_size(labels: npt.NDArray[Any]) -> Labels:
    from scgnn2_engine.clusters.communities import by_size

    return by_size(labels)


def missing_package(name: str) -> str:
    """Why a baseline cannot be run here, with what to install; empty if it can."""
    if name.startswith("magic"):
        try:
            magic_package()
        except MissingPackageError as error:
            return str(error)
    return ""


def _unknown(kind: str, name: str, known: Sequence[str]) -> ParameterError:
    return ParameterError(f"There is no {kind} baseline {name!r}.", expected="one of " + ", ".join(known))

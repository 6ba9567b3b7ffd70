"""Group the cells: communities of the cell graph give the number of clusters, k-means on an embedding the clusters."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.clusters.communities import Labels, by_size, communities, merge_small
from scgnn2_engine.clusters.consensus import consensus, member_communities, memberships
from scgnn2_engine.clusters.depth import told_by_depth
from scgnn2_engine.clusters.small_samples import FEW_CELLS, better_separated, reproducible_k_means
from scgnn2_engine.clusters.tree import ClusterTree, cluster_tree
from scgnn2_engine.data.blocks import AnyMatrix
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.events import Event, Notice, drain
from scgnn2_engine.graph.rescale import rescale_into
from scgnn2_engine.params import ClusteringParams

AFFINITY_UP_TO = 5_000
"""Cells up to which affinity propagation, which holds all pairs, is allowed."""


@dataclass(frozen=True)
class Clustering:
    """The clusters of one iteration.

    Attributes
    ----------
    labels
        (n_obs,) int32, numbered from 0 by falling size; equal sizes by their first cell.
    n_clusters_smoothed
        The running number of clusters k, for the next iteration.
    embedding
        (n_obs, d) float32, what the labels were computed from.
    found
        :func:`~scgnn2_engine.clusters.consensus.member_communities` of each member, for the next iteration.
    tree
        How the clusters merge, by consensus; else None.
    membership
        (n_obs,) float32, how much of what each cell shares with others it shares with its own cluster, by consensus;
        else None.
    """

    labels: Labels
    n_clusters_smoothed: float
    embedding: npt.NDArray[np.float32]
    found: tuple[Labels, ...] = ()
    tree: ClusterTree | None = None
    membership: npt.NDArray[np.float32] | None = None


def iterate_clustering(
    graph: CellGraph,
    graph_embedding: Floats,
    feature_embedding: Floats,
    params: ClusteringParams,
    *,
    n_clusters_smoothed: float | None = None,
    components: Floats | None = None,
    member_neighbours: Sequence[npt.NDArray[np.int64]] = (),
    found: Sequence[Labels] = (),
    expression: AnyMatrix | None = None,
    depth: Floats | Ints | None = None,
    seed: int = 0,
) -> Generator[Event, None, Clustering]:
    """Cluster the cells.

    Parameters
    ----------
    graph
        The weighted cell graph.
    graph_embedding, feature_embedding
        (n_obs, ·) the embeddings E and Z; ``params.embed`` chooses.
    params
        Method, resolution, and how k changes between iterations.
    n_clusters_smoothed
        The running k of the iteration before, None in the first.
    components
        (n_obs, d) principal components of the expected expression, for ``params.embed`` ``"expression"``.
    member_neighbours
        (n_obs, k) neighbours in each member of the ensemble, for the method ``"consensus"``; none: the graph's.
    found
        Communities of the first members, as an earlier iteration returned them for the same seed.
    expression
        (n_obs, n_vars) what the components are of, for the method ``"consensus"`` with fewer than 200 cells.
    depth
        (n_obs,) genes seen in each cell: clusters that it tells apart are named.
    seed
        Of the communities and of k-means.

    Yields
    ------
    Notice
        Where affinity propagation does not converge, k is larger than the cells allow, clusters are merged, or depth
        alone tells two of them apart.

    Returns
    -------
    Clustering

    Raises
    ------
    ParameterError
        Affinity propagation on more than 5,000 cells.
    InputError
        Graph and embeddings are not of the same cells.

    Notes
    -----
    Louvain (Blondel et al. 2008) on the symmetric weighted graph gives k_L communities; k = max(2, c · k_L) with
    c = 0.8 below 2,000 cells and 0.5 from there on, smoothed as 0.95 k + 0.05 k_new unless ``use_flexible_k``; k-means
    takes round(k). Edge weights count as at most 1,000 times their median: duplicates weigh 1e16 in construction v2.

    Examples
    --------
    >>> from scgnn2_engine.graph.neighbours import build_graph
    >>> rng = np.random.default_rng(0)
    >>> points = np.vstack([rng.normal(0, 1, (20, 2)), rng.normal(9, 1, (12, 2))])
    >>> graph = build_graph(points, construction="v2", n_neighbours=4)
    >>> clusters = drain(iterate_clustering(graph, points, points, ClusteringParams(method="Leiden", resolution=0.1)))
    >>> np.bincount(clusters.labels).tolist()
    [20, 12]
    """
    if not graph.n_obs == len(graph_embedding) == len(feature_embedding):
        raise InputError(
            "Graph and embeddings do not belong together.",
            expected=f"{graph.n_obs} cells in all three",
            found=f"{graph.n_obs}, {len(graph_embedding)} and {len(feature_embedding)}",
        )
    check_method(params, graph.n_obs)
    embedding = clustering_embedding(graph_embedding, feature_embedding, params, components)
    if params.method == "consensus" and not params.louvain_only:
        members = member_neighbours or [graph.neighbours]
        new = range(len(found), len(members))
        all_found = (*found, *(member_communities(members[number], seed + number) for number in new))
        clusters, notice = _by_consensus(graph, embedding, params, all_found, expression, seed)
        yield notice
        if clusters.tree is not None and params.n_clusters > clusters.tree.n_leaves:
            yield Notice.of("fewer_pieces", k=params.n_clusters, most=clusters.tree.n_leaves)
        if clusters.tree is not None and depth is not None:
            pairs = told_by_depth(clusters.tree, clusters.labels, depth, embedding)
            if pairs:
                yield Notice.of("clusters_by_depth", pairs=pairs)
        k = next_cluster_count(clusters.labels, n_clusters_smoothed, flexible=True)
        return replace(clusters, n_clusters_smoothed=k)
    leiden = params.method == "Leiden" and not params.louvain_only
    own = communities(graph, "leiden" if leiden else "louvain", params.resolution, seed)
    k = next_cluster_count(own, n_clusters_smoothed, flexible=params.use_flexible_k)

    if params.louvain_only or leiden:
        labels = own
    else:
        propagated = _propagate(embedding, seed) if params.method == "AffinityPropagation" else None
        if params.method == "AffinityPropagation" and propagated is None:
            yield Notice.of("no_convergence")
        if propagated is None:
            most = len(np.unique(embedding, axis=0))
            if round(k) > most:
                yield Notice.of("fewer_clusters", k=round(k), most=most)
            propagated = _k_means(embedding, min(round(k), most), seed)
        labels = by_size(propagated)
    merged = merge_small(labels)
    before, after = int(labels.max()) + 1, int(merged.max()) + 1
    if after < before:
        yield Notice.of("clusters_merged", before=before, after=after)
    return Clustering(merged, k, embedding)


def cluster(
    graph: CellGraph,
    graph_embedding: Floats,
    feature_embedding: Floats,
    params: ClusteringParams,
    **options: Any,
) -> Clustering:
    """Cluster the cells; parameters and errors are those of :func:`iterate_clustering`.

    Examples
    --------
    >>> from scgnn2_engine.graph.neighbours import build_graph
    >>> points = np.array([[0.0], [0.1], [0.2], [5.0], [5.1]])
    >>> graph = build_graph(points, construction="v2", n_neighbours=2)
    >>> cluster(graph, points, points, ClusteringParams()).labels
    array([0, 0, 0, 1, 1], dtype=int32)
    """
    steps = iterate_clustering(graph, graph_embedding, feature_embedding, params, **options)
    return drain(steps)


def _by_consensus(
    graph: CellGraph,
    embedding: npt.NDArray[np.float32],
    params: ClusteringParams,
    found: Sequence[Labels],
    expression: AnyMatrix | None,
    seed: int,
) -> tuple[Clustering, Notice]:
    """The consensus of communities, merged until all are separated; of few cells k-means where that is better."""
    agreed = consensus(graph.neighbours, (), resolution=params.resolution, seed=seed, found=found)
    found_together, together, pieces = agreed
    tree = cluster_tree(embedding, found_together, pieces, seed=seed)
    labels = tree.cut(params.n_clusters)
    n_clusters, n_separated = int(labels.max()) + 1, tree.n_separated
    said = Notice.of(
        "consensus",
        clusters=n_clusters,
        graphs=len(found),
        sure=float(np.mean((together < 0.1) | (together > 0.9))) if len(together) else 1.0,
        pieces=tree.n_leaves,
        separated=n_separated,
        finer=tree.n_finer,
    )
    if graph.n_obs < FEW_CELLS and expression is not None and not params.n_clusters:
        few = reproducible_k_means(np.asarray(expression), embedding.shape[1], seed)
        if better_separated(labels, few, embedding) is few:
            said = Notice.of("clusters_of_few_cells", clusters=int(few.max()) + 1, communities=n_clusters)
            labels, tree = few, cluster_tree(embedding, few, seed=seed)
    membership = memberships(graph.neighbours, together, labels)
    return Clustering(labels, 0.0, embedding, tuple(found), tree, membership), said


def clustering_embedding(
    graph_embedding: Floats, feature_embedding: Floats, params: ClusteringParams, components: Floats | None = None
) -> npt.NDArray[np.float32]:
    """What is clustered: E, Z, E beside Z rescaled into E's 10–90 % quantile range, or components; (n_obs, ·) float32.

    Raises
    ------
    ParameterError
        ``params.embed`` is ``"expression"``, but there are no components.
    """
    if params.embed == "expression":
        if components is None:
            raise ParameterError(
                "There are no principal components of the expected expression to cluster.",
                expected="components, an array of the cells",
                found="None",
                advice="Hand them in, or set another clustering_embed.",
            )
        return np.asarray(components, dtype=np.float32)
    e = np.asarray(graph_embedding, dtype=np.float32)
    z = np.asarray(feature_embedding, dtype=np.float32)
    if params.embed == "both":
        return np.hstack([e, rescale_into(z, e)])
    return e if params.embed == "graph" else z


def next_cluster_count(found: Labels, previous: float | None, *, flexible: bool = False) -> float:
    """The running number of clusters.

    Parameters
    ----------
    found
        (n_obs,) communities, numbered from 0.
    previous
        The running number of the iteration before, None in the first.
    flexible
        Take the new number as it comes.

    Examples
    --------
    >>> next_cluster_count(np.arange(10, dtype=np.int32), None), next_cluster_count(np.arange(10, dtype=np.int32), 4.0)
    (8.0, 4.2)
    """
    share = 0.8 if len(found) < 2000 else 0.5
    new = max(2.0, share * (int(found.max()) + 1))
    return new if previous is None or flexible else 0.95 * previous + 0.05 * new


def _k_means(embedding: npt.NDArray[np.float32], k: int, seed: int) -> Ints:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):  # one order of the sums, so equal seeds give equal labels
        found: Ints = KMeans(k, n_init=10, random_state=seed).fit_predict(embedding.astype(np.float64))
    return found


def check_method(params: ClusteringParams, n_obs: int) -> None:
    """Refuse a method that so many cells do not allow.

    Raises
    ------
    ParameterError
        Affinity propagation, which compares all pairs of cells, and more than 5,000 of them.

    Examples
    --------
    >>> check_method(ClusteringParams(method="KMeans"), n_obs=1_000_000)
    """
    if params.method == "AffinityPropagation" and not params.louvain_only and n_obs > AFFINITY_UP_TO:
        raise ParameterError(
            "Affinity propagation compares all pairs of cells and does not fit this many.",
            expected=f"at most {AFFINITY_UP_TO:,} cells",
            found=f"{n_obs:,} cells, {4 * 8 * n_obs**2 / 2**30:.1f} GiB",
            advice="Set clustering_method = KMeans or Leiden.",
        )


def _propagate(embedding: npt.NDArray[np.float32], seed: int) -> Ints | None:
    """Affinity propagation (Frey & Dueck 2007), damped further if it swings; None where it does not converge."""
    from sklearn.cluster import AffinityPropagation
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    for damping in (0.5, 0.9):
        model: Any = AffinityPropagation(damping=damping, max_iter=400, random_state=seed)
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            warnings.filterwarnings("ignore", "All samples have mutually equal similarities")  # it then makes one
            try:
                found: Ints = model.fit_predict(embedding.astype(np.float64))
            except ConvergenceWarning:
                continue
        if found.min() >= 0:
            return found
    return None

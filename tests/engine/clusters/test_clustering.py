"""Clusters: number, method, merging, numbering, determinism."""

from __future__ import annotations

import random

import numpy as np
import pytest
import threadpoolctl
from sklearn.metrics import adjusted_rand_score

from scgnn2_engine.clusters import clustering
from scgnn2_engine.clusters.clustering import cluster, clustering_embedding, iterate_clustering, next_cluster_count
from scgnn2_engine.clusters.communities import by_size, communities, merge_small
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.events import Notice
from scgnn2_engine.graph.neighbours import build_graph
from scgnn2_engine.graph.rescale import rescale_into
from scgnn2_engine.params import ClusteringParams

GROUPS = np.repeat([0, 1, 2], [40, 30, 20])


@pytest.fixture
def points(rng):
    """Three groups of 40, 30 and 20 cells, far apart."""
    return (rng.normal(size=(90, 4)) + 20 * GROUPS[:, None]).astype(np.float32)


@pytest.fixture
def graph(points):
    return build_graph(points, construction="v2", n_neighbours=10)


def collect(steps):
    notices = []
    while True:
        try:
            notices.append(next(steps))
        except StopIteration as end:
            return notices, end.value


@pytest.mark.parametrize(
    "chosen",
    [
        {"method": "KMeans"},
        {"method": "KMeans", "embed": "feature"},
        {"method": "KMeans", "embed": "both"},
        {"method": "Leiden", "resolution": 0.1},
        {"louvain_only": True, "resolution": 0.1},
        {"method": "AffinityPropagation"},
    ],
    ids=str,
)
def test_groups_are_found_and_equal_seeds_give_equal_bytes(points, graph, chosen):
    params = ClusteringParams(**chosen)
    first, again = (cluster(graph, points, points[:, :2], params, n_clusters_smoothed=3.0, seed=7) for _ in range(2))
    assert first.labels.tobytes() == again.labels.tobytes()
    assert first.labels.dtype == np.int32
    assert adjusted_rand_score(first.labels, GROUPS) > (0.4 if chosen.get("method") == "AffinityPropagation" else 0.95)
    sizes = np.bincount(first.labels)
    assert (sizes > 0).all()
    assert (np.diff(sizes) <= 0).all()


def test_number_of_clusters_follows_the_communities():
    found = np.arange(10)
    assert next_cluster_count(found, None) == 8
    assert next_cluster_count(np.zeros(5, int), None) == 2
    assert next_cluster_count(np.arange(2000) % 10, None) == 5
    assert next_cluster_count(np.arange(1999) % 10, None) == 8
    assert next_cluster_count(found, 4.0) == pytest.approx(0.95 * 4 + 0.05 * 8)
    assert next_cluster_count(found, 4.0, flexible=True) == 8


def test_k_means_takes_the_smoothed_number(points, graph):
    n_found = len(np.unique(communities(graph, "louvain", seed=1)))
    first = cluster(graph, points, points, ClusteringParams(), seed=1)
    assert first.n_clusters_smoothed == max(2, 0.8 * n_found)
    smoothed = cluster(graph, points, points, ClusteringParams(), n_clusters_smoothed=12.0, seed=1)
    assert smoothed.n_clusters_smoothed == pytest.approx(0.95 * 12 + 0.05 * first.n_clusters_smoothed)
    assert smoothed.labels.max() + 1 == round(smoothed.n_clusters_smoothed)
    flexible = cluster(graph, points, points, ClusteringParams(use_flexible_k=True), n_clusters_smoothed=12.0, seed=1)
    assert flexible.n_clusters_smoothed == first.n_clusters_smoothed


def test_what_is_clustered():
    e, z = np.arange(11.0)[:, None], np.linspace(-1, 1, 22).reshape(11, 2)
    assert np.array_equal(clustering_embedding(e, z, ClusteringParams(embed="graph")), e.astype(np.float32))
    assert np.array_equal(clustering_embedding(e, z, ClusteringParams(embed="feature")), z.astype(np.float32))
    both = clustering_embedding(e, z, ClusteringParams(embed="both"))
    assert both.shape == (11, 3)
    np.testing.assert_allclose([both[:, 1:].min(), both[:, 1:].max()], [1, 9], rtol=1e-6)
    np.testing.assert_allclose(both[:, 1:].ravel(), np.linspace(1, 9, 22), rtol=1e-6)


def test_constant_values_are_rescaled_without_dividing_by_zero():
    assert rescale_into(np.full((3, 2), 4.0), np.arange(11.0)[:, None]).tolist() == [[1.0, 1.0]] * 3


def test_numbering_by_size_then_by_first_cell():
    assert by_size(np.array([9, 4, 4, 7, 9, 1])).tolist() == [0, 1, 1, 2, 0, 3]
    assert by_size(np.array([0])).dtype == np.int32


def test_small_clusters_are_merged_only_where_there_are_too_many():
    thirty = by_size(np.repeat(np.arange(30), [6] * 28 + [2, 1]))
    assert merge_small(thirty) is thirty
    # 31 clusters: 28 of 6 cells, then 4, 3 and 2, which become one of 9 cells, the largest.
    labels = by_size(np.repeat(np.arange(31), [6] * 28 + [4, 3, 2]))
    merged = merge_small(labels)
    assert np.bincount(merged).tolist() == [9] + [6] * 28
    assert (merged[-9:] == 0).all()
    # 33 clusters of 5 cells and more: those numbered 30, 31, 32 are merged.
    merged = merge_small(by_size(np.repeat(np.arange(33), np.arange(40, 7, -1))))
    assert len(np.bincount(merged)) == 31
    assert len(np.unique(merged[np.repeat(np.arange(33), np.arange(40, 7, -1)) >= 30])) == 1


def test_merging_is_told(points, graph):
    notices, clusters = collect(
        iterate_clustering(graph, points, points, ClusteringParams(), n_clusters_smoothed=50.0, seed=1)
    )
    assert [type(notice) for notice in notices] == [Notice]
    assert "were merged" in notices[0].message
    assert notices[0].stage == "clustering"
    assert clusters.labels.max() + 1 <= 31


def test_never_more_clusters_than_distinct_cells():
    points = np.repeat(np.array([[0.0], [1.0], [5.0]]), 8, axis=0)
    graph = build_graph(points, construction="v1", n_neighbours=4)
    notices, clusters = collect(
        iterate_clustering(graph, points, points, ClusteringParams(), n_clusters_smoothed=9.0, seed=1)
    )
    assert "3 distinct cells; it makes 3" in notices[0].message
    assert np.bincount(clusters.labels).tolist() == [8, 8, 8]


@pytest.mark.parametrize("method", ["KMeans", "Leiden", "AffinityPropagation"])
@pytest.mark.parametrize("construction", ["v0", "v1", "v2"])
def test_cells_that_are_all_alike(method, construction):
    points = np.ones((12, 3))
    graph = build_graph(points, construction=construction, n_neighbours=4 if construction != "v0" else 10)
    labels = cluster(graph, points, points, ClusteringParams(method=method)).labels
    assert len(labels) == 12
    if method == "KMeans":
        assert labels.max() == 0


def test_duplicates_do_not_hide_the_other_edges(points):
    plain = communities(build_graph(points, construction="v2", n_neighbours=10), "louvain", 0.1)
    points[1] = points[0]  # one edge of weight 1e16
    with_duplicates = communities(build_graph(points, construction="v2", n_neighbours=10), "louvain", 0.1)
    assert adjusted_rand_score(plain, GROUPS) == adjusted_rand_score(with_duplicates, GROUPS) == 1


@pytest.mark.parametrize("method", ["louvain", "leiden"])
def test_isolated_cells_are_communities_of_their_own(method):
    graph = CellGraph(np.array([[1], [0], [0]]), np.ones((3, 1), np.float32), np.array([[1.0], [1], [0]], np.float32))
    assert communities(graph, method).tolist() == [0, 0, 1]


@pytest.mark.parametrize("method", ["louvain", "leiden"])
def test_communities_follow_their_seed_and_leave_global_generators_alone(graph, method):
    import igraph

    random.seed(5)
    states = random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    first = communities(graph, method, seed=3)
    random.seed(6)
    assert communities(graph, method, seed=3).tobytes() == first.tobytes()
    random.setstate(states[0])
    communities(graph, method, seed=3)
    assert (random.getstate(), np.random.get_state()[1].tobytes()) == states  # noqa: NPY002
    # igraph draws from Python's generator again, as without us
    random.seed(5)
    one = igraph.Graph.Erdos_Renyi(20, 0.3).get_edgelist()
    random.seed(5)
    assert igraph.Graph.Erdos_Renyi(20, 0.3).get_edgelist() == one


def test_thread_limits_are_restored(points, graph):
    before = threadpoolctl.threadpool_info()
    cluster(graph, points, points, ClusteringParams())
    after = {pool["filepath"]: pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    assert all(after[pool["filepath"]] == pool["num_threads"] for pool in before)


def test_affinity_propagation_is_refused_on_many_cells(monkeypatch, points, graph):
    monkeypatch.setattr(clustering, "AFFINITY_UP_TO", 80)
    with pytest.raises(ParameterError, match=r"at most 80 cells.*90 cells, 0\.0 GiB.*KMeans or Leiden"):
        cluster(graph, points, points, ClusteringParams(method="AffinityPropagation"))


def test_affinity_propagation_that_does_not_converge_falls_back_to_k_means(monkeypatch, points, graph):
    from sklearn.cluster import AffinityPropagation

    monkeypatch.setattr("sklearn.cluster.AffinityPropagation", lambda **chosen: AffinityPropagation(max_iter=3))
    params = ClusteringParams(method="AffinityPropagation")
    notices, clusters = collect(iterate_clustering(graph, points, points, params, n_clusters_smoothed=3.0))
    assert "did not converge" in notices[0].message
    assert notices[0].level == "warning"
    plain = cluster(graph, points, points, ClusteringParams(), n_clusters_smoothed=3.0)
    assert clusters.labels.tobytes() == plain.labels.tobytes()


def test_embeddings_of_other_cells_are_refused(points, graph):
    with pytest.raises(InputError, match="90 cells in all three"):
        cluster(graph, points[1:], points, ClusteringParams())

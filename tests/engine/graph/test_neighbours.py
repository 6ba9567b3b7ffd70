"""Neighbours, weights and normalisations of the cell graph: exact small values, and dense references."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import laplacian
from scipy.spatial.distance import cdist

from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.graph import neighbours as graph_module
from scgnn2_engine.graph.neighbours import (
    build_graph,
    column_stochastic,
    edge_weights,
    graph_change,
    neighbour_count,
    normalised_laplacian,
    row_stochastic,
    smoothed_graph,
    symmetric_normalised,
)

LINE = np.array([[0.0], [1.0], [3.0], [7.0]])


def brute_force(points, k):
    distances = cdist(points, points).astype(np.float32)
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, order, axis=1)


@pytest.fixture
def adjacency(rng):
    """Six cells, the last without edges."""
    dense = np.triu(rng.random((6, 6)) * (rng.random((6, 6)) < 0.7), 1)
    dense[:, 5] = 0
    return sp.csr_matrix(dense + dense.T)


@pytest.mark.parametrize(
    ("n_obs", "factor", "maximum", "construction", "expected"),
    [
        (1000, 0.05, 0, "v2", 50),
        (124, 0.05, 0, "v1", 6),
        (1000, 15, 0, "v2", 15),
        (10, 0.05, 0, "v2", 1),
        (10_000, 0.05, 30, "v2", 30),
        (1000, 0.05, 80, "v2", 50),
        (1000, 0.5, 0, "v0", 10),
        (1000, 0.5, 4, "v0", 4),
    ],
)
def test_number_of_neighbours(n_obs, factor, maximum, construction, expected):
    assert neighbour_count(n_obs, factor, maximum, construction) == expected


@pytest.mark.parametrize(("n_obs", "factor", "construction"), [(10, 10, "v2"), (10, 1.0, "v2"), (10, 0.05, "v0")])
def test_too_few_cells_for_the_neighbours_is_an_error_with_the_numbers(n_obs, factor, construction):
    with pytest.raises(ParameterError, match=r"fewer than 10 neighbours.*Found: 10"):
        neighbour_count(n_obs, factor, 0, construction)


def test_neighbours_of_points_on_a_line():
    found = build_graph(LINE, construction="v2", n_neighbours=2)
    assert found.neighbours.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert found.distances.tolist() == [[1, 3], [1, 2], [2, 3], [4, 6]]
    np.testing.assert_allclose(found.weights, [[1, 1 / 3], [1, 1 / 2], [1 / 2, 1 / 3], [1 / 4, 1 / 6]], rtol=1e-6)
    assert found.neighbours.dtype == np.int64
    assert found.distances.dtype == found.weights.dtype == np.float32


def test_weights_of_each_construction():
    distances = np.array([[1.0, 2.0, 3.0, 6.0]])  # mean 3, standard deviation sqrt(3.5)
    cut = 3 + np.sqrt(3.5)
    np.testing.assert_array_equal(edge_weights(distances, "v0"), [[1, 1, 1, 0]])
    np.testing.assert_allclose(edge_weights(distances, "v1"), [[1 - 1 / cut, 1 - 2 / cut, 1 - 3 / cut, 0]])
    np.testing.assert_allclose(edge_weights(distances, "v2"), [[1, 1 / 2, 1 / 3, 1 / 6]])
    with pytest.raises(ParameterError, match="v0, v1 or v2"):
        edge_weights(distances, "v3")


def test_equal_distances_are_within_their_own_mean():
    distances = np.full((1, 7), 0.1)
    np.testing.assert_array_equal(edge_weights(distances, "v0"), np.ones((1, 7)))
    np.testing.assert_array_equal(edge_weights(distances, "v1") <= 1e-9, True)


def test_duplicates_are_at_distance_zero_and_in_order_of_position():
    points = np.full((9, 3), 0.1) + np.array([0, 0, 0, 0, 0, 0, 0, 1, 2])[:, None]
    found = build_graph(points, construction="v1", n_neighbours=3)
    assert found.neighbours[0].tolist() == [1, 2, 3]
    assert found.neighbours[5].tolist() == [0, 1, 2]
    assert found.distances[:7].max() == 0
    assert found.weights[:7].min() == 1
    assert build_graph(points, construction="v2", n_neighbours=3).weights[0, 0] == np.float32(1e16)


def test_nearly_equal_points_far_from_the_origin_keep_their_distances():
    points = 1e4 + np.array([[0.0, 0.0], [1e-5, 0.0], [0.0, 3e-5], [5.0, 5.0]])
    found = build_graph(points, construction="v2", n_neighbours=2)
    expected = brute_force(points, 2)
    np.testing.assert_array_equal(found.neighbours, expected[0])
    np.testing.assert_allclose(found.distances, expected[1], rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(1, 5), st.booleans())
def test_neighbours_equal_brute_force_ties_included(seed, n_obs, d, on_a_grid):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 3, (n_obs, d)).astype(float) if on_a_grid else rng.normal(size=(n_obs, d))
    k = int(rng.integers(1, n_obs))
    found = build_graph(points, construction="v2", n_neighbours=k)
    neighbours, distances = brute_force(points, k)
    np.testing.assert_array_equal(found.neighbours, neighbours)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6)


def test_row_blocks_do_not_show(rng, monkeypatch):
    points = rng.normal(size=(50, 4))
    whole = build_graph(points, construction="v1", n_neighbours=6)
    monkeypatch.setattr(graph_module, "_BLOCK", 50 * 7)
    in_blocks = build_graph(points, construction="v1", n_neighbours=6)
    assert whole.neighbours.tobytes() == in_blocks.neighbours.tobytes()
    assert whole.weights.tobytes() == in_blocks.weights.tobytes()


@pytest.mark.parametrize("construction", ["v0", "v1", "v2"])
def test_permuting_cells_permutes_the_graph(rng, construction):
    points = rng.normal(size=(60, 5)).astype(np.float32)
    order = rng.permutation(60)
    plain = build_graph(points, construction=construction, n_neighbours=8)
    permuted = build_graph(points[order], construction=construction, n_neighbours=8)
    np.testing.assert_array_equal(order[permuted.neighbours], plain.neighbours[order])
    np.testing.assert_allclose(permuted.weights, plain.weights[order], rtol=1e-6)


def test_union_is_symmetric_and_only_the_weighted_one_leaves_out_edges_of_weight_zero():
    graph = CellGraph(
        np.array([[1], [2], [1]]), np.ones((3, 1), np.float32), np.array([[0.0], [0.5], [0.25]], np.float32)
    )
    assert graph.adjacency().toarray().tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert graph.adjacency(weighted=True).toarray().tolist() == [[0, 0, 0], [0, 0, 0.5], [0, 0.5, 0]]


@pytest.mark.parametrize("k", [0, 4, 9])
def test_impossible_number_of_neighbours(k):
    with pytest.raises(ParameterError, match="1 to 3 for 4 cells"):
        build_graph(LINE, construction="v2", n_neighbours=k)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_name_their_row(value):
    points = LINE.copy()
    points[2] = value
    with pytest.raises(InputError, match="row 2"):
        build_graph(points, construction="v2", n_neighbours=1)


@pytest.mark.slow
def test_approximate_search_finds_nearly_all_neighbours_twice_the_same(rng, monkeypatch):
    points = rng.normal(size=(1500, 8)).astype(np.float32)
    points[:3] = points[3]  # duplicates, too
    exact = build_graph(points, construction="v2", n_neighbours=10)
    monkeypatch.setattr(graph_module, "EXACT_UP_TO", 100)
    first, second, other = (build_graph(points, construction="v2", n_neighbours=10, seed=seed) for seed in (1, 1, 2))
    assert first.neighbours.tobytes() == second.neighbours.tobytes()
    assert first.weights.tobytes() == second.weights.tobytes()
    for found in (first, other):
        recall = np.mean([np.isin(a, b).mean() for a, b in zip(found.neighbours, exact.neighbours, strict=True)])
        assert recall > 0.98
        assert (found.neighbours != np.arange(1500)[:, None]).all()
        assert (np.diff(found.distances, axis=1) >= 0).all()
    assert first.distances[0, :3].tolist() == [0, 0, 0]


def test_cells_for_which_the_approximate_search_finds_too_few_are_searched_exhaustively(monkeypatch, rng):
    points = rng.normal(size=(30, 2))

    class Lossy:
        def __init__(self, data, n_neighbors, random_state, n_jobs):
            order = np.argsort(cdist(data, data), axis=1)[:, :n_neighbors]
            lengths = np.take_along_axis(cdist(data, data), order, axis=1).astype(np.float32)
            order[4, 2:], lengths[4, 2:] = -1, np.inf
            self.neighbor_graph = order, lengths

    monkeypatch.setitem(sys.modules, "pynndescent", SimpleNamespace(NNDescent=Lossy))
    monkeypatch.setattr(graph_module, "EXACT_UP_TO", 10)
    found = build_graph(points, construction="v2", n_neighbours=4)
    np.testing.assert_array_equal(found.neighbours, brute_force(points, 4)[0])


def test_normalisations_equal_dense_formulas_and_survive_isolated_cells(adjacency):
    dense = adjacency.toarray()
    degrees = dense.sum(axis=1)
    safe = np.where(degrees > 0, degrees, 1)
    np.testing.assert_allclose(row_stochastic(adjacency).toarray(), dense / safe[:, None])
    np.testing.assert_allclose(column_stochastic(adjacency).toarray(), dense / safe)
    np.testing.assert_allclose(row_stochastic(adjacency).sum(axis=1).A1, [1, 1, 1, 1, 1, 0])
    looped = dense + np.eye(6)
    root = np.sqrt(looped.sum(axis=1))
    np.testing.assert_allclose(symmetric_normalised(adjacency).toarray(), looped / root / root[:, None])
    np.testing.assert_allclose(normalised_laplacian(adjacency).toarray(), laplacian(dense, normed=True), atol=1e-15)


def test_change_of_the_smoothed_graph_equals_its_dense_formula(adjacency, rng):
    dense = adjacency.toarray()
    other = dense[::-1, ::-1]
    l0 = laplacian(dense, normed=True)

    def smooth(a):
        sums = a.sum(axis=0)
        return 0.3 * l0 + 0.7 * a / np.where(sums > 0, sums, 1)

    before, after = smoothed_graph(adjacency, adjacency, 0.3), smoothed_graph(adjacency, sp.csr_matrix(other), 0.3)
    np.testing.assert_allclose(after.toarray(), smooth(other), atol=1e-15)
    expected = np.abs(smooth(other) - smooth(dense)).mean() / np.abs(l0).mean()
    assert graph_change(after, before, adjacency) == pytest.approx(expected)
    assert graph_change(before, before, adjacency) == 0


def test_change_of_a_graph_without_edges():
    empty, pair = sp.csr_matrix((2, 2)), sp.csr_matrix([[0.0, 1.0], [1.0, 0.0]])
    before, after = smoothed_graph(empty, empty, 0.5), smoothed_graph(empty, pair, 0.5)
    assert graph_change(before, before, empty) == 0
    assert graph_change(after, before, empty) == np.inf


def test_nothing_dense_is_made_of_a_large_sparse_graph():
    n_obs = 200_000  # (n_obs, n_obs) floats would be 320 GB
    ring = sp.csr_matrix(sp.diags([1.0, 1.0], [-1, 1], shape=(n_obs, n_obs)))
    smoothed = smoothed_graph(ring, ring, 0.5)
    assert smoothed.nnz == 3 * n_obs - 2
    assert graph_change(smoothed, smoothed, ring) == 0

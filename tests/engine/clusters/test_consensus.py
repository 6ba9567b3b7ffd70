"""Clusters by consensus, of few cells by k-means; components; the mean of an ensemble."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

from scgnn2_engine.clusters.clustering import cluster
from scgnn2_engine.clusters.consensus import consensus, shared_neighbours
from scgnn2_engine.clusters.small_samples import better_separated, reproducible_k_means
from scgnn2_engine.data.blocks import BlockMatrix
from scgnn2_engine.graph.components import principal_components
from scgnn2_engine.graph.neighbours import build_graph, jaccard_weights
from scgnn2_engine.params import ClusteringParams, RunParams
from scgnn2_engine.run.loop import fit


@pytest.fixture
def blobs(rng):
    """Three groups of 80, 50 and 30 cells in 5 dimensions."""
    sizes = (80, 50, 30)
    kind = np.repeat(np.arange(3), sizes)
    return rng.normal(0, 1, (160, 5)) + 12 * np.eye(3, 5)[kind], kind


def neighbours(points, k=15):
    return build_graph(points, construction="v2", n_neighbours=k).neighbours


def test_shared_neighbours_are_counted_as_sets(rng):
    near = neighbours(rng.normal(size=(40, 3)), 6)
    sets = [{cell, *row} for cell, row in enumerate(near.tolist())]
    pairs = shared_neighbours(near)
    for row, col, weight in zip(pairs.rows, pairs.cols, pairs.jaccard, strict=True):
        assert row < col
        assert weight == pytest.approx(len(sets[row] & sets[col]) / len(sets[row] | sets[col]))
    found = set(zip(pairs.rows.tolist(), pairs.cols.tolist(), strict=True))
    for row in range(40):
        for col in range(row + 1, 40):
            share = len(sets[row] & sets[col]) / len(sets[row] | sets[col])
            assert ((row, col) in found) == (share > 1 / 15)


def test_jaccard_weights_are_the_same_shares(rng):
    near = neighbours(rng.normal(size=(30, 3)), 5)
    sets = [{cell, *row} for cell, row in enumerate(near.tolist())]
    weights = jaccard_weights(near)
    for cell, row in enumerate(near):
        for place, other in enumerate(row):
            share = len(sets[cell] & sets[other]) / len(sets[cell] | sets[other])
            assert weights[cell, place] == pytest.approx(share)


def test_groups_are_found_and_numbered_by_size(blobs):
    points, kind = blobs
    labels, together, pieces = consensus(neighbours(points), [neighbours(points), neighbours(points + 0.01)])
    assert np.array_equal(labels, kind)
    assert pieces.max() >= labels.max()
    assert together.min() >= 0
    assert together.max() <= 1


def test_the_order_of_cells_does_not_matter(blobs, rng):
    points, _ = blobs
    order = rng.permutation(len(points))
    labels, *_ = consensus(neighbours(points), [])
    shuffled, *_ = consensus(neighbours(points[order]), [])
    assert np.array_equal(shuffled, labels[order])


def test_members_that_disagree_loosen_their_pairs(blobs, rng):
    points, _ = blobs
    agreed = consensus(neighbours(points), [neighbours(points)] * 2)[1]
    disagreed = consensus(neighbours(points), [neighbours(points), neighbours(rng.normal(size=points.shape))])[1]
    assert disagreed.mean() < agreed.mean()


def test_k_means_of_few_cells_finds_as_many_as_halves_of_the_genes_agree_on(rng):
    kind = np.repeat([0, 1, 2], (60, 40, 20))
    expression = rng.normal(0, 1, (120, 200)) + 3 * rng.normal(size=(3, 200))[kind]
    assert np.array_equal(reproducible_k_means(expression, 10, seed=1), kind)


@pytest.mark.parametrize("n_obs", [1, 2, 5])
def test_too_few_cells_are_one_cluster(n_obs, rng):
    assert reproducible_k_means(rng.random((n_obs, 4)), 3).tolist() == [0] * n_obs


@pytest.mark.parametrize("components", [1, 3, 10])
def test_cells_of_one_kind_are_not_divided(components, rng):
    scores = rng.normal(size=(150, components)) * np.geomspace(8, 2, components)
    expression = scores @ rng.normal(size=(components, 200)) + rng.normal(size=(150, 200))
    assert reproducible_k_means(expression, 10).max() == 0


def test_a_run_of_cells_of_one_kind_gives_one_cluster():
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(1, 2, 300) * rng.gamma(2, 0.5, (120, 300)))
    params = RunParams(total_epoch=1, device="cpu", evaluate_baselines=False, evaluate_diagnostics=False)
    assert fit(AnnData(counts.astype(np.float32)), params).labels.max() == 0


def test_the_better_separated_clustering_is_taken(blobs):
    points, kind = blobs
    worse = (np.arange(len(points)) % 2).astype(np.int32)
    assert better_separated(worse, kind.astype(np.int32), points) is not worse
    nothing = np.zeros(len(points), np.int32)
    assert better_separated(nothing, nothing.copy(), points) is nothing


def test_the_stage_clusters_by_consensus(blobs):
    points, kind = blobs
    graph = build_graph(points, construction="jaccard", n_neighbours=15)
    params = ClusteringParams(method="consensus", resolution=0.1, embed="expression")
    found = cluster(graph, points[:, :2], points[:, :2], params, components=points)
    assert np.array_equal(found.labels, kind)
    np.testing.assert_array_equal(found.embedding, points.astype(np.float32))


@pytest.mark.parametrize("shape", [(30, 80), (80, 30), (600, 550)])
def test_components_are_those_of_the_full_decomposition(shape, rng):
    matrix = (rng.normal(size=(shape[0], 4)) * [9, 6, 4, 2]) @ rng.normal(size=(4, shape[1])) + 0.01 * rng.random(shape)
    u, s, _ = np.linalg.svd(matrix - matrix.mean(axis=0), full_matrices=False)
    found = principal_components(matrix, 4)
    np.testing.assert_allclose(np.abs(found), np.abs(u[:, :4] * s[:4]), rtol=2e-3, atol=2e-2)


def test_an_ensemble_is_the_mean_of_its_members():
    members = [np.full((2, 2), value, np.float32) for value in (1, 2, 6)]
    assert np.asarray(BlockMatrix.mean(members)).tolist() == [[3, 3], [3, 3]]
    assert members[0].tolist() == [[1, 1], [1, 1]]

"""The tree of clusters: what one population could have been cut into is merged, what no single one could is left."""

import numpy as np
import pytest

from scgnn2_engine.clusters.depth import told_by_depth
from scgnn2_engine.clusters.tree import cluster_tree, pair_tests, separation


def pieces(points, n):
    """Clusters by quantiles of the first coordinate."""
    return np.digitize(points[:, 0], np.quantile(points[:, 0], np.arange(1, n) / n))


@pytest.mark.parametrize("shape", ["normal", "exponential", "uniform", "two depths"])
def test_one_population_is_seldom_divided(shape):
    false = finer = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(300, 8)) * np.geomspace(5, 1, 8)
        if shape == "exponential":
            points[:, 0] = 5 * rng.exponential(size=300)
        elif shape == "uniform":
            points[:, 0] = 5 * rng.random(300)
        elif shape == "two depths":
            points *= rng.lognormal(0, 0.5, (300, 1))
        tree = cluster_tree(points, pieces(points, 2), pieces(points, 6), seed=seed)
        false += cluster_tree(points, pieces(points, 5), seed=seed).n_separated > 1
        finer += tree.n_finer > tree.cut(2).max() + 1
    assert false <= 3  # 1 is expected of 20 at most
    assert finer <= 3


@pytest.mark.parametrize("k", [2, 5, 20])
def test_separable_populations_are_found_whatever_they_were_cut_into(k, rng):
    kind = rng.permutation(np.repeat(np.arange(k), 40))
    points = rng.normal(size=(len(kind), 20)) + 2.5 * rng.normal(size=(k, 20))[kind]
    finer = 2 * kind + rng.integers(0, 2, len(kind))
    tree = cluster_tree(points, finer)
    assert abs(tree.n_separated - k) <= 0.1 * k
    assert [int(tree.cut(n).max()) + 1 for n in (1, 2, k, tree.n_leaves)] == [1, 2, k, tree.n_leaves]
    # A cut with more clusters only divides those of a cut with fewer.
    assert len(np.unique(np.stack([tree.cut(k), tree.cut(k + 1)]), axis=1).T) == k + 1


def test_too_few_cells_are_a_piece_of_the_nearest_cluster():
    points = np.array([0.0] * 20 + [10.0] * 20 + [11.0] * 3)[:, None] + np.random.default_rng(0).random((43, 1))
    assert cluster_tree(points, np.repeat([0, 1, 2], (20, 20, 3))).cut().tolist() == [1] * 20 + [0] * 23


def test_pairs_are_tested_and_a_valley_needs_cells_to_show(rng):
    points = np.concatenate([rng.normal(0, 1, 300), rng.normal(6, 1, 300)])[:, None]
    p, cost = pair_tests(points, np.repeat([0, 1], 300))
    assert p[0, 1] < 1e-9
    assert cost[0, 1] == pytest.approx(6, abs=0.5)
    assert separation(points[:4], points[300:304], rng)[0] > 0.05


def test_finer_pieces_divide_the_clusters_and_leave_them_as_they_are(rng):
    kind = rng.permutation(np.repeat(np.arange(6), 60))
    points = rng.normal(size=(len(kind), 10)) + 4 * rng.normal(size=(6, 10))[kind]
    coarse, fine = kind // 2, 2 * kind + rng.integers(0, 2, len(kind))
    tree, alone = cluster_tree(points, coarse, fine), cluster_tree(points, coarse)
    assert tree.cut().tolist() == alone.cut().tolist()
    assert (tree.n_separated, tree.n_finer, tree.n_leaves) == (3, 6, 12)
    assert len(np.unique(np.stack([tree.cut(6), kind]), axis=1).T) == 6  # found, though two lay in each cluster
    for n in range(1, 12):  # a cut with one more divides one cluster
        assert len(np.unique(np.stack([tree.cut(n), tree.cut(n + 1)]), axis=1).T) == n + 1


def test_neighbours_that_depth_alone_tells_apart_are_named(rng):
    kind = np.repeat([0, 1, 2, 3], 50)
    points = rng.normal(size=(200, 4)) + np.array([[0, 0, 0, 0], [9, 0, 0, 0], [0, 40, 0, 0], [0, 40, 9, 0]])[kind]
    tree = cluster_tree(points, kind)
    depth = rng.integers(500, 600, 200) + np.array([0, 95, 0, 20])[kind]
    ((deep, shallow, share),) = told_by_depth(tree, kind, depth, points)
    higher = depth[kind == 1][:, None] - depth[kind == 0]
    assert (deep, shallow) == (1, 0)
    assert share == pytest.approx(np.mean(higher > 0) + np.mean(higher == 0) / 2)
    # Of the branches 0, 1 and 2, 3, which merge last, 0 and 2 are the nearest.
    assert told_by_depth(tree, kind, np.where(kind < 2, 500, 900), points) == [(2, 0, 1.0)]
    assert told_by_depth(tree, tree.cut(1), depth, points) == []

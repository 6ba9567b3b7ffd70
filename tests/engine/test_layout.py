"""The map of the cells."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from scgnn2_engine.graph import build_graph
from scgnn2_engine.plots import umap_positions
from scgnn2_engine.plots.layout import fuzzy_union


@pytest.mark.parametrize("n_obs", [1, 2, 3, 4, 20])
def test_umap_takes_any_number_of_cells_and_is_reproducible(rng: np.random.Generator, n_obs: int) -> None:
    embedding = rng.random((n_obs, 4), dtype=np.float32)
    first, second = umap_positions(embedding, 1), umap_positions(embedding, 1)
    assert first.shape == (n_obs, 2)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)


def test_groups_that_are_apart_stay_apart_and_neighbours_stay_neighbours(rng: np.random.Generator) -> None:
    groups = np.repeat(np.arange(4), 60)
    embedding = (4 * np.eye(8)[groups] + rng.normal(scale=0.5, size=(240, 8))).astype(np.float32)
    positions = umap_positions(embedding, 3)
    near = build_graph(positions, construction="v2", n_neighbours=5).neighbours
    assert (groups[near] == groups[:, None]).mean() > 0.99
    assert trustworthiness(embedding, positions, n_neighbors=15) > 0.9
    assert not np.array_equal(positions, umap_positions(embedding, 4))


def test_equal_cells_are_mapped(rng: np.random.Generator) -> None:
    same = np.ones((30, 4), dtype=np.float32)
    assert np.isfinite(umap_positions(same)).all()
    half = np.concatenate([same, rng.random((30, 4), dtype=np.float32)])
    assert np.isfinite(umap_positions(half)).all()
    assert np.isfinite(umap_positions(half[:, :1])).all()


def test_the_weights_of_a_cell_sum_to_the_logarithm_of_its_neighbours(rng: np.random.Generator) -> None:
    graph = build_graph(rng.random((50, 3)), construction="v2", n_neighbours=7)
    union = fuzzy_union(graph.neighbours, graph.distances)
    assert abs(union - union.T).max() == 0
    assert union.max() == 1  # the nearest neighbour's edge is certain
    # of a probabilistic union: 1 − (1 − p)(1 − q); with no edge mutual it is the directed weights themselves
    star = fuzzy_union(np.array([[1, 2], [2, 3], [3, 1], [1, 2]]), np.array([[1.0, 2.0]] * 4))
    assert star[0].sum() == pytest.approx(np.log2(3), abs=1e-4)

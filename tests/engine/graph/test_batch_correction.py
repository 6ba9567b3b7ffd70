"""Batches brought together: shared types meet, others stay apart."""

import numpy as np
import pytest

from scgnn2_engine.data.batches import Batches
from scgnn2_engine.graph.batch_correction import correct_batches, mutual_neighbours, same_types
from scgnn2_engine.graph.batch_mixing import batch_mixing, lisi
from scgnn2_engine.graph.neighbours import build_graph

SHIFT = np.array([0.0, 0, 0, 0, 6.0])


def cells(types, seed=0):
    """Points of some types, 10 apart, that vary by 1 in every direction."""
    return 7 * np.eye(5)[types] + np.random.default_rng(seed).normal(size=(len(types), 5))


def mixing(points, batches):
    neighbours = build_graph(points, construction="v2", n_neighbours=15).neighbours
    return float((batches.codes[neighbours] != batches.codes[:, None]).mean())


def test_types_of_two_batches_meet_and_the_largest_batch_stays():
    types = np.arange(300) % 3
    batches = Batches.of(np.repeat(["a", "b"], [180, 120]))
    points = cells(types) + batches.codes[:, None] * SHIFT
    found = correct_batches(points, batches)
    assert found.apart == ()
    assert mixing(points, batches) < 0.01
    assert mixing(found.points, batches) > 0.3
    assert (found.points[:180] == points[:180].astype(np.float32)).all()
    nearest = build_graph(found.points, construction="v2", n_neighbours=15).neighbours
    assert (types[nearest] == types[:, None]).mean() > 0.99


def test_a_type_that_one_batch_alone_has_stays_apart():
    types = np.concatenate([np.arange(200) % 2, np.arange(210) % 3])
    batches = Batches.of(np.repeat(["a", "b"], [200, 210]))
    found = correct_batches(cells(types) + batches.codes[:, None] * SHIFT, batches)
    alone = np.flatnonzero(types == 2)
    nearest = build_graph(found.points, construction="v2", n_neighbours=15).neighbours[alone]
    assert found.apart == ()
    assert (types[nearest] == 2).mean() > 0.99
    assert mixing(found.points[types < 2], Batches(batches.names, batches.codes[types < 2])) > 0.3


@pytest.mark.parametrize("of_one", [[0], [0, 1]])
def test_batches_that_are_types_are_not_merged_and_named(of_one):
    others = [2] if of_one == [0] else [2, 3]
    types = np.concatenate([np.resize(of_one, 110), np.resize(others, 100)])
    batches = Batches.of(np.repeat(["a", "b"], [110, 100]))
    points = cells(types)
    found = correct_batches(points, batches)
    assert found.apart == ("b",)
    assert (found.points == points.astype(np.float32)).all()


def test_small_batches_stay_where_they_are():
    batches = Batches.of(["a"] * 60 + ["b"])
    points = cells(np.arange(61) % 3)
    assert (correct_batches(points, batches).points == points.astype(np.float32)).all()
    tiny = Batches.of(np.arange(61) % 20)
    assert (correct_batches(points, tiny).points == points.astype(np.float32)).all()


def test_fifty_batches_meet():
    batches = Batches.of(np.arange(1000) % 50)
    points = cells(np.arange(1000) % 3) + np.random.default_rng(1).normal(0, 1.5, (50, 5))[batches.codes]
    found = correct_batches(points, batches)
    assert mixing(found.points, batches) > mixing(points, batches)
    assert np.isfinite(found.points).all()


def test_mutual_neighbours_are_mutual():
    one, other = np.array([[0.0], [5.0]]), np.array([[1.0], [4.0], [20.0]])
    assert mutual_neighbours(one, other, k=1).tolist() == [[0, 0], [1, 1]]
    assert not same_types(one[:1], other[:1])


def test_mixing_of_four_cells_in_a_line_is_known():
    """Two neighbours of each, before and after the two in the middle changed places."""
    batches = Batches.of(["a", "a", "b", "b"])
    graph = build_graph(np.array([[0.0], [2.5], [1.0], [4.5]]), construction="v2", n_neighbours=2)
    assert graph.neighbours.tolist() == [[2, 1], [2, 3], [0, 1], [1, 2]]
    found = batch_mixing(np.array([[0.0], [1.0], [2.5], [4.5]]), graph, batches)
    assert found.before == np.mean([2, 2, 2, 2])  # 1 and 2, 0 and 2, 1 and 3, 2 and 1
    assert found.after == np.mean([2, 1, 1, 2])
    assert found.by_chance == 2
    assert lisi(np.array([[0, 1, 2, 3]]), np.array([0, 0, 0, 1])) == 1.6

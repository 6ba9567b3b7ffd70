"""Edges and cells as pixels."""

from __future__ import annotations

import numpy as np
import pytest

from scgnn2_app.charts import shading
from scgnn2_app.charts.shading import MOST_PIXELS, EdgeShader, Window, cells_picture, warm_up, whole
from scgnn2_engine.plots.bokeh_marks import quantised

SQUARE = Window((0.0, 1.0), (0.0, 1.0), 40, 40)
CROSS = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
EDGES = np.array([[0, 2], [1, 3]])


def test_warming_up_draws(capsys: pytest.CaptureFixture[str]) -> None:
    warm_up()
    assert capsys.readouterr().out == ""


def test_the_cutoff_leaves_weak_edges_out() -> None:
    shader = EdgeShader(CROSS, EDGES, np.array([0.2, 0.9]))
    both, strong = shader.picture(SQUARE, thick=False), shader.picture(SQUARE, cutoff=0.5, thick=False)
    assert [bool(both[5, 5]), bool(strong[5, 5])] == [True, False]
    assert [bool(both[5, 34]), bool(strong[5, 34])] == [True, True]
    assert [shader.above(0.0), shader.above(0.5), shader.above(1.0)] == [2, 1, 0]
    assert not shader.picture(SQUARE, cutoff=2.0).any()


def test_a_larger_edgescale_widens_and_draws_no_line_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    original = shading._cross
    monkeypatch.setattr(shading, "_cross", lambda *args: drawn.append(1) or original(*args))
    shader = EdgeShader(CROSS, EDGES, np.array([0.01, 1.0]))
    thin = shader.picture(SQUARE, edgescale=0.01)
    count = len(drawn)
    thick = shader.picture(SQUARE, edgescale=0.1)
    assert (thick > 0).sum() > (thin > 0).sum()
    assert len(drawn) == count


def test_edges_of_weight_zero_are_not_drawn() -> None:
    shader = EdgeShader(CROSS, EDGES, np.array([0.0, 1.0]))
    assert shader.n_edges == 1
    assert not EdgeShader(CROSS, EDGES, np.zeros(2)).picture(SQUARE).any()
    assert not EdgeShader(np.zeros((1, 2)), np.empty((2, 0), int), np.empty(0)).picture(SQUARE).any()


def test_zooming_shows_the_part_that_is_seen() -> None:
    shader = EdgeShader(CROSS, EDGES, np.array([0.5, 0.5]))
    corner = Window((0.0, 0.1), (0.0, 0.1), 20, 20)
    picture = shader.picture(corner, thick=False)
    assert picture.diagonal().all()
    assert (picture > 0).sum() == 20


def test_edges_permuted_give_the_same_picture() -> None:
    rng = np.random.default_rng(0)
    positions, edges = rng.random((50, 2)), rng.integers(0, 50, (2, 300))
    weights = rng.random(300)
    order = rng.permutation(300)
    first = EdgeShader(positions, edges, weights).picture(SQUARE)
    second = EdgeShader(positions, edges[:, order], weights[order]).picture(SQUARE)
    assert np.array_equal(first, second)


def test_no_picture_is_larger_than_a_message_may_be() -> None:
    window = whole(CROSS, 4000, 3000)
    picture = EdgeShader(CROSS, EDGES, np.ones(2)).picture(window)
    assert picture.nbytes <= MOST_PIXELS < 2**20
    assert picture.dtype == np.uint8


def test_cells_lie_in_order_and_outside_is_left_out() -> None:
    places = np.array([[0.5, 0.5], [0.5, 0.5], [2.0, 2.0], [0.1, 0.1]])
    picture = cells_picture(places, np.array([9, 4, 7, 0]), SQUARE, node_size=1)
    assert sorted(np.unique(picture)) == [0, 9]
    assert (cells_picture(places, np.array([9, 4, 7, 0]), SQUARE, node_size=5) == 9).sum() > 9


def test_numbers_become_levels() -> None:
    assert quantised(np.array([-1.0, 0.5, 2.0, np.nan]), 0.0, 1.0).tolist() == [2, 128, 255, 1]
    assert quantised(np.array([3.0, 3.0]), 3.0, 3.0).tolist() == [2, 2]


def test_a_window_around_one_cell_or_none() -> None:
    assert whole(np.array([[1.0, 2.0]]), 10, 10).x == (0.0, 2.0)
    assert whole(np.array([[np.nan, 0.0]]), 10, 10).x == (0.0, 1.0)

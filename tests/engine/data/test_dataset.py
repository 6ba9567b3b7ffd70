"""The data that walks through the rooms: shapes, exact values, invariants."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Dataset, Truth
from scgnn2_engine.data.prepared import HiddenEntries, Prepared
from scgnn2_engine.results.result import Result


def prepared(**changes: Any) -> Prepared:
    x = np.array([[0, 1, 2], [3, 0, 4]], dtype=np.float32)
    values: dict[str, Any] = {
        "x": x,
        "size_factors": np.ones(2, np.float32),
        "expression": np.expm1(x),
        "scale": "counts",
        "obs_names": np.array(["a", "b"]),
        "var_names": np.array(["g", "h", "i"]),
        "cells": np.arange(2),
        "genes": np.arange(3),
    }
    return Prepared(**{**values, **changes})


def graph(neighbours: list[list[int]], weights: list[list[float]]) -> CellGraph:
    return CellGraph(np.array(neighbours), np.ones_like(weights, dtype=np.float32), np.array(weights, dtype=np.float32))


# ---- truth and data


def test_truth_is_taken_by_position_and_keeps_its_source() -> None:
    taken = Truth(np.array(["a", "", "c"]), "labels.csv").take(np.array([2, 0]))
    assert taken.sealed_labels.tolist() == ["c", "a"]
    assert taken.source == "labels.csv"


@pytest.mark.parametrize("expression", [np.zeros((4, 3)), sp.csr_matrix((4, 3))], ids=["dense", "sparse"])
def test_a_data_set_counts_cells_and_genes(expression: Any) -> None:
    names = np.array(["n"])
    data = Dataset(expression, names, names, "counts")
    assert (data.n_obs, data.n_vars) == (4, 3)
    assert (data.truth, data.states, data.bulk, data.notes, dict(data.facts)) == (None, None, None, (), {})


def test_data_is_frozen() -> None:
    data = Dataset(np.zeros((1, 1)), np.array(["a"]), np.array(["g"]), "counts")
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.scale = "logged"  # type: ignore[misc]


def test_hidden_entries_have_a_length() -> None:
    assert len(HiddenEntries(np.array([0, 1]), np.array([2, 0]), np.array([1, 2], dtype=np.float32))) == 2


# ---- prepared


def test_prepared_counts_kept_cells_and_genes() -> None:
    assert (prepared().n_obs, prepared().n_vars) == (2, 3)
    assert prepared(expression=sp.csr_matrix((2, 3))).n_vars == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expression": np.zeros((3, 2))}, r"expression of shape \(2, 3\), found \(3, 2\)"),
        ({"size_factors": np.ones(3, np.float32)}, r"2 size factors, found \(3,\)"),
        ({"obs_names": np.array(["a"])}, "2 cell and 3 gene names, found 1 and 3"),
        ({"var_names": np.array(["g"])}, "2 cell and 3 gene names, found 2 and 1"),
        ({"states": np.zeros((2, 2), np.uint8)}, r"states of shape \(2, 3\), found \(2, 2\)"),
    ],
)
def test_prepared_refuses_shapes_that_do_not_agree(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepared(**changes)


def test_size_factors_are_put_back_before_the_logarithm() -> None:
    ready = prepared(size_factors=np.array([2, 0.5], np.float32))
    x = np.log1p(np.array([[0, 1, 3], [4, 0, 8]], dtype=np.float32))
    restored = ready.to_output_scale(x)
    np.testing.assert_allclose(np.expm1(restored), [[0, 2, 6], [2, 0, 4]], rtol=1e-6)
    assert restored.dtype == np.float32
    np.testing.assert_allclose(np.expm1(x), [[0, 1, 3], [4, 0, 8]], rtol=1e-6)


def test_without_size_factors_the_output_is_the_same() -> None:
    x = np.array([[0.5, 1, 2], [3, 0, 4]])
    restored = prepared().to_output_scale(x)
    assert restored.tolist() == x.tolist()
    assert restored.dtype == np.float32


# ---- the cell graph


def test_edges_run_from_cell_to_neighbour() -> None:
    cells = graph([[1, 2], [0, 2], [1, 0]], [[1, 1]] * 3)
    assert (cells.n_obs, cells.k) == (3, 2)
    assert cells.edge_index.tolist() == [[0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 1, 0]]
    assert cells.edge_index.dtype == np.int64


def test_the_adjacency_is_the_union_with_the_larger_weight() -> None:
    cells = graph([[1], [2], [1]], [[0.5], [0.25], [4]])
    assert cells.adjacency().toarray().tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert cells.adjacency(weighted=True).toarray().tolist() == [[0, 0.5, 0], [0.5, 0, 4], [0, 4, 0]]


def test_edges_of_weight_zero_are_left_out_of_the_weighted_union_only() -> None:
    cells = graph([[1, 2], [0, 2], [0, 1]], [[0, 1], [0, 0], [0.5, 0]])
    for weighted, expected in (
        (False, [[0, 1, 1], [1, 0, 1], [1, 1, 0]]),
        (True, [[0, 0, 1], [0, 0, 0], [1, 0, 0]]),
    ):
        adjacency = cells.adjacency(weighted=weighted)
        assert adjacency.toarray().tolist() == expected
        assert adjacency.nnz == np.count_nonzero(expected)
        assert adjacency.has_sorted_indices


def test_permuting_cells_permutes_the_adjacency(rng: np.random.Generator) -> None:
    n, k = 12, 3
    neighbours = np.array([rng.choice(np.delete(np.arange(n), i), k, replace=False) for i in range(n)])
    weights = rng.random((n, k)).astype(np.float32)
    order = rng.permutation(n)
    place = np.argsort(order)
    moved = CellGraph(place[neighbours[order]], weights[order], weights[order])
    whole = CellGraph(neighbours, weights, weights).adjacency(weighted=True).toarray()
    np.testing.assert_array_equal(moved.adjacency(weighted=True).toarray(), whole[np.ix_(order, order)])
    np.testing.assert_array_equal(whole, whole.T)
    assert np.trace(whole) == 0


def test_a_graph_of_different_shapes_is_refused() -> None:
    ones: npt.NDArray[np.float32] = np.ones((2, 1), np.float32)
    with pytest.raises(ValueError, match=r"one shape, found \(2, 1\), \(2, 1\), \(2, 2\)"):
        CellGraph(np.array([[1], [0]]), ones, np.ones((2, 2), np.float32))


# ---- the result


def test_the_selected_iteration_is_the_marked_row() -> None:
    matrix = np.zeros((2, 3), np.float32)
    metrics = pd.DataFrame({"iteration": [1, 2, 3], "selected": [False, True, False]})
    result = Result(
        {"imputed": matrix},
        np.zeros(2, np.int32),
        matrix,
        matrix,
        matrix,
        graph([[1], [0]], [[1], [1]]),
        metrics,
        pd.DataFrame(),
        pd.DataFrame(),
        prepared(),
        {},
    )
    assert result.selected_iteration == 2
    assert (result.obs, result.umap, result.deconvolution) == (None, None, None)

"""The expected memory grows as it should, and runs that do not fit are refused with the numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.errors import InsufficientMemoryError
from scgnn2_engine.graph.neighbours import neighbour_count
from scgnn2_engine.params import RunParams
from scgnn2_engine.run.memory import BYTES_PER_EDGE, check_memory, expected_memory, memory_parts

GIB = 2**30


def dataset(n_obs: int, n_vars: int) -> Dataset:
    expression = sp.csr_matrix(np.eye(n_obs, n_vars, dtype=np.float32))
    return Dataset(expression, np.arange(n_obs).astype(str), np.arange(n_vars).astype(str), "counts")


def test_the_default_grows_with_the_matrix_and_not_faster() -> None:
    params = RunParams(threads=2)
    sizes = [expected_memory(n, 2000, params) for n in (20_000, 40_000, 80_000)]
    assert sizes[2] - sizes[1] == pytest.approx(2 * (sizes[1] - sizes[0]), rel=1e-6)
    # Of the genes grow the matrix and what is seen of it, five times its size in all; the cell graph does not.
    assert expected_memory(40_000, 4000, params) > sizes[1] + 5 * 4 * 40_000 * 2000


def test_the_mouse_lung_is_expected_to_fit_in_four_gigabytes() -> None:
    assert 0.7 * GIB < expected_memory(6940, 2000, RunParams(run_LTMG=True, threads=2)) < 4e9


@pytest.mark.parametrize(
    ("n_obs", "k", "values"),
    [
        (1000, 50, {"preset": "paper"}),
        (100_000, 15, {}),
        (1000, 10, {"graph_AE_graph_construction": "v0"}),
        (1000, 7, {"graph_AE_graph_construction": "v0", "graph_AE_neighborhood_max": 7}),
    ],
)
def test_the_graph_is_counted_with_the_neighbours_it_will_have(n_obs: int, k: int, values: dict[str, object]) -> None:
    params = RunParams(threads=1, **values)
    graph = params.graph_AE
    made = neighbour_count(n_obs, graph.neighborhood_factor, graph.neighborhood_max, graph.graph_construction)
    assert made == k
    assert memory_parts(n_obs, 100, params)["the cell graph"] == n_obs * k * BYTES_PER_EDGE


def test_too_few_cells_for_the_neighbours_count_with_all_others() -> None:
    params = RunParams(threads=1, graph_AE_neighborhood_factor=20)
    assert memory_parts(5, 100, params)["the cell graph"] == 5 * 4 * BYTES_PER_EDGE


def test_networks_are_counted_by_the_processors_in_use_up_to_31_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    def networks(n_threads: int) -> int:
        return memory_parts(100, 50, RunParams(threads=n_threads))["networks with Adam"]

    one = networks(1) // 2  # the feature autoencoder's and one cluster's
    assert networks(31) == networks(32) == networks(500) == 32 * one
    monkeypatch.setattr("scgnn2_engine.resources.usable_processors", lambda: 3)
    assert networks(0) == networks(3) == 4 * one
    monkeypatch.setattr("scgnn2_engine.resources.usable_processors", lambda: 200)
    assert networks(0) == 32 * one


def test_affinity_propagation_is_counted_by_pairs_of_cells() -> None:
    parts = memory_parts(10_000, 100, RunParams(clustering_method="AffinityPropagation"))
    assert parts["affinity propagation's four n x n matrices"] == 32 * 10_000**2


def test_a_run_that_does_not_fit_is_refused_with_both_numbers_and_the_cause() -> None:
    params = RunParams(clustering_method="AffinityPropagation", max_memory=8.0, threads=1)
    with pytest.raises(InsufficientMemoryError) as error:
        check_memory(dataset(30_000, 50), params)
    assert "at most 8 GiB (max_memory)" in str(error.value)
    needed = float(re.match(r"([\d.]+) GiB", error.value.found)[1])  # type: ignore[index]
    assert needed > 32 * 30_000**2 / GIB
    assert "affinity propagation" in error.value.problem
    assert "KMeans or Leiden" in error.value.advice


def test_the_free_memory_is_the_limit_unless_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scgnn2_engine.run.memory.available_memory", lambda: -(2**62))
    with pytest.raises(InsufficientMemoryError, match="free now"):
        check_memory(dataset(100, 50), RunParams(threads=1))
    assert check_memory(dataset(100, 50), RunParams(threads=1, max_memory=4.0)) < 4 * GIB


def test_the_number_of_selected_genes_counts_not_that_of_all() -> None:
    params = RunParams(threads=1, max_memory=16.0)
    few, all_of_them = (params.replace(preprocess_top_gene_select=n) for n in (100, -1))
    assert check_memory(dataset(1000, 5000), few) < check_memory(dataset(1000, 5000), all_of_them)


def test_ltmg_is_counted_by_what_is_expressed() -> None:
    params = RunParams(preset="paper", run_LTMG=True, threads=1)
    dense, sparse = (memory_parts(20_000, 2000, params, n_nonzero=n)["LTMG's fits"] for n in (None, 1_000_000))
    assert dense == 40 * sparse

"""The expected memory grows as it should, and runs that do not fit are refused with the numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.sparse as sp

from scgnn2_engine.errors import InsufficientMemoryError
from scgnn2_engine.params import RunParams
from scgnn2_engine.prepare import check_memory, expected_memory
from scgnn2_engine.prepare.memory import memory_parts, neighbours
from scgnn2_engine.types import Dataset

GIB = 2**30


def dataset(n_obs: int, n_vars: int) -> Dataset:
    expression = sp.csr_matrix(np.eye(n_obs, n_vars, dtype=np.float32))
    return Dataset(expression, np.arange(n_obs).astype(str), np.arange(n_vars).astype(str), "counts")


def test_the_default_grows_with_the_matrix_and_not_faster() -> None:
    params = RunParams(threads=2)
    sizes = [expected_memory(n, 2000, params) for n in (20_000, 40_000, 80_000)]
    assert sizes[2] - sizes[1] == pytest.approx(2 * (sizes[1] - sizes[0]), rel=1e-6)
    assert expected_memory(40_000, 4000, params) > 1.5 * sizes[1]


def test_the_mouse_lung_is_expected_to_fit_in_four_gigabytes() -> None:
    assert 0.7 * GIB < expected_memory(6940, 2000, RunParams(run_LTMG=True, threads=2)) < 4e9


def test_neighbours_follow_the_parameters() -> None:
    assert neighbours(1000, RunParams(preset="paper")) == 50
    assert neighbours(100_000, RunParams()) == 30
    assert neighbours(1000, RunParams(graph_AE_graph_construction="v0")) == 10
    assert neighbours(5, RunParams(graph_AE_neighborhood_factor=20)) == 4


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
    monkeypatch.setattr("scgnn2_engine.prepare.memory.available_memory", lambda: -(2**62))
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

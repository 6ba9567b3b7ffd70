"""Library sizes and the logarithm, by small exact numbers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from scgnn2_engine.data import matrices, normalise
from scgnn2_engine.data.blocks import BlockMatrix
from scgnn2_engine.data.normalise import library_sizes, log_matrix, logged_values, size_factors
from scgnn2_engine.data.prepared import HiddenEntries


def test_the_factor_is_the_library_over_the_median_of_cells_that_have_one() -> None:
    counts = np.array([[1, 1], [2, 2], [8, 0], [0, 0]], dtype=np.float32)
    assert library_sizes(counts).tolist() == library_sizes(sp.csr_matrix(counts)).tolist() == [2, 4, 8, 0]
    some = np.array([1])
    assert library_sizes(counts, some).tolist() == library_sizes(sp.csr_matrix(counts), some).tolist() == [1, 2, 8, 0]
    assert size_factors(library_sizes(counts)).tolist() == [0.5, 1, 2, 1]
    assert size_factors(np.zeros(3)).tolist() == [1, 1, 1]


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_the_matrix_is_the_logarithm_with_hidden_entries_at_zero(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrices, "BLOCK_ELEMENTS", 3)
    counts = np.array([[1, 0, 3], [4, 2, 0]])
    hidden = HiddenEntries(np.array([0]), np.array([2]), np.array([9], dtype=np.float32))
    x = log_matrix(kind(counts), "counts", np.array([1, 2], dtype=np.float32), (None, hidden))
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, np.log1p([[1, 0, 0], [2, 1, 0]]), rtol=1e-6)


def test_a_large_sparse_matrix_stays_sparse_and_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = sp.csr_matrix(np.array([[1, 0, 3], [4, 2, 0], [0, 0, 5]], dtype=np.float32))
    hidden = HiddenEntries(np.array([2, 0]), np.array([2, 0]), np.array([5, 1], dtype=np.float32))
    factors = np.array([1, 3, 0.7], dtype=np.float32)
    dense = log_matrix(counts, "counts", factors, (None, hidden))
    monkeypatch.setattr(normalise, "DENSE_UP_TO", 0)
    by_rows = log_matrix(counts, "counts", factors, (None, hidden))
    assert isinstance(by_rows, BlockMatrix)
    assert np.asarray(by_rows).tobytes() == np.asarray(dense).tobytes()
    assert by_rows[1].tolist() == dense[1].tolist()
    assert by_rows[np.array([0, 2]), np.array([2, 2])].tolist() == [dense[0, 2], 0]
    assert counts.data.tolist() == [1, 3, 4, 2, 5]


def test_logged_values_are_not_logged_again() -> None:
    logged = np.array([[0.5, 0.0], [2.0, 1.5]], dtype=np.float32)
    np.testing.assert_array_equal(log_matrix(logged, "logged", np.ones(2, dtype=np.float32)), logged)
    rows = cols = np.array([0, 1])
    np.testing.assert_array_equal(logged_values(logged, "logged", rows, cols), logged[rows, cols])


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_single_values_come_on_either_scale(kind: type) -> None:
    counts = kind(np.array([[1.0, 0.0], [0.0, 6.0]]))
    rows = cols = np.array([0, 1])
    np.testing.assert_allclose(logged_values(counts, "counts", rows, cols), np.log1p([1, 6]), rtol=1e-6)
    factors = np.array([0.5, 2.0], dtype=np.float32)
    np.testing.assert_allclose(logged_values(counts, "counts", rows, cols, factors), np.log1p([2, 3]), rtol=1e-6)

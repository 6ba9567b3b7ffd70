"""Fusion: observed entries stay, elsewhere the harmonic mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scgnn2_engine.bulk import fusion
from scgnn2_engine.bulk.fusion import fuse, harmonic_mean
from scgnn2_engine.data.blocks import row_blocks
from scgnn2_engine.errors import InputError

EXPRESSION = st.floats(0, 2**60, width=32)


def test_exact_values() -> None:
    observed = np.array([[0, 0, 0, 7, 0], [0, 1, 0, 0, 2]], dtype=np.float32)
    single_cell = np.array([[2, 0, 0, 9, 3], [1, 5, 4, 0.5, 5]], dtype=np.float32)
    bulk_imputed = np.array([[6, 5, 0, 1, 3], [1, 5, 12, 1.5, 0]], dtype=np.float32)
    fused = fuse(observed, single_cell, bulk_imputed)
    assert fused.tolist() == [[3, 0, 0, 7, 3], [1, 1, 6, 0.75, 2]]
    assert fused.dtype == np.float32


def test_genes_the_bulk_does_not_hold_keep_the_single_cell_imputation() -> None:
    observed = np.array([[0.0, 4.0, 0.0, 9.0]])
    fused = fuse(observed, np.array([[1.0, 5.0, 2.0, 8.0]]), np.array([[6.0, 3.0]]), np.array([2, 0]))
    assert fused.tolist() == [[1.5, 5.0, 3.0, 8.0]]


def test_nothing_given_is_changed() -> None:
    arrays = [np.array([[0.0, 1.0]], dtype=np.float32) + shift for shift in range(3)]
    copies = [array.copy() for array in arrays]
    fuse(*arrays)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_blocks_of_rows_do_not_show(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    observed = rng.poisson(0.5, size=(23, 4)).astype(np.float32)
    single_cell, bulk_imputed = rng.random((23, 4)), rng.random((23, 3))
    whole = fuse(observed, single_cell, bulk_imputed, np.array([3, 0, 1]))
    monkeypatch.setattr(fusion, "row_blocks", lambda n_obs: row_blocks(n_obs, 5))
    np.testing.assert_array_equal(fuse(observed, single_cell, bulk_imputed, np.array([3, 0, 1])), whole)


@pytest.mark.parametrize(
    ("single_cell", "bulk_imputed", "message"),
    [
        ((2, 3), (2, 2), r"bulk imputation does not fit.*\(2, 3\).*\(2, 2\)"),
        ((1, 3), (2, 3), "single-cell imputation does not fit"),
    ],
)
def test_shapes_that_do_not_agree_are_refused(
    single_cell: tuple[int, int], bulk_imputed: tuple[int, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fuse(np.ones((2, 3)), np.ones(single_cell), np.ones(bulk_imputed))


@given(EXPRESSION, EXPRESSION)
def test_harmonic_mean_lies_between_and_is_symmetric(first: float, second: float) -> None:
    a, b = np.array([first], dtype=np.float32), np.array([second], dtype=np.float32)
    mean = float(harmonic_mean(a, b)[0])
    assert mean == float(harmonic_mean(b, a)[0])
    low, high = min(first, second), max(first, second)
    if low == 0:
        assert mean == 0
    else:
        assert low * (1 - 1e-6) <= mean <= min(high, 2 * low) * (1 + 1e-6)


def test_a_negative_value_counts_as_zero() -> None:
    assert harmonic_mean(np.float32([-1, 1]), np.float32([1, -1])).tolist() == [0, 0]

"""What is hidden: the published benchmark mask, and the held-out share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.data.masking import benchmark_positions, validation_positions
from scgnn2_engine.data.matrices import with_zeros_at
from scgnn2_engine.errors import InputError


@pytest.fixture
def counts(rng: np.random.Generator) -> np.ndarray:
    return rng.poisson(0.8, (50, 40)).astype(np.float32)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_seed_1_and_a_tenth_give_the_published_mask(data_dir: Path, kind: type) -> None:
    original, masked = (
        pd.read_csv(data_dir / "goolam" / f"{name}_top_expression.csv", index_col=0).to_numpy().T
        for name in ("original", "dropout")
    )
    matrix = kind(original)
    found = with_zeros_at(matrix, *benchmark_positions(matrix, 0.1, seed=1))
    np.testing.assert_array_equal(found.toarray() if sp.issparse(found) else found, masked)


def test_the_global_generator_is_neither_read_nor_moved(counts: np.ndarray) -> None:
    shared = np.random.mtrand._rand  # what np.random.seed and its kin work on
    before = shared.get_state(legacy=False)["state"]
    first = benchmark_positions(counts, 0.3, seed=1)
    validation_positions(counts, 0.3, seed=1)
    after = shared.get_state(legacy=False)["state"]
    np.testing.assert_array_equal(after["key"], before["key"])
    assert after["pos"] == before["pos"]
    shared.random_sample(7)
    np.testing.assert_array_equal(first, benchmark_positions(counts, 0.3, seed=1))


@pytest.mark.parametrize("draw", [benchmark_positions, validation_positions])
def test_sparse_and_dense_hide_the_same_and_seeds_differ(counts: np.ndarray, draw) -> None:
    rows, cols = draw(counts, 0.2, seed=3)
    np.testing.assert_array_equal(draw(sp.csr_matrix(counts), 0.2, seed=3), (rows, cols))
    assert (counts[rows, cols] > 0).all()
    assert len(set(zip(rows.tolist(), cols.tolist(), strict=True))) == len(rows)
    other_rows, other_cols = draw(counts, 0.2, seed=4)
    assert set(zip(other_rows.tolist(), other_cols.tolist(), strict=True)) != set(
        zip(rows.tolist(), cols.tolist(), strict=True)
    )


def test_the_share_is_of_the_non_zeros_rounded_down(counts: np.ndarray) -> None:
    assert len(benchmark_positions(counts, 0.1, seed=1)[0]) == int(0.1 * np.count_nonzero(counts))


def test_held_out_entries_are_still_visible_ones(counts: np.ndarray) -> None:
    taken = benchmark_positions(counts, 0.4, seed=1)
    held_out = validation_positions(counts, 0.2, seed=1, taken=taken)
    assert not set(zip(*(part.tolist() for part in taken), strict=True)) & set(
        zip(*(part.tolist() for part in held_out), strict=True)
    )
    assert len(held_out[0]) == int(0.2 * (np.count_nonzero(counts) - len(taken[0])))
    np.testing.assert_array_equal(validation_positions(sp.csr_matrix(counts), 0.2, seed=1, taken=taken), held_out)


@pytest.mark.parametrize("seed", range(10))
def test_no_cell_or_gene_loses_its_last_entry(seed: int) -> None:
    counts = (np.random.default_rng(seed).random((12, 15)) < 0.15).astype(float)
    rows, cols = validation_positions(counts, 0.5, seed)
    left = with_zeros_at(counts, rows, cols)
    np.testing.assert_array_equal(left.any(axis=0), counts.any(axis=0))
    np.testing.assert_array_equal(left.any(axis=1), counts.any(axis=1))
    assert len(rows) > 0


def test_at_least_one_entry_is_held_out(counts: np.ndarray) -> None:
    assert len(validation_positions(counts[:5, :5] + 1, 0.001, seed=1)[0]) == 1


def test_nothing_to_hold_out_is_an_error() -> None:
    with pytest.raises(InputError, match="No entry can be held out"):
        validation_positions(np.eye(6), 0.3, seed=0)

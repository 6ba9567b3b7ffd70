"""LTMG: equal to the published package on real data, and indifferent to how the work is divided."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.data.ltmg import iterate_ltmg_states, ltmg_states, mixture
from scgnn2_engine.data.ltmg import states as choosing
from scgnn2_engine.data.ltmg import values as transform
from scgnn2_engine.data.ltmg.noise import NormalStream
from scgnn2_engine.errors import InputError
from scgnn2_engine.events import EpochEnded

GOLDEN = [("original_top_expression", "LTMG_0.0", 98.05), ("dropout_top_expression", "LTMG_0.1", 95.98)]


def golden(data_dir: Path, expression: str, states: str) -> tuple[np.ndarray, np.ndarray]:
    folder = data_dir / "goolam"
    matrix = pd.read_csv(folder / f"{expression}.csv", index_col=0)
    wanted = pd.read_csv(folder / f"{states}.csv", sep="\t", index_col="ID")
    assert list(matrix.index) == list(wanted.index)
    assert list(matrix.columns) == list(wanted.columns)
    return matrix.to_numpy().T, wanted.to_numpy().T


def mixed_counts(n_obs: int = 150, n_vars: int = 40) -> np.ndarray:
    """Bimodal log-normal genes, a third of the entries zero, none of the genes complete."""
    rng = np.random.default_rng(3)
    logs = rng.uniform(0, 3, n_vars) + 2.5 * (rng.random((n_obs, n_vars)) < 0.3) + rng.normal(0, 0.5, (n_obs, n_vars))
    return np.where(rng.random((n_obs, n_vars)) < 0.35, 0.0, np.exp(logs))


def test_the_stream_is_that_of_r() -> None:
    wanted = [-0.56047565, -0.23017749, 1.55870831, 0.07050839, 0.12928774, 1.71506499]
    np.testing.assert_allclose(NormalStream(123).take(6), wanted, atol=5e-9)


def test_leaving_normals_out_moves_the_stream_all_the_same() -> None:
    whole, parted = NormalStream(), NormalStream()
    first, second = whole.take(1000), whole.take(5)
    np.testing.assert_array_equal(parted.take(1000, np.array([0, 17, 999])), first[[0, 17, 999]])
    np.testing.assert_array_equal(parted.take(5), second)


@pytest.mark.parametrize(("expression", "states", "_"), GOLDEN)
def test_reference_equals_every_golden_entry(data_dir: Path, expression: str, states: str, _: float) -> None:
    matrix, wanted = golden(data_dir, expression, states)
    assert wanted.shape == (124, 2000)
    np.testing.assert_array_equal(ltmg_states(matrix), wanted)


@pytest.mark.parametrize(("expression", "states", "agreement"), GOLDEN)
def test_per_gene_differs_from_the_package_as_much_as_expected(
    data_dir: Path, expression: str, states: str, agreement: float
) -> None:
    matrix, wanted = golden(data_dir, expression, states)
    assert 100 * np.mean(ltmg_states(matrix, "per_gene") == wanted) == pytest.approx(agreement, abs=0.5)


@pytest.mark.parametrize("mode", ["reference", "per_gene"])
def test_states_do_not_depend_on_batches_blocks_threads_or_storage(
    mode: choosing.Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = mixed_counts()
    wanted = ltmg_states(counts, mode)
    assert wanted.max() >= 1
    np.testing.assert_array_equal(ltmg_states(counts, mode, threads=3), wanted)
    np.testing.assert_array_equal(ltmg_states(sp.csr_matrix(counts), mode), wanted)
    for elements in (700, 10**9):
        monkeypatch.setattr(choosing, "BATCH_ELEMENTS", elements)
        monkeypatch.setattr(transform, "BLOCK_ELEMENTS", elements)
        np.testing.assert_array_equal(ltmg_states(counts, mode), wanted)


def test_the_number_of_components_only_shrinks() -> None:
    """Gene by gene as the specification words it, against the blocks that are fitted ahead."""
    counts = mixed_counts()
    kept = transform.kept_values(counts)
    wanted, most = np.zeros(counts.shape, dtype=np.uint8), 5
    for gene in range(len(kept.genes)):
        fits = choosing._fit(kept, np.array([gene]), most)
        best = fits.best(most)
        fits.write(kept, np.array([0]), best, wanted)
        components = int(fits.n_components(np.array([0]), best)[0])
        if components >= 2:
            assert components <= most
            most = components
    np.testing.assert_array_equal(ltmg_states(counts), wanted)


def test_a_complete_gene_fixes_two_components_for_all_that_follow() -> None:
    counts = mixed_counts()
    complete = np.full((len(counts), 1), 4.0)
    after = ltmg_states(np.hstack([complete, counts]))[:, 1:]
    assert after.max() == 1
    assert ltmg_states(counts, "per_gene").max() > 1


def test_a_complete_gene_is_expressed_where_it_lies_above_its_cut() -> None:
    counts = np.column_stack([np.arange(1.0, 9.0), np.r_[0.5, np.full(7, 3.0)], np.full(8, 0.5)])
    found = ltmg_states(counts)
    assert found[1:, 0].tolist() == [1] * 7
    assert found[:, 1].tolist() == [0] + [1] * 7  # below 1 is below every cut
    assert found[:, 2].tolist() == [0] * 8


def test_empty_cells_and_genes_keep_their_place_with_state_zero() -> None:
    counts = mixed_counts(n_vars=8)
    spread = np.zeros((len(counts) + 2, 10))
    cells, genes = np.delete(np.arange(len(spread)), [0, 70]), np.delete(np.arange(10), [3, 9])
    spread[np.ix_(cells, genes)] = counts
    found = ltmg_states(spread)
    np.testing.assert_array_equal(found[np.ix_(cells, genes)], ltmg_states(counts))
    assert found[[0, 70]].max() == found[:, [3, 9]].max() == 0


def test_what_is_expressed_nowhere_or_hardly_has_state_zero() -> None:
    assert not ltmg_states(np.zeros((5, 3))).any()
    counts = np.zeros((6, 2))
    counts[:, 0] = [0, 0, 0, 0, 5, 9]  # two values: no mixture has so few
    counts[:, 1] = [0, 1, 0, 1, 0, 1]
    assert not ltmg_states(counts)[:, 0].any()


def test_nan_is_zero_and_the_input_is_left_alone() -> None:
    counts = mixed_counts(n_vars=5)
    with_nan = np.where(counts == 0, np.nan, counts)
    before = with_nan.copy()
    np.testing.assert_array_equal(ltmg_states(with_nan), ltmg_states(counts))
    np.testing.assert_array_equal(with_nan, before)
    stored_zeros = sp.csr_matrix(np.where(counts == 0, -9.0, counts))
    stored_zeros.data[stored_zeros.data < 0] = 0.0
    np.testing.assert_array_equal(ltmg_states(stored_zeros), ltmg_states(counts))


@pytest.mark.parametrize("wrong", [-1.0, np.inf])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_values_without_a_logarithm_are_refused_by_place(wrong: float, kind: type) -> None:
    counts = mixed_counts(n_vars=5)
    counts[2, 3] = wrong
    with pytest.raises(InputError, match=r"cell 3, gene 4.*Found: (-1|inf)"):
        ltmg_states(kind(counts))


def test_progress_counts_genes_up_to_all() -> None:
    steps = iterate_ltmg_states(mixed_counts())
    events = list(steps)
    assert all(isinstance(event, EpochEnded) and event.stage == "LTMG" for event in events)
    done = [event.epoch for event in events]
    assert done == sorted(done)
    assert done[-1] == events[-1].n_epochs == 40


def test_padding_changes_no_fit() -> None:
    """The same gene alone and beside longer ones of its width; and against an unpadded computation."""
    rng = np.random.default_rng(0)
    n = np.array([33, 36, 40])
    rows = [np.sort(rng.normal(np.repeat([1.0, 4.0], [k - 12, 12]), 0.4)) for k in n]
    x = np.stack([np.pad(row, (0, 40 - len(row)), constant_values=row[0]) for row in rows])
    cut = np.array([row[0] for row in rows])
    together = mixture.fit(mixture.Batch(x, n, 100 - n, cut), 2)
    alone = mixture.fit(mixture.Batch(x[:1], n[:1], 100 - n[:1], cut[:1]), 2)
    bare = mixture.fit(mixture.Batch(rows[0][None], n[:1], 100 - n[:1], cut[:1]), 2)
    np.testing.assert_array_equal(together.means[:, :1], alone.means)
    np.testing.assert_allclose(bare.means, alone.means, rtol=1e-9)
    np.testing.assert_allclose(bare.bic, alone.bic, rtol=1e-9)


def test_a_fit_without_enough_values_is_rejected_alone() -> None:
    x = np.array([[1.0, 2.0, 3.0, 3.0], [1.0, 2.0, 3.0, 4.0]])
    fitted = mixture.fit(mixture.Batch(x, np.array([3, 4]), np.array([5, 5]), np.array([1.0, 1.0])), 3)
    assert np.isinf(fitted.bic[0])


@pytest.mark.parametrize("n", [1, 8, 9, 31, 32, 124, 511, 512, 7001, 20_000])
def test_padding_stays_below_a_sixteenth(n: int) -> None:
    width = mixture.padded_width(n)
    assert n <= width < n + max(8, n / 16 + 1)
    assert width % 8 == 0

"""The shift that bulk asks of the cluster profiles, its strength, and its application."""

from __future__ import annotations

import importlib
import tracemalloc
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scgnn2_engine.bulk.cluster_profiles import ClusterProfiles, cluster_profiles
from scgnn2_engine.bulk.shares import bulk_shares
from scgnn2_engine.bulk.shift import Strength, apply_shift, bulk_shift, strength
from scgnn2_engine.data.blocks import row_blocks
from scgnn2_engine.errors import InputError

F64 = npt.NDArray[np.float64]
# By its full name: the package has a function of the module's name.
module = importlib.import_module("scgnn2_engine.bulk.shift")
SHARES = np.array([[0.6, 0.4], [0.2, 0.8], [0.5, 0.5]])
VALUES = st.floats(-100, 100).map(lambda value: round(value, 3))


def profiles_of(means: F64, variances: F64) -> ClusterProfiles:
    k = means.shape[1]
    return ClusterProfiles(np.arange(k), means, variances, np.full(k, 1e9), np.full(k, 1e4))


@pytest.fixture
def profiles(rng: np.random.Generator) -> ClusterProfiles:
    """Two clusters on 400 genes, the second known worse."""
    means = np.exp(rng.normal(0, 1.5, (400, 2)))
    means *= 1e6 / means.sum(axis=0)
    return profiles_of(means, (means * np.array([0.1, 0.4])) ** 2)


@pytest.fixture
def bulk(profiles: ClusterProfiles, rng: np.random.Generator) -> F64:
    """Three samples of known shares on another platform."""
    return np.asarray(SHARES @ profiles.means.T * np.exp(rng.normal(0, 0.5, 400) + rng.normal(0, 0.2, (3, 400))))


# The shift


def test_one_sample_by_hand() -> None:
    # 40 genes alike, P + c = 25000; half of them twice as high in the bulk: residuals are ± ln(2) / 2 about the median.
    means = np.full((40, 2), 25_000.0 - 3)
    known = profiles_of(means, np.tile([0.04, 0.16], (40, 1)) * 25_000.0**2)
    sample = np.repeat([1.0, 2.0], 20)
    sample *= (25_000.0 * 40) / sample.sum()
    half = (np.log(sample[-1] / sample.sum() * 1e6 + 3) - np.log(sample[0] / sample.sum() * 1e6 + 3)) / 2
    explained = 0.25 * (0.04 + 0.16)
    noise = max(half**2 - explained, 0.01)
    found = bulk_shift(known, sample[None], np.array([[0.5, 0.5]]))
    np.testing.assert_allclose(found[-1], np.array([0.04, 0.16]) * 0.5 * half / (explained + noise), rtol=1e-9)
    np.testing.assert_allclose(found[0], -found[-1])


def test_bulk_that_agrees_shifts_nothing(profiles: ClusterProfiles) -> None:
    found = bulk_shift(profiles, SHARES @ profiles.means.T * 17, SHARES)
    np.testing.assert_allclose(found, 0, atol=1e-9)


def test_a_noisy_cluster_moves_more_than_a_well_measured_one(profiles: ClusterProfiles, bulk: F64) -> None:
    moved = np.abs(bulk_shift(profiles, bulk, np.full((3, 2), 0.5)))
    assert np.median(moved[:, 1]) > 5 * np.median(moved[:, 0])
    certain = profiles_of(profiles.means, np.zeros_like(profiles.variances))
    np.testing.assert_array_equal(bulk_shift(certain, bulk, SHARES), 0)


def test_a_cluster_that_no_sample_holds_stays(profiles: ClusterProfiles, bulk: F64) -> None:
    found = bulk_shift(profiles, bulk, np.array([[1.0, 0.0]] * 3))
    np.testing.assert_array_equal(found[:, 1], 0)
    assert np.abs(found[:, 0]).max() > 0


def test_a_shift_is_bounded_however_little_the_cells_know(profiles: ClusterProfiles, bulk: F64) -> None:
    unknown = profiles_of(profiles.means, profiles.means**2 * 1e9)
    assert np.abs(bulk_shift(unknown, bulk, np.array([[0.999, 0.001]] * 3))).max() < 5


def test_scale_and_order_of_samples_do_not_matter(profiles: ClusterProfiles, bulk: F64) -> None:
    whole = bulk_shift(profiles, bulk, SHARES, np.array([1.0, 2.0, 3.0]))
    order, scale = [2, 0, 1], np.array([[1e-6], [1.0], [1e6]])
    found = bulk_shift(profiles, (bulk * scale)[order], SHARES[order], np.array([30.0, 10.0, 20.0]))
    np.testing.assert_allclose(found, whole, rtol=1e-7, atol=1e-12)


def test_order_of_genes_and_clusters_does_not_matter(
    profiles: ClusterProfiles, bulk: F64, rng: np.random.Generator
) -> None:
    genes = rng.permutation(400)
    permuted = profiles_of(profiles.means[genes][:, ::-1], profiles.variances[genes][:, ::-1])
    found = bulk_shift(permuted, bulk[:, genes], SHARES[:, ::-1])
    np.testing.assert_allclose(found[:, ::-1], bulk_shift(profiles, bulk, SHARES)[genes], rtol=1e-8, atol=1e-12)


def test_weights(profiles: ClusterProfiles, bulk: F64) -> None:
    alike = bulk_shift(profiles, bulk, SHARES, np.full(3, 5.0))
    np.testing.assert_array_equal(alike, bulk_shift(profiles, bulk, SHARES))
    left_out = bulk_shift(profiles, np.vstack([bulk[:2], np.zeros(400)]), SHARES, np.array([1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(left_out, bulk_shift(profiles, bulk[:2], SHARES[:2]))


def test_chosen_genes_set_level_and_noise_themselves(profiles: ClusterProfiles, bulk: F64) -> None:
    genes = np.arange(399, -1, -1)
    np.testing.assert_allclose(
        bulk_shift(profiles, bulk, SHARES, genes=genes), bulk_shift(profiles, bulk, SHARES)[genes], rtol=1e-8
    )
    louder = bulk.copy()
    louder[:, 200:] *= np.exp(np.random.default_rng(1).normal(0, 2, 200))
    louder *= bulk[:, :200].sum(axis=1, keepdims=True) / louder[:, :200].sum(axis=1, keepdims=True)
    quiet = bulk_shift(profiles, louder, SHARES, genes=np.arange(200))
    assert np.median(np.abs(quiet)) > 1.5 * np.median(np.abs(bulk_shift(profiles, louder, SHARES)[:200]))


def test_genes_that_neither_side_shows_say_nothing(profiles: ClusterProfiles, bulk: F64) -> None:
    padded = profiles_of(
        np.vstack([profiles.means, np.zeros((900, 2))]), np.vstack([profiles.variances, np.ones((900, 2))])
    )
    found = bulk_shift(padded, np.hstack([bulk, np.zeros((3, 900))]), SHARES)
    np.testing.assert_allclose(found[:400], bulk_shift(profiles, bulk, SHARES), rtol=1e-8)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(
        bulk_shift(padded, np.ones((3, 1300)), SHARES, genes=np.array([], dtype=int)), np.zeros((0, 2))
    )


def test_blocks_of_genes_do_not_show(profiles: ClusterProfiles, bulk: F64, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bulk_shift(profiles, bulk, SHARES)
    monkeypatch.setattr(module, "ENTRIES_AT_ONCE", 7 * 9)
    np.testing.assert_allclose(bulk_shift(profiles, bulk, SHARES), whole, rtol=1e-9)


@pytest.mark.parametrize(
    ("bulk_shape", "shares_shape", "weights", "message"),
    [
        ((3, 399), (3, 2), None, r"do not fit the cluster profiles.*\(n_samples, 400\)"),
        ((3, 400), (3, 3), None, "do not fit the cluster profiles"),
        ((0, 400), (0, 2), None, "one sample or more"),
        ((3, 400), (3, 2), [1, 1], "3 finite weights"),
        ((3, 400), (3, 2), [1, -1, 1], "weights of the bulk samples"),
        ((3, 400), (3, 2), [0, 0, 0], "one of them above 0"),
        ((3, 400), (3, 2), [1, np.nan, 1], "weights of the bulk samples"),
    ],
)
def test_samples_that_cannot_be_used_are_refused(
    profiles: ClusterProfiles,
    bulk_shape: tuple[int, int],
    shares_shape: tuple[int, int],
    weights: list[float] | None,
    message: str,
) -> None:
    given_weights = None if weights is None else np.array(weights, dtype=np.float64)
    with pytest.raises(InputError, match=message):
        bulk_shift(profiles, np.ones(bulk_shape), np.ones(shares_shape), given_weights)


def test_an_empty_sample_is_named(profiles: ClusterProfiles, bulk: F64) -> None:
    bulk[1] = 0
    with pytest.raises(InputError, match="Bulk sample 1 is 0 on every gene"):
        bulk_shift(profiles, bulk, SHARES)


# The strength


@pytest.mark.parametrize(("factor", "expected"), [(0.7, 0.7), (5.0, 2.0), (-1.0, 0.0)])
def test_strength_is_the_factor_that_fits(rng: np.random.Generator, factor: float, expected: float) -> None:
    shift = rng.normal(size=500)
    found = strength(factor * shift, shift)
    assert found.value == pytest.approx(expected)
    if factor < 0:
        assert found.gain == 0


@given(st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=30))
def test_no_other_strength_has_a_smaller_error(pairs: list[tuple[float, float]]) -> None:
    residual, shift = (np.array(side) for side in zip(*pairs, strict=True))
    found = strength(residual, shift)
    live = np.abs(shift) > 1e-9
    if live.sum() < 2:
        assert tuple(found) == (0, 0, 0)
        return
    tried = [np.abs(residual - value * shift)[live].mean() for value in np.linspace(0, 2, 41)]
    assert np.abs(residual[live]).mean() - found.gain <= min(tried) + 1e-9
    assert found.value == 0 or found.gain > found.standard_error
    assert 0 <= found.value <= 2


def test_chance_has_no_strength_and_little_data_none() -> None:
    rng = np.random.default_rng(0)
    gated = [strength(rng.normal(size=400), rng.normal(size=400)).value == 0 for _ in range(100)]
    assert np.mean(gated) > 0.7
    assert strength(np.zeros(0), np.zeros(0)) == (0, 0, 0)
    assert strength(np.ones(1), np.ones(1)) == (0, 0, 0)


def test_entries_without_a_shift_do_not_count(rng: np.random.Generator) -> None:
    shift = rng.normal(size=50)
    residual = 0.5 * shift + rng.normal(0, 0.3, 50)
    assert strength(np.append(residual, np.ones(500)), np.append(shift, np.zeros(500))) == strength(residual, shift)


def test_strength_refuses_lengths_that_differ() -> None:
    with pytest.raises(InputError, match="3 errors, 2 shifts"):
        strength(np.ones(3), np.ones(2))


# Its application


def test_exact_application() -> None:
    observed = np.array([[0, 0, 5, 0], [0, 2, 0, 0]], dtype=np.float32)
    imputed = np.array([[1, 1, 4, 0.5], [3, 1, 1, 0.5]], dtype=np.float32)
    shift = np.array([[1.0, -4.0], [2.0, 0.5]])
    found = apply_shift(observed, imputed, shift, np.array([0, 1]), 0.5, np.array([2, 0]))
    # Gene 2 moves by (0.5, -2), gene 0 by (1, 0.25) in clusters (0, 1); what was observed stays.
    assert found.tolist() == [[2, 1, 4, 0.5], [3.25, 1, 0, 0.5]]
    assert found.dtype == np.float32


def test_strength_zero_changes_no_bit_and_nothing_given_is_changed(rng: np.random.Generator) -> None:
    imputed = rng.normal(size=(9, 5)).astype(np.float32)
    imputed[0, 0] = -0.0
    before = imputed.tobytes()
    arguments = (np.zeros((9, 5)), imputed, np.ones((5, 2)), np.arange(9) % 2)
    assert apply_shift(*arguments, 0.0, np.arange(5)).tobytes() == before
    assert apply_shift(*arguments, 1.0, np.arange(5)).tobytes() != before
    assert imputed.tobytes() == before


def test_blocks_of_cells_do_not_show(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    arguments = (rng.poisson(0.5, (23, 4)) * 1.0, rng.random((23, 4)), rng.normal(size=(3, 2)), np.arange(23) % 2)
    whole = apply_shift(*arguments, 1.2, np.array([3, 0, 1]))
    monkeypatch.setattr(module, "row_blocks", lambda n_obs: row_blocks(n_obs, 5))
    np.testing.assert_array_equal(apply_shift(*arguments, 1.2, np.array([3, 0, 1])), whole)


def test_memory_stays_small_beside_the_matrix() -> None:
    observed, imputed = (np.zeros((20_000, 100), dtype=np.float32) for _ in range(2))
    tracemalloc.start()
    apply_shift(observed, imputed, np.ones((100, 3)), np.arange(20_000) % 3, 1.0, np.arange(100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * imputed.nbytes


@pytest.mark.parametrize(
    ("imputed", "shift", "numbers", "genes", "message"),
    [
        ((2, 4), (1, 2), [0, 1], [0], "single-cell imputation and the expression"),
        ((2, 3), (2, 2), [0, 1], [0], "shift and the expression"),
        ((2, 3), (1, 2), [0], [0], "clusters' numbers and the expression"),
        ((2, 3), (1, 2), [0, 2], [0], "cluster number is out of range.*0 to 1.*0 to 2"),
        ((2, 3), (1, 2), [0, 1], [3], "gene number is out of range.*0 to 2"),
        ((2, 3), (1, 2), [0, 1], [-1], "gene number is out of range"),
    ],
)
def test_what_does_not_fit_is_refused(
    imputed: tuple[int, int], shift: tuple[int, int], numbers: list[int], genes: list[int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        apply_shift(np.zeros((2, 3)), np.zeros(imputed), np.zeros(shift), np.array(numbers), 1.0, np.array(genes))


# The whole way, on simulated counts


class Gains(NamedTuple):
    """Strength at held-out entries by the true bulk, and by bulk whose genes were permuted."""

    true: Strength
    permuted: Strength


def simulated_gains(seed: int, per_cluster: int) -> Gains:
    """Three clusters of cells, six bulk samples of another platform; a tenth of the entries above 0 held out."""
    rng = np.random.default_rng(seed)
    truth = np.exp(rng.normal(0, 1.2, (1500, 1)) + rng.normal(0, 0.8, (1500, 3)))
    truth /= truth.sum(axis=0)
    labels = np.repeat([0, 1, 2], per_cluster)
    cells = rng.poisson(truth.T[labels] * 20_000 * rng.gamma(2, 0.5, (len(labels), 1500))).astype(np.float64)
    rows, cols = np.nonzero(cells)
    held = rng.random(len(rows)) < 0.1
    rows, cols = rows[held], cols[held]
    seen = cells.copy()
    seen[rows, cols] = 0
    seen_by_bulk = truth * np.exp(rng.normal(0, 0.3, (1500, 1)))
    bulk = rng.poisson(rng.dirichlet(np.full(3, 0.5), size=6) @ seen_by_bulk.T * 1e7).astype(np.float64)
    known = cluster_profiles(seen, labels)
    lacking = np.log1p(cells[rows, cols]) - np.log1p(known.means[cols, labels[rows]] * 20_000 / 1e6)

    def gain(samples: F64) -> Strength:
        return strength(lacking, bulk_shift(known, samples, bulk_shares(samples, known).weights)[cols, labels[rows]])

    return Gains(gain(bulk), gain(bulk[:, rng.permutation(1500)]))


def test_true_bulk_helps_few_cells_and_permuted_bulk_does_not() -> None:
    found = [simulated_gains(seed, per_cluster=4) for seed in range(10)]
    for each in found:
        assert each.true.value > 1
        assert each.true.gain > 5 * each.true.standard_error
        assert each.permuted.gain < each.true.gain / 10
    # The gate is one standard error wide: chance, and the pull to the mean, pass it now and then.
    assert np.mean([each.permuted.value == 0 for each in found]) >= 0.6


@pytest.mark.parametrize("seed", range(3))
def test_permuted_bulk_helps_little_where_its_pull_to_the_mean_shows(seed: int) -> None:
    found = simulated_gains(seed, per_cluster=8)
    assert found.true.gain > 5 * found.true.standard_error
    assert found.permuted.gain < found.true.gain / 4


def test_bulk_adds_less_where_cells_abound() -> None:
    few, many = (simulated_gains(0, per_cluster=number).true.gain for number in (4, 60))
    assert few > 5 * many

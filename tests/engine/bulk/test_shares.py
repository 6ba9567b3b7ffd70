"""Shares of clusters in bulk samples: exact small cases, invariants, simulated counts, real mixtures."""

from __future__ import annotations

import importlib
import itertools
import tracemalloc
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.bulk.cluster_profiles import ClusterProfiles, cluster_profiles
from scgnn2_engine.bulk.shares import bulk_shares, shares
from scgnn2_engine.errors import InputError

F64 = npt.NDArray[np.float64]
# By its full name: the package has a function of the module's name.
module = importlib.import_module("scgnn2_engine.bulk.shares")
blocks = importlib.import_module("scgnn2_engine.bulk.cluster_profiles")
MIXTURES = [np.array(mixture) for mixture in itertools.permutations((0.6, 0.3, 0.1))]


class Simulated(NamedTuple):
    """Counts of cells (n_obs, g), their cluster, and the true profiles (g, k), columns adding up to 1."""

    counts: F64
    labels: npt.NDArray[np.int64]
    truth: F64


def simulate(
    rng: np.random.Generator, *, n_genes: int = 2000, per_cluster: tuple[int, ...] = (60, 60, 60)
) -> Simulated:
    """Clusters that differ by e^0.8 per gene, cells of 5000 to 20000 counts, overdispersed."""
    k = len(per_cluster)
    profiles = np.exp(rng.normal(0, 1.5, (n_genes, 1)) + rng.normal(0, 0.8, (n_genes, k)))
    profiles /= profiles.sum(axis=0)
    labels = np.repeat(np.arange(k), per_cluster)
    depth = rng.uniform(5_000, 20_000, (len(labels), 1))
    rates = profiles.T[labels] * depth * rng.gamma(3, 1 / 3, (len(labels), n_genes))
    return Simulated(rng.poisson(rates).astype(np.float64), labels, profiles)


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    return simulate(np.random.default_rng(7))


@pytest.fixture(scope="module")
def profiles(simulated: Simulated) -> ClusterProfiles:
    return cluster_profiles(simulated.counts, simulated.labels)


def platform(rng: np.random.Generator, n_genes: int, sd: float = 0.5) -> F64:
    """A factor per gene by which the bulk's platform sees it differently."""
    return np.exp(rng.normal(0, sd, n_genes))


# Profiles


def test_exact_profiles() -> None:
    # Cells of one cluster in ppm: (750000, 250000) and (250000, 750000); one count is 1e6 / 4 = 250000 ppm.
    found = cluster_profiles(np.array([[3.0, 1.0], [1.0, 3.0], [0.0, 8.0]]), np.array([5, 5, 2]))
    assert found.clusters.tolist() == [2, 5]
    np.testing.assert_allclose(found.means, [[0, 5e5], [1e6, 5e5]])
    np.testing.assert_allclose(found.variances[:, 1], (2 * 2.5e5**2 + 2.5e5**2) / 3 / 2)
    assert found.depths.tolist() == [8, 8]
    assert found.library_sizes.tolist() == [8, 4]
    assert found.offset == 1e6


def test_one_cell_has_the_larger_of_poissons_and_the_pooled_variance() -> None:
    cells = np.array([[30.0, 70.0], [70.0, 30.0], [1.0, 999.0]])
    found = cluster_profiles(cells, np.array([0, 0, 1]))
    pooled = 2 * 2e5**2 / 1
    one_count = 1e6 / 1000
    assert pooled > one_count * (999_000 + one_count)
    np.testing.assert_allclose(found.variances[:, 1], [pooled, pooled])
    alone = cluster_profiles(cells[2:], np.array([0]))
    np.testing.assert_allclose(alone.variances[:, 0], [one_count * 2000, one_count * 1e6])


def test_sparse_equals_dense_and_blocks_do_not_show(simulated: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    dense = cluster_profiles(simulated.counts, simulated.labels)
    monkeypatch.setattr(blocks, "ENTRIES_AT_ONCE", 7 * 2000)
    for expression in (simulated.counts, sp.csr_matrix(simulated.counts), sp.csr_array(simulated.counts)):
        found = cluster_profiles(expression, simulated.labels)
        for field in ("means", "variances", "depths", "library_sizes"):
            np.testing.assert_allclose(getattr(found, field), getattr(dense, field), rtol=1e-9)


def test_duplicate_entries_of_a_csr_are_summed_and_stay_in_the_input() -> None:
    duplicated = sp.csr_matrix(
        (np.array([1.0, 2.0, 3.0, 5.0]), np.array([0, 0, 1, 1]), np.array([0, 3, 4])), shape=(2, 2)
    )
    found = cluster_profiles(duplicated, np.zeros(2))
    np.testing.assert_allclose(found.variances, cluster_profiles(duplicated.toarray(), np.zeros(2)).variances)
    assert duplicated.nnz == 4


def test_a_sparse_matrix_is_never_dense() -> None:
    expression = sp.random(20_000, 1000, density=0.01, format="csr", rng=np.random.default_rng(0))
    labels = np.arange(20_000) % 5
    tracemalloc.start()
    cluster_profiles(expression, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000 * 1000 * 8 / 10


def test_the_order_of_cells_does_not_matter(simulated: Simulated, rng: np.random.Generator) -> None:
    order = rng.permutation(len(simulated.labels))
    whole = cluster_profiles(simulated.counts, simulated.labels)
    shuffled = cluster_profiles(simulated.counts[order], simulated.labels[order])
    np.testing.assert_allclose(shuffled.means, whole.means)
    np.testing.assert_allclose(shuffled.variances, whole.variances, rtol=1e-8)


def test_cells_that_show_nothing_are_left_out(simulated: Simulated, profiles: ClusterProfiles) -> None:
    cells = np.vstack([simulated.counts, np.zeros((4, 2000))])
    found = cluster_profiles(cells, np.append(simulated.labels, [0, 0, 1, 2]))
    np.testing.assert_allclose(found.means, profiles.means)
    np.testing.assert_allclose(found.library_sizes, profiles.library_sizes)


@pytest.mark.parametrize(
    ("expression", "labels", "message"),
    [
        (np.ones((2, 3)), [0, 1, 1], "do not fit the expression"),
        (np.ones((0, 3)), [], "or it is empty"),
        (np.ones((2, 0)), [0, 1], "or it is empty"),
        (np.array([[1.0, -2.0]]), [0], "holds 1 values that are no expression.*-2"),
        (np.array([[1.0, np.nan]]), [0], "no expression.*nan"),
        (sp.csr_matrix(np.array([[1.0, np.inf]])), [0], "no expression.*inf"),
        (np.zeros((2, 3)), [0, 1], "No cell shows any"),
    ],
)
def test_expression_that_cannot_be_used_is_refused(expression: F64, labels: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cluster_profiles(expression, labels)


# Shares: exact cases and invariants


@pytest.mark.parametrize("mixture", [*MIXTURES, np.array([1, 0, 0]), np.array([0, 0, 1]), np.array([0.5, 0.5, 0])])
def test_mixtures_of_the_profiles_themselves_are_exact(profiles: ClusterProfiles, mixture: F64) -> None:
    found = shares(profiles.means @ mixture, profiles)
    np.testing.assert_allclose(found.weights, mixture, atol=1e-6)
    assert found.weights.sum() == pytest.approx(1)
    assert found.residual_sd < 0.01
    assert found.n_genes <= 2000


@pytest.mark.parametrize("sd", [0.0, 0.5])
def test_known_mixtures_of_simulated_counts(simulated: Simulated, profiles: ClusterProfiles, sd: float) -> None:
    rng = np.random.default_rng(3)
    pure = simulated.truth * platform(rng, 2000, sd)[:, None]
    pure /= pure.sum(axis=0)
    bulk = rng.poisson(np.array(MIXTURES) @ pure.T * 5e6).astype(np.float64)
    found = bulk_shares(bulk, profiles)
    assert np.abs(found.weights - np.array(MIXTURES)).max() <= 0.02
    assert not found.unlike.any()
    np.testing.assert_allclose(found.residual_sd, sd, atol=0.1)


def test_noisy_profiles_do_not_draw_mixtures_to_the_middle() -> None:
    rng = np.random.default_rng(5)
    few = simulate(rng, per_cluster=(8, 8, 8))
    bulk = rng.poisson(few.truth @ np.array([0.8, 0.15, 0.05]) * 5e6)
    assert np.abs(shares(bulk, cluster_profiles(few.counts, few.labels)).weights - [0.8, 0.15, 0.05]).max() <= 0.03


def test_the_scale_of_a_sample_does_not_matter(profiles: ClusterProfiles, rng: np.random.Generator) -> None:
    bulk = profiles.means @ MIXTURES[0] * platform(rng, 2000)
    one, other = shares(bulk, profiles), shares(bulk * 1e-9, profiles)
    np.testing.assert_allclose(other.weights, one.weights, atol=1e-6)
    assert other.residual_sd == pytest.approx(one.residual_sd, rel=1e-6)


def test_the_order_of_clusters_genes_and_samples_does_not_matter(
    simulated: Simulated, profiles: ClusterProfiles, rng: np.random.Generator
) -> None:
    bulk = np.array(MIXTURES) @ profiles.means.T * platform(rng, 2000)
    whole = bulk_shares(bulk, profiles)
    genes, clusters, samples = rng.permutation(2000), np.array([2, 0, 1]), rng.permutation(len(bulk))
    permuted = bulk_shares(
        bulk[samples][:, genes], cluster_profiles(simulated.counts[:, genes], clusters[simulated.labels])
    )
    for field in ("weights", "cell_shares"):
        np.testing.assert_allclose(getattr(permuted, field)[:, clusters], getattr(whole, field)[samples], atol=1e-6)
    np.testing.assert_allclose(permuted.residual_sd, whole.residual_sd[samples], rtol=1e-5)


def test_the_same_input_gives_the_same_bytes(profiles: ClusterProfiles, rng: np.random.Generator) -> None:
    bulk = profiles.means @ MIXTURES[1] * platform(rng, 2000)
    assert shares(bulk, profiles).weights.tobytes() == shares(bulk.copy(), profiles).weights.tobytes()


def test_large_cells_bring_more_rna_than_their_number(profiles: ClusterProfiles) -> None:
    large = ClusterProfiles(
        profiles.clusters, profiles.means, profiles.variances, profiles.depths, np.array([4.0, 1, 1])
    )
    found = bulk_shares((profiles.means @ np.array([0.8, 0.1, 0.1]))[None], large)
    np.testing.assert_allclose(found.weights, [[0.8, 0.1, 0.1]], atol=1e-6)
    np.testing.assert_allclose(found.cell_shares, [[0.5, 0.25, 0.25]], atol=1e-6)


def test_a_sample_unlike_all_clusters_is_marked_and_a_single_one_never(
    profiles: ClusterProfiles, rng: np.random.Generator
) -> None:
    bulk = np.array(MIXTURES) @ profiles.means.T * platform(rng, 2000)
    stranger = rng.permutation(bulk[0])
    assert bulk_shares(np.vstack([bulk, stranger]), profiles).unlike.tolist() == [False] * 6 + [True]
    assert not bulk_shares(stranger[None], profiles).unlike.any()


# Shares: inputs at the edge


def test_one_cluster_has_it_all(simulated: Simulated, rng: np.random.Generator) -> None:
    one = cluster_profiles(simulated.counts, np.zeros(len(simulated.labels)))
    found = bulk_shares((one.means[:, 0] * platform(rng, 2000))[None], one)
    assert found.weights.tolist() == found.cell_shares.tolist() == [[1]]
    assert found.explained[0] == pytest.approx(0, abs=1e-9)
    assert found.residual_sd[0] == pytest.approx(0.5, abs=0.05)


def test_equal_clusters_share_alike(simulated: Simulated) -> None:
    doubled = cluster_profiles(np.vstack([simulated.counts] * 2), np.append(simulated.labels, simulated.labels + 3))
    rng = np.random.default_rng(4)
    found = shares(rng.poisson(simulated.truth @ MIXTURES[0] * 5e6) * platform(rng, 2000), doubled).weights
    np.testing.assert_allclose(found[:3], found[3:], atol=1e-4)
    np.testing.assert_allclose(found[:3] + found[3:], MIXTURES[0], atol=0.06)


def test_clusters_of_one_cell(simulated: Simulated) -> None:
    cells = np.array([0, 60, 61, 62, 120])
    found = shares(
        simulated.truth @ np.array([0.6, 0.3, 0.1]), cluster_profiles(simulated.counts[cells], [0, 1, 1, 1, 2])
    )
    assert np.isfinite(found.weights).all()
    assert found.weights.argmax() == 0
    assert found.weights.sum() == pytest.approx(1)


def test_a_cluster_that_shows_no_gene_gets_nothing(simulated: Simulated, profiles: ClusterProfiles) -> None:
    cells = np.vstack([simulated.counts, np.zeros((2, 2000))])
    found = bulk_shares(
        (profiles.means @ MIXTURES[0])[None], cluster_profiles(cells, np.append(simulated.labels, [3, 3]))
    )
    np.testing.assert_allclose(found.weights, [[*MIXTURES[0], 0]], atol=1e-6)
    assert found.cell_shares[0, 3] == 0


def test_genes_that_are_zero_everywhere_change_nothing(simulated: Simulated, profiles: ClusterProfiles) -> None:
    bulk = profiles.means @ MIXTURES[0] * platform(np.random.default_rng(1), 2000)
    padded = cluster_profiles(np.hstack([simulated.counts, np.zeros((180, 5000))]), simulated.labels)
    found, plain = shares(np.append(bulk, np.zeros(5000)), padded), shares(bulk, profiles)
    np.testing.assert_allclose(found.weights, plain.weights, atol=1e-6)
    assert found.n_genes == plain.n_genes


@pytest.mark.parametrize("left", [1, 3, 20, 500])
def test_bulk_that_is_zero_on_most_genes_gives_shares(profiles: ClusterProfiles, left: int) -> None:
    bulk = np.zeros(2000)
    bulk[:left] = (profiles.means @ MIXTURES[0])[:left]
    found = shares(bulk, profiles)
    assert np.isfinite([*found.weights, found.residual_sd, found.explained]).all()
    assert found.weights.sum() == pytest.approx(1)
    assert found.weights.min() >= 0


def test_a_level_far_too_high_comes_down_and_the_shares_stay(profiles: ClusterProfiles) -> None:
    start = MIXTURES[0] * 100
    target = np.log(profiles.means @ MIXTURES[0] + profiles.offset)
    lower = module._gauss_newton(target, profiles.means + profiles.offset, profiles.variances, start)
    np.testing.assert_allclose(lower, start / np.e, rtol=1e-6)


def test_a_fit_that_does_not_settle_ends_all_the_same(
    profiles: ClusterProfiles, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setattr(module, "MOST_STEPS", 2)
    found = shares(profiles.means @ MIXTURES[0] * platform(rng, 2000), profiles)
    assert found.n_steps == 2
    assert found.weights.sum() == pytest.approx(1)


def test_genes_below_the_signal_are_used_where_no_others_are() -> None:
    cells = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 2, 0]])
    noisy = cluster_profiles(cells, [0, 0, 1, 1])
    found = shares(np.array([1.0, 1.0, 0.0]), noisy)
    assert found.n_genes == 3
    assert found.weights[0] > found.weights[1]


def test_fewer_genes_than_clusters_are_refused() -> None:
    two_genes = cluster_profiles(np.array([[1.0, 3, 0], [2, 1, 0], [5, 1, 0]]), [0, 1, 2])
    with pytest.raises(InputError, match=r"at least 3 genes, one per cluster\. Found: 2"):
        shares(np.array([1.0, 1, 1]), two_genes)


@pytest.mark.parametrize(
    ("bulk", "message"),
    [
        (np.ones(5), r"does not fit the cluster profiles.*\(2000,\).*\(5,\)"),
        (np.zeros(2000), "is 0 on every gene"),
        (np.append(np.ones(1999), -1.5), "no expression.*-1.5 at gene 1999"),
        (np.append(np.nan, np.ones(1999)), "no expression.*nan at gene 0"),
    ],
)
def test_bulk_that_cannot_be_used_is_refused(profiles: ClusterProfiles, bulk: F64, message: str) -> None:
    with pytest.raises(InputError, match=message):
        shares(bulk, profiles)


@pytest.mark.parametrize("bulk", [np.ones(2000), np.ones((0, 2000))])
def test_bulk_without_samples_is_refused(profiles: ClusterProfiles, bulk: F64) -> None:
    with pytest.raises(InputError, match="no samples to find shares in"):
        bulk_shares(bulk, profiles)


# Real data


class Measured(NamedTuple):
    """Cells and bulk on the genes they share, matched by name."""

    cells: npt.NDArray[np.float32]
    types: npt.NDArray[np.str_]
    bulk: pd.DataFrame
    profiles: ClusterProfiles


def read(folder: Path) -> Measured:
    expression = pd.read_csv(folder / "expression.csv.gz", index_col=0)
    bulk = pd.read_csv(folder / "bulk.csv.gz", index_col=0)
    types = pd.read_csv(folder / "labels.csv", index_col=0)["cell_type"].reindex(expression.columns)
    shared = expression.index[expression.index.isin(bulk.index)]
    cells = expression.loc[shared].to_numpy(dtype=np.float32).T
    names = types.to_numpy(dtype=str)
    return Measured(cells, names, bulk.loc[shared].T, cluster_profiles(cells, names))


@pytest.fixture(scope="module")
def scmix(data_dir: Path) -> Measured:
    return read(data_dir / "scmix3cl")


@pytest.fixture(scope="module")
def chu(data_dir: Path) -> Measured:
    return read(data_dir / "chu100")


@pytest.mark.parametrize("replicates", [(1,), (2,), (1, 2)])
def test_real_mixtures_of_the_cell_lines(scmix: Measured, replicates: tuple[int, ...]) -> None:
    ppm = scmix.bulk.div(scmix.bulk.sum(axis=1), axis=0)
    lines = [ppm.loc[[f"{line}_rep{number}" for number in replicates]].mean() for line in scmix.profiles.clusters]
    found = bulk_shares(np.array(MIXTURES) @ np.array(lines), scmix.profiles)
    assert np.abs(found.weights - np.array(MIXTURES)).max() <= 0.05


def test_real_samples_of_one_line_and_of_absent_ones(scmix: Measured) -> None:
    found = bulk_shares(scmix.bulk.to_numpy(), scmix.profiles)
    lines = np.array([name.split("_")[0] for name in scmix.bulk.index])
    for column, line in enumerate(scmix.profiles.clusters):
        assert found.weights[lines == line, column].min() >= 0.95
    assert sorted(set(lines[found.unlike])) == ["A549", "H838"]
    assert found.unlike.sum() == 4


@pytest.mark.parametrize("mixture", MIXTURES)
def test_pseudo_bulk_of_the_cells(scmix: Measured, mixture: F64) -> None:
    lines = [np.flatnonzero(scmix.types == line) for line in scmix.profiles.clusters]
    most = min(len(line) / part for line, part in zip(lines, mixture, strict=True))
    rng = np.random.default_rng(0)
    drawn = [rng.choice(line, round(most * part), replace=False) for line, part in zip(lines, mixture, strict=True)]
    sizes = np.array([len(line) for line in drawn])
    cells = scmix.cells[np.concatenate(drawn)].astype(np.float64)
    bulk = (cells / cells.sum(axis=1, keepdims=True)).mean(axis=0)
    assert np.abs(shares(bulk, scmix.profiles).weights - sizes / sizes.sum()).max() <= 0.02


@pytest.mark.parametrize("name", ["scmix", "chu"])
def test_pseudo_bulk_of_summed_counts(name: str, request: pytest.FixtureRequest) -> None:
    # 1000 cells, as a small bulk sample has them: with 100 the draw itself is off by as much as .05
    measured: Measured = request.getfixturevalue(name)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        parts = rng.dirichlet(np.ones(len(measured.profiles.clusters)))
        drawn = [
            rng.choice(np.flatnonzero(measured.types == kind), round(1000 * part))
            for kind, part in zip(measured.profiles.clusters, parts, strict=True)
        ]
        sums = np.stack([measured.cells[cells].sum(axis=0, dtype=np.float64) for cells in drawn])
        truth = sums.sum(axis=1) / sums.sum()
        assert np.abs(shares(sums.sum(axis=0), measured.profiles).weights - truth).max() <= 0.02


def test_stem_cell_samples_are_stem_cells(chu: Measured) -> None:
    found = bulk_shares(chu.bulk.filter(like="H1_", axis=0).to_numpy(), chu.profiles)
    assert chu.profiles.clusters.tolist() == ["EC", "H1"]
    assert len(found.weights) == 4
    assert found.weights[:, 1].min() >= 0.95

"""Diagnostics: exact small values, and that they see what they are for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import scgnn2_engine as sc2
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.errors import ParameterError
from scgnn2_engine.evaluate.diagnostics import (
    agreement_table,
    depth_between_clusters,
    effective_rank,
    gene_correlations,
    graph_purity,
    mean_cosine,
    silhouette,
    stability,
    variance_kept,
)
from scgnn2_engine.evaluate.diagnostics_table import MEANINGS, diagnose, gene_table, genes_seen, on_normalised_scale
from scgnn2_engine.evaluate.imputation_errors import scored_entries
from scgnn2_engine.evaluate.noise_floor import noise_floor, technical_dispersion


def test_effective_rank_is_the_number_of_equal_directions(rng):
    for d in (1, 2, 5):
        directions = np.linalg.qr(rng.standard_normal((8, d)))[0].T
        assert effective_rank(np.concatenate([directions, -directions])) == pytest.approx(d)
    assert np.isnan(effective_rank(np.ones((4, 3))))


def test_mean_cosine_of_all_pairs(rng):
    points = rng.standard_normal((9, 4))
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    pairs = (units @ units.T)[np.triu_indices(9, k=1)]
    assert mean_cosine(points) == pytest.approx(pairs.mean())
    assert mean_cosine(np.ones((3, 2))) == pytest.approx(1.0)
    assert np.isnan(mean_cosine(np.zeros((3, 2))))
    assert np.isnan(mean_cosine(np.ones((1, 2))))


def test_silhouette_of_one_cluster_or_of_single_cells_is_nan(rng):
    points = rng.random((5, 2))
    assert np.isnan(silhouette(points, np.zeros(5)))
    assert np.isnan(silhouette(points, np.arange(5)))


def test_silhouette_of_many_cells_is_that_of_a_seeded_sample(rng):
    labels = np.arange(6000) % 2
    points = (labels[:, None] + 0.01 * rng.standard_normal((6000, 2))).astype(np.float32)
    assert silhouette(points, labels, seed=1) == silhouette(points, labels, seed=1) > 0.9


def test_purity_of_two_cliques(cell_ring):
    cells = np.arange(6)
    neighbours = np.array([[other for other in cells if other // 3 == cell // 3 and other != cell] for cell in cells])
    ones = np.ones(neighbours.shape, dtype=np.float32)
    found = graph_purity(CellGraph(neighbours, ones, ones).adjacency(), cells // 3)
    assert found["purity"] == 1
    assert found["purity_by_chance"] < 0.8
    assert found["purity_z"] > 1
    assert graph_purity(cell_ring.adjacency(), np.zeros(12))["purity"] == 1
    assert np.isnan(graph_purity(cell_ring.adjacency(), np.zeros(12))["purity_z"])


def test_correlations_made_up_by_smoothing_are_seen(rng):
    observed = rng.standard_normal((200, 40))
    smoothed = observed @ np.full((40, 40), 1 / 40) + 0.1 * observed  # every gene moves with the mean of all
    found = gene_correlations(smoothed, observed)
    assert found["correlation_observed"] < 0.1 < 0.5 < found["correlation_imputed"]
    assert found["correlation_inflation"] > 5
    assert found["correlation_chance"] < 0.1
    assert found["pairs_only_imputed"] > 0.8
    same = gene_correlations(observed, observed)
    assert same["correlation_inflation"] == 1
    assert same["pairs_only_imputed"] == 0
    assert gene_correlations(smoothed, observed, seed=2) == gene_correlations(smoothed, observed, seed=2)
    assert np.isnan(gene_correlations(np.ones((5, 3)), np.ones((5, 3)))["correlation_imputed"])


def test_chance_is_a_matter_of_the_number_of_cells_alone(rng):
    for n_obs in (100, 700):
        noise = rng.standard_normal((n_obs, 40))
        for imputed in (noise, noise[:, :3] @ rng.standard_normal((3, 40))):
            found = gene_correlations(imputed, noise)["correlation_chance"]
            assert found == pytest.approx(0.6745 / np.sqrt(n_obs), rel=0.1)


def test_stability_is_the_mean_over_pairs():
    one, other, third = np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]), np.array([0, 1, 0, 1])
    table = agreement_table({"one": one, "other": other, "third": third})
    assert table.loc["one", "other"] == table.loc["other", "one"] == 1
    assert table.loc["one", "third"] == pytest.approx(-0.5)
    assert stability([one, other, third]) == pytest.approx((1 - 0.5 - 0.5) / 3)
    assert np.isnan(stability([one]))
    with pytest.raises(ParameterError, match="not of the same cells"):
        stability([one, one[:2]])


def test_dispersion_of_poisson_counts_is_nearly_zero_and_overdispersion_is_seen(masked, rng):
    assert technical_dispersion(masked) < 0.05
    rate = np.full((90, 60), 40.0)
    counts = rng.poisson(rate * rng.gamma(4.0, 0.25, size=rate.shape))  # variance μ + μ² / 4
    noisy = replace(
        masked,
        x=np.log1p(counts).astype(np.float32),
        hidden=None,
        validation=None,
        size_factors=np.ones(90, np.float32),
    )
    assert (
        0.08 < technical_dispersion(noisy) < 0.3
    )  # low rather than high: a decile, neighbours chosen by the same noise
    assert np.isnan(technical_dispersion(replace(noisy, scale="logged")))


@pytest.mark.parametrize("dropout_prob", [0.0, 0.1])
def test_the_dispersion_is_that_of_the_data_whether_the_run_normalises_or_not(dropout_prob):
    generator = np.random.default_rng(4)
    types = np.repeat([0, 1], 60)
    rates = generator.gamma(2.0, 20.0, size=(2, 50))[types] * 4.0 ** generator.uniform(-1, 1, size=(120, 1))
    counts = generator.poisson(rates * generator.gamma(20.0, 0.05, size=rates.shape)).astype(np.float32)
    data = Dataset(counts, np.arange(120).astype(str), np.arange(50).astype(str), "counts")
    params = sc2.RunParams(run_LTMG=False, seed=1, dropout_prob=dropout_prob)
    one, other = (prepare(data, params.replace(preprocess_library_size=on)) for on in (True, False))
    assert one.size_factors.std() > 0.5
    assert (other.size_factors == 1).all()
    dispersion = technical_dispersion(one)
    assert 0.02 < dispersion < 0.08  # made with 1 / 20
    assert technical_dispersion(other) == pytest.approx(dispersion, rel=1e-3)
    logged = np.log1p(rates).ravel()
    assert noise_floor(logged, technical_dispersion(other)) == pytest.approx(noise_floor(logged, dispersion), rel=1e-3)


def test_noise_floor_falls_with_the_depth_and_rises_with_the_dispersion():
    rates = [np.log1p(np.full(4000, rate)) for rate in (5.0, 50.0, 500.0)]
    poisson = [noise_floor(rate, 0.0) for rate in rates]
    assert poisson[0] > poisson[1] > poisson[2]
    # On the logarithm, Poisson counts spread by about 1 / sqrt(rate); the median of |normal| is .674 of that.
    assert poisson[2] == pytest.approx(0.674 / np.sqrt(500), rel=0.1)
    assert noise_floor(rates[2], 0.1) > noise_floor(rates[2], 0.01) > poisson[2]
    assert np.isnan(noise_floor(np.zeros(0), 0.0))
    assert np.isnan(noise_floor(rates[0], float("nan")))
    assert noise_floor(np.zeros(10), 0.0) == pytest.approx(np.log(2))  # rate 0, but known to be expressed: a count of 1


def test_observed_values_are_those_before_hiding(masked):
    normalised, observed = on_normalised_scale(masked.to_output_scale(masked.x), masked)
    whole = np.log1p(masked.expression / masked.size_factors[:, None])
    assert np.allclose(observed, whole, atol=1e-4)
    assert np.allclose(normalised, masked.x, atol=1e-4)
    assert np.nanmedian(variance_kept(whole, observed)) == pytest.approx(1, abs=1e-3)


def test_the_table_holds_what_was_measured_with_its_meaning(masked):
    imputed = masked.to_output_scale(np.full_like(masked.x, masked.x.mean()))
    table = diagnose(imputed, masked, scored_entries(masked), best_baseline=0.3)
    values = dict(zip(table["name"], table["value"], strict=True))
    assert list(values) == [name for name in MEANINGS if name in values]
    assert table["meaning"].tolist() == [MEANINGS[name] for name in values]
    assert np.isfinite(table["value"].to_numpy(float)).all()
    assert values["variance_kept"] == pytest.approx(0, abs=1e-6)  # every cell alike
    assert values["zeros_kept"] == 0
    assert not {"depth_between_clusters", "purity", "silhouette", "stability_of_iterations", "graph_mean_cosine"} & set(
        values
    )


def test_depth_between_clusters_is_that_of_an_analysis_of_variance():
    generator = np.random.default_rng(5)
    labels = generator.choice(["a", "b", "c"], 300)
    seen = generator.poisson(np.where(labels == "a", 150, 100))
    depth = np.log(seen)
    groups = [depth[labels == one] for one in "abc"]
    between = sum(len(group) * (group.mean() - depth.mean()) ** 2 for group in groups)
    assert depth_between_clusters(seen, labels) == pytest.approx(between / (300 * depth.var()), abs=1e-12)
    by_chance = [depth_between_clusters(seen, generator.permutation(labels)) for _ in range(200)]
    assert np.mean(by_chance) == pytest.approx(2 / 299, rel=0.3)
    assert depth_between_clusters(seen, np.zeros(300)) == pytest.approx(0, abs=1e-12)
    assert np.isnan(depth_between_clusters(np.full(300, 7), labels))
    assert np.isnan(depth_between_clusters(np.zeros(3), np.arange(3)))


def test_genes_seen_are_those_of_the_input_without_what_a_benchmark_hides(masked):
    there = np.count_nonzero(masked.expression, axis=1)
    hidden = np.bincount(masked.hidden.rows, minlength=masked.n_obs)
    assert genes_seen(masked).tolist() == (there - hidden).tolist()
    assert masked.validation is not None


def test_the_gene_table_has_a_row_for_every_gene(masked):
    table = gene_table(masked.to_output_scale(masked.x), masked)
    assert table["gene"].tolist() == masked.var_names.tolist()
    assert table["observed_in"].between(0, 1).all()

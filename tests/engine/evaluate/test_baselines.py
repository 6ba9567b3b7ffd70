"""Baselines: exact small values, what they may see, and that they are strong."""

from __future__ import annotations

import builtins
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import scanpy
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

import scgnn2_engine as sc2
from scgnn2_engine.data.dataset import Truth
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.data.prepared import HiddenEntries, Prepared
from scgnn2_engine.errors import InputError, MissingPackageError, ParameterError
from scgnn2_engine.evaluate import (
    CLUSTERING,
    DENOISING,
    IMPUTATION,
    agreement_with_truth,
    cluster_baseline,
    denoise_baseline,
    hidden_error,
    impute_baseline,
    missing_package,
)
from scgnn2_engine.evaluate.baselines import Visible
from scgnn2_engine.evaluate.imputers import (
    alra,
    gene_statistic,
    knn_fill,
    magic,
    magic_steps,
    nearest,
    soft_svd_fill,
    thresholded,
)
from scgnn2_engine.evaluate.tuned import tuned_fill, tuned_rates
from scgnn2_engine.io import read_dataset

FILLING = ("zeros", "gene_mean", "gene_median", "knn", "soft_svd")
INSTALLED = [name for name in IMPUTATION if not missing_package(name)]


def tiny(x: list[list[float]], **changes: object) -> Prepared:
    values = np.array(x, dtype=np.float32)
    n_obs, n_vars = values.shape
    made = Prepared(
        x=values,
        size_factors=np.ones(n_obs, dtype=np.float32),
        expression=np.expm1(values),
        scale="logged",
        obs_names=np.arange(n_obs).astype(str),
        var_names=np.arange(n_vars).astype(str),
        cells=np.arange(n_obs),
        genes=np.arange(n_vars),
    )
    return replace(made, **changes)


def test_gene_mean_and_median_are_of_the_observed_entries():
    prepared = tiny([[1, 0, 2], [3, 0, 0], [8, 5, 0]])
    assert impute_baseline("gene_mean", prepared).tolist() == [[1, 5, 2], [3, 5, 2], [8, 5, 2]]
    assert impute_baseline("gene_median", tiny([[1, 0], [3, 1], [8, 1], [0, 1]])).tolist() == [
        [1, 1],
        [3, 1],
        [8, 1],
        [3, 1],
    ]
    assert gene_statistic(np.zeros((2, 1), dtype=np.float32), "mean").tolist() == [0]


def test_knn_takes_the_neighbours_observed_values_and_else_the_gene_mean():
    y = np.array([[5, 5, 0, 1], [5, 5, 2, 1], [5, 5, 4, 1], [1, 9, 0, 9], [1, 9, 0, 9]], dtype=np.float32)
    filled = knn_fill(y, n_neighbours=2)
    assert filled[0, 2] == 3  # of 2 and 4
    assert knn_fill(y, n_neighbours=1)[3, 2] == 3  # the only neighbour lacks it: the gene's mean
    assert (filled[y > 0] == y[y > 0]).all()


def test_soft_svd_recovers_a_low_rank_matrix(rng):
    whole = (1 + rng.random((60, 2))) @ (1 + rng.random((2, 40)))
    hidden = rng.random(whole.shape) < 0.1
    filled = soft_svd_fill(np.where(hidden, 0, whole).astype(np.float32), rank=3, share=0.0, n_iterations=500)
    assert np.abs(filled - whole)[hidden].max() < 0.1 * whole.std()


def test_alra_keeps_zeros_of_genes_that_are_off_and_does_not_erase_what_was_seen(rng):
    # Two types, each with genes of its own; 20 % of the expressed entries are missing.
    on = np.kron(np.eye(2), np.ones((60, 30)))
    expression = on * rng.gamma(20.0, 0.1, size=on.shape)
    seen = expression * (rng.random(on.shape) > 0.2)
    imputed = alra(seen.astype(np.float32))
    assert (imputed[on == 0] == 0).mean() > 0.95
    assert (imputed[(on == 1) & (seen == 0)] > 0).mean() > 0.95
    assert (imputed[seen > 0] > 0).all()


def test_alra_scales_no_gene_whose_spread_is_unknown():
    # Genes: seen in one cell; seen in all but one, all values alike; left in one cell; of spread in both. A negative
    # value makes 0 of what is as small.
    y = np.array([[0, 2, 1, 1], [0, 2, 3, 3], [5, 2, 0, 5], [0, 0, 0, 0]], dtype=np.float32)
    low = np.array([[0.3, 1, 0.1, 1], [0.4, 3, 2, 2], [0.5, 2, 0.1, 3], [-0.1, -0.1, -0.1, -0.1]], dtype=np.float32)
    low[0, 2] = low[2, 2] = 0.05
    found = thresholded(low, y)
    assert found[:, 0] == pytest.approx([0.3, 0.4, 0.5, 0])  # R: sd of one value is NA, not scaled
    assert found[:, 1] == pytest.approx([2, 2, 2, 0])  # R: sd 0 over sd 1, then + mean
    assert found[:, 2] == pytest.approx([1, 2, 0, 0])  # one value is left as it is; what was seen is no zero
    assert found[:, 3] == pytest.approx([1, 3, 5, 0])


def test_settings_are_chosen_at_what_is_held_out(rng):
    types = np.repeat([0, 1], 60)
    rates = rng.gamma(2.0, 2.0, size=(2, 40))[types]
    counts = rng.poisson(rates).astype(np.float32)
    found, (_, k, _) = tuned_rates("knn_tuned", counts, 0)
    assert k >= 30  # sixty cells are alike, so that few neighbours only add noise
    assert np.abs(found - rates).mean() < 0.25 * np.abs(counts - rates).mean()
    assert found.sum(axis=1) == pytest.approx(counts.sum(axis=1), rel=1e-4)
    _, rank = tuned_rates("nmf", counts, 0)
    assert rank == 5  # the fewest: there are two profiles
    filled, setting = tuned_fill("knn_tuned", np.log1p(counts), 0)
    assert setting[0] > 5
    assert (filled[counts > 0] == np.log1p(counts)[counts > 0]).all()


def test_leiden_as_the_tutorial_has_it_finds_the_groups(masked, monkeypatch):
    # Its weights take umap a minute to compile where no cache is; a Gaussian's tell the same groups.
    monkeypatch.setattr(scanpy.pp, "neighbors", partial(scanpy.pp.neighbors, method="gauss"))
    for name in ("scanpy_leiden_0.3", "scanpy_scaled_leiden_0.3"):
        found = cluster_baseline(name, masked)
        assert found.tolist() == cluster_baseline(name, masked).tolist()
        assert adjusted_rand_score(found, np.repeat([0, 1, 2], 30)) > 0.9


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("library_size", [True, False])
def test_imputation_is_finite_and_on_the_scale_of_x(groups, name, library_size):
    prepared = prepare(groups, sc2.RunParams(run_LTMG=False, dropout_prob=0.1, preprocess_library_size=library_size))
    imputed = impute_baseline(name, prepared, seed=3)
    assert imputed.dtype == np.float32
    assert imputed.shape == prepared.x.shape
    assert np.isfinite(imputed).all()
    assert (imputed >= 0).all()
    if name in FILLING:
        seen = prepared.x > 0
        assert np.allclose(imputed[seen], prepared.x[seen], atol=1e-5)


@pytest.mark.parametrize("name", INSTALLED)
def test_same_seed_same_bytes(masked, name):
    assert impute_baseline(name, masked, seed=2).tobytes() == impute_baseline(name, masked, seed=2).tobytes()


@pytest.mark.parametrize("name", [name for name in INSTALLED if name not in ("magic", "alra")])
def test_permuting_cells_permutes_the_imputation(masked, name):
    order = np.random.default_rng(0).permutation(masked.n_obs)
    moved = replace(masked, x=masked.x[order], size_factors=masked.size_factors[order], hidden=None, validation=None)
    stayed = impute_baseline(name, replace(masked, hidden=None, validation=None))
    assert np.allclose(impute_baseline(name, moved), stayed[order], atol=2e-2)


@pytest.mark.parametrize("name", INSTALLED)
def test_hidden_values_are_never_read(masked, name):
    hidden = masked.hidden
    poisoned = replace(masked, hidden=HiddenEntries(hidden.rows, hidden.cols, np.full_like(hidden.values, np.nan)))
    poisoned = replace(poisoned, expression=np.full(masked.x.shape, np.nan, dtype=np.float32))
    assert impute_baseline(name, poisoned).tobytes() == impute_baseline(name, masked).tobytes()


def test_held_out_entries_are_seen_with_a_benchmark_mask_only(masked, held_out):
    at = masked.validation
    assert np.allclose(impute_baseline("knn", masked)[at.rows, at.cols], at.values, atol=1e-5)
    at = held_out.validation
    assert (impute_baseline("zeros", held_out)[at.rows, at.cols] == 0).all()


def test_library_sizes_are_divided_by_whatever_the_run_did(groups):
    deep = np.array([[2.0, 4.0, 6.0], [4.0, 8.0, 0.0], [3.0, 6.0, 9.0]], dtype=np.float32)
    prepared = tiny(np.log1p(deep).tolist(), scale="counts")
    factors = deep.sum(axis=1) / np.median(deep.sum(axis=1))
    expected = np.log1p(deep / factors[:, None])
    visible = Visible.of(prepared, held_out=True)
    assert np.allclose(visible.y, expected, atol=1e-5)
    assert np.allclose(visible.back(visible.y), prepared.x, atol=1e-5)
    assert np.allclose(visible.normalised(prepared.x, prepared), expected, atol=1e-5)
    with_factors, without = (
        prepare(groups, sc2.RunParams(run_LTMG=False, preprocess_library_size=on, validation_share=0.02))
        for on in (True, False)
    )
    one, other = (
        prepared.to_output_scale(impute_baseline("gene_mean", prepared)) for prepared in (with_factors, without)
    )
    assert np.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("name", [name for name in DENOISING if not missing_package(name)])
def test_denoising_takes_dense_and_sparse_alike_and_gives_counts(groups, name):
    counts = groups.expression
    dense = denoise_baseline(name, counts, seed=1)
    assert dense.tobytes() == denoise_baseline(name, sp.csr_matrix(counts), seed=1).tobytes()
    assert (dense >= 0).all()
    assert np.corrcoef(dense.sum(axis=1), counts.sum(axis=1))[0, 1] > 0.98


def test_denoising_by_the_gene_mean_is_exact():
    counts = np.array([[1, 3], [4, 4]])
    expected = np.array([[0.5, 0.5]])  # mean of (1/4, 3/4) and (1/2, 1/2) is (3/8, 5/8)
    expected = np.array([[3 / 8, 5 / 8]]) * counts.sum(axis=1, keepdims=True)
    assert np.allclose(denoise_baseline("gene_mean", counts), expected)


@pytest.mark.parametrize("name", CLUSTERING)
def test_clusters_find_three_separate_groups_whatever_the_order(masked, name):
    truth = Truth(np.repeat(["a", "b", "c"], 30))
    labels = cluster_baseline(name, masked, n_clusters=3)
    assert labels.dtype == np.int32
    assert agreement_with_truth(labels, truth)["ari"] > 0.9
    assert labels.tobytes() == cluster_baseline(name, masked, n_clusters=3).tobytes()
    order = np.random.default_rng(1).permutation(masked.n_obs)
    moved = replace(masked, x=masked.x[order], size_factors=masked.size_factors[order], hidden=None, validation=None)
    assert agreement_with_truth(cluster_baseline(name, moved, n_clusters=3), truth.take(order))["ari"] > 0.9


@pytest.mark.parametrize("n_obs", [1, 2, 3, 8])
@pytest.mark.parametrize("name", [name for name in INSTALLED if name != "magic"])
def test_few_cells_do_not_break_a_baseline(rng, n_obs, name):
    prepared = tiny(rng.random((n_obs, 4)).tolist())
    assert np.isfinite(impute_baseline(name, prepared)).all()
    assert len(cluster_baseline("pca_leiden_1.0", prepared)) == n_obs
    assert len(cluster_baseline("pca_kmeans", prepared, n_clusters=1)) == n_obs


@pytest.mark.parametrize("name", [name for name in INSTALLED if name != "magic"])
def test_an_empty_matrix_stays_empty(name):
    assert (impute_baseline(name, tiny([[0.0] * 8] * 9)) == 0).all()


def test_equal_cells_are_one_cluster():
    prepared = tiny([[1.0, 2.0, 3.0]] * 9)
    assert cluster_baseline("pca_kmeans", prepared, n_clusters=3).max() == 0
    assert len(cluster_baseline("pca_leiden_0.5", prepared)) == 9


def test_errors_name_what_there_is(masked, monkeypatch):
    with pytest.raises(ParameterError, match=r"no imputation baseline 'mean'.*gene_mean"):
        impute_baseline("mean", masked)
    with pytest.raises(ParameterError, match="no denoising baseline"):
        denoise_baseline("zeros", np.ones((3, 3)))
    with pytest.raises(ParameterError, match="no cluster baseline"):
        cluster_baseline("leiden", masked)
    with pytest.raises(ParameterError, match=r"from 1 to 90.*None"):
        cluster_baseline("pca_kmeans", masked)
    really = builtins.__import__

    def without_magic(name, *rest, **more):
        if name == "magic":
            raise ImportError("No module named 'magic'")
        return really(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_magic)
    with pytest.raises(MissingPackageError, match=r"pip install --no-deps --requirement benchmarks/magic\.txt"):
        impute_baseline("magic", masked)
    assert "benchmarks/magic.txt" in missing_package("magic")


@pytest.mark.skipif(bool(missing_package("magic")), reason="magic-impute is not installed (benchmarks/magic.txt)")
def test_magic_runs_on_the_fewest_cells_it_allows():
    root = np.sqrt(np.random.default_rng(0).poisson(3.0, (15, 20))).astype(np.float32)
    for n_obs in (7, 11, 15):
        assert np.isfinite(magic(root[:n_obs])).all()
    steps = dict(magic_steps(root, (1, 3)))
    assert np.array_equal(steps[3], magic(root))


@pytest.mark.skipif(bool(missing_package("magic")), reason="magic-impute is not installed (benchmarks/magic.txt)")
def test_magic_is_quiet_and_refuses_too_few_cells(masked, capfd):
    impute_baseline("magic", masked)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(InputError, match="at least 7 cells"):
        magic(np.ones((6, 4), dtype=np.float32))


def test_nearest_counts_the_cell_itself_only_when_asked():
    points = np.array([[0.0], [1.0], [3.0]], dtype=np.float32)
    assert nearest(points, 1, include_self=False).toarray().tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]]
    assert nearest(points, 1, include_self=True).toarray().tolist() == [[1, 1, 0], [1, 1, 0], [0, 1, 1]]


def test_baselines_are_as_strong_as_measured(data_dir):
    """The figures of the brief on the published sample: soft SVD .198, nearest neighbours .254, gene mean .484."""
    params = sc2.RunParams(
        load_use_benchmark=True,
        load_dataset_dir=str(data_dir),
        load_dataset_name="goolam",
        dropout_prob=0.1,
        run_LTMG=False,
        seed=1,
    )
    prepared = prepare(read_dataset(params), params)
    errors = {
        name: hidden_error(impute_baseline(name, prepared), prepared.hidden, prepared.size_factors)["median"]
        for name in ("soft_svd", "knn", "gene_mean")
    }
    assert errors["soft_svd"] < 0.20
    assert errors["knn"] < 0.25
    assert errors["gene_mean"] < 0.40

"""Genes that were not trained on follow what the run learned of the cells."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgnn2_engine as s
from scgnn2_engine.cli import main
from scgnn2_engine.data.simulation import simulate
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.io import dataset_to_anndata
from scgnn2_engine.model import other_genes
from scgnn2_engine.model.other_genes import fit_genes

LEVEL = np.repeat([0.0, 1.0], 150)
LEARNED = np.stack([LEVEL, 1 - LEVEL, 2 * LEVEL], axis=1).astype(np.float32)


def test_rates_of_two_kinds_of_cells_are_their_means():
    rng = np.random.default_rng(0)
    factors = rng.uniform(0.5, 2, 300)
    counts = rng.poisson(factors[:, None] * np.where(LEVEL[:, None] > 0, [8.0, 1.0], [2.0, 5.0]))
    told = np.expm1(fit_genes(LEARNED, sp.csr_matrix(counts), factors, penalty=1e-6)()) / factors[:, None]
    for kind in (0, 1):
        mine = kind == LEVEL
        expected = counts[mine].sum(axis=0) / factors[mine].sum()  # where Poisson's likelihood is largest
        np.testing.assert_allclose(told[mine], np.broadcast_to(expected, (150, 2)), rtol=1e-3)


def test_a_gene_of_few_counts_stays_near_its_mean_and_one_of_none_is_finite():
    counts = np.zeros((300, 3))
    counts[:2, 0] = 1
    counts[5, 2] = 70_000
    told = np.expm1(fit_genes(LEARNED, counts, np.ones(300))())
    assert np.isfinite(told).all()
    assert told[:, 0].max() < 3 * told[:, 0].min()  # two counts, both in cells of one kind
    assert told[:, 0].mean() == pytest.approx(2 / 300, rel=0.3)
    assert told[:, 1].max() < 0.5 / 250
    assert told[:, 2].mean() == pytest.approx(70_000 / 300, rel=0.01)


def test_values_are_fitted_by_least_squares_and_not_negative():
    values = np.stack([np.where(LEVEL > 0, 2.0, 0.0), np.full(300, 0.5)], axis=1)
    told = fit_genes(LEARNED, values, None, penalty=1e-9)()
    np.testing.assert_allclose(told, values, atol=1e-5)
    assert (told >= 0).all()


def test_of_many_cells_some_are_fitted_and_all_are_told(monkeypatch):
    counts = np.random.default_rng(0).poisson(np.where(LEVEL[:, None] > 0, 8.0, 2.0), (300, 1))
    every = fit_genes(LEARNED, counts, np.ones(300))()
    monkeypatch.setattr(other_genes, "FITTED_CELLS", 100)
    some = fit_genes(LEARNED, counts, np.ones(300))()
    assert some.shape == every.shape
    np.testing.assert_allclose(np.expm1(some), np.expm1(every), rtol=0.3)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("genes")
    data = simulate(200, 80, n_types=3, seed=0)
    dataset_to_anndata(data).write_h5ad(folder / "cells.h5ad")
    flags = ["--preprocess_top_gene_select", "40", "--total_epoch", "1", "--feature_AE_epoch", "40", "40"]
    flags += ["--device", "cpu"]
    flags += ["--no-evaluate_baselines", "--no-evaluate_diagnostics", "--no-output_figures", "--quiet"]
    assert main(["run", str(folder / "cells.h5ad"), "--output_dir", str(folder / "out"), *flags]) == 0
    return folder, data


def test_the_command_tells_genes_that_were_not_trained_on(run, capsys):
    folder, data = run
    model = s.Model.of_run(folder / "out")
    others = [str(name) for name in data.var_names if name not in set(model.var_names)]
    assert others
    (folder / "wanted.txt").write_text("\n".join([*others[:2], ""]), "utf-8")
    assert main(["genes", str(folder / "out"), str(folder / "wanted.txt"), "--output", str(folder / "some.csv")]) == 0
    table = pd.read_csv(folder / "some.csv", index_col=0)
    assert table.columns.tolist() == others[:2]
    assert table.index.tolist() == model.obs_names.tolist()
    np.testing.assert_allclose(table, model.other_genes(others[:2], data), rtol=1e-5)
    assert main(["genes", str(folder / "out"), "all", "--output", str(folder / "all.h5ad")]) == 0
    adata = anndata.read_h5ad(folder / "all.h5ad")
    assert adata.shape == (len(model.obs_names), 80)
    np.testing.assert_allclose(adata[:, others[:2]].layers["scgnn2_rate"], table, rtol=1e-5)
    assert main(["genes", str(folder / "out"), "gene_900", "--output", str(folder / "no.csv")]) == 2
    assert "Near: gene_" in capsys.readouterr().err
    assert main(["genes", str(folder / "out"), "all", "--output", str(folder / "no.txt")]) == 2


def test_a_trained_gene_is_told_as_the_network_does(run):
    folder, data = run
    model = s.Model.of_run(folder / "out")
    own = model.outputs("rate")
    told = model.other_genes(list(model.var_names), data)
    correlations = [np.corrcoef(own[:, gene], told[:, gene])[0, 1] for gene in range(own.shape[1])]
    assert np.median(correlations) > 0.8


def test_what_is_not_of_the_run_is_refused(run):
    folder, data = run
    model = s.Model.of_run(folder / "out")
    with pytest.raises(ParameterError, match="The input has no gene nothing"):
        model.other_genes(["nothing"], data)
    with pytest.raises(InputError, match="not those of the model"):
        model.other_genes(["gene_1"], simulate(20, 80, n_types=3, seed=0))
    with pytest.raises(InputError, match="without the data"):
        s.Model.load(folder / "out").other_genes(["gene_1"], data)

"""Results of other tools: what they are compared with is said, and only what belongs together is compared."""

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.errors import InputError, InsufficientMemoryError
from scgnn2_engine.evaluate.baselines import impute_baseline
from scgnn2_engine.evaluate.comparison import iterate_outputs
from scgnn2_engine.evaluate.matching import common_names, prepared_from
from scgnn2_engine.evaluate.scale_fit import linear_doubt, with_library
from scgnn2_engine.evaluate.score_tables import wide
from scgnn2_engine.evaluate.tool_outputs import named_apart, read_output
from scgnn2_engine.events import drain
from scgnn2_engine.io import read
from scgnn2_engine.params import LoadParams, RunParams

CELLS_IN_ROWS = LoadParams(orientation="cells-by-genes")
COUNTS = np.array([[1, 5, 3], [4, 2, 6], [7, 9, 2], [2, 8, 4]])


@pytest.fixture
def table(tmp_path):
    """Writes counts as a csv of cells by genes and returns its path."""

    def write(name, values=COUNTS, genes=("a", "b", "c"), cells=4):
        frame = pd.DataFrame(values, index=[f"cell_{number}" for number in range(len(values))], columns=list(genes))
        frame.iloc[:cells].to_csv(tmp_path / name)
        return tmp_path / name

    return write


def compare(result, observed, **options):
    observed = read(observed, CELLS_IN_ROWS)
    outputs = [read_output(path, CELLS_IN_ROWS) for path in (result if isinstance(result, list) else [result])]
    return drain(iterate_outputs(outputs, observed=observed, baselines=False, **options))


def visible(values):
    """The preparation of counts in which nothing is hidden."""
    n_obs, n_vars = np.shape(values)
    names = (np.array([f"cell_{n}" for n in range(n_obs)]), np.array([f"gene_{n}" for n in range(n_vars)]))
    counts = Dataset(np.asarray(values, dtype=np.float32), *names, "counts")
    return prepared_from(counts, counts)


def test_suffixes_mean_the_same_only_in_the_same_order():
    first, turned = np.array(["a", "a-1", "b", "c"]), np.array(["c", "a", "a-1", "b"])
    fewer = np.array(["a", "b", "c"])
    for lists, renamed, common, unclear in (
        ([first, first], [True, True], ["a", "a-1", "b", "c"], []),
        ([first, turned], [True, True], ["b", "c"], ["a", "a-1"]),
        ([first, turned], [False, False], ["a", "a-1", "b", "c"], []),  # names of their own
        ([first, fewer], [True, False], ["b", "c"], ["a"]),
        ([fewer, turned], [False, True], ["b", "c"], ["a"]),
    ):
        found = common_names(lists, renamed)
        assert [names.tolist() for names in found] == [common, unclear]


def test_duplicated_genes_in_another_order_are_left_out(table):
    observed = table("observed.csv", genes=("a", "a", "b"))
    same = compare(table("same.csv", genes=("a", "a", "b")), observed)
    assert same.compared.loc[0, "scored_genes"] == 3
    assert same.evaluation.imputation["rmse"].max() == 0
    assert not any("left out" in warning for warning in same.warnings)
    turned = compare(table("turned.csv", COUNTS[:, [2, 1, 0]], genes=("b", "a", "a")), observed)
    assert turned.compared.loc[0, "scored_genes"] == 1
    assert turned.evaluation.imputation["rmse"].max() == 0
    assert "2 genes are left out" in turned.warnings[0]
    assert "a, a-1" in turned.warnings[0]


def test_what_a_result_lacks_is_counted_and_said(table):
    part = table("part.csv", COUNTS[:, :2] + 1, genes=("a", "b"), cells=3)
    found = compare([part, table("whole.csv", COUNTS + 1)], table("observed.csv"))
    columns = ["method", "cells", "of_cells", "genes", "of_genes", "scored_cells", "scored_genes", "n_untouched"]
    assert found.compared[columns].to_numpy().tolist() == [
        ["part", 3, 4, 2, 3, 3, 2, 6],
        ["whole", 4, 4, 3, 3, 3, 2, 6],
    ]
    assert found.compared["compared_with"].tolist() == ["observed"] * 2
    (warning,) = found.warnings
    assert "3 of 4 cells and 2 of 3 genes" in warning
    assert "part (3 cells, 2 genes)" in warning
    assert compare(table("whole.csv", COUNTS + 1), table("observed.csv")).warnings == ()


def test_a_layer_beside_logged_values_is_not_compared_with_them_in_silence(tmp_path):
    adata = anndata.AnnData(np.log1p(COUNTS * 0.9).astype(np.float32))
    adata.layers["magic"] = np.log1p(COUNTS * 0.8).astype(np.float32)
    adata.write_h5ad(tmp_path / "logged.h5ad")
    output = read_output(tmp_path / "logged.h5ad", LoadParams(layer="magic"))
    assert output.made_from == "X of the same file (logged)"
    assert "holds no counts" in output.warnings[0]
    assert "--observed" in output.warnings[0]
    adata.layers["counts"] = COUNTS.astype(np.float32)
    adata.write_h5ad(tmp_path / "counts.h5ad")
    output = read_output(tmp_path / "counts.h5ad", LoadParams(layer="magic"))
    assert output.made_from == "layers['counts'] of the same file (counts)"
    assert output.warnings == ()
    assert any("magic" in note for note in output.notes)


def test_cells_without_a_label_are_said(table, tmp_path):
    (tmp_path / "labels.csv").write_text("cell,cell_type\ncell_0,x\ncell_1,NA\ncell_2,y\nelsewhere,y\n")
    found = compare(table("whole.csv"), table("observed.csv"), labels=tmp_path / "labels.csv")
    assert found.notes[0].startswith("Labels for 2 of 4 cells")
    assert "elsewhere" in found.notes[1]
    assert found.warnings[0].startswith("2 cells have no label")
    assert "cell_1, cell_3" in found.warnings[0]


def test_linear_values_that_keep_what_was_observed_are_noticed():
    generator = np.random.default_rng(2)
    counts = generator.poisson(generator.gamma(1.0, 4.0, size=(30, 40)))
    prepared = visible(counts)
    filled = np.where(counts > 0, counts, counts.mean(axis=0))
    for library in (1.0, 0.3, generator.uniform(0.2, 2.0, size=(30, 1))):  # normalised to whatever total
        said = linear_doubt(filled * library, prepared)
        assert "as they stand they are the observed ones" in said
        assert "--scale normalised" in said
        assert linear_doubt(np.log1p(filled * library), prepared) == ""
    assert linear_doubt(filled * 0.001, prepared) == ""  # so small that both readings are the same


def test_linear_values_of_a_tool_that_smooths_are_noticed_by_their_means():
    generator = np.random.default_rng(3)
    means = 2.0 ** np.arange(12)  # of the genes: 1, 2, 4 … 2048
    counts = generator.poisson(means * generator.uniform(0.5, 2.0, size=(40, 12)))
    smooth = np.tile(counts.mean(axis=0), (40, 1))
    said = linear_doubt(smooth * 15 / 2048, visible(counts))
    assert "slope 1.0" in said
    assert "--scale normalised" in said
    for library in (1.0, 0.01, 50.0):
        assert linear_doubt(np.log1p(smooth * library), visible(counts)) == ""
    assert linear_doubt(smooth[:, :5] * 15 / 2048, visible(counts[:, :5])) == ""  # five genes tell nothing
    assert linear_doubt(np.zeros((40, 12)), visible(counts)) == ""
    assert linear_doubt(np.full((40, 12), 1e6), visible(counts)) == ""  # e to that power is no number


@pytest.mark.parametrize("name", ["gene_mean", "knn", "soft_svd", "alra"])
def test_logged_values_are_never_doubted(name):
    """On sparse counts gene means of what fills zeros no longer rise with the observed ones."""
    generator = np.random.default_rng(4)
    counts = generator.poisson(generator.gamma(0.4, 1.0, size=(2, 60))[np.repeat([0, 1], 30)] * 1.5)
    data = Dataset(
        counts.astype(np.float32), np.arange(60).astype(str), np.array([f"gene_{n}" for n in range(60)]), "counts"
    )
    run = prepare(data, RunParams(run_LTMG=False, preprocess_cell_cutoff=1.0, preprocess_gene_cutoff=1.0))
    imputed = run.to_output_scale(impute_baseline(name, run, seed=0))
    assert linear_doubt(imputed, visible(run.expression)) == ""
    total = np.expm1(imputed) / np.expm1(imputed).sum(axis=1, keepdims=True)
    assert linear_doubt(np.log1p(total * 10_000), visible(run.expression)) == ""


def test_values_that_are_those_observed_are_no_imputation(table, tmp_path):
    adata = anndata.AnnData(COUNTS.astype(np.float32))
    adata.layers["imputed"] = np.log1p(COUNTS * 0.8).astype(np.float32)
    adata.write_h5ad(tmp_path / "tool.h5ad")
    observed = read(tmp_path / "tool.h5ad")
    plain = read_output(tmp_path / "tool.h5ad")
    (warning,) = drain(iterate_outputs([plain], observed=observed, baselines=False)).warnings
    assert "the values are the observed ones" in warning
    assert "--layer; the file has imputed" in warning
    with pytest.raises(InputError, match=r"--layer \(there are imputed\)"):
        drain(iterate_outputs([plain], baselines=False))
    named = read_output(tmp_path / "tool.h5ad", LoadParams(layer="imputed"))
    assert drain(iterate_outputs([named], observed=observed, baselines=False)).warnings == ()


def test_a_truth_of_other_values_than_those_visible_is_said(table):
    truth, seen = read(table("truth.csv"), CELLS_IN_ROWS), COUNTS.copy()
    seen[0, 0] = 0
    hidden = read(table("hidden.csv", seen), CELLS_IN_ROWS)
    scale = LoadParams(orientation="cells-by-genes", scale="normalised")
    output = read_output(table("made.csv", COUNTS + 0.25), scale)
    assert drain(iterate_outputs([output], truth=truth, observed=hidden, baselines=False)).warnings == ()
    seen[1:, :] *= 2
    doubled = read(table("doubled.csv", seen), CELLS_IN_ROWS)
    (warning,) = drain(iterate_outputs([output], truth=truth, observed=doubled, baselines=False)).warnings
    assert warning.startswith("81.8% of the visible entries")  # 9 of 11


def test_a_sparse_result_is_cut_before_it_becomes_dense_and_refused_where_it_does_not_fit(table, tmp_path, monkeypatch):
    others = sp.random(4, 49_997, density=1e-4, format="csr", random_state=1, dtype=np.float32)
    values = sp.hstack([sp.csr_matrix(COUNTS.astype(np.float32) + 1), others], format="csr")
    adata = anndata.AnnData(values, obs=pd.DataFrame(index=[f"cell_{n}" for n in range(4)]))
    adata.var_names = ["a", "b", "c", *(f"other_{n}" for n in range(49_997))]
    adata.write_h5ad(tmp_path / "wide.h5ad")
    output = read_output(tmp_path / "wide.h5ad")
    assert sp.issparse(output.expression)
    observed = read(table("observed.csv"), CELLS_IN_ROWS)
    found = drain(iterate_outputs([output], observed=observed, baselines=False))
    assert found.compared.loc[0, "scored_genes"] == 3
    monkeypatch.setattr("scgnn2_engine.io.memory.available_memory", lambda: 300)
    with pytest.raises(InsufficientMemoryError, match="Scoring 4 cells and 3 genes"):
        drain(iterate_outputs([output], observed=observed, baselines=False))


def test_the_noise_floor_is_that_of_the_data_in_any_order(table):
    generator = np.random.default_rng(7)
    rates = generator.gamma(3.0, 8.0, size=(3, 40))[np.repeat([0, 1, 2], 20)]
    counts = generator.poisson(rates)
    genes = [f"gene_{number}" for number in range(40)]
    seen = np.where(generator.random(counts.shape) < 0.2, 0, counts)
    truth, observed = (
        read(table(name, values, genes, 60), CELLS_IN_ROWS) for name, values in (("t.csv", counts), ("o.csv", seen))
    )
    good, bad = (
        read_output(table(name, values, genes, 60), LoadParams(orientation="cells-by-genes", scale="normalised"))
        for name, values in (("good.csv", rates + 0.1), ("bad.csv", np.full(counts.shape, 3.5)))
    )
    floors = []
    for outputs in ([good, bad], [bad, good]):
        found = drain(iterate_outputs(outputs, truth=truth, observed=observed, seed=1)).evaluation.diagnostics
        floors += found.loc[found["name"] == "noise_floor", "value"].tolist()
    assert len(floors) == 4
    assert len(set(floors)) == 1


def test_a_result_with_the_name_of_a_baseline_is_none(table):
    generator = np.random.default_rng(8)
    counts = generator.poisson(generator.gamma(2.0, 10.0, size=(20, 30)))
    genes = [f"gene_{number}" for number in range(30)]
    seen = np.where(generator.random(counts.shape) < 0.2, 0, counts)
    truth, observed = (
        read(table(name, values, genes, 20), CELLS_IN_ROWS) for name, values in (("t.csv", counts), ("o.csv", seen))
    )
    outputs = named_apart([read_output(table("knn.csv", counts + 1, genes, 20), CELLS_IN_ROWS)])
    assert outputs[0].name == "knn (file)"
    found = drain(iterate_outputs(outputs, truth=truth, observed=observed)).evaluation
    assert wide(found.imputation).columns[0] == "knn (file)"
    assert "knn" in wide(found.imputation).columns
    alone = drain(iterate_outputs(outputs, truth=truth, observed=observed, baselines=False)).evaluation
    assert "gap_closed" not in set(alone.diagnostics["name"])


def test_the_doubt_is_about_guesses_only(table):
    genes = [f"gene_{number}" for number in range(12)]
    counts = np.tile(2 ** np.arange(12), (4, 1)) + np.arange(4)[:, None]
    values = counts * np.random.default_rng(0).uniform(0.9, 1.1, counts.shape) * 15 / 2260
    linear, observed = table("linear.csv", values, genes), table("observed.csv", counts, genes)
    (warning,) = compare(linear, observed).warnings
    assert warning.startswith("linear: The values were taken for logged")
    asked = read_output(linear, LoadParams(orientation="cells-by-genes", scale="logged"))
    assert drain(iterate_outputs([asked], observed=read(observed, CELLS_IN_ROWS), baselines=False)).warnings == ()


def test_a_filled_result_gets_its_library_back_whatever_it_filled():
    generator = np.random.default_rng(5)
    whole = generator.integers(1, 50, size=(6, 40)).astype(np.float32)
    seen = np.where(generator.random(whole.shape) < 0.3, 0, whole)
    names = (np.array([f"cell_{n}" for n in range(6)]), np.array([f"gene_{n}" for n in range(40)]))
    prepared = prepared_from(Dataset(whole, *names, "counts"), Dataset(seen, *names, "counts"))
    filled = np.where(seen > 0, seen, 7.0)
    scaled = filled / filled.sum(axis=1, keepdims=True) * 10_000
    for given in (filled, scaled):
        assert with_library(np.log1p(given), prepared) == pytest.approx(np.log1p(filled), abs=1e-5)


def test_sparse_counts_do_not_double_a_result_that_smooths():
    generator = np.random.default_rng(6)
    rates = np.tile(generator.gamma(0.3, 3.0, size=400), (20, 1))  # three quarters of the counts are 0
    prepared = visible(generator.poisson(rates))
    found = np.expm1(with_library(np.log1p(rates / 20), prepared)) / rates
    assert np.median(found) == pytest.approx(1, abs=0.15)


def test_a_cell_of_which_nothing_was_seen_keeps_its_values():
    values = np.log1p([[1.0, 2.0]])
    assert with_library(values, visible([[0, 0]])) == pytest.approx(values)


def test_labels_of_joined_samples_may_call_cells_as_their_own_samples_do(tmp_path):
    result, observed = tmp_path / "result.h5ad", tmp_path / "observed.h5ad"
    names = ["AAAC-1-ctrl", "CCCG-1-ctrl", "AAAC-1-stim", "TTTA-1-stim"]
    made = anndata.AnnData(COUNTS.astype(np.float32), obs=pd.DataFrame({"sample": ["ctrl"] * 2 + ["stim"] * 2}, names))
    made.var_names = ["Actb", "Gapdh", "Sox2"]
    made.write_h5ad(result)
    made.write_h5ad(observed)
    (tmp_path / "labels.csv").write_text("cell,cell_type\nAAAC-1,x\nCCCG-1,x\nTTTA-1,y\n")
    found = compare(result, observed, labels=tmp_path / "labels.csv")
    assert found.notes[0].startswith("Labels for 2 of 4 cells")
    assert "1 names in" in " ".join(found.warnings)  # AAAC-1 is a cell of both

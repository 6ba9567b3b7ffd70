"""Results of other tools: what they are compared with is said, and only what belongs together is compared."""

import anndata
import numpy as np
import pandas as pd
import pytest

from scgnn2_engine.evaluate.matching import common_names, prepared_from
from scgnn2_engine.evaluate.outputs import read_output
from scgnn2_engine.evaluate.outside import iterate_outputs
from scgnn2_engine.evaluate.scale_fit import linear_doubt, with_library
from scgnn2_engine.events import drain
from scgnn2_engine.io import read
from scgnn2_engine.params import LoadParams
from scgnn2_engine.types import Dataset

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
    assert same.warnings == ()
    turned = compare(table("turned.csv", COUNTS[:, [2, 1, 0]], genes=("b", "a", "a")), observed)
    assert turned.compared.loc[0, "scored_genes"] == 1
    assert turned.evaluation.imputation["rmse"].max() == 0
    assert "2 genes are left out" in turned.warnings[0]
    assert "a, a-1" in turned.warnings[0]


def test_what_a_result_lacks_is_counted_and_said(table):
    part = table("part.csv", COUNTS[:, :2], genes=("a", "b"), cells=3)
    found = compare([part, table("whole.csv")], table("observed.csv"))
    columns = ["method", "cells", "of_cells", "genes", "of_genes", "scored_cells", "scored_genes", "n_untouched"]
    assert found.compared[columns].to_numpy().tolist() == [
        ["part", 3, 4, 2, 3, 3, 2, 6],
        ["whole", 4, 4, 3, 3, 3, 2, 6],
    ]
    assert found.compared["compared_with"].tolist() == ["observed"] * 2
    (warning,) = found.warnings
    assert "3 of 4 cells and 2 of 3 genes" in warning
    assert "part (3 cells, 2 genes)" in warning
    assert compare(table("whole.csv"), table("observed.csv")).warnings == ()


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


def test_linear_values_taken_for_logged_are_noticed():
    counts = np.tile(2.0 ** np.arange(12), (4, 1))  # means of the genes: 1, 2, 4 … 2048
    prepared = visible(counts)
    said = linear_doubt(counts * 15 / 2048, prepared)
    assert "slope 1.00" in said
    assert "--scale normalised" in said
    for library in (1.0, 0.01, 50.0):  # normalised to whatever total
        assert linear_doubt(np.log1p(counts * library), prepared) == ""
    assert linear_doubt(counts[:, :5] * 15 / 2048, visible(counts[:, :5])) == ""  # five genes tell nothing


def test_the_doubt_is_about_guesses_only(table):
    genes = [f"gene_{number}" for number in range(12)]
    counts = np.tile(2 ** np.arange(12), (4, 1)) + np.arange(4)[:, None]
    linear, observed = table("linear.csv", counts * 15 / 2051.1, genes), table("observed.csv", counts, genes)
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

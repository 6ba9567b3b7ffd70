import json
import shutil
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.data.blocks import as_blocks
from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.errors import OutputError
from scgnn2_engine.io import (
    claim_directory,
    clear_directory,
    expected_size,
    result_to_anndata,
    write,
    write_intermediate,
)
from scgnn2_engine.io.r.reading import read_r
from scgnn2_engine.io.r.serialisation import parse
from scgnn2_engine.io.r.values import data_frame
from scgnn2_engine.io.results import answers, result_tables
from scgnn2_engine.io.results.saved import (
    read_edges,
    read_embedding,
    read_labels,
    read_losses,
    read_metrics,
    read_saved_expression,
)
from scgnn2_engine.params import RunParams
from scgnn2_engine.results.result import Result
from scgnn2_engine.results.state import LoopState

PLAIN = RunParams(output_figures=False, run_LTMG=False)
STANDARD = {f"{name}.csv" for name in result_tables.TABLES} | {"result.h5ad", "run.json"}


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_result_is_all_of_its_files(tmp_path: Path, result: Result) -> None:
    written = write(result, tmp_path, params=PLAIN)
    assert names_in(tmp_path) == STANDARD
    assert written == sorted(tmp_path / name for name in STANDARD)


@pytest.fixture
def bulk_result(result: Result) -> Result:
    """Bulk on genes 0, 2 and 4 of 5; the second cluster is not in it."""
    weights = np.array([3.0, 0.0, 0.1])
    found = {
        "clusters": np.array([0, 1, 2], dtype=np.int32),
        "genes": np.array([0, 2, 4]),
        "weights": weights,
        "proportions": weights / weights.sum(),
        "profiles": np.arange(9, dtype=np.float32).reshape(3, 3),
        "gene_scaling": np.ones(3),
        "losses": {"opt1": 0.5},
    }
    return replace(result, deconvolution=found)


def test_bulk_adds_the_weights_of_the_clusters(tmp_path: Path, bulk_result: Result) -> None:
    written = write(bulk_result, tmp_path, params=PLAIN)
    assert names_in(tmp_path) == STANDARD | {"deconvolution.csv", "deconvolution_genes.csv"}
    assert tmp_path / "deconvolution.csv" in written
    assert (tmp_path / "deconvolution.csv").read_text().splitlines() == [
        "cluster,weight,proportion",
        f"0,3.0,{3 / 3.1!r}",
        "1,0.0,0.0",
        f"2,0.1,{0.1 / 3.1!r}",
    ]
    genes = pd.read_csv(tmp_path / "deconvolution_genes.csv", index_col="gene")
    assert list(genes.index) == ["Gene0", "Gene2", "Gene4"]
    assert genes.loc["Gene2"].tolist() == [1.0, 3.0, 4.0, 5.0]  # scaling, then the profile of each cluster


def test_shares_in_every_sample_are_a_table(tmp_path: Path, bulk_result: Result) -> None:
    found = dict(bulk_result.deconvolution or {})
    found |= {"cell_shares": np.array([0.5, 0.25, 0.25]), "samples": pd.DataFrame({"sample": ["a"], "share_0": [0.5]})}
    write(replace(bulk_result, deconvolution=found), tmp_path, params=PLAIN)
    assert (tmp_path / "deconvolution_samples.csv").read_text() == "sample,share_0\na,0.5\n"
    assert pd.read_csv(tmp_path / "deconvolution.csv")["cell_share"].tolist() == [0.5, 0.25, 0.25]


def test_a_run_without_bulk_removes_the_weights_of_an_earlier_one(
    tmp_path: Path, bulk_result: Result, result: Result
) -> None:
    write(bulk_result, tmp_path, params=PLAIN)
    write(result, tmp_path, params=PLAIN, overwrite=True)
    assert names_in(tmp_path) == STANDARD


def test_bulk_profiles_stand_beside_their_genes(tmp_path: Path, bulk_result: Result, result: Result) -> None:
    write(bulk_result, tmp_path, params=PLAIN)
    profiles = anndata.read_h5ad(tmp_path / "result.h5ad").varm["scgnn2_bulk_profiles"]
    assert list(profiles.columns) == ["0", "1", "2"]
    assert list(profiles.index) == list(result.prepared.var_names)
    missing = [np.nan] * 3
    np.testing.assert_array_equal(profiles, [[0, 1, 2], missing, [3, 4, 5], missing, [6, 7, 8]])
    assert not result_to_anndata(result).varm


def test_tables_read_back_as_they_were(tmp_path: Path, result: Result) -> None:
    write(result, tmp_path, params=PLAIN)
    names = result.prepared.obs_names
    imputed = pd.read_csv(tmp_path / "imputed.csv", index_col=0)
    assert list(imputed.index) == list(names)
    assert list(imputed.columns) == list(result.prepared.var_names)
    np.testing.assert_allclose(imputed, result.imputed, rtol=5e-6)
    embedding = read_embedding(tmp_path, "feature")
    np.testing.assert_array_equal(embedding, result.feature_embedding)
    assert list(embedding.columns) == ["feature_1", "feature_2", "feature_3", "feature_4"]
    labels = read_labels(tmp_path)
    assert labels.to_dict() == dict(zip(names, result.labels.astype(str), strict=True))
    history = pd.read_csv(tmp_path / "labels_history.csv")
    assert list(history.columns) == ["cell", "iteration_1", "iteration_2"]
    pd.testing.assert_frame_equal(read_metrics(tmp_path), result.metrics)
    assert read_losses(tmp_path)["value"].tolist() == [8.0, 4.0, 0.7, 3.0, 5.0]


def test_missing_scores_are_empty_and_one_row_is_selected(tmp_path: Path, result: Result) -> None:
    write(result, tmp_path, params=PLAIN)
    assert (tmp_path / "metrics.csv").read_text().splitlines()[1] == "1,,,0.3,3,1.0,True"


def test_every_edge_is_written_once_by_cell_name(tmp_path: Path, result: Result) -> None:
    write(result, tmp_path, params=PLAIN)
    frame = pd.read_csv(tmp_path / "graph_edgeList.csv")
    assert list(frame.columns) == ["Start", "End", "Weight"]
    edges, weights = read_edges(tmp_path, result.prepared.obs_names)
    rebuilt = sp.coo_matrix((weights, edges), shape=(12, 12)).toarray()
    np.testing.assert_array_equal(rebuilt + rebuilt.T, result.graph.adjacency(weighted=True).toarray())
    assert len(frame) == 36


def test_h5ad_has_the_slots_and_keeps_sparse_sparse(tmp_path: Path, result: Result) -> None:
    write(result, tmp_path, params=PLAIN)
    adata = anndata.read_h5ad(tmp_path / "result.h5ad")
    assert sp.issparse(adata.X)
    assert adata.X.format == "csr"
    np.testing.assert_array_equal(adata.X.toarray(), result.prepared.expression.toarray())
    assert set(adata.layers) == {"counts", "scgnn2_imputed"}
    np.testing.assert_array_equal(adata.layers["scgnn2_imputed"], result.imputed)
    assert set(adata.obsm) == {"X_scgnn2_feature", "X_scgnn2_graph", "X_scgnn2_umap"}
    assert adata.obsp["scgnn2_connectivities"].nnz == 72
    assert list(adata.obs["scgnn2_cluster"].cat.categories) == ["0", "1", "2"]
    assert list(adata.obs["batch"].iloc[:2]) == ["a", "1"]
    assert json.loads(adata.uns["scgnn2"]["run"])["seed"] == 1
    saved = read_saved_expression(tmp_path)
    np.testing.assert_array_equal(saved.labels, result.labels)
    assert (saved.scale, saved.hidden_entries) == ("counts", 1)


def test_h5ad_of_logged_data_has_no_counts_and_leaves_the_result_alone(result: Result) -> None:
    assert result.obs is not None
    logged = replace(result, prepared=replace(result.prepared, scale="logged"), umap=None)
    adata = result_to_anndata(logged)
    assert set(adata.layers) == {"scgnn2_imputed"}
    assert set(adata.obsm) == {"X_scgnn2_feature", "X_scgnn2_graph"}
    assert list(result.obs.columns) == ["batch"]


def test_same_result_same_bytes(tmp_path: Path, result: Result) -> None:
    for folder in ("a", "b"):
        write(result, tmp_path / folder, params=PLAIN)
    for name in STANDARD:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_run_json_holds_the_record(tmp_path: Path, result: Result) -> None:
    write(result, tmp_path, params=PLAIN)
    assert json.loads((tmp_path / "run.json").read_text()) == {
        "seed": 1,
        "loss": None,
        "dropped_genes": ["Gene9"],
        "threads": 2,
    }


def test_an_existing_result_is_refused_then_replaced_without_leftovers(tmp_path: Path, result: Result) -> None:
    write(
        result,
        tmp_path,
        params=RunParams(output_preprocessed=True, output_figures=False, dropout_prob=0.1, run_LTMG=True),
    )
    assert (tmp_path / "preprocessed_data" / "LTMG_0.1.csv").is_file()
    (tmp_path / "notes.txt").write_text("mine")
    for refused in (lambda: claim_directory(tmp_path), lambda: write(result, tmp_path, params=PLAIN)):
        with pytest.raises(OutputError, match="holds an earlier result"):
            refused()
    write(result, claim_directory(tmp_path, overwrite=True), params=PLAIN, overwrite=True)
    assert names_in(tmp_path) == STANDARD | {"notes.txt"}


def test_claiming_removes_nothing_and_clearing_only_what_a_new_run_streams(
    tmp_path: Path, result: Result, state: LoopState
) -> None:
    write(result, tmp_path, params=PLAIN)
    write_intermediate(state, result.prepared, tmp_path)
    (tmp_path / "events.jsonl").write_text("{}\n")
    before = names_in(tmp_path)
    claim_directory(tmp_path, overwrite=True)
    assert names_in(tmp_path) == before
    clear_directory(tmp_path)
    assert names_in(tmp_path) == STANDARD


def test_a_failed_write_keeps_the_earlier_result(
    tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(result, tmp_path, params=PLAIN)
    before = (tmp_path / "labels.csv").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(result_tables, "write_edges", full)
    with pytest.raises(OutputError, match="disk is full"):
        write(replace(result, labels=result.labels + 1), tmp_path, params=PLAIN, overwrite=True)
    assert names_in(tmp_path) == STANDARD
    assert (tmp_path / "labels.csv").read_bytes() == before


def test_too_little_room_is_refused_with_the_number(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(OutputError, match="too little room") as caught:
        claim_directory(tmp_path, expected_bytes=free * 2)
    assert caught.value.expected == f"{free * 2 / 2**20:,.0f} MiB free"


@pytest.mark.parametrize("folder", ["/proc/scgnn2", "a file/out"])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        claim_directory(tmp_path / folder)


def test_a_claimed_folder_is_left_empty(tmp_path: Path) -> None:
    assert list(claim_directory(tmp_path / "new").iterdir()) == []


def test_expected_size_is_an_upper_bound_that_grows_with_the_switches(tmp_path: Path, result: Result) -> None:
    everything = RunParams(output_preprocessed=True, output_figures=False)
    total = sum(path.stat().st_size for path in write(result, tmp_path, params=everything))
    size = expected_size(12, 5, everything)
    assert total < size
    assert (
        expected_size(12, 5, PLAIN)
        < size
        < expected_size(12, 5, RunParams(output_rdata=True, output_preprocessed=True))
    )


def test_preprocessed_data_is_genes_by_cells_and_as_given(tmp_path: Path, result: Result) -> None:
    write(result, tmp_path, params=RunParams(output_preprocessed=True, output_figures=False, run_LTMG=True))
    frame = pd.read_csv(tmp_path / "preprocessed_data" / "original_top_expression.csv", index_col=0)
    np.testing.assert_array_equal(frame.to_numpy().T, result.prepared.expression.toarray())
    assert list(frame.columns) == list(result.prepared.obs_names)
    states = pd.read_csv(tmp_path / "preprocessed_data" / "LTMG_0.0.csv", sep="\t", index_col="ID")
    assert result.prepared.states is not None
    np.testing.assert_array_equal(states.to_numpy().T, result.prepared.states)


def test_an_intermediate_state_has_the_form_of_the_result(tmp_path: Path, result: Result, state: LoopState) -> None:
    write(result, tmp_path, params=PLAIN)
    folder = tmp_path / "intermediate" / "iteration_1"
    written = write_intermediate(state, result.prepared, tmp_path)
    assert sorted(written) == sorted(folder.iterdir())
    for name in ("imputed.csv", "labels.csv", "graph_edgeList.csv", "clustering_embedding.csv"):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()
    np.testing.assert_array_equal(np.load(folder / "feature_weights.npz")["encoder.weight"], np.eye(2))
    with pytest.raises(ValueError, match="before the loop"):
        write_intermediate(replace(state, labels=None), result.prepared, tmp_path)


def test_every_table_as_rdata(tmp_path: Path, bulk_result: Result) -> None:
    tables = result_tables.TABLES + result_tables.BULK_TABLES
    write(bulk_result, tmp_path, params=RunParams(output_rdata=True, output_figures=False, run_LTMG=False))
    tables = tuple(name for name in tables if name != "deconvolution_samples")  # of another method
    added = {"deconvolution.csv", "deconvolution_genes.csv"}
    assert names_in(tmp_path) == STANDARD | added | {f"{name}.RData" for name in tables}
    for name in tables:
        content = parse(tmp_path / f"{name}.RData")
        assert list(content) == ["df"]
        frame, left_out = data_frame(content["df"])
        assert not left_out
        assert list(frame.columns) == list(pd.read_csv(tmp_path / f"{name}.csv", nrows=0).columns)
    imputed, _ = data_frame(parse(tmp_path / "imputed.RData")["df"])
    assert imputed["cell"].tolist() == bulk_result.prepared.obs_names.tolist()
    np.testing.assert_array_equal(imputed.iloc[:, 1:], bulk_result.imputed)


@pytest.fixture
def sourced_result(result: Result) -> Result:
    """The result of a data set with two more genes, one more cell, and things known beside its expression."""
    prepared = result.prepared
    n_obs, n_vars = prepared.n_obs + 1, prepared.n_vars + 2
    every = np.arange(n_obs * n_vars, dtype=np.float32).reshape(n_obs, n_vars)
    every[1:, :5] = prepared.expression.toarray()
    source = Dataset(
        expression=sp.csr_matrix(every),
        obs_names=np.array(["left_out", *prepared.obs_names]),
        var_names=np.array([*prepared.var_names, "Left", "Out"]),
        scale="counts",
        var=pd.DataFrame({"chromosome": list("abcdefg")}, index=[*prepared.var_names, "Left", "Out"]),
        obsm={"X_pca": np.arange(2 * n_obs, dtype=np.float64).reshape(n_obs, 2), "X_scgnn2_umap": np.ones((n_obs, 2))},
    )
    return replace(result, prepared=replace(prepared, cells=np.arange(1, n_obs)), source=source, umap=None)


def test_what_came_with_the_data_stays_with_the_result(sourced_result: Result) -> None:
    adata = result_to_anndata(sourced_result)
    source = sourced_result.source
    assert source is not None
    assert adata.raw.shape == (12, 7)
    np.testing.assert_array_equal(adata.raw.X.toarray(), source.expression.toarray()[1:])
    assert adata.raw.var["chromosome"].tolist() == list("abcdefg")
    assert adata.var["chromosome"].tolist() == list("abcde")
    np.testing.assert_array_equal(adata.obsm["X_pca"], source.obsm["X_pca"][1:])
    assert "X_scgnn2_umap" not in adata.obsm  # that of an earlier run is not this one's
    assert adata.obs["scgnn2_error_median"].tolist() == [0.3] * 12  # of iteration 1, the selected one
    assert not {"scgnn2_seconds", "scgnn2_selected", "scgnn2_ari_against_ground_truth"} & set(adata.obs)


def test_seurat_object_of_a_result(tmp_path: Path, sourced_result: Result) -> None:
    params = RunParams(output_seurat=True, output_figures=False, run_LTMG=False)
    write(sourced_result, tmp_path, params=params)
    assert names_in(tmp_path) == STANDARD | {"seurat.rds", "to_seurat.R"}
    total = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert total < expected_size(12, 5, params, n_stored=84)
    back = read_r(tmp_path / "seurat.rds").value
    assert isinstance(back, anndata.AnnData)
    source = sourced_result.source
    assert source is not None
    assert list(back.var_names) == list(source.var_names)
    np.testing.assert_array_equal(back.layers["counts"].toarray(), source.expression.toarray()[1:])
    np.testing.assert_array_equal(back.obsm["scGNN2_data"], sourced_result.imputed)
    assert back.obs["active_ident"].tolist() == sourced_result.labels.astype(str).tolist()
    assert {"X_pca", "X_scgnn2.feature", "X_scgnn2.graph"} <= set(back.obsm)
    np.testing.assert_array_equal(
        back.obsp["scGNN2_snn"].toarray(), sourced_result.graph.adjacency(weighted=True).toarray()
    )
    write(sourced_result, tmp_path, params=PLAIN, overwrite=True)
    assert names_in(tmp_path) == STANDARD  # those of an earlier result do not stay


def test_a_run_id_reaches_run_json(tmp_path: Path, result: Result) -> None:
    write(replace(result, record={**result.record, "run_ID": 7}), tmp_path, params=PLAIN)
    assert json.loads((tmp_path / "run.json").read_text())["run_ID"] == 7


def test_csv_and_layers_are_for_sizes_that_are_said(
    tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {name: np.asarray(result.imputed + 1) for name in ("value", "rate")}
    result = replace(result, matrices={**result.matrices, **more})
    write(result, tmp_path, params=PLAIN)
    assert anndata.read_h5ad(tmp_path / "result.h5ad").layers.keys() == {
        *("counts", "scgnn2_imputed", "scgnn2_rate", "scgnn2_value"),
    }
    monkeypatch.setattr(answers, "CSV_UP_TO", 59)
    monkeypatch.setattr(answers, "LAYERS_UP_TO", 59)
    write(result, tmp_path, params=PLAIN, overwrite=True)
    assert names_in(tmp_path) == STANDARD - {"imputed.csv"}
    read = anndata.read_h5ad(tmp_path / "result.h5ad")
    assert read.layers.keys() == {"counts", "scgnn2_imputed", "scgnn2_value"}
    np.testing.assert_array_equal(read.layers["scgnn2_imputed"], result.imputed)
    np.testing.assert_array_equal(read.layers["scgnn2_value"], more["value"])
    assert answers.stored_answers(result, PLAIN.output)[1] == (
        "Not in result.h5ad for their size (60 values each): rate. output_layers = all stores them."
    )
    asked = PLAIN.replace(output_csv="yes", output_layers="rate, expected")
    write(result, tmp_path, params=asked, overwrite=True)
    assert names_in(tmp_path) == STANDARD
    assert "scgnn2_rate" in anndata.read_h5ad(tmp_path / "result.h5ad").layers
    assert "scgnn2_value" not in anndata.read_h5ad(tmp_path / "result.h5ad").layers
    assert answers.stored_answers(result, asked.output)[1] == (
        "Not in result.h5ad: expected. This run computed imputed, value, rate."
    )
    assert answers.stored_answers(result, PLAIN.replace(output_layers="all").output)[0] == ["imputed", *more]


def test_matrices_that_are_computed_are_written_as_arrays_are(tmp_path: Path, result: Result) -> None:
    computed = replace(result, matrices={name: as_blocks(values) for name, values in result.matrices.items()})
    for name, one in (("arrays", result), ("computed", computed)):
        write(one, tmp_path / name, params=PLAIN)
    for name in STANDARD:
        assert (tmp_path / "arrays" / name).read_bytes() == (tmp_path / "computed" / name).read_bytes()

"""What a run left in its folder, finished and under way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from scgnn2_app.results.run_data import RunData
from scgnn2_app.runs.snapshots import save_data
from scgnn2_app.sources.source import Source, label_name
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import InputError
from scgnn2_engine.run.folder import iterate_to_folder


@pytest.fixture
def run(made_run: Path) -> RunData:
    return RunData(made_run)


@pytest.fixture
def under_way(made_run: Path, tmp_path: Path) -> RunData:
    shutil.copytree(made_run / "snapshots", tmp_path / "run" / "snapshots")
    return RunData(tmp_path / "run")


def test_names_clusters_and_labels(run: RunData) -> None:
    assert (run.n_obs, run.n_vars, run.finished) == (24, 6, True)
    assert run.obs_names[3] == "cell 3"
    assert run.labels.tolist() == [0] * 12 + [1] * 8 + [2] * 4
    assert run.truth_name == "kind"
    assert run.groups["kind"].tolist() == ["B"] * 12 + ["T"] * 10 + [""] * 2
    assert list(run.numbers) == ["depth"]


def test_the_name_is_the_one_that_was_given_last(made_run: Path, tmp_path: Path) -> None:
    run = RunData(shutil.copytree(made_run, tmp_path / "run"))
    assert run.name == "run"
    (run.folder / "job.json").write_text('{"name": "with bulk"}')
    assert run.name == "with bulk"


def test_labels_from_a_file_are_matched_by_name(made_run: Path, tmp_path: Path) -> None:
    labels = tmp_path / "types.csv"
    labels.write_text("cell,type\ncell 1,T\ncell 0,B\n")
    copy = shutil.copytree(made_run, tmp_path / "run")
    record = (copy / "run.json").read_text().replace('"kind"', f'"{labels}"')
    (copy / "run.json").write_text(record)
    run = RunData(copy)
    assert run.truth_name == "types.csv"
    assert run.groups["types.csv"][:3].tolist() == ["B", "T", ""]


@pytest.mark.parametrize("style", ["three columns", "tabs without a header"])
def test_labels_of_a_benchmark_folder_are_read_as_the_run_did(style: str, made_run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made_run, tmp_path / "run"))
    folder = tmp_path / "mine"
    folder.mkdir()
    line, header = (
        ("cell {0},spot {0},T{1}\n", ",name,cell_type\n") if style == "three columns" else ("cell {0}\tT{1}\n", "")
    )
    (folder / "top_cell_labels.csv").write_text(header + "".join(line.format(i, i % 2) for i in range(24)))
    record = json.loads((copy / "run.json").read_text())
    record["params"] |= {
        "load_cell_type_labels": "", "load_use_benchmark": True, "given_cell_type_labels": True,
        "load_dataset_dir": str(tmp_path), "load_dataset_name": "mine",
    }  # fmt: skip
    (copy / "run.json").write_text(json.dumps(record))
    run = RunData(copy)
    assert run.truth_name == "top_cell_labels.csv"
    assert run.groups[run.truth_name][:3].tolist() == ["T0", "T1", "T0"]
    (folder / "top_cell_labels.csv").write_text("changed since\n")
    assert RunData(copy).truth_name == ""


def test_genes_are_read_on_a_log_scale(run: RunData) -> None:
    observed, imputed = run.gene("gene 0"), run.gene("gene 0", imputed=True)
    np.testing.assert_allclose(observed, np.log1p([5.0] * 12 + [0.0] * 12), rtol=1e-6)
    np.testing.assert_allclose(imputed, observed + 0.5, rtol=1e-6)
    with pytest.raises(InputError, match="Did you mean gene 0"):
        run.gene("genx")


def test_hidden_entries_and_their_error(run: RunData) -> None:
    assert run.hidden_is_benchmark
    assert run.hidden_positions is not None
    assert run.hidden_positions.tolist() == [[0, 1, 20], [0, 0, 1]]
    error = run.hidden_error
    assert error is not None
    np.testing.assert_allclose(error[[0, 1, 20]], 0.5, rtol=1e-5)
    assert np.isnan(np.delete(error, [0, 1, 20])).all()


def test_hidden_entries_are_compared_with_values_where_the_gene_is_seen(made_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made_run, tmp_path / "run")
    assert not RunData(copy).imputed_is_expected
    with h5py.File(copy / "result.h5ad", "a") as file:
        file["layers"].copy("scgnn2_imputed", "scgnn2_value")
        file["layers/scgnn2_imputed"][...] *= 0.1
    run = RunData(copy)
    assert run.imputed_is_expected
    assert run.hidden_error is not None
    np.testing.assert_allclose(run.hidden_error[[0, 1, 20]], 0.5, rtol=1e-5)  # as before
    assert run.imputed().max() < 0.3


def test_what_the_file_was_not_to_hold_is_computed_from_the_model(tiny_source, tiny_params, tmp_path) -> None:
    kept = {}
    for layers in ("all", "zeros_kept"):
        params = tiny_params.replace(
            total_epoch=1, imputation_target="expected", output_layers=layers, output_dir=str(tmp_path / layers)
        )
        for _ in iterate_to_folder(tiny_source.path, params):
            pass
        kept[layers] = RunData(tmp_path / layers)
    with h5py.File(tmp_path / "zeros_kept" / "result.h5ad") as file:
        assert "scgnn2_value" not in file["layers"]
    assert kept["zeros_kept"].imputed_is_expected
    for one, other in zip(kept["zeros_kept"].hidden_values, kept["all"].hidden_values, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(*(run.gene("gene_3", imputed=True) for run in kept.values()))


def test_a_result_of_an_earlier_version_names_no_hidden_entries(made_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made_run, tmp_path / "run")
    with h5py.File(copy / "result.h5ad", "a") as file:
        del file["uns/scgnn2/hidden_positions"]
    assert RunData(copy).hidden_error is None


def test_the_graph_of_every_iteration(run: RunData) -> None:
    assert run.iterations == [1, 2]
    returned, first = run.graph_of(), run.graph_of(1)
    assert np.array_equal(returned.edges, first.edges)  # the made run has one graph
    np.testing.assert_allclose(returned.weights, first.weights, rtol=1e-6)
    assert first.labels.max() == 1
    assert first.positions is returned.positions
    assert np.array_equal(run.edges[:, run.weights > 0], run.edges)
    with pytest.raises(InputError, match="iteration 9"):
        run.graph_of(9)


def test_an_own_map_is_made_once(made_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, made = RunData(shutil.copytree(made_run, tmp_path / "run")), []

    def umap(embedding: np.ndarray, seed: int) -> np.ndarray:
        made.append(seed)
        return embedding[:, :2]

    monkeypatch.setattr("scgnn2_app.results.kept_map.umap_positions", umap)
    own = run.graph_of(1, own_map=True)
    assert not np.array_equal(own.positions, run.umap)
    assert run.graph_of(1, own_map=True).positions is own.positions
    assert made == [7]


def test_markers_come_from_observed_counts(run: RunData) -> None:
    first = run.markers[run.markers["group"] == "0"].iloc[0]
    assert first["gene"] == "gene 0"
    assert (first["share_in_group"], first["share_elsewhere"]) == (1.0, 0.0)


def test_a_run_under_way_has_what_its_snapshots_hold(under_way: RunData) -> None:
    assert not under_way.finished
    assert under_way.labels.tolist() == [0] * 12 + [1] * 8 + [2] * 4
    assert under_way.gene("gene 0")[0] == pytest.approx(np.log(6))
    assert under_way.labels_history.shape == (24, 2)
    assert under_way.metrics.empty
    assert under_way.evaluation is None
    assert under_way.weights.min() > 0
    with pytest.raises(InputError, match="finished"):
        under_way.gene("gene 0", imputed=True)


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the folder of a run"):
        RunData(tmp_path)
    (tmp_path / "result.h5ad").write_text("not an h5ad")
    with pytest.raises(InputError, match="cannot be read"):
        _ = RunData(tmp_path).var_names


def test_sparse_counts_give_the_same_genes(made_run: Path, tmp_path: Path) -> None:
    import anndata
    import scipy.sparse as sp

    copy = shutil.copytree(made_run, tmp_path / "run")
    adata = anndata.read_h5ad(copy / "result.h5ad")
    adata.X = sp.csr_matrix(adata.X)
    adata.write_h5ad(copy / "result.h5ad")
    dense, sparse = RunData(made_run), RunData(copy)
    assert sp.issparse(sparse.expression)
    for gene in dense.var_names:
        assert np.array_equal(dense.gene(gene), sparse.gene(gene))
    assert dense.hidden_values is not None
    assert sparse.hidden_values is not None
    assert np.array_equal(dense.hidden_values[0], sparse.hidden_values[0])


def made_of(run: RunData) -> Prepared:
    """What a run trains on, as its process has it."""
    n_obs, n_vars = run.n_obs, run.n_vars
    return Prepared(
        x=np.zeros((n_obs, n_vars), np.float32), size_factors=np.ones(n_obs, np.float32), expression=run.expression,
        scale=run.scale, obs_names=run.obs_names, var_names=run.var_names, cells=np.arange(n_obs),
        genes=np.arange(n_vars),
    )  # fmt: skip


def asked_for(run: RunData, source: Source, **params: object) -> RunData:
    """The run as the workspace would have submitted it."""
    (run.folder / "job.json").write_text(json.dumps({"source": source.to_dict(), "params": params, "name": "mine"}))
    return RunData(run.folder)


def test_a_run_under_way_has_the_annotation_of_its_data(under_way: RunData, tmp_path: Path) -> None:
    names = [*reversed(under_way.obs_names), "dropped"]
    obs = pd.DataFrame({"type": ["a"] * 4 + ["b"] * 21, "depth": np.arange(25.0)}, index=names)
    save_data(under_way.folder, made_of(under_way), obs.loc[under_way.obs_names])
    run = asked_for(under_way, Source.at(tmp_path / "data.h5ad", labels="type"))
    assert (run.name, run.truth_name) == ("mine", "type")
    assert run.groups["type"].tolist() == ["b"] * 20 + ["a"] * 4
    assert run.numbers["depth"][0] == 23
    assert run.again().obs is run.obs  # not read once more after every iteration
    (run.folder / "snapshots/data.h5ad").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"data\.h5ad cannot be read"):
        RunData(run.folder).obs  # noqa: B018 - it is read when it is asked for


def test_a_run_under_way_has_labels_from_a_file(under_way: RunData, tmp_path: Path) -> None:
    path = tmp_path / "types.csv"
    pd.DataFrame({"cell": under_way.obs_names, "type": ["x", "y"] * 12}).to_csv(path, index=False)
    run = asked_for(under_way, Source.at(tmp_path / "counts.csv"), load_cell_type_labels=str(path))
    assert run.truth_name == "types.csv"
    assert run.groups["types.csv"][:2].tolist() == ["x", "y"]
    assert asked_for(under_way, Source.at(tmp_path / "counts.csv")).truth_name == ""


def test_labels_from_a_file_stay_when_it_goes(under_way: RunData, tmp_path: Path) -> None:
    path = tmp_path / "types.csv"
    pd.DataFrame({"cell": under_way.obs_names, "type": ["x", "y"] * 12}).to_csv(path, index=False)
    save_data(under_way.folder, made_of(under_way), labels=str(path))
    path.unlink()
    run = asked_for(under_way, Source.at(tmp_path / "counts.csv"), load_cell_type_labels=str(path))
    assert run.truth_name == "types.csv"
    assert run.groups["types.csv"].tolist() == ["x", "y"] * 12


def test_the_demo_brings_its_labels() -> None:
    source = Source.demo()
    assert label_name(source, {}) == "bulk_labels"
    assert label_name(source, {"load_cell_type_labels": "phase"}) == "phase"

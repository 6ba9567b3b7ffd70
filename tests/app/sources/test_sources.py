"""What a run reads: sources, what is said about them, and the walls around the server's files."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anndata
import numpy as np
import pandas as pd
import pytest

from scgnn2_app.runs.records import RunInfo
from scgnn2_app.runs.source_summary import describe, expected_seconds
from scgnn2_app.runs.uploads import safe_name
from scgnn2_app.sources.server_files import browse, holds_data
from scgnn2_app.sources.source import Source, keep_anndata, opened, require_allowed, require_inside
from scgnn2_engine import RunParams, simulate
from scgnn2_engine.errors import InputError
from scgnn2_engine.io import dataset_to_anndata
from scgnn2_engine.io.formats import suffixes


def test_the_demo_brings_its_labels_unless_others_are_given():
    data, params = opened(Source.demo(), RunParams())
    assert data.shape == (700, 765)
    assert params.load.cell_type_labels == "bulk_labels"
    assert opened(Source.demo(), RunParams(load_cell_type_labels="louvain"))[1].load.cell_type_labels == "louvain"
    assert opened(Source.demo().with_labels("phase"), RunParams())[1].load.cell_type_labels == "phase"


def test_labels_and_bulk_of_a_source_reach_the_parameters():
    data, params = opened(Source.at("/d/x.csv", labels="/d/l.csv", bulk="/d/b.csv"), RunParams())
    assert (data, params.load.cell_type_labels, params.load.bulk_dataset) == ("/d/x.csv", "/d/l.csv", "/d/b.csv")
    assert opened(Source("flags"), RunParams(load_sc_dataset="x.csv"))[0] is None


def test_a_source_survives_being_written_down():
    source = Source.at("/d/x.csv", labels="cell_type")
    assert Source.from_dict(source.to_dict()) == source


def test_an_anndata_is_kept_and_described(tmp_path):
    adata = dataset_to_anndata(simulate(30, 20, 2, seed=0))
    adata.obs["kind"] = ["a", "b"] * 15
    adata.obs["barcode"] = [f"b{number}" for number in range(30)]
    source, _ = keep_anndata(adata, tmp_path, title="mine")
    summary = describe(source, RunParams(preprocess_top_gene_select=10))
    assert source.text == "mine"
    assert (summary.n_obs, summary.n_vars, summary.scale) == (30, 20, "counts")
    assert "kind" in summary.label_columns
    assert summary.memory > 0
    assert summary.fits == (summary.memory <= summary.memory_free)
    assert 0 < summary.zeros < 1
    assert summary.seconds[0] <= summary.seconds[1]


@pytest.mark.parametrize(
    ("column", "read_as"),
    [
        (pd.Series(range(30), name=0), list(range(30))),
        (pd.Series([1, "a"] * 15, name="mixed"), ["1", "a"] * 15),
        (pd.Series([None] * 30, name="none"), [None] * 30),
        (pd.Series(["a", "b"] * 15, name="text"), ["a", "b"] * 15),
        (pd.Series(["a", None] * 15, name="gaps", dtype="string"), ["a", None] * 15),
        (pd.Series(pd.to_datetime(["2024-01-02"] * 30), name="day"), ["2024-01-02"] * 30),
    ],
)
def test_an_ordinary_anndata_is_kept_and_stays_as_it_is(column, read_as, tmp_path):
    adata = dataset_to_anndata(simulate(30, 20, 2, seed=0))
    adata.obs = column.to_frame().set_axis(adata.obs_names, axis=0)
    dtypes = adata.obs.dtypes.to_dict()
    source, said = keep_anndata(adata, tmp_path)
    assert adata.obs.dtypes.to_dict() == dtypes
    assert [path.suffix for path in tmp_path.iterdir()] == [".h5ad"]
    kept = anndata.read_h5ad(source.path).obs[str(column.name)].astype(object)
    assert kept.where(kept.notna(), None).tolist() == read_as
    assert ("now text" in said) == (column.name in ("mixed", "day"))


def test_backed_data_samples_and_a_dataset_are_kept_too(tmp_path):
    data = simulate(30, 20, 2, seed=0)
    dataset_to_anndata(data).write_h5ad(tmp_path / "own.h5ad")
    before = (tmp_path / "own.h5ad").read_bytes()
    backed = anndata.read_h5ad(tmp_path / "own.h5ad", backed="r")
    adata = backed.to_memory()
    for given, n_obs in ((backed, 30), (data, 30), ({"a": adata, "b": adata}, 60)):
        assert anndata.read_h5ad(keep_anndata(given, tmp_path / "kept")[0].path).shape == (n_obs, 20)
    assert backed.isbacked
    backed.file.close()
    assert (tmp_path / "own.h5ad").read_bytes() == before
    with pytest.raises(InputError, match="cannot be read from this object"):
        keep_anndata(pd.DataFrame([[1.0]]), tmp_path / "kept")


def test_what_an_anndata_does_not_tell_of_a_dataset_is_said(tmp_path):
    data = simulate(30, 20, 2, seed=0)
    states = np.ones((30, 20), dtype=np.uint8)
    _, said = keep_anndata(replace(data, states=states, scale="normalised"), tmp_path)
    for phrase in ("the known labels", "the LTMG states", "the scale normalised"):
        assert phrase in said
    assert "bulk" not in said


def test_nothing_half_written_is_left_where_it_cannot_be_kept(tmp_path, monkeypatch):
    def half(self, path, **_):
        path.write_text("half of it")
        raise MemoryError

    monkeypatch.setattr(anndata.AnnData, "write_h5ad", half)
    with pytest.raises(MemoryError):
        keep_anndata(dataset_to_anndata(simulate(30, 20, 2, seed=0)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_described_with_its_orientation_and_labels(tmp_path):
    (tmp_path / "x.csv").write_text("gene,cell_1,cell_2,cell_3\nActb,3,0,2\nGapdh,5,1,0\n")
    (tmp_path / "l.csv").write_text("cell,cell_type\ncell_1,T\ncell_2,B\ncell_3,T\n")
    summary = describe(Source.at(tmp_path / "x.csv", labels=str(tmp_path / "l.csv")), RunParams())
    assert (summary.n_obs, summary.orientation) == (3, "genes-by-cells")
    assert summary.labels.endswith("l.csv")
    assert summary.zeros == pytest.approx(2 / 6)
    assert "cells: cell_1, cell_2, cell_3" in summary.notes
    assert next(note for note in summary.notes if note.startswith("orientation: ")).startswith(
        "orientation: genes-by-cells, by the names"
    )


def test_more_cells_and_iterations_take_longer():
    small = expected_seconds(1000, 2000, RunParams(total_epoch=10))
    large = expected_seconds(8000, 2000, RunParams(total_epoch=10))
    assert small[0] < small[1] < large[1]
    bounded = RunParams(max_seconds=20, output_figures=False)
    assert expected_seconds(8000, 2000, bounded)[1] < 30


def test_scoring_and_figures_are_counted_where_they_are_on():
    bare = {"evaluate_baselines": False, "evaluate_diagnostics": False, "output_figures": False}
    whole = RunParams(total_epoch=3)
    seconds, _ = expected_seconds(700, 636, whole)
    for switch in bare:
        assert expected_seconds(700, 636, whole.replace(**{switch: False}))[0] < seconds
    assert expected_seconds(700, 636, whole.replace(evaluate_null_genes=50))[0] > seconds + 20
    assert expected_seconds(700, 636, whole.replace(**bare))[0] == pytest.approx(seconds - 16.0, abs=0.1)


def test_only_runs_that_compute_the_same_correct_the_estimate(made_run):
    """Six trials of a sweep, which score and draw nothing, say little of the next run."""
    began = datetime(2026, 1, 1, tzinfo=UTC)

    def earlier(seconds, **switches):
        return RunInfo(
            id="a", state="done", created=began, source=Source.demo(), params=whole.replace(**switches).to_dict(),
            changed={}, folder=made_run, iteration=3, started=began, ended=began + timedelta(seconds=seconds),
        )  # fmt: skip

    whole = RunParams(total_epoch=3)
    plain, _ = expected_seconds(24, 6, whole)
    trials = [earlier(1, evaluate_baselines=False, evaluate_diagnostics=False, output_figures=False)] * 6
    assert expected_seconds(24, 6, whole, trials) == (plain, plain)
    corrected, _ = expected_seconds(24, 6, whole, [*trials, earlier(2 * plain)])
    assert corrected == pytest.approx(2 * plain)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    (folder / "inside").mkdir(parents=True)
    (folder / "counts.csv").write_text("gene,cell")
    (folder / "notes.docx").write_text("no data")
    (folder / ".hidden.csv").write_text("no")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text("secret")
    (folder / "way_out").symlink_to(tmp_path / "outside")
    (folder / "stolen.csv").symlink_to(tmp_path / "outside" / "secret.csv")
    (folder / "inner_link.csv").symlink_to(folder / "counts.csv")
    (folder / "circle").symlink_to(folder / "circle")
    tenx = folder / "tenx"
    tenx.mkdir()
    (tenx / "matrix.mtx").write_text("%%MatrixMarket")
    return folder


def test_folders_that_hold_a_matrix_are_data(tmp_path):
    for name, file in (
        ("series", "GSM1_ctrl_matrix.mtx.gz"), ("kb", "cells_x_genes.mtx"), ("a.zarr", ".zgroup"),
        ("b.zarr", "zarr.json"), ("letters", "counts.docx"),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("x")
    assert {entry.name for entry in browse(tmp_path, [tmp_path]) if holds_data(entry.path)} == {
        "series", "kb", "a.zarr", "b.zarr"
    }  # fmt: skip


@pytest.mark.parametrize("suffix", suffixes())
def test_every_file_that_a_run_can_read_is_shown_and_may_be_sent(tmp_path, suffix):
    (tmp_path / f"a{suffix.upper()}").write_text("x")
    assert [entry.is_folder for entry in browse(tmp_path, [tmp_path])] == [False]
    assert safe_name(f"a{suffix}") == f"a{suffix}"


def test_browsing_shows_data_and_folders_and_no_way_out(root):
    entries = browse(root, [root])
    assert [(entry.name, entry.is_folder, holds_data(entry.path)) for entry in entries] == [
        ("inside", True, False),
        ("tenx", True, True),
        ("counts.csv", False, False),
        ("inner_link.csv", False, False),
    ]
    assert browse("inside", [root]) == []


@pytest.mark.parametrize("path", ["..", "../outside", "way_out", "/", "/etc/passwd", "inside/../../outside"])
def test_hostile_paths_are_refused(root, path):
    with pytest.raises(InputError, match="outside the folders this server may read"):
        browse(path, [root])


def test_without_roots_nothing_is_shown(root):
    with pytest.raises(InputError, match="named with --root"):
        browse(root, [])


def test_a_folder_that_only_begins_like_a_root_is_another(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data2").mkdir()
    with pytest.raises(InputError):
        require_inside(tmp_path / "data2", [tmp_path / "data"])
    assert require_inside(tmp_path / "data", [tmp_path / "data"]) == (tmp_path / "data").resolve()


def test_a_refusal_does_not_tell_whether_the_file_exists(root):
    messages = []
    for name in ("secret.csv", "not_there.csv"):
        with pytest.raises(InputError) as error:
            require_allowed(Source.at(root.parent / "outside" / name), RunParams(), [root])
        messages.append(str(error.value).replace(name, "NAME"))
    assert messages[0] == messages[1]


def test_every_parameter_that_names_a_file_is_looked_at(root):
    from scgnn2_app.sources.source import READING

    for key in (*READING, "load_dataset_dir"):
        params = RunParams(**{key: str(root.parent / "outside" / "secret.csv")})
        with pytest.raises(InputError, match="outside"):
            require_allowed(Source.demo(), params, [root])
    every = [key for key in RunParams().to_dict() if key.startswith("load_")]
    texts = [key for key in every if isinstance(RunParams().to_dict()[key], str)]
    no_files = {
        "load_dataset_dir",
        "load_dataset_name",
        "load_batch_key",
        "load_bulk_samples",
        "load_object",
        "load_orientation",
        "load_layer",
        "load_modality",
        "load_genome",
        "load_sample",
        "load_scale",
    }
    assert set(texts) == {*READING, *no_files}, "a new load_ parameter: does it name a file?"


def test_the_benchmarks_folder_may_not_be_reached_by_its_name(root):
    params = RunParams(load_use_benchmark=True, load_dataset_dir=str(root), load_dataset_name="../outside")
    with pytest.raises(InputError, match="outside"):
        require_allowed(Source("flags"), params, [root])
    good = RunParams(load_use_benchmark=True, load_dataset_dir=str(root), load_dataset_name="inside")
    require_allowed(Source("flags"), good, [root])


def test_a_folder_that_may_not_be_opened_is_said(root, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)  # root, as which some machines test, may open everything
    with pytest.raises(InputError, match="cannot be opened: Permission denied"):
        browse("inside", [root])


def test_labels_are_found_by_kind(tmp_path):
    adata = dataset_to_anndata(simulate(40, 10, 2, seed=0))
    adata.obs["score"] = np.linspace(0, 1, 40)
    adata.obs["constant"] = "x"
    columns = describe(keep_anndata(adata, tmp_path)[0], RunParams()).label_columns
    assert "score" not in columns
    assert "constant" not in columns


def test_a_refusal_names_only_folders_that_may_be_browsed(root, tmp_path):
    own = tmp_path / "workspace" / "uploads" / "everyone"
    for shown, names in (([root], str(root)), ([], "a folder named with --root")):
        with pytest.raises(InputError) as error:
            require_allowed(Source.at("/etc/passwd"), RunParams(), [root, own], shown=shown)
        assert f"a path inside {names}." in str(error.value)
        assert "workspace" not in str(error.value)


def test_a_folder_that_is_not_there_is_refused_with_advice(root):
    with pytest.raises(InputError) as error:
        browse("inside/nowhere", [root])
    assert error.value.advice

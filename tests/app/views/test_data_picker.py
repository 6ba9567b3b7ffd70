"""What the picker of the data says of paths that cannot be read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import mmwrite
from scipy.sparse import csr_matrix

from scgnn2_app.context import ServerContext
from scgnn2_app.controls.form import ParameterForm
from scgnn2_app.controls.wording import on_page
from scgnn2_app.runs.jobs import JobManager
from scgnn2_app.runs.uploads import uploads
from scgnn2_app.session import Session
from scgnn2_app.sources.source import Source
from scgnn2_app.sweeps.sweeps import SweepManager
from scgnn2_app.views.data_picker import ON_SERVER, DataPicker
from scgnn2_app.views.uploader import Uploader
from scgnn2_engine import simulate
from scgnn2_engine.io import dataset_to_anndata

GOLDEN = Path(__file__).parents[2] / "engine" / "io" / "golden"


@pytest.fixture
def picker(tmp_path: Path) -> Iterator[DataPicker]:
    roots = (tmp_path / "root", tmp_path / "other")
    for root in roots:
        (root / "inside").mkdir(parents=True)
    manager = JobManager(tmp_path / "workspace", at_once=1, threads=1, roots=roots)
    sweeps = SweepManager(manager)
    yield DataPicker(ServerContext(manager, sweeps, roots=roots), ParameterForm(), Session())
    sweeps.close()
    manager.close(kill=True)


def test_a_file_that_is_not_there_is_said_with_what_to_do(picker: DataPicker, tmp_path: Path) -> None:
    picker._choice.value = ON_SERVER
    picker._path.value = str(tmp_path / "root" / "counts.csv")
    assert "There is no file counts.csv" in picker._says.object
    assert "Choose one from the list" in picker._says.object


def test_every_folder_that_is_served_can_be_reached(picker: DataPicker, tmp_path: Path) -> None:
    picker._choice.value = ON_SERVER
    assert picker._path.value == str(tmp_path / "root")
    assert picker._entries.options[1:] == [f"⇄ {tmp_path / 'other'}", "inside/"]
    picker._entries.value = f"⇄ {tmp_path / 'other'}"
    assert picker._path.value == str(tmp_path / "other")
    picker._entries.value = "inside/"
    assert picker._entries.options[1:] == ["↑ folder above"]


def test_folders_of_the_workspace_are_not_named(picker: DataPicker, tmp_path: Path) -> None:
    picker.take(Source.at("/etc/passwd"))
    assert f"a path inside {tmp_path / 'root'}, {tmp_path / 'other'}." in picker._says.object
    assert "uploads" not in picker._says.object
    assert picker.source is None


COUNTS = "gene,a,b,c\ng1,1,0,3\ng2,0,2,1\n"
TYPES = "cell,type\na,T\nb,B\nc,T\n"


def press(button: Any) -> None:
    button.clicks += 1


def arrive(uploader: Uploader, name: str, text: str) -> None:
    piece = {"name": name, "chunk": 1, "total_chunks": 1, "data": list(text.encode()), "mime_type": "text/csv"}
    uploader._process_chunk(piece)


def test_another_upload_of_a_name_takes_the_place_of_the_first(picker: DataPicker) -> None:
    arrive(picker._upload, "counts.csv", COUNTS)
    first = picker.source
    arrive(picker._upload, "counts.csv", COUNTS.replace("1,0,3", "1,0,4"))
    assert picker.source.path != first.path
    assert Path(picker.source.path).read_text() == COUNTS.replace("1,0,3", "1,0,4")
    assert list(picker._choices).count("counts.csv") == 1


@pytest.mark.parametrize("name", ["cells.zarr", "GSM1"])
def test_a_folder_that_holds_data_is_chosen_by_its_path(picker: DataPicker, tmp_path: Path, name: str) -> None:
    data, folder = simulate(20, 10, 2, seed=0), tmp_path / "root" / name
    if name.endswith(".zarr"):
        shutil.copytree(GOLDEN / "anndata_0.13" / "plain.zarr", folder)
    else:
        folder.mkdir()
        mmwrite(folder / "GSM1_matrix.mtx", csr_matrix(data.expression).T)
        (folder / "GSM1_genes.tsv").write_text("".join(f"{gene}\t{gene}\n" for gene in data.var_names))
        (folder / "GSM1_barcodes.tsv").write_text("".join(f"{cell}\n" for cell in data.obs_names))
    picker._choice.value = ON_SERVER
    picker._path.value = str(folder)
    assert picker.source == Source.at(folder), picker._says.object
    assert picker.summary.n_obs > 0


def test_uploads_of_labels_and_bulk_go_with_the_data(picker: DataPicker) -> None:
    workspace = picker._context.manager.workspace
    arrive(picker._upload, "counts.csv", COUNTS)
    arrive(picker._upload_labels, "types.csv", TYPES)
    arrive(picker._upload_bulk, "tissue.csv", "gene,s1\ng1,4\ng2,2\n")
    assert "uploads" not in picker._says.object
    labels = picker.source.labels
    arrive(picker._upload_bulk, "types.csv", "gene,s1\ng1,4\ng2,2\n")  # the name of the labels
    assert picker.source.labels == labels != picker.source.bulk
    arrive(picker._upload_bulk, "tissue.csv", "gene,s1\ng1,4\ng2,2\n")
    assert picker.source.text == "counts.csv"
    assert picker._labels.value == "types.csv"
    assert Path(picker.source.labels).read_text().startswith("cell,type")
    assert picker._bulk.value == "tissue.csv"
    assert Path(picker.source.bulk).read_text().startswith("gene,s1")
    assert picker._form.values["use_bulk"]
    picker._context.manager.require_allowed(picker.source, picker._form.params())
    assert [source.text for source in uploads(workspace)] == ["counts.csv"]  # what goes with data is no data


def test_another_upload_of_the_same_name_takes_the_place_of_the_first(picker: DataPicker) -> None:
    arrive(picker._upload, "counts.csv", COUNTS)
    arrive(picker._upload_labels, "types.csv", TYPES)
    first = picker.source.labels
    arrive(picker._upload_labels, "types.csv", TYPES.replace("a,T", "a,B"))
    assert picker._labels.value == "types.csv"
    assert picker.source.labels != first
    assert Path(picker.source.labels).read_text() == TYPES.replace("a,T", "a,B")


def test_an_upload_can_be_removed_with_what_went_with_it(picker: DataPicker) -> None:
    workspace = picker._context.manager.workspace
    elsewhere = Source.at(picker._context.roots[0] / "other.csv")
    picker.take(elsewhere)  # stays in the menu
    assert not picker._remove.visible
    for text in ("", COUNTS):
        arrive(picker._upload, "counts.csv", text or "nothing that could be read")
    arrive(picker._upload_labels, "types.csv", TYPES)
    assert picker._remove.visible
    press(picker._remove)
    assert "counts.csv, types.csv" in picker._sure.text
    press(picker._sure.answers["Keep"])
    assert not picker._sure.is_open
    assert picker._choice.value == "counts.csv"
    press(picker._remove)
    press(picker._sure.answers["Remove"])
    assert [path for path in workspace.uploads.rglob("*") if path.is_file()] == []
    assert "counts.csv" not in picker._choice.options
    assert elsewhere.text in picker._choice.options
    assert picker._labels.value == ""
    assert not picker._remove.visible
    arrive(picker._upload, "counts.csv", COUNTS)  # a new one is new
    assert Path(picker.source.path).read_text() == COUNTS


def test_an_upload_that_a_run_waits_for_stays(picker: DataPicker) -> None:
    manager = picker._context.manager
    arrive(picker._upload, "counts.csv", COUNTS)
    manager.at_once = 0  # it waits
    run = manager.submit(picker.source, picker._form.params(), name="mine")
    press(picker._remove)
    press(picker._sure.answers["Remove"])
    assert "mine reads it and is not over" in picker._session.notice
    assert Path(picker.source.path).exists()
    manager.stop(run)
    press(picker._remove)
    press(picker._sure.answers["Remove"])
    assert uploads(manager.workspace) == []


def test_uploads_of_an_earlier_run_are_shown_by_name(picker: DataPicker) -> None:
    arrive(picker._upload, "counts.csv", COUNTS)
    arrive(picker._upload_labels, "types.csv", TYPES)
    earlier, labels = picker.source, picker.source.labels
    picker._labels.value = ""
    assert picker.source.labels == ""
    picker._choices.clear()  # as on a page that was opened later
    picker.take(earlier)
    assert picker._labels.value == "types.csv"
    assert picker.source.labels == labels
    assert on_page(f"Labels from {labels}.", picker.source) == "Labels from types.csv."


def test_batches_are_chosen_among_the_columns_that_were_found(picker: DataPicker, tmp_path: Path) -> None:
    adata = dataset_to_anndata(simulate(24, 10, 2, seed=0))
    adata.obs["kind"], adata.obs["donor"], adata.obs["depth"] = (
        ["x", "y"] * 12,
        ["a"] * 12 + ["b"] * 12,
        np.arange(24.0),
    )
    adata.write_h5ad(tmp_path / "root" / "two.h5ad")
    picker.take(Source.at(tmp_path / "root" / "two.h5ad"))
    offered = picker._batches.options
    assert offered[:2] == ["none", "donor"]
    assert "kind" in offered
    assert "depth" not in offered
    assert (picker._batches.value, picker._batches.visible) == ("none", True)
    picker._batches.value = "donor"
    assert picker._form.values["load_batch_key"] == "donor"
    assert "2 batches by donor" in picker._says.object
    picker._choice.value = next(iter(picker._choices))  # other data has other columns
    assert picker._form.values["load_batch_key"] == ""


def test_a_key_that_the_data_has_not_can_be_taken_back(picker: DataPicker, tmp_path: Path) -> None:
    dataset_to_anndata(simulate(24, 10, 2, seed=0)).write_h5ad(tmp_path / "root" / "one.h5ad")
    picker.take(Source.at(tmp_path / "root" / "one.h5ad"))
    picker._form.set("load_batch_key", "donor")
    assert "load_batch_key donor is not there" in picker._says.object.replace("&#x27;", "'")
    assert (picker._batches.options[-1], picker._batches.visible) == ("donor", True)
    picker._batches.value = "none"
    assert picker.source is not None


def test_of_several_files_the_sample_is_the_batch_at_first(picker: DataPicker, tmp_path: Path) -> None:
    folder = tmp_path / "root" / "both"
    folder.mkdir()
    for number in range(2):
        dataset_to_anndata(simulate(24, 10, 2, seed=number)).write_h5ad(folder / f"s{number}.h5ad")
    picker.take(Source.at(folder))
    assert picker._batches.value == picker._form.values["load_batch_key"] == "sample"
    assert picker.summary is not None
    picker._batches.value = "none"
    assert picker._form.values["load_batch_key"] == ""
    assert picker._batches.value == "none"

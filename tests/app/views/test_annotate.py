"""What the cells are called: kept, undone, shared by two pages, exported; selections combined."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from scgnn2_app.exports.export import build
from scgnn2_app.results.annotations import FILE, Annotation, AnnotationFile
from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session
from scgnn2_app.views.annotate import NEW
from scgnn2_app.views.cell_graph import CellGraphView
from scgnn2_app.views.genes import GenesView
from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read


@pytest.fixture
def folder(made_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made_run, tmp_path / "run")


@pytest.fixture
def session(folder: Path) -> Session:
    session = Session()
    session.show_folder(folder)
    return session


@pytest.fixture
def view(session: Session) -> CellGraphView:
    view = CellGraphView(session)
    view.__panel__()
    view.annotate._toggle()
    view.annotate._begin()
    return view


def test_clusters_are_named_and_coloured_and_it_is_taken_back(view: CellGraphView, session: Session) -> None:
    annotate, genes = view.annotate, GenesView(session)
    assert view.colour_by.value == "group: cell type"
    annotate.label.value, annotate.other.value = "1", "B cells"
    annotate._rename()
    annotate.colour.value = "#123456"
    annotate._paint()
    assert view._colouring is not None
    assert {group.name: group.colour for group in view._colouring.groups}["B cells"] == "#123456"
    assert "cell type" in genes.groups.options
    annotate._undo()
    annotate._undo()
    assert session.run is not None
    assert session.run.annotations["cell type"].names == ["0", "1", "2"]
    assert "began cell type" in annotate.said.object
    annotate._undo()
    assert annotate.which.value == NEW
    assert annotate.back.disabled


def test_a_selection_is_named_and_what_cannot_be_is_said(view: CellGraphView, session: Session) -> None:
    annotate = view.annotate
    with pytest.raises(InputError, match="No cells are selected"):
        annotate._name_selection()
    session.select([0, 1, 12])
    annotate.selected.value = "doublets"
    annotate._name_selection()
    assert session.run is not None
    assert np.flatnonzero(session.run.groups["cell type"] == "doublets").tolist() == [0, 1, 12]
    session.clear()
    annotate._select_label()
    assert session.selection.tolist() == [0, 1, 12]
    annotate.selected.value = "two\nlines"
    with pytest.raises(InputError, match="cannot be a label"):
        annotate._name_selection()
    annotate.which.value = NEW
    for name, said in (("kind", "already"), ("depth", "has a column"), ("a/b", "without /"), (" ", "1 to 80")):
        annotate.title.value = name
        with pytest.raises(InputError, match=said):
            annotate._begin()


def test_two_pages_lose_nothing_and_the_second_is_told(view: CellGraphView, session: Session, folder: Path) -> None:
    other = Session()
    other.show_folder(folder)
    theirs = CellGraphView(other).annotate
    theirs.which.value = "cell type"
    view.annotate.label.value, view.annotate.other.value = "0", "T cells"
    view.annotate._rename()
    other.select([23])
    theirs.selected.value = "NK"
    theirs._name_selection()
    assert "Another page changed the annotations before you: it renamed 0 'T cells'" in other.notice
    assert other.run is not None
    assert other.run.annotations["cell type"].names == ["1", "2", "NK", "T cells"]
    session.run_id = "shown"  # as of a served page
    session.refresh()
    assert session.run is not None
    assert session.run.annotations["cell type"].names == ["1", "2", "NK", "T cells"]
    theirs._delete()
    with pytest.raises(InputError, match="Another page deleted"):
        view.annotate._edit("", lambda one: one)
    theirs._undo()
    assert "cell type" in other.run.annotations


def test_a_table_is_imported_and_cells_that_are_not_there_are_said(view: CellGraphView, session: Session) -> None:
    view.annotate.read_table("mine.csv", b"cell,label\ncell 0,NK\ncell 3,B\nnobody,B\n")
    assert session.run is not None
    assert session.run.groups["mine"][[0, 1, 3]].tolist() == ["NK", "", "B"]
    assert "1 labelled cells are not in the data: nobody" in session.notice
    assert "22 cells have no label in mine.csv" in session.notice
    with pytest.raises(InputError, match=r"No cell of the data is in wrong\.csv"):
        view.annotate.read_table("wrong.csv", b"cell,label\nx,NK\n")


def test_selections_are_kept_and_combined(view: CellGraphView, session: Session) -> None:
    annotate = view.annotate
    session.select([1, 2, 3])
    annotate._keep()
    session.select([3, 4])
    show, add, both, without = annotate.combine
    without.clicks += 1
    assert session.selection.tolist() == [4]
    add.clicks += 1
    assert session.selection.tolist() == [1, 2, 3, 4]
    session.select([3, 4])
    both.clicks += 1
    assert session.selection.tolist() == [3]
    show.clicks += 1
    assert session.selection.tolist() == [1, 2, 3]
    annotate._forget()
    assert not any(button.visible for button in annotate.combine)


def test_exports_hold_annotations_and_labels_of_a_file(view: CellGraphView, session: Session, folder: Path) -> None:
    view.annotate.label.value, view.annotate.other.value = "1", "B <cells>"
    view.annotate._rename()
    view.annotate.colour.value = "#123456"
    view.annotate._paint()
    run = RunData(folder)
    path = build(run, "h5ad")[1]
    assert isinstance(path, Path)
    adata = anndata.read_h5ad(path)
    assert adata.obs["cell type"].tolist() == ["0"] * 12 + ["B <cells>"] * 8 + ["2"] * 4
    place = adata.obs["cell type"].cat.categories.tolist().index("B <cells>")
    assert adata.uns["cell type_colors"][place] == "#123456"
    np.testing.assert_array_equal(adata.X, anndata.read_h5ad(folder / "result.h5ad").X)
    tables = build(run, "csv")[1]
    assert isinstance(tables, bytes)
    with zipfile.ZipFile(io.BytesIO(tables)) as archive:
        frame = pd.read_csv(io.BytesIO(archive.read("annotations.csv")))
    assert frame.loc[12, ["cell", "cell type"]].tolist() == ["cell 12", "B <cells>"]
    report = build(run, "report")[1]
    assert b"B &lt;cells&gt;" in report
    assert b"coloured by what they were called" in report
    seurat = build(run, "rds")[1]
    assert isinstance(seurat, bytes)
    (folder / "back.rds").write_bytes(seurat)
    found = read(folder / "back.rds").obs
    assert found is not None
    assert found["cell.type" if "cell.type" in found else "cell type"].tolist()[12] == "B <cells>"


def test_labels_that_were_given_as_a_file_are_exported(folder: Path, tmp_path: Path) -> None:
    labels = tmp_path / "given.csv"
    labels.write_text("cell,label\ncell 0,NK\n")
    run = RunData(folder)
    run.__dict__["_given_labels"] = str(labels)
    path = build(run, "h5ad")[1]
    assert isinstance(path, Path)
    assert anndata.read_h5ad(path).obs["given.csv"].dropna().to_dict() == {"cell 0": "NK"}


def test_a_damaged_file_is_said_and_not_overwritten(folder: Path) -> None:
    (folder / FILE).write_text("{")
    run = RunData(folder)
    assert run.annotations == {}
    with pytest.raises(InputError, match="cannot be read"):
        run.annotation_file.change("", lambda named: named, seen=0)
    assert (folder / FILE).read_text() == "{"
    kept = AnnotationFile(folder, run.obs_names)
    (folder / FILE).unlink()
    kept.change("", lambda named: {"a": Annotation(np.full(24, "x"))}, seen=0)
    with pytest.raises(InputError, match="it is of other cells"):
        AnnotationFile(folder, run.obs_names[::-1]).read()

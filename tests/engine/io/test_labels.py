"""Labels go to cells by name; what does not match is said."""

import numpy as np
import pandas as pd
import pytest

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read_dataset
from scgnn2_engine.io.labels import read_labels
from scgnn2_engine.params import RunParams

CELLS = np.array(["cell_1", "cell_2", "cell_3"])


def labels(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return read_labels(path, CELLS)


@pytest.mark.parametrize(
    "text",
    [
        "cell,cell_type\ncell_3,c\ncell_1,a\ncell_2,b\n",
        ",cell_type\ncell_2,b\ncell_3,c\ncell_1,a\n",
        "cell_1,a\ncell_2,b\ncell_3,c\n",
        '"cell_type"\n"cell_1","a"\n"cell_2","b"\n"cell_3","c"\n',
        "cell\tbatch\tcell_type\ncell_2\t1\tb\ncell_1\t1\ta\ncell_3\t2\tc\n",
    ],
    ids=["header", "unnamed index", "no header", "R", "named column"],
)
def test_names_decide_not_positions(tmp_path, text):
    truth, notes, warnings = labels(tmp_path, text)
    assert truth.sealed_labels.tolist() == ["a", "b", "c"]
    assert "Labels for 3 of 3 cells" in notes[0]
    assert warnings == []


def test_what_does_not_match_is_listed(tmp_path):
    truth, notes, warnings = labels(tmp_path, "cell,cell_type\ncell_2,na\ncell_9,x\n")
    assert truth.sealed_labels.tolist() == ["", "na", ""]
    assert "cell_9" in notes[1]
    assert warnings[0].startswith("2 cells have no label")
    assert "cell_1, cell_3" in warnings[0]


@pytest.mark.parametrize("missing", ["NA", '"NA"', "NaN", "nan", "None", ""])
def test_what_stands_for_no_label_is_no_type(tmp_path, missing):
    truth, notes, warnings = labels(tmp_path, f"cell,cell_type\ncell_1,a\ncell_2,{missing}\ncell_3,NAN\n")
    assert truth.sealed_labels.tolist() == ["a", "", "NAN"]
    assert "Labels for 2 of 3 cells" in notes[0]
    assert warnings == [f"1 cells have no label in {tmp_path / 'labels.csv'}: cell_2."]


def test_a_file_that_is_not_there_is_not_called_damaged(tmp_path):
    (tmp_path / "types.csv").write_text("cell,cell_type\n")
    with pytest.raises(InputError, match=r"labels\.csv does not exist.*not a column of obs.*holds types\.csv"):
        read_labels(tmp_path / "labels.csv", CELLS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cell,cell_type\nx,a\ny,b\n", "No cell of the data.*cell_1, cell_2, cell_3.*x, y"),
        ("cell,cell_type\ncell.1,a\ncell.2,b\n", "2 names would match without punctuation"),
        ("cell,cell_type\ncell_1,a\ncell_1,b\n", "two labels.*'a' and 'b'"),
        ("cell,first,second\ncell_1,a,b\n", "which column holds the labels.*first, second"),
        ("cell,cell_type\ncell_1,a\ncell_2\n", "Line 3.*2 fields.*1 fields"),
        ("cell,cell_type\n", "holds no labels"),
        ("", "holds no labels"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as error:
        labels(tmp_path, text)
    assert "holds no labels" not in words or error.value.advice


@pytest.mark.parametrize("missing", [None, "nan"])
def test_labels_from_an_obs_column(missing):
    obs = pd.DataFrame({"kind": pd.Categorical(["a", missing, "b"])}, index=CELLS.astype(object))
    data = Dataset(np.ones((3, 2), dtype=np.float32), CELLS, np.array(["Actb", "Gapdh"]), "counts", obs=obs)
    read_in = read_dataset(RunParams(load_cell_type_labels="kind"), data)
    assert read_in.truth.sealed_labels.tolist() == ["a", "", "b"]
    assert "cell_2" in read_in.warnings[0]
    with pytest.raises(InputError, match=r"neither a file nor a column.*kind"):
        read_dataset(RunParams(load_cell_type_labels="sort"), data)
    with pytest.raises(InputError, match=r"labels\.csv .*does not exist"):
        read_dataset(RunParams(load_cell_type_labels="labels.csv"), data)


def test_one_column_is_labels_without_cells(tmp_path):
    with pytest.raises(InputError, match="has one column: labels without names of cells"):
        labels(tmp_path, "cell_type\nbeta\nalpha\nbeta\n")


JOINED, OF = ["AAAC-1-ctrl", "CCCC-1-ctrl", "AAAC-1-stim"], ("ctrl", "ctrl", "stim")


def test_labels_of_joined_samples_match_by_their_new_names_or_their_own(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("cell,label\nAAAC-1-ctrl,T\nCCCC-1,B\n")
    truth, _, warnings = read_labels(path, JOINED, OF)
    assert truth.sealed_labels.tolist() == ["T", "B", ""]
    assert warnings == [f"1 cells have no label in {path}: AAAC-1-stim."]
    path.write_text("barcode,sample,label\nAAAC-1,ctrl,T\nCCCC-1,ctrl,B\nAAAC-1,stim,NK\n")
    assert read_labels(path, JOINED, OF)[0].sealed_labels.tolist() == ["T", "B", "NK"]
    path.write_text("cell,label\nAAAC-1,T\nCCCC-1,B\n")
    truth, _, warnings = read_labels(path, JOINED, OF)
    assert truth.sealed_labels.tolist() == ["", "B", ""]
    assert "1 names in" in warnings[-1]
    assert "Write AAAC-1-ctrl" in warnings[-1]
    path.write_text("cell,label\nAAAC-1,T\nAAAC-1,B\n")
    with pytest.raises(InputError, match="does not say of which sample"):
        read_labels(path, JOINED, OF)


@pytest.mark.parametrize(
    "text",
    [
        '"x"\n"cell_1" "a"\n"cell_2" "b"\n"cell_3" "c"\n',
        ",cell,type\n0,cell_1,a\n1,cell_2,b\n2,cell_3,c\n",
        '"cell" "type"\n"1" "cell_1" "a"\n"2" "cell_2" "b"\n"3" "cell_3" "c"\n',
        "row,cell,type\n4,cell_1,a\n7,cell_2,b\n9,cell_3,c\n",
        "cell,type\rcell_1,a\rcell_2,b\rcell_3,c\r",
        "cell,type,,\ncell_1,a,,\ncell_2,b,,\ncell_3,c,,\n,,,\n",
        "sep=;\ncell;type\ncell_1;a\ncell_2;b\ncell_3;c\n",
    ],
    ids=["write.table", "numbered", "numbered by R", "numbered, a selection", "CR", "empty fields and lines", "sep="],
)
def test_forms_of_spreadsheets_and_r(tmp_path, text):
    truth, _, warnings = labels(tmp_path, text)
    assert truth.sealed_labels.tolist() == ["a", "b", "c"]
    assert warnings == []


def test_cells_that_are_called_by_numbers_keep_them(tmp_path):
    (tmp_path / "labels.csv").write_text(",batch,type\n0,x,a\n1,y,b\n")
    truth, _, _ = read_labels(tmp_path / "labels.csv", np.array(["0", "1"]))
    assert truth.sealed_labels.tolist() == ["a", "b"]


def test_names_that_differ_by_case_alone_are_told_so(tmp_path):
    with pytest.raises(InputError, match="3 names differ by upper and lower case alone"):
        labels(tmp_path, "cell,type\nCELL_1,a\nCell_2,b\nCELL_3,c\n")

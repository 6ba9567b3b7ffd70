from pathlib import Path

import numpy as np
import pytest

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import saved


@pytest.mark.parametrize(
    ("text", "problem"),
    [("cell\na\n", "holds no labels"), ("cell,type\na,x\na,y\n", "more than once"), ("", "cannot be read as a table")],
)
def test_label_files_that_cannot_be_used(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=problem):
        saved.read_labels(tmp_path)


def test_a_cell_or_label_may_be_called_na(tmp_path: Path) -> None:
    (tmp_path / "types.csv").write_text("cell,type\nNA,NaN\n001,\n")
    assert saved.read_labels(tmp_path / "types.csv").to_dict() == {"NA": "NaN", "001": ""}


def test_an_unfinished_folder_names_the_missing_file(tmp_path: Path) -> None:
    for read in (saved.read_labels, saved.read_metrics, saved.read_losses, saved.read_saved_expression):
        with pytest.raises(InputError, match="does not exist"):
            read(tmp_path)


def test_edges_of_other_cells_are_named(tmp_path: Path) -> None:
    (tmp_path / "graph_edgeList.csv").write_text("Start,End,Weight\na,z,0.5\n")
    with pytest.raises(InputError, match="'z', which is not in the data"):
        saved.read_edges(tmp_path, np.array(["a", "b"]))


def test_tables_of_another_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="lacks the column iteration"):
        saved.read_metrics(tmp_path)
    (tmp_path / "graph_embedding.csv").write_text("cell,x\na,text\n")
    with pytest.raises(InputError, match="is not an embedding"):
        saved.read_embedding(tmp_path)
    (tmp_path / "result.h5ad").write_text("not HDF5")
    with pytest.raises(InputError, match="is not the result of a run"):
        saved.read_saved_expression(tmp_path)

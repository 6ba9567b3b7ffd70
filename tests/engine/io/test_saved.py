from pathlib import Path

import numpy as np
import pytest

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.results import saved


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cell\na\n", "has one column"),
        ("cell,type\na,x\na,y\n", "gives the cell 'a' two labels"),
        ("", "holds no labels"),
        ("cell,depth,batch\na,1,x\n", "does not say which column holds the labels"),
    ],
)
def test_label_files_that_cannot_be_used(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=problem):
        saved.read_labels(tmp_path)


def test_a_cell_may_be_called_na_and_labels_are_read_as_a_run_reads_them(tmp_path: Path) -> None:
    (tmp_path / "types.csv").write_text("cell,type\nNA,T\n001,\n002,NA\n")
    assert saved.read_labels(tmp_path / "types.csv").to_dict() == {"NA": "T", "001": "", "002": ""}
    (tmp_path / "meta.tsv").write_text("barcode\tnCount_RNA\tcell_type\na\t115\tT\nb\t150\tB\n")
    labels = saved.read_labels(tmp_path / "meta.tsv")
    assert (labels.name, labels.to_dict()) == ("cell_type", {"a": "T", "b": "B"})
    (tmp_path / "bare.csv").write_text("a,T\nb,B\n")
    assert saved.read_labels(tmp_path / "bare.csv").to_dict() == {"b": "B"}
    assert saved.read_labels(tmp_path / "bare.csv", {"a"}).to_dict() == {"a": "T", "b": "B"}


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


def test_a_damaged_result_is_said_by_every_command(tmp_path, capsys):
    import h5py

    from scgnn2_engine import RunParams, iterate_to_folder, simulate
    from scgnn2_engine.cli import main
    from scgnn2_engine.events import drain

    params = RunParams(
        output_dir=str(tmp_path), total_epoch=1, feature_AE_epoch=[2, 2], graph_AE_epoch=2, cluster_AE_epoch=2,
        device="cpu", output_figures=False, evaluate_baselines=False, evaluate_diagnostics=False,
    )  # fmt: skip
    drain(iterate_to_folder(simulate(40, 30, 2, seed=0), params))
    assert main(["plot", "curves", str(tmp_path)]) == 0

    def said(*words):
        assert main([*words]) == 3
        return capsys.readouterr().err

    (tmp_path / "metrics.csv").write_text("iteration,cluster_count\n1,many\n")
    assert "other things than numbers in its column cluster_count" in said("plot", "curves", str(tmp_path))
    (tmp_path / "labels_history.csv").write_bytes(b"\xff\xfe")
    assert "cannot be read as a table" in said("evaluate", str(tmp_path))
    with h5py.File(tmp_path / "result.h5ad", "r+") as file:  # a neighbour outside the matrix
        file["obsp/scgnn2_connectivities/indices"][0] = 10**6
    assert "is not the result of a run" in said("evaluate", str(tmp_path))
    (tmp_path / "result.h5ad").write_bytes((tmp_path / "result.h5ad").read_bytes()[:3000])
    for words in (["evaluate"], ["plot", "graph"], ["plot", "heatmap"], ["markers"]):
        assert "result.h5ad" in said(*words, str(tmp_path))
    (tmp_path / "graph_edgeList.csv").write_text("Start,End,Weight\ncell_0,cell_1,x\n")
    assert "numbers in its column Weight" in said("plot", "graph", str(tmp_path))

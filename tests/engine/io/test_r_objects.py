"""What rdata makes of R's data frames and matrices becomes a named table; anything else is named and refused."""

import importlib

import numpy as np
import pandas as pd
import pytest

from scgnn2_engine.errors import InputError, MissingPackageError
from scgnn2_engine.io import r_objects, read
from scgnn2_engine.io.kinds import kind_of

FRAME = pd.DataFrame({"cell_1": [1, 0], "cell_2": [2.0, 4.0]}, index=["Actb", "Gapdh"])


class Matrix:
    """As rdata gives a matrix with dimnames: an xarray with two coordinates."""

    dims = ("dim_0", "dim_1")
    values = FRAME.to_numpy()
    coords = {"dim_0": FRAME.index.to_series(), "dim_1": FRAME.columns.to_series()}  # noqa: RUF012


@pytest.mark.parametrize(
    "value", [FRAME, Matrix(), FRAME.rename_axis("gene").reset_index()], ids=["frame", "matrix", "name column"]
)
def test_frames_and_matrices_become_tables(tmp_path, value):
    table = r_objects.table_of(value, tmp_path)
    assert table.row_names.tolist() == ["Actb", "Gapdh"]
    assert table.column_names.tolist() == ["cell_1", "cell_2"]
    assert table.assemble(transpose=True).tolist() == [[1, 0], [2, 4]]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (FRAME.assign(kind=["a", "b"], sort=["c", "d"]), "2 columns of text.*kind, sort"),
        (FRAME - 1, "row 'Gapdh', column 'cell_1'.*-1"),
        (FRAME.replace(4.0, np.nan), "row 'Gapdh', column 'cell_2'.*nan"),
        (np.ones((2, 2)), "no row and column names"),
        ([1, 2], "neither a data frame nor a matrix.*list"),
    ],
)
def test_other_objects_are_refused(tmp_path, value, words):
    with pytest.raises(InputError, match=words):
        r_objects.table_of(value, tmp_path)


def test_several_objects_are_listed(tmp_path):
    assert r_objects.only_object({"df": FRAME}, tmp_path) is FRAME
    with pytest.raises(InputError, match=r"2 objects.*df \(DataFrame\), names \(list\)"):
        r_objects.only_object({"df": FRAME, "names": ["a"]}, tmp_path)


def test_the_missing_package_is_named(monkeypatch, data_dir):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    path = data_dir / "formats/seurat_pbmc_small.rda"
    assert kind_of(path) == "rdata"
    with pytest.raises(MissingPackageError, match=r'pip install "scgnn2\[r\]"'):
        read(path)


@pytest.mark.parametrize("name", ["seurat_pbmc_small.rda", "seurat_pbmc500.rda"])
def test_objects_of_other_classes_are_refused_without_a_warning(data_dir, name):
    pytest.importorskip("rdata", reason="the optional package rdata (extra r) is not installed")
    with pytest.raises(InputError, match="neither a data frame nor a matrix"):
        read(data_dir / "formats" / name)


@pytest.mark.parametrize(("name", "writer"), [("df.RData", "write_rda"), ("df.rds", "write_rds")])
def test_a_file_that_rdata_wrote(tmp_path, name, writer):
    rdata = pytest.importorskip("rdata", reason="the optional package rdata (extra r) is not installed")
    write = getattr(rdata, writer)
    write(tmp_path / name, {"df": FRAME} if writer == "write_rda" else FRAME)
    data = read(tmp_path / name)
    assert data.expression.tolist() == [[1, 0], [2, 4]]
    assert data.obs_names.tolist() == ["cell_1", "cell_2"]
    (tmp_path / "cut.RData").write_bytes((tmp_path / name).read_bytes()[:60])
    with pytest.raises(InputError, match="damaged or truncated"):
        read(tmp_path / "cut.RData")

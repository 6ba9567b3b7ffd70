"""Pickles are refused whatever they are called; what is missing is named."""

import gzip
import pickle

import h5py
import numpy as np
import pytest
from anndata import AnnData

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read
from scgnn2_engine.io.formats import format_of


@pytest.mark.parametrize("name", ["data.pkl", "data.pickle.gz", "ind.goolam.x", "ind.goolam.allx", "model.pt"])
def test_pickles_are_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(InputError, match="runs any code"):
        read(tmp_path / name)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("zipped", [False, True])
def test_pickles_are_refused_by_content(tmp_path, protocol, zipped):
    content = pickle.dumps({"x": [1, 2, 3]}, protocol=protocol)
    (tmp_path / "data.csv").write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(InputError, match="runs any code"):
        read(tmp_path / "data.csv")


def test_a_missing_file_names_what_is_beside_it(tmp_path):
    (tmp_path / "expression.csv").write_text("x")
    with pytest.raises(InputError, match=r"does not exist.*holds expression\.csv"):
        read(tmp_path / "expresion.csv")


def test_what_cannot_be_read_comes_with_advice(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    AnnData(np.ones((0, 2), dtype=np.float32)).write_h5ad(tmp_path / "no_cells.h5ad")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    for name, says in (("empty.csv", "is empty"), ("no_cells.h5ad", "is empty"), ("other.h5", "another kind")):
        with pytest.raises(InputError, match=says) as error:
            read(tmp_path / name)
        assert error.value.advice


def test_truncated_h5_is_refused(tmp_path, data_dir):
    for source in ("formats/tenx_tiny/3.0.0/filtered_feature_bc_matrix.h5", "mca_lung/counts.h5ad"):
        whole = (data_dir / source).read_bytes()
        cut = tmp_path / source.rpartition("/")[2]
        cut.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match="damaged or truncated"):
            read(cut)


def test_hdf5_of_another_kind_is_refused(tmp_path):
    import h5py

    AnnData(np.ones((0, 2), dtype=np.float32)).write_h5ad(tmp_path / "no_cells.h5ad")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["pictures"] = [1, 2, 3]
    with pytest.raises(InputError, match=r"another kind.*pictures"):
        read(tmp_path / "other.h5")


def test_a_name_that_promises_another_format_is_named(tmp_path):
    for content in (b"\x01\x02\x00\xff" * 20, b"\xff\xfe\xfa" * 20):
        (tmp_path / "fake.csv.gz").write_bytes(content)
        with pytest.raises(InputError, match=r"fake\.csv\.gz is not gzip"):
            read(tmp_path / "fake.csv.gz")
    (tmp_path / "text.h5ad").write_text("gene,cell_1\nActb,1\n")
    with pytest.raises(InputError, match=r"text\.h5ad is not an h5ad file.*\.csv for text"):
        read(tmp_path / "text.h5ad")


def test_text_that_is_not_zipped_is_read_whatever_its_name(tmp_path):
    (tmp_path / "plain.csv.gz").write_text("gene,zelle_\u00e4,cell_2\nActb,1,2\nGapdh,0,1\n", encoding="utf-8")
    assert read(tmp_path / "plain.csv.gz").obs_names.tolist() == ["zelle_\u00e4", "cell_2"]


@pytest.mark.parametrize("content", [b"cposix\nsystem\n(S'ls'\ntR.", b"c__builtin__\neval\np0\n(S'1'\ntR."])
def test_text_pickles_are_refused_and_a_column_of_text_is_none(tmp_path, content):
    (tmp_path / "data.csv").write_bytes(content)
    with pytest.raises(InputError, match="is a pickle"):
        format_of(tmp_path / "data.csv")
    (tmp_path / "labels.csv").write_text("cluster\nbeta\nalpha\nbeta\n")
    assert format_of(tmp_path / "labels.csv").name == "text"

"""Files of AnnData's family as the tools write them; what is damaged is refused, or left out, by name."""

import gzip
import json
import shutil
import sys
import zipfile
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr

from scgnn2_engine.errors import InputError, InsufficientMemoryError, MissingPackageError
from scgnn2_engine.io import convert, from_anndata, read
from scgnn2_engine.io.formats import format_of
from scgnn2_engine.params import RunParams

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FOLDERS = ("anndata_0.12", "anndata_0.13", "hdf5plugin", "tiledbsoma", "dropletutils")
EXPECTED = {
    f"{folder}/{name}": facts
    for folder in FOLDERS
    for name, facts in json.loads((GOLDEN / folder / "expected.json").read_text("utf-8")).items()
    if Path(name).suffix
}
READ = {name: facts for name, facts in EXPECTED.items() if "obs_names" in facts}


def dense(x):
    return np.asarray(x) if isinstance(x, np.ndarray) else x.toarray()


@pytest.mark.parametrize("name", READ)
def test_files_of_the_real_tools_are_read_right(name):
    facts = READ[name]
    data = read(GOLDEN / name, RunParams(load_recover_counts=False).load)
    assert np.array_equal(dense(data.expression), np.asarray(facts.get("raw", facts["X"]), dtype=np.float32))
    assert data.obs_names.tolist() == facts["obs_names"]
    assert data.var_names.tolist() == facts.get("raw_var_names", facts["var_names"])
    assert [said for said in data.warnings if "uns['log1p']" not in said] == []  # which is there, beside counts
    for layer, values in facts.get("layers", {}).items():
        if layer != "null":  # what anndata 0.13 calls X among the layers
            taken = read(GOLDEN / name, RunParams(load_layer=layer, load_recover_counts=False).load)
            assert np.array_equal(dense(taken.expression), np.asarray(values, dtype=np.float32))
            assert f"layers {layer}" not in " ".join(taken.notes)
    if "cell_type" in facts:
        assert data.obs["cell_type"].tolist() == facts["cell_type"]


@pytest.mark.parametrize("name", READ)
def test_files_of_the_real_tools_are_converted_whole(name, tmp_path):
    facts = READ[name]
    done = convert(GOLDEN / name, tmp_path / "out.h5ad")
    adata = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert np.array_equal(dense(adata.X), np.asarray(facts["X"]))
    assert adata.obs_names.tolist() == facts["obs_names"]
    assert adata.var_names.tolist() == facts["var_names"]
    for layer, values in facts.get("layers", {}).items():
        if layer != "null":
            assert np.array_equal(dense(adata.layers[layer]), np.asarray(values))
    assert [phrase for phrase in done.lost if "cannot be read" in phrase] == []


def test_a_modality_is_chosen_by_name():
    path = GOLDEN / "anndata_0.13/no_rna.h5mu"
    with pytest.raises(InputError, match=r"holds 2 modalities.*atac, prot.*--load_modality atac"):
        read(path)
    for name, facts in EXPECTED["anndata_0.13/no_rna.h5mu"]["modalities"].items():
        data = read(path, RunParams(load_modality=name).load)
        assert data.var_names.tolist() == facts["var_names"]
        assert np.array_equal(dense(data.expression), np.asarray(facts["X"], dtype=np.float32))
        assert data.facts["modality"] == name
    with pytest.raises(InputError, match=r"no modality 'rna'. Expected: one of atac, prot"):
        read(path, RunParams(load_modality="rna").load)
    with pytest.raises(InputError, match="names a modality of an h5mu"):
        read(GOLDEN / "anndata_0.13/plain.h5ad", RunParams(load_modality="rna").load)


def test_antibodies_alone_are_said_to_be_such():
    with pytest.raises(InputError, match=r"no gene expression.*features of the kind Antibody Capture"):
        read(GOLDEN / "dropletutils/antibodies.h5")


def test_a_zarr_is_known_by_its_content(tmp_path):
    shutil.copytree(GOLDEN / "anndata_0.12/plain.zarr", tmp_path / "folder")
    assert format_of(tmp_path / "folder").name == "zarr"
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as packed:  # as a file manager packs it: the folder with it
        for path in sorted((tmp_path / "folder").rglob("*")):
            packed.write(path, Path("some.zarr") / path.relative_to(tmp_path / "folder"))
    data = read(tmp_path / "packed.zip")
    assert data.var_names.tolist() == EXPECTED["anndata_0.12/plain.zarr"]["var_names"]


def test_a_zarr_that_would_unpickle_is_refused(tmp_path):
    shutil.copytree(GOLDEN / "anndata_0.12/plain.zarr", tmp_path / "folder.zarr")
    (tmp_path / "folder.zarr/.zmetadata").unlink(missing_ok=True)
    array = tmp_path / "folder.zarr/obs/_index/.zarray"
    filters = [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 5}]  # the first alone would not be let in by zarr
    array.write_text(json.dumps({**json.loads(array.read_text()), "filters": filters}))
    with pytest.raises(InputError, match="as a pickle, and pickles are refused"):
        read(tmp_path / "folder.zarr")


def make(path, **parts):
    obs = pd.DataFrame({"batch": ["a", "a", "b", "b"], "depth": [1, 2, 3, 4]}, index=[f"cell_{i}" for i in range(4)])
    counts = sp.csr_matrix(np.array([[1, 0, 2], [0, 3, 0], [4, 0, 0], [0, 0, 5]], dtype=np.float32))
    adata = anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=["ACTB", "GAPDH", "LYZ"]), **parts)
    adata.write_h5ad(path)
    return path


@pytest.mark.parametrize(
    ("place", "values", "words"),
    [
        (
            "X/indices",
            [0, 2, 1, 0, 9],
            r"data.h5ad \(X\) is a sparse matrix whose parts contradict.*indices from 0 to 2",
        ),
        ("X/indptr", [0, 2, 1, 4, 5], "never go back"),
        ("X/indptr", [0, 2, 3, 5], "5 pointers"),
        ("X/data", [1.0, 2.0], "as many data as indices. Found: 2 and 5"),
        ("obs/_index", ["a", "b"], r"\(X\) does not fit the names beside it. Expected: 2 x 3. Found: 4 x 3"),
        ("var/_index", [["a", "b", "c"]], r"\(var/_index\) is no list"),
    ],
)
def test_what_a_run_needs_is_refused_where_it_is_damaged(tmp_path, place, values, words):
    path = make(tmp_path / "data.h5ad")
    with h5py.File(path, "r+") as file:
        attributes = dict(file[place].attrs)
        del file[place]
        text = h5py.string_dtype() if place.endswith("_index") else None
        file[place] = np.asarray(values, dtype=text)
        for key, value in attributes.items():
            file[place].attrs[key] = value
    for door in (read, lambda path: convert(path, tmp_path / "out.csv")):
        with pytest.raises(InputError, match=words):
            door(path)


def test_what_a_run_does_not_need_is_left_out_and_said(tmp_path):
    graph = sp.csr_matrix(np.eye(4, dtype=np.float32))
    path = make(tmp_path / "data.h5ad", obsm={"X_pca": np.ones((4, 2)), "X_map": np.ones((4, 2))}, obsp={"near": graph})
    with h5py.File(path, "r+") as file:
        file["obs/depth"].attrs["encoding-type"] = "of-tomorrow"
        file["obsp/near/indices"][0] = 77
        del file["obsm/X_pca"]
        file["obsm/X_pca"] = h5py.ExternalLink("elsewhere.h5", "/X_pca")
        file["uns/seurat"] = h5py.SoftLink("/nowhere")
    data = read(path)
    assert data.obs.columns.tolist() == ["batch"]
    assert list(data.obsm) == ["X_map"]
    assert list(data.obsp) == []
    (said,) = data.warnings
    assert said.startswith(f"Left out of {path}, because it cannot be read: ")
    for words in (
        "obs/depth (IORegistryError",
        "obsp/near (",
        "indices from 0 to 3" * 0,
        "obsm/X_pca (",
        "another file",
    ):
        assert words in said
    lost = " ".join(convert(path, tmp_path / "out.h5ad").lost)
    assert "what cannot be read: obs/depth" in lost
    assert "obsp/near" in lost
    assert anndata.read_h5ad(tmp_path / "out.h5ad").obs.columns.tolist() == ["batch"]


def test_a_matrix_in_another_file_is_not_opened(tmp_path):
    path = make(tmp_path / "data.h5ad")
    make(tmp_path / "other.h5ad")
    for made in (h5py.ExternalLink("other.h5ad", "/X"), None):
        with h5py.File(path, "r+") as file:
            del file["X"]
            if made is None:
                layout = h5py.VirtualLayout((4, 3), "f4")
                layout[:] = h5py.VirtualSource("other.h5ad", "X/data", shape=(4, 3))
                file.create_virtual_dataset("X", layout)
            else:
                file["X"] = made
        with pytest.raises(InputError, match="another file, which is not opened"):
            read(path)


def test_sizes_that_no_file_holds_are_refused_before_they_are_read(tmp_path):
    path = make(tmp_path / "data.h5ad")
    for how in ({}, {"chunks": (1024,), "compression": "gzip"}):
        with h5py.File(path, "r+") as file:
            del file["X/data"], file["X/indices"]
            file["X"].create_dataset("data", shape=(2**30,), dtype="f4", **how)
            file["X"].create_dataset("indices", shape=(2**30,), dtype="i4", **how)
        with pytest.raises((InputError, InsufficientMemoryError), match=r"declares more than the file holds|GiB"):
            read(path)


def test_parts_that_were_never_written_are_said(tmp_path):
    path = make(tmp_path / "data.h5ad")
    with h5py.File(path, "r+") as file:
        del file["X/data"]
        file["X"].create_dataset("data", shape=(5,), dtype="f4", chunks=(2,))[:2] = [7, 8]
    data = read(path)
    assert data.expression.data.tolist() == [7, 8]
    assert any("(X/data) lacks 2 of its 3 parts, which are read as 0.0" in said.replace("np.float32(0.0)", "0.0")
               for said in data.warnings)  # fmt: skip


def test_a_filter_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda number: number < 256)
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(MissingPackageError, match=r'compressed with zstd.*pip install "scgnn2\[formats\]"'):
        read(GOLDEN / "hdf5plugin/zstd.h5ad")


def test_a_packed_hdf5_file_is_named(tmp_path):
    (tmp_path / "data.h5ad.gz").write_bytes(gzip.compress(make(tmp_path / "data.h5ad").read_bytes()))
    with pytest.raises(InputError, match=r"an HDF5 file that is packed.*gunzip data\.h5ad\.gz"):
        read(tmp_path / "data.h5ad.gz")


def test_half_precision_is_read_dense_and_sparse(tmp_path):
    path = make(tmp_path / "data.h5ad")
    with h5py.File(path, "r+") as file:
        values = file["X/data"][:]
        del file["X/data"]
        file["X/data"] = values.astype(np.float16)
    assert read(path).expression.toarray().tolist() == [[1, 0, 2], [0, 3, 0], [4, 0, 0], [0, 0, 5]]
    convert(path, tmp_path / "out.h5ad")
    assert anndata.read_h5ad(tmp_path / "out.h5ad").X.dtype == np.float32


def test_files_of_anndata_before_0_7_are_read_whole(tmp_path):
    path = tmp_path / "old.h5ad"
    with h5py.File(path, "w") as file:
        x = file.create_group("X")
        x["data"], x["indices"] = np.array([1.0, 2.0], "f4"), np.array([0, 1], "i4")
        x["indptr"] = np.array([0, 1, 2], "i4")
        x.attrs["h5sparse_format"], x.attrs["h5sparse_shape"] = "csr", np.array([2, 2])
        file["obs"] = np.array([(b"cell_1", 0), (b"cell_2", 1)], dtype=[("index", "S6"), ("type", "i1")])
        file["var"] = np.array([(b"ACTB",), (b"LYZ",)], dtype=[("index", "S4")])
        file["obsm"] = np.array([([1.0, 2.0],), ([3.0, 4.0],)], dtype=[("X_pca", "f4", (2,))])
        file["uns/type_categories"] = np.array([b"T cell", b"B cell"])
        file["raw.X"], file["raw.var"] = np.array([[1.0, 0, 3], [0, 2, 4]], "f4"), np.array(
            [(b"ACTB",), (b"LYZ",), (b"CD3E",)], dtype=[("index", "S4")]
        )  # fmt: skip
    data = read(path)
    assert (data.facts["matrix"], data.var_names.tolist()) == (".raw", ["ACTB", "LYZ", "CD3E"])
    assert data.obs["type"].tolist() == ["T cell", "B cell"]
    assert data.obsm["X_pca"].tolist() == [[1, 2], [3, 4]]
    assert read(path, RunParams(load_layer="X").load).expression.toarray().tolist() == [[1, 0], [0, 2]]
    convert(path, tmp_path / "new.h5ad")
    new = anndata.read_h5ad(tmp_path / "new.h5ad")
    assert new.raw.var_names.tolist() == ["ACTB", "LYZ", "CD3E"]
    assert new.obs["type"].tolist() == ["T cell", "B cell"]


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix, np.asarray])
def test_a_backed_anndata_is_read(tmp_path, form):
    values = np.array([[1, 0, 2], [0, 3, 0], [4, 0, 0], [0, 0, 5]], dtype=np.float32)
    anndata.AnnData(form(values)).write_h5ad(tmp_path / "data.h5ad")
    backed = anndata.read_h5ad(tmp_path / "data.h5ad", backed="r")
    assert np.array_equal(dense(from_anndata(backed).expression), values)
    assert backed.isbacked
    backed.file.close()


def test_names_are_taken_from_columns_where_they_are_numbers():
    x = np.ones((2, 3), dtype=np.float32)
    var = pd.DataFrame({"feature_id": ["E1", "E2", "E3"], "feature_name": ["ACTB", "LYZ", "ACTB"]}, index=list("012"))
    adata = anndata.AnnData(x, obs=pd.DataFrame({"soma_joinid": [70, 81]}, index=["0", "1"]), var=var)
    data = from_anndata(adata)
    assert data.var_names.tolist() == ["ACTB", "LYZ", "ACTB-1"]
    assert data.obs_names.tolist() == ["70", "81"]
    assert any("taken from var['feature_name']" in note for note in data.notes)
    assert any("by numbers (0, 1, 2)" in note for note in from_anndata(anndata.AnnData(x)).notes)
    kept = anndata.AnnData(x, var=var.set_axis(["ENSG1", "ENSG2", "ENSG3"]))
    assert from_anndata(kept).var_names.tolist() == ["ENSG1", "ENSG2", "ENSG3"]
    lacking = anndata.AnnData(x, var=pd.DataFrame({"gene_ids": ["E1", "E2", "E3"]}, index=["ACTB", "", "nan"]))
    data = from_anndata(lacking)
    assert data.var_names.tolist() == ["ACTB", "E2", "E3"]
    assert any("2 genes have no name: called by var['gene_ids'] (E2, E3)" in note for note in data.notes)


def test_what_a_run_does_not_carry_is_said():
    adata = anndata.AnnData(np.ones((3, 4), dtype=np.float32), layers={"other": np.ones((3, 4), dtype=np.float32)})
    adata.obs = pd.DataFrame([[1, 2], [3, 4], [5, 6]], columns=["a", "a"], index=adata.obs_names)
    adata.obsp["full"] = np.ones((3, 3))
    adata.obsp["few"] = np.eye(3)
    adata.uns["colours"] = ["red"]
    adata.varp["genes"] = np.ones((4, 4))
    data = from_anndata(adata)
    said = " ".join(data.notes)
    assert data.obs["a"].tolist() == [1, 3, 5]
    assert data.obs["a-1"].tolist() == [2, 4, 6]
    assert data.obsp["few"].toarray().tolist() == np.eye(3).tolist()
    assert "full" not in data.obsp
    assert "obs has several columns called a: all are kept, and those behind the first are called a-1." in said
    assert "Not carried through a run: obsp full" in said
    assert "Not carried through a run: layers other; uns colours; varp genes." in said


def test_spatialdata_and_mudata_in_zarr_are_read(tmp_path):
    adata = anndata.AnnData(np.eye(3, dtype=np.float32), var=pd.DataFrame(index=["ACTB", "LYZ", "CD3E"]))
    for holder, name in (("tables", "table"), ("mod", "rna")):
        root = zarr.open_group(tmp_path / f"{holder}.zarr", mode="w", zarr_format=2)
        anndata.io.write_elem(root.require_group(holder), name, adata)
        data = read(tmp_path / f"{holder}.zarr")
        assert data.var_names.tolist() == ["ACTB", "LYZ", "CD3E"]
        assert data.facts["modality"] == name


@pytest.mark.parametrize("numbers", [["3", "8", "13"], ["0.0", "1.0", "2.0"], ["2", "0", "1"], ["1", "2", "3"]])
def test_names_are_taken_from_columns_where_they_are_numbers_of_rows(numbers):
    var = pd.DataFrame({"feature_name": ["ACTB", "LYZ", "CD3E"]}, index=numbers)
    obs = pd.DataFrame({"barcode": ["AAAC", "CCCA", "GGGT"]}, index=numbers)
    data = from_anndata(anndata.AnnData(np.eye(3, dtype=np.float32), obs=obs, var=var))
    assert data.var_names.tolist() == ["ACTB", "LYZ", "CD3E"]
    assert data.obs_names.tolist() == ["AAAC", "CCCA", "GGGT"]
    entrez = from_anndata(anndata.AnnData(np.eye(3, dtype=np.float32), var=var.set_axis(["60", "4069", "916"])))
    assert entrez.var_names.tolist() == ["60", "4069", "916"]


def test_an_anndata_without_a_matrix_says_what_can_be_done():
    bare = anndata.AnnData(obs=pd.DataFrame(index=["x", "y"]), var=pd.DataFrame(index=["ACTB"]))
    with pytest.raises(InputError, match=r"layers none\. Write the file again with its expression in X"):
        from_anndata(bare)
    bare.layers["spliced"] = np.ones((2, 1), dtype=np.float32)
    with pytest.raises(InputError, match=r"layers spliced\. Name one that holds expression: --load_layer spliced\."):
        from_anndata(bare)

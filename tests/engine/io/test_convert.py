"""Every format into every other, with what is lost named."""

import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.errors import InputError, OutputError, ParameterError
from scgnn2_engine.io import convert, export, read
from scgnn2_engine.io.atomic import whole_folder
from scgnn2_engine.io.r.serialisation import parse
from scgnn2_engine.io.r.values import class_of
from scgnn2_engine.params import LoadParams


@pytest.fixture
def adata(rng: np.random.Generator) -> anndata.AnnData:
    counts = sp.csr_matrix(rng.poisson(0.7, size=(9, 6)).astype(np.float32))
    cells = pd.Index([f"cell-{number}" for number in range(9)], dtype=object)
    genes = pd.Index(["Actb", "Gapdh", "Sox2", "Nanog", "Cdx2", "Gata6"], dtype=object)
    obs = pd.DataFrame({"day": pd.Categorical(list("ddeeffdde")), "depth": np.arange(9.0)}, index=cells)
    made = anndata.AnnData(counts.log1p(), obs=obs, var=pd.DataFrame({"length": np.arange(6)}, index=genes))
    made.layers["counts"] = counts
    made.obsm["X_pca"] = rng.normal(size=(9, 3))
    made.obsp["nn"] = sp.csr_matrix(np.eye(9, k=1))
    return made


@pytest.mark.parametrize("name", ["a.csv", "a.tsv.gz", "a.RData", "a.rda"])
def test_formats_of_one_matrix_keep_it_and_name_the_rest(adata: anndata.AnnData, tmp_path: Path, name: str) -> None:
    adata.write_h5ad(tmp_path / "a.h5ad")
    report = convert(tmp_path / "a.h5ad", tmp_path / name)
    assert report.lost == (
        "the cell annotation (day, depth)",
        "the gene annotation (length)",
        "the embeddings (X_pca)",
        "the other matrices (X)",
        "the graphs of the cells (nn)",
    )
    back = read(tmp_path / name, LoadParams(orientation="genes-by-cells"))
    np.testing.assert_array_equal(
        np.asarray(sp.csr_matrix(back.expression).todense()), adata.layers["counts"].toarray()
    )
    assert back.obs_names.tolist() == adata.obs_names.tolist()
    assert back.var_names.tolist() == adata.var_names.tolist()


@pytest.mark.parametrize(
    ("kind", "r_kind"), [("dgCMatrix", "dgCMatrix"), ("matrix", "matrix"), ("data.frame", "data.frame")]
)
@pytest.mark.parametrize("suffix", [".rds", ".RData"])
def test_r_files_hold_what_was_asked_for(
    adata: anndata.AnnData, tmp_path: Path, kind: str, r_kind: str, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    export(adata, path, r_class=kind)
    ((name, obj),) = parse(path).items()
    assert class_of(obj) == r_kind
    assert name == ("" if suffix == ".rds" else "df" if kind == "data.frame" else "counts")
    back = read(path, LoadParams(orientation="genes-by-cells"))
    np.testing.assert_array_equal(sp.csr_matrix(back.expression).toarray(), adata.layers["counts"].toarray())


def test_a_seurat_object_carries_everything_there_and_back(adata: anndata.AnnData, tmp_path: Path) -> None:
    adata.write_h5ad(tmp_path / "a.h5ad")
    assert convert(tmp_path / "a.h5ad", tmp_path / "b.rds").lost == ()
    assert convert(tmp_path / "b.rds", tmp_path / "c.h5ad").lost == ()
    back = anndata.read_h5ad(tmp_path / "c.h5ad")
    np.testing.assert_array_equal(back.X.toarray(), adata.X.toarray())
    np.testing.assert_array_equal(back.layers["counts"].toarray(), adata.layers["counts"].toarray())
    np.testing.assert_array_equal(back.obsm["X_pca"], adata.obsm["X_pca"])
    np.testing.assert_array_equal(back.obsp["nn"].toarray(), adata.obsp["nn"].toarray())
    assert back.obs["day"].tolist() == adata.obs["day"].tolist()
    assert back.var["length"].tolist() == adata.var["length"].tolist()
    convert(tmp_path / "c.h5ad", tmp_path / "d.rds")
    convert(tmp_path / "b.rds", tmp_path / "e.rds")
    assert (tmp_path / "d.rds").read_bytes() == (tmp_path / "e.rds").read_bytes()


def test_a_layer_is_taken_alone(adata: anndata.AnnData, tmp_path: Path) -> None:
    adata.write_h5ad(tmp_path / "a.h5ad")
    convert(tmp_path / "a.h5ad", tmp_path / "b.h5ad", load=LoadParams(layer="X"))
    back = anndata.read_h5ad(tmp_path / "b.h5ad")
    np.testing.assert_array_equal(back.X.toarray(), adata.X.toarray())
    assert not back.layers
    assert list(back.obs) == ["day", "depth"]


def test_seurat_tells_apart_what_it_would_call_alike(tmp_path: Path) -> None:
    """As a run with --output_seurat does: repeated names get a number, and so does what Seurat's - makes alike."""
    counts = np.arange(12, dtype=np.float32).reshape(3, 4)
    var = pd.DataFrame(index=["HLA_A", "HLA-A", "CD4", "HLA-A"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = anndata.AnnData(counts, obs=pd.DataFrame(index=["a", "b", "a"]), var=var)
        adata.obsm["protein"] = pd.DataFrame({"CD3": [1.0, 2.0, 3.0]}, index=adata.obs_names)
        adata.raw = adata
        lost = export(adata, tmp_path / "a.rds")
    assert lost == [
        "repeated names of cells (a number behind tells them apart: a)",
        "repeated names of genes (a number behind tells them apart: HLA-A)",
        '"_" and "|" in the names of 1 genes (HLA_A is HLA-A.1)',
        "X (the assay holds .raw)",
    ]
    back = read(tmp_path / "a.rds")
    assert back.var_names.tolist() == ["HLA-A.1", "HLA-A", "CD4", "HLA-A-1"]
    assert back.obs_names.tolist() == ["a", "b", "a-1"]
    np.testing.assert_array_equal(sp.csr_matrix(back.expression).toarray(), counts)
    assert adata.var_names.tolist() == ["HLA_A", "HLA-A", "CD4", "HLA-A"]


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("a.xlsx", "", r"no suffix that says.*\.h5ad, \.rds"),
        ("a.h5ad", "seurat", "no file of R"),
        ("a.rds", "list", "list cannot be written.*dgCMatrix"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_read(
    tmp_path: Path, name: str, kind: str, words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        convert(tmp_path / "missing.csv", tmp_path / name, r_class=kind)


def test_parts_are_asked_of_files_that_have_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("gene,cell_1\nActb,3\n")
    with pytest.raises(InputError, match="load_object df names an object of R"):
        read(tmp_path / "a.csv", LoadParams(object="df"))
    with pytest.raises(InputError, match="load_layer counts names a layer"):
        read(tmp_path / "a.csv", LoadParams(layer="counts"))


def test_a_layer_comes_back_from_seurat_as_a_layer(adata: anndata.AnnData, tmp_path: Path) -> None:
    adata.layers["spliced"] = adata.layers["counts"] * 2
    adata.write_h5ad(tmp_path / "a.h5ad")
    assert not [phrase for phrase in convert(tmp_path / "a.h5ad", tmp_path / "a.rds").lost if "spliced" in phrase]
    convert(tmp_path / "a.rds", tmp_path / "b.h5ad")
    back = anndata.read_h5ad(tmp_path / "b.h5ad")
    assert not [key for key in back.obsm if "spliced" in key]
    np.testing.assert_array_equal(back.layers["spliced"].toarray(), adata.layers["spliced"].toarray())


def test_matrices_of_a_folder_that_belong_together_are_carried_or_named(tmp_path: Path) -> None:
    folder = tmp_path / "Velocyto" / "raw"
    folder.mkdir(parents=True)
    for times, name in enumerate(("spliced", "unspliced", "ambiguous"), start=1):
        entries = "".join(f"{row} {row} {times * row}\n" for row in (1, 2))
        (folder / f"{name}.mtx").write_text(f"%%MatrixMarket matrix coordinate integer general\n2 2 2\n{entries}")
    (folder / "features.tsv").write_text("ENSG1\tActb\tGene Expression\nENSG2\tSox2\tGene Expression\n")
    (folder / "barcodes.tsv").write_text("AAAC\nCCCG\n")
    assert convert(folder, tmp_path / "a.h5ad").lost == ()
    made = anndata.read_h5ad(tmp_path / "a.h5ad")
    assert made.X.toarray().tolist() == [[1, 0], [0, 2]]
    assert {name: layer.toarray().tolist() for name, layer in made.layers.items()} == {
        "unspliced": [[2, 0], [0, 4]],
        "ambiguous": [[3, 0], [0, 6]],
    }
    assert "the other matrices (ambiguous, unspliced)" in convert(folder, tmp_path / "a.csv").lost


def test_zarr_holds_all_that_an_h5ad_holds_and_replaces_an_earlier_folder(
    adata: anndata.AnnData, tmp_path: Path
) -> None:
    adata.write_h5ad(tmp_path / "a.h5ad")
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "old").touch()
    with pytest.raises(OutputError, match="a folder that holds no zarr"):
        convert(tmp_path / "a.h5ad", tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / ".zgroup").touch()
    assert convert(tmp_path / "a.h5ad", tmp_path / "a.zarr").lost == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5ad", "a.zarr"]
    assert not (tmp_path / "a.zarr" / "old").exists()
    assert convert(tmp_path / "a.zarr", tmp_path / "b.h5ad").lost == ()
    back = anndata.read_h5ad(tmp_path / "b.h5ad")
    np.testing.assert_array_equal(back.X.toarray(), adata.X.toarray())
    np.testing.assert_array_equal(back.layers["counts"].toarray(), adata.layers["counts"].toarray())
    assert back.obs["day"].tolist() == adata.obs["day"].tolist()
    assert (list(back.obsm), list(back.obsp)) == (["X_pca"], ["nn"])
    read_again, plain = read(tmp_path / "a.zarr"), read(tmp_path / "a.h5ad")
    assert (read_again.expression != plain.expression).nnz == 0


def test_a_folder_that_cannot_be_written_leaves_the_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "old").touch()

    def half_way() -> None:
        with whole_folder(tmp_path / "a.zarr") as temporary:
            temporary.mkdir()
            raise PermissionError(13, "no")

    with pytest.raises(OutputError, match="cannot be written"):
        half_way()
    assert [path.name for path in tmp_path.rglob("*")] == ["a.zarr", "old"]

"""The R script beside a result makes the object that is written without R."""

from __future__ import annotations

import importlib.resources
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

import scgnn2_engine as sc2
from scgnn2_engine.io import result_to_anndata
from scgnn2_engine.io.r.into_seurat import into_seurat
from scgnn2_engine.io.r.reading import read_r
from scgnn2_engine.io.r.serialisation import write_rds

Run = Callable[..., str]
GOLDEN = Path(__file__).resolve().parent / "golden"


@pytest.fixture(scope="module")
def result() -> AnnData:
    """A result of an input with more genes, with every kind of column that an h5ad can hold."""
    params = sc2.RunParams(
        total_epoch=1,
        feature_AE_epoch=[3, 3],
        feature_AE_count_weight=0,  # the imputed values alone
        device="cpu",
        preprocess_top_gene_select=25,
    )
    data = sc2.simulate(n_obs=60, n_vars=40, n_types=2, seed=0)
    data = replace(data, var_names=np.array([f"Gène-{i}" for i in range(40)]))
    adata = result_to_anndata(sc2.fit(data, params))
    adata.obsm["X_scgnn2_umap"] = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    adata.obsm["X_umap"] = adata.obsm["X_scgnn2_umap"] * 2
    adata.obsm["coordinates"] = pd.DataFrame({"x": np.arange(60.0), "y": 1}, index=adata.obs_names)
    adata.obs["étage"] = pd.Categorical(["ä", None, "b"] * 20, categories=["b", "ä"])
    adata.obs["ordered"] = pd.Categorical(["x", "y"] * 30, categories=["y", "x"], ordered=True)
    adata.obs["batch"] = pd.Categorical([1, 2] * 30)
    adata.obs["flag"] = np.arange(60) % 2 == 0
    adata.obs["flag or none"] = pd.array([True, None] * 30, dtype="boolean")
    adata.obs["whole or none"] = pd.array([1, None] * 30, dtype="Int32")
    adata.obs["large"] = np.arange(60) * 2**40
    adata.obs["single"] = np.arange(60, dtype=np.float32) / 3
    adata.obs["text"] = [f"t{i}" for i in range(60)]
    return adata


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the script in it, as a run writes it; a space in its name, as many have."""
    made = tmp_path / "my results"
    made.mkdir()
    with importlib.resources.as_file(importlib.resources.files("scgnn2_engine.io.r") / "to_seurat.R") as script:
        shutil.copy(script, made)
    return made


def written(folder: Path, adata: AnnData) -> None:
    """``result.h5ad``, and ``expected.rds`` of what stands in it."""
    adata.write_h5ad(folder / "result.h5ad")
    write_rds(folder / "expected.rds", into_seurat(anndata.read_h5ad(folder / "result.h5ad"))[0])


def as_program(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["Rscript", "--vanilla", str(folder / "to_seurat.R"), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder.parent,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


SAME = """
suppressMessages(library(SeuratObject))
made <- readRDS("seurat.rds")
expected <- readRDS("expected.rds")
stopifnot(methods::validObject(made, complete = TRUE))
for (slot in slotNames(made)) {
  x <- slot(made, slot)
  y <- slot(expected, slot)
  if (!identical(x, y)) cat(slot, all.equal(x, y), "")
}
cat(dim(made), Assays(made), Reductions(made), names(made@graphs), levels(made))
"""


def test_a_result_becomes_the_same_object(
    require_r: Callable[..., None], rscript: Run, folder: Path, result: AnnData
) -> None:
    require_r("SeuratObject", "hdf5r")
    written(folder, result)
    done = as_program(folder)
    assert done.returncode == 0, done.stderr
    assert "Written: " in done.stderr
    clusters = " ".join(result.obs["scgnn2_cluster"].cat.categories)
    reductions = "scgnn2.feature scgnn2.graph scgnn2.umap umap coordinates"
    assert (
        rscript(SAME, cwd=folder)
        == f"40 60 RNA scGNN2 scgnn2.value scgnn2.zeros.kept {reductions} scGNN2_snn {clusters}"
    )


def test_a_result_of_a_seurat_object_keeps_its_assays(
    require_r: Callable[..., None], rscript: Run, folder: Path
) -> None:
    require_r("SeuratObject", "hdf5r")
    adata = read_r(GOLDEN / "seurat_v4.rds").value
    counts = adata.layers["counts"]
    obsm = {key: values for key, values in adata.obsm.items() if not key.endswith("scale.data")}
    made = AnnData(counts, obs=adata.obs, var=adata.var, obsm=obsm, varm=adata.varm, uns=dict(adata.uns))
    made.obs["scgnn2_cluster"] = pd.Categorical(["10", "2", "3"] * 10, categories=["2", "3", "10"])
    made.layers["scgnn2_imputed"] = np.asarray(counts.toarray() / 2, dtype=np.float32)
    made.uns["scgnn2"] = {"scale_of_X": "counts", "run": "{}", "selected_iteration": 1}
    written(folder, made)
    done = as_program(folder)
    assert done.returncode == 0, done.stderr
    printed = rscript(SAME.replace("slotNames(made)", 'setdiff(slotNames(made), c("version", "assays"))'), cwd=folder)
    assert printed.split() == ["50", "30", "RNA", "ADT", "scGNN2", "pca", "2", "3", "10"]
    code = """suppressMessages(library(SeuratObject))
    made <- readRDS("seurat.rds"); expected <- readRDS("expected.rds")
    for (assay in Assays(made)) for (slot in c("counts", "data", "key", "var.features"))
      cat(identical(slot(made[[assay]], slot), slot(expected[[assay]], slot)), "")"""
    assert rscript(code, cwd=folder).split() == ["TRUE"] * 12


def test_loadings_feature_tables_and_identities(require_r: Callable[..., None], rscript: Run, folder: Path) -> None:
    require_r("SeuratObject", "hdf5r")
    adata = read_r(GOLDEN / "seurat_v4.rds").value
    del adata.obsm["RNA_scale.data"]
    adata.var["note"] = pd.Categorical(["x", None] * (adata.n_vars // 2))
    adata.uns["seurat"]["assays"]["RNA"]["character_columns"] = ["note"]
    reduction = adata.uns["seurat"]["reductions"]["pca"]
    reduction["feature.loadings.projected.names"] = np.array(["elsewhere"], dtype=object)
    reduction["feature.loadings.projected"] = np.arange(adata.obsm["X_pca"].shape[1])[None] / 2
    adata.obs["scgnn2_cluster"] = "of an earlier run"
    genes = reduction["feature.loadings.names"]
    made = adata[:, [gene for gene in adata.var_names if gene != genes[0]]].copy()
    made.raw = AnnData(adata.layers["counts"], var=adata.var, varm=adata.varm)
    written(folder, made)
    done = as_program(folder)
    assert done.returncode == 0, done.stderr
    code = """suppressMessages(library(SeuratObject))
    made <- readRDS("seurat.rds"); expected <- readRDS("expected.rds")
    same <- function(get) identical(get(made), get(expected))
    cat(same(function(x) x@reductions), same(Idents), same(function(x) names(x@assays)),
      identical(rownames(Loadings(made[["pca"]])), readLines("genes.txt")), levels(made))
    print(identical(as.character(made[["RNA"]]@meta.features$note), rep(c("x", NA), nrow(made) / 2)))"""
    (folder / "genes.txt").write_text("\n".join(genes) + "\n", encoding="utf-8")
    levels = " ".join(adata.obs["active_ident"].cat.categories)
    assert rscript(code, cwd=folder) == f"TRUE TRUE TRUE TRUE {levels}[1] TRUE\n"


def test_feature_tables_of_other_assays(require_r: Callable[..., None], rscript: Run, folder: Path) -> None:
    require_r("SeuratObject", "hdf5r")
    adata = read_r(GOLDEN / "seurat_v4.rds").value
    table = pd.DataFrame({"clone": pd.Categorical(["a", None, "b", "a"])}, index=["CD3", "CD4", "CD8", "CD19"])
    adata.uns["seurat"]["assays"]["ADT"] |= {"var": table, "character_columns": ["clone"]}
    adata.uns["seurat"]["assay_order"] = np.array(["ADT", "RNA"], dtype=object)
    adata.write_h5ad(folder / "result.h5ad")
    done = as_program(folder)
    assert done.returncode == 0, done.stderr
    code = """suppressMessages(library(SeuratObject))
    made <- readRDS("seurat.rds")
    cat(class(made[["ADT"]]@meta.features$clone), rownames(made[["ADT"]]@meta.features), names(made@assays))"""
    assert rscript(code, cwd=folder) == "character CD3 CD4 CD8 CD19 ADT RNA"


def test_an_h5ad_of_another_program(require_r: Callable[..., None], rscript: Run, folder: Path) -> None:
    require_r("SeuratObject", "hdf5r")
    rng = np.random.default_rng(0)
    x = sp.csc_matrix(rng.poisson(0.7, size=(5, 4)).astype(np.float64))
    adata = AnnData(
        x,
        obs=pd.DataFrame({"RNA": list("abcde")}, index=[f"c{i}" for i in range(5)]),
        var=pd.DataFrame({"highly_variable": [True, False, True, False]}, index=["A_1", "B", "C", "A-1"]),
        layers={"log it": np.log1p(x.toarray())},
        obsm={"X_pca": rng.normal(size=(5, 2)), "X_my map": rng.normal(size=(5, 3)), "X_my.map": np.eye(5)},
        varm={"PCs": np.array([[1.0, 2], [0, 0], [3, 4], [5, 6]])},
        uns={"pca": {"variance": np.array([4.0, 1.0])}},
        obsp={"near": sp.random(5, 5, density=0.5, format="csr", random_state=0), "dense": np.eye(5)},
    )
    written(folder, adata)
    done = as_program(folder, str(folder / "result.h5ad"), str(folder / "seurat.rds"))
    assert done.returncode == 0, done.stderr
    assert '1 are written with "-", such as A_1 as A-1.1.' in done.stderr
    code = """suppressMessages(library(SeuratObject))
    made <- readRDS("seurat.rds"); expected <- readRDS("expected.rds")
    cat(rownames(made), VariableFeatures(made), names(made@meta.data), sapply(Reductions(made), function(name)
      Key(made[[name]])), names(made@graphs), Assays(made), "\n")
    same <- function(get) identical(get(made), get(expected))
    cat(same(function(x) x@meta.data), same(Idents), same(function(x) x@graphs), same(function(x) x[["log.it"]]),
      same(function(x) x[["RNA"]]@counts), same(function(x) VariableFeatures(x)), same(Reductions),
      same(function(x) x[["pca"]]), dim(Loadings(made[["pca"]])), Stdev(made[["pca"]]))"""
    assert rscript(code, cwd=folder).splitlines() == [
        "A-1.1 B C A-1 A-1.1 C orig.ident nCount_RNA nFeature_RNA RNA.1 mymap_ mymap1_ PC_ near RNA log.it ",
        "TRUE TRUE TRUE TRUE TRUE TRUE TRUE TRUE 3 2 2 1",
    ]


STUBS = """
source("to_seurat.R")
asked <- character()
record <- function(name) function(...) {
  asked <<- c(asked, paste0(name, "(", paste(names(list(...)), collapse = ", "), ")"))
}
makers <- c("CreateAssay5Object", "CreateAssayObject", "SetAssayData")
stub <- setNames(lapply(makers, record), makers)
make <- eval(parse(text = gsub("SeuratObject::", "stub$", deparse(make_assay), fixed = TRUE)))
m <- matrix(1, 2, 2)
for (version in c("4.1.3", "5.0.2")) {
  version <- package_version(version)
  make(list(counts = m), version)
  make(list(data = m), version)
  make(list(counts = m, data = m), version)
}
cat(asked, sep = "\n")
"""


def test_the_class_of_assay_follows_the_version_of_seuratobject(
    require_r: Callable[..., None], rscript: Run, folder: Path
) -> None:
    require_r()
    assert rscript(STUBS, cwd=folder).splitlines() == [
        "CreateAssayObject(counts)",
        "CreateAssayObject(data)",
        "CreateAssayObject(counts)",
        "SetAssayData()",
        "CreateAssay5Object(counts)",
        "CreateAssay5Object(data)",
        "CreateAssay5Object(counts, data)",
    ]


def test_it_says_what_is_wrong_in_a_sentence(require_r: Callable[..., None], folder: Path, result: AnnData) -> None:
    require_r("SeuratObject", "hdf5r")
    absent = as_program(folder)
    assert (absent.returncode, absent.stderr) == (
        1,
        f"Error: There is no file {folder}/result.h5ad.\nExecution halted\n",
    )
    (folder / "result.h5ad").write_text("no HDF5")
    assert "cannot be read as HDF5: it is no h5ad, or damaged" in as_program(folder).stderr
    with h5py.File(folder / "result.h5ad", "w") as file:
        file["x"] = 1
    assert "is no h5ad: it holds no obs and var" in as_program(folder).stderr
    with h5py.File(folder / "result.h5ad", "w") as file:
        file["obs"], file["var"] = np.zeros(2), np.zeros(2)
    assert "written by an anndata older than 0.8" in as_program(folder).stderr
    AnnData(obs=pd.DataFrame(index=["a"]), var=pd.DataFrame(index=["b"])).write_h5ad(folder / "result.h5ad")
    assert "holds no expression" in as_program(folder).stderr
    result.write_h5ad(folder / "result.h5ad")
    (folder / "seurat.rds").touch()
    assert "seurat.rds exists already: name another file." in as_program(folder).stderr
    assert as_program(folder, "a", "b", "c").returncode == 2


def test_a_missing_package_is_named(require_r: Callable[..., None], rscript: Run, folder: Path) -> None:
    require_r()
    (folder / "result.h5ad").touch()
    code = """source("to_seurat.R")
    requireNamespace <- function(...) FALSE
    for (f in list(open_h5, scgnn2_to_seurat)) cat(tryCatch(f("result.h5ad", ""), error = conditionMessage), "\n")"""
    reader, maker = rscript(code, cwd=folder).splitlines()
    assert reader.startswith('Reading an h5ad needs the package hdf5r: install.packages("hdf5r")')
    assert "--output_seurat" in reader
    assert maker.strip() == 'A Seurat object needs the package SeuratObject: install.packages("SeuratObject").'

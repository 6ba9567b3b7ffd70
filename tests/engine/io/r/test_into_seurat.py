"""AnnData as Seurat objects: what was read is built again exactly, and what Seurat asks of an object is kept to."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from rdata.parser import RObject

import scgnn2_engine as sc2
from scgnn2_engine.errors import InputError
from scgnn2_engine.io import from_anndata, result_to_anndata
from scgnn2_engine.io.r import values as r
from scgnn2_engine.io.r.into_seurat import into_seurat
from scgnn2_engine.io.r.matrices import dimnames, matrix
from scgnn2_engine.io.r.reading import read_r
from scgnn2_engine.io.r.serialisation import parse, to_bytes, write_rds

GOLDEN = Path(__file__).resolve().parent / "golden"
Run = Callable[..., str]

# Prints the slots in which two objects differ; what is empty in both is the same.
DIFFERENCES = """
differ <- function(x, y, path = "") {
  if (identical(x, y) || (!length(x) && !length(y) && identical(dim(x), dim(y)))) return(invisible())
  if (isS4(x) && isS4(y) && identical(class(x), class(y))) {
    for (slot in slotNames(x)) differ(slot(x, slot), slot(y, slot), paste0(path, "@", slot))
  } else if (is.list(x) && length(x) && identical(attributes(x), attributes(y))) {
    for (i in seq_along(x)) differ(x[[i]], y[[i]], paste0(path, "$", names(x)[i]))
  } else cat(path, "\n")
}
valid <- function(object) {
  stopifnot(methods::validObject(object, complete = TRUE))
  for (part in c(object@assays, object@reductions, object@graphs)) stopifnot(methods::validObject(part))
}
"""


@pytest.fixture(scope="module")
def result() -> AnnData:
    params = sc2.RunParams(
        total_epoch=1,
        feature_AE_epoch=[3, 3],
        feature_AE_count_weight=0,  # the imputed values alone
        device="cpu",
        preprocess_top_gene_select=25,
    )
    adata = result_to_anndata(sc2.fit(sc2.simulate(n_obs=60, n_vars=40, n_types=2, seed=0), params))
    adata.obs["scgnn2_cluster"] = pd.Categorical(["0", "1"] * 30)
    return adata


@pytest.fixture
def scanpy_made() -> AnnData:
    """What scanpy's usual steps leave, with odd names: every key that could collide with another does."""
    rng = np.random.default_rng(0)
    counts = sp.csr_matrix(rng.poisson(1.0, size=(12, 9)).astype(np.float32))
    genes = pd.DataFrame({"highly_variable": [True] * 4 + [False] * 5}, index=[f"Gène-{i}" for i in range(9)])
    cells = pd.DataFrame(index=[f"cell {i}" for i in range(12)])
    adata = AnnData(np.log1p(counts), obs=cells, var=genes, layers={"counts": counts, "pca": counts * 2.0})
    adata.obs["leiden"] = pd.Categorical(["b", "a", None] * 4, categories=["b", "a"])
    adata.obs["n genes/µm (%)"] = np.arange(12)
    adata.obs["RNA"] = [f"x{i}" for i in range(12)]
    adata.obs["when"] = pd.to_datetime(["2026-01-02", None] * 6)
    adata.obs["large"] = np.arange(12) + 2**31
    adata.obs["whole"] = pd.array([1, None] * 6, dtype="Int64")
    adata.obs["flag"] = pd.array([True, None] * 6, dtype="boolean")
    adata.obs["real"] = [0.5, np.nan] * 6
    for place in ("X_pca", "X_umap", "X_my map", "X_my.map", "X_Größe", "spatial"):
        adata.obsm[place] = rng.normal(size=(12, 3 if place == "X_pca" else 2))
    adata.obsm["nothing"] = np.zeros((12, 0))
    adata.obsm["text"] = pd.DataFrame({"a": list("abcdefghijkl")}, index=adata.obs_names)
    adata.varm["PCs"] = np.vstack([rng.normal(size=(4, 3)), np.zeros((5, 3))])
    adata.uns["pca"] = {"variance": np.array([4.0, 1.0, 0.25])}
    near = sp.random(12, 12, density=0.2, format="csr", random_state=0)
    adata.obsp["connectivities"], adata.obsp["distances"], adata.obsp["umap"] = near, near * 3.0, near
    return adata


def again(adata: AnnData) -> AnnData:
    value = read_r(to_bytes(into_seurat(adata)[0])).value
    assert isinstance(value, AnnData)
    return value


def written(adata: AnnData) -> RObject:
    return parse(to_bytes(into_seurat(adata)[0]))[""]


def slots_of(adata: AnnData) -> dict[str, Any]:
    return r.attributes(written(adata))


def same(left: Any, right: Any, path: str = "") -> None:
    """Two values of an AnnData are equal, by kind, names and order."""
    if sp.issparse(left):
        assert sp.issparse(right), path
        assert left.dtype == right.dtype, path
        np.testing.assert_array_equal(left.toarray(), right.toarray(), path)
        assert left.nnz == right.nnz, path
    elif isinstance(left, pd.DataFrame):
        pd.testing.assert_frame_equal(left, right, check_exact=True, obj=path)
    elif hasattr(left, "keys"):
        assert list(left.keys()) == list(right.keys()), path
        for key in left.keys():  # noqa: SIM118  (AnnData's mappings iterate over more than keys)
            same(left[key], right[key], f"{path}/{key}")
    else:
        np.testing.assert_array_equal(left, right, path)


def same_anndata(left: AnnData, right: AnnData) -> None:
    for part in ("X", "obs", "var", "layers", "obsm", "varm", "obsp", "uns"):
        same(getattr(left, part), getattr(right, part), part)


# ------------------------------------------------------------------------------------------ without R


@pytest.mark.parametrize("name", ["seurat_pbmc_small.rda", "seurat_pbmc500.rda"])
def test_a_real_object_is_read_the_same_after_writing(data_dir: Path, name: str) -> None:
    adata = read_r(data_dir / "formats" / name).value
    same_anndata(adata, again(adata))


def test_the_golden_object_is_read_the_same_after_writing() -> None:
    adata = read_r(GOLDEN / "seurat_v4.rds").value
    same_anndata(adata, again(adata))


def test_an_object_of_version_5_is_written_with_assays_of_version_4() -> None:
    adata = read_r(GOLDEN / "seurat_v5.rds").value
    slots = slots_of(adata)
    assert {r.class_of(assay) for assay in r.elements(slots["assays"]).values()} == {"Assay"}
    assert r.elements(slots["version"])["[[1]]"].value.tolist() == [4, 1, 3]
    same(adata.X, again(adata).X)
    same(adata.obs, again(adata).obs)


def test_a_result_is_laid_out_as_documented(result: AnnData) -> None:
    slots = slots_of(result)
    assays = r.elements(slots["assays"])
    assert list(assays) == ["RNA", "scGNN2", "scgnn2.value", "scgnn2.zeros.kept"]
    measured, imputed = (r.attributes(assays[name]) for name in ("RNA", "scGNN2"))
    np.testing.assert_array_equal(matrix(measured["counts"]).toarray(), result.raw.X.toarray().T)
    np.testing.assert_array_equal(matrix(measured["data"]).toarray(), result.raw.X.toarray().T)
    np.testing.assert_array_equal(matrix(imputed["data"]), result.layers["scgnn2_imputed"].T.astype(float))
    assert matrix(imputed["counts"]).shape == (0, 0)
    assert [r.one_string(assay["key"]) for assay in (measured, imputed)] == ["rna_", "scgnn2_"]
    keys = {name: r.one_string(r.attributes(value)["key"]) for name, value in r.elements(slots["reductions"]).items()}
    assert keys == {"scgnn2.feature": "scgnn2feature_", "scgnn2.graph": "scgnn2graph_"}
    graph = r.elements(slots["graphs"])["scGNN2_snn"]
    assert r.one_string(r.attributes(graph)["assay.used"]) == "scGNN2"
    np.testing.assert_array_equal(matrix(graph).toarray(), result.obsp["scgnn2_connectivities"].toarray())
    assert r.strings(slots["active.ident"]) == ["0", "1"] * 30
    assert r.names_of(slots["active.ident"]) == list(result.obs_names)
    meta, _ = r.data_frame(slots["meta.data"])
    assert list(meta.columns[:3]) == ["orig.ident", "nCount_RNA", "nFeature_RNA"]
    assert set(result.obs.columns) <= set(meta.columns)
    record = r.elements(r.elements(slots["misc"])["scgnn2"])
    assert r.one_string(record["run"]) == result.uns["scgnn2"]["run"]
    pd.testing.assert_frame_equal(
        r.data_frame(record["metrics"])[0].reset_index(drop=True),
        result.uns["scgnn2"]["metrics"].reset_index(drop=True),
        check_dtype=False,
        check_exact=True,
    )


def test_underscores_in_names_of_genes_become_dashes_as_seurat_has_them(scanpy_made: AnnData) -> None:
    scanpy_made.var_names = ["A_B", "A-B", "A|B", "C", "_", "A-B.1", "x_y", "D", "E"]
    scanpy_made.raw = scanpy_made
    fewer = scanpy_made[:, [2, 0]].copy()
    slots = slots_of(fewer)
    assays = r.elements(slots["assays"])
    names = ["A-B.2", "A-B", "A-B.3", "C", "-", "A-B.1", "x-y", "D", "E"]
    assert dimnames(r.attributes(assays["RNA"])["data"])[0] == names
    assert list(r.data_frame(r.attributes(assays["RNA"])["meta.features"])[0].index) == names
    assert dimnames(r.attributes(assays["pca"])["data"])[0] == ["A-B.3", "A-B.2"]
    pca = r.attributes(r.elements(slots["reductions"])["pca.1"])
    assert dimnames(pca["feature.loadings"])[0] == ["A-B.3", "A-B.2"]
    assert into_seurat(fewer)[1][0] == '"_" and "|" in the names of 4 genes (A_B is A-B.2)'


def test_scanpys_results_find_their_places(scanpy_made: AnnData) -> None:
    slots = slots_of(scanpy_made)
    assert list(r.elements(slots["assays"])) == ["RNA", "pca"]  # the layer came first,
    assert list(r.elements(slots["reductions"])) == ["pca.1", "umap", "my.map", "my.map.1", "Gr..e", "spatial"]
    assert list(r.elements(slots["graphs"])) == ["connectivities", "distances", "umap.1"]
    meta, _ = r.data_frame(slots["meta.data"])
    assert list(meta.columns) == [
        *("orig.ident", "nCount_RNA", "nFeature_RNA", "leiden", "n genes/µm (%)", "RNA.1", "when", "large", "whole"),
        *("flag", "real"),
    ]
    assert meta["leiden"].cat.categories.tolist() == ["b", "a"]
    assert meta["when"].tolist()[:2] == ["2026-01-02", None]
    assert meta["large"].tolist() == scanpy_made.obs["large"].tolist()
    assert meta["whole"].isna().tolist() == meta["flag"].isna().tolist() == [False, True] * 6
    assert r.strings(r.attributes(r.elements(slots["assays"])["RNA"])["var.features"]) == [
        "Gène-0",
        "Gène-1",
        "Gène-2",
        "Gène-3",
    ]


def test_scanpys_loadings_go_with_its_embedding(scanpy_made: AnnData) -> None:
    del scanpy_made.layers["pca"]
    pca = r.attributes(r.elements(slots_of(scanpy_made)["reductions"])["pca"])
    assert r.one_string(pca["key"]) == "PC_"
    assert dimnames(pca["feature.loadings"]) == ([f"Gène-{i}" for i in range(4)], ["PC_1", "PC_2", "PC_3"])
    np.testing.assert_array_equal(matrix(pca["feature.loadings"]), scanpy_made.varm["PCs"][:4])
    np.testing.assert_array_equal(r.numbers(pca["stdev"]), [2.0, 1.0, 0.5])


def test_what_has_no_place_is_said(scanpy_made: AnnData) -> None:
    scanpy_made.obsp["dense"] = np.eye(12)
    scanpy_made.varm["other"] = np.ones((9, 2))
    scanpy_made.varp["genes"] = sp.identity(9, format="csr")
    scanpy_made.uns["neighbors"] = {}
    assert into_seurat(scanpy_made)[1] == [
        *("obsm nothing", "obsm text", "obsp dense (not sparse)", "varp genes", "varm other", "uns neighbors"),
    ]


def test_raw_with_more_genes_and_scaled_x_become_data_and_scale_data(scanpy_made: AnnData) -> None:
    scanpy_made.raw = scanpy_made
    fewer = scanpy_made[:, [1, 3]].copy()
    fewer.X = np.asarray(fewer.X.toarray()) - 0.5
    slots = r.attributes(r.elements(slots_of(fewer)["assays"])["RNA"])
    assert dimnames(slots["scale.data"])[0] == ["Gène-1", "Gène-3"]
    np.testing.assert_array_equal(matrix(slots["scale.data"]), fewer.X.T)
    np.testing.assert_array_equal(matrix(slots["data"]).toarray(), scanpy_made.X.toarray().T)
    assert "layer counts (the assay holds .raw, which has other genes)" in into_seurat(fewer)[1]


def test_genes_that_went_are_left_out_everywhere(data_dir: Path) -> None:
    adata = read_r(data_dir / "formats" / "seurat_pbmc_small.rda").value
    fewer = adata[:, adata.var_names[::2]].copy()
    slots = slots_of(fewer)
    assay = r.attributes(r.elements(slots["assays"])["RNA"])
    genes = set(fewer.var_names)
    chosen = [name for name in adata.uns["seurat"]["assays"]["RNA"]["var.features"] if name in genes]
    assert r.strings(assay["var.features"]) == chosen
    assert set(dimnames(assay["scale.data"])[0] or []) <= genes
    pca = r.attributes(r.elements(slots["reductions"])["pca"])
    assert set(dimnames(pca["feature.loadings"])[0] or []) == set(chosen)
    rules_of_version_5(slots)


def test_an_earlier_identity_stays_a_column_beside_the_clusters() -> None:
    adata = read_r(GOLDEN / "seurat_v4.rds").value
    adata.obs["scgnn2_cluster"] = pd.Categorical(["7", "8"] * 15)
    assert r.strings(slots_of(adata)["active.ident"]) == list(
        adata.obs["active_ident"]
    )  # a result that was gone on with
    adata.uns["scgnn2"] = {"scale_of_X": "logged"}
    slots = slots_of(adata)
    meta, _ = r.data_frame(slots["meta.data"])
    assert r.strings(slots["active.ident"]) == ["7", "8"] * 15
    assert list(meta["active_ident"]) == list(adata.obs["active_ident"])


def test_one_cell_with_no_counts() -> None:
    adata = AnnData(np.array([[0.5, 1.5]]), obs=pd.DataFrame(index=["日本"]), var=pd.DataFrame(index=["a", "b"]))
    assay = r.attributes(r.elements(slots_of(adata)["assays"])["RNA"])
    assert matrix(assay["counts"]).shape == (0, 0)
    assert dimnames(assay["data"]) == (["a", "b"], ["日本"])
    same(again(adata).X, adata.X)


@pytest.mark.parametrize(
    ("adata", "words"),
    [
        (AnnData(obs=pd.DataFrame(index=["a", "b"]), var=pd.DataFrame(index=["g"])), "nothing to put"),
        (AnnData(np.zeros((0, 3))), "nothing to put.*0 cells"),
        (AnnData(np.ones((2, 2)), obs=pd.DataFrame(index=["a", ""])), "an empty name"),
    ],
    ids=["no matrix", "no cells", "no name"],
)
def test_what_cannot_be_an_object_is_refused(adata: AnnData, words: str) -> None:
    with pytest.raises(InputError, match=words):
        into_seurat(adata)


def test_repeated_names_are_refused() -> None:
    adata = AnnData(np.ones((2, 2)), obs=pd.DataFrame(index=["a", "b"]), var=pd.DataFrame(index=["x", "y"]))
    adata.obs_names = ["a", "a"]
    with pytest.raises(InputError, match=r"repeated or empty cell names.*Found: a"):
        into_seurat(adata)


def test_a_file_backed_anndata_is_written_whole(tmp_path: Path, result: AnnData) -> None:
    result.write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    assert r.class_of(into_seurat(backed)[0]) == "Seurat"
    backed.file.close()


def rules_of_version_5(slots: dict[str, Any]) -> None:
    """What SeuratObject 5's setValidity asks of Assay, DimReduc, Graph, KeyMixin and Seurat (R/*.R of 5.0)."""
    cells = [str(name) for name in r.data_frame(slots["meta.data"])[0].index]
    assert "" not in r.data_frame(slots["meta.data"])[0].columns  # "all columns in 'meta.data' must be named"
    keys = []
    for assay in r.elements(slots["assays"]).values():
        part = r.attributes(assay)
        features, columns = dimnames(part["data"])
        assert features is not None
        assert columns == cells  # "all cells in assays must be in the same order as the Seurat object"
        assert len(set(features)) == len(features)  # "duplicate feature names are not allowed"
        if matrix(part["counts"]).size:
            assert dimnames(part["counts"]) == (features, cells)  # "'counts' must have the same features as 'data'"
        if matrix(part["scale.data"]).size:
            assert dimnames(part["scale.data"])[1] == cells
            assert set(dimnames(part["scale.data"])[0] or []) <= set(features)  # "must be present in 'data'"
        table, _ = r.data_frame(part["meta.features"])
        assert list(table.index) == features  # "'meta.features' must have the same features as 'data'"
        chosen = part["var.features"]
        assert not len(chosen.value) or set(r.strings(chosen)) <= set(features)
        keys.append(r.one_string(part["key"]))
    for reduction in r.elements(slots["reductions"]).values():
        part = r.attributes(reduction)
        key = r.one_string(part["key"])
        rows, columns = dimnames(part["cell.embeddings"])
        assert rows == cells
        assert columns
        assert all(name.startswith(key) for name in columns)  # "colnames must start with reduction key"
        numbers = [int(name.removeprefix(key)) for name in columns]
        assert numbers == sorted(numbers)  # "dimensions must be in order"
        assert numbers[0] >= 1
        assert len(r.strings(part["assay.used"])) == 1
        assert r.numbers(part["global"]).tolist() in ([True], [False])
        keys.append(key)
    assert all(re.fullmatch("[a-zA-Z][a-zA-Z0-9]*_", key) for key in keys)  # .KeyPattern()
    assert len(set(keys)) == len(keys)
    assert "md_" not in keys  # kept for meta.data
    for graph in r.elements(slots["graphs"]).values():
        assert dimnames(graph) == (cells, cells)
        assert r.one_string(r.attributes(graph)["assay.used"])  # "may not be an empty character"
    assert r.one_string(slots["project.name"])  # "cannot be an empty character"
    assert r.names_of(slots["active.ident"]) == cells
    places = [list(r.elements(slots[slot])) for slot in ("assays", "reductions", "graphs")]
    every = [name for names in places for name in names]
    assert len(set(every)) == len(every)  # object[["name"]] finds the first of them only


def test_version_5_would_find_nothing_wrong(result: AnnData, scanpy_made: AnnData) -> None:
    rules_of_version_5(slots_of(result))
    rules_of_version_5(slots_of(scanpy_made))
    rules_of_version_5(slots_of(read_r(GOLDEN / "seurat_v4.rds").value))
    rules_of_version_5(slots_of(read_r(GOLDEN / "seurat_v5_split.rds").value))
    clash = AnnData(np.ones((2, 2)), layers={"md": np.ones((2, 2)), "1a": np.ones((2, 2))}, obsm={"X_md": np.eye(2)})
    rules_of_version_5(slots_of(clash))


# ------------------------------------------------------------------------------------------ in real R


def differences(rscript: Run, original: Path, made: Path) -> set[str]:
    code = f"""suppressMessages(library(SeuratObject)){DIFFERENCES}
    given <- commandArgs(trailingOnly = TRUE)
    room <- new.env()
    original <- if (grepl("rda$", given[1])) room[[load(given[1], room)]] else readRDS(given[1])
    made <- readRDS(given[2])
    valid(made)
    differ(original, made)"""
    return set(rscript(code, original, made).split())


@pytest.mark.parametrize("through_h5ad", [False, True], ids=["in memory", "through h5ad"])
@pytest.mark.parametrize(
    ("name", "lost"),
    [
        (
            "seurat_pbmc_small.rda",
            {
                "@commands",
                *(f"@reductions$pca@jackstraw@{slot}" for slot in ("empirical.p.values", "empirical.p.values.full")),
                *(f"@reductions$pca@jackstraw@{slot}" for slot in ("fake.reduction.scores", "overall.p.values")),
            },
        ),
        ("seurat_pbmc500.rda", {"@commands", "@reductions$pca@misc"}),
        ("seurat_v4.rds", {"@commands", "@misc", "@reductions$pca@misc"}),
    ],
)
def test_r_finds_the_same_object(
    require_r: Callable[..., None],
    rscript: Run,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    name: str,
    lost: set[str],
    through_h5ad: bool,
) -> None:
    require_r("SeuratObject")
    original = GOLDEN / name if name.endswith(".rds") else request.getfixturevalue("data_dir") / "formats" / name
    adata = read_r(original).value
    if through_h5ad:
        adata.write_h5ad(tmp_path / "between.h5ad")
        adata = anndata.read_h5ad(tmp_path / "between.h5ad")
    write_rds(tmp_path / "made.rds", into_seurat(adata)[0])
    assert differences(rscript, original, tmp_path / "made.rds") == lost


def test_seurats_functions_take_a_result(
    require_r: Callable[..., None], rscript: Run, tmp_path: Path, result: AnnData
) -> None:
    require_r("SeuratObject", "Seurat")
    write_rds(tmp_path / "result.rds", into_seurat(result)[0])
    code = f"""suppressMessages(library(Seurat)){DIFFERENCES}
    object <- readRDS(commandArgs(trailingOnly = TRUE)[1])
    valid(object)
    say <- function(...) cat(..., "\n")
    say(dim(object), dim(object[["scGNN2"]]), Assays(object), Reductions(object), names(object@graphs))
    say(levels(object), table(Idents(object)), dim(Embeddings(object, "scgnn2.graph"))[1])
    wanted <- c("ident", "scgnn2_cluster", "scgnn2graph_2", "gene-0", "scgnn2_gene-0")
    say(names(FetchData(object, wanted)))
    stopifnot(inherits(DimPlot(object, reduction = "scgnn2.graph"), "ggplot"))
    object <- NormalizeData(object, verbose = FALSE)
    markers <- FindMarkers(object, "0", "1", logfc.threshold = 0, min.pct = 0, verbose = FALSE)
    say(nrow(markers), "p_val_adj" %in% names(markers))
    part <- subset(object, idents = "1", features = rownames(object[["scGNN2"]]))
    valid(part)
    say(dim(part), levels(part))
    both <- suppressWarnings(merge(object, part, add.cell.ids = c("a", "b"), merge.dr = "scgnn2.graph"))
    valid(both)
    say(dim(both), length(unique(both$scgnn2_validation_error)))
    say(nchar(Misc(object, "scgnn2")$run) > 100, nrow(object@misc$scgnn2$metrics))"""
    assert [line.strip() for line in rscript(code, tmp_path / "result.rds").splitlines()] == [
        "40 60 25 60 RNA scGNN2 scgnn2.value scgnn2.zeros.kept scgnn2.feature scgnn2.graph scGNN2_snn",
        "0 1 30 30 60",
        "ident scgnn2_cluster scgnn2graph_2 gene-0 scgnn2_gene-0",
        "40 TRUE",
        "25 30 1",
        "40 90 1",
        "TRUE 1",
    ]


def test_r_takes_what_scanpy_made(
    require_r: Callable[..., None], rscript: Run, tmp_path: Path, scanpy_made: AnnData
) -> None:
    require_r("SeuratObject", "Seurat")
    one = AnnData(np.array([[2.0, 0.0]]), obs=pd.DataFrame(index=["日本"]), var=pd.DataFrame(index=["ä", "b"]))
    write_rds(tmp_path / "made.rds", into_seurat(scanpy_made)[0])
    write_rds(tmp_path / "one.rds", into_seurat(one)[0])
    code = f"""suppressMessages(library(Seurat)){DIFFERENCES}
    object <- readRDS("made.rds")
    valid(object)
    say <- function(...) cat(..., sep = "|", fill = 1000)
    say(rownames(object)[1:2], VariableFeatures(object)[4], colnames(object)[12])
    say(vapply(object@meta.data, function(column) class(column)[1], ""))
    say(sapply(object@meta.data[2, c("leiden", "when", "whole", "flag", "real")], as.character))
    say(object$large[1:2])
    say(sapply(names(object@reductions), function(name) Key(object[[name]])))
    say(Stdev(object, "pca.1"), dim(Loadings(object, "pca.1")), class(object[["umap.1"]]))
    say(class(object[["RNA"]]), identical(object$RNA.1[["cell 3"]], "x3"))
    one <- readRDS("one.rds")
    valid(one)
    say(dim(one), colnames(one), one$nCount_RNA, levels(one))"""
    assert rscript(code, cwd=tmp_path).splitlines() == [
        "Gène-0|Gène-1|Gène-3|cell 11",
        "factor|numeric|integer|factor|integer|character|character|numeric|integer|logical|numeric",
        "a|NA|NA|NA|NaN",
        "2147483648|2147483649",
        "PC_|UMAP_|mymap_|mymap1_|gre_|spatial_",
        "2|1|0.5|4|3|Graph",
        "Assay|TRUE",
        "2|1|日本|2|scGNN2",
    ]


def test_entries_of_uns_that_are_called_like_ours_but_are_not_ours_do_no_harm() -> None:
    adata = AnnData(np.ones((2, 1)), obs=pd.DataFrame(index=["a", "b"]), var=pd.DataFrame(index=["x_y"]))
    adata.obsm["X_pca"] = np.ones((2, 1))
    adata.varm["PCs"] = np.ones((1, 1))
    adata.uns |= {"seurat": "4.1", "experiment": 7, "scgnn2": "mine", "pca": ["PC1"]}
    back = read_r(to_bytes(into_seurat(adata)[0])).value
    assert back.var_names.tolist() == ["x-y"]
    assert from_anndata(adata).facts["matrix"] == "X"

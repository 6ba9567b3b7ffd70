"""Seurat objects as AnnData: real ones, those of golden/make_golden.R, and ones that are built badly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from rdata.parser import RObject

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.r import build
from scgnn2_engine.io.r.annotations import features_table
from scgnn2_engine.io.r.reading import read_r
from scgnn2_engine.io.r.serialisation import parse, to_bytes
from scgnn2_engine.io.r.values import attributes
from scgnn2_engine.io.r.what_to_save import what_to_save

if TYPE_CHECKING:
    from anndata import AnnData

GOLDEN = Path(__file__).parent / "golden"


def read(source: Path | bytes) -> tuple[AnnData, list[str]]:
    content = read_r(source)
    adata: Any = content.value
    assert content.kind == "Seurat"
    return adata, content.lost


# ---------------------------------------------------------------------------------------------- real objects

# Expected numbers are what R 4.2.2 with SeuratObject 4.1.3 says of the two files.


def test_pbmc_small(data_dir: Path) -> None:
    adata, lost = read(data_dir / "formats/seurat_pbmc_small.rda")
    counts, facts = adata.layers["counts"], adata.uns["seurat"]
    assert adata.shape == (80, 230)
    assert sp.isspmatrix_csr(counts)
    assert (counts.nnz, counts.sum()) == (4456, 19633)
    assert (adata.X.nnz, adata.X.sum()) == (4456, pytest.approx(20440.244695656129, rel=1e-15))
    assert adata.obs_names[[0, 1, -1]].tolist() == ["ATGCCAGAACGACT", "CATGGCCTGTGCAT", "CTTGATTGATCTTC"]
    assert adata.var_names[[0, 1, -1]].tolist() == ["MS4A1", "CD79B", "S100B"]
    third = adata["GAACCTGATGAACC"]
    assert third[:, ["LTB", "SP100", "STX10"]].layers["counts"].toarray().tolist() == [[11, 1, 1]]
    assert third[:, ["LTB", "SP100"]].X.toarray().tolist() == [[7.1431181226071008, 4.7530946264002516]]
    assert adata.obs.columns.tolist() == [
        "orig.ident", "nCount_RNA", "nFeature_RNA", "RNA_snn_res.0.8", "letter.idents", "groups", "RNA_snn_res.1",
        "active_ident",
    ]  # fmt: skip
    assert adata.obs["nCount_RNA"].tolist()[:5] == [70, 85, 87, 127, 173]
    assert adata.obs["active_ident"].value_counts(sort=False).to_dict() == {"0": 36, "1": 25, "2": 19}
    assert facts["character_columns"] == ["groups"]
    assert adata.obs["groups"].tolist()[:4] == ["g2", "g1", "g2", "g2"]
    assert adata.var["highly_variable"].sum() == 20
    assert facts["assays"]["RNA"]["var.features"][:3].tolist() == ["PPBP", "IGLL5", "VDAC3"]
    assert adata.obsm["RNA_scale.data"].shape == (80, 20)
    assert np.abs(adata.obsm["RNA_scale.data"]).sum() == pytest.approx(1096.4170175636652, rel=1e-14)
    assert adata.obsm["X_pca"][1, :2].tolist() == [-0.026027015322986121, -0.346679472721734938]
    assert adata.obsm["X_tsne"][1].tolist() == [-7.3925305575138154, -8.7717450667671422]
    assert np.nansum(np.abs(adata.varm["pca"])) == pytest.approx(60.107328068265467, rel=1e-14)
    assert (~np.isnan(adata.varm["pca"][:, 0])).sum() == 20
    assert facts["reductions"]["pca"]["feature.loadings.names"][:2].tolist() == ["PPBP", "IGLL5"]
    assert adata.obsp["RNA_snn"].nnz == 6328
    assert adata.obsp["RNA_snn"].sum() == pytest.approx(2664.2650003822241, rel=1e-14)
    assert (facts["version"], facts["project.name"], facts["active.assay"]) == ("4.0.0", "SeuratProject", "RNA")
    assert "jackstraw of reduction pca" in lost
    assert any(phrase.startswith("commands (NormalizeData.RNA") for phrase in lost)


def test_pbmc500_is_read(data_dir: Path) -> None:
    adata, _ = read(data_dir / "formats/seurat_pbmc500.rda")
    counts = adata.layers["counts"]
    assert adata.shape == (500, 12627)
    assert (counts.nnz, counts.sum()) == (422395, 1183472)
    assert adata.X.sum() == pytest.approx(854275.14156256698, rel=1e-14)
    assert adata.obs_names[[0, -1]].tolist() == ["CTATAAGATCGTTT-1", "GGGCCAACCTTGGA-1"]
    assert adata.var_names[[0, 1, -1]].tolist() == ["AL627309.1", "AP006222.2", "SRSF10.1"]
    assert adata["ACGTTGGACCGTAA-1", "ISG15"].X.toarray().item() == 2.1085014348354538
    assert adata.obsm["RNA_scale.data"].shape == (500, 1940)
    assert np.abs(adata.obsm["RNA_scale.data"]).sum() == pytest.approx(451301.31821735605, rel=1e-13)
    assert adata.obsm["X_pca"][1, :2].tolist() == [-3.5296055709564147, -10.1745858710375519]
    assert adata.obsm["X_umap"][1].tolist() == [5.5248975619254539, 1.7605427185008535]
    assert adata.obs["active_ident"].cat.categories.tolist() == [
        "B cell", "CD4 T Memory", "CD4 T Naive", "CD8 T cell", "DC", "Mono CD14", "Mono FCGR3A", "NK cell", "Platelet",
    ]  # fmt: skip
    assert adata.obs["active_ident"].value_counts(sort=False).tolist() == [67, 89, 116, 46, 15, 99, 30, 24, 14]
    assert adata.uns["seurat"]["character_columns"] == ["condition", "sample_id"]


# ---------------------------------------------------------------------------------------------- golden objects


def same_matrix(held: Any, described: Any) -> None:
    """(cells, features) here, features x cells there, with 1-based positions."""
    assert list(held.T.shape) == described["dim"]
    assert [held[column - 1, row - 1] for row, column in described["at"]] == [float(v) for v in described["values"]]
    sums = np.asarray(held.sum(axis=1)).reshape(-1)
    np.testing.assert_allclose(sums, [float(value) for value in described["column_sums"]], atol=1e-12)


def same_cells(adata: AnnData, expected: Any) -> None:
    assert adata.obs_names.tolist() == expected["cells"]
    assert adata.obs["active_ident"].tolist() == expected["active_ident"]["values"]
    assert adata.obs["active_ident"].cat.categories.tolist() == expected["active_ident"]["levels"]
    for name, described in expected["meta_data"]["columns"].items():
        held = [None if pd.isna(value) else value for value in adata.obs[name].astype(object)]
        numeric = described["class"] in ("numeric", "integer")
        assert held == ([float(value) for value in described["values"]] if numeric else described["values"])
    for name, described in expected["reductions"].items():
        same_matrix(adata.obsm[f"X_{name}"].T, described["embeddings"])
        names = described["loadings"]["rows"]
        same_matrix(adata[:, names].varm[name].T, described["loadings"])
        facts = adata.uns["seurat"]["reductions"][name]
        assert facts["stdev"].tolist() == [float(value) for value in described["stdev"]]
        assert facts["feature.loadings.names"].tolist() == names
        assert (facts["key"], facts["assay.used"]) == (described["key"], described["assay"])
    for name, described in expected["graphs"].items():
        same_matrix(adata.obsp[name].T.tocsr(), described)


def test_version_4_with_two_assays() -> None:
    expected = json.loads((GOLDEN / "seurat_v4.json").read_text(encoding="utf-8"))
    adata, lost = read(GOLDEN / "seurat_v4.rds")
    same_cells(adata, expected)
    rna, adt = expected["assays"]["RNA"], expected["assays"]["ADT"]
    assert adata.var_names.tolist() == rna["counts"]["rows"]
    same_matrix(adata.X, rna["data"])
    same_matrix(adata.layers["counts"], rna["counts"])
    same_matrix(adata.obsm["RNA_scale.data"], rna["scale_data"])
    facts = adata.uns["seurat"]["assays"]
    assert facts["RNA"]["features"]["scale.data"].tolist() == rna["scale_data"]["rows"]
    assert facts["RNA"]["var.features"].tolist() == rna["variable_features"]
    assert set(adata.var_names[adata.var["highly_variable"]]) == set(rna["variable_features"])
    same_matrix(adata.obsm["ADT_counts"], adt["counts"])
    same_matrix(adata.obsm["ADT_data"], adt["data"])
    assert facts["ADT"] == {"class": "Assay", "key": "adt_", "features": facts["ADT"]["features"]}
    assert facts["ADT"]["features"]["counts"].tolist() == ["CD3", "CD4", "CD8", "CD19"]
    assert lost[-1] == "misc (made, numbers)"


def test_version_5() -> None:
    expected = json.loads((GOLDEN / "seurat_v5.json").read_text(encoding="utf-8"))
    adata, lost = read(GOLDEN / "seurat_v5.rds")
    same_cells(adata, expected)
    rna = expected["assays"]["RNA"]
    assert adata.var_names.tolist() == rna["features"]
    same_matrix(adata.X, rna["layers"]["data"])
    same_matrix(adata.layers["counts"], rna["layers"]["counts"])
    same_matrix(adata.obsm["RNA_scale.data"], rna["layers"]["scale.data"])
    facts = adata.uns["seurat"]
    assert facts["version"] == "5.0.1"
    assert facts["assays"]["RNA"]["features"]["scale.data"].tolist() == rna["layers"]["scale.data"]["rows"]
    assert facts["assays"]["RNA"]["var.features"].tolist() == rna["variable_features"]
    assert not any("division" in phrase for phrase in lost)


def test_split_layers_of_version_5_are_joined() -> None:
    expected = json.loads((GOLDEN / "seurat_v5_split.json").read_text(encoding="utf-8"))
    adata, lost = read(GOLDEN / "seurat_v5_split.rds")
    same_cells(adata, expected)
    rna = expected["assays"]["RNA"]
    assert adata.var_names.tolist() == rna["features"]
    for held, stem in ((adata.layers["counts"], "counts"), (adata.X, "data")):
        for part in ("A", "B"):
            described = rna["layers"][f"{stem}.{part}"]
            cells = adata.obs_names.get_indexer(described["columns"])
            genes = adata.var_names.get_indexer(described["rows"])
            same_matrix(held[cells][:, genes], described)
            absent = np.setdiff1d(np.arange(adata.n_vars), genes)
            assert held[cells][:, absent].sum() == 0
    assert [phrase for phrase in lost if "division" in phrase] == [
        "the division of assay RNA into layers counts.A, counts.B (they were joined into counts)",
        "the division of assay RNA into layers data.A, data.B (they were joined into data)",
    ]


# ---------------------------------------------------------------------------------------------- built here

CELLS, GENES = ["c1", "c2", "c3"], ["g1", "g2"]
COUNTS = np.array([[1.0, 0, 2], [0, 3, 4]])


def log_map(names: list[str], layers: dict[str, list[str]]) -> RObject:
    held = np.array([[name in members for members in layers.values()] for name in names])
    return build.matrix(held.reshape(len(names), len(layers)), names, list(layers))


def assay5(layers: dict[str, Any], cells: dict[str, list[str]], genes: dict[str, list[str]] | None = None) -> RObject:
    built = {name: build.matrix(held) if isinstance(held, np.ndarray) else held for name, held in layers.items()}
    slots = {
        "layers": build.named_list(built),
        "cells": log_map(CELLS, cells),
        "features": log_map(GENES, genes or dict.fromkeys(layers, GENES)),
        "key": build.strings(["rna_"]),
        "meta.data": build.data_frame(pd.DataFrame(index=[0, 1])),
        "misc": build.plain_list([]),
    }
    return build.s4("Assay5", "SeuratObject", slots)


def assay3(**changed: RObject) -> RObject:
    slots = {
        "counts": build.dgcmatrix(COUNTS, GENES, CELLS),
        "data": build.dgcmatrix(COUNTS, GENES, CELLS),
        "scale.data": build.matrix(np.zeros((0, 0))),
        "key": build.strings(["rna_"]),
        "var.features": build.logicals(np.array([], dtype=bool)),
        "meta.features": build.data_frame(pd.DataFrame(index=GENES)),
        "misc": build.null(),
    }
    return build.s4("Assay", "SeuratObject", slots | changed)


def seurat(assay: RObject, others: dict[str, RObject] | None = None, **changed: RObject) -> bytes:
    slots = {
        "assays": build.named_list({**(others or {}), "RNA": assay}),
        "meta.data": build.data_frame(pd.DataFrame({"n": [1, 2, 3]}, index=CELLS)),
        "active.assay": build.strings(["RNA"]),
        "active.ident": build.factor(pd.Categorical(["a", "a", "b"])),
        "graphs": build.plain_list([]),
        "reductions": build.plain_list([]),
        "misc": build.plain_list([]),
        "version": build.package_version("5.0.2"),
    }
    return to_bytes(build.s4("Seurat", "SeuratObject", slots | changed))


def test_layers_of_samples_whose_names_hold_dots() -> None:
    layers = {"counts.s.1": COUNTS[:, :1], "counts.s.2": COUNTS[:, [2, 1]]}
    adata, lost = read(seurat(assay5(layers, {"counts.s.1": ["c1"], "counts.s.2": ["c2", "c3"]})))
    assert adata.X.tolist() == [[1, 0], [2, 4], [0, 3]]
    assert lost == ["the division of assay RNA into layers counts.s.1, counts.s.2 (they were joined into counts)"]


def test_a_single_part_that_has_all_cells_is_the_matrix() -> None:
    adata, _ = read(seurat(assay5({"counts.A": COUNTS}, {"counts.A": CELLS})))
    assert adata.X.tolist() == adata.layers["counts"].tolist() == COUNTS.T.tolist()


def test_whole_layers_beside_counts_stay_apart() -> None:
    layers = {"counts": COUNTS, "counts.soup": COUNTS * 2, "mine.a": COUNTS * 3, "mine.b": COUNTS * 4}
    adata, lost = read(seurat(assay5(layers, dict.fromkeys(layers, CELLS))))
    assert sorted(adata.layers) == ["counts", "counts.soup", "mine.a", "mine.b"]
    assert adata.layers["mine.b"].tolist() == (COUNTS.T * 4).tolist()
    assert lost == []


def test_layers_that_are_not_in_the_object_are_refused_with_what_to_do() -> None:
    elsewhere = build.s4("RenameDims", "BPCells", {"matrix": build.null()})
    with pytest.raises(InputError, match=r"RenameDims.*bring them into memory first"):
        read(seurat(assay5({"counts": elsewhere}, {"counts": CELLS})))


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"counts": ["c1", "c2"]}, r"\(2, 3\) for 2 x 2 names"),
        ({"data": CELLS}, "KeyError: 'counts'"),
    ],
)
def test_maps_that_do_not_fit_the_layers(cells: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(seurat(assay5({"counts": COUNTS}, cells, {"counts": GENES})))


def test_a_cell_in_two_parts_is_refused() -> None:
    layers = {"counts.A": COUNTS[:, :2], "counts.B": COUNTS[:, 1:2]}
    with pytest.raises(InputError, match="cells of the same name: c2"):
        read(seurat(assay5(layers, {"counts.A": ["c1", "c2"], "counts.B": ["c2"]})))


def test_a_map_of_another_shape_is_refused() -> None:
    slots = {
        "layers": build.named_list({"counts": build.matrix(COUNTS)}),
        "features": log_map(GENES, {"counts": GENES}),
        "cells": build.logicals([True], {"dim": build.integers([3, 1])}),
    }
    with pytest.raises(InputError, match="cannot reshape"):
        read(seurat(build.s4("Assay5", "SeuratObject", slots)))


def test_cells_in_another_order_are_put_in_the_objects() -> None:
    turned = build.dgcmatrix(COUNTS[:, ::-1], GENES, CELLS[::-1])
    adata, _ = read(seurat(assay3(data=turned)))
    assert adata.X.toarray().tolist() == COUNTS.T.tolist()


def test_reductions_and_graphs_of_other_cells_are_named() -> None:
    few = {
        "cell.embeddings": build.matrix(np.ones((2, 1)), CELLS[:2], ["PC_1"]),
        "feature.loadings": build.matrix(np.zeros((0, 0))),
    }
    graph = build.s4("Graph", "SeuratObject", build.dgc_slots(sp.identity(3), CELLS[::-1], CELLS))
    reductions = build.named_list({"pca": build.s4("DimReduc", "SeuratObject", few)})
    graphs = build.named_list({"snn": graph, "odd": build.reals([1])})
    _, lost = read(seurat(assay3(), reductions=reductions, graphs=graphs))
    assert lost == [
        "reduction pca (it holds 2 of 3 cells)",
        "graph snn (its cells are not those of the object)",
        "graph odd (numeric)",
    ]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"active.assay": build.strings(["SCT"])}, "without expression in its active assay 'SCT'.*DefaultAssay"),
        ({"meta.data": build.data_frame(pd.DataFrame({"n": [1, 2, 3]}))}, "not named by the cells"),
        ({"meta.data": build.data_frame(pd.DataFrame(index=["c1", "c2", "c4"]))}, "lacks cells.*none called c4"),
        ({"active.ident": build.factor(pd.Categorical(["a"]))}, "Length of values"),
        ({"version": build.null()}, "KeyError"),
    ],
)
def test_objects_that_contradict_themselves(changed: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(seurat(assay3(), **changed))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"data": build.dgcmatrix(COUNTS, None, CELLS)},
            r"Slot data of assay RNA cannot be read.*a matrix without feature names.*put object@assays.*@data right",
        ),
        (
            {"scale.data": build.matrix(np.ones((2, 3)))},
            r"Slot scale.data of assay RNA.*In R, empty it \(object@assays.*@scale.data <- matrix\(0, 0, 0\)\)",
        ),
        ({"data": build.dgcmatrix(COUNTS[:, :2], GENES, None)}, "another number of cells.*Expected: 3. Found: 2"),
        ({"meta.features": build.data_frame(pd.DataFrame({"a": [1.0]}))}, "a feature table of 1 rows for 2"),
        ({"counts": build.strings(["a"])}, r"Slot counts of assay RNA cannot be read.*Found: character\. In R, put"),
    ],
)
def test_assays_that_contradict_themselves(changed: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(seurat(assay3(**changed)))


NA = build.logicals(np.ma.masked_array([0], mask=[True]), {"dim": build.integers([1, 1])})


def test_the_placeholder_that_integration_leaves_is_empty() -> None:
    adata, lost = read(seurat(assay3(**{"scale.data": NA, "counts": NA})))
    assert adata.X.toarray().tolist() == COUNTS.T.tolist()
    assert (list(adata.layers), list(adata.obsm), lost) == ([], [], [])


def test_what_cannot_be_read_of_other_assays_is_named() -> None:
    others = {
        "A": assay3(**{"scale.data": build.matrix(np.ones((2, 3)))}),
        "B": assay3(data=build.dgcmatrix(COUNTS[:, :2], GENES, CELLS[:2]), counts=build.strings(["a"])),
        "C": build.reals([1.0]),
        "D": assay3(**{"meta.features": build.data_frame(pd.DataFrame({"a": [1.0]}))}),
        "E": assay5({"counts": build.strings(["a"]), "data": COUNTS}, {"data": CELLS, "counts": CELLS}),
        "F": build.s4("Assay5", "SeuratObject", {"layers": build.plain_list([])}),
    }
    adata, lost = read(seurat(assay3(), others))
    assert adata.X.toarray().tolist() == COUNTS.T.tolist()
    assert sorted(adata.obsm) == ["A_counts", "A_data", "D_counts", "D_data", "E_data"]
    assert adata.uns["seurat"]["assay_order"].tolist() == ["A", "D", "E", "RNA"]
    assert lost == [
        "slot scale.data of assay A (a matrix without feature names)",
        "slot counts of assay B (expected a matrix of numbers (dense, or of package Matrix), found character)",
        "slot data of assay B (expected all 3 cells, found none called c3)",
        "assay B (it holds no values)",
        "assay C (it holds no values)",
        "the feature table of assay D (a feature table of 1 rows for 2 features)",
        "layer counts of assay E (expected a matrix of numbers (dense, or of package Matrix), found character)",
        "assay F (KeyError: 'features')",
    ]


def test_feature_tables_of_other_assays_outlive_an_h5ad(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"note": ["x", None], "none": [None, None], "all": ["p", "q"], "n": [1, 2], "f": pd.Categorical(["b", None])},
        index=GENES,
    )
    table["flag"] = pd.array([True, None], dtype="boolean")
    other = assay3(**{"meta.features": build.data_frame(table), "var.features": build.strings(["g2"])})
    adata, lost = read(seurat(assay3(), {"ADT": other}))
    adata.write_h5ad(tmp_path / "a.h5ad")
    held = anndata.read_h5ad(tmp_path / "a.h5ad").uns["seurat"]["assays"]["ADT"]
    assert lost == []
    assert held["character_columns"].tolist() == ["note", "none", "all"]
    assert held["var.features"].tolist() == ["g2"]
    again = features_table(held["var"], held)
    assert again.index.tolist() == GENES
    assert again.columns.tolist() == table.columns.tolist()
    assert again["all"].tolist() == ["p", "q"]
    assert again["note"].tolist()[0] == "x"
    assert again.isna().to_numpy().tolist() == table.isna().to_numpy().tolist()
    assert isinstance(again["f"].dtype, pd.CategoricalDtype)
    assert again["note"].dtype == object


def test_the_feature_table_of_the_active_assay_says_what_was_text() -> None:
    table = pd.DataFrame({"note": ["x", None], "highly_variable": ["y", "z"]}, index=GENES)
    changed = {"meta.features": build.data_frame(table), "var.features": build.strings(["g2"])}
    adata, lost = read(seurat(assay3(**changed)))
    facts = adata.uns["seurat"]["assays"]["RNA"]
    assert adata.var["highly_variable"].tolist() == [False, True]
    assert adata.var["highly_variable.1"].tolist() == ["y", "z"]
    assert facts["character_columns"] == ["note", "highly_variable.1"]
    assert "var" not in facts
    assert lost == [
        "the name of column highly_variable of the feature table of RNA "
        "(it is highly_variable.1; highly_variable holds the variable features)"
    ]


def test_classes_that_extend_assay_are_named() -> None:
    slots = {key: value for key, value in attributes(assay3()).items() if key != "class"}
    slots |= {"SCTModel.list": build.named_list({"model": build.reals([1])}), "assay.orig": build.strings(["RNA"])}
    adata, lost = read(seurat(build.s4("SCTAssay", "Seurat", slots)))
    assert lost == ["the class SCTAssay of assay RNA (it becomes Assay, without SCTModel.list)"]
    assert adata.uns["seurat"]["assays"]["RNA"] == {"class": "SCTAssay", "key": "rna_", "assay.orig": "RNA"}


def test_a_column_called_active_ident_is_kept_under_another_name() -> None:
    table = pd.DataFrame({"active_ident": ["x", "y", "z"], "active_ident.1": [1, 2, 3]}, index=CELLS)
    adata, lost = read(seurat(assay3(), **{"meta.data": build.data_frame(table)}))
    assert adata.obs["active_ident.2"].tolist() == ["x", "y", "z"]
    assert adata.obs["active_ident"].tolist() == ["a", "a", "b"]
    assert adata.uns["seurat"]["character_columns"] == ["active_ident.2"]
    assert lost == [
        "the name of column active_ident of meta.data (it is active_ident.2; active_ident holds the identities)"
    ]


@pytest.mark.parametrize(
    ("names", "expected", "lost"),
    [
        (CELLS, ["a", "b", "c"], []),
        (CELLS[::-1], ["c", "b", "a"], []),
        (
            ["x", "y", "z"],
            ["a", "b", "c"],
            ["the names of active.ident (they are not the cells, so its order was taken)"],
        ),
    ],
)
def test_identities_belong_to_the_cells_they_name(names: list[str], expected: list[str], lost: list[str]) -> None:
    ident = build.factor(pd.Categorical(["a", "b", "c"], categories=["c", "b", "a"]), {"names": build.strings(names)})
    adata, said = read(seurat(assay3(), **{"active.ident": ident}))
    assert adata.obs["active_ident"].tolist() == expected
    assert adata.obs["active_ident"].cat.categories.tolist() == ["c", "b", "a"]
    assert said == lost


def test_identities_that_are_no_factor_are_named() -> None:
    adata, lost = read(seurat(assay3(), **{"active.ident": build.strings(["a", "b", "c"])}))
    assert "active_ident" not in adata.obs
    assert lost == ["active.ident (character)"]


def test_what_to_save_instead_of_what_holds_no_expression() -> None:
    whole = parse(seurat(assay3()))[""]
    for assay in (assay3(), assay5({"counts": COUNTS}, {"counts": CELLS})):
        assert 'saveRDS(GetAssayData(adt, "counts"), "counts.rds")' in what_to_save({"adt": assay})
        assert 'saveRDS(GetAssayData(assay, "counts"), "counts.rds")' in what_to_save({"": assay})
    both = "or make one of all of them: saveRDS(merge(object[[1]], object[-1]), ...)."
    one = 'In R, save one of the list: saveRDS(object[[1]], "object.rds")'
    assert what_to_save({"": build.plain_list([whole, whole])}) == f"{one}, {both}"
    named = build.plain_list([build.null(), whole], ["x", "b"])
    assert what_to_save({"l": named}) == 'In R, save one of the list: saveRDS(l[["b"]], "object.rds").'
    general = "In R, save the Seurat object, the SingleCellExperiment or the matrix of counts itself"
    assert what_to_save({"": build.null()}).startswith(f"There was nothing in it when it was saved. {general}")
    for held in ({}, {"": build.strings(["a"])}, {"": build.plain_list([build.null()])}):
        assert what_to_save(held).startswith(general)

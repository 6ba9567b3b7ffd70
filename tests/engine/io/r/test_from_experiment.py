"""Experiments of Bioconductor, made by real R (golden/make_golden.R, golden_odd/make_odd_objects.R), as AnnData."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from rdata.parser import RObject

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.r import build
from scgnn2_engine.io.r.reading import read_r
from scgnn2_engine.io.r.serialisation import to_bytes

if TYPE_CHECKING:
    from anndata import AnnData

GOLDEN = Path(__file__).parent / "golden"
ODD = Path(__file__).parent / "golden_odd"
COUNTS = [[1, 0, 2], [0, 3, 4]]


def read(name: str) -> tuple[AnnData, list[str]]:
    content = read_r(ODD / "odd_experiments.RData", object_name=name)
    adata: Any = content.value
    return adata, content.lost


def test_the_golden_experiment() -> None:
    expected = json.loads((GOLDEN / "sce.json").read_text(encoding="utf-8"))
    content = read_r(GOLDEN / "sce.rds")
    adata: Any = content.value
    assert (content.kind, content.lost) == ("SingleCellExperiment", ["metadata (project)"])
    assert adata.obs_names.tolist() == expected["columns"]
    assert adata.var_names.tolist() == expected["rows"]
    assert sp.isspmatrix_csr(adata.X)
    assert sp.isspmatrix_csr(adata.layers["counts"])
    for matrix, name in ((adata.X, "logcounts"), (adata.layers["counts"], "counts")):
        described = expected["assays"][name]
        np.testing.assert_allclose(matrix.sum(), float(described["sum"]), rtol=1e-15)
        held = [matrix[column - 1, row - 1] for row, column in described["at"]]
        assert held == [float(value) for value in described["values"]]
    assert list(adata.layers) == ["counts"]
    assert adata.obs.columns.tolist() == expected["col_data"]["names"]
    assert adata.obs["type"].cat.categories.tolist() == ["B", "A"]
    assert adata.var["symbol"].tolist() == expected["row_data"]["columns"]["symbol"]["values"]
    assert adata.uns["experiment"]["character_columns"] == ["donor"]
    for name, described in expected["reduced_dims"].items():
        held = adata.obsm[f"X_{name}"]
        assert list(held.shape) == described["dim"]
        assert [held[row - 1, column - 1] for row, column in described["at"]] == [
            float(value) for value in described["values"]
        ]
    assert adata.uns["experiment"]["experiments"]["ADT"]["features"]["counts"].tolist() == ["CD3", "CD4", "CD8"]
    assert adata.obsm["ADT_counts"].sum() == float(expected["alt_exps"]["ADT"]["counts"]["sum"])


def test_cells_and_genes_without_names_are_numbered() -> None:
    adata, lost = read("bare")
    assert adata.obs_names.tolist() == ["cell_1", "cell_2"]
    assert adata.var_names.tolist() == ["gene_1", "gene_2", "gene_3"]
    assert adata.X.tolist() == adata.layers["counts"].tolist() == COUNTS
    assert lost == []


def test_a_summarized_experiment_with_an_assay_without_a_name() -> None:
    adata, _ = read("summarized")
    assert adata.obs["batch"].tolist() == ["a", "b"]
    assert adata.X.tolist() == COUNTS
    assert list(adata.layers) == []
    assert adata.uns["experiment"]["X"] == "assay_1"


def test_genes_with_places_in_the_genome() -> None:
    adata, lost = read("located")
    assert adata.var_names.tolist() == ["g1", "g2", "g3"]
    assert adata.var["symbol"].tolist() == ["A", "B", "B"]
    assert lost == ["the genomic ranges of the genes"]


def test_repeated_gene_names_stay_and_the_order_of_assays_is_known() -> None:
    adata, _ = read("repeated")
    assert adata.var_names.tolist() == ["g", "g", "h"]
    assert adata.X.tolist() == COUNTS
    assert adata.layers["other"].tolist() == (np.array(COUNTS) * 2).tolist()


def test_what_else_is_in_an_experiment() -> None:
    adata, lost = read("full")
    assert adata.obsm["X_PCA"].tolist() == [[0.5, 1.5], [1.0, 2.0]]
    assert adata.obsm["ADT_counts"].tolist() == [[5, 6], [7, 8]]
    assert adata.obsp["knn"].toarray().tolist() == [[0, 0.5], [0.25, 0]]
    assert adata.obsp["bare"].toarray().tolist() == [[0, 1], [0, 0]]
    assert lost == [
        "columns of colData that are not vectors: table (DFrame)",
        "colData of alternative experiment ADT (depth)",
    ]


def test_values_that_are_not_in_the_object_are_refused() -> None:
    with pytest.raises(InputError, match=r"DelayedMatrix.*bring them into memory first"):
        read("delayed")


# ---------------------------------------------------------------------------------------------- built here


def simple_list(items: dict[str, RObject]) -> RObject:
    return build.s4("SimpleList", "S4Vectors", {"listData": build.named_list(items)})


def table(rows: int, columns: dict[str, RObject] | None = None) -> RObject:
    slots = {
        "listData": build.named_list(columns or {}),
        "nrows": build.integers([rows]),
        "rownames": build.null_slot(),
    }
    return build.s4("DFrame", "S4Vectors", slots)


def experiment(**changed: RObject) -> bytes:
    assays = simple_list({"counts": build.matrix(np.array(COUNTS).T)})
    slots = {
        "assays": build.s4("SimpleAssays", "SummarizedExperiment", {"data": assays}),
        "colData": table(2),
        "elementMetadata": table(3),
        "NAMES": build.null_slot(),
        "metadata": build.plain_list([]),
    }
    return to_bytes(build.s4("SummarizedExperiment", "SummarizedExperiment", slots | changed))


def test_the_smallest_experiment() -> None:
    adata: Any = read_r(experiment(NAMES=build.strings(["a", "b", "c"]))).value
    assert adata.X.tolist() == COUNTS
    assert adata.var_names.tolist() == ["a", "b", "c"]


def assays_of(items: dict[str, RObject]) -> RObject:
    return build.s4("SimpleAssays", "SummarizedExperiment", {"data": simple_list(items)})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"assays": assays_of({})}, "without assays"),
        ({"assays": build.s4("ShallowData", "x", {".xData": build.null()})}, "not in the file itself.*ShallowData"),
        ({"assays": assays_of({"counts": build.strings(["a"])})}, "a matrix of numbers.*Found: character"),
        ({"colData": table(3)}, "3 cell names or rows for 2 cells"),
        ({"colData": table(1_000_000_000)}, "1000000000 cell names or rows for 2 cells"),
        ({"NAMES": build.strings(["a", "b"])}, "2 gene names or rows for 3 genes"),
        ({"elementMetadata": build.null()}, "0 gene names or rows for 3 genes"),
        ({"int_colData": table(2, {"colPairs": build.reals([1, 2])})}, "not built as this reader knows it"),
    ],
)
def test_experiments_that_contradict_themselves(changed: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_r(experiment(**changed))


def test_reduced_dimensions_that_are_no_matrix_are_named() -> None:
    inner = build.s4("DFrame", "S4Vectors", {"listData": build.named_list({"odd": build.data_frame(pd.DataFrame())})})
    content = read_r(experiment(int_colData=table(2, {"reducedDims": inner})))
    assert content.lost == ["reducedDim odd (data.frame)"]


def hidden(items: dict[str, RObject]) -> RObject:
    return build.s4("DFrame", "S4Vectors", {"listData": build.named_list(items)})


def test_what_silently_went_is_named() -> None:
    flags = np.array(COUNTS).T > 1
    embedding = build.reals([1.0, 2.0], {"dim": build.integers([2, 1]), "percentVar": build.reals([80.0])})
    dates = build.reals([18262.0] * 3, {"class": build.strings(["Date"])})
    inner = build.s4(
        "SummarizedExperiment",
        "SummarizedExperiment",
        {
            "assays": assays_of({"counts": build.matrix(np.array(COUNTS).T)}),
            "colData": table(2),
            "elementMetadata": table(3, {"q": build.reals([1, 2, 3])}),
            "int_colData": table(2, {"reducedDims": hidden({"PCA": build.matrix(np.ones((2, 1)))})}),
        },
    )
    hits = {
        "from": build.integers([1]),
        "to": build.integers([2]),
        "elementMetadata": table(1, {"x": build.reals([0.5]), "rank": build.reals([1]), "how": build.strings(["a"])}),
    }
    pairs = build.s4("DualSubset", "SingleCellExperiment", {"hits": build.s4("SelfHits", "S4Vectors", hits)})
    cells = {
        "reducedDims": hidden({"PCA": embedding}),
        "altExps": hidden({"ERCC": build.s4("SummarizedExperimentByColumn", "SingleCellExperiment", {"se": inner})}),
        "colPairs": hidden({"knn": pairs}),
        "spatialCoords": build.matrix(np.ones((2, 2))),
    }
    content = read_r(
        experiment(
            assays=assays_of({"counts": build.matrix(np.array(COUNTS).T), "high": build.matrix(flags)}),
            elementMetadata=table(3, {"day": dates}),
            int_colData=table(2, cells),
            int_elementMetadata=table(3, {"rowPairs": hidden({"rp": pairs}), "mine": build.reals([1, 2, 3])}),
            int_metadata=build.named_list({"version": build.package_version("1.20.0"), "imgData": table(2)}),
            design=build.strings(["~ a"]),
        )
    )
    adata: Any = content.value
    assert adata.layers["high"].tolist() == [[0, 0, 1], [0, 1, 1]]
    assert content.lost == [
        "classes of columns of rowData: day (Date, now text)",
        "the type of logical assays: high (now numbers)",
        "attributes of reducedDim PCA (percentVar)",
        "rowData of alternative experiment ERCC (q)",
        "reducedDims of alternative experiment ERCC (PCA)",
        "columns of colPair knn (rank, how)",
        "the hidden annotation of the cells (spatialCoords)",
        "rowPairs (rp)",
        "the hidden annotation of the genes (mine)",
        "the hidden metadata (imgData)",
        "slots of its class (design)",
    ]


@pytest.mark.parametrize(("last", "lost"), [(0, []), (2, ["the genomic ranges of the genes"])])
def test_genes_with_several_places_each(last: int, lost: list[str]) -> None:
    partitioning = {"end": build.integers([0, 0, last]), "NAMES": build.strings(["a", "b", "c"])}
    ranges = {
        "elementMetadata": table(3),
        "partitioning": build.s4("PartitioningByEnd", "IRanges", partitioning),
    }
    content = read_r(experiment(rowRanges=build.s4("CompressedGRangesList", "GenomicRanges", ranges)))
    adata: Any = content.value
    assert adata.var_names.tolist() == ["a", "b", "c"]
    assert content.lost == lost

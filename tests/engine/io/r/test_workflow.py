"""The whole way of an R user: object, run, object, markers; in real R, through the example and through reticulate."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[4] / "examples" / "seurat_round_trip.R"
QUICK = (
    "--total_epoch 1 --feature_AE_epoch 5 5 --graph_AE_epoch 5 --cluster_AE_epoch 5 --feature_AE_count_weight 0 "
    "--device cpu"
)

Rscript = Callable[..., str]


@pytest.mark.slow
def test_the_example_ends_with_markers_on_the_counts(
    rscript: Rscript, require_r: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_r("Seurat")
    monkeypatch.setenv("SCGNN2", str(Path(sys.executable).with_name("scgnn2")))
    rscript("suppressMessages(library(Seurat)); saveRDS(pbmc_small, 'small.rds')", cwd=tmp_path)
    printed = rscript(EXAMPLE.read_text(), "small.rds", "out", *QUICK.split(), cwd=tmp_path, time_limit=300)
    assert "4 assays" in printed
    assert (tmp_path / "out" / "dimplot.pdf").stat().st_size > 1000
    checked = rscript(
        """
        suppressMessages(library(Seurat))
        before <- readRDS("small.rds"); after <- readRDS("out/seurat_with_markers.rds")
        stopifnot(validObject(after, complete = TRUE))
        stopifnot(identical(colnames(before), colnames(after)))
        stopifnot(identical(GetAssayData(before, "counts"), GetAssayData(after, "counts")))
        stopifnot(all(c("pca", "tsne", "scgnn2.feature", "scgnn2.graph", "scgnn2.umap") %in% Reductions(after)))
        stopifnot(identical(before[["pca"]]@cell.embeddings, after[["pca"]]@cell.embeddings))
        stopifnot(all(colnames(before[[]]) %in% colnames(after[[]])))
        stopifnot("scGNN2_snn" %in% Graphs(after), is.factor(Idents(after)))
        stopifnot(identical(as.character(Idents(after)), as.character(after$scgnn2_cluster)))
        gene <- rownames(after[["scGNN2"]])[1]
        values <- FetchData(after, paste0("scgnn2_", gene))
        stopifnot(all(is.finite(values[[1]])), nrow(values) == ncol(before))
        cat(class(Misc(after, "scgnn2")$metrics))
        """,
        cwd=tmp_path,
    )
    assert checked == "data.frame"


@pytest.mark.slow
def test_a_session_of_r_needs_no_files(
    rscript: Rscript, require_r: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_r("Seurat", "reticulate")
    monkeypatch.setenv("RETICULATE_PYTHON", sys.executable)
    printed = rscript(
        """
        suppressMessages(library(Seurat))
        scgnn2 <- reticulate::import("scgnn2_engine")
        io <- reticulate::import("scgnn2_engine.io.r")
        adata <- io$from_r(serialize(pbmc_small, NULL))
        params <- scgnn2$RunParams(total_epoch = 1L, feature_AE_epoch = list(3L, 3L), graph_AE_epoch = 3L,
                                   cluster_AE_epoch = 3L, feature_AE_count_weight = 0, preprocess_cell_cutoff = 1)
        object <- unserialize(io$seurat_bytes(scgnn2$fit(adata, params)))
        stopifnot(validObject(object), identical(colnames(object), colnames(pbmc_small)))
        stopifnot(identical(GetAssayData(object, "counts"), GetAssayData(pbmc_small, "counts")))
        cat(Assays(object))
        """,
        cwd=tmp_path,
        time_limit=300,
    )
    assert printed.split() == ["RNA", "scGNN2", "scgnn2.value", "scgnn2.zeros.kept"]

"""What is scored and written."""

from __future__ import annotations

from scgnn2_engine.params.fields import ESSENTIAL, StageParams, choice, count, switch, text


class EvaluateParams(StageParams):
    """What a run measures at its end; nothing of it feeds back."""

    group, title = "evaluate", "Evaluation"

    baselines = switch(
        "At the end also impute and cluster with what would be used instead (gene mean, nearest neighbours, soft SVD, "
        "ALRA, MAGIC where it is installed; PCA with k-means and Leiden), and score it beside the result.",
        default=True,
    )
    diagnostics = switch(
        "At the end also measure what needs no truth: variance kept, over-smoothing, purity of the graph, inflation "
        "of gene-gene correlations, noise floor.",
        default=True,
    )
    null_genes = count(
        0,
        "Number of genes that are permuted over the cells and added, after which all is imputed once more by the same "
        "method and the baselines: how related they look then is made up by the imputation (Andrews & Hemberg 2018). "
        "Takes about as long as the run; the result stays as it is. Needs evaluate_diagnostics; 0 leaves it out.",
        low=0,
        soft=(0, 200),
    )


class OutputParams(StageParams):
    """What is written, and where."""

    group, title = "output", "Output"

    dir = text("Output folder.", default="outputs/", precedence=ESSENTIAL)
    run_ID = count(0, "Number printed beside the metrics and kept in the run record.", low=0)
    preprocessed = switch(
        "Also write preprocessed_data/: the filtered matrix (genes x cells), and with run_LTMG its LTMG states."
    )
    intermediate = switch("Also write the state of every iteration under intermediate/.")
    csv = choice(
        "auto",
        ["auto", "yes", "no"],
        "Write imputed.csv; auto: up to 10 million values (5,000 cells of 2,000 genes). result.h5ad always has it.",
    )
    layers = text(
        "Answers that result.h5ad holds as layers beside the imputed expression: names with commas between (value, "
        "expected, rate, zeros_kept, with batches corrected), all, or auto: all up to 20 million values each, above it "
        "none but value where the imputed expression is another (errors at hidden entries are read from it).",
        default="auto",
    )
    rdata = switch("Also write every table as .RData holding one data frame named df.")
    seurat = switch(
        "Also write seurat.rds, a Seurat object that R opens, and to_seurat.R, which builds it from result.h5ad in R.",
        precedence=ESSENTIAL,
    )
    figures = switch("Draw the figures (needs the extra [app]).", default=True)

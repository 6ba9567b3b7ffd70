"""Every parameter of a run, declared once.

From these classes come the command-line flags (``--{group}_{name}``), the TOML keys, the dashboard's widgets and
their tooltips, the validation and the parameter table of the documentation. Names and defaults are those of
scGNN 2.0 (Gu et al., Bioinformatics 2022) where it has the parameter; a preset is a set of values laid over them.

Essentials have ``precedence`` 1, the rest 2 (folded away on a screen).
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import param

from scgnn2_engine.errors import ParameterError

ESSENTIAL = 1
ADVANCED = 2


class StageParams(param.Parameterized):
    """The parameters of one stage; ``group`` is the prefix of its flags."""

    group: ClassVar[str] = ""
    title: ClassVar[str] = ""

    @classmethod
    def own_names(cls) -> list[str]:
        """The declared parameters, in order of declaration."""
        return [name for name in cls.param.objects("existing") if name != "name"]

    @classmethod
    def flag(cls, name: str) -> str:
        """The flat key of a parameter: flag without dashes, TOML key, column of the table."""
        return f"{cls.group}_{name}" if cls.group else name

    def replace(self, **values: Any) -> Self:
        """A copy with some values changed."""
        return type(self)(**{**{name: getattr(self, name) for name in self.own_names()}, **values})

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name not in self.param:
            raise unknown_parameter(self.flag(name))
        super().__setattr__(name, value)


def _count(
    default: int,
    doc: str,
    *,
    low: int = 1,
    high: int | None = None,
    soft: tuple[int, int] | None = None,
    precedence: int = ADVANCED,
) -> Any:
    return param.Integer(default, bounds=(low, high), softbounds=soft, doc=doc, precedence=precedence)


def _share(default: float, doc: str, *, precedence: int = ADVANCED, high: float = 1.0, open_high: bool = False) -> Any:
    return param.Number(
        default, bounds=(0.0, high), inclusive_bounds=(True, not open_high), doc=doc, precedence=precedence
    )


def _rate(default: float, *, precedence: int = ADVANCED) -> Any:
    return param.Number(
        default,
        bounds=(0.0, 10.0),
        inclusive_bounds=(False, True),
        softbounds=(1e-5, 1e-1),
        doc="Learning rate of Adam (no unit).",
        precedence=precedence,
    )


def _text(doc: str, default: str = "", precedence: int = ADVANCED) -> Any:
    return param.String(default, doc=doc, precedence=precedence)


def _switch(doc: str, default: bool = False, precedence: int = ADVANCED) -> Any:
    return param.Boolean(default, doc=doc, precedence=precedence)


def _choice(default: str, choices: list[str], doc: str, precedence: int = ADVANCED) -> Any:
    return param.Selector(default=default, objects=choices, doc=doc, precedence=precedence)


def _weight(default: float, doc: str) -> Any:
    return param.Number(default, bounds=(0.0, None), softbounds=(0.0, 2.0), doc=doc, precedence=ADVANCED)


class LoadParams(StageParams):
    """Where the data is and how to read it."""

    group, title = "load", "Load"

    dataset_dir = _text("Folder that holds data sets; other file names are taken relative to it.")
    dataset_name = _text("Folder of one data set inside load_dataset_dir.")
    use_benchmark = _switch(
        "Expect the benchmark's file names in that folder: original_top_expression.csv (genes x cells), with "
        "given_cell_type_labels top_cell_labels.csv, and without run_LTMG LTMG_<dropout_prob>.csv."
    )
    sc_dataset = _text(
        "Expression matrix, a file or folder: csv, 10x, h5ad, loom, zarr, .rds and all of docs/formats.md.",
        precedence=ESSENTIAL,
    )
    cell_type_labels = _text(
        "csv of cell names and labels, or the name of an obs column. Read for display only.", precedence=ESSENTIAL
    )
    bulk_dataset = _text("Bulk expression (csv, tsv and other tables, h5ad), used with use_bulk.")
    bulk_samples = _text(
        "Bulk samples to use, by name, with weights where they shall not count alike: A,B or A=2,B=1. Empty: all alike."
    )
    LTMG = _text("LTMG states to load instead of computing them (genes x cells, tab-separated, column ID).")
    from_10X = _text("10x Genomics folder (matrix.mtx with genes.tsv or features.tsv.gz) or .h5 file.")
    seurat_object = _text("Seurat object (.rds, .RData; v3, v4, v5) or a csv exported from one (genes x cells).")
    rdata = _text(
        ".RData, .rda or .rds file: a data frame, a matrix (dense or sparse), a Seurat object, a SingleCellExperiment."
    )
    object = _text("Which object of an .RData file that holds several.")
    orientation = _choice(
        "auto",
        ["auto", "cells-by-genes", "genes-by-cells"],
        "What the rows of a text file are. auto decides by names and values, says why, or asks.",
        ESSENTIAL,
    )
    layer = _text("Layer to read of an AnnData, Seurat object or experiment; empty: counts, else .raw, else X.")
    modality = _text("Modality to read of an h5mu file; empty: rna, or the only one.")
    genome = _text("Genome to read of a 10x .h5 file that holds several.")
    sample = _text("Sample to read of a folder that holds several; empty: all of them, joined.")
    scale = _choice(
        "auto",
        ["auto", "counts", "normalised", "logged", "log2", "log10"],
        "Scale of the values. auto decides by the values and the base in uns['log1p'], and says so; logged data is not "
        "logged again. logged is ln(1 + x); log2 and log10 of 1 + x are brought to it.",
    )


class PreprocessParams(StageParams):
    """Which cells and genes are kept, and how they are scaled."""

    group, title = "preprocess", "Preprocess"

    cell_cutoff = _share(
        0.9, "Largest share of zeros among the kept genes that a kept cell may have.", precedence=ESSENTIAL
    )
    gene_cutoff = _share(0.9, "Largest share of zeros among the cells that a kept gene may have.", precedence=ESSENTIAL)
    top_gene_select = param.Integer(
        2000,
        bounds=(-1, None),
        softbounds=(200, 5000),
        precedence=ESSENTIAL,
        doc="Number of genes of highest variance to keep; -1 keeps all.",
    )
    library_size = _switch(
        "Divide every cell by its library size over the median library size before the logarithm; the factor is "
        "put back on output. Without it cells differ by sequencing depth first (the published program's largest "
        "single loss of accuracy)."
    )


class LTMGParams(StageParams):
    """The left-truncated mixture Gaussian states that weigh the feature autoencoder's loss."""

    group, title = "LTMG", "LTMG"

    mode = _choice(
        "reference",
        ["reference", "per_gene"],
        "reference reproduces the published R package entry by entry, its shrinking number of components "
        "included; per_gene tries 2 to 5 components for every gene.",
        ESSENTIAL,
    )


class _AutoencoderParams(StageParams):
    batch_size = _count(12800, "Cells per step.", soft=(32, 12800))
    learning_rate = _rate(1e-3)
    dropout_prob = _share(0.0, "Share of the inputs dropped at random in every step.", open_high=True)
    max_steps = _count(
        0,
        "Largest number of optimiser steps of one training; 0 sets no bound. Keeps the cost of "
        "training from growing with the number of cells.",
        low=0,
        soft=(0, 5000),
    )
    patience = _count(
        0,
        "Stop a training when the error on the held-out entries has not improved for this many "
        "checks (one in every ten steps, one at the end), and keep the best weights that were checked; 0 never stops "
        "early. Needs validation_share > 0.",
        low=0,
        soft=(0, 50),
    )


class FeatureAEParams(_AutoencoderParams):
    """The feature autoencoder: genes to 512 to 128 and back, loss weighted by LTMG states."""

    group, title = "feature_AE", "Feature autoencoder"

    epoch = param.List(
        [500, 300],
        item_type=int,
        bounds=(2, 2),
        precedence=ESSENTIAL,
        doc="Epochs before the loop, and in every iteration.",
    )
    learning_rate = _rate(1e-3, precedence=ESSENTIAL)
    regu_strength = _share(
        0.9, "Weight of the LTMG term (gamma): an entry in state s weighs 1 - gamma + gamma * s.", precedence=ESSENTIAL
    )
    concat_prev_embed = _choice(
        "none",
        ["none", "feature", "graph"],
        "Put the previous iteration's feature or graph embedding beside the input (objective reconstruct only).",
    )
    objective = _choice(
        "reconstruct",
        ["reconstruct", "denoise"],
        "reconstruct: give back the input, zeros included, as published. denoise: hide a share of the seen entries in "
        "every step and ask for them, so that filling gaps is what is trained; it also holds for the cluster "
        "autoencoders.",
        ESSENTIAL,
    )
    hide_share = _share(0.3, "Denoise: share of the seen entries hidden in every step.", precedence=ESSENTIAL, high=0.9)
    huber_delta = param.Number(
        0.0,
        bounds=(0.0, None),
        softbounds=(0.0, 2.0),
        precedence=ADVANCED,
        doc="Denoise: error, in units of ln(1 + x), up to which the loss is squared; beyond it is linear, so that a "
        "few outliers do not decide. 0: squared everywhere.",
    )
    activation = _choice("relu", ["relu", "elu"], "Denoise: activation of the hidden layers.")
    layer_dropout = _share(0.0, "Denoise: share of the wide layers' units dropped in every step.", open_high=True)
    count_weight = _weight(
        0.0,
        "Denoise: weight of a second output, the rate of each gene, trained on all entries by the likelihood of "
        "counts. Used where the data are counts of which half are at most count_limit (UMI data); gives the output "
        "rate, and expected and zeros_kept by it.",
    )
    count_limit = param.Number(
        20.0,
        bounds=(0.0, None),
        softbounds=(1.0, 1000.0),
        precedence=ADVANCED,
        doc="Denoise: largest median of the non-zero counts with which the rate is trained; large counts would drown "
        "the values, and their zeros say little.",
    )
    dispersion = param.Number(
        10.0,
        bounds=(0.0, None),
        softbounds=(0.0, 100.0),
        precedence=ADVANCED,
        doc="Denoise: dispersion of the counts (variance = rate + rate squared / dispersion); 0: Poisson.",
    )
    gene_dispersion = _switch(
        "Denoise: estimate the dispersion of every gene for the outputs by its rate (rate, expected, zeros_kept); off: "
        "they take feature_AE_dispersion, as the training does."
    )


class GraphAEParams(StageParams):
    """The cell graph and the graph autoencoder that embeds it."""

    group, title = "graph_AE", "Graph autoencoder"

    epoch = _count(200, "Epochs of every training.", soft=(10, 1000), precedence=ESSENTIAL)
    use_GAT = _switch("Graph attention layers; off: the variational graph convolution.", precedence=ESSENTIAL)
    GAT_dropout = _share(0.0, "Dropout of inputs and attention coefficients in the attention layers.", open_high=True)
    learning_rate = _rate(1e-2)
    embedding_size = _count(16, "Dimensions of the graph embedding.", soft=(2, 128), precedence=ESSENTIAL)
    concat_prev_embed = _switch("Put the previous graph embedding, rescaled, beside the feature embedding.")
    normalize_embed = _choice(
        "none",
        ["none", "sum1", "binary"],
        "Scale the feature embedding first: each row by max(1, its sum), or to 0/1 against the column mean.",
    )
    graph_construction = _choice(
        "v2",
        ["v0", "v1", "v2", "jaccard"],
        "Edge weights: v0 1 within mean + sd of the distances else 0, v1 the same falling linearly, v2 inverse "
        "distance, jaccard the share of neighbours that both cells have.",
        ESSENTIAL,
    )
    neighborhood_factor = param.Number(
        0.05,
        bounds=(0.0, None),
        inclusive_bounds=(False, True),
        softbounds=(0.01, 50),
        precedence=ESSENTIAL,
        doc="Neighbours of a cell: above 1 their number, else their share of the cells. Unused by v0 (10 neighbours).",
    )
    neighborhood_max = _count(
        0,
        "Largest number of neighbours, whatever the share says; 0 sets no bound. Keeps the "
        "graph from growing with the square of the cells.",
        low=0,
        soft=(0, 100),
    )
    retain_weights = _switch("Learn the edge weights instead of 0/1.")
    graph_embed = _choice(
        "feature",
        ["feature", "expression"],
        "What neighbours are searched in, and what the graph autoencoder is given: the feature embedding, or principal "
        "components of the imputed expression.",
    )
    n_components = _count(20, "Principal components of the imputed expression.", soft=(5, 50))
    pair_samples = _count(
        0,
        "Cell pairs drawn at random in every epoch for the part of the loss that runs over all "
        "pairs; 0, or at least a hundredth of n * n, uses all of them exactly, which is then as "
        "fast.",
        low=0,
        soft=(0, 1_000_000),
    )
    tolerance = param.Number(
        0.0,
        bounds=(0.0, 1.0),
        softbounds=(0.0, 0.01),
        precedence=ADVANCED,
        doc="Stop a training when the loss, averaged over 10 epochs, has fallen by less than "
        "this share of itself; 0 never stops early.",
    )


class GATParams(StageParams):
    """Size of the graph attention layers."""

    group, title = "gat", "Graph attention"

    multi_heads = _count(2, "Attention heads of each layer.", soft=(1, 8))
    hid_embed = _count(64, "Hidden dimensions of each head.", soft=(8, 256))


class ClusteringParams(StageParams):
    """How cells are grouped in every iteration."""

    group, title = "clustering", "Clustering"

    louvain_only = _switch("Take the Louvain communities of the cell graph as the clusters.")
    use_flexible_k = _switch("Take each iteration's number of clusters as it comes instead of smoothing it.")
    embed = _choice(
        "graph",
        ["graph", "feature", "both", "expression"],
        "Embedding that is clustered by k-means or affinity propagation; both puts the rescaled feature embedding "
        "beside the graph embedding, expression takes the principal components of the imputed expression.",
        ESSENTIAL,
    )
    method = _choice(
        "KMeans",
        ["KMeans", "AffinityPropagation", "Leiden", "consensus"],
        "KMeans takes its number of clusters from the Louvain communities; Leiden takes the communities of the cell "
        "graph; consensus weighs every edge by how often its cells fall together at many resolutions and in every "
        "member of the ensemble, and takes the communities of that.",
        ESSENTIAL,
    )
    resolution = param.Number(
        1.0,
        bounds=(0.0, None),
        inclusive_bounds=(False, True),
        softbounds=(0.01, 3.0),
        doc="Resolution of Louvain and Leiden: larger gives more communities.",
        precedence=ADVANCED,
    )


class ClusterAEParams(_AutoencoderParams):
    """One copy of the feature autoencoder for each cluster."""

    group, title = "cluster_AE", "Cluster autoencoders"

    epoch = _count(200, "Epochs of every training.", soft=(10, 1000), precedence=ESSENTIAL)
    learning_rate = _rate(1e-3, precedence=ESSENTIAL)
    only_if_better = _switch(
        "Keep what a cluster's autoencoder makes of its cells only where it comes closer to the held-out entries than "
        "the feature autoencoder."
    )
    regu_strength = _share(
        0.9,
        "Declared by the published program but without effect in its loss; kept so that its "
        "commands run. The loss's own weights are the four below.",
    )
    reconstruction_weight = _weight(0.3, "Weight of the squared error to the feature autoencoder's reconstruction.")
    graph_weight = _weight(0.3, "Weight of that error smoothed over the cell graph.")
    cell_type_weight = _weight(0.1, "Weight of that error smoothed over the cells of the same cluster.")
    l1_weight = _weight(1.0, "Weight of the sum of the network's absolute weights.")


class DeconvParams(StageParams):
    """How bulk expression is brought in."""

    group, title = "deconv", "Bulk deconvolution"

    method = _choice(
        "published",
        ["shares", "exact", "published"],
        "published: the four optimisations by gradient descent from a random start, and the harmonic mean. exact: the "
        "same four problems solved exactly. shares: shares of the clusters in each sample by a regression of log "
        "ratios that allows for a platform effect of every gene, and cluster profiles moved towards the bulk where the "
        "cells say little, by as much as held-out entries bear out.",
        ESSENTIAL,
    )
    tolerance = param.Number(
        1e-6,
        bounds=(0.0, 1.0),
        softbounds=(1e-9, 1e-3),
        precedence=ADVANCED,
        doc="Stop an optimisation when its loss changes by a smaller share of itself (published: over 10 steps).",
    )


class _DeconvParams(StageParams):
    learning_rate = _rate(1e-3)
    epoch = _count(5000, "Largest number of steps.", soft=(10, 10000))
    epsilon = param.Number(
        1e-4,
        bounds=(0.0, None),
        softbounds=(1e-6, 1e-2),
        precedence=ADVANCED,
        doc="Stop when the absolute loss falls below this.",
    )


class DeconvOpt1Params(_DeconvParams):
    """Bulk step 1: weights of the cell types."""

    group, title = "deconv_opt1", "Deconvolution 1: cell-type weights"

    regu_strength = _weight(1e-2, "Pull towards the cluster proportions.")


class DeconvOpt2Params(_DeconvParams):
    """Bulk step 2: expression profiles of the clusters."""

    group, title = "deconv_opt2", "Deconvolution 2: cluster profiles"

    learning_rate = _rate(1e-1)
    epoch = _count(500, "Largest number of steps.", soft=(10, 10000))
    regu_strength = _weight(1e-2, "Pull towards the cluster means.")


class DeconvOpt3Params(_DeconvParams):
    """Bulk step 3: expression profiles of the cells."""

    group, title = "deconv_opt3", "Deconvolution 3: cell profiles"

    learning_rate = _rate(1e-1)
    epoch = _count(150, "Largest number of steps.", soft=(10, 10000))
    regu_strength_1 = _weight(0.8, "Pull of the unobserved entries towards the single-cell imputation.")
    regu_strength_2 = _weight(1e-2, "Weight of the nuclear norm.")


class DeconvTuneParams(_DeconvParams):
    """Bulk step 4: scaling of the genes."""

    group, title = "deconv_tune", "Deconvolution 4: gene scaling"

    learning_rate = _rate(1e-2)
    epoch = _count(20, "Largest number of steps.", soft=(5, 10000))


class EvaluateParams(StageParams):
    """What a run measures at its end; nothing of it feeds back."""

    group, title = "evaluate", "Evaluation"

    baselines = _switch(
        "At the end also impute and cluster with what would be used instead (gene mean, nearest neighbours, soft SVD, "
        "ALRA, MAGIC where it is installed; PCA with k-means and Leiden), and score it beside the result.",
        default=True,
    )
    diagnostics = _switch(
        "At the end also measure what needs no truth: variance kept, over-smoothing, purity of the graph, inflation "
        "of gene-gene correlations, noise floor.",
        default=True,
    )
    null_genes = _count(
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

    dir = _text("Output folder.", default="outputs/", precedence=ESSENTIAL)
    run_ID = _count(0, "Number printed beside the metrics and kept in the run record.", low=0)
    preprocessed = _switch(
        "Also write preprocessed_data/: the filtered matrix (genes x cells), and with run_LTMG its LTMG states."
    )
    intermediate = _switch("Also write the state of every iteration under intermediate/.")
    rdata = _switch("Also write every table as .RData holding one data frame named df.")
    seurat = _switch(
        "Also write seurat.rds, a Seurat object that R opens, and to_seurat.R, which builds it from result.h5ad in R.",
        precedence=ESSENTIAL,
    )
    figures = _switch("Draw the figures (needs the extra [app]).", default=True)


class RunParams(StageParams):
    """All parameters of a run.

    Parameters
    ----------
    preset
        ``"default"`` or ``"paper"``: a set of values laid over the published defaults.
    **values
        Flat keys as on the command line without the dashes (``feature_AE_learning_rate=1e-3``, ``seed=2``); they win
        over the preset.

    Raises
    ------
    ParameterError
        A key is unknown (the nearest names are listed) or a value is out of its range (the range is named).

    Examples
    --------
    >>> params = RunParams(preset="paper", feature_AE_epoch=[50, 30])
    >>> params.feature_AE.epoch, params.graph_AE.use_GAT
    ([50, 30], True)
    >>> RunParams.from_dict(params.to_dict()) == params
    True
    """

    title = "Run"

    preset = _choice(
        "default",
        ["default", "paper"],
        "paper: scGNN 2.0 as published, its defects left out. default: the same three autoencoders trained to fill "
        "gaps, library-size normalisation, an ensemble over the iterations, clusters by consensus, early stops and "
        "the choice of the iteration on held-out entries.",
        ESSENTIAL,
    )
    seed = param.Integer(
        1, bounds=(0, 2**32 - 1), doc="Seed of every random draw; LTMG's noise keeps its own.", precedence=ESSENTIAL
    )
    device = _choice(
        "auto",
        ["auto", "cpu", "cuda", "mps"],
        "Where the networks run; auto takes cuda, then mps, then cpu.",
        ESSENTIAL,
    )
    mixed_precision = _switch(
        "On CUDA, multiply matrices in bfloat16; elsewhere without effect on the numbers.", default=True
    )
    threads = _count(0, "Threads to use; 0 takes all processors this process may use.", low=0, soft=(0, 16))
    max_memory = param.Number(
        0.0,
        bounds=(0.0, None),
        precedence=ADVANCED,
        doc="Refuse runs expected to need more than this many GiB; 0 takes the free memory.",
    )
    max_seconds = param.Number(
        0.0,
        bounds=(0.0, None),
        precedence=ESSENTIAL,
        doc="Time budget in seconds: the run ends cleanly with the best state so far; 0 sets none.",
    )
    total_epoch = _count(31, "Largest number of iterations of the loop.", soft=(1, 50), precedence=ESSENTIAL)
    ari_threshold = _share(
        0.95,
        "Stop when the adjusted Rand index between the clusters of two successive "
        "iterations is above this (the published program compared with the truth); 1 never "
        "stops on it.",
    )
    graph_change_threshold = param.Number(
        0.01,
        bounds=(0.0, None),
        softbounds=(0.0, 0.1),
        precedence=ADVANCED,
        doc="Stop when the smoothed graph changes by less than this share of the first graph's Laplacian.",
    )
    alpha = _share(0.5, "Weight of the first graph's Laplacian in the smoothed graph.")
    dropout_prob = _share(
        0.0,
        "Benchmark only: share of the non-zero entries hidden before training, to score the "
        "imputation. Your own data should keep 0.",
        precedence=ESSENTIAL,
        open_high=True,
    )
    validation_share = _share(
        0.0,
        "Share of the non-zero entries held out of training, on which early stops and the "
        "choice of the iteration rest.",
        high=0.5,
    )
    selection = _choice(
        "last",
        ["last", "validation"],
        "Iteration that is returned: the last, or the one with the smallest error on the held-out "
        "entries (needs validation_share > 0).",
    )
    ensemble = _switch(
        "Train the feature autoencoder of every iteration afresh, and return the mean of all of them (objective "
        "denoise only)."
    )
    imputation_target = _choice(
        "value",
        ["value", "expected", "auto"],
        "What the imputed expression is. value: the value a gene has where it is seen, as published. expected: "
        "what to expect of it, zeros included: a typical amount, less than the mean (objective denoise only). "
        "auto: expected where a third or more of the non-zero entries share one value, as in sparse UMI "
        "counts, whose values say no more than that a gene is seen; else, and with bulk, "
        "value.",
        ESSENTIAL,
    )
    keep_zeros = _share(
        0.0,
        "Leave a zero at 0 where too few of the cell's neighbours see the gene: fewer than the largest number (at most "
        "half of them) that no more than this share of the seen entries fall short of. 0 fills every zero.",
        high=0.5,
    )
    run_LTMG = _switch(
        "Compute the LTMG states, unless load_LTMG gives them; off, those of the benchmark folder are loaded. Without "
        "any, all entries weigh the same.",
        precedence=ESSENTIAL,
    )
    use_bulk = _switch("Deconvolve the bulk expression over the clusters and fuse it into the imputation.")
    given_cell_type_labels = _switch("A label file is given: report the agreement with it (display only).")

    groups: ClassVar[tuple[type[StageParams], ...]] = (
        LoadParams,
        PreprocessParams,
        LTMGParams,
        FeatureAEParams,
        GraphAEParams,
        GATParams,
        ClusteringParams,
        ClusterAEParams,
        DeconvParams,
        DeconvOpt1Params,
        DeconvOpt2Params,
        DeconvOpt3Params,
        DeconvTuneParams,
        EvaluateParams,
        OutputParams,
    )

    load: LoadParams
    preprocess: PreprocessParams
    LTMG: LTMGParams
    feature_AE: FeatureAEParams
    graph_AE: GraphAEParams
    gat: GATParams
    clustering: ClusteringParams
    cluster_AE: ClusterAEParams
    deconv: DeconvParams
    deconv_opt1: DeconvOpt1Params
    deconv_opt2: DeconvOpt2Params
    deconv_opt3: DeconvOpt3Params
    deconv_tune: DeconvTuneParams
    evaluate: EvaluateParams
    output: OutputParams

    def __init__(self, preset: str = "default", **values: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # param carries no types
        for group in self.groups:
            setattr(self, group.group, group())
        self._set("preset", preset)
        for key, value in {**PRESETS[self.preset], **values}.items():
            self._set(key, value)
        self.validate()

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in {group.group for group in self.groups}:
            super().__setattr__(name, value)
            return
        if name in self.__dict__:
            raise ParameterError(
                f"The group {name} cannot be replaced.", advice=f"Set its parameters, or use replace({name}_... = ...)."
            )
        object.__setattr__(self, name, value)

    def _set(self, key: str, value: Any) -> None:
        owner, name = find_parameter(key)
        target = self if owner is RunParams else getattr(self, owner.group)
        value = _plain(value)
        try:
            _refuse_odd_numbers(target.param[name], value)
            setattr(target, name, value)
        except (ValueError, TypeError) as error:
            raise ParameterError(
                f"{key} cannot be {value!r}.", expected=allowed_range(owner, name), found=repr(value)
            ) from error

    def validate(self) -> None:
        """Check what one parameter alone cannot tell.

        Raises
        ------
        ParameterError
            Two parameters do not go together.
        """
        if any(epochs < 1 for epochs in self.feature_AE.epoch):
            raise ParameterError(
                "feature_AE_epoch is too small.",
                expected="two whole numbers of at least 1",
                found=str(self.feature_AE.epoch),
            )
        for key, needs in (
            ("selection", self.selection == "validation"),
            ("feature_AE_patience", self.feature_AE.patience > 0),
            ("cluster_AE_patience", self.cluster_AE.patience > 0),
            ("cluster_AE_only_if_better", self.cluster_AE.only_if_better),
        ):
            if needs and self.validation_share == 0:
                raise ParameterError(
                    f"{key} rests on held-out entries, but there are none.",
                    expected="validation_share > 0",
                    found="validation_share = 0",
                    advice="Set validation_share (0.02 holds 2 % out), or choose selection = last and patience 0.",
                )

    def to_dict(self) -> dict[str, Any]:
        """Flat key to value, in the order of declaration; lists are copies."""
        values: dict[str, Any] = {}
        for owner, name in every_parameter():
            source = self if owner is RunParams else getattr(self, owner.group)
            value = getattr(source, name)
            values[owner.flag(name)] = list(value) if isinstance(value, list) else value
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build and validate from flat keys; missing ones come from the preset named in ``values``."""
        return cls(**dict(values))

    @classmethod
    def from_toml(cls, path: str | Path, **overrides: Any) -> RunParams:
        """Read a TOML file of flat keys; ``overrides`` win over it.

        Raises
        ------
        ParameterError
            The file is missing, is not TOML, or holds an unknown key or a value out of range.
        """
        return cls.from_dict({**read_toml(path), **overrides})

    def snapshot(self) -> RunParams:
        """A validated copy without watchers, whose values can no longer be set."""
        copy = self.from_dict(self.to_dict())
        for target in (copy, *(getattr(copy, group.group) for group in self.groups)):
            for name in target.own_names():
                target.param[name].constant = True
        return copy

    def replace(self, **values: Any) -> Self:
        """A copy with some values changed."""
        return self.from_dict({**self.to_dict(), **values})

    def changed(self) -> dict[str, Any]:
        """The values that differ from what the preset gives."""
        base = RunParams(preset=self.preset).to_dict()
        return {key: value for key, value in self.to_dict().items() if value != base[key]}

    def to_toml(self, *, documented: bool = True) -> str:
        """Every parameter as TOML, with its sentence and range as a comment when ``documented``."""
        lines: list[str] = []
        values = self.to_dict()
        for group in sections():
            lines += [f"# {'=' * 4} {group.title}", ""]
            for name in group.own_names():
                key = group.flag(name)
                if documented:
                    lines += [f"# {sentence}" for sentence in (group.param[name].doc, allowed_range(group, name))]
                lines.append(f"{key} = {_toml_value(values[key])}")
                if documented:
                    lines.append("")
            lines.append("")
        return "\n".join(lines).rstrip() + "\n"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunParams) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # mutable, compared by value

    def __repr__(self) -> str:
        arguments = [f"preset={self.preset!r}", *(f"{key}={value!r}" for key, value in self.changed().items())]
        return f"RunParams({', '.join(arguments)})"

    __str__ = __repr__


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "graph_AE_use_GAT": True,
        "graph_AE_normalize_embed": "sum1",
        "run_LTMG": True,
        "mixed_precision": False,
    },
    "default": {
        "total_epoch": 3,
        "ari_threshold": 1.0,
        "graph_change_threshold": 0.0,
        "ensemble": True,
        "imputation_target": "auto",
        "keep_zeros": 0.0025,
        "preprocess_library_size": True,
        "validation_share": 0.02,
        "selection": "validation",
        "feature_AE_objective": "denoise",
        "feature_AE_huber_delta": 0.3,
        "feature_AE_activation": "elu",
        "feature_AE_layer_dropout": 0.5,
        "feature_AE_count_weight": 0.1,
        "feature_AE_gene_dispersion": True,
        "feature_AE_batch_size": 512,
        "feature_AE_max_steps": 1000,
        "feature_AE_patience": 6,
        "cluster_AE_batch_size": 512,
        "cluster_AE_learning_rate": 3e-4,
        "cluster_AE_max_steps": 30,
        "cluster_AE_patience": 2,
        "cluster_AE_only_if_better": True,
        "graph_AE_use_GAT": True,
        "graph_AE_graph_embed": "expression",
        "graph_AE_graph_construction": "jaccard",
        "graph_AE_n_components": 20,
        "graph_AE_neighborhood_factor": 0.12,
        "graph_AE_neighborhood_max": 15,
        "graph_AE_pair_samples": 200_000,
        "graph_AE_tolerance": 1e-3,
        "clustering_method": "consensus",
        "clustering_embed": "expression",
        "clustering_resolution": 0.15,
        "deconv_method": "shares",
    },
}
"""Values laid over the published defaults. Every departure from ``paper`` is one named parameter."""

REFUSED: dict[str, str] = {
    "use_CCC": "cell-cell communication was never implemented in the published program and is not part of this one.",
    "deconv_opt3_regu_strength_3": "it has no effect in the published program and was left out.",
}
"""Published flags that do nothing, with the sentence that refuses them."""


def sections() -> tuple[type[StageParams], ...]:
    """All classes of parameters: the run-wide ones first, then the stages in the order of a run."""
    return (RunParams, *RunParams.groups)


def every_parameter() -> Iterator[tuple[type[StageParams], str]]:
    """All (class, name) pairs, run-wide ones first, in the order of declaration."""
    for group in sections():
        for name in group.own_names():
            yield group, name


def find_parameter(key: str) -> tuple[type[StageParams], str]:
    """The class and name behind a flat key.

    Raises
    ------
    ParameterError
        There is no such key; the nearest ones are listed.

    Examples
    --------
    >>> find_parameter("graph_AE_epoch")[1]
    'epoch'
    """
    for owner, name in every_parameter():
        if owner.flag(name) == key:
            return owner, name
    raise unknown_parameter(key)


def unknown_parameter(key: str) -> ParameterError:
    """The error for a key that does not exist, naming the nearest ones."""
    if key in REFUSED:
        return ParameterError(f"{key} is not available: {REFUSED[key]}")
    known = {owner.flag(name).lower(): owner.flag(name) for owner, name in every_parameter()}
    near = [known[match] for match in difflib.get_close_matches(key.lower(), known, n=3, cutoff=0.6)]
    advice = f"Did you mean {' or '.join(near)}?" if near else "scgnn2 params lists all of them."
    return ParameterError(f"There is no parameter {key}.", advice=advice)


def allowed_range(owner: type[StageParams], name: str) -> str:
    """What a parameter accepts, in words.

    Examples
    --------
    >>> allowed_range(RunParams, "seed")
    'a whole number from 0 to 4294967295'
    """
    declared = owner.param[name]
    if isinstance(declared, param.Selector):
        return "one of " + ", ".join(str(choice) for choice in declared.objects)
    if isinstance(declared, param.Boolean):
        return "true or false"
    if isinstance(declared, param.List):
        return f"{len(declared.default)} whole numbers of at least 1"
    if isinstance(declared, param.String):
        return "text"
    kind = "a whole number" if isinstance(declared, param.Integer) else "a number"
    low, high = declared.bounds or (None, None)
    includes_low, includes_high = declared.inclusive_bounds
    lower = "" if low is None else f" {'from' if includes_low else 'above'} {low:g}" if low < 1e6 else f" from {low}"
    upper = "" if high is None else f" {'to' if includes_high else 'below'} {high}"
    return kind + lower + (" upwards" if low is not None and high is None and includes_low else "") + upper


def read_toml(path: str | Path) -> dict[str, Any]:
    """The flat keys of a TOML file.

    Raises
    ------
    ParameterError
        The file is missing or not TOML, or holds tables (keys are flat, as on the command line).
    """
    import tomllib

    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"The parameter file {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"The parameter file {path} is not TOML: {error}.", advice="scgnn2 params --toml prints a complete one."
        ) from error
    tables = [key for key, value in values.items() if isinstance(value, dict)]
    if tables:
        raise ParameterError(
            f"The parameter file {path} holds the table [{tables[0]}].",
            expected=f"flat keys such as {tables[0]}_epoch = 200",
            advice="scgnn2 params --toml prints a complete file.",
        )
    return values


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, str):
        # JSON and TOML escape alike, but for the delete character, which only TOML refuses.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def _plain(value: Any) -> Any:
    """A value without NumPy's scalar types and tuples, which neither JSON nor TOML can hold."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _refuse_odd_numbers(declared: Any, value: Any) -> None:
    """Refuse what Python takes for a number but no parameter means: True and infinity."""
    if isinstance(declared, (param.Number, param.List)) and not isinstance(declared, param.Boolean):
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, bool) or (isinstance(number, float) and not math.isfinite(number)):
                raise ValueError(f"expected a finite number, found {number}")

"""What is read, and from where."""

from __future__ import annotations

from scgnn2_engine.params.fields import ESSENTIAL, StageParams, choice, switch, text


class LoadParams(StageParams):
    """Where the data is and how to read it."""

    group, title = "load", "Load"

    dataset_dir = text("Folder that holds data sets; other file names are taken relative to it.")
    dataset_name = text("Folder of one data set inside load_dataset_dir.")
    use_benchmark = switch(
        "Expect the benchmark's file names in that folder: original_top_expression.csv (genes x cells), with "
        "given_cell_type_labels top_cell_labels.csv, and without run_LTMG LTMG_<dropout_prob>.csv."
    )
    sc_dataset = text(
        "Expression matrix, a file or folder: csv, 10x, h5ad, loom, zarr, .rds and all of docs/formats.md.",
        precedence=ESSENTIAL,
    )
    cell_type_labels = text(
        "csv of cell names and labels, or the name of an obs column. Read for display only.", precedence=ESSENTIAL
    )
    batch_key = text(
        "Column of obs that says which sample or batch a cell is of; several with commas between. Neighbours, clusters "
        "and the networks are corrected for it. sample where several files were read; barcode_prefix or barcode_suffix "
        "for what stands in the cells' names.",
        precedence=ESSENTIAL,
    )
    bulk_dataset = text("Bulk expression (csv, tsv and other tables, h5ad), used with use_bulk.")
    bulk_samples = text(
        "Bulk samples to use, by name, with weights where they shall not count alike: A,B or A=2,B=1. Empty: all alike."
    )
    LTMG = text("LTMG states to load instead of computing them (genes x cells, tab-separated, column ID).")
    from_10X = text("10x Genomics folder (matrix.mtx with genes.tsv or features.tsv.gz) or .h5 file.")
    seurat_object = text("Seurat object (.rds, .RData; v3, v4, v5) or a csv exported from one (genes x cells).")
    rdata = text(
        ".RData, .rda or .rds file: a data frame, a matrix (dense or sparse), a Seurat object, a SingleCellExperiment."
    )
    object = text("Which object of an .RData file that holds several.")
    orientation = choice(
        "auto",
        ["auto", "cells-by-genes", "genes-by-cells"],
        "What the rows of a text file are. auto decides by names and values, says why, or asks.",
        ESSENTIAL,
    )
    layer = text("Layer to read of an AnnData, Seurat object or experiment; empty: counts, else .raw, else X.")
    modality = text("Modality to read of an h5mu file; empty: rna, or the only one.")
    genome = text("Genome to read of a 10x .h5 file that holds several.")
    sample = text("Sample to read of a folder that holds several; empty: all of them, joined.")
    scale = choice(
        "auto",
        ["auto", "counts", "normalised", "logged", "log2", "log10"],
        "Scale of the values. auto decides by the values and the base in uns['log1p'], and says so; logged data is not "
        "logged again. logged is ln(1 + x); log2 and log10 of 1 + x are brought to it.",
    )
    recover_counts = switch(
        "Take log-normalised values back to counts where, within rounding, those of each cell are whole multiples of "
        "one unit; off leaves them normalised.",
        default=True,
    )

"""Names that say that a gene is none, or was one."""

import pandas as pd
import pytest

from scgnn2_engine.io import read
from scgnn2_engine.io.names import doubts_about_genes
from scgnn2_engine.params import LoadParams


@pytest.mark.parametrize(
    "name",
    [
        *("n_counts", "nCount_RNA", "percent.mt", "Cell type", "seurat_clusters", "orig.ident", "S.Score", "UMAP_1"),
        *("nGene", "nUMI", "tSNE_1", "PC1", "PC_12", "age", "AGE", "day", "timepoint", "label", "doublet", "donor_id"),
        *("replicate", "passed_qc", "cell_type_id", "well", "cluster", "batch"),
    ],
)
def test_annotations_of_cells_are_no_genes(name):
    (doubt,) = doubts_about_genes(["GATA1", name])
    assert f"genes: {name}." in doubt


def test_all_annotations_are_named_and_places_only_together():
    names = ["x", "y", "age", "batch", "day", "sex", "well"]
    (doubt,) = doubts_about_genes(["GATA1", *names])
    assert f"genes: {', '.join(names)}." in doubt
    assert doubts_about_genes(["GATA1", "y"]) == []


@pytest.mark.parametrize("name", ["PC1", "AGE", "cluster"])
def test_what_may_be_a_gene_is_kept_with_a_word(tmp_path, name):
    genes = {f"GENE{gene}": [gene % 3, 1, 0, 2] for gene in range(6)}
    pd.DataFrame({**genes, name: [5, 6, 4, 9]}, index=list("abcd")).to_csv(tmp_path / "table.csv")
    data = read(tmp_path / "table.csv", LoadParams(orientation="cells-by-genes"))
    assert data.var_names.tolist() == [*genes, name]
    assert any(f"annotations of cells, but read as genes: {name}." in warning for warning in data.warnings)


@pytest.mark.parametrize("name", ["1-Mar", "02-Sep", "Dec-01", "Sept-02", "2024-03-01"])
def test_dates_are_genes_that_a_spreadsheet_renamed(name):
    (doubt,) = doubts_about_genes(["GATA1", name, name])
    assert f"SEPT2: {name}." in doubt


@pytest.mark.parametrize(
    "name",
    [
        "MARCH1",
        "SEPT2",
        "DEC1",
        "Mar-1a",
        "HLA-DRA",
        "MT-ND1",
        "mt-Co1",
        "7SK",
        "1-8U",
        "NOV",
        "COUNTS1",
        "SRP-9",
        "PCNA",
    ],
)
def test_genes_are_genes(name):
    assert doubts_about_genes([name]) == []


def test_a_table_with_annotations_among_its_genes_is_read_with_a_warning(tmp_path):
    genes = {f"GENE{gene}": [gene % 3, 1, 0, 2] for gene in range(6)}
    table = pd.DataFrame({**genes, "n_counts": [5, 6, 4, 9], "1-Mar": [0, 1, 0, 2]}, index=list("abcd"))
    table.to_csv(tmp_path / "table.csv")
    data = read(tmp_path / "table.csv", LoadParams(orientation="cells-by-genes"))
    assert data.n_vars == 8
    annotations, dates = (warning for warning in data.warnings if warning.startswith("Called like"))
    assert "n_counts" in annotations
    assert "1-Mar" in dates

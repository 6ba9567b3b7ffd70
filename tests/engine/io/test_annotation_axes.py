"""What is no gene and what is no cell is left out, and said by name."""

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import convert, from_anndata, read
from scgnn2_engine.io.bulk import read_bulk
from scgnn2_engine.io.evidence.annotation_axes import annotation_columns, counter_rows, no_expression
from scgnn2_engine.params import LoadParams

GENES = ["Actb", "Gapdh", "Sox2", "Nanog"]
CELLS = ["AAACCTGA-1", "CCCGTTAA-1", "GGGTTTAC-1"]
COUNTS = np.array([[3.0, 0, 5, 1], [2, 1, 0, 1], [0, 4, 2, 7]])
COUNTERS = ["__no_feature", "__ambiguous", "__too_low_aQual", "__not_aligned", "__alignment_not_unique"]


def table(path, counts, cells, genes, *, genes_in_rows=True):
    frame = pd.DataFrame(counts, index=cells, columns=genes)
    (frame.T if genes_in_rows else frame).to_csv(path, sep="\t")
    return path


@pytest.mark.parametrize(
    "counters",
    [
        COUNTERS,
        ["N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"],
        ["Unassigned_NoFeatures", "Unassigned_Ambiguity", "Assigned"],
        ["no_feature", "ambiguous", "too_low_aQual", "not_aligned", "alignment_not_unique"],
        ["unmapped"],
        ["--no-feature", "--ambiguous", "--too-low-aQual", "--not-aligned", "--alignment-not-unique"],
        ["X__no_feature", "X__alignment_not_unique"],
        ["N-unmapped", "N-noFeature"],
        ["Unassigned-NoFeatures", "Assigned"],
        ["unaligned"],
        ["intergenic"],
        ["not-aligned", "no-feature", "unmapped reads"],
        ["__mine"],
        ["*"],
    ],
    ids=lambda names: names[0],
)
@pytest.mark.parametrize("genes_in_rows", [True, False])
def test_counters_in_tables(tmp_path, counters, genes_in_rows):
    counts = np.hstack([COUNTS, np.full((3, len(counters)), 900)])
    path = table(tmp_path / "t.tsv", counts, CELLS, [*GENES, *counters], genes_in_rows=genes_in_rows)
    data = read(path)
    assert data.var_names.tolist() == GENES
    assert np.array_equal(np.asarray(sp.csr_matrix(data.expression).todense()), COUNTS)
    (warning,) = data.warnings
    assert warning.startswith("Left out")
    assert all(name in warning for name in counters)


@pytest.mark.parametrize("sparse", [True, False])
def test_counters_in_an_anndata(sparse):
    counts = np.hstack([COUNTS[:, :2], np.full((3, 5), 900), COUNTS[:, 2:]])
    genes = [*GENES[:2], *COUNTERS, *GENES[2:]]
    var = pd.DataFrame({"place": range(9)}, index=genes)
    obs = pd.DataFrame(index=CELLS)
    adata = anndata.AnnData(sp.csr_matrix(counts) if sparse else counts, obs=obs, var=var)
    adata.varm["loadings"] = np.arange(9.0)[:, None]
    data = from_anndata(adata)
    assert data.var_names.tolist() == GENES
    assert np.array_equal(np.asarray(sp.csr_matrix(data.expression).todense()), COUNTS)
    assert data.var["place"].tolist() == [0, 1, 7, 8]
    assert data.varm["loadings"].ravel().tolist() == [0, 1, 7, 8]
    assert adata.n_vars == 9


@pytest.mark.parametrize(
    "name", ["ERCC-00002", "GC", "TOTAL1", "SUMO1", "MEAN1", "N_gene", "AMBIG", "_a", "Unas", "X__1", "TES"]
)
def test_genes_are_no_counters(name):
    assert counter_rows([name]) == []
    assert no_expression(COUNTS, CELLS, [*GENES[:3], name]).nothing


@pytest.mark.parametrize("name", ["Total", "total", "Sum", "sum", "Row Sums", "TotalReads", "UMI_total"])
@pytest.mark.parametrize("values", [COUNTS, COUNTS / 3, np.log1p(COUNTS)], ids=["counts", "fractions", "logged"])
def test_a_gene_that_is_the_sum_of_the_others(name, values):
    total = np.log1p(COUNTS.sum(1, keepdims=True)) if values.max() < 3 else values.sum(1, keepdims=True)
    left = no_expression(sp.csr_matrix(np.hstack([values, total])), CELLS, [*GENES, name])
    assert left.genes.tolist() == [True] * 4 + [False]
    assert f"sums or means of the others: {name}." in left.warnings[0]


def test_a_cell_that_is_the_sum_of_the_others(tmp_path):
    counts = np.vstack([COUNTS, COUNTS.sum(0), COUNTS.mean(0)])
    path = table(tmp_path / "t.tsv", counts, [*CELLS, "Total", "Mean"], GENES)
    data = read(path)
    assert data.obs_names.tolist() == CELLS
    (warning,) = data.warnings
    assert warning == "Left out of the cells, because they are sums or means of the others: Total, Mean."


def test_what_is_only_called_a_sum_stays_with_a_word():
    counts = np.vstack([COUNTS, [1, 2, 3, 4]])
    left = no_expression(counts, [*CELLS, "total"], GENES)
    assert left.cells.all()
    assert "Called like sums, but not of the others, and so read as cells: total." in left.warnings[0]
    left = no_expression(COUNTS, CELLS, [*GENES[:3], "Total"])
    assert left.genes.all()
    assert "read as genes: Total." in left.warnings[0]


@pytest.mark.parametrize(
    "name",
    [
        *("Length", "length", "gene_length", "Entrez", "EntrezID", "entrez_id", "Gene Length (bp)", "Strand", "GC%"),
        *("EffectiveLength", "transcript_count", "merged_transcript_length", "Feature length", "TSS", "tax_id"),
        *("TranscriptCount", "tx_length", "Gene stable ID version", "Transcript length (including UTRs and CDS)"),
    ],
)
@pytest.mark.parametrize("genes_in_rows", [True, False])
def test_columns_that_describe_genes_are_no_cells(tmp_path, name, genes_in_rows):
    counts = np.vstack([[4215, 3484, 1200, 51], COUNTS])
    data = read(table(tmp_path / "t.tsv", counts, [name, *CELLS], GENES, genes_in_rows=genes_in_rows))
    assert data.obs_names.tolist() == CELLS
    assert data.warnings == (f"Left out of the cells, because they describe the genes: {name}.",)


@pytest.mark.parametrize(
    ("beside", "values", "left"),
    [
        ({"Start": [15000, 2000000, 31000, 7], "End": [15500, 2000400, 39000, 50000]}, None, ["Start", "End"]),
        ({"Length": [50, 60, 70, 80], "Start": [1, 2, 3, 4]}, None, ["Length", "Start"]),
        ({"Start": [1, 2, 3, 0]}, None, []),
        ({"GC": [0.41, 0.5, 0.62, 0.3]}, None, ["GC"]),
        ({"GC": [4, 0, 2, 3]}, None, []),
        ({"Unnamed: 0": [0, 1, 2, 3]}, None, ["Unnamed: 0"]),
        ({"X": [3, 1, 2, 0]}, None, []),
    ],
    ids=["places", "beside a length", "a sample", "shares", "a sample GC", "numbers", "a cell X"],
)
def test_ambiguous_names_need_more_than_a_name(beside, values, left):
    counts = np.vstack([*beside.values(), COUNTS])
    found = no_expression(counts, [*beside, *CELLS], GENES)
    assert [name for name, kept in zip([*beside, *CELLS], found.cells, strict=True) if not kept] == left


def test_columns_of_text_describe_rows():
    names = ["Chr", "note", "gene_name", "cell_1", "GC", "cell_2"]
    rows = [["chr1", "a b", "X1", "3", "2", "NA"], ["2", "NA", "", "0", "0", "4"], ["X", "c", "d", "1", "1", "x"]]
    assert annotation_columns(names, rows) == [0, 2]
    rows.append(["Y", "c;d", "d", "1", "1", "2"])
    assert annotation_columns(names, rows) == [0, 1, 2]


@pytest.mark.parametrize("name", ["gene_count", "full_length_1", "feature_1", "Transcript_7", "total_mRNA", "n_genes"])
def test_cells_are_no_descriptions(name):
    assert no_expression(COUNTS, [name, *CELLS[1:]], GENES).nothing


def test_columns_of_parquet_that_describe_genes(tmp_path):
    frame = pd.DataFrame(COUNTS.T, index=GENES, columns=CELLS)
    frame.insert(0, "EffectiveLength", [4215.5, 3484, 1200, 51])
    frame["transcript_count"] = [4, 2, 1, 3]
    frame.to_parquet(tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet")
    assert data.obs_names.tolist() == CELLS
    assert data.warnings == (
        "Left out of the cells, because they describe the genes: EffectiveLength, transcript_count.",
    )


OF_CELLS = [
    *("nUMI", "nGene", "nCount_RNA", "n_genes_by_counts", "percent.mito", "pct_counts_mt", "% mito", "mitoRatio"),
    *("log1p_total_counts", "log10_total_counts", "log1p_n_genes_by_counts", "log10GenesPerUMI", "total_counts_mt"),
    *("tSNE_1", "UMAP1", "leiden", "seurat_clusters", "RNA_snn_res.0.8", "size_factor", "pseudotime"),
]


@pytest.mark.parametrize("name", OF_CELLS)
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".h5ad"])
def test_annotations_of_cells_are_no_genes(tmp_path, name, suffix):
    frame = pd.DataFrame(COUNTS, index=CELLS, columns=GENES)
    frame[name] = [0.5, 7, 1]
    if suffix == ".csv":
        frame.to_csv(tmp_path / "t.csv")
    elif suffix == ".parquet":
        frame.to_parquet(tmp_path / "t.parquet")
    else:
        anndata.AnnData(frame).write_h5ad(tmp_path / "t.h5ad")
    data = read(tmp_path / f"t{suffix}", LoadParams(orientation="cells-by-genes" if suffix != ".h5ad" else "auto"))
    assert data.var_names.tolist() == GENES
    assert np.array_equal(np.asarray(sp.csr_matrix(data.expression).todense()), COUNTS)
    assert data.scale == "counts"
    assert data.warnings == (f"Left out of the genes, because they describe the cells: {name}.",)


@pytest.mark.parametrize("name", ["n_genes", "nFeatures", "detected_genes"])
@pytest.mark.parametrize("more", [0, 40], ids=["of these", "of more genes"])
def test_numbers_of_detected_genes_are_no_gene(name, more):
    detected = (COUNTS > 0).sum(1, keepdims=True) + more
    left = no_expression(np.hstack([COUNTS, [[3], [5], [2]], detected]), CELLS, [*GENES, "batch", name])
    assert left.genes.tolist() == [True] * 5 + [False]
    assert left.warnings == (f"Left out of the genes, because they tell how many are detected: {name}.",)


def test_counts_of_cells_are_no_gene_where_they_are_the_sum():
    sums = np.hstack([COUNTS, [[31], [50], [2]], COUNTS.sum(1, keepdims=True)])
    left = no_expression(sp.csr_matrix(sums), CELLS, [*GENES, "age", "total_counts"])
    assert left.genes.tolist() == [True] * 5 + [False]
    assert no_expression(COUNTS, CELLS, [*GENES[:3], "total_counts"]).nothing


def test_bulk(tmp_path):
    (tmp_path / "bulk.tsv").write_text(
        "gene\tLength\tentrez_id\ts1\ts2\nActb\t4215\t11461\t3\t5\nGapdh\t3484\t14433\t5\t1\n"
        "__no_feature\t0\t0\t900\t800\nN_unmapped\t0\t0\t9\t8\nTotal\t7699\t25894\t8\t6\n"
    )
    bulk, _, warnings = read_bulk(tmp_path / "bulk.tsv", np.array(GENES))
    assert bulk.expression.tolist() == [[3, 5], [5, 1]]
    assert bulk.sample_names.tolist() == ["s1", "s2"]
    assert bulk.gene_names.tolist() == ["Actb", "Gapdh"]
    for name in ("Length", "entrez_id", "__no_feature", "N_unmapped", "Total"):
        assert any(name in warning for warning in warnings)


@pytest.mark.parametrize("name", ["EffectiveLength", "tx_length", "transcript_count"])
def test_columns_of_bulk_that_describe_genes(tmp_path, name):
    (tmp_path / "bulk.tsv").write_text(f"gene\t{name}\ts1\ts2\nActb\t4215\t3\t5\nGapdh\t3484\t5\t1\n")
    bulk, _, warnings = read_bulk(tmp_path / "bulk.tsv", np.array(GENES))
    assert bulk.sample_names.tolist() == ["s1", "s2"]
    assert f"they describe the genes: {name}." in "".join(warnings)


def test_a_matrix_of_nothing_else_is_refused(tmp_path):
    path = table(tmp_path / "t.tsv", [[4215, 3484, 1200, 51]], ["Length"], GENES)
    with pytest.raises(InputError, match=r"is empty.*they describe the genes: Length"):
        read(path, LoadParams(orientation="genes-by-cells"))


def test_bulk_of_nothing_else_is_refused(tmp_path):
    (tmp_path / "bulk.tsv").write_text("gene\tLength\nActb\t4215\nGapdh\t3484\n")
    with pytest.raises(InputError, match=r"holds no sample.*they describe the genes: Length"):
        read_bulk(tmp_path / "bulk.tsv", np.array(GENES))


def test_convert_leaves_counters_out_of_an_h5ad(tmp_path):
    var = pd.DataFrame(index=[*GENES, *COUNTERS])
    adata = anndata.AnnData(np.hstack([COUNTS, np.full((3, 5), 900)]), obs=pd.DataFrame(index=CELLS), var=var)
    adata.raw = adata.copy()
    adata.write_h5ad(tmp_path / "counts.h5ad")
    conversion = convert(tmp_path / "counts.h5ad", tmp_path / "genes.h5ad")
    written = anndata.read_h5ad(tmp_path / "genes.h5ad")
    assert written.var_names.tolist() == written.raw.var_names.tolist() == GENES
    assert np.array_equal(written.X, COUNTS)
    assert any("__no_feature" in note for note in conversion.notes)

"""What columns that describe genes or cells are called, by the programs and the people who make them."""

from __future__ import annotations

import re


def _together(*words: str) -> frozenset[str]:
    """Words as :func:`word_of` gives them, however they are written: gene_length, GeneLength, gene length."""
    return frozenset(word.replace("_", "") for some in words for word in some.split())


DESCRIPTIONS = _together(
    "adj_p_val associated_gene_name avg_log2fc avg_logfc basemean biotype chr chr_end chr_start chrom chrom_end",
    "chrom_start chromosome chromosome_name class_code description dispersions dispersions_norm end_position",
    "ensembl ensembl_gene ensembl_id ensg entrez entrez_gene entrez_id exons external_gene_id external_gene_name",
    "fdr feature_type gc_content gc_fraction gc_percent gc_percentage gc_ratio gene_biotype gene_description",
    "gene_end gene_id gene_ids gene_length gene_name gene_names gene_short_name gene_start gene_symbol gene_symbols",
    "gene_title gene_type hgnc hgnc_id highly_variable length length_bp length_kb lfcse log2_fold_change logcpm",
    "logfc n_cells n_cells_by_counts ncbi ncbi_id num_cells_expressed p_val p_val_adj p_value padj",
    "pct_dropout_by_counts percent_gc percentage_gc_content q_value refseq seqid seqname seqnames start_position",
    "strand symbol symbols transcript transcript_id transcription_end_site transcription_start_site tss tss_id",
    "tx_end tx_start type_of_gene uniprot width",
)
"""What describes genes: of featureCounts, biomaRt, edgeR, DESeq2, monocle. More is put together of words."""

PLACES = frozenset({"start", "end"})  # samples may be called so, too: what is beside them, or the values decide
BESIDE_PLACES = frozenset({"chr", "chrom", "chromosome", "length", "seqname", "seqnames", "strand", "width"})
NUMBERINGS = frozenset({"", "index", "unnamed0", "unnamed1", "x", "v1", "row", "rownames", "no", "nr", "id"})
UNSURE = PLACES | NUMBERINGS | {"gc"}  # GC is a gene, and a germinal centre
TOTALS = _together(
    "col_sum col_sums grand_total lib_size library_size n_reads reads_total row_sum row_sums sum sum_counts sums total",
    "total_mapped total_read total_reads total_umi total_umis totals umi_sum umi_total umis_total",
)
SUMS = TOTALS | _together("counts_total n_count n_counts total_count total_counts umi_count umi_counts")
DETECTED = _together(
    "detected_features detected_genes features_detected gene_count genes_detected n_detected n_expressed_genes",
    "n_feature n_features n_gene n_genes num_features num_genes num_genes_expressed number_of_genes total_features",
)
MEANS = _together("mean means average avg row_mean row_means mean_counts")
OF_CELLS = _together(
    "doublet_score doublet_scores g2m_score leiden louvain n_genes_by_counts n_umi n_umis orig_ident percent_mito",
    "predicted_doublet predicted_doublets pseudotime dpt_pseudotime s_score scrublet_score seurat_clusters size_factor",
    "size_factors",
)
"""What scanpy, Seurat and scater call annotations of cells, as no gene is called."""

_CAPITAL, _APART = re.compile(r"(?<=[a-z0-9])(?=[A-Z])"), re.compile(r"[^a-z0-9]+")
_EXACTLY = frozenset({"nGene", "nGenes"})  # of Seurat 2; N_gene may be a gene
_LOGGED_OR_EMBEDDED = re.compile(
    r"log(1p|10|2|e)?(total|sum|mean|num|n)?(counts?|umis?|genes?|features?|reads?|lib(rary)?size).*"
    r"|totalcounts.+|n(count|feature)s?(rna|sct|adt|hto|atac|spatial|integrated|spliced|unspliced)"
    r"|.+snnres.*|x?(umap|tsne)\d\d?"
)
_PER_CENT = frozenset({"pct", "percent", "percentage", "perc"})
_SHARES = frozenset({"frac", "fraction", "prop", "proportion", "ratio"})
_OF_A_KIND = frozenset(
    {"mt", "mito", "mitochondrial", "ribo", "ribosomal", "rb", "rp", "hb", "ercc", "counts", "reads"}
)
_PARTS = _together("exon exons exonic intron introns intronic isoform isoforms transcript transcripts tx")
_GENES = _PARTS | _together(
    "gene genes feature features cds cdna mrna utr utrs protein peptide probe probeset locus chromosome scaffold",
    "ensembl entrez entrezgene ncbi hgnc mgi rgd refseq uniprot ucsc vega ccds tax taxon taxonomy omim kegg",
)
_LENGTHS = frozenset({"length", "lengths", "len"})
_NUMBERS = frozenset({"count", "number", "num", "n"})
_QUALITIES = _LENGTHS | _together(
    "size width id ids geneid name names symbol symbols accession description type biotype version start end strand",
    "position source content gc percent percentage fraction ratio",
)
_BETWEEN = _together(
    "effective eff merged union median mean avg average max min longest shortest total unique stable including and of",
    "formerly external bp kb nt in",
)

KNOWN = DESCRIPTIONS | UNSURE | BESIDE_PLACES | SUMS | DETECTED | MEANS | OF_CELLS
_ALL = (*KNOWN, *_GENES, *_QUALITIES, *_BETWEEN, *_PER_CENT, *_SHARES, *_OF_A_KIND, *_NUMBERS)
_STARTS = frozenset(word[:3] for word in _ALL) | {"log", "uma", "tsn", "xum", "xts", "int", "rna", "wnn", "nfe", "nco"}
_TWO = frozenset(word for word in _ALL if len(word) == 2)
_MARKS = frozenset(" ._-")


def may_be_word(name: str) -> bool:
    """Whether a name may be one that :func:`word_of` knows, by its first letters, which spares most a closer look."""
    start = name[:3].lower()
    return start in _STARTS or start[:2] in _TWO or not _MARKS.isdisjoint(start)


def word_of(name: object) -> str:
    """The word that a name is, in lower case and without what stands between its parts.

    What is put together of words for genes and their qualities is given as ``"length"``, what says a share, a logarithm
    or an embedding of cells as ``"percentmito"``.

    Examples
    --------
    >>> [word_of(name) for name in ("Gene Symbol", "nCounts", "EffectiveLength", "log1p_total_counts", "ACTB")]
    ['genesymbol', 'ncounts', 'length', 'percentmito', 'actb']
    """
    text = str(name).strip()
    parted = _CAPITAL.sub("_", text).lower().replace("%", " percent ")
    words = _APART.sub("_", parted).strip("_").split("_")
    word = "".join(words)
    if word in DESCRIPTIONS:
        return word
    if text in _EXACTLY or _LOGGED_OR_EMBEDDED.fullmatch(word):
        return "percentmito"
    if _describe_genes(frozenset(words)):
        return "length"
    if len(words) > 1 and (
        not _PER_CENT.isdisjoint(words) or not (_SHARES.isdisjoint(words) or _OF_A_KIND.isdisjoint(words))
    ):
        return "percentmito"
    return word


def _describe_genes(words: frozenset[str]) -> bool:
    """Whether words are put together as what describes genes: merged_transcript_length, tax_id, exon_count."""
    if "utr" in words:
        words -= {"3", "5"}
    if len(words) < 2 or not words <= _GENES | _QUALITIES | _BETWEEN | _NUMBERS:
        return False
    if words & _NUMBERS:
        return bool(words & _PARTS)
    return bool(words & _LENGTHS) or bool(words & _GENES and words & _QUALITIES)

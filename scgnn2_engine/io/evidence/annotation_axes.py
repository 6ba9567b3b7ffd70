"""Rows that are no genes and columns that are no cells: counters of tools, sums, and what describes genes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scgnn2_engine.io.names import Names, listed
from scgnn2_engine.types import Matrix

_SHOWN = 20  # of what is left out every name is said, as long as a person would read them

_COUNTERS = re.compile(
    r"__.*"  # htseq-count: __no_feature, __ambiguous ...
    r"|N_(unmapped|multimapping|noFeature|ambiguous)"  # STAR's ReadsPerGene.out.tab
    r"|Unassigned_.*"  # the summary of featureCounts
    r"|no_feature|ambiguous|too_low_aqual|not_aligned|alignment_not_unique"  # htseq-count before 0.6
    r"|unmapped|unassigned|\*",  # CITE-seq-Count, salmon, samtools idxstats
    re.IGNORECASE,
)
_COUNTER_LINE = re.compile(rf"^[^\S\n]*(?:{_COUNTERS.pattern})\s*$", re.IGNORECASE | re.MULTILINE)
_DESCRIPTIONS = frozenset({
    "adj_p_val", "associated_gene_name", "avg_log2fc", "avg_logfc", "basemean", "biotype", "chr", "chr_end",
    "chr_start", "chrom", "chrom_end", "chrom_start", "chromend", "chromosome", "chromosome_name", "chromstart",
    "class_code", "description", "dispersions", "dispersions_norm", "eff_length", "effective_length",
    "end_position", "ensembl", "ensembl_gene", "ensembl_gene_id", "ensembl_geneid", "ensembl_id", "ensemblid",
    "ensg", "entrez", "entrez_gene", "entrez_gene_id", "entrez_geneid", "entrez_id", "entrezgene", "entrezgene_id",
    "entrezid", "exon_count", "exon_length", "exonic_length", "exons", "external_gene_id", "external_gene_name",
    "fdr", "feature_type", "gc_content", "gc_fraction", "gc_percent", "gc_percentage", "gc_ratio", "gccontent",
    "gene_biotype", "gene_description", "gene_end", "gene_end_bp", "gene_id", "gene_ids", "gene_length",
    "gene_length_bp", "gene_length_kb", "gene_name", "gene_names", "gene_short_name", "gene_start", "gene_start_bp",
    "gene_symbol", "gene_symbols", "gene_title", "gene_type", "genebiotype", "geneid", "genelength", "genename",
    "genesymbol", "genetype", "hgnc", "hgnc_id", "hgnc_symbol", "highly_variable", "length", "length_bp",
    "length_kb", "lfcse", "log2_fold_change", "log2foldchange", "logcpm", "logfc", "merged_length", "mgi_id",
    "mgi_symbol", "n_cells", "n_cells_by_counts", "n_exons", "ncbi", "ncbi_gene_id", "ncbi_geneid", "ncbi_id",
    "num_cells_expressed", "num_exons", "p_val", "p_val_adj", "p_value", "padj", "pct_dropout_by_counts",
    "percent_gc", "percentage_gc_content", "percentage_gene_gc_content", "pvalue", "q_value", "qvalue", "refseq",
    "refseq_id", "seqid", "seqname", "seqnames", "start_position", "strand", "symbol", "symbols", "transcript",
    "transcript_biotype", "transcript_id", "transcript_length", "transcriptid", "tx_end", "tx_start", "txend",
    "txstart", "type_of_gene", "union_length", "uniprot", "uniprot_id", "width",
})  # fmt: skip
"""What columns beside the cells are called that describe genes: of featureCounts, biomaRt, edgeR, DESeq2, monocle."""

_PLACES = frozenset({"start", "end"})  # samples may be called so, too: what is beside them, or the values decide
_BESIDE_PLACES = frozenset({"chr", "chrom", "chromosome", "length", "seqname", "seqnames", "strand", "width"})
_NUMBERINGS = frozenset({"", "index", "unnamed_0", "unnamed_1", "x", "v1", "row", "rownames", "no", "nr", "id"})
_UNSURE = _PLACES | _NUMBERINGS | {"gc"}  # GC is a gene, and a germinal centre
_TOTALS = frozenset({
    "col_sum", "col_sums", "colsum", "colsums", "grand_total", "row_sum", "row_sums", "rowsum", "rowsums", "sum",
    "sums", "total", "total_reads", "totals",
})  # fmt: skip
_SUMS = _TOTALS | frozenset({"total_count", "total_counts", "n_counts", "n_umi", "n_umis", "ncount_rna", "total_umis"})
_MEANS = frozenset({"mean", "means", "average", "avg", "row_mean", "rowmean", "rowmeans", "mean_counts"})

_KNOWN = _DESCRIPTIONS | _UNSURE | _BESIDE_PLACES | _SUMS | _MEANS
_APART = re.compile(r"[^a-z0-9]+")
_BEFORE_WORDS = frozenset(" %#_.(\"'")

_NUMBER = re.compile(r"[+-]?(\d[\d.,' ]*|[.,]\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", ".", "<na>"})
_FAR_ALONG = 1e4  # the place of a typical gene on its chromosome is, the count of a typical gene is not
_TEXT_ROWS = 3  # fewer fields of text may be an error in a column of numbers


@dataclass(frozen=True)
class LeftOut:
    """Which cells and genes of a matrix are to be kept, and what is said of the others.

    Attributes
    ----------
    cells, genes
        (n_obs,), (n_vars,) booleans, true for what is kept.
    warnings
        A sentence for each kind that is left out, by name.
    """

    cells: npt.NDArray[np.bool_]
    genes: npt.NDArray[np.bool_]
    warnings: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether all is kept."""
        return bool(self.cells.all() and self.genes.all())


def counter_rows(names: Names | Sequence[str]) -> list[int]:
    """Positions of the names that a counting tool gives to reads it could not count to a gene.

    Those of htseq-count (``__no_feature`` and all that begins with two low lines), STAR's ``ReadsPerGene.out.tab``,
    featureCounts' summary, CITE-seq-Count, salmon and samtools. Spike-ins are genes.

    Examples
    --------
    >>> counter_rows(["Actb", "ERCC-00002", "__no_feature", "N_unmapped"])
    [2, 3]
    """
    every = np.asarray(names, dtype=np.str_).tolist()
    if not _COUNTER_LINE.search("\n".join(every)):  # at once, which spares a million names the rest
        return []
    found = [position for position, name in enumerate(every) if _COUNTERS.fullmatch(name.strip())]
    if any(str(names[position]).startswith("Unassigned_") for position in found):
        found += [position for position, name in enumerate(names) if str(name) == "Assigned"]
    return sorted(found)


def annotation_columns(names: Names | Sequence[str], rows: Sequence[Sequence[str]] = ()) -> list[int]:
    """Positions of the columns of a table that describe its rows instead of measuring them.

    Known names (``Length``, ``Chr``, ``Entrez``, ``gene_name`` ...) suffice; ``Start``, ``End`` and ``GC``, which
    samples or a gene may be called as well, need one of these beside them or fields that look the part, numberings such
    as ``Unnamed: 0`` the latter. Every other column describes rows where all of at least three fields are text. Which
    way round the table is does not matter: beside genes such columns belong to ``var``, beside cells to ``obs``.

    Parameters
    ----------
    names
        Header of the columns after the one with the names of the rows.
    rows
        Fields of the first rows (some tens), each as long as ``names``, as they stand in the file.

    Examples
    --------
    >>> annotation_columns(["Chr", "Length", "cell_1"], [["chr1", "700", "3"], ["X", "51", "0"]])
    [0, 1]
    >>> annotation_columns(["GC", "note", "cell_1"], [["0", "a", "3"], ["2", "b", "0"], ["7", "c", "1"]])
    [1]
    """
    found = []
    placed = bool(_called(names, _BESIDE_PLACES))
    for position, name in enumerate(names):
        fields = [row[position].strip().strip('"') for row in rows]
        present = [field for field in fields if field.lower() not in _MISSING]
        plain = _plain(name)
        if plain in _DESCRIPTIONS or (placed and plain in _PLACES):
            found.append(position)
        elif present and not any(_NUMBER.fullmatch(field) for field in present):
            if len(present) >= min(_TEXT_ROWS, len(rows)) and len(rows) >= _TEXT_ROWS:
                found.append(position)
        elif plain in _UNSURE and len(present) == len(fields):
            values = _as_numbers(fields)
            if values is not None and _looks_like(plain, values):
                found.append(position)
    return found


def no_expression(x: Matrix, obs_names: Names | Sequence[str], var_names: Names | Sequence[str]) -> LeftOut:
    """Tell what of a matrix (rows are cells) is no cell or no gene, by name and, where a name is not enough, by values.

    Counters of tools are no genes, columns that describe genes are no cells. Neither are sums and means of the others:
    what is called so must be one.

    Parameters
    ----------
    x
        (n_obs, n_vars) dense or CSR, its values not yet checked.
    obs_names, var_names
        Names as read.

    Examples
    --------
    >>> x = np.array([[3.0, 1.0, 90.0], [700.0, 51.0, 0.0]])
    >>> left = no_expression(x, ["cell_1", "Length"], ["Actb", "Sox2", "__no_feature"])
    >>> left.cells.tolist(), left.genes.tolist()
    ([True, False], [True, True, False])
    """
    said: list[str] = []

    def leave_out(kept: npt.NDArray[np.bool_], names: Names | Sequence[str], why: str, which: list[int]) -> None:
        kept[which] = False
        if len(which):
            said.append(f"{why}: {listed([names[position] for position in which], _SHOWN)}.")

    cells, genes = np.ones(len(obs_names), dtype=bool), np.ones(len(var_names), dtype=bool)
    obs_words, var_words = _called(obs_names, _KNOWN), _called(var_names, _KNOWN)
    leave_out(genes, var_names, "Left out, because they tally reads that belong to no gene", counter_rows(var_names))
    numbers = _numberings(x, var_words, of_genes=True)
    leave_out(genes, var_names, "Left out of the genes, because they number the cells", numbers)
    described = [at for at, word in obs_words.items() if word in _DESCRIPTIONS]
    described = sorted({*described, *_numberings(x, obs_words, of_genes=False)})
    leave_out(cells, obs_names, "Left out of the cells, because they describe the genes", described)
    axes = ((True, var_names, var_words, genes, "genes"), (False, obs_names, obs_words, cells, "cells"))
    for of_genes, names, words, kept, kind in axes:
        found, doubted = _sums(x, words, cells, genes, of_genes=of_genes)
        leave_out(kept, names, f"Left out of the {kind}, because they are sums or means of the others", found)
        if doubted:
            said.append(
                f"Called like sums, but not of the others, and so read as {kind}: "
                f"{listed([names[position] for position in doubted], _SHOWN)}. Remove them, unless they are {kind}."
            )
    return LeftOut(cells, genes, tuple(said))


def _numberings(x: Matrix, words: Mapping[int, str], *, of_genes: bool) -> list[int]:
    """Positions of what is called like a numbering, and among cells like a place on a chromosome, and is one."""
    called = {at: word for at, word in words.items() if word in (_NUMBERINGS if of_genes else _UNSURE)}
    placed = _PLACES if not of_genes and _BESIDE_PLACES.intersection(words.values()) else frozenset[str]()
    return [
        at for at, plain in called.items() if plain in placed or _looks_like(plain, _line(x, at, of_genes=of_genes))
    ]


def _looks_like(plain: str, values: npt.NDArray[np.float64]) -> bool:
    """Whether values are what their name, which others have as well, says: a numbering, places, shares of G and C."""
    if plain in _NUMBERINGS:
        return len(values) > 2 and bool(np.all(np.diff(values) == 1)) and values[0] in (0, 1)
    if not len(values) or not np.all(values > 0):
        return False
    whole = bool(np.all(values == np.rint(values)))
    if plain == "gc":  # as a share or in per cent, of every gene
        return not whole and float(values.max()) <= 100
    return whole and float(np.median(values)) > _FAR_ALONG


def _sums(
    x: Matrix,
    words: Mapping[int, str],
    cells: npt.NDArray[np.bool_],
    genes: npt.NDArray[np.bool_],
    *,
    of_genes: bool,
) -> tuple[list[int], list[int]]:
    """Positions of genes (or of cells) that are sums or means of the others, and of those that are only called so."""
    kept = genes if of_genes else cells
    called = {at: word for at, word in words.items() if word in _SUMS | _MEANS and kept[at]}
    others = kept.copy()
    others[list(called)] = False
    if not called or not others.any():
        return [], []
    across = cells if of_genes else genes
    rest = (x[:, others] if of_genes else x[others].T)[across]
    totals, highest = (np.asarray(rest.sum(1, dtype=np.float64)).ravel(), _highest(rest))
    found: list[int] = []
    doubted: list[int] = []
    for position, plain in called.items():
        values = _line(x, position, of_genes=of_genes)[across]
        is_sum = _equal(values, totals / others.sum() if plain in _MEANS else totals)
        above_all = of_genes and plain in _TOTALS and np.mean(values >= highest) > 0.95  # of more genes, or logged
        if is_sum or above_all:
            found.append(position)
        elif plain in _TOTALS:
            doubted.append(position)
    return found, doubted


def _equal(values: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> bool:
    """Whether nearly all values are the expected ones to 2 %."""
    filled = expected > 0
    return bool(filled.any()) and float(np.mean(np.abs(values[filled] / expected[filled] - 1) < 0.02)) > 0.9


def _highest(x: Matrix) -> npt.NDArray[np.float64]:
    highest = x.max(1) if isinstance(x, np.ndarray) else x.max(1).toarray()
    return np.asarray(highest, dtype=np.float64).ravel()


def _line(x: Matrix, position: int, *, of_genes: bool) -> npt.NDArray[np.float64]:
    """The values of one gene or of one cell."""
    line = x[:, [position]] if of_genes else x[[position]]
    return np.asarray(line if isinstance(line, np.ndarray) else line.toarray(), dtype=np.float64).ravel()


def _called(names: Names | Sequence[str], words: frozenset[str]) -> dict[int, str]:
    """Positions of the names that are among these words, and the words."""
    starts = {word[:2] for word in words}
    every = np.asarray(names, dtype=np.str_).tolist()
    likely = [at for at, name in enumerate(every) if name[:2].lower() in starts or name[:1] in _BEFORE_WORDS]
    # of a million barcodes hardly one, and of identifiers such as ENSG00000000003 none
    plain = ((at, _plain(every[at])) for at in likely if not every[at][-3:].isdigit() or len(every[at]) < 4)
    return {at: word for at, word in plain if word in words}


def _plain(name: object) -> str:
    return _APART.sub("_", str(name).lower().replace("%", " percent ")).strip("_")


def _as_numbers(fields: Sequence[str]) -> npt.NDArray[np.float64] | None:
    try:
        return np.array([float(field.replace(",", ".")) for field in fields])
    except ValueError:
        return None

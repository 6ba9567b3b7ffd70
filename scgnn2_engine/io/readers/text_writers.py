"""Tables of text by the program that writes them: what its form says of names and axes, and what is no matrix."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.raw_table import Table
from scgnn2_engine.io.readers.text_layout import Layout

_PLACES = ("Chr", "Start", "End", "Strand", "Length")
_ANTIBODY = "|pAbO"


@dataclass(frozen=True)
class Writer:
    """The program that wrote a table.

    Attributes
    ----------
    name
        What messages call it; empty where nothing tells.
    orientation
        Which way round its tables are.
    described
        Columns that describe rows and that only this program calls so.
    """

    name: str = ""
    orientation: Literal["cells-by-genes", "genes-by-cells", ""] = ""
    described: tuple[str, ...] = ()

    def adjusted(self, layout: Layout) -> Layout:
        """The layout without the columns that describe rows, and without antibodies among the columns."""
        columns = [str(name) for name in layout.columns]
        described = [at for at, name in enumerate(columns) if name in self.described]
        antibodies = [at for at, name in enumerate(columns) if name.endswith(_ANTIBODY)]
        if not described and not antibodies:
            return layout
        kept = np.setdiff1d(np.arange(len(columns)), [*described, *antibodies])
        warnings = list(layout.warnings)
        if antibodies:
            warnings.append(_of_antibodies([columns[at] for at in antibodies]))
        texts = {**layout.texts, **{columns[at]: int(layout.values[at]) for at in described}}
        return replace(
            layout, values=layout.values[kept], columns=layout.columns[kept], texts=texts, warnings=tuple(warnings)
        )

    def checked(self, path: Path, table: Table) -> Table:
        """The table with what its rows say about its writer.

        Raises
        ------
        InputError
            It has a row for each exon.
        """
        name, orientation = self.name, self.orientation
        rows = [str(row) for row in table.row_names]
        if name == "featureCounts" and len(set(rows)) < len(rows):
            repeated = next(row for row in rows if rows.count(row) > 1)
            raise InputError(
                f"{path} is featureCounts' table of exons: it has a row for each, and genes repeat.",
                expected="a row for each gene",
                found=f"{repeated} {rows.count(repeated)} times",
                advice="Run featureCounts without -f, or add up the rows of each gene.",
            )
        if {"__no_feature", "__ambiguous"} <= set(rows[-10:]):
            name, orientation = "htseq-count", "genes-by-cells"
        warnings = list(table.warnings)
        if any(row.endswith(_ANTIBODY) for row in rows[:1000]):
            table, antibodies = table.without_rows(lambda row: row.endswith(_ANTIBODY))
            warnings.append(_of_antibodies(antibodies))
        return replace(table, written_by=name, orientation=orientation, warnings=tuple(warnings))


def told_by_writer(path: Path, before: Sequence[str], header: Sequence[str]) -> Writer:
    """Tell the program that wrote a table by its comments and its header.

    Parameters
    ----------
    path
        The file, for messages.
    before
        The lines before the header.
    header
        Its fields, if they are separated by tabs, else all of it in one.

    Raises
    ------
    InputError
        What the program writes there is no matrix of expression; the message names the file that holds it.
    """
    if len(header) == 1:
        header = [field.strip().strip('"') for field in header[0].split(",")]
    _refuse(path, before, header)
    program = next((line for line in before if line.startswith("# Program:featureCounts")), "")
    if program or (header[0] == "Geneid" and tuple(header[1:6]) == _PLACES):
        extra = re.search(r'"--extraAttributes" "([^"]+)"', program)
        return Writer("featureCounts", "genes-by-cells", (*_PLACES, *(extra[1].split(",") if extra else ())))
    if header[0] == "Cell_Index" or any("BD Rhapsody" in line for line in before):
        return Writer("BD Rhapsody", "cells-by-genes" if header[0] == "Cell_Index" else "")
    if header[0] == "GENE" or any(line.startswith("#DGE") for line in before):
        return Writer("Drop-seq tools", "genes-by-cells")
    if before and before[0].strip() == "#1.2":
        return Writer("GCT", "genes-by-cells", ("Description",))
    return Writer()


_NO_MATRICES: tuple[tuple[str, str, str], ...] = (
    (
        r"tracking_id\tclass_code\tnearest_ref_id\t.*",
        "Cufflinks' table of genes or transcripts with their FPKM (fpkm_tracking)",
        "Bring all samples together: cuffnorm writes genes.count_table and genes.fpkm_table.",
    ),
    (
        r"Cell_Index\t(Gene|Bioproduct)\t.*",
        "BD Rhapsody's list with a line for each cell and gene (Expression_Data.st)",
        "Read the table of the same run that ends in _MolsPerCell.csv, or its folder _MEX.",
    ),
    (
        r"Status\tAssigned|Status\t.*\.bam",
        "the summary of featureCounts",
        "Read the table beside it, without .summary.",
    ),
    (
        r"Barcode\t(Cluster|(TSNE|UMAP|PC)-1)(\t.*)?|PC\t.*|Feature ID\tFeature Name\t.*",
        "an analysis by Cell Ranger (clusters, positions, or differences between clusters)",
        "Read filtered_feature_bc_matrix or its .h5.",
    ),
    (
        r"Estimated Number of Cells\t.*|Category\tLibrary Type\t.*",
        "Cell Ranger's summary of metrics",
        "Read filtered_feature_bc_matrix or its .h5.",
    ),
    (
        r"Name\tLength\tEffectiveLength\tTPM\tNumReads",
        "one sample's transcripts by salmon (quant.sf)",
        "Bring all samples together by gene. R: write.csv(tximport(files, type='salmon', tx2gene=t)$counts, FILE).",
    ),
    (
        r"target_id\tlength\teff_length\test_counts\ttpm",
        "one sample's transcripts by kallisto (abundance.tsv)",
        "Bring all samples together by gene. R: write.csv(tximport(files, type='kallisto', tx2gene=t)$counts, FILE).",
    ),
    (
        r"(gene_id|transcript_id)\t(transcript|gene)_id(\(s\))?\tlength\teffective_length\texpected_count\tTPM\tFPKM.*",
        "one sample's genes or transcripts by RSEM",
        "Bring all samples together: rsem-generate-data-matrix *.genes.results > counts.tsv; or read their folder.",
    ),
    (
        r"Gene ID\tGene Name\tReference\tStrand\tStart\tEnd\tCoverage\tFPKM\tTPM",
        "one sample's genes by StringTie",
        "Bring all samples together: prepDE.py writes gene_count_matrix.csv.",
    ),
)


def _refuse(path: Path, before: Sequence[str], header: Sequence[str]) -> None:
    if before and before[0].startswith("!"):
        raise InputError(
            f"{path} is a series matrix of GEO.",
            expected="expression of single cells",
            found=before[0][:60],
            advice="GEO keeps the expression of single cells among the supplementary files of the series: read those.",
        )
    if before and before[0].startswith("#1.3"):
        raise InputError(
            f"{path} is a GCT of version 1.3, with lines and columns of annotation among the numbers.",
            expected="GCT 1.2, or a table of genes and cells",
            found=before[0][:60],
            advice="Write the matrix alone. cmapPy: parse(FILE).data_df.to_csv(NEW).",
        )
    line = "\t".join(header)
    for pattern, what, advice in _NO_MATRICES:
        if re.fullmatch(pattern, line):
            raise InputError(
                f"{path} is {what}, no matrix of expression.",
                expected="a table of genes and cells",
                found=f"the header {listed(header)}",
                advice=advice,
            )


def _of_antibodies(names: Sequence[str]) -> str:
    return f"{len(names)} antibodies of AbSeq are left out, because only expression of genes is read: {listed(names)}."

"""Which way round a matrix is, decided by what its names look like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import Literal

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import Names, listed

Orientation = Literal["cells-by-genes", "genes-by-cells"]

# Names of genes that no cell carries: accession schemes of Ensembl and the model organisms, spike-ins, clone names.
_SURE_GENE = re.compile(
    r"ENS[A-Z]{0,5}[GT]\d{11}(\.\d+)?|FBgn\d{7}|WBGene\d{8}|AT[1-5MC]G\d{5}|Y[A-P][LR]\d{3}[CW](-[A-Z])?"
    r"|ERCC-\d{5}|\d{7}[A-Z]\d{2}Rik\d?|(gene|Gene|GENE|g)[-_. ]?\d+"
    r"|(MT|mt|Mt|HLA|LINC)-?[A-Za-z]*\d*[A-Za-z0-9-]*(?<=\w)|R[Pp][LlSs]\d+[A-Za-z]?\d*|RP\d+-\d+[A-Z]\d+\.\d+"
    r"|MIR\d+[A-Z]?\d*(-\d+|HG)?|C\d+orf\d+|ACTB|GAPDH|MALAT1|Actb|Gapdh|Malat1"
)
# Human symbols are capitals, mouse symbols a capital and small letters; both may hold digits, dashes and versions.
_LIKELY_GENE = re.compile(
    r"[A-Z][A-Z0-9]*[0-9A-Z]((orf)\d+[A-Z]?)?([-.][A-Z0-9]+)*|[A-Z][a-z0-9]+[A-Za-z0-9]*([-.(][A-Za-z0-9()]+)*|[578]+SK?"
)
_SURE_CELL = re.compile(
    r"(.*[-_.:#])?[ACGTN]{8,}([-_.:x#].*|\d{1,2})?"  # a barcode, alone or beside a library
    r"|(.*[-_.: \d])?[Cc][Ee][Ll][Ll]s?[-_.: ]?[\dA-Za-z]{0,3}\d+.*|.*[-_.\d]cell[-_.].*"
    r"|c\d+|([SED]RR|SRX|SRS|GSM)\d{4,}.*"
)
_WELL = re.compile(r"[A-P]\d{1,2}|.*[-_.](?:[A-P]\d{1,2})")  # of a plate: A1, P24, plate2_B07
_LIKELY_CELL = re.compile(r".*[_.:]\D{0,5}\d+")  # a sample and a running number: H1_Exp1.001

_SAMPLE = 2000
_DECIDED = 0.3


@dataclass(frozen=True)
class Verdict:
    """The orientation of a matrix and the sentence that reports it.

    Attributes
    ----------
    orientation
        What the rows and columns of the file are.
    reason
        A sentence for the notes.
    warning
        A sentence when the names speak against an orientation that was asked for, else empty.
    """

    orientation: Orientation
    reason: str
    warning: str = ""

    @property
    def genes_in_rows(self) -> bool:
        """Whether the matrix must be transposed to have cells in its rows."""
        return self.orientation == "genes-by-cells"


def decide_orientation(
    row_names: Names | Sequence[str],
    column_names: Names | Sequence[str],
    asked: str = "auto",
    source: str = "The matrix",
    asked_by: str = "as asked (load_orientation)",
) -> Verdict:
    """Say whether rows are cells or genes.

    Every name looks like a gene (accessions, symbols of man and mouse, mitochondrial and ribosomal prefixes), like a
    cell (barcodes, wells, running numbers) or like neither; the shares on the two axes are the evidence. Having more
    genes than cells counts a little, and never decides alone.

    Parameters
    ----------
    row_names, column_names
        Names as the file has them.
    asked
        ``"auto"``, or the orientation the user named, which is then taken.
    source
        What is being read, for messages.
    asked_by
        Why that orientation is taken, for messages.

    Raises
    ------
    InputError
        The names leave both readings open; the message states both.

    Examples
    --------
    >>> decide_orientation(["ENSG00000197123", "ENSG00000269887"], ["A1", "B12", "C3"]).orientation
    'genes-by-cells'
    """
    evidence = _leaning(row_names) - _leaning(column_names)
    seen: Orientation = "genes-by-cells" if evidence > 0 else "cells-by-genes"
    rows, columns = listed(row_names, 3), listed(column_names, 3)
    shape = f"{len(row_names)} rows ({rows}) and {len(column_names)} columns ({columns})"
    if asked in ("cells-by-genes", "genes-by-cells"):
        chosen: Orientation = "cells-by-genes" if asked == "cells-by-genes" else "genes-by-cells"
        against = chosen != seen and abs(evidence) >= 2 * _DECIDED
        warning = f"{source} was read as {chosen}, {asked_by}, but its names look like {seen}: {shape}."
        return Verdict(chosen, f"Orientation {chosen}, {asked_by}.", warning if against else "")
    weak = 0.2 * max(-1.0, min(1.0, log2(max(len(row_names), 1) / max(len(column_names), 1)) / 3))
    if abs(evidence) < _DECIDED / 2 or abs(evidence + weak) < _DECIDED:
        n_rows, n_columns = len(row_names), len(column_names)
        raise InputError(
            f"{source} may be {n_rows} cells x {n_columns} genes or {n_rows} genes x {n_columns} cells; "
            "its names do not tell.",
            expected="names that look like genes on one side, or like cells on the other",
            found=shape,
            advice="Say which it is: --load_orientation cells-by-genes (rows are cells) or "
            "--load_orientation genes-by-cells (rows are genes).",
        )
    verdict: Orientation = "genes-by-cells" if evidence + weak > 0 else "cells-by-genes"
    genes, cells = (row_names, column_names) if verdict == "genes-by-cells" else (column_names, row_names)
    examples = [", ".join(str(name) for name in names[:2]) for names in (genes, cells)]
    return Verdict(
        verdict, f"Orientation {verdict}, by the names: genes such as {examples[0]}; cells such as {examples[1]}."
    )


def is_gene_symbol(name: str) -> bool:
    """Whether a single name is a gene and hardly anything else (``ID`` and ``Gene`` have the form of symbols, too).

    Examples
    --------
    >>> is_gene_symbol("Actb"), is_gene_symbol("Pou5f1"), is_gene_symbol("cell_1"), is_gene_symbol("ID")
    (True, True, False, False)
    """
    return _SURE_GENE.fullmatch(name) is not None or (_kind(name) > 0 and any(letter.isdigit() for letter in name))


def _leaning(names: Names | Sequence[str]) -> float:
    """Share of names that look like genes minus the share that look like cells, in -1 to 1."""
    step = max(1, len(names) // _SAMPLE)
    sample = [str(name) for name in names[::step]]
    if not sample:
        return 0.0
    if all(_WELL.fullmatch(name) for name in sample):
        return -1.0  # alone, A2 or H19 may be a gene; a whole axis of them is a plate
    return sum(_kind(name) for name in sample) / len(sample)


def _kind(name: str) -> float:
    if _SURE_GENE.fullmatch(name):
        return 1.0
    if _SURE_CELL.fullmatch(name):
        return -1.0
    if _WELL.fullmatch(name):
        return -0.7
    if _LIKELY_GENE.fullmatch(name):
        return 0.8
    if _LIKELY_CELL.fullmatch(name):
        return -0.8
    return 0.0

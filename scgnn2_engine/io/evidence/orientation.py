"""Which way round a matrix is, decided by what its names look like, and by what its values sum to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import Literal

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.evidence.name_evidence import Evidence, evidence_of, is_cell_name, is_gene_name, known_word
from scgnn2_engine.io.evidence.total_evidence import Totals
from scgnn2_engine.io.names import Names, listed

Orientation = Literal["cells-by-genes", "genes-by-cells"]

_DECIDED = 0.5
_HEARD = 0.4  # names must lean at least so much, to be borne out by values or shape
_SAID = 0.2  # what an axis says is told from here on
_AGAINST = 0.8  # and so much to speak against an orientation that was asked for
_TOTALS, _CONSTANT, _CORNER, _SHAPE = 0.4, 0.8, 0.6, 0.09

_GENE_CORNER = re.compile(
    r"(gene|feature|target|transcript|probe|ensembl|ensemblgene|ensgene)s?(id|name|symbol|shortname)?s?"
    r"|(hgnc|mgi|hugo)?symbols?|idref"
)
_CELL_CORNER = re.compile(r"(cell|barcode|cellbarcode|sample|well|spot)s?(id|name)?s?|cb|run")
# Human symbols are capitals, mouse symbols a capital and small letters; both may hold digits, dashes and versions.
_SYMBOL = re.compile(
    r"(?=.*\d)(?:[A-Z][A-Z0-9]*[0-9A-Z]((orf)\d+[A-Z]?)?([-.][A-Z0-9]+)*"
    r"|[A-Z][a-z0-9]+[A-Za-z0-9]*([-.(][A-Za-z0-9()]+)*|[578]+SK?)"
)


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
    *,
    totals: Totals | None = None,
    corner: str = "",
) -> Verdict:
    """Say whether rows are cells or genes.

    The names of both axes are weighed (:mod:`~scgnn2_engine.io.evidence.name_evidence`): one axis must look like genes
    more than the other by half of what names can say. What rows and columns sum to, the name of the column of names and
    the shape are weighed with them; they settle a doubt or raise one, and only a matrix in which all cells sum to one
    number, or a column called ``Geneid`` or ``barcode``, decides where the names say nothing.

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
    totals
        What the values say, where they are at hand.
    corner
        What the file calls its column of names.

    Raises
    ------
    InputError
        Both readings are open; the message states them.

    Examples
    --------
    >>> decide_orientation(["ENSG00000197123", "ENSG00000269887"], ["A1", "B12", "C3"]).orientation
    'genes-by-cells'
    """
    rows, columns = evidence_of(row_names), evidence_of(column_names)
    names = rows.leaning - columns.leaning
    shape = (
        f"{len(row_names)} rows ({listed(row_names, 3)}) and {len(column_names)} columns ({listed(column_names, 3)})"
    )
    if asked in ("cells-by-genes", "genes-by-cells"):
        chosen: Orientation = "cells-by-genes" if asked == "cells-by-genes" else "genes-by-cells"
        seen = _orientation(names)
        against = chosen != seen and abs(names) >= _AGAINST
        warning = f"{source} was read as {chosen}, {asked_by}, but its names look like {seen}: {shape}."
        return Verdict(chosen, f"Orientation {chosen}, {asked_by}.", warning if against else "")
    named = _of_corner(corner)
    summed = 0.0 if totals is None else totals.leaning * (_CONSTANT if totals.constant else _TOTALS)
    longer = max(-1.0, min(1.0, log2(max(len(row_names), 1) / max(len(column_names), 1)) / 3))
    total = names + _CORNER * named + summed + _SHAPE * longer
    told = max(abs(names) / _HEARD, abs(named), float(totals is not None and totals.constant)) >= 1
    if abs(total) < _DECIDED or not told:
        raise _question(source, len(row_names), len(column_names), shape, rows, columns)
    verdict = _orientation(total)
    sign = 1 if verdict == "genes-by-cells" else -1
    because = [
        f"{axis} such as {', '.join(str(name) for name in axis_names[:2])} {evidence.because}"
        for axis, axis_names, evidence, side in (
            ("rows", row_names, rows, sign),
            ("columns", column_names, columns, -sign),
        )
        if evidence.leaning * side >= _SAID
    ]
    by = ["names"] if because else []
    if named == sign:
        by.append("column of names")
        because.append(f"the column of names is called {corner}")
    if totals is not None and summed * sign > _TOTALS / 2:
        by.append("sums")
        because.append(totals.because)
    return Verdict(verdict, f"Orientation {verdict}, by the {' and '.join(by)}: {'; '.join(because)}.")


def is_gene_symbol(name: str) -> bool:
    """Whether a single name is a gene and hardly anything else (``ID`` and ``Gene`` have the form of symbols, too).

    Examples
    --------
    >>> is_gene_symbol("Actb"), is_gene_symbol("Pou5f1"), is_gene_symbol("cell_1"), is_gene_symbol("ID")
    (True, True, False, False)
    """
    if is_gene_name(name) or known_word(name):
        return True
    return _SYMBOL.fullmatch(name) is not None and not is_cell_name(name)


def _orientation(evidence: float) -> Orientation:
    return "genes-by-cells" if evidence > 0 else "cells-by-genes"


def _of_corner(corner: str) -> int:
    """Say what the name of the column of names says of the rows: 1 for genes, -1 for cells, 0 for nothing."""
    bare = re.sub(r"[^a-z]", "", corner.lower())
    return (_GENE_CORNER.fullmatch(bare) is not None) - (_CELL_CORNER.fullmatch(bare) is not None)


def _question(source: str, n_rows: int, n_columns: int, shape: str, rows: Evidence, columns: Evidence) -> InputError:
    seen = [
        f"{axis} {evidence.because}" for axis, evidence in (("rows", rows), ("columns", columns)) if evidence.because
    ]
    return InputError(
        f"{source} may be {n_rows} cells x {n_columns} genes or {n_rows} genes x {n_columns} cells; "
        "its names do not tell.",
        expected="names that look like genes on one side, or like cells on the other",
        found=f"{shape}: {', '.join(seen)}" if seen else shape,
        advice="Say which it is: --load_orientation cells-by-genes (rows are cells) or "
        "--load_orientation genes-by-cells (rows are genes).",
    )

"""Rows that are no genes and columns that are no cells: counters of tools, sums, and what describes genes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.io.evidence.annotation_words import (
    BESIDE_PLACES,
    DESCRIPTIONS,
    DETECTED,
    KNOWN,
    MEANS,
    NUMBERINGS,
    OF_CELLS,
    PLACES,
    SUMS,
    TOTALS,
    UNSURE,
    may_be_word,
    word_of,
)
from scgnn2_engine.io.names import Names, annotations_of_cells, listed

_SHOWN = 20  # of what is left out every name is said, as long as a person would read them

_COUNTERS = re.compile(
    # htseq-count: __no_feature, __ambiguous ... of which Seurat makes --no-feature, and R X__no_feature
    r"__.*|(X__|--)[a-z].*"
    r"|N[-_.](unmapped|multimapping|noFeature|ambiguous)"  # STAR's ReadsPerGene.out.tab
    r"|Unassigned[-_.].*"  # the summary of featureCounts
    r"|not[-_.]aligned|too[-_.]low[-_.]aqual|alignment[-_.]not[-_.]unique|ambiguous"  # htseq-count before 0.6
    # CITE-seq-Count, salmon, dropEst, samtools idxstats (of whose * R makes X.)
    r"|(un(mapped|aligned|assigned)|multi[-_.]?mapp(ed|ing)|intergenic|no[-_.]?feature)([-_. ]?(reads?|umis?|counts?))?"
    r"|\*|X\.",
    re.IGNORECASE,
)
_COUNTER_LINE = re.compile(rf"^[^\S\n]*(?:{_COUNTERS.pattern})\s*$", re.IGNORECASE | re.MULTILINE)

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
    featureCounts' summary, CITE-seq-Count, salmon and samtools, also as Seurat (``--no-feature``) and R
    (``X__no_feature``) write them. Spike-ins are genes.

    Examples
    --------
    >>> counter_rows(["Actb", "ERCC-00002", "__no_feature", "N_unmapped", "--ambiguous"])
    [2, 3, 4]
    """
    every = np.asarray(names, dtype=np.str_).tolist()
    if not _COUNTER_LINE.search("\n".join(every)):  # at once, which spares a million names the rest
        return []
    found = [position for position, name in enumerate(every) if _COUNTERS.fullmatch(name.strip())]
    if any(every[position].startswith(("Unassigned_", "Unassigned-", "Unassigned.")) for position in found):
        found += [position for position, name in enumerate(every) if name == "Assigned"]
    return sorted(found)


def _may_describe(name: str) -> bool:
    """Whether a name may be one of those that describe, by its first letters."""
    return name[:1] in _BEFORE_WORDS or may_be_word(name[:3])


def annotation_columns(names: Names | Sequence[str], rows: Sequence[Sequence[str]] = ()) -> list[int]:
    """Positions of the columns of a table that describe its rows instead of measuring them.

    Known names (``Length``, ``Chr``, ``gene_name``, ``percent.mito`` ...) suffice; ``Start``, ``End`` and ``GC``, which
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
    placed = bool(_called(names, BESIDE_PLACES))
    sure = DESCRIPTIONS | OF_CELLS | (PLACES if placed else frozenset())
    for position, name in enumerate(names):
        if rows and not _may_describe(str(name)) and _NUMBER.fullmatch(rows[0][position]):
            continue  # a measurement, as nearly all are
        fields = [row[position].strip().strip('"') for row in rows]
        present = [field for field in fields if field.lower() not in _MISSING]
        plain = word_of(name)
        if plain in sure:
            found.append(position)
        elif present and not any(_NUMBER.fullmatch(field) for field in present):
            if len(present) >= min(_TEXT_ROWS, len(rows)) and len(rows) >= _TEXT_ROWS:
                found.append(position)
        elif plain in UNSURE and len(present) == len(fields):
            values = _as_numbers(fields)
            if values is not None and _looks_like(plain, values):
                found.append(position)
    return found


def no_expression(x: Matrix, obs_names: Names | Sequence[str], var_names: Names | Sequence[str]) -> LeftOut:
    """Tell what of a matrix (rows are cells) is no cell or no gene, by name and, where a name is not enough, by values.

    Counters of tools and what is called like shares, logarithms and embeddings of cells are no genes, columns that
    describe genes are no cells. Neither are sums and means of the others, and numbers of genes detected: what is called
    so must be one.

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
    obs_words, var_words = _called(obs_names, KNOWN), _called(var_names, KNOWN)
    leave_out(genes, var_names, "Left out, because they tally reads that belong to no gene", counter_rows(var_names))
    annotations = [at for at, word in var_words.items() if word in OF_CELLS]
    leave_out(genes, var_names, "Left out of the genes, because they describe the cells", annotations)
    numbers = _numberings(x, var_words, of_genes=True)
    leave_out(genes, var_names, "Left out of the genes, because they number the cells", numbers)
    described = [at for at, word in obs_words.items() if word in DESCRIPTIONS]
    described = sorted({*described, *_numberings(x, obs_words, of_genes=False)})
    leave_out(cells, obs_names, "Left out of the cells, because they describe the genes", described)
    axes = ((True, var_names, var_words, genes, "genes"), (False, obs_names, obs_words, cells, "cells"))
    for of_genes, names, words, kept, kind in axes:
        doubtful = annotations_of_cells(names) if of_genes else []
        found, doubted = _sums(x, words, doubtful, cells, genes, of_genes=of_genes)
        numbers = [position for position in found if words[position] in DETECTED]
        leave_out(kept, names, "Left out of the genes, because they tell how many are detected", numbers)
        sums = [position for position in found if words[position] not in DETECTED]
        leave_out(kept, names, f"Left out of the {kind}, because they are sums or means of the others", sums)
        if doubted:
            said.append(
                f"Called like sums, but not of the others, and so read as {kind}: "
                f"{listed([names[position] for position in doubted], _SHOWN)}. Remove them, unless they are {kind}."
            )
    return LeftOut(cells, genes, tuple(said))


def _numberings(x: Matrix, words: Mapping[int, str], *, of_genes: bool) -> list[int]:
    """Positions of what is called like a numbering, and among cells like a place on a chromosome, and is one."""
    called = {at: word for at, word in words.items() if word in (NUMBERINGS if of_genes else UNSURE)}
    placed = PLACES if not of_genes and BESIDE_PLACES.intersection(words.values()) else frozenset[str]()
    return [
        at for at, plain in called.items() if plain in placed or _looks_like(plain, _line(x, at, of_genes=of_genes))
    ]


def _looks_like(plain: str, values: npt.NDArray[np.float64]) -> bool:
    """Whether values are what their name, which others have as well, says: a numbering, places, shares of G and C."""
    if plain in NUMBERINGS:
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
    doubtful: Sequence[int],
    cells: npt.NDArray[np.bool_],
    genes: npt.NDArray[np.bool_],
    *,
    of_genes: bool,
) -> tuple[list[int], list[int]]:
    """Positions of genes (or of cells) that are sums or means of the others, and of those that are only called so."""
    kept = genes if of_genes else cells
    counted = DETECTED if of_genes else frozenset[str]()
    called = {at: word for at, word in words.items() if word in SUMS | MEANS | counted and kept[at]}
    others = kept.copy()
    others[[*called, *doubtful]] = False
    if not called or not others.any():
        return [], []
    across = cells if of_genes else genes
    rest = (x[:, others] if of_genes else x[others].T)[across]
    totals, highest = (np.asarray(rest.sum(1, dtype=np.float64)).ravel(), _highest(rest))
    detected = np.asarray((rest > 0).sum(1) if counted.intersection(called.values()) else totals).ravel()
    found: list[int] = []
    doubted: list[int] = []
    for position, word in called.items():
        values = _line(x, position, of_genes=of_genes)[across]
        expected = totals / others.sum() if word in MEANS else detected if word in counted else totals
        # of more genes than are here, or of counts whose logarithms are here
        least = highest if word in TOTALS else expected
        above = of_genes and word not in MEANS and float(values.max(initial=0)) > 0 and np.mean(values >= least) > 0.95
        if _equal(values, expected) or above:
            found.append(position)
        elif word in TOTALS:
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
    every = np.asarray(names, dtype=np.str_).tolist()
    starts = {start for start in {name[:3] for name in every} if _may_describe(start)}
    likely = [at for at, name in enumerate(every) if name[:3] in starts]
    # no barcodes, and no identifiers such as ENSG00000000003
    likely = [
        at for at in likely if len(every[at]) < 4 or (every[at][:6].strip("ACGT") and not every[at][-3:].isdigit())
    ]
    called = ((at, word_of(every[at])) for at in likely)
    return {at: word for at, word in called if word in words}


def _as_numbers(fields: Sequence[str]) -> npt.NDArray[np.float64] | None:
    try:
        return np.array([float(field.replace(",", ".")) for field in fields])
    except ValueError:
        return None

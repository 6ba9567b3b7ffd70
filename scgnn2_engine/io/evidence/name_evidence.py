"""How much a list of names looks like genes, and how much like cells."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from scgnn2_engine.io.evidence.gene_words import FAMILIES, SYMBOLS
from scgnn2_engine.io.evidence.name_patterns import (
    CELL_WORDS,
    COUNTED_ALIKE,
    GENE_FORM,
    PADDED,
    SURE_CELL,
    SURE_GENE,
    TAG,
    UNIPROT,
    WELL,
)
from scgnn2_engine.io.names import Names

_SAMPLE = 500
_LONGEST = 200  # of a name, no more is looked at
_DENSE, _LOOSE = 20, 100  # how far running numbers may lie apart, once cells were left out

_NUMBER = re.compile(r"\d+")
_LABEL = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])")
_WORDS = re.compile(r"[A-Za-z]+")
_SEPARATORS = re.compile(r"[|_:;/\s]+")
_IN_FAMILY = re.compile(r"([a-z]{2,})-?\d+[a-z]{0,3}\d{0,2}[a-z]{0,2}(?:-\d+)?(?:\.\d+)?(?:\.[ls])?")


@dataclass(frozen=True)
class Evidence:
    """What an axis looks like.

    Attributes
    ----------
    gene, cell
        In 0 to 1 each: how strongly its names look like genes, like cells.
    because
        The strongest reason, as the end of a sentence about the axis.
    """

    gene: float
    cell: float
    because: str

    @property
    def leaning(self) -> float:
        """From -1, cells for sure, to 1, genes for sure."""
        return self.gene - self.cell


def evidence_of(names: Names | Sequence[str]) -> Evidence:
    """Weigh the names of an axis.

    Four things are looked at: names that only genes or only cells carry (accessions, barcodes, runs, words for
    samples); symbols and families of genes known in the common species, of which many different ones must be there;
    how few stems there are and whether running numbers follow them, as cells are numbered; and whether the names are
    various and of the form of symbols.

    Parameters
    ----------
    names
        (n,) names of one axis; at most 500 of them, evenly spread, are looked at.

    Examples
    --------
    >>> evidence_of(["actb1", "gata1a", "si:ch211-117m20.5", "sox2"]).gene
    1.0
    >>> evidence_of([f"Ctrl{i}" for i in range(9)]).cell, evidence_of([f"am{i}" for i in range(9)]).cell
    (1.0, 0.4)
    """
    step = max(1, -(-len(names) // _SAMPLE))
    sample = [re.sub(r"^X(?=\d)", "", str(name).strip()[:_LONGEST]) for name in names[::step]]
    n = len(sample)
    if not sample:
        return Evidence(0.0, 0.0, "")
    if all(name.isdecimal() for name in sample):
        return _of_numbers([int(name) for name in sample])
    if _are_wells(sample):
        return Evidence(0.0, 1.0, "are wells of a plate")
    others = [name for name in sample if not SURE_GENE.fullmatch(name)]
    open_names = [name for name in others if not is_cell_name(name)]
    n_genes, n_cells = n - len(others), len(others) - len(open_names)
    numbered = _numbered(others) * len(others) / n if others else 0.0
    known = {word for word in map(known_word, open_names) if word}
    known_share = min(1.0, (len(known) + n_genes) / min(max(0.08 * n, 2), 25))
    various = _various(open_names)
    form = sum(GENE_FORM.fullmatch(name) is not None for name in open_names) / n * various
    form = max(form, sum(UNIPROT.fullmatch(name) is not None for name in open_names) / n * (1 - numbered))
    reasons = [
        (n_genes / n, f"carry accessions or names of genes ({n_genes} of {n})"),
        (known_share * (1 - numbered), f"are known as genes ({len(known) + n_genes} different ones)"),
        (0.7 * form, "have the form of gene names"),
        (0.25 * _tags(open_names) / n, "have the form of tags of loci"),
    ]
    gene, why_gene = max(reasons)
    share = n_cells / n
    gene *= 1 - share
    cell, why_cell = max((share, "are called as cells are"), (0.4 * numbered, "are running numbers behind few stems"))
    cell *= 1 - n_genes / n
    return Evidence(gene, cell, why_gene if gene > cell else why_cell)


def is_gene_name(name: str) -> bool:
    """Whether a name is an accession, or a name that hardly anything but a gene has."""
    return SURE_GENE.fullmatch(name) is not None


def is_cell_name(name: str) -> bool:
    """Whether a name is one of a barcode, run or sample, or holds a word for one."""
    if SURE_CELL.fullmatch(name):
        return True
    words = {word.lower() for word in _WORDS.findall(name)}
    return not words.isdisjoint(CELL_WORDS)


def known_word(name: str) -> str:
    """Name the symbol or family of genes that a name is known by, or return an empty string.

    Examples
    --------
    >>> known_word("col1a1a"), known_word("xnkx2-5.L"), known_word("GRCh38_ACTB"), known_word("Stim29")
    ('col', 'nkx', 'actb', '')
    """
    lowered = name.lower()
    for token in dict.fromkeys((lowered, *_SEPARATORS.split(lowered))):
        bare = re.sub(r"\.(?:\d+|[ls])$", "", token)
        if bare in SYMBOLS or (bare[-1:] in ("a", "b") and len(bare) > 4 and bare[:-1] in SYMBOLS):  # zebrafish
            return bare
        family = _IN_FAMILY.fullmatch(token)
        if family is None:
            continue
        stem = family[1]
        if stem in FAMILIES:
            return stem
        if stem[0] == "x" and stem[1:] in FAMILIES:  # Xenopus
            return stem[1:]
    return ""


def _are_wells(names: list[str]) -> bool:
    """Whether all are wells, in several rows of a plate: alone, A2 and H19 may be genes, and G1, G2 run on."""
    found = [WELL.fullmatch(name) for name in names]
    return all(found) and len({well[1] for well in found if well}) > 1


def _of_numbers(numbers: list[int]) -> Evidence:
    different = len(set(numbers))
    span = max(numbers) - min(numbers) + 1
    widths = {len(str(number)) for number in numbers}
    if span > _LOOSE * different and max(widths) - min(widths) >= 2:
        return Evidence(0.5, 0.0, "are numbers as NCBI gives to genes")
    if span <= _DENSE * different:
        return Evidence(0.0, 0.2, "are plain running numbers")
    return Evidence(0.0, 0.0, "are plain numbers")


def _tags(names: list[str]) -> int:
    """Count names of the form of a tag of a locus: b0001 to b4401, SMP_000010, or a place in the genome."""
    found = [TAG.fullmatch(name) for name in names]
    padded = [match[1] for match in map(PADDED.fullmatch, names) if match]
    one_width = len({len(number) for number in padded}) == 1 and any(number[0] == "0" for number in padded)
    return max(sum(match is not None for match in found), len(padded) if one_width else 0)


def _numbered(names: list[str]) -> float:
    """How much names are running numbers behind few stems, in 0 to 1.

    Digits become #, letters that stand alone @; genes have nearly as many patterns as names, cells a few. Accessions
    have one pattern, too, but their numbers are far apart; tags of loci such as b0001 are not told from cells.
    """
    if len(names) < 2:
        return 0.0
    groups: dict[str, list[list[str]]] = defaultdict(list)
    for name in names:
        if not COUNTED_ALIKE.fullmatch(name):
            groups[_NUMBER.sub("#", _LABEL.sub("@", name))].append(_NUMBER.findall(name))
    patterns = len(groups)
    if not patterns:
        return 0.0
    few = min(1.0, max(0.0, (0.4 - (patterns - 1) / (len(names) - 1)) / 0.3))
    return few * sum(len(group) * _density(group) for group in groups.values()) / len(names)


def _density(group: list[list[str]]) -> float:
    """Whether the numbers of one pattern run, or are labels of few kinds: the least of its fields."""
    fields = list(zip(*group, strict=True))
    if not fields:
        return 0.0
    worst = 1.0
    for field in fields:
        numbers = {int(number) for number in field}
        span = max(numbers) - min(numbers) + 1
        if len(numbers) > 1 + len(field) / 3 and span > _DENSE * len(numbers) + 50:
            worst = min(worst, 0.5 if span <= _LOOSE * len(numbers) else 0.0)
    return worst


def _various(names: list[str]) -> float:
    """How different the stems of names are, in 0 to 1."""
    if len(names) < 2:
        return 0.0
    stems = {(_WORDS.match(name) or [name])[0].lower() for name in names}
    return min(1.0, max(0.0, (len(stems) / len(names) - 0.3) / 0.4))

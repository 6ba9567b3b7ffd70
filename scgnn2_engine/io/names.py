"""Cell and gene names: unique, and never empty."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Names = npt.NDArray[np.str_]
SHOWN = 5
NO_NAMES = ("", "nan", "NaN", "None", "<NA>")
"""What stands for a name that is missing, as pandas and others write it."""
SAMPLE = "sample"
"""The column of obs that says of which of several samples a cell is."""

_WORDS = """
age annotation barcode barcodes batch batches batchid cellcycle cellid celltype celltypeid celltypes clone cluster
clusterid clustering clusters condition conditions day days dissociation donor donorid donors doublet doublets
doubletscore dptpseudotime g2mscore individual isdoublet label labels lane latenttime leiden libraryid librarysize
lineage louvain ncount ncountrna ncounts nfeature nfeaturerna nfeatures ngene ngenes ngenesbycounts nreads numi numis
origident passedqc passesqc passqc patient patientid pctcountsmt percentmito percentmt percentribo phase plate plateid
predicteddoublet pseudotime qcpass replicate replicates sample sampleid samples seuratclusters sex sizefactor
sizefactors species sscore stage stim subcluster subject subjectid timepoint timepoints tissue totalcounts
totalfeatures treatment umicount umicounts well wellid xcoord xcoordinate xposition ycoord ycoordinate yposition
"""
_ANNOTATIONS = frozenset(_WORDS.split()) | frozenset(
    f"{axis}{number}" for axis in ("pc", "umap", "tsne", "dc", "lsi") for number in range(1, 51)
)
"""What scanpy, Seurat and their users call annotations of cells, in lower case and without what parts words."""

_LOGGED = re.compile(r"(log(1p|10|2|e)?|ln)[ ._-]\w{2,}", re.IGNORECASE)
_PARTING = str.maketrans("", "", " ._-")
_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)"
_DATE = re.compile(rf"\d{{1,2}}-{_MONTH}|{_MONTH}-\d{{1,4}}|\d{{4}}-\d\d-\d\d", re.IGNORECASE)


def listed(names: Iterable[object], shown: int = SHOWN) -> str:
    """Join the first few names, and say how many more there are, for a message.

    Examples
    --------
    >>> listed(["a", "b", "c"], shown=2)
    'a, b and 1 more'
    """
    every = [str(name) for name in names]
    rest = len(every) - shown
    return ", ".join(every[:shown]) + (f" and {rest} more" if rest > 0 else "")


def unique_names(names: Iterable[object], kind: str) -> tuple[Names, list[str]]:
    """Make names unique by appending ``-1``, ``-2`` to all but the first of each.

    Parameters
    ----------
    names
        Names as read.
    kind
        ``"cell"`` or ``"gene"``, for the notice and for what was left empty.

    Returns
    -------
    names, notes
        (n,) unique names in the same order, and a sentence for each thing that was changed.

    Examples
    --------
    >>> unique_names(["a", "b", "a", "a-1"], "gene")
    (array(['a', 'b', 'a-2', 'a-1'], dtype='<U3'), ['1 duplicated gene name made unique by a suffix: a.'])
    """
    raw = _texts(names)
    notes = []
    empty = raw.count("")
    if empty:
        raw = [name or f"unnamed_{kind}" for name in raw]
        notes.append(f"{empty} {kind}s without a name are called unnamed_{kind}.")
    given = set(raw)
    if len(given) == len(raw):
        return np.asarray(raw, dtype=np.str_), notes
    taken: set[str] = set()
    suffix: dict[str, int] = {}
    unique, renamed = [], []
    for name in raw:
        candidate = name
        while candidate in taken or (candidate != name and candidate in given):
            suffix[name] = suffix.get(name, 0) + 1
            candidate = f"{name}-{suffix[name]}"
        if candidate != name:
            renamed.append(name)
        taken.add(candidate)
        unique.append(candidate)
    plural = "names" if len(renamed) > 1 else "name"
    notes.append(
        f"{len(renamed)} duplicated {kind} {plural} made unique by a suffix: {listed(dict.fromkeys(renamed))}."
    )
    return np.asarray(unique, dtype=np.str_), notes


def name_in_sample(cell: object, sample: str) -> str:
    """What a cell of a sample is called where several samples are joined.

    Examples
    --------
    >>> name_in_sample("AAACCTGAGCATCATC-1", "ctrl")
    'AAACCTGAGCATCATC-1-ctrl'
    """
    return f"{cell}-{sample}"


def _texts(names: Iterable[object]) -> list[str]:
    return [*map(str, names.tolist() if isinstance(names, np.ndarray) else names)]


def annotations_of_cells(names: Iterable[object]) -> list[int]:
    """Positions of the genes that are called like annotations of cells; ``x`` and ``y`` where both are there.

    Examples
    --------
    >>> annotations_of_cells(["GATA1", "nGene", "cell type", "PC1", "y"])
    [1, 2, 3]
    """
    every = _texts(names)
    plain = "\n".join(map(str.strip, every)).lower().translate(_PARTING).split("\n")
    if len(plain) != len(every):  # a name that holds a line break
        plain = [name.strip().lower().translate(_PARTING) for name in every]
    places = frozenset({"x", "y"})
    words = _ANNOTATIONS | places if places.issubset(plain) else _ANNOTATIONS
    return [position for position, word in enumerate(plain) if word in words]


def doubts_about_genes(names: Iterable[object]) -> list[str]:
    """Say which genes are none, or have lost their names, by what they are called.

    Columns of annotations that stand in a table among the genes would be imputed, and decide on clusters. Spreadsheets
    turn symbols such as MARCH1 and SEPT2 into dates (Ziemann et al., Genome Biology 2016).

    Parameters
    ----------
    names
        Names of genes as read.

    Returns
    -------
    A sentence for each kind of doubt.

    Examples
    --------
    >>> for doubt in doubts_about_genes(["GATA1", "n_counts", "1-Mar"]):
    ...     print(doubt)
    Called like annotations of cells, but read as genes: n_counts. Remove them from the data, unless they are genes.
    Called like dates, which spreadsheets make of genes such as MARCH1 and SEPT2: 1-Mar. Restore their names.
    """
    every = _texts(names)
    annotations = [every[position] for position in annotations_of_cells(every)]
    annotations += [name for name in every if name[:1] in "lL" and _LOGGED.fullmatch(name)]
    dates = [name for name in every if "-" in name and _DATE.fullmatch(name)]
    doubts = []
    if annotations:
        doubts.append(
            f"Called like annotations of cells, but read as genes: {listed(annotations, 4 * SHOWN)}. "
            "Remove them from the data, unless they are genes."
        )
    if dates:
        doubts.append(
            "Called like dates, which spreadsheets make of genes such as MARCH1 and SEPT2: "
            f"{listed(dict.fromkeys(dates))}. Restore their names."
        )
    return doubts

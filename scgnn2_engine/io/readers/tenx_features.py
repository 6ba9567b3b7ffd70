"""The features of 10x output and its like: identifiers, symbols and kinds, of which the genes are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.evidence.orientation import Orientation
from scgnn2_engine.io.names import Names, listed

EXPRESSION = "Gene Expression"
KINDS = frozenset({
    EXPRESSION, "Antibody Capture", "CRISPR Guide Capture", "Custom", "Peaks", "Multiplexing Capture", "VDJ",
    "Antigen Capture", "Protein Expression", "Splice Junctions",
})  # fmt: skip
"""Kinds of features that Cell Ranger, Space Ranger and STARsolo write. Another third column (chromosome, biotype) is
none of them."""
_SHORT = {
    "gex": EXPRESSION, "rna": EXPRESSION, "adt": "Antibody Capture", "protein": "Antibody Capture", "atac": "Peaks",
    "hto": "Multiplexing Capture",
}  # fmt: skip
"""What files of several kinds of features call them instead, in lower case."""
KIND_COLUMNS = ("feature_types", "feature_type", "Type", "modality")
"""Columns of ``var`` in which scanpy, DropletUtils and others keep the kinds."""


@dataclass(frozen=True)
class Features:
    """The rows of 10x output.

    Attributes
    ----------
    ids, symbols, kinds
        One for each feature; a symbol may be empty or the identifier once more.
    columns
        What else is known of them, by name: ``genome``.
    """

    ids: list[str]
    symbols: list[str]
    kinds: list[str]
    columns: dict[str, list[str]] = field(default_factory=dict)


def with_features(
    source: str,
    expression: sp.csr_matrix,
    barcodes: Sequence[str] | Names,
    features: Features,
    orientation: Orientation = "genes-by-cells",
    reason: str = "as 10x files are",
) -> Found:
    """Name a matrix by its features, and keep those that are gene expression.

    Symbols become the names, identifiers where there is none; ``gene_ids``, ``feature_types`` and ``genome`` stand in
    ``var``, as scanpy calls them.

    Parameters
    ----------
    source
        What was read, as the subject of a sentence.
    expression
        (n_obs, n_features).
    barcodes, features
        Their names.
    orientation, reason
        What the rows of the file are, and why; for the report.

    Raises
    ------
    InputError
        No feature is gene expression.
    """
    kinds = np.asarray(features.kinds, dtype=np.str_)
    known = np.isin(kinds, list(KINDS))
    notes = [f"Orientation {orientation}, {reason}."]
    var = pd.DataFrame({"gene_ids": features.ids}, dtype=object)
    if known.any():
        kept = kinds == EXPRESSION
        var["feature_types"] = features.kinds
    else:
        kept = np.ones(len(kinds), dtype=bool)
        if kinds.size:
            var["features_3"] = features.kinds
            notes.append(f"The third column of the features is no feature type ({listed(dict.fromkeys(kinds))}).")
    for name, values in features.columns.items():
        var[name] = values
    symbols, ids = features.symbols, features.ids
    names: Names = np.asarray([symbol or one for symbol, one in zip(symbols, ids, strict=True)], dtype=np.str_)
    if nameless := [one for symbol, one in zip(symbols, ids, strict=True) if not symbol and one]:
        notes.append(f"{len(nameless)} features without a symbol are called by their identifiers: {listed(nameless)}.")
    if not kept.all():
        another = "Read the gene expression of the same cells: another file or folder of the same run."
        notes.append(left_out(source, kinds, names, kept, advice=another))
        expression, names, var = expression[:, np.flatnonzero(kept)], names[kept], var[kept]
    return Found(
        source=source,
        expression=expression,
        obs_names=np.asarray(barcodes, dtype=np.str_),
        var_names=names,
        var=var.set_axis(pd.Index(names.astype(object)), axis=0),
        facts={"orientation": orientation, "matrix": "10x"},
        notes=tuple(notes),
    )


def left_out(source: str, kinds: Names, names: Names, kept: npt.NDArray[np.bool_], *, advice: str) -> str:
    """A sentence on the features that are not kept, because they are no gene expression.

    Parameters
    ----------
    source
        What was read, as the subject of a sentence.
    kinds, names, kept
        Of each feature.
    advice
        What to do where none is kept.

    Raises
    ------
    InputError
        None is kept.
    """
    others, number = np.unique(kinds[~kept], return_counts=True)
    if not kept.any():
        which = " and ".join(f"{n} features of the kind {kind}" for kind, n in zip(others, number, strict=True))
        raise InputError(
            f"{source} holds no gene expression.",
            expected=f"features of the kind {EXPRESSION}",
            found=f"{which} ({listed(names)}), which would be left out",
            advice=advice,
        )
    return f"{int((~kept).sum())} features that are not gene expression were left out: {listed(names[~kept])}."


def kinds_in(var: pd.DataFrame) -> Names | None:
    """The kind of each gene of an AnnData as 10x calls it, where a column of ``var`` holds kinds; empty where missing.

    Examples
    --------
    >>> kinds_in(pd.DataFrame({"feature_types": ["GEX", "ADT", None]})).tolist()
    ['Gene Expression', 'Antibody Capture', '']
    >>> kinds_in(pd.DataFrame({"feature_type": ["protein_coding", "lncRNA"]})) is None
    True
    """
    known = {kind.lower(): kind for kind in KINDS} | _SHORT
    for column in KIND_COLUMNS:
        if column not in var.columns or not isinstance(var[column], pd.Series):
            continue
        given = ["" if pd.isna(kind) else str(kind).strip() for kind in var[column].astype(object)]
        kinds: Names = np.asarray([known.get(kind.lower(), kind) for kind in given], dtype=np.str_)
        of_10x = np.isin(kinds, list(KINDS))
        if (kinds == EXPRESSION).any() or (of_10x.any() and (of_10x | (kinds == "")).all()):
            return kinds
    return None


def without_other_kinds(found: Found, kinds: Names | None, *, advice: str) -> Found:
    """What was found without features that a column of kinds says are no gene expression; raises what left_out does.

    A feature whose kind is missing is kept.
    """
    if kinds is None:
        return found
    kept = np.isin(kinds, (EXPRESSION, ""))
    if kept.all():
        return found
    said = left_out(found.source, kinds, found.var_names, kept, advice=advice)
    return replace(
        found,
        expression=found.expression[:, np.flatnonzero(kept)],
        var_names=found.var_names[kept],
        var=None if found.var is None else found.var[kept],
        varm={key: values[kept] for key, values in found.varm.items()},
        notes=(*found.notes, said),
    )

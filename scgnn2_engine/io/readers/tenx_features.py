"""The features of 10x output and its like: identifiers, symbols and kinds, of which the genes are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
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
        others, number = np.unique(kinds[~kept], return_counts=True)
        left_out = " and ".join(f"{n} features of the kind {kind}" for kind, n in zip(others, number, strict=True))
        if not kept.any():
            raise InputError(
                f"{source} holds no gene expression.",
                expected=f"features of the kind {EXPRESSION}",
                found=f"{left_out} ({listed(names)}), which would be left out",
                advice="Read the gene expression of the same cells: another file or folder of the same run.",
            )
        notes.append(
            f"{int((~kept).sum())} features that are not gene expression were left out: {listed(names[~kept])}."
        )
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

"""What is read of an AnnData, wherever it lies: names, annotation, and what a run does not carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.evidence.log_bases import doubt_of_base, log_base
from scgnn2_engine.io.evidence.orientation import decide_orientation
from scgnn2_engine.io.names import listed, unique_names
from scgnn2_engine.io.raw_table import SPARSE_FROM
from scgnn2_engine.io.storage.anndata_names import names_of
from scgnn2_engine.io.storage.matrix_choice import DESCRIPTIONS, Choice
from scgnn2_engine.io.storage.sparse_structure import Axis, check_compressed
from scgnn2_engine.io.storage.stored import Store

SCALED = "_scale.data"
"""Scaled expression as Seurat keeps it for its PCA: large, dense, and of no use after another selection of genes."""
USED = (*DESCRIPTIONS, "log1p")
"""What of ``uns`` a run looks at."""


def left_behind(choice: Choice, uns: Iterable[str], varp: Iterable[str], varm: Iterable[str]) -> str:
    """A sentence on what a run does not carry to its result, by name; empty where there is nothing."""
    parts = {
        "layers": [name for name in choice.layers if name != choice.name],
        "uns": [key for key in uns if key not in USED and not str(key).startswith("scgnn2")],
        "varp": list(varp),
        "varm (of the genes of X)": list(varm) if choice.is_raw else [],
    }
    named = [f"{part} {', '.join(map(str, keys))}" for part, keys in parts.items() if keys]
    return f"Not carried through a run: {'; '.join(named)}." if named else ""


def found_of(
    source: str,
    choice: Choice,
    matrix: Matrix,
    obs: pd.DataFrame,
    var: pd.DataFrame,
    beside: Mapping[str, Mapping[str, Any]],
    uns: Mapping[str, Any],
    elsewhere: str,
    behind: str,
) -> Found:
    """What was read of an AnnData as a reader gives it, with sentences on what a run does not carry.

    Parameters
    ----------
    source, choice
        What was read, as the subject of a sentence, and which matrix of it.
    matrix, obs, var, beside, uns
        The matrix, its names and annotation; ``obsm``, ``obsp`` and ``varm`` by these names; what a run looks at.
    elsewhere, behind
        Sentences on counts in another matrix, and on what stays behind; empty where there is nothing.
    """
    (obs_names, about_cells), (genes, about_genes) = names_of(obs, "cell"), names_of(var, "gene")
    against = decide_orientation(genes, obs_names, "genes-by-cells").warning
    swapped = (
        f"{source} has cells called {listed(obs_names, 2)} and genes called {listed(genes, 2)}: it looks transposed."
    )
    obs, repeated = columns_once(obs, "obs")
    var, repeated_too = columns_once(var, "var")
    graphs, dense = _sparse_graphs(beside.get("obsp", {}))
    embeddings = beside.get("obsm", {})
    again = [key for key in embeddings if str(key).endswith(SCALED)]
    said = (
        *(f"{key} is not carried through a run: of another selection of genes it must be made again." for key in again),
        *(about_cells, about_genes, repeated, repeated_too, dense, behind),
    )
    return Found(
        source=source,
        expression=as_matrix(matrix, f"{source} ({choice.label})"),
        obs_names=obs_names,
        var_names=genes,
        obs=obs,
        var=var,
        obsm={key: values for key, values in embeddings.items() if key not in again},
        varm=beside.get("varm", {}),
        obsp=graphs,
        uns={key: uns[key] for key in DESCRIPTIONS if key in uns},
        facts={
            "orientation": "cells-by-genes",
            "matrix": choice.label,
            **({"alternatives": choice.flags} if choice.alternatives else {}),
        },
        notes=(
            "Orientation cells-by-genes, as AnnData is.",
            f"Matrix {choice.label}: {choice.reason}.",
            *filter(None, said),
        ),
        warnings=(*([swapped] if against else []), *([elsewhere] if elsewhere else []), *doubt_of_base(uns)),
        log_base=log_base(uns),
        negative_advice=choice.negative_advice,
    )


def columns_once(annotation: pd.DataFrame, called: str) -> tuple[pd.DataFrame, str]:
    """An annotation with each name of a column once, and a sentence on what was renamed; empty where nothing was."""
    repeated = annotation.columns.duplicated()
    if not repeated.any():
        return annotation, ""
    columns = unique_names([str(name) for name in annotation.columns], "column")[0]
    which, now = (listed(dict.fromkeys(map(str, given[repeated]))) for given in (annotation.columns, columns))
    said = f"{called} has several columns called {which}: all are kept, and those behind the first are called {now}."
    return annotation.set_axis(pd.Index(columns.astype(object)), axis=1), said


def _sparse_graphs(graphs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Graphs between cells in sparse form, and a sentence on those that are left out because they are full."""
    kept, full = {}, []
    for key, graph in graphs.items():
        if sp.issparse(graph):
            kept[key] = graph
        elif np.count_nonzero(graph) <= (1 - SPARSE_FROM) * np.size(graph):
            kept[key] = sp.csr_matrix(graph)
        else:
            full.append(key)
    if not full:
        return kept, ""
    return kept, f"Not carried through a run: obsp {', '.join(map(str, full))}, a number for every two cells."


def as_matrix(matrix: Any, what: str) -> Matrix:
    """A matrix of an AnnData in memory or backed by a file, dense or CSR, its parts checked."""
    if hasattr(matrix, "group"):  # a sparse matrix of an AnnData that is backed by a file
        matrix = Store(Path(what), matrix.group).sparse(matrix.group, "X")
    if not sp.issparse(matrix):
        return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix[:])
    if matrix.format in ("csr", "csc"):
        by: Axis = "rows" if matrix.format == "csr" else "columns"
        check_compressed(matrix.data, matrix.indices, matrix.indptr, matrix.shape, by=by, what=what)
    return matrix if isinstance(matrix, sp.csr_matrix) else sp.csr_matrix(matrix)

"""The pieces of a SingleCellExperiment, from which R builds one: its classes change with Bioconductor's releases.

:mod:`scgnn2_engine.io.r.from_experiment` reads what becomes of them, and gives the same AnnData back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from rdata.parser import RObject

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.r import build
from scgnn2_engine.io.r.annotations import cells_table, misc, storable
from scgnn2_engine.io.r.from_seurat import SCALED
from scgnn2_engine.io.r.into_reductions import IMPUTED_ASSAY, is_embedding
from scgnn2_engine.io.storage.matrix_choice import mapping_in

if TYPE_CHECKING:
    from anndata import AnnData

_SCALES = {"counts": "counts", "normalised": "normcounts", "logged": "logcounts"}
_SEURAT = {"data": "logcounts"}
_REST = "selected"


def into_experiment(adata: AnnData) -> tuple[RObject, list[str]]:
    """Take an AnnData apart for ``SingleCellExperiment()``.

    Parameters
    ----------
    adata
        (n_obs, n_vars), rows are cells.

    Returns
    -------
    pieces
        A list: ``main`` and each of ``others`` (alternative experiments: matrices over other genes) hold ``assays``
        (genes x cells) and the table of the ``genes``; ``cells``, ``reductions``, ``pairs`` (of cells), ``metadata``.
    lost
        What was not carried over, as phrases.

    Raises
    ------
    InputError
        There is no matrix.
    """
    adata = adata.to_memory() if adata.isbacked else adata
    main, others = _matrices(adata)
    described, lost = _described(adata)
    for name, (assays, names) in described.items():
        others[name] = (assays, pd.DataFrame(index=pd.Index(names, dtype=object)))
    if not main[0]:
        raise InputError(
            "There is nothing to put into a SingleCellExperiment.", expected="X, .raw or a layer", found="no matrix"
        )
    cells = list(adata.obs_names)
    elsewhere = {f"{name}_{assay}" for name, assay in _places(adata)}
    reduced = {
        str(place).removeprefix("X_"): _embedding(adata, str(place).removeprefix("X_"), values)
        for place, values in adata.obsm.items()
        if place not in elsewhere and is_embedding(values)
    }
    pieces = {
        "main": _part(*main, cells),
        "others": build.named_list({name: _part(*part, cells) for name, part in others.items()}),
        "cells": build.data_frame(cells_table(adata)),
        "reductions": build.named_list(reduced),
        "pairs": build.named_list(
            {str(name): build.dgcmatrix(graph, None, None) for name, graph in adata.obsp.items() if sp.issparse(graph)}
        ),
        "metadata": build.named_list(misc(adata)),
    }
    return build.named_list(pieces), lost + _lost(adata, elsewhere)


_Matrices = tuple[dict[str, Any], pd.DataFrame]


def _matrices(adata: AnnData) -> tuple[_Matrices, dict[str, _Matrices]]:
    """Assays over the measured genes, and those over fewer of them, which become alternative experiments."""
    record = mapping_in(adata.uns, "scgnn2")
    scale = record.get("scale_of_X")
    layers = {str(name): values for name, values in adata.layers.items()}
    own = dict(layers)
    if adata.X is not None and not (scale == "counts" and "counts" in own):
        own.setdefault(_name_of_x(adata), adata.X)
    if adata.raw is None or (scale is None and {"seurat", "experiment"} & set(adata.uns)):
        return (own, adata.var), {}
    measured = {_SCALES[scale] if scale else _by_values(adata.raw.X): adata.raw.X}
    if scale is not None:  # .raw holds them for all genes
        own = {name: values for name, values in own.items() if name not in measured}
    name = IMPUTED_ASSAY if scale is not None else _REST
    return (measured, adata.raw.var), {name: (own, adata.var[[]] if scale is not None else adata.var)} if own else {}


def _name_of_x(adata: AnnData) -> str:
    scale = mapping_in(adata.uns, "scgnn2").get("scale_of_X")
    if scale is not None:
        return _SCALES[scale]
    for origin in ("experiment", "seurat"):
        if origin in adata.uns:
            name = str(adata.uns[origin].get("X", "X"))
            return _SEURAT.get(name, name) if origin == "seurat" else name
    return _by_values(adata.X)


def _by_values(x: Any) -> str:
    values = x.data if sp.issparse(x) else np.asarray(x)
    if bool((values < 0).any()):
        return "scaled"
    return "counts" if bool((values == np.floor(values)).all()) else "logcounts"


def _places(adata: AnnData) -> dict[tuple[str, str], list[str]]:
    """Which matrices in obsm are further assays, by experiment and assay, and the names of their features."""
    places: dict[tuple[str, str], list[str]] = {}
    for origin, within in (("experiment", "experiments"), ("seurat", "assays")):
        for name, facts in adata.uns.get(origin, {}).get(within, {}).items():
            for assay, features in facts.get("features", {}).items():
                if f"{name}_{assay}" in adata.obsm:
                    places[name, assay] = [str(feature) for feature in features]
    return places


def _described(adata: AnnData) -> tuple[dict[str, tuple[dict[str, Any], list[str]]], list[str]]:
    """Alternative experiments that stand in obsm; what has other features than its experiment has no place."""
    made: dict[str, tuple[dict[str, Any], list[str]]] = {}
    lost = []
    active = str(mapping_in(adata.uns, "seurat").get("active.assay", ""))
    for (name, assay), features in _places(adata).items():
        values = adata.obsm[f"{name}_{assay}"]
        assays, names = made.get(name, ({}, features))
        if name == active or assay == SCALED or names != features:
            lost.append(f"{assay} of assay {name}")
            continue
        assays[_SEURAT.get(assay, assay)] = values
        made[name] = (assays, names)
    return made, lost


def _part(assays: Mapping[str, Any], genes: pd.DataFrame, cells: list[str]) -> RObject:
    names = [str(gene) for gene in genes.index]
    made = {name: _turned(values, names, cells) for name, values in assays.items()}
    return build.named_list({"assays": build.named_list(made), "genes": build.data_frame(storable(genes))})


def _turned(values: Any, genes: list[str], cells: list[str]) -> RObject:
    if sp.issparse(values):
        return build.dgcmatrix(sp.csr_matrix(values).T, genes, cells)
    return build.matrix(np.asarray(values, dtype=np.float64).T, genes, cells)


def _embedding(adata: AnnData, name: str, values: Any) -> RObject:
    facts = mapping_in(adata.uns, "experiment", "seurat").get("reductions", {}).get(name, {})
    columns = [str(column) for column in facts["columns"]] if "columns" in facts else None
    if columns is None and isinstance(values, pd.DataFrame):
        columns = [str(column) for column in values.columns]
    return build.matrix(np.asarray(values, dtype=np.float64), list(adata.obs_names), columns)


def _lost(adata: AnnData, elsewhere: set[str]) -> list[str]:
    lost = [f"obsm {key}" for key, values in adata.obsm.items() if key not in elsewhere and not is_embedding(values)]
    lost += [f"obsp {key} (not sparse)" for key, values in adata.obsp.items() if not sp.issparse(values)]
    lost += [f"varm {key}" for key in adata.varm] + [f"varp {key}" for key in adata.varp]
    carried = ("seurat", "scgnn2", "experiment", "scgnn2_input")
    return lost + [f"uns {key}" for key in adata.uns if key not in carried]

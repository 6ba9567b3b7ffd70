"""Embeddings and graphs of the cells as Seurat's ``DimReduc`` and ``Graph``.

SeuratObject 5 checks them: keys are letters and digits with one underscore behind, columns are the key and a growing
number, graphs have unique names of cells on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from rdata.parser import RObject

from scgnn2_engine.io.r import build
from scgnn2_engine.io.storage.matrix_choice import mapping_in

if TYPE_CHECKING:
    from anndata import AnnData

PACKAGE = "SeuratObject"
IMPUTED_ASSAY = "scGNN2"
GRAPH = "scgnn2_connectivities"
_REDUCTIONS = {
    "X_scgnn2_feature": "scgnn2.feature",
    "X_scgnn2_graph": "scgnn2.graph",
    "X_scgnn2_umap": "scgnn2.umap",
}
_KEYS = {"pca": "PC_", "umap": "UMAP_", "tsne": "tSNE_", "ica": "IC_"}  # as Seurat's own functions have them
_FLAT = ("umap", "tsne")


def allowed_features(adata: AnnData) -> dict[str, str]:
    """How each gene is called in Seurat, whose functions fail on ``_`` and ``|`` and so write ``-`` from the start.

    What a Seurat object called its features stays.
    """
    names = list(dict.fromkeys([*([] if adata.raw is None else adata.raw.var_names), *adata.var_names]))
    if mapping_in(adata.uns, "seurat"):
        return dict(zip(names, names, strict=True))
    called: dict[str, str] = {}
    taken = {name for name in names if not re.search("[_|]", name)}
    for name in names:
        wanted = re.sub("[_|]", "-", name)
        candidate, number = wanted, 0
        while candidate != name and candidate in taken:
            number += 1
            candidate = f"{wanted}.{number}"
        called[name] = candidate
        taken.add(candidate)
    return called


class Taken:
    """Names and keys in use: what ``object[[name]]`` and a key find must be one thing in the whole object."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._keys = {"md_"}  # SeuratObject 5 keeps it for meta.data

    def name(self, wanted: str) -> str:
        """``wanted`` as letters, digits and dots, with a number behind where it is taken."""
        return self.exact(re.sub(r"[^A-Za-z0-9.]", ".", wanted) or "unnamed")

    def exact(self, wanted: str) -> str:
        """``wanted`` as it is, with a number behind where it is taken."""
        name, number = wanted, 0
        while name in self._names:
            number += 1
            name = f"{wanted}.{number}"
        self._names.add(name)
        return name

    def key(self, wanted: str) -> str:
        """A key, letters and digits and an underscore, with another letter where it is taken."""
        letters = re.sub(r"[^A-Za-z0-9]", "", wanted)
        letters = letters if letters[:1].isalpha() else f"x{letters}"
        while f"{letters}_" in self._keys:
            letters += "x"
        self._keys.add(f"{letters}_")
        return f"{letters}_"


def reductions(
    adata: AnnData,
    facts: Mapping[str, Any],
    elsewhere: set[str],
    assays: Iterable[str],
    active: str,
    taken: Taken,
    called: Mapping[str, str],
) -> dict[str, RObject]:
    """A ``DimReduc`` of every embedding in ``obsm`` that is not ``elsewhere``."""
    made: dict[str, RObject] = {}
    known = facts.get("reductions", {})
    for place, values in adata.obsm.items():
        stem = str(place).removeprefix("X_")
        if place in elsewhere or not is_embedding(values):
            continue
        described = known.get(stem, {}) if str(place).startswith("X_") else {}
        name = taken.exact(stem) if described else taken.name(_REDUCTIONS.get(place, stem))
        key = taken.key(str(described.get("key") or _KEYS.get(stem, name.lower())))
        ours = IMPUTED_ASSAY if place in _REDUCTIONS and IMPUTED_ASSAY in assays else active
        made[name] = _reduction(adata, stem, np.asarray(values, dtype=np.float64), key, ours, described, called)
    return made


def is_embedding(values: Any) -> bool:
    """Whether it is numbers, some for each cell."""
    if isinstance(values, pd.DataFrame):
        return bool(values.shape[1]) and all(pd.api.types.is_numeric_dtype(kind) for kind in values.dtypes)
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.shape[1] == 0:
        return False
    return bool(np.issubdtype(values.dtype, np.number) and not np.issubdtype(values.dtype, np.complexfloating))


def _reduction(
    adata: AnnData,
    stem: str,
    embedding: Any,
    key: str,
    assay: str,
    described: Mapping[str, Any],
    called: Mapping[str, str],
) -> RObject:
    columns = [f"{key}{number}" for number in range(1, embedding.shape[1] + 1)]
    columns = [str(column) for column in described.get("columns", columns)]
    empty = build.matrix(np.zeros((0, 0)))
    loadings = _loadings(adata, stem, "feature.loadings", described, columns)
    stdev = described.get("stdev", ())
    if loadings is None and not described and stem == "pca":
        loadings, stdev = _scanpy_loadings(adata, columns, called)
    slots = {
        "cell.embeddings": build.matrix(embedding, list(adata.obs_names), columns),
        "feature.loadings": loadings or empty,
        "feature.loadings.projected": _loadings(adata, stem, "feature.loadings.projected", described, columns) or empty,
        "assay.used": build.strings([described.get("assay.used") or assay]),
        "global": build.logicals(np.array([bool(described.get("global", any(word in stem for word in _FLAT)))])),
        "stdev": build.reals(stdev),
        "key": build.strings([key]),
        "jackstraw": _no_jackstraw(),
        "misc": build.plain_list([]),
    }
    return build.s4("DimReduc", PACKAGE, slots)


def _loadings(adata: AnnData, stem: str, slot: str, described: Mapping[str, Any], columns: list[str]) -> RObject | None:
    """Those of the genes that are still there, in Seurat's order."""
    if f"{slot}.names" not in described:
        return None
    names = np.array([str(feature) for feature in described[f"{slot}.names"]], dtype=object)
    if slot in described:
        values, there = np.asarray(described[slot]), np.ones(len(names), dtype=bool)
    else:
        place = stem if slot == "feature.loadings" else f"{stem}_projected"
        genes = adata if adata.raw is None or place not in adata.raw.varm else adata.raw
        position = genes.var_names.get_indexer(pd.Index(names))
        there = position >= 0
        if place not in genes.varm or not there.any():
            return None
        values = np.asarray(genes.varm[place])[position[there]]
    return build.matrix(values, list(names[there]), columns[: values.shape[1]])


def _scanpy_loadings(adata: AnnData, columns: list[str], called: Mapping[str, str]) -> tuple[RObject | None, Any]:
    """Scanpy's names for the same things; a gene that was not used has zeros."""
    if "PCs" not in adata.varm:
        return None, ()
    values = np.asarray(adata.varm["PCs"], dtype=np.float64)
    variance = np.asarray(mapping_in(adata.uns, "pca").get("variance", ()), dtype=np.float64)
    if values.shape[1] != len(columns):
        return None, ()
    used = np.any(values != 0, axis=1)
    stdev = np.sqrt(variance) if len(variance) == len(columns) else ()
    return build.matrix(values[used], [called[gene] for gene in adata.var_names[used]], columns), stdev


def _no_jackstraw() -> RObject:
    empty = build.matrix(np.zeros((0, 0)))
    names = ("empirical.p.values", "fake.reduction.scores", "empirical.p.values.full", "overall.p.values")
    return build.s4("JackStrawData", PACKAGE, dict.fromkeys(names, empty))


def graphs(
    adata: AnnData, facts: Mapping[str, Any], assays: Iterable[str], active: str, taken: Taken
) -> dict[str, RObject]:
    """A ``Graph`` of every sparse matrix in ``obsp``."""
    made = {}
    cells = list(adata.obs_names)
    for place, values in adata.obsp.items():
        if not sp.issparse(values):
            continue
        ours = place == GRAPH
        name = taken.exact(f"{IMPUTED_ASSAY}_snn" if ours else str(place))
        assay = facts.get("graphs", {}).get(str(place), {}).get("assay.used")
        assay = assay or (IMPUTED_ASSAY if ours and IMPUTED_ASSAY in assays else active)
        slots = {"assay.used": build.strings([assay]), **build.dgc_slots(values, cells, cells)}
        made[name] = build.s4("Graph", PACKAGE, slots)
    return made

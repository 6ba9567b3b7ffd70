"""Bioconductor's SingleCellExperiment (and SummarizedExperiment) as AnnData.

The classes are those of package SingleCellExperiment (Amezquita et al., Nature Methods 2020); the layout of AnnData is
that of ``docs/r.md``.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from rdata.parser import RObject, RObjectType

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.r import values as r
from scgnn2_engine.io.r.matrices import dimnames, is_matrix, matrix

if TYPE_CHECKING:
    from anndata import AnnData

_PREFERRED = ("logcounts", "normcounts", "counts")
_SLOTS = {
    *("assays", "colData", "rowRanges", "elementMetadata", "NAMES", "metadata", "class"),
    *("int_colData", "int_elementMetadata", "int_metadata"),
}


def from_experiment(obj: RObject, source: str) -> tuple[AnnData, list[str]]:
    """Make an AnnData of a SingleCellExperiment, or another of SummarizedExperiment's family.

    Assays become ``layers`` (and ``X`` is logcounts, else normcounts, else counts, else the first), ``colData`` and
    ``rowData`` become ``obs`` and ``var``, ``reducedDims`` become ``obsm["X_<name>"]``, ``colPairs`` become ``obsp``,
    and each assay of an alternative experiment becomes ``obsm["<experiment>_<assay>"]``. Cells and genes without names
    are numbered.

    Parameters
    ----------
    obj
        The object.
    source
        Where it came from, for messages.

    Returns
    -------
    adata
        (n_obs, n_vars).
    lost
        What was not carried over, as phrases.

    Raises
    ------
    InputError
        It holds no assay, or its values are in other files.
    """
    from anndata import AnnData

    slots = r.attributes(obj)
    obs, obs_lost = _table(slots["colData"], "colData")
    features, var, var_lost = _rows(slots)
    assays, assays_lost = _assays(slots)
    if not assays:
        raise InputError(f"{source} holds a {r.class_of(obj)} without assays.", expected="at least one assay")
    shape = next(iter(assays.values())).shape
    obs.index = _names(obs.index, shape[0], "cell")
    var.index = _names(pd.Index(features) if features else var.index, shape[1], "gene")
    main = next((name for name in _PREFERRED if name in assays), next(iter(assays)))
    layers = {name: values for name, values in assays.items() if name != main or name == "counts"}
    with warnings.catch_warnings():  # names that repeat are made unique by whoever reads on
        warnings.filterwarnings("ignore", "(Observation|Variable) names are not unique")
        adata = AnnData(assays[main], obs=obs, var=var, layers=layers)
    facts: dict[str, Any] = {"class": r.class_of(obj), "X": main}
    facts["character_columns"] = r.text_columns(obs)
    lost = obs_lost + var_lost + assays_lost + _add_internal(adata, slots, facts)
    adata.uns["experiment"] = facts
    if not r.is_empty(slots.get("metadata")):
        lost.append(f"metadata ({listed(r.elements(slots['metadata']))})")
    return adata, lost + _left_behind(slots)


def _left_behind(slots: Mapping[str, RObject]) -> list[str]:
    """What the hidden parts of an experiment hold besides what :func:`_add_internal` takes."""
    lost = []
    if "int_elementMetadata" in slots:
        hidden = r.elements(r.attributes(slots["int_elementMetadata"])["listData"])
        if pairs := [name for name, _ in _entries(hidden, "rowPairs")]:
            lost.append(f"rowPairs ({listed(pairs)})")
        if others := [name for name in hidden if name != "rowPairs"]:
            lost.append(f"the hidden annotation of the genes ({listed(others)})")
    if "int_metadata" in slots:
        hidden = {name: obj for name, obj in r.elements(slots["int_metadata"]).items() if not r.is_empty(obj)}
        if others := [name for name in hidden if name != "version"]:
            lost.append(f"the hidden metadata ({listed(others)})")
    if others := [name for name, obj in slots.items() if name not in _SLOTS and not r.is_empty(obj)]:
        lost.append(f"slots of its class ({listed(others)})")
    return lost


def _names(index: pd.Index[Any], count: int, kind: str) -> pd.Index[Any]:
    if len(index) != count:
        raise ValueError(f"{len(index)} {kind} names or rows for {count} {kind}s")
    if isinstance(index, pd.RangeIndex):
        return pd.Index([f"{kind}_{number}" for number in range(1, count + 1)], dtype=object)
    return index.astype(str).astype(object)


def _table(obj: RObject, what: str) -> tuple[pd.DataFrame, list[str]]:
    return r.data_frame(obj)[0], r.columns_lost(obj, what)


def _rows(slots: Mapping[str, RObject]) -> tuple[list[str], pd.DataFrame, list[str]]:
    """Names and table of the features: in the ranges of a RangedSummarizedExperiment, else in slots of their own."""
    lost: list[str] = []
    if "rowRanges" in slots:
        ranges = r.attributes(slots["rowRanges"])
        table, lost = _table(ranges["elementMetadata"], "rowData")
        inner = r.attributes(ranges.get("partitioning", ranges.get("ranges", slots["rowRanges"])))
        names = inner.get("NAMES")
        if "partitioning" not in ranges or r.integers(inner["end"])[-1:].any():  # else each gene has none
            lost.append("the genomic ranges of the genes")
    else:
        table, lost = _table(slots["elementMetadata"], "rowData")
        names = slots.get("NAMES")
    features = [] if names is None or r.is_null(names) else [name or "" for name in r.strings(names)]
    return features, table, lost


def _assays(slots: Mapping[str, RObject]) -> tuple[dict[str, Any], list[str]]:
    held = r.attributes(slots["assays"])
    if "data" not in held:
        raise InputError(
            "The assays of the experiment are not in the file itself.",
            expected="SimpleAssays",
            found=r.class_of(slots["assays"]),
            advice="In R, bring them into memory first: assay(x, 'counts') <- as(assay(x, 'counts'), 'dgCMatrix').",
        )
    named = {
        name.replace("[[", "assay_").replace("]]", ""): value
        for name, value in r.elements(r.attributes(held["data"])["listData"]).items()
    }
    assays = {name: _turned(value) for name, value in named.items()}
    logical = [name for name, value in named.items() if _is_logical(value)]
    return assays, [f"the type of logical assays: {listed(logical)} (now numbers)"] if logical else []


def _is_logical(obj: RObject) -> bool:
    """Whether its values are TRUE and FALSE; the pattern matrices of package Matrix hold positions alone."""
    values = obj if obj.info.type is not RObjectType.S4 else r.attributes(obj).get("x")
    return values is None or values.info.type is RObjectType.LGL


def _turned(obj: RObject) -> Any:
    values = matrix(obj)
    return values.T if sp.issparse(values) else np.ascontiguousarray(values.T)


def _add_internal(adata: AnnData, slots: Mapping[str, RObject], facts: dict[str, Any]) -> list[str]:
    """Reduced dimensions, alternative experiments and pairs of cells, all kept in a hidden table of the cells."""
    if "int_colData" not in slots:
        return []
    hidden = r.elements(r.attributes(slots["int_colData"])["listData"])
    lost = []
    for name, value in _entries(hidden, "reducedDims"):
        if is_matrix(value):
            adata.obsm[f"X_{name}"] = np.ascontiguousarray(matrix(value))
            _, columns = dimnames(value)
            if columns:
                facts.setdefault("reductions", {})[name] = {"columns": np.array(columns, dtype=object)}
            lost += _attributes_lost(name, value)
        else:
            lost.append(f"reducedDim {name} ({r.class_of(value)})")
    for name, value in _entries(hidden, "altExps"):
        lost += _add_alternative(adata, facts, name, r.attributes(value)["se"])
    for name, value in _entries(hidden, "colPairs"):
        adata.obsp[name], more = _pairs(value, adata.n_obs, name)
        lost += more
    if others := [name for name in hidden if name not in ("reducedDims", "altExps", "colPairs")]:
        lost.append(f"the hidden annotation of the cells ({listed(others)})")
    return lost


def _attributes_lost(name: str, obj: RObject) -> list[str]:
    """What functions such as runPCA of package scater hang on the embedding: its rotation, the variances."""
    if obj.info.type is RObjectType.S4:
        return []
    held = [key for key in r.attributes(obj) if key not in ("dim", "dimnames", "class")]
    return [f"attributes of reducedDim {name} ({listed(held)})"] if held else []


def _add_alternative(adata: AnnData, facts: dict[str, Any], name: str, obj: RObject) -> list[str]:
    inner, more = from_experiment(obj, f"The alternative experiment {name}")
    matrices = {inner.uns["experiment"]["X"]: inner.X, **inner.layers}
    for layer, values in matrices.items():
        adata.obsm[f"{name}_{layer}"] = values
    features = {layer: np.array(inner.var_names, dtype=object) for layer in matrices}
    facts.setdefault("experiments", {})[name] = {"features": features}
    held = {
        "colData": list(inner.obs.columns),
        "rowData": list(inner.var.columns),
        "reducedDims": [key.removeprefix("X_") for key in inner.obsm if key.startswith("X_")],
        "alternative experiments": list(inner.uns["experiment"].get("experiments", ())),
        "colPairs": list(inner.obsp),
    }
    return [f"{phrase} of alternative experiment {name}" for phrase in more] + [
        f"{what} of alternative experiment {name} ({listed(names)})" for what, names in held.items() if names
    ]


def _entries(hidden: Mapping[str, RObject], place: str) -> list[tuple[str, RObject]]:
    if place not in hidden:
        return []
    return list(r.elements(r.attributes(hidden[place])["listData"]).items())


def _pairs(obj: RObject, n_obs: int, name: str) -> tuple[sp.csr_matrix, list[str]]:
    """(n_obs, n_obs) sparse: the first number that is kept with each pair of cells, or 1; and what else there is."""
    hits = r.attributes(r.attributes(obj)["hits"])
    source, target = (r.integers(hits[end]) - 1 for end in ("from", "to"))
    kept, left_out = r.data_frame(hits["elementMetadata"])
    numeric = [column for column in kept.columns if pd.api.types.is_numeric_dtype(kept[column])]
    weights = kept[numeric[0]].to_numpy(float) if numeric else np.ones(len(source))
    others = [column for column in kept.columns if column not in numeric[:1]] + left_out
    graph = sp.csr_matrix(sp.coo_matrix((weights, (source, target)), shape=(n_obs, n_obs)))
    return graph, [f"columns of colPair {name} ({listed(others)})"] if others else []

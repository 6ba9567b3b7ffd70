"""Seurat objects (v3 and v4 with ``Assay``, v5 with ``Assay5``) as AnnData.

The layout of AnnData is that of ``docs/r.md``; what :mod:`scgnn2_engine.io.r.into_seurat` needs to build the same
object again stands in ``uns["seurat"]``. The classes are those of package SeuratObject (Hoffman et al., 4.1 and 5.0).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from rdata.parser import RObject

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.r import values as r
from scgnn2_engine.io.r.assays import SCALED as SCALED  # which the writer takes from here
from scgnn2_engine.io.r.assays import Assay, of_cells, read_assay
from scgnn2_engine.io.r.matrices import dimnames, is_matrix, matrix

if TYPE_CHECKING:
    from anndata import AnnData

IDENT = "active_ident"
HIGHLY_VARIABLE = "highly_variable"


def from_seurat(obj: RObject, source: str) -> tuple[AnnData, list[str]]:
    """Make an AnnData of a Seurat object.

    Parameters
    ----------
    obj
        The object, of version 3, 4 or 5.
    source
        Where it came from, for messages.

    Returns
    -------
    adata
        (n_obs, n_vars) with the features of the active assay.
    lost
        What was not carried over, as phrases.

    Raises
    ------
    InputError
        It is of version 2 or older, holds no expression, or its values are in other files.
    """
    from anndata import AnnData

    slots = r.attributes(obj)
    if "assays" not in slots:
        raise InputError(
            f"{source} holds a Seurat object of version 2 or older.",
            expected="version 3, 4 or 5",
            found=f"the slots {listed(slots)}",
            advice="In R: object <- UpdateSeuratObject(object), and save it again.",
        )
    obs, _ = r.data_frame(slots["meta.data"])
    cells = _cell_names(obs)
    lost = r.columns_lost(slots["meta.data"], "meta.data") + _add_ident(obs, slots["active.ident"], cells)
    held = r.elements(slots["assays"])
    active = r.one_string(slots.get("active.assay")) or next(iter(held), "")
    assays = {name: read_assay(name, value, cells, active=name == active) for name, value in held.items()}
    if active not in assays or not assays[active].matrices:
        raise InputError(
            f"{source} holds a Seurat object without expression in its active assay {active!r}.",
            expected="counts or data",
            found=f"assays {listed(assays) or 'none'}",
            advice="In R, choose the assay with DefaultAssay(object) <- NAME.",
        )
    main = assays[active]
    lost += _mark_variable(main)
    kept = {name: assay for name, assay in assays.items() if assay.matrices}
    facts: dict[str, Any] = {
        "version": _version(slots["version"]),
        "project.name": r.one_string(slots.get("project.name")),
        "active.assay": active,
        "X": main.shown,
        "character_columns": [name for name in r.text_columns(obs) if name != IDENT],
        "assay_order": np.array(list(kept), dtype=object),
        "assays": {},
        "reductions": {},
        "graphs": {},
    }
    layers, obsm = _placed(kept, active, facts)
    adata = AnnData(main.matrices[main.shown][0], obs=obs, var=main.var, layers=layers, obsm=obsm)
    for name, value in r.elements(slots["reductions"]).items():
        lost += _add_reduction(adata, facts, name, value)
    for name, value in r.elements(slots["graphs"]).items():
        lost += _add_graph(adata, facts, name, value)
    adata.uns["seurat"] = facts
    lost += [phrase for assay in assays.values() for phrase in assay.lost]
    return adata, lost + _left_behind(slots)


def _cell_names(obs: pd.DataFrame) -> list[str]:
    if isinstance(obs.index, pd.RangeIndex) or not obs.index.is_unique:
        raise ValueError("the rows of meta.data are not named by the cells")
    return [str(name) for name in obs.index]


def _add_ident(obs: pd.DataFrame, obj: RObject, cells: list[str]) -> list[str]:
    """The identities as a column of ``obs``, in the order of the cells; a column of that name gets another one."""
    ident, names = r.column(obj), r.names_of(obj)
    if not isinstance(ident, pd.Categorical):
        return [f"active.ident ({r.class_of(obj)})"]
    lost = _renamed(obs, IDENT, "meta.data", "the identities")
    if len(names) == len(cells) and names != cells:
        position = pd.Index(names, dtype=object)
        if position.is_unique and set(names) == set(cells):
            ident = ident[position.get_indexer(pd.Index(cells, dtype=object))]
        else:
            lost.append("the names of active.ident (they are not the cells, so its order was taken)")
    obs[IDENT] = ident
    return lost


def _mark_variable(assay: Assay) -> list[str]:
    """The variable features of the active assay as a column of its feature table."""
    if "var.features" not in assay.facts:
        return []
    lost = _renamed(assay.var, HIGHLY_VARIABLE, f"the feature table of {assay.name}", "the variable features")
    if lost and HIGHLY_VARIABLE in assay.facts.get("character_columns", ()):
        assay.facts["character_columns"] = r.text_columns(assay.var)
    assay.var[HIGHLY_VARIABLE] = assay.var.index.isin(assay.facts["var.features"])
    return lost


def _renamed(frame: pd.DataFrame, name: str, what: str, taken_by: str) -> list[str]:
    """Give the column another name, where there is one; what was done, as phrases."""
    if name not in frame:
        return []
    number = next(number for number in itertools.count(1) if f"{name}.{number}" not in frame)
    frame.rename(columns={name: f"{name}.{number}"}, inplace=True)
    return [f"the name of column {name} of {what} (it is {name}.{number}; {name} holds {taken_by})"]


def _version(obj: RObject) -> str:
    return ".".join(str(part) for part in r.integers(r.elements(obj)["[[1]]"]))


def _left_behind(slots: Mapping[str, RObject]) -> list[str]:
    held = {slot: slots.get(slot) for slot in ("neighbors", "images", "commands", "tools", "misc")}
    return [
        f"{slot} ({listed(r.elements(obj)) if r.type_of(obj) == 'list' else r.class_of(obj)})"
        for slot, obj in held.items()
        if obj is not None and not r.is_empty(obj)
    ]


def _placed(assays: Mapping[str, Assay], active: str, facts: dict[str, Any]) -> tuple[Any, Any]:
    """Matrices over all features of the active assay become layers, the others stand in obsm, their names in uns.

    So do assays that were layers of an AnnData.
    """
    layers: dict[str, Any] = {}
    obsm: dict[str, Any] = {}
    for assay in assays.values():
        elsewhere: dict[str, Any] = {}
        layer = str(assay.facts.get("layer", ""))
        for slot, (values, names) in assay.matrices.items():
            if layer and slot == "data" and names == assays[active].features:
                layers[layer] = values
            elif assay.name == active and names == assay.features:
                if slot != assay.shown or slot == "counts":
                    layers[slot] = values
            else:
                obsm[f"{assay.name}_{slot}"] = values
                elsewhere[slot] = np.array(names, dtype=object)
        facts["assays"][assay.name] = assay.facts | ({"features": elsewhere} if elsewhere else {})
        if assay.name != active and len(assay.var.columns):
            facts["assays"][assay.name]["var"] = _with_categories(assay.var)
    return layers, obsm


def _with_categories(frame: pd.DataFrame) -> pd.DataFrame:
    """With text as categories, as AnnData writes it in ``obs``: plain text cannot be missing in an h5ad."""
    texts = r.text_columns(frame)
    return frame.assign(**{name: pd.Categorical(frame[name]) for name in texts}) if texts else frame


def _add_reduction(adata: AnnData, facts: dict[str, Any], name: str, obj: RObject) -> list[str]:
    slots = r.attributes(obj)
    embedding = matrix(slots["cell.embeddings"])
    rows, columns = dimnames(slots["cell.embeddings"])
    cells = list(adata.obs_names)
    if rows is not None and rows != cells and set(rows) != set(cells):
        return [f"reduction {name} (it holds {len(rows)} of {len(cells)} cells)"]
    adata.obsm[f"X_{name}"] = of_cells(embedding.T, rows, cells, f"reduction {name}")
    kept: dict[str, Any] = {
        "key": r.one_string(slots.get("key")),
        "assay.used": r.one_string(slots.get("assay.used")),
        "global": not r.is_empty(slots["global"]) and bool(r.numbers(slots["global"])[0]),
    }
    if columns:
        kept["columns"] = np.array(columns, dtype=object)
    if not r.is_empty(slots["stdev"]):
        kept["stdev"] = r.numbers(slots["stdev"]).astype(np.float64, copy=False)
    for slot, place in (("feature.loadings", name), ("feature.loadings.projected", f"{name}_projected")):
        _add_loadings(adata, kept, slots[slot], slot, place)
    facts["reductions"][name] = kept
    lost = []
    if "jackstraw" in slots and any(
        isinstance(value.value, np.ndarray) and value.value.size > 1
        for value in r.attributes(slots["jackstraw"]).values()
    ):
        lost.append(f"jackstraw of reduction {name}")
    if not r.is_empty(slots.get("misc")):
        lost.append(f"misc of reduction {name}")
    return lost


def _add_loadings(adata: AnnData, kept: dict[str, Any], obj: RObject, slot: str, place: str) -> None:
    """Loadings of some genes in some order: a row of varm for each gene (NaN without one), the order in uns."""
    values = matrix(obj)
    names, _ = dimnames(obj)
    if 0 in values.shape or names is None:
        return
    position = adata.var_names.get_indexer(pd.Index(names, dtype=object))
    if (position < 0).any():
        kept[slot] = np.array(values)
    else:
        placed: npt.NDArray[np.float64] = np.full((adata.n_vars, values.shape[1]), np.nan)
        placed[position] = values
        adata.varm[place] = placed
    kept[f"{slot}.names"] = np.array(names, dtype=object)


def _add_graph(adata: AnnData, facts: dict[str, Any], name: str, obj: RObject) -> list[str]:
    if not is_matrix(obj):
        return [f"graph {name} ({r.class_of(obj)})"]
    rows, columns = dimnames(obj)
    cells = list(adata.obs_names)
    if rows is not None and (rows != cells or columns != cells):
        return [f"graph {name} (its cells are not those of the object)"]
    adata.obsp[name] = sp.csr_matrix(matrix(obj))
    facts["graphs"][name] = {"assay.used": r.one_string(r.attributes(obj).get("assay.used"))}
    return []

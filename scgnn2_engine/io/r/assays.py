"""The assays of a Seurat object, ``Assay`` of version 3 and 4 and ``Assay5`` of version 5, as matrices with names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from rdata.parser import RObject

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.r import values as r
from scgnn2_engine.io.r.assay_parts import Parts, other_class
from scgnn2_engine.io.r.matrices import dimnames, is_matrix, matrix, shape_of

SCALED = "scale.data"
_SLOTS = ("counts", "data", SCALED)


@dataclass
class Assay:
    """An assay.

    Attributes
    ----------
    name
        What the Seurat object calls it.
    features
        Of the whole assay, in its order.
    matrices
        By slot or layer: (cells, features) dense or CSR, with the names of its features.
    facts
        What is needed to build it again.
    var
        (n_features, columns) feature table.
    lost
        What was not carried over, as phrases.
    """

    name: str
    features: list[str]
    matrices: dict[str, tuple[Any, list[str]]]
    facts: dict[str, Any]
    var: pd.DataFrame
    lost: list[str] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """The matrix to look at first: data, else counts, else any."""
        return next(name for name in ("data", "counts", *self.matrices) if name in self.matrices)


@dataclass(frozen=True)
class _Layer:
    """Part of a matrix of Assay5, features x cells as in R."""

    values: Any
    features: list[str]
    cells: list[str]


def read_assay(name: str, obj: RObject, cells: list[str], *, active: bool = True) -> Assay:
    """Read an assay of either class.

    Parameters
    ----------
    name
        What the Seurat object calls it.
    obj
        The assay.
    cells
        Those of the Seurat object, in its order.
    active
        Whether all of it must be readable; of another assay what cannot be read is named in ``lost``.

    Raises
    ------
    InputError
        A part of the active assay lacks cells of the object, is no matrix of numbers, or its values are in other
        files.
    """
    parts = Parts(name, active)
    assay = Assay(name, [], {}, {}, pd.DataFrame(), parts.lost)
    with parts.reading():
        slots = r.attributes(obj)
        read = _of_version_5 if "layers" in slots else _of_version_3
        variable = read(assay, parts, slots, cells)
        if not assay.matrices and not active:
            assay.lost.append(f"assay {name} (it holds no values)")
            return assay
        assay.facts = _facts(assay, obj, slots, variable)
        if layer := _layer_of(slots.get("misc")):
            assay.facts["layer"] = layer
        elif not r.is_empty(slots.get("misc")):
            assay.lost.append(f"misc of assay {name}")
    return assay


def _layer_of(misc: RObject | None) -> str:
    """The layer of an AnnData that an assay was made of, as :mod:`scgnn2_engine.io.r.into_seurat` notes it."""
    noted = r.elements(misc) if misc is not None and r.type_of(misc) == "list" else {}
    return r.one_string(noted["layer"]) if list(noted) == ["layer"] else ""


def _facts(assay: Assay, obj: RObject, slots: Mapping[str, RObject], variable: list[str]) -> dict[str, Any]:
    assay.lost += other_class(assay.name, obj)
    facts: dict[str, Any] = {"class": r.class_of(obj), "key": r.one_string(slots.get("key"))}
    if origin := r.one_string(slots.get("assay.orig")):
        facts["assay.orig"] = origin
    if texts := r.text_columns(assay.var):
        facts["character_columns"] = texts
    if variable:
        facts["var.features"] = np.array(variable, dtype=object)
    return facts


def _of_version_3(assay: Assay, parts: Parts, slots: Mapping[str, RObject], cells: list[str]) -> list[str]:
    for slot in _SLOTS:
        place = f'object@assays[["{assay.name}"]]@{slot}'
        mend = f"empty it ({place} <- matrix(0, 0, 0))" if slot == SCALED else f"put {place} right"
        with parts.reading(f"slot {slot}", mend):
            if not _is_empty(slots.get(slot)):
                assay.matrices[slot] = _named(slots[slot], cells)
    assay.features = next(
        (assay.matrices[slot][1] for slot in ("data", "counts", SCALED) if slot in assay.matrices), []
    )
    _read_features(assay, parts, slots.get("meta.features"))
    return [str(feature) for feature in r.strings(slots["var.features"])] if "var.features" in slots else []


def _is_empty(obj: RObject | None) -> bool:
    """Whether a slot holds nothing; IntegrateData of Seurat 4 leaves ``matrix(NA)`` there, one value without names."""
    if obj is None or r.is_null(obj):
        return True
    if not is_matrix(obj):
        return False
    return 0 in shape_of(obj) or (shape_of(obj) == (1, 1) and dimnames(obj)[0] is None)


def _named(obj: RObject, cells: list[str]) -> tuple[Any, list[str]]:
    values = matrix(obj)
    rows, columns = dimnames(obj)
    if rows is None:
        raise ValueError("a matrix without feature names")
    return of_cells(values, columns, cells, "matrix"), rows


def _of_version_5(assay: Assay, parts: Parts, slots: Mapping[str, RObject], cells: list[str]) -> list[str]:
    of_features, of_cells_ = _members(slots["features"]), _members(slots["cells"])
    assay.features = dimnames(slots["features"])[0] or []
    layers = {}
    for layer, value in r.elements(slots["layers"]).items():
        with parts.reading(f"layer {layer}", _mended(assay.name, layer)):
            layers[layer] = _Layer(matrix(value), of_features[layer], of_cells_[layer])
    for stem, names in _gathered(layers, len(cells)).items():
        with parts.reading(f"layer {listed(names)}", _mended(assay.name, names[0])):
            assay.matrices[stem] = _joined([layers[name] for name in names], assay.features, cells)
            if names != [stem]:
                division = f"the division of assay {assay.name} into layers {listed(names)}"
                assay.lost.append(f"{division} (they were joined into {stem})")
    _read_features(assay, parts, slots.get("meta.data"))
    return _variable(assay.var)


def _mended(name: str, layer: str) -> str:
    place = f'object[["{name}"]]${layer}'
    return f"put {place} right or take it out ({place} <- NULL)"


def _gathered(layers: Mapping[str, _Layer], n_cells: int) -> dict[str, list[str]]:
    """Which layers are one matrix: ``split`` calls its parts counts.A, counts.B; each has a part of the cells."""
    gathered: dict[str, list[str]] = {}
    for name, layer in layers.items():
        stem = next((known for known in _SLOTS if name.startswith(f"{known}.")), name)
        if stem == name and len(layer.cells) < n_cells:
            stem = name.rpartition(".")[0] or name
        if stem in layers:
            stem = name
        gathered.setdefault(stem, []).append(name)
    for stem, parts in list(gathered.items()):  # several that each have all cells are matrices of their own
        if len(parts) > 1 and sum(len(layers[part].cells) for part in parts) > n_cells:
            del gathered[stem]
            gathered |= {part: [part] for part in parts}
    return gathered


def _variable(var: pd.DataFrame) -> list[str]:
    """The variable features by rank, which ``VariableFeatures<-`` of version 5 writes into the feature table."""
    if "var.features" not in var:
        return []
    named = var[var["var.features"].notna()]
    if "var.features.rank" in named:
        named = named.iloc[np.argsort(named["var.features.rank"].to_numpy(float, na_value=np.inf), kind="stable")]
    return [str(feature) for feature in named["var.features"]]


def _members(log_map: RObject) -> dict[str, list[str]]:
    """Which names belong to each layer: Assay5 keeps the dimnames of its layers in a logical matrix."""
    names, layers = dimnames(log_map)
    held = np.ma.filled(np.ma.asarray(log_map.value), False).astype(bool).reshape(shape_of(log_map), order="F")
    index = np.array(names or [], dtype=object)
    return {layer: list(index[held[:, position]]) for position, layer in enumerate(layers or [])}


def _joined(parts: list[_Layer], features: list[str], cells: list[str]) -> tuple[Any, list[str]]:
    """One matrix, cells x features, of the layers of a split assay; what no layer holds is 0.

    Dense parts (scaled values) are joined over the features that all of them have.
    """
    for part in parts:
        if part.values.shape != (len(part.features), len(part.cells)):
            raise ValueError(f"a matrix of {part.values.shape} for {len(part.features)} x {len(part.cells)} names")
    if len(parts) == 1:
        return of_cells(parts[0].values, parts[0].cells, cells, "matrix"), parts[0].features
    in_all = set(features).intersection(*(part.features for part in parts))
    dense = all(isinstance(part.values, np.ndarray) for part in parts)
    kept = [name for name in features if name in in_all] if dense else features
    blocks = [_rows(part, kept) for part in parts]
    whole = np.hstack(blocks) if dense else sp.hstack([sp.csc_matrix(block) for block in blocks], format="csc")
    return of_cells(whole, [cell for part in parts for cell in part.cells], cells, "matrix"), kept


def _rows(part: _Layer, kept: list[str]) -> Any:
    """The part's rows in the order of ``kept``, zero where it has none."""
    position = _positions(part.features, kept, "features")
    here = position >= 0
    entries = (np.ones(int(here.sum())), (np.flatnonzero(here), position[here]))
    return sp.csr_matrix(entries, shape=(len(kept), len(part.features))) @ part.values


def of_cells(values: Any, columns: list[str] | None, cells: list[str], what: str) -> Any:
    """Cells x features in the order of the object's cells; the arrays of a CSC matrix serve as CSR as they are.

    Parameters
    ----------
    values
        (n_features, n_cells) as in R.
    columns
        Names of its columns, None where they are the object's cells.
    cells
        Those of the object.
    what
        What it is, for messages.

    Raises
    ------
    InputError
        It lacks cells of the object.
    """
    turned = values.T if sp.issparse(values) else np.ascontiguousarray(values.T)
    if columns is None or columns == cells:
        if turned.shape[0] != len(cells):
            raise InputError(
                f"The {what} has another number of cells.", expected=str(len(cells)), found=str(turned.shape[0])
            )
        return turned
    position = _positions(columns, cells, "cells")
    if (position < 0).any():
        raise InputError(
            f"The {what} lacks cells of the object.",
            expected=f"all {len(cells)} cells",
            found=f"none called {listed(np.array(cells)[position < 0], 3)}",
        )
    return turned[position]


def _positions(names: list[str], wanted: list[str], what: str) -> Any:
    index = pd.Index(names, dtype=object)
    if not index.is_unique:
        raise ValueError(f"{what} of the same name: {listed(index[index.duplicated()], 3)}")
    return index.get_indexer(pd.Index(wanted, dtype=object))


def _read_features(assay: Assay, parts: Parts, obj: RObject | None) -> None:
    assay.var = pd.DataFrame(index=pd.Index(assay.features, dtype=object))
    if obj is None or r.is_null(obj):
        return
    with parts.reading("the feature table", "keep one row for each feature in it"):
        assay.var = _features(obj, assay.var.index)
        assay.lost += r.columns_lost(obj, f"the feature table of {assay.name}")


def _features(obj: RObject, index: pd.Index[Any]) -> pd.DataFrame:
    frame, _ = r.data_frame(obj)
    if len(frame) == len(index):  # Assay5 keeps it in the order of its features, without row names
        return frame.set_axis(index, axis=0)
    if isinstance(frame.index, pd.RangeIndex):
        raise ValueError(f"a feature table of {len(frame)} rows for {len(index)} features")
    return frame.reindex(index)

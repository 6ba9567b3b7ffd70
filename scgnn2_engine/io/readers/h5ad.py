"""AnnData in memory and as .h5ad: its chosen matrix, names and annotation."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.format_detection import Start
from scgnn2_engine.io.format_protocol import About, Format, Whole
from scgnn2_engine.io.names import Names, unique_names
from scgnn2_engine.io.readers.anndata_found import USED, as_matrix, columns_once, found_of, left_behind
from scgnn2_engine.io.readers.tenx_features import KIND_COLUMNS, kinds_in, without_other_kinds
from scgnn2_engine.io.storage.anndata_names import Kind, names_of
from scgnn2_engine.io.storage.matrix_choice import (
    LOOKED_AT,
    choose_matrix,
    counts_elsewhere,
    first_values,
    name_of_x,
)
from scgnn2_engine.io.storage.stored import Store, is_group, is_sparse, names, opened, said_of
from scgnn2_engine.io.storage.stored_anndata import (
    element_at,
    has_raw,
    has_x,
    mapping,
    raw_place,
    table,
    whole_anndata,
)
from scgnn2_engine.params import LoadParams

if TYPE_CHECKING:
    from anndata import AnnData

_OTHER_KINDS = (
    "Read the gene expression of the same cells: another file of the same run. If these features are what a run is "
    "for, remove the column of var that holds their kinds."
)


def found_in_anndata(
    adata: AnnData, *, layer: str = "", source: str = "The AnnData", genes_only: bool = False
) -> Found:
    """Take the chosen matrix of an AnnData with its names and cell annotation; ``adata`` is left as it is.

    With ``genes_only``, as for a run, what ``var['feature_types']`` says are other features is left out and said.

    Raises
    ------
    InputError
        The layer is not there; with ``genes_only`` also where there is no gene.
    """
    choice = choose_matrix(
        adata.layers.keys(),
        has_raw=adata.raw is not None,
        has_x=adata.X is not None,
        asked=layer,
        x_name=name_of_x(adata.uns),
    )
    matrix = as_matrix(_matrix_of(adata, choice.name, choice.layers), f"{source} ({choice.label})")
    var = adata.raw.var if choice.is_raw else adata.var
    beside = {
        "obsm": dict(adata.obsm),
        "obsp": dict(adata.obsp),
        "varm": {} if choice.is_raw else dict(adata.varm),
    }
    others = (
        {}
        if layer
        else {name: partial(first_values, _matrix_of(adata, name, choice.layers)) for name in choice.alternatives}
    )
    elsewhere = counts_elsewhere(choice, matrix, others)
    behind = left_behind(choice, adata.uns, adata.varp, adata.varm)
    found = found_of(source, choice, matrix, adata.obs.copy(), var.copy(), beside, adata.uns, elsewhere, behind)
    return without_other_kinds(found, _kinds(var, lambda: adata.var), advice=_OTHER_KINDS) if genes_only else found


def _kinds(var: pd.DataFrame, of_x: Callable[[], pd.DataFrame]) -> Names | None:
    """The kinds of the features of a matrix; where ``.raw`` does not have them, as the genes of ``X`` have them."""
    if any(column in var for column in KIND_COLUMNS):
        return kinds_in(columns_once(var, "var")[0])
    table = of_x()
    kinds = kinds_in(columns_once(table, "var")[0])
    if kinds is None:
        return None
    known = dict(zip(table.index.astype(str), kinds, strict=True))
    return np.asarray([known.get(str(name), "") for name in var.index], dtype=np.str_)


def _matrix_of(adata: AnnData, name: str, layers: Collection[str]) -> Any:
    return adata.layers[name] if name in layers else adata.raw.X if name == "raw" else adata.X


def read_h5ad(path: Path, load: LoadParams, max_memory: float = 0.0) -> Found:
    """Read the chosen matrix of an .h5ad file, its names and its cell annotation; nothing else of it is loaded.

    Raises
    ------
    InputError
        The file is damaged, or the layer is not there.
    InsufficientMemoryError
        What is read is expected not to fit.
    """
    with opened(path, max_memory) as store:
        return found_in_store(store, store.root, layer=load.layer)


def found_in_store(
    store: Store, root: Any, *, layer: str = "", source: str = "", advice: str = "", genes_only: bool = True
) -> Found:
    """Take the chosen matrix of an AnnData that lies in a file, with its names and annotation.

    What a column of ``var`` says are antibodies, peaks or other features is left out and said, unless all is wanted
    (``genes_only``).

    Parameters
    ----------
    store, root
        The open file, and the group of it that is the AnnData.
    layer
        Which matrix, as in :func:`choose_matrix`.
    source
        How messages call it; empty: by the path.
    advice
        What to do where no feature is gene expression.

    Raises
    ------
    InputError
        The names or the matrix are damaged, the layer is not there, or no feature is gene expression.
    """
    described = _described(store, root)
    choice = choose_matrix(
        _names_in(store, root, "layers"),
        has_raw=has_raw(store, root),
        has_x=has_x(store, root),
        asked=layer,
        x_name=name_of_x(described),
    )
    obs, var = table(store, root, "obs"), table(store, root, *(raw_place(root, "var") if choice.is_raw else ("var",)))
    places = {name: _place(root, name, choice.layers) for name in (choice.name, *choice.alternatives)}
    place = places.pop(choice.name)
    matrix = store.matrix(store.find(*place, start=root), "/".join(place), shape=(len(obs), len(var)))
    rows = {"obsm": len(obs), "obsp": len(obs), "varm": len(var)}
    if choice.is_raw:
        del rows["varm"]
    beside = {name: mapping(store, root, name, length, square=name == "obsp") for name, length in rows.items()}
    others = {} if layer else {name: partial(_first_stored, store, root, where) for name, where in places.items()}
    elsewhere = counts_elsewhere(choice, matrix, others)
    behind = left_behind(choice, *(_names_in(store, root, name) for name in ("uns", "varp", "varm")))
    found = found_of(source or str(store.path), choice, matrix, obs, var, beside, described, elsewhere, behind)
    if genes_only:
        kinds = _kinds(var, lambda: table(store, root, "var") if choice.is_raw else var)
        found = without_other_kinds(found, kinds, advice=advice or _OTHER_KINDS)
    return replace(found, warnings=(*found.warnings, *said_of(store)))


def _described(store: Store, root: Any) -> dict[str, Any]:
    """What a run looks at in ``uns``."""
    found = {}
    for key in sorted(set(USED) & set(_names_in(store, root, "uns"))):
        value = store.optional(f"uns/{key}", element_at, store, store.find("uns", start=root), key, "uns")
        if value is not None:
            found[key] = value
    return found


def _names_in(store: Store, root: Any, name: str) -> list[str]:
    """The names of what is in a group; nothing where there is none, or it is none."""
    group = store.optional(name, lambda: store.find(name, start=root))
    return names(group) if group is not None and is_group(group) else []


def _place(root: Any, name: str, layers: Collection[str]) -> tuple[str, ...]:
    """Where a matrix lies in a file."""
    return ("layers", name) if name in layers else raw_place(root, "X") if name == "raw" else ("X",)


def _first_stored(store: Store, root: Any, place: tuple[str, ...]) -> npt.NDArray[Any]:
    """The first values of a matrix that is not read; none where it is damaged."""

    def look() -> npt.NDArray[Any]:
        stored = store.find(*place, start=root)
        values = store.find("data", start=stored) if is_sparse(stored) else stored
        rows = LOOKED_AT if values.ndim == 1 else max(1, LOOKED_AT // max(1, values.shape[1]))
        store.claim(values, "/".join(place))
        return np.asarray(values[:rows], dtype=np.float64).ravel()

    found = store.optional("/".join(place), look)
    return np.zeros(0) if found is None else found


def whole_in_store(store: Store, root: Any) -> Whole:
    """All of an AnnData that lies in a file, for a conversion.

    Raises
    ------
    InputError
        Its names or ``X`` are damaged.
    """
    adata = whole_anndata(store, root)
    notes = []
    kinds: tuple[tuple[Kind, pd.DataFrame], ...] = (("cell", adata.obs), ("gene", adata.var))
    for kind, axis in kinds:
        named, note = names_of(axis, kind)
        if note:
            unique, more = unique_names(named, kind)
            axis.index = pd.Index(unique.astype(object))
            notes += [note, *more]
    return Whole(adata, (*notes, *store.doubts), [f"what cannot be read: {phrase}" for phrase in store.phrases()])


def _whole(path: Path, load: LoadParams) -> Whole:
    with opened(path) as store:
        return whole_in_store(store, store.root)


def _recognises(start: Start) -> bool:
    return {"obs", "var"} <= start.groups.keys() and "mod" not in start.groups


FORMAT = Format(
    "h5ad",
    "h5ad",
    (".h5ad",),
    _recognises,
    read_h5ad,
    frozenset({"layer"}),
    whole=_whole,
    about=About(
        tools=(
            "anndata 0.12.19, 0.13.4 (scanpy, scvi-tools and others)",
            "kb-python 0.30.2",
            "HTSeq 2.1.2",
            "tiledbsoma 2.3.0",
        ),
        names="the indices of obs and var (of a query of tiledbsoma its columns of names); var['gene_ids'] is kept",
        matrices="layers['counts'], else .raw, else X; --load_layer NAME, raw or X takes another",
        refused=(
            (
                "antibodies, peaks or guides alone, by var['feature_types']",
                "read the file of the same run that holds the genes; beside genes they are left out and named",
            ),
            ("scaled values", "take another matrix of the file with --load_layer; the message names them"),
            ("HDF5 filters that h5py does not bring", 'pip install "scgnn2[formats]"; the message names the filter'),
            ("parts that lie in another file", "write it again as one file"),
        ),
    ),
)

"""The names and attributes of cells and genes in a loom file."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.data.gene_names import ENSEMBL_GENE
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import NO_NAMES, Names, listed
from scgnn2_engine.io.storage.stored import Store, is_group, names, printable

_CELL_NAMES = ("CellID", "obs_names", "cell_names", "barcode", "barcodes", "Barcode", "cell_id", "cell_barcode", "Cell")
_GENE_NAMES = (
    "Gene", "var_names", "gene_name", "gene_names", "gene_symbol", "Symbol", "feature_name", "GeneName", "target_name",
    "Accession", "gene_ids", "gene_id", "ensembl_id",
)  # fmt: skip
"""What loompy, velocyto, kb, scanpy and SCENIC call the names, in the order in which they are taken."""
_IDENTIFIERS = ("Accession", "gene_id", "ensembl_id")
_SYMBOLS = tuple(name for name in _GENE_NAMES if name not in (*_IDENTIFIERS, "gene_ids"))
_MOST = 0.5


class LoomAxis(NamedTuple):
    """The names along one axis, one-dimensional attributes, those of several columns, and what is to be said."""

    names: Names
    table: pd.DataFrame
    wide: dict[str, Any]
    notes: list[str]


def axis_of(store: Store, place: str, length: int, kind: str) -> LoomAxis:
    """Names and attributes of cells or genes; attributes that cannot be read are left out and said."""
    group = store.find(place)
    if group is None or not is_group(group):
        raise InputError(
            f"{store.called(place)} is not there.",
            expected=f"the names of the {kind}s",
            found=listed(map(printable, names(store.root)), 8),
            advice="Export or download the file again.",
        )
    columns: dict[str, Any] = {}
    wide: dict[str, Any] = {}
    for name in names(group):
        values = store.optional(f"{place}/{name}", _attribute, store, group, name, place, length)
        if values is not None:
            (columns if values.ndim == 1 else wide)[printable(name)] = values
    table = pd.DataFrame(columns, index=pd.RangeIndex(length))
    _check_fit(store, group, place, length, kind, table)
    found, taken, note = _names(table, kind, length)
    if kind == "gene" and "gene_ids" not in table and taken not in _IDENTIFIERS:
        identifier = next((name for name in (*_IDENTIFIERS, *_GENE_NAMES) if _are_identifiers(table, name)), None)
        identifier = identifier or next((name for name in _IDENTIFIERS if name in table), None)
        if identifier not in (None, taken):
            table["gene_ids"] = table[identifier]
    if kind == "gene" and taken not in ("", "gene_ids") and "gene_ids" in table:
        found, more = _filled(found, np.asarray(table["gene_ids"].astype(str), dtype=np.str_))
        note += more
    return LoomAxis(found, table.drop(columns=taken) if taken in ("obs_names", "var_names") else table, wide, note)


def _check_fit(store: Store, group: Any, place: str, length: int, kind: str, table: pd.DataFrame) -> None:
    """Refuse a matrix of another length than the names beside it have; raises InputError.

    Names that fit stand beside others that do not where an attribute alone is damaged.
    """
    usual = _CELL_NAMES if kind == "cell" else _GENE_NAMES
    held = [name for name in usual if name in names(group)]
    if not held or any(name in table for name in held):
        return
    dataset = store.find(held[0], start=group)
    if not is_group(dataset) and dataset.shape and dataset.shape[0] != length:
        raise InputError(
            f"{store.called('matrix')} does not fit the names beside it.",
            expected=f"{dataset.shape[0]} {kind}s, as {place}/{held[0]} has",
            found=f"{length}",
            advice="The file is damaged, or what wrote it has an error: export it again.",
        )


def _are_identifiers(table: pd.DataFrame, name: str) -> bool:
    """Whether an attribute holds identifiers of Ensembl, most of it."""
    if name not in table or table[name].dtype != object:
        return False
    return float(table[name].astype(str).str.fullmatch(ENSEMBL_GENE).mean()) > _MOST


def _filled(found: Names, identifiers: Names) -> tuple[Names, list[str]]:
    """Names, with the identifier of each gene that has none, and what is to be said."""
    nameless = np.isin(found, NO_NAMES) & ~np.isin(identifiers, NO_NAMES)
    if not nameless.any():
        return found, []
    said = (
        f"{int(nameless.sum())} genes without a name are called by their identifiers: {listed(identifiers[nameless])}."
    )
    return np.where(nameless, identifiers, found), [said]


def _attribute(store: Store, group: Any, name: str, place: str, length: int) -> npt.NDArray[Any]:
    """One attribute: (n,) numbers or texts, or (n, k) numbers."""
    import html

    dataset = store.find(name, start=group)
    where = f"{place}/{printable(name)}"
    if is_group(dataset) or not dataset.shape or dataset.shape[0] != length or dataset.dtype.kind not in "biufSO":
        raise InputError(
            f"{where} does not fit.", found="a group" if is_group(dataset) else f"{dataset.shape} {dataset.dtype}"
        )
    if dataset.dtype.kind in "SO":
        texts = store.texts(dataset, where, length)
        escaped = dataset.dtype.kind == "S"  # loompy before 3 writes ASCII, and all else as entities of XML
        return np.asarray([html.unescape(text) for text in texts] if escaped else texts, dtype=object)
    return store.array(dataset, where)


def _names(table: pd.DataFrame, kind: str, length: int) -> tuple[Names, str, list[str]]:
    """Names, the attribute that they were taken from, and sentences."""
    usual = _CELL_NAMES if kind == "cell" else _GENE_NAMES
    texts = [name for name in table if table[name].dtype == object and table[name].is_unique]
    taken = next((name for name in usual if name in table), texts[0] if texts else "")
    if kind == "gene" and _are_identifiers(table, taken):  # as loom files of many pipelines call them Gene
        others = (
            name
            for name in _SYMBOLS
            if name in table and table[name].dtype == object and not _are_identifiers(table, name)
        )
        taken = next(others, taken)
    if not taken:
        held = listed(table.columns, 8) or "none"
        note = f"No attribute names the {kind}s ({held}): they are called {kind}_1, {kind}_2, …."
        return np.asarray([f"{kind}_{number}" for number in range(1, length + 1)], dtype=np.str_), "", [note]
    found = np.asarray(table[taken].astype(str), dtype=np.str_)
    return found, taken, [f"Names of {kind}s from the attribute {taken}."]

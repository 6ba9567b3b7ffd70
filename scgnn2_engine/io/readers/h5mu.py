"""Files that hold several AnnData: .h5mu of MuData, one for each modality, and the tables of SpatialData."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.format_detection import Start
from scgnn2_engine.io.format_protocol import About, Format, Whole
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.readers.h5ad import found_in_store, whole_in_store
from scgnn2_engine.io.readers.tenx_features import EXPRESSION, kinds_in
from scgnn2_engine.io.storage.stored import Store, is_group, names, opened, printable
from scgnn2_engine.io.storage.stored_anndata import table
from scgnn2_engine.params import LoadParams

_HOLDERS = ("mod", "tables", "table")
"""Groups that hold AnnData by name: MuData's modalities, and SpatialData's tables."""
_EXPRESSION = ("rna", "gex", "gene expression", "table")
"""Modalities that are gene expression, in lower case, in the order in which they are taken."""
_NO_EXPRESSION = frozenset({
    "adt", "prot", "protein", "proteins", "ab", "antibody", "antibodies", "cite", "hto", "atac", "peaks", "crispr",
    "guide", "guides", "grna", "vdj", "airr",
})  # fmt: skip
"""Modalities that are read where they are asked for alone, in lower case."""


class Modality(NamedTuple):
    """The AnnData that is read of a file: its group, its name (empty where it is all of the file), and the others."""

    root: Any
    name: str
    others: tuple[str, ...]


def modality_of(store: Store, asked: str = "") -> Modality:
    """Choose the AnnData of a file: the one asked for, else gene expression, else the only one.

    Raises
    ------
    InputError
        There is none, not the one asked for, or several of which none is called rna.
    """
    holder, known = "", list[str]()
    for name in _HOLDERS:
        group = store.optional(name, store.find, name)
        if group is not None and is_group(group):
            holder, known = name, names(group)
            break
    if not holder:
        if {"obs", "var"} <= set(names(store.root)) and not asked:
            return Modality(store.root, "", ())
        raise InputError(
            f"{store.path} holds no modalities." if asked else f"{store.path} holds no AnnData.",
            expected="one AnnData, or modalities below mod or tables",
            found=listed(map(printable, names(store.root)), 8) or "nothing",
            advice="Leave load_modality out." if asked else "Name the part of it that is an AnnData.",
        )
    likely = [name for word in _EXPRESSION for name in known if name.lower() == word] or (
        known if len(known) == 1 else []
    )
    chosen = asked or (likely[0] if likely else "")
    element = store.find(holder, chosen) if chosen in known else None
    if element is None or not is_group(element):
        shown = listed(map(printable, known), 12)
        raise InputError(
            f"{store.path} holds no modality {asked!r}." if asked else f"{store.path} holds {len(known)} modalities.",
            expected=f"one of {shown}" if asked else "one called rna, or the name of the one to read",
            found=shown,
            advice=f"Name one: --load_modality {printable(known[0])}." if known else "Export the file again.",
        )
    return Modality(element, chosen, tuple(name for name in known if name != chosen))


def _found_in_modality(store: Store, load: LoadParams) -> Found:
    chosen = modality_of(store, load.modality)
    source = f"{store.path} ({chosen.name})" if chosen.name else str(store.path)
    way = f"To read it all the same: --load_modality {printable(chosen.name)}."
    if chosen.name.lower() in _NO_EXPRESSION and not load.modality:
        raise InputError(
            f"{store.path} holds no gene expression.",
            expected="a modality called rna",
            found=f"the modality {printable(chosen.name)} alone",
            advice=f"Read the gene expression of the same cells. {way}",
        )
    kinds = kinds_in(table(store, chosen.root, "var")) if load.modality else None
    found = found_in_store(
        store,
        chosen.root,
        layer=load.layer,
        source=source,
        advice=f"Read the gene expression of the same cells. {way}" if chosen.name else "",
        genes_only=kinds is None or EXPRESSION in kinds,  # other features are read as asked
    )
    return replace(found, notes=(*found.notes, *_said(chosen)), facts=_with_modality(found.facts, chosen))


def _said(chosen: Modality) -> tuple[str, ...]:
    if not chosen.name:
        return ()
    others = f" --load_modality takes another one: {listed(chosen.others, 8)}." if chosen.others else ""
    return (f"Modality {chosen.name}.{others}",)


def _with_modality(facts: Mapping[str, Any], chosen: Modality) -> dict[str, Any]:
    if not chosen.name:
        return dict(facts)
    others = {f"--load_modality {name}": f"the modality {name}" for name in chosen.others}
    alternatives = {**facts.get("alternatives", {}), **others}
    return {**facts, "modality": chosen.name, **({"alternatives": alternatives} if alternatives else {})}


def read_modality(path: Path, load: LoadParams, max_memory: float = 0.0) -> Found:
    """Take the chosen matrix of the chosen AnnData of a file (``modality``, ``layer``).

    Raises
    ------
    InputError
        What :func:`modality_of` and :func:`found_in_store` refuse; or the only modality is no gene expression, and was
        not asked for.
    """
    with opened(path, max_memory) as store:
        return _found_in_modality(store, load)


def whole_modality(path: Path, load: LoadParams) -> Whole:
    """All of the chosen AnnData of a file, for a conversion; raises what :func:`read_modality` does."""
    with opened(path) as store:
        chosen = modality_of(store, load.modality)
        adata, notes, lost = whole_in_store(store, chosen.root)
    return Whole(adata, (*notes, *_said(chosen)), [*(f"the modality {name}" for name in chosen.others), *lost])


def _recognises(start: Start) -> bool:
    return "mod" in start.groups


FORMAT = Format(
    "h5mu",
    "h5mu",
    (".h5mu",),
    _recognises,
    read_modality,
    frozenset({"layer", "modality"}),
    whole=whole_modality,
    about=About(
        tools=("mudata 0.4.1",),
        names="obs and var of the modality",
        matrices=(
            "the modality rna, or the only one unless it is called adt, atac or the like; `--load_modality` takes "
            "another one, `--load_layer` a layer of it"
        ),
        refused=(
            ("antibodies or peaks alone", "--load_modality with the name of the modality reads them all the same"),
            ("several modalities, none of them rna", "name one with --load_modality; the message lists them"),
            ("what is refused of an h5ad", "as there"),
        ),
    ),
)

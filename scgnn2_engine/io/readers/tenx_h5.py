"""10x .h5 files of Cell Ranger 2 (one group for each genome) and 3 (the group ``matrix``)."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.format_detection import Start
from scgnn2_engine.io.format_protocol import About, Format
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.readers.tenx_features import EXPRESSION, Features, with_features
from scgnn2_engine.io.storage.stored import Store, is_group, names, opened, said_of
from scgnn2_engine.params import LoadParams

_PARTS = frozenset({"barcodes", "data", "indices", "indptr"})


def read_tenx_h5(path: Path, load: LoadParams, max_memory: float = 0.0) -> Found:
    """Read a 10x .h5 file of version 2 (one group for each genome) or 3 (the group ``matrix``).

    Parameters
    ----------
    path
        The file.
    load
        ``genome``: which of several genomes to read; empty: the only one, or in version 3 all, which are one matrix.
    max_memory
        GiB it may take; 0 takes what is free.

    Raises
    ------
    InputError
        The file is damaged, holds several genomes in groups of their own, or not the one that is asked for.
    InsufficientMemoryError
        The matrix is expected not to fit.
    """
    genome = load.genome
    with opened(path, max_memory) as store:
        place = _place(store, genome)
        group = store.find(place)
        modern = "features" in names(group)
        size = store.find("shape", start=group)
        shape = () if size is None or is_group(size) or size.shape != (2,) else tuple(map(int, size[:]))
        if len(shape) != 2 or min(shape) < 0:
            raise InputError(
                f"{store.called(place)} says nothing of its size.", expected="genes and cells", found=str(shape)
            )
        n_genes, n_cells = shape
        # stored by columns, genes x cells: read by rows it is the CSR form of cells x genes
        expression = store.compressed(group, place, (n_cells, n_genes), "rows", dtype=np.float32)
        barcodes = store.texts(store.find("barcodes", start=group), f"{place}/barcodes", n_cells)
        features = _features(store, group, place, n_genes, modern=modern)
        said = said_of(store)
    notes: list[str] = []
    warnings = list(said)
    genomes = [name for name in dict.fromkeys(features.columns.get("genome", ())) if name]
    if modern and genome:
        expression, features = _of_genome(str(path), expression, features, genome)
        notes.append(f"Genome {genome}, as asked (load_genome).")
    elif modern and len(genomes) > 1:
        warnings.append(f"{path} holds genes of {len(genomes)} genomes, {listed(genomes)}: --load_genome takes one.")
    found = with_features(str(path), expression, barcodes, features)
    return replace(found, notes=(*found.notes, *notes), warnings=(*found.warnings, *warnings))


def _place(store: Store, genome: str) -> str:
    """The group that holds the matrix."""
    if "matrix" in names(store.root):
        return "matrix"
    groups = [key for key in sorted(names(store.root)) if _is_matrix(store.optional(key, store.find, key))]
    if genome and genome in groups:
        return genome
    if genome or len(groups) != 1:
        raise InputError(
            f"{store.path} holds no genome {genome!r}." if genome else f"{store.path} holds {len(groups)} genomes.",
            expected=f"one of {', '.join(groups)}" if genome else "one, or the name of the one to read",
            found=", ".join(groups),
            advice=f"Name it: --load_genome {groups[0]}." if groups else "Download or export the file again.",
        )
    return groups[0]


def _is_matrix(element: Any) -> bool:
    return element is not None and is_group(element) and set(names(element)) >= _PARTS


def _features(store: Store, group: Any, place: str, length: int, *, modern: bool) -> Features:
    called = {"id": "features/id", "name": "features/name"} if modern else {"id": "genes", "name": "gene_names"}
    ids, symbols = (
        store.texts(store.find(*where.split("/"), start=group), f"{place}/{where}", length) for where in called.values()
    )
    kinds, columns = [EXPRESSION] * length, {"genome": [place] * length}
    if modern:
        kind, genome = (store.find("features", name, start=group) for name in ("feature_type", "genome"))
        where = f"{place}/features"
        kinds = kinds if kind is None else store.texts(kind, f"{where}/feature_type", length)
        genomes = None if genome is None else store.optional("genome", store.texts, genome, f"{where}/genome", length)
        columns = {"genome": _shared(genomes)} if genomes else {}
        kinds = _shared(kinds)
    return Features(ids, symbols, kinds, columns)


def _shared(values: list[str]) -> list[str]:
    """The same texts, each of them kept once."""
    return [*map(sys.intern, values)]


def _of_genome(
    source: str, expression: sp.csr_matrix, features: Features, genome: str
) -> tuple[sp.csr_matrix, Features]:
    """The features of one genome, and their columns."""
    genomes = features.columns.get("genome", [])
    kept = [place for place, name in enumerate(genomes) if name == genome]
    if not kept:
        raise InputError(
            f"{source} holds no genome {genome!r}.",
            expected=f"one of {listed(dict.fromkeys(genomes)) or 'none'}",
            advice="Name another one with --load_genome, or leave it out.",
        )
    ids, symbols, kinds = (
        [values[place] for place in kept] for values in (features.ids, features.symbols, features.kinds)
    )
    return expression[:, kept], Features(ids, symbols, kinds, {"genome": [genome] * len(kept)})


def _recognises(start: Start) -> bool:
    return any(members >= _PARTS for members in start.groups.values())


FORMAT = Format(
    "10x h5",
    "10x .h5",
    (".h5",),
    _recognises,
    read_tenx_h5,
    frozenset({"genome"}),
    about=About(
        tools=("Cell Ranger 1.2, 2 and 3", "Space Ranger", "DropletUtils 1.18.1 (versions 2 and 3 of the format)"),
        names="barcodes; symbols, identifiers where there is none; var['gene_ids'], feature_types and genome are kept",
        matrices="the gene expression; of several genomes --load_genome picks one",
        refused=(
            ("antibodies, guides or peaks without gene expression", "read the gene expression of the same run"),
            ("several genomes", "--load_genome NAME; the message lists them"),
        ),
    ),
)

"""Loom files (velocyto, loompy, kb, SCENIC, scanpy): genes x cells, with attributes of both and layers beside.

Read by h5py alone and in blocks of cells, so that no dense whole is made. ``anndata.io.read_loom`` takes a layer called
``spliced`` as the matrix where there is one, and calls genes 0, 1, … where their names stand under another name.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.format_detection import Start
from scgnn2_engine.io.format_protocol import About, Format, Whole
from scgnn2_engine.io.names import Names, unique_names
from scgnn2_engine.io.raw_table import SPARSE_FROM, Table
from scgnn2_engine.io.readers.loom_axes import axis_of
from scgnn2_engine.io.storage.hdf5_storage import check_storage
from scgnn2_engine.io.storage.matrix_choice import LOOKED_AT, Choice, choose_matrix, counts_elsewhere
from scgnn2_engine.io.storage.stored import Store, is_group, names, opened, printable, said_of
from scgnn2_engine.params import LoadParams

_BLOCK = 64 * 1024**2
"""Bytes of the dense block of cells that is read at once."""


def read_loom(path: Path, load: LoadParams, max_memory: float = 0.0) -> Found:
    """Read a loom file: its main matrix, unless a layer is asked for.

    Parameters
    ----------
    path
        The file.
    load
        ``layer``: a layer of it (``"spliced"``); empty, ``"matrix"`` or ``"X"``: the main matrix.
    max_memory
        GiB it may take; 0 takes what is free.

    Raises
    ------
    InputError
        It is damaged, or has no such layer.
    InsufficientMemoryError
        The matrix is expected not to fit.
    """
    with opened(path, max_memory) as store:
        layers = _layers(store)
        choice = _choose(layers, load.layer)
        dataset, where = _matrix(store, choice.name, layers)
        n_genes, n_cells = dataset.shape
        obs, var = axis_of(store, "col_attrs", n_cells, "cell"), axis_of(store, "row_attrs", n_genes, "gene")
        expression = _read_blocks(store, dataset, where, obs.names, var.names)
        others = {} if load.layer else {name: partial(_first, store, name, layers) for name in choice.alternatives}
        elsewhere = counts_elsewhere(choice, expression, others)
        behind = [name for name in layers if name != choice.name]
        graphs = _graphs(store, "col_graphs", n_cells)
        return Found(
            source=str(path),
            expression=expression,
            obs_names=obs.names,
            var_names=var.names,
            obs=obs.table,
            var=var.table,
            obsm=obs.wide,
            varm=var.wide,
            obsp=graphs,
            facts={
                "orientation": "genes-by-cells",
                "matrix": choice.label,
                **({"alternatives": choice.flags} if choice.alternatives else {}),
            },
            notes=(
                "Orientation genes-by-cells, as loom files are.",
                f"Matrix {choice.label}: {choice.reason}.",
                *obs.notes,
                *var.notes,
                *([f"Not carried through a run: layers {', '.join(behind)}."] if behind else []),
            ),
            warnings=(*([elsewhere] if elsewhere else []), *said_of(store)),
            negative_advice=choice.negative_advice,
        )


def _whole(path: Path, load: LoadParams) -> Whole:
    """All of a loom file; its values as they are."""
    from anndata import AnnData

    with opened(path) as store:
        layers = _layers(store)
        main, where = _matrix(store, "X", layers)
        n_genes, n_cells = main.shape
        obs, var = axis_of(store, "col_attrs", n_cells, "cell"), axis_of(store, "row_attrs", n_genes, "gene")
        (cells, cell_notes), (genes, gene_notes) = unique_names(obs.names, "cell"), unique_names(var.names, "gene")
        adata = AnnData(
            _read_blocks(store, main, where, obs.names, var.names, main.dtype),
            obs=obs.table.set_axis(pd.Index(cells.astype(object)), axis=0),
            var=var.table.set_axis(pd.Index(genes.astype(object)), axis=0),
            obsm=obs.wide,
            varm=var.wide,
            obsp=_graphs(store, "col_graphs", n_cells),
            varp=_graphs(store, "row_graphs", n_genes),
        )
        for name in layers:
            layer = store.optional(f"layers/{name}", _layer, store, name, layers, obs.names, var.names)
            if layer is not None:
                adata.layers[name] = layer
        notes = (*obs.notes, *var.notes, *cell_notes, *gene_notes, *store.doubts)
        return Whole(adata, notes, [f"what cannot be read: {phrase}" for phrase in store.phrases()])


def _choose(layers: list[str], asked: str) -> Choice:
    choice = choose_matrix(layers, has_raw=False, asked=asked or "X", x_name="matrix")
    return choice if asked else replace(choice, reason="the main matrix of the loom file")


def _layers(store: Store) -> list[str]:
    group = store.optional("layers", store.find, "layers")
    return names(group) if group is not None and is_group(group) else []


def _matrix(store: Store, name: str, layers: list[str]) -> tuple[Any, str]:
    """The array of a matrix, and where it lies; nothing is read.

    Raises
    ------
    InputError
        There is none, it holds no numbers, or declares what is not there.
    """
    place = ("layers", name) if name in layers else ("matrix",)
    where = "/".join(place)
    dataset = store.find(*place)
    if dataset is None or is_group(dataset) or len(dataset.shape or ()) != 2 or dataset.dtype.kind not in "biuf":
        raise InputError(
            f"{store.called(where)} is no matrix of numbers.",
            expected="genes x cells",
            found="nothing" if dataset is None else "a group" if is_group(dataset) else f"{dataset.shape}",
            advice="Export or download the file again.",
        )
    doubt = check_storage(dataset, store.called(where))
    store.doubts += [doubt] * bool(doubt)
    return dataset, where


def _layer(store: Store, name: str, layers: list[str], cells: Names, genes: Names) -> Matrix:
    dataset, where = _matrix(store, name, layers)
    return _read_blocks(store, dataset, where, cells, genes, dataset.dtype)


def _read_blocks(
    store: Store, dataset: Any, where: str, cells: Names, genes: Names, dtype: npt.DTypeLike = np.float32
) -> Matrix:
    """Cells x genes of an array of genes x cells; what it will need is told by the first blocks."""
    n_genes, n_cells = dataset.shape
    if (n_genes, n_cells) != (len(genes), len(cells)):
        raise InputError(
            f"{store.called(where)} does not fit the names beside it.",
            expected=f"{len(genes)} genes x {len(cells)} cells",
            found=f"{n_genes} x {n_cells}",
        )
    chunk = 1 if dataset.chunks is None else int(dataset.chunks[1])
    store.reserve(float(np.prod(dataset.chunks or (0,), dtype=float)) * dataset.dtype.itemsize, where)
    width = max(1, _BLOCK // max(1, n_genes * dataset.dtype.itemsize))
    width = min(n_cells, width // chunk * chunk or chunk) or 1
    blocks: list[Matrix] = []
    held = 0.0
    for start in range(0, n_cells, width):
        block = np.asarray(dataset[:, start : start + width]).T
        stored = int(np.count_nonzero(block))
        sparse = stored <= (1 - SPARSE_FROM) * block.size
        blocks.append(sp.csr_matrix(block, dtype=_known(dtype)) if sparse else block.astype(_known(dtype)))
        held += 16.0 * stored if sparse else 8.0 * block.size
        store.expect(held * n_cells / min(n_cells, start + width), where)
    return Table(blocks, cells, genes).assemble(transpose=False, dtype=_known(dtype))


def _known(dtype: npt.DTypeLike) -> npt.DTypeLike:
    """SciPy knows no half precision."""
    return np.float32 if np.dtype(dtype) == np.float16 else dtype


def _first(store: Store, name: str, layers: list[str]) -> npt.NDArray[Any]:
    """Some values of a matrix that is not read; none where it is damaged."""

    def look() -> npt.NDArray[Any]:
        dataset, _ = _matrix(store, name, layers)
        return np.asarray(dataset[:, : max(1, LOOKED_AT // max(1, dataset.shape[0]))], dtype=np.float64).ravel()

    found = store.optional(f"layers/{name}", look)
    return np.zeros(0) if found is None else found


def _graphs(store: Store, place: str, length: int) -> dict[str, Any]:
    """Graphs between cells or genes, (n, n) sparse; those that cannot be read are left out and said."""
    group = store.optional(place, store.find, place)
    if group is None or not is_group(group):
        return {}
    found = {
        name: store.optional(f"{place}/{name}", _graph, store, group, name, place, length) for name in names(group)
    }
    return {printable(name): graph for name, graph in found.items() if graph is not None}


def _graph(store: Store, group: Any, name: str, place: str, length: int) -> sp.csr_matrix:
    parts = [store.find(name, part, start=group) for part in ("a", "b", "w")]
    if any(part is None for part in parts):
        raise InputError(f"{place}/{name} lacks one of its parts.", expected="a, b and w")
    a, b, w = (store.array(part, f"{place}/{name}") for part in parts)
    return sp.coo_matrix((w, (a, b)), shape=(length, length)).tocsr()


def _recognises(start: Start) -> bool:
    return {"matrix", "row_attrs", "col_attrs"} <= start.groups.keys()


FORMAT = Format(
    "loom",
    "loom",
    (".loom",),
    _recognises,
    read_loom,
    frozenset({"layer"}),
    whole=_whole,
    about=About(
        tools=("loompy 3.0.8", "velocyto (its layout)", "anndata 0.12.19"),
        names="cells: CellID, obs_names or barcode; genes: Gene, var_names, gene_name, target_name or Accession",
        matrices="the main matrix; `--load_layer` takes a layer (velocyto: spliced, unspliced, ambiguous)",
        refused=(
            ("a matrix that does not fit the names beside it, or has no attributes", "export or download it again"),
        ),
    ),
)

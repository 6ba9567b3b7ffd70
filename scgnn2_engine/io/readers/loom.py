"""Loom files (velocyto, loompy, kb, SCENIC, scanpy): genes x cells, with attributes of both and layers beside.

Read by h5py alone and in blocks of cells, so that no dense whole is made. ``anndata.io.read_loom`` takes a layer called
``spliced`` as the matrix where there is one, and calls genes 0, 1, … where their names stand under another name.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.data.gene_names import ENSEMBL_GENE
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.format import About, Format, Whole
from scgnn2_engine.io.names import Names, listed, unique_names
from scgnn2_engine.io.start import Start
from scgnn2_engine.io.storage.hdf5_storage import check_storage
from scgnn2_engine.io.storage.matrix_choice import LOOKED_AT, Choice, counts_elsewhere
from scgnn2_engine.io.storage.stored import Store, is_group, names, opened, printable, said_of
from scgnn2_engine.io.table import SPARSE_FROM, Table
from scgnn2_engine.params import LoadParams

_CELL_NAMES = ("CellID", "obs_names", "cell_names", "barcode", "barcodes", "Barcode", "cell_id", "cell_barcode", "Cell")
_GENE_NAMES = (
    "Gene", "var_names", "gene_name", "gene_names", "gene_symbol", "Symbol", "feature_name", "GeneName", "target_name",
    "Accession", "gene_ids", "gene_id", "ensembl_id",
)  # fmt: skip
"""What loompy, velocyto, kb, scanpy and SCENIC call the names, in the order in which they are taken."""
_IDENTIFIERS = ("Accession", "gene_id", "ensembl_id")
_SYMBOLS = tuple(name for name in _GENE_NAMES if name not in (*_IDENTIFIERS, "gene_ids"))
_MOST = 0.5
_NO_NAME = ("", "nan", "NaN", "None", "<NA>")
_MAIN = ("X", "matrix")
_BLOCK = 64 * 1024**2
"""Bytes of the dense block of cells that is read at once."""


class _Axis(NamedTuple):
    """The names along one axis, one-dimensional attributes, those of several columns, and what is to be said."""

    names: Names
    table: pd.DataFrame
    wide: dict[str, Any]
    notes: list[str]


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
        obs, var = _axis(store, "col_attrs", n_cells, "cell"), _axis(store, "row_attrs", n_genes, "gene")
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
        obs, var = _axis(store, "col_attrs", n_cells, "cell"), _axis(store, "row_attrs", n_genes, "gene")
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
    if asked and asked not in (*layers, *_MAIN):
        raise InputError(
            f"There is no layer {asked!r}.",
            expected=f"one of {', '.join((*layers, 'X'))}",
            advice="Name another one with --load_layer (of scgnn2 evaluate and convert: --layer), or leave it out.",
        )
    name = "X" if asked in ("", *_MAIN) and asked not in layers else asked
    why = "as asked (load_layer)" if asked else "the main matrix of the loom file"
    return Choice(name, why, tuple(other for other in (*layers, "X") if other != name), tuple(layers))


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


def _axis(store: Store, place: str, length: int, kind: str) -> _Axis:
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
    return _Axis(found, table.drop(columns=taken) if taken in ("obs_names", "var_names") else table, wide, note)


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
    nameless = np.isin(found, _NO_NAME) & ~np.isin(identifiers, _NO_NAME)
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

"""AnnData in memory and as .h5ad: which of its matrices is read, and why."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.format import Format, Whole
from scgnn2_engine.io.memory import require_memory
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.orientation import decide_orientation
from scgnn2_engine.io.start import BROKEN, Start, cannot_read
from scgnn2_engine.params import LoadParams
from scgnn2_engine.types import Dataset, Matrix

if TYPE_CHECKING:
    import h5py
    from anndata import AnnData

DESCRIPTIONS = ("seurat", "experiment")
"""What of ``uns`` is carried through a run: how an object of R was built."""

_LOOKED_AT = 10_000
"""Stored values by which counts are told from other matrices."""

SCALED = "_scale.data"
"""Scaled expression as Seurat keeps it for its PCA: large, dense, and of no use after another selection of genes."""


@dataclass(frozen=True)
class Choice:
    """Which matrix of an AnnData is read: ``"X"``, ``"raw"`` or the name of a layer, and the reason for it.

    ``alternatives`` are the others, ``layers`` the names of all layers.
    """

    name: str
    reason: str
    alternatives: tuple[str, ...]
    layers: tuple[str, ...]

    @property
    def label(self) -> str:
        """How a message calls it."""
        return self.label_of(self.name)

    @property
    def is_raw(self) -> bool:
        """Whether it is ``.raw``, which has genes of its own."""
        return self.name == "raw" and "raw" not in self.layers

    def label_of(self, name: str) -> str:
        """How a message calls one of the matrices."""
        return f"layers[{name!r}]" if name in self.layers else (".raw" if name == "raw" else "X")

    @property
    def negative_advice(self) -> str:
        """What to do when this matrix is scaled."""
        if not self.alternatives:
            return (
                "It looks scaled, and the data holds no other matrix: start from the unscaled one (in a Seurat object, "
                'make the assay with counts the active one: DefaultAssay(object) <- "RNA").'
            )
        others = " or ".join(f"--load_layer {name}" for name in self.alternatives)
        return f"It looks scaled; take another matrix of this data: {others}."


def choose_matrix(
    layers: Iterable[str], *, has_raw: bool, has_x: bool = True, asked: str = "", x_name: str = ""
) -> Choice:
    """Choose a matrix: the layer asked for, else ``layers['counts']``, else ``.raw``, else ``X``.

    Parameters
    ----------
    layers
        Names of the layers.
    has_raw, has_x
        Whether there is a ``.raw``, and an ``X``.
    asked
        ``load_layer``: the name of a layer, ``"raw"`` or ``"X"``; empty chooses.
    x_name
        What ``X`` is called in the object of R that it comes from; that name is understood too.

    Raises
    ------
    InputError
        The layer asked for is not there, or there is no matrix at all.

    Examples
    --------
    >>> choose_matrix(["counts", "scaled"], has_raw=True).label
    "layers['counts']"
    """
    named = list(layers)
    every = [*named, *(["raw"] if has_raw else []), *(["X"] if has_x else [])]
    asked = "X" if asked and asked == x_name and asked not in named else asked
    if asked:
        if asked not in every:
            known = [f"X ({x_name})" if name == "X" and x_name not in ("", *named) else name for name in every]
            raise InputError(
                f"There is no layer {asked!r}.",
                expected=f"one of {', '.join(known) or 'none'}",
                advice="Name another one with --load_layer (of scgnn2 evaluate and convert: --layer), or leave it out.",
            )
        name, why = asked, "as asked (load_layer)"
    elif "counts" in named:
        name, why = "counts", "the layer of that name"
    elif has_raw:
        name, why = "raw", "there is no layer 'counts'"
    elif has_x:
        name, why = "X", "there is neither a layer 'counts' nor a .raw"
    else:
        raise InputError(
            "The AnnData holds no matrix to read.",
            expected="X, .raw or layers['counts']",
            found=f"layers {', '.join(named) or 'none'}",
            advice="Name a layer with --load_layer.",
        )
    others = tuple(other for other in every if other not in (name, "scale.data"))
    return Choice(name, why, others, tuple(named))


def found_in_anndata(adata: AnnData, *, layer: str = "", source: str = "The AnnData") -> Found:
    """Take the chosen matrix of an AnnData with its names and cell annotation; ``adata`` is left as it is."""
    choice = choose_matrix(
        adata.layers.keys(),
        has_raw=adata.raw is not None,
        has_x=adata.X is not None,
        asked=layer,
        x_name=_name_of_x(adata.uns),
    )
    matrix, var = _matrix_of(adata, choice.name, choice.layers), adata.raw.var if choice.is_raw else adata.var
    beside = {
        "obsm": dict(adata.obsm),
        "obsp": dict(adata.obsp),
        "varm": {} if choice.is_raw else dict(adata.varm),
    }
    others = {} if layer else {name: _matrix_of(adata, name, choice.layers) for name in choice.alternatives}
    elsewhere = _counts_elsewhere(choice, matrix, others)
    return _found(source, choice, matrix, adata.obs.copy(), var.copy(), beside, adata.uns, elsewhere)


def _matrix_of(adata: AnnData, name: str, layers: Collection[str]) -> Any:
    return adata.layers[name] if name in layers else adata.raw.X if name == "raw" else adata.X


def read_h5ad(path: Path, *, layer: str = "", max_memory: float = 0.0) -> Found:
    """Read the chosen matrix of an .h5ad file, its names and its cell annotation; nothing else of it is loaded.

    Raises
    ------
    InputError
        The file is damaged, or the layer is not there.
    InsufficientMemoryError
        The matrix is expected not to fit.
    """
    import anndata
    import h5py
    from anndata.io import read_elem

    try:
        with h5py.File(path) as file:
            layers = list(file["layers"].keys()) if "layers" in file else []
            described = {
                key: read_elem(file["uns"][key]) for key in DESCRIPTIONS if "uns" in file and key in file["uns"]
            }
            choice = choose_matrix(
                layers, has_raw="raw" in file, has_x="X" in file, asked=layer, x_name=_name_of_x(described)
            )
            place = _place(choice.name, layers)
            var_place = "raw/var" if choice.is_raw else "var"
            modern = all("encoding-type" in file[key].attrs for key in (place, "obs", var_place) if key in file)
            if modern or place in file:
                require_memory(_bytes_of(file[place]), f"{path} ({choice.label})", max_memory)
            if modern:
                obs, var = read_elem(file["obs"]), read_elem(file[var_place])
                beside = {key: read_elem(file[key]) for key in ("obsm", "varm", "obsp") if key in file}
                if choice.is_raw:
                    beside["varm"] = {}
                others = {} if layer else {name: file[_place(name, layers)] for name in choice.alternatives}
                elsewhere = _counts_elsewhere(choice, file[place], others)
                return _found(str(path), choice, read_elem(file[place]), obs, var, beside, described, elsewhere)
        with warnings.catch_warnings():  # files of anndata before 0.8 are read with a warning that they are old
            warnings.simplefilter("ignore")
            return found_in_anndata(anndata.read_h5ad(path), layer=layer, source=str(path))
    except InputError:
        raise
    except (*BROKEN, KeyError, ValueError, TypeError, AttributeError) as error:
        raise cannot_read(path, error) from error


def _place(name: str, layers: Collection[str]) -> str:
    """Where a matrix lies in a file."""
    return f"layers/{name}" if name in layers else ("raw/X" if name == "raw" else "X")


def _counts_elsewhere(choice: Choice, taken: Any, others: Mapping[str, Any]) -> str:
    """A sentence where another matrix holds counts and the chosen one does not; empty else."""
    if _are_counts(taken):
        return ""
    for name, matrix in others.items():
        if _are_counts(matrix):
            return (
                f"Matrix {choice.label} holds no counts, but {choice.label_of(name)} holds whole numbers: if these are "
                f"the counts, --load_layer {name} takes them. Rates, and the shares of bulk, need counts."
            )
    return ""


def _are_counts(matrix: Any) -> bool:
    """Whether the first stored values of a matrix, in memory or in a file, are whole numbers and none is negative."""
    if hasattr(matrix, "keys"):  # a sparse matrix in a file
        values = matrix["data"][:_LOOKED_AT] if "data" in matrix else np.zeros(0)
    elif sp.issparse(matrix):
        values = matrix.data[:_LOOKED_AT]
    else:
        values = np.asarray(matrix[: max(1, _LOOKED_AT // max(1, matrix.shape[1]))])
    values = values[values != 0]
    return bool(len(values)) and bool((values > 0).all()) and bool((values == np.rint(values)).all())


def _name_of_x(uns: Mapping[str, Any]) -> str:
    return str(next((uns[key]["X"] for key in DESCRIPTIONS if key in uns and "X" in uns[key]), ""))


def to_anndata(dataset: Dataset) -> AnnData:
    """Make an AnnData of a data set: expression in ``X``, what came with it, and in ``uns`` what was detected.

    Labels appear where the data set's own annotation holds them (``simulate`` puts them in ``obs['cell_type']``);
    sealed labels stay sealed.

    Examples
    --------
    >>> from scgnn2_engine.simulation import simulate
    >>> adata = to_anndata(simulate(20, 50, n_types=2))
    >>> adata.shape, list(adata.obs.columns)
    ((20, 50), ['cell_type'])
    """
    from anndata import AnnData

    index = pd.Index(dataset.obs_names.astype(object))
    obs = pd.DataFrame(index=index) if dataset.obs is None else dataset.obs.set_axis(index, axis=0)
    genes = pd.Index(dataset.var_names.astype(object))
    var = pd.DataFrame(index=genes) if dataset.var is None else dataset.var.set_axis(genes, axis=0)
    expression: Any = dataset.expression
    adata = AnnData(expression.copy(), obs=obs.copy(), var=var.copy(), obsm=dict(dataset.obsm))
    adata.uns |= dataset.uns
    adata.uns["scgnn2_input"] = {"scale": dataset.scale, "notes": list(dataset.notes)}
    return adata


def _found(
    source: str,
    choice: Choice,
    matrix: Any,
    obs: pd.DataFrame,
    var: pd.DataFrame,
    beside: Mapping[str, Mapping[str, Any]],
    uns: Mapping[str, Any],
    elsewhere: str,
) -> Found:
    obs_names = np.asarray(obs.index.astype(str), dtype=np.str_)
    genes = np.asarray(var.index.astype(str), dtype=np.str_)
    against = decide_orientation(genes[:2000], obs_names[:2000], "genes-by-cells").warning
    swapped = (
        f"{source} has cells called {listed(obs_names, 2)} and genes called {listed(genes, 2)}: it looks transposed."
    )
    return Found(
        source=source,
        expression=_as_matrix(matrix),
        obs_names=obs_names,
        var_names=genes,
        obs=obs,
        var=var,
        obsm={key: values for key, values in beside.get("obsm", {}).items() if not key.endswith(SCALED)},
        varm=beside.get("varm", {}),
        obsp={key: values for key, values in beside.get("obsp", {}).items() if sp.issparse(values)},
        uns={key: uns[key] for key in DESCRIPTIONS if key in uns},
        facts={"orientation": "cells-by-genes", "matrix": choice.label},
        notes=(
            "Orientation cells-by-genes, as AnnData is.",
            f"Matrix {choice.label}: {choice.reason}.",
            *(
                f"{key} is not carried through a run: of another selection of genes it must be made again."
                for key in beside.get("obsm", {})
                if key.endswith(SCALED)
            ),
        ),
        warnings=(*([swapped] if against else []), *([elsewhere] if elsewhere else [])),
        negative_advice=choice.negative_advice,
    )


def _as_matrix(matrix: Any) -> Matrix:
    if sp.issparse(matrix):
        return matrix if isinstance(matrix, sp.csr_matrix) else sp.csr_matrix(matrix)
    if isinstance(matrix, np.ndarray):
        return np.asarray(matrix)
    if hasattr(matrix, "to_memory"):  # a file-backed sparse matrix
        return sp.csr_matrix(matrix.to_memory())
    return np.asarray(matrix[:])  # a file-backed dense one


def _bytes_of(element: h5py.Group | h5py.Dataset) -> float:
    """Bytes at the peak: the stored matrix as it is, beside its float32 form."""
    import h5py

    if isinstance(element, h5py.Dataset):
        return float(np.prod(element.shape)) * (int(element.dtype.itemsize) + 4)
    sizes = int(element["data"].dtype.itemsize) + int(element["indices"].dtype.itemsize) + 8
    return float(element["data"].shape[0]) * sizes


def _read(path: Path, load: LoadParams, max_memory: float) -> Found:
    return read_h5ad(path, layer=load.layer, max_memory=max_memory)


def _whole(path: Path, load: LoadParams) -> Whole:
    import anndata

    try:
        with warnings.catch_warnings():  # of anndata before 0.8, and of names that repeat
            warnings.simplefilter("ignore")
            return Whole(anndata.read_h5ad(path), (), [])
    except (*BROKEN, KeyError, ValueError, TypeError, AttributeError) as error:
        raise cannot_read(path, error) from error


def _recognises(start: Start) -> bool:
    return {"obs", "var"} <= start.groups.keys()


FORMAT = Format("h5ad", "h5ad", (".h5ad",), _recognises, _read, frozenset({"layer"}), whole=_whole)

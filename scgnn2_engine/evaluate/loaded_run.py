"""A finished run, read back with what was hidden from it, so that it can be scored again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import SAMPLE
from scgnn2_engine.io.results.saved import read_embedding, read_table
from scgnn2_engine.io.results.saved_prepared import DAMAGED, no_result, refuse_torn, saved_prepared
from scgnn2_engine.io.storage.hdf5_probe import check_walk

OWN_LAYERS = "scgnn2_"
IMPUTED, VALUE = "scgnn2_imputed", "scgnn2_value"
KNOW_HELD_OUT = frozenset({"scgnn2_expected", "scgnn2_rate"})
"""Outputs that take the entries held out of the training as they were seen."""


def is_run(path: Path) -> bool:
    """Whether this is the output folder of a run, or its ``result.h5ad``."""
    if path.is_dir():
        return (path / "result.h5ad").is_file()
    if path.suffix != ".h5ad" or not path.is_file():
        return False
    import h5py

    try:
        with h5py.File(path) as file:
            return "uns/scgnn2" in file and "layers/scgnn2_imputed" in file
    except OSError:
        return False


@dataclass(frozen=True)
class LoadedRun:
    """A run as it was saved.

    Attributes
    ----------
    prepared
        As in the :class:`~scgnn2_engine.results.result.Result`, LTMG states left out.
    imputed
        (n_obs, n_vars) float32, ln(1 + x): the imputed expression, or the layer that was asked for.
    labels
        (n_obs,) clusters.
    value
        (n_obs, n_vars) float32 the value of each gene where it is seen, where the imputed expression is another answer
        and no layer was asked for.
    knows_held_out
        Whether ``imputed`` was made with the entries that were held out of the training.
    embeddings
        ``feature``, ``graph`` and, of a whole output folder, ``clustering``: (n_obs, d) float32.
    adjacency
        (n_obs, n_obs) sparse weights of the cell graph.
    history
        (n_obs,) clusters of every iteration; none without the whole folder.
    samples
        The sample of each cell by its name, where several were joined.
    """

    prepared: Prepared
    imputed: npt.NDArray[np.float32]
    labels: npt.NDArray[Any]
    value: npt.NDArray[np.float32] | None
    knows_held_out: bool
    embeddings: Mapping[str, npt.NDArray[np.float32]]
    adjacency: sp.csr_matrix
    history: tuple[npt.NDArray[Any], ...]
    samples: Mapping[str, str] = field(default_factory=dict)


def read_run(path: Path, layer: str = "") -> LoadedRun:
    """What a run trained on, what it imputed, and its clusters.

    Parameters
    ----------
    path
        The output folder of a run, or its ``result.h5ad``.
    layer
        One of the outputs that the run wrote beside the imputed expression, such as ``"scgnn2_rate"``.

    Raises
    ------
    InputError
        The file is damaged, or of a version that did not say which entries were hidden; it has no such layer.
    """
    import anndata

    file = path / "result.h5ad" if path.is_dir() else path
    check_walk(file)
    try:
        adata = anndata.read_h5ad(file)
        prepared = saved_prepared(adata)
        layers = {name: matrix for name, matrix in adata.layers.items() if name.startswith(OWN_LAYERS)}
        refuse_torn(*layers.values(), adata.obsp["scgnn2_connectivities"])
        imputed = np.asarray(layers[IMPUTED], dtype=np.float32)
        labels = adata.obs["scgnn2_cluster"].astype(str).to_numpy()
        embeddings = {kind: np.asarray(adata.obsm[f"X_scgnn2_{kind}"]) for kind in ("feature", "graph")}
        adjacency = sp.csr_matrix(adata.obsp["scgnn2_connectivities"])
    except DAMAGED as error:
        raise no_result(file, error) from error
    if layer and layer not in layers:
        raise InputError(f"{file} has no layer {layer!r}.", expected=", ".join(sorted(layers)))
    value = None if VALUE not in layers else np.asarray(layers[VALUE], dtype=np.float32)
    names = prepared.obs_names
    return LoadedRun(
        prepared,
        np.asarray(layers[layer], dtype=np.float32) if layer else imputed,
        labels,
        value if layer in ("", IMPUTED) else None,
        layer in KNOW_HELD_OUT or (layer in ("", IMPUTED) and value is not None),
        embeddings | _clustering_embedding(file.parent, names),
        adjacency,
        _history(file.parent, names),
        dict(zip(names, adata.obs[SAMPLE].astype(str), strict=True)) if SAMPLE in adata.obs else {},
    )


def _clustering_embedding(folder: Path, names: npt.NDArray[np.str_]) -> dict[str, npt.NDArray[np.float32]]:
    """What was clustered, which stands in a file of its own; empty where that is not there, or of other cells."""
    if not (folder / "clustering_embedding.csv").is_file():
        return {}
    found = read_embedding(folder, "clustering")
    return {"clustering": found.to_numpy(np.float32)} if np.array_equal(found.index, names) else {}


def _history(folder: Path, names: npt.NDArray[np.str_]) -> tuple[npt.NDArray[Any], ...]:
    """The clusters of every iteration; none where their file is not there, or of other cells."""
    file = folder / "labels_history.csv"
    if not file.is_file():
        return ()
    table = read_table(file, dtype=str)
    found = table.set_index(table.columns[0]).fillna("")
    return tuple(found[column].to_numpy() for column in found) if np.array_equal(found.index, names) else ()

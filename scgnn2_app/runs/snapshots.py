"""What a run leaves of every iteration, so that the graph of any of them can be shown, while it runs and later.

In ``snapshots/`` of the run's folder: ``data.h5ad``, and ``iteration_<i>.npz``, NumPy archives without pickles.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import InputError
from scgnn2_engine.io import whole_file
from scgnn2_engine.io.labels import matched_labels
from scgnn2_engine.io.storage.storing import write_h5ad
from scgnn2_engine.results.state import LoopState

FOLDER = "snapshots"
DATA = "data.h5ad"
RESULT = "result.h5ad"
"""What a finished run leaves beside that folder."""


@dataclass(frozen=True)
class Snapshot:
    """One iteration of a run.

    Attributes
    ----------
    iteration
        1-based.
    labels
        (n_obs,) int32 clusters, numbered from 0.
    graph_embedding, feature_embedding
        (n_obs, ·) float32.
    edges
        (2, n_edges) int32, each pair of neighbours once, the smaller position first.
    weights
        (n_edges,) float32.
    """

    iteration: int
    labels: npt.NDArray[np.int32]
    graph_embedding: npt.NDArray[np.float32]
    feature_embedding: npt.NDArray[np.float32]
    edges: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


def save_data(folder: Path, prepared: Prepared, obs: pd.DataFrame | None = None, labels: str = "") -> None:
    """Write ``snapshots/data.h5ad`` of a run's folder, so that nobody need open the user's files again.

    Parameters
    ----------
    folder
        The run's folder.
    prepared
        The kept cells and genes; their expression is written as it was given, entries that a benchmark hides among it.
    obs
        (n_obs, ...) what the data says of the kept cells, or None.
    labels
        A file of labels, which become a column of its name; what is no file is passed over.

    Raises
    ------
    OutputError
        It cannot be written, or the disk is full.
    """
    from anndata import AnnData

    index = pd.Index(prepared.obs_names.astype(object))
    table = pd.DataFrame(index=index) if obs is None else obs.set_axis(index, axis=0)
    if labels and Path(labels).is_file():
        found = matched_labels(Path(labels), prepared.obs_names, table.get("sample", ()))[0]
        table = table.assign(**{Path(labels).name: pd.Categorical(found)})
    genes = pd.DataFrame(index=pd.Index(prepared.var_names.astype(object)))
    own = {"scgnn2": {"scale_of_X": prepared.scale}}  # where a result has it
    with whole_file(folder / FOLDER / DATA) as temporary:
        write_h5ad(AnnData(prepared.expression, obs=table, var=genes, uns=own), temporary)


def load_annotation(folder: Path) -> pd.DataFrame | None:
    """(n_obs, ...) the cells of :func:`save_data`; None where there is nothing that can be read."""
    from anndata.io import read_elem

    try:
        with h5py.File(folder / FOLDER / DATA) as file:
            return pd.DataFrame(read_elem(file["obs"]))
    except (OSError, KeyError, ValueError, TypeError):
        return None


def load_shape(folder: Path) -> tuple[int, int] | None:
    """Cells and genes that a run trains on; None where it has not come that far."""
    try:
        with h5py.File(folder / FOLDER / DATA) as file:
            n_obs, n_vars = (len(file[axis][file[axis].attrs["_index"]]) for axis in ("obs", "var"))
            return n_obs, n_vars
    except (OSError, KeyError):
        return None


def save_iteration(folder: Path, state: LoopState) -> None:
    """Write ``snapshots/iteration_<i>.npz`` of a run's folder.

    Raises
    ------
    OutputError
        It cannot be written, or the disk is full.
    """
    upper = sp.triu(state.graph.adjacency(weighted=True), k=1).tocoo()
    _save(
        folder / FOLDER / f"iteration_{state.iteration}.npz",
        {
            "labels": state.labels,
            "graph_embedding": state.graph_embedding,
            "feature_embedding": state.feature_embedding,
            "edges": np.stack([upper.row, upper.col]).astype(np.int32),
            "weights": upper.data.astype(np.float32),
        },
    )


def iterations(folder: Path) -> list[int]:
    """The iterations of a run whose snapshots are there, in order."""
    found = (re.fullmatch(r"iteration_(\d+)\.npz", path.name) for path in (folder / FOLDER).glob("iteration_*.npz"))
    return sorted(int(match[1]) for match in found if match)


def load_iteration(folder: Path, iteration: int) -> Snapshot:
    """Read one iteration of a run.

    Raises
    ------
    InputError
        It is not there or damaged; the iterations that are there are listed.
    """
    return Snapshot(iteration=iteration, **_of_iteration(folder, iteration))


def load_labels(folder: Path, iteration: int) -> npt.NDArray[np.int32]:
    """(n_obs,) clusters of one iteration; nothing else of it is read.

    Raises
    ------
    InputError
        As :func:`load_iteration`.
    """
    labels: npt.NDArray[np.int32] = _of_iteration(folder, iteration, "labels")["labels"]
    return labels


def _of_iteration(folder: Path, iteration: int, *names: str) -> dict[str, Any]:
    path = folder / FOLDER / f"iteration_{iteration}.npz"
    there = ", ".join(str(number) for number in iterations(folder)) or "none"
    return _load(path, f"iteration {iteration} of this run", f"the iterations {there}", *names)


def _save(path: Path, arrays: dict[str, Any]) -> None:
    with whole_file(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)


def _load(path: Path, what: str, found: str, *names: str) -> dict[str, Any]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in names or archive.files}
    except FileNotFoundError as error:
        raise InputError(f"There is no snapshot of {what}.", expected=path.name, found=found) from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"The snapshot of {what} is damaged: {error}.") from error

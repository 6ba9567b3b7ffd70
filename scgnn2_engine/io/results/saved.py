"""Reading back what a run left in its output folder, for figures and comparisons."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.data.dataset import Ints, Matrix, Scale
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.labels import labels_by_cell
from scgnn2_engine.io.results.result_tables import TABLES
from scgnn2_engine.io.results.saved_prepared import DAMAGED, no_result, refuse_torn
from scgnn2_engine.io.storage.hdf5_probe import check_walk

UNREADABLE = (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError)


@dataclass(frozen=True)
class SavedExpression:
    """The matrices of a ``result.h5ad``.

    Attributes
    ----------
    imputed
        (n_obs, n_vars) float32, ln(1 + expression).
    observed
        (n_obs, n_vars) the expression as it was given, dense or CSR, on the scale named by ``scale``.
    labels
        (n_obs,) int64 clusters.
    obs_names, var_names
        (n_obs,), (n_vars,) names.
    hidden_entries
        How many observed entries a benchmark run hid; 0 in a normal run.
    """

    imputed: npt.NDArray[np.float32]
    observed: Matrix
    labels: Ints
    obs_names: npt.NDArray[np.str_]
    var_names: npt.NDArray[np.str_]
    scale: Scale
    hidden_entries: int


def read_labels(path: str | Path, known: Collection[str] = ()) -> pd.Series:
    """Labels by cell name, read as a run reads them (:func:`~scgnn2_engine.io.labels.matched_labels`).

    Parameters
    ----------
    path
        A file of cell names and labels, or the output folder of a run.
    known
        Names of cells, by which a file without a header is told.

    Returns
    -------
    pandas.Series
        Strings, indexed by cell name, named after their column; ``""`` where a cell has no label.

    Raises
    ------
    InputError
        The file is not there, does not say which column holds the labels, or gives a cell two of them.
    """
    column, labels = labels_by_cell(_inside(path, "labels.csv"), known)
    return pd.Series(list(labels.values()), index=pd.Index(list(labels), name="cell"), name=column, dtype=object)


def read_embedding(path: str | Path, kind: str = "graph") -> pd.DataFrame:
    """An embedding by cell name, shape (n_obs, d); ``kind``: graph, feature or clustering."""
    path = _inside(path, f"{kind}_embedding.csv")
    frame = read_table(path, dtype={0: str})
    values = frame.iloc[:, 1:].set_axis(pd.Index(frame.iloc[:, 0].astype(str), name="cell"))
    if values.empty or not all(np.issubdtype(dtype, np.number) for dtype in values.dtypes):
        raise InputError(
            f"{path} is not an embedding.",
            expected="cell names, then columns of numbers",
            found=f"columns {', '.join(map(str, frame.columns[:4]))}",
        )
    return values.astype(np.float32)


def read_edges(
    path: str | Path, obs_names: npt.NDArray[np.str_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The edges of a ``graph_edgeList.csv`` as positions in ``obs_names``.

    Returns
    -------
    edges, weights
        (2, n_edges) int64 and (n_edges,) float64.

    Raises
    ------
    InputError
        The file is not there, lacks one of the columns Start, End, Weight, or names an unknown cell.
    """
    path = _inside(path, "graph_edgeList.csv")
    frame = read_table(path, dtype={"Start": str, "End": str})
    _require_columns(path, frame, ("Start", "End", "Weight"))
    _require_numbers(path, frame, "Weight")
    positions = pd.Index(obs_names)
    edges = np.stack([positions.get_indexer(frame[end]) for end in ("Start", "End")]).astype(np.int64)
    if np.any(edges < 0):
        end, row = np.argwhere(edges < 0)[0]
        raise InputError(
            f"{path} names the cell {frame[('Start', 'End')[end]].iloc[row]!r}, which is not in the data.",
            expected=f"one of {len(obs_names)} cell names",
            advice="Take the files of one run.",
        )
    return edges, frame["Weight"].to_numpy(np.float64)


def read_metrics(path: str | Path) -> pd.DataFrame:
    """The scores of every iteration, one row each."""
    path = _inside(path, "metrics.csv")
    frame = read_table(path)
    _require_columns(path, frame, ("iteration",))
    for column in frame.columns.drop("selected", errors="ignore"):
        _require_numbers(path, frame, column)
    return frame


def read_losses(path: str | Path) -> pd.DataFrame:
    """The loss of every epoch: stage, iteration, cluster, epoch, name, value."""
    path = _inside(path, "losses.csv")
    frame = read_table(path)
    _require_columns(path, frame, ("stage", "iteration", "cluster", "epoch", "name", "value"))
    for column in ("iteration", "epoch", "value"):
        _require_numbers(path, frame, column)
    return frame


def read_saved_expression(path: str | Path) -> SavedExpression:
    """Imputed and observed expression of a ``result.h5ad`` or of the output folder that holds it.

    Raises
    ------
    InputError
        The file is not there, is damaged, or was not written by this program.
    """
    import anndata

    path = _inside(path, "result.h5ad")
    check_walk(path)
    try:
        adata = anndata.read_h5ad(path)
        saved = adata.uns["scgnn2"]
        refuse_torn(adata.X, adata.layers["scgnn2_imputed"])
        return SavedExpression(
            imputed=adata.layers["scgnn2_imputed"],
            observed=adata.X,
            labels=adata.obs["scgnn2_cluster"].astype(str).astype(np.int64).to_numpy(),
            obs_names=adata.obs_names.to_numpy(str),
            var_names=adata.var_names.to_numpy(str),
            scale=saved["scale_of_X"],
            hidden_entries=int(saved["hidden_entries"]),
        )
    except DAMAGED as error:
        raise no_result(path, error) from error


@dataclass(frozen=True)
class SavedObserved:
    """What a run was given, of all genes: (n_obs, n_vars) ``expression`` on ``scale``, and annotation."""

    expression: Matrix
    scale: Scale
    var_names: npt.NDArray[np.str_]
    obs: pd.DataFrame


def read_observed(path: str | Path) -> SavedObserved:
    """The observed expression of a finished run, of every gene of the input; its imputed values are not read.

    Raises
    ------
    InputError
        The file is not there, is damaged, or was not written by this program.
    """
    import h5py
    from anndata.io import read_elem

    path = _inside(path, "result.h5ad")
    check_walk(path)
    try:
        with h5py.File(path) as file:
            place = "raw/" if "raw/X" in file else ""
            names = read_elem(file[f"{place}var"]).index.to_numpy(str)
            scale = read_elem(file["uns/scgnn2"])["scale_of_X"]
            expression = read_elem(file[f"{place}X"])
            refuse_torn(expression)
            return SavedObserved(expression, scale, names, read_elem(file["obs"]))
    except DAMAGED as error:
        raise no_result(path, error) from error


def _inside(path: str | Path, name: str) -> Path:
    path = Path(path)
    found = path / name if path.is_dir() else path
    if not found.is_file():
        raise InputError(
            f"{found} does not exist.",
            expected="a file, or the output folder of a finished run",
            advice=f"A finished run leaves {len(TABLES)} tables, {name} among them: check the path.",
        )
    return found


def read_table(path: Path, dtype: Any = None) -> pd.DataFrame:
    """A csv; ``dtype`` by column name or position. Only empty fields are missing: a cell may be called NA."""
    try:
        return pd.read_csv(path, dtype=dtype, keep_default_na=False, na_values=[""])
    except (*UNREADABLE, OSError) as error:
        raise InputError(
            f"{path} cannot be read as a table: {error}.",
            expected="a csv with a header",
            advice="Check that the file is complete.",
        ) from error


def _require_numbers(path: Path, frame: pd.DataFrame, column: str) -> None:
    if not pd.api.types.is_numeric_dtype(frame[column]):
        raise InputError(
            f"{path} holds other things than numbers in its column {column}.",
            expected="numbers",
            advice="Check that the file is complete, or take a table that scgnn2 wrote.",
        )


def _require_columns(path: Path, frame: pd.DataFrame, names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise InputError(
            f"{path} lacks the column {missing[0]}.",
            expected=", ".join(names),
            found=", ".join(map(str, frame.columns[:8])),
            advice="Take a table that scgnn2 wrote.",
        )

"""What a run trained on, from its ``result.h5ad``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix, Scale
from scgnn2_engine.data.normalise import log_matrix, logged_values
from scgnn2_engine.data.prepared import HiddenEntries, Prepared
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.storage.hdf5_probe import check_walk

if TYPE_CHECKING:
    from anndata import AnnData

DAMAGED = (OSError, KeyError, ValueError, TypeError, IndexError, AttributeError)
"""What reading a file raises that is not the result of a run, or not all of it."""


def saved_prepared(adata: AnnData) -> Prepared:
    """What was trained on, LTMG states left out.

    Parameters
    ----------
    adata
        A ``result.h5ad``; layers are not looked at.

    Raises
    ------
    KeyError
        It was not written by this program, or by a version that did not say which entries were hidden.
    ValueError
        Its matrix is damaged.
    """
    saved = adata.uns["scgnn2"]
    refuse_torn(adata.X)
    scale, factors = saved["scale_of_X"], np.asarray(saved["size_factors"], dtype=np.float32)
    hidden = _entries(saved.get("hidden_positions"), adata.X, scale, None)
    validation = _entries(saved.get("held_out_positions"), adata.X, scale, factors)
    return Prepared(
        x=log_matrix(adata.X, scale, factors, (hidden, validation)),
        size_factors=factors,
        expression=adata.X,
        scale=scale,
        obs_names=adata.obs_names.to_numpy(str),
        var_names=adata.var_names.to_numpy(str),
        cells=np.arange(adata.n_obs),
        genes=np.arange(adata.n_vars),
        hidden=hidden,
        validation=validation,
    )


def read_prepared(folder: str | Path) -> Prepared:
    """What a run trained on, from its output folder; layers are not read.

    Raises
    ------
    InputError
        There is no ``result.h5ad``, or it is damaged or of another kind.
    """
    import anndata
    import h5py

    path = Path(folder) / "result.h5ad"
    if not path.is_file():
        raise InputError(
            f"There is no result.h5ad in {folder}, which has the data of a run.",
            expected="the output folder of a finished run",
            found="a model alone",
            advice="Model.load(folder, data) takes the data from you.",
        )
    check_walk(path)
    try:
        with h5py.File(path) as file:
            parts = {name: anndata.io.read_elem(file[name]) for name in ("X", "obs", "var", "uns")}
        return saved_prepared(anndata.AnnData(parts["X"], parts["obs"], parts["var"], uns=parts["uns"]))
    except DAMAGED as error:
        raise no_result(path, error) from error


def read_map(folder: str | Path) -> npt.NDArray[np.float32] | None:
    """(n_obs, 2) map of a run's cells, None where none was drawn.

    Raises
    ------
    InputError
        The file is not there, or is damaged.
    """
    import h5py

    path = Path(folder) / "result.h5ad"
    try:
        check_walk(path)
        with h5py.File(path) as file:
            return np.asarray(file["obsm/X_scgnn2_umap"], np.float32) if "obsm/X_scgnn2_umap" in file else None
    except DAMAGED as error:
        raise no_result(path, error) from error


def refuse_torn(*matrices: Any) -> None:
    """Raise ``ValueError`` where a sparse matrix points outside itself: SciPy would follow it out of its memory."""
    for matrix in matrices:
        if sp.issparse(matrix):
            matrix.check_format(full_check=True)


def no_result(path: Path, error: Exception) -> InputError:
    """The error for a ``result.h5ad`` that cannot be read."""
    return InputError(
        f"{path} is not the result of a run: {error}.",
        expected="a result.h5ad of this version of scgnn2 run",
        advice="Give the output folder of a finished run, or repeat the run.",
    )


def _entries(
    at: Any, expression: Matrix, scale: Scale, factors: npt.NDArray[np.float32] | None
) -> HiddenEntries | None:
    if at is None:
        return None
    rows, cols = np.asarray(at, dtype=np.int64)
    return HiddenEntries(rows, cols, logged_values(expression, scale, rows, cols, factors))

"""A finished run, read back with what was hidden from it, so that it can be scored again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.errors import InputError
from scgnn2_engine.prepare.normalise import log_matrix, logged_values
from scgnn2_engine.types import HiddenEntries, Matrix, Prepared, Scale


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


def read_run(path: Path) -> tuple[Prepared, npt.NDArray[np.float32], npt.NDArray[Any]]:
    """What a run trained on, what it imputed, and its clusters.

    Parameters
    ----------
    path
        The output folder of a run, or its ``result.h5ad``.

    Returns
    -------
    prepared, imputed, labels
        As in the :class:`~scgnn2_engine.types.Result`, LTMG states left out.

    Raises
    ------
    InputError
        The file is damaged, or of a version that did not say which entries were hidden.
    """
    import anndata

    file = path / "result.h5ad" if path.is_dir() else path
    try:
        adata = anndata.read_h5ad(file)
        saved = adata.uns["scgnn2"]
        scale, factors = saved["scale_of_X"], np.asarray(saved["size_factors"], dtype=np.float32)
        positions = {name: saved.get(name) for name in ("hidden_positions", "held_out_positions")}
        imputed = np.asarray(adata.layers["scgnn2_imputed"], dtype=np.float32)
        labels = adata.obs["scgnn2_cluster"].astype(str).to_numpy()
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{file} is not the result of a run: {error}.",
            expected="a result.h5ad of this version of scgnn2 run",
            advice="Give the output folder of a finished run, or repeat the run.",
        ) from error
    hidden = _entries(positions["hidden_positions"], adata.X, scale, None)
    validation = _entries(positions["held_out_positions"], adata.X, scale, factors)
    prepared = Prepared(
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
    return prepared, imputed, labels


def _entries(
    at: Any, expression: Matrix, scale: Scale, factors: npt.NDArray[np.float32] | None
) -> HiddenEntries | None:
    if at is None:
        return None
    rows, cols = np.asarray(at, dtype=np.int64)
    return HiddenEntries(rows, cols, logged_values(expression, scale, rows, cols, factors))

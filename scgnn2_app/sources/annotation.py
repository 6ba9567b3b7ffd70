"""What the data of a run says of its cells, for the time until the run's own result says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_app.sources.source import Source
from scgnn2_engine.io.demo import LABEL_COLUMN


def annotation(source: Source, obs_names: npt.NDArray[np.str_]) -> pd.DataFrame:
    """The annotation of the cells that a run kept; without columns where the data has none or is gone by now.

    Parameters
    ----------
    source
        The data of the run: of the demo and of .h5ad files ``obs`` is read, and nothing else of them.
    obs_names
        (n_obs,) names of the kept cells.
    """
    index = pd.Index(obs_names)
    try:
        found = _obs(source)
    except (OSError, KeyError, ValueError, TypeError):  # moved or changed since: the run read it in time
        found = None
    if found is None:
        return pd.DataFrame(index=index)
    found.index = found.index.astype(str)
    return found.reindex(index) if found.index.is_unique else pd.DataFrame(index=index)


def label_name(source: Source, params: Mapping[str, Any]) -> str:
    """The column or file of the known labels, as the run was given it; ``""`` without."""
    own = source.labels or (LABEL_COLUMN if source.kind == "demo" else "")
    return str(params.get("load_cell_type_labels") or own)


def _obs(source: Source) -> pd.DataFrame | None:
    if source.kind == "demo":
        from scgnn2_engine.io.demo import demo

        return pd.DataFrame(demo().obs)
    if not source.path.endswith(".h5ad"):
        return None
    import h5py
    from anndata.io import read_elem

    with h5py.File(source.path, "r") as file:
        return pd.DataFrame(read_elem(file["obs"]))

"""What an AnnData knows of its cells, its genes and the run, as R's data frames and lists hold it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rdata.parser import RObject

from scgnn2_engine.io.r import build
from scgnn2_engine.io.storage.matrix_choice import mapping_in

if TYPE_CHECKING:
    from anndata import AnnData


def cells_table(adata: AnnData) -> pd.DataFrame:
    """``obs``, as characters what was characters in R before h5ad made categories of it."""
    return _with_characters(storable(adata.obs), mapping_in(adata.uns, "seurat", "experiment"))


def features_table(var: pd.DataFrame, described: Mapping[str, Any]) -> pd.DataFrame:
    """The feature table of an assay, as characters what was characters in R.

    Parameters
    ----------
    var
        Of the active assay ``var``, of another what stands in ``described["var"]``.
    described
        What ``uns["seurat"]["assays"]`` says of the assay.
    """
    return _with_characters(storable(var), described)


def _with_characters(frame: pd.DataFrame, described: Mapping[str, Any]) -> pd.DataFrame:
    for name in described.get("character_columns", ()):
        if name in frame and isinstance(frame[name].dtype, pd.CategoricalDtype):
            frame[name] = frame[name].astype(object)
    return frame


def storable(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy with text as its row names, and times as text."""
    stored = frame.set_axis(frame.index.astype(str), axis=0).copy()
    for position, kind in enumerate(frame.dtypes):
        if kind.kind in "mM":
            values = frame.iloc[:, position]
            stored.isetitem(position, values.astype(str).astype(object).where(values.notna(), None).to_numpy())
    return stored


def misc(adata: AnnData) -> dict[str, RObject]:
    """What is known of the run."""
    record = adata.uns.get("scgnn2")
    if not isinstance(record, Mapping):
        return {}
    kept = {}
    for name, value in sorted(record.items()):  # as h5ad has them
        if isinstance(value, pd.DataFrame):
            kept[name] = build.data_frame(value.reset_index(drop=True))
        elif isinstance(value, str):
            kept[name] = build.strings([value])
        elif isinstance(value, (int, float, np.number)):
            kept[name] = build.reals([float(value)])
    return {"scgnn2": build.named_list(kept)}

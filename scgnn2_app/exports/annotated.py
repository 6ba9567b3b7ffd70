"""A result with what people call its cells: annotations made on the page, and labels that were given as a file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import pandas as pd

from scgnn2_app.runs.snapshots import RESULT
from scgnn2_engine.io.atomic import whole_file
from scgnn2_engine.plots import cluster_colours

if TYPE_CHECKING:
    from scgnn2_app.results.run_data import RunData

COPY = "result_annotated.h5ad"


def added_columns(run: RunData) -> dict[str, pd.Categorical]:
    """Groups of the cells that ``result.h5ad`` does not hold, (n_obs,) each; cells without a label have none."""
    return {
        name.replace("/", "_"): pd.Categorical(pd.Series(values, dtype=object).where(values != "", None))
        for name, values in run.groups.items()
        if name not in run.obs
    }


def annotated_h5ad(run: RunData) -> Path:
    """The result with those columns in ``obs`` and their colours in ``uns``; the result itself where there are none.

    The copy lies beside the result and is replaced by the next one; the matrices are copied as they are.
    """
    from anndata.io import read_elem, write_elem

    columns = added_columns(run)
    if not columns:
        return run.folder / RESULT
    with whole_file(run.folder / COPY) as temporary:
        shutil.copyfile(run.folder / RESULT, temporary)
        with h5py.File(temporary, "r+") as file:
            write_elem(file, "obs", read_elem(file["obs"]).assign(**columns))
            for name, values in columns.items():
                chosen = run.annotations[name].colours if name in run.annotations else {}
                colours = cluster_colours(values.categories) | dict(chosen)
                write_elem(file["uns"], f"{name}_colors", [colours[label] for label in values.categories])
    return run.folder / COPY


def annotation_table(run: RunData) -> pd.DataFrame:
    """The same columns by the names of the cells, as ``annotations.csv`` of the exports."""
    frame = pd.DataFrame(added_columns(run), index=pd.Index(run.obs_names, name="cell"))
    return frame.astype(object).where(frame.notna(), "").reset_index()

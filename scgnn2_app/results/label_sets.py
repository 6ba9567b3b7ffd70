"""Groupings of cells that can be compared with each other: of iterations, of labels, of other runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_app.results.run_data import RunData
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.results.saved import read_labels

NO_LABEL = "(no label)"
THIS = "this run: clusters"


def of_run(run: RunData) -> dict[str, npt.NDArray[np.str_]]:
    """The groupings of a run by name: returned clusters, labels and other groups, clusters of every iteration."""
    found: dict[str, npt.NDArray[np.str_]] = {THIS: run.labels.astype(np.str_)}
    for name, values in run.groups.items():
        title = f"labels: {name}" if name == run.truth_name else f"group: {name}"
        found[title] = np.where(values == "", NO_LABEL, values)
    for column in run.labels_history.columns:
        number = str(column).removeprefix("iteration_")
        mark = " (returned)" if number == str(run.selected_iteration) else ""
        found[f"iteration {number}{mark}"] = run.labels_history[column].to_numpy(str)
    return found


def together(
    run: RunData, names: Sequence[str], others: Mapping[str, Path]
) -> tuple[dict[str, npt.NDArray[np.str_]], npt.NDArray[np.int64]]:
    """Chosen groupings, of the cells that all of them have.

    Parameters
    ----------
    run
        The shown run.
    names
        Two or three of the names of :func:`of_run`, or of ``others``.
    others
        Name to the folder of another run; its clusters are matched by the names of the cells.

    Returns
    -------
    sets, cells
        Name to labels, all of the same cells in the same order; and the positions of those cells in the shown run.

    Raises
    ------
    InputError
        A name is unknown, a run cannot be read, or no cell is in all of them.
    """
    mine = of_run(run)
    index = pd.Index(run.obs_names)
    kept = np.ones(run.n_obs, dtype=bool)
    sets: dict[str, npt.NDArray[np.str_]] = {}
    for name in names:
        if name in mine:
            sets[name] = mine[name]
            continue
        if name not in others:
            raise InputError(f"There is no grouping {name!r}.", expected=", ".join([*mine, *others]))
        labels = read_labels(others[name]).reindex(index)
        kept &= labels.notna().to_numpy()
        sets[name] = labels.fillna("").to_numpy(str)
    if not kept.any():
        raise InputError(
            "The runs have no cell in common.",
            expected="the same cell names in each",
            found=f"{', '.join(names)}",
            advice="Compare runs of the same data.",
        )
    cells = np.flatnonzero(kept)
    return {name: labels[cells] for name, labels in sets.items()}, cells

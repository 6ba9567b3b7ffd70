"""What the reader of a benchmark should know: cells that failed, were left out or cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from scgnn2_engine.benchmark.cells import SPEED_ONLY
from scgnn2_engine.benchmark.tables import Scores


def notes_on(cells: Sequence[Mapping[str, Any]], table: pd.DataFrame, n_left_out: int = 0) -> list[str]:
    """What the reader should know before comparing numbers.

    Parameters
    ----------
    cells, n_left_out
        As of :func:`~scgnn2_engine.benchmark.cells.newest_cells`.
    table
        Of :func:`~scgnn2_engine.benchmark.tables.long_table`.

    Returns
    -------
    Sentences.
    """
    notes = []
    n_failed = sum("error" in cell for cell in cells)
    if n_failed:
        notes.append(f"{n_failed} of {len(cells)} cells failed: see the end of benchmark.md.")
    if n_left_out:
        notes.append(f"{n_left_out} cells of other parameters or data than those shown are left out.")
    for method in dict.fromkeys(cell["method"] for cell in cells):
        differing = _differing(cell["parameters"] for cell in _of(cells, method) if "parameters" in cell)
        if differing:
            notes.append(f"The cells of {method} are not all of the same parameters: {', '.join(differing)}.")
    for method in Scores(table).runs:
        sources = {cell["engine"] for cell in _of(cells, method) if "engine" in cell}
        if len(sources) > 1:
            notes.append(f"The cells of {method} come from {len(sources)} different states of this program.")
        cut = {(cell["data_set"], cell["seed"]) for cell in cells if _was_cut_off(cell, method)}
        if cut:
            where = ", ".join(f"{data_set} seed {seed}" for data_set, seed in sorted(cut))
            notes.append(f"{method} was cut off by its time budget and may be worth more: {where}.")
        seeds, all_seeds = ({cell["seed"] for cell in of} for of in (_of(cells, method), cells))
        if seeds != all_seeds:
            notes.append(f"{method} has seeds {', '.join(map(str, sorted(seeds)))} only; it is compared over these.")
    imputing = table[table["protocol"].isin(["mask", "thinning"]) & table["entries"].notna()]
    for (data_set, protocol, seed), group in imputing.groupby(["data_set", "protocol", "seed"]):
        if group["entries"].nunique() > 1:
            common = group.groupby("method")["entries"].first()
            odd = sorted(common.index[common != common.mode()[0]])
            notes.append(
                f"{data_set}, {protocol}, seed {seed}: {', '.join(odd)} saw other cells, genes or entries than the "
                "rest, so those scores cannot be compared."
            )
    return notes


def _differing(parameters: Iterable[Mapping[str, Any]]) -> list[str]:
    """The parameters that do not have one value throughout, those of the speed left out."""
    values: dict[str, set[str]] = {}
    every = list(parameters)
    for key in dict.fromkeys(key for each in every for key in each if key not in SPEED_ONLY):
        values[key] = {json.dumps(each.get(key)) for each in every}
    return [key for key, found in values.items() if len(found) > 1]


def _of(cells: Sequence[Mapping[str, Any]], method: str) -> list[Mapping[str, Any]]:
    return [cell for cell in cells if cell["method"] == method]


def _was_cut_off(cell: Mapping[str, Any], method: str) -> bool:
    return cell["method"] == method and cell.get("stopped_by") == "max_seconds"

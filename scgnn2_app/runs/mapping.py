"""New cells on a finished run, mapped in a process apart: their file comes from others."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pandas as pd

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.memory import available_memory

SECONDS = 900.0
"""Longest time that it may take."""

MAPPED = "mapped.h5ad"
SAYS = "scgnn2: "
"""What the command line begins its errors with."""


def map_cells(run: Path, cells: Path) -> tuple[Path, str]:
    """Do what ``scgnn2 map`` does.

    Parameters
    ----------
    run
        The folder of a finished run.
    cells
        The file of the new cells, alone in its folder.

    Returns
    -------
    path
        The mapped cells, beside their file.
    said
        What there is to say of them, a line each.

    Raises
    ------
    InputError
        They cannot be mapped, or it takes too long.
    """
    target = cells.parent / MAPPED
    command = [
        sys.executable,
        "-m",
        "scgnn2_engine",
        "map",
        str(run),
        str(cells),
        "--output",
        str(target),
        "--overwrite",
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with suppress(ImportError, AttributeError, OSError, ValueError):
        import resource

        resource.prlimit(process.pid, resource.RLIMIT_DATA, (available_memory() + 2**30, resource.RLIM_INFINITY))
    try:
        said, wrong = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        raise InputError(
            f"{cells.name} took too long to be mapped.",
            expected=f"at most {SECONDS:,.0f} seconds",
            advice="Map fewer cells at a time, or run scgnn2 map.",
        ) from error
    if process.returncode == 0:
        return target, said
    last = (wrong.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
    if last.startswith(SAYS):
        raise InputError(last.removeprefix(SAYS))
    raise InputError(f"{cells.name} could not be mapped.", found=last, advice="Convert it to h5ad and try that.")


def mapped_table(path: Path) -> pd.DataFrame:
    """A row for each mapped cell: its cluster or ``unknown``, the nearest cluster, its share of the neighbours."""
    import h5py
    from anndata.io import read_elem

    with h5py.File(path, "r") as file:
        table: pd.DataFrame = read_elem(file["obs"])
    return table


def by_cluster(table: pd.DataFrame) -> pd.DataFrame:
    """How many of the mapped cells are in each cluster, and with which confidence on the mean.

    Examples
    --------
    >>> cells = pd.DataFrame({"scgnn2_cluster": ["1", "unknown", "1"], "scgnn2_confidence": [1.0, 0.5, 0.5]})
    >>> by_cluster(cells).to_dict("list")
    {'cluster': ['1', 'unknown'], 'cells': [2, 1], 'share': [0.667, 0.333], 'mean confidence': [0.75, 0.5]}
    """
    grouped = table.groupby("scgnn2_cluster", observed=True)["scgnn2_confidence"].agg(["size", "mean"]).reset_index()
    grouped.insert(2, "share", (grouped["size"] / len(table)).round(3))
    return grouped.set_axis(["cluster", "cells", "share", "mean confidence"], axis=1)

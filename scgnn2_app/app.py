"""Assembles the page of a finished run from the engine's figures and tables."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from scgnn2_engine.errors import InputError, ScgnnError
from scgnn2_engine.io.saved import (
    read_edges,
    read_embedding,
    read_losses,
    read_metrics,
    read_saved_expression,
)
from scgnn2_engine.plots import cell_graph, curves, error_heatmap, sankey, sets_of_iterations, umap_positions


def view(folder: str | Path) -> pn.Tabs:
    """Show what a run left in its output folder.

    Parameters
    ----------
    folder
        The ``--output_dir`` of a finished run.

    Returns
    -------
    panel.Tabs
        Cell graph, Imputation, Curves, Clusters (with two or more iterations), Metrics and Run.

    Raises
    ------
    InputError
        The folder is not that of a finished run.
    """
    folder = Path(folder)
    record = _record(folder)
    saved = read_saved_expression(folder)
    metrics = read_metrics(folder)
    edges, weights = read_edges(folder, saved.obs_names)
    graph = cell_graph(_positions(folder), edges, weights, saved.labels, obs_names=saved.obs_names)
    heatmap = error_heatmap(
        saved.imputed, saved.observed, saved.labels, scale=saved.scale, reference_is_truth=saved.hidden_entries > 0
    )
    tabs: list[tuple[str, Any]] = [
        ("Cell graph", _figure(graph)),
        ("Imputation", _figure(heatmap)),
        ("Curves", _figure(curves(read_losses(folder), metrics))),
    ]
    history = pd.read_csv(folder / "labels_history.csv", index_col=0)
    sets = sets_of_iterations(history, int(record["selected_iteration"]))
    if len(sets) > 1:
        tabs.append(("Clusters", _figure(sankey(sets))))
    tabs += [
        ("Metrics", pn.pane.DataFrame(metrics, index=False, float_format="{:.4g}".format)),
        ("Run", pn.pane.JSON(record, depth=2, name="run.json")),
    ]
    return pn.Tabs(*tabs)


def page(folder: str | Path) -> pmui.Page:
    """The same as a whole page; where there is no finished run, it says so instead."""
    try:
        body: Any = view(folder)
    except ScgnnError as error:
        body = pn.pane.Alert(html.escape(str(error)), alert_type="danger")
    return pmui.Page(title=f"scgnn2: {Path(folder).name}", main=[body])


def _positions(folder: Path) -> npt.NDArray[np.float32]:
    """The map the run saved, or where it drew no figures a new one."""
    with h5py.File(folder / "result.h5ad") as file:
        if "obsm/X_scgnn2_umap" in file:
            return np.asarray(file["obsm/X_scgnn2_umap"], dtype=np.float32)
    return umap_positions(read_embedding(folder).to_numpy(np.float32))


def _figure(element: Any) -> pn.pane.HoloViews:
    return pn.pane.HoloViews(element, backend="bokeh", linked_axes=False)


def _record(folder: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} is not the folder of a finished run: {error}.",
            expected="the --output_dir of scgnn2 run, with its run.json",
            advice="Make one with: scgnn2 run demo --output_dir outputs/demo",
        ) from error
    return record

"""Figures as files: HTML that needs no network, PNG and SVG."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from scgnn2_engine.errors import OutputError, PartialOutputError
from scgnn2_engine.events import Stop, never
from scgnn2_engine.io.atomic import whole_file
from scgnn2_engine.io.storage.storing import reason_of
from scgnn2_engine.model.result import Result
from scgnn2_engine.plots.cell_graph import cell_graph
from scgnn2_engine.plots.curves import curves
from scgnn2_engine.plots.diagnostics import diagnostics
from scgnn2_engine.plots.heatmap import error_heatmap
from scgnn2_engine.plots.layout import umap_positions
from scgnn2_engine.plots.sankey import sankey
from scgnn2_engine.plots.style import holoviews

DOTS_PER_INCH = 150
PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
{library}
</head>
<body style="margin: 1em; background: white">
{place}
{script}
</body>
</html>
"""


def save_figure(element: Any, path: str | Path) -> Path:
    """Write a figure as ``.html`` (Bokeh, interactive, self-contained), ``.png`` or ``.svg`` (Matplotlib).

    Parameters
    ----------
    element
        Any HoloViews element, overlay or layout.
    path
        File to write; its suffix chooses the form. It is written whole or not at all.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        The suffix is another one, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from scgnn2_engine.plots import sankey
    >>> save_figure(sankey({"a": np.array([0, 1]), "b": np.array([0, 0])}), tempfile.mkdtemp() + "/flow.png").name
    'flow.png'
    """
    path = Path(path)
    if path.suffix not in {".html", ".png", ".svg"}:
        raise OutputError(
            f"A figure cannot be written as {path.name}.",
            expected="a name that ends in .html, .png or .svg",
            found=path.suffix or "no suffix",
        )
    with whole_file(path) as temporary:
        if path.suffix == ".html":
            temporary.write_text(_html(element, path.stem), encoding="utf-8")
        else:
            _write_picture(element, temporary, path.suffix[1:])
    return path


def save_both(element: Any, stem: str | Path) -> list[Path]:
    """Write ``<stem>.html`` and ``<stem>.png``."""
    return [save_figure(element, Path(f"{stem}{suffix}")) for suffix in (".html", ".png")]


def draw_figures(result: Result, directory: str | Path, *, seed: int = 1, stop: Stop = never) -> list[Path]:
    """Draw the standard figures of a result into ``figures/``.

    Parameters
    ----------
    result
        A finished run. ``result.umap`` gives the map of the cell graph; without it one is computed.
    directory
        The output folder.
    seed
        Of the map, where it has to be computed.
    stop
        Asked before every figure; once it returns True, the others are left out.

    Returns
    -------
    list of Path
        ``graph``, ``heatmap``, ``curves``, ``diagnostics`` where the run was evaluated and, after two or more
        iterations, ``sankey`` (clusters of the first and last iteration and of the one returned), each as .html and
        .png.

    Raises
    ------
    MissingPackageError
        HoloViews is not installed.
    PartialOutputError
        Some figures could not be drawn; the others are there.
    """
    holoviews()
    folder = Path(directory) / "figures"
    written: list[Path] = []
    failed: dict[str, str] = {}
    for name, draw in _standard_figures(result, seed).items():
        if stop():
            break
        try:
            written += save_both(draw(), folder / name)
        except Exception as error:  # one figure must not cost the others
            failed[f"figures/{name}"] = reason_of(error)
    if failed:
        raise PartialOutputError(failed)
    return written


def _standard_figures(result: Result, seed: int) -> dict[str, Callable[[], Any]]:
    prepared = result.prepared
    figures: dict[str, Callable[[], Any]] = {
        "graph": lambda: _graph_of(result, seed),
        "heatmap": lambda: error_heatmap(
            result.imputed,
            prepared.expression,
            result.labels,
            scale=prepared.scale,
            reference_is_truth=prepared.hidden is not None,
        ),
        "curves": lambda: curves(result.losses, result.metrics),
    }
    if result.evaluation is not None:
        evaluation = result.evaluation
        figures["diagnostics"] = lambda: diagnostics(evaluation)
    sets = sets_of_iterations(result.labels_history, result.selected_iteration)
    if len(sets) > 1:
        figures["sankey"] = lambda: sankey(sets, title="Clusters from iteration to iteration")
    return figures


def _graph_of(result: Result, seed: int) -> Any:
    positions = result.umap if result.umap is not None else umap_positions(result.graph_embedding, seed)
    upper = sp.triu(result.graph.adjacency(weighted=True), k=1).tocoo()
    return cell_graph(
        positions, np.stack([upper.row, upper.col]), upper.data, result.labels, obs_names=result.prepared.obs_names
    )


def sets_of_iterations(history: Any, selected: int) -> dict[str, Any]:
    """The clusters of the first, the returned and the last iteration, by name, each once, in order."""
    numbers = {
        int(str(column).removeprefix("iteration_")): column
        for column in history.columns
        if str(column).startswith("iteration_")
    }
    chosen = sorted({min(numbers), selected, max(numbers)} & set(numbers)) if numbers else []
    return {
        f"iteration {number}" + (" (returned)" if number == selected else ""): history[numbers[number]].to_numpy()
        for number in chosen
    }


def _html(element: Any, title: str) -> str:
    """A page with Bokeh's own script inside.

    :func:`bokeh.embed.file_html` would add a script tag for every imported extension, used or not: with panel loaded
    the page would ask for a file that is not there.
    """
    hv = holoviews()
    from bokeh.embed import components
    from bokeh.resources import Resources

    script, place = components(hv.renderer("bokeh").get_plot(element).state)
    library = "\n".join(f"<script>{code}</script>" for code in Resources(mode="inline", components=["bokeh"]).js_raw)
    return PAGE.format(title=escape(f"scgnn2: {title}"), library=library, script=script, place=place)


def _write_picture(element: Any, path: Path, form: str) -> None:
    hv = holoviews()
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = hv.renderer("matplotlib").get_plot(element).state
    FigureCanvasAgg(figure)
    figure.savefig(path, format=form, dpi=DOTS_PER_INCH, bbox_inches="tight", facecolor="white")
    import matplotlib.pyplot as plt

    plt.close(figure)

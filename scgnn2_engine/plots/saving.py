"""Figures as files: HTML that needs no network, PNG and SVG."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from scgnn2_engine.errors import OutputError, PartialOutputError
from scgnn2_engine.events import Stop, never
from scgnn2_engine.io.atomic import whole_file
from scgnn2_engine.io.storage.storing import reason_of
from scgnn2_engine.plots.cell_graph import cell_graph
from scgnn2_engine.plots.chart import Chart, Figure
from scgnn2_engine.plots.curves import curves
from scgnn2_engine.plots.diagnostics import diagnostics
from scgnn2_engine.plots.heatmap import error_heatmap
from scgnn2_engine.plots.layout import umap_positions
from scgnn2_engine.plots.sankey import sankey
from scgnn2_engine.plots.style import check_packages
from scgnn2_engine.results.result import Result

DOTS_PER_INCH = 150
Form = Literal["png", "svg", "html"]
SUFFIXES: tuple[Form, ...] = ("png", "svg", "html")


def save_figure(figure: Chart | Figure, path: str | Path) -> Path:
    """Write a figure as ``.html`` (Bokeh, interactive, self-contained), ``.png`` or ``.svg`` (Matplotlib).

    Parameters
    ----------
    figure
        Of this package.
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
    if (form := path.suffix[1:]) not in SUFFIXES:
        raise OutputError(
            f"A figure cannot be written as {path.name}.",
            expected="a name that ends in .html, .png or .svg",
            found=path.suffix or "no suffix",
        )
    content = drawn(figure, form, path.stem)
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
    return path


def save_both(figure: Chart | Figure, stem: str | Path) -> list[Path]:
    """Write ``<stem>.html`` and ``<stem>.png``."""
    return [save_figure(figure, Path(f"{stem}{suffix}")) for suffix in (".html", ".png")]


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
        Bokeh, colorcet or Matplotlib is not installed.
    PartialOutputError
        Some figures could not be drawn; the others are there.
    """
    check_packages()
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


def _standard_figures(result: Result, seed: int) -> dict[str, Callable[[], Chart | Figure]]:
    prepared = result.prepared
    figures: dict[str, Callable[[], Chart | Figure]] = {
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


def _graph_of(result: Result, seed: int) -> Chart:
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


def drawn(figure: Chart | Figure, form: Form, title: str = "figure") -> bytes:
    """A figure as the bytes of a file, the same each time; ``title`` is that of a page of HTML."""
    check_packages()
    if form == "html":
        from scgnn2_engine.plots.on_bokeh import html_of

        return html_of(figure, title).encode("utf-8")
    import matplotlib

    from scgnn2_engine.plots.on_matplotlib import to_matplotlib

    file = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else None
    with matplotlib.rc_context({"svg.hashsalt": "scgnn2"}):
        to_matplotlib(figure).savefig(file, format=form, dpi=DOTS_PER_INCH, metadata=metadata)
    return file.getvalue()

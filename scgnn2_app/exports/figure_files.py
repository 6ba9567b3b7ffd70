"""Figures as files for the user: a row of buttons that draw what is shown and hand it to the browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import panel as pn
import panel_material_ui as pmui

from scgnn2_app.background import in_thread
from scgnn2_app.exports.download import Downloader
from scgnn2_app.session import Session
from scgnn2_engine.errors import InputError
from scgnn2_engine.plots import Chart, Figure, cell_graph, curves, error_heatmap, sankey, sets_of_iterations
from scgnn2_engine.plots.saving import SUFFIXES, Form, drawn

if TYPE_CHECKING:
    from scgnn2_app.results.run_data import RunData


class Drawable(Protocol):
    """A view that can be exported."""

    def figure(self) -> Chart | Figure:
        """What is shown; InputError where there is nothing to draw."""


def export_figure(view: Drawable, kind: Form) -> bytes:
    """Draw what a view shows as a file: PNG and SVG by Matplotlib, HTML by Bokeh, with everything inside it.

    Parameters
    ----------
    view
        Has a method ``figure``.
    kind
        ``"png"``, ``"svg"`` or ``"html"``.

    Raises
    ------
    InputError
        There is nothing to draw, or no such kind.
    """
    if kind not in SUFFIXES:
        raise InputError(f"A figure cannot be exported as {kind!r}.", expected=", ".join(SUFFIXES))
    return drawn(view.figure(), kind)


def figures_of(run: RunData) -> dict[str, tuple[str, Callable[[], Chart | Figure]]]:
    """The standard figures of a finished run: name to a sentence about it, and what draws it when it is called for."""
    benchmark = run.hidden_is_benchmark
    figures: dict[str, tuple[str, Callable[[], Chart | Figure]]] = {
        "graph": (
            "The cells on a map of the graph embedding, coloured by predicted cluster, joined where they are alike.",
            lambda: cell_graph(run.umap, run.edges, run.weights, run.labels, obs_names=run.obs_names),
        ),
        "heatmap": (
            "What the imputation " + ("got wrong" if benchmark else "changed") + ", cells by cluster; darker is more.",
            lambda: error_heatmap(
                run.imputed(), run.expression, run.labels, scale=run.scale, reference_is_truth=benchmark
            ),
        ),
        "curves": (
            "Losses of every stage, and scores of every iteration.", lambda: curves(run.losses, run.metrics),
        ),
    }  # fmt: skip
    if run.truth_name:
        sets = {run.truth_name: run.groups[run.truth_name], "predicted clusters": run.labels}
        figures["labels"] = "The given labels and the predicted clusters.", lambda: sankey(sets)
    for name, one in run.annotations.items():
        words = f"The cells on the map, coloured by what they were called: {name}."
        labels = np.where(one.labels == "", "none", one.labels)
        draw = partial(cell_graph, run.umap, run.edges, run.weights, labels, obs_names=run.obs_names, title=name)
        figures[f"annotation {name}"] = words, draw
    history = sets_of_iterations(run.labels_history, run.selected_iteration)
    if len(history) > 1:
        title = "Clusters from iteration to iteration"
        figures["sankey"] = "The clusters from iteration to iteration.", lambda: sankey(history, title=title)
    return figures


class ExportRow(pn.viewable.Viewer):
    """Buttons PNG, SVG and HTML.

    Parameters
    ----------
    session
        Told when something goes wrong.
    view
        What is exported.
    name
        Of the file, without suffix.
    """

    def __init__(self, session: Session, view: Drawable, name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session, self._view, self._name = session, view, name
        self._downloader = Downloader()
        self.buttons = {
            kind: pmui.Button(
                label=kind.upper(), size="small", variant="outlined", margin=(4, 3),
                description=f"Download this figure as {kind.upper()}", on_click=self._presser(kind),
            )
            for kind in SUFFIXES
        }  # fmt: skip

    def _presser(self, kind: Form) -> Callable[[Any], None]:
        return lambda _: self.export(kind)

    def export(self, kind: Form) -> None:
        """Draw the figure beside the page and hand it over."""
        button = self.buttons[kind]
        button.loading = True

        def done(content: bytes) -> None:
            button.loading = False
            self._downloader.send(f"{file_name(self._name)}.{kind}", content)

        def failed(error: Exception) -> None:
            button.loading = False
            self._session.say(f"No figure: {error}", "error")

        in_thread(lambda: export_figure(self._view, kind), done, failed)

    def __panel__(self) -> Any:
        return pmui.Row(*self.buttons.values(), self._downloader, margin=0)


def file_name(text: str) -> str:
    """A name that every file system takes.

    Examples
    --------
    >>> file_name("T cells: CD4/CD8")
    'T_cells_CD4_CD8'
    """
    return re.sub(r"[^\w.-]+", "_", text).strip("_") or "figure"

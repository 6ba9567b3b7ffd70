"""The cell graph: where the cells lie, who their neighbours are, what they are, and which of them are selected."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from scgnn2_app.background import in_thread
from scgnn2_app.charts.colouring import CLUSTER, GENE_IMPUTED, GENE_OBSERVED, Colouring, choices, colouring
from scgnn2_app.charts.graph_canvas import GraphCanvas
from scgnn2_app.charts.map_key import MapKey
from scgnn2_app.charts.shading import Window
from scgnn2_app.controls.wording import plain
from scgnn2_app.exports.download import Downloader
from scgnn2_app.exports.figure_files import ExportRow, file_name
from scgnn2_app.results.run_data import IterationGraph, RunData
from scgnn2_app.session import Session
from scgnn2_app.views.annotate import Annotate
from scgnn2_app.views.cluster_cut import ClusterCut
from scgnn2_app.views.gene_picker import GenePicker
from scgnn2_engine.errors import InputError, ScgnnError
from scgnn2_engine.plots import cell_graph
from scgnn2_engine.plots.maps import value_map

DRAWING = "The map of the cells is being drawn; of a run that saved none it is computed first, once …"
RETURNED, NEWEST = "returned", "newest"
NAMES_SHOWN = 5
LOOK: dict[str, Any] = {"size": "small", "margin": (6, 8), "sizing_mode": "stretch_width"}


class CellGraphView(pn.viewable.Viewer):
    """The Cell graph tab.

    Parameters
    ----------
    session
        Its run is shown, its selection marked and set, its gene followed.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session = session
        self._graph: IterationGraph | None = None
        self._folder: Path | None = None
        self._goes_on = False  # the same run with one more iteration: what was chosen stays
        self._colouring: Colouring | None = None
        self.canvas = GraphCanvas(session.select, lambda error: session.say(str(error), "error"), dark=session.dark)
        self.canvas.drawn, self.canvas.zoomed = self._count, self._zoomed
        self.key = MapKey(dark=session.dark, sizing_mode="stretch_width", margin=(4, 4))
        self.colour_by = pmui.Select(label="Colour by", options=[CLUSTER], value=CLUSTER, **LOOK)
        self.gene = GenePicker(session)
        self.cut = ClusterCut(self._cut)
        self.iteration = pmui.Select(label="Iteration", options=[RETURNED], value=RETURNED, **LOOK)
        self.own_map = pmui.Checkbox(
            label="own map of this iteration", value=False, visible=False, size="small", margin=(0, 8),
            description="Off: cells keep the places of the returned iteration, so that graphs can be compared",
        )  # fmt: skip
        self.edgescale = pmui.FloatSlider(label="edgescale", value=0.03, start=0.005, end=0.25, step=0.005, **LOOK)
        self.node_size = pmui.FloatSlider(label="node_size", value=5.0, start=1.0, end=20.0, step=0.5, **LOOK)
        self.cutoff = pmui.FloatSlider(label="Hide edges of a weight below", value=0.0, start=0.0, end=1.0, **LOOK)
        self.thick = pmui.Checkbox(label="thickness by weight", value=True, size="small", margin=(0, 8))
        self.edges = pmui.Checkbox(label="edges", value=True, size="small", margin=(0, 8))
        self.count = pmui.Typography("", variant="caption", margin=(0, 8))
        self.selected = pmui.Typography("", variant="body2", margin=(4, 8))
        self._csv = pmui.Button(
            label="Selected cells (CSV)", size="small", variant="outlined", margin=(4, 8), disabled=True,
            description="Selected cells (CSV): name, cluster and annotation", on_click=lambda _: self._download(),
        )  # fmt: skip
        self._clear = pmui.Button(
            label="Clear selection", size="small", variant="text", margin=(4, 8), disabled=True,
            on_click=lambda _: session.clear(),
        )  # fmt: skip
        self._downloader = Downloader()
        self.annotate = Annotate(session)
        self._export = ExportRow(session, self, "cell_graph")
        self._empty = pmui.Typography("Nothing yet: the cell graph of a run appears here after its first iteration.",
                                      variant="body1", margin=16)  # fmt: skip
        self._watch()
        self._take_up()

    def _watch(self) -> None:
        session = self._session
        session.param.watch(lambda _: self._take_up(), "run")
        session.param.watch(lambda _: self._paint(), "dark")
        session.param.watch(lambda _: self._mark(), "selection")
        session.param.watch(lambda _: self._gene_changed(), "gene")
        session.param.watch(lambda _: self._annotated(), "annotated")
        self.colour_by.param.watch(lambda _: self._recolour(), "value")
        self.annotate.which.param.watch(lambda _: self._annotated(), "value")
        self.key.param.watch(lambda _: self._mark(), "isolated")
        for widget in (self.iteration, self.own_map):
            widget.param.watch(lambda _: self._load_graph(), "value")
        for widget in (self.edgescale, self.node_size, self.cutoff, self.thick, self.edges):
            widget.param.watch(lambda _: self._restyle(), "value")

    # --- taking up a run ---------------------------------------------------------------------------------------------

    def _take_up(self) -> None:
        run = self._session.run
        self._goes_on = run is not None and not run.finished and run.folder == self._folder
        self._folder = run.folder if run is not None else None
        self._body_visible(run is not None)
        self._graph = None
        if run is None:
            self.canvas.clear()
            return
        options = choices(run)
        wanted = self._session.map_view.colour or self.colour_by.value
        chosen = wanted if wanted in options else CLUSTER
        iterations = [RETURNED if run.finished else NEWEST, *(str(number) for number in run.iterations)]
        keep = self._goes_on and self.iteration.value in iterations
        asked = self.iteration.value if keep else iterations[0]
        with pn.io.hold():
            self.colour_by.param.update(options=options, value=chosen)
            self.iteration.param.update(options=iterations, value=asked, disabled=len(iterations) == 1)
        self._load_graph()

    def _body_visible(self, there: bool) -> None:
        self._empty.visible = not there
        for part in getattr(self, "_body", []):
            part.visible = there

    def _load_graph(self) -> None:
        run = self._session.run
        if run is None:
            return
        number = 0 if self.iteration.value in (RETURNED, NEWEST) else int(self.iteration.value)
        self.own_map.visible = run.finished and bool(number) and number != run.selected_iteration
        own = self.own_map.visible and self.own_map.value
        asked = (run, self.iteration.value, own)
        self._asked = asked

        def show(graph: IterationGraph) -> None:
            self._session.busy = False
            if self._asked == asked:
                self._show_graph(run, graph)

        def failed(error: Exception) -> None:
            self._session.busy, self.count.object = False, ""
            self._session.say_error(error)

        self._session.busy = True
        if self._graph is None:
            self.count.object = DRAWING
        in_thread(lambda: run.graph_of(number, own_map=own), show, failed)

    def _show_graph(self, run: RunData, graph: IterationGraph) -> None:
        is_first, wanted = self._graph is None, self._session.map_view
        moved = is_first or self._graph is None or self._graph.positions is not graph.positions
        self._graph = graph
        self.cut.take_up(run if self.iteration.value in (RETURNED, NEWEST) else None)
        columns = {"cluster": graph.labels.astype(str)}
        columns |= {"label": run.groups[run.truth_name]} if run.truth_name else {}
        positive = graph.weights[graph.weights > 0]
        low, high = (float(positive.min()), float(positive.max())) if len(positive) else (0.0, 1.0)
        step = float(f"{(high - low) / 100:.1g}") if high > low else 0.01
        end = max(high, step)
        kept = min(float(self.cutoff.value), end) if self._goes_on else 0.0
        with pn.io.hold():
            self.cutoff.param.update(start=0.0, end=end, step=step, value=kept)
        self.canvas.cutoff = kept
        axis = "UMAP" if run.finished else "component"
        self.canvas.chart = replace(self.canvas.chart, x_label=f"{axis} 1", y_label=f"{axis} 2")
        self.canvas.load(graph.positions, graph.edges, graph.weights, run.obs_names, columns, keep_view=not moved,
                         zoom=wanted.zoom if is_first and run.finished else ())  # fmt: skip
        if moved:
            self._zoomed()
        self.cut.choose(wanted.clusters)
        self._recolour()

    def _cut(self) -> None:
        run, graph = self._session.run, self._graph
        if run is not None and graph is not None:
            self._graph = graph = replace(graph, labels=self.cut.labels(run.labels))
            self._look(clusters=self.cut.chosen)
            self.canvas.say_of_cells("cluster", graph.labels.astype(str))
            self._recolour()

    def _look(self, **changed: Any) -> None:
        """Tell the session how the map is looked at now."""
        now = replace(self._session.map_view, **changed)
        if now != self._session.map_view:
            self._session.map_view = now

    def _zoomed(self) -> None:
        """Places of a run that goes on, or of an iteration's own map, change: no zoom is kept of those."""
        run = self._session.run
        own = self.own_map.visible and self.own_map.value
        self._look(zoom=self.canvas.zoom if run is not None and run.finished and not own else ())

    # --- what the controls do ----------------------------------------------------------------------------------------

    def _restyle(self) -> None:
        canvas = self.canvas
        canvas.edgescale, canvas.node_size = float(self.edgescale.value), float(self.node_size.value)
        canvas.cutoff, canvas.thick = float(self.cutoff.value), bool(self.thick.value)
        canvas.edges_shown = bool(self.edges.value)
        canvas.redraw()

    def _gene_changed(self) -> None:
        if self.colour_by.value in (GENE_IMPUTED, GENE_OBSERVED):
            self._recolour()

    def _annotated(self) -> None:
        """Offer what the cells are called by now, and show the annotation that is being worked on."""
        run = self._session.run
        if run is None:
            return
        options, now = choices(run), self.colour_by.value
        wanted = f"group: {self.annotate.shown}"
        value = wanted if wanted in options else now if now in options else CLUSTER
        self.colour_by.param.update(options=options, value=value)
        if value == now:
            self._recolour()

    def _recolour(self) -> None:
        run, graph = self._session.run, self._graph
        if run is None or graph is None:
            return
        choice = self.colour_by.value
        self._look(colour=choice)
        self.gene.visible = choice in (GENE_IMPUTED, GENE_OBSERVED)
        try:
            self._colouring = colouring(run, choice, gene=self._session.gene, labels=graph.labels)
        except ScgnnError as error:
            self._session.say(str(error), "error")
            return
        self.key.describe(self._colouring, self._session.dark)
        self._colouring = self.cut.faded(self._colouring)
        self._mark()

    def _mark(self) -> None:
        """Everything but the isolated groups, and but the selected cells where there are some, steps back."""
        found, selection = self._colouring, self._session.selection
        if found is not None and self._graph is not None:
            found = found.isolated(self.key.isolated)
            if len(selection):
                chosen = np.zeros(len(found.indices), dtype=bool)
                chosen[selection[selection < len(chosen)]] = True
                found = found.only(chosen if found.shown is None else chosen & found.shown)
            self.canvas.colour(found, self._session.dark)
        self._say_selected(selection)

    def _say_selected(self, selection: npt.NDArray[np.int64]) -> None:
        run = self._session.run
        self._csv.disabled = self._clear.disabled = not len(selection)
        if run is None or not len(selection):
            self.selected.object = "Select cells with the lasso or the box beside the map."
            return
        names = plain(", ".join(map(str, run.obs_names[selection[:NAMES_SHOWN]])))
        more = f" and {len(selection) - NAMES_SHOWN:,} more" if len(selection) > NAMES_SHOWN else ""
        noun = "cell" if len(selection) == 1 else "cells"
        self.selected.object = f"{len(selection):,} {noun} selected: {names}{more}"

    def _count(self, window: Window) -> None:
        run, shader = self._session.run, self.canvas.shader
        if run is None or shader is None:
            return
        shown = shader.above(self.canvas.cutoff) if self.canvas.edges_shown else 0
        text = f"{run.n_obs:,} cells, {shown:,} of {shader.n_edges:,} edges."
        if not run.finished:
            text += " Places: first two principal components, until the run is done."
        if self.canvas.is_pixels:
            text += " Zoom in to rest the pointer on single cells."
        if self.count.object != text:
            self.count.object = text

    def _paint(self) -> None:
        self.canvas.paint(self._session.dark)
        if self._colouring is not None:
            self.key.describe(self._colouring, self._session.dark)

    # --- out ---------------------------------------------------------------------------------------------------------

    def selected_table(self) -> pd.DataFrame:
        """Name, cluster and annotation of the selected cells."""
        run, selection = self._session.run, self._session.selection
        if run is None or self._graph is None:
            raise InputError("There is no run whose cells could be selected.")
        columns: dict[str, Any] = {"cell": run.obs_names[selection], "cluster": self._graph.labels[selection]}
        columns |= {name: values[selection] for name, values in run.groups.items()}
        return pd.DataFrame(columns)

    def _download(self) -> None:
        def send() -> None:
            text = io.StringIO()
            self.selected_table().to_csv(text, index=False)
            run = self._session.run
            self._downloader.send(f"{file_name(run.name if run else '')}_selected_cells.csv", text.getvalue().encode())

        self._session.attempt(send)

    def figure(self) -> Any:
        """What is shown, for export: the whole map; of many edges every cell's strongest."""
        run, graph, found = self._session.run, self._graph, self._colouring
        if run is None or graph is None or found is None:
            raise InputError("There is no cell graph to draw yet.", advice="Wait for a run to be done, or choose one.")
        style: dict[str, Any] = {"edgescale": self.edgescale.value, "node_size": self.node_size.value}
        kept = graph.weights >= self.cutoff.value if self.edges.value else np.zeros(len(graph.weights), dtype=bool)
        edges, weights = graph.edges[:, kept], graph.weights[kept]
        if found.is_groups:
            labels = np.array([group.name for group in found.groups] + ["none"])[found.values.astype(int)]
            return cell_graph(graph.positions, edges, weights, labels, obs_names=run.obs_names, **style)
        return value_map(
            graph.positions, found.values, title=found.title, unit=found.unit, limits=(found.low, found.high),
            edges=edges, weights=weights, **style,
        )  # fmt: skip

    def __panel__(self) -> Any:
        controls = pmui.Column(
            self.colour_by, self.gene, self.key, self.cut, self.iteration, self.own_map, self.edgescale, self.node_size,
            self.cutoff, self.edges, self.thick, width=230, margin=0,
        )  # fmt: skip
        map_ = pmui.Column(
            pn.pane.Bokeh(self.canvas.figure, sizing_mode="stretch_width", margin=(0, 4)),
            pmui.Row(self.count, pn.HSpacer(), self._export, margin=0, sizing_mode="stretch_width"),
            pmui.FlexBox(self.selected, self._csv, self._clear, self.annotate.opener, self._downloader,
                         align_items="center", margin=0),
            self.annotate, sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        self._body = [controls, map_]
        self._body_visible(self._session.run is not None)
        return pmui.Column(
            self._empty, pmui.Row(controls, map_, sizing_mode="stretch_width", margin=0),
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

"""What the imputation did: its error where entries were hidden, before, after, difference, and beside the baselines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from scgnn2_app.background import in_thread
from scgnn2_app.charts.colouring import by_groups
from scgnn2_app.charts.heatmap_pictures import HIDDEN, kinds, pictures
from scgnn2_app.controls.wording import EXPECTED
from scgnn2_app.exports.figure_files import ExportRow
from scgnn2_app.exports.fragments import baselines, styled
from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session
from scgnn2_app.views.gene_picker import GenePicker
from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.errors import InputError
from scgnn2_engine.plots.chart import Chart, Figure, Scale
from scgnn2_engine.plots.maps import truth_scatter
from scgnn2_engine.plots.on_bokeh import BokehCanvas

ONE, EVERY = "this gene", "all genes"
MOST_POINTS = 4000
"""Entries that the scatter shows of all genes together: a sample."""

VALUE = (
    "The entries were seen before, so what is compared is the value of a gene where it is seen (output value), not "
    "what to expect of it, which is the imputed expression of these data."
)
NOTHING = Chart(x_limits=(0.0, 1.0), y_limits=(0.0, 1.0))
NO_PICTURE = replace(NOTHING, scale=Scale(0.0, 1.0, ("#ffffff",), "value"))


class ImputationView(pn.viewable.Viewer):
    """The Imputation tab.

    Parameters
    ----------
    session
        Its run and gene are shown.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session = session
        self._pictures: dict[str, Chart] = {}
        self.picture = pmui.Select(
            label="Picture", options=[HIDDEN], value=HIDDEN, size="small", margin=(6, 8), width=230
        )
        self.heatmap = BokehCanvas(NO_PICTURE, dark=session.dark, height=460)
        self.scatter = BokehCanvas(NOTHING, dark=session.dark, height=300)
        self.gene = GenePicker(session, sizing_mode=None, width=190)
        self.of = pmui.Select(
            label="Entries of", options=[ONE, EVERY], value=ONE, size="small", margin=(6, 8), width=130
        )
        self.scores = pn.pane.HTML("", sizing_mode="stretch_width", margin=(4, 10))
        self.note = pmui.Typography("", variant="caption", margin=(0, 8))
        self._export = ExportRow(session, self, "imputation")
        self._empty = pmui.Typography("No result yet: what the imputation did appears here once a run is done.",
                                      variant="body1", margin=16)  # fmt: skip
        self._body: list[Any] = []
        session.param.watch(lambda _: self._take_up(), "run")
        session.param.watch(lambda _: self._show_points(), ["gene", "selection"])
        session.param.watch(lambda _: self._paint(), "dark")
        self.picture.param.watch(lambda _: self._show_picture(), "value")
        self.of.param.watch(lambda _: self._show_points(), "value")
        self._take_up()

    # --- taking up a run ---------------------------------------------------------------------------------------------

    def _take_up(self) -> None:
        run = self._session.run
        there = run is not None and run.finished
        self._show_body(there)
        self._pictures = {}
        self.heatmap.clear()
        self.scatter.clear()
        if run is None or not there:
            return
        options = kinds(run)
        self.picture.param.update(
            options=options, value=self.picture.value if self.picture.value in options else options[0]
        )
        self.scores.object = styled(baselines(run), self._session.dark)
        self._show_points()

        def show(found: dict[str, Chart]) -> None:
            if self._session.run is run:
                self._pictures = found
                self._show_picture()

        in_thread(lambda: pictures(run), show, self._session.say_error)

    def _show_picture(self) -> None:
        run, picture = self._session.run, self._pictures.get(self.picture.value)
        if run is None or picture is None:
            return
        self.heatmap.show(picture)
        self.note.object = _note(run, self.picture.value)

    # --- hidden entries ----------------------------------------------------------------------------------------------

    def hidden(self) -> tuple[Floats, Floats, Any]:
        """True and imputed values, and cells, of the chosen hidden entries; only selected cells, if there are any."""
        run = self._session.run
        if run is None or run.hidden_positions is None or run.hidden_values is None:
            return np.empty(0), np.empty(0), np.empty(0, dtype=np.int64)
        rows, cols = run.hidden_positions
        chosen = np.ones(len(rows), dtype=bool)
        if self.of.value == ONE:
            chosen &= cols == run.genes.get(self._session.gene, -1)
        if len(self._session.selection):
            chosen &= np.isin(rows, self._session.selection)
        true, imputed = run.hidden_values
        return true[chosen], imputed[chosen], rows[chosen]

    def _title(self, true: Floats, imputed: Floats) -> str:
        run = self._session.run
        what = self._session.gene if self.of.value == ONE else EVERY
        kind = "hidden" if run is not None and run.hidden_is_benchmark else "held-out"
        if not len(true):
            return f"{what}: no {kind} entries"
        error = float(np.median(np.abs(imputed - true)))
        together = len(true) > 2 and np.std(true) > 0 and np.std(imputed) > 0
        r = f", r {np.corrcoef(true, imputed)[0, 1]:.2f}" if together else ""
        return f"{what}: {len(true):,} {kind} entries,\nmedian |error| {error:.3g}{r}"

    def _show_points(self) -> None:
        run = self._session.run
        if run is None or not run.finished:
            return
        true, imputed, rows = self.hidden()
        title = self._title(true, imputed)
        if len(true) > MOST_POINTS:
            sample = np.sort(np.random.default_rng(0).choice(len(true), MOST_POINTS, replace=False))
            true, imputed, rows = true[sample], imputed[sample], rows[sample]
        groups = by_groups(run.labels, "").groups
        colour_of = {group.name: group.colour for group in groups}
        colours = [colour_of[str(label)] for label in run.labels[rows]]
        cells = run.obs_names[rows].tolist()
        self.scatter.show(truth_scatter(true, imputed, title=title, colour=colours, cells=cells))

    # --- look and export ---------------------------------------------------------------------------------------------

    def _paint(self) -> None:
        dark = self._session.dark
        self.heatmap.paint(dark)
        self.scatter.paint(dark)
        if self._session.run is not None:
            self.scores.object = styled(baselines(self._session.run), dark)

    def _show_body(self, there: bool) -> None:
        self._empty.visible = not there
        for part in self._body:
            part.visible = there

    def figure(self) -> Any:
        """The shown picture, and the hidden against the imputed values where there are hidden ones."""
        if not self.heatmap.chart.marks:
            raise InputError("There is no imputation to draw yet.", advice="Wait for a run to be done, or choose one.")
        return Figure([chart for chart in (self.heatmap.chart, self.scatter.chart) if chart.marks], columns=1)

    def __panel__(self) -> Any:
        left = pmui.Column(
            self.picture,
            pn.pane.Bokeh(self.heatmap.figure, sizing_mode="stretch_width", margin=4),
            self.note,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        right = pmui.Column(
            pmui.Row(self.gene, self.of, margin=0),
            pn.pane.Bokeh(self.scatter.figure, sizing_mode="stretch_width", margin=4),
            pmui.Row(pn.HSpacer(), self._export, margin=0, sizing_mode="stretch_width"),
            width=380, margin=0,
        )  # fmt: skip
        self._body = [pmui.Row(left, right, sizing_mode="stretch_width", margin=0), self.scores]
        run = self._session.run
        self._show_body(run is not None and run.finished)
        return pmui.Column(self._empty, *self._body, sizing_mode="stretch_width", margin=0)


def _note(run: RunData, kind: str) -> str:
    if kind != HIDDEN:
        said = "Cells stand in rows, grouped by predicted cluster. Darker is larger."
        return f"{said} {EXPECTED}" if run.imputed_is_expected else said
    if run.hidden_is_benchmark:
        said = "Entries that the benchmark hid from the training, so that their true values are known. Darker is worse."
    else:
        said = (
            "Entries held out from the training. They chose the returned iteration and the early stops, so these "
            "errors are a little too good; dropout_prob hides entries that nothing sees. Darker is worse."
        )
    return f"{said} {VALUE}" if run.imputed_is_expected else said

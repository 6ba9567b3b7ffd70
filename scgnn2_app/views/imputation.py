"""What the imputation did: its error where entries were hidden, before, after, difference, and beside the baselines."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, Range1d
from bokeh.plotting import figure

from scgnn2_app.charts.colouring import by_groups
from scgnn2_app.charts.heatmap import COLOURS, HeatmapChart
from scgnn2_app.charts.heatmap_pictures import HIDDEN, HeatmapPicture, kinds, pictures
from scgnn2_app.charts.map_key import MapKey
from scgnn2_app.controls.wording import EXPECTED
from scgnn2_app.exports.figure_files import ExportRow
from scgnn2_app.exports.fragments import baselines, styled
from scgnn2_app.later import in_thread
from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session
from scgnn2_app.theme import colours, paint, seen
from scgnn2_app.views.gene_picker import GenePicker
from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.errors import InputError
from scgnn2_engine.plots.heatmap import block_heatmap
from scgnn2_engine.plots.maps import truth_scatter

ONE, EVERY = "this gene", "all genes"
MOST_POINTS = 4000
"""Entries that the scatter shows of all genes together: a sample."""

VALUE = (
    "The entries were seen before, so what is compared is the value of a gene where it is seen (output value), not "
    "what to expect of it, which is the imputed expression of these data."
)
NO_POINTS: dict[str, list[Any]] = {"true": [], "imputed": [], "fill": [], "cell": []}


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
        self._pictures: dict[str, HeatmapPicture] = {}
        self.picture = pmui.Select(
            label="Picture", options=[HIDDEN], value=HIDDEN, size="small", margin=(6, 8), width=230
        )
        self.key = MapKey(dark=session.dark, margin=(4, 8), width=230)
        self.heatmap = HeatmapChart(session.dark)
        self.gene = GenePicker(session, sizing_mode=None, width=190)
        self.of = pmui.Select(
            label="Entries of", options=[ONE, EVERY], value=ONE, size="small", margin=(6, 8), width=130
        )
        self._points = ColumnDataSource(NO_POINTS)
        self._build_scatter(session.dark)
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

    def _build_scatter(self, dark: bool) -> None:
        unit = "ln(1 + expression)"
        plot: Any = figure(
            height=300, sizing_mode="stretch_width", title="", toolbar_location="above",
            x_range=Range1d(start=0, end=1), y_range=Range1d(start=0, end=1), tools="pan,wheel_zoom,reset",
            x_axis_label=f"true, {unit}", y_axis_label=f"imputed, {unit}",
            tooltips=[("cell", "@cell"), ("true", "@true{0.000}"), ("imputed", "@imputed{0.000}")],
        )  # fmt: skip
        self.scatter = plot
        plot.toolbar.logo = None
        plot.toolbar.autohide = True
        self._line = plot.line([0, 100], [0, 100], line_dash="dashed", line_width=1, color=colours(dark)["muted"])
        plot.scatter("true", "imputed", source=self._points, fill_color="fill", line_color=None, size=6, alpha=0.75)
        plot.hover.renderers = [plot.renderers[-1]]
        paint(plot, dark)

    # --- taking up a run ---------------------------------------------------------------------------------------------

    def _take_up(self) -> None:
        run = self._session.run
        there = run is not None and run.finished
        self._show_body(there)
        self._pictures = {}
        self.heatmap.clear()
        self._points.data = NO_POINTS
        if run is None or not there:
            return
        options = kinds(run)
        self.picture.param.update(
            options=options, value=self.picture.value if self.picture.value in options else options[0]
        )
        self.scores.object = styled(baselines(run), self._session.dark)
        self._show_points()

        def show(found: dict[str, HeatmapPicture]) -> None:
            if self._session.run is run:
                self._pictures = found
                self._show_picture()

        in_thread(lambda: pictures(run), show, lambda error: self._session.say(str(error), "error"))

    def _show_picture(self) -> None:
        run, picture = self._session.run, self._pictures.get(self.picture.value)
        if run is None or picture is None:
            return
        self.heatmap.draw(picture)
        self.heatmap.figure.title.text = f"{_heading(run, picture)}: {run.n_obs:,} cells × {run.n_vars:,} genes"
        self.key.param.update(
            title=picture.meaning, entries=[], gradient=COLOURS[2::20], low="0", high=f"{picture.limit:.3g} or more",
            dark=self._session.dark,
        )  # fmt: skip
        self.note.object = _note(run, picture.kind)

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
        self.scatter.title.text = self._title(true, imputed)
        if len(true) > MOST_POINTS:
            sample = np.sort(np.random.default_rng(0).choice(len(true), MOST_POINTS, replace=False))
            true, imputed, rows = true[sample], imputed[sample], rows[sample]
        groups = by_groups(run.labels, "").groups
        colour_of = {group.name: seen(group.colour, self._session.dark) for group in groups}
        self._points.data = {
            "true": true,
            "imputed": imputed,
            "fill": [colour_of[str(label)] for label in run.labels[rows]],
            "cell": run.obs_names[rows].tolist(),
        }
        end = 1.05 * (float(max(true.max(), imputed.max())) if len(true) else 1.0) or 1.0
        for axis in (self.scatter.x_range, self.scatter.y_range):
            axis.update(start=0, end=end, reset_start=0, reset_end=end)

    # --- look and export ---------------------------------------------------------------------------------------------

    def _paint(self) -> None:
        dark = self._session.dark
        self.heatmap.paint(dark)
        paint(self.scatter, dark)
        self._line.glyph.line_color = colours(dark)["muted"]
        self.key.dark = dark
        if self._session.run is not None:
            self.scores.object = styled(baselines(self._session.run), dark)
        self._show_points()

    def _show_body(self, there: bool) -> None:
        self._empty.visible = not there
        for part in self._body:
            part.visible = there

    def figure(self) -> Any:
        """The shown picture, and the hidden against the imputed values where there are hidden ones."""
        run, picture = self._session.run, self._pictures.get(self.picture.value)
        if run is None or picture is None:
            raise InputError("There is no imputation to draw yet.", advice="Wait for a run to be done, or choose one.")
        drawn = block_heatmap(
            picture.values, picture.row_labels, run.n_vars, title=_heading(run, picture), meaning=picture.meaning,
            limit=picture.limit,
        )  # fmt: skip
        true, imputed, _ = self.hidden()
        if not len(true):
            return drawn
        return (drawn + truth_scatter(true, imputed, title=self._title(true, imputed))).cols(1).opts(shared_axes=False)

    def __panel__(self) -> Any:
        left = pmui.Column(
            pmui.Row(self.picture, self.key, margin=0),
            pn.pane.Bokeh(self.heatmap.figure, sizing_mode="stretch_width", margin=4),
            self.note,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        right = pmui.Column(
            pmui.Row(self.gene, self.of, margin=0),
            pn.pane.Bokeh(self.scatter, sizing_mode="stretch_width", margin=4),
            pmui.Row(pn.HSpacer(), self._export, margin=0, sizing_mode="stretch_width"),
            width=380, margin=0,
        )  # fmt: skip
        self._body = [pmui.Row(left, right, sizing_mode="stretch_width", margin=0), self.scores]
        run = self._session.run
        self._show_body(run is not None and run.finished)
        return pmui.Column(self._empty, *self._body, sizing_mode="stretch_width", margin=0)


def _heading(run: RunData, picture: HeatmapPicture) -> str:
    if picture.kind != HIDDEN:
        return {"before": "Before imputation", "after": "After imputation"}.get(picture.kind, "Change by imputation")
    return "Error at hidden entries" if run.hidden_is_benchmark else "Error at held-out entries"


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

"""Charts that grow while a run goes on: bokeh figures whose sources are streamed into."""

from __future__ import annotations

import math
from typing import Any

from bokeh import models as bokeh_models
from bokeh import plotting as bokeh_plotting

from scgnn2_app.charts.axes import LOG_TICKS
from scgnn2_app.results.story import Curve, RunStory
from scgnn2_app.theme import SMALL, cluster_colour, colours, paint
from scgnn2_engine.plots import palette

models: Any = bokeh_models  # its own types lack half of its classes
plotting: Any = bokeh_plotting

TOOLS = "pan,wheel_zoom,box_zoom,reset,save"
MOST_POINTS = 20_000
"""Points of a chart that a page is sent when it takes up a run; longer curves are thinned."""

LEGEND: dict[str, Any] = {
    "orientation": "horizontal",
    "ncols": 2,
    "location": "left",
    "label_text_font_size": "11px",
    "styles": {"font-size": "11px"},  # that of the page would be taken otherwise
    "spacing": 4,
    "padding": 0,
    "margin": 0,
    "border_line_color": None,
    "background_fill_alpha": 0,
    "click_policy": "hide",
    "glyph_width": 12,
    "glyph_height": 10,
    "label_height": 12,
    "label_standoff": 2,
}
"""Above the plot, so that it hides nothing; a click hides its line."""

CLUSTER_LEGEND: dict[str, Any] = LEGEND | {"ncols": 5, "label_width": 12}
"""One of numbers only, so that a chart of many clusters keeps its height."""

LEGEND_ROW = 22
"""Pixels of a row of it."""

HELD_OUT = "held out"


HEIGHT = 230


class LossChart:
    """The loss of one stage by epoch, logarithmic; a line for every cluster where there are several autoencoders.

    Parameters
    ----------
    stage, title
        The stage's name in the events, and what stands above the chart.
    dark
        Whether the page is dark.
    """

    def __init__(self, stage: str, title: str, dark: bool = False) -> None:
        self.stage = stage
        self.figure = plotting.figure(
            height=HEIGHT,
            sizing_mode="stretch_width",
            title=title,
            y_axis_type="log",
            tools=TOOLS,
            toolbar_location="above",
            styles=SMALL,
            active_drag="box_zoom",
            x_axis_label="epoch, all iterations",
            y_axis_label="loss",
        )
        self.figure.toolbar.logo = None
        self.figure.toolbar.autohide = True
        self.figure.yaxis.formatter = models.NumeralTickFormatter(format="0.[00]a")
        self.figure.yaxis.ticker = models.CustomJSTicker(major_code=LOG_TICKS)
        self._lines: dict[int | None, tuple[Any, int]] = {}
        self._drawn: dict[int | None, Any] = {}
        self._dark = dark
        self._held_out = models.ColumnDataSource({"x": [], "y": []})
        self._held_out_length = 0
        self._earlier = models.ColumnDataSource({"x": [], "y": []})
        self._earlier_line = self.figure.line(
            "x", "y", source=self._earlier, line_dash=[4, 3], line_width=1.5, color=colours(dark)["muted"]
        )
        self._legend, self._clusters = models.Legend(**LEGEND), models.Legend(**CLUSTER_LEGEND | {"visible": False})
        for legend in (self._clusters, self._legend):
            self.figure.add_layout(legend, "above")
        self._add_right_axis()
        self.paint(dark)

    @property
    def has_data(self) -> bool:
        """Whether there is anything to see."""
        return any(sent for _, sent in self._lines.values()) or bool(self._earlier.data["x"])

    def paint(self, dark: bool) -> None:
        """Take the colours of a light or dark page."""
        self._dark = dark
        paint(self.figure, dark)
        for cluster, line in self._drawn.items():
            line.glyph.line_color = _line_colour(cluster, dark)
        self._earlier_line.glyph.line_color = colours(dark)["muted"]
        self._held_out_line.glyph.line_color = colours(dark)["ink"]  # every other colour may be a cluster's

    def update(self, story: RunStory) -> None:
        """Take up what has come since."""
        mine = [(key, curve) for key, curve in story.curves.items() if key[0] == self.stage]
        losses = [(cluster, curve) for (_, cluster, name), curve in mine if name == "loss"]
        stride = max(1, -(-sum(len(curve.x) for _, curve in losses) // MOST_POINTS))
        for cluster, curve in losses:
            self._extend(cluster, curve, stride)
        length = sum(len(curve.x) for (_, _, name), curve in mine if name == "validation")
        if length != self._held_out_length:
            self._held_out_length = length
            self._show_held_out(story.mean(self.stage, "validation"))

    def compare(self, story: RunStory | None) -> None:
        """Lay the loss of another run beneath, or with None of none."""
        curve = story.mean(self.stage) if story is not None else Curve()
        self._earlier.data = _thinned(curve, max(1, len(curve.x) // 4000))
        self._name("other run", self._earlier_line, shown=bool(curve.x))

    def _extend(self, cluster: int | None, curve: Curve, stride: int) -> None:
        if cluster not in self._lines:
            self._lines[cluster] = (self._new_line(cluster), 0)
        source, sent = self._lines[cluster]
        if len(curve.x) == sent:
            return
        if sent == 0:
            source.data = _thinned(curve, stride)
        else:
            source.stream({"x": curve.x[sent:], "y": curve.y[sent:]})
        self._lines[cluster] = (source, len(curve.x))

    def _new_line(self, cluster: int | None) -> Any:
        source = models.ColumnDataSource({"x": [], "y": []})
        line = self.figure.line("x", "y", source=source, color=_line_colour(cluster, self._dark), line_width=1.5)
        self._drawn[cluster] = line
        self._name_clusters()
        self.figure.y_range.renderers = [*self.figure.y_range.renderers, line]  # that of the other axis is none of it
        name = "loss" if cluster is None else f"cluster {cluster}"
        self.figure.add_tools(
            models.HoverTool(renderers=[line], tooltips=[(name, "@y{0.0000a}"), ("epoch", "@x{0}")], visible=False)
        )
        return source

    def _name_clusters(self) -> None:
        numbers = sorted(cluster for cluster in self._drawn if cluster is not None)
        if numbers:
            self._clusters.items = [
                models.LegendItem(label=str(cluster), renderers=[self._drawn[cluster]]) for cluster in numbers
            ]
            rows = -(-len(numbers) // self._clusters.ncols)
            self.figure.height = HEIGHT + LEGEND_ROW * (rows - 1)
            self._clusters.visible = True

    def _add_right_axis(self) -> None:
        """Hidden until it is needed: one that is added to a figure on the screen is measured before it is drawn."""
        self.figure.extra_y_ranges = {HELD_OUT: models.Range1d(0.1, 1.0)}
        self.figure.extra_y_scales = {HELD_OUT: models.LogScale()}
        self._right_axis = models.LogAxis(y_range_name=HELD_OUT, axis_label="error, held out", visible=False)
        self.figure.add_layout(self._right_axis, "right")
        self._held_out_line = self.figure.line(
            "x", "y", source=self._held_out, y_range_name=HELD_OUT, line_dash=[2, 2], line_width=1.5,
        )  # fmt: skip
        self.figure.y_range.renderers = [self._earlier_line]

    def _show_held_out(self, curve: Curve) -> None:
        """The error at held-out entries on an axis of its own: it is thousands of times smaller than a loss."""
        finite = [y for y in curve.y if math.isfinite(y) and y > 0]
        if not finite:
            return
        low, high = min(finite) / 1.05, max(finite) * 1.05
        if not self._right_axis.visible:
            self._right_axis.visible = True
            self._name("held-out error", self._held_out_line, shown=True)
        self.figure.extra_y_ranges[HELD_OUT].update(start=low, end=high)
        self._held_out.data = _thinned(curve, max(1, len(curve.x) // 4000))

    def _name(self, text: str, line: Any, *, shown: bool) -> None:
        others = [item for item in self._legend.items if item.label.value != text]
        self._legend.items = [*others, models.LegendItem(label=text, renderers=[line])] if shown else others


def _line_colour(cluster: int | None, dark: bool) -> str:
    return palette(1)[0] if cluster is None else cluster_colour(cluster, dark)


def _thinned(curve: Curve, stride: int) -> dict[str, list[float]]:
    """Every so many-th point; the breaks between trainings and the last point stay."""
    if stride <= 1:
        return {"x": list(curve.x), "y": list(curve.y)}
    last = len(curve.x) - 1
    kept = [i for i in range(len(curve.x)) if i % stride == 0 or i == last or math.isnan(curve.y[i])]
    return {"x": [curve.x[i] for i in kept], "y": [curve.y[i] for i in kept]}

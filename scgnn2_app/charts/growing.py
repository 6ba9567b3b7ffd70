"""Charts that grow while a run goes on: bokeh figures whose sources are streamed into."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bokeh import models as bokeh_models
from bokeh import plotting as bokeh_plotting

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

HELD_OUT = "held out"


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
            height=230,
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
        self.figure.yaxis.ticker = models.LogTicker(mantissas=[1, 2, 5])
        self._lines: dict[int | None, tuple[Any, int]] = {}
        self._items: list[Any] = []
        self._held_out = models.ColumnDataSource({"x": [], "y": []})
        self._held_out_length = 0
        self._earlier = models.ColumnDataSource({"x": [], "y": []})
        self._earlier_line = self.figure.line(
            "x", "y", source=self._earlier, line_dash=[4, 3], line_width=1.5, color=colours(dark)["muted"]
        )
        self._legend = models.Legend(**LEGEND)
        self.figure.add_layout(self._legend, "above")
        self._add_right_axis()
        self.paint(dark)

    @property
    def has_data(self) -> bool:
        """Whether there is anything to see."""
        return any(sent for _, sent in self._lines.values()) or bool(self._earlier.data["x"])

    def paint(self, dark: bool) -> None:
        """Take the colours of a light or dark page."""
        paint(self.figure, dark)
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
        colour = palette(1)[0] if cluster is None else cluster_colour(cluster)
        line = self.figure.line("x", "y", source=source, color=colour, line_width=1.5)
        self.figure.y_range.renderers = [*self.figure.y_range.renderers, line]  # that of the other axis is none of it
        name = "loss" if cluster is None else f"cluster {cluster}"
        self.figure.add_tools(
            models.HoverTool(renderers=[line], tooltips=[(name, "@y{0.0000a}"), ("epoch", "@x{0}")], visible=False)
        )
        return source

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


class ScoreChart:
    """Scores by iteration.

    Parameters
    ----------
    title, unit
        What stands above, and beside the y axis.
    lines
        Name of a score to its name in the legend.
    baselines
        Likewise for what is drawn as level lines, from ``RunStory.levels``.
    span
        How much the y axis shows where all scores are the same; of 1 and more its marks are whole numbers.
    dark
        Whether the page is dark.
    """

    def __init__(
        self,
        title: str,
        unit: str,
        lines: Mapping[str, str],
        baselines: Mapping[str, str],
        span: float = 2.0,
        *,
        dark: bool = False,
    ) -> None:
        self._lines, self._baselines = dict(lines), dict(baselines)
        self.figure = plotting.figure(
            height=230,
            sizing_mode="stretch_width",
            title=title,
            tools=TOOLS,
            toolbar_location="above",
            styles=SMALL,
            x_axis_label="iteration",
            y_axis_label=unit,
        )
        self.figure.toolbar.logo = None
        self.figure.toolbar.autohide = True
        self.figure.xaxis.ticker.update(min_interval=1)
        self.figure.y_range.default_span = span
        if span >= 1:
            self.figure.yaxis.ticker.update(min_interval=1)
        self._sources: dict[str, Any] = {}
        self._drawn = (-1, 0)
        colour_of = dict(zip([*lines, *baselines], palette(len(lines) + len(baselines)), strict=True))
        items = []
        for name, text in {**lines, **baselines}.items():
            level = name in baselines
            source = self._sources[name] = models.ColumnDataSource(
                {"x": [], "y": []} | ({"method": []} if level else {})
            )
            line = self.figure.line(
                "x", "y", source=source, color=colour_of[name], line_width=1.6, line_dash=[6, 3] if level else []
            )
            drawn = [line]
            if not level:
                other = self._sources[f"other {name}"] = models.ColumnDataSource({"x": [], "y": []})
                self.figure.line("x", "y", source=other, color=colour_of[name], line_width=1.2, line_dash=[2, 3])
                drawn.append(self.figure.scatter("x", "y", source=source, color=colour_of[name], size=6))
            self.figure.add_tools(
                models.HoverTool(
                    renderers=[drawn[-1]],
                    tooltips=[(text, "@method @y{0.0000}" if level else "@y{0.0000}"), ("iteration", "@x{0}")],
                    visible=False,
                )
            )
            items.append((name, models.LegendItem(label=text, renderers=drawn)))
        self._items = items
        self._legend = models.Legend(**LEGEND)
        self.figure.add_layout(self._legend, "above")
        self._selected = models.Span(location=0, dimension="height", line_dash="dashed", line_width=1, visible=False)
        self.figure.add_layout(self._selected)
        self.paint(dark)

    @property
    def has_data(self) -> bool:
        """Whether there is anything to see."""
        return any(len(source.data["x"]) for source in self._sources.values())

    def paint(self, dark: bool) -> None:
        """Take the colours of a light or dark page."""
        paint(self.figure, dark)
        self._selected.line_color = colours(dark)["muted"]

    def update(self, story: RunStory) -> None:
        """Take up what has come since."""
        now = (len(story.scores), len(story.levels))
        if now != self._drawn:
            self._drawn = now
            self._fill("", story)
        if story.selected is not None:
            self._selected.update(location=story.selected, visible=True)
        elif self._selected.visible:
            self._selected.visible = False

    def compare(self, story: RunStory | None) -> None:
        """Lay the scores of another run beneath, or with None of none."""
        self._fill("other ", story or RunStory())

    def _fill(self, prefix: str, story: RunStory) -> None:
        for name in self._lines:
            x, y = story.column(name)
            self._sources[prefix + name].data = {"x": x, "y": y}
        if prefix:
            return
        last = [row["iteration"] for row in story.scores]
        for name in self._baselines:
            there = name in story.levels and any(story.column(line)[0] for line in self._lines)
            ends: Sequence[float] = [min(last), max(max(last), min(last) + 1)] if there else []
            method, score = story.levels[name] if there else ("", 0.0)
            n_ends = len(ends)
            self._sources[name].data = {"x": list(ends), "y": [score] * n_ends, "method": [method] * n_ends}
        named = [item for name, item in self._items if self._sources[name].data["x"]]
        self._legend.items = named if len(self._items) > 1 else []


def _thinned(curve: Curve, stride: int) -> dict[str, list[float]]:
    """Every so many-th point; the breaks between trainings and the last point stay."""
    if stride <= 1:
        return {"x": list(curve.x), "y": list(curve.y)}
    last = len(curve.x) - 1
    kept = [i for i in range(len(curve.x)) if i % stride == 0 or i == last or math.isnan(curve.y[i])]
    return {"x": [curve.x[i] for i in kept], "y": [curve.y[i] for i in kept]}

"""Charts on Bokeh's canvas: for the page, where they change while they are looked at, and for files of HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from bokeh import plotting as bokeh_plotting

from scgnn2_engine.plots.bokeh_marks import (
    LOG_TICKS,
    LOG_WORDS,
    columns_of,
    dress,
    glyph_of,
    has_data,
    models,
    same,
    tips_of,
)
from scgnn2_engine.plots.chart import Chart, Figure, Line, Mark, Scale, Shapes, legend_columns
from scgnn2_engine.plots.style import inks

plotting: Any = bokeh_plotting  # its own types lack half of its classes

MOST_POINTS = 20_000
"""Points of a chart's lines that a page is sent when it takes one up; longer lines are thinned."""

LEGEND: dict[str, Any] = {
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
"""Beside the plot, so that it hides nothing; a click hides its line."""

LEGEND_ROW, LEGEND_WIDTH = 22, 44
"""Pixels of a row of it, and letters that it is wide."""

LEGEND_ROWS = 22
"""Rows of a legend on the right before it gets another column."""

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


Picked = Callable[[str, list[int]], Any] | None


class BokehCanvas:
    """A bokeh figure that shows one chart at a time; the browser is sent what is new in it.

    Parameters
    ----------
    chart
        What to show first. Whether an axis is logarithmic or has limits stays as it is here.
    dark
        Whether the page is dark.
    height
        Of the figure in pixels, which is then as wide as there is room; None: the size of the chart.
    picked
        Called with the name of a mark and which of its parts were clicked.

    Attributes
    ----------
    figure
        The bokeh figure.
    sources, renderers
        What is drawn, by the names of the marks.
    legend
        With the labels of those marks that have something to show.

    Examples
    --------
    >>> canvas = BokehCanvas(Chart(marks=[Line(name="loss", x=[1], y=[4])]))
    >>> canvas.show(Chart(marks=[Line(name="loss", x=[1, 2], y=[4, 2])]))
    >>> canvas.sources["loss"].data["y"]
    [4, 2]
    """

    def __init__(self, chart: Chart, *, dark: bool = False, height: int | None = None, picked: Picked = None) -> None:
        self.chart, self.dark, self._height, self._picked = chart, dark, height, picked
        self.sources: dict[str, Any] = {}
        self.renderers: dict[str, Any] = {}
        self._sent: dict[str, dict[str, Any]] = {}
        self._labelled: dict[str, list[Any]] = {}
        self._told: dict[str, Any] = {}
        self._hovers: dict[str, Any] = {}
        self.figure = self._empty(chart)
        # There from the start, though nothing may be named yet: one that is added later may be painted before the
        # browser has made its view.
        self.legend = models.Legend(location="left" if chart.legend == "above" else "top_left", visible=False, **LEGEND)
        self.figure.add_layout(self.legend, chart.legend)
        self._mapper = models.LinearColorMapper(palette=["#000000"], low=0, high=1)
        self._bar = models.ColorBar(color_mapper=self._mapper, width=8, padding=2, background_fill_alpha=0)
        self.show(chart)

    def _empty(self, chart: Chart) -> Any:
        width, height = chart.size
        stretched = {"sizing_mode": "stretch_width", "styles": {"font-size": "12px"}}  # panel measures text by it
        plot = plotting.figure(
            tools="pan,wheel_zoom,box_zoom,reset,save" if chart.axes else "reset,save", toolbar_location="above",
            x_range=models.DataRange1d() if chart.x_limits is None else models.Range1d(),
            y_range=models.DataRange1d() if chart.y_limits is None else models.Range1d(),
            x_axis_type="log" if chart.x_log else "linear", y_axis_type="log" if chart.y_log else "linear",
            height=self._height or height, **({"width": width} if self._height is None else stretched),
        )  # fmt: skip
        plot.toolbar.logo = None
        plot.toolbar.autohide = True
        plot.axis.visible = plot.grid.visible = chart.axes
        if chart.right_label:  # hidden until needed: one that is added on the screen is measured before it is drawn
            plot.extra_y_ranges = {"right": models.Range1d(0.1, 1.0)}
            plot.extra_y_scales = {"right": models.LogScale() if chart.y_log else models.LinearScale()}
            kind = models.LogAxis if chart.y_log else models.LinearAxis
            plot.add_layout(kind(y_range_name="right", axis_label=chart.right_label, visible=False), "right")
        for axis, log in ((plot.xaxis, chart.x_log), (plot.yaxis, chart.y_log)):
            if log:
                axis.ticker = models.CustomJSTicker(major_code=LOG_TICKS)
                axis.formatter = models.CustomJSTickFormatter(code=LOG_WORDS)
        return plot

    def show(self, chart: Chart) -> None:
        """Show another chart: marks of a name that was there before are changed, not drawn anew."""
        self.chart = chart
        marks = self._marks()
        scale = chart.scale
        self._bar.visible = bool(scale is not None and scale.title and marks)
        if scale is not None and scale.title and self._bar not in self.figure.right:
            self.figure.add_layout(self._bar, "right")  # one that is never needed would displace the toolbar
        if scale is not None:
            self._mapper.update(palette=list(scale.colours), low=scale.low, high=scale.high)
            self._bar.title = scale.title or None
        thinning = -(-sum(len(mark.x) for mark in marks.values() if isinstance(mark, Line)) // MOST_POINTS)
        for name, mark in marks.items():
            columns = columns_of(mark, self.dark, scale)
            if name not in self.sources:
                self._add(name, mark, columns)
            self._send(name, columns, thinning if isinstance(mark, Line) else 1)
            self._tell(name, mark, scale)
        for name in self.sources.keys() - marks.keys():
            self._send(name, {key: [] for key in self._sent[name]})
        self._frame(chart)
        self._name_marks(marks)
        self._paint()

    def clear(self, reason: str = "") -> None:
        """Show nothing, and say why."""
        self.show(Chart(title=reason, axes=self.chart.axes))

    def paint(self, dark: bool) -> None:
        """Take the colours of a light or dark page."""
        self.dark = dark
        self.show(self.chart)

    def _marks(self) -> dict[str, Mark]:
        return {mark.name or f"{type(mark).__name__} {place}": mark for place, mark in enumerate(self.chart.marks)}

    def _paint(self) -> None:
        paint(self.figure, self.dark)
        ink = inks(self.dark)["ink"]
        self._bar.update(major_label_text_color=ink, title_text_color=ink)
        if not self.chart.axes:
            self.figure.outline_line_color = None
        for name, mark in self._marks().items():
            dress(self.renderers[name].glyph, mark, self.dark, self.chart.scale)

    def _send(self, name: str, columns: dict[str, Any], thinning: int = 1) -> None:
        """Send what the browser does not have: new rows at the end, or the columns that differ, or all."""
        source, before = self.sources[name], self._sent.get(name, {})
        self._sent[name] = _copied(columns)
        n_rows, n_before = (len(next(iter(table.values()), ())) for table in (columns, before))
        if n_before and n_before <= n_rows and all(same(before[key], columns[key][:n_before]) for key in columns):
            if n_before < n_rows:
                source.stream({key: list(column[n_before:]) for key, column in columns.items()})
        elif n_before and n_before == n_rows and thinning <= 1:
            for key, column in columns.items():
                if not same(before[key], column):
                    source.data[key] = column
        elif n_rows or n_before:
            source.selected.indices = []
            if thinning > 1:  # the breaks between trainings and the last point stay
                y, last = columns["y"], n_rows - 1
                kept = [row for row in range(n_rows) if row % thinning == 0 or row == last or y[row] != y[row]]
                columns = {key: [column[row] for row in kept] for key, column in columns.items()}
            source.data = _copied(columns)

    def _add(self, name: str, mark: Mark, columns: dict[str, Any]) -> None:
        plot = self.figure
        source = self.sources[name] = models.ColumnDataSource({key: [] for key in columns})
        renderer = self.renderers[name] = glyph_of(plot, mark, source, self._mapper)
        if self.chart.right_label:  # the axis on the left is none of those on the right
            plot.y_range.renderers = [one for one in plot.renderers if one.y_range_name != "right"]
        if isinstance(mark, Shapes) and mark.pick and (picked := self._picked) is not None:
            plot.add_tools(models.TapTool(renderers=[renderer]))
            source.selected.on_change("indices", lambda attribute, old, new: picked(name, new))

    def _tell(self, name: str, mark: Mark, scale: Scale | None) -> None:
        """What the pointer is told of a mark, sent where it has changed."""
        tips, by = now = tips_of(mark, scale)
        if not tips or self._told.get(name) == now:
            return
        if name not in self._told:
            self._hovers[name] = models.HoverTool(renderers=[self.renderers[name]], visible=False)
            self.figure.add_tools(self._hovers[name])
        self._told[name] = now
        words = {column: models.CustomJSHover(code=code, args=args) for column, (code, args) in by.items()}
        self._hovers[name].update(tooltips=tips, formatters=words)

    def _frame(self, chart: Chart) -> None:
        plot = self.figure
        plot.title.text = chart.title
        for axis, ends, label, limits, ticks, whole in (
            (plot.xaxis[0], plot.x_range, chart.x_label, chart.x_limits, chart.x_ticks, chart.x_whole),
            (plot.yaxis[0], plot.y_range, chart.y_label, chart.y_limits, chart.y_ticks, chart.y_whole),
        ):
            axis.axis_label = label
            if limits is not None:
                ends.update(start=limits[0], end=limits[1], reset_start=limits[0], reset_end=limits[1])
            if ticks is not None and list(ticks) != getattr(axis.ticker, "ticks", None):  # else all is laid out anew
                axis.ticker = models.FixedTicker(ticks=list(ticks))
                axis.major_label_overrides = dict(ticks)
            elif whole:
                axis.ticker.update(min_interval=1)
        if chart.x_ticks:
            longest = max(max(map(len, text.split("\n"))) for text in chart.x_ticks.values())
            # Names that have room beside each other are easier to read level.
            fits = 7.0 * (longest + 1) * len(chart.x_ticks) <= max(780, self.figure.width or 0)
            plot.xaxis[0].major_label_orientation = "horizontal" if fits or chart.names_level else 0.5
        right = [axis for axis in plot.yaxis if axis.y_range_name == "right"]
        if right and chart.right_limits is not None:
            plot.extra_y_ranges["right"].update(start=chart.right_limits[0], end=chart.right_limits[1])
            right[0].visible = True

    def _name_marks(self, marks: Mapping[str, Mark]) -> None:
        """The labels of what can be seen, in as many columns as there is room for."""
        labelled: dict[str, list[Any]] = {}
        for name, mark in marks.items():
            if mark.label and has_data(self._sent[name]):
                labelled.setdefault(mark.label, []).append(self.renderers[name])
        if labelled == self._labelled:
            return
        self._labelled = labelled
        if self.chart.legend == "right":
            columns = 1 + len(labelled) // LEGEND_ROWS
        else:
            columns = legend_columns(list(labelled), LEGEND_WIDTH)
            self.legend.orientation = "horizontal"
        items = [models.LegendItem(label=label, renderers=drawn) for label, drawn in labelled.items()]
        self.legend.update(items=items, ncols=columns, visible=bool(items))
        if self.chart.legend == "above" and self._height is not None:
            self.figure.height = self._height + LEGEND_ROW * max(0, -(-len(labelled) // columns) - 1)


def _copied(columns: dict[str, Any]) -> dict[str, Any]:
    """Lists of their own: those of a chart may grow, and so do a source's when it is streamed to."""
    return {key: list(column) if isinstance(column, list | tuple) else column for key, column in columns.items()}


def paint(plot: Any, dark: bool) -> None:
    """Give a bokeh figure the colours of the page."""
    chosen = inks(dark)
    plot.background_fill_color = plot.border_fill_color = chosen["paper"]
    plot.outline_line_color = chosen["grid"]
    plot.title.text_color = chosen["ink"]
    for axis in plot.axis:
        axis.axis_label_text_color = axis.major_label_text_color = chosen["ink"]
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = chosen["muted"]
    for grid in plot.grid:
        grid.grid_line_color = chosen["grid"]
    for legend in plot.legend:
        legend.label_text_color = chosen["ink"]


def html_of(figure: Chart | Figure, title: str) -> str:
    """A page with charts and Bokeh's own script inside.

    :func:`bokeh.embed.file_html` would add a script tag for every imported extension, used or not: with panel loaded
    the page would ask for a file that is not there.
    """
    from bokeh.embed import components
    from bokeh.layouts import gridplot
    from bokeh.resources import Resources

    charts = [figure] if isinstance(figure, Chart) else figure.charts
    drawn = [BokehCanvas(chart).figure for chart in charts]
    root: Any = drawn[0] if isinstance(figure, Chart) else gridplot(drawn, ncols=figure.columns, merge_tools=True)
    script, place = components(root)
    library = "\n".join(f"<script>{code}</script>" for code in Resources(mode="inline", components=["bokeh"]).js_raw)
    return PAGE.format(title=escape(f"scgnn2: {title}"), library=library, script=script, place=place)

"""Violins on the screen: how a number is spread within groups, two sets of values half by half."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d
from bokeh.plotting import figure

from scgnn2_app.theme import colours, paint, seen
from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.plots import cluster_colours
from scgnn2_engine.plots.maps import violin_shapes

MOST_GROUPS = 40
"""Violins that are drawn; of more groups the largest."""

NARROW, LETTER = 780, 7.0  # pixels: the narrowest row of violins, and a letter of a name

EMPTY: dict[str, list[Any]] = {"x": [], "y": [], "group": [], "set": [], "n": [], "median": [], "fill": [], "alpha": []}
LINES: dict[str, list[float]] = {"x0": [], "x1": [], "y": []}


class ViolinChart:
    """A bokeh figure of violins.

    Parameters
    ----------
    dark
        Whether the page is dark.
    """

    def __init__(self, dark: bool = False) -> None:
        self._dark = dark
        self._fills: list[str] = []
        plot: Any = figure(
            height=260, sizing_mode="stretch_width", title="",
            x_range=Range1d(start=-0.6, end=0.6), y_range=Range1d(start=0, end=1),
            tools="pan,wheel_zoom,reset", y_axis_label="", toolbar_location="right",
        )  # fmt: skip
        self.figure = plot
        plot.toolbar.logo = None
        plot.toolbar.autohide = True
        plot.xgrid.visible = False
        self._shapes, self._medians = ColumnDataSource(EMPTY), ColumnDataSource(LINES)
        shapes = plot.patches(
            "x", "y", source=self._shapes, fill_color="fill", fill_alpha="alpha", line_color="fill", line_width=1
        )
        self._lines = plot.segment("x0", "y", "x1", "y", source=self._medians, line_width=2)
        plot.add_tools(
            HoverTool(
                renderers=[shapes],
                tooltips=[("group", "@group"), ("values", "@set"), ("cells", "@n{0,0}"), ("median", "@median{0.000}")],
            )
        )
        self.paint(dark)

    def paint(self, dark: bool) -> None:
        """Take the colours of a light or dark page."""
        self._dark = dark
        paint(self.figure, dark)
        if self._fills:
            self._shapes.patch({"fill": [(slice(len(self._fills)), [seen(fill, dark) for fill in self._fills])]})
        self._lines.glyph.line_color = colours(dark)["ink"]

    def clear(self, reason: str = "") -> None:
        """Draw nothing, and say why."""
        self._shapes.data, self._medians.data, self._fills = EMPTY, LINES, []
        self.figure.title.text = reason

    def draw(
        self, sets: dict[str, Floats], groups: npt.NDArray[Any], title: str, unit: str, grouping: str = "group"
    ) -> None:
        """Draw one or two sets of values by group, of which ``grouping`` is the name.

        See :func:`scgnn2_engine.plots.maps.violins`.
        """
        names, sizes = np.unique(np.asarray(groups).astype(str), return_counts=True)
        left_out = len(names) - MOST_GROUPS
        if left_out > 0:
            kept = np.isin(groups, names[np.argsort(-sizes, kind="stable")[:MOST_GROUPS]])
            sets, groups = {name: values[kept] for name, values in sets.items()}, np.asarray(groups)[kept]
        shapes, medians, order = violin_shapes(sets, groups)
        count = dict(zip(names.tolist(), sizes.tolist(), strict=True))
        fill = cluster_colours(order)
        self._fills = [fill[group] for group, _, _, _ in shapes]
        alpha = dict(zip(sets, (0.35, 0.9), strict=False))
        self._shapes.data = {
            "x": [x.astype(np.float32) for _, _, x, _ in shapes],
            "y": [y.astype(np.float32) for _, _, _, y in shapes],
            "group": [group for group, _, _, _ in shapes],
            "set": [name for _, name, _, _ in shapes],
            "n": [count[group] for group, _, _, _ in shapes],
            "median": [height for _, _, height in medians],
            "fill": [seen(colour, self._dark) for colour in self._fills],
            "alpha": [alpha[name] for _, name, _, _ in shapes],
        }
        self._medians.data = {
            "x0": [left for left, _, _ in medians],
            "x1": [right for _, right, _ in medians],
            "y": [height for _, _, height in medians],
        }
        plot = self.figure
        plot.xaxis.ticker = FixedTicker(ticks=list(range(len(order))))
        plot.xaxis.major_label_overrides = dict(enumerate(order))
        plot.xaxis.axis_label = grouping
        # Names that have room beside each other are easier to read level.
        fit = LETTER * (max(map(len, order), default=0) + 1) * len(order) <= NARROW
        plot.xaxis.major_label_orientation = "horizontal" if fit else 0.5
        plot.x_range.update(start=-0.6, end=len(order) - 0.4, reset_start=-0.6, reset_end=len(order) - 0.4)
        heights = [ends for _, _, _, y in shapes for ends in (float(y.min()), float(y.max()))] or [0.0, 1.0]
        room = 0.05 * ((max(heights) - min(heights)) or 1.0)
        low, high = min(heights) - room, max(heights) + room
        plot.y_range.update(start=low, end=high, reset_start=low, reset_end=high)
        plot.yaxis.axis_label = unit
        halves = "left, pale: {}; right: {}".format(*sets) if len(sets) == 2 else ""
        more = f"; the {MOST_GROUPS} largest of {len(names)} groups" if left_out > 0 else ""
        plot.title.text = f"{title} ({halves}{more})" if halves or more else title

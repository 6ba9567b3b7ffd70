"""A picture of cells by genes on the screen: a byte for each block, darker where the value is larger."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import ColumnDataSource, CustomJSHover, FixedTicker, HoverTool, LinearColorMapper, Range1d
from bokeh.palettes import Magma256
from bokeh.plotting import figure

from scgnn2_app.charts.heatmap_pictures import HeatmapPicture
from scgnn2_app.charts.shading import quantised
from scgnn2_app.theme import paint

COLOURS = ["#00000000", "#8f969e99", *Magma256[::-1][:254]]
"""1, grey, is a block without a value; from light to dark, so that darker is larger, in dark mode too."""

NEAREST_NAMES = 0.04  # of the height: names of clusters nearer than this are left out
NOTHING = np.zeros((1, 1), dtype=np.uint8)


class HeatmapChart:
    """A bokeh figure of one :class:`~scgnn2_app.charts.heatmap_pictures.HeatmapPicture` at a time.

    Parameters
    ----------
    dark
        Whether the page is dark.
    """

    def __init__(self, dark: bool = False, height: int = 460) -> None:
        plot: Any = figure(
            height=height, sizing_mode="stretch_width", title="", toolbar_location="above",
            x_range=Range1d(start=0, end=1), y_range=Range1d(start=0, end=1),
            tools="pan,wheel_zoom,box_zoom,reset", active_drag="box_zoom",
            x_axis_label="genes, largest mean difference first", y_axis_label="cells, by predicted cluster",
        )  # fmt: skip
        self.figure = plot
        plot.toolbar.logo = None
        plot.toolbar.autohide = True
        plot.grid.visible = False
        self._picture = ColumnDataSource({"image": [NOTHING], "x": [0.0], "y": [0.0], "dw": [1.0], "dh": [1.0]})
        image = plot.image(
            "image", "x", "y", "dw", "dh", source=self._picture,
            color_mapper=LinearColorMapper(palette=COLOURS, low=0, high=255),
        )  # fmt: skip
        self._borders = ColumnDataSource({"y": [], "x0": [], "x1": []})
        plot.segment("x0", "y", "x1", "y", source=self._borders, line_color="white", line_width=2)
        self._value = CustomJSHover(args={"limit": 1.0}, code=_VALUE)
        self._cluster = CustomJSHover(args={"rows": []}, code="return rows[Math.floor(rows.length - value)] ?? ''")
        plot.add_tools(
            HoverTool(
                renderers=[image],
                tooltips=[("cluster", "$y{custom}"), ("mean of the block", "@image{custom}")],
                formatters={"$y": self._cluster, "@image": self._value},
            )
        )
        self.paint(dark)

    def paint(self, dark: bool) -> None:
        """Take the colours of a light or dark page."""
        paint(self.figure, dark)

    def clear(self) -> None:
        """Show nothing."""
        self._picture.data = {"image": [NOTHING], "x": [0.0], "y": [0.0], "dw": [1.0], "dh": [1.0]}
        self._borders.data = {"y": [], "x0": [], "x1": []}

    def draw(self, picture: HeatmapPicture) -> None:
        """Show a picture."""
        n_rows, n_genes = picture.where.n_rows, len(picture.where.column_of)
        levels = quantised(picture.values, 0.0, picture.limit)
        self._value.args = {"limit": picture.limit}
        self._cluster.args = {"rows": picture.row_labels.tolist()}
        self._picture.data = {
            "image": [levels[::-1]], "x": [0.0], "y": [0.0], "dw": [float(n_genes)], "dh": [float(n_rows)]
        }  # fmt: skip
        plot = self.figure
        for axis, end in ((plot.x_range, n_genes), (plot.y_range, n_rows)):
            axis.update(start=0, end=end, reset_start=0, reset_end=end)
        ticks, borders = row_ticks(picture.row_labels)
        plot.yaxis.ticker = FixedTicker(ticks=list(ticks))
        plot.yaxis.major_label_overrides = ticks
        self._borders.data = {"y": borders, "x0": [0.0] * len(borders), "x1": [float(n_genes)] * len(borders)}


_VALUE = "return value < 2 ? 'nothing hidden' : ((value - 2) / 253 * limit).toFixed(3)"


def row_ticks(row_labels: npt.NDArray[np.str_]) -> tuple[dict[float, str], list[float]]:
    """Heights of the names of the clusters, of the largest where they would overlap, and of the lines between them.

    Examples
    --------
    >>> row_ticks(np.array(["0", "0", "1"]))
    ({2.0: '0', 0.5: '1'}, [1.0])
    """
    n_rows = len(row_labels)
    starts = np.flatnonzero(np.append(True, row_labels[1:] != row_labels[:-1])) if n_rows else np.empty(0, dtype=int)
    ends = np.append(starts[1:], n_rows)
    ticks: dict[float, str] = {}
    for place in np.argsort(starts - ends, kind="stable"):
        height = float(n_rows - (starts[place] + ends[place]) / 2)
        if all(abs(height - other) >= NEAREST_NAMES * n_rows for other in ticks):
            ticks[height] = str(row_labels[starts[place]])
    return ticks, [float(n_rows - start) for start in starts[1:]]

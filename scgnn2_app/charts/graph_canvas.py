"""The cell graph on the screen: shaded edges beneath, and cells as glyphs or, when they are many, as pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.core.property.descriptors import UnsetValueError
from bokeh.events import RangesUpdate, Reset, SelectionGeometry
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    CustomJSHover,
    HoverTool,
    LassoSelectTool,
    LinearColorMapper,
    Range1d,
)
from bokeh.plotting import figure
from matplotlib.path import Path as Outline

from scgnn2_app.charts.colouring import Colouring
from scgnn2_app.charts.shading import EdgeShader, Picture, Window, cells_picture, edge_palette, whole
from scgnn2_app.later import in_thread
from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.plots.on_bokeh import paint

MOST_GLYPHS = 20_000
"""Cells that are drawn one by one, with a tip each; more are pixels until the view is zoomed in."""

NAMES_BYTES = 500_000
"""Of the names that are sent for the tips; longer names let fewer cells be drawn one by one."""

DEFAULT_SIZE = (900, 640)
EMPTY_PICTURE = np.zeros((1, 1), dtype=np.uint8)


class GraphCanvas:
    """A figure of cells and edges that is drawn anew when the view, the colours or a width change.

    Parameters
    ----------
    on_select
        Called with the sorted int64 positions of the cells within a lasso or box.
    on_error
        Called with what went wrong while drawing.
    dark
        Whether the page is dark.
    height
        Of the figure in pixels.

    Attributes
    ----------
    figure
        The bokeh figure.
    edgescale, cutoff, thick, node_size, edges_shown
        Published parameters and switches; call :meth:`redraw` after a change.
    drawn
        Called after every drawing, with the window.
    """

    def __init__(
        self,
        on_select: Callable[[npt.NDArray[np.int64]], Any],
        on_error: Callable[[Exception], Any],
        *,
        dark: bool = False,
        height: int = 500,
    ) -> None:
        self.edgescale, self.cutoff, self.thick, self.edges_shown = 0.03, 0.0, True, True
        self.node_size = 5.0
        self.drawn: Callable[[Window], Any] = lambda window: None
        self._on_select, self._on_error = on_select, on_error
        self._positions: Floats = np.empty((0, 2), dtype=np.float32)
        self._names: npt.NDArray[np.str_] = np.empty(0, dtype=np.str_)
        self._shader: EdgeShader | None = None
        self._colouring: Colouring | None = None
        self._columns: dict[str, npt.NDArray[Any]] = {}
        self._glyphs: npt.NDArray[np.int64] | None = None
        self._drawn_pixels: tuple[Window, float, npt.NDArray[np.uint8]] | None = None
        self._prepare: Callable[[], EdgeShader] | None = None
        self._busy = self._again = False
        self._build(dark, height)

    def _build(self, dark: bool, height: int) -> None:
        plot: Any = figure(
            x_range=Range1d(start=0, end=1), y_range=Range1d(start=0, end=1),
            height=height, sizing_mode="stretch_width",
            tools="pan,wheel_zoom,box_zoom,reset", active_drag="pan", active_scroll="wheel_zoom",
            x_axis_label="UMAP 1", y_axis_label="UMAP 2", output_backend="canvas",
        )  # fmt: skip
        self.figure = plot
        plot.toolbar.logo = None
        plot.grid.visible = False
        plot.axis.ticker = []  # places on the map have no unit
        self.lasso, self.box = LassoSelectTool(continuous=False), BoxSelectTool(continuous=False)
        plot.add_tools(self.lasso, self.box)
        picture = {"image": [EMPTY_PICTURE], "x": [0.0], "y": [0.0], "dw": [1.0], "dh": [1.0]}
        self.edges, self.pixels = ColumnDataSource(picture, name="edges"), ColumnDataSource(picture, name="pixels")
        self._edge_colours = LinearColorMapper(palette=edge_palette(dark), low=0, high=255)
        self._cell_colours = LinearColorMapper(palette=edge_palette(dark), low=0, high=255)
        for source, mapper in ((self.edges, self._edge_colours), (self.pixels, self._cell_colours)):
            plot.image("image", "x", "y", "dw", "dh", source=source, color_mapper=mapper, level="image")
        self.cells = ColumnDataSource({"x": [], "y": [], "index": [], "name": [], "value": []})
        colour = {"field": "index", "transform": self._cell_colours}
        self.points = plot.scatter(
            "x", "y", source=self.cells, size=self.node_size, fill_color=colour, line_color=None,
            nonselection_fill_alpha=1.0, selection_fill_color=colour, nonselection_fill_color=colour,
        )  # fmt: skip
        self._hover = HoverTool(renderers=[self.points], tooltips=[("cell", "@name")], point_policy="follow_mouse")
        plot.add_tools(self._hover)
        self.lasso.renderers = self.box.renderers = [self.points]
        plot.on_event(RangesUpdate, lambda event: self._moved(event))
        plot.on_event(Reset, lambda event: self.redraw())
        plot.on_event(SelectionGeometry, self._lassoed)
        self.paint(dark)

    # --- what is shown -----------------------------------------------------------------------------------------------

    def load(
        self,
        positions: Floats,
        edges: Ints,
        weights: Floats,
        names: npt.NDArray[np.str_],
        columns: dict[str, npt.NDArray[Any]],
        *,
        keep_view: bool = False,
    ) -> None:
        """Take up a graph.

        Parameters
        ----------
        positions, edges, weights
            As for :class:`~scgnn2_app.charts.shading.EdgeShader`.
        names
            (n_obs,) shown when the pointer rests on a cell.
        columns
            What the tip says beside the name: title to (n_obs,) groups, as strings.
        keep_view
            Do not show the whole map.
        """
        self._positions, self._names, self._columns = np.asarray(positions, dtype=np.float32), names, columns
        self._glyphs = self._drawn_pixels = None
        if not keep_view:
            window = whole(self._positions, *self._size())
            for axis, ends in ((self.figure.x_range, window.x), (self.figure.y_range, window.y)):
                axis.update(start=ends[0], end=ends[1], reset_start=ends[0], reset_end=ends[1])
        self._shader = None
        self.redraw(lambda: EdgeShader(positions, edges, weights))

    def clear(self) -> None:
        """Show nothing."""
        self._positions, self._shader, self._glyphs = np.empty((0, 2), dtype=np.float32), None, None
        self._colouring = None
        self._show_picture(self.edges, EMPTY_PICTURE, Window((0.0, 1.0), (0.0, 1.0), 1, 1))
        self._show_picture(self.pixels, EMPTY_PICTURE, Window((0.0, 1.0), (0.0, 1.0), 1, 1))
        self.cells.data = {"x": [], "y": [], "index": [], "name": [], "value": []}

    def colour(self, colouring: Colouring, dark: bool) -> None:
        """Colour the cells."""
        self._colouring = colouring
        palette = colouring.palette(dark)
        if self._cell_colours.palette != palette:
            self._cell_colours.palette = palette
        self._draw_cells()

    def paint(self, dark: bool) -> None:
        """Take the colours of a light or dark page."""
        paint(self.figure, dark)
        self._edge_colours.palette = list(edge_palette(dark))
        if self._colouring is not None:
            self._cell_colours.palette = self._colouring.palette(dark)

    @property
    def window(self) -> Window:
        """What is seen, and in how many pixels."""
        x, y = self.figure.x_range, self.figure.y_range
        return Window.of((x.start, x.end), (y.start, y.end), *self._size())

    @property
    def shader(self) -> EdgeShader | None:
        """The edges, None before they are there."""
        return self._shader

    # --- drawing -----------------------------------------------------------------------------------------------------

    def redraw(self, prepare: Callable[[], EdgeShader] | None = None) -> None:
        """Draw edges and cells again; however often it is called while a drawing goes on, one more follows."""
        if prepare is not None:
            self._prepare = prepare
        self._draw_cells()
        if self._busy:
            self._again = True
            return
        self._busy, self._again = True, False
        prepare, self._prepare = self._prepare, None
        window, shader = self.window, self._shader
        edgescale, cutoff, thick, shown = self.edgescale, self.cutoff, self.thick, self.edges_shown

        def work() -> tuple[EdgeShader | None, Picture]:
            ready = prepare() if prepare is not None else shader
            if ready is None or not shown:
                return ready, EMPTY_PICTURE
            return ready, ready.picture(window, edgescale=edgescale, cutoff=cutoff, thick=thick)

        def show(found: tuple[EdgeShader | None, Picture]) -> None:
            self._busy = False
            self._shader = found[0]
            self._show_picture(self.edges, found[1], window)
            self.drawn(window)
            if self._again:
                self.redraw()

        def failed(error: Exception) -> None:
            self._busy = False
            self._on_error(error)

        in_thread(work, show, failed)

    def _draw_cells(self) -> None:
        if self._colouring is None or len(self._colouring.indices) != len(self._positions):
            return
        window = self.window
        self.points.glyph.size = self.node_size
        indices, values = self._colouring.final(), self._colouring.values
        seen = np.flatnonzero(window.holds(self._positions))
        if len(seen) > self._most():
            if self._glyphs is None or len(self._glyphs):
                self._glyphs = np.empty(0, dtype=np.int64)
                self.cells.data = {"x": [], "y": [], "index": [], "name": [], "value": []}
            self._draw_pixels(indices, window)
            return
        if self.is_pixels:
            self._show_picture(self.pixels, EMPTY_PICTURE, window)
        everything = len(self._positions) <= self._most()
        glyphs = np.arange(len(self._positions)) if everything else seen
        if self._glyphs is None or not np.array_equal(glyphs, self._glyphs):
            self._glyphs = glyphs
            self._send_cells(glyphs, indices, values)
        else:  # only these columns go to the browser, and only where they differ
            for name, column in (("index", indices[glyphs]), ("value", values[glyphs])):
                if not np.array_equal(self.cells.data[name], column, equal_nan=True):
                    self.cells.data[name] = column
        self._set_tips()

    def _draw_pixels(self, indices: npt.NDArray[np.uint8], window: Window) -> None:
        """Draw all cells as pixels, unless nothing has changed since."""
        drawn = self._drawn_pixels
        if (
            self.is_pixels
            and drawn is not None
            and drawn[:2] == (window, self.node_size)
            and np.array_equal(drawn[2], indices)
        ):
            return
        self._drawn_pixels = (window, self.node_size, indices)
        picture = cells_picture(self._positions, indices, window, node_size=self.node_size)
        self._show_picture(self.pixels, picture, window)

    def _send_cells(
        self, glyphs: npt.NDArray[np.int64], indices: npt.NDArray[np.uint8], values: npt.NDArray[np.float32]
    ) -> None:
        data: dict[str, Any] = {
            "x": self._positions[glyphs, 0],
            "y": self._positions[glyphs, 1],
            "index": indices[glyphs],
            "value": values[glyphs],
            "name": self._names[glyphs].tolist(),
        }
        for place, column in enumerate(self._columns.values()):
            data[f"group{place}"] = np.unique(column, return_inverse=True)[1][glyphs].astype(np.int32)
        self.cells.data = data

    def _set_tips(self) -> None:
        """Groups are sent as numbers; the tip puts the names back."""
        assert self._colouring is not None
        tips, formatters = [("cell", "@name")], {}
        for place, (title, column) in enumerate(self._columns.items()):
            tips.append((title, f"@group{place}{{custom}}"))
            formatters[f"@group{place}"] = CustomJSHover(
                args={"names": np.unique(column).tolist()}, code="return names[value]"
            )
        if not self._colouring.is_groups:
            tips.append((self._colouring.title, "@value{0.000}"))
        if tips != self._hover.tooltips:
            self._hover.update(tooltips=tips, formatters=formatters)

    @property
    def is_pixels(self) -> bool:
        """Whether the cells are so many that they are drawn as pixels."""
        return bool(self.pixels.data["image"][0].size > 1)

    @staticmethod
    def _show_picture(source: ColumnDataSource, picture: Picture, window: Window) -> None:
        (x0, x1), (y0, y1) = window.x, window.y
        source.data = {"image": [picture], "x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]}

    def _most(self) -> int:
        length = self._names.dtype.itemsize // 4 + 4 if len(self._names) else 1
        return min(MOST_GLYPHS, NAMES_BYTES // length)

    def _size(self) -> tuple[int, int]:
        """Pixels of the frame, as the browser told; before it did, the usual ones."""
        try:
            width, height = int(self.figure.inner_width), int(self.figure.inner_height)
        except UnsetValueError:
            return DEFAULT_SIZE
        return (width, height) if width > 50 and height > 50 else DEFAULT_SIZE

    # --- what the user does ------------------------------------------------------------------------------------------

    def _moved(self, event: RangesUpdate) -> None:
        self.redraw()

    def _lassoed(self, event: SelectionGeometry) -> None:
        if not event.final or event.geometry is None or not len(self._positions):
            return
        self._on_select(within(self._positions, dict(event.geometry)))


def within(positions: Floats, geometry: dict[str, Any]) -> npt.NDArray[np.int64]:
    """Positions of the cells inside a lasso or a box, ascending.

    Parameters
    ----------
    positions
        (n_obs, 2) places of the cells.
    geometry
        As bokeh's ``SelectionGeometry`` has it: ``type`` ``poly`` with lists ``x`` and ``y``, or ``rect`` with ``x0``,
        ``x1``, ``y0``, ``y1``; in places of the map.

    Examples
    --------
    >>> places = np.array([[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]])
    >>> within(places, {"type": "rect", "x0": -1, "x1": 2, "y0": -1, "y1": 2}).tolist()
    [0, 1]
    >>> within(places, {"type": "poly", "x": [2, 4, 4, 2], "y": [2, 2, 4, 4]}).tolist()
    [2]
    """
    if geometry["type"] == "rect":
        (x0, x1), (y0, y1) = sorted((geometry["x0"], geometry["x1"])), sorted((geometry["y0"], geometry["y1"]))
        return np.flatnonzero(Window((x0, x1), (y0, y1), 1, 1).holds(positions))
    corners = np.array([geometry["x"], geometry["y"]], dtype=np.float64).T
    if len(corners) < 3:
        return np.empty(0, dtype=np.int64)
    near = np.flatnonzero(
        Window((corners[:, 0].min(), corners[:, 0].max()), (corners[:, 1].min(), corners[:, 1].max()), 1, 1).holds(
            positions
        )
    )
    inside: npt.NDArray[np.int64] = near[Outline(corners).contains_points(positions[near])]
    return inside

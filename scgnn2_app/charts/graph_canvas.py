"""The cell graph on the screen: shaded edges beneath, and cells as glyphs or, when they are many, as pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from bokeh.core.property.descriptors import UnsetValueError
from bokeh.events import RangesUpdate, Reset, SelectionGeometry
from bokeh.models import BoxSelectTool, LassoSelectTool, WheelZoomTool
from matplotlib.path import Path as Outline

from scgnn2_app.background import in_thread
from scgnn2_app.charts.colouring import Colouring
from scgnn2_app.charts.shading import EdgeShader, Picture, Window, cells_picture, edge_palette, whole
from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.plots.cell_graph import ON_THE_MAP
from scgnn2_engine.plots.chart import Chart, Image, Mark, Points, Scale
from scgnn2_engine.plots.on_bokeh import BokehCanvas

MOST_GLYPHS = 20_000
"""Cells that are drawn one by one, with a tip each; more are pixels until the view is zoomed in."""

NAMES_BYTES = 500_000
"""Of the names that are sent for the tips; longer names let fewer cells be drawn one by one."""

DEFAULT_SIZE = (900, 640)
EMPTY_PICTURE = np.zeros((1, 1), dtype=np.uint8)
NOWHERE = Window((0.0, 1.0), (0.0, 1.0), 1, 1)
NOTHING = Image(name="edges", values=EMPTY_PICTURE, x=NOWHERE.x, y=NOWHERE.y, colours=edge_palette(False))
# With a tip from the start: a tool that is added on the screen displaces the toolbar.
MAP = Chart(marks=[NOTHING, Points(name="cells", x=(), y=(), values=(), tips={"cell": ()})], **ON_THE_MAP)


class GraphCanvas(BokehCanvas):
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
    title
        What stands above it.

    Attributes
    ----------
    edgescale, cutoff, thick, node_size, edges_shown
        Published parameters and switches; call :meth:`redraw` after a change.
    zoomed
        Called after the user has moved the map.
    drawn
        Called after every drawing, with the window.
    shader
        The edges, None before they are there.
    """

    def __init__(
        self,
        on_select: Callable[[npt.NDArray[np.int64]], Any],
        on_error: Callable[[Exception], Any],
        *,
        dark: bool = False,
        height: int = 500,
        title: str = "",
    ) -> None:
        self.edgescale, self.cutoff, self.thick, self.edges_shown = 0.03, 0.0, True, True
        self.node_size = 5.0
        self.drawn: Callable[[Window], Any] = lambda window: None
        self.zoomed: Callable[[], Any] = lambda: None
        self.shader: EdgeShader | None = None
        self._on_select, self._on_error = on_select, on_error
        self._positions: Floats = np.empty((0, 2), dtype=np.float32)
        self._names: npt.NDArray[np.str_] = np.empty(0, dtype=np.str_)
        self._columns: dict[str, pd.Categorical] = {}
        self._colouring: Colouring | None = None
        self._edges = EMPTY_PICTURE, NOWHERE
        self._pixels: tuple[tuple[Window, float], npt.NDArray[np.uint8], Picture] | None = None
        self._prepare: Callable[[], EdgeShader] | None = None
        self._busy = self._again = False
        super().__init__(replace(MAP, title=title, x_limits=(0.0, 1.0), y_limits=(0.0, 1.0)), dark=dark, height=height)
        plot = self.figure
        plot.toolbar.autohide, plot.toolbar_location = False, "right"
        plot.toolbar.active_scroll = plot.select_one(WheelZoomTool)
        chosen: dict[str, Any] = {"continuous": False, "renderers": [self.renderers["cells"]]}
        plot.add_tools(LassoSelectTool(**chosen), BoxSelectTool(**chosen))
        for event in (RangesUpdate, Reset):
            plot.on_event(event, lambda _: self._zoomed())
        plot.on_event(SelectionGeometry, self._lassoed)

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
        zoom: tuple[float, ...] = (),
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
        zoom
            Ends of what is shown of it at first, ``(x0, x1, y0, y1)``; empty: all.
        """
        self._positions, self._names = np.asarray(positions, dtype=np.float32), names
        self._columns = {title: pd.Categorical(column) for title, column in columns.items()}
        if not keep_view:
            window = whole(self._positions, *self._size())
            x, y = (zoom[:2], zoom[2:]) if zoom else (window.x, window.y)
            for axis, ends, all_ in ((self.figure.x_range, x, window.x), (self.figure.y_range, y, window.y)):
                axis.update(start=ends[0], end=ends[1], reset_start=all_[0], reset_end=all_[1])
        self.shader = self._pixels = None
        self.redraw(lambda: EdgeShader(positions, edges, weights))

    @property
    def zoom(self) -> tuple[float, ...]:
        """Ends of what is seen, ``(x0, x1, y0, y1)``; empty where that is the whole map."""
        axes = self.figure.x_range, self.figure.y_range
        if all((axis.start, axis.end) == (axis.reset_start, axis.reset_end) for axis in axes):
            return ()
        return tuple(float(end) for axis in axes for end in (axis.start, axis.end))

    def clear(self, reason: str = "") -> None:
        """Show nothing, and say why."""
        self._positions, self.shader, self._colouring = np.empty((0, 2), dtype=np.float32), None, None
        self._edges = EMPTY_PICTURE, NOWHERE
        self.show(replace(self.chart, marks=MAP.marks, scale=None, title=reason or self.chart.title))

    def colour(self, colouring: Colouring, dark: bool) -> None:
        """Colour the cells."""
        self._colouring, self.dark = colouring, dark
        self._draw()

    def paint(self, dark: bool) -> None:
        """Take the colours of a light or dark page."""
        self.dark = dark
        self._draw()

    @property
    def window(self) -> Window:
        """What is seen, and in how many pixels."""
        x, y = self.figure.x_range, self.figure.y_range
        return Window.of((x.start, x.end), (y.start, y.end), *self._size())

    @property
    def is_pixels(self) -> bool:
        """Whether the cells are so many that they are drawn as pixels."""
        return any(mark.name == "pixels" for mark in self.chart.marks)

    # --- drawing -----------------------------------------------------------------------------------------------------

    def redraw(self, prepare: Callable[[], EdgeShader] | None = None) -> None:
        """Draw edges and cells again; however often it is called while a drawing goes on, one more follows."""
        if prepare is not None:
            self._prepare = prepare
        self._draw()
        if self._busy:
            self._again = True
            return
        self._busy, self._again = True, False
        prepare, self._prepare = self._prepare, None
        window, shader = self.window, self.shader
        edgescale, cutoff, thick, shown = self.edgescale, self.cutoff, self.thick, self.edges_shown

        def work() -> tuple[EdgeShader | None, Picture]:
            ready = prepare() if prepare is not None else shader
            if ready is None or not shown:
                return ready, EMPTY_PICTURE
            return ready, ready.picture(window, edgescale=edgescale, cutoff=cutoff, thick=thick)

        def show(found: tuple[EdgeShader | None, Picture]) -> None:
            self._busy = False
            self.shader, picture = found
            self._edges = picture, window
            self._draw()
            self.drawn(window)
            if self._again:
                self.redraw()

        def failed(error: Exception) -> None:
            self._busy = False
            self._on_error(error)

        in_thread(work, show, failed)

    def _draw(self) -> None:
        picture, window = self._edges
        behind = Image(name="edges", values=picture, x=window.x, y=window.y, colours=edge_palette(self.dark))
        cells, scale = self._cells()
        self.show(replace(self.chart, marks=[behind, cells], scale=scale, x_limits=None, y_limits=None))

    def say_of_cells(self, title: str, values: npt.NDArray[np.str_]) -> None:
        """Replace what is said of each cell under a title where the pointer rests on it, from the next drawing on."""
        self._columns = {**self._columns, title: pd.Categorical(values)}

    def _cells(self) -> tuple[Mark, Scale | None]:
        """All cells as pixels, or those that are seen one by one; all of them where they are few."""
        found = self._colouring
        if found is None or len(found.indices) != len(self._positions):
            return self.chart.marks[1], self.chart.scale
        window, indices = self.window, found.final()
        colours = tuple(found.palette(self.dark))
        seen = np.flatnonzero(window.holds(self._positions))
        if len(seen) > self._most():
            pixels = self._as_pixels(indices, window)
            return Image(name="pixels", values=pixels, x=window.x, y=window.y, colours=colours), None
        shown = np.arange(len(self._positions)) if len(self._positions) <= self._most() else seen
        tips: dict[str, Any] = {"cell": self._names[shown].tolist(), "_value": found.values[shown]}
        tips |= {title: column[shown] for title, column in self._columns.items()}
        tips |= {} if found.is_groups else {found.title: "_value"}
        x, y = self._positions[shown].T
        cells = Points(name="cells", x=x, y=y, values=indices[shown], size=self.node_size, tips=tips)
        return cells, Scale(0.0, 255.0, colours)

    def _as_pixels(self, indices: npt.NDArray[np.uint8], window: Window) -> Picture:
        """The picture of all cells, the last one unless something has changed since."""
        last, now = self._pixels, (window, self.node_size)
        if last is None or last[0] != now or not np.array_equal(last[1], indices):
            last = now, indices, cells_picture(self._positions, indices, window, node_size=self.node_size)
            self._pixels = last
        return last[2]

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

    def _zoomed(self) -> None:
        self.redraw()
        self.zoomed()

    def _lassoed(self, event: SelectionGeometry) -> None:
        if event.final and event.geometry is not None and len(self._positions):
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

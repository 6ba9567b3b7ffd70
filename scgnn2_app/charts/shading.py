"""Cell graphs of any size as pictures: edges and cells drawn into pixels, one byte each.

A picture is an index into a palette of 256 colours, a quarter of the same picture in RGBA; the browser puts the colours
in. Lines are drawn by datashader, one aggregate for each group of edges of like weight, so that a change of the edge
scale, which moves no line, only adds aggregates up anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import maximum_filter1d

from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.plots.cell_graph import PIXELS_PER_WIDTH, edge_widths

Picture = npt.NDArray[np.uint8]
Range = tuple[float, float]

MOST_PIXELS = 900_000
"""Of one picture, so that no message to a browser is above a mebibyte."""

BINS = 5
"""Groups of edges of like weight; there is one width for each."""

WIDEST = 6.0
CACHED = 24  # aggregates that stay: a few zooms of all groups


@dataclass(frozen=True)
class Window:
    """The part of the map that is seen, and the pixels it is drawn in.

    Attributes
    ----------
    x, y
        Ends of the seen ranges.
    width, height
        Pixels.
    """

    x: Range
    y: Range
    width: int
    height: int

    @classmethod
    def of(cls, x: Range, y: Range, width: int, height: int) -> Window:
        """A window of at most :data:`MOST_PIXELS`, made smaller where needed.

        Examples
        --------
        >>> small = Window.of((0, 1), (0, 1), 2000, 1000)
        >>> small.width * small.height <= MOST_PIXELS, round(small.width / small.height, 2)
        (True, 2.0)
        """
        shrink = min(1.0, (MOST_PIXELS / max(1, width * height)) ** 0.5)
        return cls(_proper(x), _proper(y), max(1, int(width * shrink)), max(1, int(height * shrink)))

    def holds(self, positions: Floats) -> npt.NDArray[np.bool_]:
        """(n_obs,) whether each place is seen."""
        inside: npt.NDArray[np.bool_] = (
            (positions[:, 0] >= self.x[0])
            & (positions[:, 0] <= self.x[1])
            & (positions[:, 1] >= self.y[0])
            & (positions[:, 1] <= self.y[1])
        )
        return inside


def whole(positions: Floats, width: int, height: int, margin: float = 0.04) -> Window:
    """The window that shows every cell with some room around.

    Examples
    --------
    >>> whole(np.array([[0.0, 0.0], [10.0, 5.0]]), 100, 50, margin=0.1).x
    (-1.0, 11.0)
    """
    finite = positions[np.isfinite(positions).all(axis=1)]
    if not len(finite):
        return Window.of((0.0, 1.0), (0.0, 1.0), width, height)
    low, high = finite.min(axis=0), finite.max(axis=0)
    room = np.where(high > low, (high - low) * margin, 1.0)
    (x0, y0), (x1, y1) = (low - room).tolist(), (high + room).tolist()
    return Window.of((x0, x1), (y0, y1), width, height)


class EdgeShader:
    """The edges of a cell graph, ready to be drawn again and again.

    Parameters
    ----------
    positions
        (n_obs, 2) places of the cells.
    edges, weights
        (2, n_edges) positions of the cells of every edge; (n_edges,) similarities. Edges of weight 0 are left out.

    Attributes
    ----------
    weights
        (n_drawn,) float64 weights above 0, ascending.

    Examples
    --------
    >>> shader = EdgeShader(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[0], [1]]), np.array([0.5]))
    >>> picture = shader.picture(Window((0.0, 1.0), (0.0, 1.0), 4, 4), edgescale=0.03)
    >>> (picture > 0).astype(int).tolist()
    [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    """

    def __init__(self, positions: Floats, edges: Ints, weights: Floats) -> None:
        drawn = np.flatnonzero(np.asarray(weights) > 0)
        order = drawn[np.argsort(np.asarray(weights)[drawn], kind="stable")]
        self.weights = np.asarray(weights, dtype=np.float64)[order]
        start, end = (np.asarray(positions, dtype=np.float32)[np.asarray(edges)[row, order]] for row in (0, 1))
        self._lines = pd.DataFrame({"x0": start[:, 0], "x1": end[:, 0], "y0": start[:, 1], "y1": end[:, 1]})
        self._borders = np.unique(np.linspace(0, len(order), BINS + 1).astype(int))
        self._cache: OrderedDict[tuple[int, int, Window], npt.NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def n_edges(self) -> int:
        """Edges of weight above 0."""
        return len(self.weights)

    def above(self, cutoff: float) -> int:
        """How many edges have at least this weight."""
        return self.n_edges - int(np.searchsorted(self.weights, cutoff, side="left"))

    def picture(self, window: Window, *, edgescale: float = 0.03, cutoff: float = 0.0, thick: bool = True) -> Picture:
        """Draw the edges.

        Parameters
        ----------
        window
            What is seen.
        edgescale
            Published parameter: factor of the edge width, edgescale × (ln w − min ln w), above 0.
        cutoff
            Edges of a smaller weight are left out.
        thick
            Width by weight; otherwise all edges are of one pixel.

        Returns
        -------
        (height, width) uint8, the lowest row first: 0 where there is no edge, else 1 to 255, the more the denser and
        the thicker the edges are.
        """
        first = int(np.searchsorted(self.weights, cutoff, side="left"))
        ink = np.zeros((window.height, window.width), dtype=np.float32)
        widths = self._widths(edgescale) if thick else np.ones(max(0, len(self._borders) - 1))
        for start, end, width in zip(self._borders[:-1], self._borders[1:], widths, strict=True):
            if first < end and width > 0:
                ink += _thickened(self._counts(max(first, int(start)), int(end), window), float(width))
        return _density(ink)

    def _widths(self, edgescale: float) -> npt.NDArray[np.float64]:
        """One width in pixels for each group: that of its middle edge."""
        if not self.n_edges:
            return np.empty(0)
        widths = PIXELS_PER_WIDTH * edge_widths(self.weights, edgescale)
        middle = (self._borders[:-1] + self._borders[1:]) // 2
        chosen: npt.NDArray[np.float64] = np.clip(widths[middle], 0.15, WIDEST)
        return chosen

    def _counts(self, start: int, end: int, window: Window) -> npt.NDArray[np.float32]:
        """(height, width) how many of some edges cross each pixel; kept for when only widths change."""
        key = (start, end, window)
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        counts = _cross(self._lines.iloc[start:end], window)
        with self._lock:
            self._cache[key] = counts
            while len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        return counts


def cells_picture(
    positions: Floats, colours: npt.NDArray[np.uint8], window: Window, *, node_size: float = 3.0
) -> Picture:
    """Draw cells as dots, those of a higher index over the others.

    Parameters
    ----------
    positions
        (n_obs, 2) places.
    colours
        (n_obs,) index into a palette, 1 to 255; cells of index 0 are not drawn.
    window
        What is seen.
    node_size
        Diameter of a cell in pixels.

    Returns
    -------
    (height, width) uint8, the lowest row first; 0 where there is no cell.

    Examples
    --------
    >>> cells_picture(np.array([[0.5, 0.5]]), np.array([7]), Window((0.0, 1.0), (0.0, 1.0), 3, 3), node_size=1).tolist()
    [[0, 0, 0], [0, 7, 0], [0, 0, 0]]
    """
    picture = np.zeros((window.height, window.width), dtype=np.uint8)
    seen = window.holds(positions) & (np.asarray(colours) > 0)
    x, y = (
        np.minimum(((positions[seen, axis] - low) / (high - low) * pixels).astype(np.int64), pixels - 1)
        for axis, (low, high), pixels in ((0, window.x, window.width), (1, window.y, window.height))
    )
    np.maximum.at(picture, (y, x), np.asarray(colours, dtype=np.uint8)[seen])
    return _widened(picture, max(1, round(node_size)))


@cache
def edge_palette(dark: bool) -> tuple[str, ...]:
    """256 colours from transparent to nearly opaque, for :meth:`EdgeShader.picture`."""
    ink = "#c9d2e0" if dark else "#59616f"
    return tuple(f"{ink}{0 if index == 0 else int(26 + 190 * (index / 255)):02x}" for index in range(256))


def warm_up() -> None:
    """Compile what draws lines, a zoomed window too: done when a server starts, not at the first look."""
    positions = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    shader = EdgeShader(positions, np.array([[0, 1], [1, 2]]), np.array([0.5, 0.7]))
    for window in (whole(positions, 30, 20), Window((0.2, 0.4), (0.2, 0.4), 30, 20)):
        shader.picture(window)
        cells_picture(positions, np.array([1, 2, 3]), window)


def _cross(lines: pd.DataFrame, window: Window) -> npt.NDArray[np.float32]:
    import datashader as ds

    canvas = ds.Canvas(plot_width=window.width, plot_height=window.height, x_range=window.x, y_range=window.y)
    if not len(lines):
        return np.zeros((window.height, window.width), dtype=np.float32)
    found: Any = canvas.line(lines, x=["x0", "x1"], y=["y0", "y1"], axis=1, agg=ds.count())
    counts: npt.NDArray[np.float32] = found.values.astype(np.float32)
    return counts


def _thickened(counts: npt.NDArray[np.float32], width: float) -> npt.NDArray[np.float32]:
    """Lines of any width: below a pixel they are paler, between two whole widths a mixture of both."""
    if width <= 1:
        return counts * np.float32(width)
    narrow = int(width)
    share = np.float32(width - narrow)
    thick = _widened(counts, narrow)
    mixed = thick if share < 0.05 else (1 - share) * thick + share * _widened(counts, narrow + 1)
    return mixed.astype(np.float32, copy=False)


def _widened(picture: npt.NDArray[Any], pixels: int) -> npt.NDArray[Any]:
    """Every dot as a square of so many pixels; of three and more without its corners."""
    if pixels <= 1:
        return picture
    across = maximum_filter1d(picture, pixels, axis=1, mode="constant")
    if pixels == 2:
        square: npt.NDArray[Any] = maximum_filter1d(across, 2, axis=0, mode="constant")
        return square
    inner = max(1, round(pixels * 0.6))
    tall = maximum_filter1d(maximum_filter1d(picture, inner, axis=1, mode="constant"), pixels, axis=0, mode="constant")
    wide = maximum_filter1d(across, inner, axis=0, mode="constant")
    rounded: npt.NDArray[Any] = np.maximum(tall, wide)
    return rounded


def _density(ink: npt.NDArray[np.float32]) -> Picture:
    """Ink as 1 to 255 by the logarithm, the darkest hundredth of the inked pixels all alike."""
    inked = ink > 0
    if not inked.any():
        return np.zeros(ink.shape, dtype=np.uint8)
    levels = np.log1p(4 * ink[inked])
    most = max(float(np.quantile(levels[:: max(1, len(levels) // 20_000)], 0.99)), float(np.log1p(4.0)))
    picture = np.zeros(ink.shape, dtype=np.uint8)
    picture[inked] = np.clip(1 + 254 * levels / most, 1, 255).astype(np.uint8)
    return picture


def _proper(ends: Range) -> Range:
    low, high = float(ends[0]), float(ends[1])
    return (low, high) if high > low else (low - 0.5, low + 0.5)

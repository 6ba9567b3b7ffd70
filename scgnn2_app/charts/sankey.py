"""A Sankey diagram on the screen whose ribbons and bars can be clicked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import ColumnDataSource, HoverTool, Range1d, TapTool
from bokeh.plotting import figure

from scgnn2_app.theme import colours, paint, seen
from scgnn2_engine.plots.sankey import BAR, bar_colours, outline, sankey_layout

Chosen = Callable[[npt.NDArray[np.int64]], Any]
RIBBONS: dict[str, list[Any]] = {"x": [], "y": [], "tip": [], "n": [], "fill": []}
TEXTS: dict[str, list[Any]] = {"x": [], "y": [], "text": [], "align": []}
NARROW, LETTER = 880, 7.0  # pixels: the narrowest page, and a letter of a name
MOST_BARS = 30
"""Bars of a column whose names are all written; of more the small ones' names are left to the tip."""


class SankeyChart:
    """A bokeh figure of the flow of cells between the groups of label sets.

    Parameters
    ----------
    on_choose
        Called with the sorted int64 positions of the cells of the ribbon or bar that was clicked.
    dark
        Whether the page is dark.
    """

    def __init__(self, on_choose: Chosen, dark: bool = False) -> None:
        self._on_choose, self._dark = on_choose, dark
        self._fills: dict[ColumnDataSource, list[str]] = {}
        self._cells: dict[ColumnDataSource, list[npt.NDArray[np.int64]]] = {}
        plot: Any = figure(
            height=520, sizing_mode="stretch_width", title="", tools="reset", toolbar_location=None,
            x_range=Range1d(start=-0.5, end=1.5), y_range=Range1d(start=-0.02, end=1.1),
        )  # fmt: skip
        self.figure = plot
        plot.axis.visible = plot.grid.visible = False
        plot.toolbar.logo = None
        self._ribbons, self._bars = ColumnDataSource(RIBBONS), ColumnDataSource(RIBBONS)
        self._texts, self._heads = ColumnDataSource(TEXTS), ColumnDataSource(TEXTS)
        look = {"fill_color": "fill", "line_color": None, "hover_line_color": "black"}
        alphas: dict[str, Any] = {"selection_fill_alpha": 0.8, "nonselection_fill_alpha": 0.2, "hover_fill_alpha": 0.7}
        layers = [
            plot.patches("x", "y", source=self._ribbons, fill_alpha=0.45, **alphas, **look),
            plot.patches("x", "y", source=self._bars, fill_alpha=1.0, nonselection_fill_alpha=0.6, **look),
        ]
        self._text_layers = [
            plot.text("x", "y", "text", source=self._texts, text_align="align", text_baseline="middle",
                      text_font_size="9pt"),
            plot.text("x", "y", "text", source=self._heads, text_align="center", text_font_size="11pt",
                      text_font_style="bold"),
        ]  # fmt: skip
        tips = [("", "@tip"), ("cells", "@n{0,0}")]
        plot.add_tools(HoverTool(renderers=layers, tooltips=tips), TapTool(renderers=layers))
        for source in (self._ribbons, self._bars):
            source.selected.on_change("indices", self._tapped(source))
        self.paint(dark)

    def paint(self, dark: bool) -> None:
        """Take the colours of a light or dark page."""
        self._dark = dark
        paint(self.figure, dark)
        for source, fills in self._fills.items():
            source.patch({"fill": [(slice(len(fills)), [seen(fill, dark) for fill in fills])]})
        self.figure.outline_line_color = None
        for layer in self._text_layers:
            layer.glyph.text_color = colours(dark)["ink"]

    def clear(self, reason: str = "") -> None:
        """Draw nothing, and say why."""
        self._ribbons.data, self._bars.data = RIBBONS, RIBBONS
        self._texts.data, self._heads.data = TEXTS, TEXTS
        self._cells, self._fills = {}, {}
        self.figure.title.text = reason

    def draw(
        self,
        sets: Mapping[str, npt.NDArray[Any]],
        cells: npt.NDArray[np.int64],
        groups: Mapping[str, Iterable[Any]] | None = None,
    ) -> None:
        """Draw label sets.

        Parameters
        ----------
        sets
            Name to labels, all of the same n cells in the same order, drawn left to right.
        cells
            (n,) position of each of those cells in the shown run, −1 for cells that it does not have.
        groups
            As for :func:`scgnn2_engine.plots.sankey`.

        Raises
        ------
        InputError
            There are fewer than two sets, or they differ in length.
        """
        bars, ribbons = sankey_layout(sets)
        fill = bar_colours(bars, {place: (groups or {}).get(name, ()) for place, name in enumerate(sets)})
        columns = [np.asarray(labels).astype(str) for labels in sets.values()]
        names = list(sets)
        for source in (self._ribbons, self._bars):
            source.selected.indices = []
        self._cells = {
            self._ribbons: [
                _here(cells, (columns[r.column] == r.source) & (columns[r.column + 1] == r.target)) for r in ribbons
            ],
            self._bars: [_here(cells, columns[bar.column] == bar.name) for bar in bars],
        }
        self._fills = {
            self._ribbons: [fill[ribbon.column, ribbon.source] for ribbon in ribbons],
            self._bars: [fill[bar.column, bar.name] for bar in bars],
        }
        shapes = [outline(ribbon) for ribbon in ribbons]
        self._ribbons.data = {
            "x": [shape["x"].astype(np.float32) for shape in shapes],
            "y": [shape["y"].astype(np.float32) for shape in shapes],
            "tip": [f"{names[r.column]} {r.source} → {names[r.column + 1]} {r.target}" for r in ribbons],
            "n": [ribbon.n_cells for ribbon in ribbons],
            "fill": [seen(fill, self._dark) for fill in self._fills[self._ribbons]],
        }
        self._bars.data = {
            "x": [bar.column + BAR / 2 * np.array([-1, 1, 1, -1], dtype=np.float32) for bar in bars],
            "y": [np.array([bar.low, bar.low, bar.high, bar.high], dtype=np.float32) for bar in bars],
            "tip": [f"{names[bar.column]} {bar.name}" for bar in bars],
            "n": [bar.n_cells for bar in bars],
            "fill": [seen(fill, self._dark) for fill in self._fills[self._bars]],
        }
        self._write(bars, names)
        self.figure.title.text = f"Flow of {len(cells):,} cells between groups"
        self._make_room(len(names) - 1)

    def _make_room(self, last: int) -> None:
        """Let the range end where the names beside the outer columns do, on the narrowest page."""
        lengths = [
            max((len(text) for x, text in zip(self._texts.data["x"], self._texts.data["text"], strict=True)
                 if round(x) == column), default=0)
            for column in (0, last)
        ]  # fmt: skip
        left, right = (30 + LETTER * length for length in lengths)
        unit = max(150.0, (NARROW - left - right) / last)
        self.figure.x_range.update(start=-left / unit, end=last + right / unit)

    def _write(self, bars: list[Any], names: list[str]) -> None:
        last, crowded = (
            len(names) - 1,
            {column: sum(bar.column == column for bar in bars) for column in range(len(names))},
        )
        named = [bar for bar in bars if crowded[bar.column] <= MOST_BARS or bar.high - bar.low > 0.012]
        sides = [1 if bar.column == last and last else -1 if bar.column == 0 else 1 for bar in named]
        self._texts.data = {
            "x": [bar.column + side * (BAR / 2 + 0.015) for bar, side in zip(named, sides, strict=True)],
            "y": [(bar.low + bar.high) / 2 for bar in named],
            "text": [f"{bar.name} ({bar.n_cells:,})" for bar in named],
            "align": ["left" if side > 0 else "right" for side in sides],
        }
        count = list(range(len(names)))
        self._heads.data = {"x": count, "y": [1.04] * len(names), "text": names, "align": ["center"] * len(names)}

    def flows(self) -> dict[str, npt.NDArray[np.int64]]:
        """What each ribbon is called, largest first, and the positions of its cells: for those who cannot click."""
        cells = self._cells.get(self._ribbons, [])
        rows = sorted(zip(self._ribbons.data["tip"], cells, strict=True), key=lambda row: -len(row[1])) if cells else []
        return {f"{tip} ({len(found):,} cells)": found for tip, found in rows}

    def _tapped(self, source: ColumnDataSource) -> Callable[[str, Any, list[int]], None]:
        def chosen(attribute: str, old: Any, indices: list[int]) -> None:
            cells = self._cells.get(source, [])
            found = [cells[index] for index in indices if index < len(cells)]
            if found:
                self._on_choose(np.unique(np.concatenate(found)))

        return chosen


def _here(cells: npt.NDArray[np.int64], chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    found = cells[chosen]
    return np.sort(found[found >= 0])

"""Marks as Bokeh's renderers: what they are as columns of a source, and which glyph draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from bokeh import models as bokeh_models

from scgnn2_engine.plots.chart import Image, Line, Lines, Mark, Points, Rule, Scale, Segments, Shapes, Texts
from scgnn2_engine.plots.style import seen

models: Any = bokeh_models  # its own types lack half of its classes

FAINT, LEVELS = 1, 254
"""Palettes of bytes: index 0 is nothing, 1 faint, and from 2 on there are 254 colours."""

LOG_TICKS = """
    const [low, high] = [cb_data.range.min, cb_data.range.max]
    if (!(low > 0 && high > low)) { return [] }
    const whole = Math.log(high / low)
    const decades = []
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) { decades.push(power) }
    const at = (mantissas) => decades.flatMap((power) => mantissas.map((one) => Number(`${one}e${power}`)))
    const even = [1, 2, 5, 10].map((times) => {
      const step = Number(`1e${Math.floor(Math.log10((high - low) / 3))}`) * times
      const first = Math.ceil(low / step)
      return Array.from({ length: Math.min(50, Math.floor(high / step) - first + 1) },
        (_, place) => Number(((first + place) * step).toPrecision(6)))
    })
    const every = [2, 3, 4, 6].map((nth) => at([1]).filter((_, place) => (decades[place] % nth) === 0))
    const kinds = [...even, at([1, 2, 3, 5, 7]), at([1, 2, 5]), at([1, 3]), at([1]), ...every]
    const shown = kinds.map((ticks) => ticks.filter((tick) => tick >= low && tick <= high))
    const apart = shown.filter((ticks) => ticks.every((tick, place) =>
      place === 0 || Math.log(tick / ticks[place - 1]) > 0.16 * whole))
    return apart.reduce((best, ticks) => ticks.length > best.length ? ticks : best, [])
"""
"""Ticks of a logarithmic axis that never stand closer than their labels are high.

Bokeh's own are even steps over less than two decades, which run together at the upper end.
"""

LOG_WORDS = "return tick >= 1000 ? `${tick / 1000}k` : `${tick}`"
VALUE_OF_BYTE = "return value < 2 ? nothing : (low + (value - 2) / 253 * (high - low)).toFixed(3)"
NAME_OF_ROW = "return rows[Math.floor(rows.length - value * rows.length / height)] ?? ''"


def columns_of(mark: Mark, dark: bool, scale: Scale | None) -> dict[str, Any]:
    """What a mark is as columns of a source, a row for each of its parts."""
    columns = {name: getattr(mark, name) for name in mark.COLUMNS if getattr(mark, name) is not None}
    if not isinstance(colour := getattr(mark, "colour", ""), str):
        columns["fill"] = [seen(one, dark) for one in colour]
    if isinstance(mark, Shapes):
        columns |= {axis: [np.asarray(edge, dtype=np.float32) for edge in columns[axis]] for axis in "xy"}
        columns["alpha"] = np.broadcast_to(mark.alpha, len(mark.x)).tolist()
    elif isinstance(mark, Segments):
        columns["width"] = np.broadcast_to(mark.width, len(mark.x0))
    elif isinstance(mark, Image):
        low, high = (0.0, 1.0) if scale is None else (scale.low, scale.high)
        levels = mark.values if mark.colours else quantised(mark.values, low, high)[::-1]
        columns = {"image": [levels], "x": [mark.x[0]], "dw": [mark.x[1] - mark.x[0]]}
        columns |= {"y": [mark.y[0]], "dh": [mark.y[1] - mark.y[0]]}
    elif isinstance(mark, Rule):
        columns = {name: [at] for name, at in columns.items()}
    for title, tip in mark.tips.items():
        if not isinstance(tip, str):
            columns[title] = tip.codes if isinstance(tip, pd.Categorical) else tip
    return columns


def glyph_of(plot: Any, mark: Mark, source: Any, mapper: Any) -> Any:
    """A renderer of a mark; colours that are one for all of its parts come from :func:`dress`."""
    look: dict[str, Any] = {"source": source} | ({"y_range_name": "right"} if mark.right else {})
    by_value: Any = {"field": "values", "transform": mapper}
    over: dict[str, Any]
    match mark:
        case Line(step=True):
            return plot.step("x", "y", mode="after", line_width=mark.width, **look)
        case Line():
            return plot.line("x", "y", line_width=mark.width, line_dash=mark.dash, **look)
        case Points():
            fill: Any = by_value if mark.values is not None else "fill" if "fill" in source.data else "#000000"
            over = {"nonselection_fill_alpha": mark.alpha}
            edge = {"line_color": "white" if mark.outlined else None, "line_width": 0.3}
            return plot.scatter(
                "x", "y", size=mark.size, fill_alpha=mark.alpha, fill_color=fill, **over, **edge, **look
            )
        case Shapes():
            over = {"hover_line_color": "black", "nonselection_fill_alpha": 0.2}
            return plot.patches("x", "y", fill_color="fill", fill_alpha="alpha", **over, **look)
        case Segments():
            return plot.segment("x0", "y0", "x1", "y1", line_width="width", line_alpha=mark.alpha, **look)
        case Lines():
            over = {"hover_line_width": 4, "hover_line_color": by_value}
            return plot.multi_line("x", "y", line_color=by_value, line_width=1.8, line_alpha=0.85, **over, **look)
        case Texts():
            style = {"text_font_size": f"{mark.size:g}pt", "text_font_style": "bold" if mark.bold else "normal"}
            return plot.text("x", "y", "text", text_align="align", text_baseline="middle", padding=1, **style, **look)
        case Image():
            colours = models.LinearColorMapper(palette=["#000000"], low=0, high=255)
            return plot.image("image", "x", "y", "dw", "dh", color_mapper=colours, **look)
        case Rule():
            if mark.y is None:
                return plot.vspan(x="x", line_dash="dashed", **look)
            return plot.hspan(y="y", line_dash="dashed", **look)
    raise TypeError(type(mark).__name__)


def dress(glyph: Any, mark: Mark, dark: bool, scale: Scale | None) -> None:
    """Colours of a mark that are one for all of its parts, and its size."""
    match mark:
        case Line() | Segments():
            glyph.line_color = seen(mark.colour, dark)
        case Points():
            glyph.size = mark.size
            if mark.values is None and isinstance(mark.colour, str):
                glyph.fill_color = seen(mark.colour, dark)
        case Shapes():
            glyph.line_color = None if mark.outline is None else seen(mark.outline, dark)
        case Texts():
            glyph.text_color = seen("ink", dark)
            glyph.background_fill_color = seen("paper", dark) if mark.boxed else None
        case Rule():
            glyph.line_color = seen("muted", dark)
        case Image() if mark.colours:
            glyph.color_mapper.palette = list(mark.colours)
        case Image() if scale is not None:
            places = np.linspace(0, len(scale.colours) - 1, LEVELS).astype(int)
            glyph.color_mapper.palette = ["#00000000", "#8f969e99", *(scale.colours[place] for place in places)]
        case _:
            pass


def tips_of(mark: Mark, scale: Scale | None) -> tuple[list[tuple[str, str]], dict[str, tuple[str, dict[str, Any]]]]:
    """Titles and columns, with as many places as suit them, and the code and arguments that make words of some."""
    tips: list[tuple[str, str]] = []
    by: dict[str, tuple[str, dict[str, Any]]] = {}
    for title, tip in mark.tips.items():
        if title.startswith("_"):
            continue
        column = tip if isinstance(tip, str) else title
        values = mark.tips.get(column, getattr(mark, column, ())) if isinstance(tip, str) else tip
        kind = "" if isinstance(values, pd.Categorical) else np.asarray(values[:1]).dtype.kind if len(values) else "f"
        places = {"f": "{0.0000}", "i": "{0,0}", "u": "{0,0}", "": "{custom}"}.get(kind, "")
        tips.append((title, f"@{{{column}}}{places}"))
        if isinstance(values, pd.Categorical):
            by[f"@{{{column}}}"] = "return words[value]", {"words": values.categories.tolist()}
    if isinstance(mark, Image) and mark.rows and scale is not None:
        tips = [("row", "$y{custom}"), ("mean of the block", "@image{custom}")]
        rows = {"rows": list(mark.rows), "height": mark.y[1]}
        value = {"low": scale.low, "high": scale.high, "nothing": mark.nothing}
        by = {"$y": (NAME_OF_ROW, rows), "@image": (VALUE_OF_BYTE, value)}
    return tips, by


def quantised(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    """(n,) values between two limits as 2 to 255, beyond them the ends; :data:`FAINT` for NaN.

    Examples
    --------
    >>> quantised(np.array([0.0, 1.0, 5.0, np.nan]), 0.0, 1.0).tolist()
    [2, 255, 255, 1]
    """
    span = (high - low) or 1.0
    shares = np.clip((np.asarray(values, dtype=np.float64) - low) / span, 0, 1)
    levels = np.where(np.isnan(shares), FAINT, 2 + np.rint(shares * (LEVELS - 1)))
    indices: npt.NDArray[np.uint8] = levels.astype(np.uint8)
    return indices


def has_data(columns: dict[str, Any]) -> bool:
    """Whether there is anything to see; a line of NaN is nothing."""
    heights = columns.get("y", columns.get("x", columns.get("x0", ())))
    if len(heights) and isinstance(heights[0], int | float | np.number):
        return bool(np.isfinite(np.asarray(heights, dtype=float)).any())
    return len(heights) > 0


def same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two columns are alike; NaN is like NaN."""
    if len(one) != len(other):
        return False
    first = one[0] if len(one) else None
    if isinstance(first, np.ndarray):
        return all(map(np.array_equal, one, other))
    if isinstance(first, int | float | np.number):
        return np.array_equal(np.asarray(one, dtype=float), np.asarray(other, dtype=float), equal_nan=True)
    return list(one) == list(other)

"""Charts over many runs or trials: curves overlaid, parallel coordinates, history, slices, importances."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh import models as bokeh_models
from bokeh import plotting as bokeh_plotting
from bokeh.palettes import Viridis256

from scgnn2_app.charts.growing import LEGEND
from scgnn2_app.theme import SMALL, colours, paint
from scgnn2_engine.plots import palette

models: Any = bokeh_models  # its own types lack half of its classes
plotting: Any = bokeh_plotting

TOOLS = "pan,wheel_zoom,box_zoom,reset,save"
HEIGHT = 300
LEGEND_ROW = 24
"""Pixels of a name above a chart."""

SCORE_WORDS = {
    "validation_error": "held-out error",
    "ari_between_iterations": "ARI to iteration before",
    "ari_against_ground_truth": "ARI against labels",
    "nmi_against_ground_truth": "NMI against labels",
    "graph_change": "graph change",
    "error_median": "median hidden error",
    "cluster_count": "clusters",
}
"""What scores are called at axes and above columns."""

COUNTS = frozenset({"cluster_count"})
"""Scores that are whole numbers."""

LEAST_CONTRAST = 3.0
"""Of a line with what it is drawn on (WCAG 2, 1.4.11)."""


def score_words(score: str) -> str:
    """A score in words.

    Examples
    --------
    >>> score_words("validation_error"), score_words("something_new")
    ('held-out error', 'something new')
    """
    return SCORE_WORDS.get(score, score.replace("_", " "))


def visible_shades(dark: bool) -> list[str]:
    """The part of the palette that is seen on the page, from its dark end to its bright one."""
    paper = _luminance(colours(dark)["paper"])
    return [shade for shade in Viridis256 if _contrast(_luminance(shade), paper) >= LEAST_CONTRAST]


def frame(title: str, x: str, y: str, dark: bool, **options: Any) -> Any:
    """An empty figure in the colours of the page."""
    plot = plotting.figure(
        title=title,
        x_axis_label=x,
        y_axis_label=y,
        tools=options.pop("tools", TOOLS),
        height=options.pop("height", HEIGHT),
        sizing_mode="stretch_width",
        styles=SMALL,
        **options,
    )
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    paint(plot, dark)
    return plot


def overlaid(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    title: str,
    x: str,
    y: str,
    dark: bool,
    *,
    whole: bool = False,
    **options: Any,
) -> Any:
    """One line for each run, in the order and colours of the runs; their names stand above the plot.

    Parameters
    ----------
    curves
        Name of a run to x, which are whole numbers, and y.
    title, x, y, dark
        What stands at the figure and its axes, and whether the page is dark.
    whole
        Whether y are whole numbers too.
    """
    plot = frame(title, x, y, dark, height=HEIGHT + LEGEND_ROW * len(curves), **options)
    plot.xaxis.ticker.update(min_interval=1)
    plot.y_range.default_span = 2.0 if whole else 0.1
    if whole:
        plot.yaxis.ticker.update(min_interval=1)
    items = []
    for (name, (xs, ys)), colour in zip(curves.items(), palette(len(curves)), strict=True):
        stride = max(1, len(xs) // 4000)
        source = models.ColumnDataSource({"x": list(xs[::stride]), "y": list(ys[::stride])})
        line = plot.line("x", "y", source=source, color=colour, line_width=1.5)
        drawn = [line]
        plot.add_tools(
            models.HoverTool(renderers=[line], tooltips=[("run", name), (y, "@y"), (x, "@x")], visible=False)
        )
        if len(xs) < 50:
            drawn.append(plot.scatter("x", "y", source=source, color=colour, size=5))
        if any(math.isfinite(y) for y in ys):
            items.append(models.LegendItem(label=name, renderers=drawn))
    if items:
        plot.add_layout(models.Legend(items=items, **LEGEND | {"ncols": 1}), "above")
        paint(plot, dark)
    return plot


def parallel_coordinates(
    names: Sequence[str], axes: Mapping[str, Sequence[Any]], score: str, dark: bool, *, smaller_is_better: bool = True
) -> Any:
    """A line for every run through its parameters to its score.

    Parameters
    ----------
    names
        (n,) of the runs.
    axes
        Parameter or score to its (n,) values; text and switches become steps. Missing values: None or NaN, and a run
        without its score is left out.
    score
        Which of the axes colours the lines; drawn last.
    dark
        Whether the page is dark.
    smaller_is_better
        Which end of the colours stands out.
    """
    last = [_number(value) for value in axes[score]]
    kept = [row for row, value in enumerate(last) if math.isfinite(value)]
    order = [*(axis for axis in axes if axis != score), score]
    scaled = {axis: _scaled([axes[axis][row] for row in kept]) for axis in order}
    plot = frame(
        "Parameters and score of every run",
        "",
        "",
        dark,
        tools="save,reset",
        height=340,
        x_range=(-0.3, len(order) - 0.7),
    )
    plot.yaxis.visible = False
    plot.grid.visible = False
    plot.y_range.update(start=-0.12, end=1.12)
    plot.xaxis.ticker = models.FixedTicker(ticks=list(range(len(order))))
    plot.xaxis.major_label_overrides = {
        position: _wrapped(score_words(axis) if axis == score else axis) for position, axis in enumerate(order)
    }
    values = [last[row] for row in kept]
    ink = colours(dark)
    for position, axis in enumerate(order):
        plot.line([position, position], [0, 1], color=ink["muted"], line_width=1)
        marks = scaled[axis][1]
        plot.text(
            [position] * len(marks), [mark[0] for mark in marks], text=[mark[1] for mark in marks],
            text_font_size="8pt", text_color=ink["ink"], text_baseline="middle", x_offset=4,
            text_align=["right" if position == len(order) - 1 else "left"] * len(marks),
        )  # fmt: skip
    if kept:
        shades = visible_shades(dark)
        if smaller_is_better == dark:  # what is best has the colour that is furthest from the page's
            shades = shades[::-1]
        mapper = models.LinearColorMapper(shades, low=min(values), high=max(values) + 1e-12)
        source = models.ColumnDataSource(
            {
                "xs": [list(range(len(order)))] * len(kept),
                "ys": [[float(scaled[axis][0][row]) for axis in order] for row in range(len(kept))],
                "score": values,
                "name": [names[row] for row in kept],
            }
        )
        lines = plot.multi_line(
            "xs", "ys", source=source, line_color={"field": "score", "transform": mapper}, line_width=1.8,
            line_alpha=0.85, hover_line_width=4, hover_line_color={"field": "score", "transform": mapper},
        )  # fmt: skip
        plot.add_tools(
            models.HoverTool(renderers=[lines], tooltips=[("run", "@name"), (score_words(score), "@score{0.0000}")])
        )
        bar = models.ColorBar(color_mapper=mapper, width=8, title=None, background_fill_alpha=0, padding=2)
        bar.major_label_text_color = ink["ink"]
        plot.add_layout(bar, "right")
    return plot


def history(numbers: Sequence[int], scores: Sequence[float], score: str, dark: bool, *, minimise: bool) -> Any:
    """The score of every trial, and the best so far."""
    words = score_words(score)
    plot = frame("Score of every trial", "trial", words, dark)
    if numbers:
        best = np.minimum.accumulate(scores) if minimise else np.maximum.accumulate(scores)
        points = plot.scatter(list(numbers), list(scores), size=7, color=palette(1)[0], legend_label="trial")
        plot.step(
            list(numbers), best.tolist(), mode="after", color=palette(2)[1], line_width=2, legend_label="best so far"
        )
        plot.add_tools(
            models.HoverTool(renderers=[points], tooltips=[("trial", "@x"), (words, "@y{0.0000}")], visible=False)
        )
        plot.legend.update(label_text_font_size="8pt", spacing=0, padding=2)
        plot.xaxis.ticker.update(min_interval=1)
        paint(plot, dark)
    return plot


def slice_of(
    key: str,
    values: Sequence[Any],
    scores: Sequence[float],
    numbers: Sequence[int],
    score: str,
    dark: bool,
    *,
    log: bool,
) -> Any:
    """The score of every trial against one parameter; later trials are darker."""
    as_numbers = [_number(value) for value in values]
    is_number = (
        bool(values)
        and all(math.isfinite(value) for value in as_numbers)
        and not any(isinstance(value, bool) for value in values)
    )
    options: dict[str, Any] = {"height": 230}
    if not is_number:
        options["x_range"] = sorted({str(value) for value in values}) or ["none yet"]
    elif log:
        options["x_axis_type"] = "log"
    words = score_words(score)
    plot = frame(key, key, words, dark, **options)
    shown = as_numbers if is_number else [str(value) for value in values]
    source = models.ColumnDataSource({"x": shown, "y": list(scores), "trial": list(numbers)})
    if numbers:
        shades = visible_shades(dark)
        mapper = models.LinearColorMapper(shades if dark else shades[::-1], low=min(numbers), high=max(numbers) + 1)
        points = plot.scatter("x", "y", source=source, size=7, color={"field": "trial", "transform": mapper})
        plot.add_tools(
            models.HoverTool(
                renderers=[points], tooltips=[("trial", "@trial"), (key, "@x"), (words, "@y{0.0000}")], visible=False
            )
        )
    return plot


def importances(shares: Mapping[str, float], dark: bool) -> Any:
    """How much each parameter decides about the score."""
    order = sorted(shares, key=lambda key: shares[key])
    plot = frame(
        "Importance for the score", "share", "", dark, y_range=order or ["none"], height=60 + 28 * max(2, len(order))
    )
    plot.hbar(y=order, right=[shares[key] for key in order], height=0.6, color=palette(1)[0])
    plot.x_range.start = 0
    return plot


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _scaled(values: Sequence[Any]) -> tuple[np.ndarray[Any, Any], list[tuple[float, str]]]:
    """Values of one axis as heights from 0 to 1, and what to write at which height."""
    numbers = np.array([_number(value) for value in values])
    if len(values) == 0:
        return numbers, []
    if any(isinstance(value, bool) for value in values) or not np.isfinite(numbers).all():
        kinds = sorted({str(value) for value in values})
        at = {kind: (index / (len(kinds) - 1) if len(kinds) > 1 else 0.5) for index, kind in enumerate(kinds)}
        return np.array([at[str(value)] for value in values]), [(height, kind) for kind, height in at.items()]
    low, high = float(numbers.min()), float(numbers.max())
    if low == high:
        return np.full(len(values), 0.5), [(0.5, f"{low:.4g}")]
    spread = numbers
    if low > 0 and high / low >= 100:
        spread = np.log10(numbers)
    height = (spread - spread.min()) / np.ptp(spread)
    return height, [(-0.05, f"{low:.4g}"), (1.05, f"{high:.4g}")]


def _wrapped(text: str) -> str:
    """A long key, or words, on two lines."""
    between, end = (" ", "") if " " in text else ("_", "_")
    parts = text.split(between)
    if len(text) < 16 or len(parts) < 3:
        return text
    half = len(parts) // 2
    return between.join(parts[:half]) + end + "\n" + between.join(parts[half:])


def _luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, 0 to 1 (WCAG 2)."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: float, other: float) -> float:
    """Contrast of two luminances, 1 to 21."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)

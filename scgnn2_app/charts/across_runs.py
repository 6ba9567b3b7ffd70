"""Charts over many runs or trials: curves overlaid, history, slices, importances."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh import models as bokeh_models
from bokeh import plotting as bokeh_plotting
from bokeh.palettes import Viridis256

from scgnn2_app.charts.axes import LOG_TICKS, with_room
from scgnn2_app.charts.growing import LEGEND
from scgnn2_app.theme import LEAST_CONTRAST, SMALL, colours, contrast, luminance, paint, seen
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
    "ami_against_ground_truth": "AMI against labels",
    "graph_change": "graph change",
    "error_median": "median hidden error",
    "error_mean": "mean hidden error",
    "error_rmse": "root mean square hidden error",
    "error_cosine": "cosine similarity at hidden entries",
    "seconds": "seconds",
    "cluster_count": "clusters",
}
"""What scores are called at axes and above columns."""

LEAST_SHARE = 0.05
"""Of the largest score: what an axis of scores spans at least."""

COUNTS = frozenset({"cluster_count"})
"""Scores that are whole numbers."""


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
    paper = luminance(colours(dark)["paper"])
    return [shade for shade in Viridis256 if contrast(luminance(shade), paper) >= LEAST_CONTRAST]


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
    if options.get("y_axis_type") == "log":
        plot.yaxis.ticker = models.CustomJSTicker(major_code=LOG_TICKS)
    if whole:
        plot.yaxis.ticker.update(min_interval=1)
    items = []
    for (name, (xs, ys)), colour in zip(curves.items(), palette(len(curves)), strict=True):
        stride = max(1, len(xs) // 4000)
        source = models.ColumnDataSource({"x": list(xs[::stride]), "y": list(ys[::stride])})
        colour = seen(colour, dark)
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


def history(numbers: Sequence[int], scores: Sequence[float], score: str, dark: bool, *, minimise: bool) -> Any:
    """The score of every trial, and the best so far."""
    words = score_words(score)
    plot = frame("Score of every trial", "trial", words, dark)
    if numbers:
        best = np.minimum.accumulate(scores) if minimise else np.maximum.accumulate(scores)
        points = plot.scatter(list(numbers), list(scores), size=7, color=palette(1)[0])
        line = plot.step(list(numbers), best.tolist(), mode="after", color=palette(2)[1], line_width=2)
        named = {"trial": points, "best so far": line}
        plot.add_tools(
            models.HoverTool(renderers=[points], tooltips=[("trial", "@x"), (words, "@y{0.0000}")], visible=False)
        )
        items = [models.LegendItem(label=name, renderers=[drawn]) for name, drawn in named.items()]
        plot.add_layout(models.Legend(items=items, **LEGEND), "above")
        plot.xaxis.ticker.update(min_interval=1)
        plot.x_range.update(start=min(numbers) - 0.5, end=max(numbers) + 0.5)
        _make_room(plot.y_range, scores)
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
    as_numbers = [number(value) for value in values]
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
        _make_room(plot.y_range, scores)
        if is_number and not log:
            plot.x_range.default_span = 0.2 * abs(as_numbers[0]) or 1.0
            plot.xaxis.ticker.desired_num_ticks = 4  # of more, the labels run together on a narrow page
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


def _make_room(y_range: Any, scores: Sequence[float]) -> None:
    """Show at least so much of an axis that trials that are as good as the same look so."""
    low, high = with_room(scores, LEAST_SHARE, relative=True)
    edge = 0.1 * (high - low) or 0.5
    y_range.update(start=low - edge, end=high + edge)


def number(value: Any) -> float:
    """A value as a number, NaN where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan

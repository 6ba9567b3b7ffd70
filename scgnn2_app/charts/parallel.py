"""Parallel coordinates: a line for every run through its parameters to its score."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scgnn2_app.charts.across_runs import frame, models, number, score_words, visible_shades
from scgnn2_app.theme import colours

NARROW, LETTER = 840, 5.8  # pixels: the narrowest plot, and a letter of a name
MOST_LINES = 3
"""Of a name beneath its axis."""

LONGEST_MARK = 12
"""Characters of what stands at an axis."""


def parallel_coordinates(
    names: Sequence[str], axes: Mapping[str, Sequence[Any]], score: str, dark: bool, *, smaller_is_better: bool = True
) -> Any:
    """A line for every run through its parameters to its score.

    Parameters
    ----------
    names
        (n,) of the runs.
    axes
        Parameter, in words, or score to its (n,) values; text and switches become steps. Missing values: None or NaN,
        and a run without its score is left out.
    score
        Which of the axes colours the lines; drawn last.
    dark
        Whether the page is dark.
    smaller_is_better
        Which end of the colours stands out.
    """
    last = [number(value) for value in axes[score]]
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
        position: _wrapped(score_words(axis) if axis == score else axis, len(order))
        for position, axis in enumerate(order)
    }
    plot.xaxis.major_label_text_font_size = "11px"
    values = [last[row] for row in kept]
    ink = colours(dark)
    for position in range(len(order)):
        plot.line([position, position], [0, 1], color=ink["muted"], line_width=1)
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
    for position, axis in enumerate(order):
        _write(plot, position, scaled[axis][1], dark, left=position == len(order) - 1)
    return plot


def _scaled(values: Sequence[Any]) -> tuple[np.ndarray[Any, Any], list[tuple[float, str]]]:
    """Values of one axis as heights from 0 to 1, and what to write at which height."""
    numbers = np.array([number(value) for value in values])
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


def _write(plot: Any, position: int, marks: Sequence[tuple[float, str]], dark: bool, *, left: bool) -> None:
    """Write what stands at which height of an axis, over the lines and on the colour of the page."""
    ink = colours(dark)
    plot.text(
        [position] * len(marks), [height for height, _ in marks], text=[_short(text) for _, text in marks],
        text_font_size="11px", text_color=ink["ink"], text_baseline="middle", x_offset=-4 if left else 4,
        text_align="right" if left else "left", background_fill_color=ink["paper"], padding=1,
    )  # fmt: skip


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_MARK else text[: LONGEST_MARK - 1].rstrip() + "…"


def _wrapped(text: str, n_axes: int) -> str:
    r"""Words on so many lines that they stay clear of the next axis on the narrowest page.

    Examples
    --------
    >>> _wrapped("Graph AE embedding size", 8)
    'Graph AE\nembedding size'
    """
    width = int(NARROW / n_axes / LETTER) - 1
    lines = textwrap.wrap(text, width, max_lines=MOST_LINES, placeholder=" …", break_long_words=False)
    return "\n".join(lines) or text

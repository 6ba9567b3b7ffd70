"""Charts over many runs or trials: curves overlaid, history, slices, importances, parallel coordinates."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scgnn2_engine.plots.chart import Chart, Line, Lines, Mark, Points, Scale, Segments, Texts
from scgnn2_engine.plots.curves import with_room
from scgnn2_engine.plots.diagnostics import bars
from scgnn2_engine.plots.style import LEAST_CONTRAST, contrast, inks, luminance, palette, ramp

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

HEIGHT, LOW, WIDE = (430, 300), (430, 230), (1000, 340)
FEW = 50
"""Points of a curve, up to which each of them has a dot."""

NARROW, LETTER = 840, 5.8  # pixels: the narrowest plot of parallel coordinates, and a letter of a name
MOST_LINES = 3
"""Of a name beneath its axis."""

LONGEST_MARK = 12
"""Characters of what stands at an axis."""


def score_words(score: str) -> str:
    """A score in words.

    Examples
    --------
    >>> score_words("validation_error"), score_words("something_new")
    ('held-out error', 'something new')
    """
    return SCORE_WORDS.get(score, score.replace("_", " "))


def visible_shades(dark: bool, *, brightest_last: bool) -> tuple[str, ...]:
    """The part of the palette that is seen on the page."""
    paper = luminance(inks(dark)["paper"])
    shades = [shade for shade in ramp("viridis") if contrast(luminance(shade), paper) >= LEAST_CONTRAST]
    return tuple(reversed(shades)) if brightest_last else tuple(shades)


def overlaid(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    title: str,
    x: str,
    y: str,
    *,
    whole: bool = False,
    log: bool = False,
) -> Chart:
    """One line for each run, in the order and colours of the runs; their names stand above the plot.

    Parameters
    ----------
    curves
        Name of a run to x, which are whole numbers, and y.
    title, x, y
        What stands at the figure and its axes.
    whole, log
        Whether y are whole numbers too, and whether their axis is logarithmic.
    """
    marks: list[Mark] = []
    for (name, (xs, ys)), colour in zip(curves.items(), palette(len(curves)), strict=True):
        marks.append(Line(name=name, x=xs, y=ys, colour=colour, label=name, tips={name: "y", x: "x"}))
        if len(xs) < FEW:
            marks.append(Points(name=f"{name} dots", x=xs, y=ys, colour=colour, size=5, label=name))
    return Chart(
        marks=marks, title=title, x_label=x, y_label=y, x_whole=True, y_whole=whole, y_log=log, size=HEIGHT
    )  # fmt: skip


def history(numbers: Sequence[int], scores: Sequence[float], score: str, *, minimise: bool) -> Chart:
    """The score of every trial, and the best so far."""
    words = score_words(score)
    marks: list[Mark] = []
    if numbers:
        best = np.minimum.accumulate(scores) if minimise else np.maximum.accumulate(scores)
        tips = {"trial": "x", words: "y"}
        marks = [
            Points(name="trial", x=numbers, y=scores, size=7, colour=palette(1)[0], label="trial", tips=tips),
            Line(name="best", x=numbers, y=best, step=True, colour=palette(2)[1], width=2, label="best so far"),
        ]
    return Chart(
        marks=marks,
        title="Score of every trial",
        x_label="trial",
        y_label=words,
        x_whole=True,
        size=HEIGHT,
        x_limits=(min(numbers) - 0.5, max(numbers) + 0.5) if numbers else None,
        y_limits=_span(scores) if scores else None,
    )


def slice_of(
    key: str,
    values: Sequence[Any],
    scores: Sequence[float],
    numbers: Sequence[int],
    score: str,
    dark: bool,
    *,
    log: bool,
) -> Chart:
    """The score of every trial against one parameter; later trials stand out more."""
    words = score_words(score)
    if not numbers:
        return Chart(title=key, x_label=key, y_label=words, size=LOW)
    places: list[float] = [number(value) for value in values]
    is_number = all(map(math.isfinite, places)) and not any(isinstance(value, bool) for value in values)
    kinds = {} if is_number else {kind: place for place, kind in enumerate(sorted({str(value) for value in values}))}
    if kinds:
        places = [kinds[str(value)] for value in values]
    tips: dict[str, Any] = {"trial": list(numbers), key: [str(value) for value in values], words: "y"}
    points = Points(name="trials", x=places, y=scores, values=numbers, size=7, tips=tips)
    alone = 0.1 * abs(places[0]) or 0.5
    return Chart(
        marks=[points], title=key, x_label=key, y_label=words, y_limits=_span(scores), x_log=log and is_number,
        x_ticks={place: kind for kind, place in kinds.items()} if kinds else None,
        x_limits=(-0.5, len(kinds) - 0.5) if kinds else (places[0] - alone, places[0] + alone)
        if len(set(places)) == 1 and not log else None,
        scale=Scale(min(numbers), max(numbers) + 1, visible_shades(dark, brightest_last=dark)), size=LOW,
    )  # fmt: skip


def importances(shares: Mapping[str, float]) -> Chart:
    """How much each parameter decides about the score."""
    order = sorted(shares, key=lambda key: shares[key])
    return Chart(
        marks=[bars([shares[key] for key in order], [palette(1)[0]] * len(order), level=True, names=order)],
        title="Importance for the score", x_label="share", y_ticks=dict(enumerate(order)),
        x_limits=(0.0, 1.05 * max(shares.values(), default=1.0)), size=(430, 60 + 28 * max(2, len(order))),
    )  # fmt: skip


def parallel_coordinates(
    names: Sequence[str], axes: Mapping[str, Sequence[Any]], score: str, dark: bool, *, smaller_is_better: bool = True
) -> Chart:
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
    scaled = [_scaled([axes[axis][row] for row in kept]) for axis in order]
    values = [last[row] for row in kept] or [0.0]
    # What is best has the colour that is furthest from the page's.
    scale = Scale(min(values), max(values) + 1e-12, visible_shades(dark, brightest_last=smaller_is_better != dark), " ")
    at = np.arange(len(order))
    marks = [(place, height, text) for place, (_, said) in enumerate(scaled) for height, text in said]
    shown = [text if len(text) <= LONGEST_MARK else text[: LONGEST_MARK - 1].rstrip() + "…" for _, _, text in marks]
    side = 0.02
    return Chart(
        marks=[
            Segments(name="axes", x0=at, x1=at, y0=0.0 * at, y1=1.0 + 0.0 * at, colour="muted"),
            Lines(
                name="runs", x=[at] * len(kept), values=values[: len(kept)],
                y=[[float(heights[row]) for heights, _ in scaled] for row in range(len(kept))],
                tips={"run": [names[row] for row in kept], score_words(score): "values"},
            ),
            Texts(  # over the lines
                name="marks", x=[place + (side if place < len(order) - 1 else -side) for place, _, _ in marks],
                y=[height for _, height, _ in marks], text=shown, boxed=True,
                align=["left" if place < len(order) - 1 else "right" for place, _, _ in marks], size=8.5,
            ),
        ],
        title="Parameters and score of every run", scale=scale, size=WIDE, y_ticks={}, names_level=True,
        x_ticks={place: _wrapped(score_words(name) if name == score else name, len(order))
                 for place, name in enumerate(order)},
        x_limits=(-0.3, len(order) - 0.7), y_limits=(-0.12, 1.12),
    )  # fmt: skip


def number(value: Any) -> float:
    """A value as a number, NaN where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _span(scores: Sequence[float]) -> tuple[float, float]:
    """At least so much of an axis that trials that are as good as the same look so."""
    low, high = with_room(scores, LEAST_SHARE, relative=True)
    edge = 0.1 * (high - low) or 0.5
    return low - edge, high + edge


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
    spread = np.log10(numbers) if low > 0 and high / low >= 100 else numbers
    return (spread - spread.min()) / np.ptp(spread), [(-0.05, f"{low:.4g}"), (1.05, f"{high:.4g}")]


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

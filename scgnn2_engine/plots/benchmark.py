"""A benchmark at a glance: every method beside the best baseline, data set by data set."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.plots.chart import Chart, Figure, Mark, Points, Rule
from scgnn2_engine.plots.style import palette

WIDTH, ROW_HEIGHT, MARGIN = 520, 24, 110
LARGEST_RATIO, LARGEST_DIFFERENCE = 2.5, 0.5
SMALLEST_RATIO = 0.5
"""What lies beyond is drawn at the edge: one method that is far off must not squeeze all the others."""


def benchmark_figure(compared: pd.DataFrame) -> Figure:
    """Draw one panel for each score, a row for each method and a colour for each data set.

    Parameters
    ----------
    compared
        One line for each method, data set and seed: ``metric``, ``title``, ``data_set``, ``method``, ``seed``,
        ``compared`` (to the best baseline with the same seed: a ratio where ``as_ratio``, else a difference).

    Returns
    -------
    Figure
        Small marks are seeds, large ones their medians; the dashed line is the best baseline. Values beyond the
        limits are drawn at the edge.

    Examples
    --------
    >>> line = {"metric": "mse", "title": "Error", "data_set": "a", "method": "knn", "seed": 0, "compared": 1.0,
    ...         "as_ratio": True}
    >>> (chart,) = benchmark_figure(pd.DataFrame([line, {**line, "method": "magic", "compared": 1.2}])).charts
    >>> chart.y_ticks
    {1: 'knn', 0: 'magic'}
    """
    colours = dict(zip(names := sorted(set(compared["data_set"])), palette(len(names)), strict=True))
    return Figure([_panel(panel, colours) for _, panel in compared.groupby("metric", sort=False)], columns=2)


def _panel(panel: pd.DataFrame, colours: dict[str, str]) -> Chart:
    methods = list(dict.fromkeys(panel["method"]))  # the first stands on top
    row = {method: len(methods) - 1 - number for number, method in enumerate(methods)}
    as_ratio = bool(panel["as_ratio"].iloc[0])
    low, high = _limits(panel["compared"].to_numpy(float), as_ratio)
    marks: list[Mark] = [Rule(name="best baseline", x=1.0 if as_ratio else 0.0)]
    shown = list(dict.fromkeys(panel["data_set"]))
    for number, name in enumerate(shown):
        mine = panel[panel["data_set"] == name]
        offset = 0.6 * ((number + 0.5) / len(shown) - 0.5)  # data sets side by side within a row
        medians = mine.groupby("method")["compared"].median()
        for values, of, size in ((mine["compared"], mine["method"], 3), (medians, medians.index, 8)):
            found = np.asarray(values, dtype=float)
            tips: dict[str, Any] = {"method": list(of), "data set": [name] * len(found), "value": found}
            marks.append(
                Points(x=np.clip(found, low, high), y=[row[method] + offset for method in of], label=name,
                       colour=colours[name], size=size, alpha=0.9, tips=tips)
            )  # fmt: skip
    room = 0.03 * (high - low)
    beyond = _cut(panel["compared"], low, high)
    return Chart(
        marks=marks, title=str(panel["title"].iloc[0]), legend="right",
        x_label=f"{'ratio to' if as_ratio else 'difference from'} the best baseline{beyond}",
        y_ticks={number: method for method, number in row.items()}, x_limits=(low - room, high + room),
        y_limits=(-0.7, len(methods) - 0.3), size=(WIDTH, MARGIN + ROW_HEIGHT * max(len(methods), 5)),
    )  # fmt: skip


def _limits(values: npt.NDArray[np.float64], as_ratio: bool) -> tuple[float, float]:
    """The range of the values and of the best baseline, within the limits."""
    if as_ratio:
        return max(min(values.min(), 0.9), SMALLEST_RATIO), min(max(values.max(), 1.1), LARGEST_RATIO)
    return max(min(values.min(), -0.05), -LARGEST_DIFFERENCE), min(max(values.max(), 0.05), LARGEST_DIFFERENCE)


def _cut(values: pd.Series, low: float, high: float) -> str:
    """Which limits points are drawn at that lie beyond them."""
    ends = [f"{end:g}" for end, beyond in ((low, values < low), (high, values > high)) if beyond.any()]
    return f" (what lies beyond {' and '.join(ends)} is drawn there)" if ends else ""

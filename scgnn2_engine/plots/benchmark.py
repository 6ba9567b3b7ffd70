"""A benchmark at a glance: every method beside the best baseline, data set by data set."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.plots.style import MUTED, holoviews, palette

WIDTH, ROW_HEIGHT, MARGIN = 520, 24, 110
LARGEST_RATIO, LARGEST_DIFFERENCE = 2.5, 0.5
SMALLEST_RATIO = 0.5
"""What lies beyond is drawn at the edge: one method that is far off must not squeeze all the others."""


def benchmark_figure(compared: pd.DataFrame) -> Any:
    """Draw one panel for each score, a row for each method and a colour for each data set.

    Parameters
    ----------
    compared
        One line for each method, data set and seed: ``metric``, ``title``, ``data_set``, ``method``, ``seed``,
        ``compared`` (to the best baseline with the same seed: a ratio where ``as_ratio``, else a difference).

    Returns
    -------
    holoviews.Layout
        Small marks are seeds, large ones their medians; the dashed line is the best baseline. Values beyond the
        limits are drawn at the edge.

    Examples
    --------
    >>> line = {"metric": "mse", "title": "Error", "data_set": "a", "method": "knn", "seed": 0, "compared": 1.0,
    ...         "as_ratio": True}
    >>> len(benchmark_figure(pd.DataFrame([line, {**line, "method": "magic", "compared": 1.2}])))
    1
    """
    hv = holoviews()
    colours = dict(zip(names := sorted(set(compared["data_set"])), palette(len(names)), strict=True))
    panels = [_panel(hv, panel, colours) for _, panel in compared.groupby("metric", sort=False)]
    return (
        hv.Layout(panels)
        .cols(2)
        .opts(
            hv.opts.Layout(backend="bokeh", shared_axes=False, merge_tools=True),
            hv.opts.Layout(
                backend="matplotlib", fig_inches=5.2, hspace=0.4, vspace=0.35, sublabel_format="", shared_axes=False
            ),
        )
    )


def _panel(hv: Any, panel: pd.DataFrame, colours: dict[str, str]) -> Any:
    methods = list(dict.fromkeys(panel["method"]))[::-1]  # the first stands on top
    row = {method: number for number, method in enumerate(methods)}
    as_ratio = bool(panel["as_ratio"].iloc[0])
    low, high = _limits(panel["compared"].to_numpy(float), as_ratio)
    layers = [_best(hv, 1.0 if as_ratio else 0.0)]
    shown = list(dict.fromkeys(panel["data_set"]))
    for number, name in enumerate(shown):
        mine = panel[panel["data_set"] == name]
        offset = 0.6 * ((number + 0.5) / len(shown) - 0.5)  # data sets side by side within a row
        medians = mine.groupby("method")["compared"].median()
        for values, of, size in ((mine["compared"], mine["method"], 3), (medians, medians.index, 8)):
            points = pd.DataFrame(
                {
                    "x": np.clip(np.asarray(values, dtype=float), low, high),
                    "y": [row[method] + offset for method in of],
                    "value": np.asarray(values, dtype=float),
                    "method": list(of),
                    "data set": name,
                }
            )
            layers.append(_dots(hv, points, name, colours[name], size))
    beyond = _cut(panel["compared"], low, high)
    frame = {
        "title": str(panel["title"].iloc[0]),
        "xlabel": f"{'ratio to' if as_ratio else 'difference from'} the best baseline{beyond}",
        "ylabel": "",
        "yticks": [(number, method) for method, number in row.items()],
        "xlim": (low - 0.03 * (high - low), high + 0.03 * (high - low)),
        "ylim": (-0.7, len(methods) - 0.3),
    }
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            backend="bokeh",
            width=WIDTH,
            height=MARGIN + ROW_HEIGHT * max(len(methods), 5),
            legend_position="right",
            fontsize={"title": "10pt"},
            **frame,
        ),
        hv.opts.Overlay(
            backend="matplotlib",
            aspect=1.5,
            legend_position="right",
            legend_opts={"frameon": False, "fontsize": 7},
            fontsize={"title": 8, "yticks": 7, "labels": 8, "xticks": 7},
            **frame,
        ),
    )


def _limits(values: npt.NDArray[np.float64], as_ratio: bool) -> tuple[float, float]:
    """The range of the values and of the best baseline, within the limits."""
    if as_ratio:
        return max(min(values.min(), 0.9), SMALLEST_RATIO), min(max(values.max(), 1.1), LARGEST_RATIO)
    return max(min(values.min(), -0.05), -LARGEST_DIFFERENCE), min(max(values.max(), 0.05), LARGEST_DIFFERENCE)


def _cut(values: pd.Series, low: float, high: float) -> str:
    """Which limits points are drawn at that lie beyond them."""
    ends = [f"{end:g}" for end, beyond in ((low, values < low), (high, values > high)) if beyond.any()]
    return f" (what lies beyond {' and '.join(ends)} is drawn there)" if ends else ""


def _dots(hv: Any, points: pd.DataFrame, name: str, colour: str, size: int) -> Any:
    return hv.Scatter(points, "x", ["y", "value", "method", "data set"], label=name).opts(
        hv.opts.Scatter(
            backend="bokeh",
            color=colour,
            size=size,
            alpha=0.9,
            tools=["hover"],
            hover_tooltips=["method", "data set", "value"],
        ),
        hv.opts.Scatter(backend="matplotlib", color=colour, s=size**2 * 0.6, alpha=0.9, linewidth=0),
    )


def _best(hv: Any, at: float) -> Any:
    return hv.VLine(at).opts(
        hv.opts.VLine(backend="bokeh", color=MUTED, line_dash="dashed", line_width=1),
        hv.opts.VLine(backend="matplotlib", color=MUTED, linestyle="--", linewidth=1),
    )

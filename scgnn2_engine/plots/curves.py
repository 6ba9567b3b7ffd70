"""Losses of every stage, and the scores of every iteration."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.plots.style import MUTED, holoviews, palette

STAGES = {"feature_AE": "Feature autoencoder", "graph_AE": "Graph autoencoder", "cluster_AE": "Cluster autoencoders"}
PANELS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "Agreement of clusters",
        "adjusted Rand index",
        {"ari_between_iterations": "with the iteration before", "ari_against_ground_truth": "with the given labels"},
    ),
    (
        "Imputation error",
        "absolute error, ln(1 + expression)",
        {
            "error_median": "hidden entries, median",
            "error_mean": "hidden entries, mean",
            "validation_error": "held-out entries, mean",
        },
    ),
    ("Clusters", "number of clusters", {"cluster_count": "clusters"}),
)
"""Title, y axis, and column of ``metrics.csv`` to its name in the legend."""

WIDTH, HEIGHT, ASPECT = 430, 340, 1.35
E_FOLDS = float(np.log(10))  # HoloViews measures logarithmic axes in e-folds, Matplotlib in decades
COMPACT_LEGEND = {
    "label_text_font_size": "8.5pt",
    "spacing": -3,
    "padding": 2,
    "background_fill_alpha": 0,
    "border_line_alpha": 0,
}


def loss_curve(losses: pd.DataFrame, stage: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The loss of a stage over all its epochs, one iteration after the other.

    Parameters
    ----------
    losses
        Long table: stage, iteration, cluster, epoch, name, value.
    stage
        Its ``loss`` rows are taken; for the cluster autoencoders the mean over the clusters still training.

    Returns
    -------
    epochs, values
        Running number of the epoch from 1, and loss. A NaN stands between iterations, where training starts anew,
        and for losses that are not above 0, which a logarithmic axis cannot show.

    Examples
    --------
    >>> table = pd.DataFrame({"stage": "graph_AE", "iteration": [0, 0, 1], "cluster": None, "epoch": [1, 2, 1],
    ...                       "name": "loss", "value": [4.0, 2.0, 3.0]})
    >>> loss_curve(table, "graph_AE")[1].tolist()
    [4.0, 2.0, nan, 3.0]
    """
    rows = losses[(losses["stage"] == stage) & (losses["name"] == "loss")]
    means = rows.groupby(["iteration", "epoch"], sort=True)["value"].mean()
    epochs, values, done = [np.empty(0)], [np.empty(0)], 0
    for _, curve in means.groupby(level="iteration", sort=True):
        if done:
            epochs.append(np.array([done + 0.5]))
            values.append(np.array([np.nan]))
        epochs.append(done + np.arange(1.0, len(curve) + 1))
        values.append(np.where(curve.to_numpy(float) > 0, curve.to_numpy(float), np.nan))
        done += len(curve)
    return np.concatenate(epochs), np.concatenate(values)


def curves(losses: pd.DataFrame, metrics: pd.DataFrame) -> Any:
    """Draw one panel for each stage's loss (logarithmic) and for each kind of score.

    Parameters
    ----------
    losses
        As in ``losses.csv``.
    metrics
        As in ``metrics.csv``: ``iteration`` and any of the columns of :data:`PANELS`; ``selected`` marks the
        iteration that was returned. Panels without a number are left out.

    Returns
    -------
    holoviews.Layout
        Up to three panels a row.

    Examples
    --------
    >>> empty = pd.DataFrame(columns=["stage", "iteration", "cluster", "epoch", "name", "value"])
    >>> len(curves(empty, pd.DataFrame({"iteration": [1, 2], "cluster_count": [5, 6], "selected": [False, True]})))
    1
    """
    hv = holoviews()
    panels = [
        _loss_panel(hv, losses, stage, title)
        for stage, title in STAGES.items()
        if np.isfinite(loss_curve(losses, stage)[1]).any()
    ]
    panels += [
        _score_panel(hv, metrics, title, unit, {name: metrics[name].to_numpy(float) for name in lines}, lines)
        for title, unit, lines in _panels_with_numbers(metrics)
    ]
    return (
        hv.Layout(panels)
        .cols(3)
        .opts(
            hv.opts.Layout(backend="bokeh", shared_axes=False, merge_tools=True),
            hv.opts.Layout(
                backend="matplotlib", fig_inches=4.6, hspace=0.35, vspace=0.4, sublabel_format="", shared_axes=False
            ),
        )
    )


def _panels_with_numbers(metrics: pd.DataFrame) -> list[tuple[str, str, dict[str, str]]]:
    kept = []
    for title, unit, lines in PANELS:
        there = {name: text for name, text in lines.items() if name in metrics and metrics[name].notna().any()}
        if there:
            kept.append((title, unit, there))
    return kept


def _loss_panel(hv: Any, losses: pd.DataFrame, stage: str, title: str) -> Any:
    epochs, values = loss_curve(losses, stage)
    label = "loss, mean over clusters" if stage == "cluster_AE" else "loss"
    curve = hv.Curve((epochs, values), "epoch", "loss").opts(
        hv.opts.Curve(backend="bokeh", color=palette(1)[0], line_width=1.5, tools=["hover"]),
        hv.opts.Curve(backend="matplotlib", color=palette(1)[0], linewidth=1.2),
    )
    frame = {
        "title": title,
        "xlabel": "epoch, all iterations one after another",
        "ylabel": label,
        "logy": True,
        "show_legend": False,
        "ylim": (float(np.nanmin(values)) / 1.2, float(np.nanmax(values)) * 1.2),
    }
    return _framed(hv, [curve], frame)


def _score_panel(
    hv: Any,
    metrics: pd.DataFrame,
    title: str,
    unit: str,
    values: dict[str, npt.NDArray[np.float64]],
    names: dict[str, str],
) -> Any:
    iterations = metrics["iteration"].to_numpy(float)
    layers = []
    for colour, (column, text) in zip(palette(len(names)), names.items(), strict=True):
        there = np.isfinite(values[column])
        points = (iterations[there], values[column][there])
        layers += [
            hv.Curve(points, "iteration", unit, label=text).opts(
                hv.opts.Curve(backend="bokeh", color=colour, line_width=1.8),
                hv.opts.Curve(backend="matplotlib", color=colour, linewidth=1.4),
            ),
            hv.Scatter(points, "iteration", unit, label=text).opts(
                hv.opts.Scatter(backend="bokeh", color=colour, size=6, tools=["hover"]),
                hv.opts.Scatter(backend="matplotlib", color=colour, s=14),
            ),
        ]
    if "selected" in metrics and metrics["selected"].any():
        layers.append(_selected(hv, float(metrics.loc[metrics["selected"].astype(bool), "iteration"].iloc[0])))
    frame = {
        "title": title,
        "xlabel": "iteration (dashed: the one returned)",
        "ylabel": unit,
        "xlim": (float(iterations.min()) - 0.5, float(iterations.max()) + 0.5),
        "ylim": _with_room_for_legend(values),
        "show_legend": len(names) > 1,
        "xticks": whole_ticks(iterations),
    }
    if names.keys() == {"cluster_count"}:
        frame["yticks"] = whole_ticks(values["cluster_count"])
    return _framed(hv, layers, frame)


def _framed(hv: Any, layers: list[Any], frame: dict[str, Any]) -> Any:
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            backend="bokeh",
            width=WIDTH,
            height=HEIGHT,
            legend_position="bottom_right",
            legend_opts=COMPACT_LEGEND,
            **frame,
        ),
        hv.opts.Overlay(
            backend="matplotlib",
            aspect=ASPECT / E_FOLDS if frame.get("logy") else ASPECT,
            legend_position="bottom_right",
            legend_opts={"frameon": False, "fontsize": 8},
            **frame,
        ),
    )


def _with_room_for_legend(values: dict[str, npt.NDArray[np.float64]]) -> tuple[float, float]:
    """Limits of the y axis that leave the lowest part of the panel to the legend: 10 % for every line of it."""
    everything = np.concatenate(list(values.values()))
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    span = (high - low) or max(abs(high), 1.0) * 0.1
    share = 0.1 * len(values) + 0.04 if len(values) > 1 else 0.06
    return low - span * share / (1 - share) - 0.03 * span, high + 0.06 * span


def whole_ticks(values: npt.NDArray[np.float64], most: int = 8) -> list[int]:
    """Whole numbers over the range of the values, evenly spaced, at most about ``most`` of them.

    Examples
    --------
    >>> whole_ticks(np.array([1.0, 31.0]))
    [1, 5, 9, 13, 17, 21, 25, 29]
    """
    low, high = int(np.nanmin(values)), int(np.nanmax(values))
    return list(range(low, high + 1, max(1, -(-(high - low + 1) // most))))


def _selected(hv: Any, iteration: float) -> Any:
    return hv.VLine(iteration).opts(
        hv.opts.VLine(backend="bokeh", color=MUTED, line_dash="dashed", line_width=1),
        hv.opts.VLine(backend="matplotlib", color=MUTED, linestyle="--", linewidth=1),
    )

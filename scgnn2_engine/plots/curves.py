"""Losses of every stage, and the scores of every iteration: of a finished run, and of one that goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.plots.chart import Chart, Column, Figure, Line, Mark, Points, Rule
from scgnn2_engine.plots.style import cluster_colour, palette

STAGES = {"feature_AE": "Feature autoencoder", "graph_AE": "Graph autoencoder", "cluster_AE": "Cluster autoencoders"}
Curve = tuple[Column, Column]
NOWHERE: Curve = ((), ())


@dataclass(frozen=True)
class Panel:
    """A kind of score.

    Attributes
    ----------
    title, unit
        What stands above, and beside the y axis.
    lines
        Column of ``metrics.csv`` to its name in the legend.
    span
        How much the y axis shows at least, so that noise does not look like progress; of 1 and more its marks are
        whole numbers.
    relative
        Whether the span is a share of the largest score.
    """

    title: str
    unit: str
    lines: Mapping[str, str]
    span: float
    relative: bool = False


PANELS = (
    Panel(
        "Agreement of clusters", "adjusted Rand index",
        {"ari_between_iterations": "iteration before", "ari_against_ground_truth": "given labels"}, 0.2,
    ),
    Panel(
        "Imputation error", "error, ln(1 + expression)",
        {
            "error_median": "hidden, median",
            "error_mean": "hidden, mean",
            "validation_error": "held out, mean",
        },
        0.05, relative=True,
    ),
    Panel("Clusters", "number of clusters", {"cluster_count": "clusters"}, 2.0),
)  # fmt: skip


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


def curves(losses: pd.DataFrame, metrics: pd.DataFrame) -> Figure:
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
    Figure
        Up to three panels a row.

    Examples
    --------
    >>> empty = pd.DataFrame(columns=["stage", "iteration", "cluster", "epoch", "name", "value"])
    >>> drawn = curves(empty, pd.DataFrame({"iteration": [1, 2], "cluster_count": [5, 6], "selected": [False, True]}))
    >>> [chart.title for chart in drawn.charts]
    ['Clusters']
    """
    charts = []
    for stage, title in STAGES.items():
        epochs, values = loss_curve(losses, stage)
        label = "loss, mean over clusters" if stage == "cluster_AE" else "loss"
        charts.append(loss_chart(title, {None: (epochs, values)}, label=label))
    there = metrics["selected"].astype(bool) if "selected" in metrics else pd.Series(False, index=metrics.index)
    returned = float(metrics.loc[there, "iteration"].iloc[0]) if there.any() else None
    for panel in PANELS:
        known = {name: metrics[metrics[name].notna()] for name in panel.lines if name in metrics}
        scores = {name: (rows["iteration"].to_list(), rows[name].to_list()) for name, rows in known.items()}
        charts.append(score_chart(panel, scores, returned=returned))
    return Figure([chart for chart in charts if chart.marks])


def loss_chart(
    title: str,
    losses: Mapping[int | None, Curve],
    *,
    held_out: Curve = NOWHERE,
    other: Curve = NOWHERE,
    label: str = "loss",
) -> Chart:
    """Draw the losses of a stage by epoch, on a logarithmic axis.

    Parameters
    ----------
    title, label
        What stands above, and at the y axis.
    losses
        A curve for each cluster, or one for None where the stage has one autoencoder.
    held_out
        The error at held-out entries: on an axis of its own, as it is thousands of times smaller than a loss.
    other
        The loss of another run, laid beneath.

    Returns
    -------
    Chart
        Without marks where there is nothing to see. Clusters have the colours of the map.

    Examples
    --------
    >>> chart = loss_chart("Graph autoencoder", {None: ([1, 2], [4.0, 2.0])})
    >>> [mark.name for mark in chart.marks]
    ['loss']
    """
    marks: list[Mark] = []
    if _finite(other[1]):
        tips = {"loss, other run": "y", "epoch": "x"}
        marks.append(Line(name="other", x=other[0], y=other[1], colour="muted", dash="dashed", label="other run",
                          tips=tips))  # fmt: skip
    for cluster, (x, y) in losses.items():
        if _finite(y):
            name = "loss" if cluster is None else f"cluster {cluster}"
            colour = palette(1)[0] if cluster is None else cluster_colour(cluster)
            marks.append(Line(name=name, x=x, y=y, colour=colour, label="" if cluster is None else str(cluster),
                              tips={name: "y", "epoch": "x"}))  # fmt: skip
    limits = None
    if marks and (errors := [y for y in _finite(held_out[1]) if y > 0]):
        limits = min(errors) / 1.05, max(errors) * 1.05
        marks.append(Line(name="held out", x=held_out[0], y=held_out[1], dash="dotted", label="held-out error",
                          right=True))  # fmt: skip  # ink: every other colour may be a cluster's
    return Chart(
        marks=marks, title=title, x_label="epoch, all iterations", y_label=label, y_log=True,
        right_label="error, held out", right_limits=limits,
    )  # fmt: skip


def score_chart(
    panel: Panel,
    scores: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    levels: Mapping[str, tuple[str, float]] | None = None,
    others: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    returned: float | None = None,
) -> Chart:
    """Draw scores by iteration.

    Parameters
    ----------
    panel
        Which scores.
    scores, others
        Name of a score to iterations and values, of the run and of another one laid beneath.
    levels
        What is drawn as level lines: a name in the legend to the method and its score.
    returned
        The iteration that was returned; it is marked.

    Returns
    -------
    Chart
        Without marks where there is nothing to see.

    Examples
    --------
    >>> chart = score_chart(PANELS[2], {"cluster_count": ([1, 2], [5, 6])}, returned=2)
    >>> [mark.name for mark in chart.marks]
    ['room', 'cluster_count', 'cluster_count dots', 'returned']
    """
    scores, others, levels = dict(scores), dict(others or {}), dict(levels or {})
    iterations = [x for xs, _ in scores.values() for x in xs]
    heights = _finite([y for _, ys in (*scores.values(), *others.values()) for y in ys])
    if not heights:
        return Chart(title=panel.title, x_label="iteration", y_label=panel.unit, x_whole=True, y_whole=panel.span >= 1)
    if not iterations:
        levels = {}
    colours = dict(zip([*panel.lines, *levels], palette(len(panel.lines) + len(levels)), strict=True))
    low, high = with_room([*heights, *(score for _, score in levels.values())], panel.span, relative=panel.relative)
    first = (iterations or [x for xs, _ in others.values() for x in xs])[0]
    marks: list[Mark] = [Points(name="room", x=[first] * 2, y=[low, high], alpha=0)]  # unseen, but the axis has room
    for name, text in panel.lines.items():
        x, y = others.get(name, NOWHERE)
        if len(x):
            marks.append(Line(name=f"other {name}", x=x, y=y, colour=colours[name], width=1.2, dash="dotted"))
        x, y = scores.get(name, NOWHERE)
        if len(x):
            label = text if len(panel.lines) > 1 else ""
            marks.append(Line(name=name, x=x, y=y, colour=colours[name], label=label))
            marks.append(Points(name=f"{name} dots", x=x, y=y, colour=colours[name], label=label,
                                tips={text: "y", "iteration": "x"}))  # fmt: skip
    for name, (method, score) in levels.items():
        ends = [min(iterations), max(max(iterations), min(iterations) + 1)]
        marks.append(Line(name=name, x=ends, y=[score, score], colour=colours[name], dash="dashed", label=name,
                          tips={"method": [method, method], name: "y"}))  # fmt: skip
    if returned is not None:
        marks.append(Rule(name="returned", x=returned))
    return Chart(
        marks=marks, title=panel.title, y_label=panel.unit, x_whole=True, y_whole=panel.span >= 1,
        x_label="iteration" + (" (dashed: the one returned)" if returned is not None else ""),
    )  # fmt: skip


def with_room(heights: Sequence[float], span: float, *, relative: bool = False) -> tuple[float, float]:
    """Lowest and highest of some numbers, moved apart evenly until they span so much, or such a share of the largest.

    Examples
    --------
    >>> with_room([0.5, 0.75], 0.25), with_room([3.0, 3.0], 2.0), with_room([10.0], 0.5, relative=True)
    ((0.5, 0.75), (2.0, 4.0), (7.5, 12.5))
    """
    low, high = min(heights), max(heights)
    least = span * max(abs(low), abs(high)) if relative else span
    more = max(0.0, least - (high - low)) / 2
    return low - more, high + more


def _finite(values: Column) -> list[float]:
    return [value for value in values if math.isfinite(value)]

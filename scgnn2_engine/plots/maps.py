"""A number on the map of the cells, its spread within groups, and imputed against true values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.plots.cell_graph import ON_THE_MAP, edge_marks
from scgnn2_engine.plots.chart import Chart, Line, Points, Scale, Segments, Shapes
from scgnn2_engine.plots.style import COLOUR_BLIND_SAFE, cluster_colours, natural_order, ramp

UNIT = "ln(1 + expression)"
POINTS = 64
MOST_GROUPS = 40
"""Violins that are drawn; of more groups the largest."""


def value_map(
    positions: Floats,
    values: Floats,
    *,
    title: str,
    unit: str = UNIT,
    limits: tuple[float, float] | None = None,
    edges: Ints | None = None,
    weights: Floats | None = None,
    edgescale: float = 0.03,
    node_size: float = 4.0,
    max_edges: int = 20_000,
) -> Chart:
    """Draw cells on a map, coloured by a number; the largest lie on top.

    Parameters
    ----------
    positions
        (n_obs, 2) places of the cells.
    values
        (n_obs,) numbers; cells without one (NaN) are grey.
    title, unit
        What stands above, and beside the colours.
    limits
        Ends of the colours; by default those of :func:`colour_limits`.
    edges, weights
        Of the cell graph, as for :func:`~scgnn2_engine.plots.cell_graph`; by default none are drawn.
    edgescale, node_size, max_edges
        As for :func:`~scgnn2_engine.plots.cell_graph`.

    Examples
    --------
    >>> value_map(np.eye(2), np.array([0.0, 1.0]), title="CD3D").mark("cells").values.tolist()
    [0.0, 1.0]
    """
    values = np.asarray(values, dtype=np.float64)
    low, high = limits if limits is not None else colour_limits(values)
    order = np.argsort(np.where(np.isnan(values), -np.inf, values), kind="stable")
    behind: list[Segments] = []
    if edges is not None and weights is not None:
        behind, _, _ = edge_marks(positions, edges, weights, edgescale, max_edges)
    cells = Points(
        name="cells", x=positions[order, 0], y=positions[order, 1], values=values[order], size=node_size,
        tips={"value": "values"},
    )  # fmt: skip
    scale = Scale(low, high, ramp("cells"), unit)
    return Chart(marks=[*behind, cells], title=title, scale=scale, size=(560, 460), **ON_THE_MAP)


def colour_limits(values: Floats) -> tuple[float, float]:
    """Ends of the colours of some numbers: their 1st and 99th percentile, lest outliers bleach the rest.

    Examples
    --------
    >>> colour_limits(np.array([0.0, 2.0, np.nan])), colour_limits(np.array([5.0]))
    ((0.02, 1.98), (5.0, 5.0))
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = np.quantile(finite, [0.01, 0.99]).tolist()
    return (low, high) if high > low else (float(finite.min()), float(finite.max()))


def truth_scatter(
    true: Floats,
    imputed: Floats,
    *,
    title: str,
    unit: str = UNIT,
    colour: str | list[str] = COLOUR_BLIND_SAFE[0],
    cells: list[str] | None = None,
) -> Chart:
    """Draw imputed against true values of entries that were hidden, with the line of no error.

    Parameters
    ----------
    true, imputed
        (n,) values.
    title, unit
        What stands above, and the unit of both axes.
    colour, cells
        (n,) colours of the entries, or one for all, and names of their cells.

    Examples
    --------
    >>> truth_scatter(np.array([1.0]), np.array([0.5]), title="CD3D").x_limits
    (0.0, 1.05)
    """
    end = 1.05 * float(max(np.max(true, initial=0.0), np.max(imputed, initial=0.0))) or 1.0
    tips: dict[str, Any] = {"cell": cells} if cells is not None else {}
    entries = Points(
        name="entries", x=true, y=imputed, colour=colour, size=5, alpha=0.6, tips=tips | {"true": "x", "imputed": "y"}
    )
    return Chart(
        marks=[Line(name="no error", x=[0.0, end], y=[0.0, end], colour="muted", width=1, dash="dashed"), entries],
        title=title, x_label=f"true, {unit}", y_label=f"imputed, {unit}", x_limits=(0.0, end), y_limits=(0.0, end),
        size=(430, 400),
    )  # fmt: skip


def density(values: Floats, low: float, high: float, n_points: int = POINTS) -> tuple[Floats, Floats]:
    """A smooth density of numbers on an even grid: a histogram smoothed with Silverman's width.

    Quicker than a kernel estimate over all values, and the same up to the width of a bin.

    Parameters
    ----------
    values
        (n,) numbers.
    low, high
        Ends of the grid.

    Returns
    -------
    grid, heights
        (n_points,) each; the heights add up to 1, or are 0 without values.

    Examples
    --------
    >>> grid, heights = density(np.array([1.0, 1.0, 1.0]), 0.0, 2.0, 5)
    >>> grid.tolist(), int(heights.argmax())
    ([0.0, 0.5, 1.0, 1.5, 2.0], 2)
    """
    from scipy.ndimage import gaussian_filter1d

    grid = np.linspace(low, high, n_points)
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values) or high <= low:
        return grid, np.zeros(n_points)
    step = (high - low) / (n_points - 1)
    counts = np.bincount(np.clip(np.rint((values - low) / step).astype(int), 0, n_points - 1), minlength=n_points)
    spread = float(np.std(values))
    width = 1.06 * spread * len(values) ** -0.2 / step
    smooth = gaussian_filter1d(counts.astype(np.float64), max(width, 0.6), mode="nearest")
    return grid, smooth / smooth.sum()


def violins(
    sets: dict[str, Floats], groups: npt.NDArray[Any], *, title: str, unit: str = UNIT, grouping: str = "group"
) -> Chart:
    """Draw how a number is spread within each group, one or two sets of values side by side.

    Parameters
    ----------
    sets
        Name to (n_obs,) values: of two, the first is the left half of each violin and the second the right one.
    groups
        (n_obs,) group of every cell; of more than 40 the largest are drawn, and the title says so.
    title, unit, grouping
        What stands above, and at the axes.

    Returns
    -------
    Chart
        Filled outlines of one width, group i at x = i, and the line of the median of each half. Groups without values
        have none.

    Examples
    --------
    >>> drawn = violins({"a": np.array([1.0, 2.0, 3.0])}, np.array(["T", "T", "T"]), title="CD3D")
    >>> medians = drawn.mark("medians")
    >>> drawn.x_ticks, medians.x0, medians.x1, medians.y0
    ({0: 'T'}, [-0.4], [0.4], [2.0])
    """
    labels = np.asarray(groups).astype(str)
    every, sizes = np.unique(labels, return_counts=True)
    names = natural_order(every[np.argsort(-sizes, kind="stable")[:MOST_GROUPS]].tolist())
    finite = [values[np.isfinite(values) & np.isin(labels, names)] for values in sets.values()]
    low = min((float(values.min()) for values in finite if len(values)), default=0.0)
    high = max((float(values.max()) for values in finite if len(values)), default=1.0)
    colours = cluster_colours(names)
    parts: dict[str, list[Any]] = {name: [] for name in ("x", "y", "colour", "alpha", "group", "set", "n", "median")}
    ends: list[tuple[float, float]] = []
    for place, group in enumerate(names):
        inside = labels == group
        for (name, values), alpha in zip(sets.items(), (0.35, 0.9), strict=False):
            mine = values[inside][np.isfinite(values[inside])]
            if not len(mine):
                continue
            grid, heights = density(mine, low, high if high > low else low + 1.0)
            left, right = (-0.4, 0.4) if len(sets) == 1 else (-0.4, 0.0) if alpha < 0.5 else (0.0, 0.4)
            shape = heights / heights.max()
            x = place + np.concatenate([left * shape, right * shape[::-1]])
            row = (x, np.r_[grid, grid[::-1]], colours[group], alpha, group, name, len(mine), float(np.median(mine)))
            for column, part in zip(parts.values(), row, strict=True):
                column.append(part)
            ends.append((place + left, place + right))
    halves = "left, pale: {}; right: {}".format(*sets) if len(sets) == 2 else "".join(sets)
    cut = f"; the {MOST_GROUPS} largest of {len(every)} groups" if len(every) > MOST_GROUPS else ""
    room = 0.05 * ((high - low) or 1.0)
    return Chart(
        marks=[
            Shapes(
                name="violins", x=parts["x"], y=parts["y"], colour=parts["colour"], alpha=parts["alpha"],
                outline="muted",
                tips={"group": parts["group"], "values": parts["set"], "cells": parts["n"], "median": parts["median"]},
            ),
            Segments(
                name="medians", x0=[left for left, _ in ends], x1=[right for _, right in ends], y0=parts["median"],
                y1=parts["median"], width=2.0,
            ),
        ],
        title=f"{title} ({halves}{cut})",
        x_label=grouping, y_label=unit, x_ticks=dict(enumerate(names)), x_limits=(-0.6, len(names) - 0.4),
        y_limits=(low - room, (high if high > low else low + 1.0) + room), size=(max(420, 120 + 70 * len(names)), 360),
    )  # fmt: skip

"""How the groups of two or more label sets flow into each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.errors import InputError
from scgnn2_engine.plots.chart import Chart, Shapes, Texts
from scgnn2_engine.plots.style import EDGE, cluster_colours, natural_order

BAR = 0.05
GAP = 0.25  # share of the height that stands empty between bars
CURVE_POINTS = 30
NARROW, LETTER, HEAD_LETTER = 880, 7.0, 10.0  # pixels: the narrowest page, a letter of a name and of a head
MOST_BARS = 30
"""Bars of a column whose names are all written; of more the small ones' names are left to the tip."""

UNLABELLED = ("", "(no label)")
"""Names of the cells without a label: no group, so grey and not counted among the colours."""


@dataclass(frozen=True)
class Bar:
    """A group of one label set: its column, name, number of cells, and the height it spans (0 to 1, up)."""

    column: int
    name: str
    n_cells: int
    low: float
    high: float


@dataclass(frozen=True)
class Ribbon:
    """Cells shared by two groups of neighbouring columns; ``low`` and ``high`` at its left and right end."""

    column: int
    source: str
    target: str
    n_cells: int
    left: tuple[float, float]
    right: tuple[float, float]


def sankey_layout(label_sets: Mapping[str, npt.NDArray[Any]]) -> tuple[list[Bar], list[Ribbon]]:
    """Place bars and ribbons.

    The first column is in natural order; every later one is ordered by the mean place of the cells in the column
    before it, which keeps crossings few.

    Parameters
    ----------
    label_sets
        Name of a label set to its (n_obs,) labels, all of the same cells in the same order.

    Examples
    --------
    >>> bars, ribbons = sankey_layout({"a": np.array([0, 0, 1]), "b": np.array(["y", "y", "x"])})
    >>> [bar.name for bar in bars], [(r.source, r.target, r.n_cells) for r in ribbons]
    (['0', '1', 'y', 'x'], [('0', 'y', 2), ('1', 'x', 1)])
    """
    columns = [np.asarray(labels).astype(str) for labels in label_sets.values()]
    _check(label_sets, columns)
    bars: list[Bar] = []
    ribbons: list[Ribbon] = []
    before: list[Bar] = []
    for number, labels in enumerate(columns):
        order = natural_order(labels.tolist())
        sizes = [int(np.count_nonzero(labels == name)) for name in order]
        if number:
            shared = _shared(columns[number - 1], [bar.name for bar in before], labels, order)
            height = np.array([(bar.low + bar.high) / 2 for bar in before]) @ shared / sizes
            places = np.argsort(-height.round(9), kind="stable")
            order, sizes, shared = [order[at] for at in places], [sizes[at] for at in places], shared[:, places]
        here = _stack(number, order, sizes)
        if number:
            ribbons += _ribbons(before, here, shared)
        bars += here
        before = here
    return bars, ribbons


def sankey(
    label_sets: Mapping[str, npt.NDArray[Any]],
    *,
    title: str = "",
    groups: Mapping[str, Iterable[Any]] | None = None,
) -> Chart:
    """Draw the flow of cells between the groups of two or more label sets.

    Parameters
    ----------
    label_sets
        Name of a label set to its (n_obs,) labels, all of the same cells in the same order, drawn left to right.
    title
        What stands above it, before the number of cells.
    groups
        Name of a label set to all of its groups, where these cells have not all of them: colours are given out among
        them all, so that they are those of a map of all cells.

    Returns
    -------
    Chart
        ``ribbons`` in the colour of the group they come from, and ``bars``, both in the order of
        :func:`sankey_layout`; ``names`` of the groups with their numbers of cells, and ``heads``. Every group has
        the colour it has on a map of its label set (:func:`~scgnn2_engine.plots.cluster_colours`), cells without a
        label are grey.

    Raises
    ------
    InputError
        There are fewer than two label sets, or they differ in length.

    Examples
    --------
    >>> drawn = sankey({"run 1": np.array([0, 1]), "run 2": np.array([1, 1])})
    >>> drawn.mark("ribbons").tips["flow"]
    ['run 1 0 → run 2 1', 'run 1 1 → run 2 1']
    """
    bars, ribbons = sankey_layout(label_sets)
    names, last = list(label_sets), len(label_sets) - 1
    colours = bar_colours(bars, {place: (groups or {}).get(name, ()) for place, name in enumerate(names)})
    shapes = [outline(ribbon) for ribbon in ribbons]
    n_bars = [sum(bar.column == column for bar in bars) for column in range(len(names))]
    named = [bar for bar in bars if n_bars[bar.column] <= MOST_BARS or bar.high - bar.low > 0.012]
    texts = [f"{bar.name} ({bar.n_cells:,})" for bar in named]
    longest = [
        max((len(text) for bar, text in zip(named, texts, strict=True) if bar.column == column), default=0)
        for column in (0, last)
    ]
    # The names beside the outer columns and the heads above them have room on any page.
    left, right = (
        max(30 + LETTER * length, HEAD_LETTER / 2 * len(names[column]))
        for length, column in zip(longest, (0, last), strict=True)
    )
    unit = max(150.0, HEAD_LETTER * max(map(len, names)), (NARROW - left - right) / last)
    n_cells = f"{len(next(iter(label_sets.values()))):,} cells"
    return Chart(
        marks=[
            Shapes(
                name="ribbons",
                x=[shape["x"] for shape in shapes],
                y=[shape["y"] for shape in shapes],
                colour=[colours[ribbon.column, ribbon.source] for ribbon in ribbons],
                alpha=0.45,
                tips={
                    "flow": [f"{names[r.column]} {r.source} → {names[r.column + 1]} {r.target}" for r in ribbons],
                    "cells": [ribbon.n_cells for ribbon in ribbons],
                },
                pick=True,
            ),
            Shapes(
                name="bars",
                x=[bar.column + BAR / 2 * np.array([-1, 1, 1, -1]) for bar in bars],
                y=[(bar.low, bar.low, bar.high, bar.high) for bar in bars],
                colour=[colours[bar.column, bar.name] for bar in bars],
                tips={
                    "group": [f"{names[bar.column]} {bar.name}" for bar in bars],
                    "cells": [bar.n_cells for bar in bars],
                },
                pick=True,
            ),
            Texts(
                name="names",
                x=[bar.column + (BAR / 2 + 0.015) * (1 if bar.column else -1) for bar in named],
                y=[(bar.low + bar.high) / 2 for bar in named],
                text=texts,
                align=["left" if bar.column else "right" for bar in named],
            ),
            Texts(
                name="heads", x=list(range(len(names))), y=[1.05] * len(names), text=names,
                align=["center"] * len(names), size=11, bold=True,
            ),
        ],
        title=f"{title}: {n_cells}" if title else f"Flow of {n_cells} between groups",
        x_limits=(-left / unit, last + right / unit),
        y_limits=(-0.02, 1.1),
        size=(int(left + right + unit * last), min(1600, max(520, 26 * max(n_bars)))),
        axes=False,
    )  # fmt: skip


def bar_colours(bars: list[Bar], groups: Mapping[int, Iterable[Any]] | None = None) -> dict[tuple[int, str], str]:
    """The colour of every bar by column and name, that of its group on a map.

    Parameters
    ----------
    bars
        Of :func:`sankey_layout`.
    groups
        Column to all groups of its label set, where there are more than bars.

    Examples
    --------
    >>> bars, _ = sankey_layout({"a": np.array(["x", "y"]), "b": np.array([0, 4])})
    >>> found = bar_colours(bars)
    >>> found[0, "x"] == found[1, "0"], len(set(found.values()))
    (True, 3)
    """
    colours: dict[tuple[int, str], str] = {}
    for column in {bar.column for bar in bars}:
        here = [bar.name for bar in bars if bar.column == column]
        every = {*here, *(str(name) for name in (groups or {}).get(column, ()))}
        known = cluster_colours(every.difference(UNLABELLED))
        colours |= {(column, name): known.get(name, EDGE) for name in here}
    return colours


def outline(ribbon: Ribbon) -> dict[str, Any]:
    """The edge of a ribbon, there along its lower and back along its upper side."""
    along = np.linspace(0, 1, CURVE_POINTS)
    ease = along**2 * (3 - 2 * along)
    x = ribbon.column + BAR / 2 + along * (1 - BAR)
    lower = ribbon.left[0] + ease * (ribbon.right[0] - ribbon.left[0])
    upper = ribbon.left[1] + ease * (ribbon.right[1] - ribbon.left[1])
    return {"x": np.concatenate([x, x[::-1]]), "y": np.concatenate([lower, upper[::-1]])}


def _check(label_sets: Mapping[str, npt.NDArray[Any]], columns: list[npt.NDArray[np.str_]]) -> None:
    if len(columns) < 2:
        raise InputError("A Sankey diagram compares label sets.", expected="two or more", found=str(len(columns)))
    lengths = {name: len(labels) for name, labels in zip(label_sets, columns, strict=True)}
    if len(set(lengths.values())) > 1 or not len(columns[0]):
        raise InputError(
            "The label sets are not of the same cells.",
            expected="one label for every cell in each",
            found=", ".join(f"{name}: {length}" for name, length in lengths.items()),
        )


def _shared(left: Any, left_names: list[str], right: Any, right_names: list[str]) -> npt.NDArray[np.int64]:
    """(n_left, n_right) numbers of cells that two groups have in common."""
    (rows, row_of), (columns, column_of) = (np.unique(labels, return_inverse=True) for labels in (left, right))
    table = np.zeros((len(rows), len(columns)), dtype=np.int64)
    np.add.at(table, (row_of, column_of), 1)
    return table[np.ix_(np.searchsorted(rows, left_names), np.searchsorted(columns, right_names))]


def _stack(column: int, names: list[str], sizes: list[int]) -> list[Bar]:
    space = GAP / (len(names) - 1) if len(names) > 1 else 0.0
    unit = (1 - (GAP if len(names) > 1 else 0.0)) / sum(sizes)
    bars, top = [], 1.0
    for name, n_cells in zip(names, sizes, strict=True):
        bars.append(Bar(column, name, n_cells, top - n_cells * unit, top))
        top -= n_cells * unit + space
    return bars


def _ribbons(sources: list[Bar], targets: list[Bar], shared: npt.NDArray[np.int64]) -> list[Ribbon]:
    left_top, right_top = ({bar.name: bar.high for bar in bars} for bars in (sources, targets))
    ribbons = []
    for row, column in np.argwhere(shared):
        source, target, n_cells = sources[row], targets[column], int(shared[row, column])
        left, right = left_top[source.name], right_top[target.name]
        left_top[source.name] -= n_cells * (source.high - source.low) / source.n_cells
        right_top[target.name] -= n_cells * (target.high - target.low) / target.n_cells
        ends = (left_top[source.name], left), (right_top[target.name], right)
        ribbons.append(Ribbon(source.column, source.name, target.name, n_cells, *ends))
    return ribbons

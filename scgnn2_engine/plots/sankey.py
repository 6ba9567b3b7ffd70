"""How the groups of two or more label sets flow into each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.errors import InputError
from scgnn2_engine.plots.style import EDGE, INK, cluster_colours, holoviews, natural_order

BAR = 0.05
GAP = 0.25  # share of the height that stands empty between bars
CURVE_POINTS = 30
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
    before: dict[str, Bar] = {}
    for number, labels in enumerate(columns):
        order = natural_order(labels.tolist())
        if number:
            height = {
                name: np.mean(
                    [(before[source].low + before[source].high) / 2 for source in columns[number - 1][labels == name]]
                )
                for name in order
            }
            order.sort(key=lambda name: -height[name])
        here = _stack(number, labels, order)
        if number:
            ribbons += _ribbons(number - 1, columns[number - 1], labels, before, here)
        bars += here.values()
        before = here
    return bars, ribbons


def sankey(
    label_sets: Mapping[str, npt.NDArray[Any]],
    *,
    title: str = "Flow of cells between groups",
    groups: Mapping[str, Iterable[Any]] | None = None,
) -> Any:
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
    holoviews.Overlay
        Ribbons in the colour of the group they come from, bars, their names and numbers of cells. Every group has the
        colour it has on a map of its label set (:func:`~scgnn2_engine.plots.cluster_colours`), cells without a label
        are grey. Built of polygons, so that both backends give the same picture.

    Raises
    ------
    InputError
        There are fewer than two label sets, or they differ in length.

    Examples
    --------
    >>> type(sankey({"run 1": np.array([0, 1]), "run 2": np.array([1, 1])})).__name__
    'Overlay'
    """
    hv = holoviews()
    bars, ribbons = sankey_layout(label_sets)
    n_columns = len(label_sets)
    colours = bar_colours(bars, _all_groups(label_sets, groups))
    most = max(sum(bar.column == column for bar in bars) for column in range(n_columns))
    height = min(1600, max(520, 26 * most))
    width = 420 + max(300, 11 * max(map(len, label_sets))) * (n_columns - 1)
    heading = f"{title}: {len(next(iter(label_sets.values()))):,} cells"
    flow = _polygons(
        hv,
        [
            {
                **outline(ribbon),
                "from": ribbon.source,
                "to": ribbon.target,
                "cells": ribbon.n_cells,
                "colour": colours[ribbon.column, ribbon.source],
            }
            for ribbon in ribbons
        ],
        ["from", "to", "cells", "colour"],
        alpha=0.45,
    )
    columns = _polygons(
        hv,
        [
            {
                "x": bar.column + BAR / 2 * np.array([-1, 1, 1, -1]),
                "y": [bar.low, bar.low, bar.high, bar.high],
                "group": bar.name,
                "cells": bar.n_cells,
                "colour": colours[bar.column, bar.name],
            }
            for bar in bars
        ],
        ["group", "cells", "colour"],
        alpha=1.0,
    )
    frame = {"xaxis": None, "yaxis": None, "title": heading, "xlim": (-0.45, n_columns - 0.55), "ylim": (-0.02, 1.09)}
    return hv.Overlay([flow, columns, *_texts(hv, bars, list(label_sets))]).opts(
        hv.opts.Overlay(backend="bokeh", width=width, height=height, toolbar="above", **frame),
        hv.opts.Overlay(
            backend="matplotlib", fig_inches=(width / 95, height / 95), aspect=None, show_frame=False, **frame
        ),
    )


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


def _stack(column: int, labels: npt.NDArray[np.str_], order: list[str]) -> dict[str, Bar]:
    space = GAP / (len(order) - 1) if len(order) > 1 else 0.0
    unit = (1 - (GAP if len(order) > 1 else 0.0)) / len(labels)
    bars, top = {}, 1.0
    for name in order:
        n_cells = int(np.count_nonzero(labels == name))
        bars[name] = Bar(column, name, n_cells, top - n_cells * unit, top)
        top -= n_cells * unit + space
    return bars


def _ribbons(
    column: int,
    left: npt.NDArray[np.str_],
    right: npt.NDArray[np.str_],
    sources: dict[str, Bar],
    targets: dict[str, Bar],
) -> list[Ribbon]:
    left_top = {name: bar.high for name, bar in sources.items()}
    right_top = {name: bar.high for name, bar in targets.items()}
    ribbons = []
    for source, bar in sources.items():
        for target, other in targets.items():
            n_cells = int(np.count_nonzero((left == source) & (right == target)))
            if n_cells == 0:
                continue
            on_left = n_cells * (bar.high - bar.low) / bar.n_cells
            on_right = n_cells * (other.high - other.low) / other.n_cells
            ribbons.append(
                Ribbon(
                    column,
                    source,
                    target,
                    n_cells,
                    (left_top[source] - on_left, left_top[source]),
                    (right_top[target] - on_right, right_top[target]),
                )
            )
            left_top[source] -= on_left
            right_top[target] -= on_right
    return ribbons


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


def _all_groups(
    label_sets: Mapping[str, npt.NDArray[Any]], groups: Mapping[str, Iterable[Any]] | None
) -> dict[int, Iterable[Any]]:
    return {column: (groups or {}).get(name, ()) for column, name in enumerate(label_sets)}


def outline(ribbon: Ribbon) -> dict[str, Any]:
    """The edge of a ribbon, there along its lower and back along its upper side."""
    along = np.linspace(0, 1, CURVE_POINTS)
    ease = along**2 * (3 - 2 * along)
    x = ribbon.column + BAR / 2 + along * (1 - BAR)
    lower = ribbon.left[0] + ease * (ribbon.right[0] - ribbon.left[0])
    upper = ribbon.left[1] + ease * (ribbon.right[1] - ribbon.left[1])
    return {"x": np.concatenate([x, x[::-1]]), "y": np.concatenate([lower, upper[::-1]])}


def _polygons(hv: Any, shapes: list[dict[str, Any]], vdims: list[str], *, alpha: float) -> Any:
    tips = [(name, f"@{{{name}}}") for name in vdims if name != "colour"]
    return hv.Polygons(shapes, kdims=["x", "y"], vdims=vdims).opts(
        hv.opts.Polygons(
            backend="bokeh",
            color="colour",
            line_width=0,
            alpha=alpha,
            tools=["hover", "tap"],
            hover_tooltips=tips,
            show_legend=False,
        ),
        hv.opts.Polygons(backend="matplotlib", color="colour", linewidth=0, alpha=alpha, show_legend=False),
    )


def _texts(hv: Any, bars: list[Bar], names: list[str]) -> list[Any]:
    """Names of the groups beside their bars (left of the first column, right of the others), sets on top."""

    def labels(rows: list[tuple[float, float, str]], align: str, size: int, weight: str = "normal") -> Any:
        return hv.Labels(rows, kdims=["x", "y"], vdims=["text"]).opts(
            hv.opts.Labels(
                backend="bokeh", text_align=align, text_font_size=f"{size}pt", text_color=INK, text_font_style=weight
            ),
            hv.opts.Labels(backend="matplotlib", horizontalalignment=align, size=size, color=INK, weight=weight),
        )

    def text(bar: Bar) -> str:
        return f"{bar.name} ({bar.n_cells:,})"

    first = [(-BAR / 2 - 0.02, (bar.low + bar.high) / 2, text(bar)) for bar in bars if bar.column == 0]
    others = [(bar.column + BAR / 2 + 0.02, (bar.low + bar.high) / 2, text(bar)) for bar in bars if bar.column]
    heads = [(float(column), 1.05, name) for column, name in enumerate(names)]
    return [labels(first, "right", 9), labels(others, "left", 9), labels(heads, "center", 11, "bold")]

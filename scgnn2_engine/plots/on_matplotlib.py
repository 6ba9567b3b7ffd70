"""Charts on Matplotlib's canvas: for files of PNG and SVG, and for whoever goes on drawing."""

from __future__ import annotations

from typing import Any

import numpy as np

from scgnn2_engine.plots.chart import (
    Chart,
    Figure,
    Image,
    Line,
    Lines,
    Mark,
    Points,
    Rule,
    Scale,
    Segments,
    Shapes,
    Texts,
    legend_columns,
)
from scgnn2_engine.plots.style import EMPTY, seen

PER_INCH = 96  # pixels


def to_matplotlib(figure: Chart | Figure) -> Any:
    """Draw charts.

    Returns
    -------
    matplotlib.figure.Figure
        Which no window knows: it can be changed, saved, or shown in a notebook.

    Examples
    --------
    >>> drawn = to_matplotlib(Chart(marks=[Line(x=[1, 2], y=[3, 4])], title="Two points"))
    >>> drawn.axes[0].get_title(loc="left")
    'Two points'
    """
    from matplotlib.figure import Figure as Drawn

    charts = [figure] if isinstance(figure, Chart) else list(figure.charts)
    columns = min(1 if isinstance(figure, Chart) else figure.columns, max(1, len(charts)))
    rows = [charts[first : first + columns] for first in range(0, len(charts), columns)]
    widths = [max(row[place].size[0] for row in rows if place < len(row)) for place in range(columns)]
    heights = [max(chart.size[1] for chart in row) for row in rows]
    drawn = Drawn(
        figsize=(sum(widths) / PER_INCH, sum(heights) / PER_INCH or 1), layout="constrained", facecolor="white"
    )
    grid = drawn.add_gridspec(max(1, len(rows)), columns, width_ratios=widths or None, height_ratios=heights or None)
    for place, chart in enumerate(charts):
        draw(chart, drawn.add_subplot(grid[divmod(place, columns)]))
    return drawn


def draw(chart: Chart, axes: Any) -> None:
    """Draw a chart on axes of Matplotlib's."""
    rows = _legend(chart, axes, before=True)
    axes.set_title(chart.title, loc="left", fontsize=10, pad=6 + 12 * rows)
    axes.set_xscale("log" if chart.x_log else "linear")
    axes.set_yscale("log" if chart.y_log else "linear")
    right = axes.twinx() if any(mark.right for mark in chart.marks) else None
    for place, mark in enumerate(chart.marks):
        _draw(right if mark.right else axes, mark, chart.scale, 2 + place / 100)
    axes.autoscale_view()
    for axis, label, limits, ticks, whole, log in (
        ("x", chart.x_label, chart.x_limits, chart.x_ticks, chart.x_whole, chart.x_log),
        ("y", chart.y_label, chart.y_limits, chart.y_ticks, chart.y_whole, chart.y_log),
    ):
        getattr(axes, f"set_{axis}label")(label, fontsize=9)
        if limits is not None:
            getattr(axes, f"set_{axis}lim")(*limits)
        if ticks is not None:
            getattr(axes, f"set_{axis}ticks")(list(ticks), list(ticks.values()))
        elif whole and not log:
            getattr(axes, f"{axis}axis").get_major_locator().set_params(integer=True)
    axes.tick_params(labelsize=8)
    if right is not None:
        right.set_yscale("log" if chart.y_log else "linear")
        right.set_ylabel(chart.right_label, fontsize=9)
    _turn_names(chart, axes)
    axes.spines[["top", "right"]].set_visible(False)
    if not chart.axes:
        axes.set_axis_off()
    if chart.scale is not None and chart.scale.title:
        _bar(chart.scale, axes)
    _legend(chart, axes)


def _turn_names(chart: Chart, axes: Any) -> None:
    """Names that have no room beside each other stand aslant."""
    names = list((chart.x_ticks or {}).values())
    longest = max((len(line) for name in names for line in name.split("\n")), default=0)
    if 6.0 * (longest + 1) * len(names) > chart.size[0] and not chart.names_level:
        axes.tick_params("x", rotation=40)
        for text in axes.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")


def _legend(chart: Chart, axes: Any, *, before: bool = False) -> int:
    """Write the legend, or say beforehand how many rows above the chart it will have."""
    labels = list(dict.fromkeys(mark.label for mark in chart.marks if mark.label))
    columns = legend_columns(labels, chart.size[0] // 7)
    if before or not labels:
        return -(-len(labels) // columns) if chart.legend == "above" else 0
    handles = dict(reversed(list(zip(*reversed(axes.get_legend_handles_labels()), strict=True))))
    look = {"frameon": False, "fontsize": 8, "borderaxespad": 0.2, "handlelength": 1.4, "markerscale": 1.2}
    where: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": columns}
    if chart.legend == "right":
        where = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "ncols": 1 + len(labels) // 30}
    axes.legend([handles[label] for label in labels], labels, **look, **where)
    return 0


def _bar(scale: Scale, axes: Any) -> None:
    from matplotlib.cm import ScalarMappable

    mappable = ScalarMappable(cmap=_colour_map(scale))
    mappable.set_clim(scale.low, scale.high)
    bar = axes.figure.colorbar(mappable, ax=axes, fraction=0.03, pad=0.02)
    bar.set_label(scale.title, fontsize=9)
    bar.ax.tick_params(labelsize=8)


def _colour_map(scale: Scale) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap(list(scale.colours)).with_extremes(bad=EMPTY)


def _draw(axes: Any, mark: Mark, scale: Scale | None, zorder: float) -> None:
    from matplotlib import collections, colors

    shared: dict[str, Any] = {"zorder": zorder, "label": mark.label or None}
    by_value = {} if scale is None else {"cmap": _colour_map(scale), "norm": colors.Normalize(scale.low, scale.high)}
    match mark:
        case Line():
            shared |= {"drawstyle": "steps-post" if mark.step else "default", "linestyle": mark.dash}
            axes.plot(mark.x, mark.y, color=seen(mark.colour, False), linewidth=0.8 * mark.width, **shared)
        case Points():
            every = [mark.colour] if isinstance(mark.colour, str) else mark.colour
            plain = {"c": [seen(colour, False) for colour in every]}
            shared |= plain if mark.values is None else {"c": mark.values, "plotnonfinite": True, **by_value}
            shared |= {"edgecolors": "white", "linewidths": 0.2} if mark.outlined else {"linewidths": 0}
            axes.scatter(mark.x, mark.y, s=(0.75 * mark.size) ** 2, alpha=mark.alpha, **shared)
        case Shapes():
            alphas = np.broadcast_to(mark.alpha, len(mark.x)).tolist()
            face = [colors.to_rgba(seen(one, False), alpha) for one, alpha in zip(mark.colour, alphas, strict=True)]
            edge = "none" if mark.outline is None else seen(mark.outline, False)
            paths = _paths(mark.x, mark.y)
            axes.add_collection(
                collections.PolyCollection(paths, facecolors=face, edgecolors=edge, linewidths=0.5, **shared)
            )
        case Segments():
            ends = list(np.stack([np.c_[mark.x0, mark.y0], np.c_[mark.x1, mark.y1]], axis=1))
            shared |= {"colors": seen(mark.colour, False), "linewidths": mark.width, "alpha": mark.alpha}
            axes.add_collection(collections.LineCollection(ends, **shared))
        case Lines():
            drawn = collections.LineCollection(_paths(mark.x, mark.y), linewidths=1.4, alpha=0.85, **by_value, **shared)
            drawn.set_array(np.asarray(mark.values, dtype=float))
            axes.add_collection(drawn)
        case Texts():
            look: dict[str, Any] = {"fontsize": mark.size, "weight": "bold" if mark.bold else "normal", "va": "center"}
            look["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.5} if mark.boxed else None
            for x, y, text, align in zip(mark.x, mark.y, mark.text, mark.align, strict=True):
                axes.text(x, y, text, ha=align, color=seen("ink", False), zorder=zorder, **look)
        case Image():
            axes.imshow(
                mark.values,
                extent=(*mark.x, *mark.y),
                aspect="auto",
                interpolation="nearest",
                zorder=zorder,
                **by_value,
            )
        case Rule():
            look = {"color": seen("muted", False), "linestyle": "dashed", "linewidth": 0.8, "zorder": zorder}
            for place, at in ((axes.axvline, mark.x), (axes.axhline, mark.y)):
                if at is not None:
                    place(at, **look)


def _paths(x: Any, y: Any) -> list[Any]:
    return [np.column_stack([one, other]) for one, other in zip(x, y, strict=True)]

"""A number on the map of the cells, its spread within groups, and imputed against true values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.plots.cell_graph import edge_layers, thin_edges
from scgnn2_engine.plots.style import INK, cluster_colours, holoviews, natural_order, palette

VALUES = "bmy_r"  # yellow to blue: darker is larger
POINTS = 64


def value_map(
    positions: Floats,
    values: Floats,
    *,
    title: str,
    unit: str = "ln(1 + expression)",
    limits: tuple[float, float] | None = None,
    edges: Ints | None = None,
    weights: Floats | None = None,
    edgescale: float = 0.03,
    node_size: float = 4.0,
    max_edges: int = 20_000,
) -> Any:
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
        Ends of the colours; by default the 1st and 99th percentile.
    edges, weights
        Of the cell graph, as for :func:`~scgnn2_engine.plots.cell_graph`; by default none are drawn.
    edgescale, node_size, max_edges
        As for :func:`~scgnn2_engine.plots.cell_graph`.

    Returns
    -------
    holoviews.Overlay

    Examples
    --------
    >>> type(value_map(np.eye(2), np.array([0.0, 1.0]), title="CD3D")).__name__
    'Overlay'
    """
    hv = holoviews()
    values = np.asarray(values, dtype=np.float64)
    low, high = limits if limits is not None else _limits(values)
    order = np.argsort(np.where(np.isnan(values), -np.inf, values), kind="stable")
    layers: list[Any] = []
    if edges is not None and weights is not None:
        drawable = np.flatnonzero(weights > 0)
        kept = drawable[thin_edges(edges[:, drawable], weights[drawable], len(positions), max_edges)]
        layers += edge_layers(hv, positions, edges[:, kept], weights[kept], edgescale)
    points = hv.Points(
        (positions[order, 0], positions[order, 1], values[order]), kdims=["UMAP 1", "UMAP 2"], vdims=["value"]
    )
    shared: dict[str, Any] = {"color": "value", "cmap": VALUES, "clim": (low, high), "colorbar": True}
    layers.append(
        points.opts(
            hv.opts.Points(backend="bokeh", size=node_size, line_color=None, tools=["hover"], clabel=unit, **shared),
            hv.opts.Points(backend="matplotlib", s=node_size**2, linewidth=0, clabel=unit, **shared),
        )
    )
    frame: dict[str, Any] = {"title": title, "xticks": 0, "yticks": 0, "show_legend": False}
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(backend="bokeh", width=560, height=460, toolbar="above", **frame),
        hv.opts.Overlay(backend="matplotlib", fig_inches=6, aspect=1.15, show_frame=False, **frame),
    )


def truth_scatter(true: Floats, imputed: Floats, *, title: str, unit: str = "ln(1 + expression)") -> Any:
    """Draw imputed against true values of entries that were hidden, with the line of no error.

    Parameters
    ----------
    true, imputed
        (n,) values.
    title, unit
        What stands above, and the unit of both axes.

    Returns
    -------
    holoviews.Overlay

    Examples
    --------
    >>> type(truth_scatter(np.array([1.0]), np.array([0.5]), title="CD3D")).__name__
    'Overlay'
    """
    hv = holoviews()
    high = float(max(np.max(true, initial=0.0), np.max(imputed, initial=0.0))) or 1.0
    line = hv.Curve([(0.0, 0.0), (high, high)]).opts(
        hv.opts.Curve(backend="bokeh", color=INK, line_width=1, line_dash="dashed"),
        hv.opts.Curve(backend="matplotlib", color=INK, linewidth=1, linestyle="--"),
    )
    points = hv.Scatter((true, imputed), "true", "imputed").opts(
        hv.opts.Scatter(backend="bokeh", color=palette(1)[0], size=4, alpha=0.5, tools=["hover"]),
        hv.opts.Scatter(backend="matplotlib", color=palette(1)[0], s=14, alpha=0.5),
    )
    frame: dict[str, Any] = {"title": title, "xlabel": f"true, {unit}", "ylabel": f"imputed, {unit}"}
    return (points * line).opts(
        hv.opts.Overlay(backend="bokeh", width=430, height=400, toolbar="above", **frame),
        hv.opts.Overlay(backend="matplotlib", fig_inches=5, **frame),
    )


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


def violins(sets: dict[str, Floats], groups: npt.NDArray[Any], *, title: str, unit: str = "ln(1 + expression)") -> Any:
    """Draw how a number is spread within each group, one or two sets of values side by side.

    Parameters
    ----------
    sets
        Name to (n_obs,) values: of two, the first is the left half of each violin and the second the right one.
    groups
        (n_obs,) group of every cell.
    title, unit
        What stands above and beside the y axis.

    Returns
    -------
    holoviews.Overlay
        Filled outlines; a line marks the median of each half.

    Examples
    --------
    >>> type(violins({"observed": np.arange(4.0)}, np.array([0, 0, 1, 1]), title="CD3D")).__name__
    'Overlay'
    """
    hv = holoviews()
    shapes, medians, names = violin_shapes(sets, groups)
    colours = cluster_colours(names)
    tones = dict(zip(sets, (0.35, 0.9), strict=False))
    polygons = [
        hv.Polygons([{"x": x, "y": y, "group": group, "set": name}], kdims=["x", "y"], vdims=["group", "set"]).opts(
            hv.opts.Polygons(
                backend="bokeh", fill_color=colours[group], fill_alpha=tones[name], line_color=INK, line_width=0.5,
                tools=["hover"],
            ),
            hv.opts.Polygons(
                backend="matplotlib", facecolor=colours[group], alpha=tones[name], edgecolor=INK, linewidth=0.5
            ),
        )
        for group, name, x, y in shapes
    ]  # fmt: skip
    lines = hv.Segments([(left, value, right, value) for left, right, value in medians]).opts(
        hv.opts.Segments(backend="bokeh", color=INK, line_width=2),
        hv.opts.Segments(backend="matplotlib", color=INK, linewidth=1.5),
    )
    halves = " | ".join(sets) if len(sets) > 1 else next(iter(sets), "")
    frame: dict[str, Any] = {
        "title": f"{title} ({halves})",
        "xticks": list(enumerate(names)),
        "xlabel": "group",
        "ylabel": unit,
        "show_legend": False,
    }
    return hv.Overlay([*polygons, lines]).opts(
        hv.opts.Overlay(backend="bokeh", width=max(420, 120 + 70 * len(names)), height=360, toolbar="above", **frame),
        hv.opts.Overlay(
            backend="matplotlib", fig_inches=max(6.0, 0.8 * len(names)), aspect=max(1.3, 0.2 * len(names)), **frame
        ),
    )


Shape = tuple[str, str, Floats, Floats]


def violin_shapes(
    sets: dict[str, Floats], groups: npt.NDArray[Any]
) -> tuple[list[Shape], list[tuple[float, float, float]], list[str]]:
    """The outlines of :func:`violins`, for screens that draw them themselves.

    Returns
    -------
    shapes, medians, names
        Group, set and outline (x, y) of every half; ends and height of every median's line; the groups in order, of
        which number i stands at x = i. All violins are of one width; groups without values have none.

    Examples
    --------
    >>> shapes, medians, names = violin_shapes({"a": np.array([1.0, 2.0, 3.0])}, np.array(["T", "T", "T"]))
    >>> names, medians
    (['T'], [(-0.4, 0.4, 2.0)])
    """
    labels = np.asarray(groups).astype(str)
    names = natural_order(labels.tolist())
    finite = [values[np.isfinite(values)] for values in sets.values()]
    low = min((float(values.min()) for values in finite if len(values)), default=0.0)
    high = max((float(values.max()) for values in finite if len(values)), default=1.0)
    shapes: list[Shape] = []
    medians = []
    for place, group in enumerate(names):
        inside = labels == group
        for number, (name, values) in enumerate(sets.items()):
            mine = values[inside]
            mine = mine[np.isfinite(mine)]
            if not len(mine):
                continue
            grid, heights = density(mine, low, high if high > low else low + 1.0)
            half = 0.4 * heights / heights.max()
            sides = (-half, half) if len(sets) == 1 else ((-half, 0 * half) if number == 0 else (0 * half, half))
            x = place + np.concatenate([sides[0], sides[1][::-1]])
            shapes.append((group, name, x, np.concatenate([grid, grid[::-1]])))
            left, right = (-0.4, 0.4) if len(sets) == 1 else ((-0.4, 0.0) if number == 0 else (0.0, 0.4))
            medians.append((place + left, place + right, float(np.median(mine))))
    return shapes, medians, names


def _limits(values: Floats) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = np.quantile(finite, [0.01, 0.99]).tolist()
    if high <= low:
        low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low, low + 1.0)

"""The cell graph on a map: cells coloured by cluster, edges as thick as the cells are alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.plots.style import EDGE, cluster_colours, holoviews, natural_order

PIXELS_PER_WIDTH = 25.0
"""Screen pixels (points in print) for one unit of the published width: 0.75 for each factor e at the default scale."""

THINNEST, THICKEST = 0.25, 4.0
LEGEND_ROWS = 22


def edge_widths(weights: Floats, edgescale: float = 0.03) -> npt.NDArray[np.float64]:
    """The published rule: edge width = edgescale × (ln w − min ln w), for weights above 0.

    Examples
    --------
    >>> edge_widths(np.array([1.0, np.e, np.e**2]), edgescale=0.5).tolist()
    [0.0, 0.5, 1.0]
    """
    logarithms = np.log(np.asarray(weights, dtype=np.float64))
    widths: npt.NDArray[np.float64] = edgescale * (logarithms - logarithms.min(initial=np.inf))
    return widths


def thin_edges(edges: Ints, weights: Floats, n_obs: int, max_edges: int) -> Ints:
    """Choose edges to draw when there are too many: every cell's m strongest, m as large as ``max_edges`` allows.

    Parameters
    ----------
    edges, weights
        (2, n_edges) positions and (n_edges,) weights.

    Returns
    -------
    Positions of the kept edges, ascending; all of them when they are few enough.
    """
    n_edges = edges.shape[1]
    if n_edges <= max_edges:
        return np.arange(n_edges)
    ends = edges.reshape(-1)
    order = np.lexsort((np.tile(np.arange(n_edges), 2), -np.tile(weights, 2), ends))
    first = np.searchsorted(ends[order], np.arange(n_obs))
    rank = np.empty(2 * n_edges, dtype=np.int64)
    rank[order] = np.arange(2 * n_edges) - first[ends[order]]
    best_rank = rank.reshape(2, n_edges).min(axis=0)
    kept_by_m = np.cumsum(np.bincount(best_rank))
    m = int(np.searchsorted(kept_by_m, max_edges, side="right"))
    kept = np.flatnonzero(best_rank < m)
    return kept if len(kept) else np.argsort(-weights, kind="stable")[:max_edges]


def cell_graph(
    positions: Floats,
    edges: Ints,
    weights: Floats,
    labels: npt.NDArray[Any],
    *,
    obs_names: npt.NDArray[np.str_] | None = None,
    edgescale: float = 0.03,
    node_size: float = 5.0,
    max_edges: int = 20_000,
    title: str = "Cell graph",
) -> Any:
    """Draw cells on a map with the edges of the cell graph behind them.

    Parameters
    ----------
    positions
        (n_obs, 2) places of the cells, e.g. from :func:`~scgnn2_engine.plots.umap_positions`.
    edges, weights
        (2, n_edges) positions of the two cells of every undirected edge, and (n_edges,) similarities; edges of
        weight 0 are left out.
    labels
        (n_obs,) predicted clusters or any other groups; they give the colours.
    obs_names
        (n_obs,) names shown when the pointer rests on a cell.
    edgescale, node_size
        Published parameters: factor of the edge width (:func:`edge_widths`), size of a cell in points.
    max_edges
        Most edges drawn; beyond it only every cell's strongest are, and the title says so.

    Returns
    -------
    holoviews.Overlay
        Edges in five quantile bins of weight, each of one width (HoloViews has no width for a single edge), then
        one set of points a cluster, with a legend.

    Examples
    --------
    >>> picture = cell_graph(np.eye(2), np.array([[0], [1]]), np.array([0.5]), np.array([0, 1]))
    >>> [type(layer).__name__ for layer in picture]
    ['Segments', 'Points', 'Points']
    """
    hv = holoviews()
    drawable = np.flatnonzero(weights > 0)
    kept = drawable[thin_edges(edges[:, drawable], weights[drawable], len(positions), max_edges)]
    layers = [
        *edge_layers(hv, positions, edges[:, kept], weights[kept], edgescale),
        *_cell_layers(hv, positions, labels, obs_names, node_size),
    ]
    drawn = f"{len(drawable):,} edges"
    if len(kept) < len(drawable):
        drawn = f"each cell's strongest: {len(kept):,} of {drawn}"
    columns = 1 + (len(layers) - 1) // LEGEND_ROWS
    heading = f"{title}: {len(positions):,} cells, {drawn}"
    no_ticks = {"xticks": 0, "yticks": 0}  # places on the map have no unit
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            backend="bokeh",
            width=900 + 110 * columns,
            height=720,
            title=heading,
            legend_position="right",
            legend_cols=columns,
            toolbar="above",
            active_tools=["wheel_zoom"],
            click_policy="mute",
            legend_opts={"title": "edges and clusters (click to mute)"},
            **no_ticks,
        ),
        hv.opts.Overlay(
            backend="matplotlib",
            fig_inches=7.5,
            aspect=1.15,
            title=heading,
            legend_position="right",
            legend_cols=columns,
            show_frame=False,
            legend_opts={"markerscale": 1.6, "frameon": False},
            **no_ticks,
        ),
    )


def edge_layers(hv: Any, positions: Floats, edges: Ints, weights: Floats, edgescale: float) -> list[Any]:
    """The edges in up to five quantile bins of weight, each of one width; HoloViews has no width for a single edge."""
    if edges.shape[1] == 0:
        return []
    widths = np.clip(PIXELS_PER_WIDTH * edge_widths(weights, edgescale), THINNEST, THICKEST)
    borders = np.unique(np.quantile(weights, np.linspace(0, 1, 6)))
    which = np.clip(np.searchsorted(borders, weights, side="right") - 1, 0, max(len(borders) - 2, 0))
    layers = []
    for number in np.unique(which):
        inside = which == number
        start, end = positions[edges[0, inside]], positions[edges[1, inside]]
        low, high = weights[inside].min(), weights[inside].max()
        label = f"weight {low:.3g}" if low == high else f"weight {low:.3g} – {high:.3g}"
        width = float(np.median(widths[inside]))
        segments = hv.Segments(
            (start[:, 0], start[:, 1], end[:, 0], end[:, 1]),
            kdims=["UMAP 1", "UMAP 2", "UMAP 1 end", "UMAP 2 end"],
            label=label,
        )
        layers.append(
            segments.opts(
                hv.opts.Segments(backend="bokeh", color=EDGE, line_width=width, alpha=0.4, tools=[]),
                hv.opts.Segments(backend="matplotlib", color=EDGE, linewidth=width, alpha=0.4),
            )
        )
    return layers


def _cell_layers(
    hv: Any, positions: Floats, labels: npt.NDArray[Any], obs_names: npt.NDArray[np.str_] | None, node_size: float
) -> list[Any]:
    names = np.asarray(labels).astype(str)
    cells = obs_names if obs_names is not None else np.arange(1, len(positions) + 1).astype(str)
    layers = []
    for label, colour in ((label, cluster_colours(names)[label]) for label in natural_order(names)):
        inside = names == label
        kind = "cluster " if label.isdigit() else ""
        points = hv.Points(
            (positions[inside, 0], positions[inside, 1], cells[inside], names[inside]),
            kdims=["UMAP 1", "UMAP 2"],
            vdims=["cell", "cluster"],
            label=f"{kind}{label} ({int(inside.sum()):,})",
        )
        layers.append(
            points.opts(
                hv.opts.Points(
                    backend="bokeh",
                    color=colour,
                    size=node_size,
                    line_color="white",
                    line_width=0.3,
                    tools=["hover", "lasso_select"],
                    muted_alpha=0.05,
                ),
                hv.opts.Points(
                    backend="matplotlib",
                    color=colour,
                    s=node_size**2,
                    edgecolors="white",
                    linewidth=0.2,
                    show_frame=False,
                ),
            )
        )
    return layers

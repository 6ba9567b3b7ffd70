"""The cell graph on a map: cells coloured by cluster, edges as thick as the cells are alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.plots.chart import Chart, Points, Segments
from scgnn2_engine.plots.style import EDGE, cluster_colours

PIXELS_PER_WIDTH = 25.0
"""Screen pixels (points in print) for one unit of the published width: 0.75 for each factor e at the default scale."""

THINNEST, THICKEST = 0.25, 4.0
LEGEND_ROWS = 22
ON_THE_MAP: dict[str, Any] = {"x_label": "UMAP 1", "y_label": "UMAP 2", "x_ticks": {}, "y_ticks": {}}
"""Places on the map have no unit."""


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
) -> Chart:
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
    Chart
        The edges, where there are any, then one set of points a cluster, with a legend.

    Examples
    --------
    >>> picture = cell_graph(np.eye(2), np.array([[0], [1]]), np.array([0.5]), np.array([0, 1]))
    >>> [type(mark).__name__ for mark in picture.marks]
    ['Segments', 'Points', 'Points']
    """
    behind, n_edges, n_drawn = edge_marks(positions, edges, weights, edgescale, max_edges)
    names = np.asarray(labels).astype(str)
    cells = obs_names if obs_names is not None else np.arange(1, len(positions) + 1).astype(str)
    groups = []
    for group, colour in cluster_colours(names).items():
        inside = names == group
        groups.append(
            Points(
                x=positions[inside, 0], y=positions[inside, 1], colour=colour, size=node_size, outlined=True,
                label=f"{'cluster ' if group.isdigit() else ''}{group} ({int(inside.sum()):,})",
                tips={"cell": cells[inside].tolist(), "cluster": names[inside].tolist()},
            )
        )  # fmt: skip
    drawn = f"{n_edges:,} edges"
    if n_drawn < n_edges:
        drawn = f"each cell's strongest: {n_drawn:,} of {drawn}"
    return Chart(
        marks=[*behind, *groups],
        title=f"{title}: {len(positions):,} cells, {drawn}",
        legend="right",
        size=(900 + 110 * (1 + len(groups) // LEGEND_ROWS), 720),
        **ON_THE_MAP,
    )


def edge_marks(
    positions: Floats, edges: Ints, weights: Floats, edgescale: float, max_edges: int
) -> tuple[list[Segments], int, int]:
    """The edges above 0, the thicker the more alike the cells are; how many there are, and how many are drawn."""
    drawable = np.flatnonzero(weights > 0)
    kept = drawable[thin_edges(edges[:, drawable], weights[drawable], len(positions), max_edges)]
    if not len(kept):
        return [], 0, 0
    (x0, y0), (x1, y1) = (positions[edges[end, kept]].T for end in (0, 1))
    width = np.clip(PIXELS_PER_WIDTH * edge_widths(weights[kept], edgescale), THINNEST, THICKEST)
    low, high = weights[kept].min(), weights[kept].max()
    label = f"weight {low:.3g}" if low == high else f"weight {low:.3g} – {high:.3g}"
    segments = Segments(
        name="edges", label=label, x0=x0, y0=y0, x1=x1, y1=y1, width=width, colour=EDGE, alpha=0.4
    )  # fmt: skip
    return [segments], len(drawable), len(kept)

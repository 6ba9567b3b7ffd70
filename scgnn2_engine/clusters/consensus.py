"""Clusters by consensus: which cells fall together at many resolutions and in every member of the ensemble.

A single resolution of a community search is a guess, and the communities of one graph move with its noise. Here edges
are weighed by how often their ends are in one community, over a range of resolutions and over the graphs of all
members; communities of that weighted graph hardly move any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.clusters.communities import Labels, by_size, igraph_drawing
from scgnn2_engine.data.blocks import row_blocks
from scgnn2_engine.data.dataset import Ints
from scgnn2_engine.graph.neighbours import neighbour_sets

RESOLUTIONS = tuple(float(r) for r in np.geomspace(0.05, 0.5, 8))
"""From few large communities to more and smaller ones; how many steps lie between hardly matters."""

FEWEST_SHARED = 1 / 15
"""Jaccard index below which two cells are not joined (as Seurat prunes its graph)."""

FINER = 1.0
"""Resolution of the pieces that clusters are divided into: that of modularity itself, where they are larger."""

_LEAST = 1e-6  # weight of an edge whose ends never fall together: igraph wants weights above 0


@dataclass(frozen=True)
class SharedNeighbours:
    """Pairs of cells that share neighbours.

    Attributes
    ----------
    rows, cols
        (n_pairs,) positions, rows < cols.
    jaccard
        (n_pairs,) shared neighbours over all neighbours of both, each cell being its own neighbour.
    n_obs
        Number of cells.
    """

    rows: npt.NDArray[np.int64]
    cols: npt.NDArray[np.int64]
    jaccard: npt.NDArray[np.float64]
    n_obs: int


def shared_neighbours(neighbours: Ints) -> SharedNeighbours:
    """The shared-nearest-neighbour graph of (n_obs, k) neighbours.

    Notes
    -----
    Jarvis & Patrick 1973; weighted by the Jaccard index and pruned as in Xu & Su 2015 and Seurat.

    Examples
    --------
    >>> pairs = shared_neighbours(np.array([[1], [0], [1]]))
    >>> list(zip(pairs.rows.tolist(), pairs.cols.tolist(), pairs.jaccard.round(2).tolist()))
    [(0, 1, 1.0), (0, 2, 0.33), (1, 2, 0.33)]
    """
    n_obs, k = neighbours.shape
    member = neighbour_sets(neighbours)
    transposed = member.T.tocsr()
    rows, cols, weights = [], [], []
    for cells in row_blocks(n_obs):  # most pairs share one neighbour alone, and are dropped at once
        product = sp.csr_matrix(member[cells] @ transposed)
        product.sort_indices()
        shared = product.tocoo()
        row, jaccard = shared.row + cells.start, shared.data / (2 * (k + 1) - shared.data.astype(np.float64))
        kept = (row < shared.col) & (jaccard > FEWEST_SHARED)
        rows.append(row[kept].astype(np.int64))
        cols.append(shared.col[kept].astype(np.int64))
        weights.append(jaccard[kept])
    return SharedNeighbours(np.concatenate(rows), np.concatenate(cols), np.concatenate(weights), n_obs)


def member_communities(neighbours: Ints, seed: int = 0) -> Labels:
    """Communities of one member's (n_obs, k) neighbours at all resolutions: (n_resolutions, n_obs) int32.

    Examples
    --------
    >>> member_communities(np.array([[1], [0], [3], [2]])).shape
    (8, 4)
    """
    pairs = shared_neighbours(neighbours)
    graph = _graph(pairs)
    return np.array([_leiden(graph, pairs.jaccard, step, seed) for step in RESOLUTIONS], np.int32)


def consensus(
    neighbours: Ints,
    members: Sequence[Ints],
    *,
    resolution: float = 0.15,
    seed: int = 0,
    found: Sequence[Labels] | None = None,
) -> tuple[Labels, npt.NDArray[np.float64], Labels]:
    """Communities that many resolutions and all members agree on.

    Parameters
    ----------
    neighbours
        (n_obs, k) of the ensemble's mean, whose shared-neighbour pairs are weighed.
    members
        (n_obs, k) of each member; none: ``neighbours`` alone.
    resolution
        Of the last search, on the weighed pairs: larger gives more communities.
    seed
        Of the order in which cells are visited; member i has ``seed + i``.
    found
        :func:`member_communities` of each member, where they are known.

    Returns
    -------
    labels
        (n_obs,) int32, numbered by falling size.
    together
        (n_pairs,) how often the ends of each pair of :func:`shared_neighbours` fell together, 0 to 1.
    pieces
        (n_obs,) int32, communities of the same pairs at resolution 1, or at ``resolution`` where that is larger.

    Notes
    -----
    Leiden communities (Traag et al. 2019) by modularity; evidence accumulation as in Fred & Jain 2005.

    Examples
    --------
    >>> from scgnn2_engine.graph.neighbours import build_graph
    >>> rng = np.random.default_rng(0)
    >>> points = np.vstack([rng.normal(0, 1, (30, 2)), rng.normal(9, 1, (20, 2))])
    >>> graph = build_graph(points, construction="v2", n_neighbours=8)
    >>> np.bincount(consensus(graph.neighbours, [graph.neighbours])[0]).tolist()
    [30, 20]
    """
    pairs = shared_neighbours(neighbours)
    together = np.zeros(len(pairs.rows))
    if found is None:
        found = [member_communities(own, seed + number) for number, own in enumerate(members or [neighbours])]
    for labels in np.concatenate(found):
        together += labels[pairs.rows] == labels[pairs.cols]
    together /= len(RESOLUTIONS) * len(found)
    graph, weights = _graph(pairs), together + _LEAST
    labels = by_size(_leiden(graph, weights, resolution, seed))
    pieces = labels if resolution >= FINER else by_size(_leiden(graph, weights, FINER, seed))
    return labels, together, pieces


def memberships(neighbours: Ints, together: npt.NDArray[np.float64], labels: Ints) -> npt.NDArray[np.float32]:
    """(n_obs,) how much of what each cell shares with others it shares with its own cluster, from 0 to 1.

    Parameters
    ----------
    neighbours
        (n_obs, k) of the ensemble's mean.
    together
        (n_pairs,) how often the ends of each pair of their :func:`shared_neighbours` fell together.
    labels
        (n_obs,) clusters.

    Examples
    --------
    >>> neighbours = np.array([[1], [0], [1]])
    >>> pairs = shared_neighbours(neighbours)
    >>> list(zip(pairs.rows.tolist(), pairs.cols.tolist()))
    [(0, 1), (0, 2), (1, 2)]
    >>> memberships(neighbours, np.array([0.9, 0.0, 0.1]), np.array([0, 0, 1])).astype(float).round(2).tolist()
    [1.0, 0.9, 0.0]
    """
    pairs = shared_neighbours(neighbours)
    ends = np.concatenate([pairs.rows, pairs.cols])
    own = np.where(labels[pairs.rows] == labels[pairs.cols], together, 0)
    within = np.bincount(ends, np.tile(own, 2), pairs.n_obs)
    every = np.bincount(ends, np.tile(together, 2), pairs.n_obs)
    return np.divide(within, every, out=np.ones(pairs.n_obs), where=every > 0).astype(np.float32)


def _graph(pairs: SharedNeighbours) -> Any:
    import igraph

    return igraph.Graph(n=pairs.n_obs, edges=np.column_stack([pairs.rows, pairs.cols]))


def _leiden(graph: Any, weights: npt.NDArray[np.float64], resolution: float, seed: int) -> Ints:
    with igraph_drawing(seed):
        found = graph.community_leiden("modularity", weights=weights, resolution=resolution, n_iterations=-1)
    return np.asarray(found.membership, dtype=np.int64)

"""Communities of the cell graph, and the numbering and merging of clusters."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Ints

Labels = npt.NDArray[np.int32]

MOST_CLUSTERS = 30
"""Clusters above which the smallest are merged."""

SMALLEST_CLUSTER = 5
"""Cells below which a cluster is merged when there are too many."""

_SPREAD = 1_000.0  # largest edge weight as a multiple of the median; beyond it duplicates would hide all other edges


def communities(
    graph: CellGraph, method: Literal["louvain", "leiden"], resolution: float = 1.0, seed: int = 0
) -> Labels:
    """Communities of the weighted, symmetric cell graph by modularity.

    Parameters
    ----------
    graph
        The cell graph; isolated cells are communities of their own.
    method
        ``"louvain"`` (Blondel et al. 2008) or ``"leiden"`` (Traag et al. 2019).
    resolution
        Larger gives more communities.
    seed
        Of the order in which cells are visited.

    Returns
    -------
    (n_obs,) int32 labels, numbered by falling size.
    """
    import igraph

    adjacency = graph.adjacency(weighted=True)
    upper = adjacency.tocoo()
    once = upper.row < upper.col
    weights = upper.data[once]
    if len(weights):
        weights = np.minimum(weights, _SPREAD * np.median(weights))
    cells = igraph.Graph(n=graph.n_obs, edges=np.column_stack([upper.row[once], upper.col[once]]))
    with igraph_drawing(seed):
        if method == "leiden":
            found = cells.community_leiden("modularity", weights=weights, resolution=resolution, n_iterations=-1)
        else:
            found = cells.community_multilevel(weights=weights, resolution=resolution)
    return by_size(np.asarray(found.membership))


@contextmanager
def igraph_drawing(seed: int) -> Iterator[None]:
    """Let igraph draw from a generator of its own: unless it is given one, it takes Python's global one."""
    import igraph

    igraph.set_random_number_generator(random.Random(seed))
    try:
        yield
    finally:
        igraph.set_random_number_generator(random)


def by_size(labels: Ints) -> Labels:
    """Number clusters from 0 by falling size, equal sizes by their first cell.

    Examples
    --------
    >>> by_size(np.array([7, 3, 3, 5])).tolist()
    [1, 0, 0, 2]
    """
    _, first, numbered, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), np.int32)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes), dtype=np.int32)
    ranked: Labels = rank[numbered.reshape(-1)]
    return ranked


def merge_small(labels: Labels) -> Labels:
    """Where there are more than 30 clusters, merge the small ones into one.

    Parameters
    ----------
    labels
        (n_obs,) numbered by falling size.

    Returns
    -------
    Labels in which the clusters of fewer than 5 cells and those numbered 30 and up are one cluster, renumbered by
    size. The published rule also covers a single cluster, which merging leaves as it is.
    """
    sizes = np.bincount(labels)
    if len(sizes) <= MOST_CLUSTERS:
        return labels
    small = (sizes < SMALLEST_CLUSTER) | (np.arange(len(sizes)) >= MOST_CLUSTERS)
    return by_size(np.where(small[labels], len(sizes), labels))

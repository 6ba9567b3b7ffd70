"""Cells in the plane by UMAP, from compiled code that is kept on disk.

umap-learn compiles when it is first imported (11 s), and its layout anew in every process; what of it is needed here
are the steps below.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.graph.components import principal_components
from scgnn2_engine.graph.neighbours import build_graph

N_EPOCHS = 200
"""Passes over the edges; of 500, umap-learn's number below 10,000 cells, neighbours are kept as well (within 0.02)."""

_BISECTIONS = 32


def umap_positions(embedding: Floats, seed: int = 1, *, n_neighbours: int = 15) -> npt.NDArray[np.float32]:
    """Lay cells out in the plane by UMAP (McInnes, Healy & Melville 2018).

    Parameters
    ----------
    embedding
        (n_obs, d) embedding of the cells, usually the graph embedding.
    seed
        Same seed, same map: the layout runs on one thread.
    n_neighbours
        Neighbours that shape the map, the cell itself among them; fewer when there are fewer cells.

    Returns
    -------
    (n_obs, 2) float32, no unit. Up to three cells are put on a line, since UMAP needs more.

    Notes
    -----
    The cells start from their two leading principal components, so equal data start alike whatever
    the seed (Kobak & Linderman 2021). Distances in the plane become similarities by 1 / (1 + a d^2b), a and b for
    ``min_dist`` 0.1.

    Examples
    --------
    >>> umap_positions(np.ones((2, 5), dtype=np.float32))
    array([[0., 0.],
           [1., 0.]], dtype=float32)
    """
    n_obs = len(embedding)
    if n_obs <= 3:
        return np.stack([np.arange(n_obs, dtype=np.float32), np.zeros(n_obs, dtype=np.float32)], axis=1)
    from scgnn2_engine.plots.layout_steps import lay_out

    points = np.asarray(embedding, dtype=np.float32)
    k = min(n_neighbours, n_obs) - 1
    graph = build_graph(points, construction="v2", n_neighbours=k, seed=seed)
    edges = fuzzy_union(graph.neighbours, graph.distances)
    edges.data[edges.data < edges.data.max() / N_EPOCHS] = 0  # would never be drawn
    edges.eliminate_zeros()
    positions = _start(points, np.random.default_rng(seed))
    lay_out(positions, edges.indptr, edges.indices, edges.data, n_epochs=N_EPOCHS, seed=seed)
    return positions


def fuzzy_union(neighbours: npt.NDArray[np.int64], distances: Floats) -> sp.csr_matrix:
    """(n_obs, n_obs) symmetric similarities, each a probability that one of two directed edges exists.

    Parameters
    ----------
    neighbours, distances
        (n_obs, k) nearest first, without the cell itself.

    Notes
    -----
    The edge from i to j weighs exp(−max(0, d_ij − ρ_i) / σ_i), ρ_i the smallest distance above 0 and σ_i such that
    the k weights of a cell sum to log₂(k + 1).

    Examples
    --------
    >>> fuzzy_union(np.array([[1], [0], [1]]), np.array([[1.0], [1.0], [2.0]])).toarray()
    array([[0., 1., 0.],
           [1., 0., 1.],
           [0., 1., 0.]], dtype=float32)
    """
    n_obs, k = neighbours.shape
    d = np.asarray(distances, dtype=np.float64)
    nearest = np.where(d > 0, d, np.inf).min(axis=1)
    beyond = np.maximum(d - np.where(np.isfinite(nearest), nearest, 0.0)[:, None], 0.0)
    weights = np.exp(-beyond / _widths(beyond, d)[:, None])
    ends = np.arange(0, n_obs * k + 1, k)
    directed = sp.csr_matrix((weights.astype(np.float32).ravel(), neighbours.ravel(), ends), shape=(n_obs, n_obs))
    both = directed.multiply(directed.T)
    union = (directed + directed.T - both).tocsr()
    union.sort_indices()
    return union


def _widths(beyond: npt.NDArray[np.float64], d: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n_obs,) σ by bisection on a grid of factors: Σ_j exp(−beyond_ij / σ_i) = log₂(k + 1)."""
    target = math.log2(d.shape[1] + 1)
    smallest = 1e-3 * np.where(d.mean(axis=1) > 0, d.mean(axis=1), d.mean() or 1.0)
    low, high = smallest, np.maximum(smallest, 1e4 * beyond.max(axis=1))
    for _ in range(_BISECTIONS):
        middle = np.sqrt(low * high)
        above = np.exp(-beyond / middle[:, None]).sum(axis=1) > target
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    found: npt.NDArray[np.float64] = high
    return found


def _start(points: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(n_obs, 2) principal components on [0, 10], with a little noise that parts duplicates."""
    scores = principal_components(points, 2).astype(np.float64)
    scores = np.pad(scores, ((0, 0), (0, 2 - scores.shape[1])))
    scores -= scores.min(axis=0)
    scores *= 10 / np.maximum(scores.max(axis=0), np.finfo(np.float32).tiny)
    return np.asarray(scores + rng.normal(scale=1e-3, size=scores.shape), dtype=np.float32)

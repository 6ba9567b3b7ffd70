"""The cell graph: nearest neighbours, edge weights, sparse normalisations, change from one iteration to the next.

Everything is sparse or in row blocks; no (n_obs, n_obs) array is ever made.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.errors import InputError, ParameterError

Construction = Literal["v0", "v1", "v2", "jaccard"]
Doubles = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]

EXACT_UP_TO = 20_000
"""Cells up to which neighbours are searched exhaustively."""

APPROXIMATE_K = 200
"""Neighbours above which the exhaustive search is the faster one at any number of cells."""

NEIGHBOURS_V0 = 10
"""Neighbours of a cell in construction v0, whatever the factor says."""

_BLOCK = 2**20  # distances held at once: 8 MB, about what a core caches
_PAIRS = 32_768  # coordinate differences held at once: 32 MB at 128 dimensions
_PRECISION = 1e-8  # largest relative error of a squared distance


def neighbour_count(n_obs: int, factor: float, maximum: int = 0, construction: Construction = "v2") -> int:
    """How many neighbours each cell gets.

    Parameters
    ----------
    n_obs
        Number of cells.
    factor
        Above 1 the number itself (rounded), else the share of the cells; at least 1 neighbour.
    maximum
        Upper bound; 0 sets none.
    construction
        ``"v0"`` always takes 10.

    Raises
    ------
    ParameterError
        There are not that many other cells.

    Examples
    --------
    >>> neighbour_count(1000, 0.05), neighbour_count(1000, 15), neighbour_count(10_000, 0.05, maximum=30)
    (50, 15, 30)
    """
    k = NEIGHBOURS_V0 if construction == "v0" else max(1, round(factor if factor > 1 else factor * n_obs))
    k = min(k, maximum) if maximum > 0 else k
    if k >= n_obs:
        raise ParameterError(
            "There are too few cells for that many neighbours.",
            expected=f"fewer than {n_obs} neighbours of each of {n_obs} cells",
            found=f"{k} (graph_AE_neighborhood_factor = {factor:g}, graph_AE_graph_construction = {construction})",
            advice="Set graph_AE_neighborhood_max or a smaller graph_AE_neighborhood_factor, or keep more cells.",
        )
    return k


def build_graph(embedding: Floats, *, construction: Construction, n_neighbours: int, seed: int = 0) -> CellGraph:
    """Nearest neighbours by Euclidean distance, with their edge weights.

    Parameters
    ----------
    embedding
        (n_obs, d) coordinates of the cells.
    construction
        Weights, see :func:`edge_weights` and :func:`jaccard_weights`.
    n_neighbours
        Neighbours of each cell, see :func:`neighbour_count`.
    seed
        Of the approximate search (above 20,000 cells).

    Raises
    ------
    ParameterError
        ``n_neighbours`` is not between 1 and n_obs − 1, or the construction is unknown.
    InputError
        The embedding holds NaN or infinite values.

    Notes
    -----
    Up to 20,000 cells (or with more than 200 neighbours) the search is exhaustive; above, it is NN-descent
    (Dong et al. 2011) asked for twice as many and keeping the nearest. Distances of duplicates are exactly 0; cells
    that are equally distant (in single precision) come in order of position.

    Examples
    --------
    >>> graph = build_graph(np.array([[0.0], [1.0], [3.0]]), construction="v1", n_neighbours=1)
    >>> graph.neighbours.ravel().tolist(), graph.distances.ravel().tolist()
    ([1, 0, 1], [1.0, 1.0, 2.0])
    """
    n_obs = len(embedding)
    if not 1 <= n_neighbours < n_obs:
        raise ParameterError(
            "The number of neighbours does not fit the number of cells.",
            expected=f"1 to {n_obs - 1} for {n_obs} cells",
            found=str(n_neighbours),
            advice="Change graph_AE_neighborhood_factor.",
        )
    if not np.isfinite(embedding).all():
        raise InputError(
            "The embedding cannot be turned into a graph.",
            expected="finite coordinates",
            found=f"NaN or infinity in row {int(np.argmin(np.isfinite(embedding).all(axis=1)))}",
        )
    points = np.array(embedding, dtype=np.float64, order="C")
    if n_obs <= EXACT_UP_TO or n_neighbours > APPROXIMATE_K:
        neighbours, distances = _exhaustive(points, n_neighbours, np.arange(n_obs))
    else:
        neighbours, distances = _descent(points, n_neighbours, seed)
    weights = jaccard_weights(neighbours) if construction == "jaccard" else edge_weights(distances, construction)
    return CellGraph(neighbours, distances.astype(np.float32), weights.astype(np.float32))


def edge_weights(distances: Floats, construction: Construction) -> Doubles:
    """Weights of the edges to a cell's neighbours.

    Parameters
    ----------
    distances
        (n_obs, k), k neighbours of each cell.
    construction
        With the cut c = mean + standard deviation of that cell's k distances (divided by k, not k − 1):
        ``"v0"`` 1 where d ≤ c, else 0; ``"v1"`` 1 − d/c where d ≤ c, else 0; ``"v2"`` 1/(d + 1e-16).

    Returns
    -------
    (n_obs, k) non-negative weights. Where c is 0 (all neighbours are duplicates) v1 gives 1.

    Raises
    ------
    ParameterError
        The construction is unknown.

    Examples
    --------
    >>> edge_weights(np.array([[1.0, 1.0, 4.0]]), "v0")
    array([[1., 1., 0.]])
    """
    d = np.asarray(distances, dtype=np.float64)
    if construction == "v2":
        inverse: Doubles = 1.0 / (d + 1e-16)
        return inverse
    if construction not in ("v0", "v1"):
        raise ParameterError(
            f"There are no weights {construction!r} by distance.", expected="v0, v1 or v2", found=repr(construction)
        )
    cut = (d.mean(axis=1) + d.std(axis=1))[:, None]
    within: npt.NDArray[np.bool_] = d <= cut * (1 + 1e-9)  # the mean of equal distances may round below them
    if construction == "v0":
        return within.astype(np.float64)
    share = np.divide(d, cut, out=np.zeros_like(d), where=cut > 0)
    falling: Doubles = np.where(within, np.maximum(1.0 - share, 0.0), 0.0)
    return falling


def jaccard_weights(neighbours: Positions) -> Doubles:
    """Share of neighbours that a cell and each of its neighbours have in common.

    Parameters
    ----------
    neighbours
        (n_obs, k); every cell also counts as its own neighbour.

    Returns
    -------
    (n_obs, k)
        Shared neighbours over all neighbours of the two: above 0, 1 where both have the same.

    Notes
    -----
    Levine et al. 2015 (PhenoGraph). Unlike a distance it needs no scale, and hubs weigh little.

    Examples
    --------
    >>> jaccard_weights(np.array([[1], [0], [1]])).round(2).tolist()
    [[1.0], [1.0], [0.33]]
    """
    n_obs, k = neighbours.shape
    member = neighbour_sets(neighbours)
    shared = np.empty((n_obs, k))
    for column in range(k):
        shared[:, column] = np.asarray(member.multiply(member[neighbours[:, column]]).sum(axis=1)).reshape(-1)
    weights: Doubles = shared / (2 * (k + 1) - shared)
    return weights


def neighbour_sets(neighbours: Ints) -> sp.csr_matrix:
    """(n_obs, n_obs) sparse, 1 where the column's cell is the row's cell or among its (n_obs, k) neighbours.

    Examples
    --------
    >>> neighbour_sets(np.array([[1], [0], [1]])).toarray().astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [0, 1, 1]]
    """
    n_obs, k = neighbours.shape
    with_self = np.hstack([np.arange(n_obs)[:, None], neighbours]).reshape(-1)
    ends = np.arange(0, n_obs * (k + 1) + 1, k + 1)
    return sp.csr_matrix((np.ones(len(with_self), np.float32), with_self, ends), shape=(n_obs, n_obs))


def _exhaustive(points: Doubles, k: int, rows: Ints) -> tuple[Positions, Doubles]:
    """The k nearest of all points to each of some of them, in row blocks.

    A matrix product gives the squared distances up to a known rounding error. Pairs so close that this error would
    show are measured again by their coordinate differences, but for duplicates, whose distance is known.
    """
    import torch

    n_obs, d = points.shape
    tensor = torch.from_numpy(points)
    squares = tensor.square().sum(dim=1)
    same_as = np.unique(points, axis=0, return_inverse=True)[1].reshape(-1)
    error = 4 * (d + 4) * np.finfo(np.float64).eps * float(squares.max())
    neighbours, distances = np.empty((len(rows), k), np.int64), np.empty((len(rows), k))
    step = max(1, _BLOCK // n_obs)
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        products = torch.addmm(squares, tensor[torch.from_numpy(block)], tensor.T, alpha=-2)
        table: Doubles = products.add_(squares[torch.from_numpy(block), None]).numpy()
        table[np.arange(len(block)), block] = np.inf
        limit = np.partition(table, k - 1, axis=1)[:, k - 1 : k] + error
        row, col = np.nonzero(table <= limit)
        lengths = table[row, col]
        same = same_as[block[row]] == same_as[col]
        lengths[same] = 0.0
        close = np.flatnonzero(~same & (lengths < error / _PRECISION))
        for some in np.array_split(close, -(-len(close) // _PAIRS) or 1):
            lengths[some] = np.square(points[block[row[some]]] - points[col[some]]).sum(axis=1)
        place = np.arange(len(row)) - np.searchsorted(row, np.arange(len(block)))[row]
        shape = (len(block), int(place.max()) + 1)
        candidates, apart = np.full(shape, -1, np.int64), np.full(shape, np.inf)
        candidates[row, place], apart[row, place] = col, np.sqrt(lengths)
        neighbours[start : start + step], distances[start : start + step] = _nearest(candidates, apart, k)
    return neighbours, distances


def _nearest(candidates: Positions, distances: Doubles, k: int) -> tuple[Positions, Doubles]:
    """The k nearest of each row's candidates (in order of position); single precision decides what is a tie."""
    order = np.argsort(distances.astype(np.float32), axis=1, kind="stable")[:, :k]
    return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(distances, order, axis=1)


def _descent(points: Doubles, k: int, seed: int) -> tuple[Positions, Doubles]:
    """NN-descent for twice as many neighbours, of which the k nearest are kept.

    Each of its threads owns its share of the cells, so equal seeds and thread counts give equal bytes.
    """
    import torch
    from pynndescent import NNDescent

    n_obs = len(points)
    index = NNDescent(
        points.astype(np.float32), n_neighbors=2 * k + 1, random_state=seed, n_jobs=torch.get_num_threads()
    )
    found, lengths = index.neighbor_graph
    order = np.argsort(found, axis=1)
    candidates = np.take_along_axis(found, order, axis=1).astype(np.int64)
    apart = np.take_along_axis(lengths, order, axis=1).astype(np.float64)
    apart[(candidates == np.arange(n_obs)[:, None]) | (candidates < 0)] = np.inf
    neighbours, distances = _nearest(candidates, apart, k)
    missing = np.flatnonzero(np.isinf(distances[:, -1]))
    if len(missing):  # it may find fewer than k for cells far from all others
        neighbours[missing], distances[missing] = _exhaustive(points, k, missing)
    return neighbours, distances


def row_stochastic(adjacency: sp.csr_matrix) -> sp.csr_matrix:
    """D⁻¹ A: every row sums to 1, or to 0 where a cell has no edges.

    Examples
    --------
    >>> row_stochastic(sp.csr_matrix([[0.0, 1.0, 3.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])).toarray()
    array([[0.  , 0.25, 0.75],
           [1.  , 0.  , 0.  ],
           [0.  , 0.  , 0.  ]])
    """
    return sp.csr_matrix(sp.diags(_inverse(adjacency.sum(axis=1))) @ adjacency)


def column_stochastic(adjacency: sp.csr_matrix) -> sp.csr_matrix:
    """A D⁻¹, D the column sums: every column sums to 1, or to 0 where a cell has no edges."""
    return sp.csr_matrix(adjacency @ sp.diags(_inverse(adjacency.sum(axis=0))))


def symmetric_normalised(adjacency: sp.csr_matrix) -> sp.csr_matrix:
    """D^-1/2 (A + I) D^-1/2 with D the degrees of A + I, as in Kipf & Welling 2017.

    Examples
    --------
    >>> symmetric_normalised(sp.csr_matrix([[0.0, 1.0], [1.0, 0.0]])).toarray().round(6)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    looped = adjacency + sp.identity(adjacency.shape[0], format="csr")
    scale = sp.diags(np.sqrt(_inverse(looped.sum(axis=1))))
    return sp.csr_matrix(scale @ looped @ scale)


def normalised_laplacian(adjacency: sp.csr_matrix) -> sp.csr_matrix:
    """I − D^-1/2 A D^-1/2; the row of a cell without edges is 0, its diagonal included (as in Chung 1997)."""
    inverse = _inverse(adjacency.sum(axis=1))
    scale = sp.diags(np.sqrt(inverse))
    return sp.csr_matrix(sp.diags((inverse > 0).astype(np.float64)) - scale @ adjacency @ scale)


def smoothed_graph(first: sp.csr_matrix, current: sp.csr_matrix, alpha: float) -> sp.csr_matrix:
    """G_t = α L₀ + (1 − α) A_t D_t⁻¹, what the loop watches to see whether the graph still changes.

    Parameters
    ----------
    first, current
        (n_obs, n_obs) symmetric adjacency before the loop and in this iteration (``CellGraph.adjacency``).
    alpha
        Weight of the first graph's normalised Laplacian L₀.
    """
    return sp.csr_matrix(alpha * normalised_laplacian(first) + (1 - alpha) * column_stochastic(current))


def graph_change(smoothed: sp.csr_matrix, previous: sp.csr_matrix, first: sp.csr_matrix) -> float:
    """Mean |G_t − G_{t−1}| as a share of mean |L₀|.

    Parameters
    ----------
    smoothed, previous
        G_t and G_{t−1}, see :func:`smoothed_graph`.
    first
        (n_obs, n_obs) adjacency before the loop, whose normalised Laplacian is L₀.

    Returns
    -------
    0 for no change; infinity where the first graph had no edges and this one has.

    Examples
    --------
    >>> first = sp.csr_matrix([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> other = sp.csr_matrix([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    >>> graph_change(smoothed_graph(first, other, 0.5), smoothed_graph(first, first, 0.5), first)
    0.5
    """
    change = float(abs(smoothed - previous).sum())  # both means divide by the same n²
    if change == 0:
        return 0.0
    scale = float(abs(normalised_laplacian(first)).sum())
    return change / scale if scale > 0 else float("inf")


def _inverse(sums: npt.ArrayLike) -> Doubles:
    """1 / sums, 0 where a sum is 0."""
    values = np.asarray(sums, dtype=np.float64).reshape(-1)
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)

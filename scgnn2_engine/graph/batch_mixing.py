"""How well batches are mixed among the neighbours of cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.batches import Batches, BatchMixing
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Floats, Ints

SAMPLE = 5_000
"""Cells, evenly spaced, whose neighbours are looked at."""


def lisi(neighbours: Ints, groups: npt.NDArray[Any]) -> float:
    """Mean inverse Simpson index of the groups of neighbours, from 1 (one group) to the number of groups.

    Parameters
    ----------
    neighbours
        (n, k) positions.
    groups
        (n_obs,) group of every cell.

    Notes
    -----
    1/Σ p², p the shares of the groups among the k neighbours: the local inverse Simpson index (Korsunsky et al. 2019)
    with all neighbours weighing alike.

    Examples
    --------
    >>> lisi(np.array([[0, 1], [0, 2]]), np.array(["a", "a", "b"]))
    1.5
    """
    codes = np.unique(groups, return_inverse=True)[1].reshape(-1)[neighbours]
    same = codes[:, :, None] == codes[:, None, :]  # Σ p² is the share of the pairs, each with itself too, of one group
    return float((1 / same.mean(axis=(1, 2))).mean())


def batch_mixing(before: Floats, graph: CellGraph, batches: Batches) -> BatchMixing:
    """Mixing of batches among as many neighbours as the graph has.

    Parameters
    ----------
    before
        (n_obs, d) coordinates without the correction; up to 5,000 cells are looked at.
    graph
        Neighbours with it.
    batches
        Which batch each cell is of.
    """
    from sklearn.neighbors import NearestNeighbors

    some = np.unique(np.linspace(0, graph.n_obs - 1, min(SAMPLE, graph.n_obs)).astype(np.int64))
    nearest = NearestNeighbors(n_neighbors=graph.k + 1, algorithm="brute").fit(before).kneighbors(before[some])[1]
    others = nearest != some[:, None]
    others[others.all(axis=1), -1] = False  # a cell that is not the nearest to itself has doubles
    shares = batches.sizes / batches.sizes.sum()
    return BatchMixing(
        lisi(nearest[others].reshape(len(some), graph.k), batches.codes),
        lisi(graph.neighbours[some], batches.codes),
        float(1 / np.square(shares).sum()),
    )

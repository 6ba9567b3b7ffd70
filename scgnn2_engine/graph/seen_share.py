"""How often a gene is seen around a cell, and which zeros are therefore left as they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

BLOCK_ELEMENTS = 4_000_000
"""Entries that are counted together: 16 MB in float32."""


def seen_by_neighbours(seen: sp.csr_matrix, neighbours: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
    """In how many of a cell's neighbours each gene is seen; the cell itself does not count.

    Parameters
    ----------
    seen
        (n_obs, n_vars) 1 where an entry is not zero.
    neighbours
        (n_obs, k) positions of the neighbours of each cell.

    Returns
    -------
    (n_obs, n_vars) uint16
        Numbers from 0 to k.

    Examples
    --------
    >>> seen = sp.csr_matrix(np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32))
    >>> seen_by_neighbours(seen, np.array([[1, 2], [0, 2], [0, 1]])).tolist()
    [[1, 1], [1, 1], [2, 0]]
    """
    n_obs, k = neighbours.shape
    counts = np.empty(seen.shape, dtype=np.uint16)
    n_rows = max(1, BLOCK_ELEMENTS // max(1, seen.shape[1]))
    for start in range(0, n_obs, n_rows):
        block = neighbours[start : start + n_rows]
        ends = np.arange(0, block.size + 1, k)
        near = sp.csr_matrix((np.ones(block.size, dtype=np.float32), block.ravel(), ends), shape=(len(block), n_obs))
        counts[start : start + n_rows] = (near @ seen).toarray()
    return counts


def fewest_neighbours(at_seen: npt.NDArray[np.int64], most_lost: float) -> int:
    """In how many neighbours a gene must be seen for a zero to be filled.

    Parameters
    ----------
    at_seen
        (k + 1,) how many entries that were seen have 0, 1, … k neighbours in which the gene is seen.
    most_lost
        Share of those entries that may fall short.

    Returns
    -------
    int
        The largest such number, at most half of the neighbours (rounded up): beyond, a value is the likelier answer.

    Examples
    --------
    >>> fewest_neighbours(np.array([1, 2, 7, 90]), 0.03), fewest_neighbours(np.array([1, 2, 7, 90]), 0.005)
    (2, 0)
    """
    k = len(at_seen) - 1
    lost = np.cumsum(at_seen) / max(1, int(at_seen.sum()))
    return min(int(np.count_nonzero(lost <= most_lost)), -(-k // 2))

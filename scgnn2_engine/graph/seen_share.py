"""How often a gene is seen around a cell, and which zeros are therefore left as they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.blocks import row_blocks


def seen_by_neighbours(seen: sp.csr_matrix, neighbours: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
    """In how many of a cell's neighbours each gene is seen; the cell itself does not count.

    Parameters
    ----------
    seen
        (n_obs, n_vars) 1 where an entry is not zero.
    neighbours
        (m, k) positions of the neighbours of each of some cells.

    Returns
    -------
    (m, n_vars) uint16
        Numbers from 0 to k.

    Examples
    --------
    >>> seen = sp.csr_matrix(np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32))
    >>> seen_by_neighbours(seen, np.array([[1, 2], [0, 2], [0, 1]])).tolist()
    [[1, 1], [1, 1], [2, 0]]
    """
    m, k = neighbours.shape
    ends = np.arange(0, neighbours.size + 1, k)
    ones = np.ones(neighbours.size, dtype=np.float32)
    near = sp.csr_matrix((ones, neighbours.ravel(), ends), shape=(m, seen.shape[0]))
    return np.asarray((near @ seen).toarray(), np.uint16)


def count_seen(
    seen: sp.csr_matrix, neighbours: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """How many entries have 0, 1, … k neighbours in which the gene is seen.

    Parameters
    ----------
    seen
        (n_obs, n_vars) 1 where an entry is not zero.
    neighbours
        (n_obs, k) positions of the neighbours of each cell.

    Returns
    -------
    at_seen, at_zeros
        (k + 1,) of the entries that are seen, and of the others.

    Examples
    --------
    >>> seen = sp.csr_matrix(np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32))
    >>> [counts.tolist() for counts in count_seen(seen, np.array([[1, 2], [0, 2], [0, 1]]))]
    [[1, 2, 0], [0, 2, 1]]
    """
    k = neighbours.shape[1]
    at_seen, every = np.zeros((2, k + 1), np.int64)
    for rows in row_blocks(len(neighbours)):
        counts = seen_by_neighbours(seen, neighbours[rows])
        every += np.bincount(counts.ravel(), minlength=k + 1)
        at_seen += np.bincount(counts[seen[rows].nonzero()], minlength=k + 1)
    return at_seen, every - at_seen


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

"""The k nearest neighbours of every cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp


@dataclass(frozen=True)
class CellGraph:
    """The k nearest neighbours of every cell.

    Attributes
    ----------
    neighbours
        (n_obs, k) int64 positions, nearest first, never the cell itself.
    distances
        (n_obs, k) float32 Euclidean distances.
    weights
        (n_obs, k) float32 edge weights of the chosen construction (v0, v1, v2).
    """

    neighbours: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if not self.neighbours.shape == self.distances.shape == self.weights.shape:
            raise ValueError(
                "expected neighbours, distances and weights of one shape, found "
                f"{self.neighbours.shape}, {self.distances.shape}, {self.weights.shape}"
            )

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return int(self.neighbours.shape[0])

    @property
    def k(self) -> int:
        """Neighbours of each cell."""
        return int(self.neighbours.shape[1])

    @property
    def edge_index(self) -> npt.NDArray[np.int64]:
        """(2, n_obs · k) directed edges, cell (source) to neighbour (target), as torch-geometric's layers take them."""
        cells = np.repeat(np.arange(self.n_obs, dtype=np.int64), self.k)
        return np.stack([cells, self.neighbours.reshape(-1)])

    def adjacency(self, *, weighted: bool = False) -> sp.csr_matrix:
        """(n_obs, n_obs) symmetric sparse union of the neighbour pairs.

        An edge exists where either cell is among the other's neighbours; its weight is 1, or with ``weighted`` the
        larger of the two directed weights, and edges of weight 0 (v0 and v1 have them) are then left out. No
        self-loops.
        """
        values = self.weights.reshape(-1).astype(np.float64)
        data = values if weighted else np.ones_like(values)
        offsets = np.arange(0, self.n_obs * self.k + 1, self.k)
        directed = sp.csr_matrix((data, self.neighbours.reshape(-1), offsets), shape=(self.n_obs, self.n_obs))
        symmetric = directed.maximum(directed.T).tocsr()
        symmetric.eliminate_zeros()
        symmetric.sort_indices()
        return symmetric

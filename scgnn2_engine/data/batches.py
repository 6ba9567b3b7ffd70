"""Which batch each cell is of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Ints


@dataclass(frozen=True)
class Batches:
    """The batches of some cells.

    Attributes
    ----------
    names
        (n_batches,) sorted.
    codes
        (n_obs,) int32 position of each cell's batch among the names.
    """

    names: npt.NDArray[np.str_]
    codes: npt.NDArray[np.int32]

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Batches:
        """From the name of each cell's batch.

        Examples
        --------
        >>> Batches.of(["b", "a", "b"]).codes
        array([1, 0, 1], dtype=int32)
        """
        names, codes = np.unique(np.asarray(values, dtype=np.str_), return_inverse=True)
        return cls(names, codes.reshape(-1).astype(np.int32))

    def __len__(self) -> int:
        return len(self.names)

    def take(self, cells: Ints) -> Batches:
        """Those of the given cells, in that order; a batch none of them is of keeps its name."""
        return Batches(self.names, self.codes[cells])

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """(n_batches,) cells of each."""
        return np.bincount(self.codes, minlength=len(self.names))


@dataclass(frozen=True)
class BatchMixing:
    """iLISI: how many batches there are, as it were, among the neighbours of a cell, on the mean.

    Attributes
    ----------
    before, after
        Without and with the correction of batches.
    by_chance
        If cells of all batches were dealt out at random, which is the most that can be wanted.
    """

    before: float
    after: float
    by_chance: float

"""What bulk expression adds to an imputation, as the numbers from which any block of rows is corrected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from scgnn2_engine.bulk.fusion import fuse
from scgnn2_engine.bulk.shift import apply_shift
from scgnn2_engine.data.blocks import AnyMatrix, Block, BlockMatrix, Cells, as_blocks


class Correction(Protocol):
    """From what the single cells say to what they and the bulk say together."""

    def __call__(self, observed: AnyMatrix, single_cell: AnyMatrix) -> BlockMatrix:
        """(n_obs, n_vars) on the scale of ``observed``, 0 where nothing was seen."""


@dataclass(frozen=True)
class Shifted:
    """Unobserved entries move by the shift of their cell's cluster, see :func:`~scgnn2_engine.bulk.shift.apply_shift`.

    Attributes
    ----------
    shift
        (g, k).
    clusters
        (n_obs,) column of ``shift`` that every cell belongs to.
    strength
        How far they move.
    genes
        (g,) positions of the genes.
    """

    shift: npt.NDArray[np.float64]
    clusters: npt.NDArray[np.int64]
    strength: float
    genes: npt.NDArray[np.int64]

    def __call__(self, observed: AnyMatrix, single_cell: AnyMatrix) -> BlockMatrix:
        """The imputation with the bulk in it, by rows."""

        def rows(block: Block, cells: Cells) -> Block:
            return apply_shift(observed[cells], block, self.shift, self.clusters[cells], self.strength, self.genes)

        return as_blocks(single_cell).map(rows)


@dataclass(frozen=True)
class Fused:
    """Unobserved entries are fused with what the bulk suggests, see :func:`~scgnn2_engine.bulk.fusion.fuse`.

    Attributes
    ----------
    suggested
        (n_obs, g) the bulk imputation of the shared genes.
    genes
        (g,) their positions.
    """

    suggested: npt.NDArray[np.float32]
    genes: npt.NDArray[np.int64]

    def __call__(self, observed: AnyMatrix, single_cell: AnyMatrix) -> BlockMatrix:
        """The imputation with the bulk in it, by rows."""
        return as_blocks(single_cell).map(
            lambda block, cells: fuse(observed[cells], block, self.suggested[cells], self.genes)
        )

    def alone(self, observed: AnyMatrix, single_cell: AnyMatrix) -> BlockMatrix:
        """What the bulk says without the single cells, where nothing was observed."""

        def rows(block: Block, cells: Cells) -> Block:
            seen = observed[cells][:, self.genes] != 0
            block[:, self.genes] = np.where(seen, block[:, self.genes], self.suggested[cells])
            return block

        return as_blocks(single_cell).map(rows)

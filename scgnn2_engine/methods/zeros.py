"""Zeros that are left as they are, as too few of a cell's neighbours see the gene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.blocks import Block, BlockMatrix, Cells
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.matrices import visible_expression
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.events import Notice
from scgnn2_engine.graph.seen_share import count_seen, fewest_neighbours, seen_by_neighbours


@dataclass(frozen=True)
class SeenByNeighbours:
    """In how many neighbours of a cell a gene is seen, by rows; in all of them where the cell itself sees it.

    Attributes
    ----------
    seen
        (n_obs, n_vars) 1 where an entry is not zero.
    graph
        The neighbours.
    """

    seen: sp.csr_matrix
    graph: CellGraph

    @classmethod
    def of(cls, prepared: Prepared, graph: CellGraph, *, with_held_out: bool) -> SeenByNeighbours:
        """Of what is visible of the cells, with or without the entries held out of the training."""
        visible = visible_expression(prepared, with_held_out=with_held_out)
        return cls(sp.csr_matrix(visible > 0, dtype=np.float32), graph)

    def __call__(self, cells: Cells) -> npt.NDArray[np.uint16]:
        """(m, n_vars) numbers from 0 to k."""
        counts = seen_by_neighbours(self.seen, self.graph.neighbours[cells])
        counts[self.seen[cells].nonzero()] = self.graph.k
        return counts


def zeros_kept(
    counts: SeenByNeighbours, keep_zeros: float, matrices: Mapping[str, BlockMatrix]
) -> tuple[dict[str, BlockMatrix], Notice]:
    """The matrices with 0 where a zero is left as it is, and what to say of it.

    Parameters
    ----------
    counts
        In how many neighbours each gene is seen.
    keep_zeros
        Largest share of the seen entries that may fall short of the number of neighbours from which on zeros are
        filled.
    matrices
        (n_obs, n_vars) each.
    """
    at_seen, at_zeros = count_seen(counts.seen, counts.graph.neighbours)
    fewest, k = fewest_neighbours(at_seen, keep_zeros), counts.graph.k

    def kept(rows: Block, cells: Cells) -> Block:
        rows[counts(cells) < fewest] = 0
        return rows

    share = int(at_zeros[:fewest].sum()) / max(1, int(at_zeros.sum()))
    said = Notice.of("zeros_left", share=share, fewest=int(fewest), k=k, keep_zeros=keep_zeros)
    return {name: matrix.map(kept) for name, matrix in matrices.items()}, said

"""From an expression matrix to what the mixtures see: noisy ln(expression) above the cut, gene by gene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Floats, Matrix
from scgnn2_engine.data.ltmg.noise import NormalStream
from scgnn2_engine.data.matrices import first_unusable, is_sparse
from scgnn2_engine.errors import InputError

NOISE = 1e-4
BLOCK_ELEMENTS = 4_000_000  # cells x genes taken from the matrix, and noise drawn, at a time


@dataclass(frozen=True)
class KeptValues:
    """The values above the cut of all genes that take part, one gene after the other.

    Attributes
    ----------
    genes
        (n_genes,) positions of the genes that take part, those with any expression.
    x
        (n_kept_total,) ln(expression) plus noise.
    cells
        (n_kept_total,) int32 row each value came from, ascending within a gene.
    offsets
        (n_genes + 1,) where each gene begins in ``x`` and ``cells``.
    cut
        (n_genes,) ln of the gene's smallest positive value, at least 0.
    n_cells
        Cells that take part, those with any expression.
    complete
        (n_genes,) True where none of these cells is zero.
    """

    genes: npt.NDArray[np.intp]
    x: npt.NDArray[np.float64]
    cells: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    cut: npt.NDArray[np.float64]
    n_cells: int
    complete: npt.NDArray[np.bool_]

    @property
    def n_kept(self) -> npt.NDArray[np.int64]:
        """(n_genes,) values above the cut."""
        return np.diff(self.offsets)

    def cells_of(self, gene: int) -> npt.NDArray[np.int32]:
        """Rows of the kept values of one gene (a position in ``genes``)."""
        return self.cells[self.offsets[gene] : self.offsets[gene + 1]]


def check_expression(expression: Matrix) -> None:
    """Refuse what has no logarithm.

    Raises
    ------
    InputError
        A value is negative or infinite; its cell (row) and gene (column) are named, 1-based. NaN is taken as 0.
    """
    wrong = first_unusable(expression, allow_nan=True)
    if wrong is None:
        return
    cell, gene, value = wrong
    raise InputError(
        f"LTMG cannot use the value of cell {cell + 1}, gene {gene + 1}.",
        expected="expression that is not logged, finite and not negative",
        found=f"{value:g}",
        advice="Give it counts or normalised values; scaled or logged data has no meaning here.",
    )


def kept_values(expression: Matrix) -> KeptValues:
    """Add the noise to ln(expression) and keep what lies above each gene's cut.

    Parameters
    ----------
    expression
        (n_obs, n_vars) not logged, dense or CSR.
    """
    occupied = _occupied_cells(expression)
    position = np.cumsum(occupied, dtype=np.int64) - 1  # of a cell among the occupied ones
    n_cells = int(np.count_nonzero(occupied))
    stream = NormalStream()
    genes, parts, cells, cuts, complete = [], [], [], [], []
    for gene, rows, values in _positive_columns(expression):
        y = np.log(values)
        cut = max(float(y.min()), 0.0)
        y += NOISE * stream.take(n_cells, position[rows])
        kept = y >= cut
        genes.append(gene)
        parts.append(y[kept])
        cells.append(rows[kept])
        cuts.append(cut)
        complete.append(len(rows) == n_cells)
    return KeptValues(
        genes=np.array(genes, dtype=np.intp),
        x=np.concatenate([np.empty(0), *parts]),
        cells=np.concatenate([np.empty(0, dtype=np.int32), *cells]),
        offsets=np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)]).astype(np.int64),
        cut=np.array(cuts, dtype=np.float64),
        n_cells=n_cells,
        complete=np.array(complete, dtype=np.bool_),
    )


def _occupied_cells(expression: Matrix) -> npt.NDArray[np.bool_]:
    if not is_sparse(expression):
        return np.asarray((np.asarray(expression) > 0).any(axis=1))
    positive = np.concatenate([[0], np.cumsum(expression.data > 0)])
    return np.asarray(positive[expression.indptr[1:]] > positive[expression.indptr[:-1]])


def _positive_columns(expression: Matrix) -> Iterator[tuple[int, npt.NDArray[np.int32], Floats]]:
    """Genes with any positive value, in order: position, rows and float64 values of the positive entries."""
    columns = expression.tocsc() if is_sparse(expression) else np.asarray(expression)
    width = max(1, BLOCK_ELEMENTS // max(1, expression.shape[0]))
    for start in range(0, expression.shape[1], width):
        block = sp.csc_matrix(columns[:, start : start + width], dtype=np.float64)
        block.sort_indices()
        for offset in range(block.shape[1]):
            here = slice(block.indptr[offset], block.indptr[offset + 1])
            values = block.data[here]
            positive = values > 0  # NaN and stored zeros are zeros
            if positive.any():
                yield start + offset, block.indices[here][positive].astype(np.int32), values[positive]

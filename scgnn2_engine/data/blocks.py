"""Matrices of cells × genes that are computed by blocks of rows when asked, and forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Block: TypeAlias = npt.NDArray[np.float32]
Cells: TypeAlias = "slice | npt.NDArray[np.integer[Any]]"

BLOCK_ROWS = 1024
"""Cells that are computed together: of 2000 genes 8 MB."""


def row_blocks(n_obs: int, n_rows: int = BLOCK_ROWS) -> Iterator[slice]:
    """Slices of at most ``n_rows`` that cover all rows, in order.

    Examples
    --------
    >>> list(row_blocks(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    for start in range(0, n_obs, n_rows):
        yield slice(start, min(start + n_rows, n_obs))


class BlockMatrix:
    """A float32 matrix whose rows are computed when they are asked for.

    Parameters
    ----------
    shape
        (n_obs, n_vars).
    rows
        From cells (a slice, or positions) to their (m, n_vars) float32 rows, a new array each time.
    sparse
        The same matrix where it is held as CSR, for whoever needs no dense rows.

    Notes
    -----
    As of an array ``matrix[cell]`` and ``matrix[cells]`` give rows, ``matrix[rows, cols]`` entries, and
    ``np.asarray(matrix)`` all of it.
    Rows are computed in the same blocks for the same question, so equal questions have equal answers to the last bit.

    Examples
    --------
    >>> squares = BlockMatrix((3, 2), lambda cells: np.float32([[0, 0], [1, 1], [4, 4]])[cells])
    >>> squares[1:].tolist(), squares[np.array([0, 2]), np.array([1, 0])].tolist(), np.asarray(squares).sum().item()
    ([[1.0, 1.0], [4.0, 4.0]], [0.0, 4.0], 10.0)
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self, shape: tuple[int, int], rows: Callable[[Cells], Block], sparse: sp.csr_matrix | None = None
    ) -> None:
        self.shape = shape
        self._rows = rows
        self.sparse = sparse

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: Any) -> Block:
        if isinstance(at, tuple):
            return self._entries(np.asarray(at[0]), np.asarray(at[1]))
        asked = np.arange(len(self))[at]
        if asked.ndim == 0:
            row: Block = self._rows(asked[None])[0]
            return row
        if len(asked) <= BLOCK_ROWS:
            return self._rows(at if isinstance(at, slice) else asked)
        found = np.empty((len(asked), self.shape[1]), np.float32)
        for block in row_blocks(len(asked)):
            found[block] = self._rows(asked[block])
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("expected that a new array may be made: this matrix is computed when asked for")
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    def blocks(self) -> Iterator[tuple[slice, Block]]:
        """All rows in order, a block at a time."""
        for rows in row_blocks(len(self)):
            yield rows, self._rows(rows)

    def map(self, change: Callable[[Block, Cells], Block]) -> BlockMatrix:
        """The matrix whose rows are made of this one's: ``change(rows, cells)``, which may change them in place."""
        return BlockMatrix(self.shape, lambda cells: change(self._rows(cells), cells))

    def remembered(self) -> BlockMatrix:
        """The same matrix, which keeps the block it computed last, for others that are made of it block by block.

        Examples
        --------
        >>> asked = []
        >>> ones = BlockMatrix((2, 1), lambda cells: asked.append(cells) or np.ones((2, 1), np.float32))
        >>> matrix = ones.remembered()
        >>> [block.tolist() for _ in range(2) for _, block in matrix.blocks()], len(asked)
        ([[[1.0], [1.0]], [[1.0], [1.0]]], 1)
        """
        last: list[tuple[npt.NDArray[np.int64], Block]] = []

        def rows(cells: Cells) -> Block:
            asked = np.arange(len(self))[cells]
            before = last[:1]  # one step: another thread may ask as well
            if not before or not np.array_equal(before[0][0], asked):
                before = [(asked, self._rows(cells))]
                last[:] = before
            return before[0][1].copy()

        return BlockMatrix(self.shape, rows)

    @classmethod
    def mean(cls, matrices: Sequence[AnyMatrix]) -> BlockMatrix:
        """The mean of matrices of one shape.

        Examples
        --------
        >>> np.asarray(BlockMatrix.mean([np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32)])).tolist()
        [[0.5, 0.5]]
        """
        first, *rest = [as_blocks(matrix) for matrix in matrices]

        def rows(cells: Cells) -> Block:
            total = first[cells]
            for matrix in rest:
                total += matrix[cells]
            total /= np.float32(len(matrices))
            return total

        return cls(first.shape, rows)

    def _entries(self, rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64]) -> Block:
        found = np.empty(len(rows), np.float32)
        order = np.argsort(rows, kind="stable")
        cells, first = np.unique(rows[order], return_index=True)
        ends = np.append(first, len(rows))
        for block in row_blocks(len(cells)):
            mine = order[ends[block.start] : ends[block.stop]]
            values = self._rows(cells[block])
            found[mine] = values[np.searchsorted(cells[block], rows[mine]), cols[mine]]
        return found


AnyMatrix: TypeAlias = "npt.NDArray[np.float32] | BlockMatrix"


def as_blocks(matrix: AnyMatrix | sp.csr_matrix) -> BlockMatrix:
    """A matrix as one of blocks; an array gives copies of its rows, a sparse matrix dense ones.

    Examples
    --------
    >>> as_blocks(np.ones((2, 3), np.float32)).shape
    (2, 3)
    """
    if isinstance(matrix, BlockMatrix):
        return matrix
    if isinstance(matrix, sp.csr_matrix):
        return BlockMatrix(matrix.shape, lambda cells: np.asarray(matrix[cells].toarray(), np.float32), matrix)
    array = matrix
    return BlockMatrix((array.shape[0], array.shape[1]), lambda cells: np.array(array[cells], np.float32))

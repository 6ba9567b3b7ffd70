"""A named matrix as a file of rows and columns holds it, before anything says which of them are cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.io.memory import stored_entries
from scgnn2_engine.io.names import Names, listed

if TYPE_CHECKING:
    import pandas as pd

SPARSE_FROM = 0.6
"""A matrix with at least this share of zeros is kept in CSR form: there it is the smaller one."""


@dataclass(frozen=True)
class Table:
    """A named matrix as it stood in the file, in blocks of rows.

    Attributes
    ----------
    blocks
        Row blocks, each dense or CSR by its own share of zeros. :meth:`assemble` empties the list.
    row_names, column_names
        Names as read, possibly duplicated.
    row_annotation
        Columns that describe the rows, as text; a row for each row of the table.
    orientation
        Which way round it is, where the program that writes such files says so by their form.
    written_by
        That program: ``"featureCounts"``.
    notes, warnings
        How the file was understood, and what the user should know.
    corner
        What the file calls its column of names.
    """

    blocks: list[Matrix]
    row_names: Names
    column_names: Names
    row_annotation: pd.DataFrame | None = None
    orientation: Literal["cells-by-genes", "genes-by-cells", ""] = ""
    written_by: str = ""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    corner: str = ""

    def said_of_annotation(self, *, genes_in_rows: bool) -> list[str]:
        """A sentence on the columns that describe the rows, if there are any."""
        if self.row_annotation is None or not len(self.row_annotation.columns):
            return []
        names = listed(self.row_annotation.columns, 20)
        if genes_in_rows:
            return [f"Left out of the cells, because they describe the genes: {names}."]
        return [f"Left out of the genes, because they describe the cells: {names}."]

    def without_rows(self, names: Callable[[str], bool]) -> tuple[Table, list[str]]:
        """The table without the rows that are called so, and their names."""
        kept = np.array([not names(str(name)) for name in self.row_names], dtype=bool)
        if kept.all():
            return self, []
        blocks, start = [], 0
        for block in self.blocks:
            blocks.append(block[kept[start : start + block.shape[0]]])
            start += block.shape[0]
        annotation = None if self.row_annotation is None else self.row_annotation.iloc[np.flatnonzero(kept)]
        left = replace(self, blocks=blocks, row_names=self.row_names[kept], row_annotation=annotation)
        return left, [str(name) for name in self.row_names[~kept]]

    def assemble(self, *, transpose: bool, dtype: npt.DTypeLike = np.float32) -> Matrix:
        """Make the whole matrix, transposed or not, CSR where at least 60 % are zeros; the blocks are used up.

        Each block is freed once it is copied, so the matrix never exists twice in dense form.
        """
        shape = len(self.row_names), len(self.column_names)
        sparse = sum(map(stored_entries, self.blocks)) <= (1 - SPARSE_FROM) * shape[0] * shape[1]
        if not sparse:
            return self._dense(shape, dtype, transpose)
        whole = stacked(self.blocks, shape[1], dtype)
        return whole.tocsc().T if transpose else whole

    def _dense(self, shape: tuple[int, int], dtype: npt.DTypeLike, transpose: bool) -> Matrix:
        dense = np.empty(shape[::-1] if transpose else shape, dtype=dtype)
        end = shape[0]
        while self.blocks:
            block = self.blocks.pop()
            rows = slice(end - block.shape[0], end)
            values = block if isinstance(block, np.ndarray) else block.toarray()
            if transpose:
                dense[:, rows] = values.T
            else:
                dense[rows] = values
            end = rows.start
        return dense


def stacked(blocks: list[Matrix], n_columns: int, dtype: npt.DTypeLike = np.float32) -> sp.csr_matrix:
    """One CSR matrix of blocks of rows; the list is emptied from its end, each block freed once it is copied."""
    n_rows, counts = sum(block.shape[0] for block in blocks), [stored_entries(block) for block in blocks]
    indices = np.empty(sum(counts), dtype=np.int32)
    data = np.empty(len(indices), dtype=dtype)
    pointers = np.zeros(n_rows + 1, dtype=_pointers(len(indices)))
    end, row = len(indices), n_rows
    while blocks:
        block = sp.csr_matrix(blocks.pop())
        block.sort_indices()
        start = end - block.nnz
        indices[start:end], data[start:end] = block.indices, block.data
        pointers[row - block.shape[0] : row] = block.indptr[:-1] + start
        end, row = start, row - block.shape[0]
    pointers[-1] = len(indices)
    return sp.csr_matrix((data, indices, pointers), shape=(n_rows, n_columns))


def described(columns: Mapping[str, Sequence[str]]) -> pd.DataFrame | None:
    """Columns that describe the rows of a table, as its annotation; None where there are none."""
    if not columns:
        return None
    import pandas as pd

    return pd.DataFrame(columns, dtype=object)


def smaller(values: npt.NDArray[np.float32]) -> Matrix:
    """The same values in CSR form where at least 60 % are zeros.

    Examples
    --------
    >>> smaller(np.float32([[0, 0, 2], [0, 1, 0]])).indices
    array([2, 1], dtype=int32)
    """
    there = values != 0
    counts = np.count_nonzero(there, axis=1)
    pointers = np.concatenate(([0], np.cumsum(counts)))
    if pointers[-1] > (1 - SPARSE_FROM) * values.size:
        return values
    places = np.flatnonzero(there)  # far faster than scipy's way, which also makes a list of rows
    indices = (places - np.repeat(np.arange(len(values)) * values.shape[1], counts)).astype(np.int32)
    return sp.csr_matrix((values.ravel()[places], indices, pointers.astype(np.int32)), shape=values.shape)


def _pointers(entries: int) -> type[np.int32 | np.int64]:
    return np.int32 if entries <= np.iinfo(np.int32).max else np.int64

"""A named matrix as a file of rows and columns holds it, before anything says which of them are cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.io.memory import stored_entries
from scgnn2_engine.io.names import Names
from scgnn2_engine.types import Matrix

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
    """

    blocks: list[Matrix]
    row_names: Names
    column_names: Names

    def assemble(self, *, transpose: bool, dtype: npt.DTypeLike = np.float32) -> Matrix:
        """Make the whole matrix, transposed or not, CSR where at least 60 % are zeros; the blocks are used up.

        Each block is freed once it is copied, so the matrix never exists twice in dense form.
        """
        n_rows, n_columns = len(self.row_names), len(self.column_names)
        nonzero = sum(map(stored_entries, self.blocks))
        if nonzero <= (1 - SPARSE_FROM) * n_rows * n_columns:
            whole = sp.vstack([sp.csr_matrix(block) for block in self.blocks], format="csr", dtype=dtype)
            self.blocks.clear()
            whole = whole.T.tocsr() if transpose else whole
            whole.sort_indices()
            return whole
        dense = np.empty((n_columns, n_rows) if transpose else (n_rows, n_columns), dtype=dtype)
        end = n_rows
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

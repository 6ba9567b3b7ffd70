"""Sparse matrices from files, checked before compiled routines see them.

SciPy trusts the pointers and indices it is given: a position outside the matrix, or pointers that go back, are read and
written through as they are, and end the interpreter. So each part is looked at here first, wherever it comes from.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.errors import InputError

LONGEST_AXIS = 50_000_000
"""Rows or columns of a sparse matrix; a file could name far more of them without holding any."""

Axis = Literal["rows", "columns"]


def check_lengths(
    data: Any, indices: Any, indptr: Any, shape: tuple[int, int], *, by: Axis = "rows", what: str = "The sparse matrix"
) -> None:
    """Check the lengths and kinds of the parts of a sparse matrix, which may still lie in a file: nothing is read.

    Takes and raises what :func:`check_compressed` does.
    """
    n_major = shape[0] if by == "rows" else shape[1]
    parts = {"data": data, "indices": indices, "indptr": indptr}
    for name, part in parts.items():
        if part.ndim != 1:
            raise _contradiction(what, f"a list of {name}", f"the shape {part.shape}")
    if data.dtype.kind not in "biuf":
        raise _contradiction(what, "data that are real numbers", data.dtype)
    if indices.dtype.kind not in "iu" or indptr.dtype.kind not in "iu":
        raise _contradiction(what, "whole numbers as indices and indptr", f"{indices.dtype} and {indptr.dtype}")
    if min(shape) < 0 or max(shape) > LONGEST_AXIS:
        raise _contradiction(what, f"at most {LONGEST_AXIS} rows and columns", f"{shape[0]} x {shape[1]}")
    if indptr.shape[0] != n_major + 1:
        raise _contradiction(what, f"{n_major + 1} pointers (indptr), for {n_major} {by}", indptr.shape[0])
    if data.shape[0] != indices.shape[0]:
        raise _contradiction(what, "as many data as indices", f"{data.shape[0]} and {indices.shape[0]}")


def check_compressed(
    data: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    indptr: npt.NDArray[Any],
    shape: tuple[int, int],
    *,
    by: Axis = "rows",
    what: str = "The sparse matrix",
) -> None:
    """Check the parts of a sparse matrix that is stored by rows (CSR) or by columns (CSC).

    Parameters
    ----------
    data, indices, indptr
        (nnz,) values, (nnz,) their places in their row or column, and (n + 1,) where each of these begins.
    shape
        Rows and columns.
    by
        What the matrix is stored by.
    what
        What is read, as the subject of a sentence.

    Raises
    ------
    InputError
        A part is not of the length or kind it has to be, pointers do not begin at 0 or go back, or a place lies outside
        the matrix.

    Examples
    --------
    >>> check_compressed(np.array([5.0]), np.array([3]), np.array([0, 1]), (1, 2), what="X")
    Traceback (most recent call last):
    ...
    scgnn2_engine.errors.InputError: X is a sparse matrix whose parts contradict each other. Expected: indices from 0 to
    1, for 2 columns. Found: 3. The file is damaged, or what wrote it has an error: export it again.
    """
    check_lengths(data, indices, indptr, shape, by=by, what=what)
    n_minor, across = (shape[1], "columns") if by == "rows" else (shape[0], "rows")
    if int(indptr[0]) != 0:
        raise _contradiction(what, "a first pointer (indptr) of 0", indptr[0])
    if not (indptr[1:] >= indptr[:-1]).all():
        raise _contradiction(what, "pointers (indptr) that never go back", "some that do")
    if int(indptr[-1]) != len(data):
        raise _contradiction(what, f"a last pointer (indptr) of {len(data)}, as there are values", indptr[-1])
    if len(indices):
        # one pass over all: seen as unsigned, a negative number is larger than any that fits
        native = np.ascontiguousarray(indices, dtype=indices.dtype.newbyteorder("="))
        unsigned = native.view(f"u{native.dtype.itemsize}")
        if int(unsigned.max()) >= n_minor:
            wrong = indices[unsigned >= n_minor][0]
            raise _contradiction(what, f"indices from 0 to {n_minor - 1}, for {n_minor} {across}", wrong)


def _contradiction(what: str, expected: str, found: object) -> InputError:
    return InputError(
        f"{what} is a sparse matrix whose parts contradict each other.",
        expected=expected,
        found=str(found),
        advice="The file is damaged, or what wrote it has an error: export it again.",
    )


def compressed(
    data: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    indptr: npt.NDArray[Any],
    shape: tuple[int, int],
    *,
    by: Axis = "rows",
    what: str = "The sparse matrix",
) -> sp.csr_matrix | sp.csc_matrix:
    """Make a CSR (``by="rows"``) or CSC matrix of parts from a file, once they are checked.

    Half precision, which SciPy does not know, becomes single precision; no value changes by that. Takes and raises what
    :func:`check_compressed` does.

    Examples
    --------
    >>> compressed(np.array([1.5], dtype=np.float16), np.array([1]), np.array([0, 1]), (1, 2)).toarray()
    array([[0. , 1.5]], dtype=float32)
    """
    check_compressed(data, indices, indptr, shape, by=by, what=what)
    if data.dtype == np.float16:
        data = data.astype(np.float32)
    return (sp.csr_matrix if by == "rows" else sp.csc_matrix)((data, indices, indptr), shape=shape)

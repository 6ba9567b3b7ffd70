"""R's matrices, dense and of package Matrix, as NumPy arrays and SciPy's sparse matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from rdata.parser import RObject, RObjectType

from scgnn2_engine.io.r.values import VECTORS, attributes, integers, is_null, numbers, one_string, strings, unexpected

LONGEST_AXIS = 50_000_000
"""Rows or columns of a sparse matrix; a file could name far more of them without holding any."""

Slots = dict[str, RObject]


def is_matrix(obj: RObject) -> bool:
    """Whether it is a dense matrix of numbers or logicals, or one of package Matrix's classes."""
    slots = attributes(obj)
    if obj.info.type is RObjectType.S4:
        sparse = any(pair <= slots.keys() for pair in ({"i", "p"}, {"j", "p"}, {"i", "j"}))
        return "Dim" in slots and (sparse or "x" in slots or "perm" in slots)
    return obj.info.type in VECTORS and "dim" in slots and len(slots["dim"].value) == 2


def shape_of(obj: RObject) -> tuple[int, int]:
    """Rows and columns of a matrix."""
    slots = attributes(obj)
    rows, columns = integers(slots["Dim"] if obj.info.type is RObjectType.S4 else slots["dim"]).tolist()
    if rows < 0 or columns < 0:
        raise ValueError(f"a matrix of {rows} x {columns}")
    return rows, columns


def dimnames(obj: RObject) -> tuple[list[str] | None, list[str] | None]:
    """Row and column names of a matrix, each None where it has none."""
    slots = attributes(obj)
    named = slots.get("dimnames", slots.get("Dimnames"))
    if named is None or is_null(named):
        return None, None
    rows, columns = (None if is_null(axis) else [name or "" for name in strings(axis)] for axis in named.value)
    for names, length in zip((rows, columns), shape_of(obj), strict=True):
        if names is not None and len(names) != length:
            raise ValueError(f"{len(names)} names for {length} rows or columns")
    return rows, columns


def matrix(obj: RObject) -> Any:
    """A matrix as it is in R, features x cells: (n, m) float64 array, or CSC for package Matrix's sparse classes.

    Raises
    ------
    InputError
        It is no matrix of numbers, or its values are outside the file (DelayedArray, BPCells).
    ValueError
        Its parts contradict each other.
    """
    if not is_matrix(obj):
        raise unexpected("a matrix of numbers (dense, or of package Matrix)", obj)
    slots, shape = attributes(obj), shape_of(obj)
    if obj.info.type is not RObjectType.S4:
        return _reals(obj).reshape(shape, order="F")
    sparse = slots.keys() & {"i", "j", "perm"} or (slots.keys() >= {"x", "diag"} and "uplo" not in slots)
    if not sparse:
        return _dense(slots, shape)
    if max(shape) > LONGEST_AXIS:
        raise ValueError(f"a sparse matrix of {shape[0]} x {shape[1]}")
    return _sparse(slots, shape)


def _reals(obj: RObject) -> npt.NDArray[np.float64]:
    return numbers(obj).astype(np.float64, copy=False)


def _sparse(slots: Slots, shape: tuple[int, int]) -> Any:
    if "perm" in slots:
        return _index_matrix(slots, shape)
    if not slots.keys() & {"i", "j"}:
        return _diagonal(slots, shape)
    stored = max(len(slots[name].value) for name in ("i", "j") if name in slots)
    values = _reals(slots["x"]) if "x" in slots else np.ones(stored)
    made: Any
    if "p" not in slots:
        made = sp.coo_matrix((values, (integers(slots["i"]), integers(slots["j"]))), shape=shape).tocsc()
        if "x" not in slots or slots["x"].info.type is RObjectType.LGL:  # where R joins repeated entries by "or"
            made.data = np.where(np.isnan(made.data), np.nan, made.data != 0)
    else:
        compressed, place = (sp.csc_matrix, "i") if "i" in slots else (sp.csr_matrix, "j")
        made = compressed((values, integers(slots[place]), integers(slots["p"])), shape=shape)
        made.check_format(full_check=True)  # positions outside the matrix would crash what works on it
        made.sum_duplicates()
        made = made.tocsc()
    return _completed(made, slots)


def _completed(made: Any, slots: Slots) -> Any:
    """Fill in the other half of a symmetric matrix, or the diagonal of ones that a triangular one may leave out."""
    if "uplo" not in slots:
        return made
    if "diag" in slots:
        return (made + sp.identity(made.shape[0])).tocsc() if one_string(slots["diag"]) == "U" else made
    half = sp.triu(made, k=1) if one_string(slots["uplo"]) == "U" else sp.tril(made, k=-1)
    return (made + half.T).tocsc()


def _diagonal(slots: Slots, shape: tuple[int, int]) -> Any:
    values = np.ones(min(shape)) if one_string(slots["diag"]) == "U" else _reals(slots["x"])
    if shape[0] != shape[1] or len(values) != shape[0]:
        raise ValueError(f"{len(values)} values on the diagonal of a matrix of {shape[0]} x {shape[1]}")
    return sp.diags(values, format="csc")


def _index_matrix(slots: Slots, shape: tuple[int, int]) -> Any:
    """A one in each row (or, of the other margin, in each column), at the place that is given."""
    places = integers(slots["perm"]) - 1
    others = np.arange(len(places))
    by_column = "margin" in slots and integers(slots["margin"]).tolist() == [2]
    where = (places, others) if by_column else (others, places)
    return sp.coo_matrix((np.ones(len(places)), where), shape=shape).tocsc()


def _dense(slots: Slots, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    values, size = _reals(slots["x"]), shape[0]
    if "uplo" not in slots:
        return values.reshape(shape, order="F")
    upper = one_string(slots["uplo"]) == "U"
    if size == shape[1] and len(values) == size * (size + 1) // 2 != size * size:  # packed: a triangle by columns
        full = np.zeros(shape)
        columns, rows = np.tril_indices(size) if upper else np.triu_indices(size)
        full[rows, columns] = values
    else:
        full = values.reshape(shape, order="F")
    half = np.triu(full) if upper else np.tril(full)
    if "diag" not in slots:
        return half + (np.triu(half, 1) if upper else np.tril(half, -1)).T
    if one_string(slots["diag"]) == "U":
        np.fill_diagonal(half, 1.0)
    return half

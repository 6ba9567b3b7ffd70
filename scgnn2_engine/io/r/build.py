"""R's objects made of NumPy, SciPy and pandas values, ready to be written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from rdata.missing import R_FLOAT_NA
from rdata.parser import RObject, RObjectInfo, RObjectType

from scgnn2_engine.errors import InputError

_UTF8, _ASCII, _S4_BIT = 1 << 3, 1 << 6, 1 << 4
_LARGEST_INT = 2**31 - 1


def _made(kind: RObjectType, value: Any, attributes: Mapping[str, RObject] | None = None, gp: int = 0) -> RObject:
    held = attributes or {}
    info = RObjectInfo(kind, object="class" in held, attributes=bool(held), tag=False, gp=gp, reference=0)
    return RObject(info, value, pairlist(held) if held else None)


def null() -> RObject:
    """``NULL``."""
    return RObject(RObjectInfo(RObjectType.NILVALUE, False, False, False, 0, 0), None, None)


def null_slot() -> RObject:
    r"""``NULL`` in the slot of an S4 object, where R writes the symbol ``\001NULL\001``."""
    return symbol("\x01NULL\x01")


def symbol(name: str) -> RObject:
    """A name, as in the tags of attributes."""
    encoded = name.encode()
    letters = _made(RObjectType.CHAR, encoded, gp=_ASCII if encoded.isascii() else _UTF8)
    return _made(RObjectType.SYM, letters)


def pairlist(items: Mapping[str, RObject]) -> RObject:
    """A pairlist: attributes, or the objects of a ``.RData`` file."""
    rest = null()
    for name, value in reversed(list(items.items())):
        info = RObjectInfo(RObjectType.LIST, object=False, attributes=False, tag=True, gp=0, reference=0)
        rest = RObject(info, (value, rest), None, symbol(name))
    return rest


def strings(values: Iterable[object], attributes: Mapping[str, RObject] | None = None) -> RObject:
    """A character vector; None and NaN become NA."""
    encoded = [None if _missing(value) else str(value).encode() for value in values]
    return _made(RObjectType.STR, encoded, attributes)


def _missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))


def reals(values: Any, attributes: Mapping[str, RObject] | None = None) -> RObject:
    """A numeric vector, column by column where it is a matrix."""
    flat = np.asarray(values, dtype=np.float64).reshape(-1, order="F")
    return _made(RObjectType.REAL, flat, attributes)


def integers(values: Any, attributes: Mapping[str, RObject] | None = None) -> RObject:
    """An integer vector; a masked array's masked entries become NA."""
    return _made(RObjectType.INT, _flat(values), attributes)


def logicals(values: Any, attributes: Mapping[str, RObject] | None = None) -> RObject:
    """A logical vector; a masked array's masked entries become NA."""
    return _made(RObjectType.LGL, _flat(values).astype(np.int32), attributes)


def _flat(values: Any) -> Any:
    """One-dimensional, and masked only where something is missing, as the parser has it."""
    return (values if np.ma.is_masked(values) else np.asarray(values)).reshape(-1)


def plain_list(values: Sequence[RObject], names: Sequence[str] | None = None, **attributes: RObject) -> RObject:
    """A list, with names where they are given."""
    held = {} if names is None else {"names": strings(names)}
    return _made(RObjectType.VEC, list(values), {**held, **attributes})


def named_list(items: Mapping[str, RObject]) -> RObject:
    """A list with names; an empty one has none."""
    return plain_list(list(items.values()), list(items)) if items else plain_list([])


def factor(values: pd.Categorical, attributes: Mapping[str, RObject] | None = None) -> RObject:
    """A factor with the categories as levels, in their order."""
    codes = np.asarray(values.codes, dtype=np.int32)
    kind = ["ordered", "factor"] if values.ordered else ["factor"]
    held = {"levels": strings(values.categories), "class": strings(kind), **(attributes or {})}
    return integers(np.ma.masked_array(codes + 1, mask=codes < 0), held)


def column(values: pd.Series[Any]) -> RObject:
    """One column of a data frame, by its dtype: factor, logical, integer, numeric or character."""
    kind = values.dtype
    if isinstance(kind, pd.CategoricalDtype):
        return factor(values.array)
    if pd.api.types.is_bool_dtype(kind):
        return logicals(np.ma.masked_array(values.fillna(False).to_numpy(bool), mask=values.isna().to_numpy()))
    if pd.api.types.is_integer_dtype(kind):
        missing = values.isna().to_numpy()
        whole = values.fillna(0).to_numpy(np.int64)
        if len(whole) == 0 or np.abs(whole).max() <= _LARGEST_INT:
            return integers(np.ma.masked_array(whole.astype(np.int32), mask=missing))
        return reals(np.where(missing, float(R_FLOAT_NA), whole))  # R has no longer integers
    if pd.api.types.is_float_dtype(kind):
        if isinstance(kind, np.dtype):
            return reals(values.to_numpy())
        return reals(values.to_numpy(np.float64, na_value=float(R_FLOAT_NA)))
    return strings(values)


def data_frame(frame: pd.DataFrame) -> RObject:
    """A ``data.frame`` with the index as row names (a plain 0 … n - 1 index becomes R's automatic ones)."""
    columns = [column(frame.iloc[:, position]) for position in range(frame.shape[1])]
    if isinstance(frame.index, pd.RangeIndex):
        row_names = integers(np.ma.masked_array([0, -len(frame)], mask=[True, False]).astype(np.int32))
    else:
        row_names = strings(frame.index)
    names = strings(frame.columns)
    held = {"names": names, "row.names": row_names, "class": strings(["data.frame"])}
    return _made(RObjectType.VEC, columns, held)


def matrix(values: Any, rows: Sequence[object] | None = None, columns: Sequence[object] | None = None) -> RObject:
    """A numeric (logical where the values are) matrix, rows x columns as given, with dimnames where there are any."""
    values = np.asarray(values)
    held = {"dim": integers(np.array(values.shape, dtype=np.int32))}
    if rows is not None or columns is not None:
        held["dimnames"] = _dimnames(rows, columns)
    if values.dtype == bool:
        return logicals(values.reshape(-1, order="F"), held)
    return reals(values, held)


def _dimnames(rows: Sequence[object] | None, columns: Sequence[object] | None) -> RObject:
    return plain_list([null() if axis is None else strings(axis) for axis in (rows, columns)])


def dgcmatrix(values: Any, rows: Sequence[object] | None, columns: Sequence[object] | None) -> RObject:
    """Package Matrix's ``dgCMatrix`` of a sparse matrix, rows x columns as given; stored zeros stay.

    Raises
    ------
    InputError
        It stores more entries than R's 32-bit positions can count.
    """
    return s4("dgCMatrix", "Matrix", dgc_slots(values, rows, columns))


def dgc_slots(values: Any, rows: Sequence[object] | None, columns: Sequence[object] | None) -> dict[str, RObject]:
    """The slots of a ``dgCMatrix``, also of classes that extend it."""
    compressed = sp.csc_matrix(values)
    if compressed.nnz > _LARGEST_INT:
        raise InputError(
            "The matrix is too large for R's sparse matrices.",
            expected=f"at most {_LARGEST_INT:,} stored entries",
            found=f"{compressed.nnz:,}",
            advice="Write fewer cells or genes, or h5ad.",
        )
    if not compressed.has_sorted_indices:
        compressed = compressed.sorted_indices()
    return {
        "i": integers(compressed.indices.astype(np.int32, copy=False)),
        "p": integers(compressed.indptr.astype(np.int32, copy=False)),
        "Dim": integers(np.array(compressed.shape, dtype=np.int32)),
        "Dimnames": _dimnames(rows, columns),
        "x": reals(compressed.data),
        "factors": plain_list([]),
    }


def s4(name: str, package: str, slots: Mapping[str, RObject]) -> RObject:
    """An S4 object of a class that ``package`` defines."""
    kind = strings([name], {"package": strings([package])})
    return _made(RObjectType.S4, None, {**slots, "class": kind}, gp=_S4_BIT)


def package_version(version: str) -> RObject:
    """A ``package_version``, such as ``4.1.3``."""
    parts = integers(np.array([int(part) for part in version.split(".")], dtype=np.int32))
    return plain_list([parts], None, **{"class": strings(["package_version", "numeric_version"])})

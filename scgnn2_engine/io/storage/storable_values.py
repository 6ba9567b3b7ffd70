"""What may stand in ``uns``, ``obsm`` and the layers, in a form that anndata writes into h5ad."""

from __future__ import annotations

import datetime
import decimal
import fractions
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.io.storage.storable import (
    NUMBERS,
    Said,
    as_text,
    called_in_words,
    storable_column,
    storable_names,
    storable_table,
    writable,
)

LEFT_OUT: Any = object()
"""Stands for a value that has no form in h5ad."""

_DEEPEST = 40
_STORED_BY_THEIR_PACKAGES = ("h5py", "dask", "anndata", "zarr", "awkward")
_WRITTEN_AS_TEXT = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    np.datetime64,
    np.timedelta64,
    pd.Period,
    pd.Interval,
    decimal.Decimal,
    fractions.Fraction,
    PurePath,
)
_SIMPLE = (str, bytes, bool, np.bool_, *NUMBERS, complex, np.number, type(None), *_WRITTEN_AS_TEXT)


def storable_value(value: Any, place: str, said: Said, *, depth: int = 0) -> Any:
    """Anything that may stand in ``uns``, ``obsm`` or a layer in a form that h5ad can hold, or :data:`LEFT_OUT`.

    Mappings, lists and tables are looked into. What has neither a form of its own nor one as text is given back as it
    is: whoever writes must be ready for anndata to refuse it.

    Examples
    --------
    >>> said = Said()
    >>> storable_value({"when": datetime.date(2024, 1, 2), 3: (1, 2), "none": None}, "uns", said)
    {'when': '2024-01-02', '3': array([1, 2]), 'none': None}
    >>> said.changed
    ["the kind of uns['when'] (dates, now text)"]
    """
    if depth > _DEEPEST:
        said.left_out.append(f"{place[:60]} … (nested more than {_DEEPEST} deep)")
        return LEFT_OUT
    if isinstance(value, str):
        return writable(str(value))
    if isinstance(value, Mapping):
        return _mapping(value, place, said, depth)
    if isinstance(value, pd.DataFrame):
        return storable_table(value, place, said)
    if isinstance(value, pd.Series):
        if isinstance(value.index, pd.RangeIndex):
            return storable_column(value, place, said)
        return storable_table(value.to_frame("value" if value.name is None else value.name), place, said)
    if isinstance(value, pd.Index | pd.api.extensions.ExtensionArray):
        return storable_column(pd.Series(value), place, said)
    if isinstance(value, list | tuple | AbstractSet | range):
        items = sorted(value, key=str) if isinstance(value, AbstractSet) else list(value)
        return _sequence(items, place, said, depth)
    if isinstance(value, np.ndarray):
        return storable_array(value, place, said)
    if sp.issparse(value):
        return value if value.format in ("csr", "csc") else value.tocsr()
    return _scalar(value, place, said)


def _mapping(value: Mapping[Any, Any], place: str, said: Said, depth: int) -> dict[str, Any]:
    names = storable_names(value, f"key of {place}", said)
    inside = {
        name: storable_value(one, f"{place}[{name!r}]", said, depth=depth + 1)
        for name, one in zip(names, value.values(), strict=True)
    }
    return {name: one for name, one in inside.items() if one is not LEFT_OUT}


def _sequence(items: Sequence[Any], place: str, said: Said, depth: int) -> Any:
    """An array where all items are of one kind, or the items by their position."""
    if all(isinstance(item, _SIMPLE) for item in items):
        if not items:
            return np.zeros(0)
        made = np.empty(len(items), dtype=object)
        made[:] = items
        return storable_array(made, place, said)
    try:
        table = np.array(items)
    except ValueError:  # rows of unequal lengths
        table = np.empty(0, dtype=object)
    if table.dtype.kind in "biufc":
        return table
    said.kind(place, "a list of unlike things", "its items by number")
    return _mapping(dict(enumerate(items)), place, said, depth)


def storable_array(values: npt.NDArray[Any], place: str, said: Said) -> Any:
    """An array of numbers, truth values or text, of the same shape."""
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.is_masked(values) and values.dtype.kind in "biuf":
            said.kind(place, "numbers with a mask", "NaN where masked")
            return np.where(np.ma.getmaskarray(values), np.nan, values.data.astype(np.float64))
        gaps = np.ma.getmaskarray(values)
        values = values.data
        if gaps.any():
            values = values.astype(object)
            values[gaps] = None
    values = values if isinstance(values, np.recarray) else np.asarray(values)
    if values.dtype.kind not in "mMOU":
        return values
    if values.ndim == 0:
        return storable_value(values.item(), place, said)
    flat = pd.Series(values.reshape(-1))
    made = storable_column(flat, place, said)
    if values.ndim == 1:
        return made
    if isinstance(made, pd.Categorical):  # text with gaps
        made = np.array(["" if pd.isna(one) else one for one in made], dtype=object)
        said.kind(place, "text with gaps", "empty there")
    elif not isinstance(made, np.ndarray):
        made = made.to_numpy(np.float64, na_value=np.nan)
    return made.reshape(values.shape)


def _scalar(value: Any, place: str, said: Said) -> Any:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, complex):
        return np.complex128(value)
    if isinstance(value, bytes):
        return writable(as_text(value))
    too_large = isinstance(value, int) and not -(2**63) <= value < 2**64
    if too_large or isinstance(value, _WRITTEN_AS_TEXT):
        said.kind(place, "a whole number beyond 64 bits" if too_large else called_in_words({type(value)}))
        return writable(str(value))
    if isinstance(value, bool | int | float | np.generic):
        return value
    if hasattr(value, "__array__") and type(value).__module__.split(".")[0] not in _STORED_BY_THEIR_PACKAGES:
        return storable_array(np.asarray(value), place, said)
    return value

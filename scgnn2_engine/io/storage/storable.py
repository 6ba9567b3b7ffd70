"""What h5ad can hold: tables, arrays and values in a form that anndata writes, and words for what is then another.

Written against anndata 0.12. Its h5ad knows no dates, intervals, periods or categories of several kinds, no missing
text among text that does not repeat, and no names that are not text or would open a folder. Of anndata 0.13 and
pandas 3 come columns and indexes of dtype ``string``, which it reads and does not write.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.io.names import unique_names

_EXACT = 2**53  # whole numbers up to it are floats without loss
NUMBERS = (int, float, np.integer, np.floating)
_KINDS: tuple[tuple[Any, str], ...] = (
    ((datetime.date, datetime.time, np.datetime64), "dates"),
    ((datetime.timedelta, np.timedelta64), "spans of time"),
    (pd.Interval, "intervals"),
    (pd.Period, "periods"),
    ((decimal.Decimal, fractions.Fraction, int, float, complex, np.number), "numbers"),
    (PurePath, "paths"),
    (bytes, "bytes"),
    (Mapping, "mappings"),
    (AbstractSet, "sets"),
    ((list, tuple, np.ndarray), "lists"),
)
"""Classes of values that become text in a column, and what a phrase calls them."""


@dataclass
class Said:
    """Phrases: what is stored in another form (``changed``), and what is not stored at all (``left_out``)."""

    changed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def phrases(self) -> list[str]:
        """All of them."""
        return [*self.changed, *self.left_out]

    def kind(self, place: str, was: str, now: str = "text") -> None:
        """Note that values are stored as another kind."""
        self.changed.append(f"the kind of {place} ({was}, now {now})")


# ---------------------------------------------------------------------------------------------------- names


def storable_names(names: Iterable[object], what: str, said: Said, *, reserved: str = "") -> list[str]:
    """Names as text that opens no folder in HDF5, each of them once; what is called otherwise than before is said.

    Examples
    --------
    >>> said = Said()
    >>> storable_names(["a/b", "c", "c", 0], "column of obs", said)
    ['a_b', 'c', 'c-1', '0']
    >>> said.changed
    ["the name 'a/b' of a column of obs (now 'a_b')", "the name 'c' of a second column of obs (now 'c-1')"]
    """
    given = [" ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in names]
    plain = [_plain_name(name) + "_" * (name == reserved != "") for name in given]
    unique = [str(name) for name in unique_names(plain, "column")[0]]
    for before, cleaned, name in zip(given, plain, unique, strict=True):
        if before != name:
            one = "a second" if cleaned == before != "" else "a"
            said.changed.append(f"the name {writable(before)!r} of {one} {what} (now {name!r})")
    return unique


def _plain_name(name: str) -> str:
    plain = writable(name.replace("/", "_"))
    return "_" if plain == "." else plain


def writable(text: str) -> str:
    """Text without what text in HDF5 cannot hold: the character NUL, and halves of characters."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


# ---------------------------------------------------------------------------------------------------- tables


def storable_table(frame: pd.DataFrame, place: str, said: Said, index: pd.Index[Any] | None = None) -> pd.DataFrame:
    """A copy of a table that h5ad can hold; the given one stays as it is.

    Parameters
    ----------
    frame
        Of any columns and index.
    place
        What a phrase calls it: ``obs``, ``obsm['protein']``.
    said
        Takes the phrases.
    index
        Names of the rows that go before the table's own.

    Examples
    --------
    >>> said = Said()
    >>> storable_table(pd.DataFrame({"day": pd.to_datetime(["2024-01-02"])}), "obs", said)["day"].tolist()
    ['2024-01-02']
    >>> said.changed
    ["the kind of obs['day'] (dates, now text)"]
    """
    if index is None and isinstance(frame.index, pd.MultiIndex):
        said.kind(f"the names of the rows of {place}", "several levels", "columns")
        frame = frame.reset_index()
    names = storable_names(frame.columns, f"column of {place}", said, reserved="_index")
    columns = {
        name: storable_column(frame.iloc[:, position], f"{place}[{name!r}]", said)
        for position, name in enumerate(names)
    }
    rows = _row_names(frame.index, place, said) if index is None else index
    called = rows.name
    if called is not None and (not isinstance(called, str) or called in names or _plain_name(called) != called):
        rows = rows.rename(None)
    return pd.DataFrame(columns, index=rows)


def _row_names(index: pd.Index[Any], place: str, said: Said) -> pd.Index[Any]:
    if isinstance(index.dtype, np.dtype) and index.dtype.kind in "iuf":
        return index
    values = storable_column(pd.Series(index), f"the names of the rows of {place}", said)
    return pd.Index(values, name=index.name)


def storable_column(values: pd.Series[Any], place: str, said: Said) -> Any:
    """The values of a column as an array that h5ad can hold.

    Text without gaps is an object array, with gaps a categorical; whole numbers and truth values with gaps are
    pandas' nullable arrays. Dates, spans of time, periods, intervals and values of several kinds are text.
    """
    kind = values.dtype
    if isinstance(kind, pd.CategoricalDtype):
        return _categories(values.array, place, said)
    if isinstance(kind, pd.SparseDtype):
        return storable_column(values.sparse.to_dense(), place, said)
    if isinstance(values.array, pd.arrays.IntegerArray | pd.arrays.BooleanArray):
        return values.array.copy()
    if isinstance(values.array, pd.arrays.FloatingArray):
        return values.to_numpy(np.float64, na_value=np.nan)
    if isinstance(kind, np.dtype) and kind.kind in "biufc":
        return values.to_numpy(copy=True)
    if isinstance(kind, np.dtype | pd.DatetimeTZDtype) and kind.kind in "mM":
        said.kind(place, "dates" if kind.kind == "M" else "spans of time")
        written = values.astype(str)  # all of a column alike: without the time of day where none has one
        return _text([None if gap else text for text, gap in zip(written, values.isna(), strict=True)], place, said)
    return _objects(values.astype(object), place, said)


def _objects(values: pd.Series[Any], place: str, said: Said) -> Any:
    missing = values.isna().to_numpy()
    present = values[~missing]
    kinds = {type(value) for value in present}
    if not kinds:  # of no kind that a file could hold but a category
        return pd.Categorical([None] * len(values))
    if all(issubclass(kind, bool | np.bool_) for kind in kinds):
        return pd.array(values.where(~missing, None), dtype="boolean") if missing.any() else values.to_numpy(bool)
    if all(issubclass(kind, NUMBERS) and not issubclass(kind, bool) for kind in kinds):
        numbers = _numbers(values, missing)
        if numbers is not None:
            return numbers
    if not all(issubclass(kind, str) for kind in kinds):
        said.kind(place, called_in_words(kinds))
    return _text([None if gap else as_text(value) for value, gap in zip(values, missing, strict=True)], place, said)


def _numbers(values: pd.Series[Any], missing: npt.NDArray[np.bool_]) -> Any:
    """Numbers in an object column as numbers; None where that would round them."""
    present: list[Any] = list(values[~missing])
    if all(isinstance(value, int | np.integer) for value in present):
        if int(min(present)) < -(2**63) or int(max(present)) >= 2**63:
            return None
        return pd.array(values.where(~missing, None), dtype="Int64") if missing.any() else values.to_numpy(np.int64)
    if any(abs(int(value)) > _EXACT for value in present if isinstance(value, int | np.integer)):
        return None
    return np.array([np.nan if gap else value for value, gap in zip(values, missing, strict=True)], dtype=np.float64)


def _text(values: list[str | None], place: str, said: Said) -> Any:
    """Text, with gaps a categorical."""
    plain = [None if value is None else writable(value) for value in values]
    if plain != values:
        said.kind(place, "text with characters that HDF5 cannot hold", "without them")
    if None in plain:
        return pd.Categorical(plain)
    made = np.empty(len(plain), dtype=object)
    made[:] = plain
    return made


def _categories(values: Any, place: str, said: Said) -> Any:
    """The same groups in the same order; their names are text where they were neither text nor numbers."""
    categories = pd.Series(values.categories)
    if isinstance(categories.dtype, np.dtype) and categories.dtype.kind in "biuf":
        return values.copy()
    quiet = Said()
    plain = storable_column(categories, place, quiet)
    said.changed += [phrase.replace("(", "(categories that are ", 1) for phrase in quiet.changed]
    if len(set(plain)) < len(plain):
        plain = unique_names(plain, "category")[0].astype(object)
        said.kind(f"categories of {place}", "alike as text", "with a number behind")
    return values.rename_categories(pd.Index(np.asarray(plain)))


def called_in_words(kinds: Iterable[type]) -> str:
    """What a phrase calls values of some classes."""
    names = {
        next((name for classes, name in _KINDS if issubclass(kind, classes)), f"objects of class {kind.__name__}")
        for kind in kinds
    }
    return names.pop() if len(names) == 1 else "values of several kinds"


def as_text(value: Any) -> str:
    """A value of any class as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value.tolist()) if isinstance(value, np.ndarray) else str(value)

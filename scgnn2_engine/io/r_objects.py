"""Data frames and matrices in R's .RData, .rda and .rds files, read without R."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scgnn2_engine.errors import InputError, MissingPackageError
from scgnn2_engine.io.kinds import BROKEN, cannot_read
from scgnn2_engine.io.memory import require_memory
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.text import Table

# R's vectors are compressed about this much, and are held once as parsed and once as numbers
_GROWTH = 40.0
# what rdata raises on bytes and classes it does not know
_PARSER_ERRORS = (
    *BROKEN,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    RecursionError,
)
_EXPORT = "In R, save as.matrix(...) of its counts, or write them as csv."


def read_rdata(path: Path, *, max_memory: float = 0.0) -> Table:
    """Read the one data frame or matrix of an R file.

    A text column of a data frame, if there is exactly one, holds the row names.

    Raises
    ------
    MissingPackageError
        The optional package rdata is not installed.
    InputError
        The file is damaged, or holds several objects, or one of another class.
    """
    try:
        rdata = importlib.import_module("rdata")
    except ImportError as error:
        raise MissingPackageError(
            f"Reading {path} needs the optional package rdata.", advice='Install it: pip install "scgnn2[r]".'
        ) from error
    require_memory(_GROWTH * path.stat().st_size, str(path), max_memory)
    try:
        parsed = rdata.parser.parse_file(path)
    except _PARSER_ERRORS as error:
        raise cannot_read(path, error) from error
    try:
        with warnings.catch_warnings():  # of every class that rdata leaves as it is
            warnings.simplefilter("ignore", UserWarning)
            content = rdata.conversion.convert(parsed)
    except _PARSER_ERRORS as error:
        raise InputError(
            f"{path} holds an object that is neither a data frame nor a matrix.",
            expected="a data frame or matrix",
            found=f"what rdata cannot convert ({error!r})",
            advice=_EXPORT,
        ) from error
    return table_of(only_object(content, path), path)


def only_object(content: Any, path: Path) -> Any:
    """Take the single object of a file; several are refused with their names."""
    if not isinstance(content, dict):
        return content
    if len(content) == 1:
        return next(iter(content.values()))
    raise InputError(
        f"{path} holds {len(content)} objects.",
        expected="one data frame or matrix",
        found=listed(f"{name} ({type(value).__name__})" for name, value in content.items()) or "none",
        advice="In R, save the one to read: save(NAME, file = 'one.RData').",
    )


def table_of(value: Any, path: Path) -> Table:
    """Make a named matrix of what rdata makes of a data frame (pandas) or a matrix with dimnames (xarray).

    Raises
    ------
    InputError
        It is something else, holds text or has no names; a value is not finite or negative.
    """
    frame = _frame(value, path)
    texts = [name for name, dtype in zip(frame.columns, frame.dtypes, strict=True) if not _numeric(dtype)]
    if len(texts) == 1:
        frame = frame.set_index(texts[0])
    elif texts:
        raise InputError(
            f"The data frame in {path} holds {len(texts)} columns of text.",
            expected="numbers only",
            found=listed(texts),
            advice="Keep the row names and the numbers.",
        )
    names, columns = (np.asarray(axis.astype(str), dtype=np.str_) for axis in (frame.index, frame.columns))
    values = frame.to_numpy(dtype=np.float32)
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{path} holds a value that cannot be used in row {str(names[row])!r}, column {str(columns[column])!r}.",
            expected="finite values of at least 0",
            found=f"{values[row, column]:g}",
            advice="Give raw or normalised values, not scaled ones.",
        )
    return Table([values], names, columns)


def _frame(value: Any, path: Path) -> pd.DataFrame:
    if isinstance(value, pd.DataFrame):
        return value
    dims: tuple[str, ...] = tuple(getattr(value, "dims", ()))
    if len(dims) == 2 and all(dim in value.coords for dim in dims):
        return pd.DataFrame(
            np.asarray(value.values), index=value.coords[dims[0]].values, columns=value.coords[dims[1]].values
        )
    if isinstance(value, np.ndarray) or dims:
        raise InputError(
            f"The matrix in {path} has no row and column names.",
            expected="gene and cell names",
            found=f"an unnamed array of shape {np.shape(value)}",
            advice="In R, set rownames() and colnames() and save it again.",
        )
    raise InputError(
        f"{path} holds an object that is neither a data frame nor a matrix.",
        expected="a data frame or matrix",
        found=_class_of(value),
        advice=_EXPORT,
    )


def _class_of(value: Any) -> str:
    """Name R's class of an S4 object (rdata keeps it as an attribute), else Python's."""
    r_class = getattr(value, "class", None)
    return type(value).__name__ if r_class is None or not len(r_class) else f"an object of class {r_class[0]}"


def _numeric(dtype: Any) -> bool:
    return bool(pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype))

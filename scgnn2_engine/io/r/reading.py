"""From an object of R to AnnData, or to a named table where only its names can tell which axis holds the cells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from rdata.parser import RObject, RObjectType

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.r import values as r
from scgnn2_engine.io.r.from_experiment import from_experiment
from scgnn2_engine.io.r.from_seurat import from_seurat
from scgnn2_engine.io.r.matrices import dimnames, is_matrix, matrix, shape_of
from scgnn2_engine.io.r.serialisation import out_of_memory, parse
from scgnn2_engine.io.r.what_to_save import what_to_save
from scgnn2_engine.io.raw_table import Table

if TYPE_CHECKING:
    from anndata import AnnData

READS = "a data frame, a matrix (dense or sparse), a Seurat object (v3 to v5) or a SingleCellExperiment"
_SEURAT = ("Seurat", "seurat")
_FAILURES = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_LARGEST = float(np.finfo(np.float32).max)


class Content(NamedTuple):
    """One object of R.

    Attributes
    ----------
    value
        AnnData of a Seurat object or an experiment; a table of a data frame or matrix.
    kind
        R's class of the object.
    lost
        What was not carried over, as phrases.
    name
        Its name in the file, empty where it has none.
    """

    value: AnnData | Table
    kind: str
    lost: list[str]
    name: str


def read_r(source: Path | bytes, *, object_name: str = "", max_memory: float = 0.0) -> Content:
    """Read one object of an R file, or of the bytes of R's ``serialize``.

    Parameters
    ----------
    source
        ``.RData``, ``.rda`` or ``.rds``, or the bytes.
    object_name
        Which object of a file that holds several; empty takes the only one that can be read.
    max_memory
        GiB it may take; 0 takes what is free.

    Returns
    -------
    Content
        The object, what it is, and what was not carried over.

    Raises
    ------
    InputError
        The file is damaged; it holds several objects and none is chosen, or not the chosen one, or one of another
        class.
    InsufficientMemoryError
        It does not fit.
    """
    what = str(source) if isinstance(source, Path) else "The R object"
    objects = parse(source, max_memory=max_memory)
    try:
        name = choose(objects, object_name, what)
        return _content(objects[name], name, what)
    except InputError:
        raise
    except MemoryError as error:
        raise out_of_memory(what) from error
    except _FAILURES as error:
        raise InputError(
            f"{what} holds an object that is not built as this reader knows it.",
            expected=READS,
            found=f"{type(error).__name__}: {error}",
            advice="In R, update it (UpdateSeuratObject, updateObject) and save it again.",
        ) from error


def _content(obj: RObject, name: str, what: str) -> Content:
    kind = r.class_of(obj)
    if kind in _SEURAT:
        adata, lost = from_seurat(obj, what)
        return Content(adata, kind, lost, name)
    if _is_experiment(obj):
        adata, lost = from_experiment(obj, what)
        return Content(adata, kind, lost, name)
    return Content(table_of(obj, what), kind, [], name)


def choose(objects: Mapping[str, RObject], name: str, what: str) -> str:
    """The name of the object that is asked for, else the only one that can hold expression.

    Raises
    ------
    InputError
        There is none, or several; each is listed with its class and size.
    """
    described = listed((f"{key} ({describe(value)})" if key else describe(value) for key, value in objects.items()), 12)
    if name:
        if name in objects:
            return name
        raise InputError(
            f"{what} holds no object {name!r}.",
            expected="one of its objects",
            found=described if any(objects) else "one object without a name",
            advice="Name one with --load_object." if any(objects) else "Leave --load_object out.",
        )
    fitting = [key for key, value in objects.items() if _may_hold_expression(value)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise InputError(
            f"{what} holds no expression matrix.",
            expected=READS,
            found=described or "nothing",
            advice=what_to_save(objects),
        )
    raise InputError(
        f"{what} holds {len(objects)} objects.",
        expected="one, or the name of the one to read",
        found=described,
        advice=f"Name it: --load_object {fitting[0]}.",
    )


def describe(obj: RObject) -> str:
    """Class and size of an object, in a few words."""
    kind = r.class_of(obj)
    if is_matrix(obj):
        rows, columns = shape_of(obj)
        return f"{kind}, {rows} x {columns}"
    if _is_frame(obj):
        return f"{kind} with {len(obj.value or ())} columns"
    return f"{kind} of {r.type_of(obj)}" if kind in ("matrix", "array") else kind


def _may_hold_expression(obj: RObject) -> bool:
    return r.class_of(obj) in _SEURAT or _is_experiment(obj) or is_matrix(obj) or _is_frame(obj)


def _is_experiment(obj: RObject) -> bool:
    """Whether it is of SummarizedExperiment's family, which has many members (SingleCell-, SpatialExperiment, …)."""
    return obj.info.type is RObjectType.S4 and {"assays", "colData"} <= r.attributes(obj).keys()


def _is_frame(obj: RObject) -> bool:
    return bool({"data.frame", "DFrame"} & set(r.classes(obj)))


def table_of(obj: RObject, what: str) -> Table:
    """Make a named matrix of a data frame or matrix, rows as they are in R.

    Raises
    ------
    InputError
        It is something else, is empty, holds several columns that are not numbers, or has no names; a value is
        negative, too large or no number.
    """
    if is_matrix(obj):
        rows, columns = dimnames(obj)
        if rows is None or columns is None:
            raise InputError(
                f"{what} holds a matrix without {'row' if rows is None else 'column'} names.",
                expected="gene and cell names",
                found=f"an unnamed matrix ({describe(obj)})",
                advice="In R, set rownames() and colnames() and save it again.",
            )
        values = matrix(obj)
        values = sp.csr_matrix(values) if sp.issparse(values) else np.ascontiguousarray(values)
    elif _is_frame(obj):
        rows, columns, values = _numbers_of(obj, what)
    else:
        raise InputError(
            f"{what} holds an object that this program cannot take expression from.",
            expected=READS,
            found=describe(obj),
            advice=what_to_save({"": obj}),
        )
    if 0 in values.shape:
        raise _without_values(obj, what)
    _check(values, rows, columns, what)
    return Table([values], np.asarray(rows, dtype=np.str_), np.asarray(columns, dtype=np.str_))


def _without_values(obj: RObject, what: str) -> InputError:
    return InputError(f"{what} holds no expression.", expected="rows and columns of numbers", found=describe(obj))


def _numbers_of(obj: RObject, what: str) -> tuple[list[str], list[str], Any]:
    """Names and numbers of a data frame; where its rows have no names, a single column of text holds them."""
    frame, left_out = r.data_frame(obj)
    texts = [str(name) for name, kind in frame.dtypes.items() if not _numeric(kind)] + left_out
    if len(texts) == 1 and not left_out and isinstance(frame.index, pd.RangeIndex):
        names = frame[texts[0]]
        if names.isna().any() or names.duplicated().any():
            raise InputError(
                f"{what} holds a data frame whose rows have no names, and whose column {texts[0]!r} cannot name them.",
                expected="row names, or one column of text with a name for each row",
                found="names that repeat or are missing",
                advice=f"If {texts[0]!r} is annotation, set rownames() and leave it out.",
            )
        frame = frame.set_index(texts[0])
    elif texts:
        count = f"{len(texts)} columns that are not numbers" if len(texts) > 1 else "a column that is not numbers"
        raise InputError(
            f"{what} holds a data frame with {count}.",
            expected="numbers, and a column of text only where the rows have no names",
            found=listed(texts),
            advice="Keep the row names and the numbers; annotation can be given by --load_cell_type_labels.",
        )
    if frame.empty:  # before any row is named: a file may claim any number of rows for no columns
        raise _without_values(obj, what)
    rows, columns = ([str(name) for name in axis] for axis in (frame.index, frame.columns))
    return rows, columns, frame.to_numpy(dtype=np.float64, na_value=np.nan)


def _numeric(kind: Any) -> bool:
    return bool(pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind))


def _check(values: Any, rows: list[str], columns: list[str], what: str) -> None:
    held = values.data if sp.issparse(values) else values
    bad = ~((held >= 0) & (held <= _LARGEST))  # NaN is in no range
    if not bad.any():
        return
    if sp.issparse(values):
        entry = int(np.flatnonzero(bad)[0])
        row, column = int(np.searchsorted(values.indptr, entry, side="right")) - 1, int(values.indices[entry])
        value = values.data[entry]
    else:
        row, column = (int(i) for i in np.argwhere(bad)[0])
        value = values[row, column]
    raise InputError(
        f"{what} holds a value that cannot be used in row {rows[row]!r}, column {columns[column]!r}.",
        expected=f"finite values from 0 to {_LARGEST:.2g}",
        found=f"{value:g}",
        advice="Give raw or normalised values, not scaled ones.",
    )

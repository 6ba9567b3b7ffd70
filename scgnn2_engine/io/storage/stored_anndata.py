"""An AnnData in an HDF5 file or a zarr folder, read part by part: what is damaged and not needed is left out and said.

Of all versions of anndata: tables as groups (from 0.7) or as records (before), categories beside their codes, in a
group of their own or in ``uns``, ``raw.X`` beside ``raw/X``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.storage.stored import Store, as_objects, decoded, encoding, is_group, is_sparse, names, printable
from scgnn2_engine.io.storage.zarr_storage import check_no_gap

if TYPE_CHECKING:
    from anndata import AnnData

_DEEPEST = 12
"""Groups in groups of ``uns``; a damaged file may hold itself."""
NOTHING = object()
"""What stands in a file for Python's None."""
_VALUES = ("categorical", "nullable-integer", "nullable-boolean", "nullable-string-array")
"""Groups that are one list of values."""
_OLD_CATEGORIES = "_categories"
_TABLE_WORDS = {"obs": "cell", "var": "gene"}


def raw_place(root: Any, part: str) -> tuple[str, ...]:
    """Where a part of ``.raw`` lies: anndata before 0.7 wrote ``raw.X``."""
    return (f"raw.{part}",) if "raw" not in names(root) else ("raw", part)


def has_raw(store: Store, root: Any) -> bool:
    """Whether there is a ``.raw``; raises what :meth:`Store.find` does."""
    raw = store.find("raw", start=root)
    if raw is None:
        return "raw.X" in names(root)
    return encoding(raw) != "null" and (not is_group(raw) or bool(names(raw)))


def has_x(store: Store, root: Any) -> bool:
    """Whether there is an ``X``; raises what :meth:`Store.find` does."""
    x = store.find("X", start=root)
    return x is not None and encoding(x) != "null"


def table(store: Store, root: Any, *place: str) -> pd.DataFrame:
    """Read ``obs`` or ``var``: columns that cannot be read are left out and said.

    Raises
    ------
    InputError
        There is none, or its names cannot be read.
    """
    where = "/".join(place)
    element = store.find(*place, start=root)
    if element is None:
        raise InputError(
            f"{store.path} holds no {where}.",
            expected=f"the names of every {_TABLE_WORDS.get(place[-1], 'row')} in it",
            found=listed(map(printable, names(root)), 8) or "nothing",
            advice="Download or export the file again.",
        )
    if is_group(element):
        return frame(store, element, where)
    old = _records(store, element, where)
    uns = store.find("uns", start=root)
    for name in old.columns:
        key = f"{name}{_OLD_CATEGORIES}"
        if uns is not None and is_group(uns) and key in names(uns):
            made = store.optional(f"{where}/{name}", _categories_in_uns, store, uns, key, old[name])
            if made is not None:
                old[name] = made
    return old


def frame(store: Store, group: Any, where: str) -> pd.DataFrame:
    """Read a table that is a group of columns; those that cannot be read are left out and said.

    Raises
    ------
    InputError
        Its names cannot be read.
    """
    index_name = _text(group.attrs.get("_index", "_index"))
    _check_names(store, store.find(index_name, start=group), f"{where}/{printable(index_name)}")
    index = _column(store, group, index_name, where)
    if index.dtype.kind == "f" and not np.isfinite(index).all():
        raise InputError(f"{store.called(where)} has names that are no names.", found="NaN")
    length = len(index)
    ordered = [_text(name) for name in np.asarray(group.attrs.get("column-order", []), dtype=object).ravel()]
    columns: list[Any] = []
    kept: list[str] = []
    for name in ordered:
        place = f"{where}/{name}"
        values = store.optional(place, _column, store, group, name, where)
        if values is None:
            continue
        if len(values) != length:
            store.left_out[printable(place)] = f"{len(values)} values for {length} names"
        elif printable(name) != name:
            store.left_out[printable(place)] = "a damaged name"
        else:
            kept.append(name)
            columns.append(values)
    for name in set(names(group)) - {*ordered, index_name, "__categories"}:
        store.left_out[printable(f"{where}/{name}")] = "not among the columns that the table lists"
    text = pd.Index([str(name) for name in index.astype(object)], dtype=object)
    made = pd.DataFrame(dict(enumerate(columns)), index=text)
    made.columns = pd.Index(kept, dtype=object)
    if index_name != "_index":
        made.index.name = index_name
    return made


def _check_names(store: Store, stored: Any, where: str) -> None:
    """Refuse names of which parts are not there: those would be read as empty; of HDF5 these are said."""
    if stored is not None and is_group(stored):
        for name in names(stored):
            _check_names(store, store.find(name, start=stored), f"{where}/{name}")
    elif stored is not None and not hasattr(stored, "id") and stored.dtype.kind not in "biufc":
        check_no_gap(stored, store.called(where))


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _column(store: Store, group: Any, name: str, where: str) -> Any:
    """One column, (n,) values.

    Raises
    ------
    InputError
        There is none, or it is no list.
    """
    element = store.find(name, start=group)
    place = f"{where}/{printable(name)}"
    if element is None:
        raise InputError(f"{store.called(place)} is not there.", found=listed(map(printable, names(group)), 8))
    if is_group(element) and encoding(element) not in _VALUES:
        raise InputError(f"{store.called(place)} is of a kind that is not known here.", found=encoding(element))
    values = store.leaf(element, place)
    old = element.attrs.get("categories")
    if old is not None and not is_group(element):  # anndata 0.7
        categories = group[old] if hasattr(group, "id") else store.find("__categories", name, start=group)
        values = _categorical(values, store.leaf(categories, place), bool(categories.attrs.get("ordered", False)))
    if getattr(values, "ndim", 0) != 1:
        raise InputError(f"{store.called(place)} is no list.", found=f"{type(values).__name__}")
    return values


def _categorical(codes: Any, categories: Any, ordered: bool = False) -> pd.Categorical:
    return pd.Categorical.from_codes(np.asarray(codes), as_objects(categories), ordered=ordered)


def _categories_in_uns(store: Store, uns: Any, key: str, codes: pd.Series) -> pd.Categorical | None:
    categories = np.atleast_1d(store.leaf(store.find(key, start=uns), f"uns/{key}"))
    if codes.dtype.kind not in "iu" or (codes >= len(categories)).any():
        return None  # of a column of the same name in the other table
    return _categorical(codes, categories)


def _records(store: Store, dataset: Any, where: str) -> pd.DataFrame:
    """A table of anndata before 0.7: records, whose first field is the name."""
    store.claim(dataset, where)
    values = dataset[()]
    if values.dtype.names is None or values.ndim != 1:
        raise InputError(f"{store.called(where)} is no table.", found=f"an array of {values.dtype}")
    columns = {name: _decoded(values[name]) for name in values.dtype.names}
    made = pd.DataFrame(columns)
    made = made.set_index(made.columns[0])
    made.index = pd.Index([str(name) for name in made.index], dtype=object)
    return made


def _decoded(values: Any) -> Any:
    if values.dtype.kind not in "SO":
        return values
    return np.asarray(decoded(values.tolist()), dtype=object)


def mapping(store: Store, root: Any, name: str, rows: int, *, square: bool = False) -> dict[str, Any]:
    """Read ``obsm``, ``varm``, ``obsp``, ``varp`` or ``layers``: what cannot be read is left out and said.

    Parameters
    ----------
    store, root
        Where it lies.
    name
        Which of them, as a path: ``"raw/varm"``.
    rows
        Rows that each has.
    square
        Whether each has as many columns.
    """
    group = store.optional(name, lambda: store.find(*name.split("/"), start=root))
    if group is None:
        return {}
    if not is_group(group):
        return _fields(store, group, name, rows)
    found = {}
    for key in names(group):
        value = store.optional(f"{name}/{key}", element_at, store, group, key, name)
        if value is None:
            continue
        shape = getattr(value, "shape", ())
        if printable(key) != key:
            store.left_out[printable(f"{name}/{key}")] = "a damaged name"
        elif not shape or shape[0] != rows or (square and shape != (rows, rows)):
            store.left_out[f"{name}/{key}"] = f"the shape {shape}, where there are {rows} rows"
        else:
            found[key] = value
    return found


def _fields(store: Store, dataset: Any, name: str, rows: int) -> dict[str, Any]:
    """Embeddings of anndata before 0.7: the fields of records."""

    def read() -> dict[str, Any]:
        store.claim(dataset, name)
        values = dataset[()]
        if values.dtype.names is None or len(values) != rows:
            raise InputError(f"{store.called(name)} does not fit the names beside it.", found=f"{values.shape}")
        return {str(field): np.ascontiguousarray(values[field]) for field in values.dtype.names}

    return store.optional(name, read) or {}


def element_at(store: Store, group: Any, key: str, where: str = "", depth: int = 0) -> Any:
    """Read what a group calls ``key``; takes and raises what :func:`element` does."""
    return element(store, store.find(key, start=group), f"{where}/{key}".removeprefix("/"), depth)


def element(store: Store, stored: Any, where: str, depth: int = 0) -> Any:
    """Read anything that AnnData stores: a table, a matrix, a group of others, or a value.

    Raises
    ------
    Exception
        Of any kind that anndata and the libraries below it raise: meant for :meth:`Store.optional`.
    """
    if is_sparse(stored):
        return store.sparse(stored, where)
    kind = encoding(stored)
    if is_group(stored) and kind == "dataframe":
        return frame(store, stored, where)
    if kind == "null":
        return NOTHING
    if not is_group(stored) or kind in _VALUES:
        return store.leaf(stored, where)
    if kind not in ("", "dict"):
        raise InputError(f"{store.called(where)} is of a kind that is not known here.", found=printable(kind))
    if depth == _DEEPEST:
        raise InputError(f"{store.called(where)} holds too many groups in groups.", found=f"more than {depth}")
    found: dict[str, Any] = {}
    for key in names(stored):
        value = store.optional(f"{where}/{key}", element_at, store, stored, key, where, depth + 1)
        if value is not None:
            found[printable(key)] = None if value is NOTHING else value
    return found


def whole_anndata(store: Store, root: Any) -> AnnData:
    """Read all of an AnnData; ``store.left_out`` says what of it cannot be read.

    Raises
    ------
    InputError
        Its names or ``X`` cannot be read.
    """
    from anndata import AnnData

    obs, var = table(store, root, "obs"), table(store, root, "var")
    shape = (len(obs), len(var))
    stored = store.find("X", start=root) if has_x(store, root) else None
    adata = AnnData(
        None if stored is None else store.matrix(stored, "X", shape=shape),
        obs=obs,
        var=var,
        shape=shape if stored is None else None,
        obsm=mapping(store, root, "obsm", shape[0]),
        varm=mapping(store, root, "varm", shape[1]),
        obsp=mapping(store, root, "obsp", shape[0], square=True),
        varp=mapping(store, root, "varp", shape[1], square=True),
    )
    for key, layer in mapping(store, root, "layers", shape[0]).items():
        if layer.shape == shape:
            adata.layers[key] = layer
        else:
            store.left_out[f"layers/{key}"] = f"the shape {layer.shape}, where there are {shape[1]} genes"
    uns = store.optional("uns", element_at, store, root, "uns") if "uns" in names(root) else None
    if isinstance(uns, dict):
        adata.uns |= _without_old_categories(uns, (*obs, *var), old=not is_group(store.find("obs", start=root)))
    raw = store.optional("raw", _raw, store, root, obs)
    if raw is not None:
        adata.raw = raw
    return adata


def _without_old_categories(uns: dict[str, Any], columns: Iterable[str], *, old: bool) -> dict[str, Any]:
    known = {f"{name}{_OLD_CATEGORIES}" for name in columns} if old else set()
    return {key: value for key, value in uns.items() if key not in known}


def _raw(store: Store, root: Any, obs: pd.DataFrame) -> AnnData | None:
    from anndata import AnnData

    if not has_raw(store, root):
        return None
    var = table(store, root, *raw_place(root, "var"))
    x = store.find(*raw_place(root, "X"), start=root)
    if x is None:
        raise InputError(f"{store.path} has a .raw without a matrix.")
    varm = mapping(store, root, "/".join(raw_place(root, "varm")), len(var))
    values = store.matrix(x, "raw/X", shape=(len(obs), len(var)))
    return AnnData(values, obs=obs[[]], var=var, varm=varm)

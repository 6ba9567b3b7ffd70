"""Any AnnData as .h5ad: what the format cannot hold is stored in another form or left out, and said by name."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from scgnn2_engine.errors import OutputError
from scgnn2_engine.io.names import listed, unique_names
from scgnn2_engine.io.storage.storable import Said, storable_names, storable_table, writable
from scgnn2_engine.io.storage.storable_values import LEFT_OUT, storable_value

if TYPE_CHECKING:
    from anndata import AnnData

ALIGNED = ("layers", "obsm", "varm", "obsp", "varp")
OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM})
"""Numbers of the errors that no other content of a file would mend."""


def storable_anndata(adata: AnnData) -> tuple[AnnData, Said]:
    """A form of an AnnData that h5ad can hold; the given one stays as it is, also where it is backed or a view.

    Matrices of numbers are the same objects, tables and mappings are new ones.

    Parameters
    ----------
    adata
        (n_obs, n_vars).

    Returns
    -------
    stored
        (n_obs, n_vars). Dates, spans of time, intervals, periods and values of several kinds are text; text with gaps
        is categorical; names of columns and keys are text, each once, without slashes.
    said
        What is stored otherwise than it was.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> obs = pd.DataFrame({"depth": pd.cut([1, 9], [0, 5, 10])}, index=["a", "b"])
    >>> adata = anndata.AnnData(np.ones((2, 1)), obs=obs)
    >>> stored, said = storable_anndata(adata)
    >>> stored.obs["depth"].tolist(), said.changed
    (['(0, 5]', '(5, 10]'], ["the kind of obs['depth'] (categories that are intervals, now text)"])
    """
    said = Said()
    slots = {slot: dict(getattr(adata, slot)) for slot in ALIGNED}
    stored = stored_parts(said, x=adata.X, obs=adata.obs, var=adata.var, uns=adata.uns, slots=slots)
    if adata.raw is not None:
        stored.raw = stored_parts(
            said,
            x=adata.raw.X,
            obs=stored.obs[[]],
            var=adata.raw.var,
            slots={"varm": dict(adata.raw.varm)},
            place="raw.",
        )
    return stored, said


def stored_parts(
    said: Said,
    *,
    x: Any = None,
    obs: pd.DataFrame,
    var: pd.DataFrame,
    uns: Mapping[str, Any] | None = None,
    slots: Mapping[str, Mapping[Any, Any]] = MappingProxyType({}),
    place: str = "",
) -> AnnData:
    """An AnnData that h5ad can hold of parts that need not be; keys of ``slots`` are among :data:`ALIGNED`."""
    import anndata

    cells, genes = (_names(table.index) for table in (obs, var))
    if x is not None:
        x = storable_value(x, f"{place}X", said)
    with warnings.catch_warnings():  # of names that repeat, which h5ad holds
        warnings.simplefilter("ignore")
        stored = anndata.AnnData(
            X=x,
            obs=storable_table(obs, f"{place}obs", said, cells),
            var=storable_table(var, f"{place}var", said, genes),
            uns=storable_value(uns or {}, f"{place}uns", said),
        )
        for slot, items in slots.items():
            rows = genes if slot.startswith("var") else cells
            for key, value in zip(storable_names(items, f"key of {place}{slot}", said), items.values(), strict=True):
                _put(stored, slot, key, value, rows, said, place)
    return stored


def _names(index: pd.Index[Any]) -> pd.Index[Any]:
    return pd.Index([writable(str(name)) for name in index], dtype=object, name=index.name)


def _put(stored: AnnData, slot: str, key: str, value: Any, rows: pd.Index[Any], said: Said, place: str) -> None:
    where = f"{place}{slot}[{key!r}]"
    if isinstance(value, pd.DataFrame):
        made: Any = storable_table(value, where, said, rows)
    else:
        made = storable_value(value, where, said)
    if made is LEFT_OUT:
        return
    try:
        getattr(stored, slot)[key] = made
    except Exception as error:  # whatever it is, the rest must not go with it
        said.left_out.append(f"{where} ({reason_of(error)})")


def with_unique_names(adata: AnnData) -> tuple[AnnData, list[str]]:
    """The AnnData with each name of a cell and of a gene once, as a run makes them, and phrases on what was renamed.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> adata = anndata.AnnData(np.ones((1, 2)), var=pd.DataFrame(index=["HLA-A", "HLA_A"]))
    >>> with_unique_names(adata)[1]
    []
    """
    raw = None if adata.raw is None else adata.raw.var_names
    phrases: dict[str, None] = {}
    unique = []
    for names, kind in ((adata.obs_names, "cell"), (adata.var_names, "gene"), (raw, "gene")):
        given = [] if names is None else [str(name) for name in names]
        made = pd.Index(unique_names(given, kind)[0].astype(object))
        repeated = [name for name, new in zip(given, made, strict=True) if name != new]
        if repeated:
            phrases[f"repeated names of {kind}s (a number behind tells them apart: {listed(repeated)})"] = None
        unique.append(made)
    if not phrases:
        return adata, []
    stored, said = storable_anndata(adata.to_memory() if adata.isbacked else adata)
    stored.obs_names, stored.var_names = unique[0], unique[1]
    if adata.raw is not None:
        parts = {"varm": dict(stored.raw.varm)}
        var = stored.raw.var.set_axis(unique[2], axis=0)
        stored.raw = stored_parts(Said(), x=stored.raw.X, obs=stored.obs[[]], var=var, slots=parts)
    return stored, [*phrases, *said.phrases]


def write_h5ad(adata: AnnData, path: Path, *, compression: Literal["gzip"] | None = None) -> Said:
    """Write an AnnData of any origin and content as h5ad, or as zarr where the path ends so; it stays as it is.

    What anndata refuses even in its storable form is found by trying each part alone, and left out.

    Returns
    -------
    Said
        What is stored otherwise than it was, and what is not stored.

    Raises
    ------
    OSError
        The disk does not take it.
    OutputError
        It cannot be written at all.
    """
    stored, said = storable_anndata(adata)

    def write() -> None:
        with warnings.catch_warnings():  # of anndata, about names that will be refused in some later version
            warnings.simplefilter("ignore")
            if path.suffix == ".zarr":
                stored.write_zarr(path)
            else:
                stored.write_h5ad(path, compression=compression)

    try:
        write()
    except Exception as error:
        if isinstance(error, MemoryError) or is_of_the_disk(error):
            raise
        _leave_out_what_is_refused(stored, said)
        try:
            write()
        except Exception as second:
            if isinstance(second, MemoryError) or is_of_the_disk(second):
                raise
            raise OutputError(
                f"The data cannot be stored as {path.suffix[1:]}.",
                expected="numbers, text, categories, and tables and matrices of them",
                found=reason_of(second),
                advice="Remove from the AnnData what the message names, or write another format.",
            ) from error
    return said


def is_of_the_disk(error: BaseException) -> bool:
    """Whether an error says that the disk is full, gone or not to be written to."""
    return isinstance(error, OSError) and (error.errno in OF_THE_DISK or "errno = 28" in str(error))


def reason_of(error: BaseException) -> str:
    """What an error says, on one line and not without end."""
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


# ---------------------------------------------------------------------------------------------------- last resort


def _leave_out_what_is_refused(stored: AnnData, said: Said) -> None:
    """Try every part alone, and take out what anndata does not write."""

    def leave_out(where: str, why: str) -> None:
        said.left_out.append(f"{where} ({why})")

    stored.obs, stored.var = (
        _written_columns(table, name, leave_out) for name, table in (("obs", stored.obs), ("var", stored.var))
    )
    for slot in ALIGNED:
        held = getattr(stored, slot)
        for key in list(held):
            value = held[key]
            if isinstance(value, pd.DataFrame):
                value = _written_columns(value, f"{slot}[{key!r}]", leave_out)
                held[key] = value
            if why := _refusal(value):
                leave_out(f"{slot}[{key!r}]", why)
                del held[key]
    stored.uns = _written_entries(dict(stored.uns), "uns", leave_out)
    if stored.X is not None and (why := _refusal(stored.X)):
        leave_out("X", why)
        stored.X = None
    if stored.raw is not None:
        _mend_raw(stored, leave_out)


def _mend_raw(stored: AnnData, leave_out: Callable[[str, str], None]) -> None:
    if why := _refusal(stored.raw.X):
        leave_out("raw", why)
        del stored.raw
        return
    var = _written_columns(stored.raw.var, "raw.var", leave_out)
    varm = {key: value for key, value in stored.raw.varm.items() if not _refusal(value)}
    for key in stored.raw.varm:
        if key not in varm:
            leave_out(f"raw.varm[{key!r}]", _refusal(stored.raw.varm[key]))
    stored.raw = stored_parts(Said(), x=stored.raw.X, obs=stored.obs[[]], var=var, slots={"varm": varm})


def _written_columns(table: pd.DataFrame, where: str, leave_out: Callable[[str, str], None]) -> pd.DataFrame:
    refused = {name: why for name in table if (why := _refusal(table[[name]].reset_index(drop=True)))}
    for name, why in refused.items():
        leave_out(f"{where}[{name!r}]", why)
    return table.drop(columns=list(refused))


def _written_entries(entries: dict[str, Any], where: str, leave_out: Callable[[str, str], None]) -> dict[str, Any]:
    kept = {}
    for key, value in entries.items():
        place = f"{where}[{key!r}]"
        if isinstance(value, dict):
            kept[key] = _written_entries(value, place, leave_out)
            continue
        if isinstance(value, pd.DataFrame):
            value = _written_columns(value, place, leave_out)
        if why := _refusal(value):
            leave_out(place, why)
        else:
            kept[key] = value
    return kept


def _refusal(value: Any) -> str:
    """Why anndata does not write a value, tried in memory on as little of it as decides; empty where it does."""
    import h5py
    from anndata.io import write_elem

    if getattr(value, "ndim", 0) > 1 and getattr(getattr(value, "dtype", None), "kind", "O") in "biuf":
        value = value[:1]
    with warnings.catch_warnings(), h5py.File("trial", "w", driver="core", backing_store=False) as file:
        warnings.simplefilter("ignore")
        try:
            write_elem(file, "value", value)
        except Exception as error:
            reason = reason_of(error)
            return f"an object of class {type(value).__name__}" if reason.startswith("No method") else reason
    return ""

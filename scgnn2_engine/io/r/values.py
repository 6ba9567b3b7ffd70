"""What R's objects hold, as NumPy and pandas values: vectors, factors, lists, data frames.

Functions, calls and environments have no value here; whoever asks for one gets an error that names what was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from rdata.parser import RObject, RObjectType

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import listed

Strings = list[str | None]
VECTORS = (RObjectType.LGL, RObjectType.INT, RObjectType.REAL)
_NULL = (RObjectType.NIL, RObjectType.NILVALUE)
_NULL_SLOT = b"\x01NULL\x01"
_KINDS = {
    RObjectType.LGL: "logical",
    RObjectType.INT: "integer",
    RObjectType.REAL: "numeric",
    RObjectType.CPLX: "complex",
    RObjectType.STR: "character",
    RObjectType.VEC: "list",
    RObjectType.LIST: "pairlist",
    RObjectType.CLO: "function",
    RObjectType.BUILTIN: "function",
    RObjectType.SPECIAL: "function",
    RObjectType.BCODE: "function",
    RObjectType.ENV: "environment",
    RObjectType.GLOBALENV: "environment",
    RObjectType.BASEENV: "environment",
    RObjectType.EMPTYENV: "environment",
    RObjectType.NAMESPACE: "environment",
    RObjectType.LANG: "call",
    RObjectType.SYM: "name",
    RObjectType.MISSINGARG: "name",
    RObjectType.EXPR: "expression",
    RObjectType.EXTPTR: "externalptr",
    RObjectType.RAW: "raw",
    RObjectType.S4: "S4",
}
_ELSEWHERE = ("BPCells", "DelayedArray", "HDF5Array")  # packages whose matrices are not in the R object itself
_LATEST = 1e12  # seconds, some thirty thousand years


def attributes(obj: RObject) -> dict[str, RObject]:
    """The attributes by name; those of an S4 object are its slots and ``class``."""
    return {} if obj.attributes is None else dict(_pairs(obj.attributes))


def _pairs(node: RObject) -> Iterator[tuple[str, RObject]]:
    while node.info.type is RObjectType.LIST:
        yield "" if node.tag is None else _symbol(node.tag), node.value[0]
        node = node.value[1]


def _symbol(tag: RObject) -> str:
    return decode(tag.value.value) if tag.info.type is RObjectType.SYM else ""


def decode(value: bytes) -> str:
    """Text of R's bytes; what is not UTF-8 is taken for Latin-1, R's other common encoding."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def is_null(obj: RObject | None) -> bool:
    r"""Whether there is nothing: ``NULL``, or the symbol ``\001NULL\001`` that stands for it in a slot."""
    if obj is None or obj.info.type in _NULL:
        return True
    return obj.info.type is RObjectType.SYM and obj.value.value == _NULL_SLOT


def is_empty(obj: RObject | None) -> bool:
    """Whether it is ``NULL``, or a vector or list of length 0."""
    if obj is None or is_null(obj):
        return True
    return isinstance(obj.value, (list, np.ndarray)) and len(obj.value) == 0


def classes(obj: RObject) -> list[str]:
    """The class attribute; empty for plain vectors and lists."""
    named = attributes(obj).get("class")
    return [] if named is None else [name for name in strings(named) if name is not None]


def package_of(obj: RObject) -> str:
    """The package that defines the object's S4 class; empty where it has none."""
    named = attributes(obj).get("class")
    return "" if named is None else one_string(attributes(named).get("package"))


def class_of(obj: RObject) -> str:
    """What R's ``class`` would say, in one word."""
    named = classes(obj)
    if named:
        return named[0]
    dim = attributes(obj).get("dim")
    if dim is not None:
        return "matrix" if len(dim.value) == 2 else "array"
    return "NULL" if is_null(obj) else type_of(obj)


def type_of(obj: RObject) -> str:
    """What its values are, whatever its class."""
    return _KINDS.get(obj.info.type, obj.info.type.name.lower())


def strings(obj: RObject) -> Strings:
    """A character vector, NA as None; a factor gives its labels."""
    if obj.info.type is RObjectType.STR:
        return [None if value is None else decode(value) for value in obj.value]
    if obj.info.type is RObjectType.INT and "factor" in classes(obj):
        codes, labels = _codes(obj), strings(attributes(obj)["levels"])
        return [None if code < 0 else labels[code] for code in codes]
    if is_null(obj):
        return []
    if obj.info.type is RObjectType.LGL and np.ma.getmaskarray(obj.value).all():  # a bare NA, or logical(0)
        return [None] * len(obj.value)
    raise unexpected("a character vector", obj)


def names_of(obj: RObject) -> Strings:
    """The ``names`` of a vector or list; empty where there are none."""
    named = attributes(obj).get("names")
    return [] if named is None else strings(named)


def one_string(obj: RObject | None, default: str = "") -> str:
    """The first of a character vector."""
    if obj is None or obj.info.type is not RObjectType.STR or not obj.value or obj.value[0] is None:
        return default
    return decode(obj.value[0])


def numbers(obj: RObject) -> npt.NDArray[Any]:
    """A logical, integer or numeric vector; NA in the first two becomes NaN."""
    if obj.info.type not in VECTORS:
        raise unexpected("a vector of numbers", obj)
    if np.ma.isMaskedArray(obj.value):
        real: Any = obj.value.astype(np.float64)
        return np.asarray(real.filled(np.nan))
    return np.asarray(obj.value)


def integers(obj: RObject) -> npt.NDArray[np.int32]:
    """An integer vector without NA, as positions and sizes are."""
    if obj.info.type is not RObjectType.INT or np.ma.is_masked(obj.value):
        raise unexpected("integers without NA", obj)
    return np.asarray(obj.value, dtype=np.int32)


def elements(obj: RObject) -> dict[str, RObject]:
    """A named list; an unnamed or repeated name is numbered."""
    if is_null(obj):
        return {}
    if obj.info.type is RObjectType.LIST:
        labels, held = zip(*_pairs(obj), strict=True)
    elif obj.info.type is RObjectType.VEC:
        held = obj.value
        labels = tuple(names_of(obj)) or (None,) * len(held)
    else:
        raise unexpected("a list", obj)
    named: dict[str, RObject] = {}
    for position, (label, value) in enumerate(zip(labels, held, strict=True), start=1):
        key = label or f"[[{position}]]"
        named[key if key not in named else f"{key}[[{position}]]"] = value
    return named


def _codes(obj: RObject) -> npt.NDArray[np.int64]:
    codes: Any = np.ma.asarray(obj.value).astype(np.int64)
    return np.asarray(codes.filled(0)) - 1


def _factor(obj: RObject) -> pd.Categorical:
    codes, labels = _codes(obj), strings(attributes(obj)["levels"])
    if None in labels:  # addNA() makes a level of NA, which pandas has not
        gone = labels.index(None)
        labels = labels[:gone] + labels[gone + 1 :]
        codes = np.where(codes == gone, -1, codes - (codes > gone))
    return pd.Categorical.from_codes(codes, categories=labels, ordered="ordered" in classes(obj))


def column(obj: RObject) -> Any:
    """One column of a data frame as pandas holds it: NA kept, and integers, logicals and factors as such.

    Dates and times become text in the order of ISO 8601 (times in UTC, which is named), as no other form of them can
    be written to h5ad; package bit64's integers become pandas'.
    """
    kinds = classes(obj)
    if "factor" in kinds:
        return _factor(obj)
    if obj.info.type is RObjectType.STR:
        return np.array(strings(obj), dtype=object)
    if obj.info.type not in VECTORS:
        raise unexpected("a vector", obj)
    if "Date" in kinds:
        return _moments(numbers(obj), "D")
    if "POSIXct" in kinds:
        return _moments(numbers(obj), "s")
    if "integer64" in kinds and obj.info.type is RObjectType.REAL:
        whole = obj.value.view(np.int64)
        return pd.arrays.IntegerArray(whole.copy(), whole == np.iinfo(np.int64).min)
    if not np.ma.isMaskedArray(obj.value):
        return np.asarray(obj.value)
    missing = np.ma.getmaskarray(obj.value)
    if obj.info.type is RObjectType.LGL:
        return pd.arrays.BooleanArray(np.array(obj.value.data, dtype=bool), missing)
    return pd.arrays.IntegerArray(np.asarray(obj.value.filled(0), dtype=np.int32), missing)


def _moments(values: npt.NDArray[Any], unit: str) -> npt.NDArray[np.object_]:
    known = np.isfinite(values)
    known[known] = np.abs(values[known]) < _LATEST / (86400 if unit == "D" else 1)
    whole = np.floor(np.where(known, values, 0)).astype(np.int64).astype(f"datetime64[{unit}]")
    zone = " UTC" if unit == "s" else ""
    texts = [
        text.replace("T", " ") + zone if there else None for text, there in zip(whole.astype(str), known, strict=True)
    ]
    return np.array(texts, dtype=object)


def data_frame(obj: RObject) -> tuple[pd.DataFrame, list[str]]:
    """A ``data.frame``, or Bioconductor's ``DFrame``, with its row names; also the columns that were left out.

    Columns that are lists, matrices or objects have no place in a table and are left out. Without row names the index
    is R's own, 1 to n.
    """
    columns, row_names, count = _table(obj)
    kept, left_out = {}, []
    for name, value in columns.items():
        if _is_vector(value, count):
            kept[name] = column(value)
        else:
            left_out.append(f"{name} ({class_of(value)})")
    return pd.DataFrame(kept, index=_row_index(row_names, count)), left_out


def columns_lost(obj: RObject, what: str) -> list[str]:
    """What :func:`data_frame` does not keep of the columns of ``what``, as phrases: all of one, or its class."""
    columns, _, count = _table(obj)
    left_out = [f"{name} ({class_of(value)})" for name, value in columns.items() if not _is_vector(value, count)]
    vectors = {name: value for name, value in columns.items() if _is_vector(value, count)}
    changed = [f"{name} ({became})" for name, value in vectors.items() if (became := _became(value))]
    lost = [f"columns of {what} that are not vectors: {listed(left_out)}"] if left_out else []
    return lost + ([f"classes of columns of {what}: {listed(changed, 8)}"] if changed else [])


def _became(obj: RObject) -> str:
    """The class of a column, and what it is now; empty where it is still the same."""
    kinds, slots = classes(obj), attributes(obj)
    if not kinds or {"factor", "AsIs"} & set(kinds):
        return ""
    if "Date" in kinds:
        return "Date, now text"
    if "POSIXct" in kinds:
        zone = one_string(slots.get("tzone"))
        return f"POSIXct{f' in {zone}' if zone else ''}, now text, whole seconds in UTC"
    unit = f" in {one_string(slots['units'])}" if "units" in slots else ""
    return f"{kinds[0]}{unit}, now {'text' if obj.info.type is RObjectType.STR else 'plain numbers'}"


def _table(obj: RObject) -> tuple[dict[str, RObject], RObject | None, int]:
    """Columns, row names and number of rows."""
    slots = attributes(obj)
    if "listData" in slots:  # DFrame
        return elements(slots["listData"]), slots.get("rownames"), int(integers(slots["nrows"])[0])
    columns, row_names = elements(obj), slots.get("row.names")
    return columns, row_names, _row_count(row_names, columns)


def _is_vector(obj: RObject, count: int) -> bool:
    return obj.info.type in (*VECTORS, RObjectType.STR) and len(obj.value) == count


def text_columns(frame: pd.DataFrame) -> list[str]:
    """The columns that are character in R, and not factors: h5ad makes categories of both."""
    return [str(name) for name, kind in frame.dtypes.items() if pd.api.types.is_object_dtype(kind)]


def _row_count(row_names: RObject | None, columns: dict[str, RObject]) -> int:
    if row_names is not None and not is_null(row_names):
        return abs(int(np.ma.getdata(row_names.value)[1])) if _is_counted(row_names) else len(row_names.value)
    return len(next(iter(columns.values())).value) if columns else 0


def _is_counted(row_names: RObject) -> bool:
    """R stores automatic row names as c(NA, -n)."""
    if row_names.info.type is not RObjectType.INT or len(row_names.value) != 2:
        return False
    return bool(np.ma.getmaskarray(row_names.value)[0])


def _row_index(row_names: RObject | None, count: int) -> pd.Index[Any]:
    if row_names is None or is_null(row_names) or _is_counted(row_names):
        return pd.RangeIndex(1, count + 1)
    if row_names.info.type is RObjectType.STR:
        return pd.Index(strings(row_names), dtype=object)
    return pd.Index([str(value) for value in integers(row_names).tolist()], dtype=object)


def unexpected(expected: str, obj: RObject) -> InputError:
    """Name what was found where something else belongs."""
    kind = class_of(obj)
    advice = ""
    if package_of(obj) in _ELSEWHERE:
        advice = "Its values are in other files; in R, bring them into memory first: as(x, 'dgCMatrix')."
    elif kind in ("matrix", "array"):
        kind += f" of {type_of(obj)}"
    return InputError(
        "An R object holds something else than was expected.", expected=expected, found=kind, advice=advice
    )

"""Ways to damage an HDF5 file that keep it an HDF5 file: wrong lengths, kinds, values, links and attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from mutations import Mutation

_NUMBERS = (-1, 0, 1, 7, 2**31 - 1, 2**31, 2**62, -(2**40))
_TEXTS = (
    "",
    "array",
    "csr_matrix",
    "csc_matrix",
    "dataframe",
    "dict",
    "string-array",
    "of-tomorrow",
    "categorical",
    "é",
)


def _pick(rng: np.random.Generator, found: list[Any]) -> Any:
    return found[int(rng.integers(len(found)))]


def _objects(file: h5py.File, kind: type = object) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, kind) else None)
    return sorted(names) or ["/"]


def _replace(file: h5py.File, name: str, values: Any, **how: Any) -> None:
    attributes = dict(file[name].attrs)
    del file[name]
    made = file.create_dataset(name, data=values, **how) if values is not None else file.create_dataset(name, **how)
    for key, value in attributes.items():
        made.attrs[key] = value


def _dataset(rng: np.random.Generator, file: h5py.File) -> tuple[str, Any]:
    found = _objects(file, h5py.Dataset)
    if found == ["/"]:
        return "", None
    name = _pick(rng, found)
    return name, file[name][()]


def delete(rng: np.random.Generator, path: Path) -> str:
    """Take an array or a group out."""
    with h5py.File(path, "r+") as file:
        name = _pick(rng, _objects(file))
        if name != "/":
            del file[name]
    annotation = name.startswith(("col_attrs/", "row_attrs/")) and Path(name).name not in ("CellID", "Gene")
    return f"{'values: ' * annotation}{name} is gone"  # of loom: nothing in the file tells that there was more


def change_attribute(rng: np.random.Generator, path: Path) -> str:
    """Change an attribute, or take it away."""
    with h5py.File(path, "r+") as file:
        places = [(name, key) for name in ["/", *_objects(file)] for key in file[name].attrs]
        if not places:
            return "values: nothing"
        name, key = _pick(rng, places)
        old = file[name].attrs[key]
        choice = int(rng.integers(4))
        if choice == 0:
            del file[name].attrs[key]
            return f"attribute {key} of {name} is gone"
        if choice == 1 and np.asarray(old).dtype.kind in "iu" and np.size(old):
            new = np.array(old, dtype=np.int64, ndmin=1)
            new[int(rng.integers(new.size))] += _pick(rng, [-1, 0, 1, 7, 10**9])
        elif choice == 2 and np.ndim(old):
            new = np.asarray(old)[:-1] if np.size(old) and rng.integers(2) else np.concatenate([old, old])
            new = new.astype(object) if new.dtype.kind == "O" else new
        else:
            new = _pick(rng, list(_TEXTS))
        try:
            file[name].attrs[key] = new
        except TypeError:
            file[name].attrs[key] = "x"
    return f"attribute {key} of {name} is now {str(new)[:60]!r}"


def change_length(rng: np.random.Generator, path: Path) -> str:
    """Make an array longer or shorter."""
    with h5py.File(path, "r+") as file:
        name, values = _dataset(rng, file)
        if not name or np.ndim(values) == 0:
            return "values: nothing"
        new = _pick(
            rng, [values[:-1], values[:0], np.concatenate([values, values[:1]]), np.concatenate([values, values])]
        )
        _replace(file, name, new, dtype=file[name].dtype)
    return f"{name} has the shape {new.shape}, not {values.shape}"


def change_shape(rng: np.random.Generator, path: Path) -> str:
    """Give an array an axis more, or none."""
    with h5py.File(path, "r+") as file:
        name, values = _dataset(rng, file)
        if not name:
            return "values: nothing"
        new = _pick(
            rng, [np.asarray(values)[None], np.asarray(values).ravel(), np.asarray(values).ravel()[:1].reshape(())]
        )
        _replace(file, name, new, dtype=file[name].dtype)
    return f"{name} has the shape {new.shape}, not {np.shape(values)}"


def change_kind(rng: np.random.Generator, path: Path) -> str:
    """Store an array as another kind of values."""
    with h5py.File(path, "r+") as file:
        name, values = _dataset(rng, file)
        if not name:
            return "values: nothing"
        kind = _pick(rng, ["f8", "f2", "i8", "u1", "S3", "c8", "bool"])
        try:
            with np.errstate(all="ignore"):
                new = np.asarray(values).astype(kind)
        except (ValueError, TypeError):
            new = np.zeros(np.shape(values), dtype=kind)
        _replace(file, name, new)
    return f"values: {name} is of the kind {kind} now"


def change_value(rng: np.random.Generator, path: Path) -> str:
    """Write another number somewhere into an array."""
    with h5py.File(path, "r+") as file:
        name, values = _dataset(rng, file)
        if not name or np.asarray(values).dtype.kind not in "iuf" or not np.size(values):
            return "values: nothing"
        new = np.array(values, dtype=np.int64 if np.asarray(values).dtype.kind in "iu" else np.float64)
        new.reshape(-1)[int(rng.integers(new.size))] = _pick(rng, list(_NUMBERS))
        _replace(file, name, new)
    return f"values: one of {name} is another"


def declare_much(rng: np.random.Generator, path: Path) -> str:
    """Declare an array of a size that no file holds."""
    with h5py.File(path, "r+") as file:
        name, values = _dataset(rng, file)
        if not name or np.ndim(values) == 0:
            return "values: nothing"
        shape = (int(_pick(rng, [10**7, 10**10, 2**40])), *np.shape(values)[1:])
        how: dict[str, Any] = {"shape": shape, "dtype": file[name].dtype}
        if rng.integers(2):
            how |= {"chunks": (1024, *np.shape(values)[1:]), "compression": "gzip"}
        _replace(file, name, None, **how)
    return f"{name} declares the shape {shape}"


def other_kind(rng: np.random.Generator, path: Path) -> str:
    """Put a group where an array was, or an array where a group was."""
    with h5py.File(path, "r+") as file:
        name = _pick(rng, _objects(file))
        if name == "/":
            return "values: nothing"
        was = file[name]
        attributes, group = dict(was.attrs), isinstance(was, h5py.Group)
        del file[name]
        made = file.create_dataset(name, data=np.arange(3)) if group else file.create_group(name)
        for key, value in attributes.items():
            made.attrs[key] = value
    return f"{name} is {'an array' if group else 'a group'} now"


def link(rng: np.random.Generator, path: Path) -> str:
    """Put a link where something was: to nowhere, to another file, or to what holds it."""
    with h5py.File(path, "r+") as file:
        name = _pick(rng, _objects(file))
        if name == "/":
            return "values: nothing"
        parent = file[name].parent
        del file[name]
        made = _pick(rng, [h5py.SoftLink("/nowhere"), h5py.ExternalLink("other.h5", "/x"), h5py.SoftLink("/"), parent])
        file[name] = made
    return f"{name} is a link ({type(made).__name__})"


def swap(rng: np.random.Generator, path: Path) -> str:
    """Exchange two arrays or groups."""
    with h5py.File(path, "r+") as file:
        one, other = (_pick(rng, _objects(file)) for _ in range(2))
        if one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/") or "/" in (one, other):
            return "values: nothing"
        file.move(one, "scratch")
        file.move(other, one)
        file.move("scratch", other)
    return f"values: {one} and {other} exchanged"


HDF5: tuple[Mutation, ...] = (
    delete, change_attribute, change_attribute, change_length, change_shape, change_kind, change_value, change_value,
    declare_much, other_kind, link, swap,
)  # fmt: skip

"""Values of a run in one file without pickle: arrays as npz, everything around them as JSON.

What may be stored is None, bool, int, float, str, arrays, sparse matrices, tuples, lists, mappings, and dataclasses
that are named by whoever reads the file: nothing in a file can make the program build anything else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from scgnn2_engine.errors import InputError

TREE = "tree"
VERSION = 1
"""Of the form; a file of a later one is refused."""


def store(path: Path, value: Any) -> None:
    """Write a value to a file.

    Raises
    ------
    TypeError
        It holds something that cannot be stored.
    OSError
        The file cannot be written.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = json.dumps({"version": VERSION, "value": _tree(value, arrays)})
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{TREE: np.frombuffer(tree.encode(), np.uint8)}, **arrays)


def restore(path: Path, types: Iterable[type], only: str = "") -> Any:
    """Read what :func:`store` wrote.

    Parameters
    ----------
    path
        The file.
    types
        The dataclasses that may be in it.
    only
        Of a mapping the value of this name alone, None where it has none; nothing else is read.

    Raises
    ------
    InputError
        The file is damaged, is of another kind, or was written by a later version of the program.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "value.npz"
    >>> store(path, {"k": 3, "weights": (np.ones(2), None)})
    >>> restore(path, ())
    {'k': 3, 'weights': (array([1., 1.]), None)}
    >>> restore(path, (), only="k")
    3
    """
    known = {kind.__name__: kind for kind in types}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            stored = json.loads(bytes(arrays[TREE]))
            if stored["version"] > VERSION:
                raise InputError(
                    f"{path.name} was written by a later version of scgnn2.",
                    expected=f"form {VERSION} or an earlier one",
                    found=f"form {stored['version']}",
                    advice="Read it with that version: pip install --upgrade scgnn2.",
                )
            value = dict(stored["value"]["mapping"]).get(only) if only else stored["value"]
            return _value(value, _Once(arrays), known)
    except InputError:
        raise
    except Exception as error:  # whatever a damaged archive raises
        raise InputError(
            f"{path} cannot be read: {type(error).__name__}: {error}",
            expected="a file that scgnn2 wrote",
            advice="If it was copied, copy it again; else run again.",
        ) from error


class _Once(dict[str, Any]):
    """The arrays of an archive, each read once: who shared one shares it again."""

    def __init__(self, archive: Mapping[str, Any]) -> None:
        super().__init__()
        self._archive = archive

    def __missing__(self, name: str) -> Any:
        self[name] = self._archive[name]
        return self[name]


def _tree(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """The value as JSON holds it, its arrays by name in ``arrays``."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        name = next((name for name, other in arrays.items() if other is value), f"array_{len(arrays)}")
        arrays[name] = value  # once, wherever it is held
        return {"array": name}
    if sp.issparse(value):
        csr = sp.csr_matrix(value)
        return {"csr": _tree([csr.data, csr.indices, csr.indptr, list(csr.shape)], arrays)}
    if isinstance(value, tuple):
        return {"tuple": [_tree(item, arrays) for item in value]}
    if isinstance(value, list):
        return [_tree(item, arrays) for item in value]
    if isinstance(value, Mapping):
        return {"mapping": [[_tree(key, arrays), _tree(item, arrays)] for key, item in value.items()]}
    if is_dataclass(value):
        held = {field.name: _tree(getattr(value, field.name), arrays) for field in fields(value) if field.init}
        return {"type": type(value).__name__, "fields": held}
    raise TypeError(f"expected a value that can be stored, found {type(value).__name__}")


def _value(tree: Any, arrays: Mapping[str, Any], known: Mapping[str, type]) -> Any:
    if isinstance(tree, list):
        return [_value(item, arrays, known) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return arrays[tree["array"]]
    if "csr" in tree:
        data, indices, indptr, shape = _value(tree["csr"], arrays, known)
        return sp.csr_matrix((data, indices, indptr), shape=shape)
    if "tuple" in tree:
        return tuple(_value(item, arrays, known) for item in tree["tuple"])
    if "mapping" in tree:
        return {_value(key, arrays, known): _value(item, arrays, known) for key, item in tree["mapping"]}
    return known[tree["type"]](**{name: _value(item, arrays, known) for name, item in tree["fields"].items()})

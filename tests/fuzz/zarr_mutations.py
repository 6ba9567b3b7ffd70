"""Ways to damage a zarr folder: the bytes of its chunks, and what its descriptions say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from mutations import BYTES, Mutation, in_folder

_VALUES: tuple[Any, ...] = (
    None,
    -1,
    0,
    1,
    7,
    2**40,
    "x",
    "",
    [],
    {},
    [2**40],
    [3, 4],
    "<i8",
    "|O",
    "float64",
    True,
    1.5,
)


def change_description(rng: np.random.Generator, folder: Path) -> str:
    """Change a value somewhere in a description, or take it out."""
    files = sorted(path for path in folder.rglob("*") if path.name.startswith(".z") or path.name == "zarr.json")
    path = files[int(rng.integers(len(files)))]
    described = json.loads(path.read_text())
    places = list(_places(described))
    if not places:
        return "values: nothing"
    holder, key = places[int(rng.integers(len(places)))]
    if rng.integers(4):
        holder[key] = _VALUES[int(rng.integers(len(_VALUES)))]
        what = f"{path.relative_to(folder)} says {key}: {holder[key]!r}"
    else:
        del holder[key]
        what = f"{path.relative_to(folder)} says nothing of {key}"
    path.write_text(json.dumps(described))
    return what


def _places(value: Any) -> Any:
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)


ZARR: tuple[Mutation, ...] = (in_folder(*BYTES), change_description)
"""A chunk that is gone is read as the fill value, as zarr leaves out chunks that hold nothing else."""

"""Ways to damage a file: its bytes, its lines, or the parts of its format.

A mutation changes a file (or a file of a folder) in place and returns what it did, in words. Words that begin with
``values`` say that it wrote other values of the right kind: a file that is whole, and rightly read as something else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

Mutation = Callable[[np.random.Generator, Path], str]


def flip_bits(rng: np.random.Generator, path: Path) -> str:
    """Turn one to eight bits over."""
    content = bytearray(path.read_bytes())
    places = rng.integers(0, max(1, 8 * len(content)), rng.integers(1, 9))
    for place in places if content else ():
        content[place // 8] ^= 1 << (place % 8)
    path.write_bytes(content)
    return f"bits {sorted(places.tolist())} of {path.name} turned over"


def truncate(rng: np.random.Generator, path: Path) -> str:
    """Cut the end off."""
    size = path.stat().st_size
    kept = int(rng.integers(0, max(1, size)))
    path.write_bytes(path.read_bytes()[:kept])
    return f"{path.name} cut after {kept} of {size} bytes"


def write_over(rng: np.random.Generator, path: Path) -> str:
    """Write a run of zeros, ones or anything over some bytes."""
    content = bytearray(path.read_bytes())
    start, length = int(rng.integers(0, max(1, len(content)))), int(rng.integers(1, 65))
    kind = int(rng.integers(3))
    run = b"\x00" * length if kind == 0 else b"\xff" * length if kind == 1 else rng.bytes(length)
    content[start : start + length] = run[: max(0, len(content) - start)]
    path.write_bytes(content)
    return f"{length} bytes of {path.name} written over at {start}"


def cut_out(rng: np.random.Generator, path: Path) -> str:
    """Take some bytes out, so that the rest moves up."""
    content = path.read_bytes()
    start, length = int(rng.integers(0, max(1, len(content)))), int(rng.integers(1, 33))
    path.write_bytes(content[:start] + content[start + length :])
    return f"{length} bytes cut out of {path.name} at {start}"


BYTES: tuple[Mutation, ...] = (flip_bits, flip_bits, truncate, write_over, cut_out)
"""For every format."""

_FIELDS = (
    "",
    "-1",
    "0",
    "1.5",
    "1e999",
    "nan",
    "99999999999999999999",
    "2147483648",
    "-0",
    "x",
    '"',
    "\x00",
    "é",
    "1,5",
)


def drop_line(rng: np.random.Generator, path: Path) -> str:
    """Take a line out."""
    lines = path.read_bytes().split(b"\n")
    at = int(rng.integers(len(lines)))
    del lines[at]
    path.write_bytes(b"\n".join(lines))
    return f"values: line {at + 1} of {path.name} taken out"


def repeat_line(rng: np.random.Generator, path: Path) -> str:
    """Write a line twice."""
    lines = path.read_bytes().split(b"\n")
    at = int(rng.integers(len(lines)))
    lines.insert(at, lines[at])
    path.write_bytes(b"\n".join(lines))
    return f"values: line {at + 1} of {path.name} written twice"


def change_field(rng: np.random.Generator, path: Path) -> str:
    """Write something else into a field of a line of text."""
    lines = path.read_bytes().split(b"\n")
    at = int(rng.integers(len(lines)))
    separator = next((mark for mark in (b"\t", b",", b" ") if mark in lines[at]), b"\t")
    fields = lines[at].split(separator)
    place, value = int(rng.integers(len(fields))), _FIELDS[int(rng.integers(len(_FIELDS)))]
    fields[place] = value.encode()
    lines[at] = separator.join(fields)
    path.write_bytes(b"\n".join(lines))
    return f"values: field {place + 1} of line {at + 1} of {path.name} is now {value!r}"


def add_field(rng: np.random.Generator, path: Path) -> str:
    """Write a field more into a line of text, or one less."""
    lines = path.read_bytes().split(b"\n")
    at = int(rng.integers(len(lines)))
    separator = next((mark for mark in (b"\t", b",", b" ") if mark in lines[at]), b"\t")
    fields = lines[at].split(separator)
    if rng.integers(2) and len(fields) > 1:
        del fields[int(rng.integers(len(fields)))]
    else:
        fields.insert(int(rng.integers(len(fields) + 1)), b"7")
    lines[at] = separator.join(fields)
    path.write_bytes(b"\n".join(lines))
    return f"line {at + 1} of {path.name} has {len(fields)} fields now"


LINES: tuple[Mutation, ...] = (drop_line, repeat_line, change_field, change_field, add_field)
"""For formats of text."""


def in_folder(*mutations: Mutation, pattern: str = "**/*") -> Mutation:
    """Make a mutation of a folder of those of a file: it changes one of its files, or takes one away."""

    def mutate(rng: np.random.Generator, folder: Path) -> str:
        files = sorted(path for path in folder.glob(pattern) if path.is_file())
        path = files[int(rng.integers(len(files)))]
        choice = int(rng.integers(len(mutations) + 1))
        if choice == len(mutations):
            path.unlink()
            return f"{path.relative_to(folder)} is gone"
        return f"{mutations[choice](rng, path)} ({path.relative_to(folder)})"

    return mutate

"""Which files of a folder belong together: matrices, and the files of names beside them, under any usual name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal

Role = Literal["cells", "features", "symbols", "rows", "columns"]
Words = tuple[str, ...]

_PACKED = re.compile(r"\.(gz|bz2|xz|zst)$", re.IGNORECASE)
_TEXT = re.compile(r"\.(tsv|txt|csv|tab|list)$", re.IGNORECASE)
_MATRIX = re.compile(r"\.(mtx|mm)$", re.IGNORECASE)
_ARRAY = re.compile(r"\.npz$", re.IGNORECASE)
_DIGITS = "0123456789"
_BETWEEN = re.compile(r"[._\-\s]+")

_ROLES: dict[Role, tuple[str, ...]] = {
    "cells": (
        "barcodes", "barcode", "cells", "cell", "cell names", "cellnames", "cell ids", "cell barcodes", "cellids",
        "samples", "obs names", "obs", "cell metadata", "cell annotations", "metadata", "spots",
    ),
    "features": (
        "features", "feature", "genes", "gene", "all genes", "gene ids", "geneids", "feature names", "var names", "var",
        "gene metadata", "gene annotations", "symbols", "peaks",
    ),
    "symbols": ("genes names", "gene names", "genenames", "gene symbols", "genesymbols"),
    "rows": ("rows", "rownames", "row names", "mtx rows"),
    "columns": ("cols", "columns", "colnames", "col names", "column names", "mtx cols"),
}  # fmt: skip
_PHRASES: dict[Words, tuple[Role, int]] = {
    tuple(phrase.split()): (role, rank) for role, phrases in _ROLES.items() for rank, phrase in enumerate(phrases)
}
_MATRIX_WORDS = frozenset({"matrix", "counts", "count", "mtx", "dge", "expression", "data"})
_SAYS_NO_SAMPLE = frozenset({
    "x", "m", "my", "sc", "cell", "cells", "gene", "genes", "expr", "exprs", "umi", "umis", "raw", "norm", "normalized",
    "sparse", "all",
})  # fmt: skip
_SAYS_MATRIX = re.compile(rf"(^|[._\-\s]+)({'|'.join(_MATRIX_WORDS)})(?=[._\-\s]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class MatrixFiles:
    """Matrices over the same cells and features, and the files that name those, the likeliest first.

    Attributes
    ----------
    matrices
        By what tells one from the others: ``{"spliced": path}``.
    names
        Files for each role.
    prefix
        What stands before the words that say the role, in the names of files: ``GSM1_ctrl``.
    """

    matrices: dict[str, Path]
    names: dict[Role, tuple[Path, ...]]
    prefix: str

    @property
    def folder(self) -> Path:
        """Where they are."""
        return next(iter(self.matrices.values())).parent


def is_matrix(name: str) -> bool:
    """Whether a file is called like a Matrix Market file.

    Examples
    --------
    >>> is_matrix("GSM1_matrix.mtx.gz"), is_matrix("matrix.mtx.md5")
    (True, False)
    """
    return _MATRIX.search(_PACKED.sub("", name)) is not None


def matrix_files(folder: Path) -> list[MatrixFiles]:
    """The matrices of a folder in groups that share their cells and features, by name."""
    every = sorted((path for path in folder.iterdir() if path.is_file()), key=_packed_first)
    candidates = [(path, *one) for path in every for one in _readings(path.name)]
    groups: dict[tuple[Path | None, ...], list[Path]] = defaultdict(list)
    for path in every:
        if is_matrix(path.name) and (path.suffix == "" or not _twin(path, every)):
            found = _beside(path, candidates)
            first = (
                (*found.get("cells", ()), *found.get("columns", ())),
                (*found.get("features", ()), *found.get("rows", ())),
            )
            groups[tuple(next(iter(paths), None) for paths in first) if any(first) else (path,)].append(path)
    return sorted((_group(paths, candidates) for paths in groups.values()), key=lambda one: one.prefix)


def names_beside(path: Path) -> dict[Role, tuple[Path, ...]]:
    """The files that name the rows and columns of one matrix, the likeliest first; of any format."""
    every = sorted(entry for entry in path.parent.iterdir() if entry.is_file())
    return _beside(path, [(entry, *one) for entry in every for one in _readings(entry.name)])


def _packed_first(path: Path) -> tuple[str, bool]:
    return _PACKED.sub("", path.name), _PACKED.search(path.name) is None


def _twin(path: Path, every: Iterable[Path]) -> bool:
    """Whether the same file is there in a packed form, too, which is read then."""
    if _PACKED.search(path.name):
        return False
    return any(_PACKED.search(other.name) and _PACKED.sub("", other.name) == path.name for other in every)


def _words(name: str) -> Words:
    return tuple(word for word in _BETWEEN.split(name.lower()) if word)


def _readings(name: str) -> Iterator[tuple[Words, Role, int]]:
    """What a file of names may be: the words left without those that say the role, the role, and how usual they are."""
    plain = _PACKED.sub("", name)
    if not (_TEXT.search(plain) or plain.lower().endswith(("mtx_rows", "mtx_cols"))):
        return
    words = _words(_TEXT.sub("", plain))
    for size in (2, 1):
        for start in range(len(words) - size, -1, -1):
            if (known := _PHRASES.get(words[start : start + size])) is not None:
                yield words[:start] + words[start + size :], *known


def _beside(matrix: Path, candidates: list[tuple[Path, Words, Role, int]]) -> dict[Role, tuple[Path, ...]]:
    """The files that name the rows and columns of a matrix: those that share most of its name, the usual ones first."""
    words = _words(_stem(matrix))
    plain = tuple(word for word in words if word not in _MATRIX_WORDS)
    found: dict[Role, dict[Path, tuple[int, int]]] = defaultdict(dict)
    for path, left, role, rank in candidates:
        if left == plain or left == words[: len(left)]:
            closeness = (-len(left), rank)
            found[role][path] = min(closeness, found[role].get(path, closeness))
    names = {role: _closest(paths) for role, paths in found.items()}
    taken = {path for role in ("cells", "features", "symbols") for path in names.get(role, ())}
    for role in ("cells", "features"):  # a file of the whole series, under a name of its own
        others = {path: left for path, left, other, _ in candidates if other == role and path not in taken}
        if role not in names and len(others) == 1 and not _of_another(next(iter(others.values())), plain, role):
            names[role] = tuple(others)
    return names


def _of_another(left: Words, plain: Words, role: Role) -> bool:
    """Whether a file of names is that of another sample: S10_genes beside S1_matrix, stim_barcodes beside ctrl_matrix.

    The genes may be those of a series, whatever it is called; the cells are those of a sample.
    """
    numbered = [(one, other) for one, other in zip_longest(left, plain, fillvalue="") if one != other]
    if plain and numbered and all(one.rstrip(_DIGITS) == other.rstrip(_DIGITS) for one, other in numbered):
        return True
    return role == "cells" and bool(set(plain) - _SAYS_NO_SAMPLE) and set(left).isdisjoint(plain)


def _closest(paths: dict[Path, tuple[int, int]]) -> tuple[Path, ...]:
    nearest = min(closeness for closeness, _ in paths.values())
    return tuple(sorted((path for path in paths if paths[path][0] == nearest), key=lambda path: paths[path][1]))


def _stem(path: Path) -> str:
    return _ARRAY.sub("", _MATRIX.sub("", _PACKED.sub("", path.name)))


def _group(paths: list[Path], candidates: list[tuple[Path, Words, Role, int]]) -> MatrixFiles:
    stems = [_stem(path) for path in paths]
    ends = [[between.span() for between in _BETWEEN.finditer(stem)] for stem in stems]
    common = 0  # words that all begin with
    while len(paths) > 1 and all(len(one) > common for one in ends):
        if len({stem[: one[common][1]] for stem, one in zip(stems, ends, strict=True)}) > 1:
            break
        common += 1
    shared = stems[0][: ends[0][common - 1][0]] if common else stems[0] if len(paths) == 1 else ""
    matrices = {
        stem[ends[0][common - 1][1] :] if common else stem: path for stem, path in zip(stems, paths, strict=True)
    }
    return MatrixFiles(matrices, _beside(paths[0], candidates), _SAYS_MATRIX.sub("", shared).strip("._- "))

"""Finding data sets in folders: a folder of folders, each with a matrix and perhaps labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read_dataset
from scgnn2_engine.io.paths import expanded
from scgnn2_engine.io.readers.mtx_files import is_matrix
from scgnn2_engine.io.readers.mtx_samples import samples_below
from scgnn2_engine.params import RunParams

GENES_BY_CELLS = "original_top_expression.csv"
"""The published program's name of the matrix, whose rows are always genes."""

MATRICES = (GENES_BY_CELLS, "expression.csv", "expression.tsv", "expression.txt", "counts.h5ad", "counts.h5")
"""Names that are looked for first, each plain or with .gz; then any single .h5ad, .h5 or .rds."""

BULK = ("bulk.csv", "bulk.tsv")
LABELS = ("labels.csv", "labels.tsv", "top_cell_labels.csv")
OTHER_MATRICES = ("*.h5ad", "*.h5", "*.rds", "*.rda", "*.RData")


@dataclass(frozen=True)
class DataSet:
    """Where one data set is.

    Attributes
    ----------
    name
        Name of its folder.
    matrix
        File or 10x folder of the expression.
    labels
        File of cells and known types, or None.
    bulk
        File of genes and bulk samples, or None: tasks are scored by it, no run sees it.
    fingerprint
        Of the content of these files, so that scores of changed data are not taken for its own.
    """

    name: str
    matrix: Path
    labels: Path | None
    fingerprint: str
    bulk: Path | None = None


def find_data_sets(
    folders: Sequence[str | Path], names: Sequence[str] | None = None
) -> tuple[tuple[DataSet, ...], tuple[str, ...]]:
    """The data sets in some folders.

    Parameters
    ----------
    folders
        Each a data set itself, or a folder of them. A data set is a folder with ``original_top_expression.csv`` (genes
        x cells), ``expression.csv``, ``.tsv`` or ``.txt``, ``counts.h5ad`` or ``.h5`` (text also with ``.gz``), one
        other .h5ad, .h5, .rds or .RData, or a 10x folder (also inside another folder); and perhaps ``labels.csv``
        or ``top_cell_labels.csv``.
    names
        Take these only; None takes all.

    Returns
    -------
    data_sets, notes
        In the order of ``names``, else by name; and a sentence for each folder that was passed over.

    Raises
    ------
    InputError
        A folder is missing or holds no data set, two data sets have one name, or a name is not there.
    """
    found: dict[str, tuple[Path, Path]] = {}
    notes: list[str] = []
    for folder in map(Path, folders):
        for place in _places(expanded(folder).resolve()):
            if not (place.name and place.name.isprintable()):  # it could not stand in a table, nor in a record
                notes.append(f"{str(place)!a} is passed over: its name has characters that cannot be printed.")
                continue
            matrix = _matrix(place)
            if isinstance(matrix, str):
                notes.append(f"{place} is passed over: {matrix}.")
            elif found.setdefault(place.name, (place, matrix))[0] != place:
                raise InputError(
                    f"Two data sets are called {place.name}.",
                    expected="folders of different names",
                    found=f"{found[place.name][0]} and {place}",
                    advice="Rename one of the folders: its name stands in the tables.",
                )
    if not found:
        raise InputError(
            f"There is no data set in {' or '.join(str(folder) for folder in folders)}.",
            expected=f"folders with {', '.join(MATRICES)} or a 10x folder (matrix.mtx.gz)",
            found=" ".join(notes) or "no folders",
        )
    missing = [name for name in names or () if name not in found]
    if missing:
        raise InputError(
            f"There is no data set {missing[0]!r}.", expected=f"of {', '.join(sorted(found))}", found=" ".join(notes)
        )
    chosen = list(dict.fromkeys(names)) if names else sorted(found)
    return tuple(_data_set(name, *found[name]) for name in chosen), tuple(notes)


def read_data_set(data_set: DataSet, settings: Mapping[str, Any] | None = None) -> Dataset:
    """Read the matrix and the labels; ``settings`` are ``load_*`` parameters laid over what the names tell."""
    values: dict[str, Any] = {}
    if data_set.matrix.name.removesuffix(".gz") == GENES_BY_CELLS:
        values["load_orientation"] = "genes-by-cells"
    if data_set.labels is not None:
        values["load_cell_type_labels"] = str(data_set.labels)
    params = RunParams(preset="paper", **{**values, **(settings or {})})
    return replace(read_dataset(params, data_set.matrix), states=None, bulk=None)


def read_bulk(data_set: DataSet) -> pd.DataFrame | None:
    """Genes × samples of the bulk beside the matrix, None where there is none."""
    if data_set.bulk is None:
        return None
    separator = "\t" if ".tsv" in data_set.bulk.name else ","
    return pd.read_csv(data_set.bulk, sep=separator, index_col=0)


def _data_set(name: str, place: Path, matrix: Path) -> DataSet:
    labels, bulk = (next((file for file in _named(place, names) if file.is_file()), None) for names in (LABELS, BULK))
    parts = sorted(file for file in matrix.iterdir() if file.is_file()) if matrix.is_dir() else [matrix]
    digest = hashlib.blake2b(digest_size=8)
    for part in [*parts, *([labels] if labels else []), *([bulk] if bulk else [])]:
        with part.open("rb") as handle:
            digest.update(hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).digest())
    return DataSet(name, matrix, labels, digest.hexdigest(), bulk)


def _places(folder: Path) -> list[Path]:
    """The folder itself where it is a data set, else the folders in it."""
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder.",
            expected="a folder of data sets",
            found="a file" if folder.exists() else "nothing",
        )
    if not isinstance(_matrix(folder, nested=False), str):
        return [folder]
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _matrix(place: Path, *, nested: bool = True) -> Path | str:
    """The matrix of a data set's folder, or why there is none."""
    for file in _named(place, MATRICES):
        if file.is_file():
            return file
    if any(is_matrix(file.name) for file in place.iterdir() if file.is_file()):
        return place
    others = sorted(file for pattern in OTHER_MATRICES for file in place.glob(pattern))
    if nested and not others:
        others = sorted({sample.files.folder for sample in samples_below(place).every})
    if len(others) == 1:
        return others[0]
    if others:
        return f"it holds several matrices ({', '.join(file.name for file in others)}) and none is called {MATRICES[1]}"
    return f"no matrix is in it (looked for {', '.join(MATRICES)}, a single .h5ad, .h5, .rds or .RData, a 10x folder)"


def _named(place: Path, names: Sequence[str]) -> list[Path]:
    return [place / f"{name}{suffix}" for name in names for suffix in ("", ".gz")]

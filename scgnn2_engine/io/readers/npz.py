"""One matrix in a NumPy archive (scipy.sparse.save_npz, numpy.savez), with names in it or in files beside it."""

from __future__ import annotations

import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.evidence.orientation import Orientation
from scgnn2_engine.io.format_detection import BROKEN, Start, cannot_read
from scgnn2_engine.io.format_protocol import About, Format
from scgnn2_engine.io.memory import require_memory
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.readers.mtx_files import Role, names_beside
from scgnn2_engine.io.readers.mtx_names import NamesFile, cells_of, features_of, read_names
from scgnn2_engine.io.readers.tenx_features import with_features
from scgnn2_engine.io.storage.sparse_structure import check_compressed
from scgnn2_engine.params import LoadParams

_OF_GENES = re.compile(r"(^|[_.\- ])(genes?|gene_?names|features?|var(_?names)?)([_.\- ]|$)", re.IGNORECASE)
_OF_CELLS = re.compile(r"(^|[_.\- ])(cells?|cell_?names|barcodes?|obs(_?names)?)([_.\- ]|$)", re.IGNORECASE)
_SPARSE = {"format", "shape", "data", "indices", "indptr"}


def read_npz(path: Path, load: LoadParams, max_memory: float = 0.0) -> Found:
    """Read a matrix from an npz; nothing in it that would run code is loaded.

    Parameters
    ----------
    path
        CSR or CSC as ``scipy.sparse.save_npz`` writes it, or one two-dimensional array of numbers. Names stand in
        arrays called ``genes`` and ``cells`` (or the like), or in files beside it: ``NAME_genes.txt``, ``cells.tsv``.
    load
        ``orientation``, where there are as many cells as genes.
    max_memory
        GiB the arrays may take; 0 takes what is free.

    Raises
    ------
    InputError
        It is damaged or holds objects, no matrix or several, or its names are missing or do not fit.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            needed = sum(info.file_size for info in archive.infolist())
        require_memory(3 * needed, f"{path}, read as a matrix,", max_memory)
        with np.load(path, allow_pickle=False) as archive:
            parts = {key: archive[key] for key in archive.files}
            arrays = {key: part for key, part in parts.items() if isinstance(part, np.ndarray)}  # others are no arrays
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise cannot_read(path, error) from error
        raise InputError(
            f"{path} holds Python objects, which are refused: loading them runs any code that is in them.",
            expected="arrays of numbers and of text",
            advice="Save names as text: numpy.savez(FILE, x=x, genes=numpy.asarray(genes, dtype=str), ...).",
        ) from error
    except (*BROKEN, MemoryError, EOFError, KeyError, SyntaxError, NotImplementedError) as error:
        raise cannot_read(path, error) from error
    matrix = _matrix(path, arrays)
    texts = {key: array for key, array in arrays.items() if array.dtype.kind in "US" and array.ndim == 1}
    return _named(path, matrix, texts, load)


def _matrix(path: Path, arrays: dict[str, Any]) -> Matrix:
    if {"format", "shape", "data"} <= set(arrays):
        text = arrays["format"].ravel()[:1].astype(np.str_)
        kind = str(text[0]) if len(text) else ""
        if (
            not set(arrays) >= _SPARSE
            or kind not in ("csr", "csc")
            or arrays["shape"].shape != (2,)
            or arrays["shape"].dtype.kind not in "iu"
        ):
            raise InputError(
                f"{path} is a sparse matrix of another form.",
                expected="csr or csc of two axes",
                found=kind or "nothing",
                advice="Save it so: scipy.sparse.save_npz(FILE, x.tocsr()).",
            )
        shape = int(arrays["shape"][0]), int(arrays["shape"][1])
        data, indices, indptr = arrays["data"], arrays["indices"], arrays["indptr"]
        check_compressed(data, indices, indptr, shape, by="rows" if kind == "csr" else "columns", what=str(path))
        form = sp.csr_matrix if kind == "csr" else sp.csc_matrix
        matrix: Matrix = form((data, indices, indptr), shape=shape).tocsr()
        return matrix
    found = [array for array in arrays.values() if array.ndim == 2 and array.dtype.kind in "biuf"]
    if len(found) != 1:
        shapes = (f"{key} {'x'.join(map(str, array.shape))}" for key, array in arrays.items())
        raise InputError(
            f"{path} holds {len(found)} matrices.",
            expected="one: a csr or csc of scipy.sparse.save_npz, or an array of two axes",
            found=listed(shapes, 8),
            advice="Save the matrix alone, with its names, or write an h5ad.",
        )
    return np.asarray(found[0])


def _named(path: Path, matrix: Matrix, texts: dict[str, Any], load: LoadParams) -> Found:
    cells = _names(path, texts, _OF_CELLS, ("cells",))
    genes = _names(path, texts, _OF_GENES, ("features", "symbols"))
    if cells is None or genes is None:
        raise InputError(
            f"{path} has no names of {'cells' if cells is None else 'genes'}.",
            expected=f"{path.stem}_cells.txt (barcodes.tsv) and {path.stem}_genes.txt (genes.tsv) beside it",
            found=listed(sorted(entry.name for entry in path.parent.iterdir() if entry != path), 8) or "nothing",
            advice="Write a name on each line of such files, or write an h5ad: anndata.AnnData(x, obs, var).",
        )
    n_rows, n_columns = matrix.shape
    fits = {
        "cells-by-genes": _fits(cells, n_rows) and _fits(genes, n_columns),
        "genes-by-cells": _fits(genes, n_rows) and _fits(cells, n_columns),
    }
    if not any(fits.values()):
        raise InputError(
            f"The names of {path} do not fit it.",
            expected=f"names for {n_rows} x {n_columns}",
            found=f"{len(cells.lines)} lines in {cells.path.name}, {len(genes.lines)} in {genes.path.name}",
            advice="Give the names that belong to this matrix.",
        )
    if all(fits.values()) and load.orientation == "auto":
        raise InputError(
            f"{path} has as many cells as genes ({n_rows}), so that its shape does not tell which is which.",
            expected="--load_orientation cells-by-genes (rows are cells) or genes-by-cells (rows are genes)",
            advice="Say which it is.",
        )
    orientation: Orientation = "cells-by-genes" if fits["cells-by-genes"] else "genes-by-cells"
    if all(fits.values()):
        orientation = "genes-by-cells" if load.orientation == "genes-by-cells" else "cells-by-genes"
    turned = orientation == "genes-by-cells"
    n_obs, n_vars = (n_columns, n_rows) if turned else (n_rows, n_columns)
    obs_names, obs, cell_notes = cells_of(cells, n_obs)
    features, gene_notes = features_of(genes, n_vars)
    expression = matrix.T if turned else matrix
    expression = expression if isinstance(expression, np.ndarray) else expression.tocsr()
    found = with_features(str(path), expression, obs_names, features, orientation, "by the numbers of names")
    said = f"Names from {cells.path.name} and {genes.path.name}."
    facts = {**found.facts, "matrix": "array"}
    return replace(found, obs=obs, facts=facts, notes=(*found.notes, said, *cell_notes, *gene_notes))


def _fits(names: NamesFile, n: int) -> bool:
    """Whether it names so many: with a header above them where there is one."""
    with_header = names.misfit(len(names.lines) - 1) == 1
    return names.misfit(n) == int(with_header)


def _names(path: Path, texts: dict[str, Any], pattern: re.Pattern[str], roles: tuple[Role, ...]) -> NamesFile | None:
    """Names in the archive, or in the file beside it that is called like it, or like those of any matrix."""
    for key, array in texts.items():
        if pattern.search(key):
            values = array.astype(np.str_).tolist()
            return NamesFile(path.with_name(f"{path.name}: {key}"), [[value] for value in values])
    beside = names_beside(path)
    chosen = next((beside[role] for role in roles if role in beside), ())
    return read_names(chosen[0]) if chosen else None


def _recognises(start: Start) -> bool:
    return bool(start.members) and all(name.endswith(".npy") for name in start.members)


FORMAT = Format(
    "npz",
    "NumPy archive (.npz)",
    (".npz",),
    _recognises,
    read_npz,
    about=About(
        tools=("scipy 1.18.1 (save_npz)", "numpy (savez)"),
        names="arrays called genes and cells in it, or files beside it: NAME_genes.txt, genes.tsv, barcodes.tsv",
        refused=(
            ("without names", "write a name on each line of such files, or an h5ad"),
            ("Python objects in it", "save names as text: numpy.asarray(names, dtype=str)"),
        ),
    ),
)

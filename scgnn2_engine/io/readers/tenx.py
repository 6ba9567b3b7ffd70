"""10x folders, of Cell Ranger 2 and 3 and of what writes like it: a matrix and the names of its rows and columns.

Read with scipy: scanpy's reader takes seconds to import, and says neither what is missing nor what a matrix will need.
"""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse as sp

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.format import Format
from scgnn2_engine.io.memory import require_memory
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.readers.tenx_features import EXPRESSION, Features, with_features
from scgnn2_engine.io.start import BROKEN, Start, cannot_read
from scgnn2_engine.params import LoadParams


def read_tenx_folder(folder: Path, *, max_memory: float = 0.0) -> Found:
    """Read matrix.mtx with barcodes.tsv and genes.tsv (v2) or features.tsv (v3), each plain or gzip.

    A prefix common to the three names, as on GEO, is allowed; so is a folder that holds one such folder below it.
    Where further ones lie deeper, the uppermost is read and a warning names the others.
    Gene symbols become the names; features that are not gene expression (antibodies, guides) are left out and
    reported.

    Raises
    ------
    InputError
        A file is missing, truncated or does not fit the others.
    InsufficientMemoryError
        The matrix is expected not to fit.
    """
    matrix, others = _find_matrix(folder)
    prefix, _, _ = matrix.name.partition("matrix.mtx")
    barcodes = _lines(_partner(matrix.parent, prefix, ("barcodes.tsv",)))
    feature_file = _partner(matrix.parent, prefix, ("features.tsv", "genes.tsv"))
    features = [line.split("\t") for line in _lines(feature_file)]
    n_genes, n_cells, n_entries = _size(matrix)
    if (len(features), len(barcodes)) != (n_genes, n_cells):
        raise InputError(
            f"{matrix} does not fit the names beside it.",
            expected=f"{len(features)} genes ({feature_file.name}) x {len(barcodes)} cells",
            found=f"{n_genes} x {n_cells}",
            advice="The three files must come from one run.",
        )
    require_memory(40.0 * n_entries, f"{matrix}", max_memory)
    try:
        entries = scipy.io.mmread(matrix).tocoo()
    except (*BROKEN, ValueError, OverflowError) as error:
        raise cannot_read(matrix, error) from error
    expression = sp.csr_matrix((entries.data.astype(np.float32), (entries.col, entries.row)), shape=(n_cells, n_genes))
    named = Features(
        ids=[feature[0] for feature in features],
        symbols=[feature[1] if len(feature) > 1 else feature[0] for feature in features],
        kinds=[feature[2] if len(feature) > 2 else EXPRESSION for feature in features],
    )
    found = with_features(str(matrix.parent), expression, barcodes, named)
    if not others:
        return found
    passed_over = (
        f"{folder} holds other 10x matrices below {matrix.relative_to(folder)}, which was read: "
        f"{listed(path.relative_to(folder) for path in others)}. Name the folder of another one to read that."
    )
    return replace(found, warnings=(*found.warnings, passed_over))


def _find_matrix(folder: Path) -> tuple[Path, list[Path]]:
    """The uppermost matrix, and those further down."""
    levels = [
        sorted(path for path in folder.glob(pattern) if path.name.endswith((".mtx", ".mtx.gz")))
        for pattern in ("*matrix.mtx*", "*/*matrix.mtx*", "*/*/*matrix.mtx*")
    ]
    for depth, matches in enumerate(levels, start=1):
        if len(matches) == 1:
            return matches[0], [path for deeper in levels[depth:] for path in deeper]
        if matches:
            raise InputError(
                f"{folder} holds {len(matches)} 10x matrices.",
                expected="one",
                found=listed(path.relative_to(folder) for path in matches),
                advice="Name one folder.",
            )
    names = sorted(path.name for path in folder.iterdir())
    raise InputError(
        f"{folder} is not a 10x folder.",
        expected="matrix.mtx, barcodes.tsv and genes.tsv or features.tsv (each plain or .gz)",
        found=listed(names, 8) or "an empty folder",
        advice="Name a file in it if it holds one.",
    )


def _partner(folder: Path, prefix: str, stems: tuple[str, ...]) -> Path:
    for stem in stems:
        for name in (f"{prefix}{stem}.gz", f"{prefix}{stem}"):
            if (folder / name).is_file():
                return folder / name
    raise InputError(
        f"{folder} lacks {' or '.join(prefix + stem for stem in stems)} (plain or .gz).",
        expected="it beside the matrix",
        found=listed(sorted(path.name for path in folder.iterdir()), 8),
    )


def _lines(path: Path) -> list[str]:
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as handle:
            return [line.rstrip("\r\n") for line in handle if line.strip()]
    except (*BROKEN, UnicodeDecodeError) as error:
        raise cannot_read(path, error) from error


def _size(path: Path) -> tuple[int, int, int]:
    """Rows, columns and entries of a MatrixMarket file, from its header."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as handle:
            line = next((line for line in handle if not line.startswith("%")), "")
        n_rows, n_columns, n_entries = (int(field) for field in line.split())
    except (*BROKEN, ValueError) as error:
        raise cannot_read(path, error) from error
    return n_rows, n_columns, n_entries


def _read(path: Path, load: LoadParams, max_memory: float) -> Found:
    return read_tenx_folder(path, max_memory=max_memory)


def _recognises(start: Start) -> bool:
    return start.is_folder


FORMAT = Format("10x folder", "10x folder", (), _recognises, _read)

"""10x Genomics output: folders of a matrix and its names, and .h5 files, of versions 2 and 3.

Read with scipy and h5py: scanpy's readers take seconds to import, and neither say what is missing nor what a matrix
will need.
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
from scgnn2_engine.io.kinds import BROKEN, cannot_read
from scgnn2_engine.io.memory import require_memory
from scgnn2_engine.io.names import Names, listed

_EXPRESSION = "Gene Expression"


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
    symbols = [feature[1] if len(feature) > 1 else feature[0] for feature in features]
    kinds = [feature[2] if len(feature) > 2 else _EXPRESSION for feature in features]
    found = _expression_only(str(matrix.parent), expression, barcodes, symbols, kinds)
    if not others:
        return found
    passed_over = (
        f"{folder} holds other 10x matrices below {matrix.relative_to(folder)}, which was read: "
        f"{listed(path.relative_to(folder) for path in others)}. Name the folder of another one to read that."
    )
    return replace(found, warnings=(*found.warnings, passed_over))


def read_tenx_h5(path: Path, *, max_memory: float = 0.0) -> Found:
    """Read a 10x .h5 file of version 2 (one group for each genome) or 3 (the group ``matrix``).

    Raises
    ------
    InputError
        The file is damaged, or holds several genomes.
    InsufficientMemoryError
        The matrix is expected not to fit.
    """
    import h5py

    try:
        with h5py.File(path) as file:
            groups = ["matrix"] if "matrix" in file else sorted(key for key in file if "barcodes" in file[key])
            if len(groups) != 1:
                raise InputError(
                    f"{path} holds {len(groups)} genomes.",
                    expected="one",
                    found=", ".join(groups),
                    advice="Split it by genome, or read the folder of one of them.",
                )
            group = file[groups[0]]
            n_genes, n_cells = (int(size) for size in group["shape"][:])
            require_memory(24.0 * group["data"].shape[0], str(path), max_memory)
            names = group["features/name"] if "features" in group else group["gene_names"]
            kinds = group["features/feature_type"] if "features" in group else None
            # stored by columns, genes x cells: read by rows it is the CSR form of cells x genes
            expression = sp.csr_matrix(
                (group["data"][:].astype(np.float32), group["indices"][:], group["indptr"][:]), shape=(n_cells, n_genes)
            )
            symbols = [str(name) for name in names.asstr()[:]]
            barcodes = [str(name) for name in group["barcodes"].asstr()[:]]
            types = [str(kind) for kind in kinds.asstr()[:]] if kinds is not None else [_EXPRESSION] * n_genes
    except (*BROKEN, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise cannot_read(path, error) from error
    return _expression_only(str(path), expression, barcodes, symbols, types)


def _expression_only(
    source: str, expression: sp.csr_matrix, barcodes: list[str], symbols: list[str], kinds: list[str]
) -> Found:
    kept = np.asarray([kind == _EXPRESSION for kind in kinds])
    names: Names = np.asarray(symbols, dtype=np.str_)
    notes = ["Orientation genes-by-cells, as 10x files are."]
    if not kept.all():
        others = names[~kept]
        notes.append(f"{len(others)} features that are not gene expression were left out: {listed(others)}.")
        expression, names = expression[:, np.flatnonzero(kept)], names[kept]
    return Found(
        source=source,
        expression=expression,
        obs_names=np.asarray(barcodes, dtype=np.str_),
        var_names=names,
        facts={"orientation": "genes-by-cells", "matrix": "10x"},
        notes=tuple(notes),
    )


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

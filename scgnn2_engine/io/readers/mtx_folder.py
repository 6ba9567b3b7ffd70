"""Matrix Market files and the names beside them, alone and in folders: Cell Ranger, STARsolo, kb-python, GEO."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.format_detection import Start
from scgnn2_engine.io.format_protocol import About, Format
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.readers.alevin import is_binary, is_usa, layer_of_usa, refuse_binary, with_symbols
from scgnn2_engine.io.readers.matrix_market import VELOCYTO, read_header, read_matrix
from scgnn2_engine.io.readers.mtx_axes import is_alevin, named_axes
from scgnn2_engine.io.readers.mtx_files import MatrixFiles, matrix_files
from scgnn2_engine.io.readers.mtx_names import cells_of, features_of
from scgnn2_engine.io.readers.mtx_samples import choose, holds_matrices, samples_below
from scgnn2_engine.io.readers.tenx_features import with_features
from scgnn2_engine.params import LoadParams

_FIRST = ("matrix", "counts", "count_matrix", "DGE", "cell", "spliced", "quants_mat", "cells_x_genes")
"""Which of several matrices over the same names is read: unique reads of STARsolo, kb's sum of cells, velocyto's."""

_CELL_SUM = ("mature", "ambiguous")  # what kb's --sum=cell adds up


def read_mtx_folder(folder: Path, load: LoadParams, max_memory: float = 0.0) -> Found:
    """Read a matrix and its names from a folder, or from the folders below it.

    Parameters
    ----------
    folder
        With matrix.mtx, barcodes.tsv and features.tsv or genes.tsv under any usual name, plain or packed, or a folder
        above such a one.
    load
        ``sample``, ``genome`` and ``layer`` pick one of several matrices.
    max_memory
        Largest memory in GiB; 0 takes what is free.

    Raises
    ------
    InputError
        A file is missing, damaged or does not fit the others; there are several samples and none is chosen; nothing
        in it counts genes.
    InsufficientMemoryError
        The matrix is expected not to fit.
    """
    if not holds_matrices(folder):
        raise refuse_binary(folder)
    below = samples_below(folder)
    sample = choose(below, folder, load.sample, load.genome)
    found = _read(sample.files, load, max_memory, str(sample.files.folder))
    read = sample.files.folder.relative_to(folder) / next(iter(sample.files.matrices.values())).name
    notes, warnings = [*found.notes], [*found.warnings]
    if below.others:
        notes.append(
            f"{folder} holds other matrices of the same cells, which were not read: {listed(below.others)}. Name the "
            "folder of another one to read that."
        )
    if below.below:
        warnings.append(
            f"{folder} holds other 10x matrices below {read}, which was read: {listed(below.below)}. Name the folder "
            "of another one to read that."
        )
    return replace(found, notes=tuple(notes), warnings=tuple(warnings))


def read_mtx_file(path: Path, load: LoadParams, max_memory: float = 0.0) -> Found:
    """Read a Matrix Market file with the names that stand beside it.

    Raises
    ------
    InputError
        There are no names beside it; the rest as :func:`read_mtx_folder`.
    """
    files = next((files for files in matrix_files(path.parent) if path in files.matrices.values()), None)
    if files is None:
        files = MatrixFiles({path.name: path}, {}, "")
    layer = next(name for name, one in files.matrices.items() if one == path)
    return _read(replace(files, matrices={layer: path}), load, max_memory, str(path))


def _read(files: MatrixFiles, load: LoadParams, max_memory: float, source: str) -> Found:
    _refuse_classes(next(iter(files.matrices.values())))
    layers, notes = _layers(files, load.layer)
    path = files.matrices[layers[0]]
    header = read_header(path)
    named = named_axes(files, header, path, load)
    turned = named.orientation == "genes-by-cells"
    n_cells, n_features = header.shape[::-1] if turned else header.shape
    value = VELOCYTO.index(load.layer) if load.layer in VELOCYTO and load.layer not in layers else 0
    expression, warnings, taken = None, list[str](), load.layer in ("", *layers)
    for layer in layers:
        matrix, said = read_matrix(files.matrices[layer], transpose=turned, value=value, max_memory=max_memory)
        if expression is not None and matrix.shape != expression.shape:
            raise InputError(
                f"{files.matrices[layer]} is of another size than {path.name}.",
                expected=f"{header.shape[0]} x {header.shape[1]}",
                found=f"{matrix.shape[0]} x {matrix.shape[1]}",
                advice="They must come from one run.",
            )
        expression = matrix if expression is None else expression + matrix
        notes += said.notes
        warnings += said.warnings
        taken = taken or (said.n_values == 3 and load.layer in VELOCYTO)
    obs_names, obs, cell_notes = cells_of(named.cells, n_cells)
    n_named = n_features if named.features.misfit(n_features) < 2 else n_features // 3
    features, feature_notes = features_of(named.features, n_named, named.symbols)
    if is_alevin(path):
        if is_usa(files.folder, features.ids, n_features):
            expression, features, note = layer_of_usa(expression, features, load.layer)
            notes.append(note)
            taken = True
        features, symbol_notes = with_symbols(files.folder, features)
        notes += symbol_notes
    if not taken:
        raise _no_layer(files, load.layer)
    found = with_features(source, expression, obs_names, features, named.orientation, named.reason)
    notes.append(f"Names from {named.cells.path.name} and {named.features.path.name}.")
    others = {name: one.name for name, one in files.matrices.items() if name not in layers or len(layers) > 1}
    if is_alevin(path) and is_usa(files.folder, features.ids, n_features):
        others = {name: f"the {name} counts" for name in VELOCYTO if name != load.layer}
    alternatives = {f"--load_layer {name}": what for name, what in others.items()}
    return replace(
        found,
        obs=obs,
        facts={**found.facts, "matrix": " + ".join(layers), **({"alternatives": alternatives} if others else {})},
        notes=(*found.notes, *notes, *cell_notes, *feature_notes),
        warnings=(*found.warnings, *warnings),
    )


def _refuse_classes(path: Path) -> None:
    """Name what kallisto, kb-python and STAR count that is no gene."""
    if "tcc" in path.name.lower():
        raise InputError(
            f"{path} counts classes of transcripts (kb count --tcc), not genes.",
            expected="counts of genes",
            advice="Run kb count without --tcc, and read its folder counts_unfiltered.",
        )
    if path.name.lower().startswith("cells_x_features"):
        raise InputError(
            f"{path} counts tags (kb's workflow kite), not genes; it holds no gene expression.",
            expected="counts of genes",
            advice="Read the gene expression of the same cells: the folder of kb count for their cDNA.",
        )
    if path.parent.parent.name == "SJ" or path.parent.name == "SJ":
        raise InputError(
            f"{path} counts splice junctions (STARsolo's SJ), not genes; it holds no gene expression.",
            expected="counts of genes",
            advice="Read the folder Gene beside SJ: its filtered, or raw.",
        )


def _layers(files: MatrixFiles, asked: str) -> tuple[list[str], list[str]]:
    """The matrices to read, which are added up where there are several, and a sentence."""
    names = list(files.matrices)
    if asked and (asked in names or len(names) > 1):
        if asked not in names:
            raise _no_layer(files, asked)
        return [asked], [f"Matrix {asked}, as asked (load_layer)."]
    if len(names) == 1:
        return names, []
    chosen = next(([name] for name in _FIRST if name in names), [])
    if not chosen and set(_CELL_SUM) <= set(names):
        chosen = list(_CELL_SUM)
    if not chosen:
        raise InputError(
            f"{files.folder} holds {len(names)} matrices over the same cells.",
            expected="one",
            found=listed(names, 20),
            advice=f"Name one with --load_layer, such as --load_layer {names[0]}, or name its file.",
        )
    others = listed((name for name in names if name not in chosen), 20)
    added = f"{' and '.join(chosen)} were added up, as kb does with --sum=cell" if len(chosen) > 1 else ""
    return chosen, [
        f"{files.folder} holds several matrices: {added or f'{chosen[0]} was read'}; --load_layer takes {others}."
    ]


def _no_layer(files: MatrixFiles, asked: str) -> InputError:
    names = list(files.matrices)
    near = difflib.get_close_matches(asked, names, 1, 0.5)
    return InputError(
        f"{files.folder} holds no matrix {asked!r}.",
        expected=f"load_layer of {listed(names, 20)}",
        advice=f"Did you mean --load_layer {near[0]}?" if near else "Leave load_layer out, or name one of these.",
    )


def _recognises_folder(start: Start) -> bool:
    if not start.is_folder:
        return False
    return holds_matrices(start.path) or is_binary(start.path)


def _recognises_file(start: Start) -> bool:
    return start.kind == "mtx"


def _samples(folder: Path) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(sample.name for sample in samples_below(folder).every))
    return names if len(names) > 1 else ()


FOLDER = Format(
    "10x folder",
    "10x folder",
    (),
    _recognises_folder,
    read_mtx_folder,
    chooses=frozenset({"layer", "sample", "genome"}),
    samples=_samples,
    about=About(
        tools=(
            "Cell Ranger 2 and 3 and later",
            "Space Ranger",
            "STARsolo 2.7.10b (Gene, GeneFull, Velocyto, multi-mappers)",
            "kb-python 0.30.2 (standard, nac)",
            "alevin-fry",
            "Parse Biosciences (DGE)",
            "BD Rhapsody (MEX)",
            "CITE-seq-Count",
            "DropletUtils",
            "GEO series",
        ),
        names="cells from barcodes.tsv and its like, genes by their symbols, else identifiers, which stand in "
        "`var['gene_ids']`; further columns in obs and var. Tabs, commas or blanks, quotes or none, a header or none",
        matrices="matrix.mtx; of velocyto's spliced; of kb's nac mature + ambiguous (its sum `cell`); of alevin-fry's "
        "USA mode spliced + ambiguous; --load_layer takes another one. Filtered before raw, Gene before GeneFull",
        samples="prefixes of the files (GEO: GSM1_matrix.mtx.gz), or folders below; all are joined, --load_sample NAME "
        "reads one; genomes of Cell Ranger 2 by --load_genome",
        refused=(
            ("classes of transcripts (kb count --tcc)", "run kb count without --tcc"),
            ("splice junctions (STARsolo's SJ)", "read the folder Gene beside it"),
            ("alevin's binary quants_mat.gz", "run salmon alevin with --dumpMtx"),
            ("antibodies or peaks alone", "read the gene expression of the same cells"),
        ),
    ),
)
FILE = Format(
    "mtx",
    "Matrix Market with names beside it",
    (".mtx", ".mtx.gz", ".mtx.bz2", ".mtx.xz", ".mtx.zst"),
    _recognises_file,
    read_mtx_file,
    chooses=frozenset({"layer"}),
    about=About(
        tools=("scipy 1.18.1", "R's Matrix 1.5 (writeMM)", "HTSeq 2.1.2", "all of the folders above"),
        names="files beside it of the same prefix, or of none: barcodes, cells, colnames; features, genes, rownames",
        matrices="coordinate or array; general, or one half of a symmetric one; integer, real, pattern (read as 1). "
        "What the header says wrong is said, and the values are those of the file",
        refused=(
            ("a line that does not fit the header", "the line is named: correct it"),
            ("complex numbers", "write real ones"),
            ("a matrix without names beside it", "put them beside it"),
        ),
    ),
)

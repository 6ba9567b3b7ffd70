"""Files of R: which object of it is read, and what stays behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found, from_table, unfinished
from scgnn2_engine.io.format_detection import Start
from scgnn2_engine.io.format_protocol import About, Format, Whole
from scgnn2_engine.io.raw_table import Table
from scgnn2_engine.params import LoadParams

if TYPE_CHECKING:
    from anndata import AnnData

_BEGINNINGS = (
    *(b"RD%c%c\n" % (kind, version) for kind in b"XAB" for version in b"23"),
    *(b"X\n\x00\x00\x00", b"A\n2\n", b"A\n3\n", b"B\n\x02\x00", b"B\n\x03\x00"),
)


def _read(path: Path, load: LoadParams, max_memory: float) -> Found:
    from scgnn2_engine.io.r.reading import read_r
    from scgnn2_engine.io.readers.h5ad import found_in_anndata

    content = read_r(path, object_name=load.object, max_memory=max_memory)
    if isinstance(content.value, Table):
        if load.layer:
            raise InputError(
                f"load_layer {load.layer} names a layer, and the {content.kind} in {path} has none.",
                expected="a Seurat object or a SingleCellExperiment",
                found=content.kind,
                advice="Leave load_layer out.",
            )
        found = from_table(content.value, str(path), load)
    else:
        adata = _with_data(content.value, load)
        found = found_in_anndata(adata, layer=load.layer, source=str(path), genes_only=True)
    taken = f"Object {content.name} ({content.kind})." if content.name else f"An R object of class {content.kind}."
    lost = tuple(f"Not carried over from R: {phrase}." for phrase in content.lost)
    return replace(found, notes=(taken, *found.notes, *lost))


def _with_data(adata: AnnData, load: LoadParams) -> AnnData:
    """Keep the normalised values of a Seurat object where its counts are read, to be given back with the result."""
    facts = adata.uns.get("seurat", {})
    if facts.get("X") == "data" and "counts" in adata.layers and not load.layer:
        active = facts["active.assay"]
        adata.obsm[f"{active}_data"] = adata.X
        facts["assays"][active].setdefault("features", {})["data"] = np.array(adata.var_names, dtype=object)
    return adata


def _whole(path: Path, load: LoadParams) -> Whole:
    from scgnn2_engine.io.r.reading import read_r

    content = read_r(path, object_name=load.object)
    if isinstance(content.value, Table):
        adata, sentences = unfinished(from_table(content.value, str(path), load, dtype=np.float64))
        return Whole(adata, sentences, [])
    return Whole(content.value, (), [f"{phrase} (of the {content.kind})" for phrase in content.lost])


def _recognises(start: Start) -> bool:
    return start.content.startswith(_BEGINNINGS)


FORMAT = Format(
    "rdata",
    ".RData/.rda/.rds",
    (".rdata", ".rda", ".rds"),
    _recognises,
    _read,
    frozenset({"layer", "object"}),
    whole=_whole,
    about=About(
        tools=("R 4.2.2 (save, saveRDS)", "Seurat 3, 4 and 5", "SingleCellExperiment"),
        names="as in the object; of a Seurat object the features of the active assay; identifiers where it has them",
        matrices="of a Seurat object or an experiment its counts, else data; --load_layer takes another, --load_object "
        "an object of a file that holds several; of data frames and matrices the only one",
        refused=(
            ("an .RData file with several objects", "name one with --load_object"),
            ("an object without a matrix of expression", "save the Seurat object, the experiment or the matrix itself"),
        ),
    ),
)

"""Zarr folders of AnnData, MuData and SpatialData, of formats 2 and 3, and zips of them."""

from __future__ import annotations

import zipfile

from scgnn2_engine.io.format_detection import Start
from scgnn2_engine.io.format_protocol import About, Format
from scgnn2_engine.io.readers.h5mu import read_modality, whole_modality
from scgnn2_engine.io.storage.zarr_storage import root_in_zip


def _recognises(start: Start) -> bool:
    if start.kind == "zarr":
        return True
    try:
        with zipfile.ZipFile(start.path) as packed:
            return root_in_zip(packed.namelist()) is not None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


FORMAT = Format(
    "zarr",
    ".zarr folder",
    (".zarr", ".zarr.zip"),
    _recognises,
    read_modality,
    frozenset({"layer", "modality"}),
    whole=whole_modality,
    about=About(
        tools=("anndata 0.12.19 (zarr 3.1.6, format 2)", "anndata 0.13.4 (zarr 3.4.2, formats 2 and 3, sharded, zip)"),
        names="obs and var, as in an h5ad",
        matrices="as of an h5ad; `--load_modality` of a MuData or of SpatialData's tables",
        refused=(
            ("several modalities, none of them rna", "name one with --load_modality; the message lists them"),
            ("text packed as pickles", "write it again with text as strings, where you trust the file"),
            ("names, or entries of a sparse matrix, that a folder copied in part lacks", "copy or export it again"),
        ),
    ),
)

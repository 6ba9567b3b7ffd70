"""Zarr folders of AnnData, MuData and SpatialData, of formats 2 and 3, and zips of them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.format import About, Format, Whole
from scgnn2_engine.io.readers.h5mu import found_in_modality, whole_of_modality
from scgnn2_engine.io.start import Start
from scgnn2_engine.io.storage.stored import opened
from scgnn2_engine.io.storage.zarr_storage import MARKS, root_in_zip
from scgnn2_engine.params import LoadParams

_ZIP = b"PK\x03\x04"


def _read(path: Path, load: LoadParams, max_memory: float) -> Found:
    with opened(path, max_memory) as store:
        return found_in_modality(store, load)


def _whole(path: Path, load: LoadParams) -> Whole:
    with opened(path) as store:
        return whole_of_modality(store, load)


def _recognises(start: Start) -> bool:
    if start.is_folder:
        return bool(start.names & set(MARKS))
    if not start.content.startswith(_ZIP):
        return False
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
    _read,
    frozenset({"layer", "modality"}),
    whole=_whole,
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

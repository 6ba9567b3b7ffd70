"""The formats that are read, and which of them a file or folder is: by its content first and its name second."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.format_detection import Start, check_name_fits, start_of
from scgnn2_engine.io.format_protocol import Format
from scgnn2_engine.params import LoadParams

_READERS = (
    ("zarr_folder.FORMAT", "zarr zip"),
    ("mtx_folder.FOLDER", "folder"),
    ("mtx_folder.FILE", "mtx"),
    ("tenx_h5.FORMAT", "hdf5"),
    ("h5mu.FORMAT", "hdf5"),
    ("h5ad.FORMAT", "hdf5"),
    ("loom.FORMAT", "hdf5"),
    ("r.FORMAT", "other"),
    ("npz.FORMAT", "zip"),
    ("columnar.FORMAT", "other"),
    ("count_files.FORMAT", "folder other"),
    ("text.FORMAT", "other zip"),
    ("sample_folder.FORMAT", "folder"),
)
"""Where the formats stand in ``io/readers``, and what may be of each, in the order in which they are asked whether a
path is theirs; text is what is left. A reader is imported when it is asked."""


@cache
def _format(place: str) -> Format:
    module, name = place.split(".")
    form: Format = getattr(importlib.import_module(f"scgnn2_engine.io.readers.{module}"), name)
    return form


def formats() -> tuple[Format, ...]:
    """All formats that are read."""
    return tuple(_format(place) for place, _ in _READERS)


def readable() -> str:
    """What can be read, as messages list it."""
    return ", ".join(form.title for form in formats())


def suffixes() -> tuple[str, ...]:
    """How names of files end that can be read, in lower case."""
    return tuple(dict.fromkeys(suffix for form in formats() for suffix in form.suffixes))


_OTHER_HDF5 = (
    (
        {"assays", "cell.names"},
        "an h5Seurat file",
        "In R, save the object itself: saveRDS(SeuratDisk::LoadH5Seurat(file), 'object.rds').",
    ),
    (
        {"barcode_idx", "umi"},
        "the molecules of a 10x run, which are not counted by cell and gene",
        "Read filtered_feature_bc_matrix.h5 beside it.",
    ),
)
"""HDF5 files of the field that cannot be read: groups by which they are known, what they are, and the way out."""


def format_of(path: Path) -> Format:
    """Tell the format of a file or folder.

    Raises
    ------
    InputError
        The path does not exist, is empty, is a pickle, or is nothing that can be read; the message lists what can.
    """
    start = start_of(path, readable)
    for place, kinds in _READERS:
        if start.kind in kinds and _format(place).recognises(start):
            return _format(place)
    raise _unknown(start)


_PARTS = {
    "layer": "a layer",
    "object": "an object of R",
    "modality": "a modality of an h5mu",
    "genome": "a genome of a 10x .h5",
    "sample": "a sample of a folder that holds several",
}
"""What the parameters name that pick one of several matrices of a file."""


def check_choice(path: Path, form: Format, load: LoadParams) -> None:
    """Refuse what names a part of the file where the file has no such parts.

    Raises
    ------
    InputError
        ``load`` names a layer, an object, a modality, a genome or a sample, and files of that format have none.
    """
    for name, part in _PARTS.items():
        if getattr(load, name) and name not in form.chooses:
            raise InputError(
                f"load_{name} {getattr(load, name)} names {part}, and {path} has none.",
                expected=" or ".join(other.title for other in formats() if name in other.chooses),
                found=form.name,
                advice=f"Leave load_{name} out, or read the file that it belongs to.",
            )


def _unknown(start: Start) -> InputError:
    path = start.path
    if start.is_folder:
        return InputError(
            f"{path} is a folder that holds nothing of a known format.",
            expected=readable(),
            found=", ".join(sorted(start.names)[:8]) or "an empty folder",
            advice="Name a file in it if it holds one.",
        )
    if start.is_hdf5:
        for groups, found, advice in _OTHER_HDF5:
            if groups <= start.groups.keys():
                return InputError(f"{path} is {found}.", expected=readable(), advice=advice)
        return InputError(
            f"{path} is an HDF5 file of another kind.",
            expected="an h5ad, h5mu or loom file, or a 10x matrix",
            found=f"the groups {', '.join(sorted(start.groups)) or 'none'}",
            advice="Export the expression as h5ad or csv.",
        )
    if "xl/workbook.xml" in start.members or start.content.startswith(b"\xd0\xcf\x11\xe0"):
        return InputError(
            f"{path} is an Excel workbook.",
            expected=readable(),
            advice="Save the sheet as csv (UTF-8), or: pandas.read_excel(FILE, index_col=0).to_csv(NEW). Look for "
            "genes that became dates (MARCH1, SEPT2).",
        )
    if start.content.startswith(b"\x93NUMPY"):
        return InputError(
            f"{path} is a NumPy array without names.",
            expected=readable(),
            advice="Write it with names: pandas.DataFrame(x, cells, genes).to_csv(FILE), or an npz and files of names.",
        )
    check_name_fits(path, start.content, readable())
    return InputError(
        f"{path} is neither text nor any other format that can be read.",
        expected=readable(),
        found=f"binary content ({start.content[:8]!r})",
        advice="Export it as csv or h5ad.",
    )

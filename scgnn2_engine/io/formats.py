"""The formats that are read, and which of them a file or folder is: by its content first and its name second."""

from __future__ import annotations

from pathlib import Path

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.format import Format
from scgnn2_engine.io.readers import (
    columnar,
    count_files,
    h5ad,
    h5mu,
    loom,
    mtx_folder,
    npz,
    r,
    sample_folder,
    tenx_h5,
    text,
    zarr_folder,
)
from scgnn2_engine.io.start import Start, check_name_fits, start_of
from scgnn2_engine.params import LoadParams

FORMATS: tuple[Format, ...] = (
    zarr_folder.FORMAT,
    mtx_folder.FOLDER,
    mtx_folder.FILE,
    h5mu.FORMAT,
    h5ad.FORMAT,
    tenx_h5.FORMAT,
    loom.FORMAT,
    r.FORMAT,
    npz.FORMAT,
    columnar.FORMAT,
    count_files.FORMAT,
    text.FORMAT,
    sample_folder.FORMAT,
)
"""In the order in which they are asked whether a file is theirs; text is what is left."""

READABLE = ", ".join(form.title for form in FORMATS)
"""What can be read, as messages list it."""

SUFFIXES = tuple(dict.fromkeys(suffix for form in FORMATS for suffix in form.suffixes))
"""How names of files end that can be read, in lower case."""


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
    start = start_of(path, READABLE)
    for form in FORMATS:
        if form.recognises(start):
            return form
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
                expected=" or ".join(other.title for other in FORMATS if name in other.chooses),
                found=form.name,
                advice=f"Leave load_{name} out, or read the file that it belongs to.",
            )


def _unknown(start: Start) -> InputError:
    path = start.path
    if start.is_folder:
        return InputError(
            f"{path} is a folder that holds nothing of a known format.",
            expected=READABLE,
            found=", ".join(sorted(start.names)[:8]) or "an empty folder",
            advice="Name a file in it if it holds one.",
        )
    if start.is_hdf5:
        for groups, found, advice in _OTHER_HDF5:
            if groups <= start.groups.keys():
                return InputError(f"{path} is {found}.", expected=READABLE, advice=advice)
        return InputError(
            f"{path} is an HDF5 file of another kind.",
            expected="an h5ad, h5mu or loom file, or a 10x matrix",
            found=f"the groups {', '.join(sorted(start.groups)) or 'none'}",
            advice="Export the expression as h5ad or csv.",
        )
    if "xl/workbook.xml" in start.members or start.content.startswith(b"\xd0\xcf\x11\xe0"):
        return InputError(
            f"{path} is an Excel workbook.",
            expected=READABLE,
            advice="Save the sheet as csv (UTF-8), or: pandas.read_excel(FILE, index_col=0).to_csv(NEW). Look for "
            "genes that became dates (MARCH1, SEPT2).",
        )
    if start.content.startswith(b"\x93NUMPY"):
        return InputError(
            f"{path} is a NumPy array without names.",
            expected=READABLE,
            advice="Write it with names: pandas.DataFrame(x, cells, genes).to_csv(FILE), or an npz and files of names.",
        )
    check_name_fits(path, start.content, READABLE)
    return InputError(
        f"{path} is neither text nor any other format that can be read.",
        expected=READABLE,
        found=f"binary content ({start.content[:8]!r})",
        advice="Export it as csv or h5ad.",
    )

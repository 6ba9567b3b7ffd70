"""A folder of files of one format, each of which is a sample."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.format import About, Format
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.sample_names import short_names
from scgnn2_engine.io.start import Start
from scgnn2_engine.params import LoadParams

_VERSION = re.compile(r"(un)?filtered|raw", re.IGNORECASE)


def _files(folder: Path) -> list[Path]:
    """What is in the folder that can be read, by its name."""
    from scgnn2_engine.io.formats import SUFFIXES  # which lists the format of this file, too

    return sorted(
        path for path in folder.iterdir() if path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")
    )


def _by_name(folder: Path) -> dict[str, Path]:
    """The samples of the folder.

    Raises
    ------
    InputError
        The files are of several formats, or two versions of one sample, or one is of no known format.
    """
    from scgnn2_engine.io.formats import format_of

    files = _files(folder)
    kinds = {path: format_of(path).title for path in files}
    if len(set(kinds.values())) > 1:
        raise InputError(
            f"{folder} holds files of several formats, so they are not taken for samples.",
            expected="files of one format, each a sample",
            found=listed((f"{path.name} ({kind})" for path, kind in kinds.items()), 8),
            advice=f"Name those that are samples: scgnn2 run {files[0]} …",
        )
    versions = {_VERSION.sub("", path.name.lower()) for path in files}
    if len(versions) < len(files):
        raise InputError(
            f"{folder} holds filtered and raw versions of one sample.",
            expected="one file for each sample",
            found=listed((path.name for path in files), 8),
            advice="Name the filtered ones: of the raw ones most barcodes are no cells.",
        )
    return dict(zip(short_names(files), files, strict=True))


def _read(path: Path, load: LoadParams, max_memory: float) -> Found:
    from scgnn2_engine.io.formats import check_choice, format_of

    file = _by_name(path)[load.sample]
    form, load = format_of(file), load.replace(sample="")
    check_choice(file, form, load)
    found = form.read(file, load, max_memory)
    return replace(found, facts={"format": form.title, **found.facts})


def _recognises(start: Start) -> bool:
    return start.is_folder and len(_files(start.path)) > 1


FORMAT = Format(
    "folder of samples",
    "folder of files that are samples",
    (),
    _recognises,
    _read,
    chooses=frozenset({"layer", "object", "modality", "genome", "sample"}),
    samples=lambda folder: tuple(_by_name(folder)),
    about=About(
        tools=("GEO series (RAW.tar, unpacked)", "anything that is read as a file"),
        names="as of the format of the files",
        matrices="as of the format of the files; a flag picks in each of them",
        samples="each file; all are joined, --load_sample NAME reads one",
        refused=(
            ("files of several formats", "name those that are samples: scgnn2 run A B"),
            ("filtered and raw files of one run", "name the filtered ones"),
        ),
    ),
)

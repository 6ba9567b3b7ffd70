"""A folder of files of one format, each of which is a sample."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.format_detection import Start
from scgnn2_engine.io.format_protocol import About, Format
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.samples.sample_names import short_names
from scgnn2_engine.params import LoadParams

_VERSION = re.compile(r"(un)?filtered|raw", re.IGNORECASE)
_BESIDE = re.compile(
    r"(.*[_.\-])?(metadata|meta|annotations?|labels|cell_?types?|clusters|summary|molecule_info|barcodes|features|readme)"
    r"([_.\-].*)?",
    re.IGNORECASE,
)
"""What stands beside samples without being one."""


@dataclass(frozen=True)
class _Samples:
    """The files that are samples, by their names, and those that are not read."""

    files: dict[str, Path]
    others: list[str]


def _readable(folder: Path) -> list[Path]:
    """The files of a folder that can be read by their names; where there is none, those of the folders below it."""
    from scgnn2_engine.io.formats import suffixes  # which lists the format of this file, too

    for pattern in ("*", "*/*", "*/outs/*"):
        found = [
            path
            for path in sorted(folder.glob(pattern))
            if path.name.lower().endswith(suffixes()) and not path.name.startswith(".")
        ]
        if found:
            return found
    return []


def _samples(folder: Path) -> _Samples:
    """Tell the samples of a folder from what is beside them.

    Of one sample's files ``filtered`` goes before ``raw``.

    Raises
    ------
    InputError
        The files are of several formats, or one is of no known format; or the folder is that of a run.
    """
    from scgnn2_engine.io.formats import format_of

    if (folder / "run.json").is_file() and (folder / "result.h5ad").is_file():
        raise InputError(
            f"{folder} is the output folder of a run.",
            expected="a file of expression, or a folder of samples",
            found="run.json and what the run wrote",
            advice=f"{folder / 'result.h5ad'} holds what the run was given: name that file.",
        )
    readable = _readable(folder)
    files = [path for path in readable if not _BESIDE.fullmatch(path.name)]
    versions: dict[str, list[Path]] = {}
    for path in files:
        versions.setdefault(_VERSION.sub("", str(path.relative_to(folder)).lower()), []).append(path)
    files = [
        next((path for path in several if "filtered" in path.name.lower() and "unfiltered" not in path.name.lower()),
             several[0])
        for several in versions.values()
    ]  # fmt: skip
    kinds = {path: format_of(path).title for path in files}
    if len(set(kinds.values())) > 1:
        raise InputError(
            f"{folder} holds files of several formats, so they are not taken for samples.",
            expected="files of one format, each a sample",
            found=listed((f"{path.relative_to(folder)} ({kind})" for path, kind in kinds.items()), 8),
            advice=f"Name those that are samples: scgnn2 run {files[0]} …",
        )
    others = [str(path.relative_to(folder)) for path in readable if path not in files]
    return _Samples(dict(zip(short_names(files), files, strict=True)), others)


def _read(path: Path, load: LoadParams, max_memory: float) -> Found:
    from scgnn2_engine.io.formats import check_choice, format_of

    samples = _samples(path)
    file = samples.files[load.sample] if load.sample else next(iter(samples.files.values()))
    form, load = format_of(file), load.replace(sample="")
    check_choice(file, form, load)
    found = form.read(file, load, max_memory)
    left = [f"{path} holds files that were not read: {listed(samples.others, 8)}."] if samples.others else []
    return replace(found, facts={"format": form.title, **found.facts}, notes=(*found.notes, *left))


def _recognises(start: Start) -> bool:
    if not start.is_folder:
        return False
    return sum(not _BESIDE.fullmatch(path.name) for path in _readable(start.path)) > 1


FORMAT = Format(
    "folder of samples",
    "folder of files that are samples",
    (),
    _recognises,
    _read,
    chooses=frozenset({"layer", "object", "modality", "genome", "sample"}),
    samples=lambda folder: tuple(_samples(folder).files),
    about=About(
        tools=("GEO series (RAW.tar, unpacked)", "anything that is read as a file"),
        names="as of the format of the files",
        matrices="as of the format of the files; a flag picks in each of them",
        samples="each file, or the one of each folder below; all are joined, --load_sample NAME reads one. Filtered "
        "goes before raw; metadata, labels and summaries beside them are not read, and named",
        refused=(("files of several formats", "name those that are samples: scgnn2 run A B"),),
    ),
)

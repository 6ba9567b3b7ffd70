"""Which matrices below a folder are samples, which are other versions of one, and which one is read of those."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.readers.mtx_files import MatrixFiles, is_matrix, matrix_files

_DEEPEST = 5  # outs/per_sample_outs/SAMPLE/count/sample_filtered_feature_bc_matrix
_MOST_FOLDERS = 3000  # a home folder is not searched through

_COUNTED = ("Gene", "GeneFull", "GeneFull_Ex50pAS", "GeneFull_ExonOverIntron", "Velocyto", "Transcript3p", "SJ")
"""Folders of STARsolo, one for each way of counting; the first that is there is read."""

_VERSIONS = (("unfiltered", 2), ("filtered", 0), ("raw", 2), ("read_count", 1), ("umi_count", 0))
_SAYS_NOTHING = re.compile(
    r"outs?|counts?|per_sample_outs|cellranger|alevin|quants?|af_quant|.*(feature|gene|barcode)s?_bc_matri(x|ces)(_mex)?"
    r"|counts_\*|dge_\*|\*|\*_(count|data|matrix)|solo\.out|matrix|mtx|raw",
    re.IGNORECASE,
)
_GENOMES = re.compile(r".*gene_bc_matrices(_mex)?", re.IGNORECASE)


@dataclass(frozen=True)
class Sample:
    """A sample below a folder.

    Attributes
    ----------
    name
        What tells it from the others.
    files
        Its matrices and names.
    genome
        Where there is a matrix for each of several genomes.
    """

    name: str
    files: MatrixFiles
    genome: str = ""


@dataclass(frozen=True)
class Samples:
    """What is below a folder.

    Attributes
    ----------
    every
        The samples, by name.
    others
        Matrices that are other versions of those (``raw`` beside ``filtered``), by their paths below the folder.
    below
        Matrices further down, below the one that is read.
    """

    every: tuple[Sample, ...]
    others: tuple[str, ...] = ()
    below: tuple[str, ...] = ()


def samples_below(folder: Path) -> Samples:
    """Find the samples of a folder: groups of files in it by their prefixes, else folders below it.

    ``raw`` and ``filtered`` of one run are one sample, of which the filtered is read; so are the ways in which
    STARsolo counts, and UMI beside reads of CITE-seq-Count.
    """
    if any(is_matrix(entry.name) for entry in folder.iterdir() if entry.is_file()):
        deeper = [path for path in _folders(folder) if path != folder]
        here = [Sample(files.prefix or next(iter(files.matrices)), files) for files in matrix_files(folder)]
        return Samples(_named_apart(here, folder), below=tuple(_shown(path, folder) for path in deeper))
    places = list(_folders(folder))
    nested = [path for path in places if any(parent in places for parent in path.parents)]
    places = [path for path in places if path not in nested]
    chosen, others = _of_each(folder, places)
    found = []
    for path in chosen:
        groups = matrix_files(path)
        name, genome = _called(path, folder), path.name if _GENOMES.fullmatch(path.parent.name) else ""
        for files in groups:
            found.append(
                Sample("_".join(filter(None, (name, files.prefix))) if len(groups) > 1 else name, files, genome)
            )
    return Samples(
        _named_apart(found, folder),
        others=tuple(_shown(path, folder) for path in others),
        below=tuple(_shown(path, folder) for path in nested),
    )


def holds_matrices(folder: Path) -> bool:
    """Whether there is a Matrix Market file in a folder or below it."""
    return next(_folders(folder), None) is not None


def _folders(folder: Path) -> Iterator[Path]:
    """The folders that hold matrices, the uppermost first."""
    level, seen = [folder], 0
    for _ in range(_DEEPEST + 1):
        deeper: list[Path] = []
        for place in level:
            seen += 1
            if seen > _MOST_FOLDERS:
                return
            try:
                entries = sorted(place.iterdir())
            except OSError:  # no right to look into it
                continue
            if any(is_matrix(entry.name) and entry.is_file() for entry in entries):
                yield place
            deeper += [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
        level = deeper


def _shown(path: Path, folder: Path) -> str:
    first = next(entry.name for entry in sorted(path.iterdir()) if is_matrix(entry.name))
    return str(path.relative_to(folder) / first)


def _of_each(folder: Path, places: list[Path]) -> tuple[list[Path], list[Path]]:
    """The folder to read for each sample, and those that hold other versions of it."""
    if any("per_sample_outs" in path.parts for path in places):
        whole = [path for path in places if "multi" in path.relative_to(folder).parts]
    elif any(_is_whole(path, folder) for path in places):  # Parse: all samples, and each once more
        whole = [path for path in places if not _is_whole(path, folder)]
    else:
        whole = []
    versions: dict[tuple[str, ...], list[tuple[tuple[int, ...], Path]]] = defaultdict(list)
    for path in places:
        if path not in whole:
            key, rank = _version(path.relative_to(folder).parts or (path.name,))
            versions[key].append((rank, path))
    chosen, others = [], whole
    for one in versions.values():
        best = min(one)
        chosen.append(best[1])
        others = others + [path for _, path in sorted(one) if path != best[1]]
    return chosen, others


def _is_whole(path: Path, folder: Path) -> bool:
    return "all-sample" in path.relative_to(folder).parts


def _version(parts: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """What a path is without the words that tell versions of one sample apart, and how late this one is taken."""
    key, rank = [], []
    for part in parts:
        if part in _COUNTED:
            key.append("*")
            rank.append(_COUNTED.index(part))
            continue
        word, late = next(((word, late) for word, late in _VERSIONS if word in part.lower()), ("", 0))
        key.append(re.sub(word, "*_count" if "_count" in word else "*", part.lower()) if word else part)
        rank.append(late)
    return tuple(key), tuple(rank)


def _called(path: Path, folder: Path) -> str:
    """The parts of a path that tell its sample."""
    parts = path.relative_to(folder).parts
    key, _ = _version(parts)
    genomes = [_GENOMES.fullmatch(above) is not None for above in (folder.name, *parts[:-1])]
    telling = [
        re.sub(r"[._-]?Solo\.out$", "", part)
        for part, called, genome in zip(parts, key, genomes, strict=True)
        if not (_SAYS_NOTHING.fullmatch(called) or _SAYS_NOTHING.fullmatch(part) or genome)
    ]
    return "_".join(filter(None, telling))


def _named_apart(samples: list[Sample], folder: Path) -> tuple[Sample, ...]:
    """Samples by name; where names are missing or the same, by the folders they are in."""
    names = [(sample.name, sample.genome) for sample in samples]
    if len(samples) > 1 and (len(set(names)) < len(names) or not all(name for name, _ in names)):
        several = len({sample.genome for sample in samples}) == 1
        if several:
            samples = [
                replace(one, name=f"{one.files.folder.relative_to(folder)}_{one.files.prefix}".strip("._"))
                for one in samples
            ]
    return tuple(samples)


def choose(found: Samples, folder: Path, sample: str, genome: str) -> Sample:
    """The sample and genome that are asked for, or the only ones.

    Raises
    ------
    InputError
        There are several, or none of that name; the message names them and the flag.
    """
    every = list(found.every)
    genomes = list(dict.fromkeys(one.genome for one in every if one.genome))
    if genome:
        every = [one for one in every if one.genome == genome]
        if not every:
            raise InputError(
                f"{folder} holds no genome {genome!r}.",
                expected=f"load_genome of {listed(genomes)}" if genomes else "a folder with one for each genome",
                advice="Leave load_genome out." if len(genomes) < 2 else "Name one of these with --load_genome.",
            )
    elif len(genomes) > 1:
        raise InputError(
            f"{folder} holds a matrix for each of {len(genomes)} genomes.",
            expected="one",
            found=listed(genomes),
            advice=f"Name one with --load_genome, such as --load_genome {genomes[0]}.",
        )
    names = [one.name for one in every]
    if sample and (len(every) > 1 or sample not in names):
        every = [one for one in every if sample in (one.name, str(one.files.folder.relative_to(folder)))]
        if len(every) != 1:
            import difflib

            near = difflib.get_close_matches(sample, names, 1, 0)
            raise InputError(
                f"{folder} holds no sample {sample!r}.",
                expected=f"one of {listed(names, 20)}" if any(names) else "no choice: it holds one sample",
                advice=f"Did you mean --load_sample {near[0]}?" if near and near[0] else "Leave load_sample out.",
            )
    if len(every) > 1:
        raise InputError(
            f"{folder} holds {len(every)} samples.",
            expected="one",
            found=listed(names, 20),
            advice=f"Name one with --load_sample, such as --load_sample {names[0]}.",
        )
    return every[0]

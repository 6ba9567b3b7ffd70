"""Counts with a file for each cell, of STAR, htseq-count, featureCounts or RSEM; a folder of them is one matrix."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.compression import PACKED, opened
from scgnn2_engine.io.evidence.annotation_axes import counter_rows
from scgnn2_engine.io.format_detection import BROKEN, Start, cannot_read
from scgnn2_engine.io.format_protocol import About, Format
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.raw_table import described
from scgnn2_engine.io.readers.text import not_utf8
from scgnn2_engine.io.readers.text_writers import told_by_writer
from scgnn2_engine.params import LoadParams

_STRANDS = ("unstranded", "forward", "reverse")
_STAR = re.compile(r"(.*?)[._-]?ReadsPerGene\.out\.tab(\.\w+)?")
_RSEM = re.compile(r"(.*?)[._-]?genes\.results(\.\w+)?")
_HTSEQ = re.compile(
    r"(.*?)((^|[._-])(htseq[._-]?counts?|htseq|featurecounts|counts?|txt|tsv|tab|out))+(\.(gz|bz2|xz|zst|zip))?",
    re.IGNORECASE,
)
_TRANSCRIPTS = {"quant.sf": "salmon", "abundance.tsv": "kallisto", "abundance.h5": "kallisto"}
_NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?")
_SUFFIXES = (".txt", ".tsv", ".tab", ".out", ".counts", ".count", ".htseq", ".featurecounts")
_SEVERAL = "featureCounts, of several cells"
_ONE_SIDED, _EVEN = 0.8, 0.65  # share of a strand in what both count: of a stranded library, and of one that is not


@dataclass(frozen=True)
class _Cells:
    """One-cell files: what wrote them, their paths and what the cells are called."""

    tool: str
    paths: list[Path]
    names: list[str]


def read_count_files(path: Path, load: LoadParams, max_memory: float = 0.0) -> Found:
    """Read one file of counts, or a folder of them, each of which is a cell.

    Parameters
    ----------
    path
        ``*ReadsPerGene.out.tab`` of STAR or a folder with such, ``*.genes.results`` of RSEM, or tables with one column
        of counts of htseq-count or featureCounts; their columns between name and count go to ``var``.
    load
        ``layer`` picks the strand of STAR's files: unstranded, forward or reverse; without it, the counts tell it.

    Raises
    ------
    InputError
        A file is damaged or no such table, the files count different genes, or the counts do not tell the strand.
    """
    cells = _cells(path)
    if not cells.paths:
        raise InputError(f"{path} holds no files of counts.", expected="a file for each cell")
    columns = {"STAR": (1, 2, 3), "RSEM": (4,)}.get(cells.tool, (-1,))
    genes: list[str] = []
    var: dict[str, list[str]] = {}
    rows: list[npt.NDArray[np.float64]] = []
    for file in cells.paths:
        header, table, values = _table(file, columns, cells.tool)
        names = [row[0] for row in table]
        if genes and names != genes:
            if set(names) != set(genes) or len(set(genes)) < len(genes):
                raise InputError(
                    f"{file} counts other genes than {cells.paths[0].name}.",
                    expected=f"the same {len(genes)} genes in each file",
                    found=f"{len(names)}, such as {listed(sorted(set(names) ^ set(genes)), 3)} in one of the two only",
                    advice="Count all cells with one annotation.",
                )
            place = {name: at for at, name in enumerate(names)}
            values = values[[place[name] for name in genes]]
        if not genes and columns == (-1,) and len(header) > 2:
            var = {name or "additional_attr": [row[at] for row in table] for at, name in enumerate(header[1:-1], 1)}
        genes = genes or names
        rows.append(values)
    counts = np.stack(rows)  # cells x genes x columns
    notes = [f"{len(cells.paths)} files of {cells.tool}, each a cell called as its file."]
    column, strand = 0, ""
    if cells.tool == "STAR":
        column, strand, reason = _strand(
            path, counts[:, [at not in set(counter_rows(genes)) for at in range(len(genes))]], load
        )
        notes.append(reason)
    return Found(
        source=str(path),
        expression=counts[:, :, column].astype(np.float32),
        obs_names=np.asarray(cells.names, dtype=np.str_),
        var_names=np.asarray(genes, dtype=np.str_),
        facts={
            "orientation": "genes-by-cells",
            "matrix": strand or cells.tool,
            **(
                {"alternatives": {f"--load_layer {name}": f"the {name} counts" for name in _STRANDS if name != strand}}
                if strand
                else {}
            ),
        },
        var=described(var),
        notes=tuple(notes),
    )


def _strand(path: Path, counts: npt.NDArray[np.float64], load: LoadParams) -> tuple[int, str, str]:
    """Which column of STAR's files is read, its name, and why."""
    if load.layer:
        if load.layer not in _STRANDS:
            raise InputError(
                f"{path} has no counts called {load.layer!r}.",
                expected=f"one of {', '.join(_STRANDS)}",
                advice="Correct load_layer.",
            )
        return _STRANDS.index(load.layer), load.layer, f"Counts of STAR: {load.layer}, as asked (load_layer)."
    unstranded, forward, reverse = (float(total) for total in counts.sum((0, 1)))
    shares = forward / max(forward + reverse, 1), reverse / max(forward + reverse, 1)
    found = f"{unstranded:.0f} reads in genes without regard to strand, {forward:.0f} forward, {reverse:.0f} reverse"
    best = int(np.argmax(shares))
    if max(shares) >= _ONE_SIDED:
        name = _STRANDS[best + 1]
        return (
            best + 1,
            name,
            f"Counts of STAR: {name}, as nearly all reads lie so ({found}); --load_layer takes others.",
        )
    if max(shares) <= _EVEN:
        return (
            0,
            "unstranded",
            f"Counts of STAR: unstranded, as both strands have reads ({found}); --load_layer takes others.",
        )
    raise InputError(
        f"The counts of {path} do not tell which strand was sequenced.",
        expected="--load_layer unstranded, forward or reverse",
        found=found,
        advice="Say which it is; the protocol of the library names it.",
    )


def _table(path: Path, columns: Sequence[int], tool: str) -> tuple[list[str], list[list[str]], npt.NDArray[np.float64]]:
    """The header (empty names where there is none), the rows, and (n_rows, n_columns) numbers."""
    try:
        with opened(path) as (content, _):
            lines = [line.decode().rstrip("\r\n") for line in content]
    except BROKEN as error:
        raise cannot_read(path, error) from error
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error
    rows = [(at, line.split("\t")) for at, line in enumerate(lines, start=1) if line.strip() and line[0] != "#"]
    has_header = tool in ("RSEM", "featureCounts") or (
        tool == "htseq-count" and bool(rows) and not _NUMBER.fullmatch(rows[0][1][-1].strip())
    )
    header = rows.pop(0)[1] if has_header and rows else []
    width = len(rows[0][1]) if rows else 0
    for at, row in rows:
        bad = "" if len(row) == width > max(columns) else f"{len(row)} fields"
        bad = bad or next((repr(row[column]) for column in columns if not _NUMBER.fullmatch(row[column].strip())), "")
        if bad:
            raise InputError(
                f"Line {at} of {path} is no line of counts.",
                expected="a name and numbers, as many in each line",
                found=bad,
                advice="The file is damaged or was cut short: count again.",
            )
    values = np.array([[float(row[column]) for column in columns] for _, row in rows], dtype=np.float64)
    header = header if len(header) == width else [""] * width
    return header, [row for _, row in rows], values.reshape(len(rows), len(columns))


def _cells(path: Path) -> _Cells:
    files = [path] if path.is_file() else [entry for place in ("*", "*/*") for entry in sorted(path.glob(place))]
    for tool, pattern in (("STAR", _STAR), ("RSEM", _RSEM)):
        found = [file for file in files if pattern.fullmatch(file.name) and file.is_file()]
        if found:
            return _Cells(tool, found, [_called(file, pattern) for file in found])
    told = {file: _told(file) for file in files if path.is_dir() and file.parent == path and file.is_file()}
    tool = "htseq-count" if "htseq-count" in told.values() else "featureCounts"
    found = [file for file, by in told.items() if by == tool and _SEVERAL not in told.values()]
    return _Cells(tool, found, [_called(file, _HTSEQ) for file in found])


def _called(file: Path, pattern: re.Pattern[str]) -> str:
    match = pattern.fullmatch(file.name)
    return (match[1] if match else file.name.split(".")[0]) or file.parent.name


def _told(file: Path) -> str:
    """The tool whose table of one cell it is: htseq-count, told by its tallies, or featureCounts, by its header."""
    if not file.name.lower().removesuffix(".gz").endswith(_SUFFIXES):
        return ""
    try:
        with opened(file) as (content, _):
            first = list(islice(content, 5))
            before = [line.decode() for line in first if line.startswith(b"#")]
            rows = [line.decode().rstrip("\r\n").split("\t") for line in first if not line.startswith(b"#")]
            writer = told_by_writer(file, before, rows[0])
            if writer.name == "featureCounts":
                return "featureCounts" if len(rows[0]) == len(writer.described) + 2 else _SEVERAL
            rows = rows[not _NUMBER.fullmatch(rows[0][-1]) :]
            if not rows or any(len(row) < 2 or not _NUMBER.fullmatch(row[-1].strip()) for row in rows):
                return ""
            if any(_NUMBER.fullmatch(field) for row in rows for field in row[1:-1]):
                return ""
            tallied = any(line.startswith(b"__no_feature\t") for line in chain(first, content))
            return "htseq-count" if tallied else ""
    except (*BROKEN, InputError, ImportError, UnicodeDecodeError, IndexError):
        return ""


def _refuse_transcripts(folder: Path) -> None:
    for name, tool in _TRANSCRIPTS.items():
        found = sorted(folder.glob(f"*/{name}"))
        if found:
            raise InputError(
                f"{folder} holds transcripts of {len(found)} samples by {tool}, which are not counts of genes.",
                expected="counts of genes",
                found=f"{found[0].parent.name}/{name}",
                advice="Bring them together by gene. R: write.csv(tximport(files, "
                f"type='{tool}', tx2gene=t)$counts, FILE).",
            )


def _recognises(start: Start) -> bool:
    if start.is_folder:
        if any(name.lower().endswith((".mtx", ".mtx.gz", ".h5ad", ".h5", ".loom", ".zarr")) for name in start.names):
            return False
        _refuse_transcripts(start.path)
        cells = _cells(start.path)
        return len(cells.paths) > (cells.tool in ("htseq-count", "featureCounts"))
    return start.content.startswith(b"N_unmapped\t") and b"N_multimapping\t" in start.content


FORMAT = Format(
    "count files",
    "folder of one-cell counts (STAR, htseq-count, featureCounts, RSEM)",
    tuple(f"readspergene.out.tab{packed}" for packed in ("", *PACKED)),
    _recognises,
    read_count_files,
    chooses=frozenset({"layer"}),
    about=About(
        tools=("STAR 2.7.10b (ReadsPerGene.out.tab)", "HTSeq 2.1.2", "featureCounts 2.0.3", "RSEM (genes.results)"),
        names="cells: as the files; genes: the first column. Tallies (N_unmapped, __no_feature) are left out and named",
        matrices="of STAR the strand that the counts tell; --load_layer unstranded, forward or reverse picks one",
        refused=(
            ("transcripts of salmon or kallisto", "tximport in R brings them together by gene"),
            ("files that count different genes", "count all cells with one annotation"),
        ),
    ),
)

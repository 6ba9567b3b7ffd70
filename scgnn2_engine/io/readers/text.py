"""Tables of numbers as text: csv and tsv, plain or packed, read strictly and in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.compression import PACKED, opened
from scgnn2_engine.io.format_detection import BROKEN, Start, cannot_read
from scgnn2_engine.io.format_protocol import About, Format
from scgnn2_engine.io.memory import require_memory, stored_entries
from scgnn2_engine.io.raw_table import Table, described, stacked
from scgnn2_engine.io.readers.text_blocks import CommaFoundError, StrictReader, plain_block
from scgnn2_engine.io.readers.text_layout import Layout, called_by_values, layout_of
from scgnn2_engine.io.readers.text_lines import comments, is_blank, split_line, without_single_quotes
from scgnn2_engine.io.readers.text_marks import NUMBER, PointsBetweenThousands, comma_means, has_comma
from scgnn2_engine.io.readers.text_numbers import count_lines
from scgnn2_engine.io.readers.text_writers import told_by_writer

_BLOCK = 1 << 18
_KEPT = 4 << 20
"""Bytes that are taken and given back at once: the C library then keeps what is freed, up to as much, for the next
block instead of handing it to the system, which fills every page anew (glibc moves its M_MMAP_THRESHOLD so)."""
_SELDOM = 15
_TOGETHER = 2_000_000  # entries
_LONGEST_LINE = 1 << 30
_SAMPLED_ROWS, _SAMPLED_FIELDS = 50, 100_000
_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")


def read_table(path: Path, max_memory: float = 0.0, negatives: bool = False) -> Table:
    """Read a text file of numbers with names in its first row and first column.

    The separator (tab, comma, semicolon or spaces) is taken from the first lines. R's form, whose header lacks the
    corner, is understood; so are comments before the header, separators at the end of lines, decimal commas, commas
    between thousands, and a first line without names where the rows are genes. What was understood is said in the
    table's notes and warnings.

    Parameters
    ----------
    path
        csv or tsv in UTF-8, or UTF-16 with its mark; plain or packed (see :func:`scgnn2_engine.io.compression.opened`).
    max_memory
        GiB the matrix may take; 0 takes what is free.
    negatives
        Whether values below 0 are read as they stand.

    Raises
    ------
    InputError
        The file is empty, truncated or has one column; rows differ in length; the first column holds values instead
        of names; a cell is empty, text, negative, NaN, infinite or too large: row and column are named. It may be
        read in two ways; it is known for something else than a matrix.
    InsufficientMemoryError
        The matrix is expected not to fit; raised after its first rows.
    """
    try:
        try:
            return _read_text(path, "", max_memory, negatives)
        except CommaFoundError as found:
            return _read_text(path, _commas(path, str(found)), max_memory, negatives)
    except BROKEN as error:
        raise cannot_read(path, error) from error
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error


def not_utf8(path: Path, error: UnicodeDecodeError) -> InputError:
    """Name a text file in another encoding."""
    return InputError(
        f"{path} is not UTF-8 text.",
        found=str(error),
        advice="Save it again as UTF-8 csv (iconv -f latin1 -t utf-8 FILE > NEW, where it is Latin-1).",
    )


def head_of(path: Path, content: IO[bytes]) -> tuple[list[bytes], bytes]:
    """The first lines of a text without their breaks, enough of them to tell its layout, and all that was read.

    Raises
    ------
    InputError
        Its lines end as those of no system today, or one is of more than a gigabyte.
    """
    head = content.read(_BLOCK)
    while _wanting(path, head) and (more := content.read(max(_BLOCK, len(head)))):
        head += more
    if b"\n" not in head and b"\r" in head.rstrip(b"\r"):
        raise InputError(
            f"The lines of {path} end with carriage returns alone.",
            expected="line breaks",
            advice="Save it as csv, not as csv for Macintosh; or: tr '\\r' '\\n' < FILE > NEW.",
        )
    lines = head.split(b"\n")
    if len(lines) > 4:
        del lines[-1]  # which may be cut off
    return [line.rstrip(b"\r") for line in lines], head


def _wanting(path: Path, head: bytes) -> bool:
    lines = head.split(b"\n", 200)
    if len(lines) == 1 and len(head) > _LONGEST_LINE:
        raise InputError(f"{path} has a line of more than {_LONGEST_LINE} bytes.", expected="lines of text")
    return len(lines) - comments(lines) < 7


def _read_text(path: Path, comma: str, max_memory: float, negatives: bool) -> Table:
    with opened(path) as (content, raw):
        lines, head = head_of(path, content)
        header_at = comments(lines)
        if header_at == len(lines):
            raise InputError(f"{path} has no header.", expected="names in the first line", found="an empty line")
        rows = [line for line in lines[header_at + 1 :] if not is_blank(line)][:_SAMPLED_ROWS]
        if not rows:
            raise InputError(f"{path} holds a header and no rows.", expected="at least one row of numbers")
        rows = rows[: max(5, _SAMPLED_FIELDS // (len(lines[header_at]) // 2 + 1))]
        before = [line.decode() for line in lines[:header_at] if line.strip()]
        writer = told_by_writer(path, before, split_line(lines[header_at].strip(), "\t"))
        layout = writer.adjusted(layout_of(path, lines[header_at], rows, comma))
        first = header_at + layout.has_header
        start = sum(len(line) + 1 for line in head.split(b"\n", first)[:first])
        blocks = _blocks(content, head, start, first + 1)
        del lines, rows, head
        table = _in_blocks(path, layout, blocks, raw, max_memory, negatives)
    if layout.corner:
        called_by_values(path, layout.corner, table.row_names.tolist())
    if layout.single_quotes:
        names = np.asarray([without_single_quotes(name) for name in table.row_names.tolist()], dtype=np.str_)
        texts = table.row_annotation
        texts = None if texts is None else texts.map(without_single_quotes)
        table = replace(table, row_names=names, row_annotation=texts)
    notes = list(layout.notes)
    if before:
        notes.insert(0, f"{len(before)} lines before the header are passed over: {before[0][:60]!r} ...")
    if comma:
        meaning = "decimal commas" if comma == "decimal" else "separators of thousands"
        notes.append(f"Commas within numbers are read as {meaning}.")
    return writer.checked(path, replace(table, notes=tuple(notes), warnings=layout.warnings))


def _in_blocks(
    path: Path,
    layout: Layout,
    lines: Iterator[tuple[int, bytes]],
    raw: IO[bytes],
    max_memory: float,
    negatives: bool,
) -> Table:
    strict = StrictReader(path, layout, negatives)
    blocks: list[Matrix] = []
    names: list[str] = []
    texts: list[list[str]] = [[] for _ in layout.texts]
    size = path.stat().st_size
    np.empty(_KEPT, dtype=np.uint8)
    recent, held, claimed = 0, 0, False
    in_vain = 0  # blocks before this one that were out of the ordinary: the more, the more seldom it is tried
    points = PointsBetweenThousands(path, decided=bool(layout.comma))
    for at, (number, text) in enumerate(lines):
        plain = plain_block(text, layout) if at % (in_vain + 1) == 0 else None
        in_vain = 0 if plain is not None else min(in_vain + 1, _SELDOM)
        block = plain if plain is not None else strict.read(number, text)
        names += block.names
        for column, more in zip(texts, block.texts, strict=True):
            column += more
        blocks.append(block.values)
        sparse = not isinstance(block.values, np.ndarray)
        recent, held = (recent + 1, held + stored_entries(block.values)) if sparse else (0, 0)
        if held > _TOGETHER:  # few large blocks: what is freed of them goes back to the system
            blocks[-recent:] = [stacked(blocks[-recent:], len(layout.columns))]
            recent, held = 0, 0
        if not points.decided:
            if _has_fractions(block.values):
                points.see(_numbers_of(text, layout))
            points.whole |= not points.shown
        if names and not claimed:
            claimed = True
            expected_rows = len(names) * max(1.0, size / max(raw.tell(), 1))
            per_row = 8 * (stored_entries(block.values) / len(names)) + 8 if sparse else len(layout.columns) * 4
            # the matrix beside its blocks, which go one by one while it is made, and the work on one block
            work = 12 * len(names) * len(layout.columns)
            require_memory(2 * expected_rows * per_row + work, f"{path}, read as a matrix,", max_memory)
    points.check()
    annotation = described(dict(zip(layout.texts, texts, strict=True)))
    return Table(blocks, np.asarray(names, dtype=np.str_), layout.columns, annotation, corner=layout.corner)


def _has_fractions(values: Matrix) -> bool:
    stored = values if isinstance(values, np.ndarray) else values.data
    return bool((stored != np.floor(stored)).any())


def _numbers_of(lines: bytes, layout: Layout) -> Iterator[list[str]]:
    for line in lines.split(b"\n"):
        fields = split_line(line.rstrip(b"\r"), layout.separator)
        if len(fields) == layout.n_fields:
            yield [fields[at] for at in layout.values]


def _blocks(content: IO[bytes], head: bytes, start: int, number: int) -> Iterator[tuple[int, bytes]]:
    """Whole lines, some megabyte at a time, with the number of the first; ``head`` is what was read already."""
    rest: list[bytes] = []
    while True:
        if start < len(head):
            piece = head[start : start + _BLOCK]
            start += len(piece)
        else:
            head = b""
            piece = content.read(_BLOCK)
        end = piece.rfind(b"\n") + 1
        if end:
            block = b"".join([*rest, piece[:end]])
            yield number, block
            number += count_lines(block)
            rest = []
        rest.append(piece[end:])
        if not piece:
            break
    if last := b"".join(rest):
        yield number, last + b"\n"


def _commas(path: Path, place: str) -> str:
    """What the commas within numbers mean, by all numbers of a file: a few of each form are enough."""
    with opened(path) as (content, _):
        lines, head = head_of(path, content)
        at = comments(lines)
        layout = layout_of(path, lines[at], [line for line in lines[at + 1 :] if not is_blank(line)][:_SAMPLED_ROWS])
        dots, shown = False, dict[tuple[int, bool, bool, int], str]()
        for _, block in _blocks(content, head, 0, 1):
            for line in block.split(b"\n")[:-1]:
                for field in split_line(line.rstrip(b"\r"), layout.separator)[1:]:
                    if "," in field and has_comma(field):
                        form = (field.count(","), "." in field, field[0] == "0", len(field.partition(",")[2]))
                        shown.setdefault(form, field)
                    else:
                        dots = dots or ("." in field and NUMBER.fullmatch(field) is not None)
    return comma_means(path, place, list(shown.values()), dots)


def _recognises(start: Start) -> bool:
    if start.is_folder or start.is_hdf5:
        return False
    if start.members:  # which are not one text, or it would be opened
        return all(name.lower().removesuffix(".gz").endswith(_SUFFIXES) for name in start.members)
    return start.is_text


FORMAT = Format(
    "text",
    "csv or tsv (plain or packed)",
    tuple(suffix + packed for packed in ("", *PACKED) for suffix in _SUFFIXES),
    _recognises,
    table=read_table,
    about=About(
        tools=(
            "R 4.2.2 (write.table, write.csv, write.csv2, fwrite)",
            "pandas 3.1.1",
            "featureCounts 2.0.3",
            "HTSeq 2.1.2",
            "BD Rhapsody (MolsPerCell.csv)",
            "Drop-seq tools (DGE)",
        ),
        names="the first row and the first column; without a header cells are called by their place, or as the file. "
        "Columns that describe genes or cells (Length, Chr, gene_name, text) go to var or obs. gz, bz2, xz, zst, a "
        "zip of one file; UTF-8 or UTF-16; decimal commas, commas between thousands",
        refused=(
            ("a missing value (NA)", "R: m[is.na(m)] <- 0"),
            ("1,234 that may be a decimal comma or thousands", "write it again with decimal points"),
            ("a list of gene, cell, count", "pandas: pivot_table makes a matrix of it"),
            ("featureCounts' summary, and its table of exons (-f)", "the table of genes"),
            ("transcripts of salmon or kallisto", "tximport in R brings them together by gene"),
            ("a workbook of Excel", "save the sheet as csv"),
            ("Latin-1", "iconv -f latin1 -t utf-8"),
        ),
    ),
)

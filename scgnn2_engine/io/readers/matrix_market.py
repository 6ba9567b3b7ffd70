r"""Matrix Market files: every line is checked before it is parsed, and no value is other than the file has it.

scipy's reader ends the interpreter on some damaged bodies, reads an ``integer`` field up to the first character that is
no digit, and drops what is left of a line. It is given blocks only that hold nothing but what it reads rightly;
everything else is read line by line.

The format: Boisvert, Pozo and Remington, The Matrix Market exchange formats (NIST IR 5935, 1996).
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import scipy.sparse as sp

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.compression import opened
from scgnn2_engine.io.format_detection import BROKEN, cannot_read
from scgnn2_engine.io.memory import require_memory
from scgnn2_engine.io.readers.mtx_header import Header, header_of, refused, shown
from scgnn2_engine.io.readers.mtx_lines import Places, Values, blocks, count_fields, lines_of, numbers_of, parsed

_GZIP_AT_BEST = 1040  # bytes of text for each byte of gzip

VELOCYTO = ("spliced", "unspliced", "ambiguous")
"""The three values of each line that STAR wrote before 2.7.9."""


class Said(NamedTuple):
    """Sentences on how a file was read, and how many values stand on each line."""

    notes: list[str]
    warnings: list[str]
    n_values: int = 1


class _Entries(NamedTuple):
    rows: Places
    columns: Places
    values: Values
    said: Said


def read_header(path: Path) -> Header:
    """Read the first lines of a Matrix Market file, up to its sizes.

    Raises
    ------
    InputError
        The file is damaged, or is no Matrix Market, or one of complex numbers; the line is named.
    """
    try:
        with opened(path) as (handle, _):
            return header_of(handle, path)
    except (*BROKEN, UnicodeError) as error:
        raise cannot_read(path, error) from error


def read_matrix(path: Path, *, transpose: bool, value: int = 0, max_memory: float = 0.0) -> tuple[sp.csr_matrix, Said]:
    r"""Read a Matrix Market file as CSR.

    Parameters
    ----------
    path
        The file; plain, gz, bz2, xz or zst.
    transpose
        Whether its columns shall be the rows.
    value
        Which of the three values to take where each line has three (:data:`VELOCYTO`).
    max_memory
        Largest memory in GiB; 0 takes what is free.

    Returns
    -------
    matrix, said
        (n_rows, n_columns) or its transpose in float32, entries that stand twice added up; and how it was read.

    Raises
    ------
    InputError
        A line is none of Matrix Market, names a place outside the matrix, or there are more or fewer than the header
        says; the line is named.
    InsufficientMemoryError
        The matrix is expected not to fit.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.mtx")
    >>> _ = path.write_text("%%MatrixMarket matrix coordinate integer general\n2 3 2\n1 3 5\n2 1 0.25\n")
    >>> matrix, said = read_matrix(path, transpose=False)
    >>> matrix.toarray().tolist()
    [[0.0, 0.0, 5.0], [0.25, 0.0, 0.0]]
    >>> said.warnings[0].partition(":")[2]
    ' the header says integer, and values are written as fractions or powers; they were read as they stand.'
    """
    try:
        with opened(path) as (handle, _):
            header = header_of(handle, path)
            _require_plausible(path, header, max_memory)
            read = _array if header.layout == "array" else _coordinates
            rows, columns, values, said = read(handle, path, header, value)
    except (*BROKEN, UnicodeError) as error:
        raise cannot_read(path, error) from error
    if header.symmetry != "general":
        other = np.flatnonzero(rows != columns)
        mirrored = -values[other] if header.symmetry.startswith("skew") else values[other]
        rows, columns = np.concatenate([rows, columns[other]]), np.concatenate([columns, rows[other]])
        values = np.concatenate([values, mirrored])
        said.notes.append(f"{path.name} holds one half of a {header.symmetry} matrix; the other half was filled in.")
    places, shape = ((columns, rows), header.shape[::-1]) if transpose else ((rows, columns), header.shape)
    matrix = sp.csr_matrix((values, places), shape=shape)
    if (twice := len(values) - matrix.nnz) > 0:
        said.warnings.append(f"{path.name}: {twice} entries stand at places that have one already; they were added up.")
    said.notes.extend(header.notes)
    return matrix, said


def _require_plausible(path: Path, header: Header, max_memory: float) -> None:
    """Refuse sizes that the file is too small for, and those that memory is too small for, before anything is taken."""
    with path.open("rb") as handle:
        start = handle.read(2)
    size = path.stat().st_size * (_GZIP_AT_BEST if start == b"\x1f\x8b" else 1)
    shortest = 2 if header.layout == "array" else 4
    plain = start in (b"%%", b"\xef\xbb")
    if (plain or start == b"\x1f\x8b") and header.n_entries * shortest > size + 1:
        raise InputError(
            f"{path} is damaged or truncated: it is too small for the entries that it says it has.",
            expected=f"{header.n_entries} entries (line {header.line})",
            found=f"a file of {path.stat().st_size} bytes",
            advice="Download or export it again.",
        )
    stored = header.n_entries * (2 if header.symmetry != "general" else 1)
    require_memory(40.0 * stored, f"{path}", max_memory)


def _coordinates(handle: IO[bytes], path: Path, header: Header, value: int) -> _Entries:
    n_entries = header.n_entries
    rows, columns = np.empty(n_entries, dtype=np.int32), np.empty(n_entries, dtype=np.int32)
    values = np.empty(n_entries, dtype=np.float32)
    warnings: list[str] = []
    done, whole, n_fields = 0, True, 0
    for line, text in blocks(handle, path, header.line + 1):
        n_fields = n_fields or count_fields(text, path, line, header)
        block = parsed(text, path, line, header, n_fields, value)
        end = done + len(block.values)
        if end > n_entries:
            last = line + text.count(b"\n") - 1
            raise InputError(
                f"{path} holds more entries than its header says.",
                expected=f"{n_entries} (line {header.line})",
                found=f"{end} up to line {last}",
                advice="Correct the number in the header, if what stands below is whole.",
            )
        rows[done:end], columns[done:end], values[done:end] = block.rows, block.columns, block.values
        done, whole = end, whole and block.whole
    if done < n_entries:
        raise InputError(
            f"{path} is damaged or truncated: its header says more entries than follow.",
            expected=f"{n_entries} (line {header.line})",
            found=str(done),
            advice="Download or export it again.",
        )
    if n_fields == 2:
        warnings.append(f"{path.name} says only where something is, not how much (pattern): every entry was read as 1.")
    elif header.field == "pattern" and n_fields:
        warnings.append(f"{path.name}: the header says pattern, and values follow; they were read.")
    elif header.field == "integer" and not whole:
        warnings.append(
            f"{path.name}: the header says integer, and values are written as fractions or powers; they were read as "
            "they stand."
        )
    if n_fields == 5:
        others = [name for number, name in enumerate(VELOCYTO) if number != value]
        warnings.append(
            f"{path.name} has three values on each line, as STAR's Velocyto of early versions: {VELOCYTO[value]} was "
            f"read, and {' and '.join(others)} left out (--load_layer takes one of them)."
        )
    return _Entries(rows, columns, values, Said([], warnings, max(1, n_fields - 2)))


def _only(fields: list[bytes], path: Path, line: int) -> float:
    """The value of a line of an array: several on a line are mostly rows, while the format goes down the columns."""
    if len(fields) > 1:
        raise refused(
            path,
            line,
            f"{len(fields)} values, where an array of Matrix Market has one, column after column",
            "one value on each line",
            shown(b" ".join(fields)),
            "Write it with scipy.io.mmwrite or R's writeMM, or as csv, if a line is a row.",
        )
    return numbers_of(fields, path, line)[0]


def _array(handle: IO[bytes], path: Path, header: Header, value: int) -> _Entries:
    """A dense matrix, column by column; of one that is symmetric what is below the diagonal, and it."""
    n_rows, n_columns = header.shape
    skew = header.symmetry.startswith("skew")
    above = (
        np.arange(n_columns, dtype=np.int64) + skew if header.symmetry != "general" else np.zeros(n_columns, np.int64)
    )
    begins = np.concatenate([[0], np.cumsum(n_rows - above)])
    done, found = 0, []
    for line, text in blocks(handle, path, header.line + 1):
        numbers = np.array([_only(fields, path, number) for number, fields in lines_of(text, line)], dtype=np.float64)
        here = np.flatnonzero(numbers) + done
        done += len(numbers)
        if done > header.n_entries:
            break
        columns = np.searchsorted(begins, here, side="right") - 1
        rows = here - begins[columns] + above[columns]
        found.append((rows.astype(np.int32), columns.astype(np.int32), numbers[numbers != 0].astype(np.float32)))
    if done != header.n_entries:
        more = done > header.n_entries
        raise InputError(
            f"{path} {'holds more values than' if more else 'is damaged or truncated: it holds fewer values than'} its "
            "header says.",
            expected=f"{header.n_entries} (line {header.line})",
            found=f"{'at least ' if more else ''}{done}",
            advice="Correct the header, or export it again.",
        )
    nothing = (np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))
    every = [np.concatenate(parts) for parts in zip(nothing, *found, strict=True)]
    said = Said([f"{path.name} is a dense matrix (array)."], [])
    return _Entries(every[0], every[1], every[2], said)

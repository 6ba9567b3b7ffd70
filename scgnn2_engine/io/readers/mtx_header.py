"""The header of Matrix Market files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO

from scgnn2_engine.errors import InputError

BLOCK = 1 << 20
"""Bytes of text at a time."""

_MOST = 2**31 - 1  # rows, columns: places are int32
_FIELDS = {
    **dict.fromkeys(("float", "double", "single", "float32", "float64"), "real"),
    **dict.fromkeys(("int", "int32", "int64", "unsigned", "unsigned-integer", "uint", "uint32", "uint64"), "integer"),
}


@dataclass(frozen=True)
class Header:
    """What a Matrix Market file says of itself.

    Attributes
    ----------
    shape
        Rows and columns.
    n_entries
        Lines that follow; of an array the product of the shape.
    layout, field, symmetry
        ``coordinate`` or ``array``; ``integer``, ``real`` or ``pattern``; ``general``, ``symmetric`` or
        ``skew-symmetric``.
    line
        The number of the line with the sizes.
    notes
        What in it is no Matrix Market, as sentences.
    """

    shape: tuple[int, int]
    n_entries: int
    layout: str
    field: str
    symmetry: str
    line: int
    notes: tuple[str, ...] = ()


def header_of(handle: IO[bytes], path: Path) -> Header:
    """Read the first lines of a Matrix Market file, up to its sizes.

    Raises
    ------
    InputError
        It is damaged, or no Matrix Market, or one of complex numbers; the line is named.
    """
    first = 1
    banner = handle.readline(BLOCK).removeprefix(b"\xef\xbb\xbf")
    while banner and not banner.strip():
        first, banner = first + 1, handle.readline(BLOCK)
    if not banner.strip():
        raise InputError(f"{path} is empty.", expected="a Matrix Market matrix", advice="Export or download it again.")
    words = banner.decode("latin-1").lower().split()
    if b"\r" in banner.rstrip():
        raise refused(
            path,
            first,
            "the lines end as on old Macs (CR)",
            "lines that end in LF or CR LF",
            shown(banner),
            "Save it so.",
        )
    if len(words) < 5 or words[0] != "%%matrixmarket" or words[1] != "matrix":
        raise InputError(
            f"{path}, line {first}: this is no Matrix Market matrix.",
            expected="%%MatrixMarket matrix coordinate integer general",
            found=repr(banner[:60].decode("latin-1").strip()),
            advice="Write that line above the sizes where what follows is a list of row, column, value.",
        )
    layout, written, symmetry = words[2:5]
    field = _FIELDS.get(written, written)
    known = (
        ("coordinate", "array"),
        ("integer", "real", "pattern"),
        ("general", "symmetric", "skew-symmetric", "hermitian"),
    )
    for word, allowed in zip((layout, field, symmetry), known, strict=True):
        if word not in allowed:
            advice = "Expression is of real numbers: write those alone." if word == "complex" else "Correct that line."
            raise refused(
                path, first, f"{word!r} in the header is nothing that can be read", " or ".join(allowed), word, advice
            )
    notes = [f"{path.name}: the header says {written}, which was read as {field}."] if written != field else []
    if first > 1:
        notes.append(f"{path.name} begins with {first - 1} empty line{'s' if first > 2 else ''}, left out.")
    last = first
    for line, text in enumerate(iter(lambda: handle.readline(BLOCK), b""), start=first + 1):
        if text.strip() and not text.lstrip().startswith(b"%"):
            sizes = text.split()
            break
        last = line
    else:
        raise InputError(
            f"{path} is damaged or truncated: it ends after {last} lines, before its sizes.",
            expected="a line of rows, columns and entries",
            advice="Download or export it again.",
        )
    wanted = 3 if layout == "coordinate" else 2
    if len(sizes) != wanted or not all(size.isdigit() and len(size) < 19 for size in sizes):
        expected = "rows, columns and entries" if wanted == 3 else "rows and columns"
        raise refused(path, line, "the sizes cannot be read", expected, shown(text))
    n_rows, n_columns = int(sizes[0]), int(sizes[1])
    if symmetry != "general" and n_rows != n_columns:
        raise refused(path, line, f"the header says {symmetry}, and the matrix is not square", "one size", shown(text))
    if max(n_rows, n_columns) > _MOST:
        raise refused(path, line, "no data have as many rows or columns", f"at most {_MOST}", shown(text))
    half = n_rows * (n_rows + (-1 if symmetry.startswith("skew") else 1)) // 2
    n_entries = int(sizes[2]) if wanted == 3 else n_rows * n_columns if symmetry == "general" else half
    return Header((n_rows, n_columns), n_entries, layout, field, symmetry, line, tuple(notes))


def shown(text: bytes) -> str:
    """What stands in a file, for a message."""
    return ascii(text[:60].decode("latin-1").strip())


def refused(
    path: Path, line: int, says: str, expected: str, found: str, advice: str = "Export it again, or correct that line."
) -> InputError:
    """The error for a line."""
    return InputError(f"{path}, line {line}: {says}.", expected=expected, found=found, advice=advice)

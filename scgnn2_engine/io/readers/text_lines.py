"""The lines of a table of text: which are comments, what separates their fields, and what stands in them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from scgnn2_engine.io.readers.text_marks import NUMBER, has_comma

MISSING = frozenset({"na", "n/a", "#n/a", "<na>", "null", "none", "-", ".", "?"})
"""How programs write that there is no value, in lower case."""

_SEPARATOR_LINE = re.compile(rb'"?sep=.?"?[,;]*', re.IGNORECASE)
_COMMENT = (b"#", b"%", b"!")


def comments(lines: Sequence[bytes]) -> int:
    """How many of the first lines are comments or blank: they begin with #, % or ! and are no header behind a #.

    So are Excel's ``sep=;`` and the two lines with which a GCT of version 1.2 begins.
    """
    if lines and lines[0].strip() == b"#1.2" and len(lines) > 2:  # GCT, whose second line counts rows and columns
        return 2
    start = int(bool(lines) and _SEPARATOR_LINE.fullmatch(lines[0]) is not None)
    count = next(
        (at for at, line in enumerate(lines) if at >= start and line.strip() and not line.startswith(_COMMENT)),
        len(lines),
    )
    if 0 < count < len(lines) and lines[count - 1].startswith(b"#"):
        separator = separator_of(lines[count])
        header, row = (split_line(lines[at], separator) for at in (count - 1, count))
        if len(header) == len(row) > 1 and are_numbers(row[1:]) and not are_numbers(header[1:]):
            return count - 1
    return count


def without_single_quotes(field: str) -> str:
    """What stands between single quotes; all of a field that does not stand between them."""
    return field[1:-1] if len(field) > 2 and field[0] == field[-1] == "'" else field


def behind_last(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """How many fields at the end of every row are empty and without a name, because rows end with separators.

    Examples
    --------
    >>> behind_last(["gene", "c1", "", ""], [["Actb", "3", "", ""], ["Sox2", "", "", ""]])
    2
    """
    empty = min(_empty_at_end(row) for row in rows)
    named = len(header) - _empty_at_end(header)
    return max(0, min(empty, len(rows[0]) - max(named, 2)))


def _empty_at_end(fields: Sequence[str]) -> int:
    return next((at for at, field in enumerate(reversed(fields)) if field), len(fields))


def is_blank(line: bytes) -> bool:
    """Whether a line holds nothing but separators, as spreadsheets write below a table."""
    return not line.strip(b",;\t ")


def separator_of(header: bytes, rows: Sequence[bytes] = ()) -> str:
    r"""Tell the separator of a header line: the most frequent of tab, comma and semicolon, else | or space.

    What stands between quotes does not count. One that does not divide the rows as it divides the header is none,
    where another one does.

    Examples
    --------
    >>> separator_of(b'ID\tcell_1\tcell_2'), separator_of(b'"cell_1" "cell_2"')
    ('\t', ' ')
    """
    bare = re.sub(rb'"[^"]*"', b"_", header)
    counts = {separator: bare.count(separator.encode()) for separator in ("\t", ",", ";")}
    best = max(counts, key=lambda separator: counts[separator])
    if rows and (len(counts) - list(counts.values()).count(0)) > 1:
        fitting = [separator for separator in counts if counts[separator] and _divides(separator, header, rows)]
        best = max(fitting, key=lambda separator: counts[separator], default=best)
    if counts[best]:
        return best
    if b"|" in bare and rows and all(b"|" in row for row in rows) and _divides("|", header, rows):
        return "|"
    if b" " in bare.strip():
        return " "
    return next((separator for separator in "\t,; " if rows and _divides_in_two(separator, rows)), ",")


def _divides_in_two(separator: str, rows: Sequence[bytes]) -> bool:
    """Whether each row is a name and one field, as below a header of R with one name; before a space, in quotes."""
    return all(len(split_line(row, separator)) == 2 and (separator != " " or row.startswith(b'"')) for row in rows)


def _divides(separator: str, header: bytes, rows: Sequence[bytes]) -> bool:
    wanted = len(split_line(header, separator))
    found = {len(split_line(row, separator)) for row in rows}
    return len(found) == 1 and abs(found.pop() - wanted) <= 1


def split_line(line: bytes, separator: str) -> list[str]:
    """Split one line into fields, quotes resolved, spaces around names removed.

    Examples
    --------
    >>> split_line(b'"Actb, beta" 3  0', " ")
    ['Actb, beta', '3', '0']
    """
    text = line.decode()
    if separator == " ":
        text = text.strip(" ")
    if '"' in text:
        rows = csv.reader([text], delimiter=separator, skipinitialspace=separator == " ")
        try:
            return [field.strip() for field in next(rows)]
        except csv.Error:  # a field longer than Python reads
            return [field.strip().strip('"') for field in text.split(separator)]
    return [field.strip() for field in (re.split(" +", text) if separator == " " else text.split(separator))]


def are_numbers(fields: Sequence[str]) -> bool:
    """Whether all fields are numbers, or say that there is none."""
    return all(NUMBER.fullmatch(field) or has_comma(field) or field.lower() in MISSING for field in fields)

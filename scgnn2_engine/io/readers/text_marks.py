"""Commas, points and other marks within the numbers of a text: what is decimal, and what stands between thousands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scgnn2_engine.errors import InputError

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WITH_COMMA = re.compile(r"[+-]?\d[\d.]*(,\d+)+(\.\d*)?([eE][+-]?\d+)?")
_MARKED = re.compile(r"[+-]?\d{1,3}(?:([ '’_\u00a0\u2009\u202f])\d{3}(?:\1\d{3})*|(\.)\d{3}(?:\.\d{3})+)(?:[.,]\d+)?")
_BY_POINT = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
_ALL_WITH_POINTS = 1000
_MARKS = {" ": "spaces", "_": "underscores", ".": "points", "'": "apostrophes", "’": "apostrophes"}


def comma_means(path: Path, place: str, fields: Sequence[str], dots: bool) -> str:
    """What commas within numbers are, by all such numbers of a file.

    Parameters
    ----------
    path, place
        The file and where in it one stands, for messages.
    fields
        The numbers that hold a comma.
    dots
        Whether numbers of the file are written with a decimal point.

    Raises
    ------
    InputError
        They may be either: all are like ``1,234``, or some speak for one and some for the other.

    Examples
    --------
    >>> from pathlib import Path
    >>> comma_means(Path("m.csv"), "", ["1,5", "0,25"], False), comma_means(Path("m.csv"), "", ["1,234,567"], False)
    ('decimal', 'thousands')
    """
    thousands = dots or any(field.count(",") > 1 or "." in field for field in fields)
    other = [field for field in fields if not re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", field)]
    if thousands == bool(other):
        raise InputError(
            f"{path} holds text that may be a number with a decimal comma or with commas between thousands{place}.",
            expected="numbers with a decimal point and nothing between thousands",
            found=f"numbers such as {' and '.join(dict.fromkeys([*fields[:1], *other[:1]]))}",
            advice="Write it again so. R: write.csv(m, FILE); pandas: read_csv(FILE, sep=..., index_col=0, decimal=',' "
            "or thousands=','), then to_csv.",
        )
    return "thousands" if thousands else "decimal"


def has_comma(field: str) -> bool:
    """Whether a field is a number with a comma in it."""
    return _WITH_COMMA.fullmatch(field) is not None


def thousands_mark(field: str) -> str:
    """What stands between the thousands of a number, where it is neither a comma nor a single point; ``""`` of others.

    Examples
    --------
    >>> thousands_mark("9 872"), thousands_mark("1.234.567"), thousands_mark("1.234")
    ('spaces', 'points', '')
    """
    match = _MARKED.fullmatch(field)
    return _MARKS.get(match[1] or match[2], "spaces") if match else ""


def marked_numbers(fields: Sequence[str]) -> bool:
    """Whether all of some fields are numbers, some of them with such a mark."""
    return any(map(thousands_mark, fields)) and all(
        NUMBER.fullmatch(field) or thousands_mark(field) for field in fields
    )


@dataclass
class PointsBetweenThousands:
    """Looks through a table for what tells whether the points in its numbers are decimal points.

    They may stand between thousands as long as each has one to three digits before it, the first of them no 0, and
    three behind it. A table of a thousand numbers and more, each with a point, is one of decimals: of counts, some
    would be below a thousand, or above a million.
    """

    path: Path
    decided: bool = False
    with_point: int = 0
    whole: bool = False
    shown: str = ""

    def see(self, rows: Iterable[Sequence[str]]) -> None:
        """Take in the numbers of the next rows, until one speaks for decimal points."""
        for row in rows:
            points = [field for field in row if "." in field]
            self.decided = not all(_BY_POINT.fullmatch(field) for field in points)
            if self.decided:
                return
            self.with_point += len(points)
            self.whole |= len(points) < len(row)
            self.shown = self.shown or next(iter(points), "")

    def check(self) -> None:
        """Refuse a table whose points may be either.

        Raises
        ------
        InputError
            All numbers with a point are like ``1.234``.
        """
        if self.shown and not self.decided and (self.whole or self.with_point < _ALL_WITH_POINTS):
            raise InputError(
                f"The points in the numbers of {self.path} may be decimal points or stand between thousands: three "
                "digits stand behind each.",
                expected="numbers with a decimal point and nothing between thousands",
                found=f"numbers such as {self.shown}",
                advice="Write it again so. Of thousands: pandas.read_csv(FILE, sep=..., index_col=0, thousands='.')"
                ".to_csv(NEW); of decimals: write all of them with as many digits, such as 0.500 and 1.2340.",
            )

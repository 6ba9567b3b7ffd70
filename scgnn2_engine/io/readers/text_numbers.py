"""Numbers of a text, parsed together: an operation on arrays does for all fields what a parser does for one.

What costs little is done for every byte (where fields end, which are a single 0), what costs more only for the fields
that are left. Every value is the one that Python's ``float`` gives, rounded to float32: a decimal of up to 15 digits is
a whole number below 2^53 over a power of ten up to 10^22, both exact in a double, so that their quotient is the nearest
double (Clinger 1990, section 3); of up to 19 digits, it is decided where both ends of the error's interval round to one
float32. The few others, and all with an exponent, are left to ``float``.

Digits are made a number eight at a time, in one 64-bit word (Lemire 2022, "Quickly parsing eight digits").
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_NUMBER = re.compile(rb" *\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *")
_BREAK, _DOT, _ZERO = b"\n.0"
_LONGEST = 32
_EXACT, _MOST = 15, 19  # digits that a double surely holds, and those that 64 bits do
_LONG = 0.3  # where more of the fields have several characters, numpy's parser is as fast
_HARD = 0.2  # where more of the fields are, numpy's parser is faster
_LARGEST = float(np.finfo(np.float32).max)

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float32]


def count_lines(text: bytes) -> int:
    r"""How many line breaks there are; five times as fast as ``bytes.count``.

    Examples
    --------
    >>> count_lines(b"a\nb\n")
    2
    """
    return int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == _BREAK))


class Entries(NamedTuple):
    """The names of a block, and its values that are not a single 0.

    Attributes
    ----------
    names
        (n_rows,) as they stand there.
    places
        (n,) the fields that they are, counted row by row from 0, names counted too; ascending.
    values
        (n,) finite, at least 0.
    """

    names: list[bytes]
    places: Ints
    values: Floats


def entries(lines: bytes, separator: int, n_rows: int, n_fields: int) -> Entries | None:
    r"""Parse rows of a name and numbers.

    Parameters
    ----------
    lines
        Rows, each with its line break. The name is what stands before the first separator.
    separator
        Between the fields of a row.
    n_rows, n_fields
        How many there must be, the name counted.

    Returns
    -------
    None where a row has another length, or a field is no plain number of at least 0.

    Examples
    --------
    >>> entries(b"Actb,0,2\nSox2,12.5,0\n", ord(","), 2, 3)
    Entries(names=[b'Actb', b'Sox2'], places=array([2, 4]), values=array([ 2. , 12.5], dtype=float32))
    """
    text = np.zeros(len(lines) + _LONGEST, dtype=np.uint8)
    text[: len(lines)] = np.frombuffer(lines, dtype=np.uint8)
    body = text[: len(lines)]
    is_end = body == separator
    is_end |= body == _BREAK
    ends = np.flatnonzero(is_end)
    if len(ends) != n_rows * n_fields or bool((body[ends[n_fields - 1 :: n_fields]] != _BREAK).any()):
        return None
    lengths = np.diff(ends, prepend=-1) - 1
    digits = text[ends - 1] - np.uint8(_ZERO)  # the last character of each field
    there = digits != 0
    there |= lengths != 1
    there[::n_fields] = False  # which are names
    places = np.flatnonzero(there)
    ends_there, lengths_there, digits = ends[places], lengths[places], digits[places]
    longer = np.flatnonzero(lengths_there != 1)
    if len(longer) > max(_LONG * n_rows * (n_fields - 1), 100):
        return None
    values = digits.astype(np.float32)
    if len(longer):
        parsed = _numbers(text, ends_there[longer] - lengths_there[longer], ends_there[longer])
        if parsed is None:
            return None
        values[longer] = parsed
        digits[longer] = 0
    if bool((digits > 9).any()):  # a sign
        return None
    name_ends = ends[::n_fields].tolist()
    names = [lines[end - length : end] for end, length in zip(name_ends, lengths[::n_fields].tolist(), strict=True)]
    return Entries(names, places, values)


def _numbers(text: Bytes, starts: Ints, ends: Ints) -> Floats | None:
    """The values of fields of several characters; None where one is no plain number of at least 0."""
    lengths = ends - starts
    if int(lengths.max()) >= _LONGEST:
        return None
    keys = (lengths * _LONGEST + _dots(text, starts, ends, lengths)).astype(np.uint16)
    values = np.empty(len(starts), dtype=np.float32)
    hard: list[Ints] = []
    for members, key in _alike(keys):
        parsed, unsure = _of_one_form(text, starts[members], *divmod(key, _LONGEST))
        values[members] = parsed
        hard.append(unsure if isinstance(members, slice) else members[unsure])
    left = np.concatenate(hard)
    if len(left) > max(_HARD * len(starts), 100):
        return None
    for at in left:
        field = text[starts[at] : ends[at]].tobytes()
        if not _NUMBER.fullmatch(field) or float(field) > _LARGEST:
            return None
        values[at] = float(field)
    return values


def _dots(text: Bytes, starts: Ints, ends: Ints, lengths: Ints) -> Ints:
    """How many characters stand before the dot: all where there is none, a number too high where there are several."""
    is_dot = text == _DOT
    dots = np.flatnonzero(is_dot)
    if not len(dots):
        return lengths
    first = np.searchsorted(dots, starts)
    count = np.searchsorted(dots, ends) - first
    before = np.where(count == 1, dots[np.minimum(first, len(dots) - 1)] - starts, lengths)
    return np.where(count > 1, _LONGEST - 1, before)


def _alike(keys: npt.NDArray[np.uint16]) -> list[tuple[Ints | slice, int]]:
    if keys.min() == keys.max():
        return [(slice(None), int(keys[0]))]
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    edges = [0, *(np.flatnonzero(np.diff(ordered)) + 1).tolist(), len(keys)]
    return [(order[start:end], int(ordered[start])) for start, end in pairwise(edges)]


def _of_one_form(text: Bytes, starts: Ints, length: int, dot: int) -> tuple[Floats, Ints]:
    """The values of fields that have as many characters and their dot at one place, and which of them are unsure."""
    digits = length - (dot < length)
    if not 0 < digits <= _MOST or dot > length:
        return np.zeros(len(starts), dtype=np.float32), np.arange(len(starts))
    width = -(-digits // 8) * 8
    characters = np.full(len(starts) * width, _ZERO, dtype=np.uint8)
    for first, count, to in ((0, dot, 0), (dot + 1, length - dot - 1, dot)):
        if count > 0:
            form = np.dtype(
                {"names": ["x"], "formats": [f"V{count}"], "offsets": [width - digits + to], "itemsize": width}
            )
            source = np.ndarray(len(text) - first - count + 1, f"V{count}", text, first, (1,))
            characters.view(form)["x"] = source[starts]
    words = characters.view("<u8").reshape(len(starts), -1) ^ np.uint64(0x3030303030303030)
    wrong = ((words + np.uint64(0x7676767676767676)) | words) & np.uint64(0x8080808080808080)
    unsure = wrong.any(axis=1) if bool(wrong.any()) else np.zeros(len(starts), dtype=bool)
    whole = _eight_digits(words[:, 0])
    for part in range(1, words.shape[1]):
        whole = whole * np.uint64(100_000_000) + _eight_digits(words[:, part])
    power = 10.0 ** (digits - dot if dot < length else 0)
    exact = whole.astype(np.float64) / power
    values = exact.astype(np.float32)
    if digits > _EXACT:
        unsure |= (exact * (1 - 2.0**-50)).astype(np.float32) != (exact * (1 + 2.0**-50)).astype(np.float32)
    return values, np.flatnonzero(unsure)


def _eight_digits(words: Words) -> Words:
    """The number that the bytes of a word, 0 to 9, the first one lowest, are the digits of."""
    words = (words * np.uint64(10) + (words >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    words = (words * np.uint64(100) + (words >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    return (words * np.uint64(10_000) + (words >> np.uint64(32))) & np.uint64(0xFFFFFFFF)

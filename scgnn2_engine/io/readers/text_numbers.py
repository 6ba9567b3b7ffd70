"""Numbers of a text, parsed together: an operation on arrays does for all fields what a parser does for one.

What costs little is done for every byte (where fields end, which are a single 0), what costs more only for the fields
that are left, in words of eight characters. Every value is the one that Python's ``float`` gives, rounded to float32: a
decimal of up to 15 digits is a whole number below 2^53 over a power of ten up to 10^22, both exact in a double, so that
their quotient is the nearest double (Clinger 1990, section 3); of up to 19 digits, it is decided where both ends of the
error's interval round to one float32. The few others, and all with an exponent, are left to ``float``.

Digits are made a number eight at a time, in one 64-bit word (Lemire 2022, "Quickly parsing eight digits"), whose dot is
found as in Mycroft 1987 (a byte that is zero once the dot's bits are taken off).
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_NUMBER = re.compile(rb" *\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *")
_BREAK, _ZERO = b"\n0"
_WORDS = 3  # of eight characters, in the longest field that is parsed here
_EXACT, _MOST = 15, 19  # digits that a double surely holds, and those that 64 bits do
_HARD = 0.2  # where more of the fields are, numpy's parser is faster
_LARGEST = float(np.finfo(np.float32).max)
_EVERY = np.uint64(0x0101010101010101)  # times a byte: that byte eight times
_ZEROS, _DOTS, _HIGH = _ZERO * _EVERY, (_ZERO ^ ord(".")) * _EVERY, 0x80 * _EVERY
_LAST = np.array([(2**64 - 1) >> 8 * skipped << 8 * skipped for skipped in range(8)], dtype=np.uint64)
_POWERS = 10.0 ** np.arange(8 * _WORDS)

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
    text = np.zeros(8 * _WORDS + len(lines), dtype=np.uint8)
    body = text[8 * _WORDS :]
    body[:] = np.frombuffer(lines, dtype=np.uint8)
    is_end = body == separator
    is_end |= body == _BREAK
    ends = np.flatnonzero(is_end)
    if len(ends) != n_rows * n_fields or bool((body[ends[n_fields - 1 :: n_fields]] != _BREAK).any()):
        return None
    behind_zero = np.zeros(len(body), dtype=bool)  # the second byte behind an end, a 0 between them
    np.logical_and(body[1:-1] == _ZERO, is_end[:-2], out=behind_zero[2:])
    there = ~behind_zero[ends]
    there[::n_fields] = False  # which are names
    places = np.flatnonzero(there)
    ends_there = ends[places]
    lengths = ends_there - ends[places - 1] - 1
    digits = body[ends_there - 1] - np.uint8(_ZERO)
    values = digits.astype(np.float32)
    longer = np.flatnonzero(lengths != 1)
    if len(longer):
        parsed = _numbers(text, ends_there[longer] + 8 * _WORDS, lengths[longer])
        if parsed is None:
            return None
        values[longer] = parsed
        digits[longer] = 0
    if bool((digits > 9).any()):  # a sign
        return None
    name_ends = ends[::n_fields].tolist()
    row_ends = ends[n_fields - 1 :: n_fields].tolist()
    names = [lines[start:end] for start, end in zip([0, *(end + 1 for end in row_ends)], name_ends, strict=False)]
    return Entries(names, places, values)


def _numbers(text: Bytes, ends: Ints, lengths: Ints) -> Floats | None:
    """The values of fields of several characters; None where one is no plain number of at least 0."""
    values = np.empty(len(ends), dtype=np.float32)
    n_words = (lengths + 7) >> 3
    hard = [np.flatnonzero((n_words < 1) | (n_words > _WORDS))]
    for n in range(1, _WORDS + 1):
        members = np.flatnonzero(n_words == n)
        if len(members):
            values[members], unsure = _of_words(text, ends[members], lengths[members], n)
            hard.append(members[unsure])
    left = np.concatenate(hard)
    if len(left) > max(_HARD * len(ends), 100):
        return None
    for at in left:
        field = text[ends[at] - lengths[at] : ends[at]].tobytes()
        if not _NUMBER.fullmatch(field) or float(field) > _LARGEST:
            return None
        values[at] = float(field)
    return values


def _of_words(text: Bytes, ends: Ints, lengths: Ints, n: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The values of fields of up to ``8 * n`` characters, more than ``8 * (n - 1)``, and which of them are unsure.

    What stands before the dot is moved by one character, to where the dot was, so that digits are left alone.
    """
    at_any = np.ndarray(len(text) - 7, "<u8", text, 0, (1,))  # the first of eight characters is the lowest byte
    words = [at_any[ends - 8 * (n - part)] ^ _ZEROS for part in range(n)]
    words[0] &= _LAST[8 * n - lengths]
    wrong = np.zeros(len(ends), dtype=np.uint64)
    behind = np.zeros(len(ends), dtype=np.uint8)  # how many digits stand behind the dot
    moved = np.zeros(len(ends), dtype=np.uint64)  # all bits, once the dot has been found
    for part in reversed(range(n)):
        word = words[part]
        other = word ^ _DOTS
        found = (other - _EVERY) & ~other & _HIGH & ~moved
        dot = (found & (~found + np.uint64(1))) >> np.uint64(7)  # 1 in the byte of the first dot
        here = dot != 0
        ahead = dot - here
        before = ahead | moved
        kept = ~(before | ((dot << np.uint64(8)) - dot))
        behind += here * (np.uint8(8 * (n - part) - 1) - (np.bitwise_count(ahead) >> np.uint8(3)))
        moved |= np.uint64(0) - here
        words[part] = ((word & before) << np.uint64(8)) | (word & kept)
        if part:
            words[part] |= (words[part - 1] >> np.uint64(56)) & moved
        wrong |= ((words[part] + 0x76 * _EVERY) | words[part]) & _HIGH
    whole = _eight_digits(words[0])
    for word in words[1:]:
        whole = whole * np.uint64(100_000_000) + _eight_digits(word)
    exact = whole.astype(np.float64) / _POWERS[behind]
    values = exact.astype(np.float32)
    unsure = wrong != 0
    if n == _WORDS:
        unsure |= (exact * (1 - 2.0**-50)).astype(np.float32) != (exact * (1 + 2.0**-50)).astype(np.float32)
        unsure |= lengths - (moved != 0) > _MOST
    return values, unsure


def _eight_digits(words: Words) -> Words:
    """The number that the bytes of a word, 0 to 9, the first one lowest, are the digits of."""
    words = (words * np.uint64(10) + (words >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    words = (words * np.uint64(100) + (words >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    return (words * np.uint64(10_000) + (words >> np.uint64(32))) & np.uint64(0xFFFFFFFF)

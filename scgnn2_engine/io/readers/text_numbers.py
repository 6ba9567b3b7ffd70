"""Numbers of a text, parsed by compiled code, byte after byte; importing this module loads numba.

Every value is the one that Python's ``float`` gives, rounded to float32: a decimal of up to 15 digits is a whole number
below 2^53 times or over a power of ten up to 10^22, both exact in a double, so that their product or quotient is the
nearest double (Clinger 1990, section 3); of up to 19 digits, it is decided where both ends of the error's interval
round to one float32. The few others are left to ``float``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scgnn2_engine.training.compiling import compiled

_NUMBER = re.compile(rb" *\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *")
_BREAK, _DOT, _ZERO, _NINE, _SPACE, _PLUS, _MINUS, _E, _SMALL_E = b"\n.09 +-Ee"
_MOST = 19
"""Digits that 64 bits hold."""
_EXACT = np.uint64(2**53)
_POWERS = 10.0 ** np.arange(23)
_LARGEST = float(np.finfo(np.float32).max)
_BELOW, _ABOVE = 1 - 2.0**-50, 1 + 2.0**-50
_REFUSED = -1

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class Entries(NamedTuple):
    """The names of a block, and its values that are not 0.

    Attributes
    ----------
    names
        (n_rows,) as they stand there.
    places
        (n,) the fields that they are, counted row by row from 0, names counted too; ascending.
    values
        (n,) finite, above 0.
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
    None where the last row has no break, a row has another length, or a field is no plain number of at least 0.

    Examples
    --------
    >>> entries(b"Actb,0,2\nSox2,12.5,0\n", ord(","), 2, 3)
    Entries(names=[b'Actb', b'Sox2'], places=array([2, 4]), values=array([ 2. , 12.5], dtype=float32))
    """
    if not lines.endswith(b"\n"):  # where the loops below end
        return None
    most = min(n_rows * (n_fields - 1), len(lines) // 2 + 1)
    name_ends, places = np.empty((n_rows, 2), np.int64), np.empty(most, np.int64)
    values, hard = np.empty(most, np.float32), np.empty((most, 3), np.int64)
    n, n_hard = _parsed(np.frombuffer(lines, np.uint8), separator, n_rows, n_fields, name_ends, places, values, hard)
    if n == _REFUSED:
        return None
    for at, start, end in hard[:n_hard].tolist():
        field = lines[start:end]
        if not _NUMBER.fullmatch(field) or float(field) > _LARGEST:
            return None
        values[at] = float(field)
    names = [lines[start:end] for start, end in name_ends.tolist()]
    return Entries(names, places[:n], values[:n])


@compiled
def _parsed(
    text: Bytes, separator: int, n_rows: int, n_fields: int, name_ends: Ints, places: Ints, values: Floats, hard: Ints
) -> tuple[int, int]:
    """Fill in what the arrays are for: how many entries there are, and how many of them are left to be parsed."""
    at, n, n_hard, size = 0, 0, 0, len(text)
    for row in range(n_rows):
        name_ends[row, 0] = at
        while at < size and text[at] != separator and text[at] != _BREAK:
            at += 1
        name_ends[row, 1] = at
        field = 0
        while field < n_fields - 1:
            field += 1
            if at >= size or text[at] != separator:
                return _REFUSED, 0
            at += 1
            while text[at] == _ZERO and text[at + 1] == separator and field < n_fields - 1:  # most of what there is
                at += 2
                field += 1
            end = separator if field < n_fields - 1 else _BREAK
            if text[at] == _ZERO and text[at + 1] == end:
                at += 1
                continue
            start, digits, fraction, power = at, 0, 0, np.int64(0)
            whole = np.uint64(0)
            any_digit, dotted, is_plain = False, False, True
            while True:
                byte = text[at]
                if _ZERO <= byte <= _NINE:
                    any_digit = True
                    if digits or byte != _ZERO:
                        digits += 1
                        if digits <= _MOST:
                            whole = whole * np.uint64(10) + np.uint64(byte - _ZERO)
                    if dotted:
                        fraction += 1
                elif byte == _DOT and not dotted:
                    dotted = True
                else:
                    break
                at += 1
            if any_digit and (text[at] == _E or text[at] == _SMALL_E):
                at += 1
                falling = text[at] == _MINUS
                if falling or text[at] == _PLUS:
                    at += 1
                first = at
                while _ZERO <= text[at] <= _NINE and at - first < 4:
                    power = 10 * power + np.int64(text[at] - _ZERO)
                    at += 1
                if at == first:
                    return _REFUSED, 0
                power = -power if falling else power
            if text[at] != end:  # spaces around it, a plus before it: of these float decides
                if text[at] != _SPACE and not (at == start and text[at] == _PLUS):
                    return _REFUSED, 0
                while text[at] != separator and text[at] != _BREAK:
                    at += 1
                if text[at] != end:
                    return _REFUSED, 0
                is_plain = False
            elif not any_digit:
                return _REFUSED, 0
            power -= fraction
            if is_plain and digits == 0:
                continue
            value = 0.0
            if is_plain and digits <= _MOST and -22 <= power <= 22:
                value = np.float64(whole) * _POWERS[power] if power >= 0 else np.float64(whole) / _POWERS[-power]
                if value > _LARGEST:
                    return _REFUSED, 0
                if whole > _EXACT and np.float32(value * _BELOW) != np.float32(value * _ABOVE):
                    is_plain = False
            else:
                is_plain = False
            if not is_plain:
                hard[n_hard, 0], hard[n_hard, 1], hard[n_hard, 2] = n, start, at
                n_hard += 1
            places[n] = row * n_fields + field
            values[n] = np.float32(value)
            n += 1
        if at >= size or text[at] != _BREAK:
            return _REFUSED, 0
        at += 1
    return (n, n_hard) if at == size else (_REFUSED, 0)

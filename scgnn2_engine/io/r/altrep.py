"""R's alternative representations (ALTREP): vectors that are stored as a recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rdata.missing import R_INT_NA, is_na
from rdata.parser import RObject, RObjectType

from scgnn2_engine.io.r.source import Budget

_PER_TEXT = 80.0  # bytes of a short string in Python
_DIGITS = 15  # that R gives a number as text
_LARGEST_INT = 2**31 - 1


def expand(name: bytes, state: RObject, budget: Budget) -> tuple[RObjectType, Any]:
    """Write a recipe out.

    Parameters
    ----------
    name
        Its class.
    state
        What is stored.
    budget
        Is asked before a vector is written out: ``1:n`` is stored as three numbers.

    Returns
    -------
    kind, value
        Of an ordinary vector.

    Raises
    ------
    ValueError
        A class that is not known here, or that is stored in another way.
    """
    recipe = _RECIPES.get(name)
    if recipe is None:
        raise ValueError(f"a vector of the class {name.decode('utf-8', 'replace')}")
    return recipe(state, budget)


def _integers(state: RObject, budget: Budget) -> tuple[RObjectType, Any]:
    count, start, step = _sequence(state, budget)
    last = start + (count - 1) * step
    if any(abs(end) > _LARGEST_INT for end in (start, step, last)) or not (start.is_integer() and step.is_integer()):
        raise ValueError(f"a sequence of integers from {start:g} to {last:g}")
    return RObjectType.INT, (np.arange(count) * int(step) + int(start)).astype(np.int32)


def _reals(state: RObject, budget: Budget) -> tuple[RObjectType, Any]:
    count, start, step = _sequence(state, budget)
    return RObjectType.REAL, start + step * np.arange(count)


def _sequence(state: RObject, budget: Budget) -> tuple[int, float, float]:
    if state.info.type is not RObjectType.REAL or len(state.value) != 3 or not np.isfinite(state.value).all():
        raise ValueError("a sequence that is not three numbers")
    count, start, step = (float(number) for number in state.value)
    if count < 0:
        raise ValueError(f"a sequence of {count:g}")
    budget.take(16.0 * count)
    return int(count), start, step


def _wrapped(state: RObject, budget: Budget) -> tuple[RObjectType, Any]:
    """A vector with what is known of it (sorted, no NA)."""
    inner = _first(state)
    if inner.info.type not in _VECTORS:
        raise ValueError(f"a wrapper around {inner.info.type.name}")
    return inner.info.type, inner.value


def _texts(state: RObject, budget: Budget) -> tuple[RObjectType, Any]:
    """Numbers that became text, as row names do."""
    numbers, scipen = _first(state), state.value[1].value
    if numbers.info.type is RObjectType.INT:
        budget.take(_PER_TEXT * len(numbers.value))
        values = np.ma.getdata(numbers.value)
        return RObjectType.STR, [None if value == R_INT_NA else b"%d" % value for value in values.tolist()]
    if numbers.info.type is not RObjectType.REAL or len(scipen) != 1:
        raise ValueError(f"text of {numbers.info.type.name}")
    penalty = int(np.ma.getdata(scipen)[0])
    budget.take((_PER_TEXT + max(0, min(penalty, 400))) * len(numbers.value))
    missing = is_na(numbers.value)
    return RObjectType.STR, [
        None if na else as_text(value, penalty)
        for value, na in zip(numbers.value.tolist(), missing, strict=True)  # type: ignore[arg-type]
    ]


def as_text(value: float, penalty: int = 0) -> bytes:
    """A number as R's ``as.character`` writes it; ``penalty`` is R's option ``scipen``.

    Examples
    --------
    >>> as_text(0.1 + 0.2), as_text(1e5), as_text(123456.0)
    (b'0.3', b'1e+05', b'123456')
    """
    if not np.isfinite(value):
        return b"NaN" if np.isnan(value) else b"Inf" if value > 0 else b"-Inf"
    mantissa, exponent = f"{value:.{_DIGITS - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    scientific = f"{mantissa}e{int(exponent):+03d}"
    decimals = max(0, len(mantissa.lstrip("-").replace(".", "")) - 1 - int(exponent))
    # Digits beyond the fifteenth are not those of the number; R prints them as they are in binary, and so does this.
    fixed = f"{value:.{decimals}f}"
    return (fixed if len(fixed) <= len(scientific) + penalty else scientific).encode()


def _first(state: RObject) -> RObject:
    if state.info.type is not RObjectType.LIST:
        raise ValueError("a vector that is stored in another way than is known here")
    inner: RObject = state.value[0]
    return inner


_VECTORS = (
    RObjectType.LGL,
    RObjectType.INT,
    RObjectType.REAL,
    RObjectType.CPLX,
    RObjectType.STR,
    RObjectType.RAW,
    RObjectType.VEC,
)
_WRAPPERS = (b"wrap_real", b"wrap_integer", b"wrap_logical", b"wrap_complex", b"wrap_string", b"wrap_raw", b"wrap_list")
_RECIPES: dict[bytes, Callable[[RObject, Budget], tuple[RObjectType, Any]]] = {
    b"compact_intseq": _integers,
    b"compact_realseq": _reals,
    b"deferred_string": _texts,
    **dict.fromkeys(_WRAPPERS, _wrapped),
}

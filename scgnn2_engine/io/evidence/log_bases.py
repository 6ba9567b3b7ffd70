"""The base of a logarithm: what scanpy noted of it, and what it is called."""

from __future__ import annotations

from collections.abc import Mapping
from math import e, inf, isclose
from typing import Any

import numpy as np

LOGARITHMS = {"log2": 2.0, "log10": 10.0}
"""Scales of 1 + x that are brought to the natural logarithm, and their bases."""
_BASES_BY_NAME = LOGARITHMS | {"e": e, "ln": e, "natural": e, "log1p": e}


def log_base(uns: Mapping[str, Any]) -> float | None:
    """The base of scanpy's ``log1p`` by what it left in ``uns``: e where it names none; None where it was not called.

    Examples
    --------
    >>> log_base({"log1p": {"base": "log2"}}), log_base({"log1p": {}}) == e, log_base({})
    (2.0, True, None)
    """
    described = uns.get("log1p")
    if not isinstance(described, Mapping):
        return None
    named = described.get("base")
    if named is None:
        return e
    try:
        first = np.asarray(named).reshape(-1)[0]
        base = _BASES_BY_NAME.get(str(first).strip().lower()) or float(first)
    except (IndexError, TypeError, ValueError):
        return None
    return (e if isclose(base, e, rel_tol=1e-6) else base) if 1 < base < inf else None


def doubt_of_base(uns: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence where ``uns['log1p']`` is there and its base cannot be read.

    Examples
    --------
    >>> doubt_of_base({"log1p": {"base": "two"}})
    ("uns['log1p'] names a base that cannot be read (two): the values alone tell it. --load_scale log2 says it.",)
    """
    if "log1p" not in uns or log_base(uns) is not None:
        return ()
    described = uns["log1p"]
    said = " ".join(str(described.get("base") if isinstance(described, Mapping) else described).split())[:60]
    return (
        f"uns['log1p'] names a base that cannot be read ({said}): the values alone tell it. --load_scale log2 says it.",
    )


def name_of(base: float) -> str:
    """How the logarithm to a base is called.

    Examples
    --------
    >>> name_of(e), name_of(10.0), name_of(1.5)
    ('ln', 'log10', 'log1.5')
    """
    return "ln" if base == e else f"log{base:g}"

"""What a parameter accepts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import param

from scgnn2_engine.params.fields import StageParams

LONGEST_SHOWN = 80
"""Characters of a value in a sentence."""


def allowed_range(owner: type[StageParams], name: str) -> str:
    """What a parameter accepts, in words.

    Examples
    --------
    >>> from scgnn2_engine.params import RunParams
    >>> allowed_range(RunParams, "seed")
    'a whole number from 0 to 4294967295'
    """
    declared = owner.param[name]
    if isinstance(declared, param.Selector):
        return "one of " + ", ".join(str(choice) for choice in declared.objects)
    if isinstance(declared, param.Boolean):
        return "true or false"
    if isinstance(declared, param.List):
        return f"{len(declared.default)} whole numbers of at least 1"
    if isinstance(declared, param.String):
        return "text"
    kind = "a whole number" if isinstance(declared, param.Integer) else "a number"
    low, high = declared.bounds or (None, None)
    includes_low, includes_high = declared.inclusive_bounds
    lower = "" if low is None else f" {'from' if includes_low else 'above'} {low:g}" if low < 1e6 else f" from {low}"
    upper = "" if high is None else f" {'to' if includes_high else 'below'} {high}"
    return kind + lower + (" upwards" if low is not None and high is None and includes_low else "") + upper


def plain_value(value: Any) -> Any:
    """A value without NumPy's scalar types and tuples, which neither JSON nor TOML can hold."""
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def shown(value: Any) -> str:
    """A value as a sentence names it, shortened where nobody would read it to its end.

    Examples
    --------
    >>> shown([1, "two"]), len(shown("x" * 1000)), shown(16**10_000)
    ("[1, 'two']", 81, 'a number of too many digits')
    """
    try:
        text = repr(value)
    except ValueError:  # Python writes no more than some thousand digits
        return "a number of too many digits"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def refuse_odd_numbers(declared: Any, value: Any) -> None:
    """Refuse what Python takes for a number but no parameter means: True and infinity."""
    if isinstance(declared, (param.Number, param.List)) and not isinstance(declared, param.Boolean):
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, bool) or (isinstance(number, float) and not math.isfinite(number)):
                raise ValueError(f"expected a finite number, found {number}")

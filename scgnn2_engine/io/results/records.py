"""Run records and events as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """The same value in types JSON knows; numbers that are not finite become None.

    Raises
    ------
    TypeError
        There is no such form (an object of an unknown class).

    Examples
    --------
    >>> plain({"seed": np.int64(1), "loss": float("nan"), "path": Path("a/b"), "genes": ("A", "B")})
    {'seed': 1, 'loss': None, 'path': 'a/b', 'genes': ['A', 'B']}
    """
    if value is None or (isinstance(value, str | bool | int) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Set):
        return sorted(plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"expected a value JSON can hold, found {type(value).__name__}")


def json_text(value: Any) -> str:
    """Indented JSON, ending in a line break."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def json_line(value: Any) -> str:
    """JSON on one line, ending in a line break."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"

"""Compiled loops that are kept on disk from run to run; importing this module loads numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """The compiled function, kept on disk where a folder for it can be written.

    No "fastmath": code loaded from disk is optimised in another way than code just compiled, and only strict
    arithmetic gives the same bytes in both.
    """
    try:
        return njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # neither this folder nor the user's cache is writable
        return njit(nogil=True, error_model="numpy")(function)

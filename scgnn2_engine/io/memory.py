"""How much memory a matrix will need, and whether the machine has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.errors import InsufficientMemoryError

GIB = 1024**3
_CGROUP_FILES = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available_memory() -> int:
    """Bytes this process may still take: free memory of the machine, or of its container where that is less."""
    available = int(psutil.virtual_memory().available)
    for limit_file, usage_file in _CGROUP_FILES:
        try:
            left = int(Path(limit_file).read_text()) - int(Path(usage_file).read_text())
        except (OSError, ValueError):  # no such controller, or no limit: the file then reads "max"
            continue
        available = min(available, max(left, 0))
    return available


def require_memory(needed: float, what: str, max_memory: float = 0.0, *, free: int | None = None) -> None:
    """Refuse, before anything is allocated, what will not fit.

    Parameters
    ----------
    needed
        Bytes expected at the peak.
    what
        What needs them, as the subject of a sentence.
    max_memory
        Limit in GiB; 0 takes what is free.
    free
        Bytes that were free before the first of several things was read, of which ``needed`` is the sum; None looks.

    Raises
    ------
    InsufficientMemoryError
        ``needed`` is above the limit; the message holds both numbers.

    Examples
    --------
    >>> require_memory(1000, "A tiny matrix")
    """
    limit = max_memory * GIB if max_memory > 0 else available_memory() if free is None else free
    if needed > limit:
        raise InsufficientMemoryError(
            f"{what} would need about {_in_gib(needed)} of memory.",
            expected=f"at most {_in_gib(limit)} ({'max_memory' if max_memory > 0 else 'what is free now'})",
            found=_in_gib(needed),
            advice="Take fewer cells or genes, keep the matrix sparse (10x or h5ad), or use a larger machine.",
        )


def stored_entries(x: Matrix) -> int:
    """Entries of a matrix that are not zero; of a sparse one, those that are stored."""
    return int(np.count_nonzero(x)) if isinstance(x, np.ndarray) else int(x.nnz)


def _in_gib(size: float) -> str:
    return f"{size / GIB:.3g} GiB"

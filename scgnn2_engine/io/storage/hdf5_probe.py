"""Whether HDF5 can walk a file at all: tried in a child process first, as a damaged heap or tree can hold it for ever.

Where it loops is compiled code that holds the interpreter's lock: no timer of Python, and no Ctrl-C, ends it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.storage.hdf5_storage import check_storage

_SECONDS = 5
"""Of a processor, for each element: a whole file is walked in some milliseconds."""
_PER_SECOND = 50_000
"""Texts that the slowest machine reads in a second; a fast one reads a million."""
_TEXTS = 1_000_000
"""How many texts of an array are tried."""


def check_walk(path: Path) -> None:
    """Walk an HDF5 file in a child process: every attribute and every text in it, no number.

    Only where a process can be divided safely, which is on Linux; elsewhere nothing is tried.

    Raises
    ------
    InputError
        HDF5 did not come back from it, or ended the child.
    """
    if sys.platform == "linux":
        state = path.stat()
        _check_once(path, state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _check_once(path: Path, *_state: int) -> None:
    """Walk a file that has not changed since it was walked only once."""
    end = ended_by(lambda: walk(path))
    if end:
        raise InputError(
            f"{path} is damaged: HDF5 cannot walk through it.",
            expected="a file whose tree of groups and attributes can be read",
            found="a loop that does not end"
            if end == signal.SIGXCPU
            else f"the library ended by {signal.strsignal(end)}",
            advice="Download or export it again.",
        )


def ended_by(work: Callable[[], None], seconds: int = _SECONDS) -> int:
    """Work in a child process, and return the signal that ended it; 0 where it came back, whatever it raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: h5py holds its lock while a process divides
        child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            _allow(seconds)
            work()
        os._exit(0)
    try:
        _, status = os.waitpid(child, 0)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _allow(seconds: float) -> None:
    """Let this process take so many more seconds of a processor before the system ends it."""
    import resource

    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 1, resource.RLIM_INFINITY))


def walk(path: Path) -> None:
    """Read what the library follows pointers for: attributes, and texts of any length. Errors are the reader's."""
    import h5py

    def visit(element: Any) -> None:
        _allow(_SECONDS)
        for key in element.attrs:
            with contextlib.suppress(Exception):
                element.attrs[key]
        with contextlib.suppress(Exception):
            if isinstance(element, h5py.Dataset):
                check_storage(element, "")
                _read_texts(element)

    with h5py.File(path, "r") as file:
        visit(file)
        file.visititems(lambda _, element: visit(element))


def _read_texts(dataset: Any) -> None:
    if dataset.dtype.kind != "O":
        return
    if not dataset.shape:
        dataset[()]
        return
    row = int(np.prod(dataset.shape[1:], dtype=np.int64)) or 1
    _allow(_SECONDS + min(dataset.size, _TEXTS) / _PER_SECOND)
    for start in range(0, min(len(dataset), _TEXTS // row + 1), step := max(1, 65_536 // row)):
        dataset[start : start + step]

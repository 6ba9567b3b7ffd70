"""What a run costs and what it ran on: peak memory per stage, versions."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import sys
import threading
from types import TracebackType

import psutil

PACKAGES = (
    "scgnn2",
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "anndata",
    "scanpy",
    "igraph",
    "pynndescent",
    "numba",
    "param",
)


GROWN = 256 * 2**20


def give_back_memory() -> None:
    """Hand memory that was freed back to the operating system, where the C library is glibc, which else keeps it.

    Arrays of some megabytes that a stage frees lie between others that live on; the next stage's seldom fit into the
    gaps, so that without this a process grows from stage to stage.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class GrownMemory:
    """Hands freed memory back whenever the process has grown by 256 MiB since the last time.

    The arrays of an epoch are of one size again and again, and still the C library's heap grows by their gaps: the
    graph autoencoder of 100,000 cells took 2.2 GiB after 25 epochs, with this 1.5.

    Examples
    --------
    >>> GrownMemory().check()
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss

    def check(self) -> None:
        """Hand it back, if it is time to."""
        if self._process.memory_info().rss > self._before + GROWN:
            give_back_memory()
            self._before = self._process.memory_info().rss


class PeakMemory:
    """Largest resident memory of this process, sampled by a thread.

    Sampling, because the operating system's own high-water mark cannot be taken per stage without disturbing whoever
    else reads it. Peaks shorter than ``interval`` seconds can be missed.

    Examples
    --------
    >>> with PeakMemory() as memory:
    ...     memory.take() > 0
    True
    """

    def __init__(self, interval: float = 0.05) -> None:
        self._interval = interval
        self._process = psutil.Process()
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak-memory", daemon=True)

    def _sample(self) -> None:
        while not self._over.wait(self._interval):
            self._peak = max(self._peak, self._process.memory_info().rss)

    def take(self) -> int:
        """The peak in bytes since the last call."""
        now = self._process.memory_info().rss
        peak, self._peak = max(self._peak, now), now
        return int(peak)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on, and the platform."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def usable_processors() -> int:
    """Processors this process may use, which may be fewer than the machine has.

    Examples
    --------
    >>> 1 <= usable_processors() <= os.cpu_count()
    True
    """
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

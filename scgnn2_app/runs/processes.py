"""The process of a run: started apart from the server, known again after a restart, ended with all its children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

HOST = socket.gethostname()
WORKER = ("-m", "scgnn2_app.runs.worker")
"""What Python is told to run for a run."""

HEARTBEAT = "alive"
HEARTBEAT_SECONDS = 5.0
SILENT_AFTER = 60.0
"""Seconds without a heartbeat after which a run on another machine counts as lost."""


def start(folder: Path, *, threads: int) -> subprocess.Popen[bytes]:
    """Start the worker of a run in a session of its own; what it prints goes to ``log.txt``.

    Parameters
    ----------
    folder
        The run's folder.
    threads
        The threads that torch, BLAS and numba may use.
    """
    counts = {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "MKL", "OPENBLAS", "NUMBA", "VECLIB_MAXIMUM")}
    # Idle OpenMP threads that spin slow everything down fourfold when another process competes; read when torch loads.
    environment = {**os.environ, **counts, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, *WORKER, str(folder), "--threads", str(threads)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )


def birth(pid: int) -> str:
    """What tells a process from another one that has the same number later; empty where there is no such process.

    On Linux the boot and the tick of its start, which a change of the clock does not move; elsewhere the time.

    Examples
    --------
    >>> birth(os.getpid()) == birth(os.getpid()) != ""
    True
    """
    try:
        if Path("/proc/self/stat").exists():
            # The name in brackets may hold anything, so the fields are counted from behind it.
            ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
            return f"{_boot()}:{ticks}"
        return f"{psutil.Process(pid).create_time():.1f}"
    except (OSError, psutil.Error, IndexError):
        return ""


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return ""


def is_alive(pid: int, born: str) -> bool:
    """Whether exactly this process runs; one that is dead but not yet waited for does not."""
    if pid <= 0 or not born or birth(pid) != born:
        return False
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def heard_of(folder: Path) -> bool:
    """Whether the worker of a run, on whatever machine, has given a sign of life lately."""
    try:
        return time.time() - (folder / HEARTBEAT).stat().st_mtime < SILENT_AFTER
    except OSError:
        return False


def kill(pid: int, born: str) -> None:
    """End a worker and every process it started, at once; does nothing where it is gone."""
    if not is_alive(pid, born):
        return
    with suppress(psutil.Error):
        children = psutil.Process(pid).children(recursive=True)
        if hasattr(os, "killpg") and os.getpgid(pid) == pid:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        for process in (psutil.Process(pid), *children):
            with suppress(psutil.Error):
                process.kill()


def how_it_ended(code: int | None, *, memory_kills_before: int = 0) -> str:
    """The reason of a worker that ended without a last word.

    Parameters
    ----------
    code
        Its exit code (negative: the signal), None where another process started it and so nobody was told.
    memory_kills_before
        :func:`memory_kills` when it was started.

    Examples
    --------
    >>> how_it_ended(3)
    'Its process ended with code 3 and left no reason; the end of its log may tell.'
    """
    if code is None:
        return (
            "Its process is gone and left no reason: it was killed (often by the system, for lack of memory), or the "
            "machine was restarted."
        )
    if code == -getattr(signal, "SIGKILL", 9):
        if memory_kills() > memory_kills_before:
            return "The system killed its process because the memory ran out. Take fewer genes or cells."
        return (
            "Its process was killed by signal 9: often the system's doing, when the memory runs out. If nobody killed "
            "it, take fewer genes or cells."
        )
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return f"Its process was ended by signal {-code} ({name}); the end of its log may tell why."
    return f"Its process ended with code {code} and left no reason; the end of its log may tell."


def memory_kills() -> int:
    """How many processes the system has killed for lack of memory so far in this container; 0 where it does not say."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        with suppress(OSError, ValueError):
            for line in Path(path).read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    return 0

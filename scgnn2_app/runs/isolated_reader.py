"""Processes that read somebody's file and say what it is: ``python -m scgnn2_app.runs.isolated_reader``.

A damaged file may end the program that reads it, or ask it for all memory there is. The server therefore reads nothing
that others send: a process apart does, within a limit of memory and time, and answers in JSON. That process loads what
reading takes once, and forks for every request, so that a file costs a fork and not the seconds of the imports.
"""

from __future__ import annotations

import atexit
import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from scgnn2_app.runs.processes import memory_kills
from scgnn2_app.runs.source_summary import SourceSummary, describe
from scgnn2_app.sources.source import Source
from scgnn2_engine import errors
from scgnn2_engine.errors import InputError, InsufficientMemoryError, ScgnnError
from scgnn2_engine.io.memory import available_memory
from scgnn2_engine.params import RunParams

SECONDS = 900.0
"""Longest time that a file may take to be read for a description."""

AT_ONCE = 2
"""Files that are read beside each other; others wait, so that many visitors do not take all memory."""

OWN = ("demo", "memory")
"""Kinds of sources that this program has written itself: they are read where it is."""


def summarise(source: Source, params: RunParams, *, seconds: float = SECONDS) -> SourceSummary:
    """Do what :func:`describe` does, in a process of its own where the file comes from others.

    Parameters
    ----------
    source, params
        As there.
    seconds
        Longest time it may take.

    Raises
    ------
    ScgnnError
        The data cannot be read, does not fit into memory, takes too long, or ends the process that reads it.
    """
    if source.kind in OWN:
        return describe(source, params)
    request = {"source": source.to_dict(), "params": params.to_dict(), "memory": available_memory()}
    before = memory_kills()
    answer = READERS.ask(json.dumps(request), source.text, seconds)
    if "died" in answer:
        raise _how_it_ended(source.text, int(answer["died"]), killed=memory_kills() > before)
    if "error" in answer:
        raise _revived(answer["error"])
    parts: dict[str, Any] = answer["summary"]
    parts |= {name: tuple(value) for name, value in parts.items() if isinstance(value, list)}
    return SourceSummary(**parts)


class Readers:
    """Up to ``at_once`` processes that read, each started when it is first needed.

    Parameters
    ----------
    command
        What Python is told to run.
    at_once
        Most of them.
    """

    def __init__(
        self, command: tuple[str, ...] = ("-m", "scgnn2_app.runs.isolated_reader"), at_once: int = AT_ONCE
    ) -> None:
        self._command = command
        self._idle: queue.LifoQueue[subprocess.Popen[str] | None] = queue.LifoQueue()
        for _ in range(at_once):
            self._idle.put(None)
        atexit.register(self.close)

    def ask(self, request: str, what: str, seconds: float) -> dict[str, Any]:
        """The answer to one request, a line of JSON; of a process that ended, ``{"died": code}``.

        Raises
        ------
        InputError
            There is none within that time.
        """
        process = self._idle.get()
        if process is None or process.poll() is not None:
            try:
                process = self._started()
            except OSError:  # no more processes, or memory: the next one may try again
                self._idle.put(None)
                raise
        late = threading.Event()

        def give_up() -> None:
            late.set()  # before the end, by which the exchange is over
            _end(process)

        timer = threading.Timer(seconds, give_up)
        timer.start()
        try:
            answer = _exchange(process, request)
        finally:
            timer.cancel()
            if process.poll() is not None or late.is_set():
                _end(process)
            self._idle.put(process if process.poll() is None else None)
        if late.is_set():
            raise InputError(
                f"{what} took too long to be read.",
                expected=f"at most {seconds:,.0f} seconds",
                advice="Convert it to h5ad (scgnn2 convert) or keep fewer cells, and choose that.",
            )
        return answer if answer is not None else {"died": process.returncode}

    def close(self) -> None:
        """End those that wait for requests."""
        with suppress(queue.Empty):
            while True:
                process = self._idle.get_nowait()
                if process is not None:
                    _end(process)

    def _started(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *self._command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )


READERS = Readers()


def _exchange(process: subprocess.Popen[str], request: str) -> dict[str, Any] | None:
    """One line there and one back; None where the process ended instead."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a reader without pipes")
    try:
        process.stdin.write(request + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
    except (OSError, ValueError):
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        _end(process)
        return None
    return answer if isinstance(answer, dict) else None


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and what it has forked."""
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _how_it_ended(what: str, code: int, *, killed: bool) -> ScgnnError:
    if killed or code == -getattr(signal, "SIGKILL", 9):
        return InsufficientMemoryError(
            f"The memory ran out while {what} was read.",
            found="the system ended the process that read it",
            advice="Keep fewer cells or genes, or use a larger machine.",
        )
    return InputError(
        f"{what} ended the process that read it: it is damaged in a way that no message says.",
        expected="a complete file",
        found=f"signal {-code}" if code < 0 else f"exit code {code}",
        advice="Export or download it again. The server and other runs are untouched.",
    )


def _revived(error: dict[str, str]) -> ScgnnError:
    kind = getattr(errors, error.pop("type"), ScgnnError)
    problem = error.pop("problem")
    return kind(problem, **error) if issubclass(kind, ScgnnError) else ScgnnError(problem, **error)


# ---------------------------------------------------------------------------------------------------- the process


def main() -> int:
    """Answer every line of standard input on standard output, until there are no more."""
    import anndata  # noqa: F401 - loaded once, before the forks

    for line in sys.stdin:
        print(_apart(line) if hasattr(os, "fork") else _answer(line), flush=True)
    return 0


def _apart(line: str) -> str:
    """The answer of a fork, or how it ended."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        status = 1
        with suppress(BaseException), os.fdopen(write, "w") as answer:
            answer.write(_answer(line))
            status = 0
        os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return said if code == 0 else json.dumps({"died": code})


def _answer(line: str) -> str:
    request = json.loads(line)
    source, params = Source.from_dict(request["source"]), RunParams.from_dict(request["params"])
    _limit(int(request["memory"]))
    try:
        summary = replace(describe(source, params), memory_free=available_memory())
    except ScgnnError as error:
        parts = {name: getattr(error, name) for name in ("problem", "expected", "found", "advice")}
        return json.dumps({"error": {"type": type(error).__name__, **parts}})
    except MemoryError:
        parts = {"problem": f"{source.text} needs more memory than is free.", "advice": "Keep fewer cells or genes."}
        return json.dumps({"error": {"type": "InsufficientMemoryError", **parts}})
    except Exception as error:
        parts = {"problem": f"{source.text} cannot be read.", "found": f"{type(error).__name__}: {error}"}
        return json.dumps({"error": {"type": "InputError", **parts}})
    return json.dumps({"summary": dataclasses.asdict(summary)})


def _limit(memory: int) -> None:
    """Let this process take no more memory than was free, and where memory is short, be the one that ends."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800")
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory + 2**30, resource.getrlimit(resource.RLIMIT_DATA)[1]))
        resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS), int(SECONDS)))  # when the server is gone meanwhile


if __name__ == "__main__":
    sys.exit(main())

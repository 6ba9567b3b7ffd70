"""The process of one run: ``python -m scgnn2_app.runs.worker FOLDER``.

It reads what was asked for from the run's folder, and writes there what happens. It knows no server: whoever started it
may go away and come back.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from scgnn2_app.runs.processes import HEARTBEAT, HEARTBEAT_SECONDS, HOST, birth
from scgnn2_app.runs.records import OVER, RunState, State, read_job, read_state, write_json
from scgnn2_app.runs.snapshots import RESULT, save_data, save_iteration
from scgnn2_app.sources.source import opened
from scgnn2_engine.errors import PartialOutputError, ScgnnError
from scgnn2_engine.events import DataPrepared, IterationEnded, Notice, RunEnded, StopReason
from scgnn2_engine.io.results.records import json_line
from scgnn2_engine.params import RunParams

STOP = "stop"
"""Name of the file in the run's folder that asks it to stop."""

WRITTEN_WITHIN = 60.0  # seconds

NICE = 5
"""How far a worker stands back behind the server, so that the page stays quick while it trains."""

BROKEN_OFF: tuple[StopReason, ...] = ("training_error", "out_of_memory")


def main(argv: list[str] | None = None) -> int:
    """Run the worker of one folder; 0 when the run came to its end, however it ended."""
    parser = argparse.ArgumentParser(prog="scgnn2_app.runs.worker", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args(argv)
    _stand_back()
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, ask)
    if not _is_mine(arguments.folder):
        print("Nobody has written down that this process does this run: it does nothing.", file=sys.stderr)
        return 1
    work(arguments.folder, threads=arguments.threads, asked=asked.is_set)
    return 0


def _is_mine(folder: Path) -> bool:
    """Wait until whoever started this process has written so down; a run must never be done twice."""
    deadline = time.monotonic() + WRITTEN_WITHIN
    while time.monotonic() < deadline:
        if read_state(folder).pid == os.getpid():
            return True
        time.sleep(0.02)
    return False


def work(folder: Path, *, threads: int = 0, asked: Callable[[], bool] = lambda: False) -> State:
    """Carry out the run of a folder and write down how it ended.

    Parameters
    ----------
    folder
        A run's folder in a workspace; its ``job.json`` says what to do.
    threads
        Most threads it may use; 0: as the parameters say.
    asked
        Asked after every epoch; True stops the run with what it has, as the file ``stop`` in the folder does.

    Returns
    -------
    The state it ended in. Nothing is raised: what went wrong is in ``state.json`` and ``log.txt``.
    """
    stop_file = folder / STOP
    before = read_state(folder)
    pid = os.getpid()
    state = replace(
        before, state="running", started=before.started or datetime.now(UTC), pid=pid, birth=birth(pid), host=HOST
    )
    with _heartbeat(folder):
        try:
            if state != before:
                write_json(folder / "state.json", state)
            reason, said = _run(folder, threads, lambda: asked() or stop_file.exists())
        except BaseException as error:  # whatever it is, the folder must say so
            ended = _failed(state, error)
        else:
            ended = _ended(state, reason, said)
        _write_last(folder, ended)
    return ended.state


def _run(folder: Path, threads: int, stop: Callable[[], bool]) -> tuple[StopReason, str]:
    """Why the run ended, and what to say of it: the last warning it gave, or what a stop after the loop left out."""
    from scgnn2_engine.run.folder import iterate_to_folder

    job = read_job(folder)
    params = RunParams.from_dict(job.params).replace(output_dir=str(folder))
    if threads > 0:
        params = params.replace(threads=min(params.threads or threads, threads))
    data, params = opened(job.source, params)
    reason: StopReason | None = None
    warning = stopped = ""
    for event in iterate_to_folder(data, params, overwrite=True, resume=True, stop=stop):
        if isinstance(event, DataPrepared):
            save_data(folder, event.prepared, event.obs, str(params.load.cell_type_labels))
        elif isinstance(event, IterationEnded):
            save_iteration(folder, event.state)
            _note(folder, "SnapshotSaved", iteration=event.iteration)
        elif isinstance(event, Notice) and event.level == "warning":
            warning = event.message
        elif isinstance(event, Notice) and event.code == "figures_left_out":
            stopped = event.message
        elif isinstance(event, RunEnded):
            if RESULT in event.not_written:  # the page has nothing to show without it
                raise PartialOutputError(event.not_written)
            reason = event.reason
            evaluation = event.result.evaluation
            if evaluation is not None and evaluation.left_out and stop():  # not by max_seconds
                stopped = evaluation.notes[0]
    if reason is None:
        raise RuntimeError("the run ended without a result")
    if reason == "stop_signal":
        return reason, ""
    # The iterations had come to their end: the result is complete, what is known about it is not.
    return ("stop_signal", stopped) if stopped and reason not in BROKEN_OFF else (reason, warning)


def _ended(state: RunState, reason: StopReason, said: str) -> RunState:
    if reason == "stop_signal":
        return _over(state, "stopped", said or "Stopped; what was there is kept.")
    if reason in BROKEN_OFF:
        return _over(state, "failed", said or reason)
    return _over(state, "done")


def _failed(state: RunState, error: BaseException) -> RunState:
    traceback.print_exception(error)
    sys.stderr.flush()
    if isinstance(error, KeyboardInterrupt):
        return _over(state, "stopped", "Stopped at once; no iteration was kept.")
    if isinstance(error, ScgnnError):
        return _over(state, "failed", str(error))
    if isinstance(error, MemoryError):
        return _over(state, "failed", "The memory ran out. Take fewer genes or cells.")
    trace = "".join(traceback.format_exception(error))
    return _over(state, "failed", f"{type(error).__name__}: {error}", trace)


def _over(state: RunState, kind: State, reason: str = "", trace: str = "") -> RunState:
    return replace(state, state=kind, ended=datetime.now(UTC), reason=reason, traceback=trace)


def _write_last(folder: Path, state: RunState) -> None:
    """Write the last word; on a full disk the snapshots make room for it, for without it nobody would know."""
    try:
        write_json(folder / "state.json", state)
    except (ScgnnError, OSError):
        traceback.print_exc()
        if state.state == "failed":
            for path in (folder / "snapshots").glob("*"):
                with suppress(OSError):
                    path.unlink()
            write_json(folder / "state.json", state)
    if read_state(folder).state in OVER:
        (folder / STOP).unlink(missing_ok=True)


def _note(folder: Path, event: str, **fields: object) -> None:
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    with (folder / "events.jsonl").open("a", encoding="utf-8") as log:
        log.write(json_line({"event": event, "time": moment, **fields}))


@contextmanager
def _heartbeat(folder: Path) -> Iterator[None]:
    """Touch a file every few seconds, so that other machines can tell that this run goes on."""
    path, over = folder / HEARTBEAT, threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            with suppress(OSError):
                path.touch()

    with suppress(OSError):
        path.touch()
    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _stand_back() -> None:
    """Give the server precedence, and let the system, short of memory, end this process rather than that one."""
    if hasattr(os, "nice"):
        os.nice(NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


if __name__ == "__main__":
    sys.exit(main())

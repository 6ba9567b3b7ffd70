"""A worker whose run is scripted by its name, so that processes can be tested in tenths of a second.

Everything but the training itself is the real worker: process, signals, files, states.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from scgnn2_app.runs import worker
from scgnn2_app.runs.records import read_job
from scgnn2_engine.errors import InputError
from scgnn2_engine.events import StopReason
from scgnn2_engine.io.results.records import json_line


def scripted(folder: Path, threads: int, stop: Callable[[], bool]) -> tuple[StopReason, str]:
    """Do what the run's name says: wait, quick, error, crash, exit, hang, leave a child, or fill the disk."""
    job = read_job(folder)
    name = job.name.partition(" ")[0]
    events = folder / "events.jsonl"

    def tell(event: str, **fields: object) -> None:
        moment = datetime.now(UTC).isoformat()
        with events.open("a") as log:
            log.write(json_line({"event": event, "time": moment, **fields}))

    tell("RunStarted", params={"total_epoch": 2}, n_obs=4, n_vars=3, device="cpu")
    print(f"threads {threads} OMP {os.environ.get('OMP_NUM_THREADS')} {os.environ.get('OMP_WAIT_POLICY')}")
    if name == "error":
        raise ValueError("something nobody expected")
    if name == "input":
        raise InputError("The file is broken.", advice="Export it again.")
    if name == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "exit":
        os._exit(7)
    if name == "memory":
        raise MemoryError
    if name == "disk":
        raise OSError(28, "No space left on device")
    if name == "child":
        import subprocess

        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (folder / "child").write_text(str(child.pid))
    if name in ("wait", "child"):
        while not stop():
            time.sleep(0.02)
        return "stop_signal", ""
    if name == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if job.sweep:  # best at 8 dimensions; waits while the workspace holds a file of that name
        while (folder.parent.parent / "hold").exists():
            if stop():
                return "stop_signal", ""
            time.sleep(0.02)
        if "fail" in name:
            raise InputError("The file is broken.")
        error = abs(int(job.params["graph_AE_embedding_size"]) - 8) / 100
        tell("IterationEnded", iteration=1, n_iterations=1, scores={"validation_error": error})
        tell("RunEnded", reason="total_epoch", selected_iteration=1)
        return "total_epoch", ""
    tell("IterationEnded", iteration=1, n_iterations=2, scores={"validation_error": 0.5, "ari_against": None})
    tell("IterationEnded", iteration=2, n_iterations=2, scores={"validation_error": 0.4})
    tell("RunEnded", reason="total_epoch", selected_iteration=1)
    return ("training_error", "A loss became NaN.") if name == "nan" else ("total_epoch", "")


if __name__ == "__main__":
    worker._run = scripted
    sys.exit(worker.main())

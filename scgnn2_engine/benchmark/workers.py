"""Worker processes that take tasks one by one; one that dies costs its task, not the benchmark."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from scgnn2_engine.benchmark.cells import Cell
from scgnn2_engine.benchmark.running import Record, Task, run_task

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
TASK_OVER = None

Told = tuple[Cell, Record]


def run_in_workers(tasks: Sequence[Task], output: Path, n_processes: int) -> Iterator[Told | tuple[Task, str]]:
    """Run tasks in processes of their own.

    Parameters
    ----------
    tasks
        In the order in which they are begun.
    output
        Folder of the benchmark.
    n_processes
        How many at once.

    Yields
    ------
    A cell with its record when it is written; or a task with the reason why its worker died, after which the task's
    missing cells will not come.
    """
    waiting = list(reversed(tasks))
    workers: list[_Worker] = []
    try:
        for _ in range(min(n_processes, len(tasks))):
            workers.append(_Worker(output, tasks[0].n_threads))
            workers[-1].give(waiting.pop())
        while workers:
            ready = wait([worker.connection for worker in workers])
            for worker in [worker for worker in workers if worker.connection in ready]:
                try:
                    told = worker.connection.recv()
                except (EOFError, OSError):
                    yield worker.task, worker.epitaph()
                    workers.remove(worker)
                    if waiting:
                        workers.append(_Worker(output, waiting[-1].n_threads))
                        workers[-1].give(waiting.pop())
                    continue
                if told is not TASK_OVER:
                    yield told
                elif waiting:
                    worker.give(waiting.pop())
                else:
                    workers.remove(worker)
                    worker.dismiss()
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    def __init__(self, output: Path, n_threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would inherit threads of torch and OpenMP, and hang
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, output), daemon=True)
        with _environment(n_threads):
            self._process.start()
        theirs.close()
        self.task: Task

    def give(self, task: Task) -> None:
        self.task = task
        with suppress(OSError):  # it died just now: reading from it says so
            self.connection.send(task)

    def epitaph(self) -> str:
        """Why it died."""
        self._process.join()
        code = self._process.exitcode
        self.connection.close()
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            why = " (often: memory ran out)" if name == "SIGKILL" else ""
            return f"The process was ended by {name}{why}."
        return f"The process ended with exit code {code}."

    def dismiss(self) -> None:
        with suppress(OSError):
            self.connection.send(TASK_OVER)
        self._process.join()
        self.connection.close()

    def end(self) -> None:
        self._process.terminate()
        self._process.join()
        self.connection.close()


@contextmanager
def _environment(n_threads: int) -> Iterator[None]:
    """The thread variables that a process reads when its libraries load, as it starts."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(n_threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _work(connection: Connection, output: Path) -> None:
    """Take tasks until there are no more; Ctrl-C is for the parent, which ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):  # the parent is gone
        while (task := connection.recv()) is not TASK_OVER:
            for told in run_task(task, output):
                connection.send(told)
            connection.send(TASK_OVER)

"""Independent generators of events run on a few threads, as one generator whose stream does not depend on them."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from queue import SimpleQueue
from typing import Generic, TypeVar

import torch

from scgnn2_engine.events import EpochEnded, Stop

T = TypeVar("T")


class _Task(Generic[T]):
    """One generator; its events and its outcome cross to the reader through a queue."""

    def __init__(self, steps: Generator[EpochEnded, None, T]) -> None:
        self._steps = steps
        self._queue: SimpleQueue[EpochEnded | None] = SimpleQueue()
        self._value: list[T] = []
        self._error: BaseException | None = None

    def run(self, cancelled: threading.Event) -> None:
        """In a worker: run to the end, to an error, or to the first event after ``cancelled``."""
        try:
            while not cancelled.is_set():
                self._queue.put(next(self._steps))
            self._steps.close()
        except StopIteration as end:
            self._value.append(end.value)
        except BaseException as error:
            self._error = error
        self._queue.put(None)

    def read(self) -> Generator[EpochEnded, None, T]:
        """In the reader: its events as they come, then its value or its error."""
        while (event := self._queue.get()) is not None:
            yield event
        if self._error is not None:
            raise self._error
        return self._value[0]


def side_by_side(
    tasks: Sequence[Generator[EpochEnded, None, T]], n_threads: int
) -> Generator[EpochEnded, None, list[T]]:
    """Run independent generators on threads of their own, each with one thread inside torch.

    They are begun in the given order, ``n_threads`` at a time. The events come task by task in that order, whichever
    is ahead, so the stream and, as each task computes on one thread, every byte of the results are the same for any
    number of threads. When the reader closes this generator, or a task fails, the others end after their next event.

    Parameters
    ----------
    tasks
        Generators that share nothing they write to.
    n_threads
        Tasks at a time.

    Returns
    -------
    list
        Their values, in the given order.

    Raises
    ------
    BaseException
        Whatever the first failing task (in the given order) raised.

    Examples
    --------
    >>> from scgnn2_engine.events import drain
    >>> def task(name, n):
    ...     for epoch in range(n):
    ...         yield EpochEnded("cluster_AE", 1, epoch + 1, n, {}, name)
    ...     return n
    >>> [(event.cluster, event.epoch) for event in side_by_side([task(0, 2), task(1, 1)], n_threads=2)]
    [(0, 1), (0, 2), (1, 1)]
    >>> drain(side_by_side([task(0, 2), task(1, 1)], n_threads=2))
    [2, 1]
    """
    waiting = [_Task(steps) for steps in tasks]
    cancelled = threading.Event()
    workers = _start(iter(waiting), min(n_threads, len(waiting)), cancelled)
    try:
        values: list[T] = []
        for task in waiting:
            value = yield from task.read()
            values.append(value)
        return values
    finally:
        cancelled.set()
        for worker in workers:
            worker.join()


def _start(tasks: Iterator[_Task[T]], n_threads: int, cancelled: threading.Event) -> list[threading.Thread]:
    """Start workers that each compute on one thread, leaving torch's setting elsewhere as it was."""
    before = torch.get_num_threads()
    ready, turn = threading.Barrier(n_threads + 1), threading.Lock()

    def work() -> None:
        torch.get_num_threads()  # a thread's first question to torch takes over the common setting: ask, then set
        torch.set_num_threads(1)
        ready.wait()
        while True:
            with turn:
                task = next(tasks, None)
            if task is None:
                return
            task.run(cancelled)

    workers = [threading.Thread(target=work, name=f"cluster-{i}", daemon=True) for i in range(n_threads)]
    for worker in workers:
        worker.start()
    ready.wait()
    torch.set_num_threads(before)  # a worker keeps its own 1; threads begun from now on start with this again
    return workers


def one_at_a_time(stop: Stop) -> Stop:
    """The same question for several threads: asked by one of them at a time, and once answered yes, yes for good.

    Examples
    --------
    >>> answers = iter([False, True, False])
    >>> ask = one_at_a_time(lambda: next(answers))
    >>> ask(), ask(), ask()
    (False, True, True)
    """
    turn, stopped = threading.Lock(), threading.Event()

    def ask() -> bool:
        with turn:
            if not stopped.is_set() and stop():
                stopped.set()
        return stopped.is_set()

    return ask

"""What goes along a whole run: its parameters, its seeds, and the watch over when to stop."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from scgnn2_engine.events import Event, Stage, StageEnded, StageStarted, Stop, StopReason
from scgnn2_engine.params import RunParams
from scgnn2_engine.resources import PeakMemory, give_back_memory
from scgnn2_engine.training.ranks import Ranks

if TYPE_CHECKING:
    import torch

    from scgnn2_engine.data.prepared import Prepared
    from scgnn2_engine.training.tasks import DaskTasks

T = TypeVar("T")
Steps = Generator[Event, None, T]


class Watch:
    """Asks the caller's stop and the time budget, and remembers whether a training was cut short."""

    def __init__(self, stop: Stop, max_seconds: float) -> None:
        self._stop = stop
        self._deadline = time.monotonic() + max_seconds if max_seconds > 0 else float("inf")
        self.reason: StopReason | None = None
        self.nothing_to_lose = True  # until an iteration is complete

    def __call__(self) -> bool:
        """Whether to stop now."""
        if self.reason is None:
            if self._stop():
                self.reason = "stop_signal"
            elif time.monotonic() >= self._deadline:
                self.reason = "max_seconds"
        return self.reason is not None


class Checkpoints(Protocol):
    """Where the stages of a run are kept, so that an interrupted one can go on."""

    def begin(self, prepared: Prepared) -> None:
        """Make sure that what is kept belongs to these cells."""

    def take(self, stage: Stage, iteration: int) -> tuple[Sequence[Event], Any] | None:
        """What a stage was before: its events between start and end, and its value; None: it has to be computed."""

    def keep(self, stage: Stage, iteration: int, events: Sequence[Event], value: Any) -> None:
        """Keep a stage that is complete."""


class GivenUpError(Exception):
    """Leaves an iteration that a stop left unfinished, for the complete ones before it."""


@dataclass(frozen=True)
class Context:
    """What stays the same along the whole run."""

    params: RunParams
    device: torch.device
    watch: Watch
    memory: PeakMemory
    checkpoints: Checkpoints | None = None
    ranks: Ranks = field(default_factory=Ranks)
    tasks: DaskTasks | None = None

    def seed(self, stage: int, iteration: int) -> int:
        """A seed of its own for each stage of each iteration, all from ``params.seed``."""
        return int(np.random.SeedSequence([self.params.seed, stage, iteration]).generate_state(1)[0])

    def timed(self, stage: Stage, iteration: int, steps: Steps[T], n_epochs: int | None = None) -> Steps[T]:
        """Frame a stage with its start and its end (seconds, peak memory).

        A stage that was kept by an interrupted run is not computed again: its events and its value come from there.
        """
        may_give_up = stage != "evaluate" and not self.watch.nothing_to_lose
        if may_give_up and self.watch():
            raise GivenUpError
        yield StageStarted(stage, iteration, n_epochs)
        give_back_memory()
        self.memory.take()
        start = time.perf_counter()
        before = None if self.checkpoints is None else self.checkpoints.take(stage, iteration)
        if before is None:
            value = yield from self._kept(stage, iteration, steps)
        else:
            steps.close()
            events, value = before
            yield from events
        yield StageEnded(stage, iteration, time.perf_counter() - start, self.memory.take())
        return value

    def _kept(self, stage: Stage, iteration: int, steps: Steps[T]) -> Steps[T]:
        """The stage itself, kept where runs are kept and nothing cut it short."""
        if self.checkpoints is None:
            return (yield from steps)
        events: list[Event] = []
        while True:
            try:
                event = next(steps)
            except StopIteration as end:
                value: T = end.value
                break
            events.append(event)
            yield event
        if self.watch.reason is None:
            self.checkpoints.keep(stage, iteration, events, value)
        return value

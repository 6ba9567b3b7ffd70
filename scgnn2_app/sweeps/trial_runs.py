"""Where the runs of a sweep's trials are carried out."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from scgnn2_app.runs.jobs import JobManager
from scgnn2_app.runs.workspace import RunInfo
from scgnn2_app.sources.source import Source
from scgnn2_engine.errors import InputError
from scgnn2_engine.params import RunParams


class TrialRuns(Protocol):
    """Carries out the runs of a sweep."""

    def has_room(self) -> bool:
        """Whether another run may be submitted now."""

    def submit(self, source: Source, params: RunParams, *, name: str, owner: str, sweep: str, trial: int) -> str:
        """Submit a run and return its id."""

    def take_up(self, run_id: str) -> None:
        """See to it that a run which an earlier conductor submitted is carried out."""

    def state(self, run_id: str) -> RunInfo | None:
        """The run as it is now; None where it was deleted."""

    def stop(self, run_id: str) -> None:
        """Ask a run to stop."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LocalTrials:
    """Trials as processes of this machine, in the manager's queue."""

    def __init__(self, manager: JobManager) -> None:
        self._manager = manager

    def has_room(self) -> bool:
        """Whether the queue is not full."""
        return self._manager.has_room()

    def submit(self, source: Source, params: RunParams, *, name: str, owner: str, sweep: str, trial: int) -> str:
        """Put a run into the queue."""
        return self._manager.submit(source, params, name=name, owner=owner, sweep=sweep, trial=trial)

    def take_up(self, run_id: str) -> None:
        """Nothing to do: the manager carries out whatever is queued."""

    def state(self, run_id: str) -> RunInfo | None:
        """The run as it is now; None where it was deleted."""
        try:
            return self._manager.run(run_id)
        except InputError:
            return None

    def stop(self, run_id: str) -> None:
        """Ask a run to stop."""
        try:
            self._manager.stop(run_id)
        except InputError:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

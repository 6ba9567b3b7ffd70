"""Where the runs of a sweep's trials are carried out."""

from __future__ import annotations

from contextlib import suppress

from scgnn2_app.runs.jobs import JobManager
from scgnn2_app.runs.workspace import RunInfo
from scgnn2_app.sources.source import Source
from scgnn2_engine.errors import InputError
from scgnn2_engine.params import RunParams


class LocalTrials:
    """Trials as processes of this machine, in the manager's queue."""

    def __init__(self, manager: JobManager) -> None:
        self._manager = manager

    def has_room(self) -> bool:
        """Whether another run may be submitted now."""
        return self._manager.has_room()

    def submit(self, source: Source, params: RunParams, *, name: str, owner: str, sweep: str, trial: int) -> str:
        """Submit a run and return its id."""
        return self._manager.submit(source, params, name=name, owner=owner, sweep=sweep, trial=trial)

    def take_up(self, run_id: str) -> None:
        """See to it that a run which an earlier runner submitted is carried out: the manager does for all queued."""

    def state(self, run_id: str) -> RunInfo | None:
        """The run as it is now; None where it was deleted."""
        with suppress(InputError):
            return self._manager.run(run_id)
        return None

    def stop(self, run_id: str) -> None:
        """Ask a run to stop, if it is still there."""
        with suppress(InputError):
            self._manager.stop(run_id)

    def close(self) -> None:
        """The sweep is over, or left."""

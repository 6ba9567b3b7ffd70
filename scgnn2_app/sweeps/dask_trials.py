"""Trials on a Dask cluster. A trial whose worker dies is run again on another one, by Dask itself."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scgnn2_app.runs import processes
from scgnn2_app.runs.jobs import JobManager
from scgnn2_app.runs.records import OVER, RunInfo, read_state, write_json
from scgnn2_app.runs.worker import STOP, work
from scgnn2_app.sources.source import Source
from scgnn2_app.sweeps.trial_runs import LocalTrials
from scgnn2_engine.errors import InputError, MissingPackageError, ScgnnError
from scgnn2_engine.params import RunParams

CONNECT_SECONDS = 20


class SchedulerError(ScgnnError):
    """The Dask scheduler cannot be reached."""


def carry_out(folder: str, threads: int = 0) -> str:
    """Carry out the run of a folder; this is what the cluster's workers call.

    Parameters
    ----------
    folder
        The run's folder, which the worker must see under this path.
    threads
        Most threads it may use.

    Returns
    -------
    The state it ended in.

    Raises
    ------
    FileNotFoundError
        This worker does not see the folder.
    """
    path = Path(folder)
    if not (path / "job.json").exists():
        raise FileNotFoundError(f"this Dask worker does not see {path}: the workspace must be on a shared disk")
    state = read_state(path)
    if state.state in OVER:
        return state.state
    if state.state == "running":  # the worker before this one was lost
        write_json(path / "state.json", replace(state, attempt=state.attempt + 1))
        for left in (path / "snapshots").glob("*.npz"):
            left.unlink(missing_ok=True)
        (path / "events.jsonl").unlink(missing_ok=True)
    return work(path, threads=threads)


class DaskTrials(LocalTrials):
    """Trials as tasks of a Dask cluster.

    Parameters
    ----------
    manager
        Its workspace is used; nothing runs on this machine.
    address
        The scheduler's, such as ``tcp://127.0.0.1:8786``.

    Raises
    ------
    SchedulerError
        Nobody answers there.
    MissingPackageError
        ``distributed`` is not installed.
    """

    def __init__(self, manager: JobManager, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise MissingPackageError(
                "Trials on a Dask cluster need the package distributed.", advice="pip install 'scgnn2[cluster]'"
            ) from error
        super().__init__(manager)
        self._workspace = manager.workspace
        try:
            self._client: Any = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SchedulerError(
                f"No Dask scheduler answers at {address}.",
                expected="the address that dask scheduler prints, such as tcp://host:8786",
                found=str(error) or type(error).__name__,
                advice="Start one with: dask scheduler, and workers with: dask worker ADDRESS --nthreads 1",
            ) from error
        self._futures: dict[str, Any] = {}

    def has_room(self) -> bool:
        """Always: the scheduler queues what its workers cannot take yet."""
        return True

    def submit(self, source: Source, params: RunParams, *, name: str, owner: str, sweep: str, trial: int) -> str:
        """Write a run down and hand it to the scheduler."""
        run_id = self._workspace.add(
            source, params.snapshot(), name=name, owner=owner, sweep=sweep, trial=trial, where="dask"
        )
        self.take_up(run_id)
        return run_id

    def take_up(self, run_id: str) -> None:
        """Hand a run to the scheduler, unless a worker of the cluster is at it or it is over."""
        try:
            folder = self._workspace.run_folder(run_id)
        except InputError:
            return
        state = read_state(folder)
        if run_id in self._futures or state.state in OVER:
            return
        if state.state == "running" and processes.heard_of(folder):
            return
        me = os.getpid()
        write_json(folder / "state.json", replace(state, supervisor=me, supervisor_birth=processes.birth(me)))
        attempt = 0 if state.state == "queued" else state.attempt
        self._futures[run_id] = self._client.submit(
            carry_out, str(folder), key=f"scgnn2-{run_id}-{attempt}", pure=False
        )

    def state(self, run_id: str) -> RunInfo | None:
        """The run as it is now; None where it was deleted.

        What the cluster knows and the run's folder does not, such as a worker that cannot even start it, is written
        into the folder.
        """
        future, info = self._futures.get(run_id), super().state(run_id)
        if info is None or info.over:
            self._futures.pop(run_id, None)
        elif future is None:
            self.take_up(run_id)  # whoever was at it has fallen silent
        elif future.status in ("error", "cancelled", "lost"):
            del self._futures[run_id]
            self._fail(run_id, future)
            info = super().state(run_id)
        return info

    def stop(self, run_id: str) -> None:
        """Ask a run to stop; one that no worker has begun never starts."""
        future = self._futures.get(run_id)
        with suppress(InputError):
            folder = self._workspace.run_folder(run_id)
            (folder / STOP).touch()
            if future is not None and read_state(folder).state == "queued":
                future.cancel()
                self._futures.pop(run_id, None)
        super().stop(run_id)

    def _fail(self, run_id: str, future: Any) -> None:
        if future.status == "error":
            error = future.exception()
            reason = f"The Dask cluster gave up: {type(error).__name__}: {error}"
        else:
            reason = "The Dask scheduler is gone."
        state = self._workspace.state(run_id)
        if state.state not in OVER:
            ended = replace(state, state="failed", ended=datetime.now(UTC), reason=reason)
            self._workspace.set_state(run_id, ended)

    def close(self) -> None:
        """Leave the scheduler."""
        self._client.close()

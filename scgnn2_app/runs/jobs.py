"""Runs as processes: queued, started, watched, stopped. One :class:`JobManager` serves all the pages of a server.

A run's process knows nothing of the server. It writes its folder, and the pages pull from there with
:meth:`JobManager.events`, so a reload, a closed tab or a restarted server loses nothing.
"""

from __future__ import annotations

import os
import threading
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import Timeout

from scgnn2_app.runs import processes
from scgnn2_app.runs.info_cache import InfoCache
from scgnn2_app.runs.supervisor import Supervisor, now
from scgnn2_app.runs.uploads import folder_of as uploads_of
from scgnn2_app.runs.worker import STOP
from scgnn2_app.runs.workspace import DEFAULT, OVER, RunInfo, Workspace
from scgnn2_app.sources.source import Source, require_allowed
from scgnn2_engine.errors import InputError, ScgnnError
from scgnn2_engine.io import interrupted_run
from scgnn2_engine.params import RunParams

POLL_SECONDS = 0.25


class QueueFullError(ScgnnError):
    """As many runs wait as may; nothing was added."""


class JobManager:
    """Submits, starts, watches and ends the runs of a workspace.

    Several of them, in one process or in many, may serve one workspace: a run is started by one of them only, and all
    together keep to ``at_once``. What takes the id of a run raises :class:`InputError` where there is none of it.

    Parameters
    ----------
    workspace
        The workspace, or its folder.
    at_once
        Runs at the same time; may be set later.
    threads
        Threads of each run; 0 divides the processors this process may use by ``at_once``.
    queue_limit
        Most runs that may wait.
    roots
        Folders whose files runs may read, beside the workspace's own; None: all files.

    Examples
    --------
    >>> import tempfile
    >>> manager = JobManager(tempfile.mkdtemp(), at_once=0)  # nothing is started
    >>> run = manager.submit(Source.demo(), RunParams(seed=3), name="third")
    >>> manager.run(run).state, manager.stop(run), manager.run(run).state
    ('queued', None, 'stopped')
    >>> manager.close()
    """

    def __init__(
        self,
        workspace: Workspace | str | Path = DEFAULT,
        *,
        at_once: int = 1,
        threads: int = 0,
        queue_limit: int = 100,
        roots: tuple[Path, ...] | None = None,
    ) -> None:
        self.workspace = workspace if isinstance(workspace, Workspace) else Workspace(workspace)
        self.at_once = at_once
        self.threads = threads
        self.queue_limit = queue_limit
        self.roots = roots
        self._supervisor = Supervisor(self.workspace)
        self._info_cache = InfoCache(self.workspace)
        self._closed = threading.Event()
        self._wake = threading.Event()
        self._turn()
        self._thread = threading.Thread(target=self._watch, name="scgnn2-jobs", daemon=True)
        self._thread.start()

    def submit(
        self,
        source: Source,
        params: RunParams,
        *,
        name: str = "",
        owner: str = "",
        sweep: str = "",
        trial: int | None = None,
    ) -> str:
        """Put a run into the queue and return its id; it starts as soon as there is room.

        Parameters
        ----------
        source, params
            The data, and a copy of all parameters as they are now. ``output_dir`` is set aside: results go to the run's
            folder.
        name, owner, sweep, trial
            See :class:`~scgnn2_app.runs.workspace.Job`.

        Raises
        ------
        InputError
            A file lies outside the folders this server may read.
        ParameterError
            The parameters do not go together.
        QueueFullError
            ``queue_limit`` runs wait already.
        OutputError
            The workspace cannot be written, or its disk is full.
        """
        params = params.snapshot()
        self.require_allowed(source, params, owner)
        with self.workspace.lock():
            waiting = self._supervisor.waiting()
            if waiting >= self.queue_limit:
                raise QueueFullError(
                    f"{waiting} runs are waiting already.",
                    expected=f"fewer than {self.queue_limit}",
                    advice="Wait until one is over, or stop some of them.",
                )
            run_id = self.workspace.add(source, params, name=name, owner=owner, sweep=sweep, trial=trial)
        self._wake.set()
        return run_id

    def require_allowed(self, source: Source, params: RunParams, owner: str = "") -> None:
        """Refuse data outside :attr:`roots`, the user's uploads and what was handed over in memory.

        Raises
        ------
        InputError
            A file lies elsewhere.
        """
        if self.roots is not None:
            own = (uploads_of(self.workspace, owner), self.workspace.data)
            require_allowed(source, params, (*self.roots, *own), shown=self.roots)

    def has_room(self) -> bool:
        """Whether another run may be submitted."""
        return self._supervisor.waiting() < self.queue_limit

    def runs(self, owner: str | None = None) -> list[RunInfo]:
        """All runs, the newest first; with ``owner`` only those of that user."""
        found = []
        for run_id in reversed(self.workspace.run_ids()):
            with suppress(InputError):  # deleted a moment ago
                info = self.run(run_id)
                if owner is None or info.owner == owner:
                    found.append(info)
        return found

    def run(self, run_id: str) -> RunInfo:
        """One run."""
        return self._info_cache.of(run_id, self._supervisor.unwritten.get(run_id))

    def events(self, run_id: str, cursor: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The events after a cursor and the new cursor; see :meth:`Workspace.events`."""
        return self.workspace.events(run_id, cursor)

    def stop(self, run_id: str) -> None:
        """Ask a run to stop within a step and keep what it has; a waiting one never starts, one that is over stays."""
        self._end(run_id, at_once=False)

    def kill(self, run_id: str) -> None:
        """End a run at once, with all its processes; what was not written is lost.

        A run on another machine can only be asked to stop.
        """
        self._end(run_id, at_once=True)

    def can_resume(self, run_id: str) -> bool:
        """Whether a run is over without its result and left stages from which it can go on."""
        info = self.run(run_id)
        return info.over and not info.has_result and interrupted_run(info.folder)

    def resume(self, run_id: str) -> None:
        """Put a run that was interrupted into the queue again; it goes on after the last stage that was complete.

        Raises
        ------
        InputError
            It goes on, has its result, or left nothing from which it could go on.
        """
        if not self.can_resume(run_id):
            raise InputError(
                "This run cannot be resumed.",
                expected="one that was killed or failed after its data were prepared",
                found=f"one that is {self.run(run_id).state}",
                advice="Load its parameters into the controls and run again.",
            )
        with self.workspace.lock():
            (self.workspace.run_folder(run_id) / STOP).unlink(missing_ok=True)
            self._supervisor.queue_again(run_id)
        self._wake.set()

    def _end(self, run_id: str, *, at_once: bool) -> None:
        folder = self.workspace.run_folder(run_id)
        with self.workspace.lock():
            state = self._supervisor.state(run_id)
            if state.state == "queued":
                reason = "Stopped before it started."
                self._supervisor.write(run_id, replace(state, state="stopped", ended=now(), reason=reason))
            elif state.state not in OVER:
                if at_once and state.host == processes.HOST and self.workspace.job(run_id).where == "process":
                    self._supervisor.kill(run_id, state)
                else:
                    (folder / STOP).touch()
        self._wake.set()

    def delete(self, run_id: str) -> None:
        """Remove a run and all its files; one that goes on is killed first."""
        self.kill(run_id)
        self.workspace.delete(run_id)
        self._info_cache.forget(run_id)
        self._supervisor.unwritten.pop(run_id, None)

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name."""
        self.workspace.rename(run_id, name)

    def annotate(self, run_id: str, *, note: str | None = None, archived: bool | None = None) -> None:
        """Change the note of a run, or put it into the archive and back; None leaves what is there."""
        self.workspace.annotate(run_id, note=note, archived=archived)

    def close(self, *, kill: bool = False) -> None:
        """Stop watching. Runs go on, and the next manager of the workspace takes them up; with ``kill`` they end."""
        self._closed.set()
        self._wake.set()
        self._thread.join(timeout=30)
        if kill:
            for run_id in list(self._supervisor.children):
                with suppress(InputError):
                    self.kill(run_id)
        self._supervisor.let_go()
        with _MANAGERS_GUARD:
            if _MANAGERS.get(self.workspace.folder) is self:
                del _MANAGERS[self.workspace.folder]

    def _watch(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()
            if not self._closed.is_set():
                self._turn()

    def _turn(self) -> None:
        try:
            with self.workspace.lock():
                self._supervisor.turn(self.at_once, self._threads())
        except Timeout:
            pass  # another server is at it
        except (ScgnnError, OSError):
            traceback.print_exc()  # a full disk, say; the next turn tries again

    def _threads(self) -> int:
        if self.threads > 0:
            return self.threads
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, allowed // max(1, self.at_once))


_MANAGERS: dict[Path, JobManager] = {}
_MANAGERS_GUARD = threading.Lock()


def manager_for(workspace: Workspace | str | Path = DEFAULT, **options: Any) -> JobManager:
    """The one manager that this process has for a workspace; ``options`` count when it is made.

    Parameters
    ----------
    workspace
        The workspace, or its folder.
    **options
        Those of :class:`JobManager`.
    """
    made = workspace if isinstance(workspace, Workspace) else Workspace(workspace)
    with _MANAGERS_GUARD:
        if made.folder not in _MANAGERS:
            _MANAGERS[made.folder] = JobManager(made, **options)
        return _MANAGERS[made.folder]

"""Runs as processes: queued, started, watched, stopped. One :class:`JobManager` serves all the pages of a server.

A run's process knows nothing of the server. It writes its folder, and the pages pull from there with
:meth:`JobManager.events`, so a reload, a closed tab or a restarted server loses nothing.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Any

from filelock import Timeout

from scgnn2_app import processes
from scgnn2_app.progress import Progress
from scgnn2_app.sources import Source, require_allowed
from scgnn2_app.uploads import folder_of as uploads_of
from scgnn2_app.worker import STOP
from scgnn2_app.workspace import DEFAULT, OVER, Job, RunInfo, RunState, Workspace
from scgnn2_engine.errors import InputError, ScgnnError
from scgnn2_engine.params import RunParams

POLL_SECONDS = 0.25
LINGER_SECONDS = 30.0
"""How long a process may take to go after it has written that its run is over."""


class QueueFullError(ScgnnError):
    """As many runs wait as may; nothing was added."""


class JobManager:
    """Submits, starts, watches and ends the runs of a workspace.

    Several of them, in one process or in many, may serve one workspace: a run is started by one of them only, and all
    together keep to ``at_once``.

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
        self._children: dict[str, tuple[Popen[bytes], int]] = {}  # and the system's memory kills before each
        self._lingering: dict[str, float] = {}
        self._killed: set[str] = set()
        self._unwritten: dict[str, RunState] = {}  # last words that a full disk did not take
        self._followed: dict[str, tuple[int, Progress]] = {}
        self._known: dict[str, tuple[tuple[int, int], RunInfo]] = {}
        self._over: set[str] = set()
        self._guard = threading.RLock()
        self._closed = threading.Event()
        self._wake = threading.Event()
        self._me = (os.getpid(), processes.birth(os.getpid()))
        self._turn()
        self._thread = threading.Thread(target=self._watch, name="scgnn2-jobs", daemon=True)
        self._thread.start()

    # ---------------------------------------------------------------------------------------------- for the page

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
            See :class:`~scgnn2_app.workspace.Job`.

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
            waiting = self._waiting()
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
            require_allowed(source, params, (*self.roots, *own))

    def has_room(self) -> bool:
        """Whether another run may be submitted."""
        return self._waiting() < self.queue_limit

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
        """One run.

        Raises
        ------
        InputError
            There is no such run.
        """
        folder = self.workspace.run_folder(run_id)
        with self._guard:
            stamp = _stamp(folder)
            if run_id in self._known and self._known[run_id][0] == stamp and run_id not in self._unwritten:
                return self._known[run_id][1]
            info = self._info(run_id, folder)
            if info.over:
                self._known[run_id] = (stamp, info)
                self._followed.pop(run_id, None)
            return info

    def events(self, run_id: str, cursor: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The events after a cursor and the new cursor; see :meth:`Workspace.events`."""
        return self.workspace.events(run_id, cursor)

    def stop(self, run_id: str) -> None:
        """Ask a run to stop within a step and keep what it has; a waiting one never starts.

        Does nothing where the run is over.

        Raises
        ------
        InputError
            There is no such run.
        """
        folder = self.workspace.run_folder(run_id)
        with self.workspace.lock():
            state = self._state(run_id)
            if state.state == "queued":
                self._write(run_id, replace(state, state="stopped", ended=_now(), reason="Stopped before it started."))
            elif state.state not in OVER:
                (folder / STOP).touch()
        self._wake.set()

    def kill(self, run_id: str) -> None:
        """End a run at once, with all its processes; what was not written is lost.

        A run on another machine can only be asked to stop.

        Raises
        ------
        InputError
            There is no such run.
        """
        with self.workspace.lock():
            state = self._state(run_id)
            if state.state == "queued":
                self._write(run_id, replace(state, state="stopped", ended=_now(), reason="Stopped before it started."))
                return
            if state.state in OVER:
                return
            job = self.workspace.job(run_id)
            if state.host != processes.HOST or job.where != "process":
                (self.workspace.run_folder(run_id) / STOP).touch()
                return
            self._killed.add(run_id)
            processes.kill(state.pid, state.birth)
            child = self._children.pop(run_id, None)
            if child is not None:
                child[0].wait(timeout=10)
            latest = self._state(run_id)
            if latest.state not in OVER:
                self._write(run_id, replace(latest, state="stopped", ended=_now(), reason="Killed at the user's wish."))
        self._wake.set()

    def delete(self, run_id: str) -> None:
        """Remove a run and all its files; one that goes on is killed first.

        Raises
        ------
        InputError
            There is no such run.
        """
        self.kill(run_id)
        self.workspace.delete(run_id)
        with self._guard:
            for memory in (self._followed, self._known, self._unwritten):
                memory.pop(run_id, None)

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name.

        Raises
        ------
        InputError
            There is no such run.
        """
        self.workspace.rename(run_id, name)

    def close(self, *, kill: bool = False) -> None:
        """Stop watching. Runs go on, and the next manager of the workspace takes them up; with ``kill`` they end."""
        self._closed.set()
        self._wake.set()
        self._thread.join(timeout=30)
        if kill:
            for run_id, (process, _) in list(self._children.items()):
                with suppress(InputError):
                    self.kill(run_id)
                processes.kill(process.pid, processes.birth(process.pid))
                process.wait(timeout=10)
        for run_id, (process, _) in self._children.items():
            if run_id in self._over:
                with suppress(TimeoutExpired):
                    process.wait(timeout=10)
            _LEFT.append(process)
        self._children.clear()
        with _MANAGERS_GUARD:
            if _MANAGERS.get(self.workspace.folder) is self:
                del _MANAGERS[self.workspace.folder]

    # ---------------------------------------------------------------------------------------------- behind it

    def _watch(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()
            if self._closed.is_set():
                return
            self._turn()

    def _turn(self) -> None:
        """Note which runs are over, and start those that there is room for."""
        try:
            with self.workspace.lock():
                states = {run: self._state(run) for run in self.workspace.run_ids() if run not in self._over}
                for run_id, state in states.items():
                    if state.state == "running":
                        states[run_id] = self._look_after(run_id, state)
                self._start_some(states)
            self._over.update(run for run, state in states.items() if state.state in OVER)
            self._bury()
        except Timeout:
            pass  # another server is at it
        except (ScgnnError, OSError):
            traceback.print_exc()  # a full disk, say; the next turn tries again

    def _look_after(self, run_id: str, state: RunState) -> RunState:
        """The state of a running run, after a look at whether it really runs."""
        child = self._children.get(run_id)
        code: int | None = None
        if child is not None:
            code = child[0].poll()
            if code is None:
                return state
        elif self._is_kept(run_id, state):
            return state
        latest = self._state(run_id)  # its last word may have come in between
        if latest.state in OVER:
            return latest
        reason = processes.how_it_ended(code, memory_kills_before=child[1] if child else 0)
        ended: RunState = replace(latest, state="failed", ended=_now(), reason=reason)
        if run_id in self._killed:
            ended = replace(ended, state="stopped", reason="Killed at the user's wish.")
        self._write(run_id, ended)
        return ended

    def _bury(self) -> None:
        """Wait for the processes of runs that are over, and end one that will not go."""
        for run_id in [run for run in self._children if run in self._over]:
            process = self._children[run_id][0]
            if process.poll() is not None:
                del self._children[run_id]
                self._lingering.pop(run_id, None)
            elif time.monotonic() - self._lingering.setdefault(run_id, time.monotonic()) > LINGER_SECONDS:
                processes.kill(process.pid, processes.birth(process.pid))

    def _is_kept(self, run_id: str, state: RunState) -> bool:
        """Whether a run that this manager did not start goes on, or its own keeper will tell how it ended."""
        folder = self.workspace.run_folder(run_id)
        if state.host and state.host != processes.HOST:
            return processes.heard_of(folder)
        on_cluster = self.workspace.job(run_id).where == "dask"
        kept = processes.is_alive(state.keeper, state.keeper_birth)
        if kept and (on_cluster or state.keeper != self._me[0]):
            return True
        # A worker of a cluster outlives its runs, so its process alone tells nothing.
        return processes.is_alive(state.pid, state.birth) and (not on_cluster or processes.heard_of(folder))

    def _start_some(self, states: dict[str, RunState]) -> None:
        jobs: dict[str, Job] = {}
        for run_id in states:
            with suppress(InputError):
                jobs[run_id] = self.workspace.job(run_id)
        mine = {run: job for run, job in jobs.items() if job.where == "process"}
        running = [run for run in mine if states[run].state == "running" and states[run].host == processes.HOST]
        busy = Counter(mine[run].owner for run in running)
        waiting = [run for run in mine if states[run].state == "queued"]
        for _ in range(self.at_once - len(running)):
            if not waiting:
                return
            # Who has the fewest runs under way comes first, then who has waited longest.
            run_id = min(waiting, key=lambda run: (busy[mine[run].owner], run))
            waiting.remove(run_id)
            busy[mine[run_id].owner] += 1
            self._start(run_id, states[run_id])

    def _start(self, run_id: str, state: RunState) -> None:
        folder = self.workspace.run_folder(run_id)
        kills = processes.memory_kills()
        keeper, keeper_birth = self._me
        try:
            process = processes.start(folder, threads=self._threads())
        except OSError as error:
            reason = f"Its process could not be started: {error.strerror or error}."
            self._write(run_id, replace(state, state="failed", ended=_now(), reason=reason))
            return
        self._children[run_id] = (process, kills)
        self._write(
            run_id,
            replace(
                state,
                state="running",
                started=_now(),
                pid=process.pid,
                birth=processes.birth(process.pid),
                host=processes.HOST,
                keeper=keeper,
                keeper_birth=keeper_birth,
            ),
        )

    def _threads(self) -> int:
        if self.threads > 0:
            return self.threads
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, allowed // max(1, self.at_once))

    def _state(self, run_id: str) -> RunState:
        with self._guard:
            return self._unwritten.get(run_id) or self.workspace.state(run_id)

    def _write(self, run_id: str, state: RunState) -> None:
        with self._guard:
            self._unwritten.pop(run_id, None)
            try:
                self.workspace.set_state(run_id, state)
            except (ScgnnError, OSError):
                if state.state not in OVER:
                    raise
                traceback.print_exc()
                self._unwritten[run_id] = state

    def _info(self, run_id: str, folder: Path) -> RunInfo:
        job, state = self.workspace.job(run_id), self._state(run_id)
        cursor, progress = self._followed.get(run_id, (0, Progress()))
        while True:
            events, after = self.workspace.events(run_id, cursor)
            if after < cursor:  # started anew
                progress = Progress()
            if events:
                progress.listen(events)
            if after == cursor or not events:
                break
            cursor = after
        self._followed[run_id] = (after, progress)
        shown: Any = state.state
        if shown == "running" and (folder / STOP).exists():
            shown = "stopping"
        over = shown in OVER
        return RunInfo(
            id=run_id,
            name=job.name,
            owner=job.owner,
            state=shown,
            created=job.created,
            source=job.source,
            params=job.params,
            changed=job.changed,
            folder=folder,
            started=state.started,
            ended=state.ended,
            sweep=job.sweep,
            trial=job.trial,
            reason=state.reason,
            traceback=state.traceback,
            stage="" if over else progress.stage,
            iteration=progress.iteration,
            progress=1.0 if shown == "done" else progress.share,
            seconds_left=None if over else progress.seconds_left,
            scores=progress.scores,
            has_result=(folder / "run.json").exists(),
        )

    def _waiting(self) -> int:
        return sum(self._state(run).state == "queued" for run in self.workspace.run_ids() if run not in self._over)


_MANAGERS: dict[Path, JobManager] = {}
_LEFT: list[Popen[bytes]] = []  # runs that outlive their manager: Python warns of a process whose object is dropped
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


def _now() -> datetime:
    return datetime.now(UTC)


def _stamp(folder: Path) -> tuple[int, int]:
    """Changes whenever the state or the name of a run does."""
    return tuple(_changed(folder / name) for name in ("state.json", "job.json"))  # type: ignore[return-value]


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0

"""Starts the processes of the runs and knows how each of them ended."""

from __future__ import annotations

import os
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from subprocess import Popen, TimeoutExpired

from scgnn2_app.runs import processes
from scgnn2_app.runs.records import OVER, Job, RunState
from scgnn2_app.runs.workspace import Workspace
from scgnn2_engine.errors import InputError, ScgnnError

LINGER_SECONDS = 30.0
"""How long a process may take to go after it has written that its run is over."""

KILLED = "Killed at the user's wish."

_LEFT: list[Popen[bytes]] = []  # runs that outlive their manager: Python warns of a process whose object is dropped


class Supervisor:
    """The processes of a workspace that this process started, and an eye on those that others did.

    Every method that changes something is called with the workspace's lock held.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.children: dict[str, tuple[Popen[bytes], int]] = {}  # and the system's memory kills before each
        self.over: set[str] = set()
        self.unwritten: dict[str, RunState] = {}  # last words that a full disk did not take
        self._killed: set[str] = set()
        self._lingering: dict[str, float] = {}
        self._me = (os.getpid(), processes.birth(os.getpid()))

    def turn(self, at_once: int, threads: int) -> None:
        """Note which runs are over, and start those that there is room for."""
        states = {run: self.state(run) for run in self.workspace.run_ids() if run not in self.over}
        for run_id, state in states.items():
            if state.state == "running":
                states[run_id] = self._look_after(run_id, state)
        self._start_some(states, at_once, threads)
        self.over.update(run for run, state in states.items() if state.state in OVER)
        self._bury()

    def waiting(self) -> int:
        """How many runs wait."""
        return sum(self.state(run).state == "queued" for run in self.workspace.run_ids() if run not in self.over)

    def kill(self, run_id: str, state: RunState) -> None:
        """End a run's process and note that it was the user's wish."""
        self._killed.add(run_id)
        processes.kill(state.pid, state.birth)
        child = self.children.pop(run_id, None)
        if child is not None:
            child[0].wait(timeout=10)
        latest = self.state(run_id)
        if latest.state not in OVER:
            self.write(run_id, replace(latest, state="stopped", ended=now(), reason=KILLED))

    def let_go(self) -> None:
        """Leave the processes to themselves, but wait for those whose runs are over."""
        for run_id, (process, _) in self.children.items():
            if run_id in self.over:
                with suppress(TimeoutExpired):
                    process.wait(timeout=10)
            _LEFT.append(process)
        self.children.clear()

    def state(self, run_id: str) -> RunState:
        """How far a run is."""
        return self.unwritten.get(run_id) or self.workspace.state(run_id)

    def write(self, run_id: str, state: RunState) -> None:
        """Write down how far it is; a last word that the disk does not take is kept in memory."""
        self.unwritten.pop(run_id, None)
        try:
            self.workspace.set_state(run_id, state)
        except (ScgnnError, OSError):
            if state.state not in OVER:
                raise
            traceback.print_exc()
            self.unwritten[run_id] = state

    def queue_again(self, run_id: str) -> None:
        """Let a run that is over wait for its turn once more."""
        self.over.discard(run_id)
        self._killed.discard(run_id)
        self.write(run_id, RunState())

    def _look_after(self, run_id: str, state: RunState) -> RunState:
        """The state of a running run, after a look at whether it really runs."""
        child = self.children.get(run_id)
        code: int | None = None
        if child is not None:
            code = child[0].poll()
            if code is None:
                return state
        elif self._is_kept(run_id, state):
            return state
        latest = self.state(run_id)  # its last word may have come in between
        if latest.state in OVER:
            return latest
        reason = processes.how_it_ended(code, memory_kills_before=child[1] if child else 0)
        ended: RunState = replace(latest, state="failed", ended=now(), reason=reason)
        if run_id in self._killed:
            ended = replace(ended, state="stopped", reason=KILLED)
        self.write(run_id, ended)
        return ended

    def _bury(self) -> None:
        """Wait for the processes of runs that are over, and end one that will not go."""
        for run_id in [run for run in self.children if run in self.over]:
            process = self.children[run_id][0]
            if process.poll() is not None:
                del self.children[run_id]
                self._lingering.pop(run_id, None)
            elif time.monotonic() - self._lingering.setdefault(run_id, time.monotonic()) > LINGER_SECONDS:
                processes.kill(process.pid, processes.birth(process.pid))

    def _is_kept(self, run_id: str, state: RunState) -> bool:
        """Whether a run that this manager did not start goes on, or its own supervisor will tell how it ended."""
        folder = self.workspace.run_folder(run_id)
        if state.host and state.host != processes.HOST:
            return processes.heard_of(folder)
        on_cluster = self.workspace.job(run_id).where == "dask"
        kept = processes.is_alive(state.supervisor, state.supervisor_birth)
        if kept and (on_cluster or state.supervisor != self._me[0]):
            return True
        # A worker of a cluster outlives its runs, so its process alone tells nothing.
        return processes.is_alive(state.pid, state.birth) and (not on_cluster or processes.heard_of(folder))

    def _start_some(self, states: dict[str, RunState], at_once: int, threads: int) -> None:
        jobs: dict[str, Job] = {}
        for run_id in states:
            with suppress(InputError):
                jobs[run_id] = self.workspace.job(run_id)
        mine = {run: job for run, job in jobs.items() if job.where == "process"}
        running = [run for run in mine if states[run].state == "running" and states[run].host == processes.HOST]
        busy = Counter(mine[run].owner for run in running)
        waiting = [run for run in mine if states[run].state == "queued"]
        for _ in range(at_once - len(running)):
            if not waiting:
                return
            # Who has the fewest runs under way comes first, then who has waited longest.
            run_id = min(waiting, key=lambda run: (busy[mine[run].owner], run))
            waiting.remove(run_id)
            busy[mine[run_id].owner] += 1
            self._start(run_id, states[run_id], threads)

    def _start(self, run_id: str, state: RunState, threads: int) -> None:
        folder = self.workspace.run_folder(run_id)
        kills = processes.memory_kills()
        supervisor, supervisor_birth = self._me
        try:
            process = processes.start(folder, threads=threads)
        except OSError as error:
            reason = f"Its process could not be started: {error.strerror or error}."
            self.write(run_id, replace(state, state="failed", ended=now(), reason=reason))
            return
        self.children[run_id] = (process, kills)
        self.write(
            run_id,
            replace(
                state,
                state="running",
                started=now(),
                pid=process.pid,
                birth=processes.birth(process.pid),
                host=processes.HOST,
                supervisor=supervisor,
                supervisor_birth=supervisor_birth,
            ),
        )


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)

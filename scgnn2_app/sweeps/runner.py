"""Runs one sweep in a thread: asks for trials, has them carried out, tells their scores."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from scgnn2_app.runs.records import RunInfo, write_json
from scgnn2_app.sweeps import study as studies
from scgnn2_app.sweeps.records import Sweep, SweepProgress, SweepState, read_sweep
from scgnn2_app.sweeps.search_space import laid_over
from scgnn2_app.sweeps.trial_runs import LocalTrials
from scgnn2_engine.errors import OutputError, ParameterError, ScgnnError
from scgnn2_engine.params import RunParams

POLL_SECONDS = 0.25
GIVE_UP_AFTER = 5
"""Failed trials, with none completed, after which a sweep is given up."""

STOP = "stop"
"""Name of the file in the sweep's folder that asks it to stop."""


class SweepRunner:
    """Runs one sweep in a thread of its own."""

    def __init__(self, folder: Path, places: Callable[[], LocalTrials], progress: SweepProgress) -> None:
        self.folder = folder
        self._places = places
        self.leave = threading.Event()
        self._progress = progress
        self._began = time.monotonic()
        self.thread = threading.Thread(target=self._run, name=f"scgnn2-sweep-{folder.name[-6:]}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            with lock_of(self.folder):
                sweep = read_sweep(self.folder)
                with closing(self._places()) as runs:
                    state, reason = self._until_over(sweep, runs)
        except Timeout:
            return  # another server runs it
        except ScgnnError as error:
            state, reason = "failed", str(error)
        except Exception as error:
            traceback.print_exc()
            state, reason = "failed", f"{type(error).__name__}: {error}"
        if state != "interrupted":
            self._note(state, reason)
        with suppress(OSError):
            (self.folder / STOP).unlink(missing_ok=True)

    def _until_over(self, sweep: Sweep, runs: LocalTrials) -> tuple[SweepState, str]:
        study = studies.open_study(self.folder, sweep)
        pending = self._taken_up(study, runs)
        while not self.leave.is_set():
            for number, run_id in list(pending.items()):
                info = runs.state(run_id)
                if info is None or info.over:
                    del pending[number]
                    self._tell(study, number, info, sweep)
                    self._note("running", "")
            found = studies.trials(study)
            counted = sum(trial.state in ("done", "failed", "running") for trial in found)
            n_done = sum(trial.state == "done" for trial in found)
            if (self.folder / STOP).exists():
                self._stop(study, pending, runs)
                return "stopped", "Stopped; what was scored is kept."
            if sweep.seconds and self._used() >= sweep.seconds:
                self._stop(study, pending, runs)
                return "done", f"The time was up after {n_done} trials."
            if n_done == 0 and counted - len(pending) >= GIVE_UP_AFTER:
                self._stop(study, pending, runs)
                return "failed", f"The first {GIVE_UP_AFTER} trials failed. The last: {found[-1].reason}"
            while len(pending) < sweep.at_once and counted < sweep.n_trials:
                if not self._begin(study, sweep, runs, pending):
                    break
                counted += 1
            if not pending and counted >= sweep.n_trials:
                return ("done", "") if n_done else ("failed", f"No trial was completed. The last: {found[-1].reason}")
            self.leave.wait(POLL_SECONDS)
        self._note("interrupted", "")
        return "interrupted", ""

    def _begin(self, study: Any, sweep: Sweep, runs: LocalTrials, pending: dict[int, str]) -> bool:
        """Start another trial; False where there is none left, or no room for it now."""
        if not runs.has_room():
            return False
        trial = studies.next_trial(study, sweep)
        if trial is None:
            return False
        try:
            params = laid_over(RunParams.from_dict(sweep.params), sweep.axes, trial.params)
            run_id = runs.submit(
                sweep.source,
                params,
                name=trial_name(sweep.name, self.folder.name, trial.number),
                owner=sweep.owner,
                sweep=self.folder.name,
                trial=trial.number,
            )
        except ParameterError as error:  # these values do not go together, others may
            trial.set_user_attr(studies.REASON, str(error))
            study.tell(trial.number, state=_failed())
            return True
        trial.set_user_attr(studies.RUN, run_id)
        pending[trial.number] = run_id
        return True

    def _taken_up(self, study: Any, runs: LocalTrials) -> dict[int, str]:
        """The trials that an earlier runner left under way."""
        pending = {}
        for trial in studies.trials(study):
            if trial.state == "running":
                if trial.run_id:
                    runs.take_up(trial.run_id)
                    pending[trial.number] = trial.run_id
                else:  # asked for, but never submitted
                    self._count_out(study, trial.number)
        return pending

    def _stop(self, study: Any, pending: dict[int, str], runs: LocalTrials) -> None:
        for run_id in pending.values():
            runs.stop(run_id)
        deadline = time.monotonic() + 120
        while pending and time.monotonic() < deadline and not self.leave.is_set():
            for number, run_id in list(pending.items()):
                info = runs.state(run_id)
                if info is None or info.over:
                    del pending[number]
                    self._count_out(study, number)
            time.sleep(POLL_SECONDS / 2)
        for number in pending:
            self._count_out(study, number)

    def _tell(self, study: Any, number: int, info: RunInfo | None, sweep: Sweep) -> None:
        """Give a finished run's score to the study; what has none counts as failed."""
        score = None
        if info is not None and info.state == "done":
            score = info.seconds if sweep.score == "seconds" else info.scores.get(sweep.score)
        if score is not None:
            study.tell(number, float(score))
            return
        if info is None:
            reason = "Its run was deleted."
        else:
            reason = info.reason or (f"It has no {sweep.score}." if info.state == "done" else info.state)
        studies.note(self.folder, number, studies.REASON, reason)
        study.tell(number, state=_failed())

    def _count_out(self, study: Any, number: int) -> None:
        """End a trial that was stopped with its sweep: it does not count."""
        studies.note(self.folder, number, studies.STOPPED, True)
        study.tell(number, state=_failed())

    def _used(self) -> float:
        return self._progress.seconds + time.monotonic() - self._began

    def _note(self, state: SweepState, reason: str) -> None:
        """Write down how far it is; ``interrupted`` is what a running sweep is called whose runner is gone."""
        told: SweepState = "running" if state == "interrupted" else state
        progress = replace(self._progress, state=told, reason=reason, seconds=self._used(), noted=time.time())
        if state == "interrupted":
            progress = replace(progress, pid=0, birth="")
        with suppress(OutputError, OSError):
            write_json(self.folder / "state.json", progress)


def trial_name(sweep_name: str, sweep_id: str, number: int) -> str:
    """What the run of a trial is called; trials are counted from 1, and the end of its id stands for a sweep's name.

    Examples
    --------
    >>> trial_name("size", "20261124T183712123456-3f9a2c", 0), trial_name("", "20261124T183712123456-3f9a2c", 1)
    ('size #1', 'sweep 3f9a2c #2')
    """
    return f"{sweep_name or f'sweep {sweep_id[-6:]}'} #{number + 1}"


def _failed() -> Any:
    from optuna.trial import TrialState

    return TrialState.FAIL


def lock_of(folder: Path) -> FileLock:
    """Held by whoever runs the sweep of a folder; given back when a process dies."""
    return FileLock(folder / "lock", timeout=0.2)

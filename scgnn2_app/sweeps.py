"""Sweeps: many runs with other parameters, chosen by a strategy, compared by a score that needs no labels.

Trials are ordinary runs of the workspace. A sweep is conducted by a thread, and all it knows is on disk, so it survives
the end of its server: :meth:`SweepManager.resume` goes on where it was.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from scgnn2_app import processes
from scgnn2_app import study as studies
from scgnn2_app.jobs import JobManager
from scgnn2_app.search_space import Axis, grid, laid_over
from scgnn2_app.sources import Source
from scgnn2_app.sweep_records import (
    Strategy,
    Sweep,
    SweepInfo,
    SweepProgress,
    SweepState,
    Trial,
    direction_of,
    read_progress,
    read_sweep,
)
from scgnn2_app.trial_runs import LocalTrials, TrialRuns
from scgnn2_app.workspace import RunInfo, new_id, write_json
from scgnn2_engine.errors import InputError, OutputError, ParameterError, ScgnnError
from scgnn2_engine.params import RunParams

POLL_SECONDS = 0.25
GIVE_UP_AFTER = 5
"""Failed trials, with none completed, after which a sweep is given up."""


class SweepManager:
    """Starts, conducts, stops and resumes the sweeps of a workspace.

    Parameters
    ----------
    manager
        Runs the trials on this machine.
    scheduler
        Address of a Dask scheduler (``tcp://host:8786``) whose workers run them instead; they must see the workspace
        under the same path.

    Examples
    --------
    >>> import tempfile
    >>> sweeps = SweepManager(JobManager(tempfile.mkdtemp(), at_once=0))
    >>> sweeps.sweeps()
    []
    >>> sweeps.close(), sweeps.manager.close()
    (None, None)
    """

    def __init__(self, manager: JobManager, *, scheduler: str = "") -> None:
        self.manager = manager
        self.workspace = manager.workspace
        self.scheduler = scheduler
        self._conductors: dict[str, _Conductor] = {}

    def start(
        self,
        source: Source,
        params: RunParams,
        axes: Sequence[Axis],
        *,
        strategy: Strategy = "tpe",
        score: str = "validation_error",
        direction: str = "",
        n_trials: int = 20,
        seconds: float = 0.0,
        at_once: int = 0,
        seed: int = 1,
        name: str = "",
        owner: str = "",
    ) -> str:
        """Begin a sweep and return its id.

        Parameters
        ----------
        source, params, axes, strategy, score, direction, n_trials, seconds, at_once, seed, name, owner
            See :class:`~scgnn2_app.sweep_records.Sweep`. ``at_once`` 0: as many as the manager runs at once. Drawing of
            figures is switched off for the trials.

        Raises
        ------
        ParameterError
            There is no axis or one twice, an axis is out of range, the score rests on labels or is not given by these
            parameters, the grid is too large.
        InputError
            A file lies outside the folders this server may read.
        OutputError
            The workspace cannot be written.
        """
        for axis in axes:
            axis.validate()
        _check_axes(axes)
        params = params.replace(output_figures=False)
        _check_score(score, params)
        if n_trials < 1:
            raise ParameterError("A sweep needs trials.", expected="n_trials of at least 1", found=str(n_trials))
        sweep = Sweep(
            source=source,
            params=params.to_dict(),
            axes=tuple(axes),
            created=datetime.now(UTC),
            strategy=strategy,
            score=score,
            direction=direction_of(score, direction),
            n_trials=len(grid(axes)) if strategy == "grid" else n_trials,
            seconds=seconds,
            at_once=at_once or max(1, self.manager.at_once),
            seed=seed,
            name=name.strip(),
            owner=owner,
        )
        self.manager.require_allowed(source, params, owner)
        sweep_id = new_id(sweep.created)
        folder = self.workspace.sweeps / sweep_id
        folder.mkdir()
        write_json(folder / "state.json", SweepProgress())
        write_json(folder / "sweep.json", sweep)
        self._conduct(sweep_id)
        return sweep_id

    def resume(self, sweep_id: str) -> None:
        """Go on with a sweep that was stopped, or whose server is gone; does nothing where it is conducted or done.

        Raises
        ------
        InputError
            There is no such sweep.
        """
        if self.sweep(sweep_id).may_resume:
            self._conduct(sweep_id)

    def stop(self, sweep_id: str) -> None:
        """Stop a sweep and its trials under way, which do not count; it can be resumed.

        Raises
        ------
        InputError
            There is no such sweep.
        """
        folder = self.folder(sweep_id)
        if read_progress(folder).state == "running":
            (folder / "stop").touch()

    def wait(self, sweep_id: str, seconds: float | None = None) -> bool:
        """Wait until a sweep that this manager conducts is over; False when the time was up first."""
        conductor = self._conductors.get(sweep_id)
        if conductor is None:
            return True
        conductor.thread.join(seconds)
        return not conductor.thread.is_alive()

    def sweeps(self, owner: str | None = None) -> list[SweepInfo]:
        """All sweeps, the newest first; with ``owner`` only those of that user."""
        found = []
        for folder in sorted(self.workspace.sweeps.iterdir(), reverse=True):
            with suppress(ScgnnError):
                info = self.sweep(folder.name)
                if owner is None or info.sweep.owner == owner:
                    found.append(info)
        return found

    def sweep(self, sweep_id: str) -> SweepInfo:
        """One sweep with its trials.

        Raises
        ------
        InputError
            There is no such sweep.
        """
        folder = self.folder(sweep_id)
        sweep, progress = read_sweep(folder), read_progress(folder)
        found = studies.trials(studies.open_study(folder, sweep)) if (folder / "study.db").exists() else []
        return SweepInfo(
            id=sweep_id,
            sweep=sweep,
            state=_shown(folder, progress),
            folder=folder,
            reason=progress.reason,
            seconds=progress.seconds,
            trials=tuple(found),
            best=studies.best_of(found, sweep.direction),
        )

    def importances(self, sweep_id: str) -> tuple[dict[str, float], str]:
        """How much each parameter decides about the score, or an empty dictionary and the reason.

        Raises
        ------
        InputError
            There is no such sweep.
        """
        folder = self.folder(sweep_id)
        return studies.importances(studies.open_study(folder, read_sweep(folder)))

    def params_of(self, sweep_id: str, trial: Trial) -> RunParams:
        """All parameters of a trial, for the controls.

        Raises
        ------
        InputError
            There is no such sweep.
        """
        sweep = read_sweep(self.folder(sweep_id))
        return laid_over(RunParams.from_dict(sweep.params), sweep.axes, trial.values)

    def delete(self, sweep_id: str, *, runs: bool = False) -> None:
        """Remove a sweep; with ``runs`` those of its trials too. One that goes on is stopped first.

        Raises
        ------
        InputError
            There is no such sweep.
        OutputError
            Another server conducts it and does not stop.
        """
        info = self.sweep(sweep_id)
        self.stop(sweep_id)
        self.wait(sweep_id, 60)
        lock = _lock(info.folder)
        try:
            with lock:
                studies.forget(info.folder)
                hidden = info.folder.with_name(f".deleted-{sweep_id}")
                info.folder.rename(hidden)
        except Timeout as error:
            raise OutputError(
                "This sweep is conducted by another server.", advice="Stop it there, or wait until it is over."
            ) from error
        shutil.rmtree(hidden, ignore_errors=True)
        for trial in info.trials if runs else ():
            with suppress(InputError):
                self.manager.delete(trial.run_id)

    def close(self) -> None:
        """Leave the sweeps: their trials go on, and they can be resumed."""
        for conductor in self._conductors.values():
            conductor.leave.set()
        for conductor in self._conductors.values():
            conductor.thread.join(30)

    def folder(self, sweep_id: str) -> Path:
        """The folder of a sweep.

        Raises
        ------
        InputError
            There is no such sweep.
        """
        folder = self.workspace.sweeps / sweep_id
        if Path(sweep_id).name != sweep_id or sweep_id.startswith(".") or not (folder / "sweep.json").exists():
            raise InputError(f"There is no sweep {sweep_id!r} in this workspace.", expected="the id of a sweep")
        return folder

    def _conduct(self, sweep_id: str) -> None:
        folder = self.folder(sweep_id)
        (folder / "stop").unlink(missing_ok=True)
        me = os.getpid()
        before = read_progress(folder)
        progress = SweepProgress("running", "", before.seconds, me, processes.birth(me), processes.HOST)
        write_json(folder / "state.json", progress)
        self._conductors[sweep_id] = _Conductor(sweep_id, folder, self.manager, self.scheduler, progress)


class _Conductor:
    """Conducts one sweep in a thread of its own."""

    def __init__(
        self, sweep_id: str, folder: Path, manager: JobManager, scheduler: str, progress: SweepProgress
    ) -> None:
        self.sweep_id = sweep_id
        self.folder = folder
        self.manager = manager
        self.scheduler = scheduler
        self.leave = threading.Event()
        self._progress = progress
        self._began = time.monotonic()
        self.thread = threading.Thread(target=self._run, name=f"scgnn2-sweep-{sweep_id[-6:]}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            with _lock(self.folder):
                sweep = read_sweep(self.folder)
                with self._places(sweep) as runs:
                    state, reason = self._until_over(sweep, runs)
        except Timeout:
            return  # another server conducts it
        except ScgnnError as error:
            state, reason = "failed", str(error)
        except Exception as error:
            traceback.print_exc()
            state, reason = "failed", f"{type(error).__name__}: {error}"
        if state != "interrupted":
            self._note(state, reason)
        with suppress(OSError):
            (self.folder / "stop").unlink(missing_ok=True)

    def _places(self, sweep: Sweep) -> TrialRuns:
        if not self.scheduler:
            return LocalTrials(self.manager)
        from scgnn2_app.dask_trials import DaskTrials

        return DaskTrials(self.manager, self.scheduler)

    def _until_over(self, sweep: Sweep, runs: TrialRuns) -> tuple[SweepState, str]:
        study = studies.open_study(self.folder, sweep)
        pending = self._taken_up(study, runs)
        while not self.leave.is_set():
            for number, run_id in list(pending.items()):
                info = runs.state(run_id)
                if info is None or info.over:
                    del pending[number]
                    _tell(study, number, info, sweep)
                    self._note("running", "")
            found = studies.trials(study)
            counted = sum(trial.state in ("done", "failed", "running") for trial in found)
            n_done = sum(trial.state == "done" for trial in found)
            if (self.folder / "stop").exists():
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

    def _begin(self, study: Any, sweep: Sweep, runs: TrialRuns, pending: dict[int, str]) -> bool:
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
                name=f"{sweep.name or 'sweep'} #{trial.number + 1}",
                owner=sweep.owner,
                sweep=self.sweep_id,
                trial=trial.number,
            )
        except ParameterError as error:  # these values do not go together, others may
            trial.set_user_attr(studies.REASON, str(error))
            study.tell(trial.number, state=_failed())
            return True
        trial.set_user_attr(studies.RUN, run_id)
        pending[trial.number] = run_id
        return True

    def _taken_up(self, study: Any, runs: TrialRuns) -> dict[int, str]:
        """The trials that an earlier conductor left under way."""
        pending = {}
        for trial in studies.trials(study):
            if trial.state == "running":
                if trial.run_id:
                    runs.take_up(trial.run_id)
                    pending[trial.number] = trial.run_id
                else:  # asked for, but never submitted
                    _count_out(study, trial.number)
        return pending

    def _stop(self, study: Any, pending: dict[int, str], runs: TrialRuns) -> None:
        for run_id in pending.values():
            runs.stop(run_id)
        deadline = time.monotonic() + 120
        while pending and time.monotonic() < deadline and not self.leave.is_set():
            for number, run_id in list(pending.items()):
                info = runs.state(run_id)
                if info is None or info.over:
                    del pending[number]
                    _count_out(study, number)
            time.sleep(POLL_SECONDS / 2)
        for number in pending:
            _count_out(study, number)

    def _used(self) -> float:
        return self._progress.seconds + time.monotonic() - self._began

    def _note(self, state: SweepState, reason: str) -> None:
        """Write down how far it is; ``interrupted`` is what a running sweep is called whose conductor is gone."""
        told: SweepState = "running" if state == "interrupted" else state
        progress = replace(self._progress, state=told, reason=reason, seconds=self._used())
        if state == "interrupted":
            progress = replace(progress, pid=0, birth="")
        with suppress(OutputError, OSError):
            write_json(self.folder / "state.json", progress)


def _tell(study: Any, number: int, info: RunInfo | None, sweep: Sweep) -> None:
    """Give a finished run's score to the study; what has none counts as failed."""
    score = info.scores.get(sweep.score) if info is not None and info.state == "done" else None
    if sweep.score == "seconds" and info is not None and info.state == "done":
        score = info.seconds
    if score is not None:
        study.tell(number, float(score))
        return
    if info is None:
        reason = "Its run was deleted."
    else:
        reason = info.reason or (f"It has no {sweep.score}." if info.state == "done" else info.state)
    _set_attr(study, number, studies.REASON, reason)
    study.tell(number, state=_failed())


def _count_out(study: Any, number: int) -> None:
    """End a trial that was stopped with its sweep: it does not count."""
    _set_attr(study, number, studies.STOPPED, True)
    study.tell(number, state=_failed())


def _set_attr(study: Any, number: int, name: str, value: Any) -> None:
    trial_id = study.get_trials(deepcopy=False)[number]._trial_id
    study._storage.set_trial_user_attr(trial_id, name, value)


def _failed() -> Any:
    from optuna.trial import TrialState

    return TrialState.FAIL


def _lock(folder: Path) -> FileLock:
    return FileLock(folder / "lock", timeout=0.2)


def _shown(folder: Path, progress: SweepProgress) -> SweepState:
    if progress.state != "running":
        return progress.state
    if progress.host not in ("", processes.HOST):
        return "running"
    if not processes.is_alive(progress.pid, progress.birth):
        return "interrupted"
    return "stopping" if (folder / "stop").exists() else "running"


def _check_axes(axes: Sequence[Axis]) -> None:
    if not axes:
        raise ParameterError(
            "A sweep needs at least one parameter to vary.", expected="axes, such as graph_AE_embedding_size=8:64"
        )
    keys = [axis.key for axis in axes]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice:
        raise ParameterError(f"{twice} is varied twice.", advice="Give all its values at once.")


def _check_score(score: str, params: RunParams) -> None:
    direction_of(score, "minimize")
    if score == "validation_error" and params.validation_share == 0:
        raise ParameterError(
            "validation_error rests on held-out entries, but there are none.",
            expected="validation_share > 0",
            found="validation_share = 0",
        )
    if score.startswith("error_") and params.dropout_prob == 0:
        raise ParameterError(
            f"{score} rests on entries hidden for a benchmark, but there are none.",
            expected="dropout_prob > 0",
            found="dropout_prob = 0",
            advice="Take validation_error, or hide a share of the entries.",
        )

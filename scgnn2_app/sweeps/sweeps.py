"""Sweeps: many runs with other parameters, chosen by a strategy, compared by a score that needs no labels.

Trials are ordinary runs of the workspace. A sweep is run by a thread, and all it knows is on disk, so it survives
the end of its server: :meth:`SweepManager.resume` goes on where it was.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import Timeout

from scgnn2_app.runs import processes
from scgnn2_app.runs.jobs import JobManager
from scgnn2_app.runs.records import write_json
from scgnn2_app.runs.workspace import new_id
from scgnn2_app.sources.source import Source
from scgnn2_app.sweeps import study as studies
from scgnn2_app.sweeps.records import (
    Strategy,
    Sweep,
    SweepInfo,
    SweepProgress,
    SweepState,
    Trial,
    check_axes,
    check_score,
    direction_of,
    read_progress,
    read_sweep,
)
from scgnn2_app.sweeps.runner import STOP, SweepRunner, lock_of
from scgnn2_app.sweeps.search_space import Axis, grid, laid_over
from scgnn2_app.sweeps.trial_runs import LocalTrials
from scgnn2_engine.errors import InputError, OutputError, ParameterError, ScgnnError
from scgnn2_engine.params import RunParams


class SweepManager:
    """Starts, runs, stops and resumes the sweeps of a workspace.

    What takes the id of a sweep raises :class:`InputError` where there is none of it.

    Parameters
    ----------
    manager
        Runs the trials on this machine.
    scheduler
        Address of a Dask scheduler (``tcp://host:8786``) whose workers run them instead; they must see the workspace
        under the same path.
    places
        Makes what carries out the trials of a sweep, for other places than these two.

    Examples
    --------
    >>> import tempfile
    >>> sweeps = SweepManager(JobManager(tempfile.mkdtemp(), at_once=0))
    >>> sweeps.sweeps()
    []
    >>> sweeps.close(), sweeps.manager.close()
    (None, None)
    """

    def __init__(
        self, manager: JobManager, *, scheduler: str = "", places: Callable[[], LocalTrials] | None = None
    ) -> None:
        self.manager = manager
        self.workspace = manager.workspace
        self.scheduler = scheduler
        self._places = places or self._place
        self._runners: dict[str, SweepRunner] = {}

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
            See :class:`~scgnn2_app.sweeps.records.Sweep`. ``at_once`` 0: as many as the manager runs at once. Figures,
            baselines and diagnostics are switched off for the trials: they take time and say nothing of the score.

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
        check_axes(axes)
        params = params.replace(
            output_figures=False, evaluate_baselines=False, evaluate_diagnostics=False, evaluate_null_genes=0
        )
        check_score(score, params)
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
        studies.open_study(folder, sweep)  # before anybody can look: Optuna's tables are made without a lock
        write_json(folder / "sweep.json", sweep)
        self._go_on(sweep_id)
        return sweep_id

    def resume(self, sweep_id: str) -> None:
        """Go on with a sweep that was stopped, or whose server is gone; does nothing where it is run or done."""
        if self.sweep(sweep_id).may_resume:
            self._go_on(sweep_id)

    def stop(self, sweep_id: str) -> None:
        """Stop a sweep and its trials under way, which do not count; it can be resumed."""
        folder = self.folder(sweep_id)
        if read_progress(folder).state == "running":
            (folder / STOP).touch()

    def wait(self, sweep_id: str, seconds: float | None = None) -> bool:
        """Wait until a sweep that this manager runs is over; False when the time was up first."""
        runner = self._runners.get(sweep_id)
        if runner is None:
            return True
        runner.thread.join(seconds)
        return not runner.thread.is_alive()

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
        """One sweep with its trials."""
        folder = self.folder(sweep_id)
        sweep, progress = read_sweep(folder), read_progress(folder)
        found = studies.trials(studies.open_study(folder, sweep))
        state = _shown(folder, progress)
        return SweepInfo(
            id=sweep_id,
            sweep=sweep,
            state=state,
            folder=folder,
            reason=progress.reason,
            seconds=progress.used(time.time()) if state in ("running", "stopping") else progress.seconds,
            trials=tuple(found),
            best=studies.best_of(found, sweep.direction),
        )

    def importances(self, sweep_id: str) -> tuple[dict[str, float], str]:
        """How much each parameter decides about the score, or an empty dictionary and the reason."""
        folder = self.folder(sweep_id)
        return studies.importances(studies.open_study(folder, read_sweep(folder)))

    def params_of(self, sweep_id: str, trial: Trial) -> RunParams:
        """All parameters of a trial, for the controls."""
        sweep = read_sweep(self.folder(sweep_id))
        return laid_over(RunParams.from_dict(sweep.params), sweep.axes, trial.values)

    def delete(self, sweep_id: str, *, runs: bool = False) -> None:
        """Remove a sweep; with ``runs`` those of its trials too. One that goes on is stopped first.

        Raises
        ------
        OutputError
            Another server runs it and does not stop.
        """
        self.stop(sweep_id)
        self.wait(sweep_id, 60)
        info = self.sweep(sweep_id)  # a trial may have begun meanwhile
        lock = lock_of(info.folder)
        try:
            with lock:
                studies.forget(info.folder)
                hidden = info.folder.with_name(f".deleted-{sweep_id}")
                info.folder.rename(hidden)
        except Timeout as error:
            raise OutputError(
                "This sweep is run by another server.", advice="Stop it there, or wait until it is over."
            ) from error
        shutil.rmtree(hidden, ignore_errors=True)
        for trial in info.trials if runs else ():
            with suppress(InputError):
                self.manager.delete(trial.run_id)

    def close(self) -> None:
        """Leave the sweeps: their trials go on, and they can be resumed."""
        for runner in self._runners.values():
            runner.leave.set()
        for runner in self._runners.values():
            runner.thread.join(30)

    def folder(self, sweep_id: str) -> Path:
        """The folder of a sweep."""
        folder = self.workspace.sweeps / sweep_id
        if Path(sweep_id).name != sweep_id or sweep_id.startswith(".") or not (folder / "sweep.json").exists():
            raise InputError(f"There is no sweep {sweep_id!r} in this workspace.", expected="the id of a sweep")
        return folder

    def _go_on(self, sweep_id: str) -> None:
        folder = self.folder(sweep_id)
        (folder / STOP).unlink(missing_ok=True)
        me = os.getpid()
        before = read_progress(folder)
        progress = SweepProgress("running", "", before.seconds, me, processes.birth(me), processes.HOST, time.time())
        write_json(folder / "state.json", progress)
        self._runners[sweep_id] = SweepRunner(folder, self._places, progress)

    def _place(self) -> LocalTrials:
        if not self.scheduler:
            return LocalTrials(self.manager)
        from scgnn2_app.sweeps.dask_trials import DaskTrials

        return DaskTrials(self.manager, self.scheduler)


def _shown(folder: Path, progress: SweepProgress) -> SweepState:
    if progress.state != "running":
        return progress.state
    if progress.host not in ("", processes.HOST):
        return "running"
    if not processes.is_alive(progress.pid, progress.birth):
        return "interrupted"
    return "stopping" if (folder / STOP).exists() else "running"

"""The trials of a sweep in Optuna's own storage, a SQLite file in the sweep's folder."""

from __future__ import annotations

import math
import threading
import warnings
from pathlib import Path
from typing import Any

from scgnn2_app.sweeps.records import Sweep, Trial, TrialState
from scgnn2_app.sweeps.search_space import grid

FEWEST = 5
"""Completed trials below which importances mean nothing."""

NAME = "sweep"
RUN, REASON, STOPPED, POINT = "run", "reason", "stopped", "point"

_STORAGES: dict[Path, Any] = {}
_GUARD = threading.Lock()


def _storage(folder: Path) -> Any:
    import optuna

    with _GUARD:
        if folder not in _STORAGES:
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            # Waiting instead of failing where another process writes.
            options = {"connect_args": {"timeout": 60}}
            _STORAGES[folder] = optuna.storages.RDBStorage(f"sqlite:///{folder / 'study.db'}", engine_kwargs=options)
        return _STORAGES[folder]


def open_study(folder: Path, sweep: Sweep) -> Any:
    """The study of a sweep, made if it is not there.

    The sampler's draws go on where they were: a new one with the same seed would repeat the trials that are there.
    """
    import optuna

    study = optuna.create_study(
        storage=_storage(folder),
        study_name=NAME,
        direction=sweep.direction,
        load_if_exists=True,
    )
    seed = (sweep.seed + 1_000_003 * len(study.get_trials(deepcopy=False))) % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.sampler = (
            optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
            if sweep.strategy == "tpe"
            else optuna.samplers.RandomSampler(seed=seed)
        )
    return study


def note(folder: Path, number: int, name: str, value: Any) -> None:
    """Write something beside a trial that is under way."""
    storage = _storage(folder)
    study = storage.get_study_id_from_name(NAME)
    storage.set_trial_user_attr(storage.get_trial_id_from_study_id_trial_number(study, number), name, value)


def forget(folder: Path) -> None:
    """Close the storage, before its file is removed."""
    with _GUARD:
        storage = _STORAGES.pop(folder, None)
    if storage is not None:
        storage.remove_session()
        storage.engine.dispose()


def next_trial(study: Any, sweep: Sweep) -> Any | None:
    """Ask for another trial; None where a grid has no point left."""
    known = study.get_trials(deepcopy=False)
    # One that waits was put there by a runner that did not come to ask for it.
    if sweep.strategy == "grid" and not any(trial.state.name == "WAITING" for trial in known):
        points = grid(sweep.axes)
        taken = {trial.user_attrs.get(POINT) for trial in known if not trial.user_attrs.get(STOPPED)}
        free = next((number for number in range(len(points)) if number not in taken), None)
        if free is None:
            return None
        study.enqueue_trial(points[free], user_attrs={POINT: free})
    return study.ask({axis.key: axis.distribution() for axis in sweep.axes})


def trials(study: Any) -> list[Trial]:
    """All trials in order."""
    return [_trial(trial) for trial in study.get_trials(deepcopy=False)]


def best_of(found: list[Trial], direction: str) -> Trial | None:
    """The best completed trial, the earliest of equals; None without any."""
    done = [trial for trial in found if trial.score is not None]
    if not done:
        return None
    return (min if direction == "minimize" else max)(done, key=lambda trial: trial.score or 0.0)


def importances(study: Any) -> tuple[dict[str, float], str]:
    """How much each parameter decides about the score, adding up to 1, and where there is nothing to say, why.

    Optuna's evaluator; parameters that took one value only are left out.
    """
    import optuna

    done = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        if trial.value is not None and math.isfinite(trial.value)
    ]
    if len(done) < FEWEST:
        return {}, f"Importances need at least {FEWEST} completed trials; there are {len(done)}."
    if len({trial.value for trial in done}) == 1:
        return {}, "All trials have the same score, so no parameter matters more than another."
    varied = [key for key in done[0].params if len({trial.params.get(key) for trial in done}) > 1]
    if not varied:
        return {}, "No parameter took two values."
    if len(varied) == 1:
        return {varied[0]: 1.0}, ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = optuna.importance.get_param_importances(study, params=varied)
    except (ValueError, RuntimeError) as error:
        return {}, f"Importances cannot be computed from these trials: {error}"
    if not found or not all(math.isfinite(value) for value in found.values()):
        return {}, "Importances cannot be computed from these trials: too few differ."
    return {str(key): float(value) for key, value in found.items()}, ""


def _trial(trial: Any) -> Trial:
    states: dict[str, TrialState] = {"COMPLETE": "done", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}
    state = states.get(trial.state.name, "failed")
    if state == "failed" and trial.user_attrs.get(STOPPED):
        state = "stopped"
    took = trial.duration.total_seconds() if trial.duration is not None else None
    return Trial(
        number=trial.number,
        values=dict(trial.params),
        state=state,
        score=trial.value if state == "done" else None,
        run_id=str(trial.user_attrs.get(RUN, "")),
        reason=str(trial.user_attrs.get(REASON, "")),
        seconds=took,
    )

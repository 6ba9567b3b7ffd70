"""What a sweep is, as it stands in its folder: what was asked for, how far it is, and its trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from scgnn2_app.runs.records import read_json
from scgnn2_app.sources.source import Source
from scgnn2_app.sweeps.search_space import Axis
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.params import RunParams

Strategy = Literal["grid", "random", "tpe"]
Direction = Literal["minimize", "maximize"]
SweepState = Literal["running", "stopping", "stopped", "interrupted", "failed", "done"]
TrialState = Literal["waiting", "running", "done", "failed", "stopped"]

SCORES: dict[str, Direction] = {
    "validation_error": "minimize",
    "error_median": "minimize",
    "error_mean": "minimize",
    "error_rmse": "minimize",
    "error_cosine": "maximize",
    "ari_between_iterations": "maximize",
    "graph_change": "minimize",
    "seconds": "minimize",
}
"""Scores of ``metrics.csv`` that need no labels, and which way is better."""


@dataclass(frozen=True)
class Sweep:
    """What was asked for; it never changes.

    Attributes
    ----------
    source, params
        The data and the parameters of every trial, by flat key, on which the trial's own are laid.
    axes
        What is varied.
    strategy
        ``"grid"``: every combination; ``"random"``: independent draws; ``"tpe"``: Optuna's tree-structured Parzen
        estimator (Bergstra et al. 2011), which draws where earlier trials were good.
    score, direction
        What is optimised, and which way.
    n_trials
        Trials to complete; for a grid the number of its points.
    seconds
        Time budget of the sweep, 0 for none; trials under way at its end are stopped and do not count.
    at_once
        Trials at the same time.
    seed
        Of the draws.
    created, name, owner
        As of a run.
    """

    source: Source
    params: Mapping[str, Any]
    axes: tuple[Axis, ...]
    created: datetime
    strategy: Strategy = "tpe"
    score: str = "validation_error"
    direction: Direction = "minimize"
    n_trials: int = 20
    seconds: float = 0.0
    at_once: int = 1
    seed: int = 1
    name: str = ""
    owner: str = ""


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is, as whoever runs it writes it down.

    Attributes
    ----------
    state
        ``running``, ``stopped``, ``failed`` or ``done``.
    reason
        Why it stopped or failed.
    seconds, noted
        Time it had used, over all its restarts, and when that was noted (seconds since 1970; 0: not known).
    pid, birth, host
        Who runs it.
    """

    state: SweepState = "running"
    reason: str = ""
    seconds: float = 0.0
    pid: int = 0
    birth: str = ""
    host: str = ""
    noted: float = 0.0

    def used(self, now: float) -> float:
        """Seconds used by now, if it is run: it is written down only when a trial ends.

        Examples
        --------
        >>> SweepProgress(seconds=10.0, noted=1000.0).used(1012.0)
        22.0
        """
        return self.seconds + (max(0.0, now - self.noted) if self.noted else 0.0)


@dataclass(frozen=True)
class Trial:
    """One trial of a sweep.

    Attributes
    ----------
    number
        From 0.
    values
        What its axes were set to, by flat key.
    state
        ``waiting``, ``running``, ``done``, ``failed`` or ``stopped`` (by the sweep's own stop; it does not count).
    score
        None until it is done.
    run_id
        Its run in the workspace; empty where the parameters did not go together.
    reason
        Why it failed.
    seconds
        How long it took, None while it runs.
    """

    number: int
    values: Mapping[str, Any]
    state: TrialState
    score: float | None = None
    run_id: str = ""
    reason: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class SweepInfo:
    """A sweep as a screen shows it.

    Attributes
    ----------
    id
        Sorts by time; unique.
    sweep
        What was asked for.
    state
        ``running``, ``stopping``, ``stopped``, ``interrupted`` (whoever run it is gone: resume it), ``failed`` or
        ``done``.
    reason
        Why it stopped or failed.
    seconds
        Time it has used.
    trials
        All of them, in order.
    best
        The best one so far, None before the first is done.
    folder
        Where its files are.
    """

    id: str
    sweep: Sweep
    state: SweepState
    folder: Path
    reason: str = ""
    seconds: float = 0.0
    trials: tuple[Trial, ...] = field(default=(), repr=False)
    best: Trial | None = None

    @property
    def n_done(self) -> int:
        """Completed trials."""
        return sum(trial.state == "done" for trial in self.trials)

    @property
    def may_resume(self) -> bool:
        """Whether there is something left to do and nobody who does it."""
        return self.state in ("stopped", "interrupted", "failed")


def direction_of(score: str, given: str = "") -> Direction:
    """Which way a score is better.

    Raises
    ------
    ParameterError
        It rests on labels, or is not known and ``given`` does not say.

    Examples
    --------
    >>> direction_of("validation_error"), direction_of("my_score", "maximize")
    ('minimize', 'maximize')
    """
    if "truth" in score or "label" in score:
        raise ParameterError(
            f"{score} rests on labels, so nothing may be chosen by it.",
            expected="one of " + ", ".join(SCORES),
        )
    if given in ("minimize", "maximize"):
        return given  # type: ignore[return-value]  # one of the two, as just seen
    if given or score not in SCORES:
        raise ParameterError(
            f"Whether more or less of {score} is better is not known.",
            expected="a score of " + ", ".join(SCORES) + "; or a direction beside it",
            found=given or "no direction",
            advice="Give the direction: minimize or maximize.",
        )
    return SCORES[score]


def check_axes(axes: Sequence[Axis]) -> None:
    """Refuse axes that cannot be swept.

    Raises
    ------
    ParameterError
        There is none, or one twice, or one is out of its parameter's range.
    """
    for axis in axes:
        axis.validate()
    if not axes:
        raise ParameterError(
            "A sweep needs at least one parameter to vary.", expected="axes, such as clustering_resolution=0.1:0.5"
        )
    keys = [axis.key for axis in axes]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice:
        raise ParameterError(f"{twice} is varied twice.", advice="Give all its values at once.")


def check_score(score: str, params: RunParams) -> None:
    """Refuse a score that rests on labels, or that runs with these parameters do not have.

    Raises
    ------
    ParameterError
        It is such a score.
    """
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


def read_sweep(folder: Path) -> Sweep:
    """The ``sweep.json`` of a folder; :class:`InputError` where it is missing or damaged."""

    def axes(values: list[dict[str, Any]]) -> tuple[Axis, ...]:
        return tuple(Axis(**{**axis, "choices": tuple(axis["choices"])}) for axis in values)

    made = folder / "sweep.json"
    return read_json(made, Sweep, source=Source.from_dict, created=datetime.fromisoformat, axes=axes)


def read_progress(folder: Path) -> SweepProgress:
    """The ``state.json`` of a sweep's folder; where it is damaged, failed with that reason."""
    try:
        return read_json(folder / "state.json", SweepProgress)
    except InputError as error:
        return SweepProgress("failed", f"Its state is damaged: {error}")

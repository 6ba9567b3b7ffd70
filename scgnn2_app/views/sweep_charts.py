"""What came of a sweep: its charts, the table of its trials, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from scgnn2_app.charts.across_runs import history, importances, parallel_coordinates, score_words, slice_of
from scgnn2_app.controls.fields import label_of
from scgnn2_app.views.run_bar import duration, shortened
from scgnn2_engine.plots.chart import Chart

if TYPE_CHECKING:
    from scgnn2_app.sweeps.records import SweepInfo

STRATEGIES = {
    "TPE: draws where earlier trials were good": "tpe",
    "Random: independent draws": "random",
    "Grid: every combination": "grid",
}


def charts_of(info: SweepInfo, shares: Mapping[str, float], dark: bool) -> tuple[list[Chart], Chart | None]:
    """The charts that stand side by side, and beneath them one of all parameters; of trials that have a score.

    Parameters
    ----------
    info
        The sweep.
    shares
        Parameter to its importance.
    dark
        Whether the page is dark.
    """
    score, minimise = info.sweep.score, info.sweep.direction == "minimize"
    done = [trial for trial in info.trials if trial.score is not None]
    if not done:
        return [], None
    numbers, scores = [trial.number + 1 for trial in done], [trial.score or 0.0 for trial in done]
    figures = [history(numbers, scores, score, minimise=minimise)]
    if shares:
        figures.append(importances({label_of(key): share for key, share in shares.items()}))
    axes = {axis: [trial.values.get(axis.key) for trial in done] for axis in info.sweep.axes}
    for axis, values in axes.items():
        figures.append(slice_of(label_of(axis.key), values, scores, numbers, score, dark, log=axis.log))
    if len(done) < 2:
        return figures, None
    columns = {label_of(axis.key): values for axis, values in axes.items()} | {score: scores}
    names = [f"trial {number}" for number in numbers]
    return figures, parallel_coordinates(names, columns, score, dark, smaller_is_better=minimise)


def state_of(info: SweepInfo) -> str:
    """How far a sweep is, and its best trial; trials are counted from 1, as in the names of their runs."""
    text = f"{info.state}: {info.n_done} of {info.sweep.n_trials} trials in {duration(info.seconds)}"
    if info.best is not None:
        text += f"; best {score_words(info.sweep.score)} {info.best.score:.4g} in trial {info.best.number + 1}"
    scores = [trial.score for trial in info.trials if trial.score is not None]
    if len(scores) > 2 and len(set(scores)) == 1:
        text += ". All scores are the same: what is varied does not change this score, with these parameters"
    return text + (f". {info.reason}" if info.reason else "")


def table_of(info: SweepInfo) -> pd.DataFrame:
    """The trials of a sweep as a table, newest first."""
    rows = [
        {
            "trial": trial.number + 1,
            "state": trial.state,
            score_words(info.sweep.score): None if trial.score is None else round(trial.score, 5),
            **{label_of(key): value for key, value in trial.values.items()},
            "took": "" if trial.seconds is None else duration(trial.seconds),
            "why": trial.reason,
        }
        for trial in reversed(info.trials)
    ]
    return pd.DataFrame(rows)


def title_of(info: SweepInfo) -> str:
    """What a sweep is called, here and in the names of its runs."""
    return info.sweep.name or f"sweep {info.id[-6:]}"


def menu_text(info: SweepInfo) -> str:
    """A sweep in a menu: what tells it from others comes first, as the end may be cut."""
    if info.sweep.name:
        return f"{info.sweep.name} ({info.state}) {info.id[-6:]}"
    strategy = next(text.partition(":")[0] for text, name in STRATEGIES.items() if name == info.sweep.strategy)
    over = ", ".join(label_of(axis.key) for axis in info.sweep.axes)
    return f"{title_of(info)} ({info.state}), {strategy} over {shortened(over, 50)}"

"""The table of runs: which of them are best, in which parameters they differ, what its columns are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from bokeh.models.widgets.tables import NumberFormatter

from scgnn2_app.charts.across_runs import COUNTS, SCORE_WORDS
from scgnn2_app.controls.fields import label_of
from scgnn2_app.sources.source import NAMING_DATA
from scgnn2_app.views.run_bar import LONGEST_NAME, duration, shortened
from scgnn2_engine.params import every_parameter

if TYPE_CHECKING:
    from scgnn2_app.runs.workspace import RunInfo

SCORES = {
    "validation_error": "error at held-out entries (smaller is better)",
    "ari_between_iterations": "agreement with the iteration before (larger is better)",
    "graph_change": "change of the graph (smaller is better)",
    "error_median": "median error at hidden entries of a benchmark (smaller is better)",
}
"""Scores that need no labels, by which the best run is found."""

LARGER_IS_BETTER = frozenset({"ari_between_iterations"})
SHOWN_SCORES = ("cluster_count", "ari_against_ground_truth")
UNINTERESTING = ("evaluate_", "output_")
"""How parameters begin that say what is scored and written: they have no part in the result."""

MOST_PARAMETERS = 12

MARK = "★"
"""The column of the best runs and the shown one."""

TITLES = {
    **{stage.flag(name): label_of(stage.flag(name)) for stage, name in every_parameter()},
    **SCORE_WORDS,
    "ari_between_iterations": "ARI before",
    "ari_against_ground_truth": "ARI labels",
}
"""What stands above the columns."""

EXPLAINED = {
    **SCORES,
    MARK: "★ the best of the runs on the same data as the shown run; with none shown, the best on each data set",
    "ari_against_ground_truth": "agreement with the labels, adjusted Rand index (larger is better)",
    "cluster_count": "number of clusters of the returned iteration",
}
"""What is said where the mouse rests on the head of a column."""

WIDTHS = {"run": 245, "data": 160, "note": 160}
"""Pixels of columns of text, so that there is room for the scores; a longer text ends in dots."""


def table_of(runs: Sequence[RunInfo], score: str, shown: str = "") -> pd.DataFrame:
    """The runs as a table: the best by a score are starred, of the parameters those that differ are there.

    Parameters
    ----------
    runs
        In any order; the table keeps it.
    score
        Name of a score; runs without it cannot be best.
    shown
        Id of the run that is shown.
    """
    best = best_runs(runs, score, shown)
    columns: dict[str, list[Any]] = {
        "id": [run.id for run in runs],
        MARK: [("★ " if run.id in best else "") + ("shown" if run.id == shown else "") for run in runs],
        "run": [shortened(run.title, LONGEST_NAME) for run in runs],
        "state": [run.state for run in runs],
    }
    if any(run.note for run in runs):
        columns["note"] = [shortened(run.note, LONGEST_NAME) for run in runs]
    for name in dict.fromkeys([score, *SHOWN_SCORES]):
        if any(name in run.scores for run in runs):
            columns[name] = [round(run.scores[name], 4) if name in run.scores else None for run in runs]
    columns |= {
        "iterations": [run.iteration for run in runs],
        "took": [duration(run.seconds) if run.over and run.seconds is not None else "" for run in runs],
        "data": [run.source.text for run in runs],
        "started": [f"{run.started.astimezone():%Y-%m-%d %H:%M}" if run.started else "" for run in runs],
    }
    for key in differing(runs)[:MOST_PARAMETERS]:
        columns[key] = [text_of(run.params.get(key)) for run in runs]
    return pd.DataFrame(columns)


def best_runs(runs: Iterable[RunInfo], score: str, shown: str = "") -> frozenset[str]:
    """Ids of the runs with the best score among those of the same data; scores of other data say nothing of them.

    Parameters
    ----------
    runs
        Only those that are over and have the score are looked at.
    score
        Name of a score.
    shown
        Id of the run whose data it is about; without one, the best of each data set.
    """
    runs = list(runs)
    wanted = {data_of(run) for run in runs if run.id == shown} or {data_of(run) for run in runs}
    choose = max if score in LARGER_IS_BETTER else min
    by_data: dict[tuple[str, ...], list[RunInfo]] = {}
    for run in runs:
        if run.over and score in run.scores and data_of(run) in wanted:
            by_data.setdefault(data_of(run), []).append(run)
    return frozenset(choose(of, key=lambda run: run.scores[score]).id for of in by_data.values())


def formatters() -> dict[str, Any]:
    """Counts as whole numbers, other scores with four places."""
    kinds = {name: "0" if name in COUNTS else "0.0000" for name in SCORE_WORDS}
    return {name: NumberFormatter(format=kind, nan_format="", text_align="right") for name, kind in kinds.items()}


def data_of(run: RunInfo) -> tuple[str, ...]:
    """What tells the data of runs apart; labels do not."""
    if run.source.kind == "flags":
        return ("flags", *(str(run.params.get(key, "")) for key in (*NAMING_DATA, "load_object")))
    return run.source.kind, run.source.path


def differing(runs: Sequence[RunInfo]) -> list[str]:
    """The parameters that do not have the same value in all runs."""
    if len(runs) < 2:
        return []
    first = runs[0].params
    keys = dict.fromkeys(key for run in runs for key in run.params)
    return [
        key
        for key in keys
        if not key.startswith(UNINTERESTING) and any(run.params.get(key) != first.get(key) for run in runs[1:])
    ]


def text_of(value: Any) -> Any:
    """A parameter's value in a cell: of lists their text."""
    return ", ".join(map(str, value)) if isinstance(value, list) else value

"""Every run of the workspace: what it was, how it ended, which is best; shown, loaded, renamed, deleted, compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from scgnn2_app.run_bar import duration
from scgnn2_app.session import Session
from scgnn2_app.theme import TABLE
from scgnn2_app.views.compare import CompareView
from scgnn2_app.wording import plain

if TYPE_CHECKING:
    from scgnn2_app.server import ServerContext
    from scgnn2_app.workspace import RunInfo

SCORES = {
    "validation_error": "error at held-out entries (smaller is better)",
    "ari_between_iterations": "agreement with the iteration before (larger is better)",
    "graph_change": "change of the graph (smaller is better)",
    "error_median": "median error at hidden entries of a benchmark (smaller is better)",
}
"""Scores that need no labels, by which the best run is found."""

LARGER_IS_BETTER = frozenset({"ari_between_iterations"})
SHOWN_SCORES = ("cluster_count", "ari_against_ground_truth")
UNINTERESTING = frozenset({"output_dir", "output_run_ID", "output_figures"})
MOST_PARAMETERS = 12


class RunsView(pn.viewable.Viewer):
    """The Runs tab.

    Parameters
    ----------
    session
        What is shown.
    context
        The runs and who looks.
    load
        Takes a run's data and parameters into the controls.
    """

    def __init__(self, session: Session, context: ServerContext, load: Callable[[RunInfo], Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session, self._context, self._load = session, context, load
        self._runs: dict[str, RunInfo] = {}
        self._order: list[str] = []
        self._table: pd.DataFrame | None = None
        self._filling = False
        self._score = pmui.Select(
            label="Best by", options={text: name for name, text in SCORES.items()}, value="validation_error",
            size="small", width=360, margin=(10, 8, 4, 8),
        )  # fmt: skip
        self._score.param.watch(lambda _: self._refill(), "value")
        self.table = pn.widgets.Tabulator(
            pd.DataFrame({"run": []}), selectable="checkbox", disabled=True, show_index=False, height=290,
            sizing_mode="stretch_width", layout="fit_data_fill", margin=(4, 8), hidden_columns=["id"],
            theme="simple", stylesheets=[TABLE], header_filters=False,
        )  # fmt: skip
        self.table.param.watch(lambda _: self._selected(), "selection")
        look: dict[str, Any] = {"size": "small", "variant": "outlined", "margin": (4, 4), "disabled": True}
        self._show = pmui.Button(label="Show", on_click=lambda _: self._act(self._session_show), **look)
        self._reload = pmui.Button(
            label="Load into controls", on_click=lambda _: self._act(lambda run: self._load(run)), **look
        )
        self._delete = pmui.Button(label="Delete", color="error", on_click=lambda _: self._ask_delete(), **look)
        self._name = pmui.TextInput(label="New name", size="small", width=190, margin=(0, 4), disabled=True)
        self._rename = pmui.Button(label="Rename", on_click=lambda _: self._act(self._rename_run), **look)
        self._sure = pmui.Dialog(title="Delete?", show_close_button=True, close_on_click=True, width_option="xs")
        self._state = pmui.Typography("", variant="body2", margin=(18, 8, 4, 8))
        self.compare = CompareView(session, context.manager)

    @property
    def chosen(self) -> list[RunInfo]:
        """The ticked runs."""
        ids = [self._order[row] for row in self.table.selection if row < len(self._order)]
        return [self._runs[run] for run in ids if run in self._runs]

    def update(self, runs: Sequence[RunInfo]) -> None:
        """Show these runs; called by the page again and again."""
        self._runs = {run.id: run for run in runs}
        self._refill()

    def _refill(self) -> None:
        runs = list(self._runs.values())
        score = self._score.value
        table = table_of(runs, score, self._session.run_id)
        if self._table is None or not table.equals(self._table):
            chosen = {run.id for run in self.chosen}
            self._table, self._order = table, table["id"].tolist()
            self._filling = True
            try:
                # Apart: the table takes the old rows for those of a selection that comes with new ones.
                self.table.selection = []
                self.table.value = table
                self.table.selection = [row for row, run in enumerate(self._order) if run in chosen]
            finally:
                self._filling = False
            self._selected()
        self._compare_all(runs, score)

    def _compare_all(self, runs: Sequence[RunInfo], score: str) -> None:
        scored = [run for run in runs if run.over and score in run.scores]
        keys = differing(scored)[:MOST_PARAMETERS]
        axes: dict[str, list[Any]] = {key: [_plain(run.params.get(key)) for run in scored] for key in keys}
        axes[score] = [run.scores[score] for run in scored]
        self.compare.rows([run.title for run in scored], axes, score, smaller=score not in LARGER_IS_BETTER)

    def _selected(self) -> None:
        if self._filling:
            return
        chosen = self.chosen
        one = len(chosen) == 1
        for widget in (self._show, self._reload, self._name, self._rename):
            widget.disabled = not one
        self._delete.disabled = not chosen
        self._name.value = chosen[0].name if one else ""
        self._state.object = f"{len(chosen)} ticked" if chosen else "Tick a run to show, load, rename or delete it."
        self.compare.choose(chosen if len(chosen) > 1 else [], self._score.value)

    def _act(self, action: Callable[[RunInfo], Any]) -> None:
        for run in self.chosen[:1]:
            self._session.attempt(lambda run=run: action(run))  # type: ignore[misc]

    def _session_show(self, run: RunInfo) -> None:
        self._session.show(run.id)
        self._session.say(f"{run.title} is shown in all tabs.", "success")

    def _rename_run(self, run: RunInfo) -> None:
        self._context.manager.rename(run.id, self._name.value)
        self.update(self._context.manager.runs(self._context.owner))

    def _ask_delete(self) -> None:
        chosen = self.chosen
        names = ", ".join(plain(run.title) for run in chosen[:5]) + (" and others" if len(chosen) > 5 else "")
        going = sum(not run.over for run in chosen)
        text = f"{len(chosen)} runs and all their files: {names}." if len(chosen) > 1 else f"{names} and all its files."
        if going:
            text += f" {going} of them go on and will be killed."
        yes = pmui.Button(
            label="Delete", color="error", variant="contained", on_click=lambda _: self._delete_runs(chosen)
        )
        no = pmui.Button(label="Keep", variant="outlined", on_click=lambda _: self._sure.param.update(open=False))
        self._sure.objects = [pmui.Column(pmui.Typography(text), pmui.Row(yes, no))]
        self._sure.open = True

    def _delete_runs(self, runs: Iterable[RunInfo]) -> None:
        self._sure.open = False
        for run in runs:
            if self._session.attempt(lambda run=run: self._context.manager.delete(run.id)):  # type: ignore[misc]
                if run.id == self._session.run_id:
                    self._session.show("")
                self._session.say(f"{run.title} is deleted.", "info")
        self.table.selection = []
        self.update(self._context.manager.runs(self._context.owner))

    def __panel__(self) -> Any:
        return pmui.Column(
            pmui.Row(self._score, self._state, sizing_mode="stretch_width", margin=0),
            self.table,
            pmui.Row(self._show, self._reload, self._name, self._rename, self._delete, margin=(0, 4)),
            self.compare,
            self._sure,
            sizing_mode="stretch_width",
            margin=0,
        )


def table_of(runs: Sequence[RunInfo], score: str, shown: str = "") -> pd.DataFrame:
    """The runs as a table: the best by a score is starred, of the parameters those that differ are there.

    Parameters
    ----------
    runs
        In any order; the table keeps it.
    score
        Name of a score; runs without it cannot be best.
    shown
        Id of the run that is shown.
    """
    best = best_run(runs, score)
    columns: dict[str, list[Any]] = {
        "id": [run.id for run in runs],
        "": [("★ " if run.id == best else "") + ("shown" if run.id == shown else "") for run in runs],
        "run": [run.title for run in runs],
        "state": [run.state for run in runs],
        "data": [run.source.text for run in runs],
        "started": [f"{run.started.astimezone():%Y-%m-%d %H:%M}" if run.started else "" for run in runs],
        "took": [duration(run.seconds) if run.over and run.seconds is not None else "" for run in runs],
        "iterations": [run.iteration for run in runs],
    }
    scores = [score, *(name for name in SHOWN_SCORES if name != score)]
    for name in scores:
        if any(name in run.scores for run in runs):
            columns[name] = [round(run.scores[name], 4) if name in run.scores else None for run in runs]
    for key in differing(runs)[:MOST_PARAMETERS]:
        columns[key] = [_plain(run.params.get(key)) for run in runs]
    return pd.DataFrame(columns)


def best_run(runs: Iterable[RunInfo], score: str) -> str:
    """Id of the run with the best score, ``""`` where none has it."""
    scored = [run for run in runs if run.over and score in run.scores]
    if not scored:
        return ""
    choose = max if score in LARGER_IS_BETTER else min
    return choose(scored, key=lambda run: run.scores[score]).id


def differing(runs: Sequence[RunInfo]) -> list[str]:
    """The parameters that do not have the same value in all runs."""
    if len(runs) < 2:
        return []
    first = runs[0].params
    keys = dict.fromkeys(key for run in runs for key in run.params)
    return [
        key
        for key in keys
        if key not in UNINTERESTING and any(run.params.get(key) != first.get(key) for run in runs[1:])
    ]


def _plain(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value

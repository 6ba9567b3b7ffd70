"""Every run of the workspace: what it was, how it ended, which is best; shown, loaded, renamed, deleted, compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.models.widgets.tables import NumberFormatter

from scgnn2_app.charts.across_runs import COUNTS, SCORE_WORDS
from scgnn2_app.controls.fields import label_of
from scgnn2_app.controls.wording import plain
from scgnn2_app.session import Session
from scgnn2_app.theme import TABLE
from scgnn2_app.views.compare import CompareView
from scgnn2_app.views.run_bar import LONGEST_NAME, duration, shortened
from scgnn2_engine.params import every_parameter

if TYPE_CHECKING:
    from scgnn2_app.context import ServerContext
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
UNINTERESTING = frozenset({"output_dir", "output_run_ID", "output_figures"})
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

NAMING_DATA = (
    "load_dataset_dir",
    "load_dataset_name",
    "load_use_benchmark",
    "load_sc_dataset",
    "load_from_10X",
    "load_seurat_object",
    "load_rdata",
    "load_object",
)
"""The parameters by which data are named where they are not chosen on the page."""

DOTS = ".tabulator-cell > div { overflow: hidden; text-overflow: ellipsis; }"
"""Stylesheet by which a text ends in dots: Panel puts it into an element of its own within the cell."""

WIDTHS = {"run": 245, "data": 160}
"""Pixels of columns of text, so that there is room for the scores; a longer text ends in dots."""


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
            label="Best (★) of the runs on the same data, by", options={text: name for name, text in SCORES.items()},
            value="validation_error", size="small", width=360, margin=(10, 8, 4, 8),
        )  # fmt: skip
        self._score.param.watch(lambda _: self._refill(), "value")
        self.table = pn.widgets.Tabulator(
            pd.DataFrame({"run": []}), selectable="checkbox", disabled=True, show_index=False, height=290,
            sizing_mode="stretch_width", layout="fit_data_fill", margin=(4, 8), hidden_columns=["id"],
            theme="simple", stylesheets=[TABLE, DOTS], header_filters=False, titles=TITLES, widths=WIDTHS,
            header_tooltips=EXPLAINED, formatters=_formatters(),
        )  # fmt: skip
        self.table.param.watch(lambda _: self._selected(), "selection")
        look: dict[str, Any] = {"size": "small", "variant": "outlined", "margin": (4, 4), "disabled": True}
        self._show = pmui.Button(label="Show", on_click=lambda _: self._act(self._session_show), **look)
        self._reload = pmui.Button(
            label="Load into controls", on_click=lambda _: self._act(lambda run: self._load(run)), **look
        )
        self._delete = pmui.Button(label="Delete", color="error", on_click=lambda _: self._ask_delete(), **look)
        self._name = pmui.TextInput(
            label="New name", size="small", width=190, margin=(0, 4), disabled=True, max_length=LONGEST_NAME
        )
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
        self._name.value = chosen[0].name[:LONGEST_NAME] if one else ""
        self._state.object = f"{len(chosen)} ticked" if chosen else "Tick a run to show, load, rename or delete it."
        self.compare.choose(chosen if len(chosen) > 1 else [], self._score.value)

    def _act(self, action: Callable[[RunInfo], Any]) -> None:
        for run in self.chosen[:1]:
            self._session.attempt(lambda run=run: action(run))  # type: ignore[misc]

    def _session_show(self, run: RunInfo) -> None:
        self._session.show(run.id)
        self._session.say(f"{shortened(run.title, LONGEST_NAME)} is shown in all tabs.", "success")

    def _rename_run(self, run: RunInfo) -> None:
        self._context.manager.rename(run.id, self._name.value.strip()[:LONGEST_NAME])
        self.update(self._context.manager.runs(self._context.owner))

    def _ask_delete(self) -> None:
        chosen = self.chosen
        names = ", ".join(plain(shortened(run.title, LONGEST_NAME)) for run in chosen[:5]) + (
            " and others" if len(chosen) > 5 else ""
        )
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
                self._session.say(f"{shortened(run.title, LONGEST_NAME)} is deleted.", "info")
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
        columns[key] = [_plain(run.params.get(key)) for run in runs]
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
    wanted = {_data(run) for run in runs if run.id == shown} or {_data(run) for run in runs}
    choose = max if score in LARGER_IS_BETTER else min
    by_data: dict[tuple[str, ...], list[RunInfo]] = {}
    for run in runs:
        if run.over and score in run.scores and _data(run) in wanted:
            by_data.setdefault(_data(run), []).append(run)
    return frozenset(choose(of, key=lambda run: run.scores[score]).id for of in by_data.values())


def _formatters() -> dict[str, Any]:
    """Counts as whole numbers, other scores with four places."""
    kinds = {name: "0" if name in COUNTS else "0.0000" for name in SCORE_WORDS}
    return {name: NumberFormatter(format=kind, nan_format="", text_align="right") for name, kind in kinds.items()}


def _data(run: RunInfo) -> tuple[str, ...]:
    """What tells the data of runs apart; labels do not."""
    if run.source.kind == "flags":
        return ("flags", *(str(run.params.get(key, "")) for key in NAMING_DATA))
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
        if key not in UNINTERESTING and any(run.params.get(key) != first.get(key) for run in runs[1:])
    ]


def _plain(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value

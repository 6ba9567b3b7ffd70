"""Every run of the workspace: what it was, how it ended, which is best; shown, loaded, renamed, deleted, compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from scgnn2_app.controls.wording import plain
from scgnn2_app.session import Session
from scgnn2_app.theme import TABLE
from scgnn2_app.views.compare import CompareView
from scgnn2_app.views.question import Question
from scgnn2_app.views.run_bar import LONGEST_NAME, shortened
from scgnn2_app.views.runs_table import (
    EXPLAINED,
    LARGER_IS_BETTER,
    MOST_PARAMETERS,
    SCORES,
    TITLES,
    WIDTHS,
    data_of,
    differing,
    formatters,
    table_of,
    text_of,
)

if TYPE_CHECKING:
    from scgnn2_app.context import ServerContext
    from scgnn2_app.runs.workspace import RunInfo

DOTS = ".tabulator-cell > div { overflow: hidden; text-overflow: ellipsis; }"
"""Stylesheet by which a text ends in dots: Panel puts it into an element of its own within the cell."""


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
            header_tooltips=EXPLAINED, formatters=formatters(),
        )  # fmt: skip
        self.table.param.watch(lambda _: self._selected(), "selection")
        look: dict[str, Any] = {"size": "small", "variant": "outlined", "margin": (4, 4), "disabled": True}
        self._show = pmui.Button(label="Show", on_click=lambda _: self._act(self._session_show), **look)
        self._reload = pmui.Button(
            label="Load into controls", on_click=lambda _: self._act(lambda run: self._load(run)), **look
        )
        self._resume = pmui.Button(
            label="Resume", on_click=lambda _: self._act(self._resume_run),
            description="Resume: go on with a run that was killed, after its last complete stage", **look,
        )  # fmt: skip
        self._delete = pmui.Button(label="Delete", color="error", on_click=lambda _: self._ask_delete(), **look)
        self._name = pmui.TextInput(
            label="New name", size="small", width=190, margin=(0, 4), disabled=True, max_length=LONGEST_NAME
        )
        self._rename = pmui.Button(label="Rename", on_click=lambda _: self._act(self._rename_run), **look)
        self._sure = Question()
        self._state = pmui.Typography("", variant="body2", margin=(18, 8, 4, 8))
        self._cut = pmui.Typography("", variant="body2", margin=(0, 8), visible=False)
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
            self._say_cut(len(differing(runs)))
            self._selected()
        else:
            self._compare_all(runs, score)

    def _say_cut(self, n_differing: int) -> None:
        cut = n_differing > MOST_PARAMETERS
        text = f"Of the {n_differing} parameters that differ the first {MOST_PARAMETERS} have a column." if cut else ""
        self._cut.param.update(object=text, visible=cut)

    def _compare_all(self, runs: Sequence[RunInfo], score: str) -> None:
        every = [run for run in runs if run.over and score in run.scores]
        whose = [run for run in runs if run.id == self._session.run_id] or self.chosen or every
        scored = [run for run in every if data_of(run) == data_of(whose[0])]
        keys = differing(scored)
        axes: dict[str, list[Any]] = {
            TITLES.get(key, key): [text_of(run.params.get(key)) for run in scored] for key in keys[:MOST_PARAMETERS]
        }
        axes[score] = [run.scores[score] for run in scored]
        said = []
        if len(scored) < len(every):
            said.append(
                f"Drawn are the {len(scored)} runs on {shortened(whose[0].source.text, LONGEST_NAME)}, the data of "
                f"{self._which(whose[0])}; {len(every) - len(scored)} on other data are not, as their scores say "
                "nothing of these."
            )
        if len(keys) > MOST_PARAMETERS:
            said.append(f"{MOST_PARAMETERS} of the {len(keys)} parameters that differ are drawn.")
        self.compare.rows(
            [run.title for run in scored], axes, score, smaller=score not in LARGER_IS_BETTER, said=" ".join(said)
        )

    def _which(self, run: RunInfo) -> str:
        if run.id == self._session.run_id:
            return "the shown run"
        return "the first ticked run" if run in self.chosen else "the newest run"

    def _selected(self) -> None:
        if self._filling:
            return
        chosen = self.chosen
        one = len(chosen) == 1
        for widget in (self._show, self._reload, self._name, self._rename):
            widget.disabled = not one
        self._delete.disabled = not chosen
        self._resume.disabled = not (one and self._context.manager.can_resume(chosen[0].id))
        self._name.value = chosen[0].name[:LONGEST_NAME] if one else ""
        self._state.object = f"{len(chosen)} ticked" if chosen else "Tick a run to show, load, rename or delete it."
        self._compare_all(list(self._runs.values()), self._score.value)
        self.compare.choose(chosen if len(chosen) > 1 else [], self._score.value)

    def _act(self, action: Callable[[RunInfo], Any]) -> None:
        for run in self.chosen[:1]:
            self._session.attempt(lambda run=run: action(run))  # type: ignore[misc]

    def _session_show(self, run: RunInfo) -> None:
        self._session.show(run.id)
        self._session.say(f"{shortened(run.title, LONGEST_NAME)} is shown in all tabs.", "success")

    def _resume_run(self, run: RunInfo) -> None:
        self._context.manager.resume(run.id)
        self._session.show(run.id)
        self._session.say(f"{shortened(run.title, LONGEST_NAME)} goes on.", "success")
        self.update(self._context.manager.runs(self._context.owner))

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
        self._sure.ask(text, {"Delete": lambda: self._delete_runs(chosen)})

    def _delete_runs(self, runs: Iterable[RunInfo]) -> None:
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
            self._cut,
            pmui.Row(self._show, self._reload, self._resume, self._name, self._rename, self._delete, margin=(0, 4)),
            self.compare,
            self._sure,
            sizing_mode="stretch_width",
            margin=0,
        )

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
from scgnn2_app.views.runs_filter import filtered
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
from scgnn2_engine.errors import ScgnnError

if TYPE_CHECKING:
    from scgnn2_app.context import ServerContext
    from scgnn2_app.runs.workspace import RunInfo

LONGEST_NOTE = 500
"""Characters of a note."""

ARCHIVE, BRING_BACK = "Archive", "Bring back"
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
        self._filter = pmui.TextInput(
            label="Filter", size="small", width=330, margin=(10, 8, 4, 8), max_length=LONGEST_NOTE,
            placeholder="words, alpha>=0.2, validation_error<0.4",
        )  # fmt: skip
        self._filter.param.watch(lambda _: self._refill(), "value_input")
        self._archived = pmui.Checkbox(label="archived too", value=False, size="small", margin=(14, 8, 4, 8))
        self._archived.param.watch(lambda _: self._refill(), "value")
        self._note = pmui.TextInput(
            label="Note, tags", size="small", width=300, margin=(0, 4), disabled=True, max_length=LONGEST_NOTE
        )
        self._keep_note = pmui.Button(label="Keep note", on_click=lambda _: self._act(self._note_run), **look)
        self._archive = pmui.Button(label=ARCHIVE, on_click=lambda _: self._archive_runs(), **look)
        self._sure = Question()
        self._state = pmui.Typography("", variant="body2", margin=(10, 8, 4, 8))
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
        runs, score = self._listed(), self._score.value
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
            self._say_cut(len(differing(runs)), len(self._runs) - len(runs))
            self._selected()
        else:
            self._compare_all(runs, score)

    def _listed(self) -> list[RunInfo]:
        """The runs that the filter lets through; of one that cannot be read, all."""
        there = [run for run in self._runs.values() if self._archived.value or not run.archived]
        try:
            found = filtered(there, str(self._filter.value_input))
        except ScgnnError as error:
            self._filter.param.update(error_state=True, helper_text=str(error))
            return there
        if self._filter.error_state:
            self._filter.param.update(error_state=False, helper_text="")
        return found

    def _say_cut(self, n_differing: int, n_hidden: int) -> None:
        said = []
        if n_differing > MOST_PARAMETERS:
            said.append(f"Of the {n_differing} parameters that differ the first {MOST_PARAMETERS} have a column.")
        if n_hidden:
            said.append(f"{n_hidden} more are archived or do not pass the filter.")
        self._cut.param.update(object=" ".join(said), visible=bool(said))

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
        for widget in (self._show, self._reload, self._name, self._rename, self._note, self._keep_note):
            widget.disabled = not one
        self._delete.disabled = self._archive.disabled = not chosen
        self._archive.label = BRING_BACK if chosen and all(run.archived for run in chosen) else ARCHIVE
        self._note.value = chosen[0].note if one else ""
        self._resume.disabled = not (one and self._context.manager.can_resume(chosen[0].id))
        self._name.value = chosen[0].name[:LONGEST_NAME] if one else ""
        self._state.object = f"{len(chosen)} ticked" if chosen else "Tick a run to show, load, rename or delete it."
        self._compare_all(self._listed(), self._score.value)
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

    def _note_run(self, run: RunInfo) -> None:
        self._context.manager.annotate(run.id, note=self._note.value[:LONGEST_NOTE])
        self.update(self._context.manager.runs(self._context.owner))

    def _archive_runs(self) -> None:
        away = self._archive.label == ARCHIVE
        for run in self.chosen:
            self._session.attempt(lambda run=run: self._context.manager.annotate(run.id, archived=away))  # type: ignore[misc]
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
            pmui.Row(self._score, self._filter, self._archived, sizing_mode="stretch_width", margin=0),
            self.table,
            self._cut,
            pmui.Row(self._show, self._reload, self._resume, self._name, self._rename, self._delete, margin=(0, 4)),
            pmui.Row(self._note, self._keep_note, self._archive, self._state, margin=(8, 4, 0, 4)),
            self.compare,
            self._sure,
            sizing_mode="stretch_width",
            margin=0,
        )

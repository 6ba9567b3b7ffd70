"""Assembles the page: the controls at the side, the run bar above, the tabs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel.util.parameters import edit_readonly

from scgnn2_app.background import in_order, once_whole
from scgnn2_app.charts import shading
from scgnn2_app.context import ServerContext
from scgnn2_app.controls.cards import Controls
from scgnn2_app.controls.form import ParameterForm
from scgnn2_app.controls.wording import on_page, plain
from scgnn2_app.exports.export import Exports
from scgnn2_app.page_script import PageScript
from scgnn2_app.patches.panel_last_message import lose_no_message
from scgnn2_app.runs.source_summary import describe
from scgnn2_app.runs.workspace import RunInfo
from scgnn2_app.session import Session
from scgnn2_app.sources.source import Source
from scgnn2_app.theme import THEME
from scgnn2_app.views.address import Address, fields_of
from scgnn2_app.views.cell_graph import CellGraphView
from scgnn2_app.views.copy_as_dialog import CopyAs
from scgnn2_app.views.data_picker import DataPicker
from scgnn2_app.views.diagnostics import DiagnosticsView
from scgnn2_app.views.genes import GenesView
from scgnn2_app.views.imputation import ImputationView
from scgnn2_app.views.live import LiveView
from scgnn2_app.views.new_cells import NewCells
from scgnn2_app.views.run_bar import LONGEST_NAME, RunBar
from scgnn2_app.views.runs import RunsView
from scgnn2_app.views.sankey import SankeyView
from scgnn2_app.views.sweep import SweepView
from scgnn2_app.warm_up import WARM_UP
from scgnn2_engine.errors import InputError, ScgnnError
from scgnn2_engine.params import RunParams

POLL_MILLISECONDS = 400
LOOK = {
    "& .MuiAppBar-root": {
        "backgroundColor": "background.paper",
        "backgroundImage": "none",
        "color": "text.primary",
        "boxShadow": "none",
        "borderBottom": "1px solid",
        "borderColor": "divider",
    },
    "& .MuiAppBar-root .MuiTypography-root": {"color": "text.primary"},
    "& .MuiAppBar-root a": {"color": "text.primary"},
    "& .MuiToolbar-root": {"gap": "8px"},
    "& .MuiToolbar-root > .MuiBox-root": {"minWidth": 0},  # a long sentence ends in dots, it pushes nothing out
}
"""The bar above is of the colour of the page, so that its buttons are seen."""

ALWAYS_IN_SIGHT = {"position": "sticky", "top": "0", "z-index": "10"}
"""Of what is said to the user, who may have scrolled down."""

NOTICE_SECONDS = 8
"""Good news goes by itself; what went wrong stays until it is closed."""

PRESSES_APART = 1.0
"""Seconds within which a second press on Run is part of a double click."""

TURNS_BETWEEN_LISTS = 3
"""Every so many polls the list of all runs is looked at, in between only the shown run."""


def _read_demo() -> None:
    """The first look at any data loads scanpy, which takes seconds."""
    describe(Source.demo(), RunParams())


WARM_UP += [_read_demo, shading.warm_up]


class App:
    """The dashboard of one user; :meth:`page` is its screen.

    Parameters
    ----------
    context
        The runs, the sweeps, and what this user may read.

    Attributes
    ----------
    session, form, picker, controls, run_bar, tabs, script
        Its parts.
    """

    def __init__(self, context: ServerContext) -> None:
        self.context = context
        self.session = Session(context.manager)
        self.form = ParameterForm()
        self.picker = DataPicker(context, self.form, self.session)
        self.controls = Controls(self.form, self.session)
        self.controls.show_above("preprocess", self.picker.cutoffs)
        self.run_bar = RunBar(self._press_run, self.stop, self.kill)
        self.live = LiveView(self.session, context.manager)
        self._made: dict[str, Any] = {}
        self._builders: dict[str, Callable[[], Any]] = {
            "Live": lambda: self.live,
            "Cell graph": lambda: CellGraphView(self.session),
            "Imputation": lambda: ImputationView(self.session),
            "Sankey": lambda: SankeyView(self.session),
            "Genes": lambda: GenesView(self.session),
            "Diagnostics": lambda: DiagnosticsView(self.session),
            "Sweep": lambda: SweepView(self.session, context, self.form, self.picker, self.load_params),
            "Runs": lambda: RunsView(self.session, context, self.load_run),
        }
        # Of Bokeh's kind: what is put into one of panel-material-ui's while it is being mounted may never be shown.
        self._places = {name: pn.Column(sizing_mode="stretch_width", margin=0) for name in self._builders}
        self.tabs = pmui.Tabs(
            *self._places.items(),
            sizing_mode="stretch_width",
            dynamic=False,  # only tabs that were looked at are filled, and a figure is not made anew for every look
            margin=0,
            sx={"& .MuiTab-root": {"textTransform": "none"}},
        )
        self.tabs.param.watch(lambda _: self._fill_tab(), "active")
        self.script = PageScript()
        self.address = Address(self.session, self.tabs, list(self._builders), self.script)
        self._name = pmui.TextInput(
            label="Name of the run (optional)",
            size="small",
            sizing_mode="stretch_width",
            margin=(5, 8),
            max_length=LONGEST_NAME,
        )
        self.exports = Exports(self.session)
        self.new_cells = NewCells(self.session, context)
        self._copy = CopyAs(self.session, lambda: (self.picker.source, self.form.params()))
        self._notice = pmui.Column(sizing_mode="stretch_width", margin=0, styles=ALWAYS_IN_SIGHT)
        self._turn = 0
        self._notice_until = math.inf
        self._last_state = ""
        self._ran_at = -math.inf
        self.session.param.watch(lambda _: self._show_notice(), "noticed")
        self.picker.param.watch(self._by_parameters, "by_parameters")
        self.picker.param.watch(lambda _: self._allow(), "source")
        self.form.param.watch(lambda _: self._allow(), "problem")
        self._allow()
        self._fill_tab()

    # ------------------------------------------------------------------------------------------- what a user does

    def run(self) -> str:
        """Submit the chosen data with the parameters as they are; the new run is shown. Returns its id, or ``""``."""
        submitted: list[str] = []

        def submit() -> None:
            if self.picker.source is None:
                raise InputError("There is no data to run.", advice="Choose data first.")
            submitted.append(
                self.context.manager.submit(
                    self.picker.source, self.form.params(), name=self._name.value.strip(), owner=self.context.user
                )
            )
            self.show(submitted[0])

        if not self.session.attempt(submit):
            return ""
        self._name.value = ""
        self.tabs.active = list(self._builders).index("Live")
        return submitted[0]

    def _press_run(self) -> None:
        """The button Run; a double click is one press, whose second half waits here until the first is through."""
        if time.monotonic() - self._ran_at < PRESSES_APART:
            return
        try:
            self.run()
        finally:
            self._ran_at = time.monotonic()

    def stop(self) -> None:
        """Ask the shown run to stop and keep what it has."""
        self._with_run(self.context.manager.stop)

    def kill(self) -> None:
        """End the shown run at once."""
        self._with_run(self.context.manager.kill)

    def show(self, run_id: str) -> None:
        """Show a run of this user.

        Raises
        ------
        InputError
            There is none of that id that this user may see.
        """
        if run_id and not self.context.may_see(run_id):
            raise InputError(
                f"There is no run {run_id!r}.",
                advice="It may have been deleted, or it is another user's; the tab Runs shows those that are yours.",
            )
        self.session.show(run_id)
        self.tick()

    def load_run(self, info: RunInfo) -> None:
        """Take the data and parameters of a run into the controls."""
        self.picker.take(info.source)
        self.load_params(RunParams.from_dict(info.params))

    def take_up_controls(self) -> None:
        """After a reload the controls stand as they did for the shown run, where its data may still be read."""
        info = self._shown()
        if info is None:
            return
        with suppress(ScgnnError, OSError):
            params = RunParams.from_dict(info.params)
            self.context.manager.require_allowed(info.source, params, self.context.user)
            if info.source.kind in ("demo", "flags") or Path(info.source.path).exists():
                self.picker.take(info.source)
                self._fill_controls(params)

    def load_params(self, params: RunParams) -> None:
        """Take parameters into the controls."""
        self._fill_controls(params)
        self.session.say("The parameters stand in the controls at the side.", "success")

    def _fill_controls(self, params: RunParams) -> None:
        self.form.load(params.replace(output_dir=RunParams().output.dir))

    def _with_run(self, action: Callable[[str], None]) -> None:
        if self.session.run_id:
            self.session.attempt(lambda: action(self.session.run_id))
            self.tick()

    # ------------------------------------------------------------------------------------------- what time does

    def tick(self) -> None:
        """Pull what is new and show it; called by the page every :data:`POLL_MILLISECONDS`."""
        with in_order():
            self._pull()

    def _pull(self) -> None:
        info = self._shown()
        self.run_bar.follow(info)
        self.live.update(info)
        if info is not None and info.over and self._last_state != info.state:
            self.session.refresh()
            self.picker.estimate()
        self._last_state = info.state if info is not None else ""
        if self._turn % TURNS_BETWEEN_LISTS == 0:
            self._show_lists()
        self._turn += 1
        if self._notice.objects and time.monotonic() > self._notice_until:
            self._notice[:] = []

    def _show_lists(self) -> None:
        """What the tab that is looked at says of all runs."""
        runs = self.context.manager.runs(self.context.owner)
        match self._active_tab:
            case "Live":
                self.live.offer([run for run in runs if run.id != self.session.run_id])
            case "Runs":
                self._made["Runs"].update(runs)
            case "Sweep":
                self._made["Sweep"].update()
            case "Cell graph":
                self.session.refresh()
            case "Sankey":
                self.session.refresh()
                self._made["Sankey"].offer({f"{run.title} {run.id[-6:]}": run.folder for run in runs if run.has_result})

    def open_latest(self) -> None:
        """Show the run that goes on, or the newest that has a result."""
        runs = self.context.manager.runs(self.context.owner)
        chosen = [run for run in runs if not run.over] or [run for run in runs if run.has_result] or runs
        if chosen:
            self.session.attempt(lambda: self.show(chosen[0].id))

    def _shown(self) -> RunInfo | None:
        if not self.session.run_id:
            return None
        try:
            return self.context.manager.run(self.session.run_id)
        except ScgnnError:  # deleted, here or by another page
            self.session.show("")
            return None

    # ------------------------------------------------------------------------------------------- the screen

    def page(self, **options: Any) -> pmui.Page:
        """The whole screen; ``options`` go to the Page."""
        lose_no_message()
        side = pmui.Column(
            self.picker, self._name, self._copy.buttons, self.controls, sizing_mode="stretch_width", margin=0
        )
        page = pmui.Page(
            title="scgnn2",
            header=[self.run_bar.with_button(self.address.button).with_button(self.new_cells.button).with_button(self.exports.button)],
            sidebar=[side],
            main=[
                self._notice, self.tabs, self.exports.dialog, self._copy.dialog, self.exports.downloader,
                self.new_cells.dialog, self.new_cells.downloader,
                self._copy.downloader,
                self.script,
            ],
            sidebar_width=340,
            theme_config=THEME,
            busy_indicator=None,
            sx=LOOK,
            **options,
        )  # fmt: skip
        with edit_readonly(page):
            # It follows every callback of the server, those of its own updates among them: a poll would never end.
            page.busy = False
        page.param.watch(lambda event: self.session.param.update(dark=event.new), "dark_theme")
        self.session.dark = page.dark_theme
        return page

    @property
    def _active_tab(self) -> str:
        names = list(self._builders)
        return names[int(self.tabs.active)]

    def _fill_tab(self) -> None:
        """Make a tab when it is first looked at; one that is looked at again shows what is there now."""
        name = self._active_tab
        is_new = name not in self._made
        if is_new:
            self._made[name] = self._builders[name]()
        self._show_lists()  # first: a table that is changed while it is being built fails in the browser
        if is_new:
            self._places[name][:] = [self._made[name]]

    def _allow(self) -> None:
        self.run_bar.allow(not self.form.problem and self.picker.source is not None)

    def _by_parameters(self, event: Any) -> None:
        self.controls.data_by_parameters = event.new

    def _show_notice(self) -> None:
        passing = self.session.notice_level in ("info", "success")
        self._notice_until = time.monotonic() + NOTICE_SECONDS if passing else math.inf
        # A new one each time: one that was closed in the browser would stay closed.
        self._notice[:] = [
            pmui.Alert(
                plain(on_page(self.session.notice)), severity=self.session.notice_level, closeable=True, margin=(4, 8),
                sizing_mode="stretch_width", sx={"backgroundColor": "background.paper"},
            )
        ]  # fmt: skip


def create_page(context: ServerContext) -> pmui.Page:
    """The page of one visit to the server: the run that ``?run=`` names, or the one that goes on, or the newest.

    Parameters
    ----------
    context
        The runs, the sweeps, and what this user may read.
    """
    pn.extension("tabulator", reconnect=True)
    app = App(context)
    page = app.page()
    location = pn.state.location
    wanted = fields_of(location.search or "") if location is not None else {}
    if "run" not in wanted:
        app.open_latest()
    elif app.session.attempt(lambda: app.show(wanted["run"])):
        app.take_up_controls()
    else:
        wanted = {}
    app.address.restore(wanted)
    if location is not None:
        app.address.follow()
    once_whole(lambda: pn.state.add_periodic_callback(app.tick, period=POLL_MILLISECONDS))
    return page

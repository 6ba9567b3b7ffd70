"""Sweeps: many runs with other parameters, compared by a score that needs no labels, followed as they come in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from scgnn2_app.background import in_thread
from scgnn2_app.charts.across_runs import score_words
from scgnn2_app.controls.fields import label_of
from scgnn2_app.controls.form import ParameterForm
from scgnn2_app.controls.wording import plain
from scgnn2_app.session import Session
from scgnn2_app.sweeps.records import SCORES
from scgnn2_app.sweeps.search_space import Axis, may_vary
from scgnn2_app.theme import CHARTS, NO_SCROLL_BUTTON, TABLE
from scgnn2_app.views.question import Question
from scgnn2_app.views.sweep_axis import AxisField
from scgnn2_app.views.sweep_charts import STRATEGIES, charts_of, menu_text, state_of, table_of, title_of
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.plots.chart import Chart
from scgnn2_engine.plots.on_bokeh import BokehCanvas

if TYPE_CHECKING:
    from scgnn2_app.context import ServerContext
    from scgnn2_app.sweeps.records import SweepInfo, Trial
    from scgnn2_app.views.data_picker import DataPicker
    from scgnn2_engine.params import RunParams

SCORE_OPTIONS = {
    f"{score_words(name)} ({'smaller' if way == 'minimize' else 'larger'} is better)": name
    for name, way in SCORES.items()
}
USUAL = ("clustering_resolution", "graph_AE_embedding_size")
NONE = "no sweep yet"


class SweepView(pn.viewable.Viewer):
    """The Sweep tab.

    Parameters
    ----------
    session
        What is shown; is told what goes wrong.
    context
        The sweeps and who looks.
    form, picker
        The parameters and the data of the trials.
    load
        Takes the best trial's parameters into the controls.
    """

    def __init__(
        self,
        session: Session,
        context: ServerContext,
        form: ParameterForm,
        picker: DataPicker,
        load: Callable[[RunParams], Any],
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session, self._context, self._form, self._picker, self._load = session, context, form, picker, load
        self._known: dict[str, str] = {}
        self._drawn: tuple[Any, ...] = ()
        small: dict[str, Any] = {"size": "small", "margin": (5, 6)}
        self.keys = pmui.MultiChoice(
            label="Parameters to vary", options={label_of(key): key for key in may_vary()}, value=list(USUAL),
            sizing_mode="stretch_width", margin=(12, 6, 5, 6),
        )  # fmt: skip
        self._axes = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._ranges: dict[str, AxisField] = {}
        self.strategy = pmui.Select(label="Strategy", options=STRATEGIES, value="tpe", width=300, **small)
        self.score = pmui.Select(label="Score", options=SCORE_OPTIONS, value="validation_error", width=330, **small)
        self.trials = pmui.IntInput(label="Trials", value=10, start=1, end=10_000, width=120, **small)
        self.minutes = pmui.FloatInput(
            label="At most minutes (0: no limit)", value=0.0, start=0.0, step=5.0, width=200, **small
        )
        self.called = pmui.TextInput(label="Name (optional)", width=180, **small)
        self.start = pmui.Button(
            label="Start sweep", color="success", variant="contained", on_click=lambda _: self._start(), **small
        )
        self.chosen = pmui.Select(label="Sweep", options=[NONE], value=NONE, width=380, **small)
        self.stop = pmui.Button(label="Stop sweep", color="warning", variant="outlined", disabled=True, **small)
        self.resume = pmui.Button(label="Resume", variant="outlined", disabled=True, **small)
        self.best = pmui.Button(label="Best trial into the controls", variant="outlined", disabled=True, **small)
        self.show_best = pmui.Button(label="Show best trial", variant="outlined", disabled=True, **small)
        self.delete = pmui.Button(label="Delete", color="error", variant="outlined", disabled=True, **small)
        self._sure = Question()
        self._state = pmui.Typography("", variant="body2", margin=(6, 8))
        self._charts = pn.Column(sizing_mode="stretch_width", styles=CHARTS, stylesheets=[NO_SCROLL_BUTTON])
        self._parallel = pn.Column(sizing_mode="stretch_width", margin=0)
        self._table = pn.widgets.Tabulator(
            pd.DataFrame({"trial": []}), disabled=True, show_index=False, height=220, sizing_mode="stretch_width",
            layout="fit_data_fill", margin=(4, 8), theme="simple", stylesheets=[TABLE], visible=False,
        )  # fmt: skip
        self.keys.param.watch(lambda _: self._show_axes(), "value")
        self.strategy.param.watch(lambda _: self._show_axes(), "value")
        self.chosen.param.watch(lambda _: self.update(), "value")
        self.stop.on_click(lambda _: self._with_sweep(context.sweeps.stop))
        self.resume.on_click(lambda _: self._with_sweep(context.sweeps.resume))
        self.delete.on_click(lambda _: self._ask_delete())
        self.best.on_click(lambda _: self._with_best(lambda sweep, trial: load(context.sweeps.params_of(sweep, trial))))
        self.show_best.on_click(lambda _: self._with_best(lambda _sweep, trial: session.show(trial.run_id)))
        session.param.watch(lambda _: self._repaint(), "dark")
        self._show_axes()
        self.update()

    @property
    def sweep_id(self) -> str:
        """The sweep that is shown, ``""`` without any."""
        return self._known.get(self.chosen.value, "")

    def axes(self) -> list[Axis]:
        """What is varied, as it stands in the fields.

        Raises
        ------
        ParameterError
            A range is not one.
        """
        if not self.keys.value:
            raise ParameterError("Nothing is varied.", advice="Choose at least one parameter.")
        return [self._ranges[key].axis() for key in self.keys.value]

    def update(self) -> None:
        """Show how far the sweeps are; called by the page again and again."""
        sweeps = self._context.sweeps.sweeps(self._context.owner)
        known = {menu_text(info): info.id for info in sweeps}
        if known != self._known:
            shown = self.sweep_id
            self._known = known
            name = next((text for text, sweep in known.items() if sweep == shown), next(iter(known), NONE))
            self.chosen.param.update(options=list(known) or [NONE], value=name)
        info = next((info for info in sweeps if info.id == self.sweep_id), None)
        self._show_state(info)
        if info is not None:
            self._draw(info)

    def _show_axes(self) -> None:
        fields = []
        for key in self.keys.value:
            if key not in self._ranges:
                self._ranges[key] = AxisField(key, self._form.values[key])
            fields.append(self._ranges[key])
        self._axes[:] = fields
        self.trials.disabled = self.strategy.value == "grid"

    def _start(self) -> None:
        def begin() -> None:
            if self._picker.source is None:
                raise InputError("There is no data for the trials.", advice="Choose data at the side.")
            started = self._context.sweeps.start(
                self._picker.source,
                self._form.params(),
                self.axes(),
                strategy=self.strategy.value,
                score=self.score.value,
                n_trials=self.trials.value,
                seconds=60 * self.minutes.value,
                name=self.called.value.strip(),
                owner=self._context.user,
            )
            self.called.value = ""
            self.update()
            self.chosen.value = next(name for name, sweep in self._known.items() if sweep == started)
            self._session.say("The sweep has begun; its trials are also among the runs.", "success")

        self._session.attempt(begin)

    def _with_sweep(self, action: Callable[[str], Any]) -> None:
        if self.sweep_id:
            self._session.attempt(lambda: action(self.sweep_id))
            self.update()

    def _ask_delete(self) -> None:
        self._session.attempt(lambda: self._ask_about(self._context.sweeps.sweep(self.sweep_id)))

    def _ask_about(self, info: SweepInfo) -> None:
        self._sure.ask(
            f"{plain(title_of(info))} with its history. Its {len(info.trials)} runs may stay among the runs.",
            {
                "The sweep and its runs": lambda: self._delete(info.id, runs=True),
                "The sweep alone": lambda: self._delete(info.id, runs=False),
            },
        )

    def _delete(self, sweep_id: str, *, runs: bool) -> None:
        """In a thread: a sweep under way is stopped first."""
        self._session.say("The sweep is being deleted.", "info")

        def done(_: None) -> None:
            self._session.say("The sweep is deleted.", "info")
            self.update()

        in_thread(lambda: self._context.sweeps.delete(sweep_id, runs=runs), done, self._session.say_error)

    def _with_best(self, action: Callable[[str, Trial], Any]) -> None:
        def act() -> None:
            trial = self._context.sweeps.sweep(self.sweep_id).best
            if trial is not None:
                action(self.sweep_id, trial)

        self._session.attempt(act)

    def _show_state(self, info: SweepInfo | None) -> None:
        text = "Choose parameters and ranges, then start: the trials take the data and parameters of the controls."
        self._state.object = plain(text if info is None else state_of(info))
        self.stop.disabled = info is None or info.state != "running"
        self.resume.disabled = info is None or not info.may_resume
        self.delete.disabled = info is None
        self.best.disabled = self.show_best.disabled = info is None or info.best is None

    def _repaint(self) -> None:
        self._drawn = ()
        self.update()

    def _draw(self, info: SweepInfo) -> None:
        now = (info.id, tuple((trial.state, trial.score) for trial in info.trials))
        if now == self._drawn:
            return
        self._drawn = now
        shares, why_not = self._context.sweeps.importances(info.id)
        dark = self._session.dark
        charts, parallel = charts_of(info, shares, dark)
        panes: list[Any] = [_pane(chart, dark) for chart in charts]
        if why_not and panes:
            panes.insert(1, pmui.Typography(why_not, variant="body2", margin=8))
        self._charts[:] = panes
        self._parallel[:] = [] if parallel is None else [_pane(parallel, dark)]
        self._table.param.update(value=table_of(info), visible=bool(info.trials))

    def __panel__(self) -> Any:
        return pmui.Column(
            self.keys,
            self._axes,
            pmui.FlexBox(
                self.strategy, self.score, self.trials, self.minutes, self.called, self.start, align_items="center"
            ),
            pmui.Divider(sizing_mode="stretch_width", margin=(4, 8)),
            pmui.FlexBox(
                self.chosen, self.stop, self.resume, self.best, self.show_best, self.delete, align_items="center"
            ),
            self._state,
            self._charts,
            self._parallel,
            self._table,
            self._sure,
            sizing_mode="stretch_width",
            margin=0,
        )


def _pane(chart: Chart, dark: bool) -> Any:
    canvas = BokehCanvas(chart, dark=dark, height=chart.size[1])
    return pn.pane.Bokeh(canvas.figure, sizing_mode="stretch_width", margin=2)

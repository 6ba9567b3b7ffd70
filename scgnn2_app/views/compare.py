"""Several runs side by side: curves overlaid, and parallel coordinates over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui

from scgnn2_app.background import in_thread
from scgnn2_app.charts.across_runs import COUNTS, overlaid, parallel_coordinates, score_words
from scgnn2_app.controls.wording import plain
from scgnn2_app.results.history import RunHistory
from scgnn2_app.session import Session
from scgnn2_app.theme import CHARTS, NO_SCROLL_BUTTON
from scgnn2_app.views.run_bar import shortened
from scgnn2_engine.plots.chart import Chart
from scgnn2_engine.plots.curves import STAGES
from scgnn2_engine.plots.on_bokeh import BokehCanvas

if TYPE_CHECKING:
    from scgnn2_app.runs.jobs import JobManager
    from scgnn2_app.runs.workspace import RunInfo

MOST_RUNS = 8

HINT = "Tick two or more runs to lay their curves over each other."

LONGEST_NAME = 28
"""Characters of a run's name above a chart, so that it is no wider than the plot."""


class CompareView(pn.viewable.Viewer):
    """Curves of chosen runs, and the parameters of all runs beside their score.

    Parameters
    ----------
    session
        Whether the page is dark.
    jobs
        Where the events come from.
    """

    def __init__(self, session: Session, jobs: JobManager) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session, self._jobs = session, jobs
        self._chosen: tuple[str, ...] = ()
        self._histories: dict[str, RunHistory] = {}
        self._titles: dict[str, str] = {}
        self._score = ""
        self._drawn: Any = None
        self._curves = pn.Column(sizing_mode="stretch_width", styles=CHARTS, stylesheets=[NO_SCROLL_BUTTON])
        self._parallel = pn.Column(sizing_mode="stretch_width", margin=0)
        self._hint = pmui.Typography(HINT, variant="body2", margin=(4, 8))
        self._said = pmui.Typography("", variant="body2", margin=(4, 8), visible=False)
        self._cut = ""
        session.param.watch(lambda _: self._draw_again(), "dark")
        self._last_rows: tuple[Sequence[str], Mapping[str, Sequence[Any]], str, bool] | None = None

    def choose(self, runs: Sequence[RunInfo], score: str) -> None:
        """Lay the curves of these runs over each other."""
        n_runs, runs = len(runs), runs[:MOST_RUNS]
        # Before what is known is left as it is: a ninth run changes this and nothing else.
        self._cut = f"The first {MOST_RUNS} of the {n_runs} ticked runs are drawn." if n_runs > MOST_RUNS else ""
        self._say()
        wanted = tuple(run.id for run in runs)
        if wanted == self._chosen and score == self._score:
            return
        self._chosen, self._score = wanted, score
        self._titles = {run.id: short_name(run) for run in runs}
        if not wanted:
            self._draw()
            return
        known = {run.id: self._histories[run.id] for run in runs if run.over and run.id in self._histories}

        def work() -> dict[str, RunHistory]:
            return known | {run: RunHistory.of(self._jobs, run) for run in wanted if run not in known}

        def show(histories: dict[str, RunHistory]) -> None:
            if wanted == self._chosen:
                self._histories = histories
                self._draw()

        in_thread(work, show, self._session.say_error)

    def rows(
        self, names: Sequence[str], axes: Mapping[str, Sequence[Any]], score: str, *, smaller: bool, said: str = ""
    ) -> None:
        """Draw the parallel coordinates of runs, if there is something to compare, and say which are not there."""
        self._said.param.update(object=plain(said), visible=bool(said))
        now = (list(names), {key: list(values) for key, values in axes.items()}, score, smaller)
        if now == self._last_rows:
            return
        self._last_rows = now
        self._draw_parallel()

    def _draw_again(self) -> None:
        self._draw()
        self._draw_parallel()

    def _draw(self) -> None:
        histories = {self._titles[run]: self._histories[run] for run in self._chosen if run in self._histories}
        self._say()
        if not histories:
            self._curves[:] = []
            return
        charts = []
        for stage, title in STAGES.items():
            curves = {name: history.mean(stage) for name, history in histories.items()}
            if any(curve.x for curve in curves.values()):
                points = {name: (curve.x, curve.y) for name, curve in curves.items()}
                charts.append(overlaid(points, title, "epoch", "loss", log=True))
        for score in dict.fromkeys([self._score, "ari_between_iterations", "cluster_count"]):
            columns = {name: history.column(score) for name, history in histories.items()}
            if any(x for x, _ in columns.values()):
                words = score_words(score)
                title = words[0].upper() + words[1:]
                charts.append(overlaid(columns, title, "iteration", words, whole=score in COUNTS))
        self._curves[:] = [self._pane(chart) for chart in charts]

    def _pane(self, chart: Chart) -> Any:
        canvas = BokehCanvas(chart, dark=self._session.dark, height=chart.size[1])
        return pn.pane.Bokeh(canvas.figure, sizing_mode="stretch_width", margin=2)

    def _say(self) -> None:
        drawn = any(run in self._histories for run in self._chosen)
        text = self._cut or ("" if drawn else HINT)
        self._hint.param.update(object=text, visible=bool(text))

    def _draw_parallel(self) -> None:
        if self._last_rows is None:
            return
        names, axes, score, smaller = self._last_rows
        if len(names) < 2 or len(axes) < 2:
            self._parallel[:] = []
            return
        chart = parallel_coordinates(names, axes, score, self._session.dark, smaller_is_better=smaller)
        self._parallel[:] = [self._pane(chart)]

    def __panel__(self) -> Any:
        return pmui.Column(self._hint, self._curves, self._said, self._parallel, sizing_mode="stretch_width", margin=0)


def short_name(run: RunInfo) -> str:
    """A run's name for a legend; the end of its id tells runs of the same name apart."""
    end = f" {run.id[-4:]}"
    return shortened(run.title, LONGEST_NAME - len(end)) + end

"""Watch a run: losses of every stage, scores and a map after every iteration, what was said, what went wrong."""

from __future__ import annotations

import html
from datetime import datetime
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui

from scgnn2_app.charts.growing import LossChart
from scgnn2_app.charts.score_chart import ScoreChart
from scgnn2_app.charts.small_maps import as_data_uri
from scgnn2_app.controls.wording import on_page, plain
from scgnn2_app.later import in_thread
from scgnn2_app.results.baseline_levels import BEST_CLUSTERING, BEST_IMPUTATION, baseline_levels
from scgnn2_app.results.story import RunStory
from scgnn2_app.session import Session
from scgnn2_app.theme import CHARTS, NO_SCROLL_BUTTON
from scgnn2_engine.errors import ScgnnError

if TYPE_CHECKING:
    from scgnn2_app.runs.jobs import JobManager
    from scgnn2_app.runs.workspace import RunInfo

STAGES = {
    "feature_AE": "Feature autoencoder",
    "graph_AE": "Graph autoencoder",
    "cluster_AE": "Cluster autoencoders, a line each",
}
SCORES: tuple[tuple[str, str, dict[str, str], dict[str, str], float, bool], ...] = (
    (
        "Agreement of clusters with",
        "adjusted Rand index",
        {"ari_between_iterations": "iteration before", "ari_against_ground_truth": "labels"},
        {BEST_CLUSTERING: "best baseline"},
        0.2,
        False,
    ),
    (
        "Imputation error",
        "error, ln(1 + expression)",
        {"error_median": "hidden entries, median", "validation_error": "held-out entries, mean"},
        {BEST_IMPUTATION: "best baseline"},
        0.05,
        True,
    ),
    ("Clusters", "number of clusters", {"cluster_count": "clusters"}, {}, 2.0, False),
)
NONE = "no other run"
LINES_SHOWN = 400


class LiveView(pn.viewable.Viewer):
    """The Live tab.

    Parameters
    ----------
    session
        Whose ``run_id`` is watched.
    jobs
        Where its events come from.
    """

    def __init__(self, session: Session, jobs: JobManager) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session, self._jobs = session, jobs
        self.story = RunStory()
        self._run_id, self._cursor, self._compared = "", 0, ""
        self._info: RunInfo | None = None
        self._losses: dict[str, LossChart] = {}
        self._scores: list[ScoreChart] = []
        self._other: RunStory | None = None
        self._compare = pmui.Select(
            label="Compare with", options=[NONE], value=NONE, size="small", width=330, margin=(4, 8)
        )
        self._compare.param.watch(lambda event: self._load_other(event.new), "value")
        self._others: dict[str, str] = {}
        self._failure = pmui.Alert("", severity="error", visible=False, sizing_mode="stretch_width", margin=(4, 8))
        self._trace = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 8), visible=False)
        self._strip = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 8), styles={"font-size": "13px"})
        self._log = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 8))
        self._logged, self._mapped, self._levels_read = -1, (-1, False, False), False
        self._panes: dict[int, Any] = {}
        self._grid = pn.Column(sizing_mode="stretch_width", styles=CHARTS, stylesheets=[NO_SCROLL_BUTTON])
        self._hint = pmui.Typography(
            "Curves appear here as the run goes on.", variant="body2", margin=(12, 8), sx={"opacity": 0.8}
        )
        session.param.watch(lambda _: self._paint(), "dark")
        self._show_log()
        self._show_strip(None)

    def update(self, info: RunInfo | None) -> None:
        """Pull what has come since; called again and again from the page."""
        self._info = info
        run_id = info.id if info is not None else ""
        if run_id != self._run_id:
            self._begin(run_id)
        if info is None:
            return
        while True:
            events, cursor = self._jobs.events(run_id, self._cursor)
            if cursor < self._cursor:  # started anew, on another machine
                self._begin(run_id)
            self._cursor = cursor
            if not events:
                break
            self.story.listen(events)
        if info.over and not self._levels_read:
            self._levels_read = True
            self.story.levels = baseline_levels(info.folder)
        self._draw()
        self._show_failure(info)
        self._show_strip(info)
        self._show_log()

    def offer(self, runs: list[RunInfo]) -> None:
        """Which runs may be compared with."""
        options = {NONE: ""} | {f"{info.title} ({info.state}) {info.id[-6:]}": info.id for info in runs}
        if options != self._others:
            self._others = options
            chosen = self._compare.value if self._compare.value in options else NONE
            self._compare.param.update(options=list(options), value=chosen)

    def _begin(self, run_id: str) -> None:
        self._run_id, self._cursor, self.story = run_id, 0, RunStory()
        self._logged, self._mapped, self._levels_read = -1, (-1, False, False), False
        # New charts: the ranges of a figure keep to what it showed when it was last on the screen.
        self._losses, self._scores, self._panes = {}, [], {}
        self._show_charts()
        self._show_log()
        self._show_strip(None)
        self._failure.param.update(object="", visible=False)
        self._trace.param.update(object="", visible=False)

    def _draw(self) -> None:
        self._make_charts()
        for chart in self._charts():
            chart.update(self.story)
        self._show_charts()

    def _make_charts(self) -> None:
        """Those that have something to show: a page without a run is the sooner there."""
        stories = [story for story in (self.story, self._other) if story is not None]
        stages = {key[0] for story in stories for key in story.curves}
        if not self._scores and (stages or any(story.scores for story in stories)):
            self._losses = {stage: LossChart(stage, title, self._session.dark) for stage, title in STAGES.items()}
            self._scores = [ScoreChart(*chart, dark=self._session.dark) for chart in SCORES]
            self._take_in(*self._charts())
        for stage in sorted(stages - set(self._losses)):
            self._losses[stage] = LossChart(stage, stage.replace("_", " "), self._session.dark)
            self._take_in(self._losses[stage])

    def _take_in(self, *charts: LossChart | ScoreChart) -> None:
        for chart in charts:
            chart.compare(self._other)
            self._panes[id(chart)] = _pane(chart)

    def _charts(self) -> list[LossChart | ScoreChart]:
        return [*self._losses.values(), *self._scores]

    def _show_charts(self) -> None:
        """A chart without data is no chart."""
        shown = [self._panes[id(chart)] for chart in self._charts() if chart.has_data]
        if shown != self._grid.objects:
            self._grid[:] = shown
        if self._hint.visible == bool(shown):
            self._hint.visible = not shown

    def _load_other(self, name: str) -> None:
        run_id = self._others.get(name, "")
        self._compared = run_id
        if not run_id:
            self._show_other(None)
            return

        def work() -> RunStory:
            story, cursor = RunStory(), 0
            while True:
                events, cursor = self._jobs.events(run_id, cursor)
                if not events:
                    return story
                story.listen(events)

        def show(story: RunStory) -> None:
            if self._compared == run_id:
                self._show_other(story)

        def failed(error: Exception) -> None:
            self._session.say(str(error), "error")

        in_thread(work, show, failed)

    def _show_other(self, story: RunStory | None) -> None:
        self._other = story
        self._make_charts()
        for chart in self._charts():
            chart.compare(story)
        self._show_charts()

    def _paint(self) -> None:
        for chart in self._charts():
            chart.paint(self._session.dark)
        self._show_strip(self._info)

    def _show_failure(self, info: RunInfo) -> None:
        failed = info.state == "failed"
        if self._failure.visible != failed:
            self._failure.visible = failed
        reason = on_page(info.reason, info.source) or "The run failed."
        if failed and self._failure.object != plain(reason):
            self._failure.object = plain(reason)
            said = info.traceback or self._jobs.workspace.log(info.id, last=20_000)
            self._trace.object = said.strip() and (
                "<details><summary>Where it happened</summary><pre tabindex=0 "
                'style="overflow:auto;max-height:300px;font-size:12px">'
                f"{html.escape(said)}</pre></details>"
            )
        shown = failed and bool(self._trace.object)
        if self._trace.visible != shown:
            self._trace.visible = shown

    def _show_strip(self, info: RunInfo | None) -> None:
        story = self.story
        now = (len(story.scores), story.selected is not None, self._session.dark)
        if info is None or not story.scores:
            text = '<p style="opacity:.75;margin:4px 0">A small map of the cells appears here after each iteration.</p>'
            if self._strip.object != text:
                self._strip.object = text
            return
        if now == self._mapped:
            return
        self._mapped = now
        pictures = "".join(
            _figure(info, int(row["iteration"]), story.selected == row["iteration"], self._session.dark)
            for row in story.scores
        )
        self._strip.object = (
            '<div role="group" aria-label="Cell graph after each iteration" tabindex=0 '
            f'style="display:flex;gap:10px;overflow-x:auto;padding:2px">{pictures}</div>'
        )

    def _show_log(self) -> None:
        if len(self.story.log) == self._logged:
            return
        self._logged = len(self.story.log)
        lines = "".join(_line(*entry) for entry in reversed(self.story.log[-LINES_SHOWN:]))
        nothing = "Nothing yet." if self._run_id else "Nothing yet: press Run, or choose a run under Runs."
        self._log.object = (
            '<div role="log" aria-label="Log of the run, newest first" tabindex=0 style="height:170px;overflow:auto;'
            f'font-size:12px;line-height:1.5">{lines or nothing}</div>'
        )

    def __panel__(self) -> Any:
        return pmui.Column(
            self._failure,
            self._trace,
            self._hint,
            self._grid,
            pmui.Typography("After each iteration: first two principal components of the graph embedding",
                            variant="subtitle2", margin=(6, 8, 0, 8)),
            self._strip,
            pmui.Row(pmui.Typography("Log", variant="subtitle2", margin=(10, 8, 0, 8)), pn.HSpacer(), self._compare,
                     sizing_mode="stretch_width", margin=0),
            self._log,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip


def _pane(chart: LossChart | ScoreChart) -> Any:
    return pn.pane.Bokeh(chart.figure, sizing_mode="stretch_width", margin=2)


def _figure(info: RunInfo, iteration: int, selected: bool, dark: bool) -> str:
    try:
        address, clusters = as_data_uri(info.folder, iteration, dark)
    except ScgnnError:
        return ""
    mark = ", returned" if selected else ""
    border = "2px solid currentColor" if selected else "1px solid rgba(128,128,128,.5)"
    return (
        f'<figure style="margin:0;flex:none;text-align:center"><img src="{address}" width=132 height=132 '
        f'style="border:{border};border-radius:4px" alt="Map after iteration {iteration}: {clusters} clusters{mark}">'
        f'<figcaption style="font-size:12px">{iteration}: {clusters} clusters{mark}</figcaption></figure>'
    )


def _line(time: str, level: str, text: str) -> str:
    try:
        moment = datetime.fromisoformat(time).astimezone().strftime("%H:%M:%S")
    except ValueError:
        moment = ""
    weight = "600" if level in ("success", "warning", "error") else "400"
    mark = {"warning": "Warning: ", "error": "Error: "}.get(level, "")
    return f'<div style="font-weight:{weight}"><code>{moment}</code> {mark}{html.escape(text)}</div>'

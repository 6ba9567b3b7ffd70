"""Watch a run: losses of every stage, scores and a map after every iteration, what was said, what went wrong."""

from __future__ import annotations

import html
from datetime import datetime
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui

from scgnn2_app.background import in_thread
from scgnn2_app.charts.small_maps import as_data_uri
from scgnn2_app.controls.wording import on_page, plain
from scgnn2_app.results.baseline_levels import BEST_CLUSTERING, BEST_IMPUTATION, baseline_levels
from scgnn2_app.results.headline import headline, verdict
from scgnn2_app.results.history import RunHistory
from scgnn2_app.session import Session
from scgnn2_app.theme import CHARTS, NO_SCROLL_BUTTON
from scgnn2_engine.errors import ScgnnError
from scgnn2_engine.plots.chart import Chart
from scgnn2_engine.plots.curves import PANELS, STAGES, loss_chart, score_chart
from scgnn2_engine.plots.on_bokeh import BokehCanvas

if TYPE_CHECKING:
    from scgnn2_app.runs.jobs import JobManager
    from scgnn2_app.runs.workspace import RunInfo

LEVELS = {"Agreement of clusters": BEST_CLUSTERING, "Imputation error": BEST_IMPUTATION}
"""Kind of score to the baseline that is a level line."""

HEIGHT = 230
NONE = "no other run"
LINES_SHOWN = 400
WARNINGS_SHOWN = 3


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
        self.history = RunHistory()
        self._run_id, self._cursor, self._compared = "", 0, ""
        self._info: RunInfo | None = None
        self.canvases: dict[str, BokehCanvas] = {}  # by stage, and by the title of a kind of score
        self._other: RunHistory | None = None
        self._compare = pmui.Select(
            label="Compare with", options=[NONE], value=NONE, size="small", width=330, margin=(4, 8)
        )
        self._compare.param.watch(lambda event: self._load_other(event.new), "value")
        self._others: dict[str, str] = {}
        self._headline = pn.pane.HTML("", sizing_mode="stretch_width", margin=(4, 8), styles={"font-size": "15px"})
        self._warnings = pmui.Alert("", severity="warning", visible=False, sizing_mode="stretch_width", margin=(4, 8))
        self._verdict, self._judged = "", ""
        self._failure = pmui.Alert("", severity="error", visible=False, sizing_mode="stretch_width", margin=(4, 8))
        self._trace = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 8), visible=False)
        self._strip = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 8), styles={"font-size": "13px"})
        self._log = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 8))
        self._logged, self._mapped, self._levels_read = -1, (-1, False, False), False
        self._panes: dict[str, Any] = {}
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
        new = False
        while True:
            events, cursor = self._jobs.events(run_id, self._cursor)
            if cursor < self._cursor:  # started anew, on another machine
                self._begin(run_id)
            self._cursor = cursor
            if not events:
                break
            new = True
            self.history.listen(events)
        if info.over and not self._levels_read:
            new = self._levels_read = True
            self.history.levels = baseline_levels(info.folder)
        if new:
            self._draw()
            self._show_headline()
        if info.state == "done" and self._judged != run_id:
            self._judged = run_id
            in_thread(lambda: verdict(info.folder), lambda said: self._judge(run_id, said), self._session.say_error)
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
        self._run_id, self._cursor, self.history = run_id, 0, RunHistory()
        self._logged, self._mapped, self._levels_read = -1, (-1, False, False), False
        # New charts: the ranges of a figure keep to what it showed when it was last on the screen.
        self.canvases, self._panes = {}, {}
        self._verdict = self._judged = ""
        self._draw()
        self._show_headline()
        self._show_log()
        self._show_strip(None)
        self._failure.param.update(object="", visible=False)
        self._trace.param.update(object="", visible=False)

    def _judge(self, run_id: str, said: str) -> None:
        if run_id == self._run_id:
            self._verdict = said
            self._show_headline()

    def _show_headline(self) -> None:
        """What a biologist asks first, and what changes the meaning of the result."""
        lines = [line for line in (headline(self.history), self._verdict) if line]
        self._headline.object = f'<div role="status">{"<br>".join(map(html.escape, lines))}</div>' if lines else ""
        source = None if self._info is None else self._info.source
        warned = [on_page(said, source) for said in self.history.warnings]
        more = [f"and {len(warned) - WARNINGS_SHOWN} more in the log below"] if len(warned) > WARNINGS_SHOWN else []
        said = "\n\n".join(map(plain, warned[:WARNINGS_SHOWN] + more))
        self._warnings.param.update(object=said, visible=bool(said))

    def _charts(self) -> dict[str, Chart]:
        """Every kind of score, and the loss of every stage."""
        history, other = self.history, self._other or RunHistory()
        charts = {}
        for panel in PANELS:
            best = LEVELS.get(panel.title, "")
            charts[panel.title] = score_chart(
                panel, {name: history.column(name) for name in panel.lines},
                others={name: other.column(name) for name in panel.lines}, returned=history.selected,
                levels={"best baseline": history.levels[best]} if best in history.levels else {},
            )  # fmt: skip
        for stage in dict.fromkeys([*STAGES, *sorted({key[0] for key in (*history.curves, *other.curves)})]):
            losses = {of: (curve.x, curve.y) for (at, of, name), curve in history.curves.items()
                      if (at, name) == (stage, "loss")}  # fmt: skip
            held_out, beneath = history.mean(stage, "validation"), other.mean(stage)
            charts[stage] = loss_chart(
                STAGES.get(stage, stage.replace("_", " ")), dict(sorted(losses.items(), key=lambda one: one[0] or 0)),
                held_out=(held_out.x, held_out.y), other=(beneath.x, beneath.y),
            )  # fmt: skip
        return charts

    def _draw(self) -> None:
        """A chart without data is no chart, and none is made before it has some: a page is the sooner there."""
        charts = self._charts()
        for name, chart in charts.items():
            if name in self.canvases:
                self.canvases[name].show(chart)
            elif chart.marks:
                canvas = self.canvases[name] = BokehCanvas(chart, dark=self._session.dark, height=HEIGHT)
                self._panes[name] = pn.pane.Bokeh(canvas.figure, sizing_mode="stretch_width", margin=2)
        shown = [self._panes[name] for name, chart in charts.items() if chart.marks]
        if shown != self._grid.objects:
            self._grid[:] = shown
        self._hint.visible = not shown

    def _load_other(self, name: str) -> None:
        run_id = self._others.get(name, "")
        self._compared = run_id
        if not run_id:
            self._show_other(None)
            return

        def show(history: RunHistory) -> None:
            if self._compared == run_id:
                self._show_other(history)

        in_thread(lambda: RunHistory.of(self._jobs, run_id), show, self._session.say_error)

    def _show_other(self, history: RunHistory | None) -> None:
        self._other = history
        self._draw()

    def _paint(self) -> None:
        for canvas in self.canvases.values():
            canvas.paint(self._session.dark)
        self._show_strip(self._info)

    def _show_failure(self, info: RunInfo) -> None:
        failed = info.state == "failed"
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
        self._trace.visible = failed and bool(self._trace.object)

    def _show_strip(self, info: RunInfo | None) -> None:
        history = self.history
        now = (len(history.scores), history.selected is not None, self._session.dark)
        if info is None or not history.scores:
            hint = "A small map of the cells appears here after each iteration."
            self._strip.object = f'<p style="opacity:.75;margin:4px 0">{hint}</p>'
            return
        if now == self._mapped:
            return
        self._mapped = now
        pictures = "".join(
            _figure(info, int(row["iteration"]), history.selected == row["iteration"], self._session.dark)
            for row in history.scores
        )
        self._strip.object = (
            '<div role="group" aria-label="Cell graph after each iteration" tabindex=0 '
            f'style="display:flex;gap:10px;overflow-x:auto;padding:2px">{pictures}</div>'
        )

    def _show_log(self) -> None:
        if len(self.history.log) == self._logged:
            return
        self._logged = len(self.history.log)
        lines = "".join(_line(*entry) for entry in reversed(self.history.log[-LINES_SHOWN:]))
        nothing = "Nothing yet." if self._run_id else "Nothing yet: press Run, or choose a run under Runs."
        self._log.object = (
            '<div role="log" aria-label="Log of the run, newest first" tabindex=0 style="height:170px;overflow:auto;'
            f'font-size:12px;line-height:1.5">{lines or nothing}</div>'
        )

    def __panel__(self) -> Any:
        return pmui.Column(
            self._failure,
            self._trace,
            self._headline,
            self._warnings,
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

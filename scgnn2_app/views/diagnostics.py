"""Whether a result can be trusted: every measurement with a sentence, beside the baselines, and how it was made."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from scgnn2_app.background import in_thread
from scgnn2_app.exports.figure_files import ExportRow
from scgnn2_app.exports.fragments import headed, sections, styled
from scgnn2_app.session import Session
from scgnn2_engine.errors import InputError
from scgnn2_engine.plots import curves, diagnostics
from scgnn2_engine.results.result import Evaluation

NOTHING = "<p>No result yet: what can be said of a run appears here once it is done.</p>"


class DiagnosticsView(pn.viewable.Viewer):
    """The Diagnostics tab.

    Parameters
    ----------
    session
        Its run is shown.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session = session
        self._content = ""
        self.page = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 10))
        self._export = ExportRow(session, self, "diagnostics")
        session.param.watch(lambda _: self._take_up(), "run")
        session.param.watch(lambda _: self._paint(), "dark")
        self._take_up()

    def _take_up(self) -> None:
        run = self._session.run
        if run is None or not run.finished:
            self._content = NOTHING
            self._paint()
            return

        def show(content: str) -> None:
            if self._session.run is run:
                self._content = content
                self._paint()

        in_thread(lambda: headed(sections(run)), show, self._session.say_error)

    def _paint(self) -> None:
        self.page.object = styled(self._content, self._session.dark)

    def figure(self) -> Any:
        """The scores beside the baselines, for export; of a run without them its curves."""
        run = self._session.run
        if run is None or not run.finished:
            raise InputError("There is no run to draw yet.", advice="Wait for a run to be done, or choose one.")
        tables = (run.evaluation, run.evaluation_clusters, run.diagnostics, run.diagnostics_genes)
        if any(table is None for table in tables):
            return curves(run.losses, run.metrics)
        return diagnostics(Evaluation(*tables))

    def __panel__(self) -> Any:
        return pmui.Column(
            pmui.Row(pn.HSpacer(), self._export, margin=0, sizing_mode="stretch_width"),
            self.page,
            sizing_mode="stretch_width",
            margin=0,
        )

"""A list of genes, pasted or sent as a file: its dot plot and heat maps; its score goes to the maps above."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import panel as pn
import panel_material_ui as pmui

from scgnn2_app.background import in_thread
from scgnn2_app.controls.wording import plain
from scgnn2_app.exports.figure_files import ExportRow
from scgnn2_app.results.gene_sets import SetInGroups, in_groups, matched
from scgnn2_app.session import Session
from scgnn2_engine.errors import InputError, ScgnnError
from scgnn2_engine.plots.chart import Chart, Figure
from scgnn2_engine.plots.gene_sets import dot_plot, mean_heat_map
from scgnn2_engine.plots.on_bokeh import BokehCanvas

LOOK: dict[str, Any] = {"size": "small", "margin": (6, 8)}


class GeneSet(pn.viewable.Viewer):
    """Several genes at once on the Genes tab.

    Parameters
    ----------
    session
        Whose run has the genes.
    grouping
        Gives the groups of the cells, (n_obs,).
    scored, left
        Called with a set that is shown, and when the user wants no set.
    """

    def __init__(
        self,
        session: Session,
        grouping: Callable[[], npt.NDArray[np.str_]],
        scored: Callable[[SetInGroups], None],
        left: Callable[[], None],
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session, self._grouping, self._scored = session, grouping, scored
        self.shown: SetInGroups | None = None
        self.text = pmui.TextAreaInput(
            label="Set of genes", placeholder="CD3D, CD19, …", rows=1, max_rows=4, auto_grow=True, width=420, **LOOK
        )
        self.show_set = pmui.Button(
            label="Show the set", size="small", variant="outlined", margin=(8, 8), on_click=lambda _: self.work(),
            description="Show the set: its score on the maps and in the violins, its genes by group",
        )  # fmt: skip
        self.back = pmui.Button(
            label="Back to the gene", size="small", variant="text", margin=(8, 8), visible=False,
            on_click=lambda _: left(),
        )  # fmt: skip
        self.file = pmui.FileInput(
            label="Open list", uploaded_label="Open list", accept=".txt,.csv,.tsv", variant="text",
            max_file_size=1_000_000, **LOOK,
        )  # fmt: skip
        self.file.param.watch(self._open, "value")
        self.said = pmui.Typography("", variant="caption", margin=(0, 8))
        self.charts: list[BokehCanvas] = []
        # Of Bokeh's kind: what is put into one of panel-material-ui's while it is being mounted may never be shown.
        self._row = pn.Row(sizing_mode="stretch_width", margin=0)
        self._export = ExportRow(session, self, "gene_set")
        self._parts: list[Any] = []
        session.param.watch(lambda _: self._paint(), "dark")

    def _open(self, event: Any) -> None:
        if event.new:
            self.text.value = event.new.decode("utf-8", errors="replace")
            self.file.clear()  # or the same file, opened again, would be no change
            self.work()

    def work(self) -> None:
        """Look the genes up, and show those that are there."""
        run = self._session.run
        if run is None:
            return
        try:
            genes, said = matched(str(self.text.value), {**run.genes, **run.genes_left_out})
            groups = self._grouping()
        except ScgnnError as error:
            self._session.say_error(error)
            return
        self.show_set.loading = True

        def show(found: SetInGroups) -> None:
            self.show_set.loading = False
            if self._session.run is run:
                self.shown = found
                self.said.object = plain(f"{len(genes):,} genes. {said}".strip())
                self._draw()
                self._scored(found)

        def failed(error: Exception) -> None:
            self.show_set.loading = False
            self._session.say_error(error)

        in_thread(lambda: in_groups(run, genes, groups), show, failed)

    def clear(self) -> None:
        """Show no set."""
        self.shown, self.said.object = None, ""
        self._draw()

    def _drawn(self) -> list[Chart]:
        if self.shown is None:
            raise InputError("There is no set of genes to draw.", advice="Paste some names, and show them.")
        found = self.shown
        names = found.genes, found.groups
        return [
            dot_plot(found.levels["observed"], found.shares, *names, title="observed (size: share of the cells)"),
            *(mean_heat_map(found.levels[kind], *names, title=kind) for kind in ("observed", "imputed")),
        ]

    def _draw(self) -> None:
        for part in (*self._parts, self.back):
            part.visible = self.shown is not None
        drawn = self._drawn() if self.shown is not None else []
        # New ones each time: a browser that has a figure takes no bar of colours that is added to it.
        self.charts = [BokehCanvas(chart, dark=self._session.dark, height=chart.size[1]) for chart in drawn]
        self._row[:] = [
            pn.pane.Bokeh(canvas.figure, sizing_mode="stretch_width", min_width=250, margin=2) for canvas in self.charts
        ]

    def _paint(self) -> None:
        for canvas in self.charts:
            canvas.paint(self._session.dark)

    def figure(self) -> Figure:
        """All three, for export."""
        return Figure(self._drawn(), columns=3)

    def __panel__(self) -> Any:
        asked = pmui.FlexBox(self.text, self.show_set, self.back, self.file, margin=0, align_items="center")
        self._parts = [self.said, self._row, self._export]
        self._draw()
        return pmui.Column(asked, *self._parts, sizing_mode="stretch_width", margin=0)

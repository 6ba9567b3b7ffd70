"""Genes that differ between groups or selections of cells, as a table, a volcano and an MA plot."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.models.widgets.tables import NumberFormatter, ScientificFormatter

from scgnn2_app.background import in_thread
from scgnn2_app.controls.wording import plain
from scgnn2_app.exports.download import Downloader
from scgnn2_app.exports.figure_files import ExportRow, file_name
from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session
from scgnn2_engine.errors import InputError, ScgnnError
from scgnn2_engine.plots.chart import Chart, Figure
from scgnn2_engine.plots.differences import ma, volcano
from scgnn2_engine.plots.on_bokeh import BokehCanvas
from scgnn2_engine.plots.style import natural_order

EACH, OTHERS, SELECTED, KEPT = "each group", "all other cells", "selected cells", "kept: "
CELLS, BY_SAMPLE = "cells (Wilcoxon)", "samples: "
TOP = 25
EVERY = f"all groups, {TOP} highest each"
MOST_DRAWN = 2500
ROWS = 12
FORMATS = {
    "score": NumberFormatter(format="0.00"), "log2 fold change": NumberFormatter(format="0.00"),
    "p": ScientificFormatter(precision=1), "p adjusted": ScientificFormatter(precision=1),
    "share in group": NumberFormatter(format="0%"), "share elsewhere": NumberFormatter(format="0%"),
}  # fmt: skip
"""How the numbers of the table are shown; they stay numbers, by which it is sorted."""
EMPTY = Chart(x_limits=(0.0, 1.0), y_limits=(0.0, 1.0))
LOOK: dict[str, Any] = {"size": "small", "margin": (6, 8)}


class Differences(pn.viewable.Viewer):
    """The comparison of groups on the Genes tab, always of what was observed.

    Parameters
    ----------
    session
        Its run is tested; its selection, and those that were kept, can be compared.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session = session
        self._groups: npt.NDArray[np.str_] | None = None
        self.found = pd.DataFrame()
        self._title = self._grouping = ""
        self.one = pmui.Select(label="Compare", options=[EACH], value=EACH, width=170, **LOOK)
        self.other = pmui.Select(label="with", options=[OTHERS], value=OTHERS, width=170, **LOOK)
        self.test = pmui.Select(label="What is counted", options=[CELLS], value=CELLS, width=190, **LOOK)
        self.find = pmui.Button(
            label="Find marker genes", size="small", variant="outlined", margin=(8, 8), icon="search",
            description="Find marker genes: every gene of the input, on what was observed",
            on_click=lambda _: self.work(),
        )  # fmt: skip
        self.search = pmui.TextInput(label="Search a gene", width=160, **LOOK)
        self.shown = pmui.Select(label="Show", options=[EVERY], value=EVERY, width=220, **LOOK)
        self.csv = pmui.Button(
            label="All genes (CSV)", size="small", variant="outlined", margin=(8, 8),
            description="All genes (CSV): the whole table of this comparison", on_click=lambda _: self._download(),
        )  # fmt: skip
        self.table = pn.widgets.Tabulator(
            pd.DataFrame(), show_index=False, disabled=True, selectable=1, sizing_mode="stretch_width", page_size=ROWS,
            pagination="remote", margin=(4, 8), theme="simple", formatters=FORMATS,
        )  # fmt: skip
        self.charts = [BokehCanvas(EMPTY, dark=session.dark, height=340) for _ in range(2)]
        self.said = pmui.Typography("", variant="caption", margin=(0, 8))
        self._downloader = Downloader()
        self._export = ExportRow(session, self, "differences")
        self._results: list[Any] = []
        self._plots: list[Any] = []
        self.table.on_click(self._clicked)
        self.search.param.watch(lambda _: self._show_table(), "value_input")
        self.shown.param.watch(lambda _: self._show_found(), "value")
        self.one.param.watch(lambda event: self.other.param.update(disabled=event.new == EACH), "value")
        session.param.watch(lambda _: self._paint(), "dark")
        session.param.watch(lambda _: self._offer(), "selection")
        self.other.disabled = True

    def offer(self, groups: npt.NDArray[np.str_] | None, grouping: str) -> None:
        """Compare these groups, (n_obs,) of the run; None: selections alone. What was found before is gone."""
        self._groups, self._grouping = groups, grouping
        self.found = pd.DataFrame()
        self._offer()
        self._show_found()

    def _offer(self) -> None:
        run = self._session.run
        names = natural_order(np.unique(self._groups).tolist()) if self._groups is not None else []
        chosen = [SELECTED] if self._session.has_selection else []
        kept = [f"{KEPT}{name}" for name in self._session.kept_selections]
        sides = [*names, *chosen, *kept]
        samples = [f"{BY_SAMPLE}{name}" for name in run.groups if name != self._grouping] if run is not None else []
        offered = ((self.one, [EACH, *sides]), (self.other, [OTHERS, *sides]), (self.test, [CELLS, *samples]))
        for select, options in offered:
            if select.options != options:
                select.param.update(options=options, value=select.value if select.value in options else options[0])

    # --- the test ----------------------------------------------------------------------------------------------------

    def work(self) -> None:
        """Test every gene beside the page, and show what was found."""
        run = self._session.run
        if run is None:
            return
        try:
            groups, only, against = self._sides(run)
            samples = None
            if self.test.value != CELLS:
                samples = run.groups[self.test.value.removeprefix(BY_SAMPLE)]
                if not only:
                    raise InputError("Sums by sample compare two sides.", advice="Choose a group to compare.")
        except ScgnnError as error:
            self._session.say_error(error)
            return
        self.find.loading = True

        def test() -> pd.DataFrame:
            return run.markers_of(groups, only=only, against=against, samples=samples)

        def show(found: pd.DataFrame) -> None:
            self.find.loading = False
            if self._session.run is not run:
                return
            if found.empty:
                self._session.say("There are no two groups of two or more cells to compare.", "warning")
                return
            self._title = f"{only} against {against or OTHERS}" if only else f"each against {OTHERS}"
            self._title += "" if samples is None else f", by {self.test.value.removeprefix(BY_SAMPLE)}"
            self.found = found
            every = natural_order(found["group"])
            options = [EVERY, *every] if len(every) > 1 else every
            self.shown.param.update(options=options, value=options[0])
            self._show_found()

        def failed(error: Exception) -> None:
            self.find.loading = False
            self._session.say_error(error)

        in_thread(test, show, failed)

    def _sides(self, run: RunData) -> tuple[npt.NDArray[np.str_], str, str]:
        """(n_obs,) groups, and which of them is compared with which; ``""``: each, and all others."""
        if self.one.value == EACH:
            if self._groups is None:
                raise InputError("No cells are selected.", advice="Select some with the lasso of a map.")
            return self._groups, "", ""
        one, other = self._cells(self.one.value, run), self._cells(self.other.value, run)
        against = "" if self.other.value == OTHERS else self.other.value
        if against and (both := int((one & other).sum())):
            raise InputError(f"{both:,} cells are on both sides.", advice="Compare groups that share no cell.")
        rest = np.where(other, against, "cells that take no part") if against else np.full(run.n_obs, OTHERS)
        return np.where(one, self.one.value, rest), self.one.value, against

    def _cells(self, side: str, run: RunData) -> npt.NDArray[np.bool_]:
        """(n_obs,) whether a cell is on a side."""
        cells = np.zeros(run.n_obs, dtype=bool)
        if side == SELECTED:
            cells[self._session.selection] = True
        elif side.startswith(KEPT):
            cells[self._session.kept_selections[side.removeprefix(KEPT)]] = True
        elif self._groups is not None:
            cells = self._groups == side
        return cells

    # --- what was found ----------------------------------------------------------------------------------------------

    def _of_shown(self) -> pd.DataFrame:
        """The rows of the shown group, or of all groups the highest."""
        if self.found.empty or self.shown.value == EVERY:
            return self.found.groupby("group", sort=False).head(TOP) if len(self.found) else self.found
        return self.found[self.found["group"] == self.shown.value]

    def _show_found(self) -> None:
        there, one = not self.found.empty, self.shown.value != EVERY
        for part in self._results:
            part.visible = there
        for part in self._plots:
            part.visible = there and one
        self._show_table()
        if there and one:
            for chart, drawn in zip(self.charts, self._drawn(MOST_DRAWN), strict=True):
                chart.show(drawn)

    def _drawn(self, most: int | None) -> list[Chart]:
        found = self._of_shown()
        title = self._title if self.found["group"].nunique() == 1 else f"{self.shown.value} against {OTHERS}"
        return [draw(found, title=title, most=most) for draw in (volcano, ma)]

    def _show_table(self) -> None:
        rows, words = self._of_shown(), str(self.search.value_input or "").strip().lower()
        if words and len(rows):  # a gene is looked for among all, not only among the highest
            every = self.found if self.shown.value == EVERY else rows
            rows = every[every["gene"].str.lower().str.contains(words, regex=False)]
        shown = (
            rows.drop(columns=["mean_in_group", "mean_elsewhere"], errors="ignore")
            .rename(columns=lambda name: name.replace("_", " "))
            .reset_index(drop=True)
        )
        self.table.param.update(value=shown, sorters=[], page=1)  # strongest first, however the last was sorted
        run = self._session.run
        if run is not None and len(self.found):
            genes, sure = self.found["gene"].nunique(), int((rows["p_adjusted"] <= 0.05).sum())
            which = "of the input" if run.markers_of_all_genes or not run.genes_left_out else "that the run kept"
            self.said.object = plain(
                f"{self._title}: {genes:,} genes {which}, on what was observed; {len(rows):,} rows, {sure:,} with an "
                "adjusted p of at most 0.05."
            )

    def _paint(self) -> None:
        for chart in self.charts:
            chart.paint(self._session.dark)

    def _clicked(self, event: Any) -> None:
        if self._session.run is not None and 0 <= event.row < len(self.table.value):
            self._session.gene = str(self.table.value["gene"].iloc[event.row])

    def _download(self) -> None:
        text = self.found.to_csv(index=False)
        self._downloader.send(f"{file_name(self._title)}.csv", text.encode("utf-8"))

    def figure(self) -> Figure:
        """Both plots, for export."""
        if self.found.empty or self.shown.value == EVERY:
            raise InputError("There is no comparison to draw.", advice="Find marker genes, and show one group.")
        return Figure(self._drawn(None), columns=2)

    def __panel__(self) -> Any:
        panes = [pn.pane.Bokeh(chart.figure, sizing_mode="stretch_width", min_width=280, margin=4)
                 for chart in self.charts]  # fmt: skip
        self._plots = [pmui.Row(*panes, margin=0, sizing_mode="stretch_width"), self._export]
        self._results = [
            pmui.FlexBox(self.shown, self.search, self.csv, self._export, margin=0, align_items="center"),
            self.said, self.table,
        ]  # fmt: skip
        asked = pmui.FlexBox(
            self.one, self.other, self.test, self.find, self._downloader, margin=0, align_items="center"
        )
        head, *rest = self._results
        column = pmui.Column(asked, head, self._plots[0], *rest, sizing_mode="stretch_width", margin=0)
        self._show_found()
        return column

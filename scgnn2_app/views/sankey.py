"""How cells flow between groupings: iterations, labels, other runs, with and without bulk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import panel as pn
import panel_material_ui as pmui

from scgnn2_app.background import in_thread
from scgnn2_app.exports.figure_files import ExportRow
from scgnn2_app.results.label_sets import THIS, of_run, together
from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session
from scgnn2_engine.errors import InputError
from scgnn2_engine.plots.chart import Chart
from scgnn2_engine.plots.on_bokeh import BokehCanvas
from scgnn2_engine.plots.sankey import sankey, sankey_layout

NONE = "(none)"
CHOOSE = "(choose)"
NOTHING = Chart(axes=False, x_limits=(-0.5, 1.5), y_limits=(-0.02, 1.1))
Groups = dict[str, npt.NDArray[np.str_]]
Sets = tuple[dict[str, npt.NDArray[np.str_]], npt.NDArray[np.int64]]


class SankeyView(pn.viewable.Viewer):
    """The Sankey tab.

    Parameters
    ----------
    session
        Its run is shown, its selection set by a click on a ribbon or a bar.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session = session
        self._others: dict[str, Path] = {}
        self._sets: Sets | None = None
        self.flows: dict[str, npt.NDArray[np.int64]] = {}
        self._cells: dict[str, list[npt.NDArray[np.int64]]] = {}
        self.chart = BokehCanvas(NOTHING, dark=session.dark, height=520, picked=self._picked)
        self.columns = [
            pmui.Select(label=label, options=[NONE], value=NONE, size="small", margin=(6, 8), width=205)
            for label in ("First", "Second", "Third")
        ]

        self.flow = pmui.Select(
            label="Select the cells of a ribbon", options=[CHOOSE], value=CHOOSE, size="small", margin=(6, 8), width=420
        )
        self.selected = pmui.Typography("", variant="body2", margin=(4, 8))
        self._export = ExportRow(session, self, "sankey")
        self._empty = pmui.Typography(
            "Nothing yet: the groups of a run can be compared here after its first iteration.",
            variant="body1", margin=16,
        )  # fmt: skip
        self._body: list[Any] = []
        session.param.watch(lambda _: self._take_up(), "run")
        session.param.watch(lambda _: self.chart.paint(session.dark), "dark")
        session.param.watch(lambda _: self._say_selected(), "selection")
        session.param.watch(lambda _: self._take_up(), "annotated")
        for column in self.columns:
            column.param.watch(lambda _: self._compare(), "value")
        self.flow.param.watch(lambda event: self._choose_flow(event.new), "value")
        self._take_up()

    def offer(self, runs: Mapping[str, Path]) -> None:
        """Which other runs can be compared with: title to folder; the shown run may be among them."""
        others = {f"run: {title}": Path(folder) for title, folder in runs.items()}
        if others != self._others:
            self._others = others
            self._set_options()

    # --- what is compared --------------------------------------------------------------------------------------------

    def _take_up(self) -> None:
        there = self._session.run is not None
        self._show_body(there)
        self._sets = None
        if there:
            self._set_options()
            self._compare()
        else:
            self._clear()

    def _set_options(self) -> None:
        run = self._session.run
        if run is None:
            return
        own = list(of_run(run))
        others = [name for name, folder in self._others.items() if folder.resolve() != run.folder.resolve()]
        options = own + others
        wanted = [*_first_choice(run, own), NONE, NONE, NONE]
        asked = [column.value for column in self.columns]
        keep = all(name in (*options, NONE) for name in asked) and sum(name != NONE for name in asked) > 1
        with pn.io.hold():
            for place, column in enumerate(self.columns):
                offered = options if place < 2 else [NONE, *options]
                value = asked[place] if keep else wanted[place]
                column.param.update(options=offered, value=value if value in offered else offered[0])

    def _compare(self) -> None:
        run = self._session.run
        names = list(dict.fromkeys(column.value for column in self.columns if column.value != NONE))
        if run is None:
            return
        if len(names) < 2:
            self._sets = None
            self._clear("Choose two different groupings.")
            return
        others = dict(self._others)

        def work() -> tuple[Sets, Groups]:
            sets, cells = found = together(run, names, others)
            if len(cells) == run.n_obs:
                return found, {}
            every = of_run(run)  # a group without a cell here has its colour on the map all the same
            return found, {name: np.unique(every[name]) for name in sets if name in every}

        def show(made: tuple[Sets, Groups]) -> None:
            if self._session.run is run and names == self._names():
                self._sets, groups = made
                self._show(*self._sets, groups)

        def failed(error: Exception) -> None:
            self._sets = None
            self._clear(str(error))

        in_thread(work, show, failed)

    def _names(self) -> list[str]:
        return list(dict.fromkeys(column.value for column in self.columns if column.value != NONE))

    def _clear(self, reason: str = "") -> None:
        self._cells, self.flows = {}, {}
        self.chart.clear(reason)

    def _show(self, sets: Groups, cells: npt.NDArray[np.int64], groups: Groups) -> None:
        """Draw label sets of some cells; −1 is the position of a cell that the shown run does not have."""
        bars, ribbons = sankey_layout(sets)
        columns = list(sets.values())

        def here(chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
            found = cells[chosen]
            return np.sort(found[found >= 0])

        self._cells = {
            "ribbons": [here((columns[r.column] == r.source) & (columns[r.column + 1] == r.target)) for r in ribbons],
            "bars": [here(columns[bar.column] == bar.name) for bar in bars],
        }
        drawn = sankey(sets, groups=groups)
        self.chart.show(drawn)
        flows = zip(drawn.mark("ribbons").tips["flow"], self._cells["ribbons"], strict=True)
        by_size = sorted(flows, key=lambda flow: -len(flow[1]))
        self.flows = {f"{name} ({len(found):,} cells)": found for name, found in by_size}
        self.flow.param.update(options=[CHOOSE, *self.flows], value=CHOOSE)

    # --- selecting ---------------------------------------------------------------------------------------------------

    def _choose(self, cells: npt.NDArray[np.int64]) -> None:
        self._session.select(cells)

    def _picked(self, mark: str, parts: list[int]) -> None:
        cells = self._cells.get(mark, [])
        found = [cells[part] for part in parts if part < len(cells)]
        if found:
            self._choose(np.unique(np.concatenate(found)))

    def _choose_flow(self, name: str) -> None:
        if name != CHOOSE:
            self._choose(self.flows.get(name, np.empty(0, dtype=np.int64)))

    def _say_selected(self) -> None:
        count = len(self._session.selection)
        self.selected.object = (
            f"{count:,} cells selected, in all tabs." if count else "Click a ribbon or a bar to select its cells."
        )

    # --- look and export ---------------------------------------------------------------------------------------------

    def _show_body(self, there: bool) -> None:
        self._empty.visible = not there
        for part in self._body:
            part.visible = there

    def figure(self) -> Any:
        """What is shown, for export."""
        if self._sets is None:
            raise InputError("There is no comparison to draw yet.", advice="Choose two different groupings.")
        return self.chart.chart

    def __panel__(self) -> Any:
        self._say_selected()
        self._body = [
            pmui.Row(*self.columns, pn.HSpacer(), self._export, margin=0, sizing_mode="stretch_width"),
            pn.pane.Bokeh(self.chart.figure, sizing_mode="stretch_width", margin=4),
            pmui.Row(self.flow, self.selected, margin=0),
        ]
        self._show_body(self._session.run is not None)
        return pmui.Column(self._empty, *self._body, sizing_mode="stretch_width", margin=0)


def _first_choice(run: RunData, own: list[str]) -> list[str]:
    """The labels beside the clusters; without labels the first iteration beside the clusters, else what there is."""
    if run.truth_name:
        return [f"labels: {run.truth_name}", THIS]
    iterations = [name for name in own if name.startswith("iteration") and "returned" not in name]
    if iterations:
        return [iterations[0], THIS]
    return [THIS, next((name for name in own if name != THIS), THIS)]

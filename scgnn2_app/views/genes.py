"""One gene before and after imputation: on the map, by group, and which genes mark the groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import panel as pn
import panel_material_ui as pmui
from bokeh.events import RangesUpdate

from scgnn2_app.background import in_thread
from scgnn2_app.charts.colouring import CLUSTER, UNKNOWN, Colouring, by_numbers
from scgnn2_app.charts.graph_canvas import GraphCanvas
from scgnn2_app.charts.map_key import MapKey
from scgnn2_app.controls.wording import EXPECTED, plain
from scgnn2_app.exports.figure_files import ExportRow
from scgnn2_app.results.diagnosis import DE_WARNING
from scgnn2_app.results.gene_sets import SCORE, SetInGroups
from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session
from scgnn2_app.views.differences import Differences
from scgnn2_app.views.gene_picker import GenePicker
from scgnn2_app.views.gene_set import GeneSet
from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.errors import InputError, ScgnnError
from scgnn2_engine.plots.chart import Chart, Figure
from scgnn2_engine.plots.maps import UNIT, colour_limits, value_map, violins
from scgnn2_engine.plots.on_bokeh import BokehCanvas

SELECTED = "selected cells and the rest"
WHOLE, SET = "nothing", "set of genes"
CHOSEN, REST = "selected", "the rest"
NO_VIOLINS = Chart(x_limits=(-0.6, 0.6), y_limits=(0.0, 1.0))
NO_EDGES = np.empty((2, 0), dtype=np.int64), np.empty(0)


class GenesView(pn.viewable.Viewer):
    """The Genes tab.

    Parameters
    ----------
    session
        Its run and gene are shown, its selection marked and set.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session = session
        self._values: dict[str, Floats] = {}
        self._title = ""
        self.gene = GenePicker(session, sizing_mode=None, width=220)
        self.groups = pmui.Select(
            label="Groups", options=[CLUSTER], value=CLUSTER, size="small", margin=(6, 8), width=180
        )
        failed = self._session.say_error
        self.maps = [
            GraphCanvas(session.select, failed, dark=session.dark, height=300, title=title)
            for title in ("observed", "imputed")
        ]
        for canvas in self.maps:
            canvas.edges_shown, canvas.node_size = False, 4.0
            canvas.figure.toolbar.autohide = True
        self._link()
        self.key = MapKey(dark=session.dark, margin=(4, 8), width=240)
        self.violins = BokehCanvas(NO_VIOLINS, dark=session.dark, height=260)
        self.differences = Differences(session)
        self.set = GeneSet(session, self.grouping, self._show_set, self._show_gene)
        self.split = pmui.Select(label="Split by", options=[WHOLE], value=WHOLE, size="small", margin=(6, 8), width=150)
        self.note = pmui.Typography("", variant="caption", margin=(0, 8))
        self._export = ExportRow(session, self, "gene")
        self._empty = pmui.Typography("No result yet: the genes of a run appear here once it is done.",
                                      variant="body1", margin=16)  # fmt: skip
        self._body: list[Any] = []
        session.param.watch(lambda _: self._take_up(), "run")
        session.param.watch(lambda _: self._show_gene(), "gene")
        session.param.watch(lambda _: self._selection_changed(), "selection")
        session.param.watch(lambda _: self._paint(), "dark")
        session.param.watch(lambda _: self._annotated(), "annotated")
        self.groups.param.watch(lambda _: self._groups_changed(), "value")
        self.split.param.watch(lambda _: self._show_violins(), "value")
        self._take_up()

    def _link(self) -> None:
        """Both maps show the same part; moving one draws the other again."""
        left, right = self.maps
        right.figure.x_range, right.figure.y_range = left.figure.x_range, left.figure.y_range
        left.figure.on_event(RangesUpdate, lambda event: right.redraw())
        right.figure.on_event(RangesUpdate, lambda event: left.redraw())

    @property
    def _finished_run(self) -> RunData | None:
        run: RunData | None = self._session.run
        return run if run is not None and run.finished else None

    # --- what is shown -----------------------------------------------------------------------------------------------

    def _take_up(self) -> None:
        run = self._finished_run
        self._show_body(run is not None)
        self._values = {}
        for canvas in self.maps:
            canvas.clear()
        if run is None:
            return
        self._offer_groups(run)
        self._offer_sides()

        def show(positions: Floats) -> None:
            if self._session.run is not run:
                return
            columns = {"cluster": run.labels.astype(str)}
            for canvas in self.maps:
                canvas.load(positions, *NO_EDGES, run.obs_names, columns)
            self._colour()

        self._show_gene()  # the map may take its time
        in_thread(lambda: run.umap, show, self._session.say_error)

    def _show_gene(self) -> None:
        run, gene = self._finished_run, self._session.gene
        if run is None or (gene not in run.genes and gene not in run.genes_left_out):
            return
        try:
            self._values = {"observed": run.gene(gene)}
            if gene in run.genes or run.tells_other_genes:
                self._values["imputed"] = run.gene(gene, imputed=True)
        except ScgnnError as error:
            self._session.say_error(error)
            return
        self._title = gene
        self.set.clear()
        self._colour()
        self._show_violins()
        observed, imputed = self._values["observed"], self._values.get("imputed")
        said = f"{plain(gene)}: not observed in {np.mean(observed == 0):.1%} of the cells; mean {observed.mean():.3g} "
        if imputed is None:
            said += (
                f"observed, {UNIT}. It is not among the {run.n_vars:,} genes that the run kept, so it was not imputed."
            )
        else:
            said += f"observed, {imputed.mean():.3g} imputed, {UNIT}. Both maps have the same colours."
            if gene in run.genes:
                said += f" {EXPECTED}" if run.imputed_is_expected else ""
            else:
                said += " The run was not trained on this gene: it is told by a regression on what was learned."
        self.note.object = said

    def _show_set(self, found: SetInGroups) -> None:
        """The score of a set of genes instead of one gene."""
        self._values, self._title = dict(found.scores), SET
        self._colour()
        self._show_violins()
        self.note.object = SCORE

    @property
    def _unit(self) -> str:
        return "score" if self._title == SET else UNIT

    def _colour(self) -> None:
        if not self._values:
            return
        both = self._colours()
        self.key.describe(both[0], self._session.dark)
        shown = self._foreground(len(both[0].indices))
        for canvas, found in zip(self.maps, both, strict=True):
            canvas.colour(found.only(shown), self._session.dark)

    def _colours(self) -> list[Colouring]:
        """Those of both maps; cells of a gene that was not imputed are faint on the second."""
        gene, limits = self._title, colour_limits(np.concatenate([*self._values.values()]))
        nothing = np.full_like(self._values["observed"], np.nan)
        return [
            by_numbers(self._values.get(name, nothing), gene, self._unit, limits=limits)
            for name in ("observed", "imputed")
        ]

    def _foreground(self, n_obs: int) -> npt.NDArray[np.bool_] | None:
        selection = self._session.selection
        if not len(selection):
            return None
        chosen = np.zeros(n_obs, dtype=bool)
        chosen[selection[selection < n_obs]] = True
        return chosen

    def grouping(self) -> npt.NDArray[np.str_]:
        """(n_obs,) the chosen groups.

        Raises
        ------
        InputError
            There is no run, or no cell is selected where the selection makes the groups.
        """
        run = self._session.run
        if run is None:
            raise InputError("There is no run whose genes could be shown.")
        if self.groups.value == SELECTED:
            chosen = self._foreground(run.n_obs)
            if chosen is None:
                raise InputError("No cells are selected.", advice="Select some with the lasso of a map.")
            return np.where(chosen, CHOSEN, REST)
        if self.groups.value in run.groups:
            given = run.groups[self.groups.value]
            named: npt.NDArray[np.str_] = np.where(given == "", UNKNOWN, given)
            return named
        clusters: npt.NDArray[np.str_] = run.labels.astype(np.str_)
        return clusters

    def _show_violins(self) -> None:
        if not self._values:
            return
        try:
            groups = self.grouping()
        except ScgnnError as error:
            self.violins.clear(str(error))
            return
        by, run = self.groups.value, self._session.run
        if run is not None and self.split.value in run.groups and len(groups) == run.n_obs:
            parts = np.where(run.groups[self.split.value] == "", UNKNOWN, run.groups[self.split.value])
            groups = np.array([f"{group}, {part}" for group, part in zip(groups, parts, strict=True)])
            by = f"{by}, {self.split.value}"
        self.violins.show(violins(self._values, groups, title=f"{self._title} by {by}", unit=self._unit, grouping=by))

    # --- what changes ------------------------------------------------------------------------------------------------

    def _annotated(self) -> None:
        run = self._finished_run
        if run is not None:
            self._offer_groups(run)
            if self.groups.value in run.annotations:
                self._groups_changed()

    def _offer_groups(self, run: RunData) -> None:
        names = [CLUSTER, *run.groups, SELECTED]
        chosen = self.groups.value if self.groups.value in names else CLUSTER
        self.groups.param.update(options=names, value=chosen)
        split = self.split.value if self.split.value in run.groups else WHOLE
        self.split.param.update(options=[WHOLE, *run.groups], value=split)

    def _selection_changed(self) -> None:
        self._colour()
        if self.groups.value == SELECTED:
            self._groups_changed()

    def _groups_changed(self) -> None:
        self._offer_sides()
        self._show_violins()

    def _offer_sides(self) -> None:
        try:
            groups = self.grouping()
        except ScgnnError:  # no cell is selected
            groups = None
        self.differences.offer(groups, self.groups.value)
        if self.set.shown is not None:
            self.set.work()

    def _paint(self) -> None:
        for canvas in self.maps:
            canvas.paint(self._session.dark)
        self.violins.paint(self._session.dark)
        self._colour()

    def _show_body(self, there: bool) -> None:
        self._empty.visible = not there
        for part in self._body:
            part.visible = there

    # --- out ---------------------------------------------------------------------------------------------------------

    def figure(self) -> Any:
        """Both maps and the violins, for export."""
        run = self._session.run
        if run is None or not self._values:
            raise InputError("There is no gene to draw yet.", advice="Wait for a run to be done, or choose one.")
        gene, limits = self._title, colour_limits(np.concatenate([*self._values.values()]))
        maps = [
            value_map(run.umap, values, title=f"{gene}, {name}", unit=self._unit, limits=limits)
            for name, values in self._values.items()
        ]
        return Figure([*maps, self.violins.chart], columns=2)

    def __panel__(self) -> Any:
        panes = [
            pn.pane.Bokeh(canvas.figure, sizing_mode="stretch_width", min_width=280, margin=2,
)
            for canvas in self.maps
        ]  # fmt: skip
        head = pmui.Row(self.gene, self.groups, self.split, self.key, pn.HSpacer(), self._export, margin=0,
                        sizing_mode="stretch_width")  # fmt: skip
        self._body = [
            head,
            pmui.Row(*panes, margin=0, sizing_mode="stretch_width"),
            self.note,
            pn.pane.Bokeh(self.violins.figure, sizing_mode="stretch_width", margin=4),
            pmui.Alert(DE_WARNING, severity="warning", margin=(4, 8), sizing_mode="stretch_width"),
            self.set,
            self.differences,
        ]
        self._show_body(self._finished_run is not None)
        return pmui.Column(self._empty, *self._body, sizing_mode="stretch_width", margin=0)

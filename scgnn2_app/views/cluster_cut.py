"""Another number of clusters of the shown run, and how sure each of them is; nothing is trained."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import panel as pn
import panel_material_ui as pmui

from scgnn2_app.charts.colouring import CLUSTER, Colouring
from scgnn2_app.results.run_data import RunData
from scgnn2_engine import ClusterTree, Model
from scgnn2_engine.errors import ScgnnError

MEMBERSHIP = "scgnn2_membership"


class ClusterCut(pn.viewable.Viewer):
    """A slider that cuts the tree of clusters elsewhere, opacity by membership, and the list of what merges next.

    Parameters
    ----------
    changed
        Called when other clusters, or another opacity, are asked for.
    """

    def __init__(self, changed: Callable[[], Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._tree: ClusterTree | None = None
        self._own = 1
        self._membership: npt.NDArray[np.float64] | None = None
        look: dict[str, Any] = {"size": "small", "sizing_mode": "stretch_width"}
        self.n_clusters = pmui.IntSlider(label="Clusters", value=1, start=1, end=2, margin=(6, 8), **look)
        self.fade = pmui.Checkbox(
            label="fade by membership", value=False, size="small", margin=(0, 8),
            description="The less of what a cell shares with others it shares with its own cluster, the fainter it is",
        )  # fmt: skip
        self.costs = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 8), styles={"font-size": "12px"})
        self.n_clusters.param.watch(lambda _: self._moved(changed), "value")
        self.fade.param.watch(lambda _: changed(), "value")
        self._column = pmui.Column(self.n_clusters, self.fade, self.costs, margin=0, sizing_mode="stretch_width")
        self.take_up(None)

    def take_up(self, run: RunData | None) -> None:
        """Show the tree of a finished run; None, or a run without one: nothing."""
        self._tree = self._membership = tree = None
        if run is not None and run.finished:
            with suppress(ScgnnError):  # an older run has no model
                tree = Model.tree_of(run.folder)
        self._column.visible = tree is not None and tree.n_leaves > 1
        if run is None or tree is None or tree.n_leaves < 2:
            return
        self._membership = run.obs[MEMBERSHIP].to_numpy(float) if MEMBERSHIP in run.obs else None
        self.fade.visible = self._membership is not None
        self._own = int(run.labels.max()) + 1
        self.n_clusters.param.update(start=1, end=tree.n_leaves, value=self._own)
        self._tree = tree  # from now on moving the slider cuts it
        self._list()

    @property
    def chosen(self) -> int:
        """The chosen number of clusters; 0: that of the run."""
        return 0 if self._tree is None or self.n_clusters.value == self._own else int(self.n_clusters.value)

    def choose(self, n_clusters: int) -> None:
        """Cut the tree into so many; 0, or more than it has: nothing happens."""
        if self._tree is not None and 1 <= n_clusters <= self._tree.n_leaves:
            self.n_clusters.value = n_clusters

    def labels(self, returned: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(n_obs,) clusters of the chosen cut; those that the run returned where their number is chosen."""
        if self._tree is None or self.n_clusters.value == self._own:
            return returned
        return self._tree.cut(self.n_clusters.value).astype(np.int64)

    def faded(self, colouring: Colouring) -> Colouring:
        """The colours of the run's own clusters, with membership as opacity where that is asked for."""
        if self._membership is None or not self.fade.value or colouring.title != CLUSTER:
            return colouring
        return colouring if self.n_clusters.value != self._own else colouring.faded(self._membership)

    def _moved(self, changed: Callable[[], Any]) -> None:
        if self._tree is not None:
            self._list()
            changed()

    def _list(self) -> None:
        tree, n = self._tree, self.n_clusters.value
        if tree is None:
            return
        self.fade.disabled = n != self._own
        rows = "".join(
            f"<tr><td>{one} and {two}</td><td style='text-align:right'>{cost:.1f}</td></tr>"
            for one, two, cost in tree.merges_left(n)
        )
        head = "<tr><th style='text-align:left'>merge</th><th>cost</th></tr>"
        most = max(tree.n_separated, tree.n_finer)
        self.costs.object = (
            f"{tree.n_separated} are separated, cut finer {most}; more are pieces of one population."
            f"<table style='width:100%'>{head if rows else ''}{rows}</table>"
        )

    def __panel__(self) -> Any:
        return self._column

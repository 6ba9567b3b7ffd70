"""What one user looks at: the shown run, the selected cells, the gene, light or dark."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import param

from scgnn2_app.link import MapView
from scgnn2_app.runs import snapshots
from scgnn2_app.runs.snapshots import RESULT
from scgnn2_engine.errors import ScgnnError

if TYPE_CHECKING:
    from scgnn2_app.results.annotations import State
    from scgnn2_app.runs.jobs import JobManager

NOBODY = np.empty(0, dtype=np.int64)


class Session(param.Parameterized):
    """One user's view of the jobs, the shown run and the selection; all tabs share it.

    Parameters
    ----------
    jobs
        Where the runs are looked up; None for a session that only shows folders (:meth:`show_folder`).

    Attributes
    ----------
    run_id
        The run that is shown, ``""`` for none. On a served page it stands in the address too: ``?run=<id>``.
    run
        The :class:`~scgnn2_app.results.run_data.RunData` of that run, None while it has no iteration; a new one after
        each.
    selection
        Sorted int64 positions of the selected cells among the cells of the shown run; empty: no selection. Replace it,
        with :meth:`select`, never change it in place.
    kept_selections
        Selections of the shown run that were kept by name.
    gene
        The gene that is looked at, ``""`` for none.
    map_view
        How the map of the cells is looked at, a :class:`~scgnn2_app.link.MapView`; replace it, as the selection.
    dark
        Whether the page is dark.
    busy
        Whether the page computes something worth a sign of patience.
    notice, notice_level
        The last sentence for the user, and ``"info"``, ``"success"``, ``"warning"`` or ``"error"``.

    Examples
    --------
    >>> session = Session()
    >>> session.select([5, 2, 2])
    >>> session.selection.tolist(), session.has_selection
    ([2, 5], True)
    """

    run_id = param.String("", doc="Id of the run that is shown.")
    run = param.Parameter(None, doc="Its data, None while it has no iteration.")
    selection = param.Parameter(NOBODY, doc="Sorted positions of the selected cells.")
    gene = param.String("", doc="The gene that is looked at.")
    map_view = param.Parameter(MapView(), doc="How the map of the cells is looked at.")
    dark = param.Boolean(False, doc="Whether the page is dark.")
    busy = param.Boolean(False, doc="Whether something is being computed.")
    notice = param.String("", doc="The last sentence for the user.")
    notice_level: Any = param.Selector(default="info", objects=["info", "success", "warning", "error"])
    annotated = param.Event(doc="What the cells are called has changed.")
    noticed = param.Event(doc="A sentence for the user has arrived, perhaps the same as before.")

    def __init__(self, jobs: JobManager | None = None, **values: Any) -> None:
        super().__init__(**values)  # type: ignore[no-untyped-call]  # param carries no types
        self._jobs = jobs
        self.kept_selections: dict[str, npt.NDArray[np.int64]] = {}
        self._loaded: Path | None = None

    def show(self, run_id: str) -> None:
        """Show a run of the workspace: its result, or the iterations it has so far; ``""`` shows none.

        Raises
        ------
        InputError
            There is no such run, or its result cannot be read.
        """
        if not run_id or self._jobs is None:
            self._become(run_id, None)
            return
        info = self._jobs.run(run_id)
        is_written = not info.has_result and (info.folder / RESULT).exists()
        if is_written and self._loaded == info.folder:
            return  # what is shown stays until the last file of the result is there
        there = info.has_result or (not is_written and snapshots.iterations(info.folder))
        self._become(run_id, info.folder if there else None)

    def show_folder(self, folder: str | Path) -> None:
        """Show the result in a folder, whether or not it is a run of the workspace."""
        self._become("", Path(folder))

    def refresh(self) -> None:
        """Take up what the shown run has by now: its result, one more iteration, or what another page called cells."""
        if self.run_id and (self.run is None or not self.run.finished):
            self.attempt(lambda: self.show(self.run_id))
        elif self.run is not None and self.run.annotation_file.stamp != self.run.annotation_stamp:
            self.run.annotation_stamp = self.run.annotation_file.stamp
            self.take_annotations(None)

    def take_annotations(self, state: State | None) -> None:
        """Show how a change left the annotations of the run; None: as they are in its folder."""
        if self.run is not None:
            self.run.take_annotations(state)
            self.param.trigger("annotated")

    def select(self, cells: Iterable[int] | npt.NDArray[np.integer[Any]]) -> None:
        """Select cells by their positions in the shown run, in any order; none clears the selection."""
        chosen = np.unique(np.asarray(cells if isinstance(cells, np.ndarray) else list(cells), dtype=np.int64))
        if not np.array_equal(chosen, self.selection):
            self.selection = chosen

    def clear(self) -> None:
        """Select no cells."""
        self.select(NOBODY)

    @property
    def has_selection(self) -> bool:
        """Whether any cell is selected."""
        return len(self.selection) > 0

    def say(self, message: str, level: str = "info") -> None:
        """Tell the user a sentence."""
        self.param.update(notice=message, notice_level=level)
        self.param.trigger("noticed")

    def say_error(self, error: Exception) -> None:
        """Tell the user what went wrong."""
        self.say(str(error) if isinstance(error, ScgnnError) else f"{type(error).__name__}: {error}", "error")

    def attempt(self, action: Callable[[], Any]) -> bool:
        """Do something a user asked for; an error of the engine becomes a sentence. Returns whether it went well."""
        try:
            action()
        except ScgnnError as error:
            self.say_error(error)
            return False
        return True

    def _become(self, run_id: str, folder: Path | None) -> None:
        """Change run, data and selection in one step, so that no view sees the cells of one run in another."""
        same = folder is not None and folder == self._loaded and self.run is not None
        if same and self.run.is_current:
            self.run_id = run_id
            return
        data = None
        if folder is not None:
            from scgnn2_app.results.run_data import RunData

            data = self.run.again() if same else RunData(folder)
        self._loaded = folder
        if not same:
            self.kept_selections = {}
        view = self.map_view if same else replace(self.map_view, clusters=0, zoom=())
        self.param.update(run_id=run_id, run=data, selection=self.selection if same else NOBODY, map_view=view)

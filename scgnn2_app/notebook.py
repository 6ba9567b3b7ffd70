"""The dashboard as an object: in a cell of a notebook it shows the same page, and Python sees what the user does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import panel as pn

from scgnn2_app.app import POLL_MILLISECONDS, App
from scgnn2_app.context import ServerOptions, context_for
from scgnn2_app.patches.panel_notebook_styles import keep_styles_local
from scgnn2_app.runs.workspace import DEFAULT
from scgnn2_app.sources.source import Source, keep_anndata
from scgnn2_engine.errors import InputError
from scgnn2_engine.params import RunParams

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn2_app.runs.workspace import RunInfo

HEIGHT = 860


class Dashboard(pn.viewable.Viewer):
    """The dashboard in a notebook.

    Parameters
    ----------
    data
        An AnnData (rows are cells; it stays as it is) or what else :func:`scgnn2_engine.fit` takes, a path, or None
        for the demo data; more may be chosen on the page.
    workspace
        Folder of the runs; ``outputs/workspace`` unless given.
    labels
        Name of a column of ``obs``, or a csv file of cells and labels; for display only.

    Examples
    --------
    >>> import tempfile
    >>> dashboard = Dashboard(workspace=tempfile.mkdtemp())
    >>> dashboard.params = RunParams(total_epoch=2)
    >>> dashboard.params.total_epoch, dashboard.result is None, dashboard.selection.tolist()
    (2, True, [])
    """

    def __init__(
        self, data: AnnData | str | Path | None = None, *, workspace: str | Path | None = None, labels: str = ""
    ) -> None:
        pn.extension("tabulator", inline=True)
        keep_styles_local()
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        # Whoever can run Python here can read every file anyway: nothing is gained by an allowed folder.
        home = Path.home().resolve()
        context = context_for(ServerOptions(workspace=Path(workspace or DEFAULT), roots=(home, Path.cwd(), Path("/"))))
        self.app = App(context)
        if data is not None:
            if isinstance(data, str | Path):
                source, said = Source.named(str(data)), ""
            else:
                source, said = keep_anndata(data, context.manager.workspace.data)
            self.app.picker.take(source.with_labels(labels))
            if said:
                self.app.session.say(said, "warning")
        self._page = self.app.page(height=HEIGHT)
        self._poll: Any = None
        self.app.script.param.watch(lambda _: self._follow(), "shown")

    @property
    def params(self) -> RunParams:
        """The parameters as they stand in the controls, checked; set them to fill the controls.

        Raises
        ------
        ParameterError
            They do not go together.
        """
        return self.app.form.params()

    @params.setter
    def params(self, params: RunParams) -> None:
        self.app.form.load(params)

    def run(self, *, wait: bool = False) -> str:
        """Start a run with the data and parameters of the controls and show it, as the button does.

        Parameters
        ----------
        wait
            Return when it is over.

        Returns
        -------
        str
            Its id.

        Raises
        ------
        InputError
            The run was refused; the message says why.
        """
        run_id = self.app.run()
        if not run_id:
            raise InputError(self.app.session.notice)
        while wait and not self.info.over:
            time.sleep(0.2)
        self.app.tick()
        return run_id

    @property
    def info(self) -> RunInfo:
        """State, scores and folder of the shown run.

        Raises
        ------
        InputError
            No run is shown.
        """
        return self.app.context.manager.run(self.app.session.run_id)

    @property
    def result(self) -> AnnData | None:
        """What the shown run gave, as AnnData; None while it has no result."""
        run = self.app.session.run
        if run is None or not run.finished:
            return None
        import anndata

        return anndata.read_h5ad(run.folder / "result.h5ad")

    @property
    def selection(self) -> npt.NDArray[np.str_]:
        """Names of the cells that are selected on the page."""
        run = self.app.session.run
        names: npt.NDArray[np.str_] = np.empty(0, dtype=np.str_) if run is None else run.obs_names
        chosen: npt.NDArray[np.str_] = names[self.app.session.selection]
        return chosen

    def __panel__(self) -> Any:
        return self._page

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        # Until the cell is on the screen and listens, Panel keeps changes and sends them in any order.
        if self._poll is not None:
            self._poll.stop()
        return super()._repr_mimebundle_(include, exclude)  # type: ignore[no-untyped-call]

    def _follow(self) -> None:
        if self._poll is None:
            self._poll = pn.state.add_periodic_callback(self.app.tick, period=POLL_MILLISECONDS)
        elif not self._poll.running:
            self._poll.start()

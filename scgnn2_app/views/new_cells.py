"""New cells on the shown run: a button in the bar, and the dialog that takes a file and shows what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui

from scgnn2_app.background import in_thread
from scgnn2_app.context import ServerContext
from scgnn2_app.controls.wording import plain
from scgnn2_app.exports.download import Downloader
from scgnn2_app.exports.fragments import styled, table
from scgnn2_app.runs.mapping import by_cluster, map_cells, mapped_table
from scgnn2_app.runs.uploads import Upload
from scgnn2_app.session import Session
from scgnn2_app.sources.server_files import READABLE
from scgnn2_app.sources.source import Source
from scgnn2_app.views.uploader import Uploader

MODEL = "model.npz"


class NewCells:
    """Maps an uploaded file onto the shown run.

    Parameters
    ----------
    session
        Whose shown run it is.
    context
        Where uploads go.
    """

    def __init__(self, session: Session, context: ServerContext) -> None:
        self._session, self._context = session, context
        self._file: Path | None = None
        self._mapped: Path | None = None
        self.downloader = Downloader()
        self.button = pmui.Button(
            label="Map cells", variant="outlined", color="primary", size="small", margin=(0, 6), disabled=True,
            description="Place new cells among those of the shown run, without training",
            on_click=lambda _: self._open(),
        )  # fmt: skip
        self.dialog = pmui.Dialog(
            title="Map new cells onto the shown run", show_close_button=True, close_on_click=True, width_option="sm"
        )
        self.upload = Uploader(
            lambda name: Upload(
                context.manager.workspace, name, owner=context.user, limit=context.max_upload, kinds=READABLE,
                beside=True,
            ),
            self.take, session.say_error, label="Upload cells", uploaded_label="Upload others",
            accept=",".join(READABLE), max_file_size=context.max_upload, chunk_size=512 * 1024, variant="outlined",
            size="small", margin=(5, 8), sizing_mode="stretch_width",
        )  # fmt: skip
        self.status = pmui.Typography("", variant="body2", margin=(4, 10))
        self.found = pn.pane.HTML("", sizing_mode="stretch_width", margin=(4, 10))
        look: dict[str, Any] = {"variant": "outlined", "size": "small", "margin": (3, 6), "disabled": True}
        self.saves = {
            "h5ad": pmui.Button(label="Download h5ad", on_click=lambda _: self.download("h5ad"), **look),
            "csv": pmui.Button(label="Download csv", on_click=lambda _: self.download("csv"), **look),
        }
        session.param.watch(lambda _: self._follow(), "run")
        self._follow()

    def take(self, source: Source) -> None:
        """Map a file that has arrived, beside the page; the one before it goes."""
        run, before = self._session.run, self._file
        self._file = Path(source.path)
        if before is not None:
            self._session.attempt(lambda: self._context.remove_uploads([str(before)]))
        if run is None:
            return
        self._say("Being mapped …")

        def done(made: tuple[Path, str]) -> None:
            if self._session.run is run:
                self._show(*made)

        def failed(error: Exception) -> None:
            self._session.say_error(error)
            self._say(self._session.notice)

        file = self._file
        in_thread(lambda: map_cells(run.folder, file), done, failed)

    def download(self, form: str) -> None:
        """Hand the mapped cells to the browser, all of it or their clusters alone."""
        if self._mapped is None:
            return
        text = mapped_table(self._mapped).to_csv().encode()
        self.downloader.send(f"mapped.{form}", self._mapped if form == "h5ad" else text)

    def _show(self, path: Path, said: str) -> None:
        self._mapped = path
        cells = mapped_table(path)
        unknown = float((cells["scgnn2_cluster"] == "unknown").mean())
        self.status.object = plain(f"{len(cells):,} cells mapped; {unknown:.1%} are unlike all cells of the run.")
        notes = "".join(f"<p>{plain(line)}</p>" for line in said.splitlines()[:-2])  # the last two say what is here
        self.found.object = styled(table(by_cluster(cells)) + notes, self._session.dark)
        for button in self.saves.values():
            button.disabled = False

    def _say(self, text: str) -> None:
        self._mapped = None
        self.status.object, self.found.object = plain(text), ""
        for button in self.saves.values():
            button.disabled = True

    def _open(self) -> None:
        if not self.dialog.objects:  # made when it is first opened: a page is the sooner there
            row = pmui.Row(*self.saves.values(), margin=0, sizing_mode="stretch_width")
            self.dialog[:] = [pmui.Column(self.upload, self.status, self.found, row, sizing_mode="stretch_width")]
        self.dialog.open = True

    def _follow(self) -> None:
        run = self._session.run
        self.button.disabled = run is None or not run.finished or not (run.folder / MODEL).is_file()
        self._say("")

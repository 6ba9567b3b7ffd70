"""Everything of a finished run as files: h5ad, tables, R, figures, a report, and the run as text."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import panel_material_ui as pmui

from scgnn2_app.background import in_thread
from scgnn2_app.controls.wording import plain
from scgnn2_app.exports.annotated import annotated_h5ad, annotation_table
from scgnn2_app.exports.download import Downloader
from scgnn2_app.exports.figure_files import figures_of, file_name
from scgnn2_app.exports.report import report_html
from scgnn2_app.session import Session
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.exporting import export
from scgnn2_engine.plots.saving import SUFFIXES, drawn

if TYPE_CHECKING:
    from scgnn2_app.results.run_data import RunData

FORMS = {
    "AnnData (.h5ad)": "h5ad",
    "Tables (.csv, zipped)": "csv",
    "R data frames (.RData, zipped)": "RData",
    "Seurat object (.rds)": "rds",
    "Figures (.png, .svg, .html, zipped)": "figures",
    "Report (one .html, opens offline)": "report",
}

ANNOTATIONS = "annotations.csv"
"""What the cells were called on the page, and labels that were given as a file."""


def build(run: RunData, form: str) -> tuple[str, bytes | Path]:
    """A run in one of the :data:`FORMS`: the file's name, and its content or where it lies.

    Raises
    ------
    InputError
        The form is unknown, or the run has no result.
    """
    builders: dict[str, Callable[[RunData], bytes | Path]] = {
        "h5ad": annotated_h5ad,
        "csv": lambda run: zipped(_tables(run)),
        "RData": lambda run: zipped(_rdata(run)),
        "rds": _seurat,
        "figures": lambda run: zipped(_figures(run)),
        "report": lambda run: report_html(run).encode("utf-8"),
    }
    suffixes = {"csv": "tables.zip", "RData": "RData.zip", "figures": "figures.zip", "report": "report.html"}
    if form not in builders:
        raise InputError(f"There is no export {form!r}.", expected=", ".join(builders))
    if not run.finished:
        raise InputError("This run has no result yet.", advice="Export it when it is over.")
    return f"scgnn2_{file_name(run.name)}.{suffixes.get(form, form)}", builders[form](run)


def zipped(files: Iterator[tuple[str, bytes]]) -> bytes:
    """Files as one zip archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files:
            target.writestr(name, content)
    return archive.getvalue()


def _tables(run: RunData) -> Iterator[tuple[str, bytes]]:
    for path in sorted(run.folder.glob("*.csv")):
        yield path.name, path.read_bytes()
    if len((annotations := annotation_table(run)).columns) > 1:
        yield ANNOTATIONS, annotations.to_csv(index=False).encode("utf-8")
    for name in ("run.json", "run.toml"):
        if (run.folder / name).is_file():
            yield name, (run.folder / name).read_bytes()


def _rdata(run: RunData) -> Iterator[tuple[str, bytes]]:
    import pandas as pd

    from scgnn2_engine.io.r.build import data_frame
    from scgnn2_engine.io.r.serialisation import write_rdata

    with tempfile.TemporaryDirectory() as place:
        tables = [(path.stem, pd.read_csv(path, keep_default_na=False, na_values=[""]))
                  for path in sorted(run.folder.glob("*.csv"))]  # fmt: skip
        if len((annotations := annotation_table(run)).columns) > 1:
            tables.append((Path(ANNOTATIONS).stem, annotations))
        for name, frame in tables:
            target = Path(place) / f"{name}.RData"
            write_rdata(target, {"df": data_frame(frame)})
            yield target.name, target.read_bytes()


def _seurat(run: RunData) -> bytes:
    import anndata

    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / "seurat.rds"
        export(anndata.read_h5ad(annotated_h5ad(run)), target, r_class="seurat")
        return target.read_bytes()


def _figures(run: RunData) -> Iterator[tuple[str, bytes]]:
    for name, (_, draw) in figures_of(run).items():
        figure = draw()
        for form in SUFFIXES:
            yield f"{name}.{form}", drawn(figure, form, name)


class Exports:
    """A button in the bar and the dialog it opens.

    Parameters
    ----------
    session
        Whose shown run is exported.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.downloader = Downloader()
        self.button = pmui.Button(
            label="Export", variant="outlined", color="primary", size="small", margin=(0, 6),
            disabled=True, on_click=lambda _: self._open(),
        )  # fmt: skip
        self._status = pmui.Typography("", variant="body2", margin=(4, 10))
        self.dialog = pmui.Dialog(
            title="Export the shown run", show_close_button=True, close_on_click=True, width_option="xs"
        )
        session.param.watch(lambda _: self._follow(), "run")
        self._follow()

    @cached_property
    def _buttons(self) -> dict[str, pmui.Button]:
        return {
            form: pmui.Button(
                label=label, variant="outlined", size="small", margin=(3, 10), sizing_mode="stretch_width",
                on_click=lambda _, form=form: self.download(form),
            )
            for label, form in FORMS.items()
        }  # fmt: skip

    def download(self, form: str) -> None:
        """Build a file beside the page and hand it to the browser."""
        run = self._session.run
        if run is None:
            return
        self._wait(True, "Being made …")

        def done(made: tuple[str, bytes | Path]) -> None:
            name, content = made
            size = content.stat().st_size if isinstance(content, Path) else len(content)
            self.downloader.send(name, content)
            self._wait(False, f"{name}, {size / 2**20:.1f} MiB")

        def failed(error: Exception) -> None:
            self._session.say_error(error)
            self._wait(False, self._session.notice)

        in_thread(lambda: build(run, form), done, failed)

    def _open(self) -> None:
        self._status.object = ""
        if not self.dialog.objects:  # made when it is first opened: a page is the sooner there
            self.dialog[:] = [pmui.Column(*self._buttons.values(), self._status, sizing_mode="stretch_width")]
        self.dialog.open = True

    def _wait(self, waiting: bool, text: str) -> None:
        self._status.object = plain(text)
        for button in self._buttons.values():
            button.disabled = waiting

    def _follow(self) -> None:
        self.button.disabled = self._session.run is None or not self._session.run.finished

"""Figures as files for the user: a row of buttons that draw what is shown and hand it to the browser."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import panel as pn
import panel_material_ui as pmui

from scgnn2_app.exports.download import Downloader
from scgnn2_app.later import in_thread
from scgnn2_app.session import Session
from scgnn2_engine.errors import InputError
from scgnn2_engine.plots import save_figure

Kind = Literal["png", "svg", "html"]
KINDS: tuple[Kind, ...] = ("png", "svg", "html")


class Drawable(Protocol):
    """A view that can be exported."""

    def figure(self) -> Any:
        """What is shown, as a HoloViews element; InputError where there is nothing to draw."""


def export_figure(view: Drawable, kind: Kind) -> bytes:
    """Draw what a view shows as a file: PNG and SVG by Matplotlib, HTML by Bokeh, with everything inside it.

    Parameters
    ----------
    view
        Has a method ``figure`` that returns a HoloViews element.
    kind
        ``"png"``, ``"svg"`` or ``"html"``.

    Raises
    ------
    InputError
        There is nothing to draw, or no such kind.
    """
    if kind not in KINDS:
        raise InputError(f"A figure cannot be exported as {kind!r}.", expected=", ".join(KINDS))
    with tempfile.TemporaryDirectory(prefix="scgnn2-figure-") as folder:
        return save_figure(view.figure(), Path(folder) / f"figure.{kind}").read_bytes()


class ExportRow(pn.viewable.Viewer):
    """Buttons PNG, SVG and HTML.

    Parameters
    ----------
    session
        Told when something goes wrong.
    view
        What is exported.
    name
        Of the file, without suffix.
    """

    def __init__(self, session: Session, view: Drawable, name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session, self._view, self._name = session, view, name
        self._downloader = Downloader()
        self.buttons = {
            kind: pmui.Button(
                label=kind.upper(), size="small", variant="outlined", margin=(4, 3),
                description=f"Download this figure as {kind.upper()}", on_click=self._presser(kind),
            )
            for kind in KINDS
        }  # fmt: skip

    def _presser(self, kind: Kind) -> Callable[[Any], None]:
        return lambda _: self.export(kind)

    def export(self, kind: Kind) -> None:
        """Draw the figure beside the page and hand it over."""
        button = self.buttons[kind]
        button.loading = True

        def done(content: bytes) -> None:
            button.loading = False
            self._downloader.send(f"{file_name(self._name)}.{kind}", content)

        def failed(error: Exception) -> None:
            button.loading = False
            self._session.say(f"No figure: {error}", "error")

        in_thread(lambda: export_figure(self._view, kind), done, failed)

    def __panel__(self) -> Any:
        return pmui.Row(*self.buttons.values(), self._downloader, margin=0)


def file_name(text: str) -> str:
    """A name that every file system takes.

    Examples
    --------
    >>> file_name("T cells: CD4/CD8")
    'T_cells_CD4_CD8'
    """
    return re.sub(r"[^\w.-]+", "_", text).strip("_") or "figure"

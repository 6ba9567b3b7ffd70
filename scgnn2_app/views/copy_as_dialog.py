"""The parameters as Python, command line or TOML: to copy, or as a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import panel_material_ui as pmui

from scgnn2_app.exports.download import Downloader
from scgnn2_app.runs.copy_as import as_command, as_python, as_toml
from scgnn2_app.session import Session
from scgnn2_engine.errors import InputError
from scgnn2_engine.params import RunParams

if TYPE_CHECKING:
    from scgnn2_app.sources.source import Source

FORMS: dict[str, tuple[Callable[[Any, RunParams], str], str]] = {
    "Python": (as_python, "run.py"),
    "CLI": (as_command, "run.sh"),
    "TOML": (as_toml, "run.toml"),
}


class CopyAs:
    """Three buttons and the dialog they open.

    Parameters
    ----------
    session
        Is told what goes wrong.
    chosen
        Gives the data and the parameters to write down; may raise the engine's errors.
    """

    def __init__(self, session: Session, chosen: Callable[[], tuple[Source | None, RunParams]]) -> None:
        self._session, self._chosen = session, chosen
        self.downloader = Downloader()
        self._name = ""
        self.text = pmui.TextAreaInput(
            label="Text to copy", value="", rows=12, sizing_mode="stretch_width", margin=(10, 10),
            sx={"& textarea": {"fontFamily": "monospace", "fontSize": "12px"}},
        )  # fmt: skip
        copy = pmui.Button(label="Copy", variant="contained", size="small", margin=(5, 10))
        copy.js_on_click(args={"text": self.text}, code="navigator.clipboard.writeText(text.data.value)")
        save = pmui.Button(
            label="Save as a file", variant="outlined", size="small", margin=(5, 10),
            on_click=lambda _: self.downloader.send(self._name, self.text.value.encode("utf-8")),
        )  # fmt: skip
        self.dialog = pmui.Dialog(
            pmui.Column(self.text, pmui.Row(copy, save), sizing_mode="stretch_width"),
            title="This run", show_close_button=True, close_on_click=True, width_option="md",
        )  # fmt: skip
        self.buttons = pmui.Row(
            pmui.Typography("Copy as", variant="body2", margin=(10, 4, 4, 10)),
            *(
                pmui.Button(
                    label=name,
                    variant="text",
                    size="small",
                    margin=(4, 2),
                    on_click=lambda _, name=name: self.open(name),
                )
                for name in FORMS
            ),
            margin=0,
        )

    def open(self, form: str) -> None:
        """Show the run in one of the forms."""
        write, self._name = FORMS[form]

        def show() -> None:
            from scgnn2_app.sources.source import Source

            source, params = self._chosen()
            if source is None and form != "TOML":  # which names no data
                raise InputError(
                    f"As {form} this run would name no data.",
                    expected="data that can be read",
                    advice="Choose some first; what is wrong with the choice stands below it.",
                )
            self.text.value = write(source or Source("flags"), params)
            self.dialog.param.update(title=f"This run as {form}", open=True)

        self._session.attempt(show)

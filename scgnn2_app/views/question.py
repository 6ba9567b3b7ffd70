"""A question that is asked before something is deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui


class Question(pn.viewable.Viewer):
    """A dialog with a text and answers, of which the last one given is always to leave things as they are.

    Parameters
    ----------
    title
        Its head.
    """

    def __init__(self, title: str = "Delete?") -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self.dialog = pmui.Dialog(title=title, show_close_button=True, close_on_click=True, width_option="xs")
        self.text = ""
        self.answers: dict[str, pmui.Button] = {}

    def ask(self, text: str, answers: Mapping[str, Callable[[], Any]]) -> None:
        """Open the dialog.

        Parameters
        ----------
        text
            What would be gone; names in it are plain (:func:`~scgnn2_app.controls.wording.plain`).
        answers
            What is done by what stands on a button; the first one is filled.
        """
        self.text = text
        look: dict[str, Any] = {"size": "small", "margin": (4, 6)}
        self.answers = {
            label: pmui.Button(
                label=label, color="error", variant="outlined" if place else "contained",
                on_click=lambda _, action=action: self._take(action), **look,
            )
            for place, (label, action) in enumerate(answers.items())
        }  # fmt: skip
        self.answers["Keep"] = pmui.Button(label="Keep", variant="outlined", on_click=lambda _: self.close(), **look)
        self.dialog.objects = [pmui.Column(pmui.Typography(text), pmui.FlexBox(*self.answers.values()))]
        self.dialog.open = True

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return bool(self.dialog.open)

    def close(self) -> None:
        """Leave things as they are."""
        self.dialog.open = False

    def _take(self, action: Callable[[], Any]) -> None:
        self.close()
        action()

    def __panel__(self) -> Any:
        return self.dialog

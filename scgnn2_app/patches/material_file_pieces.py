"""panel-material-ui collects an uploaded file in memory, and leaves the limit of its size to the browser."""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui

from scgnn2_app.patches.versions import Versions

FOR = Versions("panel-material-ui", "0.16")


class PiecewiseFileInput(pmui.FileInput):  # type: ignore[misc]  # panel carries no types
    """A file input that hands on each piece as it arrives, and keeps none.

    Private names alone bring the pieces to Python, so nothing else can be done with another version: it refuses.
    """

    def __init__(self, **params: Any) -> None:
        if not FOR.installed:
            raise ImportError(f"Uploads need {FOR.package} {FOR.series}; install the versions of constraints.txt.")
        super().__init__(**params)
        self._n_pieces = 0

    def piece(self, name: str, content: bytes, *, first: bool, last: bool) -> None:
        """Take the next piece of a file."""
        raise NotImplementedError

    def failed(self, said: str) -> None:
        """Take what the browser said when it sent nothing."""
        raise NotImplementedError

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        status = msg.get("status")
        if status == "initializing":
            self._n_pieces = 0
        if status == "finished" and not self._n_pieces:  # the browser has no piece to send of a file without content
            self.failed("")
        if status == "error":  # the browser looks first, and sends nothing of a file that is too large
            self.failed(str(msg.get("error", "The upload failed.")).removeprefix("Error: "))
        else:
            super()._handle_msg(msg)

    def _process_chunk(self, msg: dict[str, Any]) -> None:
        self._n_pieces += 1
        last = msg["chunk"] == msg["total_chunks"]
        self.piece(msg["name"], bytes(msg["data"]), first=msg["chunk"] == 1, last=last)

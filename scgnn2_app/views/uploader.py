"""The button that sends a file to the server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import panel_material_ui as pmui

from scgnn2_app.runs.uploads import Upload, too_large
from scgnn2_app.sources.source import Source
from scgnn2_engine.errors import InputError, ScgnnError


class Uploader(pmui.FileInput):  # type: ignore[misc]  # panel carries no types
    """A file input that writes each piece to disk as it arrives, and refuses what is too large while it arrives.

    The parent collects the whole file in memory, and leaves its limit to the browser.

    Parameters
    ----------
    begin
        Opens the place of a file by its name.
    arrived, refused
        Called with the source of a complete file, and with the error of one that was refused.
    """

    def __init__(
        self,
        begin: Callable[[str], Upload],
        arrived: Callable[[Source], Any],
        refused: Callable[[ScgnnError], Any],
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._begin, self._arrived, self._refused = begin, arrived, refused
        self._under_way: dict[str, Upload] = {}
        self._turned_away: set[str] = set()
        self._heard = 0

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        status = msg.get("status")
        if status == "initializing":
            self._heard = 0
        if status == "finished" and not self._heard:  # the browser has no piece to send of a file without content
            self._refused(InputError("The file is empty.", expected="a file with data", advice="Export it again."))
        if status != "error":
            super()._handle_msg(msg)
            return
        # The browser looks first, and sends nothing of a file that is too large.
        said = str(msg.get("error", "The upload failed.")).removeprefix("Error: ")
        found = re.search(r'File "(.*)" \([^()]*\) exceeds maximum file size', said)
        if found and self.max_file_size:
            self._refused(too_large(found[1], int(self.max_file_size)))
        else:
            self._refused(InputError(said))

    def _process_chunk(self, msg: dict[str, Any]) -> None:
        self._heard += 1
        name, piece = msg["name"], bytes(msg["data"])
        if msg["chunk"] == 1:
            self._turned_away.discard(name)
            self._abandon(name)
        if name in self._turned_away:
            return
        try:
            if name not in self._under_way:
                self._under_way[name] = self._begin(name)
            self._under_way[name].write(piece)
            if msg["chunk"] == msg["total_chunks"]:
                self._arrived(self._under_way.pop(name).finish())
        except ScgnnError as error:
            self._turned_away.add(name)
            self._abandon(name)
            self._refused(error)

    def _abandon(self, name: str) -> None:
        if name in self._under_way:
            self._under_way.pop(name).abandon()

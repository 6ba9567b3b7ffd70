"""The button that sends a file to the server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from scgnn2_app.patches.material_file_pieces import PiecewiseFileInput
from scgnn2_app.runs.uploads import Upload, too_large
from scgnn2_app.sources.source import Source
from scgnn2_engine.errors import InputError, ScgnnError


class Uploader(PiecewiseFileInput):
    """A file input that writes each piece to disk as it arrives, and refuses what is too large while it arrives.

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

    def failed(self, said: str) -> None:
        """Refuse what the browser sent nothing of."""
        found = re.search(r'File "(.*)" \([^()]*\) exceeds maximum file size', said)
        if not said:
            self._refused(InputError("The file is empty.", expected="a file with data", advice="Export it again."))
        elif found and self.max_file_size:
            self._refused(too_large(found[1], int(self.max_file_size)))
        else:
            self._refused(InputError(said))

    def piece(self, name: str, content: bytes, *, first: bool, last: bool) -> None:
        """Write a piece of a file."""
        if first:
            self._turned_away.discard(name)
            self._abandon(name)
        if name in self._turned_away:
            return
        try:
            if name not in self._under_way:
                self._under_way[name] = self._begin(name)
            self._under_way[name].write(content)
            if last:
                self._arrived(self._under_way.pop(name).finish())
        except ScgnnError as error:
            self._turned_away.add(name)
            self._abandon(name)
            self._refused(error)

    def _abandon(self, name: str) -> None:
        if name in self._under_way:
            self._under_way.pop(name).abandon()

"""A file for the browser, in pieces: it works in a notebook too, and no message is larger than half a mebibyte."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from panel.custom import JSComponent

PIECE = 384 * 1024
"""Bytes of a piece; a third more as text."""


class Downloader(JSComponent):
    """Hands files to the browser's downloads; shows nothing itself. The browser asks for one piece after the other."""

    _esm = """
    export function render({ model, el }) {
      el.setAttribute("aria-hidden", "true")
      let pieces = []
      const listen = (msg) => {
        if (msg.index === 0) { pieces = [] }
        const text = atob(msg.data)
        const bytes = new Uint8Array(text.length)
        for (let i = 0; i < text.length; i++) { bytes[i] = text.charCodeAt(i) }
        pieces.push(bytes)
        if (!msg.last) { model.send_msg({ file: msg.file, next: msg.index + 1 }); return }
        const link = document.createElement("a")
        link.href = URL.createObjectURL(new Blob(pieces, { type: "application/octet-stream" }))
        link.download = msg.name
        document.body.appendChild(link)
        link.click()
        link.remove()
        setTimeout(() => URL.revokeObjectURL(link.href), 60000)
        pieces = []
        model.send_msg({ file: msg.file, done: true })
      }
      model.on("msg:custom", listen)
    }
    """

    def __init__(self, **params: Any) -> None:
        super().__init__(width=0, height=0, margin=0, **params)  # type: ignore[no-untyped-call]  # panel carries no types
        self._number = 0
        self._name = ""
        self._content: bytes | Path = b""

    def send(self, name: str, content: bytes | Path) -> None:
        """Hand over a file; a path is read piece by piece. Only one at a time: a new one ends the one before."""
        self._number += 1
        self._name, self._content = name, content
        self._piece(0)

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        if msg.get("file") != self._number:
            return
        if msg.get("done"):
            self._content = b""
        else:
            self._piece(int(msg["next"]))

    def _piece(self, index: int) -> None:
        start = index * PIECE
        if isinstance(self._content, Path):
            with self._content.open("rb") as file:
                file.seek(start)
                piece = file.read(PIECE)
                last = file.tell() >= self._content.stat().st_size
        else:
            piece = self._content[start : start + PIECE]
            last = start + PIECE >= len(self._content)
        self._send_msg(
            {
                "file": self._number,
                "index": index,
                "name": self._name,
                "data": base64.b64encode(piece).decode("ascii"),
                "last": last,
            }
        )

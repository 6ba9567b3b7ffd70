"""The little JavaScript that the page needs of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import param
from panel.custom import JSComponent

from scgnn2_app.link import FIELDS
from scgnn2_app.patches import (
    bokeh_unmounted_figures,
    material_field_names,
    material_typed_numbers,
    panel_notebook_echo,
)

PATCHES = (bokeh_unmounted_figures, panel_notebook_echo, material_field_names, material_typed_numbers)
"""What the libraries of the page do wrong in the browser."""

CONNECTION = """
const lost = () => {
  if (document.getElementById("scgnn2_lost")) { return }
  const sentence = document.createElement("div")
  sentence.id = "scgnn2_lost"
  sentence.setAttribute("role", "alert")
  sentence.style = "position:fixed;z-index:9999;left:50%;top:8px;transform:translateX(-50%);background:#b00020;" +
    "color:#fff;padding:10px 16px;border-radius:4px;font:14px sans-serif;max-width:90vw"
  sentence.textContent = "The connection to the server is lost; this page no longer answers. " +
    "Runs go on without it. Once the server is there again, "
  const button = document.createElement("button")
  button.textContent = "reload the page"
  button.onclick = () => window.location.reload()
  sentence.append(button)
  document.body.append(sentence)
}
const page = view.model.document
if (page && page.on_event) {
  page.on_event("connection_lost", lost)
  page.on_event("client_reconnected", () => document.getElementById("scgnn2_lost")?.remove())
}
"""
"""Where the server goes away, a sentence says so; Panel's page would look as if it still answered."""


ADDRESS = """
const write = () => {
  if (!model.address) { return }
  const query = new URLSearchParams(window.location.search)
  for (const name of [...FIELDS, "token"]) { query.delete(name) }  // a link to a view gives no key away
  for (const [name, value] of Object.entries(model.address)) { query.set(name, value) }
  const text = query.toString()
  window.history.replaceState(window.history.state, "", window.location.pathname + (text ? "?" + text : ""))
}
const copyByHand = (text) => {
  const field = document.createElement("textarea")
  field.value = text
  document.body.append(field)
  field.select()
  const done = document.execCommand("copy")
  field.remove()
  return done
}
model.on("address", write)
model.on("msg:custom", async () => {
  write()
  const text = window.location.href
  let copied
  try {
    await navigator.clipboard.writeText(text)
    copied = true
  } catch (error) {
    copied = copyByHand(text)  // a page that did not come over https has no clipboard
  }
  model.send_msg({ copied })
})
write()
"""
"""The address names what is shown, without a step back in the browser for every zoom; and it is copied."""


class PageScript(JSComponent):
    """Shows nothing. Says where the connection is lost, writes the address, mends what the libraries do wrong.

    Attributes
    ----------
    shown
        How often the page came to a screen.
    address
        The fields of the address that name what is shown; None leaves the address alone.
    on_copied
        Called with whether the address was copied.
    """

    shown = param.Integer(default=0, doc="How often the page came to a screen.")
    address = param.Dict(default=None, allow_None=True, doc="Fields of the address.")

    _esm = "\n".join(
        [
            "export function render({ el, model, view }) {",
            f"const FIELDS = {json.dumps(FIELDS)}",
            'el.setAttribute("aria-hidden", "true")',
            "setTimeout(() => { model.shown = model.shown + 1 }, 0)",
            *(
                f"{{{script}}}"
                for script in (CONNECTION, ADDRESS, *(patch.SCRIPT for patch in PATCHES if patch.FOR.installed))
            ),
            "}",
        ]
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(width=0, height=0, margin=0, **params)  # type: ignore[no-untyped-call]  # panel carries no types
        self.on_copied: Callable[[bool], Any] = lambda done: None

    def copy(self) -> None:
        """Copy the address in the browser."""
        self._send_msg({"copy": True})

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        self.on_copied(bool(msg.get("copied")))

"""panel-material-ui sends a typed number after the press that follows it.

What was typed leaves its field after React has gone through two rounds of work. On a busy machine that takes seconds,
a press on a button overtakes it, and a run begins with the number before. So what was typed is sent before any press
elsewhere.
"""

from __future__ import annotations

from scgnn2_app.patches.versions import Versions

FOR = Versions("panel-material-ui", "0.16")

SCRIPT = r"""
const number_field = (event) => {
  for (const node of event.composedPath()) {
    for (const page of node.id ? window.Bokeh.documents : []) {
      const model = page.get_model_by_id(node.id)
      if (model && /^(Int|Float)Input$/.test(model.class_name)) { return model }
    }
  }
}
const typed = new Map()
const note_number = (event) => {
  const field = number_field(event)
  if (field) { typed.set(field, { text: event.composedPath()[0].value.trim(), before: field.data.value }) }
}
const send_numbers = (event) => {
  const pressed_in = event.type === "click" ? number_field(event) : null
  for (const [field, { text, before }] of typed) {
    if (field === pressed_in) { continue }
    typed.delete(field)
    const is_number = /^[-+]?(\d+\.?\d*|\.\d+)$/.test(text)
    const is_allowed = field.class_name === "FloatInput" || Number.isInteger(Number(text))
    if (field.data.value === before && is_number && is_allowed) { field.data.setv({ value: Number(text) }) }
  }
}
if (!window.scgnn2_numbers) {
  window.scgnn2_numbers = true
  window.addEventListener("input", note_number, true)
  window.addEventListener("click", send_numbers, true)
  window.addEventListener("keydown", (event) => { if (event.key === "Enter") { send_numbers(event) } }, true)
}
"""

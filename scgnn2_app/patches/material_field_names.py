"""panel-material-ui leaves the field beside a slider, and the two buttons of a number, without a name.

A screen reader could say none: they are given one.
"""

from __future__ import annotations

from scgnn2_app.patches.versions import Versions

FOR = Versions("panel-material-ui", "0.16")

SCRIPT = """
const name_fields = (root) => {
  for (const node of root.querySelectorAll("*")) { if (node.shadowRoot) { name_fields(node.shadowRoot) } }
  for (const slider of root.querySelectorAll(".MuiSlider-root input[aria-label]")) {
    const label = slider.getAttribute("aria-label")
    const beside = slider.closest(".MuiFormControl-root")
    if (!beside) { continue }
    for (const field of beside.querySelectorAll(".MuiTextField-root input")) {
      field.setAttribute("aria-label", label)
    }
    beside.querySelectorAll(".MuiInputAdornment-root button").forEach((button, number) => {
      button.setAttribute("aria-label", `${label}: ${number % 2 ? "less" : "more"}`)
    })
  }
  for (const control of root.querySelectorAll(".MuiTextField-root")) {
    const label = control.querySelector("label")
    const buttons = control.querySelectorAll(".MuiInputAdornment-root button:not([aria-label])")
    if (!label || buttons.length !== 2) { continue }
    buttons.forEach((button, number) => {
      button.setAttribute("aria-label", `${label.textContent}: ${number ? "more" : "less"}`)
    })
  }
}
if (!window.scgnn2_names) { window.scgnn2_names = setInterval(() => name_fields(document), 1000) }
"""

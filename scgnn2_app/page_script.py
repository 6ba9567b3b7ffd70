"""The little JavaScript that the page needs of its own."""

from __future__ import annotations

from typing import Any

import param
from panel.custom import JSComponent


class PageScript(JSComponent):
    """Shows nothing. Mends what the libraries of the page do wrong in the browser.

    Bokeh 3.9 measures all figures below whatever changes. One that a component of panel-material-ui is still mounting
    has no layout at that moment, and the measuring fails with an error on the console; it is measured once mounted.

    In a notebook Panel 1.9 sends every change that came from Python back to it, whole figures among them, which Bokeh
    cannot always read; then what the user did meanwhile is lost with it. Such echoes are held back, as Bokeh's own
    sessions hold them back; that goes for every Panel page in the same window of Jupyter.

    panel-material-ui 0.16 leaves the field beside a slider, and the two buttons of a number, without a name that a
    screen reader could say: they are given one.

    A number that was typed leaves panel-material-ui's field after React has gone through two rounds of work. On a busy
    machine that takes seconds, a press on a button overtakes it, and a run begins with the number before. So what was
    typed is sent before any press elsewhere.

    Where the server goes away, a sentence says so; Panel's page would look as if it still answered.

    Attributes
    ----------
    shown
        How often the page came to a screen.
    """

    shown = param.Integer(default=0, doc="How often the page came to a screen.")

    _esm = """
    export function render({ el, model, view }) {
      el.setAttribute("aria-hidden", "true")
      setTimeout(() => { model.shown = model.shown + 1 }, 0)
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
          const is_number = /^[-+]?(\\d+\\.?\\d*|\\.\\d+)$/.test(text)
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
      const page = view.model.document
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
      const found = () => document.getElementById("scgnn2_lost")?.remove()
      if (page && page.on_event) {
        page.on_event("connection_lost", lost)
        page.on_event("client_reconnected", found)
      }
      if (!window.scgnn2_names) { window.scgnn2_names = setInterval(() => name_fields(document), 1000) }
      const models = window.Bokeh && window.Bokeh.Models
      const comm = models && models.get("panel.models.comm_manager.CommManager")
      if (comm && !comm.prototype.sends_no_echo) {
        const changed = comm.prototype._document_changed
        comm.prototype.sends_no_echo = true
        comm.prototype._document_changed = function (event) {
          if (event.sync !== false) { changed.call(this, event) }
        }
      }
      const plot = models && models.get("Plot")
      const plot_view = plot && plot.prototype.default_view && plot.prototype.default_view.prototype
      if (!plot_view || plot_view.waits_for_its_layout) { return }
      plot_view.waits_for_its_layout = true
      for (const name of ["_measure_layout", "_after_layout"]) {
        const original = plot_view[name]
        if (original) { plot_view[name] = function () { if (this.layout != null) { original.call(this) } } }
      }
    }
    """

    def __init__(self, **params: Any) -> None:
        super().__init__(width=0, height=0, margin=0, **params)  # type: ignore[no-untyped-call]  # panel carries no types

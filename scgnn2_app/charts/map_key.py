"""The key of a map: a list of groups that isolates what is clicked, or a bar of colours for numbers."""

from __future__ import annotations

from typing import Any

import param
from panel.custom import JSComponent

from scgnn2_app.charts.colouring import Colouring
from scgnn2_engine.plots.style import seen


class MapKey(JSComponent):
    """Groups as buttons: a click shows that group alone, another click all; with Ctrl or Shift several.

    Not called a legend: panel-material-ui takes every component of that name for bokeh's.

    Attributes
    ----------
    title, entries
        What stands above, and of every group its name, colour and number of cells.
    gradient, low, high
        For numbers: colours from low to high, and what stands at the ends.
    isolated
        Names of the groups that are shown alone; empty: all are.
    """

    title = param.String("")
    entries = param.List(default=[])
    gradient = param.List(default=[])
    low = param.String("")
    high = param.String("")
    isolated = param.List(default=[])
    dark = param.Boolean(False)

    _esm = """
    export function render({ model, el }) {
      const box = document.createElement("div")
      el.appendChild(box)
      const text = (tag, words, style) => {
        const made = document.createElement(tag)
        made.textContent = words
        made.style.cssText = style || ""
        return made
      }
      const choose = (name, more) => {
        const now = model.isolated
        if (more) {
          model.isolated = now.includes(name) ? now.filter((one) => one !== name) : [...now, name]
        } else {
          model.isolated = now.length === 1 && now[0] === name ? [] : [name]
        }
      }
      const draw = () => {
        const held = box.contains(el.getRootNode().activeElement) ? el.getRootNode().activeElement.dataset.name : null
        const ink = model.dark ? "#e8e8e8" : "#222222"
        box.replaceChildren()
        box.style.cssText = `font-size:12px;color:${ink};max-height:100%;overflow-y:auto`
        box.setAttribute("role", "group")
        box.setAttribute("aria-label", model.title)
        box.appendChild(text("div", model.title, "font-weight:600;margin:2px 4px 4px;overflow-wrap:anywhere"))
        if (model.gradient.length) {
          const bar = text("div", "", `height:14px;border-radius:3px;margin:2px 4px;
            background:linear-gradient(to right, ${model.gradient.join(",")})`)
          box.appendChild(bar)
          const ends = text("div", "", "display:flex;justify-content:space-between;margin:0 4px")
          ends.append(text("span", model.low), text("span", model.high))
          box.appendChild(ends)
        }
        for (const [name, colour, cells] of model.entries) {
          const out = model.isolated.length > 0 && !model.isolated.includes(name)
          const line = document.createElement("button")
          line.type = "button"
          line.dataset.name = name
          line.title = "Show " + name + " alone; again: show all; with Ctrl: several"
          line.setAttribute("aria-pressed", String(model.isolated.includes(name)))
          line.style.cssText = `display:flex;align-items:center;gap:6px;width:100%;border:0;background:none;
            color:inherit;font:inherit;text-align:left;padding:2px 4px;cursor:pointer;border-radius:3px`
          line.style.opacity = out ? 0.5 : 1
          line.append(
            text("span", "", `flex:none;width:11px;height:11px;border-radius:50%;background:${colour}`),
            text("span", name, "flex:1;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"),
            text("span", cells, "font-variant-numeric:tabular-nums"))
          line.addEventListener("click", (event) => choose(name, event.ctrlKey || event.metaKey || event.shiftKey))
          box.appendChild(line)
          if (name === held) { line.focus() }
        }
      }
      model.on(["title", "entries", "gradient", "isolated", "dark", "low", "high"], draw)
      draw()
    }
    """

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)  # type: ignore[no-untyped-call]  # panel carries no types

    def describe(self, colouring: Colouring, dark: bool) -> None:
        """Describe what the colours of a map stand for."""
        entries: list[list[str]] = [
            [group.name, seen(group.colour, dark), f"{group.n_cells:,}"] for group in colouring.groups
        ]
        values: dict[str, Any] = {"title": colouring.title, "entries": entries, "gradient": [], "low": "", "high": ""}
        if not colouring.is_groups:
            colours = colouring.palette(dark)[2:]
            values |= {
                "gradient": colours[:: len(colours) // 12],
                "low": f"{colouring.low:.3g}",
                "high": f"{colouring.high:.3g}",
                "title": colouring.title + (f" ({colouring.unit})" if colouring.unit else ""),
            }
        kept = [name for name in self.isolated if any(name == entry[0] for entry in entries)]
        self.param.update(**values, isolated=kept, dark=dark)

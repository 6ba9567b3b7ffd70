"""Bokeh measures figures that have no layout yet.

It measures all figures below whatever changes. One that a component of panel-material-ui is still mounting has no
layout at that moment, and the measuring fails with an error on the console; it is measured once mounted.
"""

from __future__ import annotations

from scgnn2_app.patches.versions import Versions

FOR = Versions("bokeh", "3.9")

SCRIPT = """
const plot_view = window.Bokeh?.Models?.get("Plot")?.prototype.default_view?.prototype
if (plot_view && !plot_view.waits_for_its_layout) {
  plot_view.waits_for_its_layout = true
  for (const name of ["_measure_layout", "_after_layout"]) {
    const original = plot_view[name]
    if (original) { plot_view[name] = function () { if (this.layout != null) { original.call(this) } } }
  }
}
"""

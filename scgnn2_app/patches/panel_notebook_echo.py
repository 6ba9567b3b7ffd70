"""Panel sends Python's own changes back to it from a notebook.

Whole figures are among them, which Bokeh cannot always read; then what the user did meanwhile is lost with them. Such
echoes are held back, as Bokeh's own sessions hold them back; that goes for every Panel page in the same window.
"""

from __future__ import annotations

from scgnn2_app.patches.versions import Versions

FOR = Versions("panel", "1.9")

SCRIPT = """
const comm = window.Bokeh?.Models?.get("panel.models.comm_manager.CommManager")
if (comm && !comm.prototype.sends_no_echo) {
  const changed = comm.prototype._document_changed
  comm.prototype.sends_no_echo = true
  comm.prototype._document_changed = function (event) { if (event.sync !== false) { changed.call(this, event) } }
}
"""

"""Bokeh's server has no public name for its Tornado application, where requests can be looked at first."""

from __future__ import annotations

from typing import Any

from bokeh.server.tornado import BokehTornado

from scgnn2_app.patches.versions import Versions

FOR = Versions("bokeh", "3.9")


def application_of(server: Any) -> BokehTornado:
    """The application of a Bokeh server, where requests can be looked at before Bokeh does.

    Of every version: where the name is gone, the server shall fail rather than answer to foreign names.
    """
    application: BokehTornado = server._tornado
    return application

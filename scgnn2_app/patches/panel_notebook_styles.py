"""Panel names its content delivery network for style sheets that come later into a notebook.

It puts its style sheets into the page that it first shows in a notebook (``inline=True``), but for what is added to the
page later it names the address of that network. Without a network that page is unstyled, and
with one somebody else learns who uses it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import panel.io.resources
import panel.reactive
from bokeh.core.property.descriptors import UnsetValueError
from panel.config import config
from panel.io.state import state

from scgnn2_app.patches.versions import Versions

FOR = Versions("panel", "1.9")


def keep_styles_local() -> None:
    """From now on style sheets that Panel adds to a page in a notebook carry their text; served pages stay as they are.

    Notes
    -----
    It holds for all of this Python's pages in notebooks: the function through which every address of a style sheet goes
    is replaced.
    """
    if FOR.installed and not hasattr(panel.io.resources.patch_stylesheet, "original"):
        wrapped = _wrapped(panel.io.resources.patch_stylesheet)
        panel.io.resources.patch_stylesheet = panel.reactive.patch_stylesheet = wrapped  # type: ignore[attr-defined]


def _wrapped(patch: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    def patch_locally(stylesheet: Any, dist_url: str) -> None:
        patch(stylesheet, dist_url)
        served = state.curdoc is not None and state.curdoc.session_context is not None
        first = panel.io.resources.RESOURCE_MODE == "inline"  # Panel itself puts the text in
        if served or first or not config.inline:
            return
        with suppress(UnsetValueError):
            path = _file_of(str(stylesheet.url))
            if path is not None:
                stylesheet.url = _as_address(path)

    patch_locally.original = patch  # type: ignore[attr-defined]
    return patch_locally


def _file_of(address: str) -> Path | None:
    """The file that the installed Panel has of an address of its network."""
    prefix = panel.io.resources.CDN_DIST
    path = Path(panel.io.resources.DIST_DIR) / address.removeprefix(prefix).partition("?")[0]
    return path if address.startswith(prefix) and path.is_file() else None


@cache
def _as_address(path: Path) -> str:
    return "data:text/css;base64," + base64.b64encode(path.read_bytes()).decode()

"""Style sheets of a page in a notebook, without a content delivery network.

Panel 1.9 puts its style sheets into the page that it first shows in a notebook (``inline=True``), but for what is
added to the page later it names the address of its delivery network. Without a network that page is unstyled, and
with one somebody else learns who uses it.
"""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import Any

import panel.io.resources
import panel.reactive
from panel.config import config

_patch = panel.io.resources.patch_stylesheet


def keep_styles_local() -> None:
    """From now on style sheets of Panel carry their text; where pages are served, nothing changes."""
    # Both names are the function through which every address of a style sheet goes.
    panel.io.resources.patch_stylesheet = _patch_locally
    panel.reactive.patch_stylesheet = _patch_locally


def _patch_locally(stylesheet: Any, dist_url: str) -> None:
    _patch(stylesheet, dist_url)
    prefix = panel.io.resources.CDN_DIST
    first = panel.io.resources.RESOURCE_MODE == "inline"  # Panel itself puts the text in
    if config.inline and not first and stylesheet.url.startswith(prefix):
        path = panel.io.resources.DIST_DIR / stylesheet.url.removeprefix(prefix).partition("?")[0]
        if path.is_file():
            stylesheet.url = _as_address(path)


@cache
def _as_address(path: Path) -> str:
    return "data:text/css;base64," + base64.b64encode(path.read_bytes()).decode()

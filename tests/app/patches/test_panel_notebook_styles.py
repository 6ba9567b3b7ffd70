"""Style sheets in a notebook are asked of nobody."""

from __future__ import annotations

from importlib.metadata import version

import panel.io.resources
import pytest
from bokeh.models import ImportedStyleSheet
from panel.config import config

from scgnn2_app.patches.panel_notebook_styles import FOR, keep_styles_local

ADDRESS = f"{panel.io.resources.CDN_DIST}css/loading.css"


@pytest.fixture
def sheet(monkeypatch: pytest.MonkeyPatch) -> ImportedStyleSheet:
    """One that comes into a notebook after the page; Panel's own functions come back afterwards."""
    original = getattr(panel.io.resources.patch_stylesheet, "original", panel.io.resources.patch_stylesheet)
    for module in (panel.io.resources, panel.reactive):
        monkeypatch.setattr(module, "patch_stylesheet", original)
    monkeypatch.setattr(config, "inline", True)
    return ImportedStyleSheet(url=ADDRESS)


def test_one_that_comes_later_carries_its_text(sheet: ImportedStyleSheet) -> None:
    keep_styles_local()
    panel.io.resources.patch_stylesheet(sheet, panel.io.resources.CDN_DIST)
    assert sheet.url.startswith("data:text/css;base64,")


def test_panel_alone_still_names_its_network(sheet: ImportedStyleSheet) -> None:
    """Once this fails, ``panel_notebook_styles`` may go."""
    panel.io.resources.patch_stylesheet(sheet, panel.io.resources.CDN_DIST)
    assert sheet.url.startswith("https://"), f"panel {version('panel')} no longer needs the patch for {FOR.series}"

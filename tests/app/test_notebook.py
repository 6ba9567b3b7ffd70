"""The page in a notebook: it asks nobody outside for anything, and speaks only once somebody listens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import panel as pn
import pytest
from bokeh.document import Document
from bokeh.models import ImportedStyleSheet, UIElement
from panel.io.notebook import patch_inline_stylesheets
from panel.io.resources import set_resource_mode
from pyviz_comms import Comm

from scgnn2_app import Dashboard


@pytest.fixture
def shown(tmp_path: Path) -> Any:
    """A dashboard, and the model of its page as a cell shows it."""
    dashboard = Dashboard(workspace=tmp_path)
    document, comm = Document(), Comm()
    with set_resource_mode("inline"):
        model = dashboard.__panel__()._render_model(document, comm)
    for part in model.select({"type": UIElement}):
        patch_inline_stylesheets(part)
    yield dashboard, model
    pn.config.inline = False


def _addresses(model: Any) -> set[str]:
    sheets = [sheet for part in model.select({"type": UIElement}) for sheet in part.stylesheets]
    return {sheet.url for sheet in sheets if isinstance(sheet, ImportedStyleSheet)}


def test_what_is_added_to_a_shown_page_brings_its_styles(shown: Any) -> None:
    dashboard, model = shown
    assert _addresses(model) == set()
    for number in range(len(dashboard.app.tabs)):
        dashboard.app.tabs.active = number
    found = _addresses(model)
    assert len(found) > 3
    assert {address.partition(",")[0] for address in found} == {"data:text/css;base64"}


def test_served_pages_keep_the_addresses_of_their_styles(shown: Any) -> None:
    pn.config.inline = False
    sheet = ImportedStyleSheet(url=f"{pn.io.resources.CDN_DIST}css/loading.css")
    pn.io.resources.patch_stylesheet(sheet, "static/extensions/panel/")
    assert sheet.url.startswith("static/extensions/panel/css/loading.css")


def test_a_page_is_polled_only_while_it_is_on_a_screen(shown: Any) -> None:
    dashboard, _ = shown
    assert dashboard._poll is None
    dashboard.app.script.shown += 1
    assert dashboard._poll.running
    dashboard.__panel__()
    assert not dashboard._poll.running
    dashboard.app.script.shown += 1
    assert dashboard._poll.running
    dashboard._poll.stop()

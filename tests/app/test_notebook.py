"""The page in a notebook: it asks nobody outside for anything, and speaks only once somebody listens."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import panel as pn
import panel.io.resources
import panel.reactive
import pytest
from bokeh.document import Document
from bokeh.models import ImportedStyleSheet, UIElement
from panel.io.notebook import patch_inline_stylesheets
from panel.io.resources import set_resource_mode
from pyviz_comms import Comm

from scgnn2_app import Dashboard, background
from scgnn2_app.patches import panel_notebook_styles
from scgnn2_engine import simulate


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A dashboard, and the model of its page as a cell shows it; Panel's own state comes back afterwards."""
    for module in (panel.io.resources, panel.reactive):
        original = getattr(module.patch_stylesheet, "original", module.patch_stylesheet)
        monkeypatch.setattr(module, "patch_stylesheet", original)
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


def test_what_the_runs_do_not_see_of_the_data_stands_on_the_page(tmp_path: Path) -> None:
    dashboard = Dashboard(simulate(30, 20, 2, seed=0), workspace=tmp_path)
    assert "Not as in the data for the runs: the known labels" in dashboard.app.session.notice
    assert dashboard.app.session.notice_level == "warning"
    pn.config.inline = False


def test_what_is_added_to_a_shown_page_brings_its_styles(shown: Any) -> None:
    dashboard, model = shown
    for number in range(len(dashboard.app.tabs)):
        dashboard.app.tabs.active = number
    found = _addresses(model)
    assert len(found) > 3
    assert {address.partition(",")[0] for address in found} == {"data:text/css;base64"}


def test_served_pages_keep_the_addresses_of_their_styles(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"{panel.io.resources.CDN_DIST}css/loading.css"
    served = SimpleNamespace(session_context=object())
    monkeypatch.setattr(panel_notebook_styles, "state", SimpleNamespace(curdoc=served))
    sheet = ImportedStyleSheet(url=address)
    panel.io.resources.patch_stylesheet(sheet, "static/extensions/panel/")
    assert sheet.url.startswith("static/extensions/panel/css/loading.css")
    sheet = ImportedStyleSheet(url=address)
    panel.io.resources.patch_stylesheet(sheet, panel.io.resources.CDN_DIST)  # before Panel knows where it serves
    assert sheet.url.startswith(address)


def test_two_dashboards_replace_the_function_once(shown: Any) -> None:
    before = panel.io.resources.patch_stylesheet
    panel_notebook_styles.keep_styles_local()
    assert panel.io.resources.patch_stylesheet is panel.reactive.patch_stylesheet is before


def test_a_page_is_polled_once_it_is_on_a_screen(shown: Any) -> None:
    dashboard, _ = shown
    assert dashboard._poll is None
    dashboard.app.script.shown += 1
    assert dashboard._poll.running
    pn.Column(dashboard)  # not displayed: the view on the screen goes on
    assert dashboard._poll.running
    dashboard._repr_mimebundle_()
    assert not dashboard._poll.running
    dashboard.app.script.shown += 1
    assert dashboard._poll.running
    dashboard._poll.stop()


def test_what_must_wait_for_the_page_is_called_when_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[Any] = []
    called: list[str] = []
    fake = SimpleNamespace(curdoc=None, loaded=False, onload=waiting.append)
    monkeypatch.setattr(background.pn, "state", fake)
    background.once_whole(lambda: called.append("no browser"))
    fake.curdoc = object()
    background.once_whole(lambda: called.append("whole"))
    assert called == ["no browser"]
    waiting[0]()
    fake.loaded = True
    background.once_whole(lambda: called.append("at once"))
    assert called == ["no browser", "whole", "at once"]

"""What is mended in the browser: mended on a page with the patches, and still at fault on one without.

Once the second of a pair fails, its patch may go.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import panel as pn
import panel_material_ui as pmui
import pytest

from scgnn2_app.page_script import PageScript
from scgnn2_app.patches import (
    bokeh_unmounted_figures,
    material_field_names,
    material_typed_numbers,
    panel_notebook_echo,
)


def fields(*more: Any) -> Any:
    """A slider with a field, a number, and a button that says which number it found."""
    number = pmui.IntInput(label="Count", value=1)
    slider = pmui.EditableIntSlider(label="Width", start=0, end=9, value=3)
    said = pn.pane.Str("nothing yet")
    button = pmui.Button(label="Go", on_click=lambda _: setattr(said, "object", f"went with {number.value}"))
    return pmui.Column(slider, number, button, said, *more)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pages = {"plain": fields, "mended": lambda: fields(PageScript())}
    server = pn.serve(pages, port=port, address="127.0.0.1", threaded=True, show=False)
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(params=["plain", "mended"])
def page(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Any]:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(180_000)
    page.mended = request.param == "mended"
    page.goto(f"{address}/{request.param}")
    page.get_by_role("button", name="Go", exact=True).wait_for()
    page.get_by_text("nothing yet").wait_for()
    if page.mended:
        page.wait_for_function("() => window.scgnn2_names && window.scgnn2_numbers")
    yield page
    context.close()


def needless(patch: Any) -> str:
    return f"{patch.FOR.package} {version(patch.FOR.package)} no longer needs {patch.__name__}"


def test_fields_and_buttons_of_numbers_have_names(page: Any) -> None:
    field = page.locator(".MuiFormControl-root:has(.MuiSlider-root) .MuiTextField-root input").first
    if page.mended:
        page.wait_for_timeout(1500)
    name = field.get_attribute("aria-label")
    assert (name == "Width") == page.mended, needless(material_field_names)


def test_a_typed_number_arrives_before_the_press_that_follows(page: Any) -> None:
    number = page.get_by_role("textbox", name="Count").or_(page.get_by_role("spinbutton", name="Count")).first
    button = page.get_by_role("button", name="Go", exact=True)
    type_and_press = """([field, button]) => {
        Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, "7")
        field.dispatchEvent(new InputEvent("input", { bubbles: true, composed: true }))
        button.click()
    }"""
    page.evaluate(type_and_press, [number.element_handle(), button.element_handle()])
    said = page.get_by_text("went with ")
    said.wait_for()
    assert (said.text_content() == "went with 7") == page.mended, needless(material_typed_numbers)


def test_a_figure_without_a_layout_is_not_measured(page: Any) -> None:
    measured = page.evaluate("""() => {
        const view = Object.create(window.Bokeh.Models.get("Plot").prototype.default_view.prototype)
        try { view._after_layout(); return true } catch (error) { return false }
    }""")
    assert measured == page.mended, needless(bokeh_unmounted_figures)


def test_python_hears_no_echo_of_its_own_changes(page: Any) -> None:
    heard = page.evaluate("""() => {
        const comm = Object.create(window.Bokeh.Models.get("panel.models.comm_manager.CommManager").prototype)
        Object.assign(comm, { _event_buffer: [], process_events: () => {}, _blocked: true, _timeout: Infinity })
        for (const sync of [true, false]) { comm._document_changed({ sync }) }
        return comm._event_buffer.map(event => event.sync)
    }""")
    assert heard == ([True] if page.mended else [True, False]), needless(panel_notebook_echo)

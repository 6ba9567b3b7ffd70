"""The scenes of a day with the dashboard, acted in a real browser."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Open = Callable[..., Any]


pytestmark = pytest.mark.usefixtures("left_idle")


def test_a_run_from_the_press_of_run_to_filled_tabs(served: Any, open_page: Open, act: Any) -> None:
    page = open_page(served.url)
    page.get_by_text("120 cells × 60 genes, counts").wait_for()
    act.load_parameters(page, act.QUICK)
    run = act.press_run(page)
    act.wait_for_state(page, "done")
    assert (served.workspace / "runs" / run / "result.h5ad").exists()
    for tab in act.TABS:
        act.open_tab(page, tab)
        act.keep_picture(page, f"tab_{tab.lower().replace(' ', '_')}")
    act.open_tab(page, "Live")
    page.locator("img[alt^='Map after iteration 2:']").wait_for()
    act.wait_for(lambda: page.locator("img[alt^='Map after iteration']").count() == 2)
    act.wait_for(lambda: page.locator(".bk-Figure >> visible=true").count() >= 5)


def test_events_reach_the_screen_and_stop_keeps_the_result(served: Any, open_page: Open, act: Any) -> None:
    page = open_page(served.url)
    act.load_parameters(page, act.LONG)
    run = act.press_run(page)
    page.locator("img[alt^='Map after iteration 1:']").wait_for()
    page.locator(".bk-Figure >> visible=true").first.wait_for()
    act.open_tab(page, "Cell graph")  # of the iterations that are over
    page.get_by_text("until the run is done").wait_for()
    act.keep_picture(page, "graph_under_way")
    page.get_by_role("button", name=re.compile("^Stop: ")).click()
    act.wait_for_state(page, "stopped")
    page.get_by_text("its best iteration was kept").wait_for()
    page.get_by_text("until the run is done").wait_for(state="detached")
    assert (served.workspace / "runs" / run / "result.h5ad").exists()


def test_a_killed_worker_shows_as_failed_with_its_reason(served: Any, open_page: Open, act: Any) -> None:
    page = open_page(served.url)
    act.load_parameters(page, act.LONG)
    run = act.press_run(page)
    act.wait_for_state(page, "running")
    state = served.workspace / "runs" / run / "state.json"
    os.kill(act.wait_for(lambda: json.loads(state.read_text())["pid"]), signal.SIGKILL)
    act.wait_for_state(page, "failed")
    page.get_by_role("alert").first.wait_for()
    act.keep_picture(page, "crash")
    export = page.get_by_role("button", name="Export", exact=True).bounding_box()
    assert export
    assert export["x"] + export["width"] < 1280  # a long reason does not push it out of sight
    assert page.get_by_role("button", name="Run", exact=True).is_enabled()


def test_a_reload_takes_up_the_run_under_way(served: Any, open_page: Open, act: Any) -> None:
    page = open_page(served.url)
    act.load_parameters(page, act.LONG)
    act.press_run(page)
    page.locator("img[alt^='Map after iteration 1:']").wait_for()
    page.reload()
    page.locator("img[alt^='Map after iteration 1:']").wait_for()
    act.wait_for_state(page, "running")
    page.get_by_role("button", name=re.compile(r"^Reset all \(\d+\)$")).wait_for()  # the controls are those of the run
    assert page.locator(".bk-Figure").count() >= 3
    other = open_page(page.url)  # the address is enough for another browser
    act.wait_for_state(other, "running")
    page.get_by_role("button", name="Kill").click()
    act.wait_for_state(page, "stopped")
    act.wait_for_state(other, "stopped")


def test_five_people_do_not_disturb_each_other(served: Any, finished: str, open_page: Open, act: Any) -> None:
    first, second, *others = (open_page(f"{served.url}/?run={finished}") for _ in range(5))
    act.open_tab(first, "Runs")
    first.get_by_label("Find a parameter").fill("resolution")
    for tab, other in zip(("Cell graph", "Genes", "Diagnostics"), others, strict=True):
        act.open_tab(other, tab)
    assert second.get_by_role("tab", name="Live", exact=True).get_attribute("aria-selected") == "true"
    assert second.get_by_label("Find a parameter").input_value() == ""


def test_a_server_that_goes_away_is_said(own_server: Any, open_page: Open, act: Any, watch: Any) -> None:
    page = open_page(own_server.url)
    own_server.process.terminate()
    page.get_by_role("alert").get_by_text("The connection to the server is lost").wait_for()
    page.get_by_role("button", name="reload the page").wait_for()
    act.keep_picture(page, "server_gone")
    page.close()
    watch.errors = [error for error in watch.errors if "websocket" not in error.lower() and "ERR_CONN" not in error]


def test_labels_are_typed_and_stay(served: Any, open_page: Open, act: Any) -> None:
    page = open_page(served.url)
    field = page.get_by_label("Labels, for display only")
    field.fill("no such column")
    field.press("Enter")
    page.get_by_text("no such column").first.wait_for()
    act.wait_for(lambda: page.get_by_role("button", name="Run", exact=True).is_disabled())
    assert field.input_value() == "no such column"
    field.fill("")
    field.press("Enter")
    act.wait_for(lambda: page.get_by_role("button", name="Run", exact=True).is_enabled())


def test_an_empty_upload_is_refused(served: Any, open_page: Open) -> None:
    page = open_page(served.url)
    field = page.locator('input[type="file"][accept*=".rdata"]')
    field.set_input_files({"name": "empty.csv", "mimeType": "text/csv", "buffer": b""})
    page.get_by_role("alert").get_by_text("The file is empty").wait_for()


def test_a_slider_moves_by_keyboard_and_is_marked_as_changed(served: Any, open_page: Open, act: Any) -> None:
    page = open_page(served.url)
    act.find_parameter(page, "total epoch")
    slider = page.get_by_role("slider", name="Total epoch").first
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.get_by_text("Total epoch (changed)").wait_for()
    page.get_by_text("Run · 1 changed").wait_for()
    page.get_by_role("button", name="Reset all (1)").click()
    page.get_by_text("Run · 1 changed").wait_for(state="detached")


def test_invalid_values_disable_run_with_the_engines_sentence(served: Any, open_page: Open, act: Any) -> None:
    page = open_page(served.url)
    act.find_parameter(page, "feature_AE_epoch")
    field = page.get_by_role("textbox", name=re.compile("^Epoch")).first
    field.fill("many, 3")
    field.press("Enter")
    page.get_by_text("feature_AE_epoch cannot be").wait_for()
    act.wait_for(lambda: page.get_by_role("button", name="Run", exact=True).is_disabled())


def test_what_a_search_finds_arrives_in_one_message(served: Any, open_page: Open, act: Any, watch: Any) -> None:
    """A browser that mounts a card while the next message changes it may show the card empty for good."""
    page = open_page(served.url)
    watch.frames.clear()
    act.find_parameter(page, "feature_AE_epoch")
    page.get_by_role("textbox", name=re.compile("^Epoch")).first.wait_for()
    (message,) = (frame for frame in watch.frames if '"Epoch"' in str(frame))
    assert "1 found" in str(message)


def test_a_number_is_sent_before_the_press_that_follows_it(served: Any, open_page: Open) -> None:
    """On a busy machine the press came first, and a run began with the number before."""
    page = open_page(served.url)
    page.get_by_label("Seed", exact=True).fill("77")
    page.get_by_role("button", name="Python", exact=True).evaluate("(button) => { button.focus(); button.click() }")
    text = page.get_by_label("Text to copy")
    text.wait_for()
    assert "seed=77" in text.input_value()


def test_the_lasso_selects_cells_for_every_tab(served: Any, finished: str, open_page: Open, act: Any) -> None:
    page = open_page(f"{served.url}/?run={finished}")
    act.open_tab(page, "Cell graph")
    page.get_by_text("120 cells, ").wait_for()  # the map is drawn
    lasso(page)
    page.get_by_text("cells selected: ").wait_for()
    act.keep_picture(page, "lasso")


def lasso(page: Any) -> None:
    """Draw a lasso round most of the map."""
    canvas = page.locator(".bk-Canvas >> visible=true").first
    page.locator(".bk-tool-icon-lasso-select >> visible=true").first.click()
    box = canvas.bounding_box()
    assert box
    left, top = box["x"] + 0.1 * box["width"], box["y"] + 0.03 * box["height"]
    right, bottom = box["x"] + 0.88 * box["width"], box["y"] + 0.85 * box["height"]
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        page.mouse.move(x, y, steps=8)
    page.mouse.up()


def test_a_copied_link_and_a_reload_show_the_same_view(served: Any, finished: str, open_page: Open, act: Any) -> None:
    page = open_page(f"{served.url}/?run={finished}")
    act.open_tab(page, "Cell graph")
    page.get_by_text("120 cells, ").wait_for()
    lasso(page)
    page.get_by_text("cells selected: ").wait_for()
    page.locator(".bk-Canvas >> visible=true").first.hover()
    page.mouse.wheel(0, -300)
    page.wait_for_function("['cells', 'zoom', 'gene', 'colour'].every((name) => location.search.includes(name + '='))")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name=re.compile("^Copy link: ")).click()
    page.get_by_text("The link to this view is copied").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    act.keep_picture(page, "link_copied")
    page.reload()
    page.get_by_text("cells selected: ").wait_for()
    page.get_by_text("120 cells, ").wait_for()
    other = open_page(link, width=1920, height=1080)
    other.get_by_text("cells selected: ").wait_for()
    other.get_by_text("120 cells, ").wait_for()
    for shown in (page, other):
        shown.wait_for_timeout(1500)
        assert shown.url == link
    act.keep_picture(other, "link_opened")
    page.goto(f"{served.url}/?run=20200101T000000000000-000000")
    page.get_by_text("There is no run").wait_for()


def test_an_export_arrives_whole(served: Any, finished: str, open_page: Open, act: Any) -> None:
    page = open_page(f"{served.url}/?run={finished}")
    page.get_by_role("button", name="Export", exact=True).click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Tables (.csv, zipped)").click()
    archive = zipfile.ZipFile(io.BytesIO(Path(waiting.value.path()).read_bytes()))
    assert archive.testzip() is None
    assert {"imputed.csv", "labels.csv", "run.json"} <= set(archive.namelist())


def test_the_command_is_shown_and_copied(served: Any, open_page: Open, act: Any) -> None:
    page = open_page(served.url)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="CLI", exact=True).click()
    text = page.get_by_label("Text to copy")
    text.wait_for()
    assert text.input_value().startswith("scgnn2 run ")
    page.get_by_role("button", name="Copy", exact=True).click()
    act.wait_for(lambda: page.evaluate("navigator.clipboard.readText()") == text.input_value())


def test_an_upload_ten_times_too_large_is_refused_and_a_small_one_is_taken(
    served: Any, open_page: Open, act: Any, tiny_file: Path, watch: Any
) -> None:
    page = open_page(served.url)
    field = page.locator('input[type="file"][accept*=".rdata"]')
    field.set_input_files(
        {"name": "big.csv", "mimeType": "text/csv", "buffer": b"x" * (10 * act.MAX_UPLOAD_MIB * 2**20)}
    )
    page.get_by_text("exceeds").or_(page.get_by_text("larger than")).first.wait_for()
    act.keep_picture(page, "oversize_upload")
    watch.errors = [error for error in watch.errors if "Upload error" not in error]  # the widget's own note of it
    assert not list((served.workspace / "uploads").glob("*/*/big.csv"))
    small = {"name": "mine.h5ad", "mimeType": "application/octet-stream", "buffer": tiny_file.read_bytes()}
    field.set_input_files(small)
    page.get_by_text("mine.h5ad has arrived.").wait_for()
    page.get_by_text("120 cells × 60 genes, counts").wait_for()


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080)])
def test_run_is_above_the_fold_and_nothing_is_cut(
    served: Any, finished: str, open_page: Open, act: Any, width: int, height: int
) -> None:
    page = open_page(f"{served.url}/?run={finished}", width=width, height=height)
    box = page.get_by_role("button", name="Run", exact=True).bounding_box()
    assert box
    assert box["y"] + box["height"] < 80
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for dark in (False, True):
        page.locator(".bk-Figure >> visible=true").first.wait_for()
        act.keep_picture(page, f"live_{width}_{'dark' if dark else 'light'}")
        page.locator("[aria-label*='theme' i]").first.click()


def test_a_sweep_is_started_followed_and_its_best_taken(served: Any, open_page: Open, act: Any) -> None:
    page = open_page(served.url)
    act.load_parameters(page, act.QUICK)
    act.open_tab(page, "Sweep")
    page.get_by_label("Trials", exact=True).fill("2")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Start sweep").click()
    page.get_by_text("done: 2 of 2 trials").wait_for()
    act.keep_picture(page, "sweep")
    page.get_by_role("button", name="Best trial into the controls").click()
    page.get_by_text("The parameters stand in the controls").wait_for()

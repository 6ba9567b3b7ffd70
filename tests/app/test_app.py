"""The page without a browser: what is on it, what its buttons do to the runs, what it says when something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from scgnn2_app.app import App
from scgnn2_app.context import ServerContext
from scgnn2_app.exports.export import FORMS, build
from scgnn2_app.link import FIELDS
from scgnn2_app.runs.jobs import JobManager
from scgnn2_app.sources.source import Source
from scgnn2_app.sweeps.sweeps import SweepManager
from scgnn2_app.views.address import fields_of
from scgnn2_app.views.data_picker import BY_PARAMETERS, ON_SERVER
from scgnn2_engine import RunParams
from scgnn2_engine.errors import InputError

TABS = ["Live", "Cell graph", "Imputation", "Sankey", "Genes", "Diagnostics", "Sweep", "Runs"]


@pytest.fixture
def manager(tmp_path: Path, tiny_source: Source) -> Iterator[JobManager]:
    roots = (Path(tiny_source.path).parent,)
    manager = JobManager(tmp_path / "workspace", at_once=1, threads=1, roots=roots)
    yield manager
    manager.close(kill=True)


@pytest.fixture
def context(manager: JobManager, tiny_source: Source) -> Iterator[ServerContext]:
    sweeps = SweepManager(manager)
    yield ServerContext(manager, sweeps, roots=manager.roots or (), max_upload=1000, sources=(tiny_source,))
    sweeps.close()


@pytest.fixture
def app(context: ServerContext) -> App:
    return App(context)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_source: Source, tiny_params: RunParams) -> ServerContext:
    """A workspace with one finished run."""
    manager = JobManager(tmp_path_factory.mktemp("workspace"), threads=1)
    run = manager.submit(tiny_source, tiny_params, name="first")
    import time

    while not manager.run(run).over:
        time.sleep(0.1)
    manager.close()
    assert manager.run(run).state == "done", manager.workspace.log(run)
    return ServerContext(JobManager(manager.workspace, at_once=0), SweepManager(manager), max_upload=1000)


def press(button: Any) -> None:
    button.clicks += 1


# --------------------------------------------------------------------------------------------------- running


def test_the_page_has_all_its_tabs(app: App) -> None:
    assert app.tabs._names == TABS


def test_every_tab_opens_without_a_run(app: App) -> None:
    for number, name in enumerate(TABS):
        app.tabs.active = number
        assert app._places[name].objects, name
    app.tick()


def test_a_press_on_run_runs_the_chosen_data_to_its_end(
    app: App, tiny_params: RunParams, wait_until: Callable[..., Any]
) -> None:
    app.form.load(tiny_params)
    app._name.value = " my first "
    press(app.run_bar.run)
    run_id = app.session.run_id
    assert app.context.manager.run(run_id).name == "my first"
    assert not app.run_bar.stop.disabled
    wait_until(lambda: (app.tick(), app.session.run)[1])
    assert app.run_bar._state.label == "done"
    assert app.run_bar._progress.value == 100
    assert app.run_bar.stop.disabled
    assert len(app.live.history.scores) == 2
    assert app.session.run.n_obs == 60
    assert not app.exports.button.disabled


def test_a_double_click_starts_one_run(app: App, scripted_worker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app._name.value = "wait"
    press(app.run_bar.run)
    press(app.run_bar.run)
    assert len(app.context.manager.runs()) == 1
    monkeypatch.setattr("scgnn2_app.app.PRESSES_APART", 0.0)
    press(app.run_bar.run)
    assert len(app.context.manager.runs()) == 2


def test_a_run_that_is_over_corrects_the_expected_time(
    app: App, scripted_worker: Path, wait_until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_until(lambda: app.picker.summary)
    monkeypatch.setattr("scgnn2_app.views.data_picker.expected_seconds", lambda *_: (4321.0, 4321.0))
    app._name.value = "quick"
    press(app.run_bar.run)
    wait_until(lambda: (app.tick(), app.run_bar._state.label == "done")[1])
    app.tick()
    assert "1 h 12 min" in app.picker._says.object


def test_stop_keeps_what_is_there(app: App, scripted_worker: Path, wait_until: Callable[..., Any]) -> None:
    app._name.value = "wait"
    press(app.run_bar.run)
    wait_until(lambda: (app.tick(), app.run_bar._state.label == "running")[1])
    press(app.run_bar.stop)
    wait_until(lambda: (app.tick(), app.run_bar._state.label == "stopped")[1])


def test_kill_ends_what_does_not_listen(app: App, scripted_worker: Path, wait_until: Callable[..., Any]) -> None:
    app._name.value = "deaf"
    press(app.run_bar.run)
    wait_until(lambda: (app.tick(), app.run_bar._state.label == "running")[1])
    press(app.run_bar.kill)
    app.tick()
    assert app.run_bar._state.label == "stopped"
    assert "Killed" in app.run_bar._text.object


def test_a_crash_is_said(app: App, scripted_worker: Path, wait_until: Callable[..., Any]) -> None:
    app._name.value = "error"
    press(app.run_bar.run)
    wait_until(lambda: (app.tick(), app.run_bar._state.label == "failed")[1])
    app.tick()
    assert app.live._failure.visible
    assert "something nobody expected" in app.live._trace.object + app.live._failure.object


def test_invalid_parameters_disable_run(app: App) -> None:
    app.form.set("validation_share", 0.0)
    assert app.run_bar.run.disabled
    assert app.run() == ""
    assert app.session.notice_level == "error"
    app.form.reset()
    assert not app.run_bar.run.disabled


def test_a_deleted_run_is_no_longer_shown(app: App, context: ServerContext, tiny_source: Source) -> None:
    run_id = app.run()
    context.manager.delete(run_id)
    app.tick()
    assert app.session.run_id == ""


def test_another_users_run_is_as_one_that_does_not_exist(context: ServerContext, tiny_source: Source) -> None:
    from dataclasses import replace

    theirs = context.manager.submit(tiny_source, RunParams(), owner="ann")
    mine = App(replace(context, user="bob"))
    with pytest.raises(InputError, match="There is no run"):
        mine.show(theirs)
    mine.open_latest()
    mine.tick()
    assert mine.session.run_id == ""
    mine.tabs.active = TABS.index("Runs")
    assert len(mine._made["Runs"]._table) == 0


# --------------------------------------------------------------------------------------------------- data


def test_the_picker_says_what_the_data_is(app: App) -> None:
    assert app.picker.source is not None
    assert "60 cells × 40 genes" in app.picker._says.object
    assert "GiB free" in app.picker._says.object


def test_a_path_outside_the_allowed_folder_is_refused(app: App) -> None:
    app.picker._choice.value = ON_SERVER
    app.picker._path.value = "/etc/passwd"
    assert app.picker.source is None
    assert app.run_bar.run.disabled
    assert "outside the folders" in app.picker._says.object


def test_a_file_of_the_server_is_found_by_its_folder(app: App, tiny_source: Source) -> None:
    app.picker._choice.value = ON_SERVER
    names = list(app.picker._entries.options)
    assert any(name.startswith("tiny.h5ad") for name in names)
    app.picker._entries.value = next(name for name in names if name.startswith("tiny.h5ad"))
    assert app.picker.source == tiny_source


def test_what_is_no_data_is_said_and_stays_on_the_page(app: App, tiny_source: Source) -> None:
    broken = Path(tiny_source.path).with_name("broken.h5ad")
    broken.write_bytes(b"not an h5ad")
    app.picker._choice.value = ON_SERVER
    app.picker._path.value = str(broken)
    assert app.picker.source is None
    assert "broken.h5ad" in app.picker._says.object
    broken.unlink()


def chunk(name: str, data: bytes, number: int, of: int) -> dict[str, Any]:
    return {"name": name, "chunk": number, "total_chunks": of, "data": list(data), "mime_type": "text/csv"}


def test_an_upload_is_written_piece_by_piece_and_chosen(app: App) -> None:
    text = "gene,a,b,c\ng1,1,0,3\ng2,0,2,1\n"
    app.picker._upload._process_chunk(chunk("my.csv", text[:10].encode(), 1, 2))
    app.picker._upload._process_chunk(chunk("my.csv", text[10:].encode(), 2, 2))
    assert app.picker._choice.value == "my.csv"
    assert app.session.notice == "my.csv has arrived."
    (file,) = app.context.manager.workspace.uploads.glob("*/*/my.csv")
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("name", "pieces", "says"), [("big.csv", 3, "larger than this server takes"), ("x.exe", 1, "cannot be read")]
)
def test_what_may_not_come_is_refused_while_it_arrives(app: App, name: str, pieces: int, says: str) -> None:
    for number in range(1, pieces + 1):
        app.picker._upload._process_chunk(chunk(name, b"x" * 600, number, pieces))
    assert says in app.session.notice
    assert not list(app.context.manager.workspace.uploads.glob("*/*/*"))


def test_an_empty_upload_is_said_though_the_browser_sends_nothing_of_it(app: App) -> None:
    before = app.picker.source
    for status in ("initializing", "finished"):
        app.picker._upload._handle_msg({"status": status, "type": "status"})
    assert "The file is empty" in app.session.notice
    assert app.session.notice_level == "error"
    assert app.picker.source == before


def test_labels_stay_in_their_field_and_go_with_the_next_data(app: App, tiny_source: Source, tmp_path: Path) -> None:
    labels = Path(tiny_source.path).with_name("types.csv")
    labels.write_text("cell,type\nnobody,T\n")
    try:
        app.picker.take(tiny_source)
        app.picker._labels.value = str(labels)
        assert app.picker._labels.value == str(labels)  # though no cell is in it: it can be mended
        assert app.picker.source is None
        assert "types.csv" in app.picker._says.object
        app.picker._labels.value = ""
        assert app.picker.source == tiny_source
        app.picker.take(tiny_source.with_labels("kind"))
        assert app.picker._labels.value == "kind"
        app.picker.take(Source.demo())
        assert app.picker._labels.value == ""
    finally:
        labels.unlink()


def test_columns_of_the_data_are_offered_as_labels(app: App) -> None:
    app.picker.take(Source.demo())
    assert "louvain" in app.picker._columns.options
    app.picker._columns.value = "louvain"
    assert app.picker.source == Source.demo().with_labels("louvain")
    assert "louvain" in app.picker._says.object


def test_what_was_found_while_reading_is_there_to_unfold(app: App) -> None:
    assert "<summary>What was found</summary>" in app.picker._says.object
    assert "Orientation" in app.picker._says.object or "cells" in app.picker._says.object


def test_what_could_not_be_read_is_read_again_once_a_parameter_helps(app: App, tiny_source: Source) -> None:
    unclear = Path(tiny_source.path).with_name("unclear.csv")
    unclear.write_text("x,a,b,c\nd,1,0,2\ne,2,1,0\nf,0,3,1\n")
    try:
        app.picker._choice.value = ON_SERVER
        app.picker._path.value = str(unclear)
        assert app.run_bar.run.disabled
        assert "Orientation (card Load)" in app.picker._says.object
        app.form.set("load_orientation", "cells-by-genes")
        assert "3 cells × 3 genes" in app.picker._says.object
        assert not app.run_bar.run.disabled
    finally:
        unclear.unlink()


def test_one_cell_is_refused_before_a_run(app: App, tiny_source: Source) -> None:
    single = Path(tiny_source.path).with_name("one.csv")
    single.write_text("cell,GATA1,CD34,SPI1\nc1,1,0,2\n")
    try:
        app.picker._choice.value = ON_SERVER
        app.picker._path.value = str(single)
        assert app.run_bar.run.disabled
        assert "at least 2 cells" in app.picker._says.object
        assert "--load" not in app.picker._says.object
    finally:
        single.unlink()


def test_the_load_parameters_may_name_the_data(app: App) -> None:
    app.picker._choice.value = BY_PARAMETERS
    assert app.controls.data_by_parameters
    assert "No data" in app.picker._says.object or "data" in app.picker._says.object
    app.picker.take(Source.demo())
    assert not app.controls.data_by_parameters


# --------------------------------------------------------------------------------------------------- afterwards


def test_a_finished_run_is_there_at_once(finished: ServerContext) -> None:
    app = App(finished)
    app.open_latest()
    assert app.session.run is not None
    for number, name in enumerate(TABS):
        app.tabs.active = number
        assert app._places[name].objects, name
    assert len(app.live._grid) >= 5


def test_another_run_is_offered_for_the_sankey_diagram(finished: ServerContext, tmp_path: Path) -> None:
    import shutil

    workspace = tmp_path / "workspace"
    shutil.copytree(finished.manager.workspace.folder, workspace)
    (first,) = sorted((workspace / "runs").iterdir())
    second = Path(shutil.copytree(first, first.with_name("20991231T000000000000-aaaaaa")))
    manager = JobManager(workspace, at_once=0)
    app = App(ServerContext(manager, SweepManager(manager), max_upload=1000))
    app.show(first.name)
    app.tabs.active = TABS.index("Sankey")
    app._turn = 0
    app.tick()
    offered = app._made["Sankey"].columns[1].options
    assert [name for name in offered if name.startswith("run: ")] == [f"run: first {second.name[-6:]}"]


def assert_in_controls(app: App, params: RunParams, source: Source) -> None:
    assert app.form.params() == params
    assert app.picker.source is not None
    assert app.picker.source.path == source.path


def test_a_run_comes_back_into_the_controls(
    finished: ServerContext, tiny_params: RunParams, tiny_source: Source
) -> None:
    app = App(finished)
    (info,) = finished.manager.runs()
    app.load_run(info)
    assert_in_controls(app, tiny_params, tiny_source)


def test_a_reload_keeps_the_data_and_parameters_of_the_shown_run(
    finished: ServerContext, tiny_params: RunParams, tiny_source: Source
) -> None:
    (info,) = finished.manager.runs()
    app = App(finished)
    app.show(info.id)
    app.take_up_controls()
    assert_in_controls(app, tiny_params, tiny_source)
    assert app.session.notice == ""


def test_a_run_with_bulk_named_but_not_used_comes_back_as_it_was(finished: ServerContext) -> None:
    from dataclasses import replace

    (info,) = finished.manager.runs()
    app = App(finished)
    app.load_run(replace(info, source=info.source.with_bulk("bulk.csv")))
    assert app.picker._bulk.value == "bulk.csv"
    assert not app.form.params().use_bulk


def test_a_ticked_run_stays_ticked_when_others_come_and_go(finished: ServerContext) -> None:
    from dataclasses import replace

    (info,) = finished.manager.runs()
    app = App(finished)
    app.tabs.active = TABS.index("Runs")
    view = app._made["Runs"]
    view.table.selection = [0]
    newer = [replace(info, id=f"other{number}", name=f"other {number}") for number in range(3)]
    view.update([*newer, info])
    assert [run.id for run in view.chosen] == [info.id]
    view.update([info])
    assert [run.id for run in view.chosen] == [info.id]
    view.update(newer)
    assert view.chosen == []


def test_a_name_that_is_too_long_is_cut(finished: ServerContext, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    (info,) = finished.manager.runs()
    app = App(finished)
    app.tabs.active = TABS.index("Runs")
    view = app._made["Runs"]
    assert view._name.max_length == 80
    names: list[str] = []
    monkeypatch.setattr(finished.manager, "rename", lambda _, name: names.append(name))
    view._name.value = "x" * 500
    view._rename_run(info)
    assert names == ["x" * 80]
    view._session_show(replace(info, name="y" * 500))
    assert len(app.session.notice) < 120


def test_counts_and_scores_have_their_formats_and_the_button_its_look(app: App) -> None:
    app.tabs.active = TABS.index("Runs")
    formats = app._made["Runs"].table.formatters
    assert formats["cluster_count"].format == "0"
    assert formats["validation_error"].format == "0.0000"
    assert app._made["Runs"].table.widths["run"] <= 250
    assert app.exports.button.variant == "outlined"


@pytest.mark.parametrize("form", FORMS.values())
def test_every_export_is_made(finished: ServerContext, form: str) -> None:
    import io
    import zipfile

    app = App(finished)
    app.open_latest()
    name, content = build(app.session.run, form)
    data = content.read_bytes() if isinstance(content, Path) else content
    assert len(data) > 500
    if name.endswith(".zip"):
        inside = {Path(member).suffix for member in zipfile.ZipFile(io.BytesIO(data)).namelist()}
        wanted = {"csv": {".csv", ".json", ".toml"}, "RData": {".RData"}, "figures": {".png", ".svg", ".html"}}
        assert inside == wanted[form]


def test_a_file_goes_to_the_browser_in_pieces(finished: ServerContext) -> None:
    import base64

    from scgnn2_app.exports.download import PIECE, Downloader

    sent: list[dict[str, Any]] = []
    downloader = Downloader()
    downloader._send_msg = sent.append  # type: ignore[method-assign,assignment]
    content = bytes(range(256)) * (PIECE // 128)
    downloader.send("x.bin", content)
    while not sent[-1]["last"]:
        downloader._handle_msg({"file": 1, "next": sent[-1]["index"] + 1})
    assert b"".join(base64.b64decode(message["data"]) for message in sent) == content
    assert len(sent) == 2
    assert max(len(message["data"]) for message in sent) < 600_000


# --------------------------------------------------------------------------------------------------- a link is a view


def look_closely(app: App) -> None:
    """Another tab, colouring, number of clusters, part of the map, gene, and three cells."""
    (info,) = app.context.manager.runs()
    app.show(info.id)
    app.tabs.active = TABS.index("Cell graph")
    view = app._made["Cell graph"]
    view.colour_by.value = "gene, observed"
    view.cut.n_clusters.value = view.cut.n_clusters.end
    view.canvas.figure.x_range.update(start=-1.5, end=1 / 3)
    view.canvas._zoomed()
    app.session.gene = app.session.run.var_names[3]
    app.session.select([4, 7, 59])


def test_a_link_shows_the_same_view_to_somebody_else(finished: ServerContext) -> None:
    mine = App(finished)
    look_closely(mine)
    link = mine.address.fields()
    assert set(link) == set(FIELDS)
    theirs = App(finished)
    theirs.show(link["run"])
    theirs.address.restore(fields_of("?" + urlencode(link)))
    assert theirs.session.notice == ""
    assert theirs.address.fields() == link
    ours = [app._made["Cell graph"] for app in (mine, theirs)]
    assert ours[0].colour_by.value == ours[1].colour_by.value == "gene, observed"
    assert ours[0].cut.n_clusters.value == ours[1].cut.n_clusters.value
    assert ours[0].canvas.zoom == ours[1].canvas.zoom != ()
    assert theirs.session.selection.tolist() == [4, 7, 59]


def test_another_run_begins_with_its_whole_map(finished: ServerContext) -> None:
    app = App(finished)
    look_closely(app)
    app.show("")
    assert app.address.fields() == {"tab": "Cell graph"}
    (info,) = finished.manager.runs()
    app.show(info.id)
    assert set(app.address.fields()) == {"run", "tab", "gene", "colour"}


def test_what_a_link_cannot_bring_back_is_said_and_the_rest_is_shown(finished: ServerContext) -> None:
    app = App(finished)
    (info,) = finished.manager.runs()
    app.show(info.id)
    gene = str(app.session.run.var_names[1])
    app.address.restore({"gene": gene, "colour": "donor", "clusters": "x", "cells": "!", "tab": "Genes"})
    assert app.session.gene == gene
    assert app._active_tab == "Genes"
    for said in ("clusters=x", "cells=!"):
        assert said in app.session.notice
    app.address.restore({"gene": "NOBODY", "colour": "donor", "tab": "Pictures"})
    for said in ("'NOBODY'", "'donor'", "'Pictures'"):
        assert said in app.session.notice


def test_the_address_follows_once_it_is_asked_to(finished: ServerContext) -> None:
    app = App(finished)
    app.tabs.active = TABS.index("Runs")
    assert app.script.address is None  # a notebook's address is its own
    app.address.follow()
    assert app.script.address == {"tab": "Runs"}
    look_closely(app)
    assert app.script.address == app.address.fields()
    app.script._handle_msg({"copied": False})
    assert "copy it from there" in app.session.notice

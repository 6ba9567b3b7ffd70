"""The Cell graph tab, as its session sees it."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from scgnn2_app.charts import graph_canvas
from scgnn2_app.charts.colouring import CLUSTER, GENE_IMPUTED, HIDDEN_ERROR, by_groups, by_numbers, choices, colouring
from scgnn2_app.charts.graph_canvas import within
from scgnn2_app.exports.figure_files import export_figure
from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session
from scgnn2_app.views.cell_graph import CellGraphView
from scgnn2_engine import ClusterTree
from scgnn2_engine.errors import InputError


@pytest.fixture
def session(made_run: Path) -> Session:
    session = Session()
    session.show_folder(made_run)
    return session


@pytest.fixture
def view(session: Session) -> CellGraphView:
    return CellGraphView(session)


def test_a_run_under_way_shows_every_iteration_as_it_comes(made_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first, second = (made_run / "snapshots" / f"iteration_{number}.npz" for number in (1, 2))
    (folder / "snapshots").mkdir(parents=True)
    shutil.copy(made_run / "snapshots" / "data.h5ad", folder / "snapshots")
    jobs = SimpleNamespace(run=lambda run_id: SimpleNamespace(id=run_id, folder=folder, has_result=False))
    session = Session(jobs)  # type: ignore[arg-type]
    session.show("a")
    view = CellGraphView(session)
    assert session.run is None
    shutil.copy(first, folder / "snapshots")
    session.refresh()
    assert view.iteration.options == ["newest", "1"]
    assert view._colouring is not None
    assert [group.name for group in view._colouring.groups] == ["0", "1"]
    assert "principal components, until the run is done" in view.count.object
    assert view.canvas.figure.xaxis[0].axis_label == "component 1"
    session.select([2, 3])
    view.cutoff.value = 0.5 * view.cutoff.end
    cutoff, shown = view.cutoff.value, session.run
    session.refresh()
    assert session.run is shown  # nothing new
    shutil.copy(second, folder / "snapshots")
    session.refresh()
    assert view.iteration.options == ["newest", "1", "2"]
    assert [group.name for group in view._colouring.groups] == ["0", "1", "2"]
    assert session.selection.tolist() == [2, 3]
    assert view.cutoff.value == cutoff
    shown = session.run
    (folder / "result.h5ad").touch()  # the first file of the result; the last is not there yet
    session.refresh()
    assert session.run is shown


def test_names_are_no_markup(view: CellGraphView, session: Session) -> None:
    session.run.__dict__["obs_names"] = np.array(["<img src=x onerror=alert(1)>"] * 24)
    session.select([0])
    assert "<img" not in view.selected.object
    assert "&lt;img" in view.selected.object


def test_without_a_run_it_says_so() -> None:
    view = CellGraphView(Session())
    panel = view.__panel__()
    assert view._empty.visible
    assert not panel[1][0].visible
    with pytest.raises(InputError, match="no cell graph"):
        view.figure()


def test_a_run_brings_its_cells_edges_and_choices(view: CellGraphView, session: Session) -> None:
    assert view.canvas.sources["cells"].data["cell"][:2] == ["cell 0", "cell 1"]
    assert view.colour_by.options[:3] == [CLUSTER, "labels: kind", GENE_IMPUTED]
    assert "number: depth" in view.colour_by.options
    assert view.iteration.options == ["returned", "1", "2"]
    assert view.canvas.sources["edges"].data["image"][0].any()
    edges = session.run.edges.shape[1]
    assert view.count.object == f"24 cells, {edges} of {edges} edges."


def test_the_cutoff_and_the_switch_hide_edges(view: CellGraphView, session: Session) -> None:
    weights = session.run.weights
    middle = float(np.median(weights))
    view.cutoff.value = middle
    assert view.count.object.startswith(f"24 cells, {(weights >= middle).sum()} of")
    view.edges.value = False
    assert view.canvas.sources["edges"].data["image"][0].size == 1
    assert view.count.object.startswith("24 cells, 0 of")


def test_sliders_reach_the_drawing(view: CellGraphView) -> None:
    before = view.canvas.sources["edges"].data["image"][0]
    view.edgescale.value = 0.25
    view.node_size.value = 11.0
    assert view.canvas.renderers["cells"].glyph.size == 11.0
    assert not np.array_equal(before, view.canvas.sources["edges"].data["image"][0])


def test_colours_by_gene_follow_the_session(view: CellGraphView, session: Session) -> None:
    view.colour_by.value = GENE_IMPUTED
    assert view.gene.visible
    session.gene = "gene 0"
    np.testing.assert_allclose(view.canvas.sources["cells"].data["_value"], session.run.gene("gene 0", imputed=True))
    assert view.key.title == "gene 0, imputed (ln(1 + expression))"
    view.colour_by.value = "labels: kind"
    assert not view.gene.visible
    assert [entry[0] for entry in view.key.entries] == ["B", "T"]


def test_only_a_column_goes_to_the_browser_when_a_colour_changes(view: CellGraphView) -> None:
    names = view.canvas.sources["cells"].data["cell"]
    view.colour_by.value = HIDDEN_ERROR
    assert view.canvas.sources["cells"].data["cell"] is names


def test_isolating_a_group_puts_the_others_in_the_background(view: CellGraphView) -> None:
    view.key.isolated = ["1"]
    shown = view.canvas.sources["cells"].data["values"] > 1
    assert np.flatnonzero(shown).tolist() == list(range(12, 20))
    view.key.isolated = []
    assert (view.canvas.sources["cells"].data["values"] > 1).all()


def test_a_lasso_selects_and_a_selection_is_marked(view: CellGraphView, session: Session) -> None:
    box = SimpleNamespace(final=True, geometry={"type": "rect", "x0": -1, "x1": 2.5, "y0": -1, "y1": 5})
    view.canvas._lassoed(box)
    assert session.selection.tolist() == [0, 1, 2]
    assert view.selected.object == "3 cells selected: cell 0, cell 1, cell 2"
    assert np.flatnonzero(view.canvas.sources["cells"].data["values"] > 1).tolist() == [0, 1, 2]
    table = view.selected_table()
    assert table["cell"].tolist() == ["cell 0", "cell 1", "cell 2"]
    assert table["kind"].tolist() == ["B"] * 3
    session.clear()
    assert (view.canvas.sources["cells"].data["values"] > 1).all()
    assert view._csv.disabled


def test_a_lasso_that_goes_on_does_nothing_yet(view: CellGraphView, session: Session) -> None:
    view.canvas._lassoed(SimpleNamespace(final=False, geometry={"type": "rect", "x0": -1, "x1": 9, "y0": -1, "y1": 9}))
    assert not session.has_selection


def test_another_iteration_keeps_the_places(view: CellGraphView) -> None:
    places = view.canvas.sources["cells"].data["x"]
    view.iteration.value = "1"
    assert [entry[0] for entry in view.key.entries] == ["0", "1"]
    assert np.array_equal(view.canvas.sources["cells"].data["x"], places)
    assert view.own_map.visible
    view.iteration.value = "2"
    assert not view.own_map.visible


def test_many_cells_are_pixels_until_the_view_is_small(view: CellGraphView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_canvas, "MOST_GLYPHS", 10)
    view.canvas.redraw()
    assert view.canvas.is_pixels
    assert len(view.canvas.sources["cells"].data["x"]) == 0
    assert "Zoom in" in view.count.object
    view.canvas.figure.x_range.update(start=-0.5, end=4.5)
    view.canvas.redraw()
    assert view.canvas.sources["cells"].data["cell"] == ["cell 0", "cell 1", "cell 2", "cell 3", "cell 4"]
    assert not view.canvas.is_pixels


def test_long_names_let_fewer_cells_be_drawn_one_by_one(monkeypatch: pytest.MonkeyPatch, view: CellGraphView) -> None:
    monkeypatch.setattr(graph_canvas, "NAMES_BYTES", 100)
    assert view.canvas._most() < 24


def test_another_run_replaces_the_cells(view: CellGraphView, session: Session, made_run: Path) -> None:
    session.select([1])
    session.run = None
    assert view._empty.visible
    assert len(view.canvas.sources["cells"].data["x"]) == 0
    session.run = RunData(made_run)
    assert len(view.canvas.sources["cells"].data["x"]) == 24


def test_dark_changes_colours(view: CellGraphView, session: Session) -> None:
    light = list(view.canvas.renderers["edges"].glyph.color_mapper.palette)
    session.dark = True
    assert view.canvas.renderers["edges"].glyph.color_mapper.palette != light
    assert view.key.dark


def test_an_error_while_drawing_is_said(view: CellGraphView, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, *args: object, **options: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(graph_canvas.EdgeShader, "picture", broken)
    view.canvas.redraw()
    assert (session.notice, session.notice_level) == ("no room", "error")


def test_within_a_lasso() -> None:
    places = np.array([[0.0, 0.0], [2.0, 2.0], [2.0, 0.5]])
    triangle = {"type": "poly", "x": [1, 3, 3], "y": [0, 0, 3]}
    assert within(places, triangle).tolist() == [2]
    assert within(places, {"type": "poly", "x": [1], "y": [0]}).tolist() == []


@pytest.mark.parametrize("kind", ["png", "svg", "html"])
def test_export(view: CellGraphView, kind: str) -> None:
    content = export_figure(view, kind)
    start = {"png": b"\x89PNG", "svg": b"<?xml", "html": b"<!DOCTYPE html>"}[kind]
    assert content.startswith(start)


def test_export_of_a_number(view: CellGraphView) -> None:
    view.colour_by.value = "number: depth"
    assert export_figure(view, "png").startswith(b"\x89PNG")
    with pytest.raises(InputError, match="gif"):
        export_figure(view, "gif")  # type: ignore[arg-type]


def test_colourings() -> None:
    some = by_groups(np.array(["", "b", "a"]), "kind")
    assert some.indices.tolist() == [1, 3, 2]
    assert [(group.name, group.n_cells) for group in some.groups] == [("a", 1), ("b", 1)]
    assert some.isolated(["b"]).final().tolist() == [1, 3, 1]
    assert len(some.palette(dark=True)) == 256
    none = by_numbers(np.full(3, np.nan), "nothing")
    assert none.indices.tolist() == [1, 1, 1]
    assert by_numbers(np.array([2.0, 2.0]), "constant").indices.tolist() == [2, 2]
    assert by_numbers(np.array([0.0, 2.0]), "set", limits=(0.0, 4.0)).indices.tolist() == [2, 128]


def test_every_choice_has_colours(made_run: Path) -> None:
    run = RunData(made_run)
    for choice in choices(run):
        assert len(colouring(run, choice).indices) == 24, choice


def test_another_number_of_clusters_and_how_sure_each_cell_is(made_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leaves = np.repeat(np.arange(4, dtype=np.int32), [12, 6, 2, 4])
    merges = np.array([[1, 2], [1, 3], [0, 1]])
    tree = ClusterTree(leaves, merges, np.array([1.5, 4.0, 3.0]), n_separated=3, n_finer=3)
    monkeypatch.setattr("scgnn2_app.views.cluster_cut.Model.tree_of", lambda folder: tree)
    session, run = Session(), RunData(made_run)
    run.obs["scgnn2_membership"] = np.where(np.arange(24) == 5, 0.1, 1.0)
    session.run = run
    view = CellGraphView(session)
    assert view.cut.n_clusters.value == 3  # the run's own
    assert view.cut.costs.object.index("0 and 1 + 2") < view.cut.costs.object.index("1 and 2<")  # 3.0 before 4.0
    full = view.canvas.sources["cells"].data["values"].copy()
    view.cut.fade.value = True
    faded = view.canvas.sources["cells"].data["values"]
    assert len({full[5], full[6]}) == 1
    assert faded[5] < faded[6]  # of the palette's shades a fainter one
    assert view._colouring is not None
    alpha = [view._colouring.palette(dark=False)[place][7:] for place in faded[5:7]]
    assert int(alpha[0], 16) < int(alpha[1], 16) == 0xFF
    view.cut.n_clusters.value = 4
    assert [entry[2] for entry in view.key.entries] == ["12", "6", "4", "2"]
    assert view.canvas._columns["cluster"].tolist() == view._graph.labels.astype(str).tolist()  # type: ignore[union-attr]
    assert view.cut.fade.disabled
    view.cut.n_clusters.value = 1
    assert [entry[2] for entry in view.key.entries] == ["24"]
    view.iteration.value = "1"
    assert not view.cut._column.visible


def test_a_run_without_a_tree_has_no_slider(view: CellGraphView) -> None:
    assert not view.cut._column.visible

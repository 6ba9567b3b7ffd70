"""The Sankey tab."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from scgnn2_app.charts.colouring import by_groups
from scgnn2_app.exports.figure_files import export_figure
from scgnn2_app.results.label_sets import NO_LABEL, THIS, of_run, together
from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session
from scgnn2_app.views.sankey import NONE, SankeyView
from scgnn2_engine.errors import InputError
from scgnn2_engine.plots import cluster_colours
from scgnn2_engine.plots.style import EDGE, cluster_colour


@pytest.fixture
def session(made_run: Path) -> Session:
    session = Session()
    session.show_folder(made_run)
    return session


@pytest.fixture
def view(session: Session) -> SankeyView:
    return SankeyView(session)


@pytest.fixture
def other(made_run: Path, tmp_path: Path) -> Path:
    """A run whose clusters are turned round and which lacks the first cell."""
    folder = shutil.copytree(made_run, tmp_path / "other")
    rows = (folder / "labels.csv").read_text().splitlines()
    turned = [row.rsplit(",", 1)[0] + f",{9 - int(row.rsplit(',', 1)[1])}" for row in rows[2:]]
    (folder / "labels.csv").write_text("\n".join([rows[0], *turned]) + "\n")
    return folder


def test_the_groupings_of_a_run(made_run: Path) -> None:
    found = of_run(RunData(made_run))
    assert list(found) == [THIS, "labels: kind", "iteration 1", "iteration 2 (returned)"]
    assert found["labels: kind"][-1] == NO_LABEL
    assert found["iteration 1"].tolist() == ["0"] * 12 + ["1"] * 12


def test_labels_beside_clusters_at_first(view: SankeyView) -> None:
    assert [column.value for column in view.columns] == ["labels: kind", THIS, NONE]
    assert view.chart.sources["ribbons"].data["flow"] == [
        "labels: kind (no label) → this run: clusters 2",
        "labels: kind B → this run: clusters 0",
        "labels: kind T → this run: clusters 2",
        "labels: kind T → this run: clusters 1",
    ]


def test_a_click_on_a_ribbon_or_a_bar_selects_its_cells(view: SankeyView, session: Session) -> None:
    view.chart.sources["ribbons"].selected.indices = [2]
    assert session.selection.tolist() == [20, 21]
    view.chart.sources["bars"].selected.indices = [1]
    assert session.selection.tolist() == list(range(12))
    assert view.selected.object == "12 cells selected, in all tabs."


def test_a_ribbon_can_be_chosen_without_a_mouse(view: SankeyView, session: Session) -> None:
    name = next(name for name in view.flow.options if "T → this run: clusters 1" in name)
    view.flow.value = name
    assert session.selection.tolist() == list(range(12, 20))


def test_three_columns(view: SankeyView) -> None:
    view.columns[2].value = "iteration 1"
    assert view.chart.sources["heads"].data["text"] == ["labels: kind", THIS, "iteration 1"]


def test_other_runs_are_matched_by_the_names_of_cells(
    view: SankeyView, session: Session, other: Path, made_run: Path
) -> None:
    view.offer({"turned": other, "itself": made_run})
    assert "run: turned" in view.columns[0].options
    assert "run: itself" not in view.columns[0].options
    view.columns[0].value = "run: turned"
    assert view.chart.figure.title.text == "Flow of 23 cells between groups"
    view.chart.sources["bars"].selected.indices = [view.chart.sources["bars"].data["group"].index("run: turned 9")]
    assert session.selection.tolist() == list(range(1, 12))  # cluster 0 without the cell that the other run lacks


def test_one_grouping_twice_is_refused_in_words(view: SankeyView) -> None:
    view.columns[0].value = THIS
    assert view.chart.figure.title.text == "Choose two different groupings."
    with pytest.raises(InputError):
        view.figure()


def test_runs_of_other_cells_are_refused_in_words(made_run: Path, other: Path) -> None:
    (other / "labels.csv").write_text("cell,cluster\nsomebody,0\n")
    with pytest.raises(InputError, match="no cell in common"):
        together(RunData(made_run), [THIS, "run: b"], {"run: b": other})
    with pytest.raises(InputError, match="no grouping"):
        together(RunData(made_run), [THIS, "nonsense"], {})


def test_without_a_run() -> None:
    view = SankeyView(Session())
    view.__panel__()
    assert view._empty.visible


def test_export(view: SankeyView) -> None:
    assert export_figure(view, "svg").startswith(b"<?xml")


def test_every_cell_is_in_one_ribbon(view: SankeyView) -> None:
    cells = np.concatenate(list(view.flows.values()))
    assert sorted(cells.tolist()) == list(range(24))


def test_groups_have_the_colours_of_the_map(view: SankeyView, session: Session) -> None:
    assert session.run is not None
    run = session.run
    bars = view.chart.sources["bars"].data
    shown = dict(zip(bars["group"], bars["fill"], strict=True))
    clusters = {f"{THIS} {group.name}": group.colour for group in by_groups(run.labels, "").groups}
    labels = {f"labels: kind {group.name}": group.colour for group in by_groups(run.groups["kind"], "").groups}
    assert shown == {**clusters, **labels, "labels: kind (no label)": EDGE}
    assert clusters[f"{THIS} 2"] == cluster_colour(2)
    ribbons = view.chart.sources["ribbons"].data
    assert ribbons["fill"][ribbons["flow"].index("labels: kind T → this run: clusters 1")] == labels["labels: kind T"]


def test_a_group_that_is_not_here_leaves_the_others_their_colours(
    view: SankeyView, session: Session, other: Path
) -> None:
    assert session.run is not None
    rows = (other / "labels.csv").read_text().splitlines()
    (other / "labels.csv").write_text("\n".join([rows[0], *rows[12:]]) + "\n")  # no cell of kind B
    view.offer({"turned": other})
    view.columns[1].value = "run: turned"
    bars = view.chart.sources["bars"].data
    assert "labels: kind B" not in bars["group"]
    assert bars["fill"][bars["group"].index("labels: kind T")] == cluster_colours(["B", "T"])["T"]

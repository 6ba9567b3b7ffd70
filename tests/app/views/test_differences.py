"""Groups, selections and samples compared on the Genes tab."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scgnn2_app.exports.figure_files import export_figure
from scgnn2_app.session import Session
from scgnn2_app.views.differences import EVERY
from scgnn2_app.views.genes import GenesView


@pytest.fixture
def session(made_run: Path) -> Session:
    session = Session()
    session.show_folder(made_run)
    return session


@pytest.fixture
def view(session: Session) -> GenesView:
    view = GenesView(session)
    view.__panel__()
    return view


def test_each_group_has_its_table_and_its_plots(view: GenesView) -> None:
    differences = view.differences
    differences.work()
    assert differences.shown.options == [EVERY, "0", "1", "2"]
    assert not differences._plots[0].visible
    differences.shown.value = "0"
    assert differences._plots[0].visible
    assert differences.charts[0].chart.title == "0 against all other cells"
    assert differences.charts[0].sources["names"].data["text"] == ["gene 0"]
    assert differences.charts[0].chart.mark("higher").label == "higher (1)"
    assert "6 genes of the input" in differences.said.object
    differences.search.value_input = "GENE 3"
    assert differences.table.value["gene"].tolist() == ["gene 3"]
    assert export_figure(differences, "png").startswith(b"\x89PNG")
    view.groups.value = "kind"
    assert differences.found.empty
    assert not differences.table.visible


def test_kept_selections_are_compared_unless_they_share_cells(view: GenesView, session: Session) -> None:
    differences = view.differences
    session.kept_selections["mine"] = np.arange(10)
    session.select([9, 20, 21])
    differences.one.value, differences.other.value = "kept: mine", "selected cells"
    differences.work()
    assert "1 cells are on both sides" in session.notice
    session.select([20, 21])
    differences.work()
    assert set(differences.found["group"]) == {"kept: mine"}
    assert differences._title == "kept: mine against selected cells"
    assert differences.table.value["gene"].iloc[0] == "gene 0"


def test_too_few_samples_are_said(view: GenesView, session: Session) -> None:
    differences = view.differences
    differences.test.value = "samples: kind"
    differences.work()
    assert "compare two sides" in session.notice
    differences.one.value = "0"
    differences.work()
    assert "too few samples" in session.notice
    assert differences.found.empty

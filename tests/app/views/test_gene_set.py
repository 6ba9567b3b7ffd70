"""Several genes at once on the Genes tab."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scgnn2_app.exports.figure_files import export_figure
from scgnn2_app.results.gene_sets import MOST_GENES, in_groups, matched
from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session
from scgnn2_app.views.genes import SET, GenesView
from scgnn2_engine.errors import InputError
from scgnn2_engine.plots.gene_sets import dot_plot


@pytest.fixture
def view(made_run: Path) -> GenesView:
    session = Session()
    session.show_folder(made_run)
    view = GenesView(session)
    view.__panel__()
    return view


def test_a_set_is_scored_and_its_genes_are_drawn_by_group(view: GenesView, made_run: Path) -> None:
    found = in_groups(RunData(made_run), ["gene 0", "gene 1"], np.repeat(["a", "b"], 12))
    values = np.stack([RunData(made_run).gene(f"gene {i}") for i in (0, 1)])
    standard = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    np.testing.assert_allclose(found.scores["observed"], standard.mean(axis=0), atol=1e-6)
    assert found.shares.tolist() == [[1.0, 0.0], [1.0, 1.0]]
    np.testing.assert_allclose(found.levels["observed"][0], [np.log(6) / (np.log(6) + 0.5), 0], rtol=1e-5)
    view.set.text.value = "gene_0\nGENE"
    view.set.work()
    assert "Not among the genes: gene_0 (nearest: gene 0" in view._session.notice
    view._session.run.__dict__["genes"] = {"A": 0, "B": 1}  # names without spaces
    view.set.text.value = "a; B, NOTHING"
    view.set.work()
    assert view._title == SET
    assert view.note.object.startswith("Score: mean over the genes")
    assert view.set.said.object == "2 genes. Not among the genes: NOTHING."
    assert view.violins.figure.title.text.startswith("set of genes by predicted cluster")
    assert view.set.charts[0].chart.y_ticks == {1.5: "A", 0.5: "B"}
    assert export_figure(view.set, "png").startswith(b"\x89PNG")
    view.split.value = "kind"
    assert view.violins.sources["violins"].data["group"][:2] == ["0, B", "0, B"]
    view._session.gene = "A"
    assert view.set.shown is None
    assert view._title == "A"


def test_what_is_no_set_is_said() -> None:
    genes = {f"G{number}": number for number in range(MOST_GENES + 1)}
    with pytest.raises(InputError, match="at most 100"):
        matched(" ".join(genes), genes)
    with pytest.raises(InputError, match="no gene in the list"):
        matched("# a remark\n", genes)
    assert matched("# a remark\ng1,G1,G2", genes) == (["G1", "G2"], "")


def test_dots_of_genes_that_no_cell_shows_are_not_there() -> None:
    drawn = dot_plot(np.array([[0.0, 1.0]]), np.array([[0.0, 0.5]]), ["A"], ["x", "y"], title="")
    assert [len(mark.x) for mark in drawn.marks] == [0, 0, 1, 0, 0]

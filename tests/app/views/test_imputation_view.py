"""The Imputation tab."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scgnn2_app.charts.heatmap_pictures import AFTER, BEFORE, DIFFERENCE, HIDDEN, kinds, pictures
from scgnn2_app.exports.figure_files import export_figure
from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session
from scgnn2_app.views.gene_picker import GenePicker
from scgnn2_app.views.imputation import EVERY, ImputationView
from scgnn2_engine.errors import InputError
from scgnn2_engine.plots.blocks import block_means, blocks
from scgnn2_engine.plots.heatmap import row_ticks


@pytest.fixture
def session(made_run: Path) -> Session:
    session = Session()
    session.show_folder(made_run)
    return session


@pytest.fixture
def view(session: Session) -> ImputationView:
    return ImputationView(session)


def test_pictures_of_known_values(made_run: Path) -> None:
    run = RunData(made_run)
    assert kinds(run) == [HIDDEN, DIFFERENCE, BEFORE, AFTER]
    found = pictures(run)
    values = {kind: chart.mark("blocks").values for kind, chart in found.items()}
    np.testing.assert_allclose(values[DIFFERENCE], 0.5, rtol=1e-5)
    np.testing.assert_allclose(values[AFTER], values[BEFORE] + 0.5, rtol=1e-5)
    assert found[BEFORE].scale == replace(found[AFTER].scale, title="observed, ln(1 + expression)")
    assert found[BEFORE].mark("blocks").rows == ["0"] * 12 + ["1"] * 8 + ["2"] * 4
    hidden = values[HIDDEN]
    np.testing.assert_allclose(hidden[np.isfinite(hidden)], 0.5, rtol=1e-5)
    assert np.isnan(hidden).any()


def test_blocks_keep_the_mean_whatever_their_size() -> None:
    rng = np.random.default_rng(0)
    table, labels = rng.random((50, 30)), rng.integers(0, 3, 50)
    where = blocks(labels, rng.permutation(30), max_rows=13, max_columns=7)
    means = block_means(lambda cells: table[cells], where, at_once=7)
    assert where.n_rows <= 13
    assert where.n_columns <= 7
    sizes = np.outer(np.bincount(where.row_of), np.bincount(where.column_of))
    assert np.average(means, weights=sizes) == pytest.approx(table.mean(), rel=1e-5)


def test_ticks_of_small_clusters_do_not_overlap() -> None:
    ticks, borders = row_ticks(np.array(["0"] * 96 + ["1", "2", "3", "3"]))
    assert ticks == {52.0: "0", 1.0: "3"}
    assert borders == [4.0, 3.0, 2.0]
    assert row_ticks(np.array([], dtype=str)) == ({}, [])


def test_it_shows_the_error_at_hidden_entries_first(view: ImputationView) -> None:
    assert view.picture.value == HIDDEN
    assert view.heatmap.figure.title.text == "Error at hidden entries: 24 cells × 6 genes"
    assert "benchmark hid" in view.note.object
    view.picture.value = AFTER
    assert view.heatmap.figure.title.text.startswith("After imputation")
    assert view.heatmap.sources["blocks"].data["image"][0].dtype == np.uint8


def test_it_says_what_the_imputed_expression_is(view: ImputationView, session: Session) -> None:
    assert "to expect" not in view.note.object
    assert session.run is not None
    session.run.__dict__["imputed_is_expected"] = True
    view._show_picture()
    assert "the value of a gene where it is seen (output value)" in view.note.object
    view.picture.value = AFTER
    assert "what to expect of a gene, zeros included" in view.note.object


def test_hidden_against_imputed_of_a_gene_of_all_and_of_selected_cells(view: ImputationView, session: Session) -> None:
    session.gene = "gene 0"
    true, imputed, cells = view.hidden()
    assert cells.tolist() == [0, 1]
    np.testing.assert_allclose(true, np.log(6), rtol=1e-6)
    np.testing.assert_allclose(imputed, true + 0.5, rtol=1e-6)
    assert view.scatter.figure.title.text == "gene 0: 2 hidden entries,\nmedian |error| 0.5"
    view.of.value = EVERY
    assert len(view.scatter.sources["entries"].data["x"]) == 3
    session.select([20])
    assert view.scatter.sources["entries"].data["cell"] == ["cell 20"]
    session.clear()
    view.of.value = "this gene"
    session.gene = "gene 5"
    assert view.scatter.figure.title.text == "gene 5: no hidden entries"


def test_baselines_stand_beside(view: ImputationView) -> None:
    assert "kNN" in view.scores.object
    assert "0.25" in view.scores.object


def test_without_a_run() -> None:
    view = ImputationView(Session())
    view.__panel__()
    assert view._empty.visible
    with pytest.raises(InputError, match="no imputation"):
        view.figure()


@pytest.mark.parametrize("kind", ["png", "html"])
def test_export(view: ImputationView, session: Session, kind: str) -> None:
    session.gene = "gene 0"
    assert len(export_figure(view, kind)) > 5000  # type: ignore[arg-type]


def divided_by(folder: Path, gene: int) -> RunData:
    """The run with clusters by whether a gene is large."""
    run = RunData(folder)
    run.__dict__["labels"] = (run.expression[:, gene] > 2).astype(np.int64)
    return run


def test_it_opens_with_the_gene_that_tells_the_clusters_apart(made_run: Path) -> None:
    session = Session()
    view, other = ImputationView(session), GenePicker(session)
    session.run = divided_by(made_run, 3)
    assert session.gene == view.gene.field.value == other.field.value == "gene 3"
    assert view.scatter.figure.title.text.startswith("gene 3: ")
    session.run = divided_by(made_run, 4)
    assert session.gene == "gene 4"
    other.field.value = "gene 1"
    session.run = divided_by(made_run, 3)
    assert session.gene == view.gene.field.value == "gene 1"

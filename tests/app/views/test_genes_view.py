"""The Genes tab."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_app.exports.figure_files import export_figure
from scgnn2_app.patches.material_search import MOST_FOUND, CappedSearch
from scgnn2_app.session import Session
from scgnn2_app.views.differences import FORMATS
from scgnn2_app.views.genes import SELECTED, GenesView
from scgnn2_engine.errors import InputError
from scgnn2_engine.plots.maps import density, violins


@pytest.fixture
def session(made_run: Path) -> Session:
    session = Session()
    session.show_folder(made_run)
    return session


@pytest.fixture
def view(session: Session) -> GenesView:
    return GenesView(session)


def test_a_gene_is_chosen_from_the_start_and_shared(view: GenesView, session: Session) -> None:
    assert session.gene == "gene 0"
    view.gene.field.value = "gene 3"
    assert session.gene == "gene 3"
    session.gene = "gene 1"
    assert view.gene.field.value == "gene 1"


def test_it_says_what_the_imputed_expression_is(view: GenesView, session: Session) -> None:
    assert "to expect of a gene" not in view.note.object
    assert session.run is not None
    session.run.__dict__["imputed_is_expected"] = True
    session.gene = "gene 1"
    assert "what to expect of a gene" in view.note.object


def test_both_maps_have_one_scale_of_colours(view: GenesView, session: Session) -> None:
    left, right = (canvas.sources["cells"].data for canvas in view.maps)
    np.testing.assert_allclose(right["_value"], left["_value"] + 0.5, rtol=1e-6)
    assert left["values"][0] < right["values"][0]
    assert view.key.high == f"{np.quantile(np.concatenate([left['_value'], right['_value']]), 0.99):.3g}"


def test_violins_by_cluster_have_both_halves(view: GenesView) -> None:
    data = view.violins.sources["violins"].data
    assert data["group"] == ["0", "0", "1", "1", "2", "2"]
    assert data["values"] == ["observed", "imputed"] * 3
    assert data["cells"] == [12, 12, 8, 8, 4, 4]
    np.testing.assert_allclose(data["median"], [np.log(6), np.log(6) + 0.5, 0, 0.5, 0, 0.5], rtol=1e-5)


def test_selected_cells_against_the_rest(view: GenesView, session: Session) -> None:
    view.groups.value = SELECTED
    assert view.violins.figure.title.text.startswith("No cells are selected")
    session.select([0, 1, 2])
    assert view.violins.sources["violins"].data["cells"] == [3, 3, 21, 21]
    differences = view.differences
    differences.one.value, differences.other.value = "selected cells", "the rest"
    differences.work()
    assert set(differences.found["group"]) == {"selected cells"}
    assert differences.table.value["gene"].iloc[0] == "gene 0"


def test_markers_and_a_click_on_one(view: GenesView, session: Session) -> None:
    view.differences.work()
    table = view.differences.table.value
    assert table[table["group"] == "0"]["gene"].iloc[0] == "gene 0"
    session.gene = "gene 4"
    view.differences._clicked(type("Click", (), {"row": 0})())
    assert session.gene == "gene 0"


def test_the_table_of_markers_is_sorted_by_numbers(view: GenesView) -> None:
    view.differences.work()
    table = view.differences.table
    assert {str(table.value[name].dtype) for name in FORMATS} == {"float64"}
    table.sorters = [{"field": "p adjusted", "dir": "asc"}]
    view.differences.work()
    assert table.sorters == []


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix, sp.csc_matrix])
def test_genes_that_were_not_kept_are_observed_and_mark_groups(made_run: Path, tmp_path: Path, form: Any) -> None:
    folder = shutil.copytree(made_run, tmp_path / "run")
    kept = anndata.read_h5ad(folder / "result.h5ad")
    names = [*kept.var_names[:2], "FOXP3", *kept.var_names[2:]]
    everything = np.insert(np.asarray(kept.X), 2, np.where(kept.obs["scgnn2_cluster"].astype(int) == 2, 9, 0), axis=1)
    kept.raw = anndata.AnnData(form(everything), obs=kept.obs[[]], var=pd.DataFrame(index=names))
    (folder / "clustering_embedding.csv").unlink()  # a run of an earlier version
    kept.write_h5ad(folder / "result.h5ad")
    session = Session()
    session.show_folder(folder)
    view = GenesView(session)
    run = session.run
    assert run is not None
    assert view.gene.field.options == [*run.var_names, "FOXP3"]
    assert view.gene.field.helper_text == "one of the 6 genes kept or 1 others"
    view.gene.field.value = "FOXP3"
    np.testing.assert_allclose(run.gene("FOXP3"), np.where(run.labels == 2, np.log(10), 0), rtol=1e-6)
    assert "not among the 6 genes that the run kept, so it was not imputed" in view.note.object
    left, right = (canvas.sources["cells"].data for canvas in view.maps)
    np.testing.assert_allclose(left["_value"], run.gene("FOXP3"))
    assert np.isnan(right["_value"]).all()
    assert view.violins.sources["violins"].data["values"] == ["observed"] * 3
    with pytest.raises(InputError, match="was not imputed"):
        run.gene("FOXP3", imputed=True)
    view.differences.work()
    table = view.differences.table.value
    assert table[table["group"] == "2"]["gene"].iloc[0] == "FOXP3"
    assert len(export_figure(view, "html")) > 5000


def test_a_gene_that_was_not_kept_is_told_by_what_the_run_learned(made_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made_run, tmp_path / "run")
    kept = anndata.read_h5ad(folder / "result.h5ad")
    names = [*kept.var_names, "FOXP3"]
    of_two = kept.obs["scgnn2_cluster"].astype(int).to_numpy() == 2
    everything = np.column_stack([np.asarray(kept.X), np.where(of_two, [9, 3] * (kept.n_obs // 2), 0)])
    kept.raw = anndata.AnnData(everything, obs=kept.obs[[]], var=pd.DataFrame(index=names))
    kept.write_h5ad(folder / "result.h5ad")
    scores = pd.DataFrame({"cell": kept.obs_names, "0": of_two * 2.0, "1": np.linspace(0, 0.1, kept.n_obs)})
    scores.to_csv(folder / "clustering_embedding.csv", index=False)
    session = Session()
    session.show_folder(folder)
    view, run = GenesView(session), session.run
    assert run is not None
    view.gene.field.value = "FOXP3"
    told = run.gene("FOXP3", imputed=True)
    assert told[of_two].min() > 1 > told[~of_two].max()
    assert np.ptp(told[of_two]) < np.ptp(run.gene("FOXP3")[of_two])
    np.testing.assert_allclose(view.maps[1].sources["cells"].data["_value"], told)
    assert "told by a regression on what was learned" in view.note.object


def test_a_search_shows_a_hundred_names_and_those_first_that_begin_so() -> None:
    field = CappedSearch(options=[f"RP11-{i}" for i in range(500)] + ["RPS2", "CRP", "RP1"], case_sensitive=False)
    found = field._filter_options("rp")
    assert len(found) == MOST_FOUND
    assert found[:2] == ["RP1", "RPS2"]
    assert CappedSearch(options=["CRP", "RP1"], search_strategy="includes")._filter_options("RP") == ["RP1", "CRP"]


def test_the_warning_about_imputed_values_is_there(view: GenesView) -> None:
    import panel_material_ui as pmui

    warnings = [part for part in view.__panel__() if isinstance(part, pmui.Alert)]
    assert ["not valid" in part.objects[0].object for part in warnings] == [True]


def test_labels_make_the_groups_too(view: GenesView) -> None:
    view.groups.value = "kind"
    assert set(view.violins.sources["violins"].data["group"]) == {"B", "T", "(no label)"}


def test_without_a_run() -> None:
    view = GenesView(Session())
    view.__panel__()
    assert view._empty.visible
    view.differences.work()


def test_a_density_adds_up_and_peaks_where_the_values_are() -> None:
    grid, heights = density(np.r_[np.zeros(50), np.full(50, 4.0)], 0.0, 4.0)
    assert heights.sum() == pytest.approx(1.0)
    assert heights[len(grid) // 2] < heights[0]
    assert density(np.array([np.nan]), 0.0, 1.0)[1].sum() == 0


def test_export(view: GenesView) -> None:
    assert export_figure(view, "png").startswith(b"\x89PNG")


def test_the_axis_of_the_violins_is_named_and_level_where_names_are_short(view: GenesView) -> None:
    axis = view.violins.figure.xaxis[0]
    assert axis.axis_label == "predicted cluster"
    assert axis.major_label_orientation == "horizontal"
    names = np.array([f"a long name of a type of cell, {number}" for number in range(8)])
    view.violins.show(violins({"observed": np.arange(8.0)}, names, title="", grouping="kind"))
    assert axis.axis_label == "kind"
    assert axis.major_label_orientation == 0.5

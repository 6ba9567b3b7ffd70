"""New cells on a trained model: what they get, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pytest
import scipy.sparse as sp

import scgnn2_engine as sc2
from scgnn2_engine import Dataset, RunParams
from scgnn2_engine.cli import main
from scgnn2_engine.data.matrices import most_frequent
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.graph.components import Basis, principal_components
from scgnn2_engine.model.mapping import MappedCells

QUICK = {
    "total_epoch": 1, "feature_AE_epoch": [40, 40], "graph_AE_epoch": 2, "cluster_AE_epoch": 3, "device": "cpu",
    "threads": 1, "evaluate_baselines": False, "evaluate_diagnostics": False, "clustering_method": "KMeans",
}  # fmt: skip
N_GENES = 90


def cells(types: list[int], seed: int, depth: float = 1.0) -> Dataset:
    """Counts of cells of up to three types, each with thirty genes of its own."""
    rng = np.random.default_rng(seed)
    rates = np.full((len(types), N_GENES), 0.3)
    for row, kind in enumerate(types):
        rates[row, 30 * kind : 30 * kind + 30] = 4
    counts = rng.poisson(rates * depth * rng.uniform(0.7, 1.4, (len(types), 1))).astype(np.float32)
    names = np.array([f"cell_{seed}_{row}" for row in range(len(types))])
    return Dataset(sp.csr_matrix(counts), names, np.array([f"Gene{gene}" for gene in range(N_GENES)]), "counts")


@pytest.fixture(scope="module")
def trained():
    return sc2.fit(cells([0] * 60 + [1] * 60, 0), RunParams(**QUICK))


@pytest.fixture(scope="module")
def model(trained):
    return trained.model


def clusters_of(model: sc2.Model) -> tuple[int, int]:
    """The clusters of the two types."""
    first, second = model.labels[:60], model.labels[60:]
    assert len(set(first.tolist())) == len(set(second.tolist())) == 1
    return int(first[0]), int(second[0])


def test_new_cells_go_to_their_type_whatever_their_depth_and_the_order_of_genes(model: sc2.Model) -> None:
    a, b = clusters_of(model)
    new = cells([0] * 40 + [1] * 40, 1, depth=0.5)
    order = np.random.default_rng(0).permutation(N_GENES)
    shuffled = replace(new, expression=new.expression[:, order], var_names=new.var_names[order])
    mapped, again = model.map(new), model.map(shuffled)
    assert mapped.labels.tolist() == [a] * 40 + [b] * 40
    assert mapped.confidence.tolist() == [1.0] * 80
    assert abs(np.median(mapped.size_factors) - 0.5) < 0.1
    assert mapped.neighbours.max() < 120
    np.testing.assert_allclose(again.matrices["imputed"][:5], mapped.matrices["imputed"][:5], rtol=1e-5)
    value = mapped.matrices["value"][:]
    assert value[:40, :30].mean() > 2 * value[:40, 30:].mean()


def test_the_cells_it_was_trained_on_get_back_what_the_run_said(trained, model: sc2.Model) -> None:
    mapped = model.map(cells([0] * 60 + [1] * 60, 0))
    np.testing.assert_allclose(mapped.size_factors, model.size_factors, rtol=0.2)  # entries were held out of the run's
    assert (mapped.labels == model.labels).mean() > 0.98
    before, now = trained.outputs["value"], np.asarray(mapped.matrices["value"])
    assert np.corrcoef(before.ravel(), now.ravel())[0, 1] > 0.98


def test_a_type_that_was_not_there_is_unknown_and_the_others_are_not(model: sc2.Model) -> None:
    mapped = model.map(cells([0] * 60 + [1] * 60 + [2] * 40, 2))
    assert mapped.unknown[120:].mean() > 0.9
    assert mapped.unknown[:120].mean() <= 0.05
    assert mapped.table()["scgnn2_cluster"].iloc[-1] == "unknown"
    assert "are unlike all cells of the model" in mapped.warnings[-1]


def test_missing_genes_are_imputed_up_to_a_limit(model: sc2.Model) -> None:
    a, b = clusters_of(model)
    new = cells([0] * 40 + [1] * 40, 3)
    kept = np.arange(N_GENES) % 5 > 0  # a fifth is missing
    some = replace(new, expression=new.expression[:, kept], var_names=new.var_names[kept])
    mapped = model.map(some)
    assert mapped.labels.tolist() == [a] * 40 + [b] * 40
    assert any(note.startswith("18 of the model's 90 genes are missing (Gene0, Gene5,") for note in mapped.notes)
    value = np.asarray(mapped.matrices["value"])
    assert value[:40, 0].mean() > 2 * value[40:, 0].mean()  # Gene0 of the first type, from the others
    half = replace(new, expression=new.expression[:, ::2], var_names=new.var_names[::2])
    with pytest.raises(InputError, match=r"at least 70% of its 90 genes.*Found: 45 of them"):
        model.map(half)
    with pytest.raises(InputError, match="another species"):
        model.map(replace(new, var_names=np.char.upper(new.var_names)))


def test_identifiers_are_matched_where_names_are_not(model: sc2.Model) -> None:
    new = cells([0] * 3, 4)
    adata = anndata.AnnData(new.expression)
    adata.var["gene_ids"] = new.var_names
    adata.var_names = [f"symbol{gene}" for gene in range(N_GENES)]
    assert model.map(adata).nearest.tolist() == [clusters_of(model)[0]] * 3


def test_one_cell_and_an_empty_one(model: sc2.Model) -> None:
    new = cells([1], 5)
    assert model.map(new).labels.tolist() == [clusters_of(model)[1]]
    empty = replace(new, expression=sp.csr_matrix((1, N_GENES), dtype=np.float32))
    mapped = model.map(empty)
    assert mapped.unknown.tolist() == [True]
    assert np.isfinite(mapped.matrices["imputed"][:]).all()
    (said,) = mapped.warnings
    assert "express none of the model's genes" in said
    assert not any("the filter decides" in note for note in mapped.notes)


def test_another_scale_is_brought_to_that_of_the_model_or_refused(model: sc2.Model) -> None:
    new = cells([0] * 30 + [1] * 30, 6)
    totals = np.asarray(new.expression.sum(axis=1))
    logged = replace(new, expression=sp.csr_matrix(new.expression.multiply(1e4 / totals)).log1p(), scale="logged")
    with pytest.raises(InputError, match="counts values, as the model was trained on"):
        model.map(logged)
    of_logged = sc2.fit(logged, RunParams(**QUICK)).model
    direct, counts = of_logged.map(logged), of_logged.map(new)
    assert counts.labels.tolist() == direct.labels.tolist()
    assert any("brought to the total" in note for note in counts.notes)
    other = replace(logged, expression=sp.csr_matrix(logged.expression.expm1() / 10).log1p())
    assert of_logged.map(other).labels.tolist() == direct.labels.tolist()


def test_a_model_without_its_data_or_of_another_method_maps_nothing(model: sc2.Model, tmp_path: Path) -> None:
    model.save(tmp_path)
    with pytest.raises(InputError, match=r"Model\.of_run"):
        sc2.Model.load(tmp_path).map(cells([0], 0))
    published = sc2.fit(cells([0] * 20 + [1] * 20, 0), RunParams(preset="paper", total_epoch=1, feature_AE_epoch=[2, 2],
                        run_LTMG=False, graph_AE_epoch=2, cluster_AE_epoch=2, device="cpu"))  # fmt: skip
    with pytest.raises(ParameterError, match="feature_AE_objective = denoise"):
        published.model.map(cells([0], 0))


def test_the_command_writes_clusters_a_map_and_the_imputed_expression(trained, tmp_path: Path, capsys) -> None:
    run, new = tmp_path / "run", tmp_path / "new.h5ad"
    sc2.write(replace(trained, umap=np.eye(120, 2, dtype=np.float32)), run, params=RunParams(**QUICK))
    data = cells([0] * 5 + [1] * 5, 7)
    adata = anndata.AnnData(data.expression)
    adata.obs_names, adata.var_names = data.obs_names.astype(object), data.var_names.astype(object)
    adata.write_h5ad(new)
    assert main(["map", str(run), str(new), "--output", str(tmp_path / "mapped.h5ad")]) == 0
    mapped = anndata.read_h5ad(tmp_path / "mapped.h5ad")
    assert mapped.shape == (10, N_GENES)
    assert mapped.obsm["X_scgnn2_umap"].shape == (10, 2)
    assert set(mapped.obs.columns) == {
        "scgnn2_cluster", "scgnn2_nearest_cluster", "scgnn2_confidence", "scgnn2_mean_distance"
    }  # fmt: skip
    assert "Cells by cluster: " in capsys.readouterr().out
    assert main(["map", str(run), str(new), "--output", str(tmp_path / "mapped.h5ad")]) == 4  # it is there already
    assert main(["map", str(tmp_path), str(new), "--overwrite"]) == 3
    assert main(["map", str(run), str(new), "--output", str(tmp_path / "mapped.csv")]) == 2


def test_places_lie_between_those_of_the_neighbours() -> None:
    empty = np.zeros(1)
    mapped = MappedCells(
        obs_names=empty, var_names=empty, embedding=empty, neighbours=np.array([[0, 2]]),
        distances=np.array([[1.0, 3.0]], np.float32), nearest=empty, confidence=empty, unknown=empty,
        size_factors=empty, expression=empty, outputs=dict,
    )  # fmt: skip
    np.testing.assert_allclose(mapped.place(np.array([[0.0, 0.0], [9.0, 9.0], [4.0, 8.0]])), [[1.0, 2.0]])


def test_a_basis_gives_the_cells_it_was_made_of_their_components() -> None:
    values = np.random.default_rng(0).random((30, 12), np.float32)
    np.testing.assert_allclose(Basis.of(values, 3).scores(values), principal_components(values, 3), atol=1e-5)
    assert most_frequent(np.array([[2, 2, 1]])).tolist() == [2]

"""A run on an AnnData as scanpy's tools are called, and what scanpy makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp

import scgnn2
from scgnn2_engine.errors import InputError, ParameterError

QUICK = {"total_epoch": 1, "feature_AE_epoch": [3, 3], "cluster_AE_epoch": 1, "graph_AE_epoch": 3, "device": "cpu"}


@pytest.fixture
def adata() -> anndata.AnnData:
    data = scgnn2.simulate(n_obs=80, n_vars=60, n_types=2, seed=0)
    obs_names, var_names = data.obs_names.astype(object), data.var_names.astype(object)
    adata = anndata.AnnData(sp.csr_matrix(data.expression))
    adata.obs_names, adata.var_names = obs_names, var_names
    return adata


def test_results_stand_beside_the_cells_and_scanpy_goes_on_with_them(adata: anndata.AnnData, tmp_path: Path) -> None:
    counts = adata.X.copy()
    groups = {"clustering_method": "KMeans"}
    assert scgnn2.tl.scgnn2(adata, outputs=["imputed", "value"], model_dir=tmp_path, **groups, **QUICK) is None
    assert (counts != adata.X).nnz == 0
    assert sorted(adata.layers) == ["scgnn2_imputed", "scgnn2_value"]
    assert sorted(adata.obsm) == ["X_scgnn2", "X_scgnn2_feature", "X_scgnn2_graph"]
    assert json.loads(adata.uns["scgnn2"]["run"])["seed"] == 0
    graph, lengths = adata.obsp["scgnn2_connectivities"], adata.obsp["scgnn2_distances"]
    assert (abs(graph - graph.T) > 0).nnz == 0
    assert set(np.diff(lengths.indptr)) == {adata.uns["scgnn2"]["params"]["n_neighbors"] - 1}
    assert (tmp_path / "model.npz").exists()

    sc.tl.umap(adata, neighbors_key="scgnn2")
    sc.tl.leiden(adata, neighbors_key="scgnn2", flavor="igraph", n_iterations=2, directed=False)
    sc.tl.rank_genes_groups(adata, "scgnn2_cluster", layer="scgnn2_imputed")
    assert adata.obsm["X_umap"].shape == (80, 2)
    assert len(scgnn2.pl.cell_graph(adata).axes) == 1
    assert len(scgnn2.pl.sankey(adata, ["leiden", "scgnn2_cluster"]).axes) == 1
    adata.write_h5ad(tmp_path / "all.h5ad")
    again = anndata.read_h5ad(tmp_path / "all.h5ad")
    assert again.uns["scgnn2"]["params"]["use_rep"] == "X_scgnn2"


def test_a_copy_leaves_the_original_and_the_same_seed_gives_the_same_bytes(adata: anndata.AnnData) -> None:
    first, second = (scgnn2.tl.scgnn2(adata, copy=True, key_added="run", random_state=3, **QUICK) for _ in range(2))
    assert not adata.layers
    assert not adata.uns
    assert first.layers["run_imputed"].tobytes() == second.layers["run_imputed"].tobytes()
    assert first.obs["run_cluster"].equals(second.obs["run_cluster"])


def test_a_backed_copy_comes_into_memory_and_of_value_and_expected_one_is_the_imputed(
    adata: anndata.AnnData, tmp_path: Path
) -> None:
    adata.write_h5ad(tmp_path / "own.h5ad")
    backed = anndata.read_h5ad(tmp_path / "own.h5ad", backed="r")
    found = scgnn2.tl.scgnn2(backed, copy=True, outputs=["imputed", "value", "expected"], **QUICK)
    backed.file.close()
    imputed, value, expected = (found.layers[f"scgnn2_{name}"] for name in ("imputed", "value", "expected"))
    same = [np.array_equal(imputed, other, equal_nan=True) for other in (value, expected)]
    assert sorted(same) == [False, True]
    assert scgnn2.tl.scgnn2(adata, copy=True, outputs="imputed", **QUICK).layers.keys() == {"scgnn2_imputed"}


def test_genes_that_were_not_trained_on_and_cells_that_were_dropped_are_empty(adata: anndata.AnnData) -> None:
    adata.X = sp.csr_matrix(adata.X.toarray() * (np.arange(80) > 0)[:, None])  # the first cell is empty
    named = (np.arange(60) >= 20) & (np.asarray(adata.X.sum(axis=0)).ravel() > 0)
    adata.var["highly_variable"] = named
    kept = scgnn2.tl.scgnn2(adata, copy=True, **QUICK)
    assert kept.var["scgnn2_trained"].tolist() == named.tolist()
    assert np.isnan(kept.layers["scgnn2_imputed"]).tolist() == [(~named).tolist()] * 80
    assert kept.obs["scgnn2_cluster"].notna().all()
    dropped = scgnn2.tl.scgnn2(adata, copy=True, use_highly_variable=False, preprocess_cell_cutoff=0.9, **QUICK)
    assert dropped.obs["scgnn2_cluster"].isna().tolist() == [True] + [False] * 79
    assert np.isnan(dropped.layers["scgnn2_imputed"][0]).all()
    assert dropped.obsp["scgnn2_connectivities"][[0]].nnz == 0
    assert np.isfinite(dropped.obsm["X_scgnn2"][1:]).all()


def test_the_layer_that_is_named_is_read_and_counts_before_x(adata: anndata.AnnData) -> None:
    adata.layers["counts"] = adata.X.copy()
    counts = scgnn2.tl.scgnn2(adata, copy=True, **QUICK)
    adata.X = sp.csr_matrix(np.log1p(adata.X.toarray()))
    assert scgnn2.tl.scgnn2(adata, copy=True, **QUICK).obs["scgnn2_cluster"].equals(counts.obs["scgnn2_cluster"])
    logged = scgnn2.tl.scgnn2(adata, copy=True, layer="X", **QUICK)
    assert not np.array_equal(logged.layers["scgnn2_imputed"], counts.layers["scgnn2_imputed"])


def test_batches_are_declared_as_in_other_tools(adata: anndata.AnnData) -> None:
    adata.obs["donor"], adata.obs["lane"] = ["a", "b"] * 40, ["1"] * 40 + ["2"] * 40
    found = scgnn2.tl.scgnn2(adata, copy=True, batch_key=["donor", "lane"], **QUICK)
    assert json.loads(found.uns["scgnn2"]["run"])["params"]["load_batch_key"] == "donor,lane"
    with pytest.raises(InputError, match="donr"):
        scgnn2.tl.scgnn2(adata, batch_key="donr", **QUICK)


def test_what_cannot_be_done_is_refused_and_nothing_is_written(adata: anndata.AnnData) -> None:
    with pytest.raises(ParameterError, match="seed is given by random_state"):
        scgnn2.tl.scgnn2(adata, seed=2)
    for name in ("a/b", "", None):
        with pytest.raises(ParameterError, match="key_added cannot begin"):
            scgnn2.tl.scgnn2(adata, key_added=name, **QUICK)
    with pytest.raises(ParameterError, match="no output mean"):
        scgnn2.tl.scgnn2(adata, outputs=["mean"], **QUICK)
    with pytest.raises(InputError, match=r"adata\.raw\.to_adata"):
        scgnn2.tl.scgnn2(adata, layer="raw", **QUICK)
    with pytest.raises(InputError, match="layer"):
        scgnn2.tl.scgnn2(adata, layer="spliced", **QUICK)
    with pytest.raises(InputError, match="gene_column variable is not there"):
        scgnn2.tl.scgnn2(adata, use_highly_variable="variable", **QUICK)
    adata.obs_names = ["cell"] * 80
    with pytest.raises(InputError, match="obs_names_make_unique"):
        scgnn2.tl.scgnn2(adata, **QUICK)
    assert not adata.layers
    assert not adata.obsm
    with pytest.raises(InputError, match=r"There is no obsm\['X_umap'\]"):
        scgnn2.pl.cell_graph(adata)


def test_the_package_has_the_engines_names() -> None:
    assert scgnn2.fit is scgnn2.__getattr__("fit")
    assert {"tl", "pl", "fit", "Model"} <= set(scgnn2.__all__) & set(dir(scgnn2))

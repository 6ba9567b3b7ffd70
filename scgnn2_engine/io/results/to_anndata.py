"""A result as AnnData: the slots of ``result.h5ad``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.clusters.tree import pair_tests
from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.io.results.records import json_text
from scgnn2_engine.io.results.result_tables import evaluation_frames
from scgnn2_engine.io.storage.storable import Said
from scgnn2_engine.io.storage.storing import stored_parts
from scgnn2_engine.results.result import Result

if TYPE_CHECKING:
    from anndata import AnnData


_NOT_SCORES = ("selected", "iteration", "seconds")


def result_to_anndata(result: Result, answers: Collection[str] | None = None) -> AnnData:
    """Put a result beside the expression it came from.

    Parameters
    ----------
    result
        A finished run.
    answers
        Names of its ``matrices`` that become layers; by default all.

    Returns
    -------
    AnnData
        (n_obs, n_vars), kept cells and genes. ``X``: the observed expression as given, sparse where it came sparse;
        ``layers["counts"]``: the same where it is counts; ``layers["scgnn2_imputed"]``: ln(1 + imputed expression);
        with objective denoise also ``scgnn2_value`` or ``scgnn2_expected``, ``scgnn2_zeros_kept`` and for UMI counts
        ``scgnn2_rate``, with batches ``scgnn2_corrected`` (:attr:`Result.matrices`);
        ``raw``: the same with all genes of the input, where more of them came in than were kept;
        ``obsm["X_scgnn2_feature"]``, ``obsm["X_scgnn2_graph"]``, and ``obsm["X_scgnn2_umap"]`` where there is a map;
        ``obsp["scgnn2_connectivities"]``: symmetric edge weights; ``obs["scgnn2_cluster"]``: categorical;
        ``obs["scgnn2_<score>"]``: the scores of the selected iteration, the same for every cell, so that they outlive
        the merging of several results;
        ``varm["scgnn2_bulk_profiles"]``, where there was bulk expression: the profile of every cluster (column) on the
        ln(1 + x) scale, NaN for genes that the bulk data lacks;
        what came with the input: ``obs``, ``var``, ``obsm``;
        ``uns["scgnn2"]``: the run record (JSON text ``run``), ``metrics`` and ``selected_iteration``;
        ``hidden_positions`` and ``held_out_positions``, where there are: (2, n) cells and genes of the entries that the
        training did not see; ``size_factors``; ``evaluation``, ``evaluation_clusters`` and ``diagnostics``: the tables
        of those names, where the run was evaluated.

    Examples
    --------
    >>> import scgnn2_engine as sc2
    >>> data = sc2.simulate(n_obs=60, n_vars=40, n_types=2, seed=0)
    >>> params = sc2.RunParams(total_epoch=1, feature_AE_epoch=[5, 5], run_LTMG=False, device="cpu")
    >>> adata = result_to_anndata(sc2.fit(data, params))
    >>> sorted(adata.layers), sorted(adata.obsp)
    (['counts', 'scgnn2_imputed', 'scgnn2_rate', 'scgnn2_value', 'scgnn2_zeros_kept'], ['scgnn2_connectivities'])
    """
    prepared, source = result.prepared, result.source
    adata, _ = annotation_of(prepared, source, result.obs)
    adata.X = prepared.expression
    adata.obs["scgnn2_cluster"] = cluster_categories(result.labels)
    for name, score in _scores(result).items():
        adata.obs[f"scgnn2_{name}"] = score
    membership = None if result.model is None else result.model.membership
    if membership is not None:
        adata.obs["scgnn2_membership"] = membership
    adata.obsm["X_scgnn2_feature"] = result.feature_embedding
    adata.obsm["X_scgnn2_graph"] = result.graph_embedding
    if result.umap is not None:
        adata.obsm["X_scgnn2_umap"] = result.umap
    if result.deconvolution is not None:
        adata.varm["scgnn2_bulk_profiles"] = _bulk_profiles(result)
    adata.obsp["scgnn2_connectivities"] = result.graph.adjacency(weighted=True)
    for name in result.matrices if answers is None else answers:
        adata.layers[f"scgnn2_{name}"] = np.asarray(result.matrices[name])
    if prepared.scale == "counts":
        adata.layers["counts"] = prepared.expression
    metrics = result.metrics.copy()
    metrics.index = metrics.index.astype(str)
    adata.uns["scgnn2"] = {
        "run": json_text(result.record),
        "metrics": metrics,
        "selected_iteration": result.selected_iteration,
        "scale_of_X": prepared.scale,
        "hidden_entries": len(prepared.hidden) if prepared.hidden is not None else 0,
        "scale_of_imputed": "ln(1 + expression), natural logarithm",
        "size_factors": prepared.size_factors,
        **({} if membership is None else _clusters(result, membership)),
        **_hidden_positions(prepared),
        **_evaluation(result),
    }
    if source is not None and source.n_vars > prepared.n_vars:
        every = source.expression if len(prepared.cells) == source.n_obs else source.expression[prepared.cells]
        adata.raw = _every_gene(source, adata.obs[[]], every, Said())
    return adata


def annotation_of(
    prepared: Prepared, source: Dataset | None, obs: pd.DataFrame | None = None, *, raw: bool = False
) -> tuple[AnnData, Said]:
    """What comes with the input into a result, in a form that h5ad can hold: an AnnData without expression.

    Parameters
    ----------
    prepared
        The kept cells and genes.
    source
        The data set as it was read.
    obs
        (n_obs, ...) annotation of the kept cells; None: that of ``source``.
    raw
        With the annotation of all genes in ``raw``, beside a matrix without entries.

    Returns
    -------
    adata
        (n_obs, n_vars) of the kept cells and genes.
    said
        What is stored otherwise than it came.
    """
    said = Said()
    cells = pd.Index(prepared.obs_names.astype(object))
    if obs is None and source is not None and source.obs is not None:
        obs = source.obs.iloc[prepared.cells]
    obs = pd.DataFrame(index=cells) if obs is None else obs.set_axis(cells, axis=0)
    slots: dict[str, Mapping[Any, Any]] = {}
    if source is not None:
        slots["obsm"] = _carried(source.obsm, prepared.cells)
        slots["varm"] = _carried(source.varm, prepared.genes)
        slots["obsp"] = {key: rows[:, prepared.cells] for key, rows in _carried(source.obsp, prepared.cells).items()}
    adata = stored_parts(
        said,
        obs=obs.loc[:, [not _of_a_run(name) for name in obs.columns]],
        var=_genes(prepared.var_names, source, prepared.genes),
        uns={} if source is None else source.uns,
        slots=slots,
    )
    if raw and source is not None and source.n_vars > prepared.n_vars:
        nothing = sp.csr_matrix((prepared.n_obs, source.n_vars), dtype=np.float32)
        adata.raw = _every_gene(source, adata.obs[[]], nothing, said)
    return adata, said


def _every_gene(source: Dataset, obs: pd.DataFrame, expression: Any, said: Said) -> AnnData:
    genes = _genes(source.var_names, source, slice(None))
    varm = _carried(source.varm, slice(None))
    return stored_parts(said, x=expression, obs=obs, var=genes, slots={"varm": varm}, place="raw.")


def _hidden_positions(prepared: Prepared) -> dict[str, Any]:
    """(2, n) int32 cells and genes of the benchmark's hidden entries, and of the held-out share; X has their values."""
    entries = {"hidden_positions": prepared.hidden, "held_out_positions": prepared.validation}
    return {name: np.stack([at.rows, at.cols]).astype(np.int32) for name, at in entries.items() if at is not None}


def _evaluation(result: Result) -> dict[str, pd.DataFrame]:
    if result.evaluation is None:
        return {}
    tables = dict(evaluation_frames(result.evaluation))
    return {
        name: table.set_axis(table.index.astype(str), axis=0)
        for name, table in tables.items()
        if name != "diagnostics_genes"  # they are many, and in diagnostics_genes.csv
    }


def _genes(var_names: Any, source: Dataset | None, kept: Any) -> pd.DataFrame:
    index = pd.Index(var_names.astype(object))
    if source is None or source.var is None:
        return pd.DataFrame(index=index)
    return source.var.iloc[kept].set_axis(index, axis=0)


def _scores(result: Result) -> dict[str, float]:
    """The scores of the selected iteration, those that it has."""
    row = result.metrics.loc[result.metrics["selected"]].iloc[0]
    return {str(name): float(value) for name, value in row.items() if name not in _NOT_SCORES and not pd.isna(value)}


def _carried(items: Mapping[str, Any], rows: Any) -> dict[str, Any]:
    """Some rows of what else was known; what this program writes itself is not taken over from an earlier run."""
    return {key: _rows(values, rows) for key, values in items.items() if not _of_a_run(key)}


def _rows(values: Any, rows: Any) -> Any:
    if isinstance(values, pd.DataFrame | pd.Series):
        return values.iloc[rows]
    return (values.tocsr() if sp.issparse(values) else values)[rows]


def _of_a_run(key: object) -> bool:
    """Whether an earlier run of this program left it, in an AnnData or in a Seurat object."""
    return str(key).removeprefix("X_").lower().startswith(("scgnn2_", "scgnn2."))


def _bulk_profiles(result: Result) -> pd.DataFrame:
    """(n_vars, k) cluster profiles by gene, columns named after the clusters."""
    found = result.deconvolution or {}
    prepared = result.prepared
    profiles = np.full((prepared.n_vars, len(found["clusters"])), np.nan, dtype=np.float32)
    profiles[found["genes"]] = found["profiles"]
    clusters = [str(cluster) for cluster in found["clusters"]]
    return pd.DataFrame(profiles, index=pd.Index(prepared.var_names.astype(object)), columns=clusters)


def _clusters(result: Result, membership: npt.NDArray[np.float32]) -> dict[str, Any]:
    """How far the clusters can be trusted: a row for each, and what it would cost to merge each pair."""
    p, cost = pair_tests(result.clustering_embedding, result.labels)
    np.fill_diagonal(p, 0)
    names = [str(cluster) for cluster in range(len(p))]
    apart = np.where(np.eye(len(p), dtype=bool), np.inf, cost)
    table = {
        "n_cells": np.bincount(result.labels),
        "support": [float(membership[result.labels == cluster].mean()) for cluster in range(len(p))],
        "p_value": p.max(axis=1) if len(p) > 1 else [np.nan],
        "nearest": [names[place] for place in apart.argmin(axis=1)],
        "merge_cost": apart.min(axis=1),
    }
    return {"clusters": pd.DataFrame(table, index=names), "merge_costs": pd.DataFrame(cost, names, names)}


def cluster_categories(labels: Any) -> pd.Categorical:
    """Cluster numbers as ordered-by-number string categories, the form scanpy's plots expect.

    Examples
    --------
    >>> list(cluster_categories(np.array([10, 2, 2])).categories)
    ['2', '10']
    """
    return pd.Categorical(np.asarray(labels).astype(str), categories=[str(label) for label in np.unique(labels)])

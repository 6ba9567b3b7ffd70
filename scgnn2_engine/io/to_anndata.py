"""A result as AnnData: the slots of ``result.h5ad``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scgnn2_engine.errors import OutputError
from scgnn2_engine.io.records import json_text
from scgnn2_engine.io.result_tables import evaluation_frames
from scgnn2_engine.types import Dataset, Prepared, Result

if TYPE_CHECKING:
    from anndata import AnnData


_NOT_SCORES = ("selected", "iteration", "seconds")


def result_to_anndata(result: Result) -> AnnData:
    """Put a result beside the expression it came from.

    Parameters
    ----------
    result
        A finished run.

    Returns
    -------
    AnnData
        (n_obs, n_vars), kept cells and genes. ``X``: the observed expression as given, sparse where it came sparse;
        ``layers["counts"]``: the same where it is counts; ``layers["scgnn2_imputed"]``: ln(1 + imputed expression);
        with objective denoise also ``scgnn2_value`` or ``scgnn2_expected``, ``scgnn2_zeros_kept`` and for UMI counts
        ``scgnn2_rate`` (:attr:`Result.outputs`);
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
    import anndata

    prepared, source = result.prepared, result.source
    names = pd.Index(prepared.obs_names.astype(object))
    obs = storable(result.obs) if result.obs is not None else pd.DataFrame(index=names)
    obs = obs.loc[:, [not _of_a_run(name) for name in obs.columns]]
    obs.index = names
    obs["scgnn2_cluster"] = cluster_categories(result.labels)
    for name, score in _scores(result).items():
        obs[f"scgnn2_{name}"] = score
    obsm: dict[str, Any] = {} if source is None else _carried(source.obsm, prepared.cells)
    obsm |= {"X_scgnn2_feature": result.feature_embedding, "X_scgnn2_graph": result.graph_embedding}
    if result.umap is not None:
        obsm["X_scgnn2_umap"] = result.umap
    layers: dict[str, Any] = {"scgnn2_imputed": result.imputed}
    layers |= {f"scgnn2_{name}": values for name, values in result.outputs.items()}
    if prepared.scale == "counts":
        layers["counts"] = prepared.expression
    metrics = result.metrics.copy()
    metrics.index = metrics.index.astype(str)
    adata = anndata.AnnData(
        X=prepared.expression,
        obs=obs,
        var=_genes(prepared.var_names, source, prepared.genes),
        layers=layers,
        obsm=obsm,
        varm=({} if source is None else _carried(source.varm, prepared.genes))
        | ({} if result.deconvolution is None else {"scgnn2_bulk_profiles": _bulk_profiles(result)}),
        obsp=_carried_obsp(result) | {"scgnn2_connectivities": result.graph.adjacency(weighted=True)},
        uns={
            **({} if source is None else source.uns),
            "scgnn2": {
                "run": json_text(result.record),
                "metrics": metrics,
                "selected_iteration": result.selected_iteration,
                "scale_of_X": prepared.scale,
                "hidden_entries": len(prepared.hidden) if prepared.hidden is not None else 0,
                "scale_of_imputed": "ln(1 + expression), natural logarithm",
                "size_factors": prepared.size_factors,
                **_hidden_positions(prepared),
                **_evaluation(result),
            },
        },
    )
    if source is not None and source.n_vars > prepared.n_vars:
        every = source.expression if len(prepared.cells) == source.n_obs else source.expression[prepared.cells]
        adata.raw = anndata.AnnData(
            X=every,
            obs=pd.DataFrame(index=names),
            var=_genes(source.var_names, source, slice(None)),
            varm=_carried(source.varm, slice(None)),
        )
    return adata


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
    return storable(source.var.iloc[kept]).set_axis(index, axis=0)


def _scores(result: Result) -> dict[str, float]:
    """The scores of the selected iteration, those that it has."""
    row = result.metrics.loc[result.metrics["selected"]].iloc[0]
    return {str(name): float(value) for name, value in row.items() if name not in _NOT_SCORES and not pd.isna(value)}


def _carried(items: Mapping[str, Any], rows: Any) -> dict[str, Any]:
    """Some rows of what else was known; what this program writes itself is not taken over from an earlier run."""
    return {
        key: values.iloc[rows] if isinstance(values, pd.DataFrame) else values[rows]
        for key, values in items.items()
        if not _of_a_run(key)
    }


def _carried_obsp(result: Result) -> dict[str, Any]:
    if result.source is None:
        return {}
    cells = result.prepared.cells
    return {key: graph[cells][:, cells] for key, graph in result.source.obsp.items() if not _of_a_run(key)}


def _of_a_run(key: str) -> bool:
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


def cluster_categories(labels: Any) -> pd.Categorical:
    """Cluster numbers as ordered-by-number string categories, the form scanpy's plots expect.

    Examples
    --------
    >>> list(cluster_categories(np.array([10, 2, 2])).categories)
    ['2', '10']
    """
    return pd.Categorical(np.asarray(labels).astype(str), categories=[str(label) for label in np.unique(labels)])


def storable(obs: pd.DataFrame) -> pd.DataFrame:
    """A copy of a cell annotation that h5ad can hold: columns of mixed kinds become text, reserved names get a tail."""
    stored = obs.copy()
    stored.columns = pd.Index([f"{name}_" if str(name) == "_index" else str(name) for name in stored.columns])
    stored = stored.loc[:, ~stored.columns.duplicated()]
    for name in stored.columns:
        values = stored[name]
        if values.dtype != object:
            continue
        kinds = {type(value) for value in values.dropna()}
        if not kinds:  # all missing: of no kind that a file could hold but a category
            stored[name] = pd.Categorical([None] * len(values))
        elif kinds != {str} and kinds != {bool}:
            stored[name] = values.map(str, na_action="ignore")
    return stored


def write_h5ad(adata: AnnData, path: Path, *, compression: Literal["gzip"] | None = None) -> list[str]:
    """Write an AnnData of any origin; what h5ad holds differently is returned as phrases.

    Raises
    ------
    OutputError
        Something in it is of a kind that h5ad has no room for.
    """
    stored, changed = storable_anndata(adata)
    try:
        with warnings.catch_warnings():  # of anndata, about names that will be refused in some later version
            warnings.simplefilter("ignore")
            stored.write_h5ad(path, compression=compression)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise OutputError(
            "Something that came with the data cannot be stored in an h5ad.",
            expected="numbers, text, categories, and tables and matrices of them",
            found=" ".join(str(error).split())[:300],
            advice="Remove it from the data before the run.",
        ) from error
    return changed


def storable_anndata(adata: AnnData) -> tuple[AnnData, list[str]]:
    """A form that h5ad can hold, and phrases for what it holds differently; the given one stays as it is.

    In h5ad a slash in a name would open a folder, so a low line stands there.
    """
    import anndata

    changed: list[str] = []

    def name(key: object, what: str) -> str:
        plain = str(key).replace("/", "_")
        if plain != str(key):
            changed.append(f"the slash in the name of {what} {key} (it is {plain})")
        return plain

    def named(items: Any, what: str) -> dict[str, Any]:
        return {name(key, what): value for key, value in items.items()}

    def nested(value: Any) -> Any:
        if isinstance(value, pd.DataFrame):
            return storable(value).rename(columns=lambda column: str(column).replace("/", "_"))
        if isinstance(value, Mapping):
            return {str(key).replace("/", "_"): nested(one) for key, one in value.items()}
        return value

    obs, var = (storable(table) for table in (adata.obs, adata.var))
    obs.columns = pd.Index([name(column, "column") for column in obs.columns])
    var.columns = pd.Index([name(column, "column") for column in var.columns])
    stored = anndata.AnnData(
        adata.X,
        obs=obs,
        var=var,
        layers=named(adata.layers, "layer"),
        obsm=named(adata.obsm, "embedding"),
        varm=named(adata.varm, "loadings"),
        obsp=named(adata.obsp, "graph"),
        varp=named(adata.varp, "graph of genes"),
        uns=nested(adata.uns),
    )
    if adata.raw is not None:
        raw = anndata.AnnData(adata.raw.X, var=storable(adata.raw.var), obs=obs[[]], varm=dict(adata.raw.varm))
        stored.raw = raw
    return stored, changed

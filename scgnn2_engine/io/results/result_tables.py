"""The tables of a result: each as a csv file, and each as a data frame for R."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.data.blocks import AnyMatrix
from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.io.csv_writing import SIX_DIGITS, write_edges, write_frame, write_matrix
from scgnn2_engine.results.result import Evaluation, Result

TABLES = (
    "imputed",
    "labels",
    "graph_embedding",
    "graph_edgeList",
    "feature_embedding",
    "clustering_embedding",
    "metrics",
    "labels_history",
    "losses",
)
BULK_TABLES = ("deconvolution", "deconvolution_genes", "deconvolution_samples")
"""Written only where there was bulk expression."""
EVALUATION_TABLES = ("evaluation", "evaluation_clusters", "diagnostics", "diagnostics_genes")
"""Written where the run was evaluated, the last two with its diagnostics."""


def table_writers(result: Result, *, imputed: bool = True) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Every table of a result, the imputed expression only if wished: its file's name, and what writes it to a path."""
    prepared = result.prepared
    names, weights = prepared.obs_names, result.graph.adjacency(weighted=True)
    if imputed:
        yield "imputed.csv", lambda path: write_imputed(path, result.matrices["imputed"], prepared)
    for kind, values in _embeddings(result):
        yield (
            f"{kind}_embedding.csv",
            partial(write_matrix, values=values, row_names=names, column_names=_dimensions(kind, values)),
        )
    yield "graph_edgeList.csv", lambda path: write_edges(path, weights, names)
    for name, frame in _small_frames(result):
        yield f"{name}.csv", partial(write_frame, frame=frame)


def write_imputed(path: Path, imputed: AnyMatrix, prepared: Prepared) -> None:
    """Write ``imputed.csv``, (n_obs, n_vars), with six digits."""
    write_matrix(path, imputed, prepared.obs_names, prepared.var_names, number=SIX_DIGITS)


def write_embedding(folder: Path, kind: str, embedding: Floats, names: npt.NDArray[np.str_]) -> None:
    """Write ``<kind>_embedding.csv``, (n_obs, d): cell names, then one column a dimension."""
    write_matrix(folder / f"{kind}_embedding.csv", embedding, names, _dimensions(kind, embedding))


def frames(result: Result) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every table as a data frame, one at a time: (name, frame)."""
    names = result.prepared.obs_names
    yield from _small_frames(result)
    matrices = [("imputed", result.imputed, list(result.prepared.var_names))]
    matrices += [(f"{kind}_embedding", values, _dimensions(kind, values)) for kind, values in _embeddings(result)]
    for name, values, columns in matrices:
        frame = pd.DataFrame(values, columns=columns)
        yield name, pd.concat([pd.Series(names, name="cell"), frame], axis=1)
    edges = sp.triu(result.graph.adjacency(weighted=True), k=1).tocoo()
    yield "graph_edgeList", pd.DataFrame({"Start": names[edges.row], "End": names[edges.col], "Weight": edges.data})


def _embeddings(result: Result) -> tuple[tuple[str, Floats], ...]:
    return (
        ("graph", result.graph_embedding),
        ("feature", result.feature_embedding),
        ("clustering", result.clustering_embedding),
    )


def _dimensions(kind: str, embedding: Floats) -> list[str]:
    return [f"{kind}_{dimension}" for dimension in range(1, embedding.shape[1] + 1)]


def _small_frames(result: Result) -> Iterator[tuple[str, pd.DataFrame]]:
    names = result.prepared.obs_names
    yield "labels", pd.DataFrame({"cell": names, "cluster": result.labels})
    yield "metrics", result.metrics
    history = result.labels_history.reset_index(drop=True)
    history.insert(0, "cell", names)
    yield "labels_history", history
    yield "losses", result.losses
    if result.deconvolution is not None:
        yield from _bulk_frames(result.deconvolution, result.prepared.var_names)
    if result.evaluation is not None:
        yield from evaluation_frames(result.evaluation)


def evaluation_frames(evaluation: Evaluation) -> Iterator[tuple[str, pd.DataFrame]]:
    """The tables of an evaluation, by name; the times of the baselines are in ``run.json``, not here."""
    found = (evaluation.imputation, evaluation.clusters, evaluation.diagnostics, evaluation.genes)
    for name, frame in zip(EVALUATION_TABLES, found, strict=True):
        if name.startswith("evaluation") or len(frame):
            yield name, frame.drop(columns="seconds", errors="ignore")


def _bulk_frames(found: Mapping[str, Any], var_names: npt.NDArray[np.str_]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Weights of the clusters; scaling and cluster profiles of the genes; shares in every sample, where there are."""
    columns = {"cluster": "clusters", "weight": "weights", "proportion": "proportions", "cell_share": "cell_shares"}
    yield "deconvolution", pd.DataFrame({name: found[key] for name, key in columns.items() if key in found})
    genes = pd.DataFrame({"gene": var_names[found["genes"]], "scaling": found["gene_scaling"]})
    profiles = pd.DataFrame(found["profiles"], columns=[f"cluster_{cluster}" for cluster in found["clusters"]])
    yield "deconvolution_genes", pd.concat([genes, profiles], axis=1)
    if "samples" in found:
        yield "deconvolution_samples", found["samples"]

"""What a run gives back, and how good it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.data.batches import BatchMixing
from scgnn2_engine.data.blocks import AnyMatrix
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.prepared import Prepared

if TYPE_CHECKING:
    from scgnn2_engine.model.model import Model

VALUE_ROWS = " (value)"
"""What the name of a method ends in, in the rows of its output ``value`` where its imputed expression is another."""


def method_at_hidden(methods: Iterable[str], own: str = "scgnn2") -> str:
    """Name of the rows that speak for a method at hidden entries: those of its output ``value`` where it has them.

    Examples
    --------
    >>> method_at_hidden(["scgnn2", "knn"]), method_at_hidden(["scgnn2", "scgnn2 (value)", "knn"])
    ('scgnn2', 'scgnn2 (value)')
    """
    return own + VALUE_ROWS if own + VALUE_ROWS in set(methods) else own


@dataclass(frozen=True)
class Evaluation:
    """How good a result is, beside what would be used instead; see :mod:`scgnn2_engine.evaluate`.

    Attributes
    ----------
    imputation
        One row for each method and kind of entries (``masked`` or ``held_out``, ``untouched``, ``zero``): ``method``,
        ``entries``, ``n``, the errors on ln(1 + x), and ``seconds`` of the method.
    clusters
        One row for each clustering: ``method``, ``n_clusters``, ``silhouette`` (all on the same principal components),
        ``depth_between_clusters`` (share of the variance of log(genes seen)), ``ari``, ``nmi``, ``ami`` against the
        given labels (NaN without), ``seconds``.
    diagnostics
        ``name``, ``value``, ``meaning``; read from the result alone.
    genes
        One row for each gene: ``gene``, ``observed_in`` (share of the cells), ``mean_observed``, ``mean_imputed`` and
        ``variance_kept``, on ln(1 + library-normalised expression).
    notes
        What the reader should know, as sentences.
    left_out
        What was not computed because the run was stopped: names of baselines, ``diagnostics``, ``null_genes``. The
        first of ``notes`` says so.
    """

    imputation: pd.DataFrame
    clusters: pd.DataFrame
    diagnostics: pd.DataFrame
    genes: pd.DataFrame
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def value(self, name: str) -> float:
        """A diagnostic by its name; NaN where it was not measured."""
        found = self.diagnostics.loc[self.diagnostics["name"] == name, "value"]
        return float(found.iloc[0]) if len(found) else float("nan")

    def record(self) -> dict[str, Any]:
        """The content as it stands in ``run.json``."""
        return {
            "imputation": self.imputation.to_dict("records"),
            "clusters": self.clusters.to_dict("records"),
            "diagnostics": dict(zip(self.diagnostics["name"], self.diagnostics["value"], strict=True)),
            "notes": list(self.notes),
            "left_out": list(self.left_out),
        }


@dataclass(frozen=True)
class Result:
    """What a run gives back: the state of the selected iteration, and the record of all of them.

    Attributes
    ----------
    matrices
        Answers to what a gene's expression is, by name, each (n_obs, n_vars) float32, ln(1 + expression) with the
        library sizes of the input, whose rows are computed when asked for: ``"imputed"``, the value of a gene where it
        is seen, or what to expect of it (``imputation_target``), 0 where a zero was left as it is (``keep_zeros``);
        ``"value"`` or ``"expected"``, whichever is not ``imputed``, ``"zeros_kept"``, and with rates ``"rate"`` (see
        docs/results.md, Which value to use). All these are of every cell in its own batch; with batches there is
        ``"corrected"``: what is expected of it in one batch, the mean of all, at the median library size, without bulk.
    labels
        (n_obs,) int32 predicted clusters, numbered from 0.
    feature_embedding, graph_embedding, clustering_embedding
        (n_obs, ·) float32.
    graph
        The cell graph.
    metrics
        One row per iteration (see ``metrics.csv``); ``selected`` is true in exactly one.
    labels_history
        (n_obs, n_iterations) clusters of every iteration, columns ``iteration_1`` …
    losses
        Long table of every epoch: stage, iteration, cluster, epoch, name, value.
    prepared
        What was trained on: names, observed expression, size factors, hidden entries, what was dropped.
    record
        The content of ``run.json``: parameters, seed, versions, device, seconds and memory per stage, notices.
    obs
        Cell annotation that came with the data, for the kept cells, or None.
    source
        The data set as it was read, all genes included, or None.
    umap
        (n_obs, 2) map of the graph embedding, or None when figures were off.
    deconvolution
        What the bulk stage found, or None without bulk.
    mixing
        How well batches are mixed among neighbours, or None without batches.
    evaluation
        The scores beside the baselines' and the diagnostics, or None where they were not asked for.
    model
        What was learned: from it and the data all of this is computed.
    """

    matrices: Mapping[str, AnyMatrix]
    labels: npt.NDArray[np.int32]
    feature_embedding: npt.NDArray[np.float32]
    graph_embedding: npt.NDArray[np.float32]
    clustering_embedding: npt.NDArray[np.float32]
    graph: CellGraph
    metrics: pd.DataFrame
    labels_history: pd.DataFrame
    losses: pd.DataFrame
    prepared: Prepared
    record: Mapping[str, Any]
    obs: pd.DataFrame | None = None
    source: Dataset | None = None
    umap: npt.NDArray[np.float32] | None = None
    deconvolution: Mapping[str, Any] | None = None
    mixing: BatchMixing | None = None
    evaluation: Evaluation | None = None
    model: Model | None = None

    def __repr__(self) -> str:
        n_obs, n_vars = self.matrices["imputed"].shape
        return (
            f"Result({n_obs} cells x {n_vars} genes, {len(np.unique(self.labels))} clusters, "
            f"iteration {self.selected_iteration} of {len(self.metrics)})"
        )

    @property
    def imputed(self) -> npt.NDArray[np.float32]:
        """(n_obs, n_vars) the whole imputed expression, computed anew each time; ``matrices`` gives rows of it."""
        return np.asarray(self.matrices["imputed"])

    @property
    def outputs(self) -> dict[str, npt.NDArray[np.float32]]:
        """The other answers, whole, each computed anew."""
        return {name: np.asarray(matrix) for name, matrix in self.matrices.items() if name != "imputed"}

    @property
    def selected_iteration(self) -> int:
        """The 1-based iteration whose state this is."""
        return int(self.metrics.loc[self.metrics["selected"], "iteration"].iloc[0])

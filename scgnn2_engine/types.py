"""The data that walks through the rooms: frozen dataclasses with documented shapes.

Rows are cells everywhere. ``n_obs`` is the number of cells, ``n_vars`` the number of genes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]
Matrix: TypeAlias = Floats | sp.csr_matrix
Scale = Literal["counts", "normalised", "logged"]


@dataclass(frozen=True)
class Truth:
    """Ground-truth labels, carried but opaque.

    Only :mod:`scgnn2_engine.evaluate` may look inside (a test enforces it), so nothing that trains, selects or stops
    can see them.

    Attributes
    ----------
    sealed_labels
        (n_obs,) strings, ``""`` where a cell has no label.
    source
        Where they came from, for the run record.
    """

    sealed_labels: npt.NDArray[np.str_]
    source: str = ""

    def take(self, cells: Ints) -> Truth:
        """The labels of the given cells, in that order."""
        return replace(self, sealed_labels=self.sealed_labels[cells])


@dataclass(frozen=True)
class Bulk:
    """Bulk expression beside the single cells.

    Attributes
    ----------
    expression
        (n_samples, n_genes) non-negative, not logged.
    sample_names, gene_names
        Names of its rows and columns.
    weights
        (n_samples,) how much each sample counts, adding up to 1; None: all alike.
    """

    expression: Floats
    sample_names: npt.NDArray[np.str_]
    gene_names: npt.NDArray[np.str_]
    weights: npt.NDArray[np.float64] | None = None

    @property
    def sample_weights(self) -> npt.NDArray[np.float64]:
        """(n_samples,) how much each sample counts, adding up to 1."""
        n_samples = len(self.sample_names)
        return np.full(n_samples, 1 / n_samples) if self.weights is None else self.weights


@dataclass(frozen=True)
class Dataset:
    """A matrix as read, before any cell or gene is dropped.

    Attributes
    ----------
    expression
        (n_obs, n_vars) non-negative, dense or CSR, on the scale named by ``scale``.
    obs_names, var_names
        (n_obs,) cell and (n_vars,) gene names, unique.
    scale
        ``"counts"`` (raw counts or expected counts), ``"normalised"`` (library-size normalised, not logged) or
        ``"logged"`` (natural log of 1 + normalised values).
    truth
        Labels for display, or None.
    states
        (n_obs, n_vars) LTMG states loaded from a file, or None.
    bulk
        Bulk expression, or None.
    obs, var
        (n_obs, ...) cell and (n_vars, ...) gene annotation that came with the file, carried to ``result.h5ad``.
    obsm
        Embeddings of the cells and other measurements on them that came with the file: (n_obs, ...) arrays, sparse
        matrices or tables by name, carried likewise.
    varm, obsp
        (n_vars, ...) loadings of the genes, and (n_obs, n_obs) sparse graphs of the cells, by name, carried likewise.
    uns
        What describes them (``"seurat"``, ``"experiment"``), so that an object of the same kind can be written again.
    notes
        What was detected and decided while reading (orientation, scale, matrix, renamed duplicates), as sentences.
    warnings
        Likewise, but things the user should act on.
    facts
        The same decisions for programs: ``orientation``, ``scale``, ``matrix``, ``source``.
    """

    expression: Matrix
    obs_names: npt.NDArray[np.str_]
    var_names: npt.NDArray[np.str_]
    scale: Scale
    truth: Truth | None = None
    states: npt.NDArray[np.uint8] | None = None
    bulk: Bulk | None = None
    obs: pd.DataFrame | None = None
    var: pd.DataFrame | None = None
    obsm: Mapping[str, Any] = field(default_factory=dict)
    varm: Mapping[str, Any] = field(default_factory=dict)
    obsp: Mapping[str, Any] = field(default_factory=dict)
    uns: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return int(self.expression.shape[0])

    @property
    def n_vars(self) -> int:
        """Number of genes."""
        return int(self.expression.shape[1])


@dataclass(frozen=True)
class HiddenEntries:
    """Observed entries that were set to zero before training, with what they were.

    Attributes
    ----------
    rows, cols
        (n_hidden,) cell and gene positions.
    values
        (n_hidden,) their values, float32.
    """

    rows: Ints
    cols: Ints
    values: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Prepared:
    """What the loop trains on.

    Attributes
    ----------
    x
        (n_obs, n_vars) float32, ln(1 + expression / size factor); hidden entries are 0.
    size_factors
        (n_obs,) float32, all 1 without library-size normalisation.
    expression
        (n_obs, n_vars) the kept part of the input as it came, nothing hidden (dense or CSR).
    scale
        Scale of ``expression``.
    obs_names, var_names
        Names of the kept cells and genes.
    cells, genes
        (n_obs,), (n_vars,) their positions in the data set.
    dropped_cells, dropped_genes
        Names of what was filtered out.
    states
        (n_obs, n_vars) uint8 LTMG states, or None when the regulariser is off.
    hidden
        The benchmark's hidden entries (``dropout_prob``), values on the ln(1 + expression) scale of the output.
        Read by :mod:`scgnn2_engine.evaluate` only.
    validation
        The held-out share that early stopping and the choice of iteration may use, values on the scale of ``x``.
    notes, warnings
        What the user should know, as sentences.
    """

    x: npt.NDArray[np.float32]
    size_factors: npt.NDArray[np.float32]
    expression: Matrix
    scale: Scale
    obs_names: npt.NDArray[np.str_]
    var_names: npt.NDArray[np.str_]
    cells: Ints
    genes: Ints
    dropped_cells: tuple[str, ...] = ()
    dropped_genes: tuple[str, ...] = ()
    states: npt.NDArray[np.uint8] | None = None
    hidden: HiddenEntries | None = None
    validation: HiddenEntries | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n_obs, n_vars = self.x.shape
        if self.expression.shape != (n_obs, n_vars):
            raise ValueError(f"expected expression of shape {(n_obs, n_vars)}, found {self.expression.shape}")
        if self.size_factors.shape != (n_obs,):
            raise ValueError(f"expected {n_obs} size factors, found {self.size_factors.shape}")
        if len(self.obs_names) != n_obs or len(self.var_names) != n_vars:
            raise ValueError(
                f"expected {n_obs} cell and {n_vars} gene names, found {len(self.obs_names)} and {len(self.var_names)}"
            )
        if self.states is not None and self.states.shape != (n_obs, n_vars):
            raise ValueError(f"expected states of shape {(n_obs, n_vars)}, found {self.states.shape}")

    @property
    def n_obs(self) -> int:
        """Number of kept cells."""
        return int(self.x.shape[0])

    @property
    def n_vars(self) -> int:
        """Number of kept genes."""
        return int(self.x.shape[1])

    def to_output_scale(self, x: Floats) -> npt.NDArray[np.float32]:
        """Put the size factors back: ln(1 + (e^x − 1) · size factor), shape (n_obs, n_vars)."""
        if np.all(self.size_factors == 1):
            return np.asarray(x, dtype=np.float32)
        restored = np.expm1(x, dtype=np.float32)
        restored *= self.size_factors[:, None]
        np.log1p(restored, out=restored)
        return restored


@dataclass(frozen=True)
class CellGraph:
    """The k nearest neighbours of every cell.

    Attributes
    ----------
    neighbours
        (n_obs, k) int64 positions, nearest first, never the cell itself.
    distances
        (n_obs, k) float32 Euclidean distances.
    weights
        (n_obs, k) float32 edge weights of the chosen construction (v0, v1, v2).
    """

    neighbours: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if not self.neighbours.shape == self.distances.shape == self.weights.shape:
            raise ValueError(
                "expected neighbours, distances and weights of one shape, found "
                f"{self.neighbours.shape}, {self.distances.shape}, {self.weights.shape}"
            )

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return int(self.neighbours.shape[0])

    @property
    def k(self) -> int:
        """Neighbours of each cell."""
        return int(self.neighbours.shape[1])

    @property
    def edge_index(self) -> npt.NDArray[np.int64]:
        """(2, n_obs · k) directed edges, cell (source) to neighbour (target), as torch-geometric's layers take them."""
        cells = np.repeat(np.arange(self.n_obs, dtype=np.int64), self.k)
        return np.stack([cells, self.neighbours.reshape(-1)])

    def adjacency(self, *, weighted: bool = False) -> sp.csr_matrix:
        """(n_obs, n_obs) symmetric sparse union of the neighbour pairs.

        An edge exists where either cell is among the other's neighbours; its weight is 1, or with ``weighted`` the
        larger of the two directed weights, and edges of weight 0 (v0 and v1 have them) are then left out. No
        self-loops.
        """
        values = self.weights.reshape(-1).astype(np.float64)
        data = values if weighted else np.ones_like(values)
        offsets = np.arange(0, self.n_obs * self.k + 1, self.k)
        directed = sp.csr_matrix((data, self.neighbours.reshape(-1), offsets), shape=(self.n_obs, self.n_obs))
        symmetric = directed.maximum(directed.T).tocsr()
        symmetric.eliminate_zeros()
        symmetric.sort_indices()
        return symmetric


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
    imputed
        (n_obs, n_vars) float32, ln(1 + expression) with the library sizes of the input: the value of a gene where it is
        seen, or what to expect of it (``imputation_target``); 0 where a zero was left as it is (``keep_zeros``).
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
    outputs
        Other answers to what a gene's expression is, by name, each (n_obs, n_vars) float32 on the scale of ``imputed``:
        ``"value"`` or ``"expected"``, whichever is not ``imputed``, ``"zeros_kept"``, and with rates ``"rate"`` (see
        README, Which value to use).
    deconvolution
        What the bulk stage found, or None without bulk.
    evaluation
        The scores beside the baselines' and the diagnostics, or None where they were not asked for.
    """

    imputed: npt.NDArray[np.float32]
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
    evaluation: Evaluation | None = None
    outputs: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)

    def __repr__(self) -> str:
        n_obs, n_vars = self.imputed.shape
        return (
            f"Result({n_obs} cells x {n_vars} genes, {len(np.unique(self.labels))} clusters, "
            f"iteration {self.selected_iteration} of {len(self.metrics)})"
        )

    @property
    def selected_iteration(self) -> int:
        """The 1-based iteration whose state this is."""
        return int(self.metrics.loc[self.metrics["selected"], "iteration"].iloc[0])

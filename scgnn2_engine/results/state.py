"""What one iteration hands to the next.

Rows are cells everywhere. ``n_obs`` is the number of cells, ``n_vars`` the number of genes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.batches import BatchMixing
from scgnn2_engine.data.blocks import AnyMatrix
from scgnn2_engine.data.cell_graph import CellGraph

Matrix32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LoopState:
    """Everything the next iteration needs; the only way back is this state.

    Attributes
    ----------
    iteration
        0 before the loop, then 1-based.
    fit
        What the method has learned (:class:`scgnn2_engine.methods.Fit`).
    graph
        The cell graph.
    graph_embedding
        (n_obs, embedding_size) of the graph autoencoder, after this iteration.
    components
        (n_obs, d) principal components of the expected expression, where graph or clusters rest on them.
    n_clusters_smoothed
        The running number of clusters k (a float: it is smoothed), None before the loop.
    labels
        (n_obs,) int32 clusters of this iteration, numbered from 0; None before the loop.
    clustering_embedding
        (n_obs, d) what the labels were computed from; None before the loop.
    tree, membership
        How the clusters merge (:class:`scgnn2_engine.clusters.tree.ClusterTree`), and (n_obs,) how much each cell
        belongs to its own; None but by consensus.
    imputed
        (n_obs, n_vars) float32 imputed expression on the scale of ``Prepared.x``, bulk expression included; None before
        the loop.
    log_rate
        (n_obs, n_vars) float32, with rates: logarithm of the expected count per unit of size factor that belongs to
        ``imputed``; None before the loop and without rates.
    member_neighbours
        (n_obs, k) neighbours in what each member alone says, for a consensus of clusters.
    member_communities
        (n_resolutions, n_obs) int32 communities of the members that were clustered already.
    mixing
        How well batches are mixed among the neighbours ; None without batches.
    deconvolution
        What the bulk stage found, or None without bulk.
    correction
        What the bulk adds (:class:`scgnn2_engine.bulk.correction.Correction`), or None without bulk.
    unfused
        With bulk, the imputations before they were fused into ``imputed``, on its scale: ``"single_cell"`` and
        ``"bulk"``, (n_obs, n_vars) float32 each.
    """

    iteration: int
    fit: Any  # a Fit; that module stands above this one
    graph: CellGraph
    graph_embedding: Matrix32
    components: Matrix32 | None = None
    n_clusters_smoothed: float | None = None
    labels: npt.NDArray[np.int32] | None = None
    clustering_embedding: Matrix32 | None = None
    tree: Any = None
    membership: npt.NDArray[np.float32] | None = None
    imputed: AnyMatrix | None = None
    log_rate: AnyMatrix | None = None
    member_neighbours: tuple[npt.NDArray[np.int64], ...] = ()
    member_communities: tuple[npt.NDArray[np.int32], ...] = ()
    mixing: BatchMixing | None = None
    deconvolution: Mapping[str, Any] | None = None
    correction: Any = None
    unfused: Mapping[str, AnyMatrix] = field(default_factory=dict)

    @property
    def feature_embedding(self) -> Matrix32:
        """(n_obs, 128) of the feature autoencoder that was trained last."""
        embedding: Matrix32 = self.fit.embedding
        return embedding

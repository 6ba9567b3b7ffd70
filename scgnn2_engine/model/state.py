"""What one iteration hands to the next.

Rows are cells everywhere. ``n_obs`` is the number of cells, ``n_vars`` the number of genes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Floats

Matrix32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DenoisingFit:
    """A trained network and what it makes of the cells.

    Attributes
    ----------
    weights
        Its parameters by name, float32.
    embedding
        (n_obs, 128) float32.
    reconstruction
        (n_obs, n_vars) float32, not negative: the value each gene has where it is seen, on the scale of x.
    log_rate
        (n_obs, n_vars) float32, for counts: natural logarithm of the expected count per unit of size factor.
    n_epochs
        Epochs that were trained.
    validation
        Mean absolute error at the held-out entries, None without any.
    """

    weights: Mapping[str, Matrix32]
    embedding: Matrix32
    reconstruction: Matrix32
    log_rate: Matrix32 | None
    n_epochs: int
    validation: float | None


@dataclass(frozen=True)
class Ensemble:
    """Sums over several trained autoencoders, one more with every iteration.

    Attributes
    ----------
    n_members
        How many there are.
    value, log_rate
        (n_obs, n_vars) float32 sums of what they say; ``log_rate`` is None where the data are not counts.
    """

    n_members: int = 0
    value: Matrix32 | None = None
    log_rate: Matrix32 | None = None

    def with_member(self, value: Floats, log_rate: Floats | None) -> Ensemble:
        """One member more; the sums are new arrays.

        Examples
        --------
        >>> two = Ensemble().with_member(np.ones((1, 2)), None).with_member(np.zeros((1, 2)), None)
        >>> two.n_members, two.mean_value().tolist()
        (2, [[0.5, 0.5]])
        """
        return Ensemble(
            self.n_members + 1, _plus(self.value, value), None if log_rate is None else _plus(self.log_rate, log_rate)
        )

    def mean_value(self) -> Matrix32:
        """(n_obs, n_vars) mean of the members' values."""
        if self.value is None:
            raise ValueError("expected at least one member, found none")
        return self.value / np.float32(self.n_members)

    def mean_log_rate(self) -> Matrix32 | None:
        """(n_obs, n_vars) mean of the members' log rates, None where there are none."""
        return None if self.log_rate is None else self.log_rate / np.float32(self.n_members)


@dataclass(frozen=True)
class LoopState:
    """Everything the next iteration needs; the only way back is this state.

    Attributes
    ----------
    iteration
        0 before the loop, then 1-based.
    feature_weights
        The feature autoencoder's parameters by name, float32 arrays.
    reconstruction
        (n_obs, n_vars) the feature autoencoder's output, target of the cluster autoencoders.
    feature_embedding, graph_embedding
        (n_obs, 128) and (n_obs, embedding_size), after this iteration.
    graph
        The cell graph built from ``feature_embedding``.
    n_clusters_smoothed
        The running number of clusters k (a float: it is smoothed), None before the loop.
    labels
        (n_obs,) int32 clusters of this iteration, numbered from 0; None before the loop.
    clustering_embedding
        (n_obs, d) what the labels were computed from; None before the loop.
    imputed
        (n_obs, n_vars) float32 imputed expression on the scale of ``Prepared.x``; None before the loop.
    deconvolution
        What the bulk stage found, or None without bulk.
    log_rate
        (n_obs, n_vars) float32, with rates: logarithm of the expected count per unit of size factor that belongs to
        ``imputed``; None before the loop and without rates.
    components
        (n_obs, d) principal components of the imputed expression from which ``graph`` was built, where it was.
    ensemble
        The sums over the members that are settled, with ``ensemble``.
    latest
        The feature autoencoder trained last, which the cluster autoencoders refine next (objective ``denoise``).
    member_neighbours
        (n_obs, k) neighbours in what each member alone says, for a consensus of clusters.
    unfused
        With bulk, the imputations before they were fused into ``imputed``, on its scale: ``"single_cell"`` and
        ``"bulk"``, (n_obs, n_vars) float32 each.
    """

    iteration: int
    feature_weights: Mapping[str, Matrix32]
    reconstruction: Matrix32
    feature_embedding: Matrix32
    graph_embedding: Matrix32
    graph: CellGraph
    n_clusters_smoothed: float | None = None
    labels: npt.NDArray[np.int32] | None = None
    clustering_embedding: Matrix32 | None = None
    imputed: Matrix32 | None = None
    deconvolution: Mapping[str, Any] | None = None
    log_rate: Matrix32 | None = None
    components: Matrix32 | None = None
    ensemble: Ensemble | None = None
    latest: DenoisingFit | None = None
    member_neighbours: tuple[npt.NDArray[np.int64], ...] = ()
    unfused: Mapping[str, Matrix32] = field(default_factory=dict)


def _plus(total: Matrix32 | None, member: Floats) -> Matrix32:
    return np.array(member, np.float32) if total is None else np.add(total, member, dtype=np.float32)

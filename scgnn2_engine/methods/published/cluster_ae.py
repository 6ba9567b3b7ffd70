"""The cluster autoencoders: one copy of the feature autoencoder per cluster, trained on its cells alone.

Clusters are independent, so they are trained side by side on a few threads, each with one thread inside torch. What
is computed, and the order of the events, do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scgnn2_engine.data.dataset import Ints
from scgnn2_engine.data.prepared import HiddenEntries
from scgnn2_engine.events import EpochEnded, Event, Stop, drain, never
from scgnn2_engine.graph.neighbours import row_stochastic
from scgnn2_engine.methods.autoencoder import Autoencoder, Inputs, Weights, check_shape, encode
from scgnn2_engine.params import ClusterAEParams
from scgnn2_engine.training.devices import Rows, on_device
from scgnn2_engine.training.held_out import HeldOut
from scgnn2_engine.training.loop import Batch, Plan, diverged, iterate_training
from scgnn2_engine.training.parallel import one_at_a_time, side_by_side


@dataclass(frozen=True)
class ClusterFit:
    """What the cluster autoencoders make of the cells.

    Attributes
    ----------
    imputed
        (n_obs, n_vars) float32, not negative: every cell as its cluster's autoencoder reconstructs it.
    n_epochs
        Epochs trained, by cluster.
    validation
        Mean absolute error at the held-out entries, None without any.
    """

    imputed: npt.NDArray[np.float32]
    n_epochs: Mapping[int, int] = field(default_factory=dict)
    validation: float | None = None


def iterate_cluster_ae(
    x: npt.NDArray[np.float32],
    target: npt.NDArray[np.float32],
    labels: Ints,
    adjacency: sp.csr_matrix,
    weights: Weights,
    validation: HiddenEntries | None = None,
    previous: npt.NDArray[np.float32] | None = None,
    params: ClusterAEParams | None = None,
    *,
    seed: int = 1,
    device: torch.device | None = None,
    iteration: int = 1,
    stop: Stop = never,
    mixed_precision: bool = False,
    n_threads: int | None = None,
) -> Generator[Event, None, ClusterFit]:
    """Train one autoencoder per cluster, yielding an event after every epoch of each.

    Each minimises, over its cells and with SE = (reconstruction − target)² and the published weights,
    0.3 Σ SE + ‖(x − reconstruction) where x ≠ 0‖₂ + 0.3 Σ (Â SE) + 0.1 Σ (C SE) + ‖parameters‖₁.
    Â is the adjacency with rows summing to 1 over all cells, cut to the cluster, and C likewise of the pairs within the
    cluster. Both products only weigh cells (see :func:`neighbour_pull`), so no cells × cells array is made.

    Parameters
    ----------
    x
        (n_obs, n_vars) float32, ln(1 + expression); held-out entries are 0 in it and so are not in the norm.
    target
        (n_obs, n_vars) the feature autoencoder's reconstruction.
    labels
        (n_obs,) cluster of each cell.
    adjacency
        (n_obs, n_obs) sparse, non-negative.
    weights
        The feature autoencoder's, where every cluster starts.
    validation
        Held-out entries: each cluster's mean absolute error at its own is its validation score.
    previous
        (n_obs, d) embedding of the iteration before, beside the input.
    params
        Epochs, batch size, learning rate, the weights of the loss, bound on the steps, patience; None: the published
        values.
    seed
        Of the order of the batches and the dropout; each cluster draws its own from it.
    device, mixed_precision
        As in :func:`iterate_feature_ae`. Off the CPU, clusters are trained one after the other.
    iteration
        As the events name it.
    stop
        Asked after every epoch, from any thread but never at the same time. Clusters not yet begun then keep the
        feature autoencoder's weights.
    n_threads
        Clusters trained at a time; None: as many as torch has threads. Each holds four times the parameters (with
        2000 genes 35 MB).

    Yields
    ------
    EpochEnded
        Cluster by cluster, the largest first; losses ``reconstruction``, ``observed``, ``graph``, ``cell_type`` and
        ``l1``, each with its weight, add up to ``loss``.

    Returns
    -------
    ClusterFit

    Raises
    ------
    InputError
        Shapes do not fit each other.
    TrainingError
        The loss, or the reconstruction of the last weights, is NaN or infinite.

    Notes
    -----
    Gu et al., Bioinformatics 2022 (scGNN 2.0). ‖parameters‖₁ runs over all parameters, biases included, as in the
    published program.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> from scgnn2_engine.methods.published.feature_ae import fit_feature_ae
    >>> x = np.random.default_rng(0).random((20, 30), np.float32)
    >>> feature = fit_feature_ae(x, n_epochs=2)
    >>> ring = sp.csr_matrix(np.roll(np.eye(20), 1, axis=1))
    >>> params = ClusterAEParams(epoch=3)
    >>> steps = iterate_cluster_ae(x, feature.reconstruction, np.arange(20) % 2, ring, feature.weights, params=params)
    >>> [(event.cluster, event.epoch) for event in steps]
    [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    """
    params = params or ClusterAEParams()
    device = device or torch.device("cpu")
    check_shape("target", target, x.shape)
    check_shape("labels", labels, (len(x),))
    check_shape("previous embedding", previous, (len(x), None))
    pull = neighbour_pull(adjacency, labels)
    imputed = np.empty(target.shape, np.float32)
    stop = one_at_a_time(stop)

    def train(cluster: int, cells: Ints) -> Generator[EpochEnded, None, int]:
        own = _Cluster(
            x[cells],
            target[cells],
            pull[cells],
            None if previous is None else previous[cells],
            HeldOut(validation, cells) if validation is not None else None,
        )
        draws = np.random.SeedSequence([seed, cluster]).generate_state(2).tolist()
        plan = Plan(
            "cluster_AE",
            n_epochs=params.epoch,
            learning_rate=params.learning_rate,
            iteration=iteration,
            cluster=cluster,
            batch_size=params.batch_size,
            max_steps=params.max_steps,
            patience=params.patience,
            l1_weight=params.l1_weight,
            seed=draws[0],
            mixed_precision=mixed_precision,
        )
        imputed[cells], n_epochs = yield from own.train(weights, params, plan, device, draws[1], stop)
        return n_epochs

    clusters, sizes = np.unique(labels, return_counts=True)
    order = np.argsort(-sizes, kind="stable")  # the largest first, so that none of them is left for the end
    members = {int(clusters[place]): np.flatnonzero(labels == clusters[place]) for place in order}
    workers = 1 if device.type != "cpu" else n_threads or torch.get_num_threads()
    n_epochs = yield from side_by_side([train(cluster, cells) for cluster, cells in members.items()], workers)
    score = HeldOut(validation).error(imputed) if validation is not None and len(validation) else None
    return ClusterFit(imputed, dict(zip(members, n_epochs, strict=True)), score)


def fit_cluster_ae(
    x: npt.NDArray[np.float32],
    target: npt.NDArray[np.float32],
    labels: Ints,
    adjacency: sp.csr_matrix,
    weights: Weights,
    **options: Any,
) -> ClusterFit:
    """Train the cluster autoencoders to their end; parameters and errors are those of :func:`iterate_cluster_ae`.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> x = np.random.default_rng(0).random((20, 30), np.float32)
    >>> start = Autoencoder(n_vars=30).weights()
    >>> labels, no_edges = np.arange(20) % 2, sp.csr_matrix((20, 20))
    >>> fit = fit_cluster_ae(x, x, labels, no_edges, start, params=ClusterAEParams(epoch=2))
    >>> fit.imputed.shape, fit.n_epochs
    ((20, 30), {0: 2, 1: 2})
    """
    return drain(iterate_cluster_ae(x, target, labels, adjacency, weights, **options))


def neighbour_pull(adjacency: sp.csr_matrix, labels: Ints) -> npt.NDArray[np.float32]:
    """How much the cells of its own cluster look at each cell.

    With Â the adjacency whose rows sum to 1, Σ (Â_cc SE) over a cluster c is Σ_j a_j Σ_genes SE_j with
    a_j = Σ_{i in c} Â_ij: the product with a cells × cells matrix is a weight per cell, exactly.

    Parameters
    ----------
    adjacency
        (n_obs, n_obs) sparse, non-negative; a row without edges stays 0.
    labels
        (n_obs,) clusters.

    Returns
    -------
    (n_obs,) float32 array
        a_j.

    Raises
    ------
    InputError
        The adjacency does not have the cells of the labels.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> path = sp.csr_matrix([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> neighbour_pull(path, np.array([0, 0, 1])).tolist()
    [0.5, 1.0, 0.0]
    """
    check_shape("adjacency", adjacency, (len(labels), len(labels)))
    edges = row_stochastic(adjacency).tocoo()
    same = labels[edges.row] == labels[edges.col]
    return np.bincount(edges.col[same], weights=edges.data[same], minlength=len(labels)).astype(np.float32)


@dataclass(frozen=True)
class _Cluster:
    """The cells of one cluster: their rows of every array of :func:`iterate_cluster_ae`."""

    x: npt.NDArray[np.float32]
    target: npt.NDArray[np.float32]
    pull: npt.NDArray[np.float32]
    previous: npt.NDArray[np.float32] | None
    held_out: HeldOut | None

    def train(
        self, weights: Weights, params: ClusterAEParams, plan: Plan, device: torch.device, seed: int, stop: Stop
    ) -> Generator[EpochEnded, None, tuple[npt.NDArray[np.float32], int]]:
        """The cells' reconstruction and the epochs trained."""
        n_extra = 0 if self.previous is None else self.previous.shape[1]
        network = Autoencoder(self.x.shape[1], n_extra, weights=weights).to(device)
        n_epochs = 0
        inputs = Inputs(self.x, self.previous, device, dropout=params.dropout_prob, seed=seed)
        if not stop():
            score = self.held_out.scorer(network.reconstruction_at, inputs, network.device) if self.held_out else None
            loss = _Loss(network, inputs, self, params, device)
            trained = yield from iterate_training(network, loss, plan, n_samples=len(self.x), validate=score, stop=stop)
            n_epochs = trained.n_epochs
        _, reconstruction = encode(network, self.x, self.previous)
        if not np.isfinite(reconstruction).all():
            raise diverged("cluster_AE", plan.iteration, n_epochs, plan.cluster)
        return reconstruction, n_epochs


class _Loss:
    """All terms but the penalty on the parameters, which the optimiser adds."""

    def __init__(
        self, network: Autoencoder, inputs: Inputs, cells: _Cluster, params: ClusterAEParams, device: torch.device
    ) -> None:
        self._network = network
        self._inputs = inputs
        self._x = Rows(cells.x, device)
        self._target = Rows(cells.target, device)
        self._graph = params.graph_weight * on_device(cells.pull, device)
        self._reconstruction, self._cell_type = params.reconstruction_weight, params.cell_type_weight
        self._cell_weights = self._graph + (self._reconstruction + self._cell_type)

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        _, reconstruction = self._network(self._inputs.dropped(batch))
        loss, errors, distance = ClusterLoss.apply(  # type: ignore[no-untyped-call]
            reconstruction, self._target(batch), self._x(batch), self._cell_weights[batch]
        )
        total = errors.sum()
        return {
            "loss": loss,
            "reconstruction": self._reconstruction * total,
            "observed": distance,
            "graph": torch.dot(self._graph[batch], errors),
            "cell_type": self._cell_type * total,
        }


class ClusterLoss(torch.autograd.Function):
    """Σ_cells weight · Σ_genes (prediction − target)² + ‖(prediction − x) where x ≠ 0‖₂.

    Gives the loss, the squared error of each cell and the norm; only the loss has a gradient. The norm's gradient at
    0, where it has none, is taken to be 0.

    Examples
    --------
    >>> prediction = torch.tensor([[3.0, 5.0]], requires_grad=True)
    >>> target, x = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]])
    >>> loss, errors, distance = ClusterLoss.apply(prediction, target, x, torch.tensor([0.5]))
    >>> loss.backward()
    >>> loss.item(), errors.tolist(), distance.item(), prediction.grad
    (2.5, [1.0], 2.0, tensor([[1., 1.]]))
    """

    @staticmethod
    def forward(
        ctx: Any, prediction: Tensor, target: Tensor, x: Tensor, cell_weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Loss (), errors (batch,), distance ()."""
        difference = prediction - target
        errors = torch.linalg.vector_norm(difference, dim=1).square_()
        missed = (prediction - x).mul_(x != 0)
        distance = torch.linalg.vector_norm(missed)
        missed.div_(distance.clamp(min=torch.finfo(distance.dtype).tiny))
        ctx.slope = difference.mul_(2 * cell_weights[:, None]).add_(missed)
        loss = torch.dot(cell_weights, errors) + distance
        ctx.mark_non_differentiable(errors, distance)
        return loss, errors, distance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, None, None, None]:
        """The slope of both terms."""
        return ctx.slope.mul_(grad), None, None, None

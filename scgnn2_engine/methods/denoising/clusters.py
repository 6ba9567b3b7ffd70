"""The cluster autoencoders trained to fill gaps: copies of the feature autoencoder go on, each with its cluster."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from scgnn2_engine.data.blocks import Block, BlockMatrix, Cells
from scgnn2_engine.data.dataset import Ints
from scgnn2_engine.data.prepared import HiddenEntries
from scgnn2_engine.events import EpochEnded, Event, Stop, never
from scgnn2_engine.methods.autoencoder import check_shape
from scgnn2_engine.methods.denoising.network import GENE_LAYERS
from scgnn2_engine.methods.denoising.observed import Observed
from scgnn2_engine.methods.denoising.training import DenoisingFit, iterate_denoising
from scgnn2_engine.params import ClusterAEParams, FeatureAEParams
from scgnn2_engine.training.held_out import HeldOut
from scgnn2_engine.training.loop import Plan
from scgnn2_engine.training.parallel import one_at_a_time, side_by_side


@dataclass(frozen=True)
class RefinedFit:
    """What the cluster autoencoders make of the cells.

    Attributes
    ----------
    start
        The feature autoencoder, which speaks for all other cells.
    refined
        Cluster to its cells and its autoencoder, where that came closer to the held-out entries and was therefore
        taken; its embedding is that of its cells.
    """

    start: DenoisingFit
    refined: Mapping[int, tuple[Ints, DenoisingFit]]

    @property
    def kept(self) -> tuple[int, ...]:
        """Clusters whose autoencoder was taken."""
        return tuple(self.refined)

    @property
    def value(self) -> BlockMatrix:
        """(n_obs, n_vars) float32, not negative: the value each gene has where it is seen."""
        return _patched(self.start.value, [(cells, fit.value) for cells, fit in self.refined.values()])

    @property
    def log_rate(self) -> BlockMatrix | None:
        """(n_obs, n_vars) float32 log rate per unit of size factor, or None."""
        if self.start.log_rate is None:
            return None
        parts = [(cells, fit.log_rate) for cells, fit in self.refined.values() if fit.log_rate is not None]
        return _patched(self.start.log_rate, parts)


def _patched(whole: BlockMatrix, parts: Sequence[tuple[Ints, BlockMatrix]]) -> BlockMatrix:
    """A matrix some of whose rows are another's; no row is computed twice."""
    n_obs = len(whole)
    part_of, place = np.full(n_obs, -1), np.zeros(n_obs, np.int64)
    for number, (cells, _) in enumerate(parts):
        part_of[cells], place[cells] = number, np.arange(len(cells))

    def rows(cells: Cells) -> Block:
        asked = np.arange(n_obs)[cells]
        found = np.empty((len(asked), whole.shape[1]), np.float32)
        for number in np.unique(part_of[asked]):
            mine = np.flatnonzero(part_of[asked] == number)
            found[mine] = whole[asked[mine]] if number < 0 else parts[number][1][place[asked[mine]]]
        return found

    return BlockMatrix(whole.shape, rows)


def iterate_denoising_clusters(
    observed: Observed,
    start: DenoisingFit,
    labels: Ints,
    validation: HiddenEntries | None,
    params: ClusterAEParams,
    feature_params: FeatureAEParams,
    *,
    seed: int = 1,
    device: torch.device | None = None,
    iteration: int = 1,
    stop: Stop = never,
    mixed_precision: bool = False,
    n_threads: int | None = None,
) -> Generator[Event, None, RefinedFit]:
    """Go on training one copy of the feature autoencoder for each cluster, yielding an event after every epoch.

    Trained are the layers between 512 and 128 units and the biases of the outputs; the weights between genes and units,
    nearly all there are, stay those of the feature autoencoder, so that a cluster costs half a megabyte.

    Parameters
    ----------
    observed
        The cells, see :func:`~scgnn2_engine.methods.denoising.observe`; gene means and rates stay those of all cells.
    start
        The feature autoencoder's training: its weights, and what it makes of the cells.
    labels
        (n_obs,) cluster of each cell.
    validation
        Held-out entries. With ``params.only_if_better`` a cluster takes its own autoencoder only where that is nearer
        to the cluster's held-out entries than ``start`` is; a cluster without any keeps ``start``.
    params
        Epochs, batch size, learning rate, bound on the steps, patience.
    feature_params
        The objective: share hidden, losses, activation, dropout.
    seed, device, iteration, stop, mixed_precision, n_threads
        As in :func:`~scgnn2_engine.methods.published.cluster_ae.iterate_cluster_ae`.

    Yields
    ------
    EpochEnded
        Cluster by cluster, the largest first.

    Returns
    -------
    RefinedFit

    Raises
    ------
    InputError
        Shapes do not fit each other.
    TrainingError
        The loss or the output is NaN or infinite.
    """
    device = device or torch.device("cpu")
    check_shape("labels", labels, (observed.n_obs,))
    stop = one_at_a_time(stop)

    def train(cluster: int, cells: Ints) -> Generator[EpochEnded, None, DenoisingFit | None]:
        held_out = HeldOut(validation, cells) if validation is not None else None
        scored = held_out is not None and len(held_out) > 0
        if stop() or (params.only_if_better and not scored):
            return None
        plan = Plan(
            "cluster_AE",
            n_epochs=params.epoch,
            learning_rate=params.learning_rate,
            iteration=iteration,
            cluster=cluster,
            batch_size=params.batch_size,
            max_steps=params.max_steps,
            patience=params.patience if scored else 0,
            mixed_precision=mixed_precision,
        )
        fit = yield from iterate_denoising(
            observed.take(cells),
            params=feature_params,
            plan=plan,
            weights=start.weights,
            held_out=held_out,
            frozen=GENE_LAYERS,
            seed=int(np.random.SeedSequence([seed, cluster]).generate_state(1)[0]),
            device=device,
            stop=stop,
        )
        if params.only_if_better and held_out is not None:
            before = np.abs(start.value[cells[held_out.rows], held_out.cols] - held_out.values)
            if held_out.error(fit.value) >= float(before.mean(dtype=np.float64)):
                return None
        # The weights between genes and units are the start's own arrays: all clusters share them.
        shared = {name: start.weights[name] for name in (*GENE_LAYERS, "means", "log_rates") if name in start.weights}
        return replace(fit, weights={**fit.weights, **shared})

    clusters, sizes = np.unique(labels, return_counts=True)
    order = clusters[np.argsort(-sizes, kind="stable")].tolist()  # the largest first: none is left for the end
    workers = 1 if device.type != "cpu" else n_threads or torch.get_num_threads()
    steps = [train(cluster, np.flatnonzero(labels == cluster)) for cluster in order]
    better = yield from side_by_side(steps, workers)
    refined = {
        cluster: (np.flatnonzero(labels == cluster), fit)
        for cluster, fit in zip(order, better, strict=True)
        if fit is not None
    }
    return RefinedFit(start, refined)

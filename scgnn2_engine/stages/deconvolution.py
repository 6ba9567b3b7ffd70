"""Bulk deconvolution: what a bulk sample says about the clusters, their cells and the genes.

Four optimisations, each a sum of plain (unsquared) norms under a lower bound, solved as published (Gu et al.,
Bioinformatics 2022): Adam from a random normal start, projected onto the bound after every step. The objectives stand
in :mod:`scgnn2_engine.stages.deconvolution_objectives`; a step is a :class:`_Step`, and :func:`_descend` is the one
loop that solves it.

Rows are cells everywhere; on the ln(1 + expression) scale.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scgnn2_engine.errors import TrainingError
from scgnn2_engine.events import EpochEnded, Event, Notice, Stop, drain, never
from scgnn2_engine.params import (
    DeconvOpt1Params,
    DeconvOpt2Params,
    DeconvOpt3Params,
    DeconvTuneParams,
    RunParams,
)
from scgnn2_engine.stages.deconvolution_input import ClusteredCells
from scgnn2_engine.stages.deconvolution_objectives import (
    CellObjective,
    Objective,
    ProfileObjective,
    ScalingObjective,
    WeightObjective,
)
from scgnn2_engine.types import Floats, Ints

StepParams = DeconvOpt1Params | DeconvOpt2Params | DeconvOpt3Params | DeconvTuneParams


@dataclass(frozen=True)
class Deconvolution:
    """What the bulk sample says.

    Attributes
    ----------
    clusters
        (k,) int32 labels of the clusters, ascending: the order of ``weights`` and of the columns of ``profiles``.
    genes
        (g,) positions of the shared genes among the n_vars genes.
    weights
        (k,) weights of the clusters in the bulk profile, >= 0. They add up to what the difference in scale between
        bulk and single cells asks for, not to 1.
    profiles
        (g, k) float32 expression profiles of the clusters, >= 0.
    gene_scaling
        (g,) factor of every gene, >= 1.
    cell_profiles
        (n_obs, g) float32 expression profiles of the cells, >= 0.
    losses
        Final value of each objective: ``opt1``, ``opt2``, ``opt3`` (summed over the clusters), ``tune``.
    """

    clusters: npt.NDArray[np.int32]
    genes: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    profiles: npt.NDArray[np.float32]
    gene_scaling: npt.NDArray[np.float64]
    cell_profiles: npt.NDArray[np.float32]
    losses: Mapping[str, float]

    @property
    def proportions(self) -> npt.NDArray[np.float64]:
        """(k,) the weights as shares of their sum; all 0 where every weight is 0."""
        total = self.weights.sum()
        return self.weights / total if total > 0 else self.weights.copy()

    @property
    def bulk_imputed(self) -> npt.NDArray[np.float32]:
        """(n_obs, g) the expression that the bulk sample suggests for every cell: scaling times cell profile."""
        return self.cell_profiles * self.gene_scaling.astype(np.float32)

    def summary(self) -> dict[str, Any]:
        """All but the cell profiles, with ``proportions``: what a run keeps, as attribute to value."""
        kept = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "cell_profiles"}
        return kept | {"proportions": self.proportions}


def deconvolve(
    expression: Floats,
    imputed: Floats,
    labels: Ints,
    bulk_profile: Floats,
    params: RunParams | None = None,
    *,
    genes: Ints | None = None,
    states: npt.NDArray[np.uint8] | None = None,
    seed: int = 1,
    device: torch.device | str = "cpu",
) -> Deconvolution:
    """Deconvolve a bulk profile over clusters of cells.

    Parameters
    ----------
    expression
        (n_obs, n_vars) observed expression, ln(1 + x) scale, 0 where nothing was seen.
    imputed
        (n_obs, n_vars) imputed expression; read only where ``expression`` is 0.
    labels
        (n_obs,) cluster of every cell, any integers.
    bulk_profile
        (g,) mean of ln(1 + bulk) over the samples, on the shared genes (see
        :func:`~scgnn2_engine.stages.bulk.match_bulk`).
    params
        The groups ``deconv_opt1``, ``deconv_opt2``, ``deconv_opt3`` and ``deconv_tune`` are read.
    genes
        (g,) positions of the shared genes among the n_vars; None: all of them, in order.
    states
        (n_obs, n_vars) LTMG states. With them the cluster means of step 1 run over the expressed entries (state >= 1)
        only; a gene expressed in no cell of a cluster has mean 0 there.
    seed
        Of the random starts.
    device
        Where it runs; ``mps`` falls back to the processor (the nuclear norm needs float64).

    Returns
    -------
    Deconvolution

    Raises
    ------
    InputError
        Shapes do not agree, or a value is not finite, or the bulk profile holds negative values.
    TrainingError
        A loss became NaN or infinite (a learning rate far too large).

    Notes
    -----
    Gu et al., Bioinformatics 2022, doi 10.1093/bioinformatics/btac684, with their defaults. Beside the two matrices
    given and the result it holds five copies of the largest cluster's rows and a few (m, m) float64 matrices, m the
    smaller of that cluster's cells and the genes; the nuclear norm costs an eigendecomposition of that size per epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from scgnn2_engine.params import RunParams
    >>> cells = np.log1p(np.array([[9, 0, 5], [8, 1, 5], [0, 7, 5], [1, 9, 0]], dtype=np.float32))
    >>> bulk = 0.75 * cells[:2].mean(axis=0) + 0.25 * cells[2:].mean(axis=0)
    >>> params = RunParams(deconv_opt1_epsilon=0.05)
    >>> found = deconvolve(cells, cells, np.array([0, 0, 1, 1]), bulk, params)
    >>> found.profiles.shape, found.cell_profiles.shape, bool(found.weights[0] > found.weights[1])
    ((3, 2), (4, 3), True)
    """
    return drain(
        iterate_deconvolution(
            expression, imputed, labels, bulk_profile, params, genes=genes, states=states, seed=seed, device=device
        )
    )


def iterate_deconvolution(
    expression: Floats,
    imputed: Floats,
    labels: Ints,
    bulk_profile: Floats,
    params: RunParams | None = None,
    *,
    genes: Ints | None = None,
    states: npt.NDArray[np.uint8] | None = None,
    seed: int = 1,
    device: torch.device | str = "cpu",
    iteration: int = 0,
    stop: Stop = never,
) -> Generator[Event, None, Deconvolution]:
    """Deconvolve step by step; parameters, result and errors as for :func:`deconvolve`.

    Yields an :class:`EpochEnded` for every step of every optimisation, its loss under ``"loss"`` and under the name of
    the optimisation (``opt1``, ``opt2``, ``opt3`` with the number of the cluster, ``tune``). Once ``stop`` returns
    True, the optimisation under way and those to come take the values they are pulled towards (cluster proportions,
    cluster means, the single-cell imputation, 1), since a random start that was not trained is worth less.
    """
    params = params or RunParams()
    given = ClusteredCells.checked(expression, imputed, labels, bulk_profile, genes, states)
    run = _Run(seed, _precise_device(device), iteration, stop)
    bulk = run.tensor(given.bulk, torch.float64)
    means = run.tensor(given.cluster_means(), torch.float64)
    proportions = run.tensor(given.counts / given.counts.sum(), torch.float64)
    losses: dict[str, float] = {}

    opt1 = params.deconv_opt1
    weight_objective = WeightObjective(bulk, means, proportions, opt1.regu_strength)
    weights = yield from _descend(
        _Step("opt1", weight_objective, run.normal(proportions, 1), proportions, 0.0, opt1), run
    )
    losses["opt1"] = weight_objective.value(weights)

    opt2 = params.deconv_opt2
    profile_objective = ProfileObjective(bulk, weights, means, opt2.regu_strength)
    profiles = yield from _descend(_Step("opt2", profile_objective, run.normal(means, 2), means, 0.0, opt2), run)
    losses["opt2"] = profile_objective.value(profiles)

    cell_profiles = np.empty((given.n_obs, given.n_genes), dtype=np.float32)
    losses["opt3"] = 0.0
    for number in range(len(given.clusters)):
        loss = yield from _cell_profiles(given, run, number, profiles[:, number], params.deconv_opt3, cell_profiles)
        losses["opt3"] += loss

    mixture = run.tensor(given.mean_per_cluster(cell_profiles), torch.float64) @ weights
    scaling_objective = ScalingObjective(bulk, mixture)
    ones = torch.ones_like(bulk)
    scaling = yield from _descend(
        _Step("tune", scaling_objective, run.normal(ones, 4), ones, 1.0, params.deconv_tune), run
    )
    losses["tune"] = scaling_objective.value(scaling)
    if run.stopped:
        yield Notice(
            "The bulk deconvolution was cut short: what it had not finished keeps the single-cell values.",
            "warning",
            "deconvolution",
        )
    return Deconvolution(
        clusters=given.clusters.astype(np.int32),
        genes=given.genes,
        weights=weights.cpu().numpy(),
        profiles=profiles.cpu().numpy().astype(np.float32),
        gene_scaling=scaling.cpu().numpy(),
        cell_profiles=cell_profiles,
        losses=losses,
    )


def _cell_profiles(
    given: ClusteredCells,
    run: _Run,
    number: int,
    profile: torch.Tensor,
    params: DeconvOpt3Params,
    out: npt.NDArray[np.float32],
) -> Generator[Event, None, float]:
    """Step 3 for one cluster: fills its rows of ``out`` and returns the final loss."""
    cells = given.cells(number)
    observed, single_cell = given.rows(cells)
    target = run.tensor(single_cell, torch.float32)
    unseen = run.tensor(observed == 0, torch.bool)
    del observed  # as large as the cluster, and all that is needed of it is where it is 0
    start = run.normal(target, 3, number)
    torch.where(unseen, start, target, out=start)
    objective = CellObjective(profile, target, unseen, params.regu_strength_1, params.regu_strength_2)
    found = yield from _descend(_Step("opt3", objective, start, target, 0.0, params, int(given.clusters[number])), run)
    out[cells] = found.cpu().numpy()
    return objective.value(found)


@dataclass
class _Run:
    """Where and with which seed it runs, and whether it was told to stop."""

    seed: int
    device: torch.device
    iteration: int
    stop: Stop
    stopped: bool = False

    def tensor(self, values: npt.NDArray[Any], dtype: torch.dtype) -> torch.Tensor:
        return torch.as_tensor(values, dtype=dtype, device=self.device)

    def normal(self, like: torch.Tensor, *purpose: int) -> torch.Tensor:
        """Random normal values, the same on every device, from a seed of their own for each purpose."""
        seed = int(np.random.SeedSequence([self.seed, *purpose]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(self.device)


@dataclass(frozen=True)
class _Step:
    """One optimisation: what is minimised, from where, above which bound, and what to take when it cannot be run."""

    name: str
    objective: Objective
    start: torch.Tensor
    fallback: torch.Tensor
    lower: float
    params: StepParams
    cluster: int | None = None


def _descend(step: _Step, run: _Run) -> Generator[Event, None, torch.Tensor]:
    """Projected Adam; ``step.start`` is overwritten. Ends when |loss| < epsilon or after ``epoch`` steps."""
    if run.stopped:
        return step.fallback
    params = step.params
    value = step.start.clamp_(min=step.lower)
    gradient = torch.empty_like(value)
    value.grad = gradient
    # Fused: the update needs no temporary of the size of the value.
    optimiser = torch.optim.Adam([value], lr=params.learning_rate, fused=True)
    for epoch in range(1, params.epoch + 1):
        loss = step.objective.gradient(value, gradient)
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss of bulk deconvolution {step.name} became {loss} in epoch {epoch}.",
                stage="deconvolution",
                iteration=run.iteration,
                epoch=epoch,
                advice=f"Lower deconv_{step.name}_learning_rate (now {params.learning_rate:g}), and check that bulk "
                "and single cells are on the ln(1 + x) scale.",
            )
        converged = abs(loss) < params.epsilon
        if not converged:
            optimiser.step()
            value.clamp_(min=step.lower)
        losses = {"loss": loss, step.name: loss}
        yield EpochEnded("deconvolution", run.iteration, epoch, params.epoch, losses, step.cluster)
        if converged:
            break
        if run.stop():
            run.stopped = True
            return step.fallback
    value.grad = None
    return value


def _precise_device(device: torch.device | str) -> torch.device:
    chosen = torch.device(device)
    return torch.device("cpu") if chosen.type == "mps" else chosen

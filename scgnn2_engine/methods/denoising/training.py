"""The feature autoencoder trained to fill gaps: seen entries are hidden from it and asked for again.

The published objective reconstructs what it is given, zeros included, so nothing makes it predict an entry that was
missed. Here every step hides a share of the seen entries, and the network is scored where the truth is known.
"""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scgnn2_engine.data.batches import Batches
from scgnn2_engine.data.blocks import BlockMatrix
from scgnn2_engine.data.prepared import HiddenEntries
from scgnn2_engine.events import EpochEnded, Event, Stop, drain, never
from scgnn2_engine.graph.batch_correction import correct_batches
from scgnn2_engine.methods.autoencoder import Weights
from scgnn2_engine.methods.denoising.loss import GapLoss
from scgnn2_engine.methods.denoising.network import (
    DenoisingAutoencoder,
    decoded_log_rate,
    decoded_value,
    encode_denoising,
)
from scgnn2_engine.methods.denoising.observed import Observed
from scgnn2_engine.params import FeatureAEParams
from scgnn2_engine.training.held_out import HeldOut
from scgnn2_engine.training.loop import Plan, diverged, iterate_training
from scgnn2_engine.training.ranks import Ranks

Matrix32 = npt.NDArray[np.float32]

CYCLE_HEIGHT = 3
"""Top of one cycle's learning rate over the constant one."""

CYCLE_EPOCHS = 10
"""Least epochs of one cycle."""


@dataclass(frozen=True)
class DenoisingFit:
    """A trained network and what it makes of the cells.

    Attributes
    ----------
    weights
        Its parameters by name, float32.
    embedding
        (n_obs, 128) float32.
    activation
        The network's.
    n_epochs
        Epochs that were trained.
    validation
        Mean absolute error at the held-out entries, None without any.
    batches
        Which batch each cell is of, where the decoder was told.
    """

    weights: Weights
    embedding: Matrix32
    activation: str
    n_epochs: int
    validation: float | None
    batches: Batches | None = None

    @property
    def value(self) -> BlockMatrix:
        """(n_obs, n_vars) float32, not negative: the value each gene has where it is seen, on the scale of x."""
        return decoded_value(self.weights, self.embedding, self.activation, self.batches)

    @property
    def log_rate(self) -> BlockMatrix | None:
        """(n_obs, n_vars) float32, for counts: logarithm of the expected count per unit of size factor."""
        return decoded_log_rate(self.weights, self.embedding, self.activation, self.batches)

    def as_of_one_batch(self) -> DenoisingFit:
        """What it makes of the cells as if all were of one batch, the mean of all.

        The encoder sees the batch in the genes, so the embedding is corrected before the decoder is told the mean.
        """
        if self.batches is None:
            return self
        return replace(self, embedding=correct_batches(self.embedding, self.batches).points, batches=None)


def iterate_denoising(
    observed: Observed,
    validation: HiddenEntries | None = None,
    params: FeatureAEParams | None = None,
    *,
    plan: Plan | None = None,
    weights: Weights | None = None,
    held_out: HeldOut | None = None,
    frozen: Collection[str] = (),
    seed: int = 1,
    device: torch.device | None = None,
    stop: Stop = never,
    ranks: Ranks | None = None,
) -> Generator[EpochEnded, None, DenoisingFit]:
    """Train a network to fill gaps, yielding an event after every epoch.

    In every step a share ``params.hide_share`` of the seen entries is hidden from the input, and the rest is divided
    by the share of the cell that was kept. The loss is the Huber loss (squared below ``params.huber_delta``, linear
    above) over all seen entries, plus for counts ``params.count_weight`` times the negative log likelihood of a
    negative binomial distribution with dispersion ``params.dispersion`` over all entries, zeros included.

    Parameters
    ----------
    observed
        The cells, see :func:`observe`.
    validation
        Held-out entries, scored on the way for the early stop; values on the scale of x.
    params
        Share hidden, losses, activation, dropout and the bounds of the training; None: the preset ``default``'s.
    plan
        How to train; None: as ``params`` says.
    weights
        Start from these; None: a random start drawn with ``seed``.
    held_out
        The held-out entries where they are known already, instead of ``validation``.
    frozen
        Names of weights that stay as they are.
    seed
        Of the start, the order of the batches, what is hidden and the dropout.
    device, stop
        As in :func:`~scgnn2_engine.methods.published.feature_ae.iterate_feature_ae`.
    ranks
        The processes that train together, each a part of every batch; None: this one alone.

    Yields
    ------
    EpochEnded
        Losses ``value`` and, for counts, ``counts`` add up to ``loss``; each is a mean over the entries of a cell,
        summed over the cells.

    Returns
    -------
    DenoisingFit

    Raises
    ------
    InputError
        The weights are of another network.
    TrainingError
        The loss or the output is NaN or infinite.

    Notes
    -----
    Denoising autoencoders: Vincent et al. 2008. Self-supervision by hidden entries: Batson & Royer 2019 (noise2self).
    Huber 1964. Negative binomial counts with a network's rate: Eraslan et al. 2019 (DCA).

    Examples
    --------
    >>> from scgnn2_engine.methods.denoising.observed import observe
    >>> x = np.random.default_rng(0).random((20, 30), np.float32)
    >>> len(list(iterate_denoising(observe(x), plan=Plan("feature_AE", n_epochs=5, learning_rate=1e-3))))
    5
    """
    params = params or default_params()
    device = device or torch.device("cpu")
    plan = plan or plan_of(params, observed.n_obs, params.epoch[0])
    draws = np.random.SeedSequence(seed).generate_state(3).tolist()
    network = DenoisingAutoencoder(
        observed.n_vars,
        counts=observed.counts is not None and params.count_weight > 0,
        activation=params.activation,
        dropout=params.layer_dropout,
        n_batches=0 if observed.batches is None else len(observed.batches),
        seed=draws[0],
    )
    network.means.copy_(torch.from_numpy(observed.means))
    network.log_rates.copy_(torch.from_numpy(observed.log_rates))
    if weights is not None:
        network.load(weights)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in frozen)
    network.to(device)
    if held_out is None and validation is not None:
        held_out = HeldOut(validation)
    scored = held_out if held_out is not None and len(held_out) else None
    loss = GapLoss(network, observed, params, device, draws[1], ranks)
    trained = yield from iterate_training(
        network,
        loss,
        replace(plan, seed=draws[2]),
        n_samples=observed.n_obs,
        validate=None if scored is None else scored.scorer(network.value_at, loss.inputs, device),
        stop=stop,
        ranks=ranks,
    )
    embedding, learned = encode_denoising(network, loss.centred, observed.n_obs), network.weights()
    if not all(np.isfinite(values).all() for values in (embedding, *learned.values())):
        raise diverged(plan.stage, plan.iteration, trained.n_epochs, plan.cluster)
    fit = DenoisingFit(learned, embedding, params.activation, trained.n_epochs, None, observed.batches)
    return fit if scored is None else replace(fit, validation=scored.error(fit.value))


def fit_denoising(observed: Observed, validation: HiddenEntries | None = None, **options: Any) -> DenoisingFit:
    """Train a network to its end; parameters and errors are those of :func:`iterate_denoising`.

    Examples
    --------
    >>> from scgnn2_engine.methods.denoising.observed import observe
    >>> x = np.random.default_rng(0).random((20, 30), np.float32)
    >>> fit = fit_denoising(observe(x), plan=Plan("feature_AE", n_epochs=2, learning_rate=1e-3))
    >>> fit.embedding.shape, fit.value.shape, fit.log_rate
    ((20, 128), (20, 30), None)
    """
    steps: Generator[Event, None, DenoisingFit] = iterate_denoising(observed, validation, **options)
    return drain(steps)


def default_params() -> FeatureAEParams:
    """The feature autoencoder's parameters in the preset ``default``."""
    from scgnn2_engine.params import RunParams

    return RunParams().feature_AE


def plan_of(params: FeatureAEParams, n_obs: int, n_epochs: int, **more: Any) -> Plan:
    """How parameters of the feature autoencoder say to train on so many cells.

    With ``params.cycle_steps``, and more cells than a batch holds, the learning rate goes through one cycle. Fewer
    cells are soon learnt by heart at a high rate: they keep the constant one, and the early stop.

    Examples
    --------
    >>> plan = plan_of(default_params(), n_obs=20_000, n_epochs=500)
    >>> plan.one_cycle, plan.max_steps, plan.learning_rate, plan_of(default_params(), n_obs=500, n_epochs=500).one_cycle
    (True, 300, 0.003, False)
    """
    plan = Plan(
        "feature_AE",
        n_epochs=n_epochs,
        learning_rate=params.learning_rate,
        batch_size=params.batch_size,
        max_steps=params.max_steps,
        patience=params.patience,
        **more,
    )
    n_batches = -(-n_obs // params.batch_size)
    if params.cycle_steps == 0 or n_batches == 1:
        return plan
    steps = max(params.cycle_steps, CYCLE_EPOCHS * n_batches)
    return replace(
        plan,
        learning_rate=CYCLE_HEIGHT * params.learning_rate,
        max_steps=min(steps, params.max_steps or steps),
        patience=0,
        one_cycle=True,
    )

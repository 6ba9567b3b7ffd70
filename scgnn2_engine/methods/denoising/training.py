"""The feature autoencoder trained to fill gaps: seen entries are hidden from it and asked for again.

The published objective reconstructs what it is given, zeros included, so nothing makes it predict an entry that was
missed. Here every step hides a share of the seen entries, and the network is scored where the truth is known.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import gammaln
from torch import Tensor

from scgnn2_engine.data.blocks import BlockMatrix
from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.data.prepared import HiddenEntries
from scgnn2_engine.events import EpochEnded, Event, Stop, drain, never
from scgnn2_engine.methods.autoencoder import Weights, check_shape
from scgnn2_engine.methods.denoising.network import DenoisingAutoencoder, decoded, encode_denoising
from scgnn2_engine.params import FeatureAEParams
from scgnn2_engine.training.devices import Rows
from scgnn2_engine.training.held_out import HeldOut
from scgnn2_engine.training.loop import Batch, Plan, diverged, iterate_training

Matrix32 = npt.NDArray[np.float32]

MOST_HIDDEN = 0.95
"""Share of a cell's seen entries above which what is left is not scaled up any further."""


@dataclass(frozen=True)
class DenoisingFit:
    """A trained network and what it makes of the cells.

    Attributes
    ----------
    weights
        Its parameters by name, float32.
    embedding
        (n_obs, 128) float32.
    value
        (n_obs, n_vars) float32, not negative: the value each gene has where it is seen, on the scale of x.
    log_rate
        (n_obs, n_vars) float32, for counts: natural logarithm of the expected count per unit of size factor.
    n_epochs
        Epochs that were trained.
    validation
        Mean absolute error at the held-out entries, None without any.
    """

    weights: Weights
    embedding: Matrix32
    value: BlockMatrix
    log_rate: BlockMatrix | None
    n_epochs: int
    validation: float | None


@dataclass(frozen=True)
class Observed:
    """What is seen of some cells, as the network takes it.

    Attributes
    ----------
    centred
        (n_obs, n_vars) float32, difference of a seen entry from the mean of its gene's seen entries; 0 where nothing
        is seen.
    seen
        (n_obs, n_vars) bool, the entries that are expressed and not held out.
    counts
        (n_obs, n_vars) float32, −1 where held out; None where the data are not counts.
    log_size_factors
        (n_obs,) float32.
    weights
        (n_obs, n_vars) float32 weights of the seen entries, or None: all alike.
    means, log_rates
        (n_vars,) float32 mean of each gene's seen entries, and logarithm of its counts per unit of size factor.
    """

    centred: npt.NDArray[np.float32]
    seen: npt.NDArray[np.bool_]
    counts: npt.NDArray[np.float32] | None
    log_size_factors: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32] | None
    means: npt.NDArray[np.float32]
    log_rates: npt.NDArray[np.float32]

    def take(self, cells: Ints) -> Observed:
        """Those of the given cells; means and rates stay those of all."""
        return replace(
            self,
            centred=self.centred[cells],
            seen=self.seen[cells],
            counts=None if self.counts is None else self.counts[cells],
            log_size_factors=self.log_size_factors[cells],
            weights=None if self.weights is None else self.weights[cells],
        )


def observe(
    x: Floats,
    validation: HiddenEntries | None = None,
    size_factors: Floats | None = None,
    states: npt.NDArray[np.uint8] | None = None,
    *,
    counts: bool = False,
    regu_strength: float = 0.0,
) -> Observed:
    """Bring prepared expression into the form in which it is trained on.

    Parameters
    ----------
    x
        (n_obs, n_vars) float32, ln(1 + expression / size factor), hidden entries at 0.
    validation
        Held-out entries: neither seen nor counted.
    size_factors
        (n_obs,); None: all 1.
    states
        (n_obs, n_vars) LTMG states R: a seen entry weighs (1 − γ) + γ R, over the mean of those weights.
    counts
        Whether the data are counts, of which the zeros say something too.
    regu_strength
        γ.

    Examples
    --------
    >>> observe(np.log1p(np.array([[1.0, 0.0], [3.0, 2.0]], np.float32))).means.round(2)
    array([1.04, 1.1 ], dtype=float32)
    """
    check_shape("LTMG states", states, x.shape)
    seen = x > 0
    if validation is not None:
        seen[validation.rows, validation.cols] = False
    in_genes = seen.sum(axis=0)
    means = np.where(in_genes > 0, np.where(seen, x, 0).sum(axis=0, dtype=np.float64) / np.maximum(in_genes, 1), 0)
    means = means.astype(np.float32)
    factors = np.ones(len(x), np.float32) if size_factors is None else np.asarray(size_factors, np.float32)
    counted, log_rates = None, np.zeros(x.shape[1], np.float32)
    if counts:
        counted = np.expm1(x).astype(np.float32) * factors[:, None]
        # Half a count: a gene that is nowhere seen has a rate all the same, and it is small.
        log_rates = np.log((counted.sum(axis=0, dtype=np.float64) + 0.5) / factors.sum(dtype=np.float64))
        if validation is not None:
            counted[validation.rows, validation.cols] = -1
    weights = None
    if states is not None and regu_strength > 0:
        weights = np.where(seen, (1 - regu_strength) + regu_strength * states, 0).astype(np.float32)
        mean = float(weights.sum(dtype=np.float64)) / max(int(in_genes.sum()), 1)
        weights /= np.float32(mean if mean > 0 else 1)
    return Observed(
        centred=np.where(seen, x - means, np.float32(0)).astype(np.float32),
        seen=seen,
        counts=counted,
        log_size_factors=np.log(factors),
        weights=weights,
        means=means,
        log_rates=log_rates.astype(np.float32),
    )


def iterate_denoising(
    observed: Observed,
    validation: HiddenEntries | None = None,
    params: FeatureAEParams | None = None,
    *,
    plan: Plan | None = None,
    weights: Weights | None = None,
    held_out: HeldOut | None = None,
    seed: int = 1,
    device: torch.device | None = None,
    stop: Stop = never,
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
    seed
        Of the start, the order of the batches, what is hidden and the dropout.
    device, stop
        As in :func:`~scgnn2_engine.methods.published.feature_ae.iterate_feature_ae`.

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
    >>> x = np.random.default_rng(0).random((20, 30), np.float32)
    >>> len(list(iterate_denoising(observe(x), plan=Plan("feature_AE", n_epochs=5, learning_rate=1e-3))))
    5
    """
    params = params or default_params()
    device = device or torch.device("cpu")
    plan = plan or plan_of(params, "feature_AE", params.epoch[0])
    draws = np.random.SeedSequence(seed).generate_state(3).tolist()
    network = DenoisingAutoencoder(
        observed.centred.shape[1],
        counts=observed.counts is not None and params.count_weight > 0,
        activation=params.activation,
        dropout=params.layer_dropout,
        seed=draws[0],
    )
    network.means.copy_(torch.from_numpy(observed.means))
    network.log_rates.copy_(torch.from_numpy(observed.log_rates))
    if weights is not None:
        network.load(weights)
    network.to(device)
    if held_out is None and validation is not None and len(validation):
        held_out = HeldOut(validation)
    loss = _Loss(network, observed, params, device, draws[1])
    trained = yield from iterate_training(
        network,
        loss,
        replace(plan, seed=draws[2]),
        n_samples=len(observed.centred),
        validate=held_out.scorer(_Values(network), loss.centred) if held_out is not None and len(held_out) else None,
        stop=stop,
    )
    embedding, learned = encode_denoising(network, loss.centred, len(observed.centred)), network.weights()
    if not all(np.isfinite(values).all() for values in (embedding, *learned.values())):
        raise diverged(plan.stage, plan.iteration, trained.n_epochs, plan.cluster)
    value, log_rate = decoded(learned, embedding, params.activation)
    score = held_out.error(value) if held_out is not None and len(held_out) else None
    return DenoisingFit(learned, embedding, value, log_rate, trained.n_epochs, score)


def fit_denoising(observed: Observed, validation: HiddenEntries | None = None, **options: Any) -> DenoisingFit:
    """Train a network to its end; parameters and errors are those of :func:`iterate_denoising`.

    Examples
    --------
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


def plan_of(params: FeatureAEParams, stage: Any, n_epochs: int, **more: Any) -> Plan:
    """How parameters of an autoencoder say to train."""
    return Plan(
        stage,
        n_epochs=n_epochs,
        learning_rate=params.learning_rate,
        batch_size=params.batch_size,
        max_steps=params.max_steps,
        patience=params.patience,
        **more,
    )


class _Values:
    """A network as the held-out entries ask it: the value of every gene, beside the embedding."""

    def __init__(self, network: DenoisingAutoencoder) -> None:
        self._network = network

    @property
    def device(self) -> torch.device:
        return self._network.device

    def __call__(self, centred: Tensor) -> tuple[Tensor, Tensor]:
        embedding, value, _ = self._network(centred)
        return embedding, (value + self._network.means).clamp_(min=0)


class _Loss:
    """Hides entries of a batch, asks for them, and adds up how wrong the answers are."""

    def __init__(
        self,
        network: DenoisingAutoencoder,
        observed: Observed,
        params: FeatureAEParams,
        device: torch.device,
        seed: int,
    ) -> None:
        self._network, self._params = network, params
        self.centred = Rows(observed.centred, device)
        self._seen = Rows(observed.seen, device)
        self._counts = None if observed.counts is None or network.rate is None else Rows(observed.counts, device)
        self._weights = None if observed.weights is None else Rows(observed.weights, device)
        self._log_factors = Rows(observed.log_size_factors[:, None], device)
        if observed.counts is not None and self._counts is not None:
            self._constant = Rows(_without_rate(observed.counts, params.dispersion)[:, None], device)
        self._generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        target, seen = self.centred(batch), self._seen(batch)
        _, value, log_rate = self._network(self._with_gaps(target, seen))
        errors = huber(value - target, self._params.huber_delta)
        errors = errors * (seen if self._weights is None else self._weights(batch))
        n_cells = len(target)
        parts = {"value": errors.sum() * (n_cells / seen.sum().clamp(min=1))}
        if self._counts is not None and log_rate is not None:
            counts = self._counts(batch)
            log_rate = log_rate + (self._network.log_rates + self._log_factors(batch))
            surprise = negative_binomial(counts, log_rate, self._params.dispersion)
            known = counts >= 0
            # What the rate does not touch trains nothing, but makes the loss one that is never below 0.
            total = (surprise * known).sum() + self._constant(batch).sum()
            parts["counts"] = total * (self._params.count_weight * n_cells / known.sum().clamp(min=1))
        return {"loss": torch.stack([*parts.values()]).sum(), **parts}

    def _with_gaps(self, target: Tensor, seen: Tensor) -> Tensor:
        """The input with a share of the seen entries at 0 and the others grown in return."""
        kept = torch.empty(target.shape, device=target.device).bernoulli_(
            1 - self._params.hide_share, generator=self._generator
        )
        share = (kept * seen).sum(dim=1, keepdim=True) / seen.sum(dim=1, keepdim=True).clamp(min=1)
        return kept.mul_(target).div_(share.clamp_(min=1 - MOST_HIDDEN))


def huber(difference: Tensor, delta: float) -> Tensor:
    """Huber's loss: d²/2 up to |d| = delta, linear beyond; delta 0: d²/2 everywhere.

    Examples
    --------
    >>> huber(torch.tensor([0.5, 3.0]), 1.0).tolist(), huber(torch.tensor([3.0]), 0.0).tolist()
    ([0.125, 2.5], [4.5])
    """
    if delta == 0:
        return difference.square() / 2
    return torch.nn.functional.huber_loss(difference, torch.zeros_like(difference), reduction="none", delta=delta)


def _without_rate(counts: npt.NDArray[np.float32], dispersion: float) -> npt.NDArray[np.float32]:
    """(n_obs,) the terms that :func:`negative_binomial` leaves out, over all counts of a cell; a zero has none."""
    rows, cols = np.nonzero(counts > 0)
    seen = counts[rows, cols].astype(np.float64)
    terms = gammaln(seen + 1)
    if dispersion > 0:
        terms += gammaln(dispersion) - gammaln(seen + dispersion) + seen * np.log(dispersion)
    return np.bincount(rows, terms, len(counts)).astype(np.float32)


def negative_binomial(counts: Tensor, log_rate: Tensor, dispersion: float) -> Tensor:
    """Negative log likelihood of counts, without the terms that the rate does not touch.

    Parameters
    ----------
    dispersion
        θ: the variance is rate + rate² / θ. 0 stands for no dispersion beyond Poisson's.

    Examples
    --------
    >>> negative_binomial(torch.tensor([2.0]), torch.tensor([0.0]), 0.0).tolist()
    [1.0]
    """
    rate = log_rate.clamp(max=20.0).exp()
    if dispersion == 0:
        return rate - counts * log_rate
    return (counts + dispersion) * torch.log1p(rate / dispersion) - counts * log_rate

"""The feature autoencoder: every cell's expression through 128 numbers, entries weighted by their LTMG states."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scgnn2_engine.data.prepared import HiddenEntries
from scgnn2_engine.events import Event, Stop, drain, never
from scgnn2_engine.methods.autoencoder import Autoencoder, Inputs, Weights, check_shape, encode
from scgnn2_engine.params import FeatureAEParams
from scgnn2_engine.training.devices import Rows, on_device, roomy
from scgnn2_engine.training.held_out import HeldOut
from scgnn2_engine.training.loop import Batch, Plan, diverged, iterate_training


@dataclass(frozen=True)
class FeatureFit:
    """A trained feature autoencoder and what it makes of the cells.

    Attributes
    ----------
    weights
        Its parameters by name, float32; the starting point of the next training and of the cluster autoencoders.
    embedding
        (n_obs, 128) float32, not negative.
    reconstruction
        (n_obs, n_vars) float32, not negative, on the scale of the target.
    n_epochs
        Epochs that were trained.
    validation
        Mean absolute error at the held-out entries, None without any.
    """

    weights: Weights
    embedding: npt.NDArray[np.float32]
    reconstruction: npt.NDArray[np.float32]
    n_epochs: int
    validation: float | None


def iterate_feature_ae(
    x: npt.NDArray[np.float32],
    target: npt.NDArray[np.float32] | None = None,
    states: npt.NDArray[np.uint8] | None = None,
    validation: HiddenEntries | None = None,
    previous: npt.NDArray[np.float32] | None = None,
    weights: Weights | None = None,
    params: FeatureAEParams | None = None,
    *,
    n_epochs: int | None = None,
    seed: int = 1,
    device: torch.device | None = None,
    iteration: int = 0,
    stop: Stop = never,
    mixed_precision: bool = False,
) -> Generator[Event, None, FeatureFit]:
    """Train the feature autoencoder, yielding an event after every epoch.

    It minimises Σ SE · ((1 − γ) + γ R) with the states R, or Σ SE without them, SE = (reconstruction − target)² and
    γ = ``params.regu_strength``.

    Parameters
    ----------
    x
        (n_obs, n_vars) float32, the input: ln(1 + expression).
    target
        (n_obs, n_vars) what to reconstruct; None: ``x`` itself.
    states
        (n_obs, n_vars) uint8 LTMG states.
    validation
        Held-out entries: weight 0 in the loss; their mean absolute error is the validation score.
    previous
        (n_obs, d) embedding to put beside the input.
    weights
        Start from these; the rules for an input that became wider or narrower are :meth:`Autoencoder.load`'s. None:
        a random start drawn with ``seed``.
    params
        Batch size, learning rate, γ, input dropout, bound on the steps, patience; None: the published values.
    n_epochs
        None: ``params.epoch``, the first number without a target and the second with one.
    seed
        Of the start, the order of the batches and the dropout.
    device
        None: the CPU. On CUDA, ``mixed_precision`` multiplies matrices in bfloat16.
    iteration, stop
        As the events name it; asked after every epoch.

    Yields
    ------
    EpochEnded

    Returns
    -------
    FeatureFit

    Raises
    ------
    InputError
        Shapes do not fit each other.
    TrainingError
        The loss, or the reconstruction of the last weights, is NaN or infinite.

    Notes
    -----
    Gu et al., Bioinformatics 2022 (scGNN 2.0); the loss is that of Wang et al., Nature Communications 2021.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).random((20, 30), np.float32)
    >>> losses = [event.losses["loss"] for event in iterate_feature_ae(x, n_epochs=5)]
    >>> len(losses), losses[-1] < losses[0]
    (5, True)
    """
    params = params or FeatureAEParams()
    device = device or torch.device("cpu")
    check_shape("target", target, x.shape)
    check_shape("LTMG states", states, x.shape)
    check_shape("previous embedding", previous, (len(x), None))
    draws = np.random.SeedSequence(seed).generate_state(3).tolist()
    network = Autoencoder(x.shape[1], 0 if previous is None else previous.shape[1], seed=draws[0], weights=weights).to(
        device
    )
    inputs = Inputs(x, previous, device, dropout=params.dropout_prob, seed=draws[1])
    held_out = HeldOut(validation) if validation is not None and len(validation) else None
    loss = _Loss(network, inputs, x if target is None else target, states, held_out, params.regu_strength, device)
    plan = Plan(
        "feature_AE",
        n_epochs=n_epochs or params.epoch[0 if target is None else 1],
        learning_rate=params.learning_rate,
        iteration=iteration,
        batch_size=params.batch_size,
        max_steps=params.max_steps,
        patience=params.patience,
        seed=draws[2],
        mixed_precision=mixed_precision,
    )
    trained = yield from iterate_training(
        network,
        loss,
        plan,
        n_samples=len(x),
        validate=held_out.scorer(network.reconstruction_at, inputs, device) if held_out else None,
        stop=stop,
    )
    embedding, reconstruction = encode(network, x, previous)
    if not np.isfinite(reconstruction).all():
        raise diverged("feature_AE", iteration, trained.n_epochs)
    score = held_out.error(reconstruction) if held_out else None
    return FeatureFit(network.weights(), embedding, reconstruction, trained.n_epochs, score)


def fit_feature_ae(x: npt.NDArray[np.float32], **options: Any) -> FeatureFit:
    """Train the feature autoencoder to its end; parameters and errors are those of :func:`iterate_feature_ae`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).random((20, 30), np.float32)
    >>> fit = fit_feature_ae(x, n_epochs=2, seed=0)
    >>> fit.embedding.shape, fit.reconstruction.shape, fit.n_epochs
    ((20, 128), (20, 30), 2)
    """
    return drain(iterate_feature_ae(x, **options))


class _Loss:
    """The weighted squared error of a batch; LTMG states become weights there and then."""

    def __init__(
        self,
        network: Autoencoder,
        inputs: Inputs,
        target: npt.NDArray[np.float32],
        states: npt.NDArray[np.uint8] | None,
        held_out: HeldOut | None,
        strength: float,
        device: torch.device,
    ) -> None:
        self._network = network
        self._inputs = inputs
        self._target = Rows(target, device)
        self._states = None if states is None else Rows(states, device)
        self._strength = strength
        self._base = torch.tensor(1 - strength, device=device)
        self._difference = self._weighted = torch.empty(0, device=device)
        self._held_out: tuple[Tensor, Tensor] | None = None
        if held_out is not None:
            counts = np.bincount(held_out.rows, minlength=len(target))
            starts = np.concatenate([[0], np.cumsum(counts)])
            self._held_out = on_device(starts, device), on_device(held_out.cols, device)

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        _, reconstruction = self._network(self._inputs.dropped(batch))
        loss = WeightedSquaredError.apply(  # type: ignore[no-untyped-call]
            reconstruction,
            self._target(batch),
            self._weights(batch, reconstruction),
            self._without(batch),
            self._room("_difference", reconstruction),
        )
        return {"loss": loss}

    def _weights(self, batch: Batch, like: Tensor) -> Tensor | None:
        """(1 − γ) + γ R of the batch."""
        if self._states is None:
            return None
        weights = self._room("_weighted", like).copy_(self._states(batch))
        return torch.add(self._base, weights, alpha=self._strength, out=weights)

    def _room(self, name: str, like: Tensor) -> Tensor:
        """Memory of the shape of a batch's reconstruction, the same from step to step."""
        memory = roomy(getattr(self, name), len(like), like.detach())
        setattr(self, name, memory)
        return memory[: len(like)]

    def _without(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Rows and columns, within the batch, of its held-out entries."""
        if self._held_out is None:
            return None
        starts, cols = self._held_out
        first, end = starts[:-1][batch], starts[1:][batch]
        counts = end - first
        rows = torch.repeat_interleave(torch.arange(len(counts), device=cols.device), counts)
        place = torch.arange(len(rows), device=cols.device) - (torch.cumsum(counts, 0) - counts)[rows]
        return rows, cols[first[rows] + place]


class WeightedSquaredError(torch.autograd.Function):
    """Σ weights · (prediction − target)², some entries left out.

    To save passes over memory, the weights and ``room``, of the prediction's shape, are overwritten, and the gradient
    is made in place: it can be asked for once.

    Examples
    --------
    >>> prediction = torch.tensor([[1.0, 2.0]], requires_grad=True)
    >>> left_out = torch.tensor([0]), torch.tensor([1])
    >>> weights, room = torch.tensor([[0.5, 0.5]]), torch.empty(1, 2)
    >>> loss = WeightedSquaredError.apply(prediction, torch.zeros(1, 2), weights, left_out, room)
    >>> loss.backward()
    >>> loss.item(), prediction.grad
    (0.5, tensor([[1., 0.]]))
    """

    @staticmethod
    def forward(
        ctx: Any,
        prediction: Tensor,
        target: Tensor,
        weights: Tensor | None,
        left_out: tuple[Tensor, Tensor] | None,
        room: Tensor,
    ) -> Tensor:
        """The loss, a scalar."""
        difference = torch.sub(prediction, target, out=room)
        if left_out is not None:
            difference[left_out] = 0
        weighted = difference if weights is None else weights.mul_(difference)
        ctx.slope = weighted
        return torch.dot(difference.view(-1), weighted.view(-1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        """Twice the weighted difference."""
        return ctx.slope.mul_(2 * grad), None, None, None, None

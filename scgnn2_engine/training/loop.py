"""The one training loop: device, batches, Adam, early stops, epoch events.

A stage brings a network and a function from a batch to its losses; everything else that training needs is here, once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from scgnn2_engine.errors import TrainingError
from scgnn2_engine.events import EpochEnded, Stage, Stop, never
from scgnn2_engine.resources import GrownMemory
from scgnn2_engine.training.devices import enough_memory, mixed_precision, threads
from scgnn2_engine.training.optimiser import adam
from scgnn2_engine.training.ranks import Ranks

__all__ = ["Batch", "Loss", "Plan", "Trained", "diverged", "iterate_training"]

Batch = slice | Tensor
"""Which samples a step takes: ``slice(None)`` when one batch holds all (a view, no copy), else int64 positions."""

Loss = Callable[[Batch], Mapping[str, Tensor]]
"""From a batch to scalar tensors; the one named ``"loss"`` is minimised, the others are parts to report."""

CHECK_STEPS = 10
"""Held-out entries are scored at most once in so many steps, so that scoring stays a small share of the time."""

RISING = 0.25
"""Share of the steps in which the learning rate of one cycle rises."""

WINDOW = 10
"""Epochs over which the loss is averaged before it is compared with ``Plan.tolerance``."""


@dataclass(frozen=True)
class Plan:
    """How to train; the zeros of the optional bounds mean "none".

    Attributes
    ----------
    stage, iteration, cluster
        What the events and errors are named after.
    n_epochs
        Passes over the samples.
    learning_rate
        Of Adam (betas 0.9 and 0.999, epsilon 1e-8).
    batch_size
        Largest number of samples of a step; batches are of equal size up to one sample. 0: all in one.
    max_steps
        Largest number of steps; the last epoch may be cut by it.
    patience
        Checks of the held-out score without improvement before training ends. With it the best of the weights that
        were scored are restored, those at the end among them; those training started from are not in the race.
    one_cycle
        Let the learning rate rise in a straight line to ``learning_rate`` over the first quarter of the steps, and fall
        to 0 over the others (Smith & Topin 2018), where its top can be several times what a constant rate bears.
    tolerance
        End when the loss, averaged over 10 epochs, has fallen by less than this share of itself.
    l1_weight
        Weight of the sum of the absolute values of all parameters, added to the loss.
    seed
        Of the order of the batches.
    mixed_precision
        Multiply matrices in bfloat16 where the device has instructions for it, see
        :func:`~scgnn2_engine.devices.mixed_precision`.
    one_thread
        Compute on one thread, for steps so small that sharing them out takes longer than doing them.

    Examples
    --------
    >>> Plan("feature_AE", n_epochs=300, learning_rate=1e-3, batch_size=512).max_steps
    0
    """

    stage: Stage
    n_epochs: int
    learning_rate: float
    iteration: int = 0
    cluster: int | None = None
    batch_size: int = 0
    max_steps: int = 0
    patience: int = 0
    one_cycle: bool = False
    tolerance: float = 0.0
    l1_weight: float = 0.0
    seed: int = 0
    mixed_precision: bool = False
    one_thread: bool = False


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes
    ----------
    n_epochs, n_steps
        How many were made.
    losses
        Those of the last epoch.
    validation
        The held-out score of the weights that are kept, None where nothing was scored.
    """

    n_epochs: int
    n_steps: int
    losses: Mapping[str, float] = field(default_factory=dict)
    validation: float | None = None


def iterate_training(
    network: nn.Module,
    loss: Loss,
    plan: Plan,
    *,
    n_samples: int = 1,
    validate: Callable[[], float] | None = None,
    stop: Stop = never,
    ranks: Ranks | None = None,
) -> Generator[EpochEnded, None, Trained]:
    """Train a network in place, yielding an event after every epoch.

    Parameters
    ----------
    network
        On its device already; all its parameters are trained.
    loss
        From a batch to its losses, see :data:`Loss`. Called in training mode.
    plan
        How long and how fast.
    n_samples
        What the batches are drawn from. With the default of 1 (a whole graph, say) every epoch is one step, and the
        loss may ignore the batch it is given.
    validate
        The held-out score of the network as it is, smaller is better. Called at the end of an epoch once ten steps
        have passed since the last time, and when training is over; in evaluation mode and without gradients.
    stop
        Asked after every epoch.
    ranks
        The processes that train together: ``loss`` then gives this one's share of the losses of a batch, and what the
        gradients, losses and answers of all add up to, or the first one's, counts. None: this one alone.

    Yields
    ------
    EpochEnded
        Losses summed over the epoch's batches (an epoch cut short by ``max_steps`` is scaled up to all samples),
        ``"l1"``, weighted, where the plan has it, ``"validation"`` where it was scored.

    Returns
    -------
    Trained

    Raises
    ------
    TrainingError
        A loss became NaN or infinite.
    InsufficientMemoryError
        The device has too little memory for a step.

    Examples
    --------
    >>> import torch
    >>> from scgnn2_engine.events import drain
    >>> line, x = torch.nn.Linear(1, 1), torch.tensor([[0.0], [1.0], [2.0]])
    >>> def squared_error(batch):
    ...     return {"loss": (line(x[batch]) - 3 * x[batch]).square().sum()}
    >>> plan = Plan("feature_AE", n_epochs=400, learning_rate=0.1)
    >>> drain(iterate_training(line, squared_error, plan, n_samples=3)).n_steps
    400
    >>> round(line.weight.item(), 2)
    3.0
    """
    ranks = ranks or Ranks()
    device = next(network.parameters()).device
    step = adam(network, plan.l1_weight)
    batches = _Batches(n_samples, plan, device)
    best = _Best(network, validate and (lambda: ranks.of_first(validate())), plan)
    history: list[float] = []
    losses: dict[str, float] = {}
    memory = GrownMemory()
    n_steps = 0

    for epoch in range(1, batches.n_epochs + 1):
        network.train()
        parts: list[Tensor] = []
        names: tuple[str, ...] = ()
        seen = 0
        with enough_memory(device, f"a step of {plan.stage}"), threads(1) if plan.one_thread else nullcontext():
            for batch, size in batches.draw(n_steps):
                with mixed_precision(device, enabled=plan.mixed_precision):
                    named = loss(batch)
                named["loss"].backward()  # type: ignore[no-untyped-call]
                ranks.sum_gradients(network)
                penalty = step(batches.rate(n_steps))
                values = dict(zip(named, ranks.sum(torch.stack([*named.values()]).detach()), strict=True))
                if plan.l1_weight:
                    values["l1"] = plan.l1_weight * penalty
                    values["loss"] = values["loss"] + values["l1"]
                names = tuple(values)
                parts.append(torch.stack([*values.values()]))
                n_steps += 1
                seen += size
        losses = _summed(names, parts, n_samples / seen, plan, epoch)
        history.append(losses["loss"])
        last = epoch == batches.n_epochs
        if best.due(n_steps, last):
            losses["validation"] = best.check(n_steps)
        yield EpochEnded(plan.stage, plan.iteration, epoch, batches.n_epochs, losses, plan.cluster)
        if plan.cluster is None:  # clusters are trained side by side, and would wait for each other's
            memory.check()
        # Stop is asked only where something would follow: a training that is complete was not cut short.
        if last or best.waited_enough or _settled(history, plan.tolerance) or ranks.of_first(stop()):
            break
    if best.due(n_steps, last=True):
        best.check(n_steps)
    best.restore()
    return Trained(len(history), n_steps, losses, best.score)


class _Batches:
    """The steps of each epoch: equal shares of a fresh permutation, or everything at once."""

    def __init__(self, n_samples: int, plan: Plan, device: torch.device) -> None:
        self._plan = plan
        self._n_samples = n_samples
        self._n_batches = -(-n_samples // plan.batch_size) if plan.batch_size else 1
        self._device = device
        self._generator = torch.Generator().manual_seed(plan.seed)
        self.n_epochs = plan.n_epochs
        if plan.max_steps:
            self.n_epochs = min(plan.n_epochs, -(-plan.max_steps // self._n_batches))

    def rate(self, n_steps: int) -> float:
        """Learning rate of the step after ``n_steps``."""
        if not self._plan.one_cycle:
            return self._plan.learning_rate
        total = min(self._plan.max_steps or self.n_epochs * self._n_batches, self.n_epochs * self._n_batches)
        rising = RISING * total
        share = (n_steps + 1) / rising if n_steps < rising else (total - n_steps) / (total - rising)
        return self._plan.learning_rate * min(share, 1.0)

    def draw(self, n_steps: int) -> Iterator[tuple[Batch, int]]:
        """The batches of an epoch and their sizes, when ``n_steps`` have been made before it."""
        if self._n_batches == 1:
            yield slice(None), self._n_samples
            return
        order = torch.randperm(self._n_samples, generator=self._generator)
        left = self._plan.max_steps - n_steps if self._plan.max_steps else self._n_batches
        for batch in order.tensor_split(self._n_batches)[:left]:
            yield batch.to(self._device), len(batch)


class _Best:
    """Scores the held-out entries from time to time and keeps the weights that did best."""

    def __init__(self, network: nn.Module, validate: Callable[[], float] | None, plan: Plan) -> None:
        self._network = network
        self._validate = validate
        self._patience = plan.patience
        self._weights: Mapping[str, Tensor] | None = None
        self._checked_at = 0
        self._misses = 0
        self.score: float | None = None

    def due(self, n_steps: int, last: bool) -> bool:
        return self._validate is not None and n_steps - self._checked_at >= (1 if last else CHECK_STEPS)

    @property
    def waited_enough(self) -> bool:
        return self._patience > 0 and self._misses >= self._patience

    def check(self, n_steps: int) -> float:
        assert self._validate is not None
        self._checked_at = n_steps
        self._network.eval()
        with torch.no_grad():
            score = self._validate()
        if self._patience == 0:
            self.score = score
        elif self.score is None or score < self.score:
            self.score, self._misses = score, 0
            self._weights = copy.deepcopy(self._network.state_dict())
        else:
            self._misses += 1
        return score

    def restore(self) -> None:
        if self._weights is not None:
            self._network.load_state_dict(self._weights)


def _summed(names: tuple[str, ...], parts: list[Tensor], scale: float, plan: Plan, epoch: int) -> dict[str, float]:
    """The epoch's losses by name; one transfer from the device for all of them."""
    sums = torch.stack(parts).cpu().double().sum(dim=0)
    losses = dict(zip(names, (sums * scale).tolist(), strict=True))
    if not np.isfinite(losses["loss"]):
        raise diverged(plan.stage, plan.iteration, epoch, plan.cluster)
    return losses


def diverged(stage: Stage, iteration: int, epoch: int, cluster: int | None = None) -> TrainingError:
    """The error for a loss or output that became NaN or infinite.

    Examples
    --------
    >>> str(diverged("cluster_AE", 2, 17, cluster=3))
    'The loss became NaN or infinite in cluster_AE, cluster 3, iteration 2, epoch 17. Set a smaller \
cluster_AE_learning_rate, and look for extreme values in the input.'
    """
    where = stage if cluster is None else f"{stage}, cluster {cluster}"
    return TrainingError(
        f"The loss became NaN or infinite in {where}, iteration {iteration}, epoch {epoch}.",
        stage=stage,
        iteration=iteration,
        epoch=epoch,
        advice=f"Set a smaller {stage}_learning_rate, and look for extreme values in the input.",
    )


def _settled(history: list[float], tolerance: float) -> bool:
    """Whether the mean loss of the last ten epochs is hardly below that of the ten before; asked every ten epochs."""
    if tolerance == 0 or len(history) < 2 * WINDOW or len(history) % WINDOW:
        return False
    before, now = np.mean(history[-2 * WINDOW : -WINDOW]), np.mean(history[-WINDOW:])
    return bool(before - now < tolerance * abs(before))

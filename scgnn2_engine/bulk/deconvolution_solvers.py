"""The published way to solve the four deconvolution problems: a projected descent from a random start."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from scgnn2_engine.bulk.deconvolution_objectives import (
    CellObjective,
    Objective,
    ProfileObjective,
    ScalingObjective,
    WeightObjective,
)
from scgnn2_engine.errors import TrainingError
from scgnn2_engine.events import EpochEnded, Event, Stop
from scgnn2_engine.params import (
    DeconvOpt1Params,
    DeconvOpt2Params,
    DeconvOpt3Params,
    DeconvTuneParams,
    RunParams,
)

SETTLED_OVER = 10
"""Steps over which a loss must have settled."""

StepParams = DeconvOpt1Params | DeconvOpt2Params | DeconvOpt3Params | DeconvTuneParams
Vector = npt.NDArray[np.float64]
Cells = npt.NDArray[np.float32]
Found = TypeVar("Found", bound=npt.NDArray[Any])
Steps: TypeAlias = Generator[Event, None, tuple[Found, float]]
"""Events, and in the end the solution with its loss."""


@dataclass
class Descent:
    """The four problems, one method each; all give the solution with its loss.

    Adam from a random normal start, projected onto the bound after every step. Ends after ``epoch`` steps,
    when |loss| < epsilon, or when the loss stayed within the tolerance times itself over the last ``SETTLED_OVER``
    steps.
    """

    params: RunParams
    iteration: int
    stop: Stop
    seed: int
    where: torch.device | str
    stopped: bool = False

    def weights(self, bulk: Vector, means: Vector, proportions: Vector) -> Steps[Vector]:
        """(k,) weights of the clusters from b (g,), the cluster means (g, k) and shares of the cells (k,)."""
        params, pulled = self.params.deconv_opt1, self._tensor(proportions)
        objective = WeightObjective(self._tensor(bulk), self._tensor(means), pulled, params.regu_strength)
        step = _Problem("opt1", objective, self._normal(pulled, 1), 0.0, params)
        return (yield from self._descend(step, proportions))

    def profiles(self, bulk: Vector, weights: Vector, means: Vector) -> Steps[Vector]:
        """(g, k) profiles of the clusters."""
        params, pulled = self.params.deconv_opt2, self._tensor(means)
        objective = ProfileObjective(self._tensor(bulk), self._tensor(weights), pulled, params.regu_strength)
        step = _Problem("opt2", objective, self._normal(pulled, 2), 0.0, params)
        return (yield from self._descend(step, means))

    def cells(
        self, profile: Vector, single_cell: Cells, unseen: npt.NDArray[np.bool_], number: int, cluster: int
    ) -> Steps[Cells]:
        """(n, g) profiles of the cells of a cluster, from the observed values, and normal values elsewhere."""
        params, target, mask = self.params.deconv_opt3, self._tensor(single_cell), self._tensor(unseen)
        start = self._normal(target, 3, number)
        torch.where(mask, start, target, out=start)
        strengths = params.regu_strength_1, params.regu_strength_2
        objective = CellObjective(self._tensor(profile), target, mask, *strengths)
        return (yield from self._descend(_Problem("opt3", objective, start, 0.0, params, cluster), single_cell))

    def scaling(self, bulk: Vector, mixture: Vector) -> Steps[Vector]:
        """(g,) factors of the genes, at least 1."""
        ones = np.ones_like(bulk)
        objective = ScalingObjective(self._tensor(bulk), self._tensor(mixture))
        step = _Problem("tune", objective, self._normal(self._tensor(ones), 4), 1.0, self.params.deconv_tune)
        return (yield from self._descend(step, ones))

    def _tensor(self, values: npt.NDArray[Any]) -> torch.Tensor:
        device = torch.device(self.where)
        return torch.as_tensor(values, device="cpu" if device.type == "mps" else device)

    def _normal(self, like: torch.Tensor, *purpose: int) -> torch.Tensor:
        """Random normal values, the same on every device, from a seed of their own for each purpose."""
        seed = int(np.random.SeedSequence([self.seed, *purpose]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)

    def _descend(self, step: _Problem, fallback: Found) -> Steps[Found]:
        """``step.start`` is overwritten; ``fallback`` is what a stop leaves."""
        params, pulled = step.params, self._tensor(fallback)
        if self.stopped:
            return fallback, step.objective.value(pulled)
        value = step.start.clamp_(min=step.lower)
        gradient = torch.empty_like(value)
        value.grad = gradient
        # Fused: the update needs no temporary of the size of the value.
        optimiser = torch.optim.Adam([value], lr=params.learning_rate, fused=True)
        losses: list[float] = []
        for epoch in range(1, params.epoch + 1):
            loss = step.objective.gradient(value, gradient)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss of bulk deconvolution {step.name} became {loss} in epoch {epoch}.",
                    stage="deconvolution",
                    iteration=self.iteration,
                    epoch=epoch,
                    advice=f"Lower deconv_{step.name}_learning_rate (now {params.learning_rate:g}), and check that "
                    "bulk and single cells are on the ln(1 + x) scale.",
                )
            losses.append(loss)
            last = losses[-SETTLED_OVER - 1 :]
            settled = len(last) > SETTLED_OVER and max(last) - min(last) <= self.params.deconv.tolerance * abs(loss)
            converged = abs(loss) < params.epsilon or settled
            if not converged:
                optimiser.step()
                value.clamp_(min=step.lower)
            said = {"loss": loss, step.name: loss}
            yield EpochEnded("deconvolution", self.iteration, epoch, params.epoch, said, step.cluster)
            if converged:
                break
            if self.stop():
                self.stopped = True
                return fallback, step.objective.value(pulled)
        value.grad = None
        del optimiser, gradient
        found: Any = value.cpu().numpy()
        return found, step.objective.value(value)


@dataclass(frozen=True)
class _Problem:
    """One optimisation: what is minimised, from where, and above which bound."""

    name: str
    objective: Objective
    start: torch.Tensor
    lower: float
    params: StepParams
    cluster: int | None = None

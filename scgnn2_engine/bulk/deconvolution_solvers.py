"""The two ways to solve the four deconvolution problems: the published descent, and exactly."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from scgnn2_engine.bulk.deconvolution_exact import (
    Stopping,
    settled,
    solve_profiles,
    solve_scaling,
    solve_weights,
)
from scgnn2_engine.bulk.deconvolution_exact_cells import solve_cells
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
"""Steps of the published descent over which its loss must have settled."""

StepParams = DeconvOpt1Params | DeconvOpt2Params | DeconvOpt3Params | DeconvTuneParams
Vector = npt.NDArray[np.float64]
Cells = npt.NDArray[np.float32]
Found = TypeVar("Found", bound=npt.NDArray[Any])
Steps: TypeAlias = Generator[Event, None, tuple[Found, float]]
"""Events, and in the end the solution with its loss."""


@dataclass
class Course:
    """What both ways share: the parameters, where in the run they are, and whether they were told to stop."""

    params: RunParams
    iteration: int
    stop: Stop
    stopped: bool = False

    @property
    def tolerance(self) -> float:
        """Relative change of a loss below which it has settled."""
        return float(self.params.deconv.tolerance)

    def ended(self, name: str, epoch: int, n_epochs: int, loss: float, cluster: int | None) -> EpochEnded:
        """The event of a step."""
        return EpochEnded("deconvolution", self.iteration, epoch, n_epochs, {"loss": loss, name: loss}, cluster)

    def check(self, name: str, epoch: int, loss: float, advice: str) -> None:
        """Break off where the loss is no number."""
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss of bulk deconvolution {name} became {loss} in epoch {epoch}.",
                stage="deconvolution",
                iteration=self.iteration,
                epoch=epoch,
                advice=advice,
            )


class Solver(ABC):
    """The four problems, one method each. All give the solution with its loss, in NumPy arrays."""

    @abstractmethod
    def weights(self, bulk: Vector, means: Vector, proportions: Vector) -> Steps[Vector]:
        """(k,) weights of the clusters from b (g,), the cluster means (g, k) and shares of the cells (k,)."""

    @abstractmethod
    def profiles(self, bulk: Vector, weights: Vector, means: Vector) -> Steps[Vector]:
        """(g, k) profiles of the clusters."""

    @abstractmethod
    def cells(
        self, profile: Vector, single_cell: Cells, unseen: npt.NDArray[np.bool_], number: int, cluster: int
    ) -> Steps[Cells]:
        """(n, g) profiles of the cells of one cluster: its number 0 … k - 1 and its label."""

    @abstractmethod
    def scaling(self, bulk: Vector, mixture: Vector) -> Steps[Vector]:
        """(g,) factors of the genes."""


@dataclass
class Exact(Solver):
    """Every problem solved to its minimum; deterministic, without a start or a rate of learning."""

    course: Course

    def weights(self, bulk: Vector, means: Vector, proportions: Vector) -> Steps[Vector]:
        """By reweighted non-negative least squares."""
        params = self.course.params.deconv_opt1
        solving = solve_weights(bulk, means, proportions, params.regu_strength, self._stopping(params))
        objective = WeightObjective(_precise(bulk), _precise(means), _precise(proportions), params.regu_strength)
        return (yield from self._follow("opt1", params, solving, objective, proportions))

    def profiles(self, bulk: Vector, weights: Vector, means: Vector) -> Steps[Vector]:
        """By reweighting, every gene from its breakpoints."""
        params = self.course.params.deconv_opt2
        solving = solve_profiles(bulk, weights, means, params.regu_strength, self._stopping(params))
        objective = ProfileObjective(_precise(bulk), _precise(weights), _precise(means), params.regu_strength)
        return (yield from self._follow("opt2", params, solving, objective, means))

    def cells(
        self, profile: Vector, single_cell: Cells, unseen: npt.NDArray[np.bool_], number: int, cluster: int
    ) -> Steps[Cells]:
        """By splitting."""
        params = self.course.params.deconv_opt3
        strengths = params.regu_strength_1, params.regu_strength_2
        solving = solve_cells(profile, single_cell, unseen, *strengths, self._stopping(params))
        objective = CellObjective(_precise(profile), torch.as_tensor(single_cell), torch.as_tensor(unseen), *strengths)
        return (yield from self._follow("opt3", params, solving, objective, single_cell, cluster))

    def scaling(self, bulk: Vector, mixture: Vector) -> Steps[Vector]:
        """By a search in one dimension."""
        params = self.course.params.deconv_tune
        solving = solve_scaling(bulk, mixture, self._stopping(params))
        objective = ScalingObjective(_precise(bulk), _precise(mixture))
        return (yield from self._follow("tune", params, solving, objective, np.ones_like(bulk)))

    def _stopping(self, params: StepParams) -> Stopping:
        return Stopping(params.epoch, self.course.tolerance, params.epsilon)

    def _follow(
        self,
        name: str,
        params: StepParams,
        solving: Generator[float, None, Found],
        objective: Objective,
        fallback: Found,
        cluster: int | None = None,
    ) -> Steps[Found]:
        """Run a solver, turning its losses into events."""
        course, epoch, loss = self.course, 0, math.nan
        while not course.stopped:
            try:
                loss = next(solving)
            except StopIteration as end:
                found: Found = end.value
                return found, loss
            epoch += 1
            course.check(name, epoch, loss, "Check that bulk and single cells are on the ln(1 + x) scale.")
            yield course.ended(name, epoch, params.epoch, loss, cluster)
            course.stopped = course.stop()
        solving.close()
        return fallback, objective.value(torch.as_tensor(fallback))


@dataclass
class Published(Solver):
    """As published: Adam from a random normal start, projected onto the bound after every step.

    Ends after ``epoch`` steps, when |loss| < epsilon, or when the loss stayed within the tolerance times itself over
    the last ``SETTLED_OVER`` steps.
    """

    course: Course
    seed: int
    where: torch.device | str

    def weights(self, bulk: Vector, means: Vector, proportions: Vector) -> Steps[Vector]:
        """From normal values, at least 0."""
        params, pulled = self.course.params.deconv_opt1, self._tensor(proportions)
        objective = WeightObjective(self._tensor(bulk), self._tensor(means), pulled, params.regu_strength)
        step = _Descent("opt1", objective, self._normal(pulled, 1), 0.0, params)
        return (yield from self._descend(step, proportions))

    def profiles(self, bulk: Vector, weights: Vector, means: Vector) -> Steps[Vector]:
        """From normal values, at least 0."""
        params, pulled = self.course.params.deconv_opt2, self._tensor(means)
        objective = ProfileObjective(self._tensor(bulk), self._tensor(weights), pulled, params.regu_strength)
        step = _Descent("opt2", objective, self._normal(pulled, 2), 0.0, params)
        return (yield from self._descend(step, means))

    def cells(
        self, profile: Vector, single_cell: Cells, unseen: npt.NDArray[np.bool_], number: int, cluster: int
    ) -> Steps[Cells]:
        """From the observed values, and normal values elsewhere, at least 0."""
        params, target, mask = self.course.params.deconv_opt3, self._tensor(single_cell), self._tensor(unseen)
        start = self._normal(target, 3, number)
        torch.where(mask, start, target, out=start)
        strengths = params.regu_strength_1, params.regu_strength_2
        objective = CellObjective(self._tensor(profile), target, mask, *strengths)
        return (yield from self._descend(_Descent("opt3", objective, start, 0.0, params, cluster), single_cell))

    def scaling(self, bulk: Vector, mixture: Vector) -> Steps[Vector]:
        """From normal values, at least 1."""
        ones = np.ones_like(bulk)
        objective = ScalingObjective(self._tensor(bulk), self._tensor(mixture))
        step = _Descent("tune", objective, self._normal(self._tensor(ones), 4), 1.0, self.course.params.deconv_tune)
        return (yield from self._descend(step, ones))

    def _tensor(self, values: npt.NDArray[Any]) -> torch.Tensor:
        device = torch.device(self.where)
        return torch.as_tensor(values, device="cpu" if device.type == "mps" else device)

    def _normal(self, like: torch.Tensor, *purpose: int) -> torch.Tensor:
        """Random normal values, the same on every device, from a seed of their own for each purpose."""
        seed = int(np.random.SeedSequence([self.seed, *purpose]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)

    def _descend(self, step: _Descent, fallback: Found) -> Steps[Found]:
        """``step.start`` is overwritten; ``fallback`` is what a stop leaves."""
        course, params, pulled = self.course, step.params, self._tensor(fallback)
        if course.stopped:
            return fallback, step.objective.value(pulled)
        value = step.start.clamp_(min=step.lower)
        gradient = torch.empty_like(value)
        value.grad = gradient
        # Fused: the update needs no temporary of the size of the value.
        optimiser = torch.optim.Adam([value], lr=params.learning_rate, fused=True)
        losses: list[float] = []
        for epoch in range(1, params.epoch + 1):
            loss = step.objective.gradient(value, gradient)
            course.check(
                step.name,
                epoch,
                loss,
                f"Lower deconv_{step.name}_learning_rate (now {params.learning_rate:g}), and check that bulk and "
                "single cells are on the ln(1 + x) scale.",
            )
            losses.append(loss)
            converged = abs(loss) < params.epsilon or settled(losses, SETTLED_OVER, course.tolerance)
            if not converged:
                optimiser.step()
                value.clamp_(min=step.lower)
            yield course.ended(step.name, epoch, params.epoch, loss, step.cluster)
            if converged:
                break
            if course.stop():
                course.stopped = True
                return fallback, step.objective.value(pulled)
        value.grad = None
        del optimiser, gradient
        found: Any = value.cpu().numpy()
        return found, step.objective.value(value)


@dataclass(frozen=True)
class _Descent:
    """One optimisation of the published kind: what is minimised, from where, and above which bound."""

    name: str
    objective: Objective
    start: torch.Tensor
    lower: float
    params: StepParams
    cluster: int | None = None


def _precise(values: Vector) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float64)

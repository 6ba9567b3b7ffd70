"""The method of the preset ``default``: every iteration trains a new member to fill gaps, and all are averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.batches import Batches
from scgnn2_engine.data.blocks import AnyMatrix, BlockMatrix, as_blocks
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Ints
from scgnn2_engine.data.matrices import stored, visible_expression
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.events import Notice
from scgnn2_engine.methods.autoencoder import N_EMBEDDING, N_WIDE
from scgnn2_engine.methods.denoising.clusters import RefinedFit, iterate_denoising_clusters
from scgnn2_engine.methods.denoising.observed import Observed, observe
from scgnn2_engine.methods.denoising.outputs import denoised_outputs, dense
from scgnn2_engine.methods.denoising.projection import project_fit, project_refined
from scgnn2_engine.methods.denoising.remote import hand_over, member_of, train_member
from scgnn2_engine.methods.denoising.training import DenoisingFit, iterate_denoising, plan_of
from scgnn2_engine.methods.protocol import Before, Expression, Fit, Labels, Outputs, Weights
from scgnn2_engine.params import RunParams
from scgnn2_engine.training.context import Context, Steps
from scgnn2_engine.training.loop import Plan
from scgnn2_engine.training.tasks import DaskTasks

BYTES_PER_ENTRY = 16  # gene, value, count and weight of what is seen


@dataclass(frozen=True)
class Denoised:
    """The members trained so far; see :class:`~scgnn2_engine.methods.Fit`.

    Attributes
    ----------
    latest
        The member trained last, which the cluster autoencoders refine next.
    refined
        Those before it, each refined by the cluster autoencoders of an iteration; without an ensemble the last alone.
    averaged
        Whether they are an ensemble.
    """

    latest: DenoisingFit
    refined: tuple[RefinedFit, ...] = ()
    averaged: bool = True

    @property
    def weights(self) -> Weights:
        """Those of the member trained last."""
        return self.latest.weights

    @property
    def embedding(self) -> npt.NDArray[np.float32]:
        """(n_obs, 128) of the member trained last."""
        return self.latest.embedding

    @property
    def reconstruction(self) -> BlockMatrix:
        """(n_obs, n_vars) values by the member trained last."""
        return self.latest.value

    @property
    def together(self) -> Expression:
        """The mean of all members, the one trained last as it is; without an ensemble that one alone."""
        return self._mean([*self.refined, self.latest] if self.averaged else [self.latest])

    @property
    def newest(self) -> Expression | None:
        """The member trained last, where it is one of several."""
        return self._mean([self.latest]) if self.averaged and self.refined else None

    @property
    def imputed(self) -> Expression | None:
        """The mean of all members; without an ensemble what the cluster autoencoders made of the last one."""
        if not self.refined:
            return None
        return self.together if self.averaged else self._mean(self.refined)

    @property
    def corrected(self) -> BlockMatrix | None:
        """As of the mean batch by all members, without what the cluster autoencoders made of the cells as they are."""
        if self.latest.batches is None or not self.refined:
            return None

        @cache
        def together() -> AnyMatrix:  # once it is asked for: batches have to be brought together
            return self._mean([member.start.as_of_one_batch() for member in self.refined]).expected

        return BlockMatrix(self.latest.value.shape, lambda cells: as_blocks(together())[cells])

    @staticmethod
    def _mean(members: Sequence[RefinedFit | DenoisingFit]) -> Expression:
        rates = [member.log_rate for member in members if member.log_rate is not None]
        value = BlockMatrix.mean([member.value for member in members])
        return Expression(value, BlockMatrix.mean(rates) if rates else None)


class Denoising:
    """Autoencoders that fill gaps; see :class:`~scgnn2_engine.methods.Method`."""

    bulk_feeds_back = False
    stored: ClassVar[tuple[type, ...]] = (Denoised, DenoisingFit, RefinedFit, Batches)

    def __init__(self, prepared: Prepared, params: RunParams) -> None:
        self._prepared, self._params = prepared, params
        self._expression = BlockMatrix((prepared.n_obs, prepared.n_vars), lambda cells: dense(prepared.x[cells]))
        self._counts, said = _trains_rates(prepared, params)
        self.notices: Sequence[Notice] = () if said is None else (said,)

    @cached_property
    def _observed(self) -> Observed:
        """What is trained on; outputs and new cells do without."""
        return observe(
            self._prepared.x,
            self._prepared.validation,
            self._prepared.size_factors,
            self._prepared.states,
            counts=self._counts,
            regu_strength=self._params.feature_AE.regu_strength,
            batches=self._prepared.batches,
        )

    def start(self, context: Context) -> Steps[Denoised]:
        """The first member."""
        latest = yield from self._member(context, None, 0)
        return Denoised(latest, averaged=self._params.ensemble)

    def train(self, context: Context, before: Before, iteration: int) -> Steps[Denoised]:
        """A new member, from a fresh start in an ensemble, else from the weights of the last."""
        fit = _own(before.fit)
        latest = yield from self._member(context, None if self._params.ensemble else fit.weights, iteration)
        return replace(fit, latest=latest)

    def _member(self, context: Context, weights: Weights | None, iteration: int) -> Steps[DenoisingFit]:
        params = self._params
        n_epochs = params.feature_AE.epoch[0 if weights is None else 1]
        plan = plan_of(
            params.feature_AE,
            self._prepared.n_obs,
            n_epochs,
            iteration=iteration,
            mixed_precision=params.mixed_precision,
        )
        steps: Steps[DenoisingFit] = iterate_denoising(
            self._observed,
            self._prepared.validation,
            params.feature_AE,
            plan=plan,
            weights=weights,
            seed=context.seed(1, iteration),
            device=context.device,
            stop=context.watch,
            ranks=context.ranks,
        )
        if context.tasks is not None and params.ensemble:
            steps = self._from_workers(context, context.tasks, plan, steps)
        return (yield from context.timed("feature_AE", iteration, steps, n_epochs))

    def _from_workers(
        self, context: Context, tasks: DaskTasks, plan: Plan, here: Steps[DenoisingFit]
    ) -> Steps[DenoisingFit]:
        """A member that a worker trains, while others train the next ones; ``here`` where none of them can."""
        params, prepared = self._params, self._prepared
        if not tasks.handed_out(f"member {plan.iteration}"):
            hand_over(tasks.folder, self._observed, prepared.validation)
            settings = {name: getattr(params.feature_AE, name) for name in params.feature_AE.own_names()}
            for iteration in range(plan.iteration, params.total_epoch + 1):
                tasks.submit(
                    f"member {iteration}",
                    train_member,
                    str(tasks.folder),
                    iteration,
                    asdict(replace(plan, iteration=iteration)),
                    settings,
                    context.seed(1, iteration),
                    tasks.threads,
                )
        why = tasks.wait(f"member {plan.iteration}", context.watch)
        if not why:
            here.close()
            return (yield from member_of(tasks.folder, plan.iteration))
        if context.watch.reason is None:
            yield Notice.of("task_lost", iteration=plan.iteration, why=why)
        return (yield from here)

    def refine(self, context: Context, before: Before, labels: Labels, iteration: int) -> Steps[Denoised]:
        """Copies of the member trained last go on, each with its cluster."""
        params, fit = self._params, _own(before.fit)
        steps = _only_refined(
            iterate_denoising_clusters(
                self._observed,
                fit.latest,
                labels,
                self._prepared.validation,
                params.cluster_AE,
                params.feature_AE,
                mixed_precision=params.mixed_precision,
                seed=context.seed(5, iteration),
                device=context.device,
                iteration=iteration,
                stop=context.watch,
            )
        )
        refined = yield from context.timed("cluster_AE", iteration, steps, params.cluster_AE.epoch)
        found = RefinedFit(fit.latest, refined)
        return replace(fit, refined=(*fit.refined, found) if fit.averaged else (found,))

    def compared(self, expression: Expression) -> AnyMatrix:
        """ln(1 + rate); without rates what was observed: in the value zeros are filled, and absence says nothing."""
        return self._expression if expression.log_rate is None else expression.expected

    def outputs(self, imputed: Expression, graph: CellGraph) -> Outputs:
        """The value, what to expect, and with rates the rate; see :mod:`scgnn2_engine.methods.denoising.outputs`."""
        return denoised_outputs(self._prepared, imputed, graph, self._params)

    def project(
        self, fit: Fit, x: sp.csr_matrix, neighbours: Ints | None = None, *, share_known: float = 1.0
    ) -> Denoised:
        """Every member encodes the cells; see :mod:`scgnn2_engine.methods.denoising.projection`."""
        own = _own(fit)
        latest = project_fit(own.latest, x, share_known=share_known)
        refined = [project_refined(member, x, neighbours, share_known=share_known) for member in own.refined]
        return replace(own, latest=latest, refined=tuple(refined))

    @staticmethod
    def memory(n_obs: int, n_vars: int, n_nonzero: int, params: RunParams) -> Mapping[str, int]:
        """What is seen, and of every member weights and latents; what they say is computed by blocks."""
        n_members = params.total_epoch + 1 if params.ensemble else 2
        weights = 4 * 3 * N_WIDE * (n_vars + N_EMBEDDING)  # the encoder's, those of the value and those of the rate
        return {
            "what is seen of the cells": BYTES_PER_ENTRY * n_nonzero,
            "weights and latents of the members": n_members * (weights + 4 * N_EMBEDDING * n_obs),
        }

    @staticmethod
    def idle(params: RunParams) -> Mapping[str, str]:
        """Those of the published networks that have no counterpart here."""
        published, found = RunParams(preset="paper").to_dict(), params.to_dict()
        only = "it belongs to feature_AE_objective = reconstruct"
        weights = ("reconstruction_weight", "graph_weight", "cell_type_weight", "l1_weight")
        keys = {
            "feature_AE_concat_prev_embed": only,
            "feature_AE_dropout_prob": f"{only}; feature_AE_hide_share hides inputs",
            **dict.fromkeys(("cluster_AE_dropout_prob", *(f"cluster_AE_{name}" for name in weights)), only),
        }
        return {key: why for key, why in keys.items() if found[key] != published[key]}


def _only_refined(steps: Steps[RefinedFit]) -> Steps[Mapping[int, tuple[Ints, DenoisingFit]]]:
    """What the stage adds to the member it starts from, which is known already."""
    return (yield from steps).refined


def _own(fit: Fit) -> Denoised:
    if not isinstance(fit, Denoised):
        raise TypeError(f"expected what this method has learned, found {type(fit).__name__}")
    return fit


def median_count(prepared: Prepared) -> float:
    """Median of the visible non-zero counts; NaN where the data are not counts or nothing is visible."""
    if prepared.scale != "counts":
        return float("nan")
    values = stored(visible_expression(prepared, with_held_out=False))
    values = values[values > 0]
    return float(np.median(values)) if len(values) else float("nan")


def _trains_rates(prepared: Prepared, params: RunParams) -> tuple[bool, Notice | None]:
    """Whether a rate of every gene is trained beside its value, and what to say of it."""
    settings = params.feature_AE
    if settings.count_weight == 0:
        return False, None
    median = median_count(prepared)
    if median <= settings.count_limit:
        return True, Notice.of("rates_trained", median=median)
    known = None if np.isnan(median) else median
    return False, Notice.of("no_rates", scale=prepared.scale, median=known, limit=settings.count_limit)

"""The route of a run: data to events to :class:`~scgnn2_engine.types.Result`.

:func:`iterate` is the one stream everything reads; :func:`fit` drains it. The method is that of scGNN 2.0 (Gu et al.,
Bioinformatics 2022): feature autoencoder, cell graph, graph autoencoder, clusters, one autoencoder per cluster,
iterated.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
import numpy.typing as npt

from scgnn2_engine.bulk_steps import BulkData, iterate_bulk, match
from scgnn2_engine.devices import resolve_device, threads
from scgnn2_engine.errors import InsufficientMemoryError, ParameterError, TrainingError
from scgnn2_engine.evaluate import evaluated, score_iteration
from scgnn2_engine.events import (
    DataPrepared,
    Event,
    IterationEnded,
    Notice,
    RunEnded,
    RunStarted,
    Stage,
    StageEnded,
    StageStarted,
    Stop,
    StopReason,
    drain,
    never,
)
from scgnn2_engine.gap_filling import Mean, answers, join, neighbours_of, settle, take_in, without_effect
from scgnn2_engine.graph import build_graph, graph_change, neighbour_count, smoothed_graph
from scgnn2_engine.io import read_dataset
from scgnn2_engine.loop_state import LoopState
from scgnn2_engine.params import ClusterAEParams, RunParams
from scgnn2_engine.prepare import check_memory, iterate_ltmg, iterate_preprocess
from scgnn2_engine.recorder import Recorder
from scgnn2_engine.resources import PeakMemory
from scgnn2_engine.selection import select_iteration, stop_reason
from scgnn2_engine.stages import (
    Observed,
    check_method,
    iterate_cluster_ae,
    iterate_clustering,
    iterate_denoising,
    iterate_denoising_clusters,
    iterate_feature_ae,
    iterate_graph_ae,
    plan_of,
)
from scgnn2_engine.types import CellGraph, Dataset, Floats, Prepared, Result, Truth

if TYPE_CHECKING:
    import torch
    from anndata import AnnData

T = TypeVar("T")
Matrix32 = npt.NDArray[np.float32]
Weights = Mapping[str, Matrix32]
Steps = Generator[Event, None, T]


class _Watch:
    """Asks the caller's stop and the time budget, and remembers whether a training was cut short."""

    def __init__(self, stop: Stop, max_seconds: float) -> None:
        self._stop = stop
        self._deadline = time.monotonic() + max_seconds if max_seconds > 0 else float("inf")
        self.reason: StopReason | None = None
        self.nothing_to_lose = True  # until an iteration is complete

    def __call__(self) -> bool:
        if self.reason is None:
            if self._stop():
                self.reason = "stop_signal"
            elif time.monotonic() >= self._deadline:
                self.reason = "max_seconds"
        return self.reason is not None


class _GivenUpError(Exception):
    """Leaves an iteration that a stop left unfinished, for the complete ones before it."""


@dataclass(frozen=True)
class _Journey:
    """What stays the same along the whole run."""

    params: RunParams
    device: torch.device
    watch: _Watch
    memory: PeakMemory
    n_neighbours: int = 0
    bulk: BulkData | None = None
    observed: Observed | None = None  # with objective denoise

    def seed(self, stage: int, iteration: int) -> int:
        """A seed of its own for each stage of each iteration, all from ``params.seed``."""
        return int(np.random.SeedSequence([self.params.seed, stage, iteration]).generate_state(1)[0])

    def timed(self, stage: Stage, iteration: int, steps: Steps[T], n_epochs: int | None = None) -> Steps[T]:
        """Frame a stage with its start and its end (seconds, peak memory)."""
        may_give_up = stage != "evaluate" and not self.watch.nothing_to_lose
        if may_give_up and self.watch():
            raise _GivenUpError
        yield StageStarted(stage, iteration, n_epochs)
        self.memory.take()
        start = time.perf_counter()
        value = yield from steps
        yield StageEnded(stage, iteration, time.perf_counter() - start, self.memory.take())
        return value


def fit(data: AnnData | Dataset | str | Path | None = None, params: RunParams | None = None) -> Result:
    """Run scGNN 2.0 to its end.

    Parameters
    ----------
    data
        Anything :func:`scgnn2_engine.read` takes, an AnnData or a :class:`Dataset`; None where ``params.load`` names
        the files.
    params
        All parameters; ``RunParams()`` is the preset ``default``.

    Returns
    -------
    Result
        The state of the selected iteration, with the scores of all of them.

    Raises
    ------
    InputError, ParameterError, InsufficientMemoryError, TrainingError
        As said in :mod:`scgnn2_engine.errors`.

    Examples
    --------
    >>> import scgnn2_engine as sc2
    >>> data = sc2.simulate(n_obs=60, n_vars=40, n_types=2, seed=0)
    >>> result = sc2.fit(data, sc2.RunParams(total_epoch=1, feature_AE_epoch=[5, 5], run_LTMG=False, device="cpu"))
    >>> result.imputed.shape[0] == len(result.labels)
    True
    """
    return drain(iterate(data, params))


def iterate(
    data: AnnData | Dataset | str | Path | None = None, params: RunParams | None = None, *, stop: Stop = never
) -> Steps[Result]:
    """Run scGNN 2.0 step by step, yielding an event for everything that happens.

    Parameters
    ----------
    data, params
        As for :func:`fit`.
    stop
        Asked after every epoch. Once it returns True the run winds down within a step: the iteration under way is
        given up for the best complete one; the first iteration is finished with what is trained so far.

    Yields
    ------
    Event
        See :mod:`scgnn2_engine.events`; the last one is ``RunEnded`` with the result, which is also the generator's
        value.

    Raises
    ------
    TrainingError
        A loss became NaN before the first iteration was complete. Later, the run ends with what it had and a warning.

    Examples
    --------
    >>> import scgnn2_engine as sc2
    >>> params = sc2.RunParams(total_epoch=1, feature_AE_epoch=[5, 5], run_LTMG=False, device="cpu")
    >>> events = list(sc2.iterate(sc2.simulate(n_obs=60, n_vars=40, n_types=2, seed=0), params))
    >>> type(events[0]).__name__, type(events[-1]).__name__
    ('StageStarted', 'RunEnded')
    """
    if not isinstance(params, RunParams | None):
        raise ParameterError(
            "params is not of the right kind.",
            expected="RunParams(...) or None",
            found=repr(params),
            advice="RunParams.from_dict({...}) takes a dictionary.",
        )
    params = (params or RunParams()).snapshot()
    device = resolve_device(params.device)
    with PeakMemory() as memory, threads(params.threads):
        journey = _Journey(params, device, _Watch(stop, params.max_seconds), memory)
        recorder = Recorder(params, str(device))
        result = yield from recorder.listen(_route(journey, data, recorder))
    return result


def _route(journey: _Journey, data: AnnData | Dataset | str | Path | None, recorder: Recorder) -> Steps[Result]:
    params, watch = journey.params, journey.watch
    dataset = yield from journey.timed("load", 0, _load(data, params))
    recorder.describe(dataset)
    yield RunStarted(dataset.n_obs, dataset.n_vars, params.to_dict(), str(journey.device))
    prepared = yield from journey.timed("preprocess", 0, _preprocess(dataset, params))
    journey = yield from _check(journey, prepared, dataset)
    if params.run_LTMG or dataset.states is not None:
        prepared = yield from journey.timed("LTMG", 0, iterate_ltmg(prepared, dataset, params))
    yield DataPrepared(prepared)
    if params.feature_AE.objective == "denoise":
        observed, notices = take_in(prepared, params)
        yield from notices
        journey = replace(journey, observed=observed)
    truth = dataset.truth.take(prepared.cells) if dataset.truth is not None else None

    state = yield from _embed(journey, prepared, None, 0)
    change = _GraphChange(state.graph, params)
    best: LoopState | None = None
    reason: StopReason | None = None
    for iteration in range(1, params.total_epoch + 1):
        start = time.perf_counter()
        try:
            new = yield from _one_iteration(journey, prepared, state, iteration)
            # Some training of this iteration was cut short; only without a complete one before it is that kept.
            if watch.reason is not None and best is not None:
                raise _GivenUpError
        except _GivenUpError:
            yield Notice(f"Stopped during iteration {iteration}: it is given up for the earlier ones.", "info")
            break
        except (TrainingError, InsufficientMemoryError) as error:
            if best is None:
                raise
            where: Stage = "cluster_AE"  # where memory runs out, if anywhere: clusters change their sizes
            reason = "out_of_memory"
            if isinstance(error, TrainingError):
                where, reason = cast("Stage", error.stage), "training_error"
            yield Notice(f"{error} The iterations before it are kept.", "warning", where)
            break
        scores = yield from journey.timed(
            "evaluate", iteration, _score(prepared, new, state, truth, change(new.graph), start)
        )
        recorder.add_iteration(iteration, scores, new)
        if select_iteration(recorder.label_free_rows, params.selection) == iteration:
            best = new
        yield IterationEnded(iteration, params.total_epoch, new, scores)
        if watch.reason is not None:
            yield Notice("Stopped before the first iteration was complete: its trainings were cut short.", "warning")
            break
        reason = stop_reason(
            graph_change=scores["graph_change"],
            graph_change_threshold=params.graph_change_threshold,
            ari_between=scores["ari_between_iterations"],
            ari_threshold=params.ari_threshold,
        )
        state, watch.nothing_to_lose = new, False
        if reason is not None or watch():
            break

    if best is None:
        raise RuntimeError("a run ended without an iteration")
    ended_by: StopReason = reason or watch.reason or "total_epoch"
    found = answers(prepared, best, params)
    yield from found.notices
    result = recorder.result(prepared, best, dataset, ended_by, found)
    result = yield from journey.timed("evaluate", 0, _evaluate(journey, result, truth))
    yield RunEnded(result, ended_by)
    return result


def _evaluate(journey: _Journey, result: Result, truth: Truth | None) -> Steps[Result]:
    """The result beside its baselines; nothing of this is seen by what came before."""
    wanted, seed = journey.params.evaluate, journey.params.seed
    return evaluated(
        result, truth, baselines=wanted.baselines, diagnostics=wanted.diagnostics, seed=seed, stop=journey.watch
    )


class _GraphChange:
    """How much the smoothed graph changes from iteration to iteration; remembers the first graph and the last."""

    def __init__(self, first: CellGraph, params: RunParams) -> None:
        self._weighted, self._alpha = params.graph_AE.retain_weights, params.alpha
        self._first = first.adjacency(weighted=self._weighted)
        self._smoothed = smoothed_graph(self._first, self._first, self._alpha)

    def __call__(self, graph: CellGraph) -> float:
        """The change from the graph of the last call (at first, from the first graph) to this one."""
        before = self._smoothed
        self._smoothed = smoothed_graph(self._first, graph.adjacency(weighted=self._weighted), self._alpha)
        return graph_change(self._smoothed, before, self._first)


def _check(journey: _Journey, prepared: Prepared, dataset: Dataset) -> Steps[_Journey]:
    """Find out before anything is trained what would fail only afterwards."""
    params = journey.params
    check_method(params.clustering, prepared.n_obs)
    settings = params.graph_AE
    n_neighbours = neighbour_count(
        prepared.n_obs, settings.neighborhood_factor, settings.neighborhood_max, settings.graph_construction
    )
    yield Notice(f"Cell graph: {n_neighbours} neighbours of each cell", "info", "graph")
    if params.cluster_AE.regu_strength != ClusterAEParams.param["regu_strength"].default:
        yield Notice(
            "cluster_AE_regu_strength has no effect, as in the published program: cluster_AE_reconstruction_weight, "
            "graph_weight, cell_type_weight and l1_weight are the weights of the loss.",
            "warning",
            "cluster_AE",
        )
    for key, why in without_effect(params).items():
        yield Notice(f"{key} has no effect here: {why}.", "warning", "feature_AE")
    bulk = None
    if params.use_bulk and dataset.bulk is not None:
        bulk = match(dataset.bulk, dataset, prepared, params)
        for note in bulk.notes:
            yield Notice(note, "info", "deconvolution")
        for warning in bulk.warnings:
            yield Notice(warning, "warning", "deconvolution")
        if params.deconv.method == "shares" and prepared.validation is None:
            yield Notice(
                "Without held-out entries (validation_share 0) nothing says how far the bulk may be followed: the "
                "shares of the clusters are estimated, and the imputation stays as it is.",
                "warning",
                "deconvolution",
            )
    return replace(journey, n_neighbours=n_neighbours, bulk=bulk)


def _score(
    prepared: Prepared, new: LoopState, state: LoopState, truth: Truth | None, change: float, start: float
) -> Steps[dict[str, float]]:
    scores = dict(score_iteration(prepared, new, state.labels, truth))
    yield from ()
    return {**scores, "graph_change": change, "seconds": time.perf_counter() - start}


def _load(data: AnnData | Dataset | str | Path | None, params: RunParams) -> Steps[Dataset]:
    dataset = read_dataset(params, data)
    for note in dataset.notes:
        yield Notice(note, "info", "load")
    for warning in dataset.warnings:
        yield Notice(warning, "warning", "load")
    return dataset


def _preprocess(dataset: Dataset, params: RunParams) -> Steps[Prepared]:
    check_memory(dataset, params)
    return (yield from iterate_preprocess(dataset, params))


def _embed(journey: _Journey, prepared: Prepared, state: LoopState | None, iteration: int) -> Steps[LoopState]:
    """Feature autoencoder, cell graph, graph autoencoder: what stands before the loop and ends every iteration."""
    params = journey.params
    state = yield from _features(journey, prepared, state, iteration)
    points = state.feature_embedding
    if "expression" in (params.graph_AE.graph_embed, params.clustering.embed):
        mean = Mean(state.reconstruction, None) if state.latest is None else _mean(state, params)
        components = mean.components(params, journey.seed(7, 0))
        state = replace(state, components=components)
        if params.graph_AE.graph_embed == "expression":
            points = components
    graph = yield from journey.timed("graph", iteration, _graph(points, journey, iteration))
    if params.clustering.method == "consensus":
        state = replace(state, member_neighbours=(*state.member_neighbours, _own_neighbours(journey, state, graph)))
    embedded = yield from journey.timed(
        "graph_AE",
        iteration,
        iterate_graph_ae(
            points,
            graph,
            params=params.graph_AE,
            gat=params.gat,
            previous=state.graph_embedding if params.graph_AE.concat_prev_embed and iteration > 0 else None,
            seed=journey.seed(2, iteration),
            device=journey.device,
            iteration=iteration,
            stop=journey.watch,
        ),
        params.graph_AE.epoch,
    )
    return replace(state, iteration=iteration, graph=graph, graph_embedding=embedded.embedding)


def _features(journey: _Journey, prepared: Prepared, state: LoopState | None, iteration: int) -> Steps[LoopState]:
    """The feature autoencoder's part of the new state; graph and graph embedding are still those of the old one."""
    params = journey.params
    afresh = state is None or (journey.observed is not None and params.ensemble)
    n_epochs = params.feature_AE.epoch[0 if afresh else 1]
    if journey.observed is not None:
        latest = yield from journey.timed(
            "feature_AE",
            iteration,
            iterate_denoising(
                journey.observed,
                prepared.validation,
                params.feature_AE,
                plan=plan_of(
                    params.feature_AE,
                    "feature_AE",
                    n_epochs,
                    iteration=iteration,
                    mixed_precision=params.mixed_precision,
                ),
                weights=None if state is None or afresh else state.feature_weights,
                seed=journey.seed(1, iteration),
                device=journey.device,
                stop=journey.watch,
            ),
            n_epochs,
        )
        new = _with_features(state, latest.weights, latest.reconstruction, latest.embedding)
        new = replace(new, latest=latest)
        if state is None or not params.ensemble:
            return new
        mean = _mean(new, params)
        return replace(new, imputed=mean.value, log_rate=mean.log_rate)
    feature = yield from journey.timed(
        "feature_AE",
        iteration,
        iterate_feature_ae(
            prepared.x,
            target=None if state is None else state.imputed,
            states=prepared.states if state is None else None,
            validation=prepared.validation,
            previous=_previous(state, params),
            weights=None if state is None else state.feature_weights,
            params=params.feature_AE,
            n_epochs=n_epochs,
            seed=journey.seed(1, iteration),
            device=journey.device,
            iteration=iteration,
            stop=journey.watch,
            mixed_precision=params.mixed_precision,
        ),
        n_epochs,
    )
    return _with_features(state, feature.weights, feature.reconstruction, feature.embedding)


def _with_features(
    state: LoopState | None, weights: Weights, reconstruction: Matrix32, embedding: Matrix32
) -> LoopState:
    """A state with a newly trained feature autoencoder; the first one has no graph yet."""
    if state is None:
        n_obs = len(embedding)
        none = np.empty((n_obs, 0), np.float32)
        no_graph = CellGraph(np.empty((n_obs, 0), np.int64), none, none)
        return LoopState(0, weights, reconstruction, embedding, none, no_graph)
    return replace(state, feature_weights=weights, reconstruction=reconstruction, feature_embedding=embedding)


def _mean(state: LoopState, params: RunParams) -> Mean:
    """What all members say together, the one trained last as it is."""
    if state.latest is None:
        raise ValueError("expected a state with a trained member")
    return join(state, state.latest, ensemble=params.ensemble)


def _own_neighbours(journey: _Journey, state: LoopState, graph: CellGraph) -> npt.NDArray[np.int64]:
    """Neighbours in what the newest member alone says; for a lone member, or another graph, those of the graph."""
    lone = state.ensemble is None or not journey.params.ensemble
    if state.latest is None or lone or journey.params.graph_AE.graph_embed != "expression":
        return graph.neighbours
    return neighbours_of(state.latest, journey.params, journey.n_neighbours, journey.seed(7, 0))


def _previous(state: LoopState | None, params: RunParams) -> Floats | None:
    """The embedding that stands beside the feature autoencoder's input, if any."""
    if state is None or params.feature_AE.concat_prev_embed == "none":
        return None
    return state.feature_embedding if params.feature_AE.concat_prev_embed == "feature" else state.graph_embedding


def _graph(embedding: Floats, journey: _Journey, iteration: int) -> Steps[CellGraph]:
    yield from ()
    return build_graph(
        embedding,
        construction=journey.params.graph_AE.graph_construction,
        n_neighbours=journey.n_neighbours,
        seed=journey.seed(3, iteration),
    )


def _one_iteration(journey: _Journey, prepared: Prepared, state: LoopState, iteration: int) -> Steps[LoopState]:
    params = journey.params
    clusters = yield from journey.timed(
        "clustering",
        iteration,
        iterate_clustering(
            state.graph,
            state.graph_embedding,
            state.feature_embedding,
            params=params.clustering,
            n_clusters_smoothed=state.n_clusters_smoothed,
            components=state.components,
            member_neighbours=state.member_neighbours,
            expression=_mean(state, params).value if state.latest is not None else state.reconstruction,
            seed=journey.seed(4, 0 if params.clustering.method == "consensus" else iteration),
        ),
    )
    new = replace(
        state,
        labels=clusters.labels,
        n_clusters_smoothed=clusters.n_clusters_smoothed,
        clustering_embedding=clusters.embedding,
    )
    new = yield from _refine(journey, prepared, new, clusters.labels, iteration)
    # The published fusion feeds the next training. With shares, or where gaps are filled and nothing is trained on an
    # imputation, the bulk corrects what is returned.
    feeds_back = params.deconv.method != "shares" and journey.observed is None
    if journey.bulk is not None and feeds_back:
        new = yield from _with_bulk(journey, journey.bulk, prepared, new, iteration)
    new = yield from _embed(journey, prepared, new, iteration)
    if journey.bulk is not None and not feeds_back:
        new = yield from _with_bulk(journey, journey.bulk, prepared, new, iteration)
    return new


def _refine(
    journey: _Journey, prepared: Prepared, state: LoopState, labels: npt.NDArray[np.int32], iteration: int
) -> Steps[LoopState]:
    """One autoencoder for each cluster; the value is the state with what they impute."""
    params = journey.params
    if journey.observed is not None and state.latest is not None:
        refined = yield from journey.timed(
            "cluster_AE",
            iteration,
            iterate_denoising_clusters(
                journey.observed,
                state.latest,
                labels,
                prepared.validation,
                params.cluster_AE,
                params.feature_AE,
                mixed_precision=params.mixed_precision,
                seed=journey.seed(5, iteration),
                device=journey.device,
                iteration=iteration,
                stop=journey.watch,
            ),
            params.cluster_AE.epoch,
        )
        return settle(state, Mean(refined.value, refined.log_rate), ensemble=params.ensemble)
    fitted = yield from journey.timed(
        "cluster_AE",
        iteration,
        iterate_cluster_ae(
            prepared.x,
            state.reconstruction,
            labels,
            state.graph.adjacency(weighted=params.graph_AE.retain_weights),
            weights=state.feature_weights,
            validation=prepared.validation,
            previous=_previous(state, params),
            params=params.cluster_AE,
            mixed_precision=params.mixed_precision,
            seed=journey.seed(5, iteration),
            device=journey.device,
            iteration=iteration,
            stop=journey.watch,
        ),
        params.cluster_AE.epoch,
    )
    return replace(state, imputed=fitted.imputed)


def _with_bulk(
    journey: _Journey, bulk: BulkData, prepared: Prepared, state: LoopState, iteration: int
) -> Steps[LoopState]:
    steps = iterate_bulk(
        bulk,
        prepared,
        state,
        journey.params,
        seed=journey.seed(6, iteration),
        device=journey.device,
        iteration=iteration,
        stop=journey.watch,
    )
    return (yield from journey.timed("deconvolution", iteration, steps))

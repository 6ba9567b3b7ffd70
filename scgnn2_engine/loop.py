"""The route of a run: data to events to :class:`~scgnn2_engine.types.Result`.

:func:`iterate` is the one stream everything reads; :func:`fit` drains it. The method is that of scGNN 2.0 (Gu et al.,
Bioinformatics 2022): feature autoencoder, cell graph, graph autoencoder, clusters, one autoencoder per cluster,
iterated.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from scgnn2_engine.devices import resolve_device, threads
from scgnn2_engine.errors import TrainingError
from scgnn2_engine.evaluate import score_iteration
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
from scgnn2_engine.graph import build_graph, graph_change, neighbour_count, smoothed_graph
from scgnn2_engine.io import read_dataset
from scgnn2_engine.params import RunParams
from scgnn2_engine.prepare import check_memory, iterate_ltmg, iterate_preprocess
from scgnn2_engine.recorder import Recorder
from scgnn2_engine.resources import PeakMemory
from scgnn2_engine.selection import select_iteration, stop_reason
from scgnn2_engine.stages import (
    fuse,
    iterate_cluster_ae,
    iterate_clustering,
    iterate_deconvolution,
    iterate_feature_ae,
    iterate_graph_ae,
    match_bulk,
)
from scgnn2_engine.types import CellGraph, Dataset, Floats, LoopState, Prepared, Result

if TYPE_CHECKING:
    import torch
    from anndata import AnnData

T = TypeVar("T")
Steps = Generator[Event, None, T]


class _Watch:
    """Asks the caller's stop and the time budget, and remembers whether a training was cut short."""

    def __init__(self, stop: Stop, max_seconds: float) -> None:
        self._stop = stop
        self._deadline = time.monotonic() + max_seconds if max_seconds > 0 else float("inf")
        self.reason: StopReason | None = None

    def __call__(self) -> bool:
        if self.reason is None:
            if self._stop():
                self.reason = "stop_signal"
            elif time.monotonic() >= self._deadline:
                self.reason = "max_seconds"
        return self.reason is not None


@dataclass(frozen=True)
class _Route:
    """What stays the same along the whole run."""

    params: RunParams
    device: torch.device
    watch: _Watch
    memory: PeakMemory

    def seed(self, stage: int, iteration: int) -> int:
        """A seed of its own for each stage of each iteration, all from ``params.seed``."""
        return int(np.random.SeedSequence([self.params.seed, stage, iteration]).generate_state(1)[0])

    def timed(self, stage: Stage, iteration: int, steps: Steps[T], n_epochs: int | None = None) -> Steps[T]:
        """Frame a stage with its start and its end (seconds, peak memory)."""
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
    params = (params or RunParams()).snapshot()
    device = resolve_device(params.device)
    with PeakMemory() as memory, threads(params.threads):
        route = _Route(params, device, _Watch(stop, params.max_seconds), memory)
        recorder = Recorder(params, str(device))
        result = yield from recorder.listen(_route(route, data, recorder))
    return result


def _route(route: _Route, data: AnnData | Dataset | str | Path | None, recorder: Recorder) -> Steps[Result]:
    params = route.params
    dataset = yield from route.timed("load", 0, _load(data, params))
    recorder.describe(dataset)
    yield RunStarted(dataset.n_obs, dataset.n_vars, params.to_dict(), str(route.device))
    prepared = yield from route.timed("preprocess", 0, _preprocess(dataset, params))
    if params.run_LTMG or dataset.states is not None:
        prepared = yield from route.timed("LTMG", 0, iterate_ltmg(prepared, dataset, params))
    yield DataPrepared(prepared)
    truth = dataset.truth.take(prepared.cells) if dataset.truth is not None else None

    state = yield from _embed(route, prepared, None, 0)
    first_graph = state.graph.adjacency(weighted=params.graph_AE.retain_weights)
    smoothed = smoothed_graph(first_graph, first_graph, params.alpha)
    best: LoopState | None = None
    reason: StopReason = "total_epoch"

    for iteration in range(1, params.total_epoch + 1):
        start = time.perf_counter()
        try:
            new = yield from _one_iteration(route, prepared, dataset, state, iteration)
        except TrainingError as error:
            if best is None:
                raise
            yield Notice(f"{error} The iterations before it are kept.", "warning", cast("Stage", error.stage))
            reason = "training_error"
            break
        if route.watch.reason is not None and best is not None:
            reason = route.watch.reason
            yield Notice(f"Stopped during iteration {iteration}: it is given up for the earlier ones.", "info")
            break

        adjacency = new.graph.adjacency(weighted=params.graph_AE.retain_weights)
        previous_smoothed, smoothed = smoothed, smoothed_graph(first_graph, adjacency, params.alpha)
        change = graph_change(smoothed, previous_smoothed, first_graph)
        scores = {
            **score_iteration(prepared, new, state.labels, truth),
            "graph_change": change,
            "seconds": time.perf_counter() - start,
        }
        recorder.add_iteration(iteration, scores, new)
        if select_iteration(recorder.rows, params.selection) == iteration:
            best = new
        yield IterationEnded(iteration, params.total_epoch, new, scores)

        ended = stop_reason(
            graph_change=change,
            graph_change_threshold=params.graph_change_threshold,
            ari_between=scores["ari_between_iterations"],
            ari_threshold=params.ari_threshold,
        )
        state = new
        if route.watch.reason is not None:
            reason = route.watch.reason
            yield Notice("Stopped before the first iteration was complete: its trainings were cut short.", "warning")
            break
        if ended is not None:
            reason = ended
            break

    if best is None:
        raise RuntimeError("a run ended without an iteration")
    result = recorder.result(prepared, best, dataset, reason)
    yield RunEnded(result, reason)
    return result


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


def _embed(route: _Route, prepared: Prepared, state: LoopState | None, iteration: int) -> Steps[LoopState]:
    """Feature autoencoder, cell graph, graph autoencoder: what stands before the loop and ends every iteration."""
    params = route.params
    n_epochs = params.feature_AE.epoch[0 if state is None else 1]
    feature = yield from route.timed(
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
            seed=route.seed(1, iteration),
            device=route.device,
            iteration=iteration,
            stop=route.watch,
            mixed_precision=params.mixed_precision,
        ),
        n_epochs,
    )
    graph = yield from route.timed("graph", iteration, _graph(feature.embedding, route, iteration))
    embedded = yield from route.timed(
        "graph_AE",
        iteration,
        iterate_graph_ae(
            feature.embedding,
            graph,
            params=params.graph_AE,
            gat=params.gat,
            previous=None if state is None or not params.graph_AE.concat_prev_embed else state.graph_embedding,
            seed=route.seed(2, iteration),
            device=route.device,
            iteration=iteration,
            stop=route.watch,
        ),
        params.graph_AE.epoch,
    )
    base = state if state is not None else LoopState(0, {}, prepared.x, prepared.x, prepared.x, graph)
    return replace(
        base,
        iteration=iteration,
        feature_weights=feature.weights,
        reconstruction=feature.reconstruction,
        feature_embedding=feature.embedding,
        graph=graph,
        graph_embedding=embedded.embedding,
    )


def _previous(state: LoopState | None, params: RunParams) -> Floats | None:
    """The embedding that stands beside the feature autoencoder's input, if any."""
    if state is None or params.feature_AE.concat_prev_embed == "none":
        return None
    return state.feature_embedding if params.feature_AE.concat_prev_embed == "feature" else state.graph_embedding


def _graph(embedding: Floats, route: _Route, iteration: int) -> Steps[CellGraph]:
    settings = route.params.graph_AE
    n_neighbours = neighbour_count(
        len(embedding), settings.neighborhood_factor, settings.neighborhood_max, settings.graph_construction
    )
    if iteration == 0:
        yield Notice(f"Cell graph: {n_neighbours} neighbours of each cell", "info", "graph")
    return build_graph(
        embedding,
        construction=settings.graph_construction,
        n_neighbours=n_neighbours,
        seed=route.seed(3, iteration),
    )


def _one_iteration(
    route: _Route, prepared: Prepared, dataset: Dataset, state: LoopState, iteration: int
) -> Steps[LoopState]:
    params = route.params
    clusters = yield from route.timed(
        "clustering",
        iteration,
        iterate_clustering(
            state.graph,
            state.graph_embedding,
            state.feature_embedding,
            params=params.clustering,
            n_clusters_smoothed=state.n_clusters_smoothed,
            seed=route.seed(4, iteration),
        ),
    )
    fitted = yield from route.timed(
        "cluster_AE",
        iteration,
        iterate_cluster_ae(
            prepared.x,
            state.reconstruction,
            clusters.labels,
            state.graph.adjacency(weighted=params.graph_AE.retain_weights),
            weights=state.feature_weights,
            validation=prepared.validation,
            previous=_previous(state, params),
            params=params.cluster_AE,
            mixed_precision=params.mixed_precision,
            seed=route.seed(5, iteration),
            device=route.device,
            iteration=iteration,
            stop=route.watch,
        ),
        params.cluster_AE.epoch,
    )
    new = replace(
        state,
        labels=clusters.labels,
        n_clusters_smoothed=clusters.n_clusters_smoothed,
        clustering_embedding=clusters.embedding,
        imputed=fitted.imputed,
    )
    if params.use_bulk:
        new = yield from route.timed("deconvolution", iteration, _with_bulk(route, prepared, dataset, new, iteration))
    new = yield from _embed(route, prepared, new, iteration)
    return new


def _with_bulk(
    route: _Route, prepared: Prepared, dataset: Dataset, state: LoopState, iteration: int
) -> Steps[LoopState]:
    """Deconvolve the bulk expression over the clusters and fuse it into the imputation."""
    if dataset.bulk is None or state.labels is None or state.imputed is None:
        raise ValueError("expected bulk data and the state of an iteration")
    matched = match_bulk(dataset.bulk, prepared.var_names)
    if iteration == 1:
        for note in matched.notes:
            yield Notice(note, "info", "deconvolution")
    found = yield from iterate_deconvolution(
        prepared.x,
        state.imputed,
        state.labels,
        matched.profile,
        route.params,
        genes=matched.genes,
        states=prepared.states,
        seed=route.seed(6, iteration),
        device=route.device,
        iteration=iteration,
        stop=route.watch,
    )
    fused = fuse(prepared.x, state.imputed, found.bulk_imputed, found.genes)
    return replace(state, imputed=fused, deconvolution=found.summary())

"""The route of a run: data to events to :class:`~scgnn2_engine.results.result.Result`.

:func:`iterate` is the one stream everything reads; :func:`fit` drains it. The method is that of scGNN 2.0 (Gu et al.,
Bioinformatics 2022): feature autoencoder, cell graph, graph autoencoder, clusters, one autoencoder per cluster,
iterated.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from scgnn2_engine.bulk.steps import BULK_METHODS, BulkData, match
from scgnn2_engine.clusters.clustering import check_method
from scgnn2_engine.data.blocks import AnyMatrix
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Dataset, Truth
from scgnn2_engine.data.preparation import iterate_ltmg, iterate_preprocess
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import InsufficientMemoryError, ParameterError, TrainingError
from scgnn2_engine.evaluate import evaluated, score_iteration
from scgnn2_engine.evaluate.null_genes import NullGenes
from scgnn2_engine.events import (
    DataPrepared,
    Event,
    IterationEnded,
    Notice,
    RunEnded,
    RunStarted,
    Stage,
    Stop,
    StopReason,
    drain,
    never,
    said,
)
from scgnn2_engine.graph.neighbours import graph_change, neighbour_count, smoothed_graph
from scgnn2_engine.io import changes_in_the_result, read_dataset
from scgnn2_engine.methods import method_of
from scgnn2_engine.model.model import Model
from scgnn2_engine.params import ClusterAEParams, RunParams
from scgnn2_engine.params.effects import of_another_preset, without_effect
from scgnn2_engine.resources import PeakMemory
from scgnn2_engine.results.result import Result
from scgnn2_engine.results.state import LoopState
from scgnn2_engine.run.batch_hint import batch_notice
from scgnn2_engine.run.iteration import Loop, first_state, next_state
from scgnn2_engine.run.memory import check_memory, expected_memory
from scgnn2_engine.run.recorder import Recorder
from scgnn2_engine.run.selection import select_iteration
from scgnn2_engine.run.stopping import stop_reason
from scgnn2_engine.training.context import Checkpoints, Context, GivenUpError, Steps, Watch
from scgnn2_engine.training.devices import resolve_device, threads
from scgnn2_engine.training.ranks import Ranks

if TYPE_CHECKING:
    from scgnn2_engine.io.samples.given import Data
    from scgnn2_engine.training.tasks import DaskTasks


def fit(data: Data | None = None, params: RunParams | None = None) -> Result:
    """Run scGNN 2.0 to its end.

    What deserves a second look (a scale that was guessed, many cells dropped) goes to the logger ``scgnn2_engine`` as a
    warning, which Python shows unless told otherwise; all that was noticed stands in ``result.record["notices"]``.

    Parameters
    ----------
    data
        Anything :func:`scgnn2_engine.read` takes, an AnnData or a :class:`Dataset`, or several of them, which are
        samples that are joined by gene; None where ``params.load`` names the files.
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

    def listen(event: Event) -> None:
        if isinstance(event, Notice) and event.level == "warning":
            logging.getLogger("scgnn2_engine").warning(event.message)

    return drain(iterate(data, params), listen)


def iterate(
    data: Data | None = None,
    params: RunParams | None = None,
    *,
    stop: Stop = never,
    checkpoints: Checkpoints | None = None,
    ranks: Ranks | None = None,
    tasks: DaskTasks | None = None,
) -> Steps[Result]:
    """Run scGNN 2.0 step by step, yielding an event for everything that happens.

    Parameters
    ----------
    data, params
        As for :func:`fit`.
    stop
        Asked after every epoch. Once it returns True the run winds down within a step: the iteration under way is
        given up for the best complete one; the first iteration is finished with what is trained so far.
    checkpoints
        Where stages are kept as they end, and taken from if they were before (:class:`FolderCheckpoints`).
    ranks
        The processes that train the feature autoencoder together, all of which call this with the same data and
        parameters; the first one's ``stop`` and ``max_seconds`` count. None: this one alone.
    tasks
        Workers elsewhere, for the trainings that wait for nothing (:class:`~scgnn2_engine.training.tasks.DaskTasks`).

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
        ranks = ranks or Ranks()
        watch = Watch(stop, params.max_seconds) if ranks.first else Watch(never, 0.0)
        context = Context(params, device, watch, memory, checkpoints, ranks, tasks)
        recorder = Recorder(params, str(device))
        result = yield from recorder.listen(_route(context, data, recorder))
    return result


def _route(context: Context, data: Data | None, recorder: Recorder) -> Steps[Result]:
    params, watch = context.params, context.watch
    dataset = yield from context.timed("load", 0, _load(data, params))  # not kept: it is read again
    recorder.describe(dataset)
    yield RunStarted(dataset.n_obs, dataset.n_vars, params.to_dict(), str(context.device))
    prepared = yield from context.timed("preprocess", 0, _preprocess(dataset, params))
    n_neighbours, bulk = yield from _check(params, prepared, dataset)
    if context.checkpoints is not None:  # what cannot run leaves none
        context.checkpoints.begin(prepared)
    if params.run_LTMG or dataset.states is not None:
        states, notices = yield from context.timed("LTMG", 0, _ltmg(prepared, dataset, params))
        prepared = replace(prepared, states=states, notices=notices)
    yield DataPrepared(prepared, None if dataset.obs is None else dataset.obs.iloc[prepared.cells], dataset)
    method = method_of(params)(prepared, params)
    yield from method.notices
    loop = Loop(context, prepared, method, n_neighbours, bulk)
    truth = dataset.truth.take(prepared.cells) if dataset.truth is not None else None

    state = yield from first_state(loop)
    change = _GraphChange(state.graph, params)
    best: LoopState | None = None
    reason: StopReason | None = None
    for iteration in range(1, params.total_epoch + 1):
        start = time.perf_counter()
        try:
            new = yield from next_state(loop, state, iteration)
            # Some training of this iteration was cut short; only without a complete one before it is that kept.
            if watch.reason is not None and best is not None:
                raise GivenUpError
        except GivenUpError:
            yield Notice.of("iteration_given_up", iteration=iteration)
            break
        except (TrainingError, InsufficientMemoryError) as error:
            if best is None:
                raise
            where: Stage = "cluster_AE"  # where memory runs out, if anywhere: clusters change their sizes
            reason = "out_of_memory"
            if isinstance(error, TrainingError):
                where, reason = cast("Stage", error.stage), "training_error"
            yield replace(Notice.of("iterations_kept", error=str(error)), stage=where)
            break
        scores = yield from context.timed(
            "evaluate", iteration, _score(prepared, new, state, truth, change(new.graph), start)
        )
        recorder.add_iteration(iteration, scores, new)
        if select_iteration(recorder.label_free_rows, params.selection) == iteration:
            best = new
        yield IterationEnded(iteration, params.total_epoch, new, scores)
        if watch.reason is not None:
            yield Notice.of("first_cut_short")
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
    model = Model.of(best, prepared, params)
    yield from model.found.notices
    hint = batch_notice(dataset, prepared.cells, model.labels, params.load.cell_type_labels)
    if hint is not None:
        yield hint
    if best.mixing is not None:
        yield Notice.of("batches_mixed", n=best.graph.k, **asdict(best.mixing))
    result = recorder.result(prepared, best, dataset, ended_by, model)
    result = yield from context.timed("evaluate", 0, _evaluate(loop, result, truth))
    yield RunEnded(result, ended_by)
    return result


def _evaluate(loop: Loop, result: Result, truth: Truth | None) -> Steps[Result]:
    """The result beside its baselines; nothing of this is seen by what came before."""
    params, prepared = loop.context.params, result.prepared
    wanted = params.evaluate
    null = NullGenes(
        wanted.null_genes,
        partial(_impute_again, loop, result.record["selected_iteration"]),
        expected_memory(prepared.n_obs, prepared.n_vars + min(wanted.null_genes, prepared.n_vars), params),
    )
    return evaluated(
        result,
        truth,
        baselines=wanted.baselines,
        diagnostics=wanted.diagnostics,
        seed=params.seed,
        stop=loop.context.watch,
        null=null,
    )


def _impute_again(loop: Loop, n_iterations: int, prepared: Prepared) -> dict[str, AnyMatrix] | None:
    """What the method makes of another matrix of the same cells after so many iterations; None if it is stopped.

    With the run's parameters and seeds, so that of the run's own matrix it gives the run's own answer; without bulk
    expression, which knows nothing of other genes. ``""`` is the imputed expression; other answers have names.
    Its events are not the run's and are dropped.
    """
    params = loop.context.params
    # The peak of the stage around it stays untaken.
    context = replace(loop.context, memory=PeakMemory(), checkpoints=None, tasks=None)
    loop = Loop(context, prepared, method_of(params)(prepared, params), loop.n_neighbours)
    try:
        state = drain(first_state(loop))
        for iteration in range(1, n_iterations + 1):
            state = drain(next_state(loop, state, iteration))
    except GivenUpError:
        return None
    # The last training may have been cut short.
    if context.watch():
        return None
    found = Model.of(state, prepared, params).found
    return {"": found.imputed, **found.others}


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


def _check(params: RunParams, prepared: Prepared, dataset: Dataset) -> Steps[tuple[int, BulkData | None]]:
    """Find out before anything is trained what would fail only afterwards; neighbours of a cell, and bulk samples."""
    check_method(params.clustering, prepared.n_obs)
    settings = params.graph_AE
    n_neighbours = neighbour_count(
        prepared.n_obs, settings.neighborhood_factor, settings.neighborhood_max, settings.graph_construction
    )
    yield Notice.of("graph_neighbours", n=n_neighbours)
    if params.cluster_AE.regu_strength != ClusterAEParams.param["regu_strength"].default:
        yield Notice.of("regu_strength_idle")
    if doubt := of_another_preset(params):
        yield Notice.of("another_preset", **doubt)
    yield from said(*changes_in_the_result(prepared, dataset), "output")
    for key, why in {**without_effect(params), **method_of(params).idle(params)}.items():
        yield Notice.of("no_effect", key=key, why=why)
    bulk = None
    if params.use_bulk and dataset.bulk is not None:
        bulk = match(dataset.bulk, dataset, prepared, params)
        yield from bulk.notices
        if BULK_METHODS[params.deconv.method].by_held_out and prepared.validation is None:
            yield Notice.of("bulk_without_held_out")
    return n_neighbours, bulk


def _score(
    prepared: Prepared, new: LoopState, state: LoopState, truth: Truth | None, change: float, start: float
) -> Steps[dict[str, float]]:
    scores = dict(score_iteration(prepared, new, state.labels, truth))
    yield from ()
    return {**scores, "graph_change": change, "seconds": time.perf_counter() - start}


def _ltmg(
    prepared: Prepared, dataset: Dataset, params: RunParams
) -> Steps[tuple[npt.NDArray[np.uint8] | None, tuple[Notice, ...]]]:
    """What the stage adds to the cells, which are known already."""
    found = yield from iterate_ltmg(prepared, dataset, params)
    return found.states, found.notices


def _load(data: Data | None, params: RunParams) -> Steps[Dataset]:
    dataset = read_dataset(params, data)
    yield from said(dataset.notes, dataset.warnings, "load")
    return dataset


def _preprocess(dataset: Dataset, params: RunParams) -> Steps[Prepared]:
    check_memory(dataset, params)
    return (yield from iterate_preprocess(dataset, params))

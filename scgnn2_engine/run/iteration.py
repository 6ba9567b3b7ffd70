"""One iteration: clusters, an autoencoder for each, a feature autoencoder, a cell graph, a graph autoencoder."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from scgnn2_engine.bulk.steps import BulkData, iterate_bulk
from scgnn2_engine.clusters.clustering import iterate_clustering
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.data.matrices import row_nonzeros
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.events import Notice
from scgnn2_engine.graph.batch_correction import correct_batches
from scgnn2_engine.graph.batch_mixing import batch_mixing
from scgnn2_engine.graph.components import principal_components
from scgnn2_engine.graph.graph_ae import iterate_graph_ae
from scgnn2_engine.graph.neighbours import build_graph
from scgnn2_engine.methods import Before, Expression, Fit, Method
from scgnn2_engine.params import RunParams
from scgnn2_engine.results.state import LoopState
from scgnn2_engine.training.context import Context, Steps


@dataclass(frozen=True)
class Loop:
    """What the iterations of one run have in common.

    Attributes
    ----------
    context
        Parameters, seeds, and when to stop.
    prepared
        The cells.
    method
        How expression is imputed.
    n_neighbours
        Neighbours of each cell in the graph.
    bulk
        Bulk samples beside the cells, or None.
    """

    context: Context
    prepared: Prepared
    method: Method
    n_neighbours: int
    bulk: BulkData | None = None


def first_state(loop: Loop) -> Steps[LoopState]:
    """What stands before the loop: the first feature autoencoder, and the graph from it."""
    fit = yield from loop.method.start(loop.context)
    none = np.empty((loop.prepared.n_obs, 0), np.float32)
    no_graph = CellGraph(np.empty(none.shape, np.int64), none, none)
    return (yield from _embedded(loop, LoopState(0, fit, no_graph, none)))


def next_state(loop: Loop, state: LoopState, iteration: int) -> Steps[LoopState]:
    """From the state of the last iteration, clusters first, to that of this one (1-based)."""
    context, params = loop.context, loop.context.params
    together = state.fit.together
    clusters = yield from context.timed(
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
            found=state.member_communities,
            expression=loop.method.compared(together),
            depth=row_nonzeros(loop.prepared.expression),
            seed=context.seed(4, 0 if params.clustering.method == "consensus" else iteration),
        ),
    )
    state = replace(
        state,
        labels=clusters.labels,
        n_clusters_smoothed=clusters.n_clusters_smoothed,
        clustering_embedding=clusters.embedding,
        member_communities=clusters.found,
        tree=clusters.tree,
        membership=clusters.membership,
    )
    state = _with_fit(state, (yield from loop.method.refine(context, _before(state), clusters.labels, iteration)))
    # Where it does not feed back, the bulk corrects what is returned.
    if loop.bulk is not None and loop.method.bulk_feeds_back:
        state = yield from _with_bulk(loop, loop.bulk, state, iteration)
    kept = state if loop.method.bulk_feeds_back else None
    state = _with_fit(state, (yield from loop.method.train(context, _before(state), iteration)), kept)
    state = yield from _embedded(loop, replace(state, iteration=iteration))
    if loop.bulk is not None and not loop.method.bulk_feeds_back:
        state = yield from _with_bulk(loop, loop.bulk, state, iteration)
    return state


def _before(state: LoopState) -> Before:
    return Before(state.fit, state.imputed, state.graph, state.graph_embedding)


def _with_fit(state: LoopState, fit: Fit, keeps: LoopState | None = None) -> LoopState:
    """The state with what was learned now; what it imputes is that of ``keeps`` where that was fed back."""
    imputed = fit.imputed
    if imputed is None or (keeps is not None and keeps.imputed is not None):
        return replace(state, fit=fit)
    return replace(state, fit=fit, imputed=imputed.value, log_rate=imputed.log_rate)


def _embedded(loop: Loop, state: LoopState) -> Steps[LoopState]:
    """Components, cell graph and graph embedding of what was learned."""
    context, params, iteration = loop.context, loop.context.params, state.iteration
    of_expression = params.graph_AE.graph_embed == "expression"
    found = points = state.feature_embedding
    if not of_expression:
        points = yield from _corrected(loop, found, iteration)
    if of_expression or params.clustering.embed == "expression":
        uncorrected = _components(loop, state.fit.together)
        components = yield from _corrected(loop, uncorrected, iteration)
        state = replace(state, components=components)
        if of_expression:
            found, points = uncorrected, components
    graph = yield from context.timed("graph", iteration, _graph(points, loop, iteration))
    if params.clustering.method == "consensus":
        state = replace(state, member_neighbours=(*state.member_neighbours, _own_neighbours(loop, state.fit, graph)))
    batches = loop.prepared.batches
    state = replace(state, graph=graph, mixing=None if batches is None else batch_mixing(found, graph, batches))
    if iteration == 0 and not _reads_graph_embedding(params):
        return state
    embedded = yield from context.timed(
        "graph_AE",
        iteration,
        iterate_graph_ae(
            points,
            graph,
            params=params.graph_AE,
            gat=params.gat,
            previous=state.graph_embedding if params.graph_AE.concat_prev_embed and iteration > 0 else None,
            seed=context.seed(2, iteration),
            device=context.device,
            iteration=iteration,
            stop=context.watch,
        ),
        params.graph_AE.epoch,
    )
    return replace(state, graph_embedding=embedded.embedding)


def _reads_graph_embedding(params: RunParams) -> bool:
    """Whether an iteration rests on the graph embedding of the one before; else it is a result alone."""
    return (
        params.clustering.embed in ("graph", "both")
        or params.graph_AE.concat_prev_embed
        or params.feature_AE.concat_prev_embed == "graph"
    )


def _components(loop: Loop, expression: Expression) -> npt.NDArray[np.float32]:
    compared = loop.method.compared(expression)
    return principal_components(compared, loop.context.params.graph_AE.n_components, seed=loop.context.seed(7, 0))


def _corrected(loop: Loop, points: npt.NDArray[np.float32], iteration: int) -> Steps[npt.NDArray[np.float32]]:
    """Coordinates of the cells in which batches lie on each other; as they are where there is one batch."""
    if loop.prepared.batches is None:
        return points
    found = correct_batches(points, loop.prepared.batches)
    if found.apart and iteration == 0:
        yield Notice.of("batches_apart", names=", ".join(found.apart[:8]))
    return found.points


def _own_neighbours(loop: Loop, fit: Fit, graph: CellGraph) -> npt.NDArray[np.int64]:
    """Neighbours in what the newest member alone says; for a lone member, or another graph, those of the graph."""
    newest = fit.newest
    if newest is None or loop.context.params.graph_AE.graph_embed != "expression":
        return graph.neighbours
    if loop.method.compared(newest) is loop.method.compared(fit.together):
        return graph.neighbours
    seed = loop.context.seed(7, 0)
    points = _components(loop, newest)
    if loop.prepared.batches is not None:
        points = correct_batches(points, loop.prepared.batches).points
    return build_graph(points, construction="v2", n_neighbours=loop.n_neighbours, seed=seed).neighbours


def _graph(embedding: Floats, loop: Loop, iteration: int) -> Steps[CellGraph]:
    yield from ()
    return build_graph(
        embedding,
        construction=loop.context.params.graph_AE.graph_construction,
        n_neighbours=loop.n_neighbours,
        seed=loop.context.seed(3, iteration),
    )


def _with_bulk(loop: Loop, bulk: BulkData, state: LoopState, iteration: int) -> Steps[LoopState]:
    context = loop.context
    steps = iterate_bulk(
        bulk,
        loop.prepared,
        state,
        context.params,
        seed=context.seed(6, iteration),
        device=context.device,
        iteration=iteration,
        stop=context.watch,
    )
    return (yield from context.timed("deconvolution", iteration, steps))

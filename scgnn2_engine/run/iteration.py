"""One iteration: clusters, an autoencoder for each, a feature autoencoder, a cell graph, a graph autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from scgnn2_engine.bulk.steps import BulkData, iterate_bulk
from scgnn2_engine.clusters.clustering import iterate_clustering
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.graph.graph_ae import iterate_graph_ae
from scgnn2_engine.graph.neighbours import build_graph
from scgnn2_engine.methods.denoising.clusters import iterate_denoising_clusters
from scgnn2_engine.methods.denoising.outputs import Mean, join, neighbours_of, settle
from scgnn2_engine.methods.denoising.training import iterate_denoising, plan_of
from scgnn2_engine.methods.published.cluster_ae import iterate_cluster_ae
from scgnn2_engine.methods.published.feature_ae import iterate_feature_ae
from scgnn2_engine.model.state import LoopState
from scgnn2_engine.params import RunParams
from scgnn2_engine.run.context import Journey, Steps

Matrix32 = npt.NDArray[np.float32]
Weights = Mapping[str, Matrix32]


def embed(journey: Journey, prepared: Prepared, state: LoopState | None, iteration: int) -> Steps[LoopState]:
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


def _features(journey: Journey, prepared: Prepared, state: LoopState | None, iteration: int) -> Steps[LoopState]:
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


def _own_neighbours(journey: Journey, state: LoopState, graph: CellGraph) -> npt.NDArray[np.int64]:
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


def _graph(embedding: Floats, journey: Journey, iteration: int) -> Steps[CellGraph]:
    yield from ()
    return build_graph(
        embedding,
        construction=journey.params.graph_AE.graph_construction,
        n_neighbours=journey.n_neighbours,
        seed=journey.seed(3, iteration),
    )


def one_iteration(journey: Journey, prepared: Prepared, state: LoopState, iteration: int) -> Steps[LoopState]:
    """From the state of the last iteration, clusters first, to that of this one.

    Parameters
    ----------
    journey
        What goes along the run.
    prepared
        What is trained on.
    state
        What the iteration before left, or :func:`embed` before the first.
    iteration
        1-based.
    """
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
    new = yield from embed(journey, prepared, new, iteration)
    if journey.bulk is not None and not feeds_back:
        new = yield from _with_bulk(journey, journey.bulk, prepared, new, iteration)
    return new


def _refine(
    journey: Journey, prepared: Prepared, state: LoopState, labels: npt.NDArray[np.int32], iteration: int
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
    journey: Journey, bulk: BulkData, prepared: Prepared, state: LoopState, iteration: int
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

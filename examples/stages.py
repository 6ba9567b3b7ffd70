"""Each stage alone: what goes in, what comes out. A whole run is this, iterated.

Run: ``python examples/stages.py``. Shapes are printed; the data is simulated, 240 cells of three types.
"""

from __future__ import annotations

import numpy as np

import scgnn2_engine as sc2
from scgnn2_engine.clusters.clustering import cluster
from scgnn2_engine.data.ltmg import ltmg_states
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.graph.graph_ae import fit_graph_ae
from scgnn2_engine.graph.neighbours import build_graph, neighbour_count
from scgnn2_engine.methods.published.cluster_ae import fit_cluster_ae
from scgnn2_engine.methods.published.feature_ae import fit_feature_ae
from scgnn2_engine.params import ClusterAEParams, ClusteringParams, GATParams, GraphAEParams


def show(name: str, array: np.ndarray) -> None:
    print(f"{name} {array.shape} {array.dtype}")


def main() -> None:
    data = sc2.simulate(n_obs=240, n_vars=300, n_types=3, dropout=0.3, seed=0)
    show("counts", data.expression)

    # Cells and genes are kept, scaled and logged: a Dataset becomes a Prepared.
    prepared = prepare(data, sc2.RunParams(run_LTMG=False))
    show("ln(1 + expression / size factor)", prepared.x)

    # LTMG states of any non-negative matrix, rows are cells: 0 unexpressed, 1 and up expressed.
    states = ltmg_states(prepared.expression)
    show("LTMG states", states)

    # The feature autoencoder, its loss weighted by the states.
    feature = fit_feature_ae(prepared.x, states=states, n_epochs=60, seed=1)
    show("feature embedding", feature.embedding)

    # Every cell's nearest neighbours in that embedding.
    k = neighbour_count(prepared.n_obs, factor=0.05, construction="v2")
    graph = build_graph(feature.embedding, construction="v2", n_neighbours=k, seed=1)
    show("edges", graph.edge_index)

    # The graph autoencoder embeds the cells by what their neighbours look like.
    attention = GraphAEParams(use_GAT=True, normalize_embed="sum1", epoch=60)
    embedded = fit_graph_ae(feature.embedding, graph, params=attention, gat=GATParams(), seed=1)
    show("graph embedding", embedded.embedding)

    # Communities of the graph give the number of clusters, k-means the clusters.
    clusters = cluster(graph, embedded.embedding, feature.embedding, ClusteringParams(), seed=1)
    show("clusters", clusters.labels)

    # One autoencoder for each cluster, starting from the feature autoencoder's weights, imputes the cells.
    imputation = fit_cluster_ae(
        prepared.x,
        feature.reconstruction,
        clusters.labels,
        graph.adjacency(),
        feature.weights,
        params=ClusterAEParams(epoch=40),
        seed=1,
    )
    show("imputed expression", prepared.to_output_scale(imputation.imputed))


if __name__ == "__main__":
    main()

"""The clusters."""

from __future__ import annotations

import param

from scgnn2_engine.params.fields import ADVANCED, ESSENTIAL, StageParams, choice, switch


class ClusteringParams(StageParams):
    """How cells are grouped in every iteration."""

    group, title = "clustering", "Clustering"

    louvain_only = switch("Take the Louvain communities of the cell graph as the clusters.")
    use_flexible_k = switch("Take each iteration's number of clusters as it comes instead of smoothing it.")
    embed = choice(
        "graph",
        ["graph", "feature", "both", "expression"],
        "Embedding that is clustered by k-means or affinity propagation; both puts the rescaled feature embedding "
        "beside the graph embedding, expression takes the principal components of the expected expression.",
        ESSENTIAL,
    )
    method = choice(
        "KMeans",
        ["KMeans", "AffinityPropagation", "Leiden", "consensus"],
        "KMeans takes its number of clusters from the Louvain communities; Leiden takes the communities of the cell "
        "graph; consensus weighs every edge by how often its cells fall together at many resolutions and in every "
        "member of the ensemble, and takes the communities of that.",
        ESSENTIAL,
    )
    n_clusters = param.Integer(
        0,
        bounds=(0, None),
        softbounds=(0, 50),
        doc="Number of clusters that the tree of the method consensus is cut into; 0 takes as many as are separated.",
        precedence=ADVANCED,
    )
    resolution = param.Number(
        1.0,
        bounds=(0.0, None),
        inclusive_bounds=(False, True),
        softbounds=(0.01, 3.0),
        doc="Resolution of Louvain and Leiden: larger gives more communities.",
        precedence=ADVANCED,
    )

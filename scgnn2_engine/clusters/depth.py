"""Clusters that depth alone would tell apart."""

from __future__ import annotations

import numpy as np

from scgnn2_engine.clusters.communities import Labels
from scgnn2_engine.clusters.tree import ClusterTree
from scgnn2_engine.data.dataset import Floats, Ints

BY_DEPTH = 0.9
"""How often depth alone must order two cells of two clusters rightly for that to be said."""


def told_by_depth(
    tree: ClusterTree, labels: Labels, depth: Floats | Ints, points: Floats
) -> list[tuple[int, int, float]]:
    """Neighbours in the tree that depth alone would tell apart: of two branches that merge the two nearest clusters.

    Parameters
    ----------
    tree, labels
        Of which the clusters are a cut.
    depth
        (n_obs,) how much of each cell is seen, genes say.
    points
        (n_obs, d) coordinates of the cells.

    Returns
    -------
    The deeper cluster, the other, and how often a cell of the one is deeper than one of the other, where that is at
    least 90 %.

    Notes
    -----
    The area under the receiver operating characteristic (Mann & Whitney 1947), ties as half.

    Examples
    --------
    >>> import numpy as np
    >>> from scgnn2_engine.clusters.tree import cluster_tree
    >>> points = np.concatenate([np.zeros(20), np.full(20, 9.0)])[:, None] + np.random.default_rng(0).random((40, 1))
    >>> tree = cluster_tree(points, np.repeat([0, 1], 20))
    >>> told_by_depth(tree, tree.cut(), np.repeat([100, 900], 20), points)
    [(1, 0, 1.0)]
    """
    from scipy.stats import mannwhitneyu

    centres = np.stack([points[labels == cluster].mean(axis=0) for cluster in range(int(labels.max()) + 1)])
    inside = {leaf: [int(labels[tree.leaves == leaf][0])] for leaf in range(tree.n_leaves)}
    found = []
    for kept, gone in tree.merges.tolist():
        if inside[kept] == inside[gone]:  # pieces of one cluster
            continue
        apart = np.square(centres[inside[kept]][:, None] - centres[inside[gone]]).sum(axis=2)
        near, next_to = np.unravel_index(int(apart.argmin()), apart.shape)
        one, two = inside[kept][int(near)], inside[gone][int(next_to)]
        cells = [depth[labels == cluster] for cluster in (one, two)]
        deeper = float(mannwhitneyu(*cells).statistic) / (len(cells[0]) * len(cells[1]))
        pair = (one, two, deeper) if deeper > 0.5 else (two, one, 1 - deeper)
        found += [pair] if pair[2] >= BY_DEPTH else []
        inside[kept] = inside[kept] + inside[gone]
    return found

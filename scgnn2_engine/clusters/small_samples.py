"""Clusters of few cells, which a graph of neighbours cannot tell apart: k-means, its number by reproducibility."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from scgnn2_engine.clusters.communities import Labels, by_size
from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.graph.components import principal_components

Scores = npt.NDArray[np.float32]

FEW_CELLS = 200
"""Cells below which 15 neighbours are so large a share of all that small groups vanish in their surroundings."""

LARGEST_FALL = 0.05
"""Fall of the reproducibility from one number of clusters to the next at which the search ends."""

CELLS_OF_A_CLUSTER = 30
"""On average; more clusters than that are not looked for: of so few cells each would say little."""

N_SPLITS = 10

N_STRUCTURELESS = 40
"""Sets of normally distributed points with which the silhouette of the clusters is compared."""

CLEARLY = 4.0
"""Standard deviations by which it must exceed theirs. Cells of one kind reach about 3 at most, those of two sets of
real cells 5 to 15."""


def reproducible_k_means(expression: Floats, n_components: int, seed: int = 0) -> Labels:
    """K-means with the largest number of clusters up to which halves of the genes agree.

    For k = 2, 3, … the genes are split at random in two halves, each half is clustered on its own principal
    components, and the adjusted Rand index between the two is averaged over ten splits. The search ends before the
    first k at which it falls by more than .05, or where clusters would have fewer than 30 cells on average.

    K-means divides anything, and imputed genes agree on how to, since they are made of one another. The clusters count
    only where their silhouette is clearly larger than that of as many clusters in normally distributed points with the
    same variance along each component.

    Parameters
    ----------
    expression
        (n_obs, n_vars) imputed expression.
    n_components
        Principal components, of the halves and of the whole.
    seed
        Of the splits and the starts of k-means.

    Returns
    -------
    (n_obs,) int32 labels, numbered by falling size; all 0 for fewer than six cells, and where points without any
    structure would look as divided.

    Notes
    -----
    Stability as the criterion for the number of clusters: Ben-Hur et al. 2002, Lange et al. 2004. Genes are split
    because noise of different genes is independent; cells cannot be spared where they are few. A normal distribution
    as what clusters are tested against: Liu et al. 2008 (SigClust), here by the silhouette.
    """
    n_obs, n_vars = expression.shape
    most = max(2, n_obs // CELLS_OF_A_CLUSTER)
    if n_obs < 6 or n_vars < 2:
        return np.zeros(n_obs, np.int32)
    rng = np.random.default_rng(seed)
    halves: list[tuple[Scores, Scores]] = []
    for _ in range(N_SPLITS):
        one, two = np.array_split(rng.permutation(n_vars), 2)
        halves.append(
            (
                principal_components(expression[:, one], n_components, seed=seed),
                principal_components(expression[:, two], n_components, seed=seed),
            )
        )
    whole = principal_components(expression, n_components, seed=seed)
    with threadpool_limits(limits=1):  # one order of the sums, so equal seeds give equal labels
        chosen, before = 2, _agreement(halves, 2, seed)
        for k in range(3, most + 1):
            now = _agreement(halves, k, seed)
            if now < before - LARGEST_FALL:
                break
            chosen, before = k, now
        labels = by_size(_k_means(whole, chosen, seed, n_init=10))
        return labels if _is_divided(whole, labels, seed) else np.zeros(n_obs, np.int32)


def better_separated(first: Labels, second: Labels, embedding: Floats) -> Labels:
    """The one of two clusterings with the larger mean silhouette; the first where neither has one."""
    return second if _silhouette(embedding, second) > _silhouette(embedding, first) else first


def _silhouette(embedding: Floats, labels: Ints) -> float:
    """Mean silhouette; −1 for one cluster, which has none."""
    from sklearn.metrics import silhouette_score

    n_clusters = len(np.unique(labels))
    return float(silhouette_score(embedding, labels)) if 2 <= n_clusters < len(labels) else -1.0


def _is_divided(embedding: Scores, labels: Labels, seed: int) -> bool:
    """Whether the clusters are further apart than k-means makes them in points without structure."""
    k = int(labels.max()) + 1
    rng = np.random.default_rng([seed, N_STRUCTURELESS])
    spread = embedding.std(axis=0, dtype=np.float64)
    without = []
    for draw in range(N_STRUCTURELESS):
        points = (rng.standard_normal(embedding.shape) * spread).astype(np.float32)
        without.append(_silhouette(points, _k_means(points, k, draw, n_init=3)))
    found = _silhouette(embedding, labels)
    return found > float(np.mean(without)) + CLEARLY * float(np.std(without, ddof=1))


def _agreement(halves: list[tuple[Scores, Scores]], k: int, seed: int) -> float:
    """Mean adjusted Rand index between the clusterings of the two halves."""
    from sklearn.metrics import adjusted_rand_score

    scores = [adjusted_rand_score(*(_k_means(half, k, seed, n_init=10) for half in both)) for both in halves]
    return float(np.mean(scores))


def _k_means(embedding: Scores, k: int, seed: int, n_init: int) -> Ints:
    from sklearn.cluster import KMeans

    most = len(np.unique(embedding, axis=0))
    found: Ints = KMeans(min(k, most), n_init=n_init, random_state=seed).fit_predict(embedding.astype(np.float64))
    return found

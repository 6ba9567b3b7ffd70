"""Clusters of few cells, which a graph of neighbours cannot tell apart: k-means, its number by reproducibility."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from scgnn2_engine.stages.communities import Labels, by_size
from scgnn2_engine.stages.components import principal_components
from scgnn2_engine.types import Floats, Ints

Scores = npt.NDArray[np.float32]

FEW_CELLS = 200
"""Cells below which 15 neighbours are so large a share of all that small groups vanish in their surroundings."""

LARGEST_FALL = 0.05
"""Fall of the reproducibility from one number of clusters to the next at which the search ends."""

CELLS_OF_A_CLUSTER = 30
"""On average; more clusters than that are not looked for: of so few cells each would say little."""

N_SPLITS = 10


def reproducible_k_means(expression: Floats, n_components: int, seed: int = 0) -> Labels:
    """K-means with the largest number of clusters up to which halves of the genes agree.

    For k = 2, 3, … the genes are split at random in two halves, each half is clustered on its own principal
    components, and the adjusted Rand index between the two is averaged over ten splits. The search ends before the
    first k at which it falls by more than .05, or where clusters would have fewer than 30 cells on average.

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
    (n_obs,) int32 labels, numbered by falling size; all 0 for fewer than six cells.

    Notes
    -----
    Stability as the criterion for the number of clusters: Ben-Hur et al. 2002, Lange et al. 2004. Genes are split
    because noise of different genes is independent; cells cannot be spared where they are few.
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
        return by_size(_k_means(whole, chosen, seed, n_init=10))


def better_separated(first: Labels, second: Labels, embedding: Floats) -> Labels:
    """The one of two clusterings with the larger mean silhouette; the first where neither has one."""
    from sklearn.metrics import silhouette_score

    def silhouette(labels: Labels) -> float:
        n_clusters = int(labels.max()) + 1
        return float(silhouette_score(embedding, labels)) if 2 <= n_clusters < len(labels) else -1.0

    return second if silhouette(second) > silhouette(first) else first


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

"""A tree of clusters: which of them are populations of their own, and which are pieces of one.

A community search divides anything. Of all pairs of clusters that one population could have been cut into, the nearest
are merged, until every pair that is left is separated. What is left is merged further, the nearest first, and every
cluster is a tree of finer pieces made in the same way, so that the whole can be cut anywhere.

A population is a single peak. Along any direction the cells of a single peak are nowhere fewer than at both ends of a
stretch; two clusters are therefore separated where significantly fewer cells lie between their medians than at either.
That needs no model of the counts, no draws, and holds for any shape of the peak, gradients and depth included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

from scgnn2_engine.clusters.communities import Labels, by_size
from scgnn2_engine.data.dataset import Floats, Ints

ALPHA = 0.05
"""Level at which two clusters count as separated."""

N_WINDOWS = 5
"""Windows from the one median to the other, both included: three in which fewer cells may lie."""

FEWEST_CELLS = 8
"""Cells below which a cluster could hardly ever be separated: it is a piece of the nearest from the start."""

MOST_CELLS = 1000
"""Cells of a cluster that are looked at; more are taken evenly."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClusterTree:
    """Clusters, and how they merge.

    Attributes
    ----------
    leaves
        (n_obs,) int32 pieces, numbered from 0.
    merges
        (n_leaves − 1, 2) int64 pieces that merge, in order; the first of them names the merged one.
    costs
        (n_leaves − 1,) how far the two are apart: difference of their means over the standard deviation within them,
        along the direction that tells them apart.
    n_separated
        How many clusters are left when every pair is separated.
    n_finer
        How many there are when pieces are merged only as long as those of one cluster are not all separated.
    """

    leaves: Labels
    merges: npt.NDArray[np.int64]
    costs: Doubles
    n_separated: int
    n_finer: int = 0

    @property
    def n_leaves(self) -> int:
        """Number of pieces, the most clusters that there can be."""
        return len(self.merges) + 1

    def cut(self, n_clusters: int = 0) -> Labels:
        """(n_obs,) clusters, numbered by falling size.

        Parameters
        ----------
        n_clusters
            How many, from 1 to the number of pieces (more give all pieces); 0: as many as are separated.
        """
        wanted = min(n_clusters or self.n_separated, self.n_leaves)
        name = np.arange(self.n_leaves)
        for kept, gone in self.merges[: self.n_leaves - wanted]:
            name[name == gone] = kept
        return by_size(name[self.leaves])

    def merges_left(self, n_clusters: int = 0) -> list[tuple[str, str, float]]:
        """Which clusters of a cut merge, and what that costs, the cheapest first; a merged one is "0 + 3".

        Examples
        --------
        >>> points = np.array([0.0, 3.0, 9.0])[[0] * 20 + [1] * 20 + [2] * 20, None]
        >>> tree = cluster_tree(points + np.random.default_rng(0).normal(0, 0.2, (60, 1)), np.repeat([0, 1, 2], 20))
        >>> [pair[:2] for pair in tree.merges_left(3)]
        [('0 + 1', '2'), ('0', '1')]
        """
        labels = self.cut(n_clusters)
        first = len(self.merges) - int(labels.max())
        name = {leaf: str(labels[np.argmax(self.leaves == leaf)]) for leaf in range(self.n_leaves)}
        found = []
        for (kept, gone), cost in zip(self.merges[first:], self.costs[first:], strict=True):
            found.append((name[int(kept)], name[int(gone)], float(cost)))
            name[int(kept)] += f" + {name[int(gone)]}"
        return sorted(found, key=lambda pair: pair[2])


def cluster_tree(points: Floats, labels: Ints, pieces: Ints | None = None, *, seed: int = 0) -> ClusterTree:
    """The tree of some clusters.

    Parameters
    ----------
    points
        (n_obs, d) coordinates of the cells, principal components say.
    labels
        (n_obs,) clusters, rather finer than populations.
    pieces
        (n_obs,) finer ones, which divide each cluster further; None: none do.
    seed
        Of the halves of the cells between which directions are tried out.

    Notes
    -----
    Tests of clusters against one population: Liu et al. 2008 (SigClust), Grabski et al. 2023 (sc-SHC), Sant et al. 2025
    (CHOIR); a peak against a valley: Hartigan & Hartigan 1985, here by counts in windows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> points = np.vstack([rng.normal(0, 1, (200, 2)), rng.normal(9, 1, (100, 2))])
    >>> pieces = np.repeat([0, 1, 2], 100)
    >>> tree = cluster_tree(points, pieces)
    >>> np.bincount(tree.cut()).tolist(), np.bincount(tree.cut(3)).tolist()
    ([200, 100], [100, 100, 100])
    >>> tree = cluster_tree(points, pieces > 1, pieces)
    >>> tree.n_separated, tree.n_finer, tree.n_leaves
    (2, 2, 3)
    """
    coordinates: Doubles = np.asarray(points, np.float64)
    clusters = _without_crumbs(coordinates, by_size(labels))
    upper = _merged(coordinates, clusters, seed)
    if pieces is None:
        return upper
    lower, leaves, first = [], np.empty_like(clusters), [0]
    for cluster in range(upper.n_leaves):
        cells = clusters == cluster
        inside = coordinates[cells]
        own = _merged(inside, _without_crumbs(inside, by_size(pieces[cells])), seed)
        leaves[cells] = own.leaves + first[-1]
        lower.append(own)
        first.append(first[-1] + own.n_leaves)
    steps = [  # of one cluster in their order, those of all by cost; pieces of one population first
        (step >= own.n_leaves - own.n_separated, own.costs[: step + 1].max(), number, step)
        for number, own in enumerate(lower)
        for step in range(len(own.costs))
    ]
    steps.sort()
    merges = [lower[number].merges[step] + first[number] for *_, number, step in steps]
    costs = [lower[number].costs[step] for *_, number, step in steps]
    merges += list(np.asarray(first)[upper.merges])  # a cluster is named by its first piece
    return ClusterTree(
        leaves,
        np.asarray(merges, np.int64).reshape(-1, 2),
        np.concatenate([costs, upper.costs]),
        upper.n_separated,
        sum(own.n_separated for own in lower),
    )


def _merged(points: Doubles, leaves: Labels, seed: int) -> ClusterTree:
    """Of the pairs that one population could have been cut into the nearest first, then of all that are left."""
    p, cost = pair_tests(points, leaves, seed=seed)
    rng = np.random.default_rng([seed, 1])
    current, alive = leaves.astype(np.int64), list(range(len(p)))
    merges, costs, n_separated = [], [], 0
    while len(alive) > 1:
        grid = np.ix_(alive, alive)
        candidates = cost[grid] if n_separated else np.where(p[grid] > ALPHA, cost[grid], np.inf)
        np.fill_diagonal(candidates, np.inf)
        if not np.isfinite(candidates).any():
            n_separated = len(alive)
            continue
        a, b = np.unravel_index(int(np.argmin(candidates)), candidates.shape)
        kept, gone = sorted((alive[int(a)], alive[int(b)]))
        merges.append((kept, gone))
        costs.append(float(cost[kept, gone]))
        current[current == gone] = kept
        alive.remove(gone)
        for other in alive:
            if other != kept:
                tested = separation(_some(points[current == kept]), _some(points[current == other]), rng)
                p[kept, other], cost[kept, other] = p[other, kept], cost[other, kept] = tested
    pairs = np.asarray(merges, np.int64).reshape(-1, 2)
    return ClusterTree(leaves, pairs, np.asarray(costs), n_separated or 1, n_separated or 1)


def pair_tests(points: Floats, labels: Ints, *, seed: int = 0) -> tuple[Doubles, Doubles]:
    """:func:`separation` of every pair of clusters.

    Parameters
    ----------
    points, labels, seed
        As of :func:`cluster_tree`.

    Returns
    -------
    p, cost
        (n_clusters, n_clusters) each, symmetric; on the diagonal 1 and 0.
    """
    rng = np.random.default_rng(seed)
    cells = [_some(np.asarray(points[labels == cluster], np.float64)) for cluster in range(int(labels.max()) + 1)]
    p, cost = np.ones((len(cells), len(cells))), np.zeros((len(cells), len(cells)))
    for one in range(len(cells)):
        for two in range(one):
            p[one, two], cost[one, two] = p[two, one], cost[two, one] = separation(cells[one], cells[two], rng)
    return p, cost


def separation(first: Doubles, second: Doubles, rng: np.random.Generator) -> tuple[float, float]:
    """Whether two clusters are two populations, and how far they are apart.

    Parameters
    ----------
    first, second
        (n, d), (m, d) coordinates of their cells.
    rng
        Of the halves: the direction that tells the clusters apart is found in one half of the cells, and the other half
        is looked at along it; then the other way round.

    Returns
    -------
    p, cost
        With v cells in a window between the medians and e in the equally wide window at one of them, a single peak has
        v ≥ e at one end at least, so P(Binomial(v + e, ½) ≤ v), the larger of both ends, times the windows tried. The
        cost is Fisher's: difference of the means over the standard deviation within.

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> line = np.sort(draw.normal(size=(400, 1)), axis=0)
    >>> separation(line[:200], line[200:], draw)[0]
    1.0
    >>> separation(line, line + 6, draw)[0] < 1e-9
    True
    """
    counts, costs = np.zeros(N_WINDOWS, np.int64), []
    halves = [rng.permutation(len(cells)) % 2 for cells in (first, second)]
    for half in (0, 1):
        one, two = first[halves[0] != half], second[halves[1] != half]
        direction = _discriminant(one, two)
        start, end = np.median(one @ direction), np.median(two @ direction)
        seen = [first[halves[0] == half] @ direction, second[halves[1] == half] @ direction]
        if end <= start or min(map(len, seen)) == 0:
            return 1.0, 0.0
        window = np.floor((np.concatenate(seen) - start) / (end - start) * (N_WINDOWS - 1) + 0.5)
        inside = window[(window >= 0) & (window < N_WINDOWS)].astype(np.int64)
        counts += np.bincount(inside, minlength=N_WINDOWS)
        spread = np.sqrt(np.average([part.var() for part in seen], weights=[len(part) for part in seen]))
        costs.append((seen[1].mean() - seen[0].mean()) / max(spread, 1e-12))
    between = counts[1:-1]
    single_peak = np.maximum(*(bdtr(between, between + end, 0.5) for end in (counts[0], counts[-1])))
    return min(1.0, float(single_peak.min()) * len(between)), float(np.mean(costs))


def _discriminant(first: Doubles, second: Doubles) -> Doubles:
    """Fisher's direction from the first to the second, the covariance shrunk the more the fewer the cells."""
    d, n = first.shape[1], len(first) + len(second)
    means = first.mean(axis=0), second.mean(axis=0)
    within = [cells - mean for cells, mean in zip((first, second), means, strict=True)]
    covariance = sum(part.T @ part for part in within) / max(n - 2, 1)
    share = min(1.0, d / n)
    level = max(float(np.trace(covariance)) / d, 1e-12)
    shrunk = (1 - share) * covariance + (share + 1e-9) * level * np.eye(d)
    return np.asarray(np.linalg.solve(shrunk, means[1] - means[0]))


def _some(cells: Doubles) -> Doubles:
    return cells if len(cells) <= MOST_CELLS else cells[np.linspace(0, len(cells) - 1, MOST_CELLS).astype(np.int64)]


def _without_crumbs(points: Doubles, labels: Labels) -> Labels:
    """The clusters, those of too few cells added to the ones whose centres are nearest."""
    sizes = np.bincount(labels)
    large = np.flatnonzero(sizes >= FEWEST_CELLS)
    if len(large) in (0, len(sizes)):
        return labels if len(large) else np.zeros_like(labels)
    centres = np.stack([points[labels == cluster].mean(axis=0) for cluster in range(len(sizes))])
    apart = np.square(centres[:, None] - centres[large]).sum(axis=2)
    return by_size(large[apart.argmin(axis=1)][labels])

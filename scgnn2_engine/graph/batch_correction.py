"""Batches brought together by the cells that are each other's nearest neighbours across them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.batches import Batches
from scgnn2_engine.data.dataset import Floats, Ints

MUTUAL = 20
"""Nearest cells of the other batch among which two cells have to find each other (as in fastMNN), ..."""

MUTUAL_SHARE = 0.1
"""... but no more than this share of the smaller batch, and at least 3: of a type there may be few."""

SMOOTHED = 3
"""Times as many pairs as neighbours, over which the shift of a cell is a mean: one pair is as noisy as its cells."""

ROUNDS = 2
"""Once, and again: the first pairs are the cells that face each other, which are too near by the width of a type."""

LEAST_CELLS = 10
"""Cells below which a batch is left as it is: too few to say what sets it apart."""

LEAST_CONCORDANCE = 0.45
"""Correlation, over mutual neighbours, of where they lie in their own batches: below, the batches share no types."""

LARGEST_SHIFT = 10.0
"""Squared shift over the variance of the cells that are paired: above, all may be one type, and the shift another."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Corrected:
    """Coordinates in which batches lie on each other.

    Attributes
    ----------
    points
        (n_obs, d) float32.
    apart
        Names of batches that have no type in common with the others, as far as can be told: they stay where they were.
    """

    points: npt.NDArray[np.float32]
    apart: tuple[str, ...] = ()


def correct_batches(points: Floats, batches: Batches) -> Corrected:
    """Move the cells of each batch onto those of the batches before it, the largest first.

    Two cells of different batches that are among each other's 20 nearest are taken for cells of one type, and what lies
    between them for what the batch does. A cell moves by the mean of the nearest such differences, weighed by distance,
    so that a type which one batch alone has moves along with its neighbours and stays a type. Where the paired cells
    vary together in both batches, the difference is the batch's; where they do not, or where they hardly vary beside
    it, it may be that of two types, and the batch stays where it is.

    Parameters
    ----------
    points
        (n_obs, d) coordinates, such as principal components.
    batches
        Which batch each cell is of; fewer than 10 cells stay where they are.

    Notes
    -----
    Mutual nearest neighbours: Haghverdi et al. 2018. Nothing is drawn at random.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> types = np.arange(200) % 2
    >>> batches = Batches.of(np.repeat(["a", "b"], 100))
    >>> points = 10.0 * np.eye(3)[types] + rng.normal(size=(200, 3)) + 5 * batches.codes[:, None] * np.eye(3)[2]
    >>> found = correct_batches(points, batches).points
    >>> bool(np.linalg.norm(found[:100].mean(axis=0) - found[100:].mean(axis=0)) < 2)
    True
    """
    corrected = np.array(points, dtype=np.float64)
    sizes = batches.sizes
    order = [int(batch) for batch in np.argsort(-sizes, kind="stable") if sizes[batch] >= LEAST_CELLS]
    apart: list[str] = []
    together = np.flatnonzero(batches.codes == order[0]) if order else np.empty(0, np.int64)
    for batch in order[1:]:
        cells = np.flatnonzero(batches.codes == batch)
        k = int(np.clip(MUTUAL_SHARE * min(len(cells), len(together)), 3, MUTUAL))
        for number in range(ROUNDS):
            pairs = mutual_neighbours(corrected[cells], corrected[together], k)
            mine, others = corrected[cells[pairs[:, 0]]], corrected[together[pairs[:, 1]]]
            if number == 0 and not same_types(mine, others):
                apart.append(str(batches.names[batch]))
                break
            corrected[cells] += _smoothed_shift(corrected[cells], pairs[:, 0], others - mine, SMOOTHED * k)
        else:
            together = np.concatenate([together, cells])
    return Corrected(corrected.astype(np.float32), tuple(apart))


def mutual_neighbours(one: Floats, other: Floats, k: int = MUTUAL) -> Ints:
    """(n_pairs, 2) positions of points that are among each other's k nearest.

    Examples
    --------
    >>> mutual_neighbours(np.array([[0.0], [9.0]]), np.array([[1.0], [2.0]]), k=1).tolist()
    [[0, 0]]
    """
    forth, back = _nearest(one, other, k)[1], _nearest(other, one, k)[1]
    from_one = np.repeat(np.arange(len(one)), forth.shape[1]) * len(other) + forth.reshape(-1)
    from_other = back.reshape(-1) * len(other) + np.repeat(np.arange(len(other)), back.shape[1])
    found = np.intersect1d(from_one, from_other)
    return np.column_stack([found // len(other), found % len(other)])


def same_types(mine: Doubles, others: Doubles) -> bool:
    """Whether paired cells (n_pairs, d) may be taken for the same types: they vary, and vary together."""
    if len(mine) < 2:
        return False
    shift = others.mean(axis=0) - mine.mean(axis=0)
    mine, others = mine - mine.mean(axis=0), others - others.mean(axis=0)
    own, theirs = np.square(mine).sum(), np.square(others).sum()
    concordance = float((mine * others).sum() / np.sqrt(max(own * theirs, np.finfo(float).tiny)))
    spread = float(min(own, theirs)) / len(mine)
    return concordance >= LEAST_CONCORDANCE and float(shift @ shift) <= LARGEST_SHIFT * spread


def _smoothed_shift(points: Doubles, paired: Ints, differences: Doubles, k: int) -> Doubles:
    """(n, d) shift of each point: the mean of those of the paired points nearest to it, in a Gaussian kernel."""
    known, place = np.unique(paired, return_inverse=True)
    shifts = np.zeros((len(known), points.shape[1]))
    np.add.at(shifts, place, differences)
    shifts /= np.bincount(place)[:, None]
    distances, nearest = _nearest(points, points[known], k)
    width = np.maximum(distances[:, -1:] / 2, np.finfo(float).tiny)  # the farthest of them weighs e⁻⁴
    weights = np.exp(-np.square(distances / width))
    weights /= weights.sum(axis=1, keepdims=True)
    smoothed: Doubles = np.einsum("nk,nkd->nd", weights, shifts[nearest])
    return smoothed


def _nearest(points: Floats, among: Floats, k: int) -> tuple[Doubles, Ints]:
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=min(k, len(among)), algorithm="brute").fit(among)
    distances, found = index.kneighbors(points)
    return distances, found

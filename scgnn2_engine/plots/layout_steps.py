"""The compiled steps of the UMAP layout; importing this module loads numba."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import float32, int64, uint64

from scgnn2_engine.training.compiling import compiled

A, B = 1.5769434, 0.8950608
"""1 / (1 + a d^2b) falls off nearest to what ``min_dist`` 0.1 and ``spread`` 1 ask for (least squares)."""

NEGATIVES = 5
"""Cells pushed away for each that is pulled."""

FARTHEST = 4.0
"""Largest coordinate of a step before it is multiplied by the learning rate."""


@compiled
def _epoch(positions, starts, ends, every, due, due_apart, rate, epoch, state):  # type: ignore[no-untyped-def]
    """Every edge that is due draws its ends together and pushes random cells away from its first."""
    a, b, farthest = float32(A), float32(B), float32(FARTHEST)
    n_obs = uint64(len(positions))
    for cell in range(len(positions)):
        for edge in range(starts[cell], starts[cell + 1]):
            if due[edge] > epoch:
                continue
            other = ends[edge]
            x = positions[cell, 0] - positions[other, 0]
            y = positions[cell, 1] - positions[other, 1]
            square = x * x + y * y
            if square > 0:
                power = square**b
                pull = float32(-2) * a * b * power / (square * (a * power + float32(1)))
                step_x = rate * min(max(pull * x, -farthest), farthest)
                step_y = rate * min(max(pull * y, -farthest), farthest)
                positions[cell, 0] += step_x
                positions[cell, 1] += step_y
                positions[other, 0] -= step_x
                positions[other, 1] -= step_y
            due[edge] += every[edge]
            n_apart = int64((epoch - due_apart[edge]) * float32(NEGATIVES) / every[edge])
            for _ in range(n_apart):
                state ^= state << uint64(13)  # xorshift64 (Marsaglia 2003)
                state ^= state >> uint64(7)
                state ^= state << uint64(17)
                away = int64((state >> uint64(32)) % n_obs)
                x = positions[cell, 0] - positions[away, 0]
                y = positions[cell, 1] - positions[away, 1]
                square = x * x + y * y
                if square > 0:
                    push = float32(2) * b / ((float32(0.001) + square) * (a * square**b + float32(1)))
                    positions[cell, 0] += rate * min(max(push * x, -farthest), farthest)
                    positions[cell, 1] += rate * min(max(push * y, -farthest), farthest)
            due_apart[edge] += n_apart * every[edge] / float32(NEGATIVES)
    return state


def lay_out(
    positions: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int32],
    ends: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float32],
    *,
    n_epochs: int,
    seed: int,
) -> None:
    """Move cells, in place, until similar ones are near each other.

    Parameters
    ----------
    positions
        (n_obs, 2) where they start.
    starts, ends, weights
        (n_obs + 1,), (n_edges,), (n_edges,) similarities in rows, as of a CSR matrix; both directions of each edge.
    n_epochs
        Passes; the strongest edges act in each, the others in proportion to their weights.
    seed
        Of the cells that are pushed away.

    Examples
    --------
    >>> positions = np.array([[0, 0], [9, 0]], np.float32)
    >>> lay_out(positions, np.array([0, 1, 2], np.int32), np.array([1, 0], np.int32), np.ones(2, np.float32),
    ...     n_epochs=50, seed=0)
    >>> float(np.ptp(positions[:, 0])) < 2
    True
    """
    every = np.asarray(weights.max() / weights, dtype=np.float32)
    due, due_apart = every.copy(), every / np.float32(NEGATIVES)
    state = np.uint64(np.random.default_rng(seed).integers(1, 2**63))
    for epoch in range(n_epochs):
        rate = np.float32(1 - epoch / n_epochs)
        state = np.uint64(_epoch(positions, starts, ends, every, due, due_apart, rate, np.float32(epoch), state))

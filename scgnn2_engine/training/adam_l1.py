"""Adam with an L1 penalty in one pass over the weights, compiled.

A step of a cluster autoencoder is bound by memory: with few cells, two million weights are read and written for little
arithmetic. Here each weight is read once for its share of the penalty, the penalty's (sub)gradient and its update, in
place, where separate torch operations pass over the weights four times more and allocate an array of their size.
Importing this module loads numba; :mod:`scgnn2_engine.training.optimiser` does it when a penalty is asked for.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import float32

from scgnn2_engine.training.compiling import compiled

BLOCK = 4096
"""Weights summed in float32 before they are added to the float64 total; a multiple of 8."""


@compiled
def _sum_of_sizes(weights):  # type: ignore[no-untyped-def]
    """Eight sums side by side: strict order within each, and still several additions at a time."""
    a = b = c = d = e = f = g = h = float32(0)
    whole = weights.size // 8 * 8
    for i in range(0, whole, 8):
        a += abs(weights[i])
        b += abs(weights[i + 1])
        c += abs(weights[i + 2])
        d += abs(weights[i + 3])
        e += abs(weights[i + 4])
        f += abs(weights[i + 5])
        g += abs(weights[i + 6])
        h += abs(weights[i + 7])
    for i in range(whole, weights.size):
        a += abs(weights[i])
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@compiled
def _update_block(weights, gradient, mean, square, rate, root_scale, l1_weight):  # type: ignore[no-untyped-def]
    for i in range(weights.size):
        weight = weights[i]
        slope = gradient[i] + (l1_weight if weight > 0 else (-l1_weight if weight < 0 else float32(0)))
        first = float32(0.9) * mean[i] + float32(0.1) * slope
        second = float32(0.999) * square[i] + float32(0.001) * slope * slope
        mean[i] = first
        square[i] = second
        weights[i] = weight - rate * first / (math.sqrt(second) * root_scale + float32(1e-8))


@compiled
def _update(weights, gradient, mean, square, rate, root_scale, l1_weight):  # type: ignore[no-untyped-def]
    penalty = 0.0
    for start in range(0, weights.size, BLOCK):
        end = min(start + BLOCK, weights.size)
        penalty += _sum_of_sizes(weights[start:end])
        _update_block(
            weights[start:end], gradient[start:end], mean[start:end], square[start:end], rate, root_scale, l1_weight
        )
    return penalty


def update(
    weights: npt.NDArray[np.float32],
    gradient: npt.NDArray[np.float32],
    mean: npt.NDArray[np.float32],
    square: npt.NDArray[np.float32],
    *,
    step: int,
    learning_rate: float,
    l1_weight: float,
) -> float:
    """Step number ``step`` (from 1) of Adam on ``loss + l1_weight · Σ|weights|``.

    Parameters
    ----------
    weights, mean, square
        (n,) the weights and Adam's running means of gradient and squared gradient; updated in place.
    gradient
        (n,) of the loss without the penalty.

    Returns
    -------
    float
        Σ|weights| before the step. Its subgradient at 0 is taken to be 0, as torch does.

    Examples
    --------
    >>> import numpy as np
    >>> weights, mean, square = np.float32([2, -1, 0]), np.zeros(3, np.float32), np.zeros(3, np.float32)
    >>> update(weights, np.zeros(3, np.float32), mean, square, step=1, learning_rate=0.5, l1_weight=1.0)
    3.0
    >>> weights.round(4).tolist()
    [1.5, -0.5, 0.0]
    """
    penalty: float = _update(
        weights,
        gradient,
        mean,
        square,
        np.float32(learning_rate / (1 - 0.9**step)),
        np.float32(1 / math.sqrt(1 - 0.999**step)),
        np.float32(l1_weight),
    )
    return penalty

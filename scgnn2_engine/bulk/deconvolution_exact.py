"""The published deconvolution problems for weights, profiles and scaling, solved exactly (they are convex).

Every solver is a generator: it yields the loss of the best solution so far after every step and returns that solution.
The one for the cells stands in :mod:`scgnn2_engine.bulk.deconvolution_exact_cells`. All in float64.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

Vector = npt.NDArray[np.float64]
Solving = Generator[float, None, Vector]

CLOSER = 1e-4
"""What the tolerance is multiplied with here: a step costs milliseconds, so they end where rounding begins."""

SMALLEST = 1e-12
"""Norms below this share of the data's are taken as this share: the weights of a reweighted step stay finite."""

HALF_WIDTH = 40.0
"""The search for the scaling spans e^−40 … e^40 times the scale of its data."""

SECTIONS = 10
"""Parts that a step of that search divides its bracket into; two of them remain."""


@dataclass(frozen=True)
class Stopping:
    """When a solver ends.

    Attributes
    ----------
    steps
        Largest number of steps.
    tolerance
        Relative change of the loss below which it has converged.
    epsilon
        Loss below which it ends at once.

    Examples
    --------
    >>> Stopping(tolerance=0.1).met([5.0, 1.05, 1.0, 1.0]), Stopping(tolerance=0.1).met([5.0, 1.2, 1.0])
    (True, False)
    """

    steps: int = 500
    tolerance: float = 1e-6
    epsilon: float = 0.0

    def met(self, losses: Sequence[float], share: float = 1.0) -> bool:
        """Whether the last two changes were small, or the loss is; ``share`` is a factor of the tolerance."""
        return losses[-1] < self.epsilon or settled(losses, 2, share * self.tolerance)


def settled(losses: Sequence[float], steps: int, tolerance: float) -> bool:
    """Whether the loss stayed, over its last ``steps`` changes, within ``tolerance`` times itself.

    Examples
    --------
    >>> settled([3.0, 2.0, 2.0], 1, 1e-6), settled([3.0, 2.0, 2.0], 2, 1e-6), settled([2.0], 1, 1e-6)
    (True, False, False)
    """
    last = losses[-steps - 1 :]
    return len(last) > steps and max(last) - min(last) <= tolerance * abs(last[-1])


def solve_weights(
    bulk: Vector, means: Vector, proportions: Vector, strength: float, stopping: Stopping | None = None
) -> Solving:
    """Minimise ‖b − M w‖ + η ‖w − w₀‖ over w ≥ 0.

    Iteratively reweighted least squares: each norm is majorised by the square that touches it (‖r‖ ≤ ‖r‖² / 2ρ + ρ / 2
    with equality at ρ = ‖r‖), and what is left is a non-negative least squares problem, solved exactly. It is posed on
    the triangular factor of [M b], so a step costs O(k³) whatever the number of genes. The two points where a norm
    cannot be differentiated, w₀ and the least squares solution, are compared with at the start.

    Ends when the loss changes by less than ``CLOSER`` times the tolerance, relatively, in two steps.

    Parameters
    ----------
    bulk, means, proportions, strength
        b (g,), M (g, k) ≥ 0, w₀ (k,) ≥ 0 and η ≥ 0.
    stopping
        Bounds; None: the defaults.

    Returns
    -------
    (k,) the weights; the loss is yielded after every step.

    Notes
    -----
    Majorising a sum of norms: Weiszfeld, Tôhoku Math. J. 1937; Lange, Hunter and Yang, J. Comput. Graph. Stat. 2000.
    Non-negative least squares: Lawson and Hanson, Solving Least Squares Problems, 1974.

    Examples
    --------
    >>> solving = solve_weights(np.array([3.0, 4.0]), np.eye(2), np.zeros(2), 0.5)
    >>> [round(loss, 6) for loss in solving][-1]
    2.5
    """
    stopping = stopping or Stopping()
    k = means.shape[1]
    triangle = np.asarray(np.linalg.qr(np.column_stack([means, bulk]), mode="r"))
    design, target = triangle[:, :k], triangle[:, k]

    def loss_at(weights: Vector) -> float:
        return _norm(target - design @ weights) + strength * _norm(weights - proportions)

    fitted = _non_negative(design, target)
    best = min(fitted, proportions, key=loss_at)
    if not np.isfinite(loss_at(best)):
        yield loss_at(best)
        return best
    weights = (fitted + proportions) / 2
    least_fit = _floor(target, design @ proportions)
    least_pull = _floor(proportions, fitted)
    losses: list[float] = []
    for _ in range(stopping.steps):
        fit = max(_norm(target - design @ weights), least_fit)
        pull = max(_norm(weights - proportions), least_pull)
        # Both sides times the first norm: its rows keep their scale.
        ridge = np.sqrt(strength * fit / pull)
        rows = np.vstack([design, ridge * np.eye(k)])
        weights = _non_negative(rows, np.concatenate([target, ridge * proportions]))
        losses.append(loss_at(weights))
        best = min(best, weights, key=loss_at)
        yield loss_at(best)
        if stopping.met(losses, CLOSER):
            break
    return best


def solve_profiles(
    bulk: Vector, weights: Vector, means: Vector, strength: float, stopping: Stopping | None = None
) -> Solving:
    """Minimise ‖b − P w‖ + η Σ_c ‖P_c − M_c‖ over P ≥ 0.

    Iteratively reweighted least squares, as for the weights. With the norms fixed every gene is a problem of its own in
    k variables, whose solution lies on one line, P_c = max(0, M_c + ν w_c / d_c): ν is where a falling and a piecewise
    linear rising function meet, found exactly by sorting the k places where a P_c becomes 0. A step costs O(g k log k).

    Ends when the loss changes by less than ``CLOSER`` times the tolerance, relatively, in two steps.

    Parameters
    ----------
    bulk, weights, means, strength
        b (g,), w (k,) ≥ 0, M (g, k) ≥ 0 and η ≥ 0.
    stopping
        Bounds; None: the defaults.

    Returns
    -------
    (g, k) the profiles; the loss is yielded after every step.

    Notes
    -----
    Breakpoints of a separable problem with one coupling: Held, Wolfe and Crowder, Math. Program. 1974.

    Examples
    --------
    >>> solving = solve_profiles(np.array([4.0, 1.0]), np.array([1.0]), np.array([[1.0], [1.0]]), 0.5)
    >>> [round(loss, 6) for loss in solving][-1]
    1.5
    """
    stopping = stopping or Stopping()

    def loss_at(profiles: Vector) -> float:
        return _norm(bulk - profiles @ weights) + strength * float(np.linalg.norm(profiles - means, axis=0).sum())

    projected = _nearest_profiles(bulk, weights, means, 1.0, np.full(len(weights), 1e-6))
    best = min(means, projected, key=loss_at)
    profiles = (projected + means) / 2
    least_fit = _floor(bulk, means @ weights)
    least_pull = _floor(means, projected)
    losses: list[float] = []
    for _ in range(stopping.steps):
        fit = max(_norm(bulk - profiles @ weights), least_fit)
        pulls = np.maximum(np.linalg.norm(profiles - means, axis=0), least_pull)
        # A strength of exactly 0 would leave a gene with several clusters undecided.
        profiles = _nearest_profiles(bulk, weights, means, 1 / fit, max(strength, SMALLEST) / pulls)
        losses.append(loss_at(profiles))
        best = min(best, profiles, key=loss_at)
        yield loss_at(best)
        if stopping.met(losses, CLOSER):
            break
    return best


def solve_scaling(bulk: Vector, mixture: Vector, stopping: Stopping | None = None) -> Solving:
    """Minimise ‖b − s ⊙ m‖ + ‖s − 1‖ over s ≥ 1.

    The minimum is one of the points that minimise t ‖b − s ⊙ m‖² + ‖s − 1‖² for some t > 0, and these are known gene by
    gene: s(t) = max(1, (t m b + 1) / (t m² + 1)). Along them the two norms trade off along a convex curve, so their sum
    has one minimum in t, bracketed in ln t by ten sections a step. Both ends of the curve, s = 1 and the best fit, are
    compared with.

    Ends when the loss at both ends of the bracket is within ``CLOSER`` times the tolerance of the best, relatively.

    Parameters
    ----------
    bulk, mixture
        b and m (g,), both ≥ 0.
    stopping
        Bounds; None: the defaults.

    Returns
    -------
    (g,) the scaling; the loss is yielded after every step.

    Notes
    -----
    Weighted sums of squares reach every trade-off of two convex functions: Boyd and Vandenberghe, Convex Optimization,
    2004, section 4.7.

    Examples
    --------
    >>> solving = solve_scaling(np.array([6.0, 1.0]), np.array([2.0, 1.0]))
    >>> [round(loss, 6) for loss in solving][-1]
    2.0
    """
    stopping = stopping or Stopping()
    top = float(mixture.max())

    def scaling_at(log_trade: float) -> Vector:
        share = mixture / top
        trade = np.exp(log_trade)
        scaling: Vector = np.maximum(1.0, (trade * share * (bulk / top) + 1) / (trade * share * share + 1))
        return scaling

    def loss_at(scaling: Vector) -> float:
        return _norm(bulk - scaling * mixture) + _norm(scaling - 1)

    best = np.ones_like(bulk)
    if top == 0:
        yield loss_at(best)
        return best
    with np.errstate(over="ignore"):
        fit = np.maximum(1.0, np.divide(bulk, mixture, out=np.ones_like(bulk), where=mixture > 0))
    if np.isfinite(fit).all():
        best = min(best, fit, key=loss_at)
    low, high = -HALF_WIDTH, HALF_WIDTH
    for _ in range(stopping.steps):
        places = np.linspace(low, high, SECTIONS + 1)
        losses = [loss_at(scaling_at(place)) for place in places]
        at = int(np.argmin(losses))
        low, high = places[max(at - 1, 0)], places[min(at + 1, SECTIONS)]
        best = min(best, scaling_at(places[at]), key=loss_at)
        found = loss_at(best)
        yield found
        ends = max(losses[max(at - 1, 0)], losses[min(at + 1, SECTIONS)])
        if found < stopping.epsilon or ends - losses[at] <= CLOSER * stopping.tolerance * losses[at]:
            break
    return best


def _nearest_profiles(bulk: Vector, weights: Vector, means: Vector, fit: float, pulls: Vector) -> Vector:
    """For every gene the p ≥ 0 (k,) that minimises fit · (b − p · w)² + Σ_c pulls_c (p_c − m_c)², exactly."""
    moves = weights / pulls  # p_c = max(0, m_c + nu * moves_c)
    if not moves.any():
        return means.copy()
    nu = fit * (bulk - means @ weights) / (1 + fit * (weights @ moves))
    # m >= 0, so only a gene that is to be lowered can meet the bound.
    lowered = np.flatnonzero(nu < 0)
    low, target = means[lowered], bulk[lowered, None]
    zero_at = np.divide(-low, moves, out=np.full_like(low, -np.inf), where=moves > 0)
    order = np.argsort(-zero_at, axis=1)
    zero_at = np.take_along_axis(zero_at, order, axis=1)
    start = np.zeros((len(lowered), 1))
    # Column j: the j clusters that reach 0 first stand there.
    removed = np.take_along_axis(low * weights, order, axis=1).cumsum(axis=1)
    mixed = (low @ weights)[:, None] - np.hstack([start, removed])
    slope = weights @ moves - np.hstack([start, (weights * moves)[order].cumsum(axis=1)])
    candidates = fit * (target - mixed) / (1 + fit * np.maximum(slope, 0))
    above = np.hstack([candidates[:, :-1] >= zero_at, np.ones((len(lowered), 1), dtype=bool)])
    nu[lowered] = candidates[np.arange(len(lowered)), np.argmax(above, axis=1)]
    nearest: Vector = np.maximum(means + nu[:, None] * moves, 0)
    return nearest


def _non_negative(design: Vector, target: Vector) -> Vector:
    solution: Vector = nnls(design, target, maxiter=100 * (design.shape[1] + 1))[0]
    return solution


def _norm(values: npt.NDArray[Any]) -> float:
    with np.errstate(over="ignore"):  # an infinite loss is reported
        return float(np.linalg.norm(values))


def _floor(*of: npt.NDArray[Any]) -> float:
    """The smallest norm told from 0 beside these."""
    return max(SMALLEST * max(_norm(values) for values in of), np.finfo(np.float64).tiny)

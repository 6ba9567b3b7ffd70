"""The four objectives of the bulk deconvolution, each with its gradient in closed form.

All are sums of plain (unsquared) norms (Gu et al., Bioinformatics 2022). Such a norm has no gradient where it is 0;
there the gradient is taken as 0, which is one of its subgradients, so no step ever divides by zero. The gradients are
written out, rather than left to autograd, because they need no memory beyond the gradient itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

ROWS_AT_ONCE = 2048
"""Rows converted to float64 at a time for a Gram matrix."""


class Objective(ABC):
    """What one optimisation minimises."""

    @abstractmethod
    def gradient(self, value: Tensor, out: Tensor) -> float:
        """Write the gradient at ``value`` into ``out`` (same shape) and return the loss."""

    def value(self, value: Tensor) -> float:
        """The loss at ``value``."""
        return self.gradient(value, torch.empty_like(value))


@dataclass(frozen=True)
class WeightObjective(Objective):
    """‖b − M w‖ + η ‖w − w₀‖ over the weights w (k,).

    Attributes
    ----------
    bulk
        b (g,).
    means
        M (g, k) mean profile of every cluster.
    proportions
        w₀ (k,) share of the cells in every cluster.
    strength
        η.

    Examples
    --------
    >>> b, means = torch.tensor([3.0, 4.0]), torch.eye(2)
    >>> objective = WeightObjective(b, means, torch.zeros(2), 0.5)
    >>> objective.value(torch.zeros(2)), objective.value(b)
    (5.0, 2.5)
    """

    bulk: Tensor
    means: Tensor
    proportions: Tensor
    strength: float

    def gradient(self, value: Tensor, out: Tensor) -> float:
        """Loss and gradient at w."""
        fit, fit_norm = _direction(self.means @ value - self.bulk)
        pull, pull_norm = _direction(value - self.proportions)
        out.copy_(self.means.T @ fit + self.strength * pull)
        return float(fit_norm + self.strength * pull_norm)


@dataclass(frozen=True)
class ProfileObjective(Objective):
    """‖b − P w‖ + η Σ_c ‖P_c − mean_c‖ over the cluster profiles P (g, k).

    Attributes
    ----------
    bulk, weights, means
        b (g,), w (k,), cluster means (g, k).
    strength
        η.
    """

    bulk: Tensor
    weights: Tensor
    means: Tensor
    strength: float

    def gradient(self, value: Tensor, out: Tensor) -> float:
        """Loss and gradient at P."""
        fit, fit_norm = _direction(value @ self.weights - self.bulk)
        pull = value - self.means
        pull_norms = pull.norm(dim=0)
        torch.outer(fit, self.weights, out=out)
        out.addcmul_(pull, _inverse(pull_norms).expand_as(pull), value=self.strength)
        return float(fit_norm + self.strength * pull_norms.sum())


@dataclass(frozen=True)
class CellObjective(Objective):
    """‖P_c − mean(D)‖ + η₁ Σ_cells ‖(S − D) at X = 0‖ + η₂ ‖D‖_nuclear over one cluster's cells D (cells, g).

    Attributes
    ----------
    profile
        P_c (g,).
    single_cell
        S (cells, g) float32.
    unseen
        (cells, g) true where X = 0.
    fit_strength, nuclear_strength
        η₁ and η₂.
    """

    profile: Tensor
    single_cell: Tensor
    unseen: Tensor
    fit_strength: float
    nuclear_strength: float

    def gradient(self, value: Tensor, out: Tensor) -> float:
        """Loss and gradient at D, with no temporary of the size of D."""
        mean, mean_norm = _direction(value.mean(dim=0, dtype=self.profile.dtype) - self.profile)
        torch.sub(value, self.single_cell, out=out)
        out.mul_(self.unseen)
        norms = out.norm(dim=1)
        out.mul_((self.fit_strength * _inverse(norms))[:, None])
        out.add_((mean / len(value)).to(out.dtype))
        loss = float(mean_norm) + self.fit_strength * float(norms.sum(dtype=torch.float64))
        if self.nuclear_strength > 0:
            loss += self.nuclear_strength * add_nuclear_gradient(value, out, self.nuclear_strength)
        return loss


@dataclass(frozen=True)
class ScalingObjective(Objective):
    """‖b − s ⊙ mixture‖ + ‖s − 1‖ over the gene scaling s (g,).

    Attributes
    ----------
    bulk
        b (g,).
    mixture
        (g,) the clusters' mean cell profiles weighted by w.
    """

    bulk: Tensor
    mixture: Tensor

    def gradient(self, value: Tensor, out: Tensor) -> float:
        """Loss and gradient at s."""
        fit, fit_norm = _direction(value * self.mixture - self.bulk)
        pull, pull_norm = _direction(value - 1)
        torch.addcmul(pull, fit, self.mixture, out=out)
        return float(fit_norm + pull_norm)


def add_nuclear_gradient(matrix: Tensor, out: Tensor, strength: float) -> float:
    """Add ``strength`` times the gradient of the nuclear norm to ``out``, and return the norm.

    The gradient is U Vᵀ = (D Dᵀ)^(−1/2) D, so one eigendecomposition of the smaller of the two Gram matrices, in
    float64, gives norm and gradient: O(n m · min(n, m)), no singular vectors of the longer side. Singular values
    below rounding count as 0 and add nothing (the subgradient of smallest norm).

    Parameters
    ----------
    matrix, out
        (n, m) on one device.
    strength
        Factor of the gradient.

    Examples
    --------
    >>> gradient = torch.zeros(2, 3)
    >>> round(add_nuclear_gradient(torch.tensor([[3.0, 0, 0], [0, 2, 0]]), gradient, 1.0), 6), gradient.tolist()
    (5.0, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    """
    wide = matrix.shape[0] <= matrix.shape[1]
    squares, vectors = torch.linalg.eigh(_gram(matrix.T if wide else matrix))
    resolution = torch.finfo(torch.float64).eps * max(matrix.shape) * squares[-1].clamp(min=0)
    singular = torch.where(squares > resolution, squares, 0.0).sqrt()
    root = ((vectors * _inverse(singular)) @ vectors.T).to(matrix.dtype)
    if wide:
        out.addmm_(root, matrix, alpha=strength)
    else:
        out.addmm_(matrix, root, alpha=strength)
    return float(singular.sum())


def _gram(matrix: Tensor) -> Tensor:
    """The (columns, columns) float64 product of a matrix's transpose with itself, converted a few rows at a time."""
    gram = torch.zeros(matrix.shape[1], matrix.shape[1], dtype=torch.float64, device=matrix.device)
    for start in range(0, matrix.shape[0], ROWS_AT_ONCE):
        block = matrix[start : start + ROWS_AT_ONCE].to(torch.float64)
        gram.addmm_(block.T, block)
    return gram


def _direction(residual: Tensor) -> tuple[Tensor, Tensor]:
    """A vector over its length (0 for the zero vector), and its length."""
    norm = residual.norm()
    return residual * _inverse(norm), norm


def _inverse(norms: Tensor) -> Tensor:
    """1 / norm, 0 where the norm is 0 or so small that its inverse is no number."""
    inverse = norms.reciprocal()
    return torch.where(inverse.isfinite(), inverse, 0.0)

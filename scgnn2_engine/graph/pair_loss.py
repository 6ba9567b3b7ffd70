"""The loss of an inner-product decoder over all pairs of cells, without an (n_obs, n_obs) array.

With logits L = E Eᵀ and a sparse symmetric target T, the binary cross-entropy with positive weight p is

    Σ_ij [p T_ij softplus(−L_ij) + (1 − T_ij) softplus(L_ij)]
        = Σ_ij softplus(L_ij)  +  Σ_edges T_ij [(p − 1) softplus(L_ij) − p L_ij].

The first sum runs over all pairs, in row blocks of the upper triangle (L is symmetric), or over pairs drawn at random;
the second over the entries of T only. Gradients are accumulated along with the sums.
"""

from __future__ import annotations

from typing import Any

import scipy.sparse as sp
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor

from scgnn2_engine.graph.layers import SparseMatrix

_BLOCK = {"cpu": 2**19}  # logits held at once: 2 MB stay in a core's cache
_BLOCK_ELSEWHERE = 2**25
WORTH_DRAWING = 100
"""All pairs are taken unless they are more than so many times those asked for: a drawn pair costs as much as dozens
taken in order (n = 5,000: 200,000 drawn pairs take as long as all 25 million)."""


class PairLoss:
    """Mean weighted binary cross-entropy between E Eᵀ and a sparse target.

    Parameters
    ----------
    target
        (n_obs, n_obs) symmetric CSR with entries from 0 to 1.
    device
        Where the embedding is.
    positive_weight
        p, the weight of the edges' side of the cross-entropy.
    pair_samples
        Pairs drawn in every call for the sum over all pairs; 0, or at least n²/100, takes all exactly.
    draws
        Generator of these pairs, on the device.

    Notes
    -----
    Pairs are drawn as whole permutations π of the cells, (i, π(i)) for all i, so that reading and adding need no
    sorting. Each pair is as likely as any other, and the sum over m of them is scaled by n²/m: loss and gradient are
    unbiased.

    Examples
    --------
    >>> loss = PairLoss(sp.identity(3, format="csr"), torch.device("cpu"))
    >>> round(loss(torch.zeros(3, 2)).item(), 4)  # every logit is 0: ln 2
    0.6931
    """

    def __init__(
        self,
        target: sp.csr_matrix,
        device: torch.device,
        *,
        positive_weight: float = 1.0,
        pair_samples: int = 0,
        draws: torch.Generator | None = None,
    ) -> None:
        self.n_obs = target.shape[0]
        self.positive_weight = positive_weight
        drawn = pair_samples if WORTH_DRAWING * pair_samples < self.n_obs**2 else 0
        self.n_permutations = -(-drawn // self.n_obs)
        self.draws = draws
        self.target = SparseMatrix(target, device)

    def __call__(self, embedding: Tensor) -> Tensor:
        """The loss of an (n_obs, d) embedding, a scalar differentiable once by it."""
        loss: Tensor = _PairLossFunction.apply(embedding, self)  # type: ignore[no-untyped-call]
        return loss

    def sums(self, e: Tensor) -> tuple[Tensor, Tensor]:
        """The sum over all pairs (not yet divided by n²) and its gradient (n_obs, d)."""
        total, gradient = self._sampled(e) if self.n_permutations else self._exact(e)
        p = self.positive_weight
        if p == 1:
            pulled = self.target @ e
            return total - (e * pulled).sum(), gradient.sub_(pulled, alpha=2)
        logits, values = self.target.inner_products(e), self.target.values
        total = total + (values * ((p - 1) * F.softplus(logits) - p * logits)).sum()
        slopes = values * ((p - 1) * torch.sigmoid(logits) - p)
        return total, gradient.add_(self.target.with_values(slopes, e), alpha=2)

    def _exact(self, e: Tensor) -> tuple[Tensor, Tensor]:
        """Σ softplus(L) over all pairs: blocks of rows, columns from the diagonal on, the rest by symmetry."""
        gradient = torch.zeros_like(e)
        sums = []
        step = max(16, _BLOCK.get(e.device.type, _BLOCK_ELSEWHERE) // self.n_obs)
        for start in range(0, self.n_obs, step):
            rows, columns = e[start : start + step], e[start:]
            b = len(rows)
            logits = rows @ columns.T  # (b, n_obs - start)
            softplus = F.softplus(logits)
            sums.append(2 * softplus.sum() - softplus[:, :b].sum())
            slopes = torch.sigmoid(logits)
            gradient[start : start + b].addmm_(slopes, columns, alpha=2)
            gradient[start + b :].addmm_(slopes[:, b:].T, rows, alpha=2)
        return torch.stack(sums).sum(), gradient

    def _sampled(self, e: Tensor) -> tuple[Tensor, Tensor]:
        """n²/m Σ softplus(L) over m pairs (i, π(i))."""
        scale = self.n_obs / self.n_permutations
        gradient = torch.zeros_like(e)
        sums = []
        for _ in range(self.n_permutations):
            partner = torch.randperm(self.n_obs, generator=self.draws, device=e.device)
            others = e[partner]
            logits = (e * others).sum(dim=1)
            slopes = torch.sigmoid(logits)[:, None]
            sums.append(F.softplus(logits).sum())
            gradient.addcmul_(others, slopes)
            gradient.index_add_(0, partner, e * slopes)  # each cell once: one order of the sum
        return scale * torch.stack(sums).sum(), gradient.mul_(scale)


class _PairLossFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, embedding: Tensor, loss: PairLoss) -> Tensor:
        total, gradient = loss.sums(embedding.detach().contiguous())
        ctx.save_for_backward(gradient.div_(loss.n_obs**2))
        mean: Tensor = total / loss.n_obs**2
        return mean

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0], None

"""Graph layers by fixed-order weighted sums: attention along the kNN edges, and graph convolution.

Both equal torch-geometric's ``GATConv(residual=True, add_self_loops=False)`` and ``GCNConv`` (a test compares outputs
and gradients), several times faster: every cell has the same number of outgoing edges, and the incoming ones are sorted
once instead of in every step. All sums have one order, so equal seeds give equal bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn

from scgnn2_engine.data.dataset import Ints


class Neighbourhood:
    """The directed edges from every cell to its k neighbours, and the same edges by where they arrive.

    Parameters
    ----------
    neighbours
        (n_obs, k) positions of the neighbours of each cell.
    device
        Where the layers run.

    Attributes
    ----------
    neighbours
        (n_obs, k) int64; edges are laid out as here, by the cell they leave.
    arriving
        (n_obs · k,) positions of the edges in that layout, grouped by the cell they arrive at.
    senders
        (n_obs · k,) the cell that each edge of ``arriving`` leaves.
    starts
        (n_obs,) where each group of ``arriving`` starts.
    counts
        (n_obs,) edges that arrive at each cell; 0 for one that is nobody's neighbour.
    """

    def __init__(self, neighbours: Ints, device: torch.device) -> None:
        n_obs, self.k = neighbours.shape
        flat = neighbours.reshape(-1)
        counts = np.bincount(flat, minlength=n_obs)
        arriving = np.argsort(flat, kind="stable")
        self.neighbours = torch.from_numpy(np.array(neighbours, dtype=np.int64)).to(device)
        self.arriving = torch.from_numpy(arriving).to(device)
        self.senders = torch.from_numpy(arriving // self.k).to(device)
        self.starts = torch.from_numpy(np.concatenate([[0], np.cumsum(counts)[:-1]])).to(device)
        self.counts = torch.from_numpy(counts).to(device)

    def at_ends(self, values: Tensor) -> Tensor:
        """Values (n_obs, heads) of the cells where the edges arrive: (heads, n_obs, k)."""
        columns = values.T.contiguous()
        return torch.stack([F.embedding(self.neighbours, head[:, None]).squeeze(2) for head in columns])

    def sum_at_ends(self, edges: Tensor) -> Tensor:
        """Sum (heads, n_obs, k) over the edges that arrive at each cell: (n_obs, heads)."""
        sums = [F.embedding_bag(self.arriving, head.reshape(-1, 1), self.starts, mode="sum") for head in edges]
        return torch.cat(sums, dim=1)

    def max_at_ends(self, edges: Tensor) -> Tensor:
        """Largest of (heads, n_obs, k) over the edges that arrive at each cell: (n_obs, heads); 0 where none does."""
        sorted_edges = edges.reshape(len(edges), -1)[:, self.arriving].T.contiguous()
        largest = torch.segment_reduce(sorted_edges, "max", lengths=self.counts, axis=0, unsafe=True)
        return torch.where(self.counts[:, None] > 0, largest, torch.zeros_like(largest))


class _AtEnds(torch.autograd.Function):
    """:meth:`Neighbourhood.at_ends` with a gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, hood: Neighbourhood) -> Tensor:
        ctx.hood = hood
        return hood.at_ends(values)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return ctx.hood.sum_at_ends(grads[0]), None


class _Softmax(torch.autograd.Function):
    """Softmax of (heads, n_obs, k) over the edges that arrive at the same cell."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, hood: Neighbourhood) -> Tensor:
        powers = (scores - hood.at_ends(hood.max_at_ends(scores))).exp_()
        shares = powers / hood.at_ends(hood.sum_at_ends(powers))
        ctx.hood, ctx.shares = hood, shares
        return shares

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        pulled = ctx.shares * grads[0]
        return pulled - ctx.shares * ctx.hood.at_ends(ctx.hood.sum_at_ends(pulled)), None


class _WeightedSum(torch.autograd.Function):
    """Σ over the edges i → j that arrive at j of weight_ij · values_i: (n_obs, d) and (n_obs, k) to (n_obs, d)."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weights: Tensor, hood: Neighbourhood) -> Tensor:
        ctx.save_for_backward(values, weights)
        ctx.hood = hood
        by_end = weights.reshape(-1)[hood.arriving]
        return F.embedding_bag(hood.senders, values, hood.starts, per_sample_weights=by_end, mode="sum")

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        values, weights = ctx.saved_tensors
        # The gradient of value i is Σ_j weight_ij · grad_j, again a weighted sum; that of weight_ij is
        # values_i · grad_j, for which torch has a kernel: the derivative of the former along the values.
        with torch.enable_grad():
            entries = weights.detach().requires_grad_()
            to_values = F.embedding_bag(
                ctx.hood.neighbours, grads[0].contiguous(), per_sample_weights=entries, mode="sum"
            )
        (to_weights,) = torch.autograd.grad(to_values, entries, values.detach())
        return to_values.detach(), to_weights, None


class GraphAttention(nn.Module):
    """Graph attention along the directed edges, with a linear skip connection (Veličković et al. 2018).

    A cell attends to the cells that have it among their k nearest neighbours, as in the published program; one that is
    nobody's neighbour keeps its skip connection alone.

    Parameters
    ----------
    n_in, n_out
        Dimensions of a cell before, and after for each head.
    heads
        Number of heads.
    concatenate
        Put the heads side by side (heads · n_out dimensions) instead of averaging them.
    dropout
        Share of the inputs and of the attention coefficients dropped while training.
    generator
        Of the initial weights, on the CPU.

    Examples
    --------
    >>> layer = GraphAttention(3, 4, heads=2, concatenate=True, generator=torch.Generator().manual_seed(0))
    >>> hood = Neighbourhood(np.array([[1], [0]]), torch.device("cpu"))
    >>> layer(torch.ones(2, 3), hood).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        heads: int,
        concatenate: bool,
        generator: torch.Generator,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.heads, self.n_out, self.concatenate, self.dropout = heads, n_out, concatenate, dropout
        total = heads * n_out if concatenate else n_out
        self.weight = _glorot(heads * n_out, n_in, generator)
        self.source = _glorot(heads, n_out, generator)
        self.target = _glorot(heads, n_out, generator)
        self.skip = _glorot(total, n_in, generator)
        self.bias = nn.Parameter(torch.zeros(total))

    def forward(self, x: Tensor, hood: Neighbourhood, draws: torch.Generator | None = None) -> Tensor:
        """Embed cells.

        Parameters
        ----------
        x
            (n_obs, n_in).
        hood
            The edges.
        draws
            Generator of the dropout, on the device of ``x``; needed while training with dropout.
        """
        x = self._dropped(x, draws)
        weights = self.weight.view(self.heads, self.n_out, -1)
        to_source, to_target = (x @ (ends[:, None] @ weights).squeeze(1).T for ends in (self.source, self.target))
        at_ends: Tensor = _AtEnds.apply(to_target, hood)  # type: ignore[no-untyped-call]
        scores = F.leaky_relu(at_ends.add_(to_source.T[:, :, None]), 0.2, inplace=True)
        shares: Tensor = _Softmax.apply(scores, hood)  # type: ignore[no-untyped-call]
        attention = self._dropped(shares, draws)  # (heads, n_obs, k)
        # Σ w_ij W x_i = W Σ w_ij x_i: summed on the side that has fewer dimensions.
        narrow = x.shape[1] < self.n_out
        sums = [
            _WeightedSum.apply(x if narrow else F.linear(x, weight), share, hood)  # type: ignore[no-untyped-call]
            for weight, share in zip(weights, attention, strict=True)
        ]
        if not self.concatenate:
            weights = weights / self.heads
        if not narrow:
            joined = torch.cat(sums, dim=1) if self.concatenate else torch.stack(sums).mean(dim=0)
            return F.linear(x, self.skip, self.bias).add_(joined)
        to_heads: Tensor = torch.cat([*weights], dim=1)
        if self.concatenate:
            to_heads = torch.block_diag(*weights)  # type: ignore[no-untyped-call]
        return F.linear(torch.cat([*sums, x], dim=1), torch.cat([to_heads, self.skip], dim=1), self.bias)

    def _dropped(self, values: Tensor, draws: torch.Generator | None) -> Tensor:
        if not self.training or self.dropout == 0:
            return values
        kept = torch.rand(values.shape, generator=draws, device=values.device) >= self.dropout
        return values * kept / (1 - self.dropout)


class SparseMatrix:
    """A constant sparse matrix on a device, with its transpose beside it.

    Parameters
    ----------
    matrix
        (rows, columns) CSR.
    device
        Where it multiplies.

    Examples
    --------
    >>> matrix = SparseMatrix(sp.csr_matrix([[0.0, 2.0], [1.0, 0.0]]), torch.device("cpu"))
    >>> (matrix @ torch.eye(2)).tolist()
    [[0.0, 2.0], [1.0, 0.0]]
    """

    def __init__(self, matrix: sp.csr_matrix, device: torch.device) -> None:
        self._forward = _csr(matrix, device)
        self._backward = _csr(sp.csr_matrix(matrix.T), device)

    def __matmul__(self, dense: Tensor) -> Tensor:
        """Multiply with a dense (columns, d) tensor, differentiable by it."""
        product: Tensor = _Product.apply(dense, self._forward, self._backward)  # type: ignore[no-untyped-call]
        return product

    @property
    def values(self) -> Tensor:
        """(n_entries,) the stored entries, row by row."""
        return self._forward[2]

    def inner_products(self, dense: Tensor) -> Tensor:
        """(n_entries,) dense_i · dense_j for every stored entry (i, j); not differentiable.

        This is the gradient of a product's inner product with ``dense`` by the stored entries, for which torch has a
        kernel that needs no (n_entries, d) array.
        """
        indices, starts, values = self._forward
        with torch.enable_grad():
            entries = values.detach().requires_grad_()
            product = _times((indices, starts, entries), dense.detach())
        return torch.autograd.grad(product, entries, dense.detach())[0]

    def with_values(self, values: Tensor, dense: Tensor) -> Tensor:
        """The product with ``dense`` when the stored entries are these (n_entries,) values; not differentiable."""
        indices, starts, _ = self._forward
        return _times((indices, starts, values), dense)


_Csr = tuple[Tensor, Tensor, Tensor]


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dense: Tensor, forward: _Csr, backward: _Csr) -> Tensor:
        ctx.transposed = backward
        return _times(forward, dense)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return _times(ctx.transposed, grads[0].contiguous()), None, None


def _csr(matrix: sp.csr_matrix, device: torch.device) -> _Csr:
    matrix.sort_indices()
    return (
        torch.from_numpy(matrix.indices.astype(np.int64)).to(device),
        torch.from_numpy(matrix.indptr[:-1].astype(np.int64)).to(device),
        torch.from_numpy(matrix.data.astype(np.float32)).to(device),
    )


def _times(matrix: _Csr, dense: Tensor) -> Tensor:
    indices, starts, values = matrix
    return F.embedding_bag(indices, dense, starts, per_sample_weights=values, mode="sum")


class GraphConvolution(nn.Module):
    """Graph convolution Â X W + b (Kipf & Welling 2017); Â is given.

    Parameters
    ----------
    n_in, n_out
        Dimensions of a cell before and after.
    generator
        Of the initial weights, on the CPU.

    Examples
    --------
    >>> layer = GraphConvolution(3, 2, generator=torch.Generator().manual_seed(0))
    >>> layer(torch.ones(4, 3), SparseMatrix(sp.identity(4, format="csr"), torch.device("cpu"))).shape
    torch.Size([4, 2])
    """

    def __init__(self, n_in: int, n_out: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = _glorot(n_out, n_in, generator)
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor, normalised: SparseMatrix) -> Tensor:
        """Embed cells: (n_obs, n_in) to (n_obs, n_out)."""
        return normalised @ F.linear(x, self.weight) + self.bias


def _glorot(n_out: int, n_in: int, generator: torch.Generator) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_out, n_in), generator=generator))

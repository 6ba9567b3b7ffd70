"""The autoencoder that the feature stage and the cluster stage share: genes to 512 to 128 and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from scgnn2_engine.errors import InputError
from scgnn2_engine.training.devices import Rows, aligned, roomy
from scgnn2_engine.training.loop import Batch

N_WIDE, N_EMBEDDING = 512, 128
CHUNK = 4096
"""Cells encoded at once when nothing is trained."""

Weights = Mapping[str, npt.NDArray[np.float32]]


class Autoencoder(nn.Module):
    """Four dense layers g → 512 → 128 → 512 → g, ReLU after each, the last one included.

    Parameters
    ----------
    n_vars
        Genes g, the width of the output.
    n_extra
        Columns beside the genes in the input (a previous embedding).
    seed
        Of the initial weights, uniform in ±1/√(inputs of the layer). No global random state is touched.
    weights
        Weights to start from instead, see :meth:`load`.

    Notes
    -----
    The architecture of scGNN (Wang et al., Nature Communications 2021) and scGNN 2.0.

    Examples
    --------
    >>> network = Autoencoder(n_vars=30, seed=0)
    >>> embedding, reconstruction = network(torch.rand(5, 30))
    >>> embedding.shape, reconstruction.shape
    (torch.Size([5, 128]), torch.Size([5, 30]))
    """

    def __init__(self, n_vars: int, n_extra: int = 0, *, seed: int = 0, weights: Weights | None = None) -> None:
        super().__init__()
        self.n_vars = n_vars
        self.encoder = nn.ModuleList([_Dense(n_vars + n_extra, N_WIDE), _Dense(N_WIDE, N_EMBEDDING)])
        self.decoder = nn.ModuleList([_Dense(N_EMBEDDING, N_WIDE), _Dense(N_WIDE, n_vars)])
        if weights is None:
            self._draw(seed)
        else:
            self.load(weights)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, n_vars + n_extra) to embedding (batch, 128) and reconstruction (batch, n_vars), both float32."""
        for layer in self.encoder:
            x = layer(x)
        embedding = x
        for layer in self.decoder:
            x = layer(x)
        return embedding.float(), x.float()

    def reconstruction_at(self, x: Tensor, rows: Tensor, genes: Tensor) -> Tensor:
        """(n,) reconstruction of some rows and genes."""
        _, reconstruction = self.forward(x)
        return reconstruction[rows, genes]

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next(self.parameters()).device

    @torch.no_grad()
    def load(self, weights: Weights) -> None:
        """Start from weights given by :meth:`weights`.

        The first layer may be of another width: what a gene's column says is kept, columns of an embedding that is no
        longer in the input are dropped, and those of one that is new in it start at 0. So a network whose input
        grows computes at first what it computed before.

        Raises
        ------
        InputError
            The weights are of a network with other layers or another number of genes.
        """
        own = self.state_dict()
        shapes = {name: tuple(values.shape) for name, values in weights.items()}
        first = "encoder.0.weight"
        expected = {name: tuple(values.shape) for name, values in own.items()}
        if {**shapes, first: ()} != {**expected, first: ()} or shapes[first][0] != N_WIDE:
            raise InputError(
                "The weights do not fit the network.",
                expected=str(expected),
                found=str(shapes),
                advice="Start from weights that were trained on the same genes.",
            )
        for name, values in weights.items():
            n_columns = min(own[name].shape[-1], values.shape[-1])
            own[name].zero_()
            own[name][..., :n_columns].copy_(torch.tensor(values[..., :n_columns]))

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Copies of all parameters by name."""
        return {name: values.detach().cpu().numpy().copy() for name, values in self.state_dict().items()}

    @torch.no_grad()
    def _draw(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for layer in (*self.encoder, *self.decoder):
            bound = 1 / math.sqrt(layer.in_features)
            for parameter in layer.parameters():
                parameter.uniform_(-bound, bound, generator=generator)


class _Dense(nn.Linear):
    """ReLU(x Wᵀ + b), which on the CPU keeps the memory of its gradients from step to step.

    Memory given back and asked for again comes in fresh pages, and for a batch of a few cells touching those takes
    longer than computing the gradient. Weights are left uninitialised: the network draws or loads them.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, device="meta")
        self.to_empty(device="cpu")
        self.gradient_memory: Tensor | None = None
        self.slope_memory = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu"):
            result: Tensor = _DenseReLU.apply(x, self.weight, self.bias, self)  # type: ignore[no-untyped-call]
            return result
        return functional.relu_(functional.linear(x, self.weight, self.bias))


class _DenseReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, layer: _Dense) -> Tensor:
        out = torch.addmm(bias, x, weight.t()).relu_()
        ctx.save_for_backward(x, weight, out)
        ctx.layer = layer
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor, None]:
        x, weight, out = ctx.saved_tensors
        layer: _Dense = ctx.layer
        layer.slope_memory = roomy(layer.slope_memory, len(out), out)
        grad = torch.ops.aten.threshold_backward(grad, out, 0, grad_input=layer.slope_memory[: len(out)])
        grad_x = grad @ weight if ctx.needs_input_grad[0] else None
        if layer.weight.grad is not None:  # something else has a gradient there already: let autograd add them
            return grad_x, grad.t() @ x, grad.sum(dim=0), None
        if layer.gradient_memory is None:
            layer.gradient_memory = torch.empty_like(weight)
        torch.mm(grad.t(), x, out=layer.gradient_memory)
        layer.weight.grad = layer.gradient_memory
        return grad_x, None, grad.sum(dim=0), None


@torch.no_grad()
def encode(
    network: Autoencoder, x: npt.NDArray[np.float32], previous: npt.NDArray[np.float32] | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Embedding (n, 128) and reconstruction (n, n_vars) of cells (n, n_vars), in chunks.

    Examples
    --------
    >>> import numpy as np
    >>> embedding, reconstruction = encode(Autoencoder(n_vars=30), np.ones((5, 30), np.float32))
    >>> embedding.shape, reconstruction.shape
    ((5, 128), (5, 30))
    """
    network.eval()
    embedding = np.empty((len(x), N_EMBEDDING), np.float32)
    reconstruction = np.empty((len(x), network.n_vars), np.float32)
    for start in range(0, len(x), CHUNK):
        rows = slice(start, start + CHUNK)
        inputs = Inputs(x[rows], None if previous is None else previous[rows], network.device)
        z, y = network(inputs(slice(None)))
        embedding[rows], reconstruction[rows] = z.cpu().numpy(), y.cpu().numpy()
    return embedding, reconstruction


class Inputs:
    """The network's input for any batch: genes, and beside them the columns of a previous embedding.

    Parameters
    ----------
    x
        (n, g) float32.
    previous
        (n, d) float32 or None.
    dropout
        Share of the inputs set to zero at random in training; the others grow by 1 / (1 − dropout).
    seed
        Of that draw.

    Examples
    --------
    >>> import numpy as np
    >>> inputs = Inputs(np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32), torch.device("cpu"))
    >>> inputs(torch.tensor([0, 2])).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        x: npt.NDArray[np.float32],
        previous: npt.NDArray[np.float32] | None,
        device: torch.device,
        *,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        self._parts = [Rows(part, device) for part in (x, previous) if part is not None]
        self._keep = 1 - dropout
        self._generator = torch.Generator(device).manual_seed(seed)
        self._all: Tensor | None = None

    def __call__(self, batch: Batch) -> Tensor:
        """(batch, g + d) as it is; the next call may overwrite it."""
        if isinstance(batch, slice) and self._all is not None:
            return self._all[batch]
        parts = [part(batch) for part in self._parts]
        inputs = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        if isinstance(batch, slice):
            self._all = inputs = aligned(inputs)
        return inputs

    def dropped(self, batch: Batch) -> Tensor:
        """(batch, g + d) with a random share of it set to zero."""
        inputs = self(batch)
        if self._keep == 1:
            return inputs
        kept = torch.empty_like(inputs).bernoulli_(self._keep, generator=self._generator)
        return kept.mul_(inputs).div_(self._keep)


def check_shape(name: str, values: Any, expected: tuple[int | None, ...]) -> None:
    """Check the shape of an array, dense or sparse; None stands for any length, and for an absent array.

    Raises
    ------
    InputError
        It is another one.

    Examples
    --------
    >>> check_shape("target", np.ones((2, 3)), (2, None))
    >>> check_shape("target", np.ones((2, 3)), (4, 3))
    Traceback (most recent call last):
    scgnn2_engine.errors.InputError: The target does not fit the cells. Expected: shape (4, 3). Found: shape (2, 3).
    """
    if values is None:
        return
    found = tuple(values.shape)
    if len(found) != len(expected) or any(want not in (None, have) for want, have in zip(expected, found, strict=True)):
        raise InputError(f"The {name} does not fit the cells.", expected=f"shape {expected}", found=f"shape {found}")

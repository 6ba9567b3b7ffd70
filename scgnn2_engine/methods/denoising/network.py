"""The network that is trained to fill gaps: genes to 512 to 128 to 512, then a value and a rate of every gene."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from scgnn2_engine.data.batches import Batches
from scgnn2_engine.data.blocks import Block, BlockMatrix, Cells, row_blocks
from scgnn2_engine.errors import InputError
from scgnn2_engine.methods.autoencoder import N_EMBEDDING, N_WIDE, Weights

Matrix32 = npt.NDArray[np.float32]


class _ELU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.float()
        out = x.clamp(max=0).exp_().sub_(1)
        torch.maximum(out, x, out=out)  # eˣ - 1 ≥ x
        ctx.save_for_backward(out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        out: Tensor = ctx.saved_tensors[0]
        return out.clamp(max=0).add_(1).mul_(grad)


def elu(x: Tensor) -> Tensor:
    """Exponential linear unit: x above 0, else eˣ - 1.

    Torch's own to within 1e-7, whose expm1 takes several times as long on a CPU.

    Examples
    --------
    >>> elu(torch.tensor([2.0, 0.0, -1.0]))
    tensor([ 2.0000,  0.0000, -0.6321])
    """
    out: Tensor = _ELU.apply(x)  # type: ignore[no-untyped-call]
    return out


BATCH_LAYERS = ("shift", "value_shift", "rate_shift")
"""(n_batches, units or genes) what a batch adds to the decoder's units, to the values and to the log rates."""

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"elu": elu, "relu": functional.relu}


class DenoisingAutoencoder(nn.Module):
    """Dense layers g → 512 → 128 → 512, and from the last one two numbers of every gene.

    The first is the value the gene has where it is seen, as a difference from the gene's mean; the second, for counts,
    the logarithm of its rate as a difference from the gene's mean rate. Both layers start at 0, so that before any
    training the network says what a gene is on average.

    Parameters
    ----------
    n_vars
        Genes g.
    counts
        Whether there is a second output.
    activation
        ``"elu"`` or ``"relu"``, after every layer but the last.
    dropout
        Share of the wide layers' units dropped in training.
    n_batches
        Batches of the cells. With several the decoder is told which one a cell is of, the encoder is not: what a batch
        does to the genes need not be in the embedding.
    seed
        Of the initial weights (uniform in ±1/√(inputs of the layer)) and of the dropout. No global random state is
        touched.

    Attributes
    ----------
    drawn
        Which rows, of how many in the batch, the network is given in training: those of one rank of several. None: all.

    Examples
    --------
    >>> network = DenoisingAutoencoder(n_vars=30, counts=True, seed=0)
    >>> embedding, value, log_rate = network(torch.rand(5, 30))
    >>> embedding.shape, value.abs().max().item(), log_rate.shape
    (torch.Size([5, 128]), 0.0, torch.Size([5, 30]))
    """

    means: Tensor
    log_rates: Tensor
    shift: Tensor | None
    value_shift: Tensor | None
    rate_shift: Tensor | None

    def __init__(
        self,
        n_vars: int,
        *,
        counts: bool = False,
        activation: str = "elu",
        dropout: float = 0.0,
        n_batches: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_vars = n_vars
        self.encoder = nn.ModuleList([_linear(n_vars, N_WIDE), _linear(N_WIDE, N_EMBEDDING)])
        self.decoder = _linear(N_EMBEDDING, N_WIDE)
        self.value = _linear(N_WIDE, n_vars)
        self.rate = _linear(N_WIDE, n_vars) if counts else None
        self.register_buffer("means", torch.zeros(n_vars))
        self.register_buffer("log_rates", torch.zeros(n_vars))
        for name, width in zip(BATCH_LAYERS, (N_WIDE, n_vars, n_vars if counts else 0), strict=True):
            shift = nn.Parameter(torch.zeros(n_batches, width)) if n_batches > 1 and width else None
            self.register_parameter(name, shift)
        self._activation = ACTIVATIONS[activation]
        self._keep = 1 - dropout
        self._generator: torch.Generator | None = None
        self._seed = seed
        self.drawn: tuple[slice, int] | None = None
        self._draw(seed)

    def forward(self, x: Tensor, batches: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """(batch, g) differences from the means to embedding (batch, 128), value and log rate (batch, g)."""
        embedding = self.embed(x)
        wide = self._decoded(embedding, batches)
        value = self._shifted(self.value(wide), self.value_shift, batches).float()
        if self.rate is None:
            return embedding.float(), value, None
        return embedding.float(), value, self._shifted(self.rate(wide), self.rate_shift, batches).float()

    def value_at(self, inputs: tuple[Tensor, Tensor | None], rows: Tensor, genes: Tensor) -> Tensor:
        """(n,) values, not negative and on the scale of the input before it was centred, of some rows and genes."""
        x, batches = inputs
        wide = self._decoded(self.embed(x), batches)
        value = (wide[rows] * self.value.weight[genes]).sum(dim=1) + self.value.bias[genes]
        if batches is not None and self.value_shift is not None:
            value = value + self.value_shift[batches[rows], genes]
        return (value + self.means[genes]).clamp_(min=0)

    def _decoded(self, embedding: Tensor, batches: Tensor | None) -> Tensor:
        return self._dropped(self._activation(self._shifted(self.decoder(embedding), self.shift, batches)))

    @staticmethod
    def _shifted(units: Tensor, shift: Tensor | None, batches: Tensor | None) -> Tensor:
        return units if shift is None or batches is None else units + shift[batches]

    def embed(self, x: Tensor) -> Tensor:
        """(batch, g) differences from the means to embedding (batch, 128)."""
        wide = self._dropped(self._activation(self.encoder[0](x)))
        return self._activation(self.encoder[1](wide))

    def _dropped(self, units: Tensor) -> Tensor:
        if not self.training or self._keep == 1:
            return units
        if self._generator is None:
            self._generator = torch.Generator(units.device).manual_seed(self._seed)
        mine, n = self.drawn or (slice(None), len(units))
        drawn = kept_at_random(torch.Size([n, units.shape[1]]), self._keep, self._generator, units.dtype)
        return drawn[mine].div_(self._keep).mul_(units)

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next(self.parameters()).device

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Copies of all parameters, and of the means and rates of the genes, by name."""
        return {name: values.detach().cpu().numpy().copy() for name, values in self.state_dict().items()}

    def load(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Start from weights given by :meth:`weights`.

        Raises
        ------
        InputError
            The weights are of another network.
        """
        own = {name: tuple(values.shape) for name, values in self.state_dict().items()}
        found = {name: tuple(values.shape) for name, values in weights.items()}
        if own != found:
            raise InputError(
                "The weights do not fit the network.",
                expected=str(own),
                found=str(found),
                advice="Start from weights that were trained on the same genes and kind of data.",
            )
        self.load_state_dict({name: torch.tensor(values) for name, values in weights.items()})

    @torch.no_grad()
    def _draw(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for layer in (*self.encoder, self.decoder):
            bound = 1 / math.sqrt(layer.in_features)
            for parameter in layer.parameters():
                parameter.uniform_(-bound, bound, generator=generator)
        for layer in (self.value, self.rate):
            if layer is not None:
                layer.weight.zero_()
                layer.bias.zero_()


def _linear(n_in: int, n_out: int) -> nn.Linear:
    """A layer that draws nothing from the global random state: it is drawn afterwards."""
    return nn.Linear(n_in, n_out, device="meta").to_empty(device="cpu")


GENE_LAYERS = ("encoder.0.weight", "encoder.0.bias", "value.weight", "rate.weight", "value_shift", "rate_shift")
"""The weights between genes and units: nearly all there are."""


def kept_at_random(
    shape: torch.Size, share: float, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Ones with a probability of ``share``, to the nearest 1/256, and zeros, on the generator's device.

    A byte each of numbers drawn 64 bits at a time, which on a CPU takes a twentieth of the time of drawing each alone.

    Examples
    --------
    >>> kept_at_random(torch.Size([2, 10_000]), 0.5, torch.Generator().manual_seed(0)).mean().round(decimals=1)
    tensor(0.5000)
    """
    device = generator.device
    if device.type == "mps":  # draws no 64 bits
        return torch.empty(shape, device=device, dtype=dtype).bernoulli_(share, generator=generator)
    drawn = torch.empty(shape.numel() // 8 + 1, dtype=torch.int64, device=device)
    drawn.random_(-(2**63), None, generator=generator)
    bytes_ = drawn.view(torch.uint8)[: shape.numel()].view(shape)
    return bytes_.to(dtype).neg_().add_(round(256 * share)).clamp_(0, 1)  # whole numbers: 1 where the byte is smaller


@torch.no_grad()
def encode_denoising(network: DenoisingAutoencoder, centred: Callable[[slice], Tensor], n_obs: int) -> Matrix32:
    """(n_obs, 128) embedding of cells, in chunks.

    Parameters
    ----------
    centred
        From a slice of the cells to their (n, g) differences from the gene means at seen entries, 0 elsewhere, on the
        network's device.
    """
    network.eval()
    embedding = np.empty((n_obs, N_EMBEDDING), np.float32)
    for rows in row_blocks(n_obs):
        embedding[rows] = network.embed(centred(rows)).float().cpu().numpy()
    return embedding


def decoded_value(
    weights: Weights, embedding: Matrix32, activation: str, batches: Batches | None = None
) -> BlockMatrix:
    """(n, g) the value of each gene where it is seen, not negative, on the scale of the input before it was centred.

    Parameters
    ----------
    weights
        Of a :class:`DenoisingAutoencoder`; those of decoder and outputs, means and rates are enough.
    embedding
        (n, 128).
    activation
        The network's.
    batches
        Which batch each cell is of, where the network was told; None: as of the mean batch.
    """
    return _decoded(weights, embedding, activation, "value", "means", batches)


def decoded_log_rate(
    weights: Weights, embedding: Matrix32, activation: str, batches: Batches | None = None
) -> BlockMatrix | None:
    """(n, g) logarithm of the rate per unit of size factor, None where there is none; see :func:`decoded_value`."""
    if "rate.weight" not in weights:
        return None
    return _decoded(weights, embedding, activation, "rate", "log_rates", batches)


def _decoded(
    weights: Weights,
    embedding: Matrix32,
    activation: str,
    head: str,
    mean: str,
    batches: Batches | None,
) -> BlockMatrix:
    names = ("decoder.weight", "decoder.bias", f"{head}.weight", f"{head}.bias", mean)
    wide_weight, wide_bias, weight, bias, centre = (torch.from_numpy(weights[name]) for name in names)
    shifts: list[Tensor] = []
    codes = torch.zeros(len(embedding), dtype=torch.int64)
    if "shift" in weights:
        shifts = [torch.from_numpy(weights[name]) for name in ("shift", f"{head}_shift")]
        if batches is None:
            shifts = [part.mean(dim=0, keepdim=True) for part in shifts]
        else:
            codes = torch.from_numpy(batches.codes.astype(np.int64))

    @torch.no_grad()
    def rows(cells: Cells) -> Block:
        z = torch.from_numpy(np.ascontiguousarray(embedding[cells]))
        wide = functional.linear(z, wide_weight, wide_bias)
        if shifts:
            wide += shifts[0][codes[cells]]
        found = functional.linear(ACTIVATIONS[activation](wide), weight, bias).add_(centre)
        if shifts:
            found += shifts[1][codes[cells]]
        return np.asarray((found.clamp_(min=0) if head == "value" else found).numpy())

    return BlockMatrix((len(embedding), len(bias)), rows)

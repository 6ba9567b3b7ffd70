"""The network that is trained to fill gaps: genes to 512 to 128 to 512, then a value and a rate of every gene."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.errors import InputError
from scgnn2_engine.methods.autoencoder import CHUNK, N_EMBEDDING, N_WIDE

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"elu": functional.elu, "relu": functional.relu}


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
    seed
        Of the initial weights (uniform in ±1/√(inputs of the layer)) and of the dropout. No global random state is
        touched.

    Examples
    --------
    >>> network = DenoisingAutoencoder(n_vars=30, counts=True, seed=0)
    >>> embedding, value, log_rate = network(torch.rand(5, 30))
    >>> embedding.shape, value.abs().max().item(), log_rate.shape
    (torch.Size([5, 128]), 0.0, torch.Size([5, 30]))
    """

    means: Tensor
    log_rates: Tensor

    def __init__(
        self, n_vars: int, *, counts: bool = False, activation: str = "elu", dropout: float = 0.0, seed: int = 0
    ) -> None:
        super().__init__()
        self.n_vars = n_vars
        self.encoder = nn.ModuleList([_linear(n_vars, N_WIDE), _linear(N_WIDE, N_EMBEDDING)])
        self.decoder = _linear(N_EMBEDDING, N_WIDE)
        self.value = _linear(N_WIDE, n_vars)
        self.rate = _linear(N_WIDE, n_vars) if counts else None
        self.register_buffer("means", torch.zeros(n_vars))
        self.register_buffer("log_rates", torch.zeros(n_vars))
        self._activation = ACTIVATIONS[activation]
        self._keep = 1 - dropout
        self._generator: torch.Generator | None = None
        self._seed = seed
        self._draw(seed)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(batch, g) differences from the means to embedding (batch, 128), value and log rate (batch, g)."""
        wide = self._dropped(self._activation(self.encoder[0](x)))
        embedding = self._activation(self.encoder[1](wide))
        wide = self._dropped(self._activation(self.decoder(embedding)))
        return embedding.float(), self.value(wide).float(), None if self.rate is None else self.rate(wide).float()

    def _dropped(self, units: Tensor) -> Tensor:
        if not self.training or self._keep == 1:
            return units
        if self._generator is None:
            self._generator = torch.Generator(units.device).manual_seed(self._seed)
        kept = torch.empty_like(units).bernoulli_(self._keep, generator=self._generator)
        return units * kept.div_(self._keep)

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


@torch.no_grad()
def encode_denoising(network: DenoisingAutoencoder, centred: Floats) -> tuple[Floats, Floats, Floats | None]:
    """What the network makes of cells, in chunks.

    Parameters
    ----------
    centred
        (n, g) float32, differences from the gene means at seen entries, 0 elsewhere.

    Returns
    -------
    embedding, value, log_rate
        (n, 128); (n, g) not negative, on the scale of the input before it was centred; (n, g) or None.
    """
    network.eval()
    n_obs, n_vars = centred.shape
    embedding = np.empty((n_obs, N_EMBEDDING), np.float32)
    value = np.empty((n_obs, n_vars), np.float32)
    log_rate = None if network.rate is None else np.empty((n_obs, n_vars), np.float32)
    for start in range(0, n_obs, CHUNK):
        rows = slice(start, start + CHUNK)
        z, v, r = network(torch.tensor(centred[rows], device=network.device))
        embedding[rows] = z.cpu().numpy()
        value[rows] = (v + network.means).clamp_(min=0).cpu().numpy()
        if log_rate is not None and r is not None:
            log_rate[rows] = (r + network.log_rates).cpu().numpy()
    return embedding, value, log_rate

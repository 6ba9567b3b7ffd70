"""The graph autoencoder: embeds every cell from its features and its neighbours in the cell graph."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn

from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.errors import InputError
from scgnn2_engine.events import Event, Stop, drain, never
from scgnn2_engine.graph.inputs import graph_features, learned_adjacency
from scgnn2_engine.graph.layers import GraphAttention, GraphConvolution, Neighbourhood, SparseMatrix
from scgnn2_engine.graph.neighbours import symmetric_normalised
from scgnn2_engine.graph.pair_loss import PairLoss
from scgnn2_engine.params import GATParams, GraphAEParams
from scgnn2_engine.training.devices import aligned, on_device
from scgnn2_engine.training.loop import Plan, diverged, iterate_training

CPU = torch.device("cpu")
HIDDEN_GCN = 32
"""Hidden dimensions of the graph convolution encoder."""
SMALL = 100_000
"""Directed edges below which one thread is faster than two (1,000 cells with 50 neighbours: 23 ms an epoch to 32)."""


@dataclass(frozen=True)
class GraphFit:
    """A trained graph autoencoder's result.

    Attributes
    ----------
    embedding
        (n_obs, embedding_size) float32.
    n_epochs
        Epochs trained.
    """

    embedding: npt.NDArray[np.float32]
    n_epochs: int


class AttentionEncoder(nn.Module):
    """Two graph attention layers: heads side by side and ELU, then heads averaged; no noise.

    Parameters
    ----------
    n_in
        Dimensions of a cell.
    params, gat
        Embedding size and dropout; heads and hidden dimensions.
    hood
        The edges from each cell to its k nearest neighbours.
    generator, draws
        Of the initial weights (CPU) and of the dropout (device).
    """

    def __init__(
        self,
        n_in: int,
        params: GraphAEParams,
        gat: GATParams,
        hood: Neighbourhood,
        generator: torch.Generator,
        draws: torch.Generator,
    ) -> None:
        super().__init__()
        self.hood, self.draws = hood, draws
        self.first = GraphAttention(
            n_in,
            gat.hid_embed,
            heads=gat.multi_heads,
            concatenate=True,
            dropout=params.GAT_dropout,
            generator=generator,
        )
        self.second = GraphAttention(
            gat.hid_embed * gat.multi_heads,
            params.embedding_size,
            heads=gat.multi_heads,
            concatenate=False,
            dropout=params.GAT_dropout,
            generator=generator,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n_obs, n_in) to (n_obs, embedding_size)."""
        hidden = F.elu(self.first(x, self.hood, self.draws), inplace=True)
        embedding: Tensor = self.second(hidden, self.hood, self.draws)
        return embedding


class VariationalEncoder(nn.Module):
    """Graph convolution to 32 dimensions, ReLU, then one convolution for the mean and one for the log variance.

    Parameters
    ----------
    n_in
        Dimensions of a cell.
    params
        Embedding size.
    normalised
        (n_obs, n_obs) D^-1/2 (A + I) D^-1/2.
    generator
        Of the initial weights (CPU).
    """

    def __init__(self, n_in: int, params: GraphAEParams, normalised: SparseMatrix, generator: torch.Generator) -> None:
        super().__init__()
        self.normalised = normalised
        self.hidden = GraphConvolution(n_in, HIDDEN_GCN, generator=generator)
        self.mean = GraphConvolution(HIDDEN_GCN, params.embedding_size, generator=generator)
        self.log_variance = GraphConvolution(HIDDEN_GCN, params.embedding_size, generator=generator)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n_obs, n_in) to the mean and the log variance, each (n_obs, embedding_size)."""
        hidden = F.relu(self.hidden(x, self.normalised))
        return self.mean(hidden, self.normalised), self.log_variance(hidden, self.normalised)


def iterate_graph_ae(
    embedding: Floats,
    graph: CellGraph,
    params: GraphAEParams,
    gat: GATParams,
    *,
    previous: Floats | None = None,
    seed: int = 0,
    device: torch.device = CPU,
    iteration: int = 0,
    stop: Stop = never,
) -> Generator[Event, None, GraphFit]:
    """Train a graph autoencoder from scratch, epoch by epoch.

    Parameters
    ----------
    embedding
        (n_obs, d) feature embedding Z of the cells.
    graph
        The cell graph built from it.
    params, gat
        Parameters of the stage and of the attention layers.
    previous
        (n_obs, embedding_size) the previous iteration's graph embedding, put beside Z after its values are rescaled
        into Z's 10–90 % quantile range; None for none.
    seed
        Of the initial weights, the dropout, the noise and the sampled pairs.
    device
        Where to train.
    iteration
        For the events: 0 before the loop.
    stop
        Asked after every epoch.

    Yields
    ------
    EpochEnded
        ``"loss"``; with the graph convolution also its parts ``"reconstruction"`` and ``"kl"``.

    Returns
    -------
    GraphFit

    Raises
    ------
    InputError
        Embedding, graph and previous embedding are not of the same cells, or values are not finite.
    TrainingError
        The loss became NaN or infinite.

    Notes
    -----
    The decoder is the inner product; it learns A + I, A being the symmetric 0/1 union of the neighbour pairs, or with
    ``retain_weights`` their weights (see :func:`learned_adjacency`). Attention: mean binary cross-entropy. Convolution:
    norm · weighted cross-entropy + KL of Kipf & Welling 2016, norm = n²/(2(n² − ΣA)), positive weight (n² − ΣA)/ΣA,
    KL averaged over the cells and divided by n once more, as published there; the embedding is the mean.

    Examples
    --------
    >>> from scgnn2_engine.graph.neighbours import build_graph
    >>> z = np.random.default_rng(0).random((40, 8), dtype=np.float32)
    >>> graph = build_graph(z, construction="v2", n_neighbours=5)
    >>> fit = drain(iterate_graph_ae(z, graph, GraphAEParams(epoch=3, use_GAT=True), GATParams()))
    >>> fit.embedding.shape, fit.n_epochs
    ((40, 16), 3)
    """
    features = graph_features(embedding, params, previous)
    if graph.n_obs != len(features):
        raise InputError(
            "The graph does not belong to the embedding.",
            expected=f"a graph of {len(features)} cells",
            found=f"one of {graph.n_obs} cells",
        )
    x = aligned(on_device(features, device))
    weights_generator = torch.Generator().manual_seed(seed)
    draws_seed = int(torch.randint(2**62, (), generator=weights_generator))
    draws = torch.Generator(device).manual_seed(draws_seed)
    build = _attention if params.use_GAT else _variational
    model = build(x, graph, params, gat, weights_generator, draws)

    plan = Plan(
        "graph_AE",
        params.epoch,
        params.learning_rate,
        iteration=iteration,
        tolerance=params.tolerance,
        one_thread=graph.neighbours.size < SMALL,
    )
    trained = yield from iterate_training(model.network, lambda _: model.loss(), plan, stop=stop)
    model.network.eval()
    with torch.no_grad():
        result = model.embed().cpu().numpy()
    if not np.isfinite(result).all():
        raise diverged("graph_AE", iteration, trained.n_epochs)
    return GraphFit(result, trained.n_epochs)


def fit_graph_ae(
    embedding: Floats,
    graph: CellGraph,
    params: GraphAEParams,
    gat: GATParams,
    *,
    previous: Floats | None = None,
    seed: int = 0,
    device: torch.device = CPU,
) -> GraphFit:
    """Train a graph autoencoder to its end; see :func:`iterate_graph_ae`.

    Examples
    --------
    >>> from scgnn2_engine.graph.neighbours import build_graph
    >>> z = np.random.default_rng(0).random((40, 8), dtype=np.float32)
    >>> graph = build_graph(z, construction="v2", n_neighbours=5)
    >>> fit_graph_ae(z, graph, GraphAEParams(epoch=2), GATParams()).embedding.dtype
    dtype('float32')
    """
    return drain(iterate_graph_ae(embedding, graph, params, gat, previous=previous, seed=seed, device=device))


class _Model(NamedTuple):
    network: nn.Module
    loss: Callable[[], Mapping[str, Tensor]]
    embed: Callable[[], Tensor]


def _attention(
    x: Tensor,
    graph: CellGraph,
    params: GraphAEParams,
    gat: GATParams,
    generator: torch.Generator,
    draws: torch.Generator,
) -> _Model:
    hood = Neighbourhood(graph.neighbours, x.device)
    network = AttentionEncoder(x.shape[1], params, gat, hood, generator, draws).to(x.device)
    target = learned_adjacency(graph, params) + sp.identity(graph.n_obs, format="csr")
    cross_entropy = PairLoss(target, x.device, pair_samples=params.pair_samples, draws=draws)
    return _Model(network, lambda: {"loss": cross_entropy(network(x))}, lambda: network(x))


def _variational(
    x: Tensor,
    graph: CellGraph,
    params: GraphAEParams,
    gat: GATParams,
    generator: torch.Generator,
    draws: torch.Generator,
) -> _Model:
    adjacency, n_obs = learned_adjacency(graph, params), graph.n_obs
    normalised = SparseMatrix(symmetric_normalised(adjacency), x.device)
    network = VariationalEncoder(x.shape[1], params, normalised, generator).to(x.device)
    edges = max(float(adjacency.sum()), 1.0)  # a graph that lost all its edges has nothing to weigh
    norm = n_obs**2 / (2 * (n_obs**2 - edges))
    cross_entropy = PairLoss(
        adjacency + sp.identity(n_obs, format="csr"),
        x.device,
        positive_weight=(n_obs**2 - edges) / edges,
        pair_samples=params.pair_samples,
        draws=draws,
    )

    def loss() -> Mapping[str, Tensor]:
        mean, log_variance = network(x)
        noise = torch.randn(mean.shape, generator=draws, device=mean.device)
        reconstruction = norm * cross_entropy(mean + noise * (0.5 * log_variance).exp())
        kl = -0.5 / n_obs * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1).mean()
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    return _Model(network, loss, lambda: network(x)[0])

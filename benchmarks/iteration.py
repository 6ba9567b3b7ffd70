"""One iteration of preset ``paper`` on a Goolam-sized problem, against a plain implementation of the same mathematics.

Run with ``python benchmarks/iteration.py [--rounds N]``. The plain one computes what the published program computes, as
it does (a data loader, Adam as torch sets it up, gradients for the data, dense cells × cells products, the penalty as
arrays), one cluster after another. Both run in turn in one process on the same threads, so the ratio holds when the
machine's speed drifts. The published program itself was measured at 27 to 33 s an iteration on two quiet cores of
another machine: cluster autoencoders 22 to 28 s, 300 feature epochs 4.7 s, graph 0.5 s.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch loads

import statistics
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.graph.graph_ae import fit_graph_ae
from scgnn2_engine.graph.neighbours import build_graph, row_stochastic
from scgnn2_engine.methods.autoencoder import Autoencoder
from scgnn2_engine.methods.published.cluster_ae import fit_cluster_ae
from scgnn2_engine.methods.published.feature_ae import fit_feature_ae
from scgnn2_engine.params import ClusterAEParams, GATParams, GraphAEParams

N_OBS, N_VARS, N_CLUSTERS, K = 124, 2000, 7, 6
FEATURE_EPOCHS, CLUSTER_EPOCHS, GRAPH_EPOCHS = 300, 200, 200
BAR = 4.0


@dataclass(frozen=True)
class Problem:
    """What one iteration starts from."""

    x: np.ndarray
    target: np.ndarray
    labels: np.ndarray
    graph: CellGraph
    weights: dict[str, np.ndarray]


class PlainAutoencoder(torch.nn.Module):
    """Genes to 512 to 128 and back, ReLU after every layer, on torch's own layers."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        sizes = [(N_VARS, 512), (512, 128), (128, 512), (512, N_VARS)]
        self.layers = torch.nn.ModuleList([torch.nn.Linear(*size) for size in sizes])
        with torch.no_grad():
            for parameter, values in zip(self.parameters(), weights.values(), strict=True):
                parameter.copy_(torch.from_numpy(values))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, genes) to its reconstruction."""
        for layer in self.layers:
            x = functional.relu(layer(x))
        return x


def plain_training(x: np.ndarray, weights: dict[str, np.ndarray], n_epochs: int, loss: object) -> np.ndarray:
    """Train on rows of x, a data loader bringing them; the reconstruction of the last epoch."""
    network = PlainAutoencoder(weights)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(torch.from_numpy(x)), batch_size=12_800)
    reconstruction = torch.empty(0)
    for _ in range(n_epochs):
        for (batch,) in loader:
            optimiser.zero_grad()
            batch.requires_grad_()
            reconstruction = network(batch)
            value = loss(network, batch, reconstruction)
            value.backward()
            value.item()
            optimiser.step()
    return reconstruction.detach().numpy()


def plain_clusters(problem: Problem) -> np.ndarray:
    """One autoencoder per cluster, its loss by dense products and arrays of the parameters' size."""
    smoothing = torch.from_numpy(row_stochastic(problem.graph.adjacency()).toarray()).float()
    imputed = np.empty_like(problem.x)
    for cluster in range(N_CLUSTERS):
        cells = np.flatnonzero(problem.labels == cluster)
        target, block = torch.from_numpy(problem.target[cells]), smoothing[cells][:, cells]
        alike = torch.full((len(cells), len(cells)), 1 / len(cells))

        def loss(network, x, found, target=target, block=block, alike=alike):
            error = functional.mse_loss(found, target, reduction="none")
            observed = ((x - found) * (x != 0)).norm()
            penalty, squares = 0.0, 0.0
            for parameter in network.parameters():
                penalty = penalty + parameter.abs().sum()
                squares = squares + parameter.pow(2).sum()
            total = 0.3 * error.sum() + observed + 0.3 * (block @ error).sum() + 0.1 * (alike @ error).sum()
            return total + penalty + 0 * squares

        imputed[cells] = plain_training(problem.x[cells], problem.weights, CLUSTER_EPOCHS, loss)
    return imputed


def plain_feature(problem: Problem) -> np.ndarray:
    """The feature autoencoder in the loop."""
    target = torch.from_numpy(problem.target)

    def loss(_network, _x, found):
        return functional.mse_loss(found, target, reduction="sum")

    return plain_training(problem.x, problem.weights, FEATURE_EPOCHS, loss)


def our_clusters(problem: Problem) -> np.ndarray:
    params = ClusterAEParams(epoch=CLUSTER_EPOCHS)
    return fit_cluster_ae(
        problem.x, problem.target, problem.labels, problem.graph.adjacency(), problem.weights, params=params
    ).imputed


def our_feature(problem: Problem) -> np.ndarray:
    return fit_feature_ae(
        problem.x, target=problem.target, weights=problem.weights, n_epochs=FEATURE_EPOCHS
    ).reconstruction


def our_graph(problem: Problem) -> np.ndarray:
    z = np.abs(problem.x[:, :128])
    params = GraphAEParams(epoch=GRAPH_EPOCHS, use_GAT=True, normalize_embed="sum1")
    return fit_graph_ae(z, problem.graph, params, GATParams()).embedding


def timed(step: object, problem: Problem) -> float:
    start = time.perf_counter()
    step(problem)
    return time.perf_counter() - start


def problem() -> Problem:
    rng = np.random.default_rng(0)
    x = rng.gamma(2.0, 1.0, (N_OBS, N_VARS)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = 0
    weights = Autoencoder(N_VARS, seed=0).weights()
    first = fit_feature_ae(x, weights=weights, n_epochs=50)
    graph = build_graph(first.embedding, construction="v2", n_neighbours=K)
    return Problem(x, first.reconstruction, np.arange(N_OBS) % N_CLUSTERS, graph, dict(first.weights))


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    case = problem()
    ours, plain = [], []
    for number in range(1, rounds + 1):
        mine = [timed(step, case) for step in (our_clusters, our_feature, our_graph)]
        theirs = [timed(step, case) for step in (plain_clusters, plain_feature)]
        ours.append(sum(mine))
        plain.append(sum(theirs) + mine[2])
        print(
            f"round {number}: ours clusters {mine[0]:.1f} s, feature {mine[1]:.1f} s, graph {mine[2]:.1f} s; "
            f"plain clusters {theirs[0]:.1f} s, feature {theirs[1]:.1f} s; ratio {plain[-1] / ours[-1]:.2f}",
            flush=True,
        )
    ratios = [a / b for a, b in zip(plain, ours, strict=True)]
    print(
        f"{torch.get_num_threads()} threads: ours {statistics.median(ours):.1f} s an iteration, plain "
        f"{statistics.median(plain):.1f} s, median ratio {statistics.median(ratios):.2f} (bar {BAR:g}); "
        f"{30 / statistics.median(ours):.1f} times as fast as the 30 s of the published program elsewhere"
    )


if __name__ == "__main__":
    main()

"""Speed of the cell graph and the graph autoencoder, as ratios to torch-geometric in the same run.

    python benchmarks/graph.py [--threads 2] [--repeats 5]

Prints Markdown. Absolute times depend on who else uses the machine; the ratios are of measurements that take turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: spinning threads slow each other down

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from sklearn.neighbors import NearestNeighbors
from torch_geometric.nn import GATConv, GCNConv

from scgnn2_engine.graph.graph_ae import iterate_graph_ae
from scgnn2_engine.graph.layers import GraphAttention, GraphConvolution, Neighbourhood, SparseMatrix
from scgnn2_engine.graph.neighbours import build_graph, symmetric_normalised
from scgnn2_engine.graph.pair_loss import PairLoss
from scgnn2_engine.params import GATParams, GraphAEParams
from scgnn2_engine.training.devices import threads

CPU = torch.device("cpu")
SIZES = [(1000, 50), (5000, 250), (6940, 30)]


def cells(n_obs: int) -> np.ndarray:
    """Ten groups of cells in 128 dimensions, non-negative as the feature embedding is."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, 128))
    return np.maximum(centres[rng.integers(0, 10, n_obs)] + rng.normal(size=(n_obs, 128)), 0).astype(np.float32)


def take_turns(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median seconds of each, run alternately after one warm-up."""
    ours(), theirs()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for run, seconds in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def backward(layer: torch.nn.Module, *inputs: object) -> None:
    layer.zero_grad()
    layer(*inputs).square().sum().backward()


def rows(n_obs: int, k: int, repeats: int) -> list[tuple[str, float, float]]:
    """(what, our seconds, reference seconds) at one size."""
    points = cells(n_obs)
    reference = NearestNeighbors(n_neighbors=k + 1, algorithm="brute")
    found = [
        (
            "exact neighbours / scikit-learn brute",
            *take_turns(
                lambda: build_graph(points, construction="v2", n_neighbours=k),
                lambda: reference.fit(points).kneighbors(points),
                repeats,
            ),
        )
    ]
    graph = build_graph(points, construction="v2", n_neighbours=k)
    x = torch.from_numpy(points).requires_grad_()
    hood, edges = Neighbourhood(graph.neighbours, CPU), torch.from_numpy(graph.edge_index)
    gat = GraphAttention(128, 64, heads=2, concatenate=True, generator=torch.Generator().manual_seed(0))
    pyg_gat = GATConv(128, 64, heads=2, add_self_loops=False, residual=True)
    found.append(
        (
            "attention layer, forward + backward / GATConv",
            *take_turns(lambda: backward(gat, x, hood), lambda: backward(pyg_gat, x, edges), repeats),
        )
    )
    adjacency = graph.adjacency()
    normalised = SparseMatrix(symmetric_normalised(adjacency), CPU)
    union = torch.from_numpy(np.stack(adjacency.nonzero()).astype(np.int64))
    gcn, pyg_gcn = GraphConvolution(128, 32, generator=torch.Generator().manual_seed(0)), GCNConv(128, 32)
    found.append(
        (
            "convolution layer, forward + backward / GCNConv",
            *take_turns(lambda: backward(gcn, x, normalised), lambda: backward(pyg_gcn, x, union), repeats),
        )
    )
    e = torch.randn(n_obs, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss, dense = PairLoss(adjacency, CPU), torch.from_numpy(adjacency.toarray()).float()
    found.append(
        (
            "loss over all pairs, forward + backward / dense",
            *take_turns(
                lambda: loss(e).backward(),
                lambda: F.binary_cross_entropy_with_logits(e @ e.T, dense).backward(),
                repeats,
            ),
        )
    )
    return found


def epoch_seconds(n_obs: int, k: int, params: GraphAEParams) -> float:
    """Median seconds of an epoch of the whole stage."""
    points = cells(n_obs)
    graph = build_graph(points, construction="v2", n_neighbours=k)
    seconds, start = [], time.perf_counter()
    for _ in iterate_graph_ae(points, graph, params, GATParams()):
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
    return statistics.median(seconds[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    with threads(chosen.threads) as used:
        print(f"torch {torch.__version__}, {used} threads, load {os.getloadavg()[0]:.1f}\n")
        print("| cells | k | what / reference | ours, ms | reference, ms | ratio |\n|---|---|---|---|---|---|")
        for n_obs, k in SIZES:
            for what, ours, theirs in rows(n_obs, k, chosen.repeats):
                print(f"| {n_obs} | {k} | {what} | {1e3 * ours:.1f} | {1e3 * theirs:.1f} | {theirs / ours:.1f}x |")
        print("\n| cells | k | an epoch of the graph autoencoder | ms |\n|---|---|---|---|")
        for n_obs, k in SIZES:
            for name, use_gat, samples in (
                ("attention", True, 0),
                ("attention, 200,000 pairs", True, 200_000),
                ("convolution", False, 0),
            ):
                params = GraphAEParams(use_GAT=use_gat, pair_samples=samples, normalize_embed="sum1", epoch=12)
                print(f"| {n_obs} | {k} | {name} | {1e3 * epoch_seconds(n_obs, k, params):.1f} |")


if __name__ == "__main__":
    main()

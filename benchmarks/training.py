"""Speed of the autoencoders beside what this machine can do, measured in turn in one run.

    python benchmarks/training.py [--threads 2] [--rounds 5]

Three figures: a feature step (512 cells × 2000 genes, one thread) as a share of the rate of its matrix products alone;
a cluster step (18 cells × 2000 genes, one thread) as a share of the memory bandwidth; and the seconds of one
iteration's autoencoders at the size of Goolam (124 cells, 7 clusters). Data is drawn at random: the work is the same.

Work of a feature step, B cells: forward 2B·P, gradients of the weights 2B·P, of the layers' inputs 2B·(P − P₁); P are
the weights, P₁ those of the first layer, whose input is data and gets no gradient.

Bytes of a cluster step, 4 each: weights read forward P and backward P − P₁; gradient written P and read P; Adam reads
and writes weights and both its means 6P. In sum 4·(10P − P₁); activations (18 cells) are left out.
The bandwidth is that of a triad c = a + 2b on arrays beyond the caches, 12 bytes an element; the one on arrays of P
elements, which large caches may hold, is printed beside it.

What runs on one thread is measured in seconds of its processor, so that other programs on the machine count less; for
the whole iteration both are printed, and on a quiet machine processor seconds / threads is about what the clock says.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch loads: waiting threads leave the cores to others

import numpy as np
import scipy.sparse as sp
import torch

from scgnn2_engine.events import Event
from scgnn2_engine.methods.autoencoder import Autoencoder
from scgnn2_engine.methods.published.cluster_ae import iterate_cluster_ae
from scgnn2_engine.methods.published.feature_ae import iterate_feature_ae
from scgnn2_engine.params import ClusterAEParams, FeatureAEParams
from scgnn2_engine.training.devices import threads

GENES = 2000
LAYERS = [(GENES, 512), (512, 128), (128, 512), (512, GENES)]
P, P1 = sum(n_in * n_out for n_in, n_out in LAYERS), GENES * 512


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median processor seconds of a call."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def epoch_seconds(steps: Iterator[Event]) -> float:
    """Median processor seconds from one epoch's event to the next, the first left out."""
    ends = []
    for _ in steps:
        ends.append(time.process_time())
    return statistics.median(np.diff(ends)[1:])


def matrix_products(n_cells: int) -> Callable[[], None]:
    """The products of a training step and nothing else, results written to memory that is there already."""
    inputs = [torch.rand(n_cells, n_in) for n_in, _ in LAYERS]
    outputs = [torch.rand(n_cells, n_out) for _, n_out in LAYERS]
    weights = [torch.rand(n_out, n_in) for n_in, n_out in LAYERS]
    forward, slopes, gradients = ([torch.empty_like(part) for part in parts] for parts in (outputs, inputs, weights))

    def multiply() -> None:
        for layer in range(len(LAYERS)):
            torch.mm(inputs[layer], weights[layer].t(), out=forward[layer])
            torch.mm(outputs[layer].t(), inputs[layer], out=gradients[layer])
            if layer:
                torch.mm(outputs[layer], weights[layer], out=slopes[layer])

    return multiply


def triad(n_elements: int) -> Callable[[], object]:
    a, b, c = (torch.rand(n_elements) for _ in range(3))
    return lambda: torch.add(a, b, alpha=2.0, out=c)


def cells(n_cells: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.log1p(rng.poisson(rng.gamma(0.5, 4.0, GENES), (n_cells, GENES))).astype(np.float32)


def feature_steps(x: np.ndarray, n_epochs: int) -> Iterator[Event]:
    states = np.minimum(x, 2).astype(np.uint8)
    return iterate_feature_ae(x, states=states, params=FeatureAEParams(), n_epochs=n_epochs)


def cluster_steps(x: np.ndarray, n_clusters: int, n_epochs: int) -> Iterator[Event]:
    ring = sp.csr_matrix(np.roll(np.eye(len(x)), 1, axis=1))
    labels = np.arange(len(x)) % n_clusters
    return iterate_cluster_ae(x, x, labels, ring, Autoencoder(GENES).weights(), params=ClusterAEParams(epoch=n_epochs))


def total_seconds(steps: Iterator[Event]) -> tuple[float, float]:
    """Seconds on the clock and of the processors."""
    clock, processors = time.perf_counter(), time.process_time()
    for _ in steps:
        pass
    return time.perf_counter() - clock, time.process_time() - processors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="threads of the whole iteration (default 2)")
    parser.add_argument("--rounds", type=int, default=5, help="times that each pair is measured in turn (default 5)")
    arguments = parser.parse_args()
    total_seconds(cluster_steps(cells(4), 1, 1))  # compiles and loads

    flops, n_bytes = 2 * 512 * (3 * P - P1), 4 * (10 * P - P1)
    rates, shares, bandwidths, cached, cluster_shares, cluster_times = [], [], [], [], [], []
    with threads(1):
        products, far, near = matrix_products(512), triad(2**25), triad(P)
        for _ in range(arguments.rounds):
            limit, step = seconds(products, 5), epoch_seconds(feature_steps(cells(512), 8))
            rates.append(flops / limit / 1e9)
            shares.append(limit / step)
            bandwidths.append(12 * 2**25 / seconds(far, 5) / 1e9)
            cached.append(12 * P / seconds(near, 20) / 1e9)
            cluster_times.append(epoch_seconds(cluster_steps(cells(18), 1, 40)))
            cluster_shares.append(n_bytes / cluster_times[-1] / 1e9 / bandwidths[-1])
    median = statistics.median
    print(f"matrix products of a 512 × {GENES} step: {median(rates):.0f} GFLOP/s, one thread")
    print(f"feature step: {median(shares):.0%} of that rate (rounds {listed(shares)})")
    print(f"triad: {median(bandwidths):.1f} GB/s on 400 MB, {median(cached):.1f} GB/s on {12 * P / 1e6:.0f} MB")
    print(f"cluster step, 18 × {GENES}: {median(cluster_times) * 1e3:.2f} ms for {n_bytes / 1e6:.0f} MB,")
    print(f"  {median(cluster_shares):.0%} of the triad on 400 MB (rounds {listed(cluster_shares)})")
    with threads(arguments.threads) as used:
        clusters, cluster_processors = total_seconds(cluster_steps(cells(124), 7, 200))
        feature, feature_processors = total_seconds(feature_steps(cells(124), 300))
    print(f"124 × {GENES} on {used} threads, seconds (processor seconds):")
    print(f"  7 clusters × 200 epochs {clusters:.1f} ({cluster_processors:.1f})")
    print(f"  300 feature epochs {feature:.1f} ({feature_processors:.1f}), together {clusters + feature:.1f}")


def listed(shares: list[float]) -> str:
    return ", ".join(f"{share:.0%}" for share in shares)


if __name__ == "__main__":
    main()

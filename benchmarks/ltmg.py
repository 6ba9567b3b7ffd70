"""LTMG's speed and memory, one thread, beside the bars it has to meet.

    python benchmarks/ltmg.py            # all three sizes, about a minute
    python benchmarks/ltmg.py 2000 5000  # one size: genes, cells

Each size runs in a process of its own, so that its peak memory is its own; the matrix itself is included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

GENES = 2000
DENSITY = 0.35
BARS = {124: (5.0, None), 5_000: (30.0, None), 20_000: (90.0, 2.5)}  # cells -> seconds, GB


def simulated(n_genes: int, n_cells: int) -> object:
    """CSR float32 (n_cells, n_genes): log-normal genes of two states, ``DENSITY`` of the entries positive."""
    import numpy as np
    import scipy.sparse as sp

    rng = np.random.default_rng(0)
    low = rng.uniform(0.0, 3.0, n_genes)
    blocks = []
    for start in range(0, n_cells, 1000):
        shape = (min(1000, n_cells - start), n_genes)
        upper = rng.random(shape) < 0.3
        logs = low + 2.0 * upper + rng.normal(0.0, 0.8, shape)
        blocks.append(sp.csr_matrix(np.where(rng.random(shape) < DENSITY, np.exp(logs), 0.0), dtype=np.float32))
    return sp.vstack(blocks, format="csr")


def measure(n_genes: int, n_cells: int) -> None:
    """Run one size and print its line."""
    import resource

    from scgnn2_engine.data.ltmg import ltmg_states

    expression = simulated(n_genes, n_cells)
    start = time.perf_counter()
    states = ltmg_states(expression)
    seconds = time.perf_counter() - start
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    gigabytes = kilobytes * 1024 / 1e9
    bar_seconds, bar_gigabytes = BARS.get(n_cells, (None, None)) if n_genes == GENES else (None, None)
    print(
        f"{n_genes:6d} {n_cells:7d} {seconds:9.2f} {bar_seconds or '-':>6} {gigabytes:8.2f} {bar_gigabytes or '-':>5}"
        f"   {(states > 0).mean():.3f}"
    )


def main() -> None:
    """Print the table, or one line of it."""
    if len(sys.argv) == 3:
        measure(int(sys.argv[1]), int(sys.argv[2]))
        return
    print(" genes   cells   seconds    bar  peak GB   bar   share of entries in state > 0", flush=True)
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    root = str(Path(__file__).resolve().parent.parent)
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    for n_cells in BARS:
        subprocess.run(
            [sys.executable, __file__, str(GENES), str(n_cells)],
            check=True,
            env={**os.environ, **single, "PYTHONPATH": paths},
        )


if __name__ == "__main__":
    main()

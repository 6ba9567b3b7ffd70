"""How time and memory of a whole default run grow with the number of cells.

Run with ``python benchmarks/scale.py [--mca PATH.h5ad] [--sizes 1000 2000 ...]``. Every run is a process of its own,
reading an h5ad and writing all results but the figures; seconds are wall-clock, memory is the operating system's
high-water mark of that process. Prints the exponents of a power law fitted to the simulated sizes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SIZES = (1000, 3000, 8000, 24000)
N_VARS = 2000
EVERY_CELL = ("--preprocess_gene_cutoff", "0.98", "--preprocess_cell_cutoff", "1")
"""Keep all cells and, of the genes that 2 % of them express, the 2000 of highest variance."""


@dataclass(frozen=True)
class Cost:
    """Seconds and bytes of one run."""

    n_obs: int
    seconds: float
    peak: int
    iterations: int
    stages: dict[str, float]

    @property
    def above_matrix(self) -> int:
        """Peak memory without the dense float32 matrix itself."""
        return self.peak - self.n_obs * N_VARS * 4


def run(data: Path, out: Path, *flags: str) -> tuple[float, int, dict[str, object]]:
    """One ``scgnn2 run`` in a process of its own: seconds, peak bytes, its record."""
    command = [
        sys.executable,
        "-m",
        "scgnn2_engine",
        "run",
        str(data),
        "--output_dir",
        str(out),
        "--no-output_figures",
        "--overwrite",
        "--quiet",
        *flags,
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if peak == before:
        # The high-water mark of all children has not risen, so this one stayed below an earlier one.
        record = json.loads((out / "run.json").read_text())
        return seconds, int(record["peak_memory_bytes"]), record
    return seconds, peak * 1024, json.loads((out / "run.json").read_text())


def measure(data: Path, folder: Path, n_obs: int, *flags: str) -> Cost:
    """Cost of a default run on one file."""
    seconds, peak, record = run(data, folder / "out", *flags)
    stages: dict[str, float] = {}
    for stage in record["stages"]:
        stages[stage["stage"]] = stages.get(stage["stage"], 0.0) + stage["seconds"]
    return Cost(n_obs, seconds, peak, int(record["iterations"]), stages)


def exponent(sizes: list[int], values: list[float]) -> float:
    """Slope of the least-squares line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def line(name: str, cost: Cost) -> str:
    """One row of the table."""
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in cost.stages.items() if seconds >= 0.5)
    return (
        f"{name:>12} {cost.n_obs:>8} {cost.seconds:>9.1f} {cost.peak / 2**30:>9.2f} {cost.above_matrix / 2**30:>9.2f} "
        f"{cost.iterations:>5}  {stages}"
    )


def main() -> None:
    """Print the table and the exponents."""
    from scgnn2_engine.data.simulation import simulate
    from scgnn2_engine.io import export

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mca", type=Path, help="also run this h5ad (Mouse Cell Atlas lung)")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--iterations", type=int, default=5, help="fixed for the simulated sizes, so that they compare")
    arguments = parser.parse_args()
    print(f"{'data':>12} {'cells':>8} {'seconds':>9} {'peak GiB':>9} {'- matrix':>9} {'iter.':>5}  seconds by stage")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        costs = []
        for n_obs in sorted(arguments.sizes):
            data = folder / f"{n_obs}.h5ad"
            export(simulate(n_obs=n_obs, n_vars=2 * N_VARS, n_types=8, seed=1), data)
            fixed = (
                "--total_epoch",
                str(arguments.iterations),
                "--ari_threshold",
                "1",
                "--graph_change_threshold",
                "0",
            )
            costs.append(measure(data, folder, n_obs, *EVERY_CELL, *fixed))
            print(line("simulated", costs[-1]), flush=True)
        if len(costs) > 1:
            sizes = [cost.n_obs for cost in costs]
            print(
                f"exponents: time {exponent(sizes, [cost.seconds for cost in costs]):.2f} (bar 1.2), "
                f"memory above the matrix {exponent(sizes, [cost.above_matrix for cost in costs]):.2f} (bar 1.0)"
            )
        if arguments.mca:
            cost = measure(arguments.mca, folder, 6940, *EVERY_CELL)
            print(line("mca_lung", cost) + "   (bars: 600 s, 4 GiB)")


if __name__ == "__main__":
    main()

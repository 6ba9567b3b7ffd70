"""A run that is killed at random moments, again and again, and resumed: the same bytes, and nothing kept made anew.

    python benchmarks/kills.py [--kills 30] [--seed 0]

Each process is ended by SIGKILL after a random part of the time that an undisturbed run takes, so that some die while a
file is written. A checkpoint that was whole before a process started has to be the same file after it, so that no more
than the stage that was under way is computed again. Figures are left out, since they take most of so small a run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import time
from pathlib import Path

from scgnn2_engine import RunParams, simulate
from scgnn2_engine.run.folder import iterate_to_folder

DATA = simulate(n_obs=150, n_vars=100, n_types=3, seed=0)
FORK = multiprocessing.get_context("fork")  # a fresh process would spend all its time on imports


def run(folder: Path) -> None:
    """A small run of every stage, resumed where one was interrupted."""
    params = RunParams(output_dir=str(folder), output_figures=False, evaluate_baselines=False, threads=1, device="cpu")
    for _ in iterate_to_folder(DATA, params, resume=True):
        pass


def process(folder: Path, seconds: float | None) -> bool:
    """Run in a process that is killed after so many seconds; whether it came to its end."""
    child = FORK.Process(target=run, args=(folder,))
    child.start()
    child.join(seconds)
    if child.is_alive():
        child.kill()
        child.join()
        return False
    if child.exitcode:
        raise SystemExit(f"a run failed with exit code {child.exitcode}")
    return True


def checkpoints(folder: Path) -> dict[str, tuple[int, int]]:
    """Stages that are whole on disk: file name to inode and time of writing."""
    found = {path.name: path.stat() for path in folder.glob("checkpoint/[0-9]*.npz")}
    return {name: (at.st_ino, at.st_mtime_ns) for name, at in found.items()}


def tables(folder: Path) -> dict[str, bytes]:
    """The tables of a result, without times."""
    return {path.name: path.read_bytes() for path in folder.glob("*.csv") if path.name != "metrics.csv"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draws = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        start = time.perf_counter()
        process(Path(name, "whole"), None)
        seconds = time.perf_counter() - start
        whole = tables(Path(name, "whole"))
        kills = runs = again = 0
        while kills < arguments.kills:
            folder, over, runs = Path(name, f"run_{runs}"), False, runs + 1
            while not over:
                before = checkpoints(folder)
                over = process(folder, draws.uniform(0.05, 0.6) * seconds if kills < arguments.kills else None)
                kills += not over
                after = before if over else checkpoints(folder)
                again += sum(after.get(stage) != written for stage, written in before.items())
            if tables(folder) != whole:
                raise SystemExit(f"run {runs} ended with other bytes after {kills} kills")
    print(f"{kills} kills in {runs} runs of {seconds:.1f} s: same bytes; kept stages made anew: {again}")


if __name__ == "__main__":
    main()

"""Does bulk expression help? Imputation with and without it, and the shares it is said to hold.

Run with ``python benchmarks/bulk.py [--seeds 5] [--total_epoch 2] [--data scmix3cl chu100]``. One table is that of the
paper's table S5: the median absolute error at masked entries (10 % of the non-zero ones, drawn with the seed), on the
ln(1 + x) scale, without bulk and with 1, 3, 5, 10 and all samples, drawn with the seed; the single-cell and the bulk
imputation that went into the fused one stand beside it. The control has the genes of the bulk shuffled; ``--published``
adds whole runs with the published optimisations. The other table compares the estimated shares of three cell lines in
bulk of known mixtures with the truth (``--mixtures``: it alone).
"""

from __future__ import annotations

import argparse
import itertools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from scgnn2_engine import LoopState, Prepared, RunParams, fit, iterate, read
from scgnn2_engine.bulk import bulk_shares, cluster_profiles
from scgnn2_engine.bulk.matching import match_bulk
from scgnn2_engine.bulk.steps import iterate_bulk, match
from scgnn2_engine.data.dataset import Bulk, Dataset
from scgnn2_engine.evaluate import score_iteration
from scgnn2_engine.events import DataPrepared, IterationEnded, RunEnded, drain, never
from scgnn2_engine.io.bulk import read_bulk
from scgnn2_engine.params import LoadParams

DATA = Path(os.environ.get("SCGNN2_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
SAMPLES = (1, 3, 5, 10, 0)
"""Numbers of bulk samples; 0 stands for all."""


def load(name: str) -> tuple[Dataset, Bulk]:
    """Cells and bulk of a data set."""
    cells = read(DATA / name / "expression.csv.gz", LoadParams(orientation="genes-by-cells"))
    return cells, read_bulk(DATA / name / "bulk.csv.gz", cells.var_names)[0]


def some(bulk: Bulk, n_samples: int, rng: np.random.Generator) -> Bulk:
    """Some of the samples, all for 0."""
    chosen = rng.permutation(len(bulk.sample_names))[: n_samples or None]
    return Bulk(bulk.expression[chosen], bulk.sample_names[chosen], bulk.gene_names)


def shuffled(bulk: Bulk, rng: np.random.Generator) -> Bulk:
    """Bulk that belongs to other genes."""
    return replace(bulk, gene_names=rng.permutation(bulk.gene_names))


def whole_run(cells: Dataset, bulk: Bulk, seed: int, total_epoch: int) -> float:
    """Error of a run whose fused imputation feeds the next training (method published)."""
    params = RunParams(**_values(seed, total_epoch), use_bulk=True, deconv_method="published")
    metrics = fit(replace(cells, bulk=bulk), params).metrics
    return float(metrics.loc[metrics["selected"], "error_median"].iloc[0])


def without_bulk(cells: Dataset, seed: int, total_epoch: int) -> tuple[Prepared, LoopState, RunParams]:
    """What a run ends with: by method shares the bulk is brought in after it, so that it is the same for any bulk."""
    params = RunParams(**_values(seed, total_epoch), use_bulk=False, deconv_method="shares")
    states: dict[int, LoopState] = {}
    for event in iterate(cells, params):
        if isinstance(event, DataPrepared):
            prepared = event.prepared
        if isinstance(event, IterationEnded):
            states[event.iteration] = event.state
        if isinstance(event, RunEnded):
            chosen = event.result.selected_iteration
    return prepared, states[chosen], params


def fused(
    cells: Dataset, bulk: Bulk, prepared: Prepared, state: LoopState, params: RunParams
) -> tuple[float, float, float, float]:
    """Errors of the single-cell, the bulk and the fused imputation, and how far the bulk was followed."""
    steps = iterate_bulk(
        match(bulk, cells, prepared, params),
        prepared,
        state,
        params,
        seed=1,
        device=torch.device("cpu"),
        iteration=1,
        stop=never,
    )
    found = drain(steps)
    scores = score_iteration(prepared, found, None, None)
    names = ("error_median_single_cell", "error_median_bulk", "error_median")
    return (*(scores[name] for name in names), float((found.deconvolution or {})["strength"]))


def _values(seed: int, total_epoch: int) -> dict[str, object]:
    return {"dropout_prob": 0.1, "seed": seed, "total_epoch": total_epoch, "threads": 1, "device": "cpu"}


def fusion_table(names: list[str], n_seeds: int, total_epoch: int, published: bool) -> None:
    """Print one line for each data set, method and number of samples: means over the seeds."""
    print(
        f"{'data':10} {'bulk':15} {'method':10} {'without':>8} {'bulk':>8} {'fused':>8} {'worst seed':>11} "
        f"{'strength':>9}"
    )
    for name in names:
        cells, bulk = load(name)
        runs = [without_bulk(cells, seed, total_epoch) for seed in range(n_seeds)]
        cases = [(f"{n or 'all'} samples", n, False) for n in SAMPLES if n <= len(bulk.sample_names)]
        for label, n_samples, permuted in [*cases, ("genes shuffled", 0, True)]:
            rows = []
            for seed, run in enumerate(runs):
                rng = np.random.default_rng(seed)
                used = some(bulk, n_samples, rng)
                rows.append(fused(cells, shuffled(used, rng) if permuted else used, *run))
            without, alone, both, strength = np.array(rows).T
            _line(name, label, "shares", without.mean(), alone.mean(), both, both - without, strength.mean())
        for label, permuted in (("all samples", False), ("genes shuffled", True)) if published else ():
            used = [shuffled(bulk, np.random.default_rng(seed)) if permuted else bulk for seed in range(n_seeds)]
            both = np.array([whole_run(cells, used[seed], seed, total_epoch) for seed in range(n_seeds)])
            _line(name, label, "published", without.mean(), np.nan, both, both - without, np.nan)


def _line(
    name: str,
    label: str,
    method: str,
    without: float,
    alone: float,
    both: npt.NDArray[np.float64],
    change: npt.NDArray[np.float64],
    strength: float,
) -> None:
    print(
        f"{name:10} {label:15} {method:10} {without:8.4f} {alone:8.4f} {both.mean():8.4f} {change.max():+11.4f} "
        f"{strength:9.2f}",
        flush=True,
    )


def mixture_table() -> pd.DataFrame:
    """Estimated against true shares in mixtures of the bulk of scmix3cl's three lines, and in its pure samples."""
    cells, bulk = load("scmix3cl")
    labels = pd.read_csv(DATA / "scmix3cl" / "labels.csv", index_col="cell")["cell_type"].loc[list(cells.obs_names)]
    lines, numbers = np.unique(labels.to_numpy(str), return_inverse=True)
    matched = match_bulk(bulk, cells.var_names)
    profiles = cluster_profiles(cells.expression[:, matched.genes], numbers)
    ppm = matched.samples / matched.samples.sum(axis=1, keepdims=True)
    pure = np.stack([ppm[[str(s).startswith(f"{line}_") for s in matched.names]].mean(axis=0) for line in lines])
    rows = []
    for parts in sorted(set(itertools.permutations((0.6, 0.3, 0.1)))):
        found = bulk_shares((np.array(parts) @ pure)[None], profiles)
        rows.append({"bulk": "mixture", **_compared(lines, parts, found.weights[0]), "sd": found.residual_sd[0]})
    found = bulk_shares(matched.samples, profiles)
    for sample, weights, spread, unlike in zip(
        matched.names, found.weights, found.residual_sd, found.unlike, strict=True
    ):
        truth = [float(str(sample).startswith(f"{line}_")) for line in lines]
        row = {"bulk": str(sample), **_compared(lines, truth, weights), "sd": spread}
        rows.append(row | {"largest error": row["largest error"] if sum(truth) else np.nan, "unlike": unlike})
    return pd.DataFrame(rows)


def _compared(lines: list[str], truth: tuple[float, ...] | list[float], found: list[float]) -> dict[str, object]:
    cells = {line: f"{wanted:.2f} -> {got:.3f}" for line, wanted, got in zip(lines, truth, found, strict=True)}
    return {**cells, "largest error": float(np.abs(np.array(truth) - np.array(found)).max())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--total_epoch", type=int, default=2)
    parser.add_argument("--data", nargs="*", default=["scmix3cl", "chu100"])
    parser.add_argument("--published", action="store_true", help="also whole runs with the published method (slow)")
    parser.add_argument("--mixtures", action="store_true", help="the table of shares alone")
    arguments = parser.parse_args()
    print(mixture_table().to_string(index=False, float_format="%.3f"), flush=True)
    if not arguments.mixtures:
        print()
        fusion_table(arguments.data, arguments.seeds, arguments.total_epoch, arguments.published)


if __name__ == "__main__":
    main()

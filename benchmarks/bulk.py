"""Does bulk expression help? Imputation with and without it, and the shares it is said to hold.

Run with ``python benchmarks/bulk.py [--seeds 5] [--total_epoch 2] [--data scmix3cl chu100]``. One table is that of the
paper's table S5: the median absolute error at masked entries (10 % of the non-zero ones, drawn with the seed), on the
ln(1 + x) scale, without bulk and with 1, 3, 5, 10 and all samples, drawn with the seed; the single-cell and the bulk
imputation that went into the fused one stand beside it. The control has the genes of the bulk shuffled. The other table
compares the estimated shares of three cell lines in bulk of known mixtures with the truth (``--mixtures``: it alone).
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from scgnn2_engine import RunParams, fit, read
from scgnn2_engine.io.bulk import read_bulk
from scgnn2_engine.params import LoadParams
from scgnn2_engine.stages import bulk_shares, cluster_profiles, match_bulk
from scgnn2_engine.types import Bulk, Dataset

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


def errors(cells: Dataset, bulk: Bulk | None, seed: int, total_epoch: int, method: str) -> dict[str, float]:
    """Scores of the returned iteration."""
    values = {"dropout_prob": 0.1, "seed": seed, "total_epoch": total_epoch, "device": "cpu"}
    if bulk is not None:
        values |= {"use_bulk": True, "deconv_method": method}
    metrics = fit(replace(cells, bulk=bulk), RunParams(**values)).metrics
    row = metrics[metrics["selected"]].iloc[0]
    return {name.removeprefix("error_median_"): float(row[name]) for name in row.index if "error_median" in name}


def fusion_table(names: list[str], n_seeds: int, total_epoch: int) -> pd.DataFrame:
    """One row for each data set, method and number of samples: means over the seeds."""
    rows = []
    for name in names:
        cells, bulk = load(name)
        cases = [("without bulk", "shares", None)]
        cases += [(f"{n or 'all'} samples", "shares", n) for n in SAMPLES if n <= len(bulk.sample_names)]
        cases += [("all samples", "published", 0), ("all samples", "exact", 0), ("genes shuffled", "shares", 0)]
        baseline: dict[int, float] = {}
        for label, method, n_samples in cases:
            start = time.perf_counter()
            scores: list[dict[str, float]] = []
            for seed in range(n_seeds):
                rng = np.random.default_rng(seed)
                used = None if n_samples is None else some(bulk, n_samples, rng)
                if label == "genes shuffled" and used is not None:
                    used = shuffled(used, rng)
                scores.append(errors(cells, used, seed, total_epoch, method))
            table = pd.DataFrame(scores)
            if n_samples is None:
                baseline = table["error_median"].to_dict()
            change = table["error_median"] - pd.Series(baseline)
            rows.append(
                {
                    "data": name,
                    "bulk": label,
                    "method": method if n_samples is not None else "",
                    "error": table["error_median"].mean(),
                    "change": change.mean(),
                    "worst seed": change.max(),
                    "single cell": table.get("single_cell", pd.Series(dtype=float)).mean(),
                    "bulk alone": table.get("bulk", pd.Series(dtype=float)).mean(),
                    "s": (time.perf_counter() - start) / n_seeds,
                }
            )
            print(
                pd.DataFrame(rows[-1:]).to_string(header=len(rows) == 1, index=False, float_format="%.4f"), flush=True
            )
    return pd.DataFrame(rows)


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
    parser.add_argument("--mixtures", action="store_true", help="the table of shares alone")
    arguments = parser.parse_args()
    print(mixture_table().to_string(index=False, float_format="%.3f"), flush=True)
    if not arguments.mixtures:
        print()
        fusion_table(arguments.data, arguments.seeds, arguments.total_epoch)


if __name__ == "__main__":
    main()

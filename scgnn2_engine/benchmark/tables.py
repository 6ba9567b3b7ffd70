"""From cells to tables: one long one, and the medians over seeds beside the best baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from scgnn2_engine.benchmark.scores import NOISE_FLOOR, counts_molecules
from scgnn2_engine.data.ties import LARGEST_TIE
from scgnn2_engine.evaluate.baselines import COUNTING, FILLING, GROUPING
from scgnn2_engine.evaluate.metrics import ari_between

COLUMNS = (
    "data_set",
    "method",
    "kind",
    "seed",
    "protocol",
    "output",
    "metric",
    "value",
    "scored",
    "seconds",
    "peak_memory_bytes",
    "entries",
    "date",
    "key",
)
STABILITY = "ari_between_seeds"


@dataclass(frozen=True)
class Metric:
    """A score that has a table of its own.

    Attributes
    ----------
    name, title
        Its column and what it is.
    rivals
        The baselines that it is compared with, as far as they have the score.
    lower_is_better
        Or higher.
    as_ratio
        Compared by ratio, else by difference (scores that can be 0 or negative).
    """

    name: str
    title: str
    rivals: tuple[str, ...]
    lower_is_better: bool = True
    as_ratio: bool = True


COUNT_RIVALS = tuple(name for name in COUNTING if name != "no_denoising")

METRICS = (
    Metric(
        "masked_l1_median",
        "Median absolute error at masked entries, ln(1 + expression)",
        ("gene_mean", "gene_median", "knn", "soft_svd", "magic", "knn_tuned", "magic_tuned"),
    ),
    Metric("zero_l1_mean", "Mean imputed value at the zeros of the input, ln(1 + expression)", ("magic",)),
    Metric("ari", "Adjusted Rand index against the known types", GROUPING, lower_is_better=False, as_ratio=False),
    Metric(
        "poisson_scaled",
        "Held-out counts: Poisson likelihood, 0 for the counts as they are and 1 for the held-out ones",
        COUNT_RIVALS,
        lower_is_better=False,
        as_ratio=False,
    ),
    Metric("isotonic_mse", "Held-out counts: squared error of roots after the best monotone rescaling", COUNT_RIVALS),
    Metric(
        "gene_correlation",
        "Held-out counts: correlation over the cells, mean over genes",
        COUNT_RIVALS,
        lower_is_better=False,
        as_ratio=False,
    ),
)


UNIMPUTED = "zeros"
TASK_METRICS = tuple(
    Metric(name, title, (UNIMPUTED,), lower_is_better=False, as_ratio=False)
    for name, title in (
        ("task_bulk", "Task: correlation of cells with the bulk of their type"),
        ("task_de", "Task: differential expression against that of the bulk"),
        ("task_markers", "Task: markers found in the observed other half of the cells"),
        ("task_ari", "Task: ARI of Leiden clusters (.8) of the matrix"),
        ("task_transfer", "Task: label transfer, balanced accuracy"),
        ("task_order", "Task: order in time, correlation with the stages"),
    )
)
"""Higher is better, compared with the matrix as it was."""


def long_table(cells: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Every score of every cell, a line each.

    Parameters
    ----------
    cells
        Records of cells, as of :func:`~scgnn2_engine.benchmark.cells.newest_cells`.

    Returns
    -------
    pandas.DataFrame
        The columns :data:`COLUMNS`. ``scored`` marks the output that a metric is about where a run has several. The
        agreement of clusters between seeds, ``ari_between_seeds``, has no seed: the mean over all pairs.
    """
    rows: list[dict[str, Any]] = []
    labels: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        shared = {name: cell.get(name) for name in ("data_set", "method", "kind", "seed", "protocol")}
        cost = {"seconds": cell.get("seconds"), "peak_memory_bytes": cell.get("peak_memory")}
        origin = {name: cell.get(name) for name in ("entries", "date", "key")}
        for output, scores in cell["scores"].items():
            for metric, value in scores.items():
                scored = cell.get("scored", {}).get(metric, output) == output
                line = {"output": output, "metric": metric, "value": value, "scored": scored}
                rows.append({**shared, **line, **cost, **origin})
        if "labels" in cell:
            labels.setdefault((cell["data_set"], cell["method"]), []).append(dict(cell))
    for of_seeds in labels.values():
        agreement = _between_seeds(of_seeds)
        if agreement is not None:
            first = {name: of_seeds[0].get(name) for name in ("data_set", "method", "kind", "protocol", "key")}
            rows.append({**first, "output": "clusters", "metric": STABILITY, "value": agreement, "scored": True})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["value"] = table["value"].astype(float)
    table["seed"] = table["seed"].astype("Int64")
    return table.sort_values(["data_set", "protocol", "method", "metric", "output", "seed"], ignore_index=True)


def _between_seeds(cells: Sequence[Mapping[str, Any]]) -> float | None:
    """Mean ARI over all pairs of seeds; None for fewer than two, or where they are of different cells."""
    sets = [np.asarray(cell["labels"]) for cell in cells]
    if len(sets) < 2 or len({len(labels) for labels in sets}) > 1:
        return None
    return float(np.mean([ari_between(one, other) for one, other in combinations(sets, 2)]))


class Scores:
    """The scored outputs of a long table, by data set, method, metric and seed.

    Examples
    --------
    >>> line = {"data_set": "a", "method": "knn", "kind": "baseline", "seed": 0, "metric": "mse", "value": 2.0,
    ...         "scored": True}
    >>> Scores(pd.DataFrame([line, {**line, "seed": 1, "value": 4.0}])).median("a", "knn", "mse")
    3.0
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self._values: dict[tuple[str, str, str], dict[int, float]] = {}
        chosen = table[table["scored"].astype(bool) & table["value"].notna() & table["seed"].notna()]
        columns = (chosen[name] for name in ("data_set", "method", "metric", "seed", "value"))
        for data_set, method, metric, seed, value in zip(*columns, strict=True):
            self._values.setdefault((data_set, method, metric), {})[int(seed)] = float(value)
        kinds = dict(zip(table["method"], table["kind"], strict=True))
        self.data_sets: list[str] = sorted(set(table["data_set"]))
        self.methods: list[str] = _in_order(kinds)
        self.runs: list[str] = [method for method in self.methods if kinds[method] == "preset"]

    def seeds(self, data_set: str, method: str, metric: str) -> set[int]:
        """The seeds that have this score."""
        return set(self._values.get((data_set, method, metric), {}))

    def values(self, data_set: str, method: str, metric: str, seeds: set[int] | None = None) -> list[float]:
        """The score by seed, of some seeds or all."""
        by_seed = self._values.get((data_set, method, metric), {})
        return [by_seed[seed] for seed in sorted(by_seed) if seeds is None or seed in seeds]

    def median(self, data_set: str, method: str, metric: str, seeds: set[int] | None = None) -> float | None:
        """Its median over seeds, None where there is none."""
        values = self.values(data_set, method, metric, seeds)
        return float(np.median(values)) if values else None

    def spread(self, data_set: str, method: str, metric: str) -> float | None:
        """Its standard deviation over seeds (n − 1), None for fewer than two."""
        values = self.values(data_set, method, metric)
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    def best(self, data_set: str, metric: Metric, seeds: set[int] | None = None) -> tuple[str, float] | None:
        """The best of the metric's rivals over the given seeds, and its median."""
        found = [
            (method, value)
            for method in metric.rivals
            if (value := self.median(data_set, method, metric.name, seeds)) is not None
        ]
        if not found:
            return None
        return (min if metric.lower_is_better else max)(found, key=lambda pair: pair[1])

    def lacking(self, data_set: str, metric: Metric, seeds: set[int] | None = None) -> tuple[str, ...]:
        """The metric's rivals that have no score over the given seeds."""
        return tuple(name for name in metric.rivals if self.median(data_set, name, metric.name, seeds) is None)

    def noise_floor(self, data_set: str, seeds: set[int] | None = None) -> float | None:
        """The median error at masked entries that the best baseline would make if its values were the true rates."""
        best = self.best(data_set, METRICS[0], seeds)
        return None if best is None else self.median(data_set, best[0], NOISE_FLOOR, seeds)

    def against_best(self, data_set: str, method: str, metric: Metric) -> float | None:
        """Ratio to the best rival, or difference from it, over the seeds that the method has."""
        seeds = self.seeds(data_set, method, metric.name)
        mine, best = self.median(data_set, method, metric.name), self.best(data_set, metric, seeds)
        if mine is None or best is None:
            return None
        if not metric.as_ratio:
            return mine - best[1]
        return mine / best[1] if best[1] else None


def _in_order(kinds: Mapping[str, str]) -> list[str]:
    """``default`` first, then ``paper``, variants by name, baselines in the order of the program."""
    known = ["default", "paper", *FILLING, *COUNTING, *GROUPING]
    place = {name: number for number, name in reversed(list(enumerate(known)))}
    return sorted(kinds, key=lambda name: (kinds[name] != "preset", place.get(name, len(known)), name))


def marks(cells: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, bool]]:
    """Where which score means little.

    Returns
    -------
    By data set, ``masked`` (the masked median error: a third or more of the non-zero entries share one value) and
    ``reads`` (count thinning: its counts are not of molecules), true where it does.
    """
    found: dict[str, dict[str, bool]] = {}
    for cell in cells:
        traits = cell.get("traits")
        if not traits:
            continue
        mine = found.setdefault(cell["data_set"], {"masked": False, "reads": False})
        if cell["protocol"] == "mask":
            mine["masked"] |= (traits["commonest_value_share"] or 0) >= LARGEST_TIE
        if cell["protocol"] == "thinning":
            mine["reads"] |= not counts_molecules(traits["share_of_ones"] or 0)
    return found

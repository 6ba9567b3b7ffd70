"""The bars that the method is held to, each met, missed or not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scgnn2_engine.benchmark.tables import METRICS, Metric, Scores

MEAN_RATIO = 0.97
ARI_WORST = -0.03
ARI_ABOVE_PAPER = 0.05
ARI_SPREAD = 0.03

_BY_NAME = {metric.name: metric for metric in METRICS}
_ROUNDING = 1e-12  # a difference of medians that are equal on paper


@dataclass(frozen=True)
class Bar:
    """One requirement and what came of it.

    Attributes
    ----------
    requirement
        What is asked.
    met
        Whether; None where it was not measured.
    found
        The numbers, data set by data set.
    """

    requirement: str
    met: bool | None
    found: str

    @property
    def verdict(self) -> str:
        """``met``, ``missed``, ``no bar`` (a number to know) or ``not measured``."""
        if self.met is None:
            return "no bar" if self.found else "not measured"
        return "met" if self.met else "missed"


def bars(scores: Scores, method: str, marks: Mapping[str, Mapping[str, bool]]) -> list[Bar]:
    """Hold a run of scGNN 2.0 to the bars.

    Parameters
    ----------
    scores
        All scores.
    method
        The preset or variant.
    marks
        Data sets whose masked error or thinning score does not count, of :func:`~scgnn2_engine.benchmark.tables.marks`.
    """
    masked = [name for name in scores.data_sets if not marks.get(name, {}).get("masked")]
    molecules = [name for name in scores.data_sets if not marks.get(name, {}).get("reads")]
    error = _compared(scores, method, _BY_NAME["masked_l1_median"], masked)
    zeros = _compared(scores, method, _BY_NAME["zero_l1_mean"], scores.data_sets)
    ari = _compared(scores, method, _BY_NAME["ari"], scores.data_sets)
    return [
        _every("masked median error < the best baseline's, on every data set", error, below=1.0, unit="×"),
        _mean(f"masked median error ≤ {MEAN_RATIO:g} × the best baseline's on average", error, at_most=MEAN_RATIO),
        _gap_closed(scores, method, masked),
        _every("mean value at zeros no higher than MAGIC's", zeros, at_most=1.0, unit="×"),
        _mean("ARI ≥ the best baseline's on average", ari, at_least=0.0),
        _every(f"ARI nowhere more than {-ARI_WORST:g} below the best baseline's", ari, at_least=ARI_WORST),
        _mean(
            f"ARI ≥ {ARI_ABOVE_PAPER:g} above preset paper's on average", _above_paper(scores, method), ARI_ABOVE_PAPER
        ),
        _every(f"standard deviation of ARI over seeds ≤ {ARI_SPREAD:g}", _spreads(scores, method), at_most=ARI_SPREAD),
        *(
            _every(
                f"count thinning: {text} below the best of kNN, ALRA and MAGIC",
                _compared(scores, method, metric, molecules),
                below=limit,
                unit=unit,
            )
            for text, metric, limit, unit in (
                ("MSE", _BY_NAME["mse"], 1.0, "×"),
                ("Poisson loss", _BY_NAME["poisson"], 0.0, ""),
            )
        ),
    ]


def _compared(scores: Scores, method: str, metric: Metric, data_sets: Sequence[str]) -> dict[str, float]:
    compared = {name: scores.against_best(name, method, metric) for name in data_sets}
    return {name: value for name, value in compared.items() if value is not None}


def _gap_closed(scores: Scores, method: str, data_sets: Sequence[str]) -> Bar:
    metric, found = _BY_NAME["masked_l1_median"], []
    for name in data_sets:
        seeds = scores.seeds(name, method, metric.name)
        mine, best = scores.median(name, method, metric.name), scores.best(name, metric, seeds)
        floor = scores.noise_floor(name, seeds)
        if mine is not None and best is not None and floor is not None and best[1] > floor:
            found.append(f"{name} {(best[1] - mine) / (best[1] - floor):.0%}")
    return Bar("share closed of the gap from the best baseline to the noise floor", None, ", ".join(found))


def _above_paper(scores: Scores, method: str) -> dict[str, float]:
    found = {}
    for name in scores.data_sets if method != "paper" else ():
        seeds = scores.seeds(name, method, "ari") & scores.seeds(name, "paper", "ari")
        mine, published = (scores.median(name, each, "ari", seeds) for each in (method, "paper"))
        if mine is not None and published is not None:
            found[name] = mine - published
    return found


def _spreads(scores: Scores, method: str) -> dict[str, float]:
    spreads = {name: scores.spread(name, method, "ari") for name in scores.data_sets}
    return {name: value for name, value in spreads.items() if value is not None}


def _every(
    requirement: str,
    found: Mapping[str, float],
    *,
    below: float = float("inf"),
    at_most: float = float("inf"),
    at_least: float = float("-inf"),
    unit: str = "",
) -> Bar:
    good = {
        name: value < below and at_least - _ROUNDING <= value <= at_most + _ROUNDING for name, value in found.items()
    }
    numbers = [f"{name} {_number(value, unit)}{'' if good[name] else ' (missed)'}" for name, value in found.items()]
    return Bar(requirement, all(good.values()) if good else None, ", ".join(numbers))


def _mean(
    requirement: str, found: Mapping[str, float], at_least: float = float("-inf"), *, at_most: float = float("inf")
) -> Bar:
    if not found:
        return Bar(requirement, None, "")
    mean = sum(found.values()) / len(found)
    unit = "×" if at_most < float("inf") else ""
    over = "1 data set" if len(found) == 1 else f"{len(found)} data sets"
    met = at_least - _ROUNDING <= mean <= at_most + _ROUNDING
    return Bar(requirement, met, f"{_number(mean, unit)} over {over}")


def _number(value: float, unit: str) -> str:
    return f"{value:.3f}{unit}" if unit else f"{value:+.3f}"

"""The bars that the method is held to, each met, missed or not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from scgnn2_engine.benchmark.tables import METRICS, TASK_METRICS, UNIMPUTED, Metric, Scores

MEAN_RATIO = 0.97
ARI_WORST = -0.03
ARI_ABOVE_PAPER = 0.05
ARI_SPREAD = 0.03
NOT_WORSE, BEST_OF_ALL = 0.9, 0.5

Outcome = Literal["met", "missed", "no bar", "not measured"]
_Value = TypeVar("_Value")

_BY_NAME = {metric.name: metric for metric in METRICS}
_ROUNDING = 1e-12  # a difference of medians that are equal on paper
_NO_SCORE = "no score"


@dataclass(frozen=True)
class Bar:
    """One requirement and what came of it.

    Attributes
    ----------
    requirement
        What is asked.
    outcome
        ``met``, ``missed``, ``no bar`` (a number to know) or ``not measured``.
    found
        The numbers, data set by data set, and why data sets have none.
    against
        Where not all of those have a score that the bar names: which, and on which data sets; else empty.
    """

    requirement: str
    outcome: Outcome
    found: str
    against: str = ""

    @property
    def verdict(self) -> str:
        """The outcome, and what it is worth where it was not measured against all that the bar names."""
        if not self.against:
            return self.outcome
        return f"{self.outcome}{', ' if self.outcome == 'no bar' else ' '}{self.against}"


@dataclass
class _Found:
    """What a bar is about on each data set that counts.

    Attributes
    ----------
    values
        The number, where there is one.
    without
        Why there is none, where the others are.
    rivals
        Those that the bar names.
    lacking
        Those of them that have no score, for each data set where the method has one.
    """

    values: dict[str, float] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)
    rivals: tuple[str, ...] = ()
    lacking: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def bar(self, requirement: str, numbers: str, *, met: bool | None) -> Bar:
        """The bar with its numbers; ``met`` is None where there is nothing to meet."""
        if not self.values:
            return Bar(requirement, "not measured", self._why())
        outcome: Outcome = "no bar" if met is None else "met" if met else "missed"
        return Bar(requirement, outcome, "; ".join(filter(None, (numbers, self._why()))), self._against())

    def _why(self) -> str:
        groups = _grouped(self.without)
        if len(groups) == 1 and not self.values:
            return next(iter(groups))
        return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in groups.items())

    def _against(self) -> str:
        groups = _grouped(self.lacking)
        if len(groups) == 1:  # the same on every data set
            (lacking,) = groups
            there = ", ".join(name for name in self.rivals if name not in lacking)
            return f"against {there} only ({_NO_SCORE} of {', '.join(lacking)})" if lacking else ""
        some = [f"of {', '.join(lacking)} on {', '.join(names)}" for lacking, names in groups.items() if lacking]
        return f"without a score {'; '.join(some)}" if some else ""


def _grouped(values: Mapping[str, _Value]) -> dict[_Value, list[str]]:
    """The names that have one value in common."""
    groups: dict[_Value, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(value, []).append(name)
    return groups


def bars(scores: Scores, method: str, marks: Mapping[str, Mapping[str, bool]]) -> list[Bar]:
    """Hold a run of scGNN 2.0 to the bars.

    A bar is only as good as those that it was measured against: the verdict names those that the bar is about and that
    have no score, and what was found the data sets on which the method has none.

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
        _every(
            "held-out counts: Poisson likelihood, scaled, above the best tuned rival's",
            _compared(scores, method, _BY_NAME["poisson_scaled"], molecules),
            above=0.0,
        ),
        _every(
            "held-out counts: squared error after the best monotone rescaling below the best tuned rival's",
            _compared(scores, method, _BY_NAME["isotonic_mse"], molecules),
            below=1.0,
            unit="×",
        ),
        *_tasks(scores, method),
    ]


def _tasks(scores: Scores, method: str) -> list[Bar]:
    """How often imputing helps with what it is for: a cell for each task and data set that has it."""
    better: list[bool] = []
    best: list[bool] = []
    worse = []
    rivals = [name for name in scores.methods if name not in scores.runs]
    for metric in TASK_METRICS:
        for name in scores.data_sets:
            mine, plain = (scores.median(name, each, metric.name) for each in (method, UNIMPUTED))
            if mine is None or plain is None:
                continue
            every = (scores.median(name, each, metric.name) for each in rivals)
            better.append(mine >= plain - _ROUNDING)
            best.append(all(mine >= each - _ROUNDING for each in every if each is not None))
            if not better[-1]:
                worse.append(f"{metric.name.removeprefix('task_')} of {name} {mine - plain:+.3f}")
    none: list[str] = []
    wanted = (
        (f"tasks: not worse than without imputation in {NOT_WORSE:.0%} of them", better, NOT_WORSE, worse),
        (f"tasks: no baseline is better in {BEST_OF_ALL:.0%} of them", best, BEST_OF_ALL, none),
    )
    return [
        Bar(
            requirement,
            "met" if sum(good) >= share * len(good) else "missed",
            "; ".join([f"{sum(good)} of {len(good)}", *([", ".join(where)] if where else [])]),
        )
        if good
        else Bar(requirement, "not measured", _NO_SCORE)
        for requirement, good, share, where in wanted
    ]


def _compared(scores: Scores, method: str, metric: Metric, data_sets: Sequence[str]) -> _Found:
    found = _Found(rivals=metric.rivals)
    for name in data_sets:
        seeds = scores.seeds(name, method, metric.name)
        if not seeds:
            found.without[name] = _NO_SCORE
            continue
        found.lacking[name] = scores.lacking(name, metric, seeds)
        value = scores.against_best(name, method, metric)
        if value is not None:
            found.values[name] = value
        elif found.lacking[name] == metric.rivals:
            found.without[name] = f"{_NO_SCORE} of {', '.join(metric.rivals)}"
        else:
            found.without[name] = "no ratio to 0"
    return found


def _gap_closed(scores: Scores, method: str, data_sets: Sequence[str]) -> Bar:
    metric = _BY_NAME["masked_l1_median"]
    found = _compared(scores, method, metric, data_sets)
    for name in list(found.values):
        seeds = scores.seeds(name, method, metric.name)
        mine, best = scores.median(name, method, metric.name), scores.best(name, metric, seeds)
        floor = scores.noise_floor(name, seeds)
        del found.values[name]
        if mine is not None and best is not None and floor is not None and best[1] > floor:
            found.values[name] = (best[1] - mine) / (best[1] - floor)
        else:
            found.without[name] = "no gap"
    numbers = ", ".join(f"{name} {share:.0%}" for name, share in found.values.items())
    return found.bar("share closed of the gap from the best baseline to the noise floor", numbers, met=None)


def _above_paper(scores: Scores, method: str) -> _Found:
    found = _Found(rivals=("paper",))
    for name in scores.data_sets if method != "paper" else ():
        seeds = scores.seeds(name, method, "ari")
        common = seeds & scores.seeds(name, "paper", "ari")
        mine, published = (scores.median(name, each, "ari", common) for each in (method, "paper"))
        if seeds:
            found.lacking[name] = () if common else found.rivals
        if mine is not None and published is not None:
            found.values[name] = mine - published
        else:
            found.without[name] = f"{_NO_SCORE} of paper" if seeds else _NO_SCORE
    return found


def _spreads(scores: Scores, method: str) -> _Found:
    found = _Found()
    for name in scores.data_sets:
        spread = scores.spread(name, method, "ari")
        if spread is not None:
            found.values[name] = spread
        else:
            found.without[name] = "one seed only" if scores.seeds(name, method, "ari") else _NO_SCORE
    return found


def _every(
    requirement: str,
    found: _Found,
    *,
    below: float = float("inf"),
    above: float = float("-inf"),
    at_most: float = float("inf"),
    at_least: float = float("-inf"),
    unit: str = "",
) -> Bar:
    good = {
        name: above < value < below and at_least - _ROUNDING <= value <= at_most + _ROUNDING
        for name, value in found.values.items()
    }
    numbers = (
        f"{name} {_number(value, unit)}{'' if good[name] else ' (missed)'}" for name, value in found.values.items()
    )
    return found.bar(requirement, ", ".join(numbers), met=all(good.values()))


def _mean(requirement: str, found: _Found, at_least: float = float("-inf"), *, at_most: float = float("inf")) -> Bar:
    n_sets = max(1, len(found.values))
    mean = sum(found.values.values()) / n_sets
    unit = "×" if at_most < float("inf") else ""
    over = "1 data set" if n_sets == 1 else f"{n_sets} data sets"
    met = at_least - _ROUNDING <= mean <= at_most + _ROUNDING
    return found.bar(requirement, f"{_number(mean, unit)} over {over}", met=met)


def _number(value: float, unit: str) -> str:
    return f"{value:.3f}{unit}" if unit else f"{value:+.3f}"

"""How far a run is and how long it will still take, from its events alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scgnn2_engine.data.costs import ending, loop_seconds

BEFORE = ("load", "preprocess", "LTMG", "feature_AE", "graph", "graph_AE")
"""The stages before the loop, in order."""

SHARE: Mapping[str, float] = {
    "load": 0.02,
    "preprocess": 0.01,
    "LTMG": 0.1,
    "feature_AE": 0.4,
    "graph": 0.01,
    "graph_AE": 0.2,
    "clustering": 0.05,
    "cluster_AE": 0.4,
    "deconvolution": 0.1,
    "evaluate": 0.02,
}
"""Rough lengths of the stages relative to an iteration, until the run has measured its own.

What comes after the iterations is not among them, the final scoring (stage ``evaluate`` of iteration 0) and the output:
it hangs on other things (:func:`~scgnn2_engine.data.costs.ending`).
"""

MOST_SLOWER = 3.0
"""How much slower than the model the end of a run is taken to be: long trainings make slow iterations as well."""


@dataclass
class Progress:
    """Listens to the events of one run.

    Attributes
    ----------
    stage, iteration
        Where it is.
    scores
        The newest iteration's, or once the run is over the selected one's.
    share
        0 to 1; never falls. As of the newest event, see :meth:`by`.
    seconds_left
        Likewise; None where there is no estimate.

    Examples
    --------
    >>> progress = Progress()
    >>> progress.listen([{"event": "RunStarted", "params": {"total_epoch": 2}}])
    >>> progress.share
    0.0
    """

    stage: str = ""
    iteration: int = 0
    scores: Mapping[str, float] = field(default_factory=dict)
    share: float = 0.0
    seconds_left: float | None = None
    _by_iteration: dict[int, Mapping[str, float]] = field(default_factory=dict)
    _n_iterations: int = 0
    _params: Mapping[str, Any] = field(default_factory=dict)
    _size: tuple[int, int] = (0, 0)  # cells and genes as far as they are known
    _looped: bool = False  # the iterations are over
    _scored: bool = False
    _budget: float = 0.0
    _done: float = 0.0  # seconds of the stages that are over
    _first: datetime | None = None
    _now: datetime | None = None
    _within: float = 0.0  # share of the stage under way
    _cluster: tuple[Any, float] = (None, 0.0)
    _measured: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _before: dict[str, float] = field(default_factory=dict)
    _of_iteration: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _usual: tuple[str, ...] = ("clustering", "cluster_AE", "feature_AE", "graph", "graph_AE", "evaluate")

    def listen(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in the next events, in order."""
        for event in events:
            if "time" in event:
                self._now = datetime.fromisoformat(event["time"])
                self._first = self._first or self._now
            self._take(event)
        self._estimate()

    def by(self, now: datetime) -> tuple[float, float | None]:
        """:attr:`share` and :attr:`seconds_left` at a moment: within long stages nothing is heard, but time passes."""
        if self.seconds_left is None or self._now is None or self._first is None or self.share >= 1:
            return self.share, self.seconds_left
        left = max(0.0, self.seconds_left - max(0.0, (now - self._now).total_seconds()))
        self._advance((now - self._first).total_seconds(), left)
        return self.share, left

    def _take(self, event: Mapping[str, Any]) -> None:
        kind = event.get("event")
        if kind == "RunStarted":
            params = event.get("params") or {}
            self._n_iterations = int(params.get("total_epoch") or 0)
            self._budget = float(params.get("max_seconds") or 0)
            n_vars = int(event.get("n_vars") or 0)
            kept = min(n_vars, int(params.get("preprocess_top_gene_select") or n_vars))
            self._params, self._size = params, (int(event.get("n_obs") or 0), kept)
        elif kind == "StageStarted":
            self.stage, self.iteration, self._within = event["stage"], max(self.iteration, event["iteration"]), 0.0
            self._cluster = (None, 0.0)
            # Numbered 0, these come before the iterations or after them.
            self._looped |= self.stage == "output" or (self.stage == "evaluate" and event["iteration"] == 0)
        elif kind == "EpochEnded":
            self._within = self._epoch(event)
        elif kind == "StageEnded":
            self._stage_ended(event["stage"], event["iteration"], float(event["seconds"] or 0))
        elif kind == "IterationEnded":
            scores = event.get("scores") or {}
            self.scores = {name: value for name, value in scores.items() if value is not None}
            self._by_iteration[event["iteration"]] = self.scores
            self._n_iterations = event["n_iterations"]
            self._usual = tuple(self._of_iteration)
            self._of_iteration = defaultdict(float)
        elif kind == "RunEnded":
            self.scores = self._by_iteration.get(event.get("selected_iteration", 0), self.scores)
            self.share, self.seconds_left, self._n_iterations = 1.0, 0.0, 0

    def _epoch(self, event: Mapping[str, Any]) -> float:
        """The share of a stage that is done; one autoencoder for each cluster: their number is not known beforehand."""
        share = event["epoch"] / max(1, event["n_epochs"])
        if event.get("cluster") is None:
            return float(share)
        clusters = max(1, int(self.scores.get("cluster_count") or 8))
        return float(min(1.0, (int(event["cluster"]) + share) / clusters))

    def _stage_ended(self, stage: str, iteration: int, seconds: float) -> None:
        self._done += seconds
        self._within = 0.0
        self.stage = ""
        if self._looped:
            self._scored = True
        elif iteration == 0:
            self._before[stage] = seconds
        else:
            self._of_iteration[stage] += seconds
            self._measured[stage].append(seconds)

    def _scale(self) -> float:
        """Seconds of a unit of :data:`SHARE`, from the stages that are over; a guess until something is trained."""
        known = {stage: times[-1] for stage, times in self._measured.items()} | self._before
        units = sum(SHARE.get(stage, 0.1) for stage in known)
        if units < SHARE["LTMG"]:
            return loop_seconds(*self._size)[1]
        return sum(known.values()) / units

    def _seconds(self, stage: str, scale: float) -> float:
        times = self._measured.get(stage)
        return sum(times) / len(times) if times else SHARE.get(stage, 0.1) * scale

    def _estimate(self) -> None:
        if not self._n_iterations:
            return
        scale = self._scale()
        one = sum(self._seconds(stage, scale) for stage in self._usual)
        if one <= 0:
            return
        expected = loop_seconds(*self._size)[1] if all(self._size) else 0.0
        slower = min(MOST_SLOWER, max(1.0, one / expected)) if expected > 0 else 1.0
        scoring, output = (slower * seconds for seconds in ending(*self._size, self._params, self._n_iterations))
        left = 0.0 if self._scored else scoring
        if not self._looped:
            left += self._left_of_loop(one, scale)
        passed = (self._now - self._first).total_seconds() if self._first and self._now else self._done
        if self._budget:
            left = min(left, max(0.0, self._budget - passed))
        self.seconds_left = left + output
        self._advance(passed, self.seconds_left)

    def _left_of_loop(self, one: float, scale: float) -> float:
        ended = len(self._by_iteration)
        left = one * max(0, self._n_iterations - ended)
        left -= min(one, sum(self._of_iteration.values()))
        if self.iteration == 0 and not ended:
            left += sum(SHARE[stage] * scale for stage in BEFORE if stage not in self._before)
        if self.stage:
            length = SHARE.get(self.stage, 0.1) * scale if self.iteration == 0 else self._seconds(self.stage, scale)
            left -= self._within * length
        return max(0.0, left)

    def _advance(self, passed: float, left: float) -> None:
        if passed + left > 0:
            self.share = max(self.share, min(0.99, passed / (passed + left)))

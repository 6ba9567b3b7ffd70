"""What has happened in a run so far, folded from its events: curves, scores and a log."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scgnn2_app.results.baseline_levels import Level
from scgnn2_engine.messages import ended_said, iteration_said, sentence

if TYPE_CHECKING:
    from scgnn2_app.runs.jobs import JobManager

NAN = float("nan")

Line = tuple[str, int | None, str]
"""Stage, cluster (None where the stage has one autoencoder), and name of the loss."""


@dataclass
class Curve:
    """One line of a chart: x, and y with a NaN where training starts anew; both only grow."""

    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)


@dataclass
class RunHistory:
    """Listens to the events of one run, as :meth:`JobManager.events` gives them.

    Attributes
    ----------
    curves
        The losses by stage, cluster and name. x is the running number of the epoch over all iterations; where a
        stage has an autoencoder for each cluster, all clusters of an iteration start at the same x.
    scores
        One row for each complete iteration: ``iteration`` and its scores, None left out.
    log
        Sentences with the moment they were said (ISO 8601) and their level.
    selected
        The iteration that was returned, once the run is over.
    levels
        The best baselines, where somebody has read them (:func:`~scgnn2_app.baseline_levels.baseline_levels`).
    n_obs, n_vars
        Cells and genes as read.

    Examples
    --------
    >>> history = RunHistory()
    >>> history.listen([{"event": "EpochEnded", "stage": "graph_AE", "iteration": i, "epoch": e, "cluster": None,
    ...                "losses": {"loss": 4.0 / e}} for i in (0, 1) for e in (1, 2)])
    >>> curve = history.curves["graph_AE", None, "loss"]
    >>> curve.x, curve.y
    ([1.0, 2.0, 2.5, 3.0, 4.0], [4.0, 2.0, nan, 4.0, 2.0])
    """

    curves: dict[Line, Curve] = field(default_factory=dict)
    scores: list[dict[str, float]] = field(default_factory=list)
    log: list[tuple[str, str, str]] = field(default_factory=list)
    selected: int | None = None
    levels: dict[str, Level] = field(default_factory=dict)
    n_obs: int = 0
    n_vars: int = 0
    _offset: dict[str, float] = field(default_factory=dict)
    _furthest: dict[str, float] = field(default_factory=dict)
    _iteration: dict[str, int] = field(default_factory=dict)
    _begun: dict[Line, int] = field(default_factory=dict)

    @classmethod
    def of(cls, jobs: JobManager, run_id: str) -> RunHistory:
        """What has happened in a run by now."""
        history, (events, cursor) = cls(), jobs.events(run_id, 0)
        while events:
            history.listen(events)
            events, cursor = jobs.events(run_id, cursor)
        return history

    @property
    def warnings(self) -> list[str]:
        """What was said as a warning, each once."""
        return list(dict.fromkeys(text for _, level, text in self.log if level == "warning"))

    def listen(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in the next events, in order."""
        for event in events:
            kind = event.get("event")
            if kind == "EpochEnded":
                self._epoch(event)
            elif kind == "IterationEnded":
                scores = {name: value for name, value in (event.get("scores") or {}).items() if value is not None}
                self.scores.append({"iteration": event["iteration"], **scores})
                at = f"Iteration {event['iteration']} of {event['n_iterations']}"
                self._say(event, ", ".join(filter(None, (at, iteration_said(scores)))), "success")
            elif kind == "RunStarted":
                self.n_obs, self.n_vars = event["n_obs"], event["n_vars"]
            elif kind == "Notice":
                said = event.get("message") or sentence(event["code"], event.get("values"))  # message: up to 0.1
                self._say(event, said, event.get("level", "info"))
            elif kind == "StageEnded":
                where = f", iteration {event['iteration']}" if event["iteration"] else ""
                memory = f", {event['peak_memory'] / 2**30:.2f} GiB" if event.get("peak_memory") else ""
                self._say(event, f"{event['stage']}{where}: {event['seconds'] or 0:.1f} s{memory}")
            elif kind == "RunEnded":
                self.selected = event.get("selected_iteration")
                self._say(event, ended_said(str(event.get("reason", "")), self.selected))
            elif kind == "RunFailed":
                self._say(event, f"{event.get('kind')}: {event.get('message')}", "error")

    def mean(self, stage: str, name: str = "loss") -> Curve:
        """The loss of a stage; of the cluster autoencoders the mean over those still training."""
        lines = [curve for (of, _, called), curve in self.curves.items() if (of, called) == (stage, name)]
        if len(lines) == 1:
            return lines[0]
        sums: dict[float, list[float]] = {}
        for curve in lines:
            for x, y in zip(curve.x, curve.y, strict=True):
                sums.setdefault(x, []).append(y)
        xs = sorted(sums)
        return Curve(xs, [_mean(sums[x]) for x in xs])

    def column(self, name: str) -> tuple[list[float], list[float]]:
        """Iterations that have a score, and the score."""
        rows = [(row["iteration"], row[name]) for row in self.scores if name in row]
        return [float(iteration) for iteration, _ in rows], [value for _, value in rows]

    def _epoch(self, event: Mapping[str, Any]) -> None:
        stage, iteration, cluster = event["stage"], event["iteration"], event.get("cluster")
        if self._iteration.get(stage, iteration) != iteration:
            self._offset[stage] = self._furthest[stage]
        self._iteration[stage] = iteration
        start = self._offset.get(stage, 0.0)
        x = start + event["epoch"]
        self._furthest[stage] = max(self._furthest.get(stage, 0.0), x)
        for name, loss in (event.get("losses") or {}).items():
            if name not in ("loss", "validation"):
                continue
            line: Line = (stage, cluster, name)
            curve = self.curves.setdefault(line, Curve())
            if self._begun.setdefault(line, iteration) != iteration:
                self._begun[line] = iteration
                curve.x.append(start + 0.5)
                curve.y.append(NAN)
            curve.x.append(x)
            curve.y.append(float(loss) if loss is not None and loss > 0 else NAN)

    def _say(self, event: Mapping[str, Any], text: str, level: str = "info") -> None:
        self.log.append((str(event.get("time", "")), level, text))


def _mean(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else NAN

"""What a run looks like on a terminal, and in a log."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from scgnn2_engine.events import (
    EpochEnded,
    Event,
    IterationEnded,
    Notice,
    RunEnded,
    RunStarted,
    StageEnded,
    StageStarted,
)
from scgnn2_engine.messages import ended_said, iteration_said

STAGE_TITLES = {
    "load": "reading",
    "preprocess": "preparing",
    "LTMG": "LTMG states",
    "feature_AE": "feature autoencoder",
    "graph": "cell graph",
    "graph_AE": "graph autoencoder",
    "clustering": "clustering",
    "cluster_AE": "cluster autoencoders",
    "deconvolution": "bulk deconvolution",
    "evaluate": "scoring",
    "output": "writing",
}


def reporter(console: Console) -> Display:
    """A live display where the console is a terminal, plain lines elsewhere."""
    return LiveDisplay(console) if console.is_terminal else Display(console)


def duration(seconds: float) -> str:
    """Seconds as a person reads them.

    Examples
    --------
    >>> duration(4.21), duration(75), duration(7260)
    ('4.2 s', '1 min 15 s', '2 h 01 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def iteration_line(event: IterationEnded) -> str:
    """One iteration as a line: clusters, agreement, errors, time."""
    at = f"iteration {event.iteration}/{event.n_iterations}"
    return f"{at}, {iteration_said(event.scores)}, {duration(event.scores['seconds'])}"


class Display:
    """Plain lines, one for every stage and iteration: for logs."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def line(self, text: str, style: str = "") -> None:
        """Print one line as it is, without markup and without breaking it."""
        self.console.print(text, style=style or None, markup=False, highlight=False, soft_wrap=True)

    def show(self, event: Event) -> None:
        """Take one event."""
        match event:
            case RunStarted():
                self.line(f"{event.n_obs} cells x {event.n_vars} genes, device {event.device}")
            case Notice(level="warning"):
                self.line(f"Warning: {event.message}", "yellow")
            case Notice():
                self.line(event.message, "dim")
            case StageEnded():
                self.stage_ended(event)
            case IterationEnded():
                self.line(iteration_line(event))
            case RunEnded():
                record = event.result.record
                self.line(ended_said(event.reason, record["selected_iteration"], record["run_ID"]))
            case _:
                return

    def stage_ended(self, event: StageEnded) -> None:
        """Say that a stage is over."""
        where = f"iteration {event.iteration}: " if event.iteration else ""
        peak = event.peak_memory / 2**30
        self.line(f"  {where}{STAGE_TITLES[event.stage]} done in {duration(event.seconds)}, peak {peak:.2f} GiB", "dim")


class LiveDisplay(Display):
    """Progress bars with the time left, for a terminal."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console)
        self._clock = clock
        self._progress = Progress(
            TextColumn("{task.description}", table_column=_column(34)),
            BarColumn(),
            TextColumn("{task.fields[detail]}", table_column=_column(34)),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._run: TaskID = self._progress.add_task("starting", total=None, detail="")
        self._stage: TaskID = self._progress.add_task("", total=None, detail="")
        self._iterations: list[float] = []

    def __enter__(self) -> LiveDisplay:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        """Take one event."""
        super().show(event)
        match event:
            case StageStarted():
                where = f"iteration {event.iteration}" if event.iteration else "before the loop"
                self._progress.update(self._run, description=where)
                title = STAGE_TITLES[event.stage]
                self._progress.reset(self._stage, total=event.n_epochs, description=title, detail="")
            case EpochEnded():
                self._epoch(event)
            case IterationEnded():
                self._iterations.append(event.scores["seconds"])
                left = (event.n_iterations - event.iteration) * sum(self._iterations) / len(self._iterations)
                detail = f"at most {duration(left)} left"
                self._progress.update(self._run, total=event.n_iterations, completed=event.iteration, detail=detail)
            case _:
                return

    def _epoch(self, event: EpochEnded) -> None:
        detail = f"loss {event.losses['loss']:.4g}" if "loss" in event.losses else ""
        title = STAGE_TITLES[event.stage]
        if event.cluster is not None:
            title = f"{title}: {event.cluster}"
        self._progress.update(
            self._stage, total=event.n_epochs, completed=event.epoch, description=title, detail=detail
        )

    def stage_ended(self, event: StageEnded) -> None:
        """On a terminal the bars say it; nothing is printed."""


def _column(width: int) -> Column:
    return Column(width=width, no_wrap=True)

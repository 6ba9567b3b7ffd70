"""The one stream of events that a run emits.

:func:`scgnn2_engine.iterate` yields these; the command line, notebooks and the dashboard all read the same stream.
Events are frozen and carry detached CPU NumPy arrays only.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from scgnn2_engine.messages import NOTICES, Level, sentence
from scgnn2_engine.messages import Stage as Stage

if TYPE_CHECKING:
    import pandas as pd

    from scgnn2_engine.data.dataset import Dataset
    from scgnn2_engine.data.prepared import Prepared
    from scgnn2_engine.results.result import Result
    from scgnn2_engine.results.state import LoopState

StopReason = Literal[
    "out_of_memory",
    "total_epoch",
    "graph_change",
    "ari_between_iterations",
    "max_seconds",
    "stop_signal",
    "training_error",
]


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The data is read and the parameters are fixed.

    Attributes
    ----------
    n_obs, n_vars
        Cells and genes as read, before filtering.
    params
        The flat snapshot of every parameter (:meth:`RunParams.to_dict`).
    device
        The device in use, e.g. ``"cpu"``.
    """

    n_obs: int
    n_vars: int
    params: Mapping[str, Any]
    device: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What the user should know: what was detected, dropped, renamed or cut short.

    Attributes
    ----------
    code
        What is said, a key of :data:`scgnn2_engine.messages.NOTICES`; or a whole sentence, as of a reader about a file.
    values
        The numbers and names in it.

    Examples
    --------
    >>> notice = Notice.of("clusters_merged", before=7, after=5)
    >>> notice.stage, notice.message
    ('clustering', '7 clusters: the smallest were merged, 5 remain.')
    """

    code: str
    level: Level = "info"
    stage: Stage = "load"
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, code: str, **values: Any) -> Notice:
        """The notice of a code, with its level and stage."""
        return cls(code, NOTICES[code].level, NOTICES[code].stage, values)

    @property
    def message(self) -> str:
        """The sentence."""
        return sentence(self.code, self.values)


def said(notes: Iterable[str], warnings: Iterable[str], stage: Stage) -> list[Notice]:
    """Notices of what somebody has put into words already, as readers and writers do of a file."""
    return [*(Notice(note, "info", stage) for note in notes), *(Notice(text, "warning", stage) for text in warnings)]


class Noted:
    """What has notices."""

    notices: tuple[Notice, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found and decided, as sentences."""
        return tuple(notice.message for notice in self.notices if notice.level == "info")

    @property
    def warnings(self) -> tuple[str, ...]:
        """Likewise, what the user should look at."""
        return tuple(notice.message for notice in self.notices if notice.level == "warning")


@dataclass(frozen=True, slots=True)
class DataPrepared:
    """What the loop will train on.

    Attributes
    ----------
    prepared
        Kept cells and genes, their names, what was hidden.
    obs
        (n_obs, ...) annotation of the kept cells that came with the data, or None.
    dataset
        All that was read.
    """

    prepared: Prepared
    obs: pd.DataFrame | None = None
    dataset: Dataset | None = None


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins. ``iteration`` is 0 before the loop.

    ``n_epochs`` is None for stages without epochs, else the number asked for; a bound on the steps may leave fewer
    (see ``EpochEnded.n_epochs``).
    """

    stage: Stage
    iteration: int
    n_epochs: int | None = None


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """One epoch of training is over.

    Attributes
    ----------
    epoch, n_epochs
        1-based epoch and the number planned (training may end earlier).
    losses
        ``"loss"`` (what is minimised, summed over the epoch's batches) and its named parts; ``"validation"`` where a
        held-out share is scored. Empty for LTMG, whose epochs count the genes that are done.
    cluster
        Which cluster's autoencoder, None for the other stages.
    """

    stage: Stage
    iteration: int
    epoch: int
    n_epochs: int
    losses: Mapping[str, float]
    cluster: int | None = None


@dataclass(frozen=True, slots=True)
class StageEnded:
    """A stage is over: wall-clock seconds and the peak resident memory seen during it, in bytes."""

    stage: Stage
    iteration: int
    seconds: float
    peak_memory: int


@dataclass(frozen=True, slots=True)
class IterationEnded:
    """One iteration of the loop is complete: its whole state and its row of ``metrics.csv``."""

    iteration: int
    n_iterations: int
    state: LoopState
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over and this is its result; ``reason`` says which rule ended it.

    ``not_written``: of a run with a folder, the files that could not be written, each with the reason.
    """

    result: Result
    reason: StopReason
    not_written: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunFailed:
    """The run broke down with an error; the last line of a failed run's ``events.jsonl``."""

    kind: str
    message: str


Event = (
    RunStarted | Notice | DataPrepared | StageStarted | EpochEnded | StageEnded | IterationEnded | RunEnded | RunFailed
)

Stop = Callable[[], bool]
"""Asked after every epoch; True means: finish with what is there."""


def never() -> bool:
    """Stop condition of a run nobody interrupts."""
    return False


T = TypeVar("T")


def drain(steps: Generator[Event, None, T], listen: Callable[[Event], object] = lambda _: None) -> T:
    """Run a generator of events to its end and return its value.

    Parameters
    ----------
    steps
        What is run.
    listen
        Is given every event.

    Examples
    --------
    >>> def stage():
    ...     yield Notice("half way")
    ...     return 42
    >>> drain(stage())
    42
    """
    while True:
        try:
            listen(next(steps))
        except StopIteration as end:
            value: T = end.value
            return value

"""What stands in the folder of a run: what was asked for, how far it is, what happened; and all of it for a screen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from scgnn2_app.sources.source import Source
from scgnn2_engine.errors import InputError
from scgnn2_engine.io import whole_file
from scgnn2_engine.io.results.records import json_text

Record = TypeVar("Record")
State = Literal["queued", "running", "stopping", "stopped", "failed", "done"]

OVER: frozenset[str] = frozenset({"stopped", "failed", "done"})
"""The states that no longer change."""

_AT_ONCE = 4 * 2**20  # bytes of events read in one go, so that a page's poll stays short


@dataclass(frozen=True)
class Job:
    """What was asked for, as written down when a run is submitted; it never changes but for name, note and archive.

    Attributes
    ----------
    source
        The data.
    params, changed
        Every parameter by its flat key, and those that differ from the preset.
    name, owner
        What the user called it, and who that is (empty without ``--auth``).
    created
        When it was submitted.
    sweep, trial
        The sweep it belongs to and its number in it, or ``""`` and None.
    where
        ``"process"``: started by a :class:`~scgnn2_app.runs.jobs.JobManager`. ``"dask"``: by a Dask cluster.
    note, archived
        What the user noted, tags among it, and whether the list of runs leaves it out.
    """

    source: Source
    params: Mapping[str, Any]
    changed: Mapping[str, Any]
    created: datetime
    name: str = ""
    owner: str = ""
    sweep: str = ""
    trial: int | None = None
    where: Literal["process", "dask"] = "process"
    note: str = ""
    archived: bool = False


@dataclass(frozen=True)
class RunState:
    """How far a run is, as its process and the one who started it write it down.

    Attributes
    ----------
    state
        ``queued``, ``running`` or one of :data:`OVER`; ``stopping`` is a running one that was asked to stop.
    started, ended
        When its process was started and when it was over.
    reason
        Why it stopped or failed, a sentence.
    traceback
        Where an unexpected error came from.
    pid, birth, host
        Its process: number, what tells it from another of the same number, machine.
    supervisor, supervisor_birth
        The process that waits for it and learns how it ended.
    attempt
        1, and one more for every time it was run again because its machine was lost.
    """

    state: State = "queued"
    started: datetime | None = None
    ended: datetime | None = None
    reason: str = ""
    traceback: str = ""
    pid: int = 0
    birth: str = ""
    host: str = ""
    supervisor: int = 0
    supervisor_birth: str = ""
    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class RunInfo(RunState, Job):
    """One run as a screen shows it: what was asked for, how far it is, and what its log says.

    Attributes
    ----------
    id
        Sorts by time; unique.
    folder
        Where its files are.
    stage, iteration
        Where a running one is.
    progress
        Share of the work that is done, 0 to 1; never falls.
    seconds_left
        Estimate, None where there is none.
    scores
        Those of the selected iteration once the run is over, before that of the newest one; only those that have a
        value.
    has_result
        Whether ``result.h5ad`` and the tables are there; true for stopped and failed runs that kept an iteration.
    """

    id: str
    folder: Path
    stage: str = ""
    iteration: int = 0
    progress: float = 0.0
    seconds_left: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    has_result: bool = False

    @property
    def title(self) -> str:
        """The name, or where none was given the data and the time."""
        return title_of(self.name, self.source, self.created)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in OVER

    @property
    def seconds(self) -> float | None:
        """Wall-clock seconds since it started, or that it took."""
        if self.started is None:
            return None
        return ((self.ended or datetime.now(UTC)) - self.started).total_seconds()


def title_of(name: str, source: Source, created: datetime) -> str:
    """What a run is called: its name, or where none was given the data and the time."""
    return name or f"{source.text}, {created.astimezone():%d %b %H:%M}"


def write_json(path: Path, record: Any) -> None:
    """Write a dataclass as JSON, whole or not at all."""
    values = asdict(record)
    for key, value in values.items():
        if isinstance(value, datetime):
            values[key] = value.isoformat()
    with whole_file(path) as temporary:
        temporary.write_text(json_text(values), encoding="utf-8")


def read_json(path: Path, kind: Callable[..., Record], **parts: Callable[[Any], Any]) -> Record:
    """A dataclass as :func:`write_json` wrote it; ``parts`` make the fields that JSON has no kind for.

    Raises
    ------
    InputError
        The file is missing or damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        made = {name: make(values[name]) for name, make in parts.items() if values.get(name) is not None}
        return kind(**{**values, **made})
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.", advice="Delete this run or sweep.") from error


def read_job(folder: Path) -> Job:
    """The ``job.json`` of a run's folder; :class:`InputError` where it is damaged."""
    return read_json(folder / "job.json", Job, source=Source.from_dict, created=datetime.fromisoformat)


def read_state(folder: Path) -> RunState:
    """The ``state.json`` of a run's folder; where it is damaged, failed with that reason."""

    def state(keeper: int = 0, keeper_birth: str = "", **values: Any) -> RunState:
        return RunState(**values)  # those two are what the supervisor was called at first

    try:
        moment = datetime.fromisoformat
        return read_json(folder / "state.json", state, started=moment, ended=moment)
    except InputError as error:
        return RunState("failed", reason=f"Its state is damaged: {error}")


def read_events(path: Path, cursor: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The whole lines of an event log after a position; see :meth:`Workspace.events`."""
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) < cursor:
                cursor = 0
            file.seek(cursor)
            block = file.read(_AT_ONCE)
            if len(block) == _AT_ONCE and b"\n" not in block:
                block += file.readline()
    except FileNotFoundError:
        return [], 0
    end = block.rfind(b"\n") + 1
    events = []
    for line in block[:end].splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # a line that a full disk cut short
            continue
        if isinstance(event, dict):
            events.append(event)
    return events, cursor + end

"""What stands in the folder of a run: what was asked for, how far it is, what happened; and all of it for a screen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from scgnn2_app.sources.source import Source
from scgnn2_engine.errors import InputError
from scgnn2_engine.io import whole_file
from scgnn2_engine.io.results.records import json_text

State = Literal["queued", "running", "stopping", "stopped", "failed", "done"]

OVER: frozenset[str] = frozenset({"stopped", "failed", "done"})
"""The states that no longer change."""

_AT_ONCE = 4 * 2**20  # bytes of events read in one go, so that a page's poll stays short


@dataclass(frozen=True)
class Job:
    """What was asked for, as written down when a run is submitted; it never changes but for its name.

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
    keeper, keeper_birth
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
    keeper: int = 0
    keeper_birth: str = ""
    attempt: int = 1


@dataclass(frozen=True)
class RunInfo:
    """One run as a screen shows it.

    Attributes
    ----------
    id
        Sorts by time; unique.
    name, owner, sweep, trial
        As submitted. ``name`` is empty where the user gave none.
    state
        ``queued``, ``running``, ``stopping``, ``stopped``, ``failed`` or ``done``.
    created, started, ended
        Moments in UTC, None where not yet.
    source
        The data; ``source.text`` is its name.
    params, changed
        Every parameter by its flat key, and those that differ from the preset.
    reason, traceback
        Why it stopped or failed.
    stage, iteration
        Where a running one is.
    progress
        Share of the work that is done, 0 to 1; never falls.
    seconds_left
        Estimate, None where there is none.
    scores
        Those of the selected iteration once the run is over, before that of the newest one; only those that have a
        value.
    folder
        Where its files are.
    has_result
        Whether ``result.h5ad`` and the tables are there; true for stopped and failed runs that kept an iteration.
    """

    id: str
    name: str
    owner: str
    state: State
    created: datetime
    source: Source
    params: Mapping[str, Any]
    changed: Mapping[str, Any]
    folder: Path
    started: datetime | None = None
    ended: datetime | None = None
    sweep: str = ""
    trial: int | None = None
    reason: str = ""
    traceback: str = ""
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


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises
    ------
    InputError
        The file is missing or damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.", advice="Delete this run or sweep.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} is not a record of the workspace.", expected="a JSON object")
    return values


def read_job(folder: Path) -> Job:
    """The ``job.json`` of a run's folder."""
    values = read_json(folder / "job.json")
    try:
        values["source"] = Source.from_dict(values["source"])
        values["created"] = datetime.fromisoformat(values["created"])
        return Job(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / 'job.json'} is damaged: {error}.", advice="Delete this run.") from error


def read_state(folder: Path) -> RunState:
    """The ``state.json`` of a run's folder; where it is damaged, failed with that reason."""
    try:
        values = read_json(folder / "state.json")
        for key in ("started", "ended"):
            values[key] = datetime.fromisoformat(values[key]) if values.get(key) else None
        return RunState(**values)
    except (InputError, TypeError, ValueError) as error:
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

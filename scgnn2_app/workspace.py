"""The workspace: a folder that holds every run, so that nothing is lost when a page, a server or a machine goes away.

::

    workspace/
      runs/<id>/      job.json, run.toml, state.json, events.jsonl, log.txt, snapshots/, and the result's own files
      sweeps/<id>/    sweep.json, state.json, study.db
      uploads/        files that came through the browser, a folder for each user
      data/           AnnData objects handed over in memory
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from scgnn2_app.sources import Source
from scgnn2_engine.errors import InputError
from scgnn2_engine.io import whole_file
from scgnn2_engine.io.records import json_text
from scgnn2_engine.params import RunParams

State = Literal["queued", "running", "stopping", "stopped", "failed", "done"]

OVER: frozenset[str] = frozenset({"stopped", "failed", "done"})
"""The states that no longer change."""

DEFAULT = Path("outputs") / "workspace"
"""The workspace where none is named, relative to the current folder."""

_ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{6}")
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
        ``"process"``: started by a :class:`~scgnn2_app.jobs.JobManager`. ``"dask"``: by a Dask cluster.
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
        return self.name or f"{self.source.text}, {self.created.astimezone():%d %b %H:%M}"

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


class Workspace:
    """The folder of all runs.

    Parameters
    ----------
    folder
        Made if it is not there.

    Raises
    ------
    OutputError
        It cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> workspace = Workspace(tempfile.mkdtemp())
    >>> run = workspace.add(Source.demo(), RunParams(seed=2), name="second seed")
    >>> workspace.job(run).changed, workspace.state(run).state, workspace.run_ids() == [run]
    ({'seed': 2}, 'queued', True)
    """

    def __init__(self, folder: str | Path = DEFAULT) -> None:
        self.folder = Path(folder).expanduser().resolve()
        with whole_file(self.folder / ".write-test") as probe:
            probe.write_text("may this user write here?")
        (self.folder / ".write-test").unlink(missing_ok=True)
        for name in ("runs", "sweeps", "uploads", "data"):
            (self.folder / name).mkdir(exist_ok=True)

    @property
    def uploads(self) -> Path:
        """Where files go that come through the browser."""
        return self.folder / "uploads"

    @property
    def data(self) -> Path:
        """Where AnnData objects go that are handed over in memory."""
        return self.folder / "data"

    @property
    def sweeps(self) -> Path:
        """The folders of the sweeps."""
        return self.folder / "sweeps"

    def lock(self) -> FileLock:
        """Keeps every other process out of the queue while it is held; given back when a process dies."""
        return FileLock(self.folder / ".lock", timeout=60)

    def add(
        self,
        source: Source,
        params: RunParams,
        *,
        name: str = "",
        owner: str = "",
        sweep: str = "",
        trial: int | None = None,
        where: Literal["process", "dask"] = "process",
    ) -> str:
        """Write a new run down as queued and return its id; nothing is started."""
        now = datetime.now(UTC)
        job = Job(source, params.to_dict(), params.changed(), now, name, owner, sweep, trial, where)
        run_id = new_id(now)
        folder = self.folder / "runs" / run_id
        folder.mkdir()
        try:
            write_json(folder / "state.json", RunState())
            (folder / "run.toml").write_text(params.to_toml(documented=False), encoding="utf-8")
            write_json(folder / "job.json", job)  # last: a folder without it is no run yet
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return run_id

    def run_ids(self) -> list[str]:
        """All runs, oldest first."""
        folders = (self.folder / "runs").iterdir()
        return sorted(
            folder.name for folder in folders if _ID.fullmatch(folder.name) and (folder / "job.json").exists()
        )

    def run_folder(self, run_id: str) -> Path:
        """The folder of a run.

        Raises
        ------
        InputError
            There is no such run.
        """
        folder = self.folder / "runs" / run_id
        if not _ID.fullmatch(run_id) or not (folder / "job.json").exists():
            raise InputError(
                f"There is no run {run_id!r} in this workspace.",
                expected="the id of a run",
                advice="It may have been deleted; the list of runs shows those that are there.",
            )
        return folder

    def job(self, run_id: str) -> Job:
        """What was asked for.

        Raises
        ------
        InputError
            There is no such run, or its ``job.json`` is damaged.
        """
        return read_job(self.run_folder(run_id))

    def state(self, run_id: str) -> RunState:
        """How far it is; where ``state.json`` is damaged, failed with that reason."""
        return read_state(self.run_folder(run_id))

    def set_state(self, run_id: str, state: RunState) -> None:
        """Replace the state in one step."""
        write_json(self.run_folder(run_id) / "state.json", state)

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name."""
        folder = self.run_folder(run_id)
        write_json(folder / "job.json", replace(read_job(folder), name=name.strip()))

    def delete(self, run_id: str) -> None:
        """Remove a run and all its files."""
        folder = self.run_folder(run_id)
        hidden = folder.with_name(f".deleted-{run_id}")
        folder.rename(hidden)  # in one step, so that nobody sees half a run
        shutil.rmtree(hidden, ignore_errors=True)

    def events(self, run_id: str, cursor: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The events after a cursor, in order, and the new cursor.

        Parameters
        ----------
        run_id
            The run; its log may not be there yet.
        cursor
            0 at first, then what the last call gave back: a position in ``events.jsonl``.

        Returns
        -------
        events, cursor
            Every event is a dictionary with ``"event"`` (the class's name, such as ``EpochEnded``), ``"time"`` and its
            fields. Only whole lines are read, at most 4 MiB of them; ask again for the rest. Where a run was started
            anew, its log is shorter than the cursor, and is read from its beginning.
        """
        return read_events(self.run_folder(run_id) / "events.jsonl", cursor)

    def log(self, run_id: str, last: int = 100_000) -> str:
        """The end of what the run's process printed, at most ``last`` bytes."""
        path = self.run_folder(run_id) / "log.txt"
        try:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - last))
                return file.read().decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""


def new_id(now: datetime) -> str:
    """An id that sorts by time and is unique: ``20261124T183712123456-3f9a2c``."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}"


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

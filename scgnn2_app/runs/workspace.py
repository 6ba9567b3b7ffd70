"""The workspace: a folder that holds every run, so that nothing is lost when a page, a server or a machine goes away.

::

    workspace/
      runs/<id>/      job.json, run.toml, state.json, events.jsonl, log.txt, snapshots/, and the result's own files
      sweeps/<id>/    sweep.json, state.json, study.db
      uploads/        files that came through the browser, a folder for each user
      data/           AnnData objects handed over in memory
"""

from __future__ import annotations

import re
import secrets
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from scgnn2_app.runs.records import (
    OVER,
    Job,
    RunInfo,
    RunState,
    State,
    read_events,
    read_job,
    read_state,
    write_json,
)
from scgnn2_app.sources.source import Source
from scgnn2_engine.errors import InputError
from scgnn2_engine.io import whole_file
from scgnn2_engine.io.paths import expanded
from scgnn2_engine.params import RunParams

__all__ = ["DEFAULT", "OVER", "Job", "RunInfo", "RunState", "State", "Workspace", "new_id"]

DEFAULT = Path("outputs") / "workspace"
"""The workspace where none is named, relative to the current folder."""

_ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{6}")


class Workspace:
    """The folder of all runs. What takes the id of a run raises :class:`InputError` where there is none of it.

    Parameters
    ----------
    folder
        Made if it is not there.

    Attributes
    ----------
    sweeps, uploads, data
        Where the sweeps are, files that came through the browser, and AnnData objects handed over in memory.

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
        self.folder = expanded(folder).resolve()
        with whole_file(self.folder / ".write-test") as probe:
            probe.write_text("may this user write here?")
        (self.folder / ".write-test").unlink(missing_ok=True)
        self._runs, self.sweeps, self.uploads, self.data = (
            self.folder / name for name in ("runs", "sweeps", "uploads", "data")
        )
        for folder in (self._runs, self.sweeps, self.uploads, self.data):
            folder.mkdir(exist_ok=True)

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
        folder = self._runs / run_id
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
        folders = self._runs.iterdir()
        return sorted(
            folder.name for folder in folders if _ID.fullmatch(folder.name) and (folder / "job.json").exists()
        )

    def run_folder(self, run_id: str) -> Path:
        """The folder of a run."""
        folder = self._runs / run_id
        if not _ID.fullmatch(run_id) or not (folder / "job.json").exists():
            raise InputError(
                f"There is no run {run_id!r} in this workspace.",
                expected="the id of a run",
                advice="It may have been deleted; the list of runs shows those that are there.",
            )
        return folder

    def job(self, run_id: str) -> Job:
        """What was asked for."""
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

    def annotate(self, run_id: str, *, note: str | None = None, archived: bool | None = None) -> None:
        """Change the note of a run, or put it into the archive and back; None leaves what is there."""
        folder = self.run_folder(run_id)
        job = read_job(folder)
        kept = job.note if note is None else note.strip()
        write_json(
            folder / "job.json", replace(job, note=kept, archived=job.archived if archived is None else archived)
        )

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

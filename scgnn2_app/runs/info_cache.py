"""Runs as a screen shows them, put together from their folders; what is over is read once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

from scgnn2_app.runs.progress import Progress
from scgnn2_app.runs.records import OVER, RunInfo, RunState, State
from scgnn2_app.runs.worker import STOP
from scgnn2_app.runs.workspace import Workspace


class InfoCache:
    """Puts :class:`RunInfo` together, and remembers how far each log was read."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._followed: dict[str, tuple[int, Progress]] = {}
        self._over: dict[str, tuple[tuple[int, ...], RunInfo]] = {}
        self._guard = threading.RLock()

    def of(self, run_id: str, unwritten: RunState | None = None) -> RunInfo:
        """One run; ``unwritten`` is what its ``state.json`` should say, where a full disk did not take it."""
        folder = self._workspace.run_folder(run_id)
        stamp = tuple(_changed(folder / name) for name in ("state.json", "job.json"))
        with self._guard:
            before, info = self._over.get(run_id, ((), None))
            if info is None or stamp != before or unwritten is not None:
                info = self._put_together(run_id, folder, unwritten or self._workspace.state(run_id))
                if info.over:
                    self._over[run_id] = (stamp, info)
                    self._followed.pop(run_id, None)
            return info

    def forget(self, run_id: str) -> None:
        """The run is gone."""
        with self._guard:
            self._followed.pop(run_id, None)
            self._over.pop(run_id, None)

    def _put_together(self, run_id: str, folder: Path, state: RunState) -> RunInfo:
        job, progress = self._workspace.job(run_id), self._follow(run_id)
        shown: State = state.state
        if shown == "running" and (folder / STOP).exists():
            shown = "stopping"
        over = shown in OVER
        share, seconds_left = (progress.share, None) if over else progress.by(datetime.now(UTC))
        if shown == "stopping":  # it leaves out much of what was to come
            seconds_left = None
        return RunInfo(
            **{**vars(job), **vars(state), "state": shown},
            id=run_id,
            folder=folder,
            stage="" if over else progress.stage,
            iteration=progress.iteration,
            progress=1.0 if shown == "done" else share,
            seconds_left=seconds_left,
            scores=progress.scores,
            has_result=(folder / "run.json").exists(),
        )

    def _follow(self, run_id: str) -> Progress:
        """What the log says by now."""
        cursor, progress = self._followed.get(run_id, (0, Progress()))
        while True:
            events, after = self._workspace.events(run_id, cursor)
            if after < cursor:  # started anew
                progress = Progress()
            if events:
                progress.listen(events)
            if after == cursor or not events:
                break
            cursor = after
        self._followed[run_id] = (after, progress)
        return progress


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0

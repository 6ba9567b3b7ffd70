"""The event stream of a run on disk, one JSON object a line, for whoever watches or reads it later."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import OutputError
from scgnn2_engine.events import Event, RunEnded
from scgnn2_engine.io.atomic import output_error
from scgnn2_engine.io.results.records import json_line
from scgnn2_engine.results.result import Result
from scgnn2_engine.results.state import LoopState


class EventLog:
    """Append events to a file; every line is flushed at once, so a reader may follow a run that is under way.

    A line is ``{"event": "EpochEnded", "time": "2026-01-31T12:00:00.000+00:00", ...}`` with the event's own fields.
    Arrays, states and results are left out (they are in the other files), numbers that are not finite are null.

    Parameters
    ----------
    path
        File to append to; its folder is made.

    Raises
    ------
    OutputError
        The file cannot be written, or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> from scgnn2_engine.events import Notice
    >>> path = Path(tempfile.mkdtemp()) / "events.jsonl"
    >>> with EventLog(path) as log:
    ...     log.append(Notice("12 genes dropped"))
    >>> path.read_text().startswith('{"event":"Notice","time":"')
    True
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise output_error(self.path, error) from error

    def append(self, event: Event, *, time: datetime | None = None) -> None:
        """Write one event as one line; ``time`` is now unless given."""
        if self._file.closed:
            raise OutputError(f"The event log {self.path} is closed.", advice="Open a new EventLog on the same path.")
        moment = (time or datetime.now(UTC)).isoformat(timespec="milliseconds")
        try:
            self._file.write(json_line({"event": type(event).__name__, "time": moment, **_event_fields(event)}))
            self._file.flush()
        except OSError as error:
            raise output_error(self.path, error) from error

    def close(self) -> None:
        """Close the file; more than once does no harm."""
        with suppress(OSError):  # a line that did not fit was reported when it was appended
            self._file.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _event_fields(event: Event) -> dict[str, Any]:
    """The fields of an event that fit on a line: no arrays, tables, states or results."""
    kept = {field.name: _without_arrays(getattr(event, field.name)) for field in fields(event)}
    line = {name: value for name, value in kept.items() if not _is_bulky(value)}
    line.pop("dataset", None)
    if isinstance(event, RunEnded):
        if not event.not_written:
            del line["not_written"]
        line["selected_iteration"] = event.result.selected_iteration
    return line


def _without_arrays(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_arrays(item) for key, item in value.items() if not _is_bulky(item)}
    return value


def _is_bulky(value: Any) -> bool:
    return isinstance(value, np.ndarray | pd.DataFrame | LoopState | Dataset | Prepared | Result)

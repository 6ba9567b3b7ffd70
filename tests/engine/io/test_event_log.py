import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scgnn2_engine.errors import OutputError
from scgnn2_engine.events import DataPrepared, EpochEnded, IterationEnded, Notice, RunEnded, RunStarted
from scgnn2_engine.io import EventLog
from scgnn2_engine.results.result import Result
from scgnn2_engine.results.state import LoopState


def test_every_event_is_one_line_without_arrays(tmp_path: Path, result: Result, state: LoopState) -> None:
    path = tmp_path / "run" / "events.jsonl"
    with EventLog(path) as log:
        log.append(RunStarted(12, 5, {"seed": 1, "feature_AE_epoch": [5, 3]}, "cpu"))
        log.append(EpochEnded("cluster_AE", 1, 2, 9, {"loss": float("nan"), "l1": np.float32(0.5)}, cluster=3))
        log.append(IterationEnded(1, 2, state, {"cluster_count": 3.0}))
        log.append(DataPrepared(result.prepared, pd.DataFrame({"donor": ["a"]})))
        log.append(RunEnded(result, "total_epoch"), time=datetime(2026, 1, 31, 12, tzinfo=UTC))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == [
        "RunStarted",
        "EpochEnded",
        "IterationEnded",
        "DataPrepared",
        "RunEnded",
    ]
    assert lines[1]["losses"] == {"loss": None, "l1": 0.5}
    assert lines[2].keys() == {"event", "time", "iteration", "n_iterations", "scores"}
    assert lines[3].keys() == {"event", "time"}
    assert lines[4] == {
        "event": "RunEnded",
        "time": "2026-01-31T12:00:00.000+00:00",
        "reason": "total_epoch",
        "selected_iteration": 1,
    }


def test_a_line_can_be_read_while_the_log_is_open_and_a_new_log_appends(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.append(Notice("first"))
    assert json.loads((tmp_path / "events.jsonl").read_text())["code"] == "first"
    log.close()
    with EventLog(tmp_path / "events.jsonl") as again:
        again.append(Notice("second"))
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 2


def test_a_closed_or_unwritable_log_says_so(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.close()
    with pytest.raises(OutputError, match="is closed"):
        log.append(Notice("late"))
    with pytest.raises(OutputError, match="cannot be written"):
        EventLog(tmp_path)
    with pytest.raises(OutputError, match="disk is full"), EventLog("/dev/full") as full:
        full.append(Notice("no room"))

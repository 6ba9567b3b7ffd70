"""One user's view: the selection, the shown run, sentences."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scgnn2_app.session import Session
from scgnn2_engine.errors import InputError


class Jobs:
    """Two runs: one has no result yet."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.has_result = folder, False

    def run(self, run_id: str) -> Any:
        if run_id == "gone":
            raise InputError("There is no run.")
        return SimpleNamespace(id=run_id, folder=self.folder, has_result=self.has_result)


def test_a_selection_is_sorted_unique_and_replaced() -> None:
    session = Session()
    seen: list[Any] = []
    session.param.watch(lambda event: seen.append(event.new), "selection")
    session.select([3, 1, 3])
    session.select(np.array([1, 3]))  # the same: nobody is told
    session.clear()
    assert [cells.tolist() for cells in seen] == [[1, 3], []]
    assert session.selection.dtype == np.int64


def test_another_run_clears_the_selection(tmp_path: Path) -> None:
    session = Session(Jobs(tmp_path))
    session.show("a")
    session.select([0])
    session.show("b")
    assert (session.run_id, session.run, session.has_selection) == ("b", None, False)


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the folder of a run"):
        Session().show_folder(tmp_path)


def test_a_result_that_cannot_be_read_becomes_a_sentence(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    session = Session(jobs)
    session.show("a")
    jobs.has_result = True
    session.refresh()
    assert session.run is None
    assert session.notice_level == "error"
    assert "not the folder of a run" in session.notice


def test_the_same_sentence_twice_is_said_twice() -> None:
    session = Session()
    heard: list[str] = []
    session.param.watch(lambda _: heard.append(session.notice), "noticed")
    session.say("full")
    session.say("full")
    assert heard == ["full", "full"]


def test_errors_of_the_engine_are_told_and_others_are_not_hidden() -> None:
    session = Session(Jobs(Path()))
    assert not session.attempt(lambda: session.show("gone"))
    assert session.notice == "There is no run."
    with pytest.raises(ZeroDivisionError):
        session.attempt(lambda: 1 // 0)

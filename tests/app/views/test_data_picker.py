"""What the picker of the data says of paths that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scgnn2_app.context import ServerContext
from scgnn2_app.controls.draft import Draft
from scgnn2_app.runs.jobs import JobManager
from scgnn2_app.session import Session
from scgnn2_app.sources.source import Source
from scgnn2_app.sweeps.sweeps import SweepManager
from scgnn2_app.views.data_picker import ON_SERVER, DataPicker


@pytest.fixture
def picker(tmp_path: Path) -> Iterator[DataPicker]:
    root = tmp_path / "root"
    root.mkdir()
    manager = JobManager(tmp_path / "workspace", at_once=1, threads=1, roots=(root,))
    sweeps = SweepManager(manager)
    yield DataPicker(ServerContext(manager, sweeps, roots=(root,)), Draft(), Session())
    sweeps.close()
    manager.close(kill=True)


def test_a_file_that_is_not_there_is_said_with_what_to_do(picker: DataPicker, tmp_path: Path) -> None:
    picker._choice.value = ON_SERVER
    picker._path.value = str(tmp_path / "root" / "counts.csv")
    assert "There is no file counts.csv" in picker._says.object
    assert "Choose one from the list" in picker._says.object


def test_folders_of_the_workspace_are_not_named(picker: DataPicker, tmp_path: Path) -> None:
    picker.take(Source.at("/etc/passwd"))
    assert f"a path inside {tmp_path / 'root'}." in picker._says.object
    assert "uploads" not in picker._says.object
    assert picker.source is None

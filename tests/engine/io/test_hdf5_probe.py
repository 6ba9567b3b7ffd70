"""A file that HDF5 cannot walk is refused by the process that only tries it, and nothing else ends."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read
from scgnn2_engine.io.storage import hdf5_probe

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are divided on Linux only")


def spin(path: Path) -> None:
    while True:
        pass


def fall(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def file(folder: Path) -> Path:
    with h5py.File(folder / "some.h5ad", "w") as target:
        target.attrs["encoding-type"] = "anndata"
        target["obs/_index"] = np.array(["a", "b"], dtype=object)
    return folder / "some.h5ad"


@pytest.mark.parametrize(("work", "found"), [(spin, "a loop that does not end"), (fall, "Killed")])
def test_what_does_not_come_back_is_refused(tmp_path, monkeypatch, work, found):
    monkeypatch.setattr(hdf5_probe, "walk", work)
    monkeypatch.setattr(hdf5_probe.ended_by, "__defaults__", (1,))
    with pytest.raises(InputError, match="HDF5 cannot walk through it") as error:
        read(file(tmp_path))
    assert found in error.value.found


def test_a_file_is_walked_once_until_it_changes(tmp_path, monkeypatch):
    walked = []
    monkeypatch.setattr(hdf5_probe, "ended_by", lambda work: walked.append(work) or 0)
    path = file(tmp_path)
    hdf5_probe.check_walk(path)
    hdf5_probe.check_walk(path)
    assert len(walked) == 1
    with h5py.File(path, "a") as changed:
        changed["more"] = np.zeros(3)
    hdf5_probe.check_walk(path)
    assert len(walked) == 2


def test_texts_are_read_and_errors_left_to_the_reader(tmp_path, monkeypatch):
    read_from = []
    monkeypatch.setattr(hdf5_probe, "_allow", lambda seconds: None)  # which is for the child alone
    monkeypatch.setattr(hdf5_probe, "_read_texts", lambda dataset: read_from.append(dataset.name) or 1 / 0)
    hdf5_probe.walk(file(tmp_path))
    assert read_from == ["/obs/_index"]

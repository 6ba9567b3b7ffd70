"""One run at a time in a folder; the lock of a process that was killed is no lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from scgnn2_engine import RunParams, iterate_to_folder, simulate
from scgnn2_engine.errors import OutputError
from scgnn2_engine.io.results.folder_lock import LOCK, held

HOLDER = """
import sys, time
from scgnn2_engine.io.results.folder_lock import held
with held(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(OutputError, match=f"is in use.*process {holder.pid} on "), held(tmp_path):
            pass
        os.kill(holder.pid, signal.SIGKILL)
    assert (tmp_path / LOCK).exists()
    with held(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


def test_a_second_run_is_refused_and_disturbs_nothing(tmp_path):
    data = simulate(30, 20, 2, seed=0)
    params = RunParams(output_dir=str(tmp_path), device="cpu", total_epoch=1, feature_AE_epoch=[2, 2])
    first = iterate_to_folder(data, params)
    next(first)
    before = (tmp_path / "events.jsonl").read_bytes()
    with pytest.raises(OutputError, match=f"process {os.getpid()} on "):
        next(iterate_to_folder(data, params, overwrite=True))
    assert (tmp_path / "events.jsonl").read_bytes() == before
    first.close()
    assert next(iterate_to_folder(data, params, overwrite=True))


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"), held(tmp_path / "file"):
        pass

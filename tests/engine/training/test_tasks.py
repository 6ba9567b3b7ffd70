"""Members that workers train are those that are trained here."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

from scgnn2_engine.data.simulation import simulate
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.events import Notice, RunEnded
from scgnn2_engine.params import RunParams
from scgnn2_engine.run.loop import iterate
from scgnn2_engine.training import tasks as module
from scgnn2_engine.training.tasks import DaskTasks, checked, versions

DATA = simulate(120, 50, n_types=2, seed=0)
PARAMS = RunParams(
    total_epoch=2,
    feature_AE_epoch=[6, 6],
    device="cpu",
    threads=1,
    evaluate_baselines=False,
    evaluate_diagnostics=False,
)


class Inline:
    """Tasks that are carried out when they are handed out, or lost."""

    threads = 1

    def __init__(self, folder, lost=()):
        self.folder, self.lost, self.keys = folder, lost, []

    def submit(self, key, function, *arguments):
        self.keys.append(key)
        if key not in self.lost:
            function(*arguments)

    def handed_out(self, key):
        return key in self.keys

    def wait(self, key, stop):
        return "KilledWorker: gone" * (key in self.lost)


def run(tasks=None):
    events = list(iterate(DATA, PARAMS, tasks=tasks))
    assert isinstance(events[-1], RunEnded)
    return events


def same(one, two):
    one, two = one[-1].result, two[-1].result
    assert np.array_equal(one.imputed, two.imputed)
    assert one.labels.tolist() == two.labels.tolist()


def test_members_trained_elsewhere_give_the_same_bytes_and_events(tmp_path):
    here, tasks = run(), Inline(tmp_path)
    there = run(tasks)
    same(here, there)
    assert tasks.keys == ["member 0", "member 1", "member 2"]
    epochs = [[(e.stage, e.iteration, e.epoch) for e in events if hasattr(e, "epoch")] for events in (here, there)]
    assert epochs[0] == epochs[1]


def test_a_member_that_no_worker_trains_is_trained_here_and_said(tmp_path):
    there = run(Inline(tmp_path, lost=("member 1",)))
    same(run(), there)
    said = [event.message for event in there if isinstance(event, Notice) and event.level == "warning"]
    assert "No worker trained member 1 (KilledWorker: gone): it is trained here." in said


def die_once(marker):
    """A task under which its first worker is killed."""
    if not os.path.exists(marker):
        open(marker, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)


def fail(_):
    raise InputError("This task cannot be done.")


def pause(_):
    time.sleep(60)


@pytest.mark.slow
def test_workers_on_this_machine(tmp_path):
    tasks = DaskTasks("auto", tmp_path)
    try:
        there = run(tasks)
        assert not [event for event in there if isinstance(event, Notice) and event.code == "task_lost"]
        same(run(), there)
        tasks.submit("killed", die_once, str(tmp_path / "marker"))
        tasks.submit("failing", fail, "")
        assert tasks.wait("killed", lambda: False) == ""
        assert tasks.wait("failing", lambda: False) == "InputError: This task cannot be done."
        tasks.submit("pausing", pause, "")
        assert tasks.wait("pausing", lambda: True) == "stopped"
    finally:
        tasks.close()


def test_a_worker_of_other_versions_or_without_the_folder_says_so(tmp_path):
    with pytest.raises(InputError, match="A worker has other versions"):
        checked({**versions(), "torch": "1.0"}, str(tmp_path), fail, "")
    with pytest.raises(InputError, match="does not see the folder"):
        checked(versions(), str(tmp_path / "elsewhere"), fail, "")


def test_a_scheduler_that_does_not_answer_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CONNECT_SECONDS", 1)
    with pytest.raises(ParameterError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        DaskTasks("tcp://127.0.0.1:9", tmp_path)

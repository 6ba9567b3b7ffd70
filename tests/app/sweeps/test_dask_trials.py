"""Trials on a real Dask cluster of two workers on this machine, one of which is killed in the middle of a trial."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scgnn2_app.runs.jobs import JobManager
from scgnn2_app.runs.workspace import Workspace
from scgnn2_app.sources.source import Source
from scgnn2_app.sweeps.dask_trials import carry_out
from scgnn2_app.sweeps.search_space import Axis
from scgnn2_app.sweeps.sweeps import SweepManager
from scgnn2_engine import RunParams

HERE = Path(__file__).parents[1]


@pytest.fixture
def cluster(tmp_path):
    """The address of a scheduler, and a list of its two workers' processes (each without a nanny to restart it)."""
    processes = []

    def launch(*words):
        path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-m", "distributed.cli." + words[0], *words[1:], "--no-dashboard"]
        process = subprocess.Popen(
            command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        processes.append(process)
        return process

    scheduler = launch("dask_scheduler", "--host", "127.0.0.1", "--port", "0")
    address = next(found[1] for line in scheduler.stderr if (found := re.search(r"Scheduler at:\s+(tcp://\S+)", line)))
    workers = [
        launch("dask_worker", address, "--no-nanny", "--nthreads", "1", "--preload", "scripted_dask_worker")
        for _ in range(2)
    ]
    for worker in workers:
        next(line for line in worker.stderr if "Registered to" in line)
    yield address, workers
    for process in processes:
        process.kill()
        process.communicate()


def test_a_trial_whose_worker_dies_is_run_again(tmp_path, cluster, wait_until):
    address, workers = cluster
    jobs = JobManager(tmp_path / "w", at_once=2)
    sweeps = SweepManager(jobs, scheduler=address)
    hold = jobs.workspace.folder / "hold"
    hold.touch()
    axes = [Axis.parse("graph_AE_embedding_size=4,8,16")]
    sweep_id = sweeps.start(Source.demo(), RunParams(), axes, strategy="grid", name="on dask")
    both = wait_until(lambda: len(under_way := running(jobs)) == 2 and under_way)
    assert {jobs.workspace.state(run).pid for run in both} == {worker.pid for worker in workers}
    assert all(jobs.workspace.job(run).where == "dask" for run in both)
    victim = both[0]
    pid = jobs.workspace.state(victim).pid
    os.kill(pid, signal.SIGKILL)
    hold.unlink()
    assert sweeps.wait(sweep_id, 120)
    info = sweeps.sweep(sweep_id)
    assert (info.state, info.n_done, len(info.trials)) == ("done", 3, 3), info.trials
    assert info.best.values == {"graph_AE_embedding_size": 8}
    again = jobs.workspace.state(victim)
    assert (again.state, again.attempt) == ("done", 2)
    assert again.pid != pid
    assert [event["event"] for event in jobs.events(victim)[0]].count("RunEnded") == 1  # nothing of the lost attempt
    assert {run.state for run in jobs.runs()} == {"done"}

    # A sweep there is stopped as one here is.
    hold.touch()
    sweep_id = sweeps.start(Source.demo(), RunParams(), axes, strategy="grid", at_once=2)
    wait_until(lambda: running(jobs))
    sweeps.stop(sweep_id)
    assert sweeps.wait(sweep_id, 60)
    assert sweeps.sweep(sweep_id).state == "stopped"
    assert {run.state for run in jobs.runs() if run.sweep == sweep_id} == {"stopped"}
    sweeps.close()
    jobs.close()


def running(jobs):
    return [run.id for run in jobs.runs() if run.state == "running"]


def test_an_address_where_nobody_answers_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("scgnn2_app.sweeps.dask_trials.CONNECT_SECONDS", 1)
    jobs = JobManager(tmp_path, at_once=0)
    sweeps = SweepManager(jobs, scheduler="tcp://127.0.0.1:1")
    sweep_id = sweeps.start(Source.demo(), RunParams(), [Axis.parse("seed=1,2")], strategy="grid")
    assert sweeps.wait(sweep_id, 60)
    info = sweeps.sweep(sweep_id)
    assert info.state == "failed"
    assert "No Dask scheduler answers at tcp://127.0.0.1:1" in info.reason
    assert info.may_resume
    jobs.close()


def test_a_worker_that_does_not_see_the_workspace_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be on a shared disk"):
        carry_out(str(tmp_path / "elsewhere"))


def test_a_run_that_is_over_is_not_carried_out_again(tmp_path, monkeypatch):
    from dataclasses import replace

    workspace = Workspace(tmp_path)
    run = workspace.add(Source.demo(), RunParams(), where="dask")
    workspace.set_state(run, replace(workspace.state(run), state="done"))
    monkeypatch.setattr("scgnn2_app.sweeps.dask_trials.work", lambda *_, **__: pytest.fail("done twice"))
    assert carry_out(str(workspace.run_folder(run))) == "done"

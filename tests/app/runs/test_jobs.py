"""Processes of runs: every way they can end is told apart, and none stays running when it is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from datetime import UTC, datetime

import psutil
import pytest

from scgnn2_app.runs import processes, worker
from scgnn2_app.runs.jobs import JobManager, QueueFullError, manager_for
from scgnn2_app.runs.records import read_state
from scgnn2_app.runs.snapshots import iterations, load_iteration, load_shape
from scgnn2_app.runs.workspace import RunState, Workspace
from scgnn2_app.sources.source import Source
from scgnn2_engine import RunParams
from scgnn2_engine.errors import InputError
from scgnn2_engine.events import StageStarted
from scgnn2_engine.io.results import writing as results
from scgnn2_engine.messages import sentence
from scgnn2_engine.run import folder as run_folder

DEMO = Source.demo()


def submit(jobs, name, **more):
    return jobs.submit(DEMO, RunParams(), name=name, **more)


def test_a_real_run_from_submission_to_result(tmp_path, tiny_source, tiny_params, wait_until):
    manager = JobManager(tmp_path, threads=1)
    run = manager.submit(tiny_source, tiny_params, name="first", owner="ada")
    shares = []

    def over():
        info = manager.run(run)
        shares.append(info.progress)
        return info.over and info

    info = wait_until(over, 180)
    assert (info.state, info.reason, info.has_result, info.progress) == ("done", "", True, 1.0), manager.workspace.log(
        run
    )
    assert shares == sorted(shares)
    assert info.scores["validation_error"] > 0
    assert "ari_against_ground_truth" not in info.scores  # without labels it has no value
    events, cursor = manager.events(run)
    kinds = [event["event"] for event in events]
    assert kinds[-1] == "RunEnded"
    assert kinds.count("SnapshotSaved") == 2
    assert manager.events(run, cursor) == ([], cursor)
    assert iterations(info.folder) == [1, 2]
    snapshot, shape = load_iteration(info.folder, 2), load_shape(info.folder)
    assert snapshot.graph_embedding.shape[0] == len(snapshot.labels) == shape[0]
    assert (snapshot.edges[0] < snapshot.edges[1]).all()
    assert len(snapshot.weights) == snapshot.edges.shape[1] > 0
    manager.close()


def test_stopping_a_real_run_keeps_what_it_has(tmp_path, tiny_source, tiny_params, wait_until):
    manager = JobManager(tmp_path, threads=1)
    run = manager.submit(tiny_source, tiny_params.replace(total_epoch=10_000, feature_AE_epoch=[5, 100]))
    wait_until(lambda: manager.run(run).iteration >= 2, 180)
    manager.stop(run)
    assert manager.run(run).state in ("stopping", "stopped")
    info = wait_until(lambda: manager.run(run).over and manager.run(run), 60)
    assert (info.state, info.has_result) == ("stopped", True)
    assert (info.folder / "result.h5ad").exists()
    manager.close()


def test_a_killed_run_goes_on_when_it_is_resumed(tmp_path, tiny_source, tiny_params, wait_until):
    manager = JobManager(tmp_path, threads=1)
    run = manager.submit(tiny_source, tiny_params.replace(total_epoch=4))
    wait_until(lambda: manager.run(run).iteration >= 1, 180)
    assert not manager.can_resume(run)
    manager.kill(run)
    assert wait_until(lambda: manager.run(run).over, 60)
    stages = {path.name for path in (manager.run(run).folder / "checkpoint").iterdir()}
    assert {"of.npz", "0_feature_AE.npz"} <= stages
    assert manager.can_resume(run)
    manager.resume(run)
    info = wait_until(lambda: manager.run(run).over and manager.run(run), 180)
    assert (info.state, info.has_result) == ("done", True), manager.workspace.log(run)
    assert not manager.can_resume(run)
    with pytest.raises(InputError, match="cannot be resumed"):
        manager.resume(run)
    manager.close()


@pytest.mark.parametrize(("heard", "stage", "state", "reason"), [
    (True, "evaluate", "stopped", "Scoring was stopped: the baselines and the diagnostics were not computed"),
    (True, "output", "stopped", sentence("figures_left_out")),
    (False, "evaluate", "done", ""),  # the time was up
])  # fmt: skip
def test_a_stop_after_the_iterations_is_no_result_like_any_other(
    tmp_path, monkeypatch, tiny_source, tiny_params, heard, stage, state, reason
):
    params = tiny_params.replace(evaluate_baselines=True, evaluate_diagnostics=True, output_figures=True)
    workspace = Workspace(tmp_path)
    folder = workspace.run_folder(workspace.add(tiny_source, params))
    began, drawn = [], []
    original = run_folder.iterate_to_folder

    def steps(data, params, *, overwrite, resume, stop):
        for event in original(data, params, overwrite=overwrite, resume=resume, stop=lambda: stop() or bool(began)):
            if isinstance(event, StageStarted) and (event.stage, event.iteration) == (stage, 0):
                began.append(event)
            elif isinstance(event, StageStarted) and event.stage == "output" and not heard:
                began.clear()
            yield event

    monkeypatch.setattr(run_folder, "iterate_to_folder", steps)
    monkeypatch.setattr(run_folder, "draw_figures", lambda *_, **__: drawn.append("all"))
    assert worker.work(folder, asked=lambda: heard and bool(began)) == state
    ended = read_state(folder)
    assert drawn == ([] if heard else ["all"])
    assert ended.reason.startswith(reason)
    assert bool(ended.reason) == bool(reason)
    assert (folder / "result.h5ad").exists()
    record = json.loads((folder / "run.json").read_text())
    assert record["stopped_by"] == "total_epoch"
    said = [one["message"] for one in record["notices"] if one["level"] == "warning"]
    assert any("Scoring was stopped" in one for one in said) == (stage == "evaluate")


def test_a_run_whose_result_cannot_be_written_has_failed_and_keeps_its_tables(
    tmp_path, monkeypatch, tiny_source, tiny_params
):
    def broken(*_, **__):
        raise RuntimeError("no such kind")

    monkeypatch.setattr(results, "write_h5ad", broken)
    workspace = Workspace(tmp_path)
    folder = workspace.run_folder(workspace.add(tiny_source, tiny_params))
    assert worker.work(folder) == "failed"
    assert read_state(folder).reason.startswith("Not written: result.h5ad (no such kind).")
    assert (folder / "imputed.csv").exists()
    assert not (folder / "result.h5ad").exists()


def test_done_with_the_scores_of_the_selected_iteration(jobs, wait_until):
    run = submit(jobs, "quick")
    info = wait_until(lambda: jobs.run(run).over and jobs.run(run))
    assert info.state == "done"
    assert info.scores == {"validation_error": 0.5}
    assert info.seconds > 0
    assert "threads 1 OMP 1 PASSIVE" in jobs.workspace.log(run)


@pytest.mark.parametrize(
    ("name", "state", "reason"),
    [
        ("error", "failed", "ValueError: something nobody expected"),
        ("input", "failed", "The file is broken. Export it again."),
        ("memory", "failed", "The memory ran out"),
        ("disk", "failed", "No space left on device"),
        ("nan", "failed", "A loss became NaN."),
        ("crash", "failed", "signal 11 (SIGSEGV)"),
        ("exit", "failed", "ended with code 7"),
    ],
)
def test_every_way_to_fail_has_its_reason(jobs, wait_until, name, state, reason):
    run = submit(jobs, name)
    info = wait_until(lambda: jobs.run(run).over and jobs.run(run))
    assert info.state == state
    assert reason in info.reason
    assert bool(info.traceback) == (name in ("error", "disk"))
    if name == "error":
        assert "something nobody expected" in jobs.workspace.log(run)


def test_stop_is_heard_and_said(jobs, wait_until):
    run = submit(jobs, "wait")
    wait_until(lambda: jobs.events(run)[0])
    jobs.stop(run)
    info = wait_until(lambda: jobs.run(run).over and jobs.run(run), 20)
    assert (info.state, info.reason) == ("stopped", "Stopped; what was there is kept.")
    jobs.stop(run)  # once more does no harm
    assert jobs.run(run).state == "stopped"


def test_kill_ends_a_deaf_run_and_its_children(jobs, wait_until):
    run = submit(jobs, "child")
    child = int(wait_until(lambda: (jobs.run(run).folder / "child").exists() and _text(jobs, run)))
    jobs.kill(run)
    assert jobs.run(run).state == "stopped"
    assert "Killed" in jobs.run(run).reason
    wait_until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE, 10)
    deaf = submit(jobs, "deaf")
    wait_until(lambda: jobs.events(deaf)[0])
    jobs.stop(deaf)
    assert jobs.run(deaf).state == "stopping"
    jobs.kill(deaf)
    assert jobs.run(deaf).state == "stopped"


def _text(jobs, run):
    return (jobs.run(run).folder / "child").read_text()


def test_a_killed_worker_is_failed_with_the_likely_reason(jobs, wait_until):
    run = submit(jobs, "wait")
    wait_until(lambda: jobs.events(run)[0])
    os.kill(jobs.workspace.state(run).pid, signal.SIGKILL)
    info = wait_until(lambda: jobs.run(run).over and jobs.run(run), 10)
    assert info.state == "failed"
    assert "signal 9" in info.reason or "memory ran out" in info.reason


def test_out_of_memory_is_told_from_another_kill(monkeypatch):
    monkeypatch.setattr(processes, "memory_kills", lambda: 3)
    assert "because the memory ran out" in processes.how_it_ended(-9, memory_kills_before=2)
    assert "signal 9" in processes.how_it_ended(-9, memory_kills_before=3)


def test_runs_queue_and_take_turns_between_users(jobs, wait_until):
    first = submit(jobs, "wait 1", owner="ada")
    wait_until(lambda: jobs.run(first).state == "running")
    second, third = submit(jobs, "wait 2", owner="ada"), submit(jobs, "quick", owner="bob")
    assert [jobs.run(run).state for run in (second, third)] == ["queued", "queued"]
    jobs.at_once = 2
    wait_until(lambda: jobs.run(third).state == "done")  # bob waits for none of ada's
    wait_until(lambda: jobs.run(second).state == "running")
    assert [info.id for info in jobs.runs()] == [third, second, first]
    assert [info.id for info in jobs.runs("bob")] == [third]


def test_a_queued_run_that_is_stopped_never_starts(jobs, wait_until):
    first = submit(jobs, "wait")
    wait_until(lambda: jobs.run(first).state == "running")
    second = submit(jobs, "quick")
    jobs.stop(second)
    jobs.stop(first)
    wait_until(lambda: jobs.run(first).over)
    time.sleep(0.6)
    assert (jobs.run(second).state, jobs.run(second).started) == ("stopped", None)


def test_the_queue_has_an_end(tmp_path):
    manager = JobManager(tmp_path, at_once=0, queue_limit=2)
    runs = [submit(manager, str(number)) for number in range(2)]
    with pytest.raises(QueueFullError, match=r"2 runs are waiting already.*fewer than 2"):
        submit(manager, "one too many")
    manager.stop(runs[0])
    assert submit(manager, "there is room again")
    manager.close()


def test_two_managers_start_a_run_once_and_keep_to_the_limit_together(tmp_path, scripted_worker, wait_until):
    one, two = (JobManager(tmp_path, threads=1) for _ in range(2))
    runs = [submit(manager, "wait") for manager in (one, two, one)]
    wait_until(lambda: sum(one.run(run).state == "running" for run in runs) == 1)
    time.sleep(1)
    assert [one.run(run).state for run in runs] == ["running", "queued", "queued"]
    started = [len(manager._supervisor.children) for manager in (one, two)]
    assert sorted(started) == [0, 1]
    other = two if started[0] else one
    other.stop(runs[0])  # whoever started it, both may stop it
    wait_until(lambda: other.run(runs[0]).state == "stopped")
    one.close(kill=True)
    two.close(kill=True)


SERVER = """
    import sys, time
    from scgnn2_app.runs import processes
    from scgnn2_app.runs.jobs import JobManager
    processes.WORKER = (sys.argv[2],)
    JobManager(sys.argv[1], threads=1)
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other_server(tmp_path, scripted_worker):
    """Starts a server process with a manager of its own; all are killed afterwards."""
    started = []

    def start():
        command = [sys.executable, "-c", textwrap.dedent(SERVER), str(tmp_path / "w"), str(scripted_worker)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_after_a_crash_of_the_server_runs_go_on_and_are_taken_up(tmp_path, other_server, wait_until):
    workspace = Workspace(tmp_path / "w")
    first = workspace.add(DEMO, RunParams(), name="wait")
    second = workspace.add(DEMO, RunParams(), name="quick")
    server = other_server()
    wait_until(lambda: workspace.state(first).state == "running" and (workspace.run_folder(first) / "alive").exists())
    server.kill()
    server.wait()
    manager = JobManager(workspace, threads=1)
    assert [manager.run(run).state for run in (first, second)] == ["running", "queued"]
    manager.stop(first)  # heard, though another process started it
    wait_until(lambda: manager.run(first).state == "stopped")
    wait_until(lambda: manager.run(second).state == "done")
    manager.close(kill=True)


def test_a_run_that_died_with_its_server_does_not_stay_running(tmp_path, other_server, wait_until):
    workspace = Workspace(tmp_path / "w")
    run = workspace.add(DEMO, RunParams(), name="wait")
    server = other_server()
    state = wait_until(lambda: workspace.state(run).pid and workspace.state(run))
    server.kill()
    server.wait()
    os.killpg(state.pid, signal.SIGKILL)
    wait_until(lambda: not processes.is_alive(state.pid, state.birth))
    manager = JobManager(workspace)
    info = manager.run(run)
    assert info.state == "failed"
    assert "is gone and left no reason" in info.reason
    manager.close()


def test_another_process_with_the_same_number_is_not_taken_for_the_run(tmp_path):
    workspace = Workspace(tmp_path)
    run = workspace.add(DEMO, RunParams())
    me = RunState("running", started=datetime.now(UTC), pid=os.getpid(), birth="0:1", host=processes.HOST)
    workspace.set_state(run, me)
    manager = JobManager(workspace)
    assert manager.run(run).state == "failed"
    manager.close()


def test_a_silent_run_of_another_machine_is_lost_after_a_while(tmp_path):
    workspace = Workspace(tmp_path)
    run = workspace.add(DEMO, RunParams())
    workspace.set_state(run, RunState("running", pid=1, birth="x", host="elsewhere"))
    alive = workspace.run_folder(run) / processes.HEARTBEAT
    alive.touch()
    manager = JobManager(workspace, at_once=0)
    assert manager.run(run).state == "running"
    os.utime(alive, (time.time() - 120,) * 2)
    deadline = time.monotonic() + 10
    while manager.run(run).state == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert manager.run(run).state == "failed"
    manager.close()


def test_a_worker_that_nobody_wrote_down_does_nothing(tmp_path, monkeypatch):
    from scgnn2_app.runs import worker

    workspace = Workspace(tmp_path)
    run = workspace.add(DEMO, RunParams())
    monkeypatch.setattr(worker, "WRITTEN_WITHIN", 0.1)
    monkeypatch.setattr(worker, "_stand_back", lambda: None)
    handlers = {kind: signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGINT)}
    assert worker.main([str(workspace.run_folder(run))]) == 1
    for kind, handler in handlers.items():
        signal.signal(kind, handler)
    assert workspace.state(run).state == "queued"


def test_a_full_disk_leaves_no_run_running(jobs, wait_until, monkeypatch):
    run = submit(jobs, "wait")
    wait_until(lambda: jobs.events(run)[0])

    def full(run_id, state):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jobs.workspace, "set_state", full)
    os.kill(jobs.workspace.state(run).pid, signal.SIGKILL)
    info = wait_until(lambda: jobs.run(run).over and jobs.run(run), 10)
    assert info.state == "failed"
    assert jobs.workspace.state(run).state == "running"  # that is what the full disk still says
    monkeypatch.undo()


def test_deleting_a_run_ends_it_and_removes_its_files(jobs, wait_until):
    run = submit(jobs, "wait")
    wait_until(lambda: jobs.events(run)[0])
    pid, folder = jobs.workspace.state(run).pid, jobs.run(run).folder
    jobs.delete(run)
    assert not folder.exists()
    assert not psutil.pid_exists(pid)
    assert jobs.runs() == []
    with pytest.raises(InputError, match="There is no run"):
        jobs.run(run)


def test_a_run_can_be_renamed(jobs, wait_until):
    run = submit(jobs, "quick")
    wait_until(lambda: jobs.run(run).over)
    jobs.rename(run, "  the good one ")
    assert (jobs.run(run).name, jobs.run(run).title) == ("the good one", "the good one")


def test_data_outside_the_roots_is_refused(tmp_path, tiny_source):
    manager = JobManager(tmp_path / "w", at_once=0, roots=(tmp_path / "open",))
    (tmp_path / "open").mkdir()
    secret = tmp_path / "secret.csv"
    secret.write_text("cell,label")
    for source, params in (
        (tiny_source, RunParams()),
        (DEMO, RunParams(load_cell_type_labels=str(secret))),
        (DEMO, RunParams(load_cell_type_labels="../secret.csv", load_dataset_dir=str(tmp_path / "open"))),
        (DEMO.with_labels(str(secret)), RunParams()),
        (DEMO.with_bulk(str(secret)), RunParams()),
    ):
        with pytest.raises(InputError, match="outside the folders this server may read"):
            manager.submit(source, params)
    assert manager.submit(DEMO, RunParams(load_cell_type_labels="bulk_labels"))
    manager.close()


def test_one_manager_for_each_workspace_of_a_process(tmp_path):
    one = manager_for(tmp_path, at_once=0)
    assert manager_for(str(tmp_path)) is one
    one.close()
    again = manager_for(tmp_path, at_once=0)
    assert again is not one
    again.close()


def test_changing_the_parameters_afterwards_does_not_change_the_run(jobs):
    jobs.at_once = 0
    params = RunParams(seed=5)
    run = jobs.submit(DEMO, params)
    params.seed = 6
    assert jobs.run(run).params["seed"] == 5
    assert json.loads((jobs.run(run).folder / "job.json").read_text())["changed"] == {"seed": 5}


def test_damaged_records_fail_one_run_only(jobs, wait_until):
    good = submit(jobs, "quick")
    wait_until(lambda: jobs.run(good).over)
    jobs.at_once = 0
    bad = submit(jobs, "quick")
    (jobs.run(bad).folder / "state.json").write_text("{")
    assert jobs.run(bad).state == "failed"
    assert "damaged" in jobs.run(bad).reason
    (jobs.workspace.run_folder(bad) / "job.json").write_text("[]")
    assert [info.id for info in jobs.runs()] == [good]


def test_states_survive_being_written_and_read(tmp_path):
    workspace = Workspace(tmp_path)
    run = workspace.add(DEMO, RunParams())
    state = replace(RunState(), state="done", started=datetime.now(UTC), ended=datetime.now(UTC), reason="ß €")
    workspace.set_state(run, state)
    assert workspace.state(run) == state

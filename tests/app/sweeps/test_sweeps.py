"""Sweeps: strategies, scores without labels, stop, resume after a crash, importances."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime

import pytest

from scgnn2_app.runs.jobs import JobManager
from scgnn2_app.runs.workspace import RunState
from scgnn2_app.sources.source import Source
from scgnn2_app.sweeps import study as studies
from scgnn2_app.sweeps.records import SCORES, direction_of
from scgnn2_app.sweeps.search_space import FIXED, Axis, grid, may_vary
from scgnn2_app.sweeps.sweeps import SweepManager
from scgnn2_app.sweeps.trial_runs import LocalTrials
from scgnn2_engine import RunParams
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.params import every_parameter, find_parameter

SIZE = Axis.parse("graph_AE_embedding_size=4:16")
DEMO = Source.demo()


class ScriptedTrials(LocalTrials):
    """Runs that take no process and no time; they wait while the workspace holds a file called hold."""

    def __init__(self, manager):
        super().__init__(manager)
        self._jobs = manager
        self._stopped = set()

    def submit(self, source, params, **more):
        return self._jobs.workspace.add(source, params, where="dask", **more)  # no manager starts it

    def stop(self, run_id):
        self._stopped.add(run_id)

    def state(self, run_id):
        workspace = self._jobs.workspace
        info = super().state(run_id)
        if info is None or info.over or (run_id not in self._stopped and (workspace.folder / "hold").exists()):
            return info
        now = datetime.now(UTC)
        if run_id in self._stopped:
            workspace.set_state(run_id, RunState("stopped", now, now))
        elif "fail" in info.name:
            workspace.set_state(run_id, RunState("failed", now, now, reason="The file is broken."))
        else:
            error = abs(info.params["graph_AE_embedding_size"] - 8) / 100
            events = [
                {"event": "IterationEnded", "iteration": 1, "n_iterations": 1, "scores": {"validation_error": error}},
                {"event": "RunEnded", "reason": "total_epoch", "selected_iteration": 1},
            ]
            (info.folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
            workspace.set_state(run_id, RunState("done", now, now))
        return super().state(run_id)


@pytest.fixture
def sweeps(tmp_path):
    jobs = JobManager(tmp_path / "w", at_once=2)
    manager = SweepManager(jobs, places=lambda: ScriptedTrials(jobs))
    yield manager
    manager.close()
    jobs.close()


def start(sweeps, axes=(SIZE,), **more):
    return sweeps.start(DEMO, RunParams(), list(axes), **more)


def finished(sweeps, sweep_id, seconds=120):
    assert sweeps.wait(sweep_id, seconds)
    return sweeps.sweep(sweep_id)


def test_a_grid_tries_every_combination_once(sweeps):
    axes = [Axis.parse("graph_AE_embedding_size=4,8,16"), Axis.parse("preprocess_library_size=true,false")]
    info = finished(sweeps, start(sweeps, axes, strategy="grid", n_trials=99, name="g"))
    assert (info.state, info.sweep.n_trials, info.n_done) == ("done", 6, 6)
    tried = [tuple(trial.values.values()) for trial in info.trials]
    assert sorted(tried) == sorted(itertools.product([4, 8, 16], [True, False]))
    assert info.best.values["graph_AE_embedding_size"] == 8
    assert info.best.score == 0
    runs = sweeps.manager.runs()
    assert len(runs) == 6  # ordinary runs of the workspace
    assert {(run.sweep, run.name) for run in runs} == {(info.id, f"g #{number}") for number in range(1, 7)}
    by_trial = {run.trial: run for run in runs}
    assert all(by_trial[trial.number].params["graph_AE_embedding_size"] == trial.values["graph_AE_embedding_size"]
               for trial in info.trials)  # fmt: skip
    assert sweeps.params_of(info.id, info.best).graph_AE.embedding_size == 8
    found, why_not = sweeps.importances(info.id)
    assert why_not == ""
    assert found["graph_AE_embedding_size"] > found["preprocess_library_size"]
    assert sum(found.values()) == pytest.approx(1)


def test_the_runs_of_sweeps_without_a_name_are_told_apart(sweeps):
    infos = [finished(sweeps, start(sweeps, n_trials=2)) for _ in range(2)]
    expected = {f"sweep {info.id[-6:]} #{number}" for info in infos for number in (1, 2)}
    assert {run.name for run in sweeps.manager.runs()} == expected


@pytest.mark.parametrize("strategy", ["random", "tpe"])
def test_the_same_seed_asks_the_same_first_questions(sweeps, strategy):
    asked = []
    for _ in range(2):
        info = finished(sweeps, start(sweeps, strategy=strategy, n_trials=3, at_once=1, seed=7))
        assert (info.state, info.n_done) == ("done", 3)
        assert all(4 <= trial.values["graph_AE_embedding_size"] <= 16 for trial in info.trials)
        asked.append([trial.values for trial in info.trials])
    assert asked[0] == asked[1]


def test_a_stopped_sweep_keeps_its_scores_and_goes_on(sweeps, wait_until):
    hold = sweeps.workspace.folder / "hold"
    sweep_id = start(sweeps, strategy="grid", axes=[Axis.parse("graph_AE_embedding_size=4,6,8,10")], at_once=1)
    wait_until(lambda: sweeps.sweep(sweep_id).n_done >= 1)
    hold.touch()
    wait_until(lambda: sweeps.sweep(sweep_id).trials[-1].state == "running")
    sweeps.stop(sweep_id)
    info = finished(sweeps, sweep_id)
    done = info.n_done
    assert info.state == "stopped"
    assert 1 <= done < 4
    assert {trial.state for trial in info.trials} == {"done", "stopped"}
    hold.unlink()
    sweeps.resume(sweep_id)
    info = finished(sweeps, sweep_id)
    assert (info.state, info.n_done) == ("done", 4)
    points = sorted(trial.values["graph_AE_embedding_size"] for trial in info.trials if trial.state == "done")
    assert points == [4, 6, 8, 10]  # the point whose trial was stopped was tried again


CRASHING = """
    import sys, time
    from scgnn2_app.runs import processes
    from scgnn2_app.runs.jobs import JobManager
    from scgnn2_app.sweeps.search_space import Axis
    from scgnn2_app.sources.source import Source
    from scgnn2_app.sweeps.sweeps import SweepManager
    from scgnn2_engine import RunParams
    processes.WORKER = (sys.argv[2],)
    sweeps = SweepManager(JobManager(sys.argv[1], threads=1))
    print(sweeps.start(Source.demo(), RunParams(), [Axis.parse("graph_AE_embedding_size=4:16")],
                       strategy="random", n_trials=4), flush=True)
    time.sleep(600)
"""


def test_a_sweep_survives_the_end_of_its_server(tmp_path, scripted_worker, wait_until):
    (tmp_path / "w").mkdir()
    hold = tmp_path / "w" / "hold"
    command = [sys.executable, "-c", textwrap.dedent(CRASHING), str(tmp_path / "w"), str(scripted_worker)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        sweep_id = server.stdout.readline().strip()
        manager = JobManager(tmp_path / "w", at_once=0)
        sweeps = SweepManager(manager)
        wait_until(lambda: sweeps.sweep(sweep_id).n_done >= 1)
        hold.touch()
        wait_until(lambda: any(trial.state == "running" and trial.run_id for trial in sweeps.sweep(sweep_id).trials))
        assert sweeps.sweep(sweep_id).state == "running"
        sweeps.resume(sweep_id)  # run elsewhere: nothing happens
        server.kill()
    wait_until(lambda: sweeps.sweep(sweep_id).state == "interrupted")
    before = sweeps.sweep(sweep_id)
    running = [trial.run_id for trial in before.trials if trial.state == "running"]
    hold.unlink()
    manager.at_once = 1
    sweeps.resume(sweep_id)
    info = finished(sweeps, sweep_id)
    assert (info.state, info.n_done, len(info.trials)) == ("done", 4, 4)
    assert [trial.run_id for trial in info.trials if trial.run_id in running] == running  # taken up, not repeated
    values = [trial.values["graph_AE_embedding_size"] for trial in info.trials]
    assert len(set(values)) > 1
    sweeps.close()
    manager.close(kill=True)


def test_the_clock_runs_while_the_first_trial_does(sweeps, wait_until):
    hold = sweeps.workspace.folder / "hold"
    hold.touch()
    sweep_id = start(sweeps, strategy="grid", axes=[Axis.parse("graph_AE_embedding_size=4,6")], at_once=1)
    wait_until(lambda: sweeps.sweep(sweep_id).trials)
    first = sweeps.sweep(sweep_id).seconds
    time.sleep(0.3)
    assert sweeps.sweep(sweep_id).seconds >= first + 0.25
    sweeps.stop(sweep_id)
    info = finished(sweeps, sweep_id)
    time.sleep(0.1)
    assert sweeps.sweep(sweep_id).seconds == info.seconds >= 0.3
    hold.unlink()


def test_a_time_budget_ends_it(sweeps):
    (sweeps.workspace.folder / "hold").touch()
    info = finished(sweeps, start(sweeps, n_trials=50, seconds=1.0))
    assert info.state == "done"
    assert "time was up after 0 trials" in info.reason
    assert {trial.state for trial in info.trials} == {"stopped"}


def test_a_sweep_whose_trials_all_fail_is_given_up(sweeps):
    info = finished(sweeps, start(sweeps, n_trials=50, name="fail"))
    assert info.state == "failed"
    assert "The file is broken" in info.reason
    assert 5 <= len(info.trials) <= 8
    assert info.best is None
    assert sweeps.importances(info.id)[0] == {}


def test_parameters_that_do_not_go_together_fail_their_trial_only(sweeps):
    axes = [Axis.parse("selection=last,validation"), Axis.parse("validation_share=0,0.02")]
    params = RunParams(preset="paper", validation_share=0.02, graph_AE_embedding_size=8)
    sweep_id = sweeps.start(DEMO, params, axes, strategy="grid")
    info = finished(sweeps, sweep_id)
    failed = [trial for trial in info.trials if trial.state == "failed"]
    assert [trial.values for trial in failed] == [{"selection": "validation", "validation_share": 0.0}]
    assert "selection rests on held-out entries" in failed[0].reason
    assert info.n_done == 3


def test_a_trial_whose_run_is_deleted_has_failed(sweeps, wait_until):
    (sweeps.workspace.folder / "hold").touch()
    sweep_id = start(sweeps, n_trials=1)
    run = wait_until(lambda: sweeps.sweep(sweep_id).trials and sweeps.sweep(sweep_id).trials[0].run_id)
    sweeps.manager.delete(run)
    info = finished(sweeps, sweep_id)
    assert (info.state, info.trials[0].reason) == ("failed", "Its run was deleted.")


def test_importances_are_only_given_where_they_mean_something(sweeps):
    info = finished(sweeps, start(sweeps, n_trials=2, strategy="random"))
    assert sweeps.importances(info.id) == ({}, "Importances need at least 5 completed trials; there are 2.")
    same = [Axis.parse("graph_AE_embedding_size=8"), Axis.parse("seed=1,2,3,4,5,6")]
    info = finished(sweeps, start(sweeps, same, strategy="grid"))
    assert "same score" in sweeps.importances(info.id)[1]


def test_deleting_a_sweep_may_take_its_runs_along(sweeps):
    sweep_id = start(sweeps, n_trials=2)
    info = finished(sweeps, sweep_id)
    sweeps.delete(sweep_id, runs=True)
    assert not info.folder.exists()
    assert sweeps.sweeps() == sweeps.manager.runs() == []
    with pytest.raises(InputError, match="There is no sweep"):
        sweeps.sweep(sweep_id)


@pytest.mark.parametrize("sweep_id", ["", "..", "../runs", "/etc", ".deleted-x", "a/../b"])
def test_an_id_leads_nowhere_else(sweeps, sweep_id):
    with pytest.raises(InputError, match="There is no sweep"):
        sweeps.sweep(sweep_id)


def test_users_see_their_own(sweeps):
    finished(sweeps, start(sweeps, n_trials=1, owner="ada"))
    assert [info.sweep.owner for info in sweeps.sweeps("ada")] == ["ada"]
    assert sweeps.sweeps("bob") == []
    assert {run.owner for run in sweeps.manager.runs()} == {"ada"}


@pytest.mark.parametrize(
    ("axes", "more", "message"),
    [
        ([], {}, "at least one parameter"),
        ([SIZE, SIZE], {}, "varied twice"),
        ([SIZE], {"score": "ari_against_ground_truth"}, "rests on labels"),
        ([SIZE], {"score": "beauty"}, "is not known"),
        ([SIZE], {"score": "error_median"}, "hidden for a benchmark"),
        ([SIZE], {"n_trials": 0}, "needs trials"),
        ([Axis("graph_AE_embedding_size", low=0, high=8, integer=True)], {}, "cannot be 0"),
        ([Axis("graph_AE_embedding_size", low=8, high=8, integer=True)], {}, "has no range"),
        ([Axis("no_such", (1, 2))], {}, "There is no parameter no_such"),
        ([Axis("device", ("cpu", "cuda"))], {}, "cannot be swept"),
        ([Axis("load_sc_dataset", ("a", "b"))], {}, "cannot be swept"),
        ([Axis("clustering_method", ("Leiden", "Ward"))], {}, "cannot be 'Ward'"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_starts(sweeps, axes, more, message):
    with pytest.raises(ParameterError, match=message):
        sweeps.start(DEMO, RunParams(), axes, **more)
    assert sweeps.sweeps() == []


def test_without_held_out_entries_there_is_no_validation_error(sweeps):
    params = RunParams(preset="paper")
    with pytest.raises(ParameterError, match="there are none"):
        sweeps.start(DEMO, params, [SIZE])


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("graph_AE_embedding_size=4:16", Axis("graph_AE_embedding_size", low=4, high=16, integer=True)),
        ("alpha=0:1", Axis("alpha", low=0.0, high=1.0)),
        ("feature_AE_learning_rate=1e-4:1e-2:log:5",
         Axis("feature_AE_learning_rate", low=1e-4, high=1e-2, log=True, steps=5)),
        ("clustering_method=KMeans,Leiden", Axis("clustering_method", ("KMeans", "Leiden"))),
        ("feature_AE_epoch=500 300,50 30", Axis("feature_AE_epoch", ("500 300", "50 30"))),
        ("--graph_AE_use_GAT", Axis("graph_AE_use_GAT", (False, True))),
    ],
)  # fmt: skip
def test_axes_are_read_and_written(text, axis):
    assert Axis.parse(text) == axis
    assert Axis.parse(axis.text) == axis


@pytest.mark.parametrize(
    "text",
    ["alpha=", "alpha=a:b", "alpha=0:1:lin", "alpha=1:0", "alpha=-1:1", "alpha=0:1:log", "alpha=nan:1", "alpha=x,y",
     "graph_AE_use_GAT=yes,no", "feature_AE_epoch=1:2", "seed=1.5,2", "alpha=0.1,0.1", "preset=paper,default"],
)  # fmt: skip
def test_axes_that_mean_nothing_are_refused(text):
    with pytest.raises(ParameterError):
        Axis.parse(text)


def test_every_parameter_of_the_method_suggests_an_axis_that_it_accepts():
    keys = list(may_vary())
    assert len(keys) > 40
    assert not {owner.flag(name) for owner, name in every_parameter() if owner.group == "load"} & set(keys)
    assert not set(FIXED) & set(keys)
    without = [key for key in keys if type(RunParams().to_dict()[key]) in (list, str) and not _has_choices(key)]
    for key in without:
        with pytest.raises(ParameterError, match="has no range"):
            Axis.of(key)
    for key in set(keys) - set(without):
        axis = Axis.of(key)
        axis.validate()
        assert len(set(axis.points())) == len(axis.points()) > 1, key
        axis.distribution()


def _has_choices(key):
    owner, name = find_parameter(key)
    return hasattr(owner.param[name], "objects")


def test_a_grid_has_an_end():
    with pytest.raises(ParameterError, match="160,000 points"):
        grid([Axis(key, tuple(range(20))) for key in ("seed", "total_epoch", "graph_AE_epoch", "cluster_AE_epoch")])


def test_every_known_score_is_one_that_runs_have():
    from scgnn2_engine import iterate, simulate
    from scgnn2_engine.events import IterationEnded

    params = RunParams(
        total_epoch=1, feature_AE_epoch=[2, 2], graph_AE_epoch=2, cluster_AE_epoch=2, run_LTMG=False, device="cpu"
    )
    events = iterate(simulate(60, 40, 2, seed=0), params)
    given = next(event.scores for event in events if isinstance(event, IterationEnded))
    events.close()
    assert set(SCORES) <= set(given)
    for score in SCORES:
        assert direction_of(score) in ("minimize", "maximize")
    assert direction_of("own", "maximize") == "maximize"
    with pytest.raises(ParameterError):
        direction_of("own", "up")


def test_what_stands_on_disk_is_readable(sweeps):
    info = finished(sweeps, start(sweeps, n_trials=1))
    record = json.loads((info.folder / "sweep.json").read_text())
    assert record["axes"][0]["key"] == "graph_AE_embedding_size"
    assert (info.folder / "study.db").read_bytes().startswith(b"SQLite format 3")
    assert studies.open_study(info.folder, info.sweep).study_name == "sweep"

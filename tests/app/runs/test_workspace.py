"""The folder of all runs: ids, records, events by cursor, snapshots, hostile ids."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime

import numpy as np
import pytest
import scipy.sparse as sp

from scgnn2_app.results.run_data import RunData
from scgnn2_app.runs.progress import Progress
from scgnn2_app.runs.records import read_events
from scgnn2_app.runs.snapshots import iterations, load_iteration, load_shape, save_data, save_iteration
from scgnn2_app.runs.workspace import Workspace
from scgnn2_app.sources.source import Source
from scgnn2_engine import RunParams
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.costs import ending
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import InputError, OutputError
from scgnn2_engine.methods.published.method import Reconstructed
from scgnn2_engine.results.state import LoopState

DEMO = Source.demo()


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "w")


def test_ids_sort_by_time_and_are_unique(workspace):
    runs = [workspace.add(DEMO, RunParams()) for _ in range(20)]
    assert len(set(runs)) == 20
    assert workspace.run_ids() == sorted(runs) == runs


def test_a_run_is_written_down_whole(workspace):
    source = Source.at("/data/counts.h5ad", labels="cell_type", bulk="/data/bulk.csv")
    run = workspace.add(source, RunParams(preset="paper", seed=4), name="n", owner="ada", sweep="s", trial=3)
    job = Workspace(workspace.folder).job(run)
    assert (job.source, job.name, job.owner, job.sweep, job.trial) == (source, "n", "ada", "s", 3)
    assert RunParams.from_dict(job.params) == RunParams(preset="paper", seed=4)
    assert job.changed == {"seed": 4}
    assert RunParams.from_toml(workspace.run_folder(run) / "run.toml") == RunParams(preset="paper", seed=4)


@pytest.mark.parametrize("run_id", ["", ".", "..", "../x", "../../etc", "20261124T183712123456-3f9a2c", "a/b", "\0"])
def test_an_id_leads_nowhere_else(workspace, run_id):
    for action in (workspace.run_folder, workspace.job, workspace.events, workspace.delete, workspace.log):
        with pytest.raises(InputError, match="There is no run"):
            action(run_id)


def test_a_workspace_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        Workspace(tmp_path / "file" / "workspace")


def test_events_are_read_once_each_and_in_whole_lines(workspace):
    run = workspace.add(DEMO, RunParams())
    assert workspace.events(run) == ([], 0)
    path = workspace.run_folder(run) / "events.jsonl"
    path.write_bytes(b'{"event":"A","n":1}\n{"event":"B","t":"\xc3\xa4"}\n{"event":"C"')
    events, cursor = workspace.events(run)
    assert [event["event"] for event in events] == ["A", "B"]
    assert workspace.events(run, cursor) == ([], cursor)
    with path.open("a") as log:
        log.write("}\nnot json\n[1]\n" + '{"event":"D"}\n')
    events, cursor = workspace.events(run, cursor)
    assert [event["event"] for event in events] == ["C", "D"]
    path.write_text('{"event":"again"}\n')  # started anew: shorter than the cursor
    assert workspace.events(run, cursor)[0] == [{"event": "again"}]


def test_events_written_meanwhile_are_all_seen(tmp_path):
    path = tmp_path / "events.jsonl"

    def write():
        with path.open("a") as log:
            for number in range(3000):
                log.write(json.dumps({"event": "E", "n": number}) + "\n")

    thread = threading.Thread(target=write)
    thread.start()
    seen, cursor = [], 0
    while thread.is_alive() or len(seen) < 3000:
        events, cursor = read_events(path, cursor)
        seen += [event["n"] for event in events]
    thread.join()
    assert seen == list(range(3000))


def test_a_long_log_comes_in_parts_and_a_long_line_whole(tmp_path, monkeypatch):
    from scgnn2_app.runs import records as run_records

    monkeypatch.setattr(run_records, "_AT_ONCE", 64)
    path = tmp_path / "events.jsonl"
    lines = [{"event": "E", "n": number} for number in range(10)] + [{"event": "long", "text": "x" * 500}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    seen, cursor, parts = [], 0, 0
    while True:
        events, after = read_events(path, cursor)
        if after == cursor:
            break
        seen, cursor, parts = seen + events, after, parts + 1
    assert seen == lines
    assert parts > 3


def test_the_log_is_read_from_its_end(workspace):
    run = workspace.add(DEMO, RunParams())
    assert workspace.log(run) == ""
    (workspace.run_folder(run) / "log.txt").write_bytes(b"first\n" * 100 + b"\xff last")
    assert workspace.log(run, last=7) == "\n� last"


def test_deleting_leaves_nothing(workspace):
    run = workspace.add(DEMO, RunParams())
    workspace.delete(run)
    assert workspace.run_ids() == []
    assert list((workspace.folder / "runs").iterdir()) == []


def prepared(expression, n_obs=4, n_vars=3):
    return Prepared(
        x=np.zeros((n_obs, n_vars), np.float32),
        size_factors=np.ones(n_obs, np.float32),
        expression=expression,
        scale="counts",
        obs_names=np.array([f"cell {number}" for number in range(n_obs)]),
        var_names=np.array(["a", "b", "ç"]),
        cells=np.array([0, 2, 3, 5]),
        genes=np.arange(n_vars),
    )


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_data_comes_back_as_it_was(tmp_path, kind):
    values = np.array([[0, 1, 0], [2, 0, 0], [0, 0, 0], [0, 3, 4]], np.float32)
    save_data(tmp_path, prepared(kind(values)))
    data = RunData(tmp_path)
    assert isinstance(data.expression, type(kind(values)))
    np.testing.assert_array_equal(
        data.expression.toarray() if sp.issparse(data.expression) else data.expression, values
    )
    assert (data.obs_names[3], data.var_names[2], data.scale) == ("cell 3", "ç", "counts")
    assert load_shape(tmp_path) == (4, 3)


def test_every_iteration_keeps_its_graph(tmp_path):
    graph = CellGraph(
        np.array([[1], [0], [0], [2]]), np.ones((4, 1), np.float32), np.array([[0.5], [0.25], [1], [2]], np.float32)
    )
    for iteration in (1, 2, 10):
        state = LoopState(
            iteration, Reconstructed({}, np.ones((4, 2), "f4"), np.zeros((4, 3), "f4")), graph, np.ones((4, 4), "f4"),
            labels=np.array([0, 0, 1, 1], np.int32),
        )  # fmt: skip
        save_iteration(tmp_path, state)
    assert iterations(tmp_path) == [1, 2, 10]
    snapshot = load_iteration(tmp_path, 10)
    assert snapshot.edges.T.tolist() == [[0, 1], [0, 2], [2, 3]]
    assert snapshot.weights.tolist() == [0.5, 1.0, 2.0]  # of the two directions the larger
    assert snapshot.labels.tolist() == [0, 0, 1, 1]
    with pytest.raises(InputError, match=r"no snapshot of iteration 3.*1, 2, 10"):
        load_iteration(tmp_path, 3)


def test_a_damaged_snapshot_is_named_and_none_is_a_pickle(tmp_path):
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "iteration_1.npz").write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(InputError, match="damaged"):
        load_iteration(tmp_path, 1)
    np.savez(tmp_path / "snapshots" / "iteration_2.npz", labels=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="damaged"):
        load_iteration(tmp_path, 2)
    assert load_shape(tmp_path) is None
    with pytest.raises(InputError, match="not the folder of a run"):
        RunData(tmp_path)


def event(kind, second, **fields):
    return {"event": kind, "time": f"2026-01-01T00:00:{second:02d}+00:00", **fields}


def test_the_time_left_comes_from_the_iterations_that_are_over():
    progress = Progress()
    progress.listen([event("RunStarted", 0, params={"total_epoch": 3})])
    progress.listen([
        event("StageStarted", 0, stage="feature_AE", iteration=0),
        event("StageEnded", 10, stage="feature_AE", iteration=0, seconds=10),
        event("StageEnded", 10, stage="graph_AE", iteration=0, seconds=0),
    ])  # fmt: skip
    first = progress.share
    assert 0 < first < 0.5
    progress.listen([
        event("StageStarted", 10, stage="cluster_AE", iteration=1),
        event("StageEnded", 20, stage="cluster_AE", iteration=1, seconds=10),
        event("IterationEnded", 20, iteration=1, n_iterations=3, scores={"validation_error": 0.5}),
    ])  # fmt: skip
    assert progress.iteration == 1
    assert progress.seconds_left == pytest.approx(2 * 10 + 0.5)  # two iterations and the output
    assert progress.share == pytest.approx(20 / 40.5)
    progress.listen([
        event("StageStarted", 20, stage="cluster_AE", iteration=2),
        event("EpochEnded", 25, stage="cluster_AE", iteration=2, epoch=1, n_epochs=2, losses={}),
    ])  # fmt: skip
    assert progress.seconds_left == pytest.approx(10 + 5 + 0.5)
    before = progress.share
    progress.listen([event("RunEnded", 30, reason="graph_change", selected_iteration=1)])
    assert (progress.share, progress.seconds_left, progress.scores) == (1.0, 0.0, {"validation_error": 0.5})
    assert before < 1


def after_the_loop(**switches):
    """A run of 700 cells × 636 genes whose one iteration took 10 s, about to be scored."""
    progress = Progress()
    progress.listen([
        event("RunStarted", 0, n_obs=700, n_vars=636, params={"total_epoch": 1, **switches}),
        event("StageEnded", 0, stage="feature_AE", iteration=0, seconds=0),
        event("StageStarted", 0, stage="cluster_AE", iteration=1),
        event("StageEnded", 10, stage="cluster_AE", iteration=1, seconds=10),
        event("IterationEnded", 10, iteration=1, n_iterations=1, scores={}),
        event("StageStarted", 10, stage="evaluate", iteration=0),
    ])  # fmt: skip
    return progress


def test_the_final_scoring_and_the_figures_count_as_long_as_they_take():
    bare = after_the_loop()
    assert bare.seconds_left < 3
    scored = after_the_loop(evaluate_baselines=True, evaluate_diagnostics=True)
    drawn = after_the_loop(output_figures=True)
    whole = after_the_loop(evaluate_baselines=True, evaluate_diagnostics=True, output_figures=True)
    slower = 10 / (3.6 + 2.5 * 0.7 * 0.636)  # than the model of an iteration, as is the end of the run
    assert whole.seconds_left == pytest.approx(slower * sum(ending(700, 636, whole._params, 1)))
    assert whole.seconds_left - drawn.seconds_left == pytest.approx(slower * 5.79, abs=0.1)
    assert whole.seconds_left - scored.seconds_left == pytest.approx(slower * 10.22, abs=0.1)
    assert whole.share == pytest.approx(10 / (10 + whole.seconds_left))
    whole.listen([event("StageEnded", 40, stage="evaluate", iteration=0, seconds=30)])
    assert whole.seconds_left == pytest.approx(drawn.seconds_left, abs=3)
    whole.listen([event("StageStarted", 40, stage="output", iteration=0)])
    assert whole.seconds_left == pytest.approx(drawn.seconds_left, abs=3)


def test_time_passes_within_a_stage_of_which_nothing_is_heard():
    progress = after_the_loop(output_figures=True)
    share, left = progress.by(datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC))
    later = progress.by(datetime(2026, 1, 1, 0, 0, 20, tzinfo=UTC))
    assert later[1] == pytest.approx(left - 10)
    assert later[0] > share + 0.2
    share, left = progress.by(datetime(2026, 1, 1, 1, 0, 0, tzinfo=UTC))
    assert (share, left) == (0.99, 0.0)  # longer than was thought
    progress.listen([event("RunEnded", 50, reason="total_epoch", selected_iteration=1)])
    assert progress.by(datetime(2026, 1, 1, 1, 0, 0, tzinfo=UTC)) == (1.0, 0.0)


def test_a_time_budget_bounds_what_is_left():
    progress = Progress()
    progress.listen([
        event("RunStarted", 0, params={"total_epoch": 100, "max_seconds": 30, "evaluate_baselines": True}),
        event("StageEnded", 10, stage="feature_AE", iteration=0, seconds=10),
    ])  # fmt: skip
    assert progress.seconds_left == pytest.approx(20 + 0.5)  # the output comes after it

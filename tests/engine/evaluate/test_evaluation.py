"""A result beside its baselines: what is in the tables, and what can never happen to the result."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest

import scgnn2_engine as sc2
from scgnn2_engine.data.dataset import Truth
from scgnn2_engine.evaluate import evaluate_result
from scgnn2_engine.evaluate import evaluation as report
from scgnn2_engine.evaluate.baselines import CLUSTERING, IMPUTATION
from scgnn2_engine.evaluate.evaluation import METHOD, METHOD_VALUE, best_baseline_error
from scgnn2_engine.events import Notice, RunEnded, StageEnded

SMALL = {
    "total_epoch": 2,
    "feature_AE_epoch": [5, 5],
    "graph_AE_epoch": 5,
    "cluster_AE_epoch": 5,
    "run_LTMG": False,
    "device": "cpu",
    "output_figures": False,
}


@pytest.fixture(scope="module")
def run(groups):
    # An iteration is scored before zeros are left at 0, which loses a few of the hidden entries.
    return sc2.fit(groups, sc2.RunParams(dropout_prob=0.1, keep_zeros=0.0, **SMALL))


def test_every_baseline_stands_beside_the_result(run):
    evaluation = run.evaluation
    methods = evaluation.imputation["method"].drop_duplicates().tolist()
    assert methods[0] == METHOD
    assert set(methods[1:]) <= set(IMPUTATION)
    assert len(methods) >= len(IMPUTATION)  # all of them, but for MAGIC where it is not installed
    assert evaluation.clusters["method"].tolist() == [METHOD, *CLUSTERING]
    mine = evaluation.clusters.set_index("method")["depth_between_clusters"]
    assert mine.between(0, 1).all()
    assert mine[METHOD] == evaluation.value("depth_between_clusters")  # one number in both tables
    kinds = evaluation.imputation.groupby("method")["entries"].apply(list)
    assert all(kind == ["masked", "untouched", "zero"] for kind in kinds)


def test_the_row_of_the_result_is_that_of_the_selected_iteration(run):
    row = run.evaluation.imputation.query("method == @METHOD and entries == 'masked'").iloc[0]
    chosen = run.metrics[run.metrics["selected"]].iloc[0]
    for score, column in (("l1_median", "error_median"), ("rmse", "error_rmse"), ("cosine", "error_cosine")):
        assert row[score] == pytest.approx(chosen[column], rel=1e-4)


def test_the_absolute_error_of_an_iteration_is_left_out_where_it_means_nothing(groups):
    ones = replace(groups, expression=np.minimum(groups.expression, 1))
    metrics = sc2.fit(ones, sc2.RunParams(dropout_prob=0.1, evaluate_baselines=False, **SMALL)).metrics
    assert metrics[["error_median", "error_mean"]].isna().all(axis=None)
    assert metrics[["error_rmse", "error_cosine"]].notna().all(axis=None)


def test_values_stand_beside_what_is_to_be_expected(run, groups):
    other = sc2.fit(groups, sc2.RunParams(dropout_prob=0.1, keep_zeros=0.0, imputation_target="expected", **SMALL))
    columns = ["entries", "n", "l1_median", "rmse", "cosine", "zeros_kept"]
    values, own = (other.evaluation.imputation.query("method == @name") for name in (METHOD_VALUE, METHOD))
    before = run.evaluation.imputation.query("method == @METHOD")
    pd.testing.assert_frame_equal(values[columns].reset_index(drop=True), before[columns].reset_index(drop=True))
    assert any(METHOD_VALUE in note for note in other.evaluation.notes)
    assert not any(METHOD_VALUE in note for note in run.evaluation.notes)
    floor = other.evaluation.value("gap_closed")
    assert floor == pytest.approx(run.evaluation.value("gap_closed"), nan_ok=True)
    error = own.set_index("entries")["rmse"] - values.set_index("entries")["rmse"]
    assert error["masked"] > 0 > error["zero"]
    assert METHOD_VALUE not in set(run.evaluation.imputation["method"])


def test_what_knows_the_held_out_entries_is_not_scored_there(groups):
    result = sc2.fit(groups, sc2.RunParams(imputation_target="expected", evaluate_baselines=False, **SMALL))
    kinds = result.evaluation.imputation.groupby("method")["entries"].apply(list)
    assert kinds[METHOD] == ["untouched", "zero"]
    assert kinds[METHOD_VALUE] == ["held_out", "untouched", "zero"]


def test_the_record_holds_it_for_run_json(run):
    record = json.loads(json.dumps(run.record["evaluation"]).replace("NaN", "null"))
    assert {row["method"] for row in record["imputation"]} == set(run.evaluation.imputation["method"])
    assert record["diagnostics"]["variance_kept"] == run.evaluation.value("variance_kept")
    assert any("differential expression" in note for note in record["notes"])
    assert np.isnan(run.evaluation.value("no such diagnostic"))
    assert run.record["stages"][-1]["stage"] == "evaluate"


def test_evaluating_again_gives_the_same_tables(run):
    again = evaluate_result(run, seed=1)
    for part in ("imputation", "clusters"):
        one, other = (getattr(each, part).drop(columns="seconds") for each in (run.evaluation, again))
        pd.testing.assert_frame_equal(one, other)
    pd.testing.assert_frame_equal(run.evaluation.diagnostics, again.diagnostics)


def test_labels_change_the_agreement_and_nothing_else(run):
    truth = Truth(np.repeat(["a", "b", "c"], 30))
    without = evaluate_result(run, seed=1)
    given = evaluate_result(run, truth, seed=1)
    shuffled = evaluate_result(run, truth.take(np.random.default_rng(0).permutation(90)), seed=1)
    agreements = ["ari", "nmi", "ami", "seconds"]
    assert without.clusters[["ari", "nmi", "ami"]].isna().all(axis=None)
    assert given.clusters["ari"].max() > 0.9 > shuffled.clusters["ari"].max()
    for other in (given, shuffled):
        pd.testing.assert_frame_equal(
            without.clusters.drop(columns=agreements), other.clusters.drop(columns=agreements)
        )
        pd.testing.assert_frame_equal(without.diagnostics, other.diagnostics)
        pd.testing.assert_frame_equal(
            without.imputation.drop(columns="seconds"), other.imputation.drop(columns="seconds")
        )


def test_it_can_be_switched_off(groups):
    params = sc2.RunParams(evaluate_baselines=False, evaluate_diagnostics=False, **(SMALL | {"total_epoch": 1}))
    evaluation = sc2.fit(groups, params).evaluation
    assert evaluation.imputation["method"].unique().tolist() == [METHOD]
    assert evaluation.imputation["entries"].tolist() == ["held_out", "untouched", "zero"]
    assert len(evaluation.diagnostics) == len(evaluation.genes) == 0
    assert np.isnan(best_baseline_error(evaluation.imputation))


def test_a_baseline_that_fails_costs_its_row_and_is_said(run, monkeypatch):
    def broken(name, prepared, *, seed=0):
        if name == "knn":
            raise ValueError("something went wrong")
        return prepared.x

    monkeypatch.setattr(report, "impute_baseline", broken)
    steps, notices = report.iterate_evaluation(run, diagnostics=False), []
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            evaluation = end.value
            break
        notices.append(event)
    assert "knn" not in set(evaluation.imputation["method"])
    assert "alra" in set(evaluation.imputation["method"])
    assert any(
        isinstance(notice, Notice) and "knn is left out: something went wrong" in notice.message for notice in notices
    )


def test_a_stopped_run_is_not_held_up(groups):
    events, stopped = [], []
    params = sc2.RunParams(**SMALL)
    for event in sc2.iterate(groups, params, stop=lambda: bool(stopped)):
        events.append(event)
        if isinstance(event, StageEnded) and event.stage == "evaluate":
            stopped.append(True)
    assert isinstance(events[-1], RunEnded)
    evaluation = events[-1].result.evaluation
    assert evaluation.imputation["method"].unique().tolist() == [METHOD]
    assert len(evaluation.diagnostics) == 0
    assert any("stopped" in note for note in evaluation.notes)


@pytest.mark.parametrize(("until", "left_out", "said"), [
    ("knn", [*list(IMPUTATION)[4:], *CLUSTERING, "diagnostics"], "7 of 11 baselines and the diagnostics were not"),
    ("pca_leiden_1.0", ["diagnostics"], "the diagnostics were not computed"),
])  # fmt: skip
def test_a_stop_during_the_scoring_is_said(run, monkeypatch, until, left_out, said):
    """The iterations are whole, and so is the reason that ended them; what is known of the result is not."""
    assert len(run.evaluation.left_out) == 0
    stopped = []

    def counted(function):
        def wrapped(name, *arguments, **options):
            stopped.extend([True] if name == until else [])
            return function(name, *arguments, **options)

        return wrapped

    for name in ("impute_baseline", "cluster_baseline"):
        monkeypatch.setattr(report, name, counted(getattr(report, name)))
    steps = report.evaluated(run, None, baselines=True, diagnostics=True, seed=1, stop=lambda: bool(stopped))
    notices = []
    while True:
        try:
            notices.append(next(steps))
        except StopIteration as end:
            result = end.value
            break
    assert result.record["stopped_by"] == run.record["stopped_by"] != "stop_signal"
    assert list(result.evaluation.left_out) == left_out == result.record["evaluation"]["left_out"]
    assert said in result.evaluation.notes[0]
    assert (notices[-1].message, notices[-1].level) == (result.evaluation.notes[0], "warning")


def test_an_evaluation_that_fails_leaves_the_result(run, monkeypatch):
    def broken(*arguments, **options):
        raise ValueError("no such number")

    monkeypatch.setattr(report, "diagnose", broken)
    steps = report.evaluated(run, None, baselines=False, diagnostics=True, seed=1)
    assert next(steps).message == "The result is not evaluated: no such number"
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value is run


def test_too_little_memory_costs_the_baselines_not_the_result(run):
    small = replace(run, record={**run.record, "params": {"max_memory": 0.001}})
    steps = report.evaluated(small, None, baselines=True, diagnostics=True, seed=1)
    notice = next(steps)
    assert notice.level == "warning"
    assert "Baselines and diagnostics are left out. The evaluation would need about" in notice.message
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value.evaluation.imputation["method"].unique().tolist() == [METHOD]


def test_sparse_counts_have_no_absolute_error_at_hidden_entries():
    data = sc2.simulate(n_obs=60, n_vars=40, n_types=2, seed=0)
    evaluation = sc2.fit(data, sc2.RunParams(**(SMALL | {"total_epoch": 1}))).evaluation
    at = evaluation.imputation.set_index("entries")
    assert at.loc["held_out", ["l1_median", "l1_mean"]].isna().all(axis=None)
    assert at.loc["untouched", "l1_median"].notna().all()
    assert any("count thinning" in note for note in evaluation.notes)


def test_it_is_written_and_an_earlier_one_is_removed(run, tmp_path):
    params = sc2.RunParams(dropout_prob=0.1, **SMALL)
    sc2.write(run, tmp_path / "out", params=params)
    table = pd.read_csv(tmp_path / "out" / "evaluation.csv")
    assert table["method"].tolist() == run.evaluation.imputation["method"].tolist()
    assert "seconds" not in table
    genes = pd.read_csv(tmp_path / "out" / "diagnostics_genes.csv")
    assert len(genes) == run.prepared.n_vars
    assert json.loads((tmp_path / "out" / "run.json").read_text())["evaluation"]["clusters"]
    with h5py.File(tmp_path / "out" / "result.h5ad") as file:
        assert {"evaluation", "evaluation_clusters", "diagnostics"} <= set(file["uns/scgnn2"])
    sc2.write(replace(run, evaluation=None), tmp_path / "out", params=params, overwrite=True)
    assert not (tmp_path / "out" / "evaluation.csv").exists()


def test_the_figure_has_six_panels_and_both_forms(run, tmp_path):
    from scgnn2_engine.plots import diagnostics, save_both

    evaluation = evaluate_result(run, Truth(np.repeat(["a", "b", "c"], 30)))
    figure = diagnostics(evaluation)
    assert len(figure.charts) == 6
    assert [path.suffix for path in save_both(figure, tmp_path / "diagnostics")] == [".html", ".png"]
    assert all(path.stat().st_size > 10_000 for path in tmp_path.iterdir())
    alone = evaluate_result(run, baselines=False, diagnostics=False)
    assert len(diagnostics(alone).charts) == 3


def test_of_many_cells_some_are_scored(run, monkeypatch):
    monkeypatch.setattr(report, "SCORED_CELLS", 40)
    some = evaluate_result(run, seed=1, baselines=False)
    cells = np.sort(np.random.default_rng(1).choice(90, 40, replace=False))
    prepared = run.prepared.take(cells)
    found = some.imputation.set_index("entries")
    assert found["n"].sum() + len(prepared.validation) == 40 * run.prepared.n_vars
    assert found.loc["untouched", "n"] == np.count_nonzero(run.prepared.x[cells])
    hidden = prepared.hidden
    assert found.loc["masked", "n"] == np.isin(run.prepared.hidden.rows, cells).sum() == len(hidden)
    errors = run.imputed[cells][hidden.rows, hidden.cols] - hidden.values
    assert found.loc["masked", "rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-5)
    assert some.notes[0].startswith("Scores and diagnostics are of 40 of the 90 cells")

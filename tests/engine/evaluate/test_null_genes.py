"""Genes without any relation: what is added, what is measured, and that the result never changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgnn2_engine as sc2
from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.data.prepared import HiddenEntries, Prepared
from scgnn2_engine.evaluate import evaluation as report
from scgnn2_engine.evaluate import null_genes
from scgnn2_engine.evaluate.baselines import IMPUTATION, missing_package
from scgnn2_engine.evaluate.null_genes import FEWEST_CELLS, NullGenes, iterate_null_genes, with_null_genes
from scgnn2_engine.events import Notice, RunEnded, drain

SMALL = {
    "feature_AE_epoch": [5, 5],
    "graph_AE_epoch": 5,
    "cluster_AE_epoch": 5,
    "run_LTMG": False,
    "device": "cpu",
    "output_figures": False,
    "ari_threshold": 1.0,
    "graph_change_threshold": 0.0,
}
BASELINES = [name for name in IMPUTATION if name != "zeros" and not missing_package(name)]


@pytest.fixture(scope="module")
def unrelated() -> Prepared:
    """400 cells of depths from 0.25 to 4, by 60 genes that hang on nothing else."""
    generator = np.random.default_rng(3)
    depths = 4.0 ** generator.uniform(-1, 1, size=(400, 1))
    counts = generator.poisson(depths * generator.gamma(2.0, 8.0, size=60)).astype(np.float32)
    names = np.arange(400).astype(str)
    data = Dataset(counts, obs_names=names, var_names=names[:60], scale="counts")
    return prepare(data, sc2.RunParams(preset="paper", run_LTMG=False, preprocess_library_size=True))


def even(counts: np.ndarray, **changes: object) -> Prepared:
    """Counts of cells that all have size factor 1, logged and so not divided again."""
    values = np.asarray(counts, dtype=np.float32)
    n_obs, n_vars = values.shape
    made = Prepared(
        x=values,
        size_factors=np.ones(n_obs, dtype=np.float32),
        expression=values,
        scale="logged",
        obs_names=np.arange(n_obs).astype(str),
        var_names=np.arange(n_vars).astype(str),
        cells=np.arange(n_obs),
        genes=np.arange(n_vars),
    )
    return replace(made, **changes)


def test_copies_hold_the_values_of_their_genes_in_another_order(rng):
    values = rng.integers(1, 50, size=(30, 8))
    states = (values % 5).astype(np.uint8)
    prepared = even(values, states=states)
    extended = with_null_genes(prepared, 3, seed=2)
    assert extended.n_vars == 11
    for part in ("x", "expression", "states"):
        mine, theirs = getattr(extended, part), getattr(prepared, part)
        assert mine.dtype == theirs.dtype
        assert (mine[:, :8] == theirs).all()
    sources = extended.genes[8:]
    assert extended.var_names[8:].tolist() == [f"{gene} (permuted)" for gene in sources]
    for column, gene in enumerate(sources, 8):
        assert sorted(extended.x[:, column]) == sorted(values[:, gene])
        assert (extended.x[:, column] != values[:, gene]).any()
        assert (extended.states[:, column] == extended.x[:, column] % 5).all()  # states went with their values
    assert (extended.x[:, 8:] == extended.expression[:, 8:]).all()


def test_genes_are_spread_over_how_often_they_are_seen():
    seen_in = np.arange(25)  # 0 to 4 are too few
    assert FEWEST_CELLS == 5
    for seed in range(5):
        chosen = null_genes._spread(seen_in, 4, np.random.default_rng(seed))
        assert ((chosen - 5) // 5).tolist() == [0, 1, 2, 3]
    assert null_genes._spread(seen_in, 100, np.random.default_rng(0)).tolist() == list(range(5, 25))
    assert len(null_genes._spread(np.full(9, 4), 3, np.random.default_rng(0))) == 0


@pytest.mark.parametrize("library_size", [True, False])
def test_counts_stay_counts_and_take_the_depth_of_their_cell(unrelated, library_size):
    data = Dataset(unrelated.expression, unrelated.obs_names, unrelated.var_names, "counts")
    prepared = prepare(data, sc2.RunParams(preset="paper", run_LTMG=False, preprocess_library_size=library_size))
    extended = with_null_genes(prepared, 40, seed=1)
    null = extended.expression[:, 60:]
    assert (null == np.rint(null)).all()
    assert (null.sum(axis=1) / extended.expression[:, :60].sum(axis=1)).std() < 0.1  # depths differ by a factor of 16
    assert np.allclose(extended.x[:, 60:], np.log1p(null / prepared.size_factors[:, None]), atol=1e-5)
    # Rounded up or down at random, the mean of every gene stays.
    factors = unrelated.size_factors[:, None]
    means = (null / factors).mean(axis=0) / (unrelated.expression / factors).mean(axis=0)[extended.genes[60:]]
    assert np.abs(means - 1).max() < 0.1
    # Counts permuted as they are would be tied to one another by the depths.
    found = null_genes.null_relations(extended.to_output_scale(extended.x), extended, 40)
    assert found["correlation_observed"] == pytest.approx(0.6745 / np.sqrt(400), rel=0.15)


def test_sparse_and_dense_are_alike_and_the_seed_tells(masked):
    one = with_null_genes(masked, 20, seed=1)
    sparse = with_null_genes(replace(masked, expression=sp.csr_matrix(masked.expression)), 20, seed=1)
    assert sp.issparse(sparse.expression)
    assert (sparse.expression.toarray() == one.expression).all()
    assert sparse.x.tobytes() == one.x.tobytes() == with_null_genes(masked, 20, seed=1).x.tobytes()
    assert with_null_genes(masked, 20, seed=2).x.tobytes() != one.x.tobytes()


def test_hidden_values_are_never_read(masked):
    poisoned = masked.expression.copy()
    for entries in (masked.hidden, masked.validation):
        poisoned[entries.rows, entries.cols] = 777
    changed = HiddenEntries(masked.hidden.rows, masked.hidden.cols, np.full_like(masked.hidden.values, np.nan))
    mine = with_null_genes(replace(masked, expression=poisoned, hidden=changed), 60, seed=1)
    assert mine.x.tobytes() == with_null_genes(masked, 60, seed=1).x.tobytes()
    assert 777 not in mine.expression[:, 60:]


def test_a_method_that_changes_nothing_makes_no_relation_and_a_shared_pattern_many(unrelated):
    def table(impute):
        null = NullGenes(40, lambda extended: {"": impute(extended)})
        steps = iterate_null_genes(null, unrelated, method="scgnn2", baselines=False, seed=1)
        found = drain(steps)
        return dict(zip(found["name"], found["value"], strict=True))

    pattern = np.random.default_rng(0).standard_normal((400, 1))
    same = table(lambda extended: extended.to_output_scale(extended.x))
    assert list(same) == [
        "null_genes",
        "null_correlation_observed",
        "null_correlation_scgnn2",
        "null_pairs_only_scgnn2",
    ]
    assert same["null_genes"] == 40
    assert same["null_correlation_scgnn2"] == pytest.approx(same["null_correlation_observed"], rel=1e-3)
    assert same["null_correlation_observed"] == pytest.approx(0.6745 / np.sqrt(400), rel=0.15)
    assert same["null_pairs_only_scgnn2"] < 0.01
    alike = table(lambda extended: extended.to_output_scale(np.maximum(extended.x + pattern, 0)))
    assert alike["null_correlation_scgnn2"] > 0.5
    assert alike["null_pairs_only_scgnn2"] > 0.9
    assert alike["null_correlation_observed"] == same["null_correlation_observed"]


def test_every_baseline_has_its_rows_and_a_failure_costs_only_its_own(masked):
    def broken(extended):
        raise ValueError("something went wrong")

    events, steps = [], iterate_null_genes(NullGenes(20, broken), masked, method="scgnn2", seed=1)
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            table = end.value
            break
    assert "Null genes: scgnn2 is left out: something went wrong" in [event.message for event in events]
    rows = [f"null_{what}_{name}" for name in BASELINES for what in ("correlation", "pairs_only")]
    assert table["name"].tolist() == ["null_genes", "null_correlation_observed", *rows]
    assert np.isfinite(table["value"].to_numpy(float)).all()


def test_without_genes_to_take_a_notice_says_so():
    rare = even(np.eye(6))
    steps = iterate_null_genes(NullGenes(20, lambda extended: extended.x), rare, method="scgnn2")
    assert next(steps).message == "No null genes: fewer than two genes are seen in 5 cells."
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert len(end.value.value) == 0


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_the_result_is_the_same_bytes_with_and_without(groups, preset):
    params = sc2.RunParams(preset=preset, dropout_prob=0.1, total_epoch=2, **SMALL)
    without, given = (sc2.fit(groups, params.replace(evaluate_null_genes=n)) for n in (0, 12))
    for part in ("imputed", "labels", "feature_embedding", "graph_embedding", "clustering_embedding"):
        assert getattr(without, part).tobytes() == getattr(given, part).tobytes()
    assert without.outputs.keys() == given.outputs.keys()
    assert all(without.outputs[name].tobytes() == given.outputs[name].tobytes() for name in without.outputs)
    pd.testing.assert_frame_equal(without.losses, given.losses)
    pd.testing.assert_frame_equal(without.metrics.drop(columns="seconds"), given.metrics.drop(columns="seconds"))
    for part in ("imputation", "clusters"):
        one, other = (getattr(each.evaluation, part).drop(columns="seconds") for each in (without, given))
        pd.testing.assert_frame_equal(one, other)
    rows = given.evaluation.diagnostics
    is_null = rows["name"].str.startswith("null_")
    pd.testing.assert_frame_equal(without.evaluation.diagnostics, rows[~is_null])
    assert rows["name"][is_null].tolist()[:3] == ["null_genes", "null_correlation_observed", "null_correlation_scgnn2"]
    assert given.evaluation.value("null_correlation_knn") > 0
    assert given.record["stages"][-1]["stage"] == "evaluate"
    assert [row["stage"] for row in without.record["stages"]] == [row["stage"] for row in given.record["stages"]]


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_the_method_that_imputes_again_is_that_of_the_run(groups, monkeypatch, preset):
    again = []

    def captured(null, prepared, **options):
        again.append(null.impute(prepared))
        yield Notice("imputed again")
        return pd.DataFrame(columns=["name", "value", "meaning"])

    monkeypatch.setattr(report, "iterate_null_genes", captured)
    params = sc2.RunParams(preset=preset, total_epoch=2, evaluate_null_genes=5, evaluate_baselines=False, **SMALL)
    result = sc2.fit(groups, params)
    assert np.asarray(again[0][""]).tobytes() == result.imputed.tobytes()
    assert set(again[0]) == {"", *result.outputs}
    for name, matrix in result.outputs.items():
        assert np.asarray(again[0][name]).tobytes() == matrix.tobytes()


def test_a_stop_is_heard_while_it_imputes_again(groups):
    events: list[object] = []
    asked: list[bool] = []

    def stop() -> bool:
        """True a few times of asking after the notice."""
        if any(isinstance(event, Notice) and "imputed again" in event.message for event in events):
            asked.append(True)
        return len(asked) > 3

    params = sc2.RunParams(total_epoch=1, evaluate_null_genes=12, **SMALL)
    for event in sc2.iterate(groups, params, stop=stop):
        events.append(event)
    assert isinstance(events[-1], RunEnded)
    evaluation = events[-1].result.evaluation
    assert not evaluation.diagnostics["name"].str.startswith("null_").any()
    assert len(evaluation.imputation) > 0
    assert any(isinstance(event, Notice) and "null genes are left out" in event.message for event in events)
    assert len(asked) < 12


def test_it_needs_memory_and_the_diagnostics(groups):
    refused = NullGenes(5, lambda prepared: pytest.fail("must not be asked"), needed=2**60)
    result = sc2.fit(groups, sc2.RunParams(total_epoch=1, evaluate_baselines=False, **SMALL))
    events = list(report.evaluated(result, None, baselines=False, diagnostics=True, seed=1, null=refused))
    assert "Null genes are left out. The evaluation would need about" in events[-1].message
    assert not list(report.evaluated(result, None, baselines=False, diagnostics=False, seed=1, null=refused))

"""The route of a run: events in order, labels without influence, clean ends, every fork of the road."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import scgnn2_engine.methods.denoising.method as denoising
import scgnn2_engine.run.iteration as one_iteration
from scgnn2_engine import RunParams, fit, iterate, result_to_anndata, simulate
from scgnn2_engine.data.dataset import Truth
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.data.prepared import HiddenEntries
from scgnn2_engine.errors import InputError, InsufficientMemoryError, ParameterError, TrainingError
from scgnn2_engine.events import (
    DataPrepared,
    EpochEnded,
    IterationEnded,
    Notice,
    RunEnded,
    RunStarted,
    StageEnded,
    StageStarted,
)
from scgnn2_engine.methods.denoising.outputs import _is_expected
from scgnn2_engine.params.effects import of_another_preset

QUICK = {
    "total_epoch": 2,
    "feature_AE_epoch": [12, 11],
    "cluster_AE_epoch": 12,
    "graph_AE_epoch": 5,
    "device": "cpu",
    "ari_threshold": 1.0,
    "graph_change_threshold": 0.0,
    "run_LTMG": False,
    "evaluate_baselines": False,
    "evaluate_diagnostics": False,
}


@pytest.fixture(scope="module")
def data():
    return simulate(n_obs=70, n_vars=60, n_types=3, mean_count=2.0, seed=3)


def run(data, **values):
    return fit(data, RunParams(**{**QUICK, **values}))


def arrays(result):
    return {
        "imputed": result.imputed,
        "labels": result.labels,
        "feature": result.feature_embedding,
        "graph": result.graph_embedding,
        "neighbours": result.graph.neighbours,
        "weights": result.graph.weights,
        "clustering": result.clustering_embedding,
    }


def assert_same_bytes(first, second):
    for name, values in arrays(first).items():
        assert values.tobytes() == arrays(second)[name].tobytes(), name


def test_the_stream_tells_the_run_in_order(data):
    events = list(iterate(data, RunParams(**QUICK)))
    kinds = [type(event) for event in events]
    assert kinds.index(RunStarted) < kinds.index(DataPrepared) < kinds.index(IterationEnded)
    assert kinds[-1] is RunEnded
    assert kinds.count(IterationEnded) == 2
    open_stages = []
    for event in events:
        if isinstance(event, StageStarted):
            open_stages.append((event.stage, event.iteration))
        elif isinstance(event, EpochEnded):
            assert open_stages == [(event.stage, event.iteration)]
            assert np.isfinite(event.losses["loss"])
        elif isinstance(event, StageEnded):
            assert open_stages.pop() == (event.stage, event.iteration)
            assert event.peak_memory > 0
    stages = [event.stage for event in events if isinstance(event, StageStarted) and event.iteration == 1]
    assert stages == ["clustering", "cluster_AE", "feature_AE", "graph", "graph_AE", "evaluate"]


def test_shapes_and_record(data):
    result = run(data)
    n_obs, n_vars = result.prepared.n_obs, result.prepared.n_vars
    assert result.imputed.shape == (n_obs, n_vars)
    assert result.feature_embedding.shape == (n_obs, 128)
    assert result.graph_embedding.shape == (n_obs, 16)
    assert result.labels_history.columns.tolist() == ["iteration_1", "iteration_2"]
    assert result.metrics["selected"].sum() == 1
    assert np.isfinite(result.imputed).all()
    assert (result.imputed >= 0).all()
    record = result.record
    assert record["labels_were_used_for"] == "display only"
    assert record["data"]["n_obs_kept"] == n_obs
    assert set(record["params"]) == set(RunParams().to_dict())
    assert {"torch", "numpy", "scgnn2"} <= set(record["versions"])
    assert all(stage["seconds"] >= 0 for stage in record["stages"])


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_labels_change_no_byte(data, preset, rng):
    labels = data.truth.sealed_labels
    withheld = run(replace(data, truth=None), preset=preset)
    given = run(data, preset=preset)
    shuffled = run(replace(data, truth=Truth(rng.permutation(labels))), preset=preset)
    assert_same_bytes(given, withheld)
    assert_same_bytes(given, shuffled)
    assert withheld.metrics["ari_against_ground_truth"].isna().all()
    assert not given.metrics["ari_against_ground_truth"].isna().any()
    columns = [name for name in given.metrics if "ground_truth" not in name and name != "seconds"]
    assert given.metrics[columns].equals(withheld.metrics[columns])


def test_same_seed_same_bytes(data):
    assert_same_bytes(run(data, seed=5), run(data, seed=5))
    assert run(data, seed=5).imputed.tobytes() != run(data, seed=6).imputed.tobytes()


def test_dense_and_sparse_input_give_the_same_bytes(data):
    assert_same_bytes(run(data), run(replace(data, expression=data.expression.toarray())))


def test_the_selected_iteration_is_the_one_returned(data):
    events = list(iterate(data, RunParams(**{**QUICK, "total_epoch": 4})))
    states = {event.iteration: event.state for event in events if isinstance(event, IterationEnded)}
    result = events[-1].result
    chosen = int(result.metrics["validation_error"].idxmin()) + 1
    assert result.selected_iteration == chosen == result.record["selected_iteration"]
    np.testing.assert_array_equal(result.labels, states[chosen].labels)
    np.testing.assert_array_equal(result.graph_embedding, states[chosen].graph_embedding)
    np.testing.assert_array_equal(result.outputs["value"], result.prepared.to_output_scale(states[chosen].imputed))


def test_library_size_is_put_back(data):
    result = run(data, feature_AE_epoch=[150, 60], cluster_AE_epoch=50, preprocess_library_size=True, keep_zeros=0.0)
    sizes = np.asarray(result.prepared.expression.sum(axis=1)).ravel()
    imputed = np.expm1(result.imputed).sum(axis=1)
    assert np.corrcoef(sizes, imputed)[0, 1] > 0.8


def test_a_stop_at_once_still_gives_a_result(data):
    events = list(
        iterate(data, RunParams(**{**QUICK, "total_epoch": 30, "feature_AE_epoch": [500, 500]}), stop=lambda: True)
    )
    assert isinstance(events[-1], RunEnded)
    assert events[-1].reason == "stop_signal"
    assert len(events[-1].result.metrics) == 1
    assert max(event.epoch for event in events if isinstance(event, EpochEnded)) == 1
    assert any("cut short" in event.message for event in events if isinstance(event, Notice))


def test_a_stop_midway_returns_the_last_complete_iteration(data):
    asked = []
    seen = []
    for event in iterate(data, RunParams(**{**QUICK, "total_epoch": 30}, selection="last"), stop=lambda: bool(asked)):
        seen.append(event)
        if isinstance(event, EpochEnded) and event.iteration == 3:
            asked.append(True)
    result = seen[-1].result
    assert seen[-1].reason == "stop_signal"
    assert result.metrics["iteration"].tolist() == [1, 2]
    second = next(event.state for event in seen if isinstance(event, IterationEnded) and event.iteration == 2)
    np.testing.assert_array_equal(result.labels, second.labels)


def test_a_stop_after_the_last_epoch_loses_nothing(data):
    asked = []
    for event in iterate(data, RunParams(**{**QUICK, "total_epoch": 30}, selection="last"), stop=lambda: bool(asked)):
        last = event
        at_the_end = isinstance(event, EpochEnded) and (event.stage, event.iteration) == ("graph_AE", 2)
        if at_the_end and event.epoch == event.n_epochs:
            asked.append(True)
    assert last.reason == "stop_signal"
    assert last.result.metrics["iteration"].tolist() == [1, 2]


def test_a_stop_midway_starts_no_further_training(data):
    asked, after = [], []
    for event in iterate(data, RunParams(**{**QUICK, "total_epoch": 30}), stop=lambda: bool(asked)):
        if asked and isinstance(event, StageStarted):
            after.append(event.stage)
        if isinstance(event, EpochEnded) and (event.stage, event.iteration) == ("feature_AE", 2):
            asked.append(True)
    assert after == ["evaluate"]  # of the result that there is, without baselines


def test_what_cannot_work_is_refused_before_training(data):
    seen = []
    values = {"graph_AE_neighborhood_max": 0, "graph_AE_neighborhood_factor": 500}
    steps = iterate(data, RunParams(**{**QUICK, **values}))
    with pytest.raises(ParameterError, match="neighborhood"):
        seen.extend(steps)
    assert not any(isinstance(event, EpochEnded) for event in seen)


def test_a_time_budget_ends_the_run(data):
    result = run(data, max_seconds=0.5, total_epoch=10_000)
    assert result.record["stopped_by"] == "max_seconds"
    assert 1 <= len(result.metrics) < 10_000


def test_a_generator_that_is_closed_leaves_nothing_behind(data):
    import threading

    before = threading.active_count()
    steps = iterate(data, RunParams(**QUICK))
    list(itertools.islice(steps, 12))
    steps.close()
    assert threading.active_count() == before


def breaking(original, at, name="cluster_AE"):
    def stage(*arguments, iteration, **options):
        if iteration == at:
            raise TrainingError("A loss became NaN.", stage=name, iteration=iteration, epoch=3)
        return (yield from original(*arguments, iteration=iteration, **options))

    return stage


def test_the_warning_names_the_stage_that_broke_down(data, monkeypatch):
    monkeypatch.setattr(
        one_iteration, "iterate_graph_ae", breaking(one_iteration.iterate_graph_ae, at=2, name="graph_AE")
    )
    warnings = [
        event for event in iterate(data, RunParams(**QUICK)) if isinstance(event, Notice) and "NaN" in event.message
    ]
    assert [warning.stage for warning in warnings] == ["graph_AE"]


def test_a_loss_that_breaks_down_keeps_the_iterations_before_it(data, monkeypatch):
    monkeypatch.setattr(denoising, "iterate_denoising_clusters", breaking(denoising.iterate_denoising_clusters, at=2))
    events = list(iterate(data, RunParams(**QUICK)))
    assert events[-1].reason == "training_error"
    assert events[-1].result.metrics["iteration"].tolist() == [1]
    warning = next(event for event in events if isinstance(event, Notice) and "NaN" in event.message)
    assert warning.level == "warning"
    assert warning.stage == "cluster_AE"


def test_memory_that_runs_out_later_keeps_the_iterations_before_it(data, monkeypatch):
    original = denoising.iterate_denoising_clusters

    def stage(*arguments, iteration, **options):
        if iteration == 2:
            raise InsufficientMemoryError("The device is full.")
        return (yield from original(*arguments, iteration=iteration, **options))

    monkeypatch.setattr(denoising, "iterate_denoising_clusters", stage)
    result = run(data)
    assert result.record["stopped_by"] == "out_of_memory"
    assert result.metrics["iteration"].tolist() == [1]
    assert result.losses["iteration"].max() == 1


def test_a_loss_that_breaks_down_at_once_is_an_error(data, monkeypatch):
    monkeypatch.setattr(denoising, "iterate_denoising_clusters", breaking(denoising.iterate_denoising_clusters, at=1))
    with pytest.raises(TrainingError) as raised:
        run(data)
    assert (raised.value.stage, raised.value.epoch) == ("cluster_AE", 3)


def as_text(values):
    return ",".join(f"{key}={value}" for key, value in values.items())


@pytest.fixture(scope="module")
def published(data):
    """The run of preset paper that every fork of it must differ from."""
    return run(data, preset="paper")


@pytest.fixture(scope="module")
def usual(data):
    """The run of preset default that every fork of it must differ from."""
    return run(data)


def assert_leads_elsewhere(found, usual):
    assert len(found.metrics) == 2
    assert np.isfinite(found.imputed).all()
    assert found.labels.min() == 0
    pairs = [*zip(arrays(found).values(), arrays(usual).values(), strict=True)]
    pairs += [(found.outputs[name], usual.outputs[name]) for name in found.outputs if name in usual.outputs]
    assert any(one.tobytes() != other.tobytes() for one, other in pairs) or found.outputs.keys() != usual.outputs.keys()


@pytest.mark.parametrize(
    "values",
    [
        {"graph_AE_use_GAT": False},
        {"graph_AE_graph_construction": "v0"},
        {"graph_AE_graph_construction": "v1", "graph_AE_retain_weights": True},
        {"graph_AE_retain_weights": True},
        {"graph_AE_normalize_embed": "binary"},
        {"graph_AE_concat_prev_embed": True},
        {"graph_AE_GAT_dropout": 0.3},
        {"graph_AE_embedding_size": 8},
        {"graph_AE_neighborhood_factor": 7},
        {"gat_multi_heads": 3},
        {"gat_hid_embed": 32},
        {"feature_AE_concat_prev_embed": "feature"},
        {"feature_AE_concat_prev_embed": "graph"},
        {"feature_AE_dropout_prob": 0.2},
        {"feature_AE_batch_size": 20},
        {"feature_AE_max_steps": 10},
        {"cluster_AE_dropout_prob": 0.2},
        {"cluster_AE_l1_weight": 0.0},
        {"cluster_AE_reconstruction_weight": 3.0},
        {"cluster_AE_graph_weight": 3.0},
        {"cluster_AE_cell_type_weight": 3.0},
        {"cluster_AE_max_steps": 10},
        {"clustering_method": "AffinityPropagation"},
        {"clustering_method": "Leiden", "clustering_resolution": 2.0},
        {"clustering_louvain_only": True, "clustering_resolution": 2.0},
        {"clustering_embed": "feature"},
        {"clustering_embed": "both"},
        {"run_LTMG": True},
        {"preprocess_library_size": True},
        {"preprocess_top_gene_select": 40},
        {"validation_share": 0.1},
        {"dropout_prob": 0.1},
        {"graph_AE_graph_construction": "jaccard", "graph_AE_retain_weights": True},
        {"graph_AE_graph_embed": "expression"},
        {"clustering_embed": "expression"},
        {"clustering_method": "consensus"},
        {"preset": "default"},
    ],
    ids=as_text,
)
def test_every_fork_of_the_published_road_leads_elsewhere(data, published, values):
    result = run(data, **{"preset": "paper", **values})
    assert_leads_elsewhere(result, published)
    if "dropout_prob" in values:
        assert np.isfinite(result.metrics["error_rmse"]).all()


@pytest.mark.parametrize(
    "values",
    [
        {"ensemble": False},
        {"feature_AE_objective": "reconstruct", "ensemble": False},
        {"feature_AE_hide_share": 0.5},
        {"feature_AE_huber_delta": 0.0},
        {"feature_AE_activation": "relu"},
        {"feature_AE_layer_dropout": 0.0},
        {"feature_AE_count_weight": 0.0},
        {"feature_AE_count_limit": 0.5},
        {"feature_AE_dispersion": 0.0},
        {"feature_AE_batch_size": 20},
        {"feature_AE_max_steps": 10},
        {"run_LTMG": True},
        {"run_LTMG": True, "feature_AE_regu_strength": 0.2},
        {"graph_AE_graph_embed": "feature"},
        {"graph_AE_n_components": 3},
        {"graph_AE_graph_construction": "v2"},
        {"graph_AE_neighborhood_max": 5},
        {"clustering_method": "Leiden", "clustering_resolution": 2.0},
        {"clustering_method": "KMeans", "clustering_embed": "graph"},
        {"cluster_AE_only_if_better": False},
        {"cluster_AE_only_if_better": False, "cluster_AE_learning_rate": 1e-2},
        {"cluster_AE_only_if_better": False, "cluster_AE_epoch": 5},
        {"preprocess_library_size": False},
    ],
    ids=as_text,
)
def test_every_fork_of_the_usual_road_leads_elsewhere(data, usual, values):
    assert_leads_elsewhere(run(data, **values), usual)


def test_what_the_objective_does_not_use_is_said(data):
    params = RunParams(**QUICK, cluster_AE_l1_weight=0.5)
    said = [event.message for event in iterate(data, params) if isinstance(event, Notice)]
    assert any(message.startswith("cluster_AE_l1_weight has no effect here") for message in said)


def test_the_imputation_is_the_mean_of_the_members(data):
    states = [event.state for event in iterate(data, RunParams(**QUICK)) if isinstance(event, IterationEnded)]
    for number, state in enumerate(states, start=1):
        assert len(state.fit.refined) == number  # the one trained last comes on top
        together = sum(np.asarray(member.value) for member in (*state.fit.refined, state.fit.latest))
        np.testing.assert_allclose(np.asarray(state.imputed), together / (number + 1), rtol=1e-6)
        assert len(state.member_neighbours) == number + 1


def test_other_answers_of_counts(data):
    result = run(data, imputation_target="value")
    assert set(result.outputs) == {"rate", "expected", "zeros_kept"}
    rate, expected, kept = (result.outputs[name] for name in ("rate", "expected", "zeros_kept"))
    assert rate.shape == expected.shape == kept.shape == result.imputed.shape
    assert (expected <= rate + 1e-5).all()  # (E of a root) squared is at most the mean
    assert (kept <= result.imputed).all()
    assert ((kept == 0) | (kept == result.imputed)).all()
    assert (kept == 0).any()


def test_the_imputed_expression_is_the_value_or_what_to_expect(data):
    """Of sparse counts a value says no more than that a gene is seen, so ``auto`` takes what is to be expected."""
    found = {target: run(data, imputation_target=target, keep_zeros=0.0) for target in ("value", "expected", "auto")}
    value, expected, auto = found["value"], found["expected"], found["auto"]
    assert_same_bytes(auto, expected)
    assert set(auto.outputs) == set(expected.outputs) == {"value", "rate", "zeros_kept"}
    assert auto.outputs["value"].tobytes() == value.imputed.tobytes()
    for name in ("rate", "zeros_kept"):
        assert auto.outputs[name].tobytes() == value.outputs[name].tobytes()
    np.testing.assert_array_equal(auto.imputed, value.outputs["expected"])
    zero = np.asarray(data.expression.todense())[np.ix_(auto.prepared.cells, auto.prepared.genes)] == 0
    assert auto.imputed[zero].mean() < 0.7 * value.imputed[zero].mean()
    (said,) = (notice["message"] for notice in auto.record["notices"] if "imputation_target" in notice["message"])
    assert "share one value" in said
    assert not any("imputation_target" in notice["message"] for notice in expected.record["notices"])


def test_a_run_tells_of_counts_that_were_normalised(data):
    """No two cells share a value any more, but the ones of a cell do."""
    counts = data.expression.astype(np.float64)
    depth = np.asarray(counts.sum(axis=1)).ravel()
    counts.data = np.log1p(counts.data * 100 / np.repeat(depth, np.diff(counts.indptr)))
    logged = replace(data, expression=counts.astype(np.float32), scale="logged")

    def said(result):
        return [one["message"] for one in result.record["notices"] if "counts themselves" in one["message"]]

    result = run(logged)
    assert len(said(result)) == 1
    assert "expected" in result.outputs
    assert said(run(logged, imputation_target="expected")) == []
    counts.data *= np.random.default_rng(0).uniform(0.9, 1.1, counts.nnz)
    assert said(run(replace(logged, expression=counts.astype(np.float32)))) == []


def test_what_was_hidden_does_not_say_what_is_imputed(data):
    """Ones, all hidden by chance or not, are no ties among what is visible."""
    rng = np.random.default_rng(1)
    prepared = prepare(data, RunParams(**QUICK))
    visible = rng.uniform(5, 50, prepared.x.shape).astype(np.float32)
    hidden = rng.random(visible.shape) < 0.6
    params = RunParams(**QUICK)
    rows, cols = np.nonzero(hidden)
    for value in (1.0, visible[hidden]):
        expression = visible.copy()
        expression[hidden] = value
        given = replace(
            prepared,
            expression=expression,
            hidden=HiddenEntries(rows, cols, np.log1p(expression[hidden])),
            validation=None,
        )
        assert not _is_expected(given, params, has_rates=True)[0]


def test_values_that_differ_are_what_is_imputed():
    reads = simulate(n_obs=60, n_vars=50, n_types=2, mean_count=400.0, seed=1)
    result = run(reads)
    assert "expected" in result.outputs
    assert "value" not in result.outputs
    given = run(reads, imputation_target="expected", keep_zeros=0.0)
    share = given.outputs["value"] >= given.imputed
    assert share.all()


def test_zeros_that_stay_are_those_of_the_imputed_expression(data):
    filled, kept = run(data, keep_zeros=0.0), run(data, keep_zeros=0.02)
    left = kept.imputed == 0
    assert (filled.imputed[left] > 0).any()
    assert ((kept.imputed == filled.imputed) | left).all()
    assert (kept.outputs["zeros_kept"][left] == 0).all()
    assert kept.outputs["value"].tobytes() == filled.outputs["value"].tobytes()


def test_the_dispersion_of_the_genes_is_used_by_the_outputs_alone(data):
    own, one = run(data), run(data, feature_AE_gene_dispersion=False)
    assert own.labels.tobytes() == one.labels.tobytes()
    assert own.outputs["value"].tobytes() == one.outputs["value"].tobytes()
    assert not np.array_equal(own.imputed, one.imputed)


def test_what_is_to_be_expected_needs_the_objective(data):
    params = {"preset": "paper", "imputation_target": "expected", "total_epoch": 1}
    result = run(data, **params)
    assert any("imputation_target" in notice["message"] for notice in result.record["notices"])
    assert result.outputs == {}


@pytest.mark.parametrize("values", [{"keep_zeros": 0.02}, {"keep_zeros": 0.0, "feature_AE_count_limit": 0.0}])
@pytest.mark.parametrize("sparse", [True, False])
def test_the_answers_leave_the_input_as_it_was(data, values, sparse):
    given = data if sparse else replace(data, expression=np.asarray(data.expression.todense()))
    before = data.expression.copy()
    result = run(given, **values)
    assert (data.expression != before).nnz == 0
    chosen = before.toarray()[np.ix_(result.prepared.cells, result.prepared.genes)]
    for after in (result.prepared.expression, result_to_anndata(result).layers["counts"]):
        assert np.array_equal(after.toarray() if sparse else after, chosen)


def test_zeros_are_left_where_hardly_a_neighbour_sees_the_gene(data):
    filled, kept = (run(data, keep_zeros=share, imputation_target="value") for share in (0.0, 0.02))
    seen = np.asarray(kept.prepared.expression.todense()) > 0
    seen[kept.prepared.validation.rows, kept.prepared.validation.cols] = False  # held out: as the training saw them
    left = (kept.imputed == 0) & (filled.imputed != 0)
    assert left.any()
    assert not (left & seen).any()
    assert ((kept.imputed == filled.imputed) | left).all()
    assert kept.labels.tobytes() == filled.labels.tobytes()
    near = np.stack([seen[neighbours].sum(axis=0) for neighbours in kept.graph.neighbours])
    fewest = near[left].max() + 1
    assert (near[~seen & ~left] >= fewest).all()  # one number decides
    assert (near[seen] < fewest).mean() <= 0.02
    (said,) = (notice["message"] for notice in kept.record["notices"] if "left at 0" in notice["message"])
    assert said.startswith(f"{left.sum() / (~seen).sum():.1%} of the zeros")
    assert f"fewer than {fewest} of the" in said


def test_hidden_entries_count_as_zeros_that_were_seen(data):
    result = run(data, keep_zeros=0.1, dropout_prob=0.1, imputation_target="value")
    hidden = result.prepared.hidden
    visible = np.asarray(result.prepared.expression.todense()) > 0
    for entries in (hidden, result.prepared.validation):
        visible[entries.rows, entries.cols] = False
    near = np.stack([visible[neighbours].sum(axis=0) for neighbours in result.graph.neighbours])
    fewest = near[(result.imputed == 0) & ~visible].max() + 1
    lost = near[hidden.rows, hidden.cols] < fewest
    assert ((result.imputed[hidden.rows, hidden.cols] == 0) == lost).all()


def test_other_answers_without_rates(data):
    result = run(data, feature_AE_count_limit=0.0, keep_zeros=0.0, imputation_target="value")
    assert set(result.outputs) == {"expected", "zeros_kept"}
    seen = np.asarray(result.prepared.expression.todense()) > 0
    seen[result.prepared.validation.rows, result.prepared.validation.cols] = False
    share = np.stack([seen[neighbours].mean(axis=0) for neighbours in result.graph.neighbours])
    for name, factor in (("expected", share), ("zeros_kept", share >= 0.5)):
        wanted = result.imputed * np.where(seen, 1, factor)
        np.testing.assert_allclose(result.outputs[name], wanted, rtol=1e-5)


def test_the_published_objective_fills_every_zero_and_has_one_answer(data):
    params = RunParams(preset="paper", **{key: value for key, value in QUICK.items() if key != "preset"})
    assert params.keep_zeros == 0
    assert fit(data, params).outputs == {}


def test_the_cluster_autoencoders_have_a_say(data):
    states = [event.state for event in iterate(data, RunParams(**QUICK)) if isinstance(event, IterationEnded)]
    assert len(states) == 2
    for state in states:
        assert not np.array_equal(np.asarray(state.imputed), np.asarray(state.fit.reconstruction))


@pytest.mark.parametrize("why", ["clusters that the bulk cannot tell apart", "a stop"])
def test_an_iteration_can_do_without_bulk(data, tmp_path, monkeypatch, why):
    mean = np.asarray(data.expression.mean(axis=0)).ravel()
    table = pd.DataFrame({"a": mean, "b": mean[::-1]}, index=data.var_names)
    table.to_csv(tmp_path / "bulk.csv")
    values = {"use_bulk": True, "load_bulk_dataset": str(tmp_path / "bulk.csv"), "deconv_method": "shares"}
    asked = []

    def refuse(sample, profiles):
        asked.append(sample)
        raise InputError("There are too few genes.")

    if why == "a stop":
        events = []
        for event in iterate(data, RunParams(**QUICK, **values), stop=lambda: bool(asked)):
            events.append(event)
            if isinstance(event, EpochEnded) and event.stage == "deconvolution":
                asked.append(event)
        words = "left out of this iteration"
    else:
        monkeypatch.setattr("scgnn2_engine.bulk.steps.shares_of", refuse)
        events = list(iterate(data, RunParams(**QUICK, **values)))
        words = "too few genes. The bulk is left out"
    assert any(isinstance(event, Notice) and words in event.message for event in events)
    assert events[-1].result.deconvolution is None


@pytest.mark.parametrize("method", ["published", "shares"])
def test_bulk_reaches_the_imputation(data, tmp_path, method):
    mean = np.asarray(data.expression.mean(axis=0)).ravel()
    pd.DataFrame({"sample": mean * np.linspace(0.2, 5, len(mean))}, index=data.var_names).to_csv(tmp_path / "bulk.csv")
    values = {
        "use_bulk": True,
        "load_bulk_dataset": str(tmp_path / "bulk.csv"),
        "deconv_method": method,
        "deconv_opt1_epoch": 50,
        "deconv_opt2_epoch": 20,
        "deconv_opt3_epoch": 5,
    }
    with_bulk, without = run(data, **values), run(data, imputation_target="value")
    assert "expected" in with_bulk.outputs  # the bulk is in the values, and auto knows
    assert with_bulk.deconvolution is not None
    assert with_bulk.deconvolution["proportions"].sum() == pytest.approx(1)
    scores = with_bulk.metrics.columns
    assert {"error_median_single_cell", "error_median_bulk", "validation_error_bulk"} <= set(scores)
    observed = with_bulk.prepared.x != 0
    if method == "shares":
        expected = run(data, **values, imputation_target="expected", keep_zeros=0.0)
        notices = expected.record["notices"]
        said = [notice for notice in notices if "bulk expression is in the output" in notice["message"]]
        assert [notice["level"] for notice in said] == ["warning"]
        values["feature_AE_count_limit"] = 0.0  # what to expect is made of the values, bulk and all
        expected = run(data, **values, imputation_target="expected", keep_zeros=0.0)
        assert not any("bulk expression is in the output" in one["message"] for one in expected.record["notices"])
        del values["feature_AE_count_limit"]
    if method == "shares":  # what is trained on stays the same, and how far the bulk is followed is decided by the data
        np.testing.assert_array_equal(with_bulk.labels, without.labels)
        np.testing.assert_array_equal(with_bulk.imputed[observed], without.imputed[observed])
        moved = not np.array_equal(with_bulk.imputed, without.imputed)
        assert moved == (with_bulk.deconvolution["strength"] > 0)
        return
    assert not np.array_equal(with_bulk.imputed, without.imputed)
    np.testing.assert_allclose(
        with_bulk.imputed[observed], with_bulk.prepared.to_output_scale(with_bulk.prepared.x)[observed], rtol=1e-5
    )


@pytest.mark.parametrize("n_obs", [2, 3, 5])
def test_very_few_cells(n_obs):
    tiny = simulate(n_obs=n_obs, n_vars=30, n_types=1, mean_count=3.0, seed=0)
    result = run(tiny, preset="paper", total_epoch=1, preprocess_gene_cutoff=1.0, preprocess_cell_cutoff=1.0)
    assert len(result.labels) == n_obs


def test_the_published_sample_as_its_paper_runs_it(data_dir):
    """Goolam with the published mask: the error the published program reaches."""
    params = RunParams(
        preset="paper",
        load_use_benchmark=True,
        load_dataset_dir=str(data_dir),
        load_dataset_name="goolam",
        given_cell_type_labels=True,
        dropout_prob=0.1,
        total_epoch=1,
        device="cpu",
    )
    metrics = fit(None, params).metrics
    assert 0.30 <= metrics["error_median"].iloc[0] <= 0.40
    assert metrics["ari_against_ground_truth"].iloc[0] > 0.3
    assert metrics["cluster_count"].iloc[0] >= 5


def test_warnings_reach_who_uses_the_library(data, caplog):
    with caplog.at_level("WARNING", logger="scgnn2_engine"):
        run(data, seed=1, LTMG_mode="per_gene")
    assert [record.message for record in caplog.records if "LTMG_mode has no effect" in record.message]


def test_a_file_of_one_preset_that_names_another_is_said(data, tmp_path):
    whole = RunParams(total_epoch=1).to_toml().replace('preset = "default"', 'preset = "paper"')
    (tmp_path / "all.toml").write_text(whole)
    doubt = of_another_preset(RunParams.from_toml(tmp_path / "all.toml"))
    assert "of preset default" in Notice.of("another_preset", **doubt).message
    assert of_another_preset(RunParams(preset="paper", ensemble=True, feature_AE_objective="denoise")) == {}

"""Bulk deconvolution: exact small values, gradients against autograd, bounds, stops, real bulk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch

from scgnn2_engine.bulk.deconvolution import Deconvolution, deconvolve, iterate_deconvolution
from scgnn2_engine.bulk.deconvolution_input import ClusteredCells
from scgnn2_engine.bulk.deconvolution_objectives import (
    CellObjective,
    Objective,
    ProfileObjective,
    ScalingObjective,
    WeightObjective,
    add_nuclear_gradient,
)
from scgnn2_engine.bulk.matching import match_bulk
from scgnn2_engine.data.dataset import Bulk
from scgnn2_engine.errors import InputError, TrainingError
from scgnn2_engine.events import EpochEnded, Event, Notice
from scgnn2_engine.params import RunParams

PUBLISHED: dict[str, Any] = {"deconv_method": "published"}
SHORT: dict[str, Any] = PUBLISHED | {
    "deconv_opt1_epoch": 40,
    "deconv_opt2_epoch": 12,
    "deconv_opt3_epoch": 6,
    "deconv_tune_epoch": 4,
}
WEIGHTS_ONLY: dict[str, Any] = PUBLISHED | {"deconv_opt2_epoch": 1, "deconv_opt3_epoch": 1, "deconv_tune_epoch": 1}
TRUE_WEIGHTS = np.array([0.6, 0.3, 0.1])


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Counts of three simulated types, and a bulk profile of them in known shares."""

    counts: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    x: npt.NDArray[np.float32]
    bulk: npt.NDArray[np.float64]


@pytest.fixture
def mixture() -> Mixture:
    """90 cells of three types x 60 genes; the bulk profile is .6, .3, .1 of the types' mean profiles."""
    rng = np.random.default_rng(3)
    rates = rng.gamma(2.0, 2.0, size=60) * np.exp(rng.normal(size=(3, 60)))
    labels = np.repeat([0, 1, 2], 30)
    counts = rng.poisson(rates[labels]).astype(float)
    x = np.log1p(counts).astype(np.float32)
    means = np.stack([x[labels == c].mean(axis=0, dtype=np.float64) for c in range(3)], axis=1)
    return Mixture(counts, labels, x, means @ TRUE_WEIGHTS)


def run(mixture: Mixture, **options: Any) -> Deconvolution:
    given = {"seed": 0, "params": RunParams(**SHORT), **options}
    return deconvolve(mixture.x, mixture.labels, mixture.bulk, **given)


def events_of(mixture: Mixture, params: RunParams, **options: Any) -> tuple[list[Event], Deconvolution]:
    steps = iterate_deconvolution(mixture.x, mixture.labels, mixture.bulk, params, **options)
    events: list[Event] = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            return events, end.value


# ---- the objectives


def random_objectives() -> list[tuple[str, Objective, torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]]:
    """Each objective at a random point, beside the formula as it stands in the paper."""
    generator = torch.Generator().manual_seed(5)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    bulk, means, shares, weights = random(6), random(6, 3), random(3), random(3)
    single_cell, profile = random(4, 6), random(6)
    unseen = random(4, 6) < 0.5
    return [
        (
            "opt1",
            WeightObjective(bulk, means, shares, 0.3),
            random(3),
            lambda w: (bulk - means @ w).norm() + 0.3 * (w - shares).norm(),
        ),
        (
            "opt2",
            ProfileObjective(bulk, weights, means, 0.3),
            random(6, 3),
            lambda p: (bulk - p @ weights).norm() + 0.3 * (p - means).norm(dim=0).sum(),
        ),
        (
            "opt3",
            CellObjective(profile, single_cell, unseen, 0.8, 0.2),
            random(4, 6),
            lambda d: (
                (profile - d.mean(dim=0)).norm()
                + 0.8 * ((single_cell - d) * unseen).norm(dim=1).sum()
                + 0.2 * torch.linalg.svdvals(d).sum()
            ),
        ),
        (
            "tune",
            ScalingObjective(bulk, means @ weights),
            1 + random(6),
            lambda s: (bulk - s * (means @ weights)).norm() + (s - 1).norm(),
        ),
    ]


@pytest.mark.parametrize("case", random_objectives(), ids=lambda case: case[0])
def test_loss_and_gradient_are_those_of_the_published_formula(case: Any) -> None:
    _, objective, point, formula = case
    gradient = torch.empty_like(point)
    loss = objective.gradient(point, gradient)
    reference = point.clone().requires_grad_()
    expected = formula(reference)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(gradient, reference.grad, rtol=1e-9, atol=1e-12)


def test_every_norm_has_gradient_zero_at_zero() -> None:
    zeros = torch.zeros(3, dtype=torch.float64)
    square = torch.zeros(3, 3, dtype=torch.float64)
    for objective, point in (
        (WeightObjective(zeros, square, zeros, 1.0), zeros),
        (ProfileObjective(zeros, zeros, square, 1.0), square),
        (CellObjective(zeros, square, square == 0, 1.0, 1.0), square),
        (ScalingObjective(zeros, zeros), zeros + 1),
    ):
        gradient = torch.full_like(point, torch.nan)
        assert objective.gradient(point, gradient) == 0
        assert torch.equal(gradient, torch.zeros_like(point))


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (6, 6), (1, 4), (4, 1)])
def test_nuclear_norm_and_gradient_equal_those_of_a_full_svd(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradient = torch.ones_like(matrix)
    norm = add_nuclear_gradient(matrix, gradient, 2.0)
    left, singular, right = torch.linalg.svd(matrix, full_matrices=False)
    assert norm == pytest.approx(singular.sum().item(), rel=1e-9)
    torch.testing.assert_close(gradient, 1 + 2 * left @ right, rtol=1e-7, atol=1e-9)


def test_nuclear_gradient_of_a_deficient_matrix_leaves_its_null_space_alone() -> None:
    matrix = torch.outer(torch.tensor([3.0, 4.0, 0.0]), torch.tensor([1.0, 0.0, 0.0, 0.0]))
    gradient = torch.zeros_like(matrix)
    assert add_nuclear_gradient(matrix, gradient, 1.0) == pytest.approx(5.0)
    torch.testing.assert_close(gradient, matrix / 5)


def test_a_large_gram_matrix_taken_in_blocks_is_the_same() -> None:
    matrix = torch.randn(5000, 3, generator=torch.Generator().manual_seed(1))
    norm = add_nuclear_gradient(matrix, torch.zeros_like(matrix), 1.0)
    assert norm == pytest.approx(torch.linalg.svdvals(matrix.double()).sum().item(), rel=1e-6)


# ---- the input by cluster


def test_cluster_means_put_observed_entries_back_and_follow_the_states() -> None:
    x = np.array([[2, 0], [0, 4], [6, 0]], dtype=np.float32)
    y = np.array([[9, 1], [5, 9], [9, 3]], dtype=np.float32)
    labels = np.array([7, 7, 2])
    plain = ClusteredCells.checked(x, y, labels, np.ones(2), None, None)
    assert plain.clusters.tolist() == [2, 7]
    assert plain.cluster_means().tolist() == [[6, 3.5], [3, 2.5]]
    states = np.array([[1, 0], [0, 1], [2, 0]], dtype=np.uint8)
    expressed = ClusteredCells.checked(x, y, labels, np.ones(2), None, states)
    assert expressed.cluster_means().tolist() == [[6, 2], [0, 4]]


def test_states_change_the_weights(mixture: Mixture) -> None:
    states = (mixture.x > 1).astype(np.uint8)
    assert not np.array_equal(run(mixture).weights, run(mixture, states=states).weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"imputed": np.ones((3, 2))}, r"imputed expression do not fit.*\(4, 2\).*\(3, 2\)"),
        ({"labels": np.zeros(3, int)}, "labels do not fit"),
        ({"bulk": np.ones(3)}, "bulk profile do not fit"),
        ({"bulk": np.ones((5, 3))}, r"bulk samples do not fit.*\(5, 2\).*\(5, 3\)"),
        ({"bulk": np.ones((0, 2))}, "no bulk sample"),
        ({"bulk": np.ones((1, 1, 2))}, "bulk profile do not fit"),
        ({"bulk": np.array([[1, -1.0]])}, "bulk holds values"),
        ({"bulk": np.array([1, np.nan])}, "bulk holds values"),
        ({"bulk": np.array([1, -1.0])}, "bulk holds values"),
        ({"expression": np.full((4, 2), np.inf)}, "expression holds values"),
        ({"imputed": np.full((4, 2), -1.0)}, "imputed expression holds values"),
        ({"states": np.ones((4, 3), np.uint8)}, "LTMG states do not fit"),
        ({"genes": np.array([], int), "bulk": np.array([])}, "nothing to deconvolve"),
    ],
)
def test_input_that_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "expression": np.ones((4, 2)),
        "imputed": np.ones((4, 2)),
        "labels": np.zeros(4, int),
        "bulk": np.ones(2),
    }
    with pytest.raises(InputError, match=message):
        deconvolve(**{**given, **change})


# ---- the four optimisations


def test_shapes_bounds_and_order(mixture: Mixture) -> None:
    found = run(mixture)
    assert found.clusters.tolist() == [0, 1, 2]
    assert found.genes.tolist() == list(range(60))
    assert (found.weights.shape, found.profiles.shape) == ((3,), (60, 3))
    assert (found.cell_profiles.shape, found.gene_scaling.shape) == ((90, 60), (60,))
    for values in (found.weights, found.profiles, found.cell_profiles, found.gene_scaling - 1):
        assert values.min() >= 0
    np.testing.assert_array_equal(found.bulk_imputed, found.cell_profiles * found.gene_scaling.astype(np.float32))
    assert found.bulk_imputed.dtype == np.float32
    assert found.proportions.sum() == pytest.approx(1)
    summary = found.summary()
    assert list(summary) == ["clusters", "genes", "weights", "profiles", "gene_scaling", "losses", "proportions"]
    assert summary["weights"] is found.weights


def test_proportions_of_no_weight_at_all_are_zero(mixture: Mixture) -> None:
    empty = dataclasses.replace(run(mixture), weights=np.zeros(3))
    assert empty.proportions.tolist() == [0, 0, 0]


def test_weights_of_a_known_mixture_are_recovered(mixture: Mixture) -> None:
    found = run(mixture, params=RunParams(**WEIGHTS_ONLY))
    np.testing.assert_allclose(found.weights, TRUE_WEIGHTS, atol=1e-3)


def test_weights_of_pooled_counts_are_recovered_as_far_as_logarithms_allow(mixture: Mixture) -> None:
    """The mean of counts is not the mean of their logarithms, so shares of pooled counts come out nearer to equal."""
    pooled = np.stack([mixture.counts[mixture.labels == c].mean(axis=0) for c in range(3)], axis=1) @ TRUE_WEIGHTS
    found = run(dataclasses.replace(mixture, bulk=np.log1p(pooled)), params=RunParams(**WEIGHTS_ONLY))
    assert np.abs(found.proportions - TRUE_WEIGHTS).max() < 0.12
    assert found.proportions.argsort().tolist() == TRUE_WEIGHTS.argsort().tolist()


def test_the_default_run_fits_the_bulk_and_lowers_every_loss(mixture: Mixture) -> None:
    events, found = events_of(mixture, RunParams(**PUBLISHED))
    first: dict[tuple[str, int | None], float] = {}
    last: dict[tuple[str, int | None], float] = {}
    for event in events:
        assert isinstance(event, EpochEnded)
        (name,) = set(event.losses) - {"loss"}
        first.setdefault((name, event.cluster), event.losses[name])
        last[name, event.cluster] = event.losses["loss"]
    assert list(first) == [("opt1", None), ("opt2", None), ("opt3", 0), ("opt3", 1), ("opt3", 2), ("tune", None)]
    assert all(last[key] < first[key] for key in first)
    assert last["opt1", None] < 0.02
    np.testing.assert_allclose(found.profiles @ found.weights, mixture.bulk, atol=0.2)
    assert set(found.losses) == {"opt1", "opt2", "opt3", "tune"}


def test_cell_profiles_start_at_the_observed_values_and_stay_near_them(mixture: Mixture) -> None:
    found = run(mixture, params=RunParams(**SHORT, deconv_opt3_learning_rate=1e-3))
    seen = mixture.x != 0
    assert np.abs(found.cell_profiles - mixture.x)[seen].max() <= 6 * 1.1e-3
    assert np.abs(found.cell_profiles - mixture.x)[~seen].max() > 0.5


def test_same_seed_gives_the_same_bytes_and_another_seed_others(mixture: Mixture) -> None:
    first, again, other = run(mixture), run(mixture), run(mixture, seed=1)
    for field in ("weights", "profiles", "cell_profiles", "gene_scaling"):
        assert getattr(first, field).tobytes() == getattr(again, field).tobytes()
        assert getattr(first, field).tobytes() != getattr(other, field).tobytes()


def test_the_global_random_state_and_the_input_are_left_alone(mixture: Mixture) -> None:
    state, x = torch.get_rng_state(), mixture.x.copy()
    run(mixture)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(mixture.x, x)


def test_permuting_cells_leaves_weights_and_profiles(mixture: Mixture, rng: np.random.Generator) -> None:
    order = rng.permutation(90)
    moved = dataclasses.replace(mixture, x=mixture.x[order], labels=mixture.labels[order])
    np.testing.assert_allclose(run(moved).weights, run(mixture).weights, atol=1e-6)
    np.testing.assert_allclose(run(moved).profiles, run(mixture).profiles, atol=1e-3)


def test_a_choice_of_genes_equals_deconvolving_those_columns(mixture: Mixture) -> None:
    genes = np.array([5, 2, 40])
    chosen = run(dataclasses.replace(mixture, bulk=mixture.bulk[genes]), genes=genes)
    sliced = run(dataclasses.replace(mixture, bulk=mixture.bulk[genes], x=mixture.x[:, genes]))
    np.testing.assert_array_equal(chosen.bulk_imputed, sliced.bulk_imputed)
    assert chosen.genes.tolist() == [5, 2, 40]


def test_a_cluster_of_one_cell_and_a_single_gene_work(mixture: Mixture) -> None:
    labels = np.zeros(90, int)
    labels[4] = 9
    found = run(dataclasses.replace(mixture, labels=labels, bulk=mixture.bulk[:1]), genes=np.array([0]))
    assert found.cell_profiles.shape == (90, 1)
    assert np.isfinite(found.cell_profiles).all()


def test_samples_are_logged_and_averaged_and_the_expression_is_its_own_imputation(mixture: Mixture) -> None:
    samples = np.expm1(np.stack([mixture.bulk, mixture.bulk[::-1]]))
    found = run(dataclasses.replace(mixture, bulk=samples))
    same = run(dataclasses.replace(mixture, bulk=np.log1p(samples).mean(axis=0)), imputed=mixture.x)
    np.testing.assert_array_equal(found.bulk_imputed, same.bulk_imputed)
    one = run(dataclasses.replace(mixture, bulk=samples[:1]))
    np.testing.assert_allclose(one.weights, run(mixture).weights)


# ---- parameters


@pytest.mark.parametrize("step", ["opt1", "opt2", "opt3", "tune"])
def test_epoch_is_the_number_of_steps(mixture: Mixture, step: str) -> None:
    params = RunParams(**{**SHORT, f"deconv_{step}_epoch": 3})
    events, _ = events_of(mixture, params, iteration=4)
    epochs = [event for event in events if isinstance(event, EpochEnded) and step in event.losses]
    clusters = 3 if step == "opt3" else 1
    assert [event.epoch for event in epochs] == [1, 2, 3] * clusters
    assert {(event.stage, event.iteration, event.n_epochs) for event in epochs} == {("deconvolution", 4, 3)}


@pytest.mark.parametrize("step", ["opt1", "opt2", "opt3", "tune"])
def test_a_loss_below_epsilon_ends_a_step(mixture: Mixture, step: str) -> None:
    events, _ = events_of(mixture, RunParams(**SHORT, **{f"deconv_{step}_epsilon": 1e9}))
    epochs = [event.epoch for event in events if isinstance(event, EpochEnded) and step in event.losses]
    assert set(epochs) == {1}


@pytest.mark.parametrize("step", ["opt1", "opt2", "opt3", "tune"])
def test_a_descent_that_has_settled_ends(mixture: Mixture, step: str) -> None:
    events, _ = events_of(mixture, RunParams(deconv_tolerance=0.9, deconv_tune_epoch=40))
    epochs = [event for event in events if isinstance(event, EpochEnded) and step in event.losses]
    assert 11 <= epochs[-1].epoch < epochs[-1].n_epochs
    losses = [event.losses["loss"] for event in epochs if event.cluster in (None, 2)][-11:]
    assert max(losses) - min(losses) <= 0.9 * losses[-1]


@pytest.mark.parametrize(
    ("flag", "value", "changes"),
    [
        ("opt1_learning_rate", 0.1, "weights"),
        ("opt1_regu_strength", 1.0, "weights"),
        ("opt2_learning_rate", 0.01, "profiles"),
        ("opt2_regu_strength", 1.0, "profiles"),
        ("opt3_learning_rate", 0.01, "cell_profiles"),
        ("opt3_regu_strength_1", 0.0, "cell_profiles"),
        ("opt3_regu_strength_2", 1.0, "cell_profiles"),
        ("tune_learning_rate", 0.1, "gene_scaling"),
    ],
)
def test_every_flag_reaches_its_step_and_none_before_it(
    mixture: Mixture, flag: str, value: float, changes: str
) -> None:
    order = ["weights", "profiles", "cell_profiles", "gene_scaling"]
    usual, changed = run(mixture), run(mixture, params=RunParams(**SHORT, **{f"deconv_{flag}": value}))
    same = [np.array_equal(getattr(usual, field), getattr(changed, field)) for field in order]
    assert same[: order.index(changes) + 1] == [True] * order.index(changes) + [False]


def test_a_strong_pull_gives_the_cluster_proportions_and_means(mixture: Mixture) -> None:
    params = RunParams(
        **{**SHORT, "deconv_opt1_epoch": 4000, "deconv_opt2_epoch": 400},
        deconv_opt1_regu_strength=1e4,
        deconv_opt2_regu_strength=1e4,
    )
    labels = np.where(np.arange(90) < 60, 0, 1)
    given = dataclasses.replace(mixture, labels=labels)
    found = run(given, params=params)
    np.testing.assert_allclose(found.weights, [2 / 3, 1 / 3], atol=2e-3)
    means = np.stack([mixture.x[labels == c].mean(axis=0) for c in range(2)], axis=1)
    np.testing.assert_allclose(found.profiles, means, atol=0.2)


def test_the_nuclear_norm_lowers_the_rank(mixture: Mixture) -> None:
    def tail(strength: float) -> float:
        params = RunParams(**{**SHORT, "deconv_opt3_epoch": 60}, deconv_opt3_regu_strength_2=strength)
        singular = np.linalg.svd(run(mixture, params=params).cell_profiles, compute_uv=False)
        return float(singular[3:].sum() / singular.sum())

    assert tail(5.0) < 0.8 * tail(0.0)


# ---- what must never happen


@pytest.mark.parametrize("expression", [np.zeros((6, 4)), np.ones((6, 4)), np.full((6, 4), 1e-30)])
@pytest.mark.parametrize("bulk", [np.zeros(4), np.ones(4), np.full(4, 1e3)])
def test_degenerate_input_never_ends_in_nan(expression: npt.NDArray[Any], bulk: npt.NDArray[Any]) -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    found = deconvolve(expression, labels, bulk, RunParams(**SHORT, deconv_opt3_learning_rate=10.0))
    for values in (found.weights, found.profiles, found.bulk_imputed, np.array(list(found.losses.values()))):
        assert np.isfinite(values).all()


def test_a_loss_that_overflows_says_where_and_what_to_do(mixture: Mixture) -> None:
    with pytest.raises(TrainingError, match=r"opt1 became inf in epoch 1.*deconv_opt1_learning_rate") as caught:
        run(dataclasses.replace(mixture, bulk=mixture.bulk * 1e200))
    assert (caught.value.stage, caught.value.epoch) == ("deconvolution", 1)


def test_a_stop_at_once_falls_back_on_the_single_cell_values(mixture: Mixture) -> None:
    events, found = events_of(mixture, RunParams(**PUBLISHED), stop=lambda: True)
    assert [type(event) for event in events] == [EpochEnded, Notice]
    assert isinstance(events[-1], Notice)
    assert events[-1].level == "warning"
    np.testing.assert_allclose(found.weights, [1 / 3] * 3)
    np.testing.assert_array_equal(found.bulk_imputed, mixture.x)


def test_a_stop_in_the_cell_profiles_keeps_the_finished_clusters(mixture: Mixture) -> None:
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) >= 40 + 12 + 6 + 2

    _, found = events_of(mixture, RunParams(**SHORT), stop=stop)
    whole = events_of(mixture, RunParams(**SHORT))[1]
    np.testing.assert_array_equal(found.cell_profiles[:30], whole.cell_profiles[:30])
    np.testing.assert_array_equal(found.cell_profiles[30:], mixture.x[30:])
    assert found.gene_scaling.tolist() == [1.0] * 60


# ---- real data


def test_real_bulk_of_each_cell_line_raises_the_weight_of_that_line(data_dir: Path) -> None:
    """CEL-seq2 cells and bulk of the same three lines: a line weighs most in the bulk of its own samples."""
    folder = data_dir / "scmix3cl"
    counts = pd.read_csv(folder / "expression.csv.gz", index_col=0)
    lines = pd.read_csv(folder / "labels.csv", index_col=0).loc[counts.columns].iloc[:, 0].to_numpy(str)
    x = np.log1p(counts.to_numpy(np.float32).T)
    kept = np.sort(np.argsort(-x.var(axis=0))[:2000])
    table = pd.read_csv(folder / "bulk.csv.gz", index_col=0)
    names, labels = np.unique(lines, return_inverse=True)
    weights = []
    for line in names:
        samples = table.loc[:, table.columns.str.startswith(line)]
        bulk = Bulk(samples.to_numpy(float).T, samples.columns.to_numpy(str), samples.index.to_numpy(str))
        matched = match_bulk(bulk, counts.index.to_numpy(str)[kept])
        profile, genes = matched.profile, matched.genes
        assert len(genes) == 1917
        params = RunParams(**WEIGHTS_ONLY)
        weights.append(deconvolve(x[:, kept], labels, profile, params, genes=genes).weights)
    assert np.argmax(weights, axis=0).tolist() == [0, 1, 2]
    assert np.max(weights) < 5

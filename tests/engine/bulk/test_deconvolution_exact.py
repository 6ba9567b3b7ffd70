"""The exact solvers: never above the published descent, equal to a general solver, within bounds and memory."""

from __future__ import annotations

import dataclasses
import tracemalloc
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize

from scgnn2_engine.bulk.deconvolution import Deconvolution, deconvolve, iterate_deconvolution
from scgnn2_engine.bulk.deconvolution_exact import Stopping, solve_profiles, solve_scaling, solve_weights
from scgnn2_engine.bulk.deconvolution_exact_cells import solve_cells
from scgnn2_engine.bulk.deconvolution_objectives import (
    CellObjective,
    Objective,
    ProfileObjective,
    ScalingObjective,
    WeightObjective,
)
from scgnn2_engine.bulk.deconvolution_solvers import Course, Exact, Published, Solver
from scgnn2_engine.errors import TrainingError
from scgnn2_engine.events import EpochEnded, Event, Notice, drain, never
from scgnn2_engine.params import RunParams

Vector = npt.NDArray[np.float64]
Found = TypeVar("Found")
EXACT: dict[str, Any] = {"deconv_method": "exact"}


@dataclasses.dataclass(frozen=True)
class Problem:
    """What the four optimisations are given."""

    x: npt.NDArray[np.float32]
    single_cell: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    bulk: Vector

    @property
    def means(self) -> Vector:
        columns = [
            self.single_cell[self.labels == c].mean(axis=0, dtype=np.float64) for c in range(max(self.labels) + 1)
        ]
        return np.stack(columns, axis=1)

    @property
    def proportions(self) -> Vector:
        return np.bincount(self.labels) / len(self.labels)


def random_problem(seed: int, n_obs: int = 40, n_vars: int = 60, k: int = 3) -> Problem:
    """Cells of k types, an imputation where nothing was seen, and bulk that is no mixture of them."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(k), rng.integers(0, k, n_obs - k)])
    x = np.log1p(rng.poisson(rng.gamma(0.6, 3, (k, n_vars))[labels])).astype(np.float32)
    single_cell = np.where(x != 0, x, rng.random((n_obs, n_vars)) * rng.random(n_vars)).astype(np.float32)
    return Problem(x, single_cell, labels, np.log1p(rng.poisson(10 * rng.gamma(0.6, 3, n_vars))))


def solved(solving: Generator[float, None, Found]) -> tuple[Found, list[float]]:
    losses = []
    while True:
        try:
            losses.append(next(solving))
        except StopIteration as end:
            return end.value, losses


def tensor(values: Any) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float64))


def general(objective: Objective, starts: Sequence[Vector], lower: float, method: str = "L-BFGS-B") -> float:
    """The smallest loss that a general solver finds from these starts."""

    def loss_and_gradient(flat: Vector, shape: tuple[int, ...]) -> tuple[float, Vector]:
        gradient = torch.empty(shape, dtype=torch.float64)
        return objective.gradient(tensor(flat.reshape(shape)), gradient), gradient.numpy().ravel()

    tight = {"ftol": 1e-15, "maxiter": 3000}
    found = [
        minimize(
            loss_and_gradient,
            np.maximum(start, lower).ravel(),
            args=(start.shape,),
            jac=True,
            method=method,
            bounds=[(lower, None)] * start.size,
            options=tight,
        ).fun
        for start in starts
    ]
    return float(min(found))


# ---- never above the published descent


def compare(problem: Problem, params: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Published and exact loss of each optimisation, both given the same: what the exact ones before it found."""
    exact = Exact(Course(RunParams(**params, deconv_method="exact"), 0, never))
    published = Published(Course(RunParams(**params, deconv_method="published"), 0, never), 1, "cpu")
    bulk, means = problem.bulk, problem.means
    weights, _ = drain(exact.weights(bulk, means, problem.proportions))
    profiles, _ = drain(exact.profiles(bulk, weights, means))
    mixture = profiles @ weights

    def both(problem_of: Any) -> tuple[float, float]:
        solvers: tuple[Solver, Solver] = (published, exact)
        first, second = (drain(problem_of(solver))[1] for solver in solvers)
        return first, second

    losses = {
        "opt1": both(lambda solver: solver.weights(bulk, means, problem.proportions)),
        "opt2": both(lambda solver: solver.profiles(bulk, weights, means)),
        "tune": both(lambda solver: solver.scaling(bulk, mixture)),
    }
    for number in range(means.shape[1]):
        rows = problem.labels == number
        given = (profiles[:, number], problem.single_cell[rows], problem.x[rows] == 0, number, number)
        losses[f"opt3 of cluster {number}"] = both(lambda solver, given=given: solver.cells(*given))
    return losses


def assert_never_higher(losses: dict[str, tuple[float, float]]) -> None:
    for name, (published, exact) in losses.items():
        assert exact <= published * (1 + 1e-9), name


@pytest.mark.parametrize("seed", range(2))
def test_the_exact_loss_is_never_above_the_published_one(seed: int) -> None:
    assert_never_higher(compare(random_problem(seed), {}))


@pytest.mark.parametrize("strength", [0.0, 0.3])
def test_nor_is_it_at_other_strengths(strength: float) -> None:
    flags = ("opt1_regu_strength", "opt2_regu_strength", "opt3_regu_strength_1", "opt3_regu_strength_2")
    losses = compare(random_problem(9), {f"deconv_{flag}": strength for flag in flags})
    if strength == 0:
        # Step 3 is then to reproduce the mean, which both can; their losses are rounding.
        losses = {name: (max(published, 1e-3), exact) for name, (published, exact) in losses.items()}
    assert_never_higher(losses)


def test_nor_on_real_cells_and_bulk(data_dir: Path) -> None:
    folder = data_dir / "scmix3cl"
    counts = pd.read_csv(folder / "expression.csv.gz", index_col=0).iloc[:, ::3]
    lines = pd.read_csv(folder / "labels.csv", index_col=0).loc[counts.columns].iloc[:, 0].to_numpy(str)
    bulk = pd.read_csv(folder / "bulk.csv.gz", index_col=0).mean(axis=1)
    counts = counts[counts.index.isin(bulk.index)]
    x = np.log1p(counts.to_numpy(np.float32).T)
    kept = np.argsort(-x.var(axis=0))[:400]
    labels = np.unique(lines, return_inverse=True)[1]
    imputed = np.stack([x[labels == c].mean(axis=0) for c in range(3)])[labels]
    profile = np.log1p(bulk.loc[counts.index[kept]].to_numpy(float))
    problem = Problem(x[:, kept], np.where(x != 0, x, imputed)[:, kept], labels, profile)
    losses = compare(problem, {})
    assert_never_higher(losses)
    assert losses["opt2"][1] < 0.8 * losses["opt2"][0]


# ---- equal to a general solver


@pytest.mark.parametrize("strength", [0.01, 0.3, 2.0, 20.0])
def test_weights_equal_those_of_a_general_solver(strength: float) -> None:
    problem = random_problem(1, n_vars=12)
    given = (problem.bulk, problem.means, problem.proportions)
    weights, losses = solved(solve_weights(*given, strength))
    objective = WeightObjective(*map(tensor, given), strength)
    reference = general(objective, [problem.proportions + 0.1, weights + 0.01], 0.0, "SLSQP")
    assert losses[-1] == pytest.approx(objective.value(tensor(weights)), rel=1e-12)
    assert losses[-1] == pytest.approx(reference, rel=1e-8)
    assert weights.min() >= 0


@pytest.mark.parametrize("strength", [0.01, 0.3, 2.0])
def test_profiles_equal_those_of_a_general_solver(strength: float) -> None:
    problem = random_problem(2, n_vars=8)
    weights = np.array([0.2, 0.7, 0.0])
    profiles, losses = solved(solve_profiles(problem.bulk, weights, problem.means, strength))
    objective = ProfileObjective(tensor(problem.bulk), tensor(weights), tensor(problem.means), strength)
    reference = general(objective, [problem.means + 0.01, profiles + 0.01, np.ones((8, 3))], 0.0)
    assert losses[-1] == pytest.approx(objective.value(tensor(profiles)), rel=1e-12)
    assert losses[-1] <= reference * (1 + 1e-9)
    assert losses[-1] == pytest.approx(reference, rel=1e-2)  # where norms are 0 the general one stops early
    assert profiles.min() >= 0


def test_a_gene_lowered_past_the_bound_of_one_cluster_is_lowered_in_the_other() -> None:
    means, weights = np.array([[1.0, 4.0], [2.0, 2.0]]), np.array([1.0, 0.9])
    profiles, _ = solved(solve_profiles(np.array([0.0, 3.8]), weights, means, 1e-3))
    np.testing.assert_allclose(profiles, [[0, 0], [2, 2]], atol=1e-6)


def test_scaling_equals_that_of_a_general_solver() -> None:
    problem = random_problem(3, n_vars=15)
    mixture = problem.means @ [0.5, 0.3, 0.4]
    scaling, losses = solved(solve_scaling(problem.bulk, mixture))
    objective = ScalingObjective(tensor(problem.bulk), tensor(mixture))
    reference = general(objective, [scaling + 0.01, np.full(15, 2.0)], 1.0)
    assert losses[-1] == pytest.approx(objective.value(tensor(scaling)), rel=1e-12)
    assert losses[-1] == pytest.approx(reference, rel=1e-8)
    assert scaling.min() >= 1
    assert len(losses) < 20


@pytest.mark.parametrize(
    ("n", "strengths"),
    [(6, (0.8, 0.01)), (6, (0.8, 0.3)), (12, (0.8, 0.05)), (1, (0.8, 0.01)), (6, (0.1, 0.3)), (6, (0.0, 0.1))],
)
def test_cells_equal_those_of_a_general_solver(n: int, strengths: tuple[float, float]) -> None:
    problem = random_problem(4, n_obs=n, n_vars=9, k=1)
    profile, unseen = problem.bulk / 2, problem.x == 0
    cells, losses = solved(solve_cells(profile, problem.single_cell, unseen, *strengths, Stopping(300, 1e-8)))
    objective = CellObjective(tensor(profile), tensor(problem.single_cell), torch.as_tensor(unseen), *strengths)
    starts = [problem.single_cell + 0.01, cells.astype(float) + 0.01, np.ones((n, 9))]
    reference = general(objective, starts, 0.0)
    assert losses[-1] == pytest.approx(objective.value(tensor(cells)), rel=1e-5)
    assert losses[-1] <= reference * (1 + 1e-5) + 2e-6 * np.linalg.norm(profile)
    assert losses[-1] == pytest.approx(reference, rel=2e-2)  # where norms are 0 the general one stops early
    assert cells.min() >= 0


# ---- the cells of a cluster


def test_unseen_entries_stay_exactly_where_the_pull_is_strong_enough() -> None:
    problem = random_problem(5, k=1)
    unseen = problem.x == 0
    given = (problem.bulk, problem.single_cell, unseen)
    held, _ = solved(solve_cells(*given, 0.8, 0.01))
    np.testing.assert_array_equal(held[unseen], problem.single_cell[unseen])
    assert np.abs(held - problem.single_cell)[~unseen].max() > 0.1
    weak, _ = solved(solve_cells(*given, 0.005, 0.01))
    assert np.abs(weak - problem.single_cell)[unseen].max() > 0.1


def test_cells_that_are_all_unseen_stay_as_they_are() -> None:
    single_cell = random_problem(6, k=1).single_cell
    cells, losses = solved(solve_cells(np.ones(60), single_cell, np.ones_like(single_cell, dtype=bool), 0.8, 0.01))
    np.testing.assert_array_equal(cells, single_cell)
    assert len(losses) == 1


@pytest.mark.parametrize("seed", range(6))
def test_a_single_step_is_never_worse_than_the_single_cell_values(seed: int) -> None:
    problem = random_problem(seed, n_obs=2 + seed, n_vars=30, k=1)
    unseen = problem.x == 0
    for strengths in ((0.8, 0.01), (0.1, 1.0), (0.0, 0.0), (5.0, 3.0)):
        cells, losses = solved(solve_cells(problem.bulk, problem.single_cell, unseen, *strengths, Stopping(1)))
        objective = CellObjective(
            tensor(problem.bulk), tensor(problem.single_cell), torch.as_tensor(unseen), *strengths
        )
        assert objective.value(tensor(cells)) <= objective.value(tensor(problem.single_cell)) * (1 + 1e-6)
        assert len(losses) == 1


@pytest.mark.parametrize("shape", [(300, 300), (60, 2000), (900, 300)])
def test_memory_stays_below_four_times_the_matrix(shape: tuple[int, int]) -> None:
    problem = random_problem(7, *shape, k=1)
    unseen, profile = problem.x == 0, problem.bulk
    tracemalloc.start()
    try:
        solved(solve_cells(profile, problem.single_cell, unseen, 0.8, 0.01, Stopping(2)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 3.6 * problem.single_cell.nbytes


def test_permuting_cells_and_genes_permutes_the_result(rng: np.random.Generator) -> None:
    problem = random_problem(8, k=1)
    rows, genes = rng.permutation(40), rng.permutation(60)
    unseen = problem.x == 0
    cells, _ = solved(solve_cells(problem.bulk, problem.single_cell, unseen, 0.8, 0.01))
    block = np.ix_(rows, genes)
    moved, _ = solved(solve_cells(problem.bulk[genes], problem.single_cell[block], unseen[block], 0.8, 0.01))
    np.testing.assert_allclose(moved, cells[block], atol=5e-3)


# ---- when they end


def test_a_solver_ends_when_its_loss_has_settled_and_by_its_steps() -> None:
    problem = random_problem(10, k=1)
    given = (problem.bulk, problem.single_cell, problem.x == 0, 0.8, 0.01)
    coarse, fine = (solved(solve_cells(*given, Stopping(500, tolerance)))[1] for tolerance in (1e-3, 1e-6))
    assert len(coarse) < len(fine) < 100
    assert max(fine[-3:]) - min(fine[-3:]) <= 1e-6 * fine[-1]
    assert max(fine[-4:-1]) - min(fine[-4:-1]) > 1e-6 * fine[-2]
    assert len(solved(solve_cells(*given, Stopping(4, 0.0)))[1]) == 4
    assert len(solved(solve_cells(*given, Stopping(500, 0.0, epsilon=1e9)))[1]) == 1


def test_losses_never_rise() -> None:
    problem = random_problem(11)
    weights, first = solved(solve_weights(problem.bulk, problem.means, problem.proportions, 0.5))
    _, second = solved(solve_profiles(problem.bulk, weights, problem.means, 0.5))
    _, third = solved(solve_scaling(problem.bulk, problem.means @ weights))
    for losses in (first, second, third):
        assert (np.diff(losses) <= 0).all()


@pytest.mark.parametrize("step", ["opt1", "opt2", "opt3", "tune"])
def test_a_descent_that_has_settled_ends(step: str) -> None:
    problem = random_problem(12)
    params = RunParams(deconv_method="published", deconv_tolerance=0.9, deconv_tune_epoch=40)
    events, _ = run(problem, params)
    epochs = [event for event in events if isinstance(event, EpochEnded) and step in event.losses]
    assert 11 <= epochs[-1].epoch < epochs[-1].n_epochs
    losses = [event.losses["loss"] for event in epochs if event.cluster in (None, 2)][-11:]
    assert max(losses) - min(losses) <= 0.9 * losses[-1]


# ---- the whole deconvolution


def run(problem: Problem, params: RunParams, **options: Any) -> tuple[list[Event], Deconvolution]:
    steps = iterate_deconvolution(
        problem.x, problem.labels, problem.bulk, params, imputed=problem.single_cell, **options
    )
    events: list[Event] = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            return events, end.value


def test_every_step_is_an_event_and_the_last_loss_is_the_result() -> None:
    events, found = run(random_problem(13), RunParams(**EXACT), iteration=4)
    last: dict[str, dict[int | None, float]] = {}
    for event in events:
        assert isinstance(event, EpochEnded)
        assert (event.stage, event.iteration) == ("deconvolution", 4)
        assert event.epoch <= event.n_epochs
        (name,) = set(event.losses) - {"loss"}
        assert event.losses["loss"] == event.losses[name]
        last.setdefault(name, {})[event.cluster] = event.losses[name]
    assert list(last) == ["opt1", "opt2", "opt3", "tune"]
    assert list(last["opt3"]) == [0, 1, 2]
    assert {name: sum(parts.values()) for name, parts in last.items()} == pytest.approx(dict(found.losses))


def test_shapes_types_and_bounds() -> None:
    found = run(random_problem(14), RunParams(**EXACT))[1]
    assert (found.weights.shape, found.profiles.shape) == ((3,), (60, 3))
    assert (found.cell_profiles.shape, found.gene_scaling.shape) == ((40, 60), (60,))
    assert (found.weights.dtype, found.gene_scaling.dtype) == (np.float64, np.float64)
    assert (found.profiles.dtype, found.cell_profiles.dtype) == (np.float32, np.float32)
    for values in (found.weights, found.profiles, found.cell_profiles, found.gene_scaling - 1):
        assert values.min() >= 0


def test_neither_seed_nor_repetition_changes_a_byte() -> None:
    problem = random_problem(15)
    first, again = (run(problem, RunParams(**EXACT), seed=seed)[1] for seed in (0, 1))
    for field in ("weights", "profiles", "cell_profiles", "gene_scaling"):
        assert getattr(first, field).tobytes() == getattr(again, field).tobytes()


def test_samples_are_logged_and_averaged_and_the_expression_is_its_own_imputation() -> None:
    problem = random_problem(16)
    samples = np.expm1(np.stack([problem.bulk, problem.bulk[::-1]]))
    params = RunParams(**EXACT)
    found = deconvolve(problem.x, problem.labels, samples, params)
    profile = np.log1p(samples).mean(axis=0)
    same = deconvolve(problem.x, problem.labels, profile, params, imputed=problem.x)
    np.testing.assert_array_equal(found.bulk_imputed, same.bulk_imputed)
    one = deconvolve(problem.x, problem.labels, samples[:1], params)
    np.testing.assert_allclose(one.weights, deconvolve(problem.x, problem.labels, problem.bulk, params).weights)


def test_alone_the_default_parameters_solve_exactly() -> None:
    problem = random_problem(17)
    given = (problem.x, problem.labels, problem.bulk)
    exact = deconvolve(*given, RunParams(**EXACT))
    np.testing.assert_array_equal(deconvolve(*given).bulk_imputed, exact.bulk_imputed)
    published = deconvolve(*given, RunParams(deconv_method="published", deconv_opt1_epoch=5))
    assert not np.allclose(published.bulk_imputed, exact.bulk_imputed)


def test_a_stop_at_once_falls_back_on_the_single_cell_values() -> None:
    problem = random_problem(18)
    events, found = run(problem, RunParams(**EXACT), stop=lambda: True)
    assert [type(event) for event in events] == [EpochEnded, Notice]
    np.testing.assert_allclose(found.weights, problem.proportions)
    np.testing.assert_array_equal(found.bulk_imputed, problem.single_cell)
    assert np.isfinite(list(found.losses.values())).all()


def test_bulk_that_overflows_says_where() -> None:
    problem = random_problem(19)
    with pytest.raises(TrainingError, match=r"opt1 became inf in epoch 1.*ln\(1 \+ x\)"):
        run(dataclasses.replace(problem, bulk=problem.bulk * 1e200), RunParams(**EXACT))


# ---- what must never happen


def assert_finite(found: Deconvolution) -> None:
    for values in (found.weights, found.profiles, found.bulk_imputed, np.array(list(found.losses.values()))):
        assert np.isfinite(values).all()
    for values in (found.weights, found.profiles, found.cell_profiles, found.gene_scaling - 1):
        assert values.min() >= 0


@pytest.mark.parametrize("expression", [np.zeros((6, 4)), np.ones((6, 4)), np.full((6, 4), 1e-30)])
@pytest.mark.parametrize("bulk", [np.zeros(4), np.ones(4), np.full(4, 1e3)])
def test_degenerate_input_never_ends_in_nan(expression: npt.NDArray[Any], bulk: Vector) -> None:
    assert_finite(deconvolve(expression, np.array([0, 0, 0, 1, 1, 2]), bulk, RunParams(**EXACT)))


@pytest.mark.parametrize("strength", [0.0, 10.0])
def test_strengths_of_zero_and_large_ones_never_end_in_nan(strength: float) -> None:
    flags = ("opt1_regu_strength", "opt2_regu_strength", "opt3_regu_strength_1", "opt3_regu_strength_2")
    params = RunParams(**EXACT, **{f"deconv_{flag}": strength for flag in flags})
    assert_finite(run(random_problem(20, n_obs=12, n_vars=10), params)[1])


def test_one_cell_one_gene_one_cluster_and_a_gene_of_zeros() -> None:
    params = RunParams(**EXACT)
    assert_finite(deconvolve(np.full((1, 1), 2.0), np.zeros(1, int), np.ones(1), params))
    problem = random_problem(21, k=1)
    assert_finite(run(problem, params)[1])
    empty = problem.x.copy()
    empty[:, :5] = 0
    found = deconvolve(empty, problem.labels, problem.bulk, params)
    assert_finite(found)
    assert found.gene_scaling[:5].tolist() == [1.0] * 5


def test_a_bulk_profile_that_the_clusters_make_up_is_fitted_without_a_residue() -> None:
    problem = random_problem(22)
    weights, losses = solved(solve_weights(problem.means @ [0.5, 0.2, 0.3], problem.means, np.full(3, 1 / 3), 1e-6))
    np.testing.assert_allclose(weights, [0.5, 0.2, 0.3], atol=1e-6)
    assert losses[-1] < 1e-6
    scaling, losses = solved(solve_scaling(problem.bulk, problem.bulk))
    assert scaling.tolist() == [1.0] * 60
    assert losses[-1] == 0

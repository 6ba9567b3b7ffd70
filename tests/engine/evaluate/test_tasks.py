"""Tasks: exact small values, and that imputed noise loses to the matrix as it was."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu, norm

from scgnn2_engine.data.dataset import Truth
from scgnn2_engine.evaluate.tasks import TASKS, _wilcoxon, bulk_profiles, stages_of, task_scores


@pytest.fixture(scope="module")
def stages():
    """Ninety cells at three stages on a line, sixty genes that rise or fall along it, and bulk of the ends."""
    draw = np.random.default_rng(3)
    time = np.repeat([0.0, 1.0, 2.0], 30)
    slopes = draw.normal(0, 0.8, 60)
    expected = np.exp(1 + draw.normal(0, 0.5, 60) + slopes * (time[:, None] - 1))
    y = np.log1p(draw.poisson(expected)).astype(np.float32)
    genes = np.array([f"gene_{number}" for number in range(60)])
    bulk = pd.DataFrame({f"d{int(t)}_rep1": expected[time == t][0] for t in (0, 2)}, index=genes)
    return y, Truth(np.array([f"d{int(t)}" for t in time])), genes, bulk


def test_every_task_is_scored_and_what_tells_nothing_scores_nothing(stages):
    y, truth, genes, bulk = stages
    found = task_scores(y, y, truth, genes, bulk)
    assert set(found) == set(TASKS)
    assert found["task_de"] > 0.8
    assert found["task_order"] > 0.8
    assert found["task_transfer"] > 0.9
    flat = task_scores(np.random.default_rng(0).random(y.shape).astype(np.float32), y, truth, genes, bulk)
    assert all(flat[name] < found[name] for name in TASKS)
    assert flat["task_transfer"] == pytest.approx(1 / 3, abs=0.2)


def test_tasks_without_bulk_or_stages_are_left_out(stages):
    y, truth, genes, _ = stages
    named = Truth(np.array([f"type {'abc'[int(name[1])]}" for name in truth.sealed_labels]))
    assert set(task_scores(y, y, named, genes)) == set(TASKS) - {"task_bulk", "task_de", "task_order"}
    assert stages_of(np.array(["2cell", "16cell", "4cell"])).tolist() == [2, 16, 4]


def test_wilcoxons_z_is_that_of_scipy(rng):
    one, other = rng.poisson(2.0, (12, 5)), rng.poisson(3.0, (9, 5))
    expected = mannwhitneyu(one, other, axis=0, method="asymptotic", use_continuity=False).pvalue
    z = _wilcoxon(one.astype(np.float32), other.astype(np.float32))
    assert 2 * norm.sf(np.abs(z)) == pytest.approx(expected, rel=1e-6)
    assert _wilcoxon(np.ones((3, 1), np.float32), np.ones((4, 1), np.float32)).tolist() == [0]


def test_bulk_samples_are_known_by_the_name_of_the_type():
    bulk = pd.DataFrame({"H1_rep1": [1.0, 3], "H1_rep2": [3.0, 1], "H9": [1.0, 1]}, index=["a", "b"])
    found = bulk_profiles(bulk, np.array(["b", "a", "c"]), ["H1", "EC"])
    assert list(found) == ["H1"]
    assert found["H1"][:2] == pytest.approx(np.full(2, np.log1p([250_000, 750_000]).mean()))
    assert np.isnan(found["H1"][2])

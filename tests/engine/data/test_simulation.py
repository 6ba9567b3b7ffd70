"""Simulated counts: reproducible, of the stated moments, sparse at any size."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from scgnn2_engine.data.simulation import simulate
from scgnn2_engine.errors import ParameterError


def test_same_seed_same_bytes():
    one, same, other = simulate(50, 60, seed=3), simulate(50, 60, seed=3), simulate(50, 60, seed=4)
    assert one.expression.data.tobytes() == same.expression.data.tobytes()
    assert one.expression.indices.tobytes() == same.expression.indices.tobytes()
    assert one.truth.sealed_labels.tolist() == same.truth.sealed_labels.tolist()
    assert (one.expression != other.expression).nnz > 0


def test_counts_have_the_mean_and_variance_of_the_model():
    mean, dispersion = 4.0, 0.5
    data = simulate(20_000, 1, n_types=1, mean_count=mean, dispersion=dispersion, depth_spread=0.0, marker_share=0.0)
    x = data.expression.toarray().ravel()
    assert np.array_equal(x, np.rint(x))
    assert x.mean() == pytest.approx(mean, rel=0.03)
    assert x.var() == pytest.approx(mean + dispersion * mean**2, rel=0.06)


def test_dropout_removes_that_share_of_the_counts():
    full, thinned = (simulate(300, 400, dropout=d, seed=5).expression.nnz for d in (0.0, 0.6))
    assert thinned / full == pytest.approx(0.4, abs=0.02)


def test_density_follows_the_mean_count():
    shares = [1 - simulate(300, 400, mean_count=m).expression.nnz / 120_000 for m in (0.05, 0.5, 5.0)]
    assert shares == pytest.approx([0.95, 0.73, 0.31], abs=0.02)


def test_types_are_present_and_differ():
    data = simulate(200, 300, n_types=4, marker_strength=2.0, dispersion=0.0, mean_count=3.0)
    labels = data.obs["cell_type"].to_numpy()
    assert sorted(set(labels)) == ["type_0", "type_1", "type_2", "type_3"]
    assert data.truth.sealed_labels.tolist() == labels.tolist()
    x = np.log1p(data.expression.toarray())
    centres = np.stack([x[labels == name].mean(0) for name in sorted(set(labels))])
    nearest = ((x[:, None] - centres) ** 2).sum(-1).argmin(1)
    assert (np.asarray(sorted(set(labels)))[nearest] == labels).mean() > 0.95


def test_large_data_is_built_in_blocks():
    tracemalloc.start()
    data = simulate(12_000, 1000, mean_count=0.05)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(data.expression, sp.csr_matrix)
    assert data.expression.dtype == np.float32
    assert peak < 12_000 * 1000 * 4  # one dense float32 copy


@pytest.mark.parametrize(
    "wrong",
    [{"n_obs": 3}, {"n_vars": 0}, {"n_types": 0}, {"dropout": 1.0}, {"dispersion": -1.0}, {"marker_share": 2.0}],
)
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ParameterError, match="out of range"):
        simulate(**{"n_obs": 10, "n_vars": 5, **wrong})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seed": -4}, "seed .*at least 0.*-4"),
        ({"seed": None}, "seed .*whole number.*None"),
        ({"n_obs": 0}, "n_obs .*at least 5"),
        ({"n_obs": 10.5}, "n_obs .*whole number.*10.5"),
        ({"n_vars": 0}, "n_vars .*at least 1"),
        ({"n_vars": -3}, "n_vars .*at least 1.*-3"),
        ({"n_types": 0}, "n_types .*at least 1"),
    ],
)
def test_seeds_and_sizes_out_of_range_are_refused(given, words):
    with pytest.raises(ParameterError, match=words):
        simulate(**{"n_obs": 10, "n_vars": 10, **given})

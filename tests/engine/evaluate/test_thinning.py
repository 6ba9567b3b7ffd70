"""Count thinning: the parts add up, are binomial, and are scored by what was held out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.evaluate import thin, thinning_scores
from scgnn2_engine.evaluate.held_out_counts import PSEUDO_RATE


@given(
    counts=arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 50)),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
@settings(max_examples=50, deadline=None)
def test_parts_add_up_and_dense_equals_sparse(counts, share, seed):
    train, test = thin(counts, share, seed)
    assert (train + test).tolist() == counts.tolist()
    assert (train >= 0).all()
    assert (test >= 0).all()
    sparse_train, sparse_test = thin(sp.csr_matrix(counts), share, seed)
    assert sparse_train.toarray().tolist() == train.tolist()
    assert sparse_test.toarray().tolist() == test.tolist()


def test_sparse_stays_sparse_and_the_input_stays_as_it_was():
    counts = sp.csr_matrix(np.array([[0.0, 3.0], [9.0, 0.0]]))
    before = counts.copy()
    train, test = thin(counts, 0.5, 0)
    assert sp.issparse(train)
    assert sp.issparse(test)
    assert (counts != before).nnz == 0
    assert 0 not in test.data


def test_mean_and_variance_are_binomial():
    counts = np.full((200, 200), 20)
    _, test = thin(counts, 0.1, seed=3)
    assert test.mean() == pytest.approx(2.0, abs=0.03)  # 40,000 draws of sd 1.34: standard error .007
    assert test.var() == pytest.approx(1.8, abs=0.06)


def test_parts_of_poisson_counts_are_independent(rng):
    train, test = thin(rng.poisson(8.0, size=(300, 100)), 0.5, seed=1)
    assert abs(np.corrcoef(train.ravel(), test.ravel())[0, 1]) < 0.03


def test_same_seed_same_bytes_and_another_seed_another_split(rng):
    counts = rng.poisson(5.0, size=(20, 10))
    assert thin(counts, 0.1, 4)[1].tobytes() == thin(counts, 0.1, 4)[1].tobytes()
    assert thin(counts, 0.1, 4)[1].tobytes() != thin(counts, 0.1, 5)[1].tobytes()


@pytest.mark.parametrize("values", [[[1.5]], [[-1.0]], [[np.nan]], [[np.inf]]])
def test_what_is_not_a_count_is_refused(values):
    with pytest.raises(InputError, match=r"Only counts can be thinned.*whole numbers"):
        thin(np.array(values), 0.5, 0)
    with pytest.raises(InputError, match="Only counts"):
        thin(sp.csr_matrix(np.array(values)), 0.5, 0)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_outside_is_refused(share):
    with pytest.raises(ParameterError, match="between 0 and 1"):
        thin(np.ones((2, 2)), share, 0)


def test_scores_of_a_known_table():
    train, test = np.array([[3.0, 1.0], [0.0, 4.0]]), np.array([[1.0, 1.0], [0.0, 2.0]])
    denoised = np.array([[2.0, 2.0], [1.0, 3.0]])
    found = thinning_scores(denoised, train, test)
    # λ is [[1, 1], [.5, 1.5]]: deviances 0, 0, 2 · .5 and 2 · (2 ln(2 / 1.5) − .5); of the counts as they are,
    # [[1.5, .5], [0, 2]]: 2 (ln(1 / 1.5) + .5), 2 (ln 2 − .5), 2e-6 and 0.
    mine, undenoised = 1 + 2 * (2 * np.log(4 / 3) - 0.5), 2 * (np.log(2 / 1.5) + 1e-6)
    assert found["poisson_deviance"] == pytest.approx(mine / 4, rel=1e-12)
    assert found["poisson_scaled"] == pytest.approx(1 - mine / undenoised, rel=1e-12)
    # Ordered by λ the roots are 0, {1, 1}, √2, which rise: nothing is left.
    assert found["isotonic_mse"] == pytest.approx(0, abs=1e-30)
    predicted = np.log1p([[5000, 5000], [2500, 7500]])
    wanted = np.log1p([[5000, 5000], [0, 10000]])
    assert found["mse_op"] == pytest.approx(np.square(predicted - wanted).mean(), rel=1e-12)
    scaled = denoised * (4 / 8)
    assert found["poisson_op"] == pytest.approx((test - scaled * np.log(test + 1e-6)).mean(), rel=1e-12)


def test_a_zero_where_a_count_was_held_out_costs_what_the_pseudo_rate_says():
    train, test = np.array([[3.0, 1.0]]), np.array([[1.0, 1.0]])
    found = thinning_scores(np.zeros((1, 2)), train, test)["poisson_deviance"]
    assert found == pytest.approx(2 * (-np.log(PSEUDO_RATE) - 1 + PSEUDO_RATE), rel=1e-12)


def test_genes_are_followed_within_cells_of_one_depth_and_constants_know_nothing():
    counts = np.array([[4.0, 0], [3, 1], [2, 2], [1, 3], [0, 4]])
    found = thinning_scores(counts**3, counts, counts)
    assert found["gene_rank"] == pytest.approx(1)
    assert 0.5 < found["gene_correlation"] < 1
    flat = thinning_scores(np.ones((5, 2)), counts, counts)
    assert (flat["gene_correlation"], flat["gene_rank"]) == (0, 0)


def test_scores_take_dense_and_sparse_alike_and_survive_empty_cells(rng):
    counts = rng.poisson(1.0, size=(30, 8))
    counts[3] = 0
    train, test = thin(counts, 0.3, 0)
    sparse = thinning_scores(train, *thin(sp.csr_matrix(counts), 0.3, 0))
    assert thinning_scores(train, train, test) == sparse
    assert np.isfinite(list(sparse.values())).all()
    assert thinning_scores(train[:, :3], train[:, :3], test[:, :3])  # and cells without any of the genes


def test_the_true_rates_score_best(rng):
    # At a few counts a cell the logarithm of 10,000 per cell is steep, and the true rates no longer have the least mse.
    rates = rng.gamma(2.0, 10.0, size=(100, 50))
    train, test = thin(rng.poisson(rates), 0.5, 0)
    true, raw = thinning_scores(rates * 0.5, train, test), thinning_scores(train, train, test)
    assert true["mse_op"] < raw["mse_op"]
    assert true["poisson_deviance"] < raw["poisson_deviance"]
    assert true["poisson_scaled"] > 0


def test_unusable_scores_are_refused():
    one = np.ones((2, 2))
    with pytest.raises(InputError, match="do not fit"):
        thinning_scores(np.ones((2, 3)), one, one)
    with pytest.raises(InputError, match="finite"):
        thinning_scores(np.full((2, 2), np.nan), one, one)
    with pytest.raises(InputError, match="empty"):
        thinning_scores(one, one, np.zeros((2, 2)))

"""The decoder's loss equals the dense one, without the dense array."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
import torch.nn.functional as F  # noqa: N812

from scgnn2_engine.graph import pair_loss
from scgnn2_engine.graph.pair_loss import PairLoss

CPU = torch.device("cpu")


@pytest.fixture
def target():
    half = sp.random(50, 50, density=0.1, random_state=0, format="csr")
    return sp.csr_matrix(half.maximum(half.T) + sp.identity(50, format="csr")).minimum(1.0).tocsr()


@pytest.fixture
def embedding(rng):
    return torch.from_numpy(rng.normal(size=(50, 4)).astype(np.float32))


def value_and_gradient(loss, embedding):
    e = embedding.clone().requires_grad_()
    value = loss(e)
    (3 * value).backward()
    return value.item(), e.grad.numpy() / 3


def dense_loss(target, positive_weight):
    t = torch.from_numpy(target.toarray()).float()
    return lambda e: F.binary_cross_entropy_with_logits(e @ e.T, t, pos_weight=torch.tensor(positive_weight))


@pytest.mark.parametrize("positive_weight", [1.0, 7.5])
@pytest.mark.parametrize("rows", [None, 16])
def test_equals_binary_cross_entropy_over_all_pairs(target, embedding, positive_weight, rows, monkeypatch):
    if rows:
        monkeypatch.setattr(pair_loss, "_BLOCK", {"cpu": 1})  # the smallest block: 16 rows, the last one ragged
    loss = PairLoss(target, CPU, positive_weight=positive_weight)
    value, gradient = value_and_gradient(loss, embedding)
    expected, expected_gradient = value_and_gradient(dense_loss(target, positive_weight), embedding)
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-7)


def test_exact_value_of_two_cells():
    target = sp.csr_matrix([[1.0, 1.0], [1.0, 1.0]])
    e = torch.tensor([[1.0], [2.0]])  # logits 1, 2, 2, 4
    expected = np.log1p(np.exp([-1.0, -2.0, -2.0, -4.0])).mean()
    assert PairLoss(target, CPU)(e).item() == pytest.approx(expected, rel=1e-6)


def test_large_logits_stay_finite(target):
    value, gradient = value_and_gradient(PairLoss(target, CPU), torch.full((50, 4), 1e4))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("positive_weight", [1.0, 7.5])
def test_sampled_pairs_are_unbiased_in_value_and_gradient(target, embedding, positive_weight):
    expected, expected_gradient = value_and_gradient(PairLoss(target, CPU, positive_weight=positive_weight), embedding)
    sampled = PairLoss(
        target,
        CPU,
        positive_weight=positive_weight,
        pair_samples=20,
        draws=torch.Generator().manual_seed(0),
    )
    draws = [value_and_gradient(sampled, embedding) for _ in range(400)]
    values = np.array([value for value, _ in draws])
    assert values.std() > 0
    assert abs(values.mean() - expected) < 4 * values.std() / np.sqrt(len(values))
    gradients = np.array([gradient for _, gradient in draws])
    error = gradients.std(axis=0) / np.sqrt(len(values))
    assert (np.abs(gradients.mean(axis=0) - expected_gradient) < 5 * error + 1e-7).all()


def test_a_hundredth_of_the_pairs_is_not_worth_drawing(target, embedding):
    exact = PairLoss(target, CPU)(embedding)
    assert torch.equal(PairLoss(target, CPU, pair_samples=25)(embedding), exact)
    fewer = PairLoss(target, CPU, pair_samples=24, draws=torch.Generator().manual_seed(0))
    assert not torch.equal(fewer(embedding), exact)


def test_sampled_gradients_are_the_same_bytes_on_two_threads(rng):
    e = torch.from_numpy(rng.normal(size=(3000, 16)).astype(np.float32))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = {
            value_and_gradient(
                PairLoss(
                    sp.identity(3000, format="csr"),
                    CPU,
                    pair_samples=60_000,
                    draws=torch.Generator().manual_seed(5),
                ),
                e,
            )[1].tobytes()
            for _ in range(4)
        }
    finally:
        torch.set_num_threads(threads)
    assert len(found) == 1

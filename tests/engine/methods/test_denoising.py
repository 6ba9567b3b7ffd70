"""Filling gaps: what is seen, the losses, the training, and copies of it for clusters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.stats import nbinom, poisson

from scgnn2_engine.data.blocks import as_blocks
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.data.prepared import HiddenEntries
from scgnn2_engine.data.simulation import simulate
from scgnn2_engine.errors import InputError
from scgnn2_engine.events import drain
from scgnn2_engine.methods.denoising.clusters import iterate_denoising_clusters
from scgnn2_engine.methods.denoising.loss import GapLoss, huber, negative_binomial, without_rate
from scgnn2_engine.methods.denoising.method import Denoising
from scgnn2_engine.methods.denoising.network import DenoisingAutoencoder, elu, kept_at_random
from scgnn2_engine.methods.denoising.observed import ObservedRows, observe
from scgnn2_engine.methods.denoising.training import fit_denoising, iterate_denoising
from scgnn2_engine.methods.protocol import Expression
from scgnn2_engine.params import ClusterAEParams, FeatureAEParams, RunParams
from scgnn2_engine.training.loop import Plan


@pytest.fixture
def low_rank(rng):
    """Two kinds of cells, each gene at its own level, a tenth of the entries unseen and a twentieth held out."""
    kind = np.repeat([0, 1], 40)
    x = (1.5 + rng.random(60) + 1.5 * rng.random((2, 60)))[kind, :].astype(np.float32)
    x += rng.normal(0, 0.05, x.shape).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = 0
    rows, cols = (part[::20] for part in np.nonzero(x))
    values = x[rows, cols].copy()
    x[rows, cols] = 0
    return x, HiddenEntries(rows, cols, values), kind


def plan(**values):
    return Plan("feature_AE", **{"n_epochs": 150, "learning_rate": 1e-3, **values})


def settings(**values):
    return RunParams(**{f"feature_AE_{key}": value for key, value in values.items()}).feature_AE


def dense(observed, values):
    return sp.csr_matrix((values, observed.genes, observed.starts), (observed.n_obs, observed.n_vars)).toarray()


def centred(observed):
    return ObservedRows(observed, torch.device("cpu"))(slice(None)).centred.numpy()


def test_a_sparse_matrix_is_observed_as_its_dense_rows_are_and_lends_its_own_arrays(rng):
    x = np.log1p(rng.poisson(0.5, (30, 20))).astype(np.float32)
    rows, cols = (part[::7] for part in np.nonzero(x))
    held = HiddenEntries(rows, cols, x[rows, cols])
    shown = sp.csr_matrix(x)
    shown.data[np.flatnonzero(np.isin(np.arange(shown.nnz), np.arange(shown.nnz)[::7]))] = 0
    factors = rng.random(30).astype(np.float32) + 0.5
    one, two = (observe(m, held, factors, counts=True) for m in (shown.toarray(), as_blocks(shown)))
    assert np.shares_memory(two.values, shown.data)
    assert np.shares_memory(two.genes, shown.indices)
    for name in ("starts", "genes", "counts", "means", "log_rates"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    np.testing.assert_array_equal(centred(one), centred(two))
    few, values = (
        observe(as_blocks(shown), held),
        observe(shown.toarray(), held),
    )  # not counts: held-out ones are not listed
    assert not np.shares_memory(few.values, shown.data)
    np.testing.assert_array_equal(centred(few), centred(values))


def test_what_is_seen_is_centred_at_its_gene():
    x = np.log1p(np.array([[1, 0, 5], [3, 0, 0], [0, 2, 5]], np.float32))
    held = HiddenEntries(np.array([0]), np.array([2]), x[[0], [2]])
    observed = observe(x, held, np.float32([1, 2, 1]), counts=True)
    counts = dense(observed, observed.counts)
    assert (counts > 0).tolist() == [[True, False, False], [True, False, False], [False, True, True]]
    np.testing.assert_allclose(observed.means, [(np.log(2) + np.log(4)) / 2, np.log(3), np.log(6)], rtol=1e-6)
    differences = dense(observed, centred(observed))
    assert (differences[counts <= 0] == 0).all()
    np.testing.assert_allclose(differences[:2, 0], [-np.log(2) / 2, np.log(2) / 2], rtol=1e-5)
    np.testing.assert_allclose(counts, [[1, 0, -1], [6, 0, 0], [0, 2, 5]], rtol=1e-6)
    np.testing.assert_allclose(np.exp(observed.log_rates), [7.5 / 4, 2.5 / 4, 10.5 / 4], rtol=1e-5)


def test_states_weigh_seen_entries_around_one():
    x = np.ones((2, 3), np.float32)
    observed = observe(x, states=np.array([[0, 1, 1], [0, 1, 1]], np.uint8), regu_strength=0.9)
    np.testing.assert_allclose(observed.weights.mean(), 1, rtol=1e-6)
    np.testing.assert_allclose(observed.weights[1] / observed.weights[0], 10, rtol=1e-4)
    assert observe(x, states=np.ones((2, 3), np.uint8), regu_strength=0.0).weights is None


def test_the_losses_are_their_formulas():
    difference = torch.tensor([-2.0, -0.1, 0.0, 0.2, 5.0])
    np.testing.assert_allclose(huber(difference, 0.3).numpy(), [0.555, 0.005, 0, 0.02, 1.455], rtol=1e-5)
    counts, rate, theta = np.array([0.0, 1, 7]), np.array([0.5, 2, 3]), 10.0
    ours = negative_binomial(torch.tensor(counts), torch.tensor(np.log(rate)), theta).numpy()
    known = -nbinom.logpmf(counts, theta, theta / (theta + rate))
    at_one = -nbinom.logpmf(counts, theta, theta / (theta + 1.0))
    base = negative_binomial(torch.tensor(counts), torch.zeros(3, dtype=torch.float64), theta).numpy()
    np.testing.assert_allclose(ours - base, known - at_one, rtol=1e-6)
    ours = negative_binomial(torch.tensor(counts), torch.tensor(np.log(rate)), 0.0).numpy()
    np.testing.assert_allclose(ours + np.array([0, 0, np.log(5040)]), -poisson.logpmf(counts, rate), rtol=1e-6)


def test_an_untrained_network_says_what_genes_are_on_average(low_rank):
    x, held, _ = low_rank
    observed = observe(x, held)
    network = DenoisingAutoencoder(60, seed=3)
    assert network(torch.tensor(dense(observed, centred(observed))))[1].abs().max() == 0


def test_training_finds_hidden_entries(low_rank):
    x, held, _ = low_rank
    observed = observe(x, held)
    at_first = float(np.abs(observed.means[held.cols] - held.values).mean())
    fit = fit_denoising(observed, held, params=settings(layer_dropout=0.0), plan=plan())
    assert fit.validation < 0.4 * at_first
    assert fit.log_rate is None
    assert (np.asarray(fit.value) >= 0).all()


def test_what_is_held_out_is_not_learnt_from(low_rank):
    x, held, _ = low_rank
    other = HiddenEntries(held.rows, held.cols, held.values + 100)
    one, two = (fit_denoising(observe(x, entries), entries, plan=plan(n_epochs=5), seed=2) for entries in (held, other))
    assert np.asarray(one.value).tobytes() == np.asarray(two.value).tobytes()


def test_same_seed_same_bytes_and_no_global_randomness(low_rank):
    x, held, _ = low_rank
    observed, before = observe(x, held, counts=True), torch.get_rng_state()
    fits = [fit_denoising(observed, held, plan=plan(n_epochs=4), seed=seed) for seed in (1, 1, 2)]
    assert np.asarray(fits[0].value).tobytes() == np.asarray(fits[1].value).tobytes()
    assert np.asarray(fits[0].log_rate).tobytes() == np.asarray(fits[1].log_rate).tobytes()
    assert np.asarray(fits[0].value).tobytes() != np.asarray(fits[2].value).tobytes()
    assert torch.equal(before, torch.get_rng_state())


def test_rates_are_learnt_from_zeros_too(rng):
    rate = np.array([0.2, 3.0])[np.repeat([0, 1], 50)][:, None] * np.ones(40)
    counts = rng.poisson(rate).astype(np.float32)
    fit = fit_denoising(
        observe(np.log1p(counts), counts=True), params=settings(count_weight=1.0), plan=plan(n_epochs=200)
    )
    found = np.exp(np.asarray(fit.log_rate))
    assert abs(found[:50].mean() - 0.2) < 0.1
    assert abs(found[50:].mean() - 3.0) < 0.5


@pytest.mark.parametrize("theta", [0.0, 10.0])
def test_the_loss_of_counts_is_all_of_their_likelihood(rng, theta):
    """Without the terms that train nothing it would fall below 0, and a logarithmic chart would not show it."""
    counts = rng.poisson(rng.gamma(2, 20, (30, 12))).astype(np.float32)
    rates = rng.gamma(2, 20, (30, 12))
    ours = negative_binomial(torch.tensor(counts), torch.tensor(np.log(rates)), theta).numpy().sum(axis=1)
    known = nbinom.logpmf(counts, theta, theta / (theta + rates)) if theta else poisson.logpmf(counts, rates)
    np.testing.assert_allclose(ours + without_rate(counts, theta).sum(axis=1), -known.sum(axis=1), rtol=1e-4)
    held_out = np.where(rng.random(counts.shape) < 0.1, np.float32(-1), counts)
    np.testing.assert_array_equal(without_rate(held_out, theta), without_rate(np.maximum(held_out, 0), theta))
    params = settings(count_weight=1.0, dispersion=theta)
    events = list(iterate_denoising(observe(np.log1p(counts), counts=True), params=params, plan=plan(n_epochs=60)))
    assert min(event.losses["counts"] for event in events) > 0


def test_losses_add_up_and_events_are_the_plan(low_rank):
    x, held, _ = low_rank
    events = list(iterate_denoising(observe(x, held, counts=True), held, plan=plan(n_epochs=3, batch_size=30)))
    assert [event.epoch for event in events] == [1, 2, 3]
    for event in events:
        assert event.losses["loss"] == pytest.approx(event.losses["value"] + event.losses["counts"], rel=1e-5)


def test_weights_of_another_network_are_refused(low_rank):
    x, held, _ = low_rank
    weights = DenoisingAutoencoder(59).weights()
    with pytest.raises(InputError, match="do not fit the network"):
        fit_denoising(observe(x, held), plan=plan(n_epochs=1), weights=weights)


def refined(low_rank, start, **values):
    x, held, kind = low_rank
    params = ClusterAEParams(**{"epoch": 20, "learning_rate": 1e-3, **values})
    steps = iterate_denoising_clusters(observe(x, held), start, kind, held, params, FeatureAEParams(), n_threads=1)
    return drain(steps)


def test_clusters_are_kept_only_where_they_come_closer(low_rank):
    x, held, kind = low_rank
    start = fit_denoising(observe(x, held), held, params=FeatureAEParams(), plan=plan(n_epochs=20))
    fit = refined(low_rank, start, only_if_better=True)
    for cluster in (0, 1):
        mine = kind[held.rows] == cluster
        entries = held.rows[mine], held.cols[mine]
        before, after = (np.abs(m[entries] - held.values[mine]).mean() for m in (start.value, fit.value))
        assert after <= before
        assert (cluster in fit.kept) == (fit.value[kind == cluster] != start.value[kind == cluster]).any()
    ruined = refined(low_rank, start, only_if_better=True, learning_rate=5.0)
    assert ruined.kept == ()
    np.testing.assert_array_equal(np.asarray(ruined.value), np.asarray(start.value))


def test_cells_of_a_cluster_do_not_see_the_others(low_rank):
    x, held, kind = low_rank
    observed = observe(x, held)
    start = fit_denoising(observed, held, params=FeatureAEParams(), plan=plan(n_epochs=10))
    both = refined(low_rank, start)
    of_kind = np.repeat(kind, np.diff(observed.starts))
    disturbed = replace(observed, values=observed.values + (of_kind == 1).astype(np.float32))
    params = ClusterAEParams(epoch=20, learning_rate=1e-3)
    alone = drain(iterate_denoising_clusters(disturbed, start, kind, held, params, FeatureAEParams(), n_threads=1))
    assert both.value[kind == 0].tobytes() == alone.value[kind == 0].tobytes()
    assert both.value[kind == 1].tobytes() != alone.value[kind == 1].tobytes()


def test_batches_are_the_entries_of_their_cells(low_rank):
    x, held, _ = low_rank
    observed = observe(x, held, counts=True)
    cells = np.array([7, 0, 79, 7])
    entries = ObservedRows(observed, torch.device("cpu"))(torch.tensor(cells))
    whole = dense(observed, observed.counts)
    np.testing.assert_array_equal(entries.dense(entries.counts).numpy(), whole[cells])
    np.testing.assert_array_equal(entries.of_cells(entries.known)[:, 0].numpy(), (whole[cells] > 0).sum(axis=1))
    taken = observed.take(cells)
    np.testing.assert_array_equal(dense(taken, centred(taken)), dense(observed, centred(observed))[cells])
    np.testing.assert_array_equal(dense(taken, taken.counts), whole[cells])


def test_sparse_rows_and_dense_ones_are_seen_alike(low_rank, monkeypatch):
    x, held, _ = low_rank
    whole = observe(x, held, counts=True)
    monkeypatch.setattr("scgnn2_engine.data.blocks.row_blocks.__defaults__", (7,))
    by_blocks = observe(sp.csr_matrix(x), held, counts=True)
    for name in ("starts", "genes", "means", "log_rates", "values", "counts"):
        np.testing.assert_allclose(getattr(by_blocks, name), getattr(whole, name), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("theta", [0.0, 10.0])
def test_the_loss_and_its_slopes_are_those_of_every_entry(low_rank, theta):
    x, held, _ = low_rank
    factors = np.linspace(0.5, 2, 80, dtype=np.float32)
    observed = observe(x, held, factors, counts=True)
    params = settings(hide_share=0.0, layer_dropout=0.0, dispersion=theta, count_weight=0.1)
    network = DenoisingAutoencoder(60, counts=True, seed=3)
    network.log_rates.copy_(torch.from_numpy(observed.log_rates))
    with torch.no_grad():
        for layer in (network.value, network.rate):
            layer.weight.uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(0))
    losses = GapLoss(network, observed, params, torch.device("cpu"), 0)(torch.arange(50))
    losses["loss"].backward()
    ours = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()

    inputs, counts = (
        torch.tensor(dense(observed, centred(observed))[:50]),
        torch.tensor(dense(observed, observed.counts)[:50]),
    )
    _, value, log_rate = network(inputs)
    log_rate = log_rate + network.log_rates + torch.tensor(np.log(factors[:50, None]))
    seen, known = counts > 0, counts >= 0
    of_values = 50 * huber(value - inputs, 0.3)[seen].mean()
    surprise = negative_binomial(counts, log_rate, theta)[known].sum() + without_rate(counts.numpy(), theta).sum()
    of_counts = 0.1 * 50 * surprise / known.sum()
    assert losses["value"].item() == pytest.approx(of_values.item(), rel=1e-5)
    assert losses["counts"].item() == pytest.approx(of_counts.item(), rel=1e-5)
    (of_values + of_counts).backward()
    for mine, parameter in zip(ours, network.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad, rtol=1e-4, atol=1e-4)


def test_what_is_kept_at_random_is_its_share():
    draw = torch.Generator().manual_seed(0)
    for share, nearest in ((0.5, 0.5), (0.7, 179 / 256), (1.0, 1.0), (0.0, 0.0)):
        kept = kept_at_random(torch.Size([300, 1001]), share, draw, torch.bfloat16)
        assert set(kept.unique().tolist()) <= {0.0, 1.0}
        assert kept.float().mean().item() == pytest.approx(nearest, abs=0.005)
    assert not torch.equal(*(kept_at_random(torch.Size([64]), 0.5, draw) for _ in range(2)))


def test_elu_is_torchs():
    x = torch.linspace(-30, 30, 101, requires_grad=True)
    elu(x).sum().backward()
    mine, x.grad = x.grad, None
    torch.nn.functional.elu(x).sum().backward()
    torch.testing.assert_close(mine, x.grad, rtol=0, atol=2e-7)
    torch.testing.assert_close(elu(x), torch.nn.functional.elu(x), rtol=0, atol=2e-7)


def test_cells_are_compared_by_rates_or_by_what_was_observed():
    data = simulate(n_obs=60, n_vars=40, n_types=2, seed=0)
    few, many = (prepare(replace(data, expression=data.expression * scale), RunParams()) for scale in (1, 1000))
    said = Expression(np.ones(few.x.shape, np.float32), np.zeros(few.x.shape, np.float32))
    np.testing.assert_allclose(np.asarray(Denoising(few, RunParams()).compared(said)), np.log(2), rtol=1e-6)
    # Without rates every zero of the value is filled, while a gene's absence tells types apart as its presence does.
    compared = Denoising(many, RunParams()).compared(Expression(said.value))
    np.testing.assert_array_equal(np.asarray(compared), many.x.toarray() if sp.issparse(many.x) else many.x)

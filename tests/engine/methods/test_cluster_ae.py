import threading

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scgnn2_engine.data.prepared import HiddenEntries
from scgnn2_engine.errors import InputError, TrainingError
from scgnn2_engine.methods.autoencoder import Autoencoder, encode
from scgnn2_engine.methods.published.cluster_ae import ClusterLoss, fit_cluster_ae, iterate_cluster_ae, neighbour_pull
from scgnn2_engine.params import ClusterAEParams
from scgnn2_engine.training.devices import threads

N, G = 14, 20


@pytest.fixture
def cells(rng):
    """Input, target, labels, adjacency and starting weights of a small example."""
    x = rng.gamma(2.0, 1.0, (N, G)).astype(np.float32)
    x[rng.random((N, G)) < 0.4] = 0
    target = rng.gamma(2.0, 1.0, (N, G)).astype(np.float32)
    labels = np.array([2, 0, 0, 1, 2, 2, 0, 1, 2, 0, 2, 1, 2, 2], dtype=np.int32)
    edges = np.triu(rng.random((N, N)) < 0.4, 1)
    edges[:, 5] = edges[5] = False  # a cell without neighbours
    return x, target, labels, sp.csr_matrix((edges + edges.T) * 1.0), Autoencoder(G, seed=4).weights()


def dense_loss(cells, cluster):
    """The published loss with its matrix products written out, in float64."""
    x, target, labels, adjacency, weights = cells
    own = labels == cluster
    y = encode(Autoencoder(G, weights=weights), x[own])[1].astype(np.float64)
    error = (y - target[own]) ** 2
    dense = adjacency.toarray()
    sums = dense.sum(axis=1, keepdims=True)
    graph = np.divide(dense, sums, out=np.zeros_like(dense), where=sums > 0)[np.ix_(own, own)]
    same = labels[:, None] == labels
    cell_type = (same / same.sum(axis=1, keepdims=True))[np.ix_(own, own)]
    parts = {
        "reconstruction": 0.3 * error.sum(),
        "observed": np.sqrt(((x[own] - y)[x[own] != 0] ** 2).sum()),
        "graph": 0.3 * (graph @ error).sum(),
        "cell_type": 0.1 * (cell_type @ error).sum(),
        "l1": sum(np.abs(values).sum(dtype=np.float64) for values in weights.values()),
    }
    return {"loss": sum(parts.values()), **parts}


def test_loss_equals_the_dense_matrix_products(cells):
    first = {event.cluster: event.losses for event in iterate_cluster_ae(*cells, params=ClusterAEParams(epoch=1))}
    for cluster in (0, 1, 2):
        assert first[cluster] == pytest.approx(dense_loss(cells, cluster), rel=1e-5)


def test_parts_add_up_to_the_loss_over_several_batches(cells):
    params = ClusterAEParams(epoch=2, batch_size=3, l1_weight=0.5)
    for event in iterate_cluster_ae(*cells, params=params):
        losses = dict(event.losses)
        assert losses.pop("loss") == pytest.approx(sum(losses.values()), rel=1e-5)


def test_weights_of_the_loss_are_parameters(cells):
    params = ClusterAEParams(epoch=1, reconstruction_weight=0, graph_weight=0, cell_type_weight=0, l1_weight=0)
    losses = next(iterate_cluster_ae(*cells, params=params)).losses
    assert losses["loss"] == losses["observed"] > 0
    assert "l1" not in losses


def test_gradient_of_the_loss_is_that_of_autograd(rng):
    prediction = torch.tensor(rng.random((4, 6)), requires_grad=True)
    target, x, weights = (torch.tensor(rng.random(shape)) for shape in ((4, 6), (4, 6), 4))
    x[x < 0.4] = 0
    ClusterLoss.apply(prediction, target, x, weights)[0].backward()
    plain = prediction.detach().clone().requires_grad_()
    squared = (weights[:, None] * (plain - target) ** 2).sum()
    (squared + torch.linalg.vector_norm((plain - x)[x != 0])).backward()
    torch.testing.assert_close(prediction.grad, plain.grad)


def test_gradient_where_the_observed_entries_are_met_exactly_is_finite():
    prediction = torch.tensor([[1.0, 2.0]], requires_grad=True)
    ClusterLoss.apply(prediction, torch.zeros(1, 2), torch.tensor([[1.0, 2.0]]), torch.ones(1))[0].backward()
    assert prediction.grad.tolist() == [[2.0, 4.0]]


def test_pull_leaves_out_edges_to_other_clusters(cells):
    _, _, labels, adjacency, _ = cells
    dense = adjacency.toarray()
    sums = dense.sum(axis=1, keepdims=True)
    rows = np.divide(dense, sums, out=np.zeros_like(dense), where=sums > 0)
    expected = (rows * (labels[:, None] == labels)).sum(axis=0)
    np.testing.assert_allclose(neighbour_pull(adjacency, labels), expected, atol=1e-6)


def test_same_bytes_and_same_events_with_one_two_and_five_threads(cells):
    params = ClusterAEParams(epoch=4, batch_size=3, dropout_prob=0.1)

    def stream(n_threads):
        return [
            (e.cluster, e.epoch, dict(e.losses))
            for e in iterate_cluster_ae(*cells, params=params, n_threads=n_threads, seed=3)
        ]

    assert stream(1) == stream(2) == stream(5)
    results = [fit_cluster_ae(*cells, params=params, n_threads=n, seed=3).imputed.tobytes() for n in (1, 2, 2, 5)]
    assert len(set(results)) == 1


def test_the_largest_cluster_comes_first(cells):
    order = [event.cluster for event in iterate_cluster_ae(*cells, params=ClusterAEParams(epoch=1))]
    assert order == [2, 0, 1]


def test_a_cluster_does_not_depend_on_the_others(cells):
    x, target, labels, adjacency, weights = cells
    params = ClusterAEParams(epoch=5)
    whole = fit_cluster_ae(x, target, labels, adjacency, weights, params=params).imputed
    x2, target2 = x.copy(), target.copy()
    x2[labels != 1] = target2[labels != 1] = 1
    changed = fit_cluster_ae(x2, target2, labels, adjacency, weights, params=params).imputed
    assert whole[labels == 1].tobytes() == changed[labels == 1].tobytes()
    assert whole[labels == 0].tobytes() != changed[labels == 0].tobytes()


def test_permuting_cells_permutes_results(cells, rng):
    x, target, labels, adjacency, weights = cells
    order = rng.permutation(N)
    params = ClusterAEParams(epoch=10)
    one = fit_cluster_ae(*cells, params=params).imputed
    two = fit_cluster_ae(x[order], target[order], labels[order], adjacency[order][:, order], weights, params=params)
    np.testing.assert_allclose(two.imputed, one[order], atol=2e-3)


def test_training_lowers_every_clusters_loss(cells):
    losses = {}
    for event in iterate_cluster_ae(*cells, params=ClusterAEParams(epoch=40)):
        losses.setdefault(event.cluster, []).append(event.losses["loss"])
    assert all(series[-1] < series[0] for series in losses.values())


def test_stop_is_honoured_in_all_clusters(cells):
    fit = fit_cluster_ae(*cells, params=ClusterAEParams(epoch=500), stop=lambda: True, n_threads=2)
    assert set(fit.n_epochs.values()) == {0}
    x, _, labels, _, weights = cells
    start = Autoencoder(G, weights=weights)
    with threads(1):  # as in the workers: with more, products are rounded otherwise on some processors
        for cluster in (0, 1, 2):  # never begun: the feature autoencoder's own reconstruction
            assert np.array_equal(fit.imputed[labels == cluster], encode(start, x[labels == cluster])[1])

    calls = []
    fit = fit_cluster_ae(*cells, params=ClusterAEParams(epoch=500), stop=lambda: calls.append(1) or len(calls) > 3)
    assert 1 <= sum(fit.n_epochs.values()) <= 6


def test_closing_the_stream_ends_the_threads(cells):
    steps = iterate_cluster_ae(*cells, params=ClusterAEParams(epoch=100_000), n_threads=2)
    next(steps)
    steps.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("cluster-")]


def test_nan_names_cluster_and_epoch(cells):
    cells[1][labels_first(cells[2], 1)] = np.nan
    with pytest.raises(TrainingError, match="cluster_AE, cluster 1, iteration 3, epoch 1") as caught:
        fit_cluster_ae(*cells, params=ClusterAEParams(epoch=3), iteration=3)
    assert (caught.value.stage, caught.value.iteration, caught.value.epoch) == ("cluster_AE", 3, 1)


def labels_first(labels, cluster):
    return int(np.flatnonzero(labels == cluster)[0])


def test_patience_and_max_steps_bound_each_cluster(cells):
    held_out = HiddenEntries(np.arange(N), np.arange(N), np.zeros(N, np.float32))
    params = ClusterAEParams(epoch=300, patience=1)
    fit = fit_cluster_ae(*cells, validation=held_out, params=params)
    assert max(fit.n_epochs.values()) < 300
    assert fit.validation == pytest.approx(np.abs(fit.imputed[np.arange(N), np.arange(N)]).mean())
    fit = fit_cluster_ae(*cells, params=ClusterAEParams(epoch=300, batch_size=2, max_steps=5))
    assert fit.n_epochs == {2: 2, 0: 3, 1: 3}


def test_held_out_entries_of_one_cluster_score_that_cluster_only(cells):
    labels = cells[2]
    row = labels_first(labels, 1)
    held_out = HiddenEntries(np.array([row]), np.array([3]), np.float32([1.0]))
    scored = {
        event.cluster
        for event in iterate_cluster_ae(*cells, held_out, params=ClusterAEParams(epoch=10))
        if "validation" in event.losses
    }
    assert scored == {1}


def test_an_embedding_beside_the_input(cells, rng):
    previous = rng.random((N, 3)).astype(np.float32)
    fit = fit_cluster_ae(*cells, previous=previous, params=ClusterAEParams(epoch=2))
    assert fit.imputed.shape == (N, G)


def test_one_cluster_of_one_cell(cells):
    x, target, _, _, weights = cells
    fit = fit_cluster_ae(
        x[:1], target[:1], np.array([0]), sp.csr_matrix((1, 1)), weights, params=ClusterAEParams(epoch=2)
    )
    assert np.isfinite(fit.imputed).all()


def test_shapes_that_do_not_fit_are_named(cells):
    x, target, labels, adjacency, weights = cells
    with pytest.raises(InputError, match=r"adjacency does not fit.*\(14, 14\).*\(13, 13\)"):
        fit_cluster_ae(x, target, labels, adjacency[1:, 1:], weights)
    with pytest.raises(InputError, match=r"labels does not fit.*\(14,\).*\(13,\)"):
        fit_cluster_ae(x, target, labels[1:], adjacency, weights)

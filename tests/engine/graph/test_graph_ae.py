"""The graph autoencoder as a stage: inputs, targets, losses, determinism, errors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from scgnn2_engine.errors import InputError, TrainingError
from scgnn2_engine.events import EpochEnded
from scgnn2_engine.graph.graph_ae import fit_graph_ae, iterate_graph_ae
from scgnn2_engine.graph.inputs import graph_features, learned_adjacency
from scgnn2_engine.graph.neighbours import build_graph
from scgnn2_engine.params import GATParams, GraphAEParams

GAT = GATParams(hid_embed=8)


@pytest.fixture
def cells(rng):
    """Two groups of thirty cells."""
    return np.abs(np.vstack([rng.normal(0, 0.3, (30, 10)), rng.normal(2, 0.3, (30, 10))])).astype(np.float32)


@pytest.fixture
def graph(cells):
    return build_graph(cells, construction="v2", n_neighbours=6)


def collect(steps):
    events = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            return events, end.value


@pytest.mark.parametrize("use_gat", [True, False])
def test_embedding_tells_the_groups_apart(cells, graph, use_gat):
    params = GraphAEParams(use_GAT=use_gat, normalize_embed="sum1", embedding_size=4, epoch=150)
    events, fit = collect(iterate_graph_ae(cells, graph, params, GAT, seed=1, iteration=3))
    assert fit.embedding.shape == (60, 4)
    assert fit.embedding.dtype == np.float32
    assert fit.n_epochs == len(events) == 150
    assert all(isinstance(e, EpochEnded) and (e.stage, e.iteration, e.n_epochs) == ("graph_AE", 3, 150) for e in events)
    assert [e.epoch for e in events] == list(range(1, 151))
    assert events[-1].losses["loss"] < 0.9 * events[0].losses["loss"]
    logits = fit.embedding @ fit.embedding.T
    assert np.median(logits[:30, :30]) > np.median(logits[:30, 30:])


def test_first_loss_of_the_attention_network_is_the_mean_cross_entropy(cells, graph):
    params = GraphAEParams(use_GAT=True, epoch=1, learning_rate=1e-9)  # weights hardly move: E is that of the loss
    (event,), fit = collect(iterate_graph_ae(cells, graph, params, GAT, seed=1))
    e = torch.from_numpy(fit.embedding)
    target = torch.from_numpy(graph.adjacency().toarray() + np.eye(60)).float()
    assert event.losses["loss"] == pytest.approx(F.binary_cross_entropy_with_logits(e @ e.T, target).item(), rel=1e-4)


def test_loss_of_the_convolution_network_is_that_of_kipf_and_welling(cells, graph):
    params = GraphAEParams(epoch=1)
    (event,), _ = collect(iterate_graph_ae(cells, graph, params, GAT, seed=1))
    parts = event.losses
    assert parts["loss"] == pytest.approx(parts["reconstruction"] + parts["kl"], rel=1e-5)
    assert parts["kl"] > 0
    # All logits 0 give ln 2 times norm · (n² + (p − 1)(ΣA + n))/n²; the small initial weights are near that.
    edges = graph.adjacency().sum()
    norm, p = 3600 / (2 * (3600 - edges)), (3600 - edges) / edges
    at_zero = np.log(2) * norm * (3600 + (p - 1) * (edges + 60)) / 3600
    zero = np.zeros_like(cells)
    (event,), _ = collect(iterate_graph_ae(zero, graph, params, GAT, seed=1))
    assert event.losses["kl"] == pytest.approx(0, abs=1e-9)
    assert event.losses["reconstruction"] > 0.9 * at_zero


@pytest.mark.parametrize(
    "chosen",
    [
        {"use_GAT": True},
        {"use_GAT": True, "GAT_dropout": 0.3},
        {"use_GAT": True, "pair_samples": 30},
        {"use_GAT": False},
        {"use_GAT": False, "pair_samples": 30},
        {"use_GAT": True, "retain_weights": True},
    ],
    ids=str,
)
def test_same_seed_same_bytes_and_no_global_generator(cells, graph, chosen):
    params = GraphAEParams(epoch=5, **chosen)
    state, legacy = torch.random.get_rng_state(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    torch.manual_seed(1)
    first = fit_graph_ae(cells, graph, params, GAT, seed=3)
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    again, other = (fit_graph_ae(cells, graph, params, GAT, seed=seed) for seed in (3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.random.set_rng_state(state)
    assert np.random.get_state()[1].tobytes() == legacy  # noqa: NPY002
    assert first.embedding.tobytes() == again.embedding.tobytes()
    assert first.embedding.tobytes() != other.embedding.tobytes()


def test_permuting_cells_permutes_the_embedding(cells):
    order = np.random.default_rng(3).permutation(60)
    params = GraphAEParams(use_GAT=True, epoch=3)
    graphs = [build_graph(z, construction="v2", n_neighbours=6) for z in (cells, cells[order])]
    plain, permuted = (fit_graph_ae(z, g, params, GAT) for z, g in zip((cells, cells[order]), graphs, strict=True))
    np.testing.assert_allclose(permuted.embedding, plain.embedding[order], rtol=1e-3, atol=1e-4)


def test_tolerance_and_stop_end_the_training_early(cells, graph):
    settled = GraphAEParams(use_GAT=True, epoch=200, tolerance=1.0)  # never met: ends at once
    assert fit_graph_ae(cells, graph, settled, GAT).n_epochs == 20
    events, fit = collect(iterate_graph_ae(cells, graph, GraphAEParams(epoch=200), GAT, stop=lambda: True))
    assert len(events) == fit.n_epochs == 1
    assert np.isfinite(fit.embedding).all()


def test_features_are_normalised_as_asked():
    z = np.array([[1.0, 3.0], [0.2, 0.2], [0.0, 0.0]])
    rows = graph_features(z, GraphAEParams(normalize_embed="sum1"))
    np.testing.assert_allclose(rows, [[0.25, 0.75], [0.2, 0.2], [0, 0]], rtol=1e-6)
    np.testing.assert_array_equal(graph_features(z, GraphAEParams(normalize_embed="binary")), [[1, 1], [0, 0], [0, 0]])
    np.testing.assert_array_equal(graph_features(z, GraphAEParams()), z.astype(np.float32))


def test_previous_embedding_stands_beside_rescaled():
    z = np.arange(11.0)[:, None]
    previous = np.linspace(-50, 50, 11)[:, None]
    both = graph_features(z, GraphAEParams(), previous)
    np.testing.assert_allclose(both, np.hstack([z, np.linspace(1, 9, 11)[:, None]]), rtol=1e-6)


def test_previous_embedding_changes_the_result(cells, graph):
    params = GraphAEParams(use_GAT=True, epoch=2)
    first = fit_graph_ae(cells, graph, params, GAT)
    second = fit_graph_ae(cells, graph, params, GAT, previous=first.embedding)
    assert second.embedding.shape == first.embedding.shape
    assert not np.array_equal(first.embedding, second.embedding)


@pytest.mark.parametrize("construction", ["v0", "v1", "v2"])
def test_retained_weights_are_between_zero_and_one_even_for_duplicates(cells, construction):
    cells[:8] = cells[8]
    graph = build_graph(cells, construction=construction, n_neighbours=5)
    params = GraphAEParams(retain_weights=True, graph_construction=construction)
    adjacency = learned_adjacency(graph, params)
    assert adjacency.data.min() > 0
    assert adjacency.data.max() <= 1
    assert (adjacency != adjacency.T).nnz == 0
    assert np.unique(learned_adjacency(graph, GraphAEParams()).data).tolist() == [1.0]
    for use_gat in (True, False):
        params = GraphAEParams(retain_weights=True, graph_construction=construction, use_GAT=use_gat, epoch=3)
        assert np.isfinite(fit_graph_ae(cells, graph, params, GAT).embedding).all()


def test_retained_weights_of_v2_keep_their_order_around_one_half(graph):
    weights = graph.adjacency(weighted=True)
    learned = learned_adjacency(graph, GraphAEParams(retain_weights=True))
    assert np.median(learned.data) == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(np.argsort(learned.data, kind="stable"), np.argsort(weights.data, kind="stable"))


@pytest.mark.parametrize("use_gat", [True, False])
def test_a_graph_without_edges_is_trained_on(cells, graph, use_gat):
    bare = dataclasses.replace(graph, weights=np.zeros_like(graph.weights))
    fit = fit_graph_ae(cells, bare, GraphAEParams(use_GAT=use_gat, epoch=3), GAT)
    assert np.isfinite(fit.embedding).all()


def test_input_that_does_not_fit(cells, graph):
    params = GraphAEParams(epoch=1)
    with pytest.raises(InputError, match=r"a graph of 59 cells. Found: one of 60"):
        fit_graph_ae(cells[1:], graph, params, GAT)
    with pytest.raises(InputError, match=r"60 cells. Found: 5"):
        fit_graph_ae(cells, graph, params, GAT, previous=np.zeros((5, 16)))
    with pytest.raises(InputError, match=r"previous graph embedding.*NaN"):
        fit_graph_ae(cells, graph, params, GAT, previous=np.full((60, 16), np.nan))
    cells[3, 2] = np.inf
    with pytest.raises(InputError, match=r"feature embedding.*NaN or infinity"):
        fit_graph_ae(cells, graph, params, GAT)


def test_training_that_breaks_down_says_where(cells, graph):
    with pytest.raises(TrainingError, match="graph_AE, iteration 2") as caught:
        collect(
            iterate_graph_ae(cells * np.float32(1e30), graph, GraphAEParams(use_GAT=True, epoch=5), GAT, iteration=2)
        )
    assert caught.value.stage == "graph_AE"
    assert caught.value.epoch >= 1


@pytest.mark.cuda
@pytest.mark.parametrize("use_gat", [True, False])
def test_cuda_agrees_with_the_cpu(cells, graph, use_gat):
    params = GraphAEParams(use_GAT=use_gat, epoch=1, learning_rate=1e-6)
    embeddings = [fit_graph_ae(cells, graph, params, GAT, device=torch.device(d)).embedding for d in ("cpu", "cuda")]
    np.testing.assert_allclose(embeddings[1], embeddings[0], rtol=1e-3, atol=1e-4)

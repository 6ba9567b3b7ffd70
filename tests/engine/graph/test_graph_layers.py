"""The graph layers equal torch-geometric's, outputs and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.nn import GATConv, GCNConv

from scgnn2_engine.graph.layers import GraphAttention, GraphConvolution, Neighbourhood, SparseMatrix
from scgnn2_engine.graph.neighbours import build_graph, symmetric_normalised

CPU = torch.device("cpu")


@pytest.fixture
def cells(rng):
    x = rng.normal(size=(70, 12)).astype(np.float32)
    x[:4] = x[4]  # duplicates
    return x


@pytest.fixture
def graph(cells):
    return build_graph(cells, construction="v2", n_neighbours=9)


def same_gradients(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.reshape(-1), b.reshape(-1), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("concatenate", [True, False])
@pytest.mark.parametrize("heads", [1, 2, 3])
def test_attention_equals_gatconv(cells, graph, heads, concatenate):
    ours = GraphAttention(12, 5, heads=heads, concatenate=concatenate, generator=torch.Generator().manual_seed(0))
    theirs = GATConv(12, 5, heads=heads, concat=concatenate, add_self_loops=False, residual=True)
    with torch.no_grad():
        ours.bias.copy_(torch.randn(ours.bias.shape, generator=torch.Generator().manual_seed(1)))
        for mine, other in ((ours.weight, theirs.lin.weight), (ours.skip, theirs.res.weight), (ours.bias, theirs.bias)):
            other.copy_(mine)
        theirs.att_src.copy_(ours.source[None])
        theirs.att_dst.copy_(ours.target[None])
    one, two = (torch.from_numpy(cells).clone().requires_grad_() for _ in range(2))
    mine = ours(one, Neighbourhood(graph.neighbours, CPU))
    other = theirs(two, torch.from_numpy(graph.edge_index))
    torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)

    pull = torch.randn(mine.shape, generator=torch.Generator().manual_seed(2))
    mine.backward(pull)
    other.backward(pull)
    same_gradients(
        [p.grad for p in (ours.weight, ours.skip, ours.bias, ours.source, ours.target, one)],
        [p.grad for p in (theirs.lin.weight, theirs.res.weight, theirs.bias, theirs.att_src, theirs.att_dst, two)],
    )


def test_attention_gradients_equal_finite_differences(rng):
    neighbours = np.array([[1, 2], [0, 2], [0, 1], [2, 1]])  # no edge arrives at the last cell
    layer = GraphAttention(3, 2, heads=2, concatenate=False, generator=torch.Generator().manual_seed(0)).double()
    hood = Neighbourhood(neighbours, CPU)
    x = torch.from_numpy(rng.normal(size=(4, 3))).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: layer(values, hood), x)


def test_convolution_equals_gcnconv(cells, graph):
    adjacency = graph.adjacency()
    ours = GraphConvolution(12, 5, generator=torch.Generator().manual_seed(0))
    theirs = GCNConv(12, 5)
    with torch.no_grad():
        ours.bias.copy_(torch.arange(5.0))
        theirs.lin.weight.copy_(ours.weight)
        theirs.bias.copy_(ours.bias)
    one, two = (torch.from_numpy(cells).clone().requires_grad_() for _ in range(2))
    mine = ours(one, SparseMatrix(symmetric_normalised(adjacency), CPU))
    other = theirs(two, torch.from_numpy(np.stack(adjacency.nonzero()).astype(np.int64)))
    torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)
    mine.square().sum().backward()
    other.square().sum().backward()
    same_gradients([ours.weight.grad, ours.bias.grad, one.grad], [theirs.lin.weight.grad, theirs.bias.grad, two.grad])


def test_sparse_products_equal_dense_ones_with_empty_rows_and_columns(rng):
    dense = rng.normal(size=(6, 4)) * (rng.random((6, 4)) < 0.4)
    dense[2] = 0
    dense[:, 1] = 0
    x = torch.from_numpy(rng.normal(size=(4, 3)).astype(np.float32)).requires_grad_()
    product = SparseMatrix(sp.csr_matrix(dense), CPU) @ x
    product.sum().backward()
    np.testing.assert_allclose(product.detach(), dense @ x.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(x.grad, dense.sum(axis=0)[:, None].repeat(3, axis=1), rtol=1e-5, atol=1e-6)


def test_inner_products_are_those_of_the_stored_entries(rng):
    matrix = sp.random(7, 7, density=0.3, random_state=0, format="csr")
    e = rng.normal(size=(7, 3)).astype(np.float32)
    found = SparseMatrix(matrix, CPU).inner_products(torch.from_numpy(e))
    row, col = matrix.nonzero()
    np.testing.assert_allclose(found, (e @ e.T)[row, col], rtol=1e-5)


def test_gradients_are_the_same_bytes_on_two_threads(rng):
    x = torch.from_numpy(rng.normal(size=(2000, 32)).astype(np.float32))
    hood = Neighbourhood(rng.integers(0, 2000, (2000, 40)), CPU)
    layer = GraphAttention(32, 32, heads=2, concatenate=True, generator=torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seen = set()
        for _ in range(4):
            layer.zero_grad()
            layer(x, hood).square().sum().backward()
            seen.add(b"".join(p.grad.numpy().tobytes() for p in layer.parameters()))
    finally:
        torch.set_num_threads(threads)
    assert len(seen) == 1


def test_dropout_acts_in_training_only_and_follows_its_generator(cells, graph):
    layer = GraphAttention(12, 5, heads=2, concatenate=True, dropout=0.5, generator=torch.Generator().manual_seed(0))
    hood, x = Neighbourhood(graph.neighbours, CPU), torch.from_numpy(cells)
    state = torch.random.get_rng_state()
    first, again, other = (layer(x, hood, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)
    layer.eval()
    assert torch.equal(layer(x, hood), layer(x, hood, torch.Generator().manual_seed(3)))

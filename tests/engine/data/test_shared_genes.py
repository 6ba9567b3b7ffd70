"""Expression at genes that the filter may have dropped, without what is hidden."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.data.shared_genes import measured_at
from scgnn2_engine.params import RunParams


@pytest.fixture
def data(rng: np.random.Generator) -> Dataset:
    counts = rng.poisson(2.0, size=(40, 30)).astype(np.float32)
    counts[:, 3] = 0
    counts[0, 3] = 5  # too rare to be kept
    return Dataset(counts, np.array([f"c{i}" for i in range(40)]), np.array([f"g{i}" for i in range(30)]), "counts")


def test_what_is_hidden_or_held_out_stays_hidden(data: Dataset) -> None:
    prepared = prepare(data, RunParams(dropout_prob=0.2, validation_share=0.1, preprocess_cell_cutoff=1))
    assert 3 not in prepared.genes
    genes = np.arange(1, 30)
    measured = measured_at(data, prepared, genes)
    assert measured[0, 2] == 5
    kept = np.isin(genes, prepared.genes)
    shown = np.asarray(measured)[:, kept]
    expected = prepared.expression[:, prepared.genes >= 1].copy()
    for entries in (prepared.hidden, prepared.validation):
        assert entries is not None
        columns = prepared.genes[entries.cols]
        expected[
            entries.rows[columns >= 1], np.searchsorted(prepared.genes[prepared.genes >= 1], columns[columns >= 1])
        ] = 0
    np.testing.assert_array_equal(shown, expected)
    assert (prepared.x[:, prepared.genes >= 1] == 0).sum() == (shown == 0).sum()


def test_sparse_equals_dense(data: Dataset) -> None:
    params = RunParams(dropout_prob=0.2, preprocess_cell_cutoff=1)
    sparse = replace(data, expression=sp.csr_matrix(data.expression))
    genes = np.arange(0, 30, 2)
    dense = measured_at(data, prepare(data, params), genes)
    found = measured_at(sparse, prepare(sparse, params), genes)
    assert sp.issparse(found)
    np.testing.assert_array_equal(found.toarray(), dense)


def test_logged_data_is_brought_back(data: Dataset) -> None:
    logged = replace(data, expression=np.log1p(data.expression), scale="logged")
    measured = measured_at(
        logged, prepare(logged, RunParams(preset="paper", preprocess_cell_cutoff=1)), np.array([3, 4])
    )
    np.testing.assert_allclose(measured, data.expression[:, [3, 4]], rtol=1e-5)

"""Counts, normalised and logged values are told apart, dense and sparse alike."""

import numpy as np
import pytest
import scipy.sparse as sp

from scgnn2_engine.io.scale import detect_scale
from scgnn2_engine.simulation import simulate

COUNTS = simulate(200, 300, n_types=3, mean_count=2.0).expression.toarray()
TOTALS = COUNTS.sum(1, keepdims=True)
RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        (COUNTS, "counts"),
        (np.where(RANDOM.random(COUNTS.shape) < 0.5, COUNTS, COUNTS * 0.93), "counts"),
        (COUNTS / TOTALS * 1e4, "normalised"),
        (COUNTS / TOTALS * np.median(TOTALS), "normalised"),
        ((COUNTS / TOTALS * 1e6)[:, :100], "normalised"),
        (np.log1p(COUNTS / TOTALS * 1e4), "logged"),
        (np.log1p(COUNTS / TOTALS * 1e4)[:, :100], "logged"),
        (np.log1p(COUNTS), "logged"),
        (np.log2(1 + COUNTS / TOTALS * 1e6), "logged"),
        (np.zeros((3, 4)), "counts"),
    ],
    ids=[
        "counts",
        "expected counts",
        "per 10k",
        "median",
        "cpm of some genes",
        "log1p",
        "log1p of some genes",
        "log of counts",
        "log2 cpm",
        "zeros",
    ],
)
def test_scale(values, scale):
    values = values.astype(np.float32)
    assert detect_scale(values).scale == scale
    assert detect_scale(sp.csr_matrix(values)) == detect_scale(values)

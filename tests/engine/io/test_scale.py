"""Counts, normalised and logged values are told apart, dense and sparse alike."""

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from scgnn2_engine.io import from_anndata
from scgnn2_engine.io.scale import detect_scale
from scgnn2_engine.params import RunParams
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


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.log2(1 + COUNTS), "whole numbers"),
        (np.round(np.log2(1 + COUNTS), 4), "whole numbers"),
        (np.log2(1 + np.minimum(COUNTS, 3)), "whole numbers"),  # most of these are whole in log2, too
        (np.log2(1 + COUNTS / TOTALS * 1e6), "every cell gets the total 1e+06"),
    ],
    ids=["log2 of counts", "rounded", "small counts", "log2 cpm"],
)
def test_log2_is_recognised(values, why):
    verdict = detect_scale(values.astype(np.float32))
    assert verdict.scale == "logged"
    assert "natural logarithm assumed" in verdict.reason
    assert why in verdict.warning
    assert "--load_scale log2" in verdict.warning


@pytest.mark.parametrize(
    "values",
    [np.log1p(COUNTS), np.log1p(COUNTS / TOTALS * 1e4), np.log1p(COUNTS / TOTALS * 1e4)[:, :100]],
    ids=["counts", "per 10k", "some genes"],
)
def test_natural_logarithms_bring_no_warning(values):
    verdict = detect_scale(values.astype(np.float32))
    assert verdict.warning == ""
    assert "natural logarithm assumed" in verdict.reason


def test_the_warning_about_log2_reaches_the_data_set():
    adata = AnnData(np.log2(1 + COUNTS).astype(np.float32))
    for asked in ("auto", "logged"):
        assert any("log2" in warning for warning in from_anndata(adata, RunParams(load_scale=asked).load).warnings)


@pytest.mark.parametrize(("asked", "base"), [("log2", 2), ("log10", 10)])
@pytest.mark.parametrize("sparse", [False, True])
def test_other_logarithms_are_brought_to_the_natural_one(asked, base, sparse):
    given = (np.log1p(COUNTS) / np.log(base)).astype(np.float32)
    adata = AnnData(sp.csr_matrix(given) if sparse else given)
    found = from_anndata(adata, RunParams(load_scale=asked).load)
    values = found.expression.toarray() if sparse else found.expression
    assert sp.issparse(found.expression) == sparse
    assert values == pytest.approx(np.log1p(COUNTS), rel=1e-5)
    assert found.scale == "logged"
    assert any(f"Scale {asked}(1 + x), as asked" in note for note in found.notes)
    assert found.warnings == ()
    assert np.array_equal(adata.X.toarray() if sparse else adata.X, given)  # the user's own stays
    (doubt,) = from_anndata(AnnData(COUNTS.astype(np.float32) * 100), RunParams(load_scale=asked).load).warnings
    assert "the values look normalised" in doubt

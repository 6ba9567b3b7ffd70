"""Counts, normalised and logged values are told apart, dense and sparse alike."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData, read_h5ad

from scgnn2_engine.data.simulation import simulate
from scgnn2_engine.io import convert, from_anndata, read
from scgnn2_engine.io.bulk import read_bulk
from scgnn2_engine.io.evidence.scale import detect_scale, take_scale
from scgnn2_engine.io.names import doubts_about_genes
from scgnn2_engine.params import LoadParams, RunParams

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


PER_10K = (COUNTS / TOTALS * 1e4).astype(np.float32)
SOME = PER_10K[:, :100]  # of a selection of genes the totals differ


def as_float16(x):
    return x.astype(np.float16).astype(np.float32)


@pytest.mark.parametrize("stored", [np.asarray, as_float16, lambda x: np.round(x, 3), lambda x: np.round(x, 4)])
@pytest.mark.parametrize(("name", "base"), [("log2", 2), ("log10", 10)])
@pytest.mark.parametrize("linear", [COUNTS, PER_10K, SOME], ids=["counts", "equal totals", "some genes"])
def test_a_base_that_the_values_show_is_taken_and_said(linear, name, base, stored):
    taken = take_scale(stored((np.log1p(linear) / np.log(base)).astype(np.float32)))
    assert taken.scale == "logged"
    assert taken.normalised == (linear is not COUNTS)
    assert taken.expression == pytest.approx(np.log1p(linear), abs=0.02)
    (warning,) = taken.warnings
    assert warning.startswith(f"The values are {name}(1 + x)")
    assert f"Scale {name}(1 + x), brought to ln(1 + x)" in taken.note


@pytest.mark.parametrize("stored", [np.asarray, as_float16, lambda x: np.round(x, 3), lambda x: np.round(x, 2)])
@pytest.mark.parametrize("linear", [COUNTS, PER_10K, SOME], ids=["counts", "equal totals", "some genes"])
def test_natural_logarithms_stay_as_they_are(linear, stored):
    given = stored(np.log1p(linear).astype(np.float32))
    taken = take_scale(given)
    assert taken.expression is given
    assert taken.warnings == ()
    assert taken.normalised == (linear is not COUNTS)
    assert ("so cells were never normalised" in taken.note) == (linear is COUNTS)


def with_log1p(values, base):
    return AnnData(values.astype(np.float32), uns={"log1p": {} if base is None else {"base": base}})


LENGTHS = np.random.default_rng(1).lognormal(size=300)
TPM = (COUNTS / LENGTHS / (COUNTS / LENGTHS).sum(1, keepdims=True) * 1e6)[:, :100]  # nothing in these tells a base


@pytest.mark.parametrize("base", [2, 10.0, 3, np.float32(2), np.array([2.0])])
@pytest.mark.parametrize("from_file", [False, True])
def test_the_base_in_uns_is_taken(tmp_path, base, from_file):
    number = float(np.ravel(base)[0])
    adata = with_log1p(np.log1p(TPM) / np.log(number), base)
    if from_file:
        adata.write_h5ad(tmp_path / "a.h5ad")
    data = read(tmp_path / "a.h5ad") if from_file else from_anndata(adata)
    assert data.expression == pytest.approx(np.log1p(TPM), rel=1e-5)
    assert data.warnings == ()
    assert f"Scale log{number:g}(1 + x), brought to ln(1 + x): as uns['log1p'] says." in data.notes


@pytest.mark.parametrize("base", [None, np.e])
def test_without_a_base_in_uns_it_is_the_natural_one(base):
    data = from_anndata(with_log1p(np.log1p(SOME / LENGTHS[:100]), base))
    assert data.expression == pytest.approx(np.log1p(SOME / LENGTHS[:100]), rel=1e-6)
    assert "Scale logged, ln(1 + x): as uns['log1p'] says." in data.notes


@pytest.mark.parametrize("base", ["two", 0.5, float("nan"), [], "2,0"])
def test_a_base_that_is_none_is_passed_over(base):
    data = from_anndata(with_log1p(np.log1p(PER_10K), base), LoadParams(recover_counts=False))
    assert data.expression == pytest.approx(np.log1p(PER_10K), rel=1e-6)


def test_what_the_values_show_goes_before_uns():
    data = from_anndata(with_log1p(np.log1p(PER_10K), 2), LoadParams(recover_counts=False))
    assert data.expression == pytest.approx(np.log1p(PER_10K), rel=1e-6)
    (warning,) = data.warnings
    assert "says log2(1 + x), but the values are ln(1 + x): every cell gets the total 10000" in warning
    data = from_anndata(with_log1p(PER_10K, 2), LoadParams(recover_counts=False))
    assert data.scale == "normalised"
    assert "says that the logarithm was taken, but the values look normalised" in data.warnings[0]


@pytest.mark.parametrize("place", ["counts", "raw", "per_10k"])
@pytest.mark.parametrize("from_file", [False, True])
def test_what_uns_says_of_x_is_not_said_of_other_matrices(tmp_path, place, from_file):
    adata = with_log1p(np.log1p(PER_10K), None)
    if place == "raw":
        adata.raw = AnnData(COUNTS.astype(np.float32))
    else:
        adata.layers[place] = COUNTS.astype(np.float32) if place == "counts" else PER_10K
    adata.obs_names, adata.var_names = [f"cell_{i}" for i in range(200)], [f"ENSG{i:011d}" for i in range(300)]
    adata.write_h5ad(tmp_path / "a.h5ad")
    load = RunParams(load_layer=place, load_recover_counts=False).load
    data = read(tmp_path / "a.h5ad", load) if from_file else from_anndata(adata, load)
    assert data.scale == ("normalised" if place == "per_10k" else "counts")
    assert data.warnings == ()


def test_what_was_asked_for_goes_before_all():
    adata = with_log1p(np.log1p(TPM) / np.log(2), 2)
    data = from_anndata(adata, RunParams(load_scale="logged").load)
    assert np.array_equal(data.expression, adata.X)
    data = from_anndata(adata, RunParams(load_scale="log10").load)
    assert data.expression == pytest.approx(adata.X * np.log(10), rel=1e-6)


@pytest.mark.parametrize("linear", [COUNTS, PER_10K, SOME], ids=["counts", "equal totals", "some genes"])
def test_a_logarithm_that_was_taken_twice_is_doubted(linear):
    (warning,) = take_scale(np.log1p(np.log1p(linear)).astype(np.float32)).warnings
    assert warning.startswith("The logarithm seems to have been taken twice")
    assert "numpy.expm1" in warning


def test_values_that_are_unusual_for_natural_logarithms_are_doubted():
    (small,) = take_scale((TPM / TPM.max()).astype(np.float32)).warnings
    assert "No value is above 1" in small
    (large,) = take_scale(np.log2(1 + TPM * 10).astype(np.float32)).warnings
    assert "--load_scale log2" in large


@pytest.mark.parametrize("samples", [1, 2])
def test_log2_of_a_bulk_sample(tmp_path, samples):
    tpm = (COUNTS / LENGTHS / (COUNTS / LENGTHS).sum(1, keepdims=True) * 1e6)[:samples]
    genes = np.array([f"Gene{gene}" for gene in range(300)])
    table = pd.DataFrame(np.log2(1 + tpm), columns=genes, index=[f"s{sample}" for sample in range(samples)])
    table.T.to_csv(tmp_path / "bulk.csv")
    bulk, _, warnings = read_bulk(tmp_path / "bulk.csv", genes)
    assert bulk.expression == pytest.approx(tpm, rel=1e-3, abs=1e-3)
    assert "The values are log2(1 + x), with which every cell gets the total 1e+06" in warnings[0]


def test_convert_changes_no_value(tmp_path):
    table = pd.DataFrame(np.log2(1 + PER_10K), index=[f"cell_{i}" for i in range(200)])
    table.columns = [f"ENSG{gene:011d}" for gene in range(300)]
    table.to_csv(tmp_path / "log2.csv")
    convert(tmp_path / "log2.csv", tmp_path / "log2.h5ad")
    written = read_h5ad(tmp_path / "log2.h5ad").X
    written = written.toarray() if sp.issparse(written) else written
    assert written == pytest.approx(np.log2(1 + PER_10K), rel=1e-6)


def test_logarithms_of_expected_counts_are_recognised():
    expected = np.where(np.random.default_rng(2).random(COUNTS.shape) < 0.5, COUNTS, COUNTS * 0.93)
    taken = take_scale(np.log2(1 + expected).astype(np.float32))
    assert not taken.normalised
    assert taken.expression == pytest.approx(np.log1p(expected), rel=1e-5)
    assert "log2(1 + x), with which many values become whole numbers" in taken.warnings[0]


SHALLOW = np.random.default_rng(3).poisson(0.1, (200, 300)).astype(np.float32)


@pytest.mark.parametrize("counts", [np.minimum(COUNTS, 30), SHALLOW], ids=["deep", "shallow"])
@pytest.mark.parametrize("share", [0.0005, 0.01, 0.1])
@pytest.mark.parametrize("sparse", [False, True])
def test_counts_stay_counts_where_a_few_reads_were_shared(counts, share, sparse):
    random = np.random.default_rng(5)
    parts = np.round(random.uniform(0.1, 0.9, counts.shape), 3)
    given = (counts - parts * ((random.random(counts.shape) < share) & (counts > 0))).astype(np.float32)
    taken = take_scale(sp.csr_matrix(given) if sparse else given)
    assert taken.scale == "counts"
    assert taken.warnings == ()
    assert np.array_equal(taken.expression.toarray() if sparse else taken.expression, given)


@pytest.mark.parametrize("base", [2, np.e, 10])
def test_logarithms_of_shallow_counts_are_logged_though_most_are_whole(base):
    taken = take_scale((np.log1p(SHALLOW) / np.log(base)).astype(np.float32))
    assert (taken.scale, taken.normalised) == ("logged", False)
    assert taken.expression == pytest.approx(np.log1p(SHALLOW), rel=1e-5)


def described(counts, base):
    """Counts with a column of logged totals and one of logged numbers of genes at the end."""
    logged = np.log1p([counts.sum(1), np.count_nonzero(counts, axis=1)]).T / np.log(base)
    return np.hstack([counts, logged]).astype(np.float32)


@pytest.mark.parametrize("cells", [8, 200])
@pytest.mark.parametrize("base", [2, np.e, 10])
@pytest.mark.parametrize("sparse", [False, True])
def test_logged_totals_among_counts_do_not_make_them_logged(cells, base, sparse):
    given = described(np.minimum(COUNTS, 30)[:cells], base)
    taken = take_scale(sp.csr_matrix(given) if sparse else given)
    assert taken.scale == "counts"
    assert np.array_equal(taken.expression.toarray() if sparse else taken.expression, given)
    (warning,) = taken.warnings
    assert "those of 2 of the 302 genes (number 301, 302)" in warning


def test_logged_totals_among_logarithms_of_other_genes_are_no_reason():
    given = described(np.minimum(COUNTS, 30), np.e)
    given[:, :300] = np.log2(1 + given[:, :300])
    taken = take_scale(given)
    assert taken.expression[:, :300] == pytest.approx(np.log1p(np.minimum(COUNTS, 30)), rel=1e-5)


ALIKE = np.sort(np.log2(1 + np.random.default_rng(6).lognormal(4, 2, 300)))


@pytest.mark.parametrize("cells", [4, 30])
def test_equal_quantiles_tell_no_base(cells):
    random = np.random.default_rng(7)
    given = np.array([random.permutation(ALIKE) for _ in range(cells)]).astype(np.float32)
    taken = take_scale(given)
    assert taken.scale == "logged"
    (warning,) = taken.warnings
    assert "whichever logarithm is undone" in warning
    assert "--load_scale log2" in warning


@pytest.mark.parametrize("base", [2, np.e, 10])
def test_logarithms_of_counts_of_replicates_are_undone(base):
    counts = np.random.default_rng(8).poisson(np.random.default_rng(9).lognormal(4, 1.5, 800), (4, 800))
    taken = take_scale((np.log1p(counts) / np.log(base)).astype(np.float32))
    assert (taken.scale, taken.normalised) == ("logged", False)
    assert taken.expression == pytest.approx(np.log1p(counts), rel=1e-5)


@pytest.mark.parametrize("total", [1, 100])
def test_small_values_of_one_total_are_normalised(total):
    taken = take_scale((COUNTS / TOTALS * total).astype(np.float32))
    assert taken.scale == "normalised"
    assert f"every cell has the total {total}." in taken.note


ALL_TPM = COUNTS / LENGTHS / (COUNTS / LENGTHS).sum(1, keepdims=True) * 1e6


@pytest.mark.parametrize(
    "values",
    [
        np.log1p(np.log1p(TPM)),
        np.log1p(np.log2(1 + TPM)),
        np.log2(1 + np.log2(1 + ALL_TPM)),
        np.log1p(np.log1p(np.log1p(ALL_TPM))),
    ],
    ids=["some genes", "log2 first", "log2 twice", "three times"],
)
def test_logarithms_of_logarithms_are_doubted(values):
    (warning,) = take_scale(values.astype(np.float32)).warnings
    assert "taken twice" in warning


@pytest.mark.parametrize("name", ["log2", "2", "ln", "log10"])
def test_the_base_in_uns_may_be_a_name(name):
    base = {"log2": 2, "2": 2, "ln": np.e, "log10": 10}[name]
    adata = AnnData((np.log1p(TPM) / np.log(base)).astype(np.float32), uns={"log1p": {"base": name}})
    assert from_anndata(adata).expression == pytest.approx(np.log1p(TPM), rel=1e-5)


@pytest.mark.parametrize("base", ["two", -1.0, [[]], {"of": "it"}])
def test_a_base_that_cannot_be_read_is_said(base):
    adata = AnnData(np.log2(1 + COUNTS[:30]).astype(np.float32), uns={"log1p": {"base": base}})
    adata.var_names = [f"ENSG{gene:011d}" for gene in range(300)]
    data = from_anndata(adata)
    assert data.expression == pytest.approx(np.log1p(COUNTS[:30]), rel=1e-5)  # the values tell it
    assert "uns['log1p'] names a base that cannot be read" in " ".join(data.warnings)


def test_logged_columns_among_counts_are_doubted_by_their_names():
    given = described(np.minimum(COUNTS, 30)[:30], 2)
    names = np.array([*(f"G{gene}" for gene in range(300)), "log2_depth", "deep"])
    (warning,) = take_scale(given, names=names).warnings
    assert "those of 2 of the 302 genes (log2_depth, deep)" in warning
    (doubt,) = doubts_about_genes(["Log1", "LOG2", "log_depth", "ln.umi", "Logl"])
    assert "read as genes: log_depth, ln.umi. Remove them" in doubt

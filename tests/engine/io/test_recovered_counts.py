"""Counts come back from log-normalised values, exactly, and from nothing else."""

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import scgnn2_engine as s
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.data.simulation import simulate
from scgnn2_engine.io.evidence.recovered_counts import recovered_counts
from scgnn2_engine.io.evidence.scale import take_scale
from scgnn2_engine.methods.denoising.method import median_count
from scgnn2_engine.params import LoadParams

COUNTS = simulate(150, 200, n_types=3, mean_count=2.0, seed=1).expression.toarray()
TOTALS = COUNTS.sum(1, keepdims=True)
NORMALISED = COUNTS / TOTALS * 1e4
RANDOM = np.random.default_rng(0)


def logs(values, base=np.e, dtype=np.float32):
    return (np.log1p(values) / np.log(base)).astype(dtype).astype(np.float32)


def test_exact_values():
    counts = np.array([[1, 2, 0, 7, 40], [3, 0, 1, 1, 0], [0, 0, 0, 0, 0], [2, 3, 0, 0, 6], [5, 1, 2, 1, 9]])
    units = np.array([200.0, 2000.0, 1.0, 909.0, 555.5])
    found = recovered_counts(logs(counts * units[:, None]))
    assert found.counts.tolist() == counts.tolist()  # the fourth cell has no count of 1
    np.testing.assert_allclose(found.units[[0, 1, 3, 4]], units[[0, 1, 3, 4]], rtol=1e-5)
    assert np.isnan(found.units[2])
    assert found.n_misfits == 0


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n_genes=st.integers(15, 60),
    mean=st.sampled_from([0.3, 2.0, 30.0]),
    target=st.sampled_from([1e3, 1e4, 1e6, None]),
    base=st.sampled_from([np.e, 2.0, 10.0]),
    stored=st.sampled_from([np.float32, np.float64]),
    sparse=st.booleans(),
)
def test_counts_normalised_logged_and_cut_to_some_genes_come_back(seed, n_genes, mean, target, base, stored, sparse):
    random = np.random.default_rng(seed)
    every = random.poisson(random.gamma(1.0, mean, (40, 80)) * random.lognormal(0, 0.5, (40, 1))).astype(np.float32)
    every[:, 0] = 1  # the unit of a cell is known where it has a count of 1
    libraries = every.sum(1, keepdims=True)
    normalised = every / libraries * (target or np.median(libraries))
    part = np.r_[0, 1 + random.permutation(79)[:n_genes]]
    values = logs(normalised[:, part], base, stored)
    found = recovered_counts(sp.csr_matrix(values) if sparse else values, base)
    counts = found.counts.toarray() if sparse else found.counts
    assert counts.dtype == np.float32
    np.testing.assert_array_equal(counts, every[:, part])


@pytest.mark.parametrize("rounded", [lambda x: np.round(x, 3), lambda x: x.astype(np.float16).astype(np.float32)])
def test_counts_come_back_from_few_digits(rounded):
    np.testing.assert_array_equal(recovered_counts(rounded(logs(NORMALISED))).counts, COUNTS)


LENGTHS = RANDOM.lognormal(0, 1, COUNTS.shape[1])
TPM = COUNTS / LENGTHS / (COUNTS / LENGTHS).sum(1, keepdims=True) * 1e6
OTHERS = {
    "tpm": logs(TPM),
    "log2 fpkm": logs(COUNTS / LENGTHS / TOTALS * 1e6, 2),
    "scaled by gene": logs(NORMALISED) / np.maximum(logs(NORMALISED).max(0), 1),
    "imputed": logs(0.5 * NORMALISED + 0.5 * NORMALISED[RANDOM.permutation(150)]),
    "shared reads": logs(np.where(RANDOM.random(COUNTS.shape) < 0.1, COUNTS * 0.7, COUNTS) / TOTALS * 1e4),
    "logged twice": logs(logs(NORMALISED)),
    "square roots": np.sqrt(NORMALISED).astype(np.float32),
    "whole numbers with noise": (COUNTS * (1 + 1e-5 * RANDOM.random(COUNTS.shape))).astype(np.float32),
    "ranks": np.argsort(np.argsort(NORMALISED, 1), 1).astype(np.float32) / 200,
    "two digits": np.round(logs(TPM), 2),
    "seen or not": logs((COUNTS > 0) * 37.3),
    "nothing": np.zeros((5, 4), np.float32),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_holds_no_counts_is_left_as_it_is(name):
    for base in (np.e, 2.0, 10.0):
        assert recovered_counts(OTHERS[name], base) is None
        assert recovered_counts(sp.csr_matrix(OTHERS[name]), base) is None


def test_a_few_cells_of_another_kind_are_rounded_and_more_refuse_all():
    values = logs(np.tile(NORMALISED, (2, 1)))
    values[3] *= 0.9
    assert recovered_counts(values).n_misfits == 1
    values[4] *= 0.8
    assert recovered_counts(values) is None


def test_what_a_logarithm_is_taken_for():
    stored = logs(NORMALISED, 2)
    taken = take_scale(stored, recover=True)
    assert (taken.scale, taken.warnings) == ("counts", ())
    assert taken.note.startswith("Scale counts, recovered: the values are log2(1 + x) of normalised counts")
    np.testing.assert_array_equal(taken.expression, COUNTS)
    assert take_scale(stored).scale == take_scale(logs(COUNTS), recover=True).scale == "logged"
    for asked in ("log2", "logged"):
        assert take_scale(stored, asked, recover=True).scale == "logged"


def test_a_run_gets_counts_and_the_switch_leaves_values_normalised():
    adata = anndata.AnnData(sp.csr_matrix(logs(NORMALISED)))
    prepared = prepare(s.from_anndata(adata), s.RunParams(preset="default", preprocess_cell_cutoff=1.0))
    assert prepared.scale == "counts"
    assert prepared.size_factors.std() > 0.1
    assert median_count(prepared) == np.median(COUNTS[COUNTS > 0])
    left = s.inspect(adata, s.RunParams(load_recover_counts=False))
    found = s.inspect(adata)
    assert (left.scale, found.scale) == ("logged", "counts")
    assert "recovered: the values are ln(1 + x) of normalised counts" in found.text


def test_an_output_of_another_tool_is_compared_on_its_own_scale(tmp_path):
    from scgnn2_engine.evaluate.tool_outputs import read_output

    adata = anndata.AnnData(sp.csr_matrix(logs(NORMALISED)), layers={"imputed": logs(NORMALISED * 1.01)})
    adata.write_h5ad(tmp_path / "tool.h5ad")
    found = read_output(tmp_path / "tool.h5ad", LoadParams(layer="imputed"))
    assert found.scale == found.observed.scale == "logged"


def test_samples_of_which_one_holds_no_counts_stay_logged():
    values = {"a": logs(NORMALISED), "b": OTHERS["tpm"]}
    samples = {name: anndata.AnnData(sp.csr_matrix(x[:, :40])) for name, x in values.items()}
    assert s.read(samples).scale == "logged"
    assert s.read({**samples, "b": samples["a"]}).scale == "counts"


@pytest.mark.parametrize("unit", [0.23, 1 / 3, 0.0042])
@pytest.mark.parametrize("sparse", [False, True])
def test_counts_that_were_multiplied_by_one_number_are_not_taken_for_logarithms(unit, sparse):
    values = (COUNTS * unit).astype(np.float32)
    given = sp.csr_matrix(values) if sparse else values
    taken = take_scale(given, recover=True)
    assert taken.scale == "normalised"
    assert taken.expression is given
    assert f"All values are whole multiples of {unit:.4g}" in taken.warnings[0]


def test_normalised_counts_that_were_never_logged_stay_as_they_are():
    for values in (NORMALISED, np.round(NORMALISED, 2), COUNTS / TOTALS, COUNTS / TOTALS * 1e6):
        given = values.astype(np.float32)
        taken = take_scale(given, recover=True)
        assert taken.scale == "normalised"  # also where all are so small that they could be logarithms
        assert taken.expression is given


def test_expression_of_few_decimals_is_no_counts():
    expression = RANDOM.gamma(0.5, 30.0, (150, 200))
    for decimals in (1, 2, 3):
        assert recovered_counts(np.round(expression, decimals).astype(np.float32), None) is None
        assert recovered_counts(np.round(np.log1p(expression), decimals).astype(np.float32), None) is None


def test_where_decimals_hide_it_multiples_are_doubted():
    taken = take_scale((COUNTS * 0.3).astype(np.float32), recover=True)
    assert taken.scale == "logged"
    assert "All values are whole multiples of 0.3" in taken.warnings[0]

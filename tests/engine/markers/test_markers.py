"""Genes that differ between groups: exactly those of scanpy and scipy, and samples as what is counted."""

from __future__ import annotations

import warnings
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from scipy.stats import mannwhitneyu

from scgnn2_engine.errors import InputError
from scgnn2_engine.markers import by_sample, columns, rank_genes
from scgnn2_engine.markers.pseudobulk import squeezed

GENES = np.array([f"gene {i}" for i in range(40)])


@pytest.fixture(scope="module")
def counts() -> sp.csr_matrix:
    rng = np.random.default_rng(0)
    dense = rng.poisson(rng.gamma(0.4, 1.5, (1, 40)) * np.exp(rng.normal(0, 0.4, (300, 1))))
    dense[:, 7] = 0
    dense[:90, 3] += rng.poisson(2.0, 90)
    return sp.csr_matrix(dense.astype(np.float32))


@pytest.fixture(scope="module")
def groups() -> np.ndarray[Any, Any]:
    return np.repeat(["a", "b", "c"], [90, 60, 150])


def by_scanpy(counts: sp.csr_matrix, of_cells: Any, **options: Any) -> pd.DataFrame:
    names = pd.Index(list(map(str, range(len(of_cells)))))
    adata = anndata.AnnData(counts.copy(), obs=pd.DataFrame({"g": pd.Categorical(of_cells)}, index=names))
    adata.var_names = pd.Index(GENES.astype(object))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.normalize_total(adata)
        sc.pp.log1p(adata)
        sc.tl.rank_genes_groups(adata, "g", method="wilcoxon", tie_correct=True, pts=True, **options)
        table = sc.get.rank_genes_groups_df(adata, "a")
    return table.set_index("names").loc[GENES]


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix, lambda counts: counts.toarray()])
@pytest.mark.parametrize("against", ["", "b"])
def test_the_numbers_are_scanpys(counts: Any, groups: Any, form: Any, against: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(columns, "VALUES_AT_ONCE", 700)  # several blocks of genes
    theirs = by_scanpy(counts, groups, groups=["a"], reference=against or "rest")
    ours = rank_genes(form(counts), "counts", groups, GENES, only="a", against=against).set_index("gene").loc[GENES]
    for mine, other in (("score", "scores"), ("p", "pvals"), ("p_adjusted", "pvals_adj")):
        np.testing.assert_allclose(ours[mine], theirs[other], rtol=2e-6, atol=1e-12)
    there = GENES != "gene 7"  # of no cell: the ratio of nothing to nothing
    np.testing.assert_allclose(ours["log2_fold_change"][there], theirs["logfoldchanges"][there], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours["share_in_group"], theirs["pct_nz_group"])
    assert ours.loc["gene 7", ["score", "p", "log2_fold_change"]].tolist() == [0.0, 1.0, 0.0]


def test_the_numbers_are_scipys_with_negative_values_and_zeros_that_are_stored() -> None:
    rng = np.random.default_rng(1)
    dense = rng.integers(-2, 4, (50, 6)).astype(np.float32)
    stored = sp.csr_matrix(dense)
    stored.data[::5] = 0
    dense, inside = stored.toarray().astype(float), np.arange(50) < 17
    ours = rank_genes(stored, "logged", np.where(inside, "in", "out"), GENES[:6], only="in").set_index("gene")
    for gene in range(6):
        theirs = mannwhitneyu(dense[inside, gene], dense[~inside, gene], use_continuity=False, method="asymptotic")
        assert ours.loc[GENES[gene], "p"] == pytest.approx(theirs.pvalue, rel=1e-9)
        assert ours.loc[GENES[gene], "mean_in_group"] == pytest.approx(dense[inside, gene].mean(), abs=1e-6)


def test_the_matrix_stays_as_it_was_and_groups_of_one_are_left_out(counts: Any) -> None:
    before = counts.copy()
    found = rank_genes(counts, "counts", np.r_[["one"], ["b"] * 100, ["c"] * 199], GENES)
    assert set(found["group"]) == {"b", "c"}
    assert len(found) == 80
    assert (counts != before).nnz == 0
    assert rank_genes(counts, "counts", np.repeat("a", 300), GENES).empty


def test_samples_are_what_is_counted() -> None:
    """Differences between samples are no differences between groups, though cells tell them with every certainty."""
    rng = np.random.default_rng(2)
    samples, inside = np.repeat([f"s{i}" for i in range(6)], 100), np.tile([True, False], 300)
    rates = np.exp(rng.normal(1.0, 0.6, (6, 200)))[np.repeat(np.arange(6), 100)]
    rates[inside, :5] *= 2.5
    names = np.array([f"g{i}" for i in range(200)])
    groups = np.where(inside, "in", "out")
    counts = sp.csr_matrix(rng.poisson(rates).astype(np.float32))
    paired = by_sample(counts, groups, samples, names, only="in").set_index("gene")
    assert (paired["p_adjusted"] < 0.05).sum() == 5
    np.testing.assert_allclose(paired.loc[names[:5], "log2_fold_change"], np.log2(2.5), atol=0.15)
    between = np.where(np.isin(samples, ["s0", "s1", "s2"]), "x", "y")
    assert (by_sample(counts, between, samples, names, only="x")["p_adjusted"] < 0.05).sum() == 0
    assert (rank_genes(counts, "counts", between, names, only="x")["p_adjusted"] < 0.05).sum() > 100


def test_the_common_variance_is_found() -> None:
    rng = np.random.default_rng(3)
    variances = 0.3 * 8 / rng.chisquare(8, 20000) * rng.chisquare(4, 20000) / 4
    freedom, value = squeezed(variances, 4)
    assert freedom == pytest.approx(8, rel=0.08)
    assert value == pytest.approx(0.3, rel=0.03)


def test_what_cannot_be_compared_is_said(counts: Any, groups: Any) -> None:
    with pytest.raises(InputError, match="no group 'z'"):
        rank_genes(counts, "counts", groups, GENES, only="z")
    with pytest.raises(InputError, match="too few samples"):
        by_sample(counts, groups, np.repeat("s", 300), GENES, only="a")
    with pytest.raises(InputError, match="need counts"):
        by_sample(counts * 0.5, groups, np.tile(["s", "t"], 150), GENES, only="a")

"""Which cells and genes are kept, and what is said when none are."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.data import matrices
from scgnn2_engine.data.filters import choose, column_variances
from scgnn2_engine.errors import InputError
from scgnn2_engine.params import PreprocessParams

KEEP_ALL = {"gene_cutoff": 1.0, "cell_cutoff": 1.0}


@pytest.fixture
def counts(rng: np.random.Generator) -> np.ndarray:
    return rng.poisson(0.7, (40, 30)).astype(np.float32)


def test_a_cutoff_includes_its_own_value() -> None:
    counts = np.ones((10, 3))
    counts[1:, 1] = 0  # nine of ten cells zero: just kept
    counts[:, 2] = 0
    kept = choose(counts, "counts", PreprocessParams(gene_cutoff=0.9))
    assert kept.genes.tolist() == [0, 1]
    (note,) = kept.notes
    assert note.startswith("Dropped 1 of 3 genes: zero in more than 90% of the cells. Markers of rare types")
    assert "raise preprocess_gene_cutoff" in note


def test_cells_are_judged_by_the_kept_genes() -> None:
    counts = np.ones((10, 4))
    counts[1:, 3] = 0
    counts[0, :3] = 0  # cell 0 expresses only a gene that is dropped
    kept = choose(counts, "counts", PreprocessParams(gene_cutoff=0.5, cell_cutoff=0.9))
    assert kept.genes.tolist() == [0, 1, 2]
    assert kept.cells.tolist() == list(range(1, 10))
    assert "Dropped 1 of 10 cells: zero in more than 90% of the 3 kept genes." in kept.notes


@pytest.mark.parametrize(("n_empty", "warned"), [(0, False), (4, False), (5, True)])
def test_more_than_a_tenth_of_the_cells_dropped_is_a_warning(counts: np.ndarray, n_empty: int, warned: bool) -> None:
    counts += 1
    counts[:n_empty], counts[:, :20] = 0, 0  # most of the genes may go without one
    kept = choose(counts, "counts", PreprocessParams())
    assert kept.notes[0].startswith("Dropped 20 of 30 genes: zero in more than 90% of the cells.")
    assert len(kept.notes) == 1 + (n_empty > 0 and not warned)
    advice = "To keep more of them raise preprocess_cell_cutoff (1 keeps all)."
    sentence = f"Dropped {n_empty} of 40 cells: zero in more than 90% of the 10 kept genes."
    assert kept.warnings == ((f"{sentence} {advice}",) if warned else ())
    assert warned or not n_empty or kept.notes[1] == sentence


def test_cutoffs_of_one_keep_empty_cells_and_genes(counts: np.ndarray) -> None:
    counts[3], counts[:, 5] = 0, 0
    kept = choose(counts, "counts", PreprocessParams(**KEEP_ALL))
    assert (len(kept.cells), len(kept.genes), kept.notes) == (40, 30, ())


def test_the_most_variable_genes_stay_in_input_order_and_the_first_wins_a_tie() -> None:
    column = np.array([1.0, 5.0, 1.0, 5.0])
    counts = np.column_stack([column, 3 * column, column[::-1], 2 * column, np.ones(4)])
    kept = choose(counts, "counts", PreprocessParams(top_gene_select=3))
    assert kept.genes.tolist() == [0, 1, 3]


def test_logged_data_is_judged_by_what_it_was_before_the_logarithm(counts: np.ndarray) -> None:
    counts *= np.linspace(1, 9, 30, dtype=np.float32)
    params = PreprocessParams(top_gene_select=7, **KEEP_ALL)
    wanted = choose(counts, "counts", params).genes
    np.testing.assert_array_equal(choose(np.log1p(counts), "logged", params).genes, wanted)


def test_dense_equals_sparse_and_nothing_is_changed(counts: np.ndarray) -> None:
    params = PreprocessParams(top_gene_select=11, gene_cutoff=0.6, cell_cutoff=0.6)
    sparse = sp.csr_matrix(counts)
    sparse.data[::9] = 0  # stored zeros
    before = sparse.copy()
    dense_kept, sparse_kept = choose(sparse.toarray(), "counts", params), choose(sparse, "counts", params)
    np.testing.assert_array_equal(dense_kept.genes, sparse_kept.genes)
    np.testing.assert_array_equal(dense_kept.cells, sparse_kept.cells)
    assert dense_kept.notes == sparse_kept.notes
    np.testing.assert_array_equal(before.data, sparse.data)
    assert sparse.nnz == before.nnz


@pytest.mark.parametrize("elements", [1, 100, 10**6])
def test_variances_are_those_of_numpy_whatever_the_blocks(
    counts: np.ndarray, elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrices, "BLOCK_ELEMENTS", elements)
    np.testing.assert_allclose(column_variances(sp.csr_matrix(counts)), counts.astype(float).var(axis=0), rtol=1e-12)


def test_a_sparse_matrix_is_never_made_dense_whole() -> None:
    """50,000 x 40,000 would be 8 GB dense in float32."""
    rng = np.random.default_rng(0)
    n = 100_000
    genes = np.where(rng.random(n) < 0.5, rng.integers(0, 20, n), rng.integers(0, 40_000, n))
    wide = sp.csr_matrix((np.ones(n, dtype=np.float32), (rng.integers(0, 50_000, n), genes)), shape=(50_000, 40_000))
    kept = choose(wide, "counts", PreprocessParams(gene_cutoff=0.96, cell_cutoff=0.96))
    assert kept.genes.tolist() == list(range(20))
    assert sp.issparse(matrices.part(wide, kept.cells, kept.genes))


def test_nothing_left_names_the_cutoffs_and_what_there_was(counts: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"no genes of 40 cells and 30 genes.*0 with gene_cutoff = 0\.01") as error:
        choose(counts, "counts", PreprocessParams(gene_cutoff=0.01))
    assert "preprocess_gene_cutoff" in error.value.advice
    with pytest.raises(InputError, match=r"of 40 cells and 30 genes.*cell_cutoff = 0\.01 \(after gene_cutoff = 1 had"):
        choose(counts, "counts", PreprocessParams(gene_cutoff=1.0, cell_cutoff=0.01))


@pytest.mark.parametrize("shape", [(1, 30), (30, 1), (0, 5), (5, 0)])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_one_gene_or_one_cell_is_refused(shape: tuple[int, int], kind: type) -> None:
    with pytest.raises(InputError, match=rf"at least 2 cells and 2 genes.*{shape[0]} cells? and {shape[1]} genes?\."):
        choose(kind(np.ones(shape)), "counts", PreprocessParams())


def test_selecting_too_few_genes_is_refused(counts: np.ndarray) -> None:
    with pytest.raises(InputError, match="top_gene_select"):
        choose(counts, "counts", PreprocessParams(top_gene_select=1))


def test_a_column_of_var_names_the_genes_and_cells_are_judged_by_them() -> None:
    counts = np.array([[1, 0, 9, 0], [2, 0, 1, 3], [0, 3, 0, 5]], dtype=np.float32)
    counts[:, 3] = 0
    var = pd.DataFrame({"highly_variable": [True, False, True, True]})
    kept = choose(counts, "counts", PreprocessParams(gene_column="highly_variable", top_gene_select=2), var)
    assert (kept.genes.tolist(), kept.cells.tolist()) == ([0, 2], [0, 1])  # the last is named, but nowhere expressed
    assert kept.notes[0] == "Kept the 2 expressed genes of 4 that highly_variable names."


@pytest.mark.parametrize(
    ("column", "var", "said"),
    [
        ("highly_variable", None, "no annotation of genes"),
        ("highly_variabel", {"highly_variable": [True] * 30}, "Did you mean highly_variable?"),
        ("mean", {"mean": np.arange(30.0)}, "does not say which genes"),
        ("none", {"none": [False] * 30}, "Name more genes"),
    ],
)
def test_a_column_that_names_no_genes_is_refused(counts: np.ndarray, column: str, var: object, said: str) -> None:
    table = None if var is None else pd.DataFrame(var)
    with pytest.raises(InputError, match=re.escape(said)):
        choose(counts, "counts", PreprocessParams(gene_column=column), table)


NAMES = np.array(["CD8A", "ACTB", "mt-Nd1", "MTOR"])
COUNTS = np.array([[5, 5, 0, 0], [0, 9, 1, 0], [1, 1, 8, 0], [2, 0, 0, 1], [9, 9, 2, 5]], dtype=np.float32)


@pytest.mark.parametrize("sparse", [False, True])
def test_cells_of_poor_quality_go_before_anything_else(sparse: bool) -> None:
    params = PreprocessParams(**KEEP_ALL, top_gene_select=-1, min_genes=2, min_counts=10, max_mito=0.1)
    matrix = sp.csr_matrix(COUNTS) if sparse else COUNTS
    kept = choose(matrix, "counts", params, var_names=NAMES)
    assert kept.cells.tolist() == [
        0,
        1,
        4,
    ]  # cell 1 has just 10 counts and a share of 0.1; cell 2 has 0.8, cell 3 has 3
    assert kept.notes[0] == (
        "Dropped 2 of 5 cells by their quality: 0 with fewer than 2 genes, 1 with fewer than 10 counts, 1 with more "
        "than 10% of their counts in mitochondrial genes."
    )


def test_genes_are_judged_by_the_cells_that_passed() -> None:
    params = PreprocessParams(gene_cutoff=0.5, cell_cutoff=1.0, top_gene_select=-1, min_counts=10)
    assert choose(COUNTS, "counts", params).genes.tolist() == [0, 1, 2]
    assert choose(COUNTS[[0, 1, 4]], "counts", params).cells.tolist() == [0, 1, 2]


def test_logged_values_have_the_same_mitochondrial_shares_and_no_counts() -> None:
    params = {**KEEP_ALL, "top_gene_select": -1}
    logged = np.log1p(COUNTS)
    kept = choose(logged, "logged", PreprocessParams(**params, max_mito=0.11), var_names=NAMES)
    assert kept.cells.tolist() == [0, 1, 3, 4]
    with pytest.raises(InputError, match="min_counts = 5 needs counts"):
        choose(logged, "logged", PreprocessParams(**params, min_counts=5))
    with pytest.raises(InputError, match="names that begin with MT-"):
        choose(COUNTS, "counts", PreprocessParams(**params, max_mito=0.2), var_names=np.array(list("abcd")))
    with pytest.raises(InputError, match="leave 1 of 5 cells"):
        choose(COUNTS, "counts", PreprocessParams(**params, min_counts=11))

"""Sparse matrices whose parts contradict each other are refused before SciPy sees them, wherever they come from."""

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import from_anndata
from scgnn2_engine.io.storage.sparse_structure import check_compressed, compressed

WHOLE = {"data": [1.0, 2.0, 3.0], "indices": [0, 2, 1], "indptr": [0, 2, 3]}


@pytest.mark.parametrize(
    ("part", "values", "words"),
    [
        ("indptr", [0, 2], r"3 pointers \(indptr\), for 2 rows. Found: 2"),
        ("indptr", [1, 2, 3], "first pointer .* of 0. Found: 1"),
        ("indptr", [0, 4, 3], "never go back"),
        ("indptr", [0, 1, 2], "last pointer .* of 3"),
        ("indptr", [0.0, 2.0, 3.0], "whole numbers"),
        ("indptr", [[0, 2, 3]], "a list of indptr"),
        ("indices", [0, 3, 1], "indices from 0 to 2, for 3 columns. Found: 3"),
        ("indices", [0, -1, 1], "indices from 0 to 2, for 3 columns. Found: -1"),
        ("indices", [0, 2], "as many data as indices. Found: 3 and 2"),
        ("data", [1.0], "as many data as indices"),
        ("data", ["a", "b", "c"], "real numbers"),
        ("data", [1j, 2j, 3j], "real numbers"),
    ],
)
def test_each_contradiction_is_named(part, values, words):
    parts = {name: np.array(held) for name, held in {**WHOLE, part: values}.items()}
    with pytest.raises(InputError, match=f"^X is a sparse matrix whose parts contradict each other.*{words}"):
        check_compressed(**parts, shape=(2, 3), what="X")


@pytest.mark.parametrize("kind", ["i4", "i8", "u4", "u8", ">i4"])
@pytest.mark.parametrize("by", ["rows", "columns"])
def test_whole_parts_make_the_matrix(kind, by):
    data, indices, indptr = (np.array(WHOLE[name], dtype=None if name == "data" else kind) for name in WHOLE)
    made = compressed(data, indices, indptr, (2, 3) if by == "rows" else (3, 2), by=by)
    expected = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])
    assert np.array_equal(made.toarray(), expected if by == "rows" else expected.T)


def test_a_shape_that_no_file_holds_is_refused():
    with pytest.raises(InputError, match="at most 50000000 rows and columns"):
        compressed(np.zeros(0), np.zeros(0, dtype=int), np.zeros(2, dtype=int), (1, 2**40))


def test_an_empty_matrix_is_one():
    empty = compressed(np.zeros(0), np.zeros(0, dtype=np.int32), np.zeros(3, dtype=np.int32), (2, 0))
    assert empty.shape == (2, 0)


def test_a_damaged_matrix_in_memory_is_refused():
    adata = AnnData(sp.csr_matrix(np.eye(3, dtype=np.float32)))
    adata.X.indices[1] = 7
    with pytest.raises(InputError, match=r"The AnnData \(X\) is a sparse matrix .* indices from 0 to 2"):
        from_anndata(adata)

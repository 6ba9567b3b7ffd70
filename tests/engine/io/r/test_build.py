"""What is built of NumPy, SciPy and pandas values is read back as those values, and is what R itself would make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rdata.parser import RObject

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.r import build, values
from scgnn2_engine.io.r.matrices import dimnames, matrix
from scgnn2_engine.io.r.serialisation import parse, to_bytes, write_rds


def again(obj: RObject) -> RObject:
    return parse(to_bytes(obj))[""]


FRAME = pd.DataFrame(
    {
        "real": [0.5, np.nan, -np.inf],
        "whole": np.array([1, -2, 3], dtype=np.int32),
        "whole_na": pd.array([1, None, 3], dtype="Int32"),
        "flag": [True, False, True],
        "flag_na": pd.array([True, None, False], dtype="boolean"),
        "text": ["a", None, "é"],
        "kind": pd.Categorical(["x", None, "y"], categories=["y", "x", "unused"]),
        "ordered": pd.Categorical(["lo", "hi", "lo"], categories=["lo", "hi"], ordered=True),
    },
    index=pd.Index(["c1", "c2", "c3"], dtype=object),
)


def test_data_frames_of_every_type() -> None:
    frame, left_out = values.data_frame(again(build.data_frame(FRAME)))
    assert left_out == []
    pd.testing.assert_frame_equal(frame, FRAME)
    assert frame["text"].tolist() == ["a", None, "é"]


def test_a_data_frame_is_what_r_makes_of_the_same_values(rscript: Any, tmp_path: Path) -> None:
    write_rds(tmp_path / "x.rds", build.data_frame(FRAME))
    printed = rscript(
        """
        x <- readRDS(commandArgs(TRUE)[1])
        y <- data.frame(
          real = c(0.5, NaN, -Inf), whole = c(1L, -2L, 3L), whole_na = c(1L, NA, 3L), flag = c(TRUE, FALSE, TRUE),
          flag_na = c(TRUE, NA, FALSE), text = c("a", NA, "\\u00e9"),
          kind = factor(c("x", NA, "y"), levels = c("y", "x", "unused")),
          ordered = factor(c("lo", "hi", "lo"), levels = c("lo", "hi"), ordered = TRUE), row.names = c("c1", "c2", "c3")
        )
        cat(identical(x, y), identical(.row_names_info(x), .row_names_info(y)))
        """,
        tmp_path / "x.rds",
    )
    assert printed == "TRUE TRUE"


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Series([2**31, 5]), [2.0**31, 5.0]),
        (pd.Series(pd.array([2**40, None], dtype="Int64")), [2.0**40, np.nan]),
        (pd.Series(pd.array([0.5, None], dtype="Float64")), [0.5, np.nan]),
        (pd.Series(np.array([1.5], dtype=np.float32)), [1.5]),
        (pd.Series(np.array([200], dtype=np.uint8)), [200]),
        (pd.Series([], dtype=np.int64), []),
    ],
)
def test_numbers_that_r_has_not_become_reals(column: pd.Series[Any], expected: list[float]) -> None:
    np.testing.assert_array_equal(values.numbers(again(build.column(column))), expected)


def test_counted_rows_and_empty_tables() -> None:
    frame, _ = values.data_frame(again(build.data_frame(pd.DataFrame({"a": [1.5, 2.5]}))))
    assert frame.index.tolist() == [1, 2]
    for empty in (pd.DataFrame(), pd.DataFrame({"a": []}), pd.DataFrame(index=["x", "y"])):
        frame, _ = values.data_frame(again(build.data_frame(empty)))
        assert frame.shape == empty.shape


@given(hnp.arrays(np.float64, st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_dense_matrices(held: Any) -> None:
    np.testing.assert_array_equal(matrix(again(build.matrix(held))), held)


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(0, 6), st.integers(0, 6)), elements=st.sampled_from([0.0, 1, -2.5]))
)
def test_sparse_matrices(held: Any) -> None:
    names = [[f"r{row}" for row in range(held.shape[0])], [f"c{column}" for column in range(held.shape[1])]]
    for made in (sp.csc_matrix(held), sp.csr_matrix(held), sp.coo_matrix(held)):
        obj = again(build.dgcmatrix(made, *names))
        assert values.class_of(obj) == "dgCMatrix"
        np.testing.assert_array_equal(matrix(obj).toarray(), held)
        assert list(dimnames(obj)) == names


def test_stored_zeros_stay_and_positions_are_sorted() -> None:
    held = sp.csc_matrix((np.array([5.0, 0.0]), np.array([2, 0]), np.array([0, 2])), shape=(3, 1))
    obj = again(build.dgcmatrix(held, None, None))
    made = matrix(obj)
    assert (made.indices.tolist(), made.data.tolist()) == ([0, 2], [0.0, 5.0])
    assert dimnames(obj) == (None, None)
    assert held.indices.tolist() == [2, 0]


def test_r_accepts_the_sparse_matrix(rscript: Any, tmp_path: Path) -> None:
    held = sp.csr_matrix(np.array([[0, 1.5, 0], [2, 0, 0]]))
    write_rds(tmp_path / "x.rds", build.dgcmatrix(held, ["a", "b"], None))
    printed = rscript(
        """
        suppressMessages(library(Matrix))
        x <- readRDS(commandArgs(TRUE)[1])
        y <- as(matrix(c(0, 2, 1.5, 0, 0, 0), 2, dimnames = list(c("a", "b"), NULL)), "dgCMatrix")
        cat(validObject(x), identical(x, y))
        """,
        tmp_path / "x.rds",
    )
    assert printed == "TRUE TRUE"


def test_too_many_entries_for_r_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_LARGEST_INT", 1)
    assert build.dgcmatrix(sp.csc_matrix([[1.0, 0.0]]), None, None).info.attributes
    with pytest.raises(InputError, match=r"at most 1 stored entries. Found: 2"):
        build.dgcmatrix(sp.csc_matrix([[1.0, 2.0]]), None, None)


def test_versions() -> None:
    held = values.elements(again(build.package_version("4.1.3")))["[[1]]"]
    assert held.value.tolist() == [4, 1, 3]

"""What R's vectors, tables and matrices become; the files in golden_odd are of real R."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.r import build, values
from scgnn2_engine.io.r.matrices import dimnames, is_matrix, matrix, shape_of
from scgnn2_engine.io.r.serialisation import parse

GOLDEN = Path(__file__).parent / "golden"
ODD = Path(__file__).parent / "golden_odd"
MATRICES = json.loads((ODD / "matrices.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def frames() -> dict[str, tuple[pd.DataFrame, list[str]]]:
    return {name: values.data_frame(obj) for name, obj in parse(ODD / "odd_frames.RData").items()}


# ---------------------------------------------------------------------------------------------- matrices


@pytest.mark.parametrize("name", MATRICES)
def test_each_class_of_package_matrix_is_what_r_says(name: str) -> None:
    obj, expected = parse(ODD / "matrices.RData")[name], MATRICES[name]
    assert values.class_of(obj) == expected["class"]
    assert is_matrix(obj)
    made = matrix(obj)
    assert made.dtype == np.float64 or made.dtype == bool
    held = np.array([[np.nan if value is None else float(value) for value in row] for row in expected["values"]])
    dense = made.toarray() if sp.issparse(made) else made
    np.testing.assert_array_equal(dense, held.reshape(expected["dim"]))
    rows, columns = dimnames(obj)
    assert rows == expected.get("rows")
    assert columns == expected.get("columns")


def test_stored_zeros_and_the_arrays_stay() -> None:
    expected = json.loads((GOLDEN / "dgcmatrix_bzip2.json").read_text(encoding="utf-8"))
    made = matrix(parse(GOLDEN / "dgcmatrix_bzip2.rds")[""])
    assert made.indices.tolist() == expected["i"]
    assert made.indptr.tolist() == expected["p"]
    assert made.data.tolist() == [float(value) for value in expected["x"]]
    assert (made.data == 0).sum() == 1


def slots_of(**changed: Any) -> Any:
    held = {
        "i": build.integers([0, 1]),
        "p": build.integers([0, 1, 2]),
        "Dim": build.integers([2, 2]),
        "Dimnames": build.plain_list([build.null(), build.null()]),
        "x": build.reals([1.0, 2.0]),
        "factors": build.plain_list([]),
    }
    return build.s4("dgCMatrix", "Matrix", held | changed)


def test_a_matrix_of_parts() -> None:
    assert matrix(slots_of()).toarray().tolist() == [[1, 0], [0, 2]]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"i": build.integers([0, 2])}, "indices must be < 2"),
        ({"i": build.integers([0, -1])}, "indices must be >= 0"),
        ({"i": build.integers([0])}, "should have the same size"),
        ({"i": build.reals([0, np.nan])}, "integers without NA"),
        ({"p": build.integers([0, 2, 1])}, "must be a non-decreasing sequence"),
        ({"p": build.integers([1, 1, 2])}, "should start with 0"),
        ({"p": build.integers([0, 1])}, "index pointer size"),
        ({"p": build.integers([0, 1, 3])}, "fewer than nnz|should be less than"),
        ({"p": build.integers(np.ma.masked_array([0, 1, 2], mask=[0, 1, 0]))}, "integers without NA"),
        ({"x": build.reals([1.0])}, "should have the same size"),
        ({"x": build.strings(["a", "b"])}, "a vector of numbers"),
        ({"Dim": build.integers([2, 3])}, "index pointer size"),
        ({"Dim": build.integers([2])}, "not enough values"),
        ({"Dim": build.integers([-2, 2])}, "-2 x 2"),
        ({"Dim": build.integers([2_000_000_000, 2])}, "a sparse matrix of 2000000000 x 2"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(changed: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        matrix(slots_of(**changed))


def test_repeated_positions_are_summed() -> None:
    held = slots_of(i=build.integers([0, 0]), p=build.integers([0, 2, 2]))
    assert matrix(held).toarray().tolist() == [[3, 0], [0, 0]]


def test_names_of_another_number_are_refused() -> None:
    names = build.plain_list([build.strings(["a"]), build.null()])
    with pytest.raises(ValueError, match="1 names for 2"):
        dimnames(slots_of(Dimnames=names))


def test_dense_matrices() -> None:
    held = np.array([[1.0, -0.0, np.nan], [4.0, np.inf, 6.0]])
    obj = build.matrix(held, ["a", "b"], None)
    np.testing.assert_array_equal(matrix(obj), held)
    assert dimnames(obj) == (["a", "b"], None)
    assert shape_of(obj) == (2, 3)
    assert matrix(build.matrix(np.zeros((0, 4)))).shape == (0, 4)
    assert matrix(build.matrix(np.array([[True, False]]))).tolist() == [[1, 0]]
    with pytest.raises(ValueError, match="cannot reshape"):
        matrix(build.reals([1, 2, 3], {"dim": build.integers([2, 2])}))


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        (build.strings(["a", "b"], {"dim": build.integers([1, 2])}), "matrix of character"),
        (build.reals([1, 2]), "Found: numeric"),
        (build.reals([1], {"dim": build.integers([1, 1, 1])}), "array of numeric"),
        (build.s4("RenameDims", "BPCells", {"dim": build.integers([1, 1])}), r"RenameDims.*bring them into memory"),
        (build.s4("DelayedMatrix", "DelayedArray", {}), r"DelayedMatrix.*as\(x, 'dgCMatrix'\)"),
    ],
)
def test_what_is_no_matrix_of_numbers(obj: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        matrix(obj)


# ---------------------------------------------------------------------------------------------- vectors


def test_names_and_classes() -> None:
    assert values.class_of(build.null()) == "NULL"
    assert values.class_of(build.integers([1])) == "integer"
    assert values.class_of(build.matrix(np.eye(2))) == "matrix"
    assert values.class_of(build.data_frame(pd.DataFrame({"a": [1]}))) == "data.frame"
    assert values.one_string(build.strings([None]), "none") == "none"
    assert values.one_string(build.reals([1])) == ""
    assert values.strings(build.logicals(np.array([], dtype=bool))) == []
    with pytest.raises(InputError, match=r"a character vector. Found: numeric"):
        values.strings(build.reals([1]))
    with pytest.raises(InputError, match=r"a vector of numbers. Found: character"):
        values.numbers(build.strings(["1"]))
    with pytest.raises(InputError, match=r"a list. Found: numeric"):
        values.elements(build.reals([1]))


def test_lists_number_what_has_no_name_of_its_own() -> None:
    held = build.plain_list([build.reals([number]) for number in range(4)], ["a", "", "a", "b"])
    assert list(values.elements(held)) == ["a", "[[2]]", "a[[3]]", "b"]
    with pytest.raises(ValueError, match="argument"):
        values.elements(build.plain_list([build.null()], ["a", "b"]))


def test_text_of_another_encoding() -> None:
    assert values.decode("é".encode()) == values.decode("é".encode("latin-1")) == "é"


@pytest.mark.parametrize("codes", [[1, 3], [-5, 1]])
def test_factor_codes_outside_the_levels_are_refused(codes: list[int]) -> None:
    held = {"levels": build.strings(["a", "b"]), "class": build.strings(["factor"])}
    with pytest.raises(ValueError, match="codes need to be"):
        values.column(build.integers(codes, held))


# ---------------------------------------------------------------------------------------------- data frames


def test_row_names_that_are_numbers(frames: Any) -> None:
    assert frames["numbered"][0].index.tolist() == ["7", "1234567"]
    assert frames["automatic"][0].index.tolist() == [1, 2]
    assert frames["automatic"][0]["cell_2"].isna().tolist() == [False, True]


def test_columns_that_are_no_vectors_are_named(frames: Any) -> None:
    frame, left_out = frames["with_lists"]
    assert frame.columns.tolist() == ["a"]
    assert left_out == ["held (list)", "square (matrix)"]


def test_dates_and_times_become_text(frames: Any) -> None:
    frame, left_out = frames["with_times"]
    assert frame["day"].tolist() == ["2020-01-02", None, "9999-12-31"]
    assert frame["time"].tolist() == ["2020-01-02 03:04:05 UTC", None, "1969-12-31 23:59:59 UTC"]
    np.testing.assert_array_equal(frame["elapsed"], [1, np.nan, 3])
    assert left_out == ["broken_down (POSIXlt)"]
    assert values.text_columns(frame) == ["day", "time"]


def test_classes_that_a_column_had_are_named(frames: Any) -> None:
    objects = parse(ODD / "odd_frames.RData")
    assert values.columns_lost(objects["with_times"], "it")[0] == (
        "columns of it that are not vectors: broken_down (POSIXlt)"
    )
    day, time, elapsed = (
        values.columns_lost(objects["with_times"], "it")[1].removeprefix("classes of columns of it: ").split("), ")
    )
    assert day == "day (Date, now text"
    assert time.startswith("time (POSIXct")
    assert time.endswith(", now text, whole seconds in UTC")
    assert elapsed.startswith("elapsed (difftime in ")
    assert values.columns_lost(objects["long_integers"], "it") == [
        "classes of columns of it: n (integer64, now plain numbers)"
    ]
    held = {
        "zone": build.reals(
            [0], {"class": build.strings(["POSIXct", "POSIXt"]), "tzone": build.strings(["Asia/Tokyo"])}
        ),
        "label": build.strings(["a"], {"class": build.strings(["labelled"])}),
        "level": build.factor(pd.Categorical(["a"])),
        "plain": build.strings(["a"], {"class": build.strings(["AsIs"])}),
    }
    assert values.columns_lost(build.named_list(held), "it") == [
        "classes of columns of it: zone (POSIXct in Asia/Tokyo, now text, whole seconds in UTC), "
        "label (labelled, now text)"
    ]
    assert values.columns_lost(objects["numbered"], "it") == []


def test_times_beyond_any_calendar_are_missing() -> None:
    held = build.reals([0, 1e300, -np.inf, np.nan], {"class": build.strings(["POSIXct", "POSIXt"])})
    assert values.column(held).tolist() == ["1970-01-01 00:00:00 UTC", None, None, None]
    assert values.column(build.reals([], {"class": build.strings(["Date"])})).tolist() == []


def test_na_as_a_level_is_missing(frames: Any) -> None:
    group = frames["with_na_level"][0]["group"]
    assert group.cat.categories.tolist() == ["b", "a"]
    assert group.cat.codes.tolist() == [0, -1, 1]


def test_integers_of_bit64(frames: Any) -> None:
    assert frames["long_integers"][0]["n"].tolist() == [1, 2, pd.NA]


@pytest.mark.parametrize("name", ["tibble", "data_table"])
def test_other_classes_of_tables(frames: Any, name: str) -> None:
    assert frames[name][0].to_dict("list") == {"gene": ["Actb", "Gapdh"], "cell_1": [0, 1]}


def test_tables_without_rows_or_columns(frames: Any) -> None:
    assert frames["no_rows"][0].shape == (0, 2)
    assert frames["no_columns"][0].index.tolist() == ["x", "y"]


# ---------------------------------------------------------------------------------------------- the files


@pytest.mark.slow
def test_the_scripts_make_the_files_again(require_r: Any, rscript: Any, tmp_path: Path) -> None:
    require_r("SingleCellExperiment")
    for script in ("make_matrices.R", "make_odd_objects.R"):
        rscript((ODD / script).read_text(encoding="utf-8"))
    assert {path.name for path in tmp_path.iterdir()} - {"code.R"} == {
        path.name for path in ODD.iterdir() if path.suffix != ".R"
    }
    assert (tmp_path / "matrices.json").read_bytes() == (ODD / "matrices.json").read_bytes()

"""What is written is read back exactly, and what real R wrote is read as R itself says it is."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdata.missing import R_FLOAT_NA, R_INT_NA
from rdata.parser import RObject, RObjectType

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.r import build, values
from scgnn2_engine.io.r.altrep import as_text
from scgnn2_engine.io.r.serialisation import parse, to_bytes, write_rdata, write_rds

GOLDEN = Path(__file__).parent / "golden"


def again(obj: RObject) -> RObject:
    return parse(to_bytes(obj))[""]


def bits(array: Any) -> list[int]:
    return np.asarray(array, dtype=np.float64).view(np.uint64).tolist()


@given(st.lists(st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20)))
def test_strings(texts: list[str | None]) -> None:
    assert values.strings(again(build.strings(texts))) == texts


@given(st.lists(st.none() | st.integers(-(2**31) + 1, 2**31 - 1)))
def test_integers(numbers: list[int | None]) -> None:
    missing = [number is None for number in numbers]
    held = again(build.integers(np.ma.masked_array([number or 0 for number in numbers], mask=missing, dtype=np.int32)))
    assert np.ma.asarray(held.value).tolist() == numbers


@given(st.lists(st.sampled_from([True, False, None])))
def test_logicals(flags: list[bool | None]) -> None:
    held = again(
        build.logicals(np.ma.masked_array([bool(flag) for flag in flags], mask=[flag is None for flag in flags]))
    )
    assert np.ma.asarray(held.value).tolist() == flags


@given(st.lists(st.floats()))
def test_reals_keep_every_bit(numbers: list[float]) -> None:
    assert bits(again(build.reals(numbers)).value) == bits(numbers)


def test_na_stays_another_value_than_nan() -> None:
    given_ = np.array([float("nan"), 1.0, -0.0, np.inf])
    given_.view(np.uint64)[1] = 0x7FF00000000007A2
    assert bits(again(build.reals(given_)).value) == bits(given_)
    assert bits([R_FLOAT_NA]) == [0x7FF00000000007A2]


@given(st.recursive(st.integers(-5, 5), lambda inner: st.lists(inner, max_size=4), max_leaves=30))
def test_nested_lists(tree: Any) -> None:
    def made(node: Any) -> RObject:
        return build.plain_list([made(child) for child in node]) if isinstance(node, list) else build.integers([node])

    def back(obj: RObject) -> Any:
        return [back(child) for child in obj.value] if obj.info.type is RObjectType.VEC else int(obj.value[0])

    assert back(again(made(tree))) == tree


def test_attributes_and_names() -> None:
    held = again(build.named_list({"b": build.reals([1.5]), "a": build.null()}))
    assert list(values.elements(held)) == ["b", "a"]
    assert values.is_null(values.elements(held)["a"])
    assert values.elements(again(build.named_list({}))) == {}


def test_s4_objects_and_empty_slots() -> None:
    held = again(build.s4("Assay", "SeuratObject", {"key": build.strings(["rna_"]), "none": build.null_slot()}))
    assert (values.class_of(held), values.package_of(held)) == ("Assay", "SeuratObject")
    assert values.is_null(values.attributes(held)["none"])


def test_the_same_objects_give_the_same_files(tmp_path: Path) -> None:
    objects = {"x": build.reals([1, 2]), "été": build.strings(["a"])}
    for name in ("a.RData", "b.RData"):
        write_rdata(tmp_path / name, objects)
    assert (tmp_path / "a.RData").read_bytes() == (tmp_path / "b.RData").read_bytes()
    back = parse(tmp_path / "a.RData")
    assert list(back) == ["x", "été"]
    assert back["x"].value.tolist() == [1, 2]
    write_rds(tmp_path / "a.rds", objects["x"])
    assert parse(tmp_path / "a.rds")[""].value.tolist() == [1, 2]


def test_real_r_reads_what_is_written(rscript: Any, tmp_path: Path) -> None:
    held = {
        "text": build.strings(["a", None, "é中", ""]),
        "whole": build.integers(np.ma.masked_array([1, 0], mask=[False, True], dtype=np.int32)),
        "real": build.reals([0.1, float(R_FLOAT_NA), np.nan, -np.inf]),
        "flag": build.logicals(np.ma.masked_array([True, False], mask=[False, True])),
    }
    write_rds(tmp_path / "x.rds", build.named_list(held))
    printed = rscript(
        """
        x <- readRDS(commandArgs(TRUE)[1])
        stopifnot(
          identical(x$text, c("a", NA, "\\u00e9\\u4e2d", "")), identical(x$whole, c(1L, NA)),
          identical(x$real, c(0.1, NA, NaN, -Inf)), identical(x$flag, c(TRUE, NA))
        )
        cat(is.na(x$real) & !is.nan(x$real))
        """,
        tmp_path / "x.rds",
    )
    assert printed == "FALSE TRUE FALSE FALSE"


# ---------------------------------------------------------------------------------------------- what R wrote


def facts(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def number(text: str | None) -> float:
    return float(R_FLOAT_NA) if text is None else float(text)


def same_frame(obj: RObject, expected: Any) -> None:
    frame, left_out = values.data_frame(obj)
    assert left_out == []
    assert frame.index.tolist() == expected["rows"]
    assert frame.columns.tolist() == expected["names"]
    for name, described in expected["columns"].items():
        column, held = frame[name], described["values"]
        if described["class"] in ("numeric", "integer"):
            np.testing.assert_array_equal(column.to_numpy(float, na_value=np.nan), [number(text) for text in held])
        else:
            assert [None if pd.isna(value) else value for value in column.astype(object)] == held
        if "levels" in described:
            assert column.cat.categories.tolist() == described["levels"]
            assert column.cat.ordered == (described["class"] == "ordered")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("data_frame.RData", "df"),
        ("ascii.RData", "odd_values"),
        ("version_2.rds", ""),
        ("several.RData", "annotation"),
    ],
)
def test_data_frames(file: str, name: str) -> None:
    expected = facts(Path(file).stem)
    same_frame(parse(GOLDEN / file)[name], expected[name] if name else expected)


def test_several_objects_in_the_order_of_the_file() -> None:
    held = parse(GOLDEN / "several.RData")
    assert list(held) == facts("several")["objects"]
    assert values.one_string(held["note"]) == facts("several")["note"]
    assert values.class_of(held["double_it"]) == "function"


def test_everything_that_r_can_hold_is_read_past() -> None:
    held, expected = values.elements(parse(GOLDEN / "misc.rds")[""]), facts("misc")
    assert list(held) == expected["names"]
    assert {name: values.class_of(obj) for name, obj in held.items()} == expected["classes"]
    same_frame(held["table"], expected["table"])
    sequence = held["sequence"].value
    assert (len(sequence), sequence.sum()) == (100_000, int(expected["sequence"]["sum"]))
    for name in ("texts", "texts_of_reals"):
        assert values.strings(held[name]) == expected["values"][name]
    assert values.strings(held["latin"]) == [expected["values"]["latin"]]
    assert held["sorted"].value.tolist() == [1.5, 2.5]
    assert held["raw"].value.tolist() == [0, 255]
    assert held["complex"].value[0] == 1 + 2j


@pytest.mark.parametrize("options", ["ascii = TRUE", "xdr = FALSE", "version = 2", "ascii = TRUE, version = 2"])
def test_every_form_of_serialize(rscript: Any, tmp_path: Path, options: str) -> None:
    rscript(
        f"""
        x <- list(c("a b", NA, "q?\\\\'\\"\\n\\t", "\\u00e9", ""), c(1L, NA, -7L),
                  c(0.1, NA, NaN, Inf, -1e-300), c(TRUE, NA), as.raw(c(0, 255)),
                  c(1 + 2i, NA), list(), 1:3, quote(f(x)), function(x) x, pairlist(a = 1))
        writeBin(serialize(x, NULL, {options}), commandArgs(TRUE)[1])
        """,
        tmp_path / "x.rds",
    )
    text, whole, real, flag, raw, cplx, empty, counted, *_ = parse(tmp_path / "x.rds")[""].value
    assert values.strings(text) == ["a b", None, "q?\\'\"\n\t", "é", ""]
    assert np.ma.asarray(whole.value).tolist() == [1, None, -7]
    assert bits(real.value[:2]) == bits([0.1, R_FLOAT_NA])
    assert np.array_equal(real.value[2:], [np.nan, np.inf, -1e-300], equal_nan=True)
    assert np.ma.asarray(flag.value).tolist() == [True, None]
    assert raw.value.tolist() == [0, 255]
    assert cplx.value[0] == 1 + 2j
    assert empty.value == []
    assert counted.value.tolist() == [1, 2, 3]
    assert parse((tmp_path / "x.rds").read_bytes())[""].value[1].value[0] == 1


def test_functions_with_long_bodies_and_bytecode(rscript: Any, tmp_path: Path) -> None:
    rscript(
        """
        body <- as.call(c(quote(`{`), lapply(1:800, function(i) bquote(x <- x + .(i) * x))))
        f <- compiler::cmpfun(eval(call("function", as.pairlist(alist(x = )), body)))
        save(f, body, file = commandArgs(TRUE)[1])
        """,
        tmp_path / "f.RData",
    )
    assert [values.class_of(obj) for obj in parse(tmp_path / "f.RData").values()] == ["function", "call"]


# ---------------------------------------------------------------------------------------------- recipes, long chains


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1 + 0.2, "0.3"), (1e5, "1e+05"), (123456.0, "123456"), (-1e-20, "-1e-20"), (0.0, "0"), (1e15, "1e+15")],
)
def test_numbers_become_the_text_that_r_writes(value: float, text: str) -> None:
    assert as_text(value).decode() == text


def test_numbers_as_text_agree_with_real_r(rscript: Any) -> None:
    generator = np.random.default_rng(3)
    numbers = np.concatenate([generator.normal(size=60) * 10.0 ** generator.integers(-12, 12, 60), np.arange(0, 9) / 8])
    given_ = ", ".join(repr(float(value)) for value in numbers)
    printed = rscript(f"cat(as.character(c({given_})), sep = '\\n')").splitlines()
    assert [as_text(float(value)).decode() for value in numbers] == printed


def test_a_pairlist_of_any_length() -> None:
    held = again(build.pairlist({f"n{position}": build.null() for position in range(20_000)}))
    assert len(values.elements(held)) == 20_000


def test_two_hundred_thousand_strings() -> None:
    data = to_bytes(build.strings([f"AAACATACAACCAC-{position}" for position in range(200_000)]))
    held = parse(data)[""].value
    assert len(held) == 200_000
    assert held[-1] == b"AAACATACAACCAC-199999"


def test_what_stands_behind_the_object_is_left() -> None:
    assert parse(to_bytes(build.reals([1])) + b"more")[""].value.tolist() == [1]


def test_a_wrong_checksum_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.rds"
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=0) as stream:
        stream.write(to_bytes(build.reals([1.0, 2.0])))
    data = bytearray(buffer.getvalue())
    data[-12] ^= 1  # the last byte of 2.0
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="damaged or truncated"):
        parse(path)


def test_na_of_integers_is_masked_and_nothing_else() -> None:
    held = again(build.integers(np.array([1, R_INT_NA], dtype=np.int32)))
    assert np.ma.getmaskarray(held.value).tolist() == [False, True]
    assert not np.ma.isMaskedArray(again(build.integers([1, 2])).value)

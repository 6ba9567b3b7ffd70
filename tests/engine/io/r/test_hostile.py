"""Files that nobody vouches for: each is read, or refused with a sentence, in little time and little memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rdata.parser import RObject

from scgnn2_engine.errors import InputError, InsufficientMemoryError
from scgnn2_engine.io.r import build, serialisation
from scgnn2_engine.io.r.reading import read_r
from scgnn2_engine.io.r.serialisation import parse, to_bytes

GOLDEN = Path(__file__).parent / "golden"
ODD = Path(__file__).parent / "golden_odd"
FILES = sorted(path for folder in (GOLDEN, ODD) for path in folder.iterdir() if path.suffix in (".rds", ".RData"))
REFUSALS = (InputError, InsufficientMemoryError)
HEAD = b"X\n" + struct.pack(">iii", 2, 0x040202, 0x020300)
NULL = struct.pack(">i", 254)
SMALL = 0.05  # GiB


def plain(path: Path) -> bytes:
    data = path.read_bytes()
    for magic, opened in ((b"\x1f\x8b", gzip.decompress), (b"BZh", bz2.decompress), (b"\xfd7zXZ", lzma.decompress)):
        if data.startswith(magic):
            return opened(data)
    return data


def read_or_refused(data: bytes, name: str = "") -> str:
    try:
        read_r(data, object_name=name, max_memory=SMALL)
        outcome = "read"
    except REFUSALS as error:
        outcome = type(error).__name__
    return outcome


@pytest.fixture
def peak() -> Iterator[list[int]]:
    """Bytes that Python took at most, once the test is over."""
    tracemalloc.start()
    found: list[int] = []
    yield found
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 64 * 2**20


def ints(*values: int) -> bytes:
    return struct.pack(f">{len(values)}i", *values)


# ---------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_that_are_cut_short(path: Path) -> None:
    data = plain(path)
    for end in range(0, len(data), max(97, len(data) // 300)):
        assert read_or_refused(data[:end]) != "read"


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "version_2.rds"], ids=lambda path: path.name)
def test_compressed_files_that_are_cut_short(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    for end in range(0, len(data) - 1, 97):
        (tmp_path / path.name).write_bytes(data[:end])
        with pytest.raises(REFUSALS, match=r"damaged|truncated|would need"):
            parse(tmp_path / path.name, max_memory=SMALL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_with_wrong_bits_and_numbers(path: Path) -> None:
    data, chance = plain(path), random.Random(path.name)
    outcomes = set()
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 5))):
            place = chance.randrange(len(changed))
            if chance.random() < 0.5:
                changed[place] ^= 1 << chance.randrange(8)
            else:
                changed[place : place + 4] = chance.choice((ints(-1), ints(0), ints(2**31 - 1), ints(-(2**31)), b""))
        outcomes.add(read_or_refused(bytes(changed)))
    assert "InputError" in outcomes


def test_files_of_another_kind(tmp_path: Path) -> None:
    for name, content in (
        ("empty.rds", b""),
        ("text.rds", b"gene,cell_1\nActb,3\n"),
        ("hdf5.rds", b"\x89HDF\r\n\x1a\n" + bytes(500)),
        ("save1.rda", b"RDX1\nX\n"),
        ("zip.rds", b"PK\x03\x04"),
        ("html.rds", b"<!DOCTYPE html>"),
        ("future.rds", b"X\n" + ints(9, 0, 0)),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=r"save, saveRDS or serialize"):
            parse(tmp_path / name)
    with pytest.raises(InputError, match=r"not_there.rds does not exist"):
        parse(tmp_path / "not_there.rds")


# ---------------------------------------------------------------------------------------------- size


@pytest.mark.usefixtures("peak")
@pytest.mark.parametrize("kind", [9, 10, 13, 14, 15, 16, 19, 20, 24])
@pytest.mark.parametrize("length", [ints(2**31 - 1), ints(-1, 2**10, 0), ints(-1, 2**30, 0), ints(-2), ints(10_000)])
def test_lengths_without_data(kind: int, length: bytes) -> None:
    assert read_or_refused(HEAD + ints(kind) + length) != "read"


@pytest.mark.parametrize("kind", [13, 14, 16, 19])
def test_a_length_without_data_is_refused_without_a_limit_too(kind: int) -> None:
    with pytest.raises(REFUSALS, match=r"would need|damaged"):
        parse(HEAD + ints(kind, 2**31 - 1))


@pytest.mark.usefixtures("peak")
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_bombs(pack: Any, tmp_path: Path) -> None:
    """A list of a hundred million NULLs in a file of a few hundred kB, and one list after another."""
    starts = {"nulls": ints(19, 25_000_000), "bytes": ints(24, 100_000_000), "trailing": ints(24, 1000)}
    for name, start in starts.items():
        (tmp_path / name).write_bytes(pack(HEAD + start + bytes(100_000_000)))
    tracemalloc.reset_peak()
    for name in ("nulls", "bytes"):
        with pytest.raises(InsufficientMemoryError, match=f"{name} would need about"):
            parse(tmp_path / name, max_memory=SMALL)
    assert len(parse(tmp_path / "trailing", max_memory=SMALL)[""].value) == 1000


@pytest.mark.usefixtures("peak")
def test_a_chain_of_lists_without_a_length() -> None:
    with pytest.raises(InsufficientMemoryError, match="would need about"):
        parse(HEAD + (ints(2) + NULL) * 500_000 + NULL, max_memory=0.01)


@pytest.mark.usefixtures("peak")
def test_text_without_an_end() -> None:
    for body in (b"1" * 10_000_000, b"16\n1\n9\n5\n" + b"x" * 10_000_000, b"13\n1000000000\n1\n", b"14\n2\n1\nmany\n"):
        assert read_or_refused(b"A\n2\n1\n1\n" + body) != "read"


@pytest.mark.parametrize(
    ("length", "text"), [(3, b"\\303\\251"), (1, b"ab"), (4, b"\\x41"), (2, "é".encode("latin-1"))]
)
def test_text_of_another_length_than_announced(length: int, text: bytes) -> None:
    with pytest.raises(InputError, match="announced"):
        parse(b"A\n2\n1\n1\n9\n" + str(length).encode() + b"\n" + text + b"\n")


def test_memory_that_runs_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(serialisation, "_parse", full)
    with pytest.raises(InsufficientMemoryError, match="The R object does not fit into memory"):
        parse(b"X\n")


@pytest.mark.parametrize(
    "obj",
    [
        build.strings([f"AAACATACAACCAC-{position}" for position in range(50_000)]),
        build.plain_list([build.reals([1], {"names": build.strings(["a"])}) for _ in range(5_000)]),
        build.plain_list([build.integers(np.ma.masked_array([1, 2], mask=[0, 1])) for _ in range(5_000)]),
        build.plain_list([build.null()] * 20_000),
    ],
    ids=["strings", "named", "masked", "nulls"],
)
def test_the_memory_that_is_taken_is_the_memory_that_was_weighed(obj: RObject) -> None:
    data = to_bytes(obj)
    tracemalloc.start()
    held = parse(data)
    taken = tracemalloc.get_traced_memory()[0] / 2**30
    tracemalloc.stop()
    assert len(held[""].value) == len(obj.value)
    with pytest.raises(InsufficientMemoryError, match="would need"):
        parse(data, max_memory=taken * 1.9)
    parse(data, max_memory=taken * 8)


# ---------------------------------------------------------------------------------------------- nesting


@pytest.mark.parametrize(
    "level",
    [ints(19, 1), ints(2), ints(6), ints(512 + 13, 0), ints(4, 0), ints(1), ints(22), ints(238), ints(21, 0)],
    ids=["list", "pairlist", "call", "attributes", "environment", "symbol", "pointer", "altrep", "bytecode"],
)
def test_a_hundred_thousand_levels(level: bytes) -> None:
    with pytest.raises(InputError, match=r"nested more than \d+ deep|recursion"):
        parse(HEAD + level * 100_000)


def test_calls_in_bytecode_are_limited_too() -> None:
    with pytest.raises(InputError, match=r"nested more than \d+ deep|recursion"):
        parse(HEAD + ints(21, 0) + ints(13, 0) + ints(1) + (ints(6) + NULL) * 100_000)


def test_levels_that_are_allowed() -> None:
    found = parse(HEAD + ints(19, 1) * 150 + NULL)[""]
    for _ in range(150):
        (found,) = found.value
    assert found.value is None


@pytest.mark.parametrize("index", [1, 2, 0xFFFFFF])
def test_references_to_what_is_not_there(index: int) -> None:
    with pytest.raises(InputError, match=f"a reference to object {index} of 0"):
        parse(HEAD + struct.pack(">I", index << 8 | 255))


def test_a_reference_whose_number_stands_behind() -> None:
    with pytest.raises(InputError, match="a reference to object 0 of 0"):
        parse(HEAD + ints(255, 0))
    symbol = ints(1, 9, 1) + b"a"
    first, second = parse(HEAD + ints(19, 2) + symbol + ints(255, 1))[""].value
    assert first is second


@pytest.mark.parametrize("kind", [11, 12, 18, 26, 100, 237, 243, 245])
def test_unknown_kinds(kind: int) -> None:
    with pytest.raises(InputError, match=f"unknown kind {kind}"):
        parse(HEAD + ints(kind))


def test_an_environment_that_holds_itself() -> None:
    ring = ints(4, 0) + NULL + struct.pack(">I", 1 << 8 | 255) + NULL + NULL
    assert parse(HEAD + ring)[""].value is None


def test_nothing_in_a_file_is_run(rscript: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rscript(
        """
        run <- function() system("touch pwned")
        delayedAssign("later", system("touch pwned"))
        e <- new.env(); delayedAssign("inside", system("touch pwned"), assign.env = e); reg.finalizer(e, run, TRUE)
        call <- quote(system("touch pwned")); compiled <- compiler::cmpfun(run); f <- ~ system("touch pwned")
        makeActiveBinding("active", run, e)
        con <- gzfile(commandArgs(TRUE)[1], "wb")
        save(run, later, e, call, compiled, f, file = con, eval.promises = FALSE); close(con)
        unlink("pwned")
        """,
        tmp_path / "x.RData",
    )
    (tmp_path / "pwned").unlink(missing_ok=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"no expression matrix.*run \(function\).*e \(environment\)"):
        read_r(tmp_path / "x.RData")
    assert list(tmp_path.rglob("pwned*")) == []


# ---------------------------------------------------------------------------------------------- recipes


def altrep(name: str, state: bytes) -> bytes:
    letters = name.encode()
    described = ints(2) + ints(1, 9, len(letters)) + letters + NULL
    return HEAD + ints(238) + described + state + NULL


def reals(*values: float) -> bytes:
    return ints(14, len(values)) + struct.pack(f">{len(values)}d", *values)


def test_sequences_that_are_as_they_should_be() -> None:
    assert parse(altrep("compact_intseq", reals(3, 5, -1)))[""].value.tolist() == [5, 4, 3]
    assert parse(altrep("compact_realseq", reals(3, 0.5, 1)))[""].value.tolist() == [0.5, 1.5, 2.5]
    wrapped = ints(2) + ints(13, 2, 7, 8) + ints(13, 0)
    assert parse(altrep("wrap_integer", wrapped))[""].value.tolist() == [7, 8]
    texts = ints(2) + reals(0.5, 1e5) + ints(13, 1, 0)
    assert parse(altrep("deferred_string", texts))[""].value == [b"0.5", b"1e+05"]


@pytest.mark.usefixtures("peak")
@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("compact_intseq", reals(1e15, 1, 1)),
        ("compact_realseq", reals(1e15, 1, 1)),
        ("compact_intseq", reals(float("nan"), 1, 1)),
        ("compact_intseq", reals(float("inf"), 1, 1)),
        ("compact_intseq", reals(-5, 1, 1)),
        ("compact_intseq", reals(3, 1e300, 1)),
        ("compact_intseq", reals(3, 2147483647, 1)),
        ("compact_intseq", reals(3, 1, 0.5)),
        ("compact_intseq", reals(3, 1)),
        ("compact_intseq", NULL),
        ("compact_intseq", ints(16, 0)),
        ("wrap_real", NULL),
        ("wrap_real", ints(2) + ints(4, 0) + NULL * 5),
        ("wrap_real", ints(2) + NULL + NULL),
        ("deferred_string", NULL),
        ("deferred_string", ints(2) + NULL + NULL),
        ("deferred_string", ints(2) + reals(1) + NULL),
        ("deferred_string", ints(2) + reals(1) + ints(13, 0)),
        ("deferred_string", ints(2) + ints(16, 0) + ints(13, 1, 0)),
        ("mmap_real", NULL),
        ("", NULL),
    ],
)
def test_recipes_of_another_shape(name: str, state: bytes) -> None:
    assert read_or_refused(altrep(name, state)) != "read"
    with pytest.raises(REFUSALS):
        parse(altrep(name, state), max_memory=SMALL)


def test_a_wide_number_as_text_is_not_padded_without_end() -> None:
    (text,) = parse(altrep("deferred_string", ints(2) + reals(1e300) + ints(13, 1, 2**31 - 1)))[""].value
    assert len(text) == 301


# ---------------------------------------------------------------------------------------------- objects


def refused(obj: RObject, words: str = ".") -> None:
    data = to_bytes(obj)
    with pytest.raises(REFUSALS, match=words):
        read_r(data, max_memory=SMALL)


FRAME: Any = {"class": build.strings(["data.frame"])}


@pytest.mark.usefixtures("peak")
@pytest.mark.parametrize("count", [-1_000_000_000, 1_000_000_000])
def test_rows_that_are_only_counted(count: int) -> None:
    row_names = build.integers(np.ma.masked_array([0, count], mask=[True, False]).astype(np.int32))
    frame = build.plain_list([], [], **FRAME, **{"row.names": row_names})
    refused(frame, "no expression")
    refused(build.plain_list([build.reals([1])], ["a"], **FRAME, **{"row.names": row_names}), "not numbers|not built")
    slots = {"assays": build.plain_list([]), "meta.data": frame}
    refused(build.s4("Seurat", "SeuratObject", slots), "not named by the cells")


@pytest.mark.parametrize(
    "obj",
    [
        build.plain_list([build.reals([1])], ["a", "b", "c"], **FRAME),
        build.plain_list([build.reals([1]), build.reals([1, 2])], ["a", "b"], **FRAME),
        build.reals([1, 2, 3], FRAME),
        build.s4("DFrame", "S4Vectors", {"listData": build.null(), "nrows": build.null()}),
        build.reals([1, 2], {"dim": build.integers([2, 2])}),
        build.reals([1, 2], {"dim": build.reals([2, 1])}),
        build.reals([1, 2], {"dim": build.integers([2, 1]), "dimnames": build.plain_list([build.null()])}),
        build.reals([1, 2], {"dim": build.integers([2, 1]), "dimnames": build.reals([1])}),
        build.matrix(np.ones((2, 2)), ["a"], ["b", "c"]),
        build.s4("dgCMatrix", "Matrix", dict.fromkeys(["i", "p", "x", "Dim"], build.null())),
        build.s4("ddiMatrix", "Matrix", {"Dim": build.integers([2**31 - 1] * 2), "diag": build.strings(["U"]),
                                         "x": build.reals([])}),
        build.s4("dspMatrix", "Matrix", {"Dim": build.integers([2**31 - 1] * 2), "uplo": build.strings(["U"]),
                                         "x": build.reals([])}),
        build.s4("dgTMatrix", "Matrix", {"Dim": build.integers([2**31 - 1] * 2), "i": build.integers([0]),
                                         "j": build.integers([0]), "x": build.reals([1])}),
        build.s4("SingleCellExperiment", "x", {"assays": build.null(), "colData": build.null()}),
        build.s4("Seurat", "SeuratObject", {"assays": build.plain_list([]), "meta.data": build.data_frame(
            pd.DataFrame({"a": [1]}, index=["c"]))}),
        build.strings(["a"], {"class": build.strings([None])}),
    ],
)  # fmt: skip
def test_objects_that_are_not_what_they_say(obj: RObject) -> None:
    refused(obj)

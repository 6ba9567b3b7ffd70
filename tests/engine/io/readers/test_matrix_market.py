"""Matrix Market: the values of the file or an error that names the line, whatever the header says."""

import bz2
import gzip
import lzma
import re

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

from scgnn2_engine.errors import InputError, InsufficientMemoryError
from scgnn2_engine.io.readers.matrix_market import read_header, read_matrix

HEADER = "%%MatrixMarket matrix coordinate {} general\n"
BODY = "3 2 3\n1 1 5\n2 2 7\n3 1 9\n"
DENSE = [[5, 0], [0, 7], [9, 0]]


def write(folder, text, name="matrix.mtx"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def values(folder, text, **options):
    matrix, said = read_matrix(write(folder, text), transpose=False, **options)
    return matrix.toarray().tolist(), " ".join([*said.notes, *said.warnings])


@pytest.mark.parametrize(
    ("text", "dense", "says"),
    [
        (HEADER.format("integer") + BODY, DENSE, ""),
        (HEADER.format("REAL").replace("matrix", "MATRIX") + BODY, DENSE, ""),
        ("\ufeff" + HEADER.format("real") + BODY, DENSE, ""),
        (HEADER.format("float") + BODY, DENSE, "says float, which was read as real"),
        (HEADER.format("double") + BODY, DENSE, "says double"),
        (
            HEADER.format("integer") + BODY.replace(" 5", " 0.75"),
            [[0.75, 0], [0, 7], [9, 0]],
            "says integer.*fractions",
        ),
        (HEADER.format("integer") + BODY.replace(" 5", " 1e+05"), [[1e5, 0], [0, 7], [9, 0]], "says integer.*powers"),
        (HEADER.format("real") + BODY.replace(" 5", " .29997"), [[np.float32(0.29997), 0], [0, 7], [9, 0]], ""),
        (HEADER.format("real") + BODY.replace(" 5", " +5."), DENSE, ""),
        (HEADER.format("pattern") + "3 2 2\n1 1\n3 1\n", [[1, 0], [0, 0], [1, 0]], "not how much.*read as 1"),
        (HEADER.format("pattern") + BODY, DENSE, "says pattern, and values follow"),
        (HEADER.format("integer") + BODY + "\n% the end\n\n", DENSE, ""),
        (HEADER.format("integer") + "%a\n\n" + BODY.replace("2 2", "% between\n\n  2\t 2 "), DENSE, ""),
        ((HEADER.format("integer") + BODY).replace("\n", "\r\n"), DENSE, ""),
        ((HEADER.format("integer") + BODY).replace("\n", " \n"), DENSE, ""),
        (HEADER.format("integer") + BODY.rstrip(), DENSE, ""),
        (
            HEADER.format("integer") + "3 2 4\n1 1 2\n" + BODY[6:].replace("1 1 5", "1 1 3"),
            DENSE,
            "1 entries.*added up",
        ),
        (HEADER.format("integer") + "3 2 0\n", [[0, 0]] * 3, ""),
        ("%%MatrixMarket matrix array integer general\n3 2\n5\n0\n9\n0\n7\n0\n", DENSE, "dense"),
        ("%%MatrixMarket matrix array real general\n3 2\n5\n0\n9\n%\n\n0\n7\n0\n", DENSE, "dense"),
        ("\n" + HEADER.format("integer") + BODY, DENSE, "begins with 1 empty line"),
        ("\ufeff\r\n \n" + HEADER.format("integer") + BODY, DENSE, "begins with 2 empty lines"),
        (HEADER.format("int") + BODY, DENSE, "says int, which was read as integer"),
        (HEADER.format("float32") + BODY, DENSE, "says float32, which was read as real"),
    ],
)
def test_what_stands_there_is_read(tmp_path, text, dense, says):
    found, said = values(tmp_path, text)
    assert found == dense
    assert re.search(says, said) if says else not said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEADER.format("integer") + BODY.replace("2 2 7", "2 2 7 1"), r"line 4: 4 fields.*says 3"),
        (HEADER.format("integer") + BODY.replace("1 1 5", "1 1 5 8"), r"line 3: 4 fields.*coordinate integer"),
        (HEADER.format("integer") + BODY.replace("2 2 7", "2 2 7 1 1"), r"line 4: 5 fields"),
        (HEADER.format("integer") + BODY.replace("2 2 7", "2 2"), r"line 4: 2 fields"),
        (HEADER.format("integer") + BODY.replace("2 2 7", "2 3 7"), r"line 4: there is no column '3'"),
        (HEADER.format("integer") + BODY.replace("2 2 7", "0 2 7"), r"line 4: there is no row '0'.*counts from 1"),
        (HEADER.format("integer") + BODY.replace("2 2 7", "4 2 7"), r"line 4: there is no row '4'"),
        (HEADER.format("integer") + BODY.replace("2 2 7", "-1 2 7"), r"line 4: there is no row '-1'"),
        (HEADER.format("integer") + BODY.replace("2 2 7", "2.5 2 7"), r"line 4: there is no row '2.5'"),
        (HEADER.format("integer") + BODY.replace("2 2", "18446744073709551618 2"), r"there is no row '18446"),
        (HEADER.format("real") + BODY.replace(" 7", " NA"), r"line 4: a value is no number"),
        (HEADER.format("real") + BODY.replace(" 7", " 1_0"), r"line 4: a value is no number"),
        (HEADER.format("real") + BODY.replace(" 7", " 0x1"), r"line 4: a value is no number"),
        (HEADER.format("real") + BODY.replace(" 7", " 1e39"), r"line 4: a value is too large"),
        (HEADER.format("integer") + BODY.replace(" 7", " " + "9" * 60), r"line 4: a value is too large"),
        (HEADER.format("integer") + BODY.rpartition("3 1")[0], r"damaged or truncated.*3 \(line 2\).*Found: 2"),
        (HEADER.format("integer") + BODY + "3 2 1\n", r"more entries than its header.*3 \(line 2\)"),
        (HEADER.format("integer") + BODY.replace("3 2 3", "3 2 999999"), "too small for the entries"),
        (HEADER.format("integer") + BODY.replace("3 2 3", "3 2"), "line 2: the sizes cannot be read"),
        (HEADER.format("integer") + BODY.replace("3 2 3", "3 -2 3"), "line 2: the sizes cannot be read"),
        (HEADER.format("integer") + BODY.replace("3 2 3", "3000000000 2 3"), "line 2: no data have as many"),
        (HEADER.format("integer"), "damaged or truncated.*before its sizes"),
        (HEADER.format("complex") + BODY, "line 1: 'complex'"),
        (HEADER.format("integer").replace("general", "lower") + BODY, "line 1: 'lower'"),
        (HEADER.format("integer").replace("general", "symmetric") + BODY, "line 2: .*symmetric.*not square"),
        (HEADER.format("integer").replace("coordinate", "list") + BODY, "line 1: 'list'"),
        (BODY, "line 1: this is no Matrix Market"),
        ("\n", "is empty"),
        ("\n\n" + HEADER.format("integer") + BODY.replace("2 2 7", "2 2 x"), "line 6: a value is no number"),
        ("\n" + HEADER.format("complex") + BODY, "line 2: 'complex'"),
        ("%%MatrixMarket matrix array real general\n3 2\n5 0\n0 7\n9 0\n", "line 3: 2 values, where an array.*has one"),
        ("%%MatrixMarket matrix array real general\n3 2\n5 0 9\n0 7 0\n", "line 3: 3 values.*mmwrite"),
        ("%%MatrixMarket matrix array real general\n3 2\n5\n0\n9\n0 7\n0\n", "line 6: 2 values"),
        (HEADER.format("integer").encode() + BODY.encode().replace(b"2 2 7", b"2\x002 7"), "line 4"),
        ("%%MatrixMarket matrix array real general\n3 2\n5\n0\n9\n0\n7\n", "fewer values.*6 .*Found: 5"),
        ("%%MatrixMarket matrix array real general\n3 2\n5\n0\n9\n0\n7\n1\n1\n", "more values"),
        ("%%MatrixMarket matrix array real general\n3 2\n5\n0\nx\n0\n7\n1\n", "line 5: a value is no number"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        values(tmp_path, text)


def test_three_values_of_early_velocyto(tmp_path):
    text = HEADER.format("integer") + "3 2 2\n1 1 5 1 2\n3 2 0 4 6\n"
    for number, wanted in enumerate(([[5, 0], [0, 0], [0, 0]], [[1, 0], [0, 0], [0, 4]], [[2, 0], [0, 0], [0, 6]])):
        found, said = values(tmp_path, text, value=number)
        assert found == wanted
        assert "left out" in said


@pytest.mark.parametrize("symmetry", ["symmetric", "skew-symmetric"])
@pytest.mark.parametrize("dense", [False, True])
def test_half_of_a_symmetric_matrix_is_filled_in_as_scipy_does(tmp_path, symmetry, dense):
    half = np.tril(np.arange(1.0, 17.0).reshape(4, 4), -1)
    whole = half + half.T + 2 * np.eye(4) if symmetry == "symmetric" else half - half.T
    scipy.io.mmwrite(tmp_path / "a.mtx", whole if dense else sp.coo_matrix(whole), symmetry=symmetry)
    assert read_header(tmp_path / "a.mtx").symmetry == symmetry
    matrix, said = read_matrix(tmp_path / "a.mtx", transpose=False)
    assert matrix.toarray().tolist() == whole.tolist()
    assert any("one half" in note for note in said.notes)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_files_are_told_by_their_content(tmp_path, pack):
    path = write(tmp_path, pack((HEADER.format("integer") + BODY).encode()), "matrix.mtx")
    assert read_matrix(path, transpose=True)[0].toarray().tolist() == np.transpose(DENSE).tolist()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 6])
    with pytest.raises(InputError, match="damaged or truncated"):
        read_matrix(path, transpose=False)


@pytest.mark.parametrize("whole", [True, False])
def test_many_blocks_give_what_scipy_gives(tmp_path, monkeypatch, whole):
    for module in ("mtx_lines", "mtx_header"):
        monkeypatch.setattr(f"scgnn2_engine.io.readers.{module}.BLOCK", 64)
    matrix = sp.random(40, 30, density=0.4, rng=1, format="coo") * 1000
    matrix = matrix.astype(np.int64) if whole else matrix
    scipy.io.mmwrite(tmp_path / "a.mtx", matrix)
    found, _ = read_matrix(tmp_path / "a.mtx", transpose=False)
    np.testing.assert_array_equal(found.toarray(), matrix.toarray().astype(np.float32))


def test_lines_are_numbered_across_blocks(tmp_path, monkeypatch):
    for module in ("mtx_lines", "mtx_header"):
        monkeypatch.setattr(f"scgnn2_engine.io.readers.{module}.BLOCK", 64)
    lines = [f"{i + 1} 1 7" for i in range(100)]
    lines[70] = "71 1 seven"
    text = HEADER.format("integer") + "100 1 100\n" + "\n".join(lines)
    for one in (text, text.replace("\n", "\r\n")):
        with pytest.raises(InputError, match="line 73: a value is no number"):
            values(tmp_path, one)
    with pytest.raises(InputError, match="line 1: the lines end as on old Macs"):
        values(tmp_path, text.replace("\n", "\r"))


def test_memory_is_asked_before_it_is_taken(tmp_path):
    packed = bz2.compress((HEADER.format("integer") + BODY.replace("3 2 3", "3 2 99999999999")).encode())
    with pytest.raises(InsufficientMemoryError):
        read_matrix(write(tmp_path, packed), transpose=False)

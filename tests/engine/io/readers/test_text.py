"""Strict text: every bad cell is named, and a file reads the same whichever way round it lies."""

import gzip
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from scgnn2_engine.errors import InputError, InsufficientMemoryError
from scgnn2_engine.io import read
from scgnn2_engine.io.readers.text import read_table
from scgnn2_engine.io.readers.text_blocks import CommaFoundError, StrictReader, plain_block
from scgnn2_engine.io.readers.text_layout import Layout


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def dense(data):
    return data.expression if isinstance(data.expression, np.ndarray) else data.expression.toarray()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["is empty"]),
        ("\n", ["no header"]),
        ("gene,cell_1,cell_2\n", ["header and no rows"]),
        ("gene\nActb\n", ["single column"]),
        ("gene,cell_1,cell_2\nActb,1,2\nGapdh,3\n", ["Line 3", "3 fields", "2 fields"]),
        ("gene,cell_1,cell_2\nActb,1,2\nGapdh,3,4,5\n", ["Line 3", "4 fields"]),
        ("gene,cell_1,cell_2\nActb,1\n", ["Line 2", "3 fields", "2 fields"]),
        ("gene,cell_1,cell_2\nActb,1,2\nGapdh,3,high\n", ["text", "'Gapdh'", "line 3", "'cell_2'", "'high'"]),
        ("gene,cell_1,cell_2\nActb,1,\nGapdh,3,4\n", ["an empty cell", "'Actb'", "'cell_2'"]),
        ("gene,cell_1\nActb,1\nGapdh,\n", ["an empty cell", "'Gapdh'", "'cell_1'"]),
        ("gene,cell_1,cell_2\nActb,1,nan\n", ["NaN", "'Actb'", "'cell_2'"]),
        ("gene,cell_1,cell_2\nActb,NA,2\n", ["a missing value", "'cell_1'", "'NA'", "m[is.na(m)] <- 0"]),
        ("gene,cell_1,cell_2\nActb,1,-inf\n", ["infinite", "'cell_2'"]),
        ("gene,cell_1,cell_2\nActb,1,1e40\n", ["too large for float32", "at most 3.4e+38", "'1e40'"]),
        ("gene,cell_1,cell_2\nActb,1,1e400\n", ["too large for float32", "'1e400'"]),
        ("gene,cell_1,cell_2\nActb,1,-1e300\n", ["negative", "'-1e300'"]),
        ("gene,cell_1,cell_2\nActb,1,-0.5\n", ["negative", "'Actb'", "'cell_2'", "'-0.5'"]),
        ('gene,cell_1,cell_2\n"Actb",1,"1,000"\n', ["text", "decimal comma", "thousands", "'cell_2'", "1,000"]),
        ("gene,cell_1,cell_2\nActb,1,1_000\n", ["text", "'1_000'"]),
    ],
)
def test_bad_text_is_refused_with_its_place(tmp_path, text, words):
    with pytest.raises(InputError) as caught:
        read(write(tmp_path / "bad.csv", text))
    for word in words:
        assert word in str(caught.value)


def test_a_bad_cell_far_down_is_named_by_its_line(tmp_path):
    rows = [f"ENSG{i:011d},{i % 3},1" for i in range(5000)]
    rows[4321] = "ENSG00000004321,1,x"
    path = write(tmp_path / "long.csv", "\n".join(["gene,cell_1,cell_2", *rows]))
    with pytest.raises(InputError, match=r"row 'ENSG00000004321' \(line 4323\), column 'cell_2'"):
        read(path)


def test_truncated_gzip_is_refused(tmp_path):
    whole = gzip.compress("\n".join(["gene,cell_1", *(f"gene_{i},{i}" for i in range(20000))]).encode())
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged or truncated"):
        read(tmp_path / "cut.csv.gz")


@pytest.mark.parametrize(
    "text",
    [
        "gene,cell_1,cell_2\nActb,1,2\nGapdh,0,4\n",
        "\ufeffgene\tcell_1\tcell_2\r\nActb\t1\t2\r\nGapdh\t0\t4\r\n",
        ",cell_1,cell_2\nActb,1.0,2e0\n\nGapdh, 0 ,4",
        '"cell_1","cell_2"\n"Actb",1,2\n"Gapdh",0,4\n',
        "cell_1 cell_2\nActb 1 2\nGapdh 0 4\n",
        "gene;cell_1;cell_2\nActb;1;2\nGapdh;0;4\n",
    ],
    ids=["csv", "tsv, BOM, CRLF", "blank line", "R, quoted", "R, spaces", "semicolons"],
)
def test_dialects_give_one_data_set(tmp_path, text):
    data = read(write(tmp_path / "small.txt", text))
    assert dense(data).tolist() == [[1, 0], [2, 4]]
    assert data.obs_names.tolist() == ["cell_1", "cell_2"]
    assert data.var_names.tolist() == ["Actb", "Gapdh"]


def test_names_that_look_like_missing_values_stay_names(tmp_path):
    data = read(write(tmp_path / "na.csv", "gene,cell_1,cell_2\nNA,1,2\nnan,0,4\nActb,1,1\n"))
    assert data.var_names.tolist() == ["NA", "nan", "Actb"]


def test_duplicates_are_made_unique_and_named(tmp_path):
    data = read(write(tmp_path / "twice.csv", "gene,cell_1,cell_1\nActb,1,2\nActb,0,4\nGapdh,1,1\n"))
    assert data.var_names.tolist() == ["Actb", "Actb-1", "Gapdh"]
    assert data.obs_names.tolist() == ["cell_1", "cell_1-1"]
    assert sum("made unique" in note for note in data.notes) == 2


def test_empty_cells_and_genes_are_kept_and_reported(tmp_path):
    data = read(write(tmp_path / "zeros.csv", "gene,cell_1,cell_2\nActb,1,0\nGapdh,0,0\nMapk1,3,0\n"))
    assert data.expression.shape == (2, 3)
    assert any(
        "Gapdh" in note and "zero in every cell; they are read, the filter decides" in note for note in data.notes
    )
    assert any(
        "cell_2" in warning and "no expression at all; they are read, the filter decides" in warning
        for warning in data.warnings
    )


def test_storage_follows_the_share_of_zeros(tmp_path):
    for zeros, kind in ((0.9, sp.csr_matrix), (0.3, np.ndarray)):
        x = (np.random.default_rng(0).random((40, 30)) >= zeros) * 7
        lines = ["gene," + ",".join(f"cell_{c}" for c in range(30))]
        lines += [f"gene_{g}," + ",".join(str(v) for v in row) for g, row in enumerate(x)]
        data = read(write(tmp_path / f"{zeros}.csv", "\n".join(lines)))
        assert isinstance(data.expression, kind)
        assert data.expression.dtype == np.float32
        assert np.array_equal(dense(data), x.T)


@settings(max_examples=25, deadline=None)
@given(
    values=st.integers(1, 6).flatmap(
        lambda n: st.lists(st.lists(st.floats(0, 1e6, width=32), min_size=n, max_size=n), min_size=1, max_size=6)
    ),
    zipped=st.booleans(),
)
def test_transposing_a_file_gives_the_same_data(tmp_path_factory, values, zipped):
    x = np.asarray(values, dtype=np.float32)  # cells x genes
    cells, genes = [f"cell_{i}" for i in range(x.shape[0])], [f"ENSG{i:011d}" for i in range(x.shape[1])]
    folder = tmp_path_factory.mktemp("turned")
    data = []
    for name, rows, columns, matrix in (("a", cells, genes, x), ("b", genes, cells, x.T)):
        text = "\n".join(
            [
                ",".join(["", *columns]),
                *(",".join([row, *(repr(float(v)) for v in line)]) for row, line in zip(rows, matrix, strict=True)),
            ]
        )
        path = folder / f"{name}.csv"
        path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
        data.append(read(path))
    upright, turned = data
    assert np.array_equal(dense(upright), x)
    assert type(upright.expression) is type(turned.expression)
    assert np.array_equal(dense(upright), dense(turned))
    assert upright.obs_names.tolist() == turned.obs_names.tolist() == cells
    assert upright.var_names.tolist() == turned.var_names.tolist() == genes
    assert upright.scale == turned.scale
    assert (upright.facts["orientation"], turned.facts["orientation"]) == ("cells-by-genes", "genes-by-cells")


def test_what_does_not_fit_is_refused_with_the_number(tmp_path):
    lines = ["gene," + ",".join(f"cell_{c}" for c in range(500))]
    lines += [f"gene_{g}," + ",".join(["1"] * 500) for g in range(400)]
    path = write(tmp_path / "big.csv", "\n".join(lines))
    with pytest.raises(InsufficientMemoryError, match=r"would need about 0\.00\d+ GiB .* at most 0\.0001 GiB"):
        read(path, max_memory=1e-4)
    assert read(path, max_memory=0.1).n_obs == 500


def test_a_sparse_file_never_becomes_dense(tmp_path):
    n_genes, n_cells = 20_000, 1_000
    with gzip.open(tmp_path / "sparse.csv.gz", "wt", compresslevel=1) as handle:
        handle.write("gene," + ",".join(f"cell_{c}" for c in range(n_cells)) + "\n")
        for g in range(n_genes):
            handle.write(f"gene_{g}," + "0," * (n_cells - 1) + f"{g % 5}\n")
    tracemalloc.start()
    table = read_table(tmp_path / "sparse.csv.gz")
    matrix = table.assemble(transpose=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert matrix.nnz == n_genes * 4 // 5
    assert peak < n_genes * n_cells * 4 / 2  # half of the dense float32 matrix


def test_other_binary_content_is_refused(tmp_path, data_dir):
    (tmp_path / "sheet.xlsx").write_bytes(b"PK\x03\x04\x14\x00\x06\x00" + bytes(100))
    with pytest.raises(InputError, match="neither text"):
        read(tmp_path / "sheet.xlsx")
    matrix = data_dir / "formats/tenx_tiny/3.0.0/filtered_feature_bc_matrix/matrix.mtx.gz"
    shutil.copy(matrix, tmp_path / "matrix.mtx.gz")
    with pytest.raises(InputError, match=r"lacks barcodes\.tsv and features\.tsv.*beside it"):
        read(tmp_path / "matrix.mtx.gz")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Actb,Gapdh,Mapk1\n3,0,1\n0,5,2\n3,1,1\n", "numbers that repeat (such as 3) under 'Actb'"),
        ("Xyz;Gapdh;Mapk1\n1.5;0;1\n1.5;5;2\n", "numbers that repeat (such as 1.5) under 'Xyz'"),
        ("Pou5f1,Gapdh,Mapk1\n3,0,1\n4,5,2\n", "numbers alone under 'Pou5f1'"),
    ],
)
def test_a_table_without_cell_names_keeps_its_first_gene(tmp_path, text, found):
    with pytest.raises(InputError, match="no names in its first column") as caught:
        read(write(tmp_path / "bare.csv", text))
    assert caught.value.expected == "a first column of names"
    assert caught.value.found == found
    assert "index=True" in caught.value.advice


@pytest.mark.parametrize(
    "header", ["cell,Actb,Gapdh", "ID,Actb,Gapdh", ",Actb,Gapdh", "Actb,Gapdh"], ids=["cell", "ID", "no corner", "R"]
)
def test_numbers_that_stand_once_are_names(tmp_path, header):
    data = read(write(tmp_path / "ids.csv", header + "\n101,3,0\n102,3,5\n7,0,1\n"))
    assert data.obs_names.tolist() == ["101", "102", "7"]
    assert data.var_names.tolist() == ["Actb", "Gapdh"]


NUMBERS = st.one_of(
    st.integers(0, 12).map(str),
    st.integers(0, 10**20).map(str),
    st.floats(0, 1e38).map(repr),
    st.floats(0, 1e6, width=32).map("{:.4f}".format),
    st.decimals(0, 10**9, places=9).map("{:f}".format),
    st.sampled_from(
        ["0", "0", "0", "00", "0.0", "007", "1.", ".5", "1e-3", "+2", " 3 ", "2E+2", "0.1234567890123456789"]
    ),
    st.sampled_from(["", "-1", "-0", "x", ".", "1.2.3", "1,5", "nan", "1e400", "1_0", '"4"', "٣"]),
)


@settings(max_examples=300, deadline=None)
@given(
    rows=st.integers(1, 9).flatmap(
        lambda n: st.lists(st.lists(NUMBERS, min_size=n, max_size=n), min_size=1, max_size=5)
    ),
    separator=st.sampled_from([",", "\t", ";", " "]),
    names=st.lists(st.sampled_from(["Actb", '"Actb"', "a.b", "x y", '"a,b"', "1", ""]), min_size=5, max_size=5),
    line_break=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_read_together_is_what_is_read_line_by_line(rows, separator, names, line_break):
    lines = "".join(separator.join([name, *row]) + line_break for name, row in zip(names, rows, strict=False)).encode()
    columns = np.array([f"c{at}" for at in range(len(rows[0]))])
    layout = Layout(separator, len(columns) + 1, 0, np.arange(1, len(columns) + 1), columns, "gene", {})
    together = plain_block(lines, layout)
    try:
        strict = StrictReader(Path("x"), layout).read(2, lines)
    except (InputError, CommaFoundError):
        assert together is None
        return
    if together is not None:
        values = [x if isinstance(x, np.ndarray) else x.toarray() for x in (together.values, strict.values)]
        assert values[0].tobytes() == values[1].tobytes()
        assert type(together.values) is type(strict.values)
        assert together.names == strict.names

"""Parquet, feather and npz: names from the index, columns or files; what is no plain table is refused with the way."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.errors import InputError, InsufficientMemoryError
from scgnn2_engine.io import read
from scgnn2_engine.params import LoadParams

GOLDEN = Path(__file__).parents[1] / "golden"
X = np.array([[3, 0, 12], [1, 5, 0]], dtype=np.float32)
CELLS, GENES = ["cell_1", "cell_2"], ["Actb", "Gapdh", "Sox2"]


def values(data):
    return data.expression if isinstance(data.expression, np.ndarray) else data.expression.toarray()


def right(data):
    assert np.array_equal(values(data), X)
    assert data.obs_names.tolist() == CELLS
    assert data.var_names.tolist() == GENES
    return data


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        *(("pandas", f"{name}.parquet") for name in ("cells_in_rows", "genes_in_rows", "no_index")),
        ("pandas", "counts.feather"),
        ("scipy", "counts.npz"),
    ],
)
def test_golden_arrays(folder, name):
    expected = json.loads((GOLDEN / folder / "expected.json").read_text())[name]
    data = read(GOLDEN / folder / name)
    assert np.array_equal(values(data), np.array(expected["X"], dtype=np.float32))
    assert data.obs_names.tolist() == expected["obs_names"]
    assert data.var_names.tolist() == expected["var_names"]


def test_other_columns_describe_the_rows(tmp_path):
    frame = pd.DataFrame(X.T, columns=CELLS)
    frame.insert(0, "gene", GENES)
    frame.insert(1, "biotype", ["a", "b", None])
    frame.insert(2, "Length", [700, 80, 9])
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    data = right(read(tmp_path / "t.parquet"))
    assert data.warnings == ("Left out of the cells, because they describe the genes: biotype, Length.",)
    assert data.var["Length"].tolist() == [700, 80, 9]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame(X, columns=GENES), "no names of rows"),
        (pd.DataFrame([[1.0, np.nan]], ["cell_1"], GENES[:2]), "missing value in row 'cell_1', column 'Gapdh'"),
        (pd.DataFrame([[1.0, -2]], ["cell_1"], GENES[:2]), "negative value in row 'cell_1', column 'Gapdh'"),
    ],
)
def test_parquet_that_is_refused(tmp_path, frame, words):
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=words):
        read(tmp_path / "t.parquet")


def test_damaged_parquet_and_feather(tmp_path):
    for name in ("no_index.parquet", "counts.feather"):
        whole = (GOLDEN / "pandas" / name).read_bytes()
        for cut in (len(whole) // 2, len(whole) - 3, 20):
            (tmp_path / name).write_bytes(whole[:cut])
            with pytest.raises(InputError, match="damaged or truncated"):
                read(tmp_path / name)


def test_npz_of_arrays_with_names_in_it(tmp_path):
    np.savez(tmp_path / "m.npz", x=X, genes=np.array(GENES), cells=np.array(CELLS))
    right(read(tmp_path / "m.npz"))
    np.savez_compressed(tmp_path / "t.npz", counts=X.T, var_names=np.array(GENES), obs_names=np.array(CELLS))
    right(read(tmp_path / "t.npz"))


def test_npz_with_files_of_names(tmp_path):
    sp.save_npz(tmp_path / "m.npz", sp.csc_matrix(X.T))
    with pytest.raises(InputError, match=r"no names of cells.*m_cells\.txt"):
        read(tmp_path / "m.npz")
    (tmp_path / "m_genes.txt").write_text("\n".join(GENES))
    (tmp_path / "m_barcodes.csv").write_text("barcode\n" + "\n".join(CELLS))
    right(read(tmp_path / "m.npz"))
    (tmp_path / "m_genes.txt").write_text("\n".join(GENES[:2]))
    with pytest.raises(InputError, match="do not fit"):
        read(tmp_path / "m.npz")


def test_npz_takes_its_own_names_only(tmp_path):
    for stem, n in (("n1", 2), ("n12", 1)):
        sp.save_npz(tmp_path / f"{stem}.npz", sp.csr_matrix(X[:n]))
        (tmp_path / f"{stem}_genes.txt").write_text("\n".join(GENES))
        (tmp_path / f"{stem}_barcodes.txt").write_text("\n".join(CELLS[:n]))
    right(read(tmp_path / "n1.npz"))
    assert read(tmp_path / "n12.npz").obs_names.tolist() == CELLS[:1]
    for one in tmp_path.glob("n1_*.txt"):
        one.unlink()
    with pytest.raises(InputError, match=r"no names of cells.*n1_cells\.txt.*n12_barcodes\.txt"):
        read(tmp_path / "n1.npz")


@pytest.mark.parametrize("made", [sp.coo_matrix, sp.dia_matrix, sp.bsr_matrix])
def test_npz_of_another_sparse_form_says_tocsr(tmp_path, made):
    sp.save_npz(tmp_path / "m.npz", made(X))
    with pytest.raises(InputError, match=rf"of another form.*Found: {made.__name__[:3]}.*x\.tocsr\(\)"):
        read(tmp_path / "m.npz")


def test_a_square_npz_asks(tmp_path):
    np.savez(tmp_path / "m.npz", x=X[:, :2], genes=np.array(GENES[:2]), cells=np.array(CELLS))
    with pytest.raises(InputError, match="as many cells as genes"):
        read(tmp_path / "m.npz")
    data = read(tmp_path / "m.npz", LoadParams(orientation="genes-by-cells"))
    assert values(data).tolist() == X[:, :2].T.tolist()


def test_npz_that_is_refused(tmp_path):
    np.savez(tmp_path / "o.npz", x=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="Python objects"):
        read(tmp_path / "o.npz")
    np.savez(tmp_path / "two.npz", a=X, b=X)
    with pytest.raises(InputError, match="holds 2 matrices"):
        read(tmp_path / "two.npz")
    for name, bad in (("indices", [9, 1]), ("indptr", [0, 5, 2])):
        parts = {"data": np.ones(2), "indices": np.array([0, 1]), "indptr": np.array([0, 1, 2]), name: np.array(bad)}
        np.savez(tmp_path / "s.npz", format=np.array(b"csr"), shape=np.array([2, 3]), **parts)
        with pytest.raises(InputError, match="contradict each other"):
            read(tmp_path / "s.npz")
    with pytest.raises(InsufficientMemoryError):
        read(tmp_path / "two.npz", max_memory=1e-8)


def test_workbooks_and_lone_arrays_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "x")
        archive.writestr("xl/workbook.xml", "x")
    with pytest.raises(InputError, match=r"Excel workbook.*csv"):
        read(tmp_path / "book.xlsx")
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(InputError, match="NumPy array without names"):
        read(tmp_path / "x.npy")

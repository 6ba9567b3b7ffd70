"""10x folders and .h5 files of both versions: one matrix whichever form it comes in."""

import gzip
import shutil

import numpy as np
import pytest
import scipy.sparse as sp

from scgnn2_engine.errors import InputError, InsufficientMemoryError
from scgnn2_engine.io import read

V2 = "formats/tenx_tiny/1.2.0/filtered_gene_bc_matrices"
V3 = "formats/tenx_tiny/3.0.0/filtered_feature_bc_matrix"


@pytest.mark.parametrize(
    ("folder", "file"), [(V2, f"{V2}_h5.h5"), (V3, f"{V3}.h5"), ("formats/tenx_visium_mtx", "formats/tenx_visium.h5")]
)
def test_folder_and_h5_agree(data_dir, folder, file):
    one, other = read(data_dir / folder), read(data_dir / file)
    assert isinstance(one.expression, sp.csr_matrix)
    assert (one.expression != other.expression).nnz == 0
    assert one.obs_names.tolist() == other.obs_names.tolist()
    assert one.var_names.tolist() == other.var_names.tolist()
    assert one.scale == other.scale == "counts"


def test_scanpy_reads_the_same(data_dir):
    scanpy = pytest.importorskip("scanpy")
    theirs = scanpy.read_10x_mtx(data_dir / V3)
    ours = read(data_dir / V3)
    assert (ours.expression != theirs.X).nnz == 0
    assert theirs.obs_names.tolist() == ours.obs_names.tolist()


def make(folder, matrix, features, barcodes, prefix=""):
    folder.mkdir(exist_ok=True)
    (folder / f"{prefix}matrix.mtx").write_text(matrix)
    (folder / f"{prefix}features.tsv").write_text(features)
    (folder / f"{prefix}barcodes.tsv").write_text(barcodes)


MATRIX = "%%MatrixMarket matrix coordinate integer general\n3 2 3\n1 1 5\n2 2 7\n3 1 9\n"
FEATURES = "E1\tActb\tGene Expression\nE2\tGapdh\tGene Expression\nAb1\tCD3\tAntibody Capture\n"
BARCODES = "AAACCCAAGGAGAGTA-1\nAAACGCTTCAGCCCAG-1\n"


@pytest.mark.parametrize("prefix", ["", "GSM123_"])
def test_other_features_are_left_out_and_named(tmp_path, prefix):
    make(tmp_path / "run", MATRIX, FEATURES, BARCODES, prefix)
    for path in (tmp_path / "run", tmp_path):  # a folder above is enough
        data = read(path)
        assert data.expression.toarray().tolist() == [[5, 0], [0, 7]]
        assert data.var_names.tolist() == ["Actb", "Gapdh"]
        assert any("CD3" in note for note in data.notes)


@pytest.mark.parametrize(
    ("matrix", "features", "barcodes", "words"),
    [
        (MATRIX, FEATURES, "AAACCCAAGGAGAGTA-1\n", r"does not fit the names.*3 genes .* x 1 cells.*3 x 2"),
        (MATRIX.rpartition("3 1 9")[0], FEATURES, BARCODES, "damaged or truncated"),
        ("%%MatrixMarket matrix coordinate integer general\n", FEATURES, BARCODES, "damaged or truncated"),
        (MATRIX.replace("integer", "real").replace("5", "-5"), FEATURES, BARCODES, "negative value.*Actb"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, matrix, features, barcodes, words):
    make(tmp_path, matrix, features, barcodes)
    with pytest.raises(InputError, match=words):
        read(tmp_path)


def test_missing_parts_are_named(tmp_path, data_dir):
    with pytest.raises(InputError, match="holds nothing of a known format"):
        read(tmp_path)
    make(tmp_path, MATRIX, FEATURES, BARCODES)
    (tmp_path / "barcodes.tsv").unlink()
    with pytest.raises(InputError, match=r"lacks barcodes\.tsv"):
        read(tmp_path)
    for name in ("a", "b"):
        shutil.copytree(data_dir / V3, tmp_path / "both" / name)
    assert read(tmp_path / "both").obs["sample"].unique().tolist() == ["a", "b"]


def test_truncated_matrix_is_refused(tmp_path, data_dir):
    shutil.copytree(data_dir / V3, tmp_path / "cut", copy_function=shutil.copyfile)
    matrix = tmp_path / "cut" / "matrix.mtx.gz"
    whole = gzip.decompress(matrix.read_bytes())
    packed = gzip.compress(whole)
    matrix.write_bytes(packed[: len(packed) * 2 // 3])
    with pytest.raises(InputError, match="damaged or truncated"):
        read(tmp_path / "cut")


def test_what_does_not_fit_is_refused_before_reading(data_dir):
    for path in ("formats/tenx_visium_mtx", "formats/tenx_visium.h5"):
        with pytest.raises(InsufficientMemoryError, match="GiB"):
            read(data_dir / path, max_memory=0.001)


def test_pbmc3k(data_dir):
    data = read(data_dir / "pbmc3k/filtered_gene_bc_matrices")
    assert data.expression.shape == (2700, 32738)
    assert data.expression.nnz == 2286884
    assert data.expression.dtype == np.float32


def test_matrices_further_down_are_named(tmp_path):
    make(tmp_path, MATRIX, FEATURES, BARCODES)
    assert read(tmp_path).warnings == ()
    make(tmp_path / "raw", MATRIX.replace("1 1 5", "1 1 6"), FEATURES, BARCODES)
    data = read(tmp_path)
    assert data.expression.toarray().tolist() == [[5, 0], [0, 7]]
    assert len(data.warnings) == 1
    assert "other 10x matrices below matrix.mtx, which was read: raw/matrix.mtx." in data.warnings[0]

"""Bulk expression: genes are found by name, logs are undone, scaled values refused."""

import numpy as np
import pytest

from scgnn2_engine.data.dataset import Bulk, Dataset
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.io import read_dataset
from scgnn2_engine.io.bulk import read_bulk
from scgnn2_engine.params import RunParams

GENES = np.array(["Actb", "Gapdh", "Mapk1"])


@pytest.mark.parametrize(
    "text", ["gene,s1,s2\nActb,100,50\nSox2,7,0\nGapdh,1,2\n", "sample,Actb,Sox2,Gapdh\ns1,100,7,1\ns2,50,0,2\n"]
)
def test_the_axis_that_shares_genes_is_genes(tmp_path, text):
    (tmp_path / "bulk.csv").write_text(text)
    bulk, notes, warnings = read_bulk(tmp_path / "bulk.csv", GENES)
    assert bulk.expression.tolist() == [[100, 7, 1], [50, 0, 2]]
    assert bulk.sample_names.tolist() == ["s1", "s2"]
    assert bulk.gene_names.tolist() == ["Actb", "Sox2", "Gapdh"]
    assert "2 of the genes shared" in notes[0]
    assert warnings == []


def test_logged_bulk_is_brought_back(tmp_path):
    (tmp_path / "bulk.csv").write_text("gene,s1,s2\nActb,0.5,2.25\nGapdh,1.5,0.125\n")
    bulk, _, warnings = read_bulk(tmp_path / "bulk.csv", GENES)
    assert bulk.expression == pytest.approx(np.expm1([[0.5, 1.5], [2.25, 0.125]]), rel=1e-6)
    assert "looks logged" in warnings[0]


def test_bulk_without_shared_genes_is_refused(tmp_path):
    (tmp_path / "bulk.csv").write_text("gene,s1\nENSG00000000001,3\n")
    with pytest.raises(InputError, match=r"shares no gene.*Actb.*ENSG00000000001"):
        read_bulk(tmp_path / "bulk.csv", GENES)


@pytest.mark.parametrize(
    ("name", "shape", "sc_file"),
    [
        ("chu100", (19, 19097), "expression.csv.gz"),
        ("scmix3cl", (10, 12280), "expression.csv.gz"),
        ("mca_lung", (2, 19490), "counts.h5ad"),
    ],
)
def test_real_bulk(data_dir, name, shape, sc_file):
    params = RunParams(
        load_dataset_dir=str(data_dir),
        load_dataset_name=name,
        load_sc_dataset=sc_file,
        load_cell_type_labels="labels.csv",
        load_bulk_dataset="bulk.csv.gz",
        use_bulk=True,
    )
    data = read_dataset(params)
    assert data.bulk.expression.shape == shape
    assert np.isin(data.bulk.gene_names, data.var_names).sum() > 10_000
    assert data.truth is not None
    assert data.warnings == ()


def cells(bulk=None):
    names = np.array(["c1", "c2"])
    return Dataset(np.ones((2, 3), dtype=np.float32), names, GENES, scale="counts", bulk=bulk)


def test_bulk_that_will_not_be_used_is_not_read():
    data = read_dataset(RunParams(load_bulk_dataset="there is no such file.csv"), cells())
    assert data.bulk is None
    (warning,) = data.warnings
    assert "there is no such file.csv is ignored, because use_bulk is off" in warning


def test_bulk_that_is_to_be_used_must_be_given(tmp_path):
    params = RunParams(use_bulk=True)
    with pytest.raises(ParameterError, match=r"use_bulk needs bulk.*load_bulk_dataset FILE"):
        read_dataset(params, cells())
    with pytest.raises(ParameterError, match="use_bulk needs bulk"):  # before anything is read
        read_dataset(params, tmp_path / "missing.csv")
    bulk = Bulk(np.ones((1, 3)), np.array(["s1"]), GENES)
    assert read_dataset(params, cells(bulk)).bulk is bulk


def test_samples_are_chosen_and_weighed_by_name(tmp_path):
    (tmp_path / "bulk.csv").write_text("gene,s1,s2,s=3\nActb,100,50,7\nGapdh,1,2,9\n")
    bulk, notes, _ = read_bulk(tmp_path / "bulk.csv", GENES, samples="s=3, s1=3")
    assert bulk.sample_names.tolist() == ["s=3", "s1"]
    assert bulk.sample_weights.tolist() == [0.25, 0.75]
    assert bulk.expression.tolist() == [[7, 9], [100, 1]]
    assert "s=3 (25%), s1 (75%)" in notes[-1]


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ("s1,s9", InputError, "no sample 's9'.*s1, s2"),
        ("s1=0", ParameterError, "cannot be '0'.*above 0"),
        ("s1=x", ParameterError, "cannot be 'x'"),
        ("s1,s1", ParameterError, "'s1' twice"),
    ],
)
def test_samples_that_cannot_be_chosen(tmp_path, asked, error, words):
    (tmp_path / "bulk.csv").write_text("gene,s1,s2\nActb,100,50\nGapdh,1,2\n")
    with pytest.raises(error, match=words):
        read_bulk(tmp_path / "bulk.csv", GENES, samples=asked)


def test_genes_count_as_shared_whatever_their_case_and_version(tmp_path):
    (tmp_path / "bulk.csv").write_text("sample,ACTB,GAPDH\ns1,100,1\n")
    bulk, notes, _ = read_bulk(tmp_path / "bulk.csv", GENES)
    assert bulk.gene_names.tolist() == ["ACTB", "GAPDH"]
    assert "2 of the genes shared" in notes[0]


def test_a_transposed_h5ad_is_turned(tmp_path):
    import anndata
    import pandas as pd

    genes, samples = pd.DataFrame(index=["Actb", "Gapdh"]), pd.DataFrame(index=["s1", "s2", "s3"])
    adata = anndata.AnnData(np.array([[1.0, 2, 3], [4, 5, 6]]), obs=genes, var=samples)
    adata.write_h5ad(tmp_path / "bulk.h5ad")
    bulk, _, _ = read_bulk(tmp_path / "bulk.h5ad", GENES)
    assert bulk.sample_names.tolist() == ["s1", "s2", "s3"]
    assert bulk.expression.tolist() == [[1, 4], [2, 5], [3, 6]]


def test_repeated_genes_stay_to_be_averaged(tmp_path):
    (tmp_path / "bulk.csv").write_text("gene,s1\nActb,100\nGapdh,1\nActb,50\n")
    bulk, _, _ = read_bulk(tmp_path / "bulk.csv", GENES)
    assert bulk.gene_names.tolist() == ["Actb", "Gapdh", "Actb"]


def test_an_empty_choice_of_samples_is_refused(tmp_path):
    (tmp_path / "bulk.csv").write_text("gene,s1\nActb,100\nGapdh,1\n")
    with pytest.raises(ParameterError, match="names no sample"):
        read_bulk(tmp_path / "bulk.csv", GENES, samples=" , ")


def test_genes_are_matched_by_identifiers_of_the_cells(tmp_path):
    (tmp_path / "bulk.csv").write_text("gene,s1\nENSG00000000001.4,5\nENSG00000000002,7\nENSG00000000009,1\n")
    ids = np.array(["ENSG00000000001", "ENSG00000000002.1", "ENSG00000000003"])
    bulk, notes, _ = read_bulk(tmp_path / "bulk.csv", np.array(["Actb", "Gapdh", "Sox2"]), gene_ids=ids)
    assert bulk.gene_names.tolist() == ["Actb", "Gapdh", "ENSG00000000009"]
    assert bulk.expression.tolist() == [[5, 7, 1]]
    assert "2 of the genes shared" in notes[0]


def test_genes_are_matched_by_symbols_beside_the_identifiers_of_the_bulk(tmp_path):
    (tmp_path / "bulk.tsv").write_text(
        "EntrezID\tgene_name\ts1\ts2\n60\tACTB\t5\t6\n2597\tGAPDH\t7\t8\n6657\tSOX2\t0\t1\n"
    )
    bulk, notes, _ = read_bulk(tmp_path / "bulk.tsv", np.array(["Actb", "Gapdh", "Pou5f1"]))
    assert bulk.gene_names.tolist() == ["ACTB", "GAPDH", "SOX2"]
    assert bulk.expression.tolist() == [[5, 7, 0], [6, 8, 1]]
    assert "called by the column gene_name" in notes[0]

"""The published flags lead to their files, and every real file is recognised."""

import gzip

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.io import from_anndata, read, read_dataset
from scgnn2_engine.params import RunParams

REAL = {
    "goolam/original_top_expression.csv": (124, 2000, "genes-by-cells", "counts"),
    "goolam/dropout_top_expression.csv": (124, 2000, "genes-by-cells", "counts"),
    "klein1000/expression.csv.gz": (1000, 900, "genes-by-cells", "counts"),
    "scmix3cl/expression.csv.gz": (240, 21651, "genes-by-cells", "counts"),
    "chu100/expression.csv.gz": (100, 19097, "genes-by-cells", "counts"),
    "baron_mouse/expression.csv.gz": (1886, 14466, "genes-by-cells", "counts"),
    "pbmc3k/filtered_gene_bc_matrices": (2700, 32738, "genes-by-cells", "counts"),
    "mca_lung/counts.h5ad": (6940, 17519, "cells-by-genes", "counts"),
    "formats/tenx_tiny/1.2.0/filtered_gene_bc_matrices/hg19_chr21": (12, 343, "genes-by-cells", "counts"),
    "formats/tenx_tiny/1.2.0/filtered_gene_bc_matrices_h5.h5": (12, 343, "genes-by-cells", "counts"),
    "formats/tenx_tiny/3.0.0/filtered_feature_bc_matrix": (1107, 507, "genes-by-cells", "counts"),
    "formats/tenx_tiny/3.0.0/filtered_feature_bc_matrix.h5": (1107, 507, "genes-by-cells", "counts"),
    "formats/tenx_visium_mtx": (2898, 19465, "genes-by-cells", "counts"),
    "formats/tenx_visium.h5": (2898, 19465, "genes-by-cells", "counts"),
}


@pytest.mark.parametrize("name", REAL)
def test_every_real_file_is_recognised(data_dir, name):
    data = read(data_dir / name)
    assert (data.n_obs, data.n_vars, data.facts["orientation"], data.scale) == REAL[name]
    assert data.expression.dtype == np.float32
    assert len(set(data.obs_names)) == data.n_obs
    assert len(set(data.var_names)) == data.n_vars
    assert not [warning for warning in data.warnings if warning.startswith("Called like")]


def benchmark(data_dir, **more):
    return RunParams(load_use_benchmark=True, load_dataset_dir=str(data_dir), load_dataset_name="goolam", **more)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_benchmark_folder_brings_labels_and_states(data_dir, dropout):
    data = read_dataset(benchmark(data_dir, given_cell_type_labels=True, run_LTMG=False, dropout_prob=dropout))
    assert data.expression.shape == data.states.shape == (124, 2000)
    assert data.facts["states"].endswith(f"LTMG_{dropout}.csv")
    assert len(set(data.truth.sealed_labels)) == 5
    assert data.warnings == ()


@pytest.mark.parametrize("preset", ["paper", "default"])
def test_run_ltmg_computes_instead_of_loading(data_dir, preset):
    computed = read_dataset(benchmark(data_dir, preset=preset, dropout_prob=0.1, run_LTMG=True))
    assert computed.states is None
    assert computed.warnings == ()
    assert read_dataset(benchmark(data_dir, preset=preset, dropout_prob=0.1, run_LTMG=False)).states is not None


def test_an_explicit_ltmg_file_wins_over_run_ltmg(data_dir):
    data = read_dataset(benchmark(data_dir, run_LTMG=True, load_LTMG="LTMG_0.1.csv"))
    assert data.facts["states"].endswith("LTMG_0.1.csv")
    assert data.states.shape == (124, 2000)


def test_labels_of_the_benchmark_folder_are_read_when_asked_for(data_dir):
    assert read_dataset(benchmark(data_dir)).truth is None
    assert read_dataset(benchmark(data_dir, given_cell_type_labels=True)).truth is not None
    assert read_dataset(benchmark(data_dir, load_cell_type_labels="top_cell_labels.csv")).truth is not None


def test_states_of_another_mask_are_not_used(data_dir):
    data = read_dataset(benchmark(data_dir, run_LTMG=False, dropout_prob=0.1, seed=2))
    assert data.states is None
    assert "mask of seed 1" in data.warnings[0]
    assert read_dataset(benchmark(data_dir, run_LTMG=False, dropout_prob=0.2)).states is None


def test_benchmark_files_may_be_gzipped_and_labels_may_be_asked_for(tmp_path, data_dir):
    folder = tmp_path / "mine"
    folder.mkdir()
    content = (data_dir / "goolam/original_top_expression.csv").read_bytes()
    (folder / "original_top_expression.csv.gz").write_bytes(gzip.compress(content, 1))
    params = RunParams(load_use_benchmark=True, load_dataset_dir=str(tmp_path), load_dataset_name="mine")
    assert read_dataset(params).truth is None
    with pytest.raises(InputError, match="given_cell_type_labels is set, but there are no labels"):
        read_dataset(params.replace(given_cell_type_labels=True))
    (folder / "original_top_expression.csv.gz").unlink()
    with pytest.raises(InputError, match=r"lacks original_top_expression\.csv"):
        read_dataset(params)
    with pytest.raises(InputError, match=r"no data set folder.*mine"):
        read_dataset(params.replace(load_dataset_name="yours"))
    with pytest.raises(ParameterError, match="needs to know the folder"):
        read_dataset(RunParams(load_use_benchmark=True))


@pytest.mark.parametrize("spelling", ["in the folder", "in the directory", "absolute"])
def test_names_are_found_in_the_folder_or_anywhere(data_dir, spelling):
    folders = {"load_dataset_dir": str(data_dir), "load_dataset_name": "klein1000"}
    name, folder = {
        "in the folder": ("expression.csv.gz", folders),
        "in the directory": ("klein1000/expression.csv.gz", {"load_dataset_dir": str(data_dir)}),
        "absolute": (str(data_dir / "klein1000/expression.csv.gz"), {}),
    }[spelling]
    assert read_dataset(RunParams(load_sc_dataset=name, **folder)).n_obs == 1000
    assert read_dataset(RunParams(**folder), name).n_obs == 1000


def test_10x_and_seurat_flags(tmp_path, data_dir):
    tiny = str(data_dir / "formats/tenx_tiny/3.0.0/filtered_feature_bc_matrix")
    assert read_dataset(RunParams(load_from_10X=tiny)).n_obs == 1107
    assert read_dataset(RunParams(load_from_10X=f"{tiny}.h5")).n_obs == 1107
    (tmp_path / "seurat.csv").write_text('"","AAACATACAACCAC-1","AAACATTGAGCTAC-1"\n"CD3E",1,0\n"MS4A1",0,4\n')
    seurat = read_dataset(RunParams(load_seurat_object=str(tmp_path / "seurat.csv")))
    assert seurat.expression.tolist() == [[1, 0], [0, 4]]
    with pytest.raises(InputError, match="not what load_from_10X reads"):
        read_dataset(RunParams(load_from_10X=str(tmp_path / "seurat.csv")))


def test_one_source_of_the_matrix(data_dir):
    with pytest.raises(ParameterError, match=r"Nothing says where.*load_sc_dataset, load_from_10X"):
        read_dataset(RunParams())
    with pytest.raises(ParameterError, match=r"given twice.*load_use_benchmark and load_sc_dataset"):
        read_dataset(benchmark(data_dir, load_sc_dataset="x.csv"))
    with pytest.raises(ParameterError, match=r"given twice.*the data itself and load_from_10X"):
        read_dataset(RunParams(load_from_10X="x"), "y.csv")


def test_missing_files_say_where_was_looked(data_dir):
    params = RunParams(load_dataset_dir=str(data_dir), load_dataset_name="goolam", load_sc_dataset="matrix.csv")
    with pytest.raises(InputError, match=r"matrix\.csv \(load_sc_dataset\) does not exist.*goolam/matrix\.csv"):
        read_dataset(params)


@pytest.mark.parametrize("flag", ["load_sc_dataset", "load_cell_type_labels", "load_LTMG", "load_bulk_dataset"])
def test_pickles_are_refused_behind_every_flag(tmp_path, flag):
    (tmp_path / "ind.goolam.x").write_bytes(b"\x80\x04K\x01.")
    adata = anndata.AnnData(np.ones((3, 2), dtype=np.float32), obs=pd.DataFrame(index=["cell_1", "cell_2", "cell_3"]))
    params = RunParams(**{flag: str(tmp_path / "ind.goolam.x")}, use_bulk=flag == "load_bulk_dataset")
    with pytest.raises(InputError, match="runs any code"):
        read_dataset(params, None if flag == "load_sc_dataset" else adata)


def test_orientation_and_scale_can_be_forced(tmp_path):
    (tmp_path / "bare.csv").write_text("x,1,2,3\n4,1,0,2\n5,3,0,1\n")
    with pytest.raises(InputError, match="names do not tell"):
        read_dataset(RunParams(), tmp_path / "bare.csv")
    cells = read_dataset(RunParams(load_orientation="cells-by-genes", load_scale="logged"), tmp_path / "bare.csv")
    assert cells.expression.tolist() == [[1, 0, 2], [3, 0, 1]]
    assert cells.scale == "logged"
    assert "look counts" in cells.warnings[0]
    genes = read_dataset(RunParams(load_orientation="genes-by-cells"), tmp_path / "bare.csv")
    assert genes.expression.tolist() == [[1, 3], [0, 0], [2, 1]]


@pytest.mark.parametrize(
    "data", [pd.DataFrame({"Actb": [1, 2]}), np.ones((2, 3)), [[1, 2]]], ids=["df", "array", "list"]
)
def test_other_objects_are_refused_with_what_is_accepted(data):
    for refused in (lambda: read_dataset(RunParams(), data), lambda: from_anndata(data)):
        with pytest.raises(
            InputError, match=r"a path .*an AnnData .*or a Dataset.*from_anndata\(anndata\.AnnData\(df\)\)"
        ):
            refused()


def test_a_layer_of_what_has_none_is_refused(tmp_path):
    (tmp_path / "text.csv").write_text("gene,cell_1,cell_2\nActb,1,2\nGapdh,0,4\n")
    with pytest.raises(InputError, match=r"load_layer spliced names a layer, and .*text\.csv has none"):
        read_dataset(RunParams(load_layer="spliced"), tmp_path / "text.csv")


def test_the_benchmark_says_whence_its_orientation_is(data_dir):
    assert "Orientation genes-by-cells, as the benchmark's files are." in read_dataset(benchmark(data_dir)).notes
    asked = read_dataset(benchmark(data_dir, load_orientation="genes-by-cells")).notes
    assert "Orientation genes-by-cells, as asked (load_orientation)." in asked


def test_values_beyond_float32_are_not_called_infinite():
    for value, words in ((1e300, "too large for float32"), (-1e300, "a negative value"), (np.inf, "NaN or infinite")):
        adata = anndata.AnnData(np.array([[1.0, value], [2.0, 5.0]]))
        with pytest.raises(InputError, match=f"{words} in cell '0', gene '1'"):
            from_anndata(adata)


def test_entries_that_stand_twice_are_added_up_and_said():
    twice = sp.csr_matrix(([1.0, 2.0, 4.0], [1, 1, 0], [0, 2, 3]), shape=(2, 2))
    data = from_anndata(anndata.AnnData(twice))
    assert data.expression.toarray().tolist() == [[0, 3], [4, 0]]
    assert any("1 entries of The AnnData stand there twice" in warning for warning in data.warnings)
    assert twice.nnz == 3

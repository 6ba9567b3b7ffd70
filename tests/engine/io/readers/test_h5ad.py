"""Which matrix of an AnnData is read, and that a scaled one never is in silence."""

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.data.simulation import simulate
from scgnn2_engine.errors import InputError, InsufficientMemoryError
from scgnn2_engine.io import dataset_to_anndata, from_anndata, read
from scgnn2_engine.io.demo import demo
from scgnn2_engine.params import RunParams

COUNTS = np.arange(12, dtype=np.float32).reshape(4, 3)


def make(**parts):
    obs = pd.DataFrame({"batch": ["a", "a", "b", "b"]}, index=[f"cell_{i}" for i in range(4)])
    adata = anndata.AnnData(np.log1p(COUNTS), obs=obs, var=pd.DataFrame(index=["Actb", "Gapdh", "Mapk1"]))
    for name, layer in parts.items():
        adata.layers[name] = layer
    return adata


@pytest.fixture(params=["memory", "file"])
def bring(request, tmp_path):
    def through(adata, load=None):
        if request.param == "memory":
            return from_anndata(adata, load)
        adata.write_h5ad(tmp_path / "data.h5ad")
        return read(tmp_path / "data.h5ad", load)

    return through


def test_counts_layer_comes_first(bring):
    adata = make(counts=sp.csc_matrix(COUNTS), other=COUNTS)
    adata.raw = make()
    data = bring(adata)
    assert data.facts["matrix"] == "layers['counts']"
    assert isinstance(data.expression, sp.csr_matrix)
    assert np.array_equal(data.expression.toarray(), COUNTS)
    assert data.obs["batch"].tolist() == ["a", "a", "b", "b"]


def test_raw_comes_before_x_with_its_own_genes(bring):
    adata = make()
    adata.raw = anndata.AnnData(
        np.c_[COUNTS, COUNTS[:, :1]], obs=adata.obs, var=pd.DataFrame(index=["Actb", "Gapdh", "Mapk1", "Sox2"])
    )
    data = bring(adata)
    assert data.facts["matrix"] == ".raw"
    assert data.var_names.tolist() == ["Actb", "Gapdh", "Mapk1", "Sox2"]
    assert data.scale == "counts"


def test_x_is_last(bring):
    data = bring(make())
    assert (data.facts["matrix"], data.scale) == ("X", "logged")


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix])
def test_counts_that_are_not_taken_are_said(bring, form):
    adata = make()
    assert bring(adata).warnings == ()
    adata.layers["raw_counts"] = form(COUNTS)
    (said,) = bring(adata).warnings
    assert "Matrix X holds no counts, but layers['raw_counts'] holds whole numbers" in said
    assert "--load_layer raw_counts" in said
    assert bring(adata, RunParams(load_layer="X").load).warnings == ()  # as asked
    adata.layers["counts"] = form(COUNTS)
    assert bring(adata).warnings == ()
    logged_raw = make()
    logged_raw.raw = logged_raw.copy()
    logged_raw.X = form(COUNTS)
    (said,) = bring(logged_raw).warnings
    assert "Matrix .raw holds no counts, but X holds whole numbers" in said


@pytest.mark.parametrize("name", ["other", "X"])
def test_a_layer_can_be_asked_for(bring, name):
    data = bring(make(counts=COUNTS, other=COUNTS + 1), RunParams(load_layer=name).load)
    assert np.allclose(data.expression, COUNTS + 1 if name == "other" else np.log1p(COUNTS))


def test_an_unknown_layer_lists_those_there_are(bring):
    with pytest.raises(InputError, match=r"no layer 'count'.*counts, X"):
        bring(make(counts=COUNTS), RunParams(load_layer="count").load)


def test_scaled_values_are_refused_with_the_alternatives(bring):
    adata = make(raw_counts=COUNTS)
    adata.X = adata.X - 1
    with pytest.raises(InputError, match=r"negative value in cell 'cell_0', gene 'Actb'.*--load_layer raw_counts"):
        bring(adata)
    del adata.layers["raw_counts"]
    with pytest.raises(InputError, match="holds no other matrix"):
        bring(adata)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(bring, bad):
    adata = make()
    adata.X[2, 1] = bad
    for form in (adata.X, sp.csr_matrix(adata.X)):
        adata.X = form
        with pytest.raises(InputError, match=r"NaN or infinite in cell 'cell_2', gene 'Gapdh'"):
            bring(adata)


def test_the_caller_keeps_his_anndata():
    x = sp.csr_matrix((np.array([1, 2, 0, 3], dtype=np.float32), np.array([1, 1, 0, 2]), np.array([0, 2, 3, 4])))
    adata = anndata.AnnData(x, obs=pd.DataFrame(index=["a", "b", "c"]), var=pd.DataFrame(index=["x", "y", "z"]))
    before = adata.X.copy()
    data = from_anndata(adata)
    assert data.expression.toarray().tolist() == [[0, 3, 0], [0, 0, 0], [0, 0, 3]]
    assert data.expression.nnz == 2
    assert np.array_equal(adata.X.data, before.data)
    assert np.array_equal(adata.X.indices, before.indices)


def test_transposed_anndata_is_warned_of():
    adata = anndata.AnnData(
        COUNTS,
        obs=pd.DataFrame(index=["Actb", "Gapdh", "Mapk1", "Sox2"]),
        var=pd.DataFrame(index=["cell_1", "cell_2", "cell_3"]),
    )
    assert "looks transposed" in from_anndata(adata).warnings[0]
    assert not from_anndata(adata.T).warnings


def test_the_demo_takes_raw_and_refuses_the_scaled_matrix():
    adata = demo()
    data = from_anndata(adata)
    assert (data.facts["matrix"], data.scale, data.n_obs) == (".raw", "counts", 700)
    assert float(data.expression.max()) == 259  # recovered from three decimals of ln(1 + x)
    with pytest.raises(InputError, match=r"negative.*--load_layer raw"):
        from_anndata(adata, RunParams(load_layer="X").load)


def test_a_round_trip_keeps_values_and_annotation(tmp_path):
    data = simulate(30, 40, n_types=3)
    dataset_to_anndata(data).write_h5ad(tmp_path / "simulated.h5ad")
    back = read(tmp_path / "simulated.h5ad")
    assert (back.expression != data.expression).nnz == 0
    assert back.obs_names.tolist() == data.obs_names.tolist()
    assert back.obs["cell_type"].tolist() == data.obs["cell_type"].tolist()


def test_real_h5ad_stays_sparse_and_is_refused_where_it_does_not_fit(data_dir):
    path = data_dir / "mca_lung/counts.h5ad"
    data = read(path)
    assert (data.n_obs, data.scale, data.facts["matrix"]) == (6940, "counts", "X")
    assert isinstance(data.expression, sp.csr_matrix)
    with pytest.raises(InsufficientMemoryError, match="GiB"):
        read(path, max_memory=0.001)


KINDS = ["Gene Expression", "Antibody Capture", "Gene Expression", "Peaks"]
MIXED = np.array([[1, 90, 2, 7], [0, 80, 3, 7], [4, 70, 0, 7]], dtype=np.float32)


def mixed(kinds, column="feature_types"):
    var = pd.DataFrame({column: kinds}, index=["CD3E", "CD3", "LYZ", "chr1:10-20"])
    adata = anndata.AnnData(sp.csr_matrix(MIXED), obs=pd.DataFrame(index=["x", "y", "z"]), var=var)
    adata.varm["loads"] = np.arange(8.0).reshape(4, 2)
    adata.varm["table"] = pd.DataFrame({"rank": [1, 2, 3, 4]}, index=var.index)
    adata.obsm["pca"] = np.ones((3, 2))
    return adata


def brought(adata, how, tmp_path, load=None):
    if how == "memory":
        return from_anndata(adata, load)
    (adata.write_zarr if how == "zarr" else adata.write_h5ad)(tmp_path / f"data.{how}")
    return read(tmp_path / f"data.{how}", load)


@pytest.mark.parametrize("how", ["memory", "h5ad", "zarr"])
@pytest.mark.parametrize(
    ("kinds", "column"),
    [
        (KINDS, "feature_types"),
        (["GEX", "ADT", None, "ATAC"], "feature_types"),
        (["rna", "protein", "rna", "atac"], "modality"),
    ],
)
@pytest.mark.filterwarnings("ignore:Writing zarr v2")
def test_other_features_than_genes_are_left_out_and_said(tmp_path, how, kinds, column):
    data = brought(mixed(kinds, column), how, tmp_path)
    assert data.var_names.tolist() == ["CD3E", "LYZ"]
    assert np.asarray(data.expression.todense()).tolist() == [[1, 2], [0, 3], [4, 0]]
    assert data.varm["loads"].tolist() == [[0, 1], [4, 5]]
    assert data.varm["table"]["rank"].tolist() == [1, 3]
    assert data.obsm["pca"].shape == (3, 2)
    assert any("2 features that are not gene expression were left out: CD3, chr1:10-20." in note for note in data.notes)


@pytest.mark.parametrize("how", ["memory", "h5ad"])
@pytest.mark.parametrize("told", [True, False])
def test_other_features_are_left_out_of_raw_and_layers(tmp_path, how, told):
    whole = mixed(KINDS)
    adata = whole[:, ["CD3", "CD3E"]].copy()
    adata.raw = whole
    if not told:  # the kinds stand beside X alone
        adata.raw = anndata.AnnData(whole.X, obs=whole.obs, var=whole.var[[]])
    data = brought(adata, how, tmp_path)
    assert data.facts["matrix"] == ".raw"
    assert data.var_names.tolist() == (["CD3E", "LYZ"] if told else ["CD3E", "LYZ", "chr1:10-20"])
    whole.layers["counts"] = MIXED * 2
    data = brought(whole, how, tmp_path)
    assert data.facts["matrix"] == "layers['counts']"
    assert sp.csr_matrix(data.expression).toarray().tolist() == [[2, 4], [0, 6], [8, 0]]


@pytest.mark.parametrize("how", ["memory", "h5ad"])
def test_antibodies_alone_are_refused_and_biotypes_are_no_kinds(tmp_path, how):
    with pytest.raises(
        InputError, match=r"no gene expression.*4 features of the kind Antibody Capture.*remove the col"
    ):
        brought(mixed(["Antibody Capture"] * 4), how, tmp_path)
    assert brought(mixed(["protein_coding", "lncRNA", "Custom", ""]), how, tmp_path).expression.shape == (3, 4)


def test_antibodies_in_h5mu_are_read_where_they_are_asked_for(tmp_path):
    antibodies = mixed(["Antibody Capture"] * 4)
    for name, kinds in (("adt", None), ("other", ["Antibody Capture"] * 4)):
        with h5py.File(tmp_path / "a.h5mu", "w") as file:
            part = antibodies if kinds else anndata.AnnData(antibodies.X, obs=antibodies.obs)
            anndata.io.write_elem(file.require_group("mod"), name, part)
        with pytest.raises(InputError, match=rf"no gene expression.*--load_modality {name}\."):
            read(tmp_path / "a.h5mu")
        data = read(tmp_path / "a.h5mu", RunParams(load_modality=name).load)
        assert np.asarray(data.expression.todense()).tolist() == MIXED.tolist()
    with h5py.File(tmp_path / "a.h5mu", "w") as file:
        anndata.io.write_elem(file.require_group("mod"), "rna", mixed(KINDS))
    for load in (None, RunParams(load_modality="rna").load):
        assert read(tmp_path / "a.h5mu", load).var_names.tolist() == ["CD3E", "LYZ"]

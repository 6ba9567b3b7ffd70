"""Zarr folders whose copy of the metadata at the root is older than their parts."""

import shutil
import warnings

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
import zarr

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read
from scgnn2_engine.params import RunParams


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_part_written_anew_is_read_as_it_is_now(tmp_path, zarr_format, rng):
    counts = rng.poisson(2.0, (8, 6)) + np.eye(8, 6, dtype=int)
    adata = anndata.AnnData(counts.astype(np.float32))
    adata.obs_names = [f"AAAC{base}{other}GT-1" for base in "ACGT" for other in "AC"]
    adata.var_names = ["ACTB", "CD3E", "GAPDH", "LYZ", "MS4A1", "NKG7"]
    place = tmp_path / "counts.zarr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # which format will be the default, and that of copies in format 3
        anndata.settings.zarr_write_format, before = zarr_format, anndata.settings.zarr_write_format
        try:
            adata.write_zarr(place)
        finally:
            anndata.settings.zarr_write_format = before
        group = zarr.open_group(place, mode="r+", use_consolidated=False)
        anndata.io.write_elem(group, "X", counts.astype(np.int32))
        anndata.io.write_elem(group["layers"], "more", counts + 1)
    np.testing.assert_array_equal(read(place).expression, counts)
    np.testing.assert_array_equal(read(place, RunParams(load_layer="more").load).expression, counts + 1)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("sparse", [True, False])
def test_a_folder_that_was_copied_in_part(tmp_path, zarr_format, sparse):
    values = np.eye(4, 3, dtype=np.float32) + 1
    adata = anndata.AnnData(sp.csr_matrix(values) if sparse else values)
    adata.obs_names, adata.var_names = ["AAAC", "CCCA", "GGGT", "TTTG"], ["ACTB", "CD3E", "LYZ"]
    adata.obs["none"] = [0, 0, 0, 0]  # whose one part zarr does not write
    root = zarr.open_group(tmp_path / "whole.zarr", mode="w", zarr_format=zarr_format)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how format 3 will be written by default
        anndata.io.write_elem(root, "/", adata)
    data = read(tmp_path / "whole.zarr")
    assert (data.warnings, data.obs["none"].tolist()) == ((), [0, 0, 0, 0])

    def without(place):
        shutil.copytree(tmp_path / "whole.zarr", tmp_path / "part.zarr", dirs_exist_ok=True)
        for part in (tmp_path / "part.zarr" / place).rglob("*"):
            if part.is_file() and part.name not in (".zarray", ".zattrs", "zarr.json"):
                part.unlink()
        return tmp_path / "part.zarr"

    if sparse:
        with pytest.raises(InputError, match=r"\(X/data\) lacks 1 of its parts.*copied in part"):
            read(without("X/data"))
        shutil.rmtree(tmp_path / "part.zarr")
        with pytest.raises(InputError, match=r"\(X/indices\) lacks 1 of its parts.*copied in part"):
            read(without("X/indices"))
    else:
        said = read(without("X")).warnings
        assert any("(X) lacks 1 of its 1 parts, which are read as" in sentence for sentence in said)
    for place in ("obs/_index", "var/_index"):
        with pytest.raises(InputError, match=rf"\({place}\) lacks 1 of its parts.*copied in part"):
            read(without(place))

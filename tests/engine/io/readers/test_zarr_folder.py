"""Zarr folders whose copy of the metadata at the root is older than their parts."""

import warnings

import anndata
import numpy as np
import pytest
import zarr

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

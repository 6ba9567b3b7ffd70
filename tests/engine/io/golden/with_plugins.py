"""h5ad files with filters of hdf5plugin, and what a query of tiledbsoma gives: ``python with_plugins.py``."""

from __future__ import annotations

import shutil
import tempfile
import warnings

import anndata as ad
import hdf5plugin
import scipy.sparse as sp
import tiledbsoma
import tiledbsoma.io
from small import BARCODES, HERE, IDENTIFIERS, SYMBOLS, counts, plain, say, versions

warnings.simplefilter("ignore")
adata = ad.AnnData(sp.csr_matrix(counts(3).astype("float32")))
adata.obs_names, adata.var_names = BARCODES, SYMBOLS
facts = {"obs_names": BARCODES, "var_names": SYMBOLS, "X": plain(adata.X)}

place = HERE / "hdf5plugin"
shutil.rmtree(place, ignore_errors=True)
place.mkdir()
found = {}
for name, chosen in (("zstd", hdf5plugin.Zstd(clevel=3)), ("lz4", hdf5plugin.LZ4())):
    adata.write_h5ad(place / f"{name}.h5ad", compression=chosen.filter_id, compression_opts=chosen.filter_options)
    found[f"{name}.h5ad"] = {**facts, "needs": "hdf5plugin"}
say("hdf5plugin", versions("hdf5plugin", "h5py", "anndata"), found)

# What CELLxGENE's Census and its like give: names stand in columns of obs and var, not as names.
place = HERE / "tiledbsoma"
shutil.rmtree(place, ignore_errors=True)
place.mkdir()
adata.obs.index.name, adata.var.index.name = "barcode", "feature_name"
adata.obs["cell_type"] = ["a", "b"] * 5
adata.var["feature_id"] = IDENTIFIERS
with tempfile.TemporaryDirectory() as folder:
    uri = f"{folder}/experiment"
    tiledbsoma.io.from_anndata(uri, adata, measurement_name="RNA", obs_id_name="barcode", var_id_name="feature_name")
    for axis in (
        "obs",
        "ms/RNA/var",
    ):  # only from_anndata notes which column held the names; Census's own builder does not
        with tiledbsoma.DataFrame.open(f"{uri}/{axis}", "w") as table:
            for key in [key for key in table.metadata if "original_index" in key]:
                del table.metadata[key]
    with (
        tiledbsoma.Experiment.open(uri) as experiment,
        experiment.axis_query("RNA", obs_query=tiledbsoma.AxisQuery(value_filter="cell_type == 'a'")) as query,
    ):
        got = query.to_anndata(X_name="data")
got.write_h5ad(place / "query.h5ad")
names = {"obs_names": list(got.obs["barcode"]), "var_names": list(got.var["feature_name"]), "gene_ids": IDENTIFIERS}
assert list(got.var_names[:2]) == ["0", "1"]
say("tiledbsoma", versions("tiledbsoma", "anndata", "pandas"), {"query.h5ad": {**names, "X": plain(got.X)}})

"""AnnData, MuData and loom files of whatever versions are installed: ``python with_anndata.py FOLDER``."""

from __future__ import annotations

import shutil
import sys
import warnings
from importlib.metadata import version

import anndata as ad
import loompy
import mudata
import numpy as np
import pandas as pd
import scipy.sparse as sp
import zarr
from small import BARCODES, CELL_TYPES, HERE, IDENTIFIERS, SYMBOLS, counts, plain, say, versions

warnings.simplefilter("ignore")
folder = sys.argv[1]
place = HERE / folder
shutil.rmtree(place, ignore_errors=True)
place.mkdir()
modern = int(version("anndata").split(".")[1]) >= 13


def small_anndata() -> ad.AnnData:
    """Counts in X; text with and without repeats, a missing text, numbers; the log values as a layer; a map; uns."""
    values = counts()
    logged = np.log1p(values / values.sum(1, keepdims=True) * 100).astype(np.float32)
    adata = ad.AnnData(sp.csr_matrix(values.astype(np.float32)))
    adata.obs_names, adata.var_names = BARCODES, SYMBOLS
    adata.obs["cell_type"] = pd.Categorical(CELL_TYPES)
    adata.obs["well"] = [f"well {i}" for i in range(10)]
    adata.obs["donor"] = ["d1", None] * 5
    adata.obs["n_counts"] = values.sum(1)
    adata.var["gene_ids"] = IDENTIFIERS
    adata.layers["logged"] = logged
    adata.layers["spliced"] = sp.csr_matrix(np.maximum(values - 1, 0).astype(np.float32))
    adata.obsm["X_umap"] = np.arange(20, dtype=np.float32).reshape(10, 2)
    adata.uns["log1p"] = {"base": None}
    return adata


def facts(adata: ad.AnnData, **more: object) -> dict[str, object]:
    """What is to be read of it."""
    layers = {name: plain(adata.layers[name]) for name in adata.layers if name}  # 0.13 calls X the layer None
    names = {"obs_names": list(map(str, adata.obs_names)), "var_names": list(map(str, adata.var_names))}
    return {**names, "X": plain(adata.X), **({"layers": layers} if layers else {}), **more}


adata = small_anndata()
tool = versions("anndata", "pandas", "h5py")
adata.write_h5ad(place / "plain.h5ad")
kept = {"gene_ids": IDENTIFIERS, "cell_type": CELL_TYPES}
say(folder, tool, {"plain.h5ad": facts(adata, **kept)})

tool = versions("anndata", "zarr")
adata.write_zarr(place / "plain.zarr")
say(folder, tool, {"plain.zarr": facts(adata, **kept, zarr_format=3 if modern else 2)})

if not modern:  # anndata 0.13 with pandas 3 cannot write loom: AttributeError
    small = adata.copy()
    small.obsm.clear()
    small.obs = small.obs[["cell_type", "n_counts"]].astype({"cell_type": object})
    small.write_loom(place / "from_anndata.loom")
    say(folder, versions("anndata", "loompy"), {"from_anndata.loom": facts(small)})
    sys.exit()  # the rest is made once, by the newest

# X dense, raw holds the counts of all genes: what scanpy's tutorial leaves.
scanpy_like = adata.copy()
scanpy_like.obs, scanpy_like.var = adata.obs[[]], adata.var[[]]
scanpy_like.obsm.clear()
scanpy_like.raw = scanpy_like.copy()
scanpy_like.X = np.asarray(adata.layers["logged"])
scanpy_like = scanpy_like[:, [0, 2, 3, 5, 7]].copy()
scanpy_like.layers.clear()
scanpy_like.write_h5ad(place / "raw_and_logged.h5ad", compression="gzip")
raw = {"raw": plain(scanpy_like.raw.X), "raw_var_names": SYMBOLS}
say(folder, versions("anndata", "pandas", "h5py"), {"raw_and_logged.h5ad": facts(scanpy_like, **raw)})


few = adata[:, :6].copy()
few.obs, few.var = few.obs[["cell_type"]], few.var[[]]
few.obsm.clear()
few.uns.clear()
tool = versions("anndata", "zarr")
ad.settings.zarr_write_format = 2
few.write_zarr(place / "format_2.zarr")
say(folder, tool, {"format_2.zarr": facts(few, zarr_format=2)})
ad.settings.zarr_write_format = 3
with zarr.storage.ZipStore(place / "packed.zarr.zip", mode="w") as store:
    ad.io.write_elem(zarr.open_group(store, mode="w"), "/", few)
say(folder, tool, {"packed.zarr.zip": facts(few, zarr_format=3)})


def in_shards(write, store, name, elem, dataset_kwargs, iospec):  # what anndata's documentation calls a callback
    if iospec.encoding_type in {"array", "csr_matrix", "csc_matrix"} and not name.endswith("indptr"):
        length = (elem.data if sp.issparse(elem) else elem).shape[0]
        chunk = 2 if length % 2 == 0 else 1
        rest = () if sp.issparse(elem) else elem.shape[1:]
        dataset_kwargs = {
            **dataset_kwargs,
            "chunks": (chunk, *rest),
            "shards": (chunk * max(1, length // chunk), *rest),
        }
    write(store, name, elem, dataset_kwargs=dataset_kwargs)


dense = few.copy()
dense.X = dense.X.toarray()
dense.layers.clear()
ad.experimental.write_dispatched(
    zarr.open_group(place / "sharded.zarr", mode="w", zarr_format=3), "/", dense, callback=in_shards
)
say(folder, tool, {"sharded.zarr": facts(dense, zarr_format=3)})

proteins = ad.AnnData(np.arange(30, dtype=np.float32).reshape(10, 3))
proteins.obs_names, proteins.var_names = BARCODES, ["CD3_TotalSeqB", "CD19_TotalSeqB", "IgG1_control"]
rna = few.copy()
mdata = mudata.MuData({"prot": proteins, "rna": rna})
mdata.write(place / "citeseq.h5mu")
tool = versions("mudata", "anndata")
modalities = {"rna": facts(rna), "prot": facts(proteins)}
say(folder, tool, {"citeseq.h5mu": {**facts(rna), "modalities": modalities, "modality": "rna"}})
peaks = few[:, :2].copy()
peaks.var_names = ["chr1:100-200", "chr2:300-400"]
peaks.layers.clear()
peaks.obs = peaks.obs[[]]
other = mudata.MuData({"prot": proteins, "atac": peaks})
other.write(place / "no_rna.h5mu")
say(folder, tool, {"no_rna.h5mu": {"asks": "modality", "modalities": {"prot": facts(proteins), "atac": facts(peaks)}}})

# The layout of velocyto run: the main matrix is the sum, three layers beside it; names as velocyto writes them.
whole = counts(1).T
parts = {"spliced": whole * 2 // 3, "unspliced": whole // 3}
parts["ambiguous"] = whole - parts["spliced"] - parts["unspliced"]
cells = [f"sample1:{name[:15]}x" for name in BARCODES]
rows = {"Gene": np.array(SYMBOLS), "Accession": np.array(IDENTIFIERS), "Start": np.arange(12) * 1000}
columns = {"CellID": np.array(cells), "Clusters": np.array([0, 0, 1, 1, 2, 2, 3, 3, 0, 1])}
layers = {"": whole.astype(np.float32), **{name: part.astype(np.uint16) for name, part in parts.items()}}
loompy.create(str(place / "velocyto.loom"), layers, rows, columns)
names = {"obs_names": cells, "var_names": SYMBOLS, "gene_ids": IDENTIFIERS}
say(
    folder,
    versions("loompy", "h5py"),
    {
        "velocyto.loom": {
            **names,
            "X": whole.T.tolist(),
            "layers": {name: plain(part.T) for name, part in parts.items()},
        }
    },
)

"""SCVI: expected counts and clusters of an .h5ad of counts, written beside them (README.md says how to run it)."""

from __future__ import annotations

import argparse
import resource
import sys
import time
import warnings
from pathlib import Path

# This file is called as the package it imports.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]

import anndata  # noqa: E402
import numpy as np  # noqa: E402
import scanpy  # noqa: E402
import scipy.sparse as sp  # noqa: E402
import scvi  # noqa: E402
import torch  # noqa: E402

RESOLUTIONS = (0.1, 0.3, 0.5, 0.8, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts")
    parser.add_argument("output")
    parser.add_argument("--batch", help="column of obs")
    parser.add_argument("--epochs", type=int, default=None, help="default: as many as SCVI takes by itself")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(given.threads)
    scvi.settings.seed = given.seed
    adata = anndata.read_h5ad(given.counts)
    adata.X = sp.csr_matrix(adata.X, dtype=np.float32)
    start = time.process_time()
    scvi.model.SCVI.setup_anndata(adata, batch_key=given.batch)
    model = scvi.model.SCVI(adata, gene_likelihood="nb")
    model.train(max_epochs=given.epochs, accelerator="cpu", enable_progress_bar=False, logger=False)
    adata.obsm["scvi"] = model.get_latent_representation()
    shares = model.get_normalized_expression(library_size=1.0, return_numpy=True)
    adata.layers["scvi"] = np.asarray(shares * np.asarray(adata.X.sum(axis=1)).reshape(-1, 1), dtype=np.float32)
    scanpy.pp.neighbors(adata, use_rep="scvi", random_state=given.seed)
    for resolution in RESOLUTIONS:
        scanpy.tl.leiden(
            adata,
            resolution=resolution,
            flavor="igraph",
            n_iterations=2,
            directed=False,
            random_state=given.seed,
            key_added=f"scvi_leiden_{resolution}",
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{adata.n_obs} x {adata.n_vars}: {time.process_time() - start:.1f} CPU s, peak {peak:.2f} GiB")
    adata.uns.clear()
    adata.write_h5ad(given.output)


if __name__ == "__main__":
    main()

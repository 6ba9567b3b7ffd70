"""Hold a tenth of every count out for a rival in another environment, and score what it wrote.

python benchmarks/rivals/counts.py split ../shared/data/klein1000 TRAIN.h5ad [--seed 0] [--top_genes 2000]
python benchmarks/rivals/counts.py score TRAIN.h5ad OUTPUT.h5ad --layer scvi
"""

from __future__ import annotations

import argparse

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine import RunParams
from scgnn2_engine.benchmark.data_sets import find_data_sets, read_data_set
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.evaluate import denoise_baseline, thin, thinning_scores

BESIDE = ("no_denoising", "gene_mean", "knn_tuned")


def split(given: argparse.Namespace) -> None:
    (data_set,), _ = find_data_sets([given.data])
    data = read_data_set(data_set)
    train, test = (sp.csr_matrix(half) for half in thin(data.expression, 0.1, given.seed))
    seen = np.asarray(train.sum(axis=0)).ravel() > 0
    cells, genes = np.arange(data.n_obs), np.flatnonzero(seen)
    if given.top_genes:
        params = RunParams(run_LTMG=False, preprocess_top_gene_select=given.top_genes, dropout_prob=0.0)
        kept = prepare(data.__class__(train, data.obs_names, data.var_names, "counts"), params)
        cells, genes = kept.cells, kept.genes
    obs, var = pd.DataFrame(index=data.obs_names[cells]), pd.DataFrame(index=data.var_names[genes])
    layers = {"held_out": test[cells][:, genes]}
    anndata.AnnData(train[cells][:, genes], obs, var, layers=layers).write_h5ad(given.train)


def score(given: argparse.Namespace) -> None:
    halves, output = anndata.read_h5ad(given.train), anndata.read_h5ad(given.output)
    rates = output[halves.obs_names, halves.var_names].layers[given.layer]
    train, test = sp.csr_matrix(halves.X), sp.csr_matrix(halves.layers["held_out"])
    methods = {name: denoise_baseline(name, train) for name in BESIDE}
    rows = {name: thinning_scores(one, train, test) for name, one in {given.layer: rates, **methods}.items()}
    print(pd.DataFrame(rows).T.round(4).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("split")
    one.add_argument("data")
    one.add_argument("train")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--top_genes", type=int, default=0)
    one.set_defaults(act=split)
    other = commands.add_parser("score")
    other.add_argument("train")
    other.add_argument("output")
    other.add_argument("--layer", required=True)
    other.set_defaults(act=score)
    given = parser.parse_args()
    given.act(given)


if __name__ == "__main__":
    main()

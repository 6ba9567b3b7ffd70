"""``scgnn2 genes``: the expected expression of any gene of the input of a finished run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    parser = commands.add_parser(
        "genes",
        help="impute genes of the input that a finished run was not trained on",
        allow_abbrev=False,
        description="Fit genes of the input to what a finished run learned of its cells, and write what is expected of "
        "them, ln(1 + expression) with the cells' own library sizes: as csv (a column a gene), or as h5ad beside what "
        "was observed.",
    )
    parser.add_argument("run", metavar="RUN", help="output folder of a run")
    parser.add_argument("genes", nargs="+", metavar="GENE", help="names, a file with a name a line, or 'all'")
    parser.add_argument("--output", required=True, metavar="FILE", help="csv or h5ad to write")
    parser.add_argument("--overwrite", action="store_true")
    parser.set_defaults(act=_genes)


def _genes(arguments: argparse.Namespace) -> int:
    import numpy as np
    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData

    from scgnn2_engine.errors import ParameterError
    from scgnn2_engine.io import refuse_existing, whole_file
    from scgnn2_engine.io.memory import require_memory
    from scgnn2_engine.io.results.saved import read_observed
    from scgnn2_engine.model.model import Model

    path = Path(arguments.output)
    if path.suffix not in (".csv", ".h5ad"):
        raise ParameterError("--output has no form.", expected="a name that ends in .csv or .h5ad", found=path.name)
    refuse_existing(path, overwrite=arguments.overwrite)
    saved = read_observed(arguments.run)
    genes = _names(arguments.genes, saved.var_names)
    model = Model.of_run(arguments.run)
    require_memory(4.0 * len(model.obs_names) * len(genes), f"What is expected of {len(genes)} genes")
    told = model.other_genes(genes, saved)
    if path.suffix == ".csv":
        with whole_file(path) as temporary:
            pd.DataFrame(told, index=pd.Index(model.obs_names, name="cell"), columns=genes).to_csv(temporary)
    else:
        place = {name: number for number, name in enumerate(saved.var_names)}
        observed = sp.csr_matrix(saved.expression)[:, [place[gene] for gene in genes]]
        adata = AnnData(observed, obs=saved.obs, var=pd.DataFrame(index=np.asarray(genes, dtype=object)))
        adata.layers["scgnn2_rate" if saved.scale == "counts" else "scgnn2_expected"] = told
        with whole_file(path) as temporary:
            adata.write_h5ad(temporary, compression="gzip")
    print(f"{path}: {told.shape[0]} cells x {told.shape[1]} genes")
    return 0


def _names(asked: list[str], var_names: Any) -> list[str]:
    if asked == ["all"]:
        return [str(name) for name in var_names]
    known, found = set(map(str, var_names)), []
    for name in asked:
        if name not in known and Path(name).is_file():
            found += [line.strip() for line in Path(name).read_text("utf-8").splitlines() if line.strip()]
        else:
            found.append(name)
    return list(dict.fromkeys(found))

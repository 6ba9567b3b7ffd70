"""``scgnn2 map``: new cells on a finished run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from scgnn2_engine.cli.parsing import add_reading_flags, given_reading


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    parser = commands.add_parser(
        "map",
        help="place new cells among those of a finished run, without training",
        allow_abbrev=False,
        description="Give new cells the clusters, the embedding and the imputed expression of a finished run. Cells "
        "that are unlike all of the run's are called unknown. Nothing is trained, and the run stays as it is.",
    )
    parser.add_argument("run", metavar="RUN", help="output folder of a run")
    parser.add_argument("data", nargs="+", metavar="DATA", help="new cells, in any format that run reads")
    parser.add_argument(
        "--output", default="mapped.h5ad", metavar="FILE", help="what is written (.h5ad; default: mapped.h5ad)"
    )
    add_reading_flags(
        parser, **dict.fromkeys(("layer", "modality", "genome", "sample", "object", "scale", "orientation"), "")
    )
    parser.add_argument("--overwrite", action="store_true")
    parser.set_defaults(act=_map)


def _map(arguments: argparse.Namespace) -> int:
    from scgnn2_engine.errors import ParameterError
    from scgnn2_engine.io import read, refuse_existing, whole_file
    from scgnn2_engine.io.results.saved_prepared import read_map
    from scgnn2_engine.model.model import Model

    if Path(arguments.output).suffix != ".h5ad":
        raise ParameterError("map writes an h5ad.", expected="--output NAME.h5ad", found=arguments.output)
    refuse_existing(arguments.output, overwrite=arguments.overwrite)
    model = Model.of_run(arguments.run)
    data = arguments.data if len(arguments.data) > 1 else arguments.data[0]
    mapped = model.map(read(data, given_reading(arguments)))
    adata = mapped.to_anndata()
    positions = read_map(arguments.run)
    if positions is not None:
        adata.obsm["X_scgnn2_umap"] = mapped.place(positions)
    with whole_file(arguments.output) as temporary:
        adata.write_h5ad(temporary)
    for sentence in (*mapped.notes, *mapped.warnings):
        print(sentence)
    counts = mapped.table()["scgnn2_cluster"].value_counts()
    print("Cells by cluster: " + ", ".join(f"{name}: {n}" for name, n in counts.items()))
    print(f"{arguments.output}: {adata.n_obs} cells x {adata.n_vars} genes")
    return 0

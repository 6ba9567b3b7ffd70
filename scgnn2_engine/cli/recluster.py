"""``scgnn2 recluster``: another number of clusters of a finished run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    parser = commands.add_parser(
        "recluster",
        help="cut the tree of clusters of a finished run elsewhere, without training",
        allow_abbrev=False,
        description="Write labels_K.csv, K clusters of the cells of a finished run, into its folder. Nothing is "
        "trained; the run's own labels.csv stays as it is.",
    )
    parser.add_argument("run", metavar="RUN", help="output folder of a run")
    parser.add_argument(
        "--n_clusters",
        "--clustering_n_clusters",
        type=int,
        default=0,
        metavar="K",
        help="how many clusters (default: 0, as many as are separated)",
    )
    parser.add_argument("--overwrite", action="store_true")
    parser.set_defaults(act=_recluster)


def _recluster(arguments: argparse.Namespace) -> int:
    import numpy as np
    import pandas as pd

    from scgnn2_engine.io import refuse_existing, whole_file
    from scgnn2_engine.model.model import Model

    model = Model.load(arguments.run)
    labels = model.recluster(arguments.n_clusters)
    sizes = np.bincount(labels)
    path = Path(arguments.run) / f"labels_{len(sizes)}.csv"
    refuse_existing(path, overwrite=arguments.overwrite)
    with whole_file(path) as temporary:
        pd.DataFrame({"cell": model.obs_names, "cluster": labels}).to_csv(temporary, index=False)
    print(f"{path}: {len(sizes)} clusters of {', '.join(map(str, sizes))} cells")
    return 0

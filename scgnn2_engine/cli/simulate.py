"""``scgnn2 simulate``: labelled counts of any size."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    simulate = commands.add_parser(
        "simulate",
        help="make labelled counts of any size",
        allow_abbrev=False,
        description="Labelled negative-binomial counts with dropout, as h5ad (labels in obs['cell_type']).",
    )
    simulate.add_argument("out", metavar="OUT.h5ad")
    simulate.add_argument("--n_obs", type=int, default=1000, help="cells (default 1000)")
    simulate.add_argument("--n_vars", type=int, default=2000, help="genes (default 2000)")
    simulate.add_argument("--n_types", type=int, default=5, help="cell types (default 5)")
    simulate.add_argument("--dropout", type=float, default=0.3, help="share of the counts missed (default 0.3)")
    simulate.add_argument("--seed", type=int, default=0)
    simulate.add_argument("--overwrite", action="store_true")
    simulate.set_defaults(act=_simulate)


def _simulate(arguments: argparse.Namespace) -> int:
    from scgnn2_engine.data.simulation import simulate
    from scgnn2_engine.io import export, refuse_existing

    refuse_existing(arguments.out, overwrite=arguments.overwrite)
    data = simulate(
        n_obs=arguments.n_obs,
        n_vars=arguments.n_vars,
        n_types=arguments.n_types,
        dropout=arguments.dropout,
        seed=arguments.seed,
    )
    for loss in export(data, arguments.out):
        print(f"Not carried over: {loss}")
    print(f"{arguments.out}: {data.n_obs} cells x {data.n_vars} genes")
    return 0

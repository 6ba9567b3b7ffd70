"""``scgnn2 ltmg``: the LTMG states alone."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    ltmg = commands.add_parser(
        "ltmg",
        help="compute LTMG states alone",
        allow_abbrev=False,
        description="LTMG states of a matrix: genes x cells in, genes x cells out (tab-separated, column ID).",
    )
    ltmg.add_argument("expression", metavar="EXPRESSION", help="matrix, genes x cells, not logged")
    ltmg.add_argument("out", metavar="OUT.csv")
    ltmg.add_argument("--mode", choices=["reference", "per_gene"], default="reference")
    ltmg.add_argument("--overwrite", action="store_true")
    ltmg.set_defaults(act=_ltmg)


def _ltmg(arguments: argparse.Namespace) -> int:
    from scgnn2_engine.data.ltmg import ltmg_states
    from scgnn2_engine.io import read, refuse_existing, write_states
    from scgnn2_engine.params import LoadParams

    refuse_existing(arguments.out, overwrite=arguments.overwrite)
    data = read(arguments.expression, LoadParams(orientation="genes-by-cells"))
    for note in (*data.notes, *data.warnings):
        print(note)
    states = ltmg_states(data.expression, mode=arguments.mode)
    write_states(arguments.out, states, data.obs_names, data.var_names)
    print(f"{arguments.out}: states of {data.n_vars} genes in {data.n_obs} cells")
    return 0

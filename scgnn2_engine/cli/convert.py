"""``scgnn2 convert``: from one file format to another."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    convert = commands.add_parser(
        "convert",
        help="read one format, write another",
        allow_abbrev=False,
        description="Read anything that run reads and write it in another format; what that cannot hold is named.",
    )
    convert.add_argument("source", metavar="FROM")
    convert.add_argument("out", metavar="TO", help=".h5ad, .rds, .RData, .rda, .csv, .tsv, .csv.gz, .tsv.gz")
    convert.add_argument(
        "--class",
        dest="r_class",
        choices=["seurat", "sce", "dgCMatrix", "matrix", "data.frame"],
        default="",
        help="what an R file holds (default: .rds a Seurat object, .RData a data frame df; sce needs R)",
    )
    convert.add_argument(
        "--object", "--load_object", default="", help="object to read of an .RData file that holds several"
    )
    convert.add_argument(
        "--layer", "--load_layer", default="", help="layer to read; without it everything that TO can hold is taken"
    )
    convert.add_argument(
        "--orientation",
        "--load_orientation",
        choices=["auto", "cells-by-genes", "genes-by-cells"],
        default="auto",
        help="what the rows of a table are",
    )
    convert.add_argument("--overwrite", action="store_true")
    convert.set_defaults(act=_convert)


def _convert(arguments: argparse.Namespace) -> int:
    from scgnn2_engine.io import convert, refuse_existing
    from scgnn2_engine.params import LoadParams

    refuse_existing(arguments.out, overwrite=arguments.overwrite)
    load = LoadParams(orientation=arguments.orientation, layer=arguments.layer, object=arguments.object)
    report = convert(arguments.source, arguments.out, load=load, r_class=arguments.r_class)
    for sentence in (*report.notes, *(f"Not carried over: {loss}." for loss in report.lost)):
        print(sentence)
    print(f"{arguments.out}: {report.n_obs} cells x {report.n_vars} genes")
    return 0

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
    convert.add_argument("source", nargs="+", metavar="FROM", help="one file or folder, or several samples to join")
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
    for part, whose in (("modality", "an h5mu file"), ("genome", "a 10x .h5 file"), ("sample", "a folder of several")):
        convert.add_argument(f"--{part}", f"--load_{part}", default="", help=f"{part} to read of {whose}")
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
    named = {
        name: getattr(arguments, name) for name in ("orientation", "layer", "object", "modality", "genome", "sample")
    }
    source = arguments.source if len(arguments.source) > 1 else arguments.source[0]
    report = convert(source, arguments.out, load=LoadParams(**named), r_class=arguments.r_class)
    for sentence in (*report.notes, *(f"Not carried over: {loss}." for loss in report.lost)):
        print(sentence)
    print(f"{arguments.out}: {report.n_obs} cells x {report.n_vars} genes")
    return 0

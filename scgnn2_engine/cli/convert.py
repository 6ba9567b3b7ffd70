"""``scgnn2 convert``: from one file format to another."""

from __future__ import annotations

import argparse
from typing import Any

from scgnn2_engine.cli.parsing import add_reading_flags, given_reading


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    convert = commands.add_parser(
        "convert",
        help="read one format, write another",
        allow_abbrev=False,
        description="Read anything that run reads and write it in another format; what that cannot hold is named.",
    )
    convert.add_argument("source", nargs="+", metavar="FROM", help="one file or folder, or several samples to join")
    convert.add_argument("out", metavar="TO", help=".h5ad, .rds, .RData, .rda, .csv, .tsv, .csv.gz, .tsv.gz, .zarr")
    convert.add_argument(
        "--class",
        dest="r_class",
        choices=["seurat", "sce", "dgCMatrix", "matrix", "data.frame"],
        default="",
        help="what an R file holds (default: .rds a Seurat object, .RData a data frame df; sce needs R)",
    )
    all_of_it = "layer to read; without it everything that TO can hold is taken"
    add_reading_flags(
        convert, layer=all_of_it, **dict.fromkeys(("object", "modality", "genome", "sample", "orientation"), "")
    )
    convert.add_argument("--overwrite", action="store_true")
    convert.set_defaults(act=_convert)


def _convert(arguments: argparse.Namespace) -> int:
    from scgnn2_engine.io import convert, refuse_existing

    refuse_existing(arguments.out, overwrite=arguments.overwrite)
    source = arguments.source if len(arguments.source) > 1 else arguments.source[0]
    report = convert(source, arguments.out, load=given_reading(arguments), r_class=arguments.r_class)
    for sentence in (*report.notes, *(f"Not carried over: {loss}." for loss in report.lost)):
        print(sentence)
    print(f"{arguments.out}: {report.n_obs} cells x {report.n_vars} genes")
    return 0

"""``scgnn2 plot``: redraw the figures of a finished run."""

from __future__ import annotations

import argparse
from typing import Any

from scgnn2_engine.cli.parsing import Parser


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    plot = commands.add_parser(
        "plot",
        help="draw a finished run",
        allow_abbrev=False,
        description="Draw the figures of a finished run, as HTML and PNG.",
    )
    kinds = plot.add_subparsers(title="figures", required=True, metavar="FIGURE", parser_class=Parser)
    for kind, text in (
        ("graph", "cells on a map, coloured by cluster, edges as thick as cells are alike"),
        ("heatmap", "imputation error (or change) by cell and gene, cells grouped by cluster"),
        ("sankey", "how the groups of two or more label files flow into each other"),
        ("curves", "losses of every stage, agreement and error of every iteration"),
    ):
        figure = kinds.add_parser(kind, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
        if kind == "sankey":
            figure.add_argument(
                "file_list", nargs="+", metavar="LABELS.csv", help="label files (cell, label), in order"
            )
        else:
            figure.add_argument("folder", metavar="RUN", help="output folder of a run")
        if kind == "graph":
            figure.add_argument("--edgescale", type=float, default=0.03, help="edge width per unit of ln weight")
            figure.add_argument("--node_size", type=float, default=5.0, help="size of the cells in points")
        if kind == "heatmap":
            figure.add_argument("--truth", metavar="MATRIX", help="the true expression; without it imputed - observed")
        where = "sankey beside the first file" if kind == "sankey" else f"figures/{kind} in the run's folder"
        figure.add_argument("--output", metavar="PATH", help=f"path without suffix (default: {where})")
        figure.add_argument("--overwrite", action="store_true", help="replace files that are at --output already")
        figure.set_defaults(act=_plot, kind=kind)


def _plot(arguments: argparse.Namespace) -> int:
    from scgnn2_engine.run import run_figures

    place = {"output": arguments.output, "overwrite": arguments.overwrite}
    if arguments.kind == "graph":
        sizes = {"edgescale": arguments.edgescale, "node_size": arguments.node_size}
        paths = run_figures.plot_graph(arguments.folder, **place, **sizes)
    elif arguments.kind == "heatmap":
        paths = run_figures.plot_heatmap(arguments.folder, **place, truth=arguments.truth)
    elif arguments.kind == "sankey":
        paths = run_figures.plot_sankey(arguments.file_list, **place)
    else:
        paths = run_figures.plot_curves(arguments.folder, **place)
    for path in paths:
        print(path)
    return 0

"""All commands, those of other packages included."""

from __future__ import annotations

import argparse
import importlib.metadata

from scgnn2_engine.cli import (
    benchmark,
    convert,
    evaluate,
    genes,
    info,
    inspect,
    ltmg,
    map,
    markers,
    params,
    plot,
    recluster,
    run,
    simulate,
)
from scgnn2_engine.cli.parsing import Parser

OWN = (run, inspect, map, recluster, markers, genes, plot, ltmg, params, simulate, convert, evaluate, benchmark, info)
"""The commands of the engine, in the order of the help; each module has ``add(commands)``."""

OTHERS = "scgnn2.commands"
"""Entry points of other packages (the dashboard) that add commands in the same way."""


def parser(epilog: str) -> argparse.ArgumentParser:
    """The parser of all commands; ``epilog`` ends the help."""
    whole = Parser(
        prog="scgnn2",
        description="Imputation, clustering and a cell graph of single-cell expression.",
        epilog=epilog,
        allow_abbrev=False,
    )
    whole.add_argument("--version", action="version", version=f"scgnn2 {importlib.metadata.version('scgnn2')}")
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=Parser)
    for command in OWN:
        command.add(commands)
    for point in sorted(importlib.metadata.entry_points(group=OTHERS), key=lambda point: point.name):
        point.load()(commands)
    return whole

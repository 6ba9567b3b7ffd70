"""The command line: ``scgnn2 run``, ``scgnn2 evaluate`` and so on, and commands of others.

Exit codes: 0 done (a time budget that ran out included), 1 unexpected error, 2 parameter, 3 input, 4 output,
5 memory, 6 training, 7 missing package, 8 partial (a file of the result is missing, run.json says which and why; all
others are there), 130 stopped by Ctrl-C or SIGTERM (the best state so far is written).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence

from scgnn2_engine.cli import (
    benchmark,
    convert,
    evaluate,
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
from scgnn2_engine.cli.interrupt import INTERRUPTED
from scgnn2_engine.cli.parsing import Parser
from scgnn2_engine.errors import ScgnnError

OWN = (run, inspect, map, recluster, markers, plot, ltmg, params, simulate, convert, evaluate, benchmark)
"""The commands of the engine, in the order of the help; each module has ``add(commands)``."""

OTHERS = "scgnn2.commands"
"""Entry points of other packages (the dashboard) that add commands in the same way."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    # Idle OpenMP threads that spin slow everything down fourfold when another process competes; read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        arguments = parser().parse_args(argv)
        return int(arguments.act(arguments))
    except ScgnnError as error:
        print(f"scgnn2: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("scgnn2: interrupted, nothing more was written.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, less) has left; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    whole = Parser(
        prog="scgnn2",
        description="Imputation, clustering and a cell graph of single-cell expression.",
        epilog=(__doc__ or "").split("\n\n")[1],
        allow_abbrev=False,
    )
    whole.add_argument("--version", action="version", version=f"scgnn2 {importlib.metadata.version('scgnn2')}")
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=Parser)
    for command in OWN:
        command.add(commands)
    for point in sorted(importlib.metadata.entry_points(group=OTHERS), key=lambda point: point.name):
        point.load()(commands)
    return whole

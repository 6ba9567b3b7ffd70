"""``scgnn2 inspect``: what a file is, and what a run on it would cost."""

from __future__ import annotations

import argparse
import json
from typing import Any

from scgnn2_engine.cli.parsing import add_parameter_flags, given_data, given_params
from scgnn2_engine.errors import InputError, ScgnnError


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    inspect = commands.add_parser(
        "inspect",
        help="say what a file is, without running",
        allow_abbrev=False,
        description="Read DATA as run does and print its format, size, orientation, scale, names, the matrices to "
        "choose from, doubts, and what a run would need.",
    )
    inspect.add_argument("data", nargs="*", metavar="DATA", help="as for run")
    inspect.add_argument("--config", metavar="FILE.toml", help="parameters from a file; flags win over it")
    inspect.add_argument("--json", action="store_true", help="print it for programs")
    add_parameter_flags(inspect)
    inspect.set_defaults(act=_inspect)


def _inspect(arguments: argparse.Namespace) -> int:
    data, params = given_data(arguments, given_params(arguments))

    from scgnn2_engine.run.inspection import inspect

    try:
        found = inspect(data, params)
    except ScgnnError as error:
        recognised = _recognised(arguments.data)
        if arguments.json:
            parts = {name: getattr(error, name) for name in ("problem", "expected", "found", "advice")}
            print(json.dumps({"format": recognised, "error": {"type": type(error).__name__, **parts}}, indent=2))
        elif recognised:
            print(f"format  {recognised}")
        raise
    print(json.dumps(found.to_dict(), indent=2) if arguments.json else found.text)
    return 0


def _recognised(data: list[str]) -> str:
    """The formats of what cannot be read, as far as they can be told."""
    from scgnn2_engine.io.samples.given import recognised

    try:
        return ", ".join(recognised(path) for path in data)
    except (InputError, OSError):
        return ""

"""``scgnn2 params``: every parameter."""

from __future__ import annotations

import argparse
from typing import Any

from scgnn2_engine.params import REFUSED, RunParams, allowed_range, every_parameter


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    show = commands.add_parser(
        "params",
        help="list every parameter",
        allow_abbrev=False,
        description="List every parameter with its sentence, range and default.",
    )
    show.add_argument("--toml", action="store_true", help="as a TOML file for run --config")
    show.add_argument("--preset", metavar="CHOICE", default="default", help="default or paper")
    show.set_defaults(act=_params)


def _params(arguments: argparse.Namespace) -> int:
    params = RunParams(preset=arguments.preset)
    if arguments.toml:
        print(params.to_toml(), end="")
        return 0
    values = params.to_dict()
    for owner, name in every_parameter():
        key = owner.flag(name)
        print(f"--{key}  [{values[key]}]\n    {owner.param[name].doc} ({allowed_range(owner, name)})")
    for key, reason in REFUSED.items():
        print(f"--{key}\n    Not available: {reason}")
    return 0

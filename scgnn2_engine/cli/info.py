"""``scgnn2 info``: what is installed and what this machine has, for a report of a fault."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import re
from collections import defaultdict
from typing import Any

DISTRIBUTION = "scgnn2"
_MARKED = re.compile(r"""^(?P<name>[\w.-]+).*\bextra\s*==\s*["'](?P<extra>\w+)["']""")


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    info = commands.add_parser(
        "info",
        help="versions, devices, threads and memory, for a report of a fault",
        allow_abbrev=False,
        description="Print versions, devices, threads, memory and what of the extras is missing. Nothing of your data.",
    )
    info.add_argument("--json", action="store_true", help="print it for programs")
    info.set_defaults(act=_info)


def _info(arguments: argparse.Namespace) -> int:
    found = collected()
    if arguments.json:
        print(json.dumps(found, indent=2))
        return 0
    for title, values in found.items():
        print(title)
        for name, value in values.items():
            print(f"  {name:<18} {value}")
    return 0


def collected() -> dict[str, dict[str, Any]]:
    """What the command prints, by section and name.

    Examples
    --------
    >>> list(collected())
    ['versions', 'machine', 'extras']
    """
    import torch

    from scgnn2_engine.io.memory import available_memory
    from scgnn2_engine.resources import usable_processors, versions

    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    machine = {
        "processors": usable_processors(),
        "torch threads": torch.get_num_threads(),
        "devices": ", ".join(name for name, there in here.items() if there),
        "free memory": f"{available_memory() / 2**30:.1f} GiB",
        "data folder": os.environ.get("SCGNN2_DATA", "not set (SCGNN2_DATA)"),
    }
    return {"versions": versions(), "machine": machine, "extras": _extras()}


def _extras() -> dict[str, str]:
    """By extra: all there, or what is missing."""
    missing: dict[str, list[str]] = defaultdict(list)
    for line in importlib.metadata.requires(DISTRIBUTION) or ():
        marked = _MARKED.match(line)
        if marked is None:
            continue
        lacking = missing[marked["extra"]]
        try:
            importlib.metadata.version(marked["name"])
        except importlib.metadata.PackageNotFoundError:
            lacking.append(marked["name"])
    return {extra: f"missing: {', '.join(names)}" if names else "installed" for extra, names in missing.items()}

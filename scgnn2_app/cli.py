"""``scgnn2 serve``, ``scgnn2 sweep`` and ``scgnn2 users``: what the dashboard adds to the command line."""

from __future__ import annotations

import argparse
import getpass
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn2_engine.errors import InputError, MissingPackageError, ParameterError

if TYPE_CHECKING:
    from scgnn2_app.context import ServerOptions
    from scgnn2_app.sources.source import Source
    from scgnn2_engine.params import RunParams

WORKSPACE = Path("outputs") / "workspace"
NEEDED = ("panel", "panel_material_ui", "optuna", "filelock")


def add(commands: Any) -> None:
    """Add the commands to the subparsers of the whole command line."""
    _add_serve(commands)
    _add_sweep(commands)
    _add_users(commands)


def _add_serve(commands: Any) -> None:
    serve = commands.add_parser(
        "serve",
        help="the dashboard in the browser",
        allow_abbrev=False,
        description="Serve the dashboard on this machine until Ctrl-C; runs go on without it.",
    )
    add_serve_arguments(serve)
    serve.set_defaults(act=_serve)


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    """What both ``scgnn2 serve`` and ``panel serve scgnn2_app --args`` take."""
    parser.add_argument(
        "data", nargs="*", metavar="PATH", help="data to offer, the first one chosen; 'demo' is 700 cells"
    )
    parser.add_argument(
        "--root", action="append", default=[], metavar="DIR", help="folder the page may read; repeatable"
    )
    parser.add_argument("--port", type=int, default=5006, metavar="N", help="0 takes any that is free (default: 5006)")
    parser.add_argument("--address", default="127.0.0.1", help="others than 127.0.0.1 need --auth")
    parser.add_argument(
        "--host", action="append", default=[], metavar="NAME", help="further name the server is reached by; repeatable"
    )
    parser.add_argument("--auth", metavar="USERS.json", help="users who may log in; see scgnn2 users")
    parser.add_argument(
        "--no-token",
        dest="token",
        action="store_const",
        const="",
        help="let everybody in who reaches the address: on a shared machine all its users, who could start runs and "
        "read files as you (default: the printed address holds a token, new at every start)",
    )
    _add_workspace_arguments(parser)
    parser.add_argument(
        "--max_upload", type=float, default=2048, metavar="MB", help="largest upload in MiB (default: 2048)"
    )
    browser = parser.add_mutually_exclusive_group()
    browser.add_argument("--show", action="store_true", default=None, help="open a browser, desktop or not")
    browser.add_argument("--no-browser", dest="show", action="store_false", help="open no browser")


def _add_workspace_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workspace", default=str(WORKSPACE), metavar="DIR", help=f"all runs (default: {WORKSPACE})")
    parser.add_argument("--runs_at_once", type=int, default=1, metavar="N", help="runs at the same time (default: 1)")
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="threads of each run (default: a fair share)"
    )
    parser.add_argument("--scheduler", default="", metavar="ADDRESS", help="Dask scheduler for the trials of sweeps")


def options_of(arguments: argparse.Namespace) -> ServerOptions:
    """The options that the arguments stand for.

    Raises
    ------
    InputError
        A path is not there or cannot be read.
    ParameterError
        A number is out of range.
    """
    from scgnn2_app.context import ServerOptions
    from scgnn2_engine.io.paths import expanded

    for name, least in (("runs_at_once", 1), ("threads", 0), ("max_upload", 0), ("port", 0)):
        if getattr(arguments, name) < least:
            raise ParameterError(f"--{name} is out of range.", expected=f"at least {least}")
    roots = tuple(Path(root) for root in arguments.root)
    for root in roots:
        if not expanded(root).is_dir():
            raise InputError(f"--root {root} is no folder.", expected="a folder that is there")
    kept = ("address", "port", "runs_at_once", "threads", "scheduler", "show", "token")
    return ServerOptions(
        sources=tuple(_source(path) for path in arguments.data),
        roots=roots,
        workspace=Path(arguments.workspace),
        names=tuple(arguments.host),
        auth=Path(arguments.auth) if arguments.auth else None,
        max_upload=int(arguments.max_upload * 2**20),
        **{name: getattr(arguments, name) for name in kept},
    )


def _serve(arguments: argparse.Namespace) -> int:
    require_app()
    from scgnn2_app.serving.server import serve

    options = options_of(arguments)
    print("Starting the dashboard …", flush=True)
    serve(options, started=lambda address: print(f"The dashboard is at {address}  (Ctrl-C ends it)", flush=True))
    from scgnn2_app.runs.workspace import Workspace

    workspace = Workspace(options.workspace)
    left = [run for run in workspace.run_ids() if workspace.state(run).state in ("running", "queued")]
    if left:
        print(f"{len(left)} runs are left: those under way go on, and the next scgnn2 serve takes all of them up.")
    return 0


def _add_sweep(commands: Any) -> None:
    sweep = commands.add_parser(
        "sweep",
        help="many runs with other parameters, the best found without labels",
        allow_abbrev=False,
        description="Vary parameters of a run on DATA and compare by a score that needs no labels. The same --name "
        "again goes on where it was.",
    )
    sweep.add_argument("data", metavar="DATA", help="as for scgnn2 run")
    sweep.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="KEY=LOW:HIGH[:log][:STEPS] or KEY=A,B,C or KEY",
        help="a parameter to vary; repeatable; KEY alone takes its usual range",
    )
    sweep.add_argument("--strategy", choices=("grid", "random", "tpe"), default="tpe", help="(default: tpe)")
    sweep.add_argument(
        "--trials", type=int, default=20, metavar="N", help="(default: 20; a grid has as many as points)"
    )
    sweep.add_argument("--seconds", type=float, default=0.0, metavar="S", help="time budget; 0 sets none")
    sweep.add_argument("--score", default="validation_error", metavar="NAME", help="(default: validation_error)")
    sweep.add_argument("--direction", default="", choices=("", "minimize", "maximize"), help="for a score of your own")
    sweep.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a parameter of all trials")
    sweep.add_argument("--config", metavar="FILE.toml", help="parameters of all trials from a file")
    sweep.add_argument("--name", default="", help="what to call it; the same name resumes it")
    _add_workspace_arguments(sweep)
    sweep.add_argument("--seed", type=int, default=1, metavar="N", help="of the draws (default: 1)")
    sweep.set_defaults(act=_sweep)


def _sweep(arguments: argparse.Namespace) -> int:
    require_app(("optuna", "filelock"))
    from scgnn2_app.sweeps.terminal import sweep_in_terminal

    return sweep_in_terminal(arguments, _source(arguments.data), given_params(arguments))


def given_params(arguments: argparse.Namespace) -> RunParams:
    """The parameters of all trials: the file, with every ``--set`` laid over it.

    Raises
    ------
    ParameterError
        A key is unknown, or a value out of range.
    """
    import param

    from scgnn2_engine.cli.parsing import parse_value
    from scgnn2_engine.params import RunParams, find_parameter

    values: dict[str, Any] = {}
    for text in arguments.set:
        key, equals, word = text.partition("=")
        owner, name = find_parameter(key)
        declared = owner.param[name]
        if not equals:
            raise ParameterError(f"--set {text} has no value.", expected=f"--set {key}=VALUE")
        if isinstance(declared, param.Boolean) and word.lower() in ("true", "false"):
            values[key] = word.lower() == "true"
        else:
            words = word.replace(",", " ").split() if isinstance(declared, param.List) else word
            values[key] = parse_value(key, declared, words)
    return RunParams.from_toml(arguments.config, **values) if arguments.config else RunParams(**values)


def _add_users(commands: Any) -> None:
    users = commands.add_parser(
        "users",
        help="who may log in to a served dashboard",
        allow_abbrev=False,
        description="Keep the users of scgnn2 serve --auth USERS.json. Passwords are asked for, and kept as hashes.",
    )
    users.add_argument("file", metavar="USERS.json")
    users.add_argument("what", choices=("add", "remove", "list"))
    users.add_argument("name", nargs="?", default="")
    users.set_defaults(act=_users)


def _users(arguments: argparse.Namespace) -> int:
    from scgnn2_app.serving.auth import Users

    users = Users(arguments.file)
    if arguments.what == "list":
        print("\n".join(users.names))
    elif arguments.what == "remove":
        users.remove(arguments.name)
    else:
        users.add(arguments.name, _password())
        print(f"{arguments.name} may log in: scgnn2 serve --auth {arguments.file}")
    return 0


def _password() -> str:
    """From the terminal, twice and unseen; or a line of standard input where that is none."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise ParameterError("The two passwords differ.")
    return password


def _source(path: str) -> Source:
    from scgnn2_app.sources.source import Source
    from scgnn2_engine.io.formats import format_of

    source = Source.named(path)
    if source.path:
        format_of(Path(source.path))
    return source


def require_app(packages: tuple[str, ...] = NEEDED) -> None:
    """Say what is missing where only the engine was installed.

    Raises
    ------
    MissingPackageError
        A package of the extra ``[app]`` is not installed.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise MissingPackageError(
            f"The dashboard needs {', '.join(missing)}.", advice="Install the extra: pip install 'scgnn2[app]'"
        )

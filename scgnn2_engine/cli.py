"""The command line: ``scgnn2 run|plot|ltmg|params|simulate|convert``.

Exit codes: 0 done (a time budget that ran out included), 1 unexpected error, 2 parameter, 3 input, 4 output,
5 memory, 6 training, 7 missing package, 130 stopped by Ctrl-C or SIGTERM (the best state so far is written).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import param

from scgnn2_engine.errors import InsufficientMemoryError, ParameterError, ScgnnError, TrainingError
from scgnn2_engine.params import (
    REFUSED,
    RunParams,
    allowed_range,
    every_parameter,
    unknown_parameter,
)

INTERRUPTED = 130
BROKEN_OFF = {"training_error": TrainingError.exit_code, "out_of_memory": InsufficientMemoryError.exit_code}
"""Exit codes of runs that broke down after an iteration was complete; its results are written all the same."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    # Idle OpenMP threads that spin slow everything down fourfold when another process competes; read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        arguments = _parser().parse_args(argv)
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


class _Parser(argparse.ArgumentParser):
    """An argument parser that raises our own errors and suggests the nearest flag."""

    def error(self, message: str) -> NoReturn:
        raise ParameterError(f"{message[0].upper()}{message[1:]}.", advice=f"{self.prog} --help lists what there is.")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        known, unknown = self.parse_known_args(args, namespace)
        for word in unknown:
            if word.startswith("--"):
                raise unknown_parameter(word[2:].split("=")[0].removeprefix("no-"))
        if unknown:
            raise ParameterError(f"{unknown[0]!r} is one argument too many.", advice=f"{self.prog} --help")
        return known


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="scgnn2",
        description="Imputation, clustering and a cell graph of single-cell expression.",
        epilog=__doc__.split("\n\n")[1],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"scgnn2 {importlib.metadata.version('scgnn2')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)
    _add_run(commands)
    _add_plot(commands)
    _add_ltmg(commands)
    _add_params(commands)
    _add_simulate(commands)
    _add_convert(commands)
    return parser


# ---------------------------------------------------------------------------------------------------- run


def _add_run(commands: Any) -> None:
    run = commands.add_parser(
        "run",
        help="impute, cluster and embed",
        allow_abbrev=False,
        description="Run scGNN 2.0 on DATA and write the results to --output_dir.",
    )
    run.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help="csv/tsv (also .gz), 10x folder or .h5, h5ad, or 'demo' (700 real cells that come with "
        "scanpy); instead of it the --load_* flags can name the files",
    )
    run.add_argument("--config", metavar="FILE.toml", help="parameters from a file; flags win over it")
    run.add_argument("--overwrite", action="store_true", help="replace a result that is in --output_dir already")
    run.add_argument("--quiet", action="store_true", help="print warnings and errors only")
    _add_parameter_flags(run)
    run.set_defaults(act=_run)


def _add_parameter_flags(parser: argparse.ArgumentParser) -> None:
    sections: dict[str, Any] = {}
    for owner, name in every_parameter():
        if owner.title not in sections:
            sections[owner.title] = parser.add_argument_group(owner.title)
        _add_flag(sections[owner.title], owner.flag(name), owner.param[name], allowed_range(owner, name))


def _add_flag(section: Any, key: str, declared: Any, accepts: str) -> None:
    text = f"{declared.doc} ({accepts}; default: {declared.default})".replace("%", "%%")
    options: dict[str, Any] = {"dest": f"param:{key}", "default": None, "help": text}
    if isinstance(declared, param.Boolean):
        section.add_argument(f"--{key}", action=argparse.BooleanOptionalAction, **options)
    elif isinstance(declared, param.List):
        section.add_argument(f"--{key}", nargs=2, metavar=("FIRST", "THEN"), **options)
    else:
        section.add_argument(f"--{key}", metavar=name_of_value(declared), **options)


def name_of_value(declared: Any) -> str:
    """The placeholder of a flag's value in the help."""
    if isinstance(declared, param.Integer):
        return "N"
    if isinstance(declared, param.Number):
        return "X"
    return "CHOICE" if isinstance(declared, param.Selector) else "TEXT"


def parse_value(key: str, declared: Any, text: Any) -> Any:
    """The value that the words of a flag stand for; what is not a number is left for the parameter to refuse."""
    if isinstance(text, list):
        return [_number(int, word) for word in text]
    if isinstance(declared, param.Integer):
        return _number(int, text)
    if isinstance(declared, param.Number):
        return _number(float, text)
    return text


def _number(kind: type, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        return text


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for owner, name in every_parameter():
        key = owner.flag(name)
        words = getattr(arguments, f"param:{key}", None)
        if words is not None:
            values[key] = parse_value(key, owner.param[name], words)
    return values


def _run_params(arguments: argparse.Namespace) -> RunParams:
    given = _given(arguments)
    return RunParams.from_toml(arguments.config, **given) if arguments.config else RunParams(**given)


def _run(arguments: argparse.Namespace) -> int:
    params = _run_params(arguments)
    data = arguments.data
    if data == "demo" and not Path("demo").exists():
        from scgnn2_engine.io.demo import LABEL_COLUMN, demo

        data = demo()
        if not params.load.cell_type_labels:
            params = params.replace(load_cell_type_labels=LABEL_COLUMN)

    from rich.console import Console

    from scgnn2_engine.events import Notice, RunEnded
    from scgnn2_engine.run_folder import iterate_to_folder
    from scgnn2_engine.terminal import reporter

    console = Console(stderr=False)
    interrupted = Interrupt()
    with interrupted, reporter(console) as display:
        for event in iterate_to_folder(data, params, overwrite=arguments.overwrite, stop=lambda: interrupted.asked):
            if not arguments.quiet or (isinstance(event, Notice) and event.level == "warning"):
                display.show(event)
            if isinstance(event, RunEnded):
                reason = event.reason
    print(f"Results: {Path(params.output.dir).resolve()}")
    if reason in BROKEN_OFF:
        return BROKEN_OFF[reason]
    return INTERRUPTED if reason == "stop_signal" else 0


class Interrupt:
    """Turns the first Ctrl-C or SIGTERM into a question the run asks itself; the second one ends it at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("\nStopping: the best state so far will be written. Once more to end at once.", file=sys.stderr)

    def __enter__(self) -> Interrupt:
        for kind in (signal.SIGINT, signal.SIGTERM):
            self._before[kind] = signal.signal(kind, self._take)
        return self

    def __exit__(self, *error: object) -> None:
        for kind, handler in self._before.items():
            signal.signal(kind, handler)


# ---------------------------------------------------------------------------------------------------- params


def _add_params(commands: Any) -> None:
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


# ---------------------------------------------------------------------------------------------------- plot


def _add_plot(commands: Any) -> None:
    plot = commands.add_parser(
        "plot",
        help="draw a finished run",
        allow_abbrev=False,
        description="Draw the figures of a finished run, as HTML and PNG.",
    )
    kinds = plot.add_subparsers(title="figures", required=True, metavar="FIGURE", parser_class=_Parser)
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
    from scgnn2_engine import plot_files

    place = {"output": arguments.output, "overwrite": arguments.overwrite}
    if arguments.kind == "graph":
        sizes = {"edgescale": arguments.edgescale, "node_size": arguments.node_size}
        paths = plot_files.plot_graph(arguments.folder, **place, **sizes)
    elif arguments.kind == "heatmap":
        paths = plot_files.plot_heatmap(arguments.folder, **place, truth=arguments.truth)
    elif arguments.kind == "sankey":
        paths = plot_files.plot_sankey(arguments.file_list, **place)
    else:
        paths = plot_files.plot_curves(arguments.folder, **place)
    for path in paths:
        print(path)
    return 0


# ---------------------------------------------------------------------------------------------------- ltmg


def _add_ltmg(commands: Any) -> None:
    ltmg = commands.add_parser(
        "ltmg",
        help="compute LTMG states alone",
        allow_abbrev=False,
        description="LTMG states of a matrix: genes x cells in, genes x cells out (tab-separated, column ID).",
    )
    ltmg.add_argument("expression", metavar="EXPRESSION", help="matrix, genes x cells, not logged")
    ltmg.add_argument("out", metavar="OUT.csv")
    ltmg.add_argument("--mode", choices=["reference", "per_gene"], default="reference")
    ltmg.add_argument("--overwrite", action="store_true")
    ltmg.set_defaults(act=_ltmg)


def _ltmg(arguments: argparse.Namespace) -> int:
    from scgnn2_engine.io import read, refuse_existing, write_states
    from scgnn2_engine.params import LoadParams
    from scgnn2_engine.prepare import ltmg_states

    refuse_existing(arguments.out, overwrite=arguments.overwrite)
    data = read(arguments.expression, LoadParams(orientation="genes-by-cells"))
    for note in (*data.notes, *data.warnings):
        print(note)
    states = ltmg_states(data.expression, mode=arguments.mode)
    write_states(arguments.out, states, data.obs_names, data.var_names)
    print(f"{arguments.out}: states of {data.n_vars} genes in {data.n_obs} cells")
    return 0


# ---------------------------------------------------------------------------------------------------- simulate, convert


def _add_simulate(commands: Any) -> None:
    simulate = commands.add_parser(
        "simulate",
        help="make labelled counts of any size",
        allow_abbrev=False,
        description="Labelled negative-binomial counts with dropout, as h5ad (labels in obs['cell_type']).",
    )
    simulate.add_argument("out", metavar="OUT.h5ad")
    simulate.add_argument("--n_obs", type=int, default=1000, help="cells (default 1000)")
    simulate.add_argument("--n_vars", type=int, default=2000, help="genes (default 2000)")
    simulate.add_argument("--n_types", type=int, default=5, help="cell types (default 5)")
    simulate.add_argument("--dropout", type=float, default=0.3, help="share of the counts missed (default 0.3)")
    simulate.add_argument("--seed", type=int, default=0)
    simulate.add_argument("--overwrite", action="store_true")
    simulate.set_defaults(act=_simulate)


def _simulate(arguments: argparse.Namespace) -> int:
    from scgnn2_engine.io import export, refuse_existing
    from scgnn2_engine.simulation import simulate

    refuse_existing(arguments.out, overwrite=arguments.overwrite)
    data = simulate(
        n_obs=arguments.n_obs,
        n_vars=arguments.n_vars,
        n_types=arguments.n_types,
        dropout=arguments.dropout,
        seed=arguments.seed,
    )
    for loss in export(data, arguments.out):
        print(f"Not carried over: {loss}")
    print(f"{arguments.out}: {data.n_obs} cells x {data.n_vars} genes")
    return 0


def _add_convert(commands: Any) -> None:
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

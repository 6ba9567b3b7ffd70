"""``scgnn2 run``: the whole method on one data set."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn2_engine.cli.interrupt import Interrupt
from scgnn2_engine.cli.parsing import add_parameter_flags, given_data, given_params
from scgnn2_engine.errors import InsufficientMemoryError, ParameterError, PartialOutputError, TrainingError

if TYPE_CHECKING:
    from scgnn2_engine.params import RunParams
    from scgnn2_engine.training.ranks import Ranks
    from scgnn2_engine.training.tasks import DaskTasks

BROKEN_OFF = {"training_error": TrainingError.exit_code, "out_of_memory": InsufficientMemoryError.exit_code}
"""Exit codes of runs that broke down after an iteration was complete; its results are written all the same."""


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    run = commands.add_parser(
        "run",
        help="impute, cluster and embed",
        allow_abbrev=False,
        description="Run scGNN 2.0 on DATA and write the results to --output_dir.",
    )
    run.add_argument(
        "data",
        nargs="*",
        metavar="DATA",
        help="a file or folder (docs/formats.md lists the formats), or 'demo' (700 real cells that come with scanpy; a "
        "file of that name is ./demo); several are samples, joined by gene (NAME=PATH names one); instead of it the "
        "--load_* flags can name the files",
    )
    run.add_argument("--config", metavar="FILE.toml", help="parameters from a file; flags win over it")
    run.add_argument("--overwrite", action="store_true", help="replace a result that is in --output_dir already")
    run.add_argument("--resume", action="store_true", help="go on with the run that was interrupted in --output_dir")
    run.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="train the members of the ensemble on the workers of this Dask cluster, which share this disk; 'auto' "
        "starts workers on this machine",
    )
    run.add_argument("--quiet", action="store_true", help="print warnings and errors only")
    add_parameter_flags(run)
    run.set_defaults(act=_run)


def _run(arguments: argparse.Namespace) -> int:
    data, params = given_data(arguments, given_params(arguments))
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return _run_together(arguments, data, params)
    return _run_alone(arguments, data, params)


def _run_together(arguments: argparse.Namespace, data: Any, params: RunParams) -> int:
    """As one of the ranks that torchrun started: the first writes and speaks, the others compute with it."""
    from scgnn2_engine.training.ranks import join

    if arguments.resume:
        raise ParameterError(
            "--resume goes on in one process.",
            found=f"{os.environ['WORLD_SIZE']} ranks",
            advice="Start it without torchrun; what the ranks have computed is taken up.",
        )
    ranks = join()
    try:
        if ranks.first:
            return _run_alone(arguments, data, params, ranks)

        from scgnn2_engine.events import drain
        from scgnn2_engine.run.loop import iterate

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first rank decides
        drain(iterate(data, params, ranks=ranks))
        return 0
    finally:
        ranks.leave()


@contextmanager
def _tasks(arguments: argparse.Namespace, params: RunParams) -> Iterator[DaskTasks | None]:
    """Workers elsewhere, where they are asked for."""
    if arguments.scheduler is None:
        yield None
        return
    from scgnn2_engine.io.results.result_folder import CHECKPOINT
    from scgnn2_engine.training.tasks import DaskTasks

    with closing(DaskTasks(arguments.scheduler, Path(params.output.dir) / CHECKPOINT, params.threads or 1)) as tasks:
        yield tasks


def _run_alone(arguments: argparse.Namespace, data: Any, params: RunParams, ranks: Ranks | None = None) -> int:
    from rich.console import Console

    from scgnn2_engine.events import Notice, RunEnded
    from scgnn2_engine.run.folder import iterate_to_folder
    from scgnn2_engine.run.terminal import reporter

    console = Console(stderr=False)
    interrupted = Interrupt()
    with _tasks(arguments, params) as tasks, interrupted, reporter(console) as display:
        for event in iterate_to_folder(
            data,
            params,
            overwrite=arguments.overwrite,
            resume=arguments.resume,
            stop=lambda: interrupted.asked,
            ranks=ranks,
            tasks=tasks,
        ):
            if not arguments.quiet or (isinstance(event, Notice) and event.level == "warning"):
                display.show(event)
            if isinstance(event, RunEnded):
                reason, not_written = event.reason, event.not_written
    print(f"Results: {Path(params.output.dir).resolve()}")
    if not_written:
        raise PartialOutputError(not_written)
    if reason in BROKEN_OFF:
        return BROKEN_OFF[reason]
    return interrupted.exit_code if reason == "stop_signal" else 0

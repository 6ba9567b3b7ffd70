"""``scgnn2 sweep``: a sweep without a screen."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from scgnn2_app.runs.copy_as import as_command
from scgnn2_app.runs.jobs import JobManager
from scgnn2_app.sources.source import Source
from scgnn2_app.sweeps.records import Sweep, SweepInfo, Trial
from scgnn2_app.sweeps.search_space import Axis
from scgnn2_app.sweeps.sweeps import SweepManager
from scgnn2_engine.cli.interrupt import Interrupt
from scgnn2_engine.errors import ParameterError, TrainingError
from scgnn2_engine.params import RunParams

POLL_SECONDS = 0.5


def sweep_in_terminal(arguments: argparse.Namespace, source: Source, params: RunParams) -> int:
    """Start or resume a sweep, print every trial as it ends, and the best; returns the exit code.

    Raises
    ------
    ParameterError
        The axes or the score cannot be used, or a sweep of that name asks for something else.
    """
    manager = JobManager(arguments.workspace, at_once=arguments.runs_at_once, threads=arguments.threads)
    sweeps = SweepManager(manager, scheduler=arguments.scheduler)
    try:
        sweep_id = _begun(sweeps, arguments, source, params)
        interrupted = Interrupt()
        with interrupted:
            info = _follow(sweeps, sweep_id, interrupted)
        best = None if info.best is None else sweeps.params_of(sweep_id, info.best)
    finally:
        sweeps.close()
        manager.close()
    _print_end(info, best)
    if interrupted.asked:
        return interrupted.exit_code
    return TrainingError.exit_code if info.state == "failed" else 0


def _begun(sweeps: SweepManager, arguments: argparse.Namespace, source: Source, params: RunParams) -> str:
    axes = [Axis.parse(text) for text in arguments.param]
    name = arguments.name.strip()
    for info in sweeps.sweeps() if name else ():
        if info.sweep.name == name:
            _require_same(info.sweep, source, axes, arguments)
            print(f"Sweep {name}: {info.n_done} of {info.sweep.n_trials} trials are done ({info.state}).", flush=True)
            sweeps.resume(info.id)
            return info.id
    return sweeps.start(
        source,
        params,
        axes,
        strategy=arguments.strategy,
        score=arguments.score,
        direction=arguments.direction,
        n_trials=arguments.trials,
        seconds=arguments.seconds,
        at_once=arguments.runs_at_once,
        seed=arguments.seed,
        name=name,
    )


def _require_same(sweep: Sweep, source: Source, axes: list[Axis], arguments: argparse.Namespace) -> None:
    before: tuple[Any, ...] = (sweep.source.to_dict(), list(sweep.axes), sweep.score, sweep.strategy)
    now: tuple[Any, ...] = (source.to_dict(), axes or list(sweep.axes), arguments.score, arguments.strategy)
    if before != now:
        raise ParameterError(
            f"A sweep called {sweep.name} is in this workspace already, and asks for something else.",
            expected=f"{sweep.source.text}, {', '.join(axis.text for axis in sweep.axes)}, {sweep.strategy}, "
            f"{sweep.score}",
            found=f"{source.text}, {', '.join(axis.text for axis in axes)}, {arguments.strategy}, {arguments.score}",
            advice="Choose another --name, or resume it with the same arguments.",
        )


def _follow(sweeps: SweepManager, sweep_id: str, interrupted: Interrupt) -> SweepInfo:
    """Print the trials as they end, until the sweep is over."""
    printed: set[int] = set()
    stopping = False
    while True:
        over = sweeps.wait(sweep_id, POLL_SECONDS)
        info = sweeps.sweep(sweep_id)
        for trial in info.trials:
            if trial.number not in printed and trial.state in ("done", "failed"):
                printed.add(trial.number)
                print(_line(trial, info), flush=True)
        if over and info.state not in ("running", "stopping"):
            return info
        if interrupted.asked and not stopping:
            sweeps.stop(sweep_id)
            stopping = True


def _line(trial: Trial, info: SweepInfo) -> str:
    values = "  ".join(f"{key}={_short(value)}" for key, value in trial.values.items())
    took = f"{trial.seconds:.0f} s" if trial.seconds is not None else ""
    if trial.score is None:
        return f"#{trial.number + 1:<3} failed      {values}  ({trial.reason})"
    best = "  best so far" if info.best is not None and info.best.number == trial.number else ""
    return f"#{trial.number + 1:<3} {trial.score:<10.5g}  {values}  ({took}){best}"


def _print_end(info: SweepInfo, params: RunParams | None) -> None:
    print(f"{info.n_done} of {info.sweep.n_trials} trials done, {info.state}. {info.reason}".rstrip())
    if info.best is not None and params is not None:
        # With its figures and baselines again, which the trials leave out.
        full = {"output_figures": True, "evaluate_baselines": True, "evaluate_diagnostics": True}
        command = as_command(info.sweep.source, params.replace(**full))
        print(f"Best {info.sweep.score}: {info.best.score:.5g} (trial #{info.best.number + 1}, run {info.best.run_id})")
        print(f"  {command}")
    if info.may_resume and info.sweep.name:
        print(f"The same command with --name {shlex.quote(info.sweep.name)} goes on.")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

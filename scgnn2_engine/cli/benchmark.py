"""``scgnn2 benchmark``: presets, variants and baselines on folders of data sets, scored alike."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn2_engine.cli.interrupt import INTERRUPTED
from scgnn2_engine.cli.parsing import parse_value
from scgnn2_engine.errors import ParameterError
from scgnn2_engine.params import find_parameter

if TYPE_CHECKING:
    from scgnn2_engine.benchmark import Question

SEEDS, SCORES = "0-4", "mask,clusters,thinning"
OF_COMPUTING = (
    "output",
    "datasets",
    "methods",
    "seeds",
    "scores",
    "processes",
    "variants",
    "max_seconds",
    "set",
    "again",
)
"""Flags that make no sense beside --report. Without them they are None, not their default value, so that it is seen."""

FAILED = 1
"""Exit code where a cell failed: the table is there, but not whole."""


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    benchmark = commands.add_parser(
        "benchmark",
        help="compare presets, variants and baselines on folders of data sets",
        allow_abbrev=False,
        description="Score scGNN 2.0 and what one would use instead: the same hidden entries, the same counts. Every "
        "score of every method, data set and seed is a file of its own; what is there is not computed again, so a "
        "benchmark can be stopped (Ctrl-C) and continued. Makes scores.csv, benchmark.md and a figure.",
    )
    benchmark.add_argument(
        "folders",
        nargs="*",
        metavar="FOLDER",
        help="a data set (expression.csv, counts.h5ad or a 10x folder; labels.csv), or a folder of data sets",
    )
    benchmark.add_argument("--output", metavar="DIR", help="where the cells and the tables go")
    benchmark.add_argument("--datasets", metavar="A,B", help="these data sets only, by the names of their folders")
    benchmark.add_argument(
        "--methods",
        metavar="A,B",
        help="these methods only: presets, baselines, variants (all of --variants, if none is named)",
    )
    benchmark.add_argument("--seeds", metavar=SEEDS, help=f"seeds, e.g. 0-4 or 0,2,7 (default {SEEDS})")
    benchmark.add_argument(
        "--scores",
        metavar="A,B",
        help="mask (error at hidden entries), clusters (agreement with labels), thinning (of counts; default these "
        "three), tasks (bulk, differential expression, markers, label transfer, order in time)",
    )
    benchmark.add_argument(
        "--processes", metavar="N", type=int, help="runs at once; they share the threads (default 1)"
    )
    benchmark.add_argument("--variants", metavar="FILE.toml", help="a table of parameters for each variant of a preset")
    benchmark.add_argument(
        "--max_seconds", metavar="S", type=float, help="time budget of one run of scGNN 2.0; 0: none (default)"
    )
    benchmark.add_argument(
        "--set",
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        help="parameters laid over every preset; preprocess_*, load_* and dropout_prob hold for baselines too",
    )
    benchmark.add_argument(
        "--again",
        nargs="?",
        const="all",
        choices=["failed", "all"],
        help="compute again what is there: the cells that failed, or (the default of the flag) all",
    )
    benchmark.add_argument("--report", metavar="DIR", help="compute nothing: make the tables of DIR again")
    benchmark.set_defaults(act=_benchmark)


def _benchmark(arguments: argparse.Namespace) -> int:
    from scgnn2_engine.benchmark import write_report

    if arguments.report is not None:
        given = ["FOLDER"] if arguments.folders else []
        given += [f"--{name}" for name in OF_COMPUTING if getattr(arguments, name) is not None]
        if given:
            raise ParameterError(
                "--report computes nothing.", expected="--report DIR alone", found=f"{', '.join(given)} beside it"
            )
        _show(*write_report(Path(arguments.report)))
        return 0
    if not arguments.folders or not arguments.output:
        raise ParameterError(
            "A benchmark needs data sets and a folder for what comes out.",
            expected="scgnn2 benchmark FOLDER... --output DIR, or --report DIR",
        )
    return _compute(arguments, Path(arguments.output))


def _compute(arguments: argparse.Namespace, output: Path) -> int:
    """Compute what is missing and report on what was asked for; the exit code."""
    from scgnn2_engine import benchmark

    question, left_out, passed_over = _question(arguments)
    plan = benchmark.plan(question, output)
    for note in (*left_out, *passed_over):
        print(note)
    print(f"{plan.n_cells} cells, {plan.n_there} of them there already.", flush=True)
    n_done = n_failed = 0
    interrupted = 0
    try:
        for cell, record in benchmark.compute(plan.tasks, output, n_processes=question.n_processes):
            n_done += 1
            n_failed += "error" in record
            outcome = record.get("error") or record.get("skipped") or f"{record['seconds']:.1f} s"
            what = f"{cell.data_set} {cell.method} seed {cell.seed} {cell.protocol}"
            print(f"{n_done}/{plan.n_missing} {what}: {outcome}", flush=True)
    except KeyboardInterrupt as signal:  # it has ended the workers too
        interrupted = getattr(signal, "exit_code", INTERRUPTED)
    if not interrupted or plan.n_there + n_done:
        paths, notes = benchmark.write_report(output, plan.cells, left_out)
        _show(paths, [note for note in notes if note not in left_out])  # those stand above
    if interrupted:
        print("Stopped. The same command goes on from here.")
        return interrupted
    return FAILED if n_failed else 0


def _question(arguments: argparse.Namespace) -> tuple[Question, tuple[str, ...], tuple[str, ...]]:
    """What is asked, and notes: on methods that were left out and on folders that were passed over."""
    from scgnn2_engine import benchmark

    settings = _settings(arguments.set or [])
    reading = {key: value for key, value in settings.items() if key.startswith("load_")}
    running = {key: value for key, value in settings.items() if key not in reading}
    methods, left_out = benchmark.choose_methods(
        _words(arguments.methods) or None,
        variants=benchmark.read_variants(arguments.variants) if arguments.variants else None,
        settings=running,
        max_seconds=arguments.max_seconds or 0.0,
    )
    data_sets, passed_over = benchmark.find_data_sets(arguments.folders, _words(arguments.datasets) or None)
    question = benchmark.Question(
        data_sets,
        methods,
        _seeds(SEEDS if arguments.seeds is None else arguments.seeds),
        _protocols(_words(SCORES if arguments.scores is None else arguments.scores)),
        reading,
        1 if arguments.processes is None else arguments.processes,
        running.get("threads", 0),
        arguments.again or "",
    )
    return question, left_out, passed_over


def _show(paths: Sequence[Path], notes: Sequence[str]) -> None:
    for line in (*notes, *paths):
        print(line)


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _seeds(text: str) -> list[int]:
    """Seeds of a list of numbers and ranges.

    Examples
    --------
    >>> _seeds("0-2,7")
    [0, 1, 2, 7]
    """
    seeds: list[int] = []
    try:
        for word in _words(text):
            first, _, last = word.partition("-")
            seeds += range(int(first), int(last or first) + 1)
    except ValueError:
        seeds = []
    if not seeds:
        raise ParameterError("seeds cannot be read.", expected="numbers and ranges such as 0-4 or 0,2,7", found=text)
    return list(dict.fromkeys(seeds))


def _protocols(words: list[str]) -> Any:
    from scgnn2_engine.benchmark import PROTOCOLS

    unknown = [word for word in words if word not in PROTOCOLS]
    if unknown or not words:
        raise ParameterError(
            f"There is no score {unknown[0]!r}." if unknown else "No score is named.",
            expected=f"of {', '.join(PROTOCOLS)}",
        )
    return [protocol for protocol in PROTOCOLS if protocol in words]


def _settings(pairs: list[str]) -> dict[str, Any]:
    settings = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise ParameterError("--set cannot be read.", expected="KEY=VALUE", found=pair)
        owner, name = find_parameter(key)
        declared = owner.param[name]
        if text.lower() in ("true", "false") and isinstance(declared.default, bool):
            settings[key] = text.lower() == "true"
        else:
            words = [word for word in text.split(",") if word] if isinstance(declared.default, list) else text
            settings[key] = parse_value(key, declared, words)
    return settings

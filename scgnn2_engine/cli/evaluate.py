"""``scgnn2 evaluate``: score the results of any tool on the same entries."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from scgnn2_engine.cli.parsing import add_reading_flags, given_reading
from scgnn2_engine.errors import OutputError, ParameterError


def add(commands: Any) -> None:
    """Add the command to the subparsers of the whole command line."""
    evaluate = commands.add_parser(
        "evaluate",
        help="score results of any tool beside the baselines",
        allow_abbrev=False,
        description="Score imputed expression and clusters: a run of scgnn2, an h5ad with a layer of another tool, "
        "or a table. Several results get a column each, and the agreement of their clusters.",
    )
    evaluate.add_argument("results", nargs="+", metavar="RESULT", help="output folder of a run, h5ad, csv, 10x, .rds")
    evaluate.add_argument("--truth", metavar="MATRIX", help="expression with nothing hidden")
    evaluate.add_argument("--observed", metavar="MATRIX", help="what the tools were given: 0 where an entry was hidden")
    evaluate.add_argument("--labels", metavar="CSV", help="file of the known types of the cells (cell, label)")
    add_reading_flags(
        evaluate, layer="layer of an h5ad that holds the imputed values", scale="of the imputed values", orientation=""
    )
    evaluate.add_argument("--clusters", metavar="COLUMN", default="", help="column of obs that holds the clusters")
    evaluate.add_argument(
        "--match_library",
        action="store_true",
        help="bring every cell to the scale of what was seen of it before scoring (not runs of scgnn2)",
    )
    evaluate.add_argument(
        "--baselines", action=argparse.BooleanOptionalAction, default=True, help="score the baselines as well"
    )
    evaluate.add_argument("--seed", type=int, default=1, help="of baselines and samples")
    evaluate.add_argument("--output", metavar="DIR", help="also write the tables there, as csv and evaluation.json")
    evaluate.add_argument("--overwrite", action="store_true", help="replace tables that are there already")
    evaluate.set_defaults(act=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    from scgnn2_engine.evaluate.comparison import iterate_outputs
    from scgnn2_engine.evaluate.score_tables import wide
    from scgnn2_engine.evaluate.tool_outputs import named_apart, read_output
    from scgnn2_engine.events import drain
    from scgnn2_engine.io import read
    from scgnn2_engine.params import LoadParams

    if arguments.seed < 0:
        raise ParameterError(f"--seed cannot be {arguments.seed}.", expected="0 or more")
    files = _files(arguments)
    given = given_reading(arguments)
    outputs = named_apart([read_output(path, given, clusters=arguments.clusters) for path in arguments.results])
    of_counts = any(output.run is not None and output.run.prepared.scale == "counts" for output in outputs)
    plain = LoadParams(orientation=arguments.orientation, recover_counts=of_counts)
    truth = read(arguments.truth, plain) if arguments.truth else None
    observed = read(arguments.observed, plain) if arguments.observed else None
    reading = _reading({"truth": truth, "observed": observed} | {output.name: output for output in outputs})
    print("\n".join(reading))  # before scoring, so that it is there when that fails
    steps = iterate_outputs(  # what it says on its way is among the notes
        outputs,
        truth=truth,
        observed=observed,
        labels=arguments.labels,
        match_library=arguments.match_library,
        baselines=arguments.baselines,
        seed=arguments.seed,
    )
    comparison = drain(steps)
    evaluation = comparison.evaluation
    print("\nCompared: how many cells and genes each result has, how many of them and which entries are scored")
    print(comparison.compared.loc[:, (comparison.compared != 0).any()].set_index("method").T.to_string())
    print("\nErrors on ln(1 + x); at zero entries l1_mean is the mean imputed value.")
    print(_text(wide(evaluation.imputation)))
    if len(evaluation.clusters):
        print("\nClusters")
        print(_text(evaluation.clusters.drop(columns="seconds").dropna(axis=1, how="all").set_index("method")))
    if len(evaluation.diagnostics):
        print("\nDiagnostics")
        print(_text(evaluation.diagnostics.pivot_table("value", "name", "method", sort=False)))
    if comparison.agreement is not None:
        print("\nAdjusted Rand index between the clusters")
        print(_text(comparison.agreement))
    print()
    for note in (*comparison.notes, *evaluation.notes, *_marked(comparison.warnings)):
        print(note)
    if files:
        _write(comparison, reading, files)
    return 0


TABLES = ("evaluation", "evaluation_clusters", "diagnostics", "diagnostics_genes", "agreement", "compared")


def _reading(sources: Mapping[str, Any]) -> list[str]:
    """What was detected in each file, a line each, and a line for each warning."""
    lines = []
    for name, found in sources.items():
        if found is not None:
            lines += [f"{name}: {' '.join(found.notes)}", *_marked(f"{name}: {warning}" for warning in found.warnings)]
    return lines


def _marked(warnings: Iterable[str]) -> list[str]:
    return [f"Warning: {warning}" for warning in warnings]


def _files(arguments: argparse.Namespace) -> dict[str, Path]:
    """Where the tables go, claimed before anything is computed."""
    from scgnn2_engine.io import refuse_existing
    from scgnn2_engine.io.paths import expanded

    if not arguments.output:
        return {}
    folder = expanded(arguments.output)
    if folder.exists() and not folder.is_dir():
        raise OutputError(
            f"{folder} is a file.", expected="a folder for the tables", advice="Name another folder with --output."
        )
    files = {name: folder / f"{name}.csv" for name in TABLES} | {"record": folder / "evaluation.json"}
    for file in files.values():
        refuse_existing(file, overwrite=arguments.overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written: {error.strerror}.",
            expected="a folder this user may write to",
            advice="Name another folder with --output.",
        ) from error
    return files


def _write(comparison: Any, reading: list[str], files: dict[str, Path]) -> None:
    from scgnn2_engine.evaluate.score_tables import record
    from scgnn2_engine.io.atomic import whole_file
    from scgnn2_engine.io.csv_writing import write_frame
    from scgnn2_engine.io.results.records import json_text
    from scgnn2_engine.io.results.result_tables import evaluation_frames

    tables = {**dict(evaluation_frames(comparison.evaluation)), "compared": comparison.compared}
    if comparison.agreement is not None:
        tables["agreement"] = comparison.agreement.rename_axis("method").reset_index()
    for name in TABLES:
        if name not in tables:  # of an earlier evaluation, which --overwrite replaces
            files[name].unlink(missing_ok=True)
    for name, table in tables.items():
        with whole_file(files[name]) as temporary:
            write_frame(temporary, table)
        print(files[name])
    found = {
        **record(comparison),
        "reading": reading,
        "compared": comparison.compared.to_dict("records"),
        "notes": [*comparison.notes, *comparison.evaluation.notes],
        "warnings": list(comparison.warnings),
    }
    with whole_file(files["record"]) as temporary:
        temporary.write_text(json_text(found), encoding="utf-8")
    print(files["record"])


def _text(table: Any) -> str:
    return str(table.to_string(float_format=lambda value: f"{value:.3f}", na_rep=""))

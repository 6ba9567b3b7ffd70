"""The tables and the figure of a benchmark, made from its cells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scgnn2_engine.benchmark.bars import bars
from scgnn2_engine.benchmark.cells import Cell, newest_cells
from scgnn2_engine.benchmark.notes import notes_on
from scgnn2_engine.benchmark.tables import METRICS, STABILITY, TASK_METRICS, Metric, Scores, long_table, marks
from scgnn2_engine.errors import MissingPackageError
from scgnn2_engine.io.atomic import whole_file

MASKED_MARK, READS_MARK = "†", "‡"
MARKS = {
    "masked_l1_median": ("masked", MASKED_MARK),
    **dict.fromkeys(("poisson_scaled", "isotonic_mse", "gene_correlation"), ("reads", READS_MARK)),
}
TOLD_THE_TYPES = ("pca_kmeans",)
"""Cluster baselines that get the true number of types."""

FOOTNOTES = {
    MASKED_MARK: "A third or more of the non-zero entries have one value, so that guessing this value scores well: the "
    "masked median error means little here and counts for no bar.",
    READS_MARK: "These counts are of reads rather than of molecules (fewer than 5 % of them are 1): both parts of a "
    "split show the same molecules, so leaving data as it is scores well. It counts for no bar.",
}


def write_report(
    output: str | Path, asked: Collection[Cell] = (), notes: Sequence[str] = ()
) -> tuple[list[Path], list[str]]:
    """Make ``scores.csv``, ``benchmark.md`` and ``benchmark.html`` and ``.png`` from the cells of a benchmark.

    Parameters
    ----------
    output
        Folder of the benchmark.
    asked
        The cells of a plan. Of a data set, method and protocol that it holds, cells of its parameters alone are
        reported, of all others those of the parameters of the newest cell.
    notes
        What the reader should know beside what the cells tell.

    Returns
    -------
    paths, notes
        The files; and what the reader should know, as sentences, the given ones first.

    Raises
    ------
    InputError
        There are no cells, or one is damaged.
    OutputError
        A file cannot be written.
    """
    output = Path(output)
    cells, n_left_out = newest_cells(output, asked)
    table = long_table(cells)
    notes = [*notes, *notes_on(cells, table, n_left_out)]
    paths = [output / "scores.csv", output / "benchmark.md"]
    with whole_file(paths[0]) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    with whole_file(paths[1]) as temporary:
        temporary.write_text(markdown(cells, table, notes), encoding="utf-8")
    try:
        from scgnn2_engine.plots import save_both
        from scgnn2_engine.plots.benchmark import benchmark_figure

        shown = compared(table, marks(cells))
        if not shown.empty:
            paths += save_both(benchmark_figure(shown), output / "benchmark")
    except MissingPackageError as error:
        notes = [*notes, f"No figure: {error}"]
    return paths, notes


def markdown(cells: Sequence[Mapping[str, Any]], table: pd.DataFrame, notes: Sequence[str] = ()) -> str:
    """The tables as Markdown: bars, scores beside the best baseline, time and memory, and what failed."""
    scores, marked = Scores(table), marks(cells)
    parts = ["# Benchmark", _about(cells)]
    if notes:
        parts.append("\n".join(f"- {note}" for note in notes))
    for method in scores.runs:
        parts += [
            f"## Bars: {method}",
            _table(
                ["bar", "verdict", "found"],
                ([bar.requirement, f"**{bar.verdict}**", bar.found] for bar in bars(scores, method, marked)),
            ),
        ]
    for metric in (*METRICS, *TASK_METRICS):
        parts += _of_metric(scores, metric, marked)
    parts += _stability(scores, table)
    parts += _costs(table, scores)
    failed = _grouped(cells, "error")
    if failed:
        parts += ["## Failed", "\n".join(failed)]
    skipped = _grouped(cells, "skipped")
    if skipped:
        parts += ["## Left out", "\n".join(skipped)]
    return "\n\n".join(parts) + "\n"


def compared(table: pd.DataFrame, marked: Mapping[str, Mapping[str, bool]] | None = None) -> pd.DataFrame:
    """Every score that means something beside the best baseline with the same seed: what the figure shows.

    Returns
    -------
    pandas.DataFrame
        ``metric``, ``title``, ``data_set``, ``method``, ``seed``, ``value``, ``compared`` (a ratio where ``as_ratio``,
        else a difference), ``as_ratio``.
    """
    scores = Scores(table)
    rows = [
        {
            "metric": metric.name,
            "title": metric.title,
            "data_set": data_set,
            "method": method,
            "seed": seed,
            "value": value,
            "compared": value / best[1] if metric.as_ratio else value - best[1],
            "as_ratio": metric.as_ratio,
        }
        for metric in METRICS
        for data_set in scores.data_sets
        if not (marked or {}).get(data_set, {}).get(MARKS.get(metric.name, ("", ""))[0])
        for method in scores.methods
        for seed in sorted(scores.seeds(data_set, method, metric.name))
        if (best := scores.best(data_set, metric, {seed})) is not None and (best[1] or not metric.as_ratio)
        for value in scores.values(data_set, method, metric.name, {seed})
    ]
    names = ["metric", "title", "data_set", "method", "seed", "value", "compared", "as_ratio"]
    return pd.DataFrame(rows, columns=names)


def _grouped(cells: Sequence[Mapping[str, Any]], what: str) -> list[str]:
    """Why cells of a data set have no score, those with one reason in one line."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for cell in cells:
        if what in cell:
            groups.setdefault((cell["data_set"], str(cell[what]).rstrip(".")), []).append(cell)
    lines = []
    for (data_set, reason), alike in groups.items():
        names = (list(dict.fromkeys(str(cell[key]) for cell in alike)) for key in ("method", "protocol", "seed"))
        methods, protocols, seeds = (", ".join(each) for each in names)
        lines.append(f"- {data_set} ({protocols}; {methods}; seed {seeds}): {reason}.")
    return lines


def _about(cells: Sequence[Mapping[str, Any]]) -> str:
    days = sorted({cell["date"][:10] for cell in cells})
    machines = sorted(
        {f"{cell['machine']['cpu']}, {cell['machine']['cores']} cores" for cell in cells if "machine" in cell}
    )
    versions = sorted({cell["versions"]["scgnn2"] for cell in cells if "versions" in cell})
    seeds = sorted({cell["seed"] for cell in cells})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return (
        f"{when}; {'; '.join(machines)}; scgnn2 {', '.join(versions)}; seeds {', '.join(map(str, seeds))}. Medians over"
        " seeds. In brackets the ratio to the best of those that a bar names and that have a score (printed bold), or"
        " the difference from it."
    )


def _of_metric(scores: Scores, metric: Metric, marked: Mapping[str, Mapping[str, bool]]) -> list[str]:
    shown = [name for name in scores.data_sets if any(scores.seeds(name, each, metric.name) for each in scores.methods)]
    if not shown:
        return []
    kind, sign = MARKS.get(metric.name, ("", ""))
    heads = [f"{name} {sign}" if marked.get(name, {}).get(kind) else name for name in shown]
    rows = [
        [method, *(_entry(scores, name, method, metric) for name in shown)]
        for method in scores.methods
        if any(scores.seeds(name, method, metric.name) for name in shown)
    ]
    counting = [name for name in shown if metric is METRICS[0] and not marked.get(name, {}).get(kind)]
    floors = [scores.noise_floor(name) if name in counting else None for name in shown]
    if any(floor is not None for floor in floors):
        rows.append(["*noise floor, estimated*", *("—" if floor is None else f"{floor:.3f}" for floor in floors)])
    parts = [f"## {metric.title}", _table(["method", *heads], rows)]
    if heads != shown:
        parts.append(f"{sign} {FOOTNOTES[sign]}")
    return parts


def _entry(scores: Scores, data_set: str, method: str, metric: Metric) -> str:
    value = scores.median(data_set, method, metric.name)
    if value is None:
        return "—"
    text = f"{value:.3f}"
    spread = scores.spread(data_set, method, metric.name)
    if metric.name == "ari" and spread is not None:
        text += f" ± {spread:.3f}"
    best = scores.best(data_set, metric)
    if best is not None and best[0] == method:
        return f"**{text}**"
    against = scores.against_best(data_set, method, metric)
    if against is None or method not in scores.runs:
        return text
    return f"{text} ({against:.2f}×)" if metric.as_ratio else f"{text} ({against:+.3f})"


def _stability(scores: Scores, table: pd.DataFrame) -> list[str]:
    rows = table[table["metric"] == STABILITY]
    if rows.empty:
        return []
    values = {(row.data_set, row.method): row.value for row in rows.itertuples()}
    told = [method for method in TOLD_THE_TYPES if any(name == method for _, name in values)]
    but = f", but {' and '.join(told)} was told the number of types" if told else ""
    return [
        f"## Agreement of clusters between seeds (mean ARI of all pairs; needs no labels{but})",
        _grid(scores, values, lambda value: f"{value:.3f}"),
    ]


def _costs(table: pd.DataFrame, scores: Scores) -> list[str]:
    # A run answers several cells: it is counted once.
    runs = table.dropna(subset=["seconds"]).drop_duplicates(["data_set", "method", "seed", "protocol"])
    if runs.empty:
        return []
    thinned = runs["protocol"] == "thinning"
    only_thinned = thinned.groupby([runs["data_set"], runs["method"]]).transform("all")
    runs = runs[~thinned | only_thinned]
    groups = runs.groupby(["data_set", "method"])
    seconds, memory = groups["seconds"].median().to_dict(), groups["peak_memory_bytes"].max().to_dict()
    return [
        "## Seconds",
        "Of scGNN 2.0 from the data set to the result, of a baseline from the prepared data set to its answer; after a "
        "short run of each that is not counted. Of count thinning only where nothing else was scored.",
        _grid(scores, seconds, lambda value: f"{value:.1f}" if value >= 0.1 else "< 0.1"),
        "## Peak memory of the process, MiB",
        _grid(scores, memory, lambda value: f"{value / 2**20:,.0f}"),
    ]


def _grid(scores: Scores, values: Mapping[tuple[str, str], float], form: Callable[[float], str]) -> str:
    shown = [name for name in scores.data_sets if any(key[0] == name for key in values)]
    rows = (
        [method, *(form(values[(name, method)]) if (name, method) in values else "—" for name in shown)]
        for method in scores.methods
        if any(key[1] == method for key in values)
    )
    return _table(["method", *shown], rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; a stroke in a name would be a border."""
    lines = [" | ".join(each.replace("|", "\\|") for each in row) for row in (heads, *rows)]
    lines.insert(1, " | ".join(["---"] * len(heads)))
    return "\n".join(f"| {line} |" for line in lines)

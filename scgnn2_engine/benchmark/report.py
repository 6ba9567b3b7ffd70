"""The tables and the figure of a benchmark, made from its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scgnn2_engine.benchmark.bars import bars
from scgnn2_engine.benchmark.cells import newest_cells
from scgnn2_engine.benchmark.tables import METRICS, STABILITY, Metric, Scores, long_table, marks
from scgnn2_engine.errors import MissingPackageError
from scgnn2_engine.io.atomic import whole_file

MASKED_MARK, READS_MARK = "†", "‡"
MARKS = {"masked_l1_median": ("masked", MASKED_MARK), "mse": ("reads", READS_MARK), "poisson": ("reads", READS_MARK)}
FOOTNOTES = {
    MASKED_MARK: "A third or more of the non-zero entries have one value, so that guessing this value scores well: the "
    "masked median error means little here and counts for no bar.",
    READS_MARK: "These counts are of reads rather than of molecules (fewer than 5 % of them are 1): both parts of a "
    "split show the same molecules, so leaving data as it is scores well. It counts for no bar.",
}


def write_report(output: str | Path) -> tuple[list[Path], list[str]]:
    """Make ``scores.csv``, ``benchmark.md`` and ``benchmark.html`` and ``.png`` from the cells of a benchmark.

    Parameters
    ----------
    output
        Folder of the benchmark.

    Returns
    -------
    paths, notes
        The files; and what the reader should know, as sentences.

    Raises
    ------
    InputError
        There are no cells, or one is damaged.
    OutputError
        A file cannot be written.
    """
    output = Path(output)
    cells, n_older = newest_cells(output)
    table = long_table(cells)
    notes = _notes(cells, table, n_older)
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
            "| bar | verdict | found |\n|---|---|---|\n"
            + "\n".join(
                f"| {bar.requirement} | **{bar.verdict}** | {bar.found} |" for bar in bars(scores, method, marked)
            ),
        ]
    for metric in METRICS:
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
        " seeds. In brackets the ratio to the best of those that a bar names (printed bold), or the difference from it."
    )


def _notes(cells: Sequence[Mapping[str, Any]], table: pd.DataFrame, n_older: int) -> list[str]:
    """What the reader should know before comparing numbers."""
    notes = []
    n_failed = sum("error" in cell for cell in cells)
    if n_failed:
        notes.append(f"{n_failed} of {len(cells)} cells failed: see the end of benchmark.md.")
    if n_older:
        notes.append(f"{n_older} cells of other parameters or data, older than those shown, are left out.")
    for method in Scores(table).runs:
        sources = {cell["engine"] for cell in _of(cells, method) if "engine" in cell}
        if len(sources) > 1:
            notes.append(f"The cells of {method} come from {len(sources)} different states of this program.")
        cut = {(cell["data_set"], cell["seed"]) for cell in cells if _was_cut_off(cell, method)}
        if cut:
            where = ", ".join(f"{data_set} seed {seed}" for data_set, seed in sorted(cut))
            notes.append(f"{method} was cut off by its time budget and may be worth more: {where}.")
        seeds, all_seeds = ({cell["seed"] for cell in of} for of in (_of(cells, method), cells))
        if seeds != all_seeds:
            notes.append(f"{method} has seeds {', '.join(map(str, sorted(seeds)))} only; it is compared over these.")
    imputing = table[table["protocol"].isin(["mask", "thinning"]) & table["entries"].notna()]
    for (data_set, protocol, seed), group in imputing.groupby(["data_set", "protocol", "seed"]):
        if group["entries"].nunique() > 1:
            common = group.groupby("method")["entries"].first()
            odd = sorted(common.index[common != common.mode()[0]])
            notes.append(
                f"{data_set}, {protocol}, seed {seed}: {', '.join(odd)} saw other cells, genes or entries than the "
                "rest, so those scores cannot be compared."
            )
    return notes


def _of(cells: Sequence[Mapping[str, Any]], method: str) -> list[Mapping[str, Any]]:
    return [cell for cell in cells if cell["method"] == method]


def _was_cut_off(cell: Mapping[str, Any], method: str) -> bool:
    return cell["method"] == method and cell.get("stopped_by") == "max_seconds"


def _of_metric(scores: Scores, metric: Metric, marked: Mapping[str, Mapping[str, bool]]) -> list[str]:
    shown = [name for name in scores.data_sets if any(scores.seeds(name, each, metric.name) for each in scores.methods)]
    if not shown:
        return []
    kind, sign = MARKS.get(metric.name, ("", ""))
    heads = [f"{name} {sign}" if marked.get(name, {}).get(kind) else name for name in shown]
    lines = [f"| method | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for method in scores.methods:
        if any(scores.seeds(name, method, metric.name) for name in shown):
            lines.append(f"| {method} | {' | '.join(_entry(scores, name, method, metric) for name in shown)} |")
    counting = [name for name in shown if metric is METRICS[0] and not marked.get(name, {}).get(kind)]
    floors = [scores.noise_floor(name) if name in counting else None for name in shown]
    if any(floor is not None for floor in floors):
        values = ["—" if floor is None else f"{floor:.3f}" for floor in floors]
        lines.append(f"| *noise floor, estimated* | {' | '.join(values)} |")
    parts = [f"## {metric.title}", "\n".join(lines)]
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
    return [
        "## Agreement of clusters between seeds (mean ARI of all pairs; needs no labels)",
        _grid(scores, values, lambda value: f"{value:.3f}"),
    ]


def _costs(table: pd.DataFrame, scores: Scores) -> list[str]:
    # A run answers several cells: it is counted once.
    runs = table.dropna(subset=["seconds"]).drop_duplicates(["data_set", "method", "seed", "protocol"])
    runs = runs[runs["protocol"] != "thinning"]
    if runs.empty:
        return []
    groups = runs.groupby(["data_set", "method"])
    seconds, memory = groups["seconds"].median().to_dict(), groups["peak_memory_bytes"].max().to_dict()
    return [
        "## Seconds",
        _grid(scores, seconds, lambda value: f"{value:.1f}" if value >= 0.1 else "< 0.1"),
        "## Peak memory of the process, MiB",
        _grid(scores, memory, lambda value: f"{value / 2**20:,.0f}"),
    ]


def _grid(scores: Scores, values: Mapping[tuple[str, str], float], form: Any) -> str:
    shown = [name for name in scores.data_sets if any(key[0] == name for key in values)]
    lines = [f"| method | {' | '.join(shown)} |", "|---" * (len(shown) + 1) + "|"]
    for method in scores.methods:
        if any(key[1] == method for key in values):
            there = [form(values[(name, method)]) if (name, method) in values else "—" for name in shown]
            lines.append(f"| {method} | {' | '.join(there)} |")
    return "\n".join(lines)

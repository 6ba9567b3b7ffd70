"""Parts of a run as HTML without scripts or addresses: for the Diagnostics tab and for the report alike."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from scgnn2_app.results.baseline_levels import CLUSTERING, IMPUTATION, not_computed, shown_name
from scgnn2_app.results.diagnosis import (
    DE_WARNING,
    NOT_COMPUTED,
    OWN,
    WORDS,
    Finding,
    Verdict,
    counted,
    findings,
    scores_at_hidden,
    stage_costs,
    was_to,
)
from scgnn2_app.results.run_data import RunData
from scgnn2_engine.params import every_parameter
from scgnn2_engine.results.result import method_at_hidden

MARKS: Mapping[Verdict, str] = {"good": "✓", "look": "!", "poor": "✗", "": ""}
NAMES_SHOWN = 40

COLUMNS = {
    "n": "number", "l1_median": "median |error|", "l1_mean": "mean |error|", "rmse": "RMSE", "pearson": "Pearson's r",
    "pearson_gene": "r within genes", "pearson_cell": "r within cells", "zeros_kept": "zeros kept near 0",
    "n_clusters": "clusters", "depth_between_clusters": "depth between", "ari": "ARI", "nmi": "NMI", "ami": "AMI",
}  # fmt: skip
"""What people call the columns of the tables of scores."""

ENTRIES = {"masked": "hidden", "held_out": "held out", "untouched": "seen", "zero": "zeros"}

OF_CLUSTERINGS = (
    "Silhouette: of all clusterings on the same principal components of the observed values. The one among the "
    "diagnostics is in the embedding that was clustered, and so another number. Depth between: share of the "
    "differences in how many genes a cell shows that lies between the clusters."
)

STYLE = """
.scgnn2 { font-size: 13px; line-height: 1.45; color: var(--ink); --good: #1b6e3c; --look: #8a5000; --poor: #b00020;
  --ink: #222222; --muted: #595959; --line: #d5d5d5; --bar: #9db8d2; --own: #005a9c; }
.scgnn2.dark { --good: #6fcf97; --look: #ffc069; --poor: #ff8a80; --ink: #e8e8e8; --muted: #b0b0b0; --line: #444444;
  --bar: #54708c; --own: #7cc0ff; }
.scgnn2 h2 { font-size: 16px; margin: 18px 0 6px; } .scgnn2 h3 { font-size: 14px; margin: 14px 0 4px; }
.scgnn2 p { margin: 4px 0; max-width: 60em; }
.scgnn2 table { border-collapse: collapse; width: 100%; }
.scgnn2 th, .scgnn2 td { text-align: left; padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
.scgnn2 th { font-weight: 600; } .scgnn2 td.number, .scgnn2 th.number { text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.scgnn2 .verdict { font-weight: 600; white-space: nowrap; } .scgnn2 .good { color: var(--good); }
.scgnn2 .look { color: var(--look); } .scgnn2 .poor { color: var(--poor); } .scgnn2 .muted { color: var(--muted); }
.scgnn2 .wide { overflow-x: auto; } .scgnn2 details { margin: 4px 0; } .scgnn2 summary { cursor: pointer; }
.scgnn2 .bar { height: 12px; border-radius: 2px; background: var(--bar); min-width: 1px; }
.scgnn2 .own .bar { background: var(--own); } .scgnn2 .own td { font-weight: 600; }
.scgnn2 .warning { border-left: 4px solid var(--look); padding: 4px 10px; margin: 8px 0; }
"""


def styled(content: str, dark: bool = False) -> str:
    """Fragments with their style, light or dark."""
    return f'<style>{STYLE}</style><div class="scgnn2{" dark" if dark else ""}">{content}</div>'


def table(frame: pd.DataFrame, *, digits: int = 4, own: str = "") -> str:
    """A table; numbers to the right, missing ones as a dash, the row of the method ``own`` in bold.

    Examples
    --------
    >>> table(pd.DataFrame({"a": [0.5, float("nan")]}))  # doctest: +ELLIPSIS
    '<div class="wide"><table><thead>...<td class="number">–</td></tr></tbody></table></div>'
    """
    numeric = [pd.api.types.is_numeric_dtype(frame[name]) for name in frame]
    head = "".join(f"<th{_class(number)}>{_text(name)}</th>" for name, number in zip(frame, numeric, strict=True))
    rows = []
    for row in frame.itertuples(index=False):
        cells = "".join(
            f"<td{_class(number)}>{_value(value, digits)}</td>" for value, number in zip(row, numeric, strict=True)
        )
        rows.append(f"<tr{' class=own' if own and own in map(str, row) else ''}>{cells}</tr>")
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def verdicts(found: Sequence[Finding]) -> str:
    """Findings as a table with a sentence for each, a heading for each topic."""
    if not found:
        return "<p>This run measured no diagnostics.</p>"
    count = counted(list(found))
    counts = [f"{count[kind]} {WORDS[kind]}" for kind in ("good", "look", "poor")]
    missing = sum(one.value == NOT_COMPUTED for one in found)
    counts += [f"{missing} {NOT_COMPUTED}"] if missing else []
    parts = ['<p role="status">' + ", ".join(counts) + "</p>"]
    for topic in dict.fromkeys(finding.topic for finding in found):
        rows = "".join(
            f'<tr><td style="width:17em">{_text(one.name)}</td><td class="number" style="width:5em">{one.value}</td>'
            f'<td class="verdict {one.verdict}" style="width:8em">{MARKS[one.verdict]} {WORDS[one.verdict]}</td>'
            f"<td>{_text(one.sentence)}</td></tr>"
            for one in found
            if one.topic == topic
        )
        parts.append(f"<h3>{_text(topic)}</h3><table><tbody>{rows}</tbody></table>")
    return "".join(parts)


def baselines(run: RunData) -> str:
    """The error at hidden entries beside the baselines as bars, and all scores as tables."""
    rows, score, what = scores_at_hidden(run)
    parts = []
    if len(rows):
        most = float(rows[score].max()) or 1.0
        own = method_at_hidden(rows["method"])
        bars = "".join(
            f'<tr{" class=own" if method == own else ""}><td style="width:12em">{_text(shown_name(method))}</td>'
            f'<td class="number" style="width:5em">{value:.3g}</td>'
            f'<td><div class="bar" style="width:{100 * value / most:.1f}%"></div></td></tr>'
            for method, value in zip(rows["method"], rows[score], strict=True)
        )
        parts.append(f"<h3>{_text(what.capitalize())}, ln(1 + x): lower is better</h3><table>{bars}</table>")
    if run.evaluation is not None:
        parts.append(_folded("All scores of the imputation", table(_readable(run.evaluation), own=OWN)))
    if run.evaluation_clusters is not None and len(run.evaluation_clusters):
        parts.append("<h3>Clusterings beside the baselines</h3>" + table(_readable(run.evaluation_clusters), own=OWN))
        if "silhouette" in run.evaluation_clusters:
            parts.append(f'<p class="muted">{_text(OF_CLUSTERINGS)}</p>')
    parts.append(_missing_baselines(run))
    return "".join(parts) or "<p>This run was not compared with baselines.</p>"


def _missing_baselines(run: RunData) -> str:
    """Which baselines the run was to compute and did not."""
    if not was_to("evaluate_baselines", run):
        return ""
    missing = []
    for names, scores in ((IMPUTATION, run.evaluation), (CLUSTERING, run.evaluation_clusters)):
        there = set(scores["method"]) if scores is not None and "method" in scores else set()
        missing += not_computed(names, there, run.record)
    return f"<p>{NOT_COMPUTED.capitalize()}: {_text(', '.join(missing))}.</p>" if missing else ""


def _readable(scores: pd.DataFrame) -> pd.DataFrame:
    """A table of scores with the names that people use."""
    shown = scores.rename(columns=COLUMNS)
    if "method" in shown:
        shown["method"] = [shown_name(str(name)) for name in shown["method"]]
    if "entries" in shown:
        shown["entries"] = [ENTRIES.get(str(name), name) for name in shown["entries"]]
    return shown


def dropped(run: RunData) -> str:
    """What was left out of the data, and what was hidden."""
    data = run.record.get("data", {})
    parts = []
    for kind, kept, came in (("cells", "n_obs_kept", "n_obs"), ("genes", "n_vars_kept", "n_vars")):
        names = [str(name) for name in data.get(f"dropped_{kind}", [])]
        if kept in data and came in data:
            parts.append(f"<p>{data[kept]:,} of {data[came]:,} {kind} were kept.</p>")
        if names:
            shown = ", ".join(names[:NAMES_SHOWN])
            more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
            parts.append(_folded(f"The {len(names):,} dropped {kind}", f"<p>{_text(shown + more)}</p>"))
    for name, what in (("hidden_entries", "hidden by the benchmark"), ("held_out_entries", "held out")):
        if data.get(name):
            parts.append(f"<p>{data[name]:,} entries were {what}: the training did not see them.</p>")
    facts = {name: data[name] for name in ("source", "matrix", "orientation", "scale", "labels") if name in data}
    return "".join(parts) + _pairs(facts)


def provenance(run: RunData) -> str:
    """Seed, device, versions, why it ended, and what every stage cost."""
    record = run.record
    seconds = record.get("seconds")
    facts = {
        "seed": record.get("seed"),
        "device": record.get("device"),
        "started": record.get("started"),
        "seconds": f"{seconds:,.1f}" if isinstance(seconds, int | float) else None,
        "peak memory": _gib(record.get("peak_memory_bytes")),
        "iterations": record.get("iterations"),
        "returned iteration": record.get("selected_iteration"),
        "chosen by": record.get("selected_by"),
        "ended by": record.get("stopped_by"),
    }
    versions = {str(name): value for name, value in record.get("versions", {}).items()}
    costs = stage_costs(record)
    return (
        _pairs({name: value for name, value in facts.items() if value is not None})
        + ("<h3>Time and memory by stage</h3>" + table(costs) if len(costs) else "")
        + ("<h3>Versions</h3>" + _pairs(versions) if versions else "")
    )


def notices(run: RunData) -> str:
    """What the run said, warnings first."""
    said = run.record.get("notices", [])
    warnings = [f'<p class="warning">{_text(one["message"])}</p>' for one in said if one.get("level") == "warning"]
    others = [f"<p>{_text(one['message'])}</p>" for one in said if one.get("level") != "warning"]
    return "".join(warnings) + "".join(others)


def parameters(run: RunData) -> str:
    """The parameters that differ from the preset, and behind a fold all of them with their meaning."""
    changed = dict(run.record.get("changed_params", {}))
    every = dict(run.record.get("params", {}))
    meaning = {stage.flag(name): str(stage.param[name].doc) for stage, name in every_parameter()}
    rows = pd.DataFrame(
        [(name, str(value), meaning.get(name, "")) for name, value in every.items()],
        columns=["parameter", "value", "meaning"],
    )
    head = f"<p>Preset {_text(every.get('preset', 'unknown'))}. "
    head += "Changed from it:</p>" + _pairs(changed) if changed else "Nothing was changed from it.</p>"
    return head + (_folded(f"All {len(rows)} parameters", table(rows)) if len(rows) else "")


def sections(run: RunData) -> dict[str, str]:
    """Everything of the Diagnostics tab: heading to fragment."""
    return {
        "Is the result good?": f'<p class="warning">{_text(DE_WARNING)}</p>' + verdicts(findings(run)),
        "Beside what you would use instead": baselines(run),
        "What was left out": dropped(run),
        "How it was made": provenance(run),
        "What the run said": notices(run),
    }


def headed(parts: Mapping[str, str]) -> str:
    """Fragments one below the other, each under its heading."""
    return "".join(f"<h2>{_text(heading)}</h2>{content}" for heading, content in parts.items())


def _folded(summary: str, content: str) -> str:
    return f"<details><summary>{_text(summary)}</summary>{content}</details>"


def _pairs(facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><td style="width:17em" class="muted">{_text(name)}</td><td>{_text(value)}</td></tr>'
        for name, value in facts.items()
    )
    return f"<table><tbody>{rows}</tbody></table>" if rows else ""


def _gib(size: Any) -> str | None:
    return f"{size / 2**30:.2f} GiB" if isinstance(size, int | float) else None


def _class(number: bool) -> str:
    return ' class="number"' if number else ""


def _value(value: Any, digits: int) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    return _text(value)


def _text(value: Any) -> str:
    return html.escape(str(value))

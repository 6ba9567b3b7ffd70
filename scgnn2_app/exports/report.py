"""A whole run as one HTML file that opens offline: figures inside, no script, no address."""

from __future__ import annotations

import base64
import html

import pandas as pd

from scgnn2_app.exports.figure_files import figures_of
from scgnn2_app.exports.fragments import headed, parameters, sections, styled, table
from scgnn2_app.results.run_data import RunData
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.results.records import json_text
from scgnn2_engine.plots import Chart, Figure
from scgnn2_engine.plots.saving import drawn

PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ font-family: system-ui, sans-serif; margin: 1.5em auto; max-width: 75em; padding: 0 1em; background: white; }}
figure {{ margin: 1em 0; }} img {{ max-width: 100%; height: auto; }}
figcaption {{ font-size: 13px; color: #595959; }} pre {{ overflow-x: auto; font-size: 12px; }}
</style></head>
<body><main>
<h1>{title}</h1>
{content}
</main></body>
</html>
"""


def report_html(run: RunData) -> str:
    """Write a run down as one page: figures, scores, diagnostics, parameters and the record.

    Parameters
    ----------
    run
        A finished run.

    Returns
    -------
    str
        HTML that asks for nothing: pictures are inside it, there is no script, and a policy in its head forbids both.

    Raises
    ------
    InputError
        The run is under way.
    MissingPackageError
        Matplotlib is not installed.
    """
    if not run.finished:
        raise InputError("This run has no result yet.", advice="Write its report when it is over.")
    said = sections(run)
    first = next(iter(said))
    parts = {
        "Summary": _summary(run),
        first: said.pop(first),
        "Figures": _figures(run),
        "What the cells are called": _annotations(run),
        "Marker genes": _markers(run),
        "Scores of every iteration": table(run.metrics),
        **said,
        "Parameters": parameters(run),
        "Record": f"<details><summary>run.json</summary><pre>{html.escape(json_text(run.record))}</pre></details>",
    }
    title = html.escape(f"scGNN 2.0: {run.title}")
    return PAGE.format(title=title, content=styled(headed(parts)))


def _summary(run: RunData) -> str:
    clusters = len(set(run.labels.tolist()))
    positive = int((run.weights > 0).sum())
    chosen = f"Iteration {run.selected_iteration} of {len(run.metrics)} was returned. "
    data = f"Data: {html.escape(run.source_text)}. " if run.source_text else ""
    started = html.escape(str(run.record.get("started", "unknown")))
    return (
        f"<p>{data}{run.n_obs:,} cells × {run.n_vars:,} genes, {clusters} clusters, "
        f"{positive:,} edges in the cell graph. "
        f"{chosen if run.selected_iteration else ''}Started {started}.</p>"
    )


def _annotations(run: RunData) -> str:
    """How many cells of every cluster have each name: given labels, and annotations made on the page."""
    parts = []
    for name, values in run.groups.items():
        kind = "made on the page" if name in run.annotations else "came with the data"
        crossed = pd.crosstab(pd.Series(values, name=name).replace("", "(no label)"), pd.Series(run.labels))
        crossed.columns = [f"cluster {column}" for column in crossed.columns]
        parts.append(f"<h3>{html.escape(name)}, {kind}</h3>{table(crossed.reset_index())}")
    return "".join(parts) or "<p>The cells have no labels and no annotation.</p>"


def _markers(run: RunData) -> str:
    """The five strongest of each cluster."""
    if run.markers.empty:
        return "<p>There are no two clusters of two or more cells to compare.</p>"
    shown = run.markers.groupby("group", sort=False).head(5).rename(columns=lambda name: name.replace("_", " "))
    return f"<p>Genes higher in a cluster than in all other cells, by what was observed (Wilcoxon).</p>{table(shown)}"


def _figures(run: RunData) -> str:
    return "".join(_figure(draw(), caption) for caption, draw in figures_of(run).values())


def _figure(figure: Chart | Figure, caption: str) -> str:
    text = base64.b64encode(drawn(figure, "png")).decode("ascii")
    words = html.escape(caption)
    return f'<figure><img src="data:image/png;base64,{text}" alt="{words}"><figcaption>{words}</figcaption></figure>'

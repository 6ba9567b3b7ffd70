"""A result beside its baselines, and what it looks like from the inside, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from scgnn2_engine.plots.chart import Chart, Figure, Mark, Rule, Shapes
from scgnn2_engine.plots.style import palette
from scgnn2_engine.results.result import Evaluation, method_at_hidden

OWN, OTHER = 0, 4  # places in the palette: the result stands out from what it is compared with
ERRORS = {"l1_median": "median |error|, ln(1 + x)", "rmse": "RMS error, ln(1 + x)"}
HIDDEN = {"masked": "hidden entries", "held_out": "held-out entries"}


def diagnostics(evaluation: Evaluation, own: str = "scgnn2") -> Figure:
    """Draw the scores of a result beside its baselines, and its diagnostics.

    Parameters
    ----------
    evaluation
        Of a run, see :class:`~scgnn2_engine.results.result.Evaluation`.
    own
        The method whose bars stand out.

    Returns
    -------
    Figure
        Up to six panels, those without a number left out: error at hidden entries (with the noise floor), mean imputed
        value at observed zeros, agreement with the labels or else silhouette, variance kept per gene, correlation of
        genes, purity of the graph.

    Examples
    --------
    >>> rows = pd.DataFrame({"method": ["scgnn2", "knn"], "entries": "zero", "l1_mean": [0.1, 0.8]})
    >>> none = pd.DataFrame(columns=["method", "ari", "silhouette", "name", "value", "variance_kept"])
    >>> [chart.title for chart in diagnostics(Evaluation(rows, none, none, none)).charts]
    ['Filling of observed zeros']
    """
    return Figure(
        [
            *_error_panel(evaluation, own),
            *_zero_panel(evaluation.imputation, own),
            *_cluster_panel(evaluation.clusters, own),
            *_variance_panel(evaluation.genes),
            *_pair_panels(evaluation),
        ]
    )


def bars(heights: Sequence[float], colours: Sequence[str], *, level: bool = False, names: Sequence[str] = ()) -> Shapes:
    """Bars at 0, 1, … of a width of 0.8; ``level`` lays them down."""
    places = [np.array([at - 0.4, at + 0.4, at + 0.4, at - 0.4]) for at in range(len(heights))]
    ends = [np.array([0.0, 0.0, height, height]) for height in heights]
    x, y = (ends, places) if level else (places, ends)
    return Shapes(name="bars", x=x, y=y, colour=colours, tips={"": list(names), "value": list(heights)})


def _error_panel(evaluation: Evaluation, own: str) -> list[Chart]:
    for kind, text in HIDDEN.items():
        rows = evaluation.imputation[evaluation.imputation["entries"] == kind]
        rows = rows[rows["method"] != "zeros"]  # the error of filling nothing in dwarfs all others
        own = method_at_hidden(rows["method"], own)
        for score, unit in ERRORS.items():
            if score in rows and rows[score].notna().any():
                floor = evaluation.value("noise_floor") if score == "l1_median" else np.nan
                title = f"Error at {text}" + (" (dashed: noise floor)" if np.isfinite(floor) else "")
                return [_beside(rows["method"], rows[score], own, title, unit, floor)]
    return []


def _zero_panel(imputation: pd.DataFrame, own: str) -> list[Chart]:
    rows = imputation[imputation["entries"] == "zero"]
    if "l1_mean" not in rows or not rows["l1_mean"].notna().any():
        return []
    return [_beside(rows["method"], rows["l1_mean"], own, "Filling of observed zeros", "mean imputed value, ln(1 + x)")]


def _cluster_panel(clusters: pd.DataFrame, own: str) -> list[Chart]:
    for score, title, unit in (
        ("ari", "Agreement with the given labels", "adjusted Rand index"),
        ("silhouette", "Clusters on the same principal components", "silhouette"),
    ):
        if score in clusters and clusters[score].notna().any():
            return [_beside(clusters["method"], clusters[score], own, title, unit)]
    return []


def _variance_panel(genes: pd.DataFrame) -> list[Chart]:
    if "variance_kept" not in genes:
        return []
    kept = genes["variance_kept"].to_numpy(float)
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        return []
    counts, edges = np.histogram(np.minimum(kept, 2.0), bins=40, range=(0.0, 2.0))
    histogram = Shapes(
        name="bars",
        x=[np.array([low, high, high, low]) for low, high in pairwise(edges)],
        y=[np.array([0, 0, count, count]) for count in counts],
        colour=[palette(5)[OTHER]] * len(counts), outline="paper", tips={"genes": counts.tolist()},
    )  # fmt: skip
    return [
        Chart(
            marks=[histogram, Rule(name="median", x=float(np.median(kept)))],
            title="Variance kept by each gene (dashed: median)",
            x_label="variance after / before imputation (2: or more)", y_label="genes",
        )
    ]  # fmt: skip


def _pair_panels(evaluation: Evaluation) -> list[Chart]:
    panels = []
    for title, unit, bars, own in (
        (
            "Correlation between genes",
            "median |r| of two genes",
            {
                "before": "correlation_observed",
                "after imputation": "correlation_imputed",
                "chance": "correlation_chance",
            },
            "after imputation",
        ),
        (
            "Edges of the cell graph within clusters",
            "share of edges",
            {"clusters": "purity", "clusters permuted": "purity_by_chance"},
            "clusters",
        ),
    ):
        values = pd.Series([evaluation.value(name) for name in bars.values()])
        if values.notna().any():
            panels.append(_beside(pd.Series(list(bars)), values, own, title, unit))
    return panels


def _beside(names: pd.Series, values: pd.Series, own: str, title: str, unit: str, line: float = float("nan")) -> Chart:
    there = values.notna().to_numpy()
    shown, heights = [str(name) for name in names[there]], values[there].to_numpy(float).tolist()
    colours = [palette(5)[OWN if name == own else OTHER] for name in shown]
    marks: list[Mark] = [bars(heights, colours, names=shown)]
    if np.isfinite(line):
        marks.append(Rule(name="line", y=line))
    low, high = min(0.0, *heights), max(0.0, *heights)
    ticks: dict[Any, str] = dict(enumerate(shown))
    return Chart(marks=marks, title=title, y_label=unit, x_ticks=ticks, y_limits=(low * 1.08, high * 1.08 or 1.0))

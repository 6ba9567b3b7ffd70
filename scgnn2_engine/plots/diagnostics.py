"""A result beside its baselines, and what it looks like from the inside, on one page."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.model.result import Evaluation, method_at_hidden
from scgnn2_engine.plots.style import MUTED, holoviews, palette

WIDTH, HEIGHT, ASPECT = 430, 340, 1.35
OWN, OTHER = 0, 4  # places in the palette: the result stands out from what it is compared with
ERRORS = {"l1_median": "median |error|, ln(1 + x)", "rmse": "RMS error, ln(1 + x)"}
HIDDEN = {"masked": "hidden entries", "held_out": "held-out entries"}


def diagnostics(evaluation: Evaluation, own: str = "scgnn2") -> Any:
    """Draw the scores of a result beside its baselines, and its diagnostics.

    Parameters
    ----------
    evaluation
        Of a run, see :class:`~scgnn2_engine.model.result.Evaluation`.
    own
        The method whose bars stand out.

    Returns
    -------
    holoviews.Layout
        Up to six panels, those without a number left out: error at hidden entries (with the noise floor), mean imputed
        value at observed zeros, agreement with the labels or else silhouette, variance kept per gene, correlation of
        genes, purity of the graph.

    Examples
    --------
    >>> rows = pd.DataFrame({"method": ["scgnn2", "knn"], "entries": "zero", "l1_mean": [0.1, 0.8]})
    >>> none = pd.DataFrame(columns=["method", "ari", "silhouette", "name", "value", "variance_kept"])
    >>> len(diagnostics(Evaluation(rows, none, none, none)))
    1
    """
    hv = holoviews()
    panels = [
        *_error_panel(hv, evaluation, own),
        *_zero_panel(hv, evaluation.imputation, own),
        *_cluster_panel(hv, evaluation.clusters, own),
        *_variance_panel(hv, evaluation.genes),
        *_pair_panels(hv, evaluation),
    ]
    return (
        hv.Layout(panels)
        .cols(3)
        .opts(
            hv.opts.Layout(backend="bokeh", shared_axes=False, merge_tools=True),
            hv.opts.Layout(
                backend="matplotlib", fig_inches=4.6, hspace=0.75, vspace=0.4, sublabel_format="", shared_axes=False
            ),
        )
    )


def _error_panel(hv: Any, evaluation: Evaluation, own: str) -> list[Any]:
    for kind, text in HIDDEN.items():
        rows = evaluation.imputation[evaluation.imputation["entries"] == kind]
        rows = rows[rows["method"] != "zeros"]  # the error of filling nothing in dwarfs all others
        own = method_at_hidden(rows["method"], own)
        for score, unit in ERRORS.items():
            if score in rows and rows[score].notna().any():
                floor = evaluation.value("noise_floor") if score == "l1_median" else np.nan
                title = f"Error at {text}" + (" (dashed: noise floor)" if np.isfinite(floor) else "")
                return [_bars(hv, rows["method"], rows[score], own, title, unit, floor)]
    return []


def _zero_panel(hv: Any, imputation: pd.DataFrame, own: str) -> list[Any]:
    rows = imputation[imputation["entries"] == "zero"]
    if "l1_mean" not in rows or not rows["l1_mean"].notna().any():
        return []
    return [
        _bars(hv, rows["method"], rows["l1_mean"], own, "Filling of observed zeros", "mean imputed value, ln(1 + x)")
    ]


def _cluster_panel(hv: Any, clusters: pd.DataFrame, own: str) -> list[Any]:
    for score, title, unit in (
        ("ari", "Agreement with the given labels", "adjusted Rand index"),
        ("silhouette", "Clusters on the same principal components", "silhouette"),
    ):
        if score in clusters and clusters[score].notna().any():
            return [_bars(hv, clusters["method"], clusters[score], own, title, unit)]
    return []


def _variance_panel(hv: Any, genes: pd.DataFrame) -> list[Any]:
    if "variance_kept" not in genes:
        return []
    kept = genes["variance_kept"].to_numpy(float)
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        return []
    counts, edges = np.histogram(np.minimum(kept, 2.0), bins=40, range=(0.0, 2.0))
    histogram = hv.Histogram((edges, counts)).opts(
        hv.opts.Histogram(backend="bokeh", fill_color=palette(5)[OTHER], line_color="white", tools=["hover"]),
        hv.opts.Histogram(backend="matplotlib", facecolor=palette(5)[OTHER], edgecolor="white"),
    )
    line = hv.VLine(float(np.median(kept))).opts(
        hv.opts.VLine(backend="bokeh", color=MUTED, line_dash="dashed", line_width=1),
        hv.opts.VLine(backend="matplotlib", color=MUTED, linestyle="--", linewidth=1),
    )
    frame = {
        "title": "Variance kept by each gene (dashed: median)",
        "xlabel": "variance after / before imputation (2: or more)",
        "ylabel": "genes",
    }
    return [_framed(hv, [histogram, line], frame)]


def _pair_panels(hv: Any, evaluation: Evaluation) -> list[Any]:
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
            panels.append(_bars(hv, pd.Series(list(bars)), values, own, title, unit))
    return panels


def _bars(
    hv: Any, names: pd.Series, values: pd.Series, own: str, title: str, unit: str, line: float = float("nan")
) -> Any:
    there = values.notna().to_numpy()
    shown = [str(name) for name in names[there]]
    heights: npt.NDArray[np.float64] = values[there].to_numpy(float)
    mine = np.array([name == own for name in shown])
    layers: list[Any] = []
    # Two sets of bars on the same axis: Matplotlib's take one colour each.
    for part, colour in ((~mine, palette(5)[OTHER]), (mine, palette(5)[OWN])):
        bars = hv.Bars((shown, np.where(part, heights, 0.0)), "method", unit)
        layers.append(
            bars.opts(
                hv.opts.Bars(backend="bokeh", color=colour, line_color=None, tools=["hover"], xrotation=40),
                hv.opts.Bars(backend="matplotlib", color=colour, edgecolor=colour, xrotation=40),
            )
        )
    low, high = min(0.0, float(heights.min())), max(0.0, float(heights.max()))
    frame = {"title": title, "xlabel": "", "ylabel": unit, "ylim": (low * 1.08, high * 1.08 or 1.0)}
    if np.isfinite(line):
        layers.append(
            hv.HLine(line).opts(
                hv.opts.HLine(backend="bokeh", color=MUTED, line_dash="dashed", line_width=1),
                hv.opts.HLine(backend="matplotlib", color=MUTED, linestyle="--", linewidth=1),
            )
        )
    return _framed(hv, layers, frame)


def _framed(hv: Any, layers: list[Any], frame: dict[str, Any]) -> Any:
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(backend="bokeh", width=WIDTH, height=HEIGHT, show_legend=False, **frame),
        hv.opts.Overlay(backend="matplotlib", aspect=ASPECT, show_legend=False, **frame),
    )

"""What is in the cells before a run, and which of them the cut-offs keep."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_app.runs.source_summary import SourceSummary
from scgnn2_engine.errors import ScgnnError
from scgnn2_engine.params import PreprocessParams

BARS, WIDTH, HEIGHT = 30, 92, 30
LOGGED = "genes", "counts"
"""What is drawn on a logarithmic scale."""


def cutoffs_html(summary: SourceSummary, params: PreprocessParams) -> str:
    """Genes and counts of the cells and their mitochondrial share, each with its cut-off, and how many cells stay.

    Parameters
    ----------
    summary
        What was read.
    params
        The cut-offs as they stand in the controls.
    """
    found = summary.measured
    if found is None:
        return ""
    try:
        failing = found.failing(params)
    except ScgnnError as error:
        return f'<div role="status">{html.escape(str(error))}</div>'
    pictures = "".join(
        _picture(word, values, name, failing.get(cutoff), said)
        for word, name, values, cutoff, said in (
            ("genes", "genes", found.genes, "min_genes", "{:,.0f}"),
            ("counts", "counts", found.counts, "min_counts", "{:,.0f}"),
            ("mitochondrial", "mito", found.mito, "max_mito", "{:.1%}"),
        )
        if values is not None
    )
    text = "Per cell, medians. Nothing is dropped by these yet."
    if failing:
        kept = ~np.any(list(failing.values()), axis=0)
        if len(kept) < summary.n_obs:
            text = f"The cut-offs keep about {kept.mean():.1%} of the cells (of {len(kept):,} that were looked at)."
        else:
            text = f"The cut-offs keep {kept.sum():,} of {len(kept):,} cells."
    row = f'<div style="display:flex;gap:8px">{pictures}</div>'
    return f'<div style="margin-top:6px">{row}<div role="status">{text}</div></div>'


def _picture(word: str, values: npt.NDArray[Any], name: str, failing: npt.NDArray[np.bool_] | None, said: str) -> str:
    """How many cells have how much: bars, those of dropped cells grey."""
    shown = np.log1p(np.maximum(values, 0)) if name in LOGGED else values
    edges = np.linspace(float(shown.min()), max(float(shown.max()), float(shown.min()) + 1e-9), BARS + 1)
    every = np.histogram(shown, edges)[0]
    kept = every if failing is None else np.histogram(shown[~failing], edges)[0]
    tallest = max(1, int(every.max()))
    middle = said.format(float(np.median(values)))
    drawing = _bars(every / tallest, "#8e97a5") + _bars(kept / tallest, "var(--mui-palette-primary-main, #005a9c)")
    return (
        f'<div style="font-size:12px"><svg width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{word} per cell, median {middle}">{drawing}</svg><br>{word} {middle}</div>'
    )


def _bars(heights: npt.NDArray[np.float64], colour: str) -> str:
    step = WIDTH / BARS
    return "".join(
        f'<rect x="{place * step:.1f}" y="{HEIGHT * (1 - height):.1f}" width="{step - 0.6:.1f}" '
        f'height="{HEIGHT * height:.1f}" fill="{colour}"/>'
        for place, height in enumerate(heights)
        if height
    )

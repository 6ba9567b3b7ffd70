"""Several genes in several groups of cells: a dot plot, and a heat map of means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.plots.chart import Chart, Image, Mark, Points, Scale
from scgnn2_engine.plots.style import ramp

RELATIVE = "mean, of the gene's highest"
STEPS = (0.2, 0.4, 0.6, 0.8, 1.0)
LARGEST = 15.0


def dot_plot(levels: Floats, shares: Floats, genes: Sequence[str], groups: Sequence[str], *, title: str) -> Chart:
    """Draw a dot for each gene and group: the darker the higher its mean, the larger the more cells show the gene.

    Parameters
    ----------
    levels
        (n_genes, n_groups) means, as shares of the highest of the gene: 0 to 1.
    shares
        (n_genes, n_groups) shares of the cells with a value above 0.
    genes, groups
        Names, the first gene on top.
    title
        What stands above.

    Returns
    -------
    Chart
        Dots of five sizes, for up to 20, 40, 60, 80 and 100 % of the cells; none where no cell shows the gene.

    Examples
    --------
    >>> drawn = dot_plot(np.array([[1.0, 0.5]]), np.array([[0.9, 0.1]]), ["CD3D"], ["T", "B"], title="")
    >>> [(mark.name, mark.x) for mark in drawn.marks if len(mark.x)]
    [('share 0.2', [1.5]), ('share 1', [0.5])]
    """
    places = [(gene, group) for gene in range(len(genes)) for group in range(len(groups))]
    marks: list[Mark] = []
    for low, high in zip((0.0, *STEPS), STEPS, strict=False):
        mine = [place for place in places if low < shares[place] <= high]
        tips = {
            "gene": [genes[gene] for gene, _ in mine], "group": [groups[group] for _, group in mine],
            RELATIVE: "values", "cells that show it": [f"{shares[place]:.0%}" for place in mine],
        }  # fmt: skip
        marks.append(
            Points(
                name=f"share {high:g}", tips=tips,
                x=[group + 0.5 for _, group in mine], y=[len(genes) - gene - 0.5 for gene, _ in mine],
                values=[float(levels[place]) for place in mine], size=LARGEST * np.sqrt(high), outlined=True,
            )
        )  # fmt: skip
    return _chart(marks, genes, groups, title)


def mean_heat_map(levels: Floats, genes: Sequence[str], groups: Sequence[str], *, title: str) -> Chart:
    """Draw the mean of each gene in each group.

    Parameters
    ----------
    levels, genes, groups, title
        As for :func:`dot_plot`; NaN, grey, is a gene that was not imputed.

    Examples
    --------
    >>> mean_heat_map(np.array([[1.0, 0.5]]), ["CD3D"], ["T", "B"], title="").y_ticks
    {0.5: 'CD3D'}
    """
    image = Image(
        name="means", values=levels, x=(0.0, float(len(groups))), y=(0.0, float(len(genes))), rows=list(genes),
        nothing="not imputed",
    )  # fmt: skip
    return _chart([image], genes, groups, title)


def _chart(marks: list[Mark], genes: Sequence[str], groups: Sequence[str], title: str) -> Chart:
    n_genes, n_groups = len(genes), len(groups)
    return Chart(
        marks=marks, title=title, x_limits=(0.0, float(n_groups)), y_limits=(0.0, float(n_genes)),
        x_ticks={place + 0.5: name for place, name in enumerate(groups)},
        y_ticks={n_genes - place - 0.5: name for place, name in enumerate(genes)},
        scale=Scale(0.0, 1.0, ramp("cells"), RELATIVE), size=(160 + 42 * n_groups, 130 + 20 * n_genes),
    )  # fmt: skip

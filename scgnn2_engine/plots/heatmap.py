"""The imputation error as a picture: cells by genes, darker where the difference is larger."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats, Matrix, Scale
from scgnn2_engine.plots.style import SEQUENTIAL, holoviews, natural_order


def block_differences(
    imputed: Floats,
    reference: Matrix,
    labels: npt.NDArray[Any],
    *,
    scale: Scale = "logged",
    max_rows: int = 700,
    max_columns: int = 1000,
) -> tuple[Floats, npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    """Mean |imputed − reference| over blocks of cells of one cluster and neighbouring genes.

    Parameters
    ----------
    imputed
        (n_obs, n_vars) ln(1 + expression).
    reference
        (n_obs, n_vars) dense or CSR, made dense a block of cells at a time.
    labels
        (n_obs,) clusters: they group the rows, in natural order; inside a cluster cells keep their order.
    scale
        Scale of ``reference``; unless logged, ln(1 + ·) is taken.
    max_rows, max_columns
        Largest picture; a cell and a gene have their own row and column while they fit.

    Returns
    -------
    differences, row_labels, genes
        (n_rows, n_columns) block means; (n_rows,) cluster of each row; (n_vars,) the order of the genes, largest
        mean difference first.

    Examples
    --------
    >>> values, rows, genes = block_differences(np.array([[0.0, 3.0], [1.0, 1.0]]), np.zeros((2, 2)), np.array([1, 0]))
    >>> values.tolist(), rows.tolist(), genes.tolist()
    ([[1.0, 1.0], [3.0, 0.0]], ['0', '1'], [1, 0])
    """
    names = np.asarray(labels).astype(str)
    clusters = natural_order(names)
    cells_per_row = -(-len(names) // max(1, max_rows - len(clusters)))
    rows, row_labels, sizes = [], [], []
    for cluster in clusters:
        cells = np.flatnonzero(names == cluster)
        for first in range(0, len(cells), cells_per_row):
            block = cells[first : first + cells_per_row]
            chosen = reference[block]
            values = chosen if isinstance(chosen, np.ndarray) else chosen.toarray()
            values = values if scale == "logged" else np.log1p(values)
            rows.append(np.abs(imputed[block] - values).mean(axis=0))
            row_labels.append(cluster)
            sizes.append(len(block))
    differences = np.stack(rows)
    genes = np.argsort(-np.average(differences, axis=0, weights=sizes), kind="stable")
    genes_per_column = -(-differences.shape[1] // max_columns)
    starts = np.arange(0, differences.shape[1], genes_per_column)
    sums = np.add.reduceat(differences[:, genes], starts, axis=1)
    return sums / np.diff(np.append(starts, differences.shape[1])), np.array(row_labels), genes


def error_heatmap(
    imputed: Floats,
    reference: Matrix,
    labels: npt.NDArray[Any],
    *,
    scale: Scale = "logged",
    reference_is_truth: bool = False,
    max_rows: int = 700,
    max_columns: int = 1000,
) -> Any:
    """Draw |imputed − reference|, cells grouped by predicted cluster, darker where it is larger.

    Parameters
    ----------
    imputed, reference, labels, scale, max_rows, max_columns
        As for :func:`block_differences`.
    reference_is_truth
        The reference is the true expression, so the difference is an error; otherwise it is the observed one and
        the difference is what the imputation changed. The title says which.

    Returns
    -------
    holoviews.Overlay
        The image and the lines between clusters. Colours end at the 99th percentile, so that single outliers do
        not bleach the rest.

    Examples
    --------
    >>> picture = error_heatmap(np.ones((4, 3)), np.zeros((4, 3)), np.array([0, 0, 1, 1]))
    >>> type(picture).__name__
    'Overlay'
    """
    differences, row_labels, genes = block_differences(
        imputed, reference, labels, scale=scale, max_rows=max_rows, max_columns=max_columns
    )
    limit = float(np.quantile(differences, 0.99)) or float(differences.max()) or 1.0
    other = "true" if reference_is_truth else "observed"
    heading = "Imputation error" if reference_is_truth else "Change by imputation (imputed minus observed)"
    title = f"{heading}: {imputed.shape[0]:,} cells × {imputed.shape[1]:,} genes"
    meaning = f"|imputed − {other}|, ln(1 + expression)"
    return block_heatmap(differences, row_labels, len(genes), title=title, meaning=meaning, limit=limit)


def block_heatmap(
    values: Floats, row_labels: npt.NDArray[np.str_], n_genes: int, *, title: str, meaning: str, limit: float
) -> Any:
    """Draw block means of cells by genes, darker where they are larger.

    Parameters
    ----------
    values
        (n_rows, n_columns), the first row on top; NaN leaves a block empty.
    row_labels
        (n_rows,) cluster of each row; a line stands between two.
    n_genes
        How many genes the columns hold together.
    title, meaning
        What stands above and beside the colours.
    limit
        Value of the darkest colour.

    Returns
    -------
    holoviews.Overlay

    Examples
    --------
    >>> labels = np.array(["0", "1"])
    >>> type(block_heatmap(np.eye(2), labels, 2, title="Error", meaning="error", limit=1.0)).__name__
    'Overlay'
    """
    hv = holoviews()
    n_rows = len(values)
    value = hv.Dimension("difference", label=meaning, range=(0.0, limit))
    image = hv.Image(values[::-1], bounds=(0, 0, n_genes, n_rows), kdims=["gene", "cell"], vdims=[value])
    ticks, borders = _cluster_rows(row_labels)
    gene_axis = "genes, largest mean difference first"
    shared = {
        "cmap": SEQUENTIAL,
        "clim": (0.0, limit),
        "colorbar": True,
        "yticks": ticks,
        "invert_yaxis": True,
        "xlabel": gene_axis,
        "ylabel": "cells, by predicted cluster",
    }
    image = image.opts(
        hv.opts.Image(
            backend="bokeh",
            tools=["hover"],
            width=1000,
            height=700,
            title=title,
            colorbar_opts={"title": value.label, "padding": 22},
            **shared,
        ),
        hv.opts.Image(
            backend="matplotlib",
            fig_inches=9,
            aspect=1.45,
            title=title,
            clabel=value.label,
            interpolation="nearest",
            cbar_width=0.025,
            **shared,
        ),
    )
    lines = [
        hv.HLine(border).opts(
            hv.opts.HLine(backend="bokeh", color="white", line_width=2),
            hv.opts.HLine(backend="matplotlib", color="white", linewidth=1.5),
        )
        for border in borders
    ]
    return hv.Overlay([image, *lines]).opts(
        hv.opts.Overlay(backend="bokeh", width=1000, height=700, title=title, toolbar="above"),
        hv.opts.Overlay(backend="matplotlib", fig_inches=9, aspect=1.45, title=title),
    )


def _cluster_rows(row_labels: npt.NDArray[np.str_]) -> tuple[list[tuple[float, str]], list[float]]:
    """Where to write the name of each cluster, and the borders between clusters, in rows from the top.

    Names that would overlap (clusters under 2 % of the rows) are left out, the largest kept first.
    """
    starts = np.flatnonzero(np.append(True, row_labels[1:] != row_labels[:-1]))
    ends = np.append(starts[1:], len(row_labels))
    centres = (starts + ends) / 2
    taken: list[int] = []
    for index in np.argsort(starts - ends, kind="stable"):
        if all(abs(centres[index] - centres[other]) >= 0.02 * len(row_labels) for other in taken):
            taken.append(int(index))
    ticks = [(float(centres[index]), _cluster_name(row_labels[starts[index]])) for index in sorted(taken)]
    return ticks, [float(start) for start in starts[1:]]


def _cluster_name(label: str) -> str:
    return f"cluster {label}" if label.isdigit() else str(label)

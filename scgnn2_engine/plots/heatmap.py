"""Tables of cells by genes as pictures: means over blocks, darker where they are larger."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats, Matrix
from scgnn2_engine.data.dataset import Scale as ExpressionScale
from scgnn2_engine.plots.blocks import Blocks, block_means, blocks
from scgnn2_engine.plots.chart import Chart, Image, Scale, Segments
from scgnn2_engine.plots.style import ramp

NEAREST_NAMES = 0.04  # of the height: names of clusters nearer than this are left out


def error_heatmap(
    imputed: Floats,
    reference: Matrix,
    labels: npt.NDArray[Any],
    *,
    scale: ExpressionScale = "logged",
    reference_is_truth: bool = False,
    max_rows: int = 700,
    max_columns: int = 1000,
) -> Chart:
    """Draw |imputed − reference|, cells grouped by predicted cluster, darker where it is larger.

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
    reference_is_truth
        The reference is the true expression, so the difference is an error; otherwise it is the observed one and
        the difference is what the imputation changed. The title says which.
    max_rows, max_columns
        Largest picture; a cell and a gene have their own row and column while they fit.

    Returns
    -------
    Chart
        As of :func:`block_heatmap`: means over blocks of cells of one cluster and neighbouring genes, those of the
        largest mean difference first.

    Examples
    --------
    >>> error_heatmap(np.ones((4, 3)), np.zeros((4, 3)), np.array([0, 0, 1, 1])).title
    'Change by imputation (imputed minus observed): 4 cells × 3 genes'
    """

    def difference(cells: npt.NDArray[np.int64]) -> Floats:
        return np.abs(imputed[cells] - logged(reference, cells, scale))

    where = blocks(labels, by_mean(difference, *imputed.shape), max_rows=max_rows, max_columns=max_columns)
    differences = block_means(difference, where)
    other = "true" if reference_is_truth else "observed"
    heading = "Imputation error" if reference_is_truth else "Change by imputation (imputed minus observed)"
    title = f"{heading}: {imputed.shape[0]:,} cells × {imputed.shape[1]:,} genes"
    meaning = f"|imputed − {other}|, ln(1 + expression)"
    return block_heatmap(differences, where, title=title, meaning=meaning, limit=darkest(differences))


def block_heatmap(values: Floats, where: Blocks, *, title: str, meaning: str, limit: float) -> Chart:
    """Draw block means of cells by genes, darker where they are larger.

    Parameters
    ----------
    values
        (n_rows, n_columns), the first row on top; NaN, grey, is a block without a value.
    where
        What makes which block; a line stands between two clusters.
    title, meaning
        What stands above and beside the colours.
    limit
        Value of the darkest colour.

    Examples
    --------
    >>> drawn = block_heatmap(np.eye(2), blocks(np.array([0, 1]), np.arange(2)), title="Error", meaning="e", limit=1.0)
    >>> drawn.y_ticks, drawn.mark("borders").y0
    ({1.5: '0', 0.5: '1'}, [1.0])
    """
    n_genes, n_rows = len(where.column_of), where.n_rows
    ticks, borders = row_ticks(where.row_labels)
    rows = where.row_labels.tolist()
    return Chart(
        marks=[
            Image(name="blocks", values=values, x=(0.0, float(n_genes)), y=(0.0, float(n_rows)), rows=rows,
                  nothing="nothing hidden"),
            Segments(
                name="borders", x0=[0.0] * len(borders), x1=[float(n_genes)] * len(borders), y0=borders, y1=borders,
                colour="#ffffff", width=2.0,
            ),
        ],
        title=title, x_label="genes, largest mean difference first", y_label="cells, by predicted cluster",
        x_limits=(0.0, float(n_genes)), y_limits=(0.0, float(n_rows)), y_ticks=ticks, size=(1000, 700),
        scale=Scale(0.0, limit, ramp("magma"), meaning),
    )  # fmt: skip


def logged(expression: Matrix, cells: npt.NDArray[np.int64], scale: ExpressionScale) -> Floats:
    """(n, n_vars) ln(1 + expression) of some cells, dense."""
    chosen = expression[cells]
    values: Floats = chosen if isinstance(chosen, np.ndarray) else chosen.toarray()
    return values if scale == "logged" else np.log1p(values)


def by_mean(rows_of: Any, n_obs: int, n_vars: int, *, at_once: int = 500) -> npt.NDArray[np.int64]:
    """(n_vars,) the genes, largest mean of a table first; ``rows_of`` is as for :func:`block_means`."""
    sums = np.zeros(n_vars)
    for first in range(0, n_obs, at_once):
        sums += rows_of(np.arange(first, min(first + at_once, n_obs))).sum(axis=0)
    return np.argsort(-sums, kind="stable")


def darkest(values: Floats) -> float:
    """Value of the darkest colour: the 99th percentile, so that single outliers do not bleach the rest."""
    finite = values[np.isfinite(values)]
    return float(np.quantile(finite, 0.99)) or float(finite.max()) or 1.0 if len(finite) else 1.0


def row_ticks(row_labels: npt.NDArray[np.str_]) -> tuple[dict[float, str], list[float]]:
    """Heights of the names of the clusters, of the largest where they would overlap, and of the lines between them.

    Examples
    --------
    >>> row_ticks(np.array(["0", "0", "1"]))
    ({2.0: '0', 0.5: '1'}, [1.0])
    """
    n_rows = len(row_labels)
    starts = np.flatnonzero(np.append(True, row_labels[1:] != row_labels[:-1])) if n_rows else np.empty(0, dtype=int)
    ends = np.append(starts[1:], n_rows)
    ticks: dict[float, str] = {}
    for place in np.argsort(starts - ends, kind="stable"):
        height = float(n_rows - (starts[place] + ends[place]) / 2)
        if all(abs(height - other) >= NEAREST_NAMES * n_rows for other in ticks):
            ticks[height] = str(row_labels[starts[place]])
    return ticks, [float(n_rows - start) for start in starts[1:]]

"""Whether values are counts, normalised or logged, decided by the values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scgnn2_engine.types import Matrix, Scale

_CELLS = 512
_LOG_CEILING = 30.0  # ln(1 + x) of 30 is an expression of 1e13; even log2 of the largest libraries stays below
_WHOLE_SHARE = 0.2  # expected counts are whole wherever no read was shared; rounded normalised values are 1-10 %
_SAME_TOTAL = 2e-3  # relative spread of the cells' totals that only a normalisation produces


@dataclass(frozen=True)
class ScaleVerdict:
    """The scale of a matrix and the sentence that reports it."""

    scale: Scale
    reason: str


def detect_scale(expression: Matrix) -> ScaleVerdict:
    """Say on which scale a non-negative matrix is.

    Whole numbers are counts. Values up to 30 that are mostly not whole are logged. Among larger ones, a good share of
    whole numbers means expected counts (RSEM, Salmon: whole where no read was shared between genes), unless all cells
    have the same total; the rest is normalised.

    Parameters
    ----------
    expression
        (n_obs, n_vars), rows are cells; up to 512 evenly spaced ones are looked at.

    Examples
    --------
    >>> detect_scale(np.array([[0, 3], [5, 0]], dtype=np.float32)).scale
    'counts'
    >>> detect_scale(np.log1p(np.array([[0, 3.4], [5.2, 0]], dtype=np.float32))).scale
    'logged'
    """
    cells = np.unique(np.linspace(0, expression.shape[0] - 1, num=min(_CELLS, expression.shape[0])).astype(np.int64))
    sample = expression[cells]
    if isinstance(sample, np.ndarray):
        values = sample[sample != 0]
        totals = sample.sum(1, dtype=np.float64)
        raw_totals = np.expm1(np.minimum(sample, 50.0), dtype=np.float64).sum(1)
    else:
        values = sample.data[sample.data != 0]
        totals = np.asarray(sample.sum(1, dtype=np.float64)).ravel()
        unlogged = sample.astype(np.float64)
        unlogged.data = np.expm1(np.minimum(unlogged.data, 50.0))
        raw_totals = np.asarray(unlogged.sum(1)).ravel()
    if not len(values):
        return ScaleVerdict("counts", "Scale counts: all values looked at are zero.")
    whole, top = float(np.mean(values == np.rint(values))), float(values.max())
    if whole == 1.0:
        return ScaleVerdict("counts", f"Scale counts: all values are whole numbers (largest {top:g}).")
    if top <= _LOG_CEILING and _same(raw_totals):
        total = float(np.median(raw_totals))
        return ScaleVerdict("logged", f"Scale logged: with the logarithm undone every cell has the total {total:.6g}.")
    if _same(totals):
        return ScaleVerdict("normalised", f"Scale normalised: every cell has the total {float(np.median(totals)):.6g}.")
    if top <= _LOG_CEILING and whole < 0.5:
        return ScaleVerdict("logged", f"Scale logged: values are not whole and none is above {top:.3g}.")
    if whole >= _WHOLE_SHARE:
        return ScaleVerdict(
            "counts", f"Scale counts: {whole:.0%} of the non-zero values are whole (expected counts, largest {top:g})."
        )
    return ScaleVerdict(
        "normalised",
        f"Scale normalised: only {whole:.1%} of the non-zero values are whole, and the largest is {top:g}.",
    )


def _same(totals: npt.NDArray[np.float64]) -> bool:
    totals = totals[totals > 0]
    return len(totals) >= 3 and float(np.std(totals)) <= _SAME_TOTAL * float(np.mean(totals))

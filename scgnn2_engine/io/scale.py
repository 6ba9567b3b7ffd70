"""Whether values are counts, normalised or logged, decided by the values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scgnn2_engine.types import Matrix, Scale

_CELLS = 512
_LOG_CEILING = 30.0  # ln(1 + x) of 30 is an expression of 1e13; even log2 of the largest libraries stays below
_WHOLE_SHARE = 0.2  # expected counts are whole wherever no read was shared; rounded normalised values are 1-10 %
_TELLING_COUNT, _TELLING_VALUES = 100, 5  # four digits of log2 give counts up to 100 to 0.01
_NATURAL = "Scale logged, natural logarithm assumed"
_LOG2 = (
    "The values look like log2(1 + x), with which {}, but the natural logarithm is assumed: --load_scale log2 takes "
    "them for what they are (in bulk expression undo the logarithm, 2**x - 1)."
)
LOGARITHMS = {"log2": 2.0, "log10": 10.0}
"""Scales of 1 + x that are brought to the natural logarithm, and their bases."""

_SAME_TOTAL = 2e-3  # relative spread of the cells' totals that only a normalisation produces


@dataclass(frozen=True)
class ScaleVerdict:
    """The scale of a matrix, the sentence that reports it, and a warning when its logarithm looks like another one."""

    scale: Scale
    reason: str
    warning: str = ""


def detect_scale(expression: Matrix) -> ScaleVerdict:
    """Say on which scale a non-negative matrix is.

    Whole numbers are counts. Values up to 30 that are mostly not whole are logged. Among larger ones, a good share of
    whole numbers means expected counts (RSEM, Salmon: whole where no read was shared between genes), unless all cells
    have the same total; the rest is normalised. Logged values are taken as ln(1 + x); where only log2(1 + x) would give
    whole numbers or equal totals, a warning says so.

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
        raw_totals2 = (np.exp2(np.minimum(sample, 50.0), dtype=np.float64) - 1).sum(1)
    else:
        values = sample.data[sample.data != 0]
        totals = np.asarray(sample.sum(1, dtype=np.float64)).ravel()
        unlogged = sample.astype(np.float64)
        unlogged.data = np.expm1(np.minimum(unlogged.data, 50.0))
        raw_totals = np.asarray(unlogged.sum(1)).ravel()
        unlogged.data = np.exp2(np.minimum(sample.data.astype(np.float64), 50.0)) - 1
        raw_totals2 = np.asarray(unlogged.sum(1)).ravel()
    if not len(values):
        return ScaleVerdict("counts", "Scale counts: all values looked at are zero.")
    whole, top = float(np.mean(values == np.rint(values))), float(values.max())
    if whole == 1.0:
        return ScaleVerdict("counts", f"Scale counts: all values are whole numbers (largest {top:g}).")
    if top <= _LOG_CEILING and _same(raw_totals):
        total = float(np.median(raw_totals))
        return ScaleVerdict("logged", f"{_NATURAL}: with it undone every cell has the total {total:.6g}.")
    if _same(totals):
        return ScaleVerdict("normalised", f"Scale normalised: every cell has the total {float(np.median(totals)):.6g}.")
    if top <= _LOG_CEILING and _whole_before_log2(values):
        return ScaleVerdict("logged", f"{_NATURAL}.", _LOG2.format("all values become whole numbers"))
    if top <= _LOG_CEILING and _same(raw_totals2):
        total = float(np.median(raw_totals2))
        return ScaleVerdict("logged", f"{_NATURAL}.", _LOG2.format(f"every cell gets the total {total:.6g}"))
    if top <= _LOG_CEILING and whole < 0.5:
        return ScaleVerdict("logged", f"{_NATURAL}: values are not whole and none is above {top:.3g}.")
    if whole >= _WHOLE_SHARE:
        return ScaleVerdict(
            "counts", f"Scale counts: {whole:.0%} of the non-zero values are whole (expected counts, largest {top:g})."
        )
    return ScaleVerdict(
        "normalised",
        f"Scale normalised: only {whole:.1%} of the non-zero values are whole, and the largest is {top:g}.",
    )


def _whole_before_log2(values: npt.NDArray[np.float32]) -> bool:
    """Whether log2(1 + whole number) explains non-zero values, and ln(1 + whole number) does not.

    Values that are whole themselves say nothing (log2 of 1 + 3 is 2), nor do those of large counts, which rounding
    to a few digits moves.
    """
    telling = values[(values != np.rint(values)) & (values < np.log2(_TELLING_COUNT + 1.0))].astype(np.float64)
    if len(telling) < _TELLING_VALUES:
        return False
    return _share_whole(np.exp2(telling) - 1) >= 0.95 and _share_whole(np.expm1(telling)) < 0.5


def _share_whole(values: npt.NDArray[np.float64]) -> float:
    return float(np.mean(np.abs(values - np.rint(values)) < 0.02))


def _same(totals: npt.NDArray[np.float64]) -> bool:
    totals = totals[totals > 0]
    return len(totals) >= 3 and float(np.std(totals)) <= _SAME_TOTAL * float(np.mean(totals))

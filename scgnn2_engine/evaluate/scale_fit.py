"""How the values of another tool lie to the observed ones: their scale, and the library sizes of the cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scgnn2_engine.types import Floats, Prepared

_FEWEST_CELLS, _FEWEST_GENES, _FEWEST_ENTRIES = 3, 10, 10
_MARGIN = 0.05
"""By how much the linear reading must fit better, in ln(slope), before anything is said."""


def linear_doubt(imputed: Floats, prepared: Prepared) -> str:
    """A sentence where values that were taken for logged look as if they were not; empty else.

    The means of the genes tell. On a logarithmic axis those of the result rise with the observed ones at slope 1,
    whatever the library sizes, if the values are read on the right scale; where values that are not logged are taken
    for exponents, the slope is above 1, and where logged ones are left as they are, below. Totals of the cells do not
    tell: logged values that are normalised to 10,000 have other totals than the counts on either scale.

    Parameters
    ----------
    imputed
        (n_obs, n_vars) the values, taken for ln(1 + expression).
    prepared
        What was visible.
    """
    seen = prepared.x > 0
    observed = np.expm1(prepared.to_output_scale(prepared.x)).mean(axis=0, dtype=np.float64)
    told = seen.sum(axis=0) >= _FEWEST_CELLS
    as_logged = _slope(observed, np.expm1(imputed).mean(axis=0, dtype=np.float64), told)
    as_linear = _slope(observed, imputed.mean(axis=0, dtype=np.float64), told)
    if not (as_logged > 0 and as_linear > 0 and abs(np.log(as_linear)) + _MARGIN < abs(np.log(as_logged))):
        return ""
    return (
        "The values were taken for logged, but the means of the genes follow the observed ones better if they are not "
        f"(slope {as_linear:.2f}, and {as_logged:.2f} if they are; 1 fits): if they are not logged, add "
        "--scale normalised."
    )


def _slope(observed: npt.NDArray[np.float64], found: npt.NDArray[np.float64], told: npt.NDArray[np.bool_]) -> float:
    told = told & (observed > 0) & (found > 0)
    if told.sum() < _FEWEST_GENES:
        return float("nan")
    x, y = np.log(observed[told]), np.log(found[told])
    x = x - x.mean()
    squares = float(x @ x)
    return float(x @ y) / squares if squares > 0 else float("nan")


def with_library(imputed: Floats, prepared: Prepared) -> npt.NDArray[np.float32]:
    """Bring every cell to the scale of what was seen of it, by one factor.

    The factor is the median ratio of result to observed at entries that were seen: at the quarter of them where the
    result is largest. Totals would not do: a result that fills zeros, hidden ones among them, rightly has more than
    what was left to be seen. Nor would all that was seen: where little is expected, an entry is seen only when it
    happens to be more, so a result that smooths would be doubled on sparse counts.

    Parameters
    ----------
    imputed
        (n_obs, n_vars) ln(1 + expression).
    prepared
        What was visible; hidden entries are 0 there.

    Examples
    --------
    >>> from scgnn2_engine.evaluate.matching import prepared_from
    >>> from scgnn2_engine.types import Dataset
    >>> seen = Dataset(np.array([[2.0, 4.0, 0.0]]), np.array(["cell"]), np.array(["a", "b", "c"]), "counts")
    >>> np.expm1(with_library(np.log1p([[1.0, 2.0, 3.0]]), prepared_from(seen, seen))).round(4).tolist()
    [[2.0, 4.0, 6.0]]
    """
    matched = np.array(imputed, dtype=np.float32)
    observed = prepared.to_output_scale(prepared.x)
    for cell, row in enumerate(matched):
        expression = np.expm1(row, dtype=np.float64)
        both = (prepared.x[cell] > 0) & (expression > 0)
        if both.any():
            found, wanted = expression[both], np.expm1(observed[cell, both], dtype=np.float64)
            largest = np.argsort(-found, kind="stable")[: max(_FEWEST_ENTRIES, len(found) // 4)]
            ratio = np.exp(np.median(np.log(found[largest]) - np.log(wanted[largest])))
            matched[cell] = np.log1p(expression / ratio)
    return matched

"""How the values of another tool lie to the observed ones: their scale, and the library sizes of the cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.data.prepared import Prepared

_FEWEST_CELLS, _FEWEST_GENES, _FEWEST_ENTRIES = 3, 10, 10
_REPRODUCED = 0.02
"""Largest spread around the observed values, on a logarithm, of a result that keeps them."""
_ALIKE = 0.1
"""Readings whose spreads differ by less fit alike."""
_NEAR, _FAR = 0.15, 0.5
"""What |ln(slope)| of the means is near 1, and what is clearly not."""


def linear_doubt(imputed: Floats, prepared: Prepared) -> str:
    """A sentence where values that were taken for logged look as if they were not; empty else.

    Many tools keep what was observed. If the values as they stand lie along the observed ones at the seen entries, but
    for a factor for each cell (its library), they are not logged; if their exponentials do, they are. Of tools that
    keep nothing the means of the genes tell, and only where they tell clearly: on a logarithmic axis they rise with the
    observed ones at slope 1 if the values are read on the right scale, whatever the library sizes; taken for exponents
    they rise more steeply. Totals of the cells do not tell: logged values that are normalised to 10,000 have other
    totals than the counts on either scale. Small values are the same on both scales, and say nothing.

    Parameters
    ----------
    imputed
        (n_obs, n_vars) the values, taken for ln(1 + expression).
    prepared
        What was visible.
    """
    x = np.asarray(prepared.x)
    seen = x > 0
    observed = np.expm1(prepared.to_output_scale(x))
    readings = {"logged": np.expm1(np.minimum(imputed, 60.0)), "linear": np.asarray(imputed)}
    spreads = {name: _spread(values, observed, seen) for name, values in readings.items()}
    if not all(map(np.isfinite, spreads.values())) or spreads["logged"] <= _REPRODUCED:
        return ""
    if spreads["linear"] <= _REPRODUCED and spreads["logged"] > _REPRODUCED + _ALIKE:
        return (
            "The values were taken for logged, but as they stand they are the observed ones where something was "
            "observed, but for a factor for each cell: add --scale normalised."
        )
    if spreads["logged"] - spreads["linear"] <= _ALIKE:
        return ""
    told = seen.sum(axis=0) >= _FEWEST_CELLS
    means = observed.mean(axis=0, dtype=np.float64)
    slopes = {name: _slope(means, values.mean(axis=0, dtype=np.float64), told) for name, values in readings.items()}
    if not (min(slopes.values()) > 0 and abs(np.log(slopes["linear"])) <= _NEAR and np.log(slopes["logged"]) >= _FAR):
        return ""
    return (
        "The values were taken for logged, but the means of the genes follow the observed ones better if they are not "
        f"(slope {slopes['linear']:.2f}, and {slopes['logged']:.2f} if they are; 1 fits): if they are not logged, add "
        "--scale normalised."
    )


def _spread(values: Floats, observed: Floats, seen: npt.NDArray[np.bool_]) -> float:
    """Median distance of ln(values) from ln(observed) at seen entries, each cell brought to its median first."""
    at = seen & (values > 0)
    if at.sum() < _FEWEST_ENTRIES:
        return float("nan")
    rows = np.nonzero(at)[0]
    ratios = pd.Series(np.log(values[at], dtype=np.float64) - np.log(observed[at], dtype=np.float64))
    return float(np.median(np.abs(ratios - ratios.groupby(rows).transform("median"))))


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
    >>> from scgnn2_engine.data.dataset import Dataset
    >>> seen = Dataset(np.array([[2.0, 4.0, 0.0]]), np.array(["cell"]), np.array(["a", "b", "c"]), "counts")
    >>> np.expm1(with_library(np.log1p([[1.0, 2.0, 3.0]]), prepared_from(seen, seen))).round(4).tolist()
    [[2.0, 4.0, 6.0]]
    """
    matched = np.array(imputed, dtype=np.float32)
    x = np.asarray(prepared.x)
    observed = prepared.to_output_scale(x)
    for cell, row in enumerate(matched):
        expression = np.expm1(row, dtype=np.float64)
        both = (x[cell] > 0) & (expression > 0)
        if both.any():
            found, wanted = expression[both], np.expm1(observed[cell, both], dtype=np.float64)
            largest = np.argsort(-found, kind="stable")[: max(_FEWEST_ENTRIES, len(found) // 4)]
            ratio = np.exp(np.median(np.log(found[largest]) - np.log(wanted[largest])))
            matched[cell] = np.log1p(expression / ratio)
    return matched

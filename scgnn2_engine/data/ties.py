"""Values that many entries share, as the ones of sparse counts do: what an error at them can say."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.data.matrices import stored

LARGEST_TIE = 1 / 3
"""Share of the non-zero entries with one value from which on the masked L1 error says nothing."""


def l1_verdict(expression: Matrix) -> tuple[bool, str]:
    """Whether the masked L1 error means something, and the sentence that says so.

    Parameters
    ----------
    expression
        (n_obs, n_vars) as it was given.

    Returns
    -------
    (meaningful, sentence)
        Where a third or more of the non-zero entries share one value (of sparse UMI counts half or more are 1), filling
        every zero with that value has a median error of 0, so the error measures nothing.

    Examples
    --------
    >>> l1_verdict(np.array([[1, 1, 0], [1, 2, 5]]))[0]
    False
    """
    found = stored(expression)
    values, counts = np.unique(found[found != 0], return_counts=True)
    if not len(values):
        return False, "Nothing is expressed, so there is no error to speak of."
    share, value = counts.max() / counts.sum(), values[counts.argmax()]
    if share < LARGEST_TIE:
        return True, f"The most frequent non-zero value, {value:g}, makes up {share:.0%} of the non-zero entries."
    return False, (
        f"{share:.0%} of the non-zero entries are {value:g}: filling every zero with it would have a median error of "
        "0, so the absolute error at masked entries is not reported. For counts, count thinning is the score "
        "(scgnn2 benchmark)."
    )


def ties_within_cells(expression: Matrix) -> float:
    """Share of the non-zero entries that have the most frequent non-zero value of their cell; NaN without any.

    Dividing counts by library sizes makes the ones of every cell another value, which they go on sharing.

    Examples
    --------
    >>> ties_within_cells(np.array([[0.5, 0.5, 0.0, 1.0], [0.2, 0.2, 0.2, 0.4]]))
    0.7142857142857143
    """
    found = sp.coo_matrix(expression)
    is_there = found.data != 0
    rows, values = found.row[is_there], found.data[is_there]
    if not len(values):
        return float("nan")
    order = np.lexsort((values, rows))
    rows, values = rows[order], values[order]
    starts = np.flatnonzero(np.r_[True, (rows[1:] != rows[:-1]) | (values[1:] != values[:-1])])
    lengths = np.diff(np.r_[starts, len(rows)])
    most = np.zeros(expression.shape[0], np.int64)
    np.maximum.at(most, rows[starts], lengths)
    return float(most.sum() / len(rows))

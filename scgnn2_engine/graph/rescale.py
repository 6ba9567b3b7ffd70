"""Bring one embedding to the range of another before they stand side by side."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats


def rescale_into(values: Floats, reference: Floats) -> npt.NDArray[np.float32]:
    """Shift and scale all values alike so that they span the reference's 10–90 % quantile range.

    Parameters
    ----------
    values
        (n_obs, d) embedding to rescale; its smallest value goes to the 10 % quantile of all reference values, its
        largest to the 90 % quantile. Constant values all go to the 10 % quantile.
    reference
        (n_obs, e) embedding that it will stand beside.

    Examples
    --------
    >>> rescale_into(np.array([[0.0, 5.0, 10.0]]), np.arange(11.0)[None]).tolist()
    [[1.0, 5.0, 9.0]]
    """
    low, high = np.quantile(np.asarray(reference, dtype=np.float64), [0.1, 0.9])
    smallest, largest = float(values.min()), float(values.max())
    slope = (high - low) / (largest - smallest) if largest > smallest else 0.0
    rescaled = (np.asarray(values, dtype=np.float64) - smallest) * slope + low
    return np.asarray(rescaled, dtype=np.float32)

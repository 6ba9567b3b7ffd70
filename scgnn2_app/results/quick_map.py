"""A map of the cells that takes no time, for runs under way."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def positions(embedding: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(n_obs, 2) first two principal components, each scaled to 0 to 1; quick enough to be drawn as a run goes on.

    Parameters
    ----------
    embedding
        (n_obs, d). With fewer than two cells or dimensions the missing coordinates are 0.5.
    """
    centred = np.asarray(embedding, dtype=np.float64) - np.mean(embedding, axis=0, dtype=np.float64)
    values, axes = np.linalg.eigh(centred.T @ centred)
    first = axes[:, np.argsort(values)[::-1][:2]]
    # A component has no sign of its own: its heaviest weight is made positive, or maps would flip.
    first = first * np.sign(first[np.abs(first).argmax(axis=0), range(first.shape[1])])
    points = np.full((len(centred), 2), 0.5)
    for axis in range(first.shape[1]):
        column = centred @ first[:, axis]
        span = np.ptp(column)
        if span > 0:
            points[:, axis] = (column - column.min()) / span
    return points

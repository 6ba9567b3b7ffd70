"""A word about batches that were not declared: columns by which the clusters divide."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Dataset, Ints
from scgnn2_engine.events import Notice
from scgnn2_engine.io.batches import IN_NAMES, undeclared

STRONG = 0.3
"""Association between clusters and batches from which on it is said."""


def batch_notice(dataset: Dataset, cells: Ints, clusters: Ints, label_column: str = "") -> Notice | None:
    """What to say of columns by which clusters divide although no batch was declared; None: nothing.

    Parameters
    ----------
    dataset
        As read.
    cells, clusters
        (n_obs,) positions of the kept cells, and their clusters.
    label_column
        Is not looked at.
    """
    if dataset.batches is not None:
        return None
    found = {
        key: cramers_v(clusters, batches.codes)
        for key, batches in undeclared(dataset, cells).items()
        if key != label_column
    }
    strong = sorted((key for key in found if found[key] >= STRONG), key=lambda key: -found[key])
    if not strong:
        return None
    return Notice.of("batches_undeclared", key=strong[0], found={_called(key): found[key] for key in strong[:3]})


def _called(key: str) -> str:
    return f"the {key.removeprefix('barcode_')} of the cells' names" if key in IN_NAMES else f"obs['{key}']"


def cramers_v(one: npt.NDArray[np.integer], other: npt.NDArray[np.integer]) -> float:
    """Association of two groupings of the same cells, 0 for none to 1, corrected for its bias.

    Notes
    -----
    Bergsma 2013: φ² − (r − 1)(c − 1)/(n − 1), at least 0, over min(r̃, c̃) − 1 with r̃ = r − (r − 1)²/(n − 1).

    Examples
    --------
    >>> groups = np.arange(400) % 2
    >>> round(cramers_v(groups, 1 - groups), 6), cramers_v(groups, np.arange(400) // 200)
    (1.0, 0.0)
    """
    from sklearn.metrics.cluster import contingency_matrix

    table = contingency_matrix(one, other).astype(np.float64)
    n, (r, c) = table.sum(), table.shape
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / n
    phi = max(0.0, float((np.square(table - expected) / expected).sum() / n) - (r - 1) * (c - 1) / (n - 1))
    fewest = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(phi / fewest)) if fewest > 0 else 0.0

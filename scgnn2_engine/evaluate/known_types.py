"""What a benchmark asks of the known types beside the scores."""

from __future__ import annotations

import numpy as np

from scgnn2_engine.data.dataset import Truth


def n_known_types(truth: Truth | None) -> int:
    """The number of different labels, cells without one left out; 0 without labels.

    A baseline that is told this number is the harder one to beat.

    Examples
    --------
    >>> n_known_types(Truth(np.array(["b", "a", "", "b"])))
    2
    """
    return 0 if truth is None else len(np.setdiff1d(truth.sealed_labels, [""]))

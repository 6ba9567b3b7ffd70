"""What a benchmark asks of the known types beside ARI and NMI."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scgnn2_engine.types import Truth


def n_known_types(truth: Truth | None) -> int:
    """The number of different labels, cells without one left out; 0 without labels.

    A baseline that is told this number is the harder one to beat.

    Examples
    --------
    >>> n_known_types(Truth(np.array(["b", "a", "", "b"])))
    2
    """
    return 0 if truth is None else len(np.setdiff1d(truth.sealed_labels, [""]))


def adjusted_mutual_information(labels: npt.NDArray[np.int32], truth: Truth | None) -> float:
    """Adjusted mutual information (Vinh, Epps & Bailey 2010) of the labelled cells; NaN for fewer than two of them.

    Examples
    --------
    >>> adjusted_mutual_information(np.array([4, 0, 0, 4]), Truth(np.array(["a", "b", "b", "a"])))
    1.0
    """
    from sklearn.metrics import adjusted_mutual_info_score

    given = np.zeros(0, dtype=bool) if truth is None else truth.sealed_labels != ""
    if truth is None or np.count_nonzero(given) < 2:
        return float("nan")
    return float(adjusted_mutual_info_score(truth.sealed_labels[given], labels[given]))

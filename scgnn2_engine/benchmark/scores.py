"""The scores of one cell, from an output on the scale ln(1 + expression) and what was hidden."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Dataset, Floats, Matrix, Truth
from scgnn2_engine.data.matrices import stored
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.evaluate import agreement_with_truth
from scgnn2_engine.evaluate.imputation_errors import Entries, entry_errors, largest_zero, scored_entries
from scgnn2_engine.evaluate.noise_floor import noise_floor, technical_dispersion

FEWEST_ONES = 0.05
OF_COUNTS = ("poisson_", "isotonic_", "gene_")
NOISE_FLOOR = "masked_noise_floor"


class MaskedScores:
    """Scores of imputations of masked data; what they share is found once.

    Parameters
    ----------
    prepared
        With the benchmark's hidden entries.
    seed
        Of the draws that estimate the noise floor.
    """

    def __init__(self, prepared: Prepared, seed: int = 0) -> None:
        self._entries = scored_entries(prepared)
        self._largest_zero = largest_zero(prepared)
        self._dispersion = technical_dispersion(prepared, seed=seed)
        self._seed = seed

    def __call__(self, output: Floats) -> dict[str, float]:
        """The scores of one output.

        Parameters
        ----------
        output
            (n_obs, n_vars) on the scale ln(1 + expression), with the library sizes of the input.

        Returns
        -------
        ``masked_…``, ``untouched_…`` and ``zero_…``: the scores of
        :func:`~scgnn2_engine.evaluate.imputation_errors.entry_errors` at the hidden entries, at the other non-zero
        ones and at zeros (``zero_l1_mean``: the mean imputed value; ``zero_zeros_kept``). ``masked_noise_floor``: the
        median error that would be left if this output were the true rates.
        """
        scores = {
            f"{kind}_{name}": value
            for kind, entries in self._entries.items()
            for name, value in entry_errors(output, entries, smallest=self._largest_zero).items()
            if not math.isnan(value)
        }
        at = self._entries.get("masked")
        if isinstance(at, Entries):
            scores[NOISE_FLOOR] = noise_floor(output[at.rows, at.cols], self._dispersion, seed=self._seed)
        return scores


def cluster_scores(labels: npt.NDArray[np.int32], truth: Truth | None) -> dict[str, float]:
    """Agreement of clusters with the known types, and how many clusters there are."""
    return {**agreement_with_truth(labels, truth), "n_clusters": float(len(np.unique(labels)))}


def scored_output(outputs: Mapping[str, object], metric: str) -> str:
    """Which output of a run a metric is about.

    Held-out counts are about expected counts, so ``rate`` where a run has it; the squared error of Open Problems about
    the mean of the logarithm, so ``expected``; everything else, and these where there is nothing better, about
    ``imputed``.

    Examples
    --------
    >>> scored_output({"imputed": 0, "rate": 0}, "poisson_scaled"), scored_output({"imputed": 0, "rate": 0}, "mse_op")
    ('rate', 'imputed')
    """
    wanted = "expected" if metric == "mse_op" else "rate" if metric.startswith(OF_COUNTS) else "imputed"
    return wanted if wanted in outputs else "imputed"


def traits(expression: Matrix) -> dict[str, float]:
    """What decides which scores mean something.

    Returns
    -------
    ``commonest_value_share``: the largest share of the non-zero entries that have one value. From a third on, the
    median error at masked entries is that of a guess of this value. ``share_of_ones``: the share that is 1.
    """
    values = stored(expression)
    values = values[values > 0]
    if not values.size:
        return {"commonest_value_share": float("nan"), "share_of_ones": float("nan")}
    counts = np.unique(values, return_counts=True)[1]
    return {
        "commonest_value_share": float(counts.max() / values.size),
        "share_of_ones": float(np.count_nonzero(values == 1) / values.size),
    }


def why_not_thinned(data: Dataset) -> str:
    """Why a data set's counts cannot be split, or an empty text."""
    values = stored(data.expression)
    if data.scale != "counts":
        return f"its values are {data.scale}, not counts"
    if not np.array_equal(values, np.floor(values)):
        return "its counts are not whole numbers"
    return ""


def counts_molecules(share_of_ones: float) -> bool:
    """Whether counts are of molecules (UMI) rather than of reads, which come many from one molecule.

    Reads that are split at random show the same molecules in both parts, so the score of count thinning rewards a
    method for leaving data as it is. Where fewer than 5 % of the non-zero counts are 1, they are taken for reads.

    Examples
    --------
    >>> counts_molecules(0.37), counts_molecules(0.003)
    (True, False)
    """
    return share_of_ones >= FEWEST_ONES

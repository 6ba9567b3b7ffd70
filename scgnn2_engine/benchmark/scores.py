"""The scores of one cell, from an output on the scale ln(1 + expression) and what was hidden."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from scgnn2_engine.evaluate import agreement_with_truth, hidden_error
from scgnn2_engine.evaluate.known_types import adjusted_mutual_information
from scgnn2_engine.prepare.matrices import row_blocks, stored
from scgnn2_engine.types import Dataset, Floats, Matrix, Prepared, Truth

FEWEST_ONES = 0.05


def mask_scores(output: Floats, prepared: Prepared) -> dict[str, float]:
    """Scores of an imputation of masked data.

    Parameters
    ----------
    output
        (n_obs, n_vars) on the scale ln(1 + expression), with the library sizes of the input.
    prepared
        With the benchmark's hidden entries.

    Returns
    -------
    ``masked_median_l1``, ``masked_mean_l1``, ``masked_rmse``, ``masked_cosine`` at the hidden entries;
    ``untouched_median_l1``, ``untouched_mean_l1``, ``untouched_rmse`` at the other non-zero ones; ``zero_mean`` and
    ``zeros_kept`` at the zeros of the input: the mean of the output, and the share that stays below half a count,
    ln(1.5).
    """
    masked = hidden_error(np.asarray(output, np.float32), prepared.hidden, np.ones(prepared.n_obs, np.float32))
    hidden = np.zeros(prepared.x.shape, dtype=bool)
    if prepared.hidden is not None:
        hidden[prepared.hidden.rows, prepared.hidden.cols] = True
    errors, zero_sum, n_zeros, n_kept = [np.empty(0, np.float32)], 0.0, 0, 0
    for rows, block in row_blocks(prepared.expression):
        wanted = block if prepared.scale == "logged" else np.log1p(block)
        found = np.asarray(output[rows], dtype=np.float64)
        seen = (block > 0) & ~hidden[rows]
        errors.append(np.abs(found[seen] - wanted[seen]).astype(np.float32))
        at_zeros = found[block == 0]
        zero_sum, n_zeros = zero_sum + float(at_zeros.sum()), n_zeros + at_zeros.size
        n_kept += int(np.count_nonzero(at_zeros < np.log(1.5)))
    error = np.concatenate(errors)
    return {
        "masked_median_l1": masked["median"],
        "masked_mean_l1": masked["mean"],
        "masked_rmse": masked["rmse"],
        "masked_cosine": masked["cosine"],
        "untouched_median_l1": float(np.median(error)) if error.size else float("nan"),
        "untouched_mean_l1": float(error.mean(dtype=np.float64)) if error.size else float("nan"),
        "untouched_rmse": float(np.sqrt(np.square(error, dtype=np.float64).mean())) if error.size else float("nan"),
        "zero_mean": zero_sum / n_zeros if n_zeros else float("nan"),
        "zeros_kept": n_kept / n_zeros if n_zeros else float("nan"),
    }


def cluster_scores(labels: npt.NDArray[np.int32], truth: Truth | None) -> dict[str, float]:
    """Agreement of clusters with the known types, and how many clusters there are."""
    return {
        **agreement_with_truth(labels, truth),
        "ami": adjusted_mutual_information(labels, truth),
        "n_clusters": float(len(np.unique(labels))),
    }


def scored_output(outputs: Mapping[str, object], metric: str) -> str:
    """Which output of a run a metric is about.

    Poisson loss is about expected counts, so ``rate`` where a run has it; the squared error about the mean of the
    logarithm, so ``expected``; everything else, and these where there is nothing better, about ``imputed``.

    Examples
    --------
    >>> scored_output({"imputed": 0, "rate": 0}, "poisson"), scored_output({"imputed": 0, "rate": 0}, "mse")
    ('rate', 'imputed')
    """
    wanted = {"poisson": "rate", "mse": "expected"}.get(metric, "imputed")
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

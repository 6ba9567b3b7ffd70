"""Scores of one iteration: agreement of clusters, error of the imputation.

Labels and the values that a benchmark hid are looked at in this package only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.blocks import AnyMatrix
from scgnn2_engine.data.dataset import Ints, Truth
from scgnn2_engine.data.prepared import HiddenEntries, Prepared
from scgnn2_engine.data.ties import l1_verdict
from scgnn2_engine.graph.batch_mixing import lisi
from scgnn2_engine.results.state import LoopState

NAN = float("nan")


def ari_between(labels: npt.NDArray[np.int32], previous: npt.NDArray[np.int32] | None) -> float:
    """Adjusted Rand index (Hubert & Arabie 1985) between the clusters of two successive iterations.

    Parameters
    ----------
    labels, previous
        (n_obs,) predicted clusters of the same cells; ``previous`` is None in the first iteration.

    Returns
    -------
    1 for equal partitions, around 0 for independent ones; NaN in the first iteration.

    Examples
    --------
    >>> ari_between(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0
    """
    if previous is None:
        return float("nan")
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(previous, labels))


def label_mixing(neighbours: Ints, truth: Truth | None) -> dict[str, float]:
    """cLISI: how many labels there are, as it were, among the neighbours of a labelled cell; nothing without labels.

    Neighbours without a label count as one more label.

    Examples
    --------
    >>> from scgnn2_engine.data.dataset import Truth
    >>> label_mixing(np.array([[1, 2], [0, 2], [0, 1]]), Truth(np.array(["a", "a", ""])))
    {'clisi_against_ground_truth': 2.0}
    """
    if truth is None or not (truth.sealed_labels != "").any():
        return {}
    return {"clisi_against_ground_truth": lisi(neighbours[truth.sealed_labels != ""], truth.sealed_labels)}


def agreement_with_truth(labels: npt.NDArray[np.int32], truth: Truth | None) -> dict[str, float]:
    """Adjusted Rand index, normalised and adjusted mutual information against the given labels.

    Parameters
    ----------
    labels
        (n_obs,) predicted clusters.
    truth
        Labels of the same cells; cells without one are left out. None gives NaN.

    Returns
    -------
    ``{"ari": …, "nmi": …, "ami": …}``, NaN when fewer than two cells have a label.

    Notes
    -----
    ARI: Hubert & Arabie 1985. NMI: mutual information over the arithmetic mean of the entropies. AMI: the same less
    what chance would give (Vinh, Epps & Bailey 2010).

    Examples
    --------
    >>> import numpy as np
    >>> from scgnn2_engine.data.dataset import Truth
    >>> agreement_with_truth(np.array([0, 0, 1, 1]), Truth(np.array(["b", "b", "a", "a"])))["ari"]
    1.0
    """
    if truth is None:
        return {"ari": NAN, "nmi": NAN, "ami": NAN}
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, normalized_mutual_info_score

    given = truth.sealed_labels != ""
    if np.count_nonzero(given) < 2:
        return {"ari": NAN, "nmi": NAN, "ami": NAN}
    known, predicted = truth.sealed_labels[given], labels[given]
    return {
        "ari": float(adjusted_rand_score(known, predicted)),
        "nmi": float(normalized_mutual_info_score(known, predicted)),
        "ami": float(adjusted_mutual_info_score(known, predicted)),
    }


def hidden_error(
    imputed: AnyMatrix, hidden: HiddenEntries | None, size_factors: npt.NDArray[np.float32]
) -> dict[str, float]:
    """Error at the entries the benchmark hid, on the ln(1 + expression) scale of the output.

    Parameters
    ----------
    imputed
        (n_obs, n_vars) on the scale of ``Prepared.x``.
    hidden
        The hidden entries with their true values, or None.
    size_factors
        (n_obs,) of the cells.

    Returns
    -------
    ``median``, ``mean`` of the absolute error (L1), ``rmse``, and ``cosine`` similarity of the two vectors; NaN
    without hidden entries.
    """
    if hidden is None or len(hidden) == 0:
        return {"median": NAN, "mean": NAN, "rmse": NAN, "cosine": NAN}
    factors = size_factors[hidden.rows].astype(np.float64)
    found = np.log1p(np.expm1(imputed[hidden.rows, hidden.cols].astype(np.float64)) * factors)
    wanted = hidden.values.astype(np.float64)
    absolute = np.abs(found - wanted)
    lengths = np.linalg.norm(found) * np.linalg.norm(wanted)
    return {
        "median": float(np.median(absolute)),
        "mean": float(absolute.mean()),
        "rmse": float(np.sqrt(np.square(absolute).mean())),
        "cosine": float(found @ wanted / lengths) if lengths > 0 else NAN,
    }


def validation_error(imputed: AnyMatrix, validation: HiddenEntries | None) -> float:
    """Mean absolute error at the held-out entries, on the scale of ``Prepared.x``; NaN without any."""
    if validation is None or len(validation) == 0:
        return NAN
    return float(np.abs(imputed[validation.rows, validation.cols] - validation.values).mean())


def score_iteration(
    prepared: Prepared, state: LoopState, previous_labels: npt.NDArray[np.int32] | None, truth: Truth | None
) -> Mapping[str, float]:
    """The scores of one iteration: its row of ``metrics.csv`` but for time and stopping.

    The absolute errors at hidden entries (``error_median``, ``error_mean``) are NaN where they mean nothing
    (:func:`~scgnn2_engine.evaluate.imputation_errors.l1_verdict`). With bulk expression the errors of the single-cell
    and of the bulk imputation stand beside those of the fused one.

    Raises
    ------
    ValueError
        The state is that before the loop, which has neither labels nor an imputation.
    """
    if state.labels is None or state.imputed is None:
        raise ValueError("expected the state of an iteration, found the state before the loop")
    agreement = agreement_with_truth(state.labels, truth)
    means_something = prepared.hidden is not None and l1_verdict(prepared.expression)[0]

    def errors(imputed: AnyMatrix) -> dict[str, float]:
        found = hidden_error(imputed, prepared.hidden, prepared.size_factors)
        return found if means_something else {**found, "median": NAN, "mean": NAN}

    error = errors(state.imputed)
    before_fusion = {
        f"{score}_{name}": value
        for name, imputed in state.unfused.items()
        for score, value in (
            ("error_median", errors(imputed)["median"]),
            ("validation_error", validation_error(imputed, prepared.validation)),
        )
    }
    if state.deconvolution is not None and "strength" in state.deconvolution:
        before_fusion["bulk_strength"] = float(state.deconvolution["strength"])
    return {
        "ari_against_ground_truth": agreement["ari"],
        "nmi_against_ground_truth": agreement["nmi"],
        "ami_against_ground_truth": agreement["ami"],
        **label_mixing(state.graph.neighbours, truth),
        "ari_between_iterations": ari_between(state.labels, previous_labels),
        "error_median": error["median"],
        "error_mean": error["mean"],
        "error_rmse": error["rmse"],
        "error_cosine": error["cosine"],
        "validation_error": validation_error(state.imputed, prepared.validation),
        "cluster_count": float(len(np.unique(state.labels))),
        **before_fusion,
    }


def n_label_types(truth: Truth | None) -> int:
    """The number of different labels, cells without one left out; 0 without labels.

    A baseline that is told this number is the harder one to beat.

    Examples
    --------
    >>> n_label_types(Truth(np.array(["b", "a", "", "b"])))
    2
    """
    return 0 if truth is None else len(np.setdiff1d(truth.sealed_labels, [""]))

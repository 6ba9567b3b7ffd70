"""The diagnostics of a result as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.data.batches import BatchMixing
from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.data.ties import l1_verdict
from scgnn2_engine.evaluate.baselines import Visible
from scgnn2_engine.evaluate.diagnostics import (
    depth_between_clusters,
    effective_rank,
    gene_correlations,
    graph_purity,
    mean_cosine,
    silhouette,
    stability,
    variance_kept,
)
from scgnn2_engine.evaluate.imputation_errors import Entries, Kind, Zeros, entry_errors, largest_zero
from scgnn2_engine.evaluate.noise_floor import noise_floor, technical_dispersion

NAN = float("nan")
DIAGNOSTICS = ("name", "value", "meaning")
MEANINGS: Mapping[str, str] = {
    "zeros_kept": "share of the observed zeros imputed below half of the smallest observed expression",
    "mean_at_zeros": "mean imputed value, ln(1 + x), at observed zeros",
    "variance_kept": "median over genes of the variance after imputation over that before; near 0: over-smoothed",
    "variance_kept_lowest": "the same at the 5 % quantile of the genes",
    "feature_effective_rank": "dimensions that the feature embedding uses; near 1: collapsed",
    "feature_mean_cosine": "mean cosine of two cells in the feature embedding; near 1: over-smoothed",
    "graph_effective_rank": "dimensions that the graph embedding uses; near 1: collapsed",
    "graph_mean_cosine": "mean cosine of two cells in the graph embedding; near 1: over-smoothed",
    "silhouette": "mean silhouette of the clusters in the embedding they were found in",
    "purity": "share of the cell graph's edges within clusters",
    "purity_by_chance": "the same with the clusters permuted over the cells",
    "purity_z": "standard deviations between the two",
    "depth_between_clusters": "share of the variance of log(genes seen in a cell) that lies between the clusters",
    "correlation_observed": "median |r| of two genes before imputation",
    "correlation_imputed": "the same after imputation",
    "correlation_inflation": "after over before; well above 1: genes look more alike than they did",
    "correlation_chance": "median |r| of two genes without any relation, for so many cells",
    "pairs_only_imputed": "share of gene pairs that stand out from permuted ones after imputation but not before",
    "technical_dispersion": "dispersion of the counting noise (variance μ + φμ²), from the steadiest genes",
    "noise_floor": "median error at hidden entries that is left if the best imputed values were the true rates",
    "noise_floor_counting": "the same for Poisson noise alone",
    "gap_closed": "share of the way from the best baseline's error to the noise floor",
    "batch_mixing": "batches among the neighbours of a cell (iLISI, inverse Simpson index), 1: its own alone",
    "batch_mixing_before": "the same without the correction of batches",
    "batch_mixing_by_chance": "the same if cells of all batches were dealt out at random",
    "stability_of_iterations": "mean adjusted Rand index between the clusters of the iterations",
}
"""Name to what it means, in the order of the table."""


def diagnose(
    imputed: Floats,
    prepared: Prepared,
    entries: Mapping[Kind, Entries | Zeros],
    *,
    labels: npt.NDArray[Any] | None = None,
    adjacency: sp.spmatrix | None = None,
    embeddings: Mapping[str, Floats] | None = None,
    history: Sequence[npt.NDArray[Any]] = (),
    best_baseline: float = NAN,
    best_rates: npt.NDArray[Any] | None = None,
    value: Floats | None = None,
    mixing: BatchMixing | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure what can be measured without a label.

    Parameters
    ----------
    imputed
        (n_obs, n_vars) ln(1 + expression) with the cells' own library sizes.
    prepared
        What was visible.
    entries
        As of :func:`~scgnn2_engine.evaluate.imputation_errors.scored_entries`.
    labels
        (n_obs,) clusters, where there are.
    adjacency
        (n_obs, n_obs) sparse, of the cell graph, where there is one.
    embeddings
        ``feature``, ``graph``, ``clustering``: (n_obs, d).
    history
        Clusters of every iteration.
    best_baseline
        Median error of the best baseline at the hidden entries, for ``gap_closed``.
    best_rates
        (n,) what the best of all methods imputed at the hidden entries, ln(1 + x), for the noise floor; None takes
        ``imputed``.
    value
        (n_obs, n_vars) the value of each gene where it is seen, if ``imputed`` is another answer: hidden entries were
        seen, so for ``gap_closed`` its error counts.
    mixing
        How well batches are mixed, where there are.
    seed
        Of samples and permutations.

    Returns
    -------
    pandas.DataFrame
        ``name``, ``value``, ``meaning``; only what could be measured, in the order of :data:`MEANINGS`.
    """
    embeddings = embeddings or {}
    normalised, observed = on_normalised_scale(imputed, prepared)
    kept = variance_kept(normalised, observed)
    known = kept[np.isfinite(kept)]
    zeros = entry_errors(imputed, entries["zero"], smallest=largest_zero(prepared))
    found = {
        "zeros_kept": zeros["zeros_kept"],
        "mean_at_zeros": zeros["l1_mean"],
        "variance_kept": float(np.median(known)) if len(known) else NAN,
        "variance_kept_lowest": float(np.quantile(known, 0.05)) if len(known) else NAN,
        **gene_correlations(normalised, observed, seed=seed),
        **_floor(imputed if value is None else value, prepared, entries, best_baseline, best_rates, seed),
        "stability_of_iterations": stability(history),
    }
    if mixing is not None:
        found["batch_mixing"] = mixing.after
        found |= {f"batch_mixing_{name}": getattr(mixing, name) for name in ("before", "by_chance")}
    for kind in ("feature", "graph"):
        if kind in embeddings:
            found[f"{kind}_effective_rank"] = effective_rank(embeddings[kind])
            found[f"{kind}_mean_cosine"] = mean_cosine(embeddings[kind])
    if labels is not None:
        found["depth_between_clusters"] = depth_between_clusters(genes_seen(prepared), labels)
    if labels is not None and "clustering" in embeddings:
        found["silhouette"] = silhouette(embeddings["clustering"], labels, seed=seed)
    if labels is not None and adjacency is not None:
        found |= graph_purity(adjacency, labels, seed=seed)
    rows = [(name, found[name], meaning) for name, meaning in MEANINGS.items() if np.isfinite(found.get(name, NAN))]
    return pd.DataFrame(rows, columns=list(DIAGNOSTICS))


def _floor(
    imputed: Floats,
    prepared: Prepared,
    entries: Mapping[Kind, Entries | Zeros],
    best_baseline: float,
    best_rates: npt.NDArray[Any] | None,
    seed: int,
) -> dict[str, float]:
    hidden = entries.get("masked", entries.get("held_out"))
    dispersion = technical_dispersion(prepared, seed=seed)
    found = {"technical_dispersion": dispersion}
    if hidden is None or not np.isfinite(dispersion) or not l1_verdict(prepared.expression)[0]:
        return found
    rates = hidden.of(imputed) if best_rates is None else best_rates
    floor = noise_floor(rates, dispersion, seed=seed)
    found |= {"noise_floor": floor, "noise_floor_counting": noise_floor(rates, 0.0, seed=seed)}
    if best_baseline > floor:
        error = entry_errors(imputed, hidden)["l1_median"]
        found["gap_closed"] = (best_baseline - error) / (best_baseline - floor)
    return found


def genes_seen(prepared: Prepared) -> npt.NDArray[np.int64]:
    """(n_obs,) number of genes that each cell shows, what the run held out among them."""
    seen: npt.NDArray[np.int64] = np.count_nonzero(np.asarray(prepared.x), axis=1)
    if prepared.validation is not None:
        held_out = prepared.validation.rows[prepared.validation.values > 0]
        seen = seen + np.bincount(held_out, minlength=prepared.n_obs)
    return seen


def gene_table(imputed: Floats, prepared: Prepared) -> pd.DataFrame:
    """One row for each gene, see :class:`~scgnn2_engine.results.result.Evaluation`."""
    normalised, observed = on_normalised_scale(imputed, prepared)
    return pd.DataFrame(
        {
            "gene": prepared.var_names,
            "observed_in": np.mean(observed > 0, axis=0),
            "mean_observed": observed.mean(axis=0, dtype=np.float64),
            "mean_imputed": normalised.mean(axis=0, dtype=np.float64),
            "variance_kept": variance_kept(normalised, observed),
        }
    )


def on_normalised_scale(imputed: Floats, prepared: Prepared) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Imputed and observed values as ln(1 + library-normalised expression), (n_obs, n_vars) each, nothing hidden.

    With the hidden entries at 0 the observed variance would be mostly that of the mask.
    """
    visible = Visible.of(prepared, held_out=True)
    observed = visible.y
    if prepared.hidden is not None:
        at = prepared.hidden
        observed = observed.copy()
        factors = (prepared.size_factors * visible.ratio)[at.rows]
        observed[at.rows, at.cols] = np.log1p(np.expm1(at.values) / factors)
    return visible.normalised(imputed, prepared), observed

"""What the baselines of a finished run score, for level lines beside its curves."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

BEST_IMPUTATION, BEST_CLUSTERING = "best_imputation", "best_clustering"
IMPUTATION = {
    "gene_mean": "gene mean", "gene_median": "gene median", "knn": "kNN", "soft_svd": "soft SVD", "alra": "ALRA-like",
    "magic": "MAGIC",
}  # fmt: skip
CLUSTERING = {
    "pca_kmeans": "PCA + k-means", "pca_leiden_0.5": "PCA + Leiden .5", "pca_leiden_0.8": "PCA + Leiden .8",
    "pca_leiden_1.0": "PCA + Leiden 1",
}  # fmt: skip
OPTIONAL = {"magic"}
"""Needs a package that is not everywhere."""


class Level(NamedTuple):
    """A score that does not change, and what has it."""

    method: str
    score: float


def baseline_levels(folder: Path) -> dict[str, Level]:
    """The best baseline of the imputation and of the clustering, as the tables of the run have them.

    Parameters
    ----------
    folder
        Of a run that is over.

    Returns
    -------
    dict
        :data:`BEST_IMPUTATION` to the baseline with the smallest median error at hidden entries (``evaluation.csv``),
        :data:`BEST_CLUSTERING` to that with the largest adjusted Rand index against the labels
        (``evaluation_clusters.csv``). Left out is what was not scored, and a kind of which only some baselines were:
        the run was stopped.
    """
    levels: dict[str, Level] = {}
    imputation, clusters = _read(folder / "evaluation.csv"), _read(folder / "evaluation_clusters.csv")
    if {"method", "entries", "l1_median"} <= set(imputation):
        masked = imputation[(imputation["entries"] == "masked") & imputation["method"].isin(list(IMPUTATION))]
        if set(IMPUTATION) - OPTIONAL <= set(masked["method"]) and masked["l1_median"].notna().any():
            best = masked.loc[masked["l1_median"].idxmin()]
            levels[BEST_IMPUTATION] = Level(IMPUTATION[str(best["method"])], float(best["l1_median"]))
    if {"method", "ari"} <= set(clusters):
        others = clusters[clusters["method"].isin(list(CLUSTERING))]
        if set(CLUSTERING) <= set(others["method"]) and others["ari"].notna().any():
            best = others.loc[others["ari"].idxmax()]
            levels[BEST_CLUSTERING] = Level(CLUSTERING[str(best["method"])], float(best["ari"]))
    return levels


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError):  # not written, or cut off
        return pd.DataFrame()

"""What the baselines of a finished run score, for level lines beside its curves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

IMPUTATION = {
    "gene_mean": "gene mean", "gene_median": "gene median", "knn": "kNN", "soft_svd": "soft SVD", "alra": "ALRA-like",
    "magic": "MAGIC",
}  # fmt: skip
CLUSTERING = {
    "pca_kmeans": "PCA + k-means", "pca_leiden_0.5": "PCA + Leiden .5", "pca_leiden_0.8": "PCA + Leiden .8",
    "pca_leiden_1.0": "PCA + Leiden 1",
}  # fmt: skip


def baseline_levels(folder: Path) -> dict[str, float]:
    """Name of a baseline to its score, as ``evaluation.csv`` and ``evaluation_clusters.csv`` have them.

    Parameters
    ----------
    folder
        Of a run that is over.

    Returns
    -------
    dict
        Of imputation baselines the median error at hidden entries, of clusterings the adjusted Rand index against
        the labels; what was not scored is left out.
    """
    levels: dict[str, float] = {}
    imputation, clusters = _read(folder / "evaluation.csv"), _read(folder / "evaluation_clusters.csv")
    if {"method", "entries", "l1_median"} <= set(imputation):
        masked = imputation[imputation["entries"] == "masked"]
        levels |= dict(zip(masked["method"], masked["l1_median"], strict=True))
    if {"method", "ari"} <= set(clusters):
        levels |= dict(zip(clusters["method"], clusters["ari"], strict=True))
    return {name: float(levels[name]) for name in (*IMPUTATION, *CLUSTERING) if pd.notna(levels.get(name))}


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError):  # not written, or cut off
        return pd.DataFrame()

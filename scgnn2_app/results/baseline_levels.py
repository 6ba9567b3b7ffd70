"""What the baselines of a finished run score, for level lines beside its curves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

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
METHODS = {"zeros": "nothing filled in", **IMPUTATION, **CLUSTERING}
"""What people call the baselines, by their name in the tables."""

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
    imputation, clusters = _read(folder / "evaluation.csv"), _read(folder / "evaluation_clusters.csv")
    masked = imputation[imputation["entries"] == "masked"] if "entries" in imputation else pd.DataFrame()
    found = {
        BEST_IMPUTATION: _best(masked, "l1_median", IMPUTATION, largest=False),
        BEST_CLUSTERING: _best(clusters, "ari", CLUSTERING, largest=True),
    }
    return {name: level for name, level in found.items() if level is not None}


def shown_name(method: str) -> str:
    """What people call a method of the tables; scgnn2's own rows keep their name.

    Examples
    --------
    >>> shown_name("soft_svd"), shown_name("scgnn2 (value)")
    ('soft SVD', 'scgnn2 (value)')
    """
    return METHODS.get(method, method)


def not_computed(names: Mapping[str, str], there: Collection[str], record: Mapping[str, Any]) -> list[str]:
    """What people call the baselines of a kind that have no score, the run having been stopped or they having failed.

    Parameters
    ----------
    names
        :data:`IMPUTATION` or :data:`CLUSTERING`.
    there
        Methods that have a score.
    record
        The content of ``run.json``.

    Examples
    --------
    >>> not_computed(IMPUTATION, ["gene_mean", "gene_median", "knn", "alra"], {})
    ['soft SVD']
    """
    stopped = (record.get("evaluation") or {}).get("left_out", ())
    # Without a stop, an optional one that is missing is not installed.
    return [shown for name, shown in names.items() if name not in there and (name not in OPTIONAL or name in stopped)]


def _best(table: pd.DataFrame, score: str, names: Mapping[str, str], *, largest: bool) -> Level | None:
    """The best of the named methods; None unless all of them are there and at least one has the score."""
    if not {"method", score} <= set(table):
        return None
    rows = table[table["method"].isin(list(names))]
    if not set(names) - OPTIONAL <= set(rows["method"]) or rows[score].isna().all():
        return None
    best = rows.loc[rows[score].idxmax() if largest else rows[score].idxmin()]
    return Level(names[str(best["method"])], float(best[score]))


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError):  # not written, or cut off
        return pd.DataFrame()

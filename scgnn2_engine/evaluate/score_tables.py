"""Scores of several methods as tables for people and for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from scgnn2_engine.evaluate.comparison import Comparison


def wide(imputation: pd.DataFrame) -> pd.DataFrame:
    """Scores as rows (kind of entries, score), methods as columns; scores that nobody has are left out.

    Examples
    --------
    >>> rows = pd.DataFrame({"method": ["a", "b"], "entries": "zero", "n": 3, "rmse": [0.1, 0.2], "seconds": 1.0})
    >>> wide(rows).loc[("zero", "rmse")].tolist()
    [0.1, 0.2]
    """
    scores = [column for column in imputation if column not in ("method", "entries", "n", "seconds")]
    long = imputation.melt(["entries", "method"], scores, "score").dropna(subset="value")
    table = long.pivot(index=["entries", "score"], columns="method", values="value")
    order = [(kind, score) for kind in dict.fromkeys(imputation["entries"]) for score in scores]
    methods = list(dict.fromkeys(imputation["method"]))
    kept = [key for key in order if key in table.index]
    return table.loc[kept, [method for method in methods if method in table.columns]]


def record(comparison: Comparison) -> Mapping[str, Any]:
    """The comparison for a JSON file."""
    evaluation = comparison.evaluation
    found: dict[str, Any] = {
        "imputation": evaluation.imputation.to_dict("records"),
        "clusters": evaluation.clusters.to_dict("records"),
        "diagnostics": evaluation.diagnostics.to_dict("records"),
        "notes": list(evaluation.notes),
    }
    if comparison.agreement is not None:
        found["agreement"] = comparison.agreement.to_dict()
    return found

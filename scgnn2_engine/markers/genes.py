"""Tables of genes that differ between groups of cells, on what was observed: imputed values make cells alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.data.dataset import Floats, Matrix, Scale
from scgnn2_engine.errors import InputError
from scgnn2_engine.markers.pseudobulk import between_samples
from scgnn2_engine.markers.rank_sums import RankSums, rank_sums

COLUMNS = (
    "group", "gene", "score", "log2_fold_change", "p", "p_adjusted", "share_in_group", "share_elsewhere",
    "mean_in_group", "mean_elsewhere",
)  # fmt: skip
SMALL = 1e-9
"""Added to both means before their ratio, as scanpy does."""


def rank_genes(
    expression: Matrix,
    scale: Scale,
    groups: npt.NDArray[Any],
    var_names: npt.NDArray[np.str_],
    *,
    only: str = "",
    against: str = "",
) -> pd.DataFrame:
    """Every gene in each group against all other cells, or in one group against another, by Wilcoxon's rank-sum test.

    The same numbers as ``scanpy.tl.rank_genes_groups(method="wilcoxon", tie_correct=True)`` after ``normalize_total``
    and ``log1p``; sparse data are ranked as they are, some genes at a time. The p of cells of one sample are a ranking:
    they are not independent, and the groups were often made of the same genes (:func:`by_sample` counts samples).

    Parameters
    ----------
    expression
        (n_obs, n_vars) observed values, never imputed ones; counts and normalised values are brought to the median
        library size and logged.
    scale
        Of ``expression``.
    groups
        (n_obs,) one group for every cell; groups of fewer than two cells are compared with nothing.
    var_names
        (n_vars,) names of the genes.
    only
        Test this group alone.
    against
        Compare it with this group instead of all others.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS`, a row for every group and gene, highest score first within each group; p adjusted by
        Benjamini and Hochberg within the group; shares of the cells with a value other than 0; means of ln(1 + x); the
        fold change is that of exp(mean) - 1. Empty where there are no two groups to compare.

    Raises
    ------
    InputError
        A group that is named is not there.

    Examples
    --------
    >>> x = np.array([[9.0, 0.0], [8.0, 1.0], [0.0, 7.0], [1.0, 9.0]])
    >>> found = rank_genes(x, "logged", np.array([0, 0, 1, 1]), np.array(["A", "B"]))
    >>> list(zip(found["group"], found["gene"], found["score"].round(3)))
    [('0', 'A', 1.549), ('0', 'B', -1.549), ('1', 'B', 1.549), ('1', 'A', -1.549)]
    """
    names = np.asarray(groups).astype(str)
    levels, codes = np.unique(names, return_inverse=True)
    _must_be_there(levels, only, against)
    if against:
        levels = np.array([only, against])
        codes = np.where(names == only, 0, np.where(names == against, 1, -1))
    found = rank_sums(expression, codes, len(levels), factors=_factors(expression, scale), scale=scale)
    tested = [place for place, name in enumerate(levels) if found.sizes[place] > 1 and (not only or name == only)]
    total = found.sizes.sum()
    if len(levels) < 2 or total < 3:
        tested = []
    tables = [_table(str(levels[place]), var_names, _wilcoxon(found, place)) for place in tested]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))


def by_sample(
    expression: Matrix,
    groups: npt.NDArray[Any],
    samples: npt.NDArray[Any],
    var_names: npt.NDArray[np.str_],
    *,
    only: str,
    against: str = "",
) -> pd.DataFrame:
    """Every gene in one group against another or all other cells, where samples are what is counted.

    Counts are summed by sample and side, and the sums compared by a moderated t-test
    (:func:`~scgnn2_engine.markers.pseudobulk.between_samples`): within samples where they have both sides. Tests on
    cells find hundreds of genes between samples alone (Squair et al. 2021).

    Parameters
    ----------
    expression
        (n_obs, n_vars) observed counts.
    groups, samples
        (n_obs,) of every cell.
    var_names, only, against
        As for :func:`rank_genes`.

    Returns
    -------
    pandas.DataFrame
        As of :func:`rank_genes`, with t as score and the fold change of counts per million; p is NaN for genes with
        too few counts to test.

    Raises
    ------
    InputError
        A group is not there, the values are no counts, or there are too few samples.
    """
    names = np.asarray(groups).astype(str)
    _must_be_there(np.unique(names), only, against)
    kept = (names == only) | (names == against) if against else np.ones(len(names), dtype=bool)
    matrix = expression[np.flatnonzero(kept)] if against else expression
    values = matrix if isinstance(matrix, np.ndarray) else matrix.data
    if np.any(values < 0) or np.any(values != np.rint(values)):
        raise InputError(
            "Sums by sample need counts.",
            expected="whole numbers",
            found="values that are normalised or logged",
            advice="Give the run raw counts, or compare the cells (Wilcoxon).",
        )
    inside = names[kept] == only
    found = between_samples(matrix, inside, np.asarray(samples).astype(str)[kept])
    sums = rank_sums(matrix, np.where(inside, 0, 1), 2, factors=_factors(matrix, "counts"), scale="counts")
    columns = {"score": found.scores, "log2_fold_change": found.log2_fold_changes, "p": found.p, **_levels(sums, 0)}
    return _table(only, var_names, columns)


def _wilcoxon(found: RankSums, group: int) -> dict[str, Floats]:
    from scipy.stats import norm

    levels = _levels(found, group)
    inside, outside = (np.expm1(np.maximum(levels[name], 0)) + SMALL for name in ("mean_in_group", "mean_elsewhere"))
    scores = found.scores(group)
    return {
        "score": scores, "log2_fold_change": np.log2(inside / outside), "p": 2 * norm.sf(np.abs(scores)), **levels,
    }  # fmt: skip


def _levels(found: RankSums, group: int) -> dict[str, Floats]:
    """Shares of the cells that show a gene and its means, in a group and elsewhere."""
    n, others = found.sizes[group], found.sizes.sum() - found.sizes[group]
    parts = {"share": found.present, "mean": found.sums}
    inside = {f"{name}_in_group": values[group] / n for name, values in parts.items()}
    return inside | {
        f"{name}_elsewhere": (values.sum(axis=0) - values[group]) / others for name, values in parts.items()
    }


def _table(group: str, var_names: npt.NDArray[np.str_], columns: dict[str, Floats]) -> pd.DataFrame:
    """With adjusted p, highest score first, genes that were not tested last."""
    from scipy.stats import false_discovery_control

    p = columns["p"]
    tested = np.isfinite(p)
    adjusted = np.full(len(p), np.nan)
    if tested.any():
        adjusted[tested] = false_discovery_control(p[tested])
    table = pd.DataFrame({"group": group, "gene": np.asarray(var_names).astype(str), **columns, "p_adjusted": adjusted})
    return table.sort_values("score", ascending=False, kind="stable", ignore_index=True)[list(COLUMNS)]


def _factors(expression: Matrix, scale: Scale) -> npt.NDArray[np.float32] | None:
    """(n_obs,) what brings every cell to the median library size; None for logged values, which stay as they are."""
    if scale == "logged":
        return None
    totals = np.asarray(expression.sum(axis=1), dtype=np.float64).ravel()
    there = totals > 0
    middle = float(np.median(totals[there])) if there.any() else 1.0
    return np.asarray(np.where(there, middle / np.where(there, totals, 1.0), 1.0), dtype=np.float32)


def _must_be_there(levels: npt.NDArray[np.str_], only: str, against: str) -> None:
    for name in filter(None, (only, against)):
        if name not in levels:
            raise InputError(f"There is no group {name!r}.", expected=", ".join(levels[:20]) or "a group of cells")
    if only == against != "" or (against and not only):
        raise InputError("A group is compared with another one.", found=f"{only!r} with {against!r}")

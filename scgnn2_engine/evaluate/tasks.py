"""What imputed expression is used for, scored: bulk, differential expression, markers, clusters, labels, order in time.

Every task takes the matrix of one method and the known types, the matrix as it was among the methods, so that a table
says whether imputing helped at all (most imputers do not: Hou et al., Genome Biology 2020).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.data.dataset import Truth
from scgnn2_engine.evaluate.baselines import leiden
from scgnn2_engine.evaluate.imputers import N_NEIGHBOURS, Floats32, principal_components

TASKS = ("task_bulk", "task_de", "task_markers", "task_ari", "task_transfer", "task_order")
N_MARKERS = 50
RESOLUTION = 0.8
FEWEST = 10
"""Cells of a type that takes part in tests and in label transfer."""

Strings = npt.NDArray[Any]


def task_scores(
    y: Floats32,
    observed: Floats32,
    truth: Truth,
    var_names: Strings,
    bulk: pd.DataFrame | None = None,
    *,
    seed: int = 0,
) -> dict[str, float]:
    """Score a matrix by what it is used for; higher is better throughout.

    Parameters
    ----------
    y
        (n_obs, n_vars) ln(1 + library-normalised expression) by a method.
    observed
        The same as it was, nothing imputed: where the markers to be found come from.
    truth
        Known types; cells without one are left out of all but the clusters.
    var_names
        (n_vars,) genes.
    bulk
        Genes × samples, whose columns are called as the types, alone or before an underscore (``H1_rep1``).
    seed
        Of the folds, halves and clusters.

    Returns
    -------
    ``task_bulk``
        Spearman's correlation of a cell with the bulk of its type, mean over cells.
    ``task_de``
        Spearman's correlation over genes of Wilcoxon's z between two types with the logarithmic fold change of their
        bulks, mean over pairs of types.
    ``task_markers``
        Share of the 50 genes of largest z of a type, against the others, that are also found in the observed values of
        the other half of the cells; mean over types.
    ``task_ari``
        Of Leiden clusters (resolution .8, 50 components), the same way for all methods.
    ``task_transfer``
        Balanced accuracy of types given to a fifth of the cells by the 15 nearest others (30 components).
    ``task_order``
        Spearman's correlation of diffusion pseudotime with the stage, where the types are stages that have one name but
        for a number (``d0``, ``d2``; ``4cell``, ``8cell``).

    Those that the data has no answer to are missing.
    """
    types = truth.sealed_labels
    known = np.flatnonzero(types != "")
    types, own, before = types[known], y[known], observed[known]
    points = principal_components(y, seed=seed)
    found = {"task_ari": _ari(points, truth.sealed_labels, seed)}
    large = [name for name, size in zip(*np.unique(types, return_counts=True), strict=True) if size >= FEWEST]
    if len(large) > 1:
        of_large = np.isin(types, large)
        found["task_transfer"] = _transfer(points[known][of_large], types[of_large], seed)
        found["task_markers"] = _markers(own, before, types, large, seed)
    stages = stages_of(types)
    if stages is not None:
        found["task_order"] = _order(points[known], stages)
    profiles = {} if bulk is None else bulk_profiles(bulk, var_names, large)
    if profiles:
        found |= _beside_bulk(own, types, profiles)
    return found


def stages_of(types: Strings) -> npt.NDArray[np.float64] | None:
    """(n_obs,) numbers in the names of the types, where these are alike but for it; None else.

    Examples
    --------
    >>> stages_of(np.array(["d0", "d7", "d2"])).tolist()
    [0.0, 7.0, 2.0]
    >>> stages_of(np.array(["H1", "EC"])) is stages_of(np.array(["H1975", "HCC827", "H2228"])) is None
    True
    """
    parts = [re.fullmatch(r"(\D*)(\d+(?:\.\d+)?)(\D*)", str(name)) for name in np.unique(types)]
    # An embryo of 1 cell, or of 16 cells.
    around = {(part[1], part[3].removesuffix("s")) for part in parts if part}
    if not all(parts) or len(around) > 1 or len(parts) < 3:
        return None
    number = {part[0]: float(part[2]) for part in parts if part}
    return np.array([number[str(name)] for name in types])


def bulk_profiles(bulk: pd.DataFrame, var_names: Strings, types: list[str]) -> dict[str, npt.NDArray[np.float64]]:
    """(n_vars,) mean ln(1 + parts per million) of the samples of each type; NaN for genes that the bulk lacks."""
    logged = np.log1p(bulk / bulk.sum(axis=0) * 1e6).reindex([str(name) for name in var_names])
    samples = {name: [column for column in bulk if str(column).split("_")[0] == name] for name in types}
    return {name: logged[columns].mean(axis=1).to_numpy() for name, columns in samples.items() if columns}


def _beside_bulk(y: Floats32, types: Strings, profiles: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, float]:
    from scipy.stats import spearmanr

    shared = np.isfinite(next(iter(profiles.values())))
    if shared.sum() < N_MARKERS:
        return {}
    ranks = pd.DataFrame(y[:, shared]).rank(axis=1).to_numpy()
    correlations = [
        np.corrcoef(row, pd.Series(profiles[name][shared]).rank())[0, 1] if np.ptp(row) else 0.0
        for row, name in zip(ranks, types, strict=True)
        if name in profiles
    ]
    changes = [
        float(np.nan_to_num(spearmanr(z, (profiles[one] - profiles[other])[shared])[0]))
        for one, other in combinations(profiles, 2)
        for z in (_wilcoxon(y[types == one][:, shared], y[types == other][:, shared]),)
    ]
    return {"task_bulk": float(np.mean(correlations)), **({"task_de": float(np.mean(changes))} if changes else {})}


def _wilcoxon(one: Floats32, other: Floats32) -> npt.NDArray[np.float64]:
    """(n_vars,) how far the rank sum of ``one`` is from that of chance, in its standard deviations; 0 for ties only."""
    ranks = pd.DataFrame(np.vstack([one, other])).rank(axis=0).to_numpy()
    n, m = len(one), len(other)
    deviation = ranks[:n].sum(axis=0) - n * (n + m + 1) / 2
    spread = np.sqrt(n * m / (n + m) * ranks.var(axis=0, ddof=1))  # ties taken into account
    return np.asarray(np.where(spread > 0, deviation / np.where(spread > 0, spread, 1), 0.0))


def _markers(y: Floats32, observed: Floats32, types: Strings, names: list[str], seed: int) -> float:
    here = np.random.default_rng(seed).random(len(types)) < 0.5
    shares = []
    for name in names:
        of_type = types == name
        if min(np.count_nonzero(of_type & here), np.count_nonzero(of_type & ~here)) < 3:
            continue
        tops = [
            set(np.argsort(-_wilcoxon(matrix[half & of_type], matrix[half & ~of_type]), kind="stable")[:N_MARKERS])
            for matrix, half in ((y, here), (observed, ~here))
        ]
        shares.append(len(tops[0] & tops[1]) / N_MARKERS)
    return float(np.mean(shares)) if shares else float("nan")


def _ari(points: Floats32, labels: Strings, seed: int) -> float:
    from sklearn.metrics import adjusted_rand_score

    known = labels != ""
    return float(adjusted_rand_score(labels[known], leiden(points, RESOLUTION, seed)[known]))


def _transfer(points: Floats32, types: Strings, seed: int) -> float:
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    nearest = KNeighborsClassifier(min(N_NEIGHBOURS, len(types) // 2))
    return float(balanced_accuracy_score(types, cross_val_predict(nearest, points[:, :30], types, cv=folds)))


def _order(points: Floats32, stages: npt.NDArray[np.float64]) -> float:
    import anndata
    import scanpy
    from scipy.stats import spearmanr

    first = np.flatnonzero(stages == stages.min())
    adata = anndata.AnnData(np.zeros((len(points), 1), dtype=np.float32), obsm={"points": points})
    # The cell of the first stage that is nearest to its middle.
    adata.uns["iroot"] = int(first[np.square(points[first] - np.median(points[first], axis=0)).sum(axis=1).argmin()])
    scanpy.pp.neighbors(adata, n_neighbors=N_NEIGHBOURS, use_rep="points", method="gauss")
    scanpy.tl.diffmap(adata, n_comps=10)
    scanpy.tl.dpt(adata, n_dcs=10)
    time = adata.obs["dpt_pseudotime"].to_numpy()
    time = np.where(np.isfinite(time), time, np.nanmax(time[np.isfinite(time)], initial=0) + 1)
    return float(np.nan_to_num(spearmanr(time, stages)[0]))

"""What a result looks like from the inside: measurements that need no label and no hidden value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.errors import ParameterError

NAN = float("nan")
LARGEST_SILHOUETTE = 5_000
"""Cells above which the silhouette is that of a sample of so many."""

N_PAIRS = 5_000
N_PERMUTATIONS = 20
_LARGEST_CORRELATION_SAMPLE = 5_000  # cells


def variance_kept(imputed: Floats, observed: Floats) -> npt.NDArray[np.float64]:
    """(n_vars,) variance over the cells after imputation as a share of that before; NaN for genes without any.

    Well below 1 the imputation takes differences between cells away (noise, or types: it cannot tell), above 1 it
    makes some up.

    Examples
    --------
    >>> variance_kept(np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([[0.0, 2.0], [2.0, 2.0]])).tolist()
    [0.25, nan]
    """
    before = np.var(observed, axis=0, dtype=np.float64)
    after = np.var(imputed, axis=0, dtype=np.float64)
    return np.where(before > 0, after / np.where(before > 0, before, 1), NAN)


def effective_rank(embedding: Floats) -> float:
    """Number of dimensions that an embedding really uses: e to the entropy of its singular values' shares.

    Roy & Vetterli 2007, on the centred embedding: 1 if all cells lie on a line, d if all d directions carry alike; NaN
    where all cells are equal. Falling towards 1 it means collapse.

    Examples
    --------
    >>> round(effective_rank(np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])), 6)
    2.0
    """
    centred = np.asarray(embedding, dtype=np.float64) - np.mean(embedding, axis=0, dtype=np.float64)
    values = np.linalg.svd(centred, compute_uv=False)
    if not len(values) or values[0] <= 1e-12 * max(1.0, float(np.abs(embedding).max())):
        return NAN
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def mean_cosine(embedding: Floats) -> float:
    """Mean cosine similarity of two different cells; near 1 the cells have been smoothed into one another.

    Examples
    --------
    >>> mean_cosine(np.array([[1.0, 0.0], [0.0, 2.0]]))
    0.0
    """
    n_obs = len(embedding)
    lengths = np.linalg.norm(embedding, axis=1, keepdims=True)
    if n_obs < 2 or not lengths.any():
        return NAN
    units = np.asarray(embedding / np.where(lengths > 0, lengths, 1), dtype=np.float64)
    same = float(np.square(units).sum())
    return (float(np.square(units.sum(axis=0)).sum()) - same) / (n_obs * (n_obs - 1))


def silhouette(points: Floats, labels: npt.NDArray[Any], *, seed: int = 0) -> float:
    """Mean silhouette (Rousseeuw 1987) by Euclidean distance, of a sample above 5,000 cells.

    Returns
    -------
    From −1 to 1; NaN where there are fewer than two clusters, or as many as cells.

    Examples
    --------
    >>> silhouette(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0, 0, 1, 1]))
    1.0
    """
    from sklearn.metrics import silhouette_score

    if len(labels) > LARGEST_SILHOUETTE:
        chosen = np.sort(np.random.default_rng(seed).choice(len(labels), LARGEST_SILHOUETTE, replace=False))
        points, labels = points[chosen], labels[chosen]
    n_clusters = len(np.unique(labels))
    if not 2 <= n_clusters < len(labels) or not np.isfinite(points).all():
        return NAN
    return float(silhouette_score(points, labels))


def depth_between_clusters(genes_seen: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """Share of the variance of log(genes seen in a cell) that lies between the clusters.

    How many genes a cell shows tells how deeply it was sequenced, whatever the scale of the data. Types differ in it
    too, so a large share is no error, but a reason to look whether clusters are of libraries or of quality.

    Parameters
    ----------
    genes_seen
        (n_obs,) number of genes with an observed value above 0; cells with none count as one.
    labels
        (n_obs,) clusters.

    Returns
    -------
    From 0 to 1 (the squared correlation ratio η²); by chance (k − 1) / (n_obs − 1) for k clusters. NaN where all cells
    show the same number.

    Examples
    --------
    >>> round(depth_between_clusters(np.array([100, 100, 200, 200]), np.array([0, 0, 1, 1])), 12)
    1.0
    >>> round(depth_between_clusters(np.array([100, 200, 100, 200]), np.array([0, 0, 1, 1])), 12)
    0.0
    """
    depth = np.log(np.maximum(genes_seen, 1).astype(np.float64))
    depth -= depth.mean()
    total = float(np.square(depth).sum())
    if total <= 1e-12 * len(depth):
        return NAN
    groups, sizes = np.unique(labels, return_inverse=True, return_counts=True)[1:]
    return float(np.square(np.bincount(groups, depth)) @ (1 / sizes)) / total


def graph_purity(adjacency: sp.spmatrix, labels: npt.NDArray[Any], *, seed: int = 0) -> dict[str, float]:
    """Share of the cell graph's edges that stay within a cluster, beside the share by chance.

    Parameters
    ----------
    adjacency
        (n_obs, n_obs) symmetric, sparse (:meth:`CellGraph.adjacency`); what is stored is an edge.
    labels
        (n_obs,) clusters.
    seed
        Of the permutations.

    Returns
    -------
    ``purity``; ``purity_by_chance``, its mean over 20 permutations of the labels; and ``purity_z``, how many standard
    deviations of those lie between the two (NaN for a single cluster).
    """
    edges = sp.triu(adjacency, k=1).tocoo()
    if not edges.nnz:
        return {"purity": NAN, "purity_by_chance": NAN, "purity_z": NAN}
    generator = np.random.default_rng(seed)

    def purity(numbered: npt.NDArray[Any]) -> float:
        return float(np.mean(numbered[edges.row] == numbered[edges.col]))

    mine = purity(labels)
    chance = np.array([purity(generator.permutation(labels)) for _ in range(N_PERMUTATIONS)])
    spread = float(chance.std(ddof=1))
    return {
        "purity": mine,
        "purity_by_chance": float(chance.mean()),
        "purity_z": (mine - float(chance.mean())) / spread if spread > 0 else NAN,
    }


def gene_correlations(imputed: Floats, observed: Floats, *, seed: int = 0) -> dict[str, float]:
    """How much the imputation makes genes look correlated (false signals: Andrews & Hemberg 2018).

    Parameters
    ----------
    imputed, observed
        (n_obs, n_vars) on one scale, cells divided by their library sizes.
    seed
        Of the sample: 5,000 pairs of genes, 5,000 cells.

    Returns
    -------
    ``correlation_observed``, ``correlation_imputed``
        Median of |r| over the pairs.
    ``correlation_inflation``
        The second over the first.
    ``correlation_chance``
        The same between genes without any relation, for that many cells: every gene of the imputation is permuted over
        the cells. About .6745 / √n whatever the imputation did, so a level to read the others by, and no null of the
        imputation: for that genes have to be permuted before it (:mod:`scgnn2_engine.evaluate.null_genes`).
    ``pairs_only_imputed``
        Share of the pairs whose |r| is beyond the 99 % quantile of chance after imputation but not before: relations
        that the imputation alone speaks for.

    NaN where no pair of genes varies.
    """
    names = (
        "correlation_observed",
        "correlation_imputed",
        "correlation_inflation",
        "correlation_chance",
        "pairs_only_imputed",
    )
    generator = np.random.default_rng(seed)
    n_obs, n_vars = imputed.shape
    if n_obs < 3 or n_vars < 2:
        return dict.fromkeys(names, NAN)
    cells = np.sort(generator.choice(n_obs, min(n_obs, _LARGEST_CORRELATION_SAMPLE), replace=False))
    first = generator.integers(n_vars, size=N_PAIRS)
    second = (first + generator.integers(1, n_vars, size=N_PAIRS)) % n_vars
    genes, positions = np.unique(np.concatenate([first, second]), return_inverse=True)
    first, second = positions[:N_PAIRS], positions[N_PAIRS:]
    before, after = (_standardised(matrix[np.ix_(cells, genes)]) for matrix in (observed, imputed))
    by_chance = generator.permuted(after, axis=1)
    found = [np.abs(_pair_products(matrix, first, second)) for matrix in (before, after, by_chance)]
    defined = np.isfinite(found[0]) & np.isfinite(found[1])
    if not defined.any():
        return dict.fromkeys(names, NAN)
    r_before, r_after, r_chance = (values[defined] for values in found)
    limit = float(np.quantile(r_chance, 0.99))
    medians = [float(np.median(values)) for values in (r_before, r_after, r_chance)]
    inflation = medians[1] / medians[0] if medians[0] > 0 else NAN
    only = float(np.mean((r_after > limit) & (r_before <= limit)))
    return dict(zip(names, (medians[0], medians[1], inflation, medians[2], only), strict=True))


def _standardised(values: Floats) -> npt.NDArray[np.float32]:
    """(n_genes, n_cells): the columns with mean 0 and length 1 as rows, which are quick to pick; constant ones NaN."""
    centred = np.asarray(values, dtype=np.float32) - values.mean(axis=0, dtype=np.float64).astype(np.float32)
    lengths = np.linalg.norm(centred, axis=0)
    floor = 1e-5 * np.abs(values).max(axis=0, initial=0) * np.sqrt(len(values))
    scaled = np.where(lengths > floor, centred / np.where(lengths > floor, lengths, 1), NAN)
    return np.ascontiguousarray(scaled.T, dtype=np.float32)


def _pair_products(genes: npt.NDArray[np.float32], first: Any, second: Any) -> npt.NDArray[np.float64]:
    """(n_pairs,) inner products of pairs of rows, a few hundred pairs at a time."""
    parts = [
        np.einsum("ij,ij->i", genes[first[start : start + 500]], genes[second[start : start + 500]])
        for start in range(0, len(first), 500)
    ]
    return np.concatenate(parts).astype(np.float64)


def agreement_table(clusterings: Mapping[str, npt.NDArray[Any]]) -> pd.DataFrame:
    """Adjusted Rand index of every pair of clusterings of the same cells.

    Parameters
    ----------
    clusterings
        Name to (n_obs,) labels: of several seeds, iterations or tools.

    Returns
    -------
    pandas.DataFrame
        Symmetric, 1 on the diagonal.

    Examples
    --------
    >>> agreement_table({"a": np.array([0, 0, 1]), "b": np.array([5, 5, 2])}).loc["a"].tolist()
    [1.0, 1.0]
    """
    from sklearn.metrics import adjusted_rand_score

    names = list(clusterings)
    table = pd.DataFrame(np.eye(len(names)), index=names, columns=names)
    for one, other in combinations(names, 2):
        table.loc[one, other] = table.loc[other, one] = adjusted_rand_score(clusterings[one], clusterings[other])
    return table


def stability(clusterings: Sequence[npt.NDArray[Any]]) -> float:
    """Mean adjusted Rand index over all pairs of clusterings of the same cells (several seeds of one method).

    Returns
    -------
    1 if all agree; NaN for fewer than two.

    Raises
    ------
    ParameterError
        They are of different lengths.

    Examples
    --------
    >>> stability([np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]), np.array([2, 2, 3, 3])])
    1.0
    """
    if len({len(labels) for labels in clusterings}) > 1:
        raise ParameterError(
            "The clusterings are not of the same cells.",
            expected="as many labels in each",
            found=", ".join(str(len(labels)) for labels in clusterings),
        )
    if len(clusterings) < 2:
        return NAN
    table = agreement_table({str(number): labels for number, labels in enumerate(clusterings)}).to_numpy()
    return float(table[np.triu_indices(len(table), k=1)].mean())

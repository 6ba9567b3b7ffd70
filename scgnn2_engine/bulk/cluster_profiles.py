"""Mean expression of every cluster at the genes it shares with bulk samples, and how well each mean is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.errors import InputError

F64 = npt.NDArray[np.float64]
PPM = 1e6

LEAST_OFFSET = 3.0
"""c in ppm at least: where two platforms call a gene 0 differs most."""

OFFSET_COUNTS = 8.0
"""c in counts of the middle one of the clusters at least: below, the logarithm of a mean is mostly chance. Not of the
shallowest: a cluster of a few cells would blur the others, and how uncertain it is itself stands in its variances."""

ENTRIES_AT_ONCE = 4_000_000
"""Entries of the expression taken up at a time (32 MB in float64), so that no copy of the matrix is made."""


@dataclass(frozen=True)
class ClusterProfiles:
    """Mean expression of every cluster, and how well it is known.

    Attributes
    ----------
    clusters
        (k,) the clusters, ascending; columns of the two next.
    means
        (g, k) mean over the cells, in ppm of each cell's total over these genes.
    variances
        (g, k) sampling variance of those means, in ppm².
    depths
        (k,) total expression of the cluster's cells over these genes (counts, where the input is counts).
    library_sizes
        (k,) the same per cell: its mean over the cells that show anything.
    """

    clusters: npt.NDArray[np.generic]
    means: F64
    variances: F64
    depths: F64
    library_sizes: F64

    @property
    def offset(self) -> float:
        """c, what is added to either side before the logarithm, in ppm."""
        return max(LEAST_OFFSET, OFFSET_COUNTS * PPM / float(np.median(self.depths[self.depths > 0])))


def cluster_profiles(expression: Matrix, labels: npt.ArrayLike) -> ClusterProfiles:
    """Mean profile of every cluster, with the sampling variance of the mean.

    Every cell counts alike: it is divided by its own total first. The variance of a mean is that of the cells over
    their number n, with one more cell of one count added, since a gene that none of n cells shows has an error too.
    Of a cluster of one cell the larger of two is taken: Poisson's variance of its counts, and the gene's variance
    within the other clusters, pooled. Cells that show none of the genes are left out.

    Parameters
    ----------
    expression
        (n_obs, g) the genes that bulk and cells share; neither logged nor normalised, dense or CSR. No copy is made
        of it, dense or sparse.
    labels
        (n_obs,) cluster of every cell.

    Returns
    -------
    ClusterProfiles

    Raises
    ------
    InputError
        Shapes do not agree, values are negative or not finite, or no cell shows any gene.

    Examples
    --------
    >>> import numpy as np
    >>> found = cluster_profiles(np.array([[6.0, 2.0], [2.0, 2.0], [0.0, 5.0]]), np.array([4, 4, 7]))
    >>> found.clusters, found.means, found.library_sizes
    (array([4, 7]), array([[ 625000.,       0.], [ 375000., 1000000.]]), array([6., 5.]))
    """
    n_obs, n_vars = expression.shape
    clusters, numbers = np.unique(np.asarray(labels), return_inverse=True)
    if numbers.shape != (n_obs,) or n_vars == 0 or n_obs == 0:
        raise InputError(
            "The clusters do not fit the expression, or it is empty.",
            expected="(n_obs, n_genes) expression and one cluster per cell",
            found=f"expression of shape {expression.shape}, {len(numbers)} labels",
        )
    k = len(clusters)
    sums, squares = np.zeros((k, n_vars)), np.zeros((k, n_vars))
    depths, n_cells = np.zeros(k), np.zeros(k)
    n_rows = max(1, ENTRIES_AT_ONCE // n_vars)
    for start in range(0, n_obs, n_rows):
        block, mine = _block(expression, start, n_rows), numbers[start : start + n_rows]
        totals = np.asarray(block.sum(axis=1), dtype=np.float64).reshape(-1)
        scale = np.divide(PPM, totals, out=np.zeros_like(totals), where=totals > 0)
        depths += np.bincount(mine, totals, k)
        n_cells += np.bincount(mine, totals > 0, k)
        sums += _summed(block, mine, scale, k)
        squares += _summed(block * block if isinstance(block, np.ndarray) else block.power(2), mine, scale**2, k)
    if not depths.any():
        raise InputError(
            "No cell shows any of the genes that bulk and single cells share.",
            expected="expression above 0",
            found=f"zeros in {n_obs} cells x {n_vars} genes",
            advice="Give bulk data that shares expressed genes with the single cells.",
        )
    n = np.maximum(n_cells, 1)[:, None]
    means = sums / n
    deviations = np.maximum(squares - n * means**2, 0)
    library = depths / n[:, 0]
    one_count = np.divide(PPM, library, out=np.zeros_like(library), where=library > 0)[:, None]
    variances = (deviations + one_count**2) / (n + 1) / n
    alone = n_cells == 1
    pooled = deviations[~alone].sum(axis=0) / max(float((n_cells[~alone] - 1).clip(0).sum()), 1.0)
    variances[alone] = np.maximum(one_count[alone] * (means[alone] + one_count[alone]), pooled)
    return ClusterProfiles(clusters, means.T.copy(), variances.T.copy(), depths, library)


def _block(expression: Matrix, start: int, n_rows: int) -> Matrix:
    """The rows in float64, checked; duplicate entries of a CSR summed, or their squares would not be."""
    block: Matrix = expression[start : start + n_rows].astype(np.float64)
    if not isinstance(block, np.ndarray):
        block.sum_duplicates()
    values = block if isinstance(block, np.ndarray) else block.data
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        raise InputError(
            f"The expression holds {np.count_nonzero(bad)} values that are no expression.",
            expected="finite values >= 0, neither logged nor scaled",
            found=f"{values[bad][0]:g} in cells {start} to {start + block.shape[0] - 1}",
        )
    return block


def _summed(block: Matrix, numbers: npt.NDArray[np.int64], scale: F64, k: int) -> F64:
    """(k, g) sum of the scaled rows over every cluster."""
    members = sp.csr_matrix((scale, (numbers, np.arange(len(numbers)))), shape=(k, len(numbers)))
    product = members @ block
    return np.asarray(product if isinstance(product, np.ndarray) else product.toarray())

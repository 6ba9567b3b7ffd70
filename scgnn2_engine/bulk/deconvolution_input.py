"""What the bulk deconvolution starts from: checked, and laid out by cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.errors import InputError


@dataclass(frozen=True)
class ClusteredCells:
    """Expression, imputation and bulk profile, by cluster and on the shared genes.

    Attributes
    ----------
    expression, imputed
        X and Y, (n_obs, n_vars).
    bulk
        b (g,).
    genes
        (g,) positions of the shared genes among the n_vars.
    states
        (n_obs, n_vars) LTMG states or None.
    clusters, counts
        (k,) labels of the clusters, ascending, and their numbers of cells.
    numbers
        (n_obs,) the cluster of every cell, 0 … k − 1.
    """

    expression: Floats
    imputed: Floats
    bulk: npt.NDArray[np.float64]
    genes: npt.NDArray[np.int64]
    states: npt.NDArray[np.uint8] | None
    clusters: Ints
    numbers: Ints
    counts: Ints

    @classmethod
    def checked(
        cls,
        expression: Floats,
        imputed: Floats,
        labels: Ints,
        bulk: Floats,
        genes: Ints | None,
        states: npt.NDArray[np.uint8] | None,
    ) -> ClusteredCells:
        """Check that everything fits and is finite and >= 0; :class:`InputError` says what does not.

        ``bulk`` is a profile (g,), or samples (n_samples, g) that are not logged: of them the mean of ln(1 + bulk).
        """
        if not (isinstance(expression, np.ndarray) and np.issubdtype(np.asarray(labels).dtype, np.integer)):
            raise InputError(
                "Expression or labels are of a kind that cannot be deconvolved.",
                expected="a dense array of expression, and whole numbers as labels",
                found=f"{type(expression).__name__} and labels of {np.asarray(labels).dtype}",
                advice="expression.toarray(), and np.unique(labels, return_inverse=True)[1].",
            )
        n_obs, n_vars = expression.shape
        given = np.asarray(bulk, dtype=np.float64)
        several = given.ndim == 2
        positions = np.arange(n_vars) if genes is None else np.asarray(genes)
        states_shape = expression.shape if states is None else states.shape
        for name, shape, expected in (
            ("imputed expression", imputed.shape, (n_obs, n_vars)),
            ("labels", np.shape(labels), (n_obs,)),
            ("LTMG states", states_shape, (n_obs, n_vars)),
            ("bulk samples" if several else "bulk profile", given.shape, (*given.shape[:several], len(positions))),
        ):
            if shape != expected:
                raise InputError(
                    f"The {name} do not fit the expression.", expected=f"shape {expected}", found=f"shape {shape}"
                )
        if n_obs == 0 or len(positions) == 0:
            raise InputError(
                "There is nothing to deconvolve.",
                expected="at least one cell and one shared gene",
                found=f"{n_obs} cells, {len(positions)} genes",
            )
        if several and not len(given):
            raise InputError("There is no bulk sample.", expected="at least one", found=f"shape {given.shape}")
        for name, values in (("expression", expression), ("imputed expression", imputed), ("bulk", given)):
            if not (np.isfinite(values.sum(dtype=np.float64)) and values.min() >= 0):
                raise InputError(
                    f"The {name} holds values that cannot be deconvolved.",
                    expected="finite values >= 0" + ("" if name == "bulk" and several else " on the ln(1 + x) scale"),
                    found="NaN, infinite or negative values",
                )
        clusters, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
        profile = np.log1p(given).mean(axis=0) if several else given
        return cls(expression, imputed, profile, positions.astype(np.int64), states, clusters, numbers, counts)

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return int(self.expression.shape[0])

    @property
    def n_genes(self) -> int:
        """Number of shared genes."""
        return len(self.genes)

    def cells(self, number: int) -> Ints:
        """Positions of a cluster's cells."""
        return np.flatnonzero(self.numbers == number)

    def rows(self, cells: Ints) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """(cells, g) the observed values, and S: the imputed ones with the observed ones put back."""
        block = np.ix_(cells, self.genes)
        observed = np.asarray(self.expression[block], dtype=np.float32)
        single_cell = np.asarray(self.imputed[block], dtype=np.float32)
        np.copyto(single_cell, observed, where=observed != 0)
        return observed, single_cell

    def cluster_means(self) -> npt.NDArray[np.float64]:
        """(g, k) mean of S in every cluster, over the expressed entries where there are LTMG states."""
        means = np.empty((self.n_genes, len(self.clusters)))
        for number in range(len(self.clusters)):
            cells = self.cells(number)
            single_cell = self.rows(cells)[1]
            if self.states is None:
                means[:, number] = single_cell.mean(axis=0, dtype=np.float64)
                continue
            expressed = self.states[np.ix_(cells, self.genes)] >= 1
            total = single_cell.sum(axis=0, dtype=np.float64, where=expressed)
            means[:, number] = total / np.maximum(expressed.sum(axis=0), 1)
        return means

    def mean_per_cluster(self, profiles: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(g, k) mean over the cells of every cluster of an (n_obs, g) matrix."""
        columns = [profiles[self.cells(number)].mean(axis=0, dtype=np.float64) for number in range(len(self.clusters))]
        return np.stack(columns, axis=1)

"""What tells broken and empty cells from whole ones: genes, counts, and the share of mitochondrial counts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.matrices import row_nonzeros, unlogged
from scgnn2_engine.errors import InputError

if TYPE_CHECKING:
    from scgnn2_engine.data.dataset import Matrix, Scale
    from scgnn2_engine.params import PreprocessParams

_MITOCHONDRIAL = re.compile(r"(?:^|[_:])mt[-.]", re.IGNORECASE)


@dataclass(frozen=True)
class CellQuality:
    """Three numbers of each cell, over all genes that were read.

    Attributes
    ----------
    genes
        (n_obs,) genes with a value above 0.
    counts
        (n_obs,) sum of the values, not logged; None where they are no counts.
    mito
        (n_obs,) share of that sum in mitochondrial genes, 0 to 1; None where no gene is called as those are.
    """

    genes: npt.NDArray[np.int64]
    counts: npt.NDArray[np.float64] | None
    mito: npt.NDArray[np.float64] | None

    def failing(self, params: PreprocessParams) -> dict[str, npt.NDArray[np.bool_]]:
        """(n_obs,) for each cut-off that is set, by its name: the cells that it drops.

        Parameters
        ----------
        params
            The cut-offs ``min_genes``, ``min_counts`` and ``max_mito``.

        Raises
        ------
        InputError
            A cut-off is set whose number these data do not have.
        """
        found = {}
        if params.min_genes > 0:
            found["min_genes"] = self.genes < params.min_genes
        if params.min_counts > 0:
            if self.counts is None:
                raise InputError(
                    f"preprocess_min_counts = {params.min_counts} needs counts.",
                    expected="counts, or values that are taken back to them (load_recover_counts)",
                    found="values that are normalised",
                    advice="Set it to 0, or use preprocess_min_genes, which needs no counts.",
                )
            found["min_counts"] = self.counts < params.min_counts
        if params.max_mito < 1:
            if self.mito is None:
                raise InputError(
                    f"preprocess_max_mito = {params.max_mito:g} needs mitochondrial genes.",
                    expected="gene names that begin with MT- (human) or mt- (mouse)",
                    found="none",
                    advice="Set it to 1, or read a file that names genes by their symbols.",
                )
            found["max_mito"] = self.mito > params.max_mito
        return found


def cell_quality(expression: Matrix, scale: Scale, var_names: npt.NDArray[np.str_]) -> CellQuality:
    """Measure every cell; sparse stays sparse.

    Parameters
    ----------
    expression
        (n_obs, n_vars) dense or CSR.
    scale
        Scale of the values.
    var_names
        (n_vars,) names of the genes; those that begin with MT- or mt- are mitochondrial, after a genome's name too
        (``GRCh38_MT-CO1``), and as R writes them (``MT.CO1``).

    Examples
    --------
    >>> found = cell_quality(np.array([[3, 0, 1], [0, 2, 2]]), "counts", np.array(["CD8A", "ACTB", "MT-CO1"]))
    >>> found.genes.tolist(), found.counts.tolist(), found.mito.tolist()
    ([2, 2], [4.0, 4.0], [0.25, 0.5])
    """
    values = unlogged(expression, scale)
    sums = np.asarray(values.sum(axis=1, dtype=np.float64)).ravel()
    mitochondrial = np.flatnonzero([_MITOCHONDRIAL.search(str(name)) is not None for name in var_names])
    mito = None
    if len(mitochondrial):
        of_them = np.asarray(values[:, mitochondrial].sum(axis=1, dtype=np.float64)).ravel()
        mito = np.divide(of_them, sums, out=np.zeros_like(sums), where=sums > 0)
    return CellQuality(row_nonzeros(expression), sums if scale == "counts" else None, mito)

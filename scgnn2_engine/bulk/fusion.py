"""Fusion: one imputation from the single cells and from the bulk sample."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.blocks import row_blocks
from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.errors import InputError


def fuse(
    observed: Floats, single_cell: Floats, bulk_imputed: Floats, genes: Ints | None = None
) -> npt.NDArray[np.float32]:
    """Fuse the single-cell imputation with the one that the bulk sample suggests.

    Observed entries (not 0) stay as observed. Elsewhere the result is the harmonic mean 2ab / (a + b) of the two
    imputed values, so an entry that either of them calls 0 is 0. Genes the bulk sample does not hold keep the
    single-cell imputation, observed entries included.

    Parameters
    ----------
    observed
        (n_obs, n_vars) observed expression, ln(1 + x) scale.
    single_cell
        (n_obs, n_vars) the single-cell imputation.
    bulk_imputed
        (n_obs, g) the bulk imputation of the shared genes.
    genes
        (g,) positions of the shared genes; None: all of them, in order.

    Returns
    -------
    (n_obs, n_vars) float32.

    Raises
    ------
    InputError
        The shapes do not agree.

    Notes
    -----
    Gu et al., Bioinformatics 2022, doi 10.1093/bioinformatics/btac684.

    Examples
    --------
    >>> import numpy as np
    >>> fuse(np.array([[0.0, 3.0, 0.0]]), np.array([[1.0, 1.0, 5.0]]), np.array([[3.0, 1.0]]), np.array([0, 1]))
    array([[1.5, 3. , 5. ]], dtype=float32)
    """
    n_obs, n_vars = observed.shape
    shared = np.arange(n_vars) if genes is None else np.asarray(genes)
    for name, shape, expected in (
        ("single-cell imputation", single_cell.shape, (n_obs, n_vars)),
        ("bulk imputation", bulk_imputed.shape, (n_obs, len(shared))),
    ):
        if shape != expected:
            raise InputError(
                f"The {name} does not fit the expression.", expected=f"shape {expected}", found=f"shape {shape}"
            )
    fused = np.array(single_cell, dtype=np.float32)
    for rows in row_blocks(n_obs):
        seen = np.asarray(observed[rows, shared], dtype=np.float32)
        mean = harmonic_mean(fused[rows, shared], np.asarray(bulk_imputed[rows], dtype=np.float32))
        fused[rows, shared] = np.where(seen != 0, seen, mean)
    return fused


def harmonic_mean(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """2ab / (a + b) elementwise, 0 where either is 0 or below.

    Examples
    --------
    >>> harmonic_mean(np.float32([1, 0, 2]), np.float32([3, 0, 0]))
    array([1.5, 0. , 0. ], dtype=float32)
    """
    positive = (first > 0) & (second > 0)
    # The larger one divides: the product of two small values would vanish, and that of two large ones overflow.
    larger, smaller = np.maximum(first, second), np.minimum(first, second)
    share = np.divide(smaller, larger, out=np.zeros_like(larger), where=positive)
    return np.asarray(2 * smaller / (1 + share) * positive, dtype=np.float32)

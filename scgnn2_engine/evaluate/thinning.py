"""Count thinning: two halves of the counts, one to estimate from and one to score by (:mod:`.held_out_counts`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.errors import InputError, ParameterError


def thin(counts: Matrix, share_test: float = 0.1, seed: int = 0) -> tuple[Matrix, Matrix]:
    """Split every count at random into a training and a test part.

    Each molecule goes to the test part with probability ``share_test``, so the test count of an entry is binomial
    given the whole count. If counts are Poisson, both parts are Poisson and independent given the expression: a method
    fitted to one can be scored by the other (molecular cross-validation, Batson, Royer & Webber 2019).

    Parameters
    ----------
    counts
        (n_obs, n_vars) whole numbers, not negative, dense or sparse.
    share_test
        Expected share of the counts in the test part, between 0 and 1.
    seed
        Of the draw.

    Returns
    -------
    (train, test)
        float32, each of the shape of ``counts``, CSR where they are sparse; they add up to ``counts``. The draw
        depends on the non-zero entries in row-major order, so dense and sparse input give the same split.

    Raises
    ------
    ParameterError
        The share is not between 0 and 1.
    InputError
        The counts are not whole numbers, or are negative.

    Examples
    --------
    >>> train, test = thin(np.array([[10, 0], [3, 7]]), share_test=0.5, seed=1)
    >>> (train + test).tolist()
    [[10.0, 0.0], [3.0, 7.0]]
    """
    if not 0 < share_test < 1:
        raise ParameterError(
            "The share of the test part is out of range.", expected="a number between 0 and 1", found=str(share_test)
        )
    generator = np.random.default_rng(seed)
    if sp.issparse(counts):
        whole = sp.csr_matrix(counts, copy=True)
        whole.sum_duplicates()  # and so sorted, in row-major order
        whole.eliminate_zeros()
        drawn = generator.binomial(whole_numbers(whole.data), share_test)
        parts = []
        for values in (whole.data - drawn, drawn):
            part = sp.csr_matrix(
                (values.astype(np.float32), whole.indices.copy(), whole.indptr.copy()), shape=whole.shape
            )
            part.eliminate_zeros()
            parts.append(part)
        return parts[0], parts[1]
    dense = np.asarray(counts)
    test = np.zeros(dense.shape, dtype=np.float32)
    at = dense != 0
    test[at] = generator.binomial(whole_numbers(dense[at]), share_test)
    return (dense - test).astype(np.float32), test


def whole_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The values as int64.

    Raises
    ------
    InputError
        They are not whole numbers, or some are negative.
    """
    wrong = np.flatnonzero(~((values >= 0) & (values == np.floor(values)) & (values < 2**31)))
    if len(wrong):
        raise InputError(
            "Only counts can be thinned.",
            expected="whole numbers that are not negative",
            found=f"{values[wrong[0]]:g}",
            advice="Take the raw counts; normalised, logged and expected counts cannot be split molecule by molecule.",
        )
    return values.astype(np.int64)


def dense_part(matrix: Matrix, rows: slice, dtype: Any) -> npt.NDArray[Any]:
    """These rows of a dense or sparse matrix as a dense array."""
    part: Any = matrix[rows]
    return np.asarray(part.toarray() if sp.issparse(part) else part, dtype=dtype)

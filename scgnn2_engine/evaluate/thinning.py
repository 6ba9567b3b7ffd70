"""Count thinning: a score of the imputation of counts that needs no other truth than the counts themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Floats, Matrix
from scgnn2_engine.errors import InputError, ParameterError

TARGET_SUM = 10_000
"""Counts per cell at which the squared error compares profiles."""

_BLOCK = 2**22  # entries of a dense block of rows


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


def thinning_scores(denoised: Floats, train: Matrix, test: Matrix) -> dict[str, float]:
    """Score expected counts that were estimated from the training part against the test part.

    Parameters
    ----------
    denoised
        (n_obs, n_vars) expected counts of the training part, not negative, with the cells' own library sizes (for a
        result on the scale ln(1 + x): e^x − 1). Negative values count as 0.
    train, test
        The two parts of :func:`thin`, dense or sparse.

    Returns
    -------
    ``mse``
        Both ``denoised`` and ``test`` are brought to 10,000 counts per cell (cells without any stay at 0) and to
        ln(1 + x); the mean squared difference over all entries.
    ``poisson``
        With ``pred`` = ``denoised`` · (sum of test / sum of train), the two sums over all entries: the mean over all
        entries of ``pred`` − ``test`` · ln(``pred`` + 1e-6), the negative Poisson log-likelihood without its constant.

    Both are lower for better estimates, and are those of the denoising task of Open Problems in Single-Cell Analysis.

    Raises
    ------
    InputError
        The shapes differ, ``denoised`` is not finite, or one of the parts is empty.

    Examples
    --------
    >>> train, test = np.array([[9.0, 1.0]]), np.array([[9.0, 1.0]])
    >>> thinning_scores(train, train, test)["mse"]
    0.0
    """
    shape = np.shape(denoised)
    if not shape == train.shape == test.shape:
        raise InputError(
            "The parts of a thinned matrix do not fit each other.",
            expected="three matrices of one shape",
            found=f"{shape}, {train.shape}, {test.shape}",
        )
    total_train, total_test = float(train.sum()), float(test.sum())
    if total_train <= 0 or total_test <= 0:
        raise InputError(
            "A part of the thinned counts is empty, so nothing can be scored.",
            expected="counts in both parts",
            found=f"{total_train:g} in the training part and {total_test:g} in the test part",
        )
    ratio = total_test / total_train
    squared = likelihood = 0.0
    block = max(1, _BLOCK // max(1, shape[1]))
    for start in range(0, shape[0], block):
        rows = slice(start, start + block)
        predicted = np.maximum(np.asarray(denoised[rows], dtype=np.float64), 0)
        if not np.isfinite(predicted).all():
            raise InputError(
                "The expected counts cannot be scored.", expected="finite numbers", found="NaN or infinity"
            )
        wanted = dense_part(test, rows, np.float64)
        squared += float(np.square(_per_cell(predicted) - _per_cell(wanted)).sum())
        expected = predicted * ratio
        likelihood += float((expected - wanted * np.log(expected + 1e-6)).sum())
    entries = shape[0] * shape[1]
    return {"mse": squared / entries, "poisson": likelihood / entries}


def dense_part(matrix: Matrix, rows: slice, dtype: Any) -> npt.NDArray[Any]:
    """These rows of a dense or sparse matrix as a dense array."""
    part: Any = matrix[rows]
    return np.asarray(part.toarray() if sp.issparse(part) else part, dtype=dtype)


def _per_cell(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    totals = counts.sum(axis=1, keepdims=True)
    return np.log1p(counts / np.where(totals > 0, totals, 1) * TARGET_SUM)

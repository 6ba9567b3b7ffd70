"""Principal components of the imputed expression."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from scgnn2_engine.data.dataset import Floats

_EXACT_UP_TO = 500  # cells or genes up to which the smaller Gram matrix is decomposed


def principal_components(expression: Floats, n_components: int, *, seed: int = 0) -> npt.NDArray[np.float32]:
    """(n_obs, d) scores of the leading principal components, d at most the number of cells − 1 and of genes.

    Parameters
    ----------
    expression
        (n_obs, n_vars); each gene is centred.
    n_components
        How many to keep.
    seed
        Of the randomised decomposition (Halko et al. 2011) that is used beyond 500 cells and genes.

    Examples
    --------
    >>> principal_components(np.array([[0.0, 0.0], [0.0, 2.0]]), 5).round(3).tolist()
    [[1.0], [-1.0]]
    """
    centred = np.asarray(expression - expression.mean(axis=0, dtype=np.float64), np.float32)
    d = max(1, min(n_components, len(centred) - 1, centred.shape[1]))
    with threadpool_limits(limits=1):  # one order of the sums; and small decompositions are slower on several threads
        scores = _exact(centred, d) if min(centred.shape) <= _EXACT_UP_TO else _randomised(centred, d, seed)
    signs = np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(d)])  # the largest entry of each is positive
    return np.asarray(scores * np.where(signs == 0, 1, signs), np.float32)


def _exact(centred: Floats, d: int) -> Floats:
    """Leading scores by the eigenvectors of the smaller Gram matrix."""
    wide = centred.astype(np.float64)
    if len(wide) <= wide.shape[1]:
        values, vectors = np.linalg.eigh(wide @ wide.T)
        return np.asarray(vectors[:, ::-1][:, :d] * np.sqrt(np.maximum(values[::-1][:d], 0)))
    _, vectors = np.linalg.eigh(wide.T @ wide)
    return np.asarray(wide @ vectors[:, ::-1][:, :d])


def _randomised(centred: Floats, d: int, seed: int) -> Floats:
    from sklearn.utils.extmath import randomized_svd

    u, s, _ = randomized_svd(centred, d, n_oversamples=10, n_iter=4, random_state=seed)
    return np.asarray(u * s)

"""Principal components of the expected expression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from scgnn2_engine.data.blocks import AnyMatrix, as_blocks
from scgnn2_engine.data.dataset import Floats

DECOMPOSED_CELLS = 5_000
"""Cells from which the components are computed; the others are projected onto them."""

_EXACT_UP_TO = 500  # cells or genes up to which the smaller Gram matrix is decomposed


def principal_components(expression: AnyMatrix, n_components: int, *, seed: int = 0) -> npt.NDArray[np.float32]:
    """(n_obs, d) scores of the leading principal components, d at most the number of cells − 1 and of genes.

    Parameters
    ----------
    expression
        (n_obs, n_vars); each gene is centred. Of more than 5,000 cells that many, evenly spaced, say what the
        components are, and all are projected onto them by blocks.
    n_components
        How many to keep.
    seed
        Of the randomised decomposition (Halko et al. 2011) that is used beyond 500 cells and genes.

    Examples
    --------
    >>> principal_components(np.array([[0.0, 0.0], [0.0, 2.0]]), 5).round(3).tolist()
    [[1.0], [-1.0]]
    """
    n_obs = len(expression)
    is_sample = n_obs > DECOMPOSED_CELLS
    cells = np.linspace(0, n_obs - 1, DECOMPOSED_CELLS).astype(np.int64) if is_sample else slice(None)
    some = expression[cells]
    mean = some.mean(axis=0, dtype=np.float64)
    centred = np.asarray(some - mean, np.float32)
    del some
    d = max(1, min(n_components, len(centred) - 1, centred.shape[1]))
    with threadpool_limits(limits=1):  # one order of the sums; and small decompositions are slower on several threads
        scores = _exact(centred, d) if min(centred.shape) <= _EXACT_UP_TO else _randomised(centred, d, seed)
        if is_sample:
            lengths = np.maximum(np.square(scores, dtype=np.float64).sum(axis=0), np.finfo(float).tiny)
            loadings = np.asarray((centred.T @ scores) / lengths, np.float32)
            scores = np.empty((n_obs, d), np.float32)
            for rows, block in as_blocks(expression).blocks():
                scores[rows] = np.asarray(block - mean, np.float32) @ loadings
    signs = np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(d)])  # the largest entry of each is positive
    return np.asarray(scores * np.where(signs == 0, 1, signs), np.float32)


@dataclass(frozen=True)
class Basis:
    """Principal components as directions, for cells that were not among those they were computed from.

    Attributes
    ----------
    mean
        (n_vars,) of every gene.
    loadings
        (n_vars, d), of length 1.
    """

    mean: Floats
    loadings: npt.NDArray[np.float32]

    @classmethod
    def of(cls, expression: AnyMatrix, n_components: int, *, seed: int = 0) -> Basis:
        """The leading components of (n_obs, n_vars); parameters as for :func:`principal_components`.

        Examples
        --------
        >>> basis = Basis.of(np.array([[0.0, 0.0], [0.0, 2.0]]), 1)
        >>> basis.scores(np.array([[5.0, 4.0]], np.float32)).round(3).tolist()
        [[-3.0]]
        """
        n_obs = len(expression)
        some = expression[np.linspace(0, n_obs - 1, min(DECOMPOSED_CELLS, n_obs)).astype(np.int64)]
        mean = some.mean(axis=0, dtype=np.float64)
        centred = np.asarray(some - mean, np.float32)
        scores = principal_components(np.asarray(some, np.float32), n_components, seed=seed)
        loadings = centred.T @ scores
        lengths = np.maximum(np.linalg.norm(loadings, axis=0), np.finfo(np.float32).tiny)
        return cls(mean, np.asarray(loadings / lengths, np.float32))

    def scores(self, expression: AnyMatrix) -> npt.NDArray[np.float32]:
        """(n, d) of cells (n, n_vars), a block at a time."""
        blocks = (block for _, block in as_blocks(expression).blocks())
        found = [np.asarray(block - self.mean, np.float32) @ self.loadings for block in blocks]
        return np.concatenate(found) if found else np.empty((0, self.loadings.shape[1]), np.float32)


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

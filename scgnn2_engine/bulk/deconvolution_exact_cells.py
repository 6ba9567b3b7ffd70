"""The published deconvolution problem for the cells of one cluster, solved exactly: the one with the nuclear norm."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from scipy.linalg.blas import get_blas_funcs

from scgnn2_engine.bulk.deconvolution_exact import Stopping

Cells = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SWEEPS = 4
"""Passes of the splitting in one step; after them the loss is measured, which costs about as much as one pass."""

STEP_SHARE = 0.5
"""The step length shrinks singular values by this share of their mean at the start. It changes the speed only: at 0.3
and at 1 the same minimum is reached, a little later."""

SMALLEST_STRENGTH = 1e-3
"""Of the nuclear norm, for the step length: without the norm any step length would do."""

LEAST_NORM = 1e-6
"""Norms below this share of the data's are taken as this share."""

NEWTON_STEPS = 8
"""Largest number of Newton steps for the mean of the genes in a pass; most take one or two."""


def solve_cells(
    profile: npt.NDArray[np.float64],
    single_cell: Cells,
    unseen: Mask,
    fit_strength: float,
    nuclear_strength: float,
    stopping: Stopping | None = None,
) -> Generator[float, None, Cells]:
    """Minimise ‖p − mean(D)‖ + η₁ Σ_cells ‖(S − D) at X = 0‖ + η₂ ‖D‖_nuclear over one cluster's cells D ≥ 0.

    Douglas-Rachford splitting: in turn the nuclear norm, whose proximal step shrinks the singular values, and all the
    rest, whose proximal step is one scalar equation per gene (piecewise linear, by Newton steps). The singular values
    come from the smaller of the two Gram matrices, in float32 where that matrix is not small beside D; the loss
    that is reported, and decides, from a float64 one. A pass costs O(n g · min(n, g)), with one eigendecomposition
    of size min(n, g), and a few tens of passes are enough, since shrinking does not depend on how spread the singular
    values are.

    Where η₁ ≥ 1/n + η₂ the unseen entries equal S exactly: moving a row by δ cannot lower the mean's norm by
    more than ‖δ‖/n, nor the nuclear norm by more than ‖δ‖. Elsewhere (one cell, or a weak pull) the row norms, like
    that of the mean, are majorised by squares that follow the iterate, for which no proof of convergence is given; S
    is returned where nothing better was found.

    Ends when the loss changed by less than the tolerance, relatively, over the last two steps (of ``SWEEPS`` passes).

    Parameters
    ----------
    profile
        p (g,) ≥ 0.
    single_cell
        S (n, g) float32 ≥ 0.
    unseen
        (n, g) True where X = 0.
    fit_strength, nuclear_strength
        η₁ and η₂ ≥ 0.
    stopping
        Bounds; None: the defaults.

    Returns
    -------
    (n, g) float32, the cell profiles; the loss is yielded after every step. Beside S and the mask it holds at most
    3.5 times the memory of S, the result included; much less where n and g differ.

    Notes
    -----
    Splitting: Lions and Mercier, SIAM J. Numer. Anal. 1979; Eckstein and Bertsekas, Math. Program. 1992. Shrinking
    singular values: Cai, Candès and Shen, SIAM J. Optim. 2010. Exact penalty: Bertsekas, Math. Program. 1975.

    Examples
    --------
    >>> single_cell = np.array([[2, 1], [2, 3]], dtype=np.float32)
    >>> solving = solve_cells(np.array([4.0, 2.0]), single_cell, single_cell == 0, 0.8, 0.0)
    >>> [loss < 1e-4 for loss in solving][-1]
    True
    """
    stopping = stopping or Stopping()
    held = fit_strength >= 1 / len(single_cell) + nuclear_strength
    if held and unseen.all():
        at_start = _norm(profile - single_cell.mean(axis=0, dtype=np.float64))
        yield at_start + nuclear_strength * float(_singular_values(_gram_of(single_cell)).sum())
        return single_cell.copy()
    splitting = _Splitting(profile, single_cell, unseen, fit_strength, nuclear_strength, held)
    losses = [splitting.start_loss]
    for _ in range(stopping.steps):
        for _ in range(SWEEPS):
            splitting.pass_once()
        splitting.meet_mean()
        losses.append(splitting.loss())
        yield min(losses[0], losses[-1])
        if stopping.met(losses):
            break
    return splitting.finish() if losses[-1] <= losses[0] else single_cell.copy()


@dataclass
class _Splitting:
    """The iterate Z of the splitting, and D as a function of it: Z pushed by the mean's equation, above the bound."""

    profile: npt.NDArray[np.float64]
    single_cell: Cells
    unseen: Mask
    fit_strength: float
    nuclear_strength: float
    held: bool
    state: Cells = field(init=False)
    start_loss: float = field(init=False)

    def __post_init__(self) -> None:
        self.state = self.single_cell.copy()
        singular = _singular_values(_gram_of(self.state))
        mean = self.state.mean(axis=0, dtype=np.float64)
        self.mean_norm = _norm(self.profile - mean)
        self.start_loss = self.mean_norm + self.nuclear_strength * float(singular.sum())
        self.least_mean = max(LEAST_NORM * max(_norm(self.profile), _norm(mean)), 1e-30)
        self.mean_norm = max(self.mean_norm, self.least_mean)
        self.step = max(
            STEP_SHARE * float(singular.mean()) / max(self.nuclear_strength, SMALLEST_STRENGTH), self.least_mean
        )
        # A push of this size moves no entry by more than float32 rounds it.
        resolution = np.finfo(np.float32).eps * max(float(self.single_cell.max()), float(self.profile.max()))
        self.least_change = max(resolution * len(self.state) / self.step, 1e-30)
        self.push = np.zeros(len(self.profile))
        rows = np.sqrt(np.einsum("ij,ij->i", self.single_cell, self.single_cell, dtype=np.float64))
        self.least_row = max(LEAST_NORM * float(rows.max()), self.least_mean)
        self.row_norms = np.maximum(rows, self.least_row)

    @property
    def wide(self) -> bool:
        """Whether the cells are no more than the genes."""
        return len(self.state) <= len(self.profile)

    def freedom(self) -> Cells:
        """(n, 1) how far an unseen entry follows Z rather than S: 0 where it is held at S."""
        if self.held:
            return np.zeros((len(self.state), 1), dtype=np.float32)
        pull = self.step * self.fit_strength / self.row_norms
        return np.asarray(1 / (1 + pull), dtype=np.float32)[:, None]

    def cells_at(self, block: tuple[slice, slice], freedom: Cells) -> Cells:
        """A block of D."""
        rows, genes = block
        shift = (self.step / len(self.state) * self.push[genes]).astype(np.float32)
        cells = self.state[block] + shift
        pulled = cells * freedom[rows]
        pulled += (1 - freedom[rows]) * self.single_cell[block]
        np.copyto(cells, pulled, where=self.unseen[block])
        np.maximum(cells, 0, out=cells)
        return cells

    def meet_mean(self) -> None:
        """Solve the scalar equation of every gene: the push that its mean asks for at the mean that it causes."""
        n = len(self.state)
        freedom = self.freedom()
        gap = np.empty_like(self.profile)
        squares = np.zeros(n)
        for genes in _slices(len(self.profile)):
            block = (slice(None), genes)
            for _ in range(NEWTON_STEPS):
                cells = self.cells_at(block, freedom)
                gap[genes] = self.profile[genes] - cells.mean(axis=0, dtype=np.float64)
                follow = np.where(self.unseen[block], freedom, np.float32(1))
                follow *= cells > 0
                slope = self.step / n**2 * follow.sum(axis=0, dtype=np.float64)
                change = (gap[genes] - self.mean_norm * self.push[genes]) / (self.mean_norm + slope)
                if np.abs(change).max() < self.least_change:
                    break
                self.push[genes] += change
            else:
                cells = self.cells_at(block, freedom)
                gap[genes] = self.profile[genes] - cells.mean(axis=0, dtype=np.float64)
            if not self.held:
                cells -= self.single_cell[block]
                cells *= self.unseen[block]
                squares += np.einsum("ij,ij->i", cells, cells, dtype=np.float64)
        self.gap_norm = _norm(gap)
        self.unseen_norms = np.sqrt(squares)

    def pass_once(self) -> None:
        """One pass: D from Z, the reflection 2D − Z with its singular values shrunk, Z moved by the difference."""
        self.meet_mean()
        freedom = self.freedom()
        gram = _no_gram(self.state.shape, self._precision())
        if self.nuclear_strength > 0:
            for block in self._blocks():
                _add_gram(gram, 2 * self.cells_at(block, freedom) - self.state[block], self.wide)
            shrink = _shrinking(gram, self.step * self.nuclear_strength)
            del gram
        for block in self._blocks():
            cells = self.cells_at(block, freedom)
            reflected = 2 * cells - self.state[block]
            if self.nuclear_strength > 0:
                reflected = shrink @ reflected if self.wide else reflected @ shrink
            reflected -= cells
            self.state[block] += reflected
        self.mean_norm = max(self.gap_norm, self.least_mean)
        self.row_norms = np.maximum(self.unseen_norms, self.least_row)

    def loss(self) -> float:
        """The loss at D."""
        total = self.gap_norm + self.fit_strength * float(self.unseen_norms.sum())
        if self.nuclear_strength > 0:
            gram = _no_gram(self.state.shape, np.dtype(np.float64))
            freedom = self.freedom()
            for block in self._blocks():
                _add_gram(gram, self.cells_at(block, freedom), self.wide)
            total += self.nuclear_strength * float(_singular_values(gram).sum())
        return total

    def finish(self) -> Cells:
        """D, written over Z."""
        freedom = self.freedom()
        for block in self._blocks():
            self.state[block] = self.cells_at(block, freedom)
        return self.state

    def _blocks(self) -> Iterator[tuple[slice, slice]]:
        everything = slice(None)
        for part in _slices(max(self.state.shape)):
            yield (everything, part) if self.wide else (part, everything)

    def _precision(self) -> np.dtype[Any]:
        """Float64 where the Gram matrix and its eigenvectors then take no more than half of Z."""
        small, large = sorted(self.state.shape)
        return np.dtype(np.float64 if 8 * small <= large else np.float32)


def _slices(length: int) -> Iterator[slice]:
    """Parts of the longer side: a thirty-second of it, so that what is computed of a part is small beside D."""
    size = min(max(length // 32, 16), 256)
    for start in range(0, length, size):
        yield slice(start, start + size)


def _no_gram(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    return np.zeros((min(shape), min(shape)), dtype=dtype, order="F")


def _add_gram(gram: npt.NDArray[Any], block: npt.NDArray[Any], wide: bool) -> None:
    """Add a block's part to the lower triangle of the smaller Gram matrix, in place."""
    syrk = get_blas_funcs("syrk", (gram,))
    block = np.ascontiguousarray(block, dtype=gram.dtype)
    syrk(1.0, block.T, beta=1.0, c=gram, trans=int(wide), lower=1, overwrite_c=1)


def _gram_of(cells: Cells) -> npt.NDArray[np.float64]:
    wide = cells.shape[0] <= cells.shape[1]
    gram = _no_gram(cells.shape, np.dtype(np.float64))
    for part in _slices(max(cells.shape)):
        _add_gram(gram, cells[:, part] if wide else cells[part], wide)
    return gram


def _singular_values(gram: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """From the lower triangle of a Gram matrix, which is overwritten."""
    squares = eigh(gram, eigvals_only=True, overwrite_a=True, check_finite=False, driver="evr")
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


def _shrinking(gram: npt.NDArray[Any], by: float) -> Cells:
    """The symmetric matrix that, applied to the reflection, lowers its singular values by ``by``, none below 0."""
    squares, vectors = eigh(gram, overwrite_a=True, check_finite=False, driver="evr")
    singular = np.sqrt(np.maximum(squares, 0))
    factors = 1 - np.divide(by, singular, out=np.ones_like(singular), where=singular > by)
    first = int(np.argmax(factors > 0)) if factors[-1] > 0 else len(factors)  # they ascend
    vectors = vectors[:, first:]
    vectors *= np.sqrt(factors[first:])
    # Into the memory of the Gram matrix, which is spent; transposed, so that it is in rows.
    return np.matmul(vectors, vectors.T, out=gram.T).astype(np.float32, copy=False)


def _norm(values: npt.NDArray[Any]) -> float:
    return float(np.linalg.norm(values))

"""What is seen of cells, as sparse rows: what the networks that fill gaps are trained on, batch after batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from scgnn2_engine.data.batches import Batches
from scgnn2_engine.data.blocks import AnyMatrix, BlockMatrix, row_blocks
from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.data.matrices import places
from scgnn2_engine.data.prepared import HiddenEntries
from scgnn2_engine.methods.autoencoder import check_shape
from scgnn2_engine.training.devices import on_device
from scgnn2_engine.training.loop import Batch

Entries32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Observed:
    """What is seen of some cells, cell after cell; what is not listed is an observed zero.

    Attributes
    ----------
    starts
        (n_obs + 1,) int64, where the entries of each cell begin.
    genes
        (n_entries,) int32, gene of each entry that is expressed; where the data are counts, held-out ones too.
    values
        (n_entries,) float32 ln(1 + expression / size factor); of no meaning where held out.
    counts
        (n_entries,) float32, −1 where held out; None where the data are not counts.
    log_size_factors
        (n_obs,) float32.
    weights
        (n_entries,) float32 weights of the seen entries, or None: all alike.
    means, log_rates
        (n_vars,) float32 mean of each gene's seen entries, and logarithm of its counts per unit of size factor.
    batches
        Which batch each cell is of, or None.
    """

    starts: npt.NDArray[np.int64]
    genes: npt.NDArray[np.int32]
    values: Entries32
    counts: Entries32 | None
    log_size_factors: Entries32
    weights: Entries32 | None
    means: Entries32
    log_rates: Entries32
    batches: Batches | None = None

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return len(self.starts) - 1

    @property
    def n_vars(self) -> int:
        """Number of genes."""
        return len(self.means)

    def take(self, cells: Ints) -> Observed:
        """Those of the given cells; means and rates stay those of all."""
        lengths = np.diff(self.starts)[cells]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(starts[-1]) + np.repeat(self.starts[:-1][cells] - starts[:-1], lengths)
        return replace(
            self,
            starts=starts,
            genes=self.genes[places],
            values=self.values[places],
            counts=None if self.counts is None else self.counts[places],
            log_size_factors=self.log_size_factors[cells],
            weights=None if self.weights is None else self.weights[places],
            batches=None if self.batches is None else self.batches.take(cells),
        )


def observe(
    x: AnyMatrix | Floats,
    validation: HiddenEntries | None = None,
    size_factors: Floats | None = None,
    states: npt.NDArray[np.uint8] | None = None,
    *,
    counts: bool = False,
    regu_strength: float = 0.0,
    batches: Batches | None = None,
) -> Observed:
    """Bring prepared expression into the form in which it is trained on.

    Parameters
    ----------
    x
        (n_obs, n_vars) float32, dense, CSR or by rows, ln(1 + expression / size factor), hidden entries at 0.
    validation
        Held-out entries: neither seen nor counted.
    size_factors
        (n_obs,); None: all 1.
    states
        (n_obs, n_vars) LTMG states R: a seen entry weighs (1 − γ) + γ R, over the mean of those weights.
    counts
        Whether the data are counts, of which the zeros say something too.
    regu_strength
        γ.
    batches
        Which batch each cell is of, or None.

    Examples
    --------
    >>> observe(np.log1p(np.array([[1.0, 0.0], [3.0, 2.0]], np.float32))).means.round(2)
    array([1.04, 1.1 ], dtype=float32)
    """
    check_shape("LTMG states", states, x.shape)
    n_obs, n_vars = x.shape
    factors = np.ones(n_obs, np.float32) if size_factors is None else np.asarray(size_factors, np.float32)
    listed, held_out = _listed(x, validation, counts=counts)
    starts, genes, values = listed.indptr.astype(np.int64), listed.indices.astype(np.int32, copy=False), listed.data

    def blocks() -> Iterator[tuple[slice, Ints, npt.NDArray[np.bool_]]]:
        """Entries of some cells, the cell of each, and whether it is seen."""
        for cells in row_blocks(n_obs):
            mine = slice(starts[cells.start], starts[cells.stop])
            rows = np.repeat(np.arange(cells.start, cells.stop), np.diff(starts[cells.start : cells.stop + 1]))
            yield mine, rows, (values[mine] > 0) & ~held_out[mine]

    n_seen, sums, totals = np.zeros(n_vars, np.int64), np.zeros(n_vars), np.zeros(n_vars)
    counted = np.empty(len(values), np.float32) if counts else None
    for mine, rows, seen in blocks():
        n_seen += np.bincount(genes[mine][seen], minlength=n_vars)
        sums += np.bincount(genes[mine][seen], values[mine][seen], n_vars)
        if counted is not None:
            expected = np.expm1(values[mine]) * factors[rows]
            totals += np.bincount(genes[mine], expected, n_vars)
            counted[mine] = np.where(seen, expected, -1)
    means = (sums / np.maximum(n_seen, 1)).astype(np.float32)
    # Half a count: a gene that is nowhere seen has a rate all the same, and it is small.
    log_rates = np.log((totals + 0.5) / factors.sum(dtype=np.float64)) if counts else np.zeros(n_vars)

    relative = None
    if states is not None and regu_strength > 0:
        relative = np.empty(len(values), np.float32)
        for mine, rows, seen in blocks():
            weight = (1 - regu_strength) + regu_strength * states[rows, genes[mine]]
            relative[mine] = np.where(seen, weight, 0)
        mean = float(relative.sum(dtype=np.float64)) / max(int(n_seen.sum()), 1)
        relative /= np.float32(mean if mean > 0 else 1)
    return Observed(
        starts=starts,
        genes=genes,
        values=values,
        counts=counted,
        log_size_factors=np.log(factors),
        weights=relative,
        means=means,
        log_rates=log_rates.astype(np.float32),
        batches=batches,
    )


def _listed(
    x: AnyMatrix | Floats, validation: HiddenEntries | None, *, counts: bool
) -> tuple[sp.csr_matrix, npt.NDArray[np.bool_]]:
    """The entries that are listed, and which of them are held out; the matrix's own arrays where it has no others."""
    hidden = sp.csr_matrix(x.shape, dtype=bool)
    if validation is not None:
        hidden = sp.csr_matrix((np.ones(len(validation), bool), (validation.rows, validation.cols)), hidden.shape)
    whole = x.sparse if isinstance(x, BlockMatrix) else x
    if isinstance(whole, sp.csr_matrix) and whole.has_sorted_indices:
        flags = np.zeros(len(whole.data), bool)
        if validation is not None:
            at = np.minimum(places(whole, validation.rows, validation.cols), len(flags) - 1)
            flags[at[whole.indices[at] == validation.cols]] = True
        if np.count_nonzero(flags) == hidden.nnz and ((whole.data > 0) & ~flags | (flags & counts)).all():
            return whole, flags
    parts = []
    for cells in row_blocks(x.shape[0]):
        block = sp.csr_matrix(x[cells]).toarray() if sp.issparse(x) else x[cells]
        held_out = hidden[cells].toarray()
        rows, cols = np.nonzero((block > 0) & ~held_out | (held_out if counts else False))
        parts.append((np.bincount(rows, minlength=len(block)), cols, block[rows, cols], held_out[rows, cols]))
    lengths, genes, values, flags = (np.concatenate(part) for part in zip(*parts, strict=True))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return sp.csr_matrix((values.astype(np.float32), genes.astype(np.int32), starts), shape=x.shape), flags


@dataclass(frozen=True)
class Entries:
    """The listed entries of a batch of cells.

    Attributes
    ----------
    shape
        (b, n_vars) of the batch.
    ends
        (b,) int64, number of entries up to and with each cell.
    rows, places
        (n,) int64, cell of each entry, and where it lies in the batch laid out cell after cell.
    centred, counts, weights
        (n,) float32: difference from the mean of the gene's seen entries, 0 where held out; the other two as in
        :class:`Observed`, where they may be None.
    """

    shape: tuple[int, int]
    ends: Tensor
    rows: Tensor
    places: Tensor
    centred: Tensor
    counts: Tensor | None
    weights: Tensor | None

    @cached_property
    def known(self) -> Tensor:
        """(n,) float32, 0 where held out, else 1."""
        return torch.ones_like(self.centred) if self.counts is None else (self.counts + 1).clamp_(0, 1)

    def of_cells(self, numbers: Tensor) -> Tensor:
        """(b, 1) float32 sums of whole numbers (n,) over the entries of each cell."""
        up_to = functional.pad(numbers.cumsum(0, dtype=torch.float64), (1, 0))
        return up_to.index_select(0, functional.pad(self.ends, (1, 0))).diff()[:, None].float()

    def dense(self, values: Tensor) -> Tensor:
        """(b, n_vars) the values (n,) of the entries in their places, 0 elsewhere."""
        return values.new_zeros(self.shape).view(-1).scatter_(0, self.places, values).view(self.shape)


class ObservedRows:
    """Entries of any batch of cells, gathered on a device."""

    def __init__(self, observed: Observed, device: torch.device) -> None:
        self._n_vars = observed.n_vars
        self._starts = on_device(observed.starts, device)
        self._genes = on_device(observed.genes, device)
        self._values, self._means = on_device(observed.values, device), on_device(observed.means, device)
        self._counts = None if observed.counts is None else on_device(observed.counts, device)
        self._weights = None if observed.weights is None else on_device(observed.weights, device)
        self._all: Entries | None = None

    def __call__(self, batch: Batch) -> Entries:
        """Those of a batch; of all cells they are kept."""
        if isinstance(batch, Tensor):
            return self._gathered(batch)
        cells = torch.arange(len(self._starts) - 1, device=self._starts.device)
        if batch != slice(None):
            return self._gathered(cells[batch])
        if self._all is None:
            self._all = self._gathered(cells)
        return self._all

    def lengths(self, cells: Tensor) -> Tensor:
        """(b,) how many entries cells (b,) have."""
        return self._starts.index_select(0, cells + 1) - self._starts.index_select(0, cells)

    def _gathered(self, cells: Tensor) -> Entries:
        first = self._starts.index_select(0, cells)
        lengths = self.lengths(cells)
        ends = lengths.cumsum(0)
        rows = torch.repeat_interleave(lengths)
        at = (first - ends + lengths).index_select(0, rows).add_(torch.arange(len(rows), device=rows.device))
        genes, centred = self._genes.index_select(0, at), self._values.index_select(0, at)
        counts, weights = (None if part is None else part.index_select(0, at) for part in (self._counts, self._weights))
        centred -= self._means.index_select(0, genes)
        places = (rows * self._n_vars).add_(genes)
        entries = Entries((len(cells), self._n_vars), ends, rows, places, centred, counts, weights)
        centred *= entries.known
        return entries

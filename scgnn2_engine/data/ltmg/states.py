"""LTMG states of a whole matrix: which genes are fitted with how many components, and what that makes of the cells."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.data.ltmg.mixture import Batch, Mixtures, component_ranks, fit, padded_width
from scgnn2_engine.data.ltmg.values import KeptValues, check_expression, kept_values
from scgnn2_engine.events import EpochEnded, Event, drain

Mode = Literal["reference", "per_gene"]
Indices = npt.NDArray[np.intp]
States = npt.NDArray[np.uint8]

MOST_COMPONENTS = 5
BATCH_ELEMENTS = 65_536  # values of a padded batch: its work arrays stay near the processor's caches


def ltmg_states(expression: Matrix, mode: Mode = "reference", threads: int = 1) -> States:
    """LTMG state of every cell and gene.

    Per gene, ln(expression) over the cells is taken as a mixture of Gaussians seen only above a cut; a cell's state is
    the rank of its most probable component by ascending mean, 0 below the cut (Wan et al., Nucleic Acids Research
    2019, doi 10.1093/nar/gkz655).

    Parameters
    ----------
    expression
        (n_obs, n_vars) cells x genes, not logged, not negative, dense or CSR. NaN counts as 0. Values below 1 always
        get state 0. The order of the genes and cells matters: the noise and, in ``reference`` mode, the number of
        components depend on it.
    mode
        ``"reference"`` gives the published R package's states, its shrinking number of components included;
        ``"per_gene"`` tries 2 to 5 components for every gene.
    threads
        Threads to use; the states do not depend on them.

    Returns
    -------
    numpy.ndarray
        (n_obs, n_vars) uint8. Cells and genes without any expression have state 0.

    Raises
    ------
    InputError
        A value is negative or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> logs = np.random.default_rng(0).normal(np.repeat([2.0, 6.0], 50), 0.3)
    >>> bimodal = np.append(np.exp(logs), np.zeros(20))
    >>> states = ltmg_states(np.column_stack([np.full(120, 3.0), bimodal]))[:, 1]
    >>> [int(part.max()) for part in (states[:50], states[50:100], states[100:])]
    [0, 1, 0]
    """
    return drain(iterate_ltmg_states(expression, mode, threads))


def iterate_ltmg_states(
    expression: Matrix, mode: Mode = "reference", threads: int = 1
) -> Generator[Event, None, States]:
    """:func:`ltmg_states` as a generator of progress: ``EpochEnded`` with ``epoch`` = genes done of ``n_epochs``."""
    check_expression(expression)
    kept = kept_values(expression)
    found = np.zeros(expression.shape, dtype=np.uint8)
    done = 0
    pool = ThreadPoolExecutor(max_workers=max(1, threads))
    try:
        for finished in _assign(kept, mode, found, pool):
            done += finished
            yield EpochEnded("LTMG", 0, done, len(kept.genes), {})
    finally:
        pool.shutdown(cancel_futures=True)
    return found


def _assign(kept: KeptValues, mode: Mode, found: States, pool: ThreadPoolExecutor) -> Iterator[int]:
    """Write all states into ``found``; yields how many more genes are done."""
    complete = np.flatnonzero(kept.complete)
    for gene in complete[kept.n_kept[complete] >= 2]:
        found[kept.cells_of(gene), kept.genes[gene]] = 1
    too_few = np.flatnonzero(~kept.complete & (kept.n_kept <= 2))  # no mixture has so few values: state 0
    yield len(complete) + len(too_few)
    mixed = np.flatnonzero(~kept.complete & (kept.n_kept > 2))
    most = MOST_COMPONENTS
    if mode == "reference":
        # A complete gene fixes the number of components at 2 for all that follow, as does a gene fitted best by 2.
        before = mixed[: np.searchsorted(mixed, complete[0])] if len(complete) else mixed
        walked = yield from _walk(kept, before, found, pool)
        mixed, most = mixed[walked:], 2
    batches = _batches(kept, mixed)
    yield from pool.map(lambda genes: _fit_and_write(kept, genes, most, found), batches)


def _walk(kept: KeptValues, genes: Indices, found: States, pool: ThreadPoolExecutor) -> Generator[int, None, int]:
    """Go through ``genes`` while the largest number of components is above 2; returns how many that were.

    Each gene's best number of components bounds the next one's. Fits do not depend on that bound, so blocks of genes
    are fitted ahead with the bound at hand, and chosen from in order.
    """
    most, done, block = MOST_COMPONENTS, 0, 1
    while most > 2 and done < len(genes):
        ahead, bound = genes[done : done + block], most
        place = {}
        for fits in pool.map(lambda part, bound=bound: _fit(kept, part, bound), _batches(kept, ahead)):
            place.update({int(gene): (fits, row) for row, gene in enumerate(fits.genes)})
        walked = 0
        for gene in ahead:
            fits, row = place[int(gene)]
            best = fits.best(most)[row : row + 1]
            fits.write(kept, np.array([row]), best, found)
            walked += 1
            if fits.n_components(np.array([row]), best)[0] >= 2:
                most = int(fits.n_components(np.array([row]), best)[0])
            if most == 2:
                break
        yield walked
        done += walked
        block = min(2 * block, 64)
    return done


@dataclass(frozen=True)
class _Fits:
    """The mixtures of 2, 3, ... components of one batch of genes (positions in ``KeptValues``)."""

    genes: Indices
    batch: Batch
    mixtures: tuple[Mixtures, ...]

    def best(self, most: int) -> npt.NDArray[np.intp]:
        """(n_genes,) which of the mixtures up to ``most`` components has the lowest criterion; -1 for none."""
        bic = np.stack([mixture.bic for mixture in self.mixtures[: most - 1]])
        return np.where(np.isfinite(bic.min(axis=0)), bic.argmin(axis=0), -1)

    def n_components(self, rows: Indices, best: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
        """(n_rows,) components left in the chosen mixtures, 0 where none was."""
        counts = np.stack([mixture.n_components for mixture in self.mixtures])
        return np.where(best < 0, 0, counts[best, rows])

    def write(self, kept: KeptValues, rows: Indices, best: npt.NDArray[np.intp], found: States) -> None:
        """Write the states of these rows into ``found``; genes without two components stay 0."""
        useful = self.n_components(rows, best) >= 2
        for choice in np.unique(best[useful]):
            chosen = rows[useful & (best == choice)]
            ranks = component_ranks(self.batch.take(chosen), self.mixtures[choice].take(chosen))
            for gene, rank in zip(self.genes[chosen], ranks, strict=True):
                found[kept.cells_of(gene), kept.genes[gene]] = rank[: kept.n_kept[gene]]


def _fit(kept: KeptValues, genes: Indices, most: int) -> _Fits:
    n_kept = kept.n_kept[genes]
    x = np.empty((len(genes), padded_width(int(n_kept[0]))))
    for row, gene in zip(x, genes, strict=True):
        values = kept.x[kept.offsets[gene] : kept.offsets[gene + 1]]
        row[: len(values)] = values
        row[len(values) :] = values[0]
    batch = Batch(x, n_kept, kept.n_cells - n_kept, kept.cut[genes])
    return _Fits(genes, batch, tuple(fit(batch, count) for count in range(2, most + 1)))


def _fit_and_write(kept: KeptValues, genes: Indices, most: int, found: States) -> int:
    fits = _fit(kept, genes, most)
    fits.write(kept, np.arange(len(genes)), fits.best(most), found)
    return len(genes)


def _batches(kept: KeptValues, genes: Indices) -> list[Indices]:
    """``genes`` in groups of one padded width, about ``BATCH_ELEMENTS`` values each."""
    widths = np.array([padded_width(int(n)) for n in kept.n_kept[genes]], dtype=np.int64)
    batches = []
    for width in np.unique(widths):
        same = genes[widths == width]
        size = max(1, BATCH_ELEMENTS // int(width))
        batches += [same[start : start + size] for start in range(0, len(same), size)]
    return batches

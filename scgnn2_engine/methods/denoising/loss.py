"""The loss by which filling gaps is learnt: seen entries are hidden from a batch and asked for, counts are expected."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import gammaln
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from scgnn2_engine.data.blocks import row_blocks
from scgnn2_engine.methods.denoising.network import DenoisingAutoencoder, kept_at_random
from scgnn2_engine.methods.denoising.observed import Entries, Observed, ObservedRows
from scgnn2_engine.params import FeatureAEParams
from scgnn2_engine.training.devices import on_device
from scgnn2_engine.training.loop import Batch
from scgnn2_engine.training.ranks import Ranks

MOST_HIDDEN = 0.95
"""Share of a cell's seen entries above which what is left is not scaled up any further."""

LARGEST_LOG_RATE = 20.0
"""Beyond it a rate stays what it is, lest it overflow."""


class GapLoss:
    """Hides entries of a batch, asks for them, and adds up how wrong the answers are.

    Parameters
    ----------
    network
        Trained by it.
    observed
        The cells that batches are drawn from.
    params
        Share hidden, losses.
    seed
        Of what is hidden.
    ranks
        The processes of which each computes a part of every batch, in which they hide the same entries; None: this one.
    """

    def __init__(
        self,
        network: DenoisingAutoencoder,
        observed: Observed,
        params: FeatureAEParams,
        device: torch.device,
        seed: int,
        ranks: Ranks | None = None,
    ) -> None:
        self._network, self._params = network, params
        self._rows = ObservedRows(observed, device)
        self._log_factors = on_device(observed.log_size_factors[:, None], device)
        self._batches: Tensor | None = None
        if observed.batches is not None:
            self._batches = on_device(observed.batches.codes.astype(np.int64), device)
        if observed.counts is not None:
            constant = np.empty(observed.n_obs, np.float32)
            for cells in row_blocks(observed.n_obs):
                starts = observed.starts[cells.start : cells.stop + 1]
                terms = without_rate(observed.counts[starts[0] : starts[-1]], params.dispersion)
                constant[cells] = np.diff(np.concatenate([[0], np.cumsum(terms)])[starts - starts[0]])
            self._constant = on_device(constant, device)
        self._generator = torch.Generator(device).manual_seed(seed)
        self._ranks = ranks or Ranks()

    def centred(self, batch: Batch) -> Tensor:
        """(b, n_vars) what the network is given of a batch when nothing is hidden."""
        entries = self._rows(batch)
        return entries.dense(entries.centred)

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """What :meth:`centred` gives, and (b,) which batch (sample) each cell is of, or None."""
        return self.centred(batch), None if self._batches is None else self._batches[batch]

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """``loss`` and its parts, ``value`` and, with a rate, ``counts``: this rank's share of them."""
        params, ranks = self._params, self._ranks
        n_cells = len(self._log_factors) if isinstance(batch, slice) else len(batch)
        self._network.drawn = mine, _ = ranks.part(n_cells), n_cells
        n_listed, n_before = None, 0
        if ranks.n_ranks > 1:
            cells = torch.arange(n_cells, device=self._log_factors.device)[batch] if isinstance(batch, slice) else batch
            lengths = self._rows.lengths(cells)
            n_listed, n_before, batch = int(lengths.sum()), int(lengths[: mine.start].sum()), cells[mine]
        entries = self._rows(batch)
        seen, n_vars = entries.known, entries.shape[1]
        n_listed = len(seen) if n_listed is None else n_listed
        gaps = self._with_gaps(entries, seen, n_listed, n_before)
        _, value, log_rate = self._network(gaps, None if self._batches is None else self._batches[batch])
        n_seen = ranks.sum(seen.sum())
        errors = huber(value.reshape(-1).index_select(0, entries.places) - entries.centred, params.huber_delta)
        errors = errors * (seen if entries.weights is None else entries.weights)
        parts = {"value": errors.sum() * (n_cells / n_seen.clamp(min=1))}
        if log_rate is not None:
            total: Tensor = _Surprise.apply(  # type: ignore[no-untyped-call]
                log_rate, self._network.log_rates, self._log_factors[batch], entries, params.dispersion
            )
            n_known = n_cells * n_vars - n_listed + n_seen
            # What the rate does not touch trains nothing, but makes the loss one that is never below 0.
            total = total + self._constant[batch].sum()
            parts["counts"] = total * (params.count_weight * n_cells / n_known.clamp(min=1))
        return {"loss": torch.stack([*parts.values()]).sum(), **parts}

    def _with_gaps(self, entries: Entries, seen: Tensor, n_listed: int, n_before: int) -> Tensor:
        """The input with a share of the seen entries at 0 and the others grown in return.

        Of the ``n_listed`` entries that are drawn for the whole batch, these follow after ``n_before``.
        """
        kept = kept_at_random(torch.Size([n_listed]), 1 - self._params.hide_share, self._generator)
        kept = kept[n_before : n_before + len(seen)].mul_(seen)
        share = entries.of_cells(kept) / entries.of_cells(seen).clamp(min=1)
        grown = 1 / share.clamp_(min=1 - MOST_HIDDEN)
        return entries.dense(kept.mul_(entries.centred)).mul_(grown)


def huber(difference: Tensor, delta: float) -> Tensor:
    """Huber's loss: d²/2 up to |d| = delta, linear beyond; delta 0: d²/2 everywhere.

    Examples
    --------
    >>> huber(torch.tensor([0.5, 3.0]), 1.0).tolist(), huber(torch.tensor([3.0]), 0.0).tolist()
    ([0.125, 2.5], [4.5])
    """
    if delta == 0:
        return difference.square() / 2
    return functional.huber_loss(difference, torch.zeros_like(difference), reduction="none", delta=delta)


def without_rate(counts: npt.NDArray[np.float32], dispersion: float) -> npt.NDArray[np.float64]:
    """The terms of each count that :func:`negative_binomial` leaves out; a zero, or what is held out, has none."""
    seen = np.maximum(counts, 0).astype(np.float64)
    terms = gammaln(seen + 1)
    if dispersion > 0:
        terms += gammaln(dispersion) - gammaln(seen + dispersion) + seen * np.log(dispersion)
    return np.asarray(terms)


def negative_binomial(counts: Tensor | float, log_rate: Tensor, dispersion: float) -> Tensor:
    """Negative log likelihood of counts, without the terms that the rate does not touch.

    Parameters
    ----------
    dispersion
        θ: the variance is rate + rate² / θ. 0 stands for no dispersion beyond Poisson's.

    Examples
    --------
    >>> negative_binomial(torch.tensor([2.0]), torch.tensor([0.0]), 0.0).tolist()
    [1.0]
    """
    if dispersion == 0:
        return log_rate.clamp(max=LARGEST_LOG_RATE).exp() - counts * log_rate
    # (c + θ) ln(1 + rate / θ) − c ln rate
    return (counts + dispersion) * functional.softplus(log_rate - math.log(dispersion)) - counts * log_rate


class _Surprise(torch.autograd.Function):
    """Sum of :func:`negative_binomial` over all entries of a batch but the held-out ones.

    Most counts are 0, so that the dense part is that of zeros, and what the counts add is looked up at their places.
    Loss and gradient are made in one pass: by the chain of single operations a step would allocate ten arrays.
    """

    @staticmethod
    def forward(
        ctx: Any, log_rate: Tensor, of_genes: Tensor, of_cells: Tensor, entries: Entries, dispersion: float
    ) -> Tensor:
        log_rate = (log_rate + of_genes).add_(of_cells)
        counts = entries.counts
        assert counts is not None
        known = entries.known
        at_counts = log_rate.view(-1).index_select(0, entries.places)
        likelihood = (negative_binomial(counts, at_counts, dispersion) * known).sum()
        likelihood -= negative_binomial(0.0, at_counts, dispersion).sum()
        if dispersion == 0:
            slope = log_rate.clamp_(max=LARGEST_LOG_RATE).exp_()
            likelihood += slope.sum()
        else:
            # With u = ln(rate / θ): θ ln(1 + rate / θ) = -θ ln σ(-u) and its slope θ rate / (rate + θ) = θ - θ σ(-u)
            share = (math.log(dispersion) - log_rate).clamp_(min=-LARGEST_LOG_RATE).sigmoid_()
            slope = torch.sub(dispersion, share, alpha=dispersion)
            likelihood -= dispersion * share.log_().sum()
        # d/d ln rate of (c + θ) ln(1 + rate / θ) − c ln rate
        at_slope = slope.view(-1).index_select(0, entries.places)
        at_slope = (at_slope * (1 + counts / dispersion if dispersion else 1) - counts) * known
        slope.view(-1).scatter_(0, entries.places, at_slope)
        ctx.slope = slope
        return likelihood

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        return ctx.slope.mul_(grad), None, None, None, None

"""The bulk part of a run: matching the samples once, and in every iteration what they say about its clusters."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from scgnn2_engine.bulk.cluster_profiles import PPM, cluster_profiles
from scgnn2_engine.bulk.correction import Fused, Shifted
from scgnn2_engine.bulk.deconvolution import iterate_deconvolution
from scgnn2_engine.bulk.matching import MatchedBulk, match_bulk
from scgnn2_engine.bulk.shares import SampleShares
from scgnn2_engine.bulk.shares import shares as shares_of
from scgnn2_engine.bulk.shift import bulk_shift
from scgnn2_engine.bulk.shift import strength as shift_strength
from scgnn2_engine.data.blocks import AnyMatrix, as_blocks
from scgnn2_engine.data.dataset import Bulk, Dataset, Floats, Matrix
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.data.shared_genes import measured_at
from scgnn2_engine.errors import InputError
from scgnn2_engine.events import EpochEnded, Event, Notice, Stop
from scgnn2_engine.params import RunParams
from scgnn2_engine.results.state import LoopState

Steps = Generator[Event, None, LoopState]


@dataclass(frozen=True)
class BulkData:
    """The bulk samples beside the cells.

    Attributes
    ----------
    kept
        On the genes that the networks see.
    every
        On all genes of the data set: shares of clusters need more genes than the networks do.
    measured
        (n_obs, g) expression of the kept cells at the genes of ``every``, not logged; None where it is not needed.
    """

    kept: MatchedBulk
    every: MatchedBulk
    measured: Matrix | None

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was matched and decided."""
        if self.measured is None:
            return self.kept.notices
        return (*self.kept.notices, Notice.of("bulk_every_gene", n=len(self.every.genes)))


def match(bulk: Bulk, dataset: Dataset, prepared: Prepared, params: RunParams) -> BulkData:
    """Match the bulk samples to the cells, and bring both to one scale where the cells were normalised.

    Raises
    ------
    InputError
        As :func:`~scgnn2_engine.bulk.matching.match_bulk` says.
    """
    every = match_bulk(bulk, dataset.var_names)
    measured = measured_at(dataset, prepared, every.genes) if BULK_METHODS[params.deconv.method].by_held_out else None
    library = None
    if params.preprocess.library_size:
        shared = match_bulk(bulk, prepared.var_names).genes
        seen = (np.expm1(rows[:, shared], dtype=np.float64).sum(axis=1) for _, rows in as_blocks(prepared.x).blocks())
        library = float(np.median(np.concatenate([*seen])))
    return BulkData(match_bulk(bulk, prepared.var_names, library=library), every, measured)


def iterate_bulk(
    bulk: BulkData,
    prepared: Prepared,
    state: LoopState,
    params: RunParams,
    *,
    seed: int,
    device: torch.device,
    iteration: int,
    stop: Stop,
) -> Steps:
    """Fuse what the bulk samples say about the clusters into the imputation of an iteration."""
    if state.labels is None or state.imputed is None:
        raise ValueError("expected the state of an iteration, found the state before the loop")
    of = {"seed": seed, "device": device, "iteration": iteration, "stop": stop}
    steps = BULK_METHODS[params.deconv.method].steps
    return (yield from steps(bulk, prepared, state, state.imputed, state.labels, params, **of))


def _published(
    bulk: BulkData,
    prepared: Prepared,
    state: LoopState,
    imputed: AnyMatrix,
    labels: npt.NDArray[np.int32],
    params: RunParams,
    **of: Any,
) -> Steps:
    """The four optimisations, and the harmonic mean of both imputations."""
    found = yield from iterate_deconvolution(
        np.asarray(prepared.x),
        labels,
        bulk.kept.profile,
        params,
        imputed=np.asarray(imputed),
        genes=bulk.kept.genes,
        states=prepared.states,
        **of,
    )
    fused = Fused(found.bulk_imputed, found.genes)
    return replace(
        state,
        imputed=fused(prepared.x, imputed),
        correction=fused,
        deconvolution=found.summary(),
        unfused={"single_cell": imputed, "bulk": fused.alone(prepared.x, imputed)},
    )


def _by_shares(
    bulk: BulkData,
    prepared: Prepared,
    state: LoopState,
    imputed: AnyMatrix,
    labels: npt.NDArray[np.int32],
    params: RunParams,
    *,
    iteration: int,
    stop: Stop,
    **_: Any,
) -> Steps:
    """Shares of the clusters in every sample, the cluster profiles moved towards the bulk, and how far that helps."""
    if bulk.measured is None:
        raise ValueError("expected the measured expression at the shared genes")
    clusters, numbers = np.unique(labels, return_inverse=True)
    profiles = cluster_profiles(bulk.measured, labels)
    n_samples, fits = len(bulk.every.names), []
    for number, sample in enumerate(bulk.every.samples, start=1):
        try:
            fits.append(shares_of(sample, profiles))
        except InputError as error:  # of these clusters: others may do, and what is trained must not be lost
            yield Notice.of("bulk_left_out", error=str(error))
            return replace(state, correction=None, deconvolution=None, unfused={})
        loss = fits[-1].residual_sd
        yield EpochEnded("deconvolution", iteration, number, n_samples, {"loss": loss, "shares": loss})
        if stop() and number < n_samples:
            yield Notice.of("bulk_stopped")
            return replace(state, correction=None, deconvolution=None, unfused={})
    shares = SampleShares.of(fits, profiles)
    genes = bulk.kept.genes
    rows = np.searchsorted(bulk.every.genes, prepared.genes[genes])
    shift = bulk_shift(profiles, bulk.every.samples, shares.weights, bulk.every.weights, rows)
    strength = shift_strength(*_held_out(prepared, imputed, shift, numbers, genes))
    strangers = [str(name) for name, unlike in zip(bulk.every.names, shares.unlike, strict=True) if unlike]
    if strangers:
        yield Notice.of("bulk_unlike", samples=strangers)
    weights = bulk.every.weights @ shares.weights
    ppm = bulk.every.samples / np.maximum(bulk.every.samples.sum(axis=1, keepdims=True), np.finfo(float).tiny) * PPM
    expected = profiles.means[rows] @ weights
    summary: dict[str, Any] = {
        "clusters": clusters.astype(np.int32),
        "genes": genes,
        "weights": weights,
        "proportions": weights,
        "cell_shares": bulk.every.weights @ shares.cell_shares,
        "profiles": _moved_profiles(profiles.means[rows], shift, profiles.offset, bulk.measured),
        "gene_scaling": (bulk.every.weights @ ppm[:, rows] + profiles.offset) / (expected + profiles.offset),
        "losses": {"shares": float(bulk.every.weights @ shares.residual_sd)},
        "strength": strength.value,
        "samples": _sample_table(bulk, shares, clusters),
    }
    shifted = Shifted(shift, numbers, strength.value, genes)
    return replace(
        state,
        imputed=shifted(prepared.x, imputed),
        correction=shifted,
        deconvolution=summary,
        unfused={"single_cell": imputed, "bulk": replace(shifted, strength=1.0)(prepared.x, imputed)},
    )


class BulkMethod(NamedTuple):
    """A way to use bulk samples, a value of ``deconv_method``.

    Attributes
    ----------
    steps
        What an iteration does with them: takes and gives its state.
    by_held_out
        Whether held-out entries say how far the bulk is followed; it needs the expression at every shared gene.
    matrices
        Dense matrices of cells × genes that it holds at its peak.
    """

    steps: Callable[..., Steps]
    by_held_out: bool
    matrices: int


BULK_METHODS: Mapping[str, BulkMethod] = {
    "shares": BulkMethod(_by_shares, by_held_out=True, matrices=3),
    "published": BulkMethod(_published, by_held_out=False, matrices=5),
}


def _held_out(
    prepared: Prepared, imputed: AnyMatrix, shift: Floats, numbers: npt.NDArray[np.int64], genes: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """What the imputation lacks at the held-out entries, and what the bulk would add there."""
    held = prepared.validation
    if held is None or not len(held):
        return np.zeros(0), np.zeros(0)
    lacking = held.values.astype(np.float64) - imputed[held.rows, held.cols]
    place = np.full(prepared.n_vars, -1)
    place[genes] = np.arange(len(genes))
    known = place[held.cols] >= 0
    return lacking[known], shift[place[held.cols[known]], numbers[held.rows[known]]]


def _moved_profiles(
    means: npt.NDArray[np.float64], shift: npt.NDArray[np.float64], offset: float, measured: Matrix
) -> npt.NDArray[np.float32]:
    """(g, k) cluster profiles with what the bulk adds, ln(1 + x) at the library size of the cells."""
    moved = np.maximum((means + offset) * np.exp(shift) - offset, 0)
    library = float(np.median(np.asarray(measured.sum(axis=1))))
    return np.log1p(moved * (library / PPM)).astype(np.float32)


def _sample_table(bulk: BulkData, shares: SampleShares, clusters: npt.NDArray[np.int32]) -> pd.DataFrame:
    columns = {
        "sample": bulk.every.names,
        "weight": bulk.every.weights,
        "residual_sd": shares.residual_sd,
        "explained": shares.explained,
        "unlike_the_cells": shares.unlike,
        **{f"share_{cluster}": shares.weights[:, number] for number, cluster in enumerate(clusters)},
    }
    return pd.DataFrame(columns)

"""Members that are trained by workers elsewhere: in an ensemble none waits for another."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import torch

from scgnn2_engine.data.batches import Batches
from scgnn2_engine.data.prepared import HiddenEntries
from scgnn2_engine.events import EpochEnded, Event
from scgnn2_engine.methods.denoising.observed import Observed
from scgnn2_engine.methods.denoising.training import DenoisingFit, iterate_denoising
from scgnn2_engine.params import FeatureAEParams
from scgnn2_engine.results.storage import restore, store
from scgnn2_engine.training.devices import threads
from scgnn2_engine.training.loop import Plan

OBSERVED = "observed.npz"


def hand_over(folder: Path, observed: Observed, validation: HiddenEntries | None) -> None:
    """Write what every member is trained on to the folder that workers see."""
    if not (folder / OBSERVED).exists():
        folder.mkdir(parents=True, exist_ok=True)
        _store_whole(folder / OBSERVED, (observed, validation))


def train_member(
    folder: str, iteration: int, plan: Mapping[str, Any], params: Mapping[str, Any], seed: int, n_threads: int
) -> None:
    """In a worker: train a member, and leave it with its events in the folder.

    Parameters
    ----------
    folder
        Where :func:`hand_over` wrote.
    iteration
        Its number, by which the file is named.
    plan, params
        Fields of :class:`Plan` and values of :class:`FeatureAEParams`.
    seed
        As of :func:`iterate_denoising`.
    n_threads
        Of torch; those of the run give the run's own bytes.
    """
    observed, validation = restore(Path(folder) / OBSERVED, (Observed, HiddenEntries, Batches))
    events: list[EpochEnded] = []
    with threads(n_threads):
        steps = iterate_denoising(
            observed,
            validation,
            FeatureAEParams(**params),
            plan=Plan(**plan),
            seed=seed,
            device=torch.device("cpu"),
        )
        while True:
            try:
                events.append(next(steps))
            except StopIteration as end:
                fit = end.value
                break
    _store_whole(_path(Path(folder), iteration), (events, fit))


def member_of(folder: Path, iteration: int) -> Generator[Event, None, DenoisingFit]:
    """What a worker left of a member, as if it were trained here."""
    events, fit = restore(_path(folder, iteration), (EpochEnded, DenoisingFit, Batches))
    yield from events
    trained: DenoisingFit = fit
    return trained


def _store_whole(path: Path, value: Any) -> None:
    """Under its name when it is whole: a worker may be killed, and another one be at the same task."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    store(temporary, value)
    temporary.replace(path)


def _path(folder: Path, iteration: int) -> Path:
    return folder / f"member_{iteration}.npz"

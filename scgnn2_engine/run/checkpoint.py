"""The stages of a run on disk as they end, so that a run that was killed goes on where it was.

A stage is kept with its events and its value; a run that goes on walks the same road and takes the stages it finds, so
that its result is that of a run that was never disturbed. What is read and prepared of the data is not kept.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scgnn2_engine.clusters.clustering import Clustering
from scgnn2_engine.clusters.tree import ClusterTree
from scgnn2_engine.data.blocks import as_blocks
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import InputError, OutputError
from scgnn2_engine.events import EpochEnded, Event, Notice, Stage
from scgnn2_engine.graph.graph_ae import GraphFit
from scgnn2_engine.io.atomic import whole_file
from scgnn2_engine.io.results.result_folder import CHECKPOINT, CHECKPOINT_OF
from scgnn2_engine.methods import method_of
from scgnn2_engine.params import OutputParams, RunParams
from scgnn2_engine.results.storage import restore, store

NOT_KEPT = ("load", "preprocess", "deconvolution")
"""Stages that are computed again: data are read anew, and what the bulk says takes less time than storing it."""

MAY_DIFFER = ("max_seconds", "max_memory", *(OutputParams.flag(name) for name in OutputParams.own_names()))
"""Parameters that the stages do not depend on."""


class FolderCheckpoints:
    """The checkpoints in an output folder.

    Parameters
    ----------
    folder
        The run's output folder; the checkpoints stand in ``checkpoint/`` there.
    params
        Of the run.
    resume
        Take what is there; else it is removed.
    """

    def __init__(self, folder: Path, params: RunParams, *, resume: bool = False) -> None:
        self._folder, self._params = folder / CHECKPOINT, params
        self._types = (EpochEnded, Notice, CellGraph, Clustering, ClusterTree, GraphFit, *method_of(params).stored)
        self._resumes = resume
        if not resume:
            self.remove()

    def begin(self, prepared: Prepared) -> None:
        """Make sure that what is there belongs to this run, and note what this run is of.

        Raises
        ------
        InputError
            The checkpoints are of other data or other parameters.
        """
        params = _essential(self._params)
        mine = {"data": _fingerprint(prepared), "params": params}
        path = self._folder / CHECKPOINT_OF
        if self._resumes and path.exists():
            theirs = restore(path, ())
            differing = [key for key, value in params.items() if theirs["params"].get(key) != value]
            if differing or theirs["data"] != mine["data"]:
                what = f"other values of {', '.join(differing)}" if differing else "another matrix, cells or genes"
                raise InputError(
                    f"The checkpoints in {self._folder} are of another run.",
                    expected="the data and parameters of the run that was interrupted",
                    found=what,
                    advice="Give those, or begin anew with --overwrite instead of --resume.",
                )
        with whole_file(path) as temporary:
            store(temporary, mine)

    def take(self, stage: Stage, iteration: int) -> tuple[Sequence[Event], Any] | None:
        """A stage that was complete before; None: it has to be computed."""
        path = self._path(stage, iteration)
        if not self._resumes or not path.exists():
            return None
        events, value = restore(path, self._types)
        return events, value

    def keep(self, stage: Stage, iteration: int, events: Sequence[Event], value: Any) -> None:
        """Write a stage, whole or not at all; a disk that is full costs the checkpoint, not the run."""
        if stage in NOT_KEPT or (stage == "evaluate" and iteration == 0):
            return
        try:
            with whole_file(self._path(stage, iteration)) as temporary:
                store(temporary, (list(events), value))
        except OutputError:
            self._path(stage, iteration).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove them, once the result is written."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, stage: Stage, iteration: int) -> Path:
        return self._folder / f"{iteration}_{stage}.npz"


def _essential(params: RunParams) -> dict[str, Any]:
    return {key: value for key, value in params.to_dict().items() if key not in MAY_DIFFER}


def _fingerprint(prepared: Prepared) -> str:
    """Of the matrix that is trained on and the names of its cells and genes."""
    digest = hashlib.sha256()
    for _, rows in as_blocks(prepared.x).blocks():
        digest.update(np.ascontiguousarray(rows).data)
    for names in (prepared.obs_names, prepared.var_names):
        digest.update("\n".join(names.tolist()).encode())
    return digest.hexdigest()

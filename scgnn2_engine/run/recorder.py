"""The record of a run: what was decided, what it cost, every score of every iteration."""

from __future__ import annotations

import datetime
import time
from collections.abc import Generator, Mapping
from typing import Any, TypeVar

import pandas as pd

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.events import EpochEnded, Event, Notice, StageEnded, StopReason
from scgnn2_engine.model.model import Model
from scgnn2_engine.params import RunParams
from scgnn2_engine.resources import versions
from scgnn2_engine.results.result import Result
from scgnn2_engine.results.state import LoopState
from scgnn2_engine.run.selection import select_iteration

T = TypeVar("T")


class Recorder:
    """Listens to the events of one run and turns them into its record.

    Attributes
    ----------
    rows
        The scores of every complete iteration, in order; ``iteration`` is 1-based.
    """

    def __init__(self, params: RunParams, device: str) -> None:
        self.rows: list[dict[str, Any]] = []
        self._params = params
        self._device = device
        self._started = datetime.datetime.now(datetime.UTC)
        self._clock = time.perf_counter()
        self._stages: list[dict[str, Any]] = []
        self._losses: list[tuple[str, int, int | None, int, str, float]] = []
        self._notices: list[dict[str, str]] = []
        self._labels: dict[str, Any] = {}
        self._data: dict[str, Any] = {}

    def listen(self, steps: Generator[Event, None, T]) -> Generator[Event, None, T]:
        """Pass the events on, noting losses, stages and notices."""
        while True:
            try:
                event = next(steps)
            except StopIteration as end:
                value: T = end.value
                return value
            if isinstance(event, EpochEnded):
                at = (event.stage, event.iteration, event.cluster, event.epoch)
                self._losses += [(*at, name, loss) for name, loss in event.losses.items()]
            elif isinstance(event, StageEnded):
                self._stages.append(
                    {
                        "stage": event.stage,
                        "iteration": event.iteration,
                        "seconds": round(event.seconds, 4),
                        "peak_memory_bytes": event.peak_memory,
                    }
                )
            elif isinstance(event, Notice):
                self._notices.append({"level": event.level, "stage": event.stage, "message": event.message})
            yield event

    def describe(self, dataset: Dataset) -> None:
        """Note what was read and how it was understood."""
        self._data = {"n_obs": dataset.n_obs, "n_vars": dataset.n_vars, "scale": dataset.scale, **dataset.facts}
        source = dataset.truth.source if dataset.truth is not None else ""
        self._data["labels"] = source or ("given" if dataset.truth is not None else "none")

    @property
    def label_free_rows(self) -> list[dict[str, Any]]:
        """What the choice of the iteration may see of :attr:`rows`."""
        return [{key: row[key] for key in ("iteration", "validation_error")} for row in self.rows]

    def add_iteration(self, iteration: int, scores: Mapping[str, float], state: LoopState) -> None:
        """Note a complete iteration."""
        self.rows.append({"iteration": iteration, **scores})
        self._labels[f"iteration_{iteration}"] = state.labels

    def result(
        self, prepared: Prepared, state: LoopState, dataset: Dataset, reason: StopReason, model: Model
    ) -> Result:
        """Assemble the result from the selected iteration's state and what it answers."""
        if state.labels is None or state.clustering_embedding is None:
            raise ValueError("expected the state of an iteration, found the state before the loop")
        chosen = select_iteration(self.label_free_rows, self._params.selection)
        metrics = pd.DataFrame(self.rows)
        metrics["cluster_count"] = metrics["cluster_count"].astype(int)
        metrics["selected"] = metrics["iteration"] == chosen
        complete = [row for row in self._losses if row[1] <= len(self.rows)]
        obs = None
        if dataset.obs is not None:
            obs = dataset.obs.iloc[prepared.cells]
        return Result(
            labels=state.labels,
            feature_embedding=state.feature_embedding,
            graph_embedding=state.graph_embedding,
            clustering_embedding=state.clustering_embedding,
            graph=state.graph,
            metrics=metrics,
            labels_history=pd.DataFrame(self._labels, index=pd.Index(prepared.obs_names, name="cell")),
            losses=pd.DataFrame(complete, columns=["stage", "iteration", "cluster", "epoch", "name", "value"]),
            prepared=prepared,
            record=self._record(prepared, reason, chosen),
            obs=obs,
            source=dataset,
            deconvolution=state.deconvolution,
            mixing=state.mixing,
            matrices=model.matrices,
            model=model,
        )

    def _record(self, prepared: Prepared, reason: StopReason, chosen: int) -> dict[str, Any]:
        return {
            "program": "scgnn2",
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - self._clock, 3),
            "stopped_by": reason,
            "iterations": len(self.rows),
            "selected_iteration": chosen,
            "selected_by": self._params.selection,
            "labels_were_used_for": "display only",
            "run_ID": self._params.output.run_ID,
            "seed": self._params.seed,
            "device": self._device,
            "versions": versions(),
            "params": self._params.to_dict(),
            "changed_params": self._params.changed(),
            "data": {
                **self._data,
                "n_obs_kept": prepared.n_obs,
                "n_vars_kept": prepared.n_vars,
                "library_size_normalised": bool((prepared.size_factors != 1).any()),
                "dropped_cells": list(prepared.dropped_cells),
                "dropped_genes": list(prepared.dropped_genes),
                "hidden_entries": len(prepared.hidden) if prepared.hidden is not None else 0,
                "held_out_entries": len(prepared.validation) if prepared.validation is not None else 0,
            },
            "peak_memory_bytes": max((stage["peak_memory_bytes"] for stage in self._stages), default=0),
            "stages": self._stages,
            "notices": self._notices,
        }

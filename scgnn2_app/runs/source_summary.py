"""What is known about a data set before a run: its size and scale, and what the run will cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scgnn2_app.runs.workspace import RunInfo
from scgnn2_app.sources.source import Source, opened
from scgnn2_engine import require_size
from scgnn2_engine.data import costs
from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.io import read_dataset
from scgnn2_engine.params import RunParams
from scgnn2_engine.run.inspection import inspection_of

MOST_LABELS = 100
"""Columns of obs with more different values than this are no labels to colour by."""


@dataclass(frozen=True)
class SourceSummary:
    """A data set as a screen describes it.

    Attributes
    ----------
    n_obs, n_vars
        Cells and genes as read, before filtering.
    scale
        ``"counts"``, ``"normalised"`` or ``"logged"``.
    orientation
        What the rows of the file were: ``"cells-by-genes"`` or ``"genes-by-cells"``.
    matrix
        Which matrix of an AnnData was taken; empty for other formats.
    zeros
        Share of the entries that are zero.
    memory, memory_free
        Bytes the run is expected to need at its peak, and bytes that are free now.
    seconds
        What a run may take: if it stops after few iterations, and if it uses all of ``total_epoch``. Rough.
    seconds_from
        On what that estimate rests, a sentence.
    labels
        Where the labels come from, empty without any; for display only.
    label_columns
        Columns of obs that could serve as labels.
    notes, warnings
        What was found, as ``scgnn2 inspect`` says it, and what the user should act on.
    """

    n_obs: int
    n_vars: int
    scale: str
    orientation: str
    matrix: str
    zeros: float
    memory: int
    memory_free: int
    seconds: tuple[float, float]
    seconds_from: str
    labels: str
    label_columns: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether the expected memory is free."""
        return self.memory <= self.memory_free

    @property
    def text(self) -> str:
        """One line: cells × genes, scale, orientation."""
        parts = [f"{self.n_obs:,} cells × {self.n_vars:,} genes", self.scale]
        return ", ".join([*parts, *([f"read as {self.orientation}"] if self.orientation else [])])


def describe(source: Source, params: RunParams, earlier: Iterable[RunInfo] = ()) -> SourceSummary:
    """Read a data set and say what it is and what a run on it would cost.

    This reads the whole matrix, as the run will: call it from a thread where a page must stay quick.

    Parameters
    ----------
    source, params
        What the run would be.
    earlier
        Finished runs of this machine, by which the expected time is corrected.

    Raises
    ------
    ScgnnError
        The data cannot be read, or does not fit into memory.

    Examples
    --------
    >>> summary = describe(Source.demo(), RunParams())
    >>> summary.text, summary.labels
    ('700 cells × 765 genes, logged, read as cells-by-genes', "obs['bulk_labels']")
    """
    data, params = opened(source, params)
    dataset = read_dataset(params, data)
    require_size(dataset.n_obs, dataset.n_vars)
    found = inspection_of(dataset, params)
    seconds, seconds_from = expected_seconds(found.n_obs, found.n_kept, params, earlier)
    return SourceSummary(
        n_obs=found.n_obs,
        n_vars=found.n_vars,
        scale=found.scale,
        orientation=found.orientation,
        matrix=found.matrix,
        zeros=found.zeros,
        memory=found.memory,
        memory_free=found.memory_free,
        seconds=seconds,
        seconds_from=seconds_from,
        labels=dataset.truth.source if dataset.truth is not None else "",
        label_columns=_label_columns(dataset),
        notes=(*(f"{what}: {text}" for what, text in found.about), *found.other_notes),
        warnings=dataset.warnings,
    )


def summary_seconds(summary: SourceSummary, params: RunParams, earlier: Iterable[RunInfo]) -> SourceSummary:
    """The same summary with the time that a run may take by what earlier ones took."""
    kept = params.preprocess.top_gene_select
    n_vars = min(summary.n_vars, kept) if kept > 0 else summary.n_vars
    seconds, basis = expected_seconds(summary.n_obs, n_vars, params, earlier)
    return replace(summary, seconds=seconds, seconds_from=basis)


def expected_seconds(
    n_obs: int, n_vars: int, params: RunParams, earlier: Iterable[RunInfo] = ()
) -> tuple[tuple[float, float], str]:
    """What a run may take, and on what that estimate rests.

    The model is :mod:`scgnn2_engine.data.costs`. Finished runs of the same preset on this machine that scored and
    drew the same correct it by their median.

    Returns
    -------
    seconds, basis
        (few iterations, all of ``total_epoch``), and a sentence.

    Examples
    --------
    >>> (few, most), basis = expected_seconds(700, 636, RunParams(total_epoch=3))
    >>> round(few), round(most), basis
    (71, 71, 'a rough model, measured on another machine with two cores')
    """
    ratios = []
    wanted = params.to_dict()
    for run in earlier:
        if run.state == "done" and run.seconds and run.iteration and _alike(run.params, wanted):
            size = _kept(run)
            if size is not None:
                ratios.append(run.seconds / costs.run_seconds(*size, run.params, run.iteration))
    ratio = float(np.median(ratios)) if ratios else 1.0
    basis = f"a rough model, corrected by {len(ratios)} earlier runs on this machine" if ratios else costs.BASIS
    return costs.expected_seconds(n_obs, n_vars, params, ratio), basis


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two runs are of one preset, and after their iterations compute the same."""
    return all(one.get(key) == other.get(key) for key in ("preset", *costs.SWITCHES))


def _kept(run: RunInfo) -> tuple[int, int] | None:
    from scgnn2_app.runs.snapshots import load_shape

    return load_shape(run.folder)


def _label_columns(dataset: Dataset) -> tuple[str, ...]:
    if dataset.obs is None:
        return ()
    found = []
    for name, column in dataset.obs.items():
        different = column.nunique()
        is_name = column.dtype == object or str(column.dtype) in ("category", "bool", "string", "str")
        if 1 < different <= MOST_LABELS and (is_name or different <= MOST_LABELS // 4):
            found.append(str(name))
    return tuple(found)

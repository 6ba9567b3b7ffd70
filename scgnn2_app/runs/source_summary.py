"""What is known about a data set before a run: its size and scale, and what the run will cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scgnn2_app.runs.snapshots import load_shape
from scgnn2_app.runs.workspace import RunInfo
from scgnn2_app.sources.source import Source, opened
from scgnn2_engine import require_size
from scgnn2_engine.data import costs
from scgnn2_engine.data.cell_quality import CellQuality, cell_quality
from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.io import read_dataset
from scgnn2_engine.io.batches import undeclared
from scgnn2_engine.params import RunParams
from scgnn2_engine.run.inspection import Inspection, inspection_of

MOST_MEASURED = 20_000
"""Cells whose quality is sent to the page; of more, so many from the first to the last."""

MOST_LABELS = 100
"""Columns of obs with more different values than this are no labels to colour by."""


@dataclass(frozen=True, kw_only=True)
class SourceSummary(Inspection):
    """A data set as a screen describes it: what ``scgnn2 inspect`` says, and its labels.

    Attributes
    ----------
    labels
        Where the labels come from, empty without any; for display only.
    label_columns
        Columns of obs that could serve as labels.
    batch_columns
        What could say which sample or batch a cell is of, the likeliest first.
    batch_key
        Which of them does where several files were read, else empty.
    quality
        Of at most :data:`MOST_MEASURED` cells: the fields of a :class:`~scgnn2_engine.data.cell_quality.CellQuality` as
        lists; empty where nothing was measured.
    """

    labels: str
    label_columns: tuple[str, ...]
    batch_columns: tuple[str, ...] = ()
    batch_key: str = ""
    quality: Mapping[str, list[float] | None] = field(default_factory=dict)

    @property
    def measured(self) -> CellQuality | None:
        """The quality of cells, None where it was not measured."""
        if not self.quality:
            return None
        found: dict[str, Any] = {name: None if of is None else np.asarray(of) for name, of in self.quality.items()}
        return CellQuality(**found)

    @property
    def fits(self) -> bool:
        """Whether the expected memory is free."""
        return self.memory <= self.memory_free

    @property
    def text(self) -> str:
        """One line: cells × genes, scale, orientation."""
        parts = [f"{self.n_obs:,} cells × {self.n_vars:,} genes", self.scale]
        return ", ".join([*parts, *([f"read as {self.orientation}"] if self.orientation else [])])


def describe(source: Source, params: RunParams) -> SourceSummary:
    """Read a data set and say what it is and what a run on it would cost.

    This reads the whole matrix, as the run will: call it from a thread where a page must stay quick.

    Parameters
    ----------
    source, params
        What the run would be.

    Raises
    ------
    ScgnnError
        The data cannot be read, or does not fit into memory.

    Examples
    --------
    >>> summary = describe(Source.demo(), RunParams())
    >>> summary.text, summary.labels
    ('700 cells × 765 genes, counts, read as cells-by-genes', "obs['bulk_labels']")
    """
    data, params = opened(source, params)
    dataset = read_dataset(params, data)
    require_size(dataset.n_obs, dataset.n_vars)
    found = inspection_of(dataset, params)
    notes = (*(f"{what}: {text}" for what, text in found.about), *found.other_notes)
    return SourceSummary(
        **{**vars(found), "notes": notes},
        labels=dataset.truth.source if dataset.truth is not None else "",
        label_columns=_label_columns(dataset),
        batch_columns=_batch_columns(dataset),
        batch_key="sample" if len(dataset.facts.get("samples", ())) > 1 else "",
        quality=_quality(dataset),
    )


def _quality(dataset: Dataset) -> dict[str, list[float] | None]:
    cells = np.unique(np.linspace(0, dataset.n_obs - 1, MOST_MEASURED).astype(np.int64))
    x = dataset.expression if len(cells) == dataset.n_obs else dataset.expression[cells]
    found = cell_quality(x, dataset.scale, dataset.var_names)
    return {name: None if of is None else np.round(np.nan_to_num(of), 4).tolist() for name, of in vars(found).items()}


def expected_seconds(
    n_obs: int, n_vars: int, params: RunParams, earlier: Iterable[RunInfo] = ()
) -> tuple[float, float]:
    """What a run may take: if it stops after few iterations, and if it uses all of ``total_epoch``. Rough.

    The model is :mod:`scgnn2_engine.data.costs`. Finished runs of the same preset on this machine that scored and
    drew the same correct it by their median.

    Examples
    --------
    >>> [round(seconds) for seconds in expected_seconds(700, 636, RunParams(total_epoch=3))]
    [38, 38]
    """
    kept = params.preprocess.top_gene_select
    n_vars = min(n_vars, kept) if kept > 0 else n_vars
    ratios = []
    wanted = params.to_dict()
    for run in earlier:
        if run.state == "done" and run.seconds and run.iteration and _alike(run.params, wanted):
            size = load_shape(run.folder)
            if size is not None:
                ratios.append(run.seconds / costs.run_seconds(*size, run.params, run.iteration))
    return costs.expected_seconds(n_obs, n_vars, params, float(np.median(ratios)) if ratios else 1.0)


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two runs are of one preset, and after their iterations compute the same."""
    return all(one.get(key) == other.get(key) for key in ("preset", *costs.SWITCHES))


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


def _batch_columns(dataset: Dataset) -> tuple[str, ...]:
    """What is called as batches are, then the other columns that name groups of cells."""
    others = [
        name for name in _label_columns(dataset) if dataset.obs is not None and dataset.obs[name].dtype.kind != "f"
    ]
    return tuple(dict.fromkeys([*undeclared(dataset, np.arange(dataset.n_obs)), *others]))

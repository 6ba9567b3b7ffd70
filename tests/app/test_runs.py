"""The list of runs: what differs, which is best; and the charts over many runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bokeh.models import MultiLine

from scgnn2_app.run_charts import history, importances, overlaid, parallel_coordinates, slice_of
from scgnn2_app.sources import Source
from scgnn2_app.views.runs import best_run, differing, table_of
from scgnn2_app.workspace import RunInfo
from scgnn2_engine import RunParams


def run(number: int, state: Any = "done", scores: dict[str, float] | None = None, **values: Any) -> RunInfo:
    params = RunParams(**values).to_dict()
    return RunInfo(
        id=f"run{number}", name=f"run {number}", owner="", state=state, created=datetime(2026, 1, number, tzinfo=UTC),
        source=Source.demo(), params=params, changed={}, folder=Path("/nowhere"), scores=scores or {}, iteration=2,
    )  # fmt: skip


def test_only_what_differs_is_a_column() -> None:
    runs = [run(1, seed=1, feature_AE_epoch=[5, 5]), run(2, seed=2, feature_AE_epoch=[6, 5])]
    assert differing(runs) == ["seed", "feature_AE_epoch"]
    table = table_of(runs, "validation_error")
    assert table["feature_AE_epoch"].tolist() == ["5, 5", "6, 5"]
    assert "alpha" not in table
    assert differing(runs[:1]) == []


def test_the_best_is_starred_and_nothing_that_still_runs() -> None:
    runs = [
        run(1, scores={"validation_error": 0.5, "ari_between_iterations": 0.9}),
        run(2, scores={"validation_error": 0.4, "ari_between_iterations": 0.8}),
        run(3, "running", scores={"validation_error": 0.1}),
        run(4, "failed"),
    ]
    assert best_run(runs, "validation_error") == "run2"
    assert best_run(runs, "ari_between_iterations") == "run1"
    assert best_run(runs, "graph_change") == ""
    marks = table_of(runs, "validation_error", shown="run1")[""].tolist()
    assert [mark.strip() for mark in marks] == ["shown", "★", "", ""]


def test_a_workspace_without_runs_is_a_table_without_rows() -> None:
    assert len(table_of([], "validation_error")) == 0


def lines_of(plot: Any) -> dict[str, Any]:
    (renderer,) = (renderer for renderer in plot.renderers if isinstance(renderer.glyph, MultiLine))
    return dict(renderer.data_source.data)


def test_parallel_coordinates_scale_every_axis_and_end_with_the_score() -> None:
    axes = {"score": [0.5, 0.3, None], "seed": [1, 3, 2], "kind": ["b", "a", "a"]}
    lines = lines_of(parallel_coordinates(["x", "y", "z"], axes, "score", dark=False))
    assert lines["name"] == ["x", "y"]
    np.testing.assert_allclose(lines["ys"], [[0, 1, 1], [1, 0, 0]])


@pytest.mark.parametrize("values", [[1e-5, 1e-1], [True, False], [3, 3], [None, 2]])
def test_any_kind_of_value_can_be_drawn(values: list[Any]) -> None:
    lines = lines_of(parallel_coordinates(["x", "y"], {"p": values, "s": [1.0, 2.0]}, "s", dark=True))
    assert np.isfinite(lines["ys"]).all()


def test_charts_of_nothing_are_charts() -> None:
    assert parallel_coordinates([], {"p": [], "s": []}, "s", dark=False).renderers
    assert history([], [], "s", False, minimise=True).title.text
    assert slice_of("p", [], [], [], "s", False, log=False).title.text == "p"
    assert importances({}, False).title.text
    assert overlaid({}, "t", "x", "y", False).title.text == "t"


def test_history_shows_the_best_so_far() -> None:
    plot = history([0, 1, 2], [3.0, 5.0, 1.0], "s", False, minimise=True)
    best = plot.renderers[1].data_source.data
    assert best["y"].tolist() if hasattr(best["y"], "tolist") else list(best["y"]) == [3.0, 3.0, 1.0]

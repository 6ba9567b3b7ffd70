"""The list of runs: what differs, which is best; and the charts over many runs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bokeh.models import Legend, MultiLine, Text

from scgnn2_app.charts.across_runs import (
    MOST_LINES,
    history,
    importances,
    overlaid,
    parallel_coordinates,
    slice_of,
)
from scgnn2_app.runs.jobs import JobManager
from scgnn2_app.runs.workspace import RunInfo
from scgnn2_app.session import Session
from scgnn2_app.sources.source import Source
from scgnn2_app.views.compare import MOST_RUNS, CompareView, short_name
from scgnn2_app.views.run_bar import BAR_THEME, LONGEST_NAME, RunBar, sentence
from scgnn2_app.views.runs import RunsView
from scgnn2_app.views.runs_filter import filtered
from scgnn2_app.views.runs_table import MOST_PARAMETERS, TITLES, best_runs, differing, table_of
from scgnn2_engine import RunParams
from scgnn2_engine.errors import InputError
from scgnn2_engine.plots.chart import Chart
from scgnn2_engine.plots.on_bokeh import BokehCanvas
from scgnn2_engine.plots.style import inks


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


def test_what_a_sweep_switches_off_for_its_trials_is_no_difference() -> None:
    off = {"evaluate_baselines": False, "evaluate_diagnostics": False, "output_figures": False, "output_rdata": True}
    assert differing([run(1), run(2, alpha=0.2, **off)]) == ["alpha"]


def test_the_best_is_starred_and_nothing_that_still_runs() -> None:
    runs = [
        run(1, scores={"validation_error": 0.5, "ari_between_iterations": 0.9}),
        run(2, scores={"validation_error": 0.4, "ari_between_iterations": 0.8}),
        run(3, "running", scores={"validation_error": 0.1}),
        run(4, "failed"),
    ]
    assert best_runs(runs, "validation_error") == {"run2"}
    assert best_runs(runs, "ari_between_iterations") == {"run1"}
    assert best_runs(runs, "graph_change") == set()
    marks = table_of(runs, "validation_error", shown="run1")["★"].tolist()
    assert [mark.strip() for mark in marks] == ["shown", "★", "", ""]


def test_the_best_is_one_of_the_same_data() -> None:
    other = Source.at("/data/pbmc.h5ad")
    runs = [
        run(1, scores={"validation_error": 0.5}),
        run(2, scores={"validation_error": 0.4}),
        replace(run(3, scores={"validation_error": 0.2}), source=other),
        replace(run(4, scores={"validation_error": 0.1}), source=other.with_labels("kind")),
        replace(run(5), source=Source.at("/data/without_scores.h5ad")),
    ]
    assert best_runs(runs, "validation_error") == {"run2", "run4"}
    assert best_runs(runs, "validation_error", shown="run1") == {"run2"}
    assert best_runs(runs, "validation_error", shown="run3") == {"run4"}
    assert best_runs(runs, "validation_error", shown="run5") == set()
    by_flags = [
        replace(run(n, scores={"validation_error": error}, load_sc_dataset=name), source=Source("flags"))
        for n, error, name in ((1, 0.1, "a.csv"), (2, 0.2, "b.csv"))
    ]
    assert best_runs(by_flags, "validation_error", shown="run2") == {"run2"}


def test_scores_stand_before_what_matters_less_and_have_words() -> None:
    scores = {"validation_error": 0.5, "cluster_count": 5.0, "ari_against_ground_truth": 0.25}
    columns = list(table_of([run(1, scores=scores)], "validation_error"))
    assert columns == ["id", "★", "run", "state", *scores, "iterations", "took", "data", "started"]
    assert all("_" not in TITLES[name] for name in scores)


def test_a_table_shows_at_most_so_much_of_a_name() -> None:
    (name,) = table_of([replace(run(1), name="x" * 500)], "validation_error")["run"]
    assert name == "x" * (LONGEST_NAME - 1) + "…"


def test_a_workspace_without_runs_is_a_table_without_rows() -> None:
    assert len(table_of([], "validation_error")) == 0


def on_page(chart: Chart, dark: bool = False) -> Any:
    return BokehCanvas(chart, dark=dark, height=300).figure


def lines_of(plot: Any) -> dict[str, Any]:
    (renderer,) = (renderer for renderer in plot.renderers if isinstance(renderer.glyph, MultiLine))
    return dict(renderer.data_source.data)


def test_parallel_coordinates_scale_every_axis_and_end_with_the_score() -> None:
    axes = {"score": [0.5, 0.3, None], "seed": [1, 3, 2], "kind": ["b", "a", "a"]}
    lines = lines_of(on_page(parallel_coordinates(["x", "y", "z"], axes, "score", dark=False)))
    assert lines["run"] == ["x", "y"]
    np.testing.assert_allclose(lines["y"], [[0, 1, 1], [1, 0, 0]])


@pytest.mark.parametrize("values", [[1e-5, 1e-1], [True, False], [3, 3], [None, 2]])
def test_any_kind_of_value_can_be_drawn(values: list[Any]) -> None:
    lines = lines_of(
        on_page(parallel_coordinates(["x", "y"], {"p": values, "s": [1.0, 2.0]}, "s", dark=True), dark=True)
    )
    assert np.isfinite(lines["y"]).all()


def test_what_stands_at_an_axis_lies_over_the_lines_on_the_paper() -> None:
    for dark in (False, True):
        plot = on_page(parallel_coordinates(["x", "y"], {"p": [True, False], "s": [1.0, 2.0]}, "s", dark), dark)
        kinds = [type(renderer.glyph) for renderer in plot.renderers]
        assert kinds.index(Text) > kinds.index(MultiLine)
        texts = [renderer.glyph for renderer in plot.renderers if isinstance(renderer.glyph, Text)]
        assert {text.background_fill_color for text in texts} == {inks(dark)["paper"]}


def test_names_of_many_axes_do_not_run_together() -> None:
    keys = ["cluster_AE_reconstruction_weight", "graph_AE_concat_prev_embed", "preprocess_top_gene_select"] * 4
    axes: dict[str, list[Any]] = {f"{TITLES[key]} {place}": [1, 2] for place, key in enumerate(keys)}
    chart = parallel_coordinates(["x", "y"], axes | {"validation_error": [0.1, 0.2]}, "validation_error", dark=False)
    plot = on_page(chart)
    assert plot.xaxis.major_label_orientation == "horizontal"
    lines = [label.split("\n") for label in plot.xaxis.major_label_overrides.values()]
    assert max(map(len, lines)) <= MOST_LINES
    assert max(len(line) for label in lines for line in label) <= 14


def test_charts_of_nothing_are_charts() -> None:
    assert on_page(parallel_coordinates([], {"p": [], "s": []}, "s", dark=False)).renderers
    assert on_page(history([], [], "s", minimise=True)).title.text
    assert on_page(slice_of("p", [], [], [], "s", False, log=False)).title.text == "p"
    assert on_page(importances({})).title.text
    assert on_page(overlaid({}, "t", "x", "y")).title.text == "t"


def test_history_shows_the_best_so_far() -> None:
    plot = on_page(history([0, 1, 2], [3.0, 5.0, 1.0], "s", minimise=True))
    assert list(plot.renderers[1].data_source.data["y"]) == [3.0, 3.0, 1.0]


def test_a_history_has_its_names_above_and_a_span_that_suits_its_scores() -> None:
    one = on_page(history([1], [0.25], "s", minimise=True))
    (legend,) = (part for part in one.above if isinstance(part, Legend))
    assert [item.label.value for item in legend.items] == ["trial", "best so far"]
    assert one.legend == [legend]
    assert 0.2 < one.y_range.start < 0.25 < one.y_range.end < 0.3
    alike = on_page(history([1, 2], [0.2500, 0.2501], "s", minimise=True))
    assert alike.y_range.end - alike.y_range.start > 0.01
    assert on_page(history([1], [0.0], "s", minimise=True)).y_range.start < 0


def test_a_slice_has_a_place_for_every_kind_and_room_around_a_single_number() -> None:
    kinds = slice_of("p", ["b", True, "a"], [0.1, 0.2, 0.3], [1, 2, 3], "s", False, log=False)
    assert kinds.x_ticks == {0: "True", 1: "a", 2: "b"}
    assert kinds.mark("trials").x == [2, 0, 1]
    assert slice_of("p", [2.0], [0.1], [1], "s", False, log=False).x_limits == (1.8, 2.2)
    assert slice_of("p", [0.1, 10.0], [0.1, 0.2], [1, 2], "s", False, log=True).x_log


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        shares = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
        linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("smaller", [False, True])
def test_every_line_of_parallel_coordinates_is_seen(dark: bool, smaller: bool) -> None:
    axes: dict[str, list[Any]] = {"p": [1, 2], "s": [1.0, 2.0]}
    plot = on_page(parallel_coordinates(["x", "y"], axes, "s", dark, smaller_is_better=smaller), dark)
    (renderer,) = (renderer for renderer in plot.renderers if isinstance(renderer.glyph, MultiLine))
    shades = renderer.glyph.line_color.transform.palette
    paper = inks(dark)["paper"]
    assert min(contrast(shade, paper) for shade in shades) >= 3
    best, worst = (shades[0], shades[-1]) if smaller else (shades[-1], shades[0])
    assert contrast(best, paper) > contrast(worst, paper)


def test_the_names_of_overlaid_runs_stand_above_the_plot() -> None:
    curves = {"one": ([1.0, 2.0], [5.0, 6.0]), "two": ([1.0], [5.0]), "none": ([1.0], [float("nan")])}
    plot = on_page(overlaid(curves, "Clusters", "iteration", "clusters", whole=True))
    (legend,) = (part for part in plot.above if isinstance(part, Legend))
    assert plot.legend[0] is legend
    assert [item.label.value for item in legend.items] == ["one", "two"]
    assert plot.xaxis.ticker.min_interval == plot.yaxis.ticker.min_interval == 1


def test_names_in_a_legend_are_short_and_differ() -> None:
    names = [short_name(replace(run(1), id=f"2026-{end}", name="the same long name " * 5)) for end in ("abcd", "abce")]
    assert len(set(names)) == 2
    assert all(len(name) <= 28 and "…" in name for name in names)


def test_compared_runs_have_axes_in_words() -> None:
    rows = [{"validation_error": 0.5, "ari_between_iterations": 0.9, "cluster_count": 5}] * 2
    events = [
        {"event": "IterationEnded", "iteration": i + 1, "n_iterations": 2, "scores": s} for i, s in enumerate(rows)
    ]
    events += [
        {"event": "EpochEnded", "stage": stage, "iteration": 1, "epoch": e, "cluster": None, "losses": {"loss": 1.0}}
        for stage in ("feature_AE", "cluster_AE")
        for e in (1, 2)
    ]

    class Jobs:
        def events(self, run_id: str, cursor: int) -> tuple[list[dict[str, Any]], int]:
            return ([], cursor) if cursor else (events, 1)

    view = CompareView(Session(), Jobs())  # type: ignore[arg-type]
    view.choose([run(1), run(2)], "validation_error")
    figures: list[Any] = [pane.object for pane in view._curves]  # type: ignore[attr-defined]
    assert len(figures) == 5
    for figure in figures:
        assert "_" not in figure.title.text + figure.yaxis.axis_label
        assert len(figure.title.text) <= 30
    assert figures[-1].yaxis.ticker.min_interval == 1


def test_charts_of_trials_have_axes_in_words() -> None:
    assert on_page(history([], [], "validation_error", minimise=True)).yaxis.axis_label == "held-out error"
    nothing = slice_of("p", [], [], [], "validation_error", False, log=False)
    assert on_page(nothing).yaxis.axis_label == "held-out error"
    axes: dict[str, list[Any]] = {"p": [1], "validation_error": [0.5]}
    plot = on_page(parallel_coordinates(["x"], axes, "validation_error", dark=False))
    assert plot.xaxis.major_label_overrides[1] == "held-out error"


# ------------------------------------------------------------------------------------------- what is left out


class NoEvents:
    """Jobs that tell nothing."""

    def events(self, run_id: str, cursor: int) -> tuple[list[dict[str, Any]], int]:
        return [], cursor

    def can_resume(self, run_id: str) -> bool:
        return run_id == "run2"


@pytest.fixture
def view() -> RunsView:
    context: Any = SimpleNamespace(manager=NoEvents(), owner=None)
    return RunsView(Session(), context, list)


def drawn(view: RunsView) -> list[str]:
    rows = view.compare._last_rows
    return list(rows[0]) if rows else []


def test_parallel_coordinates_are_of_runs_on_the_same_data(view: RunsView) -> None:
    other = Source.at("/data/pbmc.h5ad")
    runs = [run(n, scores={"validation_error": 0.1 * n}, seed=n) for n in (1, 2)]
    runs += [replace(run(n, scores={"validation_error": 0.1 * n}, seed=n), source=other) for n in (3, 4, 5)]
    view.update(runs)
    assert drawn(view) == ["run 1", "run 2"]
    assert "the 2 runs on" in view.compare._said.object
    assert "the newest run; 3 on other data" in view.compare._said.object
    view.table.selection = [2]
    assert drawn(view) == ["run 3", "run 4", "run 5"]
    assert "pbmc.h5ad, the data of the first ticked run; 2 on other data" in view.compare._said.object
    view._session.run_id = "run1"
    view.update(runs)
    assert drawn(view) == ["run 1", "run 2"]
    assert "the shown run" in view.compare._said.object
    view.update(runs[:2])
    assert not view.compare._said.visible


def test_what_is_not_drawn_is_said(view: RunsView) -> None:
    runs = [run(n) for n in range(1, 12)]
    view.update(runs)
    assert not view._cut.visible
    view.table.selection = list(range(11))
    assert view.compare._hint.object == f"The first {MOST_RUNS} of the 11 ticked runs are drawn."
    view.table.selection = list(range(MOST_RUNS))
    assert "ticked" not in view.compare._hint.object
    changed = {key: value / 2 for key, value in run(1).params.items() if isinstance(value, float) and value > 0}
    many = [replace(one, params=one.params | changed, scores={"validation_error": 0.1}) for one in runs[:1]]
    view.update([*many, replace(runs[1], scores={"validation_error": 0.2})])
    assert f"Of the {len(changed)} parameters that differ the first {MOST_PARAMETERS}" in view._cut.object
    assert f"{MOST_PARAMETERS} of the {len(changed)} parameters that differ" in view.compare._said.object


# --------------------------------------------------------------------------------------------------- the bar


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"iteration": 0}, "starting"),
        ({"iteration": 0, "progress": 0.1}, "preparing"),
        ({"stage": "graph_AE", "iteration": 1, "progress": 0.4, "seconds_left": 12.0},
         "Graph autoencoder, iteration 1, about 12 s left"),
        ({"iteration": 1, "progress": 0.4}, "training, iteration 1"),
        ({"iteration": 3, "progress": 0.9, "scores": {"cluster_count": 5}}, "evaluating, iteration 3"),
        ({"stage": "output", "iteration": 3, "progress": 0.95, "seconds_left": 0.2}, "writing the result"),
        ({"iteration": 3, "progress": 1.0, "seconds_left": 0.0, "scores": {"cluster_count": 5}}, "finishing"),
    ],
)  # fmt: skip
def test_what_a_run_does_is_said_also_between_its_stages(where: dict[str, Any], says: str) -> None:
    assert sentence(replace(run(1, "running"), **where)) == f"run 1: {says}"


def test_a_long_sentence_is_cut_and_whole_in_its_tooltip() -> None:
    bar = RunBar(list, list, list)
    reason = 'It says "no" <to>\n\nall of this. ' * 5
    bar.follow(replace(run(1, "failed"), name="n" * 60, reason=reason))
    text = bar._text.object
    shown, title = re.sub("<span[^>]*>|</span>", "", text), text.partition('title="')[2].partition('"')[0]
    assert shown.startswith("n" * 39 + "…: It says")
    assert title.startswith("n" * 60 + ": It says &quot;no&quot; &lt;to&gt; all")
    assert "\n" not in text
    assert bar._text.sx["& > p"]["textOverflow"] == "ellipsis"


def test_the_bar_is_as_wide_as_its_place_whatever_it_says() -> None:
    column = RunBar(list, list, list).__panel__()[4]
    assert column.styles["contain"] == "inline-size"


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_all_in_the_bar_can_be_read(mode: str) -> None:
    assert RunBar(list, list, list).__panel__().theme_config is BAR_THEME
    chosen = BAR_THEME[mode]["palette"]
    for badge in ("default", "primary"):
        assert contrast(chosen[badge]["main"], chosen[badge]["contrastText"]) >= 4.5
    for ink in (chosen["text"]["primary"], chosen["primary"]["main"]):
        assert contrast(ink, chosen["background"]["paper"]) >= 4.5


def test_a_run_that_left_stages_can_be_resumed(view: RunsView) -> None:
    resumed: list[str] = []
    manager: Any = view._context.manager
    manager.resume, manager.runs = resumed.append, lambda owner: [run(3), run(2)]
    view.update([run(3), run(2)])
    view.table.selection = [0]
    assert view._resume.disabled
    view.table.selection = [1]
    assert not view._resume.disabled
    view._resume.clicks += 1
    assert resumed == ["run2"]
    view.table.selection = [0, 1]
    assert view._resume.disabled


def test_runs_are_deleted_once_that_is_confirmed(view: RunsView) -> None:
    deleted: list[str] = []
    manager: Any = view._context.manager
    manager.delete, manager.runs = deleted.append, lambda owner: [run(3)]
    view.update([run(3), run(2), run(1, "running")])
    view.table.selection = [1, 2]
    view._delete.clicks += 1
    assert "2 runs and all their files: run 2, run 1. 1 of them go on" in view._sure.text
    view._sure.answers["Keep"].clicks += 1
    assert (view._sure.is_open, deleted) == (False, [])
    view._delete.clicks += 1
    assert view._sure.is_open
    view._sure.answers["Delete"].clicks += 1
    assert (view._sure.is_open, deleted) == (False, ["run2", "run1"])
    assert view.table.value["run"].tolist() == ["run 3"]


def test_runs_are_found_by_words_parameters_and_scores() -> None:
    runs = [
        replace(run(1, alpha=0.2, scores={"validation_error": 0.5}), note="figure 2"),
        run(2, alpha=0.6, scores={"validation_error": 0.3}),
        run(3, state="failed", clustering_method="Leiden"),
    ]

    def found(query: str) -> list[int]:
        return [runs.index(one) + 1 for one in filtered(runs, query)]

    assert found("") == [1, 2, 3]
    assert found("Figure") == [1]
    assert found("failed") == found("clustering_method=leiden") == [3]
    assert found("alpha>0.55") == [2]
    assert found("validation_error<0.4") == [2]
    assert found("validation_error>0 RUN alpha!=0.6") == [1]
    with pytest.raises(InputError, match="mean alpha"):
        filtered(runs, "alhpa=1")
    with pytest.raises(InputError, match="no number"):
        filtered(runs, "alpha<much")


def test_a_note_is_kept_and_an_archived_run_comes_back(tmp_path: Path) -> None:
    manager = JobManager(tmp_path, at_once=0)
    ids = [manager.submit(Source.demo(), RunParams(seed=seed), name=f"seed {seed}") for seed in (1, 2)]
    view = RunsView(Session(), SimpleNamespace(manager=manager, owner=None), lambda run: None)  # type: ignore[arg-type]
    view.update(manager.runs())
    view.table.selection = [0]
    view._note.value = " for the paper "
    view._keep_note.clicks += 1
    assert manager.run(ids[1]).note == "for the paper"
    assert view.table.value["note"].tolist() == ["for the paper", ""]
    view._archive.clicks += 1
    assert view.table.value["id"].tolist() == [ids[0]]
    assert view._cut.object == "1 more are archived or do not pass the filter."
    view._archived.value = True
    view.table.selection = [0]
    assert view._archive.label == "Bring back"
    view._archive.clicks += 1
    assert not manager.run(ids[1]).archived
    view._filter.value_input = "paper"
    assert view.table.value["id"].tolist() == [ids[1]]
    view._filter.value_input = "papre=1"
    assert view._filter.error_state
    assert len(view.table.value) == 2
    manager.close()

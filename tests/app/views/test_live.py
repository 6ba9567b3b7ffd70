"""A run is followed from its events: curves, scores, the strip of maps, the log, failures, comparison."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bokeh.models import ColumnDataSource

from scgnn2_app.charts.small_maps import picture, positions
from scgnn2_app.results.baseline_levels import (
    BEST_CLUSTERING,
    BEST_IMPUTATION,
    CLUSTERING,
    IMPUTATION,
    OPTIONAL,
    Level,
    baseline_levels,
)
from scgnn2_app.results.history import RunHistory
from scgnn2_app.runs.snapshots import Snapshot
from scgnn2_app.session import Session
from scgnn2_app.views.live import HEIGHT, NONE, LiveView
from scgnn2_engine.evaluate import baselines as engine_baselines
from scgnn2_engine.plots.chart import Chart
from scgnn2_engine.plots.curves import PANELS, score_chart
from scgnn2_engine.plots.on_bokeh import BokehCanvas
from scgnn2_engine.plots.style import cluster_colour, inks


def epoch(stage: str, iteration: int, number: int, loss: float | None, cluster: int | None = None) -> dict[str, Any]:
    losses = {"loss": loss, "validation": 0.5, "l1": 3.0}
    return {"event": "EpochEnded", "time": "2026-01-31T12:00:00+00:00", "stage": stage, "iteration": iteration,
            "epoch": number, "n_epochs": 2, "losses": losses, "cluster": cluster}  # fmt: skip


def iteration(number: int, **scores: float | None) -> dict[str, Any]:
    return {"event": "IterationEnded", "iteration": number, "n_iterations": 2, "scores": scores, "time": ""}


class Jobs:
    """Events that arrive when they are added; the cursor is their number."""

    def __init__(self) -> None:
        self.told: dict[str, list[dict[str, Any]]] = {}
        self.workspace = SimpleNamespace(log=lambda run_id, last: "the last words")

    def events(self, run_id: str, cursor: int = 0) -> tuple[list[dict[str, Any]], int]:
        told = self.told.get(run_id, [])
        if cursor > len(told):
            cursor = 0
        return told[cursor:], len(told)


def run(run_id: str = "a", state: str = "running", **fields: Any) -> Any:
    return SimpleNamespace(
        id=run_id, state=state, folder=Path("/nowhere"), title=run_id, reason="", traceback="", source=None,
        over=state in ("done", "failed", "stopped"), **fields,
    )  # fmt: skip


def test_all_clusters_of_an_iteration_begin_at_the_same_epoch() -> None:
    history = RunHistory()
    history.listen([epoch("cluster_AE", i, e, 4.0, cluster) for i in (1, 2) for cluster in (0, 1) for e in (1, 2)])
    history.listen([epoch("cluster_AE", 2, 1, 4.0, 2)])
    assert history.curves["cluster_AE", 1, "loss"].x == [1, 2, 2.5, 3, 4]
    assert history.curves["cluster_AE", 2, "loss"].x == [3]  # a cluster that was not there before


def test_the_mean_over_clusters_takes_those_that_still_train() -> None:
    history = RunHistory()
    history.listen(
        [epoch("cluster_AE", 1, 1, 2.0, 0), epoch("cluster_AE", 1, 1, 4.0, 1), epoch("cluster_AE", 1, 2, 1.0, 1)]
    )
    mean = history.mean("cluster_AE")
    assert (mean.x, mean.y) == ([1.0, 2.0], [3.0, 1.0])


def test_losses_that_a_logarithm_cannot_show_are_gaps() -> None:
    history = RunHistory()
    history.listen([epoch("graph_AE", 0, 1, None), epoch("graph_AE", 0, 2, -1.0), epoch("graph_AE", 0, 3, 2.0)])
    assert np.isnan(history.curves["graph_AE", None, "loss"].y[:2]).all()


def test_scores_that_are_missing_are_left_out() -> None:
    history = RunHistory()
    history.listen(
        [iteration(1, ari_between_iterations=None, cluster_count=4.0), iteration(2, ari_between_iterations=0.5)]
    )
    assert history.column("ari_between_iterations") == ([2.0], [0.5])
    assert "4 clusters" in history.log[0][2]


def drawn(live: LiveView, jobs: Jobs, *events: dict[str, Any], state: str = "running") -> Any:
    """The canvas of the first chart after these events have come too."""
    jobs.told["a"] = [*jobs.told.get("a", []), *events]
    live.update(run("a", state))
    return next(iter(live.canvases.values()))


def test_a_chart_is_streamed_only_what_is_new(live: LiveView, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    source = drawn(live, jobs, epoch("graph_AE", 0, 1, 4.0)).sources["loss"]
    assert source.data["y"] == [4.0]
    streamed: list[Any] = []
    monkeypatch.setattr(ColumnDataSource, "stream", lambda self, new: streamed.append((self, new)))
    canvas = drawn(live, jobs, epoch("graph_AE", 0, 2, 2.0))
    live.update(run("a"))
    assert [new for one, new in streamed if one is source] == [{"x": [2.0], "y": [2.0]}]
    assert {id(one) for one, _ in streamed} == {id(source), id(canvas.sources["held out"])}


def test_a_long_run_is_thinned_when_it_is_taken_up_but_keeps_its_end(live: LiveView, jobs: Jobs) -> None:
    canvas = drawn(live, jobs, *(epoch("graph_AE", 0, e, 1.0 + e) for e in range(1, 50_001)))
    x = canvas.sources["loss"].data["x"]
    assert len(x) < 21_000
    assert x[-1] == 50_000


def test_clusters_are_named_beside_their_lines_and_have_the_colours_of_the_map(live: LiveView, jobs: Jobs) -> None:
    events = [epoch("cluster_AE", 1, e, 4.0 / e, cluster) for e in (1, 2) for cluster in range(16)]
    canvas = drawn(live, jobs, *events)
    labels = [item.label.value for item in canvas.legend.items]
    assert labels == [*(str(number) for number in range(16)), "held-out error"]
    assert canvas.figure.height > BokehCanvas(Chart(), height=HEIGHT).figure.height  # a second row of them
    for dark in (True, False):
        canvas.paint(dark)
        (line,) = canvas.legend.items[7].renderers
        assert line.glyph.line_color == cluster_colour(7, dark)


def test_the_held_out_line_has_no_colour_of_a_cluster(live: LiveView, jobs: Jobs) -> None:
    canvas = drawn(live, jobs, epoch("cluster_AE", 1, 1, 4.0, 0))
    for dark in (False, True):
        canvas.paint(dark)
        colour = canvas.renderers["held out"].glyph.line_color
        assert colour == inks(dark)["ink"]
        assert colour not in {cluster_colour(number) for number in range(30)}


def test_the_returned_iteration_is_marked(live: LiveView, jobs: Jobs) -> None:
    ended = {"event": "RunEnded", "selected_iteration": 1, "reason": "total_epoch"}
    canvas = drawn(live, jobs, iteration(1, cluster_count=4.0), ended)
    assert canvas.sources["returned"].data == {"x": [1]}


def scores_of(place: int, name: str, *values: float, **more: Any) -> Chart:
    return score_chart(PANELS[place], {name: (list(range(1, len(values) + 1)), values)}, **more)


def test_scores_that_are_all_the_same_do_not_shrink_the_axis_to_nothing() -> None:
    narrow = scores_of(0, "ari_against_ground_truth", 0.9, 0.901)
    low, high = narrow.mark("room").y
    assert (round(low, 4), round(high, 4)) == (0.8005, 1.0005)
    assert BokehCanvas(narrow).figure.yaxis.ticker.min_interval == 0
    assert BokehCanvas(scores_of(2, "cluster_count", 4.0)).figure.yaxis.ticker.min_interval == 1


def test_a_small_change_of_an_error_does_not_fill_the_axis() -> None:
    low, high = scores_of(1, "error_median", 0.3004, 0.3).mark("room").y
    assert high - low > 10 * 0.0004
    assert scores_of(1, "error_median", 0.3004, 0.3, 0.2).mark("room").y == [0.2, 0.3004]


def test_baselines_are_level_lines() -> None:
    canvas = BokehCanvas(scores_of(1, "error_median", 0.4, 0.3))
    assert [item.label.value for item in canvas.legend.items] == ["hidden, median"]  # before a figure is on the screen
    canvas.show(scores_of(1, "error_median", 0.4, 0.3, levels={"best baseline": Level("kNN", 0.5)}))
    level = canvas.sources["best baseline"].data
    assert level == {"x": [1, 2], "y": [0.5, 0.5], "method": ["kNN", "kNN"]}
    assert [item.label.value for item in canvas.legend.items] == ["hidden, median", "best baseline"]


def test_the_levels_are_of_the_best_baseline_of_each_kind(tmp_path: Path) -> None:
    assert baseline_levels(tmp_path) == {}
    write_evaluation(tmp_path)
    best = {BEST_IMPUTATION: Level("soft SVD", 0.2), BEST_CLUSTERING: Level("PCA + Leiden .5", 0.7)}
    assert baseline_levels(tmp_path) == best
    (tmp_path / "evaluation.csv").write_text("method,entries,l1_median\ngene_mean,masked,.9\n")  # it was stopped
    assert baseline_levels(tmp_path) == {BEST_CLUSTERING: best[BEST_CLUSTERING]}


def test_the_names_of_the_baselines_are_all_of_the_engine() -> None:
    assert {*IMPUTATION, "zeros"} == set(engine_baselines.IMPUTATION) | OPTIONAL
    assert set(CLUSTERING) == set(engine_baselines.CLUSTERING)


def write_evaluation(folder: Path) -> None:
    errors = {
        "scgnn2": 0.1,
        "zeros": 0.01,
        "gene_mean": 0.5,
        "gene_median": 0.4,
        "knn": 0.3,
        "soft_svd": 0.2,
        "alra": 0.6,
    }
    rows = [f"{name},masked,{error}\n{name},zero,0.001\n" for name, error in errors.items()]
    (folder / "evaluation.csv").write_text("method,entries,l1_median\n" + "".join(rows) + "magic,masked,\n")
    found = {"scgnn2": 0.8, "pca_kmeans": 0.6, "pca_leiden_0.5": 0.7, "pca_leiden_0.8": 0.5, "pca_leiden_1.0": 0.4}
    rows = [f"{name},{ari}\n" for name, ari in found.items()]
    (folder / "evaluation_clusters.csv").write_text("method,ari\n" + "".join(rows))


def test_the_level_comes_with_the_end_of_the_run_and_goes_with_the_next(
    live: LiveView, jobs: Jobs, tmp_path: Path
) -> None:
    write_evaluation(tmp_path)
    jobs.told["a"] = [iteration(1, error_median=0.3, ari_against_ground_truth=0.5)]
    under_way, done = run("a"), run("a", "done")
    under_way.folder = done.folder = tmp_path
    live.update(under_way)
    first = live.canvases["Imputation error"]
    assert "best baseline" not in first.sources
    live.update(done)
    source = first.sources["best baseline"]
    assert (source.data["y"], source.data["method"]) == ([0.2, 0.2], ["soft SVD", "soft SVD"])
    jobs.told["b"] = [iteration(1, error_median=0.3)]
    live.update(run("b"))
    assert "best baseline" not in live.canvases["Imputation error"].sources
    assert first not in live.canvases.values()  # figures of its own


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def live(jobs: Jobs) -> LiveView:
    return LiveView(Session(), jobs)  # type: ignore[arg-type]


def test_nothing_is_shown_before_there_is_something(live: LiveView) -> None:
    live.update(None)
    assert live._hint.visible
    assert len(live._grid) == 0
    assert live.canvases == {}  # none is made before it is needed
    assert "press Run" in live._log.object


def test_a_run_is_followed_and_another_one_begins_anew(live: LiveView, jobs: Jobs) -> None:
    jobs.told["a"] = [epoch("graph_AE", 0, 1, 4.0)]
    live.update(run("a"))
    jobs.told["a"] += [epoch("graph_AE", 0, 2, 2.0), iteration(1, cluster_count=3.0)]
    live.update(run("a"))
    assert live.history.curves["graph_AE", None, "loss"].y == [4.0, 2.0]
    assert len(live._grid) == 2
    live.update(run("b"))
    assert live.history.curves == {}
    assert len(live._grid) == 0


def test_a_log_that_begins_anew_is_read_anew(live: LiveView, jobs: Jobs) -> None:
    jobs.told["a"] = [epoch("graph_AE", 0, 1, 4.0), epoch("graph_AE", 0, 2, 2.0)]
    live.update(run("a"))
    jobs.told["a"] = [epoch("graph_AE", 0, 1, 8.0)]
    live.update(run("a"))
    assert live.history.curves["graph_AE", None, "loss"].y == [8.0]


def test_a_stage_nobody_foresaw_gets_a_chart(live: LiveView, jobs: Jobs) -> None:
    jobs.told["a"] = [epoch("deconvolution", 1, 1, 4.0)]
    live.update(run("a"))
    assert "deconvolution" in live.canvases
    assert len(live._grid) == 1


def test_a_crash_is_shown_with_its_traceback_as_text(live: LiveView) -> None:
    failed = run("a", "failed")
    failed.reason, failed.traceback = "It was killed.", "Traceback <b>"
    live.update(failed)
    assert (live._failure.visible, live._failure.object) == (True, "It was killed.")
    assert "Traceback &lt;b&gt;" in live._trace.object
    live.update(run("b"))
    assert not live._failure.visible


def test_the_log_cannot_bring_markup(live: LiveView, jobs: Jobs) -> None:
    jobs.told["a"] = [
        {"event": "Notice", "message": "<script>", "level": "warning", "time": "2026-01-31T12:00:00+00:00"}
    ]
    live.update(run("a"))
    assert "Warning: &lt;script&gt;" in live._log.object


def test_another_run_is_laid_beneath_and_taken_away(live: LiveView, jobs: Jobs) -> None:
    jobs.told["b"] = [epoch("graph_AE", 0, 1, 4.0), iteration(1, cluster_count=3.0)]
    live.update(run("a"))
    live.offer([run("b", "done")])
    live._compare.value = next(name for name in live._compare.options if name != NONE)
    beneath = live.canvases["graph_AE"].sources["other"]
    assert list(beneath.data["y"]) == [4.0]
    assert len(live._grid) == 2
    live._compare.value = NONE
    assert list(beneath.data["y"]) == []


# ---------------------------------------------------------------------------------------------------- small maps


def snapshot(n_obs: int, dimensions: int = 3) -> Snapshot:
    rng = np.random.default_rng(0)
    edges = np.array([[0], [n_obs - 1]], dtype=np.int32)
    embedding = rng.normal(size=(n_obs, dimensions)).astype(np.float32)
    return Snapshot(1, np.zeros(n_obs, np.int32), embedding, embedding, edges, np.ones(1, np.float32))


def test_positions_are_the_principal_components() -> None:
    points = positions(np.array([[0, 0, 5], [10, 1, 5], [20, 0, 5]], dtype=np.float32))
    np.testing.assert_allclose(points[:, 0], [0, 0.5, 1], atol=1e-6)


def test_a_map_has_the_colours_of_its_page() -> None:
    seventh = replace(snapshot(3), labels=np.full(3, 7, np.int32))
    for dark in (False, True):
        image = picture(seventh, side=40, dark=dark)
        shown = {f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue, alpha in image.reshape(-1, 4) if alpha == 255}
        assert shown == {cluster_colour(7, dark)}


@pytest.mark.parametrize("n_obs", [1, 2, 50])
@pytest.mark.parametrize("dimensions", [1, 2, 16])
def test_a_map_of_any_size_can_be_drawn(n_obs: int, dimensions: int) -> None:
    image = picture(snapshot(n_obs, dimensions), side=40)
    assert image.shape == (40, 40, 4)
    assert (image[..., 3] == 255).sum() >= 4


def test_it_begins_with_what_was_found_and_what_changes_its_meaning(
    live: LiveView, jobs: Jobs, made_run: Path, wait_until: Any
) -> None:
    assert live._headline.object == ""
    started = {"event": "RunStarted", "n_obs": 1200, "n_vars": 6, "n_iterations": 2, "time": ""}
    warned = [{"event": "Notice", "level": "warning", "message": f"Look {i % 4} <here>.", "time": ""} for i in range(8)]
    jobs.told["a"] = [started, *warned, iteration(1, cluster_count=2.0), iteration(2, cluster_count=3.0)]
    live.update(run())
    assert live._headline.object == '<div role="status">1,200 cells × 6 genes. Iteration 2: 3 clusters.</div>'
    assert live._warnings.object.count("Look") == 3
    assert live._warnings.object.endswith("and 1 more in the log below")
    assert "<here>" not in live._warnings.object
    jobs.told["a"].append({"event": "RunEnded", "reason": "total_epoch", "selected_iteration": 1, "time": ""})
    done = run("a", "done")
    done.folder = made_run
    live.update(done)
    wait_until(lambda: "any good" in live._headline.object)
    assert "Iteration 1, returned: 2 clusters." in live._headline.object
    assert re.search(r"Is it any good\? .*\d poor \(.+\)\. What that means", live._headline.object)
    live.update(run("b"))
    assert live._headline.object == ""
    assert not live._warnings.visible

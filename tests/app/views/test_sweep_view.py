"""The Sweep tab: what is asked for becomes a sweep, and what came of it is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scgnn2_app.controls.form import ParameterForm
from scgnn2_app.session import Session
from scgnn2_app.sources.source import Source
from scgnn2_app.sweeps.records import Sweep, SweepInfo, Trial
from scgnn2_app.sweeps.search_space import Axis
from scgnn2_app.views.sweep import NONE, SweepView
from scgnn2_app.views.sweep_axis import BY_DECADES, AxisField
from scgnn2_app.views.sweep_charts import state_of, table_of
from scgnn2_engine import RunParams
from scgnn2_engine.errors import ParameterError

AXES = (Axis.parse("clustering_resolution=0.1:1.0"),)
TRIALS = (
    Trial(0, {"clustering_resolution": 0.5}, "done", 0.3, "run-0", seconds=61),
    Trial(1, {"clustering_resolution": 0.2}, "done", 0.2, "run-1", seconds=2),
    Trial(2, {"clustering_resolution": 0.9}, "failed", reason="no memory"),
)


class Sweeps:
    """Notes what it is asked; shows the sweeps it is given."""

    def __init__(self) -> None:
        self.shown: list[SweepInfo] = []
        self.asked: list[tuple[Any, ...]] = []

    def sweeps(self, owner: Any = None) -> list[SweepInfo]:
        return self.shown

    def sweep(self, sweep_id: str) -> SweepInfo:
        return next(info for info in self.shown if info.id == sweep_id)

    def start(self, source: Source, params: RunParams, axes: list[Axis], **options: Any) -> str:
        self.asked.append(("start", source, params, axes, options))
        self.shown = [info_of("new", source=source, trials=())]
        return "new"

    def stop(self, sweep_id: str) -> None:
        self.asked.append(("stop", sweep_id))

    def resume(self, sweep_id: str) -> None:
        self.asked.append(("resume", sweep_id))

    def delete(self, sweep_id: str, *, runs: bool) -> None:
        self.asked.append(("delete", sweep_id, runs))
        self.shown = []

    def importances(self, sweep_id: str) -> tuple[dict[str, float], str]:
        return {}, "two trials say little"

    def params_of(self, sweep_id: str, trial: Trial) -> RunParams:
        return RunParams(clustering_resolution=trial.values["clustering_resolution"])


def info_of(sweep_id: str, *, source: Source, trials: tuple[Trial, ...] = TRIALS, state: Any = "running") -> SweepInfo:
    sweep = Sweep(source, {}, AXES, datetime(2026, 11, 24, tzinfo=UTC), n_trials=3)
    best = min((trial for trial in trials if trial.score is not None), key=lambda trial: trial.score or 0, default=None)
    return SweepInfo(sweep_id, sweep, state, Path("/nowhere"), "", 63.0, trials, best)


@pytest.fixture
def sweeps() -> Sweeps:
    return Sweeps()


@pytest.fixture
def loaded() -> list[RunParams]:
    return []


@pytest.fixture
def view(sweeps: Sweeps, tiny_source: Source, loaded: list[RunParams]) -> SweepView:
    context: Any = SimpleNamespace(sweeps=sweeps, owner=None, user="me")
    return SweepView(Session(), context, ParameterForm(), SimpleNamespace(source=tiny_source), loaded.append)  # type: ignore[arg-type]


def press(button: Any) -> None:
    button.clicks += 1


def test_without_a_sweep_nothing_can_be_stopped_or_taken(view: SweepView) -> None:
    assert view.sweep_id == ""
    assert view.chosen.options == [NONE]
    assert all(button.disabled for button in (view.stop, view.resume, view.best, view.show_best))


def test_what_stands_in_the_fields_is_what_is_asked_for(view: SweepView, sweeps: Sweeps, tiny_source: Source) -> None:
    view.keys.value = ["clustering_resolution"]
    field = view._ranges["clustering_resolution"]
    field.low.value, field.high.value = "0.1", "0.9"
    view.strategy.value, view.score.value, view.trials.value, view.minutes.value = "random", "seconds", 7, 2.0
    view.called.value = " mine "
    press(view.start)
    ((_, source, params, axes, options),) = sweeps.asked
    assert (source, params) == (tiny_source, RunParams())
    assert [axis.text for axis in axes] == [Axis.parse("clustering_resolution=0.1:0.9").text]
    assert options == {
        "strategy": "random",
        "score": "seconds",
        "n_trials": 7,
        "seconds": 120.0,
        "name": "mine",
        "owner": "me",
    }
    assert view.sweep_id == "new"
    assert "begun" in view._session.notice


@pytest.mark.parametrize(
    ("answer", "asked"), [("The sweep and its runs", [True]), ("The sweep alone", [False]), ("Keep", [])]
)
def test_a_sweep_is_deleted_once_that_is_confirmed(
    view: SweepView, sweeps: Sweeps, tiny_source: Source, answer: str, asked: list[bool]
) -> None:
    sweeps.shown = [info_of("old", source=tiny_source, state="done")]
    view.update()
    press(view.delete)
    assert view._sure.is_open
    assert sweeps.asked == []
    press(view._sure.answers[answer])
    assert not view._sure.is_open
    assert sweeps.asked == [("delete", "old", runs) for runs in asked]
    assert (view.sweep_id == "") == bool(asked)


def test_a_range_that_is_none_is_said_and_nothing_begins(view: SweepView, sweeps: Sweeps) -> None:
    view._ranges["clustering_resolution"].low.value = "much"
    press(view.start)
    assert view._session.notice_level == "error"
    view.keys.value = []
    press(view.start)
    assert "Nothing is varied" in view._session.notice
    with pytest.raises(ParameterError):
        view.axes()
    assert sweeps.asked == []


def test_the_trials_of_a_grid_are_its_points(view: SweepView) -> None:
    view.strategy.value = "grid"
    assert view.trials.disabled


def test_a_sweep_under_way_shows_its_trials_and_its_best(
    view: SweepView, sweeps: Sweeps, tiny_source: Source, loaded: list[RunParams]
) -> None:
    sweeps.shown = [info_of("a", source=tiny_source)]
    view.update()
    assert "2 of 3 trials" in view._state.object
    assert view.chosen.value == "sweep a (running), TPE over Clustering resolution"
    assert "best held-out error 0.2 in trial 2" in view._state.object
    assert (view.stop.disabled, view.best.disabled) == (False, False)
    assert view._table.visible
    assert len(view._charts) == 3  # history, why there are no importances, one slice
    press(view.best)
    assert loaded == [RunParams(clustering_resolution=0.2)]
    press(view.show_best)
    assert view._session.run_id == "run-1"
    press(view.stop)
    assert sweeps.asked == [("stop", "a")]


def test_what_has_not_changed_is_not_drawn_again(view: SweepView, sweeps: Sweeps, tiny_source: Source) -> None:
    sweeps.shown = [info_of("a", source=tiny_source)]
    view.update()
    before = list(view._charts)
    view.update()
    assert list(view._charts) == before
    view._session.dark = True
    assert list(view._charts) != before


def test_the_table_has_the_newest_trial_first(tiny_source: Source) -> None:
    table = table_of(info_of("a", source=tiny_source))
    assert table["trial"].tolist() == [3, 2, 1]
    assert table["took"].tolist()[2] == "1 min 1 s"
    assert table["why"].tolist()[0] == "no memory"
    assert list(table)[:4] == ["trial", "state", "held-out error", "Clustering resolution"]


def test_menus_speak_in_words(view: SweepView) -> None:
    assert view.score.options["held-out error (smaller is better)"] == "validation_error"
    assert view.keys.options["Clustering resolution"] == "clustering_resolution"
    for words in (*view.score.options, *view.keys.options):
        assert "_" not in words


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("clustering_resolution", "clustering_resolution=0.01:3"),
        ("graph_AE_learning_rate", "graph_AE_learning_rate=1e-05:0.1:log"),
        ("graph_AE_pair_samples", "graph_AE_pair_samples=0:1e+06"),
        ("graph_AE_use_GAT", "graph_AE_use_GAT=False,True"),
        ("clustering_embed", "clustering_embed=graph,feature,both,expression"),
        ("feature_AE_epoch", "feature_AE_epoch=500 300"),
    ],
)
def test_a_field_offers_what_is_usual(key: str, text: str) -> None:
    assert AxisField(key, [500, 300]).axis().text == text


def test_a_field_takes_ranges_and_single_values() -> None:
    field = AxisField("graph_AE_embedding_size", 16)
    field.low.value, field.high.value, field.spread.value = "8", "64", BY_DECADES
    assert field.axis() == Axis.parse("graph_AE_embedding_size=8:64:log")
    field.values.value = "8, 16, 32"
    assert field.axis().choices == (8, 16, 32)
    switch = AxisField("graph_AE_use_GAT", value=False)
    assert list(switch.choices.options) == ["off", "on"]
    switch.choices.value = []
    with pytest.raises(ParameterError, match="nothing to choose"):
        switch.axis()


def test_the_chosen_sweep_stays_when_another_comes(view: SweepView, sweeps: Sweeps, tiny_source: Source) -> None:
    sweeps.shown = [info_of("a", source=tiny_source)]
    view.update()
    sweeps.shown = [info_of("b", source=tiny_source), *sweeps.shown]
    view.update()
    assert view.sweep_id == "a"


def test_scores_that_are_all_the_same_are_said(tiny_source: Source) -> None:
    trials = tuple(Trial(n, {"clustering_resolution": 0.1 * n}, "done", 0.25) for n in range(3))
    assert "All scores are the same" in state_of(info_of("s", source=tiny_source, trials=trials))
    assert "the same" not in state_of(info_of("s", source=tiny_source, trials=trials[:2]))
    assert "the same" not in state_of(info_of("s", source=tiny_source))

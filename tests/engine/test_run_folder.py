"""A run and its folder: events on disk as they come, results whole, nothing that looks alive when it is not."""

from __future__ import annotations

import json

import pytest

import scgnn2_engine.iteration as iteration
import scgnn2_engine.run_folder as run_folder
from scgnn2_engine import RunParams, iterate_to_folder, simulate
from scgnn2_engine.errors import InputError, OutputError, ParameterError, TrainingError
from scgnn2_engine.events import IterationEnded, Notice, RunEnded, StageStarted
from scgnn2_engine.io import claim_directory
from scgnn2_engine.plots import files

QUICK = {
    "total_epoch": 2,
    "feature_AE_epoch": [4, 3],
    "cluster_AE_epoch": 3,
    "graph_AE_epoch": 3,
    "device": "cpu",
    "ari_threshold": 1.0,
    "graph_change_threshold": 0.0,
    "run_LTMG": False,
    "output_figures": False,
}


@pytest.fixture(scope="module")
def data():
    return simulate(n_obs=50, n_vars=40, n_types=2, mean_count=2.0, seed=3)


def params(folder, **values):
    return RunParams(**{**QUICK, "output_dir": str(folder), **values})


def logged(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_events_are_on_disk_when_they_are_seen(data, tmp_path):
    for number, event in enumerate(iterate_to_folder(data, params(tmp_path)), start=1):
        lines = logged(tmp_path)
        assert len(lines) == number
        assert lines[-1]["event"] == type(event).__name__
    assert isinstance(event, RunEnded)
    assert (tmp_path / "run.json").is_file()
    assert [line["iteration"] for line in lines if line["event"] == "IterationEnded"] == [1, 2]


def test_intermediate_states_are_written_as_they_come(data, tmp_path):
    for event in iterate_to_folder(data, params(tmp_path, output_intermediate=True)):
        if isinstance(event, IterationEnded):
            assert (tmp_path / "intermediate" / f"iteration_{event.iteration}" / "imputed.csv").is_file()


def test_a_run_that_fails_says_so_in_its_log(data, tmp_path, monkeypatch):
    def breaking(*_, **__):
        raise TrainingError("The loss became NaN.", stage="feature_AE", iteration=0, epoch=1)
        yield

    monkeypatch.setattr(iteration, "iterate_denoising", breaking)
    with pytest.raises(TrainingError):
        list(iterate_to_folder(data, params(tmp_path)))
    assert logged(tmp_path)[-1]["event"] == "RunFailed"
    assert "NaN" in logged(tmp_path)[-1]["message"]


def test_a_run_that_is_abandoned_says_so_in_its_log(data, tmp_path):
    steps = iterate_to_folder(data, params(tmp_path))
    for _ in range(8):
        next(steps)
    steps.close()
    assert logged(tmp_path)[-1]["event"] == "RunFailed"


def test_a_figure_never_costs_the_result(data, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ValueError("no such colour")

    monkeypatch.setattr(run_folder, "draw_figures", broken)
    monkeypatch.setattr(run_folder, "umap_positions", broken)
    events = list(iterate_to_folder(data, params(tmp_path, output_figures=True)))
    warnings = [event.message for event in events if isinstance(event, Notice) and event.level == "warning"]
    assert sum("no such colour" in message for message in warnings) == 2
    assert (tmp_path / "imputed.csv").is_file()
    assert isinstance(events[-1], RunEnded)


@pytest.mark.parametrize("drawn", [0, 1])
def test_after_a_stop_no_more_figures_are_drawn(data, tmp_path, monkeypatch, drawn):
    saved = []
    monkeypatch.setattr(files, "save_both", lambda element, stem: saved.append(stem) or [stem])
    monkeypatch.setattr(run_folder, "umap_positions", lambda embedding, seed: embedding[:, :2])
    figures = params(tmp_path, output_figures=True, evaluate_baselines=False)
    started = []
    stop = lambda: bool(started) and len(saved) >= drawn  # noqa: E731
    events = []
    for event in iterate_to_folder(data, figures, stop=stop):
        events.append(event)
        started += [True] if isinstance(event, StageStarted) and event.stage == "output" else []
    assert len(saved) == drawn
    assert any(isinstance(event, Notice) and event.message == run_folder.FIGURES_LEFT_OUT for event in events)
    assert (tmp_path / "result.h5ad").is_file()
    assert events[-1].reason == "total_epoch"


def test_too_small_a_disk_is_refused_before_training(data, tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "expected_size", lambda *_, **__: 10**18)
    with pytest.raises(OutputError, match="too little room"):
        list(iterate_to_folder(data, params(tmp_path)))
    assert not any(line["event"] == "EpochEnded" for line in logged(tmp_path))


def test_a_second_run_needs_leave_to_overwrite(data, tmp_path):
    list(iterate_to_folder(data, params(tmp_path)))
    with pytest.raises(OutputError, match="overwrite"):
        next(iterate_to_folder(data, params(tmp_path)))
    list(iterate_to_folder(data, params(tmp_path, seed=9), overwrite=True))
    assert json.loads((tmp_path / "run.json").read_text())["seed"] == 9


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="taken"):
        claim_directory(tmp_path / "taken")


def test_a_reader_that_leaves_at_the_end_leaves_a_finished_run(data, tmp_path):
    steps = iterate_to_folder(data, params(tmp_path))
    for event in steps:
        if isinstance(event, RunEnded):
            break
    steps.close()
    assert logged(tmp_path)[-1]["event"] == "RunEnded"


def test_unusable_input_leaves_an_earlier_result_as_it_was(data, tmp_path):
    values = {"output_intermediate": True}
    list(iterate_to_folder(data, params(tmp_path, **values)))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError):
        list(iterate_to_folder(tmp_path / "missing.csv", params(tmp_path, **values), overwrite=True))
    bad = params(tmp_path, graph_AE_neighborhood_factor=500, graph_AE_neighborhood_max=0)
    with pytest.raises(ParameterError):
        list(iterate_to_folder(data, bad, overwrite=True))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_run_that_came_to_nothing_needs_no_leave_to_overwrite(data, tmp_path):
    with pytest.raises(InputError):
        list(iterate_to_folder(tmp_path / "missing.csv", params(tmp_path)))
    assert logged(tmp_path)[-1]["event"] == "RunFailed"
    list(iterate_to_folder(data, params(tmp_path)))
    assert not any(line["event"] == "RunFailed" for line in logged(tmp_path))

"""A run and its folder: events on disk as they come, results whole, nothing that looks alive when it is not."""

from __future__ import annotations

import json
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest

import scgnn2_engine.methods.denoising.method as denoising
import scgnn2_engine.run.folder as run_folder
from scgnn2_engine import RunParams, iterate_to_folder, simulate
from scgnn2_engine.cli import main
from scgnn2_engine.errors import InputError, OutputError, ParameterError, TrainingError
from scgnn2_engine.events import EpochEnded, IterationEnded, Notice, RunEnded, StageStarted
from scgnn2_engine.io import claim_directory, export
from scgnn2_engine.io.results import writing as results
from scgnn2_engine.plots import saving

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

UNSCORED = {"evaluate_baselines": False, "evaluate_diagnostics": False}


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

    monkeypatch.setattr(denoising, "iterate_denoising", breaking)
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
    monkeypatch.setattr(saving, "save_both", lambda element, stem: saved.append(stem) or [stem])
    monkeypatch.setattr(run_folder, "umap_positions", lambda embedding, seed: embedding[:, :2])
    figures = params(tmp_path, output_figures=True, evaluate_baselines=False)
    started = []
    stop = lambda: bool(started) and len(saved) >= drawn  # noqa: E731
    events = []
    for event in iterate_to_folder(data, figures, stop=stop):
        events.append(event)
        started += [True] if isinstance(event, StageStarted) and event.stage == "output" else []
    assert len(saved) == drawn
    assert any(isinstance(event, Notice) and event.code == "figures_left_out" for event in events)
    assert (tmp_path / "result.h5ad").is_file()
    assert events[-1].reason == "total_epoch"


def test_what_the_result_will_not_hold_is_said_before_training(tmp_path):
    counts = np.random.default_rng(0).poisson(3, (40, 60)).astype(np.float32)
    cells = [f"cell_{number}" for number in range(40)]
    obs = pd.DataFrame({"day": pd.to_datetime(["2024-01-02"] * 40)}, index=cells)
    adata = anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=[f"GENE{number}" for number in range(60)]))
    adata.obsm["records"] = np.array([(1, object())] * 40, dtype=[("x", int), ("y", object)])
    adata.obsm["words"] = pd.DataFrame({"word": ["a"] * 40}, index=cells)
    events = list(iterate_to_folder(adata, params(tmp_path, output_seurat=True, **UNSCORED)))
    trained = next(number for number, event in enumerate(events) if isinstance(event, EpochEnded))
    said = [event.message for event in events[:trained] if isinstance(event, Notice)]
    assert "Changed in result.h5ad: the kind of obs['day'] (dates, now text)." in said
    refused = [message for message in said if message.startswith("Not in result.h5ad: obsm['records'] (")]
    assert len(refused) == 1
    assert "Not in seurat.rds: obsm records, obsm words." in said
    assert not list(tmp_path.glob(".scgnn2-writing-*"))
    assert events[-1].not_written == {}
    back = anndata.read_h5ad(tmp_path / "result.h5ad")
    assert set(back.obs["day"]) == {"2024-01-02"}
    assert "records" not in back.obsm
    assert [notice["message"] for notice in json.loads((tmp_path / "run.json").read_text())["notices"]].count(
        said[said.index(refused[0])]
    ) == 0  # said by the folder, not by the run; events.jsonl has both
    assert refused[0] in [line.get("code") for line in logged(tmp_path)]


def test_repeated_cells_with_tables_beside_them_are_all_in_the_result(tmp_path):
    counts = np.random.default_rng(0).poisson(3, (30, 40)).astype(np.float32)
    names = pd.Index([f"AAC{number % 15}-1" for number in range(30)], dtype="string")
    genes = pd.DataFrame({"ids": [f"ENSG{n}" for n in range(40)]}, index=[f"G{n}" for n in range(40)], dtype="string")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = anndata.AnnData(counts, obs=pd.DataFrame(index=names), var=genes)
        adata.obsm["protein"] = pd.DataFrame({"CD3": np.arange(30)}, index=adata.obs_names)
    list(iterate_to_folder(adata, params(tmp_path, **UNSCORED)))
    back = anndata.read_h5ad(tmp_path / "result.h5ad")
    assert back.n_obs == 30
    assert back.obs_names.is_unique
    kept = back.obs_names.str.match(r"AAC3-1")
    assert back.obsm["protein"]["CD3"][kept].tolist() == [3, 18]
    assert back.var["ids"].tolist() == [f"ENSG{name[1:]}" for name in back.var_names]


@pytest.mark.parametrize("broken", ["write_h5ad", "_write_seurat"])
def test_a_writer_that_fails_at_the_end_costs_its_file_alone(broken, data, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("no such kind")

    monkeypatch.setattr(results, broken, fail)
    (tmp_path / "in").mkdir()
    export(data, tmp_path / "in" / "data.csv")
    values = {**QUICK, "total_epoch": 1}
    flags = [f"--{name}={value}" for name, value in values.items() if not isinstance(value, bool | list)]
    flags += [f"--no-{name}" for name in ("run_LTMG", "output_figures", *UNSCORED)]
    flags += ["--feature_AE_epoch", "4", "3", "--output_seurat", "--output_dir", str(tmp_path / "out")]
    assert main(["run", str(tmp_path / "in" / "data.csv"), *flags]) == 8
    missing = {"write_h5ad": "result.h5ad", "_write_seurat": "seurat.rds"}[broken]
    assert f"scgnn2: Not written: {missing} (no such kind)." in capsys.readouterr().err
    there = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"imputed.csv", "labels.csv", "result.h5ad", "seurat.rds", "run.json"} - there == {missing}
    assert json.loads((tmp_path / "out" / "run.json").read_text())["not_written"] == {missing: "no such kind"}
    ended = logged(tmp_path / "out")[-1]
    assert (ended["event"], ended["not_written"]) == ("RunEnded", {missing: "no such kind"})


def test_one_figure_that_cannot_be_drawn_is_named_and_the_others_are_there(data, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ValueError("no such colour")

    monkeypatch.setattr(saving, "error_heatmap", fail)
    figures = params(tmp_path, output_figures=True, **UNSCORED)
    ended = list(iterate_to_folder(data, figures))[-1]
    assert ended.not_written == {"figures/heatmap": "no such colour"}
    assert {"graph.html", "curves.png"} <= {path.name for path in (tmp_path / "figures").iterdir()}
    assert json.loads((tmp_path / "run.json").read_text())["not_written"] == ended.not_written


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

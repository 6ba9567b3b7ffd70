"""The whole command: what is computed, what is not computed again, and what becomes of failures."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil
import pytest

from scgnn2_engine import benchmark
from scgnn2_engine.benchmark import Question, choose_methods, compute, find_data_sets, plan, running
from scgnn2_engine.benchmark.methods import run_params
from scgnn2_engine.benchmark.scores import MaskedScores
from scgnn2_engine.cli import main
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.data.simulation import simulate
from scgnn2_engine.params import RunParams

BASELINES = ["--methods", "gene_mean,knn,pca_kmeans,pca_leiden_0.8,no_denoising", "--set", "threads=1"]
SHORT = {"total_epoch": 1, "feature_AE_epoch": [3, 3], "graph_AE_epoch": 3, "cluster_AE_epoch": 3, "device": "cpu"}


def cells(folder: Path) -> dict[str, dict]:
    return {path.name: json.loads(path.read_text()) for path in sorted((folder / "cells").glob("*.json"))}


def numbers(folder: Path) -> dict[tuple[str, str, str], float]:
    """Every score by file, output and name; NaN where it is not defined."""
    return {
        (name, output, metric): float("nan") if value is None else value
        for name, cell in cells(folder).items()
        for output, scores in cell["scores"].items()
        for metric, value in scores.items()
    }


def question(folder: Path, methods: list[str], **more) -> Question:
    chosen, _ = choose_methods(methods, settings=SHORT)
    return Question(find_data_sets([folder], ["first"])[0], chosen, more.pop("seeds", [0]), n_threads=1, **more)


@pytest.fixture(scope="module")
def done(data_folder, tmp_path_factory):
    """The baselines on both data sets with two seeds."""
    folder = tmp_path_factory.mktemp("benchmark")
    assert main(["benchmark", str(data_folder), "--output", str(folder), "--seeds", "0-1", *BASELINES]) == 0
    return folder


def test_every_cell_has_its_file_and_says_where_it_comes_from(done):
    found = cells(done)
    assert len(found) == 2 * 2 * 7
    assert not [cell for cell in found.values() if "error" in cell]
    cell = next(cell for cell in found.values() if cell["method"] == "knn" and cell["protocol"] == "mask")
    assert cell["scores"]["imputed"]["masked_l1_median"] > 0
    assert cell["seconds"] > 0
    assert cell["peak_memory"] > 2**20
    assert cell["machine"]["cores"] >= 1
    assert cell["machine"]["cpu"]
    assert (cell["machine"]["threads"], cell["versions"]["scgnn2"]) == (1, version("scgnn2"))
    assert cell["parameters"]["dropout_prob"] == 0.1


def test_kmeans_needs_types_and_leiden_does_not(done):
    of_second = [cell for cell in cells(done).values() if cell["data_set"] == "second"]
    kmeans = [cell for cell in of_second if cell["method"] == "pca_kmeans"]
    assert all("no labels" in cell["skipped"] for cell in kmeans)
    leiden = next(cell for cell in of_second if cell["method"] == "pca_leiden_0.8")
    assert leiden["scores"]["clusters"]["ari"] is None
    assert leiden["scores"]["clusters"]["n_clusters"] >= 1
    first = next(cell for cell in cells(done).values() if cell["method"] == "pca_kmeans" and "skipped" not in cell)
    assert first["scores"]["clusters"]["n_clusters"] == 3
    assert first["scores"]["clusters"]["ari"] > 0.5


def test_what_is_there_is_not_computed_again(done, data_folder, capsys, monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a cell was computed again")

    before = {path: path.stat().st_mtime_ns for path in (done / "cells").iterdir()}
    for name in ("impute_baseline", "denoise_baseline", "cluster_baseline"):
        monkeypatch.setattr(running, name, never)
    assert main(["benchmark", str(data_folder), "--output", str(done), "--seeds", "0-1", *BASELINES]) == 0
    assert "28 cells, 28 of them there already." in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (done / "cells").iterdir()} == before


def test_changed_parameters_are_computed_anew(done, data_folder):
    q = question(data_folder, ["knn"])
    chosen, _ = choose_methods(["knn"], settings={"preprocess_top_gene_select": 20})
    changed = Question(q.data_sets, chosen, [0])
    assert plan(question(data_folder, ["knn"]), done).n_missing == 0
    assert plan(changed, done).n_missing == 2
    faster, _ = choose_methods(["knn"], settings={"threads": 2})
    assert plan(Question(q.data_sets, faster, [0]), done).n_missing == 0


def test_a_cell_that_fails_is_recorded_and_does_not_stop_the_rest(data_folder, tmp_path, monkeypatch, capsys):
    right = running.impute_baseline

    def failing(name, *rest, **more):
        if name == "gene_mean":
            raise ValueError("no mean today")
        return right(name, *rest, **more)

    monkeypatch.setattr(running, "impute_baseline", failing)
    arguments = ["benchmark", str(data_folder), "--output", str(tmp_path), "--datasets", "first", "--seeds", "0"]
    arguments += ["--methods", "gene_mean,knn", "--scores", "mask"]
    assert main(arguments) == 1
    failed, fine = cells(tmp_path).values()
    assert (failed["method"], failed["error"], failed["scores"]) == ("gene_mean", "ValueError: no mean today", {})
    assert fine["scores"]["imputed"]["masked_l1_median"] > 0
    assert "1 of 2 cells failed" in capsys.readouterr().out
    assert "- first (mask; gene_mean; seed 0): ValueError: no mean today." in (tmp_path / "benchmark.md").read_text()

    monkeypatch.setattr(running, "impute_baseline", right)
    assert main(arguments) == 0  # it stays as it is: what fails once fails again, most often
    assert "2 cells, 2 of them there already." in capsys.readouterr().out
    assert main([*arguments, "--again", "failed"]) == 0
    assert not [cell for cell in cells(tmp_path).values() if "error" in cell]


def test_the_report_shows_what_was_asked_for_last(data_folder, tmp_path, capsys):
    arguments = ["benchmark", str(data_folder), "--output", str(tmp_path), "--datasets", "first"]
    arguments += ["--seeds", "0", "--methods", "gene_mean,knn", "--scores", "mask"]

    def report(*more):
        assert main([*arguments, *more]) == 0
        return (tmp_path / "scores.csv").read_text(), capsys.readouterr().out

    first, _ = report()
    other, _ = report("--set", "dropout_prob=0.5")
    assert other != first
    again, printed = report()
    assert "2 cells, 2 of them there already." in printed
    assert again == first
    assert "2 cells of other parameters or data than those shown are left out." in printed
    assert "older than" not in printed
    assert main(["benchmark", "--report", str(tmp_path)]) == 0  # nothing is asked for, so the newest are shown
    assert (tmp_path / "scores.csv").read_text() == other


def test_data_sets_of_one_name_from_two_folders_do_not_mix(data_folder, tmp_path):
    arguments = ["--output", str(tmp_path / "out"), "--datasets", "first", "--seeds", "0", "--scores", "mask"]
    shutil.copytree(data_folder / "second", tmp_path / "other" / "first")
    assert main(["benchmark", str(data_folder), *arguments, "--methods", "gene_mean,knn"]) == 0
    assert main(["benchmark", str(tmp_path / "other"), *arguments, "--methods", "knn"]) == 0
    assert len(cells(tmp_path / "out")) == 3
    assert set(pd.read_csv(tmp_path / "out" / "scores.csv")["method"]) == {"knn"}
    assert "2 cells of other parameters or data" in (tmp_path / "out" / "benchmark.md").read_text()


def test_a_data_set_of_any_name_is_computed_and_reported(data_folder, tmp_path):
    name = "." + "a|b*" * 50
    shutil.copytree(data_folder / "first", tmp_path / name)
    arguments = ["benchmark", str(tmp_path / name), "--output", str(tmp_path / "out"), "--seeds", "0"]
    arguments += ["--methods", "knn", "--scores", "mask"]
    assert main(arguments) == 0
    assert [cell["data_set"] for cell in cells(tmp_path / "out").values()] == [name]
    assert name.replace("|", "\\|") in (tmp_path / "out" / "benchmark.md").read_text()
    assert (
        plan(
            Question(find_data_sets([tmp_path / name])[0], choose_methods(["knn"])[0], [0], ["mask"]), tmp_path / "out"
        ).n_missing
        == 0
    )


def test_what_is_left_out_stands_in_the_report_and_once_on_the_terminal(data_folder, tmp_path, capsys, monkeypatch):
    choose = benchmark.choose_methods

    def without_magic(names, **more):
        return choose(["knn"], **more)[0], ("magic is left out: it is not installed.",)

    monkeypatch.setattr(benchmark, "choose_methods", without_magic)
    arguments = ["benchmark", str(data_folder), "--output", str(tmp_path), "--datasets", "first", "--seeds", "0"]
    assert main([*arguments, "--scores", "mask"]) == 0
    assert "- magic is left out: it is not installed.\n" in (tmp_path / "benchmark.md").read_text()
    assert capsys.readouterr().out.count("magic is left out") == 1


def test_a_variant_that_would_write_elsewhere_is_refused_before_anything_is_computed(data_folder, tmp_path, capsys):
    (tmp_path / "variants.toml").write_text('["../../esc"]\npreset = "default"\n')
    arguments = ["benchmark", str(data_folder / "first"), "--output", str(tmp_path / "out"), "--methods", "knn"]
    arguments += ["--seeds", "0", "--scores", "mask", "--set", "total_epoch=1", "feature_AE_epoch=3,3"]
    assert main([*arguments, "--variants", str(tmp_path / "variants.toml")]) == 2
    assert "A variant cannot be called '../../esc'. Expected: at most 80 letters" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["variants.toml"]


def test_ctrl_c_leaves_what_is_done(data_folder, tmp_path, monkeypatch, capsys):
    right = running.impute_baseline

    def interrupted(name, *rest, **more):
        if name == "knn":
            raise KeyboardInterrupt
        return right(name, *rest, **more)

    monkeypatch.setattr(running, "impute_baseline", interrupted)
    arguments = ["benchmark", str(data_folder), "--output", str(tmp_path), "--datasets", "first", "--seeds", "0"]
    assert main([*arguments, "--methods", "gene_mean,knn", "--scores", "mask"]) == 130
    assert [cell["method"] for cell in cells(tmp_path).values()] == ["gene_mean"]
    assert "gene_mean" in (tmp_path / "benchmark.md").read_text()
    assert "goes on from here" in capsys.readouterr().out
    # Nothing of what is asked for now is there yet, so there is nothing to report.
    assert main([*arguments, "--methods", "knn", "--scores", "mask"]) == 130
    assert "benchmark.md" not in capsys.readouterr().out


def test_processes_give_what_one_process_gives_and_one_that_dies_costs_its_own_cells(done, data_folder, tmp_path):
    """Two workers: one gets a run that would take hours, the other all the baselines; then the first is killed."""
    data_sets, _ = find_data_sets([data_folder])
    names = ["gene_mean", "knn", "pca_kmeans", "pca_leiden_0.8", "no_denoising"]
    long, _ = choose_methods(["paper"], settings={"feature_AE_epoch": [1_000_000, 1], "device": "cpu"})
    baselines, _ = choose_methods(names)
    endless = plan(Question(data_sets[:1], long, [0], ["mask"], n_threads=1), tmp_path)
    others = plan(Question(data_sets, baselines, [0, 1], n_processes=2, n_threads=1), tmp_path)
    told = []
    for cell, record in compute([*endless.tasks, *others.tasks], tmp_path, n_processes=2):
        told.append((cell.method, record.get("error", "")))
        if len(told) == others.n_missing:
            for child in psutil.Process().children():
                with suppress(psutil.NoSuchProcess):  # one that has ended meanwhile, a zombie included
                    if "spawn_main" in " ".join(child.cmdline()):
                        child.kill()
    assert told[-1][0] == "paper"
    assert "SIGKILL" in told[-1][1]
    assert {error for _, error in told[:-1]} == {""}
    found = cells(tmp_path)
    (lost,) = (name for name, cell in found.items() if cell["method"] == "paper")
    assert found[lost]["error"] == told[-1][1]
    there = {key: value for key, value in numbers(tmp_path).items() if key[0] != lost}
    assert there.keys() == numbers(done).keys()
    # Memory that starts elsewhere may round differently in the last digit.
    assert there == pytest.approx(numbers(done), rel=1e-4, abs=1e-6, nan_ok=True)


def test_a_run_answers_imputation_and_clusters_and_sees_the_same_entries(data_folder, tmp_path):
    q = question(data_folder, ["default", "gene_mean"])
    assert [(task.hides, len(task.methods)) for task in plan(q, tmp_path).tasks] == [
        ("mask", 1),
        ("mask", 1),
        ("thinning", 1),
        ("thinning", 1),
    ]
    records = {(c.method, c.protocol): record for c, record in compute(plan(q, tmp_path).tasks, tmp_path)}
    assert not [record["error"] for record in records.values() if "error" in record]
    assert records.keys() == {
        *(("default", protocol) for protocol in ("mask", "clusters", "thinning")),
        *(("gene_mean", protocol) for protocol in ("mask", "thinning")),
    }
    for protocol in ("mask", "thinning"):
        assert records["default", protocol]["entries"] == records["gene_mean", protocol]["entries"]
    assert records["default", "mask"]["seconds"] == records["default", "clusters"]["seconds"]
    assert records["default", "mask"]["scores"]["imputed"]["masked_l1_median"] > 0
    assert len(records["default", "clusters"]["labels"]) == records["default", "clusters"]["n_obs"]
    assert np.isfinite(records["default", "thinning"]["scores"]["imputed"]["poisson_scaled"])


def test_every_output_of_a_run_is_scored_and_the_better_suited_one_is_chosen(data_folder, tmp_path, monkeypatch):
    def two_outputs(data, params):
        prepared = prepare(data, params.replace(run_LTMG=False))
        logged = np.log1p(prepared.expression.toarray())
        rate = np.tile(np.log1p(np.expm1(logged).mean(axis=0)), (prepared.n_obs, 1))
        return SimpleNamespace(
            imputed=logged,
            outputs={"rate": rate},
            labels=np.zeros(prepared.n_obs, dtype=np.int32),
            prepared=prepared,
            selected_iteration=1,
            metrics=[1],
            record={"stopped_by": "total_epoch"},
        )

    monkeypatch.setattr(running, "fit", two_outputs)
    q = question(data_folder, ["default", "gene_mean", "no_denoising"])
    records = {(c.method, c.protocol): record for c, record in compute(plan(q, tmp_path).tasks, tmp_path)}
    thinned = records["default", "thinning"]
    assert {name for name, output in thinned["scored"].items() if output == "imputed"} == {"mse_op"}
    assert set(thinned["scored"].values()) == {"imputed", "rate"}
    alike = records["no_denoising", "thinning"]["scores"]["imputed"]
    assert thinned["scores"]["imputed"] == pytest.approx(alike, rel=1e-5, abs=1e-6)
    assert thinned["scores"]["rate"]["poisson_scaled"] != pytest.approx(alike["poisson_scaled"], rel=1e-3)
    masked = records["default", "mask"]
    assert set(masked["scores"]) == {"imputed", "rate"}
    assert set(masked["scored"].values()) == {"imputed"}
    assert masked["scores"]["imputed"]["masked_l1_median"] == 0


def test_labels_reach_no_run(data_folder, tmp_path, monkeypatch):
    seen = []

    def watched(data, params):
        seen.append(data.truth)
        raise ValueError("enough")

    monkeypatch.setattr(running, "fit", watched)
    q = question(data_folder, ["default"])
    for _ in compute(plan(q, tmp_path).tasks, tmp_path):
        pass
    assert seen == [None, None]


def test_mask_scores_are_exact_where_the_answer_is_known():
    data = simulate(30, 20, n_types=2, mean_count=4.0, seed=3)
    prepared = prepare(data, RunParams(preset="paper", run_LTMG=False, dropout_prob=0.1, seed=0))
    truth, score = np.log1p(prepared.expression.toarray()), MaskedScores(prepared)
    perfect = score(truth)
    assert perfect["masked_l1_median"] == pytest.approx(0, abs=1e-6)
    assert perfect["masked_cosine"] == pytest.approx(1)
    assert (perfect["zero_l1_mean"], perfect["zero_zeros_kept"]) == (0, 1)
    assert perfect["untouched_rmse"] == pytest.approx(0, abs=1e-6)
    off = score(truth + 0.25)
    names = (
        "masked_l1_median",
        "masked_l1_mean",
        "masked_rmse",
        "untouched_l1_median",
        "untouched_rmse",
        "zero_l1_mean",
    )
    assert [off[name] for name in names] == pytest.approx([0.25] * 6, abs=1e-6)
    assert score(truth + 0.5)["zero_zeros_kept"] == 0
    assert 0 < perfect["masked_noise_floor"] < 1


def test_a_run_is_not_measured_twice():
    (method,), _ = choose_methods(["default"])
    params = run_params(method, 0)
    assert not params.evaluate.baselines
    assert not params.evaluate.diagnostics
    assert not [key for key in method.values if key.startswith(("evaluate_", "output_", "load_"))]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "needs data sets"),
        (["DATA"], 2, "needs data sets"),
        (["DATA", "--output", "OUT", "--methods", "best"], 2, "There is no method 'best'. Expected: of default, paper"),
        (["DATA", "--output", "OUT", "--scores", "speed"], 2, "of mask, clusters, thinning"),
        (["DATA", "--output", "OUT", "--seeds", "a"], 2, "such as 0-4"),
        (["DATA", "--output", "OUT", "--set", "total_epoch"], 2, "KEY=VALUE"),
        (["DATA", "--output", "OUT", "--datasets", "third"], 3, "of first, second"),
        (["DATA", "--output", "OUT", "--processes", "0"], 2, "at least 1"),
        (["DATA/notes", "--output", "OUT"], 3, "There is no data set in"),
        (["--report", "OUT"], 3, "There is no benchmark in"),
        (["DATA", "--report", "OUT"], 2, "Found: FOLDER beside it"),
        (["--report", "OUT", "--datasets", "nosuch", "--again"], 2, "Found: --datasets, --again beside it"),
        (["--report", "OUT", "--seeds", "0-4", "--processes", "1"], 2, "Found: --seeds, --processes beside it"),
        (["--report", "OUT", "--scores", "mask", "--max_seconds", "0"], 2, "Found: --scores, --max_seconds beside it"),
        (["--report", "OUT", "--set", "threads=1", "--methods", "knn"], 2, "Found: --methods, --set beside it"),
        (["--report", "OUT", "--variants", "a.toml", "--output", "b"], 2, "Found: --output, --variants beside it"),
        (["DATA", "--output", "OUT", "--methods", "knn", "--max_seconds", "-3"], 2, "a number from 0 upwards"),
    ],
)
def test_wrong_arguments_are_answered(data_folder, tmp_path, capsys, arguments, code, words):
    words_given = [word.replace("DATA", str(data_folder)).replace("OUT", str(tmp_path / "out")) for word in arguments]
    assert main(["benchmark", *words_given]) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

"""``scgnn2 evaluate``: runs, layers and tables of any tool, scored on the same entries."""

from __future__ import annotations

import json
from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest

import scgnn2_engine as sc2
from scgnn2_engine.cli import main
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.evaluate.comparison import iterate_outputs
from scgnn2_engine.evaluate.loaded_run import read_run
from scgnn2_engine.evaluate.tool_outputs import named_apart, read_output
from scgnn2_engine.events import drain

FAST = {
    "total_epoch": 1,
    "feature_AE_epoch": [5, 5],
    "graph_AE_epoch": 5,
    "cluster_AE_epoch": 5,
    "run_LTMG": False,
    "device": "cpu",
    "output_figures": False,
}


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(3)
    rates = generator.gamma(2.0, 4.0, size=(2, 30))[np.repeat([0, 1], 25)]
    return anndata.AnnData(
        generator.poisson(rates).astype(np.float32),
        obs=pd.DataFrame({"type": np.repeat(["a", "b"], 25)}, index=[f"cell_{number}" for number in range(50)]),
        var=pd.DataFrame(index=[f"gene_{number}" for number in range(30)]),
    )


@pytest.fixture(scope="module")
def run_folder(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "mine"
    params = sc2.RunParams(dropout_prob=0.1, evaluate_baselines=False, **FAST)
    sc2.write(sc2.fit(data, params), folder, params=params)
    return folder


@pytest.fixture(scope="module")
def other_tool(data, tmp_path_factory):
    """Truth, the masked matrix, and what a perfect tool made of it: as csv and as a layer."""
    folder = tmp_path_factory.mktemp("other")
    truth = data.to_df()
    observed = truth.copy()
    hidden = np.random.default_rng(1).random(truth.shape) < 0.1
    observed[hidden] = 0
    truth.to_csv(folder / "truth.csv")
    observed.to_csv(folder / "observed.csv")
    (truth + 0.25).iloc[::-1].to_csv(folder / "perfect.csv")  # another order of the cells
    layered = data.copy()
    layered.X = observed.to_numpy(np.float32)
    layered.layers["magic"] = np.log1p(truth.to_numpy(np.float32) + 0.25)
    layered.obs["leiden"] = data.obs["type"].to_numpy()
    layered.write_h5ad(folder / "layered.h5ad")
    pd.DataFrame({"cell": data.obs_names, "cell_type": data.obs["type"].to_numpy()}).to_csv(
        folder / "labels.csv", index=False
    )
    return folder


def test_a_run_read_back_is_what_it_was(data, run_folder):
    run = read_run(run_folder)
    prepared, imputed, labels = run.prepared, run.imputed, run.labels
    same = prepare(sc2.from_anndata(data), sc2.RunParams(dropout_prob=0.1, **FAST))
    assert prepared.x.tobytes() == same.x.tobytes()
    for at, other in ((prepared.hidden, same.hidden), (prepared.validation, same.validation)):
        assert at.rows.tolist() == other.rows.tolist()
        assert np.array_equal(at.values, other.values)
    assert imputed.shape == prepared.x.shape
    assert len(labels) == 50


def test_a_run_gets_the_scores_it_gave_itself(run_folder, tmp_path, capsys):
    scores = tmp_path / "scores"
    assert main(["evaluate", str(run_folder), "--output", str(scores)]) == 0
    printed = capsys.readouterr().out
    assert "masked" in printed
    assert "soft_svd" in printed
    assert "differential expression" in printed
    found = pd.read_csv(scores / "evaluation.csv").query("method == 'mine'")
    own = pd.read_csv(run_folder / "evaluation.csv")
    assert found["l1_median"].to_numpy() == pytest.approx(own["l1_median"].to_numpy(), rel=1e-5, nan_ok=True)
    record = json.loads((scores / "evaluation.json").read_text())
    assert {row["method"] for row in record["diagnostics"]} == {"mine"}
    mine, whole = (pd.read_csv(place / "diagnostics.csv").set_index("name")["value"] for place in (scores, run_folder))
    assert set(mine.index) - {"gap_closed"} == set(whole.index)
    unlike = {
        "technical_dispersion",
        "noise_floor",
        "noise_floor_counting",
    }  # of the best, which are other methods here
    same = [name for name in whole.index if name not in unlike and not name.startswith("correlation")]
    assert mine[same].to_numpy() == pytest.approx(whole[same].to_numpy(), rel=1e-4)


@pytest.fixture(scope="module")
def expecting(data, tmp_path_factory):
    """A run whose imputed expression is not the value where a gene is seen."""
    folder = tmp_path_factory.mktemp("runs") / "expecting"
    params = sc2.RunParams(imputation_target="expected", evaluate_baselines=False, **FAST)
    sc2.write(sc2.fit(data, params), folder, params=params)
    return folder


def test_a_run_with_two_answers_gets_the_rows_of_both(expecting, tmp_path, capsys):
    assert main(["evaluate", str(expecting), "--no-baselines", "--output", str(tmp_path)]) == 0
    assert "'expecting (value)'" in capsys.readouterr().out
    found, own = pd.read_csv(tmp_path / "evaluation.csv"), pd.read_csv(expecting / "evaluation.csv")
    assert found["method"].tolist() == [name.replace("scgnn2", "expecting") for name in own["method"]]
    assert found["entries"].tolist() == own["entries"].tolist()
    assert found["rmse"].to_numpy() == pytest.approx(own["rmse"].to_numpy(), rel=1e-4)


@pytest.mark.parametrize(("layer", "kinds"), [("scgnn2_value", 3), ("scgnn2_rate", 2), ("scgnn2_imputed", 3)])
def test_outputs_of_a_run_are_scored_on_what_it_was_given(expecting, layer, kinds, tmp_path):
    assert main(["evaluate", str(expecting), "--layer", layer, "--no-baselines", "--output", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "evaluation.csv")
    scored = table[table["method"] == ("expecting (value)" if layer == "scgnn2_imputed" else "expecting")]
    assert scored["entries"].tolist() == ["held_out", "untouched", "zero"][-kinds:]


def test_a_layer_that_a_run_does_not_have_is_named(expecting, capsys):
    assert main(["evaluate", str(expecting), "--layer", "scgnn2_raet"]) == 3
    said = capsys.readouterr().err
    assert "scgnn2_raet" in said
    assert "scgnn2_rate" in said


def test_another_tool_is_scored_on_the_entries_that_were_hidden(other_tool, capsys, tmp_path):
    where = [str(other_tool / name) for name in ("perfect.csv", "truth.csv", "observed.csv")]
    scale = ["--scale", "counts", "--orientation", "cells-by-genes"]
    flags = ["--truth", where[1], "--observed", where[2], "--output", str(tmp_path)]
    assert main(["evaluate", where[0], *flags, *scale]) == 0
    table = pd.read_csv(tmp_path / "evaluation.csv").set_index(["method", "entries"])
    truth, observed = (pd.read_csv(path, index_col=0).to_numpy() for path in where[1:])
    hidden = (truth > 0) & (observed == 0)
    assert table.loc[("perfect", "masked"), "n"] == hidden.sum()
    expected = np.abs(np.log1p(truth + 0.25) - np.log1p(truth))[hidden]
    assert table.loc[("perfect", "masked"), "l1_median"] == pytest.approx(np.median(expected), rel=1e-4)
    masked = table.xs("masked", level="entries")["l1_median"]
    assert masked.idxmin() == "perfect"
    assert "gap_closed" in capsys.readouterr().out


def test_a_layer_is_compared_with_the_counts_beside_it(other_tool, capsys, tmp_path):
    file = str(other_tool / "layered.h5ad")
    arguments = [
        "evaluate",
        file,
        "--layer",
        "magic",
        "--clusters",
        "leiden",
        "--labels",
        str(other_tool / "labels.csv"),
    ]
    assert main([*arguments, "--output", str(tmp_path), "--no-baselines"]) == 0
    table = pd.read_csv(tmp_path / "evaluation.csv")
    assert table["entries"].tolist() == ["untouched", "zero"]
    clusters = pd.read_csv(tmp_path / "evaluation_clusters.csv")
    assert clusters["ari"].tolist() == [1.0]
    assert "layered" in capsys.readouterr().out


def test_several_results_get_a_column_each_and_their_agreement(run_folder, other_tool, tmp_path, capsys):
    arguments = ["evaluate", str(run_folder), str(run_folder / "result.h5ad"), "--output", str(tmp_path)]
    assert main([*arguments, "--no-baselines"]) == 0
    agreement = pd.read_csv(tmp_path / "agreement.csv", index_col=0)
    assert agreement.index.tolist() == agreement.columns.tolist() == ["mine", "mine_2"]
    assert (agreement.to_numpy() == 1).all()
    assert "Adjusted Rand index between the clusters" in capsys.readouterr().out


def test_runs_of_other_entries_get_baselines_of_their_own(data, run_folder, tmp_path, capsys):
    params = sc2.RunParams(dropout_prob=0.3, seed=2, evaluate_baselines=False, **FAST)
    sc2.write(sc2.fit(data, params), tmp_path / "other", params=params)
    arguments = ["evaluate", str(run_folder), str(tmp_path / "other"), str(run_folder)]
    assert main([*arguments, "--output", str(tmp_path / "scores")]) == 0
    assert "Not all were made from the same visible entries (mine, mine_2; other)" in capsys.readouterr().out
    scores = pd.read_csv(tmp_path / "scores" / "evaluation.csv")
    masked = scores[scores["entries"] == "masked"].set_index("method")
    assert {"knn", "knn (for other)"} <= set(masked.index)
    assert masked.loc["knn", "n"] == masked.loc["mine", "n"] == masked.loc["mine_2", "n"]
    assert masked.loc["knn (for other)", "n"] == masked.loc["other", "n"] > 2 * masked.loc["mine", "n"]
    assert {"pca_kmeans", "pca_kmeans (for other)"} <= set(
        pd.read_csv(tmp_path / "scores" / "evaluation_clusters.csv")["method"]
    )
    found = pd.read_csv(tmp_path / "scores" / "diagnostics.csv").pivot(index="name", columns="method", values="value")
    assert found.loc["gap_closed"].notna().all()


def test_tables_of_an_earlier_evaluation_do_not_stay(run_folder, other_tool, tmp_path):
    flags = ["--no-baselines", "--output", str(tmp_path / "scores")]
    assert main(["evaluate", str(run_folder), str(run_folder), *flags]) == 0
    assert (tmp_path / "scores" / "agreement.csv").exists()
    truth = str(other_tool / "truth.csv")
    assert main(["evaluate", str(other_tool / "perfect.csv"), "--truth", truth, *flags, "--overwrite"]) == 0
    assert not (tmp_path / "scores" / "agreement.csv").exists()


def test_order_of_cells_does_not_matter(other_tool):
    outputs = [read_output(other_tool / "perfect.csv", sc2.RunParams(load_scale="counts").load)]
    truth, observed = (sc2.read(other_tool / name) for name in ("truth.csv", "observed.csv"))
    found = drain(iterate_outputs(outputs, truth=truth, observed=observed, baselines=False))
    straight = read_output(other_tool / "truth.csv")
    again = drain(iterate_outputs([straight], truth=truth, observed=observed, baselines=False))
    assert found.agreement is None
    assert again.evaluation.imputation["rmse"].max() == 0
    assert found.evaluation.imputation["rmse"].max() < 0.3


def test_match_library_takes_the_scale_out(other_tool, tmp_path):
    truth = pd.read_csv(other_tool / "truth.csv", index_col=0)
    (truth.div(truth.sum(axis=1), axis=0) * 10_000).to_csv(tmp_path / "normalised.csv")
    outputs = [read_output(tmp_path / "normalised.csv")]
    whole = sc2.read(other_tool / "truth.csv")
    found = drain(iterate_outputs(outputs, truth=whole, match_library=True, baselines=False))
    assert found.evaluation.imputation["rmse"].max() < 1e-5
    plain = drain(iterate_outputs(outputs, truth=whole, baselines=False))
    assert plain.evaluation.imputation["rmse"].max() > 1


def test_runs_keep_their_library(run_folder):
    run = read_output(run_folder)
    plain = drain(iterate_outputs([run], baselines=False))
    matched = drain(iterate_outputs([run], match_library=True, baselines=False))
    assert matched.evaluation.imputation["rmse"].tolist() == plain.evaluation.imputation["rmse"].tolist()
    assert "left as it is" in matched.notes[0]


def test_what_was_read_and_compared_is_printed_and_written(other_tool, tmp_path, capsys):
    part = pd.read_csv(other_tool / "perfect.csv", index_col=0).iloc[:40]
    part.to_csv(tmp_path / "part.csv")
    where = [str(tmp_path / "part.csv"), *(str(other_tool / name) for name in ("truth.csv", "observed.csv"))]
    flags = ["--no-baselines", "--orientation", "cells-by-genes", "--output", str(tmp_path / "scores")]
    assert main(["evaluate", where[0], "--truth", where[1], "--observed", where[2], *flags]) == 0
    printed = capsys.readouterr().out
    for name, path, size in zip(("part", "truth", "observed"), where, (40, 50, 50), strict=True):
        assert f"{name}: {path}: {size} cells x 30 genes" in printed
    assert "Scale counts" in printed
    assert "Warning: Every result, and the baselines, are scored on 40 of 50 cells and 30 of 30 genes" in printed
    row = pd.read_csv(tmp_path / "scores" / "compared.csv").iloc[0]
    assert row[["method", "compared_with", "cells", "of_cells"]].tolist() == ["part", "truth and observed", 40, 50]
    found = json.loads((tmp_path / "scores" / "evaluation.json").read_text())
    assert found["compared"][0]["scored_cells"] == 40
    assert any("Scale counts" in line for line in found["reading"])
    assert "40 of 50 cells" in found["warnings"][0]


def test_names_are_told_apart(other_tool):
    one = read_output(other_tool / "truth.csv")
    named = [replace(one, name=name) for name in ("x", "x", "x_2", "magic", "magic", "x (value)")]
    apart = ["x", "x_2", "x_2_2", "magic (file)", "magic (file)_2", "x (value)_2"]
    assert [output.name for output in named_apart(named)] == apart


def test_a_folder_is_named_wherever_one_stands(run_folder, monkeypatch):
    monkeypatch.chdir(run_folder)
    assert read_output(".").name == read_output("result.h5ad").name == "mine"


def test_errors_say_what_to_do(other_tool, run_folder, tmp_path, capsys):
    truth = str(other_tool / "truth.csv")

    def refused(*arguments):
        code = main(["evaluate", *arguments])
        return code, capsys.readouterr().err

    code, said = refused(truth)
    assert code == 3
    assert "--observed MATRIX" in said
    code, said = refused(str(tmp_path / "nowhere.csv"))
    assert code == 3
    assert "nowhere.csv" in said
    code, said = refused(str(other_tool / "layered.h5ad"), "--load_layer", "magic", "--clusters", "louvain")
    assert code == 3
    assert "leiden" in said
    code, said = refused(str(other_tool / "layered.h5ad"), "--layer", "magick")
    assert code == 3
    assert "no layer 'magick'" in said
    assert "evaluate and convert: --layer" in said
    code, said = refused(str(run_folder), "--labels", str(tmp_path / "cell_type"))
    assert code == 3
    assert "cell_type does not exist" in said
    assert "not a column of obs" in said
    assert "damaged" not in said
    elsewhere = pd.read_csv(truth, index_col=0)
    elsewhere.index = "other_" + elsewhere.index
    elsewhere.to_csv(tmp_path / "elsewhere.csv")
    code, said = refused(truth, "--truth", str(tmp_path / "elsewhere.csv"))
    assert code == 3
    assert "no cell or no gene in common" in said
    np.log1p(pd.read_csv(truth, index_col=0)).to_csv(tmp_path / "logged.csv")
    code, said = refused(truth, "--truth", truth, "--observed", str(tmp_path / "logged.csv"))
    assert code == 3
    assert "different scales" in said
    (tmp_path / "evaluation.csv").write_text("mine")
    code, said = refused(str(run_folder), "--output", str(tmp_path))
    assert code == 4
    assert "--overwrite" in said
    assert (tmp_path / "evaluation.csv").read_text() == "mine"
    code, said = refused(str(run_folder), "--output", str(tmp_path / "logged.csv"))
    assert code == 4
    assert "logged.csv is a file" in said
    assert "--output" in said
    code, said = refused(str(run_folder), "--seed", "-1")
    assert code == 2
    assert "--seed" in said
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "result.h5ad").write_bytes(b"no HDF5 file")
    code, said = refused(str(tmp_path / "broken"))
    assert code == 3
    assert "not the result of a run" in said

"""The Diagnostics tab: numbers, sentences, verdicts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from scgnn2_app.exports.fragments import baselines, sections, table
from scgnn2_app.results.baseline_levels import METHODS
from scgnn2_app.results.diagnosis import NOT_COMPUTED, RULES, counted, findings, scores_at_hidden, stage_costs
from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session
from scgnn2_app.views.diagnostics import DiagnosticsView
from scgnn2_engine.evaluate.baselines import CLUSTERING, IMPUTATION
from scgnn2_engine.evaluate.diagnostics_table import MEANINGS


def test_findings_of_known_numbers(made_run: Path) -> None:
    found = {finding.name: finding for finding in findings(RunData(made_run))}
    error = found["Median |error| at hidden entries"]
    assert (error.value, error.verdict) == ("0.5", "poor")
    assert "kNN does better: 0.25" in error.sentence
    assert found["Filling of zeros"].verdict == "good"
    assert found["Silhouette"].verdict == "good"
    assert found["Inflation"].verdict == "poor"
    assert found["Variance kept"].verdict == "look"
    assert (found["something new"].verdict, found["something new"].sentence) == ("", "What nobody knew.")
    assert found["ARI against the labels"].value == "0.75"
    assert counted(list(found.values())) == {"good": 2, "look": 1, "poor": 2}


def test_the_best_of_all_is_good(made_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made_run, tmp_path / "run")
    scores = pd.read_csv(copy / "evaluation.csv")
    scores.loc[0, "l1_median"] = 0.1
    others = [name for name in IMPUTATION if name not in ("zeros", "knn", "magic")]
    more = pd.DataFrame({"method": others, "entries": "masked", "l1_median": 0.9})
    pd.concat([scores, more]).to_csv(copy / "evaluation.csv", index=False)
    run = RunData(copy)
    found = findings(run)[0]
    assert found.verdict == "good"
    assert "every baseline" in found.sentence
    assert scores_at_hidden(run)[0]["method"].tolist() == ["scgnn2", "knn", "magic", *others]


def test_what_a_stop_left_out_is_not_taken_for_good(made_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made_run, tmp_path / "run")
    scores = pd.read_csv(copy / "evaluation.csv")
    scores = scores[scores["method"] != "magic"]
    scores.loc[0, "l1_median"] = 0.1
    scores.to_csv(copy / "evaluation.csv", index=False)
    (copy / "diagnostics.csv").unlink()
    record = json.loads((copy / "run.json").read_text())
    record["params"] |= {"evaluate_baselines": True, "evaluate_diagnostics": True}
    record["evaluation"] = {"left_out": ["soft_svd", "alra", "magic", "diagnostics"]}
    (copy / "run.json").write_text(json.dumps(record))
    run = RunData(copy)
    found = findings(run)
    assert found[0].verdict == ""
    assert "every" not in found[0].sentence
    assert "Lower than that of the baselines that were computed; the next is kNN" in found[0].sentence
    assert "Not computed: gene mean, gene median, soft SVD, ALRA-like, MAGIC." in found[0].sentence
    missing = [one.topic for one in found if one.value == NOT_COMPUTED]
    assert missing == ["Zeros", "Smoothing", "Embeddings", "Clusters", "Stability", "Correlation of genes"]
    assert counted(found)["good"] == 0
    said = "".join(sections(run).values())
    assert "0 good, 0 take a look, 0 poor, 6 not computed" in said
    assert "Not computed: gene mean, gene median, soft SVD, ALRA-like, MAGIC, PCA + k-means" in said
    scores[scores["method"] == "scgnn2"].to_csv(copy / "evaluation.csv", index=False)
    assert "the baselines were not computed" in findings(RunData(copy))[0].sentence


def test_values_answer_for_entries_that_were_hidden(made_run: Path, tmp_path: Path) -> None:
    """What to expect of them is less, and no baseline to the run's own values nor the other way round."""
    copy = shutil.copytree(made_run, tmp_path / "run")
    scores = pd.read_csv(copy / "evaluation.csv")
    values = scores[scores["method"] == "scgnn2"].assign(method="scgnn2 (value)", l1_median=0.1)
    pd.concat([scores, values]).to_csv(copy / "evaluation.csv", index=False)
    run = RunData(copy)
    found = findings(run)[0]
    assert (found.value, found.verdict) == ("0.1", "")  # of all baselines only two
    assert "next is kNN" in found.sentence
    assert "output value" in found.sentence
    assert '<tr class=own><td style="width:12em">scgnn2 (value)</td>' in baselines(run)


@pytest.mark.parametrize(("name", "value", "verdict"), [
    ("graph_effective_rank", 1.2, "poor"), ("graph_effective_rank", 8.0, "good"), ("feature_mean_cosine", 0.99, "poor"),
    ("feature_mean_cosine", 0.1, "good"), ("purity_z", 4.0, "look"), ("zeros_kept", 0.5, ""),
])  # fmt: skip
def test_rules_know_which_side_is_better(name: str, value: float, verdict: str) -> None:
    assert RULES[name].read(value)[0] == verdict


def test_the_tab_says_it_all(made_run: Path) -> None:
    session = Session()
    view = DiagnosticsView(session)
    assert "No result yet" in view.page.object
    session.show_folder(made_run)
    text = view.page.object
    for words in ("24 of 25 cells were kept", "cell x", "seed", "cpu", "python", "3.11", "stage"):
        assert words in text, words
    assert "Look &lt;here&gt;." in text
    assert "✗ poor" in text
    session.dark = True
    assert 'class="scgnn2 dark"' in view.page.object


def test_a_run_without_evaluation_is_shown_without(made_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made_run, tmp_path / "run")
    for name in ("evaluation.csv", "diagnostics.csv", "evaluation_clusters.csv"):
        (copy / name).unlink()
    session = Session()
    session.show_folder(copy)
    view = DiagnosticsView(session)
    assert "was not compared with baselines" in view.page.object
    assert view.figure() is not None


def test_costs_of_stages_are_added_up() -> None:
    rows = [{"stage": "graph", "iteration": i, "seconds": 0.5, "peak_memory_bytes": 2**30} for i in (0, 1)]
    costs = stage_costs({"stages": rows})
    assert costs.to_dict("records") == [{"stage": "graph", "times": 2, "seconds": 1.0, "peak memory (GiB)": 1.0}]
    assert stage_costs({}).empty


def test_tables_escape_what_is_in_them() -> None:
    made = table(pd.DataFrame({"<b>": ["<script>"]}))
    assert "<script>" not in made
    assert "&lt;b&gt;" in made


def test_the_mean_at_zeros_is_said_once(made_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made_run, tmp_path / "run")
    rows = [("mean_at_zeros", 0.1, "m"), ("zeros_kept", 0.2, "z")]
    pd.DataFrame(rows, columns=["name", "value", "meaning"]).to_csv(copy / "diagnostics.csv", index=False)
    names = [finding.name for finding in findings(RunData(copy))]
    assert "Filling of zeros" in names
    assert RULES["mean_at_zeros"].name not in names
    scores = pd.read_csv(copy / "evaluation.csv")
    scores[scores["method"] != "magic"].to_csv(copy / "evaluation.csv", index=False)
    names = [finding.name for finding in findings(RunData(copy))]
    assert "Filling of zeros" not in names
    assert RULES["mean_at_zeros"].name in names


def test_zeros_kept_are_not_taken_for_exact_zeros() -> None:
    assert "below half of the smallest expression" in RULES["zeros_kept"].means
    assert "below half of the smallest observed expression" in MEANINGS["zeros_kept"]


def test_a_bad_verdict_says_what_to_do() -> None:
    """Each sentence names a step: behind a colon, or a semicolon."""
    for name, rule in RULES.items():
        for said in filter(None, rule.said[1:]):
            assert ":" in said or ";" in said, (name, said)


def test_tables_have_the_names_people_use(made_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made_run, tmp_path / "run")
    names = ["scgnn2", "pca_kmeans", "pca_leiden_0.8"]
    pd.DataFrame({"method": names, "n_clusters": 3, "silhouette": 0.25, "ari": 0.5, "nmi": 0.5, "ami": 0.5}).to_csv(
        copy / "evaluation_clusters.csv", index=False
    )
    text = baselines(RunData(copy))
    for said in ("PCA + k-means", "PCA + Leiden .8", "kNN", "MAGIC", ">clusters<", ">ARI<", ">hidden<"):
        assert said in text, said
    for raw in ("pca_", "knn", "n_clusters", ">ari<", "l1_median", "masked"):
        assert raw not in text, raw
    assert "<tr class=own><td>scgnn2</td>" in text
    assert "same principal components" in text
    assert set(METHODS) == {*IMPUTATION, *CLUSTERING}


def test_silhouettes_say_in_which_space() -> None:
    assert "in the embedding that was clustered" in RULES["silhouette"].means
    assert "principal components" in RULES["silhouette"].means

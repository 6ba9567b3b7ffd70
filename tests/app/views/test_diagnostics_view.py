"""The Diagnostics tab: numbers, sentences, verdicts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from scgnn2_app.exports.fragments import baselines, table
from scgnn2_app.results.baseline_levels import METHODS
from scgnn2_app.results.diagnosis import RULES, counted, findings, scores_at_hidden, stage_costs
from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session
from scgnn2_app.views.diagnostics import DiagnosticsView
from scgnn2_engine.evaluate.baselines import CLUSTERING, IMPUTATION
from scgnn2_engine.evaluate.measurements import MEANINGS


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
    scores.to_csv(copy / "evaluation.csv", index=False)
    run = RunData(copy)
    assert findings(run)[0].verdict == "good"
    assert scores_at_hidden(run)[0]["method"].tolist() == ["scgnn2", "knn", "magic"]


def test_values_answer_for_entries_that_were_hidden(made_run: Path, tmp_path: Path) -> None:
    """What to expect of them is less, and no baseline to the run's own values nor the other way round."""
    copy = shutil.copytree(made_run, tmp_path / "run")
    scores = pd.read_csv(copy / "evaluation.csv")
    values = scores[scores["method"] == "scgnn2"].assign(method="scgnn2 (value)", l1_median=0.1)
    pd.concat([scores, values]).to_csv(copy / "evaluation.csv", index=False)
    run = RunData(copy)
    found = findings(run)[0]
    assert (found.value, found.verdict) == ("0.1", "good")
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

"""The seconds of a method are its own: what only the first run in a process needs is done before the clock starts."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from scgnn2_engine.benchmark import Question, choose_methods, compute, find_data_sets, plan, running, warming
from scgnn2_engine.benchmark.warming import warm_up

TIMED = """
import sys
from pathlib import Path
from scgnn2_engine.benchmark import Question, choose_methods, compute, find_data_sets, plan, running

def watched(function):
    def timed(*given, **more):
        before = set(sys.modules)
        result = function(*given, **more)
        new.update(name.partition(".")[0] for name in set(sys.modules) - before)
        return result
    return timed

new = set()
for name in ("fit", "impute_baseline", "denoise_baseline", "cluster_baseline"):
    setattr(running, name, watched(getattr(running, name)))
short = {"total_epoch": 1, "feature_AE_epoch": [3, 3], "graph_AE_epoch": 3, "cluster_AE_epoch": 3, "device": "cpu"}
methods, _ = choose_methods(["default", "knn", "pca_leiden_0.8"], settings=short)
data_sets, _ = find_data_sets([sys.argv[1]], ["first"])
out = Path(sys.argv[2])
for cell, record in compute(plan(Question(data_sets, methods, [0], n_threads=1), out).tasks, out):
    assert "error" not in record, record["error"]
print("new:", *sorted(new))
"""


@pytest.fixture
def cold():
    """A process that has warmed nothing yet."""
    warming._once.cache_clear()
    yield
    warming._once.cache_clear()


def question(folder, methods, seeds=(0,)):
    return Question(find_data_sets([folder], ["first"])[0], choose_methods(methods)[0], seeds, ["mask"], n_threads=1)


def records(asked, folder):
    return [record for _, record in compute(plan(asked, folder).tasks, folder)]


def test_nothing_is_imported_while_the_clock_runs(data_folder, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TIMED, str(data_folder), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "new:"), done.stderr


def test_a_method_is_warmed_once_in_a_process_and_before_it_is_timed(cold, data_folder, tmp_path, monkeypatch):
    calls = []
    for module, what in ((warming, "warmed"), (running, "timed")):
        right = module.impute_baseline

        def watched(name, *given, right=right, what=what, **more):
            calls.append((what, name))
            return right(name, *given, **more)

        monkeypatch.setattr(module, "impute_baseline", watched)
    records(question(data_folder, ["gene_mean", "zeros"], (0, 1)), tmp_path)
    assert calls == [
        ("warmed", "gene_mean"),
        ("timed", "gene_mean"),
        ("warmed", "zeros"),
        ("timed", "zeros"),
        ("timed", "gene_mean"),
        ("timed", "zeros"),
    ]


def test_a_short_run_has_the_parameters_of_the_method_and_few_epochs(cold, monkeypatch):
    seen = []
    monkeypatch.setattr(warming, "fit", lambda data, params: seen.append(params))
    settings = {"alpha": 0.25, "total_epoch": 9}
    (method,), _ = choose_methods(["paper"], settings=settings, max_seconds=5)
    for protocol in method.protocols:
        warm_up(method, protocol, 1)
    (params,) = seen
    assert (params.preset, params.alpha, params.threads) == ("paper", 0.25, 1)
    assert (params.total_epoch, params.max_seconds) == (1, 0)


def test_shared_random_generators_are_as_they_were(cold, monkeypatch):
    def draws(*_: object) -> None:
        random.random()
        np.random.seed(4)  # noqa: NPY002
        torch.manual_seed(7)

    def drawn():
        of_numpy = np.random.get_state()[1].tolist()  # noqa: NPY002
        return random.getstate(), of_numpy, torch.get_rng_state().tolist()

    monkeypatch.setattr(warming, "impute_baseline", draws)
    (method,), _ = choose_methods(["zeros"])
    before = drawn()
    warm_up(method, "mask", 1)
    assert drawn() == before


def test_scores_are_what_they_are_without_it(cold, data_folder, tmp_path, monkeypatch):
    names = ["knn", "soft_svd", "pca_leiden_0.8", "alra"]
    with_it = [record["scores"] for record in records(question(data_folder, names), tmp_path / "with")]
    monkeypatch.setattr(running, "warm_up", lambda *_: None)
    assert [record["scores"] for record in records(question(data_folder, names), tmp_path / "without")] == with_it


def test_a_short_run_that_fails_costs_nothing(cold, data_folder, tmp_path, monkeypatch):
    def failing(*_: object) -> None:
        raise ValueError("too few cells")

    monkeypatch.setattr(warming, "impute_baseline", failing)
    (record,) = records(question(data_folder, ["zeros"]), tmp_path)
    assert "error" not in record

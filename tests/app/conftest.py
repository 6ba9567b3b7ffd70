"""Runs for the tests of the back end: tiny data, and a worker whose training is scripted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scgnn2_app.runs import processes
from scgnn2_app.runs.jobs import JobManager
from scgnn2_app.runs.snapshots import save_data, save_iteration
from scgnn2_app.sources.source import Source
from scgnn2_engine import RunParams, simulate
from scgnn2_engine.data.prepared import HiddenEntries, Prepared
from scgnn2_engine.graph.neighbours import build_graph
from scgnn2_engine.io import dataset_to_anndata, write
from scgnn2_engine.methods.published.method import Reconstructed
from scgnn2_engine.results.result import Evaluation, Result
from scgnn2_engine.results.state import LoopState

PATIENT_WORKER = Path(__file__).with_name("patient_worker.py")


def wait_until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true value of a condition; an error when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., Any]:
    return wait_until


@pytest.fixture(scope="session")
def tiny_source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """60 simulated cells × 40 genes in an h5ad."""
    path = tmp_path_factory.mktemp("data") / "tiny.h5ad"
    dataset_to_anndata(simulate(60, 40, 2, seed=0)).write_h5ad(path)
    return Source.at(path)


@pytest.fixture(scope="session")
def tiny_params() -> RunParams:
    """A run of some tenths of a second, libraries not counted."""
    return RunParams(
        total_epoch=2, feature_AE_epoch=[5, 5], graph_AE_epoch=5, cluster_AE_epoch=5, run_LTMG=False, device="cpu",
        output_figures=False, evaluate_baselines=False, evaluate_diagnostics=False, ari_threshold=1.0,
        graph_change_threshold=0.0, threads=1,
    )  # fmt: skip


@pytest.fixture
def scripted_worker(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs do what their names say (patient_worker.py) instead of training."""
    monkeypatch.setattr(processes, "WORKER", (str(PATIENT_WORKER),))
    return PATIENT_WORKER


@pytest.fixture
def jobs(tmp_path: Path, scripted_worker: Path) -> Iterator[JobManager]:
    """A manager whose runs are scripted by their names, with everything ended afterwards."""
    manager = JobManager(tmp_path / "workspace", threads=1)
    yield manager
    manager.close(kill=True)


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run made by hand, with known numbers: see make_run."""
    return make_run(tmp_path_factory.mktemp("runs") / "made")


def make_run(folder: Path) -> Path:
    """24 cells x 6 genes in clusters of 12, 8 and 4; labels B, T and none; counts; three hidden entries.

    Gene 0 is 5 in cluster 0 and 0 elsewhere; imputed values are ln(1 + x) of the observed ones plus 0.5. Both
    iterations left snapshots, of which the first has two clusters.
    """
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3, dtype=np.int32), [12, 8, 4])
    expression = rng.integers(1, 4, (24, 6)).astype(np.float32)
    expression[:, 0] = np.where(labels == 0, 5, 0)
    x = np.log1p(expression)
    rows, cols = np.array([0, 1, 20]), np.array([0, 0, 1])
    prepared = Prepared(
        x=x,
        size_factors=np.ones(24, dtype=np.float32),
        expression=expression,
        scale="counts",
        obs_names=np.array([f"cell {i}" for i in range(24)]),
        var_names=np.array([f"gene {i}" for i in range(6)]),
        cells=np.arange(24),
        genes=np.arange(6),
        hidden=HiddenEntries(rows, cols, x[rows, cols]),
    )
    embedding = rng.random((24, 4), dtype=np.float32)
    graph = build_graph(embedding, construction="v2", n_neighbours=3)
    history = pd.DataFrame({"iteration_1": (labels > 0).astype(np.int32), "iteration_2": labels})
    metrics = pd.DataFrame({
        "iteration": [1, 2], "ari_against_ground_truth": [0.5, 0.75], "ari_between_iterations": [np.nan, 0.8],
        "cluster_count": [2, 3], "seconds": [1.5, 1.25], "selected": [False, True],
    })  # fmt: skip
    losses = pd.DataFrame({
        "stage": "feature_AE", "iteration": [0, 0, 1], "cluster": None, "epoch": [1, 2, 1], "name": "loss",
        "value": [4.0, 2.0, 1.0],
    })  # fmt: skip
    scores = pd.DataFrame({
        "method": ["scgnn2", "knn", "magic"] * 2, "entries": ["masked"] * 3 + ["zero"] * 3, "n": 3,
        "l1_median": [0.5, 0.25, 0.75] + [np.nan] * 3, "l1_mean": [0.5, 0.3, 0.8, 0.1, 0.9, 0.2],
    })  # fmt: skip
    diagnostics = pd.DataFrame({
        "name": ["silhouette", "correlation_inflation", "variance_kept", "something_new"],
        "value": [0.6, 5.0, 0.2, 1.0], "meaning": ["s", "c", "v", "what nobody knew"],
    })  # fmt: skip
    result = Result(
        matrices={"imputed": x + np.float32(0.5)},
        labels=labels,
        feature_embedding=embedding,
        graph_embedding=embedding,
        clustering_embedding=embedding,
        graph=graph,
        metrics=metrics,
        labels_history=history,
        losses=losses,
        prepared=prepared,
        record={
            "seed": 7, "device": "cpu", "seconds": 2.75, "selected_iteration": 2, "started": "2026-11-24T10:00:00Z",
            "versions": {"python": "3.11"}, "params": {"preset": "default", "load_cell_type_labels": "kind", "seed": 7},
            "changed_params": {"seed": 7}, "notices": [{"level": "warning", "message": "Look <here>."}],
            "data": {"n_obs": 25, "n_obs_kept": 24, "n_vars": 6, "n_vars_kept": 6, "dropped_cells": ["cell x"]},
            "stages": [{"stage": "graph", "iteration": i, "seconds": 0.5, "peak_memory_bytes": 2**30} for i in (0, 1)],
        },
        obs=pd.DataFrame({
            "kind": pd.Categorical(["B"] * 12 + ["T"] * 10 + [None] * 2), "depth": np.arange(24.0),
        }, index=prepared.obs_names),
        umap=np.stack([np.arange(24), labels], axis=1).astype(np.float32),
        evaluation=Evaluation(scores, pd.DataFrame({"method": ["scgnn2"], "ari": [0.75]}), diagnostics, pd.DataFrame()),
    )  # fmt: skip
    write(result, folder, params=RunParams(output_figures=False))
    save_data(folder, prepared)
    for iteration, clusters in ((1, history["iteration_1"]), (2, history["iteration_2"])):
        state = LoopState(
            iteration, Reconstructed({}, embedding, x), graph, embedding[:, :2], labels=clusters.to_numpy(np.int32)
        )
        save_iteration(folder, state)
    return folder

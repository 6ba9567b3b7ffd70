"""A small finished run, made without training."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.prepared import HiddenEntries, Prepared
from scgnn2_engine.methods.published.method import Reconstructed
from scgnn2_engine.results.result import Result
from scgnn2_engine.results.state import LoopState

N_OBS, N_VARS, K = 12, 5, 3


@pytest.fixture
def prepared(rng: np.random.Generator) -> Prepared:
    """Twelve cells by five genes of sparse counts; one name needs quotes."""
    counts = rng.poisson(1.5, size=(N_OBS, N_VARS)).astype(np.float32)
    names = np.array([f"cell_{number}" for number in range(N_OBS - 1)] + ['odd, "cell"'])
    return Prepared(
        x=np.log1p(counts),
        size_factors=np.ones(N_OBS, dtype=np.float32),
        expression=sp.csr_matrix(counts),
        scale="counts",
        obs_names=names,
        var_names=np.array([f"Gene{number}" for number in range(N_VARS)]),
        cells=np.arange(N_OBS),
        genes=np.arange(N_VARS),
        states=(counts > 1).astype(np.uint8),
        hidden=HiddenEntries(np.array([0]), np.array([1]), np.array([0.5], dtype=np.float32)),
    )


@pytest.fixture
def cell_ring() -> CellGraph:
    """Every cell is tied to the next three on a ring; nearer means heavier."""
    neighbours = (np.arange(N_OBS)[:, None] + np.arange(1, K + 1)) % N_OBS
    distances = np.tile(np.array([1.0, 2.0, 4.0], dtype=np.float32), (N_OBS, 1))
    return CellGraph(neighbours, distances, 1 / distances)


@pytest.fixture
def result(prepared: Prepared, cell_ring: CellGraph, rng: np.random.Generator) -> Result:
    """Two iterations, the first one selected."""
    labels = np.repeat([0, 1, 2], 4).astype(np.int32)
    metrics = pd.DataFrame(
        {
            "iteration": [1, 2],
            "ari_against_ground_truth": [np.nan, np.nan],
            "ari_between_iterations": [np.nan, 0.5],
            "error_median": [0.3, 0.4],
            "cluster_count": [3, 2],
            "seconds": [1.0, 2.0],
            "selected": [True, False],
        }
    )
    history = pd.DataFrame({"iteration_1": labels, "iteration_2": labels // 2})
    losses = pd.DataFrame(
        [
            ("feature_AE", 0, None, 1, "loss", 8.0),
            ("feature_AE", 0, None, 2, "loss", 4.0),
            ("graph_AE", 0, None, 1, "loss", 0.7),
            ("cluster_AE", 1, 0, 1, "loss", 3.0),
            ("cluster_AE", 1, 1, 1, "loss", 5.0),
        ],
        columns=["stage", "iteration", "cluster", "epoch", "name", "value"],
    )
    return Result(
        matrices={"imputed": rng.random((N_OBS, N_VARS), dtype=np.float32)},
        labels=labels,
        feature_embedding=rng.random((N_OBS, 4), dtype=np.float32),
        graph_embedding=rng.random((N_OBS, 2), dtype=np.float32),
        clustering_embedding=rng.random((N_OBS, 2), dtype=np.float32),
        graph=cell_ring,
        metrics=metrics,
        labels_history=history,
        losses=losses,
        prepared=prepared,
        record={"seed": 1, "loss": float("nan"), "dropped_genes": ("Gene9",), "threads": np.int64(2)},
        obs=pd.DataFrame({"batch": ["a", 1, None] * 4}),
        umap=rng.random((N_OBS, 2), dtype=np.float32),
    )


@pytest.fixture
def state(result: Result) -> LoopState:
    """The first iteration of that run."""
    return LoopState(
        iteration=1,
        fit=Reconstructed(
            weights={"encoder.weight": np.eye(2, dtype=np.float32)},
            embedding=result.feature_embedding,
            reconstruction=result.imputed,
        ),
        graph=result.graph,
        graph_embedding=result.graph_embedding,
        n_clusters_smoothed=3.0,
        labels=result.labels,
        clustering_embedding=result.clustering_embedding,
        imputed=result.imputed,
    )

"""The page of a finished run, from a hand-made result with known numbers."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import panel as pn
import pytest
from bokeh.models import ColumnDataSource

from scgnn2_app import page, view
from scgnn2_engine.errors import InputError
from scgnn2_engine.graph import build_graph
from scgnn2_engine.io.results import write
from scgnn2_engine.params import RunParams
from scgnn2_engine.types import Prepared, Result

PROJECT = Path(__file__).resolve().parents[2]
N_OBS, N_VARS = 24, 6


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with two iterations and clusters of 12, 8 and 4 cells."""
    rng = np.random.default_rng(0)
    x = rng.random((N_OBS, N_VARS), dtype=np.float32)
    embedding = rng.random((N_OBS, 4), dtype=np.float32)
    labels = np.repeat(np.arange(3, dtype=np.int32), [12, 8, 4])
    names = np.array([f"cell {i}" for i in range(N_OBS)])
    prepared = Prepared(
        x=x,
        size_factors=np.ones(N_OBS, dtype=np.float32),
        expression=np.expm1(x),
        scale="normalised",
        obs_names=names,
        var_names=np.array([f"gene {i}" for i in range(N_VARS)]),
        cells=np.arange(N_OBS),
        genes=np.arange(N_VARS),
    )
    metrics = pd.DataFrame({
        "iteration": [1, 2],
        "ari_against_ground_truth": [np.nan, np.nan],
        "ari_between_iterations": [np.nan, 0.75],
        "error_median": [np.nan, np.nan],
        "cluster_count": [2, 3],
        "seconds": [1.5, 1.25],
        "selected": [False, True],
    })  # fmt: skip
    losses = pd.DataFrame({
        "stage": "feature_AE", "iteration": [0, 0, 1], "cluster": None, "epoch": [1, 2, 1], "name": "loss",
        "value": [4.0, 2.0, 1.0],
    })  # fmt: skip
    result = Result(
        imputed=x + 0.5,
        labels=labels,
        feature_embedding=embedding,
        graph_embedding=embedding,
        clustering_embedding=embedding,
        graph=build_graph(embedding, construction="v2", n_neighbours=3, seed=0),
        metrics=metrics,
        labels_history=pd.DataFrame({"iteration_1": labels // 2, "iteration_2": labels}, index=names),
        losses=losses,
        prepared=prepared,
        umap=rng.random((N_OBS, 2), dtype=np.float32),
        record={"selected_iteration": 2},
    )
    folder = tmp_path_factory.mktemp("run")
    write(result, folder, params=RunParams(output_figures=False))
    return folder


@pytest.fixture(scope="module")
def tabs(finished: Path) -> pn.Tabs:
    return view(finished)


def test_tabs_follow_the_run(tabs: pn.Tabs) -> None:
    assert tabs._names == ["Cell graph", "Imputation", "Curves", "Clusters", "Metrics", "Run"]


def test_graph_shows_every_cell_once_in_its_cluster(tabs: pn.Tabs) -> None:
    sources = tabs[0].get_root().select({"type": ColumnDataSource})
    shown = sorted((source.data["cell"] for source in sources if "cell" in source.data), key=len)
    assert [len(cells) for cells in shown] == [4, 8, 12]
    assert set(shown[0]) == {f"cell {i}" for i in range(20, 24)}
    assert sorted(np.concatenate(shown)) == sorted(f"cell {i}" for i in range(N_OBS))


def test_map_is_the_one_the_run_saved(tabs: pn.Tabs, finished: Path) -> None:
    with h5py.File(finished / "result.h5ad") as file:
        saved = file["obsm/X_scgnn2_umap"][:, 0]
    sources = tabs[0].get_root().select({"type": ColumnDataSource})
    shown = np.concatenate([source.data["UMAP 1"] for source in sources if "cell" in source.data])
    np.testing.assert_array_equal(np.sort(shown), np.sort(saved))


def test_metrics_are_those_of_the_folder(tabs: pn.Tabs) -> None:
    table = tabs[4].object
    assert table["cluster_count"].tolist() == [2, 3]
    assert table["selected"].tolist() == [False, True]


def test_labels_of_a_run_with_one_iteration_need_no_flow(finished: Path, tmp_path: Path) -> None:
    for path in finished.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    history = pd.read_csv(finished / "labels_history.csv", index_col=0)[["iteration_2"]]
    history.to_csv(tmp_path / "labels_history.csv")
    assert "Clusters" not in view(tmp_path)._names


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not the folder of a finished run.*scgnn2 run demo"):
        view(tmp_path)


def test_the_page_says_so_too(tmp_path: Path) -> None:
    (message,) = page(tmp_path / "<b>").main
    assert "&lt;b&gt; is not the folder of a finished run" in message.object


def test_panel_serve_shows_the_folder(finished: Path) -> None:
    command = [sys.executable, "-m", "panel", "serve", "scgnn2_app", "--port", "0", "--args", str(finished)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            address = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert f"<title>scgnn2: {finished.name}</title>" in answer.read().decode()
        finally:
            server.terminate()
            server.communicate(timeout=30)  # it says goodbye on its output, so that must stay open until it is gone

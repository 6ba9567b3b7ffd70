"""Folders of small data sets."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from scgnn2_engine.data.simulation import simulate
from scgnn2_engine.io import export


def make_data_set(folder: Path, *, labels: bool = True, seed: int = 1) -> Path:
    """Sixty cells of three types by forty genes, as ``counts.h5ad`` with ``labels.csv``."""
    data = simulate(60, 40, n_types=3, mean_count=3.0, marker_share=0.4, marker_strength=2.0, seed=seed)
    folder.mkdir(parents=True)
    export(data, folder / "counts.h5ad")
    if labels:
        table = pd.DataFrame({"cell": data.obs_names, "cell_type": data.obs["cell_type"].to_numpy()})
        table.to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data sets, one of them without labels, and a folder that is none."""
    folder = tmp_path_factory.mktemp("data")
    make_data_set(folder / "first")
    make_data_set(folder / "second", labels=False, seed=2)
    (folder / "notes").mkdir()
    return folder

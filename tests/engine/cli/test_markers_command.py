"""``scgnn2 markers``."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.cli import main
from scgnn2_engine.plots.differences import _with_room, volcano


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with what a finished run leaves: 40 cells, 3 genes kept of 4, of which the last marks cluster 1."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 20)
    counts = rng.poisson(3, (40, 4)).astype(np.float32)
    counts[:, 3] = 9 * labels
    obs = pd.DataFrame(
        {"scgnn2_cluster": labels.astype(str), "donor": np.tile(["x", "y"], 20)}, index=[f"c{i}" for i in range(40)]
    )
    kept = anndata.AnnData(sp.csr_matrix(counts[:, :3]), obs=obs, uns={"scgnn2": {"scale_of_X": "counts"}})
    kept.raw = anndata.AnnData(sp.csr_matrix(counts), obs=obs[[]], var=pd.DataFrame(index=["A", "B", "C", "FOXP3"]))
    kept.write_h5ad(tmp_path / "result.h5ad")
    return tmp_path


def test_every_gene_of_the_input_is_tested(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["markers", str(run)]) == 0
    found = pd.read_csv(run / "markers.csv", dtype={"group": str})
    assert found.groupby("group")["gene"].first().to_dict()["1"] == "FOXP3"
    assert len(found) == 8
    assert main(["markers", str(run)]) == 4
    assert "exists" in capsys.readouterr().err


def test_two_groups_have_figures_and_samples_are_counted(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = ["--group", "1", "--against", "0", "--samples", "donor", "--output", str(run / "two.csv")]
    assert main(["markers", str(run), *two]) == 0
    assert pd.read_csv(run / "two.csv")["gene"].iloc[0] == "FOXP3"
    assert {file.name for file in run.glob("two_*")} == {
        "two_volcano.html", "two_volcano.png", "two_ma.html", "two_ma.png",
    }  # fmt: skip
    assert main(["markers", str(run), "--groups", "nothing", "--overwrite"]) == 3
    assert "no column 'nothing'" in capsys.readouterr().err
    assert main(["markers", str(run), "--against", "0", "--overwrite"]) == 2


def test_names_have_room_and_genes_of_one_side_stand_at_the_edge() -> None:
    assert _with_room(np.array([0, 1, 2]), np.array([0.0, 0.01, 0.5]), np.array([0.0, 0.01, 0.0]), 5) == [0, 2]
    table = pd.DataFrame(
        {
            "gene": ["A", "B", "C"],
            "log2_fold_change": [30.0, -2.0, 0.0],
            "p_adjusted": [0.0, 0.01, np.nan],
            "score": 3.0,
        }
    )
    chart = volcano(table, title="")
    assert chart.mark("higher").x.tolist() == [2.0]
    assert chart.mark("higher").y.tolist() == [300.0]
    assert chart.mark("lower").label == "lower (1)"
    assert len(chart.mark("others").x) == 0

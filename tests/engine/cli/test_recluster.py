"""``scgnn2 recluster``: another number of clusters of a finished run."""

import numpy as np
import pandas as pd
import pytest

from scgnn2_engine import Model, RunParams, iterate_to_folder, result_to_anndata, simulate
from scgnn2_engine.cli import main
from scgnn2_engine.errors import ParameterError
from scgnn2_engine.io import result_files


def test_a_run_is_cut_elsewhere_without_training(tmp_path, capsys):
    folder = tmp_path / "out"
    data = simulate(120, 60, n_types=4, mean_count=2, marker_share=0.3, marker_strength=2, seed=0)
    params = RunParams(
        total_epoch=1, feature_AE_epoch=[5, 5], device="cpu", output_dir=str(folder), output_figures=False,
        evaluate_baselines=False, evaluate_diagnostics=False,
    )  # fmt: skip
    *_, ended = iterate_to_folder(data, params)
    before = (folder / "labels.csv").read_bytes()
    assert main(["recluster", str(folder), "--n_clusters", "1"]) == 0
    labels = pd.read_csv(folder / "labels_1.csv")
    assert labels["cell"].tolist() == ended.result.prepared.obs_names.tolist()
    assert (folder / "labels.csv").read_bytes() == before
    assert main(["recluster", str(folder), "--n_clusters", "1"]) == 4  # nothing is overwritten unasked
    assert main(["recluster", str(folder), "--n_clusters", "99"]) == 2
    assert "pieces" in capsys.readouterr().err
    assert "labels_1.csv" in result_files(folder)  # goes with the run that another one replaces
    model = Model.load(folder)
    for wrong in (1.5, "2"):
        with pytest.raises(ParameterError, match="cannot be cut"):
            model.recluster(wrong)
    np.testing.assert_array_equal(model.recluster(), ended.result.labels)
    adata = result_to_anndata(ended.result)
    assert adata.obs["scgnn2_membership"].between(0, 1).all()
    table = adata.uns["scgnn2"]["clusters"]
    assert table["n_cells"].sum() == len(labels)
    assert adata.uns["scgnn2"]["merge_costs"].shape == (len(table), len(table))

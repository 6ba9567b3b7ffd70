"""A method is a folder: a third one runs without an edit anywhere else."""

import sys
from pathlib import Path

import numpy as np
import pytest

from scgnn2_engine import Model, RunParams, expected_memory, iterate_to_folder, simulate
from scgnn2_engine.events import RunEnded
from scgnn2_engine.methods import METHODS, register
from scgnn2_engine.params import FeatureAEParams


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    from toy import Toy

    choices = list(FeatureAEParams.param["objective"].objects)
    register("gene_means", Toy)
    yield Toy
    del METHODS["gene_means"], sys.modules["toy"]
    FeatureAEParams.param["objective"].objects = choices


def test_a_third_method_runs_is_scored_written_and_read_again(toy, tmp_path):
    data = simulate(n_obs=60, n_vars=40, n_types=2, seed=0)
    params = RunParams(
        feature_AE_objective="gene_means", total_epoch=2, graph_AE_epoch=3, keep_zeros=0.0, device="cpu",
        output_dir=str(tmp_path / "out"), output_figures=False, evaluate_baselines=False,
    )  # fmt: skip
    *_, ended = iterate_to_folder(data, params)
    assert isinstance(ended, RunEnded)
    result = ended.result
    assert (result.imputed > 0).all()
    assert result.evaluation is not None
    np.testing.assert_array_equal(Model.load(tmp_path / "out", data).outputs(), result.imputed)
    assert expected_memory(60, 40, params) > 0

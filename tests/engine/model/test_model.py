"""A model is what a run learned: with the data it gives every output again."""

import numpy as np
import pandas as pd
import pytest

import scgnn2_engine as sc2
from scgnn2_engine import Model, RunParams, simulate
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.results.storage import VERSION, restore, store

QUICK = {
    "total_epoch": 2, "feature_AE_epoch": [4, 4], "graph_AE_epoch": 4, "cluster_AE_epoch": 3, "device": "cpu",
    "threads": 1, "evaluate_baselines": False, "evaluate_diagnostics": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return simulate(n_obs=60, n_vars=40, n_types=2, seed=0)


@pytest.fixture(scope="module")
def result(data):
    return sc2.fit(data, RunParams(**QUICK))


def test_outputs_are_those_of_the_run_and_come_in_any_order(result):
    model = result.model
    assert set(model.matrices) == {"imputed", "value", "rate", "zeros_kept"}
    assert model.outputs().tobytes() == result.imputed.tobytes()
    some = model.outputs("rate", cells=model.obs_names[[5, 2]], genes=model.var_names[[3, 0, 7]])
    np.testing.assert_allclose(some, result.outputs["rate"][np.ix_([5, 2], [3, 0, 7])], rtol=1e-5)
    assert model.outputs(cells=slice(0, 3)).shape == (3, len(model.var_names))
    assert model.get_latent_representation().shape == (60, 128)


def test_normalised_expression_adds_up_to_the_library(result):
    model = result.model
    found = model.get_normalized_expression(library_size=1000.0)
    np.testing.assert_allclose(found.sum(axis=1), 1000, rtol=1e-4)
    one = model.get_normalized_expression([model.var_names[4]], library_size=1000.0)
    np.testing.assert_array_equal(one[:, 0], found[:, 4])


@pytest.mark.parametrize("values", [{}, {"preset": "paper", "run_LTMG": True}, {"ensemble": False}])
def test_a_saved_model_gives_the_same_bytes(data, tmp_path, values):
    result = sc2.fit(data, RunParams(**{**QUICK, **values}))
    result.model.save(tmp_path)
    again = Model.load(tmp_path, data)
    assert again.params == result.model.params
    assert set(again.matrices) == set(result.matrices)
    for name in again.matrices:
        assert again.outputs(name).tobytes() == np.asarray(result.matrices[name]).tobytes()
    np.testing.assert_array_equal(again.labels, result.labels)


def test_a_run_folder_has_all_that_its_outputs_need(data, tmp_path):
    params = RunParams(**QUICK, dropout_prob=0.1, output_figures=False)
    result = sc2.fit(data, params)
    sc2.write(result, tmp_path, params=params)
    again = Model.of_run(tmp_path)
    for name in result.matrices:
        assert again.outputs(name).tobytes() == np.asarray(result.matrices[name]).tobytes()
    (tmp_path / "result.h5ad").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match="not the result of a run"):
        Model.of_run(tmp_path)


@pytest.mark.parametrize("method", ["shares", "published"])
def test_bulk_expression_is_in_it(data, tmp_path, method):
    mean = np.asarray(data.expression.mean(axis=0)).ravel()
    table = pd.DataFrame({"a": mean, "b": mean[::-1]}, index=data.var_names)
    table.to_csv(tmp_path / "bulk.csv")
    values = {"use_bulk": True, "load_bulk_dataset": str(tmp_path / "bulk.csv"), "deconv_method": method}
    result = sc2.fit(data, RunParams(**QUICK, **values))
    result.model.save(tmp_path)
    assert Model.load(tmp_path, data).outputs("value" if "value" in result.matrices else "imputed").tobytes() == (
        np.asarray(result.matrices.get("value", result.matrices["imputed"])).tobytes()
    )


def test_what_it_lacks_is_named(data, result, tmp_path):
    with pytest.raises(ParameterError, match="no output velocity"):
        result.model.outputs("velocity")
    with pytest.raises(ParameterError, match="no gene Gene9"):
        result.model.outputs(genes=["Gene9"])
    with pytest.raises(InputError, match="no model in"):
        Model.load(tmp_path)
    result.model.save(tmp_path)
    without = Model.load(tmp_path)
    assert without.get_latent_representation().shape == (60, 128)
    with pytest.raises(InputError, match=r"Model.load\(folder, data\)"):
        without.outputs()
    with pytest.raises(InputError, match="not those of the model"):
        Model.load(tmp_path, simulate(n_obs=50, n_vars=40, n_types=2, seed=3))


def test_a_model_of_a_later_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("scgnn2_engine.results.storage.VERSION", VERSION + 1)
    store(tmp_path / "model.npz", {})
    monkeypatch.undo()
    with pytest.raises(InputError, match="later version"):
        restore(tmp_path / "model.npz", ())

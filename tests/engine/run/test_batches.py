"""A run on two batches of the same types, and one without a batch."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import scgnn2_engine as sc2
from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.graph.batch_mixing import lisi

SHORT = {"total_epoch": 1, "feature_AE_epoch": [40, 40], "cluster_AE_epoch": 2, "graph_AE_epoch": 2}
SHORT |= {
    "clustering_method": "Leiden",
    "device": "cpu",
    "threads": 1,
    "evaluate_baselines": False,
    "evaluate_diagnostics": False,
}


@pytest.fixture(scope="module")
def two_batches() -> Dataset:
    """Three types; the genes of every second cell are counted with another efficiency each."""
    plain = sc2.simulate(n_obs=240, n_vars=80, n_types=3, mean_count=3.0, marker_strength=1.5, seed=2)
    rng = np.random.default_rng(0)
    batch = np.arange(240) % 2
    efficiency = np.where(batch[:, None] == 1, rng.choice([0.3, 0.9], 80), 0.6)
    counts = rng.binomial(
        np.asarray(plain.expression.todense(), int)
        if hasattr(plain.expression, "todense")
        else plain.expression.astype(int),
        efficiency,
    )
    obs = pd.DataFrame({"batch": batch, "one": 0}, index=list(plain.obs_names))
    return Dataset(counts.astype(np.float32), plain.obs_names, plain.var_names, "counts", obs=obs)


def other_batch(result) -> float:
    codes = result.source.obs["batch"].to_numpy()[result.prepared.cells]
    return float((codes[result.graph.neighbours] != codes[:, None]).mean())


def test_neighbours_are_of_both_batches_once_the_batch_is_known(two_batches):
    alone = sc2.fit(two_batches, sc2.RunParams(**SHORT))
    together = sc2.fit(two_batches, sc2.RunParams(load_batch_key="batch", **{**SHORT, "evaluate_diagnostics": True}))
    assert other_batch(alone) < 0.1
    assert other_batch(together) > 2 * other_batch(alone)
    assert together.record["data"]["batches"] == {"0": 120, "1": 120}
    assert_mixing_is_said(together, alone)
    assert_corrected_is_as_of_one_batch(together, alone)
    said = [notice["message"] for notice in alone.record["notices"]]
    assert any("load_batch_key = batch corrects for it" in message for message in said)


def assert_mixing_is_said(together, alone) -> None:
    mixing = together.mixing
    assert alone.mixing is None
    assert mixing.by_chance == 2
    assert mixing.before < 1.2 < mixing.after < 2
    codes = together.source.obs["batch"].to_numpy()[together.prepared.cells]
    assert mixing.after == lisi(together.graph.neighbours, codes)
    assert together.evaluation.value("batch_mixing") == mixing.after
    assert together.evaluation.value("batch_mixing_before") == mixing.before
    said = [notice["message"] for notice in together.record["notices"]]
    assert any(f"(iLISI): {mixing.after:.2f} with the correction, {mixing.before:.2f} without it" in m for m in said)


def assert_corrected_is_as_of_one_batch(together, alone) -> None:
    """What sets the batches apart is smaller there than where every cell is of its own, and counts are untouched."""
    codes = together.source.obs["batch"].to_numpy()[together.prepared.cells]

    def apart(matrix) -> float:
        values = np.asarray(matrix)
        return float(np.abs(values[codes == 0].mean(axis=0) - values[codes == 1].mean(axis=0)).mean())

    corrected = together.outputs["corrected"]
    assert apart(corrected) < 0.5 * apart(together.matrices["rate"])
    assert "corrected" not in alone.matrices
    adata = sc2.io.result_to_anndata(together)
    assert (adata.layers["scgnn2_corrected"] == corrected).all()
    np.testing.assert_allclose(together.model.outputs("corrected", cells=[3, 0]), corrected[[3, 0]], rtol=1e-5)
    assert (
        abs(
            adata.layers["counts"] - together.source.expression[together.prepared.cells][:, together.prepared.genes]
        ).max()
        == 0
    )


def test_one_batch_is_the_run_without(two_batches):
    """Byte for byte."""
    plain, constant = (
        sc2.fit(two_batches, sc2.RunParams(load_batch_key=key, **{**SHORT, "feature_AE_epoch": [5, 5]}))
        for key in ("", "one")
    )
    assert plain.imputed.tobytes() == constant.imputed.tobytes()
    assert plain.graph.neighbours.tobytes() == constant.graph.neighbours.tobytes()


def test_a_model_of_batches_is_saved_and_takes_new_cells_of_another(two_batches, tmp_path):
    short = {**SHORT, "feature_AE_epoch": [5, 5]}
    model = sc2.fit(two_batches, sc2.RunParams(load_batch_key="batch", **short)).model
    model.save(tmp_path)
    again = sc2.Model.load(tmp_path, two_batches)
    assert again.outputs("value", cells=slice(0, 5)).tobytes() == model.outputs("value", cells=slice(0, 5)).tobytes()
    mapped = again.map(sc2.simulate(n_obs=30, n_vars=80, n_types=3, mean_count=2.0, seed=5))
    assert np.isfinite(np.asarray(mapped.matrices["imputed"])).all()


def test_fifty_batches_one_of_a_single_cell_run_to_the_end(two_batches):
    obs = two_batches.obs.assign(donor=[f"d{i % 49}" for i in range(239)] + ["alone"])
    params = sc2.RunParams(load_batch_key="donor", **{**SHORT, "feature_AE_epoch": [5, 5]})
    result = sc2.fit(replace(two_batches, obs=obs), params)
    assert len(result.record["data"]["batches"]) == 50
    assert np.isfinite(result.outputs["corrected"]).all()
    assert 1 <= result.mixing.after < result.mixing.by_chance

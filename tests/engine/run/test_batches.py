"""A run on two batches of the same types, and one without a batch."""

import numpy as np
import pandas as pd
import pytest

import scgnn2_engine as sc2
from scgnn2_engine.data.dataset import Dataset

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
    together = sc2.fit(two_batches, sc2.RunParams(load_batch_key="batch", **SHORT))
    assert other_batch(alone) < 0.1
    assert other_batch(together) > 2 * other_batch(alone)
    assert together.record["data"]["batches"] == {"0": 120, "1": 120}
    said = [notice["message"] for notice in alone.record["notices"]]
    assert any("load_batch_key = batch corrects for it" in message for message in said)


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

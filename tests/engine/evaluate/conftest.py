"""A small run's input with structure: three groups of cells, counts, a mask and a held-out share."""

from __future__ import annotations

import numpy as np
import pytest

import scgnn2_engine as sc2
from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.data.prepared import Prepared


@pytest.fixture(scope="session")
def groups() -> Dataset:
    """90 cells of three types by 60 genes, depths from 0.5 to 2, most counts above 1."""
    generator = np.random.default_rng(5)
    types = np.repeat([0, 1, 2], 30)
    profiles = generator.gamma(2.0, 4.0, size=(3, 60))
    rates = profiles[types] * generator.uniform(0.5, 2.0, size=(90, 1))
    counts = generator.poisson(rates).astype(np.float32)
    return Dataset(
        counts,
        obs_names=np.array([f"cell_{number}" for number in range(90)]),
        var_names=np.array([f"gene_{number}" for number in range(60)]),
        scale="counts",
        truth=None,
    )


def prepared_groups(data: Dataset, **values: object) -> Prepared:
    return prepare(data, sc2.RunParams(run_LTMG=False, seed=1, **values))


@pytest.fixture(scope="session")
def masked(groups: Dataset) -> Prepared:
    """With a tenth of the entries hidden by the benchmark and 2 % held out."""
    return prepared_groups(groups, dropout_prob=0.1)


@pytest.fixture(scope="session")
def held_out(groups: Dataset) -> Prepared:
    """With 2 % held out and no benchmark."""
    return prepared_groups(groups)

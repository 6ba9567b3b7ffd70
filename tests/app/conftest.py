"""Runs for the tests of the back end: tiny data, and a worker whose training is scripted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scgnn2_app import processes
from scgnn2_app.jobs import JobManager
from scgnn2_app.sources import Source
from scgnn2_engine import RunParams, simulate
from scgnn2_engine.io import dataset_to_anndata

PATIENT_WORKER = Path(__file__).with_name("patient_worker.py")


def wait_until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true value of a condition; an error when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., Any]:
    return wait_until


@pytest.fixture(scope="session")
def tiny_source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """60 simulated cells × 40 genes in an h5ad."""
    path = tmp_path_factory.mktemp("data") / "tiny.h5ad"
    dataset_to_anndata(simulate(60, 40, 2, seed=0)).write_h5ad(path)
    return Source.at(path)


@pytest.fixture(scope="session")
def tiny_params() -> RunParams:
    """A run of some tenths of a second, libraries not counted."""
    return RunParams(
        total_epoch=2, feature_AE_epoch=[5, 5], graph_AE_epoch=5, cluster_AE_epoch=5, run_LTMG=False, device="cpu",
        output_figures=False, ari_threshold=1.0, graph_change_threshold=0.0, threads=1,
    )  # fmt: skip


@pytest.fixture
def scripted_worker(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs do what their names say (patient_worker.py) instead of training."""
    monkeypatch.setattr(processes, "WORKER", (str(PATIENT_WORKER),))
    return PATIENT_WORKER


@pytest.fixture
def jobs(tmp_path: Path, scripted_worker: Path) -> Iterator[JobManager]:
    """A manager whose runs are scripted by their names, with everything ended afterwards."""
    manager = JobManager(tmp_path / "workspace", threads=1)
    yield manager
    manager.close(kill=True)

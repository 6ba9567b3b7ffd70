"""Shared fixtures: where the real data is, and a seeded generator."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Side by side, every worker keeps to a processor of its own: threads that share one slow each other down."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):  # Linux
        own = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {own[int(worker.removeprefix("gw")) % len(own)]})


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real data; tests that need it skip with a line that says so where it is absent."""
    folder = Path(os.environ.get("SCGNN2_DATA", PROJECT.parent / "shared" / "data"))
    if not (folder / "goolam").is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the real data, but {folder} has none: set SCGNN2_DATA")
        pytest.skip(f"real data not found at {folder}: set SCGNN2_DATA to its folder")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(0)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests of a CUDA device out where there is none: nothing in the project needs one."""
    import torch

    if torch.cuda.is_available():
        return
    needing = [item for item in items if item.get_closest_marker("cuda")]
    if needing:
        config.hook.pytest_deselected(items=needing)
        items[:] = [item for item in items if item not in needing]

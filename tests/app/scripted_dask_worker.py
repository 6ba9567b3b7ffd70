"""Preloaded by the Dask workers of the tests: their runs do what patient_worker.py scripts, without training."""

from __future__ import annotations


def dask_setup(_: object) -> None:
    """Called by the worker that preloads this; nothing is replaced where the module is only imported."""
    from patient_worker import scripted

    from scgnn2_app.runs import worker

    worker._run = scripted

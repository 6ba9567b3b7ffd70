"""Preloaded by the Dask workers of the tests: their runs do what patient_worker.py scripts, without training."""

from __future__ import annotations

from patient_worker import scripted

from scgnn2_app import worker

worker._run = scripted

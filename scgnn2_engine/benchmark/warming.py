"""One short run of a method before the clock starts, so that its seconds do not hang on what ran before it."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

import numpy as np
import torch

from scgnn2_engine.benchmark.methods import Kind, Method, Protocol, run_params
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.data.simulation import simulate
from scgnn2_engine.evaluate import cluster_baseline, denoise_baseline, impute_baseline
from scgnn2_engine.run.loop import fit

N_OBS, N_VARS, N_TYPES = 60, 40, 3

SHORTEST = {
    "total_epoch": 1,
    "feature_AE_epoch": [1, 1],
    "graph_AE_epoch": 1,
    "cluster_AE_epoch": 1,
    "max_seconds": 0.0,
}


def warm_up(method: Method, protocol: Protocol, n_threads: int) -> None:
    """Run a method on a few simulated cells, once in this process.

    The first run in a process imports packages and loads what is compiled: seconds that only the first seed would
    have. Random generators that a whole process shares are afterwards as they were. What more than 20,000 cells need
    besides (the approximate search of neighbours) is not warmed: it takes longer to do so than it is worth there.

    Parameters
    ----------
    method
        What is about to be timed. A run of scGNN 2.0 has its own parameters here too, for they decide which parts of
        the program it needs; only its epochs are fewer.
    protocol
        What a baseline is asked for.
    n_threads
        To compute on.
    """
    values = json.dumps(dict(method.values), sort_keys=True, default=str)
    _once(method.name, method.kind, values, "mask" if method.kind == "preset" else protocol, n_threads)


@cache
def _once(name: str, kind: Kind, values: str, protocol: Protocol, n_threads: int) -> None:
    method = Method(name, kind, json.loads(values))
    # A method that cannot run says so where it is timed; the few cells may also be too few for its parameters.
    with _generators_kept(), warnings.catch_warnings(), suppress(Exception):
        warnings.simplefilter("ignore")
        data = simulate(N_OBS, N_VARS, N_TYPES, mean_count=3.0)
        if kind == "preset":
            fit(data, run_params(method, 0, **SHORTEST, threads=n_threads))
        elif protocol in ("mask", "tasks"):
            impute_baseline(name, prepare(data, run_params(method, 0)))
        elif protocol == "thinning":
            denoise_baseline(name, data.expression)
        else:
            cluster_baseline(name, prepare(data, run_params(method, 0)), n_clusters=N_TYPES)


@contextmanager
def _generators_kept() -> Iterator[None]:
    """Random generators that a process shares: methods have their own, packages that they import may not."""
    of_python, of_numpy, of_torch = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002
        torch.set_rng_state(of_torch)

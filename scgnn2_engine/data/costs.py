"""What a run costs, measured: seconds of its iterations, and of what comes after them.

One thread. Constants and slopes in millions of entries (cells × genes that are kept) go through whole runs of the demo,
of pbmc3k and of mca_lung beside other busy processes: ``benchmarks/results/2026-12-01-costs.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from scgnn2_engine.params import RunParams

IMPORTING = 4.0
"""Seconds that a process needs to load its libraries."""

FEW = 3
"""Iterations after which a run that converges quickly has stopped."""

BASIS = "a rough model, measured with one thread on another machine"
"""On what the estimate rests where no earlier run corrects it."""

SWITCHES = ("evaluate_baselines", "evaluate_diagnostics", "evaluate_null_genes", "output_figures")
"""Parameters that decide what comes after the loop."""


class Ending(NamedTuple):
    """Seconds of the two stages after the loop: the final scoring, and writing the result with its figures."""

    scoring: float
    output: float


def loop_seconds(n_obs: int, n_vars: int) -> tuple[float, float]:
    """Seconds before the loop and of an iteration: a constant, and a share that grows with the entries."""
    million = n_obs * n_vars / 1e6
    return 2.4 + 2.7 * million, 3.6 + 2.5 * million


def ending(n_obs: int, n_vars: int, params: Mapping[str, Any], n_iterations: int) -> Ending:
    """What comes after the loop.

    Parameters
    ----------
    n_obs, n_vars
        Cells and genes that the run trains on.
    params
        All parameters by their flat keys.
    n_iterations
        How many iterations it takes, which null genes repeat.

    Examples
    --------
    >>> [round(part) for part in ending(700, 636, {"evaluate_baselines": True, "output_figures": True}, 3)]
    [5, 11]
    """
    million = n_obs * n_vars / 1e6
    baselines = 5.0 + 0.5 * million if params.get("evaluate_baselines") else 0.0
    scoring = baselines + (0.5 + 0.15 * million if params.get("evaluate_diagnostics") else 0.0)
    if params.get("evaluate_diagnostics") and params.get("evaluate_null_genes"):
        before, each = loop_seconds(n_obs, n_vars)
        scoring += before + each * n_iterations + baselines
    output = 0.5 + 0.15 * million + (10.0 + 0.5 * million if params.get("output_figures") else 0.0)
    return Ending(scoring, output)


def run_seconds(n_obs: int, n_vars: int, params: Mapping[str, Any], n_iterations: int) -> float:
    """Seconds of a whole run of so many iterations; parameters as for :func:`ending`."""
    before, each = loop_seconds(n_obs, n_vars)
    return IMPORTING + before + each * n_iterations + sum(ending(n_obs, n_vars, params, n_iterations))


def expected_seconds(n_obs: int, n_vars: int, params: RunParams, ratio: float = 1.0) -> tuple[float, float]:
    """What a run may take: if it stops after few iterations, and if it uses all of ``total_epoch``.

    Parameters
    ----------
    n_obs, n_vars
        Cells and genes that it trains on.
    params
        All parameters.
    ratio
        How much longer than by the model runs take on this machine.

    Examples
    --------
    >>> few, most = expected_seconds(700, 636, RunParams(total_epoch=3))
    >>> round(few), round(most)
    (38, 38)
    """
    wanted, most = params.to_dict(), max(1, params.total_epoch)
    limits = [ratio * run_seconds(n_obs, n_vars, wanted, n) for n in (min(FEW, most), most)]
    if params.max_seconds > 0:
        # It bounds the iterations and the scoring, not the loading before and the writing after them.
        beside = ratio * (IMPORTING + ending(n_obs, n_vars, wanted, most).output)
        limits = [min(limit, params.max_seconds + beside) for limit in limits]
    return limits[0], limits[1]

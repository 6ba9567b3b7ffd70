"""What a run costs, measured: seconds of its iterations, and of what comes after them.

Two cores, nothing else on the machine. The loop is a power law through the runs of ``benchmarks/scale.py``. What comes
after it was measured on the demo (700 cells × 636 genes: baselines 10 s, map of the cells 18 s, figures 8 s) and on
1,000 simulated cells × 2,000 genes (7, 19 and 8 s): most of it does not grow with the data. Beside a server and another
run it took two to three times as long, as the loop did, so a third is laid on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from scgnn2_engine.params import RunParams

IMPORTING = 4.0
"""Seconds that a process needs to load its libraries."""

FEW = 3
"""Iterations after which a run that converges quickly has stopped."""

BASIS = "a rough model, measured on another machine with two cores"
"""On what the estimate rests where no earlier run corrects it."""

SWITCHES = ("evaluate_baselines", "evaluate_diagnostics", "evaluate_null_genes", "output_figures")
"""Parameters that decide what comes after the loop."""


class Ending(NamedTuple):
    """Seconds of the two stages after the loop: the final scoring, and writing the result with its figures."""

    scoring: float
    output: float


def growth(n_obs: int, n_vars: int) -> float:
    """How much longer than with 1,000 cells × 2,000 genes."""
    return float((n_obs / 1000) ** 0.6 * n_vars / 2000)


def loop_seconds(n_obs: int, n_vars: int) -> tuple[float, float]:
    """Seconds before the loop and of an iteration: 25 s and 18 s for 1,000 cells × 2,000 genes."""
    return 25 * growth(n_obs, n_vars), 18 * growth(n_obs, n_vars)


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
    [13, 33]
    """
    grown = growth(n_obs, n_vars)
    baselines = 12 + 4 * grown if params.get("evaluate_baselines") else 0.0
    scoring = baselines + (0.5 + 0.5 * grown if params.get("evaluate_diagnostics") else 0.0)
    if params.get("evaluate_diagnostics") and params.get("evaluate_null_genes"):
        before, each = loop_seconds(n_obs, n_vars)
        scoring += before + each * n_iterations + baselines
    output = 0.5 + 0.5 * grown + (32 + 2 * grown if params.get("output_figures") else 0.0)
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
    (71, 71)
    """
    wanted, most = params.to_dict(), max(1, params.total_epoch)
    limits = [ratio * run_seconds(n_obs, n_vars, wanted, n) for n in (min(FEW, most), most)]
    if params.max_seconds > 0:
        # It bounds the iterations and the scoring, not the loading before and the writing after them.
        beside = ratio * (IMPORTING + ending(n_obs, n_vars, wanted, most).output)
        limits = [min(limit, params.max_seconds + beside) for limit in limits]
    return limits[0], limits[1]

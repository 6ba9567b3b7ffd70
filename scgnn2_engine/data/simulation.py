"""Labelled counts of any size, drawn from a stated model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Dataset, Truth
from scgnn2_engine.errors import ParameterError

_BLOCK_VALUES = 1_000_000


def simulate(
    n_obs: int,
    n_vars: int,
    n_types: int = 5,
    *,
    dropout: float = 0.0,
    mean_count: float = 0.5,
    dispersion: float = 0.2,
    depth_spread: float = 0.3,
    marker_share: float = 0.1,
    marker_strength: float = 1.0,
    seed: int = 1,
) -> Dataset:
    """Draw labelled negative-binomial counts with cell types, library sizes and dropout.

    The model is that of Splat (Zappia, Phipson and Oshlack, Genome Biology 2017) without its outliers, and with dropout
    that is uniform: gene g has the base mean b_g ~ Gamma(0.6, 1/0.3), scaled to ``mean_count`` on average; in type t a
    share ``marker_share`` of the genes, drawn anew, is multiplied by exp(z), z ~ N(0, ``marker_strength``); cell c has
    the depth exp(N(0, ``depth_spread``)), its total following from it; the count is Poisson with a Gamma-distributed
    mean, which is negative binomial with variance m + ``dispersion`` m². Then every count is lost with probability
    ``dropout``.

    Parameters
    ----------
    n_obs, n_vars
        Cells and genes.
    n_types
        Cell types, of random sizes (each has at least one cell).
    dropout
        Probability that a count is lost (becomes 0).
    mean_count
        Mean count per cell and gene before dropout: the knob for density. 0.05 leaves about 95 % zeros, 0.5
        about 73 %, 5 about 31 %.
    dispersion
        Of the negative binomial; 0 draws Poisson counts.
    depth_spread
        Standard deviation of the log library size.
    marker_share, marker_strength
        How many genes tell a type from the others, and by how much (standard deviation of the log fold change).
    seed
        Same seed, same bytes.

    Returns
    -------
    Dataset
        (n_obs, n_vars) counts, float32 CSR, built in blocks of cells so that nothing dense of that size exists; the
        types are in ``truth`` and in ``obs['cell_type']``.

    Raises
    ------
    ParameterError
        A number is out of its range, a size or the seed is not whole, or there are more types than cells.

    Examples
    --------
    >>> data = simulate(100, 200, n_types=3, dropout=0.2)
    >>> data.expression.shape, data.scale, sorted(set(data.obs["cell_type"]))
    ((100, 200), 'counts', ['type_0', 'type_1', 'type_2'])
    """
    for name, size in (("n_obs", n_obs), ("n_vars", n_vars), ("n_types", n_types), ("seed", seed)):
        _check_whole(name, size)
    _check("seed", seed, 0)
    _check("n_vars", n_vars, 1)
    _check("n_types", n_types, 1)
    _check("n_obs", n_obs, n_types)
    _check("dropout", dropout, 0, below=1)
    for name, value in (
        ("mean_count", mean_count),
        ("dispersion", dispersion),
        ("depth_spread", depth_spread),
        ("marker_strength", marker_strength),
    ):
        _check(name, value, 0)
    _check("marker_share", marker_share, 0, below=1 + 1e-9)
    random = np.random.default_rng(seed)
    profiles = _profiles(random, n_vars, n_types, mean_count, marker_share, marker_strength)
    types = _types(random, n_obs, n_types)
    depth = np.exp(random.normal(0.0, depth_spread, n_obs) - depth_spread**2 / 2)
    blocks = []
    size = max(1, _BLOCK_VALUES // n_vars)
    for start in range(0, n_obs, size):
        cells = slice(start, start + size)
        means = profiles[types[cells]] * depth[cells, None]  # (block, n_vars)
        if dispersion > 0:
            means *= random.standard_gamma(1 / dispersion, means.shape) * dispersion
        counts = random.poisson(means)
        if dropout > 0:
            counts[random.random(counts.shape) < dropout] = 0
        blocks.append(sp.csr_matrix(counts, dtype=np.float32))
    labels = np.asarray([f"type_{t}" for t in types], dtype=np.str_)
    obs_names = np.asarray([f"cell_{c}" for c in range(n_obs)], dtype=np.str_)
    return Dataset(
        expression=sp.vstack(blocks, format="csr", dtype=np.float32),
        obs_names=obs_names,
        var_names=np.asarray([f"gene_{g}" for g in range(n_vars)], dtype=np.str_),
        scale="counts",
        truth=Truth(labels, source="simulate"),
        obs=pd.DataFrame({"cell_type": labels.astype(object)}, index=pd.Index(obs_names.astype(object))),
        notes=(f"Simulated: {n_obs} cells x {n_vars} genes of {n_types} types, seed {seed}, dropout {dropout:g}.",),
        facts={"source": "simulate", "orientation": "cells-by-genes", "matrix": "simulated", "scale": "counts"},
    )


def _profiles(
    random: np.random.Generator, n_vars: int, n_types: int, mean_count: float, share: float, strength: float
) -> npt.NDArray[np.float64]:
    """(n_types, n_vars) mean counts of a cell of depth 1; every type has the same total."""
    base = random.gamma(0.6, 1 / 0.3, n_vars) + 1e-12
    fold = np.exp(random.normal(0.0, strength, (n_types, n_vars)))
    profiles = base * np.where(random.random((n_types, n_vars)) < share, fold, 1.0)
    scaled: npt.NDArray[np.float64] = profiles * (mean_count * n_vars / profiles.sum(axis=1, keepdims=True))
    return scaled


def _types(random: np.random.Generator, n_obs: int, n_types: int) -> npt.NDArray[np.int64]:
    """(n_obs,) types of random proportions, each present."""
    proportions = random.dirichlet(np.full(n_types, 5.0))
    types = np.concatenate([np.arange(n_types), random.choice(n_types, n_obs - n_types, p=proportions)])
    return random.permutation(types)


def _check_whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ParameterError(
            f"{name} of the simulation is not a whole number.",
            expected="a whole number",
            found=repr(value),
            advice=f"Give {name} as an int.",
        )


def _check(name: str, value: float, low: float, below: float = np.inf) -> None:
    if not low <= value < below:
        expected = f"at least {low:g}" + (f" and below {below:g}" if np.isfinite(below) else "")
        raise ParameterError(
            f"{name} of the simulation is out of range.",
            expected=expected,
            found=f"{value:g}",
            advice=f"Choose another {name}.",
        )

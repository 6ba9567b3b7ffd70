"""Bulk deconvolution: what a bulk sample says about the clusters, their cells and the genes.

Four optimisations (Gu et al., Bioinformatics 2022), each a sum of plain (unsquared) norms under a lower bound, and
convex. The objectives stand in :mod:`scgnn2_engine.bulk.deconvolution_objectives`, the descent that solves them in
:mod:`scgnn2_engine.bulk.deconvolution_solvers`.

Rows are cells everywhere; on the ln(1 + expression) scale.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scgnn2_engine.bulk.deconvolution_input import ClusteredCells
from scgnn2_engine.bulk.deconvolution_solvers import Descent
from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.events import Event, Notice, Stop, drain, never
from scgnn2_engine.params import RunParams


@dataclass(frozen=True)
class Deconvolution:
    """What the bulk sample says.

    Attributes
    ----------
    clusters
        (k,) int32 labels of the clusters, ascending: the order of ``weights`` and of the columns of ``profiles``.
    genes
        (g,) positions of the shared genes among the n_vars genes.
    weights
        (k,) weights of the clusters in the bulk profile, >= 0. They add up to what the difference in scale between
        bulk and single cells asks for, not to 1.
    profiles
        (g, k) float32 expression profiles of the clusters, >= 0.
    gene_scaling
        (g,) factor of every gene, >= 1.
    cell_profiles
        (n_obs, g) float32 expression profiles of the cells, >= 0.
    losses
        Final value of each objective: ``opt1``, ``opt2``, ``opt3`` (summed over the clusters), ``tune``.
    """

    clusters: npt.NDArray[np.int32]
    genes: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    profiles: npt.NDArray[np.float32]
    gene_scaling: npt.NDArray[np.float64]
    cell_profiles: npt.NDArray[np.float32]
    losses: Mapping[str, float]

    @property
    def proportions(self) -> npt.NDArray[np.float64]:
        """(k,) the weights as shares of their sum; all 0 where every weight is 0."""
        total = self.weights.sum()
        return self.weights / total if total > 0 else self.weights.copy()

    @property
    def bulk_imputed(self) -> npt.NDArray[np.float32]:
        """(n_obs, g) the expression that the bulk sample suggests for every cell: scaling times cell profile."""
        return self.cell_profiles * self.gene_scaling.astype(np.float32)

    def summary(self) -> dict[str, Any]:
        """All but the cell profiles, with ``proportions``: what a run keeps, as attribute to value."""
        kept = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "cell_profiles"}
        return kept | {"proportions": self.proportions}


def deconvolve(
    expression: Floats,
    labels: Ints,
    bulk: Floats,
    params: RunParams | None = None,
    *,
    imputed: Floats | None = None,
    genes: Ints | None = None,
    states: npt.NDArray[np.uint8] | None = None,
    seed: int = 1,
    device: torch.device | str = "cpu",
) -> Deconvolution:
    """Deconvolve a bulk profile over clusters of cells by the four published optimisations.

    Parameters
    ----------
    expression
        (n_obs, n_vars) observed expression, ln(1 + x) scale, 0 where nothing was seen.
    labels
        (n_obs,) cluster of every cell, any integers.
    bulk
        On the shared genes, either (g,) a profile, already ln(1 + x) (see
        :func:`~scgnn2_engine.bulk.matching.match_bulk`), or (n_samples, g) samples, not logged: the profile is then the
        mean of ln(1 + bulk) over them.
    params
        The groups ``deconv``, ``deconv_opt1``, ``deconv_opt2``, ``deconv_opt3`` and ``deconv_tune`` are read.
        By Adam, projected onto the bounds after every step, from a random normal start, whatever ``deconv_method``
        says (for the estimate of a run with ``"shares"`` see :func:`~scgnn2_engine.bulk.shares.bulk_shares`).
    imputed
        (n_obs, n_vars) imputed expression; read only where ``expression`` is 0. None: ``expression`` itself.
    genes
        (g,) positions of the shared genes among the n_vars; None: all of them, in order.
    states
        (n_obs, n_vars) LTMG states. With them the cluster means of step 1 run over the expressed entries (state >= 1)
        only; a gene expressed in no cell of a cluster has mean 0 there.
    seed
        Of the random starts.
    device
        Where it runs; ``mps`` falls back to the processor (the nuclear norm needs float64).

    Returns
    -------
    Deconvolution

    Raises
    ------
    InputError
        Shapes do not agree, or a value is not finite or negative.
    TrainingError
        A loss became NaN or infinite (a learning rate far too large, or values far off the ln(1 + x) scale).

    Notes
    -----
    Gu et al., Bioinformatics 2022, doi 10.1093/bioinformatics/btac684, with their defaults. Every optimisation ends
    after ``epoch`` steps, when its loss falls below ``epsilon``, or when it stayed within ``deconv_tolerance`` times
    itself over the last 10 steps.

    Beside the matrices given and the result it holds, for the largest cluster, its observed and single-cell rows and at
    most four more matrices of their size. The nuclear norm costs an eigendecomposition of the smaller of that
    cluster's cells and the genes in every step.

    Examples
    --------
    >>> import numpy as np
    >>> cells = np.log1p(np.array([[9, 0, 5], [8, 1, 5], [0, 7, 5], [1, 9, 0]], dtype=np.float32))
    >>> bulk = 0.75 * cells[:2].mean(axis=0) + 0.25 * cells[2:].mean(axis=0)
    >>> found = deconvolve(cells, np.array([0, 0, 1, 1]), bulk)
    >>> found.profiles.shape, found.cell_profiles.shape, np.round(found.weights, 3).tolist()
    ((3, 2), (4, 3), [0.75, 0.25])
    """
    return drain(
        iterate_deconvolution(
            expression, labels, bulk, params, imputed=imputed, genes=genes, states=states, seed=seed, device=device
        )
    )


def iterate_deconvolution(
    expression: Floats,
    labels: Ints,
    bulk: Floats,
    params: RunParams | None = None,
    *,
    imputed: Floats | None = None,
    genes: Ints | None = None,
    states: npt.NDArray[np.uint8] | None = None,
    seed: int = 1,
    device: torch.device | str = "cpu",
    iteration: int = 0,
    stop: Stop = never,
) -> Generator[Event, None, Deconvolution]:
    """Deconvolve step by step; parameters, result and errors as for :func:`deconvolve`.

    Yields an :class:`EpochEnded` for every step of every optimisation, its loss under ``"loss"`` and under the name of
    the optimisation (``opt1``, ``opt2``, ``opt3`` with the number of the cluster, ``tune``). Once ``stop`` returns
    True, the optimisation under way and those to come take the values they are pulled towards (cluster proportions,
    cluster means, the single-cell imputation, 1), since a random start that was not trained is worth less.
    """
    params = params or RunParams()
    given = ClusteredCells.checked(expression, expression if imputed is None else imputed, labels, bulk, genes, states)
    solver = Descent(params, iteration, stop, seed, device)
    losses: dict[str, float] = {}
    means = given.cluster_means()
    weights, losses["opt1"] = yield from solver.weights(given.bulk, means, given.counts / given.counts.sum())
    profiles, losses["opt2"] = yield from solver.profiles(given.bulk, weights, means)

    cell_profiles = np.empty((given.n_obs, given.n_genes), dtype=np.float32)
    losses["opt3"] = 0.0
    for number, cluster in enumerate(given.clusters):
        cells = given.cells(number)
        observed, single_cell = given.rows(cells)
        unseen = observed == 0
        del observed  # as large as the cluster, and all that is needed of it is where it is 0
        cell_profiles[cells], loss = yield from solver.cells(
            profiles[:, number], single_cell, unseen, number, int(cluster)
        )
        losses["opt3"] += loss

    mixture = given.mean_per_cluster(cell_profiles) @ weights
    scaling, losses["tune"] = yield from solver.scaling(given.bulk, mixture)
    if solver.stopped:
        yield Notice.of("bulk_cut_short")
    return Deconvolution(
        clusters=given.clusters.astype(np.int32),
        genes=given.genes,
        weights=weights,
        profiles=profiles.astype(np.float32),
        gene_scaling=scaling,
        cell_profiles=cell_profiles,
        losses=losses,
    )

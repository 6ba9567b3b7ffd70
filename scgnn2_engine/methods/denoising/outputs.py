"""What a run by denoising returns: the value, what to expect, and with rates the rate of every gene.

``value``: the value of each gene where it is seen. ``expected``: with rates (E √count)², a typical count of another
look at the cell given its rate and what was seen, zeros included, on the square-root scale and so below the mean; else
the value times the share of the neighbours in which the gene is seen. The better guess where errors are measured on a
logarithmic scale. ``rate``: the mean count of another look, given the rate and what was seen (posterior mean), which is
what sums and means are taken of; with rates. ``zeros_kept``: the value, but 0 where 0 was seen and is the likelier:
given the rate, else as fewer than half of the neighbours see the gene. ``imputed`` is the value or what to expect
(``imputation_target``).

The value knows nothing of the entries held out of the training, so that its error there is that of all others; what to
expect, and the rate, take them as they were seen.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.blocks import Block, BlockMatrix, Cells, as_blocks
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.data.matrices import visible_expression
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.data.ties import LARGEST_TIE, l1_verdict, ties_within_cells
from scgnn2_engine.events import Notice
from scgnn2_engine.methods.denoising.counts import (
    dispersion_cells,
    gene_dispersions,
    posterior_rate,
    root_expectation,
    zero_is_likely,
)
from scgnn2_engine.methods.protocol import Expression, Outputs
from scgnn2_engine.methods.zeros import SeenByNeighbours, zeros_kept
from scgnn2_engine.params import FeatureAEParams, RunParams


def denoised_outputs(prepared: Prepared, imputed: Expression, graph: CellGraph, params: RunParams) -> Outputs:
    """The imputed expression, and other answers beside it.

    Parameters
    ----------
    prepared
        The expression; entries hidden by the benchmark count as the zeros they appear to be.
    imputed
        What the members say together.
    graph
        The cell graph.
    params
        ``imputation_target``, ``keep_zeros``, and the dispersion of the counts.
    """
    value = as_blocks(imputed.value).map(prepared.to_output_scale).remembered()
    has_rates = imputed.log_rate is not None
    is_expected, notices = _is_expected(prepared, params, has_rates=has_rates)
    found = {"value": value}
    counts = None
    if not has_rates or params.keep_zeros > 0:
        counts = SeenByNeighbours.of(prepared, graph, with_held_out=is_expected)
    if imputed.log_rate is not None:
        found |= _by_rate(prepared, as_blocks(imputed.log_rate), value, params.feature_AE)
    elif counts is not None:
        found |= _by_share(counts, value)
    if counts is not None and params.keep_zeros > 0:
        names = ("expected" if is_expected else "value", "zeros_kept")
        left, said = zeros_kept(counts, params.keep_zeros, {name: found[name] for name in names if name in found})
        found |= left
        notices.append(said)
    chosen = found.pop("expected" if is_expected else "value")
    return Outputs(chosen, found, tuple(notices))


def _is_expected(prepared: Prepared, params: RunParams, *, has_rates: bool) -> tuple[bool, list[Notice]]:
    """Whether ``imputed`` is what to expect of a gene, and what to say of it."""
    target = params.imputation_target
    if target == "value":
        return False, []
    if params.use_bulk:
        if target == "auto":
            return False, []
        if not has_rates:  # then it is made of the values, which have the bulk in them
            return True, []
        return True, [Notice.of("bulk_in_value")]
    if target == "expected":
        return True, []
    visible = visible_expression(prepared, with_held_out=True)
    if l1_verdict(visible)[0]:
        if prepared.scale != "counts" and ties_within_cells(visible) >= LARGEST_TIE:
            return False, [Notice.of("normalised_counts")]
        return False, []
    return True, [Notice.of("imputed_is_expected", has_rates=has_rates)]


def _by_rate(
    prepared: Prepared, log_rate: BlockMatrix, value: BlockMatrix, settings: FeatureAEParams
) -> dict[str, BlockMatrix]:
    visible = visible_expression(prepared, with_held_out=True)
    rate = log_rate.map(lambda rows, cells: np.exp(rows, out=rows) * prepared.size_factors[cells][:, None])
    rate = rate.remembered()
    dispersion: float | npt.NDArray[np.float64] = settings.dispersion
    if settings.gene_dispersion:
        some = dispersion_cells(prepared.n_obs)
        dispersion = gene_dispersions(rate[some], dense(visible[some]))

    def posterior(rows: Block, cells: Cells) -> Block:
        return posterior_rate(rows, dense(visible[cells]), dispersion)

    def expected(rows: Block, cells: Cells) -> Block:
        counts = dense(visible[cells])
        # Who has seen a count knows the rate better than before: the posterior is gamma, of shape θ + count.
        known = np.asarray(dispersion, np.float32) + counts if np.any(dispersion) else 0.0
        return np.log1p(root_expectation(posterior_rate(rows, counts, dispersion), known))

    def zeros_kept(rows: Block, cells: Cells) -> Block:
        rows[(dense(visible[cells]) == 0) & zero_is_likely(rate[cells], dispersion)] = 0
        return rows

    return {
        "rate": rate.map(posterior).map(lambda rows, _: np.log1p(rows, out=rows)),
        "expected": rate.map(expected),
        "zeros_kept": value.map(zeros_kept),
    }


def _by_share(counts: SeenByNeighbours, value: BlockMatrix) -> dict[str, BlockMatrix]:
    k = counts.graph.k

    def expected(rows: Block, cells: Cells) -> Block:
        rows *= counts(cells) / np.float32(k)
        return rows

    def zeros_kept(rows: Block, cells: Cells) -> Block:
        rows[2 * counts(cells).astype(np.uint32) < k] = 0
        return rows

    return {"expected": value.map(expected), "zeros_kept": value.map(zeros_kept)}


def dense(matrix: Matrix) -> npt.NDArray[np.float32]:
    """A new dense array of the rows."""
    return np.array(matrix.todense() if hasattr(matrix, "todense") else matrix, np.float32)

"""How a run with ``feature_AE_objective = denoise`` averages and embeds what it trains, and what any run returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.data.matrices import stored, visible_expression
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.data.ties import LARGEST_TIE, l1_verdict, ties_within_cells
from scgnn2_engine.events import Notice
from scgnn2_engine.graph.components import principal_components
from scgnn2_engine.graph.neighbours import build_graph
from scgnn2_engine.graph.seen_share import fewest_neighbours, seen_by_neighbours
from scgnn2_engine.methods.denoising.counts import gene_dispersions, posterior_rate, root_expectation, zero_is_likely
from scgnn2_engine.methods.denoising.training import Observed, observe
from scgnn2_engine.model.state import DenoisingFit, Ensemble, LoopState
from scgnn2_engine.params import FeatureAEParams, RunParams

OF_NORMALISED = (
    "A third or more of the non-zero entries of a cell share one value, as the ones of counts do once normalised. "
    "The imputed expression is the value of a gene where it is seen, which of such data says little more than that it "
    "is seen. Give the counts themselves, or take imputation_target = expected."
)


def median_count(prepared: Prepared) -> float:
    """Median of the visible non-zero counts; NaN where the data are not counts or nothing is visible."""
    if prepared.scale != "counts":
        return float("nan")
    values = stored(visible_expression(prepared, with_held_out=False))
    values = values[values > 0]
    return float(np.median(values)) if len(values) else float("nan")


def take_in(prepared: Prepared, params: RunParams) -> tuple[Observed, list[Notice]]:
    """The cells as the networks take them, and what was decided about their counts."""
    settings = params.feature_AE
    median = median_count(prepared)
    counts = settings.count_weight > 0 and median <= settings.count_limit
    notices = []
    if counts:
        notices.append(
            Notice(
                f"The rate of every gene is trained beside its value: the median non-zero count is {median:g}.",
                "info",
                "feature_AE",
            )
        )
    elif settings.count_weight > 0:
        why = (
            f"the data are {prepared.scale}"
            if np.isnan(median)
            else f"the median non-zero count is {median:g}, above feature_AE_count_limit = {settings.count_limit:g}"
        )
        notices.append(
            Notice(
                f"No rates are trained, so there is no output rate: {why}.",
                "info",
                "feature_AE",
            )
        )
    observed = observe(
        prepared.x,
        prepared.validation,
        prepared.size_factors,
        prepared.states,
        counts=counts,
        regu_strength=settings.regu_strength,
    )
    return observed, notices


@dataclass(frozen=True)
class Mean:
    """What the members of an ensemble say together.

    Attributes
    ----------
    value
        (n_obs, n_vars) float32 value of each gene where it is seen, on the scale of ``Prepared.x``.
    log_rate
        (n_obs, n_vars) float32 log rate per unit of size factor, or None.
    """

    value: npt.NDArray[np.float32]
    log_rate: npt.NDArray[np.float32] | None

    @classmethod
    def of(cls, ensemble: Ensemble) -> Mean:
        """The means of the sums."""
        return cls(ensemble.mean_value(), ensemble.mean_log_rate())

    def components(self, params: RunParams, seed: int) -> npt.NDArray[np.float32]:
        """(n_obs, d) principal components of the expected expression: ln(1 + rate), or the values without rates."""
        expression = self.value if self.log_rate is None else np.log1p(np.exp(self.log_rate))
        return principal_components(expression, params.graph_AE.n_components, seed=seed)


def settle(state: LoopState, refined: Mean, *, ensemble: bool) -> LoopState:
    """The state once the cluster autoencoders have refined the last member: it counts as refined from now on."""
    settled = (state.ensemble if ensemble and state.ensemble is not None else Ensemble()).with_member(
        refined.value, refined.log_rate
    )
    mean = Mean.of(settled)
    return replace(state, ensemble=settled, imputed=mean.value, log_rate=mean.log_rate)


def join(state: LoopState | None, fit: DenoisingFit, *, ensemble: bool) -> Mean:
    """The mean of the settled members and the one just trained; without an ensemble the latter alone."""
    settled = state.ensemble if state is not None and ensemble else None
    return Mean.of((settled or Ensemble()).with_member(fit.reconstruction, fit.log_rate))


def neighbours_of(fit: DenoisingFit, params: RunParams, n_neighbours: int, seed: int) -> npt.NDArray[np.int64]:
    """(n_obs, k) neighbours in what one member alone says."""
    points = Mean(fit.reconstruction, fit.log_rate).components(params, seed)
    return build_graph(points, construction="v2", n_neighbours=n_neighbours, seed=seed).neighbours


@dataclass(frozen=True)
class Answers:
    """What a run returns of its last state, ln(1 + x) with the cells' own library sizes.

    Attributes
    ----------
    imputed
        (n_obs, n_vars) float32 what ``imputation_target`` asks for: the value of each gene where it is seen, or what
        to expect of it; 0 where a zero is left as it is (``keep_zeros``).
    others
        (n_obs, n_vars) float32 each: other answers to what a gene's expression is (objective ``denoise``).

        ``"value"``: the value of each gene where it is seen. ``"expected"``: with rates (E √count)², a typical count of
        another look at the cell given its rate and what was seen, zeros included, on the square-root scale and so
        below the mean; else the value times the share of the neighbours in which the gene is seen. The better guess
        where errors are measured on a logarithmic scale. (One of these two is ``imputed`` already, and not repeated.)
        ``"rate"``: the mean count of another look, given the rate and what was seen (posterior mean), which is what
        sums and means are taken of; with rates. ``"zeros_kept"``: the value, but 0 where 0 was seen and is the
        likelier: given the rate, else as fewer than half of the neighbours see the gene.

        The value knows nothing of the entries held out of the training, so that its error there is that of all others;
        what to expect, and the rate, take them as they were seen.
    notices
        Which of them is ``imputed`` where the data decided, and what was left at 0.
    """

    imputed: npt.NDArray[np.float32]
    others: Mapping[str, npt.NDArray[np.float32]]
    notices: tuple[Notice, ...] = ()


def answers(prepared: Prepared, state: LoopState, params: RunParams) -> Answers:
    """The imputed expression, and other answers beside it.

    Parameters
    ----------
    prepared
        The expression; entries hidden by the benchmark count as the zeros they appear to be.
    state
        With ``imputed``, and with its ``log_rate`` where there are rates.
    params
        ``imputation_target``, ``keep_zeros``, the objective and the dispersion of the counts.
    """
    if state.imputed is None:
        raise ValueError("expected the state of an iteration, found the state before the loop")
    value = prepared.to_output_scale(state.imputed)
    if value is state.imputed:
        value = value.copy()  # zeros are put into it
    by_share = state.log_rate is None and params.feature_AE.objective == "denoise"
    is_expected, notices = _is_expected(prepared, params, has_rates=state.log_rate is not None)
    found = {"value": value}
    if state.log_rate is not None:
        found |= _by_rate(prepared, state.log_rate, value, params.feature_AE)
    if by_share or params.keep_zeros > 0:
        # A new matrix: nothing is shared with the input.
        seen = sp.csr_matrix(visible_expression(prepared, with_held_out=is_expected) > 0, dtype=np.float32)
        is_seen, k = seen.nonzero(), state.graph.k
        counts = seen_by_neighbours(seen, state.graph.neighbours)
        at_seen = np.bincount(counts[is_seen], minlength=k + 1)
        counts[is_seen] = k  # what was seen is no zero
        if by_share:
            found |= _by_share(counts, k, value)
        if params.keep_zeros > 0:
            fewest = fewest_neighbours(at_seen, params.keep_zeros)
            kept = counts < fewest
            for name in {"expected" if is_expected else "value", "zeros_kept"} & found.keys():
                found[name][kept] = 0
            notices.append(_said_of_zeros(int(kept.sum()), value.size - seen.nnz, fewest, k, params.keep_zeros))
    imputed = found.pop("expected" if is_expected else "value")
    return Answers(imputed, found, tuple(notices))


def _is_expected(prepared: Prepared, params: RunParams, *, has_rates: bool) -> tuple[bool, list[Notice]]:
    """Whether ``imputed`` is what to expect of a gene, and what to say of it."""
    target = params.imputation_target
    if params.feature_AE.objective == "reconstruct" or target == "value":
        return False, []
    if params.use_bulk:
        if target == "auto":
            return False, []
        if not has_rates:  # then it is made of the values, which have the bulk in them
            return True, []
        said = "The bulk expression is in the output value, not in the imputed expression, which is the expected one."
        return True, [Notice(f"{said} imputation_target = value takes the other.", "warning", "output")]
    if target == "expected":
        return True, []
    visible = visible_expression(prepared, with_held_out=True)
    if l1_verdict(visible)[0]:
        if prepared.scale != "counts" and ties_within_cells(visible) >= LARGEST_TIE:
            return False, [Notice(OF_NORMALISED, "warning", "output")]
        return False, []
    said = (
        "The imputed expression is what to expect of a gene, zeros included: a third or more of the non-zero entries "
        "share one value, so the value of a gene where it is seen says no more than that it is seen. It is the output "
        "value (imputation_target = value takes it for the imputed expression)."
    )
    more = " For sums and means take the output rate." if has_rates else ""
    return True, [Notice(said + more, "info", "output")]


def _said_of_zeros(n_kept: int, n_zeros: int, fewest: int, k: int, keep_zeros: float) -> Notice:
    if fewest == 0:
        share = f"{keep_zeros:.2%}"
        said = f"No zero is left at 0: more than {share} of the seen entries have no neighbour that sees the gene."
    else:
        said = (
            f"{n_kept / max(1, n_zeros):.1%} of the zeros are left at 0: fewer than {fewest} of the {k} neighbours of "
            f"the cell see the gene (keep_zeros = {keep_zeros:g})."
        )
    return Notice(said, "info", "output")


def _by_rate(
    prepared: Prepared, log_rate: npt.NDArray[np.float32], value: npt.NDArray[np.float32], settings: FeatureAEParams
) -> dict[str, npt.NDArray[np.float32]]:
    counts = _dense(visible_expression(prepared, with_held_out=True))
    rate = np.exp(log_rate)
    rate *= prepared.size_factors[:, None]
    dispersion = gene_dispersions(rate, counts) if settings.gene_dispersion else settings.dispersion
    kept = value.copy()
    kept[(counts == 0) & zero_is_likely(rate, dispersion)] = 0
    posterior = posterior_rate(rate, counts, dispersion)
    # Who has seen a count knows the rate better than before: the posterior is a gamma distribution of shape θ + count.
    known = np.asarray(dispersion, np.float32) + counts if np.any(dispersion) else 0.0
    expected = root_expectation(posterior, known)
    return {"rate": np.log1p(posterior), "expected": np.log1p(expected), "zeros_kept": kept}


def _by_share(
    counts: npt.NDArray[np.uint16], k: int, value: npt.NDArray[np.float32]
) -> dict[str, npt.NDArray[np.float32]]:
    expected = counts.astype(np.float32)
    expected /= k
    expected *= value
    kept = value.copy()
    kept[2 * counts.astype(np.uint32) < k] = 0
    return {"expected": expected, "zeros_kept": kept}


def _dense(matrix: Matrix) -> npt.NDArray[np.float32]:
    return np.asarray(matrix.todense() if hasattr(matrix, "todense") else matrix, np.float32)

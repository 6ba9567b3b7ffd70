"""The published method: what the networks reconstruct is what they were given, iteration after iteration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.bulk.steps import BULK_METHODS
from scgnn2_engine.data.blocks import AnyMatrix, as_blocks
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Ints
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import ParameterError
from scgnn2_engine.events import Notice
from scgnn2_engine.methods.protocol import Before, Expression, Fit, Labels, Outputs, Weights
from scgnn2_engine.methods.published.cluster_ae import ClusterFit, iterate_cluster_ae
from scgnn2_engine.methods.published.feature_ae import FeatureFit, iterate_feature_ae
from scgnn2_engine.methods.zeros import SeenByNeighbours, zeros_kept
from scgnn2_engine.params import RunParams
from scgnn2_engine.training.context import Context, Steps

MATRICES = 8  # x, imputed and reconstruction of the last, the best and the new iteration, a stage's input and output


@dataclass(frozen=True)
class Reconstructed:
    """What the autoencoders reconstruct; see :class:`~scgnn2_engine.methods.Fit`."""

    weights: Weights
    embedding: npt.NDArray[np.float32]
    reconstruction: AnyMatrix
    imputed: Expression | None = None
    newest: None = None
    corrected: None = None

    @property
    def together(self) -> Expression:
        """What the feature autoencoder says."""
        return Expression(self.reconstruction)


class Published:
    """scGNN 2.0 as published (Gu et al., Bioinformatics 2022); see :class:`~scgnn2_engine.methods.Method`."""

    stored: ClassVar[tuple[type, ...]] = (Reconstructed, Expression, FeatureFit, ClusterFit)

    def __init__(self, prepared: Prepared, params: RunParams) -> None:
        self.notices: Sequence[Notice] = ()
        self._prepared, self._params = prepared, params
        # A step takes the share of the bulk only where it is not told by held-out entries how far to follow it.
        self.bulk_feeds_back = not BULK_METHODS[params.deconv.method].by_held_out

    def start(self, context: Context) -> Steps[Reconstructed]:
        """A feature autoencoder that reconstructs the expression, weighted by the LTMG states."""
        return (yield from self._features(context, None, 0))

    def train(self, context: Context, before: Before, iteration: int) -> Steps[Reconstructed]:
        """The feature autoencoder goes on, with what was imputed as its target."""
        return (yield from self._features(context, before, iteration))

    def _features(self, context: Context, before: Before | None, iteration: int) -> Steps[Reconstructed]:
        params, prepared = self._params, self._prepared
        n_epochs = params.feature_AE.epoch[0 if before is None else 1]
        steps = iterate_feature_ae(
            np.asarray(prepared.x),
            target=None if before is None or before.imputed is None else np.asarray(before.imputed),
            states=prepared.states if before is None else None,
            validation=prepared.validation,
            previous=self._previous(before),
            weights=None if before is None else before.fit.weights,
            params=params.feature_AE,
            n_epochs=n_epochs,
            seed=context.seed(1, iteration),
            device=context.device,
            iteration=iteration,
            stop=context.watch,
            mixed_precision=params.mixed_precision,
        )
        found = yield from context.timed("feature_AE", iteration, steps, n_epochs)
        fit = Reconstructed(found.weights, found.embedding, found.reconstruction)
        return fit if before is None else replace(fit, imputed=before.fit.imputed)

    def refine(self, context: Context, before: Before, labels: Labels, iteration: int) -> Steps[Reconstructed]:
        """One autoencoder per cluster; together they impute."""
        params, prepared, fit = self._params, self._prepared, before.fit
        steps = iterate_cluster_ae(
            np.asarray(prepared.x),
            np.asarray(fit.reconstruction),
            labels,
            before.graph.adjacency(weighted=params.graph_AE.retain_weights),
            weights=fit.weights,
            validation=prepared.validation,
            previous=self._previous(before),
            params=params.cluster_AE,
            mixed_precision=params.mixed_precision,
            seed=context.seed(5, iteration),
            device=context.device,
            iteration=iteration,
            stop=context.watch,
        )
        found = yield from context.timed("cluster_AE", iteration, steps, params.cluster_AE.epoch)
        return Reconstructed(fit.weights, fit.embedding, fit.reconstruction, Expression(found.imputed))

    def _previous(self, before: Before | None) -> npt.NDArray[np.float32] | None:
        """The embedding that stands beside the feature autoencoder's input, if any."""
        kind = self._params.feature_AE.concat_prev_embed
        if before is None or kind == "none":
            return None
        return before.fit.embedding if kind == "feature" else before.graph_embedding

    def compared(self, expression: Expression) -> AnyMatrix:
        """The reconstruction, zeros included."""
        return expression.value

    def outputs(self, imputed: Expression, graph: CellGraph) -> Outputs:
        """The values, with the cells' library sizes."""
        value = as_blocks(imputed.value).map(self._prepared.to_output_scale)
        if self._params.keep_zeros == 0:
            return Outputs(value)
        counts = SeenByNeighbours.of(self._prepared, graph, with_held_out=False)
        found, said = zeros_kept(counts, self._params.keep_zeros, {"value": value})
        return Outputs(found["value"], notices=(said,))

    def project(
        self, fit: Fit, x: sp.csr_matrix, neighbours: Ints | None = None, *, share_known: float = 1.0
    ) -> Reconstructed:
        """Not possible: what it learns of a cell rests on what was imputed of it in the iterations before."""
        raise ParameterError(
            "New cells cannot be mapped onto a run with feature_AE_objective = reconstruct.",
            expected="a run with feature_AE_objective = denoise, as in the preset default",
            found="feature_AE_objective = reconstruct",
        )

    @staticmethod
    def memory(n_obs: int, n_vars: int, n_nonzero: int, params: RunParams) -> Mapping[str, int]:
        """Dense matrices of all cells: every iteration trains on what the last imputed."""
        return {"imputed expression and reconstructions": 4 * MATRICES * n_obs * n_vars}

    @staticmethod
    def idle(params: RunParams) -> Mapping[str, str]:
        """Those of the ensemble and of expected values."""
        rest = {"ensemble": params.ensemble, "imputation_target": params.imputation_target == "expected"}
        return {key: "it rests on feature_AE_objective = denoise" for key, is_set in rest.items() if is_set}

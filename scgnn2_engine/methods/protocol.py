"""What a method is to the rest of the program.

A run goes ``start`` → (clusters → ``refine`` → ``train`` → cell graph → graph autoencoder) for every iteration →
``outputs``. Whatever differs between methods stands behind these four functions, and what a method has learned behind
:class:`Fit`; the loop, the evaluation, the estimate of memory and the output know no method by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.blocks import AnyMatrix, BlockMatrix, as_blocks
from scgnn2_engine.events import Notice

if TYPE_CHECKING:
    import scipy.sparse as sp

    from scgnn2_engine.data.cell_graph import CellGraph
    from scgnn2_engine.data.dataset import Ints
    from scgnn2_engine.data.prepared import Prepared
    from scgnn2_engine.params import RunParams
    from scgnn2_engine.training.context import Context, Steps

Labels = npt.NDArray[np.int32]
Weights = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Expression:
    """What networks say of every gene of every cell.

    Attributes
    ----------
    value
        (n_obs, n_vars) float32 value of each gene, on the scale of ``Prepared.x``.
    log_rate
        (n_obs, n_vars) float32 logarithm of the expected count per unit of size factor, or None.
    """

    value: AnyMatrix
    log_rate: AnyMatrix | None = None

    @property
    def expected(self) -> AnyMatrix:
        """(n_obs, n_vars) ln(1 + rate), or the values without rates."""
        if self.log_rate is None:
            return self.value
        return as_blocks(self.log_rate).map(lambda rows, _: np.log1p(np.exp(rows, out=rows), out=rows))


class Fit(Protocol):
    """What a method has learned so far."""

    @property
    def weights(self) -> Weights:
        """Those of the feature autoencoder that was trained last, by name."""

    @property
    def embedding(self) -> npt.NDArray[np.float32]:
        """(n_obs, 128) its embedding of the cells."""

    @property
    def reconstruction(self) -> AnyMatrix:
        """(n_obs, n_vars) what it alone says."""

    @property
    def together(self) -> Expression:
        """What all that was trained says, the newest as it is: neighbours and clusters rest on it."""

    @property
    def newest(self) -> Expression | None:
        """What the member that was trained last says where it is one of several; None: what ``together`` says."""

    @property
    def imputed(self) -> Expression | None:
        """What the iteration says, its clusters refined; None before the first."""

    @property
    def corrected(self) -> BlockMatrix | None:
        """(n_obs, n_vars) ln(1 + what is expected at the median library size) of the cells as of one batch, or None."""


@dataclass(frozen=True)
class Before:
    """What an iteration starts from, as a method's trainings may ask for it.

    Attributes
    ----------
    fit
        What was learned.
    imputed
        (n_obs, n_vars) what the iteration says, bulk expression included where it feeds back; None before the first.
    graph
        The cell graph.
    graph_embedding
        (n_obs, d) of the graph autoencoder.
    """

    fit: Fit
    imputed: AnyMatrix | None
    graph: CellGraph
    graph_embedding: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Outputs:
    """What a run returns of its last state, ln(1 + x) with the cells' own library sizes, computed when asked for.

    Attributes
    ----------
    imputed
        (n_obs, n_vars) float32 imputed expression; 0 where a zero is left as it is (``keep_zeros``).
    others
        (n_obs, n_vars) float32 each: other answers to what a gene's expression is, by name.
    notices
        What the data decided.
    """

    imputed: BlockMatrix
    others: Mapping[str, BlockMatrix] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()


class Method(Protocol):
    """Imputation by autoencoders, bound to the cells of one run.

    Attributes
    ----------
    notices
        What was decided about the data when the method took them in.
    bulk_feeds_back
        Whether what bulk expression adds to the imputation is trained on in the next iteration.
    stored
        The dataclasses that its fits and its stages are made of, which checkpoints and saved models hold.
    """

    notices: Sequence[Notice]
    bulk_feeds_back: bool
    stored: ClassVar[tuple[type, ...]]

    def __init__(self, prepared: Prepared, params: RunParams) -> None: ...

    def start(self, context: Context) -> Steps[Fit]:
        """The first feature autoencoder, before any graph."""

    def refine(self, context: Context, before: Before, labels: Labels, iteration: int) -> Steps[Fit]:
        """An autoencoder for each cluster; its ``imputed`` is what the iteration says."""

    def train(self, context: Context, before: Before, iteration: int) -> Steps[Fit]:
        """The feature autoencoder of an iteration, after the clusters'."""

    def compared(self, expression: Expression) -> AnyMatrix:
        """(n_obs, n_vars) what neighbours and clusters are told by; absence counts in it as presence does."""

    def outputs(self, imputed: Expression, graph: CellGraph) -> Outputs:
        """What the run returns; ``imputed`` with bulk expression in its values where there was any."""

    def project(self, fit: Fit, x: sp.csr_matrix, neighbours: Ints | None = None, *, share_known: float = 1.0) -> Fit:
        """What was learned, for other cells; nothing is trained.

        Parameters
        ----------
        fit
            What was learned.
        x
            (n, n_vars) ln(1 + expression / size factor), 0 for genes that were not measured.
        neighbours
            (n, k) positions of trained cells, whose clusters' autoencoders speak for the new ones; None: no cluster's.
        share_known
            Share of the entries that are usually seen which lie in measured genes.

        Raises
        ------
        ParameterError
            The method cannot.
        """

    @staticmethod
    def memory(n_obs: int, n_vars: int, n_nonzero: int, params: RunParams) -> Mapping[str, int]:
        """Bytes that its training holds at the peak, by what they are for."""

    @staticmethod
    def idle(params: RunParams) -> Mapping[str, str]:
        """Parameters that were set and that this method does not use, and why."""

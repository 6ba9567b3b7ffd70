"""New cells on a trained model: embedding, neighbours, clusters, imputed expression; nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.data.blocks import AnyMatrix, Block, BlockMatrix, Cells, as_blocks
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.data.matrices import as_csr, most_frequent
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.graph.components import Basis
from scgnn2_engine.graph.novelty import unlike, usual_limit
from scgnn2_engine.io import read
from scgnn2_engine.methods import Expression, method_of
from scgnn2_engine.model.new_cells import NewCells, fitted, logged

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn2_engine.io.samples.given import Data
    from scgnn2_engine.model.model import Model

N_NEIGHBOURS = 15
UNKNOWN = -1
FAR = 0.995
"""Share of the old cells that lie nearer to their neighbours than a new cell that is unknown for its distance."""

REFERENCE_CELLS = 2_000
"""Old cells, evenly spaced, by which it is told how much a cell usually differs from its neighbours."""

SHALLOWER = 0.9
"""Depth of new cells, over that of the model's, below which these are thinned to it for the comparison."""

N_COMPONENTS = 20


@dataclass(frozen=True)
class MappedCells:
    """What a model says of cells that it has not seen.

    Attributes
    ----------
    obs_names, var_names
        (n,) cells, and (n_vars,) genes of the model.
    embedding
        (n, 128) float32 latents in the feature autoencoder that was trained last.
    neighbours, distances
        (n, k) positions of the nearest cells among those of the model, and distances on their principal components.
    nearest
        (n,) int32 cluster of most of the neighbours.
    confidence
        (n,) float32 share of the neighbours in it.
    unknown
        (n,) bool, whether a cell is unlike all cells of the model.
    size_factors
        (n,) float32 library sizes over the median of the model's.
    expression
        (n, n_vars) what was observed, on the scale of the model's data.
    outputs
        Gives ``matrices``.
    notes, warnings
        What was decided about the data, and what deserves a second look.
    """

    obs_names: npt.NDArray[np.str_]
    var_names: npt.NDArray[np.str_]
    embedding: npt.NDArray[np.float32]
    neighbours: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float32]
    nearest: npt.NDArray[np.int32]
    confidence: npt.NDArray[np.float32]
    unknown: npt.NDArray[np.bool_]
    size_factors: npt.NDArray[np.float32]
    expression: sp.csr_matrix
    outputs: Callable[[], Mapping[str, BlockMatrix]]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def matrices(self) -> Mapping[str, BlockMatrix]:
        """``imputed`` and the run's other outputs by name, (n, n_vars) each, computed when asked for."""
        return self.outputs()

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """(n,) clusters, −1 where a cell is unknown."""
        return np.where(self.unknown, np.int32(UNKNOWN), self.nearest)

    def place(self, positions: Floats) -> npt.NDArray[np.float32]:
        """(n, d) places on a map: the mean of the neighbours', the nearer the heavier.

        Parameters
        ----------
        positions
            (n_old, d) places of the model's cells, such as ``obsm["X_scgnn2_umap"]`` of its run.
        """
        weights = 1 / np.maximum(self.distances, 1e-6)
        weights /= weights.sum(axis=1, keepdims=True)
        return np.asarray((weights[:, :, None] * np.asarray(positions)[self.neighbours]).sum(axis=1), np.float32)

    def to_anndata(self) -> AnnData:
        """The cells with all of it: ``obs``, ``obsm["X_scgnn2_feature"]``, and the imputed expression as a layer."""
        from anndata import AnnData

        imputed = np.asarray(self.matrices["imputed"])
        obs = self.table().astype({"scgnn2_cluster": "category", "scgnn2_nearest_cluster": "category"})
        adata = AnnData(self.expression, obs=obs, var=pd.DataFrame(index=self.var_names.astype(object)))
        adata.layers["scgnn2_imputed"] = imputed
        adata.obsm["X_scgnn2_feature"] = self.embedding
        return adata

    def table(self) -> pd.DataFrame:
        """A row for each cell: its cluster or ``unknown``, the nearest cluster, its share of the neighbours."""
        labels = np.where(self.unknown, "unknown", self.nearest.astype(str))
        columns = {
            "scgnn2_cluster": labels,
            "scgnn2_nearest_cluster": self.nearest.astype(str),
            "scgnn2_confidence": self.confidence,
            "scgnn2_mean_distance": self.distances.mean(axis=1),
        }
        return pd.DataFrame(columns, index=pd.Index(self.obs_names.astype(object), name="cell"))


class Reference:
    """The cells of a model as new ones are compared with them.

    Parameters
    ----------
    model, prepared
        The model and what it was trained on.

    Attributes
    ----------
    x
        (n_old, n_vars) CSR, ln(1 + expression / size factor).
    method
        Of the run.
    basis, scores
        Principal components of what neighbours rest on before any cluster refined it, and the cells on them.
    """

    def __init__(self, model: Model, prepared: Prepared) -> None:
        self._model, self._prepared = model, prepared
        self.method = method_of(model.params)(prepared, model.params)
        self.x = as_csr(prepared.x)
        compared = self._compared(self.x, 1.0)
        self.basis = Basis.of(compared, model.params.graph_AE.n_components or N_COMPONENTS, seed=model.params.seed)
        self.scores = self.basis.scores(compared)
        self.n_neighbours = min(N_NEIGHBOURS, len(self.scores) - 1)

    def place(self, x: sp.csr_matrix, share_known: float, n_more: int = 0) -> tuple[npt.NDArray[np.int64], Floats]:
        """(n, k) nearest cells of the model, and distances, of any cells."""
        scores = self.basis.scores(self._compared(x, share_known))
        return _nearest(self.scores, scores, self.n_neighbours + n_more)

    def _compared(self, x: sp.csr_matrix, share_known: float) -> AnyMatrix:
        """What neighbours rest on in a run: ln(1 + rate), or without rates what was observed."""
        said = self.method.project(self._model.fit, x, share_known=share_known).together
        if said.log_rate is not None:
            return said.expected
        return as_blocks(x)

    def usual(self, depth: float, measured: npt.NDArray[np.bool_], share_known: float) -> tuple[BlockMatrix, Floats]:
        """What cells of the model would show if they were new: residuals and mean distances of up to 2,000 of them.

        Cells that are shallower scatter more. Counts are therefore thinned to the depth of the new cells, and genes
        that were not measured are left out.

        Parameters
        ----------
        depth
            Median size factor of the new cells over that of the model's.
        measured, share_known
            Genes of the new data.
        """
        n_old = len(self.scores)
        some = np.linspace(0, n_old - 1, min(REFERENCE_CELLS, n_old)).astype(np.int64)
        x = self.x[some]
        if self._prepared.scale == "counts" and depth < SHALLOWER:
            x = self._thinned(some, depth)
        x = sp.csr_matrix(x.multiply(measured[None, :].astype(np.float32)))
        neighbours, distances = self.place(x, share_known, n_more=1)
        own = neighbours == some[:, None]
        own[~own.any(axis=1), -1] = True
        shape = (len(some), self.n_neighbours)
        return self.residuals(x, neighbours[~own].reshape(shape)), distances[~own].reshape(shape).mean(axis=1)

    def _thinned(self, cells: Ints, depth: float) -> sp.csr_matrix:
        counts = sp.csr_matrix(self._prepared.expression[cells], copy=True)
        drawn = np.random.default_rng(self._model.params.seed).binomial(counts.data.astype(np.int64), depth)
        counts.data = drawn.astype(np.float32)
        counts.eliminate_zeros()
        return logged(counts, depth * self._prepared.size_factors[cells])

    def residuals(self, x: sp.csr_matrix, neighbours: Ints) -> BlockMatrix:
        """(n, n_vars) what cells have more or less of every gene than the mean of their neighbours."""
        n, k = neighbours.shape
        starts = np.arange(0, n * k + 1, k)
        mean = sp.csr_matrix((np.full(n * k, 1 / k, np.float32), neighbours.reshape(-1), starts), (n, len(self.scores)))

        def rows(cells: Cells) -> Block:
            return np.asarray((x[cells] - mean[cells] @ self.x).toarray(), np.float32)

        return BlockMatrix((n, self.x.shape[1]), rows)


def map_cells(model: Model, reference: Reference, data: Data) -> MappedCells:
    """See :meth:`scgnn2_engine.Model.map`."""
    prepared = model.require_data()
    new = fitted(read(data, model.params.load.replace(layer="")), model, prepared)
    neighbours, distances = reference.place(new.x, new.share_known)
    nearest, confidence = _voted(model.labels[neighbours])
    depth = float(np.median(new.size_factors) / np.median(prepared.size_factors))
    usual, usual_distances = reference.usual(depth, new.measured, new.share_known)
    known = new.measured.astype(np.float32)
    unknown = (distances.mean(axis=1) > usual_limit(usual_distances[:, None], FAR)) | new.empty
    unknown |= unlike(
        reference.residuals(new.x, neighbours).map(lambda rows, _: rows * known),
        usual.map(lambda rows, _: rows * known),
        seed=model.params.seed,
    )
    projected = reference.method.project(model.fit, new.x, neighbours, share_known=new.share_known)
    return MappedCells(
        obs_names=new.obs_names,
        var_names=model.var_names,
        embedding=projected.embedding,
        neighbours=neighbours,
        distances=distances,
        nearest=nearest,
        confidence=confidence,
        unknown=unknown,
        size_factors=new.size_factors,
        expression=new.expression,
        outputs=partial(_outputs, model, prepared, new, projected.imputed, CellGraph(neighbours, distances, distances)),
        notes=new.notes,
        warnings=(*new.warnings, *_about_unknown(unknown & ~new.empty), *_about_run(model)),
    )


def _outputs(
    model: Model, prepared: Prepared, new: NewCells, imputed: Expression | None, graph: CellGraph
) -> dict[str, BlockMatrix]:
    """The outputs of the new cells, as the run would have them beside its own cells."""
    before = model.fit.imputed
    assert imputed is not None
    assert before is not None
    n_old, k = prepared.n_obs, min(model.graph.k, graph.k)
    together = replace(
        prepared,
        x=_stacked(prepared.x, new.x),
        expression=sp.vstack([sp.csr_matrix(prepared.expression), new.expression], format="csr"),
        size_factors=np.concatenate([prepared.size_factors, new.size_factors]),
        obs_names=np.concatenate([prepared.obs_names, new.obs_names]),
        cells=np.arange(n_old + len(new.obs_names)),
        states=None,
        batches=None,
    )
    beside = CellGraph(
        *(
            np.concatenate([getattr(model.graph, part)[:, :k], getattr(graph, part)[:, :k]])
            for part in ("neighbours", "distances", "weights")
        )
    )
    rates = (before.log_rate, imputed.log_rate)
    everything = Expression(
        _stacked(before.value, imputed.value),
        None if rates[0] is None or rates[1] is None else _stacked(rates[0], rates[1]),
    )
    method = method_of(model.params)(together, model.params)
    found = method.outputs(everything, beside)
    return {name: _rest(matrix, n_old) for name, matrix in {"imputed": found.imputed, **found.others}.items()}


def _stacked(first: AnyMatrix, second: AnyMatrix | sp.csr_matrix) -> BlockMatrix:
    """One matrix below another."""
    n, upper, lower = len(first), as_blocks(first), as_blocks(second)

    def rows(cells: Cells) -> Block:
        asked = np.arange(n + len(lower))[cells]
        found = np.empty((len(asked), upper.shape[1]), np.float32)
        for matrix, mine, start in ((upper, asked < n, 0), (lower, asked >= n, n)):
            if mine.any():
                found[mine] = matrix[asked[mine] - start]
        return found

    return BlockMatrix((n + len(lower), upper.shape[1]), rows)


def _rest(matrix: BlockMatrix, start: int) -> BlockMatrix:
    """The rows of a matrix from one on."""
    n = len(matrix) - start
    return BlockMatrix((n, matrix.shape[1]), lambda cells: matrix[np.arange(n)[cells] + start])


def _nearest(old: Floats, new: Floats, k: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    from sklearn.neighbors import NearestNeighbors

    distances, neighbours = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(old).kneighbors(new)
    return neighbours.astype(np.int64), distances.astype(np.float32)


def _voted(groups: Ints) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The most frequent group of every row, the smallest of several, and its share."""
    chosen = most_frequent(groups)
    return chosen.astype(np.int32), (groups == chosen[:, None]).mean(axis=1).astype(np.float32)


def _about_unknown(unknown: npt.NDArray[np.bool_]) -> list[str]:
    share = float(unknown.mean())
    if share == 0:
        return []
    said = f"{int(unknown.sum())} of {len(unknown)} cells are unlike all cells of the model: their cluster is unknown."
    if share > 0.5:
        said += " They are most of the new cells: is it another tissue, species or protocol than the model's?"
    return [said]


def _about_run(model: Model) -> list[str]:
    said = []
    if model.correction is not None:
        said.append("The bulk expression of the run is not in the values of the new cells.")
    if model.params.load.batch_key:
        said.append("The new cells are taken for cells of no batch of the run: nothing is corrected for theirs.")
    return said

"""What a run learned: weights, latents of the cells, graph and clusters, from which all outputs are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.bulk.correction import Correction, Fused, Shifted
from scgnn2_engine.clusters.tree import ClusterTree
from scgnn2_engine.data.blocks import BlockMatrix, row_blocks
from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.io import read_dataset
from scgnn2_engine.io.atomic import whole_file
from scgnn2_engine.io.results.saved import SavedObserved
from scgnn2_engine.io.results.saved_prepared import read_prepared
from scgnn2_engine.methods import METHODS, Expression, Fit, Outputs, method_of
from scgnn2_engine.model.mapping import MappedCells, Reference, map_cells
from scgnn2_engine.model.other_genes import fit_genes, gene_positions
from scgnn2_engine.params import RunParams
from scgnn2_engine.resources import versions
from scgnn2_engine.results.state import LoopState
from scgnn2_engine.results.storage import restore, store

if TYPE_CHECKING:
    from scgnn2_engine.io.samples.given import Data

FILE = "model.npz"


@dataclass(frozen=True)
class Model:
    """What a run learned.

    With the data it was trained on (``run.json`` names them) it gives every output of the run again, byte for byte on
    the same machine.

    Attributes
    ----------
    params
        All parameters of the run.
    obs_names, var_names
        (n_obs,) cells and (n_vars,) genes.
    size_factors
        (n_obs,) float32 library sizes over their median; 1 without library-size normalisation.
    fit
        What the method learned: weights of all members, and latents of the cells.
    correction
        What bulk expression adds, or None.
    graph
        The cell graph.
    labels
        (n_obs,) int32 clusters.
    graph_embedding
        (n_obs, d) float32.
    iteration
        1-based, of the state that was returned.
    versions
        Of the program and the libraries.
    prepared
        The cells as they were trained on, or None: a model that was loaded without data can be looked at only.

    tree, membership
        How the clusters merge, and (n_obs,) how much each cell belongs to its own; None but by consensus.

    Examples
    --------
    >>> import scgnn2_engine as sc2, tempfile
    >>> data = sc2.simulate(n_obs=60, n_vars=40, n_types=2, seed=0)
    >>> model = sc2.fit(data, sc2.RunParams(total_epoch=1, feature_AE_epoch=[5, 5], device="cpu")).model
    >>> model.save(folder := tempfile.mkdtemp())
    >>> again = sc2.Model.load(folder, data)
    >>> some = again.outputs("rate", cells=["cell_1", "cell_0"], genes=["gene_3"])
    >>> some.shape, bool((some == model.outputs("rate", cells=["cell_1", "cell_0"], genes=["gene_3"])).all())
    ((2, 1), True)
    """

    params: RunParams
    obs_names: npt.NDArray[np.str_]
    var_names: npt.NDArray[np.str_]
    size_factors: npt.NDArray[np.float32]
    fit: Fit
    correction: Correction | None
    graph: CellGraph
    labels: npt.NDArray[np.int32]
    graph_embedding: npt.NDArray[np.float32]
    iteration: int
    versions: Mapping[str, str]
    prepared: Prepared | None = None
    tree: ClusterTree | None = None
    membership: npt.NDArray[np.float32] | None = None

    @classmethod
    def of(cls, state: LoopState, prepared: Prepared, params: RunParams) -> Self:
        """The model that stands behind the state of an iteration."""
        if state.labels is None:
            raise ValueError("expected the state of an iteration, found the state before the loop")
        return cls(
            params=params,
            obs_names=prepared.obs_names,
            var_names=prepared.var_names,
            size_factors=prepared.size_factors,
            fit=state.fit,
            correction=state.correction,
            graph=state.graph,
            labels=state.labels,
            graph_embedding=state.graph_embedding,
            iteration=state.iteration,
            versions=versions(),
            prepared=prepared,
            tree=state.tree,
            membership=state.membership,
        )

    @cached_property
    def found(self) -> Outputs:
        """All outputs, whose rows are computed when asked for, and what the data decided about them.

        Raises
        ------
        InputError
            The model was loaded without its data.
        """
        prepared = self.require_data()
        imputed = self.fit.imputed
        if imputed is None:
            raise ValueError("expected what an iteration learned, found what stands before the loop")
        if self.correction is not None:
            imputed = replace(imputed, value=self.correction(prepared.x, imputed.value))
        found = method_of(self.params)(prepared, self.params).outputs(imputed, self.graph)
        corrected = self.fit.corrected
        return found if corrected is None else replace(found, others={**found.others, "corrected": corrected})

    def require_data(self) -> Prepared:
        """What was trained on.

        Raises
        ------
        InputError
            The model was loaded without its data.
        """
        if self.prepared is None:
            raise InputError(
                "The model was loaded without the data it was trained on, from which its outputs are computed.",
                expected="Model.load(folder, data)",
                found="Model.load(folder)",
                advice="Give the data that run.json names, or take Model.of_run(folder).",
            )
        return self.prepared

    @cached_property
    def _reference(self) -> Reference:
        return Reference(self, self.require_data())

    def map(self, data: Data) -> MappedCells:
        """Place new cells among those of the model, and impute them, without training.

        Parameters
        ----------
        data
            New cells: anything :func:`scgnn2_engine.read` takes, an AnnData or a :class:`Dataset`. Genes may come in
            any order, and up to 30 % of the model's may be missing; values are on the scale of the model's data, or for
            a model of logged values also counts.

        Returns
        -------
        MappedCells
            Embedding, neighbours among the model's cells, the cluster of most of them and their share, whether the cell
            is unlike all of the model's, and the outputs of the run for it.

        Raises
        ------
        InputError
            The model has no data, genes do not match, or the scale is another.
        ParameterError
            The method cannot map.

        Notes
        -----
        Neighbours are nearest on the principal components of what the ensemble expects of every gene. A cell is unknown
        where its neighbours are farther than those of 99.5 % of the model's cells, or where it differs from them in a
        direction in which they do not differ (:func:`scgnn2_engine.graph.novelty.unlike`), for which at least 50 new
        cells must come together.

        Examples
        --------
        >>> import scgnn2_engine as sc2
        >>> data = sc2.simulate(n_obs=60, n_vars=40, n_types=2, seed=0)
        >>> params = sc2.RunParams(total_epoch=1, feature_AE_epoch=[5, 5], device="cpu")
        >>> mapped = sc2.fit(data, params).model.map(sc2.simulate(n_obs=5, n_vars=40, n_types=2, seed=1))
        >>> mapped.labels.shape, mapped.neighbours.shape, mapped.matrices["imputed"].shape == (5, len(mapped.var_names))
        ((5,), (5, 15), True)
        """
        return map_cells(self, self._reference, data)

    @property
    def matrices(self) -> dict[str, BlockMatrix]:
        """``imputed`` and the other outputs by name, (n_obs, n_vars) each."""
        return {"imputed": self.found.imputed, **self.found.others}

    def outputs(
        self,
        name: str = "imputed",
        *,
        cells: Sequence[str] | npt.NDArray[Any] | slice | None = None,
        genes: Sequence[str] | npt.NDArray[Any] | None = None,
    ) -> npt.NDArray[np.float32]:
        """An output of some cells and genes, ln(1 + expression) with the cells' own library sizes and in their batches.

        Parameters
        ----------
        name
            ``"imputed"``, ``"value"``, ``"expected"``, ``"rate"`` or ``"zeros_kept"``, where the run has it; with
            batches also ``"corrected"``: what is expected of every cell in one batch, the mean of all, at the median
            library size.
        cells
            Names, positions or a slice; None: all.
        genes
            Names or positions; None: all.

        Returns
        -------
        (n_cells, n_genes) float32

        Raises
        ------
        ParameterError
            There is no such output, cell or gene.
        InputError
            The model was loaded without its data.
        """
        if name not in self.matrices:
            raise ParameterError(
                f"This run has no output {name}.", expected=f"one of {', '.join(self.matrices)}", found=name
            )
        chosen = slice(None) if cells is None else _positions(cells, self.obs_names, "cell")
        columns = slice(None) if genes is None else _positions(genes, self.var_names, "gene")
        matrix = self.matrices[name]
        # Genes are picked from every block, so that no more than the answer is ever whole.
        asked = np.arange(len(self.obs_names))[chosen]
        parts = [matrix[asked[block]][:, columns] for block in row_blocks(len(asked))]
        return np.concatenate(parts) if parts else np.empty((0, len(self.var_names[columns])), np.float32)

    def other_genes(self, genes: Sequence[str], observed: SavedObserved | Dataset) -> npt.NDArray[np.float32]:
        """What is expected of genes of the input, also of those that were not trained on.

        Parameters
        ----------
        genes
            Names.
        observed
            What the run was given, of all genes: its data, or what
            :func:`scgnn2_engine.io.results.saved.read_observed` reads of a finished run.

        Returns
        -------
        (n_obs, n_genes) float32
            ln(1 + expression) with the cells' own library sizes: of counts the rate, else what is expected with zeros.

        Raises
        ------
        ParameterError
            The input has no such gene; the nearest names are said.
        InputError
            The model was loaded without its data, or ``observed`` are other cells.

        Notes
        -----
        A regression for each gene on the leading principal components of what the ensemble expects of the genes it was
        trained on (:func:`scgnn2_engine.model.other_genes.fit_genes`).

        Examples
        --------
        >>> import scgnn2_engine as sc2
        >>> data = sc2.simulate(n_obs=60, n_vars=40, n_types=2, seed=0)
        >>> params = sc2.RunParams(total_epoch=1, feature_AE_epoch=[5, 5], device="cpu", preprocess_cell_cutoff=1.0)
        >>> sc2.fit(data, params).model.other_genes(["gene_3", "gene_39"], data).shape
        (60, 2)
        """
        prepared, imputed = self.require_data(), self.fit.imputed
        assert imputed is not None
        names = observed.obs_names if isinstance(observed, Dataset) else observed.obs.index.to_numpy(str)
        cells = _cells_among(self.obs_names, names)
        columns = gene_positions(genes, observed.var_names)
        expression = observed.expression[cells][:, columns]
        learned = method_of(self.params)(prepared, self.params).compared(imputed)
        factors = self.size_factors if observed.scale == "counts" else None
        if observed.scale == "normalised":
            expression = sp.csr_matrix(expression).log1p()
        return fit_genes(learned, expression, factors, seed=self.params.seed)()

    def recluster(self, n_clusters: int = 0) -> npt.NDArray[np.int32]:
        """(n_obs,) another number of clusters, from the tree of the run's; nothing is trained.

        Parameters
        ----------
        n_clusters
            How many; 0: as many as are separated.

        Raises
        ------
        ParameterError
            The run has no tree, or it has not so many pieces.
        """
        if self.tree is None:
            raise ParameterError(
                "This run has no tree of clusters.",
                expected="a run with clustering_method = consensus",
                found=f"clustering_method = {self.params.clustering.method}, or a run of an earlier version",
                advice="Run it again.",
            )
        if not isinstance(n_clusters, int | np.integer) or not 0 <= n_clusters <= self.tree.n_leaves:
            raise ParameterError(
                "The tree of clusters cannot be cut into that many.",
                expected=f"1 to {self.tree.n_leaves}, or 0 for the {self.tree.n_separated} that are separated",
                found=repr(n_clusters),
                advice="A run with a larger clustering_resolution has more pieces.",
            )
        return self.tree.cut(n_clusters)

    def get_latent_representation(self) -> npt.NDArray[np.float32]:
        """(n_obs, 128) float32 latents of the cells in the feature autoencoder that was trained last."""
        return self.fit.embedding

    def get_normalized_expression(
        self, gene_list: Sequence[str] | None = None, *, library_size: float = 1e4
    ) -> npt.NDArray[np.float32]:
        """Expected expression of every cell at one library size, not logged: the rate, or without rates ``expected``.

        Parameters
        ----------
        gene_list
            Names of genes; None: all.
        library_size
            What the genes of every cell add up to.

        Returns
        -------
        (n_obs, n_genes) float32
        """
        name = next(name for name in ("rate", "expected", "imputed") if name in self.matrices)
        columns = slice(None) if gene_list is None else _positions(gene_list, self.var_names, "gene")
        parts = []
        for _, block in self.matrices[name].blocks():
            rows = np.expm1(block)
            parts.append(rows[:, columns] * (library_size / np.maximum(rows.sum(axis=1, keepdims=True), 1e-12)))
        return np.concatenate(parts).astype(np.float32)

    def save(self, folder: str | Path) -> None:
        """Write the model to ``model.npz`` in a folder: arrays and JSON, nothing that could be run.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        with whole_file(Path(folder) / FILE) as temporary:
            self.write(temporary)

    def write(self, path: Path) -> None:
        """Write the model to a file."""
        held = {name: getattr(self, name) for name in _STORED}
        store(path, {**held, "params": self.params.to_dict()})

    @classmethod
    def load(cls, folder: str | Path, data: Data | None = None) -> Self:
        """Read a model.

        Parameters
        ----------
        folder
            The output folder of a run, or where :meth:`save` wrote.
        data
            What the run was given (anything :func:`scgnn2_engine.fit` takes); it is prepared as the run did. None: the
            model can be looked at, but outputs that rest on the data cannot be computed.

        Raises
        ------
        InputError
            There is no model, it is damaged or of a later version, or the data are not those of the run.
        """
        path = _file_in(folder)
        learned = [kind for method in METHODS.values() for kind in method.stored]
        held = restore(path, (CellGraph, ClusterTree, Shifted, Fused, Expression, *learned))
        params = RunParams.from_dict(held.pop("params"))
        model = cls(params=params, **held)
        return model if data is None else model.with_data(prepare(read_dataset(params, data), params))

    @staticmethod
    def tree_of(folder: str | Path) -> ClusterTree | None:
        """The tree of clusters alone of a saved model, which takes no time; None where it has none.

        Raises
        ------
        InputError
            There is no model, or it is damaged.
        """
        tree: ClusterTree | None = restore(_file_in(folder), (ClusterTree,), only="tree")
        return tree

    @classmethod
    def of_run(cls, folder: str | Path) -> Self:
        """Read the model of a finished run, with its data from ``result.h5ad``.

        Raises
        ------
        InputError
            As :meth:`load`; there is no ``result.h5ad`` in the folder, or it is of another run.
        """
        return cls.load(folder).with_data(read_prepared(folder))

    def with_data(self, prepared: Prepared) -> Self:
        """The model with what it was trained on.

        Raises
        ------
        InputError
            It is of other cells or genes.
        """
        if prepared.obs_names.tolist() != self.obs_names.tolist() or (
            prepared.var_names.tolist() != self.var_names.tolist()
        ):
            raise InputError(
                "These data are not those of the model.",
                expected=f"{len(self.obs_names)} cells and {len(self.var_names)} genes that the run kept",
                found=f"{prepared.n_obs} cells and {prepared.n_vars} genes, not all the same",
                advice="Give the data that run.json names.",
            )
        return replace(self, prepared=prepared)


_STORED = (
    "obs_names",
    "var_names",
    "size_factors",
    "fit",
    "correction",
    "graph",
    "labels",
    "graph_embedding",
    "iteration",
    "versions",
    "tree",
    "membership",
)


def _file_in(folder: str | Path) -> Path:
    path = Path(folder) / FILE
    if not path.exists():
        inside = ", ".join(sorted(file.name for file in Path(folder).glob("*"))[:5]) or "an empty folder"
        is_folder = Path(folder).is_dir()
        raise InputError(
            f"There is no model in {folder}.",
            expected=f"a folder with {FILE}, which every run writes at its end",
            found=inside if is_folder else "a file" if Path(folder).exists() else "nothing of that name",
            advice="Name the output folder of a finished run; one that was killed goes on with --resume.",
        )
    return path


def _cells_among(mine: npt.NDArray[np.str_], names: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """Where the cells of a model stand among those of the input.

    Raises
    ------
    InputError
        Some are not there.
    """
    place = {str(name): position for position, name in enumerate(names)}
    missing = [str(name) for name in mine if str(name) not in place]
    if missing:
        raise InputError(
            "These data are not those of the model.",
            expected=f"its {len(mine)} cells",
            found=f"{len(missing)} of them are missing, {missing[0]} the first",
            advice="Give the data that run.json names.",
        )
    return np.array([place[str(name)] for name in mine], np.int64)


def _positions(wanted: Any, names: npt.NDArray[np.str_], kind: str) -> Any:
    """Positions of what was asked for by name or position."""
    if isinstance(wanted, slice):
        return wanted
    asked = np.asarray(wanted)
    if asked.dtype.kind not in "UO":
        return asked
    place = {str(name): position for position, name in enumerate(names)}
    unknown = [str(name) for name in asked if str(name) not in place]
    if unknown:
        raise ParameterError(
            f"The model has no {kind} {unknown[0]}.",
            expected=f"names of its {len(names)} {kind}s",
            found=f"{len(unknown)} that it does not have",
        )
    return np.array([place[str(name)] for name in asked], np.int64)

"""What a run left in its folder, finished or under way: read when it is first asked for, and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_app.results.annotations import Annotation, AnnotationFile, State
from scgnn2_app.results.every_gene import column_on_disk, names_of, nearest_names, telling_gene
from scgnn2_app.results.kept_map import kept_map
from scgnn2_app.results.quick_map import positions
from scgnn2_app.results.run_files import RunFiles
from scgnn2_app.runs import snapshots
from scgnn2_app.runs.snapshots import RESULT, Snapshot
from scgnn2_app.sources.source import label_name, opened
from scgnn2_engine.data.blocks import row_blocks
from scgnn2_engine.data.dataset import Matrix, Scale
from scgnn2_engine.errors import InputError, ScgnnError
from scgnn2_engine.io.labels import matched_labels
from scgnn2_engine.io.locations import in_folder
from scgnn2_engine.io.results.saved import read_embedding
from scgnn2_engine.markers import by_sample, rank_genes

if TYPE_CHECKING:
    from scgnn2_engine.model.model import Model

GENES_KEPT = 64
"""Columns of one gene that stay in memory."""

MOST_MARKER_VALUES = 50_000_000
"""With more values than this in the matrix of all genes, markers are looked for among the kept genes."""

MOST_GROUPS = 200
"""An annotation with more values than this is not a grouping of cells."""

IMPUTED_LAYER, VALUE_LAYER = "layers/scgnn2_imputed", "layers/scgnn2_value"

_OWN = "scgnn2_"


def _strings(column: pd.Series) -> npt.NDArray[np.str_]:
    """(n_obs,) texts, ``""`` where there is none."""
    found: npt.NDArray[np.str_] = column.astype(object).where(column.notna(), "").to_numpy(str)
    return found


@dataclass(frozen=True)
class IterationGraph:
    """The cell graph of one iteration on a map.

    Attributes
    ----------
    positions
        (n_obs, 2) float32 places of the cells.
    edges, weights
        (2, n_edges) positions of the cells of every undirected edge, and (n_edges,) how alike they are.
    labels
        (n_obs,) int64 clusters of that iteration.
    """

    positions: npt.NDArray[np.float32]
    edges: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]


class RunData(RunFiles):
    """The content of a run's folder.

    Everything is read from the files when it is first asked for. Dense matrices are never kept: the values of a gene
    come from the file, a column at a time, and :meth:`imputed` reads the whole matrix anew every time.

    Parameters
    ----------
    folder
        The ``--output_dir`` of a run, or the folder of a run in a workspace. With ``result.h5ad`` it is a finished
        run; without it one under way, of which there are the snapshots of its iterations.

    Raises
    ------
    InputError
        The folder holds neither a result nor snapshots.

    Examples
    --------
    >>> RunData("no such folder")
    Traceback (most recent call last):
    scgnn2_engine.errors.InputError: ...
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__(folder)
        self._newest = 0 if self.finished else max(snapshots.iterations(self.folder), default=0)
        self._own_maps: dict[int, npt.NDArray[np.float32]] = {}
        self.annotation_stamp = (0, 0)
        self._column = lru_cache(maxsize=GENES_KEPT)(self._read_column)

    def __repr__(self) -> str:
        state = "finished" if self.finished else "under way"
        return f"RunData({str(self.folder)!r}: {self.n_obs} cells x {self.n_vars} genes, {state})"

    @property
    def is_current(self) -> bool:
        """Whether this shows all that is there by now: a run under way may have gone on."""
        if self.finished:
            return True
        return not (self.folder / RESULT).is_file() and max(self.iterations, default=0) == self._newest

    def again(self) -> RunData:
        """The run as it is now; what it trains on is not read again while it is under way."""
        found = RunData(self.folder)
        if not found.finished:
            read = ("obs", "obs_names", "var_names", "genes", "scale", "_sparse", "_sparse_expression")
            found.__dict__.update({name: self.__dict__[name] for name in read if name in self.__dict__})
        return found

    # --- names -------------------------------------------------------------------------------------------------------

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return len(self.obs_names)

    @property
    def n_vars(self) -> int:
        """Number of genes."""
        return len(self.var_names)

    @cached_property
    def obs_names(self) -> npt.NDArray[np.str_]:
        """(n_obs,) names of the cells."""
        names: npt.NDArray[np.str_] = self.obs.index.to_numpy(str)
        return names

    @cached_property
    def var_names(self) -> npt.NDArray[np.str_]:
        """(n_vars,) names of the genes."""
        with self._file() as file:
            return names_of(file["var"])

    @cached_property
    def genes(self) -> Mapping[str, int]:
        """Position of every gene by its name."""
        return {str(name): position for position, name in enumerate(self.var_names)}

    @cached_property
    def genes_left_out(self) -> Mapping[str, int]:
        """Position, among all genes of the input, of those that the run did not keep."""
        with self._file() as file:
            names = names_of(file["raw/var"]) if "raw/X" in file else self.var_names
        return {str(name): position for position, name in enumerate(names) if str(name) not in self.genes}

    @property
    def tells_other_genes(self) -> bool:
        """Whether what is expected of the genes left out can be told, by what the run learned of the cells."""
        return self.finished and (self.folder / "clustering_embedding.csv").is_file()

    # --- cells -------------------------------------------------------------------------------------------------------

    @cached_property
    def obs(self) -> pd.DataFrame:
        """Annotation of the cells that came with the data and, once it is finished, what the run added."""
        return pd.DataFrame(self._element("obs"))

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """(n_obs,) clusters of the returned iteration, or of the newest one while the run is under way."""
        if self.finished:
            saved: npt.NDArray[np.int64] = self.obs["scgnn2_cluster"].astype(str).astype(np.int64).to_numpy()
            return saved
        if not self._newest:
            return np.zeros(self.n_obs, np.int64)
        return self.snapshot(self._newest).labels.astype(np.int64)

    @cached_property
    def truth_name(self) -> str:
        """Which of :attr:`groups` holds the given labels; ``""`` without labels."""
        given = self._given_labels
        if not given:
            return ""
        return given if given in self.groups else Path(given).name if Path(given).name in self.groups else ""

    @cached_property
    def _given_labels(self) -> str:
        """The column or file of the labels as the run was given it; of a benchmark's folder the file in there."""
        params = self.record.get("params") or self._job().get("params", {})
        if not self.finished and self._source is not None:
            return label_name(self._source, params)
        given = str(params.get("load_cell_type_labels") or "")
        if given or not (params.get("load_use_benchmark") and params.get("given_cell_type_labels")):
            return given
        folder = Path(str(params.get("load_dataset_dir"))).expanduser() / str(params.get("load_dataset_name"))
        return str(in_folder(folder, "top_cell_labels.csv") or "")

    @cached_property
    def groups(self) -> Mapping[str, npt.NDArray[np.str_]]:
        """Groupings of the cells that came with the data or were made here: (n_obs,) strings, ``""`` where unknown.

        For display only. The given labels stand first, annotations last.
        """
        found = self._labels_of_a_file()
        columns = [name for name in self.obs.columns if not name.startswith(_OWN) and self._is_grouping(name)]
        for name in sorted(columns, key=lambda name: name != self._given_labels):
            found.setdefault(str(name), _strings(self.obs[name]))
        return found | {name: one.labels for name, one in self.annotations.items()}

    @cached_property
    def annotation_file(self) -> AnnotationFile:
        """Where the annotations of a finished run are kept."""
        return AnnotationFile(self.folder, self.obs_names)

    @cached_property
    def annotation_state(self) -> State:
        """The annotations as they were last looked at."""
        if not self.finished:
            return State()
        self.annotation_stamp = self.annotation_file.stamp
        return self.annotation_file.read()

    @property
    def annotations(self) -> Mapping[str, Annotation]:
        """Annotations made on the page, by name; none where their file is damaged."""
        try:
            return self.annotation_state.named
        except InputError:
            return {}

    def take_annotations(self, state: State | None = None) -> None:
        """Look at the annotations again, or take up how a change left them."""
        for name in ("groups", "truth_name", "annotation_state"):
            self.__dict__.pop(name, None)
        if state is not None:
            self.annotation_stamp = self.annotation_file.stamp
            self.__dict__["annotation_state"] = state

    def _labels_of_a_file(self) -> dict[str, npt.NDArray[np.str_]]:
        """The given labels where they are a file: as the run's process has read it, else as it is now."""
        path = Path(self._given_labels)
        if not self._given_labels or self._given_labels in self.obs:
            return {}
        saved = snapshots.load_annotation(self.folder)
        if saved is not None and path.name in saved:
            return {path.name: _strings(saved[path.name])}
        with suppress(ScgnnError):  # changed since the run: it was read then
            return (
                {path.name: matched_labels(path, self.obs_names, self.obs.get("sample", ()))[0]}
                if path.is_file()
                else {}
            )
        return {}

    @cached_property
    def numbers(self) -> Mapping[str, npt.NDArray[np.float64]]:
        """Numbers known of every cell, (n_obs,) float64 each."""
        return {
            str(name): self.obs[name].to_numpy(float)
            for name in self.obs.columns
            if not name.startswith(_OWN)
            and pd.api.types.is_numeric_dtype(self.obs[name])
            and self.obs[name].notna().any()
        }

    def _is_grouping(self, name: str) -> bool:
        column = self.obs[name]
        return not pd.api.types.is_numeric_dtype(column) and 1 < column.nunique() <= MOST_GROUPS

    # --- the graph ---------------------------------------------------------------------------------------------------

    @cached_property
    def umap(self) -> npt.NDArray[np.float32]:
        """(n_obs, 2) map of the cells: the one the run saved, or one of its graph embedding, made once.

        While the run is under way its first two principal components, which take no time from it.
        """
        if not self.finished:
            return positions(self.embedding("graph")).astype(np.float32)
        with self._file() as file:
            if "obsm/X_scgnn2_umap" in file:
                return np.asarray(file["obsm/X_scgnn2_umap"], dtype=np.float32)
        return kept_map(self.folder, self.embedding("graph"), int(self.record.get("seed", 1)))

    @cached_property
    def _edges(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        if not self.finished:
            newest = self.snapshot(self._newest)
            return newest.edges.astype(np.int64), newest.weights.astype(np.float64)
        upper = sp.triu(self._element("obsp/scgnn2_connectivities"), k=1).tocoo()
        return np.stack([upper.row, upper.col]).astype(np.int64), upper.data

    @property
    def edges(self) -> npt.NDArray[np.int64]:
        """(2, n_edges) positions of the cells of every undirected edge."""
        return self._edges[0]

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """(n_edges,) how alike they are."""
        return self._edges[1]

    def embedding(self, kind: str = "graph") -> npt.NDArray[np.float32]:
        """(n_obs, d) embedding of the cells; ``kind``: graph, feature or clustering."""
        if not self.finished:
            newest = self.snapshot(self._newest)
            return newest.feature_embedding if kind == "feature" else newest.graph_embedding
        if kind == "clustering":
            saved: npt.NDArray[np.float32] = read_embedding(self.folder, kind).to_numpy(np.float32)
            return saved
        with self._file() as file:
            return np.asarray(file[f"obsm/X_scgnn2_{kind}"], dtype=np.float32)

    # --- iterations --------------------------------------------------------------------------------------------------

    @property
    def iterations(self) -> list[int]:
        """Iterations whose snapshots are there; a run of the command line leaves none."""
        return snapshots.iterations(self.folder)

    def snapshot(self, iteration: int) -> Snapshot:
        """Clusters, embeddings and graph of one iteration.

        Raises
        ------
        InputError
            Its snapshot is not there.
        """
        return snapshots.load_iteration(self.folder, iteration)

    def graph_of(self, iteration: int = 0, *, own_map: bool = False) -> IterationGraph:
        """The graph of one iteration.

        Parameters
        ----------
        iteration
            0: the one that was returned, or the newest one while the run is under way.
        own_map
            A map of that iteration's own graph embedding, which takes seconds the first time; otherwise the cells keep
            the places of the returned one.

        Raises
        ------
        InputError
            The snapshot of that iteration is not there.
        """
        if iteration == 0:
            return IterationGraph(self.umap, self.edges, self.weights, self.labels)
        found = self.snapshot(iteration)
        positions = self.umap
        if own_map:
            if iteration not in self._own_maps:
                self._own_maps[iteration] = kept_map(
                    self.folder, found.graph_embedding, int(self.record.get("seed", 1))
                )
            positions = self._own_maps[iteration]
        weights = found.weights.astype(np.float64)
        return IterationGraph(positions, found.edges.astype(np.int64), weights, found.labels.astype(np.int64))

    @property
    def selected_iteration(self) -> int:
        """The iteration that was returned, 0 while the run is under way."""
        return int(self.record.get("selected_iteration", 0))

    @cached_property
    def labels_history(self) -> pd.DataFrame:
        """(n_obs, n_iterations) clusters of every iteration, columns ``iteration_1`` and so on."""
        path = self.folder / "labels_history.csv"
        if path.is_file():
            return pd.read_csv(path, index_col=0, keep_default_na=False, dtype={0: str})
        columns = {f"iteration_{number}": snapshots.load_labels(self.folder, number) for number in self.iterations}
        return pd.DataFrame(columns, index=pd.Index(self.obs_names, name="cell"))

    # --- expression --------------------------------------------------------------------------------------------------

    @cached_property
    def scale(self) -> Scale:
        """Scale of :attr:`expression`: ``"counts"``, ``"normalised"`` or ``"logged"``."""
        scale: Scale = self._saved("scale_of_X", "counts")
        return scale

    @property
    def expression(self) -> Matrix:
        """(n_obs, n_vars) observed expression as it was given, on the scale :attr:`scale`.

        Kept in memory where it came sparse; a dense one is read from the file every time.
        """
        matrix: Matrix = self._sparse_expression if self._sparse else self._element("X")
        return matrix

    @cached_property
    def _sparse_expression(self) -> sp.csr_matrix:
        return self._element("X").tocsr()

    def imputed(self) -> npt.NDArray[np.float32]:
        """(n_obs, n_vars) imputed expression, ln(1 + x), read from the file and not kept.

        Raises
        ------
        InputError
            The run is under way.
        """
        self._must_be_finished("the imputed expression")
        with self._file() as file:
            return np.asarray(file[IMPUTED_LAYER], dtype=np.float32)

    @cached_property
    def imputed_is_expected(self) -> bool:
        """Whether the imputed expression is what to expect of a gene, its value where seen beside it."""
        if not self.finished:
            return False
        with self._file() as file:
            if VALUE_LAYER in file:
                return True
        return self._model is not None and "value" in self._model.matrices

    @cached_property
    def _model(self) -> Model | None:
        """What the run learned and its data, where it left answers out of its file; None of a run of earlier versions.

        What the file holds is read from it: a column is there at once, and the model computes whole rows.
        """
        asked = (self.record.get("params") or {}).get("output_layers", "auto")
        if asked in ("auto", "all", ""):
            return None
        from scgnn2_engine.model.model import Model

        with suppress(ScgnnError):  # there is none, or the data are no longer there
            params = Model.load(self.folder).params
            given = self.record["data"].get("source") if self._source is None else opened(self._source, params)[0]
            return Model.load(self.folder, given) if given is not None else None
        return None

    def _answer(self, layer: str) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
        """Rows and their values, a block at a time: from the file, or computed where it does not hold them."""
        with self._file() as file:
            if layer not in file and self._model is not None:
                yield from self._model.matrices[layer.removeprefix("layers/scgnn2_")].blocks()
            else:
                yield from ((block, np.asarray(file[layer][block], np.float32)) for block in row_blocks(self.n_obs))

    def gene(self, name: str, *, imputed: bool = False) -> npt.NDArray[np.float32]:
        """(n_obs,) ln(1 + x) of one gene, observed or imputed; one that the run did not keep is told by a regression.

        Raises
        ------
        InputError
            There is no such gene, or it shall be imputed and the run is under way, or left nothing to tell it by.
        """
        if name in self.genes_left_out and imputed and not self.tells_other_genes:
            raise InputError(
                f"The gene {name!r} was not imputed: it is not among the {self.n_vars:,} genes that the run kept.",
                advice="It can be shown as observed; preprocess_top_gene_select and preprocess_gene_cutoff keep more.",
            )
        if name not in self.genes and name not in self.genes_left_out:
            near = nearest_names(name, {**self.genes, **self.genes_left_out})
            raise InputError(
                f"The gene {name!r} is not among those of this run.",
                expected=f"one of {self.n_vars + len(self.genes_left_out):,} genes",
                advice=f"Did you mean {', '.join(near)}?" if near else "The input has no such gene.",
            )
        return self._column(name, imputed)

    def _read_column(self, name: str, imputed: bool) -> npt.NDArray[np.float32]:
        if name in self.genes_left_out:
            with self._file() as file:
                values = column_on_disk(file["raw/X"], self.genes_left_out[name])
            logged = values if self.scale == "logged" else np.log1p(values)
            return self._told(values, logged) if imputed else logged
        gene = self.genes[name]
        if imputed:
            self._must_be_finished("the imputed expression")
            with self._file() as file:
                return np.asarray(file[IMPUTED_LAYER][:, gene], dtype=np.float32)
        if not self._sparse:
            with self._file() as file:
                values = column_on_disk(file["X"], gene)
        else:
            values = np.asarray(self._sparse_expression[:, [gene]].toarray(), dtype=np.float32).ravel()
        return values if self.scale == "logged" else np.log1p(values)

    def _told(self, values: npt.NDArray[np.float32], logged: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n_obs,) ln(1 + x) that is expected of a gene, by a regression on the components behind the clusters."""
        from scgnn2_engine.model.other_genes import fit_scores

        counts = self.scale == "counts"
        factors = np.asarray(self._saved("size_factors", np.ones(self.n_obs)), np.float32) if counts else None
        return fit_scores(self._components, (values if counts else logged)[:, None], factors)()[:, 0]

    @cached_property
    def _components(self) -> npt.NDArray[np.float32]:
        return self.embedding("clustering")

    @cached_property
    def _sparse(self) -> bool:
        with self._file() as file:
            return isinstance(file["X"], h5py.Group)

    @cached_property
    def hidden_is_benchmark(self) -> bool:
        """Whether :attr:`hidden_positions` are those that a benchmark hid (``dropout_prob``)."""
        return bool(self._saved("hidden_entries", 0)) if self.finished else False

    @cached_property
    def hidden_positions(self) -> npt.NDArray[np.int64] | None:
        """(2, n) cells and genes of entries that the training did not see, None where there are none.

        Those that a benchmark hid; in a normal run the held-out share that early stops and the choice of the iteration
        used, so that errors there are a little too good.
        """
        if not self.finished:
            return None
        name = "hidden_positions" if self.hidden_is_benchmark else "held_out_positions"
        with self._file() as file:
            found = file["uns/scgnn2"].get(name)
            return None if found is None or found.shape[1] == 0 else np.asarray(found, dtype=np.int64)

    @cached_property
    def hidden_values(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None:
        """(n,) true and (n,) imputed values at :attr:`hidden_positions`, ln(1 + x).

        The entries were seen before they were hidden, so where :attr:`imputed_is_expected` the values are those of the
        output ``value``.
        """
        if self.hidden_positions is None:
            return None
        rows, cols = self.hidden_positions
        expression = self.expression
        true = np.asarray(expression[rows, cols], dtype=np.float32).ravel()
        imputed = np.empty(len(rows), dtype=np.float32)
        for block, values in self._answer(VALUE_LAYER if self.imputed_is_expected else IMPUTED_LAYER):
            within = np.flatnonzero((block.start <= rows) & (rows < block.stop))
            imputed[within] = values[rows[within] - block.start, cols[within]]
        return true if self.scale == "logged" else np.log1p(true), imputed

    @cached_property
    def hidden_error(self) -> npt.NDArray[np.float64] | None:
        """(n_obs,) mean |imputed − true| of every cell at its hidden entries, NaN where it has none."""
        if self.hidden_positions is None or self.hidden_values is None:
            return None
        rows = self.hidden_positions[0]
        true, imputed = self.hidden_values
        counts = np.bincount(rows, minlength=self.n_obs)
        sums = np.bincount(rows, weights=np.abs(imputed - true), minlength=self.n_obs)
        means = np.full(self.n_obs, np.nan)
        np.divide(sums, counts, out=means, where=counts > 0)
        return means

    @cached_property
    def markers(self) -> pd.DataFrame:
        """Every gene in each cluster against all other cells (:func:`scgnn2_engine.markers.rank_genes`).

        On the observed expression, never on imputed values. Clusters of one cell are left out; empty with fewer than
        two clusters.
        """
        return self.markers_of(self.labels)

    def markers_of(
        self,
        groups: npt.NDArray[Any],
        *,
        only: str = "",
        against: str = "",
        samples: npt.NDArray[np.str_] | None = None,
    ) -> pd.DataFrame:
        """Compare each group with all other cells: all genes of the input, where they are not too many.

        Parameters
        ----------
        groups
            (n_obs,) one group for every cell.
        only, against
            Test this group alone, against that one.
        samples
            (n_obs,) sample of each cell, where samples are what is counted.
        """
        if self.markers_of_all_genes:
            with self._file() as file:
                names = names_of(file["raw/var"])
            expression: Matrix = self._element("raw/X")
        else:
            names, expression = self.var_names, self.expression
        if samples is not None:
            return by_sample(expression, groups, samples, names, only=only, against=against)
        return rank_genes(expression, self.scale, groups, names, only=only, against=against)

    @cached_property
    def markers_of_all_genes(self) -> bool:
        """Whether markers are looked for among all genes of the input, not those alone that the run kept."""
        with self._file() as file:
            if "raw/X" not in file:
                return False
            matrix = file["raw/X"]
            stored = matrix["data"].size if isinstance(matrix, h5py.Group) else matrix.size
        return bool(stored <= MOST_MARKER_VALUES)

    def telling_gene(self) -> str:
        """The kept gene that differs most between the clusters, in up to 2,000 cells; with one cluster the first."""
        step = -(-self.n_obs // 2000)
        if self._sparse:
            values = np.asarray(self._sparse_expression[::step].toarray(), dtype=np.float32)
        else:
            with self._file() as file:
                values = np.asarray(file["X"][::step], dtype=np.float32)
        values = values if self.scale == "logged" else np.log1p(values)
        return str(self.var_names[telling_gene(values, self.labels[::step])])

"""A data set as read: frozen dataclasses with documented shapes.

Rows are cells everywhere. ``n_obs`` is the number of cells, ``n_vars`` the number of genes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

if TYPE_CHECKING:
    import pandas as pd

    from scgnn2_engine.data.batches import Batches

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]
Matrix: TypeAlias = Floats | sp.csr_matrix
Scale = Literal["counts", "normalised", "logged"]


@dataclass(frozen=True)
class Truth:
    """Ground-truth labels, carried but opaque.

    Only :mod:`scgnn2_engine.evaluate` may look inside (a test enforces it), so nothing that trains, selects or stops
    can see them.

    Attributes
    ----------
    sealed_labels
        (n_obs,) strings, ``""`` where a cell has no label.
    source
        Where they came from, for the run record.
    """

    sealed_labels: npt.NDArray[np.str_]
    source: str = ""

    def take(self, cells: Ints) -> Truth:
        """The labels of the given cells, in that order."""
        return replace(self, sealed_labels=self.sealed_labels[cells])


@dataclass(frozen=True)
class Bulk:
    """Bulk expression beside the single cells.

    Attributes
    ----------
    expression
        (n_samples, n_genes) non-negative, not logged.
    sample_names, gene_names
        Names of its rows and columns.
    weights
        (n_samples,) how much each sample counts, adding up to 1; None: all alike.
    """

    expression: Floats
    sample_names: npt.NDArray[np.str_]
    gene_names: npt.NDArray[np.str_]
    weights: npt.NDArray[np.float64] | None = None

    @property
    def sample_weights(self) -> npt.NDArray[np.float64]:
        """(n_samples,) how much each sample counts, adding up to 1."""
        n_samples = len(self.sample_names)
        return np.full(n_samples, 1 / n_samples) if self.weights is None else self.weights


@dataclass(frozen=True)
class Dataset:
    """A matrix as read, before any cell or gene is dropped.

    Attributes
    ----------
    expression
        (n_obs, n_vars) non-negative, dense or CSR, on the scale named by ``scale``.
    obs_names, var_names
        (n_obs,) cell and (n_vars,) gene names, unique.
    scale
        ``"counts"`` (raw counts or expected counts), ``"normalised"`` (library-size normalised, not logged) or
        ``"logged"`` (natural log of 1 + normalised values).
    truth
        Labels for display, or None.
    states
        (n_obs, n_vars) LTMG states loaded from a file, or None.
    bulk
        Bulk expression, or None.
    batches
        Which batch each cell is of, where that was declared and there are several; else None.
    obs, var
        (n_obs, ...) cell and (n_vars, ...) gene annotation that came with the file, carried to ``result.h5ad``.
    obsm
        Embeddings of the cells and other measurements on them that came with the file: (n_obs, ...) arrays, sparse
        matrices or tables by name, carried likewise.
    varm, obsp
        (n_vars, ...) loadings of the genes, and (n_obs, n_obs) sparse graphs of the cells, by name, carried likewise.
    uns
        What describes them (``"seurat"``, ``"experiment"``), so that an object of the same kind can be written again.
    notes
        What was detected and decided while reading (orientation, scale, matrix, renamed duplicates), as sentences.
    warnings
        Likewise, but things the user should act on.
    facts
        The same decisions for programs: ``orientation``, ``scale``, ``matrix``, ``source``.
    """

    expression: Matrix
    obs_names: npt.NDArray[np.str_]
    var_names: npt.NDArray[np.str_]
    scale: Scale
    truth: Truth | None = None
    states: npt.NDArray[np.uint8] | None = None
    bulk: Bulk | None = None
    obs: pd.DataFrame | None = None
    var: pd.DataFrame | None = None
    obsm: Mapping[str, Any] = field(default_factory=dict)
    varm: Mapping[str, Any] = field(default_factory=dict)
    obsp: Mapping[str, Any] = field(default_factory=dict)
    uns: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    batches: Batches | None = None

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return int(self.expression.shape[0])

    @property
    def n_vars(self) -> int:
        """Number of genes."""
        return int(self.expression.shape[1])

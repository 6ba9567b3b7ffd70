"""What a run trains on: the kept cells and genes, and what is held out of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.batches import Batches
from scgnn2_engine.data.blocks import AnyMatrix, Cells
from scgnn2_engine.data.dataset import Floats, Ints, Matrix, Scale
from scgnn2_engine.events import Noted, Notice


@dataclass(frozen=True)
class HiddenEntries:
    """Observed entries that were set to zero before training, with what they were.

    Attributes
    ----------
    rows, cols
        (n_hidden,) cell and gene positions.
    values
        (n_hidden,) their values, float32.
    """

    rows: Ints
    cols: Ints
    values: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, cells: Ints) -> HiddenEntries:
        """Those of some cells, given in rising order; rows count from the first of them.

        Examples
        --------
        >>> HiddenEntries(np.array([1, 7]), np.array([0, 2]), np.float32([0.5, 2.5])).take(np.array([3, 7])).rows
        array([1])
        """
        rows = np.minimum(np.searchsorted(cells, self.rows), len(cells) - 1)
        among = cells[rows] == self.rows
        return HiddenEntries(rows[among], self.cols[among], self.values[among])


@dataclass(frozen=True)
class Prepared(Noted):
    """What the loop trains on.

    Attributes
    ----------
    x
        (n_obs, n_vars) float32, ln(1 + expression / size factor); hidden entries are 0. Of large sparse expression its
        rows are made dense when asked for.
    size_factors
        (n_obs,) float32, all 1 without library-size normalisation.
    expression
        (n_obs, n_vars) the kept part of the input as it came, nothing hidden (dense or CSR).
    scale
        Scale of ``expression``.
    obs_names, var_names
        Names of the kept cells and genes.
    cells, genes
        (n_obs,), (n_vars,) their positions in the data set.
    dropped_cells, dropped_genes
        Names of what was filtered out.
    states
        (n_obs, n_vars) uint8 LTMG states, or None when the regulariser is off.
    hidden
        The benchmark's hidden entries (``dropout_prob``), values on the ln(1 + expression) scale of the output.
        Read by :mod:`scgnn2_engine.evaluate` only.
    validation
        The held-out share that early stopping and the choice of iteration may use, values on the scale of ``x``.
    batches
        Which batch each cell is of, or None: all are of one.
    notices
        What the user should know.
    """

    x: AnyMatrix
    size_factors: npt.NDArray[np.float32]
    expression: Matrix
    scale: Scale
    obs_names: npt.NDArray[np.str_]
    var_names: npt.NDArray[np.str_]
    cells: Ints
    genes: Ints
    dropped_cells: tuple[str, ...] = ()
    dropped_genes: tuple[str, ...] = ()
    states: npt.NDArray[np.uint8] | None = None
    hidden: HiddenEntries | None = None
    validation: HiddenEntries | None = None
    batches: Batches | None = None
    notices: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        n_obs, n_vars = self.x.shape
        if self.expression.shape != (n_obs, n_vars):
            raise ValueError(f"expected expression of shape {(n_obs, n_vars)}, found {self.expression.shape}")
        if self.size_factors.shape != (n_obs,):
            raise ValueError(f"expected {n_obs} size factors, found {self.size_factors.shape}")
        if len(self.obs_names) != n_obs or len(self.var_names) != n_vars:
            raise ValueError(
                f"expected {n_obs} cell and {n_vars} gene names, found {len(self.obs_names)} and {len(self.var_names)}"
            )
        if self.states is not None and self.states.shape != (n_obs, n_vars):
            raise ValueError(f"expected states of shape {(n_obs, n_vars)}, found {self.states.shape}")

    @property
    def n_obs(self) -> int:
        """Number of kept cells."""
        return int(self.x.shape[0])

    @property
    def n_vars(self) -> int:
        """Number of kept genes."""
        return int(self.x.shape[1])

    def take(self, cells: Ints) -> Prepared:
        """Some of the cells, given in rising order; nothing is computed again."""
        return replace(
            self,
            x=self.x[cells],
            size_factors=self.size_factors[cells],
            expression=self.expression[cells],
            obs_names=self.obs_names[cells],
            cells=self.cells[cells],
            states=None if self.states is None else self.states[cells],
            hidden=None if self.hidden is None else self.hidden.take(cells),
            validation=None if self.validation is None else self.validation.take(cells),
            batches=None if self.batches is None else self.batches.take(cells),
        )

    def to_output_scale(self, x: Floats, cells: Cells = slice(None)) -> npt.NDArray[np.float32]:
        """Put the size factors of the given cells back: ln(1 + (e^x − 1) · size factor), shape (n, n_vars)."""
        if np.all(self.size_factors == 1):
            return np.asarray(x, dtype=np.float32)
        restored = np.expm1(x, dtype=np.float32)
        restored *= self.size_factors[cells][:, None]
        np.log1p(restored, out=restored)
        return restored

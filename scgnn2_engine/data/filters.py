"""Which cells and genes are kept."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.cell_quality import cell_quality
from scgnn2_engine.data.dataset import Matrix, Scale
from scgnn2_engine.data.matrices import column_nonzeros, part, row_blocks, row_nonzeros, unlogged
from scgnn2_engine.errors import InputError
from scgnn2_engine.events import Noted, Notice
from scgnn2_engine.params import PreprocessParams

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 8
MANY_CELLS = 0.1  # a larger share dropped is worth a warning
ROUNDING = 1e-9  # 1 - 0.9 is a little less than 0.1: the cutoffs include their own value


@dataclass(frozen=True)
class Kept(Noted):
    """Positions of what is kept, ascending, and what to say of what is not.

    Attributes
    ----------
    cells, genes
        (n_kept_cells,), (n_kept_genes,) positions in the data set.
    notices
        What was dropped and why; a warning where more than a tenth of the cells was.
    """

    cells: npt.NDArray[np.intp]
    genes: npt.NDArray[np.intp]
    notices: tuple[Notice, ...]


def require_size(n_obs: int, n_vars: int) -> None:
    """Refuse a matrix in which there is nothing to compare.

    Parameters
    ----------
    n_obs, n_vars
        Cells and genes as read.

    Raises
    ------
    InputError
        There are fewer than two of either.

    Examples
    --------
    >>> require_size(1, 500)
    Traceback (most recent call last):
    scgnn2_engine.errors.InputError: The matrix is too small for a run. ...
    """
    if n_obs < 2 or n_vars < 2:
        raise InputError(
            "The matrix is too small for a run.",
            expected="at least 2 cells and 2 genes",
            found=f"{n_obs} {'cell' if n_obs == 1 else 'cells'} and {n_vars} {'gene' if n_vars == 1 else 'genes'}",
            advice="Check that rows and columns were told apart rightly (--load_orientation).",
        )


def choose(
    expression: Matrix,
    scale: Scale,
    params: PreprocessParams,
    var: pd.DataFrame | None = None,
    *,
    var_names: npt.NDArray[np.str_] | None = None,
) -> Kept:
    """Drop genes that few cells express, then cells that express few of those genes, then genes that vary least.

    Before that go the cells that ``min_genes``, ``min_counts`` and ``max_mito`` drop, where they are set.

    Kept cells and genes stay in the order of the input. Where ``params.gene_column`` names the genes, those of them
    that any cell expresses are kept, and cells are dropped by them.

    Parameters
    ----------
    expression
        (n_obs, n_vars) dense or CSR; a sparse matrix is never made dense as a whole.
    scale
        Scale of the values: the variance is taken of values that are not logged.
    params
        The cutoffs, as largest shares of zeros, and the number of genes; or the column that names the genes.
    var
        (n_vars, ...) annotation of the genes.
    var_names
        (n_vars,) names of the genes, by which ``max_mito`` knows the mitochondrial ones.

    Raises
    ------
    InputError
        The column is not there or is not of True and False; a cut-off needs what these data do not have; fewer than two
        cells or two genes are there, or left. The cutoffs are named, with what had been there.

    Examples
    --------
    >>> counts = np.array([[1, 0, 9], [2, 0, 1], [0, 3, 5]])
    >>> kept = choose(counts, "counts", PreprocessParams(gene_cutoff=0.5, top_gene_select=-1))
    >>> kept.genes.tolist(), kept.cells.tolist()
    ([0, 2], [0, 1, 2])
    """
    n_obs, n_vars = expression.shape
    require_size(n_obs, n_vars)
    if params.min_genes > 0 or params.min_counts > 0 or params.max_mito < 1:
        passing, said = _of_quality(expression, scale, params, var_names)
        rest = params.replace(min_genes=0, min_counts=0, max_mito=1.0)
        kept = choose(part(expression, passing, np.arange(n_vars)), scale, rest, var)
        return replace(kept, cells=passing[kept.cells], notices=(said, *kept.notices))
    named = bool(params.gene_column)
    nonzeros = column_nonzeros(expression)
    genes = _named(nonzeros, params.gene_column, var) if named else _common(nonzeros, n_obs, params.gene_cutoff)
    if len(genes) < 2:
        how = f"gene_column = {params.gene_column}" if named else f"gene_cutoff = {params.gene_cutoff:g}"
        zeros = f"genes whose zeros are at most {params.gene_cutoff:.0%} of the cells"
        raise _too_few("gene", len(genes), n_obs, n_vars, how, "expressed genes that it names" if named else zeros)
    in_genes = part(expression, np.arange(n_obs), genes)
    cells = _common(row_nonzeros(in_genes), len(genes), params.cell_cutoff)
    if len(cells) < 2:
        raise _too_few(
            "cell",
            len(cells),
            n_obs,
            n_vars,
            f"cell_cutoff = {params.cell_cutoff:g} (after gene_cutoff = {params.gene_cutoff:g} had kept "
            f"{len(genes)} genes)",
            f"cells in which at most {params.cell_cutoff:.0%} of those genes are zero",
        )
    notices = _about_dropped(n_obs - len(cells), n_obs, n_vars - len(genes), n_vars, params)
    wanted = -1 if named else params.top_gene_select
    if 0 <= wanted < 2:
        raise InputError(
            "preprocess_top_gene_select leaves too few genes.", expected="at least 2, or -1 for all", found=str(wanted)
        )
    if 2 <= wanted < len(genes):
        variances = column_variances(unlogged(part(in_genes, cells, np.arange(len(genes))), scale))
        highest = np.sort(np.argsort(-variances, kind="stable")[:wanted])
        notices.append(Notice.of("genes_of_variance", n=wanted, of=len(genes)))
        genes = genes[highest]
    return Kept(cells, genes, tuple(notices))


def _of_quality(
    expression: Matrix, scale: Scale, params: PreprocessParams, var_names: npt.NDArray[np.str_] | None
) -> tuple[npt.NDArray[np.intp], Notice]:
    """Positions of the cells that pass the cut-offs for their quality, and what to say of the others."""
    n_obs = expression.shape[0]
    names = np.empty(0, dtype=np.str_) if var_names is None else var_names
    failing = cell_quality(expression, scale, names).failing(params)
    passing = np.flatnonzero(~np.any(list(failing.values()), axis=0))
    dropped = {name: [int(cells.sum()), getattr(params, name)] for name, cells in failing.items()}
    if len(passing) < 2:
        raise InputError(
            f"The cut-offs for the quality of cells leave {len(passing) or 'none'} of {n_obs} cells.",
            expected="at least 2 cells",
            found=", ".join(f"{n} dropped by preprocess_{name} = {cutoff:g}" for name, (n, cutoff) in dropped.items()),
            advice="Lower preprocess_min_genes and preprocess_min_counts, or raise preprocess_max_mito.",
        )
    return passing, Notice.of("cells_of_quality", n=n_obs - len(passing), of=n_obs, dropped=dropped)


def column_variances(expression: Matrix) -> npt.NDArray[np.float64]:
    """(n_vars,) variance of every column, in two passes over blocks of rows."""
    n_obs = expression.shape[0]
    mean = np.zeros(expression.shape[1])
    for _, block in row_blocks(expression):
        mean += block.sum(axis=0)
    mean /= n_obs
    variance = np.zeros(expression.shape[1])
    for _, block in row_blocks(expression):
        variance += np.square(block - mean).sum(axis=0)
    variance /= n_obs
    return variance


def _named(nonzeros: npt.NDArray[np.int64], column: str, var: pd.DataFrame | None) -> npt.NDArray[np.intp]:
    """Positions of the expressed genes that a column of var names."""
    columns = [] if var is None else [str(name) for name in var.columns]
    near = difflib.get_close_matches(column, columns, n=1)
    if var is None or column not in columns:
        raise InputError(
            f"preprocess_gene_column {column} is not there.",
            expected="a column of var",
            found=", ".join(columns[:SHOWN]) or "no annotation of genes",
            advice=f"Did you mean {near[0]}?" if near else "",
        )
    values = var[column]
    chosen = values.isin([True, 1, "True", "TRUE", "true"]).to_numpy()
    if not (chosen | values.isin([False, 0, "False", "FALSE", "false"]).to_numpy()).all():
        raise InputError(
            f"preprocess_gene_column {column} does not say which genes to keep.",
            expected="True or False for every gene",
            found=", ".join(map(str, values.unique()[:SHOWN])),
        )
    return np.flatnonzero(chosen & (nonzeros > 0))


def _common(nonzeros: npt.NDArray[np.int64], of: int, cutoff: float) -> npt.NDArray[np.intp]:
    return np.flatnonzero((of - nonzeros) / of <= cutoff + ROUNDING)


def _about_dropped(n_cells: int, n_obs: int, n_genes: int, n_vars: int, params: PreprocessParams) -> list[Notice]:
    said = []
    if params.gene_column:
        said.append(Notice.of("genes_named", n=n_vars - n_genes, of=n_vars, column=params.gene_column))
    elif n_genes:
        said.append(Notice.of("genes_dropped", n=n_genes, of=n_vars, cutoff=params.gene_cutoff))
    if n_cells:
        code = "many_cells_dropped" if n_cells > MANY_CELLS * n_obs else "cells_dropped"
        said.append(Notice.of(code, n=n_cells, of=n_obs, cutoff=params.cell_cutoff, genes=n_vars - n_genes))
    return said


def _too_few(what: str, left: int, n_obs: int, n_vars: int, cutoffs: str, rule: str) -> InputError:
    way = "name more genes" if cutoffs.startswith("gene_column") else f"raise preprocess_{what}_cutoff (1 keeps all)"
    return InputError(
        f"The filter leaves {left or 'no'} {what}{'' if left == 1 else 's'} of {n_obs} cells and {n_vars} genes.",
        expected=f"at least 2 {rule}",
        found=f"{left} with {cutoffs}",
        advice=f"{way[0].upper()}{way[1:]}, or check that rows were read as cells.",
    )

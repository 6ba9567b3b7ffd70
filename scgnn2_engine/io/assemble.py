"""From what a reader found to a Dataset: unique names, checked values, scale, and a report of it all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Dataset, Matrix
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.evidence.annotation_axes import no_expression
from scgnn2_engine.io.evidence.orientation import Orientation, decide_orientation
from scgnn2_engine.io.evidence.scale import AS_STORED, take_scale
from scgnn2_engine.io.evidence.total_evidence import totals_of
from scgnn2_engine.io.memory import stored_entries
from scgnn2_engine.io.names import Names, doubts_about_genes, listed, unique_names
from scgnn2_engine.io.raw_table import SPARSE_FROM, Table
from scgnn2_engine.params import LoadParams

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_SMALL_NEGATIVE, _SMALL_NEGATIVES = 0.25, 0.05  # the lowest beside the highest, and the sum beside that of the others
_EXACT_FLOAT32 = 2**24
_PART = 1 << 20
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Found:
    """A matrix with rows that are cells, and what its reader decided.

    Attributes
    ----------
    source
        What was read, as the subject of a sentence.
    expression
        (n_obs, n_vars) dense or CSR.
    obs_names, var_names
        As read, possibly duplicated.
    facts
        At least ``orientation`` and ``matrix``.
    log_base
        The base of the logarithm that was taken, as it came with the data; None where nothing says so.
    negative_advice
        What to do instead when the matrix turns out to hold negative values.
    """

    source: str
    expression: Matrix
    obs_names: Names
    var_names: Names
    facts: Mapping[str, Any]
    obs: pd.DataFrame | None = None
    var: pd.DataFrame | None = None
    obsm: Mapping[str, Any] = field(default_factory=dict)
    varm: Mapping[str, Any] = field(default_factory=dict)
    obsp: Mapping[str, Any] = field(default_factory=dict)
    uns: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    log_base: float | None = None
    negative_advice: str = "Give raw or normalised values, not scaled ones."


def from_table(
    table: Table,
    source: str,
    load: LoadParams,
    layout: Orientation | None = None,
    dtype: npt.DTypeLike = np.float32,
) -> Found:
    """Decide which axis of a table holds the cells, and turn it so that they are rows.

    ``layout`` is what the benchmark prescribes for its files, ``table.orientation`` what the program that wrote it
    does; an orientation that the user named goes before both. Where nobody says, the names decide, and beside them what
    the column of names is called and what rows and columns sum to.
    """
    told = layout or table.orientation
    if told and load.orientation == "auto":
        prescribed = "as the benchmark's files are" if layout else f"as {table.written_by} writes it"
        verdict = decide_orientation(table.row_names, table.column_names, told, source, prescribed)
    else:
        verdict = decide_orientation(
            table.row_names,
            table.column_names,
            load.orientation,
            source,
            totals=totals_of(table.blocks, len(table.row_names), len(table.column_names)),
            corner=table.corner,
        )
    rows, columns = table.row_names, table.column_names
    return Found(
        source=source,
        expression=table.assemble(transpose=verdict.genes_in_rows, dtype=dtype),
        obs_names=columns if verdict.genes_in_rows else rows,
        var_names=rows if verdict.genes_in_rows else columns,
        facts={"orientation": verdict.orientation, "matrix": "table"},
        obs=None if verdict.genes_in_rows else table.row_annotation,
        var=table.row_annotation if verdict.genes_in_rows else None,
        notes=(*table.notes, verdict.reason),
        warnings=(
            *table.warnings,
            *table.said_of_annotation(genes_in_rows=verdict.genes_in_rows),
            *([verdict.warning] if verdict.warning else []),
        ),
    )


def expression_of(found: Found) -> Found:
    """What a reader found without rows that are no cells and columns that are no genes, which the warnings name."""
    left = no_expression(found.expression, found.obs_names, found.var_names)
    warnings = (*found.warnings, *left.warnings)
    if left.nothing:
        return replace(found, warnings=warnings)
    cells, genes = np.flatnonzero(left.cells), np.flatnonzero(left.genes)
    return replace(
        found,
        expression=found.expression[cells][:, genes],
        obs_names=found.obs_names[cells],
        var_names=found.var_names[genes],
        obs=None if found.obs is None else found.obs.iloc[cells],
        var=None if found.var is None else found.var.iloc[genes],
        obsm={key: _rows_of(values, cells) for key, values in found.obsm.items()},
        varm={key: _rows_of(values, genes) for key, values in found.varm.items()},
        obsp={key: sp.csr_matrix(values)[cells][:, cells] for key, values in found.obsp.items()},
        warnings=warnings,
    )


def _rows_of(values: Any, rows: npt.NDArray[np.int64]) -> Any:
    return values.iloc[rows] if hasattr(values, "iloc") else values[rows]


def unfinished(found: Found) -> tuple[AnnData, tuple[str, ...]]:
    """What a reader found as AnnData, its values as they are, and the sentences to be said."""
    import pandas as pd
    from anndata import AnnData

    found = expression_of(found)
    obs_names, cell_notes = unique_names(found.obs_names, "cell")
    var_names, gene_notes = unique_names(found.var_names, "gene")
    obs, var = (pd.DataFrame(index=pd.Index(names.astype(object))) for names in (obs_names, var_names))
    return AnnData(found.expression, obs=obs, var=var), (*found.notes, *found.warnings, *cell_notes, *gene_notes)


def finish(found: Found, load: LoadParams, *, as_stored: bool = False, small_negatives: bool = False) -> Dataset:
    """Check and describe a matrix, and wrap it as a Dataset.

    Logarithms are brought to the natural one, unless the values are wanted ``as_stored``. Values a little below 0 are
    counted as 0 with ``small_negatives``, as results of other tools hold them, and said.

    Raises
    ------
    InputError
        There is no cell or no gene; a value is NaN, infinite or negative (cell and gene are named).
    """
    found = expression_of(found)
    if 0 in found.expression.shape:
        n_obs, n_vars = found.expression.shape
        raise InputError(
            f"{found.source} is empty.",
            expected="at least one cell and one gene",
            found=" ".join((f"{n_obs} cells x {n_vars} genes", *found.warnings)),
            advice="Export it again with its cells and genes, or choose another file.",
        )
    obs_names, obs_notes = unique_names(found.obs_names, "cell")
    var_names, var_notes = unique_names(found.var_names, "gene")
    if small_negatives:
        found = _small_negatives_as_zero(found)
    _check_values(found, obs_names, var_names)
    asked, of_x = AS_STORED if as_stored else load.scale, found.facts.get("matrix") == "X"
    compact, n_repeated = _compact(found.expression)
    taken = take_scale(compact, asked, found.log_base, told_of_it=of_x, names=var_names, recover=load.recover_counts)
    expression, scale = taken.expression, taken.scale
    empty_notes, empty_warnings = _empties(expression, obs_names, var_names)
    if float(expression.max()) >= _EXACT_FLOAT32 and scale == "counts":
        empty_warnings.append(f"Counts above {_EXACT_FLOAT32} are kept in float32 and so rounded.")
    if n_repeated:
        empty_warnings.append(f"{n_repeated} entries of {found.source} stand there twice, and were added up.")
    obs, var = (
        None if table is None else table.set_axis(names.astype(object), axis=0)
        for table, names in ((found.obs, obs_names), (found.var, var_names))
    )
    n_obs, n_vars = expression.shape
    size = f"{found.source}: {n_obs} cells x {n_vars} genes, {_zero_share(expression):.1%} zeros."
    return Dataset(
        expression=expression,
        obs_names=obs_names,
        var_names=var_names,
        scale=scale,
        obs=obs,
        var=var,
        obsm=found.obsm,
        varm=found.varm,
        obsp=found.obsp,
        uns=found.uns,
        notes=(size, *found.notes, taken.note, *obs_notes, *var_notes, *empty_notes),
        warnings=(*found.warnings, *doubts_about_genes(found.var_names), *taken.warnings, *empty_warnings),
        facts={
            "source": found.source,
            **found.facts,
            "scale": scale,
            **({} if taken.normalised else {"normalised": False}),
        },
    )


def _small_negatives_as_zero(found: Found) -> Found:
    """Count values below 0 as 0 where all of them together are little beside the others; else leave all as it is."""
    x = found.expression
    values = x if isinstance(x, np.ndarray) else x.data
    lowest, highest = float(np.min(values, initial=0)), float(np.max(values, initial=0))
    if not (lowest < 0 < highest < np.inf) or -lowest > _SMALL_NEGATIVE * highest:
        return found
    below = float(-np.sum(values, where=values < 0, dtype=np.float64))
    if below > _SMALL_NEGATIVES * (below + float(np.sum(values, dtype=np.float64))):
        return found
    positive = np.maximum(values, 0)
    said = (
        f"{int(np.count_nonzero(values < 0))} values of {found.source} lie below 0 (the smallest is {lowest:.3g}), "
        "little enough for what approximate solvers leave: they are counted as 0."
    )
    whole = positive if isinstance(x, np.ndarray) else sp.csr_matrix((positive, x.indices, x.indptr), shape=x.shape)
    return replace(found, expression=whole, warnings=(*found.warnings, said))


def _check_values(found: Found, obs_names: Names, var_names: Names) -> None:
    x = found.expression
    values = x if isinstance(x, np.ndarray) else x.data
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if low >= 0 and high <= _LARGEST:  # neither holds with NaN
        return
    bad = ~np.isfinite(values)
    what, expected = "a value that is NaN or infinite", "finite values of at least 0"
    advice = "Write 0 where nothing was seen, or remove the cell or gene."
    if not bad.any() and low < 0:
        bad, what, advice = values < 0, "a negative value", found.negative_advice
    elif not bad.any():
        bad, what, expected = values > _LARGEST, "a value too large for float32", f"values of at most {_LARGEST:.2g}"
        advice = "No expression is as large: look for an error in what wrote the data."
    if isinstance(x, np.ndarray):
        row, column = (int(i) for i in np.argwhere(bad)[0])
        value = x[row, column]
    else:
        entry = int(np.flatnonzero(bad)[0])
        row = int(np.searchsorted(x.indptr, entry, side="right")) - 1
        column, value = int(x.indices[entry]), x.data[entry]
    raise InputError(
        f"{found.source} holds {what} in cell {str(obs_names[row])!r}, gene {str(var_names[column])!r}.",
        expected=expected,
        found=f"{value:g} ({int(bad.sum())} such values)",
        advice=advice,
    )


def _compact(x: Matrix) -> tuple[Matrix, int]:
    """float32, CSR in canonical form or dense, and how many entries stood twice; ``x`` is never changed in place."""
    if isinstance(x, np.ndarray):
        if np.count_nonzero(x) <= (1 - SPARSE_FROM) * x.size:
            return sp.csr_matrix(x, dtype=np.float32), 0
        return np.ascontiguousarray(x, dtype=np.float32), 0
    compact, n_repeated = sp.csr_matrix(x, dtype=np.float32), 0
    if not (compact.has_canonical_format and np.all(compact.data != 0)):
        compact = compact.copy()
        n_repeated = int(compact.nnz)
        compact.sum_duplicates()
        n_repeated -= int(compact.nnz)
        compact.eliminate_zeros()
    return compact, n_repeated


def _empties(expression: Matrix, obs_names: Names, var_names: Names) -> tuple[list[str], list[str]]:
    if isinstance(expression, np.ndarray):
        filled_cells, filled_genes = expression.any(axis=1), expression.any(axis=0)
    else:
        filled_cells = np.diff(expression.indptr) > 0
        filled_genes = np.zeros(expression.shape[1], dtype=bool)
        for start in range(0, len(expression.indices), _PART):  # NumPy copies indices, as numbers of 64 bits
            filled_genes[expression.indices[start : start + _PART]] = True
    notes, warnings = [], []
    if not filled_genes.all():
        empty = var_names[~filled_genes]
        notes.append(
            f"{len(empty)} genes are zero in every cell; they are read, the filter decides on them: {listed(empty)}."
        )
    if not filled_cells.all():
        empty = obs_names[~filled_cells]
        warnings.append(
            f"{len(empty)} cells have no expression at all; they are read, the filter decides on them: {listed(empty)}."
        )
    return notes, warnings


def _zero_share(x: Matrix) -> float:
    return 1 - stored_entries(x) / (int(x.shape[0]) * int(x.shape[1]))

"""Bulk expression beside the single cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.h5ad import read_h5ad
from scgnn2_engine.io.kinds import kind_of
from scgnn2_engine.io.names import Names, listed, unique_names
from scgnn2_engine.io.scale import detect_scale
from scgnn2_engine.io.text import read_table
from scgnn2_engine.types import Bulk, Matrix


def read_bulk(
    path: Path, var_names: Names, *, layer: str = "", max_memory: float = 0.0
) -> tuple[Bulk, list[str], list[str]]:
    """Read bulk expression from csv, tsv or h5ad; which axis holds the genes is decided by those shared with the cells.

    Parameters
    ----------
    path
        Bulk expression, genes x samples or samples x genes.
    var_names
        (n_vars,) genes of the single-cell data.

    Returns
    -------
    bulk, notes, warnings
        Expression as samples x genes with all genes of the file; logged values are brought back by exp(x) - 1.

    Raises
    ------
    InputError
        The format is another one, a value is negative or not finite, or no gene is shared.
    """
    kind = kind_of(path)
    if kind not in ("text", "h5ad"):
        raise InputError(f"Bulk expression cannot be read from {path}.", expected="csv, tsv or h5ad", found=kind)
    expression: Matrix
    if kind == "h5ad":
        found = read_h5ad(path, layer=layer, max_memory=max_memory)
        samples, genes, expression = found.obs_names, found.var_names, found.expression
        shared = len(np.intersect1d(genes, var_names))
        examples = genes
    else:
        table = read_table(path, max_memory=max_memory)
        in_rows, in_columns = (len(np.intersect1d(names, var_names)) for names in (table.row_names, table.column_names))
        samples, genes = table.column_names, table.row_names
        if in_columns > in_rows:
            samples, genes = genes, samples
        shared, examples = max(in_rows, in_columns), table.row_names
        expression = table.assemble(transpose=in_rows >= in_columns)
    if not shared:
        raise InputError(
            f"The bulk expression in {path} shares no gene with the cells.",
            expected=f"genes such as {listed(var_names, 3)}",
            found=f"names such as {listed(examples, 3)}",
            advice="Use the same kind of gene names (symbols or Ensembl ids) in both.",
        )
    values = np.asarray(expression if isinstance(expression, np.ndarray) else expression.toarray(), dtype=np.float32)
    if not np.isfinite(values).all() or values.min() < 0:
        raise InputError(
            f"The bulk expression in {path} holds values that are negative, NaN or infinite.",
            expected="values of at least 0, not scaled",
            found=f"{float(values.min()):g} as the smallest",
        )
    sample_names, sample_notes = unique_names(samples, "sample")
    gene_names, gene_notes = unique_names(genes, "gene")
    scale = detect_scale(values)
    warnings = [scale.warning] if scale.warning else []
    if scale.scale == "logged":
        values = np.expm1(values)
        warnings.append(f"The bulk expression in {path} looks logged and was brought back by e^x - 1: {scale.reason}")
    size = f"{len(sample_names)} samples x {len(gene_names)} genes"
    note = f"Bulk: {size} from {path}, {shared} of the genes shared. {scale.reason}"
    return Bulk(values, sample_names, gene_names), [note, *sample_notes, *gene_notes], warnings

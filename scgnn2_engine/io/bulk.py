"""Bulk expression beside the single cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.gene_names import plain_name
from scgnn2_engine.io.annotation_axes import no_expression
from scgnn2_engine.io.formats import format_of
from scgnn2_engine.io.names import Names, listed, unique_names
from scgnn2_engine.io.readers.h5ad import read_h5ad
from scgnn2_engine.io.readers.text import read_table
from scgnn2_engine.io.scale import take_scale
from scgnn2_engine.types import Bulk, Matrix


def read_bulk(
    path: Path, var_names: Names, *, layer: str = "", samples: str = "", max_memory: float = 0.0
) -> tuple[Bulk, list[str], list[str]]:
    """Read bulk expression from csv, tsv or h5ad; which axis holds the genes is decided by those shared with the cells.

    Genes are compared without regard to case and to the version of Ensembl identifiers.

    Parameters
    ----------
    path
        Bulk expression, genes x samples or samples x genes.
    var_names
        (n_vars,) genes of the single-cell data.
    samples
        Samples to use, with weights or without: ``"A,B"``, ``"A=2,B=1"``; empty: all alike.

    Returns
    -------
    bulk, notes, warnings
        Expression as samples x genes with all genes of the file; logged values are brought back by exp(x) - 1.

    Raises
    ------
    InputError
        The format is another one, a value is negative or not finite, no gene is shared, or there is no such sample.
    """
    kind = format_of(path).name
    if kind not in ("text", "h5ad"):
        raise InputError(f"Bulk expression cannot be read from {path}.", expected="csv, tsv or h5ad", found=kind)
    expression: Matrix
    log_base: float | None = None
    said: list[str] = []
    if kind == "h5ad":
        found = read_h5ad(path, layer=layer, max_memory=max_memory)
        rows, genes, expression, log_base = found.obs_names, found.var_names, found.expression, found.log_base
        shared, turned = _shared(genes, var_names), _shared(rows, var_names)
        examples = genes
        if turned > shared:  # genes x samples, as R users write it
            rows, genes, shared = genes, rows, turned
            expression = expression.T
    else:
        table = read_table(path, max_memory=max_memory)
        in_rows, in_columns = (_shared(names, var_names) for names in (table.row_names, table.column_names))
        rows, genes = table.column_names, table.row_names
        if in_columns > in_rows:
            rows, genes = genes, rows
        shared, examples = max(in_rows, in_columns), table.row_names
        expression = table.assemble(transpose=in_rows >= in_columns)
        said = [*table.warnings, *table.said_of_annotation(genes_in_rows=in_rows >= in_columns)]
    if not shared:
        raise InputError(
            f"The bulk expression in {path} shares no gene with the cells.",
            expected=f"genes such as {listed(var_names, 3)}",
            found=f"names such as {listed(examples, 3)}",
            advice="Use the same kind of gene names (symbols or Ensembl ids) in both.",
        )
    left = no_expression(expression, rows, genes)
    rows, genes, expression = rows[left.cells], genes[left.genes], expression[left.cells][:, left.genes]
    said = [warning.replace(" cells", " samples") for warning in (*said, *left.warnings)]
    if 0 in expression.shape:
        raise InputError(
            f"The bulk expression in {path} holds no sample.",
            expected="genes and at least one sample",
            found=" ".join(said) or "nothing",
        )
    values = np.asarray(expression if isinstance(expression, np.ndarray) else expression.toarray(), dtype=np.float32)
    if not np.isfinite(values).all() or values.min() < 0:
        raise InputError(
            f"The bulk expression in {path} holds values that are negative, NaN or infinite.",
            expected="values of at least 0, not scaled",
            found=f"{float(values.min()):g} as the smallest",
        )
    sample_names, sample_notes = unique_names(rows, "sample")
    gene_names = np.asarray(genes, dtype=np.str_)  # repeated ones are averaged when they are matched
    taken = take_scale(values, told=log_base)
    values, warnings = np.asarray(taken.expression), [*said, *taken.warnings]
    if taken.scale == "logged":
        values = np.expm1(values)
        warnings.append(f"The bulk expression in {path} looks logged and was brought back by e^x - 1: {taken.note}")
    size = f"{len(sample_names)} samples x {len(gene_names)} genes"
    notes = [f"Bulk: {size} from {path}, {shared} of the genes shared. {taken.note}", *sample_notes]
    weights = None
    if samples:
        chosen, weights = choose_samples(samples, sample_names, str(path))
        values, sample_names = values[chosen], sample_names[chosen]
        notes.append("Bulk samples: " + ", ".join(f"{n} ({w:.0%})" for n, w in zip(sample_names, weights, strict=True)))
    return Bulk(values, sample_names, gene_names, weights), notes, warnings


def choose_samples(
    asked: str, sample_names: Names, source: str = "The bulk data"
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Positions and weights of the samples that are asked for.

    Raises
    ------
    InputError
        There is no such sample (the names that there are stand in the message).
    ParameterError
        A weight is no number above 0, or a sample is named twice.

    Examples
    --------
    >>> positions, weights = choose_samples("b=3, a", np.array(["a", "b", "c"]))
    >>> positions.tolist(), weights.tolist()
    ([1, 0], [0.75, 0.25])
    """
    known = [str(name) for name in sample_names]
    chosen: dict[int, float] = {}
    if not asked.strip(", "):
        raise ParameterError("load_bulk_samples names no sample.", expected=f"some of {listed(known, 12)}", found=asked)
    for part in filter(None, (part.strip() for part in asked.split(","))):
        name, weight = part, 1.0
        if part not in known and "=" in part:
            name, _, number = (piece.strip() for piece in part.rpartition("="))
            weight = _weight(part, number)
        if name not in known:
            raise InputError(
                f"{source} has no sample {name!r}.",
                expected=f"one of {listed(known, 12)}",
                advice="Correct load_bulk_samples.",
            )
        if known.index(name) in chosen:
            raise ParameterError(f"load_bulk_samples names {name!r} twice.", expected="each sample once", found=asked)
        chosen[known.index(name)] = weight
    weights = np.array(list(chosen.values()))
    return np.array(list(chosen), dtype=np.int64), weights / weights.sum()


def _weight(part: str, number: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = float("nan")
    if not (np.isfinite(weight) and weight > 0):
        raise ParameterError(
            f"The weight of a bulk sample cannot be {number!r}.", expected="NAME=number above 0", found=part
        )
    return weight


def _shared(genes: Names, var_names: Names) -> int:
    return len({plain_name(name) for name in genes} & {plain_name(name) for name in var_names})

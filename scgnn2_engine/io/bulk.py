"""Bulk expression beside the single cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.data.dataset import Bulk, Matrix
from scgnn2_engine.data.gene_names import plain_name
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.io.evidence.annotation_axes import no_expression
from scgnn2_engine.io.evidence.scale import take_scale
from scgnn2_engine.io.formats import format_of, formats
from scgnn2_engine.io.names import Names, listed, unique_names
from scgnn2_engine.io.readers.h5ad import read_h5ad
from scgnn2_engine.params import RunParams


def read_bulk(
    path: Path,
    var_names: Names,
    *,
    gene_ids: Names | None = None,
    samples: str = "",
    max_memory: float = 0.0,
) -> tuple[Bulk, list[str], list[str]]:
    """Read bulk expression; which axis holds the genes is decided by those shared with the cells.

    Genes are compared without regard to case and to the version of Ensembl identifiers. Names and identifiers are tried
    on both sides: of the cells ``gene_ids``, of the bulk what stands beside its names (featureCounts' ``gene_name``).

    Parameters
    ----------
    path
        Bulk expression, genes x samples or samples x genes: a table (text, parquet, feather) or an h5ad.
    var_names
        (n_vars,) genes of the single-cell data.
    gene_ids
        (n_vars,) their identifiers, where the data has them beside their names.
    samples
        Samples to use, with weights or without: ``"A,B"``, ``"A=2,B=1"``; empty: all alike.

    Returns
    -------
    bulk, notes, warnings
        Expression as samples x genes with all genes of the file, those matched by an identifier called as in the cells;
        logged values are brought back by exp(x) - 1.

    Raises
    ------
    InputError
        The format is another one, a value is negative or not finite, no gene is shared, or there is no such sample.
    """
    named = {plain_name(name) for name in var_names}
    identified = {} if gene_ids is None else dict(zip(map(plain_name, gene_ids), map(str, var_names), strict=True))
    known = named | identified.keys()
    stored = _stored(path, max_memory)
    calls = [
        (in_rows, column, names, len({plain_name(name) for name in names} & known))
        for in_rows, names_by in ((True, stored.row_names_by), (False, stored.column_names_by))
        for column, names in names_by.items()
    ]
    genes_in_rows, column, genes, shared = max(calls, key=lambda call: call[3])
    if not shared:
        raise InputError(
            f"The bulk expression in {path} shares no gene with the cells.",
            expected=f"genes such as {listed(var_names, 3)}",
            found=f"names such as {listed(stored.row_names_by[''], 3)} and {listed(stored.column_names_by[''], 3)}",
            advice="Use the same kind of gene names (symbols or identifiers) in both.",
        )
    rows = stored.column_names_by[""] if genes_in_rows else stored.row_names_by[""]
    expression, log_base = stored.matrix(genes_in_rows), stored.log_base
    said = stored.said(genes_in_rows)
    by = f" (called by the column {column})" if column else ""
    # those matched by an identifier are called as in the cells, by which they are matched from here on
    plain = [(str(gene), plain_name(gene)) for gene in genes]
    genes = np.asarray([gene if key in named else identified.get(key, gene) for gene, key in plain], dtype=np.str_)
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
    notes = [f"Bulk: {size} from {path}, {shared} of the genes{by} shared. {taken.note}", *sample_notes]
    weights = None
    if samples:
        chosen, weights = choose_samples(samples, sample_names, str(path))
        values, sample_names = values[chosen], sample_names[chosen]
        notes.append("Bulk samples: " + ", ".join(f"{n} ({w:.0%})" for n, w in zip(sample_names, weights, strict=True)))
    return Bulk(values, sample_names, gene_names, weights), notes, warnings


@dataclass(frozen=True)
class _Stored:
    """A bulk file before it is known which axis holds the genes.

    ``row_names_by`` and ``column_names_by`` hold the names of each axis under ``""``, and what else they are called by
    the name of the column. ``matrix`` and ``said`` take whether the genes are in the rows.
    """

    row_names_by: dict[str, Names]
    column_names_by: dict[str, Names]
    matrix: Callable[[bool], Matrix]
    said: Callable[[bool], list[str]]
    log_base: float | None = None


def _stored(path: Path, max_memory: float) -> _Stored:
    form = format_of(path)
    if form.table is not None:
        table = form.table(path, max_memory, False)
        return _Stored(
            _names_by(table.row_names, table.row_annotation),
            {"": table.column_names},
            lambda genes_in_rows: table.assemble(transpose=genes_in_rows),
            lambda genes_in_rows: [*table.warnings, *table.said_of_annotation(genes_in_rows=genes_in_rows)],
        )
    if form.name != "h5ad":
        raise InputError(
            f"Bulk expression cannot be read from {path}.",
            expected=", ".join(one.title for one in formats() if one.table is not None or one.name == "h5ad"),
            found=form.name,
        )
    found = read_h5ad(path, RunParams().load, max_memory)
    return _Stored(
        _names_by(found.obs_names, found.obs),
        _names_by(found.var_names, found.var),
        lambda genes_in_rows: found.expression.T if genes_in_rows else found.expression,  # as R users write it
        lambda _: [],
        found.log_base,
    )


def _names_by(names: Names, annotation: pd.DataFrame | None) -> dict[str, Names]:
    """What the rows are called: their names, and every column of texts beside them."""
    found = {"": names}
    for column, values in ({} if annotation is None else annotation).items():
        texts = np.asarray(values.astype(object).where(values.notna(), ""), dtype=np.str_)
        found[str(column)] = np.where(texts == "", names, texts)
    return found


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

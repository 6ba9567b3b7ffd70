"""A null of the imputation: genes without any relation go in, and the relations that come out were made up.

Andrews & Hemberg (2018, F1000Research 7:1740) permute genes before they impute: smoothing cells by one another gives
genes that have nothing to do with each other the same pattern, and a test on imputed values takes it for a relation.
Permuting the output (``correlation_chance``) cannot show that, as it only says what |r| is for so many cells.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.data.blocks import AnyMatrix
from scgnn2_engine.data.dataset import Floats, Ints, Matrix
from scgnn2_engine.data.matrices import column_nonzeros, is_sparse, visible_expression
from scgnn2_engine.data.normalise import log_matrix
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.evaluate.baselines import IMPUTATION, Visible, impute_baseline
from scgnn2_engine.evaluate.diagnostics import gene_correlations
from scgnn2_engine.evaluate.diagnostics_table import DIAGNOSTICS, on_normalised_scale
from scgnn2_engine.events import Event, Notice, Stop, never

FEWEST_CELLS = 5
"""Cells that a gene is seen in to be taken: of fewer, |r| says nothing."""

NULL_STREAM = 0x0FF  # keeps the draw apart from every other draw of the same seed


@dataclass(frozen=True)
class NullGenes:
    """How a run asks for this null.

    Attributes
    ----------
    n_genes
        Genes to permute; 0 leaves it out.
    impute
        What the run's method makes of another matrix of its cells, (n_obs, n_vars) ln(1 + expression) with the cells'
        own library sizes: ``""`` the imputed expression, and other answers by their names. None once it is asked to
        stop.
    needed
        Bytes of memory that it needs.
    """

    n_genes: int
    impute: Callable[[Prepared], Mapping[str, AnyMatrix] | None]
    needed: int = 0


def with_null_genes(prepared: Prepared, n_genes: int, *, seed: int = 0) -> Prepared:
    """Add copies of genes whose values are permuted over the cells, each on its own.

    Parameters
    ----------
    prepared
        What a run trained on. Cells, size factors and hidden entries stay as they are.
    n_genes
        Copies; fewer where fewer genes are seen in five cells. They are drawn from the most rarely seen to the most
        often seen, as many from each part of that range.
    seed
        Of the draw and of the permutations.

    Returns
    -------
    Prepared
        The copies come last. They are made of the visible values, so hidden ones are in none of them. A value leaves
        its library size behind and takes that of the cell it comes to, as counts that are permuted as they are would
        be tied to one another by the depth of the cells (median |r| .20 instead of .02 on 1,000 cells of Klein et al.).
        Counts are rounded up or down at random to be counts again, right on average. LTMG states go with the values,
        and are 0 where nothing is left.

    Examples
    --------
    >>> from scgnn2_engine.data.simulation import simulate
    >>> import scgnn2_engine as sc2
    >>> from scgnn2_engine.data.preparation import prepare
    >>> data = simulate(n_obs=60, n_vars=40, n_types=2, seed=0)
    >>> prepared = prepare(data, sc2.RunParams(run_LTMG=False))
    >>> with_null_genes(prepared, 3).n_vars - prepared.n_vars
    3
    """
    visible = visible_expression(prepared)
    generator = np.random.default_rng([seed, NULL_STREAM])
    genes = _spread(column_nonzeros(visible), n_genes, generator)
    columns = visible[:, genes]
    columns = np.asarray(columns.toarray() if is_sparse(columns) else columns)
    order = generator.permuted(np.tile(np.arange(prepared.n_obs)[:, None], len(genes)), axis=0)
    factors = (prepared.size_factors * Visible.of(prepared, held_out=False).ratio).astype(np.float64)[:, None]
    null = np.take_along_axis(columns / factors, order, axis=0) * factors
    if (columns == np.rint(columns)).all():
        null = np.floor(null + generator.random(null.shape))
    null = null.astype(columns.dtype)
    states = prepared.states
    if states is not None:
        states = np.hstack([states, np.where(null > 0, np.take_along_axis(states[:, genes], order, axis=0), 0)])
        states = states.astype(np.uint8)
    names = np.array([f"{name} (permuted)" for name in prepared.var_names[genes]], dtype=np.str_)
    expression = _beside(prepared.expression, null)
    hidden = (prepared.hidden, prepared.validation)
    return replace(
        prepared,
        x=log_matrix(expression, prepared.scale, prepared.size_factors, hidden),
        expression=expression,
        states=states,
        var_names=np.concatenate([prepared.var_names, names]),
        genes=np.concatenate([prepared.genes, prepared.genes[genes]]),
    )


def _spread(seen_in: Ints, n_genes: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """One gene out of each of ``n_genes`` parts of those seen in some cells, ordered by how many."""
    ordered = np.argsort(seen_in, kind="stable")
    ordered = ordered[seen_in[ordered] >= FEWEST_CELLS]
    n_genes = min(n_genes, len(ordered))
    if not n_genes:
        return np.empty(0, dtype=np.int64)
    return np.array([generator.choice(part) for part in np.array_split(ordered, n_genes)], dtype=np.int64)


def _beside(expression: Matrix, null: npt.NDArray[np.generic]) -> Matrix:
    if not is_sparse(expression):
        return np.hstack([np.asarray(expression), null])
    return sp.csr_matrix(sp.hstack([expression, sp.csr_matrix(null)], format="csr"))


def null_relations(imputed: Floats, extended: Prepared, n_null: int, *, seed: int = 0) -> dict[str, float]:
    """:func:`~scgnn2_engine.evaluate.diagnostics.gene_correlations` of the last ``n_null`` genes among themselves.

    Parameters
    ----------
    imputed
        (n_obs, n_vars) ln(1 + expression) with the cells' own library sizes.
    extended
        What it was made from, see :func:`with_null_genes`.
    n_null
        How many genes of it are null.
    seed
        Of the sample of pairs.
    """
    normalised, observed = on_normalised_scale(imputed, extended)
    first = extended.n_vars - n_null
    return gene_correlations(normalised[:, first:], observed[:, first:], seed=seed)


def iterate_null_genes(
    null: NullGenes, prepared: Prepared, *, method: str, baselines: bool = True, seed: int = 0, stop: Stop = never
) -> Generator[Event, None, pd.DataFrame]:
    """Impute again with null genes among the others, and measure how related these look.

    Parameters
    ----------
    null
        How many, and the run's method.
    prepared
        What the run trained on; nothing of the run is changed.
    method
        Name of the run's method, for the rows.
    baselines
        Impute with the baselines too.
    seed
        The run's.
    stop
        Asked before every baseline; what is not measured by then is left out.

    Returns
    -------
    pandas.DataFrame
        Rows for :attr:`Evaluation.diagnostics`: ``null_genes``, ``null_correlation_observed`` and
        for every method ``null_correlation_<method>`` and ``null_pairs_only_<method>``, of the run's own for every
        answer that it gives (``<method> (rate)``). Empty if there are too few
        genes, the run is stopped, or something fails, which a notice says.
    """
    rows: list[tuple[str, float, str]] = []
    try:
        extended = with_null_genes(prepared, null.n_genes, seed=seed)
        n_null = extended.n_vars - prepared.n_vars
        if n_null < 2:
            yield Notice.of("no_null_genes", fewest=FEWEST_CELLS)
            return _table(rows)
        yield Notice.of("null_genes_added", n=n_null)
        for name in (method, *(name for name in IMPUTATION if baselines and name != "zeros")):  # zeros: as observed
            if stop():
                yield Notice.of("null_genes_stopped")
                break
            try:
                outputs = (
                    null.impute(extended)
                    if name == method
                    else {"": extended.to_output_scale(impute_baseline(name, extended, seed=seed))}
                )
            except Exception as error:  # a baseline must not cost the others
                yield Notice.of("null_genes_without", name=name, error=str(error))
                continue
            for output, imputed in (outputs or {}).items():
                found = null_relations(np.asarray(imputed), extended, n_null, seed=seed)
                rows += _rows(f"{name} ({output})" if output else name, found, n_null, first=not rows)
    except Exception as error:  # nor a diagnostic the evaluation
        yield Notice.of("null_genes_failed", error=str(error))
    return _table(rows)


def _rows(name: str, found: dict[str, float], n_null: int, *, first: bool) -> list[tuple[str, float, str]]:
    rows = []
    if first:
        rows = [
            (
                "null_genes",
                float(n_null),
                "genes permuted over the cells before imputation: none is related to another",
            ),
            ("null_correlation_observed", found["correlation_observed"], "median |r| of two of them before imputation"),
        ]
    return [
        *rows,
        (
            f"null_correlation_{name}",
            found["correlation_imputed"],
            f"median |r| of two permuted genes after imputation by {name}: relations that it makes up",
        ),
        (
            f"null_pairs_only_{name}",
            found["pairs_only_imputed"],
            f"share of the pairs of permuted genes that stand out from chance only after imputation by {name}",
        ),
    ]


def _table(rows: list[tuple[str, float, str]]) -> pd.DataFrame:
    return pd.DataFrame([row for row in rows if np.isfinite(row[1])], columns=list(DIAGNOSTICS))

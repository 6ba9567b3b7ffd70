"""The two steps before the loop: choosing, hiding and scaling; then the LTMG states."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Dataset, Ints, Matrix
from scgnn2_engine.data.filters import choose
from scgnn2_engine.data.ltmg import iterate_ltmg_states
from scgnn2_engine.data.masking import Positions, benchmark_positions, validation_positions
from scgnn2_engine.data.matrices import (
    column_nonzeros,
    counts_of_logged,
    first_unusable,
    part,
    row_nonzeros,
    stored,
    unlogged,
    with_zeros_at,
)
from scgnn2_engine.data.normalise import Factors, library_sizes, log_matrix, logged_values, size_factors
from scgnn2_engine.data.prepared import HiddenEntries, Prepared
from scgnn2_engine.errors import InputError
from scgnn2_engine.events import Event, Notice, drain
from scgnn2_engine.params import RunParams

Steps = Generator[Event, None, Prepared]

BELOW_ONE_SHARE = 0.1  # of the expressed entries: from here on the values below 1 are worth a warning


def prepare(data: Dataset, params: RunParams) -> Prepared:
    """Filter, hide, scale, and find the LTMG states.

    Parameters
    ----------
    data
        The matrix as read.
    params
        The groups ``preprocess`` and ``LTMG``, and ``dropout_prob``, ``validation_share``, ``run_LTMG``, ``seed``,
        ``threads``.

    Returns
    -------
    Prepared

    Raises
    ------
    InputError
        The matrix holds what cannot be used, or the filter leaves too little.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(3.0, (20, 30)).astype(np.float32)
    >>> names = np.arange(30).astype(str)
    >>> data = Dataset(counts, obs_names=names[:20], var_names=names, scale="counts")
    >>> prepared = prepare(data, RunParams(preset="paper", preprocess_top_gene_select=10))
    >>> prepared.x.shape, prepared.states.dtype
    ((20, 10), dtype('uint8'))
    """
    prepared = drain(iterate_preprocess(data, params))
    return drain(iterate_ltmg(prepared, data, params))


def iterate_preprocess(data: Dataset, params: RunParams) -> Steps:
    """Filter, hide and scale; the value has no LTMG states yet.

    Cells and genes are chosen on the data as read; entries are hidden after that, the benchmark's first, then the
    held-out share of what is left. Library sizes count all genes that were read but no hidden entry of either kind, so
    no hidden value can be told from them.
    """
    _refuse_unusable(data)
    never_normalised = data.scale == "logged" and not data.facts.get("normalised", True)
    if never_normalised:
        data = replace(data, expression=counts_of_logged(data.expression), scale="counts")
    kept = choose(data.expression, data.scale, params.preprocess, data.var, var_names=data.var_names)
    expression = part(data.expression, kept.cells, kept.genes)
    notices = [*kept.notices, *_about_empty(expression), *[Notice.of("logged_counts")] * never_normalised]

    benchmark: Positions | None = None
    held_out: Positions | None = None
    hidden = validation = None
    if params.dropout_prob > 0:
        benchmark = benchmark_positions(expression, params.dropout_prob, params.seed)
        hidden = HiddenEntries(*benchmark, logged_values(expression, data.scale, *benchmark))
        notices.append(Notice.of("benchmark", n=len(hidden), share=params.dropout_prob))
    if params.validation_share > 0:
        held_out = validation_positions(expression, params.validation_share, params.seed, benchmark)
    factors = np.ones(len(kept.cells), dtype=np.float32)
    if params.preprocess.library_size:
        factors, said = _size_factors(data, kept.cells, kept.genes, _visible(expression, benchmark, held_out))
        notices.append(said)
    if held_out is not None:
        validation = HiddenEntries(*held_out, logged_values(expression, data.scale, *held_out, factors))
        notices.append(Notice.of("held_out", n=len(validation)))

    notices.sort(key=lambda notice: notice.level == "warning")
    yield from notices
    dropped = [
        np.setdiff1d(np.arange(size), kept_ones)
        for size, kept_ones in ((data.n_obs, kept.cells), (data.n_vars, kept.genes))
    ]
    return Prepared(
        x=log_matrix(expression, data.scale, factors, (hidden, validation)),
        size_factors=factors,
        expression=expression,
        scale=data.scale,
        obs_names=data.obs_names[kept.cells],
        var_names=data.var_names[kept.genes],
        cells=kept.cells,
        genes=kept.genes,
        dropped_cells=tuple(data.obs_names[dropped[0]].tolist()),
        dropped_genes=tuple(data.var_names[dropped[1]].tolist()),
        hidden=hidden,
        validation=validation,
        batches=None if data.batches is None else data.batches.take(kept.cells),
        notices=tuple(notices),
    )


def iterate_ltmg(prepared: Prepared, data: Dataset, params: RunParams) -> Steps:
    """Add the LTMG states: those of the data set where it has them, else computed with ``run_LTMG``, else none.

    They are computed from the expression that is not logged and not divided by library sizes, hidden entries at 0:

    - counts as they are, as the published program does, so a gene's cut is 1 and about half of its ones are censored;
    - normalised data as it is: what is below 1 in its unit gets state 0, and a warning says how much that is;
    - logged data after e^x − 1, then like normalised data.

    States of the data set are taken as they are but for hidden entries, which get state 0.

    LTMG is not cut short by a stop signal: it takes seconds, and without its states the weights would change meaning.
    """
    from scgnn2_engine.resources import usable_processors

    rows, cols = _together(
        *((entries.rows, entries.cols) for entries in (prepared.hidden, prepared.validation) if entries is not None)
    )
    notices: list[Notice] = []
    if data.states is not None:
        states = _loaded_states(data, prepared)
        shown = int(np.count_nonzero(states[rows, cols]))
        states[rows, cols] = 0
        notices.append(Notice.of("states_loaded", asked=params.run_LTMG))
        if shown:
            notices.append(Notice.of("states_hidden", n=shown))
    elif params.run_LTMG:
        expression = unlogged(prepared.expression, prepared.scale)
        visible = _visible(expression, (rows, cols))
        states = yield from iterate_ltmg_states(visible, params.LTMG.mode, params.threads or usable_processors())
        notices += _about_states(states, visible, prepared)
    else:
        return prepared
    if params.output.preprocessed and params.run_LTMG and prepared.validation is not None:
        notices.append(Notice.of("states_written", n=len(prepared.validation)))
    yield from notices
    return replace(prepared, states=states, notices=(*prepared.notices, *notices))


def _about_empty(expression: Matrix) -> list[Notice]:
    empty = {
        "cells": int(np.count_nonzero(row_nonzeros(expression) == 0)),
        "genes": int(np.count_nonzero(column_nonzeros(expression) == 0)),
    }
    return [Notice.of("empty", n=n, what=what) for what, n in empty.items() if n]


def _together(*positions: tuple[Ints, Ints]) -> Positions:
    """The rows and the columns of several sets of positions, one set after the other."""
    none = np.empty(0, dtype=np.int64)
    rows, cols = (np.concatenate([none, *(each[axis] for each in positions)]) for axis in (0, 1))
    return rows, cols


def _visible(expression: Matrix, *hidden: Positions | None) -> Matrix:
    """The expression with the hidden entries at 0; itself where there are none."""
    rows, cols = _together(*(positions for positions in hidden if positions is not None))
    return with_zeros_at(expression, rows, cols) if len(rows) else expression


def _size_factors(data: Dataset, cells: Ints, genes: Ints, visible: Matrix) -> tuple[Factors, Notice]:
    """Factors of the kept cells by their visible kept genes and by all genes that were dropped; what to say of them."""
    if data.scale == "logged":
        return np.ones(len(cells), dtype=np.float32), Notice.of("normalised_already")
    # Added up without them: taking hidden values off the whole sums would leave their rounding behind.
    libraries = library_sizes(data.expression, without=genes)[cells] + library_sizes(visible)
    factors = size_factors(libraries)
    smallest, largest = float(factors.min()), float(factors.max())
    return factors, Notice.of("size_factors", median=float(np.median(libraries)), smallest=smallest, largest=largest)


def _loaded_states(data: Dataset, prepared: Prepared) -> npt.NDArray[np.uint8]:
    assert data.states is not None
    if data.states.shape != (data.n_obs, data.n_vars):
        raise InputError(
            "The LTMG states do not fit the expression matrix.",
            expected=f"{data.n_obs} cells and {data.n_vars} genes",
            found=f"shape {data.states.shape}",
            advice="Load the states that were computed from this matrix, or leave load_LTMG away.",
        )
    return np.array(data.states[np.ix_(prepared.cells, prepared.genes)], dtype=np.uint8)


def _about_states(states: npt.NDArray[np.uint8], visible: Matrix, prepared: Prepared) -> list[Notice]:
    """What the states came to, and what the user should know about data of this kind."""
    values = stored(visible)
    n_positive = int(np.count_nonzero(values))
    if not n_positive:
        return [Notice.of("states_empty")]
    notices = [Notice.of("states", most=int(states.max()), silent=1.0 - np.count_nonzero(states) / n_positive)]
    ones = np.count_nonzero(values == 1) / n_positive
    below = np.count_nonzero((values > 0) & (values < 1)) / n_positive
    if prepared.scale == "counts" and ones > BELOW_ONE_SHARE:
        notices.append(Notice.of("states_of_ones", ones=ones))
    elif below > BELOW_ONE_SHARE:
        notices.append(Notice.of("states_below_one", below=below))
    return notices


def _refuse_unusable(data: Dataset) -> None:
    """Refuse NaN, infinite and negative values, naming the first."""
    wrong = first_unusable(data.expression)
    if wrong is None:
        return
    cell, gene, value = wrong
    raise InputError(
        f"The value of cell {data.obs_names[cell]}, gene {data.var_names[gene]} cannot be used.",
        expected="finite numbers that are not negative",
        found=f"{value:g}",
        advice="Choose counts or normalised expression (load_layer), not scaled data.",
    )

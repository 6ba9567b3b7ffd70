"""The cells and genes that results of other tools share with what they are compared with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.data.dataset import Dataset, Matrix, Scale
from scgnn2_engine.data.matrices import visible_expression
from scgnn2_engine.data.normalise import log_matrix, logged_values
from scgnn2_engine.data.prepared import HiddenEntries, Prepared
from scgnn2_engine.errors import InputError

Names = npt.NDArray[np.str_]

_SUFFIXED = re.compile(r"(.+)-\d+")


def made_unique(notes: Iterable[str], kind: str) -> bool:
    """Whether the reader gave suffixes to duplicated names; its notes are the only place that says so.

    Examples
    --------
    >>> made_unique(["1 duplicated gene name made unique by a suffix: a."], "gene")
    True
    """
    return any(re.match(rf"\d+ duplicated {kind} names? made unique", note) for note in notes)


def common_names(lists: Sequence[Names], renamed: Sequence[bool]) -> tuple[Names, Names]:
    """The names that are in every list, and those that are but do not say what they name.

    Suffixes of duplicated names go by their order. They mean the same in two files only where both list the same names
    in the same order, and each of them has all the duplicates.

    Parameters
    ----------
    lists
        Names of the cells, or of the genes, of each matrix, unique.
    renamed
        Whether the reader made them unique (:func:`made_unique`), for each matrix.

    Returns
    -------
    common, unclear
        Both in the order of the first list.

    Examples
    --------
    >>> lists = [np.array(["a", "a-1", "b"]), np.array(["b", "a", "a-1"])]
    >>> [names.tolist() for names in common_names(lists, [True, True])]
    [['b'], ['a', 'a-1']]
    >>> [names.tolist() for names in common_names([lists[0], lists[0]], [True, True])]
    [['a', 'a-1', 'b'], []]
    """
    shared = lists[0]
    for names in lists[1:]:
        shared = shared[np.isin(shared, names)]
    if not any(renamed):
        return shared, shared[:0]
    same_order = all(np.array_equal(names[np.isin(names, shared)], shared) for names in lists)
    groups = [_groups(names) for names in lists]
    duplicated = {base for found, was in zip(groups, renamed, strict=True) if was for base in found}
    unclear: set[str] = set()
    for base in duplicated:
        members = [found.get(base, {base}) for found in groups]
        if not same_order or any(other != members[0] for other in members):
            unclear |= set().union(*members)
    doubtful = np.isin(shared, sorted(unclear))
    return shared[~doubtful], shared[doubtful]


def _groups(names: Names) -> dict[str, set[str]]:
    """The names that may be duplicates of one another, by the name without a suffix."""
    known = {str(name) for name in names}
    groups: dict[str, set[str]] = {}
    for name in known:
        found = _SUFFIXED.fullmatch(name)
        if found and found[1] in known:
            groups.setdefault(found[1], {found[1]}).add(name)
    return groups


def taken(dataset: Dataset, cells: Names, genes: Names) -> Dataset:
    """The part with these cells and genes, all of which it has."""
    rows = pd.Index(dataset.obs_names).get_indexer(cells)
    cols = pd.Index(dataset.var_names).get_indexer(genes)
    return Dataset(dataset.expression[rows][:, cols], cells, genes, dataset.scale)


def visible_part(prepared: Prepared) -> Dataset:
    """What a run was given: its expression with the benchmark's hidden entries at 0."""
    expression = visible_expression(prepared, with_held_out=True)
    return Dataset(expression, prepared.obs_names, prepared.var_names, prepared.scale)


def logged(expression: Matrix, scale: Scale) -> npt.NDArray[np.float32]:
    """(n_obs, n_vars) ln(1 + expression), dense."""
    return np.asarray(log_matrix(expression, scale, np.ones(expression.shape[0], dtype=np.float32)))


def prepared_from(truth: Dataset, observed: Dataset) -> Prepared:
    """What was visible and what was hidden, from a whole matrix and the one that the tools were given.

    Parameters
    ----------
    truth
        Nothing hidden.
    observed
        The same cells and genes, 0 where an entry was hidden; ``truth`` itself, if nothing was.

    Returns
    -------
    Prepared
        Size factors 1: the scores are on ln(1 + x), x on the scale of the files.

    Raises
    ------
    InputError
        The two are on different scales.
    """
    if truth.scale != observed.scale:
        raise InputError(
            "The truth and the observed matrix are on different scales.",
            expected="both counts, both normalised, or both logged",
            found=f"{truth.scale} and {observed.scale}",
            advice="Give the matrix that the entries were hidden in.",
        )
    n_obs, n_vars = truth.expression.shape
    x = logged(observed.expression, observed.scale)
    rows, cols = np.nonzero((logged(truth.expression, truth.scale) > 0) & (x == 0))
    return Prepared(
        x=x,
        size_factors=np.ones(n_obs, dtype=np.float32),
        expression=truth.expression,
        scale=truth.scale,
        obs_names=truth.obs_names,
        var_names=truth.var_names,
        cells=np.arange(n_obs),
        genes=np.arange(n_vars),
        hidden=HiddenEntries(rows, cols, logged_values(truth.expression, truth.scale, rows, cols))
        if len(rows)
        else None,
    )

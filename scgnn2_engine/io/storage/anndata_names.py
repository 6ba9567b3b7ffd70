"""Names of cells and genes that stand in a column of ``obs`` or ``var`` and not where AnnData keeps names."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.io.names import NO_NAMES, Names, listed

Kind = Literal["cell", "gene"]

_COLUMNS: dict[Kind, tuple[str, ...]] = {
    "gene": (
        "feature_name", "gene_name", "gene_names", "gene_symbol", "gene_symbols", "symbol", "hgnc_symbol", "var_id",
        "feature_id", "gene_ids", "gene_id", "ensembl_id", "ensembl_ids", "soma_joinid",
    ),
    "cell": ("obs_id", "barcode", "barcodes", "cell_id", "cell_barcode", "observation_joinid", "soma_joinid"),
}  # fmt: skip
"""Where tiledbsoma, the CELLxGENE Census and others keep names, in the order in which they are taken."""
_IDENTIFIERS = ("gene_ids", "gene_id", "feature_id", "ensembl_id", "ensembl_ids", "feature_name")
_NUMBER = re.compile(r"[0-9]{1,15}(\.0+)?")


class Named(NamedTuple):
    """Names, and a sentence where they are others than those of the table; empty else."""

    names: Names
    note: str


def names_of(table: pd.DataFrame, kind: Kind) -> Named:
    """The names of cells or genes: those of the table, or of a column where these are the numbers of rows.

    Genes without a symbol get their identifier, where a column has it.

    Parameters
    ----------
    table
        ``obs`` or ``var``.
    kind
        Which of them.

    Examples
    --------
    >>> names_of(pd.DataFrame({"feature_name": ["ACTB", "LYZ"]}, index=["0", "1"]), "gene")
    Named(names=array(['ACTB', 'LYZ'], dtype='<U4'),
    note="The genes are called 0, 1: their names were taken from var['feature_name'].")
    """
    names = np.asarray(table.index.astype(str), dtype=np.str_)
    axis = "var" if kind == "gene" else "obs"
    if _are_positions(names, table):
        for column in _COLUMNS[kind]:
            held = _column(table, column)
            if held is not None and not np.isin(held, NO_NAMES).all():
                taken = f"The {kind}s are called {listed(names, 3)}: their names were taken from {axis}[{column!r}]."
                return Named(held, taken)
        return Named(
            names, f"The {kind}s are called by numbers ({listed(names, 3)}), and no column of {axis} has names."
        )
    missing = np.isin(names, NO_NAMES)
    for column in _IDENTIFIERS if kind == "gene" and missing.any() else ():
        held = _column(table, column)
        if held is not None and not np.isin(held[missing], NO_NAMES).all():
            number = f"{int(missing.sum())} genes have" if missing.sum() > 1 else "1 gene has"
            filled = np.where(missing & ~np.isin(held, NO_NAMES), held, names)
            return Named(filled, f"{number} no name: called by var[{column!r}] ({listed(held[missing], 3)}).")
    return Named(names, "")


def _are_positions(names: Names, table: pd.DataFrame) -> bool:
    """Whether names are the numbers of rows: 0, 1, 2, … in any order, or what a selection of rows left of them.

    Such rise; other numbers (of Entrez) do not, or no column has names. Some tools write them as 0.0, 1.0, ….
    """
    if not len(names) or not all(_NUMBER.fullmatch(name) for name in names):
        return False
    numbers = [int(name.partition(".")[0]) for name in names]
    if "soma_joinid" in table.columns:
        return True
    rising = all(before < after for before, after in pairwise(numbers))
    return rising or sorted(numbers) == list(range(len(numbers)))


def _column(table: pd.DataFrame, name: str) -> npt.NDArray[np.str_] | None:
    if name not in table.columns or not isinstance(table[name], pd.Series):
        return None
    return np.asarray(table[name].astype(object).map(lambda value: "" if pd.isna(value) else str(value)), dtype=np.str_)

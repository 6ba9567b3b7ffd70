"""Expression of new cells brought to the genes, the scale and the library size of a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Dataset, Floats
from scgnn2_engine.data.matrices import as_csr, counts_of_logged
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import InputError

if TYPE_CHECKING:
    from scgnn2_engine.model.model import Model

MOST_MISSING = 0.3
"""Largest share of the model's genes that new data may lack."""

OTHER_TOTAL = 1.5
"""From this factor between the totals of logged data they were normalised to other totals, and are brought to one."""

SHOWN = 5

OF_THE_FILTER = "the filter decides on them"
"""What readers say of empty cells and genes, which are not filtered here."""


@dataclass(frozen=True)
class NewCells:
    """New cells as a model takes them.

    Attributes
    ----------
    obs_names
        (n,) names.
    x
        (n, n_vars) CSR, ln(1 + expression / size factor), 0 for genes that were not measured.
    expression
        (n, n_vars) CSR on the scale of the model's data.
    size_factors
        (n,) float32.
    measured
        (n_vars,) bool, which genes of the model the data have.
    share_known
        Share of the seen entries of the model's cells that lie in those genes.
    empty
        (n,) bool, cells that express none of them.
    notes, warnings
        What was decided.
    """

    obs_names: npt.NDArray[np.str_]
    x: sp.csr_matrix
    expression: sp.csr_matrix
    size_factors: npt.NDArray[np.float32]
    measured: npt.NDArray[np.bool_]
    share_known: float
    empty: npt.NDArray[np.bool_]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def fitted(data: Dataset, model: Model, prepared: Prepared) -> NewCells:
    """Bring a data set to a model.

    Parameters
    ----------
    data
        New cells, as they were read; genes in any order.
    model, prepared
        The model and what it was trained on.

    Raises
    ------
    InputError
        More than 30 % of the model's genes are missing, or the values are of a scale that cannot be brought to the
        model's.

    Notes
    -----
    A cell's size factor is the sum of its genes over the sum that an average cell of the model has in the same genes,
    so that genes that are missing do not make a cell shallow.
    """
    if data.scale == "logged" and not data.facts.get("normalised", True):
        data = replace(data, expression=counts_of_logged(data.expression), scale="counts")
    columns, notes = _columns(data, model)
    measured = columns >= 0
    picked = sp.csr_matrix(data.expression)[:, columns[measured]]
    whole = sp.csr_matrix((len(data.obs_names), len(columns)), dtype=np.float32)
    if picked.nnz:
        places = np.flatnonzero(measured)
        whole = sp.csr_matrix((picked.data, places[picked.indices], picked.indptr), whole.shape, dtype=np.float32)
        whole.sort_indices()
        whole.eliminate_zeros()
    old = as_csr(prepared.x)
    usual = np.asarray(old.expm1().mean(axis=0)).ravel()[measured].sum()
    seen = np.asarray((old > 0).sum(axis=0)).ravel()
    share_known = float(seen[measured].sum() / max(seen.sum(), 1))
    whole, factors, said = _scaled(whole, data, model, prepared, float(usual))
    x = whole.copy()
    if prepared.scale != "logged":
        x = logged(whole, factors)
    empty = np.diff(whole.indptr) == 0
    warnings = []
    if empty.any():
        warnings.append(f"{int(empty.sum())} of the new cells express none of the model's genes: they are unknown.")
    return NewCells(
        data.obs_names,
        sp.csr_matrix(x, dtype=np.float32),
        whole,
        factors,
        measured,
        share_known,
        empty,
        (*(note for note in data.notes if OF_THE_FILTER not in note), *notes, *said),
        (*(warning for warning in data.warnings if OF_THE_FILTER not in warning), *warnings),
    )


def _columns(data: Dataset, model: Model) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Where each gene of the model stands in the data, −1 where it does not; and what to say."""
    wanted = model.var_names.tolist()
    names = [data.var_names]
    if data.var is not None and "gene_ids" in data.var:
        names.append(data.var["gene_ids"].to_numpy().astype(str))
    found = [_positions(wanted, these.tolist()) for these in names]
    columns = max(found, key=lambda at: int((at >= 0).sum()))
    missing = [gene for gene, at in zip(wanted, columns, strict=True) if at < 0]
    if len(missing) > MOST_MISSING * len(wanted):
        lower = {str(name).upper() for name in data.var_names}
        same = sum(gene.upper() in lower for gene in wanted)
        raise InputError(
            "The new cells lack too many genes of the model.",
            expected=f"at least {1 - MOST_MISSING:.0%} of its {len(wanted)} genes ({', '.join(wanted[:SHOWN])} …)",
            found=f"{len(wanted) - len(missing)} of them, among {', '.join(map(str, data.var_names[:SHOWN]))} …",
            advice="The names differ in case: is it another species?"
            if same > (1 - MOST_MISSING) * len(wanted)
            else "Give the genes the names that the model's data had (symbols or identifiers).",
        )
    notes = (
        []
        if not missing
        else [
            f"{len(missing)} of the model's {len(wanted)} genes are missing ({', '.join(missing[:SHOWN])}"
            f"{' …' if len(missing) > SHOWN else ''}): they are imputed from the others."
        ]
    )
    return columns, notes


def _positions(wanted: list[str], names: list[str]) -> npt.NDArray[np.int64]:
    place = {name: at for at, name in reversed(list(enumerate(names)))}
    return np.array([place.get(name, -1) for name in wanted], np.int64)


def _scaled(
    whole: sp.csr_matrix, data: Dataset, model: Model, prepared: Prepared, usual: float
) -> tuple[sp.csr_matrix, npt.NDArray[np.float32], list[str]]:
    """Expression on the scale of the model's data, size factors, and what to say."""
    n_obs = whole.shape[0]
    ones = np.ones(n_obs, np.float32)
    if prepared.scale == "logged":
        values = whole.expm1() if data.scale == "logged" else whole
        sums = np.asarray(values.sum(axis=1)).ravel()
        if data.scale == "logged":
            factor = float(np.median(sums[sums > 0])) / usual if (sums > 0).any() else 1.0
            if 1 / OTHER_TOTAL < factor < OTHER_TOTAL:
                return whole, ones, []
            said = f"The new cells had {factor:.2g} times the total of the model's cells: they were brought to it."
            return sp.csr_matrix((values / factor).log1p()), ones, [said]
        said = "The new cells were brought to the total of the model's cells and logged, as its data are."
        return logged(values, _factors(sums, usual)), ones, [said]
    if data.scale == "logged" or (prepared.scale == "counts" and data.scale != "counts"):
        raise InputError(
            "The new cells are not on the scale of the model.",
            expected=f"{prepared.scale} values, as the model was trained on",
            found=f"{data.scale} values",
            advice="Give the counts (load_layer names their matrix).",
        )
    if not model.params.preprocess.library_size:
        return whole, ones, []
    return whole, _factors(np.asarray(whole.sum(axis=1)).ravel(), usual), []


def logged(expression: sp.csr_matrix, factors: Floats) -> sp.csr_matrix:
    """(n, n_vars) ln(1 + expression / size factor)."""
    return sp.csr_matrix(sp.diags_array(1 / factors).dot(expression)).log1p()


def _factors(sums: Floats, usual: float) -> npt.NDArray[np.float32]:
    return np.where(sums > 0, sums / max(usual, 1e-12), 1).astype(np.float32)

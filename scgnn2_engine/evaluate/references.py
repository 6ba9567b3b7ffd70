"""What results of any tools are compared with: the same matrix for all, or for each what it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.normalise import logged_values
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import InputError
from scgnn2_engine.evaluate.evaluation import EVALUATION_MATRICES
from scgnn2_engine.evaluate.matching import (
    Names,
    common_names,
    made_unique,
    prepared_from,
    taken,
    visible_part,
)
from scgnn2_engine.evaluate.tool_outputs import Output
from scgnn2_engine.io.memory import require_memory
from scgnn2_engine.io.names import listed

_EQUAL = 1e-4  # on ln(1 + x): what a csv of a few digits leaves of a difference


@dataclass(frozen=True)
class Reference:
    """What outputs are compared with.

    Attributes
    ----------
    prepared
        What was visible, and what was hidden.
    words
        What that is.
    obs_names, var_names
        Its cells and genes before any are lost that not all have.
    outputs
        Those that are compared with it.
    warnings
        What was lost, and what does not fit, as sentences.
    """

    prepared: Prepared
    words: str
    obs_names: Names
    var_names: Names
    outputs: tuple[Output, ...]
    warnings: tuple[str, ...] = ()

    def row(self, output: Output) -> dict[str, Any]:
        """What an output has of it, and how much is scored."""
        return {
            "method": output.name,
            "compared_with": self.words,
            "cells": int(np.isin(self.obs_names, output.obs_names).sum()),
            "of_cells": len(self.obs_names),
            "genes": int(np.isin(self.var_names, output.var_names).sum()),
            "of_genes": len(self.var_names),
            "scored_cells": self.prepared.n_obs,
            "scored_genes": self.prepared.n_vars,
        }


def references_of(outputs: Sequence[Output], truth: Dataset | None, observed: Dataset | None) -> list[Reference]:
    """One reference for all, where a matrix is given; else what each was made from, once where several are the same.

    Raises
    ------
    InputError
        Nothing tells what an output was made from, or there is no cell or gene in common.
    InsufficientMemoryError
        What is to be compared does not fit.
    """
    if truth is not None or observed is not None:
        return [_shared(outputs, truth, observed)]
    found: list[Reference] = []
    for output in outputs:
        prepared = _own(output)
        at = next((number for number, one in enumerate(found) if _same(one.prepared, prepared)), None)
        if at is None:
            names = prepared.obs_names, prepared.var_names
            found.append(Reference(prepared, output.made_from, *names, (output,)))
        else:
            found[at] = replace(found[at], outputs=(*found[at].outputs, output))
    return found


def _own(output: Output) -> Prepared:
    if output.run is not None:
        return output.run.prepared
    if output.observed is not None:
        _require_memory(*output.observed.expression.shape)
        return prepared_from(output.observed, output.observed)
    with_layers = f", or --layer (there are {', '.join(output.layers)})" if output.layers else ""
    raise InputError(
        f"Nothing says what {output.name} was made from.",
        expected="a run of scgnn2, or the observed matrix",
        found="imputed values alone",
        advice=f"Add --observed MATRIX (what the tool was given) or --truth MATRIX{with_layers}.",
    )


def _same(one: Prepared, other: Prepared) -> bool:
    """Whether the same was visible, and the same hidden."""

    def facts(of: Prepared) -> list[npt.NDArray[Any]]:
        entries = [at for at in (of.hidden, of.validation) if at is not None]
        positions = [array for at in entries for array in (at.rows, at.cols)]
        return [of.obs_names, of.var_names, of.size_factors, np.asarray(of.x), *positions]

    mine, others = facts(one), facts(other)
    return len(mine) == len(others) and all(map(np.array_equal, mine, others))


def _require_memory(n_obs: int, n_vars: int) -> None:
    require_memory(EVALUATION_MATRICES * 4 * n_obs * n_vars, f"Scoring {n_obs} cells and {n_vars} genes")


def _shared(outputs: Sequence[Output], truth: Dataset | None, observed: Dataset | None) -> Reference:
    whole = truth if truth is not None else observed
    assert whole is not None
    words = "observed" if truth is None else "truth, nothing hidden" if observed is None else "truth and observed"
    if truth is not None and observed is None:
        own = next((output for output in outputs if output.run is not None or output.observed is not None), None)
        if own is not None:
            observed = visible_part(own.run.prepared) if own.run is not None else own.observed
            words = (
                f"truth, and {own.made_from} of {own.name}" if own.run is not None else f"truth, and {own.made_from}"
            )
    seen = observed if observed is not None else whole
    others = {"the observed matrix": seen} | {output.name: output for output in outputs}
    every: list[Dataset | Output] = [whole, *others.values()]
    cells, unclear_cells = common_names(
        [one.obs_names for one in every], [made_unique(one.notes, "cell") for one in every]
    )
    genes, unclear_genes = common_names(
        [one.var_names for one in every], [made_unique(one.notes, "gene") for one in every]
    )
    if not len(cells) or not len(genes):
        raise _nothing_in_common(outputs[0], whole)
    warnings = [*_left_out(unclear_cells, "cells"), *_left_out(unclear_genes, "genes")]
    lacking = [
        f"{name} ({np.isin(whole.obs_names, one.obs_names).sum()} cells, "
        f"{np.isin(whole.var_names, one.var_names).sum()} genes)"
        for name, one in others.items()
        if not (np.isin(whole.obs_names, one.obs_names).all() and np.isin(whole.var_names, one.var_names).all())
    ]
    if lacking:
        warnings.insert(
            0,
            f"Every result, and the baselines, are scored on {len(cells)} of {whole.n_obs} cells and {len(genes)} of "
            f"{whole.n_vars} genes: those that all have. Some have fewer: {listed(lacking)}.",
        )
    _require_memory(len(cells), len(genes))
    part = taken(whole, cells, genes)
    prepared = prepared_from(part, taken(seen, cells, genes))
    warnings += _unlike(part, prepared) if seen is not whole else []
    return Reference(prepared, words, whole.obs_names, whole.var_names, tuple(outputs), tuple(warnings))


def _left_out(unclear: Names, kind: str) -> list[str]:
    if not len(unclear):
        return []
    return [
        f"{len(unclear)} {kind} are left out: their names were duplicated, and the files do not list them in the same "
        f"order or number, so nothing tells which is which: {listed(unclear)}. Give them names of their own."
    ]


def _unlike(truth: Dataset, prepared: Prepared) -> list[str]:
    """What to say where the two matrices do not belong together: what is visible must be what is true."""
    x = np.asarray(prepared.x)
    rows, cols = np.nonzero(x)
    whole = logged_values(truth.expression, truth.scale, rows, cols)
    differing = np.count_nonzero(np.abs(x[rows, cols] - whole) > _EQUAL)
    if not differing:
        return []
    return [
        f"{differing / len(rows):.1%} of the visible entries of the observed matrix are not those of the "
        "truth. Entries count as masked where the truth is expressed and the observed matrix is 0, so give the matrix "
        "that the entries were hidden in, on the same scale; if the truth is free of noise, the errors are from that."
    ]


def _nothing_in_common(output: Output, whole: Dataset) -> InputError:
    return InputError(
        f"{output.name} and the matrix it is compared with have no cell or no gene in common.",
        expected=f"cells such as {whole.obs_names[0]} and genes such as {whole.var_names[0]}",
        found=f"cells such as {output.obs_names[0]} and genes such as {output.var_names[0]}",
        advice="Give the matrix that the tool was given; orientation says what the rows of a table are.",
    )

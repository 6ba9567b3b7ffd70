"""What tools returned, read from files of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.errors import InputError
from scgnn2_engine.evaluate.matching import Names, logged, prepared_from, taken
from scgnn2_engine.evaluate.report import Candidate
from scgnn2_engine.evaluate.saved_run import OWN_LAYERS, is_run, read_run
from scgnn2_engine.io import read
from scgnn2_engine.params import LoadParams
from scgnn2_engine.types import VALUE_ROWS, Dataset, Floats, Ints, Prepared


@dataclass(frozen=True)
class Output:
    """What a tool returned.

    Attributes
    ----------
    name
        For the tables.
    imputed
        (n_obs, n_vars) ln(1 + expression).
    obs_names, var_names
        Names of its cells and genes.
    labels
        (n_obs,) clusters, or None.
    prepared
        What it was made from, where the file tells.
    made_from
        What ``prepared`` is, in words.
    value
        (n_obs, n_vars) ln(1 + expression) of each gene where it is seen, where ``imputed`` is another answer.
    knows_held_out
        Whether ``imputed`` was made with the entries that were held out of the training.
    is_run
        Whether it is a run of scgnn2, whose cells have their own library sizes.
    guessed_logged
        Whether nobody said that the values are logged: they look so.
    notes, warnings
        What was detected while reading, as sentences.
    """

    name: str
    imputed: Floats
    obs_names: Names
    var_names: Names
    labels: npt.NDArray[Any] | None = None
    prepared: Prepared | None = None
    made_from: str = ""
    value: Floats | None = None
    knows_held_out: bool = False
    is_run: bool = False
    guessed_logged: bool = False
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def at(self, cells: Ints, genes: Ints) -> dict[str, Candidate]:
        """Its part at these positions, by the names of the rows."""
        labels = None if self.labels is None else self.labels[cells]
        part = np.ix_(cells, genes)
        found = {self.name: Candidate(np.ascontiguousarray(self.imputed[part]), labels, self.knows_held_out)}
        if self.value is not None:
            found[self.name + VALUE_ROWS] = Candidate(np.ascontiguousarray(self.value[part]))
        return found


def read_output(path: str | Path, load: LoadParams | None = None, *, clusters: str = "") -> Output:
    """Read the result of a run, or of another tool.

    Parameters
    ----------
    path
        The output folder of a run or its ``result.h5ad``; or anything :func:`scgnn2_engine.read` takes, holding the
        imputed expression.
    load
        ``layer``, ``scale`` and ``orientation`` of the imputed expression. With a layer of an h5ad that holds the
        observed counts as well, those are what it is compared with; with a layer that a run wrote
        (``scgnn2_value``), what that run was given.
    clusters
        A column of ``obs`` with the clusters of another tool.

    Raises
    ------
    InputError
        It cannot be read, or has no such layer or column.
    """
    path, load = Path(path).expanduser(), load or LoadParams()
    if (not load.layer or load.layer.startswith(OWN_LAYERS)) and is_run(path):
        run = read_run(path, load.layer)
        own = run.prepared
        return Output(
            _name(path),
            run.imputed,
            own.obs_names,
            own.var_names,
            run.labels,
            own,
            "what the run was given",
            run.value,
            run.knows_held_out,
            is_run=True,
            notes=(f"{path}: run of scgnn2, {own.n_obs} cells x {own.n_vars} genes.",),
        )
    found = read(path, load)
    observed = _observed_beside(path, found) if load.layer else None
    beside = "" if observed is None else f"{observed.facts['matrix']} of the same file ({observed.scale})"
    return Output(
        _name(path),
        logged(found.expression, found.scale),
        found.obs_names,
        found.var_names,
        _clusters(found, clusters, path) if clusters else None,
        None if observed is None else _made_from(observed, found),
        beside,
        guessed_logged=load.scale == "auto" and found.scale == "logged",
        notes=found.notes,
        warnings=(*found.warnings, *([] if observed is None else _doubts(observed, beside))),
    )


def _observed_beside(path: Path, found: Dataset) -> Dataset | None:
    """The observed expression of a file that holds it beside the layer of imputed values; None where there is none."""
    try:
        observed = read(path)
    except InputError:  # X is scaled, for instance
        return None
    same = observed.facts.get("matrix") == found.facts.get("matrix")
    return None if same or not np.isin(found.var_names, observed.var_names).all() else observed


def _made_from(observed: Dataset, found: Dataset) -> Prepared:
    observed = taken(observed, found.obs_names, found.var_names)
    return prepared_from(observed, observed)


def _doubts(observed: Dataset, beside: str) -> list[str]:
    """What to say where the file holds no counts: what a tool was given may be somewhere else."""
    if observed.scale == "counts":
        return []
    return [
        f"The file holds no counts, so without --observed the layer is compared with {beside}: --observed MATRIX names "
        "what the tool was given, if it is something else."
    ]


def _name(path: Path) -> str:
    return path.parent.name if path.name == "result.h5ad" else path.name.removesuffix(".gz").rsplit(".", 1)[0]


def _clusters(found: Dataset, column: str, path: Path) -> npt.NDArray[Any]:
    if found.obs is None or column not in found.obs.columns:
        there = [] if found.obs is None else [str(name) for name in found.obs.columns[:20]]
        raise InputError(
            f"{path} has no clusters {column!r}.",
            expected="a column of obs",
            found=", ".join(there) or "no columns",
        )
    labels: npt.NDArray[Any] = found.obs[column].astype(str).to_numpy()
    return labels


def named_apart(outputs: Sequence[Output]) -> list[Output]:
    """The outputs with names that are all different: a number is added to what comes again."""
    seen: dict[str, int] = {}
    named = []
    for output in outputs:
        seen[output.name] = seen.get(output.name, 0) + 1
        again = seen[output.name] > 1
        named.append(replace(output, name=f"{output.name}_{seen[output.name]}") if again else output)
    return named

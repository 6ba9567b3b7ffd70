"""What tools returned, read from files of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Dataset, Ints, Matrix, Scale
from scgnn2_engine.errors import InputError
from scgnn2_engine.evaluate.baselines import CLUSTERING, IMPUTATION
from scgnn2_engine.evaluate.evaluation import Candidate
from scgnn2_engine.evaluate.loaded_run import OWN_LAYERS, LoadedRun, is_run, read_run
from scgnn2_engine.evaluate.matching import Names, logged, taken
from scgnn2_engine.io import read
from scgnn2_engine.io.paths import expanded
from scgnn2_engine.params import LoadParams
from scgnn2_engine.results.result import VALUE_ROWS

RESERVED = frozenset({*IMPUTATION, *CLUSTERING})
"""Names of the baselines, which no output may have."""


@dataclass(frozen=True)
class Output:
    """What a tool returned.

    Attributes
    ----------
    name
        For the tables.
    expression
        (n_obs, n_vars) the imputed expression as it was read, dense or sparse.
    scale
        Of ``expression``.
    obs_names, var_names
        Names of its cells and genes.
    labels
        (n_obs,) clusters, or None.
    run
        What a run of scgnn2 left, whose cells have their own library sizes; None for another tool.
    observed
        What another tool was given, where its file tells: the same cells and genes.
    made_from
        What it was made from, in words.
    guessed_logged
        Whether nobody said that the values are logged: they look so.
    layers
        Layers of the file, where no one of them was asked for.
    notes, warnings
        What was detected while reading, as sentences.
    """

    name: str
    expression: Matrix
    scale: Scale
    obs_names: Names
    var_names: Names
    labels: npt.NDArray[Any] | None = None
    run: LoadedRun | None = None
    observed: Dataset | None = None
    made_from: str = ""
    guessed_logged: bool = False
    layers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def at(self, cells: Ints, genes: Ints) -> dict[str, Candidate]:
        """Its part at these positions, dense, by the names of the rows."""
        labels = None if self.labels is None else self.labels[cells]
        knows = self.run is not None and self.run.knows_held_out
        part = logged(self.expression[cells][:, genes], self.scale)
        found = {self.name: Candidate(np.ascontiguousarray(part), labels, knows)}
        if self.run is not None and self.run.value is not None:
            value = self.run.value[cells][:, genes]
            found[self.name + VALUE_ROWS] = Candidate(np.ascontiguousarray(value))
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
    path, load = expanded(path), (load or LoadParams()).replace(recover_counts=False)
    if (not load.layer or load.layer.startswith(OWN_LAYERS)) and is_run(path):
        run = read_run(path, load.layer)
        own = run.prepared
        return Output(
            _name(path),
            run.imputed,
            "logged",
            own.obs_names,
            own.var_names,
            run.labels,
            run,
            made_from="what the run was given",
            notes=(f"{path}: run of scgnn2, {own.n_obs} cells x {own.n_vars} genes.",),
        )
    found = read(path, load, small_negatives=True)
    observed = _observed_beside(path, found) if load.layer else None
    beside = "" if observed is None else f"{observed.facts['matrix']} of the same file ({observed.scale})"
    return Output(
        _name(path),
        found.expression,
        found.scale,
        found.obs_names,
        found.var_names,
        _clusters(found, clusters, path) if clusters else None,
        observed=None if observed is None else taken(observed, found.obs_names, found.var_names),
        made_from=beside,
        guessed_logged=load.scale == "auto" and found.scale == "logged",
        layers=() if load.layer else layers_of(path),
        notes=found.notes,
        warnings=(*found.warnings, *([] if observed is None else _doubts(observed, beside))),
    )


def _observed_beside(path: Path, found: Dataset) -> Dataset | None:
    """The observed expression of a file that holds it beside the layer of imputed values; None where there is none."""
    try:
        observed = read(path, LoadParams(recover_counts=False))  # on the scale of what a tool returned
    except InputError:  # X is scaled, for instance
        return None
    same = observed.facts.get("matrix") == found.facts.get("matrix")
    return None if same or not np.isin(found.var_names, observed.var_names).all() else observed


def _doubts(observed: Dataset, beside: str) -> list[str]:
    """What to say where the file holds no counts: what a tool was given may be somewhere else."""
    if observed.scale == "counts":
        return []
    return [
        f"The file holds no counts, so without --observed the layer is compared with {beside}: --observed MATRIX names "
        "what the tool was given, if it is something else."
    ]


def layers_of(path: Path) -> tuple[str, ...]:
    """Names of the layers of an h5ad; none of any other file."""
    import h5py

    if path.suffix != ".h5ad" or not path.is_file():
        return ()
    with h5py.File(path) as file:
        return tuple(file["layers"]) if "layers" in file else ()


def _name(path: Path) -> str:
    path = path.resolve()
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
    """The outputs with names that are all different, and none that of a baseline.

    A baseline's name gets "(file)" behind it, what comes again a number.
    """
    taken_names: set[str] = set()
    named = []
    for output in outputs:
        plain = f"{output.name} (file)" if output.name in RESERVED else output.name
        name, number = plain, 1
        while name in taken_names:
            number += 1
            name = f"{plain}_{number}"
        taken_names |= {name, name + VALUE_ROWS}
        named.append(replace(output, name=name))
    return named

"""Results of any tool, read and scored on the same entries: what ``scgnn2 evaluate`` does."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.errors import InputError
from scgnn2_engine.evaluate.diagnostics import agreement_table
from scgnn2_engine.evaluate.measurements import diagnose, gene_table
from scgnn2_engine.evaluate.report import Candidate, Scorer, best_baseline_error, iterate_comparison, two_answers
from scgnn2_engine.evaluate.saved_run import OWN_LAYERS, is_run, read_run
from scgnn2_engine.events import Event
from scgnn2_engine.io import read
from scgnn2_engine.io.labels import read_labels
from scgnn2_engine.params import LoadParams
from scgnn2_engine.prepare.normalise import log_matrix, logged_values
from scgnn2_engine.types import (
    VALUE_ROWS,
    Dataset,
    Evaluation,
    Floats,
    HiddenEntries,
    Ints,
    Matrix,
    Prepared,
    Truth,
)

Names = npt.NDArray[np.str_]


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
    value
        (n_obs, n_vars) ln(1 + expression) of each gene where it is seen, where ``imputed`` is another answer.
    knows_held_out
        Whether ``imputed`` was made with the entries that were held out of the training.
    """

    name: str
    imputed: Floats
    obs_names: Names
    var_names: Names
    labels: npt.NDArray[Any] | None = None
    prepared: Prepared | None = None
    value: Floats | None = None
    knows_held_out: bool = False

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
            _name(path), run.imputed, own.obs_names, own.var_names, run.labels, own, run.value, run.knows_held_out
        )
    found = read(path, load)
    return Output(
        _name(path),
        _logged(found.expression, found),
        found.obs_names,
        found.var_names,
        _clusters(found, clusters, path) if clusters else None,
        _observed_beside(path, found) if load.layer else None,
    )


def _observed_beside(path: Path, found: Dataset) -> Prepared | None:
    """The observed expression of a file that holds it beside the layer of imputed values; None where there is none."""
    try:
        observed = read(path)
    except InputError:  # X is scaled, for instance
        return None
    if observed.facts.get("matrix") == found.facts.get("matrix") or observed.n_vars < found.n_vars:
        return None
    observed = _taken(observed, found.obs_names, found.var_names)
    return prepared_from(observed, observed)


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


def _logged(expression: Matrix, dataset: Dataset) -> npt.NDArray[np.float32]:
    return log_matrix(expression, dataset.scale, np.ones(expression.shape[0], dtype=np.float32))


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
    x = _logged(observed.expression, observed)
    rows, cols = np.nonzero((_logged(truth.expression, truth) > 0) & (x == 0))
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


@dataclass(frozen=True)
class Comparison:
    """The scores of several outputs, and how far their clusters agree.

    Attributes
    ----------
    evaluation
        As of one run, with a row for each output; its ``diagnostics`` have the column ``method``.
    agreement
        Adjusted Rand index of every pair of clusterings, or None for fewer than two.
    """

    evaluation: Evaluation
    agreement: pd.DataFrame | None


def iterate_outputs(
    outputs: Sequence[Output],
    *,
    truth: Dataset | None = None,
    observed: Dataset | None = None,
    labels: str | Path | None = None,
    match_library: bool = False,
    baselines: bool = True,
    seed: int = 0,
) -> Generator[Event, None, Comparison]:
    """Score outputs of any tools, yielding notices.

    Parameters
    ----------
    outputs
        As of :func:`read_output`.
    truth
        The matrix with nothing hidden. Where it is expressed and ``observed`` is 0, an entry counts as masked.
    observed
        The matrix that the tools were given; without it what an output itself was made from, else ``truth``.
    labels
        csv of cells and their known types.
    match_library
        Bring every cell of the outputs to its observed library size first: for tools that return normalised values.
    baselines
        Score the baselines as well, in the first output's place.
    seed
        Of baselines and samples.

    Raises
    ------
    InputError
        Nothing tells what the outputs were made from, or they have no cell or gene in common with it.
    """
    shared = None
    if truth is not None or observed is not None:
        shared = _shared_context(outputs, truth, observed)
    tables: list[Evaluation] = []
    score, best = None, float("nan")
    for number, output in enumerate(outputs):
        prepared = shared or output.prepared
        if prepared is None:
            raise InputError(
                f"Nothing says what {output.name} was made from.",
                expected="a run of scgnn2, or the observed matrix",
                found="imputed values alone",
                advice="Add --observed MATRIX (what the tool was given) or --truth MATRIX.",
            )
        candidates = _fitted(prepared, output)
        if match_library:
            candidates = {name: _with_library(candidate, prepared) for name, candidate in candidates.items()}
        known = _known(labels, prepared) if labels else None
        if score is None or shared is None:  # each on the entries of its own run
            score, best = Scorer.of(prepared), float("nan")
        evaluation = yield from iterate_comparison(
            candidates, prepared, known, baselines=baselines and number == 0, seed=seed, score=score
        )
        best = best if np.isfinite(best) else best_baseline_error(evaluation.imputation)
        tables.append(_with_diagnostics(evaluation, output.name, candidates, prepared, score, best, seed))
    return Comparison(_joined(tables), _agreement(outputs))


def _shared_context(outputs: Sequence[Output], truth: Dataset | None, observed: Dataset | None) -> Prepared:
    whole = truth if truth is not None else observed
    assert whole is not None
    if truth is not None and observed is None:
        own = next((output.prepared for output in outputs if output.prepared is not None), None)
        if own is not None:
            observed = _visible_part(own)
    seen = observed if observed is not None else whole
    names = [(output.obs_names, output.var_names) for output in outputs] + [(seen.obs_names, seen.var_names)]
    cells, genes = whole.obs_names, whole.var_names
    for obs_names, var_names in names:
        cells, genes = cells[np.isin(cells, obs_names)], genes[np.isin(genes, var_names)]
    if not len(cells) or not len(genes):
        raise _nothing_in_common(outputs[0], whole)
    return prepared_from(_taken(whole, cells, genes), _taken(seen, cells, genes))


def _visible_part(prepared: Prepared) -> Dataset:
    """What a run was given: its expression with the benchmark's hidden entries at 0."""
    from scgnn2_engine.prepare.matrices import with_zeros_at

    expression = prepared.expression
    if prepared.hidden is not None:
        expression = with_zeros_at(
            expression, prepared.hidden.rows.astype(np.int64), prepared.hidden.cols.astype(np.int64)
        )
    return Dataset(expression, prepared.obs_names, prepared.var_names, prepared.scale)


def _taken(dataset: Dataset, cells: Names, genes: Names) -> Dataset:
    rows = pd.Index(dataset.obs_names).get_indexer(cells)
    cols = pd.Index(dataset.var_names).get_indexer(genes)
    return Dataset(dataset.expression[rows][:, cols], cells, genes, dataset.scale)


def _fitted(prepared: Prepared, output: Output) -> dict[str, Candidate]:
    """The output in the order of the cells and genes of ``prepared``."""
    cells = pd.Index(output.obs_names).get_indexer(prepared.obs_names)
    genes = pd.Index(output.var_names).get_indexer(prepared.var_names)
    if (cells < 0).any() or (genes < 0).any():
        raise InputError(
            f"{output.name} lacks cells or genes of what it was made from.",
            expected=f"{prepared.n_obs} cells and {prepared.n_vars} genes",
            found=f"{int((cells >= 0).sum())} and {int((genes >= 0).sum())} of them",
        )
    return output.at(cells, genes)


def _with_library(candidate: Candidate, prepared: Prepared) -> Candidate:
    assert candidate.imputed is not None
    expression = np.expm1(np.asarray(candidate.imputed, dtype=np.float64))
    seen = np.expm1(prepared.to_output_scale(prepared.x).astype(np.float64)).sum(axis=1, keepdims=True)
    totals = expression.sum(axis=1, keepdims=True)
    expression *= np.where(totals > 0, seen / np.where(totals > 0, totals, 1), 1)
    return replace(candidate, imputed=np.asarray(np.log1p(expression), dtype=np.float32))


def _known(path: str | Path, prepared: Prepared) -> Truth:
    return read_labels(Path(path), prepared.obs_names)[0]


def _with_diagnostics(
    evaluation: Evaluation,
    name: str,
    candidates: Mapping[str, Candidate],
    prepared: Prepared,
    score: Scorer,
    best_baseline: float,
    seed: int,
) -> Evaluation:
    imputed = candidates[name].imputed
    assert imputed is not None
    values = candidates.get(name + VALUE_ROWS)
    table = diagnose(
        imputed,
        prepared,
        score.entries,
        best_baseline=best_baseline,
        best_rates=score.best_rates,
        value=None if values is None else values.imputed,
        seed=seed,
    )
    table.insert(0, "method", name)
    genes = gene_table(imputed, prepared)
    genes.insert(0, "method", name)
    notes = evaluation.notes
    if values is not None and score.hidden is not None:
        notes = (two_answers(name), *notes)
    return replace(evaluation, diagnostics=table, genes=genes, notes=notes)


def _joined(tables: Sequence[Evaluation]) -> Evaluation:
    def together(part: str) -> pd.DataFrame:
        every: list[pd.DataFrame] = [getattr(table, part) for table in tables]
        filled = [frame for frame in every if len(frame)]
        return pd.concat(filled, ignore_index=True) if filled else every[0]

    return Evaluation(
        imputation=together("imputation"),
        clusters=together("clusters"),
        diagnostics=together("diagnostics"),
        genes=together("genes"),
        notes=tuple(dict.fromkeys(note for table in tables for note in table.notes)),
    )


def _agreement(outputs: Sequence[Output]) -> pd.DataFrame | None:
    clustered = {
        output.name: pd.Series(output.labels, index=output.obs_names) for output in outputs if output.labels is not None
    }
    if len(clustered) < 2:
        return None
    cells = next(iter(clustered.values())).index
    for labels in clustered.values():
        cells = cells.intersection(labels.index)
    return agreement_table({name: labels.loc[cells].to_numpy() for name, labels in clustered.items()})


def _nothing_in_common(output: Output, whole: Dataset) -> InputError:
    return InputError(
        f"{output.name} and the matrix it is compared with have no cell or no gene in common.",
        expected=f"cells such as {whole.obs_names[0]} and genes such as {whole.var_names[0]}",
        found=f"cells such as {output.obs_names[0]} and genes such as {output.var_names[0]}",
        advice="Give the matrix that the tool was given; orientation says what the rows of a table are.",
    )


def named_apart(outputs: Sequence[Output]) -> list[Output]:
    """The outputs with names that are all different: a number is added to what comes again."""
    seen: dict[str, int] = {}
    named = []
    for output in outputs:
        seen[output.name] = seen.get(output.name, 0) + 1
        again = seen[output.name] > 1
        named.append(replace(output, name=f"{output.name}_{seen[output.name]}") if again else output)
    return named

"""Results of any tool, scored on the same entries: what ``scgnn2 evaluate`` does."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from scgnn2_engine.data.dataset import Dataset, Truth
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import InputError
from scgnn2_engine.evaluate.diagnostics import agreement_table
from scgnn2_engine.evaluate.diagnostics_table import diagnose, gene_table
from scgnn2_engine.evaluate.evaluation import Candidate, Scorer, best_baseline_error, iterate_comparison, two_answers
from scgnn2_engine.evaluate.imputation_errors import Kind
from scgnn2_engine.evaluate.matching import common_names, made_unique
from scgnn2_engine.evaluate.references import Reference, references_of
from scgnn2_engine.evaluate.scale_fit import linear_doubt, with_library
from scgnn2_engine.evaluate.tool_outputs import RESERVED, Output
from scgnn2_engine.events import Event
from scgnn2_engine.io.labels import read_labels
from scgnn2_engine.io.names import SAMPLE
from scgnn2_engine.io.paths import expanded
from scgnn2_engine.results.result import VALUE_ROWS, Evaluation


@dataclass(frozen=True)
class Comparison:
    """The scores of several outputs, and how far their clusters agree.

    Attributes
    ----------
    evaluation
        As of one run, with a row for each output; its ``diagnostics`` have the column ``method``.
    agreement
        Adjusted Rand index of every pair of clusterings, or None for fewer than two.
    compared
        One row for each output: ``method``, ``compared_with`` (in words), how many ``cells`` and ``genes`` it has of
        the ``of_cells`` and ``of_genes`` there, ``scored_cells`` and ``scored_genes``, and ``n_masked`` and the like,
        the scored entries of each kind.
    notes, warnings
        On what it was compared, and what may be wrong with that, as sentences.
    """

    evaluation: Evaluation
    agreement: pd.DataFrame | None
    compared: pd.DataFrame
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


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
        As of :func:`~scgnn2_engine.evaluate.tool_outputs.read_output`.
    truth
        The matrix with nothing hidden. Where it is expressed and ``observed`` is 0, an entry counts as masked.
    observed
        The matrix that the tools were given; without it what an output itself was made from, else ``truth``.
    labels
        csv of cells and their known types.
    match_library
        Bring every cell of the outputs to the scale of what was seen of it first: for tools that return normalised
        values. Runs of scgnn2 are left as they are.
    baselines
        Score the baselines as well, once for each matrix that outputs were made from.
    seed
        Of baselines and samples.

    Raises
    ------
    InputError
        Nothing tells what the outputs were made from, or they have no cell or gene in common with it.
    InsufficientMemoryError
        What is to be compared does not fit.
    """
    references = references_of(outputs, truth, observed)
    tables: list[Evaluation] = []
    rows: dict[str, dict[str, Any]] = {}
    notes: list[str] = []
    warnings = _apart(references) + [warning for reference in references for warning in reference.warnings]
    for reference in references:
        known = None
        if labels:
            known, said, remarks = _known(labels, reference, truth, observed)
            notes, warnings = [*notes, *said], [*warnings, *remarks]
        score = Scorer.of(reference.prepared)
        for output in reference.outputs:
            entries = {f"n_{kind}": len(score.entries.get(kind, ())) for kind in get_args(Kind)}
            rows[output.name] = reference.row(output) | entries
            warnings += _value_remarks(output, reference.prepared)
        found = yield from _on(reference, score, known, match_library=match_library, baselines=baselines, seed=seed)
        tables += found if reference is references[0] else [_for_reference(table, reference) for table in found]
    if match_library:
        left = [output.name for output in outputs if output.run is not None]
        notes += [f"{name} is a run of scgnn2 and has the library sizes already: it is left as it is." for name in left]
    return Comparison(
        _joined(tables),
        _agreement(outputs),
        pd.DataFrame([rows[output.name] for output in outputs]),
        tuple(dict.fromkeys(notes)),
        tuple(dict.fromkeys(warnings)),
    )


def _on(
    reference: Reference, score: Scorer, known: Truth | None, *, match_library: bool, baselines: bool, seed: int
) -> Generator[Event, None, list[Evaluation]]:
    """The scores of each output of a reference; those of the baselines are with the first."""
    scored: list[Evaluation] = []
    for output in reference.outputs:
        candidates = _fitted(output, reference.prepared, match_library=match_library)
        first = not scored
        evaluation = yield from iterate_comparison(
            candidates, reference.prepared, known, baselines=baselines and first, seed=seed, score=score
        )
        scored.append(evaluation)
    best = best_baseline_error(scored[0].imputation)
    # Only now is known what is best at the hidden entries, from which the noise is estimated: the same for all.
    found = []
    for output, evaluation in zip(reference.outputs, scored, strict=True):
        candidates = _fitted(output, reference.prepared, match_library=match_library)
        found.append(_with_diagnostics(evaluation, output, candidates, reference.prepared, score, best, seed))
    return found


def _apart(references: Sequence[Reference]) -> list[str]:
    """What to say where not all were made from the same."""
    if len(references) < 2:
        return []
    groups = [", ".join(output.name for output in reference.outputs) for reference in references]
    return [
        f"Not all were made from the same visible entries ({'; '.join(groups)}), so their errors cannot be compared "
        f"with each other. The baselines are computed for each: without a name behind them for {groups[0]}. With "
        "--truth or --observed all are compared with one matrix."
    ]


def _for_reference(evaluation: Evaluation, reference: Reference) -> Evaluation:
    """The tables with the rows of the baselines named after the output that they belong to."""

    def named(table: pd.DataFrame) -> pd.DataFrame:
        of = f" (for {reference.outputs[0].name})"
        return table.assign(method=[name + of if name in RESERVED else name for name in table["method"]])

    return replace(evaluation, imputation=named(evaluation.imputation), clusters=named(evaluation.clusters))


def _fitted(output: Output, prepared: Prepared, *, match_library: bool = False) -> dict[str, Candidate]:
    """The output in the order of the cells and genes of ``prepared``."""
    cells = pd.Index(output.obs_names).get_indexer(prepared.obs_names)
    genes = pd.Index(output.var_names).get_indexer(prepared.var_names)
    if (cells < 0).any() or (genes < 0).any():
        raise InputError(
            f"{output.name} lacks cells or genes of what it was made from.",
            expected=f"{prepared.n_obs} cells and {prepared.n_vars} genes",
            found=f"{int((cells >= 0).sum())} and {int((genes >= 0).sum())} of them",
        )
    found = output.at(cells, genes)
    if match_library and output.run is None:
        return {name: _with_library(candidate, prepared) for name, candidate in found.items()}
    return found


def _value_remarks(output: Output, prepared: Prepared) -> list[str]:
    """What to say where the values of another tool look as if they were not what they are taken for."""
    if output.run is not None:
        return []
    imputed = _fitted(output, prepared)[output.name].imputed
    assert imputed is not None
    said = []
    if np.allclose(imputed, np.asarray(prepared.x), atol=1e-5):
        layers = f" (--layer; the file has {', '.join(output.layers)})" if output.layers else ""
        said.append(f"the values are the observed ones, so nothing was imputed, or it is elsewhere{layers}.")
    doubt = linear_doubt(imputed, prepared) if output.guessed_logged else ""
    return [f"{output.name}: {one}" for one in (*said, *([doubt] if doubt else []))]


def _with_library(candidate: Candidate, prepared: Prepared) -> Candidate:
    assert candidate.imputed is not None
    return replace(candidate, imputed=with_library(candidate.imputed, prepared))


def _known(path: str | Path, reference: Reference, *given: Dataset | None) -> tuple[Truth, list[str], list[str]]:
    prepared = reference.prepared
    samples = dict[str, str]()
    for output in reference.outputs:
        samples |= _samples(output.observed) if output.run is None else output.run.samples
    for dataset in given:
        samples |= _samples(dataset)
    of_cells = [samples.get(str(name), "") for name in prepared.obs_names]
    known, notes, warnings = read_labels(expanded(path), prepared.obs_names, of_cells if samples else ())
    n_known = int(np.count_nonzero(known.sealed_labels != ""))
    return known, [f"Labels for {n_known} of {prepared.n_obs} cells from {path}.", *notes[1:]], warnings


def _samples(dataset: Dataset | None) -> dict[str, str]:
    """The sample of each cell, where several were joined."""
    if dataset is None or dataset.obs is None or SAMPLE not in dataset.obs:
        return {}
    return dict(zip(map(str, dataset.obs_names), map(str, dataset.obs[SAMPLE]), strict=True))


def _with_diagnostics(
    evaluation: Evaluation,
    output: Output,
    candidates: Mapping[str, Candidate],
    prepared: Prepared,
    score: Scorer,
    best_baseline: float,
    seed: int,
) -> Evaluation:
    name, candidate = output.name, candidates[output.name]
    assert candidate.imputed is not None
    values = candidates.get(name + VALUE_ROWS)
    run = output.run
    # Of other cells than the run's, its graph and its embeddings would be those of a part.
    whole = run is not None and np.array_equal(run.prepared.obs_names, prepared.obs_names)
    table = diagnose(
        candidate.imputed,
        prepared,
        score.entries,
        labels=candidate.labels,
        adjacency=run.adjacency if run is not None and whole else None,
        embeddings=run.embeddings if run is not None and whole else None,
        history=run.history if run is not None and whole else (),
        best_baseline=best_baseline,
        best_rates=score.best_rates,
        value=None if values is None else values.imputed,
        seed=seed,
    )
    table.insert(0, "method", name)
    genes = gene_table(candidate.imputed, prepared)
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
    clustered = [output for output in outputs if output.labels is not None]
    if len(clustered) < 2:
        return None
    cells = common_names(
        [output.obs_names for output in clustered], [made_unique(output.notes, "cell") for output in clustered]
    )[0]
    series = {output.name: pd.Series(output.labels, index=output.obs_names) for output in clustered}
    return agreement_table({name: labels.loc[cells].to_numpy() for name, labels in series.items()})

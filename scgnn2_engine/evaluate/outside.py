"""Results of any tool, scored on the same entries: what ``scgnn2 evaluate`` does."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from scgnn2_engine.errors import InputError
from scgnn2_engine.evaluate.diagnostics import agreement_table
from scgnn2_engine.evaluate.entries import Kind
from scgnn2_engine.evaluate.matching import Names, common_names, made_unique, prepared_from, taken, visible_part
from scgnn2_engine.evaluate.measurements import diagnose, gene_table
from scgnn2_engine.evaluate.outputs import Output
from scgnn2_engine.evaluate.report import Candidate, Scorer, best_baseline_error, iterate_comparison, two_answers
from scgnn2_engine.evaluate.scale_fit import linear_doubt, with_library
from scgnn2_engine.events import Event
from scgnn2_engine.io.labels import read_labels
from scgnn2_engine.io.names import listed
from scgnn2_engine.types import VALUE_ROWS, Dataset, Evaluation, Prepared, Truth


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


@dataclass(frozen=True)
class _Basis:
    """What outputs are compared with: in words, its cells and genes before any are lost, and what was lost."""

    prepared: Prepared
    words: str
    obs_names: Names
    var_names: Names
    warnings: tuple[str, ...] = ()

    def row(self, output: Output) -> dict[str, Any]:
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
        As of :func:`~scgnn2_engine.evaluate.outputs.read_output`.
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
        shared = _shared_basis(outputs, truth, observed)
    tables: list[Evaluation] = []
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    warnings: list[str] = list(shared.warnings) if shared is not None else []
    score, best = None, float("nan")
    for number, output in enumerate(outputs):
        basis = shared or _own_basis(output)
        prepared = basis.prepared
        rows.append(basis.row(output))
        candidates = _fitted(prepared, output)
        warnings += _scale_doubts(output, candidates, prepared)
        if match_library and output.is_run:
            notes.append(f"{output.name} is a run of scgnn2 and has the library sizes already: it is left as it is.")
        elif match_library:
            candidates = {name: _with_library(candidate, prepared) for name, candidate in candidates.items()}
        known = None
        if labels:
            known, said, doubts = _known(labels, prepared)
            notes, warnings = [*notes, *said], [*warnings, *doubts]
        if score is None or shared is None:  # each on the entries of its own run
            score, best = Scorer.of(prepared), float("nan")
        rows[-1] |= {f"n_{kind}": len(score.entries.get(kind, ())) for kind in get_args(Kind)}
        evaluation = yield from iterate_comparison(
            candidates, prepared, known, baselines=baselines and number == 0, seed=seed, score=score
        )
        best = best if np.isfinite(best) else best_baseline_error(evaluation.imputation)
        tables.append(_with_diagnostics(evaluation, output.name, candidates, prepared, score, best, seed))
    return Comparison(
        _joined(tables),
        _agreement(outputs),
        pd.DataFrame(rows),
        tuple(dict.fromkeys(notes)),
        tuple(dict.fromkeys(warnings)),
    )


def _own_basis(output: Output) -> _Basis:
    if output.prepared is None:
        raise InputError(
            f"Nothing says what {output.name} was made from.",
            expected="a run of scgnn2, or the observed matrix",
            found="imputed values alone",
            advice="Add --observed MATRIX (what the tool was given) or --truth MATRIX.",
        )
    return _Basis(output.prepared, output.made_from, output.prepared.obs_names, output.prepared.var_names)


def _shared_basis(outputs: Sequence[Output], truth: Dataset | None, observed: Dataset | None) -> _Basis:
    whole = truth if truth is not None else observed
    assert whole is not None
    words = "observed" if truth is None else "truth, nothing hidden" if observed is None else "truth and observed"
    if truth is not None and observed is None:
        own = next((output for output in outputs if output.prepared is not None), None)
        if own is not None and own.prepared is not None:
            observed = visible_part(own.prepared)
            words = f"truth, and {own.made_from} of {own.name}" if own.is_run else f"truth, and {own.made_from}"
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
    prepared = prepared_from(taken(whole, cells, genes), taken(seen, cells, genes))
    return _Basis(prepared, words, whole.obs_names, whole.var_names, tuple(warnings))


def _left_out(unclear: Names, kind: str) -> list[str]:
    if not len(unclear):
        return []
    return [
        f"{len(unclear)} {kind} are left out: their names were duplicated, and the files do not list them in the same "
        f"order or number, so nothing tells which is which: {listed(unclear)}. Give them names of their own."
    ]


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


def _scale_doubts(output: Output, candidates: Mapping[str, Candidate], prepared: Prepared) -> list[str]:
    imputed = candidates[output.name].imputed
    assert imputed is not None
    doubt = linear_doubt(imputed, prepared) if output.guessed_logged else ""
    return [f"{output.name}: {doubt}"] if doubt else []


def _with_library(candidate: Candidate, prepared: Prepared) -> Candidate:
    assert candidate.imputed is not None
    return replace(candidate, imputed=with_library(candidate.imputed, prepared))


def _known(path: str | Path, prepared: Prepared) -> tuple[Truth, list[str], list[str]]:
    known, notes, warnings = read_labels(Path(path).expanduser(), prepared.obs_names)
    n_known = int(np.count_nonzero(known.sealed_labels != ""))
    return known, [f"Labels for {n_known} of {prepared.n_obs} cells from {path}.", *notes[1:]], warnings


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
    clustered = [output for output in outputs if output.labels is not None]
    if len(clustered) < 2:
        return None
    cells = common_names(
        [output.obs_names for output in clustered], [made_unique(output.notes, "cell") for output in clustered]
    )[0]
    series = {output.name: pd.Series(output.labels, index=output.obs_names) for output in clustered}
    return agreement_table({name: labels.loc[cells].to_numpy() for name, labels in series.items()})


def _nothing_in_common(output: Output, whole: Dataset) -> InputError:
    return InputError(
        f"{output.name} and the matrix it is compared with have no cell or no gene in common.",
        expected=f"cells such as {whole.obs_names[0]} and genes such as {whole.var_names[0]}",
        found=f"cells such as {output.obs_names[0]} and genes such as {output.var_names[0]}",
        advice="Give the matrix that the tool was given; orientation says what the rows of a table are.",
    )

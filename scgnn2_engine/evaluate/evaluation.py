"""A result beside its baselines, and its diagnostics: :class:`~scgnn2_engine.results.result.Evaluation`."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.data.dataset import Floats, Truth
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.data.ties import l1_verdict
from scgnn2_engine.errors import InsufficientMemoryError
from scgnn2_engine.evaluate.baselines import (
    CLUSTERING,
    IMPUTATION,
    Visible,
    cluster_baseline,
    impute_baseline,
)
from scgnn2_engine.evaluate.diagnostics import depth_between_clusters, silhouette
from scgnn2_engine.evaluate.diagnostics_table import DIAGNOSTICS, diagnose, gene_table, genes_seen
from scgnn2_engine.evaluate.imputation_errors import (
    SCORES,
    Entries,
    Kind,
    Zeros,
    largest_zero,
    score_rows,
    scored_entries,
)
from scgnn2_engine.evaluate.imputers import principal_components
from scgnn2_engine.evaluate.metrics import agreement_with_truth
from scgnn2_engine.evaluate.null_genes import NullGenes, iterate_null_genes
from scgnn2_engine.events import Event, Notice, Stop, drain, never
from scgnn2_engine.io.memory import GIB, require_memory
from scgnn2_engine.messages import DE_WARNING
from scgnn2_engine.results.result import VALUE_ROWS, Evaluation, Result

METHOD = "scgnn2"
"""Name of a run's own rows."""

METHOD_VALUE = METHOD + VALUE_ROWS
"""Name of the rows of its output ``value``, where the imputed expression is another."""


SCORED_CELLS = 2_000
"""Of more cells than these, so many are scored after a run."""

EVALUATION_MATRICES = 11  # measured: a baseline with what it passes on, entries and their positions

Labels = npt.NDArray[Any]
Steps = Generator[Event, None, Evaluation]


def two_answers(name: str) -> str:
    """What to say of a method that has rows of its output ``value`` beside those of its imputed expression."""
    return (
        f"Entries that were hidden had been seen, so it is the value of a gene where it is seen that answers for them: "
        f"the rows {name + VALUE_ROWS!r}. The rows {name!r} are of what to expect, zeros included, which is less."
    )


def of_some_cells(n_obs: int) -> str:
    """What to say of scores that are those of a sample of the cells."""
    return (
        f"Scores and diagnostics are of {SCORED_CELLS:,} of the {n_obs:,} cells, drawn at random; the baselines see "
        "these cells alone, the run saw all."
    )


@dataclass(frozen=True)
class Candidate:
    """What is scored: the output of one method.

    Attributes
    ----------
    imputed
        (n_obs, n_vars) ln(1 + expression) with the cells' own library sizes, or None.
    labels
        (n_obs,) clusters, or None.
    knows_held_out
        Whether ``imputed`` was made with the entries that were held out of the training: then it is not scored there.
    """

    imputed: Floats | None = None
    labels: Labels | None = None
    knows_held_out: bool = False


def evaluate_result(
    result: Result,
    truth: Truth | None = None,
    *,
    baselines: bool = True,
    diagnostics: bool = True,
    seed: int = 0,
) -> Evaluation:
    """Score a run beside its baselines, and look at it from the inside.

    Parameters
    ----------
    result
        A finished run.
    truth
        Labels of its cells, for the columns ``ari``, ``nmi`` and ``ami`` only.
    baselines
        Run the baselines too (MAGIC where it is installed).
    diagnostics
        Measure what needs no truth.
    seed
        Of the baselines, samples and permutations.

    Returns
    -------
    Evaluation

    Examples
    --------
    >>> import scgnn2_engine as sc2
    >>> data = sc2.simulate(n_obs=60, n_vars=40, n_types=2, seed=0)
    >>> result = sc2.fit(data, sc2.RunParams(total_epoch=1, feature_AE_epoch=[5, 5], run_LTMG=False, device="cpu"))
    >>> rows = evaluate_result(result, baselines=False).imputation
    >>> rows["entries"].unique().tolist()
    ['untouched', 'zero', 'held_out']
    """
    return drain(iterate_evaluation(result, truth, baselines=baselines, diagnostics=diagnostics, seed=seed))


def evaluated(
    result: Result,
    truth: Truth | None,
    *,
    baselines: bool,
    diagnostics: bool,
    seed: int,
    stop: Stop = never,
    null: NullGenes | None = None,
) -> Generator[Event, None, Result]:
    """The last step of a run: its result with ``evaluation``, which is in ``record`` (``run.json``) as well.

    A run whose time is up, or that is stopped, gets its own scores only, with a notice. What goes wrong costs a row and
    is said in a notice, never the result. With ``null`` and ``diagnostics`` all is imputed once more with null genes,
    and what comes of it stands last among the diagnostics.
    """
    start = time.perf_counter()
    n_obs, n_vars = result.matrices["imputed"].shape
    max_memory = float(result.record.get("params", {}).get("max_memory", 0.0))
    try:
        _require(EVALUATION_MATRICES * 4 * min(n_obs, SCORED_CELLS) * n_vars * (baselines or diagnostics), max_memory)
    except InsufficientMemoryError as error:
        yield Notice.of("not_scored", error=str(error))
        baselines = diagnostics = False
    try:
        evaluation = yield from iterate_evaluation(
            result, truth, baselines=baselines, diagnostics=diagnostics, seed=seed, stop=stop
        )
    except Exception as error:  # hours of training must not be lost to a score
        yield Notice.of("not_evaluated", error=str(error))
        return result
    if null is not None and null.n_genes and diagnostics:
        rows = pd.DataFrame()
        if not stop():
            rows = yield from _null_rows(null, result.prepared, baselines, seed, stop, max_memory)
        if len(rows):
            evaluation = replace(evaluation, diagnostics=pd.concat([evaluation.diagnostics, rows], ignore_index=True))
        elif stop():
            evaluation = replace(evaluation, left_out=(*evaluation.left_out, "null_genes"))
    if evaluation.left_out:
        said = _cut_short(evaluation.left_out)
        evaluation = replace(evaluation, notes=(said.message, *evaluation.notes))
        yield said
    seconds = result.record.get("seconds", 0.0) + time.perf_counter() - start
    record = {**result.record, "seconds": round(seconds, 3), "evaluation": evaluation.record()}
    return replace(result, evaluation=evaluation, record=record)


def _cut_short(left_out: Sequence[str]) -> Notice:
    """Of scores that a stop left out, see :attr:`~scgnn2_engine.results.result.Evaluation.left_out`."""
    every = (*IMPUTATION, *CLUSTERING)
    others = {name: name in left_out for name in ("diagnostics", "null_genes")}
    return Notice.of("scoring_cut_short", missing=sum(name in every for name in left_out), of=len(every), **others)


def _null_rows(
    null: NullGenes, prepared: Prepared, baselines: bool, seed: int, stop: Stop, max_memory: float
) -> Generator[Event, None, pd.DataFrame]:
    try:
        _require(null.needed, max_memory)
    except InsufficientMemoryError as error:
        yield Notice.of("null_genes_too_large", error=str(error))
        return pd.DataFrame(columns=list(DIAGNOSTICS))
    return (yield from iterate_null_genes(null, prepared, method=METHOD, baselines=baselines, seed=seed, stop=stop))


def _require(needed: int, max_memory: float) -> None:
    if max_memory > 0:  # of the whole process; what it holds already is taken off
        import psutil

        max_memory = max(max_memory - psutil.Process().memory_info().rss / GIB, 1e-9)
    require_memory(needed, "The evaluation", max_memory)


def iterate_evaluation(
    result: Result,
    truth: Truth | None = None,
    *,
    baselines: bool = True,
    diagnostics: bool = True,
    seed: int = 0,
    stop: Stop = never,
) -> Steps:
    """:func:`evaluate_result` as a stream of notices, asking ``stop`` before every baseline.

    Of more than 2,000 cells that many are scored, drawn with ``seed``: the run's answers for them, which it gave with
    all cells in sight, and baselines that see them alone. A note says so.
    """
    n_obs = result.prepared.n_obs
    cells = np.arange(n_obs)
    prepared = result.prepared
    if n_obs > SCORED_CELLS:
        cells = np.sort(np.random.default_rng(seed).choice(n_obs, SCORED_CELLS, replace=False))
        prepared = prepared.take(cells)
        truth = None if truth is None else truth.take(cells)
    labels, entries = result.labels[cells], scored_entries(prepared)
    imputed = result.matrices["imputed"][cells]
    value = result.matrices["value"][cells] if "value" in result.matrices else None
    candidates = {METHOD: Candidate(imputed, labels, knows_held_out=value is not None)}
    if value is not None:
        candidates[METHOD_VALUE] = Candidate(value)
    score = Scorer.of(prepared, entries)
    evaluation = yield from iterate_comparison(
        candidates, prepared, truth, baselines=baselines, seed=seed, stop=stop, score=score
    )
    if value is not None and score.hidden is not None:
        evaluation = replace(evaluation, notes=(two_answers(METHOD), *evaluation.notes))
    if len(cells) < n_obs:
        evaluation = replace(evaluation, notes=(of_some_cells(n_obs), *evaluation.notes))
    if not diagnostics:
        return evaluation
    if stop():
        return replace(evaluation, left_out=(*evaluation.left_out, "diagnostics"))
    table = diagnose(
        imputed,
        prepared,
        entries,
        labels=labels,
        adjacency=result.graph.adjacency()[cells][:, cells],
        embeddings={
            "feature": result.feature_embedding[cells],
            "graph": result.graph_embedding[cells],
            "clustering": result.clustering_embedding[cells],
        },
        history=[result.labels_history[column].to_numpy()[cells] for column in result.labels_history],
        best_baseline=best_baseline_error(evaluation.imputation),
        best_rates=score.best_rates,
        value=value,
        mixing=result.mixing,
        seed=seed,
    )
    return replace(evaluation, diagnostics=table, genes=gene_table(imputed, prepared))


def iterate_comparison(
    candidates: Mapping[str, Candidate],
    prepared: Prepared,
    truth: Truth | None = None,
    *,
    baselines: bool = True,
    seed: int = 0,
    stop: Stop = never,
    score: Scorer | None = None,
) -> Steps:
    """Score any number of outputs on the same data, and the baselines beside them; without diagnostics.

    Parameters
    ----------
    candidates
        Name to output, all on the cells and genes of ``prepared``.
    prepared
        What was visible, and what was hidden.
    truth, baselines, seed
        As for :func:`evaluate_result`.
    stop
        Asked before every baseline; once it returns True, the others are left out.
    score
        Where the entries are known already, or what was best at them shall be.
    """
    score = score or Scorer.of(prepared)
    rows: list[dict[str, Any]] = []
    clusterings: list[tuple[str, Labels, float]] = []
    notes = [score.sentence] if not score.meaningful and score.hidden is not None else []
    left_out: tuple[str, ...] = ()
    for name, candidate in candidates.items():
        if candidate.imputed is not None:
            rows += score(name, candidate.imputed, np.nan, at_held_out=not candidate.knows_held_out)
        if candidate.labels is not None:
            clusterings.append((name, candidate.labels, np.nan))
    if baselines:
        own = [candidate.labels for candidate in candidates.values() if candidate.labels is not None]
        names = (*IMPUTATION, *CLUSTERING)
        for number, name in enumerate(names):
            if stop():
                left_out = names[number:]
                break
            start = time.perf_counter()
            try:
                if name in IMPUTATION:
                    imputed = prepared.to_output_scale(impute_baseline(name, prepared, seed=seed))
                    rows += score(name, imputed, time.perf_counter() - start)
                elif name != "pca_kmeans" or own:
                    n_clusters = len(np.unique(own[0])) if own else None
                    found = cluster_baseline(name, prepared, seed=seed, n_clusters=n_clusters)
                    clusterings.append((name, found, time.perf_counter() - start))
            except Exception as error:  # a baseline must never cost the result
                said = Notice.of("baseline_failed", name=name, error=str(error))
                notes.append(said.message)
                yield said
    notes.append(DE_WARNING.format(observed="counts", values="values"))
    return Evaluation(
        imputation=pd.DataFrame(rows, columns=["method", "entries", "n", *SCORES, "seconds"]),
        clusters=_cluster_table(clusterings, prepared, truth, seed),
        diagnostics=pd.DataFrame(columns=list(DIAGNOSTICS)),
        genes=pd.DataFrame(columns=["gene", "observed_in", "mean_observed", "mean_imputed", "variance_kept"]),
        notes=tuple(notes),
        left_out=left_out,
    )


class Scorer:
    """Scores one imputation after the other, and remembers what the best of them put at the hidden entries."""

    def __init__(
        self, entries: Mapping[Kind, Entries | Zeros], smallest: float, meaningful: bool, sentence: str
    ) -> None:
        self.hidden = entries.get("masked", entries.get("held_out"))
        self.meaningful, self.sentence = meaningful, sentence
        self.best_rates: npt.NDArray[Any] | None = None
        self.entries, self._smallest = entries, smallest
        self._least = np.inf

    @classmethod
    def of(cls, prepared: Prepared, entries: Mapping[Kind, Entries | Zeros] | None = None) -> Scorer:
        """Of a run's entries."""
        return cls(entries or scored_entries(prepared), largest_zero(prepared), *l1_verdict(prepared.expression))

    def __call__(self, name: str, imputed: Floats, seconds: float, *, at_held_out: bool = True) -> list[dict[str, Any]]:
        """The rows of one method; without those of held-out entries if it knows them."""
        entries = {kind: at for kind, at in self.entries.items() if at_held_out or kind != "held_out"}
        scored = score_rows(imputed, entries, smallest=self._smallest, l1_meaningful=self.meaningful)
        for error in [row["rmse"] for row in scored if row["entries"] in ("masked", "held_out")]:
            if self.hidden is not None and error < self._least:
                self._least, self.best_rates = error, self.hidden.of(imputed)
        return [{"method": name, **row, "seconds": seconds} for row in scored]


def _cluster_table(
    clusterings: list[tuple[str, Labels, float]], prepared: Prepared, truth: Truth | None, seed: int
) -> pd.DataFrame:
    columns = ["method", "n_clusters", "silhouette", "depth_between_clusters", "ari", "nmi", "ami", "seconds"]
    if not clusterings:
        return pd.DataFrame(columns=columns)
    points, seen = principal_components(Visible.of(prepared, held_out=True).y, seed=seed), genes_seen(prepared)
    rows = [
        {
            "method": name,
            "n_clusters": len(np.unique(labels)),
            "silhouette": silhouette(points, labels, seed=seed),
            "depth_between_clusters": depth_between_clusters(seen, labels),
            **agreement_with_truth(labels, truth),
            "seconds": seconds,
        }
        for name, labels, seconds in clusterings
    ]
    return pd.DataFrame(rows, columns=columns)


def best_baseline_error(imputation: pd.DataFrame) -> float:
    """The smallest ``l1_median`` of a baseline at the hidden entries, known by its name; NaN without one."""
    hidden = imputation[imputation["entries"].isin(["masked", "held_out"]) & imputation["method"].isin(IMPUTATION)]
    return float(hidden["l1_median"].min()) if hidden["l1_median"].notna().any() else float("nan")
